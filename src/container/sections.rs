//! The file's frame: magic, version, table of sections, checksums.

use crate::container::FORMAT_VERSION;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// First bytes of every file. As in PNG: a byte above 127, a name, and line ends that text transfers would break.
pub(super) const MAGIC: [u8; 8] = *b"\x89NVOL\r\n\x1a";

const HEADER: usize = 16;
const ENTRY: usize = 24;
const MAX_SECTIONS: u16 = 256;

/// Lays sections out one behind the other: they are written where they stay, so that a large one is in memory once.
pub(super) struct SectionWriter {
    /// Room for the header and the table, and the sections so far.
    file: Vec<u8>,
    /// Names, and where each ends.
    sections: Vec<([u8; 4], usize)>,
    table_end: usize,
}

impl SectionWriter {
    /// For so many sections of about so many bytes together.
    pub(super) fn new(count: usize, bytes: usize) -> Self {
        let table_end = HEADER + ENTRY * count;
        let mut file = Vec::with_capacity(table_end + bytes);
        file.resize(table_end, 0);
        Self { file, sections: Vec::with_capacity(count), table_end }
    }

    /// `write` appends the section's bytes.
    pub(super) fn add(&mut self, name: &[u8; 4], write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.file);
        self.sections.push((*name, self.file.len()));
    }

    /// The file of as many sections as were announced.
    pub(super) fn finish(mut self) -> Vec<u8> {
        assert_eq!(self.table_end, HEADER + ENTRY * self.sections.len());
        let mut begin = self.table_end;
        let mut table = Vec::new();
        for &(name, end) in &self.sections {
            table.extend(name);
            table.extend((begin as u64).to_le_bytes());
            table.extend(((end - begin) as u64).to_le_bytes());
            table.extend(crc32fast::hash(&self.file[begin..end]).to_le_bytes());
            begin = end;
        }
        let mut header = MAGIC.to_vec();
        header.extend(FORMAT_VERSION.to_le_bytes());
        header.extend((self.sections.len() as u16).to_le_bytes());
        header.extend(header_checksum(&header, &table).to_le_bytes());
        self.file[..HEADER].copy_from_slice(&header);
        self.file[HEADER..self.table_end].copy_from_slice(&table);
        self.file
    }
}

/// Puts other bytes into a section of a file that [`SectionWriter`] made; nothing where there is no such section.
pub(super) fn replace(file: &mut Vec<u8>, name: &[u8; 4], section: &[u8]) {
    let table = HEADER..HEADER + ENTRY * usize::from(u16::from_le_bytes([file[10], file[11]]));
    let number = |file: &[u8], at: usize| {
        let mut le = [0; 8];
        le.copy_from_slice(&file[at..at + 8]);
        u64::from_le_bytes(le) as usize
    };
    let entries = || table.clone().step_by(ENTRY);
    let Some(entry) = entries().find(|&entry| file[entry..].starts_with(name)) else { return };
    let (begin, length) = (number(file, entry + 4), number(file, entry + 12));
    file.splice(begin..begin + length, section.iter().copied());
    file[entry + 12..entry + 20].copy_from_slice(&(section.len() as u64).to_le_bytes());
    file[entry + 20..entry + 24].copy_from_slice(&crc32fast::hash(section).to_le_bytes());
    // Those behind it have moved where it grew or shrank.
    let mut offset = table.end;
    for entry in entries() {
        file[entry + 4..entry + 12].copy_from_slice(&(offset as u64).to_le_bytes());
        offset += number(file, entry + 12);
    }
    let checksum = header_checksum(&file[..12], &file[table]);
    file[12..HEADER].copy_from_slice(&checksum.to_le_bytes());
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
            return Err(header_error("invalid format version 0".into()));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn file(middle: &[u8]) -> Vec<u8> {
        let mut file = SectionWriter::new(3, 0);
        file.add(b"AAAA", |out| out.extend([1; 9]));
        file.add(b"QUAL", |out| out.extend(middle));
        file.add(b"ZZZZ", |out| out.extend([3; 70]));
        file.finish()
    }

    #[test]
    fn a_section_is_replaced_as_if_the_file_had_been_written_with_it() {
        for other in [&[7u8; 20][..], &[8; 3], &[], &[9; 500]] {
            let mut changed = file(&[2; 20]);
            replace(&mut changed, b"QUAL", other);
            assert_eq!(changed, file(other));
            assert!(SectionReader::new(&changed, Path::new("changed")).is_ok());
            replace(&mut changed, b"NONE", &[1]);
            assert_eq!(changed, file(other), "there is no such section");
        }
    }
}
