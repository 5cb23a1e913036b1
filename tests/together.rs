//! Files that several processes make together: the same bytes as one process makes, a share of the work for each, and no process that
//! waits for one that failed. The processes are threads here.

use neuvol::train::{
    Communicator, CompressOptions, CompressedSource, Part, Piece, Preset, Progress, Stage, Target,
    compress_source, compress_together,
};
use neuvol::volume::{SampleType, Samples, Source, VolumeHeader};
use neuvol::{Error, Result, Volume};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Barrier, Mutex};

/// Three blocks along x, two along y and along z.
const SHAPE: [usize; 3] = [300, 150, 140];
const MEMORY: u64 = 1 << 30;

/// Threads that pass messages through one table.
struct Processes {
    barrier: Barrier,
    table: Mutex<Vec<Vec<Vec<u8>>>>,
}

struct Process<'a> {
    rank: usize,
    size: usize,
    all: &'a Processes,
}

impl Process<'_> {
    fn pass<T>(&self, own: Vec<Vec<u8>>, take: impl FnOnce(&[Vec<Vec<u8>>]) -> T) -> Result<T> {
        self.all.table.lock().unwrap()[self.rank] = own;
        self.all.barrier.wait();
        let taken = take(&self.all.table.lock().unwrap());
        self.all.barrier.wait();
        Ok(taken)
    }
}

impl Communicator for Process<'_> {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.pass(vec![bytes.to_vec()], |table| table.iter().map(|own| own[0].clone()).collect())
    }

    fn exchange(&self, bytes: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        assert_eq!(bytes.len(), self.size);
        self.pass(bytes, |table| table.iter().map(|to_each| to_each[self.rank].clone()).collect())
    }
}

