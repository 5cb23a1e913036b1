//! `neuvol compress`.

use super::Placement;
use super::focus::FocusArguments;
use super::input::{InputArguments, default_output, parse_size};
use super::progress::{Bar, PartsBar};
use super::several::Several;
use super::streamed::Opened;
use super::{interrupt, memory, report, streamed};
use anyhow::Result;
use clap::ValueEnum;
use neuvol::Volume;
use neuvol::engine::Loss;
use neuvol::field::NetworkKind;
use neuvol::field::encoding::{AxisWise, EncodingKind, HashGridShape, Wave};
use neuvol::field::network::SineResidual;
use neuvol::io::Volumes;
use neuvol::train::{
    self, Architecture, CompressOptions, Compressed, EncodingOptions, MOST_VOXELS_IN_MEMORY, ModelOptions,
    Preset, Quality, Representation, Storage, Target,
};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// A DICOM series folder (searched recursively), a DICOMDIR, a folder of TIFF files or a volume file: DICOM, NIfTI,
    /// .vti, .pvti, .vtr, .vtk, NRRD, MetaImage, .npy, TIFF, raw.
    input: PathBuf,
    /// The .nvol file to write; beside the input when absent. An existing one is replaced. All arrays, components and time steps
    /// of the input go into it, each volume with the target's quality of its own; --ratio holds for each, --size for the
    /// file, of which each volume has an equal part.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    from: InputArguments,
    #[command(flatten)]
    how: HowArguments,
    /// Memory to stay within, about (k, M and G stand for thousands, millions and billions); half of the machine's when absent.
    /// The file does not depend on it. Volumes of more than 2^27 voxels are read box by box.
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    memory: Option<u64>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// What is asked of a compression.
#[derive(clap::Args, Debug)]
pub(super) struct HowArguments {
    /// Quality by the volume's own noise, the default target: standard, an RMS error equal to the noise, but at least 40 and at
    /// most 50 dB; fine, half the noise, but at least 46 and at most 56 dB; preview, 40 dB. Without noise the upper limit.
    #[arg(long, value_enum, group = "target", help_heading = "Target (one of)", value_name = "NAME")]
    quality: Option<QualityName>,
    /// Quality: at least DB decibels over the volume's full range.
    #[arg(long, value_name = "DB", group = "target", help_heading = "Target (one of)")]
    psnr: Option<f64>,
    /// Size: compression ratio, bytes of the stored samples divided by bytes of the file, at least N.
    #[arg(long, value_name = "N", group = "target", help_heading = "Target (one of)")]
    ratio: Option<f64>,
    /// Size: at most so many bytes; k and M stand for thousands and millions.
    #[arg(long, value_name = "BYTES", group = "target", value_parser = parse_size, help_heading = "Target (one of)")]
    size: Option<u64>,
    /// Guarantee: every voxel within E of the original, in the volume's unit, or within P % of the original's max - min.
    /// The file holds integers in bricks: the samples, or the residuals of a latent grid.
    #[arg(long, value_name = "E|P%", group = "target", value_parser = parse_bound, help_heading = "Target (one of)")]
    max_error: Option<Bound>,
    /// Guarantee: every sample is restored bit for bit, including -0.0 and the bits of NaNs (other targets restore NaN as
    /// NaN).
    #[arg(long, group = "target", help_heading = "Target (one of)")]
    lossless: bool,
    #[command(flatten)]
    focus: FocusArguments,
    /// How much time training may take.
    #[arg(long, value_enum, default_value_t = PresetName::Balanced)]
    preset: PresetName,
    /// What training minimises.
    #[arg(long, value_enum, default_value_t = LossName::L2)]
    loss: LossName,
    /// Seed of every random choice.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Series over time: every N-th step at least is coded by itself, the others by the step before where that is smaller, so that
    /// any step is decoded from N at most; 1: all by themselves.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    key_frames: u16,
    #[command(flatten)]
    model: ModelArguments,
}

const SIZES: &str = "Model's sizes (chosen from the budget when none is given)";

