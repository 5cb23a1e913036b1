//! Kernels on a GPU, on the stream that libtorch uses: its operations and ours need not wait for one another.
#![allow(unsafe_code)] // libtorch's C functions, kernel launches

use super::step::{KERNELS, PTX, StepMachine, THREADS};
use crate::error::{Error, Result};
use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::CUstream;
use cudarc::driver::{CudaContext, CudaFunction};
use cudarc::nvrtc::Ptx;
use std::ffi::c_void;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

/// `aoti_torch_get_current_cuda_stream` of torch/csrc/inductor/aoti_torch/c/shim.h: 0 when it has filled the address.
type CurrentStream = unsafe extern "C" fn(i32, *mut *mut c_void) -> i32;

/// A GPU with the step's kernels on it.
pub(super) struct Gpu {
    index: i32,
    context: Arc<CudaContext>,
    kernels: Vec<CudaFunction>,
    current_stream: CurrentStream,
}

impl Debug for Gpu {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Gpu({})", self.index)
    }
}

fn failed(what: &str) -> impl FnOnce(DriverError) -> Error {
    move |error| Error::Device(format!("CUDA: {what} failed: {error}"))
}

impl Gpu {
    /// Loads the kernels to a device that libtorch has found.
    pub(super) fn open(index: usize, libtorch_cuda: &libloading::Library) -> Result<Self> {
        // The primary context, which is libtorch's, too.
        let context = CudaContext::new(index).map_err(failed("opening the device"))?;
        // SAFETY: libtorch owns every buffer and orders their use by its stream.
        unsafe { context.disable_event_tracking() };
        let module = context.load_module(Ptx::from_src(PTX)).map_err(failed("loading the kernels"))?;
        let kernels = KERNELS.iter().map(|name| module.load_function(name)).collect::<Result<_, _>>();
        // SAFETY: the symbol has this type in every libtorch of the version that was checked.
        let current_stream =
            unsafe { libtorch_cuda.get::<CurrentStream>(b"aoti_torch_get_current_cuda_stream\0") }
                .map_err(|error| Error::Device(format!("libtorch does not tell its stream: {error}")))?;
        let current_stream = *current_stream;
        Ok(Self {
            index: index as i32,
            context,
            kernels: kernels.map_err(failed("finding a kernel"))?,
            current_stream,
        })
    }
}

impl StepMachine for Gpu {
    unsafe fn launch(&self, kernel: &str, threads: u64, arguments: &mut [*mut c_void]) -> Result<()> {
        let function = KERNELS.iter().position(|name| *name == kernel).map(|n| &self.kernels[n]);
        let function = function.ok_or_else(|| Error::Device(format!("there is no kernel {kernel}")))?;
        let blocks = threads.div_ceil(THREADS.into());
        let blocks = u32::try_from(blocks)
            .ok()
            .filter(|&blocks| blocks <= i32::MAX as u32)
            .ok_or_else(|| Error::Device(format!("{threads} threads are more than a kernel has")))?;
        if blocks == 0 {
            return Ok(());
        }
        let mut stream = std::ptr::null_mut();
        // SAFETY: the function fills the address.
        if unsafe { (self.current_stream)(self.index, &mut stream) } != 0 {
            return Err(Error::Device("libtorch does not tell its stream".into()));
        }
        self.context.bind_to_thread().map_err(failed("binding the device"))?;
        let (grid, block) = ((blocks, 1, 1), (THREADS, 1, 1));
        // SAFETY: the caller's promise; the stream is libtorch's own.
        unsafe {
            result::launch_kernel(function.cu_function(), grid, block, 0, stream as CUstream, arguments)
        }
        .map_err(failed("starting a kernel"))
    }

    fn free_bytes(&self) -> Result<usize> {
        Ok(self.context.mem_get_info().map_err(failed("asking for free memory"))?.0)
    }
}
