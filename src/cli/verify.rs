//! `neuvol verify`: whether every byte of a file is as it was written.

use super::report;
use anyhow::{Result, bail};
use clap::Args;
use neuvol::NeuralVolume;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Arguments {
    /// The .nvol files.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut damaged = Vec::new();
    for input in &arguments.inputs {
        let neural = NeuralVolume::open(input)?;
        let found = neural.verify()?;
        let of = |path: &PathBuf| path.display().to_string();
        if found.damaged.is_empty() {
            let (streams, bytes) = (found.streams, report::bytes(neural.file_bytes()));
            say!("{}: as it was written ({bytes}, {streams} streams)", of(input));
            continue;
        }
        for damage in &found.damaged {
            say!("{}: section {}: {}", of(input), damage.section, damage.what);
        }
        damaged.push(format!(
            "{}: {} of {} streams are damaged",
            of(input),
            found.damaged.len(),
            found.streams
        ));
    }
    if damaged.is_empty() {
        return Ok(());
    }
    bail!("{}; regions outside of them, and coarser levels, can still be read", damaged.join("; "));
}
