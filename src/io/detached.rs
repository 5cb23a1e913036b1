//! Samples in files of their own, beside a header that names them.

use crate::error::{Error, Result};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// A file's length.
pub(crate) fn size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len())
}

/// The bytes of all files that the header at `path` names.
///
/// # Errors
/// [`Error::Io`], which names the header too: the user may not know of the file beside it.
pub(crate) fn sizes(path: &Path, files: &[PathBuf]) -> Result<u64> {
    let size = |file: &PathBuf| match std::fs::metadata(file) {
        Ok(found) if found.is_dir() => {
            Err(Error::io(path, named(file, std::io::ErrorKind::IsADirectory.into())))
        }
        Ok(found) => Ok(found.len()),
        Err(e) => Err(Error::io(path, named(file, e))),
    };
    files.iter().map(size).sum()
}

/// Why a data file cannot be read, for a message that begins with its header.
fn named(file: &Path, reason: std::io::Error) -> std::io::Error {
    let what = format!("the file '{}' that it names cannot be read: {reason}", file.display());
    std::io::Error::new(reason.kind(), what)
}

/// The file that a header names; one outside the header's folder is refused.
pub(crate) fn beside(path: &Path, name: &str) -> Result<PathBuf> {
    let inside = Path::new(name).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !inside {
        return Err(Error::unsupported(
            path,
            format!("the data file '{name}' lies outside the header's folder; move it beside the header"),
        ));
    }
    Ok(path.with_file_name(name))
}

/// The names of a pattern such as `slice.%03d 1 93 1`.
pub(crate) fn numbered(path: &Path, pattern: &str, numbers: [&str; 3], most: usize) -> Result<Vec<String>> {
    let bad = || Error::format(path, format!("the header's file names have the bad pattern '{pattern}'"));
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
#[derive(Clone, Copy, Default)]
pub(crate) struct Skip {
    pub(crate) lines: usize,
    /// -1: everything but the samples, which end the file.
    pub(crate) bytes: i64,
}

/// How a file's bytes are packed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    Gzip,
    Zlib,
}

/// The data files one after the other, each opened when its turn comes.
pub(crate) struct Stream {
    pending: std::vec::IntoIter<PathBuf>,
    current: Option<Box<dyn Read>>,
    skip: Skip,
    coding: Coding,
    bytes_expected: u64,
}

impl Stream {
    /// What stands behind a header, or else what is in files.
    pub(crate) fn new(
        files: Vec<PathBuf>,
        behind_header: Option<BufReader<File>>,
        skip: Skip,
        coding: Coding,
        bytes_expected: u64,
    ) -> std::io::Result<Self> {
        let mut stream = Self { pending: files.into_iter(), current: None, skip, coding, bytes_expected };
        if let Some(reader) = behind_header {
            stream.current = Some(stream.prepare(reader)?);
        }
        Ok(stream)
    }

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
        let mut reader: Box<dyn Read> = match self.coding {
            Coding::Plain => Box::new(reader),
            Coding::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Coding::Zlib => Box::new(ZlibDecoder::new(reader)),
        };
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
                    let file = File::open(&path).map_err(|e| named(&path, e))?;
                    self.current = Some(self.prepare(BufReader::with_capacity(1 << 18, file))?);
                }
                None => return Ok(0),
            }
        }
    }
}
