//! `neuvol verify`: whether every byte of a file is as it was written.

use super::report;
use anyhow::{Result, bail};
use clap::Args;
use neuvol::{NeuralVolume, Region};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct Arguments {
    /// The .nvol files.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut wrong = Vec::new();
    for input in &arguments.inputs {
        // One file that cannot be opened does not keep the others from being read.
        match verify(input) {
            Ok(damaged) => wrong.extend(damaged),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}", wrong.join("\n"));
}

/// Says what is damaged in a file; returns that in a sentence where something is.
fn verify(input: &Path) -> Result<Option<String>> {
    let neural = NeuralVolume::open(input)?;
    let found = neural.verify()?;
    let name = input.display();
    let Some(coarsest) = found.damaged.iter().map(|damage| damage.coarsest_level).max() else {
        let bytes = report::bytes(neural.file_bytes());
        say!("{name}: as it was written ({bytes}, {} streams)", found.streams);
        return Ok(None);
    };
    for damage in &found.damaged {
        say!("{name}: section {}: {}", damage.section, damage.what);
    }
    let whole = Region::whole(neural.info().shape);
    let rest = match coarsest + 1 < neural.levels().len() {
        _ if found.damaged.iter().any(|damage| damage.region == whole) => {
            "all of it depends on them".to_owned()
        }
        true => {
            format!("levels of detail from {} on, and regions outside of them, can be read", coarsest + 1)
        }
        false => "regions outside of them can be read".to_owned(),
    };
    Ok(Some(format!("{name}: {} of {} streams are damaged; {rest}", found.damaged.len(), found.streams)))
}
