//! The perceptron that reads a latent grid: what a voxel's surroundings say about what the rounding took away.
//!
//! It is small, and learned for its volume. Its sums of products are of whole numbers that float32 holds exactly, so that their
//! order, fused or not, changes nothing, and the few other operations are rounded one by one: every machine and every
//! instruction set gets the same bits, and corrections of a bounded error can rely on them.

use super::surroundings::{INPUTS, Surroundings};
use crate::codec::{decode_group, encode_group};
use crate::engine::cpu::{Isa, Kernel, Simd, vector, write};
use crate::field::{GroupKind, Network, NetworkKind, ParameterGroup};
use std::sync::OnceLock;

/// Hidden layers.
const HIDDEN_LAYERS: usize = 2;
/// Neurons of a hidden layer that a perceptron may have.
const WIDTHS: [usize; 3] = [8, 16, 32];
/// Inputs and activations count sixteenths of the grid's step, and are at most this.
pub(super) const UNITS_A_STEP: f32 = 16.0;
pub(super) const MOST_UNITS: f32 = 2047.0;
/// Weights and biases in units of their last place: with these, no sum of products leaves the whole numbers of float32.
const MOST_WEIGHT: i32 = 127;
const MOST_BIAS: i32 = 8191;
/// Places behind the binary point that parameters may have.
const MOST_PLACES: u8 = 8;

/// Adding and taking it off again rounds a float32 of less than 2^22 to the nearest whole number.
pub(super) const ROUNDER: f32 = 12_582_912.0;

/// A perceptron's parameters, in units of `2^-places`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Perceptron {
    width: usize,
    places: u8,
    /// In the order of [`Network::layers`].
    parameters: Vec<i32>,
}

impl Perceptron {
    /// The network that it is.
    pub(crate) fn network(width: usize) -> Network {
        Network::new(NetworkKind::Mlp, INPUTS, width, HIDDEN_LAYERS)
    }

    /// The perceptron next to these parameters, of inputs and an output in steps of the grid.
    pub(crate) fn nearest(width: usize, places: u8, parameters: &[f32]) -> Self {
        let scale = f32::from(places).exp2();
        let mut rounded: Vec<i32> = parameters.iter().map(|p| (p * scale).round_ties_even() as i32).collect();
        for layer in Self::network(width).layers() {
            rounded[layer.weights].iter_mut().for_each(|w| *w = (*w).clamp(-MOST_WEIGHT, MOST_WEIGHT));
            rounded[layer.biases].iter_mut().for_each(|b| *b = (*b).clamp(-MOST_BIAS, MOST_BIAS));
        }
        Self { width, places, parameters: rounded }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn places(&self) -> u8 {
        self.places
    }

    /// The parameters as one group of section PARM.
    fn group(width: usize) -> ParameterGroup {
        let count = Self::network(width).parameter_count();
        ParameterGroup { range: 0..count, kind: GroupKind::Weights, row: 1, lattice: [count, 1, 1] }
    }

    /// The coded parameters.
    pub(crate) fn stream(&self) -> Vec<u8> {
        encode_group(&Self::group(self.width), &self.parameters)
    }

    /// The perceptron of a stream; the error says what is wrong.
    pub(crate) fn from_stream(width: usize, places: u8, stream: &[u8]) -> Result<Self, String> {
        if !WIDTHS.contains(&width) || places > MOST_PLACES {
            return Err(format!("a perceptron of {width} neurons with {places} places is none"));
        }
        let parameters = decode_group(&Self::group(width), stream)?;
        for layer in Self::network(width).layers() {
            for (range, most) in [(layer.weights, MOST_WEIGHT), (layer.biases, MOST_BIAS)] {
                if parameters[range].iter().any(|p| p.abs() > most) {
                    return Err("a parameter of the perceptron is out of range".into());
                }
            }
        }
        Ok(Self { width, places, parameters })
    }

    /// Adds to the values in the middle of these surroundings what it makes of them. `step` is the grid's.
    pub(super) fn refine(&self, surroundings: Surroundings, step: f32) -> Vec<f32> {
        static ISA: OnceLock<Isa> = OnceLock::new();
        let isa = *ISA.get_or_init(|| Isa::available()[0]);
        self.refine_with(isa, surroundings, step)
    }

    fn refine_with(&self, isa: Isa, surroundings: Surroundings, step: f32) -> Vec<f32> {
        let layers = Self::network(self.width).layers().into_iter().map(|layer| Layer {
            weights: self.parameters[layer.weights].iter().map(|&w| w as f32).collect(),
            biases: self.parameters[layer.biases].iter().map(|&b| b as f32 * UNITS_A_STEP).collect(),
        });
        let unit = (-f32::from(self.places)).exp2();
        let network = Layers { layers: layers.collect(), unit, of_output: step * (unit / UNITS_A_STEP) };
        isa.run(Refining { network: &network, surroundings })
    }
}

/// A layer's parameters as float32, which hold whole numbers.
struct Layer {
    /// Input by input.
    weights: Vec<f32>,
    biases: Vec<f32>,
}

struct Layers {
    layers: Vec<Layer>,
    /// What a parameter's last place counts.
    unit: f32,
    /// What the output's last place counts in the field.
    of_output: f32,
}

/// Lanes of the widest vectors.
const MOST_LANES: usize = 16;
/// Outputs that are summed at a time.
const OUTPUTS_AT_ONCE: usize = 8;

/// Values of some voxels next to each other, for every neuron of a layer or every input.
type Lanes<const N: usize> = [[f32; MOST_LANES]; N];

struct Refining<'a> {
    network: &'a Layers,
    surroundings: Surroundings,
}

