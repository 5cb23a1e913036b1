//! JPEG 2000 (ISO 15444-1) through `hayro-jpeg2000`, and its high-throughput form (ISO 15444-15) through
//! `dicom-toolkit-jpeg2000`: both without unsafe code.
//!
//! Both trust a codestream's header more than we do, and neither tells signs; so the header is read here first.

mod codestream;
mod high_throughput;
#[cfg(test)]
pub(super) mod tests;

pub(super) use codestream::Codestream;
use dicom_toolkit_jpeg2000 as toolkit;
use hayro_jpeg2000 as hayro;
use std::borrow::Cow;

/// Samples of more bits are not decoded.
const MOST_BITS: u32 = 16;
/// Nor are more layers.
const MOST_LAYERS: usize = 32;

/// Whether data begin as a codestream or as a JP2 file.
pub(super) fn recognises(data: &[u8]) -> bool {
    data.starts_with(codestream::START) || data.starts_with(codestream::JP2_SIGNATURE)
}

/// Whether the components of a stream are RGB whatever they are said to be: its own transform made them so.
pub(super) fn is_transformed(data: &[u8]) -> bool {
    Codestream::parse(data).is_ok_and(|stream| stream.transformed && stream.components >= 3)
}

/// Decodes the samples of a codestream, row by row, those of a pixel beside each other: the bits of each, two's complement where
/// they are signed.
pub(super) fn decode(stream: &Codestream) -> Result<Vec<u16>, String> {
    let &Codestream { precision, layers, .. } = stream;
    if precision > MOST_BITS {
        return Err(format!("samples of {precision} bits, where at most {MOST_BITS} are supported"));
    }
    if layers > MOST_LAYERS {
        return Err(format!("{layers} quality layers, where at most {MOST_LAYERS} are supported"));
    }
    let data = stream.whole()?;
    stream.check_packets()?;
    let samples =
        if stream.high_throughput { high_throughput(stream, data)? } else { classic(stream, &data)? };
    let expected = stream.columns * stream.rows * stream.components;
    if samples.len() != expected {
        return Err(format!("{} samples were decoded, not {expected}", samples.len()));
    }
    // Decoders shift the values of signed samples up by half their range.
    let shift = if stream.signed { 1u16 << (precision - 1) } else { 0 };
    Ok(samples.into_iter().map(|sample| sample ^ shift).collect())
}

fn classic(stream: &Codestream, data: &[u8]) -> Result<Vec<u16>, String> {
    let settings = hayro::DecodeSettings { strict: true, ..Default::default() };
    let image = hayro::Image::new(data, &settings).map_err(|e| e.to_string())?;
    let mut context = hayro::DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(|e| e.to_string())?;
    let components: Vec<&[f32]> = decoded.components().iter().map(|component| component.samples()).collect();
    let count = components.first().ok_or("it holds no component")?.len();
    if components.len() != stream.components || components.iter().any(|samples| samples.len() != count) {
        return Err(format!("{} components were decoded, not {}", components.len(), stream.components));
    }
    let largest = ((1u32 << stream.precision) - 1) as f32;
    let whole = |value: f32| value.round_ties_even().clamp(0.0, largest) as u16;
    Ok((0..count).flat_map(|at| components.iter().map(move |samples| whole(samples[at]))).collect())
}

fn high_throughput(stream: &Codestream, data: Cow<[u8]>) -> Result<Vec<u16>, String> {
    let data = high_throughput::with_half_steps(stream, data)?;
    let settings = toolkit::DecodeSettings { strict: true, ..Default::default() };
    let image = toolkit::Image::new(&data, &settings).map_err(|e| e.to_string())?;
    let decoded = image.decode_native().map_err(|e| e.to_string())?;
    Ok(match decoded.bytes_per_sample {
        1 => decoded.data.into_iter().map(u16::from).collect(),
        _ => decoded.data.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect(),
    })
}
