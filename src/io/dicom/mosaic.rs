//! Siemens mosaics: all slices of a volume as tiles of one image.
//!
//! What is known of them comes from the vendor's own elements: how many tiles hold a slice, and which way the slices go. The
//! position that the file declares is the corner of a sheet as large as the whole image around the first slice's centre.

use super::Slice;
use super::area::Area;
use super::attributes::Attributes;
use crate::error::{Error, Result};
use crate::io::affine::{cross, dot};
use dicom_core::VR;
use dicom_dictionary_std::tags;

/// Whether an image is one.
pub(super) fn is_one(whole: &Attributes) -> bool {
    whole.text(tags::IMAGE_TYPE).split('\\').any(|value| value.trim() == "MOSAIC")
}

/// What is said of an image that is marked as a mosaic and is not one.
pub(super) const NO_MOSAIC: &str = "the image is marked as a Siemens mosaic, but its size is not a multiple of its tiles'; it is read as one slice";

/// How many tiles of an image of this size hold a slice, and how many of them are beside each other; none where the file does not
/// say it.
fn tiling(whole: &Attributes) -> Option<(usize, usize)> {
    let csa = || csa_numbers(csa(whole)?, "NumberOfImagesInMosaic")?.first().copied();
    let count = whole
        .private_number(0x0019, "SIEMENS MR HEADER", 0x0a, VR::US)
        .or_else(csa)
        .filter(|n| (1.0..=65536.0).contains(n) && n.fract() == 0.0)? as usize;
    let across = (1..=256).find(|n| n * n >= count)?;
    Some((count, across))
}

/// Whether an image that is marked as a mosaic cannot be one: somebody has cut it.
pub(super) fn is_cut(whole: &Attributes, columns: usize, rows: usize) -> bool {
    is_one(whole)
        && tiling(whole)
            .is_some_and(|(_, across)| !columns.is_multiple_of(across) || !rows.is_multiple_of(across))
}

fn csa<'a>(whole: &Attributes<'a>) -> Option<&'a [u8]> {
    whole.bytes(whole.private(0x0029, "SIEMENS CSA HEADER", 0x10)?)
}

/// The slices of a mosaic, in the order of their positions along the normal that the vendor names.
pub(super) fn unfold(whole: &Attributes, sheets: Vec<Slice>) -> Result<Vec<Slice>> {
    let mut slices = Vec::new();
    for sheet in sheets {
        slices.extend(tiles(whole, sheet)?);
    }
    Ok(slices)
}

fn tiles(whole: &Attributes, sheet: Slice) -> Result<Vec<Slice>> {
    let path = &sheet.image.path;
    let refused = |what: &str| {
        Error::unsupported(
            path,
            format!(
                "the image is a Siemens mosaic, {what}; unfold it first (dcm2niix makes a NIfTI file of it)"
            ),
        )
    };
    let (count, across) = tiling(whole).ok_or_else(|| refused("and does not say of how many slices"))?;
    let image = &sheet.image;
    let (columns, rows) = (image.columns / across, image.rows / across);
    let (Some(corner), Some([row, column])) = (sheet.position, sheet.orientation) else {
        return Err(refused("and lacks its position or its orientation"));
    };
    let between = sheet.depth.between.clone().map_err(|e| e.of(path))?;
    let step = between
        .or(sheet.depth.thickness.clone().map_err(|e| e.of(path))?)
        .filter(|step| *step > 0.0)
        .ok_or_else(|| refused("and does not say how far its slices lie apart"))?;
    let plane_normal = cross(row, column);
    let declared = csa(whole).and_then(|csa| csa_numbers(csa, "SliceNormalVector"));
    // Slices go along the normal unless the vendor says against it.
    let sign = match declared.as_deref() {
        Some(&[x, y, z]) if dot([x, y, z], plane_normal) < 0.0 => -1.0,
        _ => 1.0,
    };
    let [between_rows, between_columns] = sheet.pixel_spacing.or_one();
    let half = |whole: usize, tile: usize, spacing: f64| (whole - tile) as f64 / 2.0 * spacing;
    let right = half(image.columns, columns, between_columns);
    let down = half(image.rows, rows, between_rows);
    Ok((0..count)
        .map(|tile| {
            let along = sign * step * tile as f64;
            let position = std::array::from_fn(|a| {
                corner[a] + right * row[a] + down * column[a] + along * plane_normal[a]
            });
            let area = Area { left: tile % across * columns, top: tile / across * rows, columns, rows };
            Slice { position: Some(position), area, ..sheet.clone() }
        })
        .collect())
}

/// Entries of a CSA header that are looked at, at most.
const MOST_ENTRIES: u32 = 4096;

/// The numbers of an entry of a CSA header (`SV10`): names of 64 bytes, values as text.
fn csa_numbers(csa: &[u8], wanted: &str) -> Option<Vec<f64>> {
    let mut at = csa.starts_with(b"SV10").then_some(8)?;
    let long = |at: usize| Some(u32::from_le_bytes(*csa.get(at..)?.first_chunk()?));
    let count = long(at)?.min(MOST_ENTRIES);
    at += 8;
    for _ in 0..count {
        let name = csa.get(at..at + 64)?.split(|b| *b == 0).next()?;
        let values = long(at + 76)?;
        at += 84;
        let mut numbers = Vec::new();
        for _ in 0..values {
            let length = long(at + 4)? as usize;
            let text = csa.get(at + 16..(at + 16).checked_add(length)?)?;
            let text = String::from_utf8_lossy(text.split(|b| *b == 0).next()?).trim().to_owned();
            numbers.extend(text.parse::<f64>().ok());
            at = at.checked_add(16 + length.checked_next_multiple_of(4)?)?;
        }
        if name == wanted.as_bytes() {
            return Some(numbers).filter(|numbers| !numbers.is_empty());
        }
    }
    None
}

/// A CSA header with these entries, for tests.
#[cfg(test)]
pub(super) fn csa_header(entries: &[(&str, &[f64])]) -> Vec<u8> {
    let mut csa =
        [&b"SV10\x04\x03\x02\x01"[..], &(entries.len() as u32).to_le_bytes(), &77u32.to_le_bytes()].concat();
    for (name, values) in entries {
        let mut padded = [0; 64];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        csa.extend(padded);
        for word in [values.len() as u32, u32::from_le_bytes(*b"FD\0\0"), 4, values.len() as u32, 77] {
            csa.extend(word.to_le_bytes());
        }
        for value in *values {
            let text = format!("{value:.8}\0");
            let length = text.len() as u32;
            [length, length, 77, length].iter().for_each(|word| csa.extend(word.to_le_bytes()));
            csa.extend(text.bytes());
            csa.resize(csa.len().next_multiple_of(4), 0);
        }
    }
    csa
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_behind_others_and_damage_is_none() {
        let csa =
            csa_header(&[("Other", &[1.0, 2.0]), ("SliceNormalVector", &[0.0, 0.5, -0.25]), ("Empty", &[])]);
        assert_eq!(csa_numbers(&csa, "SliceNormalVector"), Some(vec![0.0, 0.5, -0.25]));
        assert_eq!(csa_numbers(&csa, "Empty"), None);
        for cut in 0..csa.len() {
            let _ = csa_numbers(&csa[..cut], "Empty");
        }
    }
}
