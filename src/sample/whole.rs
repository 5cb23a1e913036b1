//! Samples that a file holds as whole numbers, brick by brick, decoded on demand.

use super::mask::MaskReader;
use crate::container::WholeBricks;
use crate::volume::{Sample, Samples, SamplesMut, for_each_type};
use lru::LruCache;
use rayon::prelude::*;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Decoded bricks that are kept at most, and the share of the volume that they may be, but for a volume of few bricks, of
/// which one is kept.
const MOST_KEPT: usize = 64;
const SHARE_KEPT: usize = 16;

pub(super) struct WholeReader {
    bricks: WholeBricks,
    decoded: Mutex<LruCache<usize, Arc<Samples>>>,
    kept: NonZeroUsize,
}

impl WholeReader {
    pub(super) fn new(bricks: WholeBricks) -> Self {
        let kept = (bricks.grid().len() / SHARE_KEPT).clamp(1, MOST_KEPT);
        let kept = NonZeroUsize::new(kept).unwrap_or(NonZeroUsize::MIN);
        Self { bricks, decoded: Mutex::new(LruCache::new(kept)), kept }
    }

    /// True when masked samples are in it, too.
    pub(super) fn is_exact(&self) -> bool {
        self.bricks.scale().is_exact()
    }

    /// One line for reports.
    pub(super) fn describe(&self) -> String {
        let scale = self.bricks.scale();
        if scale.is_exact() { "lossless bricks".into() } else { format!("bricks in steps of {}", scale.step) }
    }

    /// Bytes of the coded samples.
    pub(super) fn stream_bytes(&self) -> usize {
        self.bricks.stream_bytes()
    }

    /// Bytes that the decoded bricks may take.
    pub(super) fn most_cache_bytes(&self) -> usize {
        let (_, size) = self.bricks.grid().bounds(0);
        self.kept.get() * size.iter().product::<usize>() * self.bricks.scale().sample_type.size()
    }

    /// A brick's samples.
    fn samples(&self, brick: usize, mask: Option<&MaskReader>) -> Result<Arc<Samples>, String> {
        let kept = || self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(samples) = kept().get(&brick) {
            return Ok(samples.clone());
        }
        // Outside the lock: at worst two threads decode the same.
        let codes = match mask {
            Some(mask) if !self.is_exact() => Some(mask.codes(brick)?),
            _ => None,
        };
        let samples = Arc::new(self.bricks.decode(brick, codes.as_deref().map(Vec::as_slice))?);
        kept().put(brick, samples.clone());
        Ok(samples)
    }

    /// The bricks that meet the box from `start` to `end` (exclusive).
    pub(super) fn meeting(&self, start: [usize; 3], end: [usize; 3]) -> Vec<usize> {
        self.bricks.grid().meeting(start, end)
    }

    /// Bricks that are decoded at a time.
    pub(super) fn batch() -> usize {
        4 * rayon::current_num_threads()
    }

    /// Calls `each` with every one of these bricks: its first voxel, its size and its samples. Decodes on the threads of
    /// the pool that this runs on.
    ///
    /// # Errors
    /// A sentence, when a stream holds what no encoder writes.
    pub(super) fn visit(
        &self,
        mask: Option<&MaskReader>,
        bricks: &[usize],
        mut each: impl FnMut([usize; 3], [usize; 3], &Samples),
    ) -> Result<(), String> {
        let decoded: Vec<_> = bricks.par_iter().map(|&brick| self.samples(brick, mask)).collect();
        for (&brick, samples) in bricks.iter().zip(decoded) {
            let (start, size) = self.bricks.grid().bounds(brick);
            each(start, size, &*samples?);
        }
        Ok(())
    }

    /// For many voxels near each other.
    pub(super) fn cursor<'a>(&'a self, mask: Option<&'a MaskReader>) -> WholeCursor<'a> {
        WholeCursor { whole: self, mask, held: Vec::new() }
    }
}

/// Copies samples of one type into another: the same bits where the types agree, else the nearest value.
pub(super) fn copy(from: &Samples, at: usize, out: &mut SamplesMut<'_>, to: usize) {
    if from.sample_type() == out.sample_type() {
        out.copy_from(to, from, at, 1);
    } else {
        for_each_type!(SamplesMut: out, out => out[to] = Sample::from_f64(from.get(at)));
    }
}

/// Looks voxels up, and keeps hold of the bricks of the last ones: a cell between voxels meets eight at most.
pub(super) struct WholeCursor<'a> {
    whole: &'a WholeReader,
    mask: Option<&'a MaskReader>,
    held: Vec<(usize, Arc<Samples>)>,
}

/// Bricks that meet in a corner.
const MOST_HELD: usize = 8;

impl WholeCursor<'_> {
    /// The sample of a voxel.
    fn at(&mut self, voxel: [usize; 3]) -> Result<f64, String> {
        let grid = self.whole.bricks.grid();
        let brick = grid.containing(voxel);
        let held = match self.held.iter().position(|(held, _)| *held == brick) {
            Some(held) => held,
            None => {
                if self.held.len() == MOST_HELD {
                    self.held.remove(0);
                }
                self.held.push((brick, self.whole.samples(brick, self.mask)?));
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
            let sample = self.at(if is_masked(voxel)? { nearest } else { voxel })?;
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
        self.at(voxel)
    }
}