/// Runs as many processes; what each says, by rank.
fn run<T: Send>(size: usize, work: impl Fn(&Process<'_>) -> T + Sync) -> Vec<std::thread::Result<T>> {
    let all = Processes { barrier: Barrier::new(size), table: Mutex::new(vec![Vec::new(); size]) };
    std::thread::scope(|scope| {
        let (work, all) = (&work, &all);
        let threads: Vec<_> =
            (0..size).map(|rank| scope.spawn(move || work(&Process { rank, size, all }))).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    })
}

fn volume(sample_type: SampleType, masked: bool) -> Volume {
    let [nx, ny, _] = SHAPE;
    let mut samples = Samples::zeros(sample_type, SHAPE.iter().product());
    for i in 0..samples.len() {
        let [x, y, z] = [i % nx, i / nx % ny, i / (nx * ny)].map(|n| n as f64);
        let noise = f64::from((i as u32).wrapping_mul(2_654_435_769) >> 16) / 65536.0;
        let ball =
            if (x - 140.0).powi(2) + (y - 70.0).powi(2) + (z - 80.0).powi(2) < 2500.0 { 400.0 } else { 0.0 };
        let value = ball + 300.0 * (0.03 * x).sin() * (0.04 * y + 0.1 * z).cos() + 20.0 * noise;
        samples.set(i, if masked && x < 140.0 && z > 30.0 { -2000.0 } else { value.round() });
    }
    let mut volume = Volume::new(samples, SHAPE).unwrap();
    volume.fill_value = masked.then_some(-2000.0);
    volume.geometry.spacing = [0.5, 0.5, 2.0];
    volume.name = "scene".into();
    volume
}

/// How the samples lie with the processes.
#[derive(Clone, Copy)]
enum Cut {
    /// Slabs along z, which share a plane with the next one.
    Slabs,
    /// Every process has all.
    Copies,
    /// Boxes of 50 x 30 x 20, dealt out in turns.
    Boxes,
    /// The last process has all, the others have nothing.
    Last,
}

fn piece(volume: &Volume, start: [usize; 3], size: [usize; 3]) -> Piece {
    Piece { start, size, samples: volume.read(start, size).unwrap() }
}

fn pieces(volume: &Volume, cut: Cut, rank: usize, size: usize) -> Vec<Piece> {
    let [nx, ny, nz] = SHAPE;
    match cut {
        Cut::Slabs => {
            let (first, last) = (rank * nz / size, ((rank + 1) * nz / size + 1).min(nz));
            vec![piece(volume, [0, 0, first], [nx, ny, last - first])]
        }
        Cut::Copies => vec![piece(volume, [0; 3], SHAPE)],
        Cut::Last if rank + 1 < size => Vec::new(),
        Cut::Last => vec![piece(volume, [0; 3], SHAPE)],
        Cut::Boxes => {
            let mut boxes = Vec::new();
            for z in (0..nz).step_by(20) {
                for y in (0..ny).step_by(30) {
                    boxes.extend((0..nx).step_by(50).map(|x| [x, y, z]));
                }
            }
            let own = boxes.into_iter().enumerate().filter(|(n, _)| n % size == rank);
            own.map(|(_, start)| piece(volume, start, [50, 30, 20])).collect()
        }
    }
}

fn options(target: Target) -> CompressOptions {
    CompressOptions { target, threads: 1, preset: Preset::Fast, ..Default::default() }
}

/// Makes a file; what each process says.
fn together(
    volume: &Volume,
    cut: Cut,
    size: usize,
    path: &Path,
    target: Target,
    observe: impl Fn(usize, &Progress) -> ControlFlow<()> + Sync,
) -> Vec<std::thread::Result<Result<CompressedSource>>> {
    let header = VolumeHeader::of(volume);
    run(size, |process| {
        let pieces = pieces(volume, cut, process.rank, size);
        let part = Part { header: header.clone(), pieces, options: options(target) };
        compress_together(process, Ok(part), path, MEMORY, |now| observe(process.rank, now))
    })
}

fn go_on(_: usize, _: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn any_number_of_processes_makes_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let (expected, found) = (folder.path().join("expected.nvol"), folder.path().join("found.nvol"));
    for (masked, target, cuts) in [
        (false, Target::Psnr(42.0), &[(Cut::Slabs, 2), (Cut::Boxes, 4), (Cut::Copies, 3)][..]),
        (true, Target::Ratio(30.0), &[(Cut::Boxes, 2), (Cut::Last, 3)]),
        (true, Target::Lossless, &[(Cut::Slabs, 4), (Cut::Boxes, 15), (Cut::Slabs, 1)]),
        (false, Target::MaxError(4.0), &[(Cut::Slabs, 3)]),
        (true, Target::Size(90_000), &[(Cut::Slabs, 2)]),
    ] {
        let volume = volume(SampleType::I16, masked);
        let single =
            compress_source(&volume, &expected, &options(target), MEMORY, |_| ControlFlow::Continue(()));
        let single = single.unwrap();
        let bytes = std::fs::read(&expected).unwrap();
        for &(cut, size) in cuts {
            for done in together(&volume, cut, size, &found, target, go_on) {
                let done = done.unwrap().unwrap();
                assert_eq!((done.file_bytes, done.fidelity), (single.file_bytes, single.fidelity.clone()));
            }
            assert!(std::fs::read(&found).unwrap() == bytes, "{target:?} by {size}");
            std::fs::remove_file(&found).unwrap();
        }
    }
}

#[test]
fn every_process_codes_its_share_of_the_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let volume = volume(SampleType::U8, false);
    for size in [2, 4] {
        let coded = Mutex::new(vec![0; size]);
        let count = |rank: usize, now: &Progress| {
            // The search on the sample has as many steps on every process.
            if now.stage == Stage::Reading {
                coded.lock().unwrap()[rank] = now.steps;
            }
            ControlFlow::Continue(())
        };
        let path = folder.path().join("a.nvol");
        let done = together(&volume, Cut::Copies, size, &path, Target::Psnr(35.0), count);
        assert!(done.into_iter().all(|done| done.unwrap().is_ok()));
        assert_eq!(*coded.lock().unwrap(), vec![12 / size as u64; size]);
    }
}

