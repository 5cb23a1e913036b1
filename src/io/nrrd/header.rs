//! The text header: `field: description` lines up to an empty line.

use crate::error::{Error, Result};
use crate::io::elements::{ByteOrder, StoredType};
use crate::io::skip_byte_order_mark;
use crate::volume::SampleType;
use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::Path;

/// A longer header than this is no header.
const LONGEST_HEADER_BYTES: u64 = 1 << 20;

/// The fields of a header, names in lower case and in one spelling.
pub(super) struct NrrdHeader {
    fields: BTreeMap<String, String>,
    /// Names of the files that hold the samples when `data file: LIST` is the last line.
    pub(super) listed_files: Vec<String>,
    /// Bytes of the header, empty line included.
    pub(super) bytes: u64,
}

impl NrrdHeader {
    /// Reads up to and including the empty line, or to the end of a detached header.
    pub(super) fn read(path: &Path, reader: &mut impl BufRead) -> Result<Self> {
        let mut header = NrrdHeader { fields: BTreeMap::new(), listed_files: Vec::new(), bytes: 0 };
        header.bytes = skip_byte_order_mark(path, reader)?;
        let mut limited = reader.take(LONGEST_HEADER_BYTES);
        for line_number in 1.. {
            let mut line = Vec::new();
            let read = limited.read_until(b'\n', &mut line).map_err(|e| Error::io(path, e))?;
            if read == 0 && limited.limit() == 0 {
                return Err(Error::format(path, "the header has no end within its first megabyte"));
            }
            header.bytes += read as u64;
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line_number == 1 {
                if !line.starts_with("NRRD000") {
                    return Err(Error::format(path, "the file does not start with 'NRRD000'"));
                }
            } else if line.is_empty() {
                return Ok(header);
            } else {
                header.take_line(path, line, line_number)?;
            }
        }
        Ok(header)
    }

    fn take_line(&mut self, path: &Path, line: &str, line_number: usize) -> Result<()> {
        if self.field("data file").is_some_and(is_list) {
            self.listed_files.push(line.trim().into());
        } else if !line.starts_with('#') && !line.contains(":=") {
            let Some((name, value)) = line.split_once(':') else {
                return Err(Error::format(path, format!("header line {line_number} is not 'field: value'")));
            };
            let name = match name.trim().to_ascii_lowercase().as_str() {
                "datafile" => "data file".into(),
                "lineskip" => "line skip".into(),
                "byteskip" => "byte skip".into(),
                "centerings" => "centers".into(),
                "sampleunits" => "sample units".into(),
                "axismins" => "axis mins".into(),
                other => other.to_owned(),
            };
            self.fields.insert(name, value.trim().into());
        }
        Ok(())
    }

    /// A field's text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A required number.
    pub(super) fn number<T: std::str::FromStr>(&self, path: &Path, name: &str) -> Result<T> {
        self.numbers(path, name)?.into_iter().next().ok_or_else(|| missing(path, name))
    }

    /// A required list of numbers.
    pub(super) fn numbers<T: std::str::FromStr>(&self, path: &Path, name: &str) -> Result<Vec<T>> {
        match self.field(name) {
            Some(_) => self.optional_numbers(path, name),
            None => Err(missing(path, name)),
        }
    }

    /// A list of numbers, empty when the field is absent.
    pub(super) fn optional_numbers<T: std::str::FromStr>(&self, path: &Path, name: &str) -> Result<Vec<T>> {
        self.field(name)
            .unwrap_or_default()
            .split_whitespace()
            .map(|word| {
                word.parse().map_err(|_| {
                    Error::format(path, format!("'{word}' in header field '{name}' is not a number"))
                })
            })
            .collect()
    }

