//! `cargo bench --bench latents`: how fast latent grids are made, opened, decoded and sampled.
//!
//! `cargo bench --bench latents -- FILE.nvol` times opening and reading of that file instead, and
//! `cargo bench --bench latents -- --large[=EDGE] [TILE]` parts of large volumes that nothing is decoded of yet: everything, level 3
//! and the first slice of cubes of uint8 with half of EDGE (1024) and EDGE voxels a side, which repeat a volume, mirrored: a scene
//! made here, or that of the file TILE.
//!
//! Every figure is the median of several runs, with their range: the machine may be shared.

mod timing;

use neuvol::sample::{Outside, Space};
use neuvol::train::{CompressOptions, Preset, Representation, Target, compress};
use neuvol::{Axis, NeuralVolume, ReadAt, Region, Volume};
use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use timing::{RUNS, timed};

const SHAPE: [usize; 3] = [256; 3];
const POINTS: usize = 1 << 20;

fn main() {
    println!("{} threads; medians of {RUNS} runs, with their range\n", rayon::current_num_threads());
    println!("| what | median | range |\n|---|---|---|");
    // Cargo itself passes `--bench`.
    let (options, files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let large = options.iter().find_map(|option| option.strip_prefix("--large"));
    if let Some(edge) = large {
        let edge = edge.strip_prefix('=').map_or(1024, |edge| edge.parse().expect("--large=EDGE, voxels"));
        parts_of_large(edge, &files.first().map_or_else(scene, open));
        return;
    }
    for file in &files {
        read(Path::new(file));
    }
    if files.is_empty() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("scene.nvol");
        make(&file);
        read(&file);
    }
}

fn open(path: impl AsRef<Path>) -> Volume {
    neuvol::io::open(path, &neuvol::io::OpenOptions::default()).expect("a volume to read")
}

/// Waves, edges of a ball, and noise of a thousandth: 40 dB take a few tenths of a bit a voxel.
fn scene() -> Volume {
    let values = (0..SHAPE.iter().product::<usize>()).map(value);
    Volume::new(values.collect::<Vec<f32>>(), SHAPE).expect("one value a voxel")
}

fn value(i: usize) -> f32 {
    let [x, y, z] = [i % 256, i / 256 % 256, i / 65536].map(|n| n as f32);
    let wave = (0.11 * x).sin() * (0.07 * y + 0.3).cos() * (0.05 * z + 0.5).sin();
    let off = (x - 120.0).powi(2) + (y - 140.0).powi(2) + (z - 110.0).powi(2);
    let ball = if off < 8000.0 { 0.3 } else { 0.0 };
    let noise = (i as u32).wrapping_mul(2_654_435_761) >> 16;
    0.35 + 0.3 * wave + ball + noise as f32 / 65536.0 * 1e-3
}

/// A cube of bytes that repeats a volume, mirrored at its faces so that nothing jumps there.
fn repeated(tile: &Volume, edge: usize) -> Volume {
    let (low, high) = tile.range().expect("a tile with values");
    let grey = (0..tile.len()).map(|i| ((tile.samples().get(i) - low) / (high - low) * 255.0) as u8);
    let (grey, shape) = (grey.collect::<Vec<u8>>(), tile.shape());
    let mirrored = |n: usize, edge: usize| match n % (2 * edge) {
        n if n < edge => n,
        n => 2 * edge - 1 - n,
    };
    let mut bytes = Vec::with_capacity(edge.pow(3));
    for row in 0..edge * edge {
        let [y, z] = [mirrored(row % edge, shape[1]), mirrored(row / edge, shape[2])];
        let row = &grey[shape[0] * (y + shape[1] * z)..][..shape[0]];
        bytes.extend((0..edge).map(|x| row[mirrored(x, shape[0])]));
    }
    Volume::new(bytes, [edge; 3]).expect("one value a voxel")
}

/// A file that counts what is read of it.
struct Counted(File, AtomicU64);

impl ReadAt for Counted {
    fn length(&self) -> std::io::Result<u64> {
        self.0.length()
    }
    fn read_exact_at(&self, out: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.1.fetch_add(out.len() as u64, Ordering::Relaxed);
        self.0.read_exact_at(out, offset)
    }
}

