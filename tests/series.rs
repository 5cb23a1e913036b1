//! Steps of a series over time that are coded by the step before: smaller, each as good as it was asked for, and the same samples
//! whichever way they are read.

mod frame;

use neuvol::engine::TrainingEngine;
use neuvol::engine::cpu::Cpu;
use neuvol::train::{CompressOptions, Compressed, DatasetWriter, Preset, SeriesCompressor, Target};
use neuvol::{ArrayInfo, NeuralDataset, NeuralVolume, ReadAt, Region, Volume};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const STEPS: usize = 7;
const PSNR: f64 = 44.0;

fn engine() -> Arc<dyn TrainingEngine> {
    Arc::new(Cpu::new(2).unwrap())
}

/// A texture that stays, and a ball that moves and grows warmer; a corner without data that moves, too.
fn step(shape: [usize; 3], n: usize) -> Volume {
    let value = |i: usize| {
        let [x, y, z] = [i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])].map(|n| n as f64);
        let wave = (0.31 * x).sin() * (0.23 * y + 0.4).cos() * (0.19 * z + 0.7).cos()
            + 0.3 * (0.9 * x + 0.8 * y).sin();
        let off = (x - 20.0 - 1.5 * n as f64).powi(2) + (y - 14.0).powi(2) + (z - 10.0).powi(2);
        let ball = if off < 60.0 { 1.0 + 0.1 * n as f64 } else { 0.0 };
        if x + y < 4.0 + n as f64 { f32::NAN } else { (wave + ball) as f32 }
    };
    let mut volume =
        Volume::new((0..shape.iter().product()).map(value).collect::<Vec<f32>>(), shape).unwrap();
    volume.geometry.spacing = [0.5, 1.0, 2.0];
    volume.name = "temperature".into();
    volume.provenance.insert("step".into(), n.to_string());
    volume.provenance.insert("model".into(), "a test's".into());
    volume
}

fn options(target: Target) -> CompressOptions {
    CompressOptions { target, preset: Preset::Fast, threads: 2, ..Default::default() }
}

fn compressed(shape: [usize; 3], key_frames: usize, target: Target) -> Vec<Compressed> {
    steps(shape, key_frames, target, STEPS)
}

fn steps(shape: [usize; 3], key_frames: usize, target: Target, count: usize) -> Vec<Compressed> {
    let mut series = SeriesCompressor::new(key_frames);
    let next = |n| {
        series.compress(&engine(), &step(shape, n), &options(target), |_| ControlFlow::Continue(())).unwrap()
    };
    (0..count).map(next).collect()
}

fn save(folder: &Path, steps: &[Compressed]) -> PathBuf {
    let path = folder.join("run.nvol");
    let arrays = vec![ArrayInfo { name: "temperature".into(), components: vec![String::new()] }];
    DatasetWriter::save(&path, arrays, steps.len(), None, |writer| {
        steps.iter().try_for_each(|s| writer.add(s))
    })
    .unwrap();
    path
}

fn follows(file: &Compressed) -> bool {
    frame::sections(&file.bytes).iter().any(|section| section.name == *b"STEP")
}

/// Over the original's range, of the voxels that have a value.
fn psnr(original: &Volume, decoded: &Volume) -> f64 {
    let (low, high) = original.range().unwrap();
    let (mut sum, mut count) = (0.0, 0.0);
    for i in 0..original.len() {
        let (a, b) = (original.samples().get(i), decoded.samples().get(i));
        assert_eq!(a.is_nan(), b.is_nan(), "voxel {i}");
        if !a.is_nan() {
            (sum, count) = (sum + (a - b) * (a - b), count + 1.0);
        }
    }
    20.0 * ((high - low) / f64::sqrt(sum / count)).log10()
}

fn whole(volume: &NeuralVolume) -> Volume {
    volume.read_region(Region::whole(volume.info().shape), 1).unwrap()
}

