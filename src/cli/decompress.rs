//! `neuvol decompress`.

use super::Placement;
use super::input::NeuralArguments;
use super::like::{self, LikeArguments};
use super::{interrupt, report};
use anyhow::Result;
use neuvol::Region;
use std::path::PathBuf;
use std::time::Instant;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The .nvol file.
    input: PathBuf,
    #[command(flatten)]
    from: NeuralArguments,
    /// The file to write: .vti, .nii, .nii.gz, .nrrd, .mha, .mhd, .npy or .raw; a folder (a name that ends in /) becomes a
    /// DICOM series. An existing file is replaced.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Take every N-th voxel along each axis.
    #[arg(long, value_name = "N", default_value_t = 1)]
    stride: usize,
    /// A coarser level of detail: 1 has half as many samples along each axis, 2 a quarter, filtered; `info` lists them.
    #[arg(long, value_name = "K", default_value_t = 0, conflicts_with_all = ["stride", "float"])]
    level: usize,
    /// Write float32 whatever the stored type is.
    #[arg(long)]
    float: bool,
    #[command(flatten)]
    like: LikeArguments,
}

pub(super) fn run(arguments: &Arguments, place: Placement) -> Result<()> {
    interrupt::listen();
    let original = arguments.like.read(&arguments.output)?;
    let start = Instant::now();
    let neural = arguments.from.open(&arguments.input, place)?;
    let region = Region::whole(neural.info().shape);
    let volume = if arguments.level > 0 {
        let shape = neural.levels().get(arguments.level).map_or(region.end, |level| level.shape);
        neural.read_level(arguments.level, Region::whole(shape))?
    } else if arguments.float {
        neural.read_region_f32(region, arguments.stride)?
    } else {
        neural.read_region(region, arguments.stride)?
    };
    let seconds = start.elapsed().as_secs_f64();
    interrupt::check()?;
    like::save(&volume, &arguments.output, original.as_ref())?;
    say!("{}", arguments.output.display());
    say!(
        "  volume    {} {}, decoded in {seconds:.2} s ({:.1} Mvoxel/s)",
        report::dims(volume.shape()),
        volume.sample_type(),
        volume.len() as f64 / seconds / 1e6
    );
    Ok(())
}
