//! JPEG with 8 bits a sample, baseline, extended or progressive (ISO 10918-1, processes 1, 2 and 6), one component: `jpeg-decoder`.

use jpeg_decoder::{Decoder, PixelFormat};

/// Decodes a stream of `columns` x `rows` samples, row by row.
pub(super) fn decode(data: &[u8], [columns, rows]: [usize; 2]) -> Result<Vec<u8>, String> {
    let mut decoder = Decoder::new(data);
    decoder.set_max_decoding_buffer_size(columns * rows);
    let samples = decoder.decode().map_err(|e| e.to_string())?;
    match decoder.info() {
        Some(info) if info.pixel_format == PixelFormat::L8 && samples.len() == columns * rows => Ok(samples),
        _ => Err(format!("{} bytes were decoded, not {}", samples.len(), columns * rows)),
    }
}
