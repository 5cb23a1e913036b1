//! Series that hold several volumes.

use super::*;
use crate::io::dicom::mosaic::csa_header;

/// The phantom `times` times in a folder, each copy changed: how the file is changed is told the copy's and the slice's number. The
/// stored numbers of copy n are n more than the phantom's, and file names follow neither copies nor slices.
fn repeated(times: usize, change: impl Fn(&mut DefaultDicomObject, usize, usize)) -> tempfile::TempDir {
    let (folder, files) = series();
    let objects: Vec<DefaultDicomObject> = files.iter().map(|file| open_file(file).unwrap()).collect();
    files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    for copy in 0..times {
        for (k, object) in objects.iter().enumerate() {
            let mut object = object.clone();
            let stored: Vec<u16> = (0..20).map(|i| ((k * 20 + i) * 30 + copy) as u16).collect();
            put(&mut object, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored.into()));
            put(
                &mut object,
                tags::SOP_INSTANCE_UID,
                VR::UI,
                format!("2.25.{}", 1000 * (copy + 1) + k).as_str(),
            );
            change(&mut object, copy, k);
            let name = (copy * 7 + k * 11) % 97;
            object.write_to_file(folder.path().join(format!("{name:02}-{copy}-{k}.dcm"))).unwrap();
        }
    }
    folder
}

fn choose(folder: &tempfile::TempDir, volume: &str) -> Result<Volume> {
    open(folder.path(), &OpenOptions { volume: Some(volume.into()), ..OpenOptions::default() })
}

/// Asserts that a volume is copy n of the phantom, and nothing but it.
fn is_copy(volume: &Volume, copy: usize) {
    let expected: Vec<i16> = (0..120).map(|i| i * 30 - 1024 + copy as i16).collect();
    assert_eq!(*volume.samples(), Samples::I16(expected));
}

fn labels(folder: &tempfile::TempDir) -> Vec<String> {
    list_series(folder.path(), false).unwrap().remove(0).volumes
}

