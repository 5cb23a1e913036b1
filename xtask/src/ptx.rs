//! `cargo xtask ptx`: the PTX that the library carries, made anew of its kernels.

use crate::libtorch;
use anyhow::{Context, Result, bail};
use std::env;
use std::path::Path;
use std::process::Command;

/// The test that compares the two; told to, it writes what it would compare with.
const TEST: [&str; 9] = [
    "test",
    "--quiet",
    "--package=neuvol",
    "--features=cuda",
    "--test=nvrtc",
    "--",
    "--nocapture",
    "--exact",
    "the_ptx_in_the_tree_is_that_of_the_kernels",
];

/// Compiles the kernels of the repository at `root` and writes their PTX beside them.
///
/// # Errors
/// When NVRTC cannot be set up, or the kernels do not compile.
pub(crate) fn run(root: &Path) -> Result<()> {
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(TEST)
        .envs(libtorch::nvrtc_environment(root)?)
        .env("NEUVOL_WRITE_PTX", "1")
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!("the kernels do not compile");
    }
    Ok(())
}
