//! Attributes of a data set, of one frame of a multi-frame image where it has its own.

use super::file::File;
use crate::error::{Error, Result};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::value::PrimitiveValue;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use dicom_transfer_syntax_registry::{TransferSyntaxRegistry, entries};
use std::path::Path;

/// A data set without its pixel data.
pub(super) struct Attributes(InMemDicomObject);

impl Attributes {
    /// Parses a file's header.
    pub(super) fn read(path: &Path, file: &File) -> Result<Self> {
        let implicit = entries::IMPLICIT_VR_LITTLE_ENDIAN.erased();
        let big_endian = entries::EXPLICIT_VR_BIG_ENDIAN.erased();
        // Whatever the pixels are compressed with, the elements around them are explicit and little endian.
        let explicit = entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
        let syntax = match file.transfer_syntax.as_str() {
            uids::IMPLICIT_VR_LITTLE_ENDIAN => &implicit,
            super::file::EXPLICIT_VR_BIG_ENDIAN => &big_endian,
            _ => &explicit,
        };
        let header = file.bytes().get(file.header.clone()).unwrap_or_default();
        InMemDicomObject::read_dataset_with_ts(header, syntax)
            .map(Self)
            .map_err(|e| Error::format(path, format!("damaged DICOM file: {}", reasons(&e))))
    }

    /// The whole data set, as one.
    pub(super) fn whole(&self) -> FrameAttributes<'_> {
        FrameAttributes { data_set: &self.0, shared: None, own: None }
    }

    /// What holds for one frame: its own functional groups, those that all share, the data set (PS3.3, C.7.6.16).
    pub(super) fn of_frame(&self, frame: usize) -> FrameAttributes<'_> {
        let groups = |tag, at| items(&self.0, tag).and_then(|items| items.get(at));
        FrameAttributes {
            data_set: &self.0,
            shared: groups(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, 0),
            own: groups(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frame),
        }
    }

    /// The items of a sequence.
    pub(super) fn items(&self, tag: Tag) -> &[InMemDicomObject] {
        items(&self.0, tag).unwrap_or_default()
    }
}

/// Attributes as they hold for one frame.
#[derive(Clone, Copy)]
pub(super) struct FrameAttributes<'a> {
    data_set: &'a InMemDicomObject,
    shared: Option<&'a InMemDicomObject>,
    own: Option<&'a InMemDicomObject>,
}

impl FrameAttributes<'_> {
    /// Text without padding; empty when absent.
    pub(super) fn text(&self, tag: Tag) -> String {
        text(self.data_set, tag)
    }

    /// The first integer.
    pub(super) fn integer(&self, tag: Tag) -> Option<i64> {
        let element = self.data_set.get(tag)?;
        match unknown(element) {
            Some(bytes) => numbers_of_unknown(tag, bytes)?.first().map(|&n| n as i64),
            None => element.to_int().ok(),
        }
    }

    /// All numbers; none when absent, empty or no numbers.
    pub(super) fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        numbers(self.data_set, tag)
    }

    /// The first number.
    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag)?.first().copied()
    }

    /// Numbers of a functional group: an attribute in the sequence `group` of the frame or of all frames, else in the data
    /// set itself, as single-frame images have it.
    pub(super) fn grouped(&self, group: Tag, tag: Tag) -> Option<Vec<f64>> {
        [self.own, self.shared]
            .into_iter()
            .flatten()
            .find_map(|groups| numbers(items(groups, group)?.first()?, tag))
            .or_else(|| self.numbers(tag))
    }

    /// Text of a functional group, else of the data set.
    pub(super) fn grouped_text(&self, group: Tag, tag: Tag) -> String {
        [self.own, self.shared]
            .into_iter()
            .flatten()
            .find_map(|groups| Some(text(items(groups, group)?.first()?, tag)).filter(|t| !t.is_empty()))
            .unwrap_or_else(|| self.text(tag))
    }
}

fn items(object: &InMemDicomObject, tag: Tag) -> Option<&[InMemDicomObject]> {
    object.get(tag)?.items()
}

/// Text of an item, without padding; empty when absent.
pub(super) fn text(object: &InMemDicomObject, tag: Tag) -> String {
    let Some(element) = object.get(tag) else { return String::new() };
    let text = match unknown(element) {
        Some(bytes) => Some(String::from_utf8_lossy(bytes)),
        None => element.to_str().ok(),
    };
    text.map(|v| v.trim_matches([' ', '\0']).to_owned()).unwrap_or_default()
}

fn numbers(object: &InMemDicomObject, tag: Tag) -> Option<Vec<f64>> {
    let element = object.get(tag)?;
    let numbers = match unknown(element) {
        Some(bytes) => numbers_of_unknown(tag, bytes)?,
        None => element.to_multi_float64().ok()?,
    };
    Some(numbers).filter(|v| !v.is_empty())
}

/// The bytes of an element that was written without its representation (VR UN), as some archives rewrite files.
fn unknown(element: &InMemElement) -> Option<&[u8]> {
    match element.value().primitive() {
        Some(PrimitiveValue::U8(bytes)) if element.vr() == VR::UN => Some(bytes),
        _ => None,
    }
}

/// Numbers out of the bytes of an element whose representation only the dictionary knows; they are little endian
/// (PS3.5, section 6.2.2).
fn numbers_of_unknown(tag: Tag, bytes: &[u8]) -> Option<Vec<f64>> {
    let known = StandardDataDictionary.by_tag(tag)?.vr().relaxed();
    Some(match known {
        VR::DS | VR::IS => {
            let text = std::str::from_utf8(bytes).ok()?;
            text.split('\\')
                .map(|number| number.trim_matches([' ', '\0']).parse().ok())
                .collect::<Option<_>>()?
        }
        VR::US => bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b).into()).collect(),
        VR::SS => bytes.as_chunks().0.iter().map(|b| i16::from_le_bytes(*b).into()).collect(),
        VR::UL => bytes.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b).into()).collect(),
        VR::FL => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
        VR::FD => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        _ => return None,
    })
}

/// The name of a transfer syntax, or its UID.
pub(super) fn transfer_syntax_name(uid: &str) -> String {
    use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
    TransferSyntaxRegistry.get(uid).map_or_else(|| uid.to_owned(), |syntax| syntax.name().to_owned())
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
