//! The walk over a file's elements (PS3.5, chapter 7).
//!
//! Own code, because `dicom-parser` allocates what an element declares, up to 4 GiB, before it reads a byte, and follows nested
//! sequences by recursion. Here nothing is copied: an element is a range of the file that was compared with its end.

use super::data_set::{Content, DataSet};
use super::syntax::{Syntax, has_short_length, is_representation};
use crate::error::{Error, Result};
use crate::io::Limits;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use std::ops::Range;
use std::path::Path;

const UNDEFINED: u32 = u32::MAX;
/// Sequences nested deeper than this are taken for an attack on the stack.
const DEEPEST_SEQUENCE: usize = 32;
/// Elements that are kept take about as many bytes as this each, whatever they take in the file.
const KEPT_BYTES: u64 = 64;
/// More fragments than this are no image.
const MOST_FRAGMENTS: usize = 1 << 20;

const ITEM_END: Tag = Tag(0xfffe, 0xe00d);
const ITEM: Tag = Tag(0xfffe, 0xe000);
const SEQUENCE_END: Tag = Tag(0xfffe, 0xe0dd);

/// Where pixel data lie in a file's bytes.
#[derive(Debug, Clone)]
pub(super) enum PixelPlace {
    /// Frame after frame, uncompressed; in `words` of 16 bits, whatever a pixel has. They are floating-point numbers where the
    /// file has elements of these (PS3.3, C.7.6.24 and C.7.6.25).
    Native { bytes: Range<usize>, words: bool, float: bool },
    /// Compressed fragments, and where each frame begins counted from the first fragment's item (PS3.5, section A.4);
    /// the table may be empty.
    Encapsulated { offsets: Vec<u32>, fragments: Vec<Range<usize>> },
}

/// The elements before the pixel data, and where these are.
pub(super) type Walked = (DataSet, Option<PixelPlace>);

/// An element without its value.
struct Element {
    tag: Tag,
    representation: [u8; 2],
    length: u32,
}

impl Element {
    /// Whether elements follow rather than a value, of which these are the first bytes. Archives that do not know an
    /// element rewrite it as `UN`, sequences of the standard among them.
    fn is_sequence(&self, value: &[u8]) -> bool {
        let rewritten = || {
            &self.representation == b"UN"
                && is_sequence(self.tag)
                && value.starts_with(&[0xfe, 0xff, 0, 0xe0])
        };
        &self.representation == b"SQ" || self.length == UNDEFINED || rewritten()
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
    /// How elements are written outside of it.
    outside: Syntax,
    /// False for private sequences, of which nothing is needed.
    kept: bool,
}

enum Inside {
    /// `opaque` where its items may be something else than data sets: a sequence written as `OB` or `UN`.
    Sequence {
        tag: Tag,
        items: Vec<DataSet>,
        opaque: bool,
    },
    Item(DataSet),
}

impl Levels {
    /// Where the innermost level ends, when that is known.
    fn end(&self) -> Option<usize> {
        self.open.last()?.end
    }

    fn kept(&self) -> bool {
        self.open.last().is_none_or(|level| level.kept)
    }

    /// The data set that elements belong to: the innermost item's, or the whole file's.
    fn data_set(&mut self) -> &mut DataSet {
        let item = self.open.iter_mut().rev().find_map(|level| match &mut level.what {
            Inside::Item(data_set) => Some(data_set),
            Inside::Sequence { .. } => None,
        });
        item.unwrap_or(&mut self.root)
    }

