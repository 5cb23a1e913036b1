//! A latent grid: a value a voxel, stored as wavelet coefficients in integers of a step.
//!
//! Levels of the pyramid are coded in *tiers* of two, finest first, each in *blocks* of [`BLOCK_EDGE`]^3 samples of the grid that
//! the tier splits. What is left when that grid fits into a block is the *root*: the coarsest levels and the last low band, in one
//! stream. A block sees the one above it, which ends in the root, and no other block of its tier: a window of the grid needs the
//! blocks that it touches and those above them.
//!
//! Coefficients may have another step around a [`Focus`], wherever it lies among the blocks.

mod before;
mod block;
#[cfg(feature = "train")]
mod blockwise;
mod coarser;
mod coding;
mod contexts;
mod encode;
mod focus;
#[cfg(feature = "train")]
mod low_grid;
mod perceptron;
mod reader;
mod sparse;
mod streams;
mod surroundings;

pub(crate) use before::{Before, WholeBefore};
#[cfg(feature = "train")]
pub(crate) use blockwise::{BlockwiseEncoder, GridSource, MARGIN, MOST_IN_MEMORY, Workers, givers};
pub(crate) use coding::Rate;
pub(crate) use encode::LatentEncoder;
pub(crate) use focus::{FOCUS_EDGE, Focus, FocusCells};
pub(crate) use perceptron::Perceptron;
pub(crate) use reader::LatentReader;
pub(crate) use streams::LatentStreams;

use crate::wavelet::{Orientation, Pyramid, Window};

/// Voxels along a block's edge.
pub(crate) const BLOCK_EDGE: usize = 128;

/// Levels of a tier.
const TIER_LEVELS: usize = 2;

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
    tiers: usize,
}

/// A block: its tier, 0 for the finest, and its number in it, x fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockId {
    pub(crate) tier: usize,
    pub(crate) number: usize,
}

impl BlockGrid {
    pub(crate) fn new(shape: [usize; 3]) -> Self {
        let pyramid = Pyramid::new(shape);
        let levels = pyramid.levels().len();
        let goes_on = |tier: &usize| {
            let first = TIER_LEVELS * tier;
            first < levels && pyramid.shape_after(first).iter().any(|&n| n > BLOCK_EDGE)
        };
        // The first tier is there for every grid, so that a small one has blocks, too.
        let tiers = 1 + (1..).take_while(goes_on).count();
        Self { pyramid, tiers }
    }

    pub(crate) fn pyramid(&self) -> &Pyramid {
        &self.pyramid
    }

    /// Tiers of blocks.
    pub(crate) fn tiers(&self) -> usize {
        self.tiers
    }

    /// The first level of a tier; of the root with [`Self::tiers`].
    pub(crate) fn first_level(&self, tier: usize) -> usize {
        (TIER_LEVELS * tier).min(self.pyramid.levels().len())
    }

    /// Samples of the grid that the root holds.
    pub(crate) fn root_len(&self) -> usize {
        self.pyramid.shape_after(self.first_level(self.tiers)).iter().product()
    }

    fn counts(&self, tier: usize) -> [usize; 3] {
        self.pyramid.shape_after(self.first_level(tier)).map(|n| n.div_ceil(BLOCK_EDGE))
    }

    /// Number of blocks of a tier.
    pub(crate) fn len(&self, tier: usize) -> usize {
        self.counts(tier).iter().product()
    }

    /// Number of streams: the root's, then those of the coarsest tier, and so on.
    pub(crate) fn streams(&self) -> usize {
        1 + (0..self.tiers).map(|tier| self.len(tier)).sum::<usize>()
    }

    /// The number of a block's stream.
    pub(crate) fn stream_of(&self, block: BlockId) -> usize {
        1 + (block.tier + 1..self.tiers).map(|tier| self.len(tier)).sum::<usize>() + block.number
    }

    /// The block of a stream; `None` for the root's.
    pub(crate) fn block_of(&self, stream: usize) -> Option<BlockId> {
        let mut number = stream.checked_sub(1)?;
        for tier in (0..self.tiers).rev() {
            if number < self.len(tier) {
                return Some(BlockId { tier, number });
            }
            number -= self.len(tier);
        }
        None
    }

