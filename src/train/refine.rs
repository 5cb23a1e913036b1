//! The perceptron of a latent grid, learned from the volume that the grid stands for.

use super::options::{CompressOptions, Preset};
use crate::container::BrickGrid;
use crate::engine::cpu::{BATCH, Fit, Rows, fit};
use crate::engine::{Permutation, hash};
use crate::field::Rounding;
use crate::latents::{LatentReader, LatentStreams, Perceptron, Surroundings};
use crate::sample::ValueScale;
use crate::volume::{Mask, Volume};
use crate::wavelet::Window;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Voxels that are learned from.
const VOXELS: usize = 1 << 18;
/// Pieces of a volume, of 64^3 voxels, that they are drawn from.
const MOST_PIECES: usize = 64;
/// Times that a fit sees each of them at most: of a small volume there is less to learn.
const MOST_EPOCHS: usize = 100;
/// Adam's first step size for a first perceptron, and for one that knows the grid of another step.
const LEARNING_RATES: [f32; 2] = [1e-2, 5e-3];
/// Places of the parameters behind the binary point: one less costs a fiftieth of the file, one more gains nothing.
const PLACES: u8 = 5;
/// Files below this are not worth a perceptron, and those below the next one are worth a narrow one.
const LEAST_BYTES: usize = 1500;
const NARROW_BYTES: usize = 8000;
/// With [`Preset::Best`], files above this are worth a wide one.
const WIDE_BYTES: usize = 20_000;

/// A voxel that is learned from: its place in the order of learning, and where it is.
type Drawn = (usize, [usize; 3]);

/// Learns one perceptron after the other, for grids of one volume.
pub(super) struct Refiner<'a> {
    volume: &'a Volume,
    scale: ValueScale,
    width: usize,
    /// Steps of the optimiser, for a first perceptron and for a later one.
    steps: [usize; 2],
    /// How many perceptrons are worth their time.
    rounds: usize,
    pieces: Vec<(Window, Vec<Drawn>)>,
    /// What the last perceptron was, not rounded.
    parameters: Vec<f32>,
    learned: usize,
}

impl<'a> Refiner<'a> {
    /// For grids of `volume` that take about `bytes`; `None` when that is too little, or the volume too small.
    pub(super) fn new(
        volume: &'a Volume,
        mask: Option<&Mask>,
        scale: ValueScale,
        options: &CompressOptions,
        bytes: usize,
    ) -> Option<Self> {
        if bytes < LEAST_BYTES || !LatentStreams::may_have_perceptron(volume.shape()) {
            return None;
        }
        let width = match bytes {
            ..NARROW_BYTES => 8,
            WIDE_BYTES.. if options.preset == Preset::Best => 32,
            _ => 16,
        };
        let (steps, rounds) = match options.preset {
            Preset::Fast => ([1500, 750], 2),
            Preset::Balanced => ([3000, 1500], 4),
            Preset::Best => ([8000, 4000], 6),
        };
        let pieces = draw(volume.shape(), mask, options.seed);
        let parameters = initial(width, options.seed);
        Some(Self { volume, scale, width, steps, rounds, pieces, parameters, learned: 0 })
    }

    /// How many perceptrons are worth their time.
    pub(super) fn rounds(&self) -> usize {
        self.rounds
    }

    /// Learns a perceptron for these streams, which have none. On the threads of the pool that this runs on.
    pub(super) fn learn(&mut self, streams: &LatentStreams) {
        let rows = self.rows(streams);
        let later = usize::from(self.learned > 0);
        let rounding = Rounding::Step((-f32::from(PLACES)).exp2());
        let steps = self.steps[later].min(MOST_EPOCHS * rows.len() / BATCH + 1);
        let how = Fit { steps, learning_rate: LEARNING_RATES[later], rounding };
        fit(Perceptron::network(self.width), &mut self.parameters, &rows, how);
        self.learned += 1;
    }

    /// The last one learned.
    pub(super) fn perceptron(&self) -> Perceptron {
        Perceptron::nearest(self.width, PLACES, &self.parameters)
    }

