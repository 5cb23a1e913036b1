//! Legacy VTK files (`.vtk`) with `DATASET STRUCTURED_POINTS`, or `RECTILINEAR_GRID` with even spacing; ascii and binary.
//!
//! All own code: `vtkio` (0.7.0-rc2) passes origin and spacing through float32, holds three copies of the samples and
//! fails on the files of version 1.0 that have an empty line behind `BINARY`.
//!
//! Format: "VTK File Formats", section "Simple Legacy Formats".

use super::elements::{self, ByteOrder, Part, StoredType};
use super::mapped::Mapped;
use super::reading::{self, Reading};
use super::vtk_fields::{self, Fields};
use super::{BYTE_ORDER_MARK, OTHER_ARRAYS, OpenOptions, even, is_bookkeeping};
use crate::error::{Error, Result};
use crate::volume::{Association, SampleType, Samples, Volume};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;

/// Whether a file's first bytes are those of every legacy file.
pub(super) fn recognises(start: &[u8]) -> bool {
    const SIGNATURE: &[u8] = b"# vtk DataFile Version";
    start.get(..SIGNATURE.len()).is_some_and(|start| start.eq_ignore_ascii_case(SIGNATURE))
}

/// Reads one array of one number per point (or per cell, at the cells' centres).
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Reading> {
    let bytes = Mapped::open(path)?;
    let at = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let mut text = Text { path, bytes: &bytes, at };
    text.line()?;
    text.line()?;
    let binary = match text.word()?.to_ascii_uppercase().as_str() {
        "ASCII" => false,
        "BINARY" => true,
        other => return Err(text.error(format!("'{other}' is neither ASCII nor BINARY"))),
    };
    text.expect("DATASET")?;
    let dataset = text.word()?.to_ascii_uppercase();
    if dataset != "STRUCTURED_POINTS" && dataset != "RECTILINEAR_GRID" {
        return Err(Error::unsupported(
            path,
            format!(
                "a dataset of type {dataset}: only STRUCTURED_POINTS and RECTILINEAR_GRID are supported; resample it to \
                 an image first"
            ),
        ));
    }
    let mut grid = Grid { points: None, spacing: [1.0; 3], declares_spacing: [false; 3], origin: [0.0; 3] };
    let mut reader = Arrays {
        options,
        binary,
        samples_each: 0,
        cells: false,
        shape: [0; 3],
        fields: Fields::default(),
        found: Vec::new(),
    };
    let scanned = reader.scan(&mut text, &mut grid);
    let array = match (scanned, &options.array) {
        (Ok(()), _) => reader.chosen(path)?,
        // What was asked for by name may lie before the damage.
        (Err(damage), Some(_)) => reader.chosen(path).map_err(|_| damage)?,
        (Err(damage), None) => return Err(damage),
    };
    let others = reader.others(&array);
    (reader.cells, reader.shape) = (array.cells, array.shape);
    text.at = array.at;
    let array = reader.read(&mut text, array)?;
    let mut reading = grid.volume(path, array, &reader)?;
    if !others.is_empty() {
        reading.volume.provenance.insert(OTHER_ARRAYS.into(), others);
    }
    Ok(reading)
}

/// A named array of one component.
struct Array {
    name: String,
    unit: String,
    stored: StoredType,
    samples: Samples,
}

/// An array that the file holds.
#[derive(Clone)]
struct Found {
    name: String,
    unit: String,
    type_name: String,
    components: usize,
    tuples: usize,
    cells: bool,
    shape: [u64; 3],
    /// Introduced by SCALARS: what VTK makes the active ones.
    active: bool,
    /// No field, but colours, a table of them or field data of the whole set.
    beside: bool,
    /// Where its samples begin.
    at: usize,
}

/// Finds all arrays, and reads the one that is wanted.
struct Arrays<'a> {
    options: &'a OpenOptions,
    binary: bool,
    samples_each: usize,
    cells: bool,
    shape: [u64; 3],
    /// What the file's own field data says.
    fields: Fields,
    found: Vec<Found>,
}

