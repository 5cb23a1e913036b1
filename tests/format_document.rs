//! FORMAT.md is enough: a decoder written from it alone (`tests/python/nvol_reference.py`) gives the library's samples.
//!
//! Needs `NEUVOL_PYTHON`, an interpreter with NumPy. Without it the test says SKIPPED.

mod frame;

use neuvol::engine::TrainingEngine;
use neuvol::engine::cpu::Cpu;
use neuvol::field::NetworkKind;
use neuvol::field::encoding::{AxisWise, Wave};
use neuvol::metrics::Distortion;
use neuvol::train::{
    Architecture, CompressOptions, DatasetWriter, EncodingOptions, Focus, FocusRegion, ModelOptions, Preset,
    Representation, SeriesCompressor, Storage, Target, compress, compress_components,
};
use neuvol::volume::{Association, SampleType, Samples};
use neuvol::{ArrayInfo, NeuralDataset, NeuralVolume, Region, Volume, field::encoding::HashGridShape};
use neuvol::{Description, FocusQuality};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Largest difference of two engines, as a share of the volume's range, where the file holds a network.
const TOLERANCE: f64 = 1e-5;

fn python() -> Option<PathBuf> {
    let python = std::env::var_os("NEUVOL_PYTHON").map(PathBuf::from);
    if python.is_none() {
        eprintln!("SKIPPED format_document: NEUVOL_PYTHON is not set");
    }
    python
}

/// Smooth, with an edge in it: between -80 and 120.
fn measurement([x, y, z]: [f64; 3]) -> f64 {
    let wave = 60.0 * (0.4 * x).sin() * (0.3 * y + 0.5).cos() + 2.0 * z;
    if (x - 12.0).powi(2) + (y - 9.0).powi(2) + (z - 8.0).powi(2) < 25.0 { wave + 50.0 } else { wave }
}

fn samples(shape: [usize; 3], value: impl Fn([usize; 3]) -> f64) -> Vec<f64> {
    let [nx, ny, nz] = shape;
    let voxels = (0..nx * ny * nz).map(|i| [i % nx, i / nx % ny, i / (nx * ny)]);
    voxels.map(value).collect()
}

fn options() -> CompressOptions {
    CompressOptions { target: Target::Psnr(30.0), preset: Preset::Fast, threads: 1, ..Default::default() }
}

fn floats(values: Vec<f64>, shape: [usize; 3]) -> Volume {
    Volume::new(values.into_iter().map(|v| v as f32).collect::<Vec<_>>(), shape).unwrap()
}

/// NaN, both infinities and a fill value.
fn masked_floats() -> Volume {
    let shape = [24, 20, 16];
    let values = samples(shape, |[x, y, z]| match (x, y, z) {
        (0..5, 0..4, _) => f64::NAN,
        (20.., 15.., _) => -999.0,
        (10, 10, 3..6) => f64::INFINITY,
        (11, 10, 3..6) => f64::NEG_INFINITY,
        _ => measurement([x, y, z].map(|n| n as f64)),
    });
    let mut volume = floats(values, shape);
    volume.fill_value = Some(-999.0);
    volume
}

/// Integers with a fill value, two bricks along x.
fn masked_integers() -> Volume {
    let shape = [70, 20, 5];
    let values = samples(shape, |[x, y, z]| match x + y {
        0..6 => -2000.0,
        _ => measurement([x, y, z].map(|n| n as f64)).round(),
    });
    let mut volume = Volume::new(values.iter().map(|&v| v as i16).collect::<Vec<_>>(), shape).unwrap();
    volume.fill_value = Some(-2000.0);
    volume
}

fn noise(shape: [usize; 3]) -> Volume {
    let values = samples(shape, |[x, y, z]| {
        f64::from(((x * 7919 + y * 104_729 + z * 1_299_709) as u32).wrapping_mul(2_654_435_769) >> 20)
    });
    floats(values, shape)
}

/// The names of a file's sections.
fn sections(file: &[u8]) -> Vec<[u8; 4]> {
    frame::sections(file).iter().map(|section| section.name).collect()
}

/// The numbers of a `.npy` file with elements of `size` bytes.
fn npy(path: &Path, descr: &str, size: usize) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).expect("the decoder should write its file");
    let header_len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..10 + header_len]);
    assert!(header.contains(&format!("'{descr}'")) && header.contains("'fortran_order': False"), "{header}");
    bytes[10 + header_len..].chunks_exact(size).map(<[u8]>::to_vec).collect()
}

