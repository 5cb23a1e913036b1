//! From a volume to a file and back: targets, regions, points, masks, types, repeatability.

use neuvol::engine::cpu::Cpu;
use neuvol::engine::{Engine, Evaluator, Lattice};
use neuvol::field::Field;
use neuvol::sample::{Outside, Space};
use neuvol::train::{
    Architecture, CompressOptions, Compressed, Preset, Representation, Target, compress,
    compress_with_progress,
};
use neuvol::volume::{Frame, Geometry, Sample, Samples};
use neuvol::{Axis, Error, NeuralVolume, Region, Volume};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const SHAPE: [usize; 3] = [44, 37, 21];

/// Waves with an edge through them, 0 to 1.
fn scene(shape: [usize; 3]) -> impl Iterator<Item = f64> {
    let [nx, ny, nz] = shape;
    (0..nx * ny * nz).map(move |i| {
        let [x, y, z] = [i % nx, i / nx % ny, i / nx / ny].map(|n| n as f64);
        let wave = (0.21 * x).sin() * (0.17 * y + 0.3).cos() * (0.25 * z).sin();
        let edge = if x + 0.7 * y > 38.0 { 0.35 } else { 0.0 };
        0.5 * (0.65 + 0.6 * wave) + edge
    })
}

fn typed<T: Sample>(low: f64, high: f64) -> Volume
where
    Samples: From<Vec<T>>,
{
    Volume::new(scene(SHAPE).map(|v| T::from_f64(low + v * (high - low))).collect::<Vec<T>>(), SHAPE).unwrap()
}

/// One thread: the tests themselves run side by side, and pools that share cores wait for each other.
fn fast(target: Target) -> CompressOptions {
    CompressOptions { target, preset: Preset::Fast, threads: 1, ..CompressOptions::default() }
}

/// As a hash grid.
fn network(target: Target) -> CompressOptions {
    CompressOptions { representation: Representation::Network(Architecture::default()), ..fast(target) }
}

fn compressed(volume: &Volume, options: &CompressOptions) -> Compressed {
    compress(volume, options).unwrap()
}

fn opened(compressed: &Compressed) -> NeuralVolume {
    NeuralVolume::from_bytes(&compressed.bytes, "test.nvol", Arc::new(Cpu::new(2).unwrap())).unwrap()
}

#[test]
fn a_psnr_target_lands_at_most_one_db_above_and_is_what_the_decoder_gives() {
    let volume = typed::<i16>(-1000.0, 2000.0);
    for db in [32.0, 40.0] {
        let result = compressed(&volume, &fast(Target::Psnr(db)));
        assert!((db..=db + 1.0).contains(&result.distortion.psnr), "{db}: {}", result.distortion.psnr);
        let neural = opened(&result);
        let decoded = neural.read_region(Region::whole(SHAPE), 1).unwrap();
        let again = neuvol::metrics::compare(&volume, &decoded).unwrap();
        assert_eq!(again, result.distortion, "stored figures are those of the decoder");
        assert_eq!(neural.info().psnr(), again.psnr);
        assert_eq!(neural.info().achieved.max_error, again.max_error);
    }
}

#[test]
fn size_and_ratio_targets_land_at_97_to_100_percent() {
    let volume = typed::<f32>(0.0, 1.0);
    let stored = volume.stored_bytes();
    for (target, budget) in [
        (Target::Size(6000), 6000.0),
        (Target::Size(2500), 2500.0),
        (Target::Ratio(20.0), stored as f64 / 20.0),
    ] {
        let result = compressed(&volume, &fast(target));
        let share = result.bytes.len() as f64 / budget;
        assert!((0.97..=1.0).contains(&share), "{target:?}: {} bytes are {share:.4}", result.bytes.len());
        assert!(result.distortion.psnr > 25.0, "{target:?}: {}", result.distortion.psnr);
    }
}

