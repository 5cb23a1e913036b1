//! The libtorch engine: against `scalar` on the CPU, by tensor operations and by the GPU's kernels, which a C++ compiler
//! makes code for the host of; and on every CUDA device that is there.
//! `cargo xtask test` runs this with what it needs; `cargo xtask torch` prints that.

#![allow(unsafe_code)] // the kernels on the host

mod fields;

use fields::{batch, every_kind};
use libloading::Library;
use neuvol::engine::scalar::Scalar;
use neuvol::engine::torch::step::StepMachine;
use neuvol::engine::torch::{Precision, Torch, TorchOptions};
use neuvol::engine::{
    Engine, GroupUpdate, Lattice, Loss, Permutation, TrainingEngine, Update, Voxels, axis_position,
};
use neuvol::field::{Field, NetworkKind, Rounding};
use neuvol::train::{Architecture, CompressOptions, Preset, Representation, Target, compress_on};
use neuvol::{NeuralVolume, Region, Volume};
use std::ffi::{CString, c_char, c_void};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

/// The kernels of `step.cu`, compiled for the host.
#[derive(Debug)]
struct Host(Library);

type HostLaunch = unsafe extern "C" fn(*const c_char, u64, *mut *mut c_void) -> i32;

impl Host {
    /// Compiled once.
    fn new() -> Arc<Host> {
        static HOST: OnceLock<Arc<Host>> = OnceLock::new();
        let compile = || {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let folder = tempfile::tempdir().unwrap();
            let library = folder.path().join("libstep.so");
            let kernels = root.join("src/engine/torch");
            let mut compiler = Command::new("c++");
            // Without contraction, as the kernels ask for where it matters.
            compiler.args([
                "-std=c++17",
                "-O2",
                "-mf16c",
                "-ffp-contract=off",
                "-fPIC",
                "-shared",
                "-Wno-unknown-pragmas",
            ]);
            compiler
                .arg("-I")
                .arg(root.join("tests/torch/include"))
                .arg("-I")
                .arg(&kernels)
                .arg("-I")
                .arg(root.join("src/engine/cuda"));
            compiler
                .arg(r#"-DSTEP_CU="step.cu""#)
                .arg("-o")
                .arg(&library)
                .arg(root.join("tests/torch/host.cpp"));
            let output = compiler.output().expect("a C++ compiler");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            // SAFETY: the library has no code that runs when it is loaded.
            Arc::new(Host(unsafe { Library::new(&library) }.unwrap()))
        };
        HOST.get_or_init(compile).clone()
    }
}

impl StepMachine for Host {
    unsafe fn launch(&self, kernel: &str, threads: u64, arguments: &mut [*mut c_void]) -> neuvol::Result<()> {
        let name = CString::new(kernel).unwrap();
        // SAFETY: the function's type; the arguments are the kernel's by the caller's promise.
        let missing = unsafe {
            let launch = self.0.get::<HostLaunch>(b"launch\0").unwrap();
            launch(name.as_ptr(), threads, arguments.as_mut_ptr())
        };
        assert_eq!(missing, 0, "there is no kernel {kernel}");
        Ok(())
    }

