//! Memory of a GPU that outlives requests, and whose context a thread works in.
#![allow(unsafe_code)] // the driver's calls

use super::failure::{failed, no_room};
use super::machine::Memory;
use crate::error::Result;
use cudarc::driver::CudaContext;
use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{CUcontext, CUdeviceptr, CUresult};
use std::sync::Arc;

/// The context that a thread of the caller's worked in, which it gets back when this is dropped: other libraries of the
/// process, PyTorch among them, tell their device by it.
pub(super) struct CallersContext(CUcontext);

impl CallersContext {
    /// Works once the driver was started.
    pub(super) fn keep() -> Result<Self> {
        let current = result::ctx::get_current().map_err(|e| failed("asking for the thread's context", e))?;
        Ok(Self(current.unwrap_or(std::ptr::null_mut())))
    }
}

impl Drop for CallersContext {
    fn drop(&mut self) {
        // SAFETY: the context was current on this thread a moment ago, or it is null, and then none is.
        if let Err(error) = unsafe { result::ctx::set_current(self.0) } {
            log::warn!("{}", failed("going back to the thread's context", error));
        }
    }
}

/// Memory of a device that belongs to whoever has this, on any thread.
pub(super) struct GpuMemory {
    context: Arc<CudaContext>,
    address: CUdeviceptr,
    bytes: usize,
}

impl GpuMemory {
    pub(super) fn new(context: &Arc<CudaContext>, bytes: usize) -> Result<Self> {
        let _callers = CallersContext::keep()?;
        context.bind_to_thread().map_err(|e| failed("entering the context", e))?;
        // Not from the pool of a stream: what goes back there, the stream may use again while others still read it.
        // SAFETY: what is in the memory nobody reads before it was written.
        let address = unsafe { result::malloc_sync(bytes.max(1)) };
        let address = address.map_err(|e| no_room(&format!("{bytes} bytes of samples"), e))?;
        Ok(Self { context: context.clone(), address, bytes })
    }
}

impl Memory for GpuMemory {
    fn address(&self) -> u64 {
        self.address
    }

    fn fill(&mut self, bytes: &[u8]) -> Result<()> {
        assert!(bytes.len() <= self.bytes, "{} bytes into {}", bytes.len(), self.bytes);
        let wrong = |e| failed("copying to the device", e);
        let _callers = CallersContext::keep()?;
        self.context.bind_to_thread().map_err(wrong)?;
        // SAFETY: there is room, and nobody else has the memory.
        unsafe { result::memcpy_htod_sync(self.address, bytes) }.map_err(wrong)?;
        // The copy out of pageable memory may return before its last part has arrived.
        self.context.synchronize().map_err(wrong)
    }
}

impl Drop for GpuMemory {
    fn drop(&mut self) {
        let free = || -> Result<(), DriverError> {
            // SAFETY: the context lives as long as this does.
            unsafe { result::ctx::set_current(self.context.cu_ctx()) }?;
            // A consumer's kernels may still read, on streams that nobody told us of.
            let done = result::ctx::synchronize();
            // SAFETY: the memory is `malloc_sync`'s, and this is the one place that frees it.
            unsafe { result::free_sync(self.address) }?;
            done
        };
        let Ok(_callers) = CallersContext::keep() else { return };
        match free() {
            Ok(()) => {}
            // The process ends, and the driver went first: it has the memory back.
            Err(DriverError(CUresult::CUDA_ERROR_DEINITIALIZED)) => {}
            Err(error) => log::warn!("{}", failed("freeing samples", error)),
        }
    }
}
