//! Whose blocks are whose.

use std::ops::Range;

/// Consecutive blocks for every process, as many for each, but for one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    blocks: usize,
    size: usize,
}

impl Shares {
    pub(crate) fn new(blocks: usize, size: usize) -> Self {
        Self { blocks, size }
    }

    /// The blocks of a process.
    pub(crate) fn of(&self, rank: usize) -> Range<usize> {
        let start = |rank: usize| rank * self.blocks / self.size;
        start(rank)..start(rank + 1)
    }

    /// The process whose block it is.
    pub(crate) fn owner(&self, block: usize) -> usize {
        let about = block * self.size / self.blocks.max(1);
        (about..self.size).find(|&rank| self.of(rank).contains(&block)).unwrap_or(self.size - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_has_one_owner() {
        for (blocks, size) in [(1, 1), (1, 4), (8, 3), (27, 4), (5, 5), (1000, 7)] {
            let shares = Shares::new(blocks, size);
            let mut owners = vec![Vec::new(); blocks];
            for rank in 0..size {
                assert!(shares.of(rank).len().abs_diff(blocks / size) <= 1);
                shares.of(rank).for_each(|block| owners[block].push(rank));
            }
            assert!(
                owners.iter().enumerate().all(|(block, found)| *found == [shares.owner(block)]),
                "{blocks} {size}"
            );
        }
    }
}
