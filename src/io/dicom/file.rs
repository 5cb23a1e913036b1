//! A DICOM file as bytes: a walk over its elements before the parser sees it.
//!
//! `dicom-parser` allocates what an element declares, up to 4 GiB, before it reads a byte, and follows nested sequences
//! by recursion. The walk refuses lengths beyond what is there and nesting without end, and finds the pixel data, so
//! that they need not be parsed at all.

use crate::error::{Error, Result};
use crate::io::Limits;
use crate::io::mapped::Mapped;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};
use std::io::Read;
use std::ops::{Deref, Range};
use std::path::Path;

/// The preamble and the prefix `DICM` (PS3.10, section 7.1).
const PREFIX_END: usize = 132;
const UNDEFINED: u32 = u32::MAX;
/// Sequences nested deeper than this are taken for an attack on the stack.
const DEEPEST_SEQUENCE: usize = 32;
/// Larger headers are taken for one on the memory: the parser needs about ten times their size.
const LARGEST_HEADER_BYTES: usize = 64 << 20;
/// More fragments than this are no image.
const MOST_FRAGMENTS: usize = 1 << 20;

const ITEM: Tag = Tag(0xfffe, 0xe000);
const SEQUENCE_END: Tag = Tag(0xfffe, 0xe0dd);

/// A file whose elements have been walked over.
pub(super) struct File {
    bytes: Bytes,
    /// UID of the transfer syntax.
    pub(super) transfer_syntax: String,
    /// The data set up to the pixel data, in the file's bytes.
    pub(super) header: Range<usize>,
    /// Where the pixel data lie.
    pub(super) pixels: Option<PixelPlace>,
}

/// Where pixel data lie in a file's bytes.
#[derive(Debug, Clone)]
pub(super) enum PixelPlace {
    /// Frame after frame, uncompressed; in `words` of 16 bits, whatever a pixel has.
    Native { bytes: Range<usize>, words: bool },
    /// Compressed fragments, and where each frame begins counted from the first fragment's item (PS3.5, section A.4);
    /// the table may be empty.
    Encapsulated { offsets: Vec<u32>, fragments: Vec<Range<usize>> },
}

pub(super) enum Bytes {
    Mapped(Mapped),
    Inflated(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Inflated(bytes) => bytes,
        }
    }
}

impl File {
    /// Maps a file and walks over it.
    pub(super) fn open(path: &Path, limits: &Limits) -> Result<Self> {
        let mapped = Mapped::open(path)?;
        let mut walk = Walk { path, bytes: &mapped, at: PREFIX_END, syntax: Syntax::EXPLICIT };
        let transfer_syntax = walk.meta()?;
        let start = walk.at;
        if transfer_syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            let bytes = inflate(path, mapped.get(start..).unwrap_or_default(), limits)?;
            let mut walk = Walk { path, bytes: &bytes, at: 0, syntax: Syntax::EXPLICIT };
            let (header, pixels) = walk.data_set()?;
            return Ok(Self { bytes: Bytes::Inflated(bytes), transfer_syntax, header, pixels });
        }
        walk.syntax = match transfer_syntax.as_str() {
            uids::IMPLICIT_VR_LITTLE_ENDIAN => Syntax { explicit: false, big_endian: false },
            EXPLICIT_VR_BIG_ENDIAN => Syntax { explicit: true, big_endian: true },
            _ => Syntax::EXPLICIT,
        };
        let (header, pixels) = walk.data_set()?;
        Ok(Self { bytes: Bytes::Mapped(mapped), transfer_syntax, header, pixels })
    }

    /// The bytes that [`Self::header`] and [`Self::pixels`] refer to.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, to keep.
    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Explicit VR Big Endian, retired.
