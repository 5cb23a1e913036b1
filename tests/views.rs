//! What viewers ask for: regions through the cache, and points with gradients.

use neuvol::engine::cpu::Cpu;
use neuvol::sample::{Outside, PointSample, Space};
use neuvol::train::{CompressOptions, Preset, Target, compress};
use neuvol::volume::{Geometry, Samples};
use neuvol::{Axis, Error, NeuralVolume, Region, Volume};
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

/// Three cache bricks by two by two, none of them at the far faces whole.
const SHAPE: [usize; 3] = [150, 70, 68];
const FILL: f32 = -9999.0;

/// Smooth waves, masked in a corner, in an oblique frame.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let [nx, ny, nz] = SHAPE;
    let value = |i: usize| {
        let [x, y, z] = [i % nx, i / nx % ny, i / nx / ny].map(|n| n as f32);
        if x + y + z < 40.0 { FILL } else { 20.0 * (0.05 * x).sin() * (0.06 * y).cos() + 0.2 * z }
    };
    let mut volume = Volume::new((0..nx * ny * nz).map(value).collect::<Vec<f32>>(), SHAPE).unwrap();
    volume.fill_value = Some(f64::from(FILL));
    let (s, c) = 0.4f64.sin_cos();
    volume.geometry = Geometry {
        origin: [-30.0, 12.0, 5.0],
        spacing: [0.5, 0.8, 1.5],
        direction: [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]],
        ..Geometry::default()
    };
    let target = Target::Psnr(36.0);
    let options = CompressOptions { target, preset: Preset::Fast, threads: 1, ..Default::default() };
    compress(&volume, &options).unwrap().bytes
});

fn opened() -> NeuralVolume {
    NeuralVolume::from_bytes(&FILE, "test.nvol", Arc::new(Cpu::new(2).unwrap())).unwrap()
}

fn samples(neural: &NeuralVolume, region: Region, stride: usize) -> Samples {
    neural.read_region(region, stride).unwrap().into_samples()
}

#[test]
fn the_cache_changes_no_voxel_and_saves_the_work() {
    let plain = opened();
    let cached = opened().with_cache(100_000_000);
    let whole = Region::whole(SHAPE);
    let regions = [
        (Region { start: [10, 3, 5], end: [141, 66, 67] }, 1),
        (Region::slice(SHAPE, Axis::Z, 33), 1),
        (Region::slice(SHAPE, Axis::X, 149), 1),
        (Region { start: [60, 60, 60], end: [70, 70, 68] }, 1),
        (whole, 1),
        (Region { start: [64, 0, 0], end: [128, 64, 64] }, 1),
        (whole, 2),
        (Region { start: [8, 4, 0], end: [149, 69, 68] }, 4),
        // Not on the multiples of its stride: past the cache.
        (Region { start: [9, 5, 1], end: [149, 69, 68] }, 4),
    ];
    for round in 0..2 {
        for (region, stride) in regions {
            assert_eq!(
                samples(&cached, region, stride),
                samples(&plain, region, stride),
                "round {round}: {region:?} by {stride}"
            );
            let as_floats = cached.read_region_f32(region, stride).unwrap();
            assert_eq!(as_floats.samples(), plain.read_region_f32(region, stride).unwrap().samples());
        }
    }
    // Everything was read: a part of it costs nothing, a region off the cache's multiples its own voxels, and of a latent
    // grid those between them.
    let before = cached.evaluated();
    samples(&cached, Region { start: [64, 0, 0], end: [128, 64, 64] }, 1);
    samples(&cached, whole, 1);
    assert_eq!(cached.evaluated(), before);
    let (off, stride) = regions[8];
    samples(&cached, off, stride);
    let between = off.shape(stride).unwrap().map(|n| (n - 1) * stride + 1);
    assert_eq!(cached.evaluated() - before, between.iter().product::<usize>() as u64);
}

