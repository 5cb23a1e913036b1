//! Kernels on a GPU, on the stream that libtorch uses: its operations and ours need not wait for one another.
#![allow(unsafe_code)] // libtorch's C functions, kernel launches

use super::fused;
use super::step::{self, Launch, StepMachine};
use crate::error::{Error, Result};
use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{CUdevice_attribute, CUfunction_attribute, CUstream};
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
    kernels: Vec<(&'static str, CudaFunction)>,
    multiprocessors: u32,
    /// Shared memory that a block may ask for.
    bytes_of_block: u32,
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

fn load(
    context: &Arc<CudaContext>,
    ptx: &str,
    names: &[&'static str],
) -> Result<Vec<(&'static str, CudaFunction)>> {
    let module = context.load_module(Ptx::from_src(ptx)).map_err(failed("loading the kernels"))?;
    let kernels = names.iter().map(|&name| Ok((name, module.load_function(name)?)));
    kernels.collect::<Result<_, _>>().map_err(failed("finding a kernel"))
}

impl Gpu {
    /// Loads the kernels to a device that libtorch has found.
    pub(super) fn open(index: usize, libtorch_cuda: &libloading::Library) -> Result<Self> {
        // The primary context, which is libtorch's, too.
        let context = CudaContext::new(index).map_err(failed("opening the device"))?;
        // SAFETY: libtorch owns every buffer and orders their use by its stream.
        unsafe { context.disable_event_tracking() };
        let mut kernels = load(&context, step::PTX, &step::KERNELS)?;
        let capability = context.compute_capability().map_err(failed("asking for a property"))?;
        let capability = (capability.0 as u32, capability.1 as u32);
        let attribute = |which| context.attribute(which).map_err(failed("asking for a property"));
        let bytes_of_block =
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
        if let Some((_, ptx)) = fused::PTX.iter().find(|(oldest, _)| *oldest <= capability) {
            for (name, kernel) in load(&context, ptx, &fused::KERNELS)? {
                // More than 48 KiB must be asked for.
                let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                if name != "add_up" {
                    kernel.set_attribute(most, bytes_of_block).map_err(failed("asking for shared memory"))?;
                }
                kernels.push((name, kernel));
            }
        }
        let multiprocessors = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as u32;
        // SAFETY: the symbol has this type in every libtorch of the version that was checked.
        let current_stream =
            unsafe { libtorch_cuda.get::<CurrentStream>(b"aoti_torch_get_current_cuda_stream\0") }
                .map_err(|error| Error::Device(format!("libtorch does not tell its stream: {error}")))?;
        let current_stream = *current_stream;
        Ok(Self {
            index: index as i32,
            context,
            kernels,
            multiprocessors,
            bytes_of_block: bytes_of_block as u32,
            current_stream,
        })
    }

    fn kernel(&self, name: &str) -> Option<&CudaFunction> {
        self.kernels.iter().find_map(|(of, function)| (*of == name).then_some(function))
    }
}

impl StepMachine for Gpu {
    unsafe fn launch(&self, kernel: &str, how: Launch, arguments: &mut [*mut c_void]) -> Result<()> {
        let function = self.kernel(kernel);
        let function = function.ok_or_else(|| Error::Device(format!("there is no kernel {kernel}")))?;
        if how.blocks == 0 {
            return Ok(());
        }
        let mut stream = std::ptr::null_mut();
        // SAFETY: the function fills the address.
        if unsafe { (self.current_stream)(self.index, &mut stream) } != 0 {
            return Err(Error::Device("libtorch does not tell its stream".into()));
        }
        self.context.bind_to_thread().map_err(failed("binding the device"))?;
        let (grid, block, shared) = ((how.blocks, 1, 1), (how.threads, 1, 1), how.shared_bytes);
        // SAFETY: the caller's guarantee; the stream is libtorch's own.
        unsafe {
            result::launch_kernel(function.cu_function(), grid, block, shared, stream as CUstream, arguments)
        }
        .map_err(failed("starting a kernel"))
    }

    fn blocks_at_once(&self, kernel: &str, how: Launch) -> Result<u32> {
        match self.kernel(kernel) {
            Some(function) if how.shared_bytes <= self.bytes_of_block => {
                let shared = how.shared_bytes as usize;
                let of_one = function
                    .occupancy_max_active_blocks_per_multiprocessor(how.threads, shared, None)
                    .map_err(failed("asking how many blocks run at a time"))?;
                Ok(of_one * self.multiprocessors)
            }
            _ => Ok(0),
        }
    }

    fn free_bytes(&self) -> Result<usize> {
        Ok(self.context.mem_get_info().map_err(failed("asking for free memory"))?.0)
    }
}