pub(super) const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// A deflated data set (PS3.5, section A.5), as long as the limits allow.
fn inflate(path: &Path, deflated: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    let most = limits.volume_bytes.saturating_add(LARGEST_HEADER_BYTES as u64);
    let mut bytes = Vec::new();
    let read = flate2::read::DeflateDecoder::new(deflated).take(most + 1).read_to_end(&mut bytes);
    read.map_err(|e| Error::format(path, format!("the deflated data set is damaged: {e}")))?;
    if bytes.len() as u64 > most {
        return Err(Error::unsupported(
            path,
            format!(
                "the deflated data set exceeds the limit of {most} bytes; check the file, or raise Limits::volume_bytes"
            ),
        ));
    }
    Ok(bytes)
}

/// How elements are written (PS3.5, chapter 7).
#[derive(Clone, Copy)]
struct Syntax {
    explicit: bool,
    big_endian: bool,
}

impl Syntax {
    const EXPLICIT: Syntax = Syntax { explicit: true, big_endian: false };
}

/// An element without its value.
struct Element {
    tag: Tag,
    representation: [u8; 2],
    length: u32,
}

impl Element {
    /// Whether elements follow rather than a value.
    fn is_sequence(&self) -> bool {
        &self.representation == b"SQ" || self.length == UNDEFINED
    }
}

/// Whether the dictionary has an element as a sequence.
fn is_sequence(tag: Tag) -> bool {
    StandardDataDictionary.by_tag(tag).is_some_and(|entry| entry.vr().exact() == Some(VR::SQ))
}

/// A position in the bytes.
struct Walk<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    syntax: Syntax,
}

