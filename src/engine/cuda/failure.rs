//! What the driver's failures are to callers.

use crate::error::Error;
use cudarc::driver::result::DriverError;

pub(super) fn failed(what: &str, error: DriverError) -> Error {
    Error::Device(format!("CUDA: {what} failed: {error}"))
}

pub(super) fn no_room(what: &str, error: DriverError) -> Error {
    failed(&format!("finding room for {what}"), error)
}
