//! A GPU through NVIDIA's driver, which is loaded when it is asked for.
#![allow(unsafe_code)] // kernel launches

use super::decode;
use super::failure::{failed, no_room};
use super::lane::{Lane, new_stream};
use super::launch::{DeviceModel, Launch, MachineShape};
use super::machine::{Loaded, Machine, Memory, Points};
use super::memory::{CallersContext, GpuMemory};
use super::store::{self, StoredChunk};
use super::tensor_decode;
use crate::engine::cuda_device::CudaDevice;
use crate::error::{Error, Result};
use cudarc::driver::sys::{self, CUdevice_attribute, CUfunction_attribute, CUresult};
use cudarc::driver::{CudaContext, CudaFunction, CudaSlice};
use cudarc::nvrtc::Ptx;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The oldest CUDA whose driver reads the PTX, and the driver's own number.
const OLDEST_DRIVER: &str = "CUDA 13.0 (driver 580)";

/// The CUDA devices of this machine.
///
/// # Errors
/// [`Error::Device`] when there is no driver or no device, with what is missing.
pub fn devices() -> Result<Vec<CudaDevice>> {
    let driver = driver()?;
    let _callers = CallersContext::keep()?;
    (0..count()?)
        .map(|number| {
            let context = CudaContext::new(number).map_err(|e| failed("opening the device", e))?;
            let what = "asking for the device's properties";
            let (major, minor) = context.compute_capability().map_err(|e| failed(what, e))?;
            Ok(CudaDevice {
                number,
                name: context.name().map_err(|e| failed(what, e))?,
                memory_bytes: context.total_mem().map_err(|e| failed(what, e))?,
                capability: (major as u32, minor as u32),
                driver,
                problem: Gpu::open(number).err().map(|e| e.to_string()),
            })
        })
        .collect()
}

/// How many devices there are, at least one.
pub(crate) fn count() -> Result<usize> {
    driver()?;
    match CudaContext::device_count().map_err(|e| failed("counting the devices", e))? {
        count if count > 0 => Ok(count as usize),
        _ => Err(Error::Device("the NVIDIA driver finds no device".into())),
    }
}

/// Loads and starts the driver. Returns its CUDA version.
fn driver() -> Result<(u32, u32)> {
    // Before anything else: without a library, cudarc panics.
    // SAFETY: loading the driver's library runs no code of it that asks anything of the caller.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::Device("no NVIDIA driver is installed (libcuda is not found)".into()));
    }
    cudarc::driver::result::init().map_err(|e| match e.0 {
        CUresult::CUDA_ERROR_NO_DEVICE => Error::Device("the NVIDIA driver finds no device".into()),
        CUresult::CUDA_ERROR_STUB_LIBRARY => {
            Error::Device("libcuda is the toolkit's stub, not a driver".into())
        }
        _ => failed("starting the NVIDIA driver", e),
    })?;
    let mut version = 0;
    // SAFETY: the function writes to the one number that it is given.
    unsafe { sys::cuDriverGetVersion(&mut version) }
        .result()
        .map_err(|e| failed("asking for the driver's version", e))?;
    Ok((version as u32 / 1000, version as u32 % 1000 / 10))
}

/// A GPU with the kernels on it.
pub(super) struct Gpu {
    number: usize,
    context: Arc<CudaContext>,
    kernels: Arc<Kernels>,
    shape: MachineShape,
}

/// What is launched.
struct Kernels {
    of_field: Vec<CudaFunction>,
    of_samples: Vec<CudaFunction>,
}

impl Kernels {
    fn of_field(&self, name: &str) -> Result<&CudaFunction> {
        named(&self.of_field, decode::KERNELS.iter().chain(&tensor_decode::KERNELS), name)
    }

    fn of_samples(&self, name: &str) -> Result<&CudaFunction> {
        named(&self.of_samples, store::KERNELS.iter(), name)
    }
}

fn named<'a, 'n>(
    kernels: &'a [CudaFunction],
    names: impl Iterator<Item = &'n &'n str>,
    name: &str,
) -> Result<&'a CudaFunction> {
    let kernel = names.zip(kernels).find_map(|(of, kernel)| (*of == name).then_some(kernel));
    kernel.ok_or_else(|| Error::Device(format!("there is no kernel {name}")))
}

