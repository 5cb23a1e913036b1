//! `cargo bench --bench throughput`: the CPU engine's rates beside the FMA peak measured in the same run.
//!
//! `cargo bench --bench throughput -- FILE.nvol` also times opening, the first sample and a whole decode of that file.
//!
//! `cargo bench --features cuda --bench throughput -- --gpu` times every CUDA device that can be used instead.
//!
//! Every figure is the median of several runs, with their range: the machine may be shared.

#![allow(unsafe_code)] // intrinsics of the FMA peak

mod timing;

use neuvol::engine::cpu::Cpu;
use neuvol::engine::{Batch, Engine, GroupUpdate, Lattice, Loss, TrainingEngine, Update, axis_position};
use neuvol::field::encoding::{HashGrid, HashGridShape};
use neuvol::field::{Encoding, Field, Model, Rounding};
use neuvol::sample::{Outside, Space};
use neuvol::{NeuralVolume, Region};
use std::hint::black_box;
use std::time::Instant;
use timing::{RUNS, timed};

const VOLUME: [usize; 3] = [128; 3];

fn main() {
    #[cfg(feature = "cuda")]
    if std::env::args().any(|argument| argument == "--gpu") {
        return gpu::main();
    }
    let engine = Cpu::new(0).expect("threads");
    let peak = fma_peak(engine.threads());
    println!("{} threads, {}, FMA peak {:.1} GFLOP/s\n", engine.threads(), engine.isa().name(), peak / 1e9);
    println!("| what | median | range | share of FMA peak |\n|---|---|---|---|");
    for width in [64, 32, 16] {
        let field = field(width);
        training(&engine, &field, peak);
        decode(&engine, &field, peak);
        points(&engine, &field, peak);
        single(&engine, &field);
    }
    // Cargo itself passes `--bench`.
    for path in std::env::args().skip(1).filter(|a| !a.starts_with("--")) {
        file(&path);
    }
}

/// Decode and random points on the GPU, from and to the host's memory.
#[cfg(feature = "cuda")]
mod gpu {
    use super::{RUNS, Random, field_of, positions, row, timed};
    use neuvol::engine::cuda::{Cuda, devices};
    use neuvol::engine::{Engine, Lattice, axis_position};
    use neuvol::field::encoding::HashGridShape;
    use std::hint::black_box;

    const VOLUME: [usize; 3] = [512; 3];

    pub(super) fn main() {
        let devices = devices().unwrap_or_else(|why| {
            eprintln!("not measured: {why}");
            std::process::exit(1);
        });
        for device in devices {
            println!("cuda:{} {}, medians of {RUNS} runs\n", device.number, device.name);
            if let Some(why) = device.problem {
                println!("not measured: {why}\n");
                continue;
            }
            let engine = Cuda::new(device.number, 0).expect("the device can be used");
            println!("| what | median | range | |\n|---|---|---|---|");
            let mut random = Random(7);
            for width in [64, 32, 16] {
                // L=8 F=4 T=2^14, as the bars ask for.
                let shape = HashGridShape {
                    levels: 8,
                    features: 4,
                    table_size: 1 << 14,
                    coarsest: 8.0,
                    finest: 256.0,
                };
                let field = field_of(shape, VOLUME, width, &mut random);
                let evaluator = engine.evaluator(&field).expect("room for the field");
                let axes = VOLUME.map(|n| (0..n).map(|i| axis_position(i, n)).collect());
                let lattice = Lattice { axes };
                let mut out = vec![0.0; lattice.len()];
                let seconds = timed(|| evaluator.lattice(&lattice, black_box(&mut out)).expect("a decode"));
                row(&format!("decode 2x{width}"), out.len(), seconds, 0, 1.0);
                let positions = positions(1 << 25);
                let seconds =
                    timed(|| evaluator.points(&positions, black_box(&mut out[..1 << 25])).expect("values"));
                row(&format!("random points 2x{width}"), positions.len(), seconds, 0, 1.0);
            }
            #[cfg(feature = "torch")]
            training(device.number);
            println!();
        }
    }

