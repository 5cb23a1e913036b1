//! Guarantees: every sample exact, or within a bound; read back in parts, between voxels, and from hostile files.

use neuvol::engine::cpu::Cpu;
use neuvol::sample::{Outside, PointSample, Space};
use neuvol::train::{CompressOptions, Compressed, Target, compress};
use neuvol::volume::{Mask, SampleType, Samples};
use neuvol::{Error, NeuralVolume, Region, Volume};
use std::sync::Arc;

const SHAPE: [usize; 3] = [70, 66, 5];

fn at(i: usize) -> [f64; 3] {
    [i % SHAPE[0], i / SHAPE[0] % SHAPE[1], i / (SHAPE[0] * SHAPE[1])].map(|n| n as f64)
}

/// A wave with an edge and noise, between 0 and 1.
fn value(i: usize) -> f64 {
    let [x, y, z] = at(i);
    let noise = f64::from((i as u32).wrapping_mul(2_654_435_769) >> 16) / 65536.0;
    let edge = if (x - 30.0).powi(2) + (y - 20.0).powi(2) < 150.0 { 0.3 } else { 0.0 };
    (0.3 + 0.2 * (0.2 * x + 0.1 * z).sin() * (0.15 * y).cos() + edge + 0.05 * noise).clamp(0.0, 1.0)
}

fn volume(sample_type: SampleType) -> Volume {
    let len = SHAPE.iter().product();
    let mut samples = Samples::zeros(sample_type, len);
    let (low, high) = match sample_type {
        t if t.is_integer() => t.limits(),
        _ => (-3.0, 5.0),
    };
    for i in 0..len {
        samples.set(i, low + value(i) * (high - low));
    }
    Volume::new(samples, SHAPE).unwrap()
}

fn run(volume: &Volume, target: Target) -> Compressed {
    let options = CompressOptions { target, threads: 2, ..Default::default() };
    compress(volume, &options).unwrap()
}

fn open(compressed: &Compressed) -> NeuralVolume {
    NeuralVolume::from_bytes(&compressed.bytes, "new", Arc::new(Cpu::new(2).unwrap())).unwrap()
}

fn whole(neural: &NeuralVolume) -> Volume {
    neural.read_region(Region::whole(neural.info().shape), 1).unwrap()
}

#[test]
fn lossless_keeps_every_bit_of_every_type() {
    for sample_type in SampleType::ALL {
        let volume = volume(sample_type);
        let compressed = run(&volume, Target::Lossless);
        assert_eq!(
            whole(&open(&compressed)).samples().as_bytes(),
            volume.samples().as_bytes(),
            "{sample_type}"
        );
        assert_eq!((compressed.distortion.max_error, compressed.distortion.rmse), (0.0, 0.0));
        if sample_type == SampleType::U8 {
            assert!(compressed.ratio > 1.7, "{}", compressed.ratio);
        }
    }
}

#[test]
fn payloads_of_nan_and_the_sign_of_zero_are_kept() {
    let mut bits: Vec<u32> =
        (0..SHAPE.iter().product::<usize>()).map(|i| (value(i) as f32).to_bits()).collect();
    for (i, special) in [0x8000_0000u32, 0x7FC0_0001, 0xFFC1_2345, 0x7F80_0000, 0xFF80_0000, 1, 0x7FA0_0000]
        .into_iter()
        .enumerate()
    {
        bits[1000 + 17 * i] = special;
    }
    let volume = Volume::new(bits.iter().map(|&b| f32::from_bits(b)).collect::<Vec<_>>(), SHAPE).unwrap();
    let neural = open(&run(&volume, Target::Lossless));
    let Samples::F32(back) = whole(&neural).samples().clone() else { panic!("another type") };
    assert!(back.iter().zip(&bits).all(|(v, &b)| v.to_bits() == b));
    // A point there is still no measurement.
    let mut out = [PointSample::default()];
    let at_nan = at(1017);
    neural.probe(&[at_nan], Space::Index, Outside::Clamp, &mut out).unwrap();
    assert!(!out[0].valid && out[0].value.is_nan());
}

#[test]
fn every_measurement_is_within_the_bound_and_masked_ones_are_exact() {
    for sample_type in SampleType::ALL {
        let mut volume = volume(sample_type);
        let (low, high) = volume.range().unwrap();
        let fill = volume.samples().get(77);
        volume.fill_value = Some(fill);
        for share in [0.05, 0.01, 1e-3, 1e-5] {
            let bound = share * (high - low);
            let compressed = run(&volume, Target::MaxError(bound));
            let decoded = whole(&open(&compressed));
            let mask = Mask::of(&volume).unwrap();
            let mut largest = 0.0f64;
            for (i, &code) in mask.codes().iter().enumerate() {
                let (original, ours) = (volume.samples().get(i), decoded.samples().get(i));
                if code != 0 {
                    assert_eq!(ours, fill, "{sample_type} {share}");
                } else {
                    largest = largest.max((original - ours).abs());
                }
            }
            assert!(largest <= bound, "{sample_type}: {largest} above {bound}");
            assert!((compressed.distortion.max_error - largest).abs() <= 1e-12 * (high - low));
            // The bound is used: an eighth of it, or an integer's half, would be a waste.
            let least = if sample_type.is_integer() { (0.7 * bound).floor() } else { 0.7 * bound };
            assert!(largest >= least, "{sample_type} {share}: {largest} of {bound}");
        }
        let sizes = [0.05, 0.01, 1e-3].map(|s| run(&volume, Target::MaxError(s * (high - low))).bytes.len());
        assert!(sizes.is_sorted(), "{sample_type}: {sizes:?}");
    }
}

