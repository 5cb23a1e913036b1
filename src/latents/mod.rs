//! A latent grid: a value a voxel, stored as wavelet coefficients in integers of a step.
//!
//! The coefficients of the coarse levels are one stream; those of the finest two levels are a stream a block of
//! [`BLOCK_EDGE`]^3 voxels, which sees the coarse ones and no other block: a window of the grid needs the blocks that it
//! touches.

mod blocks;
mod coarser;
mod encode;
mod perceptron;
mod sparse;
mod streams;
mod surroundings;

pub(crate) use blocks::LatentReader;
pub(crate) use encode::{LatentEncoder, Rate};
pub(crate) use perceptron::Perceptron;
pub(crate) use streams::LatentStreams;

use crate::wavelet::{Level, Orientation, Pyramid, Window};

/// Voxels along a block's edge.
pub(crate) const BLOCK_EDGE: usize = 128;

/// Levels that blocks hold.
const FINE_LEVELS: usize = 2;

/// Levels with offsets of their own; the coarser ones share the last.
pub(crate) const OFFSET_LEVELS: usize = 4;

/// Where coefficients lie beside their integer, away from zero, in 1/256 of a step: by level, for magnitudes 1, 2 and
/// above.
pub(crate) type Offsets = [[i8; 3]; OFFSET_LEVELS];

/// The coefficient of a number.
#[inline(always)]
fn coefficient(number: i32, offsets: [f32; 3], step: f32) -> f32 {
    match number {
        0 => 0.0,
        n => {
            let magnitude = n.unsigned_abs();
            let value = (magnitude as f32 + offsets[(magnitude.min(3) - 1) as usize]) * step;
            if n < 0 { -value } else { value }
        }
    }
}

/// The blocks of a grid and their parts of the bands.
#[derive(Debug, Clone)]
pub(crate) struct BlockGrid {
    pyramid: Pyramid,
}

impl BlockGrid {
    pub(crate) fn new(shape: [usize; 3]) -> Self {
        Self { pyramid: Pyramid::new(shape) }
    }

    pub(crate) fn pyramid(&self) -> &Pyramid {
        &self.pyramid
    }

    /// Levels that blocks hold, of a grid that may have fewer.
    pub(crate) fn fine_levels(&self) -> usize {
        FINE_LEVELS.min(self.pyramid.levels().len())
    }

    /// Coefficients of the coarse levels and the low band.
    pub(crate) fn coarse_len(&self) -> usize {
        self.pyramid.shape_after(self.fine_levels()).iter().product()
    }

    fn counts(&self) -> [usize; 3] {
        self.pyramid.shape_after(0).map(|n| n.div_ceil(BLOCK_EDGE))
    }

    /// Number of blocks.
    pub(crate) fn len(&self) -> usize {
        self.counts().iter().product()
    }

    /// The block at a position among blocks.
    fn number(&self, [x, y, z]: [usize; 3]) -> usize {
        let [nx, ny, _] = self.counts();
        x + nx * (y + ny * z)
    }

    fn position(&self, block: usize) -> [usize; 3] {
        let [nx, ny, _] = self.counts();
        [block % nx, block / nx % ny, block / nx / ny]
    }

    /// Coefficients of a block along each axis of a band of `level`, where the grid goes on.
    fn edge(&self, level: usize) -> [usize; 3] {
        let levels = &self.pyramid.levels()[..=level];
        std::array::from_fn(|a| BLOCK_EDGE >> levels.iter().filter(|l| l.split[a]).count())
    }

    /// A block's part of a band.
    pub(crate) fn part(&self, block: usize, level: usize, orientation: Orientation) -> Window {
        let shape = self.pyramid.levels()[level].band_shape(orientation);
        let (edge, at) = (self.edge(level), self.position(block));
        Window {
            start: std::array::from_fn(|a| (at[a] * edge[a]).min(shape[a])),
            end: std::array::from_fn(|a| ((at[a] + 1) * edge[a]).min(shape[a])),
        }
    }

    /// The blocks whose parts of a band meet a window of it.
    fn meeting(&self, level: usize, window: Window) -> Vec<usize> {
        let (edge, counts) = (self.edge(level), self.counts());
        let range = |a: usize| {
            let first = (window.start[a] / edge[a]).min(counts[a] - 1);
            first..window.end[a].div_ceil(edge[a]).clamp(first + 1, counts[a])
        };
        let mut found = Vec::new();
        for z in range(2) {
            for y in range(1) {
                found.extend(range(0).map(|x| self.number([x, y, z])));
            }
        }
        found
    }

    /// The axes along which the parents of a level's coefficients have half as many; `None` at the coarsest level.
    fn parent_of(&self, level: usize, orientation: Orientation) -> Option<(&Level, [bool; 3])> {
        let parent = self.pyramid.levels().get(level + 1)?;
        let exists = (0..3).all(|a| orientation >> a & 1 == 0 || parent.split[a]);
        exists.then_some((parent, parent.split))
    }
}

/// Numbers of a level's bands, of the whole grid or of a block: by orientation, x fastest.
pub(crate) type Numbers = [Vec<i32>; 8];