    /// Steps on a volume on the device, mixed precision, the usual way and with the same bits every time.
    #[cfg(feature = "torch")]
    fn training(device: usize) {
        use neuvol::engine::torch::{Precision, Torch, TorchOptions};
        use neuvol::engine::{Drawing, GroupUpdate, Loss, TrainingEngine, Update};
        use neuvol::field::Rounding;
        const STEPS: u64 = 100;
        const BATCH: usize = 1 << 18;
        let shape =
            HashGridShape { levels: 8, features: 4, table_size: 1 << 14, coarsest: 8.0, finest: 128.0 };
        let field = field_of(shape, super::Waves::SHAPE, 64, &mut Random(7));
        let how = GroupUpdate { learning_rate: 5e-3, rounding: Rounding::Step(0.05), rate_gradient: 1e-6 };
        let update = Update::uniform(Loss::L2, field.model.groups().len(), how);
        for deterministic in [false, true] {
            let options = TorchOptions { precision: Precision::Mixed, deterministic };
            let engine = Torch::on_cuda(device, 0, options).expect("libtorch finds the device, too");
            let mut trainer = engine.trainer(&field).expect("room for the field");
            let drawing = trainer.keep_voxels(&super::Waves, BATCH).expect("a copy");
            assert_eq!(drawing, Drawing::FromCopy, "no room for the volume");
            let seconds = timed(|| {
                for step in 0..STEPS {
                    trainer.step_drawn(step * BATCH as u64, BATCH, &update).expect("a step");
                }
                // Waits for the device.
                black_box(trainer.squared_error().expect("the error"));
            });
            let name = if deterministic { "training 2x64, deterministic" } else { "training 2x64" };
            row(name, STEPS as usize * BATCH, seconds, 0, 1.0);
        }
    }
}

/// A volume to train on.
#[cfg(feature = "torch")]
struct Waves;

#[cfg(feature = "torch")]
impl Waves {
    const SHAPE: [usize; 3] = [256; 3];
}

#[cfg(feature = "torch")]
impl neuvol::engine::Voxels for Waves {
    fn shape(&self) -> [usize; 3] {
        Self::SHAPE
    }
    fn values(&self, first: usize, out: &mut [f32]) {
        for (i, out) in (first..).zip(out) {
            *out = 0.5 + 0.4 * ((i % 256) as f32 * 0.1).sin() * ((i >> 16) as f32 * 0.07).cos();
        }
    }
    fn seed(&self) -> u64 {
        0
    }
}

/// A real file, whole way: what `info`, one sample and a full decode cost a user.
fn file(path: &str) {
    let milliseconds = |[median, least, most]: [f64; 3]| {
        format!("{:.1} ms | {:.1}..{:.1} | |", median * 1e3, least * 1e3, most * 1e3)
    };
    let open = || NeuralVolume::open(path).expect("a .nvol file");
    let opening = timed(|| {
        black_box(open().info());
    });
    let first = timed(|| {
        let mut value = [0.0];
        open().values_at(&[[1.5; 3]], Space::Index, Outside::Clamp, &mut value).expect("a sample");
        black_box(value);
    });
    let neural = open();
    let whole = Region::whole(neural.info().shape);
    let decoding = timed(|| {
        black_box(neural.read_region(whole, 1).expect("a decode"));
    });
    println!("| open and info, {} bytes | {}", neural.file_bytes(), milliseconds(opening));
    println!("| open and first sample | {}", milliseconds(first));
    row(
        &format!("full decode, {}", neural.model_summary()),
        neural.info().voxels() as usize,
        decoding,
        0,
        1.0,
    );
}

/// The model of the paper's system with the table size of the bar: L=5 F=4 T=2^13.
fn field(width: usize) -> Field {
    let shape = HashGridShape { levels: 5, features: 4, table_size: 1 << 13, coarsest: 8.0, finest: 80.0 };
    field_of(shape, VOLUME, width, &mut Random(7))
}

fn field_of(shape: HashGridShape, volume: [usize; 3], width: usize, random: &mut Random) -> Field {
    let model = Model::new(Encoding::HashGrid(HashGrid::new(shape, volume)), width, 2);
    let parameters = (0..model.parameter_count()).map(|_| random.next() * 0.5 - 0.25).collect();
    Field { model, parameters }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
}

fn positions(count: usize) -> Vec<[f32; 3]> {
    let mut random = Random(99);
    (0..count).map(|_| [random.next(), random.next(), random.next()]).collect()
}

fn row(what: &str, count: usize, [median, least, most]: [f64; 3], flops: usize, peak: f64) {
    let rate = |s: f64| count as f64 / s / 1e6;
    let share = match flops {
        0 => String::new(),
        _ => format!("{:.0} %", 100.0 * count as f64 * flops as f64 / median / peak),
    };
    println!("| {what} | {:.2} M/s | {:.2}..{:.2} | {share} |", rate(median), rate(most), rate(least));
}

fn training(engine: &Cpu, field: &Field, peak: f64) {
    const STEPS: usize = 20;
    const BATCH: usize = 1 << 15;
    let positions = positions(BATCH);
    let targets = positions.iter().map(|p| (p[0] * 9.0).sin() * p[1]).collect();
    let batch = Batch { positions, targets };
    let how = GroupUpdate { learning_rate: 5e-3, rounding: Rounding::Step(0.1), rate_gradient: 1e-6 };
    let update = Update::uniform(Loss::L2, field.model.groups().len(), how);
    let mut trainer = engine.trainer(field).unwrap();
    let seconds = timed(|| {
        for _ in 0..STEPS {
            trainer.step(&batch, &update).unwrap();
        }
    });
    // Backward is twice forward: the gradient by the inputs and that by the weights.
    let flops = 3 * field.model.network.flops();
    row(&format!("training 2x{}", field.model.network.width()), STEPS * BATCH, seconds, flops, peak);
}

