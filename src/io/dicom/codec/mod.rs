//! Compressed pixel data, one frame at a time.
//!
//! The compressed image says itself what it is: size, bits and process are read from its own header, and compared with the
//! file's before anything is decoded or allocated. What decodes has no unsafe code; where it panics on damaged data, that is an
//! error like any other.

mod cells;
mod fragments;
mod huffman;
mod jpeg_2000;
mod jpeg_dct;
mod jpeg_extended;
mod jpeg_lossless;
mod jpeg_ls;
mod markers;
mod rle;
#[cfg(test)]
mod tests;
pub(super) mod transfer_syntax;

use super::attributes::transfer_syntax_name;
use super::colour::{FramePixels, Layout};
use super::image::Image;
use crate::error::{Error, Result};
use crate::guard::guarded;
use cells::{Cell, Coded};
use flate2::read::DeflateDecoder;
use std::io::Read;
use transfer_syntax::Syntax;

/// Decodes one frame to its pixels, little endian.
pub(super) fn decode(image: &Image, frame: usize, file: &[u8]) -> Result<FramePixels<'static>> {
    let name = transfer_syntax_name(&image.transfer_syntax);
    let damaged = |what: &str| Error::format(&image.path, format!("frame {} in {name}: {what}", frame + 1));
    let data = fragments::of_frame(&image.pixels, image.frames, frame, file)
        .ok_or_else(|| damaged("its fragments are not all there"))?;
    let syntax = Syntax::of(&image.transfer_syntax).ok_or_else(|| damaged("there is no codec"))?;
    let shape = Shape {
        columns: image.columns,
        rows: image.rows,
        samples: image.colour.samples(),
        bytes: image.frame_bytes(),
        cell: Cell {
            allocated: image.bits_allocated,
            stored: image.bits_stored,
            high_bit: image.high_bit,
            signed: image.signed,
            padding: image.padding.clone(),
        },
    };
    let bytes = guarded(|| shape.decode(syntax, &data))
        .unwrap_or_else(|_| Err("the codec failed inside; the data are damaged".into()))
        .map_err(|what| damaged(&what))?;
    let layout = match syntax {
        Syntax::Uncompressed | Syntax::Deflated => image.layout,
        Syntax::Image { .. } | Syntax::Rle => Layout::Pixels,
    };
    let is_ybr = match syntax {
        Syntax::Image { .. } if jpeg_2000::recognises(&data) => {
            jpeg_2000::is_transformed(&data).then_some(false)
        }
        Syntax::Image { .. } => markers::is_ybr(&data),
        _ => None,
    };
    Ok(FramePixels { bytes: bytes.into(), layout, is_ybr })
}

/// What the file's header says of a frame.
#[derive(Debug, Clone)]
struct Shape {
    columns: usize,
    rows: usize,
    /// Of a pixel.
    samples: usize,
    /// Of a frame that is not compressed.
    bytes: usize,
    cell: Cell,
}

impl Shape {
    fn decode(&self, syntax: Syntax, data: &[u8]) -> std::result::Result<Vec<u8>, String> {
        match syntax {
            Syntax::Image { may_lose } if jpeg_2000::recognises(data) => {
                self.decode_jpeg_2000(data, may_lose)
            }
            Syntax::Image { .. } => self.decode_jpeg(data),
            Syntax::Rle => {
                let pixels = self.columns * self.rows;
                let allocated = self.cell.allocated as usize / 8;
                let rle::Decoded { samples, sample_bytes } =
                    rle::decode(data, pixels, self.samples, allocated)?;
                let coded = Coded { precision: 8 * sample_bytes as u32, may_be_signed: true, lossy: false };
                self.cell.fill(samples.into_iter(), coded)
            }
            Syntax::Uncompressed => self.exactly(data.to_vec()),
            Syntax::Deflated => {
                let mut pixels = Vec::new();
                // One byte more than there are pixels, and perhaps one of padding.
                let most = self.bytes as u64 + 2;
                let inflated = DeflateDecoder::new(data).take(most).read_to_end(&mut pixels);
                inflated.map_err(|e| format!("it cannot be inflated: {e}"))?;
                self.exactly(pixels)
            }
        }
    }

