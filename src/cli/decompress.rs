//! `neuvol decompress`.

use super::Placement;
use super::input::{NeuralArguments, numbered};
use super::like::{self, LikeArguments};
use super::{interrupt, report};
use anyhow::Result;
use neuvol::io::ArrayVolumes;
use neuvol::{NeuralVolume, Region, Volume};
use std::path::PathBuf;
use std::time::Instant;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The .nvol file.
    input: PathBuf,
    #[command(flatten)]
    from: NeuralArguments,
    /// The file to write: .vti, .nii, .nii.gz, .nrrd, .mha, .mhd, .npy or .raw; a folder (a name that ends in /) becomes a
    /// DICOM series. An existing file is replaced. Several arrays and components go into one .vti file; several time steps
    /// give a file a step: NAME_0000.vti, ...
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
    let file = arguments.from.open_dataset(&arguments.input, place)?;
    let chosen = arguments.from.chosen(&file, &arguments.input)?;
    let components = |array: usize| file.arrays()[array].components.len();
    if chosen.arrays.len() > 1 || chosen.components.is_none() && components(chosen.arrays.start) > 1 {
        neuvol::io::check_arrays_output(&arguments.output)?;
    }
    let numbered_steps = chosen.steps.len() > 1;
    for step in chosen.steps.clone() {
        let start = Instant::now();
        let mut arrays = Vec::new();
        for array in chosen.arrays.clone() {
            let info = &file.arrays()[array];
            let components = chosen.components.clone().unwrap_or(0..info.components.len());
            let component_names = info.components[components.clone()].to_vec();
            let mut volumes = Vec::new();
            for component in components {
                interrupt::check()?;
                volumes.push(arguments.decode(&file.volume(array, component, step)?)?);
            }
            arrays.push(ArrayVolumes { name: info.name.clone(), component_names, components: volumes });
        }
        let seconds = start.elapsed().as_secs_f64();
        interrupt::check()?;
        let output =
            if numbered_steps { numbered(&arguments.output, step) } else { arguments.output.clone() };
        match arrays.as_slice() {
            [ArrayVolumes { components, .. }] if components.len() == 1 => {
                like::save(&components[0], &output, original.as_ref())?;
            }
            _ => neuvol::io::save_arrays(&arrays, &output)?,
        }
        let volumes: Vec<&Volume> = arrays.iter().flat_map(|array| &array.components).collect();
        let voxels: usize = volumes.iter().map(|volume| volume.len()).sum();
        let several = if volumes.len() == 1 { String::new() } else { format!("{} of ", volumes.len()) };
        say!("{}", output.display());
        say!(
            "  volume    {several}{} {}, decoded in {seconds:.2} s ({:.1} Mvoxel/s)",
            report::dims(volumes[0].shape()),
            volumes[0].sample_type(),
            voxels as f64 / seconds / 1e6
        );
    }
    Ok(())
}

impl Arguments {
    fn decode(&self, neural: &NeuralVolume) -> Result<Volume> {
        let region = Region::whole(neural.info().shape);
        Ok(if self.level > 0 {
            let shape = neural.levels().get(self.level).map_or(region.end, |level| level.shape);
            neural.read_level(self.level, Region::whole(shape))?
        } else if self.float {
            neural.read_region_f32(region, self.stride)?
        } else {
            neural.read_region(region, self.stride)?
        })
    }
}
