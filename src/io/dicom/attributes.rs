//! Attributes of a data set, of one frame of a multi-frame image where it has its own.

use super::file::{Content, DataSet, EXPLICIT_VR_BIG_ENDIAN, File};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::ops::Range;

/// The attributes of a file.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a> {
    file: &'a File,
    data_set: &'a DataSet,
    /// Functional groups that all frames share, and those of one frame (PS3.3, C.7.6.16).
    shared: Option<&'a DataSet>,
    own: Option<&'a DataSet>,
}

impl<'a> Attributes<'a> {
    /// Those of the file as a whole.
    pub(super) fn of(file: &'a File) -> Self {
        Self { file, data_set: &file.data_set, shared: None, own: None }
    }

    /// Those that hold for one frame: its own functional groups, then those that all share, then the data set.
    pub(super) fn of_frame(file: &'a File, frame: usize) -> Self {
        let groups = |tag, at: usize| file.data_set.items(tag).and_then(|items| items.get(at));
        Self {
            shared: groups(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, 0),
            own: groups(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frame),
            ..Self::of(file)
        }
    }

    /// Those of each item of a sequence.
    pub(super) fn items(&self, tag: Tag) -> impl Iterator<Item = Attributes<'a>> {
        let (file, items) = (self.file, self.data_set.items(tag).unwrap_or_default());
        items.iter().map(move |data_set| Attributes { file, data_set, shared: None, own: None })
    }

    /// Text without padding; empty when absent.
    pub(super) fn text(&self, tag: Tag) -> String {
        self.text_in(self.data_set, tag)
    }

    /// The first integer.
    pub(super) fn integer(&self, tag: Tag) -> Option<i64> {
        // A whole number may be written as a decimal.
        self.number(tag).filter(|n| n.fract() == 0.0).map(|n| n as i64)
    }

    /// All numbers; none when absent, empty or no numbers.
    pub(super) fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        self.numbers_in(self.data_set, tag)
    }

    /// The first number.
    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag)?.first().copied()
    }

    /// Numbers of a functional group: an attribute in the sequence `group` of the frame or of all frames, else in the data
    /// set itself, as single-frame images have it.
    pub(super) fn grouped(&self, group: Tag, tag: Tag) -> Option<Vec<f64>> {
        self.groups(group).find_map(|item| self.numbers_in(item, tag)).or_else(|| self.numbers(tag))
    }

    /// Text of a functional group, else of the data set.
    pub(super) fn grouped_text(&self, group: Tag, tag: Tag) -> String {
        let text = self.groups(group).map(|item| self.text_in(item, tag)).find(|text| !text.is_empty());
        text.unwrap_or_else(|| self.text(tag))
    }

    /// The item of a functional group, of the frame and of all frames.
    fn groups(&self, group: Tag) -> impl Iterator<Item = &'a DataSet> {
        [self.own, self.shared].into_iter().flatten().filter_map(move |groups| groups.items(group)?.first())
    }

    fn value(&self, data_set: &'a DataSet, tag: Tag) -> Option<([u8; 2], &'a [u8])> {
        match data_set.get(tag)? {
            Content::Value { representation, bytes } => {
                Some((*representation, self.file.bytes().get(Range::clone(bytes))?))
            }
            Content::Items(_) => None,
        }
    }

    fn text_in(&self, data_set: &'a DataSet, tag: Tag) -> String {
        let Some((_, bytes)) = self.value(data_set, tag) else { return String::new() };
        let named = self.value(&self.file.data_set, tags::SPECIFIC_CHARACTER_SET);
        let named = named.and_then(|(_, name)| std::str::from_utf8(name).ok());
        let characters =
            named.and_then(|name| SpecificCharacterSet::from_code(name.trim_matches([' ', '\0'])));
        let text = characters.unwrap_or_default().decode(bytes);
        let text = text.unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned());
        text.trim_matches([' ', '\0']).to_owned()
    }

    fn numbers_in(&self, data_set: &'a DataSet, tag: Tag) -> Option<Vec<f64>> {
        let (representation, bytes) = self.value(data_set, tag)?;
        // Archives write elements without their representation (UN), whose bytes are little endian then (PS3.5, 6.2.2).
        let known = VR::from_binary(representation).filter(|vr| *vr != VR::UN);
        let vr = match known {
            Some(vr) => vr,
            None => StandardDataDictionary.by_tag(tag)?.vr().relaxed(),
        };
        let big_endian = known.is_some() && self.file.transfer_syntax == EXPLICIT_VR_BIG_ENDIAN;
        fn each<const N: usize>(bytes: &[u8], big_endian: bool, number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            let in_order = |bytes: &[u8; N]| {
                let mut bytes = *bytes;
                if big_endian {
                    bytes.reverse();
                }
                number(bytes)
            };
            bytes.as_chunks().0.iter().map(in_order).collect()
        }
        let numbers = match vr {
            VR::DS | VR::IS => {
                let text = std::str::from_utf8(bytes).ok()?.trim_matches([' ', '\0']);
                if text.is_empty() {
                    return None;
                }
                text.split('\\').map(|number| number.trim().parse().ok()).collect::<Option<_>>()?
            }
            VR::US => each(bytes, big_endian, |b| u16::from_le_bytes(b).into()),
            VR::SS => each(bytes, big_endian, |b| i16::from_le_bytes(b).into()),
            VR::UL => each(bytes, big_endian, |b| u32::from_le_bytes(b).into()),
            VR::SL => each(bytes, big_endian, |b| i32::from_le_bytes(b).into()),
            VR::FL => each(bytes, big_endian, |b| f32::from_le_bytes(b).into()),
            VR::FD => each(bytes, big_endian, f64::from_le_bytes),
            _ => return None,
        };
        Some(numbers).filter(|numbers| !numbers.is_empty())
    }
}

/// The name of a transfer syntax, or its UID.
pub(super) fn transfer_syntax_name(uid: &str) -> String {
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
