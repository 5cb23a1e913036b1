//! A file as an object of random access: what is read of it, what a damaged part leaves, levels of detail.

mod frame;

use neuvol::engine::cpu::Cpu;
use neuvol::sample::{LevelOfDetail, OpenOptions, Outside, Space};
use neuvol::train::{Architecture, CompressOptions, Preset, Representation, Target, compress};
use neuvol::volume::{Geometry, SampleType, Samples};
use neuvol::{Axis, Error, NeuralVolume, ReadAt, Region, Volume};
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Bytes that count what is read of them.
struct Counted(Vec<u8>, AtomicU64);

impl ReadAt for Counted {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }
    fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.fetch_add(out.len() as u64, Ordering::Relaxed);
        self.0.read_exact_at(out, offset)
    }
}

fn open(bytes: Vec<u8>) -> (NeuralVolume, Arc<Counted>) {
    let source = Arc::new(Counted(bytes, AtomicU64::new(0)));
    let options = OpenOptions::from(Arc::new(Cpu::new(2).unwrap()) as Arc<dyn neuvol::engine::Engine>);
    (NeuralVolume::open_source(source.clone(), "test.nvol", options).unwrap(), source)
}

fn fast(target: Target) -> CompressOptions {
    CompressOptions { target, preset: Preset::Fast, threads: 2, ..CompressOptions::default() }
}

/// A hash of a voxel's number, 0 to 1.
fn noise(n: usize) -> f32 {
    let mixed = (n as u32).wrapping_mul(0x9E37_79B9);
    (mixed ^ mixed >> 15).wrapping_mul(0x85EB_CA6B) as f32 / u32::MAX as f32
}

/// Two tiers of blocks along x, noise over a wave: every block has something to say.
const LONG: [usize; 3] = [1300, 40, 24];

fn long() -> &'static Vec<u8> {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let [nx, ny, nz] = LONG;
        let value =
            |n: usize| ((n % nx) as f32 * 0.02).sin() + ((n / nx % ny) as f32 * 0.3).cos() + 0.2 * noise(n);
        let volume = Volume::new((0..nx * ny * nz).map(value).collect::<Vec<f32>>(), LONG).unwrap();
        compress(&volume, &fast(Target::Psnr(40.0))).unwrap().bytes
    })
}

#[test]
fn opening_reads_the_index_and_a_part_reads_its_blocks() {
    let (neural, source) = open(long().clone());
    let read = || source.1.swap(0, Ordering::Relaxed);
    let length = long().len() as u64;
    assert!(neural.info().shape == LONG && read() <= 4096);
    let whole = neural.read_region(Region::whole(LONG), 1).unwrap();
    let of_all = read();
    assert!(of_all > length * 9 / 10 && of_all <= length, "{of_all} of {length}");
    // Slices at both ends: a block or two of eleven, the one above, the root.
    for index in [0, 60, 700, 1299] {
        let (neural, source) = open(long().clone());
        let slice = neural.read_region(Region::slice(LONG, Axis::X, index), 1).unwrap();
        let read = source.1.load(Ordering::Relaxed);
        assert!(read < length / 3, "slice {index}: {read} of {length}");
        for (i, z) in (0..24).flat_map(|z| (0..40).map(move |y| (y, z))).enumerate() {
            let expected = whole.samples().get(index + 1300 * (z.0 + 40 * z.1));
            assert_eq!(slice.samples().get(i), expected, "slice {index}");
        }
    }
    // A coarse level: nothing of the finest blocks, and for the root's own nothing else.
    for (level, most) in [(2, 3), (4, 20), (5, 20)] {
        let (neural, source) = open(long().clone());
        let shape = neural.levels()[level].shape;
        neural.read_level(level, Region::whole(shape)).unwrap();
        let read = source.1.load(Ordering::Relaxed);
        assert!(read < 4096 + length / most, "level {level}: {read} of {length}");
        assert_eq!(neural.evaluated(), shape.iter().product::<usize>() as u64, "level {level}");
    }
}

#[test]
fn a_part_of_a_level_costs_its_own_samples() {
    let length = long().len() as u64;
    // A slice in the middle, and points along the middle line: of a level's samples, those around them, and of the file the
    // blocks above them. Level 1 needs blocks of the finest tier, but for a slice one or two of eleven.
    let middle = [650.0, 20.0, 12.0];
    for (level, most) in [(1, 3), (2, 3), (3, 3), (4, 20)] {
        let (neural, source) = open(long().clone());
        let LevelOfDetail { shape, stride } = neural.levels()[level];
        neural.read_level(level, Region::slice(shape, Axis::X, shape[0] / 2)).unwrap();
        let read = source.1.load(Ordering::Relaxed);
        assert!(read < 4096 + length / most, "level {level}: {read} of {length}");
        assert_eq!(neural.evaluated(), (shape[1] * shape[2]) as u64);

        let (neural, source) = open(long().clone());
        let points = [0, 1, 2].map(|n| [middle[0] + f64::from(n) * stride[0] as f64, middle[1], middle[2]]);
        let mut values = [0.0; 3];
        neural.values_at_level(level, &points, Space::Index, Outside::Clamp, &mut values).unwrap();
        let read = source.1.load(Ordering::Relaxed);
        assert!(read < 4096 + length / most, "points of level {level}: {read} of {length}");
        // Cells of two samples along each axis, in two boxes at most.
        assert!((16..=24).contains(&neural.evaluated()), "{}", neural.evaluated());
    }
}

