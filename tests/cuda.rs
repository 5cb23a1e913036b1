//! The CUDA engine against `scalar`, the kernels' formulae without a GPU: compiled for the host, where `tests/cuda/` stands
//! for CUDA. With a GPU, the same checks run on it too. `cargo xtask test` runs this with NVRTC on the library path.

#![expect(unsafe_code, reason = "calls the kernels")]

#[path = "cuda/host.rs"]
mod host;

use host::{Host, LARGE, TENSOR_CORES, Turns, WITHOUT_SHARED};
use neuvol::engine::cpu::Cpu;
use neuvol::engine::cuda::{Cuda, devices};
use neuvol::engine::scalar::Scalar;
use neuvol::engine::{Engine, Lattice, axis_position};
use neuvol::field::encoding::{AxisWise, HashGrid, HashGridShape, Wave};
use neuvol::field::{Encoding, Field, Model, NetworkKind};
use neuvol::sample::{Outside, PointSample, Space};
use neuvol::train::{Architecture, CompressOptions, Preset, Representation, Target, compress};
use neuvol::{Error, NeuralVolume, Region, Volume};
use std::sync::Arc;

/// Every machine that there is: what stands for a GPU, and GPUs.
fn engines(test: &str) -> Vec<(String, Cuda)> {
    let mut engines = Vec::new();
    match host::kernels() {
        None => eprintln!("SKIPPED {test} on the host: no C++ compiler"),
        Some(kernels) => {
            for (name, turns, shape) in [
                ("host", Turns::Forward, LARGE),
                ("host backward", Turns::Backward, LARGE),
                ("host with tensor cores", Turns::Forward, TENSOR_CORES),
                ("host with tensor cores backward", Turns::Backward, TENSOR_CORES),
                ("host without shared memory", Turns::Forward, WITHOUT_SHARED),
            ] {
                let machine = Arc::new(Host::new(kernels, turns, shape));
                engines.push((name.to_owned(), Cuda::on(machine, 2).expect("threads")));
            }
        }
    }
    match devices() {
        Ok(found) => engines.extend(found.into_iter().map(|device| {
            let engine = Cuda::new(device.number, 2).expect("the device can be used");
            (device.name, engine)
        })),
        Err(why) => eprintln!("SKIPPED {test} on a GPU: {why}"),
    }
    engines
}

// ---- What is evaluated

/// A small generator, so that the tests do not depend on the one they test.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
}

fn filled(model: Model, spread: f32) -> Field {
    let mut random = Lcg(2718 + model.parameter_count() as u64);
    let parameters = (0..model.parameter_count()).map(|_| (random.next() - 0.5) * spread).collect();
    Field { model, parameters }
}

fn grid(levels: usize, features: usize, volume: [usize; 3]) -> Encoding {
    let shape = HashGridShape { levels, features, table_size: 256, coarsest: 3.0, finest: 17.0 };
    Encoding::HashGrid(HashGrid::new(shape, volume))
}

fn waves() -> [Encoding; 4] {
    [
        Encoding::AxisWise(AxisWise::usual(Wave::Identity)),
        Encoding::AxisWise(AxisWise::new(Wave::Frequency, 6).expect("few enough")),
        Encoding::AxisWise(AxisWise::new(Wave::TriangleWave, 5).expect("few enough")),
        Encoding::AxisWise(AxisWise::new(Wave::OneBlob, 20).expect("few enough")),
    ]
}

