//! The file's frame: magic, version, index of sections, and the data that they point to.

use crate::container::FORMAT_VERSION;
use crate::error::{Error, Result};
use crate::storage::{ReadAt, Streams, put_whole, put_wide_whole, take_whole};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// First bytes of every file. As in PNG: a byte above 127, a name, and line ends that text transfers would break.
pub(super) const MAGIC: [u8; 8] = *b"\x89NVOL\r\n\x1a";

/// Bytes before the index: magic, version, number of sections, length of the index, checksum.
const HEADER: usize = 20;
const MAX_SECTIONS: u16 = 256;
/// Bytes that are read at once when a file is opened: most indices end within them.
const FIRST_READ: u64 = 4 << 10;

/// Collects sections: what is read when a file is opened, and the streams that are read when they are needed.
#[derive(Default)]
pub(super) struct SectionWriter<'a> {
    index: Vec<u8>,
    data: Vec<&'a Streams>,
    count: u16,
}

impl<'a> SectionWriter<'a> {
    /// A section of these bytes without data.
    pub(super) fn add(&mut self, name: &[u8; 4], section: &[u8]) {
        self.put(name, section, 0);
    }

    /// A section with streams, whose table ends it.
    pub(super) fn add_with_streams(&mut self, name: &[u8; 4], mut section: Vec<u8>, streams: &'a Streams) {
        streams.put_table(&mut section);
        self.put(name, &section, streams.bytes() as u64);
        self.data.push(streams);
    }

    fn put(&mut self, name: &[u8; 4], section: &[u8], data: u64) {
        put_entry(&mut self.index, name, section.len());
        put_whole(&mut self.index, data);
        self.index.extend(section);
        self.count += 1;
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        (HEADER + self.index.len()) as u64
            + self.data.iter().map(|streams| streams.bytes() as u64).sum::<u64>()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When streams cannot be read, or the file cannot be written.
    pub(super) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(&header(self.count, &self.index))?;
        out.write_all(&self.index)?;
        self.data.iter().try_for_each(|streams| streams.write_data(out))
    }

    /// The file.
    ///
    /// # Errors
    /// When streams cannot be read.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        let data: usize = self.data.iter().map(|streams| streams.bytes()).sum();
        let mut file = Vec::with_capacity(HEADER + self.index.len() + data);
        file.extend(header(self.count, &self.index));
        file.extend(&self.index);
        for streams in self.data {
            streams.put_data(&mut file)?;
        }
        Ok(file)
    }
}

/// Appends what the index has of a section before the length of its data.
fn put_entry(index: &mut Vec<u8>, name: &[u8; 4], length: usize) {
    index.extend(name);
    put_whole(index, length as u64);
}

/// Everything but the data of a file whose one section has so many bytes of data; as many bytes, however many they are.
pub(super) fn file_around(name: &[u8; 4], section: &[u8], data: u64) -> Vec<u8> {
    let mut index = Vec::new();
    put_entry(&mut index, name, section.len());
    put_wide_whole(&mut index, data);
    index.extend(section);
    [header(1, &index), index].concat()
}

/// The header of a file with this index.
fn header(count: u16, index: &[u8]) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(FORMAT_VERSION.to_le_bytes());
    header.extend(count.to_le_bytes());
    header.extend((index.len() as u32).to_le_bytes());
    header.extend(checksum(&header, index).to_le_bytes());
    header
}

/// CRC-32 of what is before it in the header, and of the index.
fn checksum(first: &[u8], index: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(first);
    hasher.update(index);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A section's part of the index.
struct Entry {
    name: [u8; 4],
    /// Where its own bytes lie in the index.
    own: Range<usize>,
    /// Bytes of its data.
    data: u64,
}

impl Entry {
    /// That at a place of the index; `None` where the index ends before its own bytes.
    fn read(index: &[u8], at: usize) -> Option<Self> {
        let (name, mut rest) = index.get(at..)?.split_first_chunk()?;
        let length = take_whole(&mut rest).and_then(|length| usize::try_from(length).ok())?;
        let data = take_whole(&mut rest)?;
        let start = index.len() - rest.len();
        Some(Self { name: *name, own: start..start.checked_add(length)?, data })
    }

    /// Those of an index that [`SectionWriter`] made, with the place of each.
    fn of_own(index: &[u8]) -> impl Iterator<Item = (usize, Self)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (start, entry) = (at, Self::read(index, at)?);
            at = entry.own.end;
            Some((start, entry))
        })
    }
}

