//! The one way between Rust and C++: what `cpp/neuvol/neuvol.cpp` calls.
//!
//! Nothing is computed here. Every function that C++ calls returns a `Result`, and a panic becomes an error like any
//! other: it must never end the host (ParaView, a user's program).
#![allow(unsafe_code)] // cxx's generated glue
#![allow(unreachable_pub, missing_docs)] // names that only C++ sees

mod device;
mod engines;
mod messages;

use crate::dlpack;
use crate::guard::guarded;
use crate::io::Limits;
use crate::io::elements::{self, ByteOrder, StoredType};
use crate::sample::{NeuralVolume, Outside, PointSample, Region, Space};
use crate::train::{self, CompressOptions, Preset, Progress, Stage, Target};
use crate::volume::{Association, Frame, Geometry, SampleType, Samples, SamplesMut, Volume};
use engines::{cpu, engine};
use messages::heard;
use std::ops::ControlFlow;
use std::path::Path;

#[cxx::bridge(namespace = "neuvol::bridge")]
mod ffi {
    // ---- Shared by both sides

    /// Where a grid lies; see `volume::Geometry`.
    #[derive(Debug, Clone)]
    struct Grid {
        /// Samples along x, y, z.
        shape: [usize; 3],
        origin: [f64; 3],
        spacing: [f64; 3],
        /// Row by row.
        direction: [f64; 9],
        /// `unknown` or `LPS mm`.
        frame: String,
        /// Samples are those of cells, which lie at their centres.
        cells: bool,
        /// Of cells: axes along which the grid has a single point.
        flat: [bool; 3],
    }

    /// What a file says of its volume.
    struct Description {
        grid: Grid,
        /// NumPy's name.
        sample_type: String,
        name: String,
        unit: String,
        /// Smallest and largest measurement; NaN when every voxel is masked.
        range: [f64; 2],
        /// NaN when there is none.
        fill_value: f64,
        file_bytes: u64,
        ratio: f64,
        ratio_float32: f64,
        psnr: f64,
        rmse: f64,
        max_error: f64,
        model: String,
        writer: String,
    }

    /// What a compression achieved.
    struct Outcome {
        file_bytes: u64,
        ratio: f64,
        ratio_float32: f64,
        psnr: f64,
        rmse: f64,
        max_error: f64,
        model: String,
        /// What the user should know beside it, each a sentence.
        warnings: Vec<String>,
    }

    /// What a compression must meet.
    enum TargetKind {
        Psnr,
        Ratio,
        Size,
        MaxError,
        Lossless,
    }

    struct Request {
        target: TargetKind,
        target_value: f64,
        /// `fast`, `balanced`, `best`.
        preset: String,
        seed: u64,
        threads: usize,
    }

    /// A box of voxels, `end` not included, of which every `stride`-th is taken.
    struct Box3 {
        start: [usize; 3],
        end: [usize; 3],
        stride: usize,
    }

    /// How points are meant.
    struct Points {
        /// World coordinates, else voxel indices.
        world: bool,
        /// Points outside take the nearest value of the grid, else `outside`.
        clamp: bool,
        outside: f64,
        /// Gradients are central differences at the voxels, interpolated; else the field's own.
        smooth: bool,
    }

    // ---- What Rust calls

    unsafe extern "C++" {
        include!("observer.h");
        type Observer;
        fn progress(self: &Observer, fraction: f64) -> Result<bool>;

        include!("neuvol/neuvol.h");
        /// DLPack's own; only pointers to it pass.
        #[namespace = ""]
        type DLManagedTensorVersioned;
    }

    // ---- What C++ calls