impl Arrays<'_> {
    /// Walks through the file, and notes its grid and its arrays.
    fn scan(&mut self, text: &mut Text, grid: &mut Grid) -> Result<()> {
        while let Some(keyword) = text.next_word() {
            match keyword.to_ascii_uppercase().as_str() {
                "DIMENSIONS" => grid.points = Some(text.numbers::<u64>()?),
                "SPACING" | "ASPECT_RATIO" => {
                    grid.spacing = text.numbers()?;
                    grid.declares_spacing = [true; 3];
                }
                "ORIGIN" => grid.origin = text.numbers()?,
                keyword @ ("X_COORDINATES" | "Y_COORDINATES" | "Z_COORDINATES") => {
                    let axis = usize::from(keyword.as_bytes()[0] - b'X');
                    (grid.origin[axis], grid.spacing[axis]) = self.coordinates(text, grid, axis)?;
                    grid.declares_spacing[axis] = true;
                }
                kind @ ("POINT_DATA" | "CELL_DATA") => {
                    self.cells = kind == "CELL_DATA";
                    self.shape = grid.shape(text, self.cells)?;
                    let samples_each = text.number::<u64>()?;
                    let expected = elements::sample_count(text.path, self.shape, 1, &self.options.limits)?;
                    if samples_each != expected as u64 {
                        return Err(
                            text.error(format!("{kind} {samples_each} where DIMENSIONS make {expected}"))
                        );
                    }
                    self.samples_each = expected;
                }
                keyword => self.pass(keyword, text)?,
            }
        }
        let rest = text.rest().iter().position(|b| !b.is_ascii_whitespace() && *b != 0 && *b != 0x1a);
        match rest {
            Some(_) => Err(text.error("what follows is neither text nor samples".into())),
            None => Ok(()),
        }
    }

    /// The first coordinate and the step of an axis.
    fn coordinates(&self, text: &mut Text, grid: &Grid, axis: usize) -> Result<even::Axis> {
        let count: usize = text.number()?;
        if grid.points.map(|points| points[axis]) != Some(count as u64) || count > self.options.limits.axis {
            return Err(
                text.error(format!("{count} coordinates of axis {axis} where DIMENSIONS say otherwise"))
            );
        }
        let type_name = text.word()?.to_owned();
        let stored = stored_type(text, &type_name)?;
        let samples = if self.binary {
            let mut bytes = text.binary(count, stored.size())?;
            elements::read_samples(text.path, &mut bytes, stored, ByteOrder::Big, count)?
        } else {
            let (samples, used) = elements::parse_samples(text.path, text.rest(), stored, count)?;
            text.at += used;
            samples
        };
        even::axis(text.path, axis, &samples)
    }

    /// Passes over what a keyword introduces, and notes its arrays.
    fn pass(&mut self, keyword: &str, text: &mut Text) -> Result<()> {
        match keyword.to_ascii_uppercase().as_str() {
            "SCALARS" => {
                let name = text.name()?;
                let type_name = text.word()?.to_owned();
                // The number of components is optional; LOOKUP_TABLE is not, but is often left out.
                let components = match text.peek_word_in_line().and_then(|w| w.parse().ok()) {
                    Some(components) => {
                        text.next_word();
                        components
                    }
                    None => 1,
                };
                if text.peek_word().is_some_and(|w| w.eq_ignore_ascii_case("LOOKUP_TABLE")) {
                    text.next_word();
                    text.word()?;
                }
                self.array(text, name, &type_name, components, self.samples_each)?;
                if let Some(found) = self.found.last_mut() {
                    found.active = true;
                }
                Ok(())
            }
            "VECTORS" | "NORMALS" => {
                let (name, type_name) = (text.name()?, text.word()?.to_owned());
                self.array(text, name, &type_name, 3, self.samples_each)
            }
            "TENSORS" => {
                let (name, type_name) = (text.name()?, text.word()?.to_owned());
                self.array(text, name, &type_name, 9, self.samples_each)
            }
            "TEXTURE_COORDINATES" => {
                let name = text.name()?;
                let components = text.number()?;
                let type_name = text.word()?.to_owned();
                self.array(text, name, &type_name, components, self.samples_each)
            }
            "COLOR_SCALARS" => {
                let name = text.name()?;
                let components = text.number()?;
                // Colours are bytes in binary files and numbers from 0 to 1 in text.
                let type_name = if self.binary { "unsigned_char" } else { "float" };
                // Never a field to compress, not even with one component.
                self.skip(text, name, type_name, components, self.samples_each)
            }
            "LOOKUP_TABLE" => {
                let name = text.name()?;
                let entries = text.number()?;
                let type_name = if self.binary { "unsigned_char" } else { "float" };
                self.skip(text, name, type_name, 4, entries)
            }
            "FIELD" => {
                text.word()?;
                for _ in 0..text.number::<usize>()? {
                    let name = text.name()?;
                    let components = text.number()?;
                    let tuples = text.number()?;
                    let type_name = text.word()?.to_owned();
                    if self.samples_each == 0 {
                        self.field(text, name, &type_name, components, tuples)?;
                    } else {
                        self.array(text, name, &type_name, components, tuples)?;
                    }
                }
                Ok(())
            }
            other => Err(text.error(format!("the keyword '{other}' is unknown"))),
        }
    }

    /// Notes an array and passes over its samples, and over what is said of it behind them.
    fn array(
        &mut self,
        text: &mut Text,
        name: String,
        type_name: &str,
        components: usize,
        tuples: usize,
    ) -> Result<()> {
        let (cells, shape, at) = (self.cells, self.shape, text.at);
        let is_number = !["string", "bit"].iter().any(|other| type_name.eq_ignore_ascii_case(other));
        let beside = tuples != self.samples_each || self.samples_each == 0 || !is_number;
        let count = components
            .checked_mul(tuples)
            .ok_or_else(|| text.error(format!("array '{name}' has {components} x {tuples} samples")))?;
        if type_name.eq_ignore_ascii_case("string") {
            text.strings(self.binary, count)?;
        } else if self.binary && !is_number {
            text.binary(count.div_ceil(8), 1)?;
        } else if self.binary {
            text.binary(count, stored_type(text, type_name)?.size())?;
        } else {
            text.skip_words(count)?;
        }
        let unit = text.metadata(components)?;
        let type_name = type_name.to_owned();
        self.found.push(Found {
            name,
            unit,
            type_name,
            components,
            tuples,
            cells,
            shape,
            active: false,
            beside,
            at,
        });
        Ok(())
    }

    /// Notes an array of the data set itself, and keeps what neuvol knows of it.
    fn field(
        &mut self,
        text: &mut Text,
        name: String,
        type_name: &str,
        components: usize,
        tuples: usize,
    ) -> Result<()> {
        let before = text.at;
        self.array(text, name.clone(), type_name, components, tuples)?;
        if components.saturating_mul(tuples) == 0 {
            return Ok(());
        }
        let behind = std::mem::replace(&mut text.at, before);
        match (name.as_str(), type_name.eq_ignore_ascii_case("string")) {
            (vtk_fields::FRAME, true) => {
                let name = text.strings(self.binary, 1)?.unwrap_or_default();
                self.fields.frame = vtk_fields::frame(text.path, &name)?;
            }
            (vtk_fields::ARRAY, true) => self.fields.array = text.strings(self.binary, 1)?,
            (vtk_fields::FILL_VALUE, false) => {
                let stored = stored_type(text, type_name)?;
                let value = if self.binary {
                    let mut bytes = text.binary(1, stored.size())?;
                    elements::read_samples(text.path, &mut bytes, stored, ByteOrder::Big, 1)?
                } else {
                    elements::parse_samples(text.path, text.rest(), stored, 1)?.0
                };
                self.fields.fill_value = Some(value.get(0));
            }
            _ => {}
        }
        text.at = behind;
        Ok(())
    }

    /// The same for what is no field.
    fn skip(
        &mut self,
        text: &mut Text,
        name: String,
        type_name: &str,
        components: usize,
        tuples: usize,
    ) -> Result<()> {
        self.array(text, name, type_name, components, tuples)?;
        if let Some(found) = self.found.last_mut() {
            found.beside = true;
        }
        Ok(())
    }

    /// The arrays that can be read, those of the points first.
    fn usable(&self) -> impl Iterator<Item = &Found> {
        let of = |cells: bool| self.found.iter().filter(move |array| !array.beside && array.cells == cells);
        of(false).chain(of(true))
    }

    /// The array asked for, else the active scalars, else the first with one component, else the first at all; points before
    /// cells. Where a component is asked for, arrays of several come before those of one.
    fn chosen(&self, path: &Path) -> Result<Found> {
        let all: Vec<String> =
            self.found.iter().map(|a| format!("'{}' ({} components)", a.name, a.components)).collect();
        let all = if all.is_empty() { "none".into() } else { all.join(", ") };
        if let Some(name) = &self.options.array {
            return self.usable().find(|array| array.name == *name).cloned().ok_or_else(|| {
                Error::Options(format!("{}: no array is named '{name}'; it has {all}", path.display()))
            });
        }
        let of = |cells: bool| {
            let usable = move || self.usable().filter(move |a| a.cells == cells && !is_bookkeeping(&a.name));
            let vectors = || usable().filter(|array| array.components > 1);
            let vector = || {
                let vector = vectors().find(|array| array.active).or_else(|| vectors().next());
                vector.filter(|_| self.options.component.is_some())
            };
            vector()
                .or_else(|| usable().find(|array| array.active))
                .or_else(|| usable().find(|array| array.components == 1))
                .or_else(|| usable().next())
        };
        of(false).or_else(|| of(true)).cloned().ok_or_else(|| {
            Error::unsupported(path, format!("the file has no array of numbers; arrays found: {all}"))
        })
    }

    /// The names of the arrays that could have been read instead.
    fn others(&self, chosen: &Found) -> String {
        let others = self.usable().filter(|array| array.at != chosen.at);
        others
            .map(|a| if a.cells { format!("{} (cells)", a.name) } else { a.name.clone() })
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Reads the samples; the text stands before them.
    fn read(&self, text: &mut Text, array: Found) -> Result<Array> {
        let Found { name, unit, components, tuples, .. } = array;
        let component = super::component(text.path, &format!("array '{name}'"), components, self.options)?;
        let stored = stored_type(text, &array.type_name)?;
        elements::sample_count(text.path, self.shape, stored.size(), &self.options.limits)?;
        let part = Part { count: tuples, components, component, step: 0 };
        let samples = if self.binary {
            let end = text.binary(tuples.saturating_mul(components), stored.size()).map(|_| text.at)?;
            let start = end - tuples * components * stored.size();
            // Not out of the map: its pages would count as memory beside the samples.
            let mut file = File::open(text.path).map_err(|e| Error::io(text.path, e))?;
            file.seek(SeekFrom::Start(start as u64)).map_err(|e| Error::io(text.path, e))?;
            part.read(text.path, &mut BufReader::new(file), stored, ByteOrder::Big)?
        } else {
            part.parse(text.path, text.rest(), stored)?
        };
        let name = if components == 1 { name } else { format!("{name}_{component}") };
        Ok(Array { name, unit, stored, samples })
    }
}