impl Gpu {
    /// The device of a number. It stays open while anybody has it: the driver takes a while to compile the kernels.
    pub(super) fn open(number: usize) -> Result<Arc<Self>> {
        static OPEN: Mutex<Vec<(usize, Weak<Gpu>)>> = Mutex::new(Vec::new());
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, gpu)| gpu.strong_count() > 0);
        if let Some(gpu) = open.iter().find(|(n, _)| *n == number).and_then(|(_, gpu)| gpu.upgrade()) {
            return Ok(gpu);
        }
        let gpu = Arc::new(Self::start(number)?);
        open.push((number, Arc::downgrade(&gpu)));
        Ok(gpu)
    }

    fn start(number: usize) -> Result<Self> {
        let (major, minor) = driver()?;
        let count = count()?;
        if number >= count {
            return Err(Error::Device(format!("there is no CUDA device {number}: the driver finds {count}")));
        }
        let _callers = CallersContext::keep()?;
        let context = CudaContext::new(number).map_err(|e| failed("opening the device", e))?;
        // SAFETY: every buffer here is used on one stream, but for the parameters, which are complete before the first
        // use and live until no launch is under way.
        unsafe { context.disable_event_tracking() };
        let load = |ptx: &str, names: &[&str]| -> Result<Vec<CudaFunction>> {
            let module = context.load_module(Ptx::from_src(ptx)).map_err(|e| match e.0 {
                CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => Error::Device(format!(
                    "the NVIDIA driver is too old: it is for CUDA {major}.{minor}, and {OLDEST_DRIVER} is the oldest that \
                     will do"
                )),
                CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU | CUresult::CUDA_ERROR_INVALID_PTX => {
                    Error::Device("the GPU is too old: its compute capability must be 7.5 or higher".into())
                }
                _ => failed("loading the kernels", e),
            })?;
            let kernels = names.iter().map(|name| module.load_function(name));
            kernels.collect::<Result<_, _>>().map_err(|e| failed("finding a kernel", e))
        };
        let mut of_field = load(decode::PTX, &decode::KERNELS)?;
        let of_samples = load(store::PTX, &store::KERNELS)?;
        let what = "asking for a property";
        let (major, minor) = context.compute_capability().map_err(|e| failed(what, e))?;
        let tensor_cores = (major as u32, minor as u32) >= tensor_decode::OLDEST_CAPABILITY;
        if tensor_cores {
            of_field.extend(load(tensor_decode::PTX, &tensor_decode::KERNELS)?);
        }
        let attribute = |which| context.attribute(which).map_err(|e| failed(what, e));
        let shape = MachineShape {
            multiprocessors: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as u32,
            shared_bytes: attribute(
                CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
            )? as usize,
            tensor_cores,
        };
        let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        for kernel in &of_field {
            // More than 48 KiB must be asked for.
            kernel
                .set_attribute(most, shape.shared_bytes as i32)
                .map_err(|e| failed("asking for shared memory", e))?;
        }
        let kernels = Arc::new(Kernels { of_field, of_samples });
        Ok(Self { number, context, kernels, shape })
    }
}

impl Machine for Gpu {
    fn shape(&self) -> MachineShape {
        self.shape
    }

    fn number(&self) -> usize {
        self.number
    }

    fn allocate(&self, bytes: usize) -> Result<Box<dyn Memory>> {
        Ok(Box::new(GpuMemory::new(&self.context, bytes)?))
    }

    fn load(&self, parameters: &[f32]) -> Result<Box<dyn Loaded>> {
        let _callers = CallersContext::keep()?;
        let stream = new_stream(&self.context)?;
        let loaded = stream.clone_htod(parameters).map_err(|e| no_room("the field's parameters", e))?;
        // Other streams will read it.
        stream.synchronize().map_err(|e| failed("copying the field's parameters", e))?;
        let (context, kernels) = (self.context.clone(), self.kernels.clone());
        Ok(Box::new(GpuField { context, kernels, parameters: loaded, idle: Mutex::default() }))
    }
}

struct GpuField {
    context: Arc<CudaContext>,
    kernels: Arc<Kernels>,
    parameters: CudaSlice<f32>,
    /// Handed from call to call: a single point must not pay for allocations.
    idle: Mutex<Vec<Lane>>,
}

impl GpuField {
    /// Runs work on a lane of its own, in the device's context.
    fn on_a_lane(&self, work: impl FnOnce(&mut Lane) -> Result<()>) -> Result<()> {
        let _callers = CallersContext::keep()?;
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let mut lane = match kept {
            Some(lane) => lane,
            None => Lane::new(&self.context)?,
        };
        // A lane that failed is not used again.
        work(&mut lane)?;
        idle().push(lane);
        Ok(())
    }
}

impl Loaded for GpuField {
    fn run(
        &self,
        launch: &Launch,
        model: &DeviceModel,
        points: Points<'_>,
        values: &mut [f32],
        gradients: &mut [[f32; 3]],
    ) -> Result<()> {
        let kernel = self.kernels.of_field(launch.kernel)?;
        self.on_a_lane(|lane| {
            let sizes = [values.len(), gradients.len()];
            lane.evaluate(kernel, launch, model, &self.parameters, points, sizes)?;
            lane.fetch(values, gradients)
        })
    }

    fn store(
        &self,
        launch: &Launch,
        model: &DeviceModel,
        points: Points<'_>,
        chunk: &StoredChunk<'_>,
    ) -> Result<()> {
        let kernel = self.kernels.of_field(launch.kernel)?;
        let of_samples = self.kernels.of_samples(chunk.kernel)?;
        self.on_a_lane(|lane| {
            lane.evaluate(kernel, launch, model, &self.parameters, points, [chunk.count, 0])?;
            lane.store(of_samples, chunk)
        })
    }
}

/// Copies memory of a device to the host, when what was started on the device before is done.
///
/// # Errors
/// [`Error::Device`] when the device cannot be reached.
///
/// # Safety
/// At `address` of the device there are as many bytes as `out` has, which nobody writes to meanwhile.
#[cfg(feature = "dlpack")]
pub(crate) unsafe fn copy_to_host(device: usize, address: u64, out: &mut [u8]) -> Result<()> {
    driver()?;
    let _callers = CallersContext::keep()?;
    let context = CudaContext::new(device).map_err(|e| failed("opening the device", e))?;
    context.synchronize().map_err(|e| failed("waiting for the device", e))?;
    // SAFETY: the caller's guarantee.
    unsafe { cudarc::driver::result::memcpy_dtoh_sync(out, address) }
        .map_err(|e| failed("copying from the device", e))
}
