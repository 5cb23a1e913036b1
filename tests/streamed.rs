//! Volumes that are read box by box: every target, any number of threads, any memory, and what is left when something fails.

use neuvol::train::{
    CompressOptions, DatasetWriter, Preset, Quality, Stage, Target, compress, compress_source,
};
use neuvol::volume::{SampleType, Samples, Source, VolumeHeader};
use neuvol::{ArrayInfo, Error, NeuralDataset, NeuralVolume, Region, Result, Volume};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Three blocks along x, two along y.
const SHAPE: [usize; 3] = [300, 150, 40];
const MEMORY: u64 = 1 << 30;

fn value(i: usize) -> f64 {
    let [x, y, z] = [i % SHAPE[0], i / SHAPE[0] % SHAPE[1], i / (SHAPE[0] * SHAPE[1])].map(|n| n as f64);
    let noise = f64::from((i as u32).wrapping_mul(2_654_435_769) >> 16) / 65536.0;
    let ball = if (x - 140.0).powi(2) + (y - 70.0).powi(2) + 9.0 * (z - 20.0).powi(2) < 2500.0 {
        400.0
    } else {
        0.0
    };
    ball + 300.0 * (0.03 * x).sin() * (0.04 * y + 0.1 * z).cos() + 20.0 * noise
}

fn volume(sample_type: SampleType, masked: bool) -> Volume {
    let mut samples = Samples::zeros(sample_type, SHAPE.iter().product());
    for i in 0..samples.len() {
        samples.set(i, if masked && i % SHAPE[0] < 90 { -2000.0 } else { value(i).round() });
    }
    let mut volume = Volume::new(samples, SHAPE).unwrap();
    volume.fill_value = masked.then_some(-2000.0);
    volume.geometry.spacing = [0.5, 0.5, 2.0];
    volume.name = "scene".into();
    volume
}

fn options(target: Target, threads: usize) -> CompressOptions {
    CompressOptions { target, threads, preset: Preset::Fast, ..Default::default() }
}

fn run(
    source: &dyn Source,
    path: &Path,
    target: Target,
    threads: usize,
    memory: u64,
) -> Result<neuvol::train::CompressedSource> {
    compress_source(source, path, &options(target, threads), memory, |_| ControlFlow::Continue(()))
}

fn whole(path: &Path) -> Volume {
    let neural = NeuralVolume::open(path).unwrap();
    neural.read_region(Region::whole(neural.info().shape), 1).unwrap()
}

/// PSNR over the range of the measurements, and the largest error.
fn errors(original: &Volume, decoded: &Volume) -> (f64, f64) {
    let (low, high) = original.range().unwrap();
    let (mut squares, mut largest, mut count) = (0.0, 0f64, 0);
    for i in 0..original.len() {
        let (a, b) = (original.samples().get(i), decoded.samples().get(i));
        if Some(a) == original.fill_value {
            assert_eq!(a, b, "voxel {i} is masked");
            continue;
        }
        squares += (a - b) * (a - b);
        largest = largest.max((a - b).abs());
        count += 1;
    }
    (-20.0 * ((squares / f64::from(count)).sqrt() / (high - low)).log10(), largest)
}

#[test]
fn every_target_is_met_and_the_file_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nvol");
    for masked in [false, true] {
        let original = volume(SampleType::I16, masked);
        for target in [
            Target::Psnr(45.0),
            Target::MaxError(4.0),
            Target::Lossless,
            Target::Ratio(30.0),
            Target::Size(90_000),
        ] {
            let done = run(&original, &path, target, 2, MEMORY).unwrap();
            let bytes = std::fs::metadata(&path).unwrap().len();
            assert_eq!(done.file_bytes, bytes);
            let decoded = whole(&path);
            let (psnr, largest) = errors(&original, &decoded);
            let info = NeuralVolume::open(&path).unwrap().info().clone();
            assert!(psnr.is_infinite() || (info.psnr() - psnr).abs() < 1e-6, "{target:?}: {psnr}");
            assert_eq!(
                (info.achieved.max_error, done.distortion.max_error),
                (largest, largest),
                "{target:?}"
            );
            assert_eq!((info.name.as_str(), info.range), ("scene", original.range()));
            assert_eq!((decoded.geometry, decoded.fill_value), (original.geometry, original.fill_value));
            match target {
                Target::Psnr(db) => assert!((db..db + 0.5).contains(&psnr), "{masked}: {psnr}"),
                Target::MaxError(bound) => assert!(largest <= bound && largest > 0.0),
                Target::Lossless => assert_eq!(decoded.samples(), original.samples()),
                Target::Ratio(ratio) => {
                    let found = original.stored_bytes() as f64 / bytes as f64;
                    assert!((ratio..1.04 * ratio).contains(&found), "{masked}: {found}");
                }
                Target::Size(most) => assert!((most * 96 / 100..=most).contains(&bytes), "{masked}: {bytes}"),
                _ => unreachable!(),
            }
        }
    }
}