#[test]
fn parts_are_cuts_of_the_whole_and_points_lie_between() {
    let volume = volume(SampleType::I16);
    let (low, high) = volume.range().unwrap();
    for target in [Target::Lossless, Target::MaxError(0.01 * (high - low))] {
        let neural = open(&run(&volume, target));
        let decoded = whole(&neural);
        let voxel = |[x, y, z]: [usize; 3]| decoded.samples().get(x + SHAPE[0] * (y + SHAPE[1] * z));
        for (start, end, stride) in
            [([60, 60, 1], [70, 66, 4], 1), ([1, 2, 0], [69, 65, 5], 3), ([63, 63, 2], [65, 65, 3], 1)]
        {
            let part = neural.read_region(Region { start, end }, stride).unwrap();
            let [nx, ny, _] = part.shape();
            for i in 0..part.len() {
                let index = [i % nx, i / nx % ny, i / nx / ny];
                let from = std::array::from_fn(|a| start[a] + index[a] * stride);
                assert_eq!(part.samples().get(i), voxel(from));
            }
            let floats = neural.read_region_f32(Region { start, end }, stride).unwrap();
            assert!((0..part.len()).all(|i| floats.samples().get(i) == part.samples().get(i)));
        }
        let mut out = [PointSample::default(); 3];
        // At a voxel, in the middle of a cell across four bricks, and outside.
        let points = [[12.0, 7.0, 3.0], [63.5, 63.25, 1.0], [-3.0, 0.0, 0.0]];
        neural.values_and_gradients_at(&points, Space::Index, Outside::Value(-7.0), &mut out).unwrap();
        assert_eq!(out[0].value, voxel([12, 7, 3]));
        let [a, b, c, d] = [[63, 63, 1], [64, 63, 1], [63, 64, 1], [64, 64, 1]].map(voxel);
        let expected = 0.75 * (a + b) / 2.0 + 0.25 * (c + d) / 2.0;
        assert!((out[1].value - expected).abs() < 1e-9 * (high - low));
        let along_x = 0.75 * (b - a) + 0.25 * (d - c);
        assert!((out[1].gradient[0] - along_x).abs() < 1e-9 * (high - low), "{:?}", out[1]);
        assert_eq!((out[2].value, out[2].valid), (-7.0, false));
    }
}

#[test]
fn small_volumes_keep_pieces_of_bricks_within_a_quarter_of_float32() {
    // Fewer bricks than four of 64^3, of one of which all would be too much. Coded bytes are read from the file.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("small.nvol");
    for sample_type in [SampleType::U8, SampleType::F32, SampleType::F64] {
        let volume = volume(sample_type);
        let (low, high) = volume.range().unwrap();
        for share in [0.05, 0.01] {
            let compressed = run(&volume, Target::MaxError(share * (high - low)));
            std::fs::write(&path, &compressed.bytes).unwrap();
            let neural = NeuralVolume::open(&path).unwrap();
            let decoded = whole(&neural);
            // One at a time, here and there and here again, then all at once.
            let points: Vec<[f64; 3]> = (0..300).map(|n| at(n * 7919 % volume.len())).collect();
            let mut out = vec![PointSample::default(); points.len()];
            for (point, out) in points.iter().zip(&mut out) {
                let out = std::slice::from_mut(out);
                neural.probe(std::slice::from_ref(point), Space::Index, Outside::Clamp, out).unwrap();
            }
            let mut together = vec![PointSample::default(); points.len()];
            neural.probe(&points, Space::Index, Outside::Clamp, &mut together).unwrap();
            assert_eq!(out, together);
            for (n, sample) in out.iter().enumerate() {
                assert_eq!(sample.value, decoded.samples().get(n * 7919 % volume.len()));
            }
            let bytes = neural.memory_bytes();
            assert!(bytes < volume.len(), "{sample_type} {share}: {bytes} bytes of {}", volume.len());
        }
    }
}

#[test]
fn degenerate_volumes_keep_the_guarantee() {
    let noise: Vec<f32> = (0..1000u32).map(|i| (i.wrapping_mul(2_654_435_769) >> 8) as f32).collect();
    for (samples, shape) in [
        (Samples::F32(vec![2.5]), [1, 1, 1]),
        (Samples::F32(vec![-0.0; 60]), [5, 4, 3]),
        (Samples::U8((0..64 * 64).map(|i| u8::from(i % 3 == 0)).collect()), [64, 64, 1]),
        (Samples::F32(noise), [10, 10, 10]),
        (Samples::F32(vec![f32::NAN; 8]), [2, 2, 2]),
        (Samples::F64(vec![f64::MIN, f64::MAX, 0.0, -1.0]), [4, 1, 1]),
        (Samples::F32(vec![1e8, 1e8 + 8.0, 1e8 + 16.0]), [1, 3, 1]),
    ] {
        let volume = Volume::new(samples.clone(), shape).unwrap();
        let lossless = whole(&open(&run(&volume, Target::Lossless)));
        assert_eq!(lossless.samples().as_bytes(), samples.as_bytes());
        for bound in [0.0, 1e-3, 3.0] {
            let compressed = run(&volume, Target::MaxError(bound));
            assert!(compressed.distortion.max_error <= bound, "{shape:?} {bound}");
        }
    }
    let volume = volume(SampleType::U8);
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let options = CompressOptions { target: Target::MaxError(bad), ..Default::default() };
        let result = compress(&volume, &options);
        assert!(matches!(result, Err(Error::Options(_))), "{bad}");
    }
}