    extern "Rust" {
        type OpenVolume;
        type CompressedVolume;
        type ImportedVolume;

        /// `device` is `auto`, `cpu`, `cuda` or `cuda:N`.
        fn open(path: &str, device: &str, threads: usize, cache_bytes: usize) -> Result<Box<OpenVolume>>;
        /// Why the CPU evaluates where a CUDA device was asked for; else empty.
        fn device_note(self: &OpenVolume) -> Result<String>;
        fn describe(self: &OpenVolume) -> Result<Description>;
        fn evaluated(self: &OpenVolume) -> Result<u64>;
        fn read(
            self: &OpenVolume,
            region: Box3,
            sample_type: &str,
            out: &mut [u8],
            observer: &Observer,
        ) -> Result<()>;
        /// The caller owns the tensor; here and below.
        fn read_tensor(
            self: &OpenVolume,
            region: Box3,
            sample_type: &str,
            on_device: bool,
            observer: &Observer,
        ) -> Result<*mut DLManagedTensorVersioned>;
        fn sample_tensor(
            self: &OpenVolume,
            points: &[f64],
            how: Points,
            on_device: bool,
        ) -> Result<*mut DLManagedTensorVersioned>;
        fn probe(
            self: &OpenVolume,
            points: &[f64],
            how: Points,
            values: &mut [f64],
            valid: &mut [u8],
            gradients: &mut [f64],
        ) -> Result<()>;

        /// Takes the tensor, whatever happens.
        unsafe fn import_tensor(tensor: *mut DLManagedTensorVersioned) -> Result<Box<ImportedVolume>>;
        /// The grid's shape is the tensor's, not what `grid` says.
        fn compress_imported(
            imported: Box<ImportedVolume>,
            grid: Grid,
            name: &str,
            unit: &str,
            fill_value: f64,
            request: Request,
            observer: &Observer,
        ) -> Result<Box<CompressedVolume>>;
        #[allow(clippy::too_many_arguments)] // one a property of a volume
        fn compress(
            samples: &[u8],
            sample_type: &str,
            grid: Grid,
            name: &str,
            unit: &str,
            fill_value: f64,
            request: Request,
            observer: &Observer,
        ) -> Result<Box<CompressedVolume>>;
        fn outcome(self: &CompressedVolume) -> Result<Outcome>;
        fn save(self: &CompressedVolume, path: &str) -> Result<()>;
        fn open_again(
            self: &CompressedVolume,
            device: &str,
            threads: usize,
            cache_bytes: usize,
        ) -> Result<Box<OpenVolume>>;

        fn panic_on_purpose() -> Result<()>;
        fn version() -> String;
    }
}

type Tensor = dlpack::Managed<dlpack::DLManagedTensorVersioned>;

/// An open file, and why it is not on the device that was asked for.
pub struct OpenVolume(NeuralVolume, Option<String>);

/// A compressed volume that is not yet a file, and what was said meanwhile.
pub struct CompressedVolume {
    compressed: train::Compressed,
    warnings: Vec<String>,
}

/// A volume that came as a tensor, before it is compressed.
pub struct ImportedVolume(Volume);

/// What C++ is told: a sentence.
#[derive(Debug)]
pub struct Failure(String);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self(error.to_string())
    }
}

/// Turns a panic into a failure; the host's standard error stays clean.
fn guard<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    guarded(work).unwrap_or_else(|caught| {
        let place = caught.place().map(|place| format!(" at {place}")).unwrap_or_default();
        Err(Failure(format!("neuvol failed inside ({caught}{place}); this is a bug, please report it")))
    })
}

fn open(path: &str, device: &str, threads: usize, cache_bytes: usize) -> Result<Box<OpenVolume>, Failure> {
    guard(|| {
        let (engine, note) = engine(device, threads)?;
        let volume = NeuralVolume::open_with(path, engine)?;
        Ok(Box::new(OpenVolume(volume.with_cache(cache_bytes), note)))
    })
}

impl OpenVolume {
    fn device_note(&self) -> Result<String, Failure> {
        guard(|| Ok(self.1.clone().unwrap_or_default()))
    }

    fn describe(&self) -> Result<ffi::Description, Failure> {
        guard(|| {
            let info = self.0.info();
            Ok(ffi::Description {
                grid: ffi::Grid {
                    shape: info.shape,
                    origin: info.geometry.origin,
                    spacing: info.geometry.spacing,
                    direction: std::array::from_fn(|n| info.geometry.direction[n / 3][n % 3]),
                    frame: info.geometry.frame.name().into(),
                    cells: info.association != Association::Point,
                    flat: match info.association {
                        Association::Point => [false; 3],
                        Association::Cell { flat } => flat,
                    },
                },
                sample_type: info.sample_type.name().into(),
                name: info.name.clone(),
                unit: info.unit.clone(),
                range: info.range.map_or([f64::NAN; 2], |(low, high)| [low, high]),
                fill_value: info.fill_value.unwrap_or(f64::NAN),
                file_bytes: self.0.file_bytes(),
                ratio: self.0.ratio(),
                ratio_float32: self.0.ratio_f32(),
                psnr: info.psnr(),
                rmse: info.achieved.rmse,
                max_error: info.achieved.max_error,
                model: self.0.model_summary(),
                writer: info.achieved.writer.clone(),
            })
        })
    }

    fn evaluated(&self) -> Result<u64, Failure> {
        guard(|| Ok(self.0.evaluated()))
    }

