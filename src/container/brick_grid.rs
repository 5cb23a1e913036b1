//! How a volume is cut into bricks.

use super::bytes::Fields;
use std::ops::Range;

/// Voxels along the edge of a file's bricks; bricks at the far faces are cut.
pub(crate) const BRICK_EDGE: usize = 64;

/// Reads the edge that a section's bricks have.
pub(super) fn check_edge(fields: &mut Fields<'_>) -> Result<(), String> {
    match fields.u16("brick edge")? {
        edge if usize::from(edge) == BRICK_EDGE => Ok(()),
        edge => Err(format!("bricks of {edge} voxels are unknown to this version of neuvol")),
    }
}

/// The bricks of a volume, numbered x fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BrickGrid {
    shape: [usize; 3],
    /// Bricks along each axis.
    counts: [usize; 3],
    edge: usize,
    /// Of the edge, to base 2: scattered points find their brick without a division.
    log2_edge: u32,
}

impl BrickGrid {
    /// As files have them.
    pub(crate) fn new(shape: [usize; 3]) -> Self {
        Self::with_edge(shape, BRICK_EDGE)
    }

    /// Of another edge, a power of two.
    pub(crate) fn with_edge(shape: [usize; 3], edge: usize) -> Self {
        assert!(edge.is_power_of_two());
        Self { shape, counts: shape.map(|n| n.div_ceil(edge)), edge, log2_edge: edge.ilog2() }
    }

    /// The volume's voxels along each axis.
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of bricks.
    pub(crate) fn len(&self) -> usize {
        self.counts.iter().product()
    }

    /// The bricks that meet the box from `start` to `end` (exclusive).
    pub(crate) fn meeting(&self, start: [usize; 3], end: [usize; 3]) -> Vec<usize> {
        let counts = self.counts;
        let first = start.map(|n| n / self.edge);
        let last = end.map(|n| n.div_ceil(self.edge));
        let mut found = Vec::new();
        for z in first[2]..last[2] {
            for y in first[1]..last[1] {
                let row = counts[0] * (y + counts[1] * z);
                found.extend(row + first[0]..row + last[0]);
            }
        }
        found
    }

    /// The brick that a voxel is in.
    pub(crate) fn containing(&self, voxel: [usize; 3]) -> usize {
        let counts = self.counts;
        let [x, y, z] = voxel.map(|n| n >> self.log2_edge);
        x + counts[0] * (y + counts[1] * z)
    }

    /// A brick's first voxel and size.
    pub(crate) fn bounds(&self, brick: usize) -> ([usize; 3], [usize; 3]) {
        let [nx, ny, _] = self.counts;
        let start = [brick % nx, brick / nx % ny, brick / nx / ny].map(|b| b * self.edge);
        (start, std::array::from_fn(|a| self.edge.min(self.shape[a] - start[a])))
    }

    /// Where a brick's rows lie among the volume's voxels, in order.
    pub(crate) fn rows(&self, brick: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let ([x, y, z], [sx, sy, sz]) = self.bounds(brick);
        let [nx, ny, _] = self.shape;
        (z..z + sz).flat_map(move |k| {
            (y..y + sy).map(move |j| {
                let row = x + nx * (j + ny * k);
                row..row + sx
            })
        })
    }
}
