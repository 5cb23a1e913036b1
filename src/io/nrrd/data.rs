//! The samples: behind the header, or in one or many files beside it.

use super::header::{self, NrrdHeader};
use crate::error::{Error, Result};
use crate::io::OpenOptions;
use crate::io::detached::{self, Coding, DataFiles, Skip};
use crate::io::elements::{FilePart, StoredType};
use crate::volume::Samples;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Where the samples of all `steps` volumes are, and how they are encoded.
pub(super) fn files(
    path: &Path,
    header: &NrrdHeader,
    stored: StoredType,
    part: FilePart,
    steps: usize,
    options: &OpenOptions,
) -> Result<DataFiles> {
    let (coding, is_text) = match header.field("encoding").map(str::to_ascii_lowercase).as_deref() {
        Some("raw") => (Coding::Plain, false),
        Some("gzip" | "gz") => (Coding::Gzip, false),
        Some("ascii" | "text" | "txt") => (Coding::Plain, true),
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
    if skip.bytes < -1 || (skip.bytes == -1 && (coding != Coding::Plain || is_text || files.len() > 1)) {
        return Err(Error::unsupported(
            path,
            format!("a 'byte skip' of {} is not supported for these data files", skip.bytes),
        ));
    }
    let bytes_expected = FilePart { step: steps - 1, ..part }.bytes_to_its_end(stored);
    Ok(DataFiles { files, coding, is_text, skip, header_bytes: header.bytes, bytes_expected })
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
    let files = files(path, header, stored, part, steps, options)?;
    let is_text = files.is_text;
    let (mut stream, bytes_found) = files.stream(path, reader)?;
    if is_text {
        // Commas separate as blanks do, as teem reads them.
        let mut text = Vec::new();
        stream.take(bytes_found).read_to_end(&mut text).map_err(|e| Error::io(path, e))?;
        text.iter_mut().filter(|b| **b == b',').for_each(|b| *b = b' ');
        return part.parse(path, &text, stored);
    }
    part.read(path, &mut stream, stored, header.byte_order(path, stored)?)
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
