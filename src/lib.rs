//! neuvol: volumes as small neural networks, sampled without decompression.

pub mod engine;
pub mod error;
pub mod field;
pub mod io;
pub mod volume;

pub use error::{Error, Result};
pub use volume::Volume;