/// Where the index lies in a file that [`SectionWriter`] made.
fn index_of(file: &[u8]) -> Range<usize> {
    HEADER..HEADER + u32_at(file, 12) as usize
}

/// Puts another index of so many sections into a file that [`SectionWriter`] made.
fn put_index(file: &mut Vec<u8>, count: u16, index: &[u8]) {
    let header = header(count, index);
    let old = index_of(file);
    file[..HEADER].copy_from_slice(&header);
    file.splice(old, index.iter().copied());
}

fn count_of(file: &[u8]) -> u16 {
    u16::from_le_bytes([file[10], file[11]])
}

/// Puts other bytes into a section without data of a file that [`SectionWriter`] made; nothing where there is no such section.
pub(super) fn replace(file: &mut Vec<u8>, name: &[u8; 4], section: &[u8]) {
    let index = &file[index_of(file)];
    let Some((at, entry)) = Entry::of_own(index).find(|(_, entry)| entry.name == *name) else { return };
    let mut changed = SectionWriter::default();
    changed.add(name, section);
    let index = [&index[..at], &changed.index, &index[entry.own.end..]].concat();
    put_index(file, count_of(file), &index);
}

/// Puts a section with streams before all others that have data into a file that [`SectionWriter`] made.
///
/// # Errors
/// When the streams cannot be read.
pub(super) fn insert(
    file: &mut Vec<u8>,
    name: &[u8; 4],
    section: Vec<u8>,
    streams: &Streams,
) -> io::Result<()> {
    let mut added = SectionWriter::default();
    added.add_with_streams(name, section, streams);
    let mut data = Vec::new();
    streams.put_data(&mut data)?;
    let (place, index) = (index_of(file), &file[index_of(file)]);
    let at = Entry::of_own(index).find(|(_, entry)| entry.data > 0).map_or(index.len(), |(at, _)| at);
    let index = [&index[..at], &added.index, &index[at..]].concat();
    // A file may be most of the memory: it is not to grow to twice its size.
    file.reserve_exact(data.len() + added.index.len());
    file.splice(place.end..place.end, data);
    put_index(file, count_of(file) + added.count, &index);
    Ok(())
}

/// A section: its bytes in the index, and where its data lies.
struct Section {
    name: [u8; 4],
    own: Range<usize>,
    data: Range<u64>,
}

/// A file's index, checked. Nothing else of the file was read.
pub(super) struct SectionReader {
    path: PathBuf,
    bytes: Arc<dyn ReadAt>,
    index: Vec<u8>,
    sections: Vec<Section>,
}

/// What a section is parsed from.
pub(super) struct StoredSection<'a> {
    /// Its bytes in the index.
    pub(super) bytes: &'a [u8],
    data: Range<u64>,
    file: &'a Arc<dyn ReadAt>,
}

