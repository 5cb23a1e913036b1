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
                    let mut bits = bits.iter().rev().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
                    let mut n = 0;
                    while bits != 0 {
                        let bit = bits.trailing_zeros() as usize;
                        bits &= bits - 1;
                        let number = if start & 1 == 1 {
                            i32::from_le_bytes(std::array::from_fn(|b| numbers[4 * n + b]))
                        } else {
                            (numbers[n] as i8).into()
                        };
                        n += 1;
                        let at = [
                            cell_x * CELL + bit % CELL,
                            cell_y * CELL + bit / CELL % CELL,
                            cell_z * CELL + bit / CELL / CELL,
                        ];
                        if (0..3).all(|a| (window.start[a]..window.end[a]).contains(&at[a])) {
                            each(at, number);
                        }
                    }
                }
            }
        }
    }
}
