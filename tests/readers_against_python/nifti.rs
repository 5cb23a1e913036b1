//! NIfTI files.

use super::*;

/// What nibabel reads as more than scalar volumes, or not at all.
const NIFTI_REFUSED: [(&str, &str); 8] = [
    ("nibabel__nibabel_tests_data_row_major.dconn.nii", "100 components"),
    ("nifti-rs__resources_complex_complex32.nii", "complex"),
    ("nifti-rs__resources_complex_complex64.nii", "complex"),
    ("nifti-rs__resources_fuzz_artifacts_crash-1.nii", "not a NIfTI-1 header"),
    (
        "nifti-rs__resources_fuzz_artifacts_crash-ed7d46344d7efb3b9f0c374d66d2e02f66cc447d.nii",
        "not a NIfTI-1 header",
    ),
    ("nifti-rs__resources_rgb_3D.nii", "colour"),
    ("nifti-rs__resources_rgb_4D.nii", "colour"),
    ("nifti-rs__resources_rgba_4D.nii", "colour"),
];

#[test]
fn nifti_index() {
    let Some(data) = environment("NEUVOL_DATA", "nifti_index") else { return };
    let folder = data.join("formats/nifti");
    let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let mut read = 0;
    for entry in index.as_array().unwrap() {
        let name = entry["file"].as_str().unwrap();
        if NIFTI_REFUSED.iter().any(|(refused, _)| *refused == name) || entry.get("shape").is_none() {
            continue;
        }
        let mut shape = numbers(&entry["shape"]);
        shape.resize(4, 1.0);
        let steps = shape.pop().unwrap() as usize;
        assert_eq!(io::time_steps(&folder.join(name), &OpenOptions::default()).unwrap(), steps, "{name}");
        let options = OpenOptions { time_step: Some(steps - 1), ..OpenOptions::default() };
        let volume = io::open(&folder.join(name), &options).unwrap();
        assert_eq!(shape, volume.shape().map(|n| n as f64), "{name}");
        let kinds = [
            ("u1", "uint8"),
            ("i2", "int16"),
            ("u2", "uint16"),
            ("i4", "int32"),
            ("f4", "float32"),
            ("f8", "float64"),
        ];
        let dtype = entry["dtype"].as_str().unwrap().trim_start_matches(['<', '>', '|']);
        let dtype = kinds.iter().find(|(short, _)| *short == dtype).map_or(dtype, |(_, long)| long);
        assert_eq!(volume.provenance["source type"], dtype, "{name}");
        read += 1;
    }
    assert!(read >= 25, "only {read} files of the index were read");
}

#[test]
fn nifti_files() {
    let Some((python, data)) = python_and_data("nifti_files") else { return };
    compare_files(
        &python,
        &files_in(&data.join("formats/nifti"), &[".nii", ".nii.gz"]),
        1e-4,
        &NIFTI_REFUSED,
    );
}
