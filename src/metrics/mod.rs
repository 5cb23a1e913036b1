//! How far two volumes are apart, and what the numbers mean: the error beside the volume's own noise, in bands of value, where
//! it is largest, and how alike the structures are.
//!
//! Everything here is deterministic: the same volumes give the same numbers, whatever the threads.

mod bands;
mod distortion;
mod error_volume;
mod fidelity;
mod noise;
mod planes;
mod similarity;
mod slabs;
mod spread;

pub use bands::{Band, BandErrors, Bands};
pub use distortion::{Distortion, compare};
pub(crate) use distortion::{ErrorSums, psnr};
pub use error_volume::ErrorVolume;
pub(crate) use fidelity::FidelityMeter;
pub use fidelity::{Fidelity, fidelity};
pub use noise::noise;
pub(crate) use noise::noise_of;
pub(crate) use planes::Planes;
pub use similarity::SIMILARITY_WINDOW;
pub use slabs::fidelity_of_sources;

use crate::volume::{Samples, for_each_type};

/// Voxels that are measured by one thread at a time.
const CHUNK: usize = 1 << 14;

/// Copies samples from `at` on as f64, in units of `1 / inverse`.
fn copy_scaled(samples: &Samples, at: usize, inverse: f64, out: &mut [f64]) {
    for_each_type!(samples, samples => {
        for (out, sample) in out.iter_mut().zip(&samples[at..]) {
            *out = sample.to_f64() * inverse;
        }
    });
}

/// A power of two near the largest magnitude of a range. Numbers divided by it keep their digits, and no square of a
/// difference leaves float64.
fn unit_of(range: Option<(f64, f64)>) -> f64 {
    /// Powers of two beyond have an inverse that is no normal number.
    const MOST_EXPONENT: f64 = 1000.0;
    let largest = range.map_or(0.0, |(low, high)| low.abs().max(high.abs()));
    let exponent = if largest > 0.0 { largest.log2().floor() } else { 0.0 };
    2f64.powi(exponent.clamp(-MOST_EXPONENT, MOST_EXPONENT) as i32)
}
