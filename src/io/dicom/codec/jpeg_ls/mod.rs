//! JPEG-LS (ISO 14495-1, ITU-T T.87): lossless and near-lossless, 2 to 16 bits; components by turns, or each in a scan
//! of its own.
//!
//! Own code, so that every build reads it without C++. Names of the formulae are those of the standard. Refused are
//! mapping tables and point transforms, which grey DICOM images do not have.

mod bits;
mod context;
mod parameters;
mod scan;
#[cfg(test)]
pub(super) mod tests;

use super::markers::{DRI, SOS, Segments, check_sampling, component, restart_interval};
use parameters::{Parameters, Presets};

/// Preset parameters.
const LSE: u8 = 0xf8;

/// What a stream decodes to.
pub(super) struct Decoded {
    /// Row by row, the samples of a pixel beside each other.
    pub(super) samples: Vec<u16>,
    /// Whether samples may differ from those that were encoded.
    pub(super) near_lossless: bool,
}

/// How the samples of several components follow each other in a scan (C.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interleave {
    /// Each component has a scan of its own.
    None,
    /// A row of each component by turns.
    Lines,
    /// A sample of each by turns.
    Samples,
}

/// Decodes a stream whose frame header says `columns` x `rows` pixels of `precision` bits a sample, with these parameters of
/// the components.
pub(super) fn decode(
    data: &[u8],
    [columns, rows]: [usize; 2],
    precision: u32,
    of_components: &[u8],
) -> Result<Decoded, String> {
    if !(2..=16).contains(&precision) {
        return Err(format!("samples of {precision} bits, where JPEG-LS has 2 to 16"));
    }
    check_sampling(of_components)?;
    let count = of_components.len() / 3;
    let mut decoded = Decoded { samples: vec![0; columns * rows * count], near_lossless: false };
    let mut left: Vec<usize> = (0..count).collect();
    let (mut presets, mut interval) = (Presets::default(), 0);
    let mut segments = Segments::new(data);
    while let Some((marker, segment)) = segments.next() {
        match marker {
            LSE => presets.read(segment)?,
            DRI => interval = restart_interval(segment)?,
            SOS => {
                let header = ScanHeader::read(segment, of_components)?;
                if header.places.iter().any(|place| !left.contains(place)) {
                    return Err("a component is there twice".into());
                }
                left.retain(|place| !header.places.contains(place));
                let parameters = Parameters::new(precision, header.near, &presets)?;
                let interval = if interval == 0 { rows } else { interval };
                let of_scan = header.places.len();
                let by_sample = header.interleave == Interleave::Samples;
                let samples = scan::decode(
                    &parameters,
                    segments.rest(),
                    [columns, rows],
                    (of_scan, by_sample),
                    interval,
                )?;
                for (pixel, from) in
                    decoded.samples.chunks_exact_mut(count).zip(samples.chunks_exact(of_scan))
                {
                    header.places.iter().zip(from).for_each(|(place, sample)| pixel[*place] = *sample);
                }
                decoded.near_lossless |= header.near > 0;
                if left.is_empty() {
                    return Ok(decoded);
                }
                segments.skip_scan();
            }
            _ => {}
        }
    }
    if left.len() < count {
        Err("it holds no scan of some components".into())
    } else {
        Err("it holds no scan".into())
    }
}

/// What a scan says of itself (C.2.3).
struct ScanHeader {
    /// Which of the frame's components it has.
    places: Vec<usize>,
    interleave: Interleave,
    /// The largest difference that is allowed.
    near: i32,
}

impl ScanHeader {
    fn read(header: &[u8], of_components: &[u8]) -> Result<Self, String> {
        let short = "a short scan header";
        let (&count, rest) = header.split_first().ok_or(short)?;
        let chosen = rest.get(..2 * usize::from(count)).ok_or(short)?;
        let &[near, interleave, transform, ..] = rest.get(2 * usize::from(count)..).ok_or(short)? else {
            return Err(short.into());
        };
        let mut places = Vec::new();
        for chosen in chosen.chunks_exact(2) {
            if chosen[1] != 0 {
                return Err("its samples are indices of a mapping table, which is not supported".into());
            }
            places.push(component(of_components, chosen[0])?);
        }
        if transform != 0 {
            return Err("it has a point transform, which is not supported".into());
        }
        let interleave = match (interleave, places.len()) {
            (_, 1) => Interleave::None,
            (1, 2..) => Interleave::Lines,
            (2, 2..) => Interleave::Samples,
            (mode, count) => return Err(format!("a scan of {count} components in the mode {mode}")),
        };
        Ok(Self { places, interleave, near: near.into() })
    }
}
