//! The samples of one array: text or bytes, inline or appended, base64 or raw, compressed or not.

use super::base64;
use super::document::{Array, Compressor, DataPlace, Document};
use crate::error::{Error, Result};
use crate::io::elements::{self, ByteOrder, FilePart, StoredType};
use crate::volume::Samples;
use flate2::read::ZlibDecoder;
use lzma_rust2::XzReader;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Where an array's samples come from: a file, what its XML says of it.
pub(super) struct ArraySource<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a mut BufReader<File>,
    pub(super) file_bytes: u64,
    pub(super) document: &'a Document,
}

/// Where an array's text or bytes begin, with the numbers before them.
struct Place {
    start: u64,
    /// Of what is inline.
    length: Option<u64>,
    base64: bool,
}

impl Place {
    /// What lies there.
    fn reader<'a>(&self, path: &Path, mut file: impl BufRead + Seek + 'a) -> Result<Box<dyn Read + 'a>> {
        file.seek(SeekFrom::Start(self.start)).map_err(|e| Error::io(path, e))?;
        let bytes = file.take(self.length.unwrap_or(u64::MAX));
        Ok(if self.base64 { Box::new(base64::Decoder::new(bytes)) } else { Box::new(bytes) })
    }
}

impl ArraySource<'_> {
    fn place(&mut self, array: &Array) -> Result<Place> {
        let (path, file_bytes) = (self.path, self.file_bytes);
        let inside = |start: u64| match start <= file_bytes {
            true => Ok(start),
            false => Err(Error::format(
                path,
                format!("array '{}' should start at byte {start}, behind the file's end", array.name),
            )),
        };
        Ok(match &array.place {
            DataPlace::Ascii(range) | DataPlace::Binary(range) => Place {
                start: inside(range.start)?,
                length: Some(range.end - range.start),
                base64: matches!(array.place, DataPlace::Binary(_)),
            },
            DataPlace::Appended(offset) => {
                let appended = self.document.appended.ok_or_else(|| {
                    Error::format(path, format!("array '{}' lies in missing <AppendedData>", array.name))
                })?;
                let start = inside(appended.start)?;
                self.file.seek(SeekFrom::Start(start)).map_err(|e| Error::io(path, e))?;
                let start = start + underscore(path, self.file)?;
                Place { start: inside(start.saturating_add(*offset))?, length: None, base64: appended.base64 }
            }
        })
    }

    /// What lies at the array's place: its text, or its bytes with the numbers before them.
    fn at<'a>(&'a mut self, array: &Array) -> Result<Box<dyn Read + 'a>> {
        self.place(array)?.reader(self.path, &mut *self.file)
    }

    fn header<'a>(&self, array: &'a Array) -> BlockHeader<'a>
    where
        Self: 'a,
    {
        BlockHeader {
            path: self.path,
            array: &array.name,
            size: self.document.header_size,
            order: self.document.byte_order,
        }
    }

    /// The wanted component of an array that has this many tuples.
    pub(super) fn part(&self, array: &Array, component: usize, count: usize) -> Result<FilePart> {
        Ok(FilePart { count, components: array.components(self.path)?, component, run: 1, step: 0 })
    }

    /// The first byte of samples that lie in the file as they are; `None` where they do not.
    pub(super) fn in_place(&mut self, array: &Array, part: FilePart) -> Result<Option<u64>> {
        let place = self.place(array)?;
        if place.base64 || place.length.is_some() || self.document.compressor.is_some() {
            return Ok(None);
        }
        let expected = part.bytes_to_its_end(array.stored_type(self.path)?);
        let header = self.header(array);
        let mut bytes = place.reader(self.path, &mut *self.file)?;
        header.check_plain(&mut *bytes, expected)?;
        Ok(Some(place.start + header.size as u64))
    }

    /// Bytes of the largest block; 0 where there are no blocks.
    pub(super) fn largest_block(&mut self, array: &Array) -> Result<u64> {
        if self.document.compressor.is_none() || matches!(array.place, DataPlace::Ascii(_)) {
            return Ok(0);
        }
        let header = self.header(array);
        let sizes = header.sizes(&mut *self.at(array)?)?;
        Ok(if sizes.count == 1 { sizes.last } else { sizes.size })
    }
}

/// An array's samples as they come out of a file.
pub(super) enum ArrayContent {
    /// In bytes, uncompressed.
    Bytes(Box<dyn Read>),
    Text(Box<dyn Read>),
}