#[test]
fn a_slice_costs_a_slice() {
    for neural in [opened(), opened().with_cache(1_000_000)] {
        samples(&neural, Region::slice(SHAPE, Axis::Y, 30), 1);
        assert_eq!(neural.evaluated(), 150 * 68);
        samples(&neural, Region::slice(SHAPE, Axis::Y, 31), 1);
        assert_eq!(neural.evaluated(), 2 * 150 * 68);
    }
    let cached = opened().with_cache(1_000_000);
    for _ in 0..3 {
        samples(&cached, Region::slice(SHAPE, Axis::Y, 30), 1);
    }
    assert_eq!(cached.evaluated(), 150 * 68, "back at a slice, it is still there");
}

/// What is counted is what was decoded, wherever that is more than what was asked for.
#[test]
fn what_is_decoded_for_a_request_is_counted() {
    let slice = Region::slice(SHAPE, Axis::Y, 30);
    // Integers are decoded by whole bricks: all along x and z here, and 64 along y.
    let bricks = (SHAPE[0] * 64 * SHAPE[2]) as u64;
    for target in [Target::Lossless, Target::MaxError(1.0)] {
        let neural = of_target(target);
        assert_eq!(neural.evaluated(), 0, "opening decodes nothing");
        samples(&neural, slice, 1);
        assert_eq!(neural.evaluated(), bricks, "{target:?}: {}", neural.model_summary());
    }
    // A point takes the bricks of its kind, and its neighbours nothing more.
    let neural = opened();
    let mut value = [0.0];
    let mut costs = [[70.2, 40.0, 30.5], [70.7, 40.0, 30.5], [140.0, 3.5, 60.0]].map(|point| {
        let before = neural.evaluated();
        neural.values_at(&[point], Space::Index, Outside::Clamp, &mut value).unwrap();
        neural.evaluated() - before
    });
    let whole = SHAPE.iter().product::<usize>() as u64;
    assert!(costs[0] > 1 && costs[2] > 1 && costs.iter().all(|&cost| cost < whole / 8), "{costs:?}");
    assert_eq!(costs[1], 0, "what it needs is at hand");
    costs.sort_unstable();
    assert_eq!(neural.evaluated(), costs.iter().sum::<u64>());
}

fn of_target(target: Target) -> NeuralVolume {
    let whole = opened().read_region(Region::whole(SHAPE), 1).unwrap();
    let options = CompressOptions { target, preset: Preset::Fast, threads: 2, ..Default::default() };
    let compressed = compress(&whole, &options).unwrap();
    NeuralVolume::from_bytes(&compressed.bytes, "test.nvol", Arc::new(Cpu::new(2).unwrap())).unwrap()
}

#[test]
fn a_cache_smaller_than_the_region_is_no_cache_but_right() {
    let (plain, cached) = (opened(), opened().with_cache(10_000));
    for _ in 0..2 {
        assert_eq!(samples(&cached, Region::whole(SHAPE), 1), samples(&plain, Region::whole(SHAPE), 1));
    }
    assert_eq!(cached.evaluated(), 2 * SHAPE.iter().product::<usize>() as u64);
}

