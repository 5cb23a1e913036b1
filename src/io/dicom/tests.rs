//! A phantom series written, spoilt in one way or another, and read back.

use super::*;
use crate::error::Error;
use crate::io::dicom::series::list_series;
use crate::io::dicom::write::{SeriesDescription, write_series};
use crate::volume::{Frame, Geometry, Samples};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, open_file};
use std::path::PathBuf;

fn phantom() -> Volume {
    let shape = [5, 4, 6];
    let values: Vec<i16> = (0..120).map(|i| i * 30 - 1024).collect();
    let mut volume = Volume::new(values, shape).unwrap();
    let (s, c) = 0.3f64.sin_cos();
    volume.geometry = Geometry {
        origin: [-12.25, 100.5, -800.125],
        spacing: [0.7, 0.8, 2.5],
        direction: [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]],
        frame: Frame::Lps,
    };
    volume
}

/// The phantom in a folder, its files in the order of their slices.
fn series() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    write_series(&phantom(), folder.path(), &SeriesDescription::default()).unwrap();
    let mut slices = series::find(folder.path(), None).unwrap();
    geometry::sort_and_measure(folder.path(), &mut slices).unwrap();
    (folder, slices.into_iter().map(|s| s.path).collect())
}

fn edit(path: &PathBuf, change: impl FnOnce(&mut DefaultDicomObject)) {
    let mut object = open_file(path).unwrap();
    change(&mut object);
    object.write_to_file(path).unwrap();
}

fn put(object: &mut DefaultDicomObject, tag: Tag, vr: VR, value: impl Into<PrimitiveValue>) {
    object.put(DataElement::new(tag, vr, value.into()));
}

fn read(folder: &tempfile::TempDir) -> Result<Volume> {
    open(folder.path(), &OpenOptions::default())
}

fn refused(folder: &tempfile::TempDir, words: &str) {
    let message = read(folder).unwrap_err().to_string();
    assert!(message.contains(words), "{message}");
}

#[test]
fn a_phantom_is_read_back() {
    let (folder, files) = series();
    let mut by_name = files.clone();
    by_name.sort();
    assert_ne!(files, by_name, "file names must not follow positions");
    std::fs::write(folder.path().join("notes.txt"), "not DICOM").unwrap();
    let (volume, expected) = (read(&folder).unwrap(), phantom());
    assert_eq!(volume.samples(), expected.samples());
    assert_eq!((volume.name.as_str(), volume.unit.as_str()), ("ct", "HU"));
    let (found, expected) = (volume.geometry, expected.geometry);
    for corner in [[0.0, 0.0, 0.0], [4.0, 3.0, 5.0]] {
        let (a, b) = (found.index_to_world(corner), expected.index_to_world(corner));
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-8), "{a:?} {b:?}");
    }
}

#[test]
fn nothing_of_the_patient_is_kept() {
    let (folder, files) = series();
    let object = open_file(&files[0]).unwrap();
    let volume = read(&folder).unwrap();
    let kept = format!("{:?} {} {}", volume.provenance, volume.name, volume.unit);
    for tag in [
        tags::PATIENT_NAME,
        tags::PATIENT_ID,
        tags::SERIES_INSTANCE_UID,
        tags::SOP_INSTANCE_UID,
        tags::SERIES_DESCRIPTION,
    ] {
        let value = object.element(tag).unwrap().to_str().unwrap().trim_end_matches('\0').to_owned();
        assert!(!kept.contains(&value), "{value} in {kept}");
    }
}

#[test]
fn a_missing_slice_is_named_with_its_position() {
    let (folder, files) = series();
    std::fs::remove_file(&files[3]).unwrap();
    let message = read(&folder).unwrap_err().to_string();
    assert!(message.contains("slice missing: positions along the normal jump from"), "{message}");
    assert!(message.contains("a step of 5.00 mm where the others are 2.50 mm"), "{message}");
    assert!(message.contains(files[2].file_name().unwrap().to_str().unwrap()), "{message}");
}

