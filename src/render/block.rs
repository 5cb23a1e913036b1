//! Blocks of samples that rays are marched through, and which of their cells are worth it.

use super::known::{CellsOfBlock, KnownRanges};
use super::source::BoxSamples;
use crate::sample::Region;
use std::borrow::Cow;

/// Samples along the edge of a cell that is looked at or passed by as a whole.
const CELL: usize = 8;

/// How a grid of samples is cut into blocks. A block owns the samples' cells from its first voxel up to the next block's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockGrid {
    pub(super) shape: [usize; 3],
    /// Voxels along a block's edge.
    pub(super) edge: usize,
    /// Blocks along each axis.
    pub(super) counts: [usize; 3],
    /// Samples that a block has before its first cell, and behind its last one: for the sample of a ray before its first in the block, and
    /// for gradients.
    pub(super) around: usize,
}

impl BlockGrid {
    pub(super) fn new(shape: [usize; 3], edge: usize, around: usize) -> Self {
        // A layer of samples alone would have no cells.
        let counts = shape.map(|n| n.saturating_sub(1).div_ceil(edge).max(1));
        Self { shape, edge, counts, around }
    }

    pub(super) fn len(&self) -> usize {
        self.counts.iter().product()
    }

    pub(super) fn at(&self, block: usize) -> [usize; 3] {
        let [x, y, _] = self.counts;
        [block % x, block / x % y, block / x / y]
    }

    /// From where to where a ray's places are a block's, the end excluded: without end at the volume's faces.
    pub(super) fn places(&self, block: usize) -> [[f32; 3]; 2] {
        let at = self.at(block);
        [
            std::array::from_fn(|a| if at[a] == 0 { f32::NEG_INFINITY } else { (at[a] * self.edge) as f32 }),
            std::array::from_fn(|a| match at[a] + 1 == self.counts[a] {
                true => f32::INFINITY,
                false => ((at[a] + 1) * self.edge) as f32,
            }),
        ]
    }

    /// The same with the ends of the field, `margin` beyond the outermost samples.
    pub(super) fn bounds(&self, block: usize, [low, high]: [[f64; 3]; 2]) -> [[f64; 3]; 2] {
        let [start, end] = self.places(block);
        [
            std::array::from_fn(|a| f64::from(start[a]).max(low[a])),
            std::array::from_fn(|a| f64::from(end[a]).min(high[a])),
        ]
    }

    /// The samples that a block is made of, which may lie outside the grid: the first one, and how many there are.
    fn samples(&self, block: usize) -> ([isize; 3], [usize; 3]) {
        let at = self.at(block);
        let first = at.map(|n| (n * self.edge) as isize - self.around as isize);
        let size = std::array::from_fn(|a| {
            let cells = match at[a] + 1 == self.counts[a] {
                true => self.shape[a] - at[a] * self.edge,
                false => self.edge,
            };
            cells + 1 + 2 * self.around
        });
        (first, size)
    }

    /// Those of them that there are.
    pub(super) fn region(&self, block: usize) -> Region {
        let (first, size) = self.samples(block);
        Region {
            start: first.map(|n| n.max(0) as usize),
            end: std::array::from_fn(|a| ((first[a] + size[a] as isize) as usize).min(self.shape[a])),
        }
    }
}

/// Samples around a block's cells; beyond the grid the outermost ones are repeated.
pub(super) struct Block {
    /// Of the grid, the place of the first sample.
    pub(super) first: [isize; 3],
    pub(super) size: [usize; 3],
    /// One more than there are, so that pairs can be read.
    pub(super) values: Vec<u16>,
    /// A value a sample, where any is masked.
    pub(super) masked: Option<Vec<bool>>,
    cell_counts: [usize; 3],
    /// Smallest and largest value of a cell; the smallest is above the largest where all is masked.
    cells: Vec<(u16, u16)>,
    /// Which of the file's cells were decoded; others have values that their pictures do not show. `None`: all.
    decoded: Option<CellsOfBlock>,
}

/// A range that has nothing.
const NOTHING: (u16, u16) = (u16::MAX, 0);

impl Block {
    /// Of the samples of all of [`BlockGrid::region`].
    pub(super) fn new(grid: &BlockGrid, block: usize, samples: &BoxSamples) -> Self {
        Self::of_area(grid, block, grid.region(block), samples)
    }

    /// Of the samples of some boxes, in which these cells lie: as large as a box around them.
    pub(super) fn of_boxes(
        grid: &BlockGrid,
        block: usize,
        boxes: &[(Region, BoxSamples)],
        known: &KnownRanges,
        decoded: CellsOfBlock,
    ) -> Self {
        let area = Region {
            start: std::array::from_fn(|a| {
                boxes.iter().map(|(region, _)| region.start[a]).min().unwrap_or(0)
            }),
            end: std::array::from_fn(|a| boxes.iter().map(|(region, _)| region.end[a]).max().unwrap_or(0)),
        };
        let samples = match boxes {
            [(_, samples)] => Cow::Borrowed(samples),
            _ => Cow::Owned(assembled(area, boxes, (known, &decoded))),
        };
        Self { decoded: Some(decoded), ..Self::of_area(grid, block, area, &samples) }
    }

