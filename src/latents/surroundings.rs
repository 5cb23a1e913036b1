//! What a perceptron sees of a latent grid around a voxel: its neighbours, and two coarser levels of the pyramid.

use super::perceptron::{MOST_UNITS, ROUNDER, UNITS_A_STEP, round};
use crate::engine::cpu::{Portable, Simd, vector, write};
use crate::wavelet::{INVERSE_GAIN, Level, Window};

/// The neighbours: those that share a face or an edge, and the next ones along the axes.
const NEIGHBOURS: [[i8; 3]; 24] = [
    [-1, 0, 0],
    [1, 0, 0],
    [0, -1, 0],
    [0, 1, 0],
    [0, 0, -1],
    [0, 0, 1],
    [-1, -1, 0],
    [1, -1, 0],
    [-1, 1, 0],
    [1, 1, 0],
    [-1, 0, -1],
    [1, 0, -1],
    [-1, 0, 1],
    [1, 0, 1],
    [0, -1, -1],
    [0, 1, -1],
    [0, -1, 1],
    [0, 1, 1],
    [-2, 0, 0],
    [2, 0, 0],
    [0, -2, 0],
    [0, 2, 0],
    [0, 0, -2],
    [0, 0, 2],
];
/// How far the neighbours are.
pub(super) const REACH: usize = 2;

/// Levels of the pyramid below the grid that are seen.
pub(super) const LEVELS_SEEN: usize = 2;

/// Inputs: a difference for each neighbour and for each of two levels, and the value itself.
pub(crate) const INPUTS: usize = NEIGHBOURS.len() + LEVELS_SEEN + 1;

/// Units of the last input from the lowest value of the field to the highest.
const VALUE_UNITS: f32 = 128.0;
/// Values beyond this are as this.
const MOST_VALUE: f32 = 4_194_303.0;
/// Values that may be read behind the last.
const SLACK: usize = 16;

/// A window of a latent grid, and what is around it.
pub(crate) struct Surroundings {
    pub(super) shape: [usize; 3],
    /// The values in the window, and [`SLACK`].
    pub(super) values: Vec<f32>,
    /// The values in units, with [`REACH`] more on every side; beyond the grid, those of its border.
    units: Vec<f32>,
    /// The next levels' low bands between their samples, in units.
    levels: [Vec<f32>; LEVELS_SEEN],
}

impl Surroundings {
    /// Around `window` of a grid: `values` are those of the window `around`, which has all neighbours that are in the grid,
    /// and `levels` are the next two levels' low bands (see [`interpolated`]) in the window, in the field's values.
    pub(super) fn new(
        window: Window,
        (around, values): (Window, Vec<f32>),
        levels: [Vec<f32>; LEVELS_SEEN],
        gains: [f32; LEVELS_SEEN],
        step: f32,
    ) -> Self {
        let scale = UNITS_A_STEP / step;
        let shape = window.shape();
        let padded = shape.map(|n| n + 2 * REACH);
        let [ax, ay, _] = around.shape();
        let mut units = Vec::with_capacity(padded.iter().product::<usize>() + SLACK);
        let mut inside = Vec::with_capacity(window.len());
        // The place in `around` of a place of the padded window.
        let place = |a: usize, n: usize| {
            (window.start[a] + n).saturating_sub(REACH).clamp(around.start[a], around.end[a] - 1)
                - around.start[a]
        };
        for z in 0..padded[2] {
            for y in 0..padded[1] {
                let row = &values[ax * (place(1, y) + ay * place(2, z))..][..ax];
                let is_inside = [(y, 1), (z, 2)].iter().all(|&(n, a)| (REACH..REACH + shape[a]).contains(&n));
                let begin = window.start[0] - around.start[0];
                if is_inside {
                    inside.extend(&row[begin..begin + shape[0]]);
                }
                let before = REACH - begin;
                let after = padded[0] - before - ax;
                let in_units = |v: f32| (v * scale).clamp(-MOST_VALUE, MOST_VALUE) + ROUNDER - ROUNDER;
                units.extend(std::iter::repeat_n(in_units(row[0]), before));
                units.extend(row.iter().map(|&v| in_units(v)));
                units.extend(std::iter::repeat_n(in_units(row[ax - 1]), after));
            }
        }
        units.resize(units.len() + SLACK, 0.0);
        let mut levels = levels;
        for (level, gain) in levels.iter_mut().zip(gains) {
            let scale = scale * gain;
            level.iter_mut().for_each(|v| *v *= scale);
            level.resize(level.len() + SLACK, 0.0);
        }
        inside.resize(inside.len() + SLACK, 0.0);
        Self { shape, values: inside, units, levels }
    }

