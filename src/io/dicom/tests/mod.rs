//! A phantom series written, spoilt in one way or another, and read back.

use super::*;
use crate::error::Error;
use crate::io::dicom::series::list_series;
use crate::io::dicom::write::{SeriesDescription, write_series};
use crate::io::open;
use crate::volume::{Frame, Geometry, Samples};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, open_file};
use std::path::PathBuf;

mod colours;
mod damage;
mod geometry;
mod segmentations;
mod values;
mod volumes;

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
    volume.unit = "HU".into();
    volume
}

fn of_a_phantom(description: &str, seed: u64) -> SeriesDescription {
    SeriesDescription {
        description: description.into(),
        patient: ["PHANTOM^NEUVOL", "PHANTOM"].map(String::from),
        shuffle: Some(seed),
        ..SeriesDescription::default()
    }
}

/// The phantom in a folder, its files in the order of their slices.
fn series() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    write_series(&phantom(), folder.path(), &of_a_phantom("phantom", 0)).unwrap();
    let options = OpenOptions::default();
    let slices = series::find(folder.path(), &options).unwrap();
    let slices = stack::measure(folder.path(), slices, &options).unwrap().slices;
    (folder, slices.into_iter().map(|s| s.image.path.clone()).collect())
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
    refused(&folder, "holds files twice");

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
    move_slices(&files, |k| if k == 3 { 0.9 } else { 0.0 });
    refused(&folder, "no straight line");
}

/// Moves slice k by so many mm along the columns.
fn move_slices(files: &[PathBuf], by: impl Fn(usize) -> f64) {
    for (k, file) in files.iter().enumerate() {
        let [x, y, z] = phantom().geometry.index_to_world([0.0, 0.0, k as f64]);
        let moved = format!("{x:.9}\\{:.9}\\{z:.9}", y + by(k));
        edit(file, |o| put(o, tags::IMAGE_POSITION_PATIENT, VR::DS, moved.as_str()));
    }
}

#[test]
fn a_tilted_gantry_is_a_sheared_grid_or_set_upright() {
    let (folder, files) = series();
    // One row a slice.
    move_slices(&files, |k| 0.8 * k as f64);
    let sheared = read(&folder).unwrap();
    assert_eq!(sheared.samples(), phantom().samples());
    let [_, y, _] = sheared.geometry.index_to_world([0.0, 0.0, 5.0]);
    assert!((y - (100.5 + 4.0)).abs() < 1e-6, "{y}");

    let options = OpenOptions { resample_tilt: true, ..OpenOptions::default() };
    let upright = open(folder.path(), &options).unwrap();
    assert_eq!(upright.shape(), [5, 9, 6]);
    assert!((upright.geometry.spacing[2] - 2.5).abs() < 1e-6);
    assert_eq!(upright.fill_value, Some(-1025.0));
    let (samples, phantom) = (upright.samples(), phantom());
    for (k, j, i) in [(0, 0, 0), (3, 2, 4), (5, 3, 1)] {
        // What was row j of slice k lies k rows further down.
        let value = samples.get(i + 5 * (j + k + 9 * k));
        assert_eq!(value, phantom.samples().get(i + 5 * (j + 4 * k)), "{i} {j} {k}");
    }
    assert_eq!(samples.get(5 * 9 * 3), -1025.0, "above the third slice nothing was measured");
    // The same voxel lies at the same place in both.
    let (a, b) =
        (upright.geometry.index_to_world([2.0, 6.0, 4.0]), sheared.geometry.index_to_world([2.0, 2.0, 4.0]));
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} {b:?}");
    // Leaning the other way the grid grows at its front.
    move_slices(&files, |k| -0.8 * k as f64);
    let upright = open(folder.path(), &options).unwrap();
    let origin = upright.geometry.index_to_world([0.0, 5.0, 0.0]);
    assert!((origin[1] - 100.5).abs() < 1e-6, "{origin:?}");
    assert_eq!(upright.samples().get(5 * 5), -1024.0);
}

