//! Our readers and writers against pydicom, nibabel, SimpleITK and VTK: every sample and the geometry.
//!
//! Needs `NEUVOL_PYTHON` (an interpreter with `tests/python/requirements.txt` installed) and, for the sample files,
//! `NEUVOL_DATA` (the folder that holds `formats/`, `dicom_ct_chest/`, ...). Without them a test says SKIPPED.

use neuvol::Volume;
use neuvol::io::{self, OpenOptions, SeriesDescription};
use neuvol::volume::{Frame, Geometry, SampleType, Samples};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The path in an environment variable, or a loud line.
fn environment(name: &str, test: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).map(PathBuf::from);
    if value.is_none() {
        eprintln!("SKIPPED {test}: {name} is not set");
    }
    value
}

fn reference(python: &Path, paths: &[PathBuf]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/reference.py");
    let output = Command::new(python).arg(script).args(paths).output().expect("NEUVOL_PYTHON should run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("reference.py should print JSON")
}

/// The samples' digest as `reference.py` makes it.
fn digest(samples: &Samples) -> String {
    let mut hasher = Sha256::new();
    for index in 0..samples.len() {
        let value = samples.get(index);
        // NumPy's NaN.
        let bits = if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() };
        hasher.update(bits.to_le_bytes());
    }
    hasher.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().expect("a number")],
    }
}

/// Compares a volume with what the reference reader found; `mm` is the tolerance of corner positions.
fn compare(path: &Path, volume: &Volume, expected: &Value, mm: f64) {
    let name = path.display();
    assert_eq!(expected.get("error"), None, "{name}: read by us, refused by the reference");
    assert_eq!(numbers(&expected["shape"]), volume.shape().map(|n| n as f64), "{name}: shape");
    let (origin, spacing) = (numbers(&expected["origin"]), numbers(&expected["spacing"]));
    let direction = numbers(&expected["direction"]);
    let [nx, ny, nz] = volume.shape().map(|n| (n - 1) as f64);
    for corner in [[0.0, 0.0, 0.0], [nx, 0.0, 0.0], [0.0, ny, 0.0], [0.0, 0.0, nz], [nx, ny, nz]] {
        let found = volume.geometry.index_to_world(corner);
        for row in 0..3 {
            let sum: f64 = (0..3).map(|a| direction[3 * row + a] * spacing[a] * corner[a]).sum();
            let wanted = origin[row] + sum;
            assert!(
                (found[row] - wanted).abs() <= mm,
                "{name}: corner {corner:?}: {found:?}, row {row} {wanted}"
            );
        }
    }
    assert_eq!(digest(volume.samples()), expected["sha256"].as_str().unwrap(), "{name}: samples");
}

