//! Stacks as ImageJ describes them: `key=value` lines that begin with `ImageJ=`.
//!
//! What it writes is said by `ij.io.FileSaver.getDescriptionString`: channels come first, then slices, then frames. Stacks
//! over 4 GB have one directory, behind which `images` planes follow each other.

use super::arrangement::{self, Arrangement, Planes, Sizes};
use super::directory::Directories;
use crate::error::{Error, Result};
use crate::io::reading;
use std::path::Path;

pub(super) fn recognises(description: &str) -> bool {
    description.starts_with("ImageJ=")
}

pub(super) fn arrangement(
    path: &Path,
    description: &str,
    directories: &Directories,
    given: Option<[f64; 3]>,
) -> Result<Arrangement> {
    let value = |key: &str| {
        description.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('=').map(str::trim))
    };
    let count = |key: &str| match value(key) {
        None => Ok(None),
        Some(words) => words.parse::<usize>().ok().filter(|&n| n > 0).map(Some).ok_or_else(|| {
            Error::format(path, format!("the ImageJ description says {key}={words}, which is not a count"))
        }),
    };
    let pages = directories.pages.len();
    let declared = [count("channels")?, count("slices")?, count("frames")?];
    let planes = match count("images")? {
        Some(images) if pages == 1 => images,
        _ => pages,
    };
    let sizes = match declared {
        [None, None, None] => Sizes { slices: planes, channels: 1, steps: 1 },
        [channels, slices, frames] => {
            let [channels, slices, steps] = [channels, slices, frames].map(|n| n.unwrap_or(1));
            Sizes { slices, channels, steps }
        }
    };
    if sizes.planes() != Some(planes) {
        return Err(Error::format(
            path,
            format!(
                "the ImageJ description says {} slices x {} channels x {} frames, but the file holds {planes} planes; save \
                 it from ImageJ again",
                sizes.slices, sizes.channels, sizes.steps
            ),
        ));
    }
    let strides = [sizes.channels, 1, sizes.channels * sizes.slices];
    let planes = match planes > pages {
        true => arrangement::following(path, directories, strides, planes)?,
        false => Planes::Pages(strides),
    };

    let unit = match value("unit").map(unescaped) {
        Some(unit) => unit,
        None => match directories.resolution_unit {
            2 => "inch".to_owned(),
            3 => "cm".to_owned(),
            _ => String::new(),
        },
    };
    let is_calibrated = !matches!(unit.as_str(), "pixel" | "pixels");
    // A resolution of 1 pixel a nothing is what ImageJ writes where it is unknown.
    let pixel =
        directories.pixel.map(|size| size.filter(|&size| is_calibrated && (size != 1.0 || !unit.is_empty())));
    let depth = match value("spacing") {
        // ImageJ writes negative ones, too, and means their size.
        Some(words) if is_calibrated => {
            reading::distance(path, "the ImageJ description's spacing", words.trim_start_matches('-'), given)?
        }
        _ => None,
    };
    let units = [Some(unit.clone()), value("yunit").map(unescaped), value("zunit").map(unescaped)]
        .map(|other| other.unwrap_or_else(|| unit.clone()));
    let (spacing, unit) =
        arrangement::in_one_unit(path, [pixel[0], pixel[1], depth], units.each_ref().map(String::as_str))?;
    let interval = value("finterval").map_or(String::new(), |interval| {
        format!("{interval} {}", value("tunit").map_or("s".into(), unescaped))
    });
    Ok(Arrangement { sizes, planes, spacing, unit, interval, convention: "ImageJ TIFF" })
}

/// A unit whose other letters than ASCII's are written as `\u00B5`.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let letter =
            part.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        match letter {
            Some(letter) => {
                plain.push(letter);
                plain.push_str(part.get(4..).unwrap_or_default());
            }
            None => {
                plain.push_str("\\u");
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_letters_are_read() {
        assert_eq!(unescaped("\\u00B5m"), "\u{b5}m");
        assert_eq!(unescaped("a\\u12"), "a\\u12");
    }
}
