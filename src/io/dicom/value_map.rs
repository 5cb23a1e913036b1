//! From stored to real values: a line (PS3.3, C.11.1.1.2) or a table (C.11.1.1.1).

use super::attributes::{Attributes, named};
use crate::io::rescale::Rescale;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::sync::Arc;

/// How the stored values of a slice become real ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ValueMap {
    Linear(Rescale),
    Table(Arc<Table>),
}

/// A Modality LUT: the real values of stored ones from `first` on; what lies outside takes those of the ends.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    first: i64,
    values: Vec<u16>,
    /// Bits of a value: 8 or 16.
    bits: u16,
    /// `HU`, `US` (unspecified) and the like.
    unit: String,
}

impl ValueMap {
    /// The real value of a stored one.
    #[inline]
    pub(super) fn apply(&self, stored: i64) -> f64 {
        match self {
            ValueMap::Linear(rescale) => rescale.apply(stored as f64),
            ValueMap::Table(table) => table.apply(stored).into(),
        }
    }

    /// That of a frame, or why it cannot be used.
    ///
    /// A slope that is 0 or no number is not taken for absent: the samples would be other ones than those measured.
    pub(super) fn of(attributes: &Attributes, signed: bool) -> Result<Self, String> {
        let sequence = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
        let number = |tag: Tag| attributes.grouped_number(sequence, tag).map_err(|e| e.to_string());
        let table = attributes.items(tags::MODALITY_LUT_SEQUENCE).next();
        let (slope, intercept) = (number(tags::RESCALE_SLOPE)?, number(tags::RESCALE_INTERCEPT)?);
        if let (Some(table), None) = (table, slope) {
            return Table::of(&table, signed).map(|table| ValueMap::Table(Arc::new(table)));
        }
        // Dose grids call it otherwise.
        let dose = attributes.number(tags::DOSE_GRID_SCALING).map_err(|e| e.to_string())?;
        let rescale = Rescale { slope: slope.or(dose).unwrap_or(1.0), intercept: intercept.unwrap_or(0.0) };
        if rescale.slope == 0.0 {
            let tag = if slope.is_some() { tags::RESCALE_SLOPE } else { tags::DOSE_GRID_SCALING };
            return Err(format!("{} is 0: all samples would have one value", named(tag)));
        }
        Ok(ValueMap::Linear(rescale))
    }

    /// The unit that a table names.
    pub(super) fn unit(&self) -> Option<&str> {
        match self {
            ValueMap::Table(table) => Some(table.unit.as_str()),
            ValueMap::Linear(_) => None,
        }
    }
}

impl Table {
    #[inline]
    fn apply(&self, stored: i64) -> u16 {
        let last = self.values.len().saturating_sub(1);
        let at = usize::try_from(stored.saturating_sub(self.first)).unwrap_or(0).min(last);
        self.values.get(at).copied().unwrap_or_default()
    }

    /// True where values need no more than eight bits.
    pub(super) fn is_narrow(&self) -> bool {
        self.bits <= 8
    }

    fn of(item: &Attributes, signed: bool) -> Result<Self, String> {
        let what = "Modality LUT Sequence (0028,3000)";
        let table = Self::at(item, what, (tags::LUT_DESCRIPTOR, tags::LUT_DATA), signed)?;
        Ok(Self { unit: item.text(tags::MODALITY_LUT_TYPE), ..table })
    }

    /// One of a palette's, whose descriptor and data have these tags.
    pub(super) fn of_palette(whole: &Attributes, places: (Tag, Tag), signed: bool) -> Result<Self, String> {
        Self::at(whole, &named(places.1), places, signed)
    }

    fn at(
        item: &Attributes,
        what: &str,
        (descriptor, data): (Tag, Tag),
        signed: bool,
    ) -> Result<Self, String> {
        let damaged = |why: String| format!("the {what} cannot be used: {why}");
        // The second entry is signed where the pixels are, whatever it is declared as.
        let descriptor = item.words(descriptor).unwrap_or_default();
        let [count, first, bits] = descriptor[..] else {
            return Err(damaged(format!("its descriptor has {} entries, not 3", descriptor.len())));
        };
        let count = if count == 0 { 1 << 16 } else { usize::from(count) };
        if !(1..=16).contains(&bits) {
            return Err(damaged(format!("its values have {bits} bits")));
        }
        let first = if signed { i64::from(first as i16) } else { i64::from(first) };
        // Words, or bytes where it has as many as it has entries: two of them in a word, the lower one first.
        let length = item.bytes(data).unwrap_or_default().len();
        let words = item.words(data).unwrap_or_default();
        let values: Vec<u16> = if bits <= 8 && length.div_ceil(2) * 2 == count.div_ceil(2) * 2 {
            let odd = item.bytes(data).filter(|bytes| bytes.len() % 2 == 1).and_then(|bytes| bytes.last());
            let pairs = words.iter().flat_map(|word| word.to_le_bytes()).chain(odd.copied());
            pairs.take(count).map(u16::from).collect()
        } else {
            words.into_iter().take(count).collect()
        };
        if values.len() < count {
            return Err(damaged(format!("its data have {length} bytes for {count} values")));
        }
        Ok(Self { first, values, bits, unit: String::new() })
    }
}