#[test]
fn gaps_are_interpolated_when_allowed() {
    let (folder, files) = series();
    std::fs::remove_file(&files[3]).unwrap();
    let options = OpenOptions { allow_gaps: true, ..OpenOptions::default() };
    let volume = open(folder.path(), &options).unwrap();
    // The phantom is linear, so that the missing slice comes back.
    assert_eq!(volume.samples(), phantom().samples());
    assert!((volume.geometry.spacing[2] - 2.5).abs() < 1e-9);
    assert!(volume.provenance["resampled"].contains("interpolated"));
    refused(&folder, "`allow_gaps`");
}

#[test]
fn copies_and_other_slices_are_left_out_when_allowed() {
    let (folder, files) = series();
    std::fs::copy(&files[2], folder.path().join("copy.dcm")).unwrap();
    refused(&folder, "holds files twice");
    refused(&folder, "`allow_duplicates`");
    let options = OpenOptions { allow_duplicates: true, ..OpenOptions::default() };
    assert_eq!(open(folder.path(), &options).unwrap().samples(), phantom().samples());

    let localizer = folder.path().join("copy.dcm");
    edit(&localizer, |o| put(o, tags::PIXEL_SPACING, VR::DS, "2\\2"));
    refused(&folder, "6 slices are alike and 1 differ");
    let options = OpenOptions { largest_group: true, ..OpenOptions::default() };
    assert_eq!(open(folder.path(), &options).unwrap().samples(), phantom().samples());
}

#[test]
fn time_steps_are_told_apart() {
    let (folder, files) = series();
    for (k, file) in files.iter().enumerate() {
        let later = folder.path().join(format!("later{k}.dcm"));
        std::fs::copy(file, &later).unwrap();
        edit(file, |o| put(o, tags::TRIGGER_TIME, VR::DS, "0"));
        edit(&later, |o| {
            put(o, tags::TRIGGER_TIME, VR::DS, "40.5");
            put(o, tags::SOP_INSTANCE_UID, VR::UI, format!("2.25.{k}").as_str());
            put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(vec![1024 + k as u16; 20].into()));
        });
    }
    assert_eq!(crate::io::time_steps(folder.path(), &OpenOptions::default()).unwrap(), 2);
    refused(&folder, "`time_step` 0 to 1");
    let step = |n| open(folder.path(), &OpenOptions { time_step: Some(n), ..OpenOptions::default() });
    assert_eq!(step(0).unwrap().samples(), phantom().samples());
    let second = step(1).unwrap();
    assert_eq!((second.samples().get(0), second.samples().get(119)), (0.0, 5.0));
    assert_eq!(
        (second.provenance["time step"].as_str(), second.provenance["volume"].as_str()),
        ("2 of 2", "trigger time 40.5")
    );
    assert!(step(2).is_err());
    let volumes = crate::io::Volumes::open(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!(volumes.times(), Some(vec![0.0, 0.0405]));
    assert_eq!(volumes.arrays(), [InputArray::new("ct", 1)]);
    let part = volumes.read_part(0, 0, 1).unwrap();
    assert_eq!((part.name.as_str(), part.samples()), ("ct", second.samples()));
    // The hour of the day stays in the file.
    for (k, file) in files.iter().enumerate() {
        let later = folder.path().join(format!("later{k}.dcm"));
        for (file, time) in [(file, "101500"), (&later, "101502.5")] {
            edit(file, |o| {
                o.take(tags::TRIGGER_TIME);
                put(o, tags::ACQUISITION_TIME, VR::TM, time);
            });
        }
    }
    let volumes = crate::io::Volumes::open(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!((volumes.len(), volumes.times()), (2, Some(vec![0.0, 2.5])));
}

/// The phantom in one file, with `place` saying where its frames are; slice k is frame 5 - k.
fn multi_frame(
    place: impl FnOnce(&mut DefaultDicomObject, &dyn Fn(usize) -> String),
) -> (tempfile::TempDir, PathBuf) {
    let (folder, files) = series();
    let stored: Vec<u16> =
        (0..6).rev().flat_map(|k| (0..20).map(move |i| ((k * 20 + i) * 30) as u16)).collect();
    edit(&files[0], |o| {
        put(o, tags::NUMBER_OF_FRAMES, VR::IS, "6");
        put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored.into()));
        o.take(tags::IMAGE_POSITION_PATIENT);
        let at = |k: usize| {
            phantom().geometry.index_to_world([0.0, 0.0, k as f64]).map(|v| format!("{v:.9}")).join("\\")
        };
        place(o, &at);
    });
    let file = files[0].clone();
    (folder, file)
}

