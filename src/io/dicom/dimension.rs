//! What may tell slices at one position apart: the attributes that standard and vendors have for it.

use super::attributes::{Attributes, Readable};
pub(super) use super::dimension_value::Value;
use super::image::Image;
use super::own_dimensions::indices;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

/// What an attribute's values mean for volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Time, in numbers that are the same at every position: volumes are steps of a series over time.
    Time,
    /// Measurements that were repeated: steps over time where all lie on the same positions, else volumes of their own.
    Repetition,
    /// Different pictures of one place: echoes, b-values, magnitude and phase. The caller has to choose.
    Contrast,
    /// A clock, or a count: only its order at each position says something.
    Order,
}

/// An attribute that may tell volumes apart.
pub(super) struct Dimension {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

const fn dimension(name: &'static str, kind: Kind) -> Dimension {
    Dimension { name, kind }
}

/// Dimensions that say when a slice was measured, and seconds of their unit; the first two are intervals, the last one is
/// the clock.
pub(super) const TIMES: [(&str, f64); 3] =
    [("trigger time", 1e-3), ("frame reference time", 1e-3), ("acquisition time", 1.0)];

/// In the order of trust. [`Traits::of`] has the values in the same order; a file's own dimensions come behind them.
pub(super) const DIMENSIONS: [Dimension; 19] = [
    dimension("temporal position", Kind::Time),
    dimension("trigger time", Kind::Time),
    dimension("frame reference time", Kind::Time),
    dimension("cardiac phase", Kind::Time),
    dimension("echo time", Kind::Contrast),
    dimension("echo number", Kind::Contrast),
    dimension("b-value", Kind::Contrast),
    dimension("gradient direction", Kind::Contrast),
    dimension("image type", Kind::Contrast),
    dimension("complex component", Kind::Contrast),
    dimension("inversion time", Kind::Contrast),
    dimension("flip angle", Kind::Contrast),
    dimension("acquisition number", Kind::Repetition),
    dimension("convolution kernel", Kind::Contrast),
    dimension("tube voltage", Kind::Contrast),
    dimension("stack", Kind::Contrast),
    dimension("acquisition time", Kind::Order),
    dimension("content time", Kind::Order),
    dimension(INSTANCE_NUMBER, Kind::Order),
];

/// The last resort: volumes that follow each other as blocks.
pub(super) const INSTANCE_NUMBER: &str = "instance number";

/// Of a dimension, or one of the file's own.
pub(super) fn kind(index: usize) -> Kind {
    DIMENSIONS.get(index).map_or(Kind::Contrast, |dimension| dimension.kind)
}

pub(super) fn name(index: usize, image: &Image) -> &str {
    match DIMENSIONS.get(index) {
        Some(dimension) => dimension.name,
        None => image.dimensions.get(index - DIMENSIONS.len()).map_or("", String::as_str),
    }
}

/// A slice's values of [`DIMENSIONS`] and of the file's own dimensions.
#[derive(Debug, Clone, Default)]
pub(super) struct Traits(Vec<Option<Value>>);

impl Traits {
    pub(super) fn get(&self, index: usize) -> Option<&Value> {
        self.0.get(index)?.as_ref()
    }

    /// How many may be there.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn of(attributes: &Attributes, image: &Image, frame: usize) -> Self {
        // What is no number still tells volumes apart.
        let value = |readable: Readable<f64>, text: Tag| match readable {
            Ok(number) => number.map(Value::Number),
            Err(_) => Some(attributes.text(text)).filter(|text| !text.is_empty()).map(Value::Text),
        };
        let own = |tag: Tag| value(attributes.number(tag), tag);
        let in_group = |group: Tag, tag: Tag| value(attributes.grouped_number(group, tag), tag);
        let clock = |text: String| seconds(&text).map(Value::Number);
        let text = |text: String| Some(text).filter(|text| !text.is_empty()).map(Value::Text);
        let content = tags::FRAME_CONTENT_SEQUENCE;
        let frame_type = [tags::MR_IMAGE_FRAME_TYPE_SEQUENCE, tags::CT_IMAGE_FRAME_TYPE_SEQUENCE]
            .map(|group| attributes.grouped_text(group, tags::FRAME_TYPE))
            .into_iter()
            .find(|text| !text.is_empty());
        let values: [Option<Value>; DIMENSIONS.len()] = [
            in_group(content, tags::TEMPORAL_POSITION_INDEX)
                .or_else(|| own(tags::TEMPORAL_POSITION_IDENTIFIER)),
            in_group(tags::CARDIAC_SYNCHRONIZATION_SEQUENCE, tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME)
                .or_else(|| own(tags::TRIGGER_TIME)),
            own(tags::FRAME_REFERENCE_TIME),
            in_group(tags::CARDIAC_SYNCHRONIZATION_SEQUENCE, tags::NOMINAL_PERCENTAGE_OF_CARDIAC_PHASE),
            in_group(tags::MR_ECHO_SEQUENCE, tags::EFFECTIVE_ECHO_TIME).or_else(|| own(tags::ECHO_TIME)),
            own(tags::ECHO_NUMBERS),
            b_value(attributes).map(Value::Number),
            gradient(attributes),
            text(frame_type.unwrap_or_else(|| attributes.text(tags::IMAGE_TYPE))),
            text(attributes.grouped_text(tags::MR_IMAGE_FRAME_TYPE_SEQUENCE, tags::COMPLEX_IMAGE_COMPONENT)),
            in_group(tags::MR_MODIFIER_SEQUENCE, tags::INVERSION_TIMES).or_else(|| own(tags::INVERSION_TIME)),
            in_group(tags::MR_TIMING_AND_RELATED_PARAMETERS_SEQUENCE, tags::FLIP_ANGLE),
            own(tags::ACQUISITION_NUMBER),
            text(attributes.grouped_text(tags::CT_RECONSTRUCTION_SEQUENCE, tags::CONVOLUTION_KERNEL)),
            own(tags::KVP),
            text(attributes.grouped_text(content, tags::STACK_ID)),
            clock(attributes.grouped_text(content, tags::FRAME_ACQUISITION_DATE_TIME))
                .or_else(|| clock(attributes.text(tags::ACQUISITION_DATE_TIME)))
                .or_else(|| clock(attributes.text(tags::ACQUISITION_TIME))),
            clock(attributes.text(tags::CONTENT_TIME)),
            instance(attributes, image, frame),
        ];
        let mut traits = Self(values.into());
        traits.0.extend(indices(attributes));
        traits
    }
}

