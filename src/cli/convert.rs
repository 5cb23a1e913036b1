//! `neuvol convert`.

use super::input::InputArguments;
use super::like::{self, LikeArguments};
use super::{interrupt, report};
use anyhow::Result;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// A DICOM series folder, a DICOMDIR, a folder of TIFF files or a volume file.
    input: PathBuf,
    /// The file to write: .vti, .nii, .nii.gz, .nrrd, .mha, .mhd, .npy or .raw; a folder (a name that ends in /) becomes
    /// a DICOM series. An existing file is replaced. A series over time gives a file a step: NAME_0000.nii, ...
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    from: InputArguments,
    #[command(flatten)]
    like: LikeArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    interrupt::listen();
    let original = arguments.like.read(&arguments.output)?;
    arguments.from.each_step(&arguments.input, &arguments.output, |volume, output| {
        interrupt::check()?;
        like::save(&volume, &output, original.as_ref())?;
        say!("{}", output.display());
        let bytes = report::bytes(volume.stored_bytes());
        say!("  volume    {} {}, {bytes}", report::dims(volume.shape()), volume.sample_type());
        report::say_array(&volume)?;
        Ok(())
    })
}