    /// Of the samples of a part of a block's region.
    fn of_area(grid: &BlockGrid, block: usize, area: Region, samples: &BoxSamples) -> Self {
        let (mut first, size) = grid.samples(block);
        let mut end: [isize; 3] = std::array::from_fn(|a| first[a] + size[a] as isize);
        let whole = grid.region(block);
        for a in 0..3 {
            if area.start[a] > whole.start[a] {
                first[a] = area.start[a] as isize;
            }
            if area.end[a] < whole.end[a] {
                end[a] = area.end[a] as isize;
            }
        }
        let size: [usize; 3] = std::array::from_fn(|a| (end[a] - first[a]) as usize);
        let inside: [Vec<usize>; 3] = std::array::from_fn(|a| {
            let last = area.end[a] - 1;
            (0..size[a])
                .map(|n| ((first[a] + n as isize).max(0) as usize).min(last) - area.start[a])
                .collect()
        });
        let [nx, ny] = [0, 1].map(|a| area.end[a] - area.start[a]);
        let count: usize = size.iter().product();
        let mut values = Vec::with_capacity(count + 1);
        let mut masked = samples.masked.as_ref().map(|_| Vec::with_capacity(count));
        for &z in &inside[2] {
            for &y in &inside[1] {
                let row = nx * (y + ny * z);
                values.extend(inside[0].iter().map(|x| samples.values[row + x]));
                if let (Some(out), Some(masked)) = (&mut masked, &samples.masked) {
                    out.extend(inside[0].iter().map(|x| masked[row + x]));
                }
            }
        }
        let cell_counts = size.map(|n| (n - 1).div_ceil(CELL));
        let mut made = Self { first, size, values, masked, cell_counts, cells: Vec::new(), decoded: None };
        made.cells = made.ranges_of_cells();
        made.values.push(0);
        made
    }

    fn ranges_of_cells(&self) -> Vec<(u16, u16)> {
        let [cx, cy, cz] = self.cell_counts;
        let [nx, ny, _] = self.size;
        let mut cells = vec![NOTHING; cx * cy * cz];
        // A sample is in up to two cells along each axis.
        let of =
            |n: usize, count: usize| (n.saturating_sub(1) / CELL).min(count - 1)..(n / CELL + 1).min(count);
        for (row, values) in self.values.chunks_exact(nx).enumerate() {
            let [y, z] = [row % ny, row / ny];
            for i in 0..cx {
                let stretch = i * CELL..((i + 1) * CELL + 1).min(nx);
                let mut range = NOTHING;
                for x in stretch {
                    if self.masked.as_ref().is_none_or(|masked| !masked[row * nx + x]) {
                        range = (range.0.min(values[x]), range.1.max(values[x]));
                    }
                }
                for k in of(z, cz) {
                    for j in of(y, cy) {
                        let cell = &mut cells[i + cx * (j + cy * k)];
                        *cell = (cell.0.min(range.0), cell.1.max(range.1));
                    }
                }
            }
        }
        cells
    }

    /// The smallest and the largest of its values.
    pub(super) fn range(&self) -> Option<(u16, u16)> {
        let all = self.cells.iter().fold(NOTHING, |all, cell| (all.0.min(cell.0), all.1.max(cell.1)));
        (all.0 <= all.1).then_some(all)
    }

    /// The file's cells that were decoded; `None`: all.
    pub(super) fn decoded(&self) -> Option<&CellsOfBlock> {
        self.decoded.as_ref()
    }

    pub(super) fn bytes(&self) -> usize {
        2 * self.values.len() + self.masked.as_ref().map_or(0, Vec::len) + 4 * self.cells.len()
    }

    /// Which cells a frame is about.
    pub(super) fn wanted(&self, wants: impl Fn(u16, u16) -> bool) -> WantedCells {
        let wanted = |&(low, high): &(u16, u16)| low <= high && wants(low, high);
        WantedCells {
            first: self.first.map(|n| n as f32),
            last: std::array::from_fn(|a| (self.first[a] + self.size[a] as isize - 1) as f32),
            counts: self.cell_counts,
            wanted: self.cells.iter().map(wanted).collect(),
        }
    }
}

