//! Several arrays, components and time steps: all of an input into one `.nvol` file.

use super::Placement;
use super::compress::{self, HowArguments, Input};
use super::{interrupt, memory, report};
use anyhow::Result;
use neuvol::io::{InputArray, MOST_COMPONENTS};
use neuvol::train::{CompressOptions, Compressed, DatasetWriter, Target, compress_components};
use neuvol::{ArrayInfo, Error, Volume};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

/// What of an input goes into a file of several volumes.
pub(super) struct Several {
    /// The input's arrays, by their places in it.
    places: Vec<usize>,
    arrays: Vec<ArrayInfo>,
    times: Option<Vec<f64>>,
}

/// A volume's part of the report.
struct Reported {
    text: String,
    json: serde_json::Value,
    stored_bytes: u64,
}

impl Several {
    /// `None` where the input is a single volume.
    ///
    /// # Errors
    /// [`Error::Options`] where its only array has more components than are taken one by one.
    pub(super) fn of(path: &Path, input: &Input) -> Result<Option<Self>> {
        let found = input.volumes.arrays();
        let fits = |array: &InputArray| array.components <= MOST_COMPONENTS;
        if !found.iter().any(fits) {
            input.volumes.check_parts()?;
        }
        for array in found.iter().filter(|array| !fits(array)) {
            log::warn!(
                "{}: array '{}' has {} components and is left out; choose one with `array` and `component`",
                path.display(),
                array.name,
                array.components
            );
        }
        let places: Vec<usize> = (0..found.len()).filter(|&n| fits(&found[n])).collect();
        if input.steps.len() == 1 && places.len() == 1 && found[places[0]].components == 1 {
            return Ok(None);
        }
        let info = |&n: &usize| {
            let InputArray { name, components, component_names } = &found[n];
            let named = |c: usize| component_names.get(c).cloned().unwrap_or_default();
            ArrayInfo { name: name.clone(), components: (0..*components).map(named).collect() }
        };
        let arrays = places.iter().map(info).collect();
        let times =
            input.volumes.times().and_then(|times| times.get(input.steps.clone()).map(<[f64]>::to_vec));
        let ascend = |times: &Vec<f64>| times.is_sorted_by(|a, b| a < b);
        if times.as_ref().is_some_and(|times| !ascend(times)) {
            log::warn!("{}: the times of its steps do not ascend and are left out", path.display());
        }
        Ok(Some(Self { places, arrays, times: times.filter(ascend) }))
    }

    /// Reads, compresses and writes one volume after the other; the report as JSON.
    pub(super) fn compress(
        &self,
        input: &Input,
        how: &HowArguments,
        output: &Path,
        (memory, place): (u64, Placement),
        quiet: bool,
    ) -> Result<serde_json::Value> {
        let start = Instant::now();
        let steps = input.steps.clone();
        let count = steps.len() * self.arrays.iter().map(|array| array.components.len()).sum::<usize>();
        let mut reports: Vec<Reported> = Vec::new();
        let mut failure = None;
        let mut bytes = 0;
        let saved =
            DatasetWriter::save(output, self.arrays.clone(), steps.len(), self.times.clone(), |writer| {
                let index = writer.bytes();
                let mut of_step = |step: usize| -> Result<()> {
                    for (&array, info) in self.places.iter().zip(&self.arrays) {
                        let read = |component| self.read(input, array, component, step);
                        let options = |volume: &Volume| shared(how.options(volume, place)?, index, count);
                        each_component(
                            info.components.len(),
                            read,
                            options,
                            memory,
                            |component, volume, compressed| {
                                interrupt::check()?;
                                writer.add(compressed)?;
                                let title = title(info, component, (steps.len() > 1).then_some(step));
                                let reported =
                                    Reported::of(title, (info, component, step), volume, compressed);
                                if !quiet {
                                    say!("  {}", reported.text);
                                }
                                reports.push(reported);
                                Ok(())
                            },
                        )?;
                    }
                    Ok(())
                };
                let result = steps.clone().try_for_each(&mut of_step);
                bytes = writer.bytes();
                result.map_err(|error| {
                    // What a command fails with is not always the library's.
                    failure = Some(error);
                    Error::Interrupted
                })
            });
        if let Some(failure) = failure {
            return Err(failure);
        }
        saved?;
        let stored: u64 = reports.iter().map(|reported| reported.stored_bytes).sum();
        let ratio = stored as f64 / bytes as f64;
        let seconds = start.elapsed().as_secs_f64();
        if !quiet {
            say!("{}", output.display());
            say!("  volumes   {count}, {}", report::bytes(stored));
            say!("  file      {}", report::bytes(bytes));
            say!("  ratio     {ratio:.1}");
            say!("  time      {seconds:.1} s");
        }
        Ok(serde_json::json!({
            "output": output,
            "file_bytes": bytes,
            "ratio": ratio,
            "times": self.times,
            "volumes": reports.into_iter().map(|reported| reported.json).collect::<Vec<_>>(),
            "seconds": { "all": seconds },
        }))
    }