fn f64s(path: &Path) -> Vec<f64> {
    npy(path, "<f8", 8).iter().map(|b| f64::from_le_bytes(b[..].try_into().unwrap())).collect()
}

/// Decodes with both and compares: bit by bit, but for the values of a network. Gives the file.
fn agree(name: &str, python: &Path, volume: &Volume, options: &CompressOptions) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let [nvol, decoded, unrounded, quality] =
        ["volume.nvol", "decoded.npy", "unrounded.npy", "quality.json"].map(|f| folder.path().join(f));
    let compressed = compress(volume, options).unwrap();
    eprintln!("{name}: {} bytes, {}", compressed.bytes.len(), compressed.model);
    compressed.save(&nvol).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/nvol_reference.py");
    let output = Command::new(python).arg(script).args([&nvol, &decoded, &unrounded, &quality]).output();
    let output = output.expect("NEUVOL_PYTHON should run");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));

    let ours = NeuralVolume::open(&nvol).unwrap();
    let theirs = serde_json::from_str(&std::fs::read_to_string(&quality).unwrap()).unwrap();
    same_quality(name, ours.info(), &theirs);
    let ours = ours.read_region(Region::whole(volume.shape()), 1).unwrap();
    let (low, high) = volume.range().unwrap_or((0.0, 0.0));
    let tolerance = TOLERANCE * (high - low);
    let exact = !sections(&compressed.bytes).contains(b"MODL");
    let unrounded = f64s(&unrounded);
    assert_eq!(unrounded.len(), volume.len());
    let theirs: Vec<f64> = match volume.sample_type() {
        SampleType::I16 => {
            npy(&decoded, "<i2", 2).iter().map(|b| i16::from_le_bytes([b[0], b[1]]).into()).collect()
        }
        SampleType::F32 => npy(&decoded, "<f4", 4)
            .iter()
            .map(|b| f32::from_le_bytes(b[..].try_into().unwrap()).into())
            .collect(),
        SampleType::F64 => f64s(&decoded),
        other => panic!("no comparison for {other}"),
    };
    let mask = neuvol::volume::Mask::of(volume);
    let (mut masked, mut at_boundaries) = (0, 0);
    for (i, &theirs) in theirs.iter().enumerate() {
        let ours = ours.samples().get(i);
        if mask.as_ref().is_some_and(|m| m.codes()[i] != 0) {
            masked += 1;
            let original = volume.samples().get(i);
            assert!(
                theirs == original || theirs.is_nan() && original.is_nan(),
                "{name}: voxel {i}: {theirs}"
            );
            assert!(ours == original || ours.is_nan() && original.is_nan(), "{name}: voxel {i}: {ours}");
        } else if exact {
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{name}: voxel {i}: {ours}, {theirs}");
        } else if !volume.sample_type().is_integer() {
            // One rounding to f32 on top.
            let rounding = f64::from(f32::EPSILON) * theirs.abs();
            assert!((ours - theirs).abs() <= tolerance + rounding, "{name}: voxel {i}: {ours}, {theirs}");
        } else if ours != theirs {
            at_boundaries += 1;
            let from_boundary = ((unrounded[i] - low).fract() - 0.5).abs();
            assert!(
                (ours - theirs).abs() == 1.0 && from_boundary <= tolerance,
                "{name}: voxel {i}: {ours}, {theirs}"
            );
        }
    }
    assert_eq!(masked, mask.map_or(0, |m| m.masked()), "{name}");
    assert!(at_boundaries * 1000 <= volume.len(), "{name}: {at_boundaries} voxels rounded otherwise");
    compressed.bytes
}

