//! The command line: one file per sub-command.

/// Prints a line, or ends the command with the error: a reader that went away is no error (see `main`).
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($line)*)?
    }};
}

mod compare;
mod compress;
mod convert;
mod decompress;
mod demo;
mod devices;
mod flags;
mod focus;
mod info;
mod input;
mod interrupt;
mod like;
mod memory;
mod plot;
mod progress;
mod render;
mod report;
mod sample;
mod series;
mod several;
mod slice;
mod streamed;
mod study;
mod verify;

use clap::{Parser, Subcommand};
use neuvol::engine::device::Device;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// Quality-targeted compression of volumes (CT, MR, simulation fields): any slice, region or point is read without decoding
/// the whole file.
#[derive(Parser)]
#[command(name = "neuvol", version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Threads to use; 0: one a core.
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    threads: usize,
    /// Where .nvol files are evaluated: auto (a CUDA device that can be used, else the CPU), cpu, cuda or cuda:N.
    #[arg(long, global = true, default_value_t = Device::Auto, value_name = "DEVICE")]
    device: Device,
    /// Say more (-v: steps of the work, -vv: details).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a file could not be read or written, is damaged, or is larger than memory or a limit; a device cannot be used
  2    the command line is wrong
  3    the target cannot be met by this volume
  130  interrupted; nothing was written";

#[derive(Subcommand)]
enum Command {
    /// Compress a DICOM series folder or a volume file into a .nvol file; lossy, unless --lossless.
    Compress(Box<compress::Arguments>),
    /// Read whole .nvol files and compare all checksums; damaged parts are named.
    Verify(verify::Arguments),
    /// Convert between formats, without compressing: a DICOM series to .nii.gz, .vti to NRRD, anything to DICOM.
    Convert(convert::Arguments),
    /// Write a .nvol file back as .vti, .nii, .nii.gz, .nrrd, .mha, .mhd, .npy, .raw or a DICOM series.
    Decompress(decompress::Arguments),
    /// Show what a .nvol file holds.
    Info(info::Arguments),
    /// Compare a decoded volume (or a .nvol file) with its original.
    Compare(compare::Arguments),
    /// Print the volume's value at points.
    Sample(sample::Arguments),
    /// Write one slice as a PNG picture.
    Slice(slice::Arguments),
    /// Render a picture straight from a .nvol file, or from any volume.
    Render(Box<render::Arguments>),
    /// List the DICOM series of a folder: modality, description, size; nothing of the patient unless asked.
    Series(series::Arguments),
    /// List the devices that can evaluate .nvol files, and why CUDA cannot.
    Devices(devices::Arguments),
    /// Make a phantom CT series, compress it, and show what came out.
    Demo(demo::Arguments),
    /// Run the paper's experiments on the volumes of a folder: CSV, pictures, a table beside the printed values.
    Study(study::Arguments),
    /// Draw curves that a JSON file describes, for `cargo xtask rd`.
    #[command(hide = true)]
    Plot(plot::Arguments),
}

/// Where a command works.
#[derive(Debug, Clone, Copy)]
struct Placement {
    device: Device,
}

/// Runs the command; errors go to standard error, one sentence each.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = match cli.verbose {
        0 => log::LevelFilter::Warn,
        1 => log::LevelFilter::Info,
        _ => log::LevelFilter::Debug,
    };
    start_logging(level);
    // Everything works on rayon's own threads: one pool, of as many as the user allows.
    if let Err(e) = rayon::ThreadPoolBuilder::new().num_threads(cli.threads).build_global() {
        log::warn!("the number of threads could not be set: {e}");
    }
    let place = Placement { device: cli.device };
    let result = match cli.command {
        Command::Compress(arguments) => compress::run(&arguments, place),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Decompress(arguments) => decompress::run(&arguments, place),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Info(arguments) => info::run(&arguments, place),
        Command::Compare(arguments) => compare::run(&arguments, place),
        Command::Sample(arguments) => sample::run(&arguments, place),
        Command::Slice(arguments) => slice::run(&arguments, place),
        Command::Render(arguments) => render::run(&arguments, place),
        Command::Series(arguments) => series::run(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments, place),
        Command::Study(arguments) => study::run(&arguments, place),
        Command::Plot(arguments) => plot::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // `neuvol sample ... | head` is no failure of ours.
        Err(e) if is_broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("neuvol: {}", flags::with_flags(&format!("{e:#}")));
            ExitCode::from(exit_code(&e))
        }
    }
}

/// Messages go to standard error, each with its level; a warning once, however often a file is opened.
fn start_logging(level: log::LevelFilter) {
    let warned: Mutex<BTreeSet<String>> = Mutex::default();
    let write = move |out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>| {
        let message = flags::with_flags(&record.args().to_string());
        let is_warning = record.level() == log::Level::Warn;
        if is_warning && !warned.lock().unwrap_or_else(PoisonError::into_inner).insert(message.clone()) {
            return Ok(());
        }
        writeln!(out, "[{:<5}] {message}", record.level())
    };
    env_logger::Builder::new().filter_level(level).format(write).init();
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<neuvol::Error>() {
        Some(neuvol::Error::Options(_)) => 2,
        Some(neuvol::Error::Target { .. }) => 3,
        Some(neuvol::Error::Interrupted) => 130,
        _ => 1,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::BrokenPipe)
}
