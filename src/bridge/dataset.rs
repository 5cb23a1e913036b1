//! Files of several arrays, components and time steps for C++.

use super::engines::engine;
use super::{Failure, OpenVolume, ffi, guard};
use crate::sample::{NeuralDataset, OpenOptions};
use std::sync::Arc;

/// An open file of one volume or several, and why it is not on the device that was asked for.
pub struct OpenDataset(pub(super) NeuralDataset, pub(super) Option<String>);

pub(super) fn open_dataset(
    path: &str,
    device: &str,
    threads: usize,
    cache_bytes: usize,
) -> Result<Box<OpenDataset>, Failure> {
    guard(|| {
        let (engine, note) = engine(device, threads)?;
        let options = OpenOptions { cache_bytes, ..OpenOptions::from(engine) };
        Ok(Box::new(OpenDataset(NeuralDataset::open_with(path, options)?, note)))
    })
}

impl OpenDataset {
    pub(super) fn device_note(&self) -> Result<String, Failure> {
        guard(|| Ok(self.1.clone().unwrap_or_default()))
    }

    pub(super) fn contents(&self) -> Result<ffi::Contents, Failure> {
        guard(|| {
            let arrays = self.0.arrays().iter();
            Ok(ffi::Contents {
                arrays: arrays
                    .map(|array| ffi::Array {
                        name: array.name.clone(),
                        components: array.components.clone(),
                    })
                    .collect(),
                steps: self.0.steps(),
                times: self.0.times().map(Vec::from).unwrap_or_default(),
                file_bytes: self.0.file_bytes(),
            })
        })
    }

    pub(super) fn volume(
        &self,
        array: usize,
        component: usize,
        step: usize,
    ) -> Result<Box<OpenVolume>, Failure> {
        guard(|| Ok(Box::new(OpenVolume(Arc::new(self.0.volume(array, component, step)?), self.1.clone()))))
    }
}
