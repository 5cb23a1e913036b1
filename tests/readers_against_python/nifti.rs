//! NIfTI files.

use super::*;

/// What nibabel reads as more than scalar volumes (`colours.rs` compares the components), or not at all.
const NIFTI_REFUSED: [(&str, &str); 8] = [
    ("nibabel__nibabel_tests_data_row_major.dconn.nii", "100 components"),
    ("nifti-rs__resources_complex_complex32.nii", "2 components"),
    ("nifti-rs__resources_complex_complex64.nii", "2 components"),
    ("nifti-rs__resources_fuzz_artifacts_crash-1.nii", "not a NIfTI-1 header"),
    (
        "nifti-rs__resources_fuzz_artifacts_crash-ed7d46344d7efb3b9f0c374d66d2e02f66cc447d.nii",
        "not a NIfTI-1 header",
    ),
    ("nifti-rs__resources_rgb_3D.nii", "3 components"),
    ("nifti-rs__resources_rgb_4D.nii", "3 components"),
    ("nifti-rs__resources_rgba_4D.nii", "4 components"),
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
        let volume = io::open(folder.join(name), &options).unwrap();
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

/// nibabel writes an sform of zeros without a word; ITK takes the qform then, and so do we.
#[test]
fn an_sform_of_zeros_that_nibabel_writes() {
    let Some(python) = environment("NEUVOL_PYTHON", "an_sform_of_zeros_that_nibabel_writes") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import sys, json, numpy as np, nibabel, SimpleITK as sitk
folder = sys.argv[1] + "/"
values = np.arange(60, dtype="i2").reshape(5, 3, 4)
affine = np.array([[0, -0.7, 0, 12], [0.9, 0, 0, -3], [0, 0, 2.5, 100], [0, 0, 0, 1]])
found = {}
for name, kind in [("one.nii", nibabel.Nifti1Image), ("two.nii", nibabel.Nifti2Image)]:
    image = kind(values, affine)
    image.header.set_qform(affine, 1)
    image.header["sform_code"] = 1
    for row in "xyz":
        image.header["srow_" + row] = 0
    image.header["descrip"] = b"written as it is"
    with open(folder + name, "wb") as file:
        header = image.header.copy()
        header.set_data_offset(352 if kind is nibabel.Nifti1Image else 544)
        file.write(header.binaryblock + b"\0\0\0\0" + values.tobytes(order="F"))
read = sitk.ReadImage(folder + "one.nii")
json.dump({"origin": read.GetOrigin(), "spacing": read.GetSpacing(), "direction": read.GetDirection()}, open(folder + "itk.json", "w"))
"#;
    run_python(&python, script, folder.path());
    let itk: Value = serde_json::from_slice(&std::fs::read(folder.path().join("itk.json")).unwrap()).unwrap();
    for name in ["one.nii", "two.nii"] {
        let volume = io::open(folder.path().join(name), &OpenOptions::default()).unwrap();
        let geometry = volume.geometry;
        let found = [&geometry.origin[..], &geometry.spacing, geometry.direction.as_flattened()].concat();
        let expected = ["origin", "spacing", "direction"].map(|key| numbers(&itk[key])).concat();
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{name}: {geometry:?}, {itk}");
        }
        assert_eq!(volume.samples().get(59), 59.0);
    }
}
