//! The samples of one array: text or bytes, inline or appended, base64 or raw, compressed or not.

use super::base64;
use super::document::{Array, Document, Place};
use crate::error::{Error, Result};
use crate::io::elements::{self, ByteOrder, StoredType};
use crate::volume::Samples;
use flate2::read::ZlibDecoder;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

/// Reads `count` samples of `array`.
pub(super) fn read(
    path: &Path,
    file: &mut BufReader<File>,
    file_bytes: u64,
    document: &Document,
    array: &Array,
    stored: StoredType,
    count: usize,
) -> Result<Samples> {
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
            return ascii(path, file, range, array, stored, count);
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
            if appended.base64 { &mut base64::Decoder::new(file) } else { file }
        }
    };
    let expected = (count * stored.size()) as u64;
    elements::check_file_holds(path, expected, file_bytes, document.zlib)?;
    let header =
        BlockHeader { path, array: &array.name, size: document.header_size, order: document.byte_order };
    if document.zlib {
        let blocks = header.blocks(bytes, expected, file_bytes)?;
        let mut blocks = ZlibBlocks { source: bytes, pending: blocks.into_iter(), block: Vec::new(), at: 0 };
        elements::read_samples(path, &mut blocks, stored, document.byte_order, count)
    } else {
        let declared = header.number(bytes)?;
        if declared != expected {
            return Err(header.error(format!("declares {declared} bytes where the extent needs {expected}")));
        }
        elements::read_samples(path, bytes, stored, document.byte_order, count)
    }
}

fn ascii(
    path: &Path,
    file: &mut BufReader<File>,
    range: &Range<u64>,
    array: &Array,
    stored: StoredType,
    count: usize,
) -> Result<Samples> {
    let mut text = Vec::new();
    file.take(range.end - range.start).read_to_end(&mut text).map_err(|e| Error::io(path, e))?;
    let (samples, used) = elements::parse_samples(path, &text, stored, count)?;
    let rest = text.get(used..).unwrap_or_default();
    if !rest.trim_ascii().is_empty() {
        return Err(Error::format(
            path,
            format!("array '{}' holds more numbers than the {count} of the extent", array.name),
        ));
    }
    Ok(samples)
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

/// The uncompressed bytes of zlib blocks, one behind the other.
struct ZlibBlocks<'a> {
    source: &'a mut dyn Read,
    pending: std::vec::IntoIter<(u64, u64)>,
    block: Vec<u8>,
    at: usize,
}

impl Read for ZlibBlocks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.block.len() {
            let Some((compressed, size)) = self.pending.next() else { return Ok(0) };
            self.block.clear();
            self.at = 0;
            let mut part = self.source.take(compressed);
            ZlibDecoder::new(&mut part).take(size + 1).read_to_end(&mut self.block)?;
            // What the decoder left of the block (its checksum, when it stopped early) must not shift the next one.
            std::io::copy(&mut part, &mut std::io::sink())?;
            if self.block.len() as u64 != size {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::InvalidData,
                    format!("a block holds {} bytes or more, not {size}", self.block.len()),
                ));
            }
        }
        let rest = self.block.get(self.at..).unwrap_or_default();
        let taken = rest.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&rest[..taken]);
        self.at += taken;
        Ok(taken)
    }
}
