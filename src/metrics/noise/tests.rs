//! Phantoms whose noise is known.

use super::*;
use crate::engine::hash;

const SHAPE: [usize; 3] = [96, 96, 60];

/// Independent numbers of a normal distribution (Box and Muller).
fn normal(seed: u64, i: usize) -> f64 {
    let uniform = |n: u64| (hash(hash(seed) ^ (2 * i as u64 + n)) >> 11) as f64 / (1u64 << 53) as f64;
    (-2.0 * (1.0 - uniform(0)).ln()).sqrt() * (std::f64::consts::TAU * uniform(1)).cos()
}

fn white(seed: u64) -> Vec<f64> {
    (0..SHAPE.iter().product()).map(|i| normal(seed, i)).collect()
}

fn place(i: usize) -> [f64; 3] {
    [i % SHAPE[0], i / SHAPE[0] % SHAPE[1], i / SHAPE[0] / SHAPE[1]].map(|n| n as f64)
}

/// 1 in a ball that fills a third of the volume, else 0.
fn ball(i: usize) -> f64 {
    let [x, y, z] = place(i);
    f64::from((x - 48.0).powi(2) + (y - 48.0).powi(2) + (z - 30.0).powi(2) < 29.0 * 29.0)
}

/// The ball on a background, with noise.
fn noisy(noise: &[f64], sigma: f64) -> Vec<f64> {
    noise.iter().enumerate().map(|(i, n)| 100.0 + 150.0 * ball(i) + sigma * n).collect()
}

/// Smooths along an axis with these weights around a voxel, beyond the faces with the outermost voxel.
fn smooth(values: &[f64], axis: usize, weights: &[f64]) -> Vec<f64> {
    let step: usize = SHAPE[..axis].iter().product();
    let reach = weights.len() as isize / 2;
    (0..values.len())
        .map(|i| {
            let here = (i / step % SHAPE[axis]) as isize;
            let at = |d: isize| {
                let there = (here + d).clamp(0, SHAPE[axis] as isize - 1);
                values[(i as isize + (there - here) * step as isize) as usize]
            };
            weights.iter().enumerate().map(|(k, w)| w * at(k as isize - reach)).sum()
        })
        .collect()
}

/// Deviation 1 after smoothing along the axes given with a Gaussian of this deviation in voxels.
fn smoothed(seed: u64, axes: &[usize], deviation: f64) -> Vec<f64> {
    let weights: Vec<f64> = (-4..=4).map(|k| (-0.5 * (f64::from(k) / deviation).powi(2)).exp()).collect();
    let noise = axes.iter().fold(white(seed), |noise, &axis| smooth(&noise, axis, &weights));
    let square = noise.iter().map(|n| n * n).sum::<f64>() / noise.len() as f64;
    noise.into_iter().map(|n| n / square.sqrt()).collect()
}

fn volume<T>(values: &[f64]) -> Volume
where
    T: crate::volume::Sample,
    crate::volume::Samples: From<Vec<T>>,
{
    Volume::new(values.iter().map(|&v| T::from_f64(v)).collect::<Vec<T>>(), SHAPE).unwrap()
}

/// The noise found, by the true one.
fn share(volume: &Volume, sigma: f64) -> f64 {
    noise(volume).unwrap_or_else(|| panic!("no noise was found where it is {sigma}")) / sigma
}

#[test]
fn white_noise_is_found_at_any_level() {
    let white = white(1);
    for sigma in [0.01, 1.0, 5.0, 20.0] {
        let found = share(&volume::<f32>(&noisy(&white, sigma)), sigma);
        assert!((0.93..1.02).contains(&found), "{sigma}: {found}");
    }
    // As integers it has their rounding, too.
    for sigma in [0.5, 0.8, 3.0] {
        let found = share(&volume::<u8>(&noisy(&white, sigma)), (sigma * sigma + 1.0 / 12.0).sqrt());
        assert!((0.9..1.05).contains(&found), "{sigma}: {found}");
    }
}

