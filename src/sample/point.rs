//! What is asked at a point, what is answered, and where a point lies in the grid.

use crate::volume::MaskClass;

/// What point coordinates mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// Voxel indices: (0, 0, 0) is the centre of the first voxel, fractions lie between voxels.
    Index,
    /// World coordinates, in the frame of the volume's geometry.
    World,
}

/// What a point outside the grid gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outside {
    /// The value of the nearest point of the grid.
    Clamp,
    /// A fixed value.
    Value(f64),
}

/// The volume at a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointSample {
    /// The value: at a voxel the decoded voxel, between voxels the field, unrounded.
    pub value: f64,
    /// The field's derivative by the point's coordinates (value per voxel, or per unit of the world), where it was asked
    /// for; 0 where the point is not valid, and where the value is held at an end of the volume's range.
    pub gradient: [f64; 3],
    /// True where the point lies in the grid and its nearest voxel is not masked. Cells reach half a voxel beyond the
    /// outermost centres, where the value is the one of the nearest place between them.
    pub valid: bool,
}

impl Default for PointSample {
    fn default() -> Self {
        Self { value: f64::NAN, gradient: [0.0; 3], valid: false }
    }
}

/// How near to a voxel, in voxels, a point is that voxel: far below any use, far above the error of an affine in f64.
const AT_A_VOXEL: f64 = 1e-6;

/// How far beyond its faces, in voxels, a point still is in the grid: coordinates in float32, as filters make them, are
/// off by a hundredth of this, and a cut through a face must keep its rim. The value is the face's.
const ON_A_FACE: f64 = 1e-3;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Values,
    /// Values as smooth as the field is, at voxels too.
    Unrounded,
    Gradients,
}

/// Why a point has not the field's value.
pub(super) enum Invalid {
    /// A coordinate is NaN.
    NoPoint,
    /// It lies outside the grid, and gets this value.
    Outside(f64),
    /// Its nearest voxel is masked.
    Masked(MaskClass),
}

/// A point in index coordinates, moved into the grid.
pub(super) struct Place {
    pub(super) index: [f64; 3],
    pub(super) inside: bool,
    /// Axes along which it was moved: the value does not change along them.
    pub(super) moved: [bool; 3],
    /// False where a coordinate is NaN.
    pub(super) is_a_point: bool,
}

impl Place {
    /// In a grid that goes so far beyond its outermost samples.
    pub(super) fn of(index: [f64; 3], shape: [usize; 3], margin: [f64; 3]) -> Self {
        let clamped: [f64; 3] = std::array::from_fn(|a| index[a].max(0.0).min((shape[a] - 1) as f64));
        let inside = (0..3).all(|a| (index[a] - clamped[a]).abs() <= margin[a] + ON_A_FACE);
        let moved = std::array::from_fn(|a| (index[a] - clamped[a]).abs() > ON_A_FACE);
        Self { index: clamped, inside, moved, is_a_point: index.iter().all(|v| !v.is_nan()) }
    }

    /// Position in `[0, 1]^3`; a voxel's is computed as the lattice's is, so that both give one value.
    pub(super) fn position(&self, shape: [usize; 3]) -> [f32; 3] {
        std::array::from_fn(|a| {
            let index = self.index[a];
            let nearest = round(index);
            let index = if (index - nearest).abs() <= AT_A_VOXEL { nearest } else { index };
            if shape[a] <= 1 { 0.0 } else { (index / (shape[a] - 1) as f64) as f32 }
        })
    }

    /// A gradient by the index without what changes along axes on which the place is beyond the outermost samples.
    pub(super) fn held(&self, gradient: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|a| if self.moved[a] { 0.0 } else { gradient[a] })
    }

    pub(super) fn nearest(&self) -> [usize; 3] {
        self.index.map(|i| round(i) as usize)
    }

    pub(super) fn at_a_voxel(&self) -> bool {
        self.index.iter().all(|&i| (i - round(i)).abs() <= AT_A_VOXEL)
    }
}

/// `index.round()` of an index inside a grid: the standard one is a call on processors that are only known to have SSE2, and
/// scattered points were half of that.
#[inline]
fn round(index: f64) -> f64 {
    let below = index as u32 as f64;
    if index - below >= 0.5 { below + 1.0 } else { below }
}
