//! Where a file's data set begins and how its elements are written, told by the bytes themselves: files come without the
//! header that says it, and with one that says something else (PS3.10, section 7.1; PS3.5, chapter 7).

use dicom_core::Tag;
use dicom_core::dictionary::DataDictionary;
use dicom_dictionary_std::StandardDataDictionary;

/// The prefix behind the preamble.
const PREFIX: &[u8] = b"DICM";
const PREAMBLE_BYTES: usize = 128;
/// Elements that must look right before bytes without a prefix are taken for a data set.
const ENOUGH_ELEMENTS: usize = 3;

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Syntax {
    pub(super) explicit: bool,
    pub(super) big_endian: bool,
}

impl Syntax {
    pub(super) const EXPLICIT: Syntax = Syntax { explicit: true, big_endian: false };
    pub(super) const IMPLICIT: Syntax = Syntax { explicit: false, big_endian: false };

    pub(super) fn short(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    pub(super) fn long(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

/// Representations with a length of two bytes behind them.
pub(super) fn has_short_length(representation: [u8; 2]) -> bool {
    matches!(
        &representation,
        b"AE"
            | b"AS"
            | b"AT"
            | b"CS"
            | b"DA"
            | b"DS"
            | b"DT"
            | b"FD"
            | b"FL"
            | b"IS"
            | b"LO"
            | b"LT"
            | b"PN"
            | b"SH"
            | b"SL"
            | b"SS"
            | b"ST"
            | b"TM"
            | b"UI"
            | b"UL"
            | b"US"
    )
}

/// Whether two bytes are a value representation.
pub(super) fn is_representation(bytes: [u8; 2]) -> bool {
    has_short_length(bytes)
        || matches!(
            &bytes,
            b"OB"
                | b"OD"
                | b"OF"
                | b"OL"
                | b"OV"
                | b"OW"
                | b"SQ"
                | b"SV"
                | b"UC"
                | b"UN"
                | b"UR"
                | b"UT"
                | b"UV"
        )
}

/// Where the elements of a file begin, of which these are the first bytes: behind the prefix, or at once; none for what is no
/// DICOM file.
pub(super) fn start(bytes: &[u8]) -> Option<usize> {
    if bytes.get(PREAMBLE_BYTES..).is_some_and(|rest| rest.starts_with(PREFIX)) {
        return Some(PREAMBLE_BYTES + PREFIX.len());
    }
    if bytes.starts_with(PREFIX) {
        return Some(PREFIX.len());
    }
    begins_a_data_set(bytes).then_some(0)
}

/// How elements are written, by the look of the first; none where that tells nothing.
pub(super) fn told_by(bytes: &[u8]) -> Option<Syntax> {
    let &[a, b, c, d, v, w, y, z, ..] = bytes.get(..8)? else { return None };
    let tag = |syntax: Syntax| Tag(syntax.short([a, b]), syntax.short([c, d]));
    let [little, big] = [false, true].map(|big_endian| Syntax { explicit: true, big_endian });
    // Data sets begin with a low group, 0008 nearly always; vendors' groups may read as one in either order.
    let big_endian = is_known(tag(big)) && !is_known(tag(little));
    if is_representation([v, w]) {
        return Some(Syntax { explicit: true, big_endian });
    }
    let implicit = Syntax { explicit: false, big_endian };
    (implicit.long([v, w, y, z]) as usize <= bytes.len() - 8).then_some(implicit)
}

/// Whether the standard has an element, or it is the length of one of its first groups.
fn is_known(tag: Tag) -> bool {
    match tag.element() {
        // The dictionary has a length for every group.
        0 => matches!(tag.group(), 2 | 8),
        _ => StandardDataDictionary.by_tag(tag).is_some(),
    }
}

/// Whether bytes begin like a data set, or like the group of meta information before one: a few elements that the standard
/// has, in ascending order, from the first groups.
fn begins_a_data_set(bytes: &[u8]) -> bool {
    let Some(syntax) = told_by(bytes) else { return false };
    let (mut at, mut last) = (0, None);
    for _ in 0..ENOUGH_ELEMENTS {
        let Some((tag, next)) = plausible(bytes, at, syntax) else { return false };
        let starts_low = last.is_some() || matches!(tag.group(), 2 | 8);
        if !starts_low || last.is_some_and(|last| tag <= last) {
            return false;
        }
        (at, last) = (next, Some(tag));
    }
    true
}

/// The element at a position, where it is one of the standard's and lies within the bytes; and where the next begins.
fn plausible(bytes: &[u8], at: usize, syntax: Syntax) -> Option<(Tag, usize)> {
    let rest = bytes.get(at..)?;
    let pair = |at: usize| rest.get(at..)?.first_chunk::<2>().copied();
    let four = |at: usize| rest.get(at..)?.first_chunk::<4>().copied();
    let tag = Tag(syntax.short(pair(0)?), syntax.short(pair(2)?));
    if !is_known(tag) {
        return None;
    }
    let (header, length) = if !syntax.explicit {
        (8, syntax.long(four(4)?) as usize)
    } else if has_short_length(pair(4)?) {
        (8, usize::from(syntax.short(pair(6)?)))
    } else if is_representation(pair(4)?) {
        (12, syntax.long(four(8)?) as usize)
    } else {
        return None;
    };
    let next = at.checked_add(header)?.checked_add(length)?;
    (next <= bytes.len()).then_some((tag, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn implicit(tag: (u16, u16), value: &[u8]) -> Vec<u8> {
        let mut bytes = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
        bytes.extend((value.len() as u32).to_le_bytes());
        bytes.extend(value);
        bytes
    }

    fn explicit(tag: (u16, u16), vr: &[u8; 2], value: &[u8], big: bool) -> Vec<u8> {
        let short = |v: u16| if big { v.to_be_bytes() } else { v.to_le_bytes() };
        [&short(tag.0)[..], &short(tag.1), vr, &short(value.len() as u16), value].concat()
    }

    #[test]
    fn data_sets_are_told_by_their_first_elements() {
        let tags = [(8, 5), (8, 8), (8, 0x16)];
        let bare: Vec<u8> = tags.iter().flat_map(|t| implicit(*t, b"ISO_IR 100")).collect();
        assert_eq!((start(&bare), told_by(&bare)), (Some(0), Some(Syntax::IMPLICIT)));
        for big_endian in [false, true] {
            let bare: Vec<u8> = tags.iter().flat_map(|t| explicit(*t, b"CS", b"AB", big_endian)).collect();
            let expected = Syntax { explicit: true, big_endian };
            assert_eq!((start(&bare), told_by(&bare)), (Some(0), Some(expected)));
            let with_prefix = [&[0; 128][..], b"DICM", &bare].concat();
            assert_eq!(start(&with_prefix), Some(132));
            assert_eq!(start(&[b"DICM", &bare[..]].concat()), Some(4));
        }
    }

    #[test]
    fn the_length_of_a_group_may_come_first() {
        for big_endian in [false, true] {
            let bytes = explicit((8, 0), b"UL", &[0, 0, 1, 0x34], big_endian);
            assert_eq!(told_by(&bytes), Some(Syntax { explicit: true, big_endian }));
        }
    }

    #[test]
    fn a_vendors_group_says_nothing_of_the_byte_order() {
        // (3F03,0010), which reads as (033F,1000) the other way round.
        assert_eq!(told_by(&implicit((0x3f03, 0x10), b"MAKER ")), Some(Syntax::IMPLICIT));
        // No representation, and no length either.
        assert_eq!(told_by(b"\x08\0\x05\0\x7f\x7f\x7f\x7f"), None);
    }

    #[test]
    fn other_bytes_are_none() {
        // A ramp of 16-bit numbers from 8 on, zeros, text, elements that descend, one that leaves the file.
        let ramp: Vec<u8> = (8u16..4000).flat_map(u16::to_le_bytes).collect();
        let down: Vec<u8> = [(8, 8), (8, 5), (8, 0x16)].iter().flat_map(|t| implicit(*t, b"AB")).collect();
        let mut cut: Vec<u8> = [(8, 5), (8, 8), (8, 0x16)].iter().flat_map(|t| implicit(*t, b"AB")).collect();
        cut.pop();
        for bytes in [&ramp[..], &[0; 4096], b"NRRD0004 and so on", &down, &cut, b""] {
            assert_eq!(start(bytes), None);
        }
    }
}
