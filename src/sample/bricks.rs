//! Samples that a file holds brick by brick, decoded on demand: as whole numbers, or as a latent grid.

use super::ValueScale;
use super::cell::Cell;
use super::mask::MaskReader;
use crate::container::{BRICK_EDGE, Base, BrickGrid, WholeBricks};
use crate::latents::{LatentReader, LatentStreams};
use crate::volume::{Sample, Samples, SamplesMut, for_each_type};
use crate::wavelet::Window;
use lru::LruCache;
use rayon::prelude::*;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Decoded bricks that are kept at most, and the share of the volume that they may be, but for a volume of fewer bricks,
/// of which one is kept.
const MOST_KEPT: usize = 64;
const SHARE_KEPT: usize = 32;
/// Bytes that a latent grid's decoded blocks may take, for each hundred voxels: with the bricks kept and the coarse levels
/// less than a quarter of float32.
const BLOCK_BYTES: usize = 50;

/// What bricks are decoded from.
enum Source {
    /// A brick's samples are the volume's.
    Whole(WholeBricks),
    /// A brick's samples are the volume's: a latent grid's, corrected.
    Corrected(Box<LatentReader>, WholeBricks, ValueScale),
    /// A brick's samples are the field's values, float32 from 0 to 1.
    Latents(Box<LatentReader>, ValueScale),
}

pub(super) struct BrickReader {
    /// What is kept for points to come.
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

    /// Of a latent grid and what it is off by.
    pub(super) fn of_corrected(streams: LatentStreams, bricks: WholeBricks, scale: ValueScale) -> Self {
        let bound = bricks.grid().shape().iter().product::<usize>() / 100 * BLOCK_BYTES;
        let reader = Box::new(LatentReader::new(streams, bound));
        Self::new(*bricks.grid(), Source::Corrected(reader, bricks, scale))
    }