    /// The inputs of the voxels from `at` on along x, as many as a vector has.
    #[inline(always)]
    pub(super) fn inputs<S: Simd>(&self, [x, y, z]: [usize; 3], out: &mut [[f32; 16]; INPUTS]) {
        let [nx, ny, _] = self.shape;
        let [px, py] = [nx + 2 * REACH, ny + 2 * REACH];
        let centre = x + REACH + px * (y + REACH + py * (z + REACH));
        let (low, high) = (S::splat(-MOST_UNITS), S::splat(MOST_UNITS));
        let minus_value = S::mul(vector::<S>(&self.units[centre..]), S::splat(-1.0));
        for (neighbour, out) in NEIGHBOURS.iter().zip(&mut *out) {
            let [dx, dy, dz] = neighbour.map(isize::from);
            let at = (centre as isize + dx + px as isize * (dy + py as isize * dz)) as usize;
            let difference = S::add(vector::<S>(&self.units[at..]), minus_value);
            write::<S>(out, S::clamp(difference, low, high));
        }
        let at = x + nx * (y + ny * z);
        for (level, out) in self.levels.iter().zip(&mut out[NEIGHBOURS.len()..]) {
            let difference = S::add(vector::<S>(&level[at..]), minus_value);
            write::<S>(out, round::<S>(S::clamp(difference, low, high)));
        }
        let value = S::mul(vector::<S>(&self.values[at..]), S::splat(VALUE_UNITS));
        let value = round::<S>(S::clamp(value, S::splat(0.0), S::splat(VALUE_UNITS)));
        write::<S>(&mut out[INPUTS - 1], S::add(value, S::splat(-VALUE_UNITS / 2.0)));
    }
}

impl Surroundings {
    /// The values in the window.
    pub(super) fn values(&self) -> &[f32] {
        &self.values[..self.shape.iter().product()]
    }

    /// The inputs of one voxel, in steps of the grid, and its value.
    pub(crate) fn row(&self, at: [usize; 3]) -> ([f32; INPUTS], f32) {
        let mut lanes = [[0.0; 16]; INPUTS];
        self.inputs::<Portable>(at, &mut lanes);
        let [nx, ny, _] = self.shape;
        let [x, y, z] = at;
        (lanes.map(|of_input| of_input[0] / UNITS_A_STEP), self.values[x + nx * (y + ny * z)])
    }
}

/// What a constant's samples in a level's low band are to be multiplied by to be that constant's again.
pub(super) fn inverse_gain(level: &Level) -> f32 {
    level.split.iter().filter(|split| **split).fold(1.0, |gain, _| gain * INVERSE_GAIN)
}

/// The samples that [`interpolated`] needs of a level's low band for a window of the grid that it splits.
pub(super) fn needed(level: &Level, window: Window) -> Window {
    let low = level.low_shape();
    Window {
        start: std::array::from_fn(|a| if level.split[a] { window.start[a] / 2 } else { window.start[a] }),
        end: std::array::from_fn(|a| {
            if level.split[a] { (window.end[a] / 2 + 1).min(low[a]) } else { window.end[a] }
        }),
    }
}

/// A window of the grid that a level splits, from its low band's samples in the window `from`, as [`needed`] says: those are
/// the values at even indices along a split axis, and between them is the mean of both, at the end the last one.
pub(super) fn interpolated(level: &Level, from: Window, mut samples: Vec<f32>, window: Window) -> Vec<f32> {
    let mut shape = from.shape();
    for a in 0..3 {
        if !level.split[a] {
            continue;
        }
        let inner: usize = shape[..a].iter().product();
        let outer: usize = shape[a + 1..].iter().product();
        let count = window.end[a] - window.start[a];
        let last = shape[a] - 1;
        let mut out = Vec::with_capacity(inner * count * outer);
        for plane in samples.chunks_exact(inner * shape[a]) {
            for n in window.start[a]..window.end[a] {
                let before = n / 2 - from.start[a];
                let after = (n.div_ceil(2) - from.start[a]).min(last);
                let rows = [before, after].map(|k| &plane[k * inner..][..inner]);
                out.extend(rows[0].iter().zip(rows[1]).map(|(p, q)| (p + q) * 0.5));
            }
        }
        samples = out;
        shape[a] = count;
    }
    samples
}
