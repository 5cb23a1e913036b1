//! One slice's header: what geometry and pixels need, nothing else.

use crate::error::{Error, Result};
use crate::io::rescale::Rescale;
use crate::volume::SampleType;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, OpenFileOptions};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry, entries};
use std::path::{Path, PathBuf};

/// A slice's header.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    pub(super) path: PathBuf,
    /// Tells series apart within one run; never stored or printed whole.
    pub(super) series_uid: String,
    pub(super) series_number: String,
    /// Free text: for lists that the user asks for, never stored.
    pub(super) series_description: String,
    pub(super) modality: String,
    /// The transfer syntax's name.
    pub(super) transfer_syntax: String,
    pub(super) big_endian: bool,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Centre of the first pixel, LPS mm; absent in images that lie nowhere.
    pub(super) position: Option<[f64; 3]>,
    /// Direction of a row (increasing column), then of a column.
    pub(super) orientation: Option<[[f64; 3]; 2]>,
    /// Distance between rows, then between columns.
    pub(super) pixel_spacing: [f64; 2],
    /// Spacing between slices, or else thickness; what a lone slice has.
    pub(super) thickness: f64,
    pub(super) bits_allocated: u32,
    pub(super) bits_stored: u32,
    pub(super) high_bit: u32,
    pub(super) signed: bool,
    pub(super) photometric: String,
    pub(super) rescale: Rescale,
    pub(super) rescale_type: String,
    /// Pixel Padding Value, as the bits of a stored pixel.
    pub(super) padding: Option<u32>,
}

/// What a DICOM file is to us.
#[derive(Debug)]
pub(super) enum Found {
    /// A slice.
    Image(Box<Slice>),
    /// An image that is not handled: which series it belongs to, and why not.
    Refused { series_uid: String, why: Error },
    /// No image: a DICOMDIR, a structure set, a report.
    Other,
}

impl Slice {
    /// Reads a header. A damaged file is an error.
    pub(super) fn read(path: &Path) -> Result<Found> {
        super::lengths::check(path)?;
        let object = OpenFileOptions::new()
            .read_until(tags::PIXEL_DATA)
            .open_file(path)
            .map_err(|e| Error::format(path, format!("damaged DICOM file: {}", reasons(&e))))?;
        match Self::of(path, &object) {
            Ok(Some(slice)) => Ok(Found::Image(Box::new(slice))),
            Ok(None) => Ok(Found::Other),
            Err(why @ Error::Unsupported { .. }) => {
                Ok(Found::Refused { series_uid: text(&object, tags::SERIES_INSTANCE_UID), why })
            }
            Err(damaged) => Err(damaged),
        }
    }

    fn of(path: &Path, object: &DefaultDicomObject) -> Result<Option<Self>> {
        let (Some(rows), Some(columns)) = (integer(object, tags::ROWS), integer(object, tags::COLUMNS))
        else {
            return Ok(None);
        };
        let transfer_syntax = native_transfer_syntax(path, object)?;
        refuse_colour_and_frames(path, object)?;

        let need = |tag: Tag, name: &str| {
            integer(object, tag)
                .ok_or_else(|| Error::format(path, format!("the attribute {name} is missing")))
        };
        let bits_allocated = need(tags::BITS_ALLOCATED, "Bits Allocated (0028,0100)")?;
        if !matches!(bits_allocated, 8 | 16 | 32) {
            return Err(Error::unsupported(
                path,
                format!("pixels of {bits_allocated} allocated bits are not supported; only 8, 16 and 32 are"),
            ));
        }
        let bits_stored = integer(object, tags::BITS_STORED).unwrap_or(bits_allocated);
        let high_bit = integer(object, tags::HIGH_BIT).unwrap_or(bits_stored - 1);
        if !(1..=bits_allocated).contains(&bits_stored)
            || high_bit + 1 < bits_stored
            || high_bit >= bits_allocated
        {
            return Err(Error::format(
                path,
                format!(
                    "{bits_stored} stored bits below bit {high_bit} do not fit {bits_allocated} allocated bits"
                ),
            ));
        }
        if !(1..=65535).contains(&rows) || !(1..=65535).contains(&columns) {
            return Err(Error::format(path, format!("an image of {columns} x {rows} pixels")));
        }
        let pixel_bytes = (rows * columns * bits_allocated / 8) as u64;
        let file_bytes = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        if file_bytes < pixel_bytes {
            return Err(Error::format(
                path,
                format!(
                    "{columns} x {rows} pixels need {pixel_bytes} bytes, the file has {file_bytes}; it is truncated"
                ),
            ));
        }
        let vector = |tag: Tag, at: usize| -> Option<[f64; 3]> {
            let vector: [f64; 3] = numbers(object, tag)?.get(at..at + 3)?.try_into().ok()?;
            vector.iter().all(|v| v.is_finite()).then_some(vector)
        };
        let orientation =
            match (vector(tags::IMAGE_ORIENTATION_PATIENT, 0), vector(tags::IMAGE_ORIENTATION_PATIENT, 3)) {
                (Some(row), Some(column)) => Some([row, column]),
                _ => None,
            };
        let pixel_spacing = match numbers(object, tags::PIXEL_SPACING).as_deref() {
            Some([row, column]) if *row > 0.0 && *column > 0.0 && (row + column).is_finite() => {
                [*row, *column]
            }
            None => [1.0; 2],
            Some(other) => {
                return Err(Error::format(path, format!("Pixel Spacing (0028,0030) is {other:?}")));
            }
        };
        let positive = |tag: Tag| number(object, tag).filter(|v| *v > 0.0 && v.is_finite());
        let rescale = Rescale {
            // Dose grids call it otherwise.
            slope: number(object, tags::RESCALE_SLOPE)
                .or(number(object, tags::DOSE_GRID_SCALING))
                .unwrap_or(1.0),
            intercept: number(object, tags::RESCALE_INTERCEPT).unwrap_or(0.0),
        };
        if !rescale.slope.is_finite() || rescale.slope == 0.0 || !rescale.intercept.is_finite() {
            return Err(Error::format(
                path,
                format!("Rescale Slope (0028,1053) {} with intercept {}", rescale.slope, rescale.intercept),
            ));
        }
        Ok(Some(Slice {
            path: path.to_owned(),
            series_uid: text(object, tags::SERIES_INSTANCE_UID),
            series_number: text(object, tags::SERIES_NUMBER),
            series_description: text(object, tags::SERIES_DESCRIPTION),
            modality: text(object, tags::MODALITY),
            big_endian: transfer_syntax == entries::EXPLICIT_VR_BIG_ENDIAN.name(),
            transfer_syntax,
            rows: rows as usize,
            columns: columns as usize,
            position: vector(tags::IMAGE_POSITION_PATIENT, 0),
            orientation,
            pixel_spacing,
            thickness: positive(tags::SPACING_BETWEEN_SLICES)
                .or(positive(tags::SLICE_THICKNESS))
                .unwrap_or(1.0),
            bits_allocated: bits_allocated as u32,
            bits_stored: bits_stored as u32,
            high_bit: high_bit as u32,
            signed: integer(object, tags::PIXEL_REPRESENTATION) == Some(1),
            photometric: text(object, tags::PHOTOMETRIC_INTERPRETATION),
            rescale,
            rescale_type: text(object, tags::RESCALE_TYPE),
            // The value representation is US or SS, not always the one of the pixels: only the bits count.
            padding: integer(object, tags::PIXEL_PADDING_VALUE)
                .map(|v| v as u32 & (u32::MAX >> (32 - bits_allocated as u32))),
        }))
    }