#[test]
fn a_level_is_read_into_any_type_and_can_be_stopped() {
    let (neural, _) = open(compress(&ramp([80, 41, 22], false), &fast(Target::Psnr(60.0))).unwrap().bytes);
    let part = Region { start: [3, 2, 1], end: [40, 20, 11] };
    let wanted = neural.read_level(1, part).unwrap();
    let mut go_on = |_| ControlFlow::Continue(());
    for sample_type in [SampleType::F32, SampleType::F64, SampleType::I16] {
        let mut out = Samples::zeros(sample_type, wanted.len());
        neural.read_level_into(1, part, &mut out.as_mut(), &mut go_on).unwrap();
        for i in 0..wanted.len() {
            let value = wanted.samples().get(i);
            let expected = if sample_type == SampleType::I16 { value.round() } else { value };
            assert_eq!(out.get(i), expected, "{sample_type}");
        }
    }
    let mut short = Samples::zeros(SampleType::F32, 7);
    let refused = neural.read_level_into(1, part, &mut short.as_mut(), &mut go_on).unwrap_err().to_string();
    assert!(refused.contains("6660 samples, but room for 7"), "{refused}");
    let mut out = Samples::zeros(SampleType::F32, wanted.len());
    let stopped = neural.read_level_into(1, part, &mut out.as_mut(), &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(Error::Interrupted)));
}

#[test]
fn a_damaged_block_is_named_and_leaves_the_rest() {
    let (neural, _) = open(long().clone());
    let whole = neural.read_region(Region::whole(LONG), 1).unwrap();
    assert!(neural.verify().unwrap().damaged.is_empty());
    // In the last block of the finest level, which ends the file.
    let mut bytes = long().clone();
    let at = bytes.len() - 9;
    bytes[at] ^= 16;
    let (neural, _) = open(bytes);
    let found = neural.verify().unwrap();
    let [damage] = &found.damaged[..] else { panic!("{found:?}") };
    assert_eq!((damage.section, damage.coarsest_level), ("LATG", Some(1)));
    assert_eq!(damage.region, Region { start: [1280, 0, 0], end: LONG });
    let error = neural.read_region(Region::slice(LONG, Axis::X, 1299), 1).unwrap_err().to_string();
    assert!(error.contains("test.nvol: section LATG: block 10 of level 0 (voxels 1280 to 1299"), "{error}");
    let before = Region { start: [0; 3], end: [1200, 40, 24] };
    let rest = neural.read_region(before, 1).unwrap();
    assert!((0..1200).all(|x| rest.samples().get(x) == whole.samples().get(x)));
    let level = |level: usize| neural.read_level(level, Region::whole(neural.levels()[level].shape));
    assert!(level(0).is_err() && level(1).is_err());
    (2..neural.levels().len()).for_each(|coarser| drop(level(coarser).unwrap()));
    // The root's stream begins the data, and that of the block above all of the others follows: they end what depends on them.
    let last = neural.levels().len() - 1;
    let data = frame::index_end(long());
    // Before them lie the ranges of cells, which no value depends on.
    let mut seen = Vec::new();
    for at in (data..).step_by(400) {
        if seen.len() == 3 {
            break;
        }
        let mut bytes = long().clone();
        bytes[at] ^= 1;
        let (neural, _) = open(bytes);
        let found = neural.verify().unwrap();
        assert_eq!(found.damaged.len(), 1);
        let damage = &found.damaged[0];
        if seen.contains(&damage.coarsest_level) {
            continue;
        }
        for (level, of) in neural.levels().iter().enumerate() {
            let read = neural.read_level(level, Region::whole(of.shape));
            assert_eq!(read.is_ok(), Some(level) > damage.coarsest_level, "{damage:?}: level {level}");
            assert!(damage.coarsest_level.is_some() || damage.section == "RANG");
        }
        seen.push(damage.coarsest_level);
    }
    assert_eq!(seen, [None, Some(last), Some(3)]);
}