/// Samples of an area, from those of boxes in it. In between is what no picture shows that does without.
fn assembled(
    area: Region,
    boxes: &[(Region, BoxSamples)],
    (known, decoded): (&KnownRanges, &CellsOfBlock),
) -> BoxSamples {
    let [nx, ny, nz] = area.samples(1);
    let mut is_there = vec![false; nx * ny * nz];
    let mut values = vec![0; nx * ny * nz];
    let mut masked = vec![false; nx * ny * nz];
    for (region, samples) in boxes {
        let [bx, by, bz] = region.samples(1);
        let [x, y, z] = [0, 1, 2].map(|a| region.start[a] - area.start[a]);
        for row in 0..by * bz {
            let to = x + nx * (y + row % by + ny * (z + row / by));
            let from = row * bx;
            is_there[to..to + bx].fill(true);
            values[to..to + bx].copy_from_slice(&samples.values[from..from + bx]);
            if let Some(of_box) = &samples.masked {
                masked[to..to + bx].copy_from_slice(&of_box[from..from + bx]);
            }
        }
    }
    for n in (0..values.len()).filter(|&n| !is_there[n]) {
        let voxel = [n % nx, n / nx % ny, n / nx / ny];
        match known.stand_in(std::array::from_fn(|a| area.start[a] + voxel[a]), decoded) {
            Some(value) => values[n] = value,
            None => masked[n] = true,
        }
    }
    BoxSamples { values, masked: masked.contains(&true).then_some(masked) }
}

/// The cells of a block in which a frame has something to see.
pub(super) struct WantedCells {
    first: [f32; 3],
    last: [f32; 3],
    counts: [usize; 3],
    wanted: Vec<bool>,
}

impl WantedCells {
    /// Whether any cell is wanted of those that a line between two places meets, or of a box around it.
    #[inline(always)]
    pub(super) fn any_between(&self, from: [f32; 3], to: [f32; 3]) -> bool {
        let cell = |a: usize, place: f32| {
            let n = ((place - self.first[a]) * (1.0 / CELL as f32)) as usize;
            n.min(self.counts[a] - 1)
        };
        // Around what was decoded of a block lies nothing that is wanted.
        for a in 0..3 {
            if from[a].max(to[a]) < self.first[a] || from[a].min(to[a]) > self.last[a] {
                return false;
            }
        }
        // A place on the border of two cells has values of both.
        let low: [usize; 3] = std::array::from_fn(|a| cell(a, from[a].min(to[a])));
        let high: [usize; 3] = std::array::from_fn(|a| cell(a, from[a].max(to[a])));
        for z in low[2]..=high[2] {
            for y in low[1]..=high[1] {
                let row = self.counts[0] * (y + self.counts[1] * z);
                if self.wanted[row + low[0]..=row + high[0]].contains(&true) {
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_their_cells_and_what_is_around() {
        let shape = [10, 5, 1];
        let grid = BlockGrid::new(shape, 4, 1);
        assert_eq!((grid.counts, grid.len()), ([3, 1, 1], 3));
        let value = |[x, y, _]: [usize; 3]| (10 * x + y) as u16;
        for block in 0..grid.len() {
            let region = grid.region(block);
            let mut values = Vec::new();
            for y in region.start[1]..region.end[1] {
                values.extend((region.start[0]..region.end[0]).map(|x| value([x, y, 0])));
            }
            let made = Block::new(&grid, block, &BoxSamples { values, masked: None });
            for (i, &found) in made.values[..made.values.len() - 1].iter().enumerate() {
                let [nx, ny, _] = made.size;
                let at = [i % nx, i / nx % ny, i / nx / ny];
                let inside = std::array::from_fn(|a| {
                    (made.first[a] + at[a] as isize).clamp(0, shape[a] as isize - 1) as usize
                });
                assert_eq!(found, value(inside), "block {block} {at:?}");
            }
            let [start, end] = grid.places(block);
            assert_eq!((start[0] == f32::NEG_INFINITY, end[0] == f32::INFINITY), (block == 0, block == 2));
        }
    }

    #[test]
    fn cells_know_what_is_in_them() {
        let grid = BlockGrid::new([17, 9, 9], 16, 1);
        let mut samples = BoxSamples { values: vec![5; 17 * 9 * 9], masked: None };
        samples.values[12 + 17 * (4 + 9 * 4)] = 100;
        let block = Block::new(&grid, 0, &samples);
        assert_eq!(block.range(), Some((5, 100)));
        let wanted = block.wanted(|_, high| high > 50);
        assert!(wanted.any_between([11.5, 4.0, 4.0], [12.5, 4.0, 4.0]));
        assert!(!wanted.any_between([0.0, 0.0, 0.0], [5.0, 0.0, 0.0]));
        let mut masked = BoxSamples { values: vec![5; 17 * 9 * 9], masked: Some(vec![true; 17 * 9 * 9]) };
        assert_eq!(Block::new(&grid, 0, &masked).range(), None);
        masked.masked.as_mut().unwrap()[0] = false;
        assert_eq!(Block::new(&grid, 0, &masked).range(), Some((5, 5)));
    }
}
