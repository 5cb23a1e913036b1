//! Section FOCS: what was asked of a part of the volume, and achieved in it and outside of it.

use super::bytes::Fields;
use crate::metrics::{Distortion, psnr};

/// What is asked of the voxels of a focus.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "target", content = "value")]
#[non_exhaustive]
pub enum FocusQuality {
    /// At least so many dB, over the range of the whole volume.
    Psnr(f64),
    /// Every sample as it was, bit by bit.
    Lossless,
}

/// A part of a volume that is better than the rest.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct FocusInfo {
    /// What was asked for.
    pub asked: FocusQuality,
    /// First voxel of the smallest box that has all voxels of the focus.
    pub start: [usize; 3],
    /// One past the box's last voxel.
    pub end: [usize; 3],
    /// Errors of the voxels in the focus, as the shipped decoder has them, but for masked ones.
    pub inside: Distortion,
    /// Errors of all other voxels.
    pub outside: Distortion,
}

const PSNR: u8 = 1;
const LOSSLESS: u8 = 2;

impl FocusInfo {
    /// The section. How long it is does not depend on what was measured.
    pub(super) fn section(&self) -> Vec<u8> {
        let (kind, value) = match self.asked {
            FocusQuality::Psnr(db) => (PSNR, db),
            FocusQuality::Lossless => (LOSSLESS, 0.0),
        };
        let mut out = vec![kind];
        out.extend(value.to_le_bytes());
        for n in self.start.iter().chain(&self.end) {
            out.extend((*n as u32).to_le_bytes());
        }
        for Distortion { voxels, rmse, max_error, .. } in [self.inside, self.outside] {
            out.extend(voxels.to_le_bytes());
            out.extend(rmse.to_le_bytes());
            out.extend(max_error.to_le_bytes());
        }
        out
    }

    /// Reads the section of a volume of this shape and range.
    pub(super) fn parse(
        section: &[u8],
        shape: [usize; 3],
        range: Option<(f64, f64)>,
    ) -> Result<Self, String> {
        let mut fields = Fields::new(section);
        let (kind, value) = (fields.u8("what was asked for")?, fields.f64("what was asked for")?);
        let asked = match kind {
            PSNR => FocusQuality::Psnr(value),
            LOSSLESS => FocusQuality::Lossless,
            code => return Err(format!("a focus' target {code} is unknown")),
        };
        let [mut start, mut end] = [[0; 3]; 2];
        for n in start.iter_mut().chain(&mut end) {
            *n = fields.u32("the box")? as usize;
        }
        if (0..3).any(|a| start[a] >= end[a] || end[a] > shape[a]) {
            return Err(format!("a focus from {start:?} to {end:?} is empty or leaves {shape:?} voxels"));
        }
        let mut errors = || {
            let voxels = fields.u64("the number of voxels")?;
            let [rmse, max_error] = fields.f64s("errors")?;
            Ok::<_, String>(Distortion { psnr: psnr(rmse, range), rmse, max_error, voxels })
        };
        let (inside, outside) = (errors()?, errors()?);
        fields.end()?;
        Ok(Self { asked, start, end, inside, outside })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_focus_comes_back() {
        let range = Some((-1000.0, 1000.0));
        let errors =
            |rmse: f64, voxels| Distortion { psnr: psnr(rmse, range), rmse, max_error: 3.0 * rmse, voxels };
        for asked in [FocusQuality::Psnr(62.5), FocusQuality::Lossless] {
            let info = FocusInfo {
                asked,
                start: [3, 0, 7],
                end: [20, 5, 8],
                inside: errors(0.0, 77),
                outside: errors(2.0, 9000),
            };
            assert_eq!((info.inside.psnr, info.outside.psnr), (f64::INFINITY, 60.0));
            let section = info.section();
            assert_eq!(FocusInfo::parse(&section, [20, 5, 9], range), Ok(info));
            assert!(FocusInfo::parse(&section, [19, 5, 9], range).unwrap_err().contains("leaves"));
            assert!(FocusInfo::parse(&section[..80], [20, 5, 9], range).is_err());
        }
    }
}
