//! `neuvol decompress`.

use super::Placement;
use super::input::{NeuralArguments, numbered};
use super::like::{self, LikeArguments};
use super::memory::MemoryArguments;
use super::progress::PartsBar;
use super::{interrupt, report};
use anyhow::Result;
use neuvol::NeuralVolume;
use neuvol::io::ArraySources;
use neuvol::sample::DecodedSource;
use neuvol::volume::{SampleType, Samples, Source, VolumeHeader};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
    memory: MemoryArguments,
    #[command(flatten)]
    like: LikeArguments,
}

pub(super) fn run(arguments: &Arguments, place: Placement) -> Result<()> {
    interrupt::listen();
    let original = arguments.like.read(&arguments.output)?;
    let index = arguments.from.open_dataset(&arguments.input, place, None)?;
    let chosen = arguments.from.chosen(&index, &arguments.input)?;
    let components =
        |array: usize| chosen.components.clone().unwrap_or(0..index.arrays()[array].components.len());
    let count: usize = chosen.arrays.clone().map(|array| components(array).len()).sum();
    if count > 1 {
        neuvol::io::check_arrays_output(&arguments.output)?;
    }
    let block_bytes = arguments.memory.block_bytes(count);
    let file = arguments.from.open_dataset(&arguments.input, place, Some(block_bytes))?;
    let bar = PartsBar::of("writing");
    let options = arguments.memory.save_options(&bar);
    let numbered_steps = chosen.steps.len() > 1;
    for step in chosen.steps.clone() {
        let time = DecodingTime::default();
        let mut volumes: Vec<Vec<NeuralVolume>> = Vec::new();
        for array in chosen.arrays.clone() {
            let of_array = components(array).map(|component| file.volume(array, component, step));
            volumes.push(of_array.collect::<neuvol::Result<_>>()?);
        }
        let mut arrays = Vec::new();
        for (array, volumes) in chosen.arrays.clone().zip(&volumes) {
            let info = &file.arrays()[array];
            let timed = |volume| -> Result<Box<dyn Source + '_>> {
                Ok(Box::new(Timed { source: arguments.decoded(volume)?, time: &time }))
            };
            arrays.push(ArraySources {
                name: info.name.clone(),
                component_names: info.components[components(array)].to_vec(),
                components: volumes.iter().map(timed).collect::<Result<_>>()?,
            });
        }
        let output =
            if numbered_steps { numbered(&arguments.output, step) } else { arguments.output.clone() };
        let header = arrays[0].components[0].header();
        match arrays.as_slice() {
            [ArraySources { components, .. }] if components.len() == 1 => {
                like::save(components[0].as_ref(), &output, original.as_ref(), &options)?;
            }
            _ => neuvol::io::save_array_sources(&arrays, &output, &options)?,
        }
        bar.hide();
        let several = if count == 1 { String::new() } else { format!("{count} of ") };
        say!("{}", output.display());
        say!(
            "  volume    {several}{} {}, decoded in {:.2} s ({:.1} Mvoxel/s)",
            report::dims(header.shape),
            header.sample_type,
            time.seconds(),
            time.voxels() / time.seconds() / 1e6
        );
    }
    Ok(())
}

impl Arguments {
    /// What of a volume is written.
    fn decoded<'a>(&self, neural: &'a NeuralVolume) -> Result<DecodedSource<'a>> {
        let sample_type = if self.float { SampleType::F32 } else { neural.info().sample_type };
        Ok(match self.level {
            0 => neural.strided(self.stride, sample_type)?,
            level => neural.at_level(level)?,
        })
    }
}

/// How long decoding has taken, and of how many voxels.
#[derive(Default)]
struct DecodingTime {
    nanoseconds: AtomicU64,
    voxels: AtomicU64,
}

impl DecodingTime {
    fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64()
    }

    fn voxels(&self) -> f64 {
        self.voxels.load(Ordering::Relaxed) as f64
    }
}

/// A source whose decoding is timed, and ends when the user wants it to.
struct Timed<'a> {
    source: DecodedSource<'a>,
    time: &'a DecodingTime,
}

impl Source for Timed<'_> {
    fn header(&self) -> VolumeHeader {
        self.source.header()
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> neuvol::Result<Samples> {
        interrupt::check()?;
        let begin = Instant::now();
        let samples = self.source.read(start, size)?;
        self.time.nanoseconds.fetch_add(begin.elapsed().as_nanos() as u64, Ordering::Relaxed);
        self.time.voxels.fetch_add(samples.len() as u64, Ordering::Relaxed);
        Ok(samples)
    }
}
