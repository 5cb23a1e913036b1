//! The ranges of a volume's cells, from its decoded samples, and whether a file has them.

use crate::container::{CellGrid, CellRange, CellRanges, NOTHING, STEPS, StoredRanges};
use crate::container::{Contents, MAX_SHARE_OF_RANGES};
use crate::volume::{Sample, Samples, for_each_type};
use rayon::prelude::*;

/// The edges that are tried, in voxels, the smallest first.
const EDGES: [usize; 3] = [16, 32, 64];

/// Voxels of the smallest volumes that have ranges: smaller ones are decoded in some milliseconds.
const LEAST_VOXELS: usize = 1 << 20;

/// Cells that are kept at once at most: larger volumes begin with larger cells.
const MOST_CELLS: usize = 1 << 24;

/// Ranges in the making. Boxes may be added in any order, and ranges of several processes merged: the result is the same.
pub(super) struct RangesMeter {
    range: (f64, f64),
    cells: CellRanges,
}

impl RangesMeter {
    /// `None` for a volume that is small, whose measurements have one value, or that has none.
    pub(super) fn new(shape: [usize; 3], range: Option<(f64, f64)>) -> Option<Self> {
        let range = range.filter(|(low, high)| low < high)?;
        if shape.iter().product::<usize>() < LEAST_VOXELS { None } else { Self::of_any(shape, range) }
    }

    /// The same of any size.
    fn of_any(shape: [usize; 3], range: (f64, f64)) -> Option<Self> {
        let grids = EDGES.map(|edge| CellGrid::new(shape, edge));
        let grid = grids.into_iter().find(|grid| grid.len() <= MOST_CELLS)?;
        Some(Self { range, cells: CellRanges::new(grid) })
    }

    /// Adds the samples of a box as they are decoded, x fastest; `codes` are its mask. Works on the threads of the pool that it is called on.
    pub(super) fn add(
        &mut self,
        start: [usize; 3],
        size: [usize; 3],
        samples: &Samples,
        codes: Option<&[u8]>,
    ) {
        let grid = self.cells.grid;
        let of_layer = grid.counts[0] * grid.counts[1];
        let part = Part { grid, range: self.range, start, size, codes };
        self.cells.ranges.par_chunks_mut(of_layer).enumerate().for_each(|(z, layer)| {
            for_each_type!(samples, samples => part.add_to(z, layer, samples));
        });
    }

    /// What was found so far.
    pub(super) fn to_bytes(&self) -> &[u8] {
        self.cells.ranges.as_flattened()
    }

    /// Adds what another process found.
    pub(super) fn merge(&mut self, bytes: &[u8]) {
        let (others, _) = bytes.as_chunks::<2>();
        for (range, other) in self.cells.ranges.iter_mut().zip(others) {
            *range = [range[0].min(other[0]), range[1].max(other[1])];
        }
    }

    /// The ranges of the smallest cells that take no more than so many bytes of a file; `None` where none do.
    pub(super) fn within(self, most_bytes: u64) -> Option<StoredRanges> {
        let mut cells = self.cells;
        loop {
            let stored = StoredRanges::encode(&cells);
            if Contents::bytes_of_ranges(&stored) <= most_bytes {
                return Some(stored);
            }
            cells = Some(cells.coarser()).filter(|cells| EDGES.contains(&cells.grid.edge))?;
        }
    }
}

/// Bytes that ranges may take in a file of so many without them, which is to have no more than `most`.
pub(super) fn room(file_bytes: u64, most: Option<u64>) -> u64 {
    let share = file_bytes / MAX_SHARE_OF_RANGES;
    most.map_or(share, |most| share.min(most.saturating_sub(file_bytes)))
}

/// A box of samples.
struct Part<'a> {
    grid: CellGrid,
    range: (f64, f64),
    start: [usize; 3],
    size: [usize; 3],
    codes: Option<&'a [u8]>,
}

