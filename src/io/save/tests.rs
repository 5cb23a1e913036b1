//! Files that are written slab by slab: the bytes, what is asked of the source, and what an error leaves.

use super::*;
use crate::io::{ArraySources, ArrayVolumes, OpenOptions, open, save_array_sources, save_arrays};
use crate::volume::SampleType;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::Read as _;
use std::sync::Mutex;

const ENDINGS: [&str; 8] = ["raw", "npy", "nii", "nii.gz", "nrrd", "mha", "mhd", "vti"];

/// Values that no compressor takes for a pattern, in a range that every type has.
fn volume(sample_type: SampleType, shape: [usize; 3]) -> Volume {
    let mut samples = Samples::zeros(sample_type, shape.iter().product());
    let mut state = 7u32;
    for i in 0..samples.len() {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        samples.set(i, f64::from(state >> 28) + (i % 97) as f64);
    }
    let mut volume = Volume::new(samples, shape).unwrap();
    volume.geometry.spacing = [0.5, 1.0, 2.0];
    volume.unit = "HU".into();
    volume.fill_value = Some(3.0);
    volume
}

/// What was asked of a source: boxes, and how often each voxel.
struct Counted {
    volume: Volume,
    boxes: Mutex<Vec<([usize; 3], [usize; 3])>>,
    /// The read that fails.
    failing: usize,
}

impl Counted {
    fn of(volume: Volume) -> Self {
        Self { volume, boxes: Mutex::default(), failing: usize::MAX }
    }
}

impl Source for Counted {
    fn header(&self) -> VolumeHeader {
        VolumeHeader::of(&self.volume)
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
        let mut boxes = self.boxes.lock().unwrap();
        boxes.push((start, size));
        if boxes.len() > self.failing {
            return Err(Error::io(Path::new("lost"), std::io::ErrorKind::ConnectionReset.into()));
        }
        Source::read(&self.volume, start, size)
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn after<'a>(bytes: &'a [u8], mark: &[u8]) -> &'a [u8] {
    let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap();
    &bytes[at + mark.len()..]
}

/// The samples as a file of this ending has them when all of them are coded at once.
fn coded_at_once(ending: &str, samples: &[u8], file: &[u8]) -> Vec<u8> {
    match ending {
        "nii.gz" => {
            // The header is in the stream, too.
            let mut all = Vec::new();
            GzDecoder::new(file).read_to_end(&mut all).unwrap();
            assert_eq!(&all[352..], samples);
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&all).unwrap();
            encoder.finish().unwrap()
        }
        "nrrd" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(samples).unwrap();
            encoder.finish().unwrap()
        }
        "mha" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(samples).unwrap();
            let coded = encoder.finish().unwrap();
            let told = format!("CompressedDataSize = {}\n", coded.len());
            assert!(String::from_utf8_lossy(file).contains(&told));
            coded
        }
        "vti" => {
            let blocks: Vec<Vec<u8>> = samples
                .chunks(1 << 18)
                .map(|block| {
                    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                    encoder.write_all(block).unwrap();
                    encoder.finish().unwrap()
                })
                .collect();
            let last = samples.len() - (blocks.len() - 1) * (1 << 18);
            let mut header = vec![blocks.len(), samples.len().min(1 << 18), last];
            header.extend(blocks.iter().map(Vec::len));
            let header: Vec<u8> = header.iter().flat_map(|n| (*n as u64).to_ne_bytes()).collect();
            [base64(&header), base64(&blocks.concat())].concat()
        }
        _ => samples.to_vec(),
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> Vec<u8> {
    let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"+/").collect();
    let mut out = Vec::new();
    for group in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..group.len()].copy_from_slice(group);
        let [a, b, c] = three.map(usize::from);
        let digits = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
        out.extend((0..4).map(|i| if i <= group.len() { alphabet[digits[i]] } else { b'=' }));
    }
    out
}

