//! Files that we write, read by others.

use super::*;
use neuvol::io::SeriesDescription;
use neuvol::volume::{Frame, Geometry};

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
        for extension in ["vti", "nii", "nii.gz", "nrrd", "mha", "mhd", "npy"] {
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

/// The largest distance between the corners of two grids, in mm.
fn corners_apart(a: &Geometry, b: &Geometry, shape: [usize; 3]) -> f64 {
    let mut apart = 0f64;
    for corner in 0..8 {
        let index =
            std::array::from_fn(|axis| if corner >> axis & 1 == 1 { (shape[axis] - 1) as f64 } else { 0.0 });
        let (a, b) = (a.index_to_world(index), b.index_to_world(index));
        apart = apart.max((0..3).map(|r| (a[r] - b[r]).abs()).fold(0.0, f64::max));
    }
    apart
}

/// Derived series of every type, as pydicom and SimpleITK see them.
#[test]
fn derived_series_that_we_write() {
    let Some(python) = environment("NEUVOL_PYTHON", "derived_series_that_we_write") else { return };
    let root = tempfile::tempdir().unwrap();
    let mut with_fill = oblique(Samples::I16((0..60).map(|i| i * 500 - 2000).collect()), [3, 4, 5], false);
    with_fill.fill_value = Some(-2000.0);
    let exact = [
        oblique(Samples::U8((0..60).map(|i| i * 4 + 19).collect()), [3, 4, 5], false),
        oblique(Samples::I8((0..60).map(|i| i - 100).collect()), [3, 4, 5], false),
        oblique(Samples::U16((0..60).map(|i| u16::MAX - i * 1000).collect()), [3, 4, 5], false),
        oblique(Samples::I32((0..60).map(|i| i * 1000 - 1_000_000).collect()), [5, 4, 3], false),
        with_fill,
    ];
    for (n, volume) in exact.iter().enumerate() {
        let folder = root.path().join(format!("e{n}"));
        io::save(volume, Path::new(&format!("{}/", folder.display()))).unwrap();
        let expected = reference(&python, std::slice::from_ref(&folder));
        let read = io::open(&folder, &OpenOptions::default()).unwrap();
        assert_eq!(digest(read.samples()), digest(volume.samples()), "{n}");
        assert_eq!(read.fill_value, volume.fill_value, "{n}");
        compare(&folder, volume, &expected[folder.to_str().unwrap()], 1e-6);
    }
    let floats = oblique(Samples::F32((0..60).map(|i| (i as f32).sin() * 1e-3).collect()), [3, 4, 5], false);
    let folder = format!("{}/f/", root.path().display());
    io::save(&floats, Path::new(&folder)).unwrap();
    io::save(&floats, Path::new(&folder)).expect("an earlier series of ours is replaced");
    let read = io::open(Path::new(&folder), &OpenOptions::default()).unwrap();
    let step = 2e-3 / 65534.0;
    for i in 0..60 {
        assert!((read.samples().get(i) - floats.samples().get(i)).abs() <= 0.51 * step, "{i}");
    }
    std::fs::write(Path::new(&folder).join("notes.txt"), "mine").unwrap();
    assert!(io::save(&floats, Path::new(&folder)).unwrap_err().to_string().contains("notes.txt"));
    assert!(Path::new(&folder).join("notes.txt").exists());
}

/// From DICOM through every format and back: the corners stay where they are.
#[test]
fn geometry_is_kept_around_the_formats() {
    let Some(python) = environment("NEUVOL_PYTHON", "geometry_is_kept_around_the_formats") else { return };
    let folder = tempfile::tempdir().unwrap();
    let samples = Samples::I16((0..6 * 5 * 7).map(|i| i * 9 - 900).collect());
    let mut original = oblique(samples, [6, 5, 7], false);
    original.unit = "HU".into();
    let at = |name: &str| folder.path().join(name);
    let dicom = PathBuf::from(format!("{}/series/", folder.path().display()));
    io::save(&original, &dicom).unwrap();
    let first = io::open(&dicom, &OpenOptions::default()).unwrap();
    let shape = first.shape();
    // Decimal strings have 16 characters.
    assert!(corners_apart(&first.geometry, &original.geometry, shape) < 1e-6);

    let mut volume = first.clone();
    let mut written = vec![dicom.clone()];
    for (name, mm) in [
        ("a.nii", 1e-4),
        ("b.nrrd", 1e-6),
        ("c.mha", 1e-6),
        ("d.mhd", 1e-6),
        ("e.nii.gz", 1e-9),
        ("f.nrrd", 1e-9),
        ("g.vti", 1e-9),
    ] {
        io::save(&volume, at(name)).unwrap();
        let read = io::open(at(name), &OpenOptions::default()).unwrap();
        let apart = corners_apart(&read.geometry, &volume.geometry, shape);
        assert!(apart <= mm, "{name}: {apart} mm");
        // Through NIfTI-1, whose affine is float32, once; the second trip has nothing left to round.
        assert!(corners_apart(&read.geometry, &first.geometry, shape) < 1e-4, "{name}");
        assert!(read.samples() == first.samples(), "{name}");
        written.push(at(name));
        volume = read;
    }
    // .vti carries the frame as field data.
    assert_eq!(volume.geometry.frame, Frame::Lps);
    let again = PathBuf::from(format!("{}/again/", folder.path().display()));
    io::save(&volume, &again).unwrap();
    let read = io::open(&again, &OpenOptions::default()).unwrap();
    assert!(corners_apart(&read.geometry, &first.geometry, shape) < 1e-4);
    assert!(read.samples() == first.samples());
    written.push(again);

    // Each file lies where other readers see it.
    let expected = reference(&python, &written);
    for path in written {
        let volume = io::open(&path, &OpenOptions::default()).unwrap();
        compare(&path, &volume, &expected[path.to_str().unwrap()], 1e-4);
    }
}
