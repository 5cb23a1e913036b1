//! Files that are decompressed, converted and compared slab by slab: the same as by way of memory, each block decoded once.

mod command;

use command::{neuvol, refused, told};
use neuvol::engine::Engine;
use neuvol::engine::cpu::Cpu;
use neuvol::io::{ArrayVolumes, SaveOptions};
use neuvol::sample::OpenOptions;
use neuvol::train::{CompressOptions, Preset, Target, compress};
use neuvol::volume::{SampleType, Samples, Source, VolumeHeader};
use neuvol::{NeuralVolume, ReadAt, Region, Volume};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A tower of eleven blocks.
const TALL: [usize; 3] = [40, 24, 1300];

/// A wave under noise: every block has something to say.
fn volume(sample_type: SampleType, shape: [usize; 3]) -> Volume {
    let mut samples = Samples::zeros(sample_type, shape.iter().product());
    let [nx, ny, _] = shape;
    for i in 0..samples.len() {
        let [x, y, z] = [i % nx, i / nx % ny, i / nx / ny].map(|n| n as f64);
        let noise = f64::from((i as u32).wrapping_mul(2_654_435_769) >> 16) / 65536.0;
        samples.set(
            i,
            100.0 + 50.0 * (0.1 * x).sin() * (0.2 * y).cos() + 30.0 * (0.02 * z).sin() + 10.0 * noise,
        );
    }
    let mut volume = Volume::new(samples, shape).unwrap();
    volume.geometry.spacing = [0.5, 1.0, 2.0];
    volume.geometry.origin = [3.0, -2.0, 1.0];
    volume
}

fn fast(target: Target) -> CompressOptions {
    CompressOptions { target, preset: Preset::Fast, threads: 2, ..CompressOptions::default() }
}

/// The samples of all slabs of so many planes.
fn slabs(source: &dyn Source, depth: usize) -> Vec<u8> {
    let [nx, ny, nz] = source.header().shape;
    let read = |z| source.read([0, 0, z], [nx, ny, depth.min(nz - z)]).unwrap();
    (0..nz).step_by(depth).flat_map(|z| read(z).as_bytes().to_vec()).collect()
}

#[test]
fn an_open_volume_is_a_source_of_what_is_read_of_it() {
    for (sample_type, target, masked) in [
        (SampleType::U16, Target::Psnr(40.0), false),
        (SampleType::F32, Target::MaxError(2.0), true),
        (SampleType::I16, Target::Lossless, true),
    ] {
        let mut original = volume(sample_type, [45, 38, 150]);
        original.fill_value = masked.then(|| original.samples().get(7));
        let bytes = compress(&original, &fast(target)).unwrap().bytes;
        let neural = NeuralVolume::from_bytes(&bytes, "a.nvol", OpenOptions::default()).unwrap();
        let whole = Region::whole(original.shape());
        let agree = |source: &dyn Source, expected: &Volume| {
            assert_eq!(source.header(), VolumeHeader::of(expected), "{target:?}");
            for depth in [128, 7] {
                assert!(slabs(source, depth) == expected.samples().as_bytes(), "{target:?} {depth}");
            }
        };
        agree(&neural, &neural.read_region(whole, 1).unwrap());
        for stride in [1, 3] {
            agree(&neural.strided(stride, sample_type).unwrap(), &neural.read_region(whole, stride).unwrap());
        }
        agree(&neural.strided(2, SampleType::F32).unwrap(), &neural.read_region_f32(whole, 2).unwrap());
        for (level, found) in neural.levels().iter().enumerate().take(3) {
            let expected = neural.read_level(level, Region::whole(found.shape)).unwrap();
            agree(&neural.at_level(level).unwrap(), &expected);
        }
        assert!(neural.strided(0, sample_type).is_err() && neural.at_level(99).is_err());
        assert!(neural.strided(3, sample_type).unwrap().read([0, 0, 49], [1, 1, 2]).is_err());
    }
}

/// Bytes that count what is read of them, by where it begins.
struct Counted(Vec<u8>, Mutex<BTreeMap<u64, usize>>);

impl ReadAt for Counted {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }
    fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        *self.1.lock().unwrap().entry(offset).or_default() += out.len();
        self.0.read_exact_at(out, offset)
    }
}

