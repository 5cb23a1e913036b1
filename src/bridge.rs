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
mod rendering;
mod together;
mod volume;

use crate::dlpack;
use crate::guard::guarded;
use crate::volume::SampleType;
use compress::{CompressedVolume, ImportedVolume, compress, compress_imported, import_tensor};
use dataset::{OpenDataset, open_dataset};
use new_dataset::{NewDataset, new_dataset};
use rendering::OpenRenderer;
use std::ops::ControlFlow;
use together::{NewShare, compress_together, new_share};
use volume::{OpenVolume, fidelity, open};

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

    /// How rays become pixels; see `render::Mode`.
    enum BlendMode {
        Composite,
        MaximumIntensity,
        Isosurface,
    }

    /// What a picture shows; see `render::Scene`. Empty lists and zeros stand for what is chosen by default.
    struct Scene {
        /// Value, red, green, blue; one behind the other.
        colours: Vec<f64>,
        /// Value, opacity.
        opacities: Vec<f64>,
        mode: BlendMode,
        iso_value: f64,
        /// Ambient, diffuse, specular, power; empty without light.
        shading: Vec<f32>,
        level: usize,
        step: f64,
        unit_distance: f64,
        /// Lowest and highest corner, in voxels.
        clip_box: Vec<f64>,
        /// Four numbers a plane.
        clip_planes: Vec<f64>,
        /// Start and end of the voxels whose blocks are rendered.
        part: Vec<usize>,
    }

    /// What is rendered for.
    struct View {
        /// Row by row.
        world_to_clip: [f64; 16],
        size: [usize; 2],
        /// What the picture may take; 0: it has all pixels.
        seconds: f64,
    }

    /// A picture that was made.
    struct Rendered {
        size: [usize; 2],
        level: usize,
        blocks: usize,
        marched: usize,
        decoded: usize,
    }

    // ---- What Rust calls

    unsafe extern "C++" {
        include!("observer.h");
        type Observer;
        fn progress(self: &Observer, fraction: f64) -> Result<bool>;

        include!("messenger.h");
        type Messenger;
        fn rank(self: &Messenger) -> usize;
        fn size(self: &Messenger) -> usize;
        fn all_gather(
            self: &Messenger,
            own: &[u8],
            lengths: &mut Vec<u64>,
        ) -> Result<UniquePtr<CxxVector<u8>>>;
        fn exchange(
            self: &Messenger,
            to_each: &[u8],
            to_lengths: &[u64],
            lengths: &mut Vec<u64>,
        ) -> Result<UniquePtr<CxxVector<u8>>>;

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
        type NewShare;
        type OpenRenderer;

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

        fn renderer(self: &OpenVolume, cache_bytes: usize) -> Result<Box<OpenRenderer>>;
        /// Boxes of voxels, start and end, for so many processes.
        fn parts(self: &OpenRenderer, count: usize) -> Result<Vec<usize>>;
        /// A picture: pixels and depths of `view.size`, or fewer where its time is not enough. No depths: rays end nowhere.
        fn render(
            self: &OpenRenderer,
            view: View,
            scene: Scene,
            depth: &[f32],
            rgba: &mut [f32],
            depth_out: &mut [f32],
            observer: &Observer,
        ) -> Result<Rendered>;

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

        fn new_share() -> Box<NewShare>;
        /// A box of a volume. What is wrong with it is told by [`compress_together`], to all processes.
        fn add(
            self: &mut NewShare,
            samples: &[u8],
            sample_type: &str,
            start: &[usize; 3],
            shape: &[usize; 3],
        );
        /// The grid of the labels is that of the whole.
        fn compress_together(
            share: Box<NewShare>,
            path: &str,
            sample_type: &str,
            labels: Labels,
            request: Request,
            messenger: &Messenger,
            observer: &Observer,
        ) -> Result<Outcome>;

        fn panic_on_purpose() -> Result<()>;
        fn version() -> String;
    }
}

type Tensor = dlpack::Managed<dlpack::DLManagedTensorVersioned>;

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

/// Does work that asks whether to go on; what the observer threw meanwhile is the failure.
fn observed<T, E: Into<Failure>>(
    observer: &ffi::Observer,
    work: impl FnOnce(&mut dyn FnMut(f64) -> ControlFlow<()>) -> Result<T, E>,
) -> Result<T, Failure> {
    let mut thrown = None;
    let done = work(&mut |fraction| go_on(observer, fraction, &mut thrown));
    thrown.map_or(Ok(()), Err)?;
    done.map_err(Into::into)
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
