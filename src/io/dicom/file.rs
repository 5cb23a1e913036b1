//! A DICOM file as bytes: where its elements lie (PS3.5, chapter 7), and the pixel data among them.
//!
//! Own code, because `dicom-parser` allocates what an element declares, up to 4 GiB, before it reads a byte, and follows nested
//! sequences by recursion. Here nothing is copied: an element is a range of the file that was compared with its end.

use crate::error::{Error, Result};
use crate::io::Limits;
use crate::io::mapped::Mapped;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::{Deref, Range};
use std::path::Path;

/// The preamble and the prefix `DICM` (PS3.10, section 7.1).
const PREFIX_END: usize = 132;
const UNDEFINED: u32 = u32::MAX;
/// Sequences nested deeper than this are taken for an attack on the stack.
const DEEPEST_SEQUENCE: usize = 32;
/// Larger headers are taken for one on the memory: an element of eight bytes takes a hundred.
const LARGEST_HEADER_BYTES: usize = 16 << 20;
/// More fragments than this are no image.
const MOST_FRAGMENTS: usize = 1 << 20;

const ITEM_END: Tag = Tag(0xfffe, 0xe00d);
const ITEM: Tag = Tag(0xfffe, 0xe000);
const SEQUENCE_END: Tag = Tag(0xfffe, 0xe0dd);

/// A file whose elements are known.
pub(super) struct File {
    bytes: Bytes,
    /// UID of the transfer syntax.
    pub(super) transfer_syntax: String,
    /// The data set up to the pixel data.
    pub(super) data_set: DataSet,
    /// Where the pixel data lie.
    pub(super) pixels: Option<PixelPlace>,
}

/// Elements by their tags; of several with one tag the last counts.
#[derive(Debug, Default)]
pub(super) struct DataSet(BTreeMap<Tag, Content>);

impl DataSet {
    pub(super) fn get(&self, tag: Tag) -> Option<&Content> {
        self.0.get(&tag)
    }

    /// All elements, by their tags.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Tag, &Content)> {
        self.0.iter()
    }

    /// The items of a sequence.
    pub(super) fn items(&self, tag: Tag) -> Option<&[DataSet]> {
        match self.get(tag)? {
            Content::Items(items) => Some(items),
            Content::Value { .. } => None,
        }
    }
}

/// What an element holds.
#[derive(Debug)]
pub(super) enum Content {
    /// A value of a representation (`DS`; `UN` where the file does not say it), at these bytes of the file.
    Value { representation: [u8; 2], bytes: Range<usize> },
    /// The items of a sequence.
    Items(Vec<DataSet>),
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
            let (bytes, (data_set, pixels)) = inflate(path, mapped.get(start..).unwrap_or_default(), limits)?;
            return Ok(Self { bytes: Bytes::Inflated(bytes), transfer_syntax, data_set, pixels });
        }
        walk.syntax = match transfer_syntax.as_str() {
            uids::IMPLICIT_VR_LITTLE_ENDIAN => Syntax { explicit: false, big_endian: false },
            EXPLICIT_VR_BIG_ENDIAN => Syntax { explicit: true, big_endian: true },
            _ => Syntax::EXPLICIT,
        };
        let (data_set, pixels) = walk.data_set()?;
        Ok(Self { bytes: Bytes::Mapped(mapped), transfer_syntax, data_set, pixels })
    }

    /// The bytes that [`Self::data_set`] and [`Self::pixels`] refer to.
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

/// The elements before the pixel data, and where these are.
type Walked = (DataSet, Option<PixelPlace>);

/// Bytes that a deflated data set is inflated to at first.
const FIRST_INFLATED_BYTES: u64 = 1 << 20;