    fn read(
        &self,
        region: ffi::Box3,
        sample_type: &str,
        out: &mut [u8],
        observer: &ffi::Observer,
    ) -> Result<(), Failure> {
        guard(|| {
            let sample_type = type_named(sample_type)?;
            let mut out = SamplesMut::from_bytes(sample_type, out)
                .ok_or_else(|| Failure(format!("the memory for the voxels does not hold {sample_type}")))?;
            let ffi::Box3 { start, end, stride } = region;
            let mut thrown = None;
            let read = self.0.read_region_into(Region { start, end }, stride, &mut out, &mut |fraction| {
                go_on(observer, fraction, &mut thrown)
            });
            thrown.map_or(Ok(()), Err)?;
            Ok(read?)
        })
    }

    fn read_tensor(
        &self,
        region: ffi::Box3,
        sample_type: &str,
        on_device: bool,
        observer: &ffi::Observer,
    ) -> Result<*mut ffi::DLManagedTensorVersioned, Failure> {
        guard(|| {
            let ffi::Box3 { start, end, stride } = region;
            let region = Region { start, end };
            let sample_type = type_named(sample_type)?;
            let mut thrown = None;
            let mut observe = |fraction| go_on(observer, fraction, &mut thrown);
            let tensor = if on_device {
                self.region_on_device(region, stride, sample_type, &mut observe)
            } else {
                let volume = self.0.read_region_as(region, stride, sample_type, &mut observe);
                volume.and_then(dlpack::export).map_err(Failure::from)
            };
            thrown.map_or(Ok(()), Err)?;
            Ok(tensor?.into_raw().cast())
        })
    }

    fn sample_tensor(
        &self,
        points: &[f64],
        how: ffi::Points,
        on_device: bool,
    ) -> Result<*mut ffi::DLManagedTensorVersioned, Failure> {
        guard(|| {
            let points = points.as_chunks::<3>().0;
            let (space, outside) = meant(&how);
            let tensor = if on_device {
                self.points_on_device(points, space, outside)?
            } else {
                let mut values = vec![0.0; points.len()];
                self.0.sample(points, space, outside, &mut values)?;
                dlpack::export_values(values, &[points.len()])?
            };
            Ok(tensor.into_raw().cast())
        })
    }

    fn probe(
        &self,
        points: &[f64],
        how: ffi::Points,
        values: &mut [f64],
        valid: &mut [u8],
        gradients: &mut [f64],
    ) -> Result<(), Failure> {
        guard(|| {
            let (points, rest) = points.as_chunks::<3>();
            let count = points.len();
            let with_gradients = !gradients.is_empty();
            let rooms = [values.len(), valid.len(), if with_gradients { gradients.len() / 3 } else { count }];
            if !rest.is_empty() || rooms != [count; 3] {
                return Err(Failure(format!("{count} points, but room for {rooms:?} results")));
            }
            let (space, outside) = meant(&how);
            // Piece by piece: what is kept beside the caller's own memory stays small.
            const PIECE: usize = 1 << 16;
            let mut samples = vec![PointSample::default(); count.min(PIECE)];
            for first in (0..count).step_by(PIECE) {
                let piece = first..(first + PIECE).min(count);
                let samples = &mut samples[..piece.len()];
                if with_gradients {
                    let points = &points[piece.clone()];
                    if how.smooth {
                        self.0.probe_with_smooth_gradients(points, space, outside, samples)?;
                    } else {
                        self.0.probe_with_gradients(points, space, outside, samples)?;
                    }
                    let gradients = &mut gradients.as_chunks_mut::<3>().0[piece.clone()];
                    gradients.iter_mut().zip(samples.iter()).for_each(|(g, sample)| *g = sample.gradient);
                } else {
                    self.0.probe(&points[piece.clone()], space, outside, samples)?;
                }
                for (i, sample) in piece.zip(samples.iter()) {
                    values[i] = sample.value;
                    valid[i] = sample.valid.into();
                }
            }
            Ok(())
        })
    }
}

fn meant(how: &ffi::Points) -> (Space, Outside) {
    let space = if how.world { Space::World } else { Space::Index };
    (space, if how.clamp { Outside::Clamp } else { Outside::Value(how.outside) })
}