/// The model. Its sizes are all or nothing: what is not given then has the value shown.
#[derive(clap::Args, Debug)]
#[group(multiple = true)]
struct ModelArguments {
    /// What the file holds: latent-grid is wavelet coefficients that a perceptron reads, the others encode positions
    /// for a network. When absent, what is smaller, or a hash grid where an option of networks is given.
    #[arg(long, value_enum, help_heading = "Model")]
    encoding: Option<EncodingName>,
    /// The network behind an encoding of positions [mlp]; sine-residual is Neurcomp's, which goes with identity.
    #[arg(long, value_enum, help_heading = "Model")]
    network: Option<NetworkName>,
    /// How parameters are stored: half is binary16 without coding, to compare with; its sizes are few, so that a target
    /// is not exceeded, but may be missed by far.
    #[arg(long, value_enum, default_value_t = StorageName::Coded, help_heading = "Model")]
    storage: StorageName,
    /// Octaves of frequency and triangle-wave [12], or bins of one-blob [64], along each axis.
    #[arg(long, value_name = "N", help_heading = SIZES)]
    functions: Option<usize>,
    /// L: levels of the hash grid [5 when another model option is given].
    #[arg(long, value_name = "L", help_heading = SIZES)]
    levels: Option<usize>,
    /// F: features of an entry, 1, 2, 4 or 8 [4].
    #[arg(long, value_name = "F", help_heading = SIZES)]
    features: Option<usize>,
    /// Logarithm to base 2 of T, the entries of a level's table [13].
    #[arg(long, value_name = "LOG2", help_heading = SIZES)]
    log2_table_size: Option<u32>,
    /// N_min: cells of the coarsest level along the longest axis [8].
    #[arg(long, value_name = "N", help_heading = SIZES)]
    coarsest: Option<f64>,
    /// N_max: cells of the finest level along the longest axis [half the samples].
    #[arg(long, value_name = "N", help_heading = SIZES)]
    finest: Option<f64>,
    /// Neurons of a hidden layer, a multiple of 16 for mlp [32].
    #[arg(long, value_name = "N", help_heading = SIZES)]
    width: Option<usize>,
    /// Number of hidden layers, 1 to 12; of sine-residual, the first one and the blocks behind it, 1 to 16 [2; 8 with
    /// sine-residual].
    #[arg(long, value_name = "N", help_heading = SIZES)]
    hidden_layers: Option<usize>,
}

/// A largest error.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    /// In the volume's unit.
    Absolute(f64),
    /// Of the volume's range.
    Share(f64),
}

