//! `neuvol compare`.

use super::Placement;
use super::input::{InputArguments, is_neural};
use super::report;
use anyhow::Result;
use neuvol::{NeuralDataset, Region, Volume, metrics};
use std::path::{Path, PathBuf};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The original; the options below say what of it.
    original: PathBuf,
    /// What is compared with it: a .nvol file or a decoded volume.
    decoded: PathBuf,
    #[command(flatten)]
    from: InputArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, place: Placement) -> Result<()> {
    let original = open_either(&arguments.original, &arguments.from, place)?;
    let chosen = match is_neural(&arguments.decoded) && holds_several(&arguments.decoded)? {
        true => arguments.from.clone(),
        false => arguments.from.for_decoded(),
    };
    let decoded = open_either(&arguments.decoded, &chosen, place)?;
    let fidelity = metrics::fidelity(&original, &decoded)?;
    if arguments.json {
        say!("{:#}", report::fidelity_json(&fidelity, &original.geometry));
    } else {
        for line in report::fidelity(&fidelity, &original.geometry, &original.unit) {
            say!("{line}");
        }
        say!("voxels    {}", fidelity.distortion.voxels);
    }
    Ok(())
}

/// Whether a `.nvol` file has volumes to choose from, as the original has.
fn holds_several(path: &Path) -> Result<bool> {
    Ok(NeuralDataset::open(path)?.is_of_several())
}

fn open_either(path: &Path, from: &InputArguments, place: Placement) -> Result<Volume> {
    if is_neural(path) {
        let neural = from.for_neural().open(path, place)?;
        Ok(neural.read_region(Region::whole(neural.info().shape), 1)?)
    } else {
        from.open(path)
    }
}
