//! Samples in files of their own, beside a header that names them.

use super::elements;
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
            Err(Error::io(path, of_data_file(file, std::io::ErrorKind::IsADirectory.into())))
        }
        Ok(found) => Ok(found.len()),
        Err(e) => Err(Error::io(path, of_data_file(file, e))),
    };
    files.iter().map(size).sum()
}

/// Why a data file cannot be read, for a message that begins with its header.
fn of_data_file(file: &Path, reason: std::io::Error) -> std::io::Error {
    let what = format!("it names the file '{}', which cannot be read: {reason}", file.display());
    std::io::Error::new(reason.kind(), what)
}

/// The file that a header or a list names; one that lies neither in the header's folder nor below is refused unless
/// `allow_outside`.
pub(crate) fn file_of(path: &Path, name: &str, allow_outside: bool) -> Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // An absolute name replaces the folder.
    let file = folder.join(name);
    let is_plain =
        Path::new(name).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    // As the system sees both: an absolute name may lead into the header's folder, and so may `..`.
    let real = |folder: Option<&Path>| folder.and_then(|folder| folder.canonicalize().ok());
    let is_inside = || match (real(file.parent()), real(Some(folder))) {
        (Some(of_file), Some(of_header)) => of_file.starts_with(of_header),
        _ => false,
    };
    if !is_plain && !allow_outside && !is_inside() {
        return Err(Error::unsupported(
            path,
            format!(
                "the file '{name}' that it names lies outside its folder; `allow_outside` reads it{}",
                found_beside(folder, name)
            ),
        ));
    }
    match std::fs::metadata(&file) {
        Ok(found) if found.is_file() => Ok(file),
        Ok(_) => Err(Error::format(path, format!("'{name}', which it names, is not a file"))),
        Err(e) => {
            let beside = found_beside(folder, name);
            Err(Error::format(path, format!("the file '{name}' that it names cannot be read: {e}{beside}")))
        }
    }
}

/// A header that was moved with its data file, but says where that was before; on another system, perhaps.
fn found_beside(folder: &Path, name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if last.is_empty() || last == name || !folder.join(last).is_file() {
        return String::new();
    }
    format!("; a file '{last}' lies beside the header: write that name into it")
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

/// Where a header says that the samples of its volumes are.
pub(crate) struct DataFiles {
    /// Empty where they follow the header.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) coding: Coding,
    /// Whether they are numbers in words.
    pub(crate) is_text: bool,
    pub(crate) skip: Skip,
    /// Of the header.
    pub(crate) header_bytes: u64,
    /// Of all volumes, unpacked.
    pub(crate) bytes_expected: u64,
}

impl DataFiles {
    /// What reads the bytes of the first volume on, and how many there are in the files, packed; `reader` stands behind the header.
    ///
    /// # Errors
    /// [`Error::Format`] where the files are too small for so many samples, [`Error::Io`].
    pub(crate) fn stream(self, path: &Path, reader: BufReader<File>) -> Result<(Stream, u64)> {
        let bytes_found = match self.files.is_empty() {
            true => size(path)?.saturating_sub(self.header_bytes),
            false => sizes(path, &self.files)?,
        };
        if !self.is_text {
            let is_packed = self.coding != Coding::Plain;
            elements::check_file_holds(path, self.bytes_expected, bytes_found, is_packed)?;
        }
        let behind_header = self.files.is_empty().then_some(reader);
        let stream = Stream::new(self.files, behind_header, self.skip, self.coding, self.bytes_expected);
        Ok((stream.map_err(|e| Error::io(path, e))?, bytes_found))
    }

    /// The file that the samples lie in as they are, and where they begin; `None` where they are packed, in several files or
    /// behind lines.
    pub(crate) fn in_place(&self, path: &Path) -> Result<Option<(PathBuf, u64)>> {
        let (file, behind) = match self.files.as_slice() {
            [] => (path, self.header_bytes),
            [file] => (file.as_path(), 0),
            _ => return Ok(None),
        };
        if self.coding != Coding::Plain || self.is_text || self.skip.lines > 0 {
            return Ok(None);
        }
        let offset = match u64::try_from(self.skip.bytes) {
            Ok(skip) => behind.saturating_add(skip),
            // They end the file.
            Err(_) => size(file)?.saturating_sub(self.bytes_expected),
        };
        Ok(Some((file.to_owned(), offset)))
    }
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
                    let file = File::open(&path).map_err(|e| of_data_file(&path, e))?;
                    self.current = Some(self.prepare(BufReader::with_capacity(1 << 18, file))?);
                }
                None => return Ok(0),
            }
        }
    }
}
