//! The text header: `Name = value` lines up to `ElementDataFile`.

use crate::error::{Error, Result};
use crate::io::elements::{ByteOrder, StoredType};
use crate::io::skip_byte_order_mark;
use crate::volume::SampleType;
use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::Path;
use std::str::FromStr;

/// A longer header than this is no header.
const LONGEST_HEADER_BYTES: u64 = 1 << 20;

/// The fields of a header, names in lower case.
pub(super) struct MetaImageHeader {
    fields: BTreeMap<String, String>,
    /// What `ElementDataFile` says.
    pub(super) data_file: String,
    /// The lines behind `ElementDataFile = LIST`.
    pub(super) listed_files: Vec<String>,
    /// Bytes of the header.
    pub(super) bytes: u64,
}

impl MetaImageHeader {
    /// Reads up to and including `ElementDataFile`, and the list behind it where there is one.
    pub(super) fn read(path: &Path, reader: &mut impl BufRead) -> Result<Self> {
        let mut header = MetaImageHeader {
            fields: BTreeMap::new(),
            data_file: String::new(),
            listed_files: Vec::new(),
            bytes: 0,
        };
        header.bytes = skip_byte_order_mark(path, reader)?;
        let mut limited = reader.take(LONGEST_HEADER_BYTES);
        loop {
            let mut line = Vec::new();
            let read = limited.read_until(b'\n', &mut line).map_err(|e| Error::io(path, e))?;
            if read == 0 && limited.limit() == 0 {
                return Err(Error::format(path, "the header has no end within its first megabyte"));
            }
            header.bytes += read as u64;
            let line = String::from_utf8_lossy(&line);
            let line = line.trim();
            let in_list = is_list(&header.data_file);
            if read == 0 && in_list {
                return Ok(header);
            } else if read == 0 {
                return Err(Error::format(path, "the header lacks the field ElementDataFile, which ends it"));
            } else if line.is_empty() {
                continue;
            } else if in_list {
                header.listed_files.push(line.into());
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                return Err(Error::format(path, format!("the header line '{line}' is not 'Name = value'")));
            };
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            if name == "elementdatafile" {
                header.data_file = value.into();
                if !is_list(value) {
                    return Ok(header);
                }
            } else {
                header.fields.insert(name, value.into());
            }
        }
    }

    /// The vector of a distance along each axis, or of a position: as many numbers as the image has axes, or more.
    ///
    /// `None` where none of the names is a field.
    pub(super) fn along_axes<'a>(
        &'a self,
        path: &Path,
        names: &[&'a str],
    ) -> Result<Option<(&'a str, Vec<&'a str>)>> {
        let dimensions = self.numbers::<u64>(path, "dimsize")?.len();
        let Some((name, text)) = names.iter().find_map(|name| Some((*name, self.field(name)?))) else {
            return Ok(None);
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() < dimensions {
            return Err(Error::format(
                path,
                format!(
                    "the header's field {name} holds {} numbers for {dimensions} axes: '{text}'",
                    words.len()
                ),
            ));
        }
        Ok(Some((name, words)))
    }

    /// A field's text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A flag; absent is false.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.field(name).is_some_and(|v| v.starts_with(['T', 't', '1']))
    }

    /// A required list of numbers.
    pub(super) fn numbers<T: FromStr>(&self, path: &Path, name: &str) -> Result<Vec<T>> {
        if self.field(name).is_none() {
            let spelled = if name == "dimsize" { "DimSize" } else { name };
            return Err(Error::format(path, format!("the header lacks the field {spelled}")));
        }
        self.optional_numbers(path, name)
    }

    /// A list of numbers, empty when the field is absent.
    pub(super) fn optional_numbers<T: FromStr>(&self, path: &Path, name: &str) -> Result<Vec<T>> {
        let words = self.field(name).unwrap_or_default().split_whitespace();
        let numbers = words.map(|word| {
            word.parse().map_err(|_| {
                Error::format(path, format!("'{word}' in the header's field {name} is not a number"))
            })
        });
        numbers.collect()
    }

    /// One number, if the field is there.
    pub(super) fn optional_number<T: FromStr>(&self, path: &Path, name: &str) -> Result<Option<T>> {
        Ok(self.optional_numbers(path, name)?.into_iter().next())
    }

    /// The element type; `MET_LONG` has four bytes in files.
    pub(super) fn stored_type(&self, path: &Path) -> Result<StoredType> {
        use StoredType::Kept;
        let name = self.field("elementtype").map(str::to_ascii_uppercase);
        Ok(match name.as_deref() {
            Some("MET_CHAR") => Kept(SampleType::I8),
            Some("MET_UCHAR") => Kept(SampleType::U8),
            Some("MET_SHORT") => Kept(SampleType::I16),
            Some("MET_USHORT") => Kept(SampleType::U16),
            Some("MET_INT" | "MET_LONG") => Kept(SampleType::I32),
            Some("MET_UINT" | "MET_ULONG") => Kept(SampleType::U32),
            Some("MET_LONG_LONG") => StoredType::I64,
            Some("MET_ULONG_LONG") => StoredType::U64,
            Some("MET_FLOAT") => Kept(SampleType::F32),
            Some("MET_DOUBLE") => Kept(SampleType::F64),
            Some(other) => {
                return Err(Error::unsupported(
                    path,
                    format!("elements of type '{other}' are not supported"),
                ));
            }
            None => return Err(Error::format(path, "the header lacks the field ElementType")),
        })
    }

    /// The byte order; little endian where nothing is said.
    pub(super) fn byte_order(&self) -> ByteOrder {
        if self.is_true("binarydatabyteordermsb") || self.is_true("elementbyteordermsb") {
            ByteOrder::Big
        } else {
            ByteOrder::Little
        }
    }
}

/// Whether `ElementDataFile` is followed by a list of names.
pub(super) fn is_list(data_file: &str) -> bool {
    data_file.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("list"))
}
