//! The residual sine network, forward and backward.

use super::dense;
use super::passes::Forward;
use crate::field::network::Layer;

/// `h_0 = sin(W_0^T x + b_0)`, `h_{i+1} = (h_i + sin(V_i^T sin(U_i^T h_i + a_i) + c_i)) / 2`, value `= w^T h_n + b`.
///
/// The inputs are x, then each block's h and what is between its two sine layers, then the last h.
pub(super) fn forward(layers: &[Layer], parameters: &[f32], features: &[f32]) -> Forward {
    let mut inputs = vec![features.to_vec()];
    let mut slopes = Vec::new();
    let mut sine_layer = |layer: &Layer, h: &[f32]| -> Vec<f32> {
        let sums = dense::forward(layer, parameters, h);
        slopes.push(sums.iter().map(|z| z.cos()).collect());
        sums.into_iter().map(f32::sin).collect()
    };
    let mut h = sine_layer(&layers[0], features);
    for block in layers[1..layers.len() - 1].chunks(2) {
        let between = sine_layer(&block[0], &h);
        let sine = sine_layer(&block[1], &between);
        let next = h.iter().zip(&sine).map(|(h, s)| (h + s) / 2.0).collect();
        inputs.push(h);
        inputs.push(between);
        h = next;
    }
    let output = dense::forward(&layers[layers.len() - 1], parameters, &h)[0];
    inputs.push(h);
    Forward { inputs, slopes, output }
}

/// Adds the gradient by each parameter, given that by the output; returns the gradient by each feature.
pub(super) fn backward(
    layers: &[Layer],
    parameters: &[f32],
    forward: &Forward,
    of_output: f32,
    gradient: &mut [f32],
) -> Vec<f32> {
    // Back through sine layer l, given the gradient by its outputs.
    let mut through = |l: usize, of_outputs: Vec<f32>| -> Vec<f32> {
        let of_sums: Vec<f32> = of_outputs.iter().zip(&forward.slopes[l]).map(|(g, cos)| g * cos).collect();
        dense::backward(&layers[l], parameters, &forward.inputs[l], &of_sums, gradient)
    };
    let last = layers.len() - 1;
    let h_n = &forward.inputs[last];
    let weights = &parameters[layers[last].weights.clone()];
    let mut of_h: Vec<f32> = weights.iter().map(|w| w * of_output).collect();
    for first in (1..last).step_by(2).rev() {
        let halves: Vec<f32> = of_h.iter().map(|g| g / 2.0).collect();
        let of_between = through(first + 1, halves.clone());
        let of_inner = through(first, of_between);
        of_h = halves.iter().zip(&of_inner).map(|(skip, inner)| skip + inner).collect();
    }
    let of_features = through(0, of_h);
    dense::backward(&layers[last], parameters, h_n, &[of_output], gradient);
    of_features
}
