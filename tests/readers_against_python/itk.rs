//! NRRD, MetaImage, NumPy and TIFF: what SimpleITK and NumPy read and write.

use super::*;

#[test]
fn nrrd_files() {
    let Some((python, data)) = python_and_data("nrrd_files") else { return };
    compare_files(
        &python,
        &files_in(&data.join("formats/nrrd"), &[".nrrd", ".nhdr"]),
        1e-6,
        &[("beach.ascii.nhdr", "'beach.ascii' that it names cannot be read")],
    );
}

#[test]
fn nrrd_in_numbered_files() {
    let Some(data) = environment("NEUVOL_DATA", "nrrd_in_numbered_files") else { return };
    let volume = io::open(data.join("formats/nrrd/headsq/quarter.nhdr"), &OpenOptions::default()).unwrap();
    assert_eq!(volume.shape(), [64, 64, 93]);
    assert_eq!(volume.geometry.spacing, [3.2, 3.2, 1.5]);
    let options = OpenOptions {
        dims: Some(volume.shape()),
        sample_type: Some(volume.sample_type()),
        ..OpenOptions::default()
    };
    let raw = io::open(data.join("volumes/headsq_quarter.raw"), &options).unwrap();
    assert!(volume.samples() == raw.samples());
}

/// One file a slice, named by a pattern; SimpleITK refuses its header, the sample volume has the same samples.
#[test]
fn metaimage_files() {
    let Some((python, data)) = python_and_data("metaimage_files") else { return };
    compare_files(&python, &files_in(&data.join("formats/mha"), &[".mha", ".mhd"]), 1e-6, &[]);
}

/// Forms that other programs write and we do not.
#[test]
fn files_that_python_writes() {
    let Some(python) = environment("NEUVOL_PYTHON", "files_that_python_writes") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import sys, numpy as np, SimpleITK as sitk
folder = sys.argv[1] + "/"
values = np.arange(60).reshape(5, 4, 3)
for name in ["uint8", "int16", ">i4", "<u4", "int64", ">f8", "float32"]:
    np.save(folder + "c_" + name.strip("<>") + ".npy", (values - 7).clip(0).astype(name))
np.save(folder + "fortran.npy", np.asfortranarray(values.astype("float32")))
np.save(folder + "plane.npy", values[0].astype("int16"))
image = sitk.GetImageFromArray(values.astype("int16"))
image.SetOrigin([1.5, -2.25, 1000.125]); image.SetSpacing([0.5, 0.75, 3])
image.SetDirection([0, -1, 0, 1, 0, 0, 0, 0, 1])
sitk.WriteImage(image, folder + "plain.mha", False)
sitk.WriteImage(image, folder + "detached.mhd", False)
sitk.WriteImage(image, folder + "detached_zlib.mhd", True)
sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat64), folder + "double.mha", True)
for name, kind in [("a.tif", sitk.sitkUInt8), ("b.tiff", sitk.sitkInt16), ("c.tif", sitk.sitkFloat32), ("d.tif", sitk.sitkUInt16)]:
    sitk.WriteImage(sitk.Cast(sitk.Abs(image), kind), folder + name, name > "b")
import nibabel
affine = [[0, -0.7, 0, 12.123456789012], [0.9, 0, 0, -3], [0, 0, 2.5, 100], [0, 0, 0, 1]]
for name, dtype in [("a.nii", "int16"), ("b.nii.gz", "float32"), ("c.nii", ">f8")]:
    made = nibabel.Nifti2Image(values.T.astype(dtype), np.array(affine))
    made.set_qform(made.affine, 1)
    nibabel.save(made, folder + name)
made = nibabel.Nifti2Pair(values.T.astype("uint8"), np.array(affine))
made.set_sform(None, 0); made.set_qform(np.array(affine), 1)
nibabel.save(made, folder + "pair.img")
"#;
    run_python(&python, script, folder.path());
    let files =
        files_in(folder.path(), &[".npy", ".mha", ".mhd", ".nii", ".nii.gz", ".hdr", ".tif", ".tiff"]);
    assert_eq!(files.len(), 21);
    let expected = reference(&python, &files);
    for path in files {
        // NumPy's Fortran order is x, y, z for us.
        let volume = io::open(&path, &OpenOptions::default()).unwrap();
        if path.ends_with("fortran.npy") {
            assert_eq!(volume.shape(), [5, 4, 3]);
            assert_eq!(volume.samples().get(1), 12.0);
            continue;
        }
        let expected = &expected[path.to_str().unwrap()];
        if path.extension().is_some_and(|e| e.to_str().unwrap().starts_with("tif")) {
            // ITK takes the printer's resolution for a spacing; we do not.
            assert_eq!(digest(volume.samples()), expected["sha256"], "{}", path.display());
            continue;
        }
        compare(&path, &volume, expected, 1e-9);
    }
}

/// The format's spaces with time, as other programs write them; ITK reads such files with four axes.
#[test]
fn nrrd_with_time_in_its_space() {
    let Some(python) = environment("NEUVOL_PYTHON", "nrrd_with_time_in_its_space") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import sys, json, hashlib, numpy as np, SimpleITK as sitk
folder = sys.argv[1] + "/"
values = np.arange(120, dtype="i2")
found = {}
for space in ["right-anterior-superior-time", "left-posterior-superior-time", "RAST", "LPST"]:
    header = f"""NRRD0005
type: short
dimension: 4
sizes: 5 3 4 2
endian: little
encoding: raw
space: {space}
space directions: (0.5,0,0,0) (0,0.6,0,0) (0,0,2,0) (0,0,0,1.5)
space origin: (1,2,3,0)

"""
    open(f"{folder}{space}.nrrd", "wb").write(header.encode() + values.tobytes())
    image = sitk.ReadImage(f"{folder}{space}.nrrd")
    assert image.GetSize() == (5, 3, 4, 2)
    steps = sitk.GetArrayFromImage(image)
    digests = [hashlib.sha256(np.ascontiguousarray(step, dtype="<f8").tobytes()).hexdigest() for step in steps]
    found[space] = {"steps": digests, "spacing": image.GetSpacing()[:3]}
json.dump(found, open(folder + "itk.json", "w"))
"#;
    run_python(&python, script, folder.path());
    let itk: Value = serde_json::from_slice(&std::fs::read(folder.path().join("itk.json")).unwrap()).unwrap();
    for (space, expected) in itk.as_object().unwrap() {
        let path = folder.path().join(format!("{space}.nrrd"));
        assert_eq!(io::time_steps(&path, &OpenOptions::default()).unwrap(), 2);
        for step in 0..2 {
            let options = OpenOptions { time_step: Some(step), ..OpenOptions::default() };
            let volume = io::open(&path, &options).unwrap();
            assert_eq!(digest(volume.samples()), expected["steps"][step].as_str().unwrap(), "{space}");
            assert_eq!(volume.geometry.spacing.to_vec(), numbers(&expected["spacing"]), "{space}");
        }
    }
}
