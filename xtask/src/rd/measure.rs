//! Compressions, timed; what they decode to is measured by the peers' script, for us as for them.

use super::results::{Bound, Kind, Missed, Results, Row, said};
use super::volumes::RawVolume;
use super::{Options, printed};
use crate::programs;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs.
pub(crate) struct Bench {
    neuvol: PathBuf,
    python: PathBuf,
    script: PathBuf,
    with_tthresh: bool,
    /// Removed with what is in it.
    folder: tempfile::TempDir,
}

/// A line of the script.
#[derive(serde::Deserialize)]
struct PeerResult {
    codec: String,
    target: f64,
    psnr: Option<f64>,
    max_error: f64,
    span: f64,
    bytes: u64,
    ratio: f64,
    seconds: f64,
    decode_seconds: f64,
}

/// What the script says of a decoded file.
#[derive(serde::Deserialize)]
struct Measured {
    psnr: Option<f64>,
    max_error: f64,
    span: f64,
    mask_is_kept: bool,
}

/// What `neuvol compress --json` says that the file does not show.
#[derive(serde::Deserialize)]
struct Compressed {
    seconds: Seconds,
}

#[derive(serde::Deserialize)]
struct Seconds {
    compress: f64,
}

impl Bench {
    pub(crate) fn new(neuvol: PathBuf, python: PathBuf, script: PathBuf) -> Result<Self> {
        let folder = tempfile::tempdir().context("a folder for temporary files")?;
        Ok(Self { neuvol, python, script, with_tthresh: programs::has("tthresh"), folder })
    }

    pub(crate) fn version(&self) -> Result<String> {
        let version = said(Command::new(&self.neuvol).arg("--version"))?;
        Ok(version.rsplit(' ').next().unwrap_or_default().to_owned())
    }

    /// Which they are.
    pub(crate) fn peers(&self) -> Result<String> {
        let version =
            said(Command::new(&self.python).args(["-c", "import hdf5plugin; print(hdf5plugin.version)"]))?;
        let tthresh = if self.with_tthresh { "tthresh from the PATH" } else { "tthresh absent" };
        Ok(format!("SPERR, SZ3 and ZFP of hdf5plugin {version}; {tthresh}"))
    }

    /// Draws a JSON description as PNG.
    pub(crate) fn draw(&self, json: &Path, picture: &Path) -> Result<()> {
        said(Command::new(&self.neuvol).arg("plot").arg(json).arg("--output").arg(picture)).map(drop)
    }

    /// Everything that is asked for of one volume.
    ///
    /// # Errors
    /// See [`super::run`].
    pub(crate) fn measure(&self, volume: &RawVolume, options: &Options, results: &mut Results) -> Result<()> {
        for bound in &options.bounds {
            let how = ["--max-error".to_owned(), bound.text()];
            self.ours(volume, Kind::Bound, &bound.text(), "neuvol", &how, results)?;
        }
        self.theirs(
            volume,
            "bound",
            &options.bounds.iter().map(|b| b.percent / 100.0).collect::<Vec<_>>(),
            results,
        )?;
        for target in &options.targets {
            for preset in &options.presets {
                let how = ["--psnr".to_owned(), target.to_string(), "--preset".into(), preset.clone()];
                let codec = format!("neuvol {preset}");
                self.ours(volume, Kind::Psnr, &target.to_string(), &codec, &how, results)?;
            }
        }
        self.theirs(volume, "psnr", &options.targets, results)?;
        if !self.with_tthresh {
            for target in &options.targets {
                if let Some((psnr, ratio)) = printed::tthresh(&volume.name, *target) {
                    results.add(Row {
                        volume: volume.name.clone(),
                        kind: Kind::Psnr,
                        target: target.to_string(),
                        codec: printed::CODEC.into(),
                        psnr_db: Some(psnr),
                        bytes: (4.0 * volume.voxels() as f64 / ratio).round() as u64,
                        ratio_float32: ratio,
                        encode_seconds: None,
                        decode_seconds: None,
                        max_error_of_range: None,
                        max_error_of_bound: None,
                    });
                }
            }
        }
        Ok(())
    }

