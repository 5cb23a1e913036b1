//! Python packages in the cache: the environments that the readers and writers are tested against and that the studies
//! take other compressors from, and the files of packages that are no Python to us.

use crate::cache;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tried in this order; the first that is new enough is taken.
const INTERPRETERS: [&str; 6] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"];
/// What the oldest interpreter must fulfil, for the versions pinned in the requirements.
const NEW_ENOUGH: &str = "import sys; sys.exit(sys.version_info < (3, 11))";

/// In the folder of [`files`], where they are.
const FILES: &str = "files";

/// The interpreter of an environment with `requirements` installed, and nothing of what those depend on; set up on the first
/// call, kept in the cache. `what` they are and their `size` are for people.
///
/// # Errors
/// When no interpreter is new enough, an environment cannot be made, or pip fails.
pub(crate) fn interpreter(requirements: &Path, what: &str, size: &str) -> Result<PathBuf> {
    // The system's Python may have gone since.
    let usable = |folder: &Path| succeeds(Command::new(python(folder)).args(["-c", NEW_ENOUGH]));
    let folder = cache::once("python", &read(requirements)?, usable, |folder| {
        eprintln!("Setting up {what} in {} (once, about {size})", folder.display());
        // The requirements are complete; what else their packages ask for (drawing, say) nobody here uses.
        install(environment_with_pip(folder)?.args(["install", "--no-deps"]), requirements)
    })?;
    Ok(python(&folder))
}

/// The interpreter of the environment with other compressors.
///
/// # Errors
/// As [`interpreter`].
pub(crate) fn with_peers(root: &Path) -> Result<PathBuf> {
    interpreter(
        &root.join("benches/requirements.txt"),
        "other compressors, for studies and benches",
        "300 MB",
    )
}

/// A folder with the files of the Linux wheels in `requirements`, and nothing of what those depend on; `name` and
/// `size` are for people.
///
/// # Errors
/// As [`interpreter`].
pub(crate) fn files(requirements: &Path, name: &str, size: &str) -> Result<PathBuf> {
    let folder = cache::once(
        name,
        &read(requirements)?,
        |_| true,
        |folder| {
            eprintln!("Setting up {name} in {} (once, a download of {size})", folder.display());
            let environment = folder.join("pip");
            let mut pip = environment_with_pip(&environment)?;
            // The libraries are the same in the wheels for all Pythons. One of those is taken, whatever Python runs pip.
            pip.args(["install", "--no-deps", "--only-binary=:all:", "--implementation=cp"]);
            pip.args(["--python-version=3.12", "--abi=cp312", "--platform=manylinux_2_28_x86_64"]);
            pip.args(["--platform=manylinux_2_25_x86_64", "--platform=manylinux2014_x86_64"]);
            // pip's own cache would keep the download a second time.
            pip.args(["--no-cache-dir", "--no-compile", "--target"]).arg(folder.join(FILES));
            // Where a rename is enough to put the files in place; /tmp may be small.
            install(pip.env("TMPDIR", folder), requirements)?;
            fs::remove_dir_all(&environment).context("removing pip, which has done its part")
        },
    )?;
    Ok(folder.join(FILES))
}

fn read(requirements: &Path) -> Result<Vec<u8>> {
    fs::read(requirements).with_context(|| format!("reading {}", requirements.display()))
}

/// Of an environment.
fn python(folder: &Path) -> PathBuf {
    if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") }
}

/// Runs `pip install` with its options set.
fn install(pip: &mut Command, requirements: &Path) -> Result<()> {
    pip.args(["--quiet", "--requirement"]).arg(requirements);
    // Standard output is for what our own callers read.
    if !pip.stdout(io::stderr()).status().context("starting pip")?.success() {
        bail!("pip could not install {} (its message is above; is there a network?)", requirements.display());
    }
    Ok(())
}

/// Makes an environment; returns a pip that installs into it, by the first way that this system has.
fn environment_with_pip(folder: &Path) -> Result<Command> {
    let system = INTERPRETERS
        .into_iter()
        .find(|name| succeeds(Command::new(name).args(["-c", NEW_ENOUGH])))
        .context("no python3 of version 3.11 or later is installed")?;
    let python = python(folder);
    let mut own = Command::new(&python);
    own.args(["-m", "pip"]);
    if succeeds(Command::new(system).args(["-m", "venv"]).arg(folder)) {
        return Ok(own);
    }
    // Debian has ensurepip, and with it pip in environments, in a package of its own.
    let mut bare = Command::new(system);
    bare.args(["-m", "venv", "--clear", "--without-pip"]).arg(folder);
    if !bare.stdout(io::stderr()).status().is_ok_and(|status| status.success()) {
        bail!("`{system} -m venv` fails (its message is above); on Debian and Ubuntu, install python3-venv");
    }
    if succeeds(Command::new(&python).args(["-m", "ensurepip"])) {
        return Ok(own);
    }
    let mut systems = Command::new(system);
    systems.args(["-m", "pip", "--python"]).arg(&python);
    if !succeeds(Command::new(system).args(["-m", "pip", "--python"]).arg(&python).arg("--version")) {
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