impl<'a> StoredSection<'a> {
    /// The same with other bytes of its own.
    pub(super) fn with_bytes(self, bytes: &'a [u8]) -> StoredSection<'a> {
        StoredSection { bytes, ..self }
    }

    /// Where its data lies in the file.
    pub(super) fn data(&self) -> Range<u64> {
        self.data.clone()
    }

    /// The file.
    pub(super) fn file(&self) -> &Arc<dyn ReadAt> {
        self.file
    }

    /// The section's streams, whose table is what is left of its bytes.
    pub(super) fn streams(&self, table: &[u8], count: usize) -> Result<Streams, String> {
        Streams::parse(table, count, self.data.clone(), self.file.clone())
    }

    /// The bytes of a section without data.
    pub(super) fn alone(self) -> Result<Vec<u8>, String> {
        match self.data.is_empty() {
            true => Ok(self.bytes.to_vec()),
            false => Err(format!("it has {} bytes of data, but no streams", self.data.end - self.data.start)),
        }
    }
}

impl SectionReader {
    /// Reads the header and the index.
    pub(super) fn new(bytes: Arc<dyn ReadAt>, path: &Path) -> Result<Self> {
        let header_error = |what: String| section_error(path, "file header", what);
        let read = |out: &mut [u8], offset| bytes.read_exact_at(out, offset).map_err(|e| Error::io(path, e));
        let length = bytes.length().map_err(|e| Error::io(path, e))?;
        let mut first = vec![0; length.min(FIRST_READ) as usize];
        read(&mut first, 0)?;
        let expected = &MAGIC[..MAGIC.len().min(first.len())];
        if !first.starts_with(expected) || first.is_empty() {
            let alike = expected.iter().zip(&first).filter(|(a, b)| a == b).count();
            // Most of it is there: one of ours that was changed, by a text transfer perhaps.
            return Err(if 2 * alike > MAGIC.len() {
                header_error("its first eight bytes are damaged".into())
            } else {
                Error::format(path, "not a .nvol file (its first bytes are others)")
            });
        }
        let header = first.get(..HEADER).ok_or_else(|| header_error("the file ends inside it".into()))?;
        let version = u16::from_le_bytes([header[8], header[9]]);
        let count = u16::from_le_bytes([header[10], header[11]]);
        let (index_length, stored) = (u32_at(header, 12), u32_at(header, 16));
        if version == 0 {
            return Err(header_error("invalid format version 0".into()));
        }
        if version > FORMAT_VERSION {
            // Told before the checksum is compared: a later version may lay its index out otherwise.
            return Err(header_error(format!(
                "format version {version}; this neuvol reads up to {FORMAT_VERSION}, a newer one is needed"
            )));
        }
        if count > MAX_SECTIONS {
            return Err(header_error(format!("{count} sections are more than {MAX_SECTIONS}")));
        }
        let data_start = HEADER as u64 + u64::from(index_length);
        if data_start > length {
            return Err(header_error("the file ends inside the index".into()));
        }
        let mut index = vec![0; index_length as usize];
        let known = index.len().min(first.len() - HEADER);
        index[..known].copy_from_slice(&first[HEADER..HEADER + known]);
        read(&mut index[known..], (HEADER + known) as u64)?;
        if checksum(&header[..16], &index) != stored {
            return Err(header_error("checksum mismatch: the header or the index is damaged".into()));
        }
        let mut sections: Vec<Section> = Vec::new();
        let (mut at, mut data) = (0, data_start);
        for _ in 0..count {
            let Entry { name, own, data: data_length } = Entry::read(&index, at)
                .ok_or_else(|| header_error(format!("the index ends before its {count} sections")))?;
            let fail = |what: String| section_error(path, &String::from_utf8_lossy(&name), what);
            if own.end > index.len() {
                return Err(fail(format!("the index ends inside it, at byte {}", index.len())));
            }
            let data_end = data.checked_add(data_length).filter(|&end| end <= length);
            let Some(data_end) = data_end else {
                return Err(fail(format!(
                    "{data_length} bytes of data from byte {data} on, but the file has {length} bytes: it is truncated"
                )));
            };
            if sections.iter().any(|section| section.name == name) {
                return Err(fail("there are two of it".into()));
            }
            at = own.end;
            sections.push(Section { name, own, data: data..data_end });
            data = data_end;
        }
        for (end, of, what) in
            [(at as u64, u64::from(index_length), "of the index"), (data, length, "behind the last section")]
        {
            if end != of {
                return Err(header_error(format!("{} bytes {what} do not belong to the file", of - end)));
            }
        }
        Ok(Self { path: path.to_owned(), bytes, index, sections })
    }

    pub(super) fn has(&self, name: &[u8; 4]) -> bool {
        self.sections.iter().any(|section| section.name == *name)
    }

