//! A library for `dlpack_numpy.py` to load: a tensor becomes a volume, and the volume a tensor.
#![allow(unsafe_code)] // called from Python

use neuvol::dlpack::{DLManagedTensor, DLManagedTensorVersioned, ManagedTensorBase, export, import};
use neuvol::io::Limits;

/// The tensor that came of it; or null, and why not in `message` (at least 500 bytes, ends with 0).
unsafe fn round_trip<M: ManagedTensorBase>(tensor: *mut M, message: *mut u8) -> *mut M {
    // SAFETY: the script owns the tensor, and passes it on.
    match unsafe { import(tensor, &Limits::default()) }.and_then(export::<M>) {
        Ok(tensor) => tensor.into_raw(),
        Err(error) => {
            let text = error.to_string();
            let length = text.len().min(499);
            // SAFETY: the script gives so much room.
            unsafe {
                message.copy_from_nonoverlapping(text.as_ptr(), length);
                message.add(length).write(0);
            }
            std::ptr::null_mut()
        }
    }
}

/// For capsules named `dltensor_versioned`.
///
/// # Safety
/// As for [`round_trip`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn round_trip_versioned(
    tensor: *mut DLManagedTensorVersioned,
    message: *mut u8,
) -> *mut DLManagedTensorVersioned {
    // SAFETY: the caller's guarantee.
    unsafe { round_trip(tensor, message) }
}

/// For capsules named `dltensor`.
///
/// # Safety
/// As for [`round_trip`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn round_trip_legacy(
    tensor: *mut DLManagedTensor,
    message: *mut u8,
) -> *mut DLManagedTensor {
    // SAFETY: the caller's guarantee.
    unsafe { round_trip(tensor, message) }
}