    /// The element type.
    pub(super) fn stored_type(&self, path: &Path) -> Result<StoredType> {
        use StoredType::Kept;
        let name = self.field("type").ok_or_else(|| missing(path, "type"))?.to_ascii_lowercase();
        Ok(match name.as_str() {
            "signed char" | "int8" | "int8_t" => Kept(SampleType::I8),
            "uchar" | "unsigned char" | "uint8" | "uint8_t" => Kept(SampleType::U8),
            "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => {
                Kept(SampleType::I16)
            }
            "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => {
                Kept(SampleType::U16)
            }
            "int" | "signed int" | "int32" | "int32_t" => Kept(SampleType::I32),
            "uint" | "unsigned int" | "uint32" | "uint32_t" => Kept(SampleType::U32),
            "longlong"
            | "long long"
            | "long long int"
            | "signed long long"
            | "signed long long int"
            | "int64"
            | "int64_t" => StoredType::I64,
            "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => {
                StoredType::U64
            }
            "float" => Kept(SampleType::F32),
            "double" => Kept(SampleType::F64),
            other => {
                return Err(Error::unsupported(path, format!("samples of type '{other}' are not supported")));
            }
        })
    }

    /// The byte order, which samples of more than a byte must declare unless they are text.
    pub(super) fn byte_order(&self, path: &Path, stored: StoredType) -> Result<ByteOrder> {
        match self.field("endian").map(str::to_ascii_lowercase).as_deref() {
            Some("little") => Ok(ByteOrder::Little),
            Some("big") => Ok(ByteOrder::Big),
            None if stored.size() == 1 => Ok(ByteOrder::NATIVE),
            Some(other) => Err(Error::format(path, format!("header field 'endian' is '{other}'"))),
            None => Err(missing(path, "endian")),
        }
    }
}

fn missing(path: &Path, name: &str) -> Error {
    Error::format(path, format!("the header lacks the field '{name}'"))
}

/// Whether the field `data file` is followed by a list of names.
pub(super) fn is_list(data_file: &str) -> bool {
    data_file.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("list"))
}

/// A vector in the space of a header: coordinates in space, and in time where the space has that, too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Vector {
    pub(super) space: [f64; 3],
    pub(super) time: f64,
}

impl Vector {
    /// Whether it leads along time alone.
    pub(super) fn is_of_time(self) -> bool {
        self.time != 0.0 && self.space == [0.0; 3]
    }
}

impl NrrdHeader {
    /// Coordinates of a vector: the field `space dimension`, or what the name of the space means. The last of four is time.
    fn space_dimension(&self, path: &Path) -> Result<Option<usize>> {
        if let Some(dimension) = self.optional_numbers(path, "space dimension")?.first().copied() {
            return Ok(Some(dimension));
        }
        let space = self.field("space").unwrap_or_default().to_ascii_lowercase();
        Ok(match space.as_str() {
            "" => None,
            "rast" | "last" | "lpst" => Some(4),
            space if space.ends_with("-time") => Some(4),
            _ => Some(3),
        })
    }

    /// Vectors of a field, `(x,y,z) (x,y,z) none`; empty when it is absent.
    pub(super) fn vectors(&self, path: &Path, name: &str) -> Result<Vec<Option<Vector>>> {
        let Some(text) = self.field(name) else { return Ok(Vec::new()) };
        let dimension = self.space_dimension(path)?;
        let bad = || {
            let of = dimension.map_or(String::new(), |n| format!(" of {n} numbers"));
            Error::format(path, format!("header field '{name}' is not a list of vectors{of}: {text}"))
        };
        let mut vectors = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if let Some(none) = rest.get(..4).filter(|word| word.eq_ignore_ascii_case("none")) {
                vectors.push(None);
                rest = rest.get(none.len()..).unwrap_or_default().trim_start();
                continue;
            }
            let (inside, after) = rest.strip_prefix('(').and_then(|r| r.split_once(')')).ok_or_else(bad)?;
            let numbers = inside.split(',').map(|word| word.trim().parse().map_err(|_| bad()));
            let numbers: Vec<f64> = numbers.collect::<Result<_>>()?;
            // A decimal comma makes two coordinates of one.
            if dimension.map_or(numbers.len() > 3, |dimension| numbers.len() != dimension)
                || numbers.len() > 4
            {
                return Err(bad());
            }
            let at = |row: usize| numbers.get(row).copied().unwrap_or(0.0);
            vectors.push(Some(Vector { space: std::array::from_fn(at), time: at(3) }));
            rest = after.trim_start();
        }
        Ok(vectors)
    }
}
