//! A focus: a part of a volume that is better than the rest, or exact.

mod frame;

use neuvol::engine::cpu::Cpu;
use neuvol::field::NetworkKind;
use neuvol::field::encoding::EncodingKind;
use neuvol::train::{
    Architecture, CompressOptions, Compressed, Focus, FocusRegion, Preset, Representation, Target, compress,
};
use neuvol::volume::{Sample, Samples};
use neuvol::{Error, FocusQuality, NeuralVolume, Region, Volume};
use std::sync::Arc;

/// Waves, a ball with an edge, and fine texture everywhere; from -1 to 1, about.
fn value([x, y, z]: [usize; 3]) -> f64 {
    let noise = (x * 7919 + y * 104_729 + z * 1_299_709) as u32;
    let noise = f64::from(noise.wrapping_mul(2_654_435_769) >> 16) / 65536.0 - 0.5;
    let [x, y, z] = [x, y, z].map(|n| n as f64);
    let ball = if (x - 20.0).powi(2) + (y - 18.0).powi(2) + (z - 15.0).powi(2) < 90.0 { 0.4 } else { 0.0 };
    0.5 * (0.21 * x).sin() * (0.17 * y + 0.11 * z).cos() + ball + 0.06 * noise
}

fn volume<T: Sample>(shape: [usize; 3], low: f64, span: f64) -> Volume
where
    Samples: From<Vec<T>>,
{
    let [nx, ny, nz] = shape;
    let voxels = (0..nx * ny * nz).map(|i| [i % nx, i / nx % ny, i / nx / ny]);
    let samples: Vec<T> = voxels.map(|at| T::from_f64(low + span * (0.5 + 0.5 * value(at)))).collect();
    Volume::new(samples, shape).unwrap()
}

fn options(target: Target, region: FocusRegion, quality: FocusQuality) -> CompressOptions {
    let focus = Some(Focus { region, quality });
    CompressOptions { target, focus, preset: Preset::Fast, threads: 2, ..Default::default() }
}

fn opened(bytes: &[u8]) -> NeuralVolume {
    NeuralVolume::from_bytes(bytes, "test.nvol", Arc::new(Cpu::new(2).unwrap())).unwrap()
}

fn decoded(bytes: &[u8]) -> Volume {
    let neural = opened(bytes);
    neural.read_region(Region::whole(neural.info().shape), 1).unwrap()
}

/// PSNR over the original's range of the voxels that are chosen, and their number.
fn psnr(original: &Volume, decoded: &Volume, is_chosen: impl Fn(usize) -> bool) -> (f64, u64) {
    let (low, high) = original.range().unwrap();
    let (mut squares, mut count) = (0.0, 0);
    let is_measured = |i: usize| {
        let value = original.samples().get(i);
        value.is_finite() && original.fill_value != Some(value)
    };
    for i in (0..original.len()).filter(|&i| is_chosen(i) && is_measured(i)) {
        squares += (original.samples().get(i) - decoded.samples().get(i)).powi(2);
        count += 1;
    }
    (20.0 * ((high - low) / (squares / count as f64).sqrt()).log10(), count)
}

fn is_in(region: Region, shape: [usize; 3], i: usize) -> bool {
    let at = [i % shape[0], i / shape[0] % shape[1], i / shape[0] / shape[1]];
    (0..3).all(|a| (region.start[a]..region.end[a]).contains(&at[a]))
}

/// 1 in a ball, 0 outside.
fn ball(shape: [usize; 3], centre: [f64; 3], radius: f64) -> Volume {
    let [nx, ny, nz] = shape;
    let inside = |i: usize| {
        let at = [i % nx, i / nx % ny, i / nx / ny];
        (0..3).map(|a| (at[a] as f64 - centre[a]).powi(2)).sum::<f64>() <= radius * radius
    };
    Volume::new((0..nx * ny * nz).map(|i| u8::from(inside(i))).collect::<Vec<u8>>(), shape).unwrap()
}

