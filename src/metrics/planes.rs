//! Planes of an original, of which what surrounds voxels is read.

use super::copy_scaled;
use crate::volume::{Mask, Samples, Volume};

/// Planes of a grid with their mask: all of them, or those at hand.
#[derive(Clone, Copy)]
pub(crate) struct Planes<'a> {
    /// The whole grid's.
    pub(super) shape: [usize; 3],
    /// The first voxel of the planes at hand.
    first: usize,
    samples: &'a Samples,
    /// A code a sample, 0 for a measurement; none where nothing is masked.
    codes: Option<&'a [u8]>,
}

impl<'a> Planes<'a> {
    /// All of a volume.
    pub(crate) fn of(volume: &'a Volume, mask: Option<&'a Mask>) -> Self {
        Self { shape: volume.shape(), first: 0, samples: volume.samples(), codes: mask.map(Mask::codes) }
    }

    /// Planes of a grid of this shape, from plane `z` on.
    pub(super) fn from(shape: [usize; 3], z: usize, samples: &'a Samples, codes: Option<&'a [u8]>) -> Self {
        Self { shape, first: z * shape[0] * shape[1], samples, codes }
    }

    /// Copies samples from a voxel on, in units of `1 / inverse`.
    pub(super) fn copy_scaled(&self, voxel: usize, inverse: f64, out: &mut [f64]) {
        copy_scaled(self.samples, voxel - self.first, inverse, out);
    }

    /// The codes of `count` voxels.
    pub(super) fn codes(&self, voxel: usize, count: usize) -> Option<&'a [u8]> {
        self.codes.map(|codes| &codes[voxel - self.first..][..count])
    }

    /// Whether a voxel is masked.
    pub(super) fn is_masked(&self, voxel: usize) -> bool {
        self.codes.is_some_and(|codes| codes[voxel - self.first] != 0)
    }
}
