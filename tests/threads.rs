//! One pool of threads for a process that asks for nothing else, whatever it reads, compresses and opens; none beside the
//! pools of engines that were asked for.

use neuvol::engine::cpu::Cpu;
use neuvol::sample::{Outside, Space};
use neuvol::train::{CompressOptions, Representation, Target, compress};
use neuvol::{Axis, NeuralVolume, Region, Volume};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Set for the process whose threads are counted.
const CHILD: &str = "NEUVOL_THREADS_TEST";
/// Larger than a brick, so that several are decoded at a time.
const SHAPE: [usize; 3] = [70, 66, 20];

/// Threads of this process, where the system tells.
fn tasks() -> Option<usize> {
    std::fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

/// Runs a test of this program in a process of its own, since threads that were started stay.
fn alone(test: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", test, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}", said.concat());
}

fn is_counted() -> bool {
    std::env::var_os(CHILD).is_some()
}

fn volume() -> Volume {
    let [nx, ny, nz] = SHAPE;
    let value = |i: usize| {
        let [x, y, z] = [i % nx, i / nx % ny, i / nx / ny].map(|n| n as f32);
        if x + y < 12.0 { f32::NAN } else { (0.2 * x).sin() * (0.15 * y).cos() + 0.02 * z }
    };
    Volume::new((0..nx * ny * nz).map(value).collect::<Vec<f32>>(), SHAPE).unwrap()
}

/// A file of each kind.
fn files(folder: &Path, threads: usize) -> Vec<std::path::PathBuf> {
    let kinds = [
        ("latents.nvol", Target::Psnr(34.0), Representation::LatentGrid),
        ("whole.nvol", Target::Lossless, Representation::Smallest),
        ("corrected.nvol", Target::MaxError(0.02), Representation::Smallest),
    ];
    kinds
        .into_iter()
        .map(|(name, target, representation)| {
            let options = CompressOptions { target, representation, threads, ..CompressOptions::default() };
            let path = folder.join(name);
            let compressed = compress(&volume(), &options).unwrap();
            compressed.save(&path).unwrap();
            path
        })
        .collect()
}

/// Everything that decodes.
fn use_it(neural: &NeuralVolume) {
    neural.read_region(Region::slice(SHAPE, Axis::Z, 3), 1).unwrap();
    neural.read_region_f32(Region::whole(SHAPE), 3).unwrap();
    let points: Vec<[f64; 3]> =
        (0..5000).map(|n| [0, 1, 2].map(|a| f64::from(n * (a + 7) % 600) / 601.0 * 19.0)).collect();
    let mut values = vec![0.0; points.len()];
    neural.values_at(&points, Space::Index, Outside::Clamp, &mut values).unwrap();
    neural.values_at(&points[..1], Space::Index, Outside::Clamp, &mut values[..1]).unwrap();
}

#[test]
fn a_hundred_open_files_share_one_pool() {
    let Some(before) = tasks() else {
        return eprintln!(
            "SKIPPED a_hundred_open_files_share_one_pool: this system does not tell its threads"
        );
    };
    if !is_counted() {
        return alone("a_hundred_open_files_share_one_pool");
    }
    let cores = std::thread::available_parallelism().unwrap().get();
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path(), 0);
    let vti = folder.path().join("a.vti");
    neuvol::io::save(&volume(), &vti).unwrap();
    neuvol::io::open(&vti, &Default::default()).unwrap();
    let open: Vec<NeuralVolume> =
        (0..100).map(|n| NeuralVolume::open(&files[n % files.len()]).unwrap()).collect();
    open.iter().for_each(use_it);
    let now = tasks().unwrap();
    assert!(now <= before + cores, "{before} threads at first, {now} now, on {cores} cores");
}

#[test]
fn an_engine_of_one_thread_starts_one_thread() {
    let Some(before) = tasks() else {
        return eprintln!(
            "SKIPPED an_engine_of_one_thread_starts_one_thread: this system does not tell its threads"
        );
    };
    if !is_counted() {
        return alone("an_engine_of_one_thread_starts_one_thread");
    }
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path(), 1);
    // Those that compressed have ended, or will in a moment.
    let engine = Arc::new(Cpu::new(1).unwrap());
    for file in files {
        let neural = NeuralVolume::open_with(&file, engine.clone()).unwrap();
        use_it(&neural);
    }
    for _ in 0..100 {
        if tasks().unwrap() <= before + 1 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(tasks().unwrap(), before + 1, "rayon's own pool must not have been started");
}