/// What the file says is what is measured here.
fn check(result: &Compressed, original: &Volume, is_inside: impl Fn(usize) -> bool) -> [f64; 2] {
    let back = decoded(&result.bytes);
    let (inside, count) = psnr(original, &back, &is_inside);
    let (outside, others) = psnr(original, &back, |i| !is_inside(i));
    let said = result.focus.unwrap();
    assert_eq!((said.inside.voxels, said.outside.voxels), (count, others));
    for (said, found) in [(said.inside.psnr, inside), (said.outside.psnr, outside)] {
        assert!(said == found || (said - found).abs() < 1e-6, "{said} {found}");
    }
    let info = opened(&result.bytes).info().focus.unwrap();
    assert_eq!((info.inside.rmse, info.outside.max_error), (said.inside.rmse, said.outside.max_error));
    assert_eq!((info.start, info.end, info.asked), (said.start, said.end, said.asked));
    [inside, outside]
}

#[test]
fn a_box_has_the_psnr_that_was_asked_for_and_the_rest_the_target() {
    let shape = [48, 40, 30];
    let original = volume::<f32>(shape, -3.0, 8.0);
    let region = Region { start: [24, 10, 8], end: [37, 21, 17] };
    let asked = options(Target::Psnr(38.0), FocusRegion::Box(region), FocusQuality::Psnr(58.0));
    let result = compress(&original, &asked).unwrap();
    let [inside, outside] = check(&result, &original, |i| is_in(region, shape, i));
    assert!((58.0..59.0).contains(&inside) && (38.0..39.0).contains(&outside), "{inside} {outside}");
    let said = result.focus.unwrap();
    assert_eq!((said.start, said.end), (region.start, region.end));
    let (whole, _) = psnr(&original, &decoded(&result.bytes), |_| true);
    assert!((whole - result.distortion.psnr).abs() < 1e-6);
    // It costs less than the whole of the volume in the focus' quality, and more than in the other.
    let without = |db| {
        let options = CompressOptions { target: Target::Psnr(db), focus: None, ..asked.clone() };
        compress(&original, &options).unwrap().bytes.len()
    };
    let (low, high) = (without(38.0), without(58.0));
    let bytes = result.bytes.len();
    eprintln!("{low} bytes at 38 dB, {bytes} with the focus, {high} at 58 dB");
    assert!(low < bytes && bytes < low + (high - low) / 3, "{low} {bytes} {high}");
}

#[test]
fn a_mask_may_lie_across_blocks_and_tiers() {
    let shape = [600, 16, 12];
    let original = volume::<i16>(shape, -1000.0, 3000.0);
    let mask = ball(shape, [256.0, 9.0, 6.0], 4.2);
    let is_inside = |i: usize| mask.samples().get(i) != 0.0;
    let region = FocusRegion::Mask(Arc::new(mask.clone()));
    let result = compress(&original, &options(Target::Psnr(40.0), region, FocusQuality::Psnr(55.0))).unwrap();
    let [inside, outside] = check(&result, &original, is_inside);
    assert!((55.0..56.0).contains(&inside) && (40.0..41.0).contains(&outside), "{inside} {outside}");
    let said = result.focus.unwrap();
    assert_eq!((said.start, said.end), ([252, 5, 2], [261, 14, 11]));
    // Any part of it is what it is in the whole.
    let (neural, whole) = (opened(&result.bytes), decoded(&result.bytes));
    for region in [
        Region { start: [251, 3, 2], end: [259, 15, 11] },
        Region { start: [0, 9, 0], end: [600, 10, 12] },
        Region { start: [255, 0, 9], end: [256, 16, 10] },
    ] {
        let part = neural.read_region(region, 1).unwrap();
        let [nx, ny, _] = part.shape();
        for i in 0..part.len() {
            let at = [i % nx, i / nx % ny, i / nx / ny];
            let [x, y, z] = [0, 1, 2].map(|a| at[a] + region.start[a]);
            assert_eq!(part.samples().get(i), whole.samples().get(x + 600 * (y + 16 * z)), "{region:?}");
        }
    }
}

