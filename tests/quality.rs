//! What a quality guarantees, and what a file says of itself.

use neuvol::TargetKind;
use neuvol::engine::cpu::Cpu;
use neuvol::metrics::{self, Bands};
use neuvol::train::{CompressOptions, Compressed, Preset, Quality, Target, compress};
use neuvol::volume::Samples;
use neuvol::{Error, NeuralVolume, Region, Volume};
use std::sync::Arc;

fn options(target: Target) -> CompressOptions {
    CompressOptions { target, preset: Preset::Fast, threads: 2, ..Default::default() }
}

fn compressed(volume: &Volume, target: Target) -> Compressed {
    compress(volume, &options(target)).unwrap()
}

fn opened(compressed: &Compressed) -> NeuralVolume {
    NeuralVolume::from_bytes(&compressed.bytes, "the file", Arc::new(Cpu::new(2).unwrap())).unwrap()
}

/// Sums of twelve uniform numbers are all but normal.
fn normal(i: usize) -> f64 {
    let mut state = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    (0..12)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64
        })
        .sum::<f64>()
        - 6.0
}

/// Linear between ascending places and their values, constant beyond.
fn between(knots: &[(f64, f64)], place: f64) -> f64 {
    let next = knots.partition_point(|knot| knot.0 <= place);
    match (next.checked_sub(1).map(|n| knots[n]), knots.get(next)) {
        (Some((from, a)), Some(&(to, b))) => a + (b - a) * (place - from) / (to - from),
        (Some((_, value)), None) | (None, Some(&(_, value))) => value,
        (None, None) => f64::NAN,
    }
}

/// A CT of a ball of soft tissue with a bone in it and fat around it, in air, with noise.
fn ct(noise: f64) -> Volume {
    let shape = [72, 64, 56];
    let samples: Vec<i16> = (0..shape.iter().product())
        .map(|i: usize| {
            let [x, y, z] = [i % 72, i / 72 % 64, i / (72 * 64)].map(|n| n as f64);
            let from = |x0: f64| ((x - x0).powi(2) + (y - 32.0).powi(2) + (z - 28.0).powi(2)).sqrt();
            // From one to another within a few voxels, as scanners show them.
            let body = between(&[(22.0, 45.0), (24.0, -100.0), (25.5, -100.0), (30.0, -985.0)], from(36.0));
            let tissue = body.max(between(&[(6.0, 700.0), (10.0, 45.0), (11.0, -2000.0)], from(22.0)));
            // A scanner's lowest number.
            (tissue + noise * normal(i)).round().max(-1000.0) as i16
        })
        .collect();
    let mut volume = Volume::new(samples, shape).unwrap();
    volume.unit = "HU".into();
    volume
}

#[test]
fn the_default_keeps_errors_within_the_noise_and_tissues_where_they_are() {
    let volume = ct(15.0);
    let noise = metrics::noise(&volume).unwrap();
    assert!((12.0..16.0).contains(&noise), "{noise}");
    assert_eq!(CompressOptions::default().target, Target::Quality(Quality::Standard));
    for (quality, most) in [(Quality::Standard, noise), (Quality::Fine, noise / 2.0)] {
        let result = compressed(&volume, Target::Quality(quality));
        let rmse = result.distortion.rmse;
        assert!(rmse <= most && rmse > 0.6 * most, "{quality:?}: {rmse}, not {most}");
        assert_eq!(result.fidelity.noise, Some(noise));
        let bands = &result.fidelity.bands;
        assert!(bands.len() >= 4, "{bands:?}");
        for band in bands.iter().filter(|band| band.share >= 1e-3) {
            assert!(band.bias.abs() < noise / 10.0, "{quality:?}: {band:?}");
        }
    }
}

#[test]
fn where_there_is_no_noise_it_is_50_db() {
    let shape = [40, 36, 32];
    let samples: Vec<f32> = (0..shape.iter().product())
        .map(|i: usize| {
            (0.11 * (i % 40) as f32).sin()
                + (0.13 * (i / 40 % 36) as f32).cos() * (0.17 * (i / 1440) as f32).sin()
        })
        .collect();
    let volume = Volume::new(samples, shape).unwrap();
    assert_eq!(metrics::noise(&volume), None);
    for (quality, least) in [(Quality::Preview, 40.0), (Quality::Standard, 50.0), (Quality::Fine, 56.0)] {
        let psnr = compressed(&volume, Target::Quality(quality)).distortion.psnr;
        assert!((least..least + 1.0).contains(&psnr), "{quality:?}: {psnr}");
    }
}

