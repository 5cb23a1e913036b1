//! The perceptron that reads a latent grid: what a voxel's surroundings say about what the rounding took away.
//!
//! It is small, and learned for its volume. Its sums of products are of integers, so that their order changes nothing,
//! and the few other operations are rounded one by one: every machine and every instruction set gets the same bits, and
//! corrections of a bounded error can rely on them.

use super::surroundings::{INPUTS, MOST_LANES, MOST_UNITS, PAIRS, Surroundings, UNITS_A_STEP};
use crate::codec::{decode_group, encode_group};
use crate::field::network::Layer;
use crate::field::{GroupKind, Network, NetworkKind, ParameterGroup};
use crate::simd::{Integers, Isa, Kernel, pair_of_i16, write};

/// Hidden layers.
const HIDDEN_LAYERS: usize = 2;
/// Neurons of a hidden layer that a perceptron may have.
const WIDTHS: [usize; 3] = [8, 16, 32];
/// Weights and biases in units of their last place: with these, no sum of products leaves the integers of float32, which
/// it becomes next.
const MOST_WEIGHT: i32 = 127;
const MOST_BIAS: i32 = 8191;
/// Fractional bits that parameters may have.
const MOST_FRACTIONAL_BITS: u8 = 8;

/// A perceptron's parameters, in units of `2^-fractional_bits`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Perceptron {
    width: usize,
    fractional_bits: u8,
    /// In the order of [`Network::layers`].
    parameters: Vec<i32>,
}

impl Perceptron {
    /// The network that it is.
    pub(crate) fn network(width: usize) -> Network {
        Network::new(NetworkKind::Mlp, INPUTS, width, HIDDEN_LAYERS)
    }

    /// The perceptron next to these parameters, of inputs and an output in steps of the grid.
    pub(crate) fn nearest(width: usize, fractional_bits: u8, parameters: &[f32]) -> Self {
        let scale = f32::from(fractional_bits).exp2();
        let mut rounded: Vec<i32> = parameters.iter().map(|p| (p * scale).round_ties_even() as i32).collect();
        for layer in Self::network(width).layers() {
            rounded[layer.weights].iter_mut().for_each(|w| *w = (*w).clamp(-MOST_WEIGHT, MOST_WEIGHT));
            rounded[layer.biases].iter_mut().for_each(|b| *b = (*b).clamp(-MOST_BIAS, MOST_BIAS));
        }
        Self { width, fractional_bits, parameters: rounded }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn fractional_bits(&self) -> u8 {
        self.fractional_bits
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
    pub(crate) fn from_stream(width: usize, fractional_bits: u8, stream: &[u8]) -> Result<Self, String> {
        if !WIDTHS.contains(&width) || fractional_bits > MOST_FRACTIONAL_BITS {
            return Err(format!(
                "invalid perceptron of {width} neurons with {fractional_bits} fractional bits"
            ));
        }
        let parameters = decode_group(&Self::group(width), stream)?;
        for layer in Self::network(width).layers() {
            for (range, most) in [(layer.weights, MOST_WEIGHT), (layer.biases, MOST_BIAS)] {
                if parameters[range].iter().any(|p| p.abs() > most) {
                    return Err("a parameter of the perceptron is out of range".into());
                }
            }
        }
        Ok(Self { width, fractional_bits, parameters })
    }

    /// Adds to the values in the middle of these surroundings what it makes of them. `step` is the grid's.
    pub(super) fn refine(&self, surroundings: Surroundings, step: f32) -> Vec<f32> {
        self.refine_with(Isa::fastest(), surroundings, step)
    }

    fn refine_with(&self, isa: Isa, surroundings: Surroundings, step: f32) -> Vec<f32> {
        let layers = Self::network(self.width).layers();
        let of = |layer: &Layer| PairedLayer::new(layer, &self.parameters);
        let unit = (-f32::from(self.fractional_bits)).exp2();
        let network = Paired {
            layers: std::array::from_fn(|l| of(&layers[l])),
            unit,
            of_output: step * (unit / UNITS_A_STEP),
        };
        match self.width {
            8 => isa.run_products(Refining::<8> { network: &network, surroundings }),
            16 => isa.run_products(Refining::<16> { network: &network, surroundings }),
            _ => isa.run_products(Refining::<32> { network: &network, surroundings }),
        }
    }
}

/// A perceptron's parameters as [`Integers`] multiply them.
struct Paired {
    layers: [PairedLayer; HIDDEN_LAYERS + 1],
    /// What a parameter's last place counts.
    unit: f32,
    /// What the output's last place counts in the field.
    of_output: f32,
}

struct PairedLayer {
    /// Those of two inputs in one number, an output next to the other.
    weights: Vec<i32>,
    biases: Vec<i32>,
}

impl PairedLayer {
    fn new(layer: &Layer, parameters: &[i32]) -> Self {
        let weights = &parameters[layer.weights.clone()];
        let weight = |input: usize, output: usize| match input < layer.inputs {
            true => weights[input * layer.outputs + output],
            false => 0,
        };
        let pair = |pair: usize| {
            (0..layer.outputs).map(move |o| pair_of_i16(weight(2 * pair, o), weight(2 * pair + 1, o)))
        };
        Self {
            weights: (0..layer.inputs.div_ceil(2)).flat_map(pair).collect(),
            biases: parameters[layer.biases.clone()].iter().map(|&b| b * UNITS_A_STEP as i32).collect(),
        }
    }
}

/// Outputs that are summed at a time.
const OUTPUTS_AT_ONCE: usize = 8;

struct Refining<'a, const WIDTH: usize> {
    network: &'a Paired,
    surroundings: Surroundings,
}

impl<const WIDTH: usize> Kernel for Refining<'_, WIDTH> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Integers>(mut self) -> Vec<f32> {
        let mut inputs = [S::splat_integer(0); PAIRS];
        let mut flat = Flat::<S> { value: inputs[PAIRS - 1], added: self.output::<S>(&inputs) };
        // Voxels at the ends of rows share vectors: those of a slice across x are all such.
        let mut ends = [[0; 3]; MOST_LANES];
        let mut count = 0;
        let [nx, ny, nz] = self.surroundings.shape;
        for z in 0..nz {
            for y in 0..ny {
                let mut x = 0;
                while nx - x > S::LANES / 2 {
                    self.surroundings.inputs_of_row::<S>([x, y, z], &mut inputs);
                    let added = match is_flat::<S>(&inputs) {
                        true => self.of_flat::<S>(&inputs, &mut flat),
                        false => self.output::<S>(&inputs),
                    };
                    let lanes = S::LANES.min(nx - x);
                    self.surroundings.add_to_row([x, y, z], &added[..lanes]);
                    x += lanes;
                }
                for x in x..nx {
                    ends[count] = [x, y, z];
                    count += 1;
                    if count == S::LANES {
                        self.refine_voxels::<S>(&ends[..count]);
                        count = 0;
                    }
                }
            }
        }
        self.refine_voxels::<S>(&ends[..count]);
        self.surroundings.into_values()
    }
}