#[allow(clippy::too_many_arguments)] // as declared
fn compress(
    samples: &[u8],
    sample_type: &str,
    grid: ffi::Grid,
    name: &str,
    unit: &str,
    fill_value: f64,
    request: ffi::Request,
    observer: &ffi::Observer,
) -> Result<Box<CompressedVolume>, Failure> {
    guard(|| {
        let (volume, mut warnings) = heard(|| -> Result<Volume, Failure> {
            let voxels = grid.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
            let samples = samples_of(samples, sample_type, voxels.unwrap_or(usize::MAX))?;
            let mut volume = Volume::new(samples, grid.shape)?;
            volume.provenance.insert("source".into(), "VTK image data".into());
            label(&mut volume, &grid, name, unit, fill_value)?;
            Ok(volume)
        });
        let volume = volume?;
        if volume.sample_type().name() != sample_type {
            let kept = volume.sample_type();
            warnings.push(format!(
                "the samples of '{}' are {sample_type}; all of them fit into {kept}, and that is the type in which the file \
                 keeps them and readers give them back",
                volume.name
            ));
        }
        compressed(&volume, request, warnings, observer)
    })
}

/// # Safety
/// As for [`dlpack::import`].
unsafe fn import_tensor(tensor: *mut ffi::DLManagedTensorVersioned) -> Result<Box<ImportedVolume>, Failure> {
    guard(|| {
        let tensor = tensor.cast::<dlpack::DLManagedTensorVersioned>();
        // SAFETY: the caller's promise, which `neuvol.h` asks for.
        let volume = unsafe { dlpack::import(tensor, &Limits::default()) }?;
        Ok(Box::new(ImportedVolume(volume)))
    })
}

fn compress_imported(
    imported: Box<ImportedVolume>,
    grid: ffi::Grid,
    name: &str,
    unit: &str,
    fill_value: f64,
    request: ffi::Request,
    observer: &ffi::Observer,
) -> Result<Box<CompressedVolume>, Failure> {
    guard(|| {
        let mut volume = imported.0;
        label(&mut volume, &grid, name, unit, fill_value)?;
        compressed(&volume, request, Vec::new(), observer)
    })
}

/// Says of the samples where they lie and what they are.
fn label(
    volume: &mut Volume,
    grid: &ffi::Grid,
    name: &str,
    unit: &str,
    fill_value: f64,
) -> Result<(), Failure> {
    let frame = Frame::from_name(&grid.frame).ok_or_else(|| {
        let [unknown, lps] = [Frame::Unknown, Frame::Lps].map(Frame::name);
        Failure(format!("the frame '{}' is unknown: '{lps}' or '{unknown}'", grid.frame))
    })?;
    let shape = volume.shape();
    if (0..3).any(|a| grid.cells && grid.flat[a] && shape[a] > 1) {
        return Err(Failure(format!("a grid of {shape:?} cells is not flat along an axis of several cells")));
    }
    volume.geometry = Geometry {
        origin: grid.origin,
        spacing: grid.spacing,
        direction: std::array::from_fn(|row| std::array::from_fn(|a| grid.direction[3 * row + a])),
        frame,
    };
    volume.association = if grid.cells { Association::Cell { flat: grid.flat } } else { Association::Point };
    if !name.is_empty() {
        volume.name = name.into();
    }
    volume.unit = unit.into();
    volume.fill_value = (!fill_value.is_nan()).then(|| volume.sample_type().nearest(fill_value));
    Ok(())
}

/// Compresses to what the request asks for; `warnings` are those so far.
fn compressed(
    volume: &Volume,
    request: ffi::Request,
    mut warnings: Vec<String>,
    observer: &ffi::Observer,
) -> Result<Box<CompressedVolume>, Failure> {
    let target = match request.target {
        ffi::TargetKind::Psnr => Target::Psnr(request.target_value),
        ffi::TargetKind::Ratio => Target::Ratio(request.target_value),
        ffi::TargetKind::Size => Target::Size(request.target_value.max(0.0) as u64),
        ffi::TargetKind::MaxError => Target::MaxError(request.target_value),
        ffi::TargetKind::Lossless => Target::Lossless,
        _ => return Err(Failure("this target is unknown".into())),
    };
    let preset = match request.preset.as_str() {
        "fast" => Preset::Fast,
        "balanced" => Preset::Balanced,
        "best" => Preset::Best,
        other => return Err(Failure(format!("the preset {other:?} is unknown: fast, balanced, best"))),
    };
    let options = CompressOptions { target, preset, seed: request.seed, ..Default::default() };
    let engine = options.device.training_engine_beside(cpu(request.threads)?)?;
    let mut thrown = None;
    let mut fraction = 0.0;
    let (compressed, said) = heard(|| {
        train::compress_on(engine, volume, &options, |progress| {
            fraction = fraction_done(progress, fraction);
            go_on(observer, fraction, &mut thrown)
        })
    });
    thrown.map_or(Ok(()), Err)?;
    warnings.extend(said);
    Ok(Box::new(CompressedVolume { compressed: compressed?, warnings }))
}

