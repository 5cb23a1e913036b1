//! What renders volumes, and keeps decoded blocks from picture to picture.

use super::block::Block;
use super::frame::Frame;
use super::image::Image;
use super::interactive::Pace;
use super::known::KnownRanges;
use super::source::{BoxSamples, Rendered};
use super::tables::MOST;
use super::{Bounds, Scene, TransferFunction, View};
use crate::error::{Error, Result};
use crate::sample::{LevelOfDetail, Region};
use lru::LruCache;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Voxels along the edge of a block: small enough that little is decoded that nobody sees, large enough that what is around it costs little.
const EDGE: usize = 64;
/// Bytes of blocks that are kept for the next picture at most, unless the caller says otherwise.
const KEPT_BYTES: usize = 512 << 20;
/// Samples that a transfer function is chosen by at most.
const MOST_LOOKED_AT: usize = 1 << 20;

/// Told how much of a picture is done, 0 to 1; [`ControlFlow::Break`] ends the work.
pub type Observe<'a> = &'a mut dyn FnMut(f64) -> ControlFlow<()>;

/// What a picture cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Blocks that the volume has at the picture's level.
    pub blocks: usize,
    /// Blocks that a ray with light was found to meet, of those whose values show anything. They are looked for some blocks ahead, so that
    /// a few of them may be hidden in the end.
    pub marched: usize,
    /// Blocks that were decoded for it; the others were kept from before.
    pub decoded: usize,
    /// Samples that were decoded with them, those around the blocks included.
    pub samples: usize,
}

/// A block of a level; what is around it depends on the step.
pub(super) type Key = (usize, usize, usize);

/// Renders a volume, and keeps decoded blocks for the next picture.
pub struct Renderer {
    pub(super) source: Arc<dyn Rendered>,
    pub(super) edge: usize,
    /// What the source says of values before they are decoded.
    known: OnceLock<Option<KnownRanges>>,
    kept: Mutex<Kept>,
    /// How fast pictures are made.
    pub(super) pace: Mutex<Pace>,
}

pub(super) struct Kept {
    pub(super) blocks: LruCache<Key, Arc<Block>>,
    bytes: usize,
    bound: usize,
    /// Of every block that was decoded so far, all of it.
    pub(super) ranges: HashMap<Key, Option<(u16, u16)>>,
}

impl Renderer {
    /// Of an open `.nvol` file, or a volume in memory.
    pub fn new(source: Arc<dyn Rendered>) -> Self {
        let kept =
            Kept { blocks: LruCache::unbounded(), bytes: 0, bound: KEPT_BYTES, ranges: HashMap::new() };
        Self { source, edge: EDGE, known: OnceLock::new(), kept: Mutex::new(kept), pace: Mutex::default() }
    }

    /// Keeps so many bytes of decoded blocks at most.
    #[must_use]
    pub fn with_cache(self, bytes: usize) -> Self {
        self.kept().bound = bytes;
        self
    }

    /// With blocks of another size, which changes what is decoded and nothing else.
    #[must_use]
    #[doc(hidden)]
    pub fn with_block_edge(self, edge: usize) -> Self {
        Self { edge: edge.clamp(8, 128), ..self }
    }

    /// What is rendered.
    pub fn source(&self) -> &dyn Rendered {
        self.source.as_ref()
    }

    /// The ball around the volume, which cameras are placed by.
    pub fn bounds(&self) -> Bounds {
        let header = self.source.header();
        Bounds::of(header.shape, &header.geometry, header.association)
    }

