//! [`NeuralVolume`]: an open `.nvol` file. Everything that reads a compressed volume goes through it.

mod boxes;
mod brick_cursor;
mod brick_points;
mod bricks;
mod cache;
mod cell;
mod dataset;
#[cfg(feature = "cuda")]
mod device;
mod level_points;
mod levels;
mod mask;
mod options;
mod point;
mod points;
mod quantise;
mod region;
mod smooth;
mod source;
mod strided_region;
mod verify;

#[cfg(feature = "cuda")]
pub use crate::engine::cuda::device_samples::DeviceSamples;
pub use dataset::NeuralDataset;
pub use levels::LevelOfDetail;
pub use options::{Limits, OpenOptions};
pub use point::{Outside, PointSample, Space};
pub use region::{ObserveRegion, Region};
pub use source::DecodedSource;
pub use verify::{Damage, Verification};

pub(crate) use quantise::ValueScale;

use crate::container::{
    Body, CellRanges, Contents, Description, File, Following, IntegerBricks, StepBefore, StoredModel,
    StoredRanges,
};
use crate::engine::{Engine, Evaluator, Install};
use crate::error::{Error, Result};
use crate::storage::{Fault, ReadAt};
use bricks::BrickReader;
use cache::ChunkCache;
use mask::MaskReader;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// An open neural volume: regions and points are decoded on demand.
///
/// ```no_run
/// # fn main() -> neuvol::Result<()> {
/// let volume = neuvol::NeuralVolume::open("ct.nvol")?;
/// let slice = volume.read_region(neuvol::Region::slice(volume.info().shape, neuvol::Axis::Z, 100), 1)?;
/// # Ok(()) }
/// ```
pub struct NeuralVolume {
    path: PathBuf,
    file_bytes: u64,
    /// Bytes of the file that are kept in memory.
    held: usize,
    description: Description,
    model: Option<StoredModel>,
    bricks: Option<BrickReader>,
    mask: Option<MaskReader>,
    ranges: Option<StoredRanges>,
    /// What of the file is in that of the step before.
    following: Option<Following>,
    /// What [`Self::cell_ranges`] decoded.
    cell_ranges: OnceLock<CellRanges>,
    engine: Arc<dyn Engine>,
    /// Made on first use, so that `info` does not wait for the entropy decoder.
    evaluator: OnceLock<Box<dyn Evaluator>>,
    /// Decoded chunks, where the caller wants them kept.
    cache: Option<ChunkCache>,
    /// Voxels and points that a network was evaluated at.
    evaluated: AtomicU64,
}

