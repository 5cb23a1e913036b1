//! What `region.py` loads: a region of a file as a DLPack tensor in the memory of the device that decodes it.
#![allow(unsafe_code)] // called from Python

use neuvol::dlpack::{DLManagedTensor, export, export_on_device};
use neuvol::engine::device::Device;
use neuvol::volume::SampleType;
use neuvol::{Error, NeuralVolume, Region, Result};
use std::ffi::{CStr, c_char};
use std::ops::ControlFlow;

/// Bytes that a message may have.
const MESSAGE: usize = 1000;

/// The voxels from `start` to `end` (x, y, z; `end` not included) of a file as a float32 tensor of shape (z, y, x), on `cpu`,
/// `cuda` or `cuda:N`. Null when it cannot be had, and why in `message`, which ends with 0.
///
/// # Safety
/// The texts end with 0, `start` and `end` have three numbers, and `message` has room for 1000 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn neuvol_region(
    path: *const c_char,
    device: *const c_char,
    start: *const [usize; 3],
    end: *const [usize; 3],
    message: *mut u8,
) -> *mut DLManagedTensor {
    // SAFETY: the caller's guarantee.
    let (path, device, region) = unsafe {
        let text = |text| CStr::from_ptr(text).to_string_lossy();
        (text(path), text(device), Region { start: *start, end: *end })
    };
    match tensor(&path, &device, region) {
        Ok(tensor) => tensor,
        Err(error) => {
            let text = error.to_string();
            let length = text.len().min(MESSAGE - 1);
            // SAFETY: the caller gives so much room.
            unsafe {
                message.copy_from_nonoverlapping(text.as_ptr(), length);
                message.add(length).write(0);
            }
            std::ptr::null_mut()
        }
    }
}

fn tensor(path: &str, device: &str, region: Region) -> Result<*mut DLManagedTensor> {
    let device: Device = device.parse().map_err(Error::Options)?;
    let neural = NeuralVolume::open_with(path, device.engine(0)?)?;
    let tensor = match device {
        Device::Cpu => export(neural.read_region_f32(region, 1)?)?,
        _ => {
            let mut observe = |_| ControlFlow::Continue(());
            export_on_device(neural.read_region_on_device(region, 1, SampleType::F32, &mut observe)?)?
        }
    };
    // The tensor outlives the volume, which ends here.
    Ok(tensor.into_raw())
}

/// Gives a tensor back that nobody took.
///
/// # Safety
/// `tensor` is `neuvol_region`'s, and its deleter was not called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn neuvol_delete(tensor: *mut DLManagedTensor) {
    // SAFETY: the caller's guarantee.
    unsafe {
        if let Some(delete) = (*tensor).deleter {
            delete(tensor);
        }
    }
}