/// The command reads every file that it is given, and says what is wrong with which.
#[test]
fn the_command_verifies_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut damaged = long().clone();
    let at = damaged.len() - 9;
    damaged[at] ^= 16;
    for (name, bytes) in
        [("a.nvol", long()), ("b.nvol", &damaged), ("c.nvol", long()), ("d.nvol", &vec![1; 50])]
    {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let run = |names: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_neuvol"));
        let output = command.current_dir(folder.path()).arg("verify").args(names).output().unwrap();
        let [said, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), said, errors)
    };
    let (code, said, errors) = run(&["a.nvol"]);
    assert!(
        code == Some(0) && said.starts_with("a.nvol: as it was written (") && errors.is_empty(),
        "{said}{errors}"
    );
    let (code, said, errors) = run(&["d.nvol", "b.nvol", "c.nvol"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("b.nvol: section LATG: block 10 of level 0") && said.contains("c.nvol: as it was"),
        "{said}"
    );
    assert!(
        errors.contains("d.nvol: not a .nvol file") && errors.contains("levels of detail from 2 on"),
        "{errors}"
    );
}

/// A ramp in a frame of its own; x is masked from 60 on where `masked`.
fn ramp(shape: [usize; 3], masked: bool) -> Volume {
    let [nx, ny, _] = shape;
    let value = |n: usize| match (n % nx, n / nx % ny, n / nx / ny) {
        (60.., ..) if masked => -1e4,
        (x, y, z) => x as f32 + 2.0 * y as f32 - 3.0 * z as f32,
    };
    let mut volume =
        Volume::new((0..shape.iter().product()).map(value).collect::<Vec<f32>>(), shape).unwrap();
    volume.fill_value = masked.then_some(-1e4);
    volume.geometry =
        Geometry { origin: [5.0, -7.0, 100.0], spacing: [0.5, 0.25, 2.0], ..Geometry::default() };
    volume
}

#[test]
fn levels_of_every_kind_of_file_are_filtered_where_they_lie() {
    let shape = [80, 41, 22];
    let hash_grid = Representation::Network(Architecture::default());
    for (name, masked, target, representation, off) in [
        ("latent grid", false, Target::Psnr(82.0), Representation::default(), 0.5),
        ("latent grid, masked", true, Target::Psnr(82.0), Representation::LatentGrid, 0.5),
        ("bounded", false, Target::MaxError(0.05), Representation::default(), 0.4),
        ("lossless", false, Target::Lossless, Representation::default(), 1e-4),
        ("lossless, masked", true, Target::Lossless, Representation::default(), 1e-4),
        ("hash grid", false, Target::Psnr(45.0), hash_grid, 8.0),
    ] {
        let volume = ramp(shape, masked);
        let options = CompressOptions { representation, ..fast(target) };
        let (neural, _) = open(compress(&volume, &options).unwrap().bytes);
        let levels = neural.levels();
        assert_eq!(levels[0], LevelOfDetail { shape, stride: [1; 3] });
        assert_eq!(levels[2], LevelOfDetail { shape: [20, 11, 6], stride: [4; 3] });
        // 6 slices are not halved once more.
        assert_eq!(levels[3], LevelOfDetail { shape: [10, 6, 6], stride: [8, 8, 4] });
        for (level, LevelOfDetail { shape, stride }) in levels.iter().copied().enumerate().take(4) {
            let read = neural.read_level(level, Region::whole(shape)).unwrap();
            assert_eq!(read.shape(), shape, "{name}");
            assert_eq!(read.geometry.origin, volume.geometry.origin);
            assert_eq!(
                read.geometry.spacing,
                [0, 1, 2].map(|a| volume.geometry.spacing[a] * stride[a] as f64)
            );
            // Away from the border, and from the mask's edge: there is the filter's own.
            for (i, [x, y, z]) in voxels(shape).enumerate() {
                let at = [x * stride[0], y * stride[1], z * stride[2]];
                let value = read.samples().get(i);
                if masked && at[0] >= 60 {
                    assert_eq!(value, -1e4, "{name}, level {level}");
                    continue;
                }
                let last = if masked { [59, 40, 21] } else { [79, 40, 21] };
                let inside = (0..3).all(|a| at[a] >= 2 * stride[a] && at[a] + 2 * stride[a] <= last[a]);
                let expected = at[0] as f64 + 2.0 * at[1] as f64 - 3.0 * at[2] as f64;
                let most = if inside || level == 0 { off } else { 8.0 * stride[0] as f64 + off };
                assert!(
                    (value - expected).abs() <= most,
                    "{name}, level {level}, {at:?}: {value}, {expected}"
                );
            }
            // A part of it has the same samples, and says where it lies.
            let part = Region { start: [2, 1, 1], end: [shape[0] - 1, 5, 3] };
            let some = neural.read_level(level, part).unwrap();
            let first = [2 * stride[0], stride[1], stride[2]].map(|n| n as f64);
            assert_eq!(some.geometry.origin, volume.geometry.index_to_world(first));
            for (i, [x, y, z]) in voxels(some.shape()).enumerate() {
                let index = x + 2 + shape[0] * (y + 1 + shape[1] * (z + 1));
                assert_eq!(some.samples().get(i), read.samples().get(index), "{name}, level {level}");
            }
        }
        let beyond = neural.read_level(99, Region::whole([1; 3])).unwrap_err().to_string();
        assert!(beyond.contains("there is no level 99"), "{beyond}");
        assert!(neural.read_level(2, Region::whole(shape)).is_err(), "regions are in the level's samples");
    }
}

