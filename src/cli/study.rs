//! `neuvol study`.

use super::Placement;
use super::interrupt;
use super::progress::Bar;
use anyhow::Result;
use clap::ValueEnum;
use neuvol::study::{self, Event, Study, StudyOptions};
use std::ops::ControlFlow;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Which of the paper's experiments.
    #[arg(value_enum)]
    study: StudyName,
    /// The folder of the volumes, named as the paper names them: tooth.raw with tooth.json, tooth_103x94x161_uint8.raw,
    /// engine.nrrd, ... A folder `volumes` in it counts too.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The folder to write to; neuvol-study/STUDY when absent.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// For a CPU: 5 epochs of batches of 2^13, small volumes only.
    #[arg(long)]
    quick: bool,
    /// Only this volume, in the paper's table or not; may be given several times.
    #[arg(long = "volume", value_name = "NAME")]
    volumes: Vec<String>,
    /// Passes over all voxels [50; 5 with --quick].
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Samples of a step [65536; 8192 with --quick].
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Seed of every random choice.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A Python interpreter with numpy, h5py and hdf5plugin, for SPERR, SZ3 and ZFP; that of NEUVOL_PYTHON when absent.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Table 2 without Neurcomp, whose training takes most of the time.
    #[arg(long)]
    without_neurcomp: bool,
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum StudyName {
    /// Figure 2: quality against training time for five encodings.
    Encodings,
    /// Figure 3: error against epochs for combinations of F and T.
    Hyperparameters,
    /// Figure 6: PSNR against ratio.
    Ratio,
    /// Table 2: Neurcomp, the paper's method, neuvol's own storage, other compressors.
    Table2,
}

pub(super) fn run(arguments: &Arguments, place: Placement) -> Result<()> {
    interrupt::listen();
    let study = match arguments.study {
        StudyName::Encodings => Study::Encodings,
        StudyName::Hyperparameters => Study::Hyperparameters,
        StudyName::Ratio => Study::Ratio,
        StudyName::Table2 => Study::Table2,
    };
    let from_environment = || std::env::var_os("NEUVOL_PYTHON").filter(|v| !v.is_empty()).map(PathBuf::from);
    let options = StudyOptions {
        data: arguments.data.clone(),
        output: arguments.output.clone().unwrap_or_else(|| PathBuf::from("neuvol-study").join(study.name())),
        volumes: arguments.volumes.clone(),
        quick: arguments.quick,
        epochs: arguments.epochs,
        batch: arguments.batch,
        seed: arguments.seed,
        threads: 0,
        device: place.device,
        python: arguments.python.clone().or_else(from_environment),
        without_neurcomp: arguments.without_neurcomp,
    };
    let mut bar = Bar::new();
    let report = study::run(study, &options, &mut |event| {
        if interrupt::asked() {
            return ControlFlow::Break(());
        }
        match event {
            Event::Training(progress) => return bar.show(progress),
            Event::Begins(what) => {
                bar = Bar::new();
                log::info!("{what}");
            }
            // Progress goes where the bar is: standard output is for the result.
            Event::Result(line) => {
                bar = Bar::new();
                eprintln!("{line}");
            }
        }
        ControlFlow::Continue(())
    })?;
    drop(bar);
    say!("{}", report.markdown);
    for file in report.files.iter().filter(|f| f.extension().is_none_or(|e| e != "nvol")) {
        say!("{}", file.display());
    }
    Ok(())
}
