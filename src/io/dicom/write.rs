//! Writing a volume as a new CT, MR or secondary-capture series of single slices, with UIDs of its own.

mod copied;
mod kind;
mod modules;
mod original;
mod stored;

pub use original::OriginalSeries;

use super::attributes::Attributes;
use super::file::File;
use crate::atomic;
use crate::error::{Error, Result};
use crate::io::Limits;
use crate::io::save::{SaveOptions, Written};
use crate::volume::{Frame, LossyStep, Source, Volume, VolumeHeader};
use dicom_core::{PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::FileMetaTableBuilder;
use kind::Kind;
use modules::Series;
use rayon::prelude::*;
use std::path::Path;
use stored::StoredValues;

/// Who the files say has made them.
const MANUFACTURER: &str = "neuvol";

/// What a new series says about itself beside its image.
#[derive(Debug, Clone, Default)]
pub struct SeriesDescription {
    /// Series Description (0008,103E).
    pub description: String,
    /// Derivation Description (0008,2111): what the images were made of, and how; empty for originals.
    pub derivation: String,
    /// Patient's Name and Patient ID; empty unless the caller says whose series it is. Not used with an original.
    pub patient: [String; 2],
    /// Decides which file name each slice gets, so that names say nothing about positions; in order when absent.
    pub shuffle: Option<u64>,
    /// The series whose study this one goes into; a study of its own, of nobody, when absent.
    pub original: Option<OriginalSeries>,
}

impl SeriesDescription {
    /// Of a series that is made of a volume, in the study of `original` or in one of its own.
    pub fn derived(volume: &Volume, original: Option<OriginalSeries>) -> Self {
        Self::derived_from(&VolumeHeader::of(volume), original)
    }

    /// The same of a volume that is read slab by slab.
    pub fn derived_from(volume: &VolumeHeader, original: Option<OriginalSeries>) -> Self {
        Self {
            description: "derived by neuvol".into(),
            derivation: derivation(volume),
            original,
            ..Self::default()
        }
    }
}

/// What a derived series says of its origin.
fn derivation(volume: &VolumeHeader) -> String {
    let source = volume.provenance.get("source format").map_or("a volume", String::as_str);
    let mut steps = volume.lossy_steps();
    let last = steps.pop_if(|last| last.method.as_deref() == Some(LossyStep::NEUVOL));
    let now = match last.and_then(|step| step.ratio) {
        Some(ratio) => format!("{source}, compressed {ratio}:1 to a neural volume and decoded by neuvol"),
        None => format!("{source}, converted by neuvol"),
    };
    if steps.is_empty() {
        return now;
    }
    let earlier: Vec<String> = steps.iter().map(LossyStep::to_string).collect();
    format!("{now}; lossy compression before that: {}", earlier.join(", "))
}

/// Writes a volume as a series into `folder`: one Explicit VR Little Endian file a slice, fresh UIDs.
///
/// CT in Hounsfield units within 12 bits is written as scanners do (unsigned, intercept -1024); 8 and 16-bit integers as they
/// are; everything else through a rescale to 16 bits, exact where the values are integers within 65535 of each other
/// and with a warning where not. NaN and the fill value become Pixel Padding Value. The folder appears whole, in one
/// rename; one that holds anything else than an earlier series is left alone.
///
/// CT and MR images are written as such where the volume's provenance or the original series says what these have to say;
/// everything else becomes secondary captures, with positions. What nobody knows is empty. Values that went through a
/// lossy compression ([`Volume::lossy_steps`]) are marked so.
///
/// With an original series, the new one has its patient and study, its series number and 1000, its frame of reference
/// where the volume lies where that series does, and what its images say of their acquisition where they all agree, or
/// where they lie in a slice's plane; these are named as the slice's sources.
///
/// # Errors
/// [`Error::Options`] when a slice is larger than 65535 pixels across or the folder holds something else,
/// [`Error::Unsupported`] when a value cannot be written, [`Error::Io`] when writing fails.
pub fn write_series(volume: &Volume, folder: &Path, series: &SeriesDescription) -> Result<()> {
    write_series_of(volume, folder, series, &SaveOptions::of_a_volume())
}

/// [`write_series`], for a volume that is read slab by slab; twice where its values have to be known before they are stored.
///
/// # Errors
/// As for [`write_series`] and [`save_source`](crate::io::save_source).
pub fn write_series_of(
    source: &dyn Source,
    folder: &Path,
    series: &SeriesDescription,
    options: &SaveOptions,
) -> Result<()> {
    save(&Written::new(source, options)?, folder, series)
}

/// [`write_series_of`], for what is about to be written.
pub(in crate::io) fn save(written: &Written<'_>, folder: &Path, series: &SeriesDescription) -> Result<()> {
    let volume = written.header();
    let [columns, rows, _] = volume.shape;
    let (Ok(rows), Ok(columns)) = (u16::try_from(rows), u16::try_from(columns)) else {
        return Err(Error::Options(format!(
            "a slice of {columns} x {rows} pixels does not fit a DICOM image"
        )));
    };
    if volume.geometry.frame != Frame::Lps {
        log::warn!(
            "{}: the volume has no patient frame; its coordinates are written as they are",
            folder.display()
        );
    }
    let kind = Kind::of(volume, series.original.as_ref());
    if matches!(kind, Kind::SecondaryCapture { modality: "MR" }) {
        log::warn!(
            "{}: neither the volume nor an original series says which pulse sequence made the MR images: they are written \
             as secondary captures",
            folder.display()
        );
    }
    let stored = StoredValues::of(volume, || written.range(), folder, kind)?;
    let new = Series::new(volume, folder, series, kind, [rows, columns])?;
    let (count, pixels_a_slice) = (volume.shape[2], usize::from(rows) * usize::from(columns));
    let names = match series.shuffle {
        Some(seed) => shuffled(count, seed),
        None => (0..count).collect(),
    };
    atomic::write_folder(folder, &is_of_a_series, |temporary| {
        written.each_slab(|planes, samples| {
            let write = |(n, k): (usize, usize)| {
                let pixels = stored.slice(&samples, n, pixels_a_slice);
                write_slice(volume, k, names[k], temporary, (&new, &stored), pixels)
            };
            planes.into_par_iter().enumerate().try_for_each(write)
        })
    })
}

/// Whether a file is one that [`write_series`] wrote, by its name and by what it says of itself.
fn is_of_a_series(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let number = name.strip_prefix("IM").and_then(|n| n.strip_suffix(".dcm"));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        && File::open(path, &Limits::default())
            .is_ok_and(|file| Attributes::of(&file).text(tags::MANUFACTURER) == MANUFACTURER)
}

/// Writes slice `k` under the number `name`, from 0.
fn write_slice(
    volume: &VolumeHeader,
    k: usize,
    name: usize,
    folder: &Path,
    (series, stored): (&Series, &StoredValues),
    (vr, pixels): (VR, PrimitiveValue),
) -> Result<()> {
    let path = folder.join(format!("IM{:04}.dcm", name + 1));
    let instance = fresh_uid(&path)?;
    let mut object = series.image(volume, k, name + 1, &instance);
    stored.describe(&mut object);
    object.put(dicom_core::DataElement::new(tags::PIXEL_DATA, vr, pixels));

    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(series.kind.class())
        .media_storage_sop_instance_uid(&instance);
    let refused =
        |e: &dyn std::error::Error| Error::io(&path, std::io::Error::other(super::attributes::reasons(e)));
    let file = object.with_meta(meta).map_err(|e| refused(&e))?;
    atomic::write(&path, |writer| file.write_all(writer).map_err(|e| refused(&e)))
}

/// A UID from a random 128-bit number (PS3.5, section B.2).
fn fresh_uid(path: &Path) -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| Error::io(path, std::io::Error::other(e)))?;
    // A version 4 UUID: six of its bits are fixed.
    let uuid = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    Ok(format!("2.25.{uuid}"))
}