#[test]
fn a_size_is_kept_with_a_focus() {
    let shape = [48, 40, 30];
    let original = volume::<u8>(shape, 0.0, 250.0);
    let region = Region { start: [3, 30, 20], end: [11, 40, 30] };
    for (target, quality) in
        [(Target::Size(9000), FocusQuality::Psnr(50.0)), (Target::Size(9000), FocusQuality::Lossless)]
    {
        let result = compress(&original, &options(target, FocusRegion::Box(region), quality)).unwrap();
        let [inside, outside] = check(&result, &original, |i| is_in(region, shape, i));
        eprintln!("{quality:?}: {} bytes, {inside} {outside}", result.bytes.len());
        assert!((8730..=9000).contains(&result.bytes.len()), "{}", result.bytes.len());
        assert!(inside >= 50.0 && outside < inside, "{inside} {outside}");
    }
}

/// Bits inside are the original's, and outside is the target.
fn exact_inside(original: &Volume, region: Region) -> Vec<u8> {
    let shape = original.shape();
    let asked = options(Target::Psnr(36.0), FocusRegion::Box(region), FocusQuality::Lossless);
    let result = compress(original, &asked).unwrap();
    let is_inside = |i| is_in(region, shape, i);
    let [inside, outside] = check(&result, original, is_inside);
    assert_eq!(inside, f64::INFINITY, "{}", original.sample_type());
    assert!((36.0..37.0).contains(&outside), "{}: {outside}", original.sample_type());
    let back = decoded(&result.bytes);
    let size = original.sample_type().size();
    let bytes = |volume: &Volume, i: usize| volume.samples().as_bytes()[i * size..(i + 1) * size].to_vec();
    for i in (0..original.len()).filter(|&i| is_inside(i)) {
        assert_eq!(bytes(&back, i), bytes(original, i), "{}: voxel {i}", original.sample_type());
    }
    // What is masked is so outside, too.
    for i in 0..original.len() {
        let (a, b) = (original.samples().get(i), back.samples().get(i));
        assert!(a.is_finite() || a == b || a.is_nan() && b.is_nan(), "voxel {i}");
    }
    result.bytes
}

#[test]
fn a_lossless_focus_has_every_bit() {
    let shape = [70, 30, 20];
    let region = Region { start: [58, 4, 3], end: [68, 15, 12] };
    exact_inside(&volume::<u8>(shape, 3.0, 250.0), region);
    exact_inside(&volume::<u32>(shape, 0.0, f64::from(u32::MAX)), region);
    let mut fill = volume::<i16>(shape, -1000.0, 3000.0);
    let mut samples = fill.samples().clone();
    (0..samples.len()).filter(|i| i % 70 > 60 && i % 7 == 0).for_each(|i| samples.set(i, -2000.0));
    fill = Volume::new(samples, shape).unwrap();
    fill.fill_value = Some(-2000.0);
    exact_inside(&fill, region);
}

#[test]
fn a_lossless_focus_has_nans_and_zeros_of_either_sign() {
    let shape = [70, 30, 20];
    let region = Region { start: [58, 4, 3], end: [68, 15, 12] };
    let at = |x: usize| x + 70 * (7 + 30 * 6);
    let Samples::F32(mut samples) = volume::<f32>(shape, -1.0, 2.0).into_samples() else { panic!() };
    let odd = [f32::from_bits(0x7FC1_2345), f32::from_bits(0xFFC0_0000), f32::NAN, -0.0, 0.0, f32::INFINITY];
    samples[at(60)..at(66)].copy_from_slice(&odd);
    // Outside of the focus in the same brick, and in another one.
    for x in [57, 3] {
        samples[at(x)] = f32::from_bits(0x7FC0_0001);
    }
    let bytes = exact_inside(&Volume::new(samples, shape).unwrap(), region);
    let back = decoded(&bytes);
    assert!([57, 3].iter().all(|&x| back.samples().get(at(x)).is_nan()));
    let Samples::F64(mut samples) = volume::<f64>(shape, -1.0, 2.0).into_samples() else { panic!() };
    samples[at(60)] = f64::from_bits(0xFFF8_0000_0000_0077);
    samples[at(61)..at(64)].copy_from_slice(&[-0.0, f64::NEG_INFINITY, f64::MIN_POSITIVE / 8.0]);
    exact_inside(&Volume::new(samples, shape).unwrap(), region);
    // Of one value, but for a sign.
    let mut samples = vec![0.0f32; shape.iter().product()];
    samples[at(60)] = -0.0;
    let zeros = Volume::new(samples, shape).unwrap();
    let asked = options(Target::Psnr(36.0), FocusRegion::Box(region), FocusQuality::Lossless);
    let back = decoded(&compress(&zeros, &asked).unwrap().bytes);
    assert_eq!(back.samples().as_bytes(), zeros.samples().as_bytes());
}