    /// Pixels as they are, without the byte that pads an odd number of them.
    fn exactly(&self, mut pixels: Vec<u8>) -> std::result::Result<Vec<u8>, String> {
        let expected = self.bytes;
        if pixels.len() != expected && (pixels.len() != expected + 1 || expected.is_multiple_of(2)) {
            return Err(format!("it has {} bytes, where the header asks for {expected}", pixels.len()));
        }
        pixels.truncate(expected);
        Ok(pixels)
    }

    /// Compares what a compressed image says of itself with what the file's header says.
    fn check(
        &self,
        [columns, rows, components]: [usize; 3],
        precision: u32,
    ) -> std::result::Result<(), String> {
        if [columns, rows, components] != [self.columns, self.rows, self.samples] {
            return Err(format!(
                "the compressed image has {columns} x {rows} pixels of {components} components, the file's header {} x {} of {}",
                self.columns, self.rows, self.samples
            ));
        }
        if precision == 0 {
            return Err("the compressed image has 0 bits a sample".into());
        }
        self.cell.check(precision)
    }

    fn decode_jpeg(&self, data: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let what = "it begins like no JPEG, JPEG-LS or JPEG 2000 image";
        let frame = Some(data).filter(|data| data.starts_with(b"\xff\xd8")).ok_or(what)?;
        let frame = markers::Frame::find(frame).ok_or("it has no frame header")?;
        let markers::Frame { marker, precision, columns, rows, components, of_components } = frame;
        self.check([columns, rows, components], precision)?;
        let of_components = of_components.get(..3 * components).ok_or("a short frame header")?;
        let size = [columns, rows];
        let fill = |samples: Vec<u16>, may_be_signed: bool, lossy: bool| {
            if samples.len() != columns * rows * components {
                return Err(format!("{} samples were decoded of {components} components", samples.len()));
            }
            self.cell.fill(samples.into_iter().map(u32::from), Coded { precision, may_be_signed, lossy })
        };
        use markers::{SOF_BASELINE, SOF_EXTENDED, SOF_LOSSLESS, SOF_LS, SOF_PROGRESSIVE};
        match (marker, precision) {
            (SOF_BASELINE | SOF_EXTENDED | SOF_PROGRESSIVE, 8) => {
                let samples = jpeg_dct::decode(data, size, components)?;
                fill(samples.into_iter().map(u16::from).collect(), false, true)
            }
            (SOF_BASELINE | SOF_EXTENDED, 12) if components == 1 => {
                fill(jpeg_extended::decode(data, size, of_components)?, false, true)
            }
            (SOF_LOSSLESS, _) => {
                fill(jpeg_lossless::decode(data, size, precision, of_components)?, true, false)
            }
            (SOF_LS, _) => {
                let decoded = jpeg_ls::decode(data, size, precision, of_components)?;
                fill(decoded.samples, true, decoded.near_lossless)
            }
            _ => {
                let of = if components > 1 { format!(" of {components} components") } else { String::new() };
                let what = format!("a process with {precision} bits{of} that is not supported");
                Err(format!("{what} (marker FF{marker:02X})"))
            }
        }
    }

    fn decode_jpeg_2000(&self, data: &[u8], may_lose: bool) -> std::result::Result<Vec<u8>, String> {
        let stream = jpeg_2000::Codestream::parse(data)?;
        self.check([stream.columns, stream.rows, stream.components], stream.precision)?;
        let coded = Coded {
            precision: stream.precision,
            may_be_signed: true,
            lossy: may_lose || stream.irreversible,
        };
        self.cell.fill(jpeg_2000::decode(&stream)?.into_iter().map(u32::from), coded)
    }
}