#[test]
fn every_block_is_read_and_decoded_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tall.raw");
    let original = volume(SampleType::U16, TALL);
    for target in [Target::Psnr(40.0), Target::Lossless] {
        let bytes = compress(&original, &fast(target)).unwrap().bytes;
        let length = bytes.len();
        let source = Arc::new(Counted(bytes, Mutex::default()));
        let engine: Arc<dyn Engine> = Arc::new(Cpu::new(2).unwrap());
        // Blocks in which a slab's last planes have their neighbours, and no more.
        let options = OpenOptions { block_bytes: Some(1 << 20), ..OpenOptions::from(engine) };
        let neural = NeuralVolume::open_source(source.clone(), "tall.nvol", options).unwrap();
        source.1.lock().unwrap().clear();
        neuvol::io::save_source(&neural, &path, &SaveOptions::default()).unwrap();
        assert_eq!(neural.evaluated(), original.len() as u64, "{target:?}");
        let read: usize = source.1.lock().unwrap().values().sum();
        assert!(read > length * 9 / 10 && read <= length, "{target:?}: {read} of {length}");
        let whole = neural.read_region(Region::whole(TALL), 1).unwrap();
        assert!(std::fs::read(&path).unwrap() == whole.samples().as_bytes(), "{target:?}");
    }
}

fn read(path: &Path, options: &neuvol::io::OpenOptions) -> Volume {
    neuvol::io::open(path, options).unwrap()
}

#[test]
fn the_command_goes_slab_by_slab_where_memory_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let original = volume(SampleType::I16, [61, 47, 70]);
    neuvol::io::save(&original, folder.join("a.nii")).unwrap();
    let compressed = compress(&original, &fast(Target::Psnr(38.0))).unwrap();
    compressed.save(folder.join("a.nvol")).unwrap();
    let same = |a: &str, b: &str| {
        assert!(std::fs::read(folder.join(a)).unwrap() == std::fs::read(folder.join(b)).unwrap(), "{a}")
    };
    for ending in ["raw", "npy", "nii", "nii.gz", "nrrd", "mha", "vti"] {
        let [whole, slabs] = ["whole", "slabs"].map(|name| format!("{name}.{ending}"));
        for command in ["decompress", "convert"] {
            let input = if command == "convert" { "a.nii" } else { "a.nvol" };
            told(&neuvol(folder, &[command, input, "-o", &whole]));
            let report = told(&neuvol(folder, &[command, input, "-o", &slabs, "--memory", "50k"]));
            assert!(report.contains("61 x 47 x 70 int16"), "{report}");
            same(&whole, &slabs);
        }
    }
    // What has to be unpacked, and is said to be.
    let packed = ["convert", "whole.nii.gz", "-o", "slabs.nii", "--memory", "50k"];
    assert!(told(&neuvol(folder, &packed)).contains("  unpacked  401.4 kB, to a temporary file in ."));
    same("whole.nii", "slabs.nii");
    for options in [["--stride", "3"], ["--level", "1"]] {
        told(&neuvol(folder, &[&["decompress", "a.nvol", "-o", "whole.npy"], &options[..]].concat()));
        let slabs = ["decompress", "a.nvol", "-o", "slabs.npy", "--memory", "5k"];
        told(&neuvol(folder, &[&slabs[..], &options[..]].concat()));
        same("whole.npy", "slabs.npy");
    }
    told(&neuvol(folder, &["decompress", "a.nvol", "-o", "f.npy", "--float", "--memory", "50k"]));
    assert_eq!(read(&folder.join("f.npy"), &Default::default()).sample_type(), SampleType::F32);
    told(&neuvol(folder, &["decompress", "a.nvol", "-o", "series/", "--memory", "50k"]));
    told(&neuvol(folder, &["decompress", "a.nvol", "-o", "b.npy"]));
    let [series, whole] = ["series", "b.npy"].map(|name| read(&folder.join(name), &Default::default()));
    assert_eq!(series.samples(), whole.samples());

    let compare = |memory: &[&str], decoded: &str| -> serde_json::Value {
        let arguments = [&["compare", "a.nii", decoded, "--json"], memory].concat();
        serde_json::from_str(&told(&neuvol(folder, &arguments))).unwrap()
    };
    for decoded in ["a.nvol", "slabs.nii"] {
        let (whole, slabs) = (compare(&[], decoded), compare(&["--memory", "100k"], decoded));
        for key in ["max_error", "max_error_voxel", "voxels", "noise"] {
            assert_eq!(whole[key], slabs[key], "{key}");
        }
        for key in ["psnr_db", "rmse", "mean_error", "ssim"] {
            let [whole, slabs] = [&whole, &slabs].map(|json| json[key].as_f64().unwrap_or(0.0));
            assert!((whole - slabs).abs() < 1e-9, "{key}: {whole} {slabs}");
        }
        assert_eq!(whole["bands"].as_array().unwrap().len(), slabs["bands"].as_array().unwrap().len());
    }
}

