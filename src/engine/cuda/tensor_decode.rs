//! Which fields `tensor_decode.cu` evaluates, and what it needs for them.

use crate::field::{Encoding, Model, Network};

/// The kernels for every GPU since Ampere; `cargo xtask ptx` makes it of `tensor_decode.cu`.
pub const PTX: &str = include_str!("tensor_decode.ptx");
/// The oldest compute capability that it is for.
pub const OLDEST_CAPABILITY: (u32, u32) = (8, 0);

/// Every kernel of [`PTX`].
pub const KERNELS: [&str; 4] =
    ["tensor_values_32x2", "tensor_values_32x4", "tensor_values_64x2", "tensor_values_64x4"];

/// How a model's values are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TensorKernel {
    pub(super) name: &'static str,
    /// Shared memory of a block: `Network` of `tensor_decode.cu`.
    pub(super) shared_bytes: usize,
    /// Blocks for each multiprocessor: as many as have registers, since each prepares the network's weights for itself.
    pub(super) blocks_a_multiprocessor: u32,
}

/// The kernel for a model's values, where there is one.
pub(super) fn kernel(model: &Model) -> Option<TensorKernel> {
    let (Encoding::HashGrid(grid), Network::Mlp(mlp)) = (&model.encoding, &model.network) else {
        return None;
    };
    let of_width = [32, 64].iter().position(|&width| width == mlp.width)?;
    let of_features = [2, 4].iter().position(|&features| features == grid.features())?;
    let (levels, across) = (grid.levels().len(), mlp.width / 8);
    let products = levels.div_ceil(4) * grid.features() / 2 + (mlp.hidden_layers - 1) * across;
    const BYTES_OF_PRODUCT: usize = 32 * 16;
    const BYTES_OF_LEVEL: usize = 32;
    let biases = 4 * ((mlp.hidden_layers + 1) * mlp.width + 8);
    let bytes = products * across * BYTES_OF_PRODUCT + biases + levels * BYTES_OF_LEVEL;
    Some(TensorKernel {
        name: KERNELS[2 * of_width + of_features],
        shared_bytes: bytes,
        blocks_a_multiprocessor: [4, 3][of_width],
    })
}
