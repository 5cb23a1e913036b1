//! The paper's experiments, run again on the volumes of a folder: figures 2, 3 and 6 and table 2 of Devkota & Pattanaik
//! 2023, beside what the paper prints and beside other compressors.
//!
//! Every file that a study writes names the settings, the version and the machine. PSNR is
//! `20 log10((max - min) / RMSE)` over the original's full range, decoded by the shipped decoder; ratios are against
//! float32, as the paper has them.

mod drawing;
mod encodings;
mod hyperparameters;
mod letters;
mod models;
mod paper;
mod peers;
mod plot;
mod ratio;
mod settings;
mod table;
mod table2;
mod volumes;
mod workbench;

use crate::engine::device::Device;
use crate::error::{Error, Result};
use crate::train::{FitOptions, Progress};
pub use drawing::draw;
use std::ops::ControlFlow;
use std::path::PathBuf;
use volumes::StudyVolume;
use workbench::Workbench;

/// The experiments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Study {
    /// Figure 2: quality against time for five encodings at one number of parameters.
    Encodings,
    /// Figure 3: error against epochs for combinations of F and T at one number of parameters.
    Hyperparameters,
    /// Figure 6: PSNR against ratio for the hash grid and Neurcomp.
    Ratio,
    /// Table 2: Neurcomp, the hash grid, our own storage and other compressors.
    Table2,
}

impl Study {
    /// The name of the study and of its files.
    pub fn name(self) -> &'static str {
        match self {
            Study::Encodings => "encodings",
            Study::Hyperparameters => "hyperparameters",
            Study::Ratio => "ratio",
            Study::Table2 => "table2",
        }
    }
}

/// How a study is run.
#[derive(Debug, Clone, Default)]
pub struct StudyOptions {
    /// The folder of the volumes, or one with a folder `volumes` in it.
    pub data: PathBuf,
    /// The folder to write to; it is made if it is not there.
    pub output: PathBuf,
    /// Volumes by name; those of the paper's table when empty.
    pub volumes: Vec<String>,
    /// For a CPU: 5 epochs of small batches, small volumes only.
    pub quick: bool,
    /// Epochs, in the place of 50, or of 5.
    pub epochs: Option<u32>,
    /// Samples of a step, in the place of 2^16, or of 2^13.
    pub batch: Option<usize>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Threads, 0: one a core.
    pub threads: usize,
    /// Where training runs.
    pub device: Device,
    /// A Python interpreter with numpy, h5py and hdf5plugin, for SPERR, SZ3 and ZFP.
    pub python: Option<PathBuf>,
    /// [`Study::Table2`] without Neurcomp, whose training takes most of the time.
    pub without_neurcomp: bool,
}

/// The paper's number of epochs, and what `quick` makes of it.
const EPOCHS: u32 = 50;
const QUICK_EPOCHS: u32 = 5;
/// Fewer epochs have fewer steps: smaller batches give some back.
const QUICK_BATCH: usize = 1 << 13;
/// Table 2 leaves out larger volumes when it has to be quick.
const QUICK_VOXELS: usize = 1 << 23;

impl StudyOptions {
    fn epochs(&self) -> u32 {
        self.epochs.unwrap_or(if self.quick { QUICK_EPOCHS } else { EPOCHS })
    }

    fn batch(&self) -> usize {
        self.batch.unwrap_or(if self.quick { QUICK_BATCH } else { FitOptions::BATCH })
    }
}

/// What a study is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// A piece of the work begins.
    Begins(&'a str),
    /// Training goes on.
    Training(&'a Progress),
    /// A result, in one line.
    Result(&'a str),
}

/// What a study found.
#[derive(Debug, Clone)]
pub struct Report {
    /// Settings and results, as in the `.md` file.
    pub markdown: String,
    /// The files that were written: CSV, Markdown, pictures, neural volumes.
    pub files: Vec<PathBuf>,
}

/// Runs a study. `observe` is told what is going on and stops the work by answering [`ControlFlow::Break`].
///
/// # Errors
/// [`Error::Options`] when the folder holds none of the volumes; [`Error::Interrupted`]; those of reading and writing.
pub fn run(
    study: Study,
    options: &StudyOptions,
    observe: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Report> {
    if !options.data.is_dir() {
        return Err(Error::Options(format!(
            "{}: there is no such folder of volumes",
            options.data.display()
        )));
    }
    if options.without_neurcomp && study != Study::Table2 {
        return Err(Error::Options("only table 2 can be made without Neurcomp".into()));
    }
    let mut found = StudyVolume::in_folder(&options.data, &options.volumes)?;
    if options.volumes.is_empty() {
        match study {
            Study::Table2 if options.quick => {
                found.retain(|f| f.voxels().is_none_or(|voxels| voxels <= QUICK_VOXELS));
            }
            Study::Table2 => {}
            // The paper's figure 2 is of this volume.
            Study::Encodings => {
                let skull = found.iter().position(|f| f.name == "Skull").filter(|_| !options.quick);
                found = match skull {
                    Some(skull) => vec![found.swap_remove(skull)],
                    None => StudyVolume::smallest(found),
                };
            }
            _ if options.quick => found = StudyVolume::smallest(found),
            _ => {}
        }
    }
    if found.is_empty() {
        return Err(Error::Options(format!(
            "{}: its volumes have more than {QUICK_VOXELS} voxels, too many for --quick; name one with --volume",
            options.data.display()
        )));
    }
    let mut bench = Workbench::new(study, options, observe)?;
    match study {
        Study::Encodings => encodings::run(&mut bench, &found),
        Study::Hyperparameters => hyperparameters::run(&mut bench, &found),
        Study::Ratio => ratio::run(&mut bench, &found),
        Study::Table2 => table2::run(&mut bench, &found),
    }
}
