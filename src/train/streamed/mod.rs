//! Volumes larger than memory, compressed box by box.
//!
//! The volume is read several times: for its range, for a sample of blocks on which the step is searched for, and once or twice
//! for each pass over all of it. Blocks are coded on all threads and go to a temporary file beside the output, out of which the
//! finished file is written. Several processes code a share of the blocks each. The bytes depend on the volume and the options alone,
//! neither on the memory nor on the threads or the processes.

mod grid;
mod integers;
mod latents;
mod measure;
mod sample;
mod survey;
mod together;

use super::options::{CompressOptions, Representation, Target};
use super::progress::{Progress, Reporter};
use super::ranges::{self, RangesMeter};
use super::target::Aim;
use super::{MAX_VOXELS, check_range, warn_if_outside_window};
use crate::atomic;
use crate::container::{Achieved, Body, Contents, Description, IntegerBricks, MaskBricks};
use crate::engine::TrainingEngine;
use crate::error::{Error, Result};
use crate::latents::{BLOCK_EDGE, MOST_IN_MEMORY, givers};
use crate::metrics::{Distortion, Fidelity};
use crate::processes::{Group, Shares, gather};
use crate::sample::{Limits, NeuralVolume, OpenOptions};
use crate::volume::{Source, VolumeHeader};
use sample::SampleBlocks;
use std::fs::File;
use std::ops::ControlFlow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use survey::Survey;
pub use together::{Part, compress_together};

/// Bytes that compression needs at least, up to about 1024^3 voxels; see [`least_memory`].
pub const LEAST_MEMORY: u64 = 384 << 20;

/// Bytes of what a coarse block leaves to those below it, about.
const CONTEXT_BYTES: u64 = 2_300_000;

/// Volumes of more voxels than this are to be compressed with [`compress_source`]: others take less than about 1.4 GB in memory,
/// and are smaller as files there. The bound is the same on every machine, and so are the files.
pub const MOST_VOXELS_IN_MEMORY: u64 = 1 << 27;

/// What became of a volume that was compressed from its source.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CompressedSource {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Measured with the shipped decoder, against the source.
    pub distortion: Distortion,
    /// The same beside the noise of a sample of blocks, and the mean error; similarity, the place of the largest error and errors by
    /// value are not measured.
    pub fidelity: Fidelity,
    /// Bytes in the stored type by bytes of the file.
    pub ratio: f64,
    /// Bytes as float32 by bytes of the file.
    pub ratio_f32: f64,
    /// The model in one line.
    pub model: String,
}

/// What a process tells its caller and the other processes.
struct Run<'a> {
    reporter: Reporter<'a>,
    group: &'a Group<'a>,
}

/// What is compressed, and how.
struct Task<'a> {
    source: &'a dyn Source,
    path: &'a Path,
    options: &'a CompressOptions,
    memory_bytes: u64,
}

/// A volume in the making.
struct Making<'a> {
    source: &'a dyn Source,
    header: VolumeHeader,
    options: &'a CompressOptions,
    engine: Arc<dyn TrainingEngine>,
    /// Where temporary files lie; that of the system where `None`.
    folder: Option<std::path::PathBuf>,
    path: &'a Path,
    memory_bytes: u64,
    /// The blocks of the finest tier that this process reads, codes and measures.
    share: Range<usize>,
    survey: Survey,
    mask: Option<MaskBricks>,
    noise: Option<f64>,
}