#[test]
fn away_from_a_lossless_focus_a_part_costs_what_it_costs_without() {
    let shape = [140, 70, 66];
    let original = volume::<i16>(shape, -1000.0, 3000.0);
    let region = Region { start: [130, 3, 2], end: [139, 12, 11] };
    let asked = options(Target::Psnr(36.0), FocusRegion::Box(region), FocusQuality::Lossless);
    let neural = opened(&compress(&original, &asked).unwrap().bytes);
    assert!(neural.model_summary().contains("made exact in 1 brick"), "{}", neural.model_summary());
    let slice = Region { start: [5, 5, 20], end: [60, 60, 21] };
    neural.read_region(slice, 1).unwrap();
    assert_eq!(neural.evaluated(), 55 * 55);
    neural.read_region(region, 1).unwrap();
    assert_eq!(neural.evaluated(), 55 * 55 + 12 * 64 * 64, "the brick");
}

#[test]
fn a_focus_goes_with_what_leaves_something_to_make_better() {
    let shape = [20, 16, 12];
    let original = volume::<i16>(shape, 0.0, 1000.0);
    let region = || FocusRegion::Box(Region { start: [2, 2, 2], end: [9, 9, 9] });
    let network = Architecture { encoding: EncodingKind::default(), network: NetworkKind::Mlp };
    let cases = [
        (Target::Lossless, Representation::Smallest, "kept as it is"),
        (Target::MaxError(2.0), Representation::Smallest, "holds everywhere"),
        (Target::Psnr(30.0), Representation::Network(network), "a network has no `focus`"),
    ];
    for (target, representation, expected) in cases {
        let options = CompressOptions { representation, ..options(target, region(), FocusQuality::Lossless) };
        match compress(&original, &options) {
            Err(Error::Options(what)) => assert!(what.contains(expected), "{what}"),
            other => panic!("{target:?}: {other:?}"),
        }
    }
    for db in [0.0, -3.0, f64::NAN, 151.0] {
        let message = compress(&original, &options(Target::Psnr(30.0), region(), FocusQuality::Psnr(db)));
        assert!(message.unwrap_err().to_string().contains("for the `focus`"), "{db}");
    }
}

#[test]
fn whatever_a_file_says_of_a_focus_ends_in_samples_or_a_sentence() {
    let shape = [70, 9, 8];
    let original = volume::<f32>(shape, -1.0, 2.0);
    let mut state = 3usize;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (mut read, mut refused) = (0, 0);
    for quality in [FocusQuality::Psnr(50.0), FocusQuality::Lossless] {
        let region = FocusRegion::Box(Region { start: [3, 2, 2], end: [9, 5, 6] });
        let options = CompressOptions {
            representation: Representation::LatentGrid,
            ..options(Target::Psnr(30.0), region, quality)
        };
        let bytes = compress(&original, &options).unwrap().bytes;
        let end = frame::index_end(&bytes);
        for _ in 0..600 {
            let mut damaged = bytes.clone();
            // Behind the description of the grid.
            damaged[60 + random(end - 60)] = random(256) as u8;
            frame::mend(&mut damaged);
            let opened = NeuralVolume::from_bytes(&damaged, "damaged.nvol", Arc::new(Cpu::new(1).unwrap()));
            match opened.and_then(|neural| neural.read_region(Region::whole(neural.info().shape), 1)) {
                Ok(volume) => read += usize::from(volume.shape() == shape),
                Err(error) => refused += usize::from(error.to_string().contains("damaged.nvol")),
            }
        }
    }
    assert_eq!(read + refused, 1200);
    assert!(read > 100 && refused > 100, "{read} {refused}");
}
