//! The frame of a `.nvol` file, as FORMAT.md has it: numbers of as few bytes as they need, sections, and tables of streams.

#![allow(dead_code, reason = "a test needs some of it")]

/// A section's bytes in the index, and its data.
#[derive(Clone)]
pub(crate) struct Section {
    pub(crate) name: [u8; 4],
    pub(crate) own: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

impl Section {
    pub(crate) fn new(name: [u8; 4], own: Vec<u8>) -> Self {
        Self { name, own, data: Vec::new() }
    }

    /// Where the table begins that ends the section, and the length of each stream; `None` where none fits the data.
    pub(crate) fn table(&self) -> Option<(usize, Vec<usize>)> {
        (0..self.own.len()).find_map(|start| Some((start, self.table_at(start)?)))
    }

    fn table_at(&self, start: usize) -> Option<Vec<usize>> {
        let (mut rest, mut data, mut lengths) = (&self.own[start..], &self.data[..], Vec::new());
        while !rest.is_empty() {
            let length = take(&mut rest)?;
            let (checksum, after) = rest.split_first_chunk()?;
            let (stream, others) = data.split_at_checked(length)?;
            if crc32fast::hash(stream).to_le_bytes() != *checksum {
                return None;
            }
            (rest, data) = (after, others);
            lengths.push(length);
        }
        data.is_empty().then_some(lengths)
    }

    /// Puts other streams behind what of the section is before its table.
    pub(crate) fn set_streams(&mut self, table: usize, streams: &[&[u8]]) {
        self.own.truncate(table);
        for stream in streams {
            put(&mut self.own, stream.len());
            self.own.extend(crc32fast::hash(stream).to_le_bytes());
        }
        self.data = streams.concat();
    }
}

/// Appends a number.
pub(crate) fn put(out: &mut Vec<u8>, mut number: usize) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the front.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<usize> {
    let count = bytes.iter().take(9).position(|&byte| byte < 128)? + 1;
    let (number, rest) = bytes.split_at(count);
    *bytes = rest;
    Some(number.iter().rev().fold(0, |sum, &byte| sum << 7 | usize::from(byte & 127)))
}

/// One past a file's index.
pub(crate) fn index_end(file: &[u8]) -> usize {
    20 + u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize
}

/// A file's sections, in its order.
pub(crate) fn sections(file: &[u8]) -> Vec<Section> {
    let (mut index, mut data) = (&file[20..index_end(file)], &file[index_end(file)..]);
    let mut next = |_| {
        let (name, rest) = index.split_first_chunk().unwrap();
        index = rest;
        let (own, of_data) = (take(&mut index).unwrap(), take(&mut index).unwrap());
        let section = Section { name: *name, own: index[..own].to_vec(), data: data[..of_data].to_vec() };
        (index, data) = (&index[own..], &data[of_data..]);
        section
    };
    (0..u16::from_le_bytes([file[10], file[11]])).map(&mut next).collect()
}

/// A file of these sections, the checksum of header and index right.
pub(crate) fn file_of(version: u16, sections: &[Section]) -> Vec<u8> {
    let mut index = Vec::new();
    for Section { name, own, data } in sections {
        index.extend(name);
        put(&mut index, own.len());
        put(&mut index, data.len());
        index.extend(own);
    }
    let mut file = b"\x89NVOL\r\n\x1a".to_vec();
    file.extend(version.to_le_bytes());
    file.extend((sections.len() as u16).to_le_bytes());
    file.extend((index.len() as u32).to_le_bytes());
    file.extend([0; 4]);
    file.extend(index);
    mend(&mut file);
    file.extend(sections.iter().flat_map(|section| &section.data));
    file
}

/// Makes the checksum of header and index right.
pub(crate) fn mend(file: &mut [u8]) {
    let checksum = crc32fast::hash(&[&file[..16], &file[20..index_end(file)]].concat());
    file[16..20].copy_from_slice(&checksum.to_le_bytes());
}
