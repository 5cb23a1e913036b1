//! Rendered pictures against closed forms, and against each other.

use neuvol::render::{
    Boxes, Camera, Image, Mode, Projection, Rendered, Renderer, Scene, Shading, TransferFunction, View,
};
use neuvol::sample::{LevelOfDetail, Region};
use neuvol::train::{Architecture, CompressOptions, Preset, Representation, Target, compress};
use neuvol::volume::VolumeHeader;
use neuvol::{NeuralVolume, Volume};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A volume of a function of the voxel.
fn volume(shape: [usize; 3], value: impl Fn([f64; 3]) -> f32) -> Volume {
    let [nx, ny, _] = shape;
    let at = |i: usize| [i % nx, i / nx % ny, i / nx / ny].map(|n| n as f64);
    Volume::new((0..shape.iter().product()).map(|i| value(at(i))).collect::<Vec<f32>>(), shape).unwrap()
}

/// White, with these opacities.
fn white(opacities: Vec<(f64, f32)>) -> TransferFunction {
    TransferFunction::new(vec![(0.0, [1.0; 3])], opacities).unwrap()
}

/// As it is without light.
fn scene(transfer: TransferFunction) -> Scene {
    Scene { shading: None, unit_distance: Some(1.0), ..Scene::new(transfer) }
}

/// A camera without perspective that looks along a direction.
fn parallel(renderer: &Renderer, direction: [f64; 3], size: [usize; 2]) -> View {
    let bounds = renderer.bounds();
    let camera = Camera {
        position: std::array::from_fn(|a| bounds.centre[a] - 3.0 * bounds.radius * direction[a]),
        focal_point: bounds.centre,
        view_up: if direction[2].abs() > 0.9 { [0.0, 1.0, 0.0] } else { [0.0, 0.0, 1.0] },
        projection: Projection::Parallel { scale: bounds.radius },
    };
    camera.view(&bounds, size).unwrap()
}