#[test]
fn b_values_are_listed_chosen_and_never_mixed() {
    let folder = repeated(2, |o, copy, _| {
        put(o, tags::DIFFUSION_B_VALUE, VR::FD, PrimitiveValue::from([0.0, 1000.0][copy]));
    });
    refused(&folder, "0: b-value 0, 6 slices\n  1: b-value 1000, 6 slices");
    assert!(matches!(read(&folder), Err(Error::Options(_))));
    for allow_duplicates in [false, true] {
        let options = OpenOptions { allow_duplicates, ..OpenOptions::default() };
        assert!(open(folder.path(), &options).is_err());
    }
    for (choice, copy) in [("0", 0), ("1", 1), ("b-value=1000", 1), ("B Value = 0", 0), ("b=1e3", 1)] {
        is_copy(&choose(&folder, choice).unwrap(), copy);
    }
    assert_eq!(choose(&folder, "1").unwrap().provenance["volume"], "b-value 1000");
    for (choice, words) in [
        ("2", "there is no volume 2"),
        ("b-value=500", "the values of b-value are 0, 1000"),
        ("colour=1", "no slice has a 'colour'"),
        ("high", "NAME=VALUE"),
    ] {
        let message = choose(&folder, choice).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    let every = OpenOptions { volume: Some("all".into()), ..OpenOptions::default() };
    let volumes = crate::io::Volumes::open(folder.path(), &every).unwrap();
    assert_eq!(volumes.len(), 2);
    is_copy(&volumes.read(1).unwrap(), 1);
    assert!(volumes.read(2).is_err());
    assert_eq!(labels(&folder), ["b-value 0", "b-value 1000"]);
}

#[test]
fn two_attributes_tell_apart_what_one_does_not() {
    let folder = repeated(3, |o, copy, _| {
        put(o, tags::DIFFUSION_B_VALUE, VR::FD, PrimitiveValue::from([0.0, 800.0, 800.0][copy]));
        if copy > 0 {
            let direction = PrimitiveValue::F64([copy as f64 - 1.0, 0.0, 2.0 - copy as f64][..].into());
            put(o, tags::DIFFUSION_GRADIENT_ORIENTATION, VR::FD, direction);
        }
    });
    assert_eq!(
        labels(&folder),
        [
            "gradient direction none, b-value 0",
            "gradient direction 0.0000 0.0000 1.0000, b-value 800",
            "gradient direction 1.0000 0.0000 0.0000, b-value 800"
        ]
    );
    is_copy(&choose(&folder, "b-value=800,gradient direction=1.0000 0.0000 0.0000").unwrap(), 2);
    is_copy(&choose(&folder, "b-value=0").unwrap(), 0);
    // What is left after the choice still has to be one.
    assert!(choose(&folder, "b-value=800").unwrap_err().to_string().contains("2 volumes"));
}

#[test]
fn vendors_write_b_values_in_elements_of_their_own() {
    for (creator, group, element, vr) in [
        ("SIEMENS MR HEADER", 0x0019, 0x100c, VR::IS),
        ("GEMS_PARM_01", 0x0043, 0x1039, VR::IS),
        ("Philips Imaging DD 001", 0x2001, 0x1003, VR::FL),
    ] {
        let folder = repeated(2, |o, copy, _| {
            put(o, Tag(group, 0x10), VR::LO, creator);
            let value = match vr {
                VR::FL => PrimitiveValue::from([0.0f32, 700.0][copy]),
                // GE's version with 10^9 on top.
                _ if group == 0x0043 => {
                    PrimitiveValue::from(["1000000000\\8\\0\\0", "1000000700\\8\\0\\0"][copy])
                }
                _ => PrimitiveValue::from(["0", "700"][copy]),
            };
            put(o, Tag(group, element), vr, value);
        });
        is_copy(&choose(&folder, "b-value=700").unwrap(), 1);
    }
}

#[test]
fn magnitude_and_phase_and_echoes_are_contrasts() {
    let folder = repeated(4, |o, copy, _| {
        put(o, tags::IMAGE_TYPE, VR::CS, ["ORIGINAL\\PRIMARY\\M", "ORIGINAL\\PRIMARY\\P"][copy % 2]);
        put(o, tags::ECHO_TIME, VR::DS, ["4.92", "7.38"][copy / 2]);
    });
    assert_eq!(labels(&folder).len(), 4);
    is_copy(&choose(&folder, "image type=P,echo time=7.38").unwrap(), 3);
    is_copy(&choose(&folder, "echo time=4.92,image type=m").unwrap(), 0);
}

#[test]
fn times_are_steps_even_where_they_differ_from_slice_to_slice() {
    let folder = repeated(3, |o, copy, k| {
        put(o, tags::TRIGGER_TIME, VR::DS, format!("{}", copy * 100 + k).as_str());
    });
    let step = |n| open(folder.path(), &OpenOptions { time_step: Some(n), ..OpenOptions::default() });
    (0..3).for_each(|n| is_copy(&step(n).unwrap(), n));
    refused(&folder, "`time_step` 0 to 2");
    // A slice that is missing in one step is missing there alone.
    let folder = repeated(3, |o, copy, _| {
        put(o, tags::TEMPORAL_POSITION_IDENTIFIER, VR::IS, format!("{copy}").as_str());
    });
    let victim = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().path());
    std::fs::remove_file(victim.into_iter().find(|f| f.to_str().unwrap().ends_with("-1-3.dcm")).unwrap())
        .unwrap();
    let step = |n| open(folder.path(), &OpenOptions { time_step: Some(n), ..OpenOptions::default() });
    is_copy(&step(2).unwrap(), 2);
    assert!(step(1).unwrap_err().to_string().contains("slice missing"));
}

#[test]
fn blocks_of_instance_numbers_are_steps() {
    // Volume after volume, and position after position.
    for number in [|copy: usize, k: usize| copy * 6 + k, |copy, k| k * 2 + copy] {
        let folder = repeated(2, |o, copy, k| {
            put(o, tags::INSTANCE_NUMBER, VR::IS, format!("{}", 1 + number(copy, k)).as_str());
        });
        let step = |n| open(folder.path(), &OpenOptions { time_step: Some(n), ..OpenOptions::default() });
        (0..2).for_each(|n| is_copy(&step(n).unwrap(), n));
    }
    // Numbers of two orders tell nothing.
    let folder = repeated(2, |o, copy, k| {
        let number = match (copy, k) {
            (0, _) => 10 * k,
            (_, 1) => 15,
            _ => 100 + k,
        };
        put(o, tags::INSTANCE_NUMBER, VR::IS, format!("{number}").as_str());
    });
    refused(&folder, "no attribute tells them apart");
}

