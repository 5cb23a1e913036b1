//! Segmentations and parametric maps.

use super::*;
use crate::io::{OTHER_ARRAYS, Volumes};
use dicom_dictionary_std::uids;
use dicom_object::InMemDicomObject;

fn item(elements: Vec<dicom_object::mem::InMemElement>) -> InMemDicomObject {
    InMemDicomObject::from_element_iter(elements)
}

fn of_items(tag: Tag, items: Vec<InMemDicomObject>) -> dicom_object::mem::InMemElement {
    DataElement::new(tag, VR::SQ, dicom_core::value::DataSetSequence::from(items))
}

fn number(tag: Tag, value: u16) -> dicom_object::mem::InMemElement {
    DataElement::new(tag, VR::US, PrimitiveValue::from(value))
}

fn text(tag: Tag, vr: VR, value: &str) -> dicom_object::mem::InMemElement {
    DataElement::new(tag, vr, value)
}

/// A frame's position on a plane, 2.5 mm apart, moved aside by so many mm.
fn position(plane: f64, aside: f64) -> dicom_object::mem::InMemElement {
    let at = format!("{aside}\\0\\{}", 2.5 * plane);
    of_items(tags::PLANE_POSITION_SEQUENCE, vec![item(vec![text(tags::IMAGE_POSITION_PATIENT, VR::DS, &at)])])
}

/// A multi-frame object of 4 x 2 pixels with a functional group for each frame.
fn object(
    class: &str,
    frames: Vec<InMemDicomObject>,
    change: impl FnOnce(&mut DefaultDicomObject),
) -> (tempfile::TempDir, PathBuf) {
    let (folder, files) = series();
    files.iter().skip(1).for_each(|file| std::fs::remove_file(file).unwrap());
    edit(&files[0], |o| {
        for tag in
            [tags::RESCALE_SLOPE, tags::RESCALE_INTERCEPT, tags::RESCALE_TYPE, tags::IMAGE_POSITION_PATIENT]
        {
            o.take(tag);
        }
        put(o, tags::SOP_CLASS_UID, VR::UI, class);
        put(o, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0");
        put(o, tags::ROWS, VR::US, 2u16);
        put(o, tags::COLUMNS, VR::US, 4u16);
        put(o, tags::PIXEL_REPRESENTATION, VR::US, 0u16);
        put(o, tags::NUMBER_OF_FRAMES, VR::IS, frames.len().to_string().as_str());
        o.put(of_items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames));
        change(o);
    });
    let file = files[0].clone();
    (folder, file)
}

/// Segments `Liver` (2) and `Spleen` (5), of which each byte is a frame of segment, plane and distance aside.
fn segments(
    frames: &[(u16, f64, f64)],
    change: impl FnOnce(&mut DefaultDicomObject),
) -> (tempfile::TempDir, PathBuf) {
    let of_frame = |&(segment, plane, aside): &(u16, f64, f64)| {
        let of_segment = item(vec![number(tags::REFERENCED_SEGMENT_NUMBER, segment)]);
        item(vec![position(plane, aside), of_items(tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![of_segment])])
    };
    let groups = frames.iter().map(of_frame).collect();
    object(uids::SEGMENTATION_STORAGE, groups, |o| {
        put(o, tags::MODALITY, VR::CS, "SEG");
        put(o, tags::SEGMENTATION_TYPE, VR::CS, "BINARY");
        for (tag, value) in [(tags::BITS_ALLOCATED, 1u16), (tags::BITS_STORED, 1), (tags::HIGH_BIT, 0)] {
            put(o, tag, VR::US, value);
        }
        let described = [(2, "Liver"), (5, "Spleen")].map(|(n, label)| {
            item(vec![number(tags::SEGMENT_NUMBER, n), text(tags::SEGMENT_LABEL, VR::LO, label)])
        });
        o.put(of_items(tags::SEGMENT_SEQUENCE, described.into()));
        let mut bytes: Vec<u8> = (1..=frames.len() as u8).collect();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        put(o, tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into()));
        change(o);
    })
}

fn refuses(file: &Path, words: &str) {
    let message = open(file, &OpenOptions::default()).unwrap_err().to_string();
    assert!(message.contains(words), "{message}");
}