impl NeuralVolume {
    /// Opens a file on the CPU, on the threads that the process shares.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`] when it is no `.nvol` file, [`Error::Section`] when a part of it is damaged,
    /// [`Error::TooLarge`] when it asks for more than [`Limits`] allow.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, OpenOptions::default())
    }

    /// Opens a file on a given engine, or as [`OpenOptions`] say.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_with(path: impl AsRef<Path>, options: impl Into<OpenOptions>) -> Result<Self> {
        let path = path.as_ref();
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        Self::open_source(Arc::new(file), path, options)
    }

    /// Opens a file that is already in memory, of which it keeps a copy; `path` is for messages.
    ///
    /// # Errors
    /// As for [`Self::open`], but [`Error::Io`].
    pub fn from_bytes(bytes: &[u8], path: impl AsRef<Path>, options: impl Into<OpenOptions>) -> Result<Self> {
        let held = bytes.len();
        Ok(Self { held, ..Self::open_source(Arc::new(bytes.to_vec()), path, options)? })
    }

    /// Opens a file whose bytes come from anywhere; `path` is for messages. Header and index are read now, everything else when it
    /// is needed. Of a file of several volumes ([`NeuralDataset`]) [`OpenOptions`] choose one.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_source(
        source: Arc<dyn ReadAt>,
        path: impl AsRef<Path>,
        options: impl Into<OpenOptions>,
    ) -> Result<Self> {
        let (path, options) = (path.as_ref(), options.into());
        let file_bytes = source.length().map_err(|e| Error::io(path, e))?;
        let (array, component, step) = (options.array.clone(), options.component, options.time_step);
        if (&array, component, step) == (&None, None, None)
            && let File::Volume(contents) = File::read(source.clone(), path)?
        {
            return Self::of_contents(*contents, None, path, file_bytes, options);
        }
        NeuralDataset::open_source(source, path, options)?.choose(array.as_deref(), component, step)
    }

    /// `base` has the samples that another component's differences are from.
    pub(crate) fn of_contents(
        contents: Contents,
        base: Option<IntegerBricks>,
        path: &Path,
        file_bytes: u64,
        options: OpenOptions,
    ) -> Result<Self> {
        let Contents { description, body, mask, ranges, following } = contents;
        let needed = [
            (description.stored_bytes(), options.limits.volume_bytes, "its volume has"),
            (
                body.as_ref().map_or(0, Body::decoding_bytes),
                options.limits.memory_bytes,
                "decoding any of it takes about",
            ),
        ];
        for (bytes, limit, what) in needed {
            if bytes > limit {
                let what = format!(
                    "{what} {bytes} bytes, which exceeds the limit of {limit} bytes; raise `limits` if the file \
                     is to be trusted"
                );
                return Err(too_large(path, bytes, &what));
            }
        }
        let most_bytes = usize::try_from(options.limits.memory_bytes).unwrap_or(usize::MAX);
        let most_bytes = options.block_bytes.unwrap_or(usize::MAX).min(most_bytes);
        let scale = ValueScale::new(description.range, description.sample_type);
        let (model, bricks) = match body {
            Some(Body::Network(model)) => (Some(model), None),
            Some(Body::Latents(streams)) => {
                (None, Some(BrickReader::of_latents(streams, description.shape, scale, most_bytes)))
            }
            Some(Body::Corrected(streams, residuals)) => {
                let fill_value = description.fill_value;
                (None, Some(BrickReader::of_corrected(streams, residuals, scale, fill_value, most_bytes)))
            }
            Some(Body::Integers(bricks)) => (None, Some(BrickReader::of_integers(bricks, None))),
            Some(Body::Differences(..)) if base.is_none() => {
                let what =
                    "its samples are differences to another component's, which is in the file that it was in";
                return Err(Error::Section {
                    path: path.to_owned(),
                    section: "DIFF".into(),
                    what: what.into(),
                });
            }
            Some(Body::Differences(_, bricks)) => (None, Some(BrickReader::of_integers(bricks, base))),
            None => (None, None),
        };
        Ok(Self {
            path: path.to_owned(),
            file_bytes,
            held: 0,
            description,
            model,
            bricks,
            mask: mask.map(MaskReader::new),
            ranges,
            following,
            cell_ranges: OnceLock::new(),
            engine: options.engine()?,
            evaluator: OnceLock::new(),
            cache: None,
            evaluated: AtomicU64::new(0),
        }
        .with_cache(options.cache_bytes))
    }

    /// True where the description is that of the step before.
    #[cfg(feature = "train")]
    pub(crate) fn is_described_by_before(&self) -> bool {
        self.following.as_ref().is_some_and(|following| following.same_description.is_some())
    }

    /// What the next step of a series is read by, where its grid may be coded by this one's.
    pub(crate) fn as_step_before(&self) -> Option<StepBefore> {
        let reader = self.bricks.as_ref()?.shared_reader()?;
        Some(StepBefore { description: Arc::new(self.description.clone()), reader })
    }

    /// Keeps up to `bytes` of decoded voxels for the regions to come; 0 keeps none.
    #[must_use]
    pub fn with_cache(self, bytes: usize) -> Self {
        Self { cache: (bytes > 0).then(|| ChunkCache::new(bytes)), ..self }
    }

    /// What was computed since the file was opened, counted where it is computed.
    ///
    /// Of a network: voxels and points that it was evaluated at. Of a latent grid or of integers: voxels that were decoded
    /// to samples, each as often as it was; for scattered points those are the bricks around them, and for every n-th voxel
    /// of a region all voxels between them. Of a latent grid's level of detail, its own samples. What a cache had is not
    /// counted, nor what the entropy decoder reads ahead of the samples: of a latent grid the coarse levels, once, and the
    /// blocks of 128^3 voxels that a request meets.
    pub fn evaluated(&self) -> u64 {
        self.evaluated.load(Ordering::Relaxed) + self.bricks.as_ref().map_or(0, BrickReader::decoded)
    }

    /// What the file says of the volume.
    pub fn info(&self) -> &Description {
        &self.description
    }

    /// The file's size.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Bytes in the stored type by bytes of the file.
    pub fn ratio(&self) -> f64 {
        self.description.stored_bytes() as f64 / self.file_bytes as f64
    }

    /// Bytes as float32 by bytes of the file: what papers print.
    pub fn ratio_f32(&self) -> f64 {
        4.0 * self.description.voxels() as f64 / self.file_bytes as f64
    }

    /// The model in one line.
    pub fn model_summary(&self) -> String {
        match &self.model {
            None => self.bricks.as_ref().map_or("constant".into(), BrickReader::describe),
            Some(stored) => stored.model.describe(),
        }
    }

    /// Number of the network's parameters; 0 where the file has none.
    pub fn parameter_count(&self) -> usize {
        self.model.as_ref().map_or(0, |stored| stored.model.parameter_count())
    }

    /// Bytes that the model takes in memory once samples were read: the coded file, the decoded field, and decoded bricks
    /// where there are any. Decodes nothing: before the first sample, an engine's own copies of the network (some
    /// kilobytes) are left out.
    pub fn memory_bytes(&self) -> usize {
        let coded = self.model.as_ref().map_or(0, |model| model.streams().memory_bytes());
        let bricks =
            self.bricks.as_ref().map_or(0, |bricks| bricks.stream_bytes() + bricks.most_cache_bytes());
        let field = self.evaluator.get().map_or(4 * self.parameter_count(), |evaluator| evaluator.bytes());
        let ranges = self.ranges.as_ref().map_or(0, |ranges| ranges.streams().memory_bytes())
            + self.cell_ranges.get().map_or(0, |ranges| size_of_val(&ranges.ranges[..]));
        self.held + coded + bricks + field + ranges
    }

    /// Edge in voxels of the cells of whose values the file has the ranges, so that pictures decode only those that show anything;
    /// `None` where it has none. Files have them where they take a two-hundredth of their bytes at most.
    pub fn range_cells(&self) -> Option<usize> {
        self.ranges.as_ref().map(|ranges| ranges.grid().edge)
    }

    /// The ranges of the volume's cells, where the file has them; decoded once.
    pub(crate) fn cell_ranges(&self) -> Result<Option<&CellRanges>> {
        let Some(stored) = &self.ranges else { return Ok(None) };
        if let Some(ranges) = self.cell_ranges.get() {
            return Ok(Some(ranges));
        }
        // A picture needs some bytes more of each than what is decoded.
        self.check_room(8 * stored.grid().len() as u64)?;
        let ranges = stored.decode().map_err(|fault| self.fault("RANG", fault))?;
        Ok(Some(self.cell_ranges.get_or_init(|| ranges)))
    }

    /// `None` where the file has no network.
    fn evaluator(&self) -> Result<Option<&dyn Evaluator>> {
        let Some(model) = &self.model else { return Ok(None) };
        if let Some(evaluator) = self.evaluator.get() {
            return Ok(Some(evaluator.as_ref()));
        }
        // Not inside `get_or_init`: a caller's own pool may run a second caller on this thread while the engine's
        // threads decode, and that one would wait for itself. At worst two decode, and the first one's result is kept.
        self.check_room(model.decoding_bytes())?;
        let field = self.engine.install(|| model.decode()).map_err(|fault| self.fault("MODL", fault))?;
        let evaluator = self.engine.evaluator(&field)?;
        Ok(Some(self.evaluator.get_or_init(|| evaluator).as_ref()))
    }

    fn fault(&self, section: &str, fault: Fault) -> Error {
        fault.of(&self.path, section)
    }

    fn too_large(&self, bytes: u64, what: &str) -> Error {
        too_large(&self.path, bytes, what)
    }

    /// Asks the system for memory that decoding takes and gives it back: an allocation that fails in the midst of it would
    /// end the process.
    fn check_room(&self, bytes: u64) -> Result<()> {
        let is_there = |bytes: usize| Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
        if usize::try_from(bytes).is_ok_and(is_there) {
            return Ok(());
        }
        let what = format!("decoding any of it takes about {bytes} bytes, which this machine does not have");
        Err(self.too_large(bytes, &what))
    }

    fn scale(&self) -> ValueScale {
        ValueScale::new(self.description.range, self.description.sample_type)
    }
}

fn too_large(path: &Path, bytes: u64, what: &str) -> Error {
    Error::TooLarge { bytes, what: format!("{}: {what}", path.display()) }
}
