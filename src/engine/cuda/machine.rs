//! What runs the kernels: a GPU, or in the tests the host in a GPU's place.

use super::launch::{DeviceModel, Launch, MachineShape};
use super::store::StoredChunk;
use crate::error::Result;

/// A GPU or what stands for one.
pub trait Machine: Send + Sync {
    /// What a launch is planned by.
    fn shape(&self) -> MachineShape;
    /// Its number among the CUDA devices.
    fn number(&self) -> usize;
    /// Memory with nothing in it yet.
    ///
    /// # Errors
    /// As for [`Self::load`].
    fn allocate(&self, bytes: usize) -> Result<Box<dyn Memory>>;
    /// Copies a field's parameters to the machine.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device), here and below: the machine has no room, or failed.
    fn load(&self, parameters: &[f32]) -> Result<Box<dyn Loaded>>;
}

/// A field's parameters on the machine.
pub trait Loaded: Send + Sync {
    /// Evaluates a chunk of a request; `gradients` is empty where the kernel makes none. May be called by many threads
    /// at a time.
    ///
    /// # Errors
    /// As for [`Machine::load`].
    fn run(
        &self,
        launch: &Launch,
        model: &DeviceModel,
        points: Points<'_>,
        values: &mut [f32],
        gradients: &mut [[f32; 3]],
    ) -> Result<()>;
    /// Evaluates a chunk of a request, and leaves it as samples in the machine's memory. They are there when this returns.
    ///
    /// # Errors
    /// As for [`Machine::load`].
    fn store(
        &self,
        launch: &Launch,
        model: &DeviceModel,
        points: Points<'_>,
        chunk: &StoredChunk<'_>,
    ) -> Result<()>;
}

/// Memory of a machine. Dropping it frees it, on whatever thread, when nothing on the machine uses it any more.
pub trait Memory: Send + Sync {
    /// Where it begins.
    fn address(&self) -> u64;
    /// Copies bytes of the host to its beginning.
    ///
    /// # Errors
    /// As for [`Machine::load`].
    fn fill(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Where a chunk of a request is evaluated: as many points as there are values.
#[derive(Debug, Clone, Copy)]
pub enum Points<'a> {
    /// At these positions.
    Scattered(&'a [[f32; 3]]),
    /// On a lattice.
    Lattice {
        /// Positions along x, then y, then z.
        axes: &'a [f32],
        /// Points along x, y, z.
        shape: [u64; 3],
        /// The number of the chunk's first point.
        first: u64,
    },
}
