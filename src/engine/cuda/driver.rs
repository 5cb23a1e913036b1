//! A GPU through NVIDIA's driver, which is loaded when it is asked for.
#![allow(unsafe_code)] // kernel launches

use super::decode::{DeviceModel, KERNELS, Launch, PTX, THREADS};
use super::machine::{Loaded, Machine, MachineShape, Points};
use crate::engine::device::CudaDevice;
use crate::error::{Error, Result};
use cudarc::driver::result::DriverError;
use cudarc::driver::sys::{self, CUdevice_attribute, CUfunction_attribute, CUresult};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr, LaunchConfig,
    PinnedHostSlice, PushKernelArg,
};
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

fn failed(what: &str, error: DriverError) -> Error {
    Error::Device(format!("CUDA: {what} failed: {error}"))
}

/// A GPU with the kernels on it.
pub(super) struct Gpu {
    context: Arc<CudaContext>,
    kernels: Arc<[CudaFunction]>,
    shape: MachineShape,
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
        let context = CudaContext::new(number).map_err(|e| failed("opening the device", e))?;
        // SAFETY: every buffer here is used on one stream, but for the parameters, which are complete before the first
        // use and live until no launch is under way.
        unsafe { context.disable_event_tracking() };
        let module = context.load_module(Ptx::from_src(PTX)).map_err(|e| match e.0 {
            CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => Error::Device(format!(
                "the NVIDIA driver is too old: it is for CUDA {major}.{minor}, and {OLDEST_DRIVER} is the oldest that \
                 will do"
            )),
            CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU | CUresult::CUDA_ERROR_INVALID_PTX => {
                Error::Device("the GPU is too old: its compute capability must be 7.5 or higher".into())
            }
            _ => failed("loading the kernels", e),
        })?;
        let attribute = |which| context.attribute(which).map_err(|e| failed("asking for a property", e));
        let shape = MachineShape {
            multiprocessors: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as u32,
            shared_bytes: attribute(
                CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
            )? as usize,
        };
        let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        let kernels = KERNELS.iter().map(|name| {
            let kernel = module.load_function(name).map_err(|e| failed("finding a kernel", e))?;
            // More than 48 KiB must be asked for.
            kernel
                .set_attribute(most, shape.shared_bytes as i32)
                .map_err(|e| failed("asking for shared memory", e))?;
            Ok(kernel)
        });
        let kernels = kernels.collect::<Result<_>>()?;
        Ok(Self { context, kernels, shape })
    }
}

impl Machine for Gpu {
    fn shape(&self) -> MachineShape {
        self.shape
    }

    fn load(&self, parameters: &[f32]) -> Result<Box<dyn Loaded>> {
        let stream = new_stream(&self.context)?;
        let loaded = stream.clone_htod(parameters).map_err(|e| no_room("the field's parameters", e))?;
        // Other streams will read it.
        stream.synchronize().map_err(|e| failed("copying the field's parameters", e))?;
        let (context, kernels) = (self.context.clone(), self.kernels.clone());
        Ok(Box::new(GpuField { context, kernels, parameters: loaded, idle: Mutex::default() }))
    }
}

fn new_stream(context: &Arc<CudaContext>) -> Result<Arc<CudaStream>> {
    context.new_stream().map_err(|e| failed("making a stream", e))
}

fn no_room(what: &str, error: DriverError) -> Error {
    failed(&format!("finding room for {what}"), error)
}

struct GpuField {
    context: Arc<CudaContext>,
    kernels: Arc<[CudaFunction]>,
    parameters: CudaSlice<f32>,
    /// Handed from call to call: a single point must not pay for allocations.
    idle: Mutex<Vec<Lane>>,
}

/// A stream and its buffers: one piece at a time goes through it.
struct Lane {
    stream: Arc<CudaStream>,
    positions: Buffer,
    values: Buffer,
    gradients: Buffer,
    scratch: Option<CudaSlice<f32>>,
}

/// `Points` and `Results` of `decode.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
struct DevicePoints {
    positions: u64,
    axes: u64,
    shape: [u64; 3],
    first: u64,
    count: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct DeviceResults {
    values: u64,
    gradients: u64,
}

// What the PTX declares as the kernels' parameters.
const _: () = assert!(size_of::<DeviceModel>() == 2088);
const _: () = assert!(size_of::<DevicePoints>() == 56);
const _: () = assert!(size_of::<DeviceResults>() == 16);

// SAFETY: `#[repr(C)]` with the members of the kernels' own structures, in their order.
unsafe impl DeviceRepr for DeviceModel {}
// SAFETY: as above; an address on the device has 64 bits.
unsafe impl DeviceRepr for DevicePoints {}
// SAFETY: as above.
unsafe impl DeviceRepr for DeviceResults {}

impl Loaded for GpuField {
    fn run(
        &self,
        launch: &Launch,
        model: &DeviceModel,
        points: Points<'_>,
        values: &mut [f32],
        gradients: &mut [[f32; 3]],
    ) -> Result<()> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let mut lane = match kept {
            Some(lane) => lane,
            None => Lane::new(&self.context)?,
        };
        // A lane that failed is not used again.
        lane.run(self, launch, model, points, values, gradients)?;
        idle().push(lane);
        Ok(())
    }
}

impl Lane {
    fn new(context: &Arc<CudaContext>) -> Result<Self> {
        let stream = new_stream(context)?;
        let [positions, values, gradients] = std::array::from_fn(|_| Buffer(None));
        Ok(Self { stream, positions, values, gradients, scratch: None })
    }