    fn free_bytes(&self) -> neuvol::Result<usize> {
        Ok(1 << 30)
    }
}

/// The CPU without and with the kernels, and the GPUs of this machine.
fn engines(precision: Precision) -> Vec<(String, Torch)> {
    let cpu = |options: TorchOptions| Torch::on_cpu(1, options).unwrap();
    let exact = TorchOptions { precision, deterministic: true };
    let mut engines = vec![
        ("cpu".to_owned(), cpu(precision.into())),
        ("kernels on the host".to_owned(), cpu(precision.into()).with_machine(Host::new())),
        ("deterministic kernels on the host".to_owned(), cpu(exact).with_machine(Host::new())),
    ];
    for index in 0.. {
        match Torch::on_cuda(index, 1, precision) {
            Ok(engine) => engines.push((format!("cuda:{index}"), engine)),
            Err(why) if index == 0 => {
                eprintln!("SKIPPED CUDA: {why}");
                break;
            }
            Err(_) => break,
        }
    }
    engines
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

#[test]
fn a_missing_device_is_an_error_with_a_reason() {
    let error = Torch::on_cuda(1000, 1, Precision::Float).err().expect("no such device").to_string();
    assert!(error.contains("CUDA"), "{error}");
}

#[test]
fn values_agree_with_scalar_within_1e4() {
    for (name, field) in every_kind() {
        let positions = batch(400).positions;
        let (mut expected, mut slopes) = (vec![0.0; 400], vec![[0.0; 3]; 400]);
        Scalar.evaluator(&field).unwrap().gradients(&positions, &mut expected, &mut slopes).unwrap();
        let (scale, steepest) = (largest(&expected).max(1.0), largest(slopes.as_flattened()));
        let axes = [[0.0, 0.3, 1.0].to_vec(), [0.1, 0.2].to_vec(), [0.5, 0.75, 0.99].to_vec()];
        let lattice = Lattice { axes };
        let mut on_lattice = vec![0.0; 18];
        Scalar.evaluator(&field).unwrap().lattice(&lattice, &mut on_lattice).unwrap();
        for (device, engine) in engines(Precision::Float) {
            let evaluator = engine.evaluator(&field).unwrap();
            let mut values = vec![0.0; 400];
            evaluator.points(&positions, &mut values).unwrap();
            for (v, e) in values.iter().zip(&expected) {
                assert!((v - e).abs() < 1e-4 * scale, "{name} {device}: {v} not {e}");
            }
            let mut values = vec![0.0; 18];
            evaluator.lattice(&lattice, &mut values).unwrap();
            for (v, e) in values.iter().zip(&on_lattice) {
                assert!((v - e).abs() < 1e-4 * scale, "{name} {device}, lattice: {v} not {e}");
            }
            let (mut values, mut gradients) = (vec![0.0; 400], vec![[0.0; 3]; 400]);
            evaluator.gradients(&positions, &mut values, &mut gradients).unwrap();
            let off = |(a, b): &(&[f32; 3], &[f32; 3])| (0..3).any(|i| (a[i] - b[i]).abs() > 1e-3 * steepest);
            // A neuron whose input is within rounding of zero may be on here and off there.
            let differ = gradients.iter().zip(&slopes).filter(off).count();
            assert!(differ <= 3, "{name} {device}: {differ} slopes differ");
        }
    }
}

/// Gradients of the mean loss; each within `tolerance` of the largest.
fn gradients_agree(precision: Precision, tolerance: f32, fields: &[(String, Field)]) {
    for (name, field) in fields {
        let batch = batch(300);
        for loss in [Loss::L2, Loss::L1] {
            let mut expected = vec![0.0; field.parameters.len()];
            let squared = Scalar.trainer(field).unwrap().gradient(&batch, loss, &mut expected).unwrap();
            let scale = largest(&expected);
            for (device, engine) in engines(precision) {
                let mut gradient = vec![0.0; expected.len()];
                let sum = engine.trainer(field).unwrap().gradient(&batch, loss, &mut gradient).unwrap();
                assert!(
                    (sum / squared - 1.0).abs() < f64::from(tolerance),
                    "{name} {device}: {sum} not {squared}"
                );
                for (p, (g, e)) in gradient.iter().zip(&expected).enumerate() {
                    let off = (g - e).abs();
                    assert!(off < tolerance * scale, "{name} {device} {loss:?}, parameter {p}: {g} not {e}");
                }
            }
        }
    }
}

#[test]
fn gradients_agree_with_scalar_within_1e3() {
    gradients_agree(Precision::Float, 1e-3, &every_kind());
}

#[test]
fn mixed_precision_agrees_with_scalar_within_1e2() {
    let mut fields = every_kind();
    fields.retain(|(_, field)| field.model.network.kind() == NetworkKind::Mlp);
    assert_eq!(fields.len(), 5);
    // What the passes see: parameters that half precision has.
    for (_, field) in &mut fields {
        field.parameters.iter_mut().for_each(|p| *p = Rounding::Half.nearest(*p));
    }
    gradients_agree(Precision::Mixed, 1e-2, &fields);
}

#[test]
fn steps_agree_with_scalar_and_round() {
    for (name, field) in every_kind() {
        let groups = field.model.groups().len();
        let batch = batch(300);
        for rounding in [Rounding::None, Rounding::Half, Rounding::Step(1.0 / 1024.0)] {
            let how = GroupUpdate { learning_rate: 1e-3, rounding, rate_gradient: 1e-4 };
            let update = Update::uniform(Loss::L2, groups, how);
            let mut scalar = Scalar.trainer(&field).unwrap();
            let mut errors = Vec::new();
            for _ in 0..5 {
                scalar.step(&batch, &update).unwrap();
                errors.push(scalar.squared_error().unwrap());
            }
            for (device, engine) in engines(Precision::Float) {
                let mut trainer = engine.trainer(&field).unwrap();
                for expected in &errors {
                    trainer.step(&batch, &update).unwrap();
                    let error = trainer.squared_error().unwrap();
                    assert!(
                        (error / expected - 1.0).abs() < 5e-3,
                        "{name} {device} {rounding:?}: {error} not {expected}"
                    );
                }
                let parameters = trainer.parameters().unwrap();
                assert!(
                    parameters.iter().all(|&p| (rounding.nearest(p) - p).abs() <= 1e-6 * p.abs()),
                    "{name} {rounding:?}"
                );
                let moved = parameters.iter().zip(&field.parameters).filter(|(a, b)| a != b).count();
                assert!(moved > parameters.len() / 4, "{name} {device}: {moved} moved");
            }
        }
    }
}

/// A volume that the engine trains on by itself, to a target.
#[test]
fn a_volume_is_compressed_and_read_by_the_cpu_engine() {
    let shape = [24, 20, 16];
    let wave = |i: usize| {
        let [x, y, z] = [i % 24, i / 24 % 20, i / 480].map(|n| n as f32);
        (0.3 * x).sin() * (0.25 * y).cos() + 0.05 * z
    };
    let volume = Volume::new((0..24 * 20 * 16).map(wave).collect::<Vec<f32>>(), shape).unwrap();
    let representation = Representation::Network(Architecture::default());
    let options = CompressOptions {
        target: Target::Psnr(30.0),
        preset: Preset::Fast,
        representation,
        ..Default::default()
    };
    for (device, engine) in engines(Precision::Mixed) {
        let compressed =
            compress_on(Arc::new(engine), &volume, &options, |_| ControlFlow::Continue(())).unwrap();
        let neural = NeuralVolume::from_bytes(&compressed.bytes, "new", Arc::new(Scalar)).unwrap();
        let decoded = neural.read_region(Region::whole(shape), 1).unwrap();
        let error = |i| decoded.samples().get(i) - volume.samples().get(i);
        let mse = (0..volume.len()).map(|i| error(i) * error(i)).sum::<f64>() / volume.len() as f64;
        let (low, high) = volume.range().unwrap();
        let psnr = 20.0 * ((high - low) / mse.sqrt()).log10();
        assert!(psnr >= 30.0 - 1e-3, "{device}: {psnr} dB");
        assert!((psnr - compressed.distortion.psnr).abs() < 0.01, "{device}: {psnr} dB");
    }
}

#[test]
fn constant_and_tiny_volumes_give_numbers() {
    for (name, field) in every_kind().into_iter().take(4) {
        for (device, engine) in engines(Precision::Mixed) {
            let mut trainer = engine.trainer(&field).unwrap();
            let mut one = batch(1);
            one.targets = vec![0.5];
            let how = GroupUpdate { learning_rate: 1e-2, rounding: Rounding::Half, rate_gradient: 0.0 };
            let update = Update::uniform(Loss::L2, field.model.groups().len(), how);
            for _ in 0..50 {
                trainer.step(&one, &update).unwrap();
            }
            assert!(trainer.squared_error().unwrap().is_finite(), "{name} {device}");
            assert!(trainer.parameters().unwrap().iter().all(|p| p.is_finite()), "{name} {device}");
            // Nothing to learn from at all.
            one.targets = vec![f32::NAN];
            trainer.step(&one, &update).unwrap();
            assert!(trainer.parameters().unwrap().iter().all(|p| p.is_finite()), "{name} {device}, masked");
        }
    }
}

/// Voxel i has value i / 100, but a few are masked.
struct Ramp;

impl Voxels for Ramp {
    fn shape(&self) -> [usize; 3] {
        [5, 4, 3]
    }
    fn values(&self, first: usize, out: &mut [f32]) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = if (first + i) % 17 == 3 { f32::NAN } else { (first + i) as f32 / 100.0 };
        }
    }
    fn seed(&self) -> u64 {
        77
    }
}