#[test]
fn every_type_comes_back_in_its_type_and_range() {
    fn check<T: Sample>(low: f64, high: f64)
    where
        Samples: From<Vec<T>>,
    {
        let volume = typed::<T>(low, high);
        let result = compressed(&volume, &fast(Target::Psnr(34.0)));
        let decoded = opened(&result).read_region(Region::whole(SHAPE), 1).unwrap();
        assert_eq!(decoded.sample_type(), T::TYPE);
        let (min, max) = volume.range().unwrap();
        let (least, most) = decoded.range().unwrap();
        assert!(least >= min && most <= max, "{}: {least}..{most} in {min}..{max}", T::TYPE);
        assert!((34.0..=35.0).contains(&result.distortion.psnr), "{}: {}", T::TYPE, result.distortion.psnr);
    }
    check::<u8>(0.0, 255.0);
    check::<i8>(-128.0, 127.0);
    check::<u16>(100.0, 65000.0);
    check::<i16>(-32768.0, 32767.0);
    check::<u32>(0.0, f64::from(u32::MAX));
    check::<i32>(f64::from(i32::MIN), f64::from(i32::MAX));
    check::<f32>(-1e-20, 3e-20);
    check::<f64>(1e100, 3e100);
}

#[test]
fn regions_are_cuts_of_the_whole() {
    let mut volume = typed::<u8>(0.0, 255.0);
    volume.geometry = Geometry {
        origin: [10.0, -20.0, 30.0],
        spacing: [0.5, 0.75, 2.0],
        direction: [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
        frame: Frame::Lps,
    };
    let neural = opened(&compressed(&volume, &fast(Target::Psnr(32.0))));
    let whole = neural.read_region(Region::whole(SHAPE), 1).unwrap();
    assert_eq!(whole.geometry, volume.geometry);
    let region = Region { start: [5, 9, 3], end: [40, 30, 20] };
    for stride in [1, 2, 3, 8] {
        let part = neural.read_region(region, stride).unwrap();
        assert_eq!(part.shape(), region.shape(stride).unwrap());
        let [nx, ny, nz] = part.shape();
        for (k, j, i) in (0..nz).flat_map(|k| (0..ny).flat_map(move |j| (0..nx).map(move |i| (k, j, i)))) {
            let [x, y, z] = [5 + i * stride, 9 + j * stride, 3 + k * stride];
            let expected = whole.samples().get(x + SHAPE[0] * (y + SHAPE[1] * z));
            let value = part.samples().get(i + nx * (j + ny * k));
            assert_eq!(value, expected, "voxel {x} {y} {z}");
        }
        let corner = part.geometry.index_to_world([1.0, 1.0, 1.0]);
        let s = stride as f64;
        let expected = volume.geometry.index_to_world([5.0 + s, 9.0 + s, 3.0 + s]);
        assert!((0..3).all(|a| (corner[a] - expected[a]).abs() < 1e-12));
    }
    let float = neural.read_region_f32(region, 1).unwrap();
    let part = neural.read_region(region, 1).unwrap();
    assert!((0..part.len()).all(|i| float.samples().get(i) == part.samples().get(i)));
    for bad in [Region { start: [0; 3], end: [45, 1, 1] }, Region { start: [3, 0, 0], end: [3, 1, 1] }] {
        assert!(matches!(neural.read_region(bad, 1), Err(Error::Options(_))));
    }
    assert!(neural.read_region(region, 0).is_err());
}

#[test]
fn points_are_voxels_at_voxels_and_the_field_between_them() {
    let mut volume = typed::<i16>(-1000.0, 2000.0);
    volume.geometry.origin = [-7.0, 12.0, 100.0];
    volume.geometry.spacing = [0.4, 0.4, 1.5];
    let neural = opened(&compressed(&volume, &fast(Target::Psnr(35.0))));
    let whole = neural.read_region(Region::whole(SHAPE), 1).unwrap();
    let voxels = [[0, 0, 0], [43, 36, 20], [17, 5, 11], [22, 30, 1]];
    let indices = voxels.map(|v| v.map(|n| n as f64));
    let world = indices.map(|i| volume.geometry.index_to_world(i));
    for (points, space) in [(indices, Space::Index), (world, Space::World)] {
        let mut values = [0.0; 4];
        neural.values_at(&points, space, Outside::Clamp, &mut values).unwrap();
        for (v, value) in voxels.iter().zip(values) {
            let expected = whole.samples().get(v[0] + SHAPE[0] * (v[1] + SHAPE[1] * v[2]));
            assert_eq!(f64::from(value), expected, "{v:?} in {space:?}");
        }
    }
    // Between voxels: unrounded, continuous, and near the neighbours' values.
    let steps: Vec<[f64; 3]> = (0..=1000).map(|i| [10.0 + f64::from(i) / 1000.0, 8.3, 7.1]).collect();
    let mut values = vec![0.0; steps.len()];
    neural.values_at(&steps, Space::Index, Outside::Clamp, &mut values).unwrap();
    assert!(values.iter().any(|v| v.fract() != 0.0));
    assert!(values.windows(2).all(|w| (w[1] - w[0]).abs() < 10.0));
    let stored = neural.stored_values_at(&steps, Space::Index, Outside::Clamp).unwrap();
    assert_eq!(stored.sample_type(), volume.sample_type());
    assert!((0..values.len()).all(|i| (stored.get(i) - f64::from(values[i])).abs() <= 0.5));
    // Outside.
    let outside = [[-3.0, 5.0, 5.0], [50.0, 40.0, 30.0]];
    let mut values = [0.0; 2];
    neural.values_at(&outside, Space::Index, Outside::Value(-4.5), &mut values).unwrap();
    assert_eq!(values, [-4.5, -4.5]);
    neural.values_at(&outside, Space::Index, Outside::Clamp, &mut values).unwrap();
    let mut edge = [0.0; 2];
    neural
        .values_at(&[[0.0, 5.0, 5.0], [43.0, 36.0, 20.0]], Space::Index, Outside::Clamp, &mut edge)
        .unwrap();
    assert_eq!(values, edge);
    neural.values_at(&[[f64::NAN, 0.0, 0.0]; 2], Space::Index, Outside::Clamp, &mut values).unwrap();
    assert!(values.iter().all(|v| v.is_nan()));
    assert!(matches!(
        neural.values_at(&outside, Space::Index, Outside::Clamp, &mut [0.0]),
        Err(Error::Options(_))
    ));
}

#[test]
fn masked_voxels_come_back_and_do_not_count() {
    let fill = f64::from(1e20f32);
    let mut values: Vec<f32> = scene(SHAPE).map(|v| v as f32).collect();
    for (i, value) in values.iter_mut().enumerate() {
        match (i % SHAPE[0], i % 97) {
            (0..9, _) => *value = 1e20,
            (_, 5) => *value = f32::NAN,
            (_, 6) => *value = f32::INFINITY,
            (_, 7) => *value = f32::NEG_INFINITY,
            _ => {}
        }
    }
    let mut volume = Volume::new(values.clone(), SHAPE).unwrap();
    volume.fill_value = Some(fill);
    let result = compressed(&volume, &fast(Target::Psnr(34.0)));
    assert!((34.0..=35.0).contains(&result.distortion.psnr), "{}", result.distortion.psnr);
    assert!(result.distortion.max_error < 1.0);
    let neural = opened(&result);
    let Samples::F32(decoded) = neural.read_region(Region::whole(SHAPE), 1).unwrap().into_samples() else {
        panic!("float32 comes back as float32");
    };
    let masked = |v: f32| !v.is_finite() || v == 1e20;
    for (i, (a, b)) in values.iter().zip(&decoded).enumerate() {
        let same = a == b || a.is_nan() && b.is_nan();
        assert!(if masked(*a) { same } else { (a - b).abs() < 1.0 }, "voxel {i}: {a} became {b}");
    }
    // The mask follows the nearest voxel, in strided regions and at points too.
    let strided = neural.read_region(Region::whole(SHAPE), 4).unwrap();
    assert_eq!(strided.samples().get(2), fill, "x = 8 is fill");
    assert_ne!(strided.samples().get(3), fill, "x = 12 is not");
    let mut at = [0.0; 2];
    neural.values_at(&[[8.4, 2.0, 2.0], [9.0, 0.0, 1.0]], Space::Index, Outside::Clamp, &mut at).unwrap();
    assert_eq!(f64::from(at[0]), fill);
    assert!(at[1] < 2.0 || at[1].is_nan() || at[1].is_infinite());
    let one = |point: [f64; 3]| neural.value_at(point, Space::Index).unwrap();
    assert_eq!([one([8.4, 2.0, 2.0]), one([-3.0, 2.0, 2.0])], [None; 2], "masked, and outside");
    let mut value = [0.0];
    neural.values_at(&[[12.3, 2.1, 2.2]], Space::Index, Outside::Clamp, &mut value).unwrap();
    assert_eq!(one([12.3, 2.1, 2.2]).map(|v| v as f32), Some(value[0]));
}

#[test]
fn constant_tiny_and_flat_volumes_work() {
    let constant = Volume::new(vec![7i16; 1000], [10, 10, 10]).unwrap();
    let result = compressed(&constant, &CompressOptions::default());
    assert!(result.bytes.len() < 500 && result.distortion.psnr.is_infinite());
    let decoded = opened(&result).read_region(Region::whole([10; 3]), 1).unwrap();
    assert_eq!(decoded.samples(), constant.samples());
    let one = Volume::new(vec![3.5f64], [1, 1, 1]).unwrap();
    let decoded = opened(&compressed(&one, &CompressOptions::default()));
    assert_eq!(
        decoded.stored_values_at(&[[0.0; 3]], Space::Index, Outside::Clamp).unwrap(),
        Samples::F64(vec![3.5])
    );
    let nothing = Volume::new(vec![f32::NAN; 8], [2, 2, 2]).unwrap();
    let decoded = opened(&compressed(&nothing, &CompressOptions::default()));
    assert!(decoded.read_region(Region::whole([2; 3]), 1).unwrap().samples().get(5).is_nan());
    let slice = Volume::new(scene([40, 30, 1]).collect::<Vec<f64>>(), [40, 30, 1]).unwrap();
    let result = compressed(&slice, &fast(Target::Psnr(30.0)));
    // An edge and nothing else: few coefficients, and a large step from one quality to the next.
    assert!(result.distortion.psnr >= 30.0, "{}", result.distortion.psnr);
    let two = Volume::new(vec![0u8, 255], [2, 1, 1]).unwrap();
    assert!(compressed(&two, &fast(Target::Psnr(20.0))).distortion.psnr >= 20.0);
}

#[test]
fn the_same_seed_gives_the_same_file_and_another_one_another() {
    let volume = typed::<u8>(0.0, 255.0);
    let options = |seed: u64| CompressOptions { seed, threads: 2, ..network(Target::Psnr(26.0)) };
    let first = compressed(&volume, &options(1)).bytes;
    assert_eq!(first, compressed(&volume, &options(1)).bytes);
    assert_ne!(first, compressed(&volume, &options(2)).bytes);
}

#[test]
fn an_l1_loss_trains_too() {
    let volume = typed::<u8>(0.0, 255.0);
    let options = CompressOptions { loss: neuvol::engine::Loss::L1, ..fast(Target::Psnr(30.0)) };
    let psnr = compressed(&volume, &options).distortion.psnr;
    assert!((30.0..=31.0).contains(&psnr), "{psnr}");
}

#[test]
fn a_break_stops_the_work() {
    let volume = typed::<u8>(0.0, 255.0);
    let mut reports = 0;
    let result = compress_with_progress(&volume, &network(Target::Psnr(45.0)), |progress| {
        assert!(progress.step <= progress.steps);
        reports += 1;
        if reports == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(result, Err(Error::Interrupted)));
}

#[test]
fn impossible_targets_are_refused_with_the_best_that_can_be_had() {
    let constant = Volume::new(vec![7i16; 1000], [10, 10, 10]).unwrap();
    let result = compress(&constant, &fast(Target::Size(60)));
    assert!(matches!(result, Err(Error::Target { .. })));
    let volume = typed::<f32>(0.0, 1.0);
    for nonsense in [Target::Psnr(-3.0), Target::Psnr(f64::NAN), Target::Ratio(0.0), Target::Size(0)] {
        assert!(matches!(compress(&volume, &fast(nonsense)), Err(Error::Options(_))));
    }
    // No header fits into 100 bytes, whatever the model.
    let result = compress(&volume, &fast(Target::Size(100)));
    let Err(Error::Target { asked, best, what: sentence, .. }) = result else { panic!("{result:?}") };
    assert!(asked == 100.0 && best.is_some_and(|best| best > asked), "{asked} {best:?}");
    assert!(
        sentence.contains("100 bytes") && sentence.contains("the smallest that was found is"),
        "{sentence}"
    );
    assert!(sentence.contains("(ratio "), "{sentence}");
}

/// The CPU engine, counting the points it evaluates.
struct Counting(Cpu, Arc<AtomicUsize>);

impl Engine for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }
    fn evaluator(&self, field: &Field) -> neuvol::Result<Box<dyn Evaluator>> {
        Ok(Box::new(CountingEvaluator(self.0.evaluator(field)?, self.1.clone())))
    }
    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        self.0.run(work);
    }
}

