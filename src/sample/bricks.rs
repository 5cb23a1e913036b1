//! Samples that a file holds brick by brick, decoded on demand: as whole numbers, or as a latent grid.

use super::ValueScale;
use super::mask::MaskReader;
use crate::container::{BrickGrid, WholeBricks};
use crate::latents::{LatentReader, LatentStreams};
use crate::volume::{Sample, Samples, SamplesMut, for_each_type};
use crate::wavelet::Window;
use lru::LruCache;
use rayon::prelude::*;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Decoded bricks that are kept at most, and the share of the volume that they may be, but for a volume of few bricks, of
/// which one is kept.
const MOST_KEPT: usize = 64;
const SHARE_KEPT: usize = 16;
/// Bytes that a latent grid's decoded blocks may take, for each hundred voxels: with the bricks kept and the coarse levels
/// less than a quarter of float32.
const BLOCK_BYTES: usize = 64;

/// What bricks are decoded from.
enum Source {
    /// A brick's samples are the volume's.
    Whole(WholeBricks),
    /// A brick's samples are the field's values, float32 from 0 to 1.
    Latents(LatentReader, ValueScale),
}

pub(super) struct BrickReader {
    grid: BrickGrid,
    source: Source,
    decoded: Mutex<LruCache<usize, Arc<Samples>>>,
    kept: NonZeroUsize,
}

impl BrickReader {
    /// Of samples as whole numbers.
    pub(super) fn of_whole(bricks: WholeBricks) -> Self {
        Self::new(*bricks.grid(), Source::Whole(bricks))
    }

    /// Of a latent grid, whose values `scale` turns into samples.
    pub(super) fn of_latents(streams: LatentStreams, shape: [usize; 3], scale: ValueScale) -> Self {
        let bound = shape.iter().product::<usize>() / 100 * BLOCK_BYTES;
        Self::new(BrickGrid::new(shape), Source::Latents(LatentReader::new(streams, bound), scale))
    }

    fn new(grid: BrickGrid, source: Source) -> Self {
        let kept = (grid.len() / SHARE_KEPT).clamp(1, MOST_KEPT);
        let kept = NonZeroUsize::new(kept).unwrap_or(NonZeroUsize::MIN);
        Self { grid, source, decoded: Mutex::new(LruCache::new(kept)), kept }
    }

    /// True when masked samples are in it, too.
    pub(super) fn is_exact(&self) -> bool {
        matches!(&self.source, Source::Whole(bricks) if bricks.scale().is_exact())
    }

    /// The file's section.
    pub(super) fn section(&self) -> &'static str {
        match &self.source {
            Source::Whole(_) => "WHOL",
            Source::Latents(..) => "LATG",
        }
    }

    /// One line for reports.
    pub(super) fn describe(&self) -> String {
        match &self.source {
            Source::Whole(bricks) if bricks.scale().is_exact() => "lossless bricks".into(),
            Source::Whole(bricks) => format!("bricks in steps of {}", bricks.scale().step),
            Source::Latents(reader, _) => reader.streams().describe(),
        }
    }

    /// Bytes of the coded samples.
    pub(super) fn stream_bytes(&self) -> usize {
        match &self.source {
            Source::Whole(bricks) => bricks.stream_bytes(),
            Source::Latents(reader, _) => reader.streams().bytes(),
        }
    }

    /// Bytes that what is decoded and kept may take.
    pub(super) fn most_cache_bytes(&self) -> usize {
        let (_, size) = self.grid.bounds(0);
        let brick = size.iter().product::<usize>();
        match &self.source {
            Source::Whole(bricks) => self.kept.get() * brick * bricks.scale().sample_type.size(),
            Source::Latents(reader, _) => self.kept.get() * brick * size_of::<f32>() + reader.most_bytes(),
        }
    }

    /// A brick's samples.
    fn samples(&self, brick: usize, mask: Option<&MaskReader>) -> Result<Arc<Samples>, String> {
        let kept = || self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(samples) = kept().get(&brick) {
            return Ok(samples.clone());
        }
        // Outside the lock: at worst two threads decode the same.
        let samples = Arc::new(match &self.source {
            Source::Whole(bricks) => {
                let codes = match mask {
                    Some(mask) if !self.is_exact() => Some(mask.codes(brick)?),
                    _ => None,
                };
                bricks.decode(brick, codes.as_deref().map(Vec::as_slice))?
            }
            Source::Latents(reader, _) => {
                let (start, size) = self.grid.bounds(brick);
                let end = std::array::from_fn(|a| start[a] + size[a]);
                Samples::F32(reader.window(Window { start, end }))
            }
        });
        kept().put(brick, samples.clone());
        Ok(samples)
    }

    /// The bricks that meet the box from `start` to `end` (exclusive).
    pub(super) fn meeting(&self, start: [usize; 3], end: [usize; 3]) -> Vec<usize> {
        self.grid.meeting(start, end)
    }

    /// The brick that a voxel is in.
    pub(super) fn containing(&self, voxel: [usize; 3]) -> usize {
        self.grid.containing(voxel)
    }

    /// Bricks that are decoded at a time.
    pub(super) fn batch() -> usize {
        4 * rayon::current_num_threads()
    }

    /// Calls `each` with every one of these bricks, or, of a latent grid, with what of it is in the box from `start` to
    /// `end`: its first voxel, its size and its samples. Decodes on the threads of the pool that this runs on.
    ///
    /// # Errors
    /// A sentence, when a stream holds what no encoder writes.
    pub(super) fn visit(
        &self,
        mask: Option<&MaskReader>,
        bricks: &[usize],
        [start, end]: [[usize; 3]; 2],
        mut each: impl FnMut([usize; 3], [usize; 3], &Samples),
    ) -> Result<(), String> {
        let decode = |&brick: &usize| -> Result<_, String> {
            let (first, size) = self.grid.bounds(brick);
            let part = Window {
                start: std::array::from_fn(|a| first[a].max(start[a])),
                end: std::array::from_fn(|a| (first[a] + size[a]).min(end[a])),
            };
            match &self.source {
                Source::Latents(reader, _) if part.shape() != size => {
                    Ok((part.start, part.shape(), Arc::new(Samples::F32(reader.window(part)))))
                }
                _ => Ok((first, size, self.samples(brick, mask)?)),
            }
        };
        let decoded: Vec<_> = bricks.par_iter().map(decode).collect();
        for part in decoded {
            let (start, size, samples) = part?;
            each(start, size, &samples);
        }
        Ok(())
    }

    /// Copies a brick's samples into others: whole numbers with the same bits where the types agree, else the nearest
    /// value.
    pub(super) fn copy(&self, from: &Samples, at: usize, out: &mut SamplesMut<'_>, to: usize) {
        match (&self.source, from) {
            (Source::Latents(_, scale), Samples::F32(values)) => {
                for_each_type!(SamplesMut: out, out => out[to] = Sample::narrow(scale.voxel_value(values[at])));
            }
            _ if from.sample_type() == out.sample_type() => out.copy_from(to, from, at, 1),
            _ => for_each_type!(SamplesMut: out, out => out[to] = Sample::from_f64(from.get(at))),
        }
    }

    /// For many voxels near each other.
    pub(super) fn cursor<'a>(&'a self, mask: Option<&'a MaskReader>) -> BrickCursor<'a> {
        BrickCursor { bricks: self, mask, held: Vec::new() }
    }
}