fn parse_bound(text: &str) -> Result<Bound, String> {
    let number = |text: &str| match text.trim().parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        _ => Err(format!(
            "invalid largest error '{text}': give a number from 0 up, or a percentage as in 0.1%"
        )),
    };
    match text.strip_suffix('%') {
        Some(percent) => Ok(Bound::Share(number(percent)? / 100.0)),
        None => Ok(Bound::Absolute(number(text)?)),
    }
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum QualityName {
    Preview,
    Standard,
    Fine,
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum EncodingName {
    LatentGrid,
    HashGrid,
    Identity,
    Frequency,
    TriangleWave,
    OneBlob,
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum NetworkName {
    Mlp,
    SineResidual,
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum StorageName {
    Coded,
    Half,
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum PresetName {
    Fast,
    Balanced,
    Best,
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum LossName {
    L1,
    L2,
}

impl HowArguments {
    pub(super) fn key_frames(&self) -> usize {
        self.key_frames.into()
    }

    /// The library's options for a volume.
    pub(super) fn options(&self, volume: &Volume, place: Placement) -> Result<CompressOptions> {
        self.options_for(volume.shape(), || Ok(volume.range()), place)
    }

    /// The same for a volume that is not in memory.
    pub(super) fn options_for(
        &self,
        shape: [usize; 3],
        range: impl FnOnce() -> Result<Option<(f64, f64)>>,
        place: Placement,
    ) -> Result<CompressOptions> {
        let target = match (self.psnr, self.ratio, self.size, self.max_error) {
            (Some(db), ..) => Target::Psnr(db),
            (_, Some(ratio), ..) => Target::Ratio(ratio),
            (_, _, Some(bytes), _) => Target::Size(bytes),
            (.., Some(Bound::Absolute(error))) => Target::MaxError(error),
            (.., Some(Bound::Share(share))) => {
                let span = range()?.map_or(0.0, |(low, high)| high - low);
                if !span.is_finite() {
                    return Err(neuvol::Error::Options(
                        "the volume's range is beyond what a float64 can hold, so a percentage of it cannot be computed: give \
                         --max-error as a number in the volume's unit, or --lossless, or scale the volume down"
                            .into(),
                    )
                    .into());
                }
                Target::MaxError(share * span)
            }
            _ if self.lossless => Target::Lossless,
            _ => Target::Quality(match self.quality {
                Some(QualityName::Preview) => Quality::Preview,
                Some(QualityName::Standard) => Quality::Standard,
                Some(QualityName::Fine) => Quality::Fine,
                None => Quality::default(),
            }),
        };
        Ok(CompressOptions {
            target,
            preset: match self.preset {
                PresetName::Fast => Preset::Fast,
                PresetName::Balanced => Preset::Balanced,
                PresetName::Best => Preset::Best,
            },
            loss: match self.loss {
                LossName::L1 => Loss::L1,
                LossName::L2 => Loss::L2,
            },
            seed: self.seed,
            representation: self.model.representation()?,
            model: self.model.sizes(shape)?,
            storage: match self.model.storage {
                StorageName::Coded => Storage::Coded,
                StorageName::Half => Storage::Half,
            },
            threads: 0,
            device: place.device,
            focus: self.focus.of(shape)?,
        })
    }
}

impl ModelArguments {
    fn representation(&self) -> Result<Representation> {
        Ok(match (self.encoding, self.network) {
            (None, None) => Representation::Smallest,
            (Some(EncodingName::LatentGrid), None) => Representation::LatentGrid,
            (Some(EncodingName::LatentGrid), Some(_)) => {
                return Err(
                    neuvol::Error::Options("a latent grid has no other network to choose".into()).into()
                );
            }
            _ => Representation::Network(self.architecture()),
        })
    }

    /// Of a network, where the file holds one.
    fn architecture(&self) -> Architecture {
        let encoding = match self.encoding.unwrap_or(EncodingName::HashGrid) {
            EncodingName::HashGrid | EncodingName::LatentGrid => EncodingKind::HashGrid,
            EncodingName::Identity => EncodingKind::AxisWise(Wave::Identity),
            EncodingName::Frequency => EncodingKind::AxisWise(Wave::Frequency),
            EncodingName::TriangleWave => EncodingKind::AxisWise(Wave::TriangleWave),
            EncodingName::OneBlob => EncodingKind::AxisWise(Wave::OneBlob),
        };
        let network = match self.network.unwrap_or(NetworkName::Mlp) {
            NetworkName::Mlp => NetworkKind::Mlp,
            NetworkName::SineResidual => NetworkKind::SineResidual,
        };
        Architecture { encoding, network }
    }

    /// The sizes by hand, where any is given.
    fn sizes(&self, shape: [usize; 3]) -> Result<Option<ModelOptions>> {
        let Architecture { encoding, network } = self.architecture();
        let of_grid = self.levels.is_some()
            || self.features.is_some()
            || self.log2_table_size.is_some()
            || self.coarsest.is_some()
            || self.finest.is_some();
        let of_network = self.width.is_some() || self.hidden_layers.is_some();
        let encoding = match encoding {
            EncodingKind::HashGrid if self.functions.is_some() => {
                let what = "--functions belongs to frequency, triangle-wave and one-blob; no grid has any";
                return Err(neuvol::Error::Options(what.into()).into());
            }
            EncodingKind::AxisWise(wave) if of_grid => {
                let grids =
                    "--levels, --features, --log2-table-size, --coarsest and --finest are a hash grid's";
                return Err(neuvol::Error::Options(format!("{grids}; {} has none", wave.name())).into());
            }
            _ if !(of_grid || of_network || self.functions.is_some()) => return Ok(None),
            EncodingKind::HashGrid => {
                let longest = shape.into_iter().max().unwrap_or(1) as f64;
                EncodingOptions::HashGrid(HashGridShape {
                    levels: self.levels.unwrap_or(5),
                    features: self.features.unwrap_or(4),
                    // A shift that is out of range is refused by the library as a table size of 0.
                    table_size: 1usize.checked_shl(self.log2_table_size.unwrap_or(13)).unwrap_or(0),
                    coarsest: self.coarsest.unwrap_or(8.0),
                    finest: self.finest.unwrap_or((longest / 2.0).max(8.0)),
                })
            }
            EncodingKind::AxisWise(wave) => EncodingOptions::AxisWise(match self.functions {
                Some(count) => AxisWise::new(wave, count).map_err(neuvol::Error::Options)?,
                None => AxisWise::usual(wave),
            }),
        };
        let hidden_layers = match network {
            NetworkKind::Mlp => 2,
            NetworkKind::SineResidual => SineResidual::HIDDEN_LAYERS,
        };
        Ok(Some(ModelOptions {
            encoding,
            network,
            width: self.width.unwrap_or(32),
            hidden_layers: self.hidden_layers.unwrap_or(hidden_layers),
        }))
    }
}

pub(super) fn run(arguments: &Arguments, place: Placement) -> Result<()> {
    interrupt::listen();
    let output = arguments.output.clone().unwrap_or_else(|| default_output(&arguments.input));
    neuvol::io::check_output_file(&output)?;
    let start = Instant::now();
    let (volumes, bar) = arguments.from.volumes(&arguments.input)?;
    let input = Input { volumes, steps: 0..0, start, bar };
    let input = Input { steps: arguments.from.steps(&arguments.input, input.volumes.len())?, ..input };
    let several = Several::of(&arguments.input, &input)?;
    let result = match several {
        None => one(arguments, &input, &output, place)?,
        Some(several) => {
            let memory = arguments.memory.unwrap_or_else(memory::half_of_the_machines);
            several.compress(&input, &arguments.how, &output, (memory, place), arguments.json)?
        }
    };
    if arguments.json {
        say!("{result:#}");
    }
    Ok(())
}

/// What is compressed.
pub(super) struct Input {
    pub(super) volumes: Volumes,
    pub(super) steps: Range<usize>,
    start: Instant,
    bar: PartsBar,
}

impl Input {
    /// A component of an array at a time step, where it is too large to be compressed in memory.
    pub(super) fn find_large(
        &self,
        array: usize,
        component: usize,
        step: usize,
        output: &Path,
    ) -> Result<Option<Opened>> {
        let opened = Opened::of_large(self.volumes.find_part(array, component, step)?, output)?;
        if opened.is_some() {
            self.bar.hide();
        }
        Ok(opened)
    }

    /// A component of an array at a time step.
    pub(super) fn read(&self, array: usize, component: usize, step: usize) -> Result<Volume> {
        let volume = self.volumes.read_part(array, component, step)?;
        self.bar.hide();
        Ok(volume)
    }
}

/// The file of the only volume.
fn one(arguments: &Arguments, input: &Input, output: &Path, place: Placement) -> Result<serde_json::Value> {
    let memory = arguments.memory.unwrap_or_else(memory::half_of_the_machines);
    let streamed = |opened: Opened| {
        let report = (input.start, arguments.json);
        streamed::compress_one(opened, &arguments.how, output, (memory, place), report)
    };
    if let Some(opened) = Opened::of_large(input.volumes.find_source(input.steps.start)?, output)? {
        input.bar.hide();
        return streamed(opened);
    }
    let volume = input.volumes.read(input.steps.start)?;
    input.bar.hide();
    if volume.len() as u64 > MOST_VOXELS_IN_MEMORY {
        return streamed(volume.into());
    }
    memory::check(&volume, memory)?;
    let read_seconds = input.start.elapsed().as_secs_f64();
    let (compressed, training) = compress(&volume, &arguments.how.options(&volume, place)?)?;
    interrupt::check()?;
    compressed.save(output)?;
    let compress_seconds = training.as_secs_f64();
    if !arguments.json {
        say!("{}", output.display());
        print_result(&volume, &compressed)?;
        say!("  time      {read_seconds:.1} s reading, {compress_seconds:.1} s compressing");
    }
    Ok(serde_json::json!({
        "output": output,
        "file_bytes": compressed.bytes.len(),
        "ratio": compressed.ratio,
        "ratio_float32": compressed.ratio_f32,
        "model": compressed.model,
        "achieved": report::fidelity_json(&compressed.fidelity, &volume.geometry),
        "focus": compressed.focus.as_ref().map(report::focus_json),
        "seconds": { "read": read_seconds, "compress": compress_seconds },
    }))
}

/// Compresses behind a progress bar.
pub(super) fn compress(volume: &Volume, options: &CompressOptions) -> Result<(Compressed, Duration)> {
    let start = Instant::now();
    let bar = Bar::new();
    let compressed = train::compress_with_progress(volume, options, |progress| bar.show(progress))?;
    Ok((compressed, start.elapsed()))
}

/// The short report.
pub(super) fn print_result(volume: &Volume, compressed: &Compressed) -> Result<()> {
    let sample_type = volume.sample_type().name();
    say!(
        "  volume    {} {sample_type}, {}",
        report::dims(volume.shape()),
        report::bytes(volume.stored_bytes())
    );
    report::say_array(&volume.name, &volume.provenance)?;
    say!("  file      {}", report::bytes(compressed.bytes.len() as u64));
    say!("  ratio     {}", report::ratios(compressed.ratio, compressed.ratio_f32, sample_type));
    for line in report::fidelity(&compressed.fidelity, &volume.geometry, &volume.unit) {
        say!("  {line}");
    }
    if let Some(focus) = &compressed.focus {
        for line in report::focus(focus, &volume.unit) {
            say!("  {line}");
        }
    }
    say!("  model     {}", compressed.model);
    Ok(())
}
