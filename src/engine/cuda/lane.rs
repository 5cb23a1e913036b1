//! A stream of a GPU and the buffers that chunks of requests go through.
#![allow(unsafe_code)] // kernel launches

use super::failure::{failed, no_room};
use super::launch::{DeviceModel, Launch, THREADS};
use super::machine::Points;
use super::store::{Storage, StoredChunk};
use crate::error::{Error, Result};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr, LaunchConfig,
    PinnedHostSlice, PushKernelArg, ValidAsZeroBits,
};
use std::sync::Arc;

/// A stream and its buffers: one chunk at a time goes through it.
pub(super) struct Lane {
    stream: Arc<CudaStream>,
    positions: Buffer<f32>,
    values: Buffer<f32>,
    gradients: Buffer<f32>,
    codes: Buffer<u8>,
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
const _: () = assert!(size_of::<Storage>() == 72);

// SAFETY: `#[repr(C)]` with the members of the kernels' own structures, in their order.
unsafe impl DeviceRepr for DeviceModel {}
// SAFETY: as above; an address on the device has 64 bits.
unsafe impl DeviceRepr for DevicePoints {}
// SAFETY: as above.
unsafe impl DeviceRepr for DeviceResults {}
// SAFETY: as above, of `store.cu`.
unsafe impl DeviceRepr for Storage {}

impl Lane {
    pub(super) fn new(context: &Arc<CudaContext>) -> Result<Self> {
        let stream = new_stream(context)?;
        let [positions, values, gradients] = std::array::from_fn(|_| Buffer(None));
        Ok(Self { stream, positions, values, gradients, codes: Buffer(None), scratch: None })
    }

    /// Starts to evaluate `sizes` values and gradients of a chunk.
    pub(super) fn evaluate(
        &mut self,
        kernel: &CudaFunction,
        launch: &Launch,
        model: &DeviceModel,
        parameters: &CudaSlice<f32>,
        points: Points<'_>,
        sizes: [usize; 2],
    ) -> Result<()> {
        let stream = &self.stream;
        let count = sizes[0] as u64;
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
            values: self.values.address(stream, sizes[0])?,
            gradients: match sizes[1] {
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
        let parameters = parameters.device_ptr(stream).0;
        let scratch = self.scratch.as_ref().map_or(0, |scratch| scratch.device_ptr(stream).0);
        let mut call = stream.launch_builder(kernel);
        call.arg(model).arg(&points).arg(&parameters).arg(&results).arg(&scratch);
        let size = LaunchConfig {
            grid_dim: (launch.blocks, 1, 1),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: launch.shared_bytes as u32,
        };
        // SAFETY: the arguments are the kernels' own, in their order. The buffers have the lengths that `count` and the
        // launch's plan ask for, and nothing frees them before somebody has waited for the stream.
        unsafe { call.launch(size) }.map_err(|e| failed("starting a kernel", e)).map(drop)
    }

    /// Waits for what was evaluated, and copies it to the host.
    pub(super) fn fetch(&mut self, values: &mut [f32], gradients: &mut [[f32; 3]]) -> Result<()> {
        let stream = &self.stream;
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

    /// Leaves what was evaluated on the device as samples, and waits for them.
    pub(super) fn store(&mut self, kernel: &CudaFunction, chunk: &StoredChunk<'_>) -> Result<()> {
        let stream = &self.stream;
        let values = self.values.address(stream, chunk.count)?;
        let codes = match chunk.codes {
            Some(codes) => self.codes.send(stream, codes)?,
            None => 0,
        };
        let count = chunk.count as u64;
        let mut call = stream.launch_builder(kernel);
        call.arg(chunk.storage).arg(&values).arg(&codes).arg(&chunk.address).arg(&count);
        // A thread a sample: a chunk has far fewer than a grid may have.
        let blocks = chunk.count.div_ceil(THREADS as usize) as u32;
        let size = LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the arguments are the kernel's own, in their order. `evaluate` made as many values on this stream, and
        // as many samples have room at the address, which its owner keeps until this has waited for the stream.
        unsafe { call.launch(size) }.map_err(|e| failed("starting a kernel", e))?;
        stream.synchronize().map_err(|e| failed("evaluating the field", e))
    }
}

/// Memory on the device and as much on the host, pinned, so that copies run beside kernels.
struct Buffer<T>(Option<(CudaSlice<T>, PinnedHostSlice<T>)>);

impl<T: DeviceRepr + ValidAsZeroBits + Copy + Default> Buffer<T> {
    /// Room for so many numbers; what was there is lost when it grows.
    fn room(
        &mut self,
        stream: &Arc<CudaStream>,
        count: usize,
    ) -> Result<&mut (CudaSlice<T>, PinnedHostSlice<T>)> {
        if self.0.as_ref().is_none_or(|(device, _)| device.len() < count) {
            self.0 = None;
            let count = count.next_power_of_two().max(1 << 10);
            let full = |e| no_room("a chunk of the request", e);
            let device = stream.alloc_zeros(count).map_err(full)?;
            // SAFETY: it is filled on the next line. Without flags, since `alloc_pinned` gives memory that is slow to read.
            let mut host = unsafe { stream.context().alloc_pinned_with_flags(count, 0) }.map_err(full)?;
            host.as_mut_slice().map_err(full)?.fill(T::default());
            self.0 = Some((device, host));
        }
        self.0.as_mut().ok_or_else(|| Error::Device("a buffer is missing".into()))
    }

    /// Where so many numbers have room on the device.
    fn address(&mut self, stream: &Arc<CudaStream>, count: usize) -> Result<u64> {
        Ok(self.room(stream, count)?.0.device_ptr_mut(stream).0)
    }

    /// Copies numbers to the device; where they are there.
    fn send(&mut self, stream: &Arc<CudaStream>, numbers: &[T]) -> Result<u64> {
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
    fn host(&self) -> Result<&[T]> {
        match &self.0 {
            Some((_, host)) => host.as_slice().map_err(|e| failed("copying from the device", e)),
            None => Ok(&[]),
        }
    }
}

pub(super) fn new_stream(context: &Arc<CudaContext>) -> Result<Arc<CudaStream>> {
    context.new_stream().map_err(|e| failed("making a stream", e))
}