/// Reads every file both ways; `refused` lists the names that we refuse and a word of the reason.
fn compare_files(python: &Path, files: &[PathBuf], mm: f64, refused: &[(&str, &str)]) {
    assert!(!files.is_empty());
    // The first and the last of several time steps.
    let mut parts: Vec<(&PathBuf, Option<usize>)> = Vec::new();
    for path in files {
        match io::time_steps(path, &OpenOptions::default()) {
            Ok(steps) if steps > 1 => parts.extend([(path, Some(0)), (path, Some(steps - 1))]),
            _ => parts.push((path, None)),
        }
    }
    let key = |path: &Path, step: Option<usize>| match step {
        Some(step) => PathBuf::from(format!("{}#{step}", path.display())),
        None => path.to_path_buf(),
    };
    let keys: Vec<PathBuf> = parts.iter().map(|(path, step)| key(path, *step)).collect();
    let references = reference(python, &keys);
    let mut wrong = Vec::new();
    for (path, time_step) in parts {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let result = io::open(path, &OpenOptions { time_step, ..OpenOptions::default() });
        let expected = &references[key(path, time_step).to_str().unwrap()];
        match (refused.iter().find(|(n, _)| *n == name), result) {
            (Some((_, word)), Err(error)) if error.to_string().contains(word) => {}
            (None, Ok(volume)) => compare(path, &volume, expected, mm),
            (Some((_, word)), Err(error)) => wrong.push(format!("{name}: no '{word}' in '{error}'")),
            (Some(_), Ok(_)) => wrong.push(format!("{name} should be refused")),
            (None, Err(error)) => wrong.push(format!("{error} (reference: {expected})")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn files_in(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("NEUVOL_DATA should hold the sample folders")
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.is_file() && extensions.iter().any(|e| p.to_str().is_some_and(|p| p.ends_with(e))))
        .collect();
    files.sort();
    files
}

fn folder_in(folder: &Path) -> PathBuf {
    let mut folders = std::fs::read_dir(folder).expect("NEUVOL_DATA should hold the DICOM folders");
    folders.next().expect("a series").unwrap().path()
}

#[test]
fn dicom_ct_series() {
    let test = "dicom_ct_series";
    let (Some(python), Some(data)) = (environment("NEUVOL_PYTHON", test), environment("NEUVOL_DATA", test))
    else {
        return;
    };
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
    let message = io::open(&data.join("dicom_mr_t2_gap"), &OpenOptions::default()).unwrap_err().to_string();
    assert!(message.contains("slice missing: positions along the normal jump from"), "{message}");
    assert!(message.contains("a step of 5.00 mm where the others are 2.50 mm"), "{message}");
}

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

/// Why a DICOM file of the samples may be refused; the words are those of our messages.
const DICOM_REFUSED: [&str; 9] = [
    "colours",
    "JPEG-LS",
    "SamplePrecision(12)",
    "1 allocated bits",
    "integer Pixel Data",
    "neither by content",
    "undefined length",
    "a film",
    "truncated or corrupt",
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
        let options = OpenOptions { stored_values: true, ..OpenOptions::default() };
        let outcome = match io::open(&folder.join(name), &options) {
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
    assert!(wrong.is_empty() && equal >= 60, "{equal} equal, not {wrong:?}");
}

#[test]
fn nifti_files() {
    let test = "nifti_files";
    let (Some(python), Some(data)) = (environment("NEUVOL_PYTHON", test), environment("NEUVOL_DATA", test))
    else {
        return;
    };
    compare_files(
        &python,
        &files_in(&data.join("formats/nifti"), &[".nii", ".nii.gz"]),
        1e-4,
        &NIFTI_REFUSED,
    );
}

#[test]
fn nrrd_files() {
    let test = "nrrd_files";
    let (Some(python), Some(data)) = (environment("NEUVOL_PYTHON", test), environment("NEUVOL_DATA", test))
    else {
        return;
    };
    compare_files(
        &python,
        &files_in(&data.join("formats/nrrd"), &[".nrrd", ".nhdr"]),
        1e-6,
        &[("beach.ascii.nhdr", "beach.ascii: No such file")],
    );
}

/// One file a slice, named by a pattern; SimpleITK refuses its header, the sample volume has the same samples.
#[test]
fn metaimage_files() {
    let test = "metaimage_files";
    let (Some(python), Some(data)) = (environment("NEUVOL_PYTHON", test), environment("NEUVOL_DATA", test))
    else {
        return;
    };
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
    let done = Command::new(&python).args(["-c", script]).arg(folder.path()).status().unwrap();
    assert!(done.success());
    let files = files_in(folder.path(), &[".npy", ".mha", ".mhd", ".nii", ".nii.gz", ".hdr"]);
    assert_eq!(files.len(), 17);
    let expected = reference(&python, &files);
    for path in files {
        // NumPy's Fortran order is x, y, z for us.
        let volume = io::open(&path, &OpenOptions::default()).unwrap();
        if path.ends_with("fortran.npy") {
            assert_eq!(volume.shape(), [5, 4, 3]);
            assert_eq!(volume.samples().get(1), 12.0);
            continue;
        }
        compare(&path, &volume, &expected[path.to_str().unwrap()], 1e-9);
    }
}

#[test]
fn nrrd_in_numbered_files() {
    let Some(data) = environment("NEUVOL_DATA", "nrrd_in_numbered_files") else { return };
    let volume = io::open(&data.join("formats/nrrd/headsq/quarter.nhdr"), &OpenOptions::default()).unwrap();
    assert_eq!(volume.shape(), [64, 64, 93]);
    assert_eq!(volume.geometry.spacing, [3.2, 3.2, 1.5]);
    let options = OpenOptions {
        dims: Some(volume.shape()),
        sample_type: Some(volume.sample_type()),
        ..OpenOptions::default()
    };
    let raw = io::open(&data.join("volumes/headsq_quarter.raw"), &options).unwrap();
    assert!(volume.samples() == raw.samples());
}

#[test]
fn vtk_files() {
    let test = "vtk_files";
    let (Some(python), Some(data)) = (environment("NEUVOL_PYTHON", test), environment("NEUVOL_DATA", test))
    else {
        return;
    };
    let refused = [("BuiltInExample1.vti", "3 components"), ("vase_4comp.vti", "has 4 components")];
    compare_files(&python, &files_in(&data.join("formats/vti"), &[".vti"]), 1e-6, &refused);
    compare_files(&python, &files_in(&data.join("formats/vti/amr_small"), &[".vti"]), 1e-6, &[]);
    let refused = [
        ("RectGrid2.vtk", "not evenly spaced"),
        ("SampleStructGrid.vtk", "STRUCTURED_GRID"),
        ("VectorAnimation_vecAnim1.vtk", "'texture' (2 components)"),
        ("texThres.vtk", "'texture' (2 components)"),
    ];
    compare_files(&python, &files_in(&data.join("formats/vtk"), &[".vtk"]), 1e-6, &refused);
    let refused = [("RectilinearGrid.vtr", "not evenly spaced")];
    compare_files(&python, &files_in(&data.join("formats/vtr"), &[".vtr"]), 1e-6, &refused);
}

/// Every form of image that VTK itself writes, whatever of it the samples lack.
#[test]
fn images_that_vtk_writes() {
    let Some(python) = environment("NEUVOL_PYTHON", "images_that_vtk_writes") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import sys, itertools, numpy as np
from vtkmodules.vtkCommonDataModel import vtkImageData, vtkRectilinearGrid
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkIOXML import vtkXMLImageDataWriter, vtkXMLRectilinearGridWriter
from vtkmodules.vtkIOParallelXML import vtkXMLPImageDataWriter
from vtkmodules.vtkIOLegacy import vtkStructuredPointsWriter, vtkRectilinearGridWriter
folder = sys.argv[1] + "/"
dims = (70, 60, 21)
def image(dtype, cells=False):
    made = vtkImageData()
    made.SetDimensions([n + 1 for n in dims] if cells else dims)
    made.SetOrigin(-1.5, 1e3 + 1e-9, 0.1); made.SetSpacing(0.1, 0.2, 1 / 3)
    made.SetDirectionMatrix(0, -1, 0, 1, 0, 0, 0, 0, 1)
    values = (np.arange(np.prod(dims)) % 1000 * 3).astype(dtype)
    array = numpy_to_vtk(values, deep=True); array.SetName("t")
    other = numpy_to_vtk(np.stack([values + 1, values + 2], -1), deep=True); other.SetName("vector")
    data = made.GetCellData() if cells else made.GetPointData()
    data.AddArray(other); data.SetScalars(array)
    return made
n = 0
for compressor, mode, wide, big in itertools.product(["None", "ZLib", "LZ4", "LZMA"], ["Ascii", "Binary", "Appended", "Raw"], [0, 1], [0, 1]):
    if mode == "Ascii" and (compressor != "None" or wide or big):
        continue
    writer = vtkXMLImageDataWriter()
    getattr(writer, "SetCompressorTypeTo" + compressor)()
    writer.SetDataModeToAppended() if mode == "Raw" else getattr(writer, "SetDataModeTo" + mode)()
    writer.SetEncodeAppendedData(mode == "Appended")
    writer.SetHeaderTypeToUInt64() if wide else writer.SetHeaderTypeToUInt32()
    writer.SetByteOrderToBigEndian() if big else writer.SetByteOrderToLittleEndian()
    writer.SetInputData(image(["u1", "i2", "f4", "f8", "i8"][n % 5], cells=n % 3 == 0))
    writer.SetFileName(f"{folder}i{n}_{compressor}_{mode}_{wide}_{big}.vti")
    assert writer.Write()
    n += 1
for cells in [False, True]:
    writer = vtkXMLPImageDataWriter()
    writer.SetNumberOfPieces(5); writer.SetStartPiece(0); writer.SetEndPiece(4)
    writer.SetInputData(image("i2", cells)); writer.SetFileName(folder + f"p{int(cells)}.pvti")
    assert writer.Write()
grid = vtkRectilinearGrid(); grid.SetDimensions(dims)
for axis, n in zip("XYZ", dims):
    getattr(grid, f"Set{axis}Coordinates")(numpy_to_vtk(np.linspace(-3, 7, n).astype("f4"), deep=True))
grid.GetPointData().SetScalars(image("f4").GetPointData().GetScalars())
for writer, name in [(vtkXMLRectilinearGridWriter(), "g.vtr"), (vtkRectilinearGridWriter(), "g.vtk")]:
    writer.SetInputData(grid); writer.SetFileName(folder + name)
    assert writer.Write()
for binary in [0, 1]:
    writer = vtkStructuredPointsWriter(); writer.SetInputData(image("f8")); writer.SetFileType(1 + binary)
    writer.SetFileName(folder + f"s{binary}.vtk")
    assert writer.Write()
"#;
    let done = Command::new(&python).args(["-c", script]).arg(folder.path()).status().unwrap();
    assert!(done.success());
    // The pieces of the parallel files are no whole images.
    let files: Vec<PathBuf> = files_in(folder.path(), &[".vti", ".pvti", ".vtr", ".vtk"])
        .into_iter()
        .filter(|p| {
            !p.file_name().unwrap().to_str().unwrap().starts_with(['p']) || p.extension().unwrap() == "pvti"
        })
        .collect();
    assert_eq!(files.len(), 49 + 2 + 2 + 2);
    compare_files(&python, &files, 1e-6, &[]);
}

/// An oblique volume of a type, with the type's extremes in it.
fn oblique(samples: Samples, shape: [usize; 3], mirrored: bool) -> Volume {
    let mut volume = Volume::new(samples, shape).unwrap();
    let ((s, c), (t, d)) = (0.3f64.sin_cos(), (-0.7f64).sin_cos());
    let mut direction = [[c, -s * d, s * t], [s, c * d, -c * t], [0.0, t, d]];
    if mirrored {
        direction.iter_mut().for_each(|row| row[1] = -row[1]);
    }
    volume.geometry =
        Geometry { origin: [-120.515, 33.25, 900.1], spacing: [0.7, 0.8, 2.5], direction, frame: Frame::Lps };
    volume.name = "t & <u>".into();
    volume
}

#[test]
fn files_that_we_write() {
    let Some(python) = environment("NEUVOL_PYTHON", "files_that_we_write") else { return };
    let folder = tempfile::tempdir().unwrap();
    let volumes = [
        oblique(Samples::U8((0..60).map(|i| i * 4 + 19).collect()), [3, 4, 5], false),
        oblique(Samples::I8((0..60).map(|i| i - 100).collect()), [3, 4, 5], true),
        oblique(Samples::U16((0..60).map(|i| u16::MAX - i).collect()), [60, 1, 1], false),
        oblique(Samples::I16((0..60).map(|i| i16::MIN + i).collect()), [1, 60, 1], false),
        oblique(Samples::U32((0..60).map(|i| u32::MAX - i).collect()), [5, 4, 3], true),
        oblique(Samples::I32((0..60).map(|i| i32::MIN + i).collect()), [5, 4, 3], false),
        oblique(Samples::F32((0..200_000).map(|i| (i as f32).sin()).collect()), [50, 40, 100], false),
        oblique(Samples::F64(vec![f64::NAN, f64::INFINITY, 1e300, -0.5]), [2, 2, 1], false),
    ];
    let mut written = Vec::new();
    for (index, volume) in volumes.iter().enumerate() {
        for extension in ["vti", "nii", "nii.gz", "nrrd", "mha", "npy"] {
            let path = folder.path().join(format!("v{index}.{extension}"));
            io::save(volume, &path).unwrap();
            written.push((path, volume));
        }
    }
    let paths: Vec<PathBuf> = written.iter().map(|(path, _)| path.clone()).collect();
    let expected = reference(&python, &paths);
    for (path, volume) in written {
        let without_geometry = Volume::new(volume.samples().clone(), volume.shape()).unwrap();
        let volume = if path.extension().is_some_and(|e| e == "npy") { &without_geometry } else { volume };
        let tolerance = if path.to_str().unwrap().contains(".nii") { 1e-4 } else { 1e-6 };
        let entry = &expected[path.to_str().unwrap()];
        compare(&path, volume, entry, tolerance);
        assert_eq!(entry["dtype"].as_str(), Some(volume.sample_type().name()), "{}", path.display());
    }
}

#[test]
fn phantom_series_that_we_write() {
    let Some(python) = environment("NEUVOL_PYTHON", "phantom_series_that_we_write") else { return };
    let folder = tempfile::tempdir().unwrap();
    let samples = Samples::I16((0..16 * 12 * 20).map(|i| i % 4096 - 1024).collect());
    let volume = oblique(samples, [16, 12, 20], false);
    io::write_series(&volume, folder.path(), &SeriesDescription::default()).unwrap();
    let path = folder.path().to_path_buf();
    let expected = reference(&python, std::slice::from_ref(&path));
    compare(&path, &volume, &expected[path.to_str().unwrap()], 1e-6);
}
