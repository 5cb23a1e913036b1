//! The Python environment that the readers and writers are tested against.

use crate::cache;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tried in this order; the first that is new enough is taken.
const INTERPRETERS: [&str; 6] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"];
/// What the oldest interpreter must fulfil, for the versions pinned in the requirements.
const NEW_ENOUGH: &str = "import sys; sys.exit(sys.version_info < (3, 11))";
/// Written last, so that an interrupted install is done again.
const MARKER: &str = "installed";

/// The interpreter of an environment with `requirements` installed; set up on the first call, kept in the cache.
///
/// # Errors
/// When no interpreter is new enough, an environment cannot be made, or pip fails.
pub(crate) fn interpreter(requirements: &Path) -> Result<PathBuf> {
    let text = fs::read(requirements).with_context(|| format!("reading {}", requirements.display()))?;
    let cache = cache::folder()?;
    fs::create_dir_all(&cache).with_context(|| format!("creating {}", cache.display()))?;
    let folder = cache.join(format!("python-{:016x}", fnv1a(&text)));
    let python = if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") };

    // Two runs at a time would install into one folder.
    let lock = folder.with_extension("lock");
    let lock = File::create(&lock).with_context(|| format!("creating {}", lock.display()))?;
    lock.lock().context("waiting for another run's set-up")?;
    // The system's Python may have gone since.
    if folder.join(MARKER).exists() && succeeds(Command::new(&python).args(["-c", NEW_ENOUGH])) {
        return Ok(python);
    }
    println!("Setting up Python packages for the tests in {} (once, about 150 MB)", folder.display());
    let system = INTERPRETERS
        .into_iter()
        .find(|name| succeeds(Command::new(name).args(["-c", NEW_ENOUGH])))
        .context("no python3 of version 3.11 or later is installed")?;
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing the unfinished {}", folder.display()));
        }
        _ => {}
    }
    let mut pip = environment_with_pip(system, &folder, &python)?;
    pip.args(["install", "--quiet", "--requirement"]).arg(requirements);
    if !pip.status().context("starting pip")?.success() {
        bail!("pip could not install {} (its message is above; is there a network?)", requirements.display());
    }
    fs::write(folder.join(MARKER), text).context("marking the environment as installed")?;
    Ok(python)
}

/// Makes an environment; returns a pip that installs into it, by the first way that this system has.
fn environment_with_pip(system: &str, folder: &Path, python: &Path) -> Result<Command> {
    let mut own = Command::new(python);
    own.args(["-m", "pip"]);
    if succeeds(Command::new(system).args(["-m", "venv"]).arg(folder)) {
        return Ok(own);
    }
    // Debian has ensurepip, and with it pip in environments, in a package of its own.
    let mut bare = Command::new(system);
    bare.args(["-m", "venv", "--clear", "--without-pip"]).arg(folder);
    if !bare.status().is_ok_and(|status| status.success()) {
        bail!("`{system} -m venv` fails (its message is above); on Debian and Ubuntu, install python3-venv");
    }
    if succeeds(Command::new(python).args(["-m", "ensurepip"])) {
        return Ok(own);
    }
    let mut systems = Command::new(system);
    systems.args(["-m", "pip", "--python"]).arg(python);
    if !succeeds(Command::new(system).args(["-m", "pip", "--python"]).arg(python).arg("--version")) {
        bail!("{system} has neither ensurepip nor pip; on Debian and Ubuntu, install python3-venv");
    }
    Ok(systems)
}

/// Whether a command runs and succeeds; what it says is dropped.
fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// FNV-1a, 64 bits: a name for the content, the same from every build of this program.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::fnv1a;

    #[test]
    fn the_hash_is_fnv1a() {
        // Test vectors of the algorithm's authors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