fn render(renderer: &Renderer, view: &View, scene: &Scene) -> Image {
    renderer.render(view, scene, None, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The alpha in the middle of a picture of odd size.
fn middle(image: &Image) -> f64 {
    let [width, height] = image.size;
    f64::from(image.rgba[width / 2 + width * (height / 2)][3])
}

#[test]
fn a_constant_field_is_as_opaque_as_its_depth_at_any_angle_step_and_spacing() {
    // One voxel differs in a corner, so that there is a range.
    let value = |[x, y, z]: [f64; 3]| if x + y + z == 0.0 { 1.0 } else { 0.5 };
    let function = white(vec![(0.0, 0.02), (1.0, 0.02)]);
    for spacing in [1.0, 1e-6, 1e6, 1e24] {
        let mut constant = volume([41, 41, 41], value);
        constant.geometry.spacing = [spacing; 3];
        let renderer = Renderer::new(Arc::new(constant));
        for (direction, depth) in [
            ([0.0, 1.0, 0.0], 40.0),
            ([FRAC_1_SQRT_2, FRAC_1_SQRT_2, 0.0], 40.0 * SQRT_2),
            ([3f64.sqrt().recip(); 3], 40.0 * 3f64.sqrt()),
        ] {
            for step in [0.3, 1.0, 3.7] {
                let scene = Scene {
                    step: Some(step * spacing),
                    unit_distance: Some(spacing),
                    ..scene(function.clone())
                };
                let shaded = Scene { shading: Some(Shading::default()), ..scene.clone() };
                let view = parallel(&renderer, direction, [33, 33]);
                let colour = render(&renderer, &view, &shaded).rgba[16 + 33 * 16];
                assert!((colour[0] - colour[3]).abs() < 1e-5, "no slope, no side: {colour:?}");
                let alpha = middle(&render(&renderer, &parallel(&renderer, direction, [33, 33]), &scene));
                let expected = 1.0 - 0.98f64.powf(depth);
                assert!(
                    (alpha - expected).abs() < 2e-5,
                    "{spacing} {direction:?} {step}: {alpha} {expected}"
                );
            }
        }
    }
}

#[test]
fn a_ramp_absorbs_as_its_integral_and_halved_steps_come_closer() {
    // Opacity along the ray: sigma from 0 to s over the depth d, whose integral is s d / 2.
    let renderer = Renderer::new(Arc::new(volume([65, 9, 9], |[x, ..]| x as f32)));
    let steep = 0.05f64;
    let opacities =
        (0..=64).map(|n| (f64::from(n), (1.0 - (-steep * f64::from(n) / 64.0).exp()) as f32)).collect();
    let view = parallel(&renderer, [1.0, 0.0, 0.0], [9, 9]);
    let ramp = scene(white(opacities));
    let expected = 1.0 - (-steep * 64.0 / 2.0).exp();
    let found = middle(&render(&renderer, &view, &ramp));
    assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    // A table that is a narrow peak: stretches are integrated beforehand, so that no step misses it.
    let peak = white(vec![(20.0, 0.0), (20.2, 0.9), (20.4, 0.0)]);
    let of_step =
        |step| middle(&render(&renderer, &view, &Scene { step: Some(step), ..scene(peak.clone()) }));
    let fine = of_step(0.05);
    assert!(fine > 0.1);
    for step in [0.25, 1.0, 2.0] {
        assert!((of_step(step) - fine).abs() < 2e-3, "{step}: {} {fine}", of_step(step));
    }
    // Colours are a sum within a step, which is of first order: half the step, half the error.
    let colours =
        TransferFunction::new(vec![(0.0, [0.0; 3]), (64.0, [1.0; 3])], vec![(0.0, 0.3), (64.0, 0.3)])
            .unwrap();
    let red = |step: f64| {
        let image = render(&renderer, &view, &Scene { step: Some(step), ..scene(colours.clone()) });
        f64::from(image.rgba[4 + 9 * 4][0])
    };
    let (exact, errors) = (red(0.03125), [2.0, 1.0, 0.5].map(red));
    let [coarse, half, quarter] = errors.map(|found| (found - exact).abs());
    assert!(half < 0.65 * coarse && quarter < 0.65 * half, "{coarse} {half} {quarter}");
}

#[test]
fn a_ball_is_as_opaque_as_its_chords() {
    let radius = 20.0;
    let centre = 32.0;
    // The distance from its surface, so that the surface is where the field says.
    let inside = |[x, y, z]: [f64; 3]| {
        radius - ((x - centre).powi(2) + (y - centre).powi(2) + (z - centre).powi(2)).sqrt()
    };
    let renderer = Renderer::new(Arc::new(volume([65; 3], |at| inside(at) as f32)));
    let ball = white(vec![(0.0, 0.0), (0.0, 0.03)]);
    let size = [65, 65];
    let view = parallel(&renderer, [0.0, 1.0, 0.0], size);
    let image = render(&renderer, &view, &Scene { step: Some(0.5), ..scene(ball) });
    let bounds = renderer.bounds();
    let pixel = 2.0 * bounds.radius / 65.0;
    for column in [32, 36, 40] {
        let off = (column as f64 - 32.0) * pixel;
        let chord = if off < radius { 2.0 * (radius * radius - off * off).sqrt() } else { 0.0 };
        let expected = 1.0 - 0.97f64.powf(chord);
        let found = f64::from(image.rgba[column + 65 * 32][3]);
        assert!((found - expected).abs() < 0.01, "{column}: {found} {expected}");
    }
    // Its surface: where it is, and how it is lit.
    let surface = Scene {
        mode: Mode::Isosurface(0.0),
        shading: Some(Shading::default()),
        ..scene(white(vec![(0.0, 1.0)]))
    };
    let image = render(&renderer, &view, &surface);
    let near = 3.0 * bounds.radius - 1.01 * bounds.radius;
    let depth = (3.0 * bounds.radius - radius - near) / (2.02 * bounds.radius);
    let middle = 32 + 65 * 32;
    assert!((f64::from(image.depth[middle]) - depth).abs() < 2e-4, "{} {depth}", image.depth[middle]);
    assert_eq!(image.rgba[middle], [1.0; 4], "facing the lamp");
    let aside = image.rgba[40 + 65 * 32][0];
    let facing = (1.0 - (8.0 * pixel / radius).powi(2)).sqrt() as f32;
    assert!((aside - (0.1 + 0.7 * facing + 0.2 * facing.powi(10))).abs() < 0.02, "{aside}");
    assert_eq!(image.rgba[0], [0.0; 4]);
    assert_eq!(image.depth[0], 1.0);
}

/// What has structure everywhere, with masked voxels where asked for.
fn structured(shape: [usize; 3], masked: bool) -> Volume {
    let mut made = volume(shape, |[x, y, z]| {
        if masked && (x - 30.0).abs() + (y - 20.0).abs() < 9.0 {
            return f32::NAN;
        }
        ((0.21 * x).sin() * (0.17 * y + 0.3).cos() * (0.13 * z).sin() + 0.002 * x) as f32
    });
    made.geometry.spacing = [1.0, 0.8, 1.7];
    made
}

fn compressed(volume: &Volume, target: Target, representation: Representation) -> Arc<NeuralVolume> {
    let mut options = CompressOptions { target, preset: Preset::Fast, ..CompressOptions::default() };
    // A bound on errors chooses what the file holds.
    if let Target::Psnr(_) = target {
        options.representation = representation;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.nvol");
    compress(volume, &options).unwrap().save(&file).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    Arc::new(NeuralVolume::from_bytes(&bytes, &file, neuvol::sample::OpenOptions::default()).unwrap())
}

fn table() -> TransferFunction {
    let colours = vec![(-0.5, [0.1, 0.2, 0.9]), (0.0, [0.9, 0.3, 0.1]), (0.9, [1.0; 3])];
    TransferFunction::new(colours, vec![(0.15, 0.0), (0.4, 0.1), (0.8, 0.7)]).unwrap()
}

#[test]
fn blocks_threads_and_caches_change_no_bit() {
    for (masked, target) in
        [(false, Target::Psnr(45.0)), (true, Target::Psnr(45.0)), (true, Target::Lossless)]
    {
        let opened = compressed(&structured([90, 70, 40], masked), target, Representation::LatentGrid);
        let with_edge = |edge| Renderer::new(opened.clone()).with_block_edge(edge);
        let (large, small) = (with_edge(64), with_edge(24).with_cache(0));
        let bounds = large.bounds();
        for (azimuth, elevation) in [(30.0, 20.0), (200.0, -50.0)] {
            let view = Camera::around(&bounds, azimuth, elevation, 1.0).view(&bounds, [70, 70]).unwrap();
            for mode in [Mode::Composite, Mode::MaximumIntensity, Mode::Isosurface(0.3)] {
                for (level, step) in [(0, None), (1, None), (0, Some(1.52))] {
                    let scene = Scene { mode, level, step, ..Scene::new(table()) };
                    let one = render(&large, &view, &scene);
                    let other = render(&small, &view, &scene);
                    assert_eq!(
                        (&one.rgba, &one.depth),
                        (&other.rgba, &other.depth),
                        "{masked} {mode:?} {level}"
                    );
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
                    let alone = pool.install(|| render(&small, &view, &scene));
                    assert_eq!(alone.rgba, one.rgba);
                    // From the cache.
                    let again = render(&large, &view, &scene);
                    assert_eq!(again.rgba, one.rgba);
                    assert_eq!(again.statistics.decoded, 0);
                    assert!(one.rgba.iter().any(|pixel| pixel[3] > 0.3));
                }
            }
        }
    }
}

/// A file as if it did not say what is in its cells.
struct WithoutRanges(Arc<NeuralVolume>);

impl Rendered for WithoutRanges {
    fn header(&self) -> VolumeHeader {
        self.0.header()
    }
    fn range(&self) -> Option<(f64, f64)> {
        self.0.range()
    }
    fn levels(&self) -> Vec<LevelOfDetail> {
        Rendered::levels(self.0.as_ref())
    }
    fn boxes(&self, level: usize, boxes: &[Region]) -> neuvol::Result<Boxes> {
        self.0.boxes(level, boxes)
    }
    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        self.0.run(work);
    }
}

#[test]
fn what_a_file_says_of_its_cells_changes_no_bit_but_what_is_decoded() {
    // Some balls in noise, one of them half masked, and a wall that is masked.
    let balls = [([20.0, 30.0, 25.0], 9.0), ([90.0, 80.0, 60.0], 14.0), ([110.0, 20.0, 70.0], 6.0)];
    let noise = |i: f64| 0.05 * (i * 12.9898).sin() * (i * 78.233).cos();
    let value = |at: [f64; 3]| {
        let depth = |(middle, radius): &([f64; 3], f64)| {
            radius - (0..3).map(|a| (at[a] - middle[a]).powi(2)).sum::<f64>().sqrt()
        };
        let deepest = balls.iter().map(depth).fold(f64::NEG_INFINITY, f64::max);
        match (at[0] - 90.0).abs() < 3.0 && at[1] > 75.0 || (at[2] - 48.0).abs() < 4.5 {
            true => f32::NAN,
            false => (noise(at[0] + 130.0 * (at[1] + 100.0 * at[2])) + deepest.clamp(0.0, 4.0) / 4.0) as f32,
        }
    };
    let narrow = white(vec![(0.45, 0.0), (0.5, 0.4), (0.55, 0.0)]);
    let opaque = white(vec![(0.3, 0.0), (0.31, 0.9)]);
    let all = white(vec![(-0.1, 0.01), (1.0, 0.5)]);
    for (target, representation) in [
        (Target::Lossless, Representation::LatentGrid),
        (Target::MaxError(0.01), Representation::LatentGrid),
        (Target::Psnr(60.0), Representation::LatentGrid),
    ] {
        let opened = compressed(&volume([130, 100, 90], value), target, representation);
        assert!(opened.range_cells().is_some_and(|edge| edge <= 32), "{:?}", opened.range_cells());
        let with_edge = |edge| Renderer::new(opened.clone()).with_block_edge(edge);
        // Blocks that the file's cells fill, and some that cut them; functions one after the other, so that blocks get more cells.
        for renderer in [with_edge(64), with_edge(24)] {
            let blind = Renderer::new(Arc::new(WithoutRanges(opened.clone())));
            let view = Camera::around(&renderer.bounds(), 40.0, 25.0, 1.0);
            let view = view.view(&renderer.bounds(), [40, 40]).unwrap();
            for (n, transfer) in [&opaque, &narrow, &all, &opaque].into_iter().enumerate() {
                for (mode, step) in [
                    (Mode::Composite, None),
                    (Mode::Composite, Some(3.9)),
                    (Mode::Isosurface(0.5), None),
                    (Mode::MaximumIntensity, None),
                ] {
                    let scene = Scene { mode, step, ..Scene::new(transfer.clone()) };
                    let (with, without) = (render(&renderer, &view, &scene), render(&blind, &view, &scene));
                    assert_eq!(
                        (&with.rgba, &with.depth),
                        (&without.rgba, &without.depth),
                        "{target:?}, function {n}, {mode:?}, step {step:?}"
                    );
                    assert!(with.rgba.iter().any(|pixel| pixel[3] > 0.3));
                    if n == 0 && mode == Mode::Composite && step.is_none() {
                        let [few, more] = [with, without].map(|image| image.statistics.samples);
                        assert!(2 * few < more, "{few} of {more} samples were decoded");
                    }
                }
            }
        }
    }
}

#[test]
fn every_kind_of_file_looks_like_its_volume() {
    let original = structured([48, 40, 30], true);
    let reference = Renderer::new(Arc::new(original.clone()));
    let bounds = reference.bounds();
    let view = Camera::around(&bounds, 40.0, 25.0, 1.0).view(&bounds, [64, 64]).unwrap();
    let scene = Scene::new(table());
    let expected = render(&reference, &view, &scene);
    let kinds = [
        (Target::Lossless, Representation::LatentGrid, 1e-3),
        (Target::MaxError(0.002), Representation::LatentGrid, 0.02),
        (Target::Psnr(50.0), Representation::LatentGrid, 0.06),
        (Target::Psnr(26.0), Representation::Network(Architecture::default()), 0.5),
        (Target::Psnr(26.0), Representation::Network(Default::default()), 0.5),
    ];
    for (target, representation, tolerance) in kinds {
        let what = format!("{target:?}");
        let opened = compressed(&original, target, representation);
        let found = render(&Renderer::new(opened), &view, &scene);
        let worst = found
            .rgba
            .iter()
            .zip(&expected.rgba)
            .flat_map(|(a, b)| [0, 1, 2, 3].map(|c| (a[c] - b[c]).abs()));
        let sorted = {
            let mut all: Vec<f32> = worst.collect();
            all.sort_by(f32::total_cmp);
            all
        };
        // A few pixels graze the mask's edge.
        let most = sorted[sorted.len() * 99 / 100];
        assert!(most < tolerance, "{what}: {most}");
    }
}

#[test]
fn halves_are_the_whole_and_a_plane_ends_rays() {
    let renderer = Renderer::new(Arc::new(structured([64, 40, 40], false)));
    let bounds = renderer.bounds();
    let view = parallel(&renderer, [0.0, 1.0, 0.0], [41, 41]);
    let whole = render(&renderer, &view, &scene(table()));
    let [low, high] = [[-1.0; 3], [100.0; 3]];
    // The front half over the back half, cut where no sample is.
    let cut = 17.3;
    let part = |from: f64, to: f64| {
        let clip_box = Some([[low[0], from, low[2]], [high[0], to, high[2]]]);
        render(&renderer, &view, &Scene { clip_box, ..scene(table()) })
    };
    let (front, back) = (part(low[1], cut), part(cut, high[1]));
    for n in 0..whole.rgba.len() {
        for c in 0..4 {
            let over = front.rgba[n][c] + (1.0 - front.rgba[n][3]) * back.rgba[n][c];
            assert!((over - whole.rgba[n][c]).abs() < 6e-3, "pixel {n}: {over} {}", whole.rgba[n][c]);
        }
    }
    // A depth image at the cut, and a clip plane, show the same as the front half.
    let spacing = renderer.source().header().geometry.spacing;
    let distance = cut * spacing[1] - (bounds.centre[1] - 1.01 * bounds.radius);
    let depth = vec![(distance / (2.02 * bounds.radius)) as f32; 41 * 41];
    let by_depth =
        renderer.render(&view, &scene(table()), Some(&depth), &mut |_| ControlFlow::Continue(())).unwrap();
    let plane = Scene { clip_planes: vec![[0.0, -1.0, 0.0, cut * spacing[1]]], ..scene(table()) };
    let by_plane = render(&renderer, &view, &plane);
    for n in 0..front.rgba.len() {
        for c in 0..4 {
            assert!((by_depth.rgba[n][c] - front.rgba[n][c]).abs() < 1e-3);
            assert!((by_plane.rgba[n][c] - front.rgba[n][c]).abs() < 1e-4);
        }
    }
    assert!(
        renderer
            .render(&view, &scene(table()), Some(&depth[1..]), &mut |_| ControlFlow::Continue(()))
            .is_err()
    );
}

#[test]
fn mirrored_and_sheared_grids_show_the_same_world() {
    // A ball of the world, on grids whose axes run otherwise.
    let ball = |[x, y, z]: [f64; 3]| (12.0 - (x * x + y * y + z * z).sqrt()) as f32;
    let directions = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.6, 0.8]],
    ];
    let surface = Scene { mode: Mode::Isosurface(0.0), ..Scene::new(white(vec![(0.0, 1.0)])) };
    let mut pictures = Vec::new();
    for columns in directions {
        let direction = std::array::from_fn(|row| std::array::from_fn(|a| columns[a][row]));
        let mut geometry = neuvol::volume::Geometry { direction, ..Default::default() };
        let centre = geometry.index_to_world([20.0; 3]);
        geometry.origin = centre.map(|x| -x);
        let mut made = volume([41; 3], |at| ball(geometry.index_to_world(at)));
        made.geometry = geometry;
        let renderer = Renderer::new(Arc::new(made));
        let camera = Camera {
            position: [40.0, -60.0, 30.0],
            focal_point: [0.0; 3],
            view_up: [0.0, 0.0, 1.0],
            projection: Projection::Perspective { view_angle: 30.0 },
        };
        let bounds = renderer.bounds();
        pictures.push(render(&renderer, &camera.view(&bounds, [65, 65]).unwrap(), &surface));
    }
    for picture in &pictures {
        let area = picture.rgba.iter().filter(|pixel| pixel[3] > 0.5).count();
        assert!(area > 500);
        let differing =
            picture.rgba.iter().zip(&pictures[0].rgba).filter(|(a, b)| (a[0] - b[0]).abs() > 0.03);
        assert!(differing.count() * 50 < area, "two in a hundred of the ball's pixels at most");
    }
}