/// What both read of section QUAL.
fn same_quality(name: &str, info: &Description, theirs: &serde_json::Value) {
    let ours = serde_json::to_value(&info.achieved).unwrap();
    let near = |ours: &serde_json::Value, theirs: &serde_json::Value| match (ours.as_f64(), theirs.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
        _ => ours == theirs,
    };
    for key in ["noise", "rmse", "max_error", "mean_error", "ssim", "max_error_voxel"] {
        assert!(near(&ours[key], &theirs[key]), "{name}: {key}: {} {}", ours[key], theirs[key]);
    }
    assert_eq!(
        (Some(info.asked.seed), Some(info.asked.value)),
        (theirs["seed"].as_u64(), theirs["value"].as_f64()),
        "{name}"
    );
    if let Some(focus) = info.focus {
        let theirs = &theirs["focus"];
        let psnr = if let FocusQuality::Psnr(db) = focus.asked { Some(db) } else { None };
        assert_eq!(theirs["psnr"], serde_json::json!(psnr), "{name}");
        assert_eq!(
            [&theirs["start"], &theirs["end"]],
            [&serde_json::json!(focus.start), &serde_json::json!(focus.end)],
            "{name}"
        );
        for (part, ours) in [("inside", focus.inside), ("outside", focus.outside)] {
            let Distortion { voxels, rmse, max_error, .. } = ours;
            for (key, ours) in [("voxels", voxels as f64), ("rmse", rmse), ("max_error", max_error)] {
                assert!(near(&ours.into(), &theirs[part][key]), "{name}: {part} {key}: {ours} {theirs}");
            }
        }
    }
    let [ours, theirs] = [&ours["bands"], &theirs["bands"]].map(|bands| bands.as_array().unwrap());
    assert_eq!(ours.len(), theirs.len(), "{name}");
    assert!(
        info.achieved.max_error == 0.0 || info.range.is_none_or(|(l, h)| l == h) || !ours.is_empty(),
        "{name}"
    );
    for (ours, theirs) in ours.iter().zip(theirs) {
        for key in ["from", "below", "share", "mean_error", "rmse"] {
            assert!(near(&ours[key], &theirs[key]), "{name}: {key}: {ours} {theirs}");
        }
    }
}

#[test]
fn a_decoder_written_from_the_document_gives_the_librarys_samples() {
    let Some(python) = python() else { return };

    let floats_with_mask = masked_floats();
    let network = Representation::Network(Architecture::default());
    agree("float32", &python, &floats_with_mask, &CompressOptions { representation: network, ..options() });

    // Levels that are hashed: the table is chosen small.
    let integers = masked_integers();
    let hash_grid = HashGridShape { levels: 4, features: 2, table_size: 256, coarsest: 8.0, finest: 40.0 };
    let model = Some(ModelOptions::hash_grid(hash_grid, 16, 1));
    agree("int16", &python, &integers, &CompressOptions { model, target: Target::Psnr(26.0), ..options() });

    // Noise, which takes large parameters: every class of neighbourhood, and digits without a model.
    let hash_grid = HashGridShape { levels: 2, features: 4, table_size: 4096, coarsest: 4.0, finest: 13.0 };
    let model = Some(ModelOptions::hash_grid(hash_grid, 16, 2));
    agree(
        "noise",
        &python,
        &noise([14, 13, 12]),
        &CompressOptions { model, target: Target::Psnr(36.0), ..options() },
    );

    // The encodings without parameters, the residual network, and half precision.
    let shape = [13, 12, 11];
    let values = samples(shape, |index| measurement(index.map(|n| n as f64)));
    let smooth = floats(values, shape);
    for (wave, network, storage) in [
        (Wave::Identity, NetworkKind::SineResidual, Storage::Half),
        (Wave::Frequency, NetworkKind::Mlp, Storage::Coded),
        (Wave::TriangleWave, NetworkKind::SineResidual, Storage::Coded),
        (Wave::OneBlob, NetworkKind::Mlp, Storage::Half),
    ] {
        let encoding = match wave {
            Wave::Identity => AxisWise::usual(wave),
            _ => AxisWise::new(wave, 5).unwrap(),
        };
        let model = ModelOptions {
            encoding: EncodingOptions::AxisWise(encoding),
            network,
            width: 32,
            hidden_layers: 3,
        };
        let options =
            CompressOptions { model: Some(model), storage, target: Target::Psnr(20.0), ..options() };
        agree(wave.name(), &python, &smooth, &options);
    }

    // Of cells, one layer of them, and flat: the byte behind the numbers.
    let mut layer = noise([14, 13, 1]);
    for points in [[15, 14, 2], [15, 14, 1]] {
        layer.association = Association::of_cells(points);
        agree("cells", &python, &layer, &CompressOptions { target: Target::Lossless, ..options() });
    }

    // Integers: exact, and in steps, with a mask.
    agree("lossless int16", &python, &integers, &CompressOptions { target: Target::Lossless, ..options() });
    agree(
        "lossless float32",
        &python,
        &floats_with_mask,
        &CompressOptions { target: Target::Lossless, ..options() },
    );
    agree(
        "bounded int16",
        &python,
        &integers,
        &CompressOptions { target: Target::MaxError(2.0), ..options() },
    );
    agree(
        "bounded float32",
        &python,
        &floats_with_mask,
        &CompressOptions { target: Target::MaxError(0.01), ..options() },
    );

    // No model at all.
    let constant = Volume::new(Samples::I16(vec![-7; 60]), [5, 4, 3]).unwrap();
    agree("constant", &python, &constant, &options());
}

