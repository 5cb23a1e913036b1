//! The samples of one array: text or bytes, inline or appended, base64 or raw, compressed or not.

use super::base64;
use super::document::{Array, Compressor, DataPlace, Document};
use crate::error::{Error, Result};
use crate::io::elements::{self, ByteOrder, FilePart, StoredType};
use crate::volume::Samples;
use flate2::read::ZlibDecoder;
use lzma_rust2::XzReader;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Where an array's samples come from: a file, what its XML says of it.
pub(super) struct ArraySource<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a mut BufReader<File>,
    pub(super) file_bytes: u64,
    pub(super) document: &'a Document,
}

impl ArraySource<'_> {
    /// What lies at the array's place: its text, or its bytes with the numbers before them.
    fn at<'a>(&'a mut self, array: &Array) -> Result<Box<dyn Read + 'a>> {
        let ArraySource { path, file, file_bytes, document } = self;
        let (path, file_bytes) = (*path, *file_bytes);
        let seek = |file: &mut BufReader<File>, to: u64| {
            if to > file_bytes {
                return Err(Error::format(
                    path,
                    format!("array '{}' should start at byte {to}, behind the file's end", array.name),
                ));
            }
            file.seek(SeekFrom::Start(to)).map_err(|e| Error::io(path, e)).map(drop)
        };
        Ok(match &array.place {
            DataPlace::Ascii(range) => {
                seek(file, range.start)?;
                Box::new(file.take(range.end - range.start))
            }
            DataPlace::Binary(range) => {
                seek(file, range.start)?;
                Box::new(base64::Decoder::new(file.take(range.end - range.start)))
            }
            DataPlace::Appended(offset) => {
                let appended = document.appended.ok_or_else(|| {
                    Error::format(path, format!("array '{}' lies in missing <AppendedData>", array.name))
                })?;
                seek(file, appended.start)?;
                let start = appended.start + underscore(path, file)?;
                let at = start.saturating_add(*offset);
                seek(file, at)?;
                if appended.base64 { Box::new(base64::Decoder::new(&mut **file)) } else { Box::new(file) }
            }
        })
    }
}

/// Reads one component of the `count` tuples of `array`.
pub(super) fn read(
    source: &mut ArraySource,
    array: &Array,
    component: usize,
    count: usize,
) -> Result<Samples> {
    let (path, file_bytes, document) = (source.path, source.file_bytes, source.document);
    let stored = array.stored_type(path)?;
    let part = FilePart { count, components: array.components(path)?, component, run: 1, step: 0 };
    let expected = part.bytes_to_its_end(stored);
    let header =
        BlockHeader { path, array: &array.name, size: document.header_size, order: document.byte_order };
    let bytes = &mut *source.at(array)?;
    if let DataPlace::Ascii(_) = array.place {
        return ascii(path, bytes, array, stored, part);
    }
    let Some(compressor) = document.compressor else {
        elements::check_file_holds(path, expected, file_bytes, false)?;
        let declared = header.number(bytes)?;
        if declared != expected {
            return Err(header.error(format!("declares {declared} bytes where the extent needs {expected}")));
        }
        return part.read(path, bytes, stored, document.byte_order);
    };
    elements::check_file_holds(path, expected / compressor.largest_ratio(), file_bytes, false)?;
    let sizes = header.sizes(bytes)?;
    let blocks = header.blocks(bytes, sizes, expected, file_bytes)?;
    let mut blocks =
        Blocks { source: bytes, compressor, pending: blocks.into_iter(), block: Vec::new(), at: 0 };
    part.read(path, &mut blocks, stored, document.byte_order)
}

/// The first string of an array of strings, as VTK stores them: the bytes of each, then a zero. `None` for an empty array.
pub(super) fn read_text(source: &mut ArraySource, array: &Array) -> Result<Option<String>> {
    let (path, file_bytes, document) = (source.path, source.file_bytes, source.document);
    let header =
        BlockHeader { path, array: &array.name, size: document.header_size, order: document.byte_order };
    let bytes = &mut *source.at(array)?;
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
            let length = header.number(bytes)?;
            if length > MOST_TEXT {
                return Err(long());
            }
            bytes.take(length).read_to_end(&mut text).map_err(|e| Error::io(path, e))?;
        }
        (_, Some(compressor)) => {
            let sizes = header.sizes(bytes)?;
            let length = sizes.total().filter(|&length| length <= MOST_TEXT).ok_or_else(long)?;
            let blocks = header.blocks(bytes, sizes, length, file_bytes)?;
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
fn underscore(path: &Path, file: &mut BufReader<File>) -> Result<u64> {
    for (index, byte) in file.by_ref().take(1 << 16).bytes().enumerate() {
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
    source: &'a mut dyn Read,
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
        let mut part = (&mut *self.source).take(compressed);
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