#[test]
fn each_segment_is_an_array_and_missing_frames_are_empty() {
    let (_folder, file) = segments(&[(5, 3.0, 0.0), (2, 0.0, 0.0), (2, 1.0, 0.0)], |_| {});
    let all = Volumes::open(&file, &OpenOptions::default()).unwrap();
    assert_eq!(all.arrays(), [InputArray::new("Liver", 1), InputArray::new("Spleen", 1)]);
    let liver = all.read_part(0, 0, 0).unwrap();
    assert_eq!((liver.shape(), liver.sample_type().name()), ([4, 2, 4], "uint8"));
    assert_eq!(liver.geometry.spacing[2], 2.5);
    // Frames 2 and 3 of the numbers 2 and 3, whose lowest bits come first.
    let ones = |volume: &Volume| (0..32).filter(|n| volume.samples().get(*n) == 1.0).collect::<Vec<_>>();
    assert_eq!((ones(&liver), liver.range()), (vec![1, 8, 9], Some((0.0, 1.0))));
    assert_eq!(ones(&all.read_part(1, 0, 0).unwrap()), [24]);
    let read = |array: Option<&str>| {
        open(&file, &OpenOptions { array: array.map(Into::into), ..OpenOptions::default() })
    };
    let first = read(None).unwrap();
    assert_eq!((first.name.as_str(), first.provenance[OTHER_ARRAYS].as_str()), ("Liver", "Spleen"));
    assert_eq!(first.provenance["segmentation"], "binary");
    for name in ["Spleen", "5"] {
        let volume = read(Some(name)).unwrap();
        assert_eq!((volume.name.as_str(), volume.provenance["segment number"].as_str()), ("Spleen", "5"));
    }
    let message = read(Some("Kidney")).unwrap_err().to_string();
    assert!(message.contains("no segment is called 'Kidney'; it has 'Liver', 'Spleen'"), "{message}");
    let options = OpenOptions { array: Some("5".into()), ..OpenOptions::default() };
    let spleen = Volumes::open(&file, &options).unwrap();
    assert_eq!((spleen.arrays().len(), ones(&spleen.read_part(0, 0, 0).unwrap())), (1, vec![24]));
    let volume = OpenOptions { volume: Some("all".into()), ..OpenOptions::default() };
    assert!(open(&file, &volume).unwrap_err().to_string().contains("choose one with `array`"));
}

#[test]
fn segmentations_that_are_no_grid_are_refused() {
    let frames = [(2, 0.0, 0.0), (2, 1.0, 0.0), (2, 2.0, 0.0)];
    let (_folder, file) = segments(&[(2, 0.0, 0.0), (2, 1.0, 0.0), (2, 2.4, 0.0)], |_| {});
    refuses(&file, "not the same distance apart: the nearest are 2.500 mm apart, all span 6.000 mm");
    let (_folder, file) = segments(&[(2, 0.0, 0.0), (2, 1.0, 3.0)], |_| {});
    refuses(&file, "frame 2 lies 3.00 mm beside the first one");
    let (_folder, file) = segments(&[(2, 0.0, 0.0), (2, 0.0, 0.0)], |_| {});
    refuses(&file, "frame 2 has the position of another frame of its segment");
    let (_folder, file) = segments(&[(2, 0.0, 0.0), (3, 1.0, 0.0)], |_| {});
    refuses(&file, "frame 2 is of segment 3, which is not described");
    let (_folder, file) = segments(&[(2, 0.0, 0.0), (2, 0.001, 0.0), (2, 100.0, 0.0)], |_| {});
    refuses(&file, "of at most 16384");
    let (_folder, file) = segments(&frames, |o| put(o, tags::SEGMENTATION_TYPE, VR::CS, "SURFACE"));
    refuses(&file, "a segmentation of the type 'SURFACE' is not supported");
    let (_folder, file) = segments(&frames, |o| {
        put(o, tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8([1, 2].into_iter().collect()))
    });
    refuses(&file, "3 x 4 x 2 pixels need 3 bytes, Pixel Data have 2");
    let (_folder, file) = segments(&frames, |o| {
        let groups = vec![item(vec![]); 3];
        o.put(of_items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, groups));
    });
    refuses(&file, "3 frames without positions");
}

#[test]
fn images_come_before_what_is_made_of_them() {
    let (_folder, file) = segments(&[(2, 0.0, 0.0), (2, 1.0, 0.0)], |o| {
        put(o, tags::SERIES_INSTANCE_UID, VR::UI, "2.25.777777777777");
        put(o, tags::SERIES_NUMBER, VR::IS, "9");
    });
    let (folder, _files) = series();
    std::fs::copy(&file, folder.path().join("seg.dcm")).unwrap();
    assert_eq!(read(&folder).unwrap().samples(), phantom().samples());
    let chosen = OpenOptions { series: Some("9".into()), ..OpenOptions::default() };
    assert_eq!(open(folder.path(), &chosen).unwrap().name, "Liver");
    let listed = list_series(folder.path(), false).unwrap();
    assert!(listed.iter().any(|series| series.modality == "SEG" && series.volumes.is_empty()));
    let array = OpenOptions { array: Some("Liver".into()), ..OpenOptions::default() };
    let message = open(folder.path(), &array).unwrap_err().to_string();
    assert!(message.contains("the file holds no arrays to choose; leave `array` out"), "{message}");
}

