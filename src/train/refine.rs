//! The perceptron of a latent grid, learned from the volume that the grid stands for.

use super::latent_source::LatentSource;
use super::options::Preset;
use crate::container::BrickGrid;
use crate::engine::cpu::{BATCH, Fit, Rows, fit};
use crate::engine::{Permutation, hash};
use crate::error::Result;
use crate::field::Rounding;
use crate::latents::{LatentReader, LatentStreams, Perceptron};
use crate::sample::ValueScale;
use crate::storage::Fault;
use crate::volume::{Mask, Volume};
use crate::wavelet::Window;

/// Voxels that are learned from, at most and at least.
const VOXELS: usize = 1 << 18;
const LEAST_VOXELS: usize = 4096;
/// Chunks of a volume, of 64^3 voxels, that they are drawn from.
const MOST_CHUNKS: usize = 64;
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
    chunks: Vec<(Window, Vec<Drawn>)>,
    /// Voxels in them.
    drawn: usize,
    /// What the last perceptron was, not rounded.
    parameters: Vec<f32>,
    learned: usize,
}

impl<'a> Refiner<'a> {
    /// For grids of a volume that take about `bytes`; `None` when that is too little or too much, or the volume too small.
    pub(super) fn new(source: &LatentSource<'a>, bytes: usize) -> Option<Self> {
        let &LatentSource { volume, mask, scale, options, .. } = source;
        // What takes more than a bit a voxel is noise, of which neighbours say nothing.
        let is_noise = 8 * bytes > volume.len() - mask.map_or(0, Mask::masked);
        if bytes < LEAST_BYTES || is_noise || !LatentStreams::may_have_perceptron(volume.shape()) {
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
        // In the focus a perceptron adds nothing.
        let is_seen = |voxel| source.cells().is_none_or(|cells| !cells.contains(voxel));
        let chunks = draw(volume.shape(), mask, is_seen, options.seed);
        let drawn = chunks.iter().map(|(_, voxels)| voxels.len()).sum();
        if drawn < LEAST_VOXELS {
            return None;
        }
        let parameters = initial(width, options.seed);
        Some(Self { volume, scale, width, steps, rounds, chunks, drawn, parameters, learned: 0 })
    }

    /// How many perceptrons are worth their time.
    pub(super) fn rounds(&self) -> usize {
        self.rounds
    }

    /// Learns a perceptron for these streams, which have none. On the threads of the pool that this runs on.
    pub(super) fn learn(&mut self, streams: &LatentStreams) -> Result<()> {
        let rows = self.rows(streams)?;
        let later = usize::from(self.learned > 0);
        let rounding = Rounding::Step((-f32::from(PLACES)).exp2());
        let steps = self.steps[later].min(MOST_EPOCHS * rows.len() / BATCH + 1);
        let how = Fit { steps, learning_rate: LEARNING_RATES[later], rounding };
        fit(Perceptron::network(self.width), &mut self.parameters, &rows, how);
        self.learned += 1;
        Ok(())
    }

    /// The last one learned.
    pub(super) fn perceptron(&self) -> Perceptron {
        Perceptron::nearest(self.width, PLACES, &self.parameters)
    }

    /// What the perceptron sees of the voxels, and what is missing there, in steps of the grid.
    fn rows(&self, streams: &LatentStreams) -> Result<Rows> {
        let step = streams.step;
        let reader = LatentReader::new(streams.clone(), usize::MAX);
        let [nx, ny, _] = self.volume.shape();
        let mut rows = Rows::zeros(Perceptron::network(self.width).inputs(), self.drawn);
        for chunks in self.chunks.chunks(4 * rayon::current_num_threads()) {
            let windows: Vec<Window> = chunks.iter().map(|(window, _)| *window).collect();
            for ((window, voxels), surroundings) in
                chunks.iter().zip(reader.surroundings(&windows).map_err(Fault::of_own)?)
            {
                for &(order, [x, y, z]) in voxels {
                    let [i, j, k] = window.start;
                    let (inputs, value) = surroundings.row([x - i, y - j, z - k]);
                    let wanted = self.scale.normalised(self.volume.samples().get(x + nx * (y + ny * z)));
                    rows.set(order, &inputs, (wanted - value) / step);
                }
            }
        }
        Ok(rows)
    }
}

/// Voxels of a volume that are measurements and are seen, each at most once, by chunks of it that have some.
fn draw(
    shape: [usize; 3],
    mask: Option<&Mask>,
    is_seen: impl Fn([usize; 3]) -> bool,
    seed: u64,
) -> Vec<(Window, Vec<Drawn>)> {
    let grid = BrickGrid::new(shape);
    let is_measured = |voxel: usize| mask.is_none_or(|mask| mask.codes()[voxel] == 0);
    let mut chunks: Vec<usize> = (0..grid.len()).collect();
    // Not every n-th one: where the volume has a multiple of n chunks along x these would be a slab.
    chunks.sort_unstable_by_key(|&chunk| (hash(seed ^ hash(chunk as u64)), chunk));
    let has_some = |chunk: &usize| grid.rows(*chunk).any(|mut row| row.any(is_measured));
    let chosen = chunks.into_iter().filter(has_some).take(MOST_CHUNKS);
    let mut chosen: Vec<(Window, Vec<Drawn>)> = chosen
        .map(|chunk| {
            let (start, size) = grid.bounds(chunk);
            (Window { start, end: std::array::from_fn(|a| start[a] + size[a]) }, Vec::new())
        })
        .collect();
    // The chosen chunks' voxels, one chunk behind the other.
    let ends: Vec<usize> = chosen
        .iter()
        .scan(0, |sum, (window, _)| {
            *sum += window.len();
            Some(*sum)
        })
        .collect();
    let Some(&voxels) = ends.last() else { return chosen };
    let order = Permutation::new(voxels as u64, seed, 0);
    let mut count = 0;
    for n in (0..voxels as u64).map(|n| order.apply(n) as usize) {
        let chunk = ends.partition_point(|&end| end <= n);
        let (window, drawn) = &mut chosen[chunk];
        let ([nx, ny, _], n) = (window.shape(), n + window.len() - ends[chunk]);
        let [x, y, z] = [n % nx, n / nx % ny, n / nx / ny];
        let at = [x + window.start[0], y + window.start[1], z + window.start[2]];
        if is_measured(at[0] + shape[0] * (at[1] + shape[1] * at[2])) && is_seen(at) {
            drawn.push((count, at));
            count += 1;
        }
        if count == VOXELS {
            break;
        }
    }
    chosen
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
        let drawn = draw([130, 70, 65], None, |_| true, 7);
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
        assert_eq!(drawn.len(), 3 * 2 * 2, "every chunk");
    }

    #[test]
    fn chunks_are_from_every_side_and_have_measurements() {
        let drawn = draw([512; 3], None, |_| true, 42);
        assert_eq!(drawn.len(), MOST_CHUNKS);
        for a in 0..3 {
            let mut places: Vec<usize> = drawn.iter().map(|(window, _)| window.start[a]).collect();
            places.sort_unstable();
            places.dedup();
            assert!(places.len() >= 7, "axis {a}: {places:?}");
        }
        // Two chunks of 216 have measurements.
        let shape = [384, 384, 384];
        let samples: Vec<f32> = (0..shape.iter().product::<usize>())
            .map(|i| if i % 384 < 70 && i / 384 % 384 < 9 && i < 384 * 384 * 50 { 1.0 } else { f32::NAN })
            .collect();
        let volume = Volume::new(samples, shape).unwrap();
        let drawn = draw(shape, Mask::of(&volume).as_ref(), |_| true, 42);
        assert_eq!(drawn.len(), 2);
        assert_eq!(drawn.iter().map(|(_, voxels)| voxels.len()).sum::<usize>(), 70 * 9 * 50);
    }
}
