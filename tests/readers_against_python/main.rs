//! Our readers and writers against pydicom, nibabel, SimpleITK and VTK: every sample and the geometry.
//!
//! Needs `NEUVOL_PYTHON` (an interpreter with `tests/python/requirements.txt` installed) and, for the sample files,
//! `NEUVOL_DATA` (the folder that holds `formats/`, `dicom_ct_chest/`, ...). Without them a test says SKIPPED.

mod colours;
mod dcm2niix;
mod dicom;
mod itk;
mod nifti;
mod segmentations;
mod tiff;
mod vtk;
mod written;

use neuvol::Volume;
use neuvol::io::{self, OpenOptions};
use neuvol::volume::Samples;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The path in an environment variable, or a loud line.
pub(crate) fn environment(name: &str, test: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).map(PathBuf::from);
    if value.is_none() {
        eprintln!("SKIPPED {test}: {name} is not set");
    }
    value
}

/// `NEUVOL_PYTHON` and `NEUVOL_DATA`, or a loud line.
pub(crate) fn python_and_data(test: &str) -> Option<(PathBuf, PathBuf)> {
    Some((environment("NEUVOL_PYTHON", test)?, environment("NEUVOL_DATA", test)?))
}

/// Runs a script of a test in Python with a folder as its argument.
pub(crate) fn run_python(python: &Path, script: &str, folder: &Path) {
    let done =
        Command::new(python).args(["-c", script]).arg(folder).status().expect("NEUVOL_PYTHON should run");
    assert!(done.success(), "the script failed; its message is above");
}

pub(crate) fn reference(python: &Path, paths: &[PathBuf]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/reference.py");
    let output = Command::new(python).arg(script).args(paths).output().expect("NEUVOL_PYTHON should run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("reference.py should print JSON")
}

/// The samples' digest as `reference.py` makes it.
pub(crate) fn digest(samples: &Samples) -> String {
    let mut hasher = Sha256::new();
    for index in 0..samples.len() {
        let value = samples.get(index);
        // NumPy's NaN.
        let bits = if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() };
        hasher.update(bits.to_le_bytes());
    }
    hasher.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().expect("a number")],
    }
}

/// Compares a volume with what the reference reader found; `mm` is the tolerance of corner positions.
pub(crate) fn compare(path: &Path, volume: &Volume, expected: &Value, mm: f64) {
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
pub(crate) fn compare_files(python: &Path, files: &[PathBuf], mm: f64, refused: &[(&str, &str)]) {
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

pub(crate) fn files_in(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("NEUVOL_DATA should hold the sample folders")
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.is_file() && extensions.iter().any(|e| p.to_str().is_some_and(|p| p.ends_with(e))))
        .collect();
    files.sort();
    files
}