/// A field of every kind there is: each encoding before each network, and every size that has code of its own.
fn every_kind() -> Vec<Field> {
    const VOLUME: [usize; 3] = [40, 31, 23];
    let mut fields = Vec::new();
    for encoding in waves().into_iter().chain([grid(4, 2, VOLUME)]) {
        for (kind, width, hidden) in [
            (NetworkKind::Mlp, 16, 2),
            (NetworkKind::Mlp, 32, 3),
            (NetworkKind::Mlp, 64, 1),
            (NetworkKind::Mlp, 48, 2),
            (NetworkKind::SineResidual, 21, 3),
            (NetworkKind::SineResidual, 16, 1),
        ] {
            fields.push(filled(Model::with(kind, encoding.clone(), width, hidden), 0.6));
        }
    }
    for (levels, features, width, hidden, volume) in [
        (5, 1, 16, 1, VOLUME),
        (3, 2, 48, 2, VOLUME),
        (5, 4, 64, 2, VOLUME),
        (5, 4, 64, 3, [40, 31, 1]),
        (2, 8, 32, 12, VOLUME),
        (3, 4, 80, 3, [1, 31, 23]),
    ] {
        fields.push(filled(Model::new(grid(levels, features, volume), width, hidden), 0.8));
    }
    fields
}

/// Inside, at faces and at corners.
fn positions(count: usize) -> Vec<[f32; 3]> {
    let mut random = Lcg(42);
    let corners = (0..8).map(|n| [0, 1, 2].map(|a| (n >> a & 1) as f32));
    let inside = std::iter::repeat_with(|| [random.next(), random.next(), random.next()]);
    corners.chain(inside).take(count).collect()
}

fn largest(numbers: &[f32]) -> f32 {
    numbers.iter().fold(1.0, |most, n| n.abs().max(most))
}

#[track_caller]
fn assert_agree(what: &str, ours: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), expected.len());
    let most = tolerance * largest(expected);
    for (n, (v, e)) in ours.iter().zip(expected).enumerate() {
        // Not a NaN either.
        assert!((v - e).abs() <= most, "{what}, number {n}: {v}, not {e}");
    }
}

/// How many gradients are off by more than 1e-4 of the steepest. A neuron whose input is within rounding of zero may be on
/// in one engine and off in the other.
fn differing(ours: &[[f32; 3]], expected: &[[f32; 3]]) -> usize {
    assert_eq!(ours.len(), expected.len());
    let most = 1e-4 * largest(expected.as_flattened());
    let agree = |a: &[f32; 3], b: &[f32; 3]| (0..3).all(|i| (a[i] - b[i]).abs() <= most);
    ours.iter().zip(expected).filter(|(a, b)| !agree(a, b)).count()
}

// ---- The checks

#[test]
fn values_at_points_agree_with_scalar() {
    let positions = positions(1100);
    let engines = engines("values_at_points_agree_with_scalar");
    for field in every_kind() {
        let mut expected = vec![0.0; positions.len()];
        Scalar.evaluator(&field).unwrap().points(&positions, &mut expected).unwrap();
        for (name, engine) in &engines {
            let evaluator = engine.evaluator(&field).unwrap();
            for count in [positions.len(), 97, 1, 0] {
                let mut values = vec![0.0; count];
                evaluator.points(&positions[..count], &mut values).unwrap();
                let what = format!("{} on {name}", field.model.describe());
                assert_agree(&what, &values, &expected[..count], 2e-5);
            }
        }
    }
}

#[test]
fn values_on_lattices_agree_with_scalar() {
    let engines = engines("values_on_lattices_agree_with_scalar");
    for field in every_kind() {
        for (shape, volume) in
            [([13, 11, 3], [40, 31, 23]), ([40, 1, 1], [40, 31, 1]), ([1, 1, 2], [7, 7, 2])]
        {
            let axes = [0, 1, 2].map(|a| (0..shape[a]).map(|i| axis_position(i, volume[a])).collect());
            let lattice = Lattice { axes };
            let mut expected = vec![0.0; lattice.len()];
            Scalar.evaluator(&field).unwrap().lattice(&lattice, &mut expected).unwrap();
            for (name, engine) in &engines {
                let mut values = vec![0.0; lattice.len()];
                engine.evaluator(&field).unwrap().lattice(&lattice, &mut values).unwrap();
                let what = format!("{} on {name}, {shape:?}", field.model.describe());
                assert_agree(&what, &values, &expected, 2e-5);
            }
        }
    }
}

