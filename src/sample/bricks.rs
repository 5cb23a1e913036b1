//! Samples that a file holds brick by brick, decoded on demand: as integers, or as a latent grid.

use super::ValueScale;
use super::cell::Cell;
use super::mask::MaskReader;
use crate::container::{BRICK_EDGE, BrickGrid, Contents, IntegerBricks, Prediction};
use crate::latents::{LatentReader, LatentStreams};
use crate::storage::Fault;
use crate::volume::{Sample, Samples, SamplesMut, for_each_type};
use crate::wavelet::Window;
use lru::LruCache;
use rayon::prelude::*;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Decoded chunks that are kept at most, and the share of the volume that they may be, but for a volume of fewer chunks,
/// of which one is kept.
const MOST_KEPT: usize = 64;
const SHARE_KEPT: usize = 32;
/// Edges that chunks may have: as large as is worth the way, but so that those kept are a small share.
const EDGES: [usize; 4] = [BRICK_EDGE, BRICK_EDGE / 2, BRICK_EDGE / 4, BRICK_EDGE / 8];

/// Bytes that a latent grid's decoded blocks may take, for each hundred voxels: with the chunks kept and the coarse levels
/// less than a quarter of float32.
const BLOCK_BYTES: usize = 50;
/// And in all, however large the volume is.
const MOST_BLOCK_BYTES: usize = 1 << 30;

/// What bricks are decoded from.
enum BrickSource {
    /// A brick's samples are the volume's, or differences to those of another component.
    Integers(IntegerBricks, Option<IntegerBricks>),
    /// A brick's samples are the volume's: a latent grid's, corrected; exactly, from those with the fill value where it is masked.
    Corrected(Arc<LatentReader>, IntegerBricks, ValueScale, Option<f64>),
    /// A brick's samples are the field's values, float32 from 0 to 1.
    Latents(Arc<LatentReader>, ValueScale),
}

pub(super) struct BrickReader {
    source: BrickSource,
    /// What is decoded for points at a time.
    grid: BrickGrid,
    /// What is kept of it for points to come: all of it, or chunks where that would be too much.
    chunks: BrickGrid,
    kept: Mutex<LruCache<usize, DecodedPart>>,
    /// Voxels that were decoded so far.
    decoded: AtomicU64,
}

/// Decoded samples of a part of the grid.
#[derive(Clone)]
pub(super) struct DecodedPart {
    start: [usize; 3],
    /// Of what is decoded, x fastest.
    pub(super) size: [usize; 3],
    /// Of what the part is asked for: a latent grid's have the next layer of voxels, too, so that all corners of a cell are
    /// in the part of the lowest.
    own: [usize; 3],
    pub(super) samples: Arc<Samples>,
}

impl DecodedPart {
    /// True for the voxels that the part is asked for.
    #[inline]
    pub(super) fn is_asked_for(&self, voxel: [usize; 3]) -> bool {
        (0..3).all(|a| voxel[a].wrapping_sub(self.start[a]) < self.own[a])
    }

    /// Where a voxel is among the samples.
    #[inline]
    pub(super) fn place(&self, voxel: [usize; 3]) -> usize {
        let [x, y, z] = [0, 1, 2].map(|a| voxel[a] - self.start[a]);
        x + self.size[0] * (y + self.size[1] * z)
    }

    /// A smaller part of it.
    fn cut(&self, (start, size): ([usize; 3], [usize; 3])) -> Self {
        let mut samples = Samples::zeros(self.samples.sample_type(), size.iter().product());
        let mut out = samples.as_mut();
        for row in 0..size[1] * size[2] {
            let first = [start[0], start[1] + row % size[1], start[2] + row / size[1]];
            out.copy_from(row * size[0], &self.samples, self.place(first), size[0]);
        }
        Self { start, size, own: size, samples: Arc::new(samples) }
    }
}

impl BrickReader {
    /// Of samples as integers, or of differences to those of `base`.
    pub(super) fn of_integers(bricks: IntegerBricks, base: Option<IntegerBricks>) -> Self {
        let left = Self::left(&bricks, 0);
        let (grid, chunks) = (*bricks.grid(), Self::chunks_of(&bricks, left / 4 * 3));
        Self::new(grid, chunks, BrickSource::Integers(bricks, base))
    }