    /// Parses a section that must be there.
    pub(super) fn parse<T>(
        &self,
        name: &[u8; 4],
        parse: impl FnOnce(StoredSection<'_>) -> Result<T, String>,
    ) -> Result<T> {
        let fail = |what: String| section_error(&self.path, &String::from_utf8_lossy(name), what);
        let section = self.sections.iter().find(|section| section.name == *name);
        let section = section.ok_or_else(|| fail("it is missing".into()))?;
        let stored = StoredSection {
            bytes: &self.index[section.own.clone()],
            data: section.data.clone(),
            file: &self.bytes,
        };
        parse(stored).map_err(fail)
    }
}

fn section_error(path: &Path, section: &str, what: String) -> Error {
    Error::Section { path: path.to_owned(), section: section.into(), what }
}

/// What a section with streams is when it comes out of a file again.
#[cfg(test)]
pub(super) fn read_back<T>(
    section: Vec<u8>,
    streams: &Streams,
    parse: impl FnOnce(StoredSection<'_>) -> Result<T, String>,
) -> Result<T> {
    let mut file = SectionWriter::default();
    file.add_with_streams(b"TEST", section, streams);
    let bytes = file.finish().expect("memory is read");
    SectionReader::new(Arc::new(bytes), Path::new("a test's file"))?.parse(b"TEST", parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(middle: &[u8]) -> Vec<u8> {
        let streams = Streams::new(vec![vec![3; 70], vec![], vec![4; 5000]]);
        let mut file = SectionWriter::default();
        file.add_with_streams(b"AAAA", vec![1; 9], &streams);
        file.add(b"QUAL", middle);
        file.add(b"ZZZZ", &[3; 7000]);
        file.finish().unwrap()
    }

    fn open(bytes: &[u8]) -> Result<SectionReader> {
        SectionReader::new(Arc::new(bytes.to_vec()), Path::new("a file"))
    }

    #[test]
    fn a_section_is_replaced_as_if_the_file_had_been_written_with_it() {
        for other in [&[7u8; 20][..], &[8; 3], &[], &[9; 500]] {
            let mut changed = file(&[2; 20]);
            replace(&mut changed, b"QUAL", other);
            assert_eq!(changed, file(other));
            let reader = open(&changed).unwrap();
            let streams = reader.parse(b"AAAA", |section| section.streams(&section.bytes[9..], 3)).unwrap();
            assert_eq!([0, 1, 2].map(|n| streams.read(n).unwrap().len()), [70, 0, 5000]);
            assert_eq!(reader.parse(b"ZZZZ", |section| Ok(section.bytes.len())).unwrap(), 7000);
            replace(&mut changed, b"NONE", &[1]);
            assert_eq!(changed, file(other), "there is no such section");
        }
    }

    #[test]
    fn a_section_is_inserted_as_if_the_file_had_been_written_with_it() {
        let [first, second] = [vec![vec![3; 70], vec![]], vec![vec![4; 5000]]].map(Streams::new);
        let file = |with_second: bool| {
            let mut file = SectionWriter::default();
            file.add(b"QUAL", &[2; 20]);
            if with_second {
                file.add_with_streams(b"ZZZZ", vec![7; 3], &second);
            }
            file.add_with_streams(b"AAAA", vec![1; 9], &first);
            file.finish().unwrap()
        };
        let mut shorter = file(false);
        insert(&mut shorter, b"ZZZZ", vec![7; 3], &second).unwrap();
        assert_eq!(shorter, file(true));
    }

    #[test]
    fn every_bit_of_header_and_index_is_checked_and_every_length() {
        let whole = file(&[2; 20]);
        let data = 70 + 5000;
        for at in 0..whole.len() - data {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(open(&changed).is_err(), "byte {at}");
        }
        for end in 0..whole.len() {
            assert!(open(&whole[..end]).is_err(), "{end} bytes");
        }
        assert!(open(&[&whole[..], &[0]].concat()).is_err());
    }
}