#[test]
fn an_observer_sees_the_end_and_can_stop() {
    let neural = opened().with_cache(100_000_000);
    let region = Region::whole(SHAPE);
    let mut out = Samples::zeros(neural.sample_type(), SHAPE.iter().product());
    let mut seen = Vec::new();
    let stopped = neural.read_region_into(region, 1, &mut out.as_mut(), &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    let mut observe = |fraction| {
        seen.push(fraction);
        ControlFlow::Continue(())
    };
    neural.read_region_into(region, 1, &mut out.as_mut(), &mut observe).unwrap();
    assert!(seen.windows(2).all(|w| w[0] <= w[1]) && (seen.last().unwrap() - 1.0).abs() < 1e-9, "{seen:?}");
    assert_eq!(out, samples(&opened(), region, 1), "what was stopped left nothing behind");
    let mut small = Samples::zeros(neural.sample_type(), 7);
    let refused = neural.read_region_into(region, 1, &mut small.as_mut(), &mut |_| ControlFlow::Continue(()));
    assert!(matches!(refused, Err(Error::Options(_))), "{refused:?}");
}

#[test]
fn gradients_are_the_slopes_of_the_values() {
    let neural = opened();
    let geometry = neural.info().geometry;
    // Inside cells, away from voxels (where values are rounded), on more points than one task takes.
    let mut state = 5u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f64 / (1u64 << 24) as f64
    };
    let index: Vec<[f64; 3]> =
        (0..3000).map(|_| [0, 1, 2].map(|a| 1.0 + random() * (SHAPE[a] as f64 - 3.0))).collect();
    let world: Vec<[f64; 3]> = index.iter().map(|i| geometry.index_to_world(*i)).collect();
    for (points, space) in [(index, Space::Index), (world, Space::World)] {
        let mut found = vec![PointSample::default(); points.len()];
        neural.values_and_gradients_at(&points, space, Outside::Clamp, &mut found).unwrap();
        let at = |points: &[[f64; 3]]| {
            let mut values = vec![PointSample::default(); points.len()];
            neural.probe(points, space, Outside::Clamp, &mut values).unwrap();
            values
        };
        let plain = at(&points);
        let (mut checked, mut largest) = (0, 0.0f64);
        for axis in 0..3 {
            let moved = |by: f64| {
                let shifted =
                    points.iter().map(|p| std::array::from_fn(|a| p[a] + if a == axis { by } else { 0.0 }));
                at(&shifted.collect::<Vec<_>>())
            };
            let line = [-0.02, -0.01, 0.0, 0.01, 0.02].map(moved);
            for (i, sample) in found.iter().enumerate() {
                assert_eq!((sample.value, sample.valid), (plain[i].value, plain[i].valid));
                if !sample.valid {
                    assert_eq!(sample.gradient, [0.0; 3]);
                    continue;
                }
                let slopes = [0, 1, 2, 3].map(|n| (line[n + 1][i].value - line[n][i].value) / 0.01);
                let slope = slopes.iter().sum::<f64>() / 4.0;
                // Where they disagree there is a kink between the points.
                if slopes.iter().all(|s| (s - slope).abs() < 4e-3) {
                    checked += 1;
                    largest = largest.max(slope.abs());
                    assert!(
                        (slope - sample.gradient[axis]).abs() < 4e-3,
                        "{slope} not {} along {axis} in {space:?}",
                        sample.gradient[axis]
                    );
                }
            }
        }
        assert!(checked > 3000 && largest > 0.5, "{checked} slopes checked, the largest {largest}");
    }
}

/// Central differences of decoded samples, one-sided where one of the two is not there, at a voxel along an axis.
fn difference(value: impl Fn([usize; 3]) -> Option<f64>, voxel: [usize; 3], a: usize, length: usize) -> f64 {
    let moved = |by: isize| {
        let to = voxel[a].checked_add_signed(by).filter(|&to| to < length)?;
        value(std::array::from_fn(|b| if a == b { to } else { voxel[b] }))
    };
    let here = value(voxel).unwrap();
    match (moved(-1), moved(1)) {
        (Some(low), Some(high)) => (high - low) / 2.0,
        (None, Some(high)) => high - here,
        (Some(low), None) => here - low,
        (None, None) => 0.0,
    }
}

