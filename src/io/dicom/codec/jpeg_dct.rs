//! JPEG with 8 bits a sample, baseline, extended or progressive (ISO 10918-1, processes 1, 2 and 6), one component or three:
//! `jpeg-decoder`.

use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

/// Decodes a stream of `columns` x `rows` pixels, row by row; the samples of a pixel are beside each other, as they are coded.
pub(super) fn decode(data: &[u8], [columns, rows]: [usize; 2], components: usize) -> Result<Vec<u8>, String> {
    let mut decoder = Decoder::new(data);
    let count = columns * rows * components;
    decoder.set_max_decoding_buffer_size(count);
    let format = match components {
        1 => PixelFormat::L8,
        3 => PixelFormat::RGB24,
        _ => return Err(format!("{components} components, where there are 1 or 3")),
    };
    if components == 3 {
        // As they are; what the decoder calls none puts the samples in another order.
        decoder.set_color_transform(ColorTransform::RGB);
    }
    let samples = decoder.decode().map_err(|e| e.to_string())?;
    match decoder.info() {
        Some(info) if info.pixel_format == format && samples.len() == count => Ok(samples),
        _ => Err(format!("{} bytes were decoded, not {count}", samples.len())),
    }
}