fn stored_type(text: &Text, name: &str) -> Result<StoredType> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "unsigned_char" => StoredType::Kept(SampleType::U8),
        "char" | "signed_char" => StoredType::Kept(SampleType::I8),
        "unsigned_short" => StoredType::Kept(SampleType::U16),
        "short" => StoredType::Kept(SampleType::I16),
        "unsigned_int" => StoredType::Kept(SampleType::U32),
        "int" | "vtkidtype" => StoredType::Kept(SampleType::I32),
        // As 64-bit systems write them.
        "unsigned_long" | "vtktypeuint64" => StoredType::U64,
        "long" | "vtktypeint64" => StoredType::I64,
        "float" => StoredType::Kept(SampleType::F32),
        "double" => StoredType::Kept(SampleType::F64),
        other => {
            return Err(Error::unsupported(
                text.path,
                format!("samples of type '{other}' are not supported"),
            ));
        }
    })
}

/// The grid as the header gives it.
struct Grid {
    points: Option<[u64; 3]>,
    spacing: [f64; 3],
    declares_spacing: [bool; 3],
    origin: [f64; 3],
}

impl Grid {
    /// Points along each axis, or cells; an axis of one point counts one cell.
    fn shape(&self, text: &Text, cells: bool) -> Result<[u64; 3]> {
        let points = self.points.ok_or_else(|| text.error("data before DIMENSIONS".into()))?;
        Ok(points.map(|n| if cells && n > 1 { n - 1 } else { n }))
    }

