//! A finished file.

use crate::atomic;
use crate::container::FocusInfo;
use crate::error::Result;
use crate::metrics::{Distortion, Fidelity};
use std::path::Path;

/// A compressed volume: the file's bytes and what they achieve.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Compressed {
    /// The whole `.nvol` file.
    pub bytes: Vec<u8>,
    /// Measured with the shipped decoder, against the volume that went in.
    pub distortion: Distortion,
    /// The same beside the volume's noise, in bands of value, and more.
    pub fidelity: Fidelity,
    /// What was achieved in a focus and outside of it, where one was asked for.
    pub focus: Option<FocusInfo>,
    /// Bytes in the stored type by bytes of the file.
    pub ratio: f64,
    /// Bytes as float32 by bytes of the file.
    pub ratio_f32: f64,
    /// The model in one line.
    pub model: String,
    /// Bytes of the coded parameters.
    pub(super) parameter_bytes: usize,
}

impl Compressed {
    /// The PSNR that the target is compared with: outside of a focus where there is one.
    pub(super) fn psnr(&self) -> f64 {
        self.focus.map_or(self.distortion.psnr, |focus| focus.outside.psnr)
    }

    /// Writes the file, whole or not at all; an existing one is replaced.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        atomic::write(path, |out| out.write_all(&self.bytes).map_err(|e| crate::Error::io(path, e)))
    }
}
