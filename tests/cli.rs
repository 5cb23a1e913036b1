//! The command from outside: what a user types, sees and finds on disk.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn neuvol(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuvol"));
    command.args(arguments).args(["--threads", "1"]).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stdout)))
}

/// 40 x 30 x 20 samples of waves, uint8.
fn raw(folder: &Path) -> Vec<u8> {
    let samples: Vec<u8> = (0..40 * 30 * 20)
        .map(|i| {
            let [x, y, z] = [i % 40, i / 40 % 30, i / 1200].map(f64::from);
            (120.0 + 70.0 * (0.2 * x).sin() + 60.0 * (0.25 * y).cos() * (0.3 * z).sin()) as u8
        })
        .collect();
    std::fs::write(folder.join("waves.raw"), &samples).unwrap();
    samples
}

const RAW: [&str; 4] = ["--dims", "40x30x20", "--type", "uint8"];

#[test]
fn compress_info_decompress_compare_sample_slice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let samples = raw(folder);
    let compressed =
        [&["compress", "waves.raw", "--psnr", "36", "--preset", "fast", "--json"], &RAW[..]].concat();
    let report = json(&neuvol(folder, &compressed));
    let psnr = report["achieved"]["psnr_db"].as_f64().unwrap();
    assert!((36.0..=37.0).contains(&psnr), "{psnr}");
    let size = std::fs::metadata(folder.join("waves.nvol")).unwrap().len();
    assert_eq!(report["file_bytes"].as_u64(), Some(size));
    assert!((report["ratio"].as_f64().unwrap() - 24_000.0 / size as f64).abs() < 1e-9);

    let info = json(&neuvol(folder, &["info", "waves.nvol", "--json"]));
    assert_eq!(info["dims"], serde_json::json!([40, 30, 20]));
    assert_eq!(info["type"], "uint8");
    assert!((info["psnr_db"].as_f64().unwrap() - psnr).abs() < 1e-9);
    let shown = text(&neuvol(folder, &["info", "waves.nvol"]).stdout);
    assert!(shown.contains("40 x 30 x 20") && shown.contains("latent grid"), "{shown}");
    // What compress measured is in the file.
    for key in ["mean_error", "ssim", "noise", "rmse_by_noise", "max_error_voxel", "max_error_world", "bands"]
    {
        let [told, kept] = [&report["achieved"][key], &info["achieved"][key]];
        match (told.as_f64(), kept.as_f64()) {
            (Some(a), Some(b)) => assert!((a - b).abs() <= 1e-3 * a.abs().max(1e-3), "{key}: {told} {kept}"),
            _ if key == "bands" => assert_eq!(told.as_array().unwrap().len(), kept.as_array().unwrap().len()),
            _ => assert_eq!(told, kept, "{key}"),
        }
    }
    for part in ["noise", "SSIM", "largest", "in the mean", "% of the voxels"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    for name in ["back.raw", "back.vti", "back.nii.gz", "back.nrrd"] {
        let output = neuvol(folder, &["decompress", "waves.nvol", "-o", name]);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let compare = [&["compare", "waves.raw", name, "--json"], &RAW[..]].concat();
        let compared = json(&neuvol(folder, &compare));
        assert!((compared["psnr_db"].as_f64().unwrap() - psnr).abs() < 1e-9, "{name}: {compared}");
    }
    // What only the original lacks is no matter of the decoded one.
    let compare =
        [&["compare", "waves.raw", "back.nii.gz", "--spacing", "1x1x2", "--json"], &RAW[..]].concat();
    assert!((json(&neuvol(folder, &compare))["psnr_db"].as_f64().unwrap() - psnr).abs() < 1e-9);
    let compare =
        [&["compare", "waves.raw", "waves.nvol", "--json", "--map", "errors.nrrd"], &RAW[..]].concat();
    assert!((json(&neuvol(folder, &compare))["psnr_db"].as_f64().unwrap() - psnr).abs() < 1e-9);

    let decoded = std::fs::read(folder.join("back.raw")).unwrap();
    let worst = samples.iter().zip(&decoded).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert_eq!(report["achieved"]["max_error"].as_f64(), Some(f64::from(worst)));
    let errors = neuvol::io::open(folder.join("errors.nrrd"), &Default::default()).unwrap();
    for (i, (a, b)) in samples.iter().zip(&decoded).enumerate() {
        assert_eq!(errors.samples().get(i), f64::from(*b) - f64::from(*a), "voxel {i}");
    }

    let output = neuvol(folder, &["sample", "waves.nvol", "3", "4", "5", "39", "29", "19"]);
    let lines = text(&output.stdout);
    let values: Vec<f64> =
        lines.lines().map(|l| l.split(' ').next_back().unwrap().parse().unwrap()).collect();
    let at = |x: usize, y: usize, z: usize| f64::from(decoded[x + 40 * (y + 30 * z)]);
    assert_eq!(values, [at(3, 4, 5), at(39, 29, 19)], "{lines}");
    std::fs::write(folder.join("points.csv"), "3,4,5\n\n39 29 19\n").unwrap();
    let from_file =
        json(&neuvol(folder, &["sample", "waves.nvol", "--points", "points.csv", "--world", "--json"]));
    assert_eq!(from_file["values"], serde_json::json!([at(3, 4, 5), at(39, 29, 19)]));

    assert!(neuvol(folder, &["slice", "waves.nvol", "--axis", "y", "-o", "y.png"]).status.success());
    assert!(std::fs::read(folder.join("y.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn levels_of_detail_are_sampled_and_previewed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    raw(folder);
    neuvol(folder, &[&["compress", "waves.raw", "--psnr", "36", "--preset", "fast"], &RAW[..]].concat());
    neuvol(folder, &["decompress", "waves.nvol", "-o", "half.raw", "--level", "1"]);
    let half = std::fs::read(folder.join("half.raw")).unwrap();
    assert_eq!(half.len(), 20 * 15 * 10);
    let sample = |[x, y, z]: [usize; 3]| f64::from(half[x + 20 * (y + 15 * z)]);
    // Voxel indices of the volume: a sample of the level, the middle of two, and the last sample's value behind it.
    let points = ["6", "8", "10", "7", "8", "10", "39", "8", "10"];
    let output = neuvol(folder, &[&["sample", "waves.nvol", "--level", "1", "--json"], &points[..]].concat());
    let values = json(&output)["values"].clone();
    let middle = (sample([3, 4, 5]) + sample([4, 4, 5])) / 2.0;
    assert_eq!(values, serde_json::json!([sample([3, 4, 5]), middle, sample([19, 4, 5])]));
    let output = neuvol(folder, &["sample", "waves.nvol", "3", "4", "5", "--level", "7"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no level 7, but levels 0 to"));

    // Small enough to be shown at full resolution: 40 x 30, 40 x 20 and 30 x 20 at ten pixels a voxel, gaps of 6 between them.
    let size = |name: &str| {
        let png = std::fs::read(folder.join(name)).unwrap();
        assert!(png.starts_with(b"\x89PNG"));
        [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()))
    };
    let shown = text(&neuvol(folder, &["info", "waves.nvol", "--preview", "whole.png"]).stdout);
    assert!(shown.contains("preview     whole.png (of level 0)"), "{shown}");
    assert_eq!(size("whole.png"), [300 + 6 + 400 + 6 + 400, 300]);
    // Longer than 256 voxels: a level that is not.
    let long: Vec<u8> = (0..600 * 16 * 8).map(|i| ((i % 600) / 3 + i / 9600) as u8).collect();
    std::fs::write(folder.join("long.raw"), long).unwrap();
    let dims = ["--dims", "600x16x8", "--type", "uint8", "--lossless"];
    neuvol(folder, &[&["compress", "long.raw"], &dims[..]].concat());
    let info = json(&neuvol(folder, &["info", "long.nvol", "--preview", "coarse.png", "--json"]));
    assert_eq!(info["preview"], serde_json::json!({ "file": "coarse.png", "level": 2 }));
    assert_eq!(info["levels"][2]["dims"], serde_json::json!([150, 4, 4]));
    // Samples 4, 4 and 2 voxels apart, a pixel for 2 voxels: 8 x 4, 300 x 4 and 300 x 8.
    assert_eq!(size("coarse.png"), [8 + 6 + 300 + 6 + 300, 8]);
    let refused = neuvol(folder, &["info", "long.nvol", "--preview", "coarse.jpg"]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
    assert!(text(&refused.stderr).contains("coarse.jpg: pictures are written as PNG"));
}

#[test]
fn failures_have_sentences_and_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    raw(folder);
    std::fs::write(folder.join("not.nvol"), b"something else").unwrap();
    let size = [&["compress", "waves.raw", "--size", "90"], &RAW[..]].concat();
    let two = [&["compress", "waves.raw", "--size", "9k", "--psnr", "40"], &RAW[..]].concat();
    let both = [&["compress", "waves.raw", "--quality", "fine", "--psnr", "40"], &RAW[..]].concat();
    let grid = [&["compress", "waves.raw", "--encoding", "one-blob", "--levels", "3"], &RAW[..]].concat();
    let functions = [&["compress", "waves.raw", "--functions", "3"], &RAW[..]].concat();
    let many =
        [&["compress", "waves.raw", "--encoding", "frequency", "--functions", "40"], &RAW[..]].concat();
    let ends: Vec<u8> = [-1.7e308f64, 1.0, 2.0, 1.7e308].into_iter().flat_map(f64::to_le_bytes).collect();
    std::fs::write(folder.join("ends.raw"), ends).unwrap();
    let share = ["compress", "ends.raw", "--max-error", "1%", "--dims", "4x1x1", "--type", "float64"];
    let cases: [(&[&str], i32, &str); 13] = [
        (
            &share,
            2,
            "a percentage of it cannot be computed: give --max-error as a number in the volume's unit, or --lossless",
        ),
        (&grid, 2, "one-blob has none"),
        (&functions, 2, "no grid has any"),
        (&many, 2, "1 to 16 functions"),
        (&["info", "missing.nvol"], 1, "missing.nvol"),
        (&["info", "not.nvol"], 1, "not a .nvol file"),
        (&["compress", "waves.raw"], 2, "--dims"),
        (&["compress", "waves.raw", "--dims", "40x30x21", "--type", "uint8"], 1, "24000"),
        (&size, 3, "cannot be brought to 90 bytes (ratio 266.7); the smallest that was found is "),
        (&two, 2, "cannot be used with"),
        (&both, 2, "cannot be used with"),
        (&["sample", "not.nvol", "1", "2"], 2, "coordinates, 2, is not a multiple of 3"),
        (&["decompress"], 2, "Usage"),
    ];
    for (arguments, code, sentence) in cases {
        let output = neuvol(folder, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(sentence), "{arguments:?}: {said}");
    }
    assert!(!folder.join("waves.nvol").exists(), "a failed compression writes nothing");
}

/// Each thing once: the file, what is wrong with it, and no file that the user has never heard of.
#[test]
fn reasons_are_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    raw(folder);
    let header = "DimSize = 2 2\nElementType = MET_UCHAR\nElementDataFile = gone.raw\n";
    std::fs::write(folder.join("a.mhd"), header).unwrap();
    let to = |output: &'static str| [&["convert", "waves.raw", "-o", output], &RAW[..]].concat();
    // Before a voxel is read: there is no such input either.
    let early = "neuvol: gone/o.nvol: the folder 'gone' does not exist\n";
    let cases: [(&[&str], &str); 8] = [
        (&["compress", "nothing.nii", "-o", "gone/o.nvol"], early),
        (&["compress", "nothing.nii", "-o", "."], "neuvol: .: this is a folder\n"),
        (
            &["convert", "gone.nii", "-o", "o.npy"],
            "neuvol: gone.nii: No such file or directory (os error 2)\n",
        ),
        (&["info", "gone.nvol"], "neuvol: gone.nvol: No such file or directory (os error 2)\n"),
        (
            &["convert", "a.mhd", "-o", "o.npy"],
            "neuvol: a.mhd: the file 'gone.raw' that it names cannot be read: No such file or directory (os error 2)\n",
        ),
        (&to("gone/o.npy"), "neuvol: gone/o.npy: the folder 'gone' does not exist\n"),
        (&to("gone/o/"), "neuvol: gone/o: the folder 'gone' does not exist\n"),
        (&to("a.mhd/o.nii.gz"), "neuvol: a.mhd/o.nii.gz: 'a.mhd' is a file, not a folder\n"),
    ];
    for (arguments, said) in cases {
        let output = neuvol(folder, arguments);
        assert_eq!(text(&output.stderr), said, "{arguments:?}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
}

/// A derived series beside its original, which is chosen as everywhere.
#[test]
fn a_series_is_written_like_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    raw(folder);
    let done = |arguments: &[&str]| {
        let output = neuvol(folder, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    };
    let refused = |arguments: &[&str], sentence: &str| {
        let output = neuvol(folder, arguments);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(sentence), "{arguments:?}: {said}");
    };
    for name in ["all/one/", "all/two/"] {
        std::fs::create_dir_all(folder.join("all")).unwrap();
        done(&[&["convert", "waves.raw", "-o", name], &RAW[..]].concat());
    }
    let study = |name: &str| {
        let object = dicom_object::open_file(folder.join(name).join("IM0001.dcm")).unwrap();
        let tags =
            [dicom_dictionary_std::tags::STUDY_INSTANCE_UID, dicom_dictionary_std::tags::SERIES_INSTANCE_UID];
        tags.map(|tag| object.element(tag).unwrap().to_str().unwrap().into_owned())
    };
    done(&["convert", "all/one", "-o", "beside/", "--like", "all/two"]);
    assert_eq!(study("beside")[0], study("all/two")[0]);
    assert_ne!(study("beside")[1], study("all/two")[1]);
    // Without --like it is nobody's.
    done(&["convert", "all/one", "-o", "alone/"]);
    assert_ne!(study("alone")[0], study("all/one")[0]);

    let like = ["convert", "all/one", "-o", "chosen/", "--like", "all"];
    refused(&like, "choose one with --like-series NUMBER");
    let uid = study("all/one")[1].clone();
    let end = &uid.trim_end_matches('\0')[uid.len() - 12..uid.trim_end_matches('\0').len()];
    done(&[&like[..], &["--like-series", end]].concat());
    assert_eq!(study("chosen")[0], study("all/one")[0]);

    refused(
        &["convert", "all/one", "-o", "a.nii", "--like", "all/one"],
        "a.nii: only a DICOM series can be like",
    );
    refused(&["convert", "all/one", "-o", "b/", "--like-series", "1"], "--like");
    let output = neuvol(folder, &["decompress", "none.nvol", "-o", "b/", "--like", "waves.raw"]);
    assert!(!output.status.success(), "no DICOM");
}

#[test]
fn other_models_are_chosen_by_name_and_hold_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    raw(folder);
    for (model, expected) in [
        (&["--encoding", "identity", "--network", "sine-residual"][..], "identity, sine-residual 8x"),
        (&["--encoding", "frequency", "--functions", "6"][..], "frequency of 6 octaves, mlp 2x32"),
        (&["--encoding", "triangle-wave"][..], "triangle-wave of 12 octaves, mlp 4x"),
        (&["--encoding", "one-blob", "--storage", "half"][..], "one-blob of 64 bins, mlp 4x"),
        (&["--network", "sine-residual"][..], "hash-grid"),
    ] {
        let target = ["compress", "waves.raw", "--preset", "fast", "--psnr", "23", "--json", "-o", "w.nvol"];
        let output = neuvol(folder, &[&target[..], model, &RAW[..]].concat());
        assert!(output.status.success(), "{model:?}: {}", text(&output.stderr));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(json["model"].as_str().unwrap().contains(expected), "{json}");
        assert!(json["achieved"]["psnr_db"].as_f64().unwrap() >= 23.0, "{json}");
        let compared =
            neuvol(folder, &[&["compare", "waves.raw", "w.nvol", "--json"][..], &RAW[..]].concat());
        let compared: serde_json::Value = serde_json::from_slice(&compared.stdout).unwrap();
        assert!(compared["psnr_db"].as_f64().unwrap() >= 23.0, "{model:?}: {compared}");
    }
    // A size in half precision is not exceeded.
    let half =
        ["compress", "waves.raw", "--storage", "half", "--size", "9k", "--preset", "fast", "-o", "h.nvol"];
    let output = neuvol(folder, &[&half[..], &RAW[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let size = std::fs::metadata(folder.join("h.nvol")).unwrap().len();
    assert!((3000..=9000).contains(&size), "{size}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing_half_written_and_the_old_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    raw(folder);
    std::fs::write(folder.join("waves.nvol"), b"older").unwrap();
    let mut arguments = vec!["compress", "waves.raw", "--preset", "best", "--psnr", "44", "-v"];
    arguments.extend(RAW);
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuvol"));
    command.args(arguments).current_dir(folder).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    // Training has begun.
    assert!(said.by_ref().any(|line| line.contains("model of")));
    let kill = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(kill.success());
    let said: Vec<String> = said.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said:?}");
    assert!(said.iter().any(|line| line.contains("nothing was written")), "{said:?}");
    assert_eq!(std::fs::read(folder.join("waves.nvol")).unwrap(), b"older");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn every_command_has_help() {
    let folder = std::env::temp_dir();
    let overview = text(&neuvol(&folder, &["--help"]).stdout);
    assert!(overview.contains("Exit codes") && overview.contains("130"), "{overview}");
    for command in ["compress", "decompress", "verify", "info", "compare", "sample", "slice", "demo"] {
        assert!(overview.contains(command));
        let help = neuvol(&folder, &[command, "--help"]);
        assert!(help.status.success() && text(&help.stdout).contains("Usage"), "{command}");
    }
}

#[test]
fn devices_are_listed_and_one_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let listed = json(&neuvol(folder, &["devices", "--json"]));
    assert_eq!(listed["cpu"]["threads"], 1);
    let devices = listed["cuda"].as_array().unwrap();
    assert_eq!(devices.is_empty(), listed["cuda_problem"].is_string(), "{listed:#}");
    let shown = text(&neuvol(folder, &["devices"]).stdout);
    assert!(shown.starts_with("cpu     1 thread, ") && shown.contains("\ncuda"), "{shown}");

    raw(folder);
    let compress = [&["compress", "waves.raw", "--psnr", "30", "--preset", "fast"], &RAW[..]].concat();
    assert!(neuvol(folder, &compress).status.success());
    let sample =
        |device: &str| neuvol(folder, &["sample", "waves.nvol", "3", "4", "5.5", "--device", device]);
    let refused = sample("cuda:4096");
    assert_eq!(refused.status.code(), Some(1));
    let why = text(&refused.stderr);
    assert!(why.contains("driver") || why.contains("built without CUDA"), "{why}");
    assert_eq!(sample("gpu").status.code(), Some(2));
    let on_cpu = sample("cpu");
    assert!(on_cpu.status.success());
    if devices.is_empty() {
        let auto = sample("auto");
        assert_eq!((auto.stdout, auto.stderr.len()), (on_cpu.stdout, 0), "the CPU, and no word of it");
        let said = neuvol(folder, &["sample", "waves.nvol", "3", "4", "5.5", "-v"]);
        assert!(text(&said.stderr).contains("evaluating on the CPU: "), "{}", text(&said.stderr));
    }
}
