//! The fully connected network: ReLU behind every hidden layer, one linear output.

use super::Network;

/// A multi-layer perceptron with one output.
///
/// Layer `l` maps `h` to `relu(W_l^T h + b_l)`; the last one has no ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mlp {
    /// Number of inputs.
    pub inputs: usize,
    /// Neurons of a hidden layer: a multiple of 16.
    pub width: usize,
    /// Number of hidden layers, 1 to 12.
    pub hidden_layers: usize,
}

impl Mlp {
    /// Largest number of hidden layers.
    pub const MAX_HIDDEN_LAYERS: usize = 12;

    pub(super) fn check(&self) -> Result<(), String> {
        if self.width == 0 || !self.width.is_multiple_of(16) || self.width > Network::MAX_WIDTH {
            return Err(format!(
                "a network's width is a multiple of 16 up to {}, not {}",
                Network::MAX_WIDTH,
                self.width
            ));
        }
        if self.hidden_layers == 0 || self.hidden_layers > Self::MAX_HIDDEN_LAYERS {
            return Err(format!(
                "a network has 1 to {} hidden layers, not {}",
                Self::MAX_HIDDEN_LAYERS,
                self.hidden_layers
            ));
        }
        Ok(())
    }
}
