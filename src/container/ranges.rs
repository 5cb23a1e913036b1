//! Section RANG: the smallest and the largest sample of every cell of a volume, so that what shows only some values decodes only the cells
//! that have them.

use super::brick_grid::BrickGrid;
use super::bytes::Fields;
use super::sections::StoredSection;
use crate::codec::{decode_integers, encode_integers};
use crate::storage::{Fault, Streams};

/// Voxels on every side of a cell that its range is of, too: an interpolated ray with samples a voxel apart that ends in the cell was there
/// before, and its slopes reach one voxel further.
pub(crate) const AROUND: usize = 2;

/// What the volume's range is divided into for a code.
pub(crate) const STEPS: f64 = 255.0;

/// A file has ranges where they take no more than one byte of so many.
pub(crate) const MAX_SHARE_OF_RANGES: u64 = 200;

/// The edges that cells may have, in voxels, to base 2.
const LOG2_EDGES: std::ops::RangeInclusive<u8> = 3..=12;

/// How a volume is cut into cells, x fastest. A cell is what lies between its first voxel and the next cell's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellGrid {
    shape: [usize; 3],
    pub(crate) edge: usize,
    /// Cells along each axis.
    pub(crate) counts: [usize; 3],
}

impl CellGrid {
    /// Cells of an edge that is a power of two.
    pub(crate) fn new(shape: [usize; 3], edge: usize) -> Self {
        assert!(edge.is_power_of_two());
        // A layer of voxels alone would have no cells.
        Self { shape, edge, counts: shape.map(|n| n.saturating_sub(1).div_ceil(edge).max(1)) }
    }

    pub(crate) fn len(&self) -> usize {
        self.counts.iter().product()
    }

    /// The voxels along an axis that the range of the n-th cell is of.
    pub(crate) fn reach(&self, axis: usize, n: usize) -> std::ops::Range<usize> {
        (n * self.edge).saturating_sub(AROUND)..((n + 1) * self.edge + AROUND + 1).min(self.shape[axis])
    }
}

/// The range of a cell's samples as shares of the volume's range, in steps of 1/255: the first rounded down, the second up. The first is
/// above the second where every sample is masked.
pub(crate) type CellRange = [u8; 2];

/// A cell without measurements.
pub(crate) const NOTHING: CellRange = [u8::MAX, 0];

/// The ranges of a volume's cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CellRanges {
    pub(crate) grid: CellGrid,
    pub(crate) ranges: Vec<CellRange>,
}

impl CellRanges {
    /// Of cells in which nothing was measured yet.
    pub(crate) fn new(grid: CellGrid) -> Self {
        Self { grid, ranges: vec![NOTHING; grid.len()] }
    }

    /// The same of cells of twice the edge.
    pub(crate) fn coarser(&self) -> Self {
        let mut coarser = Self::new(CellGrid::new(self.grid.shape, 2 * self.grid.edge));
        let [nx, ny, _] = self.grid.counts;
        let [cx, cy, _] = coarser.grid.counts;
        for (n, &[low, high]) in self.ranges.iter().enumerate() {
            let [x, y, z] = [n % nx, n / nx % ny, n / nx / ny].map(|n| n / 2);
            let range = &mut coarser.ranges[x + cx * (y + cy * z)];
            *range = [range[0].min(low), range[1].max(high)];
        }
        coarser
    }
}

/// Ranges as they are coded: a stream for each 64^3 cells.
#[derive(Clone)]
pub(crate) struct StoredRanges {
    grid: CellGrid,
    streams: Streams,
}

impl StoredRanges {
    pub(crate) fn encode(ranges: &CellRanges) -> Self {
        let bricks = BrickGrid::new(ranges.grid.counts);
        let stream = |brick: usize| {
            let (_, size) = bricks.bounds(brick);
            let of_brick = |end: usize| {
                let rows = bricks.rows(brick).flat_map(|row| &ranges.ranges[row]);
                rows.map(move |range| i64::from(range[end]))
            };
            let numbers: Vec<i64> = of_brick(0).chain(of_brick(1)).collect();
            encode_integers(&numbers, coded_shape(size), None)
        };
        Self { grid: ranges.grid, streams: Streams::new((0..bricks.len()).map(stream).collect()) }
    }

    /// # Errors
    /// When a stream cannot be read, or holds what no encoder writes.
    pub(crate) fn decode(&self) -> Result<CellRanges, Fault> {
        let mut decoded = CellRanges::new(self.grid);
        let bricks = BrickGrid::new(self.grid.counts);
        for brick in 0..bricks.len() {
            let (_, size) = bricks.bounds(brick);
            let numbers = decode_integers(&self.streams.read(brick)?, coded_shape(size), None)?;
            let mut found = ranges_of(&numbers)?.into_iter();
            for row in bricks.rows(brick) {
                decoded.ranges[row].iter_mut().zip(&mut found).for_each(|(range, found)| *range = found);
            }
        }
        Ok(decoded)
    }