/// What reads a part of an array. It moves the source's file, too.
pub(super) fn content(source: &mut ArraySource, array: &Array, part: FilePart) -> Result<ArrayContent> {
    let (path, file_bytes) = (source.path, source.file_bytes);
    let expected = part.bytes_to_its_end(array.stored_type(path)?);
    let file = source.file.get_ref().try_clone().map_err(|e| Error::io(path, e))?;
    let mut bytes = source.place(array)?.reader(path, BufReader::with_capacity(1 << 18, file))?;
    let header = source.header(array);
    if let DataPlace::Ascii(_) = array.place {
        return Ok(ArrayContent::Text(bytes));
    }
    let Some(compressor) = source.document.compressor else {
        elements::check_file_holds(path, expected, file_bytes, false)?;
        header.check_plain(&mut *bytes, expected)?;
        return Ok(ArrayContent::Bytes(bytes));
    };
    elements::check_file_holds(path, expected / compressor.largest_ratio(), file_bytes, false)?;
    let sizes = header.sizes(&mut *bytes)?;
    let blocks = header.blocks(&mut *bytes, sizes, expected, file_bytes)?;
    let pending = blocks.into_iter();
    Ok(ArrayContent::Bytes(Box::new(Blocks { source: bytes, compressor, pending, block: Vec::new(), at: 0 })))
}

/// Reads one component of the `count` tuples of `array`.
pub(super) fn read(
    source: &mut ArraySource,
    array: &Array,
    component: usize,
    count: usize,
) -> Result<Samples> {
    let (path, order) = (source.path, source.document.byte_order);
    let stored = array.stored_type(path)?;
    let part = source.part(array, component, count)?;
    match content(source, array, part)? {
        ArrayContent::Text(mut text) => ascii(path, &mut *text, array, stored, part),
        ArrayContent::Bytes(mut bytes) => part.read(path, &mut *bytes, stored, order),
    }
}

/// The first string of an array of strings, as VTK stores them: the bytes of each, then a zero. `None` for an empty array.
pub(super) fn read_text(source: &mut ArraySource, array: &Array) -> Result<Option<String>> {
    let (path, file_bytes, document) = (source.path, source.file_bytes, source.document);
    let header = source.header(array);
    let mut bytes = source.at(array)?;
    let long = || header.error(format!("has more than the {MOST_TEXT} bytes that a name may have"));
    let mut text = Vec::new();
    match (&array.place, document.compressor) {
        (DataPlace::Ascii(_), _) => {
            let mut numbers = String::new();
            bytes.take(8 * MOST_TEXT).read_to_string(&mut numbers).map_err(|e| Error::io(path, e))?;
            let codes = numbers.split_ascii_whitespace().map(str::parse::<i16>);
            // Signed or not: VTK writes `char`, which is either.
            let codes = codes.map(|code| code.ok().filter(|c| (-128..256).contains(c)).map(|c| c as u8));
            text = codes.collect::<Option<_>>().ok_or_else(|| header.error("is not text".into()))?;
        }
        (_, None) => {
            let length = header.number(&mut *bytes)?;
            if length > MOST_TEXT {
                return Err(long());
            }
            bytes.take(length).read_to_end(&mut text).map_err(|e| Error::io(path, e))?;
        }
        (_, Some(compressor)) => {
            let sizes = header.sizes(&mut *bytes)?;
            let length = sizes.total().filter(|&length| length <= MOST_TEXT).ok_or_else(long)?;
            let blocks = header.blocks(&mut *bytes, sizes, length, file_bytes)?;
            let pending = blocks.into_iter();
            let mut blocks = Blocks { source: bytes, compressor, pending, block: Vec::new(), at: 0 };
            blocks.read_to_end(&mut text).map_err(|e| Error::io(path, e))?;
        }
    }
    let first = text.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok((!text.is_empty()).then(|| String::from_utf8_lossy(first).into_owned()))
}

/// Bytes of an array of strings that still is a name or a word.
const MOST_TEXT: u64 = 1 << 16;

impl Compressor {
    /// More than this no block can shrink: what a header declares beyond it is a lie.
    fn largest_ratio(self) -> u64 {
        match self {
            Compressor::Zlib => 1032,
            Compressor::Lz4 => 256,
            Compressor::Lzma => 1 << 14,
        }
    }
}

fn ascii(
    path: &Path,
    bytes: &mut dyn Read,
    array: &Array,
    stored: StoredType,
    part: FilePart,
) -> Result<Samples> {
    let mut text = Vec::new();
    bytes.read_to_end(&mut text).map_err(|e| Error::io(path, e))?;
    let numbers = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
    let expected = part.count.saturating_mul(part.components);
    if numbers > expected {
        return Err(Error::format(
            path,
            format!("array '{}' holds more numbers than the {expected} of the extent", array.name),
        ));
    }
    part.parse(path, &text, stored)
}

/// Bytes from the start of appended data to behind its underscore.
fn underscore(path: &Path, file: &mut impl BufRead) -> Result<u64> {
    for (index, byte) in Read::take(file, 1 << 16).bytes().enumerate() {
        match byte.map_err(|e| Error::io(path, e))? {
            b'_' => return Ok(index as u64 + 1),
            blank if blank.is_ascii_whitespace() => {}
            _ => break,
        }
    }
    Err(Error::format(path, "<AppendedData> does not start with an underscore"))
}

