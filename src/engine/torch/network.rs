//! The networks as tensor operations.

use crate::field::Network;
use crate::field::network::Layer;
use tch::{TchError, Tensor};

/// Values `[n]` of features `[n, inputs]`; `parameters` is the network's, flat, of the features' kind.
pub(super) fn forward(network: &Network, parameters: &Tensor, features: &Tensor) -> Result<Tensor, TchError> {
    let layers = network.layers();
    let (hidden, output) = layers.split_at(layers.len() - 1);
    let h = match network {
        Network::Mlp(_) => {
            let mut h = features.shallow_clone();
            for layer in hidden {
                h = dense(layer, parameters, &h)?.f_relu()?;
            }
            h
        }
        Network::SineResidual(_) => {
            let sine = |layer: &Layer, h: &Tensor| dense(layer, parameters, h)?.f_sin();
            let mut h = sine(&hidden[0], features)?;
            for block in hidden[1..].chunks(2) {
                let through = sine(&block[1], &sine(&block[0], &h)?)?;
                h = h.f_add(&through)?.f_mul_scalar(0.5)?;
            }
            h
        }
    };
    dense(&output[0], parameters, &h)?.f_squeeze_dim(1)
}

/// `h W + b`.
fn dense(layer: &Layer, parameters: &Tensor, h: &Tensor) -> Result<Tensor, TchError> {
    let (inputs, outputs) = (layer.inputs as i64, layer.outputs as i64);
    let weights =
        parameters.f_narrow(0, layer.weights.start as i64, inputs * outputs)?.f_view([inputs, outputs])?;
    let biases = parameters.f_narrow(0, layer.biases.start as i64, outputs)?;
    biases.f_addmm(h, &weights)
}