    /// What the perceptron sees of the voxels, and what is missing there, in steps of the grid.
    fn rows(&self, streams: &LatentStreams) -> Rows {
        let step = streams.step;
        let reader = LatentReader::new(streams.clone(), usize::MAX);
        let [nx, ny, _] = self.volume.shape();
        let mut found = Vec::new();
        for pieces in self.pieces.chunks(4 * rayon::current_num_threads()) {
            let windows: Vec<Window> = pieces.iter().map(|(window, _)| *window).collect();
            let surroundings = reader.surroundings(&windows);
            let of_piece = |((window, voxels), surroundings): (&(Window, Vec<Drawn>), &Surroundings)| {
                let row = |&(order, at): &Drawn| {
                    let (inputs, value) = surroundings.row(std::array::from_fn(|a| at[a] - window.start[a]));
                    let [x, y, z] = at;
                    let wanted = self.scale.normalised(self.volume.samples().get(x + nx * (y + ny * z)));
                    (order, inputs, (wanted - value) / step)
                };
                voxels.iter().map(row).collect::<Vec<_>>()
            };
            let rows: Vec<_> = pieces.par_iter().zip(&surroundings).map(of_piece).collect();
            found.extend(rows.into_iter().flatten());
        }
        found.sort_unstable_by_key(|(order, ..)| *order);
        let mut rows = Rows::default();
        found.iter().for_each(|(_, inputs, missing)| rows.push(inputs, *missing));
        rows
    }
}

/// Voxels of a volume that are measurements, each at most once, by pieces of it.
fn draw(shape: [usize; 3], mask: Option<&Mask>, seed: u64) -> Vec<(Window, Vec<Drawn>)> {
    let grid = BrickGrid::new(shape);
    let every = grid.len().div_ceil(MOST_PIECES);
    let voxels: usize = shape.iter().product();
    let order = Permutation::new(voxels as u64, seed, 0);
    let mut pieces: BTreeMap<usize, Vec<Drawn>> = BTreeMap::new();
    let mut count = 0;
    for voxel in (0..voxels as u64).map(|n| order.apply(n) as usize) {
        let at = [voxel % shape[0], voxel / shape[0] % shape[1], voxel / shape[0] / shape[1]];
        let piece = grid.containing(at);
        let is_masked = mask.is_some_and(|mask| mask.codes()[voxel] != 0);
        if piece.is_multiple_of(every) && !is_masked {
            pieces.entry(piece).or_default().push((count, at));
            count += 1;
        }
        if count == VOXELS {
            break;
        }
    }
    let window = |piece: usize| {
        let (start, size) = grid.bounds(piece);
        Window { start, end: std::array::from_fn(|a| start[a] + size[a]) }
    };
    pieces.into_iter().map(|(piece, voxels)| (window(piece), voxels)).collect()
}

/// Weights as He et al. 2015 have them, and an output layer of zeros: the first perceptron adds nothing.
fn initial(width: usize, seed: u64) -> Vec<f32> {
    let network = Perceptron::network(width);
    let mut parameters = vec![0.0; network.parameter_count()];
    let layers = network.layers();
    for layer in &layers[..layers.len() - 1] {
        let most = (6.0 / layer.inputs as f32).sqrt();
        for at in layer.weights.clone() {
            let uniform = hash(hash(seed) ^ at as u64) >> 40;
            parameters[at] = (uniform as f32 / (1 << 23) as f32 - 1.0) * most;
        }
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voxels_are_drawn_once_each_and_from_everywhere() {
        let drawn = draw([130, 70, 65], None, 7);
        let mut seen = std::collections::BTreeSet::new();
        let mut orders = Vec::new();
        for (window, voxels) in &drawn {
            for (order, at) in voxels {
                assert!((0..3).all(|a| (window.start[a]..window.end[a]).contains(&at[a])));
                assert!(seen.insert(*at), "{at:?} twice");
                orders.push(*order);
            }
        }
        orders.sort_unstable();
        assert!(orders.iter().copied().eq(0..VOXELS.min(130 * 70 * 65)));
        assert_eq!(drawn.len(), 3 * 2 * 2, "every piece");
    }
}
