//! The command, run in a folder.

use std::path::Path;
use std::process::{Command, Output};

/// On two threads.
pub(crate) fn neuvol(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuvol"));
    command.args(arguments).args(["--threads", "2"]).current_dir(folder).output().unwrap()
}

/// What it printed; it must have worked.
pub(crate) fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Why it did not work.
pub(crate) fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}