/// Compresses a volume that is read box by box into a file, within about `memory_bytes` of memory beside what the source
/// itself holds. Of representations, integers and latent grids without a perceptron are known here.
///
/// Quality by value and similarity are not measured: the file has its RMS, mean and largest error, and the noise of a sample.
///
/// # Errors
/// As for [`compress`](super::compress); [`Error::TooLarge`] when the memory does not suffice; [`Error::Io`]. An existing
/// file is untouched then.
pub fn compress_source(
    source: &dyn Source,
    path: impl AsRef<Path>,
    options: &CompressOptions,
    memory_bytes: u64,
    mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<CompressedSource> {
    check(&source.header(), options, memory_bytes)?;
    let mut run = Run { reporter: Reporter::new(&mut observe, 0, 1), group: &Group::alone() };
    Task { source, path: path.as_ref(), options, memory_bytes }.compress(&mut run)
}

/// Whether a volume can be compressed box by box.
fn check(header: &VolumeHeader, options: &CompressOptions, memory_bytes: u64) -> Result<()> {
    options.check()?;
    if matches!(options.representation(), Representation::Network(_)) {
        let what = "a volume that is read box by box cannot become a network; leave the model's options out";
        return Err(Error::Options(what.into()));
    }
    if options.focus.is_some() {
        let what = "a volume that is read box by box cannot have a focus; leave it out";
        return Err(Error::Options(what.into()));
    }
    check_header(header)?;
    let needed = least_memory(header);
    if memory_bytes < needed {
        let what =
            format!("compressing this volume takes {needed} bytes of memory, `memory` allows {memory_bytes}");
        return Err(Error::TooLarge { bytes: needed, what });
    }
    Ok(())
}

impl Task<'_> {
    /// Makes the file: this process' share of it, and on the first process all of it.
    fn compress(self, run: &mut Run<'_>) -> Result<CompressedSource> {
        let Self { source, path, options, memory_bytes } = self;
        let header = source.header();
        let engine = options.device.training_engine(options.threads)?;
        let survey = Survey::of(source, &header, engine.as_ref(), run)?;
        let folder = if run.group.is_first() { Some(atomic::folder_of(path)?) } else { None };
        let blocks = header.shape.iter().map(|n| n.div_ceil(BLOCK_EDGE)).product();
        let share = Shares::new(blocks, run.group.size()).of(run.group.rank());
        let mut making = Making {
            source,
            header,
            options,
            engine,
            folder,
            path,
            memory_bytes,
            share,
            survey,
            mask: None,
            noise: None,
        };
        check_range(making.survey.range)?;
        making.mask = making.code_mask(run.group)?;
        let constant = making.survey.range.is_none_or(|(low, high)| low == high);
        let sample = if constant { None } else { Some(SampleBlocks::read(&making, run.group)?) };
        making.noise = sample.as_ref().and_then(|sample| sample.noise);
        let contents = match options.target {
            Target::Lossless => making.exact(run)?,
            Target::MaxError(bound) if !constant => making.bounded(bound, run)?,
            _ => match sample {
                Some(sample) => making.latents(sample, run)?,
                None => making.contents(None),
            },
        };
        making.finish(contents, run.group)
    }
}

/// Bytes of memory that compressing a volume box by box takes at least: for the first of its coarser grids that is kept in memory, the
/// means of its cells, and the contexts of a layer of coarse blocks (docs/cli.md has the plan).
pub fn least_memory(header: &VolumeHeader) -> u64 {
    let voxels = header.voxels();
    let mut low = voxels / 64;
    while low > MOST_IN_MEMORY as u64 {
        low /= 64;
    }
    let coarse_blocks = |a: usize| header.shape[a].div_ceil(4 * BLOCK_EDGE) as u64;
    LEAST_MEMORY.max(7 * low + voxels / 1024 + CONTEXT_BYTES * coarse_blocks(0) * coarse_blocks(1))
}

fn check_header(header: &VolumeHeader) -> Result<()> {
    let fits = header.shape.iter().all(|&n| n > 0 && u32::try_from(n).is_ok());
    if !fits || header.voxels() > MAX_VOXELS {
        let what = format!("a volume of {:?} samples is beyond what a file holds", header.shape);
        return Err(Error::Options(what));
    }
    Ok(())
}

