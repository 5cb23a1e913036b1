//! The samples: behind the header, or in one or many files beside it.

use super::header::{self, NrrdHeader};
use crate::error::{Error, Result};
use crate::io::OpenOptions;
use crate::io::detached::{self, Coding, Skip, Stream};
use crate::io::elements::{self, FilePart, StoredType};
use crate::volume::Samples;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// How the samples are encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Raw,
    Gzip,
    Ascii,
}

/// Reads the wanted samples of `steps` volumes; `reader` stands behind the header.
pub(super) fn read(
    path: &Path,
    header: &NrrdHeader,
    reader: BufReader<File>,
    stored: StoredType,
    part: FilePart,
    steps: usize,
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
    let bytes_expected = FilePart { step: steps - 1, ..part }.bytes_to_its_end(stored);
    let bytes_found = if files.is_empty() {
        detached::size(path)?.saturating_sub(header.bytes)
    } else {
        detached::sizes(path, &files)?
    };
    if encoding != Encoding::Ascii {
        elements::check_file_holds(path, bytes_expected, bytes_found, encoding == Encoding::Gzip)?;
    }
    let coding = if encoding == Encoding::Gzip { Coding::Gzip } else { Coding::Plain };
    let behind_header = files.is_empty().then_some(reader);
    let mut stream =
        Stream::new(files, behind_header, skip, coding, bytes_expected).map_err(|e| Error::io(path, e))?;
    if encoding == Encoding::Ascii {
        // Commas separate as blanks do, as teem reads them.
        let mut text = Vec::new();
        stream.take(bytes_found).read_to_end(&mut text).map_err(|e| Error::io(path, e))?;
        text.iter_mut().filter(|b| **b == b',').for_each(|b| *b = b' ');
        return part.parse(path, &text, stored);
    }
    part.read(path, &mut stream, stored, header.byte_order(path, stored)?)
}

/// The file that the samples lie in as they are, and where they begin; `None` where they are coded, or in several files.
pub(super) fn locate(
    path: &Path,
    header: &NrrdHeader,
    options: &OpenOptions,
) -> Result<Option<(PathBuf, u64)>> {
    let files = data_files(path, header, options)?;
    let is_raw = header.field("encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("raw"));
    let skips = header.field("line skip").is_some() || header.field("byte skip").is_some();
    Ok(match files.as_slice() {
        _ if !is_raw || skips => None,
        [] => Some((path.to_owned(), header.bytes)),
        [file] => Some((file.clone(), 0)),
        _ => None,
    })
}

/// The files that `data file` names, in order; empty when the samples follow the header.
fn data_files(path: &Path, header: &NrrdHeader, options: &OpenOptions) -> Result<Vec<PathBuf>> {
    let Some(text) = header.field("data file") else { return Ok(Vec::new()) };
    let words: Vec<&str> = text.split_whitespace().collect();
    let names: Vec<String> = match words.as_slice() {
        _ if header::is_list(text) => header.listed_files.clone(),
        [pattern, first, last, step, ..] if pattern.contains('%') => {
            detached::numbered(path, pattern, [first, last, step], options.limits.axis)?
        }
        _ => vec![text.to_owned()],
    };
    if names.is_empty() {
        return Err(Error::format(path, "header field 'data file' names no file"));
    }
    names.iter().map(|name| detached::file_of(path, name, options.allow_outside)).collect()
}
