//! neuvol: volumes as small neural networks, sampled without decompression.

pub mod error;
pub mod io;
pub mod volume;

pub use error::{Error, Result};
pub use volume::Volume;