impl Kernel for Refining<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self) -> Vec<f32> {
        let Self { network, mut surroundings } = self;
        let [first, second, last] = &network.layers[..] else { return Vec::new() };
        let width = first.biases.len();
        let mut inputs: Lanes<INPUTS> = [[0.0; MOST_LANES]; INPUTS];
        let mut hidden: [Lanes<32>; 2] = [[[0.0; MOST_LANES]; 32]; 2];
        let [nx, ny, nz] = surroundings.shape;
        for z in 0..nz {
            for y in 0..ny {
                for x in (0..nx).step_by(S::LANES) {
                    surroundings.inputs::<S>([x, y, z], &mut inputs);
                    let [below, above] = &mut hidden;
                    layer::<S>(first, network.unit, &inputs, &mut below[..width]);
                    layer::<S>(second, network.unit, &below[..width], &mut above[..width]);
                    let mut sum = S::splat(last.biases[0]);
                    for (&w, input) in last.weights.iter().zip(&*above) {
                        sum = S::mul_add(S::splat(w), vector::<S>(input), sum);
                    }
                    let mut added = [0.0; MOST_LANES];
                    write::<S>(&mut added, S::mul(sum, S::splat(network.of_output)));
                    let row = &mut surroundings.values[nx * (y + ny * z)..][x..nx];
                    row.iter_mut().zip(&added[..S::LANES]).for_each(|(value, added)| *value += added);
                }
            }
        }
        surroundings.values.truncate(nx * ny * nz);
        surroundings.values
    }
}

/// A hidden layer.
#[inline(always)]
fn layer<S: Simd>(layer: &Layer, unit: f32, inputs: &[[f32; MOST_LANES]], out: &mut [[f32; MOST_LANES]]) {
    let outputs = layer.biases.len();
    for start in (0..outputs).step_by(OUTPUTS_AT_ONCE) {
        let mut sums: [S::V; OUTPUTS_AT_ONCE] = std::array::from_fn(|o| S::splat(layer.biases[start + o]));
        for (input, weights) in inputs.iter().zip(layer.weights.chunks_exact(outputs)) {
            let (input, weights) = (vector::<S>(input), &weights[start..start + OUTPUTS_AT_ONCE]);
            for (sum, &w) in sums.iter_mut().zip(weights) {
                *sum = S::mul_add(S::splat(w), input, *sum);
            }
        }
        for (sum, out) in sums.into_iter().zip(&mut out[start..]) {
            let scaled = S::mul(sum, S::splat(unit));
            let bounded = S::clamp(scaled, S::splat(0.0), S::splat(MOST_UNITS));
            write::<S>(out, round::<S>(bounded));
        }
    }
}

/// The nearest whole number of less than 2^22.
#[inline(always)]
pub(super) fn round<S: Simd>(value: S::V) -> S::V {
    S::add(S::add(value, S::splat(ROUNDER)), S::splat(-ROUNDER))
}

#[cfg(test)]
mod tests {
    use super::super::{LatentEncoder, LatentReader, Rate};
    use super::*;
    use crate::engine::hash;
    use crate::wavelet::Window;
    use proptest::prelude::*;

