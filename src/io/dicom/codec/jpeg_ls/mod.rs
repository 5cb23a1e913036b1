//! JPEG-LS (ISO 14495-1, ITU-T T.87): lossless and near-lossless, 2 to 16 bits, one component.
//!
//! Own code, so that every build reads it without C++. Names of the formulae are those of the standard. Refused are
//! mapping tables and point transforms, which grey DICOM images do not have.

mod bits;
mod context;
mod parameters;
mod scan;
#[cfg(test)]
pub(super) mod tests;

use super::markers::{DRI, SOS, Segments, restart_interval};
use parameters::{Parameters, Presets};

/// Preset parameters.
const LSE: u8 = 0xf8;

/// What a stream decodes to.
pub(super) struct Decoded {
    /// Row by row.
    pub(super) samples: Vec<u16>,
    /// Whether samples may differ from those that were encoded.
    pub(super) near_lossless: bool,
}

/// Decodes a stream whose frame header says `columns` x `rows` samples of `precision` bits.
pub(super) fn decode(data: &[u8], [columns, rows]: [usize; 2], precision: u32) -> Result<Decoded, String> {
    if !(2..=16).contains(&precision) {
        return Err(format!("samples of {precision} bits, where JPEG-LS has 2 to 16"));
    }
    let (mut presets, mut interval) = (Presets::default(), 0);
    let mut segments = Segments::new(data);
    while let Some((marker, segment)) = segments.next() {
        match marker {
            LSE => presets.read(segment)?,
            DRI => interval = restart_interval(segment)?,
            SOS => {
                let near = near_of(segment)?;
                let parameters = Parameters::new(precision, near, &presets)?;
                let interval = if interval == 0 { rows } else { interval };
                let samples = scan::decode(&parameters, segments.rest(), [columns, rows], interval)?;
                return Ok(Decoded { samples, near_lossless: near > 0 });
            }
            _ => {}
        }
    }
    Err("it holds no scan".into())
}

/// The largest difference that a scan's header allows (C.2.3).
fn near_of(header: &[u8]) -> Result<i32, String> {
    let [components, rest @ ..] = header else { return Err("a short scan header".into()) };
    let (&[_, mapping, near, _, transform], 1) =
        (rest.first_chunk().ok_or("a short scan header")?, components)
    else {
        return Err(format!("a scan of {components} components"));
    };
    if mapping != 0 {
        return Err("its samples are indices of a mapping table, which is not supported".into());
    }
    if transform != 0 {
        return Err("it has a point transform, which is not supported".into());
    }
    Ok(near.into())
}