#[test]
fn gradients_agree_with_scalar() {
    let positions = positions(700);
    let count = positions.len();
    let engines = engines("gradients_agree_with_scalar");
    for field in every_kind() {
        let (mut expected, mut slopes) = (vec![0.0; count], vec![[0.0; 3]; count]);
        Scalar.evaluator(&field).unwrap().gradients(&positions, &mut expected, &mut slopes).unwrap();
        for (name, engine) in &engines {
            let what = format!("{} on {name}", field.model.describe());
            let evaluator = engine.evaluator(&field).unwrap();
            let (mut values, mut ours) = (vec![0.0; count], vec![[0.0; 3]; count]);
            evaluator.gradients(&positions, &mut values, &mut ours).unwrap();
            assert_agree(&what, &values, &expected, 2e-5);
            let differ = differing(&ours, &slopes);
            assert!(differ <= 2, "{what}: {differ} of {count} gradients differ");
        }
    }
}

#[test]
fn the_largest_networks_agree_with_scalar() {
    let positions = positions(40);
    let models = [
        Model::new(grid(64, 8, [40, 31, 23]), 512, 1),
        Model::with(NetworkKind::SineResidual, grid(64, 8, [40, 31, 23]), 300, 2),
        Model::new(Encoding::AxisWise(AxisWise::usual(Wave::OneBlob)), 64, 2),
        Model::new(Encoding::AxisWise(AxisWise::new(Wave::OneBlob, 128).unwrap()), 32, 1),
        Model::new(Encoding::AxisWise(AxisWise::new(Wave::TriangleWave, 16).unwrap()), 64, 2),
        Model::new(Encoding::AxisWise(AxisWise::new(Wave::Frequency, 16).unwrap()), 16, 1),
        Model::with(NetworkKind::SineResidual, grid(2, 4, [40, 31, 23]), 32, 16),
    ];
    let engines = engines("the_largest_networks_agree_with_scalar");
    for model in models {
        let field = filled(model, 0.2);
        let (mut expected, mut slopes) = (vec![0.0; 40], vec![[0.0; 3]; 40]);
        Scalar.evaluator(&field).unwrap().gradients(&positions, &mut expected, &mut slopes).unwrap();
        for (name, engine) in &engines {
            let what = format!("{} on {name}", field.model.describe());
            let evaluator = engine.evaluator(&field).unwrap();
            let (mut values, mut ours) = (vec![0.0; 40], vec![[0.0; 3]; 40]);
            evaluator.points(&positions, &mut values).unwrap();
            assert_agree(&what, &values, &expected, 2e-5);
            evaluator.gradients(&positions, &mut values, &mut ours).unwrap();
            assert_agree(&what, &values, &expected, 2e-5);
            assert_agree(&what, ours.as_flattened(), slopes.as_flattened(), 1e-4);
        }
    }
}

#[test]
fn requests_of_several_chunks_are_whole() {
    let field = filled(Model::new(grid(2, 2, [40, 31, 23]), 16, 1), 0.8);
    // More than four chunks of 2^20 points, of which the last is not full.
    let shape = [1250, 1000, 4];
    let axes = [0, 1, 2].map(|a| (0..shape[a]).map(|i| axis_position(i, shape[a])).collect());
    let lattice = Lattice { axes };
    let scattered = positions(2_200_000);
    let reference = Cpu::new(2).unwrap().evaluator(&field).unwrap();
    let mut on_lattice = vec![0.0; lattice.len()];
    reference.lattice(&lattice, &mut on_lattice).unwrap();
    let (mut at_points, mut slopes) = (vec![0.0; scattered.len()], vec![[0.0; 3]; scattered.len()]);
    reference.gradients(&scattered, &mut at_points, &mut slopes).unwrap();
    for (name, engine) in engines("requests_of_several_chunks_are_whole") {
        // Fibers that meet at barriers are slow.
        if name.starts_with("host") && name != "host without shared memory" {
            continue;
        }
        let evaluator = engine.evaluator(&field).unwrap();
        let mut values = vec![0.0; lattice.len()];
        evaluator.lattice(&lattice, &mut values).unwrap();
        assert_agree(&name, &values, &on_lattice, 3e-5);
        let (mut values, mut ours) = (vec![0.0; scattered.len()], vec![[0.0; 3]; scattered.len()]);
        evaluator.points(&scattered, &mut values).unwrap();
        assert_agree(&name, &values, &at_points, 3e-5);
        values.fill(f32::NAN);
        evaluator.gradients(&scattered, &mut values, &mut ours).unwrap();
        assert_agree(&name, &values, &at_points, 3e-5);
        let differ = differing(&ours, &slopes);
        assert!(differ <= scattered.len() / 10_000, "{name}: {differ} gradients differ");
    }
}

