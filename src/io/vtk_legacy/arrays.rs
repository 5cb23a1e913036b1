//! The arrays of a legacy VTK file: found all, of which one is read.

use super::text::{Metadata, Text};
use super::{Grid, stored_type};
use crate::error::{Error, Result};
use crate::io::elements::{self, ByteOrder, FilePart, StoredType};
use crate::io::vtk_fields::{self, Fields};
use crate::io::{InputArray, OpenOptions, component, even, is_bookkeeping};
use crate::volume::Samples;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;

/// One component of an array, and where its samples lie.
pub(super) struct Component {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) stored: StoredType,
    pub(super) part: FilePart,
    /// The first byte of the array's samples, or of their text.
    pub(super) start: u64,
}

/// An array that the file holds.
#[derive(Clone)]
pub(super) struct FoundArray {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) type_name: String,
    pub(super) components: usize,
    /// Of the first components, where the file names them.
    pub(super) component_names: Vec<String>,
    pub(super) tuples: usize,
    pub(super) cells: bool,
    pub(super) shape: [u64; 3],
    /// Introduced by SCALARS: what VTK makes the active ones.
    pub(super) active: bool,
    /// No field, but colours, a table of them or field data of the whole set.
    pub(super) beside: bool,
    /// Where its samples begin.
    pub(super) at: usize,
}

/// Finds all arrays, and reads the one that is wanted.
pub(super) struct Arrays<'a> {
    pub(super) options: &'a OpenOptions,
    pub(super) binary: bool,
    pub(super) samples_each: usize,
    pub(super) cells: bool,
    pub(super) shape: [u64; 3],
    /// What the file's own field data says.
    pub(super) fields: Fields,
    pub(super) found: Vec<FoundArray>,
}

impl Arrays<'_> {
    /// Walks through the file, and notes its grid and its arrays.
    pub(super) fn scan(&mut self, text: &mut Text, grid: &mut Grid) -> Result<()> {
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
    pub(super) fn coordinates(&self, text: &mut Text, grid: &Grid, axis: usize) -> Result<even::Axis> {
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
    pub(super) fn pass(&mut self, keyword: &str, text: &mut Text) -> Result<()> {
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
    pub(super) fn array(
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
        let Metadata { unit, component_names } = text.metadata(components)?;
        let type_name = type_name.to_owned();
        self.found.push(FoundArray {
            name,
            unit,
            type_name,
            components,
            component_names,
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
    pub(super) fn field(
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
            (vtk_fields::FILL_VALUE | vtk_fields::FILL_LIMIT | vtk_fields::TIME, false) => {
                let stored = stored_type(text, type_name)?;
                let value = if self.binary {
                    let mut bytes = text.binary(1, stored.size())?;
                    elements::read_samples(text.path, &mut bytes, stored, ByteOrder::Big, 1)?
                } else {
                    elements::parse_samples(text.path, text.rest(), stored, 1)?.0
                };
                let value = Some(value.get(0));
                match name.as_str() {
                    vtk_fields::FILL_VALUE => self.fields.fill_value = value,
                    vtk_fields::FILL_LIMIT => self.fields.fill_limit = value,
                    _ => self.fields.time = value.filter(|time| time.is_finite()),
                }
            }
            _ => {}
        }
        text.at = behind;
        Ok(())
    }

    /// The same for what is not a field.
    pub(super) fn skip(
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
    pub(super) fn usable(&self) -> impl Iterator<Item = &FoundArray> {
        let of = |cells: bool| self.found.iter().filter(move |array| !array.beside && array.cells == cells);
        of(false).chain(of(true))
    }

    /// The array asked for, else the active scalars, else the first with one component, else the first at all; points before
    /// cells. Where a component is asked for, arrays of several come before those of one.
    pub(super) fn chosen(&self, path: &Path) -> Result<FoundArray> {
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

    /// The arrays that can be read: the one that the options choose alone where they choose, else those that belong to
    /// what the default one belongs to.
    pub(super) fn listed(&self, path: &Path) -> Result<Vec<InputArray>> {
        let default = self.chosen(path)?;
        let is_chosen = self.options.array.is_some() || self.options.component.is_some();
        let mut listed: Vec<InputArray> = Vec::new();
        for array in self.usable().filter(|array| array.cells == default.cells) {
            let wanted = match is_chosen {
                true => array.name == default.name,
                false => !is_bookkeeping(&array.name),
            };
            // Of two of one name the first is read.
            if wanted && !listed.iter().any(|other| other.name == array.name) {
                let found = InputArray::new(array.name.clone(), array.components);
                listed.push(found.with_names(array.component_names.clone()));
            }
        }
        Ok(listed)
    }

    /// The names of the arrays that could have been read instead.
    pub(super) fn others(&self, chosen: &FoundArray) -> String {
        let others = self.usable().filter(|array| array.at != chosen.at);
        others
            .map(|a| if a.cells { format!("{} (cells)", a.name) } else { a.name.clone() })
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The wanted component of an array; the text stands before its samples.
    pub(super) fn component(&self, text: &mut Text, array: FoundArray) -> Result<Component> {
        let FoundArray { name, unit, components, tuples, .. } = array;
        let component = component(text.path, &format!("array '{name}'"), components, self.options)?;
        let stored = stored_type(text, &array.type_name)?;
        elements::sample_count(text.path, self.shape, stored.size(), &self.options.limits)?;
        let part = FilePart { count: tuples, components, component, run: 1, step: 0 };
        if self.binary {
            let bytes = text.binary(tuples.saturating_mul(components), stored.size())?.len();
            text.at -= bytes;
        }
        let name = if components == 1 { name } else { format!("{name}_{component}") };
        Ok(Component { name, unit, stored, part, start: text.at as u64 })
    }

    /// Reads the samples of a component, which the text stands before.
    pub(super) fn read(&self, text: &Text, component: &Component) -> Result<Samples> {
        let Component { stored, part, start, .. } = *component;
        if !self.binary {
            return part.parse(text.path, text.rest(), stored);
        }
        // Not out of the map: its pages would count as memory beside the samples.
        let mut reader = reader_at(text.path, start)?;
        part.read(text.path, &mut reader, stored, ByteOrder::Big)
    }
}

/// What reads a file from a byte on.
pub(super) fn reader_at(path: &Path, start: u64) -> Result<BufReader<File>> {
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    file.seek(SeekFrom::Start(start)).map_err(|e| Error::io(path, e))?;
    Ok(BufReader::with_capacity(1 << 18, file))
}