impl<const WIDTH: usize> Refining<'_, WIDTH> {
    /// Of voxels wherever they are.
    #[inline(always)]
    fn refine_voxels<S: Integers>(&mut self, voxels: &[[usize; 3]]) {
        let mut inputs = [S::splat_integer(0); PAIRS];
        self.surroundings.inputs_of::<S>(voxels, &mut inputs);
        let added = self.output::<S>(&inputs);
        for (&voxel, added) in voxels.iter().zip(added) {
            self.surroundings.add_to_row(voxel, &[added]);
        }
    }

    /// What is added where there are no differences, lane by lane: as a rule, what it was the last time.
    #[inline(always)]
    fn of_flat<S: Integers>(&self, inputs: &[S::I; PAIRS], last: &mut Flat<S>) -> [f32; MOST_LANES] {
        let value = inputs[PAIRS - 1];
        if !S::is_zero(S::subtract(value, last.value)) {
            *last = Flat { value, added: self.output::<S>(inputs) };
        }
        last.added
    }

    /// What is added, lane by lane.
    #[inline(always)]
    fn output<S: Integers>(&self, inputs: &[S::I; PAIRS]) -> [f32; MOST_LANES] {
        let [first, second, last] = &self.network.layers;
        // Pairs: half of each is used.
        let mut below = [S::splat_integer(0); WIDTH];
        let mut above = [S::splat_integer(0); WIDTH];
        hidden::<S, PAIRS, WIDTH>(first, self.network.unit, inputs, &mut below);
        hidden::<S, WIDTH, WIDTH>(second, self.network.unit, &below, &mut above);
        let mut sum = S::splat_integer(last.biases[0]);
        for (&weights, &pair) in last.weights.iter().zip(&above) {
            sum = S::add_products(pair, S::splat_integer(weights), sum);
        }
        let mut added = [0.0; MOST_LANES];
        write::<S>(&mut added, S::mul(S::to_float(sum), S::splat(self.network.of_output)));
        added
    }
}

