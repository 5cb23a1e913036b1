//! Blocks of a volume that stand for all of it while a step is searched for.

use super::Making;
use super::survey::boxes;
use crate::engine::{Install, TrainingEngine, hash};
use crate::error::{Error, Result};
use crate::latents::{BLOCK_EDGE, LatentEncoder, LatentReader, Rate};
use crate::metrics::noise_of;
use crate::processes::{Group, Shares};
use crate::sample::ValueScale;
use crate::storage::Fault;
use crate::train::latent_source::LAMBDA;
use crate::volume::{Mask, Samples, Volume};
use crate::wavelet::Window;
use rayon::prelude::*;

/// Blocks that are looked at, at most.
const MOST_BLOCKS: usize = 6;

pub(super) struct SampleBlocks {
    /// Those that this process looks at.
    blocks: Vec<SampleBlock>,
    /// Of all of them.
    count: usize,
    scale: ValueScale,
    voxels: u64,
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

/// Two numbers of each block of the sample, by the blocks' order, from the processes that look at them in turns.
fn gather(own: Vec<[u64; 2]>, count: usize, group: &Group<'_>) -> Result<Vec<[u64; 2]>> {
    let bytes = own.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
    let found = group.all_gather(bytes)?;
    let number = |n: usize, half: usize| {
        let (rank, at) = (n % group.size(), n / group.size());
        let (numbers, _) = found[rank].as_chunks::<8>();
        let number = numbers.get(2 * at + half).map(|&number| u64::from_le_bytes(number));
        number.ok_or_else(|| Error::Process { rank, what: "it runs another program".into() })
    };
    (0..count).map(|n| Ok([number(n, 0)?, number(n, 1)?])).collect()
}

impl SampleBlocks {
    /// Reads some blocks that have measurements, and shares them out among the processes.
    pub(super) fn read(making: &Making<'_>, group: &Group<'_>) -> Result<Self> {
        let boxes = boxes(making.header.shape, [BLOCK_EDGE; 3]);
        let (seed, shares) = (making.options.seed, Shares::new(boxes.len(), group.size()));
        let mut chosen = making.survey.measured.clone();
        chosen.sort_by_cached_key(|&block| hash(seed ^ hash(block as u64 + 1)));
        chosen.truncate(MOST_BLOCKS);

        // Who has a block sends it to who looks at it.
        let mut messages = vec![Vec::new(); group.size()];
        for (n, &block) in chosen.iter().enumerate().filter(|(_, block)| making.share.contains(*block)) {
            let (start, size) = boxes[block];
            messages[n % group.size()].extend(making.source.read(start, size)?.as_bytes());
        }
        let found = group.exchange(messages)?;
        let mut rests: Vec<&[u8]> = found.iter().map(Vec::as_slice).collect();
        let mut own = Vec::new();
        for (_, &block) in chosen.iter().enumerate().filter(|(n, _)| n % group.size() == group.rank()) {
            let (size, rank) = (boxes[block].1, shares.owner(block));
            let mut samples = Samples::zeros(making.header.sample_type, size.iter().product());
            let bytes = rests[rank].split_off(..samples.as_bytes().len());
            let wrong = || Error::Process { rank, what: "it runs another program".into() };
            samples.as_bytes_mut().copy_from_slice(bytes.ok_or_else(wrong)?);
            own.push((boxes[block], samples));
        }
        let read = making.engine.install(|| {
            let blocks = own.into_par_iter().map(|((start, size), samples)| {
                let window = Window { start, end: std::array::from_fn(|a| start[a] + size[a]) };
                SampleBlock::of(making, samples, window)
            });
            blocks.collect::<Result<Vec<_>>>()
        })?;
        let (blocks, noises): (Vec<SampleBlock>, Vec<Option<f64>>) = read.into_iter().unzip();
        let figures = blocks.iter().zip(noises).map(|(block, noise)| {
            let measured = block.originals.iter().filter(|value| !value.is_nan()).count();
            [measured as u64, noise.unwrap_or(f64::NAN).to_bits()]
        });
        let figures = gather(figures.collect(), chosen.len(), group)?;
        let voxels = figures.iter().map(|figures| figures[0]).sum();
        let mut known: Vec<f64> = figures.iter().map(|figures| f64::from_bits(figures[1])).collect();
        known.retain(|noise| !noise.is_nan());
        known.sort_by(f64::total_cmp);
        let noise = if 2 * known.len() > chosen.len() { Some(known[known.len() / 2]) } else { None };
        Ok(Self { blocks, count: chosen.len(), scale: making.scale(), voxels, noise })
    }

    /// What a step gives, on the engine's threads.
    pub(super) fn estimate(
        &self,
        step: f32,
        engine: &dyn TrainingEngine,
        group: &Group<'_>,
    ) -> Result<Estimate> {
        let of_block = |block: &SampleBlock| block.errors_and_bytes(step, self.scale);
        let own = engine.install(|| self.blocks.par_iter().map(of_block).collect::<Result<Vec<_>>>())?;
        let own = own.into_iter().map(|(squares, bytes)| [squares.to_bits(), bytes as u64]).collect();
        let (mut squares, mut bytes) = (0.0, 0);
        for [of_block, bytes_of_block] in gather(own, self.count, group)? {
            squares += f64::from_bits(of_block);
            bytes += bytes_of_block;
        }
        let psnr = -10.0 * (squares / self.voxels as f64).log10();
        Ok(Estimate { psnr, bytes_a_voxel: bytes as f64 / self.voxels as f64 })
    }
}

impl SampleBlock {
    /// The samples of a window, and their noise where any is found.
    fn of(making: &Making<'_>, samples: Samples, window: Window) -> Result<(Self, Option<f64>)> {
        let shape = window.shape();
        let codes = making.codes(&samples);
        let is_masked = |i: usize| codes.as_ref().is_some_and(|codes| codes[i] != 0);
        let originals =
            (0..samples.len()).map(|i| if is_masked(i) { f64::NAN } else { samples.get(i) }).collect();
        let encoder = LatentEncoder::new(making.values_of(&samples, window), shape);
        let mut volume = Volume::new(samples, shape)?;
        (volume.fill_value, volume.fill_limit) = (making.header.fill_value, making.header.fill_limit);
        let noise = noise_of(&volume, Mask::of(&volume).as_ref(), making.survey.range);
        Ok((Self { encoder, shape, originals }, noise))
    }

    /// The sum of the squared errors of a step, in ranges, and the bytes.
    fn errors_and_bytes(&self, step: f32, scale: ValueScale) -> Result<(f64, usize)> {
        let streams = self.encoder.encode(Rate { step, focus: step, lambda: LAMBDA });
        let bytes = streams.bytes();
        let reader = LatentReader::new(streams, usize::MAX);
        let decoded = reader.window(Window::whole(self.shape)).map_err(Fault::of_own)?;
        let measured = self.originals.iter().zip(decoded).filter(|(value, _)| !value.is_nan());
        let squared = |(original, decoded): (&f64, f32)| {
            ((scale.voxel_value(decoded) - original) / scale.span()).powi(2)
        };
        Ok((measured.map(squared).sum(), bytes))
    }
}
