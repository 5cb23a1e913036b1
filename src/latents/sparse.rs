//! A box of decoded numbers, most of them 0.

use crate::wavelet::Window;

/// Numbers of a cell along each axis: 64 in all, a bit each.
const CELL: usize = 4;

/// Numbers by cells of 4^3: a cell of zeros takes four bytes, another one eight more and one or four a number.
#[derive(Debug, Clone)]
pub(super) struct SparseNumbers {
    shape: [usize; 3],
    /// Where a cell's record begins, twice, and one more where its numbers have four bytes; [`EMPTY`] for zeros.
    cells: Vec<u32>,
    /// A cell's bits (x fastest), then its numbers other than 0.
    records: Vec<u8>,
}

const EMPTY: u32 = u32::MAX;

/// The bits of a cell's numbers that lie in a window.
fn within(window: Window, cell: [usize; 3]) -> u64 {
    // `of_one`: the bits of the axis' first numbers; those of the next ones are `stride` bits further.
    let axis = |a: usize, of_one: u64, stride: usize| {
        let start = window.start[a].saturating_sub(cell[a] * CELL);
        let end = (window.end[a] - cell[a] * CELL).min(CELL);
        (start..end).fold(0, |bits, n| bits | of_one << (stride * n))
    };
    axis(0, 0x1111_1111_1111_1111, 1) & axis(1, 0x000f_000f_000f_000f, 4) & axis(2, 0xffff, 16)
}

impl SparseNumbers {
    pub(super) fn of(numbers: &[i32], shape: [usize; 3]) -> Self {
        let [nx, ny, _] = shape;
        let counts = shape.map(|n| n.div_ceil(CELL));
        let (mut cells, mut records) = (Vec::with_capacity(counts.iter().product()), Vec::new());
        for cell in 0..counts.iter().product::<usize>() {
            let start = [cell % counts[0], cell / counts[0] % counts[1], cell / counts[0] / counts[1]]
                .map(|n| n * CELL);
            let end: [usize; 3] = std::array::from_fn(|a| (start[a] + CELL).min(shape[a]));
            let (mut bits, mut found) = (0u64, [0i32; CELL * CELL * CELL]);
            let mut count = 0;
            for z in start[2]..end[2] {
                for y in start[1]..end[1] {
                    for x in start[0]..end[0] {
                        let number = numbers[x + nx * (y + ny * z)];
                        if number != 0 {
                            bits |= 1 << (x - start[0] + CELL * (y - start[1] + CELL * (z - start[2])));
                            found[count] = number;
                            count += 1;
                        }
                    }
                }
            }
            if count == 0 {
                cells.push(EMPTY);
                continue;
            }
            let found = &found[..count];
            let wide = found.iter().any(|n| i8::try_from(*n).is_err());
            cells.push(2 * records.len() as u32 + u32::from(wide));
            records.extend(bits.to_le_bytes());
            if wide {
                records.extend(found.iter().flat_map(|n| n.to_le_bytes()));
            } else {
                records.extend(found.iter().map(|&n| n as i8 as u8));
            }
        }
        records.shrink_to_fit();
        Self { shape, cells, records }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        4 * self.cells.len() + self.records.len()
    }

    /// Calls `each` with every number other than 0 in a window of the box, and its place.
    pub(super) fn visit(&self, window: Window, mut each: impl FnMut([usize; 3], i32)) {
        let counts = self.shape.map(|n| n.div_ceil(CELL));
        let cells = |a: usize| window.start[a] / CELL..window.end[a].div_ceil(CELL);
        for cell_z in cells(2) {
            for cell_y in cells(1) {
                for cell_x in cells(0) {
                    let start = self.cells[cell_x + counts[0] * (cell_y + counts[1] * cell_z)];
                    if start == EMPTY {
                        continue;
                    }
                    let record = &self.records[(start / 2) as usize..];
                    let (bits, numbers) = record.split_at(8);
                    let bits = bits.iter().rev().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
                    // A thin window has a quarter of a cell or less: only what it meets is gone through.
                    let mut met = bits & within(window, [cell_x, cell_y, cell_z]);
                    while met != 0 {
                        let bit = met.trailing_zeros() as usize;
                        met &= met - 1;
                        let n = (bits & ((1 << bit) - 1)).count_ones() as usize;
                        let number = if start & 1 == 1 {
                            i32::from_le_bytes(std::array::from_fn(|b| numbers[4 * n + b]))
                        } else {
                            (numbers[n] as i8).into()
                        };
                        let at = [
                            cell_x * CELL + bit % CELL,
                            cell_y * CELL + bit / CELL % CELL,
                            cell_z * CELL + bit / CELL / CELL,
                        ];
                        each(at, number);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn windows_have_their_numbers_each_once(
            shape in [1usize..14, 1usize..14, 1usize..14],
            ends in prop::array::uniform6(0usize..15),
            density in 1u32..5,
            large in any::<bool>(),
        ) {
            let [nx, ny, _] = shape;
            let number = |i: usize| match (i as u32).wrapping_mul(2_654_435_761) >> 16 {
                hash if hash % 5 >= density => 0,
                hash => (hash % 200) as i32 - 100 + if large { 1000 } else { 0 },
            };
            let numbers: Vec<i32> = (0..shape.iter().product()).map(number).collect();
            let window = Window {
                start: std::array::from_fn(|a| ends[a].min(ends[a + 3]).min(shape[a])),
                end: std::array::from_fn(|a| ends[a].max(ends[a + 3]).min(shape[a])),
            };
            let mut found = vec![0; numbers.len()];
            SparseNumbers::of(&numbers, shape).visit(window, |[x, y, z], n| found[x + nx * (y + ny * z)] += n);
            for (i, &found) in found.iter().enumerate() {
                let at = [i % nx, i / nx % ny, i / (nx * ny)];
                let inside = (0..3).all(|a| (window.start[a]..window.end[a]).contains(&at[a]));
                prop_assert_eq!(found, if inside { numbers[i] } else { 0 });
            }
        }
    }
}