    fn volume(&self, path: &Path, array: Array, reader: &Arrays) -> Result<Reading> {
        let shape = reader.shape.map(|n| n as usize);
        let mut volume = Volume::new(array.samples, shape)?;
        let is_cell = |a: usize| reader.cells && self.points.is_some_and(|points| points[a] > 1);
        let (spacing, is_distance) =
            reading::distances(path, "SPACING", self.spacing, reader.shape, reader.options.spacing)?;
        let axes = std::array::from_fn(|a| (self.origin[a], spacing[a]));
        volume.geometry = even::geometry(path, axes, is_cell, reader.shape)?;
        if reader.cells {
            volume.association = Association::of_cells(self.points.unwrap_or_default());
        }
        reader.fields.describe(&array.name, &mut volume);
        volume.name = array.name;
        volume.unit = array.unit;
        let place = if reader.cells { "cell data" } else { "point data" };
        volume.provenance.insert("source format".into(), format!("legacy VTK, {place}"));
        volume.provenance.insert("source type".into(), array.stored.name().into());
        Ok(Reading {
            volume,
            declares_spacing: std::array::from_fn(|a| self.declares_spacing[a] && is_distance[a]),
        })
    }
}

/// The file, read word by word.
struct Text<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Text<'a> {
    fn error(&self, what: String) -> Error {
        Error::format(self.path, format!("{what} (before byte {})", self.at))
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The rest of the line, which ends the title lines.
    fn line(&mut self) -> Result<&'a [u8]> {
        let rest = self.rest();
        if rest.is_empty() {
            return Err(self.error("the file ends within its header".into()));
        }
        let length = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        self.at += length + 1;
        Ok(rest.get(..length).unwrap_or_default())
    }

    /// A name: a word in which blanks and the like are written as `%20`.
    fn name(&mut self) -> Result<String> {
        Ok(decoded(self.word()?.as_bytes()))
    }

    /// Reads strings, which start behind the line's end, and returns the first: a line each, or the bytes behind a length
    /// (`vtkDataWriter::WriteArray`).
    fn strings(&mut self, binary: bool, count: usize) -> Result<Option<String>> {
        self.line()?;
        let mut first = None;
        for n in 0..count {
            let string = if binary {
                String::from_utf8_lossy(self.counted()?).into_owned()
            } else {
                decoded(self.line()?.trim_ascii())
            };
            if n == 0 {
                first = Some(string);
            }
        }
        Ok(first)
    }

    /// Bytes behind their number, whose first two bits say how long it is: 3 a byte, 2 two bytes, 1 four, 0 eight; the most
    /// significant one first.
    fn counted(&mut self) -> Result<&'a [u8]> {
        let truncated = |text: &Self| text.error("the file ends inside a string".into());
        let lead = *self.rest().first().ok_or_else(|| truncated(self))?;
        let bytes = 8 >> (lead >> 6);
        let length = self.rest().get(..bytes).ok_or_else(|| truncated(self))?;
        let length = length.iter().skip(1).fold(u64::from(lead & 63), |n, &byte| n << 8 | u64::from(byte));
        self.at += bytes;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let string = self.rest().get(..length).ok_or_else(|| truncated(self))?;
        self.at += length;
        Ok(string)
    }

    /// Passes over words: numbers, when they are text.
    fn skip_words(&mut self, count: usize) -> Result<()> {
        let mut left = count;
        let mut inside = false;
        let mut length = 0;
        for &byte in self.rest() {
            let blank = byte.is_ascii_whitespace();
            if inside && blank {
                left -= 1;
            }
            if left == 0 {
                break;
            }
            inside = !blank;
            length += 1;
        }
        // The file's end ends a word, too.
        left -= usize::from(inside && left > 0 && length == self.rest().len());
        self.at += length;
        if left > 0 {
            return Err(self.error(format!("the file ends {left} numbers before the end of an array")));
        }
        Ok(())
    }

    /// Passes over what VTK says of an array behind its samples, up to an empty line: the names of its components, a line
    /// each, and keys, of which the unit is returned (`vtkDataReader::ReadArray`).
    fn metadata(&mut self, components: usize) -> Result<String> {
        let mut unit = String::new();
        if !self.peek_word().is_some_and(|word| word.eq_ignore_ascii_case("METADATA")) {
            return Ok(unit);
        }
        self.next_word();
        self.line()?;
        let mut is_unit = false;
        loop {
            let line = self.line()?.trim_ascii();
            let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            if line.is_empty() {
                return Ok(unit);
            } else if word.eq_ignore_ascii_case(b"COMPONENT_NAMES") {
                // A component without a name has an empty line.
                for _ in 0..components {
                    self.line()?;
                }
            } else if word == b"NAME" {
                let mut words = line.split(u8::is_ascii_whitespace).skip(1);
                is_unit = words.next() == Some(b"UNITS_LABEL") && words.next() == Some(b"LOCATION");
            } else if word == b"DATA" && is_unit {
                unit = decoded(line.get(word.len()..).unwrap_or_default().trim_ascii());
            }
        }
    }

    /// The next word and where it ends; words of the header are text.
    fn peek(&self) -> Option<(&'a str, usize)> {
        let rest = self.rest();
        let start = rest.iter().position(|b| !b.is_ascii_whitespace())?;
        let word = rest.get(start..)?;
        let length = word.iter().position(|b| b.is_ascii_whitespace()).unwrap_or(word.len());
        Some((std::str::from_utf8(word.get(..length)?).ok()?, self.at + start + length))
    }

    fn peek_word(&self) -> Option<&'a str> {
        self.peek().map(|(word, _)| word)
    }

    /// The next word if it stands in the same line as the last one.
    fn peek_word_in_line(&self) -> Option<&'a str> {
        let blanks = self.rest().iter().take_while(|b| b.is_ascii_whitespace());
        if blanks.into_iter().any(|&b| b == b'\n') { None } else { self.peek_word() }
    }

    fn next_word(&mut self) -> Option<&'a str> {
        let (word, end) = self.peek()?;
        self.at = end;
        Some(word)
    }

    fn word(&mut self) -> Result<&'a str> {
        self.next_word()
            .ok_or_else(|| self.error("the file ends, or is not text, where a word should be".into()))
    }

    fn expect(&mut self, keyword: &str) -> Result<()> {
        let word = self.word()?;
        if word.eq_ignore_ascii_case(keyword) {
            return Ok(());
        }
        Err(self.error(format!("'{word}' where {keyword} should be")))
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T> {
        let word = self.word()?;
        word.parse().map_err(|_| self.error(format!("'{word}' where a number should be")))
    }

    fn numbers<T: std::str::FromStr + Copy + Default>(&mut self) -> Result<[T; 3]> {
        let mut numbers = [T::default(); 3];
        for number in &mut numbers {
            *number = self.number()?;
        }
        Ok(numbers)
    }

    /// The bytes of binary samples, which start behind the line's end.
    fn binary(&mut self, count: usize, size: usize) -> Result<&'a [u8]> {
        self.line()?;
        let bytes =
            count.checked_mul(size).and_then(|length| self.rest().get(..length)).ok_or_else(|| {
                self.error(format!(
                    "{count} samples of {size} bytes do not fit the {} bytes left; the file is truncated",
                    self.rest().len()
                ))
            })?;
        self.at += bytes.len();
        Ok(bytes)
    }
}

