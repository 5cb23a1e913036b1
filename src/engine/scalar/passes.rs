//! What a forward pass leaves for the backward pass.

/// What the backward pass needs of the forward pass.
pub(super) struct Forward {
    /// The input of each layer.
    pub(super) inputs: Vec<Vec<f32>>,
    /// The derivative of each sine.
    pub(super) slopes: Vec<Vec<f32>>,
    /// The network's value.
    pub(super) output: f32,
}
