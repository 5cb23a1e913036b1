//! neuvol: volumes as small neural networks, sampled without decompression.

pub(crate) mod codec;
pub mod container;
pub mod engine;
pub mod error;
pub mod field;
pub mod io;
pub mod metrics;
pub mod volume;

pub use error::{Error, Result};
pub use volume::Volume;
