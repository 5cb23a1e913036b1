//! Writing a volume as a new CT, MR or secondary-capture series of single slices, with UIDs of its own.

mod stored;

use super::attributes::Attributes;
use super::file::File;
use crate::error::{Error, Result};
use crate::io::{Limits, atomic};
use crate::volume::{Frame, Volume};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
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
    /// Lossy Image Compression Ratio (0028,2112) of what the images were decoded from.
    pub lossy_ratio: Option<f64>,
    /// Patient's Name and Patient ID; empty unless the caller says whose series it is.
    pub patient: [String; 2],
    /// Decides which file name each slice gets, so that names say nothing about positions; in order when absent.
    pub shuffle: Option<u64>,
}

/// Writes a volume as a series into `folder`: one Explicit VR Little Endian file a slice, fresh UIDs.
///
/// CT in Hounsfield units within 12 bits is written as scanners do (unsigned, intercept -1024); 8 and 16-bit integers as they
/// are; everything else through a rescale to 16 bits, exact where the values are integers within 65535 of each other
/// and with a warning where not. NaN and the fill value become Pixel Padding Value. The folder appears whole, in one
/// rename; one that holds anything else than an earlier series is left alone.
///
/// # Errors
/// [`Error::Options`] when a slice is larger than 65535 pixels across or the folder holds something else,
/// [`Error::Unsupported`] when a value cannot be written, [`Error::Io`] when writing fails.
pub fn write_series(volume: &Volume, folder: &Path, series: &SeriesDescription) -> Result<()> {
    let [columns, rows, _] = volume.shape();
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
    let stored = StoredValues::of(volume, folder)?;
    atomic::write_folder(folder, &is_of_a_series, |temporary| {
        write_slices(volume, temporary, series, &stored, [rows, columns])
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

fn write_slices(
    volume: &Volume,
    folder: &Path,
    series: &SeriesDescription,
    stored: &StoredValues,
    [rows, columns]: [u16; 2],
) -> Result<()> {
    let count = volume.shape()[2];
    let modality = match volume.provenance.get("modality").map(String::as_str) {
        Some(modality @ ("CT" | "MR")) => modality,
        None if volume.unit == "HU" => "CT",
        _ => "OT",
    };
    let class = match modality {
        "CT" => uids::CT_IMAGE_STORAGE,
        "MR" => uids::MR_IMAGE_STORAGE,
        _ => uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
    };
    let study = fresh_uid(folder)?;
    let series_uid = fresh_uid(folder)?;
    let frame_of_reference = fresh_uid(folder)?;
    let names = match series.shuffle {
        Some(seed) => shuffled(count, seed),
        None => (0..count).collect(),
    };
    // Values are kept whichever way they are shown: small ones white in radiographs, black elsewhere.
    let photometric = match volume.provenance.get(super::PHOTOMETRIC).map(String::as_str) {
        Some("MONOCHROME1") => "MONOCHROME1",
        _ => "MONOCHROME2",
    };
    let geometry = &volume.geometry;
    let [name, id] = &series.patient;
    names.into_par_iter().enumerate().try_for_each(|(k, name_number)| {
        let path = folder.join(format!("IM{:04}.dcm", name_number + 1));
        let instance = fresh_uid(&path)?;
        let position = geometry.index_to_world([0.0, 0.0, k as f64]);
        let cosines = [0, 1].map(|axis| geometry.direction.map(|row| row[axis]));

        let mut object = InMemDicomObject::new_empty();
        let mut put = |tag: Tag, vr: VR, value: PrimitiveValue| {
            object.put(DataElement::new(tag, vr, value));
        };
        put(tags::IMAGE_TYPE, VR::CS, strings(["DERIVED", "SECONDARY"]));
        put(tags::SOP_CLASS_UID, VR::UI, class.into());
        put(tags::SOP_INSTANCE_UID, VR::UI, instance.as_str().into());
        for date in
            [tags::STUDY_DATE, tags::STUDY_TIME, tags::ACCESSION_NUMBER, tags::REFERRING_PHYSICIAN_NAME]
        {
            put(date, vr_of_empty(date), PrimitiveValue::Empty);
        }
        put(tags::MODALITY, VR::CS, modality.into());
        if class == uids::SECONDARY_CAPTURE_IMAGE_STORAGE {
            put(tags::CONVERSION_TYPE, VR::CS, "WSD".into());
        }
        put(tags::MANUFACTURER, VR::LO, MANUFACTURER.into());
        put(tags::SERIES_DESCRIPTION, VR::LO, series.description.as_str().into());
        if !series.derivation.is_empty() {
            put(tags::DERIVATION_DESCRIPTION, VR::ST, series.derivation.as_str().into());
        }
        put(tags::PATIENT_NAME, VR::PN, name.as_str().into());
        put(tags::PATIENT_ID, VR::LO, id.as_str().into());
        put(tags::PATIENT_BIRTH_DATE, VR::DA, PrimitiveValue::Empty);
        put(tags::PATIENT_SEX, VR::CS, PrimitiveValue::Empty);
        put(tags::SLICE_THICKNESS, VR::DS, decimals(&[geometry.spacing[2]]));
        put(tags::STUDY_INSTANCE_UID, VR::UI, study.as_str().into());
        put(tags::SERIES_INSTANCE_UID, VR::UI, series_uid.as_str().into());
        put(tags::STUDY_ID, VR::SH, "1".into());
        put(tags::SERIES_NUMBER, VR::IS, "1".into());
        put(tags::INSTANCE_NUMBER, VR::IS, (name_number + 1).to_string().into());
        put(tags::IMAGE_POSITION_PATIENT, VR::DS, decimals(&position));
        put(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, decimals(cosines.as_flattened()));
        put(tags::FRAME_OF_REFERENCE_UID, VR::UI, frame_of_reference.as_str().into());
        put(tags::POSITION_REFERENCE_INDICATOR, VR::LO, PrimitiveValue::Empty);
        put(tags::SAMPLES_PER_PIXEL, VR::US, 1u16.into());
        put(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric.into());
        put(tags::ROWS, VR::US, rows.into());
        put(tags::COLUMNS, VR::US, columns.into());
        put(tags::PIXEL_SPACING, VR::DS, decimals(&[geometry.spacing[1], geometry.spacing[0]]));
        stored.describe(&mut put);
        if let Some(ratio) = series.lossy_ratio {
            put(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01".into());
            put(tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS, decimals(&[ratio]));
        }
        let (vr, pixels) = stored.slice(volume, k);
        put(tags::PIXEL_DATA, vr, pixels);

        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid(class)
            .media_storage_sop_instance_uid(&instance);
        let refused = |e: &dyn std::error::Error| {
            Error::io(&path, std::io::Error::other(super::attributes::reasons(e)))
        };
        let file = object.with_meta(meta).map_err(|e| refused(&e))?;
        atomic::write(&path, |writer| file.write_all(writer).map_err(|e| refused(&e)))
    })
}

fn strings<const N: usize>(values: [&str; N]) -> PrimitiveValue {
    PrimitiveValue::Strs(values.map(String::from).as_slice().into())
}

/// The value representations of the attributes that must be there and may be empty.
fn vr_of_empty(tag: Tag) -> VR {
    match tag {
        tags::STUDY_DATE => VR::DA,
        tags::STUDY_TIME => VR::TM,
        tags::ACCESSION_NUMBER => VR::SH,
        _ => VR::PN,
    }
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
    (0..=15)
        .rev()
        .flat_map(|digits| [format!("{value:.digits$}"), format!("{value:.digits$e}")])
        .filter(|text| text.len() <= 16)
        // Small numbers keep more digits with an exponent.
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