/// An item of a Real World Value Mapping.
fn mapping(slope: Option<f64>, unit: &str) -> InMemDicomObject {
    let unit = item(vec![
        text(tags::CODE_VALUE, VR::SH, unit),
        text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "UCUM"),
    ]);
    let mut elements = vec![of_items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, vec![unit])];
    if let Some(slope) = slope {
        elements.push(DataElement::new(tags::REAL_WORLD_VALUE_SLOPE, VR::FD, PrimitiveValue::from(slope)));
        elements.push(DataElement::new(tags::REAL_WORLD_VALUE_INTERCEPT, VR::FD, PrimitiveValue::from(-1.0)));
    }
    item(elements)
}

fn map(
    mappings: Vec<InMemDicomObject>,
    change: impl FnOnce(&mut DefaultDicomObject),
) -> (tempfile::TempDir, PathBuf) {
    let frames = (0..3).map(|plane| item(vec![position(f64::from(plane), 0.0)])).collect();
    object(uids::PARAMETRIC_MAP_STORAGE, frames, |o| {
        put(o, tags::MODALITY, VR::CS, "MR");
        let shared = item(vec![of_items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, mappings)]);
        o.put(of_items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]));
        put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16((0..24).collect()));
        change(o);
    })
}

#[test]
fn a_parametric_map_has_the_values_and_the_unit_of_its_mapping() {
    let (_folder, file) = map(vec![mapping(Some(0.5), "mm2/s")], |_| {});
    let volume = open(&file, &OpenOptions::default()).unwrap();
    assert_eq!((volume.unit.as_str(), volume.shape()), ("mm2/s", [4, 2, 3]));
    assert_eq!((volume.sample_type().name(), volume.samples().get(23)), ("float32", 10.5));
    let stored = OpenOptions { stored_values: true, ..OpenOptions::default() };
    let volume = open(&file, &stored).unwrap();
    assert_eq!((volume.unit.as_str(), volume.samples().get(23)), ("", 23.0));
    // The same twice.
    let (_folder, file) = map(vec![mapping(Some(2.0), "{ratio}"), mapping(Some(2.0), "{ratio}")], |_| {});
    let volume = open(&file, &OpenOptions::default()).unwrap();
    assert_eq!((volume.unit.as_str(), volume.samples().get(23)), ("", 45.0));
    for (mappings, words) in [
        (vec![mapping(None, "s")], "Mapping is a table (0040,9212), which is not supported; `stored_values`"),
        (vec![mapping(Some(1.0), "s"), mapping(Some(2.0), "s")], "several Real World Value Mappings"),
        (vec![mapping(Some(0.0), "s")], "Real World Value Slope (0040,9225) is 0"),
    ] {
        let (_folder, file) = map(mappings, |_| {});
        refuses(&file, words);
        assert!(open(&file, &stored).is_ok());
    }
}

#[test]
fn floating_point_pixels_are_read() {
    let (_folder, file) = map(vec![mapping(Some(2.0), "s")], |o| {
        o.take(tags::PIXEL_DATA);
        o.take(tags::BITS_STORED);
        o.take(tags::HIGH_BIT);
        put(o, tags::BITS_ALLOCATED, VR::US, 32u16);
        let values: Vec<f32> = (0..24).map(|n| n as f32 / 4.0).collect();
        put(o, tags::FLOAT_PIXEL_DATA, VR::OF, PrimitiveValue::F32(values.into()));
        put(o, tags::FLOAT_PIXEL_PADDING_VALUE, VR::FL, PrimitiveValue::from(0.75f32));
    });
    let volume = open(&file, &OpenOptions::default()).unwrap();
    assert_eq!((volume.sample_type().name(), volume.samples().get(23)), ("float32", 10.5));
    assert_eq!((volume.unit.as_str(), volume.fill_value), ("s", Some(0.5)));
    let (_folder, file) = map(vec![mapping(Some(1.0), "s")], |o| {
        o.take(tags::PIXEL_DATA);
        put(o, tags::BITS_ALLOCATED, VR::US, 64u16);
        let values: Vec<f64> = (0..24).map(|n| f64::from(n) / 3.0).collect();
        put(o, tags::DOUBLE_FLOAT_PIXEL_DATA, VR::OD, PrimitiveValue::F64(values.into()));
    });
    let volume = open(&file, &OpenOptions::default()).unwrap();
    assert_eq!((volume.sample_type().name(), volume.samples().get(1)), ("float64", 1.0 / 3.0 - 1.0));
    let (_folder, file) = map(Vec::new(), |o| {
        o.take(tags::PIXEL_DATA);
        put(o, tags::FLOAT_PIXEL_DATA, VR::OF, PrimitiveValue::F32(vec![0.0; 24].into()));
    });
    refuses(&file, "floating-point pixels of 16 allocated bits");
    let (_folder, file) = map(Vec::new(), |o| drop(o.take(tags::PIXEL_DATA)));
    refuses(&file, "no Pixel Data (7FE0,0010), nor Float Pixel Data (7FE0,0008)");
}
