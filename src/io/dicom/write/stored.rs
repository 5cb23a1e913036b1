//! How a volume's values are stored in the pixels of a DICOM image.

use super::kind::Kind;
use super::modules::put;
use super::{decimal, decimals};
use crate::error::{Error, Result};
use crate::io::rescale::Rescale;
use crate::volume::{FillRange, MaskClass, SampleType, Samples, VolumeHeader};
use dicom_core::{PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use std::path::Path;

/// What CT scanners add to Hounsfield units.
const CT_INTERCEPT: f64 = -1024.0;
/// Largest stored value of 12 bits.
const CT_LARGEST: f64 = 4095.0;
/// Largest stored value of 16 bits that is a measurement where masked voxels need one of their own.
const LARGEST: f64 = 65534.0;

/// Stored values, and the rescale that gives the real ones back.
pub(super) struct StoredValues {
    bits_allocated: u16,
    bits_stored: u16,
    signed: bool,
    rescale: Rescale,
    padding: Option<f64>,
    unit: String,
    /// The volume's values that stand for no data, and whether they are written as they are.
    fill: Option<FillRange>,
    fill_limit: Option<f64>,
    keeps_fill: bool,
    /// Whether a rescale that changes nothing is written, too.
    always_rescaled: bool,
}

impl StoredValues {
    /// For a volume whose range is asked for where the type alone does not tell how its values are stored.
    pub(super) fn of(
        volume: &VolumeHeader,
        range: impl Fn() -> Result<Option<(f64, f64)>>,
        path: &Path,
        kind: Kind,
    ) -> Result<Self> {
        let fill_value = volume.stored_fill_value();
        let plain = |bits: u16, signed: bool| Self {
            bits_allocated: bits,
            bits_stored: bits,
            signed,
            rescale: Rescale::NONE,
            padding: fill_value,
            unit: volume.unit.clone(),
            fill: volume.fill_range(),
            fill_limit: volume.fill_limit,
            keeps_fill: true,
            always_rescaled: kind.always_has_a_rescale(),
        };
        let scanner = |v: f64| (CT_INTERCEPT..=CT_INTERCEPT + CT_LARGEST).contains(&v);
        match volume.sample_type {
            SampleType::I16 if volume.unit == "HU" && fill_value.is_none() => {
                let (low, high) = range()?.unwrap_or((0.0, 0.0));
                if scanner(low) && scanner(high) {
                    let rescale = Rescale { slope: 1.0, intercept: CT_INTERCEPT };
                    return Ok(Self { bits_stored: 12, rescale, ..plain(16, false) });
                }
                return Ok(plain(16, true));
            }
            SampleType::U8 if kind.may_have_8_bits() => return Ok(plain(8, false)),
            SampleType::U8 | SampleType::U16 => return Ok(plain(16, false)),
            SampleType::I8 | SampleType::I16 => return Ok(plain(16, true)),
            _ => {}
        }
        let (low, high) = range()?.unwrap_or((0.0, 0.0));
        if !(high - low).is_finite() {
            return Err(Error::unsupported(
                path,
                format!("values from {low} to {high} do not fit a DICOM image"),
            ));
        }
        // The rescale is what its decimal strings say.
        let written = |v: f64| decimal(v).parse().unwrap_or(v);
        let whole = volume.sample_type.is_integer() && high - low <= LARGEST;
        let intercept = written(low);
        let mut slope = if whole || high == low { 1.0 } else { written((high - low) / LARGEST) };
        // Rounded down it would not reach the largest value.
        if (high - intercept) / slope > LARGEST + 0.5 {
            slope = written(slope * (1.0 + 1e-9));
        }
        if !whole && high > low {
            log::warn!(
                "{}: {} values become 16-bit integers with the slope {slope}: up to {:.3e} is lost",
                path.display(),
                volume.sample_type,
                slope / 2.0
            );
        }
        let rescale = Rescale { slope, intercept };
        Ok(Self { rescale, padding: Some(65535.0), fill_limit: None, keeps_fill: false, ..plain(16, false) })
    }

    /// The attributes that say how the pixels are stored.
    pub(super) fn describe(&self, object: &mut InMemDicomObject) {
        put(object, tags::BITS_ALLOCATED, VR::US, self.bits_allocated.into());
        put(object, tags::BITS_STORED, VR::US, self.bits_stored.into());
        put(object, tags::HIGH_BIT, VR::US, (self.bits_stored - 1).into());
        put(object, tags::PIXEL_REPRESENTATION, VR::US, u16::from(self.signed).into());
        if let Some(padding) = self.padding {
            let ends = [
                (tags::PIXEL_PADDING_VALUE, Some(padding)),
                (tags::PIXEL_PADDING_RANGE_LIMIT, self.fill_limit),
            ];
            for (tag, value) in ends {
                match value {
                    Some(value) if self.signed => put(object, tag, VR::SS, (value as i16).into()),
                    Some(value) => put(object, tag, VR::US, (value as u16).into()),
                    None => {}
                }
            }
        }
        if self.always_rescaled || self.rescale != Rescale::NONE || self.unit == "HU" {
            put(object, tags::RESCALE_INTERCEPT, VR::DS, decimals(&[self.rescale.intercept]));
            put(object, tags::RESCALE_SLOPE, VR::DS, decimals(&[self.rescale.slope]));
            let hounsfield = self.unit == "HU";
            put(object, tags::RESCALE_TYPE, VR::LO, if hounsfield { "HU" } else { "US" }.into());
        }
    }

    /// The pixels of slice `n` of samples, so many a slice.
    pub(super) fn slice(&self, samples: &Samples, n: usize, pixels: usize) -> (VR, PrimitiveValue) {
        let values = (n * pixels..(n + 1) * pixels).map(|index| {
            let value = samples.get(index);
            match MaskClass::of(value, self.fill) {
                Some(MaskClass::Fill) if self.keeps_fill => value,
                // Infinities are no less masked than NaN.
                Some(_) => self.padding.unwrap_or(0.0),
                None => ((value - self.rescale.intercept) / self.rescale.slope).round(),
            }
        });
        match (self.bits_allocated, self.signed) {
            (8, _) => {
                let mut bytes: Vec<u8> = values.map(|v| v as u8).collect();
                // An odd number of bytes is padded to an even one.
                if bytes.len() % 2 == 1 {
                    bytes.push(0);
                }
                (VR::OB, PrimitiveValue::U8(bytes.into()))
            }
            (_, true) => (VR::OW, PrimitiveValue::U16(values.map(|v| v as i16 as u16).collect())),
            (_, false) => (VR::OW, PrimitiveValue::U16(values.map(|v| v as u16).collect())),
        }
    }
}