    fn position(&self, block: BlockId) -> [usize; 3] {
        let [nx, ny, _] = self.counts(block.tier);
        [block.number % nx, block.number / nx % ny, block.number / nx / ny]
    }

    fn number(&self, tier: usize, [x, y, z]: [usize; 3]) -> usize {
        let [nx, ny, _] = self.counts(tier);
        x + nx * (y + ny * z)
    }

    /// How often an axis is split by the levels from a tier's first one to `level`.
    fn splits(&self, tier: usize, level: usize, axis: usize) -> usize {
        let levels = &self.pyramid.levels()[self.first_level(tier)..=level];
        levels.iter().filter(|level| level.split[axis]).count()
    }

    /// The block above one; `None` where that is the root.
    pub(crate) fn above(&self, block: BlockId) -> Option<BlockId> {
        let tier = block.tier + 1;
        if tier == self.tiers {
            return None;
        }
        let (position, last) = (self.position(block), self.first_level(tier) - 1);
        let above = std::array::from_fn(|a| position[a] >> self.splits(block.tier, last, a));
        Some(BlockId { tier, number: self.number(tier, above) })
    }

    /// Samples of a block along each axis of a band of `level`, where the grid goes on.
    fn edge(&self, tier: usize, level: usize) -> [usize; 3] {
        std::array::from_fn(|a| BLOCK_EDGE >> self.splits(tier, level, a))
    }

    /// A block's part of a band of one of its tier's levels, or of the level below it.
    pub(crate) fn part(&self, block: BlockId, level: usize, orientation: Orientation) -> Window {
        let shape = self.pyramid.levels()[level].band_shape(orientation);
        let (edge, at) = (self.edge(block.tier, level), self.position(block));
        Window {
            start: std::array::from_fn(|a| (at[a] * edge[a]).min(shape[a])),
            end: std::array::from_fn(|a| ((at[a] + 1) * edge[a]).min(shape[a])),
        }
    }

    /// A block's samples of the grid that its tier splits.
    pub(crate) fn samples(&self, block: BlockId) -> Window {
        let shape = self.pyramid.shape_after(self.first_level(block.tier));
        let at = self.position(block);
        Window {
            start: at.map(|n| n * BLOCK_EDGE),
            end: std::array::from_fn(|a| ((at[a] + 1) * BLOCK_EDGE).min(shape[a])),
        }
    }

    /// The blocks of a tier that meet a window of the grid that the tier splits.
    pub(crate) fn containing(&self, tier: usize, window: Window) -> Vec<BlockId> {
        self.in_range(tier, window, [BLOCK_EDGE; 3])
    }

    /// The blocks whose parts of a level's bands meet a window of them.
    fn meeting(&self, tier: usize, level: usize, window: Window) -> Vec<BlockId> {
        self.in_range(tier, window, self.edge(tier, level))
    }

    fn in_range(&self, tier: usize, window: Window, edge: [usize; 3]) -> Vec<BlockId> {
        let counts = self.counts(tier);
        let range = |a: usize| {
            let first = (window.start[a] / edge[a]).min(counts[a] - 1);
            first..window.end[a].div_ceil(edge[a]).clamp(first + 1, counts[a])
        };
        let mut found = Vec::new();
        for z in range(2) {
            for y in range(1) {
                found.extend(range(0).map(|x| BlockId { tier, number: self.number(tier, [x, y, z]) }));
            }
        }
        found
    }

    /// The axes along which the parents of a level's coefficients have half as many; `None` at the coarsest level.
    fn parent_of(&self, level: usize, orientation: Orientation) -> Option<[bool; 3]> {
        let parent = self.pyramid.levels().get(level + 1)?;
        let exists = (0..3).all(|a| orientation >> a & 1 == 0 || parent.split[a]);
        exists.then_some(parent.split)
    }
}

/// Numbers of a level's bands, of the whole grid or of a block: by orientation, x fastest.
pub(crate) type Numbers = [Vec<i32>; 8];
