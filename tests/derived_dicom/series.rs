//! Series to write and to look at, and what finds errors in them.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_object::{DefaultDicomObject, open_file};
use neuvol::engine::cpu::Cpu;
use neuvol::io::{self, OpenOptions};
use neuvol::train::{CompressOptions, Preset, Target, compress};
use neuvol::volume::{Frame, Geometry, Samples};
use neuvol::{NeuralVolume, Region, Volume};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

pub(crate) const SHAPE: [usize; 3] = [6, 5, 4];

/// An oblique volume.
pub(crate) fn volume(samples: impl Into<Samples>) -> Volume {
    let mut volume = Volume::new(samples, SHAPE).unwrap();
    let (s, c) = 0.3f64.sin_cos();
    volume.geometry = Geometry {
        origin: [-120.5, 33.25, 900.1],
        spacing: [0.7, 0.8, 2.5],
        direction: [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]],
        frame: Frame::Lps,
    };
    volume
}

pub(crate) fn ct() -> Volume {
    let mut volume = volume((0..120).map(|i| i * 17 - 1000).collect::<Vec<i16>>());
    volume.unit = "HU".into();
    volume
}

/// The files of a series, in the order of their names.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

pub(crate) fn text(object: &DefaultDicomObject, tag: Tag) -> String {
    let element = object.element(tag).unwrap_or_else(|_| panic!("{tag} is missing"));
    element.to_str().unwrap().trim_matches(['\0', ' ']).to_owned()
}

pub(crate) fn has(object: &DefaultDicomObject, tag: Tag) -> bool {
    object.get(tag).is_some()
}

pub(crate) fn edit(path: &Path, values: &[(Tag, VR, &str)]) {
    let mut object = open_file(path).unwrap();
    for (tag, vr, value) in values {
        object.put(DataElement::new(*tag, *vr, PrimitiveValue::from(*value)));
    }
    object.write_to_file(path).unwrap();
}

pub(crate) fn read(folder: &Path) -> Volume {
    io::open(folder, &OpenOptions::default()).unwrap()
}

/// Through a `.nvol` file and back.
pub(crate) fn through_nvol(volume: &Volume, target: Target) -> Volume {
    let options = CompressOptions { target, preset: Preset::Fast, threads: 1, ..Default::default() };
    let compressed = compress(volume, &options).unwrap();
    let engine = Arc::new(Cpu::new(1).unwrap());
    let neural = NeuralVolume::from_bytes(&compressed.bytes, "in memory", engine).unwrap();
    neural.read_region(Region::whole(volume.shape()), 1).unwrap()
}

/// What `dciodvfy` and `dcentvfy` find wrong with the files of a folder; none where they are not installed.
pub(crate) fn errors(folder: &Path, test: &str) -> Option<BTreeSet<String>> {
    let mut errors = BTreeSet::new();
    let files = files(folder);
    let mut run = |program: &str, files: &[PathBuf]| {
        let output = match Command::new(program).args(files).output() {
            Ok(output) => output,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            Err(e) => panic!("{program}: {e}"),
        };
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        errors.extend(said.lines().filter(|l| l.contains("Error")).map(|line| format!("{program}: {line}")));
        Some(said)
    };
    for file in &files {
        let Some(said) = run("dciodvfy", std::slice::from_ref(file)) else {
            eprintln!("SKIPPED {test}: dciodvfy (dicom3tools) is not installed");
            return None;
        };
        // It names the object that it has taken the file for.
        assert!(["CTImage", "MRImage", "SCImage"].iter().any(|iod| said.contains(iod)), "{said}");
    }
    run("dcentvfy", &files)?;
    Some(errors)
}

pub(crate) fn assert_no_errors(folder: &Path, test: &str, what: &str) {
    if let Some(errors) = errors(folder, test) {
        assert!(errors.is_empty(), "{what}: {errors:#?}");
    }
}
