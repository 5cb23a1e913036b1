//! A DICOM series of our own through the whole way: geometry, samples, and nothing of the patient in the file.

use neuvol::io::{OpenOptions, SeriesDescription, write_series};
use neuvol::train::{CompressOptions, Preset, Target, compress};
use neuvol::volume::{Frame, Geometry};
use neuvol::{NeuralVolume, Region, Volume};

fn series() -> Volume {
    let shape = [20, 16, 12];
    let samples = (0..20 * 16 * 12).map(|i| (((i % 20) * 37 + (i / 320) * 50) % 1800 - 900) as i16);
    let mut volume = Volume::new(samples.collect::<Vec<_>>(), shape).unwrap();
    let (s, c) = 0.2f64.sin_cos();
    volume.geometry = Geometry {
        origin: [-30.5, 12.25, 700.0],
        spacing: [0.8, 0.9, 2.5],
        direction: [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]],
        frame: Frame::Lps,
    };
    volume.unit = "HU".into();
    volume
}

#[test]
fn a_series_keeps_samples_and_geometry_and_leaves_the_patient_behind() {
    let volume = series();
    let folder = tempfile::tempdir().unwrap();
    let description = SeriesDescription {
        description: "SECRET DESCRIPTION".into(),
        patient: ["PHANTOM^NEUVOL", "PHANTOM"].map(String::from),
        shuffle: Some(4),
        ..SeriesDescription::default()
    };
    write_series(&volume, folder.path(), &description).unwrap();
    let slice = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
    let written = String::from_utf8_lossy(&std::fs::read(slice.path()).unwrap()).into_owned();
    let secrets = ["PHANTOM^NEUVOL", "SECRET DESCRIPTION", "2.25."];
    assert!(secrets.iter().all(|s| written.contains(s)), "the series itself does name them");

    let read = neuvol::io::open(folder.path(), &OpenOptions::default()).unwrap();
    assert!(read.samples() == volume.samples());
    assert_eq!(read.unit, "HU");
    for corner in [[0.0; 3], [19.0, 15.0, 11.0]] {
        let (was, is) = (volume.geometry.index_to_world(corner), read.geometry.index_to_world(corner));
        assert!((0..3).all(|a| (was[a] - is[a]).abs() < 1e-6), "{was:?} became {is:?}");
    }

    let options = CompressOptions {
        target: Target::Psnr(25.0),
        preset: Preset::Fast,
        threads: 1,
        ..Default::default()
    };
    let compressed = compress(&read, &options).unwrap();
    let file = String::from_utf8_lossy(&compressed.bytes).into_owned();
    for secret in secrets {
        assert!(!file.contains(secret), "{secret} is in the file");
    }
    let path = folder.path().join("series.nvol");
    compressed.save(&path).unwrap();
    let neural = NeuralVolume::open(&path).unwrap();
    assert_eq!(neural.info().geometry, read.geometry);
    assert_eq!(neural.info().provenance["source format"], "DICOM");
    let decoded = neural.read_region(Region::whole(read.shape()), 1).unwrap();
    assert_eq!(neuvol::metrics::compare(&read, &decoded).unwrap(), compressed.distortion);
}

#[test]
fn the_command_lists_series_and_picks_one() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("a", 1), ("b", 2)] {
        let description = SeriesDescription {
            description: format!("series {name}"),
            shuffle: Some(seed),
            ..SeriesDescription::default()
        };
        write_series(&series(), &folder.path().join(name), &description).unwrap();
    }
    let neuvol = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_neuvol"));
        command.args(arguments).current_dir(folder.path()).output().unwrap()
    };
    let listed = neuvol(&["series", ".", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|s| s["modality"] == "CT" && s["shape"] == serde_json::json!([20, 16, 12])));
    let text = String::from_utf8(neuvol(&["series", "."]).stdout).unwrap();
    assert!(
        text.contains("series a") && text.contains("20 x 16 x 12") && !text.contains("PHANTOM"),
        "{text}"
    );

    let compress = ["compress", ".", "--psnr", "30", "--preset", "fast", "--threads", "1", "-o", "one.nvol"];
    let refused = neuvol(&compress);
    let message = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert!(message.contains("2 series") && message.contains("--series"), "{message}");
    let id = listed[1]["uid_end"].as_str().unwrap();
    let done = neuvol(&[&compress[..], &["--series", id]].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
