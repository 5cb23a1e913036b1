//! DICOM series and single files.

use super::*;
use neuvol::volume::SampleType;

fn folder_in(folder: &Path) -> PathBuf {
    let mut folders = std::fs::read_dir(folder).expect("NEUVOL_DATA should hold the DICOM folders");
    folders.next().expect("a series").unwrap().path()
}

#[test]
fn dicom_ct_series() {
    let Some((python, data)) = python_and_data("dicom_ct_series") else { return };
    let folder = folder_in(&data.join("dicom_ct_chest"));
    let volume = io::open(&folder, &OpenOptions::default()).unwrap();
    assert_eq!(volume.shape(), [512, 512, 275]);
    assert_eq!(volume.sample_type().name(), "int16");
    assert_eq!(volume.range(), Some((-1000.0, 1979.0)));
    assert_eq!((volume.unit.as_str(), volume.name.as_str()), ("HU", "ct"));
    let expected = reference(&python, std::slice::from_ref(&folder));
    compare(&folder, &volume, &expected[folder.to_str().unwrap()], 1e-4);
}

#[test]
fn dicom_series_with_a_gap_is_refused() {
    let Some(data) = environment("NEUVOL_DATA", "dicom_series_with_a_gap_is_refused") else { return };
    let message = io::open(data.join("dicom_mr_t2_gap"), &OpenOptions::default()).unwrap_err().to_string();
    assert!(message.contains("slice missing: positions along the normal jump from"), "{message}");
    assert!(message.contains("a step of 5.00 mm where the others are 2.50 mm"), "{message}");
}

/// Why a DICOM file of the samples may be refused; the words are those of our messages.
const DICOM_REFUSED: [&str; 7] = [
    "each pixel has 3 components",
    "no Pixel Data",
    "neither by content",
    "undefined length",
    "a film",
    "no film",
    "truncated or corrupt",
];

/// Lossy files whose rounding the standards leave open, so that the key's decoder and ours give pixels that differ by 1 here and
/// there: the digest of ours, whose they are too, and at how many they differ from the key's.
const OTHER_ROUNDING: [(&str, &str, &str); 2] = [
    (
        "pydicom/JPGExtended.dcm",
        "d30242775a414c01d616447854ebe3f2b20259822894bcd6891f879bcdcbf313",
        "equal to libjpeg-turbo's pixels (the key's differ by 1 at 1.4 % of them)",
    ),
    (
        "pydicom/JPEG2000.dcm",
        "05ef06f6aaf4c5146265fcecc028004da38110853ef6164311bdf5386b330557",
        "equal but for a rounding (OpenJPEG's differ by 1 at 0.13 % of them)",
    ),
];

/// Segmentations with other planes than frames: `segmentations.rs` compares them.
const PLANES_WITHOUT_FRAMES: [&str; 3] = [
    "dcmqi/segmentations/partial_overlaps.dcm",
    "dcmqi/segmentations/sparse-labelmap-noppv.dcm",
    "dcmqi/segmentations/sparse-labelmap-ppv5.dcm",
];

/// Single files whose stored pixels' digest is known from pydicom: equal, or refused with the reason. Prints the table of
/// both.
#[test]
fn dicom_stored_pixels() {
    let Some(data) = environment("NEUVOL_DATA", "dicom_stored_pixels") else { return };
    let folder = data.join("formats/dicom_ts");
    let index: Value =
        serde_json::from_slice(&std::fs::read(folder.join("reference_pixels.json")).unwrap()).unwrap();
    let (mut equal, mut wrong, mut table) = (0, Vec::new(), Vec::new());
    for entry in index.as_array().unwrap() {
        let name = entry["file"].as_str().unwrap();
        if PLANES_WITHOUT_FRAMES.contains(&name) {
            continue;
        }
        let options = OpenOptions { stored_values: true, ..OpenOptions::default() };
        let outcome = match io::open(folder.join(name), &options) {
            Ok(volume) => {
                // The types are as stored, the digests always of little-endian samples.
                let kind = match entry["dtype"].as_str().unwrap_or_default() {
                    ">i2" => SampleType::I16,
                    ">u4" => SampleType::U32,
                    name => SampleType::from_name(name).unwrap(),
                };
                let [nx, ny, nz] = volume.shape();
                let digest_of = |reversed: bool| -> String {
                    let mut stored = Samples::zeros(kind, volume.len());
                    for i in 0..volume.len() {
                        let (at, k) = (i % (nx * ny), i / (nx * ny));
                        let k = if reversed { nz - 1 - k } else { k };
                        stored.set(i, volume.samples().get(at + nx * ny * k));
                    }
                    Sha256::digest(stored.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
                };
                // The digests are of the frames as the file has them, whichever way they lie in space.
                let expected = entry["pixels_sha256"].as_str().unwrap();
                if [false, true].into_iter().any(|reversed| digest_of(reversed) == expected) {
                    equal += 1;
                    "equal".to_owned()
                } else if let Some((.., how)) = OTHER_ROUNDING
                    .iter()
                    .find(|other| (other.0, other.1) == (name, digest_of(false).as_str()))
                {
                    equal += 1;
                    (*how).to_owned()
                } else {
                    wrong.push(name);
                    "NOT EQUAL".to_owned()
                }
            }
            Err(error) => {
                let message = error.to_string();
                let reason = message
                    .rsplit_once(": ")
                    .map_or(message.as_str(), |_| message.split_once(": ").map_or("", |(_, reason)| reason));
                if !DICOM_REFUSED.iter().any(|r| message.contains(r)) {
                    wrong.push(name);
                }
                format!("refused: {reason}")
            }
        };
        let syntax = entry["tsname"].as_str().unwrap_or_default();
        table.push(format!("| {name} | {syntax} | {outcome} |"));
    }
    println!("| file | transfer syntax | read |\n|---|---|---|\n{}", table.join("\n"));
    let refused = table.len() - equal;
    println!("{equal} equal, {refused} refused");
    assert!(wrong.is_empty() && equal >= 77, "{equal} equal, not {wrong:?}");
}

/// Every compressed transfer syntax, against another implementation of each codec.
#[test]
fn compressed_files_that_python_writes() {
    let Some(python) = environment("NEUVOL_PYTHON", "compressed_files_that_python_writes") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/compressed_dicom.py");
    let done = Command::new(&python).arg(script).arg(folder.path()).status().unwrap();
    assert!(done.success());
    let files = files_in(folder.path(), &[".dcm"]);
    assert_eq!(files.len(), 37 + 108 + 10);
    let options = OpenOptions { stored_values: true, ..OpenOptions::default() };
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let volume = io::open(&path, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
        let expected = io::open(path.with_extension("npy"), &OpenOptions::default()).unwrap();
        assert_eq!(volume.shape(), expected.shape(), "{name}");
        assert_eq!(volume.sample_type(), expected.sample_type(), "{name}");
        let off = |i: usize| (volume.samples().get(i) - expected.samples().get(i)).abs();
        let worst = (0..volume.len()).map(off).fold(0.0, f64::max);
        // The standards leave the rounding of the inverse DCT (ISO 10918-1, A.3.3) and of the irreversible wavelet (ISO 15444-1,
        // E.1.1) open.
        let allowed = if name.starts_with("baseline") || name.ends_with("lossy") { 1.0 } else { 0.0 };
        assert!(worst <= allowed, "{name}: off by {worst}");
    }
}