    fn read(&self, input: &Input, array: usize, component: usize, step: usize) -> Result<Volume> {
        let mut volume = input.read(array, component, step)?;
        // What is in the file, too, was not left out.
        if let Some(others) = volume.provenance.get(neuvol::io::OTHER_ARRAYS) {
            let is_here = |name: &str| self.arrays.iter().any(|array| array.name == name);
            let left: Vec<&str> = others.split(", ").filter(|name| !is_here(name)).collect();
            match left.is_empty() {
                true => volume.provenance.remove(neuvol::io::OTHER_ARRAYS),
                false => volume.provenance.insert(neuvol::io::OTHER_ARRAYS.into(), left.join(", ")),
            };
        }
        Ok(volume)
    }
}

/// Of a size, each of the volumes has an equal part.
fn shared(mut options: CompressOptions, index: u64, count: usize) -> Result<CompressOptions> {
    if let Target::Size(bytes) = options.target {
        let part = bytes.saturating_sub(index) / count as u64;
        if part == 0 {
            let what =
                format!("{bytes} bytes are too few for {count} volumes and their index of {index} bytes");
            return Err(Error::Options(what).into());
        }
        options.target = Target::Size(part);
    }
    Ok(options)
}

/// Compresses the components of an array, those of integers without loss together: then some may be differences.
fn each_component(
    count: usize,
    read: impl Fn(usize) -> Result<Volume>,
    options: impl Fn(&Volume) -> Result<CompressOptions>,
    memory: u64,
    mut each: impl FnMut(usize, &Volume, &Compressed) -> Result<()>,
) -> Result<()> {
    let first = read(0)?;
    let of_first = options(&first)?;
    if count > 1 && of_first.target == Target::Lossless && first.sample_type().is_integer() {
        let mut volumes = vec![first];
        for component in 1..count {
            volumes.push(read(component)?);
        }
        let engine = of_first.device.training_engine(of_first.threads)?;
        let observe = |_: &_| match interrupt::check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let found = compress_components(&engine, &volumes, &of_first, observe)?;
        let mut components = volumes.iter().zip(&found).enumerate();
        return components
            .try_for_each(|(component, (volume, compressed))| each(component, volume, compressed));
    }
    let mut next = Some(first);
    for component in 0..count {
        let volume = match next.take() {
            Some(volume) => volume,
            None => read(component)?,
        };
        memory::check(&volume, memory)?;
        let (compressed, _) = compress::compress(&volume, &options(&volume)?)?;
        each(component, &volume, &compressed)?;
    }
    Ok(())
}

/// `velocity 2 (z), time step 3`.
pub(super) fn title(array: &ArrayInfo, component: usize, step: Option<usize>) -> String {
    let mut title = array.name.clone();
    if array.components.len() > 1 {
        title += &match array.components[component].as_str() {
            "" => format!(" {component}"),
            name => format!(" {component} ({name})"),
        };
    }
    if let Some(step) = step {
        title += &format!(", time step {step}");
    }
    title
}

impl Reported {
    fn of(
        title: String,
        (array, component, step): (&ArrayInfo, usize, usize),
        volume: &Volume,
        compressed: &Compressed,
    ) -> Self {
        let bytes = report::bytes(compressed.bytes.len() as u64);
        let quality = match compressed.distortion.psnr.is_finite() {
            true => format!("{:.2} dB", compressed.distortion.psnr),
            false => "exact".to_owned(),
        };
        let size = report::dims(volume.shape());
        let text = format!("{title}: {size} {}, {quality}, {bytes}", volume.sample_type().name());
        let json = serde_json::json!({
            "array": array.name,
            "component": component,
            "component_name": array.components[component],
            "time_step": step,
            "bytes": compressed.bytes.len(),
            "ratio": compressed.ratio,
            "ratio_float32": compressed.ratio_f32,
            "model": compressed.model,
            "achieved": report::fidelity_json(&compressed.fidelity, &volume.geometry),
        });
        Self { text, json, stored_bytes: volume.stored_bytes() }
    }
}
