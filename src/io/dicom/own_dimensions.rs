//! The dimensions that a file names itself.

use super::attributes::Attributes;
use super::dimension_value::Value;
use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, tags};

/// Attributes that only say where a frame lies, or which of the dimensions above it has.
const POSITIONS: [Tag; 2] = [tags::IN_STACK_POSITION_NUMBER, tags::IMAGE_POSITION_PATIENT];

/// The names of a file's own dimensions (PS3.3, C.7.6.17): those of its index, of nuclear medicine's vectors else.
pub(super) fn names(whole: &Attributes) -> Vec<String> {
    let of_index = whole.items(tags::DIMENSION_INDEX_SEQUENCE).map(|item| {
        let keyword = item
            .tag_value(tags::DIMENSION_INDEX_POINTER)
            .and_then(|tag| StandardDataDictionary.by_tag(tag))
            .map(|entry| entry.alias().to_owned());
        let label = item.text(tags::DIMENSION_DESCRIPTION_LABEL);
        if label.is_empty() { keyword.unwrap_or_else(|| "dimension".into()) } else { label }
    });
    let names: Vec<String> = of_index.collect();
    if names.is_empty() { VECTORS.iter().map(|(_, name)| (*name).to_owned()).collect() } else { names }
}

/// Nuclear medicine numbers its frames by vectors, an entry a frame (PS3.3, C.8.4.8).
const VECTORS: [(Tag, &str); 6] = [
    (tags::ENERGY_WINDOW_VECTOR, "energy window"),
    (tags::DETECTOR_VECTOR, "detector"),
    (tags::PHASE_VECTOR, "phase"),
    (tags::RR_INTERVAL_VECTOR, "R-R interval"),
    (tags::TIME_SLOT_VECTOR, "time slot"),
    (tags::TIME_SLICE_VECTOR, "time slice"),
];

/// A frame's values of its file's own dimensions; none for those that only say where it lies.
pub(super) fn indices(attributes: &Attributes) -> Vec<Option<Value>> {
    let pointers: Vec<Option<Tag>> = attributes
        .items(tags::DIMENSION_INDEX_SEQUENCE)
        .map(|item| item.tag_value(tags::DIMENSION_INDEX_POINTER))
        .collect();
    if pointers.is_empty() {
        let frame = attributes.frame();
        return VECTORS
            .iter()
            .map(|(tag, _)| {
                let vector = attributes.numbers(*tag).ok().flatten()?;
                vector.get(frame).copied().map(Value::Number)
            })
            .collect();
    }
    let values = attributes
        .grouped(tags::FRAME_CONTENT_SEQUENCE, tags::DIMENSION_INDEX_VALUES)
        .ok()
        .flatten()
        .unwrap_or_default();
    pointers
        .iter()
        .enumerate()
        .map(|(at, pointer)| {
            let says_where = pointer.is_some_and(|pointer| POSITIONS.contains(&pointer));
            values.get(at).filter(|_| !says_where).copied().map(Value::Number)
        })
        .collect()
}
