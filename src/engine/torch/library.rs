//! Getting libtorch ready: its CUDA half, its version, its errors.
#![allow(unsafe_code)] // loading a library, asking for its version

use crate::error::{Error, Result};
use libloading::Library;
use libloading::os::unix;
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
/// remembers its first answer to "is there CUDA". Returns the CUDA half.
///
/// # Errors
/// [`Error::Device`] when another libtorch is loaded than the one this program was built for.
pub(super) fn prepare() -> Result<Option<&'static Library>> {
    static VERDICT: OnceLock<Result<Option<Library>, String>> = OnceLock::new();
    let verdict = VERDICT.get_or_init(|| {
        // Linkers drop a library whose symbols nobody names, and this one registers itself when it is loaded.
        // SAFETY: libtorch's library, loaded for its registrations; it is never closed.
        let cuda = unsafe { unix::Library::open(Some("libtorch_cuda.so"), RTLD_NOW_GLOBAL) };
        let cuda = cuda.inspect_err(|error| log::debug!("libtorch has no CUDA here: {error}")).ok();
        // SAFETY: the function takes nothing and returns a constant.
        let [major, minor, ..] = unsafe { aoti_torch_abi_version() }.to_be_bytes();
        if (major, minor) == VERSION {
            return Ok(cuda.map(Library::from));
        }
        let (wanted_major, wanted_minor) = VERSION;
        Err(format!("libtorch {major}.{minor} was found, but {wanted_major}.{wanted_minor} is needed"))
    });
    match verdict {
        Ok(cuda) => Ok(cuda.as_ref()),
        Err(what) => Err(Error::Device(what.clone())),
    }
}

/// `RTLD_NOW | RTLD_GLOBAL` of Linux.
const RTLD_NOW_GLOBAL: i32 = 0x2 | 0x100;
