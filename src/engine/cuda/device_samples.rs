//! Samples in a device's memory, and where a request's go.

use super::machine::Memory;
use super::store::{Storage, StoredChunk, kernel_of};
use crate::volume::{SampleType, Samples};
use std::ffi::c_void;

/// Where a request's samples go, and what becomes of its field values on their way.
#[derive(Clone, Copy)]
pub(crate) struct Storing<'a> {
    pub(crate) storage: &'a Storage,
    /// One a value; `None` where every one is [`AT_A_VOXEL`](super::store::AT_A_VOXEL).
    pub(crate) codes: Option<&'a [u8]>,
    pub(crate) out: &'a DeviceSamples,
    /// The first value's place among the samples.
    pub(crate) first: usize,
}

impl<'a> Storing<'a> {
    /// What a machine does with the chunk of `count` values from the request's value `first` on.
    ///
    /// # Panics
    /// When the samples end before the chunk does, or the codes do.
    pub(super) fn chunk(&self, first: usize, count: usize) -> StoredChunk<'a> {
        let at = self.first + first;
        assert!(at + count <= self.out.len(), "samples {at} to {} of {}", at + count, self.out.len());
        StoredChunk {
            kernel: kernel_of(self.out.sample_type),
            storage: self.storage,
            codes: self.codes.map(|codes| &codes[first..first + count]),
            address: self.out.memory.address() + (at * self.out.sample_type.size()) as u64,
            count,
        }
    }
}

/// Samples in a device's memory, which is freed with them.
pub struct DeviceSamples {
    memory: Box<dyn Memory>,
    device: usize,
    sample_type: SampleType,
    /// Slowest axis first.
    shape: Vec<usize>,
}

impl DeviceSamples {
    /// `memory` of the device of this number has room for the product of `shape` samples.
    pub(super) fn new(
        memory: Box<dyn Memory>,
        device: usize,
        sample_type: SampleType,
        shape: &[usize],
    ) -> Self {
        Self { memory, device, sample_type, shape: shape.to_vec() }
    }

    /// The number of the CUDA device.
    pub fn device(&self) -> usize {
        self.device
    }

    /// The samples' type.
    pub fn sample_type(&self) -> SampleType {
        self.sample_type
    }

    /// (z, y, x) of a region, or the number of points; C order, nothing between the samples.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True when there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the first sample is, in the device's memory: not to be read on the host. All of them are there; work on any
    /// stream of the device's primary context may begin.
    pub fn address(&self) -> *mut c_void {
        std::ptr::without_provenance_mut(self.memory.address() as usize)
    }

    /// Copies as many bytes as the samples have to the device.
    pub(crate) fn fill(&mut self, samples: &Samples) -> crate::Result<()> {
        assert_eq!((samples.sample_type(), samples.len()), (self.sample_type, self.len()));
        self.memory.fill(samples.as_bytes())
    }
}

impl std::fmt::Debug for DeviceSamples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { device, sample_type, shape, .. } = self;
        write!(f, "{sample_type} {shape:?} on cuda:{device}")
    }
}
