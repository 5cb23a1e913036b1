//! `neuvol convert`.

use super::input::{InputArguments, numbered};
use super::like::{self, LikeArguments};
use super::memory::MemoryArguments;
use super::progress::PartsBar;
use super::streamed::folder_of;
use super::{interrupt, report};
use anyhow::Result;
use neuvol::Volume;
use neuvol::io::{ArraySources, FoundSource, InputArray, MOST_COMPONENTS, Volumes};
use neuvol::volume::Source;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// A DICOM series folder, a DICOMDIR, a folder of TIFF files or a volume file.
    input: PathBuf,
    /// The file to write: .vti, .nii, .nii.gz, .nrrd, .mha, .mhd, .npy or .raw; a folder (a name that ends in /) becomes
    /// a DICOM series. An existing file is replaced. A .vti file takes all arrays and components, the others one volume. A
    /// series over time gives a file a step: NAME_0000.nii, ...
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    from: InputArguments,
    #[command(flatten)]
    memory: MemoryArguments,
    #[command(flatten)]
    like: LikeArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    interrupt::listen();
    let original = arguments.like.read(&arguments.output)?;
    let (volumes, reading) = arguments.from.volumes(&arguments.input)?;
    let steps = arguments.from.steps(&arguments.input, volumes.len())?;
    let holds_arrays = neuvol::io::check_arrays_output(&arguments.output).is_ok();
    for array in volumes.arrays().iter().filter(|array| holds_arrays && !fits(array)) {
        log::warn!(
            "{}: array '{}' has {} components and is left out; choose one with `array` and `component`",
            arguments.input.display(),
            array.name,
            array.components
        );
    }
    let writing = PartsBar::of("writing");
    let options = arguments.memory.save_options(&writing);
    let numbered_steps = steps.len() > 1;
    for step in steps {
        interrupt::check()?;
        let output =
            if numbered_steps { numbered(&arguments.output, step) } else { arguments.output.clone() };
        let mut unpacked = 0;
        let arrays = if holds_arrays { arguments.arrays(&volumes, step, &mut unpacked)? } else { Vec::new() };
        let count: usize = arrays.iter().map(|array| array.components.len()).sum();
        let header = if count > 1 {
            reading.hide();
            neuvol::io::save_array_sources(&arrays, &output, &options)?;
            arrays[0].components[0].header()
        } else {
            let source = arguments.only(&volumes, step, &mut unpacked)?;
            reading.hide();
            like::save(source.as_ref(), &output, original.as_ref(), &options)?;
            source.header()
        };
        writing.hide();
        say!("{}", output.display());
        let several = if count > 1 { format!("{count} of ") } else { String::new() };
        let bytes = report::bytes(header.stored_bytes());
        say!("  volume    {several}{} {}, {bytes}", report::dims(header.shape), header.sample_type);
        if unpacked > 0 {
            let folder = folder_of(&output).display();
            say!("  unpacked  {}, to a temporary file in {folder}", report::bytes(unpacked));
        }
        if count <= 1 {
            report::say_array(&header.name, &header.provenance)?;
        }
    }
    Ok(())
}

/// Whether an array's components are read one by one.
fn fits(array: &InputArray) -> bool {
    array.components <= MOST_COMPONENTS
}

impl Arguments {
    /// The volume of a step that is chosen, or the only one.
    fn only(&self, volumes: &Volumes, step: usize, unpacked: &mut u64) -> Result<Box<dyn Source>> {
        self.opened(1, volumes.find_source(step)?, unpacked, || volumes.read(step))
    }

    /// What reads one of so many volumes: box by box what is too large, if that can be; else from memory. Bytes of its temporary
    /// file are added to `unpacked`.
    fn opened(
        &self,
        count: usize,
        found: Option<FoundSource>,
        unpacked: &mut u64,
        read: impl FnOnce() -> neuvol::Result<Volume>,
    ) -> Result<Box<dyn Source>> {
        match found.filter(|found| self.memory.is_too_large_to_open(found, count as u64)) {
            Some(found) => {
                *unpacked += found.temporary_bytes();
                Ok(found.open(folder_of(&self.output))?)
            }
            None => Ok(Box::new(read()?)),
        }
    }

    /// All arrays of a step, where they are several or have several components.
    fn arrays(
        &self,
        volumes: &Volumes,
        step: usize,
        unpacked: &mut u64,
    ) -> Result<Vec<ArraySources<'static>>> {
        let found = volumes.arrays();
        if !found.iter().any(fits) {
            volumes.check_parts()?;
        }
        let kept: Vec<(usize, &InputArray)> =
            found.iter().enumerate().filter(|(_, array)| fits(array)).collect();
        let count: usize = kept.iter().map(|(_, array)| array.components).sum();
        if count == 1 {
            return Ok(Vec::new());
        }
        let mut arrays = Vec::new();
        for (place, array) in kept {
            let mut components = Vec::new();
            for component in 0..array.components {
                let found = volumes.find_part(place, component, step)?;
                let read = || volumes.read_part(place, component, step);
                components.push(self.opened(count, found, unpacked, read)?);
            }
            let component_names = (0..array.components)
                .map(|component| array.component_names.get(component).cloned().unwrap_or_default())
                .collect();
            arrays.push(ArraySources { name: array.name.clone(), component_names, components });
        }
        Ok(arrays)
    }
}