impl Part<'_> {
    /// Adds its samples to a layer of cells.
    fn add_to<T: Sample>(&self, z: usize, layer: &mut [CellRange], samples: &[T]) {
        let [cx, cy, _] = self.grid.counts;
        // Of an axis' n-th cell, the box's own voxels.
        let within = |axis: usize, n: usize| {
            let (reach, start) = (self.grid.reach(axis, n), self.start[axis]);
            let end = reach.end.min(start + self.size[axis]);
            reach.start.max(start) - start..end.max(start) - start
        };
        if within(2, z).is_empty() {
            return;
        }
        let columns: Vec<_> = (0..cx).map(|n| within(0, n)).collect();
        let rows: Vec<_> = (0..cy).map(|n| within(1, n)).collect();
        let [nx, ny, _] = self.size;
        for k in within(2, z) {
            for (y, rows) in rows.iter().enumerate() {
                for j in rows.clone() {
                    let row = nx * (j + ny * k);
                    for (x, column) in columns.iter().enumerate().filter(|(_, column)| !column.is_empty()) {
                        let stretch = row + column.start..row + column.end;
                        let codes = self.codes.map(|codes| &codes[stretch.clone()]);
                        let range = &mut layer[x + cx * y];
                        let found = self.range_of(&samples[stretch], codes);
                        *range = [range[0].min(found[0]), range[1].max(found[1])];
                    }
                }
            }
        }
    }

    fn range_of<T: Sample>(&self, samples: &[T], codes: Option<&[u8]>) -> CellRange {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        match codes {
            None => {
                for sample in samples {
                    let value = sample.to_f64();
                    low = if value < low { value } else { low };
                    high = if value > high { value } else { high };
                }
            }
            Some(codes) => {
                for (sample, _) in samples.iter().zip(codes).filter(|(_, code)| **code == 0) {
                    (low, high) = (low.min(sample.to_f64()), high.max(sample.to_f64()));
                }
            }
        }
        if low > high {
            return NOTHING;
        }
        let steps = |value: f64| (value - self.range.0) / (self.range.1 - self.range.0) * STEPS;
        // Casts stay within a code's bounds.
        [steps(low).floor() as u8, steps(high).ceil() as u8]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_are_those_of_the_samples_whatever_boxes_they_came_in(
            shape in [1usize..70, 1usize..50, 1usize..40],
            cut in 1usize..40,
            seed in any::<u32>(),
        ) {
            let mut state = seed | 1;
            let mut next = || { state ^= state << 13; state ^= state >> 17; state ^= state << 5; state >> 8 };
            let count: usize = shape.iter().product();
            let samples: Vec<i16> = (0..count).map(|_| (next() % 3000) as i16 - 1000).collect();
            let codes: Vec<u8> = (0..count).map(|_| u8::from(next() % 3 != 0)).collect();
            let range = (-1000.0, 2000.0);
            let [nx, ny, nz] = shape;
            let mut parts = [0, 1].map(|_| RangesMeter::of_any(shape, range).unwrap());
            for (n, z) in (0..nz).step_by(cut).enumerate() {
                let end = nz.min(z + cut);
                let voxels = nx * ny * z..nx * ny * end;
                let slab = Samples::I16(samples[voxels.clone()].to_vec());
                parts[n % 2].add([0, 0, z], [nx, ny, end - z], &slab, Some(&codes[voxels]));
            }
            let [mut meter, other] = parts;
            meter.merge(other.to_bytes());
            let grid = meter.cells.grid;
            let [cx, cy, _] = grid.counts;
            for (n, &found) in meter.cells.ranges.iter().enumerate() {
                let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
                for z in grid.reach(2, n / cx / cy) {
                    for y in grid.reach(1, n / cx % cy) {
                        for x in grid.reach(0, n % cx) {
                            let i = x + nx * (y + ny * z);
                            if codes[i] == 0 {
                                (low, high) = (low.min(samples[i].into()), high.max(samples[i].into()));
                            }
                        }
                    }
                }
                let expected = if low > high { NOTHING } else {
                    [((low + 1000.0) / 3000.0 * 255.0).floor() as u8, ((high + 1000.0) / 3000.0 * 255.0).ceil() as u8]
                };
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn ranges_take_the_smallest_cells_that_fit_or_are_left_out() {
        let shape = [200, 200, 200];
        let value = |i: usize| ((i * 2_654_435_761) >> 13) as u8;
        let samples = Samples::U8((0..8_000_000).map(value).collect());
        let meter = || {
            let mut meter = RangesMeter::new(shape, Some((0.0, 255.0))).unwrap();
            meter.add([0; 3], shape, &samples, None);
            meter
        };
        let edges: Vec<_> =
            [u64::MAX, 60, 24].map(|most| meter().within(most).map(|ranges| ranges.grid().edge)).to_vec();
        assert_eq!(edges[0], Some(16));
        assert_eq!(edges[2], None);
        assert!(RangesMeter::new(shape, Some((3.0, 3.0))).is_none());
        assert_eq!((room(100_000, None), room(100_000, Some(100_020)), room(100_000, Some(9))), (500, 20, 0));
    }
}