    fn run(
        &mut self,
        field: &GpuField,
        launch: &Launch,
        model: &DeviceModel,
        points: Points<'_>,
        values: &mut [f32],
        gradients: &mut [[f32; 3]],
    ) -> Result<()> {
        let stream = &self.stream;
        let count = values.len() as u64;
        let points = match points {
            Points::Scattered(positions) => DevicePoints {
                positions: self.positions.send(stream, positions.as_flattened())?,
                axes: 0,
                shape: [1; 3],
                first: 0,
                count,
            },
            Points::Lattice { axes, shape, first } => {
                DevicePoints { positions: 0, axes: self.positions.send(stream, axes)?, shape, first, count }
            }
        };
        let results = DeviceResults {
            values: self.values.address(stream, values.len())?,
            gradients: match gradients.len() {
                0 => 0,
                n => self.gradients.address(stream, 3 * n)?,
            },
        };
        if launch.scratch > self.scratch.as_ref().map_or(0, CudaSlice::len) {
            self.scratch = None;
            // SAFETY: the kernels read of it only what they wrote.
            let scratch = unsafe { stream.alloc(launch.scratch) };
            self.scratch = Some(scratch.map_err(|e| no_room("activations", e))?);
        }
        let parameters = field.parameters.device_ptr(stream).0;
        let scratch = self.scratch.as_ref().map_or(0, |scratch| scratch.device_ptr(stream).0);
        let kernel = KERNELS.iter().position(|name| *name == launch.kernel).map(|n| &field.kernels[n]);
        let kernel = kernel.ok_or_else(|| Error::Device(format!("there is no kernel {}", launch.kernel)))?;
        let mut call = stream.launch_builder(kernel);
        call.arg(model).arg(&points).arg(&parameters).arg(&results).arg(&scratch);
        let size = LaunchConfig {
            grid_dim: (launch.blocks, 1, 1),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: launch.shared_bytes as u32,
        };
        // SAFETY: the arguments are the kernels' own, in their order. The buffers have the lengths that `count` and the
        // launch's plan ask for, and nothing frees them before this function has waited for the stream.
        unsafe { call.launch(size) }.map_err(|e| failed("starting a kernel", e))?;
        self.values.fetch(stream, values.len())?;
        if !gradients.is_empty() {
            self.gradients.fetch(stream, 3 * gradients.len())?;
        }
        stream.synchronize().map_err(|e| failed("evaluating the field", e))?;
        values.copy_from_slice(&self.values.host()?[..values.len()]);
        if !gradients.is_empty() {
            let of_points = &self.gradients.host()?[..3 * gradients.len()];
            gradients.as_flattened_mut().copy_from_slice(of_points);
        }
        Ok(())
    }
}

/// Memory on the device and as much on the host, pinned, so that copies run beside kernels.
struct Buffer(Option<(CudaSlice<f32>, PinnedHostSlice<f32>)>);

impl Buffer {
    /// Room for so many numbers; what was there is lost when it grows.
    fn room(
        &mut self,
        stream: &Arc<CudaStream>,
        count: usize,
    ) -> Result<&mut (CudaSlice<f32>, PinnedHostSlice<f32>)> {
        if self.0.as_ref().is_none_or(|(device, _)| device.len() < count) {
            self.0 = None;
            let count = count.next_power_of_two().max(1 << 10);
            let full = |e| no_room("a piece of the request", e);
            let device = stream.alloc_zeros(count).map_err(full)?;
            // SAFETY: it is filled on the next line. Without flags, since `alloc_pinned` gives memory that is slow to read.
            let mut host = unsafe { stream.context().alloc_pinned_with_flags(count, 0) }.map_err(full)?;
            host.as_mut_slice().map_err(full)?.fill(0.0);
            self.0 = Some((device, host));
        }
        self.0.as_mut().ok_or_else(|| Error::Device("a buffer is missing".into()))
    }

    /// Where so many numbers have room on the device.
    fn address(&mut self, stream: &Arc<CudaStream>, count: usize) -> Result<u64> {
        Ok(self.room(stream, count)?.0.device_ptr_mut(stream).0)
    }

    /// Copies numbers to the device; where they are there.
    fn send(&mut self, stream: &Arc<CudaStream>, numbers: &[f32]) -> Result<u64> {
        let wrong = |e| failed("copying to the device", e);
        let (device, host) = self.room(stream, numbers.len())?;
        let host = &mut host.as_mut_slice().map_err(wrong)?[..numbers.len()];
        host.copy_from_slice(numbers);
        stream.memcpy_htod(host, device).map_err(wrong)?;
        Ok(device.device_ptr(stream).0)
    }

    /// Starts to copy so many numbers to the host.
    fn fetch(&mut self, stream: &Arc<CudaStream>, count: usize) -> Result<()> {
        let wrong = |e| failed("copying from the device", e);
        let (device, host) = self.room(stream, count)?;
        let host = &mut host.as_mut_slice().map_err(wrong)?[..count];
        stream.memcpy_dtoh(&device.slice(..count), host).map_err(wrong)
    }

    /// What was fetched, once the stream has come to its end.
    fn host(&self) -> Result<&[f32]> {
        match &self.0 {
            Some((_, host)) => host.as_slice().map_err(|e| failed("copying from the device", e)),
            None => Ok(&[]),
        }
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
    let context = CudaContext::new(device).map_err(|e| failed("opening the device", e))?;
    context.synchronize().map_err(|e| failed("waiting for the device", e))?;
    // SAFETY: the caller's promise.
    unsafe { cudarc::driver::result::memcpy_dtoh_sync(out, address) }
        .map_err(|e| failed("copying from the device", e))
}