#[test]
fn series_that_are_not_one_volume_are_refused() {
    let (folder, files) = series();
    std::fs::copy(&files[2], folder.path().join("copy.dcm")).unwrap();
    refused(&folder, "two slices at the same position");

    let (folder, files) = series();
    edit(&files[2], |o| put(o, tags::PIXEL_SPACING, VR::DS, "0.8\\0.9"));
    refused(&folder, "pixel spacing");

    let (folder, files) = series();
    edit(&files[2], |o| put(o, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"));
    refused(&folder, "orientation");

    let (folder, files) = series();
    edit(&files[2], |o| drop(o.take(tags::IMAGE_POSITION_PATIENT)));
    refused(&folder, "Image Position");

    let (folder, files) = series();
    for (k, file) in files.iter().enumerate() {
        let [x, y, z] = phantom().geometry.index_to_world([0.0, 0.0, k as f64]);
        let tilted = format!("{x:.9}\\{:.9}\\{z:.9}", y + 0.5 * k as f64);
        edit(file, |o| put(o, tags::IMAGE_POSITION_PATIENT, VR::DS, tilted.as_str()));
    }
    refused(&folder, "11.3 degrees");
}

#[test]
fn one_of_several_series_is_chosen() {
    let (folder, first) = series();
    let second = folder.path().join("second");
    write_series(&phantom(), &second, &SeriesDescription { description: "thin".into(), seed: 7 }).unwrap();
    let files: Vec<PathBuf> = std::fs::read_dir(&second).unwrap().map(|f| f.unwrap().path()).collect();
    for file in &files {
        edit(file, |o| put(o, tags::SERIES_NUMBER, VR::IS, "42"));
    }
    for file in &first {
        edit(file, |o| put(o, tags::SERIES_NUMBER, VR::IS, "7"));
    }
    refused(&folder, "2 series");
    refused(&folder, "--series");
    assert!(matches!(read(&folder), Err(Error::Options(_))));

    let listed = list_series(folder.path()).unwrap();
    assert_eq!(listed.iter().map(|s| s.number.as_str()).collect::<Vec<_>>(), ["7", "42"]);
    assert_eq!((listed[1].description.as_str(), listed[1].modality.as_str()), ("thin", "CT"));
    assert_eq!((listed[1].shape, listed[1].bytes), ([5, 4, 6], 240));
    assert_eq!(listed[1].folder, second);
    let chosen = |name: &str| {
        open(folder.path(), &OpenOptions { series: Some(name.into()), ..OpenOptions::default() })
    };
    for name in ["42", listed[1].id.as_str()] {
        assert_eq!(chosen(name).unwrap().samples(), phantom().samples(), "{name}");
    }
    let message = chosen("43").unwrap_err().to_string();
    assert!(message.contains("none of its 2 series") && message.contains("`neuvol series`"), "{message}");
    assert!(chosen("2").is_err(), "one character of a UID is not enough");
}

#[test]
fn what_is_not_handled_spoils_only_its_own_series() {
    let (folder, files) = series();
    let capture = folder.path().join("capture.dcm");
    std::fs::copy(&files[0], &capture).unwrap();
    let colour = |o: &mut DefaultDicomObject, uid: &str| {
        put(o, tags::SERIES_INSTANCE_UID, VR::UI, uid);
        put(o, tags::SAMPLES_PER_PIXEL, VR::US, 3u16);
        put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    };
    edit(&capture, |o| colour(o, "2.25.1234567890"));
    assert_eq!(read(&folder).unwrap().samples(), phantom().samples());
    let listed = list_series(folder.path()).unwrap();
    let with_reason: Vec<_> = listed.iter().filter_map(|s| s.refused.as_deref()).collect();
    assert!(with_reason.len() == 1 && with_reason[0].contains("RGB"), "{with_reason:?}");
    // A whole series of them is one of two to choose from, whichever is the larger.
    let more: Vec<PathBuf> = (0..8).map(|n| folder.path().join(format!("capture{n}.dcm"))).collect();
    for file in &more {
        std::fs::copy(&capture, file).unwrap();
    }
    refused(&folder, "2 series");
    refused(&folder, "9 images");
    more.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    // In the series itself it is not left out in silence.
    let uid = open_file(&files[1])
        .unwrap()
        .element(tags::SERIES_INSTANCE_UID)
        .unwrap()
        .to_str()
        .unwrap()
        .into_owned();
    edit(&capture, |o| colour(o, &uid));
    refused(&folder, "RGB");
}

#[test]
fn slices_may_differ_in_their_padding() {
    let (folder, files) = series();
    for (k, file) in files.iter().enumerate() {
        let padding = if k < 3 { 63536u16 } else { 60000 };
        edit(file, |o| {
            put(o, tags::PIXEL_PADDING_VALUE, VR::US, padding);
            let mut pixels = vec![1024u16; 20];
            pixels[0] = padding;
            put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into()));
        });
    }
    let volume = read(&folder).unwrap();
    assert_eq!(volume.range(), Some((0.0, 0.0)), "no padding counts as a measurement");
}

