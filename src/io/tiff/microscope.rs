//! Fields of microscopes' own: Zeiss' LSM (CZ_LSMINFO, 34412) and MetaMorph's STK (UIC2Tag, 33629).
//!
//! Neither maker's description is public; the layout is that of Bio-Formats and tifffile.

use super::arrangement::{self, Arrangement, Planes, Sizes};
use super::directory::{Directories, Fields};
use super::microscope_fields::UIC2_BYTES;
use crate::error::{Error, Result};
use std::path::Path;

/// Slices and time steps, slices first; channels are samples of a pixel, distances are in metres.
pub(super) fn lsm(path: &Path, info: &Fields, directories: &Directories) -> Result<Arrangement> {
    let [slices, steps] = [16, 24].map(|at| info.unsigned(at, 4) as usize);
    let scan = info.unsigned(88, 2);
    let pages = directories.pages.len();
    // Scans along z and time: of the others the order of planes is not known.
    let is_ordered = matches!(scan, 0..=4 | 6) || slices == 1 || steps == 1;
    if slices.checked_mul(steps) != Some(pages) || !is_ordered {
        return Err(Error::unsupported(
            path,
            format!(
                "an LSM scan of kind {scan} with {slices} slices and {steps} time steps in {pages} pages is not supported"
            ),
        ));
    }
    let spacing = [40, 48, 56].map(|at| {
        let metres = f64::from_bits(info.unsigned(at, 8));
        Some(metres * 1e6).filter(|micrometres| *micrometres > 0.0 && micrometres.is_finite())
    });
    Ok(Arrangement {
        sizes: Sizes { slices, channels: 1, steps },
        planes: Planes::Pages([1, 0, slices]),
        spacing,
        unit: "\u{b5}m".into(),
        convention: "Zeiss LSM",
        ..Arrangement::plain(pages)
    })
}

/// Planes that follow the only directory: slices where each has a distance, time steps where each has a time of its own.
pub(super) fn stk(path: &Path, info: &Fields, directories: &Directories) -> Result<Arrangement> {
    let planes = info.len() / UIC2_BYTES as usize;
    let number = |plane: usize, nth: usize| info.unsigned(plane * UIC2_BYTES as usize + 4 * nth, 4);
    let has_distances = (0..planes).all(|plane| number(plane, 0) != 0);
    let when = |plane: usize| [number(plane, 2), number(plane, 3)];
    let has_times = (1..planes).all(|plane| when(plane) != when(plane - 1));
    let (slices, steps) = if has_times && !has_distances { (1, planes) } else { (planes, 1) };
    Ok(Arrangement {
        sizes: Sizes { slices, channels: 1, steps },
        planes: arrangement::following(path, directories, [1, 0, slices], planes)?,
        convention: "MetaMorph stack",
        ..Arrangement::plain(planes)
    })
}