#[test]
fn it_reads_the_ranges_of_cells() {
    let Some(python) = python() else { return };
    let noise = noise([41, 42, 36]);
    // Smaller volumes have none. Most cells are without measurements, and parts of others.
    let shape = [130, 96, 90];
    let values = samples(shape, |[x, y, z]| match [x < 41, y < 42, z < 36] {
        [true, true, true] => noise.samples().get(x + 41 * (y + 42 * z)),
        _ => f64::NAN,
    });
    let masked = floats(values, shape);
    for (name, target) in [("bounded", Target::MaxError(9.0)), ("latent grid", Target::Psnr(50.0))] {
        let compressed = agree(name, &python, &masked, &CompressOptions { target, ..options() });
        assert!(sections(&compressed).contains(b"RANG"), "{name}");
    }
}

#[test]
fn it_corrects_latent_grids() {
    let Some(python) = python() else { return };
    let shape = [70, 30, 20];
    let wave = samples(shape, |[x, y, z]| {
        let [x, y, z] = [x, y, z].map(|n| n as f64);
        if x + y < 12.0 { -3000.0 } else { 900.0 * (0.09 * x).sin() * (0.11 * y).cos() + 20.0 * z }
    });
    let mut floats = Volume::new(wave.iter().map(|&v| v as f32).collect::<Vec<_>>(), shape).unwrap();
    let mut integers = Volume::new(wave.iter().map(|&v| v as i16).collect::<Vec<_>>(), shape).unwrap();
    for (name, volume, bound) in [("float32", &mut floats, 2.5), ("int16", &mut integers, 3.0)] {
        volume.fill_value = Some(-3000.0);
        let options = CompressOptions { target: Target::MaxError(bound), ..options() };
        let compressed = agree(name, &python, volume, &options);
        for section in [b"LATG", b"INTS"] {
            assert!(sections(&compressed).contains(section), "{name}");
        }
    }
}