#[test]
fn a_file_says_what_was_asked_for_and_what_it_is_worth() {
    let volume = ct(15.0);
    let result = compressed(&volume, Target::Quality(Quality::Preview));
    let neural = opened(&result);
    let info = neural.info();
    let achieved = &info.achieved;
    assert_eq!(
        (info.asked.target, Quality::from_number(info.asked.value)),
        (TargetKind::Quality, Some(Quality::Preview))
    );
    let decoded = neural.read_region(Region::whole(volume.shape()), 1).unwrap();
    let measured = metrics::fidelity(&volume, &decoded).unwrap();
    assert_eq!(measured.distortion, result.distortion);
    assert_eq!(
        (achieved.rmse, achieved.max_error),
        (measured.distortion.rmse, measured.distortion.max_error)
    );
    assert_eq!((achieved.max_error_voxel, result.fidelity.largest), (measured.largest, measured.largest));
    // Three digits, as the file has them.
    let near = |found: f64, expected: f64, unit: f64| {
        assert!((found - expected).abs() <= 1e-3 * expected.abs() + 1e-6 * unit, "{found}, not {expected}");
    };
    near(achieved.bias, measured.bias, measured.distortion.rmse);
    near(1.0 - achieved.similarity.unwrap(), 1.0 - measured.similarity.unwrap(), 1.0);
    near(achieved.noise.unwrap(), measured.noise.unwrap(), 1.0);
    assert_eq!(Bands::of(&volume), Bands::Tissues);
    assert_eq!(achieved.bands.len(), measured.bands.len());
    for (found, expected) in achieved.bands.iter().zip(&measured.bands) {
        assert_eq!(found.band, expected.band);
        near(found.share, expected.share, 1.0);
        near(found.bias, expected.bias, measured.distortion.rmse);
        near(found.rmse, expected.rmse, measured.distortion.rmse);
    }
    let at = measured.largest.map(|[x, y, z]| x + 72 * (y + 64 * z)).unwrap();
    assert_eq!((volume.samples().get(at) - decoded.samples().get(at)).abs(), measured.distortion.max_error);
}

/// Labels of a few regions.
fn labels(shape: [usize; 3]) -> Vec<u32> {
    let [nx, ny, _] = shape;
    (0..shape.iter().product())
        .map(|i: usize| {
            let [x, y, z] = [i % nx, i / nx % ny, i / nx / ny].map(|n| n as f64);
            let inside = |x0: f64, y0: f64, z0: f64, r: f64| {
                (x - x0).powi(2) + (y - y0).powi(2) + (z - z0).powi(2) < r * r
            };
            match () {
                () if inside(12.0, 14.0, 10.0, 6.0) => 3,
                () if inside(20.0, 22.0, 16.0, 8.0) => 1327,
                () if inside(16.0, 16.0, 12.0, 11.0) => 7,
                () => 0,
            }
        })
        .collect()
}

#[test]
fn no_quality_takes_more_bytes_than_exact_samples_do() {
    for shape in [[32, 30, 24], [9, 5, 4], [3, 1, 1], [40, 40, 1]] {
        let ids = labels(shape);
        let few: Vec<u8> = ids.iter().map(|&id| (id % 5) as u8).collect();
        let noise: Vec<u8> = (0..ids.len()).map(|i| (128.0 + 30.0 * normal(i)) as u8).collect();
        let all: [(&str, Samples); 5] = [
            ("uint8", few.clone().into()),
            ("float32", few.iter().map(|&v| f32::from(v)).collect::<Vec<_>>().into()),
            ("float64", few.iter().map(|&v| f64::from(v)).collect::<Vec<_>>().into()),
            ("uint32", ids.into()),
            ("noise", noise.into()),
        ];
        for (name, samples) in all {
            let volume = Volume::new(samples, shape).unwrap();
            let exact = compressed(&volume, Target::Lossless).bytes.len();
            for target in [
                Target::Psnr(40.0),
                Target::Psnr(55.0),
                Target::Quality(Quality::Preview),
                Target::Quality(Quality::Standard),
                Target::Quality(Quality::Fine),
            ] {
                let found = compressed(&volume, target);
                assert!(
                    found.bytes.len() <= exact,
                    "{name} {shape:?}, {target:?}: {} > {exact}",
                    found.bytes.len()
                );
            }
            // What a size allows exactly is exact.
            let found = compressed(&volume, Target::Size(exact as u64));
            assert_eq!(found.distortion.max_error, 0.0, "{name} {shape:?}");
            match compress(&volume, &options(Target::Size(1))) {
                Err(Error::Target { what, .. }) => assert!(what.contains("1 "), "{what}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
