//! Which voxels a step sees: every epoch is a pseudo-random permutation of all voxels, so that each is drawn exactly
//! once, in an order that has nothing to do with its place.

use crate::engine::{Batch, Engine, axis_position};
use crate::sample::ValueScale;
use crate::volume::{Mask, Volume, for_each_type};
use rayon::prelude::*;

/// Draws voxels of a volume.
pub(super) struct VoxelSampler<'a> {
    volume: &'a Volume,
    mask: Option<&'a Mask>,
    scale: ValueScale,
    /// Positions of the indices along each axis.
    axes: [Vec<f32>; 3],
    seed: u64,
}

impl<'a> VoxelSampler<'a> {
    pub(super) fn new(volume: &'a Volume, mask: Option<&'a Mask>, scale: ValueScale, seed: u64) -> Self {
        let axes = volume.shape().map(|n| (0..n).map(|i| axis_position(i, n)).collect());
        Self { volume, mask, scale, axes, seed }
    }

    /// Fills the batch with samples `first..first + n` of the endless sequence of epochs, `n` being the batch's length.
    pub(super) fn draw(&self, first: u64, batch: &mut Batch) {
        const PIECE: usize = 4096;
        let voxels = self.volume.len() as u64;
        let [nx, ny, _] = self.volume.shape();
        let codes = self.mask.map(Mask::codes);
        for_each_type!(self.volume.samples(), values => {
            let pieces = batch.positions.par_chunks_mut(PIECE).zip(batch.targets.par_chunks_mut(PIECE));
            pieces.enumerate().for_each(|(piece, (positions, targets))| {
                let start = first + (piece * PIECE) as u64;
                let mut epoch = start / voxels;
                let mut permutation = Permutation::new(voxels, self.seed, epoch);
                for (i, (position, target)) in positions.iter_mut().zip(targets).enumerate() {
                    let sequence = start + i as u64;
                    if sequence / voxels != epoch {
                        epoch = sequence / voxels;
                        permutation = Permutation::new(voxels, self.seed, epoch);
                    }
                    let voxel = permutation.apply(sequence - epoch * voxels) as usize;
                    let (row, x) = (voxel / nx, voxel % nx);
                    *position = [self.axes[0][x], self.axes[1][row % ny], self.axes[2][row / ny]];
                    *target = match codes {
                        Some(codes) if codes[voxel] != 0 => f32::NAN,
                        _ => self.scale.normalised(values[voxel].to_f64()),
                    };
                }
            });
        });
    }
}

impl VoxelSampler<'_> {
    /// Mean of a sample of the measurements, scaled to 0..1.
    pub(super) fn mean(&self, engine: &dyn Engine) -> f32 {
        let samples = self.volume.len().min(1 << 16);
        let mut batch = Batch { positions: vec![[0.0; 3]; samples], targets: vec![0.0; samples] };
        engine.run(&mut || self.draw(0, &mut batch));
        let measured = batch.targets.iter().filter(|t| !t.is_nan());
        let (sum, count) = measured.fold((0.0, 0), |(sum, n), &t| (sum + f64::from(t), n + 1));
        if count == 0 { 0.5 } else { (sum / f64::from(count)) as f32 }
    }
}

/// A pseudo-random permutation of `0..len`: rounds of multiplication, addition and xor-shift, each a bijection of the
/// numbers of `bits` bits, repeated until the result is below `len` (cycle walking; Black & Rogaway 2002).
struct Permutation {
    len: u64,
    mask: u64,
    shift: u32,
    keys: [(u64, u64); 4],
}

impl Permutation {
    /// The epoch's keys come from a hash of seed and epoch, never from an earlier epoch's numbers.
    fn new(len: u64, seed: u64, epoch: u64) -> Self {
        let bits = (64 - (len - 1).leading_zeros()).max(2);
        let key = |round: u64| {
            let mixed = hash(hash(hash(seed) ^ epoch) ^ round);
            (mixed | 1, hash(mixed))
        };
        Self { len, mask: u64::MAX >> (64 - bits), shift: bits.div_ceil(2), keys: [0, 1, 2, 3].map(key) }
    }

    fn apply(&self, index: u64) -> u64 {
        let mut x = index;
        loop {
            for (factor, offset) in self.keys {
                x = x.wrapping_mul(factor).wrapping_add(offset) & self.mask;
                x ^= x >> self.shift;
            }
            if x < self.len {
                return x;
            }
        }
    }
}

/// SplitMix64's finaliser (Steele, Lea & Flood 2014).
pub(super) fn hash(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_sees_every_voxel_once() {
        for len in [1, 2, 3, 1000, 4097, 65536] {
            for epoch in [0, 1, 17] {
                let permutation = Permutation::new(len, 5, epoch);
                let mut seen = vec![false; len as usize];
                for i in 0..len {
                    let voxel = permutation.apply(i) as usize;
                    assert!(
                        !std::mem::replace(&mut seen[voxel], true),
                        "{voxel} twice in epoch {epoch} of {len}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_batch_is_spread_evenly_and_epochs_differ() {
        const LEN: u64 = 1 << 22;
        let (first, second) = (Permutation::new(LEN - 77, 1, 0), Permutation::new(LEN - 77, 1, 1));
        let mut bins = [0f64; 64];
        let mut pairs = [0f64; 64];
        for i in 0..6400 {
            let voxel = first.apply(i);
            bins[(voxel * 64 / LEN) as usize] += 1.0;
            // Successive draws: neighbours in the sequence are not neighbours in space.
            pairs[((voxel.wrapping_sub(first.apply(i + 1)) & (LEN - 1)) * 64 / LEN) as usize] += 1.0;
            assert_ne!(voxel, second.apply(i));
        }
        for counts in [bins, pairs] {
            // Chi-squared with 63 degrees of freedom: 110 is beyond the 99.97 % quantile.
            let chi_squared: f64 = counts.iter().map(|c| (c - 100.0) * (c - 100.0) / 100.0).sum();
            assert!(chi_squared < 110.0, "{chi_squared}: {counts:?}");
        }
    }

    #[test]
    fn batches_carry_the_voxels_position_and_value() {
        let volume = Volume::new((0..60).map(|i| i as f32).collect::<Vec<_>>(), [5, 4, 3]).unwrap();
        let scale = ValueScale::new(volume.range(), volume.sample_type());
        let sampler = VoxelSampler::new(&volume, None, scale, 3);
        let mut batch = Batch { positions: vec![[0.0; 3]; 120], targets: vec![0.0; 120] };
        sampler.draw(60, &mut batch);
        let mut seen = [0; 60];
        for (p, t) in batch.positions.iter().zip(&batch.targets) {
            let [x, y, z] = [p[0] * 4.0, p[1] * 3.0, p[2] * 2.0].map(|v| v.round() as usize);
            let voxel = x + 5 * (y + 4 * z);
            seen[voxel] += 1;
            assert!((t * 59.0 - voxel as f32).abs() < 1e-4);
        }
        assert!(seen.iter().all(|&n| n == 2), "two whole epochs: {seen:?}");
    }
}