/// Reads the numbers that precede an array's bytes.
struct BlockHeader<'a> {
    path: &'a Path,
    array: &'a str,
    size: usize,
    order: ByteOrder,
}

impl BlockHeader<'_> {
    fn error(&self, what: String) -> Error {
        Error::format(self.path, format!("array '{}' {what}", self.array))
    }

    fn number(&self, source: &mut dyn Read) -> Result<u64> {
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..self.size];
        source.read_exact(bytes).map_err(|e| self.error(format!("has no readable header: {e}")))?;
        if self.order == ByteOrder::Big {
            bytes.reverse();
        }
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// Refuses an array that is not compressed, and has other bytes than are expected.
    fn check_plain(&self, source: &mut dyn Read, expected: u64) -> Result<()> {
        let declared = self.number(source)?;
        if declared != expected {
            return Err(self.error(format!("declares {declared} bytes where the extent needs {expected}")));
        }
        Ok(())
    }

    fn sizes(&self, source: &mut dyn Read) -> Result<BlockSizes> {
        let count = self.number(source)?;
        let size = self.number(source)?;
        let last = self.number(source)?;
        // A last size of 0 says that the last block is as large as the others.
        Ok(BlockSizes { count, size, last: if last == 0 { size } else { last } })
    }

    /// The sizes (compressed, uncompressed) of the blocks, which must add up to `expected` bytes.
    fn blocks(
        &self,
        source: &mut dyn Read,
        sizes: BlockSizes,
        expected: u64,
        file_bytes: u64,
    ) -> Result<Vec<(u64, u64)>> {
        let BlockSizes { count, size, last } = sizes;
        if sizes.total() != Some(expected) || last > size || count > expected {
            return Err(self.error(format!(
                "declares {count} blocks of {size} bytes, the last of {last}, where the extent needs {expected} bytes"
            )));
        }
        if count.saturating_mul(self.size as u64) > file_bytes {
            return Err(self.error(format!("declares {count} blocks, more than the file holds")));
        }
        let mut blocks = Vec::with_capacity(count as usize);
        for index in 0..count {
            let compressed = self.number(source)?;
            if compressed > file_bytes {
                return Err(self
                    .error(format!("has a block {index} of {compressed} bytes, more than the file holds")));
            }
            blocks.push((compressed, if index + 1 == count { last } else { size }));
        }
        Ok(blocks)
    }
}

/// What a compressed array declares first: its blocks, their uncompressed size, and that of the last one.
#[derive(Clone, Copy)]
struct BlockSizes {
    count: u64,
    size: u64,
    last: u64,
}

impl BlockSizes {
    /// Uncompressed bytes in all.
    fn total(self) -> Option<u64> {
        self.count.checked_sub(1)?.checked_mul(self.size)?.checked_add(self.last)
    }
}

/// The uncompressed bytes of blocks, one behind the other.
struct Blocks<'a> {
    source: Box<dyn Read + 'a>,
    compressor: Compressor,
    pending: std::vec::IntoIter<(u64, u64)>,
    block: Vec<u8>,
    at: usize,
}

impl Blocks<'_> {
    /// Uncompresses the next block of `compressed` bytes to `size`.
    fn next(&mut self, compressed: u64, size: u64) -> std::io::Result<()> {
        let damaged = |what: String| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
        self.block.clear();
        self.at = 0;
        let mut part = (&mut self.source).take(compressed);
        match self.compressor {
            Compressor::Zlib => {
                ZlibDecoder::new(&mut part).take(size + 1).read_to_end(&mut self.block)?;
            }
            Compressor::Lzma => {
                XzReader::new(&mut part, true).take(size + 1).read_to_end(&mut self.block)?;
            }
            Compressor::Lz4 => {
                let mut packed = Vec::new();
                part.read_to_end(&mut packed)?;
                if size > Compressor::Lz4.largest_ratio() * packed.len() as u64 {
                    return Err(damaged(format!("{} bytes cannot hold a block of {size}", packed.len())));
                }
                self.block.resize(size as usize, 0);
                let unpacked = lz4_flex::block::decompress_into(&packed, &mut self.block)
                    .map_err(|e| damaged(format!("a block is no LZ4: {e}")))?;
                self.block.truncate(unpacked);
            }
        }
        // What the decoder left of the block (its checksum, when it stopped early) must not shift the next one.
        std::io::copy(&mut part, &mut std::io::sink())?;
        if self.block.len() as u64 != size {
            return Err(damaged(format!("a block holds {} bytes or more, not {size}", self.block.len())));
        }
        Ok(())
    }
}

impl Read for Blocks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.block.len() {
            let Some((compressed, size)) = self.pending.next() else { return Ok(0) };
            self.next(compressed, size)?;
        }
        let rest = self.block.get(self.at..).unwrap_or_default();
        let taken = rest.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&rest[..taken]);
        self.at += taken;
        Ok(taken)
    }
}
