//! A walk over element lengths before the parser sees a file: `dicom-parser` allocates what an element declares, up to
//! 4 GiB, before it reads a byte.
//!
//! The walk refuses lengths beyond the file's end and stops, content, where it no longer understands the file.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// How the elements at hand are written (PS3.5, chapter 7).
#[derive(Clone, Copy)]
struct Syntax {
    explicit: bool,
    big_endian: bool,
}

const META: Syntax = Syntax { explicit: true, big_endian: false };
const UNDEFINED: u32 = u32::MAX;
const TRANSFER_SYNTAX_UID: (u16, u16) = (0x0002, 0x0010);
const PIXEL_DATA: (u16, u16) = (0x7fe0, 0x0010);

/// Refuses a file with an element that is longer than what is left of the file.
pub(super) fn check(path: &Path) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let size = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let mut reader = BufReader::new(file);
    let mut at = reader.seek(SeekFrom::Start(132)).map_err(|e| Error::io(path, e))?;
    let mut syntax = META;
    let mut data_syntax = Some(META);
    let mut in_meta = true;
    while let Some(group_bytes) = read::<2>(&mut reader) {
        // The first element behind group 0002 is written in the transfer syntax of the data.
        if in_meta && group_bytes != [2, 0] {
            in_meta = false;
            let Some(declared) = data_syntax else { return Ok(()) };
            syntax = declared;
        }
        let Some(element) = Element::read(group_bytes, &mut reader, syntax) else { return Ok(()) };
        at += element.header_bytes;
        if element.is_container() {
            if &element.representation == b"UN" {
                // Its content is implicit whatever surrounds it, which dicom-parser does not know.
                return Err(Error::unsupported(
                    path,
                    format!(
                        "the element before byte {at} is of unknown representation and undefined length; rewrite the file (dcmconv)"
                    ),
                ));
            }
            if element.tag == PIXEL_DATA {
                return Ok(());
            }
            // The content follows, element by element.
            continue;
        }
        if u64::from(element.length) > size.saturating_sub(at) {
            let (group, number) = element.tag;
            return Err(Error::format(
                path,
                format!(
                    "element ({group:04X},{number:04X}) declares {} bytes at byte {at}, the file has {size}; \
                     it is truncated or corrupt",
                    element.length
                ),
            ));
        }
        if element.tag == PIXEL_DATA {
            return Ok(());
        }
        if element.tag == TRANSFER_SYNTAX_UID {
            let mut uid = String::new();
            let read = (&mut reader).take(element.length.into()).read_to_string(&mut uid);
            if read.is_err() {
                return Ok(());
            }
            data_syntax = match uid.trim_end_matches('\0') {
                "1.2.840.10008.1.2" => Some(Syntax { explicit: false, big_endian: false }),
                "1.2.840.10008.1.2.2" => Some(Syntax { explicit: true, big_endian: true }),
                // Deflated: no elements to see from here.
                "1.2.840.10008.1.2.1.99" => None,
                _ => Some(META),
            };
        } else if reader.seek_relative(element.length.into()).is_err() {
            return Ok(());
        }
        at += u64::from(element.length);
    }
    Ok(())
}

/// An element without its value.
struct Element {
    tag: (u16, u16),
    representation: [u8; 2],
    length: u32,
    header_bytes: u64,
}

impl Element {
    fn read(group: [u8; 2], reader: &mut impl Read, syntax: Syntax) -> Option<Self> {
        let short =
            |b: [u8; 2]| if syntax.big_endian { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) };
        let long = |b: [u8; 4]| if syntax.big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) };
        let tag = (short(group), short(read(reader)?));
        // Items and delimiters have no representation in any syntax.
        if !syntax.explicit || tag.0 == 0xfffe {
            return Some(Element {
                tag,
                representation: [0; 2],
                length: long(read(reader)?),
                header_bytes: 8,
            });
        }
        let representation = read(reader)?;
        match &representation {
            b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FD" | b"FL" | b"IS" | b"LO" | b"LT"
            | b"PN" | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL" | b"US" => {
                Some(Element { tag, representation, length: short(read(reader)?).into(), header_bytes: 8 })
            }
            // dicom-parser too takes representations that it does not know for long ones.
            _ => {
                read::<2>(reader)?;
                Some(Element { tag, representation, length: long(read(reader)?), header_bytes: 12 })
            }
        }
    }

    /// Whether elements follow rather than a value: sequences, their items, and delimiters.
    fn is_container(&self) -> bool {
        self.length == UNDEFINED || self.tag.0 == 0xfffe || &self.representation == b"SQ"
    }
}

fn read<const N: usize>(reader: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).ok()?;
    Some(bytes)
}
