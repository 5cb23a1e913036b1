//! A decoded block.

use super::Numbers;
use super::sparse::SparseNumbers;
use super::streams::Context;

/// A block's numbers by level, finest first, and orientation; and what it leaves to the blocks below it, where there are any.
pub(super) struct Block {
    pub(super) levels: Vec<[Option<SparseNumbers>; 8]>,
    pub(super) context: Option<Context>,
}

impl Block {
    /// `shape` is that of a level's part of a band.
    pub(super) fn new(
        numbers: &[Numbers],
        shape: impl Fn(usize, usize) -> [usize; 3],
        context: Option<Context>,
    ) -> Self {
        let levels = numbers.iter().enumerate().map(|(level, bands)| {
            std::array::from_fn(|o| {
                (!bands[o].is_empty()).then(|| SparseNumbers::of(&bands[o], shape(level, o)))
            })
        });
        Self { levels: levels.collect(), context }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let numbers = self.levels.iter().flatten().flatten().map(SparseNumbers::bytes).sum::<usize>();
        numbers + self.context.as_ref().map_or(0, Context::bytes)
    }
}
