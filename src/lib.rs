//! neuvol: volumes (CT and MR series, simulation fields) as wavelet latents that a small network reads, or as a network of the
//! position, sampled without decompression.
//!
//! Data flow: [`io::open`] reads a [`Volume`]; [`train::compress`] makes a `.nvol` file of it that meets a target;
//! [`NeuralVolume`] opens that file and answers regions and points.
//!
//! ```
//! use neuvol::engine::cpu::Cpu;
//! use neuvol::train::{CompressOptions, Preset, Target, compress};
//! use neuvol::{Axis, NeuralVolume, Region, Volume};
//! use std::sync::Arc;
//!
//! # fn main() -> neuvol::Result<()> {
//! // 16 x 16 x 16 samples, x fastest.
//! let samples: Vec<f32> = (0..4096).map(|i| ((i % 16) as f32 * 0.3).sin() * (i / 256) as f32).collect();
//! let volume = Volume::new(samples, [16, 16, 16])?;
//!
//! let options = CompressOptions { target: Target::Psnr(35.0), preset: Preset::Fast, ..Default::default() };
//! let compressed = compress(&volume, &options)?;
//! assert!(compressed.distortion.psnr >= 35.0);
//!
//! let neural = NeuralVolume::from_bytes(&compressed.bytes, "in memory", Arc::new(Cpu::new(0)?))?;
//! let slice = neural.read_region(Region::slice([16, 16, 16], Axis::Z, 7), 1)?;
//! assert_eq!(slice.shape(), [16, 16, 1]);
//! # Ok(()) }
//! ```

// Encoders lie beside their decoders, and what they share is one module: a build with a part of the features uses a part of it.
#![cfg_attr(not(all(feature = "io", feature = "train")), allow(dead_code, unused_imports))]

// Products of shapes, up to 2^40, are counted in `usize`.
#[cfg(not(target_pointer_width = "64"))]
compile_error!("neuvol needs a 64-bit target: its volumes have up to 2^40 voxels");

#[cfg(any(feature = "io", feature = "train"))]
mod atomic;
#[cfg(feature = "bridge")]
mod bridge;
pub(crate) mod codec;
pub(crate) mod container;
#[cfg(feature = "dlpack")]
pub mod dlpack;
pub mod engine;
pub mod error;
pub mod field;
pub(crate) mod guard;
#[cfg(feature = "io")]
pub mod io;
pub(crate) mod latents;
pub mod metrics;
#[cfg(feature = "train")]
pub(crate) mod processes;
pub mod render;
pub mod sample;
pub(crate) mod simd;
pub(crate) mod storage;
#[cfg(feature = "cli")]
pub mod study;
#[cfg(feature = "train")]
pub mod train;
pub mod volume;
pub(crate) mod wavelet;

pub use container::{
    Achieved, ArrayInfo, Asked, Description, FORMAT_VERSION, FocusInfo, FocusQuality, Preset, TargetKind,
};
pub use error::{Error, Result};
pub use sample::{NeuralDataset, NeuralVolume, Region};
pub use storage::ReadAt;
pub use volume::{Axis, Volume};

/// The README's programs compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