#[test]
fn the_bytes_are_those_of_the_samples_coded_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for sample_type in SampleType::ALL {
        // Several blocks of a .vti, which do not end where slabs do.
        let volume = volume(sample_type, [61, 53, 137]);
        for ending in ENDINGS {
            let [whole, slabs] =
                ["whole", "slabs"].map(|name| folder.path().join(format!("{name}-{ending}.{ending}")));
            save(&volume, &whole).unwrap();
            // Of one plane each.
            save_source(&volume, &slabs, &SaveOptions { slab_bytes: 0, progress: None }).unwrap();
            let read = |path: &Path| std::fs::read(path).unwrap();
            let (whole, mut slabs) = (read(&whole), read(&slabs));
            if ending == "mhd" {
                let samples = folder.path().join("slabs-mhd.raw");
                assert_eq!(read(&samples), volume.samples().as_bytes());
                slabs = String::from_utf8(slabs).unwrap().replace("slabs-mhd", "whole-mhd").into_bytes();
            }
            assert!(whole == slabs, "{sample_type} {ending}");
            let expected = coded_at_once(ending, volume.samples().as_bytes(), &whole);
            let found = match ending {
                "npy" => after(&whole, b"\n"),
                "nii" => &whole[352..],
                "nrrd" => after(&whole, b"\n\n"),
                "mha" => after(&whole, b"ElementDataFile = LOCAL\n"),
                "vti" => {
                    let behind = after(&whole, b"format=\"binary\">\n");
                    &behind[..behind.iter().position(|&b| b == b'\n').unwrap()]
                }
                "mhd" => volume.samples().as_bytes(),
                _ => &whole,
            };
            assert!(found == expected, "{sample_type} {ending}");
        }
    }
}

#[test]
fn every_voxel_is_asked_for_once_and_never_more_than_a_slab() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [7, 5, 300];
    for ending in ENDINGS {
        for (slab_bytes, depth) in [(u64::MAX, 128), (7 * 5 * 2 * 100, 64), (7 * 5 * 2 * 8, 8)] {
            let source = Counted::of(volume(SampleType::U16, shape));
            let options = SaveOptions { slab_bytes, progress: None };
            save_source(&source, folder.path().join(format!("{ending}.{ending}")), &options).unwrap();
            let expected: Vec<_> =
                (0..300).step_by(depth).map(|z| ([0, 0, z], [7, 5, depth.min(300 - z)])).collect();
            assert_eq!(*source.boxes.lock().unwrap(), expected, "{ending}");
        }
    }
    // A series of floats is read twice: which integers they become depends on all of them.
    for (sample_type, passes) in [(SampleType::U16, 1), (SampleType::F32, 2)] {
        let source = Counted::of(volume(sample_type, shape));
        let out = format!("{}/series/", folder.path().display());
        save_source(&source, &out, &SaveOptions::default()).unwrap();
        let expected = [([0, 0, 0], [7, 5, 128]), ([0, 0, 128], [7, 5, 128]), ([0, 0, 256], [7, 5, 44])];
        assert_eq!(*source.boxes.lock().unwrap(), expected.repeat(passes));
    }
}

#[test]
fn a_series_is_that_of_the_volume_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    for sample_type in [SampleType::U8, SampleType::I16, SampleType::I32, SampleType::F64] {
        let mut volume = volume(sample_type, [7, 5, 20]);
        volume.fill_value = None;
        let at = |name: &str| format!("{}/{name}/", folder.path().display());
        save(&volume, at("whole")).unwrap();
        save_source(&volume, at("slabs"), &SaveOptions { slab_bytes: 0, progress: None }).unwrap();
        let [whole, slabs] = ["whole", "slabs"].map(|name| open(at(name), &OpenOptions::default()).unwrap());
        assert_eq!(whole, slabs, "{sample_type}");
        for (i, expected) in [(0, volume.samples().get(0)), (699, volume.samples().get(699))] {
            assert!((slabs.samples().get(i) - expected).abs() < 0.01, "{sample_type}");
        }
        assert_eq!(files(Path::new(&at("slabs"))), files(Path::new(&at("whole"))));
    }
}

