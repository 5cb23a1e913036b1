//! Every n-th voxel of a region: where its samples lie.

use super::Region;
use std::ops::Range;

/// Where the samples that were asked for lie: in the grid, and in the caller's memory.
pub(super) struct StridedRegion {
    /// The first sample's voxel.
    pub(super) first: [usize; 3],
    pub(super) stride: usize,
    pub(super) shape: [usize; 3],
}

impl StridedRegion {
    /// Every `stride`-th voxel of a region of the grid.
    pub(super) fn new(region: Region, stride: usize) -> Self {
        Self { first: region.start, stride, shape: region.samples(stride) }
    }

    /// The voxels of a box of the window.
    pub(super) fn voxels(&self, region: Region) -> Region {
        region.voxels(self.first, self.stride)
    }

    pub(super) fn whole(&self) -> Region {
        Region::whole(self.shape)
    }

    pub(super) fn index(&self, [x, y, z]: [usize; 3]) -> usize {
        x + self.shape[0] * (y + self.shape[1] * z)
    }

    /// Calls `each` for every sample of a box of the window that lies in a brick (its first voxel and size): with its
    /// place in the brick, and in the caller's memory.
    pub(super) fn each_in_brick(
        &self,
        region: Region,
        start: [usize; 3],
        size: [usize; 3],
        mut each: impl FnMut(usize, usize),
    ) {
        self.each_row_in_brick(region, start, size, |at, index, count| {
            (0..count).for_each(|i| each(at + i * self.stride, index + i));
        });
    }

    /// [`Self::each_in_brick`] for rows: the first sample's places, and how many samples there are; in the brick they are
    /// a stride apart.
    pub(super) fn each_row_in_brick(
        &self,
        region: Region,
        start: [usize; 3],
        size: [usize; 3],
        mut each: impl FnMut(usize, usize, usize),
    ) {
        // Per axis: the box's samples that lie in the brick, and where in it the first one is.
        let inside: [(Range<usize>, usize); 3] = std::array::from_fn(|a| {
            let sample = |voxel: usize| voxel.saturating_sub(self.first[a]).div_ceil(self.stride);
            let first = sample(start[a]).clamp(region.start[a], region.end[a]);
            let end = sample(start[a] + size[a]).clamp(first, region.end[a]);
            (first..end, (self.first[a] + first * self.stride).saturating_sub(start[a]))
        });
        let [(along_x, x), (along_y, y), (along_z, z)] = inside;
        if along_x.is_empty() {
            return;
        }
        for (k, n) in along_z.enumerate() {
            for (j, m) in along_y.clone().enumerate() {
                let at = x + size[0] * (y + j * self.stride + size[1] * (z + k * self.stride));
                each(at, self.index([along_x.start, m, n]), along_x.len());
            }
        }
    }

    /// First sample and length of every row of a box.
    pub(super) fn rows(&self, region: Region) -> impl Iterator<Item = ([usize; 3], usize)> {
        let Region { start: [x, y0, z0], end: [x_end, y1, z1] } = region;
        (z0..z1).flat_map(move |z| (y0..y1).map(move |y| ([x, y, z], x_end - x)))
    }
}