fn sequence(
    object: &mut impl Extend<dicom_object::mem::InMemElement>,
    tag: Tag,
    items: Vec<dicom_object::InMemDicomObject>,
) {
    object.extend([DataElement::new(tag, VR::SQ, dicom_core::value::DataSetSequence::from(items))]);
}

#[test]
fn frames_have_positions_of_their_own_or_offsets() {
    use dicom_object::InMemDicomObject;
    let (_folder, file) = multi_frame(|o, at| {
        let groups = (0..6)
            .map(|frame| {
                let position = DataElement::new(tags::IMAGE_POSITION_PATIENT, VR::DS, at(5 - frame));
                let mut item = InMemDicomObject::new_empty();
                sequence(
                    &mut item,
                    tags::PLANE_POSITION_SEQUENCE,
                    vec![InMemDicomObject::from_element_iter([position])],
                );
                item
            })
            .collect();
        let mut all = InMemDicomObject::new_empty();
        sequence(&mut all, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, groups);
        all.into_iter().for_each(|element| drop(o.put(element)));
    });
    let volume = open(&file, &OpenOptions::default()).unwrap();
    assert_eq!(volume.samples(), phantom().samples());
    assert!((volume.geometry.origin[2] + 800.125).abs() < 1e-6);

    // A dose grid: planes downwards from the last.
    let (_folder, file) = multi_frame(|o, at| {
        put(o, tags::IMAGE_POSITION_PATIENT, VR::DS, at(5).as_str());
        put(o, tags::GRID_FRAME_OFFSET_VECTOR, VR::DS, "0\\-2.5\\-5\\-7.5\\-10\\-12.5");
        put(o, tags::MODALITY, VR::CS, "RTDOSE");
        put(o, tags::DOSE_UNITS, VR::CS, "GY");
        put(o, tags::DOSE_GRID_SCALING, VR::DS, "0.25");
        o.take(tags::RESCALE_SLOPE);
        o.take(tags::RESCALE_INTERCEPT);
        o.take(tags::RESCALE_TYPE);
    });
    let volume = open(&file, &OpenOptions::default()).unwrap();
    assert_eq!((volume.unit.as_str(), volume.samples().get(7)), ("GY", 7.0 * 30.0 / 4.0));
    let stored = open(&file, &OpenOptions { stored_values: true, ..OpenOptions::default() }).unwrap();
    assert_eq!(stored.samples().get(7), 210.0);

    let (_folder, film) = multi_frame(|o, at| put(o, tags::IMAGE_POSITION_PATIENT, VR::DS, at(0).as_str()));
    let message = open(&film, &OpenOptions::default()).unwrap_err().to_string();
    assert!(message.contains("6 frames at one position"), "{message}");
}

#[test]
fn nested_sequences_end_before_the_stack_does() {
    let (_folder, files) = series();
    let bytes = std::fs::read(&files[0]).unwrap();
    // Sequences of undefined length, each in an item of the one before, where the data set begins.
    let at = bytes.windows(6).position(|w| w == b"\x08\0\x08\0CS").unwrap();
    let nest = b"\x08\0\x06\0SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff".repeat(100_000);
    std::fs::write(&files[0], [&bytes[..at], &nest, &bytes[at..]].concat()).unwrap();
    let message = open(&files[0], &OpenOptions::default()).unwrap_err().to_string();
    assert!(message.contains("nested more than"), "{message}");
}

