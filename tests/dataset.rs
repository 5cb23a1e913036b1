//! Files of several arrays, components and time steps.

use neuvol::engine::cpu::Cpu;
use neuvol::train::{CompressOptions, DatasetWriter, Preset, Target, compress, compress_components};
use neuvol::volume::Samples;
use neuvol::{ArrayInfo, Error, NeuralDataset, NeuralVolume, Region, Volume};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

const SHAPE: [usize; 3] = [70, 20, 9];

fn at(i: usize) -> [f64; 3] {
    [i % SHAPE[0], i / SHAPE[0] % SHAPE[1], i / (SHAPE[0] * SHAPE[1])].map(|n| n as f64)
}

fn array(name: &str, components: &[&str]) -> ArrayInfo {
    ArrayInfo { name: name.into(), components: components.iter().map(|&name| name.into()).collect() }
}

/// A wave that moves with the time step, other for each component.
fn wave(component: usize, step: usize) -> Volume {
    let value = |i: usize| {
        let [x, y, z] = at(i);
        ((0.1 * x + step as f64).sin() * (0.2 * y).cos() + 0.1 * z * component as f64) as f32
    };
    let mut volume =
        Volume::new((0..SHAPE.iter().product()).map(value).collect::<Vec<f32>>(), SHAPE).unwrap();
    volume.geometry.spacing = [0.5, 1.0, 2.0];
    volume
}

/// Red, green and blue of a picture with noise that all have, and ends of the range.
fn colour(component: usize) -> Volume {
    let value = |i: usize| {
        let [x, y, _] = at(i);
        let noise = (i as u32).wrapping_mul(2_654_435_769) >> 26;
        let level = (120.0 + 60.0 * (0.1 * x).sin() * (0.2 * y).cos()) as u32;
        match i {
            7 => [0, 255, 3][component],
            8 => [255, 0, 128][component],
            _ => (level + noise + 7 * component as u32) as u8,
        }
    };
    Volume::new((0..SHAPE.iter().product()).map(value).collect::<Vec<u8>>(), SHAPE).unwrap()
}

fn options(target: Target) -> CompressOptions {
    CompressOptions { target, preset: Preset::Fast, threads: 2, ..Default::default() }
}

fn whole(volume: &NeuralVolume) -> Volume {
    volume.read_region(Region::whole(volume.info().shape), 1).unwrap()
}

fn scene(path: &Path) {
    let arrays = vec![array("speed", &["u", "v"]), array("height", &[""])];
    DatasetWriter::save(path, arrays, 3, Some(vec![0.0, 0.25, 1.0]), |writer| {
        for step in 0..3 {
            for component in 0..3 {
                let target = Target::Psnr(if component == 2 { 50.0 } else { 40.0 });
                writer.add(&compress(&wave(component, step), &options(target))?)?;
            }
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn every_array_component_and_time_step_comes_back_with_its_own_quality() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scene.nvol");
    scene(&path);
    let file = NeuralDataset::open(&path).unwrap();
    assert_eq!(file.arrays(), [array("speed", &["u", "v"]), array("height", &[""])]);
    assert_eq!((file.steps(), file.times()), (3, Some(&[0.0, 0.25, 1.0][..])));
    for step in 0..3 {
        for (n, (array, component)) in [(0, 0), (0, 1), (1, 0)].into_iter().enumerate() {
            let neural = file.volume(array, component, step).unwrap();
            let least = if n == 2 { 50.0 } else { 40.0 };
            assert!(neural.info().psnr() >= least, "{n} {step}: {}", neural.info().psnr());
            let (decoded, original) = (whole(&neural), wave(n, step));
            let squares: f64 = (0..original.len())
                .map(|i| (decoded.samples().get(i) - original.samples().get(i)).powi(2))
                .sum();
            let rmse = (squares / original.len() as f64).sqrt();
            assert!((rmse / neural.info().achieved.rmse - 1.0).abs() < 1e-6, "{rmse}");
            assert_eq!(decoded.geometry, original.geometry);
            // The waves have another name.
            assert_eq!(neural.info().name, ["speed", "height"][array]);
            assert_eq!(neural.verify().unwrap().damaged, []);
        }
    }
    // Every volume's bytes, and an index.
    let volumes: u64 = (0..9).map(|n| file.volume(n % 3 / 2, n % 3 % 2, n / 3).unwrap().file_bytes()).sum();
    assert!(file.file_bytes() - volumes < 300, "{} and {volumes}", file.file_bytes());
}

#[test]
fn one_of_several_is_chosen_by_name_and_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scene.nvol");
    scene(&path);
    let open = |array: Option<&str>, component, time_step| {
        let options = neuvol::sample::OpenOptions {
            array: array.map(str::to_owned),
            component,
            time_step,
            ..Default::default()
        };
        NeuralVolume::open_with(&path, options)
    };
    let chosen = whole(&open(Some("speed"), Some(1), Some(2)).unwrap());
    assert_eq!(chosen, whole(&NeuralDataset::open(&path).unwrap().volume(0, 1, 2).unwrap()));
    assert!(open(Some("height"), None, Some(0)).is_ok());
    for (array, component, step, expected) in [
        (None, None, None, "it holds the arrays 'speed', 'height'; choose one with `array`"),
        (Some("p"), None, None, "there is no array 'p'; it holds 'speed', 'height'"),
        (
            Some("speed"),
            None,
            Some(0),
            "array 'speed' has the components 0 (u), 1 (v); choose one with `component`",
        ),
        (Some("speed"), Some(2), Some(0), "array 'speed' has no component 2; it has 0 (u), 1 (v)"),
        (Some("height"), None, None, "it holds 3 time steps; choose one with `time_step` 0 to 2"),
        (Some("height"), None, Some(3), "there is no time step 3; it holds 0 to 2"),
    ] {
        let error = open(array, component, step).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Options(_)) && error.to_string().contains(expected), "{error}");
    }
    // A file of one volume has one of each.
    let single = folder.path().join("one.nvol");
    compress(&wave(0, 0), &options(Target::Psnr(30.0))).unwrap().save(&single).unwrap();
    let file = NeuralDataset::open(&single).unwrap();
    assert_eq!((file.arrays().len(), file.steps(), file.times()), (1, 1, None));
    assert_eq!(whole(&file.volume(0, 0, 0).unwrap()), whole(&NeuralVolume::open(&single).unwrap()));
    assert!(file.volume(0, 1, 0).is_err() && file.volume(1, 0, 0).is_err() && file.volume(0, 0, 1).is_err());
    // What is not in it is not chosen from it either.
    let with = |component, time_step| {
        let options = neuvol::sample::OpenOptions { component, time_step, ..Default::default() };
        NeuralVolume::open_with(&single, options).map(|neural| whole(&neural)).map_err(|e| e.to_string())
    };
    assert_eq!(with(Some(0), Some(0)).unwrap(), whole(&NeuralVolume::open(&single).unwrap()));
    assert!(with(Some(1), None).unwrap_err().contains("no component 1"));
    assert!(with(None, Some(1)).unwrap_err().contains("no time step 1"));
}