#[test]
fn smooth_gradients_are_differences_and_continuous() {
    let neural = opened();
    let shape = neural.info().shape;
    let decoded = neural.read_region_f32(Region::whole(shape), 1).unwrap();
    let fill = neural.info().fill_value;
    let value = |[x, y, z]: [usize; 3]| {
        let value = decoded.samples().get(x + shape[0] * (y + shape[1] * z));
        (Some(value) != fill).then_some(value)
    };
    let smooth = |points: &[[f64; 3]]| {
        let mut found = vec![PointSample::default(); points.len()];
        neural.values_and_smooth_gradients_at(points, Space::Index, Outside::Value(7.0), &mut found).unwrap();
        found
    };
    // At voxels: inside, in a corner, and all over a mask's rim.
    let mut voxels = vec![[0, 0, 0], [shape[0] - 1, shape[1] - 1, shape[2] - 1], [100, 35, 30]];
    voxels.extend((0..400).map(|n| [n * 7 % shape[0], n * 5 % shape[1], n * 3 % shape[2]]));
    let found = smooth(&voxels.iter().map(|v| v.map(|i| i as f64)).collect::<Vec<_>>());
    let mut compared = 0;
    for (voxel, sample) in voxels.iter().zip(&found) {
        assert_eq!(sample.valid, value(*voxel).is_some());
        if !sample.valid {
            assert_eq!(sample.gradient, [0.0; 3]);
            continue;
        }
        for (a, &length) in shape.iter().enumerate() {
            // Voxels are rounded to the stored type, the differences are of what they are rounded from.
            let expected = difference(value, *voxel, a, length);
            let off = (sample.gradient[a] - expected).abs();
            assert!(off <= 1.0, "{} not {expected} at {voxel:?} along {a}", sample.gradient[a]);
            compared += 1;
        }
    }
    assert!(compared > 600, "{compared}");

    // Across the faces between cells: the field's own derivative jumps there, the smooth one does not.
    let beside: Vec<[f64; 3]> = (10..60)
        .flat_map(|x| [-1e-4, 1e-4].map(|off| [x as f64 + off, 35.3 + 0.01 * x as f64, 30.6]))
        .collect();
    let jump = |found: &[PointSample]| {
        let jumps = found.chunks_exact(2).map(|pair| (pair[0].gradient[0] - pair[1].gradient[0]).abs());
        jumps.fold(0.0, f64::max)
    };
    let mut own = vec![PointSample::default(); beside.len()];
    neural.values_and_gradients_at(&beside, Space::Index, Outside::Clamp, &mut own).unwrap();
    let smooth_ones = smooth(&beside);
    assert!(smooth_ones.iter().all(|s| s.valid));
    assert!(jump(&own) > 100.0 * jump(&smooth_ones), "{} and {}", jump(&own), jump(&smooth_ones));
    // By the world they are turned and scaled as the grid is; outside and without a point there is no gradient.
    let geometry = neural.info().geometry;
    let world: Vec<[f64; 3]> = beside.iter().map(|i| geometry.index_to_world(*i)).collect();
    let mut by_world = vec![PointSample::default(); world.len()];
    neural.values_and_smooth_gradients_at(&world, Space::World, Outside::Clamp, &mut by_world).unwrap();
    let map = geometry.world_to_index().unwrap();
    for (found, expected) in by_world.iter().zip(&smooth_ones) {
        let expected = map.gradient(expected.gradient);
        assert!((0..3).all(|a| (found.gradient[a] - expected[a]).abs() < 1e-5 * (1.0 + expected[a].abs())));
    }
    let none = smooth(&[[-2.0, 35.0, 30.0], [f64::NAN, 1.0, 1.0]]);
    assert!(none.iter().all(|s| !s.valid && s.gradient == [0.0; 3]));
}

#[test]
fn validity_follows_grid_and_mask() {
    let neural = opened();
    let points = [[100.0, 35.0, 30.2], [2.0, 3.0, 4.4], [-2.0, 35.0, 30.0], [f64::NAN, 1.0, 1.0]];
    let mut found = [PointSample::default(); 4];
    neural.values_and_gradients_at(&points, Space::Index, Outside::Value(7.0), &mut found).unwrap();
    assert_eq!(found.map(|s| s.valid), [true, false, false, false]);
    assert!(found[0].gradient != [0.0; 3]);
    assert_eq!([found[1].value, found[2].value], [f64::from(FILL), 7.0]);
    assert!(found[3].value.is_nan());
    assert!(found[1..].iter().all(|s| s.gradient == [0.0; 3]));
    // A face's point in float32, as a viewer's filters have it, is on the face.
    let geometry = neural.info().geometry;
    let on_faces = [[149.0, 35.0, 30.0], [100.0, 69.0, 30.0], [100.0, 35.0, 67.0]];
    let rounded = on_faces.map(|i| geometry.index_to_world(i).map(|c| f64::from(c as f32)));
    let mut rim = [PointSample::default(); 3];
    neural.probe(&rounded, Space::World, Outside::Value(f64::NAN), &mut rim).unwrap();
    assert!(rim.iter().all(|s| s.valid && s.value.is_finite()), "{rim:?}");
    neural.probe(&points, Space::Index, Outside::Clamp, &mut found).unwrap();
    assert!(!found[2].valid && found[2].value != 7.0, "clamped, but still outside");
}
