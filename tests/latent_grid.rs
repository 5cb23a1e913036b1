//! Latent grids: what a quality or a size gets when nothing else is asked for.

use neuvol::engine::cpu::Cpu;
use neuvol::sample::{Outside, PointSample, Space};
use neuvol::train::{CompressOptions, Compressed, Preset, Representation, Target, compress};
use neuvol::volume::{Sample, SampleType, Samples};
use neuvol::{Error, NeuralVolume, Region, Volume};
use proptest::prelude::*;
use std::sync::Arc;

/// Waves with an edge, from 0 to 1, and noise of a thousandth.
fn scene([nx, ny, nz]: [usize; 3]) -> Vec<f64> {
    (0..nx * ny * nz)
        .map(|i| {
            let [x, y, z] = [i % nx, i / nx % ny, i / nx / ny].map(|n| n as f64);
            let wave = (0.11 * x).sin() * (0.13 * y + 0.3).cos() * (0.17 * z + 0.5).sin();
            let edge = if x + 0.7 * y + 0.2 * z > 40.0 { 0.3 } else { 0.0 };
            let noise = (i as u32).wrapping_mul(2_654_435_761) >> 16;
            0.35 + 0.3 * wave + edge + f64::from(noise) / 65536.0 * 1e-3
        })
        .collect()
}

fn volume<T: Sample>(shape: [usize; 3], low: f64, high: f64) -> Volume
where
    Samples: From<Vec<T>>,
{
    let values = scene(shape).into_iter().map(|v| T::from_f64(low + v * (high - low)));
    Volume::new(values.collect::<Vec<T>>(), shape).unwrap()
}

fn options(target: Target) -> CompressOptions {
    CompressOptions { target, representation: Representation::LatentGrid, threads: 2, ..Default::default() }
}

fn compressed(volume: &Volume, options: &CompressOptions) -> Compressed {
    compress(volume, options).unwrap()
}

fn opened(compressed: &Compressed) -> NeuralVolume {
    NeuralVolume::from_bytes(&compressed.bytes, "test.nvol", Arc::new(Cpu::new(2).unwrap())).unwrap()
}

#[test]
fn every_type_meets_a_psnr_by_less_than_a_tenth_of_a_db() {
    let shape = [44, 37, 21];
    let volumes = [
        volume::<u8>(shape, 0.0, 255.0),
        volume::<i8>(shape, -128.0, 127.0),
        volume::<u16>(shape, 0.0, 60_000.0),
        volume::<i16>(shape, -1000.0, 2000.0),
        volume::<u32>(shape, 0.0, 4e9),
        volume::<i32>(shape, -2e9, 2e9),
        volume::<f32>(shape, -1e-6, 1e-6),
        volume::<f64>(shape, 1e9, 1e9 + 1.0),
        // Squares of these leave float64.
        volume::<f64>(shape, 0.0, 1e160),
        volume::<f64>(shape, -8e307, 8e307),
        volume::<f64>(shape, 0.0, 1e-200),
    ];
    for volume in volumes {
        let result = compressed(&volume, &options(Target::Psnr(42.0)));
        let psnr = result.distortion.psnr;
        assert!((42.0..42.1).contains(&psnr), "{}: {psnr}", volume.sample_type());
        assert!(result.model.starts_with("latent grid"), "{}", result.model);
        let neural = opened(&result);
        let decoded = neural.read_region(Region::whole(shape), 1).unwrap();
        assert_eq!(decoded.sample_type(), volume.sample_type());
        let again = neuvol::metrics::compare(&volume, &decoded).unwrap();
        assert_eq!(again, result.distortion, "stored figures are those of the decoder");
    }
}