/// Text in which blanks and the like are written as `%20`.
fn decoded(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let code = (byte == b'%').then(|| std::str::from_utf8(behind.get(..2)?).ok());
        match code.flatten().and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Frame;

    fn read(header: &str, data: &[u8], array: Option<&str>) -> Result<Volume> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.vtk");
        let start = b"# vtk DataFile Version 2.0\na title\n";
        std::fs::write(&path, [start, header.as_bytes(), data].concat()).unwrap();
        crate::io::open(&path, &OpenOptions { array: array.map(String::from), ..OpenOptions::default() })
    }

    const GRID: &str = "DATASET STRUCTURED_POINTS\nDIMENSIONS 2 1 2\nORIGIN 0.1 2 3\nASPECT_RATIO 0.3 1 1\n";

    #[test]
    fn text_is_read_in_full_precision() {
        let header = format!("ASCII\n{GRID}POINT_DATA 4\nSCALARS t short\nLOOKUP_TABLE default\n1 -2 3\n4\n");
        let volume = read(&header, b"", None).unwrap();
        assert_eq!(*volume.samples(), Samples::I16(vec![1, -2, 3, 4]));
        assert_eq!((volume.geometry.origin[0], volume.geometry.spacing[0]), (0.1, 0.3));
        assert_eq!(volume.name, "t");
    }

    #[test]
    fn binary_arrays_are_big_endian_and_found_by_name() {
        let header = format!("BINARY\n\n{GRID}\nPOINT_DATA 4\nVECTORS v unsigned_char\n");
        let data = b"aaabbbcccddd\nFIELD f 2\nan%20x 1 4 unsigned_short\n\x00\x01\x01\x00\x00\x03\x00\x04\ny 1 4 char\n\xff\x00\x01\x02\n";
        let volume = read(&header, data, None).unwrap();
        assert_eq!(*volume.samples(), Samples::U16(vec![1, 256, 3, 4]));
        assert_eq!(*read(&header, data, Some("y")).unwrap().samples(), Samples::I8(vec![-1, 0, 1, 2]));
        assert!(read(&header, data, Some("v")).unwrap_err().to_string().contains("--component 0 to 2"));
        assert!(read(&header, data, Some("z")).unwrap_err().to_string().contains("'an x' (1 components)"));
        assert!(read(&header, &data[..50], None).unwrap_err().to_string().contains("truncated"));
    }

    #[test]
    fn rectilinear_grids_are_read_when_they_are_even() {
        let text = |z: &str| {
            format!(
                "ASCII\nDATASET RECTILINEAR_GRID\nDIMENSIONS 2 1 3\nX_COORDINATES 2 float\n0.5 1.0\n\
                 Y_COORDINATES 1 double\n7\nZ_COORDINATES 3 float\n{z}\nPOINT_DATA 6\nVECTORS v float\n\
                 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\nSCALARS t float\nLOOKUP_TABLE default\n0 1 2 3 4 5\n"
            )
        };
        let volume = read(&text("1.1 1.2 1.3"), b"", None).unwrap();
        assert_eq!((volume.shape(), volume.name.as_str()), ([2, 1, 3], "t"));
        assert!((volume.geometry.spacing[2] - 0.1).abs() < 1e-7);
        assert_eq!((volume.geometry.origin[0], volume.geometry.origin[1]), (0.5, 7.0));
        let message = read(&text("1 2 4"), b"", None).unwrap_err().to_string();
        assert!(message.contains("axis 2 are not evenly spaced: point 1"), "{message}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.vtk");
        std::fs::write(&path, format!("# vtk DataFile Version 2.0\nt\n{}", text("1 2 3"))).unwrap();
        let options = OpenOptions { component: Some(1), ..OpenOptions::default() };
        let volume = crate::io::open(&path, &options).unwrap();
        assert_eq!(*volume.samples(), Samples::F32(vec![2.0, 5.0, 8.0, 11.0, 14.0, 17.0]));
        assert_eq!(volume.name, "v_1");
    }

    #[test]
    fn cells_sit_at_their_centres() {
        let header = format!("ASCII\n{GRID}CELL_DATA 1\nSCALARS c float 1\nLOOKUP_TABLE default\n7\n");
        let volume = read(&header, b"", None).unwrap();
        assert_eq!(volume.shape(), [1, 1, 1]);
        assert_eq!(volume.geometry.origin, [0.25, 2.0, 3.5]);
    }

    #[test]
    fn other_files_are_refused() {
        let refuse = |header: &str, words: &str| {
            let message = read(header, b"", None).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        };
        refuse("ASCII\nDATASET POLYDATA\n", "POLYDATA");
        refuse(&format!("ASCII\n{GRID}POINT_DATA 5\n"), "POINT_DATA 5 where DIMENSIONS make 4");
        refuse(&format!("ASCII\n{GRID}POINT_DATA 4\nCOLOR_SCALARS t 1\n0 0 0 0\n"), "no array of numbers");
        refuse(&format!("ASCII\n{GRID}POINT_DATA 4\nSCALARS t float\n1 2 x 4\n"), "sample 2 is 'x'");
        refuse(
            "ASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 99999 99999 99\nPOINT_DATA 1\n",
            "exceeds the limit",
        );
        refuse("TEXT\n", "neither ASCII nor BINARY");
    }

    /// What VTK 9 writes behind an array of three components; the second has no name.
    const METADATA: &str = "METADATA\nCOMPONENT_NAMES\nu%20x\n\nw\nINFORMATION 1\nNAME UNITS_LABEL LOCATION vtkDataArray\n\
                            DATA m/s%20%5e2\n\n";

    #[test]
    fn what_is_said_of_an_array_is_no_array() {
        let unit = "METADATA\nINFORMATION 1\nNAME UNITS_LABEL LOCATION vtkDataArray\nDATA degC\n\n";
        let text = format!(
            "ASCII\n{GRID}POINT_DATA 4\nSCALARS p float\nLOOKUP_TABLE default\n1 2 3 4\n{unit}FIELD FieldData 2\n\
             vel 3 4 float\n1 2 3 4 5 6\n7 8 9 10 11 12\n{METADATA}temp 1 4 short\n5 6 7 8\n{unit}"
        );
        let crlf = text.replace('\n', "\r\n");
        for text in [&text, &crlf] {
            let volume = read(text, b"", None).unwrap();
            assert_eq!((volume.name.as_str(), volume.unit.as_str()), ("p", "degC"));
            assert_eq!(volume.provenance[OTHER_ARRAYS], "vel, temp");
            let volume = read(text, b"", Some("temp")).unwrap();
            assert_eq!(*volume.samples(), Samples::I16(vec![5, 6, 7, 8]));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, format!("\u{feff}# VTK DataFile Version 5.1\nt\n{text}")).unwrap();
        let options = OpenOptions { component: Some(2), ..OpenOptions::default() };
        let volume = crate::io::open(&path, &options).unwrap();
        assert_eq!(*volume.samples(), Samples::F32(vec![3.0, 6.0, 9.0, 12.0]));
        assert_eq!((volume.name.as_str(), volume.unit.as_str()), ("vel_2", "m/s ^2"));

        let start = format!("BINARY\n{GRID}POINT_DATA 4\nFIELD f 4\nnames 1 2 string\n");
        let data = [
            b"\xc3abc\xc0\nvel 3 4 char\nabcdefghijkl\n",
            METADATA.as_bytes(),
            b"temp 1 4 unsigned_char\n\x01\x02\x03\x04\n",
            unit.as_bytes(),
            b"flags 1 4 bit\n\xf0\n",
        ]
        .concat();
        let volume = read(&start, &data, None).unwrap();
        assert_eq!((volume.samples(), volume.unit.as_str()), (&Samples::U8(vec![1, 2, 3, 4]), "degC"));
        // Where a name is asked for, what lies behind it does not matter.
        assert!(read(&start, &[&data, &b"\xff\xff"[..]].concat(), Some("temp")).is_ok());
        let message = read(&start, &[&data, &b"\xff\xff"[..]].concat(), None).unwrap_err().to_string();
        assert!(message.contains("neither text nor samples"), "{message}");
    }

    #[test]
    fn arrays_of_points_come_before_those_of_cells() {
        let cells = "CELL_DATA 1\nSCALARS c float\nLOOKUP_TABLE default\n7\n";
        let points = "POINT_DATA 4\nFIELD f 1\nfirst 1 4 float\n1 2 3 4\nSCALARS p float\nLOOKUP_TABLE default\n5 6 7 8\n";
        for (text, name, others) in [
            (format!("{cells}{points}"), "p", "first, c (cells)"),
            (format!("{points}{cells}"), "p", "first, c (cells)"),
            (cells.to_owned(), "c", ""),
        ] {
            let volume = read(&format!("ASCII\n{GRID}{text}"), b"", None).unwrap();
            assert_eq!(volume.name, name);
            assert_eq!(volume.provenance.get(OTHER_ARRAYS).map_or("", String::as_str), others);
        }
        let both = format!("ASCII\n{GRID}{cells}{points}");
        let volume = read(&both, b"", Some("c")).unwrap();
        assert_eq!((volume.shape(), volume.geometry.origin), ([1, 1, 1], [0.25, 2.0, 3.5]));
        // Vectors alone: a component has to be chosen, which is an option's matter.
        let vectors = format!("ASCII\n{GRID}POINT_DATA 4\nVECTORS v float\n1 2 3 4 5 6 7 8 9 10 11 12\n");
        let error = read(&vectors, b"", None).unwrap_err();
        assert!(matches!(&error, Error::Options(what) if what.contains("--component 0 to 2")), "{error}");
    }

    #[test]
    fn a_spacing_that_is_none_is_refused() {
        let of = |spacing: &str, given: Option<[f64; 3]>| {
            let text = format!(
                "# vtk DataFile Version 3.0\nt\nASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 2 1 1\nSPACING {spacing}\n\
                 POINT_DATA 2\nSCALARS a float\nLOOKUP_TABLE default\n1 2\n"
            );
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.vtk");
            std::fs::write(&path, text).unwrap();
            let volume = crate::io::open(&path, &OpenOptions { spacing: given, ..OpenOptions::default() });
            volume.map(|volume| volume.geometry.spacing).map_err(|e| e.to_string())
        };
        for (spacing, words) in [
            ("0 1 1", "SPACING is 0 along x, which is no distance"),
            ("nan 1 1", "SPACING is NaN along x"),
            ("0,5 0,5 2", "'0,5' where a number should be"),
            ("0.5,0.5,2", "where a number should be"),
        ] {
            let message = of(spacing, None).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
        assert_eq!(of("0 0.5 2", Some([3.0, 0.5, 2.0])), Ok([3.0, 0.5, 2.0]));
        // One sample has no distance.
        assert_eq!(of("0.5 0 2", None), Ok([0.5, 1.0, 2.0]));
    }

    #[test]
    fn field_data_says_frame_and_fill_value() {
        // As vtkDataWriter writes it, before DIMENSIONS; a string is a line, or bytes behind their number.
        let data = "\nPOINT_DATA 4\nSCALARS an%20x short 1\nLOOKUP_TABLE default\n";
        let text = "FIELD FieldData 4\nneuvol_psnr 1 1 double\n42\nneuvol_fill_value 1 1 double\n-9\nneuvol_frame 1 1 string\n\
                    LPS%20mm\nneuvol_array 1 1 string\nan%20x\n";
        let grid = GRID.strip_prefix("DATASET STRUCTURED_POINTS\n").unwrap();
        let header = format!("ASCII\nDATASET STRUCTURED_POINTS\n{text}{grid}{data}1 2 3 -9\n");
        let volume = read(&header, b"", None).unwrap();
        assert_eq!((volume.geometry.frame, volume.fill_value), (Frame::Lps, Some(-9.0)));
        assert_eq!(*volume.samples(), Samples::I16(vec![1, 2, 3, -9]));

        let mut bytes = b"FIELD FieldData 4\nneuvol_fill_value 1 1 double\n".to_vec();
        bytes.extend((-9.0f64).to_be_bytes());
        bytes.extend(b"\nneuvol_frame 1 1 string\n\xc6LPS mm\nneuvol_array 1 1 string\n\xc4an x\nlong 1 1 string\n\x80\x46");
        bytes.extend([b'y'; 70]);
        bytes.extend(b"\n");
        bytes.extend([grid, data].concat().into_bytes());
        bytes.extend([0, 1, 0, 2, 0, 3, 0xff, 0xf7, b'\n']);
        let volume = read("BINARY\nDATASET STRUCTURED_POINTS\n", &bytes, None).unwrap();
        assert_eq!((volume.geometry.frame, volume.fill_value), (Frame::Lps, Some(-9.0)));
        assert_eq!(*volume.samples(), Samples::I16(vec![1, 2, 3, -9]));
        let message =
            read("BINARY\nDATASET STRUCTURED_POINTS\n", &bytes[..150], None).unwrap_err().to_string();
        assert!(message.contains("inside a string"), "{message}");
        let message = read(&header.replace("LPS%20mm", "RAS"), b"", None).unwrap_err().to_string();
        assert!(message.contains("'RAS'"), "{message}");
    }
}
