//! What the fuzz targets share: bytes as a file of a format, read with tight limits.

use neuvol::io::{Limits, OpenOptions};
use std::cell::OnceCell;
use std::path::PathBuf;

/// A volume of more bytes than this is refused, so that what is found is no honest large file.
const LARGEST_VOLUME_BYTES: u64 = 64 << 20;

/// The same for a neural volume, of which a few megabytes may be decoded.
const LARGEST_NEURAL_BYTES: u64 = 1 << 36;
const MOST_NEURAL_MEMORY: u64 = 32 << 20;

thread_local! {
    static FOLDER: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
}

/// A file in memory where the system has such files, else in the folder for temporary ones.
fn file(name: &str) -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    FOLDER
        .with(|folder| folder.get_or_init(|| tempfile::tempdir_in(root).expect("a folder")).path().join(name))
}

/// Reads bytes as a file of this name. Any outcome is fine that is no crash: a volume, or an error with a reason.
pub fn open(bytes: &[u8], name: &str) {
    let path = file(name);
    std::fs::write(&path, bytes).expect("a file");
    let limits = Limits { volume_bytes: LARGEST_VOLUME_BYTES, ..Limits::default() };
    let options = OpenOptions { limits, ..OpenOptions::default() };
    let steps = neuvol::io::time_steps(&path, &options);
    let chosen = OpenOptions {
        time_step: steps.as_ref().ok().filter(|&&steps| steps > 1).map(|steps| steps - 1),
        allow_gaps: true,
        allow_duplicates: true,
        largest_group: true,
        resample_tilt: true,
        ..options
    };
    let whole = neuvol::io::open(&path, &chosen);
    let source = neuvol::io::open_source(&path, &chosen).and_then(|source| {
        let Some(source) = source else { return Ok(None) };
        source.read([0; 3], source.header().shape).map(Some)
    });
    match (&whole, source) {
        (Ok(volume), Ok(Some(samples))) => assert_eq!(volume.samples().as_bytes(), samples.as_bytes()),
        (Ok(_), Err(error)) => panic!("read whole, but not box by box: {error}"),
        (Err(error), Ok(Some(_))) => panic!("read box by box, but not whole: {error}"),
        _ => {}
    }
    if let Err(error) = whole {
        assert!(!error.to_string().is_empty());
        // A component, or a volume, that has to be chosen.
        let _ = neuvol::io::open(&path, &OpenOptions { component: Some(0), ..chosen.clone() });
        let _ = neuvol::io::open(&path, &OpenOptions { volume: Some("0".into()), time_step: None, ..chosen });
    }
}

/// Transfer syntaxes of compressed frames, without what all begin with.
const SYNTAXES: [&str; 8] = ["4.80", "4.70", "4.51", "4.50", "4.90", "4.201", "5", "8.1"];

/// Reads bytes as a compressed frame in a DICOM file: what the file's header says is in the first five, the frame behind them.
pub fn open_frame(bytes: &[u8]) {
    let Some((&[syntax, columns, rows, cell, stored], frame)) = bytes.split_first_chunk() else { return };
    let element = |group: u16, number: u16, vr: &[u8; 2], value: &[u8]| {
        let length = (value.len() as u16).to_le_bytes();
        [&group.to_le_bytes()[..], &number.to_le_bytes(), vr, &length, value].concat()
    };
    let us = |number: u16, value: u16| element(0x28, number, b"US", &value.to_le_bytes());
    let mut uid =
        format!("1.2.840.10008.1.2.{}", SYNTAXES[usize::from(syntax) % SYNTAXES.len()]).into_bytes();
    uid.resize(uid.len().next_multiple_of(2), 0);
    let allocated = [8, 16, 32][usize::from(cell & 127) % 3];
    let stored = 1 + u16::from(stored) % allocated;
    let length = (frame.len().next_multiple_of(2) as u32).to_le_bytes();
    let file = [
        &[0; 128][..],
        b"DICM",
        &element(2, 0x10, b"UI", &uid),
        &us(2, 1),
        &us(0x10, rows.into()),
        &us(0x11, columns.into()),
        &us(0x100, allocated),
        &us(0x101, stored),
        &us(0x102, stored - 1),
        &us(0x103, (cell >> 7).into()),
        b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff",
        b"\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0",
        &length,
        frame,
        &[0][..frame.len() % 2],
        b"\xfe\xff\xdd\xe0\0\0\0\0",
    ]
    .concat();
    open(&file, "frame.dcm");
}

/// Opens bytes as a neural volume and asks for a little of it: as they are, and with their checksums mended, so that what
/// lies behind these is reached.
pub fn open_neural(bytes: &[u8]) {
    read_neural(bytes);
    let mut mended = bytes.to_vec();
    if mend_checksums(&mut mended).is_some() {
        read_neural(&mended);
    }
}

