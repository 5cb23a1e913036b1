//! The multi-layer perceptron, forward and backward.

use super::dense;
use super::passes::Forward;
use crate::field::network::Layer;

/// `h_0 = features`, `h_{l+1} = relu(W_l^T h_l + b_l)`, value `= w^T h_n + b`.
pub(super) fn forward(layers: &[Layer], parameters: &[f32], features: &[f32]) -> Forward {
    let mut inputs = vec![features.to_vec()];
    let mut output = f32::NAN;
    for (l, layer) in layers.iter().enumerate() {
        let sums = dense::forward(layer, parameters, &inputs[l]);
        if l + 1 == layers.len() {
            output = sums[0];
        } else {
            inputs.push(sums.into_iter().map(|sum| sum.max(0.0)).collect());
        }
    }
    Forward { inputs, slopes: Vec::new(), output }
}

/// Adds the gradient by each parameter, given that by the output; returns the gradient by each feature.
pub(super) fn backward(
    layers: &[Layer],
    parameters: &[f32],
    forward: &Forward,
    of_output: f32,
    gradient: &mut [f32],
) -> Vec<f32> {
    let mut of_outputs = vec![of_output];
    for (l, layer) in layers.iter().enumerate().rev() {
        let h = &forward.inputs[l];
        of_outputs = dense::backward(layer, parameters, h, &of_outputs, gradient);
        // The ReLU of the layer below: what it cut off has no gradient. The features have none.
        if l > 0 {
            for (of_i, h_i) in of_outputs.iter_mut().zip(h) {
                if *h_i <= 0.0 {
                    *of_i = 0.0;
                }
            }
        }
    }
    of_outputs
}