/// Voxels without differences, as many as a vector has lanes: their last pair of inputs, and what is added to them.
struct Flat<S: Integers> {
    value: S::I,
    added: [f32; MOST_LANES],
}

/// True when all differences are 0.
#[inline(always)]
fn is_flat<S: Integers>(inputs: &[S::I; PAIRS]) -> bool {
    // As a rule the first pair tells.
    if !S::is_zero(inputs[0]) {
        return false;
    }
    let mut any = inputs[1];
    for &pair in &inputs[2..PAIRS - 1] {
        any = S::or(any, pair);
    }
    S::is_zero(any)
}

/// A hidden layer, of pairs of numbers: as many of the inputs as there are weights for.
#[inline(always)]
fn hidden<S: Integers, const INPUTS: usize, const WIDTH: usize>(
    layer: &PairedLayer,
    unit: f32,
    inputs: &[S::I; INPUTS],
    out: &mut [S::I; WIDTH],
) {
    let (weights, _) = layer.weights.as_chunks::<WIDTH>();
    for start in (0..WIDTH).step_by(OUTPUTS_AT_ONCE) {
        let mut sums = [S::splat_integer(0); OUTPUTS_AT_ONCE];
        for (sum, &bias) in sums.iter_mut().zip(&layer.biases[start..]) {
            *sum = S::splat_integer(bias);
        }
        for (&pair, weights) in inputs.iter().zip(weights) {
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = S::add_products(pair, S::splat_integer(weights[start + n]), *sum);
            }
        }
        for (n, pair) in out[start / 2..][..OUTPUTS_AT_ONCE / 2].iter_mut().enumerate() {
            *pair = S::pair(activation::<S>(sums[2 * n], unit), activation::<S>(sums[2 * n + 1], unit));
        }
    }
}

#[inline(always)]
fn activation<S: Integers>(sum: S::I, unit: f32) -> S::I {
    let scaled = S::mul(S::to_float(sum), S::splat(unit));
    S::nearest(S::clamp(scaled, S::splat(0.0), S::splat(MOST_UNITS)))
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
    fn some(width: usize, fractional_bits: u8) -> Perceptron {
        let count = Perceptron::network(width).parameter_count();
        let parameters: Vec<f32> = (0..count as u64).map(|n| 0.7 * uniform(n)).collect();
        Perceptron::nearest(width, fractional_bits, &parameters)
    }

    fn reader(shape: [usize; 3], perceptron: Perceptron) -> LatentReader {
        let [nx, ny, _] = shape;
        let values = (0..shape.iter().product::<usize>()).map(|i| {
            let [x, y, z] = [i % nx, i / nx % ny, i / nx / ny].map(|n| n as f32);
            let edge = if x + 0.5 * y - z > 9.0 { 0.4 } else { 0.0 };
            0.3 + 0.2 * (0.3 * x).sin() * (0.2 * y + 0.1 * z).cos() + edge + 0.02 * uniform(i as u64)
        });
        let encoder = LatentEncoder::new(values.collect(), shape);
        let mut streams = encoder.encode(Rate { step: 0.05, focus: 0.05, lambda: 0.07 });
        streams.perceptron = Some(perceptron);
        LatentReader::new(streams, usize::MAX)
    }

    #[test]
    fn every_instruction_set_gives_the_sums_of_integers() {
        let shape = [37, 14, 11];
        for (width, fractional_bits) in [(8, 4), (16, 5), (32, 8)] {
            let perceptron = some(width, fractional_bits);
            let reader = reader(shape, perceptron.clone());
            let surroundings = || reader.surroundings(&[Window::whole(shape)]).unwrap().remove(0);
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
                        let scaled = *sum as f64 / f64::from(1 << fractional_bits);
                        scaled.clamp(0.0, 2047.0).round_ties_even() as i64
                    };
                    layer = sums.iter().map(activation).collect();
                }
                let added = sums[0] as f32 * (0.05 * (1.0 / f32::from(1u16 << fractional_bits) / 16.0));
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
        let whole = reader.window(Window::whole(shape)).unwrap();
        let window = Window { start: [121, 3, 2], end: [136, 20, 15] };
        for (i, value) in reader.window(window).unwrap().into_iter().enumerate() {
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
            let whole = reader.window(Window::whole(shape)).unwrap();
            let start: [usize; 3] = std::array::from_fn(|a| (at[a] * shape[a] as f64) as usize);
            let end = std::array::from_fn(|a| start[a] + 1 + (size[a] * (shape[a] - start[a] - 1) as f64) as usize);
            let window = Window { start, end };
            let part = reader.window(window).unwrap();
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
