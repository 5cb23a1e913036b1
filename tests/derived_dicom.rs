//! Derived DICOM series: what an archive checks, what stays of the original, and what is said of losses.
//!
//! `dciodvfy` and `dcentvfy` (dicom3tools) check every file against the standard's information object definitions, where
//! they are installed; elsewhere that says SKIPPED.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{DefaultDicomObject, open_file};
use neuvol::engine::cpu::Cpu;
use neuvol::io::{self, OpenOptions, OriginalSeries, SeriesDescription, write_series};
use neuvol::train::{CompressOptions, Preset, Target, compress};
use neuvol::volume::{Frame, Geometry, LossyStep, Samples};
use neuvol::{NeuralVolume, Region, Volume};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const SHAPE: [usize; 3] = [6, 5, 4];

/// An oblique volume.
fn volume(samples: impl Into<Samples>) -> Volume {
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

fn ct() -> Volume {
    let mut volume = volume((0..120).map(|i| i * 17 - 1000).collect::<Vec<i16>>());
    volume.unit = "HU".into();
    volume
}

/// The files of a series, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

fn text(object: &DefaultDicomObject, tag: Tag) -> String {
    let element = object.element(tag).unwrap_or_else(|_| panic!("{tag} is missing"));
    element.to_str().unwrap().trim_matches(['\0', ' ']).to_owned()
}

fn has(object: &DefaultDicomObject, tag: Tag) -> bool {
    object.get(tag).is_some()
}

fn edit(path: &Path, values: &[(Tag, VR, &str)]) {
    let mut object = open_file(path).unwrap();
    for (tag, vr, value) in values {
        object.put(DataElement::new(*tag, *vr, PrimitiveValue::from(*value)));
    }
    object.write_to_file(path).unwrap();
}

fn read(folder: &Path) -> Volume {
    io::open(folder, &OpenOptions::default()).unwrap()
}

/// Through a `.nvol` file and back.
fn through_nvol(volume: &Volume, target: Target) -> Volume {
    let options = CompressOptions { target, preset: Preset::Fast, threads: 1, ..Default::default() };
    let compressed = compress(volume, &options).unwrap();
    let engine = Arc::new(Cpu::new(1).unwrap());
    let neural = NeuralVolume::from_bytes(&compressed.bytes, "in memory", engine).unwrap();
    neural.read_region(Region::whole(volume.shape()), 1).unwrap()
}

/// What `dciodvfy` and `dcentvfy` find wrong with the files of a folder; none where they are not installed.
fn errors(folder: &Path, test: &str) -> Option<BTreeSet<String>> {
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

fn assert_no_errors(folder: &Path, test: &str, what: &str) {
    if let Some(errors) = errors(folder, test) {
        assert!(errors.is_empty(), "{what}: {errors:#?}");
    }
}

/// Every way in which values are stored, in every kind of image.
#[test]
fn an_archive_finds_no_error() {
    let root = tempfile::tempdir().unwrap();
    let mut volumes: Vec<(&str, Volume)> = vec![
        ("int16 in 12 bits", ct()),
        ("int16", volume((0..120).map(|i| (i * 500 - 30_000) as i16).collect::<Vec<i16>>())),
        ("uint8", volume((0..120).map(|i| i * 2).collect::<Vec<u8>>())),
        ("int8", volume((0..120).map(|i| (i - 60) as i8).collect::<Vec<i8>>())),
        ("uint16", volume((0..120).map(|i| 500 * i).collect::<Vec<u16>>())),
        ("int32", volume((0..120).map(|i| i * 100 - 1_000_000).collect::<Vec<i32>>())),
        ("uint32", volume((0..120).map(|i| u32::MAX - i).collect::<Vec<u32>>())),
        ("float32", volume((0..120).map(|i| (i as f32).sin()).collect::<Vec<f32>>())),
        ("float64 with NaN", volume((0..120).map(|i| f64::from(i).sqrt() - 3.0).collect::<Vec<f64>>())),
    ];
    if let Some((_, last)) = volumes.last_mut() {
        let mut samples: Vec<f64> = (0..120).map(|i| last.samples().get(i)).collect();
        samples[7] = f64::NAN;
        *last = volume(samples);
    }
    let mut padded = ct();
    padded.fill_value = Some(-1000.0);
    volumes.push(("padding", padded));
    let mut whites = ct();
    whites.provenance.insert("photometric interpretation".into(), "MONOCHROME1".into());
    volumes.push(("MONOCHROME1", whites));
    let mut lossy = ct();
    lossy.add_lossy_step(&LossyStep { method: Some("ISO_10918_1".into()), ratio: Some(10.0) });
    lossy.add_lossy_step(&LossyStep { method: Some(LossyStep::NEUVOL.into()), ratio: Some(42.0) });
    volumes.push(("lossy", lossy));
    let mut unknown_losses = ct();
    unknown_losses.add_lossy_step(&LossyStep::default());
    volumes.push(("unknown losses", unknown_losses));
    let mut nowhere = volume(vec![1u8; 120]);
    nowhere.geometry = Geometry::default();
    volumes.push(("no patient frame", nowhere));
    let mut slice = Volume::new((0..30).map(|i| i * 9).collect::<Vec<i16>>(), [6, 5, 1]).unwrap();
    slice.geometry = ct().geometry;
    volumes.push(("one slice", slice));

    let sequence = [("scanning sequence", "SE\\IR"), ("sequence variant", "SK"), ("echo time", "80.5")];
    let localizer =
        [("image type", "ORIGINAL\\PRIMARY\\LOCALIZER"), ("kVp", "120"), ("patient position", "HFS")];
    let nonsense = [("image type", "?"), ("kVp", "a lot"), ("patient position", "on the side of the bed")];
    for (kind, class, notes) in [
        ("CT", uids::CT_IMAGE_STORAGE, &localizer[..]),
        ("CT", uids::CT_IMAGE_STORAGE, &nonsense),
        ("MR", uids::MR_IMAGE_STORAGE, &sequence),
        ("MR", uids::SECONDARY_CAPTURE_IMAGE_STORAGE, &[]),
        ("", uids::SECONDARY_CAPTURE_IMAGE_STORAGE, &[]),
    ] {
        for (number, (name, volume)) in volumes.iter().enumerate() {
            let mut volume = volume.clone();
            let notes = [&[("modality", kind)], notes].concat();
            volume.provenance.extend(notes.into_iter().map(|(key, note)| (key.into(), note.into())));
            let folder = root.path().join(format!("{number}/"));
            io::save(&volume, &folder).unwrap();
            assert_no_errors(&folder, "an_archive_finds_no_error", &format!("{kind}, {name}"));
            let object = open_file(&files(&folder)[0]).unwrap();
            assert_eq!(text(&object, tags::SOP_CLASS_UID), class, "{kind}, {name}");
            let again = read(&folder);
            for index in 0..volume.len() {
                let (a, b) = (again.samples().get(index), volume.samples().get(index));
                let masked = b.is_nan() && again.fill_value == Some(a) || a.is_nan() && b.is_nan();
                // 16 bits of a range of 20 or less.
                assert!(masked || (a - b).abs() <= 2e-4, "{kind}, {name}: {a} for {b}");
            }
        }
    }
}

#[test]
fn nothing_is_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("ct/");
    io::save(&ct(), &out).unwrap();
    let object = open_file(&files(&out)[0]).unwrap();
    assert_eq!(text(&object, tags::IMAGE_TYPE), "DERIVED\\SECONDARY\\AXIAL");
    for tag in [
        tags::KVP,
        tags::ACQUISITION_NUMBER,
        tags::PATIENT_POSITION,
        tags::LATERALITY,
        tags::SLICE_THICKNESS,
        tags::PATIENT_NAME,
        tags::PATIENT_ID,
        tags::STUDY_DATE,
        tags::ACCESSION_NUMBER,
    ] {
        assert_eq!(text(&object, tag), "", "{tag}");
    }
    assert_eq!(text(&object, tags::SPACING_BETWEEN_SLICES), "2.5");

    // What the source says is kept, through a .nvol file too; where its slices do not agree nobody knows.
    let series = files(&out);
    for (k, file) in series.iter().enumerate() {
        let values = [
            (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI"),
            (tags::KVP, VR::DS, if k == 0 { "100" } else { "120" }),
            (tags::PATIENT_POSITION, VR::CS, "FFS"),
            (tags::SLICE_THICKNESS, VR::DS, "3"),
            (tags::PROTOCOL_NAME, VR::LO, "Smith, Thorax"),
        ];
        edit(file, &values);
    }
    let kept = through_nvol(&read(&out), Target::Lossless);
    assert!(!format!("{:?}", kept.provenance).contains("Smith"), "{:?}", kept.provenance);
    let derived = folder.path().join("derived/");
    io::save(&kept, &derived).unwrap();
    let object = open_file(&files(&derived)[0]).unwrap();
    assert_eq!(text(&object, tags::IMAGE_TYPE), "DERIVED\\PRIMARY\\AXIAL");
    assert_eq!(text(&object, tags::KVP), "");
    assert_eq!(text(&object, tags::PATIENT_POSITION), "FFS");
    assert_eq!(text(&object, tags::SLICE_THICKNESS), "3");
    assert_no_errors(&derived, "nothing_is_made_up", "derived");
}

/// The marks of a derived file: (0028,2110), ratios, methods.
fn marks(volume: &Volume) -> Option<[String; 2]> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out/");
    io::save(volume, &out).unwrap();
    let object = open_file(&files(&out)[0]).unwrap();
    if !has(&object, tags::LOSSY_IMAGE_COMPRESSION) {
        assert!(!has(&object, tags::LOSSY_IMAGE_COMPRESSION_RATIO));
        return None;
    }
    assert_eq!(text(&object, tags::LOSSY_IMAGE_COMPRESSION), "01");
    let said = |tag| if has(&object, tag) { text(&object, tag) } else { String::new() };
    Some([tags::LOSSY_IMAGE_COMPRESSION_RATIO, tags::LOSSY_IMAGE_COMPRESSION_METHOD].map(said))
}

#[test]
fn only_what_lost_something_is_marked() {
    // Noise of few values: a latent grid of 20 dB is far from it.
    let noise: Vec<i16> = (0..120u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as i16).collect();
    let mut volume = volume(noise);
    volume.unit = "HU".into();
    assert_eq!(marks(&volume), None);
    let lossless = through_nvol(&volume, Target::Lossless);
    assert_eq!(lossless.samples(), volume.samples());
    assert_eq!(marks(&lossless), None);
    assert_eq!(marks(&through_nvol(&volume, Target::MaxError(0.0))), None);

    let lossy = through_nvol(&volume, Target::Psnr(20.0));
    assert_ne!(lossy.samples(), volume.samples());
    let [ratio, method] = marks(&lossy).unwrap();
    assert_eq!(method, "NEUVOL");
    assert!(ratio.parse::<f64>().unwrap() > 0.0, "{ratio}");
    assert!(marks(&through_nvol(&volume, Target::MaxError(3.0))).is_some());

    // Once lossy, always lossy: what was decoded keeps its mark when it is compressed again, with losses or without.
    assert_eq!(marks(&through_nvol(&lossy, Target::Lossless)), Some([ratio.clone(), method]));
    let [ratios, methods] = marks(&through_nvol(&lossy, Target::MaxError(9.0))).unwrap();
    assert_eq!(methods, "NEUVOL\\NEUVOL");
    assert!(ratios.starts_with(&format!("{ratio}\\")), "{ratios}");
}

#[test]
fn a_series_that_was_marked_lossy_stays_marked() {
    let root = tempfile::tempdir().unwrap();
    for (number, (all, method, ratios, expected)) in [
        (true, "ISO_10918_1", "10", ["10", "ISO_10918_1"]),
        (true, "ISO_10918_1\\ISO_15444_1", "10\\3.5", ["10\\3.5", "ISO_10918_1\\ISO_15444_1"]),
        (true, "", "", ["", ""]),
        (true, "", "8", ["8", ""]),
        // One slice is enough.
        (false, "ISO_14495_1", "4", ["4", "ISO_14495_1"]),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = root.path().join(format!("{number}"));
        write_series(&ct(), &folder, &SeriesDescription::default()).unwrap();
        for file in files(&folder).iter().take(if all { usize::MAX } else { 1 }) {
            let mut values = vec![(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01")];
            if !method.is_empty() {
                values.push((tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, method));
            }
            if !ratios.is_empty() {
                values.push((tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS, ratios));
            }
            edit(file, &values);
        }
        let expected = Some(expected.map(String::from));
        let volume = read(&folder);
        assert_eq!(marks(&volume), expected, "converted");
        assert_eq!(marks(&through_nvol(&volume, Target::Lossless)), expected, "through .nvol");
    }
    let folder = root.path().join("0");
    for file in files(&folder) {
        edit(&file, &[(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00")]);
    }
    assert_eq!(marks(&read(&folder)), None);
}

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
