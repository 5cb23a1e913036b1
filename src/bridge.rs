//! The one way between Rust and C++: what the sources in `cpp/neuvol/` call.
//!
//! Nothing is computed here. Every function that C++ calls returns a `Result`, and a panic becomes an error like any
//! other: it must never end the host (ParaView, a user's program).
#![allow(unsafe_code)] // cxx's generated glue
#![allow(unreachable_pub, missing_docs)] // names that only C++ sees

mod compress;
mod dataset;
mod device;
mod engines;
mod messages;
mod new_dataset;

use crate::container::Description;
use crate::dlpack;
use crate::guard::guarded;
use crate::metrics::Fidelity;
use crate::sample::{LevelOfDetail, NeuralVolume, OpenOptions, Outside, PointSample, Region, Space};
use crate::volume::{Association, Geometry, SampleType, SamplesMut};
use compress::{CompressedVolume, ImportedVolume, compress, compress_imported, import_tensor};
use dataset::{OpenDataset, open_dataset};
use engines::engine;
use new_dataset::{NewDataset, new_dataset};
use std::ops::ControlFlow;

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

    /// A level of detail; see `sample::LevelOfDetail`.
    struct Level {
        grid: Grid,
        /// Voxels from sample to sample.
        stride: [usize; 3],
    }

    /// What a file says of its volume.
    struct Description {
        grid: Grid,
        /// The volume itself first.
        levels: Vec<Level>,
        /// NumPy's name.
        sample_type: String,
        name: String,
        unit: String,
        /// Smallest and largest measurement; NaN when every voxel is masked.
        range: [f64; 2],
        /// Lowest and highest value of masked voxels; NaN when nothing is masked.
        fill_range: [f64; 2],
        file_bytes: u64,
        ratio: f64,
        ratio_float32: f64,
        fidelity: Fidelity,
        model: String,
        writer: String,
    }

    /// Which volume of a file of several; an empty list chooses nothing, one of one is the choice.
    struct Choice {
        array: Vec<String>,
        component: Vec<usize>,
        time_step: Vec<usize>,
    }

    /// An array of a file; see `container::ArrayInfo`.
    struct Array {
        name: String,
        /// The components' names, empty where they have no name.
        components: Vec<String>,
    }

    /// What a file holds.
    struct Contents {
        arrays: Vec<Array>,
        steps: usize,
        /// Empty where the file does not say them.
        times: Vec<f64>,
        file_bytes: u64,
    }

    /// How close decoded voxels are to the original's; see `metrics::Fidelity`.
    struct Fidelity {
        psnr: f64,
        rmse: f64,
        max_error: f64,
        /// Empty where nothing differs.
        max_error_voxel: Vec<usize>,
        bias: f64,
        /// NaN where none was found.
        noise: f64,
        /// NaN where it is not known.
        ssim: f64,
        bands: Vec<Band>,
    }

    /// The errors in a band of values; see `metrics::BandErrors`.
    struct Band {
        name: String,
        /// Infinite where the band has no end.
        from: f64,
        below: f64,
        share: f64,
        bias: f64,
        rmse: f64,
    }

    /// What a compression achieved.
    struct Outcome {
        file_bytes: u64,
        ratio: f64,
        ratio_float32: f64,
        fidelity: Fidelity,
        model: String,
        /// What the user should know beside it, each a sentence.
        warnings: Vec<String>,
    }

    /// What samples are, beside their numbers.
    struct Labels {
        grid: Grid,
        /// Empty: as it is called already.
        name: String,
        unit: String,
        /// The values from the first to the second stand for "no data here"; NaN for none.
        fill_range: [f64; 2],
    }

    /// What a compression must meet.
    enum TargetKind {
        /// The qualities have no value.
        Preview,
        Standard,
        Fine,
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
        type OpenDataset;
        type CompressedVolume;
        type ImportedVolume;
        type NewDataset;

        /// `device` is `auto`, `cpu`, `cuda` or `cuda:N`.
        fn open(
            path: &str,
            choice: Choice,
            device: &str,
            threads: usize,
            cache_bytes: usize,
        ) -> Result<Box<OpenVolume>>;
        /// `cache_bytes` are those of each of its volumes.
        fn open_dataset(
            path: &str,
            device: &str,
            threads: usize,
            cache_bytes: usize,
        ) -> Result<Box<OpenDataset>>;
        fn device_note(self: &OpenDataset) -> Result<String>;
        fn contents(self: &OpenDataset) -> Result<Contents>;
        fn volume(self: &OpenDataset, array: usize, component: usize, step: usize)
        -> Result<Box<OpenVolume>>;
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
        /// A region of a level, in the level's samples.
        fn read_level(
            self: &OpenVolume,
            level: usize,
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
        /// The grid's shape is the tensor's, not what the labels say.
        fn compress_imported(
            imported: Box<ImportedVolume>,
            labels: Labels,
            request: Request,
            observer: &Observer,
        ) -> Result<Box<CompressedVolume>>;
        fn compress(
            samples: &[u8],
            sample_type: &str,
            labels: Labels,
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

        /// No times: the file does not say them.
        fn new_dataset(arrays: Vec<Array>, steps: usize, times: Vec<f64>) -> Result<Box<NewDataset>>;
        /// The next component, counted from 0, of an array of so many, whose samples lie one behind the other in each voxel.
        fn add_component(
            self: &mut NewDataset,
            samples: &[u8],
            component: usize,
            components: usize,
            sample_type: &str,
            labels: Labels,
        ) -> Result<()>;
        /// Compresses together what was added.
        fn compress_components(
            self: &mut NewDataset,
            request: Request,
            observer: &Observer,
        ) -> Result<Vec<Outcome>>;
        fn file_bytes(self: &NewDataset) -> Result<u64>;
        fn save(self: &NewDataset, path: &str) -> Result<()>;
        fn open_again(
            self: &NewDataset,
            device: &str,
            threads: usize,
            cache_bytes: usize,
        ) -> Result<Box<OpenDataset>>;

        fn panic_on_purpose() -> Result<()>;
        fn version() -> String;
    }
}

type Tensor = dlpack::Managed<dlpack::DLManagedTensorVersioned>;

/// An open file, and why it is not on the device that was asked for.
pub struct OpenVolume(NeuralVolume, Option<String>);

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

fn open(
    path: &str,
    choice: ffi::Choice,
    device: &str,
    threads: usize,
    cache_bytes: usize,
) -> Result<Box<OpenVolume>, Failure> {
    guard(|| {
        let (engine, note) = engine(device, threads)?;
        let options = OpenOptions {
            cache_bytes,
            array: choice.array.into_iter().next(),
            component: choice.component.first().copied(),
            time_step: choice.time_step.first().copied(),
            ..OpenOptions::from(engine)
        };
        Ok(Box::new(OpenVolume(NeuralVolume::open_with(path, options)?, note)))
    })
}

impl OpenVolume {
    fn device_note(&self) -> Result<String, Failure> {
        guard(|| Ok(self.1.clone().unwrap_or_default()))
    }

    fn describe(&self) -> Result<ffi::Description, Failure> {
        guard(|| {
            let info = self.0.info();
            let levels = self.0.levels().into_iter();
            Ok(ffi::Description {
                grid: grid(info, LevelOfDetail { shape: info.shape, stride: [1; 3] }),
                levels: levels
                    .map(|level| ffi::Level { grid: grid(info, level), stride: level.stride })
                    .collect(),
                sample_type: info.sample_type.name().into(),
                name: info.name.clone(),
                unit: info.unit.clone(),
                range: info.range.map_or([f64::NAN; 2], |(low, high)| [low, high]),
                fill_range: fill_range(info),
                file_bytes: self.0.file_bytes(),
                ratio: self.0.ratio(),
                ratio_float32: self.0.ratio_f32(),
                fidelity: fidelity(&info.fidelity()),
                model: self.0.model_summary(),
                writer: info.writer.clone(),
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
            let mut out = room(sample_type, out)?;
            let ffi::Box3 { start, end, stride } = region;
            let mut thrown = None;
            let read = self.0.read_region_into(Region { start, end }, stride, &mut out, &mut |fraction| {
                go_on(observer, fraction, &mut thrown)
            });
            thrown.map_or(Ok(()), Err)?;
            Ok(read?)
        })
    }

    fn read_level(
        &self,
        level: usize,
        region: ffi::Box3,
        sample_type: &str,
        out: &mut [u8],
        observer: &ffi::Observer,
    ) -> Result<(), Failure> {
        guard(|| {
            let mut out = room(sample_type, out)?;
            let ffi::Box3 { start, end, stride } = region;
            if stride != 1 {
                let what = "a level of detail is read with all of its samples";
                return Err(Failure(format!("{what}: the region's stride is 1, not {stride}")));
            }
            let mut thrown = None;
            let read = self.0.read_level_into(level, Region { start, end }, &mut out, &mut |fraction| {
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
            let (space, outside) = interpretation(&how);
            let tensor = if on_device {
                self.points_on_device(points, space, outside)?
            } else {
                let mut values = vec![0.0; points.len()];
                self.0.values_at(points, space, outside, &mut values)?;
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
            let (space, outside) = interpretation(&how);
            // Chunk by chunk: what is kept beside the caller's own memory stays small.
            const CHUNK: usize = 1 << 16;
            let mut samples = vec![PointSample::default(); count.min(CHUNK)];
            for first in (0..count).step_by(CHUNK) {
                let chunk = first..(first + CHUNK).min(count);
                let samples = &mut samples[..chunk.len()];
                if with_gradients {
                    let points = &points[chunk.clone()];
                    if how.smooth {
                        self.0.values_and_smooth_gradients_at(points, space, outside, samples)?;
                    } else {
                        self.0.values_and_gradients_at(points, space, outside, samples)?;
                    }
                    let gradients = &mut gradients.as_chunks_mut::<3>().0[chunk.clone()];
                    gradients.iter_mut().zip(samples.iter()).for_each(|(g, sample)| *g = sample.gradient);
                } else {
                    self.0.probe(&points[chunk.clone()], space, outside, samples)?;
                }
                for (i, sample) in chunk.zip(samples.iter()) {
                    values[i] = sample.value;
                    valid[i] = sample.valid.into();
                }
            }
            Ok(())
        })
    }
}

/// Where the samples of a level lie.
fn grid(info: &Description, level: LevelOfDetail) -> ffi::Grid {
    let Geometry { origin, spacing, direction, frame } = info.geometry;
    ffi::Grid {
        shape: level.shape,
        origin,
        spacing: std::array::from_fn(|a| spacing[a] * level.stride[a] as f64),
        direction: std::array::from_fn(|n| direction[n / 3][n % 3]),
        frame: frame.name().into(),
        cells: info.association != Association::Point,
        flat: match info.association {
            Association::Point => [false; 3],
            Association::Cell { flat } => flat,
        },
    }
}

/// The caller's memory, as samples of a type.
fn room<'a>(sample_type: &str, out: &'a mut [u8]) -> Result<SamplesMut<'a>, Failure> {
    let sample_type = type_named(sample_type)?;
    SamplesMut::from_bytes(sample_type, out)
        .ok_or_else(|| Failure(format!("the memory for the voxels does not hold {sample_type}")))
}

/// Lowest and highest value of masked voxels, as a file says them.
fn fill_range(info: &Description) -> [f64; 2] {
    let value = info.fill_value.unwrap_or(f64::NAN);
    [value, info.fill_limit.unwrap_or(value)]
}

fn fidelity(fidelity: &Fidelity) -> ffi::Fidelity {
    let Fidelity { distortion, noise, bias, largest, similarity, bands } = fidelity;
    ffi::Fidelity {
        psnr: distortion.psnr,
        rmse: distortion.rmse,
        max_error: distortion.max_error,
        max_error_voxel: largest.map(Vec::from).unwrap_or_default(),
        bias: *bias,
        noise: noise.unwrap_or(f64::NAN),
        ssim: similarity.unwrap_or(f64::NAN),
        bands: bands
            .iter()
            .map(|errors| ffi::Band {
                name: errors.band.name.into(),
                from: errors.band.from.unwrap_or(f64::NEG_INFINITY),
                below: errors.band.below.unwrap_or(f64::INFINITY),
                share: errors.share,
                bias: errors.bias,
                rmse: errors.rmse,
            })
            .collect(),
    }
}

fn interpretation(how: &ffi::Points) -> (Space, Outside) {
    let space = if how.world { Space::World } else { Space::Index };
    (space, if how.clamp { Outside::Clamp } else { Outside::Value(how.outside) })
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

fn type_named(name: &str) -> Result<SampleType, Failure> {
    SampleType::from_name(name).ok_or_else(|| Failure(format!("samples of type {name} cannot be stored")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_with_its_message() {
        let failure = panic_on_purpose().expect_err("it panics");
        assert!(failure.to_string().contains("a panic on purpose at src/bridge"), "{failure}");
    }
}
