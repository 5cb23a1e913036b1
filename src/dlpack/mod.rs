//! DLPack, the exchange of tensors in memory: volumes in from NumPy, PyTorch, CuPy and others, decoded regions and sampled
//! values out without a copy, from the host's memory or, with the feature `cuda`, from that of the GPU that decoded them.
//!
//! A tensor's axes are those that NumPy shows, (z, y, x) in C order, where ours are x, y, z with x fastest: the same memory.
//! The ABI is DLPack 1.x's `DLManagedTensorVersioned`, or the `DLManagedTensor` of versions before it.
//!
//! ```
//! use neuvol::dlpack::{DLManagedTensorVersioned, export, import};
//! use neuvol::{Volume, io::Limits};
//!
//! # fn main() -> neuvol::Result<()> {
//! let volume = Volume::new(vec![0i16, 1, 2, 3, 4, 5], [3, 2, 1])?;
//! let tensor = export::<DLManagedTensorVersioned>(volume)?;
//! assert_eq!(tensor.validate().unwrap().shape(), [1, 2, 3]);
//!
//! // A consumer takes the raw pointer, and calls its deleter once.
//! let raw = tensor.into_raw();
//! // SAFETY: a valid tensor, which nothing else owns or writes.
//! let again = unsafe { import(raw, &Limits::default()) }?;
//! assert_eq!(again.shape(), [3, 2, 1]);
//! # Ok(()) }
//! ```

mod export;
mod import;

pub use dlpark::ffi::{DLManagedTensor, DLManagedTensorVersioned};
pub use dlpark::{Managed, ManagedTensorBase};
#[cfg(feature = "cuda")]
pub use export::export_on_device;
pub use export::{export, export_values};
pub use import::import;
