//! Coarser levels of the pyramid as a perceptron sees them: low bands, at the voxels of the grid.

use crate::simd::{Integers, vector};
use crate::wavelet::{INVERSE_GAIN, Level, Window};

/// Values that may be read behind the last one: those of the widest vectors.
pub(super) const SLACK: usize = 16;

/// A low band at the voxels of a window of the grid that its level splits: its samples are the values at even indices along a
/// split axis, and between them is the mean of both, at the end the last one. Along x first, then along y, then along z.
pub(super) struct Coarser {
    /// Between the samples along x, where the band has samples along the others: rows of the window's length. And [`SLACK`].
    rows: Vec<f32>,
    length: usize,
    /// Where rows begin that are the samples before and after a voxel along y, and of those along z.
    places: [Vec<[usize; 2]>; 2],
    gain: f32,
}

impl Coarser {
    /// Of samples of the low band in the window that [`needed`] says.
    pub(super) fn new(level: &Level, samples: &[f32], window: Window) -> Self {
        let from = needed(level, window);
        let length = window.shape()[0];
        let [along_x, y, z] = [0, 1, 2].map(|a| places(level, from, window, a));
        let mut rows = Vec::with_capacity(length * samples.len() / from.shape()[0] + SLACK);
        samples.chunks_exact(from.shape()[0]).for_each(|row| push_means_in(&mut rows, &along_x, row));
        rows.resize(rows.len() + SLACK, 0.0);
        let begin = |places: Vec<[usize; 2]>, size: usize| {
            places.into_iter().map(|pair| pair.map(|n| n * size)).collect()
        };
        let plane = length * from.shape()[1];
        Self { rows, length, places: [begin(y, length), begin(z, plane)], gain: inverse_gain(level) }
    }

    /// Of samples of the low band one level further down.
    pub(super) fn below(level: &Level, lower: &Level, samples: Vec<f32>, window: Window) -> Self {
        let between = needed(level, window);
        let mut coarser = Self::new(level, &interpolated(lower, samples, between), window);
        coarser.gain *= inverse_gain(lower);
        coarser
    }

    /// What a constant's samples in the low band are to be multiplied by to be that constant's again.
    pub(super) fn gain(&self) -> f32 {
        self.gain
    }

    /// Where the four rows begin that a voxel's row lies between.
    #[inline(always)]
    fn around(&self, [x, y, z]: [usize; 3]) -> [usize; 4] {
        let ([before, after], [below, above]) = (self.places[0][y], self.places[1][z]);
        [x + before + below, x + after + below, x + before + above, x + after + above]
    }

    /// The value at a voxel of the window.
    pub(super) fn value(&self, voxel: [usize; 3]) -> f32 {
        let [a, b, c, d] = self.around(voxel).map(|at| self.rows[at]);
        mean(mean(a, b), mean(c, d))
    }

    /// The values from a voxel on along x, as many as a vector has lanes.
    #[inline(always)]
    pub(super) fn values<S: Integers>(&self, first: [usize; 3]) -> S::V {
        debug_assert!(first[0] < self.length);
        let [a, b, c, d] = self.around(first);
        let row = |at: usize| &self.rows[at..];
        let half = S::splat(0.5);
        let below = S::mul(S::add(vector::<S>(row(a)), vector::<S>(row(b))), half);
        let above = S::mul(S::add(vector::<S>(row(c)), vector::<S>(row(d))), half);
        S::mul(S::add(below, above), half)
    }
}

fn mean(a: f32, b: f32) -> f32 {
    (a + b) * 0.5
}

/// What a constant's samples in a level's low band are to be multiplied by to be that constant's again.
fn inverse_gain(level: &Level) -> f32 {
    level.split.iter().filter(|split| **split).fold(1.0, |gain, _| gain * INVERSE_GAIN)
}

/// The samples of a level's low band that a window of the grid that it splits needs.
pub(super) fn needed(level: &Level, window: Window) -> Window {
    let low = level.low_shape();
    Window {
        start: std::array::from_fn(|a| if level.split[a] { window.start[a] / 2 } else { window.start[a] }),
        end: std::array::from_fn(|a| {
            if level.split[a] { (window.end[a] / 2 + 1).min(low[a]) } else { window.end[a] }
        }),
    }
}

/// The samples before and after every index of a window along an axis, counted in `from`.
fn places(level: &Level, from: Window, window: Window, a: usize) -> Vec<[usize; 2]> {
    let last = from.shape()[a] - 1;
    let place = |n: usize| match level.split[a] {
        true => [n / 2 - from.start[a], (n.div_ceil(2) - from.start[a]).min(last)],
        false => [n - from.start[a]; 2],
    };
    (window.start[a]..window.end[a]).map(place).collect()
}

/// Pushes the means of pairs of samples of a row.
fn push_means_in(out: &mut Vec<f32>, pairs: &[[usize; 2]], row: &[f32]) {
    out.extend(pairs.iter().map(|&[before, after]| mean(row[before], row[after])));
}

/// Pushes the means of pairs of rows.
fn push_means<'a>(out: &mut Vec<f32>, pairs: &[[usize; 2]], row: impl Fn(usize) -> &'a [f32]) {
    for &[before, after] in pairs {
        let (before, after) = (row(before), row(after));
        out.extend(before.iter().zip(after).map(|(&a, &b)| mean(a, b)));
    }
}

/// A window of the grid that a level splits, from its low band's samples in the window that [`needed`] says.
fn interpolated(level: &Level, mut samples: Vec<f32>, window: Window) -> Vec<f32> {
    let from = needed(level, window);
    let mut shape = from.shape();
    for a in 0..3 {
        let pairs = places(level, from, window, a);
        let inner: usize = shape[..a].iter().product();
        let plane = inner * shape[a];
        let mut out = Vec::with_capacity(samples.len() / shape[a] * pairs.len());
        for plane in samples.chunks_exact(plane) {
            match inner {
                1 => push_means_in(&mut out, &pairs, plane),
                _ => push_means(&mut out, &pairs, |n| &plane[n * inner..][..inner]),
            }
        }
        samples = out;
        shape[a] = pairs.len();
    }
    samples
}
