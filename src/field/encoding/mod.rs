//! Encodings: from a position to the features that the network reads.
//!
//! Nothing outside this folder and its twins in the engines knows which encodings there are.

mod axis_wise;
mod hash_grid;

pub(crate) use axis_wise::angular;
pub use axis_wise::{AxisWise, Wave};
pub(crate) use hash_grid::PRIMES;
pub use hash_grid::{HashGrid, HashGridShape, Level};

use super::ParameterGroup;

/// Which encoding, without its sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncodingKind {
    /// [`HashGrid`].
    #[default]
    HashGrid,
    /// [`AxisWise`], with one of its functions.
    AxisWise(Wave),
}

impl EncodingKind {
    /// The name that options give it.
    pub fn name(self) -> &'static str {
        match self {
            EncodingKind::HashGrid => "hash-grid",
            EncodingKind::AxisWise(wave) => wave.name(),
        }
    }
}

/// One of the encodings.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Encoding {
    /// Multi-resolution hash grid (paper, equations 2 to 4).
    HashGrid(HashGrid),
    /// Identity, frequency, triangle wave or one-blob: fixed functions of each coordinate.
    AxisWise(AxisWise),
}

impl Encoding {
    /// Number of features.
    pub fn width(&self) -> usize {
        match self {
            Encoding::HashGrid(grid) => grid.width(),
            Encoding::AxisWise(axis_wise) => 3 * axis_wise.features_an_axis(),
        }
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        match self {
            Encoding::HashGrid(grid) => grid.parameter_count(),
            Encoding::AxisWise(_) => 0,
        }
    }

    /// The parameters' groups, from parameter 0.
    pub fn groups(&self) -> Vec<ParameterGroup> {
        match self {
            Encoding::HashGrid(grid) => grid.groups(),
            Encoding::AxisWise(_) => Vec::new(),
        }
    }

    /// One line for reports.
    pub fn describe(&self) -> String {
        match self {
            Encoding::HashGrid(grid) => grid.describe(),
            Encoding::AxisWise(axis_wise) => axis_wise.describe(),
        }
    }

    /// The descriptor that the container stores (FORMAT.md, section MODL).
    pub(crate) fn write_descriptor(&self, out: &mut Vec<u8>) {
        match self {
            Encoding::HashGrid(grid) => {
                out.push(1);
                grid.write_descriptor(out);
            }
            Encoding::AxisWise(axis_wise) => out.extend([axis_wise.code(), axis_wise.count() as u8]),
        }
    }

    /// Reads a descriptor; the error says what is wrong with it.
    pub(crate) fn parse_descriptor(bytes: &[u8]) -> Result<Self, String> {
        match bytes.split_first() {
            Some((1, rest)) => HashGrid::parse_descriptor(rest).map(Encoding::HashGrid),
            Some((&code, rest)) => AxisWise::parse_descriptor(code, rest).map(Encoding::AxisWise),
            None => Err("the encoding's descriptor is empty".into()),
        }
    }
}
