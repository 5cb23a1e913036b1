//! Which voxels a step sees: every epoch is a pseudo-random permutation of all voxels, so that each is drawn exactly
//! once, in an order that has nothing to do with its place.

use crate::engine::{Batch, Engine, Install, Permutation, Voxels, axis_position};
use crate::sample::ValueScale;
use crate::volume::{Mask, Volume, for_each_type};
use rayon::prelude::*;

/// Samples that a thread draws at a time.
const CHUNK: usize = 4096;

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
        let [nx, ny, _] = self.volume.shape();
        let chunks = batch.positions.par_chunks_mut(CHUNK).zip(batch.targets.par_chunks_mut(CHUNK));
        chunks.enumerate().for_each(|(chunk, (positions, targets))| {
            self.targets(first + (chunk * CHUNK) as u64, targets, |i, voxel| {
                let (row, x) = (voxel / nx, voxel % nx);
                positions[i] = [self.axes[0][x], self.axes[1][row % ny], self.axes[2][row / ny]];
            });
        });
    }

    /// The targets of the same samples alone.
    pub(super) fn draw_targets(&self, first: u64, targets: &mut [f32]) {
        let chunks = targets.par_chunks_mut(CHUNK).enumerate();
        chunks.for_each(|(chunk, targets)| self.targets(first + (chunk * CHUNK) as u64, targets, |_, _| ()));
    }

    /// The targets of samples from `first` on; `visit` is told the voxel of each.
    fn targets(&self, first: u64, targets: &mut [f32], mut visit: impl FnMut(usize, usize)) {
        let voxels = self.volume.len() as u64;
        let codes = self.mask.map(Mask::codes);
        let mut epoch = first / voxels;
        let mut permutation = Permutation::new(voxels, self.seed, epoch);
        for_each_type!(self.volume.samples(), values => {
            for (i, target) in targets.iter_mut().enumerate() {
                let sequence = first + i as u64;
                if sequence / voxels != epoch {
                    epoch = sequence / voxels;
                    permutation = Permutation::new(voxels, self.seed, epoch);
                }
                let voxel = permutation.apply(sequence - epoch * voxels) as usize;
                visit(i, voxel);
                *target = match codes {
                    Some(codes) if codes[voxel] != 0 => f32::NAN,
                    _ => self.scale.normalised(values[voxel].to_f64()),
                };
            }
        });
    }
}

impl VoxelSampler<'_> {
    /// Mean of a sample of the measurements, scaled to 0..1.
    pub(super) fn mean(&self, engine: &dyn Engine) -> f32 {
        let samples = self.volume.len().min(1 << 16);
        let mut batch = Batch { positions: vec![[0.0; 3]; samples], targets: vec![0.0; samples] };
        engine.install(|| self.draw(0, &mut batch));
        let measured = batch.targets.iter().filter(|t| !t.is_nan());
        let (sum, count) = measured.fold((0.0, 0), |(sum, n), &t| (sum + f64::from(t), n + 1));
        if count == 0 { 0.5 } else { (sum / f64::from(count)) as f32 }
    }
}

impl Voxels for VoxelSampler<'_> {
    fn shape(&self) -> [usize; 3] {
        self.volume.shape()
    }

    fn values(&self, first: usize, out: &mut [f32]) {
        let codes = self.mask.map(|mask| &mask.codes()[first..first + out.len()]);
        for_each_type!(self.volume.samples(), values => {
            for (i, out) in out.iter_mut().enumerate() {
                *out = match codes {
                    Some(codes) if codes[i] != 0 => f32::NAN,
                    _ => self.scale.normalised(values[first + i].to_f64()),
                };
            }
        });
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut targets = [0.0; 120];
        sampler.draw_targets(60, &mut targets);
        assert_eq!(targets.as_slice(), batch.targets);
    }
}
