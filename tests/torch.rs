//! The libtorch engine: against `scalar` on the CPU, by tensor operations and by the GPU's kernels, which a C++ compiler
//! makes code for the host of; and on every CUDA device that is there.
//! `cargo xtask test` runs this with what it needs; `cargo xtask torch` prints that.

#![allow(unsafe_code)] // the kernels on the host

mod fields;

use fields::{Lcg, batch, every_kind};
use libloading::Library;
use neuvol::engine::scalar::Scalar;
use neuvol::engine::torch::fused;
use neuvol::engine::torch::step::{Launch, StepMachine};
use neuvol::engine::torch::{Precision, Torch, TorchOptions};
use neuvol::engine::{
    Drawing, Engine, GroupUpdate, Lattice, Loss, Permutation, TrainingEngine, Update, Voxels, axis_position,
};
use neuvol::field::encoding::{HashGrid, HashGridShape};
use neuvol::field::{Encoding, Field, Model, NetworkKind, Rounding};
use neuvol::train::{Architecture, CompressOptions, Preset, Representation, Target, compress_on};
use neuvol::{NeuralVolume, Region, Volume};
use std::ffi::{CString, c_char, c_void};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

/// The kernels of `step.cu` and `fused.cu`, compiled for the host.
#[derive(Debug)]
struct Host {
    library: &'static Library,
    tensor_cores: bool,
    /// The last thread of a block first.
    backward: bool,
    free_bytes: usize,
}

type HostLaunch = unsafe extern "C" fn(*const c_char, u64, *mut *mut c_void) -> i32;
type HostLaunchBlocks = unsafe extern "C" fn(*const c_char, u32, u32, usize, bool, *mut *mut c_void) -> i32;

/// Compiled once.
fn kernels() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libstep.so");
        let mut compiler = Command::new("c++");
        compiler.args(["-std=c++17", "-O2", "-mf16c", "-fPIC", "-shared", "-Wno-unknown-pragmas"]);
        // Without contraction, as the kernels ask for where it matters. Fortified, a jump to another stack is an error.
        compiler.args(["-ffp-contract=off", "-U_FORTIFY_SOURCE"]);
        for folder in ["tests/cuda/include", "tests/torch/include", "src/engine/torch", "src/engine/cuda"] {
            compiler.arg("-I").arg(root.join(folder));
        }
        for file in ["tests/torch/host.cpp", "tests/torch/fused.cpp", "tests/cuda/block.cpp"] {
            compiler.arg(root.join(file));
        }
        let output = compiler.arg("-o").arg(&library).output().expect("a C++ compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // SAFETY: the library has no code that runs when it is loaded.
        unsafe { Library::new(&library) }.unwrap()
    })
}

impl Host {
    fn new() -> Arc<Host> {
        Arc::new(Host { library: kernels(), tensor_cores: false, backward: false, free_bytes: 1 << 30 })
    }

    /// With no room for a volume.
    fn without_memory() -> Arc<Host> {
        Arc::new(Host { library: kernels(), tensor_cores: false, backward: false, free_bytes: 0 })
    }

    /// With the kernels for tensor cores: few blocks, so that each has more than one tile to do.
    fn with_tensor_cores(backward: bool) -> Arc<Host> {
        Arc::new(Host { library: kernels(), tensor_cores: true, backward, free_bytes: 1 << 30 })
    }
}

impl StepMachine for Host {
    unsafe fn launch(&self, kernel: &str, how: Launch, arguments: &mut [*mut c_void]) -> neuvol::Result<()> {
        let name = CString::new(kernel).unwrap();
        let arguments = arguments.as_mut_ptr();
        // SAFETY: the functions' types; the arguments are the kernel's by the caller's guarantee.
        let code = unsafe {
            if fused::KERNELS.contains(&kernel) {
                let launch = self.library.get::<HostLaunchBlocks>(b"launch_blocks\0").unwrap();
                let shared_bytes = how.shared_bytes as usize;
                launch(name.as_ptr(), how.blocks, how.threads, shared_bytes, self.backward, arguments)
            } else {
                let launch = self.library.get::<HostLaunch>(b"launch\0").unwrap();
                launch(name.as_ptr(), u64::from(how.blocks) * u64::from(how.threads), arguments)
            }
        };
        assert_eq!(code, 0, "{kernel} failed, as tests/cuda/host.cpp says");
        Ok(())
    }

