//! How a `.nvol` file is opened, and what it may ask for.

use crate::container::MAX_VOXELS;
use crate::engine::Engine;
use crate::engine::cpu::Cpu;
use crate::error::Result;
use std::sync::Arc;

/// Upper bounds on what a `.nvol` file may ask for: a few megabytes can claim more voxels than any memory holds. What goes
/// beyond is [`Error::TooLarge`](crate::Error::TooLarge) before anything is allocated for it.
///
/// No file that an honest encoder makes of a volume of up to 4096^3 voxels meets the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest volume in bytes of its stored type. By default what the format has room for: 2^40 voxels.
    pub volume_bytes: u64,
    /// Most bytes that decoding may take beside the file's index and the samples that were asked for: for the blocks at hand of a
    /// latent grid, for a network's parameters, for bricks that are kept, each for itself. 16 GiB by default.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { volume_bytes: MAX_VOXELS * size_of::<f64>() as u64, memory_bytes: 1 << 34 }
    }
}

impl Limits {
    /// So many bytes for the volume, and for what decoding takes.
    pub fn of_bytes(bytes: u64) -> Self {
        Self { volume_bytes: bytes, memory_bytes: bytes }
    }

    /// None: for files that one has made oneself.
    pub(crate) fn none() -> Self {
        Self::of_bytes(u64::MAX)
    }
}

/// How a `.nvol` file is opened. An engine alone is one, too: `NeuralVolume::open_with(path, engine)`.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// Where fields are evaluated; on the CPU, on the threads that the process shares ([`Cpu::new`] with 0), when absent.
    pub engine: Option<Arc<dyn Engine>>,
    /// Bytes of decoded voxels that are kept for the regions to come; 0 keeps none.
    pub cache_bytes: usize,
    /// Most bytes of decoded blocks of a latent grid that are kept for the regions to come, where [`Limits::memory_bytes`] allows
    /// more; what those allow when absent.
    pub block_bytes: Option<usize>,
    /// What the file may ask for.
    pub limits: Limits,
    /// Which array of a file of several; needed where there are several.
    pub array: Option<String>,
    /// Which component of an array, from 0; needed where there are several.
    pub component: Option<usize>,
    /// Which time step, from 0; needed where there are several.
    pub time_step: Option<usize>,
}

impl OpenOptions {
    pub(super) fn engine(&self) -> Result<Arc<dyn Engine>> {
        match &self.engine {
            Some(engine) => Ok(engine.clone()),
            None => Ok(Arc::new(Cpu::new(0)?)),
        }
    }
}

impl From<Arc<dyn Engine>> for OpenOptions {
    fn from(engine: Arc<dyn Engine>) -> Self {
        Self { engine: Some(engine), ..Self::default() }
    }
}

impl<E: Engine + 'static> From<Arc<E>> for OpenOptions {
    fn from(engine: Arc<E>) -> Self {
        Self::from(engine as Arc<dyn Engine>)
    }
}
