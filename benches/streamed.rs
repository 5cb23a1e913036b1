//! `cargo bench --bench streamed [-- EDGE [PSNR]]`: compression of a volume that is larger than memory, EDGE^3 uint16 (1024), made on
//! the spot, within 512 MB and within 8 GB, to a PSNR (40) or without loss (`-- EDGE lossless`): seconds, the process' peak of memory,
//! bytes, and whether both files are the same.
//!
//! Each run is a process of its own, whose peak the system keeps (`VmHWM` in /proc/self/status).

use neuvol::Result;
use neuvol::train::{CompressOptions, Target, compress_source};
use neuvol::volume::{Association, Geometry, SampleType, Samples, Source, VolumeHeader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const BUDGETS: [(&str, u64); 2] = [("512 MB", 512_000_000), ("8 GB", 8_000_000_000)];

/// Waves, edges of balls, and noise of about a thousandth.
struct Scene {
    edge: usize,
}

fn value(at: [usize; 3]) -> u16 {
    let [x, y, z] = at.map(|n| n as f32);
    let wave = (0.031 * x).sin() * (0.017 * y + 0.3).cos() * (0.023 * z + 0.5).sin();
    let [u, v, w] = at.map(|n| (n % 256) as f32 - 128.0);
    let ball = if u * u + v * v + w * w < 8000.0 { 0.3 } else { 0.0 };
    let hash = ((at[0] * 73_856_093) ^ (at[1] * 19_349_663) ^ (at[2] * 83_492_791)) as u32;
    let noise = (hash.wrapping_mul(2_654_435_761) >> 16) as f32 / 65536.0 * 2e-3;
    ((0.35 + 0.3 * wave + ball + noise) * 60_000.0) as u16
}

impl Source for Scene {
    fn header(&self) -> VolumeHeader {
        VolumeHeader {
            shape: [self.edge; 3],
            sample_type: SampleType::U16,
            geometry: Geometry::default(),
            association: Association::Point,
            name: "scene".into(),
            unit: String::new(),
            fill_value: None,
            fill_limit: None,
            provenance: Default::default(),
        }
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
        let mut samples = Vec::with_capacity(size.iter().product());
        for z in start[2]..start[2] + size[2] {
            for y in start[1]..start[1] + size[1] {
                samples.extend((start[0]..start[0] + size[0]).map(|x| value([x, y, z])));
            }
        }
        Ok(Samples::U16(samples))
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let argument = |n: usize| arguments.get(n).map(String::as_str);
    if argument(0) == Some("run") {
        let [edge, target, budget, path] = [1, 2, 3, 4].map(|n| argument(n).expect("four arguments"));
        return run(edge.parse().expect("an edge"), target, budget.parse().expect("bytes"), Path::new(path));
    }
    let (edge, target) = (argument(0).unwrap_or("1024"), argument(1).unwrap_or("40"));
    println!("{edge}^3 uint16, {target}, {} threads\n", rayon::current_num_threads());
    println!("| memory allowed | seconds | peak | bytes |\n|---|---|---|---|");
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = Vec::new();
    for (name, bytes) in BUDGETS {
        let path = folder.path().join(format!("{bytes}.nvol"));
        let program = std::env::current_exe().expect("this program");
        let arguments = ["run", edge, target, &bytes.to_string(), path.to_str().expect("a name")];
        let output = Command::new(program).args(arguments).output().expect("this program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        println!("| {name} | {} |", String::from_utf8_lossy(&output.stdout).trim());
        files.push(std::fs::read(path).expect("the file"));
    }
    println!("\nthe files are {}", if files[0] == files[1] { "the same" } else { "different" });
}

fn run(edge: usize, target: &str, memory: u64, path: &Path) {
    let target = match target.parse() {
        Ok(db) => Target::Psnr(db),
        Err(_) => Target::Lossless,
    };
    let options = CompressOptions { target, ..Default::default() };
    let start = Instant::now();
    let done = compress_source(&Scene { edge }, path, &options, memory, |_| ControlFlow::Continue(()))
        .unwrap_or_else(|error| panic!("{error}"));
    let seconds = start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    println!("{seconds:.1} | {peak} | {} ({:.2} dB)", done.file_bytes, done.distortion.psnr);
}
