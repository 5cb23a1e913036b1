//! How a file's planes make volumes: slices, channels, time steps, and the distances between their pixels.

use super::directory::Directories;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// The planes of a file in space, channels and time.
#[derive(Debug, PartialEq)]
pub(super) struct Arrangement {
    /// Along z, channels of planes (a plane may have several samples a pixel beside them), and along time.
    pub(super) sizes: Sizes,
    pub(super) planes: Planes,
    /// Distances that the file declares along x, y and z, in `unit`.
    pub(super) spacing: [Option<f64>; 3],
    /// The unit of the distances; empty where the file does not say.
    pub(super) unit: String,
    /// Time from step to step, with its unit; empty where the file does not say.
    pub(super) interval: String,
    /// Whose conventions these are, for the provenance.
    pub(super) convention: &'static str,
}

/// How many planes there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) slices: usize,
    pub(super) channels: usize,
    pub(super) steps: usize,
}

impl Sizes {
    /// `None` where they cannot be counted.
    pub(super) fn planes(self) -> Option<usize> {
        self.slices.checked_mul(self.channels)?.checked_mul(self.steps)
    }
}

/// Where the planes are.
#[derive(Debug, PartialEq)]
pub(super) enum Planes {
    /// The plane's number is the sum of its indices along z, channels and time times these.
    Pages([usize; 3]),
    /// The same, and the planes follow each other from this byte: there is one page for all of them.
    Following([usize; 3], u64),
    /// Page numbers by time step, channel and slice; what is not here lies in another file, of which the name is known.
    Listed(BTreeMap<[usize; 3], usize>, Option<String>),
}

/// A plane's place in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlanePlace {
    /// The index of a page of full size.
    Page(usize),
    /// The first of its bytes.
    At(u64),
}

impl Arrangement {
    /// Pages that are slices.
    pub(super) fn plain(pages: usize) -> Self {
        Self {
            sizes: Sizes { slices: pages, channels: 1, steps: 1 },
            planes: Planes::Pages([1, 0, 0]),
            spacing: [None; 3],
            unit: String::new(),
            interval: String::new(),
            convention: "TIFF",
        }
    }

    /// Where a plane of a slice, a channel and a time step lies.
    pub(super) fn place(
        &self,
        path: &Path,
        directories: &Directories,
        [slice, channel, step]: [usize; 3],
    ) -> Result<PlanePlace> {
        let number = |strides: &[usize; 3]| slice * strides[0] + channel * strides[1] + step * strides[2];
        match &self.planes {
            Planes::Pages(strides) => Ok(PlanePlace::Page(number(strides))),
            Planes::Following(strides, start) => {
                let first = &directories.pages[0];
                let plane_bytes = first.plane().saturating_mul(first.element(path)?.size()) as u64;
                let at = plane_bytes
                    .checked_mul(number(strides) as u64)
                    .and_then(|before| before.checked_add(*start));
                at.map(PlanePlace::At)
                    .ok_or_else(|| Error::format(path, "a plane lies beyond any file's end"))
            }
            Planes::Listed(pages, elsewhere) => {
                let plane = format!("the plane of Z = {slice}, C = {channel}, T = {step}");
                match (pages.get(&[step, channel, slice]), elsewhere) {
                    (Some(&number), _) => {
                        let index = directories.pages.binary_search_by_key(&number, |page| page.number);
                        index.map(PlanePlace::Page).map_err(|_| {
                            Error::format(
                                path,
                                format!(
                                    "the OME-XML puts {plane} on page {}, which the file has not",
                                    number + 1
                                ),
                            )
                        })
                    }
                    (None, Some(other)) => Err(Error::unsupported(
                        path,
                        format!(
                            "the OME-XML puts {plane} into another file ('{other}'); neuvol reads OME-TIFF of one file: \
                             write it as one, as `bfconvert` does"
                        ),
                    )),
                    (None, None) => Err(Error::format(path, format!("the OME-XML has no page for {plane}"))),
                }
            }
        }
    }
}

/// Planes that follow each other behind one directory, where the samples are such that they can.
pub(super) fn following(
    path: &Path,
    directories: &Directories,
    strides: [usize; 3],
    planes: usize,
) -> Result<Planes> {
    let first = &directories.pages[0];
    if first.compression != 1 || first.samples != 1 {
        return Err(Error::unsupported(
            path,
            format!(
                "{planes} planes behind one directory are read only where they are not compressed and have one sample a pixel"
            ),
        ));
    }
    let Some(start) = directories.first_samples else {
        return Err(Error::unsupported(
            path,
            format!("{planes} planes behind one directory are read only where its strips follow each other"),
        ));
    };
    let plane_bytes = first.plane().saturating_mul(first.element(path)?.size()) as u64;
    let end = plane_bytes.checked_mul(planes as u64).and_then(|bytes| bytes.checked_add(start));
    if end.is_none_or(|end| end > directories.file_bytes) {
        return Err(Error::format(
            path,
            format!(
                "{planes} planes of {plane_bytes} bytes should lie behind byte {start}, but the file ends at {}; it is truncated",
                directories.file_bytes
            ),
        ));
    }
    Ok(Planes::Following(strides, start))
}

/// Metres of a unit of length by its usual names; `None` for one that is unknown.
pub(super) fn metres(unit: &str) -> Option<f64> {
    Some(match unit.trim() {
        "km" => 1e3,
        "m" | "meter" | "metre" => 1.0,
        "dm" => 1e-1,
        "cm" => 1e-2,
        "mm" | "millimeter" | "millimetre" => 1e-3,
        // MICRO SIGN and GREEK SMALL LETTER MU.
        "\u{b5}m" | "\u{3bc}m" | "um" | "micron" | "microns" | "micrometer" | "micrometre" => 1e-6,
        "nm" | "nanometer" | "nanometre" => 1e-9,
        "pm" => 1e-12,
        "\u{c5}" | "\u{212b}" | "angstrom" => 1e-10,
        "in" | "inch" => 25.4e-3,
        "thou" | "mil" => 25.4e-6,
        "li" => 25.4e-3 / 12.0,
        "ft" => 0.3048,
        _ => return None,
    })
}

/// Distances of several units in that of the first one; those without a distance stay so.
pub(super) fn in_one_unit(
    path: &Path,
    distances: [Option<f64>; 3],
    units: [&str; 3],
) -> Result<([Option<f64>; 3], String)> {
    let Some(first) = (0..3).find(|&axis| distances[axis].is_some()) else {
        return Ok((distances, String::new()));
    };
    let unit = units[first];
    let mut same = distances;
    for (distance, other) in same.iter_mut().zip(units) {
        if let Some(distance) = distance.as_mut().filter(|_| other != unit) {
            let (Some(to), Some(from)) = (metres(unit), metres(other)) else {
                return Err(Error::unsupported(
                    path,
                    format!(
                        "the distances between pixels are in '{unit}' and in '{other}', which cannot be compared"
                    ),
                ));
            };
            *distance *= from / to;
        }
    }
    Ok((same, unit.to_owned()))
}