#[test]
fn the_bytes_do_not_depend_on_memory_threads_or_the_boxes_of_the_source() {
    /// A source that has no sample in memory.
    struct Computed;
    impl Source for Computed {
        fn header(&self) -> VolumeHeader {
            VolumeHeader::of(&volume(SampleType::F32, false))
        }
        fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
            let at = |i: usize| {
                let [x, y, z] = [i % size[0], i / size[0] % size[1], i / (size[0] * size[1])];
                value(start[0] + x + SHAPE[0] * (start[1] + y + SHAPE[1] * (start[2] + z))).round() as f32
            };
            Ok(Samples::F32((0..size.iter().product()).map(at).collect()))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let original = volume(SampleType::F32, false);
    for target in [Target::Psnr(42.0), Target::Lossless, Target::Quality(Quality::Standard)] {
        let files: Vec<Vec<u8>> = [
            (&original as &dyn Source, 1, neuvol::train::LEAST_MEMORY),
            (&original, 3, 4 * MEMORY),
            (&Computed, 2, MEMORY),
        ]
        .into_iter()
        .enumerate()
        .map(|(n, (source, threads, memory))| {
            let path = folder.path().join(format!("{n}.nvol"));
            run(source, &path, target, threads, memory).unwrap();
            std::fs::read(path).unwrap()
        })
        .collect();
        assert!(files[0] == files[1] && files[1] == files[2], "{target:?}");
    }
}

#[test]
fn it_is_about_as_small_as_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nvol");
    let original = volume(SampleType::I16, false);
    let lossless = compress(&original, &options(Target::Lossless, 2)).unwrap().bytes;
    run(&original, &path, Target::Lossless, 2, MEMORY).unwrap();
    // The same integers, beside what is not measured of a large volume.
    assert!(std::fs::metadata(&path).unwrap().len().abs_diff(lossless.len() as u64) < 200);
    let in_memory = compress(&original, &options(Target::Psnr(45.0), 2)).unwrap().bytes.len() as f64;
    run(&original, &path, Target::Psnr(45.0), 2, MEMORY).unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len() as f64;
    // Without a perceptron, and not searched for to a hundredth of a decibel.
    assert!(bytes < 1.2 * in_memory, "{bytes} beside {in_memory}");
}

#[test]
fn volumes_without_measurements_or_with_one_value_are_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nvol");
    for value in [f32::NAN, 7.5] {
        let original = Volume::new(vec![value; 20 * 9 * 7], [20, 9, 7]).unwrap();
        for target in [Target::Psnr(40.0), Target::Lossless, Target::MaxError(0.5)] {
            run(&original, &path, target, 1, MEMORY).unwrap();
            let decoded = whole(&path);
            let same = |i| decoded.samples().get(i).to_bits() == f64::from(value).to_bits();
            assert!(
                (0..original.len()).all(|i| same(i) || value.is_nan() && decoded.samples().get(i).is_nan()),
                "{value} {target:?}"
            );
        }
    }
}