    fn ours(
        &self,
        volume: &RawVolume,
        kind: Kind,
        target: &str,
        codec: &str,
        how: &[String],
        results: &mut Results,
    ) -> Result<()> {
        let [file, back] = ["volume.nvol", "back.raw"].map(|name| self.folder.path().join(name));
        let mut compress = Command::new(&self.neuvol);
        compress.arg("compress").arg(&volume.path).args([
            "--dims",
            &dims(volume, "x"),
            "--type",
            &volume.dtype,
        ]);
        if let Some(fill) = volume.fill_value {
            compress.args(["--fill-value", &fill.to_string()]);
        }
        compress.args(how).arg("--json").arg("--output").arg(&file);
        let compressed: Compressed = match said(&mut compress) {
            Ok(said) => serde_json::from_str(&said).context("what neuvol compress --json prints")?,
            Err(why) => {
                let why = format!("{why:#}");
                // What stands before the sentence is who says it.
                let why = why.rsplit_once("neuvol: ").map_or(why.as_str(), |(_, why)| why).to_owned();
                eprintln!("{} {target} {codec}: {why}", volume.name);
                let (volume, target, codec) = (volume.name.clone(), target.to_owned(), codec.to_owned());
                results.miss(Missed { volume, target, codec, why });
                return Ok(());
            }
        };
        let decoded =
            said(Command::new(&self.neuvol).arg("decompress").arg(&file).arg("--output").arg(&back))?;
        let decode_seconds = decoded
            .split_once("decoded in ")
            .and_then(|(_, behind)| behind.split_once(" s ")?.0.parse().ok())
            .with_context(|| format!("no time in what neuvol decompress prints: {decoded}"))?;
        let mut measure = self.script(volume, "measure");
        let measured: Measured =
            serde_json::from_str(&said(measure.arg(&back))?).context("what peers.py prints")?;
        let bytes = fs::metadata(&file).with_context(|| format!("{}", file.display()))?.len();
        if !measured.mask_is_kept {
            results.miss(Missed {
                volume: volume.name.clone(),
                target: target.to_owned(),
                codec: codec.to_owned(),
                why: "masked samples are not what they were".into(),
            });
        }
        let row = Row {
            volume: volume.name.clone(),
            kind,
            target: target.to_owned(),
            codec: codec.to_owned(),
            psnr_db: measured.psnr,
            bytes,
            ratio_float32: 4.0 * volume.voxels() as f64 / bytes as f64,
            encode_seconds: Some(compressed.seconds.compress),
            decode_seconds: Some(decode_seconds),
            max_error_of_range: Some(measured.max_error / measured.span),
            max_error_of_bound: of_bound(kind, target, measured.max_error, measured.span),
        };
        show(&row);
        results.add(row);
        Ok(())
    }

    /// The peers at PSNRs in dB, or at bounds as shares of the range.
    fn theirs(&self, volume: &RawVolume, by: &str, targets: &[f64], results: &mut Results) -> Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        let mut command = self.script(volume, by);
        command.args(targets.iter().map(f64::to_string));
        command.args(["--codecs", "SPERR,SZ3,ZFP,tthresh"]);
        if volume.is_whole() {
            command.arg("--whole");
        }
        for line in said(&mut command)?.lines() {
            let r: PeerResult = serde_json::from_str(line).with_context(|| format!("peers.py: {line}"))?;
            let (kind, target) = match by {
                "bound" => (Kind::Bound, Bound { percent: 100.0 * r.target }.text()),
                _ => (Kind::Psnr, r.target.to_string()),
            };
            let row = Row {
                volume: volume.name.clone(),
                kind,
                max_error_of_bound: of_bound(kind, &target, r.max_error, r.span),
                target,
                codec: r.codec,
                psnr_db: r.psnr,
                bytes: r.bytes,
                ratio_float32: r.ratio,
                encode_seconds: Some(r.seconds),
                decode_seconds: Some(r.decode_seconds),
                max_error_of_range: Some(r.max_error / r.span),
            };
            show(&row);
            results.add(row);
        }
        Ok(())
    }

    fn script(&self, volume: &RawVolume, by: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).arg(&volume.path).args([&dims(volume, ","), by, "--type", &volume.dtype]);
        if let Some(fill) = volume.fill_value {
            command.args(["--fill", &fill.to_string()]);
        }
        command
    }
}

fn dims(volume: &RawVolume, between: &str) -> String {
    volume.dims.map(|n| n.to_string()).join(between)
}

/// Largest error by the bound; above 1 the bound is not kept.
fn of_bound(kind: Kind, target: &str, max_error: f64, span: f64) -> Option<f64> {
    let bound = Bound::parse(target).ok().filter(|_| kind == Kind::Bound)?;
    Some(max_error / (bound.percent / 100.0 * span))
}

fn show(row: &Row) {
    let psnr = row.psnr_db.map_or("exact".into(), |p| format!("{p:.2} dB"));
    let seconds = row.encode_seconds.unwrap_or_default();
    let Row { volume, target, codec, ratio_float32, .. } = row;
    eprintln!("{volume} {target} {codec}: {psnr} at {ratio_float32:.1}:1, {seconds:.2} s");
}