    /// Of a latent grid and what it is off by. Decoded blocks take `most_bytes` at most.
    pub(super) fn of_corrected(
        streams: LatentStreams,
        bricks: IntegerBricks,
        scale: ValueScale,
        fill_value: Option<f64>,
        most_bytes: usize,
    ) -> Self {
        let left = Self::left(&bricks, streams.streams.memory_bytes() + streams.root_bytes());
        let (grid, chunks) = (*bricks.grid(), Self::chunks_of(&bricks, left / 8 * 3));
        let reader = Arc::new(LatentReader::new(streams, most_bytes.min(left / 2).min(MOST_BLOCK_BYTES)));
        Self::new(grid, chunks, BrickSource::Corrected(reader, bricks, scale, fill_value))
    }

    /// What is left of a quarter of float32 when the coded bricks are in memory, and `others`.
    fn left(bricks: &IntegerBricks, others: usize) -> usize {
        let voxels: usize = bricks.grid().shape().iter().product();
        voxels.saturating_sub(bricks.streams().memory_bytes() + others)
    }

    /// Of a latent grid, whose values `scale` turns into samples. Any part of it can be had. Decoded blocks take
    /// `most_bytes` at most.
    pub(super) fn of_latents(
        streams: LatentStreams,
        shape: [usize; 3],
        scale: ValueScale,
        most_bytes: usize,
    ) -> Self {
        let [large, middle, small, _] = EDGES.map(|edge| BrickGrid::with_edge(shape, edge));
        let grid = [large, middle].into_iter().find(|grid| grid.len() >= SHARE_KEPT).unwrap_or(small);
        let bound = most_bytes.min(shape.iter().product::<usize>() / 100 * BLOCK_BYTES).min(MOST_BLOCK_BYTES);
        Self::new(
            grid,
            (grid, MOST_KEPT),
            BrickSource::Latents(Arc::new(LatentReader::new(streams, bound)), scale),
        )
    }

    /// The largest chunks of bricks of which one takes at most so many bytes, or the smallest, and how many may be kept.
    fn chunks_of(bricks: &IntegerBricks, bytes: usize) -> (BrickGrid, usize) {
        let size =
            |grid: &BrickGrid| grid.bounds(0).1.iter().product::<usize>() * bricks.scale().sample_type.size();
        let grids = EDGES.map(|edge| BrickGrid::with_edge(bricks.grid().shape(), edge));
        let chunks = grids.into_iter().find(|grid| size(grid) <= bytes).unwrap_or(grids[EDGES.len() - 1]);
        (chunks, bytes / size(&chunks))
    }

    /// That keeps a share of the chunks, and so many at most.
    fn new(grid: BrickGrid, (chunks, most): (BrickGrid, usize), source: BrickSource) -> Self {
        let kept = (chunks.len() / SHARE_KEPT).min(most).clamp(1, MOST_KEPT);
        let kept = Mutex::new(LruCache::new(NonZeroUsize::new(kept).unwrap_or(NonZeroUsize::MIN)));
        Self { source, grid, chunks, kept, decoded: AtomicU64::new(0) }
    }

    /// True when masked samples are in it, too.
    pub(super) fn is_exact(&self) -> bool {
        matches!(&self.source, BrickSource::Integers(bricks, _) if bricks.scale().is_exact())
    }

    /// True where all samples are a latent grid's, of which any part can be had.
    pub(super) fn is_field(&self) -> bool {
        matches!(&self.source, BrickSource::Latents(..))
    }

    /// The same of the brick of a file that a voxel is in.
    pub(super) fn is_exact_at(&self, voxel: [usize; 3]) -> bool {
        match &self.source {
            BrickSource::Corrected(_, bricks, ..) => {
                bricks.scale().is_exact() && bricks.corrects(bricks.grid().containing(voxel))
            }
            BrickSource::Integers(..) | BrickSource::Latents(..) => self.is_exact(),
        }
    }