#[test]
fn samples_drawn_on_the_device_are_those_of_the_permutation() {
    let (_, field) = every_kind().swap_remove(0);
    let how = GroupUpdate { learning_rate: 1e-3, rounding: Rounding::Half, rate_gradient: 1e-5 };
    let update = Update::uniform(Loss::L2, field.model.groups().len(), how);
    for (device, engine) in engines(Precision::Float) {
        let mut drawing = engine.trainer(&field).unwrap();
        if !drawing.keep_voxels(&Ramp, 40).unwrap() {
            assert_eq!(device, "cpu", "a device draws by itself");
            continue;
        }
        assert!(
            !engine.trainer(&field).unwrap().keep_voxels(&Ramp, 61).unwrap(),
            "more than an epoch a batch"
        );
        let mut told = engine.trainer(&field).unwrap();
        // Four batches of 40 cross the ends of two epochs of 60.
        for first in [0, 40, 80, 120] {
            drawing.step_drawn(first, 40, &update).unwrap();
            let mut batch = neuvol::engine::Batch::default();
            for sequence in first..first + 40 {
                let voxel = Permutation::new(60, 77, sequence / 60).apply(sequence % 60) as usize;
                let [x, y, z] = [voxel % 5, voxel / 5 % 4, voxel / 20];
                batch.positions.push([axis_position(x, 5), axis_position(y, 4), axis_position(z, 3)]);
                let mut value = [0.0];
                Ramp.values(voxel, &mut value);
                batch.targets.push(value[0]);
            }
            told.step(&batch, &update).unwrap();
            let (error, expected) = (drawing.squared_error().unwrap(), told.squared_error().unwrap());
            assert!((error / expected - 1.0).abs() < 1e-6, "{device}: {error} not {expected}");
        }
    }
}

#[test]
fn deterministic_steps_give_the_same_bits() {
    let (_, field) = every_kind().swap_remove(0);
    let how = GroupUpdate { learning_rate: 1e-2, rounding: Rounding::None, rate_gradient: 0.0 };
    let update = Update::uniform(Loss::L2, field.model.groups().len(), how);
    let options = TorchOptions { precision: Precision::Mixed, deterministic: true };
    let mut engines = vec![Torch::on_cpu(1, options).unwrap().with_machine(Host::new())];
    engines.extend(Torch::on_cuda(0, 1, options));
    for engine in engines {
        let run = || {
            let mut trainer = engine.trainer(&field).unwrap();
            for _ in 0..20 {
                trainer.step(&batch(1000), &update).unwrap();
            }
            trainer.parameters().unwrap().to_vec()
        };
        assert_eq!(run(), run());
    }
}
