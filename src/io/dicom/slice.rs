//! One slice: an image file, or a frame of one; what geometry and pixels need, nothing else.

use super::attributes::{Attributes, transfer_syntax_name};
use super::file::{EXPLICIT_VR_BIG_ENDIAN, File, PixelPlace};
use super::origin::Origin;
use super::{codec, frames};
use crate::error::{Error, Result};
use crate::io::Limits;
use crate::io::rescale::Rescale;
use crate::volume::SampleType;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the slices of a file share.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) path: PathBuf,
    /// Tells series apart within one run; never stored or printed whole.
    pub(super) series_uid: String,
    /// Tells copies of a file; never stored or printed.
    pub(super) instance_uid: String,
    pub(super) series_number: String,
    /// Free text: for lists that the user asks for, never stored.
    pub(super) series_description: String,
    /// Name and ID: for lists of patients that the user asks for, never stored.
    pub(super) patient: String,
    pub(super) modality: String,
    /// The transfer syntax's UID.
    pub(super) transfer_syntax: String,
    pub(super) pixels: PixelPlace,
    pub(super) frames: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) bits_allocated: u32,
    pub(super) bits_stored: u32,
    pub(super) high_bit: u32,
    pub(super) signed: bool,
    pub(super) photometric: String,
    /// From Pixel Padding Value to Pixel Padding Range Limit, as values of all allocated bits.
    pub(super) padding: Option<RangeInclusive<i64>>,
    /// The values' unit, when the file names one other than that of the rescale.
    units: String,
    /// What a series that is derived from this image has to say.
    pub(super) origin: Origin,
}

impl Image {
    pub(super) fn big_endian(&self) -> bool {
        self.transfer_syntax == EXPLICIT_VR_BIG_ENDIAN
    }

    /// Bytes of one frame, uncompressed.
    pub(super) fn frame_bytes(&self) -> usize {
        self.rows * self.columns * self.bits_allocated as usize / 8
    }
}

/// A slice's header.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    pub(super) image: Arc<Image>,
    /// Which frame of the file, from 0.
    pub(super) frame: usize,
    /// Centre of the first pixel, LPS mm; absent in images that lie nowhere.
    pub(super) position: Option<[f64; 3]>,
    /// Direction of a row (increasing column), then of a column.
    pub(super) orientation: Option<[[f64; 3]; 2]>,
    /// Distance between rows, then between columns.
    pub(super) pixel_spacing: [f64; 2],
    /// Spacing between slices, or else thickness; what a lone slice has.
    pub(super) thickness: f64,
    pub(super) rescale: Rescale,
    rescale_type: String,
    pub(super) moment: Moment,
}

/// What may tell the time steps of one position apart, in the order of trust.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment(pub(super) [Option<f64>; 6]);

impl Moment {
    /// The names of its numbers.
    pub(super) const NAMES: [&'static str; 6] = [
        "temporal position",
        "acquisition number",
        "trigger time",
        "echo time",
        "acquisition time",
        "content time",
    ];
}

/// What a DICOM file is to us.
#[derive(Debug)]
pub(super) enum Found {
    /// The slices of an image.
    Image(Vec<Slice>),
    /// An image that is not handled: which series it belongs to, and why not.
    Refused { series_uid: String, why: Error },
    /// No image: a DICOMDIR, a structure set, a report.
    Other,
}

impl Slice {
    /// Reads a file's header. A damaged file is an error.
    pub(super) fn read(path: &Path, limits: &Limits) -> Result<Found> {
        let file = File::open(path, limits)?;
        match Self::of(path, &file, limits) {
            Ok(Some(slices)) => Ok(Found::Image(slices)),
            Ok(None) => Ok(Found::Other),
            Err(why @ Error::Unsupported { .. }) => {
                Ok(Found::Refused { series_uid: Attributes::of(&file).text(tags::SERIES_INSTANCE_UID), why })
            }
            Err(damaged) => Err(damaged),
        }
    }

