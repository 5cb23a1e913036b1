//! Whatever is written is read back: shapes, types and geometries at random, through every format that we write.

use neuvol::Volume;
use neuvol::io::{self, OpenOptions};
use neuvol::volume::{Frame, Geometry, SampleType, Samples};
use proptest::prelude::*;

/// A rotation, or a reflection, out of three angles.
fn direction(angles: [f64; 3], mirrored: bool) -> [[f64; 3]; 3] {
    let [(sa, ca), (sb, cb), (sc, cc)] = angles.map(f64::sin_cos);
    let sign = if mirrored { -1.0 } else { 1.0 };
    [
        [cb * cc, -cb * sc, sign * sb],
        [sa * sb * cc + ca * sc, -sa * sb * sc + ca * cc, sign * -sa * cb],
        [-ca * sb * cc + sa * sc, ca * sb * sc + sa * cc, sign * ca * cb],
    ]
}

prop_compose! {
    fn volumes()(
        shape in prop::array::uniform3(1usize..9),
        kind in prop::sample::select(&SampleType::ALL[..]),
        bytes in prop::collection::vec(any::<u8>(), 8 * 8 * 8 * 8),
        angles in prop::array::uniform3(-4.0f64..4.0),
        mirrored in any::<bool>(),
        lps in any::<bool>(),
        origin in prop::array::uniform3(-900.0f64..900.0),
        spacing in prop::array::uniform3(0.01f64..20.0),
    ) -> Volume {
        let count = shape.iter().product();
        let mut samples = Samples::zeros(kind, count);
        let memory = samples.as_bytes_mut();
        memory.copy_from_slice(&bytes[..memory.len()]);
        let mut volume = Volume::new(samples, shape).unwrap();
        let frame = if lps { Frame::Lps } else { Frame::Unknown };
        volume.geometry = Geometry { origin, spacing, direction: direction(angles, mirrored), frame };
        volume
    }
}

/// Bit for bit, NaN included.
fn assert_same_samples(a: &Volume, b: &Volume) {
    assert_eq!((a.shape(), a.sample_type()), (b.shape(), b.sample_type()));
    assert_eq!(a.samples().as_bytes(), b.samples().as_bytes());
}

fn assert_same_corners(a: &Volume, b: &Volume, tolerance: f64) {
    let [x, y, z] = a.shape().map(|n| (n - 1) as f64);
    for corner in [[0.0; 3], [x, 0.0, 0.0], [0.0, y, 0.0], [x, y, z]] {
        let (p, q) = (a.geometry.index_to_world(corner), b.geometry.index_to_world(corner));
        assert!(p.iter().zip(q).all(|(p, q)| (p - q).abs() <= tolerance), "{p:?} {q:?}");
    }
}

