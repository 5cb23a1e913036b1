//! Several arrays, components and time steps: all of an input into one `.nvol` file.

use super::Placement;
use super::compress::{self, HowArguments, Input};
use super::progress::Bar;
use super::streamed::{self, Opened};
use super::{interrupt, memory, report};
use anyhow::Result;
use neuvol::io::{InputArray, MOST_COMPONENTS, OTHER_ARRAYS, TIME_STEP};
use neuvol::metrics::Fidelity;
use neuvol::train::{
    CompressOptions, Compressed, DatasetWriter, MOST_VOXELS_IN_MEMORY, SeriesCompressor, Target,
    compress_components,
};
use neuvol::volume::{Samples, Source, VolumeHeader};
use neuvol::{ArrayInfo, Error, Volume};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

/// What of an input goes into a file of several volumes.
pub(super) struct Several {
    /// The input's arrays, by their places in it.
    places: Vec<usize>,
    arrays: Vec<ArrayInfo>,
    times: Option<Vec<f64>>,
    /// Which step a volume is, the file says.
    has_all_steps: bool,
}

/// A volume that is in the file.
struct Part<'a> {
    /// Array, component, time step.
    at: [usize; 3],
    header: VolumeHeader,
    bytes: u64,
    /// In the stored type, and as float32.
    ratios: [f64; 2],
    model: &'a str,
    fidelity: &'a Fidelity,
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
        let has_all_steps = input.steps.len() == input.volumes.len() && input.steps.len() > 1;
        Ok(Some(Self { places, arrays, times: times.filter(ascend), has_all_steps }))
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
        let mut reports = Vec::new();
        let mut failure = None;
        let mut bytes = 0;
        let saved =
            DatasetWriter::save(output, self.arrays.clone(), steps.len(), self.times.clone(), |writer| {
                let index_bytes = writer.bytes();
                let asked = Asked { how, place, memory, index_bytes, count };
                let mut making = Making {
                    of: self,
                    input,
                    asked,
                    output,
                    quiet,
                    writer,
                    series: BTreeMap::new(),
                    reports: Vec::new(),
                };
                let result = steps.clone().try_for_each(|step| making.step(step));
                bytes = making.writer.bytes();
                reports = making.reports;
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

    /// Takes the arrays that are in the file, too, off those that a volume says were left out, and the step that it is where all are there.
    fn forget_what_is_here(&self, provenance: &mut BTreeMap<String, String>) {
        if self.has_all_steps {
            provenance.remove(TIME_STEP);
        }
        let Some(others) = provenance.remove(OTHER_ARRAYS) else { return };
        let is_here = |name: &str| self.arrays.iter().any(|array| array.name == name);
        let left: Vec<&str> = others.split(", ").filter(|name| !is_here(name)).collect();
        if !left.is_empty() {
            provenance.insert(OTHER_ARRAYS.into(), left.join(", "));
        }
    }
}

/// What is asked of all volumes together.
struct Asked<'a> {
    how: &'a HowArguments,
    place: Placement,
    memory: u64,
    /// Bytes of the file's index.
    index_bytes: u64,
    /// Volumes.
    count: usize,
}

impl Asked<'_> {
    fn of(&self, volume: &Volume) -> Result<CompressOptions> {
        self.shared(self.how.options(volume, self.place)?)
    }

    fn of_source(&self, source: &dyn Source) -> Result<CompressOptions> {
        self.shared(streamed::options(self.how, source, self.place)?)
    }

    /// Of a size, each of the volumes has an equal part.
    fn shared(&self, mut options: CompressOptions) -> Result<CompressOptions> {
        if let Target::Size(bytes) = options.target {
            let part = bytes.saturating_sub(self.index_bytes) / self.count as u64;
            if part == 0 {
                let what = format!(
                    "{bytes} bytes are too few for {} volumes and their index of {} bytes",
                    self.count, self.index_bytes
                );
                return Err(Error::Options(what).into());
            }
            options.target = Target::Size(part);
        }
        Ok(options)
    }
}

/// A file of several volumes in the making.
struct Making<'a, 'w> {
    of: &'a Several,
    input: &'a Input,
    asked: Asked<'a>,
    output: &'a Path,
    quiet: bool,
    writer: &'a mut DatasetWriter<'w>,
    /// By array and component.
    series: BTreeMap<(usize, usize), SeriesCompressor>,
    reports: Vec<Reported>,
}

impl Making<'_, '_> {
    fn step(&mut self, step: usize) -> Result<()> {
        for array in 0..self.of.arrays.len() {
            self.array(array, step)?;
        }
        Ok(())
    }