/// Looks voxels up, and keeps hold of the bricks of the last ones: a cell between voxels meets eight at most.
pub(super) struct BrickCursor<'a> {
    bricks: &'a BrickReader,
    mask: Option<&'a MaskReader>,
    held: Vec<(usize, Arc<Samples>)>,
}

/// Bricks that meet in a corner.
const MOST_HELD: usize = 8;

impl BrickCursor<'_> {
    /// What a brick holds of a voxel.
    fn at(&mut self, voxel: [usize; 3]) -> Result<f64, String> {
        let grid = &self.bricks.grid;
        let brick = grid.containing(voxel);
        let held = match self.held.iter().position(|(held, _)| *held == brick) {
            Some(held) => held,
            None => {
                if self.held.len() == MOST_HELD {
                    self.held.remove(0);
                }
                self.held.push((brick, self.bricks.samples(brick, self.mask)?));
                self.held.len() - 1
            }
        };
        let (start, size) = grid.bounds(brick);
        let [x, y, z] = [0, 1, 2].map(|a| voxel[a] - start[a]);
        Ok(self.held[held].1.get(x + size[0] * (y + size[1] * z)))
    }

    /// Value and derivative by the index at a place inside the grid of `shape`: trilinear between voxels. A voxel that
    /// `masked` says is none counts as the nearest one, `nearest`, which is none of those.
    pub(super) fn between(
        &mut self,
        index: [f64; 3],
        shape: [usize; 3],
        nearest: [usize; 3],
        mut is_masked: impl FnMut([usize; 3]) -> Result<bool, String>,
    ) -> Result<(f64, [f64; 3]), String> {
        let lower: [usize; 3] =
            std::array::from_fn(|a| (index[a].floor() as usize).min(shape[a].saturating_sub(2)));
        let fraction: [f64; 3] = std::array::from_fn(|a| index[a] - lower[a] as f64);
        let (mut value, mut slope) = (0.0, [0.0; 3]);
        for corner in 0..8usize {
            let upper = [0, 1, 2].map(|a| corner >> a & 1);
            let voxel: [usize; 3] = std::array::from_fn(|a| (lower[a] + upper[a]).min(shape[a] - 1));
            let held = self.at(if is_masked(voxel)? { nearest } else { voxel })?;
            // Unrounded: between voxels the field is as smooth as it is stored.
            let sample = match &self.bricks.source {
                Source::Whole(_) => held,
                Source::Latents(_, scale) => scale.value(held as f32),
            };
            let along: [f64; 3] =
                std::array::from_fn(|a| if upper[a] == 1 { fraction[a] } else { 1.0 - fraction[a] });
            value += along[0] * along[1] * along[2] * sample;
            for a in 0..3 {
                if shape[a] > 1 {
                    let sign = if upper[a] == 1 { 1.0 } else { -1.0 };
                    slope[a] += sign * along[(a + 1) % 3] * along[(a + 2) % 3] * sample;
                }
            }
        }
        Ok((value, slope))
    }

    /// The sample of a voxel, for a place that is one.
    pub(super) fn voxel(&mut self, voxel: [usize; 3]) -> Result<f64, String> {
        let held = self.at(voxel)?;
        Ok(match &self.bricks.source {
            Source::Whole(_) => held,
            Source::Latents(_, scale) => scale.voxel_value(held as f32),
        })
    }
}
