//! neuvol: volumes as small neural networks, sampled without decompression.

pub(crate) mod codec;
pub mod container;
pub mod engine;
pub mod error;
pub mod field;
pub mod io;
pub mod metrics;
pub mod render;
pub mod sample;
pub mod train;
pub mod volume;

pub use error::{Error, Result};
pub use sample::{NeuralVolume, Region};
pub use volume::Volume;
