//! Other compressors beside ours: SPERR, SZ3 and ZFP through Python, tthresh as a command.

use super::paper::HALF_RANGE_DB;
use crate::error::{Error, Result};
use crate::metrics;
use crate::volume::{Mask, Volume};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

const SCRIPT: &str = include_str!("peers.py");

/// What one of them reached.
#[derive(Debug, Clone, serde::Deserialize)]
pub(super) struct PeerResult {
    pub(super) codec: String,
    pub(super) psnr: f64,
    /// Against float32.
    pub(super) ratio: f64,
    pub(super) bytes: u64,
    /// To compress once, with the setting that was found.
    pub(super) seconds: f64,
}

/// What they are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wanted {
    Psnr,
    Ratio,
}

/// Those that are installed.
pub(super) struct Peers {
    python: Option<PathBuf>,
    tthresh: bool,
    /// Which are there, and why others are not.
    pub(super) note: String,
}

impl Peers {
    /// Looks for them.
    pub(super) fn find(python: Option<&Path>) -> Self {
        let (python, of_python) = match python {
            None => {
                let how = "give --python PATH, an interpreter with hdf5plugin; `cargo xtask peers` makes one";
                (None, format!("SPERR, SZ3 and ZFP absent ({how})"))
            }
            Some(path) => {
                let versions = "import h5py, hdf5plugin, numpy; print(hdf5plugin.version)";
                match run(Command::new(path).args(["-c", versions])) {
                    Ok(said) => {
                        (Some(path.to_owned()), format!("SPERR, SZ3 and ZFP of hdf5plugin {}", said.trim()))
                    }
                    Err(why) => (None, format!("SPERR, SZ3 and ZFP absent (the interpreter says: {why})")),
                }
            }
        };
        // Without arguments it complains, but it starts.
        let tthresh = Command::new("tthresh").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
        let of_tthresh = if tthresh { "tthresh from the PATH" } else { "tthresh absent (not on the PATH)" };
        Self { python, tthresh, note: format!("{of_python}; {of_tthresh}") }
    }

    /// SPERR, SZ3 and ZFP at these PSNRs or ratios.
    ///
    /// # Errors
    /// [`Error::Io`]; a compressor that fails is a warning, and not among the results.
    pub(super) fn at(&self, volume: &Volume, wanted: Wanted, targets: &[f64]) -> Result<Vec<PeerResult>> {
        let Some(python) = self.python.as_ref().filter(|_| suits(volume)) else { return Ok(Vec::new()) };
        let files = Files::new(volume)?;
        let script = files.path("peers.py");
        std::fs::write(&script, SCRIPT).map_err(|e| Error::io(&script, e))?;
        let shape = volume.shape().map(|n| n.to_string()).join(",");
        let by = if wanted == Wanted::Psnr { "psnr" } else { "ratio" };
        let mut command = Command::new(python);
        command.arg(&script).arg(&files.raw).args([&shape, by]).args(targets.iter().map(f64::to_string));
        let said = run(&mut command).unwrap_or_else(|why| {
            log::warn!("SPERR, SZ3 and ZFP: {why}");
            String::new()
        });
        let parsed = said.lines().map(|line| {
            serde_json::from_str(line).map_err(|e| Error::format(&script, format!("{e} in {line:?}")))
        });
        parsed.collect()
    }

    /// tthresh at these PSNRs.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub(super) fn tthresh(&self, volume: &Volume, psnrs: &[f64]) -> Result<Vec<PeerResult>> {
        if !self.tthresh || !suits(volume) {
            return Ok(Vec::new());
        }
        let files = Files::new(volume)?;
        let (packed, back) = (files.path("volume.tthresh"), files.path("back.raw"));
        let original = Volume::new(float32(volume), volume.shape())?;
        let mut results = Vec::new();
        for psnr in psnrs {
            let start = Instant::now();
            let mut compress = Command::new("tthresh");
            compress.arg("-i").arg(&files.raw).args(["-t", "float", "-s"]);
            compress.args(volume.shape().map(|n| n.to_string()));
            // Its PSNR is over half the range.
            compress.arg("-p").arg((psnr - HALF_RANGE_DB).to_string()).arg("-c").arg(&packed);
            let compressed = run(&mut compress);
            let seconds = start.elapsed().as_secs_f64();
            let decompressed = compressed
                .and_then(|_| run(Command::new("tthresh").arg("-c").arg(&packed).arg("-o").arg(&back)));
            if let Err(why) = decompressed {
                log::warn!("tthresh: {why}");
                continue;
            }
            let bytes = std::fs::read(&back).map_err(|e| Error::io(&back, e))?;
            let values = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
            let decoded = Volume::new(values.collect::<Vec<f32>>(), volume.shape())?;
            let size = std::fs::metadata(&packed).map_err(|e| Error::io(&packed, e))?.len();
            results.push(PeerResult {
                codec: "tthresh".into(),
                psnr: metrics::compare(&original, &decoded)?.psnr,
                ratio: 4.0 * volume.len() as f64 / size as f64,
                bytes: size,
                seconds,
            });
        }
        Ok(results)
    }
}

/// They know no mask.
fn suits(volume: &Volume) -> bool {
    let masked = Mask::of(volume).is_some();
    if masked {
        log::warn!("the volume has masked voxels, which other compressors do not know; they are left out");
    }
    !masked
}

fn float32(volume: &Volume) -> Vec<f32> {
    (0..volume.len()).map(|i| volume.samples().get(i) as f32).collect()
}

/// A folder that is removed with what is in it, with the volume as float32.
struct Files {
    folder: tempfile::TempDir,
    raw: PathBuf,
}

impl Files {
    fn new(volume: &Volume) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|e| Error::io(&std::env::temp_dir(), e))?;
        let raw = folder.path().join("volume.raw");
        let bytes: Vec<u8> = float32(volume).iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(&raw, bytes).map_err(|e| Error::io(&raw, e))?;
        Ok(Self { folder, raw })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Runs a command; what it printed, or the last line of its complaint.
fn run(command: &mut Command) -> Result<String, String> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&stderr);
    Err(complaint.lines().last().map_or_else(|| status.to_string(), str::to_owned))
}