#[test]
fn a_file_is_the_same_on_every_engine() {
    const SHAPE: [usize; 3] = [30, 28, 26];
    let samples: Vec<i16> = (0..SHAPE.iter().product())
        .map(|n| {
            let [x, y, z] = [n % 30, n / 30 % 28, n / 840].map(|i| i as f64);
            if x + y < 6.0 {
                -9999
            } else {
                (900.0 * (0.2 * x).sin() * (0.15 * y).cos() * (0.1 * z).cos()) as i16
            }
        })
        .collect();
    let mut volume = Volume::new(samples, SHAPE).unwrap();
    volume.fill_value = Some(-9999.0);
    let options = CompressOptions {
        target: Target::Psnr(35.0),
        preset: Preset::Fast,
        representation: Representation::Network(Architecture::default()),
        threads: 1,
        ..Default::default()
    };
    let compressed = compress(&volume, &options).unwrap();
    let open =
        |engine: Arc<dyn Engine>| NeuralVolume::from_bytes(&compressed.bytes, "test.nvol", engine).unwrap();
    // Between voxels, on voxels, and outside.
    let mut points: Vec<[f64; 3]> =
        positions(5000).iter().map(|p| [0, 1, 2].map(|a| f64::from(p[a]) * 34.0 - 2.0)).collect();
    points.extend([[1.0, 1.0, 0.0], [20.0, 9.0, 3.0]]);
    let probe = |neural: &NeuralVolume| {
        let mut samples = vec![PointSample::default(); points.len()];
        neural.values_and_gradients_at(&points, Space::Index, Outside::Clamp, &mut samples).unwrap();
        let mut values = vec![0.0; points.len()];
        neural.values_at(&points, Space::Index, Outside::Clamp, &mut values).unwrap();
        assert!(samples.iter().zip(&values).all(|(sample, value)| sample.value as f32 == *value));
        samples
    };
    let reference = open(Arc::new(Cpu::new(1).unwrap()));
    let (region, at_points) =
        (reference.read_region_f32(Region::whole(SHAPE), 1).unwrap(), probe(&reference));
    assert!(at_points.iter().any(|sample| !sample.valid) && at_points.iter().any(|sample| sample.valid));
    for (name, engine) in engines("a_file_is_the_same_on_every_engine") {
        let neural = open(Arc::new(engine));
        let ours = neural.read_region_f32(Region::whole(SHAPE), 1).unwrap();
        // 3e-5 of the range; a voxel's value is rounded to the stored type, which may fall to either side of a half.
        let near = |a: f64, b: f64| (a - b).abs() <= 1.001;
        for n in 0..region.len() {
            let (a, b) = (ours.samples().get(n), region.samples().get(n));
            assert!(near(a, b), "{name}, voxel {n}: {a}, not {b}");
        }
        let mut differ = 0;
        for (n, (a, b)) in probe(&neural).iter().zip(&at_points).enumerate() {
            assert!(near(a.value, b.value) && a.valid == b.valid, "{name}, point {n}: {a:?}, not {b:?}");
            differ += usize::from((0..3).any(|i| (a.gradient[i] - b.gradient[i]).abs() > 0.05));
        }
        assert!(differ <= 5, "{name}: {differ} gradients differ");
    }
}

#[test]
fn a_device_that_is_not_there_is_told() {
    let Err(Error::Device(what)) = Cuda::new(4096, 1) else { panic!("there is no such device") };
    assert!(what.contains("driver"), "{what}");
}
