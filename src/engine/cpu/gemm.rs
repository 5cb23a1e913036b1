//! Small matrix products in registers: the network's three products are one kernel with different strides.
#![allow(unsafe_code)] // raw pointers: every access is inside the slices checked on entry

use crate::simd::Simd;

/// A matrix operand: element (row, k) of A is `data[row * row_stride + k * k_stride]`.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub(super) data: &'a [f32],
    pub(super) row_stride: usize,
    pub(super) k_stride: usize,
}

/// What is done with a finished product.
#[derive(Clone, Copy)]
pub(super) enum Finish<'a> {
    /// C = A B + bias (one a column).
    Bias(&'a [f32]),
    /// The same behind a ReLU.
    BiasRelu(&'a [f32]),
    /// C = A B, zero where the gate (in C's layout) is not positive.
    Gate(&'a [f32]),
    /// C = A B.
    Store,
    /// C += A B.
    Accumulate,
}

/// C (`rows` x `columns`, row stride `c_stride`) from A (`rows` x `depth`) and B (`depth` x `columns`, row stride
/// `b_stride`). `columns` is a multiple of 16.
#[inline(always)]
pub(super) fn product<S: Simd>(
    [rows, columns, depth]: [usize; 3],
    a: Operand<'_>,
    (b, b_stride): (&[f32], usize),
    (c, c_stride): (&mut [f32], usize),
    finish: Finish<'_>,
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(columns.is_multiple_of(16) && columns <= b_stride && columns <= c_stride);
    assert!(depth == 0 || (rows - 1) * a.row_stride + (depth - 1) * a.k_stride < a.data.len());
    assert!(depth == 0 || (depth - 1) * b_stride + columns <= b.len());
    assert!((rows - 1) * c_stride + columns <= c.len());
    match finish {
        Finish::Bias(bias) | Finish::BiasRelu(bias) => assert!(bias.len() >= columns),
        Finish::Gate(gate) => assert!((rows - 1) * c_stride + columns <= gate.len()),
        Finish::Store | Finish::Accumulate => {}
    }
    let task = Task { depth, a, b, b_stride, c: c.as_mut_ptr(), c_stride, finish };
    let mut column = 0;
    // The widest tile that leaves registers for its operands: 6 x 4 vectors of 32, or 6 x 2 of 16.
    while S::LANES == 16 && column + 64 <= columns {
        // SAFETY: the asserts above bound every row, column and depth index that a tile touches.
        unsafe { column_block::<S, 6, 4>(&task, rows, column) };
        column += 64;
    }
    while column + 2 * S::LANES <= columns {
        // SAFETY: see above.
        unsafe { column_block::<S, 6, 2>(&task, rows, column) };
        column += 2 * S::LANES;
    }
    while column < columns {
        // SAFETY: see above.
        unsafe { column_block::<S, 8, 1>(&task, rows, column) };
        column += S::LANES;
    }
}

struct Task<'a> {
    depth: usize,
    a: Operand<'a>,
    b: &'a [f32],
    b_stride: usize,
    c: *mut f32,
    c_stride: usize,
    finish: Finish<'a>,
}

/// All rows of `V` vectors of columns.
#[inline(always)]
unsafe fn column_block<S: Simd, const R: usize, const V: usize>(task: &Task<'_>, rows: usize, column: usize) {
    let mut row = 0;
    // SAFETY: `row + R <= rows`, `row < rows`; columns by the caller.
    unsafe {
        while row + R <= rows {
            tile::<S, R, V>(task, row, column);
            row += R;
        }
        while row + 2 <= rows {
            tile::<S, 2, V>(task, row, column);
            row += 2;
        }
        if row < rows {
            tile::<S, 1, V>(task, row, column);
        }
    }
}

/// `R` rows of `V` vectors, accumulated in registers.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize>(task: &Task<'_>, row: usize, column: usize) {
    // SAFETY: rows `row..row + R`, columns `column..column + V * LANES` and `depth` are inside A, B, C and the gate.
    unsafe {
        let mut sums = [[S::splat(0.0); V]; R];
        let mut a = task.a.data.as_ptr().add(row * task.a.row_stride);
        let mut b = task.b.as_ptr().add(column);
        for _ in 0..task.depth {
            let mut from_b = [S::splat(0.0); V];
            for (v, from_b) in from_b.iter_mut().enumerate() {
                *from_b = S::load(b.add(v * S::LANES));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let from_a = S::splat(*a.add(r * task.a.row_stride));
                for (sum, from_b) in sums.iter_mut().zip(from_b) {
                    *sum = S::mul_add(from_a, from_b, *sum);
                }
            }
            a = a.wrapping_add(task.a.k_stride);
            b = b.wrapping_add(task.b_stride);
        }
        for (r, sums) in sums.into_iter().enumerate() {
            let at = (row + r) * task.c_stride + column;
            for (v, sum) in sums.into_iter().enumerate() {
                let offset = at + v * S::LANES;
                let result = match task.finish {
                    Finish::Bias(bias) => S::add(sum, S::load(bias.as_ptr().add(column + v * S::LANES))),
                    Finish::BiasRelu(bias) => {
                        S::relu(S::add(sum, S::load(bias.as_ptr().add(column + v * S::LANES))))
                    }
                    Finish::Gate(gate) => S::where_positive(sum, S::load(gate.as_ptr().add(offset))),
                    Finish::Store => sum,
                    Finish::Accumulate => S::add(sum, S::load(task.c.add(offset))),
                };
                S::store(task.c.add(offset), result);
            }
        }
    }
}
