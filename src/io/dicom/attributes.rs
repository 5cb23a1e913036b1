//! Attributes of a data set, of one frame of a multi-frame image where it has its own.

use super::data_set::{Content, DataSet};
use super::decimal;
use super::file::{EXPLICIT_VR_BIG_ENDIAN, File};
use crate::error::Error;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// The attributes of a file.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a> {
    file: &'a File,
    data_set: &'a DataSet,
    /// Functional groups that all frames share, and those of one frame (PS3.3, C.7.6.16).
    shared: Option<&'a DataSet>,
    own: Option<&'a DataSet>,
    frame: usize,
}

impl<'a> Attributes<'a> {
    /// Those of the file as a whole.
    pub(super) fn of(file: &'a File) -> Self {
        Self { file, data_set: &file.data_set, shared: None, own: None, frame: 0 }
    }

    /// Those that hold for one frame: its own functional groups, then those that all share, then the data set.
    pub(super) fn of_frame(file: &'a File, frame: usize) -> Self {
        let groups = |tag, at: usize| file.data_set.items(tag).and_then(|items| items.get(at));
        Self {
            shared: groups(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, 0),
            own: groups(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frame),
            frame,
            ..Self::of(file)
        }
    }

    /// Those of each item of a sequence.
    pub(super) fn items(&self, tag: Tag) -> impl Iterator<Item = Attributes<'a>> {
        let (file, frame) = (self.file, self.frame);
        let items = self.data_set.items(tag).unwrap_or_default();
        items.iter().map(move |data_set| Attributes { file, data_set, shared: None, own: None, frame })
    }

    /// Which frame they are of, from 0.
    pub(super) fn frame(&self) -> usize {
        self.frame
    }

    /// The tag of a vendor's element: its group's block is the one that the vendor has put a name on (PS3.5, section 7.8.1).
    pub(super) fn private(&self, group: u16, creator: &str, element: u8) -> Option<Tag> {
        (0x10..=0xffu16)
            .find(|block| self.text(Tag(group, *block)).eq_ignore_ascii_case(creator))
            .map(|block| Tag(group, block << 8 | u16::from(element)))
            .filter(|tag| self.data_set.get(*tag).is_some())
    }

    /// The first number of a vendor's element, of a representation that the vendor gives it, which implicit files do not say.
    pub(super) fn private_number(&self, group: u16, creator: &str, element: u8, vr: VR) -> Option<f64> {
        let tag = self.private(group, creator, element)?;
        self.numbers_as(self.data_set, tag, vr).ok().flatten()?.first().copied()
    }

    /// The tag that an attribute has for its value.
    pub(super) fn tag_value(&self, tag: Tag) -> Option<Tag> {
        match self.words(tag)?[..] {
            [group, element, ..] => Some(Tag(group, element)),
            _ => None,
        }
    }

    /// Text without padding; empty when absent.
    pub(super) fn text(&self, tag: Tag) -> String {
        self.text_in(self.data_set, tag)
    }

    /// The first integer.
    pub(super) fn integer(&self, tag: Tag) -> Readable<i64> {
        // An integer may be written as a decimal.
        match self.number(tag)? {
            Some(number) if number.fract() == 0.0 => Ok(Some(number as i64)),
            Some(_) => Err(Unreadable { tag, text: self.text(tag) }),
            None => Ok(None),
        }
    }

    /// All numbers; none when absent or empty.
    pub(super) fn numbers(&self, tag: Tag) -> Readable<Vec<f64>> {
        self.numbers_in(self.data_set, tag)
    }

    /// The first number.
    pub(super) fn number(&self, tag: Tag) -> Readable<f64> {
        Ok(self.numbers(tag)?.and_then(|numbers| numbers.first().copied()))
    }

    /// Numbers of a functional group: an attribute in the sequence `group` of the frame or of all frames, else in the data
    /// set itself, as single-frame images have it.
    pub(super) fn grouped(&self, group: Tag, tag: Tag) -> Readable<Vec<f64>> {
        for item in self.groups(group) {
            if let Some(numbers) = self.numbers_in(item, tag)? {
                return Ok(Some(numbers));
            }
        }
        self.numbers(tag)
    }

    /// The first number of a functional group.
    pub(super) fn grouped_number(&self, group: Tag, tag: Tag) -> Readable<f64> {
        Ok(self.grouped(group, tag)?.and_then(|numbers| numbers.first().copied()))
    }

    /// The attributes of a functional group's item, of the frame before that of all frames.
    pub(super) fn group(&self, group: Tag) -> Option<Attributes<'a>> {
        let data_set = self.groups(group).next()?;
        Some(Attributes { data_set, shared: None, own: None, ..*self })
    }

    /// The attributes of each item of a functional group, of the frame or else of all frames or of the data set itself.
    pub(super) fn group_items(&self, group: Tag) -> impl Iterator<Item = Attributes<'a>> {
        let levels = [self.own, self.shared, Some(self.data_set)];
        let items = levels.into_iter().flatten().find_map(|groups| groups.items(group)).unwrap_or_default();
        let whole = *self;
        items.iter().map(move |data_set| Attributes { data_set, shared: None, own: None, ..whole })
    }

    /// The bytes of a value, little endian where it was written in words of 16 bits.
    pub(super) fn words(&self, tag: Tag) -> Option<Vec<u16>> {
        let (_, bytes) = self.value(self.data_set, tag)?;
        let word = if self.is_big_endian() { u16::from_be_bytes } else { u16::from_le_bytes };
        Some(bytes.as_chunks().0.iter().map(|b| word(*b)).collect())
    }

    /// The bytes of a value as they lie in the file.
    pub(super) fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        self.value(self.data_set, tag).map(|(_, bytes)| bytes)
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

    fn is_big_endian(&self) -> bool {
        self.file.transfer_syntax == EXPLICIT_VR_BIG_ENDIAN
    }

    fn numbers_in(&self, data_set: &'a DataSet, tag: Tag) -> Readable<Vec<f64>> {
        let usual = StandardDataDictionary.by_tag(tag).map_or(VR::LO, |entry| entry.vr().relaxed());
        self.numbers_as(data_set, tag, usual)
    }

    /// Numbers of an element; `usual` is its representation where the file does not say one.
    fn numbers_as(&self, data_set: &'a DataSet, tag: Tag, usual: VR) -> Readable<Vec<f64>> {
        let Some((representation, bytes)) = self.value(data_set, tag) else { return Ok(None) };
        // Archives write elements without their representation (UN), whose bytes are little endian then (PS3.5, 6.2.2).
        let known = VR::from_binary(representation).filter(|vr| *vr != VR::UN);
        let vr = known.unwrap_or(usual);
        let big_endian = known.is_some() && self.is_big_endian();
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
            VR::US => each(bytes, big_endian, |b| u16::from_le_bytes(b).into()),
            VR::SS => each(bytes, big_endian, |b| i16::from_le_bytes(b).into()),
            VR::UL => each(bytes, big_endian, |b| u32::from_le_bytes(b).into()),
            VR::SL => each(bytes, big_endian, |b| i32::from_le_bytes(b).into()),
            VR::FL => each(bytes, big_endian, |b| f32::from_le_bytes(b).into()),
            VR::FD => each(bytes, big_endian, f64::from_le_bytes),
            // Decimals, whatever text they are declared as.
            _ => {
                let text = String::from_utf8_lossy(bytes);
                let text = text.trim_matches([' ', '\0']);
                if text.is_empty() {
                    return Ok(None);
                }
                let unreadable = || Unreadable { tag, text: text.chars().take(MOST_SHOWN).collect() };
                decimal::numbers(text).ok_or_else(unreadable)?
            }
        };
        Ok(Some(numbers).filter(|numbers| !numbers.is_empty()))
    }
}

/// Characters of an unreadable value that are shown.
const MOST_SHOWN: usize = 64;

/// A value that may be absent, or be there and not be readable, which is not the same.
pub(super) type Readable<T> = Result<Option<T>, Unreadable>;

/// An attribute that should be a number and is not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unreadable {
    tag: Tag,
    text: String,
}

impl Unreadable {
    /// As the error of a file.
    pub(super) fn of(self, path: &Path) -> Error {
        Error::format(path, self.to_string())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is '{}', which is not a number", named(self.tag), self.text)
    }
}

/// `Pixel Spacing (0028,0030)`: the name as the standard writes it, and the tag.
pub(super) fn named(tag: Tag) -> String {
    let mut name = String::new();
    let keyword = StandardDataDictionary.by_tag(tag).map_or("", |entry| entry.alias());
    for (at, letter) in keyword.char_indices() {
        let before = keyword.get(..at).and_then(|text| text.chars().next_back());
        if letter.is_uppercase() && before.is_some_and(char::is_lowercase) {
            name.push(' ');
        }
        name.push(letter);
    }
    let tag = tag.to_string();
    if name.is_empty() { tag } else { format!("{name} {tag}") }
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
