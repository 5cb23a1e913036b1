//! `neuvol plot`, which the rate-distortion bench draws its curves with.

use anyhow::Result;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The JSON file, as `neuvol::study::draw` describes it.
    input: PathBuf,
    /// The PNG file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    neuvol::study::draw(&arguments.input, &arguments.output)?;
    Ok(())
}
