//! Blocks of a volume that stand for all of it while a step is searched for.

use super::Making;
use crate::engine::hash;
use crate::error::Result;
use crate::latents::{BLOCK_EDGE, LatentEncoder, LatentReader, Rate};
use crate::metrics::noise_of;
use crate::sample::ValueScale;
use crate::storage::Fault;
use crate::train::latent_source::LAMBDA;
use crate::volume::{Mask, Volume};
use crate::wavelet::Window;

/// Blocks that are looked at, at most.
const MOST_BLOCKS: usize = 6;

pub(super) struct SampleBlocks {
    blocks: Vec<SampleBlock>,
    scale: ValueScale,
    voxels: usize,
    /// The originals' noise, where most blocks have some.
    pub(super) noise: Option<f64>,
}

struct SampleBlock {
    encoder: LatentEncoder,
    shape: [usize; 3],
    /// The samples, NaN where one is masked.
    originals: Vec<f64>,
}

/// What a step gives on the sample.
pub(super) struct Estimate {
    pub(super) psnr: f64,
    pub(super) bytes_a_voxel: f64,
}

impl SampleBlocks {
    /// Reads some blocks that have measurements, on the threads of the pool that this runs on.
    pub(super) fn read(making: &Making<'_>) -> Result<Self> {
        let mut blocks = super::survey::boxes(making.header.shape, [BLOCK_EDGE; 3]);
        let seed = making.options.seed;
        let mut order = 0u64;
        blocks.sort_by_cached_key(|_| {
            order += 1;
            hash(seed ^ hash(order))
        });
        let scale = making.scale();
        let mut found = Self { blocks: Vec::new(), scale, voxels: 0, noise: None };
        let mut noises = Vec::new();
        for (start, size) in blocks {
            let samples = making.source.read(start, size)?;
            let codes = making.codes(&samples);
            let is_masked = |i: usize| codes.as_ref().is_some_and(|codes| codes[i] != 0);
            if (0..samples.len()).all(is_masked) {
                continue;
            }
            let originals: Vec<f64> =
                (0..samples.len()).map(|i| if is_masked(i) { f64::NAN } else { samples.get(i) }).collect();
            found.voxels += originals.iter().filter(|value| !value.is_nan()).count();
            let mut volume = Volume::new(samples, size)?;
            (volume.fill_value, volume.fill_limit) = (making.header.fill_value, making.header.fill_limit);
            noises.push(noise_of(&volume, Mask::of(&volume).as_ref(), making.survey.range));
            let window = Window { start, end: std::array::from_fn(|a| start[a] + size[a]) };
            let values = crate::latents::GridSource::values(making, window)?;
            let encoder = LatentEncoder::new(values, size);
            found.blocks.push(SampleBlock { encoder, shape: size, originals });
            if found.blocks.len() == MOST_BLOCKS {
                break;
            }
        }
        let mut known: Vec<f64> = noises.iter().flatten().copied().collect();
        known.sort_by(f64::total_cmp);
        if 2 * known.len() > noises.len() {
            found.noise = Some(known[known.len() / 2]);
        }
        Ok(found)
    }

    /// What a step gives, on the threads of the pool that this runs on.
    pub(super) fn estimate(&self, step: f32) -> Result<Estimate> {
        let (mut squares, mut bytes) = (0.0, 0);
        for block in &self.blocks {
            let streams = block.encoder.encode(Rate { step, focus: step, lambda: LAMBDA });
            bytes += streams.bytes();
            let reader = LatentReader::new(streams, usize::MAX);
            let decoded = reader.window(Window::whole(block.shape)).map_err(Fault::of_own)?;
            for (original, decoded) in
                block.originals.iter().zip(decoded).filter(|(value, _)| !value.is_nan())
            {
                squares += ((self.scale.voxel_value(decoded) - original) / self.scale.span()).powi(2);
            }
        }
        let psnr = -10.0 * (squares / self.voxels as f64).log10();
        Ok(Estimate { psnr, bytes_a_voxel: bytes as f64 / self.voxels as f64 })
    }
}
