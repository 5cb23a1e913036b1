//! How far reading or writing has come, for whoever waits for it.

use super::OpenOptions;
use crate::error::{Error, Result};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Asked after each part (slices) that was read or written: how many are done, of how many. `Break` ends the work with
/// [`Error::Interrupted`]. Called from several threads.
#[derive(Clone)]
pub struct ReadProgress(Arc<dyn Fn(usize, usize) -> ControlFlow<()> + Send + Sync>);

impl ReadProgress {
    /// Wraps a function of parts done and parts to do.
    pub fn new(observe: impl Fn(usize, usize) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Asks whether to go on.
    pub fn ask(&self, done: usize, all: usize) -> ControlFlow<()> {
        (self.0)(done, all)
    }
}

impl std::fmt::Debug for ReadProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadProgress")
    }
}

/// Counts parts as they are read.
pub(super) struct Counter<'a> {
    observe: Option<&'a ReadProgress>,
    done: AtomicUsize,
    all: usize,
}

impl<'a> Counter<'a> {
    pub(super) fn new(options: &'a OpenOptions, all: usize) -> Self {
        Self { observe: options.progress.as_ref(), done: AtomicUsize::new(0), all }
    }

    /// One part more; an error when the caller asks to stop.
    pub(super) fn advance(&self) -> Result<()> {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match self.observe.map(|observe| observe.ask(done, self.all)) {
            Some(ControlFlow::Break(())) => Err(Error::Interrupted),
            _ => Ok(()),
        }
    }
}
