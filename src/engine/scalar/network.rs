//! The networks behind one face.

use super::passes::Forward;
use super::{mlp, sine_residual};
use crate::field::Network;

/// The network's value.
pub(super) fn forward(network: &Network, parameters: &[f32], features: &[f32]) -> Forward {
    match network {
        Network::Mlp(_) => mlp::forward(&network.layers(), parameters, features),
        Network::SineResidual(_) => sine_residual::forward(&network.layers(), parameters, features),
    }
}

/// Adds the gradient by each parameter, given that by the output; returns the gradient by each feature.
pub(super) fn backward(
    network: &Network,
    parameters: &[f32],
    forward: &Forward,
    of_output: f32,
    gradient: &mut [f32],
) -> Vec<f32> {
    let layers = network.layers();
    match network {
        Network::Mlp(_) => mlp::backward(&layers, parameters, forward, of_output, gradient),
        Network::SineResidual(_) => {
            sine_residual::backward(&layers, parameters, forward, of_output, gradient)
        }
    }
}