#[test]
fn every_step_meets_its_target_and_is_smaller_than_by_itself() {
    let shape = [44, 40, 36];
    let folder = tempfile::tempdir().unwrap();
    let (alone, by_before) =
        (compressed(shape, 1, Target::Psnr(PSNR)), compressed(shape, 4, Target::Psnr(PSNR)));
    assert!(alone.iter().all(|step| !follows(step)));
    assert_eq!(
        by_before.iter().map(follows).collect::<Vec<_>>(),
        [false, true, true, true, false, true, true]
    );
    for (n, (alone, by_before)) in alone.iter().zip(&by_before).enumerate().filter(|(n, _)| n % 4 > 0) {
        let (alone, by_before) = (alone.bytes.len(), by_before.bytes.len());
        assert!(10 * by_before < 8 * alone, "step {n}: {by_before} bytes, {alone} by itself");
    }
    let file = NeuralDataset::open(save(folder.path(), &by_before)).unwrap();
    for n in [5, 0, 6, 2, 1, 3, 4] {
        let (volume, original) = (file.volume(0, 0, n).unwrap(), step(shape, n));
        let decoded = whole(&volume);
        let found = psnr(&original, &decoded);
        assert!((PSNR..PSNR + 1.0).contains(&found), "step {n}: {found} dB");
        assert!(
            (volume.info().psnr() - found).abs() < 1e-6,
            "step {n}: {found} dB, told {}",
            volume.info().psnr()
        );
        // What is left to the step before is there again.
        assert_eq!(decoded.geometry, original.geometry);
        assert_eq!((volume.info().name.as_str(), volume.info().writer.is_empty()), ("temperature", false));
        assert_eq!(volume.info().provenance["step"], n.to_string());
        assert_eq!(volume.info().provenance["model"], "a test's");
        assert_eq!(volume.model_summary().contains("by the step before"), n % 4 > 0);
        assert!(volume.verify().unwrap().damaged.is_empty());
    }
}

#[test]
fn a_step_has_the_same_samples_whichever_way_it_is_reached() {
    // A root, blocks above others, and blocks of voxels; and one tier of blocks.
    const FEW: usize = 4;
    for (shape, target) in [([520, 20, 16], Target::Psnr(PSNR)), ([130, 40, 24], Target::Ratio(40.0))] {
        let folder = tempfile::tempdir().unwrap();
        let path = save(folder.path(), &steps(shape, FEW, target, FEW));
        let forward = NeuralDataset::open(&path).unwrap();
        let last = shape.map(|n| n - 1);
        for n in 0..FEW {
            let played = whole(&forward.volume(0, 0, n).unwrap());
            let fresh = NeuralDataset::open(&path).unwrap().volume(0, 0, n).unwrap();
            // A part first: blocks come one by one then.
            let part = Region { start: last.map(|n| n - n.min(9)), end: shape };
            let corner = fresh.read_region(part, 1).unwrap();
            assert_eq!(
                corner.samples().get(corner.len() - 1).to_bits(),
                played.samples().get(played.len() - 1).to_bits()
            );
            let coarse = fresh.levels().len() - 1;
            let level = fresh.read_level(coarse, Region::whole(fresh.levels()[coarse].shape)).unwrap();
            assert!(!level.is_empty());
            assert_eq!(
                whole(&fresh).samples().as_bytes(),
                played.samples().as_bytes(),
                "step {n} of {shape:?}"
            );
        }
        let summary = forward.volume(0, 0, 1).unwrap().model_summary();
        assert!(summary.contains("perceptron"), "{summary}");
    }
}

/// A file that counts what is read of it.
struct Counted(Vec<u8>, AtomicU64);

impl ReadAt for Counted {
    fn length(&self) -> std::io::Result<u64> {
        self.0.length()
    }
    fn read_exact_at(&self, out: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.1.fetch_add(out.len() as u64, Ordering::Relaxed);
        self.0.read_exact_at(out, offset)
    }
}