#[test]
fn cameras_inside_slices_and_what_is_not_there() {
    let renderer = Renderer::new(Arc::new(structured([60, 60, 60], false)));
    let bounds = renderer.bounds();
    let inside = Camera {
        position: bounds.centre,
        focal_point: [bounds.centre[0] + 1.0, bounds.centre[1], bounds.centre[2]],
        view_up: [0.0, 0.0, 1.0],
        projection: Projection::Perspective { view_angle: 80.0 },
    };
    let view = inside.view(&bounds, [40, 40]).unwrap();
    let small = Renderer::new(Arc::new(structured([60, 60, 60], false))).with_block_edge(16);
    let one = render(&renderer, &view, &Scene::new(table()));
    assert!(one.rgba.iter().filter(|pixel| pixel[3] > 0.1).count() > 400);
    assert_eq!(render(&small, &view, &Scene::new(table())).rgba, one.rgba);
    // A slice is a voxel thick.
    let slice = Renderer::new(Arc::new(volume([30, 30, 1], |[x, ..]| x as f32)));
    let found = middle(&render(
        &slice,
        &parallel(&slice, [0.0, 0.0, 1.0], [21, 21]),
        &scene(white(vec![(0.0, 0.5)])),
    ));
    assert!((found - 0.5).abs() < 1e-5, "{found}");
    // Values of two kinds, a constant volume, one that is masked whole.
    let two = Renderer::new(Arc::new(volume([20; 3], |[x, ..]| f32::from(u8::from(x > 9.0)))));
    let label = scene(white(vec![(0.5, 0.0), (0.5, 1.0)]));
    assert!(middle(&render(&two, &parallel(&two, [0.0, 1.0, 0.0], [21, 21]), &label)) > 0.99);
    let constant = Renderer::new(Arc::new(volume([9; 3], |_| 7.0)));
    let view = parallel(&constant, [0.0, 1.0, 0.0], [5, 5]);
    let found = middle(&render(&constant, &view, &scene(white(vec![(7.0, 0.1)]))));
    assert!((found - (1.0 - 0.9f64.powi(8))).abs() < 1e-5, "{found}");
    let nothing = Renderer::new(Arc::new(volume([9; 3], |_| f32::NAN)));
    assert!(
        render(&nothing, &view, &nothing.default_scene().unwrap())
            .rgba
            .iter()
            .all(|pixel| *pixel == [0.0; 4])
    );
}