impl Walk<'_> {
    /// Walks over group 0002; the transfer syntax of what follows.
    fn meta(&mut self) -> Result<String> {
        let mut transfer_syntax = None;
        while self.bytes.get(self.at..self.at + 2) == Some(&[2, 0]) {
            let element = self.element()?;
            let value = self.value(&element)?;
            if element.tag == tags::TRANSFER_SYNTAX_UID {
                let uid = String::from_utf8_lossy(&self.bytes[value]).into_owned();
                transfer_syntax = Some(uid.trim_matches([' ', '\0']).to_owned());
            }
        }
        transfer_syntax
            .ok_or_else(|| Error::format(self.path, "the file's meta information names no transfer syntax"))
    }

    /// Walks over the data set: its elements before the pixel data, and these.
    fn data_set(&mut self) -> Result<(Range<usize>, Option<PixelPlace>)> {
        let start = self.at;
        // Ends of the sequences and items that the walk is inside of; none for an undefined length.
        let mut open: Vec<Option<usize>> = Vec::new();
        loop {
            while open.last().is_some_and(|end| end.is_some_and(|end| self.at >= end)) {
                open.pop();
            }
            let here = self.at;
            if here - start > LARGEST_HEADER_BYTES {
                return Err(Error::unsupported(
                    self.path,
                    format!("the header is longer than {LARGEST_HEADER_BYTES} bytes"),
                ));
            }
            // Some writers fill the last block with zeros.
            if open.is_empty() && self.bytes.get(here..).is_none_or(|rest| rest.iter().all(|&b| b == 0)) {
                return Ok((start..here.min(self.bytes.len()), None));
            }
            let element = self.element()?;
            if element.tag.group() == ITEM.group() {
                // The parser takes a delimiter for an element like any other, and allocates what it declares.
                let is_end = element.tag != ITEM;
                if open.is_empty() || (is_end && element.length != 0) {
                    return Err(Error::format(
                        self.path,
                        format!(
                            "the sequences are damaged at byte {here}: {} where none belongs",
                            element.tag
                        ),
                    ));
                }
                if is_end {
                    open.pop();
                    continue;
                }
            }
            if element.tag == tags::PIXEL_DATA && element.length == UNDEFINED {
                let place = self.fragments()?;
                if open.is_empty() {
                    return Ok((start..here, Some(place)));
                }
            } else if element.tag == ITEM || element.is_sequence() {
                if &element.representation == b"UN" {
                    // Its content is implicit whatever surrounds it, which dicom-parser does not know.
                    return Err(Error::unsupported(
                        self.path,
                        format!(
                            "the element before byte {} is of unknown representation and undefined length; \
                             rewrite the file (dcmconv)",
                            self.at
                        ),
                    ));
                }
                if open.len() >= DEEPEST_SEQUENCE {
                    return Err(Error::unsupported(
                        self.path,
                        format!("sequences are nested more than {DEEPEST_SEQUENCE} deep at byte {here}"),
                    ));
                }
                open.push(match element.length {
                    UNDEFINED => None,
                    _ => Some(self.end_of(&element)?),
                });
            } else {
                let value = self.value(&element)?;
                if element.tag == tags::PIXEL_DATA && open.is_empty() {
                    let words = &element.representation == b"OW";
                    return Ok((start..here, Some(PixelPlace::Native { bytes: value, words })));
                }
            }
        }
    }

    /// The items of encapsulated pixel data: the table of offsets, then the fragments.
    fn fragments(&mut self) -> Result<PixelPlace> {
        let mut items = Vec::new();
        loop {
            let element = self.element()?;
            if element.tag == SEQUENCE_END {
                break;
            }
            if element.tag != ITEM || items.len() > MOST_FRAGMENTS {
                return Err(Error::format(
                    self.path,
                    format!("the compressed pixel data are damaged near byte {}", self.at),
                ));
            }
            items.push(self.value(&element)?);
            // Truncated behind a whole fragment: some archives leave the delimiter out.
            if self.at == self.bytes.len() {
                break;
            }
        }
        if items.is_empty() {
            return Err(Error::format(self.path, "the compressed pixel data hold no fragment"));
        }
        let table = items.remove(0);
        let offsets = self.bytes[table].as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        Ok(PixelPlace::Encapsulated { offsets, fragments: items })
    }

    /// Where an element of defined length ends, which must be within the file.
    fn end_of(&self, element: &Element) -> Result<usize> {
        let end = self.at.saturating_add(element.length as usize);
        if end > self.bytes.len() {
            return Err(Error::format(
                self.path,
                format!(
                    "element {} declares {} bytes at byte {}, the file has {}; it is truncated or corrupt",
                    element.tag,
                    element.length,
                    self.at,
                    self.bytes.len()
                ),
            ));
        }
        Ok(end)
    }

    /// Steps over an element's value.
    fn value(&mut self, element: &Element) -> Result<Range<usize>> {
        let end = self.end_of(element)?;
        let start = std::mem::replace(&mut self.at, end);
        Ok(start..end)
    }

    /// Steps over an element's tag, representation and length.
    fn element(&mut self) -> Result<Element> {
        let (path, at) = (self.path, self.at);
        let syntax = self.syntax;
        let ends =
            || Error::format(path, format!("the file ends inside the element at byte {at}; it is truncated"));
        let short =
            |b: [u8; 2]| if syntax.big_endian { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) };
        let long = |b: [u8; 4]| if syntax.big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) };
        let tag = Tag(short(self.take().ok_or_else(ends)?), short(self.take().ok_or_else(ends)?));
        // Items and delimiters have no representation in any syntax; elsewhere the parser knows sequences by their tag.
        if !syntax.explicit || tag.group() == 0xfffe {
            let length = long(self.take().ok_or_else(ends)?);
            let representation = if is_sequence(tag) { *b"SQ" } else { [0; 2] };
            return Ok(Element { tag, representation, length });
        }
        let representation = self.take().ok_or_else(ends)?;
        let length = match &representation {
            b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FD" | b"FL" | b"IS" | b"LO" | b"LT"
            | b"PN" | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL" | b"US" => {
                short(self.take().ok_or_else(ends)?).into()
            }
            // dicom-parser too takes representations that it does not know for long ones.
            _ => {
                self.take::<2>().ok_or_else(ends)?;
                long(self.take().ok_or_else(ends)?)
            }
        };
        Ok(Element { tag, representation, length })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.bytes.get(self.at..)?.first_chunk().copied()?;
        self.at += N;
        Some(bytes)
    }
}
