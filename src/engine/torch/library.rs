//! Getting libtorch ready: its CUDA half, its version, its errors.
#![allow(unsafe_code)] // loading a library, asking for its version

use crate::error::{Error, Result};
use std::sync::OnceLock;
use tch::TchError;

/// What tch 0.24 is made for.
const VERSION: (u8, u8) = (2, 11);

unsafe extern "C" {
    // torch/csrc/inductor/aoti_torch/c/shim.h
    fn aoti_torch_abi_version() -> u64;
}

impl From<TchError> for Error {
    fn from(error: TchError) -> Self {
        // The first line is what went wrong; the others are C++'s call stack.
        let text = error.to_string();
        Error::Device(format!("libtorch: {}", text.lines().next().unwrap_or_default()))
    }
}

/// Loads libtorch's CUDA half, where there is one, and checks the version. Must come before any other call: libtorch
/// remembers its first answer to "is there CUDA".
///
/// # Errors
/// [`Error::Device`] when another libtorch is loaded than the one this program was built for.
pub(super) fn prepare() -> Result<()> {
    static VERDICT: OnceLock<Result<(), String>> = OnceLock::new();
    let verdict = VERDICT.get_or_init(|| {
        // Linkers drop a library whose symbols nobody names, and this one registers itself when it is loaded.
        // SAFETY: libtorch's library, loaded for its registrations; it is never closed.
        match unsafe { libloading::os::unix::Library::open(Some("libtorch_cuda.so"), RTLD_NOW_GLOBAL) } {
            Ok(library) => std::mem::forget(library),
            Err(error) => log::debug!("libtorch has no CUDA here: {error}"),
        }
        // SAFETY: the function takes nothing and returns a constant.
        let [major, minor, ..] = unsafe { aoti_torch_abi_version() }.to_be_bytes();
        if (major, minor) == VERSION {
            return Ok(());
        }
        let (wanted_major, wanted_minor) = VERSION;
        Err(format!("libtorch {major}.{minor} was found, but {wanted_major}.{wanted_minor} is needed"))
    });
    verdict.clone().map_err(Error::Device)
}

/// `RTLD_NOW | RTLD_GLOBAL` of Linux.
const RTLD_NOW_GLOBAL: i32 = 0x2 | 0x100;
