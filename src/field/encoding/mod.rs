//! Encodings: from a position to the features that the network reads.
//!
//! Nothing outside this folder and its twins in the engines knows which encodings there are.

mod hash_grid;

pub(crate) use hash_grid::PRIMES;
pub use hash_grid::{HashGrid, HashGridShape, Level};

use super::ParameterGroup;

/// One of the encodings.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Encoding {
    /// Multi-resolution hash grid (paper, equations 2 to 4).
    HashGrid(HashGrid),
}

impl Encoding {
    /// Number of features.
    pub fn width(&self) -> usize {
        match self {
            Encoding::HashGrid(grid) => grid.width(),
        }
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        match self {
            Encoding::HashGrid(grid) => grid.parameter_count(),
        }
    }

    /// The parameters' groups, from parameter 0.
    pub fn groups(&self) -> Vec<ParameterGroup> {
        match self {
            Encoding::HashGrid(grid) => grid.groups(),
        }
    }

    /// The spelling of `--encoding`.
    pub fn name(&self) -> &'static str {
        match self {
            Encoding::HashGrid(_) => "hash-grid",
        }
    }

    /// One line for reports.
    pub fn describe(&self) -> String {
        match self {
            Encoding::HashGrid(grid) => grid.describe(),
        }
    }

    /// The descriptor that the container stores (FORMAT.md, section MODL).
    pub(crate) fn write_descriptor(&self, out: &mut Vec<u8>) {
        match self {
            Encoding::HashGrid(grid) => {
                out.push(1);
                grid.write_descriptor(out);
            }
        }
    }

    /// Reads a descriptor; the error says what is wrong with it.
    pub(crate) fn parse_descriptor(bytes: &[u8]) -> Result<Self, String> {
        match bytes.split_first() {
            Some((1, rest)) => HashGrid::parse_descriptor(rest).map(Encoding::HashGrid),
            Some((code, _)) => Err(format!("encoding {code} is unknown to this version of neuvol")),
            None => Err("the encoding's descriptor is empty".into()),
        }
    }
}
