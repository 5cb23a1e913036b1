//! What was measured, where and of what: the JSON file beside the report.

use super::measure::Bench;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// A largest error as a share of the range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bound {
    pub(crate) percent: f64,
}

impl Bound {
    /// `0.1%`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text.strip_suffix('%').and_then(|number| number.parse().ok()) {
            Some(percent) if percent > 0.0 && percent < 100.0 => Ok(Self { percent }),
            _ => bail!("{text:?} is no bound: a percentage of the range, as in 0.1%"),
        }
    }

    pub(crate) fn text(self) -> String {
        format!("{}%", self.percent)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Psnr,
    Bound,
}

/// One compression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) volume: String,
    pub(crate) kind: Kind,
    /// `40` dB, or `0.1%`.
    pub(crate) target: String,
    pub(crate) codec: String,
    /// Over unmasked voxels; absent where no sample differs.
    pub(crate) psnr_db: Option<f64>,
    pub(crate) bytes: u64,
    pub(crate) ratio_float32: f64,
    /// Absent for figures that were not measured in this run.
    pub(crate) encode_seconds: Option<f64>,
    pub(crate) decode_seconds: Option<f64>,
    /// Largest error by the range, both over unmasked voxels.
    pub(crate) max_error_of_range: Option<f64>,
    /// For bounds: largest error by the bound.
    pub(crate) max_error_of_bound: Option<f64>,
}

/// A target that a codec did not meet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Missed {
    pub(crate) volume: String,
    pub(crate) target: String,
    pub(crate) codec: String,
    pub(crate) why: String,
}

/// What all figures of a file share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Of the first figure, UTC.
    pub(crate) date: String,
    pub(crate) version: String,
    pub(crate) commit: String,
    pub(crate) machine: String,
    pub(crate) peers: String,
}

impl Header {
    /// # Errors
    /// When git or one of the programs does not answer.
    pub(crate) fn of_this_run(root: &Path, bench: &Bench) -> Result<Self> {
        let git = |arguments: &[&str]| said(Command::new("git").current_dir(root).args(arguments));
        let mut commit = git(&["rev-parse", "--short=8", "HEAD"])?;
        if !git(&["status", "--porcelain", "--untracked-files=no", "--", ":!benches/results"])?.is_empty() {
            commit += "-changed";
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("a clock before 1970")?;
        Ok(Self {
            date: date((now.as_secs() / 86_400) as i64),
            version: bench.version()?,
            commit,
            machine: format!("{}, {cores} threads", processor()),
            peers: bench.peers()?,
        })
    }

    /// The start of the files' names.
    pub(crate) fn stem(&self) -> String {
        format!("{}-{}-{}", self.date, self.version, self.commit)
    }
}

/// What a command prints.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("starting {name}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{name}: {}", complaint.lines().last().unwrap_or("it failed and said nothing"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The processor's name where the system says it.
fn processor() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = information.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// The Gregorian date of a day since 1970-01-01 (Hinnant, chrono-compatible low-level date algorithms, `civil_from_days`).
fn date(days: i64) -> String {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (year + 400 * era, if month < 10 { month + 3 } else { month - 9 });
    format!("{:04}-{month:02}-{day:02}", year + i64::from(month <= 2))
}

/// All of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) header: Header,
    pub(crate) rows: Vec<Row>,
    pub(crate) missed: Vec<Missed>,
}

impl Results {
    /// Those of an earlier run of the same commit on the same machine, to be added to.
    ///
    /// # Errors
    /// For a file that is not ours, or of another machine.
    pub(crate) fn read_or_new(path: &Path, header: Header) -> Result<Self> {
        if !path.exists() {
            return Ok(Self { header, rows: Vec::new(), missed: Vec::new() });
        }
        let results = Self::read(path)?;
        if results.header != header {
            bail!("{} is of another machine or of other peers; move it away first", path.display());
        }
        Ok(results)
    }

    /// # Errors
    /// For a file that is not ours.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("JSON")? + "\n";
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// Replaces the row of the same volume, target and codec.
    pub(crate) fn add(&mut self, row: Row) {
        let same = |r: &Row| {
            (&r.volume, r.kind, &r.target, &r.codec) == (&row.volume, row.kind, &row.target, &row.codec)
        };
        match self.rows.iter_mut().find(|r| same(r)) {
            Some(old) => *old = row,
            None => self.rows.push(row),
        }
    }

    /// As [`Self::add`].
    pub(crate) fn miss(&mut self, missed: Missed) {
        let same =
            |m: &Missed| (&m.volume, &m.target, &m.codec) == (&missed.volume, &missed.target, &missed.codec);
        self.missed.retain(|m| !same(m));
        self.missed.push(missed);
    }

    /// The volumes in the order in which they were measured.
    pub(crate) fn volumes(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !names.contains(&row.volume.as_str()) {
                names.push(&row.volume);
            }
        }
        names
    }

    pub(crate) fn of(&self, volume: &str, kind: Kind) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |r| r.volume == volume && r.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        let days = [0, 59, 11_016, 19_782, 20_088, -1];
        let dates = ["1970-01-01", "1970-03-01", "2000-02-29", "2024-02-29", "2024-12-31", "1969-12-31"];
        assert_eq!(days.map(date), dates);
    }

    #[test]
    fn a_second_run_adds_to_the_first_and_replaces_what_it_measures_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let text = |t: &str| t.to_owned();
        let [date, version, commit, machine, peers] = ["d", "v", "c", "m", "p"].map(text);
        let header = Header { date, version, commit, machine, peers };
        let row = |target: &str, bytes: u64| Row {
            volume: text("tooth"),
            kind: Kind::Psnr,
            target: text(target),
            codec: text("SZ3"),
            psnr_db: None,
            bytes,
            ratio_float32: 2.5,
            encode_seconds: None,
            decode_seconds: Some(0.5),
            max_error_of_range: Some(0.01),
            max_error_of_bound: None,
        };
        let mut first = Results::read_or_new(&path, header.clone()).unwrap();
        first.add(row("40", 1));
        first.write(&path).unwrap();
        let mut second = Results::read_or_new(&path, header.clone()).unwrap();
        assert_eq!(second, first);
        second.add(row("46", 2));
        second.add(row("40", 3));
        assert_eq!(second.rows, [row("40", 3), row("46", 2)]);
        assert_eq!(second.volumes(), ["tooth"]);
        let elsewhere = Header { machine: text("another"), ..header };
        assert!(Results::read_or_new(&path, elsewhere).unwrap_err().to_string().contains("another machine"));
    }
}