    /// The volume cut into so many parts for processes that render one picture together ([`Scene::part`]), each about as large, along the axes in turn. Some
    /// are empty where there are fewer blocks.
    pub fn parts(&self, count: usize) -> Vec<Region> {
        let shape = self.source.header().shape;
        let mut parts = vec![(Region::whole(shape), count.max(1))];
        // Cut the part that is for most processes, until each is for one.
        while let Some(at) = parts.iter().position(|(_, processes)| *processes > 1) {
            let (region, processes) = parts[at];
            let blocks = |a: usize| (region.end[a] - region.start[a]).div_ceil(self.edge);
            let axis = (0..3).max_by_key(|&a| blocks(a)).unwrap_or(2);
            let first = processes / 2;
            let cut = region.start[axis] + (blocks(axis) * first).div_ceil(processes) * self.edge;
            let (mut low, mut high) = (region, region);
            low.end[axis] = cut.min(region.end[axis]);
            high.start[axis] = low.end[axis];
            parts.splice(at..=at, [(low, first), (high, processes - first)]);
        }
        parts.into_iter().map(|(region, _)| region).collect()
    }

    /// A shaded composite with a transfer function for what is known of the volume: [`TransferFunction::from_data`] of the first level of
    /// detail that has few enough samples.
    ///
    /// # Errors
    /// As for reading a level.
    pub fn default_scene(&self) -> Result<Scene> {
        let header = self.source.header();
        let levels = self.source.levels();
        let count = |level: &LevelOfDetail| level.shape.iter().product::<usize>();
        let level =
            levels.iter().position(|level| count(level) <= MOST_LOOKED_AT).unwrap_or(levels.len() - 1);
        let [nx, ny, nz] = levels[level].shape;
        let (low, high) = self.source.range().unwrap_or((0.0, 0.0));
        let mut samples = Vec::new();
        // All of the level, or of a volume without levels some slices.
        let every = count(&levels[level]).div_ceil(MOST_LOOKED_AT).max(1);
        let slice = |z| Region { start: [0, 0, z], end: [nx, ny, z + 1] };
        let slices: Vec<Region> = match every {
            1 => vec![Region::whole([nx, ny, nz])],
            _ => (0..nz).step_by(every).map(slice).collect(),
        };
        for BoxSamples { values, masked } in self.source.boxes(level, &slices)?.0 {
            let is_masked = |n: usize| masked.as_ref().is_some_and(|masked| masked[n]);
            let value = |n: usize| low + f64::from(values[n]) / f64::from(MOST) * (high - low);
            samples.extend((0..values.len()).filter(|&n| !is_masked(n)).map(value));
        }
        Ok(Scene::new(TransferFunction::from_data(&header, &samples)))
    }

    /// Renders a picture, whole. Rays end at `depth` where it is given: a value a pixel from 0 to 1, rows from the top.
    ///
    /// # Errors
    /// [`Error::Options`] when there is no such level, the step is not above 0 or too long, `depth` has another size, or the geometry
    /// has no inverse; [`Error::Interrupted`] when `observe` said so; otherwise as for reading a region.
    pub fn render(
        &self,
        view: &View,
        scene: &Scene,
        depth: Option<&[f32]>,
        observe: Observe<'_>,
    ) -> Result<Image> {
        if let Some(depth) = depth.filter(|depth| depth.len() != view.size[0] * view.size[1]) {
            let (count, [width, height]) = (depth.len(), view.size);
            return Err(Error::Options(format!("{count} depths for a picture of {width}x{height} pixels")));
        }
        Frame::new(self, view, scene)?.render(depth, observe)
    }

    pub(super) fn known(&self) -> Result<Option<&KnownRanges>> {
        if let Some(known) = self.known.get() {
            return Ok(known.as_ref());
        }
        let known = self.source.known_ranges()?;
        Ok(self.known.get_or_init(|| known).as_ref())
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs work on the source's threads.
    pub(super) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let (mut work, mut result) = (Some(work), None);
        self.source.run(&mut || result = work.take().map(|work| work()));
        result.expect("a source runs what it is given")
    }
}

impl Kept {
    pub(super) fn keep(&mut self, key: Key, block: &Arc<Block>) {
        if block.decoded().is_none() {
            self.ranges.insert(key, block.range());
        }
        self.bytes += block.bytes();
        if let Some(before) = self.blocks.put(key, block.clone()) {
            self.bytes -= before.bytes();
        }
        while self.bytes > self.bound
            && let Some((_, oldest)) = self.blocks.pop_lru()
        {
            self.bytes -= oldest.bytes();
        }
    }
}
