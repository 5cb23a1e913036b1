//! Networks: from the features to the field's value.

mod mlp;
mod sine_residual;

pub use mlp::Mlp;
pub use sine_residual::SineResidual;

use super::{GroupKind, ParameterGroup};
use std::ops::Range;

/// One of the networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// Fully connected, with ReLU.
    Mlp(Mlp),
    /// Neurcomp: residual blocks of sine layers.
    SineResidual(SineResidual),
}

/// Which network, without its sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkKind {
    /// [`Mlp`].
    #[default]
    Mlp,
    /// [`SineResidual`].
    SineResidual,
}

impl NetworkKind {
    /// The name that options give it.
    pub fn name(self) -> &'static str {
        match self {
            NetworkKind::Mlp => "mlp",
            NetworkKind::SineResidual => "sine-residual",
        }
    }

    /// The code in the container.
    pub(crate) fn code(self) -> u8 {
        match self {
            NetworkKind::Mlp => 1,
            NetworkKind::SineResidual => 2,
        }
    }

    /// The kind of a code.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [NetworkKind::Mlp, NetworkKind::SineResidual].into_iter().find(|kind| kind.code() == code)
    }
}

/// One layer's place among the network's parameters. Weights come before biases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Weights, input by input: `[input][output]`.
    pub weights: Range<usize>,
    /// Biases, one an output.
    pub biases: Range<usize>,
}

impl Network {
    /// Largest width; a bound for files.
    pub const MAX_WIDTH: usize = 512;

    /// A network of a kind. `hidden_layers` counts a residual block of two sine layers as one, as its authors do.
    pub fn new(kind: NetworkKind, inputs: usize, width: usize, hidden_layers: usize) -> Self {
        match kind {
            NetworkKind::Mlp => Network::Mlp(Mlp { inputs, width, hidden_layers }),
            NetworkKind::SineResidual => Network::SineResidual(SineResidual { inputs, width, hidden_layers }),
        }
    }

    /// Which network it is.
    pub fn kind(&self) -> NetworkKind {
        match self {
            Network::Mlp(_) => NetworkKind::Mlp,
            Network::SineResidual(_) => NetworkKind::SineResidual,
        }
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        match self {
            Network::Mlp(Mlp { inputs, .. }) | Network::SineResidual(SineResidual { inputs, .. }) => *inputs,
        }
    }

    /// Neurons of a hidden layer.
    pub fn width(&self) -> usize {
        match self {
            Network::Mlp(Mlp { width, .. }) | Network::SineResidual(SineResidual { width, .. }) => *width,
        }
    }

    /// Number of hidden layers, a residual block counting as one.
    pub fn hidden_layers(&self) -> usize {
        match self {
            Network::Mlp(Mlp { hidden_layers, .. })
            | Network::SineResidual(SineResidual { hidden_layers, .. }) => *hidden_layers,
        }
    }

    /// Checks the sizes; the error says which one is out of its range.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Network::Mlp(mlp) => mlp.check(),
            Network::SineResidual(sine_residual) => sine_residual.check(),
        }
    }

    /// The layers, hidden ones first, with ranges from the network's first parameter.
    pub fn layers(&self) -> Vec<Layer> {
        let (inputs, width) = (self.inputs(), self.width());
        let hidden = match self {
            Network::Mlp(mlp) => mlp.hidden_layers,
            Network::SineResidual(sine_residual) => 1 + 2 * sine_residual.blocks(),
        };
        let mut start = 0;
        (0..=hidden)
            .map(|l| {
                let inputs = if l == 0 { inputs } else { width };
                let outputs = if l == hidden { 1 } else { width };
                let weights = start..start + inputs * outputs;
                let biases = weights.end..weights.end + outputs;
                start = biases.end;
                Layer { inputs, outputs, weights, biases }
            })
            .collect()
    }

    /// Number of weights and biases.
    pub fn parameter_count(&self) -> usize {
        self.layers().last().map_or(0, |l| l.biases.end)
    }

    /// The parameters' groups, the network's first parameter being `offset`.
    pub fn groups(&self, offset: usize) -> Vec<ParameterGroup> {
        let shift = |r: Range<usize>| r.start + offset..r.end + offset;
        let mut groups = Vec::new();
        for layer in self.layers() {
            groups.push(ParameterGroup {
                range: shift(layer.weights),
                kind: GroupKind::Weights,
                row: layer.outputs,
                lattice: [layer.inputs, 1, 1],
            });
            groups.push(ParameterGroup {
                range: shift(layer.biases),
                kind: GroupKind::Biases,
                row: 1,
                lattice: [layer.outputs, 1, 1],
            });
        }
        groups
    }

    /// Multiplications and additions of one forward evaluation.
    pub fn flops(&self) -> usize {
        self.layers().iter().map(|l| 2 * l.inputs * l.outputs).sum()
    }

    /// One line for reports.
    pub fn describe(&self) -> String {
        format!("{} {}x{}", self.kind().name(), self.hidden_layers(), self.width())
    }
}