    fn of(path: &Path, file: &File, limits: &Limits) -> Result<Option<Vec<Self>>> {
        let whole = Attributes::of(file);
        let (Some(rows), Some(columns)) = (whole.integer(tags::ROWS), whole.integer(tags::COLUMNS)) else {
            return Ok(None);
        };
        refuse_colour(path, &whole)?;
        if !codec::is_supported(&file.transfer_syntax) {
            return Err(Error::unsupported(
                path,
                format!(
                    "the transfer syntax {} is not supported{}; decompress the series first (dcmdjpeg, gdcmconv --raw)",
                    transfer_syntax_name(&file.transfer_syntax),
                    codec::missing_feature(&file.transfer_syntax)
                ),
            ));
        }
        let pixels = file
            .pixels
            .clone()
            .ok_or_else(|| Error::unsupported(path, "the image has no integer Pixel Data (7FE0,0010)"))?;
        let pixel = PixelFormat::of(path, &whole)?;
        if !(1..=65535).contains(&rows) || !(1..=65535).contains(&columns) {
            return Err(Error::format(path, format!("an image of {columns} x {rows} pixels")));
        }
        let frames = whole.integer(tags::NUMBER_OF_FRAMES).unwrap_or(1);
        let Some(frames) = usize::try_from(frames).ok().filter(|&n| n > 0) else {
            return Err(Error::format(path, format!("Number of Frames (0028,0008) is {frames}")));
        };
        let signed = whole.integer(tags::PIXEL_REPRESENTATION) == Some(1);
        // The value representation is US or SS, not always the one of the pixels: only the bits count.
        let container =
            |tag| whole.integer(tag).map(|v| container_value(v as u32, pixel.bits_allocated, signed));
        let padding = container(tags::PIXEL_PADDING_VALUE);
        let most = match &pixels {
            // Frames are made of fragments.
            PixelPlace::Encapsulated { fragments, .. } => fragments.len().min(limits.axis),
            PixelPlace::Native { .. } => limits.axis,
        };
        if frames > most {
            return Err(Error::format(
                path,
                format!("Number of Frames (0028,0008) is {frames}, of at most {most}"),
            ));
        }
        let image = Arc::new(Image {
            path: path.to_owned(),
            series_uid: whole.text(tags::SERIES_INSTANCE_UID),
            instance_uid: whole.text(tags::SOP_INSTANCE_UID),
            series_number: whole.text(tags::SERIES_NUMBER),
            series_description: whole.text(tags::SERIES_DESCRIPTION),
            patient: [tags::PATIENT_NAME, tags::PATIENT_ID].map(|tag| whole.text(tag)).join(", "),
            modality: whole.text(tags::MODALITY),
            transfer_syntax: file.transfer_syntax.clone(),
            pixels,
            frames,
            rows: rows as usize,
            columns: columns as usize,
            bits_allocated: pixel.bits_allocated,
            bits_stored: pixel.bits_stored,
            high_bit: pixel.high_bit,
            signed,
            photometric: whole.text(tags::PHOTOMETRIC_INTERPRETATION),
            padding: padding.map(|value| {
                let limit = container(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
                value.min(limit)..=value.max(limit)
            }),
            units: [tags::DOSE_UNITS, tags::UNITS]
                .map(|tag| whole.text(tag))
                .into_iter()
                .find(|unit| !unit.is_empty())
                .unwrap_or_default(),
            origin: Origin::of(&whole, file),
        });
        check_size(&image)?;
        let mut slices = (0..frames)
            .map(|frame| Self::of_frame(image.clone(), frame, &Attributes::of_frame(file, frame)))
            .collect::<Result<Vec<_>>>()?;
        frames::place(&whole, &mut slices)?;
        Ok(Some(slices))
    }

    fn of_frame(image: Arc<Image>, frame: usize, attributes: &Attributes) -> Result<Self> {
        let path = &image.path;
        let vector = |numbers: &[f64], at: usize| -> Option<[f64; 3]> {
            let vector: [f64; 3] = numbers.get(at..at + 3)?.try_into().ok()?;
            vector.iter().all(|v| v.is_finite()).then_some(vector)
        };
        let grouped = |group: Tag, tag: Tag| attributes.grouped(group, tag);
        let orientation = grouped(tags::PLANE_ORIENTATION_SEQUENCE, tags::IMAGE_ORIENTATION_PATIENT)
            .and_then(|cosines| Some([vector(&cosines, 0)?, vector(&cosines, 3)?]));
        let position = grouped(tags::PLANE_POSITION_SEQUENCE, tags::IMAGE_POSITION_PATIENT)
            .and_then(|position| vector(&position, 0));
        let pixel_spacing = match grouped(tags::PIXEL_MEASURES_SEQUENCE, tags::PIXEL_SPACING).as_deref() {
            Some([row, column]) if *row > 0.0 && *column > 0.0 && (row + column).is_finite() => {
                [*row, *column]
            }
            None => [1.0; 2],
            Some(other) => {
                return Err(Error::format(path, format!("Pixel Spacing (0028,0030) is {other:?}")));
            }
        };
        let first = |group: Tag, tag: Tag| grouped(group, tag).and_then(|n| n.first().copied());
        let thickness = [tags::SPACING_BETWEEN_SLICES, tags::SLICE_THICKNESS]
            .into_iter()
            .filter_map(|tag| first(tags::PIXEL_MEASURES_SEQUENCE, tag))
            .find(|v| *v > 0.0 && v.is_finite());
        let transformation = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
        let rescale = Rescale {
            // Dose grids call it otherwise.
            slope: first(transformation, tags::RESCALE_SLOPE)
                .or(attributes.number(tags::DOSE_GRID_SCALING))
                .unwrap_or(1.0),
            intercept: first(transformation, tags::RESCALE_INTERCEPT).unwrap_or(0.0),
        };
        if !rescale.slope.is_finite() || rescale.slope == 0.0 || !rescale.intercept.is_finite() {
            return Err(Error::format(
                path,
                format!("Rescale Slope (0028,1053) {} with intercept {}", rescale.slope, rescale.intercept),
            ));
        }
        let content = tags::FRAME_CONTENT_SEQUENCE;
        let moment = Moment([
            first(content, tags::TEMPORAL_POSITION_INDEX)
                .or_else(|| attributes.number(tags::TEMPORAL_POSITION_IDENTIFIER)),
            attributes.number(tags::ACQUISITION_NUMBER),
            attributes.number(tags::TRIGGER_TIME),
            first(tags::MR_ECHO_SEQUENCE, tags::EFFECTIVE_ECHO_TIME)
                .or_else(|| attributes.number(tags::ECHO_TIME)),
            seconds(&attributes.text(tags::ACQUISITION_TIME)),
            seconds(&attributes.text(tags::CONTENT_TIME)),
        ]);
        Ok(Self {
            frame,
            position,
            orientation,
            pixel_spacing,
            thickness: thickness.unwrap_or(1.0),
            rescale,
            rescale_type: attributes.grouped_text(transformation, tags::RESCALE_TYPE),
            moment,
            image,
        })
    }

    /// The type that holds the stored pixels.
    pub(super) fn stored_type(&self) -> SampleType {
        match (self.image.bits_allocated, self.image.signed) {
            (8, false) => SampleType::U8,
            (8, true) => SampleType::I8,
            (16, false) => SampleType::U16,
            (16, true) => SampleType::I16,
            (_, false) => SampleType::U32,
            (_, true) => SampleType::I32,
        }
    }

    /// `HU` for CT and whatever says so, `GY` and the like where the file names a unit, else nothing.
    pub(super) fn unit(&self) -> &str {
        match self.rescale_type.as_str() {
            "HU" => "HU",
            "" if self.image.modality == "CT" => "HU",
            _ => &self.image.units,
        }
    }

    /// The file's name, and the frame's number where there are several, for messages.
    pub(super) fn file_name(&self) -> String {
        let name = self.image.path.file_name().unwrap_or_default().to_string_lossy();
        if self.image.frames > 1 { format!("{name}, frame {}", self.frame + 1) } else { name.into_owned() }
    }
}

/// A pixel's value out of all its allocated bits.
pub(super) fn container_value(bits: u32, bits_allocated: u32, signed: bool) -> i64 {
    match (signed, bits_allocated) {
        (true, 8) => i64::from(bits as u8 as i8),
        (true, 16) => i64::from(bits as u16 as i16),
        (true, _) => i64::from(bits as i32),
        (false, _) => i64::from(bits & (u32::MAX >> (32 - bits_allocated))),
    }
}

/// How a pixel lies in its bits.
struct PixelFormat {
    bits_allocated: u32,
    bits_stored: u32,
    high_bit: u32,
}

impl PixelFormat {
    fn of(path: &Path, attributes: &Attributes) -> Result<Self> {
        let allocated = attributes
            .integer(tags::BITS_ALLOCATED)
            .ok_or_else(|| Error::format(path, "the attribute Bits Allocated (0028,0100) is missing"))?;
        if !matches!(allocated, 8 | 16 | 32) {
            return Err(Error::unsupported(
                path,
                format!("pixels of {allocated} allocated bits are not supported; only 8, 16 and 32 are"),
            ));
        }
        let stored = attributes.integer(tags::BITS_STORED).unwrap_or(allocated);
        let high_bit = attributes.integer(tags::HIGH_BIT).unwrap_or(stored.saturating_sub(1));
        if !(1..=allocated).contains(&stored) || !(stored - 1..allocated).contains(&high_bit) {
            return Err(Error::format(
                path,
                format!("{stored} stored bits below bit {high_bit} do not fit {allocated} allocated bits"),
            ));
        }
        let bits = |n: i64| n as u32; // at most 32, checked above
        Ok(Self { bits_allocated: bits(allocated), bits_stored: bits(stored), high_bit: bits(high_bit) })
    }
}

/// No codec shrinks an image to less than this part of its size.
const LARGEST_COMPRESSION: u64 = 8192;

/// Refuses more pixels than the file can hold.
fn check_size(image: &Image) -> Result<()> {
    let expected = (image.frame_bytes() as u64).saturating_mul(image.frames as u64);
    if let PixelPlace::Native { bytes, .. } = &image.pixels
        && bytes.len() as u64 / 2 >= expected.max(1)
        && expected > 1
    {
        return Err(Error::format(
            &image.path,
            format!(
                "Pixel Data have {} bytes where {expected} are needed; the header does not fit them (colours?)",
                bytes.len()
            ),
        ));
    }
    let (most, available) = match &image.pixels {
        PixelPlace::Native { bytes, .. } => (bytes.len() as u64, bytes.len()),
        PixelPlace::Encapsulated { fragments, .. } => {
            let bytes: usize = fragments.iter().map(|f| f.len()).sum();
            ((bytes as u64).saturating_mul(LARGEST_COMPRESSION), bytes)
        }
    };
    if expected > most {
        let Image { rows, columns, frames, .. } = image;
        return Err(Error::format(
            &image.path,
            format!(
                "{frames} x {columns} x {rows} pixels need {expected} bytes, Pixel Data have {available}; the file is \
                 truncated or corrupt"
            ),
        ));
    }
    Ok(())
}

fn refuse_colour(path: &Path, attributes: &Attributes) -> Result<()> {
    let samples = attributes.integer(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    let photometric = attributes.text(tags::PHOTOMETRIC_INTERPRETATION);
    if samples == 1 && (photometric.is_empty() || photometric.starts_with("MONOCHROME")) {
        return Ok(());
    }
    let what = if photometric.starts_with("PALETTE") { "colours of a palette" } else { "colours" };
    Err(Error::unsupported(
        path,
        format!(
            "the image holds {what} ({samples} samples per pixel, {photometric}): only grey values are supported"
        ),
    ))
}

/// Seconds of the day out of `HHMMSS.ffffff` (PS3.5, section 6.2).
fn seconds(time: &str) -> Option<f64> {
    let part = |range: std::ops::Range<usize>| time.get(range)?.parse::<f64>().ok();
    let [hours, minutes] = [part(0..2)?, part(2..4).unwrap_or(0.0)];
    let seconds = time.get(4..).and_then(|s| s.parse::<f64>().ok()).unwrap_or(0.0);
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}