    /// Of a latent grid, whose values `scale` turns into samples.
    pub(super) fn of_latents(streams: LatentStreams, shape: [usize; 3], scale: ValueScale) -> Self {
        let bound = shape.iter().product::<usize>() / 100 * BLOCK_BYTES;
        // Bricks of any edge can be had: as large as is worth the way, but so many that one is a small share.
        let edges = [BRICK_EDGE, BRICK_EDGE / 2, BRICK_EDGE / 4];
        let grids = edges.map(|edge| BrickGrid::with_edge(shape, edge));
        let grid = grids.into_iter().find(|grid| grid.len() >= SHARE_KEPT).unwrap_or(grids[2]);
        Self::new(grid, Source::Latents(Box::new(LatentReader::new(streams, bound)), scale))
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
            Source::Whole(_) | Source::Corrected(..) => "WHOL",
            Source::Latents(..) => "LATG",
        }
    }

    /// One line for reports.
    pub(super) fn describe(&self) -> String {
        match &self.source {
            Source::Whole(bricks) if bricks.scale().is_exact() => "lossless bricks".into(),
            Source::Whole(bricks) => format!("bricks in steps of {}", bricks.scale().step),
            Source::Corrected(reader, bricks, _) => {
                format!("{}, corrected in steps of {}", reader.streams().describe(), bricks.scale().step)
            }
            Source::Latents(reader, _) => reader.streams().describe(),
        }
    }

    /// Bytes of the coded samples.
    pub(super) fn stream_bytes(&self) -> usize {
        match &self.source {
            Source::Whole(bricks) => bricks.stream_bytes(),
            Source::Corrected(reader, bricks, _) => reader.streams().bytes() + bricks.stream_bytes(),
            Source::Latents(reader, _) => reader.streams().bytes(),
        }
    }

    /// Bytes that what is decoded and kept may take.
    pub(super) fn most_cache_bytes(&self) -> usize {
        let (_, size) = self.bounds(0);
        let brick = size.iter().product::<usize>();
        match &self.source {
            Source::Whole(bricks) => self.kept.get() * brick * bricks.scale().sample_type.size(),
            Source::Corrected(reader, bricks, _) => {
                self.kept.get() * brick * bricks.scale().sample_type.size() + reader.most_bytes()
            }
            Source::Latents(reader, _) => self.kept.get() * brick * size_of::<f32>() + reader.most_bytes(),
        }
    }

    /// First voxel and size of what is decoded of a brick: a latent grid's have the next layer of voxels, too, so that all
    /// corners of a cell are in the brick of the lowest.
    pub(super) fn bounds(&self, brick: usize) -> ([usize; 3], [usize; 3]) {
        let (start, size) = self.grid.bounds(brick);
        match &self.source {
            Source::Whole(_) | Source::Corrected(..) => (start, size),
            Source::Latents(..) => {
                let shape = self.grid.shape();
                (start, std::array::from_fn(|a| (size[a] + 1).min(shape[a] - start[a])))
            }
        }
    }

    /// A brick's samples.
    pub(super) fn samples(&self, brick: usize, mask: Option<&MaskReader>) -> Result<Arc<Samples>, String> {
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
                bricks.decode(brick, Base::Low, codes.as_deref().map(Vec::as_slice))?
            }
            Source::Corrected(reader, bricks, scale) => {
                let codes = mask.map(|mask| mask.codes(brick)).transpose()?;
                let (start, size) = self.grid.bounds(brick);
                let end = std::array::from_fn(|a| start[a] + size[a]);
                let base = scale.samples(&reader.window(Window { start, end }));
                bricks.decode(brick, Base::Samples(&base), codes.as_deref().map(Vec::as_slice))?
            }
            Source::Latents(reader, _) => {
                let (start, size) = self.bounds(brick);
                let end = std::array::from_fn(|a| start[a] + size[a]);
                Samples::F32(reader.window(Window { start, end }))
            }
        });
        kept().put(brick, samples.clone());
        Ok(samples)
    }

    /// The file's bricks that meet the box from `start` to `end` (exclusive).
    pub(super) fn meeting(&self, start: [usize; 3], end: [usize; 3]) -> Vec<usize> {
        self.tiles().meeting(start, end)
    }

    /// What regions are cut into.
    fn tiles(&self) -> BrickGrid {
        BrickGrid::new(self.grid.shape())
    }

    /// The brick that the cell of a place in the grid begins in.
    pub(super) fn containing(&self, index: [f64; 3]) -> usize {
        self.of_voxel(Cell::lower(index, self.grid.shape()))
    }

    /// The brick of a voxel.
    pub(super) fn of_voxel(&self, voxel: [usize; 3]) -> usize {
        self.grid.containing(voxel)
    }

    /// What turns a latent grid's values into samples; other bricks hold the samples.
    pub(super) fn value_scale(&self) -> Option<ValueScale> {
        match &self.source {
            Source::Whole(_) | Source::Corrected(..) => None,
            Source::Latents(_, scale) => Some(*scale),
        }
    }

    /// Bricks that points may be in.
    pub(super) fn count(&self) -> usize {
        self.grid.len()
    }

    /// True when that brick is decoded already.
    pub(super) fn keeps(&self, index: [f64; 3]) -> bool {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.containing(index))
    }

    /// Bricks that are decoded at a time.
    pub(super) fn batch() -> usize {
        4 * rayon::current_num_threads()
    }

    /// Calls `each` with every one of these bricks, or, of a latent grid, with what of it is in the box from `start` to
    /// `end`: its first voxel, its size and the volume's samples. Decodes on the threads of the pool that this runs on.
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
        match &self.source {
            Source::Whole(_) | Source::Corrected(..) => {
                let decoded: Vec<_> = bricks.par_iter().map(|&brick| self.samples(brick, mask)).collect();
                for (&brick, samples) in bricks.iter().zip(decoded) {
                    let (first, size) = self.tiles().bounds(brick);
                    each(first, size, &*samples?);
                }
            }
            Source::Latents(reader, scale) => {
                let part = |&brick: &usize| {
                    let (first, size) = self.tiles().bounds(brick);
                    Window {
                        start: std::array::from_fn(|a| first[a].max(start[a])),
                        end: std::array::from_fn(|a| (first[a] + size[a]).min(end[a])),
                    }
                };
                let windows: Vec<Window> = bricks.iter().map(part).collect();
                let values = reader.windows(&windows).into_par_iter();
                let samples: Vec<Samples> = values.map(|values| scale.samples(&values)).collect();
                for (window, samples) in windows.iter().zip(samples) {
                    each(window.start, window.shape(), &samples);
                }
            }
        }
        Ok(())
    }

    /// Copies `count` of a brick's samples, which are a step apart, into others: with the same bits where the types agree, else
    /// the nearest value.
    pub(super) fn copy(
        from: &Samples,
        (at, step): (usize, usize),
        out: &mut SamplesMut<'_>,
        to: usize,
        count: usize,
    ) {
        match from.sample_type() == out.sample_type() {
            true if step == 1 => out.copy_from(to, from, at, count),
            true => (0..count).for_each(|i| out.copy_from(to + i, from, at + i * step, 1)),
            false => for_each_type!(SamplesMut: out, out => {
                for (i, out) in out[to..to + count].iter_mut().enumerate() {
                    *out = Sample::from_f64(from.get(at + i * step));
                }
            }),
        }
    }
}
