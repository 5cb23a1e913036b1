//! Writing a phantom: a volume that never was a patient, as a CT series of single slices.

use crate::error::{Error, Result};
use crate::io::atomic;
use crate::volume::{Samples, Volume};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use rayon::prelude::*;
use std::path::Path;

/// Real value = stored value + this, as CT scanners write it.
const RESCALE_INTERCEPT: i16 = -1024;
/// Largest stored value of 12 bits.
const LARGEST_STORED: i16 = 4095;

/// What a phantom series says about itself.
#[derive(Debug, Clone)]
pub struct SeriesDescription {
    /// Series Description (0008,103E).
    pub description: String,
    /// Decides which file name each slice gets: names say nothing about positions.
    pub seed: u64,
}

impl Default for SeriesDescription {
    fn default() -> Self {
        Self { description: "neuvol phantom".into(), seed: 0 }
    }
}

/// Writes int16 Hounsfield units as a CT series into `folder`: one Explicit VR Little Endian file per slice, unsigned
/// 12-bit pixels, fresh UIDs, patient `PHANTOM^NEUVOL`.
///
/// # Errors
/// [`Error::Options`] when the samples are not int16 within -1024..=3071 or a slice is larger than 65535 pixels across,
/// [`Error::Io`] when writing fails.
pub fn write_series(volume: &Volume, folder: &Path, series: &SeriesDescription) -> Result<()> {
    let [columns, rows, count] = volume.shape();
    let Samples::I16(values) = volume.samples() else {
        return Err(Error::Options(format!("a CT series holds int16 samples, not {}", volume.sample_type())));
    };
    let allowed = RESCALE_INTERCEPT..=RESCALE_INTERCEPT + LARGEST_STORED;
    if let Some(value) = values.iter().find(|v| !allowed.contains(v)) {
        return Err(Error::Options(format!(
            "{value} HU does not fit the 12 bits of a CT series ({} to {} HU)",
            allowed.start(),
            allowed.end()
        )));
    }
    let (Ok(rows_field), Ok(columns_field)) = (u16::try_from(rows), u16::try_from(columns)) else {
        return Err(Error::Options(format!(
            "a slice of {columns} x {rows} pixels does not fit a DICOM image"
        )));
    };
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;

    let study = fresh_uid(folder)?;
    let series_uid = fresh_uid(folder)?;
    let frame_of_reference = fresh_uid(folder)?;
    let names = shuffled(count, series.seed);
    let geometry = &volume.geometry;
    values.par_chunks(rows * columns).zip(names).enumerate().try_for_each(|(k, (slice, name))| {
        let path = folder.join(format!("IM{:04}.dcm", name + 1));
        let instance = fresh_uid(&path)?;
        let position = geometry.index_to_world([0.0, 0.0, k as f64]);
        let cosines = [0, 1].map(|axis| geometry.direction.map(|row| row[axis]));
        let stored = slice.iter().map(|v| (v - RESCALE_INTERCEPT) as u16).collect();

        let mut object = InMemDicomObject::new_empty();
        let mut put = |tag: Tag, vr: VR, value: PrimitiveValue| {
            object.put(DataElement::new(tag, vr, value));
        };
        put(
            tags::IMAGE_TYPE,
            VR::CS,
            PrimitiveValue::Strs(["DERIVED", "SECONDARY", "AXIAL"].map(String::from).as_slice().into()),
        );
        put(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE.into());
        put(tags::SOP_INSTANCE_UID, VR::UI, instance.as_str().into());
        for date in
            [tags::STUDY_DATE, tags::STUDY_TIME, tags::ACCESSION_NUMBER, tags::REFERRING_PHYSICIAN_NAME]
        {
            put(date, vr_of_empty(date), PrimitiveValue::Empty);
        }
        put(tags::MODALITY, VR::CS, "CT".into());
        put(tags::MANUFACTURER, VR::LO, "neuvol".into());
        put(tags::SERIES_DESCRIPTION, VR::LO, series.description.as_str().into());
        put(tags::PATIENT_NAME, VR::PN, "PHANTOM^NEUVOL".into());
        put(tags::PATIENT_ID, VR::LO, "PHANTOM".into());
        put(tags::PATIENT_BIRTH_DATE, VR::DA, PrimitiveValue::Empty);
        put(tags::PATIENT_SEX, VR::CS, PrimitiveValue::Empty);
        put(tags::SLICE_THICKNESS, VR::DS, decimals(&[geometry.spacing[2]]));
        put(tags::STUDY_INSTANCE_UID, VR::UI, study.as_str().into());
        put(tags::SERIES_INSTANCE_UID, VR::UI, series_uid.as_str().into());
        put(tags::STUDY_ID, VR::SH, "1".into());
        put(tags::SERIES_NUMBER, VR::IS, "1".into());
        put(tags::INSTANCE_NUMBER, VR::IS, (name + 1).to_string().into());
        put(tags::IMAGE_POSITION_PATIENT, VR::DS, decimals(&position));
        put(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, decimals(cosines.as_flattened()));
        put(tags::FRAME_OF_REFERENCE_UID, VR::UI, frame_of_reference.as_str().into());
        put(tags::POSITION_REFERENCE_INDICATOR, VR::LO, PrimitiveValue::Empty);
        put(tags::SAMPLES_PER_PIXEL, VR::US, 1u16.into());
        put(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2".into());
        put(tags::ROWS, VR::US, rows_field.into());
        put(tags::COLUMNS, VR::US, columns_field.into());
        put(tags::PIXEL_SPACING, VR::DS, decimals(&[geometry.spacing[1], geometry.spacing[0]]));
        put(tags::BITS_ALLOCATED, VR::US, 16u16.into());
        put(tags::BITS_STORED, VR::US, 12u16.into());
        put(tags::HIGH_BIT, VR::US, 11u16.into());
        put(tags::PIXEL_REPRESENTATION, VR::US, 0u16.into());
        put(tags::RESCALE_INTERCEPT, VR::DS, RESCALE_INTERCEPT.to_string().into());
        put(tags::RESCALE_SLOPE, VR::DS, "1".into());
        put(tags::RESCALE_TYPE, VR::LO, "HU".into());
        put(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored));

        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
            .media_storage_sop_instance_uid(&instance);
        let refused = |e: &dyn std::error::Error| {
            Error::io(&path, std::io::Error::other(super::attributes::reasons(e)))
        };
        let file = object.with_meta(meta).map_err(|e| refused(&e))?;
        atomic::write(&path, |writer| file.write_all(writer).map_err(|e| refused(&e)))
    })
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
    let decimal = |&value: &f64| {
        (0..=15)
            .rev()
            .flat_map(|digits| [format!("{value:.digits$}"), format!("{value:.digits$e}")])
            .find(|text| text.len() <= 16)
            .unwrap_or_else(|| format!("{value:e}"))
    };
    PrimitiveValue::Strs(values.iter().map(decimal).collect())
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
