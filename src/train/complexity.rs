//! How many bytes a volume will need for a quality: an estimate from the energy of its Haar coefficients, which picks
//! the model's size. Training then corrects what it gets wrong.

use crate::engine::hash;
use crate::sample::ValueScale;
use crate::volume::{MaskClass, Volume};

/// Edge of the blocks that are looked at.
const EDGE: usize = 16;
/// How many blocks are looked at, at most.
const BLOCKS: usize = 512;
/// What a significant coefficient costs beside its magnitude: its sign and place.
const BITS_OF_PLACE: f64 = 5.0;
/// Bytes that a trained field needs by bytes that the Haar estimate says, a typical figure.
const FIELD_BY_HAAR: f64 = 0.5;

/// Bytes that a field of mean squared error `mse` (of values scaled to 0..1) is expected to need.
pub(super) fn expected_bytes(volume: &Volume, scale: ValueScale, mse: f64, seed: u64) -> f64 {
    let coefficients = haar_sample(volume, scale, seed);
    let count = coefficients.len() as f64;
    // Dead-zone quantisation: what is below the threshold is lost whole, the rest to about an eighth of it squared.
    let distortion = |threshold: f64| {
        let lost = |c: &f64| if c.abs() < threshold { c * c } else { threshold * threshold / 8.0 };
        coefficients.iter().map(lost).sum::<f64>() / count
    };
    let (mut low, mut high) = (1e-7f64, 1e3f64);
    for _ in 0..60 {
        let middle = (low * high).sqrt();
        if distortion(middle) < mse { low = middle } else { high = middle }
    }
    let bits: f64 =
        coefficients.iter().filter(|c| c.abs() > low).map(|c| (c.abs() / low).log2() + BITS_OF_PLACE).sum();
    FIELD_BY_HAAR * bits / 8.0 / count * volume.len() as f64
}

/// Orthonormal Haar coefficients of pseudo-randomly placed blocks.
fn haar_sample(volume: &Volume, scale: ValueScale, seed: u64) -> Vec<f64> {
    let shape = volume.shape();
    let edges = shape.map(|n| EDGE.min(prev_power_of_two(n)));
    let blocks = BLOCKS.min(volume.len().div_ceil(edges.iter().product::<usize>()) * 2);
    let fill = volume.stored_fill_value();
    let mut out = Vec::with_capacity(blocks * edges.iter().product::<usize>());
    for block in 0..blocks {
        let start: [usize; 3] = std::array::from_fn(|a| {
            (hash(hash(seed) ^ (3 * block + a) as u64) % (shape[a] - edges[a] + 1) as u64) as usize
        });
        let mut values = Vec::with_capacity(edges.iter().product());
        for z in 0..edges[2] {
            for y in 0..edges[1] {
                for x in 0..edges[0] {
                    let [i, j, k] = [start[0] + x, start[1] + y, start[2] + z];
                    let value = volume.samples().get(i + shape[0] * (j + shape[1] * k));
                    let masked = MaskClass::of(value, fill).is_some();
                    // A masked voxel costs nothing: the value before it stands in.
                    let stand_in = values.last().copied().unwrap_or(0.5);
                    values.push(if masked { stand_in } else { f64::from(scale.normalised(value)) });
                }
            }
        }
        haar(&mut values, edges);
        out.extend(values);
    }
    out
}

/// The orthonormal Haar transform along every axis, on ever coarser quarters.
fn haar(values: &mut [f64], edges: [usize; 3]) {
    let strides = [1, edges[0], edges[0] * edges[1]];
    let mut now = edges;
    while now.iter().any(|&n| n > 1) {
        for axis in 0..3 {
            if now[axis] == 1 {
                continue;
            }
            let [b, c] = [(axis + 1) % 3, (axis + 2) % 3];
            let half = now[axis] / 2;
            let mut line = vec![0.0; now[axis]];
            for j in 0..now[b] {
                for k in 0..now[c] {
                    let at = |i: usize| i * strides[axis] + j * strides[b] + k * strides[c];
                    for i in 0..half {
                        let (first, second) = (values[at(2 * i)], values[at(2 * i + 1)]);
                        line[i] = (first + second) * std::f64::consts::FRAC_1_SQRT_2;
                        line[half + i] = (first - second) * std::f64::consts::FRAC_1_SQRT_2;
                    }
                    for (i, &v) in line.iter().enumerate() {
                        values[at(i)] = v;
                    }
                }
            }
        }
        now = now.map(|n| (n / 2).max(1));
    }
}

fn prev_power_of_two(n: usize) -> usize {
    1 << n.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haar_keeps_energy_and_gathers_a_constant_into_one_coefficient() {
        let mut values: Vec<f64> = (0..128).map(|i| f64::from(i * 37 % 101) / 101.0).collect();
        let energy: f64 = values.iter().map(|v| v * v).sum();
        haar(&mut values, [8, 4, 4]);
        assert!((values.iter().map(|v| v * v).sum::<f64>() - energy).abs() < 1e-9);
        let mut constant = vec![0.5; 64];
        haar(&mut constant, [4, 4, 4]);
        assert!((constant[0] - 4.0).abs() < 1e-12 && constant[1..].iter().all(|v| v.abs() < 1e-12));
    }

    #[test]
    fn better_quality_and_rougher_volumes_need_more() {
        let wave = |f: f64| -> Volume {
            let values: Vec<f32> = (0..32768).map(|i| ((i % 32) as f64 * f).sin() as f32).collect();
            Volume::new(values, [32; 3]).unwrap()
        };
        let bytes = |volume: &Volume, mse: f64| {
            let scale = ValueScale::new(volume.range(), volume.sample_type());
            expected_bytes(volume, scale, mse, 1)
        };
        assert!(bytes(&wave(0.2), 1e-5) > 1.5 * bytes(&wave(0.2), 1e-3));
        assert!(bytes(&wave(2.0), 1e-4) > 1.5 * bytes(&wave(0.1), 1e-4));
    }
}
