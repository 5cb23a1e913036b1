//! The neural representation of a volume: an encoding of the position, a network behind it, and their parameters.
//!
//! A [`Model`] is the architecture; a [`Field`] is a model with values for its parameters. There is no file, no thread
//! and no device here. Positions are in `[0, 1]^3`; the field's value is 0 at the volume's smallest and 1 at its
//! largest measurement.

pub mod encoding;
pub mod network;
mod rounding;

pub use encoding::Encoding;
pub use network::{Network, NetworkKind};
pub use rounding::Rounding;

use std::ops::Range;

/// The architecture of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// From position to features.
    pub encoding: Encoding,
    /// From features to the value.
    pub network: Network,
}

impl Model {
    /// A model with a multi-layer perceptron that takes what the encoding gives.
    pub fn new(encoding: Encoding, width: usize, hidden_layers: usize) -> Self {
        Self::with(NetworkKind::Mlp, encoding, width, hidden_layers)
    }

    /// A model whose network of a kind takes what the encoding gives.
    pub fn with(kind: NetworkKind, encoding: Encoding, width: usize, hidden_layers: usize) -> Self {
        let network = Network::new(kind, encoding.width(), width, hidden_layers);
        Self { encoding, network }
    }

    /// The model in one line.
    pub fn describe(&self) -> String {
        format!("{}, {}", self.encoding.describe(), self.network.describe())
    }

    /// Number of parameters, encoding first, network after it.
    pub fn parameter_count(&self) -> usize {
        self.encoding.parameter_count() + self.network.parameter_count()
    }

    /// Where the network's parameters begin.
    pub fn network_offset(&self) -> usize {
        self.encoding.parameter_count()
    }

    /// The parameters' groups, in the order of their storage; together they cover every parameter once.
    pub fn groups(&self) -> Vec<ParameterGroup> {
        let mut groups = self.encoding.groups();
        groups.extend(self.network.groups(self.network_offset()));
        groups
    }
}

/// A model and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The architecture.
    pub model: Model,
    /// One value a parameter, in the order of [`Model::groups`].
    pub parameters: Vec<f32>,
}

/// What a group of parameters is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    /// Features that the encoding looks up: many, sparse, cheap to be zero.
    Features,
    /// A layer's weights.
    Weights,
    /// A layer's biases.
    Biases,
}

/// Parameters that share a rounding step, a learning rate and an entropy model.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterGroup {
    /// Their place among the field's parameters.
    pub range: Range<usize>,
    /// What they are for.
    pub kind: GroupKind,
    /// Values of one entry: the group is rows of this length.
    pub row: usize,
    /// Entries along x, y, z (x fastest) when neighbouring entries are neighbours in space, else `[entries, 1, 1]`.
    pub lattice: [usize; 3],
}