    fn uniform(seed: u64) -> f32 {
        (hash(seed) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// One that adds something everywhere.
    fn some(width: usize, places: u8) -> Perceptron {
        let count = Perceptron::network(width).parameter_count();
        let parameters: Vec<f32> = (0..count as u64).map(|n| 0.7 * uniform(n)).collect();
        Perceptron::nearest(width, places, &parameters)
    }

    fn reader(shape: [usize; 3], perceptron: Perceptron) -> LatentReader {
        let [nx, ny, _] = shape;
        let values = (0..shape.iter().product::<usize>()).map(|i| {
            let [x, y, z] = [i % nx, i / nx % ny, i / nx / ny].map(|n| n as f32);
            let edge = if x + 0.5 * y - z > 9.0 { 0.4 } else { 0.0 };
            0.3 + 0.2 * (0.3 * x).sin() * (0.2 * y + 0.1 * z).cos() + edge + 0.02 * uniform(i as u64)
        });
        let encoder = LatentEncoder::new(values.collect(), shape);
        let mut streams = encoder.encode(Rate { step: 0.05, price: 0.07 });
        streams.perceptron = Some(perceptron);
        LatentReader::new(streams, usize::MAX)
    }

    #[test]
    fn every_instruction_set_gives_the_sums_of_whole_numbers() {
        let shape = [37, 14, 11];
        for (width, places) in [(8, 4), (16, 5), (32, 8)] {
            let perceptron = some(width, places);
            let reader = reader(shape, perceptron.clone());
            let surroundings = || reader.surroundings(&[Window::whole(shape)]).remove(0);
            let seen = surroundings();
            let [first, ..] = Isa::available()[..] else { panic!("no instruction set") };
            let refined = perceptron.refine_with(first, surroundings(), 0.05);
            for isa in Isa::available() {
                assert!(perceptron.refine_with(isa, surroundings(), 0.05) == refined, "{}", isa.name());
            }
            let mut changed = 0;
            for (i, refined) in refined.into_iter().enumerate() {
                let (inputs, value) = seen.row([i % 37, i / 37 % 14, i / 37 / 14]);
                let mut layer: Vec<i64> = inputs.iter().map(|v| (v * UNITS_A_STEP) as i64).collect();
                let mut sums = Vec::new();
                for of_layer in Perceptron::network(width).layers() {
                    let [weights, biases] =
                        [of_layer.weights, of_layer.biases].map(|r| &perceptron.parameters[r]);
                    sums = biases.iter().map(|&b| 16 * i64::from(b)).collect::<Vec<i64>>();
                    for (input, weights) in layer.iter().zip(weights.chunks(of_layer.outputs)) {
                        sums.iter_mut().zip(weights).for_each(|(sum, &w)| *sum += input * i64::from(w));
                    }
                    let activation = |sum: &i64| {
                        let scaled = *sum as f64 / f64::from(1 << places);
                        scaled.clamp(0.0, 2047.0).round_ties_even() as i64
                    };
                    layer = sums.iter().map(activation).collect();
                }
                let added = sums[0] as f32 * (0.05 * (1.0 / f32::from(1u16 << places) / 16.0));
                assert_eq!(refined, value + added, "voxel {i}");
                changed += usize::from(added != 0.0);
            }
            assert!(changed > 5000, "{changed}");
        }
    }

    #[test]
    fn blocks_meet_without_a_seam() {
        let shape = [140, 21, 17];
        let reader = reader(shape, some(16, 5));
        let whole = reader.window(Window::whole(shape));
        let window = Window { start: [121, 3, 2], end: [136, 20, 15] };
        for (i, value) in reader.window(window).into_iter().enumerate() {
            let [x, y, z] = [i % 15 + 121, i / 15 % 17 + 3, i / 15 / 17 + 2];
            assert_eq!(value, whole[x + 140 * (y + 21 * z)]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn windows_are_cut_from_the_whole(
            shape in prop::array::uniform3(1usize..24), at in prop::array::uniform3(0.0f64..1.0),
            size in prop::array::uniform3(0.0f64..1.0),
        ) {
            // The last axis is long enough for two levels; the others may have one or none.
            let shape = [shape[0], shape[1], shape[2] + 15];
            let reader = reader(shape, some(8, 5));
            let whole = reader.window(Window::whole(shape));
            let start: [usize; 3] = std::array::from_fn(|a| (at[a] * shape[a] as f64) as usize);
            let end = std::array::from_fn(|a| start[a] + 1 + (size[a] * (shape[a] - start[a] - 1) as f64) as usize);
            let window = Window { start, end };
            let part = reader.window(window);
            prop_assert_eq!(part.len(), window.len());
            let [nx, ny, _] = window.shape();
            for (i, value) in part.into_iter().enumerate() {
                let [x, y, z] = [i % nx + start[0], i / nx % ny + start[1], i / nx / ny + start[2]];
                prop_assert_eq!(value, whole[x + shape[0] * (y + shape[1] * z)]);
            }
        }

        #[test]
        fn streams_come_back_and_hostile_ones_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let perceptron = some(16, 6);
            prop_assert_eq!(&Perceptron::from_stream(16, 6, &perceptron.stream()).unwrap(), &perceptron);
            let _ = Perceptron::from_stream(16, 6, &bytes);
            prop_assert!(Perceptron::from_stream(12, 6, &bytes).is_err());
            prop_assert!(Perceptron::from_stream(16, 9, &bytes).is_err());
        }
    }
}