/// A deflated data set (PS3.5, section A.5): as much of it as its elements need, and no more than the limits allow.
fn inflate(path: &Path, deflated: &[u8], limits: &Limits) -> Result<(Vec<u8>, Walked)> {
    let most = limits.volume_bytes.saturating_add(LARGEST_HEADER_BYTES as u64);
    let mut decoder = flate2::read::DeflateDecoder::new(deflated);
    let mut bytes = Vec::new();
    let mut wanted = FIRST_INFLATED_BYTES.min(most);
    loop {
        let left = wanted - bytes.len() as u64;
        let read = (&mut decoder).take(left).read_to_end(&mut bytes);
        read.map_err(|e| Error::format(path, format!("the deflated data set is damaged: {e}")))?;
        let mut walk = Walk { path, bytes: &bytes, at: 0, syntax: Syntax::EXPLICIT };
        let walked = walk.data_set();
        let ended = (bytes.len() as u64) < wanted;
        // Zeros behind the last element are padding, however many.
        let padded = walk.at < bytes.len();
        match walked {
            Ok(found) if ended || padded || found.1.is_some() => return Ok((bytes, found)),
            Err(error) if ended => return Err(error),
            // Elements may go on behind what has been inflated.
            _ if wanted < most => wanted = wanted.saturating_mul(4).min(most),
            _ => {
                return Err(Error::unsupported(
                    path,
                    format!(
                        "the deflated data set exceeds the limit of {most} bytes; check the file, or raise \
                         Limits::volume_bytes"
                    ),
                ));
            }
        }
    }
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

/// What the walk is inside of, from the outermost to the innermost.
struct Levels {
    open: Vec<Level>,
    root: DataSet,
}

struct Level {
    what: Inside,
    /// None for an undefined length.
    end: Option<usize>,
}

enum Inside {
    Sequence { tag: Tag, items: Vec<DataSet> },
    Item(DataSet),
}

impl Levels {
    /// Where the innermost level ends, when that is known.
    fn end(&self) -> Option<usize> {
        self.open.last()?.end
    }

    /// The data set that elements belong to: the innermost item's, or the whole file's.
    fn data_set(&mut self) -> &mut DataSet {
        let item = self.open.iter_mut().rev().find_map(|level| match &mut level.what {
            Inside::Item(data_set) => Some(data_set),
            Inside::Sequence { .. } => None,
        });
        item.unwrap_or(&mut self.root)
    }

    /// Puts the innermost level where it belongs.
    fn close(&mut self) {
        match self.open.pop().map(|level| level.what) {
            Some(Inside::Sequence { tag, items }) => {
                self.data_set().0.insert(tag, Content::Items(items));
            }
            Some(Inside::Item(item)) => {
                if let Some(Level { what: Inside::Sequence { items, .. }, .. }) = self.open.last_mut() {
                    items.push(item);
                }
            }
            None => {}
        }
    }
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

    /// Walks over the data set: its elements before the pixel data, and where these are.
    fn data_set(&mut self) -> Result<Walked> {
        let start = self.at;
        let mut levels = Levels { open: Vec::new(), root: DataSet::default() };
        loop {
            while levels.end().is_some_and(|end| self.at >= end) {
                levels.close();
            }
            let here = self.at;
            if here - start > LARGEST_HEADER_BYTES {
                return Err(Error::unsupported(
                    self.path,
                    format!("the header is longer than {LARGEST_HEADER_BYTES} bytes"),
                ));
            }
            // Some writers fill the last block with zeros.
            if levels.open.is_empty()
                && self.bytes.get(here..).is_none_or(|rest| rest.iter().all(|&b| b == 0))
            {
                return Ok((levels.root, None));
            }
            let element = self.element()?;
            let misplaced = || {
                Error::format(
                    self.path,
                    format!("the sequences are damaged at byte {here}: {} where none belongs", element.tag),
                )
            };
            let in_sequence = matches!(levels.open.last(), Some(Level { what: Inside::Sequence { .. }, .. }));
            if element.tag == ITEM_END || element.tag == SEQUENCE_END {
                // Each ends what was opened without a length.
                let fits = levels.open.last().is_some_and(|level| level.end.is_none())
                    && in_sequence == (element.tag == SEQUENCE_END);
                if !fits || element.length != 0 {
                    return Err(misplaced());
                }
                levels.close();
                continue;
            }
            // Items stand in sequences, and nothing else does.
            if in_sequence != (element.tag == ITEM) {
                return Err(misplaced());
            }
            if element.tag == tags::PIXEL_DATA && element.length == UNDEFINED {
                let place = self.fragments()?;
                if levels.open.is_empty() {
                    return Ok((levels.root, Some(place)));
                }
                continue;
            }
            if element.tag != ITEM && !element.is_sequence() {
                let bytes = self.value(&element)?;
                if element.tag == tags::PIXEL_DATA && levels.open.is_empty() {
                    let words = &element.representation == b"OW";
                    return Ok((levels.root, Some(PixelPlace::Native { bytes, words })));
                }
                let Element { tag, representation, .. } = element;
                levels.data_set().0.insert(tag, Content::Value { representation, bytes });
                continue;
            }
            if element.tag != ITEM && &element.representation == b"UN" && self.syntax.explicit {
                // Its content is implicit whatever surrounds it.
                return Err(Error::unsupported(
                    self.path,
                    format!(
                        "the element before byte {} is of unknown representation and undefined length; rewrite the \
                         file (dcmconv)",
                        self.at
                    ),
                ));
            }
            if levels.open.len() >= DEEPEST_SEQUENCE {
                return Err(Error::unsupported(
                    self.path,
                    format!("sequences are nested more than {DEEPEST_SEQUENCE} deep at byte {here}"),
                ));
            }
            let end = if element.length == UNDEFINED { None } else { Some(self.end_of(&element)?) };
            let what = match element.tag {
                ITEM => Inside::Item(DataSet::default()),
                tag => Inside::Sequence { tag, items: Vec::new() },
            };
            levels.open.push(Level { what, end });
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
        // Items and delimiters have no representation in any syntax; elsewhere the dictionary knows what is a sequence.
        if !syntax.explicit || tag.group() == 0xfffe {
            let length = long(self.take().ok_or_else(ends)?);
            let representation = if is_sequence(tag) { *b"SQ" } else { *b"UN" };
            return Ok(Element { tag, representation, length });
        }
        let representation = self.take().ok_or_else(ends)?;
        let length = match &representation {
            b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FD" | b"FL" | b"IS" | b"LO" | b"LT"
            | b"PN" | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL" | b"US" => {
                short(self.take().ok_or_else(ends)?).into()
            }
            // Representations that the standard may yet get have long lengths (PS3.5, section 6.2).
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
