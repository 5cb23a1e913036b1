//! `neuvol compare`.

use super::Placement;
use super::input::{InputArguments, is_neural};
use super::memory::MemoryArguments;
use super::progress::PartsBar;
use super::report;
use anyhow::Result;
use neuvol::metrics::{self, ErrorVolume, Fidelity};
use neuvol::volume::{Source, VolumeHeader};
use neuvol::{NeuralDataset, NeuralVolume, Region, Volume};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The original; the options below say what of it.
    original: PathBuf,
    /// What is compared with it: a .nvol file or a decoded volume.
    decoded: PathBuf,
    #[command(flatten)]
    from: InputArguments,
    #[command(flatten)]
    memory: MemoryArguments,
    /// Write a volume of the errors, decoded less original, to this file: .nii, .nii.gz, .nrrd, .mha, .vti, .npy, ...
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, place: Placement) -> Result<()> {
    if let Some(map) = &arguments.map {
        neuvol::io::check_output(map)?;
    }
    let original = arguments.open_either(&arguments.original, &arguments.from, place)?;
    let chosen = match is_neural(&arguments.decoded) && holds_several(&arguments.decoded)? {
        true => arguments.from.clone(),
        false => arguments.from.for_decoded(),
    };
    let decoded = arguments.open_either(&arguments.decoded, &chosen, place)?;
    let header = original.header();
    if let Some(map) = &arguments.map {
        let bar = PartsBar::of("writing");
        let errors = ErrorVolume::new(original.source(), decoded.source())?;
        neuvol::io::save_source(&errors, map, &arguments.memory.save_options(&bar))?;
    }
    let fidelity = arguments.compare(original, decoded)?;
    if arguments.json {
        say!("{:#}", report::fidelity_json(&fidelity, &header.geometry));
    } else {
        for line in report::fidelity(&fidelity, &header.geometry, &header.unit) {
            say!("{line}");
        }
        say!("voxels    {}", fidelity.distortion.voxels);
        if let Some(map) = &arguments.map {
            say!("errors    {}", map.display());
        }
    }
    Ok(())
}

/// Whether a `.nvol` file has volumes to choose from, as the original has.
fn holds_several(path: &Path) -> Result<bool> {
    Ok(NeuralDataset::open(path)?.is_of_several())
}

/// One of the two.
enum Opened {
    InMemory(Box<Volume>),
    Neural(Box<NeuralVolume>),
    /// Read box by box.
    File(Box<dyn Source>),
}

impl Opened {
    fn header(&self) -> VolumeHeader {
        self.source().header()
    }

    fn source(&self) -> &dyn Source {
        match self {
            Opened::InMemory(volume) => volume.as_ref(),
            Opened::Neural(volume) => volume.as_ref(),
            Opened::File(source) => source.as_ref(),
        }
    }

    /// All of it.
    fn into_volume(self) -> Result<Volume> {
        Ok(match self {
            Opened::InMemory(volume) => *volume,
            Opened::Neural(volume) => volume.read_region(Region::whole(volume.info().shape), 1)?,
            Opened::File(source) => {
                let header = source.header();
                let samples = source.read([0; 3], header.shape)?;
                header.with_samples(samples)?
            }
        })
    }
}

impl Arguments {
    fn open_either(&self, path: &Path, from: &InputArguments, place: Placement) -> Result<Opened> {
        if is_neural(path) {
            let block_bytes = self.memory.block_bytes(2);
            return Ok(Opened::Neural(Box::new(from.for_neural().open_within(path, place, block_bytes)?)));
        }
        let found = from.find_chosen(path)?;
        match found.filter(|found| self.memory.is_too_large_to_open(found, 2)) {
            Some(found) => Ok(Opened::File(found.open(&std::env::temp_dir())?)),
            None => Ok(Opened::InMemory(Box::new(from.open(path)?))),
        }
    }

    /// Slab by slab where one of them is too large, or both.
    fn compare(&self, original: Opened, decoded: Opened) -> Result<Fidelity> {
        if ![&original, &decoded].iter().any(|opened| self.memory.is_too_large(&opened.header(), 2)) {
            let (original, decoded) = (original.into_volume()?, decoded.into_volume()?);
            return Ok(metrics::fidelity(&original, &decoded)?);
        }
        let bar = PartsBar::of("comparing");
        let observer = bar.observer();
        let observe = |done, all| -> ControlFlow<()> { observer.ask(done, all) };
        let (original, decoded) = (original.source(), decoded.source());
        Ok(metrics::fidelity_of_sources(original, decoded, self.memory.slab_bytes(), observe)?)
    }
}
