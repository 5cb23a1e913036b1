//! Files of several arrays, components and time steps that C++ makes.

use super::compress::{options_of, outcome, volume_of, watched};
use super::dataset::OpenDataset;
use super::engines::{cpu, engine};
use super::{Failure, ffi, guard};
use crate::container::{ArrayInfo, DatasetIndex};
use crate::engine::TrainingEngine;
use crate::sample::{NeuralDataset, OpenOptions};
use crate::train::{Compressed, DatasetWriter, Target, compress_components};
use crate::volume::Volume;
use std::sync::Arc;

/// A file of several volumes in the making: those that are compressed are kept in memory.
pub struct NewDataset {
    arrays: Vec<ArrayInfo>,
    steps: usize,
    times: Option<Vec<f64>>,
    /// How many volumes the file has, and the bytes of its index.
    count: usize,
    start: u64,
    done: Vec<Compressed>,
    /// How many of them are those of whole arrays: of an array that failed, nothing stays.
    whole: usize,
    /// The array at hand ends with what was added last.
    ends: bool,
    /// What is compressed next, and what was said of it.
    pending: Vec<(Volume, Vec<String>)>,
}

/// No times: the file does not say them.
pub(super) fn new_dataset(
    arrays: Vec<ffi::Array>,
    steps: usize,
    times: Vec<f64>,
) -> Result<Box<NewDataset>, Failure> {
    guard(|| {
        let arrays: Vec<ArrayInfo> = arrays
            .into_iter()
            .map(|ffi::Array { name, components }| ArrayInfo { name, components })
            .collect();
        let times = (!times.is_empty()).then_some(times);
        let index = DatasetIndex::new(arrays.clone(), steps, times.clone()).map_err(Failure)?;
        let (count, start) = (index.len(), index.file_start().len() as u64);
        Ok(Box::new(NewDataset {
            arrays,
            steps,
            times,
            count,
            start,
            done: Vec::new(),
            whole: 0,
            ends: false,
            pending: Vec::new(),
        }))
    })
}

impl NewDataset {
    pub(super) fn add_component(
        &mut self,
        samples: &[u8],
        component: usize,
        components: usize,
        sample_type: &str,
        labels: ffi::Labels,
    ) -> Result<(), Failure> {
        guard(|| {
            if component == 0 {
                self.done.truncate(self.whole);
                self.pending.clear();
            }
            if self.done.len() + self.pending.len() == self.count {
                return Err(Failure(format!("all {} volumes of the file are there", self.count)));
            }
            self.pending.push(volume_of(samples, (component, components), sample_type, &labels)?);
            self.ends = component + 1 == components;
            Ok(())
        })
    }

    pub(super) fn compress_components(
        &mut self,
        request: ffi::Request,
        observer: &ffi::Observer,
    ) -> Result<Vec<ffi::Outcome>, Failure> {
        guard(|| {
            let (volumes, mut warnings): (Vec<Volume>, Vec<Vec<String>>) =
                std::mem::take(&mut self.pending).into_iter().unzip();
            let mut options = options_of(&request)?;
            if let Target::Size(bytes) = options.target {
                options.target = Target::Size(self.part_of(bytes)?);
            }
            let engine: Arc<dyn TrainingEngine> =
                options.device.training_engine_beside(cpu(request.threads)?)?;
            let (compressed, said) =
                watched(observer, |observe| compress_components(&engine, &volumes, &options, observe))?;
            if let Some(of_last) = warnings.last_mut() {
                of_last.extend(said);
            }
            let outcomes = compressed.iter().zip(warnings).map(|(volume, said)| outcome(volume, said));
            let outcomes = outcomes.collect();
            self.done.extend(compressed);
            if self.ends {
                self.whole = self.done.len();
            }
            Ok(outcomes)
        })
    }

    /// Of a size, each of the volumes has an equal part.
    fn part_of(&self, bytes: u64) -> Result<u64, Failure> {
        let Self { count, start, .. } = self;
        match bytes.saturating_sub(*start) / (*count as u64).max(1) {
            0 => Err(Failure(format!(
                "{bytes} bytes are too few for {count} volumes and their index of {start} bytes"
            ))),
            part => Ok(part),
        }
    }

    pub(super) fn file_bytes(&self) -> Result<u64, Failure> {
        guard(|| Ok(self.start + self.done.iter().map(|volume| volume.bytes.len() as u64).sum::<u64>()))
    }

    pub(super) fn save(&self, path: &str) -> Result<(), Failure> {
        guard(|| {
            let (arrays, times) = (self.arrays.clone(), self.times.clone());
            Ok(DatasetWriter::save(path, arrays, self.steps, times, |writer| {
                self.done.iter().try_for_each(|volume| writer.add(volume))
            })?)
        })
    }

    pub(super) fn open_again(
        &self,
        device: &str,
        threads: usize,
        cache_bytes: usize,
    ) -> Result<Box<OpenDataset>, Failure> {
        guard(|| {
            let index =
                DatasetIndex::new(self.arrays.clone(), self.steps, self.times.clone()).map_err(Failure)?;
            let bytes = DatasetWriter::bytes_of(index, &self.done)?;
            let (engine, note) = engine(device, threads)?;
            let options = OpenOptions { cache_bytes, ..OpenOptions::from(engine) };
            let dataset = NeuralDataset::open_source(Arc::new(bytes), "the compressed volumes", options)?;
            Ok(Box::new(OpenDataset(dataset, note)))
        })
    }
}
