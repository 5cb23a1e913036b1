//! One layer of a network before its activation, forward and backward.

use crate::field::network::Layer;

/// `W^T h + b`.
pub(super) fn forward(layer: &Layer, parameters: &[f32], h: &[f32]) -> Vec<f32> {
    let (weights, biases) = (&parameters[layer.weights.clone()], &parameters[layer.biases.clone()]);
    (0..layer.outputs)
        .map(|o| biases[o] + (0..layer.inputs).map(|i| weights[i * layer.outputs + o] * h[i]).sum::<f32>())
        .collect()
}

/// Adds the gradient by weights and biases, given that by the outputs; returns the gradient by the inputs.
pub(super) fn backward(
    layer: &Layer,
    parameters: &[f32],
    h: &[f32],
    of_outputs: &[f32],
    gradient: &mut [f32],
) -> Vec<f32> {
    let weights = &parameters[layer.weights.clone()];
    for (o, of_o) in of_outputs.iter().enumerate() {
        gradient[layer.biases.start + o] += of_o;
        for (i, h_i) in h.iter().enumerate() {
            gradient[layer.weights.start + i * layer.outputs + o] += h_i * of_o;
        }
    }
    (0..layer.inputs)
        .map(|i| (0..layer.outputs).map(|o| weights[i * layer.outputs + o] * of_outputs[o]).sum())
        .collect()
}
