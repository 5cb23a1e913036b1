//! The samples: behind the header, or in one or many files beside it.

use super::header::Header;
use crate::error::{Error, Result};
use crate::io::OpenOptions;
use crate::io::elements::{self, StoredType};
use crate::volume::Samples;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// How the samples are encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Raw,
    Gzip,
    Ascii,
}

/// Reads `count` samples; `reader` stands behind the header.
pub(super) fn read(
    path: &Path,
    header: &Header,
    reader: BufReader<File>,
    stored: StoredType,
    count: usize,
    options: &OpenOptions,
) -> Result<Samples> {
    let encoding = match header.field("encoding").map(str::to_ascii_lowercase).as_deref() {
        Some("raw") => Encoding::Raw,
        Some("gzip" | "gz") => Encoding::Gzip,
        Some("ascii" | "text" | "txt") => Encoding::Ascii,
        Some(other) => {
            return Err(Error::unsupported(
                path,
                format!("the encoding '{other}' is not supported; save the file as raw, gzip or ascii"),
            ));
        }
        None => return Err(Error::format(path, "the header lacks the field 'encoding'")),
    };
    let skip = Skip {
        lines: header.optional_numbers(path, "line skip")?.first().copied().unwrap_or(0),
        bytes: header.optional_numbers(path, "byte skip")?.first().copied().unwrap_or(0),
    };
    let files = data_files(path, header, options)?;
    if skip.bytes < -1 || (skip.bytes == -1 && (encoding != Encoding::Raw || files.len() > 1)) {
        return Err(Error::unsupported(
            path,
            format!("a 'byte skip' of {} is not supported for these data files", skip.bytes),
        ));
    }
    let bytes_expected = (count * stored.size()) as u64;
    let bytes_found = if files.is_empty() {
        size(path)?.saturating_sub(header.bytes)
    } else {
        files.iter().map(|file| size(file)).sum::<Result<u64>>()?
    };
    if encoding != Encoding::Ascii {
        elements::check_file_holds(path, bytes_expected, bytes_found, encoding == Encoding::Gzip)?;
    }
    let mut stream = Stream {
        pending: files.into_iter(),
        current: None,
        skip,
        gzip: encoding == Encoding::Gzip,
        bytes_expected,
    };
    if stream.pending.len() == 0 {
        stream.current = Some(stream.prepare(reader).map_err(|e| Error::io(path, e))?);
    }
    if encoding == Encoding::Ascii {
        // Commas separate as blanks do, as teem reads them.
        let mut text = Vec::new();
        stream.take(bytes_found).read_to_end(&mut text).map_err(|e| Error::io(path, e))?;
        text.iter_mut().filter(|b| **b == b',').for_each(|b| *b = b' ');
        return Ok(elements::parse_samples(path, &text, stored, count)?.0);
    }
    elements::read_samples(path, &mut stream, stored, header.byte_order(path, stored)?, count)
}

fn size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len())
}

/// The files that `data file` names, in order; empty when the samples follow the header.
fn data_files(path: &Path, header: &Header, options: &OpenOptions) -> Result<Vec<PathBuf>> {
    let Some(text) = header.field("data file") else { return Ok(Vec::new()) };
    let words: Vec<&str> = text.split_whitespace().collect();
    let names: Vec<String> = match words.as_slice() {
        ["LIST", ..] => header.listed_files.clone(),
        [pattern, first, last, step, ..] if pattern.contains('%') => {
            numbered(path, pattern, [first, last, step], options.limits.axis)?
        }
        _ => vec![text.to_owned()],
    };
    if names.is_empty() {
        return Err(Error::format(path, "header field 'data file' names no file"));
    }
    names
        .iter()
        .map(|name| {
            let inside =
                Path::new(name).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
            if !inside {
                return Err(Error::unsupported(
                    path,
                    format!(
                        "the data file '{name}' lies outside the header's folder; move it beside the header"
                    ),
                ));
            }
            Ok(path.with_file_name(name))
        })
        .collect()
}

/// The names of a pattern such as `slice.%03d 1 93 1`.
fn numbered(path: &Path, pattern: &str, numbers: [&str; 3], most: usize) -> Result<Vec<String>> {
    let bad = || Error::format(path, format!("header field 'data file' has the bad pattern '{pattern}'"));
    let [first, last, step] = numbers.map(str::parse::<i64>);
    let (Ok(first), Ok(last), Ok(step)) = (first, last, step) else { return Err(bad()) };
    let (before, rest) = pattern.split_once('%').ok_or_else(bad)?;
    let (width, after) = rest.split_once('d').ok_or_else(bad)?;
    let zeros = width.starts_with('0');
    let width: usize = if width.is_empty() { 0 } else { width.parse().map_err(|_| bad())? };
    if step == 0 || width > 20 {
        return Err(bad());
    }
    let steps = (i128::from(last) - i128::from(first)) / i128::from(step);
    if steps < 0 || steps >= most as i128 {
        return Err(bad());
    }
    Ok((0..=steps as i64)
        .map(|i| {
            let number = first + i * step;
            match zeros {
                true => format!("{before}{number:0width$}{after}"),
                false => format!("{before}{number:width$}{after}"),
            }
        })
        .collect())
}

/// What to leave out before the samples: lines of the file, then bytes (after unzipping).
#[derive(Clone, Copy)]
struct Skip {
    lines: usize,
    /// -1: everything but the samples, which end the file.
    bytes: i64,
}

/// The data files one after the other, each opened when its turn comes.
struct Stream {
    pending: std::vec::IntoIter<PathBuf>,
    current: Option<Box<dyn Read>>,
    skip: Skip,
    gzip: bool,
    bytes_expected: u64,
}

impl Stream {
    /// Puts a reader behind what is skipped.
    fn prepare(&self, mut reader: BufReader<File>) -> std::io::Result<Box<dyn Read>> {
        for _ in 0..self.skip.lines {
            if reader.skip_until(b'\n')? == 0 {
                break;
            }
        }
        if self.skip.bytes == -1 {
            let size = reader.get_ref().metadata()?.len();
            reader.seek(SeekFrom::Start(size.saturating_sub(self.bytes_expected)))?;
        }
        let mut reader: Box<dyn Read> =
            if self.gzip { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
        std::io::copy(&mut reader.by_ref().take(self.skip.bytes.max(0) as u64), &mut std::io::sink())?;
        Ok(reader)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if let Some(reader) = &mut self.current {
                let read = reader.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
            }
            match self.pending.next() {
                Some(path) => {
                    let file = File::open(path)?;
                    self.current = Some(self.prepare(BufReader::with_capacity(1 << 18, file))?);
                }
                None => return Ok(0),
            }
        }
    }
}