fn write_and_read(volume: &Volume, name: &str, options: &OpenOptions) -> Volume {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    io::save(volume, &path).unwrap();
    io::open(&path, options).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn vti(mut volume in volumes(), name in "[ -~]{1,12}", unit in "[a-zA-Z/°%<&]{0,5}") {
        volume.name = name.trim().to_owned();
        volume.unit = unit;
        let back = write_and_read(&volume, "v.vti", &OpenOptions::default());
        assert_same_samples(&volume, &back);
        prop_assert_eq!(back.geometry.origin, volume.geometry.origin);
        prop_assert_eq!(back.geometry.spacing, volume.geometry.spacing);
        prop_assert_eq!(back.geometry.direction, volume.geometry.direction);
        prop_assert_eq!((back.name, back.unit), (volume.name, volume.unit));
    }

    #[test]
    fn nrrd(volume in volumes()) {
        let back = write_and_read(&volume, "v.nrrd", &OpenOptions::default());
        assert_same_samples(&volume, &back);
        assert_same_corners(&volume, &back, 1e-9);
        prop_assert_eq!(back.geometry.frame, volume.geometry.frame);
    }

    #[test]
    fn nifti(volume in volumes(), zipped in any::<bool>()) {
        let name = if zipped { "v.nii.gz" } else { "v.nii" };
        let mut back = write_and_read(&volume, name, &OpenOptions::default());
        assert_same_samples(&volume, &back);
        if volume.geometry.frame == Frame::Unknown {
            // Written unflipped, and read as the RAS that NIfTI says it is.
            for row in 0..2 {
                back.geometry.origin[row] *= -1.0;
                back.geometry.direction[row].iter_mut().for_each(|v| *v *= -1.0);
            }
        }
        assert_same_corners(&volume, &back, 1e-3);
    }

    #[test]
    fn metaimage(volume in volumes()) {
        let back = write_and_read(&volume, "v.mha", &OpenOptions::default());
        assert_same_samples(&volume, &back);
        assert_same_corners(&volume, &back, 1e-9);
        prop_assert_eq!(back.geometry.frame, volume.geometry.frame);
    }

    #[test]
    fn npy(volume in volumes()) {
        let back = write_and_read(&volume, "v.npy", &OpenOptions::default());
        assert_same_samples(&volume, &back);
        prop_assert_eq!(back.shape(), volume.shape());
    }

    #[test]
    fn raw(volume in volumes()) {
        let options = OpenOptions {
            dims: Some(volume.shape()),
            sample_type: Some(volume.sample_type()),
            spacing: Some(volume.geometry.spacing),
            fill_value: Some(7.0),
            ..OpenOptions::default()
        };
        let back = write_and_read(&volume, "v.raw", &options);
        assert_same_samples(&volume, &back);
        prop_assert_eq!(back.geometry.spacing, volume.geometry.spacing);
        prop_assert_eq!(back.fill_value, Some(7.0));
    }

    /// No damage to a file makes a reader panic or allocate what is not there.
    #[test]
    fn damaged_files_never_panic(
        volume in volumes(),
        extension in prop::sample::select(vec!["vti", "nrrd", "nii", "nii.gz", "mha", "npy"]),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("v.{extension}"));
        io::save(&volume, &path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        // Most hits go to the header: the samples are the dull part.
        let reach = bytes.len().min(700);
        for (index, value) in hits {
            bytes[index.index(reach)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        std::fs::write(&path, &bytes).unwrap();
        let _ = io::open(&path, &OpenOptions::default());
    }
}

#[test]
fn other_names_are_refused_with_the_list() {
    let volume = Volume::new(vec![1u8], [1, 1, 1]).unwrap();
    let message = io::save(&volume, "volume.tiff").unwrap_err().to_string();
    for extension in [".vti", ".nii", ".nii.gz", ".nrrd", ".mha", ".npy", ".raw"] {
        assert!(message.contains(extension), "{message}");
    }
}

/// Outputs that take more than the file that was named replace nothing of anybody else's.
#[test]
fn files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let volume = neuvol::Volume::new(vec![1i16, 2, 3, 4], [2, 2, 1]).unwrap();
    let header = folder.path().join("x.mhd");
    std::fs::write(folder.path().join("x.raw"), "precious").unwrap();
    let message = neuvol::io::save(&volume, &header).unwrap_err().to_string();
    assert!(message.contains("x.raw") && !header.exists(), "{message}");
    assert_eq!(std::fs::read(folder.path().join("x.raw")).unwrap(), b"precious");
    std::fs::remove_file(folder.path().join("x.raw")).unwrap();
    neuvol::io::save(&volume, &header).unwrap();
    neuvol::io::save(&volume, &header).expect("our own pair is replaced");

    // A scanner's series may have the same names as ours.
    let series = std::path::PathBuf::from(format!("{}/series/", folder.path().display()));
    neuvol::io::save(&volume, &series).unwrap();
    neuvol::io::save(&volume, &series).expect("our own series is replaced");
    let slice = series.join("IM0001.dcm");
    let mut bytes = std::fs::read(&slice).unwrap();
    let at = bytes.windows(6).position(|w| w == b"neuvol").unwrap();
    bytes[at..at + 6].copy_from_slice(b"ACME X");
    std::fs::write(&slice, &bytes).unwrap();
    let message = neuvol::io::save(&volume, &series).unwrap_err().to_string();
    assert!(message.contains("IM0001.dcm"), "{message}");
    assert_eq!(std::fs::read(&slice).unwrap(), bytes);
}
