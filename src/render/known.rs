//! What a file says of the values in its cells before they are decoded, and which boxes of a block a picture needs.

use super::block::BlockGrid;
use crate::container::{AROUND, CellGrid};
use crate::sample::Region;

/// Samples by which a box is larger in what it costs to decode than in what it has: a wavelet and a perceptron look around it.
const OVERHEAD: usize = 6;

/// The ranges of a volume's cells, in the 16 bits of the samples; the lowest is above the highest where all is masked.
#[doc(hidden)]
pub struct KnownRanges {
    pub(crate) grid: CellGrid,
    pub(crate) ranges: Vec<(u16, u16)>,
}

impl KnownRanges {
    /// What stands for a sample of a block that was left out: a value of the nearest of the block's cells, which the picture does without and
    /// whose range the sample is in. `None` where it is masked.
    pub(super) fn stand_in(&self, voxel: [usize; 3], cells: &CellsOfBlock) -> Option<u16> {
        let counts = self.grid.counts;
        let [x, y, z] =
            [0, 1, 2].map(|a| (voxel[a] / self.grid.edge).clamp(cells.start[a], cells.end[a] - 1));
        let (low, high) = self.ranges[x + counts[0] * (y + counts[1] * z)];
        (low <= high).then_some(low)
    }
}

/// The cells of a volume that a picture needs.
pub(super) struct NeededCells<'a> {
    known: &'a KnownRanges,
    is_needed: Vec<bool>,
}

impl<'a> NeededCells<'a> {
    pub(super) fn new(known: &'a KnownRanges, wants: impl Fn(u16, u16) -> bool) -> Self {
        let is_needed = known.ranges.iter().map(|&(low, high)| low <= high && wants(low, high)).collect();
        Self { known, is_needed }
    }

    pub(super) fn known(&self) -> &'a KnownRanges {
        self.known
    }

    /// Those of a block, and of as much around it as a ray's sample before its first one in the block may be in.
    pub(super) fn of_block(&self, blocks: &BlockGrid, block: usize) -> CellsOfBlock {
        let CellGrid { edge, counts, .. } = self.known.grid;
        let around = blocks.around.saturating_sub(AROUND);
        let at = blocks.at(block);
        let start: [usize; 3] = at.map(|n| (n * blocks.edge).saturating_sub(around) / edge);
        let end: [usize; 3] =
            std::array::from_fn(|a| (((at[a] + 1) * blocks.edge + around).div_ceil(edge)).min(counts[a]));
        let mut cells = CellsOfBlock { edge, start, end, is_needed: Vec::new() };
        for z in start[2]..end[2] {
            for y in start[1]..end[1] {
                let row = counts[0] * (y + counts[1] * z);
                cells.is_needed.extend(&self.is_needed[row + start[0]..row + end[0]]);
            }
        }
        cells
    }

    /// The range of all of a block's cells; `None` where there are no measurements.
    pub(super) fn range_of(&self, cells: &CellsOfBlock) -> Option<(u16, u16)> {
        let counts = self.known.grid.counts;
        let mut all = (u16::MAX, 0);
        for z in cells.start[2]..cells.end[2] {
            for y in cells.start[1]..cells.end[1] {
                let row = counts[0] * (y + counts[1] * z);
                for &(low, high) in &self.known.ranges[row + cells.start[0]..row + cells.end[0]] {
                    all = (all.0.min(low), all.1.max(high));
                }
            }
        }
        (all.0 <= all.1).then_some(all)
    }
}

/// The cells that a block meets, and which of them are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CellsOfBlock {
    edge: usize,
    start: [usize; 3],
    end: [usize; 3],
    is_needed: Vec<bool>,
}

/// A box of cells: the first, and the first behind it.
type Cells = [[usize; 3]; 2];

impl CellsOfBlock {
    pub(super) fn is_any(&self) -> bool {
        self.is_needed.contains(&true)
    }

    pub(super) fn are_all(&self) -> bool {
        !self.is_needed.contains(&false)
    }

    /// Whether all that `others` need is needed here, too.
    pub(super) fn have(&self, others: &Self) -> bool {
        self.is_needed.iter().zip(&others.is_needed).all(|(own, other)| *own || !other)
    }

    /// What is needed here or there.
    pub(super) fn with(mut self, others: &Self) -> Self {
        self.is_needed.iter_mut().zip(&others.is_needed).for_each(|(own, other)| *own |= other);
        self
    }

    /// Boxes of samples that hold all that is needed of a block, with what is around cells.
    pub(super) fn boxes(&self, blocks: &BlockGrid, block: usize) -> Vec<Region> {
        let whole = blocks.region(block);
        let mut boxes = Vec::new();
        self.cut([self.start, self.end], &mut boxes);
        let region = |[start, end]: Cells| Region {
            start: std::array::from_fn(|a| {
                (start[a] * self.edge).saturating_sub(blocks.around).max(whole.start[a])
            }),
            end: std::array::from_fn(|a| (end[a] * self.edge + blocks.around + 1).min(whole.end[a])),
        };
        boxes.into_iter().map(region).collect()
    }