#[test]
fn points_of_a_level_are_between_its_samples() {
    let (level, shape) = (2, [80, 41, 22]);
    for (name, masked, target, representation) in [
        ("latent grid, masked", true, Target::Psnr(82.0), Representation::LatentGrid),
        ("lossless", false, Target::Lossless, Representation::default()),
        ("bounded", false, Target::MaxError(0.05), Representation::default()),
    ] {
        let volume = ramp(shape, masked);
        let options = CompressOptions { representation, ..fast(target) };
        let (neural, _) = open(compress(&volume, &options).unwrap().bytes);
        let whole = neural.read_level(level, Region::whole(neural.levels()[level].shape)).unwrap();
        // 20 x 11 x 6, 4 voxels apart; of masked ones, columns from 15 on are.
        let sample = |[x, y, z]: [usize; 3]| whole.samples().get(x + 20 * (y + 11 * z));
        let values = |points: &[[f64; 3]], space: Space, outside: Outside| {
            let mut values = vec![0.0; points.len()];
            neural.values_at_level(level, points, space, outside, &mut values).unwrap();
            values.into_iter().map(f64::from).collect::<Vec<f64>>()
        };
        let close = |value: f64, wanted: f64| (value - wanted).abs() <= 1e-4 * (1.0 + wanted.abs());
        let at: Vec<[usize; 3]> = voxels([20, 11, 6]).collect();
        let indices: Vec<[f64; 3]> = at.iter().map(|at| at.map(|n| 4.0 * n as f64)).collect();
        let worlds: Vec<[f64; 3]> = indices.iter().map(|&at| volume.geometry.index_to_world(at)).collect();
        for found in [
            values(&indices, Space::Index, Outside::Clamp),
            values(&worlds, Space::World, Outside::Value(f64::NAN)),
        ] {
            for (value, at) in found.into_iter().zip(&at) {
                assert!(close(value, sample(*at)), "{name}: {at:?}");
            }
        }
        // A quarter and a half of the way; behind the last sample along x, y and z; outside.
        let between =
            |a: [usize; 3], b: [usize; 3], share: f64| (1.0 - share) * sample(a) + share * sample(b);
        let behind = if masked { -1e4 } else { sample([19, 5, 2]) };
        let places = [
            ([21.0, 20.0, 8.0], between([5, 5, 2], [6, 5, 2], 0.25)),
            ([20.0, 20.0, 10.0], between([5, 5, 2], [5, 5, 3], 0.5)),
            ([79.0, 20.0, 8.0], behind),
            ([20.0, 20.0, 20.9], sample([5, 5, 5])),
            ([20.0, 20.0, 21.5], 7.0),
            ([f64::NAN, 20.0, 8.0], f64::NAN),
        ];
        let found = values(&places.map(|(place, _)| place), Space::Index, Outside::Value(7.0));
        for (value, (place, wanted)) in found.into_iter().zip(places) {
            assert!(close(value, wanted) || value.is_nan() && wanted.is_nan(), "{name}, {place:?}: {value}");
        }
        if masked {
            // The voxel is there, and of the samples beside it the one before it.
            let beside = values(&[[59.0, 20.0, 8.0], [59.6, 20.0, 8.0]], Space::Index, Outside::Clamp);
            assert!(close(beside[0], sample([14, 5, 2])) && beside[1] == -1e4, "{beside:?}");
        }
    }
    let (neural, _) = open(long().clone());
    let mut value = [0.0];
    let mut ask =
        |level| neural.values_at_level(level, &[[1.5; 3]], Space::Index, Outside::Clamp, &mut value);
    assert!(ask(99).unwrap_err().to_string().contains("there is no level 99"));
    ask(0).unwrap();
    assert_eq!(
        Some(f64::from(value[0])),
        neural.value_at([1.5; 3], Space::Index).unwrap().map(|v| f64::from(v as f32))
    );
}

fn voxels([nx, ny, nz]: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..nz).flat_map(move |z| (0..ny).flat_map(move |y| (0..nx).map(move |x| [x, y, z])))
}
