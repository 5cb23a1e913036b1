//! A series that goes back into the study of its original.

use super::series::*;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{DefaultDicomObject, open_file};
use neuvol::Volume;
use neuvol::io::{OriginalSeries, SeriesDescription, write_series};
use neuvol::train::Target;
use neuvol::volume::{Frame, Geometry};
use std::collections::BTreeSet;
use std::path::Path;

/// A series of somebody, as a scanner writes it.
fn original(folder: &Path) {
    let description = SeriesDescription {
        description: "Lung 1.5".into(),
        patient: ["DOE^JANE".into(), "P-1".into()],
        shuffle: Some(3),
        ..SeriesDescription::default()
    };
    write_series(&ct(), folder, &description).unwrap();
    for file in files(folder) {
        let at = text(&open_file(&file).unwrap(), tags::IMAGE_POSITION_PATIENT);
        let z: f64 = at.rsplit('\\').next().unwrap().parse().unwrap();
        let mut object = open_file(&file).unwrap();
        let referring = PrimitiveValue::from("M\u{fc}ller^J\u{f6}rg");
        for (tag, vr, value) in [
            (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100".into()),
            (tags::REFERRING_PHYSICIAN_NAME, VR::PN, referring),
            (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL".into()),
            (tags::STUDY_DATE, VR::DA, "20200102".into()),
            (tags::STUDY_TIME, VR::TM, "101500".into()),
            (tags::STUDY_ID, VR::SH, "S7".into()),
            (tags::ACCESSION_NUMBER, VR::SH, "A-12".into()),
            (tags::STUDY_DESCRIPTION, VR::LO, "Thorax".into()),
            (tags::PATIENT_BIRTH_DATE, VR::DA, "19500101".into()),
            (tags::PATIENT_SEX, VR::CS, "F".into()),
            (tags::PATIENT_AGE, VR::AS, "070Y".into()),
            (tags::SERIES_NUMBER, VR::IS, "4".into()),
            (tags::MANUFACTURER, VR::LO, "Scanner & Sons".into()),
            (tags::INSTITUTION_NAME, VR::LO, "A hospital".into()),
            (tags::MANUFACTURER_MODEL_NAME, VR::LO, "One".into()),
            (tags::BODY_PART_EXAMINED, VR::CS, "CHEST".into()),
            (tags::PATIENT_POSITION, VR::CS, "HFS".into()),
            (tags::KVP, VR::DS, "120".into()),
            (tags::SLICE_THICKNESS, VR::DS, "1.5".into()),
            (tags::X_RAY_TUBE_CURRENT, VR::IS, format!("{}", 100 + z as i64).as_str().into()),
            (tags::SPIRAL_PITCH_FACTOR, VR::FD, 0.75f64.into()),
            (tags::OPERATORS_NAME, VR::PN, "Nobody".into()),
        ] as [(Tag, VR, PrimitiveValue); 22]
        {
            object.put(DataElement::new(tag, vr, value));
        }
        // A chest has no side.
        object.take(tags::LATERALITY);
        object.write_to_file(&file).unwrap();
    }
}

/// The position along z, by which slices of two series are paired.
fn z(object: &DefaultDicomObject) -> i64 {
    let z = text(object, tags::IMAGE_POSITION_PATIENT).rsplit('\\').next().unwrap().to_owned();
    (z.parse::<f64>().unwrap() * 1000.0).round() as i64
}

fn sorted(folder: &Path) -> Vec<DefaultDicomObject> {
    let mut objects: Vec<_> = files(folder).iter().map(|f| open_file(f).unwrap()).collect();
    objects.sort_by_key(z);
    objects
}

#[test]
fn a_series_goes_back_into_its_study() {
    let root = tempfile::tempdir().unwrap();
    let [source, derived] = ["source", "derived"].map(|name| root.path().join(name));
    original(&source);
    let like = OriginalSeries::read(&source, None).unwrap();
    assert!(!format!("{like:?}").contains("DOE"));
    let volume = through_nvol(&read(&source), Target::Lossless);
    write_series(&volume, &derived, &SeriesDescription::derived(&volume, Some(like))).unwrap();

    let (before, after) = (sorted(&source), sorted(&derived));
    assert_eq!(before.len(), after.len());
    for (old, new) in before.iter().zip(&after) {
        for tag in [
            tags::SPECIFIC_CHARACTER_SET,
            tags::STUDY_INSTANCE_UID,
            tags::STUDY_DATE,
            tags::STUDY_TIME,
            tags::STUDY_ID,
            tags::STUDY_DESCRIPTION,
            tags::ACCESSION_NUMBER,
            tags::REFERRING_PHYSICIAN_NAME,
            tags::PATIENT_NAME,
            tags::PATIENT_ID,
            tags::PATIENT_BIRTH_DATE,
            tags::PATIENT_SEX,
            tags::PATIENT_AGE,
            tags::FRAME_OF_REFERENCE_UID,
            tags::BODY_PART_EXAMINED,
            tags::PATIENT_POSITION,
            tags::KVP,
            tags::SLICE_THICKNESS,
            tags::X_RAY_TUBE_CURRENT,
            tags::PIXEL_SPACING,
        ] {
            assert_eq!(text(new, tag), text(old, tag), "{tag}");
        }
        for tag in [tags::IMAGE_POSITION_PATIENT, tags::IMAGE_ORIENTATION_PATIENT] {
            let numbers =
                |object: &DefaultDicomObject| object.element(tag).unwrap().to_multi_float64().unwrap();
            let apart = numbers(new).into_iter().zip(numbers(old)).map(|(a, b)| (a - b).abs());
            // Decimal strings have 16 characters.
            assert!(apart.fold(0.0, f64::max) < 1e-10, "{tag}");
        }
        let pitch = new.element(tags::SPIRAL_PITCH_FACTOR).unwrap().to_float64().unwrap();
        assert_eq!(pitch, 0.75);
        for tag in [tags::SERIES_INSTANCE_UID, tags::SOP_INSTANCE_UID] {
            assert_ne!(text(new, tag), text(old, tag), "{tag}");
        }
        assert!(
            !has(new, tags::OPERATORS_NAME) && !has(new, tags::INSTITUTION_NAME),
            "they made another series"
        );
        assert!(!has(new, tags::LOSSY_IMAGE_COMPRESSION));
        assert_eq!(text(new, tags::SERIES_NUMBER), "1004");
        assert_eq!(text(new, tags::SERIES_DESCRIPTION), "Lung 1.5, derived by neuvol");
        assert_eq!(text(new, tags::MANUFACTURER), "neuvol");
        assert_eq!(text(new, tags::IMAGE_TYPE), "DERIVED\\PRIMARY\\AXIAL");
        let item = |tag| new.element(tag).unwrap().items().unwrap()[0].clone();
        let of = |item: &dicom_object::InMemDicomObject, tag| {
            item.element(tag).unwrap().to_str().unwrap().trim_matches(['\0', ' ']).to_owned()
        };
        let scanner = item(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE);
        assert_eq!(of(&scanner, tags::MANUFACTURER), "Scanner & Sons");
        assert_eq!(of(&scanner, tags::INSTITUTION_NAME), "A hospital");
        let reference = item(tags::SOURCE_IMAGE_SEQUENCE);
        assert_eq!(of(&reference, tags::REFERENCED_SOP_INSTANCE_UID), text(old, tags::SOP_INSTANCE_UID));
        assert_eq!(of(&reference, tags::REFERENCED_SOP_CLASS_UID), uids::CT_IMAGE_STORAGE);
    }
    let of_derived: BTreeSet<String> = after.iter().map(|o| text(o, tags::SERIES_INSTANCE_UID)).collect();
    assert_eq!(of_derived.len(), 1);
    let again = read(&derived);
    assert_eq!(again.samples(), ct().samples());
    for corner in [[0.0; 3], [5.0, 4.0, 3.0]] {
        let [a, b] = [&again, &volume].map(|volume| volume.geometry.index_to_world(corner));
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} {b:?}");
    }
    assert_no_errors(&derived, "a_series_goes_back_into_its_study", "derived");
    // Both together are one consistent study.
    for (number, file) in files(&source).iter().enumerate() {
        std::fs::copy(file, derived.join(format!("original{number}.dcm"))).unwrap();
    }
    assert_no_errors(&derived, "a_series_goes_back_into_its_study", "both");
}

/// Between the original's slices, and somewhere else.
#[test]
fn only_slices_that_lie_where_the_original_lies_have_its_attributes() {
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("source");
    original(&source);
    let like = OriginalSeries::read(&source, None).unwrap();
    let write = |volume: &Volume, name: &str| {
        let folder = root.path().join(name);
        write_series(volume, &folder, &SeriesDescription::derived(volume, Some(like.clone()))).unwrap();
        assert_no_errors(&folder, "only_slices_that_lie_where_the_original_lies", name);
        sorted(&folder)
    };
    let old = sorted(&source);
    let references = |object: &DefaultDicomObject| -> Vec<String> {
        let Some(element) = object.get(tags::SOURCE_IMAGE_SEQUENCE) else { return Vec::new() };
        let uid = tags::REFERENCED_SOP_INSTANCE_UID;
        let items = element.items().unwrap().iter();
        items.map(|i| i.element(uid).unwrap().to_str().unwrap().trim_matches('\0').to_owned()).collect()
    };
    let frame = text(&old[0], tags::FRAME_OF_REFERENCE_UID);

    // Half as far apart: every other slice lies between two.
    let mut denser = ct();
    denser.geometry.spacing[2] = 1.25;
    let new = write(&denser, "denser");
    assert_eq!(text(&new[0], tags::FRAME_OF_REFERENCE_UID), frame);
    assert_eq!(references(&new[0]), [text(&old[0], tags::SOP_INSTANCE_UID)]);
    assert_eq!(text(&new[2], tags::X_RAY_TUBE_CURRENT), text(&old[1], tags::X_RAY_TUBE_CURRENT));
    assert!(!has(&new[1], tags::X_RAY_TUBE_CURRENT));
    assert_eq!(text(&new[1], tags::KVP), "120", "all images agree");
    let both: BTreeSet<String> = references(&new[1]).into_iter().collect();
    assert_eq!(both, old[..2].iter().map(|o| text(o, tags::SOP_INSTANCE_UID)).collect());

    // Far away, turned, or in no patient's frame.
    let mut away = ct();
    away.geometry.origin[0] += 1000.0;
    let mut turned = ct();
    turned.geometry.direction = Geometry::default().direction;
    let mut nowhere = ct();
    nowhere.geometry.frame = Frame::Unknown;
    for (name, volume) in [("away", away), ("turned", turned), ("nowhere", nowhere)] {
        let new = write(&volume, name);
        assert_ne!(text(&new[0], tags::FRAME_OF_REFERENCE_UID), frame, "{name}");
        assert_eq!(text(&new[0], tags::STUDY_INSTANCE_UID), text(&old[0], tags::STUDY_INSTANCE_UID));
        assert_eq!(text(&new[0], tags::PATIENT_ID), "P-1");
    }

    // A frame of reference that differs by image is left out.
    for (k, file) in files(&source).iter().enumerate() {
        edit(file, &[(tags::FRAME_OF_REFERENCE_UID, VR::UI, &format!("2.25.{}", k + 1))]);
    }
    let scattered = OriginalSeries::read(&source, None).unwrap();
    let folder = root.path().join("scattered");
    write_series(&ct(), &folder, &SeriesDescription::derived(&ct(), Some(scattered))).unwrap();
    let uids: BTreeSet<String> =
        sorted(&folder).iter().map(|o| text(o, tags::FRAME_OF_REFERENCE_UID)).collect();
    assert_eq!(uids.len(), 1);
    assert!(uids.iter().all(|uid| uid.len() > 10), "{uids:?}");
    for file in files(&source) {
        edit(&file, &[(tags::FRAME_OF_REFERENCE_UID, VR::UI, &frame)]);
    }

    // A file alone is a series of one image.
    let lone = OriginalSeries::read(&files(&source)[0], None).unwrap();
    let folder = root.path().join("lone");
    write_series(&ct(), &folder, &SeriesDescription::derived(&ct(), Some(lone))).unwrap();
    let new = sorted(&folder);
    assert_eq!(text(&new[0], tags::FRAME_OF_REFERENCE_UID), frame);
    assert_eq!(new.iter().filter(|o| !references(o).is_empty()).count(), 1);
}

/// An MR series: what its pulse sequence has, and neither what it has not nor what is in another's representation.
#[test]
fn an_mr_series_has_what_its_sequence_has() {
    let root = tempfile::tempdir().unwrap();
    let [source, derived] = ["source", "derived"].map(|name| root.path().join(name));
    let mut volume = volume((0..120).map(|i| i * 9).collect::<Vec<u16>>());
    let note = |(key, note): (&str, &str)| (key.to_owned(), note.to_owned());
    let notes = [("modality", "MR"), ("scanning sequence", "SE"), ("sequence variant", "SK")];
    volume.provenance.extend(notes.map(note));
    write_series(&volume, &source, &SeriesDescription::derived(&volume, None)).unwrap();
    for (k, file) in files(&source).iter().enumerate() {
        let values = [
            (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\PHASE MAP"),
            (tags::MR_ACQUISITION_TYPE, VR::CS, "2D"),
            (tags::REPETITION_TIME, VR::DS, "500"),
            (tags::ECHO_TIME, VR::DS, if k == 1 { "21" } else { "20" }),
            (tags::INVERSION_TIME, VR::DS, "0"),
            (tags::TRIGGER_TIME, VR::DS, "0"),
            // Longer than its representation allows, as some write it.
            (tags::PATIENT_ID, VR::LT, "P-2"),
        ];
        edit(file, &values);
        edit(file, if k == 2 { &[] } else { &[(tags::FLIP_ANGLE, VR::DS, "90")] });
    }
    let like = OriginalSeries::read(&source, None).unwrap();
    let read = read(&source);
    for (name, original) in [("alone", None), ("beside", Some(like))] {
        let derived = derived.with_extension(name);
        write_series(&read, &derived, &SeriesDescription::derived(&read, original.clone())).unwrap();
        let objects = sorted(&derived);
        let first = &objects[0];
        assert_eq!(text(first, tags::SOP_CLASS_UID), uids::MR_IMAGE_STORAGE);
        assert_eq!(text(first, tags::IMAGE_TYPE), "DERIVED\\PRIMARY\\PHASE MAP");
        assert_eq!(text(first, tags::SCANNING_SEQUENCE), "SE");
        assert_eq!(text(first, tags::REPETITION_TIME), "500");
        assert!(!has(first, tags::INVERSION_TIME) && !has(first, tags::TRIGGER_TIME));
        assert!(!has(first, tags::RESCALE_SLOPE), "MR images have none");
        let echoes: Vec<String> = objects.iter().map(|o| text(o, tags::ECHO_TIME)).collect();
        match original {
            None => assert_eq!(
                echoes, [""; 4],
                "the slices do not agree, and the volume does not know which is which"
            ),
            Some(_) => {
                assert_eq!(echoes, ["20", "21", "20", "20"]);
                assert_eq!(text(first, tags::PATIENT_ID), "P-2");
                let flips: Vec<bool> = objects.iter().map(|o| has(o, tags::FLIP_ANGLE)).collect();
                assert_eq!(flips, [true, true, false, true]);
            }
        }
        assert_no_errors(&derived, "an_mr_series_has_what_its_sequence_has", name);
    }
}

/// Implicit and big-endian files, whose elements have another form.
#[test]
fn attributes_are_copied_from_every_transfer_syntax() {
    let root = tempfile::tempdir().unwrap();
    for syntax in [uids::IMPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.2"] {
        let [source, derived] = ["source", "derived"].map(|name| root.path().join(syntax).join(name));
        std::fs::create_dir_all(root.path().join(syntax)).unwrap();
        original(&source);
        for file in files(&source) {
            let object = open_file(&file).unwrap();
            let meta = dicom_object::FileMetaTableBuilder::new()
                .transfer_syntax(syntax)
                .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
                .media_storage_sop_instance_uid(text(&object, tags::SOP_INSTANCE_UID));
            object.into_inner().with_meta(meta).unwrap().write_to_file(&file).unwrap();
        }
        let like = OriginalSeries::read(&source, None).unwrap();
        write_series(&ct(), &derived, &SeriesDescription::derived(&ct(), Some(like))).unwrap();
        let object = &sorted(&derived)[0];
        assert_eq!(text(object, tags::REFERRING_PHYSICIAN_NAME), "M\u{fc}ller^J\u{f6}rg");
        assert_eq!(object.element(tags::SPIRAL_PITCH_FACTOR).unwrap().to_float64().unwrap(), 0.75);
        assert_eq!(text(object, tags::KVP), "120");
        assert_no_errors(&derived, "attributes_are_copied_from_every_transfer_syntax", syntax);
    }
}

#[test]
fn texts_beyond_ascii_are_written_in_a_character_set_that_has_them() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let description =
        SeriesDescription { description: "Sch\u{e4}del \u{2014} neu".into(), ..Default::default() };
    write_series(&ct(), &out, &description).unwrap();
    let object = open_file(&files(&out)[0]).unwrap();
    assert_eq!(text(&object, tags::SPECIFIC_CHARACTER_SET), "ISO_IR 192");
    assert_eq!(text(&object, tags::SERIES_DESCRIPTION), description.description);
    assert_no_errors(&out, "texts_beyond_ascii", "UTF-8");

    let source = root.path().join("source");
    original(&source);
    for file in files(&source) {
        edit(&file, &[(tags::SERIES_DESCRIPTION, VR::LO, "")]);
    }
    let like = OriginalSeries::read(&source, None).unwrap();
    let beside = |description: &str| {
        let series = SeriesDescription {
            description: description.into(),
            original: Some(like.clone()),
            ..SeriesDescription::default()
        };
        write_series(&ct(), &out, &series)
    };
    beside("Sch\u{e4}del").unwrap();
    let object = open_file(&files(&out)[0]).unwrap();
    assert_eq!(text(&object, tags::SERIES_DESCRIPTION), "Sch\u{e4}del");
    let message = beside("\u{2014}").unwrap_err().to_string();
    assert!(message.contains("character set of the original series ('ISO_IR 100')"), "{message}");
}