    /// Cuts a box of cells where that saves more than it costs.
    fn cut(&self, cells: Cells, boxes: &mut Vec<Cells>) {
        let Some(around) = self.around_needed(cells) else { return };
        let mut best = (self.cost(around), None);
        for a in 0..3 {
            for at in around[0][a] + 1..around[1][a] {
                let (mut low, mut high) = (around, around);
                (low[1][a], high[0][a]) = (at, at);
                let halves = [low, high].map(|half| self.around_needed(half).unwrap_or(half));
                let cost = halves.iter().map(|&half| self.cost(half)).sum();
                if cost < best.0 {
                    best = (cost, Some(halves));
                }
            }
        }
        match best.1 {
            Some(halves) => halves.into_iter().for_each(|half| self.cut(half, boxes)),
            None => boxes.push(around),
        }
    }

    fn cost(&self, [start, end]: Cells) -> usize {
        (0..3).map(|a| (end[a] - start[a]) * self.edge + 2 * AROUND + 1 + OVERHEAD).product()
    }

    /// The smallest box with all that is needed of another.
    fn around_needed(&self, [start, end]: Cells) -> Option<Cells> {
        let mut found: Option<Cells> = None;
        let [nx, ny, _]: [usize; 3] = std::array::from_fn(|a| self.end[a] - self.start[a]);
        for z in start[2]..end[2] {
            for y in start[1]..end[1] {
                for x in start[0]..end[0] {
                    let [i, j, k] = [x - self.start[0], y - self.start[1], z - self.start[2]];
                    if self.is_needed[i + nx * (j + ny * k)] {
                        let at = [x, y, z];
                        let [low, high] = found.get_or_insert([at, at.map(|n| n + 1)]);
                        for a in 0..3 {
                            (low[a], high[a]) = (low[a].min(at[a]), high[a].max(at[a] + 1));
                        }
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn boxes_hold_what_is_needed_and_what_is_around(
            shape in [1usize..150, 1usize..90, 1usize..70],
            edges in (3u32..6, prop::sample::select(vec![24usize, 32, 64])),
            around in 2usize..10,
            needed in prop::collection::vec(any::<bool>(), 1..60),
        ) {
            let grid = CellGrid::new(shape, 1 << edges.0);
            let range = |n: usize| if needed[n % needed.len()] { (5, 9) } else { (0, 3) };
            let known = KnownRanges { grid, ranges: (0..grid.len()).map(range).collect() };
            let cells = NeededCells::new(&known, |_, high| high > 4);
            let blocks = BlockGrid::new(shape, edges.1, around);
            for block in 0..blocks.len() {
                let of_block = cells.of_block(&blocks, block);
                let boxes = of_block.boxes(&blocks, block);
                prop_assert_eq!(boxes.is_empty(), !of_block.is_any());
                let region = blocks.region(block);
                // What stands for a sample that is missing is of a cell that is not needed, and whose range the sample is in.
                for z in region.start[2]..region.end[2] {
                    for y in region.start[1]..region.end[1] {
                        for x in region.start[0]..region.end[0] {
                            let at = [x, y, z];
                            let holds = |region: &Region| (0..3).all(|a| region.start[a] <= at[a] && at[a] < region.end[a]);
                            if boxes.iter().any(holds) {
                                continue;
                            }
                            prop_assert!(known.stand_in(at, &of_block) == Some(0));
                            let is_near = (0..3).all(|a| (0..grid.counts[a]).any(|n| {
                                of_block.start[a] <= n && n < of_block.end[a] && grid.reach(a, n).contains(&at[a])
                            }));
                            prop_assert!(is_near);
                        }
                    }
                }
                for &Region { start, end } in &boxes {
                    prop_assert!((0..3).all(|a| region.start[a] <= start[a] && end[a] <= region.end[a]));
                }
            }
        }
    }

    #[test]
    fn far_corners_are_boxes_of_their_own() {
        let shape = [65, 65, 65];
        let grid = CellGrid::new(shape, 16);
        let mut known = KnownRanges { grid, ranges: vec![(0, 3); 64] };
        (known.ranges[0], known.ranges[63]) = ((0, 9), (0, 9));
        let blocks = BlockGrid::new(shape, 64, 2);
        let cells = NeededCells::new(&known, |_, high| high > 4).of_block(&blocks, 0);
        let mut boxes = cells.boxes(&blocks, 0);
        boxes.sort_by_key(|region| region.start);
        assert_eq!(boxes, [Region { start: [0; 3], end: [19; 3] }, Region { start: [46; 3], end: [65; 3] },]);
        assert!(!cells.are_all() && cells.have(&cells));
    }
}