    fn blocks_at_once(&self, _: &str, how: Launch) -> neuvol::Result<u32> {
        Ok(if self.tensor_cores && how.shared_bytes <= 227 << 10 { 2 } else { 0 })
    }

    fn free_bytes(&self) -> neuvol::Result<usize> {
        Ok(self.free_bytes)
    }
}

const TENSOR_CORES_ON_HOST: &str = "kernels for tensor cores on the host";

/// The CPU without and with the kernels, and the GPUs of this machine.
fn engines(precision: Precision) -> Vec<(String, Torch)> {
    let cpu = |options: TorchOptions| Torch::on_cpu(1, options).unwrap();
    let exact = TorchOptions { precision, deterministic: true };
    let mut engines = vec![
        ("cpu".to_owned(), cpu(precision.into())),
        ("kernels on the host".to_owned(), cpu(precision.into()).with_machine(Host::new())),
        ("deterministic kernels on the host".to_owned(), cpu(exact).with_machine(Host::new())),
        ("little memory on the host".to_owned(), cpu(precision.into()).with_machine(Host::without_memory())),
    ];
    if precision == Precision::Mixed {
        let tensor_cores = cpu(precision.into()).with_machine(Host::with_tensor_cores(false));
        engines.push((TENSOR_CORES_ON_HOST.to_owned(), tensor_cores));
    }
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

fn norm(values: &[f32]) -> f32 {
    values.iter().map(|v| v * v).sum::<f32>().sqrt()
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

/// Hash grids before perceptrons that one kernel takes forward and back: every width, every number of features, inputs that
/// fill a matrix of 16 and that do not.
fn fused_fields() -> Vec<(String, Field)> {
    let sizes = [(5, 1, 16, 1), (4, 2, 32, 3), (5, 4, 64, 2), (8, 4, 64, 2), (2, 8, 32, 1), (12, 4, 16, 2)];
    let mut random = Lcg(314);
    let fields = sizes.map(|(levels, features, width, hidden)| {
        let shape = HashGridShape { levels, features, table_size: 256, coarsest: 3.0, finest: 17.0 };
        let model = Model::new(Encoding::HashGrid(HashGrid::new(shape, [40, 31, 23])), width, hidden);
        // Values that half precision has, as the passes see them.
        let value = |_| Rounding::Half.nearest((random.next() - 0.5) * 0.6);
        let parameters = (0..model.parameter_count()).map(value).collect();
        (model.describe(), Field { model, parameters })
    });
    fields.into()
}

/// The kernels for tensor cores: on the host, in both orders of threads, deterministic or not; and GPUs.
fn fused_engines() -> Vec<(String, Torch)> {
    let mut engines = Vec::new();
    for deterministic in [false, true] {
        let options = TorchOptions { precision: Precision::Mixed, deterministic };
        for backward in [false, true] {
            let engine = Torch::on_cpu(1, options).unwrap().with_machine(Host::with_tensor_cores(backward));
            engines.push((format!("host, {options:?}, backward {backward}"), engine));
        }
        engines.extend(Torch::on_cuda(0, 1, options).map(|engine| (format!("cuda:0, {options:?}"), engine)));
    }
    engines
}

#[test]
fn fused_passes_agree_with_scalar_within_1e2() {
    for (name, field) in fused_fields() {
        // Three tiles on fewer blocks; a part of a tile, where one neuron that is within rounding of zero, and may be on here and
        // off there, is more of the whole.
        for (samples, tolerance) in [(300, 1e-2), (5, 1e-1)] {
            let batch = batch(samples);
            for loss in [Loss::L2, Loss::L1] {
                let mut expected = vec![0.0; field.parameters.len()];
                let squared = Scalar.trainer(&field).unwrap().gradient(&batch, loss, &mut expected).unwrap();
                let network = field.model.network_offset();
                for (device, engine) in fused_engines() {
                    let what = format!("{name} {device}, {samples} samples, {loss:?}");
                    let mut gradient = vec![0.0; expected.len()];
                    let sum = engine.trainer(&field).unwrap().gradient(&batch, loss, &mut gradient).unwrap();
                    assert!((sum / squared - 1.0).abs() < 1e-2, "{what}: {sum} not {squared}");
                    // Tables and network each by their own norm: theirs differ by magnitudes.
                    for part in [0..network, network..expected.len()] {
                        let (ours, expected) = (&gradient[part.clone()], &expected[part.clone()]);
                        let off: Vec<f32> = ours.iter().zip(expected).map(|(a, b)| a - b).collect();
                        let off = norm(&off) / norm(expected);
                        assert!(off < tolerance, "{what}, parameters {part:?}: off by {off}");
                    }
                }
            }
        }
    }
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
        if device == TENSOR_CORES_ON_HOST {
            // A lane after the other: minutes.
            continue;
        }
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

/// In half precision, by the kernels for tensor cores, a field learns what it learns in float32.
#[test]
fn fused_passes_learn_as_float32_does() {
    const SHAPE: [usize; 3] = [24, 20, 16];
    let wave = |x: usize, y: usize, z: usize| {
        let [x, y, z] = [x, y, z].map(|n| n as f32);
        0.5 + 0.3 * (0.9 * x).sin() * (0.7 * y).cos() + 0.01 * z
    };
    let voxels = SHAPE.iter().product::<usize>() as u64;
    let drawn = |step: u64, samples: u64| {
        let mut batch = neuvol::engine::Batch::default();
        for sequence in step * samples..(step + 1) * samples {
            let epoch = sequence / voxels;
            let voxel = Permutation::new(voxels, 5, epoch).apply(sequence % voxels) as usize;
            let [x, y, z] = [voxel % 24, voxel / 24 % 20, voxel / 480];
            batch.positions.push([axis_position(x, 24), axis_position(y, 20), axis_position(z, 16)]);
            batch.targets.push(wave(x, y, z));
        }
        batch
    };
    let shape = HashGridShape { levels: 4, features: 4, table_size: 8192, coarsest: 4.0, finest: 24.0 };
    let model = Model::new(Encoding::HashGrid(HashGrid::new(shape, SHAPE)), 32, 2);
    let mut random = Lcg(99);
    let parameters = (0..model.parameter_count()).map(|_| (random.next() - 0.5) * 0.3).collect();
    let field = Field { model, parameters };
    // The last twenty batches' error, with rates that fall.
    let learned = |engine: &dyn TrainingEngine| {
        const STEPS: u64 = 400;
        const SAMPLES: u64 = 512;
        let mut trainer = engine.trainer(&field).unwrap();
        let mut error = 0.0;
        for step in 0..STEPS {
            let learning_rate = 1e-2 * 0.04_f32.powf((step as f32 / STEPS as f32 * 2.0 - 1.0).max(0.0));
            let how = GroupUpdate { learning_rate, rounding: Rounding::Half, rate_gradient: 0.0 };
            let update = Update::uniform(Loss::L2, field.model.groups().len(), how);
            trainer.step(&drawn(step, SAMPLES), &update).unwrap();
            if step >= STEPS - 20 {
                error += trainer.squared_error().unwrap();
            }
        }
        -10.0 * (error / (20 * SAMPLES) as f64).log10()
    };
    let expected = learned(&neuvol::engine::cpu::Cpu::new(1).unwrap());
    assert!(expected > 30.0, "something is learned: {expected} dB");
    let on_host = Torch::on_cpu(1, Precision::Mixed).unwrap().with_machine(Host::with_tensor_cores(false));
    for engine in std::iter::once(on_host).chain(Torch::on_cuda(0, 1, Precision::Mixed)) {
        let found = learned(&engine);
        assert!(found > expected - 0.1, "{found} dB, {expected} in float32");
    }
}

#[test]
fn states_are_summed() {
    let (_, field) = every_kind().swap_remove(0);
    let how = GroupUpdate { learning_rate: 1e-2, rounding: Rounding::Step(0.125), rate_gradient: 0.0 };
    let update = Update::uniform(Loss::L2, field.model.groups().len(), how);
    for (device, engine) in engines(Precision::Float) {
        let mut trainer = engine.trainer(&field).unwrap();
        // A sum that was finished and thrown away is not in the next one.
        trainer.add_parameters_to(&mut vec![0.0; field.parameters.len()]).unwrap();
        trainer.finish_sum(&mut []).unwrap();
        let mut sum = vec![1.0; field.parameters.len()];
        let mut expected = sum.clone();
        for _ in 0..3 {
            trainer.step(&batch(50), &update).unwrap();
            trainer.add_parameters_to(&mut sum).unwrap();
            expected.iter_mut().zip(trainer.parameters().unwrap()).for_each(|(sum, p)| *sum += p);
        }
        trainer.finish_sum(&mut sum).unwrap();
        // Multiples of an eighth: exact in whatever order.
        assert_eq!(sum, expected, "{device}");
    }
}

#[test]
fn mean_magnitudes_are_those_of_the_parameters() {
    let (_, field) = every_kind().swap_remove(0);
    let ranges = [0..7, 7..500, field.parameters.len() - 1..field.parameters.len()];
    let expected = Scalar.trainer(&field).unwrap().mean_magnitudes(&ranges).unwrap();
    let first: f32 = field.parameters[..7].iter().map(|p| p.abs()).sum();
    assert!(
        (expected[0] - first / 7.0).abs() < 1e-6 && expected[2] == field.parameters.last().unwrap().abs()
    );
    for (device, engine) in engines(Precision::Mixed) {
        let mut trainer = engine.trainer(&field).unwrap();
        let means = trainer.mean_magnitudes(&ranges).unwrap();
        assert!(means.iter().zip(&expected).all(|(a, b)| (a / b - 1.0).abs() < 1e-5), "{device}: {means:?}");
        assert!(trainer.mean_magnitudes(&[]).unwrap().is_empty());
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
        let how = drawing.keep_voxels(&Ramp, 40).unwrap();
        let expected = match device.as_str() {
            "cpu" => Drawing::ByCaller,
            "little memory on the host" => Drawing::FromStretches,
            _ => Drawing::FromCopy,
        };
        assert_eq!(how, expected, "{device}");
        if how == Drawing::ByCaller {
            continue;
        }
        let more_than_an_epoch = engine.trainer(&field).unwrap().keep_voxels(&Ramp, 61).unwrap();
        assert_eq!(more_than_an_epoch, Drawing::ByCaller);
        let mut told = engine.trainer(&field).unwrap();
        let voxel_of = |sequence| Permutation::new(60, 77, sequence / 60).apply(sequence % 60) as usize;
        // Four batches of 40 cross the ends of two epochs of 60.
        for first in [0, 40, 80, 120] {
            if how == Drawing::FromStretches && first % 80 == 0 {
                let mut targets = [0.0; 80];
                for (sequence, target) in (first..).zip(targets.chunks_mut(1)) {
                    Ramp.values(voxel_of(sequence), target);
                }
                drawing.take_stretch(first, &targets).unwrap();
            }
            drawing.step_drawn(first, 40, &update).unwrap();
            let mut batch = neuvol::engine::Batch::default();
            for sequence in first..first + 40 {
                let voxel = voxel_of(sequence);
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
    let mut engines = vec![
        Torch::on_cpu(1, options).unwrap().with_machine(Host::new()),
        Torch::on_cpu(1, options).unwrap().with_machine(Host::with_tensor_cores(false)),
    ];
    engines.extend(Torch::on_cuda(0, 1, options));
    for engine in engines {
        let run = || {
            let mut trainer = engine.trainer(&field).unwrap();
            for _ in 0..8 {
                trainer.step(&batch(1000), &update).unwrap();
            }
            trainer.parameters().unwrap().to_vec()
        };
        assert_eq!(run(), run());
    }
}