#[test]
fn playing_forward_reads_each_step_once() {
    let shape = [140, 60, 50];
    let folder = tempfile::tempdir().unwrap();
    let steps = compressed(shape, STEPS, Target::Psnr(50.0));
    let bytes = std::fs::read(save(folder.path(), &steps)).unwrap();
    let source = Arc::new(Counted(bytes, AtomicU64::new(0)));
    let file = NeuralDataset::open_source(source.clone(), "run.nvol", engine_for_reading()).unwrap();
    for (n, step) in steps.iter().enumerate() {
        let before = source.1.load(Ordering::Relaxed);
        whole(&file.volume(0, 0, n).unwrap());
        let read = source.1.load(Ordering::Relaxed) - before;
        // Its own bytes; the index comes in pieces of 4 kB.
        assert!(read <= step.bytes.len() as u64 + 4096, "step {n}: {read} bytes of {}", step.bytes.len());
    }
}

fn engine_for_reading() -> Arc<dyn neuvol::engine::Engine> {
    Arc::new(Cpu::new(2).unwrap())
}

#[test]
fn what_cannot_follow_is_coded_by_itself() {
    let compress = |series: &mut SeriesCompressor, volume: &Volume, target| {
        series.compress(&engine(), volume, &options(target), |_| ControlFlow::Continue(())).unwrap()
    };
    let mut series = SeriesCompressor::new(8);
    let target = Target::Psnr(PSNR);
    assert!(!follows(&compress(&mut series, &step([30, 20, 16], 0), target)));
    assert!(follows(&compress(&mut series, &step([30, 20, 16], 1), target)));
    assert!(!follows(&compress(&mut series, &step([31, 20, 16], 2), target)), "another shape");
    assert!(!follows(&compress(&mut series, &step([31, 20, 16], 3), Target::Lossless)));
    let constant = Volume::new(vec![2.0f32; 9920], [31, 20, 16]).unwrap();
    assert!(!follows(&compress(&mut series, &constant, target)));
    // Nothing is known of a constant that a later step could follow.
    assert!(!follows(&compress(&mut series, &step([31, 20, 16], 4), target)));
    assert!(follows(&compress(&mut series, &step([31, 20, 16], 5), target)));
}

#[test]
fn a_size_holds_for_steps_that_follow() {
    let target = Target::Size(2500);
    for (n, step) in compressed([44, 40, 36], 4, target).iter().enumerate() {
        // What follows jumps by some bytes: nothing may lie nearer.
        assert!((2300..=2500).contains(&step.bytes.len()), "step {n}: {} bytes", step.bytes.len());
        assert_eq!(follows(step), n % 4 > 0);
    }
}

#[test]
fn steps_that_follow_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let steps = compressed([30, 20, 16], 8, Target::Psnr(PSNR));
    let alone = NeuralVolume::from_bytes(&steps[2].bytes, "step.nvol", engine_for_reading());
    let told = alone.err().expect("it follows another step").to_string();
    assert!(
        told.contains("section STEP") && told.contains("can only be read in the file that it was in"),
        "{told}"
    );
    let path = save(folder.path(), &steps[2..4]);
    let told =
        NeuralDataset::open(path).unwrap().volume(0, 0, 1).err().expect("nothing to follow").to_string();
    assert!(told.contains("none can be read alone"), "{told}");

    // A damaged stream ends the steps that follow it, and those alone.
    let (first, second) = steps[..4].split_at(2);
    let mut damaged = first.to_vec();
    // The grid's last stream is before those of the mask.
    let mask = frame::sections(&damaged[1].bytes).last().unwrap().data.len();
    let last = damaged[1].bytes.len() - mask - 1;
    damaged[1].bytes[last] ^= 1;
    let path = save(folder.path(), &[&damaged, second].concat());
    let file = NeuralDataset::open(path).unwrap();
    let read = |n: usize| {
        let volume = file.volume(0, 0, n).unwrap();
        volume.read_region(Region::whole(volume.info().shape), 1)
    };
    assert!(read(0).is_ok());
    for n in 1..4 {
        assert!(read(n).unwrap_err().to_string().contains("checksum"), "step {n}");
    }
}