#[test]
fn signed_pixels_above_unused_bits_are_extended() {
    let (folder, files) = series();
    for file in &files {
        edit(file, |o| {
            put(o, tags::PIXEL_REPRESENTATION, VR::US, 1u16);
            put(o, tags::HIGH_BIT, VR::US, 12u16);
            // -3 in 12 bits, moved up by one, with rubbish in the bits around.
            put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(vec![0xe000 | 0xffd << 1 | 1; 20].into()));
        });
    }
    let volume = read(&folder).unwrap();
    assert_eq!(*volume.samples(), Samples::I16(vec![-1027; 120]));
}

#[test]
fn padding_becomes_the_fill_value() {
    let (folder, files) = series();
    for file in &files {
        edit(file, |o| {
            put(o, tags::PIXEL_PADDING_VALUE, VR::US, 63536u16);
            let mut pixels = vec![1024u16; 20];
            pixels[0] = 63536;
            put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into()));
        });
    }
    let volume = read(&folder).unwrap();
    assert_eq!(volume.fill_value, Some(62512.0));
    assert_eq!((volume.samples().get(0), volume.samples().get(1)), (62512.0, 0.0));
    assert_eq!(volume.range(), Some((0.0, 0.0)));
}

#[test]
fn fractional_and_varying_rescales_give_float32() {
    let (folder, files) = series();
    edit(&files[1], |o| put(o, tags::RESCALE_SLOPE, VR::DS, "0.5"));
    let volume = read(&folder).unwrap();
    assert_eq!(volume.sample_type().name(), "float32");
    assert_eq!(volume.samples().get(0), -1024.0);
    // Slice 1 starts with sample 20, stored as 600.
    assert_eq!(volume.samples().get(20), -724.0);
    assert_eq!(volume.provenance["rescale"], "differs between slices");
}

#[test]
fn truncated_files_are_refused() {
    let (folder, files) = series();
    let bytes = std::fs::read(&files[0]).unwrap();
    std::fs::write(&files[0], &bytes[..bytes.len() - 8]).unwrap();
    assert!(read(&folder).is_err());
    std::fs::write(&files[0], &bytes[..200]).unwrap();
    assert!(read(&folder).is_err());
}

#[test]
fn lengths_beyond_the_file_are_refused_before_allocating() {
    let (folder, files) = series();
    let mut bytes = std::fs::read(&files[0]).unwrap();
    // The 32-bit length of the pixel data's explicit header, 40 bytes of pixels before the end.
    let at = bytes.len() - 44;
    bytes[at..at + 4].copy_from_slice(&0xfff0_0000u32.to_le_bytes());
    std::fs::write(&files[0], &bytes).unwrap();
    refused(&folder, "element (7FE0,0010) declares 4293918720 bytes");
}

#[test]
fn one_file_is_one_slice() {
    let (_folder, files) = series();
    let volume = crate::io::open(&files[0], &OpenOptions::default()).unwrap();
    assert_eq!(volume.shape(), [5, 4, 1]);
    assert_eq!(volume.geometry.spacing[2], 2.5);
}

#[test]
fn damaged_files_never_panic() {
    let (_folder, files) = series();
    let whole = std::fs::read(&files[0]).unwrap();
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random(4) {
            bytes[132 + random(whole.len() - 132)] = random(256) as u8;
        }
        if random(4) == 0 {
            bytes.truncate(132 + random(whole.len() - 132));
        }
        std::fs::write(&files[0], &bytes).unwrap();
        let _ = open(&files[0], &OpenOptions::default());
    }
}