#[test]
fn noise_that_a_kernel_or_a_zoom_has_spread_is_not_missed() {
    for (axes, deviation, least) in
        [(&[0, 1, 2][..], 0.6, 0.88), (&[0, 1, 2], 1.0, 0.75), (&[0, 1], 1.0, 0.8)]
    {
        let found = share(&volume::<f32>(&noisy(&smoothed(2, axes, deviation), 5.0)), 5.0);
        assert!((least..1.02).contains(&found), "{axes:?} {deviation}: {found}");
    }
    // Slices that stand four times each.
    let white = white(3);
    let plane = SHAPE[0] * SHAPE[1];
    let repeated: Vec<f64> = (0..white.len()).map(|i| white[i / plane / 4 * plane + i % plane]).collect();
    let found = share(&volume::<f32>(&noisy(&repeated, 5.0)), 5.0);
    assert!((0.8..1.02).contains(&found), "{found}");
    // Slices between which others were interpolated.
    let between: Vec<f64> = (0..white.len())
        .map(|i| match i / plane % 2 {
            1 if i + plane < white.len() => (white[i - plane] + white[i + plane]) / 2.0,
            _ => white[i],
        })
        .collect();
    let found = share(&volume::<f32>(&noisy(&between, 5.0)), 5.0);
    assert!((0.75..1.0).contains(&found), "{found}");
}

#[test]
fn noise_on_a_slope_is_told_from_the_slope() {
    let white = white(4);
    let slope = |i: usize| place(i).iter().zip([1.0, 2.0, 3.0]).map(|(x, by)| x * by).sum::<f64>();
    let values: Vec<f64> = white.iter().enumerate().map(|(i, n)| slope(i) + 5.0 * n).collect();
    let found = share(&volume::<f32>(&values), 5.0);
    assert!((0.93..1.02).contains(&found), "{found}");
    assert_eq!(noise(&volume::<f64>(&(0..white.len()).map(slope).collect::<Vec<_>>())), None);
    // A slope that bends alike everywhere, within a block as far as the noise is large.
    let bent = |i: usize| 0.5 * (place(i)[2] - 30.0).powi(2) + 0.3 * place(i)[0] * place(i)[1];
    let values: Vec<f64> = white.iter().enumerate().map(|(i, n)| bent(i) + 5.0 * n).collect();
    let found = share(&volume::<f32>(&values), 5.0);
    assert!((0.93..1.05).contains(&found), "{found}");
}

#[test]
fn magnitudes_of_complex_noise_are_known_by_their_background() {
    let (real, imaginary) = (white(5), white(6));
    let values: Vec<f64> = real
        .iter()
        .zip(&imaginary)
        .enumerate()
        .map(|(i, (a, b))| (150.0 * ball(i) + 10.0 * a).hypot(10.0 * b))
        .collect();
    for found in [share(&volume::<f32>(&values), 10.0), share(&volume::<u8>(&values), 10.0)] {
        assert!((0.93..1.03).contains(&found), "{found}");
    }
}

#[test]
fn background_padding_and_values_that_were_cut_off_do_not_count() {
    let white = white(7);
    // Nine tenths are 0.
    let values: Vec<f64> = white
        .iter()
        .enumerate()
        .map(|(i, n)| {
            let inside = place(i).iter().all(|x| (12.0..60.0).contains(x));
            if inside { 120.0 + 5.0 * n } else { 0.0 }
        })
        .collect();
    let found = share(&volume::<u8>(&values), 5.0);
    assert!((0.9..1.02).contains(&found), "{found}");
    // A CT: padding around the circle that was reconstructed, air of less noise that ends at -1024, and tissue.
    let ct: Vec<f64> = white
        .iter()
        .enumerate()
        .map(|(i, n)| {
            let [x, y, _] = place(i);
            match (x - 48.0).hypot(y - 48.0) {
                r if r > 47.0 => -2000.0,
                r if r < 30.0 => 40.0 + 18.0 * n,
                _ => (-1015.0 + 8.0 * n).max(-1024.0),
            }
        })
        .collect();
    let mut ct = volume::<i16>(&ct);
    ct.unit = "HU".into();
    let found = share(&ct, 18.0);
    assert!((0.9..1.02).contains(&found), "{found}");
    // Masked, there is no padding.
    ct.fill_value = Some(-2000.0);
    assert!((0.9..1.02).contains(&share(&ct, 18.0)));
}

