//! Middles of quantisation steps for high-throughput blocks.
//!
//! `dicom-toolkit-jpeg2000` takes the lower end of each step: its block decoder puts the middle into one bit more than it then
//! keeps. Steps of half the size, whose exponents are larger by one (E-3), keep that bit, and magnitudes stay what they
//! were.

use super::Codestream;
use std::borrow::Cow;

/// Quantisation of all components, and of one.
const QCD: u8 = 0x5c;
const QCC: u8 = 0x5d;

/// Decoders' magnitudes have this many bits.
const MOST_BITS: u16 = 30;

/// The codestream with steps of half the size, where there are steps.
pub(super) fn with_half_steps<'a>(stream: &Codestream, data: Cow<'a, [u8]>) -> Result<Cow<'a, [u8]>, String> {
    if !stream.irreversible {
        return Ok(data);
    }
    let mut data = data.into_owned();
    for (marker, range) in stream.header_segments() {
        let content = match (marker, data.get_mut(range)) {
            (QCD, Some(content)) => content,
            // The number of a component, of which there is one, comes first.
            (QCC, Some([_, content @ ..])) => content,
            _ => continue,
        };
        let Some((style, steps)) = content.split_first_mut() else { continue };
        // Of style 0 there is no quantisation; exponents of bytes.
        if *style & 0x1f == 0 {
            continue;
        }
        let guard_bits = u16::from(*style >> 5);
        for step in steps.as_chunks_mut().0 {
            let value = u16::from_be_bytes(*step);
            let exponent = (value >> 11) + 1;
            if exponent > 31 || guard_bits + exponent > MOST_BITS {
                return Err(format!("coefficients of {} bits", guard_bits + exponent - 2));
            }
            *step = (exponent << 11 | value & 0x7ff).to_be_bytes();
        }
    }
    Ok(Cow::Owned(data))
}