impl CompressedVolume {
    fn save(&self, path: &str) -> Result<(), Failure> {
        guard(|| Ok(self.compressed.save(path)?))
    }

    fn outcome(&self) -> Result<ffi::Outcome, Failure> {
        guard(|| {
            let train::Compressed { bytes, distortion, ratio, ratio_f32, model, .. } = &self.compressed;
            Ok(ffi::Outcome {
                file_bytes: bytes.len() as u64,
                ratio: *ratio,
                ratio_float32: *ratio_f32,
                psnr: distortion.psnr,
                rmse: distortion.rmse,
                max_error: distortion.max_error,
                model: model.clone(),
                warnings: self.warnings.clone(),
            })
        })
    }

    fn open_again(
        &self,
        device: &str,
        threads: usize,
        cache_bytes: usize,
    ) -> Result<Box<OpenVolume>, Failure> {
        guard(|| {
            let (engine, note) = engine(device, threads)?;
            let volume = NeuralVolume::from_bytes(&self.compressed.bytes, "the compressed volume", engine)?;
            Ok(Box::new(OpenVolume(volume.with_cache(cache_bytes), note)))
        })
    }
}

/// For tests of hosts: they must live on.
fn panic_on_purpose() -> Result<(), Failure> {
    guard(|| panic!("a panic on purpose"))
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// Asks the observer; what it throws ends the work and is kept.
fn go_on(observer: &ffi::Observer, fraction: f64, thrown: &mut Option<Failure>) -> ControlFlow<()> {
    match observer.progress(fraction) {
        Ok(true) => ControlFlow::Continue(()),
        Ok(false) => ControlFlow::Break(()),
        Err(exception) => {
            *thrown = Some(Failure(exception.what().into()));
            ControlFlow::Break(())
        }
    }
}

/// One bar for the whole: the first run is most of the work, corrections move the rest. Never falls.
fn fraction_done(progress: &Progress, before: f64) -> f64 {
    let of_stage = progress.step as f64 / progress.steps.max(1) as f64;
    let now = match progress.stage {
        Stage::Training => 0.7 * of_stage,
        Stage::Coding => 0.8 * of_stage,
        Stage::Correcting => before + 0.1 * (1.0 - before) * of_stage,
        Stage::Measuring => before,
    };
    now.max(before).min(0.99)
}

fn type_named(name: &str) -> Result<SampleType, Failure> {
    SampleType::from_name(name).ok_or_else(|| Failure(format!("samples of type {name} cannot be stored")))
}

/// Copies the caller's memory; 64-bit integers are narrowed where their values fit.
fn samples_of(bytes: &[u8], sample_type: &str, voxels: usize) -> Result<Samples, Failure> {
    let wide = matches!(sample_type, "int64" | "uint64");
    let size = if wide { 8 } else { type_named(sample_type)?.size() };
    if voxels.checked_mul(size) != Some(bytes.len()) {
        return Err(Failure(format!("{} bytes are not {voxels} samples of {sample_type}", bytes.len())));
    }
    let stored = match sample_type {
        "int64" => StoredType::I64,
        "uint64" => StoredType::U64,
        name => StoredType::Kept(type_named(name)?),
    };
    let image = Path::new("the image");
    Ok(elements::read_samples(image, &mut &bytes[..], stored, ByteOrder::NATIVE, voxels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_with_its_message() {
        let failure = panic_on_purpose().expect_err("it panics");
        assert!(failure.to_string().contains("a panic on purpose at src/bridge"), "{failure}");
    }

    #[test]
    fn wide_integers_are_narrowed_or_refused() {
        let bytes = |values: &[i64]| values.iter().flat_map(|v| v.to_ne_bytes()).collect::<Vec<u8>>();
        let narrowed = samples_of(&bytes(&[-3, 70_000]), "int64", 2).expect("they fit");
        assert_eq!(narrowed, Samples::I32(vec![-3, 70_000]));
        let large = i64::from(u32::MAX);
        assert_eq!(
            samples_of(&bytes(&[0, large]), "uint64", 2).expect("fit"),
            Samples::U32(vec![0, u32::MAX])
        );
        let failure = samples_of(&bytes(&[0, large + 1]), "int64", 2).expect_err("too large");
        assert!(failure.to_string().contains("4294967296"), "{failure}");
        assert!(samples_of(&[0; 3], "int16", 2).is_err(), "too few bytes");
        assert!(samples_of(&[0; 8], "complex64", 1).is_err(), "no such type");
    }
}
