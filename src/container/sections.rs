//! The file's frame: magic, version, table of sections, checksums.

use crate::container::FORMAT_VERSION;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// First bytes of every file. As in PNG: a byte above 127, a name, and line ends that text transfers would break.
pub(super) const MAGIC: [u8; 8] = *b"\x89NVOL\r\n\x1a";

const HEADER: usize = 16;
const ENTRY: usize = 24;
const MAX_SECTIONS: u16 = 256;

/// Collects sections and lays them out.
pub(super) struct SectionWriter {
    sections: Vec<([u8; 4], Vec<u8>)>,
}

impl SectionWriter {
    pub(super) fn new() -> Self {
        Self { sections: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &[u8; 4], bytes: Vec<u8>) {
        self.sections.push((*name, bytes));
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut offset = HEADER + ENTRY * self.sections.len();
        let mut table = Vec::new();
        for (name, bytes) in &self.sections {
            table.extend(name);
            table.extend((offset as u64).to_le_bytes());
            table.extend((bytes.len() as u64).to_le_bytes());
            table.extend(crc32fast::hash(bytes).to_le_bytes());
            offset += bytes.len();
        }
        let mut file = Vec::with_capacity(offset);
        file.extend(MAGIC);
        file.extend(FORMAT_VERSION.to_le_bytes());
        file.extend((self.sections.len() as u16).to_le_bytes());
        file.extend(header_checksum(&file, &table).to_le_bytes());
        file.extend(table);
        for (_, bytes) in self.sections {
            file.extend(bytes);
        }
        file
    }
}

/// Puts other bytes in place of a section's of a file that [`SectionWriter`] made; what comes behind moves.
pub(super) fn replace(file: &mut Vec<u8>, name: &[u8; 4], bytes: &[u8]) {
    let count = usize::from(u16::from_le_bytes([file[10], file[11]]));
    let table = HEADER..HEADER + ENTRY * count;
    let mut moved = None;
    for entry in table.clone().step_by(ENTRY) {
        let number = |at: usize| {
            let mut le = [0; 8];
            le.copy_from_slice(&file[entry + at..entry + at + 8]);
            u64::from_le_bytes(le)
        };
        let (offset, length) = (number(4), number(12));
        match moved {
            None if file[entry..entry + 4] == *name => {
                file[entry + 12..entry + 20].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
                file[entry + 20..entry + 24].copy_from_slice(&crc32fast::hash(bytes).to_le_bytes());
                moved = Some((offset, length));
            }
            None => {}
            Some((_, before)) => {
                let offset = offset - before + bytes.len() as u64;
                file[entry + 4..entry + 12].copy_from_slice(&offset.to_le_bytes());
            }
        }
    }
    if let Some((offset, length)) = moved {
        file.splice(offset as usize..(offset + length) as usize, bytes.iter().copied());
    }
    let checksum = header_checksum(&file[..12], &file[table]);
    file[12..16].copy_from_slice(&checksum.to_le_bytes());
}

/// CRC-32 of the twelve bytes before it and the table behind it.
fn header_checksum(first: &[u8], table: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(first);
    hasher.update(table);
    hasher.finalize()
}

/// A file's sections, checked.
pub(super) struct SectionReader<'a> {
    path: PathBuf,
    sections: Vec<([u8; 4], &'a [u8])>,
}

impl<'a> SectionReader<'a> {
    pub(super) fn new(bytes: &'a [u8], path: &Path) -> Result<Self> {
        let header_error = |what: String| section_error(path, "file header", what);
        let expected = &MAGIC[..MAGIC.len().min(bytes.len())];
        if !bytes.starts_with(expected) || bytes.is_empty() {
            let alike = expected.iter().zip(bytes).filter(|(a, b)| a == b).count();
            // Most of it is there: one of ours that was changed, by a text transfer perhaps.
            return Err(if 2 * alike > MAGIC.len() {
                header_error("its first eight bytes are damaged".into())
            } else {
                Error::format(path, "not a .nvol file (its first bytes are others)")
            });
        }
        let header = bytes.get(..HEADER).ok_or_else(|| header_error("the file ends inside it".into()))?;
        let version = u16::from_le_bytes([header[8], header[9]]);
        let count = u16::from_le_bytes([header[10], header[11]]);
        let checksum = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
        if version == 0 {
            return Err(header_error("format version 0 is none".into()));
        }
        if version > FORMAT_VERSION {
            // Told before the checksum is compared: a later version may lay its table out otherwise.
            return Err(header_error(format!(
                "format version {version}; this neuvol reads up to {FORMAT_VERSION}, a newer one is needed"
            )));
        }
        if count > MAX_SECTIONS {
            return Err(header_error(format!("{count} sections are more than {MAX_SECTIONS}")));
        }
        let table_end = HEADER + ENTRY * usize::from(count);
        let table = bytes
            .get(HEADER..table_end)
            .ok_or_else(|| header_error("the file ends inside the table of sections".into()))?;
        if header_checksum(&header[..12], table) != checksum {
            return Err(header_error("checksum mismatch: the header is damaged".into()));
        }
        let mut sections = Vec::new();
        let mut expected = table_end;
        for entry in table.chunks_exact(ENTRY) {
            let name = [entry[0], entry[1], entry[2], entry[3]];
            let number = |at: usize| {
                let mut le = [0; 8];
                le.copy_from_slice(&entry[at..at + 8]);
                usize::try_from(u64::from_le_bytes(le)).unwrap_or(usize::MAX)
            };
            let (offset, length) = (number(4), number(12));
            let stored = u32::from_le_bytes([entry[20], entry[21], entry[22], entry[23]]);
            let fail = |what: String| section_error(path, &String::from_utf8_lossy(&name), what);
            if offset != expected {
                return Err(fail(format!("it is said to begin at byte {offset}, not {expected}")));
            }
            let end = offset.checked_add(length).filter(|&end| end <= bytes.len());
            let Some(end) = end else {
                return Err(fail(format!(
                    "{length} bytes from byte {offset} on, but the file has {} bytes: it is truncated",
                    bytes.len()
                )));
            };
            let section = &bytes[offset..end];
            if crc32fast::hash(section) != stored {
                return Err(fail("checksum mismatch: its bytes are damaged".into()));
            }
            if sections.iter().any(|(other, _)| *other == name) {
                return Err(fail("there are two of it".into()));
            }
            sections.push((name, section));
            expected = end;
        }
        if expected != bytes.len() {
            return Err(header_error(format!(
                "{} bytes behind the last section do not belong to the file",
                bytes.len() - expected
            )));
        }
        Ok(Self { path: path.to_owned(), sections })
    }

    pub(super) fn has(&self, name: &[u8; 4]) -> bool {
        self.sections.iter().any(|(n, _)| n == name)
    }

    /// Parses a section that must be there.
    pub(super) fn parse<T>(
        &self,
        name: &[u8; 4],
        parse: impl FnOnce(&'a [u8]) -> Result<T, String>,
    ) -> Result<T> {
        let fail = |what: String| section_error(&self.path, &String::from_utf8_lossy(name), what);
        let section = self.sections.iter().find(|(n, _)| n == name);
        let (_, bytes) = section.ok_or_else(|| fail("it is missing".into()))?;
        parse(bytes).map_err(fail)
    }
}

fn section_error(path: &Path, section: &str, what: String) -> Error {
    Error::Section { path: path.to_owned(), section: section.into(), what }
}