/// Decimal strings of at most 16 characters (PS3.5, section 6.2), with as many digits as fit.
fn decimals(values: &[f64]) -> PrimitiveValue {
    PrimitiveValue::Strs(values.iter().map(|&value| decimal(value)).collect())
}

fn decimal(value: f64) -> String {
    let shortest = [value.to_string(), format!("{value:e}")];
    let rounded =
        (0..=15).rev().flat_map(|digits| [format!("{value:.digits$}"), format!("{value:.digits$e}")]);
    shortest
        .into_iter()
        .chain(rounded)
        .filter(|text| text.len() <= 16)
        // Small numbers keep more digits with an exponent. The first of equals is the shortest.
        .min_by(|a, b| {
            let off = |text: &str| text.parse::<f64>().map_or(f64::INFINITY, |v| (v - value).abs());
            off(a).total_cmp(&off(b))
        })
        .unwrap_or_else(|| format!("{value:e}"))
}

/// The numbers 0..count in an order that the seed decides: the splitmix64 sequence, sorted.
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut keyed: Vec<(u64, usize)> = (0..count)
        .map(|i| {
            let mut z = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31), i)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, i)| i).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_are_as_short_as_they_are_exact() {
        for (value, text) in [
            (-1024.0, "-1024"),
            (1.0, "1"),
            (0.78125, "0.78125"),
            (-428.800049, "-428.800049"),
            (1e-300, "1e-300"),
            (-0.0, "-0"),
        ] {
            assert_eq!(decimal(value), text);
        }
        for value in [std::f64::consts::PI, -1e5 / 3.0, 1.0 / 3e7, -2e300 / 3.0] {
            let text = decimal(value);
            assert!(text.len() <= 16, "{text}");
            assert!((text.parse::<f64>().unwrap() / value - 1.0).abs() < 1e-9, "{text}");
        }
    }
}
