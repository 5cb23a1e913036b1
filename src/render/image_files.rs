//! Files of rendered pictures: PNG, animated PNG of a turn around a volume, depths as `.npy`.

use super::Image;
use crate::atomic;
use crate::error::{Error, Result};
use std::path::Path;

/// Pixels of one picture or several of one size, one byte a channel.
pub enum Pixels {
    /// Red, green, blue.
    Opaque(Vec<Vec<[u8; 3]>>),
    /// And straight alpha.
    WithAlpha(Vec<Vec<[u8; 4]>>),
}

impl Pixels {
    /// Writes a PNG file, whole or not at all: an animated one of several pictures, each shown for `seconds`, over and over again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>, size: [usize; 2], seconds: f64) -> Result<()> {
        let path = path.as_ref();
        let (colour, frames): (_, Vec<&[u8]>) = match self {
            Pixels::Opaque(frames) => {
                (png::ColorType::Rgb, frames.iter().map(|f| f.as_flattened()).collect())
            }
            Pixels::WithAlpha(frames) => {
                (png::ColorType::Rgba, frames.iter().map(|f| f.as_flattened()).collect())
            }
        };
        atomic::write(path, |out| {
            let write = || -> std::result::Result<(), png::EncodingError> {
                let mut encoder = png::Encoder::new(out, size[0] as u32, size[1] as u32);
                encoder.set_color(colour);
                if frames.len() > 1 {
                    encoder.set_animated(frames.len() as u32, 0)?;
                    encoder.set_frame_delay((seconds * 1000.0).round() as u16, 1000)?;
                }
                let mut writer = encoder.write_header()?;
                for frame in &frames {
                    writer.write_image_data(frame)?;
                }
                writer.finish()
            };
            write().map_err(|e| Error::io(path, std::io::Error::other(e)))
        })
    }
}

impl Image {
    /// Writes [`Self::depth`] as an array of rows by columns, float32, in NumPy's format 1.0; whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save_depth(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let [width, height] = self.size;
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({height}, {width}), }}");
        // Magic, version and length are 10 bytes; the whole is a multiple of 64, and ends in a line's end.
        let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
        atomic::write(path, |out| {
            let mut write = || -> std::io::Result<()> {
                out.write_all(b"\x93NUMPY\x01\x00")?;
                out.write_all(&(length as u16).to_le_bytes())?;
                out.write_all(format!("{header:<width$}\n", width = length - 1).as_bytes())?;
                self.depth.iter().try_for_each(|depth| out.write_all(&depth.to_le_bytes()))
            };
            write().map_err(|e| Error::io(path, e))
        })
    }
}
