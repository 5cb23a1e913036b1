//! DICOM series as `convert` makes them NIfTI, against dcm2niix: the same value at every position in the world.
//!
//! dcm2niix turns rows around, so that files are not alike; nibabel reads both.

use super::*;
use neuvol::io::SeriesDescription;
use neuvol::volume::{Frame, Geometry};

/// Compares `ours.nii` with `theirs.nii` in each folder of its argument.
const COMPARE: &str = r#"
import pathlib, sys
import nibabel, numpy as np

wrong = []
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    ours, theirs = (nibabel.load(folder / f"{name}.nii") for name in ("ours", "theirs"))
    # Which of their axes each of ours is, and which way it runs.
    step = np.linalg.inv(theirs.affine) @ ours.affine
    axes = np.abs(step[:3, :3]).argmax(axis=0)
    signs = np.sign(step[axes, range(3)])
    whole = np.zeros((3, 3))
    whole[axes, range(3)] = signs
    if sorted(axes) != [0, 1, 2] or not np.allclose(step[:3, :3], whole, atol=1e-3):
        wrong.append(f"{folder.name}: the grids are others:\n{step}")
        continue
    shapes = [image.shape + (1,) * (3 - len(image.shape)) for image in (ours, theirs)]
    turned = tuple(shapes[1][axis] for axis in axes)
    if turned != shapes[0]:
        wrong.append(f"{folder.name}: shapes {shapes}")
        continue
    first = np.ones(4)
    first[axes] = [0 if sign > 0 else n - 1 for sign, n in zip(signs, turned)]
    apart = np.abs((theirs.affine @ first - ours.affine[:, 3])[:3]).max()
    if apart > 1e-3:
        wrong.append(f"{folder.name}: the first voxels are {apart} mm apart")
    a, b = (image.dataobj.get_unscaled().reshape(shape) for image, shape in zip((ours, theirs), shapes))
    b = np.flip(b.transpose(axes), [axis for axis in range(3) if signs[axis] < 0])
    # Slice by slice: float64 of a whole series would be large. Slopes are float32 in NIfTI.
    real = lambda image, stored: stored.astype(float) * image.dataobj.slope + image.dataobj.inter
    for k in range(a.shape[2]):
        x, y = real(ours, a[..., k]), real(theirs, b[..., k])
        if np.abs(x - y).max() > 1e-6 * max(1, np.abs(y).max()):
            wrong.append(f"{folder.name}: slice {k} differs by up to {np.abs(x - y).max()}")
            break
sys.exit("\n".join(wrong) or 0)
"#;

/// Converts files or folders both ways, and compares them.
fn compare_with_dcm2niix(inputs: &[(String, PathBuf)], test: &str) {
    let Some(python) = environment("NEUVOL_PYTHON", test) else { return };
    let out = tempfile::tempdir().unwrap();
    for (name, input) in inputs {
        let folder = out.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let volume = io::open(input, &OpenOptions::default()).unwrap();
        io::save(&volume, folder.join("ours.nii")).unwrap();
        let single = if input.is_file() { "y" } else { "n" };
        let mut dcm2niix = Command::new("dcm2niix");
        dcm2niix.args(["-z", "n", "-b", "n", "-s", single, "-f", "theirs", "-o"]).arg(&folder).arg(input);
        let output = match dcm2niix.output() {
            Ok(output) => output,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("SKIPPED {test}: dcm2niix is not installed");
                return;
            }
            Err(e) => panic!("dcm2niix: {e}"),
        };
        // Values with a fractional slope go to a file of another name.
        let [theirs, real] = ["theirs.nii", "theirs_real.nii"].map(|name| folder.join(name));
        if real.exists() {
            std::fs::rename(&real, &theirs).unwrap();
        }
        assert!(theirs.exists(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
    run_python(&python, COMPARE, out.path());
}

/// Series of our own: every plane, both orders of slices, signed values, a rescale.
#[test]
fn phantoms_against_dcm2niix() {
    let root = tempfile::tempdir().unwrap();
    let ((s, c), (t, d)) = (0.3f64.sin_cos(), (-0.7f64).sin_cos());
    let turned = |axes: [[f64; 3]; 3]| -> [[f64; 3]; 3] {
        std::array::from_fn(|row| std::array::from_fn(|axis| axes[axis][row]))
    };
    let mut inputs = Vec::new();
    for (name, direction) in [
        ("axial", turned([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])),
        ("axial, descending", turned([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])),
        ("sagittal", turned([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])),
        ("sagittal, descending", turned([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])),
        ("coronal", turned([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])),
        ("oblique", [[c, -s * d, s * t], [s, c * d, -c * t], [0.0, t, d]]),
        ("oblique, descending", [[c, -s * d, -s * t], [s, c * d, c * t], [0.0, t, -d]]),
    ] {
        for (kind, unit, samples) in [
            ("12 bits", "HU", Samples::I16((0..480).map(|i| i * 7 - 1000).collect())),
            ("signed", "HU", Samples::I16((0..480).map(|i| i * 60 - 14_000).collect())),
            ("a slope", "HU", Samples::F32((0..480).map(|i| (i as f32).sin() * 100.0).collect())),
        ] {
            let mut volume = Volume::new(samples, [10, 8, 6]).unwrap();
            volume.geometry = Geometry {
                origin: [-120.5, 33.25, 900.125],
                spacing: [0.7, 0.8, 2.5],
                direction,
                frame: Frame::Lps,
            };
            volume.unit = unit.into();
            let name = format!("{name}, {kind}");
            let folder = root.path().join(&name);
            let series = SeriesDescription { shuffle: Some(1), ..SeriesDescription::derived(&volume, None) };
            io::write_series(&volume, &folder, &series).unwrap();
            inputs.push((name, folder));
        }
    }
    compare_with_dcm2niix(&inputs, "phantoms_against_dcm2niix");
}

/// The chest, and those of pydicom's and nibabel's files that dcm2niix reads.
#[test]
fn samples_against_dcm2niix() {
    let Some(data) = environment("NEUVOL_DATA", "samples_against_dcm2niix") else { return };
    let mut inputs = vec![("chest".to_owned(), data.join("dicom_ct_chest"))];
    for name in [
        "pydicom/693_J2KI.dcm",
        "pydicom/CT_small.dcm",
        "pydicom/MR_small.dcm",
        "pydicom/MR_small_RLE.dcm",
        "pydicom/MR_small_bigendian.dcm",
        "pydicom/MR_small_implicit.dcm",
        "pydicom/MR_small_jp2klossless.dcm",
        "pydicom/MR_small_padded.dcm",
        "pydicom/examples_overlay.dcm",
        "pydicom/dicomdirtests/98892001/CT5N",
        "nibabel/decimal_rescale.dcm",
    ] {
        inputs.push((name.replace('/', " "), data.join("formats/dicom_ts").join(name)));
    }
    compare_with_dcm2niix(&inputs, "samples_against_dcm2niix");
}