#[test]
fn sizes_and_ratios_are_used_but_not_exceeded() {
    let volume = volume::<i16>([60, 50, 40], -1000.0, 2000.0);
    for (target, most) in [(Target::Ratio(40.0), 6000.0), (Target::Size(2500), 2500.0)] {
        let size = compressed(&volume, &options(target)).bytes.len() as f64;
        assert!((0.97 * most..=most).contains(&size), "{target:?}: {size}");
    }
    let result = compress(&volume, &options(Target::Size(150)));
    let Err(Error::Target { what: sentence, .. }) = result else { panic!("no header fits: {result:?}") };
    assert!(sentence.contains("150 bytes"), "{sentence}");
}

#[test]
fn a_size_that_cannot_be_had_names_the_smallest_that_can() {
    let volume = volume::<i16>([60, 50, 40], -1000.0, 2000.0);
    let anything = CompressOptions { representation: Representation::Smallest, ..options(Target::Size(1)) };
    for options in [options(Target::Size(150)), CompressOptions { target: Target::Ratio(2e3), ..anything }] {
        let result = compress(&volume, &options);
        let Err(Error::Target { what: sentence, .. }) = result else { panic!("no header fits: {result:?}") };
        let said = sentence.split("the smallest that was found is ").nth(1).expect(&sentence);
        let smallest: u64 = said.split(' ').next().unwrap().parse().expect(&sentence);
        assert_eq!(
            said,
            format!("{smallest} bytes (ratio {:.1})", 240_000.0 / smallest as f64),
            "{sentence}"
        );
        let options = CompressOptions { target: Target::Size(smallest), ..options };
        assert_eq!(compressed(&volume, &options).bytes.len() as u64, smallest);
    }
}

#[test]
fn what_only_networks_have_is_refused_beside_a_latent_grid() {
    let volume = volume::<u8>([8, 8, 8], 0.0, 255.0);
    let options = CompressOptions { loss: neuvol::engine::Loss::L1, ..options(Target::Psnr(30.0)) };
    let result = compress(&volume, &options);
    assert!(matches!(&result, Err(Error::Options(what)) if what.contains("perceptron itself")), "{result:?}");
}

#[test]
fn flat_thin_and_tiny_volumes_work() {
    for shape in [[1, 1, 500], [130, 1, 1], [40, 30, 1], [7, 7, 7], [2, 3, 4], [300, 9, 8]] {
        let volume = volume::<f32>(shape, 0.0, 5.0);
        let result = compressed(&volume, &options(Target::Psnr(38.0)));
        assert!(result.distortion.psnr >= 38.0, "{shape:?}: {}", result.distortion.psnr);
    }
}