#[test]
fn what_the_output_has_a_place_for_is_converted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let shape = [12, 9, 5];
    let part = |c: usize| {
        let samples = (0..shape.iter().product()).map(|i: usize| (10 * i + c) as f32).collect::<Vec<_>>();
        Volume::new(samples, shape).unwrap()
    };
    let names = ["u", "v", "w"].map(str::to_owned).to_vec();
    let arrays = [
        ArrayVolumes { name: "p".into(), component_names: vec![String::new()], components: vec![part(7)] },
        ArrayVolumes {
            name: "velocity".into(),
            component_names: names,
            components: (0..3).map(part).collect(),
        },
    ];
    neuvol::io::save_arrays(&arrays, folder.join("flow.vti")).unwrap();
    let chosen = |array: &str, component: Option<usize>| neuvol::io::OpenOptions {
        array: Some(array.into()),
        component,
        ..Default::default()
    };
    // All of them, through memory and past it.
    for memory in [&[][..], &["--memory", "2k"]] {
        let report = told(&neuvol(folder, &[&["convert", "flow.vti", "-o", "all.vti"], memory].concat()));
        assert!(report.contains("4 of 12 x 9 x 5 float32"), "{report}");
        for (array, component, c) in [("p", None, 7), ("velocity", Some(0), 0), ("velocity", Some(2), 2)] {
            let found = read(&folder.join("all.vti"), &chosen(array, component));
            assert_eq!(found.samples(), part(c).samples(), "{array} {component:?}");
        }
        assert!(std::fs::read_to_string(folder.join("all.vti")).unwrap().contains("ComponentName1=\"v\""));
    }
    // One volume: the first scalar array, which is named, or what is chosen.
    let report = told(&neuvol(folder, &["convert", "flow.vti", "-o", "p.npy"]));
    assert!(report.contains("array     p (others, which --array chooses: velocity)"), "{report}");
    assert_eq!(read(&folder.join("p.npy"), &Default::default()).samples(), part(7).samples());
    let told_of = refused(&neuvol(folder, &["convert", "flow.vti", "-o", "v.npy", "--array", "velocity"]));
    assert!(told_of.contains("--component 0 to 2"), "{told_of}");
    let one = ["convert", "flow.vti", "-o", "w.vti", "--array", "velocity", "--component", "2"];
    told(&neuvol(folder, &one));
    assert_eq!(read(&folder.join("w.vti"), &Default::default()).samples(), part(2).samples());

    // Colours of a format without names, over time: a file a step.
    let values: Vec<u8> = (0..2 * 3 * 4 * 5 * 3).map(|i| (i % 251) as u8).collect();
    let mut header = "NDims = 4\nDimSize = 5 4 3 2\nElementNumberOfChannels = 3\nElementType = MET_UCHAR\n\
                      ElementDataFile = LOCAL\n"
        .as_bytes()
        .to_vec();
    header.extend(&values);
    std::fs::write(folder.join("rgb.mha"), header).unwrap();
    for memory in [&[][..], &["--memory", "100"]] {
        told(&neuvol(folder, &[&["convert", "rgb.mha", "-o", "rgb.vti"], memory].concat()));
        for (step, component) in [(0, 0), (1, 2)] {
            let options = neuvol::io::OpenOptions { component: Some(component), ..Default::default() };
            let found = read(&folder.join(format!("rgb_{step:04}.vti")), &options);
            let expected: Vec<u8> =
                values.chunks(3).skip(60 * step).take(60).map(|rgb| rgb[component]).collect();
            assert_eq!(*found.samples(), Samples::U8(expected), "{step} {component}");
        }
    }
    let told_of = refused(&neuvol(folder, &["convert", "rgb.mha", "-o", "rgb.nii"]));
    assert!(told_of.contains("--component 0 to 2"), "{told_of}");
    told(&neuvol(folder, &["convert", "rgb.mha", "-o", "g.npy", "--component", "1", "--time-step", "1"]));
    assert_eq!(read(&folder.join("g.npy"), &Default::default()).samples().get(0), f64::from(values[181]));
}

#[test]
fn a_warning_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    neuvol::io::save(&volume(SampleType::I16, [12, 9, 5]), folder.join("a.nii")).unwrap();
    let mut bytes = std::fs::read(folder.join("a.nii")).unwrap();
    // An sform of zeros, which is said to be in use: nifti1.h.
    bytes[280..328].fill(0);
    std::fs::write(folder.join("a.nii"), bytes).unwrap();
    for arguments in [&["convert", "a.nii", "-o", "b.npy"][..], &["compare", "a.nii", "a.nii"]] {
        let output = neuvol(folder, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            said.matches("the sform (byte 280) is not a transform").count(),
            1,
            "{arguments:?}: {said}"
        );
    }
}