#[test]
fn fields_without_noise_have_none() {
    let count = SHAPE.iter().product();
    let field = |f: &dyn Fn([f64; 3]) -> f64| (0..count).map(|i| f(place(i))).collect::<Vec<f64>>();
    let waves = field(&|[x, y, z]| (0.1 * x).sin() * (0.13 * y).cos() + (0.2 * z).sin());
    let labels = field(&|[x, y, z]| (x / 10.0).floor() + 3.0 * (y / 20.0).floor() + 7.0 * (z / 15.0).floor());
    let balls = field(&|[x, y, z]| {
        let r = ((x - 40.0).powi(2) + (y - 50.0).powi(2) + (z - 30.0).powi(2)).sqrt();
        (20.0 - r).clamp(0.0, 1.0) + 0.5 * (10.0 - r).clamp(0.0, 1.0)
    });
    let crisp: Vec<f64> = (0..count).map(ball).collect();
    for (name, values) in [("waves", &waves), ("labels", &labels), ("balls", &balls), ("a ball", &crisp)] {
        assert_eq!(noise(&volume::<f32>(values)), None, "{name}");
        assert_eq!(noise(&volume::<f64>(values)), None, "{name}");
    }
    assert_eq!(noise(&volume::<u8>(&labels)), None);
    // White noise that only has wavelengths which the grid resolves well is a field, too.
    assert_eq!(noise(&volume::<f32>(&smoothed(8, &[0, 1, 2], 2.5))), None);
    // Salt and pepper on nothing.
    let salt: Vec<f64> =
        (0..count).map(|i| f64::from(u8::from(hash(i as u64).is_multiple_of(200))) * 200.0).collect();
    assert_eq!(noise(&volume::<u8>(&salt)), None);
}

#[test]
fn a_flat_part_is_found_wherever_it_lies_in_a_small_volume() {
    let white = white(12);
    // 26 voxels along each axis, with one block of those that stand side by side inside; steps of 40 around them.
    let values: Vec<f64> = white
        .iter()
        .enumerate()
        .map(|(i, n)| {
            let place = place(i);
            let flat = place.iter().zip([30.0, 42.0, 18.0]).all(|(x, from)| (from..from + 26.0).contains(x));
            let steps = 40.0 * place.iter().map(|x| (x / 3.0).floor() % 2.0).sum::<f64>();
            100.0 + if flat { 0.0 } else { steps } + 5.0 * n
        })
        .collect();
    let shape = [72, 72, 48];
    let [nx, ny, _] = shape;
    let part = (0..shape.iter().product::<usize>())
        .map(|i| values[i % nx + SHAPE[0] * (i / nx % ny + SHAPE[1] * (i / nx / ny))]);
    let volume = Volume::new(part.collect::<Vec<f64>>(), shape).unwrap();
    let found = share(&volume, 5.0);
    assert!((0.9..1.1).contains(&found), "{found}");
}

#[test]
fn volumes_of_any_kind_are_looked_at() {
    for (samples, shape) in
        [(vec![1.0f64, 2.0], [2, 1, 1]), (vec![f64::NAN; 64], [4, 4, 4]), (vec![3.0; 1000], [10, 10, 10])]
    {
        assert_eq!(noise(&Volume::new(samples, shape).unwrap()), None);
    }
    // A picture, a line of voxels, and numbers at the ends of float64.
    let count = 120 * 120;
    for (shape, scale) in
        [([120, 120, 1], 1.0), ([count, 1, 1], 1.0), ([120, 120, 1], 1e306), ([120, 120, 1], 1e-306)]
    {
        let samples: Vec<f64> = (0..count).map(|i| (100.0 + normal(9, i)) * scale).collect();
        let found = noise(&Volume::new(samples, shape).unwrap()).map(|found| found / scale);
        // A block of a picture has few voxels; a block of a line has too few.
        match shape[1] {
            1 => assert_eq!(found, None),
            _ => assert!(found.is_some_and(|found| (0.75..1.02).contains(&found)), "{shape:?}: {found:?}"),
        }
    }
    // A large offset takes no digits.
    let samples: Vec<f64> = white(10).iter().map(|n| 1e9 + 1e-3 * n).collect();
    let found = share(&volume::<f64>(&samples), 1e-3);
    assert!((0.93..1.02).contains(&found), "{found}");
}

#[test]
fn the_same_volume_has_the_same_noise_on_any_number_of_threads() {
    let noisy = volume::<f32>(&noisy(&white(11), 4.0));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| noise(&noisy))
    };
    assert_eq!(on(1), on(3));
}