    /// Compresses the components of an array, those of integers without loss together: then some may be differences. What is too
    /// large for memory is read box by box, each component for itself.
    fn array(&mut self, array: usize, step: usize) -> Result<()> {
        let components = self.of.arrays[array].components.len();
        for component in 0..components {
            if let Some(large) = self.input.find_large(self.of.places[array], component, step, self.output)? {
                self.large(large, [array, component, step])?;
                continue;
            }
            let volume = self.read(array, component, step)?;
            if volume.len() as u64 > MOST_VOXELS_IN_MEMORY {
                self.large(volume.into(), [array, component, step])?;
                continue;
            }
            let options = self.asked.of(&volume)?;
            let together = options.target == Target::Lossless && volume.sample_type().is_integer();
            if component == 0 && components > 1 && together {
                return self.together(volume, array, step, &options);
            }
            memory::check(&volume, self.asked.memory)?;
            let compressed = match self.input.steps.len() {
                1 => compress::compress(&volume, &options)?.0,
                _ => self.next_step(&volume, &options, (array, component))?,
            };
            self.add(&volume, &compressed, [array, component, step])?;
        }
        Ok(())
    }

    fn next_step(
        &mut self,
        volume: &Volume,
        options: &CompressOptions,
        of: (usize, usize),
    ) -> Result<Compressed> {
        let engine = options.device.training_engine(options.threads)?;
        let key_frames = self.asked.how.key_frames();
        let series = self.series.entry(of).or_insert_with(|| SeriesCompressor::new(key_frames));
        let bar = Bar::new();
        Ok(series.compress(&engine, volume, options, |progress| bar.show(progress))?)
    }

    fn together(
        &mut self,
        first: Volume,
        array: usize,
        step: usize,
        options: &CompressOptions,
    ) -> Result<()> {
        let mut volumes = vec![first];
        for component in 1..self.of.arrays[array].components.len() {
            volumes.push(self.read(array, component, step)?);
        }
        let engine = options.device.training_engine(options.threads)?;
        let observe = |_: &_| match interrupt::check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let found = compress_components(&engine, &volumes, options, observe)?;
        let mut components = volumes.iter().zip(&found).enumerate();
        components
            .try_for_each(|(component, (volume, done))| self.add(volume, done, [array, component, step]))
    }

    fn read(&self, array: usize, component: usize, step: usize) -> Result<Volume> {
        let mut volume = self.input.read(self.of.places[array], component, step)?;
        self.of.forget_what_is_here(&mut volume.provenance);
        Ok(volume)
    }

    fn add(&mut self, volume: &Volume, compressed: &Compressed, at: [usize; 3]) -> Result<()> {
        interrupt::check()?;
        self.writer.add(compressed)?;
        self.report(Part {
            at,
            header: VolumeHeader::of(volume),
            bytes: compressed.bytes.len() as u64,
            ratios: [compressed.ratio, compressed.ratio_f32],
            model: &compressed.model,
            fidelity: &compressed.fidelity,
        })
    }

    /// Compresses a source into a temporary file beside the output, and adds that.
    fn large(&mut self, opened: Opened, at: [usize; 3]) -> Result<()> {
        let source = Named { source: opened.source, several: self.of };
        let options = self.asked.of_source(&source)?;
        let folder = tempfile::tempdir_in(streamed::folder_of(self.output))?;
        let file = folder.path().join("volume.nvol");
        let compressed = streamed::compress(&source, &file, &options, self.asked.memory)?;
        interrupt::check()?;
        self.writer.add_file(&file)?;
        self.report(Part {
            at,
            header: source.header(),
            bytes: compressed.file_bytes,
            ratios: [compressed.ratio, compressed.ratio_f32],
            model: &compressed.model,
            fidelity: &compressed.fidelity,
        })
    }

    fn report(&mut self, part: Part<'_>) -> Result<()> {
        let [array, _, step] = part.at;
        let steps = self.input.steps.len();
        let reported = Reported::of(&self.of.arrays[array], (steps > 1).then_some(step), &part);
        if !self.quiet {
            say!("  {}", reported.text);
        }
        self.reports.push(reported);
        Ok(())
    }
}

/// A source as one of several.
struct Named<'a> {
    source: Box<dyn Source>,
    several: &'a Several,
}

impl Source for Named<'_> {
    fn header(&self) -> VolumeHeader {
        let mut header = self.source.header();
        self.several.forget_what_is_here(&mut header.provenance);
        header
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> neuvol::error::Result<Samples> {
        self.source.read(start, size)
    }
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
    fn of(array: &ArrayInfo, numbered_step: Option<usize>, part: &Part<'_>) -> Self {
        let [_, component, step] = part.at;
        let Part { header, bytes, ratios: [ratio, ratio_f32], model, fidelity, .. } = part;
        let psnr = fidelity.distortion.psnr;
        let quality = if psnr.is_finite() { format!("{psnr:.2} dB") } else { "exact".to_owned() };
        let text = format!(
            "{}: {} {}, {quality}, {}",
            title(array, component, numbered_step),
            report::dims(header.shape),
            header.sample_type.name(),
            report::bytes(*bytes)
        );
        let json = serde_json::json!({
            "array": array.name,
            "component": component,
            "component_name": array.components[component],
            "time_step": step,
            "bytes": bytes,
            "ratio": ratio,
            "ratio_float32": ratio_f32,
            "model": model,
            "achieved": report::fidelity_json(fidelity, &header.geometry),
        });
        Self { text, json, stored_bytes: header.stored_bytes() }
    }
}
