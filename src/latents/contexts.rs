//! The contexts at hand while blocks of the finest tier are coded in their order.

use super::streams::Context;
use super::{BlockGrid, BlockId};
use std::collections::HashMap;
use std::ops::Range;

/// Those of blocks above the finest tier that blocks to come need, and the root's.
pub(super) struct Contexts<'g> {
    grid: &'g BlockGrid,
    root: Option<Context>,
    at_hand: HashMap<BlockId, Context>,
    /// By block above the finest tier: the last block of the finest tier below it.
    last: HashMap<BlockId, usize>,
}

impl<'g> Contexts<'g> {
    /// For these blocks of the finest tier.
    pub(super) fn new(grid: &'g BlockGrid, share: Range<usize>, root: Option<Context>) -> Self {
        let mut last = HashMap::new();
        for number in share {
            let mut block = BlockId { tier: 0, number };
            while let Some(above) = grid.above(block) {
                last.insert(above, number);
                block = above;
            }
        }
        Self { grid, root, at_hand: HashMap::new(), last }
    }

    /// The blocks of a tier that are above blocks of the finest one, or these themselves, and are not at hand.
    pub(super) fn missing(&self, finest: &[usize], tier: usize) -> Vec<BlockId> {
        let mut found = Vec::new();
        for &number in finest {
            let mut block = BlockId { tier: 0, number };
            while block.tier < tier
                && let Some(above) = self.grid.above(block)
            {
                block = above;
            }
            if !self.at_hand.contains_key(&block) && !found.contains(&block) {
                found.push(block);
            }
        }
        found
    }

    /// The context that a block is coded below; what leaves it is coded before.
    pub(super) fn above(&self, block: BlockId) -> &Context {
        let above = self.grid.above(block);
        let context = above.map_or(self.root.as_ref(), |above| self.at_hand.get(&above));
        context.expect("what is above is coded first")
    }

    /// Keeps what a block leaves.
    pub(super) fn insert(&mut self, block: BlockId, context: Option<Context>) {
        self.at_hand.extend(context.map(|context| (block, context)));
    }

    /// Forgets those with no block behind this one of the finest tier.
    pub(super) fn forget_until(&mut self, done: usize) {
        self.at_hand.retain(|block, _| self.last.get(block).is_some_and(|&last| last > done));
    }
}