#[test]
fn a_quality_beyond_it_is_met_by_integers() {
    // Of the long one, coefficients of the low band leave what a stream holds, too.
    for volume in [volume::<f32>([20, 16, 12], 0.0, 1.0), volume::<f64>([1 << 17, 1, 1], 0.0, 1.0)] {
        let target = Target::Psnr(145.0);
        let result = compress(&volume, &options(target));
        assert!(matches!(result, Err(Error::Target { .. })), "float32 arithmetic does not carry so far");
        let anything = CompressOptions { representation: Representation::Smallest, ..options(target) };
        let result = compressed(&volume, &anything);
        assert!(result.distortion.psnr >= 145.0, "{}", result.distortion.psnr);
        assert!(result.model.contains("bricks"), "{}", result.model);
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let volume = volume::<u8>([150, 40, 30], 0.0, 255.0);
    let [one, two] = [1, 2].map(|threads| {
        let options = CompressOptions { threads, ..options(Target::Psnr(36.0)) };
        compressed(&volume, &options).bytes
    });
    assert!(one == two);
}

#[test]
fn masked_voxels_come_back_and_disturb_nobody() {
    let shape = [60, 50, 30];
    let fill = 1e20f32;
    let masked = |i: usize| {
        let [x, y, z] = [i % 60, i / 60 % 50, i / 3000].map(|n| n as f64);
        (x - 30.0).powi(2) + (y - 20.0).powi(2) + (z - 15.0).powi(2) < 150.0
    };
    let clean = volume::<f32>(shape, -2.0, 30.0);
    let values = (0..clean.len()).map(|i| if masked(i) { fill } else { clean.samples().get(i) as f32 });
    let mut volume = Volume::new(values.collect::<Vec<_>>(), shape).unwrap();
    // As a header says it: no float32.
    volume.fill_value = Some(1e20);
    let result = compressed(&volume, &options(Target::Psnr(44.0)));
    assert!((44.0..44.1).contains(&result.distortion.psnr), "{}", result.distortion.psnr);
    let neural = opened(&result);
    let decoded = neural.read_region(Region::whole(shape), 1).unwrap();
    for i in 0..volume.len() {
        assert_eq!(decoded.samples().get(i) == f64::from(fill), masked(i), "voxel {i}");
    }
    // A hole costs its outline, not a wall of 1e20.
    let without = compressed(&clean, &options(Target::Psnr(44.0))).bytes.len();
    assert!(result.bytes.len() < without + without / 5 + 300, "{} and {without} bytes", result.bytes.len());
    // Between voxels, at the mask's rim, no value leaves the range.
    let points: Vec<[f64; 3]> =
        (0..2000).map(|n| [f64::from(n % 59) + 0.5, f64::from(n / 59) + 0.4, 15.3]).collect();
    let mut out = vec![PointSample::default(); points.len()];
    neural.probe(&points, Space::Index, Outside::Clamp, &mut out).unwrap();
    let (low, high) = volume.range().unwrap();
    assert!(out.iter().any(|p| !p.valid));
    assert!(out.iter().filter(|p| p.valid).all(|p| (low..=high).contains(&p.value)));
}

/// A file of two blocks, and its voxels.
fn two_blocks() -> &'static (Vec<u8>, Volume) {
    static FILE: std::sync::OnceLock<(Vec<u8>, Volume)> = std::sync::OnceLock::new();
    FILE.get_or_init(|| {
        let shape = [150, 70, 66];
        let result = compressed(&volume::<i16>(shape, -1000.0, 2000.0), &options(Target::Psnr(45.0)));
        let whole = opened(&result).read_region(Region::whole(shape), 1).unwrap();
        (result.bytes, whole)
    })
}

fn fresh() -> NeuralVolume {
    NeuralVolume::from_bytes(&two_blocks().0, "test.nvol", Arc::new(Cpu::new(2).unwrap())).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn regions_are_cut_from_the_whole_bit_by_bit(
        at in prop::array::uniform3(0.0f64..1.0), size in prop::array::uniform3(0.0f64..1.0), stride in 1usize..5,
    ) {
        let whole = &two_blocks().1;
        let shape = whole.shape();
        let start: [usize; 3] = std::array::from_fn(|a| (at[a] * shape[a] as f64) as usize);
        let end = std::array::from_fn(|a| start[a] + 1 + (size[a] * (shape[a] - start[a] - 1) as f64) as usize);
        let region = fresh().read_region(Region { start, end }, stride).unwrap();
        let [nx, ny, nz] = region.shape();
        for n in 0..nx * ny * nz {
            let [x, y, z] = [n % nx, n / nx % ny, n / nx / ny];
            let [x, y, z] = [start[0] + x * stride, start[1] + y * stride, start[2] + z * stride];
            prop_assert_eq!(region.samples().get(n), whole.samples().get(x + shape[0] * (y + shape[1] * z)));
        }
    }
}

