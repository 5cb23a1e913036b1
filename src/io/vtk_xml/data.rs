//! The samples of one array: text or bytes, inline or appended, base64 or raw, compressed or not.

use super::base64;
use super::document::{Array, Compressor, Document, Place};
use crate::error::{Error, Result};
use crate::io::elements::{self, ByteOrder, Part, StoredType};
use crate::volume::Samples;
use flate2::read::ZlibDecoder;
use lzma_rust2::XzReader;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

/// Where an array's samples come from: a file, what its XML says of it.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a mut BufReader<File>,
    pub(super) file_bytes: u64,
    pub(super) document: &'a Document,
}

/// Reads one component of the `count` tuples of `array`.
pub(super) fn read(source: &mut Source, array: &Array, component: usize, count: usize) -> Result<Samples> {
    let Source { path, file, file_bytes, document } = source;
    let (path, file_bytes) = (*path, *file_bytes);
    let stored = array.stored_type(path)?;
    let part = Part { count, components: array.components(path)?, component, step: 0 };
    let expected = part.bytes_to_its_end(stored);
    let seek = |file: &mut BufReader<File>, to: u64| {
        if to > file_bytes {
            return Err(Error::format(
                path,
                format!("array '{}' should start at byte {to}, behind the file's end", array.name),
            ));
        }
        file.seek(SeekFrom::Start(to)).map_err(|e| Error::io(path, e)).map(drop)
    };
    let bytes: &mut dyn Read = match &array.place {
        Place::Ascii(range) => {
            seek(file, range.start)?;
            return ascii(path, file, range, array, stored, part);
        }
        Place::Binary(range) => {
            seek(file, range.start)?;
            &mut base64::Decoder::new(file.take(range.end - range.start))
        }
        Place::Appended(offset) => {
            let appended = document.appended.ok_or_else(|| {
                Error::format(path, format!("array '{}' lies in missing <AppendedData>", array.name))
            })?;
            seek(file, appended.start)?;
            let start = appended.start + underscore(path, file)?;
            let at = start.saturating_add(*offset);
            seek(file, at)?;
            if appended.base64 { &mut base64::Decoder::new(file) } else { *file }
        }
    };
    let header =
        BlockHeader { path, array: &array.name, size: document.header_size, order: document.byte_order };
    let Some(compressor) = document.compressor else {
        elements::check_file_holds(path, expected, file_bytes, false)?;
        let declared = header.number(bytes)?;
        if declared != expected {
            return Err(header.error(format!("declares {declared} bytes where the extent needs {expected}")));
        }
        return part.read(path, bytes, stored, document.byte_order);
    };
    elements::check_file_holds(path, expected / compressor.largest_ratio(), file_bytes, false)?;
    let blocks = header.blocks(bytes, expected, file_bytes)?;
    let mut blocks =
        Blocks { source: bytes, compressor, pending: blocks.into_iter(), block: Vec::new(), at: 0 };
    part.read(path, &mut blocks, stored, document.byte_order)
}

impl Compressor {
    /// More than this no block can shrink: what a header promises beyond it is a lie.
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
    file: &mut BufReader<File>,
    range: &Range<u64>,
    array: &Array,
    stored: StoredType,
    part: Part,
) -> Result<Samples> {
    let mut text = Vec::new();
    file.take(range.end - range.start).read_to_end(&mut text).map_err(|e| Error::io(path, e))?;
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

    /// The sizes (compressed, uncompressed) of the blocks, which must add up to `expected` bytes.
    fn blocks(&self, source: &mut dyn Read, expected: u64, file_bytes: u64) -> Result<Vec<(u64, u64)>> {
        let count = self.number(source)?;
        let size = self.number(source)?;
        let last = self.number(source)?;
        // A last size of 0 says that the last block is as large as the others.
        let last = if last == 0 { size } else { last };
        let total =
            count.checked_sub(1).and_then(|full| full.checked_mul(size)).and_then(|b| b.checked_add(last));
        if total != Some(expected) || last > size || count > expected {
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
