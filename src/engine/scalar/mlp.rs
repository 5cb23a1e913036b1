//! The multi-layer perceptron, forward and backward.

use crate::field::Mlp;

/// What the backward pass needs of the forward pass.
pub(super) struct Forward {
    /// The input of each layer: the features, then every hidden layer's output behind its ReLU.
    inputs: Vec<Vec<f32>>,
    /// The network's value.
    pub(super) output: f32,
}

/// `h_0 = features`, `h_{l+1} = relu(W_l^T h_l + b_l)`, value `= w^T h_n + b`.
pub(super) fn forward(network: &Mlp, parameters: &[f32], features: &[f32]) -> Forward {
    let mut inputs = vec![features.to_vec()];
    let layers = network.layers();
    for (l, layer) in layers.iter().enumerate() {
        let (weights, biases) = (&parameters[layer.weights.clone()], &parameters[layer.biases.clone()]);
        let h = &inputs[l];
        let last = l + 1 == layers.len();
        let outputs = (0..layer.outputs).map(|o| {
            let sum: f32 =
                biases[o] + (0..layer.inputs).map(|i| weights[i * layer.outputs + o] * h[i]).sum::<f32>();
            if last { sum } else { sum.max(0.0) }
        });
        let outputs = outputs.collect();
        inputs.push(outputs);
    }
    let output = inputs.pop().and_then(|o| o.first().copied()).unwrap_or(f32::NAN);
    Forward { inputs, output }
}

/// Adds the gradient by each parameter, given that by the output; returns the gradient by each feature.
pub(super) fn backward(
    network: &Mlp,
    parameters: &[f32],
    forward: &Forward,
    of_output: f32,
    gradient: &mut [f32],
) -> Vec<f32> {
    let mut of_outputs = vec![of_output];
    for (layer, h) in network.layers().iter().zip(&forward.inputs).rev() {
        let weights = &parameters[layer.weights.clone()];
        for (o, of_o) in of_outputs.iter().enumerate() {
            gradient[layer.biases.start + o] += of_o;
            for (i, h_i) in h.iter().enumerate() {
                gradient[layer.weights.start + i * layer.outputs + o] += h_i * of_o;
            }
        }
        of_outputs = (0..layer.inputs)
            .map(|i| (0..layer.outputs).map(|o| weights[i * layer.outputs + o] * of_outputs[o]).sum())
            .collect();
        // The ReLU of the layer below: what it cut off has no gradient. The features have none.
        if layer.weights.start != 0 {
            for (of_i, h_i) in of_outputs.iter_mut().zip(h) {
                if *h_i <= 0.0 {
                    *of_i = 0.0;
                }
            }
        }
    }
    of_outputs
}
