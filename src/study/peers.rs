//! Other compressors beside ours, through Python: SPERR, SZ3, ZFP, and tthresh where it is a command.

use crate::error::{Error, Result};
use crate::volume::{Mask, Volume};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SCRIPT: &str = include_str!("../../benches/peers.py");

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
        let of_tthresh = match (tthresh, &python) {
            (false, _) => "tthresh absent (not on the PATH)",
            (true, None) => "tthresh absent (it is run through the same interpreter)",
            (true, Some(_)) => "tthresh from the PATH",
        };
        Self { python, tthresh, note: format!("{of_python}; {of_tthresh}") }
    }

    /// SPERR, SZ3 and ZFP at these PSNRs or ratios.
    ///
    /// # Errors
    /// [`Error::Io`]; a compressor that fails is a warning, and not among the results.
    pub(super) fn at(&self, volume: &Volume, wanted: Wanted, targets: &[f64]) -> Result<Vec<PeerResult>> {
        self.run("SPERR,SZ3,ZFP", volume, wanted, targets)
    }

    /// tthresh at these PSNRs.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub(super) fn tthresh(&self, volume: &Volume, psnrs: &[f64]) -> Result<Vec<PeerResult>> {
        if self.tthresh { self.run("tthresh", volume, Wanted::Psnr, psnrs) } else { Ok(Vec::new()) }
    }

    fn run(&self, codecs: &str, volume: &Volume, wanted: Wanted, targets: &[f64]) -> Result<Vec<PeerResult>> {
        let Some(python) = self.python.as_ref().filter(|_| suits(volume)) else { return Ok(Vec::new()) };
        let folder = tempfile::tempdir().map_err(|e| Error::io(&std::env::temp_dir(), e))?;
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).map_err(|e| Error::io(&path, e)).map(|()| path)
        };
        let samples = (0..volume.len()).map(|i| volume.samples().get(i) as f32);
        let raw = write("volume.raw", &samples.flat_map(f32::to_le_bytes).collect::<Vec<u8>>())?;
        let script = write("peers.py", SCRIPT.as_bytes())?;
        let shape = volume.shape().map(|n| n.to_string()).join(",");
        let by = if wanted == Wanted::Psnr { "psnr" } else { "ratio" };
        let mut command = Command::new(python);
        command.arg(&script).arg(&raw).args([&shape, by]).args(targets.iter().map(f64::to_string));
        let said = run(command.args(["--codecs", codecs])).unwrap_or_else(|why| {
            log::warn!("{codecs}: {why}");
            String::new()
        });
        let parsed = said.lines().map(|line| {
            serde_json::from_str(line).map_err(|e| Error::format(&script, format!("{e} in {line:?}")))
        });
        parsed.collect()
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