/// What parts cost that nothing is decoded for yet, beside everything: of cubes at 40 dB, preset fast, each with the share of the
/// file that is read.
fn parts_of_large(edge: usize, tile: &Volume) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("large.nvol");
    for edge in [edge / 2, edge] {
        let shape = [edge; 3];
        let volume = repeated(tile, edge);
        let options = CompressOptions {
            target: Target::Psnr(40.0),
            preset: Preset::Fast,
            representation: Representation::LatentGrid,
            ..CompressOptions::default()
        };
        let compressed = compress(&volume, &options).expect("a latent grid");
        drop(volume);
        compressed.save(&file).expect("a file to write");
        let cost = |what: &str, part: &dyn Fn(&NeuralVolume) -> Volume| {
            let mut share = 0.0;
            let times = timed(|| {
                let source = Arc::new(Counted(File::open(&file).expect("a file"), AtomicU64::new(0)));
                let volume =
                    NeuralVolume::open_source(source.clone(), &file, neuvol::sample::OpenOptions::default());
                let volume = volume.expect("a file to read");
                black_box(part(&volume));
                share = source.1.load(Ordering::Relaxed) as f64 / volume.file_bytes() as f64;
            });
            let [median, least, most] = times.map(|s| s * 1e3);
            let share = 100.0 * share;
            println!(
                "| {edge}^3: opening and {what} | {median:.1} ms, {share:.1} % of the file | {least:.1}..{most:.1} |"
            );
        };
        cost("everything", &|volume| volume.read_region(Region::whole(shape), 1).expect("voxels"));
        cost("level 3", &|volume| {
            volume.read_level(3, Region::whole(volume.levels()[3].shape)).expect("samples")
        });
        cost("the first slice across z", &|volume| {
            volume.read_region(Region::slice(shape, Axis::Z, edge / 2), 1).expect("voxels")
        });
    }
}

fn make(file: &Path) {
    let volume = scene();
    let options = CompressOptions {
        target: Target::Psnr(50.0),
        representation: Representation::LatentGrid,
        ..CompressOptions::default()
    };
    let run = || compress(&volume, &options).expect("a latent grid");
    let compressed = run();
    row("compressing to 50 dB, the search included", volume.len(), timed(|| drop(black_box(run()))));
    println!("| | {:.2} dB, {:.0}:1 | |", compressed.distortion.psnr, compressed.ratio_f32);
    compressed.save(file).expect("a file to write");
}

fn read(file: &Path) {
    let open = || NeuralVolume::open(file).expect("a file to read");
    let info = open().info().clone();
    let shape = info.shape;
    let milliseconds = |what: &str, times: [f64; 3]| {
        let [median, least, most] = times.map(|s| s * 1e3);
        println!("| {what} | {median:.2} ms | {least:.2}..{most:.2} |");
    };
    milliseconds("opening", timed(|| drop(black_box(open()))));
    let middle = shape.map(|n| (n / 2) as f64);
    let sample = |volume: &NeuralVolume, points: &[[f64; 3]]| {
        let mut out = vec![0.0; points.len()];
        volume.values_at(points, Space::Index, Outside::Clamp, &mut out).expect("values");
        black_box(out);
    };
    milliseconds("opening and the first point", timed(|| sample(&open(), &[middle])));
    let slice = Region::slice(shape, Axis::Z, shape[2] / 2);
    milliseconds("opening and the first slice", timed(|| drop(open().read_region(slice, 1))));
    let voxels = shape.iter().product();
    row("opening and everything", voxels, timed(|| drop(open().read_region(Region::whole(shape), 1))));
    let volume = open();
    row("everything", voxels, timed(|| drop(volume.read_region(Region::whole(shape), 1))));
    milliseconds("a slice across z", timed(|| drop(volume.read_region(slice, 1))));
    milliseconds(
        "a slice across x",
        timed(|| drop(volume.read_region(Region::slice(shape, Axis::X, shape[0] / 2), 1))),
    );
    let mut state = 1u64;
    let mut draw = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1 << 24) as f64 * (n - 1) as f64
    };
    let points: Vec<[f64; 3]> = (0..POINTS).map(|_| shape.map(&mut draw)).collect();
    row("random points", POINTS, timed(|| sample(&volume, &points)));
    let near: Vec<[f64; 3]> =
        (0..10_000).map(|n| [middle[0] + (n % 10) as f64 * 0.1, middle[1], middle[2]]).collect();
    let times = timed(|| near.iter().for_each(|point| sample(&volume, std::slice::from_ref(point))));
    let [median, least, most] = times.map(|s| s / near.len() as f64 * 1e6);
    println!("| one point near the last one | {median:.2} us | {least:.2}..{most:.2} |");
}

fn row(what: &str, count: usize, times: [f64; 3]) {
    let [median, least, most] = times.map(|s| count as f64 / s / 1e6);
    println!("| {what} | {median:.1} M/s | {most:.1}..{least:.1} |");
}
