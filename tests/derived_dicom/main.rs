//! Derived DICOM series: what an archive checks, what stays of the original, and what is said of losses.
//!
//! `dciodvfy` and `dcentvfy` (dicom3tools) check every file against the standard's information object definitions, where
//! they are installed; elsewhere that says SKIPPED.

mod series;
mod study;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::open_file;
use neuvol::Volume;
use neuvol::io::{self, SeriesDescription, write_series};
use neuvol::train::Target;
use neuvol::volume::{Geometry, LossyStep};
use series::*;

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