#[test]
fn an_error_in_the_midst_leaves_what_was_there() {
    let shape = [7, 5, 300];
    for ending in ENDINGS.into_iter().chain(["dcm/"]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("v.{ending}"));
        for is_there in [false, true] {
            if is_there {
                save(&volume(SampleType::U8, [2, 2, 2]), &path).unwrap();
            }
            let before = files(folder.path());
            let content = |path: &Path| if path.is_dir() { Vec::new() } else { std::fs::read(path).unwrap() };
            let old = is_there.then(|| content(&path));
            let source = Counted { failing: 2, ..Counted::of(volume(SampleType::I16, shape)) };
            let options = SaveOptions { slab_bytes: 7 * 5 * 2 * 32, progress: None };
            let message = save_source(&source, &path, &options).unwrap_err().to_string();
            assert!(message.starts_with("lost: "), "{ending}: {message}");
            assert_eq!(files(folder.path()), before, "{ending}");
            // Whoever waits may end it: after 64 planes of 300.
            let stop = ReadProgress::new(|done, all| match (done, all) {
                (0 | 32, 300) => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            });
            let options = SaveOptions { progress: Some(stop), ..options };
            let source = Counted::of(volume(SampleType::I16, shape));
            let error = save_source(&source, &path, &options).unwrap_err();
            assert!(matches!(error, Error::Interrupted), "{ending}: {error}");
            assert!(source.boxes.lock().unwrap().iter().all(|(start, _)| start[2] <= 288), "{ending}");
            assert_eq!(files(folder.path()), before, "{ending}");
            assert_eq!(is_there.then(|| content(&path)), old, "{ending}");
        }
    }
}

#[test]
fn components_are_written_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [37, 41, 150];
    let components: Vec<Volume> = (0..3)
        .map(|c| {
            let samples =
                (0..shape.iter().product()).map(|i: usize| (i % 251 * 3 + c) as i16).collect::<Vec<_>>();
            Volume::new(samples, shape).unwrap()
        })
        .collect();
    let mut scalars = volume(SampleType::F32, shape);
    scalars.geometry = components[0].geometry;
    let arrays = [
        ArrayVolumes { name: "v".into(), component_names: Vec::new(), components: components.clone() },
        ArrayVolumes {
            name: "p".into(),
            component_names: vec![String::new()],
            components: vec![scalars.clone()],
        },
    ];
    let [whole, slabs] = ["whole.vti", "slabs.vti"].map(|name| folder.path().join(name));
    save_arrays(&arrays, &whole).unwrap();
    let sources = |arrays: &[ArrayVolumes]| -> Vec<ArraySources<'static>> {
        let source = |volume: &Volume| -> Box<dyn Source> { Box::new(Counted::of(volume.clone())) };
        arrays
            .iter()
            .map(|array| ArraySources {
                name: array.name.clone(),
                component_names: array.component_names.clone(),
                components: array.components.iter().map(source).collect(),
            })
            .collect()
    };
    save_array_sources(&sources(&arrays), &slabs, &SaveOptions { slab_bytes: 1, progress: None }).unwrap();
    let read = |path: &Path| std::fs::read(path).unwrap();
    assert!(read(&whole) == read(&slabs));
    let tuples: Vec<u8> = (0..scalars.len())
        .flat_map(|i| components.iter().map(move |c| c.samples().get(i) as i16))
        .flat_map(i16::to_ne_bytes)
        .collect();
    let file = read(&slabs);
    let coded = coded_at_once("vti", &tuples, &[]);
    assert!(after(&file, b"format=\"binary\">\n").starts_with(&coded));
    for (array, component, expected) in [("v", Some(2), &components[2]), ("p", None, &scalars)] {
        let options = OpenOptions { array: Some(array.into()), component, ..OpenOptions::default() };
        assert_eq!(open(&slabs, &options).unwrap().samples(), expected.samples());
    }
    // Sources of several grids have no place in one file.
    let mut others = sources(&arrays);
    others[1].components = vec![Box::new(volume(SampleType::F32, [2, 2, 2]))];
    let message = save_array_sources(&others, &slabs, &SaveOptions::default()).unwrap_err().to_string();
    assert!(message.contains("array 'p' has another grid"), "{message}");
}