#[test]
fn contrasts_that_were_taken_several_times_stay_apart() {
    // Two pictures without diffusion, one with it; only the clock tells the first two apart.
    let folder = repeated(3, |o, copy, _| {
        put(o, tags::DIFFUSION_B_VALUE, VR::FD, PrimitiveValue::from([0.0, 0.0, 900.0][copy]));
        put(o, tags::CONTENT_TIME, VR::TM, ["100000", "100500", "100200"][copy]);
    });
    let labels = labels(&folder);
    assert_eq!(
        labels,
        ["b-value 0, step 1 by content time", "b-value 0, step 2 by content time", "b-value 900"]
    );
    (0..3).for_each(|n| is_copy(&choose(&folder, &n.to_string()).unwrap(), n));
}

#[test]
fn overlapping_acquisitions_are_two_volumes() {
    // The second one begins in the middle of the first, at the same positions or between them.
    let [_, _, step] = phantom().geometry.spacing;
    for offset in [2.0 * step, 2.5 * step] {
        let folder = repeated(2, |o, copy, k| {
            put(o, tags::ACQUISITION_NUMBER, VR::IS, ["1", "2"][copy]);
            put(o, tags::SLICE_THICKNESS, VR::DS, "2.5");
            let at = k as f64 + copy as f64 * offset / step;
            let place =
                phantom().geometry.index_to_world([0.0, 0.0, at]).map(|v| format!("{v:.9}")).join("\\");
            put(o, tags::IMAGE_POSITION_PATIENT, VR::DS, place.as_str());
        });
        refused(&folder, "0: acquisition number 1, 6 slices\n  1: acquisition number 2, 6 slices");
        is_copy(&choose(&folder, "acquisition number=2").unwrap(), 1);
        is_copy(&choose(&folder, "acquisition=1").unwrap(), 0);
    }
}

#[test]
fn passes_between_each_other_are_one_stack_only_where_they_do_not_overlap() {
    let passes = |thickness: &'static str| {
        let (folder, files) = series();
        for (k, file) in files.iter().enumerate() {
            edit(file, |o| {
                put(o, tags::ACQUISITION_NUMBER, VR::IS, ["1", "2"][k % 2]);
                put(o, tags::SLICE_THICKNESS, VR::DS, thickness);
            });
        }
        folder
    };
    refused(&passes("5"), "acquisition number 2, 3 slices");
    assert_eq!(read(&passes("2.5")).unwrap().samples(), phantom().samples());
}

#[test]
fn files_that_are_there_twice_are_no_volume() {
    let (folder, files) = series();
    for file in &files {
        std::fs::copy(file, file.with_extension("again.dcm")).unwrap();
    }
    refused(&folder, "holds files twice");
    let options = OpenOptions { allow_duplicates: true, ..OpenOptions::default() };
    assert_eq!(open(folder.path(), &options).unwrap().samples(), phantom().samples());
}

/// The phantom as tiles of one image, 3 x 2 of 3 x 3 filled, with the vendor's elements.
fn mosaic(normal: f64, with_count: bool) -> (tempfile::TempDir, PathBuf) {
    let (folder, files) = series();
    for file in &files[1..] {
        std::fs::remove_file(file).unwrap();
    }
    let file = files[0].clone();
    let geometry = phantom().geometry;
    edit(&file, |o| {
        let mut sheet = vec![0u16; 15 * 12];
        for (k, j, i) in (0..6).flat_map(|k| (0..4).flat_map(move |j| (0..5).map(move |i| (k, j, i)))) {
            sheet[(k / 3 * 4 + j) * 15 + k % 3 * 5 + i] = ((k * 20 + j * 5 + i) * 30) as u16;
        }
        put(o, tags::ROWS, VR::US, 12u16);
        put(o, tags::COLUMNS, VR::US, 15u16);
        put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(sheet.into()));
        put(o, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC");
        put(o, tags::SPACING_BETWEEN_SLICES, VR::DS, "2.5");
        // The sheet's corner: a tile's and two or four times half a tile beside it.
        let corner = geometry.index_to_world([-5.0, -4.0, 0.0]).map(|v| format!("{v:.9}")).join("\\");
        put(o, tags::IMAGE_POSITION_PATIENT, VR::DS, corner.as_str());
        let axis = geometry.direction.map(|row| row[2] * normal);
        put(o, Tag(0x0029, 0x0010), VR::LO, "SIEMENS CSA HEADER");
        let csa = csa_header(&[("SliceNormalVector", &axis), ("NumberOfImagesInMosaic", &[6.0])]);
        put(o, Tag(0x0029, 0x1010), VR::OB, PrimitiveValue::U8(csa.into()));
        if with_count {
            put(o, Tag(0x0019, 0x0010), VR::LO, "SIEMENS MR HEADER");
            put(o, Tag(0x0019, 0x100a), VR::US, 6u16);
        }
    });
    (folder, file)
}

