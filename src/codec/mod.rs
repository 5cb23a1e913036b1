//! From numbers to bytes: entropy models with integer frequencies, a range coder.

mod bit_model;
mod coefficients;
mod integers;
mod low_band;
mod magnitudes;
mod mixer;
mod parameters;
mod range_coder;
mod rate_distortion;
mod reference;

pub(crate) use bit_model::BitModel;
pub(crate) use coefficients::{CodeBlock, CoefficientModels, Decisions};
pub(crate) use integers::{decode_integers, encode_integers};
pub(crate) use low_band::code_low_band;
pub(crate) use magnitudes::Magnitudes;
pub(crate) use parameters::{MAX_INTEGER, decode_group, encode_group};
pub(crate) use range_coder::{RangeDecoder, RangeEncoder};
pub(crate) use rate_distortion::Choice;
pub(crate) use reference::Reference;