/// The place of a slice in the order of its series.
fn instance(attributes: &Attributes, image: &Image, frame: usize) -> Option<Value> {
    let number = attributes.number(tags::INSTANCE_NUMBER).ok().flatten();
    match (number, image.frames) {
        (None, 1) => None,
        (number, frames) => Some(Value::Number(number.unwrap_or(0.0) * frames as f64 + frame as f64)),
    }
}

/// The b-value in s/mm2: the standard's, or that of a vendor's own element.
fn b_value(attributes: &Attributes) -> Option<f64> {
    let standard = attributes.grouped_number(tags::MR_DIFFUSION_SEQUENCE, tags::DIFFUSION_B_VALUE);
    if let Ok(Some(value)) = standard {
        return Some(value);
    }
    attributes
        .private_number(0x0019, "SIEMENS MR HEADER", 0x0c, VR::IS)
        // GE adds 10^9 in some versions.
        .or_else(|| attributes.private_number(0x0043, "GEMS_PARM_01", 0x39, VR::IS).map(|value| value % 1e9))
        .or_else(|| attributes.private_number(0x2001, "Philips Imaging DD 001", 0x03, VR::FL))
}

/// The direction of the diffusion gradient, as text.
fn gradient(attributes: &Attributes) -> Option<Value> {
    let standard = attributes
        .group(tags::MR_DIFFUSION_SEQUENCE)
        .and_then(|group| group.items(tags::DIFFUSION_GRADIENT_DIRECTION_SEQUENCE).next())
        .and_then(|item| item.numbers(tags::DIFFUSION_GRADIENT_ORIENTATION).ok().flatten());
    let vector = standard
        .or_else(|| attributes.numbers(tags::DIFFUSION_GRADIENT_ORIENTATION).ok().flatten())
        .or_else(|| {
            let tag = attributes.private(0x0019, "SIEMENS MR HEADER", 0x0e)?;
            attributes.numbers(tag).ok().flatten()
        })?;
    let text: Vec<String> = vector.iter().map(|v| format!("{v:.4}")).collect();
    Some(Value::Text(text.join(" ")))
}

/// Seconds out of `HHMMSS.ffffff`, or out of a date with such a time behind it (PS3.5, section 6.2); days count in the latter.
fn seconds(time: &str) -> Option<f64> {
    let digits = time.find(|c: char| !c.is_ascii_digit()).unwrap_or(time.len());
    let (days, time) = match digits {
        // Days since any one day do: they are only compared.
        14.. => (time.get(..8)?.parse::<f64>().ok()?, time.get(8..)?),
        _ => (0.0, time),
    };
    // A time zone's offset is the same for all.
    let time = time.split(['+', '-', '&']).next().unwrap_or_default();
    let part = |range: std::ops::Range<usize>| time.get(range)?.parse::<f64>().ok();
    let [hours, minutes] = [part(0..2)?, part(2..4).unwrap_or(0.0)];
    let seconds = time.get(4..).and_then(|s| s.parse::<f64>().ok()).unwrap_or(0.0);
    Some(days * 86400.0 + hours * 3600.0 + minutes * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_seconds() {
        assert_eq!(seconds("100001.25"), Some(36001.25));
        assert_eq!(seconds("1000"), Some(36000.0));
        let day = seconds("20240102100001").unwrap() - seconds("20240101100000.5+0100").unwrap();
        assert_eq!(day, 86400.5);
        assert_eq!(seconds(""), None);
    }

    #[test]
    fn values_are_meant_by_numbers_and_by_parts_of_texts() {
        assert!(Value::Number(1000.0).is_meant_by("1000") && Value::Number(4.92).is_meant_by("4.920"));
        assert!(!Value::Number(1000.0).is_meant_by("100"));
        let image_type = Value::Text("ORIGINAL\\PRIMARY\\M\\ND".into());
        assert!(image_type.is_meant_by("m") && !image_type.is_meant_by("P"));
    }
}