#[test]
fn mosaics_are_unfolded() {
    for with_count in [true, false] {
        let (_folder, file) = mosaic(1.0, with_count);
        let volume = open(&file, &OpenOptions::default()).unwrap();
        assert_eq!(volume.samples(), phantom().samples());
        let (a, b) = ([4.0, 3.0, 5.0], phantom().geometry.index_to_world([4.0, 3.0, 5.0]));
        let found = volume.geometry.index_to_world(a);
        assert!(found.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {b:?}");
    }
    // Slices against the normal: the first one lies where it did, and is the last along the normal.
    let (_folder, file) = mosaic(-1.0, true);
    let volume = open(&file, &OpenOptions::default()).unwrap();
    assert_eq!(volume.samples().get(5 * 20), -1024.0);
    let (found, first) = (volume.geometry.index_to_world([0.0, 0.0, 5.0]), phantom().geometry.origin);
    assert!(found.iter().zip(first).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
}

#[test]
fn mosaics_of_which_too_little_is_said_are_refused() {
    let (_folder, file) = mosaic(1.0, false);
    edit(&file, |o| drop(o.take(Tag(0x0029, 0x1010))));
    let message = open(&file, &OpenOptions::default()).unwrap_err().to_string();
    assert!(message.contains("Siemens mosaic") && message.contains("dcm2niix"), "{message}");
}

#[test]
fn an_image_that_is_marked_as_a_mosaic_and_cut_is_one_slice() {
    let (_folder, file) = mosaic(1.0, true);
    // Four tiles across do not make 15 columns.
    edit(&file, |o| put(o, Tag(0x0019, 0x100a), VR::US, 10u16));
    assert_eq!(open(&file, &OpenOptions::default()).unwrap().shape(), [15, 12, 1]);
}

#[test]
fn the_dimension_index_tells_frames_apart() {
    use dicom_object::InMemDicomObject;
    let item = |elements: Vec<dicom_object::mem::InMemElement>| InMemDicomObject::from_element_iter(elements);
    // Three positions twice: nothing but the index says which frame is of which.
    let (_folder, file) = multi_frame(|o, at| {
        let groups = (0..6usize)
            .map(|frame| {
                let position = DataElement::new(tags::IMAGE_POSITION_PATIENT, VR::DS, at(frame / 2));
                let index = PrimitiveValue::U32([frame as u32 / 2 + 1, frame as u32 % 2 + 1][..].into());
                let mut groups = InMemDicomObject::new_empty();
                sequence(&mut groups, tags::PLANE_POSITION_SEQUENCE, vec![item(vec![position])]);
                let index = DataElement::new(tags::DIMENSION_INDEX_VALUES, VR::UL, index);
                sequence(&mut groups, tags::FRAME_CONTENT_SEQUENCE, vec![item(vec![index])]);
                groups
            })
            .collect();
        let pointer = |tag: Tag, label: &str| {
            item(vec![
                DataElement::new(tags::DIMENSION_INDEX_POINTER, VR::AT, PrimitiveValue::from(tag)),
                DataElement::new(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label),
            ])
        };
        let pointers = vec![
            pointer(tags::IN_STACK_POSITION_NUMBER, "position"),
            pointer(tags::CONTRAST_BOLUS_AGENT_NUMBER, "agent"),
        ];
        let mut all = InMemDicomObject::new_empty();
        sequence(&mut all, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, groups);
        sequence(&mut all, tags::DIMENSION_INDEX_SEQUENCE, pointers);
        all.into_iter().for_each(|element| drop(o.put(element)));
        o.take(tags::INSTANCE_NUMBER);
    });
    let volume =
        |choice: &str| open(&file, &OpenOptions { volume: Some(choice.into()), ..OpenOptions::default() });
    let message = open(&file, &OpenOptions::default()).unwrap_err().to_string();
    assert!(message.contains("0: agent 1, 3 slices\n  1: agent 2, 3 slices"), "{message}");
    // Frame f holds slice 5 - f of the phantom.
    let first = |volume: Volume, k: usize| volume.samples().get(20 * k);
    assert_eq!(first(volume("agent=1").unwrap(), 0), f64::from(5 * 600 - 1024));
    assert_eq!(first(volume("agent=2").unwrap(), 2), f64::from(-1024));
}
