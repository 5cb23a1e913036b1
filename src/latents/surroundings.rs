//! What a perceptron sees of a latent grid around a voxel: its neighbours, and two coarser levels of the pyramid.

use super::coarser::{Coarser, SLACK};
use crate::simd::{Integers, integers, nearest_integer, vector};
use crate::wavelet::Window;

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

/// Inputs two by two; the last one's other is 0.
pub(super) const PAIRS: usize = INPUTS.div_ceil(2);

/// Inputs and activations count sixteenths of the grid's step, and are at most [`MOST_UNITS`].
pub(super) const UNITS_A_STEP: f32 = 16.0;
pub(super) const MOST_UNITS: f32 = 2047.0;
/// Units of the last input from the lowest value of the field to the highest.
const VALUE_UNITS: f32 = 128.0;
/// Values beyond this are as this.
const MOST_VALUE: f32 = 4_194_303.0;
/// Differences beyond this are as this.
const MOST_DIFFERENCE: i32 = MOST_UNITS as i32;
/// Lanes of the widest vectors.
pub(super) const MOST_LANES: usize = SLACK;

/// A window of a latent grid, and what is around it.
pub(crate) struct Surroundings {
    pub(super) shape: [usize; 3],
    /// The values in the window, and [`SLACK`].
    values: Vec<f32>,
    /// The values in units, with [`REACH`] more on every side; beyond the grid, those of its border. And [`SLACK`].
    units: Vec<i32>,
    /// Where neighbours are among these, from a voxel.
    neighbours: [isize; NEIGHBOURS.len()],
    /// The next levels' low bands.
    levels: [Coarser; LEVELS_SEEN],
    /// Units in a value of 1.
    scale: f32,
}