    /// The file's section.
    pub(super) fn section(&self) -> &'static str {
        match &self.source {
            BrickSource::Integers(_, Some(_)) => "DIFF",
            BrickSource::Integers(..) | BrickSource::Corrected(..) => "INTS",
            BrickSource::Latents(..) => "LATG",
        }
    }

    /// One line for reports.
    pub(super) fn describe(&self) -> String {
        match &self.source {
            BrickSource::Integers(_, Some(_)) => "lossless bricks of differences to another component".into(),
            BrickSource::Integers(bricks, _) if bricks.scale().is_exact() => "lossless bricks".into(),
            BrickSource::Integers(bricks, _) => format!("bricks in steps of {}", bricks.scale().step),
            BrickSource::Corrected(reader, bricks, ..) if bricks.scale().is_exact() => {
                let count = (0..bricks.grid().len()).filter(|&brick| bricks.corrects(brick)).count();
                let s = if count == 1 { "" } else { "s" };
                format!("{}, made exact in {count} brick{s}", reader.streams().describe())
            }
            BrickSource::Corrected(reader, bricks, ..) => {
                format!("{}, corrected in steps of {}", reader.streams().describe(), bricks.scale().step)
            }
            BrickSource::Latents(reader, _) => reader.streams().describe(),
        }
    }

    /// What reads the latent grid, where there is one, and makes samples of its values.
    pub(super) fn reader(&self) -> Option<&LatentReader> {
        match &self.source {
            BrickSource::Integers(..) => None,
            BrickSource::Corrected(reader, ..) | BrickSource::Latents(reader, _) => Some(reader),
        }
    }

    /// The same, to be kept for the next step of a series.
    pub(super) fn shared_reader(&self) -> Option<Arc<LatentReader>> {
        match &self.source {
            BrickSource::Integers(..) => None,
            BrickSource::Corrected(reader, ..) | BrickSource::Latents(reader, _) => Some(reader.clone()),
        }
    }

    /// The latent grid, where there is one.
    pub(super) fn latents(&self) -> Option<&LatentStreams> {
        self.reader().map(LatentReader::streams)
    }

    /// The integers, where there are any.
    pub(super) fn integers(&self) -> Option<&IntegerBricks> {
        match &self.source {
            BrickSource::Integers(bricks, _) | BrickSource::Corrected(_, bricks, ..) => Some(bricks),
            BrickSource::Latents(..) => None,
        }
    }

    /// Bytes of the coded samples in memory.
    pub(super) fn stream_bytes(&self) -> usize {
        match &self.source {
            BrickSource::Integers(bricks, base) => {
                bricks.streams().memory_bytes()
                    + base.as_ref().map_or(0, |base| base.streams().memory_bytes())
            }
            BrickSource::Corrected(reader, bricks, ..) => {
                reader.streams().streams.memory_bytes() + bricks.streams().memory_bytes()
            }
            BrickSource::Latents(reader, _) => reader.streams().streams.memory_bytes(),
        }
    }

    /// Bytes that what is decoded and kept may take.
    pub(super) fn most_cache_bytes(&self) -> usize {
        let chunk: usize = self.with_layer(self.chunks.bounds(0)).iter().product();
        let chunks = self.kept().cap().get() * chunk;
        match &self.source {
            BrickSource::Integers(bricks, _) => chunks * bricks.scale().sample_type.size(),
            BrickSource::Corrected(reader, bricks, ..) => {
                chunks * bricks.scale().sample_type.size() + reader.most_bytes()
            }
            BrickSource::Latents(reader, _) => chunks * size_of::<f32>() + reader.most_bytes(),
        }
    }

    /// The size of what is decoded for a brick or chunk.
    fn with_layer(&self, (start, size): ([usize; 3], [usize; 3])) -> [usize; 3] {
        match &self.source {
            BrickSource::Integers(..) | BrickSource::Corrected(..) => size,
            BrickSource::Latents(..) => {
                let shape = self.grid.shape();
                std::array::from_fn(|a| (size[a] + 1).min(shape[a] - start[a]))
            }
        }
    }

    /// Bytes that the first brick takes: what all of them need is decoded with it. 0 when that was done.
    pub(super) fn bytes_to_begin(&self) -> u64 {
        match &self.source {
            BrickSource::Integers(..) => 0,
            BrickSource::Corrected(reader, ..) | BrickSource::Latents(reader, _) => reader.bytes_to_begin(),
        }
    }

    /// Voxels whose samples were decoded so far, each as often as it was: what [`NeuralVolume::evaluated`] counts.
    ///
    /// [`NeuralVolume::evaluated`]: super::NeuralVolume::evaluated
    pub(super) fn decoded(&self) -> u64 {
        self.decoded.load(Ordering::Relaxed)
    }

    fn count_decoded(&self, voxels: usize) {
        self.decoded.fetch_add(voxels as u64, Ordering::Relaxed);
    }

    fn kept(&self) -> MutexGuard<'_, LruCache<usize, DecodedPart>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is at hand for a voxel, or the brick that it is in.
    pub(super) fn part(&self, voxel: [usize; 3], mask: Option<&MaskReader>) -> Result<DecodedPart, Fault> {
        let chunk = self.chunks.containing(voxel);
        if let Some(part) = self.kept().get(&chunk) {
            return Ok(part.clone());
        }
        // Outside the lock: at worst two threads decode the same.
        let brick = self.decode(self.grid.containing(voxel), mask)?;
        let to_keep = match self.chunks == self.grid {
            true => brick.clone(),
            false => brick.cut(self.chunks.bounds(chunk)),
        };
        self.kept().put(chunk, to_keep);
        Ok(brick)
    }

    /// Decodes a brick.
    fn decode(&self, brick: usize, mask: Option<&MaskReader>) -> Result<DecodedPart, Fault> {
        let (start, own) = self.grid.bounds(brick);
        let size = self.with_layer((start, own));
        let window = Window { start, end: std::array::from_fn(|a| start[a] + size[a]) };
        let samples = match &self.source {
            BrickSource::Integers(bricks, Some(base)) => bricks.decode_difference(brick, base)?,
            BrickSource::Integers(bricks, None) => {
                let codes = match mask {
                    Some(mask) if !self.is_exact() => Some(mask.codes(brick)?),
                    _ => None,
                };
                bricks.decode(brick, Prediction::Low, codes.as_deref().map(Vec::as_slice))?
            }
            BrickSource::Corrected(reader, bricks, scale, fill_value) => {
                let mut base = scale.samples(&reader.window(window)?);
                if bricks.corrects(brick) {
                    let codes = mask.map(|mask| mask.codes(brick)).transpose()?;
                    let codes = codes.as_deref().map(Vec::as_slice);
                    if bricks.scale().is_exact() {
                        Contents::put_mask(&mut base, codes.unwrap_or_default(), *fill_value);
                        bricks.correct_exactly(brick, &mut base)?;
                    } else {
                        base = bricks.decode(brick, Prediction::Samples(&base), codes)?;
                    }
                }
                base
            }
            BrickSource::Latents(reader, _) => Samples::F32(reader.window(window)?),
        };
        self.count_decoded(samples.len());
        Ok(DecodedPart { start, size, own, samples: Arc::new(samples) })
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
        self.grid.containing(Cell::lower(index, self.grid.shape()))
    }

    /// What turns a latent grid's values into samples; other bricks hold the samples.
    pub(super) fn value_scale(&self) -> Option<ValueScale> {
        match &self.source {
            BrickSource::Integers(..) | BrickSource::Corrected(..) => None,
            BrickSource::Latents(_, scale) => Some(*scale),
        }
    }

    /// Bricks that points may be in.
    pub(super) fn count(&self) -> usize {
        self.grid.len()
    }

    /// True when what the cell of a place begins in is at hand.
    pub(super) fn keeps(&self, index: [f64; 3]) -> bool {
        self.kept().contains(&self.chunks.containing(Cell::lower(index, self.grid.shape())))
    }

    /// Calls `each` with every one of these bricks, or, of a latent grid, with what of it is in the box from `start` to
    /// `end`: its first voxel, its size and the volume's samples. Decodes on the threads of the pool that this runs on.
    ///
    /// # Errors
    /// When a stream cannot be read, or holds what no encoder writes.
    pub(super) fn visit(
        &self,
        mask: Option<&MaskReader>,
        bricks: &[usize],
        [start, end]: [[usize; 3]; 2],
        mut each: impl FnMut([usize; 3], [usize; 3], &Samples),
    ) -> Result<(), Fault> {
        // Of a latent grid the box is enough where nothing corrects it; other bricks are decoded whole.
        let (whole, of_grid): (Vec<usize>, Vec<usize>) =
            bricks.iter().partition(|&&brick| match &self.source {
                BrickSource::Integers(..) => true,
                BrickSource::Corrected(_, bricks, ..) => bricks.corrects(brick),
                BrickSource::Latents(..) => false,
            });
        let decode = |&brick: &usize| match self.chunks == self.grid {
            true => self.part(self.grid.bounds(brick).0, mask),
            false => self.decode(brick, mask),
        };
        let decoded: Vec<_> = whole.par_iter().map(decode).collect();
        for part in decoded {
            let part = part?;
            each(part.start, part.size, &part.samples);
        }
        let (BrickSource::Corrected(reader, _, scale, _) | BrickSource::Latents(reader, scale)) =
            &self.source
        else {
            return Ok(());
        };
        let part = |&brick: &usize| {
            let (first, size) = self.tiles().bounds(brick);
            Window {
                start: std::array::from_fn(|a| first[a].max(start[a])),
                end: std::array::from_fn(|a| (first[a] + size[a]).min(end[a])),
            }
        };
        let windows: Vec<Window> = of_grid.iter().map(part).collect();
        let values = reader.windows(&windows)?.into_par_iter();
        let samples: Vec<Samples> = values.map(|values| scale.samples(&values)).collect();
        samples.iter().for_each(|samples| self.count_decoded(samples.len()));
        for (window, samples) in windows.iter().zip(samples) {
            each(window.start, window.shape(), &samples);
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