fn read_neural(bytes: &[u8]) {
    use neuvol::NeuralDataset;
    use neuvol::engine::cpu::Cpu;
    use neuvol::sample::{Limits, OpenOptions};
    use std::sync::{Arc, OnceLock};
    static ENGINE: OnceLock<Arc<Cpu>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Arc::new(Cpu::new(1).expect("a thread")));
    let limits = Limits { volume_bytes: LARGEST_NEURAL_BYTES, memory_bytes: MOST_NEURAL_MEMORY };
    let options = OpenOptions { engine: Some(engine.clone()), limits, ..OpenOptions::default() };
    let Ok(file) = NeuralDataset::open_source(Arc::new(bytes.to_vec()), "fuzz", options) else { return };
    let components = file.arrays()[0].components.len();
    for component in 0..components {
        if let Ok(volume) = file.volume(0, component, file.steps() - 1) {
            read_volume(&volume);
        }
    }
}

fn read_volume(volume: &neuvol::NeuralVolume) {
    use neuvol::Region;
    use neuvol::sample::{Outside, PointSample, Space};
    let shape = volume.info().shape;
    // Both ends of the grid: the first of them needs the coarse levels, which are decoded whole.
    let near = Region { start: [0; 3], end: shape.map(|n| n.min(4)) };
    let far = Region { start: shape.map(|n| n.saturating_sub(9)), end: shape };
    for (region, stride) in [(near, 1), (far, 4), (far, 1)] {
        let _ = volume.read_region(region, stride);
    }
    for (level, of) in volume.levels().iter().enumerate().skip(1) {
        let far = Region { start: of.shape.map(|n| n.saturating_sub(3)), end: of.shape };
        let _ = volume.read_level(level, far);
        let _ = volume.values_at_level(level, &[[0.5; 3]], Space::Index, Outside::Clamp, &mut [0.0]);
    }
    let _ = volume.verify();
    let _ = neuvol::render::Rendered::known_ranges(volume);
    let last = shape.map(|n| (n - 1) as f64);
    let points = [[0.5; 3], last, last.map(|n| n * 0.37)];
    let mut values = [0.0; 3];
    let _ = volume.values_at(&points, Space::Index, Outside::Clamp, &mut values);
    let mut samples = [PointSample::default(); 3];
    let _ = volume.values_and_gradients_at(&points, Space::World, Outside::Value(0.0), &mut samples);
}

/// Takes a number of as few bytes as it needs from the front.
fn whole(bytes: &mut &[u8]) -> Option<usize> {
    let count = bytes.iter().take(9).position(|&byte| byte < 128)? + 1;
    let (number, rest) = bytes.split_at(count);
    *bytes = rest;
    Some(number.iter().rev().fold(0, |sum, &byte| sum << 7 | usize::from(byte & 127)))
}

/// The lengths and the places of the checksums of the streams whose table ends a section: it begins where the lengths are the data's.
fn table(section: &[u8], of_data: usize) -> Option<Vec<(usize, usize)>> {
    (0..section.len()).find_map(|start| {
        let (mut rest, mut sum, mut entries) = (section.get(start..)?, 0usize, Vec::new());
        while !rest.is_empty() {
            let length = whole(&mut rest)?;
            entries.push((length, section.len() - rest.len()));
            rest = rest.get(4..)?;
            sum = sum.checked_add(length).filter(|&sum| sum <= of_data)?;
        }
        (sum == of_data).then_some(entries)
    })
}

/// Writes the checksums that FORMAT.md asks for; nothing where the index of sections is not there.
fn mend_checksums(bytes: &mut [u8]) -> Option<()> {
    const HEADER: usize = 20;
    let number = |bytes: &[u8], at: usize| {
        Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize)
    };
    let index_end = HEADER.checked_add(number(bytes, 12)?)?;
    let (mut at, mut data) = (HEADER, index_end);
    while at < index_end {
        let mut rest = bytes.get(at..index_end)?;
        let name = rest.split_off(..4)?.to_vec();
        let (own, of_data) = (whole(&mut rest)?, whole(&mut rest)?);
        let start = index_end - rest.len();
        let section = rest.get(..own)?;
        at = start + own;
        if name == b"VOLS" {
            // The volumes' lengths end the section; each is a file.
            let (mut lengths, mut sum) = (Vec::new(), 0usize);
            for entry in section.rchunks_exact(8) {
                if sum >= of_data {
                    break;
                }
                lengths.insert(0, number(entry, 0)?);
                sum = sum.checked_add(lengths[0])?;
            }
            for volume in lengths {
                let file = bytes.get_mut(data..data.checked_add(volume)?)?;
                // A file of several volumes inside of one is refused: it needs no checksums.
                if file.get(HEADER..HEADER + 4).is_none_or(|name| name != b"VOLS") {
                    mend_checksums(file);
                }
                data += volume;
            }
            continue;
        }
        let streams = if of_data > 0 { table(section, of_data) } else { None };
        for (stream, checksum_at) in streams.unwrap_or_default() {
            let checksum = crc32fast::hash(bytes.get(data..data.checked_add(stream)?)?);
            bytes
                .get_mut(start + checksum_at..start + checksum_at + 4)?
                .copy_from_slice(&checksum.to_le_bytes());
            data += stream;
        }
    }
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(..16)?);
    hasher.update(bytes.get(HEADER..index_end)?);
    bytes.get_mut(16..20)?.copy_from_slice(&hasher.finalize().to_le_bytes());
    Some(())
}