#[test]
fn maximum_intensity_shows_the_largest_value_of_a_ray() {
    let renderer = Renderer::new(Arc::new(volume([31; 3], |[x, y, z]| {
        if [x, y, z] == [15.0, 7.0, 15.0] { 10.0 } else { (x / 30.0) as f32 }
    })));
    let scene =
        Scene { mode: Mode::MaximumIntensity, step: Some(0.25), ..scene(TransferFunction::grey(0.0, 10.0)) };
    let image = render(&renderer, &parallel(&renderer, [0.0, 1.0, 0.0], [51, 51]), &scene);
    let brightest = image.rgba.iter().fold(0f32, |most, pixel| most.max(pixel[3]));
    assert!(brightest > 0.6, "the one bright voxel, {brightest}");
}

#[test]
fn a_picture_that_is_interrupted_and_options_that_make_none() {
    let renderer = Renderer::new(Arc::new(structured([20; 3], false)));
    let view = parallel(&renderer, [0.0, 1.0, 0.0], [16, 16]);
    let stopped = renderer.render(&view, &Scene::new(table()), None, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(neuvol::Error::Interrupted)));
    for bad in [
        Scene { level: 9, ..Scene::new(table()) },
        Scene { step: Some(0.0), ..Scene::new(table()) },
        Scene { step: Some(100.0), ..Scene::new(table()) },
        Scene { step: Some(1e-9), ..Scene::new(table()) },
        Scene { unit_distance: Some(-1.0), ..Scene::new(table()) },
    ] {
        let refused = renderer.render(&view, &bad, None, &mut |_| ControlFlow::Continue(()));
        assert!(matches!(refused, Err(neuvol::Error::Options(_))));
    }
}

