//! Neurcomp's network (Lu et al. 2021, Compressive neural representations of volumetric scalar fields, section 3):
//! residual blocks of sine layers (Sitzmann et al. 2020).

use super::Network;

/// A residual network of sine layers with one output.
///
/// ```text
/// h_0     = sin(W_0^T x + b_0)
/// h_{i+1} = (h_i + sin(V_i^T sin(U_i^T h_i + a_i) + c_i)) / 2      the mean keeps every h in [-1, 1]
/// value   = w^T h_n + b
/// ```
///
/// Sitzmann et al. write `sin(omega W x)` with omega = 30 and small W. Here omega is inside the weights: they begin omega
/// times as large, and since Adam does not see the scale of a gradient, the one is the other with omega times the
/// learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SineResidual {
    /// Number of inputs.
    pub inputs: usize,
    /// Neurons of a layer, 1 to 512: it follows from the ratio.
    pub width: usize,
    /// The first sine layer and the residual blocks behind it, 1 to 16; Neurcomp has 8.
    pub hidden_layers: usize,
}

impl SineResidual {
    /// Neurcomp's number of layers.
    pub const HIDDEN_LAYERS: usize = 8;
    /// Largest number of hidden layers.
    pub const MAX_HIDDEN_LAYERS: usize = 16;
    /// The frequency that the first layer begins with.
    pub const OMEGA: f32 = 30.0;

    /// Residual blocks: two sine layers each.
    pub fn blocks(&self) -> usize {
        self.hidden_layers.saturating_sub(1)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.width == 0 || self.width > Network::MAX_WIDTH {
            let most = Network::MAX_WIDTH;
            return Err(format!("a sine network's width is 1 to {most}, not {}", self.width));
        }
        if self.hidden_layers == 0 || self.hidden_layers > Self::MAX_HIDDEN_LAYERS {
            return Err(format!(
                "a sine network has 1 to {} hidden layers, not {}",
                Self::MAX_HIDDEN_LAYERS,
                self.hidden_layers
            ));
        }
        Ok(())
    }
}