#[test]
fn what_fails_leaves_the_old_file_and_nothing_else() {
    struct Failing<'a>(&'a Volume, AtomicUsize);
    impl Source for Failing<'_> {
        fn header(&self) -> VolumeHeader {
            self.0.header()
        }
        fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
            match self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                Ok(_) => self.0.read(start, size),
                Err(_) => Err(Error::Options("the disk is gone".into())),
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nvol");
    std::fs::write(&path, "old").unwrap();
    let original = volume(SampleType::I16, true);
    for (target, reads) in [
        (Target::Psnr(40.0), 3),
        (Target::Psnr(40.0), 30),
        (Target::Lossless, 9),
        (Target::MaxError(3.0), 25),
    ] {
        let error = run(&Failing(&original, reads.into()), &path, target, 2, MEMORY).unwrap_err();
        assert!(error.to_string().contains("the disk is gone"), "{error}");
    }
    for stage in [Stage::Reading, Stage::Coding, Stage::Measuring] {
        let observe = |progress: &neuvol::train::Progress| match progress.stage == stage {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let result = compress_source(&original, &path, &options(Target::Psnr(40.0), 2), MEMORY, observe);
        assert!(matches!(result, Err(Error::Interrupted)), "{stage:?}");
    }
    let error = run(&original, &path, Target::Lossless, 1, 1 << 20).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_finished_file_is_one_volume_of_several() {
    let folder = tempfile::tempdir().unwrap();
    let [large, both] = ["large.nvol", "both.nvol"].map(|name| folder.path().join(name));
    let original = volume(SampleType::I16, false);
    run(&original, &large, Target::Lossless, 2, MEMORY).unwrap();
    let small = compress(&Volume::new(vec![1u8, 2, 3, 4], [2, 2, 1]).unwrap(), &options(Target::Lossless, 1))
        .unwrap();
    let array = |name: &str| ArrayInfo { name: name.into(), components: vec![String::new()] };
    DatasetWriter::save(&both, vec![array("scene"), array("small")], 1, None, |writer| {
        writer.add_file(&large)?;
        writer.add(&small)
    })
    .unwrap();
    let file = NeuralDataset::open(&both).unwrap();
    let read = |array| {
        let neural = file.volume(array, 0, 0).unwrap();
        neural.read_region(Region::whole(neural.info().shape), 1).unwrap().into_samples()
    };
    assert_eq!(read(0), *original.samples());
    assert_eq!(read(1), Samples::U8(vec![1, 2, 3, 4]));
    // A file of several volumes is not one of them, even if it has only one.
    let single = folder.path().join("single.nvol");
    DatasetWriter::save(&single, vec![array("a")], 1, None, |writer| writer.add(&small)).unwrap();
    for inside in [&both, &single] {
        let nested = folder.path().join("nested.nvol");
        let saved = DatasetWriter::save(&nested, vec![array("a")], 1, None, |writer| writer.add_file(inside));
        assert!(matches!(saved, Err(Error::Options(_))) && !nested.exists());
    }
}

#[test]
fn the_command_unpacks_large_inputs_beside_the_output_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // One value, so that it is quick, of the fewest slices that are read box by box.
    let slices = neuvol::train::MOST_VOXELS_IN_MEMORY / (512 * 512) + 1;
    let header = format!("NRRD0004\ntype: uint8\ndimension: 3\nsizes: 512 512 {slices}\nencoding: gzip\n\n");
    let mut gzip = flate2::write::GzEncoder::new(header.into_bytes(), flate2::Compression::fast());
    (0..slices).for_each(|_| gzip.write_all(&[7; 512 * 512]).unwrap());
    let packed = gzip.finish().unwrap();
    std::fs::write(folder.path().join("a.nrrd"), &packed).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neuvol"));
        command.args(arguments).args(["--threads", "2"]).current_dir(folder.path()).output().unwrap()
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let compress = ["compress", "a.nrrd", "--lossless", "--memory", "500M", "-o", "b.nvol"];
    let output = run(&[&compress[..], &["-v"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let bytes = slices * 512 * 512;
    let said = text(&output.stderr);
    assert!(
        said.contains(&format!("a.nrrd: its samples are unpacked to a temporary file of {bytes} bytes")),
        "{said}"
    );
    let told = text(&output.stdout);
    assert!(told.contains("unpacked") && told.contains("to a temporary file in ."), "{told}");
    assert_eq!(whole_value(&folder.path().join("b.nvol")), 7.0);
    // Cut off, it ends with a sentence, and the old file is there.
    let before = std::fs::read(folder.path().join("b.nvol")).unwrap();
    std::fs::write(folder.path().join("a.nrrd"), &packed[..packed.len() * 2 / 3]).unwrap();
    let output = run(&[&compress[..], &["--json"]].concat());
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("a.nrrd") && said.contains("truncated"), "{said}");
    assert_eq!(std::fs::read(folder.path().join("b.nvol")).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// The value at the end of a volume of one value.
fn whole_value(path: &Path) -> f64 {
    let neural = NeuralVolume::open(path).unwrap();
    let end = neural.info().shape;
    neural.read_region(Region { start: end.map(|n| n - 1), end }, 1).unwrap().samples().get(0)
}