impl Making<'_> {
    fn temporary(&self) -> Result<File> {
        let file = self.folder.as_ref().map_or_else(tempfile::tempfile, tempfile::tempfile_in);
        file.map_err(|e| Error::io(self.path, e))
    }

    /// What the file says beside the samples; nothing is measured yet.
    fn contents(&self, body: Option<Body>) -> Contents {
        let achieved = Achieved { noise: self.noise, ..Achieved::default() };
        let asked = self.options.asked_for();
        let description = Description::of_header(self.header.clone(), self.survey.range, asked, achieved);
        Contents { description, body, mask: self.mask.clone(), ranges: None, following: None }
    }

    /// Adds the ranges of cells, where they take little.
    fn put_ranges(&self, contents: &mut Contents, ranges: Option<RangesMeter>) {
        let most = self.options.target.byte_budget(self.header.stored_bytes());
        let room = ranges::room(contents.bytes(), most);
        contents.ranges = ranges.and_then(|ranges| ranges.within(room));
    }

    /// Opens what is to become the file.
    fn open(&self, contents: Contents) -> Result<NeuralVolume> {
        let bytes = contents.bytes();
        // What is decoded and kept has a part of the memory.
        let limits = Limits { memory_bytes: self.memory_bytes / 4, ..Limits::none() };
        let engine: Arc<dyn crate::engine::Engine> = self.engine.clone();
        let options = OpenOptions { limits, ..OpenOptions::from(engine) };
        NeuralVolume::of_contents(contents, None, self.path, bytes, options)
    }

    /// Measures the file, and writes it on the first process.
    fn finish(self, mut contents: Contents, group: &Group<'_>) -> Result<CompressedSource> {
        let draft = self.open(contents.clone())?;
        let model = draft.model_summary();
        if contents.description.achieved.rmse.is_nan() {
            let (fidelity, ranges) = self.measure(&draft, group)?;
            contents.put_achieved(&fidelity);
            self.put_ranges(&mut contents, ranges);
        }
        drop(draft);
        let mut fidelity = contents.description.fidelity();
        fidelity.distortion.voxels = self.header.voxels() - self.survey.masked;
        let distortion = fidelity.distortion;
        self.check(&distortion)?;
        let file_bytes = contents.bytes();
        self.bring_together(&mut contents, group)?;
        if group.is_first() {
            atomic::write(self.path, |out| contents.write(out).map_err(|e| Error::io(self.path, e)))?;
        }
        if let Some(aim) = Aim::new(self.options.target, self.header.stored_bytes()) {
            warn_if_outside_window(aim, distortion.psnr, file_bytes);
        }
        Ok(CompressedSource {
            file_bytes,
            distortion,
            fidelity,
            ratio: self.header.stored_bytes() as f64 / file_bytes as f64,
            ratio_f32: 4.0 * self.header.voxels() as f64 / file_bytes as f64,
            model,
        })
    }

    /// Brings all streams to the first process.
    fn bring_together(&self, contents: &mut Contents, group: &Group<'_>) -> Result<()> {
        match &mut contents.body {
            Some(Body::Latents(latents)) => {
                let givers = givers(&latents.grid, group);
                latents.streams =
                    gather(&latents.streams, || self.temporary(), group, |stream| givers[stream])?;
            }
            Some(Body::Integers(integers)) => {
                let streams =
                    gather(integers.streams(), || self.temporary(), group, self.owners_of_bricks(group))?;
                *integers = IntegerBricks::of_streams(*integers.grid(), integers.scale(), streams);
            }
            _ => {}
        }
        Ok(())
    }

    /// A guarantee that the decoder does not keep is an error.
    fn check(&self, distortion: &Distortion) -> Result<()> {
        let most = match self.options.target {
            Target::Lossless => 0.0,
            Target::MaxError(bound) => bound,
            _ => return Ok(()),
        };
        if distortion.max_error <= most {
            return Ok(());
        }
        Err(Error::Target {
            asked: most,
            best: Some(distortion.max_error),
            what: format!("the largest error is {}, though {most} was asked for", distortion.max_error),
        })
    }
}