#[test]
fn parts_make_the_picture_of_the_whole() {
    let renderer = Renderer::new(Arc::new(structured([96, 50, 40], false))).with_block_edge(16);
    let bounds = renderer.bounds();
    let view = Camera::around(&bounds, 60.0, 20.0, 1.0).view(&bounds, [60, 60]).unwrap();
    let whole = render(&renderer, &view, &Scene::new(table()));
    for count in [1, 2, 3, 7] {
        let mut parts = renderer.parts(count);
        assert_eq!(parts.len(), count);
        let voxels: usize =
            parts.iter().map(|p| (0..3).map(|a| p.end[a] - p.start[a]).product::<usize>()).sum();
        assert_eq!(voxels, 96 * 50 * 40, "each voxel is in one part");
        // Front to back: no part is in front of and behind another one.
        let eye = [60f64.to_radians().sin(), -60f64.to_radians().cos(), 20f64.to_radians().tan()];
        parts.sort_by_key(|part| {
            (0..3)
                .map(|a| if eye[a] > 0.0 { 1000 - part.end[a] as i64 } else { part.start[a] as i64 })
                .sum::<i64>()
        });
        let mut sum = vec![[0f32; 4]; whole.rgba.len()];
        for part in parts {
            let image = render(&renderer, &view, &Scene { part: Some(part), ..Scene::new(table()) });
            for (sum, pixel) in sum.iter_mut().zip(image.rgba) {
                let light = 1.0 - sum[3];
                (0..4).for_each(|c| sum[c] += light * pixel[c]);
            }
        }
        let worst = sum.iter().zip(&whole.rgba).flat_map(|(a, b)| [0, 1, 2, 3].map(|c| (a[c] - b[c]).abs()));
        assert!(worst.fold(0.0, f32::max) < 6e-3, "{count} parts");
    }
}