fn decode(engine: &Cpu, field: &Field, peak: f64) {
    let axes = VOLUME.map(|n| (0..n).map(|i| axis_position(i, n)).collect());
    let lattice = Lattice { axes };
    let mut out = vec![0.0; lattice.len()];
    let evaluator = engine.evaluator(field).unwrap();
    let seconds = timed(|| evaluator.lattice(&lattice, black_box(&mut out)).unwrap());
    let network = &field.model.network;
    row(&format!("decode 2x{}", network.width()), out.len(), seconds, network.flops(), peak);
}

fn points(engine: &Cpu, field: &Field, peak: f64) {
    let positions = positions(1 << 20);
    let mut out = vec![0.0; positions.len()];
    let evaluator = engine.evaluator(field).unwrap();
    let seconds = timed(|| evaluator.points(&positions, black_box(&mut out)).unwrap());
    let network = &field.model.network;
    row(&format!("random points 2x{}", network.width()), out.len(), seconds, network.flops(), peak);
}

fn single(engine: &Cpu, field: &Field) {
    let positions = positions(10_000);
    let evaluator = engine.evaluator(field).unwrap();
    let [median, least, most] = timed(|| {
        for position in &positions {
            let mut out = [0.0];
            evaluator.points(std::slice::from_ref(position), &mut out).unwrap();
            black_box(out);
        }
    })
    .map(|s| s / positions.len() as f64 * 1e6);
    println!("| one point 2x{} | {median:.2} us | {least:.2}..{most:.2} | |", field.model.network.width());
}

/// Fused multiply-adds in registers on every thread, two operations each: what the machine can do at most.
fn fma_peak(threads: usize) -> f64 {
    let run = || {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(fma_rate)).collect();
            threads.into_iter().map(|t| t.join().expect("the loop does not panic")).sum::<f64>()
        })
    };
    (0..RUNS).map(|_| run()).fold(0.0, f64::max)
}

#[cfg(target_arch = "x86_64")]
fn fma_rate() -> f64 {
    // Ten chains by name: enough for two FMA ports of latency four or five, and all of them stay in registers.
    macro_rules! chains {
        ($splat:ident, $fma:ident, $add:ident, $rounds:expr) => {{
            let factor = $splat(black_box(0.999));
            let one = $splat(1.0);
            let [mut a, mut b, mut c, mut d, mut e] = [one; 5];
            let [mut f, mut g, mut h, mut i, mut j] = [one; 5];
            for _ in 0..$rounds {
                (a, b, c) = ($fma(a, factor, one), $fma(b, factor, one), $fma(c, factor, one));
                (d, e, f) = ($fma(d, factor, one), $fma(e, factor, one), $fma(f, factor, one));
                (g, h, i) = ($fma(g, factor, one), $fma(h, factor, one), $fma(i, factor, one));
                j = $fma(j, factor, one);
            }
            [b, c, d, e, f, g, h, i, j].into_iter().fold(a, |sum, x| $add(sum, x))
        }};
    }
    #[target_feature(enable = "avx512f")]
    fn wide(rounds: usize) -> f32 {
        use std::arch::x86_64::*;
        _mm512_reduce_add_ps(chains!(_mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps, rounds))
    }
    #[target_feature(enable = "avx2,fma")]
    fn narrow(rounds: usize) -> f32 {
        use std::arch::x86_64::*;
        _mm256_cvtss_f32(chains!(_mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps, rounds))
    }
    const ROUNDS: usize = 10_000_000;
    let start = Instant::now();
    let flops = if is_x86_feature_detected!("avx512f") {
        // SAFETY: just asked.
        black_box(unsafe { wide(ROUNDS) });
        ROUNDS * 10 * 16 * 2
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: just asked.
        black_box(unsafe { narrow(ROUNDS) });
        ROUNDS * 10 * 8 * 2
    } else {
        return portable_rate();
    };
    flops as f64 / start.elapsed().as_secs_f64()
}

#[cfg(not(target_arch = "x86_64"))]
fn fma_rate() -> f64 {
    portable_rate()
}

fn portable_rate() -> f64 {
    const ROUNDS: usize = 2_000_000;
    let factor = black_box([0.999f32; 8]);
    let mut sums = [[1.0f32; 8]; 8];
    let start = Instant::now();
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            for lane in 0..8 {
                sum[lane] = sum[lane] * factor[lane] + factor[lane];
            }
        }
    }
    black_box(sums);
    (ROUNDS * 8 * 8 * 2) as f64 / start.elapsed().as_secs_f64()
}
