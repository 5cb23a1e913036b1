//! A hash grid as the kernels read it: `hash_grid.cuh`, for decoding and for training.

use crate::field::encoding::HashGrid;

/// More than a file can have.
pub(crate) const MAX_LEVELS: usize = 64;

/// `Level` of `hash_grid.cuh`: the same members in the same order.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct DeviceLevel {
    cells: [u32; 3],
    mask: u32,
    dense: u32,
    unused: u32,
    offset: u64,
}

/// The levels of a grid, coarsest first; those behind the last one are not read.
pub(crate) fn device_levels(grid: &HashGrid) -> [DeviceLevel; MAX_LEVELS] {
    let mut levels = [DeviceLevel::default(); MAX_LEVELS];
    for (to, level) in levels.iter_mut().zip(grid.levels()) {
        *to = DeviceLevel {
            cells: level.resolution,
            mask: (level.entries - 1) as u32,
            dense: level.dense.into(),
            unused: 0,
            offset: level.offset as u64,
        };
    }
    levels
}