#[test]
fn exact_colours_are_differences_where_that_is_smaller() {
    let engine: Arc<dyn neuvol::engine::TrainingEngine> = Arc::new(Cpu::new(2).unwrap());
    let colours: Vec<Volume> = (0..3).map(colour).collect();
    let alone: usize =
        colours.iter().map(|c| compress(c, &options(Target::Lossless)).unwrap().bytes.len()).sum();
    let go_on = |_: &_| ControlFlow::Continue(());
    let together = compress_components(&engine, &colours, &options(Target::Lossless), go_on).unwrap();
    let bytes: usize = together.iter().map(|c| c.bytes.len()).sum();
    assert!(2 * bytes < alone, "{bytes} of {alone}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("colour.nvol");
    DatasetWriter::save(&path, vec![array("colour", &["R", "G", "B"])], 1, None, |writer| {
        together.iter().try_for_each(|component| writer.add(component))
    })
    .unwrap();
    let file = NeuralDataset::open(&path).unwrap();
    for (component, original) in colours.iter().enumerate() {
        let neural = file.volume(0, component, 0).unwrap();
        assert_eq!(whole(&neural).samples(), original.samples(), "{component}");
        assert_eq!(neural.info().range, original.range());
        let mut out = [neuvol::sample::PointSample::default()];
        neural
            .probe(&[[7.0, 0.0, 0.0]], neuvol::sample::Space::Index, neuvol::sample::Outside::Clamp, &mut out)
            .unwrap();
        assert_eq!(out[0].value, original.samples().get(7), "{component}");
    }
    // What depends on another component is not read without it.
    let error =
        NeuralVolume::from_bytes(&together[0].bytes, "red", Arc::new(Cpu::new(1).unwrap())).map(|_| ());
    assert!(error.unwrap_err().to_string().contains("differences to another component"));
}

#[test]
fn differences_wrap_in_every_type_of_integers() {
    let engine: Arc<dyn neuvol::engine::TrainingEngine> = Arc::new(Cpu::new(2).unwrap());
    let base: Vec<i64> = (0..4096).map(|i| i64::from((i as u32).wrapping_mul(2_654_435_769))).collect();
    let of = |sample_type: neuvol::volume::SampleType, add: i64| {
        let mut samples = Samples::zeros(sample_type, base.len());
        let (low, high) = sample_type.limits();
        let span = (high - low) as i64 + 1;
        for (i, value) in base.iter().enumerate() {
            samples.set(i, ((value + add).rem_euclid(span) + low as i64) as f64);
        }
        Volume::new(samples, [16, 16, 16]).unwrap()
    };
    for sample_type in neuvol::volume::SampleType::ALL.into_iter().filter(|t| t.is_integer()) {
        let volumes = [of(sample_type, 0), of(sample_type, 3)];
        let found =
            compress_components(&engine, &volumes, &options(Target::Lossless), |_| ControlFlow::Continue(()));
        let found = found.unwrap();
        assert!(10 * found[1].bytes.len() < found[0].bytes.len(), "{sample_type}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pair.nvol");
        DatasetWriter::save(&path, vec![array("pair", &["", ""])], 1, None, |writer| {
            found.iter().try_for_each(|component| writer.add(component))
        })
        .unwrap();
        let file = NeuralDataset::open(&path).unwrap();
        for (component, volume) in volumes.iter().enumerate() {
            let decoded = whole(&file.volume(0, component, 0).unwrap());
            assert_eq!(decoded.samples(), volume.samples(), "{sample_type} {component}");
        }
    }
}

#[test]
fn a_file_that_is_not_complete_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nvol");
    let one = compress(&wave(0, 0), &options(Target::Psnr(30.0))).unwrap();
    for count in [0, 1, 3] {
        let result = DatasetWriter::save(&path, vec![array("a", &["", ""])], 1, None, |writer| {
            (0..count).try_for_each(|_| writer.add(&one))
        });
        assert!(matches!(result, Err(Error::Options(_))), "{count}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