    /// Puts the innermost level where it belongs; how elements are written outside of it.
    fn close(&mut self) -> Option<Syntax> {
        let Level { what, outside, kept, .. } = self.open.pop()?;
        match what {
            Inside::Sequence { tag, items, .. } if kept => self.data_set().push(tag, Content::Items(items)),
            Inside::Item(mut item) if kept => {
                if let Some(Level { what: Inside::Sequence { items, .. }, .. }) = self.open.last_mut() {
                    item.finish();
                    items.push(item);
                }
            }
            _ => {}
        }
        Some(outside)
    }
}

/// A position in a file's bytes.
pub(super) struct Walk<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    syntax: Syntax,
    limits: &'a Limits,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        path: &'a Path,
        bytes: &'a [u8],
        at: usize,
        syntax: Syntax,
        limits: &'a Limits,
    ) -> Self {
        Self { path, bytes, at, syntax, limits }
    }

    /// Where it stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Walks over group 0002, which is always explicit; the transfer syntax of what follows, where it is named.
    pub(super) fn meta(&mut self) -> Result<Option<String>> {
        let mut transfer_syntax = None;
        while self.bytes.get(self.at..self.at + 2) == Some(&[2, 0]) {
            let element = self.element()?;
            let value = self.value(&element)?;
            if element.tag == tags::TRANSFER_SYNTAX_UID {
                let uid = String::from_utf8_lossy(&self.bytes[value]).into_owned();
                transfer_syntax = Some(uid.trim_matches([' ', '\0']).to_owned());
            }
        }
        Ok(transfer_syntax.filter(|uid| !uid.is_empty()))
    }

    /// Walks over the data set: its elements before the pixel data, and where these are.
    pub(super) fn data_set(&mut self) -> Result<Walked> {
        let start = self.at;
        let mut levels = Levels { open: Vec::new(), root: DataSet::default() };
        let mut kept = 0u64;
        loop {
            while levels.end().is_some_and(|end| self.at >= end) {
                self.close(&mut levels);
            }
            let here = self.at;
            self.check_limits(here - start, kept)?;
            // Some writers fill the last block with zeros.
            if levels.open.is_empty()
                && self.bytes.get(here..).is_none_or(|rest| rest.iter().all(|&b| b == 0))
            {
                return Ok(finished(levels.root, None));
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
                self.close(&mut levels);
                continue;
            }
            // Items stand in sequences, and nothing else does.
            if in_sequence != (element.tag == ITEM) {
                return Err(misplaced());
            }
            if element.tag == tags::PIXEL_DATA && element.length == UNDEFINED {
                let place = self.fragments()?;
                if levels.open.is_empty() {
                    return Ok(finished(levels.root, Some(place)));
                }
                continue;
            }
            // Vendors' own elements are looked at in the data set itself alone, and there are many of them.
            let is_kept = levels.kept() && (levels.open.is_empty() || element.tag.group() % 2 == 0);
            kept += u64::from(is_kept);
            let value = self.bytes.get(self.at..).unwrap_or_default();
            if element.tag != ITEM && !element.is_sequence(value) {
                let bytes = self.value(&element)?;
                let pixels = [tags::PIXEL_DATA, tags::FLOAT_PIXEL_DATA, tags::DOUBLE_FLOAT_PIXEL_DATA];
                if pixels.contains(&element.tag) && levels.open.is_empty() {
                    let words = &element.representation == b"OW";
                    let float = element.tag != tags::PIXEL_DATA;
                    return Ok(finished(levels.root, Some(PixelPlace::Native { bytes, words, float })));
                }
                let Element { tag, representation, .. } = element;
                if is_kept {
                    levels.data_set().push(tag, Content::Value { representation, bytes });
                }
                continue;
            }
            if levels.open.len() >= DEEPEST_SEQUENCE {
                return Err(Error::unsupported(
                    self.path,
                    format!("sequences are nested more than {DEEPEST_SEQUENCE} deep at byte {here}"),
                ));
            }
            self.enter(&mut levels, &element, is_kept)?;
        }
    }

    fn check_limits(&self, walked: usize, kept: u64) -> Result<()> {
        let most = self.limits.header_bytes;
        if walked as u64 <= most && kept <= most / KEPT_BYTES {
            return Ok(());
        }
        Err(Error::unsupported(
            self.path,
            format!(
                "the header, which precedes the pixels, exceeds the limit of {most} bytes or {} elements; check the file, or \
                 raise `limits` (header_bytes)",
                most / KEPT_BYTES
            ),
        ))
    }

    fn close(&mut self, levels: &mut Levels) {
        if let Some(outside) = levels.close() {
            self.syntax = outside;
        }
    }

    /// Enters a sequence or an item.
    fn enter(&mut self, levels: &mut Levels, element: &Element, kept: bool) -> Result<()> {
        let end = if element.length == UNDEFINED { None } else { Some(self.end_of(element)?) };
        let outside = self.syntax;
        let what = match element.tag {
            ITEM => {
                let in_opaque = matches!(
                    levels.open.last(),
                    Some(Level { what: Inside::Sequence { opaque: true, .. }, .. })
                );
                match (self.syntax_of_item(end), end) {
                    // What an element of undefined length that is no sequence is cut into.
                    (None, Some(end)) if in_opaque => {
                        self.at = end;
                        return Ok(());
                    }
                    (inside, _) => self.syntax = inside.unwrap_or(outside),
                }
                Inside::Item(DataSet::default())
            }
            tag => {
                let opaque = &element.representation != b"SQ" && self.syntax.explicit;
                if &element.representation == b"UN" && self.syntax.explicit {
                    // PS3.5, section 6.2.2: what is inside is implicit and little endian, whatever surrounds it.
                    self.syntax = Syntax::IMPLICIT;
                }
                Inside::Sequence { tag, items: Vec::new(), opaque }
            }
        };
        levels.open.push(Level { what, end, outside, kept });
        Ok(())
    }

    /// How the elements of the item are written that begins here: as outside of it, but for writers that copy implicit items
    /// into an explicit file, or leave explicit ones below a `UN`. None where what is there looks like no element.
    fn syntax_of_item(&self, end: Option<usize>) -> Option<Syntax> {
        let rest = self.bytes.get(self.at..end.unwrap_or(self.bytes.len()))?;
        let Some(header) = rest.first_chunk::<8>() else { return rest.is_empty().then_some(self.syntax) };
        let [a, b, c, d, v, w, ..] = *header;
        let tag = Tag(self.syntax.short([a, b]), self.syntax.short([c, d]));
        if tag.group() == 0xfffe {
            return Some(self.syntax);
        }
        if is_representation([v, w]) {
            return Some(Syntax { explicit: true, ..self.syntax });
        }
        let [.., l0, l1, l2, l3] = *header;
        let length = self.syntax.long([l0, l1, l2, l3]);
        let fits = length == UNDEFINED || length as usize <= rest.len() - header.len();
        fits.then_some(Syntax { explicit: false, ..self.syntax })
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
        let tag =
            Tag(syntax.short(self.take().ok_or_else(ends)?), syntax.short(self.take().ok_or_else(ends)?));
        // Items and delimiters have no representation in any syntax; elsewhere the dictionary knows what is a sequence.
        if !syntax.explicit || tag.group() == 0xfffe {
            let length = syntax.long(self.take().ok_or_else(ends)?);
            let representation = if is_sequence(tag) { *b"SQ" } else { *b"UN" };
            return Ok(Element { tag, representation, length });
        }
        let representation = self.take().ok_or_else(ends)?;
        let length = if has_short_length(representation) {
            syntax.short(self.take().ok_or_else(ends)?).into()
        } else {
            // Representations that the standard may yet get have long lengths (PS3.5, section 6.2).
            self.take::<2>().ok_or_else(ends)?;
            syntax.long(self.take().ok_or_else(ends)?)
        };
        Ok(Element { tag, representation, length })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.bytes.get(self.at..)?.first_chunk().copied()?;
        self.at += N;
        Some(bytes)
    }
}

fn finished(mut root: DataSet, pixels: Option<PixelPlace>) -> Walked {
    root.finish();
    (root, pixels)
}