struct CountingEvaluator(Box<dyn Evaluator>, Arc<AtomicUsize>);

impl Evaluator for CountingEvaluator {
    fn points(&self, positions: &[[f32; 3]], out: &mut [f32]) -> neuvol::Result<()> {
        self.1.fetch_add(positions.len(), Ordering::Relaxed);
        self.0.points(positions, out)
    }
    fn lattice(&self, lattice: &Lattice, out: &mut [f32]) -> neuvol::Result<()> {
        self.1.fetch_add(lattice.len(), Ordering::Relaxed);
        self.0.lattice(lattice, out)
    }
    fn gradients(
        &self,
        positions: &[[f32; 3]],
        out: &mut [f32],
        gradients: &mut [[f32; 3]],
    ) -> neuvol::Result<()> {
        self.1.fetch_add(positions.len(), Ordering::Relaxed);
        self.0.gradients(positions, out, gradients)
    }
    fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

#[test]
fn the_cost_of_a_region_is_its_voxels() {
    let result = compressed(&typed::<u8>(0.0, 255.0), &network(Target::Psnr(30.0)));
    let count = Arc::new(AtomicUsize::new(0));
    let engine = Arc::new(Counting(Cpu::new(1).unwrap(), count.clone()));
    let neural = NeuralVolume::from_bytes(&result.bytes, "test.nvol", engine).unwrap();
    let cost = |region: Region, stride: usize| {
        let before = neural.evaluated();
        neural.read_region(region, stride).unwrap();
        let cost = count.swap(0, Ordering::Relaxed);
        assert_eq!(neural.evaluated() - before, cost as u64, "the volume's own count");
        cost
    };
    assert_eq!(cost(Region::slice(SHAPE, Axis::Z, 9), 1), 44 * 37);
    assert_eq!(cost(Region::slice(SHAPE, Axis::X, 9), 1), 37 * 21);
    assert_eq!(cost(Region::whole(SHAPE), 4), 11 * 10 * 6);
    assert_eq!(cost(Region { start: [3; 3], end: [5; 3] }, 1), 8);
}