    /// The type that holds the stored pixels.
    pub(super) fn stored_type(&self) -> SampleType {
        match (self.bits_allocated, self.signed) {
            (8, false) => SampleType::U8,
            (8, true) => SampleType::I8,
            (16, false) => SampleType::U16,
            (16, true) => SampleType::I16,
            (_, false) => SampleType::U32,
            (_, true) => SampleType::I32,
        }
    }

    /// `HU` for CT and whatever says so, else nothing.
    pub(super) fn unit(&self) -> &'static str {
        let hounsfield = match self.rescale_type.as_str() {
            "HU" => true,
            "" => self.modality == "CT",
            _ => false,
        };
        if hounsfield { "HU" } else { "" }
    }

    /// The file's name, for messages.
    pub(super) fn file_name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// The transfer syntax's name; compressed ones are refused.
fn native_transfer_syntax(path: &Path, object: &DefaultDicomObject) -> Result<String> {
    let uid = object.meta().transfer_syntax().trim_end_matches('\0');
    match TransferSyntaxRegistry.get(uid) {
        Some(syntax) if syntax.is_codec_free() => Ok(syntax.name().into()),
        syntax => Err(Error::unsupported(
            path,
            format!(
                "the transfer syntax {} is not supported; decompress the series first (dcmdjpeg, gdcmconv --raw)",
                syntax.map_or(uid, |s| s.name())
            ),
        )),
    }
}

fn refuse_colour_and_frames(path: &Path, object: &DefaultDicomObject) -> Result<()> {
    let samples = integer(object, tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    let photometric = text(object, tags::PHOTOMETRIC_INTERPRETATION);
    if samples != 1 || !(photometric.is_empty() || photometric.starts_with("MONOCHROME")) {
        return Err(Error::unsupported(
            path,
            format!("{samples} samples per pixel, {photometric}: only grey-value images are supported"),
        ));
    }
    let frames = integer(object, tags::NUMBER_OF_FRAMES).unwrap_or(1);
    if frames > 1 {
        return Err(Error::unsupported(
            path,
            format!(
                "the file holds {frames} frames; multi-frame images are not supported: split it into single slices"
            ),
        ));
    }
    Ok(())
}

fn text(object: &DefaultDicomObject, tag: Tag) -> String {
    let value = object.get(tag).and_then(|e| e.to_str().ok());
    value.map(|v| v.trim_matches([' ', '\0']).to_owned()).unwrap_or_default()
}

fn numbers(object: &DefaultDicomObject, tag: Tag) -> Option<Vec<f64>> {
    object.get(tag).and_then(|e| e.to_multi_float64().ok()).filter(|v| !v.is_empty())
}

fn number(object: &DefaultDicomObject, tag: Tag) -> Option<f64> {
    numbers(object, tag)?.first().copied()
}

fn integer(object: &DefaultDicomObject, tag: Tag) -> Option<i64> {
    object.get(tag)?.to_int().ok()
}

/// An error and what caused it, in one line.
pub(super) fn reasons(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}
