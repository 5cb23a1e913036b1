//! `neuvol study` from outside, on a volume that pretends to be the paper's tooth.

use std::path::Path;
use std::process::{Command, Output};

const EDGE: usize = 16;

/// 16^3 samples of waves as `tooth.raw`, with a header in JSON beside it.
fn folder_with_a_tooth() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let samples: Vec<u8> = (0..EDGE * EDGE * EDGE)
        .map(|i| {
            let [x, y, z] = [i % EDGE, i / EDGE % EDGE, i / (EDGE * EDGE)].map(|n| n as f64);
            (120.0 + 70.0 * (0.4 * x).sin() + 50.0 * (0.5 * y).cos() * (0.3 * z).sin()) as u8
        })
        .collect();
    std::fs::write(folder.path().join("tooth.raw"), samples).unwrap();
    let header = format!(r#"{{"dims": [{EDGE}, {EDGE}, {EDGE}], "dtype": "uint8", "spacing": null}}"#);
    std::fs::write(folder.path().join("tooth.json"), header).unwrap();
    folder
}

fn study(name: &str, data: &Path, output: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuvol"));
    command.args(["study", name, "--quick", "--epochs", "3", "--batch", "256", "--threads", "1", "--data"]);
    command.arg(data).arg("--output").arg(output);
    command.env_remove("NEUVOL_PYTHON").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The settings, and the rows by column name. No cell of these tests has a line feed in it.
fn csv(path: &Path) -> (String, Vec<std::collections::HashMap<String, String>>) {
    let content = std::fs::read_to_string(path).unwrap();
    let (comments, lines): (Vec<&str>, Vec<&str>) = content.lines().partition(|l| l.starts_with("# "));
    let cells = |line: &str| {
        let (mut cells, mut quoted) = (vec![String::new()], false);
        for letter in line.chars() {
            match letter {
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                _ => cells.last_mut().unwrap().push(letter),
            }
        }
        cells
    };
    let names = cells(lines[0]);
    let rows = lines[1..].iter().map(|line| names.iter().cloned().zip(cells(line)).collect()).collect();
    (comments.join("\n"), rows)
}

#[test]
fn table2_says_what_its_files_hold_and_what_the_paper_prints() {
    let data = folder_with_a_tooth();
    let output = data.path().join("out/table2");
    let run = study("table2", data.path(), &output);
    assert!(run.status.success(), "{}", text(&run.stderr));

    let (settings, rows) = csv(&output.join("table2.csv"));
    for said in
        ["epochs: 3", "batch: 256", "L 8, F 4", "12 octaves", "64 bins", "threads", "SZ3 and ZFP absent"]
    {
        assert!(settings.contains(said), "{said} in {settings}");
    }
    let methods: Vec<&str> = rows.iter().map(|r| r["method"].as_str()).collect();
    assert_eq!(methods[..3], ["Neurcomp", "hash grid", "neuvol"]);
    let number = |row: &std::collections::HashMap<String, String>, column: &str| -> f64 {
        row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
    };
    for row in &rows[..3] {
        let path = output.join(&row["file"]);
        let bytes = std::fs::metadata(&path).unwrap().len() as f64;
        assert_eq!(bytes, number(row, "file_bytes"));
        let ratio = 4.0 * (EDGE * EDGE * EDGE) as f64 / bytes;
        assert!((ratio - number(row, "ratio_float32")).abs() < 1e-4);
        let decoded = Command::new(env!("CARGO_BIN_EXE_neuvol"))
            .args(["compare", "--json", "--dims", "16x16x16", "--type", "uint8"])
            .args([&data.path().join("tooth.raw"), &path])
            .output()
            .unwrap();
        let decoded: serde_json::Value = serde_json::from_slice(&decoded.stdout).unwrap();
        let psnr = decoded["psnr_db"].as_f64().unwrap();
        assert!((psnr - number(row, "psnr_db")).abs() < 1e-3, "{psnr} but {row:?}");
        assert!(psnr > 10.0 && number(row, "seconds") > 0.0);
    }
    assert!(number(&rows[2], "psnr_db") >= number(&rows[1], "psnr_db"));
    assert_eq!(number(&rows[1], "paper_psnr_half_range_db"), 33.92);
    assert_eq!(number(&rows[1], "paper_psnr_full_range_db"), 39.94);
    assert_eq!(number(&rows[0], "paper_ratio"), 40.0);

    let markdown = std::fs::read_to_string(output.join("table2.md")).unwrap();
    assert!(text(&run.stdout).contains(&markdown));
    assert!(markdown.contains("| Tooth | hash grid |") && markdown.contains("39.94 (33.92)"), "{markdown}");
    assert!(markdown.contains("Tooth has 16x16x16 samples here and 103x94x161 in the paper"), "{markdown}");
}

#[test]
fn hyperparameters_trade_features_for_entries_and_draw_curves() {
    let data = folder_with_a_tooth();
    let output = data.path().join("out");
    let run = study("hyperparameters", data.path(), &output);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let (_, rows) = csv(&output.join("hyperparameters.csv"));
    // Four combinations, three epochs.
    assert_eq!(rows.len(), 12);
    // F and T trade places: entries of a table times their features.
    let mut sizes: Vec<[u32; 2]> =
        rows.iter().map(|r| ["features", "log2_table_size"].map(|c| r[c].parse().unwrap())).collect();
    sizes.dedup();
    assert_eq!(sizes.iter().map(|[f, _]| *f).collect::<Vec<_>>(), [1, 2, 4, 8]);
    assert!(sizes.iter().all(|[f, t]| f << t == sizes[0][0] << sizes[0][1]), "{sizes:?}");
    let picture = std::fs::read(output.join("hyperparameters-tooth.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 2_000);
}

#[test]
fn folders_without_volumes_are_refused_with_a_sentence() {
    let empty = tempfile::tempdir().unwrap();
    let run = study("table2", empty.path(), &empty.path().join("out"));
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).contains("no volume of the paper's table 2 is here"), "{}", text(&run.stderr));
    let run = study("ratio", &empty.path().join("nowhere"), &empty.path().join("out"));
    assert_eq!(run.status.code(), Some(2));
    assert!(
        text(&run.stderr).contains("nowhere: there is no such folder of volumes"),
        "{}",
        text(&run.stderr)
    );
    assert!(!empty.path().join("out").exists());
}
