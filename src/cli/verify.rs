//! `neuvol verify`: whether every byte of a file is as it was written.

use super::report;
use super::several::title;
use anyhow::{Result, bail};
use clap::Args;
use neuvol::sample::Verification;
use neuvol::{NeuralDataset, NeuralVolume, Region};
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
    let file = NeuralDataset::open(input)?;
    let name = input.display();
    let mut streams = 0;
    let mut wrong = Vec::new();
    for step in 0..file.steps() {
        for (array, info) in file.arrays().iter().enumerate() {
            for component in 0..info.components.len() {
                let label = match file.is_of_several() {
                    true => format!("{name}: {}", title(info, component, (file.steps() > 1).then_some(step))),
                    false => name.to_string(),
                };
                // A volume whose index is damaged does not keep the others from being read.
                match file.volume(array, component, step) {
                    Ok(neural) => {
                        let found = neural.verify()?;
                        streams += found.streams;
                        wrong.extend(damaged(&label, &neural, &found)?);
                    }
                    Err(error) if file.is_of_several() => wrong.push(format!("{label}: {error}")),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    if wrong.is_empty() {
        say!("{name}: as it was written ({}, {streams} streams)", report::bytes(file.file_bytes()));
        return Ok(None);
    }
    Ok(Some(wrong.join("\n")))
}

/// What is damaged of a volume, and what can still be read.
fn damaged(name: &str, neural: &NeuralVolume, found: &Verification) -> Result<Option<String>> {
    if found.damaged.is_empty() {
        return Ok(None);
    }
    for damage in &found.damaged {
        say!("{name}: section {}: {}", damage.section, damage.what);
    }
    let whole = Region::whole(neural.info().shape);
    let values = || found.damaged.iter().filter(|damage| damage.coarsest_level.is_some());
    let rest = match found.damaged.iter().filter_map(|damage| damage.coarsest_level).max() {
        None => "no value depends on them".to_owned(),
        Some(_) if values().any(|damage| damage.region == whole) => "all of it depends on them".to_owned(),
        Some(coarsest) if coarsest + 1 < neural.levels().len() => {
            format!("levels of detail from {} on, and regions outside of them, can be read", coarsest + 1)
        }
        Some(_) => "regions outside of them can be read".to_owned(),
    };
    Ok(Some(format!("{name}: {} of {} streams are damaged; {rest}", found.damaged.len(), found.streams)))
}