#[test]
fn scattered_points_are_voxels_at_voxels_and_trilinear_between() {
    let (_, whole) = two_blocks();
    let shape = whole.shape();
    let neural = fresh();
    let voxel = |[x, y, z]: [usize; 3]| whole.samples().get(x + shape[0] * (y + shape[1] * z));
    // Across the whole volume, each next to none of the ones before.
    let place = |n: usize, a: usize| (n * [7919, 104_729, 1_299_709][a] % 10_007) as f64 / 10_007.0;
    let points: Vec<[f64; 3]> =
        (0..5000).map(|n| std::array::from_fn(|a| (place(n, a) * (shape[a] - 1) as f64).floor())).collect();
    let mut out = vec![0.0; points.len()];
    neural.values_at(&points, Space::Index, Outside::Clamp, &mut out).unwrap();
    for (point, value) in points.iter().zip(&out) {
        assert_eq!(f64::from(*value), voxel(point.map(|n| n as usize)), "at {point:?}");
    }
    let between: Vec<[f64; 3]> = points.iter().map(|p| [p[0] + 0.25, p[1], p[2]]).collect();
    let mut out = vec![PointSample::default(); between.len()];
    neural.values_and_gradients_at(&between, Space::Index, Outside::Clamp, &mut out).unwrap();
    for (point, sample) in points.iter().zip(&out) {
        let here = point.map(|n| n as usize);
        let next = [(here[0] + 1).min(shape[0] - 1), here[1], here[2]];
        let (a, b) = (voxel(here), voxel(next));
        // Voxels are rounded to integers, the field between them is not.
        assert!((sample.value - (0.75 * a + 0.25 * b)).abs() <= 0.5, "at {point:?}: {}", sample.value);
        assert!((sample.gradient[0] - (b - a)).abs() <= 1.0, "at {point:?}: {:?}", sample.gradient);
    }
}

#[test]
fn many_points_get_what_few_of_them_get() {
    let neural = fresh();
    let shape = neural.info().shape;
    // More than one thread sorts at a time, all over the grid and beside it; then more of one cell than are one task's.
    let uniform = |n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / (1 << 24) as f64;
    let mut points: Vec<[f64; 3]> = (0..40_000)
        .map(|n| std::array::from_fn(|a| (1.1 * uniform(3 * n + a as u64) - 0.05) * (shape[a] - 1) as f64))
        .collect();
    points.extend((0..40_000).map(|n| [20.0 + uniform(n), 7.5, 3.25]));
    points[100][1] = f64::NAN;
    let probe = |points: &[[f64; 3]]| {
        let mut out = vec![PointSample::default(); points.len()];
        neural.values_and_gradients_at(points, Space::Index, Outside::Value(-7.0), &mut out).unwrap();
        out
    };
    let all = probe(&points);
    let mut values = vec![0.0; points.len()];
    neural.values_at(&points, Space::Index, Outside::Value(-7.0), &mut values).unwrap();
    let stored = neural.stored_values_at(&points, Space::Index, Outside::Value(-7.0)).unwrap();
    for (n, points) in points.chunks(13).enumerate().step_by(29) {
        for (i, one) in probe(points).into_iter().enumerate().map(|(i, one)| (13 * n + i, one)) {
            assert_eq!(format!("{one:?}"), format!("{:?}", all[i]), "{:?}", points[i - 13 * n]);
        }
    }
    for (i, sample) in all.iter().enumerate() {
        assert!(values[i].to_bits() == (sample.value as f32).to_bits() || sample.value.is_nan());
        assert_eq!(stored.get(i), i16::from_f64(sample.value).to_f64(), "{:?}", points[i]);
    }
    assert!(all[100].value.is_nan() && all.iter().filter(|sample| sample.value == -7.0).count() > 1000);
}

#[test]
fn what_is_kept_in_memory_is_less_than_a_quarter_of_float32() {
    let neural = fresh();
    let voxels = neural.info().voxels() as usize;
    neural.read_region(Region::whole(neural.info().shape), 1).unwrap();
    assert!(neural.memory_bytes() < voxels, "{} for {voxels} voxels", neural.memory_bytes());
    assert_eq!(neural.sample_type(), SampleType::I16);
    assert_eq!(neural.info().asked.preset, Preset::Balanced);
}