#[test]
fn pictures_within_a_time_are_smaller_and_refined_ones_end_at_the_volume() {
    let opened =
        compressed(&structured([150, 140, 60], false), Target::Psnr(40.0), Representation::LatentGrid);
    let renderer = Renderer::new(opened);
    let bounds = renderer.bounds();
    let view = Camera::around(&bounds, 30.0, 20.0, 1.0).view(&bounds, [101, 99]).unwrap();
    let scene = Scene::new(table());
    let mut go_on = |_| ControlFlow::Continue(());
    let hurried = renderer.render_within(&view, &scene, None, std::time::Duration::ZERO, &mut go_on).unwrap();
    assert_eq!((hurried.size, hurried.level), ([26, 25], renderer.source().levels().len() - 1));
    let depth = vec![1.0; 101 * 99];
    let an_hour = std::time::Duration::from_secs(3600);
    let still = renderer.render_within(&view, &scene, Some(&depth), an_hour, &mut go_on).unwrap();
    assert_eq!((still.size, still.level), ([101, 99], 0));
    assert_eq!(still.rgba, render(&renderer, &view, &scene).rgba);
    let mut levels = Vec::new();
    let mut take = |image: Image| {
        levels.push(image.level);
        if image.level == 0 {
            assert_eq!(image.rgba, still.rgba);
        }
        ControlFlow::Continue(())
    };
    renderer.refine(&view, &scene, None, &mut take).unwrap();
    assert!(levels.len() > 1 && levels.is_sorted_by(|a, b| a > b) && levels.ends_with(&[0]), "{levels:?}");
}