#[test]
fn a_dicomdir_names_the_files() {
    use dicom_object::InMemDicomObject;
    let (folder, files) = series();
    let list = |names: Vec<String>| {
        let records = names
            .into_iter()
            .map(|name| {
                InMemDicomObject::from_element_iter([DataElement::new(
                    tags::REFERENCED_FILE_ID,
                    VR::CS,
                    name,
                )])
            })
            .collect();
        let mut object = InMemDicomObject::new_empty();
        sequence(&mut object, tags::DIRECTORY_RECORD_SEQUENCE, records);
        let meta = dicom_object::FileMetaTableBuilder::new()
            .transfer_syntax(dicom_dictionary_std::uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid("1.2.840.10008.1.3.10")
            .media_storage_sop_instance_uid("2.25.1");
        let path = folder.path().join("DICOMDIR");
        object.with_meta(meta).unwrap().write_to_file(&path).unwrap();
        path
    };
    let name = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
    let path = list(files.iter().map(name).collect());
    assert_eq!(crate::io::open(&path, &OpenOptions::default()).unwrap().samples(), phantom().samples());
    assert_eq!(list_series(&path, true).unwrap()[0].patient, "PHANTOM^NEUVOL, PHANTOM");
    assert_eq!(read(&folder).unwrap().samples(), phantom().samples(), "the folder is read without it");
    let message = open(list(vec!["..\\SECRET".into()]), &OpenOptions::default()).unwrap_err().to_string();
    assert!(message.contains("leads out"), "{message}");
    let message = open(list(vec!["SUB\\GONE".into()]), &OpenOptions::default()).unwrap_err().to_string();
    assert!(message.contains("not there"), "{message}");
}

#[test]
fn one_of_several_series_is_chosen() {
    let (folder, first) = series();
    let second = folder.path().join("second");
    write_series(&phantom(), &second, &of_a_phantom("thin", 7)).unwrap();
    let files: Vec<PathBuf> = std::fs::read_dir(&second).unwrap().map(|f| f.unwrap().path()).collect();
    for file in &files {
        edit(file, |o| put(o, tags::SERIES_NUMBER, VR::IS, "42"));
    }
    for file in &first {
        edit(file, |o| put(o, tags::SERIES_NUMBER, VR::IS, "7"));
    }
    refused(&folder, "2 series");
    refused(&folder, "`series`");
    assert!(matches!(read(&folder), Err(Error::Options(_))));

    let listed = list_series(folder.path(), false).unwrap();
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
        put(o, tags::SAMPLES_PER_PIXEL, VR::US, 4u16);
        put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "ARGB");
    };
    edit(&capture, |o| colour(o, "2.25.1234567890"));
    assert_eq!(read(&folder).unwrap().samples(), phantom().samples());
    let listed = list_series(folder.path(), false).unwrap();
    let with_reason: Vec<_> = listed.iter().filter_map(|s| s.refused.as_deref()).collect();
    assert!(with_reason.len() == 1 && with_reason[0].contains("ARGB"), "{with_reason:?}");
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
    refused(&folder, "ARGB");
}

#[test]
fn monochrome1_keeps_its_values_and_says_so() {
    let (folder, files) = series();
    for file in &files {
        edit(file, |o| put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1"));
    }
    let volume = read(&folder).unwrap();
    assert_eq!(volume.samples(), phantom().samples());
    let derived = folder.path().join("derived");
    write_series(&volume, &derived, &SeriesDescription::default()).unwrap();
    let again = open(&derived, &OpenOptions::default()).unwrap();
    assert_eq!(again.samples(), phantom().samples());
    assert_eq!(again.provenance[PHOTOMETRIC], "MONOCHROME1");
}

#[test]
fn padding_may_be_a_range() {
    let (folder, files) = series();
    for file in &files {
        edit(file, |o| {
            put(o, tags::PIXEL_PADDING_VALUE, VR::US, 60000u16);
            put(o, tags::PIXEL_PADDING_RANGE_LIMIT, VR::US, 60010u16);
            let mut pixels = vec![1024u16; 20];
            pixels[..3].copy_from_slice(&[60000, 60005, 60010]);
            put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into()));
        });
    }
    let volume = read(&folder).unwrap();
    assert_eq!(volume.range(), Some((0.0, 0.0)));
    assert_eq!(
        [0, 1, 2].map(|i| volume.samples().get(i)),
        [58976.0, 58981.0, 58986.0],
        "no sample is changed"
    );
    assert_eq!((volume.fill_value, volume.fill_limit), (Some(58976.0), Some(58986.0)));
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
