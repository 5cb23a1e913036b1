//! The grid of the step before in a series over time, whose numbers a grid's streams are coded by. FORMAT.md, section STEP.

use super::block::Block;
use super::streams::{BandPart, OtherGrid};
use super::{BlockGrid, BlockId, LatentReader, Numbers};
use crate::storage::Fault;
use crate::wavelet::Window;
use std::collections::HashMap;
use std::sync::Arc;

/// What numbers are bounded by when they are brought to another grid's steps.
const MOST_NUMBER: f32 = (1 << 30) as f32;

/// The grid of the step before.
#[derive(Clone)]
pub(crate) struct Before {
    pub(crate) reader: Arc<LatentReader>,
    /// Its step by this grid's, in the volumes' unit.
    pub(crate) ratio: f32,
    /// The perceptron is its one, too.
    pub(crate) same_perceptron: bool,
}

impl Before {
    /// For a grid of a step. `spans` are the ranges that values from 0 to 1 stand for: of the grid before, and of this one.
    pub(crate) fn new(reader: Arc<LatentReader>, spans: [f64; 2], step: f32) -> Self {
        let ratio = f64::from(reader.streams().step) * spans[0] / (f64::from(step) * spans[1]);
        Self { reader, ratio: ratio as f32, same_perceptron: false }
    }

    /// A number of that grid in this one's steps.
    fn scaled(&self, number: i32) -> i32 {
        (number as f32 * self.ratio).round().clamp(-MOST_NUMBER, MOST_NUMBER) as i32
    }
}

/// The root's numbers.
pub(crate) struct RootNumbers {
    /// The last low band.
    pub(crate) low: Vec<i32>,
    /// By level, its finest first.
    pub(crate) levels: Vec<Numbers>,
}

/// The root of the grid before.
pub(super) struct RootBefore<'a> {
    pub(super) before: &'a Before,
    pub(super) root: &'a RootNumbers,
    /// The root's finest level.
    pub(super) first: usize,
}

impl OtherGrid for RootBefore<'_> {
    fn part(&self, part: BandPart) -> Vec<i32> {
        let numbers = match self.root.levels.get(part.level - self.first) {
            Some(level) => &level[part.orientation],
            None => &self.root.low,
        };
        numbers.iter().map(|&number| self.before.scaled(number)).collect()
    }
}

/// A block of the grid before.
pub(super) struct BlockBefore<'a> {
    pub(super) before: &'a Before,
    pub(super) block: &'a Block,
    /// Its tier's finest level.
    pub(super) first: usize,
}

impl OtherGrid for BlockBefore<'_> {
    fn part(&self, part: BandPart) -> Vec<i32> {
        let shape = part.window.shape();
        let mut out = vec![0; part.window.len()];
        if let Some(numbers) = &self.block.levels[part.level - self.first][part.orientation] {
            numbers.visit(Window::whole(shape), |[x, y, z], number| {
                out[x + shape[0] * (y + shape[1] * z)] = self.before.scaled(number);
            });
        }
        out
    }
}

/// The whole grid before, decoded for an encoder.
pub(crate) struct WholeBefore {
    root: Arc<RootNumbers>,
    blocks: HashMap<BlockId, Arc<Block>>,
    reader: Arc<LatentReader>,
    /// What values from 0 to 1 stand for there and here.
    spans: [f64; 2],
}

impl WholeBefore {
    /// Decodes all of it, on the threads of the pool that this runs on.
    ///
    /// # Errors
    /// When a stream cannot be read, or is damaged.
    pub(crate) fn decode(reader: Arc<LatentReader>, spans: [f64; 2]) -> Result<Self, Fault> {
        let grid = &reader.streams().grid;
        let tiers = (0..grid.tiers()).rev();
        let all = tiers.flat_map(|tier| (0..grid.len(tier)).map(move |number| BlockId { tier, number }));
        let blocks = reader.numbers_of(all)?;
        Ok(Self { root: reader.root_numbers()?, blocks, reader, spans })
    }

    /// For a grid of a step.
    pub(crate) fn at_step(&self, step: f32) -> WholeAtStep<'_> {
        WholeAtStep { whole: self, before: Before::new(self.reader.clone(), self.spans, step) }
    }
}

/// The same in the steps of another grid.
pub(crate) struct WholeAtStep<'a> {
    whole: &'a WholeBefore,
    before: Before,
}

impl WholeAtStep<'_> {
    pub(super) fn before(self) -> Before {
        self.before
    }
}

impl OtherGrid for WholeAtStep<'_> {
    fn part(&self, part: BandPart) -> Vec<i32> {
        let (grid, before) = (&self.whole.reader.streams().grid, &self.before);
        match grid.block_with(part) {
            None => {
                let first = grid.first_level(grid.tiers());
                RootBefore { before, root: &self.whole.root, first }.part(part)
            }
            Some(id) => {
                let block = &self.whole.blocks[&id];
                BlockBefore { before, block, first: grid.first_level(id.tier) }.part(part)
            }
        }
    }
}

impl BlockGrid {
    /// The block whose part of a band this is; `None` for the root's.
    fn block_with(&self, part: BandPart) -> Option<BlockId> {
        let tier = (0..self.tiers()).find(|&tier| part.level < self.first_level(tier + 1))?;
        self.meeting(tier, part.level, part.window).into_iter().next()
    }
}