    pub(crate) fn grid(&self) -> CellGrid {
        self.grid
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// What of the section is no stream.
    pub(super) fn section(&self) -> Vec<u8> {
        vec![self.grid.edge.ilog2() as u8]
    }

    pub(super) fn parse(section: StoredSection<'_>, shape: [usize; 3]) -> Result<Self, String> {
        let mut fields = Fields::new(section.bytes);
        let edge = match fields.u8("the edge of cells")? {
            log2_edge if LOG2_EDGES.contains(&log2_edge) => 1 << log2_edge,
            log2_edge => return Err(format!("cells of 2^{log2_edge} voxels are unknown")),
        };
        let grid = CellGrid::new(shape, edge);
        let streams = section.streams(fields.rest(), BrickGrid::new(grid.counts).len())?;
        Ok(Self { grid, streams })
    }
}

/// The lowest codes of a brick's cells, then the highest.
fn coded_shape([x, y, z]: [usize; 3]) -> [usize; 3] {
    [x, y, 2 * z]
}

fn ranges_of(numbers: &[i64]) -> Result<Vec<CellRange>, String> {
    let (low, high) = numbers.split_at(numbers.len() / 2);
    let code = |&n: &i64| u8::try_from(n).map_err(|_| format!("{n} is no code of a range"));
    low.iter().zip(high).map(|(low, high)| Ok([code(low)?, code(high)?])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_back(stored: &StoredRanges, shape: [usize; 3]) -> CellRanges {
        let read = crate::container::sections::read_back(stored.section(), &stored.streams, |section| {
            StoredRanges::parse(section, shape)
        });
        read.unwrap().decode().map_err(|_| "damaged").unwrap()
    }

    proptest! {
        #[test]
        fn ranges_come_back(
            shape in [1usize..300, 1usize..90, 1usize..40],
            log2_edge in 3u8..6,
            seed in any::<u32>(),
        ) {
            let mut state = seed | 1;
            let mut next = || { state ^= state << 13; state ^= state >> 17; state ^= state << 5; (state >> 8) as u8 };
            let mut ranges = CellRanges::new(CellGrid::new(shape, 1 << log2_edge));
            ranges.ranges.iter_mut().for_each(|range| *range = [next(), next()]);
            prop_assert_eq!(read_back(&StoredRanges::encode(&ranges), shape), ranges);
        }
    }

    #[test]
    fn more_cells_than_a_stream_has_come_back() {
        let shape = [8 * 130 + 1, 20, 9];
        let mut ranges = CellRanges::new(CellGrid::new(shape, 8));
        assert_eq!(ranges.grid.counts, [130, 3, 1]);
        ranges.ranges.iter_mut().enumerate().for_each(|(n, range)| *range = [n as u8 / 2, n as u8]);
        let stored = StoredRanges::encode(&ranges);
        assert_eq!(stored.streams().len(), 3);
        assert_eq!(read_back(&stored, shape), ranges);
    }

    #[test]
    fn cells_of_twice_the_edge_have_the_ranges_of_theirs() {
        let shape = [50, 33, 1];
        let grid = CellGrid::new(shape, 16);
        let value = |x: usize, y: usize| (x * 3 + y) as u8;
        let of = |grid: CellGrid| {
            let mut ranges = CellRanges::new(grid);
            let [cx, cy, _] = grid.counts;
            for (n, range) in ranges.ranges.iter_mut().enumerate() {
                for y in grid.reach(1, n / cx % cy) {
                    for x in grid.reach(0, n % cx) {
                        *range = [range[0].min(value(x, y)), range[1].max(value(x, y))];
                    }
                }
            }
            ranges
        };
        assert_eq!(grid.counts, [4, 2, 1]);
        assert_eq!(of(grid).coarser(), of(CellGrid::new(shape, 32)));
        assert_eq!(of(grid).coarser().coarser(), of(CellGrid::new(shape, 64)));
    }

    #[test]
    fn unknown_edges_and_codes_are_refused() {
        let shape = [40, 40, 40];
        let stored = StoredRanges::encode(&CellRanges::new(CellGrid::new(shape, 16)));
        for edge in [0, 2, 13, 255] {
            let parsed = crate::container::sections::read_back(vec![edge], stored.streams(), |section| {
                StoredRanges::parse(section, shape)
            });
            assert!(parsed.is_err(), "{edge}");
        }
        let stream = encode_integers(&[256; 54], [3, 3, 6], None);
        let wrong = StoredRanges { grid: stored.grid, streams: Streams::new(vec![stream]) };
        assert!(wrong.decode().is_err());
    }
}