impl Surroundings {
    /// Around `window` of a grid: `values` are those of the window `around`, which has all neighbours that are in the grid,
    /// and `levels` are the next two levels' low bands.
    pub(super) fn new(
        window: Window,
        (around, values): (Window, Vec<f32>),
        levels: [Coarser; LEVELS_SEEN],
        step: f32,
    ) -> Self {
        let scale = UNITS_A_STEP / step;
        let shape = window.shape();
        let padded = shape.map(|n| n + 2 * REACH);
        let [ax, ay, _] = around.shape();
        let mut units = Vec::with_capacity(padded.iter().product::<usize>() + SLACK);
        let mut inside = Vec::with_capacity(window.len() + SLACK);
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
                    inside.extend_from_slice(&row[begin..begin + shape[0]]);
                }
                let before = REACH - begin;
                let after = padded[0] - before - ax;
                let in_units = |v: f32| nearest_integer((v * scale).clamp(-MOST_VALUE, MOST_VALUE));
                units.extend(std::iter::repeat_n(in_units(row[0]), before));
                units.extend(row.iter().map(|&v| in_units(v)));
                units.extend(std::iter::repeat_n(in_units(row[ax - 1]), after));
            }
        }
        units.resize(units.len() + SLACK, 0);
        inside.resize(inside.len() + SLACK, 0.0);
        let [px, py] = [0, 1].map(|a| padded[a] as isize);
        let neighbours = NEIGHBOURS.map(|offset| {
            let [dx, dy, dz] = offset.map(isize::from);
            dx + px * (dy + py * dz)
        });
        Self { shape, values: inside, units, neighbours, levels, scale }
    }

    /// Where a voxel of the window is among its values.
    fn index(&self, [x, y, z]: [usize; 3]) -> usize {
        let [nx, ny, _] = self.shape;
        x + nx * (y + ny * z)
    }

    /// Where a voxel of the window is among the units.
    fn centre(&self, [x, y, z]: [usize; 3]) -> usize {
        let [px, py] = [0, 1].map(|a| self.shape[a] + 2 * REACH);
        x + REACH + px * (y + REACH + py * (z + REACH))
    }

    /// The inputs of one voxel.
    fn inputs_at(&self, voxel: [usize; 3]) -> [i32; INPUTS] {
        let mut inputs = [0; INPUTS];
        let centre = self.centre(voxel);
        let value = self.units[centre];
        for (&neighbour, input) in self.neighbours.iter().zip(&mut inputs) {
            let at = centre.wrapping_add_signed(neighbour);
            *input = self.units[at].wrapping_sub(value).clamp(-MOST_DIFFERENCE, MOST_DIFFERENCE);
        }
        for (level, input) in self.levels.iter().zip(&mut inputs[NEIGHBOURS.len()..]) {
            let difference = level.value(voxel) * (self.scale * level.gain()) - value as f32;
            *input = nearest_integer(difference.clamp(-MOST_UNITS, MOST_UNITS));
        }
        let value = (self.values[self.index(voxel)] * VALUE_UNITS).clamp(0.0, VALUE_UNITS);
        inputs[INPUTS - 1] = nearest_integer(value) - VALUE_UNITS as i32 / 2;
        inputs
    }

    /// The inputs of one voxel, in steps of the grid, and its value.
    pub(crate) fn row(&self, voxel: [usize; 3]) -> ([f32; INPUTS], f32) {
        (self.inputs_at(voxel).map(|units| units as f32 / UNITS_A_STEP), self.values[self.index(voxel)])
    }

    /// The inputs of the voxels from `first` on along x, as many as a vector has lanes.
    #[inline(always)]
    pub(super) fn inputs_of_row<S: Integers>(&self, first: [usize; 3], out: &mut [S::I; PAIRS]) {
        const LEVELS: usize = NEIGHBOURS.len() / 2;
        let centre = self.centre(first);
        let value = integers::<S>(&self.units[centre..]);
        let [low, high] = [S::splat_integer(-MOST_DIFFERENCE), S::splat_integer(MOST_DIFFERENCE)];
        for (n, pair) in out[..LEVELS].iter_mut().enumerate() {
            let mut inputs = [value; 2];
            for (i, input) in inputs.iter_mut().enumerate() {
                let at = centre.wrapping_add_signed(self.neighbours[2 * n + i]);
                let difference = S::subtract(integers::<S>(&self.units[at..]), value);
                *input = S::clamp_integers(difference, low, high);
            }
            *pair = S::pair(inputs[0], inputs[1]);
        }
        let minus_value = S::mul(S::to_float(value), S::splat(-1.0));
        let mut inputs = [value; LEVELS_SEEN];
        for (level, input) in self.levels.iter().zip(&mut inputs) {
            let in_units = S::mul(level.values::<S>(first), S::splat(self.scale * level.gain()));
            let difference = S::add(in_units, minus_value);
            *input = S::nearest(S::clamp(difference, S::splat(-MOST_UNITS), S::splat(MOST_UNITS)));
        }
        out[LEVELS] = S::pair(inputs[0], inputs[1]);
        let value = S::mul(vector::<S>(&self.values[self.index(first)..]), S::splat(VALUE_UNITS));
        let value = S::nearest(S::clamp(value, S::splat(0.0), S::splat(VALUE_UNITS)));
        let value = S::subtract(value, S::splat_integer(VALUE_UNITS as i32 / 2));
        out[LEVELS + 1] = S::pair(value, S::splat_integer(0));
    }

    /// The inputs of voxels wherever they are, as many as a vector has lanes at most.
    #[inline(always)]
    pub(super) fn inputs_of<S: Integers>(&self, voxels: &[[usize; 3]], out: &mut [S::I; PAIRS]) {
        let mut lanes = [[0; MOST_LANES]; 2 * PAIRS];
        for (lane, &voxel) in voxels.iter().enumerate() {
            for (of_input, input) in lanes.iter_mut().zip(self.inputs_at(voxel)) {
                of_input[lane] = input;
            }
        }
        for (pair, lanes) in out.iter_mut().zip(lanes.chunks_exact(2)) {
            *pair = S::pair(integers::<S>(&lanes[0]), integers::<S>(&lanes[1]));
        }
    }

    /// Adds to the values from a voxel on along x.
    pub(super) fn add_to_row(&mut self, first: [usize; 3], added: &[f32]) {
        let index = self.index(first);
        let values = &mut self.values[index..][..added.len()];
        values.iter_mut().zip(added).for_each(|(value, added)| *value += added);
    }

    /// The values in the window.
    pub(super) fn values(&self) -> &[f32] {
        &self.values[..self.shape.iter().product()]
    }

    /// The same.
    pub(super) fn into_values(mut self) -> Vec<f32> {
        self.values.truncate(self.shape.iter().product());
        self.values
    }
}