#[test]
fn it_reads_files_of_several_volumes() {
    let Some(python) = python() else { return };
    let shape = [70, 9, 8];
    let colour = |component: usize| {
        let value = |[x, y, z]: [usize; 3]| ((x * 3 + y * y + (x * y * z) % 7 + 40 * component) % 256) as f64;
        let bytes: Vec<u8> = samples(shape, value).into_iter().map(|value| value as u8).collect();
        Volume::new(bytes, shape).unwrap()
    };
    let colours = [0, 1, 2].map(colour);
    let engine: Arc<dyn TrainingEngine> = Arc::new(Cpu::new(2).unwrap());
    let lossless = CompressOptions { target: Target::Lossless, ..options() };
    let found = compress_components(&engine, &colours, &lossless, |_| ControlFlow::Continue(())).unwrap();
    let different = found.iter().filter(|c| sections(&c.bytes).contains(b"DIFF")).count();
    assert_eq!(different, 2);
    let wave =
        compress(&floats(samples(shape, |i| measurement(i.map(|n| n as f64))), shape), &options()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [path, decoded] = ["several.nvol", "decoded.npy"].map(|name| folder.path().join(name));
    let components = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let arrays = vec![
        ArrayInfo { name: "wave, a field".into(), components: components(&[""]) },
        ArrayInfo { name: "colour".into(), components: components(&["R", "G", "B"]) },
    ];
    DatasetWriter::save(&path, arrays, 2, Some(vec![-1.0, 2.5]), |writer| {
        (0..2).try_for_each(|_| {
            writer.add(&wave)?;
            found.iter().try_for_each(|component| writer.add(component))
        })
    })
    .unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/nvol_reference.py");
    let file = NeuralDataset::open(&path).unwrap();
    for (array, component) in [(0, 0), (1, 0), (1, 1), (1, 2)] {
        let chosen = format!("{}#{},{component},1", path.display(), file.arrays()[array].name);
        let output = Command::new(&python).arg(&script).arg(chosen).arg(&decoded).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let ours = file.volume(array, component, 1).unwrap().read_region(Region::whole(shape), 1).unwrap();
        let (descr, size) = if array == 0 { ("<f4", 4) } else { ("|u1", 1) };
        assert_eq!(npy(&decoded, descr, size).concat(), ours.samples().as_bytes(), "{array} {component}");
        if array == 1 {
            assert_eq!(ours.samples(), colours[component].samples());
        }
    }
}

#[test]
fn it_reads_steps_that_follow_others() {
    let Some(python) = python() else { return };
    let moved = |shape: [usize; 3], step: usize| {
        let value = |[x, y, z]: [usize; 3]| match (x, y) {
            (0..3, y) if y < 2 + step => f64::NAN,
            _ => measurement([x as f64 - 0.7 * step as f64, y as f64, z as f64]) * (1.0 + 0.1 * step as f64),
        };
        floats(samples(shape, value), shape)
    };
    // Two blocks; a root, blocks above, and blocks of voxels; a perceptron.
    for (shape, psnr, has_perceptron) in
        [([140, 9, 8], 45.0, false), ([1100, 9, 8], 45.0, false), ([64, 48, 30], 66.0, true)]
    {
        let engine: Arc<dyn TrainingEngine> = Arc::new(Cpu::new(2).unwrap());
        let options = CompressOptions { target: Target::Psnr(psnr), ..options() };
        let mut series = SeriesCompressor::new(3);
        let steps: Vec<_> = (0..3)
            .map(|step| {
                series
                    .compress(&engine, &moved(shape, step), &options, |_| ControlFlow::Continue(()))
                    .unwrap()
            })
            .collect();
        assert!(steps[1..].iter().all(|step| sections(&step.bytes).contains(b"STEP")));
        let folder = tempfile::tempdir().unwrap();
        let [path, decoded] = ["run.nvol", "decoded.npy"].map(|name| folder.path().join(name));
        let arrays = vec![ArrayInfo { name: "t".into(), components: vec![String::new()] }];
        DatasetWriter::save(&path, arrays, 3, None, |writer| steps.iter().try_for_each(|s| writer.add(s)))
            .unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/nvol_reference.py");
        let file = NeuralDataset::open(&path).unwrap();
        // The last one, for which the decoder reads the others.
        let step = 2;
        let chosen = format!("{}#t,0,{step}", path.display());
        let output = Command::new(&python).arg(&script).arg(chosen).arg(&decoded).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let neural = file.volume(0, 0, step).unwrap();
        assert_eq!(
            neural.model_summary().contains("perceptron"),
            has_perceptron,
            "{}",
            neural.model_summary()
        );
        let ours = neural.read_region(Region::whole(shape), 1).unwrap();
        assert_eq!(npy(&decoded, "<f4", 4).concat(), ours.samples().as_bytes(), "step {step} of {shape:?}");
    }
}

#[test]
fn it_gives_the_same_bits_of_latent_grids() {
    let Some(python) = python() else { return };
    let smooth = |shape| samples(shape, |index| measurement(index.map(|n| n as f64)));
    let long = [140, 9, 8];
    let far = [1100, 9, 8];
    let thin = [40, 30, 1];
    let many = [133, 131, 2];
    let small = [5, 4, 3];
    let cases = [
        ("float32", masked_floats(), 50.0),
        ("int16", masked_integers(), 45.0),
        // Two blocks; the second level splits x alone, so that bands across y and z have no parents.
        ("two blocks", floats(smooth(long), long), 50.0),
        // As float64, which shows the field's values without a rounding.
        ("thin", Volume::new(smooth(thin), thin).unwrap(), 50.0),
        // A root, blocks above, and blocks of voxels.
        ("two tiers", floats(smooth(far), far), 45.0),
        ("four blocks", floats(smooth(many), many), 45.0),
        ("no levels", floats(smooth(small), small), 60.0),
        // Large numbers on two levels, and signs and exponents without order.
        ("noise", noise([19, 18, 17]), 100.0),
    ];
    for (name, volume, psnr) in cases {
        let representation = Representation::LatentGrid;
        let options = CompressOptions { representation, target: Target::Psnr(psnr), ..options() };
        let compressed = agree(name, &python, &volume, &options);
        assert!(sections(&compressed).contains(b"LATG"), "{name}");
    }
}

/// A box, or a ball as a mask.
fn focus(shape: [usize; 3], region: Region, quality: FocusQuality, is_a_ball: bool) -> Option<Focus> {
    let middle: [f64; 3] = std::array::from_fn(|a| 0.5 * (region.start[a] + region.end[a] - 1) as f64);
    let radius = 0.5 * (0..3).map(|a| (region.end[a] - region.start[a]) as f64).fold(f64::INFINITY, f64::min);
    let ball = samples(shape, |at| {
        let squares: f64 = (0..3).map(|a| (at[a] as f64 - middle[a]).powi(2)).sum();
        f64::from(u8::from(squares <= radius * radius))
    });
    let region = match is_a_ball {
        true => FocusRegion::Mask(Arc::new(floats(ball, shape))),
        false => FocusRegion::Box(region),
    };
    Some(Focus { region, quality })
}

#[test]
fn it_reads_latent_grids_with_a_focus() {
    let Some(python) = python() else { return };
    let smooth = |shape| samples(shape, |index| measurement(index.map(|n| n as f64)));
    let [far, many, small] = [[1100, 9, 8], [133, 131, 2], [9, 8, 7]];
    let cases = [
        ("float32", masked_floats(), [[3, 4, 5], [17, 12, 11]], true),
        // Two bricks, three cells along x.
        ("int16", masked_integers(), [[30, 3, 0], [52, 20, 5]], false),
        // A root, blocks above, and blocks of voxels; the focus is in two of them.
        ("two tiers", floats(smooth(far), far), [[250, 0, 0], [263, 9, 8]], false),
        ("four blocks", Volume::new(smooth(many), many).unwrap(), [[120, 120, 0], [133, 131, 2]], true),
        ("one level", floats(smooth(small), small), [[1, 1, 1], [3, 3, 3]], false),
    ];
    for (name, volume, [start, end], is_a_ball) in cases {
        let quality = FocusQuality::Psnr(58.0);
        let options = CompressOptions {
            representation: Representation::LatentGrid,
            target: Target::Psnr(40.0),
            focus: focus(volume.shape(), Region { start, end }, quality, is_a_ball),
            ..options()
        };
        let compressed = agree(name, &python, &volume, &options);
        assert!(sections(&compressed).contains(b"FOCS"), "{name}");
        // Exact, beside a latent grid that is the same everywhere.
        let quality = FocusQuality::Lossless;
        let focus = focus(volume.shape(), Region { start, end }, quality, is_a_ball);
        let compressed = agree(name, &python, &volume, &CompressOptions { focus, ..options });
        assert!(sections(&compressed).contains(b"INTS"), "{name}");
    }
}

#[test]
fn it_reads_latent_grids_with_a_perceptron() {
    let Some(python) = python() else { return };
    // A ball and a plate; of the second grid, level 0 splits all axes and level 1 two of them.
    for shape in [[61, 50, 45], [90, 80, 12]] {
        let scene = samples(shape, |index| {
            let [x, y, z] = index.map(|n| n as f64);
            let ball = ((x - 30.2).powi(2) + (y - 24.9).powi(2) + (1.7 * (z - 8.3)).powi(2)).sqrt() - 12.0;
            let plate = (0.31 * x + 0.77 * y - 0.2 * z - 40.0).abs() - 5.0;
            let inside = |off: f64| 1.0 / (1.0 + (1.6 * off).exp());
            let wave = (0.2 * x).sin() * (0.3 * z + 0.15 * y).cos();
            100.0 * inside(ball) + 60.0 * inside(plate) + 40.0 * wave
        });
        // As float64, which shows the field's values without a rounding.
        let exact = Volume::new(scene.clone(), shape).unwrap();
        let corrected = Volume::new(scene.iter().map(|&v| v as f32).collect::<Vec<_>>(), shape).unwrap();
        let region = Region { start: [33, 4, 2], end: [47, 12, 10] };
        let in_focus = focus(shape, region, FocusQuality::Psnr(60.0), false);
        for (name, volume, target, focus) in [
            ("psnr", &exact, Target::Psnr(45.0), None),
            ("focus", &exact, Target::Psnr(45.0), in_focus),
            ("bound", &corrected, Target::MaxError(4.0), None),
        ] {
            let representation = Representation::Smallest;
            let options = CompressOptions { representation, target, focus, ..options() };
            let compressed = agree(name, &python, volume, &options);
            let engine = Arc::new(Cpu::new(1).unwrap());
            let opened = NeuralVolume::from_bytes(&compressed, name, engine).unwrap();
            let model = opened.model_summary();
            assert!(model.contains("perceptron"), "{name}: {model}");
        }
    }
}