#[test]
fn planes_and_curves_along_the_axes_are_slices() {
    use neuvol::render::reformation::{Curve, Plane, Projection};
    use neuvol::render::{Picture, Window};
    use neuvol::{Axis, Region};
    // As wide as a picture that is not enlarged.
    let original = volume([410, 402, 5], |[x, y, z]| ((x * 0.3 + y * 0.1).floor() + 7.0 * z) as f32);
    let opened = compressed(&original, Target::Lossless, Representation::LatentGrid);
    let window = Window { low: 0.0, high: 200.0 };
    let slice = |z| opened.read_region(Region::slice([410, 402, 5], Axis::Z, z), 1).unwrap();
    let plane = Plane {
        point: [3.0, 5.0, 2.0],
        normal: [0.0, 0.0, -2.0],
        thickness: 0.0,
        projection: Projection::Mean,
    };
    let found = plane.picture(&opened, 0, window).unwrap();
    assert!(found == Picture::of_slice(&slice(2), Axis::Z, window));
    // A slab from slice 1 to slice 3 is brightest in slice 3, and slice 2 in the mean.
    let slab =
        |projection| Plane { thickness: 2.0, projection, ..plane }.picture(&opened, 0, window).unwrap();
    assert!(slab(Projection::Maximum) == Picture::of_slice(&slice(3), Axis::Z, window));
    assert!(slab(Projection::Minimum) == Picture::of_slice(&slice(1), Axis::Z, window));
    assert!(slab(Projection::Mean) == found);
    // Along x, with -y up: the same slice, 401 rows of it.
    let points = vec![[0.0, 200.0, 2.0], [100.0, 200.0, 2.0], [409.0, 200.0, 2.0]];
    let curve = Curve { points, up: [0.0, -1.0, 0.0], height: 400.0 };
    let region = Region { start: [0, 0, 2], end: [410, 401, 3] };
    let expected = Picture::of_slice(&opened.read_region(region, 1).unwrap(), Axis::Z, window);
    assert!(curve.picture(&opened, 0, window).unwrap() == expected);
    for bad in [
        Plane { normal: [0.0; 3], ..plane },
        Plane { point: [0.0, 0.0, 99.0], ..plane },
        Plane { thickness: -1.0, ..plane },
    ] {
        assert!(matches!(bad.picture(&opened, 0, window), Err(neuvol::Error::Options(_))));
    }
    assert!(Curve { height: 0.0, ..curve.clone() }.picture(&opened, 0, window).is_err());
    assert!(curve.picture(&opened, 99, window).is_err());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("points.csv");
    std::fs::write(&file, "x;y;z\n1;2;3\n\n4, 5 6\n").unwrap();
    assert_eq!(Curve::points_of_file(&file).unwrap(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    std::fs::write(&file, "1,2,3\n4,x,6\n").unwrap();
    assert!(Curve::points_of_file(&file).unwrap_err().to_string().contains("line 2"));
}