/// What each process says, and that no file is left.
fn failures(
    size: usize,
    work: impl Fn(&Process<'_>, &Path) -> Result<CompressedSource> + Sync,
) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nvol");
    let found = run(size, |process| work(process, &path));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something is left behind");
    let text = |found: std::thread::Result<Result<CompressedSource>>| match found {
        Ok(Ok(_)) => "done".into(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "panic".into(),
    };
    found.into_iter().map(text).collect()
}

#[test]
fn when_one_process_fails_all_end_and_say_why() {
    let volume = volume(SampleType::U8, false);
    let header = VolumeHeader::of(&volume);
    let go_on = |_: &Progress| ControlFlow::Continue(());
    let slabs = |process: &Process<'_>| {
        let pieces = pieces(&volume, Cut::Slabs, process.rank, process.size);
        Part { header: header.clone(), pieces, options: options(Target::Psnr(35.0)) }
    };

    let missing = failures(3, |process, path| {
        let mut part = slabs(process);
        if process.rank == 1 {
            part.pieces.clear();
        }
        compress_together(process, Ok(part), path, MEMORY, go_on)
    });
    assert!(missing.iter().all(|text| text.contains("no process holds voxel")), "{missing:?}");

    let other = failures(2, |process, path| {
        let mut part = slabs(process);
        part.header.name = format!("scene {}", process.rank);
        compress_together(process, Ok(part), path, MEMORY, go_on)
    });
    assert!(other.iter().all(|text| text.starts_with("the processes want different things")), "{other:?}");

    let wrong = failures(3, |process, path| {
        let mut part = slabs(process);
        if process.rank == 2 {
            part.pieces[0].start[0] = 1;
        }
        compress_together(process, Ok(part), path, MEMORY, go_on)
    });
    assert!(wrong[2].contains("no part of a volume of [300, 150, 140] voxels of uint8"), "{wrong:?}");
    assert!(wrong[..2].iter().all(|text| text.starts_with("process 2 failed: a piece of")), "{wrong:?}");

    for stage in [Stage::Reading, Stage::Coding, Stage::Measuring] {
        let stopped = failures(2, |process, path| {
            compress_together(process, Ok(slabs(process)), path, MEMORY, |now| {
                match process.rank == 1 && now.stage == stage {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })
        });
        assert!(stopped.iter().all(|text| *text == Error::Interrupted.to_string()), "{stage:?}: {stopped:?}");
    }

    let panicked = failures(3, |process, path| {
        compress_together(process, Ok(slabs(process)), path, MEMORY, |now| {
            assert!(process.rank != 0 || now.stage != Stage::Coding, "on purpose");
            ControlFlow::Continue(())
        })
    });
    assert_eq!(panicked[0], "panic");
    assert!(
        panicked[1..].iter().all(|text| text.starts_with("process 0 failed: it panicked")),
        "{panicked:?}"
    );

    let nowhere = failures(2, |process, path| {
        let path = path.join("no folder").join("a.nvol");
        compress_together(process, Ok(slabs(process)), &path, MEMORY, go_on)
    });
    assert!(nowhere[0].contains("no folder") && nowhere[1].starts_with("process 0 failed: "), "{nowhere:?}");

    let unreachable = failures(2, |process, path| {
        let part = Part { options: options(Target::Size(100)), ..slabs(process) };
        compress_together(process, Ok(part), path, MEMORY, go_on)
    });
    assert!(unreachable.iter().all(|text| text.contains("100 bytes")), "{unreachable:?}");

    let nothing = failures(2, |process, path| {
        let error = || Error::Options("there is no array".into());
        let part = if process.rank == 0 { Err(error()) } else { Ok(slabs(process)) };
        compress_together(process, part, path, MEMORY, go_on)
    });
    assert_eq!(nothing, ["there is no array", "process 0 failed: there is no array"]);
}
