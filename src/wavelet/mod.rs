//! The wavelet transform that latent grids are stored in: CDF 9/7 (Cohen, Daubechies and Feauveau 1992), the one of
//! JPEG 2000, factored into lifting steps (Daubechies and Sweldens 1998).
//!
//! Axes are split in two, level by level, until they are short; [`Pyramid`] says into which bands. Coefficients are
//! scaled so that a band's error counts in the volume about as it counts in the band. Every sample of the inverse is
//! made by the same operations in the same order whatever window it is computed in: bricks fit together without seams,
//! and bits agree on every machine.

mod analysis;
mod lifting;
mod pyramid;
mod synthesis;

pub(crate) use analysis::Bands;
pub(crate) use lifting::INVERSE_GAIN;
pub(crate) use pyramid::{Level, Orientation, Pyramid};
pub(crate) use synthesis::{Window, crop, synthesise};
