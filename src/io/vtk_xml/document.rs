//! The XML: everything but the samples.

use crate::error::{Error, Result};
use crate::io::MOST_COMPONENTS;
use crate::io::elements::{ByteOrder, StoredType};
use crate::io::skip_byte_order_mark;
use crate::io::vtk_fields::{ARRAY, FILL_LIMIT, FILL_VALUE, FRAME, TIME};
use crate::volume::SampleType;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;

/// More arrays than this are refused.
const MOST_ARRAYS: usize = 4096;
/// More pieces than this are refused.
const MOST_PIECES: usize = 1 << 16;

/// What an array belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Association {
    Point,
    Cell,
}

/// Where an array's samples are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DataPlace {
    /// Between the array's tags, at these bytes of the file.
    Ascii(Range<u64>),
    /// The same, base64.
    Binary(Range<u64>),
    /// This many characters behind the underscore of `<AppendedData>`.
    Appended(u64),
}

/// A `<DataArray>`.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) association: Association,
    pub(super) name: String,
    components: u64,
    /// Of each component, empty ones included; none where there are too many.
    pub(super) component_names: Vec<String>,
    pub(super) unit: String,
    pub(super) place: DataPlace,
    type_name: String,
}

impl Array {
    pub(super) fn is_numeric(&self) -> bool {
        stored_type(&self.type_name).is_some()
    }

    /// Samples of a tuple.
    pub(super) fn components(&self, path: &Path) -> Result<usize> {
        usize::try_from(self.components).ok().filter(|&n| n > 0).ok_or_else(|| {
            Error::format(path, format!("array '{}' has {} components", self.name, self.components))
        })
    }

    pub(super) fn is_scalar(&self) -> bool {
        self.components == 1
    }

    /// Name and number of components, for messages.
    pub(super) fn described(&self) -> String {
        format!("'{}' ({} components)", self.name, self.components)
    }

    pub(super) fn stored_type(&self, path: &Path) -> Result<StoredType> {
        stored_type(&self.type_name).ok_or_else(|| {
            Error::unsupported(path, format!("array '{}' is of type '{}'", self.name, self.type_name))
        })
    }
}

fn stored_type(name: &str) -> Option<StoredType> {
    Some(match name {
        "UInt8" => StoredType::Kept(SampleType::U8),
        "Int8" => StoredType::Kept(SampleType::I8),
        "UInt16" => StoredType::Kept(SampleType::U16),
        "Int16" => StoredType::Kept(SampleType::I16),
        "UInt32" => StoredType::Kept(SampleType::U32),
        "Int32" => StoredType::Kept(SampleType::I32),
        "UInt64" => StoredType::U64,
        "Int64" => StoredType::I64,
        "Float32" => StoredType::Kept(SampleType::F32),
        "Float64" => StoredType::Kept(SampleType::F64),
        _ => return None,
    })
}

/// What blocks of samples are compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compressor {
    Zlib,
    Lz4,
    /// In xz containers.
    Lzma,
}

/// The data set's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `.vti`
    Image,
    /// `.vtr`
    Rectilinear,
    /// `.pvti`: the pieces are files of their own.
    ParallelImage,
}

/// A `<Piece>`.
#[derive(Debug, Default)]
pub(super) struct Piece {
    extent: Vec<i32>,
    pub(super) arrays: Vec<Array>,
    /// Of a rectilinear grid: along x, y and z.
    pub(super) coordinates: Vec<Array>,
    /// Of a parallel file: the piece's own file.
    pub(super) source: Option<String>,
}

impl Piece {
    /// First and last point index along each axis.
    pub(super) fn extent(&self, path: &Path) -> Result<Extent> {
        Extent::of(path, "a piece's Extent", &self.extent)
    }
}

/// First and last point index along each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) low: [i64; 3],
    pub(super) high: [i64; 3],
}

impl Extent {
    fn of(path: &Path, what: &str, numbers: &[i32]) -> Result<Self> {
        let [x0, x1, y0, y1, z0, z1] = *numbers else {
            return Err(Error::format(path, format!("{what} does not hold six numbers")));
        };
        if x0 > x1 || y0 > y1 || z0 > z1 {
            return Err(Error::format(path, format!("{what} {numbers:?} is empty")));
        }
        Ok(Self { low: [x0, y0, z0].map(i64::from), high: [x1, y1, z1].map(i64::from) })
    }

    /// Whether another extent lies in this one.
    pub(super) fn contains(&self, other: &Extent) -> bool {
        (0..3).all(|a| self.low[a] <= other.low[a] && other.high[a] <= self.high[a])
    }
}

/// `<AppendedData>`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appended {
    /// First byte behind the start tag.
    pub(super) start: u64,
    pub(super) base64: bool,
}

/// The file without its samples.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) byte_order: ByteOrder,
    /// Bytes of one number in a block header: 4 or 8.
    pub(super) header_size: usize,
    pub(super) kind: Kind,
    pub(super) compressor: Option<Compressor>,
    pub(super) origin: [f64; 3],
    pub(super) spacing: [f64; 3],
    /// Whether the file gives it.
    pub(super) declares_spacing: bool,
    /// Rows; column `a` is the direction of axis `a`.
    pub(super) direction: [[f64; 3]; 3],
    /// Of the field data, what neuvol reads.
    pub(super) fields: Vec<Array>,
    pub(super) pieces: Vec<Piece>,
    pub(super) appended: Option<Appended>,
    whole_extent: Vec<i32>,
    active: [Option<String>; 2],
}

impl Document {
    /// Reads up to `<AppendedData>` or to the end.
    pub(super) fn read(path: &Path, file: &mut BufReader<File>) -> Result<Self> {
        let mut document = Document {
            byte_order: ByteOrder::Little,
            header_size: 4,
            kind: Kind::Image,
            compressor: None,
            origin: [0.0; 3],
            spacing: [1.0; 3],
            declares_spacing: false,
            direction: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            fields: Vec::new(),
            pieces: Vec::new(),
            appended: None,
            whole_extent: Vec::new(),
            active: [None, None],
        };
        let mark = skip_byte_order_mark(path, file)?;
        let mut reader = Reader::from_reader(file);
        let mut buffer = Vec::new();
        let mut inside = Inside::default();
        loop {
            buffer.clear();
            let before = mark + reader.buffer_position();
            let event = reader.read_event_into(&mut buffer).map_err(|e| {
                Error::format(path, format!("the XML is damaged near byte {}: {e}", reader.error_position()))
            })?;
            let after = mark + reader.buffer_position();
            match event {
                Event::Start(tag) => {
                    let tag = Tag { path, tag: &tag };
                    if tag.tag.local_name().as_ref() == "AppendedData" {
                        document.append(&tag, after)?;
                        break;
                    }
                    document.start(&tag, &mut inside, after)?;
                    inside.depth += 1;
                    if let (true, Some(array)) = (inside.array, document.last_array(&inside))
                        && let DataPlace::Ascii(range) | DataPlace::Binary(range) = &mut array.place
                        && range.start == after
                        && range.is_empty()
                    {
                        // An array may be larger than memory: it is passed over here.
                        let (text, is_blank) =
                            pass_over_text(&mut reader.stream()).map_err(|e| Error::io(path, e))?;
                        if !is_blank {
                            *range = after..after + text;
                        }
                    }
                }
                Event::Empty(tag) => {
                    let tag = Tag { path, tag: &tag };
                    document.start(&tag, &mut inside, after)?;
                    inside.leave(tag.tag.local_name().as_ref());
                }
                Event::End(tag) => {
                    inside.leave(tag.local_name().as_ref());
                    inside.depth -= 1;
                }
                Event::Text(text) => {
                    if let (true, Some(array)) = (inside.array, document.last_array(&inside)) {
                        if inside.unit {
                            array.unit.push_str(&text);
                        } else if let DataPlace::Ascii(range) | DataPlace::Binary(range) = &mut array.place
                            && range.is_empty()
                            && !text.trim().is_empty()
                        {
                            *range = before..after;
                        }
                    }
                }
                Event::GeneralRef(entity) if inside.unit => {
                    let text = format!("&{};", &*entity);
                    let resolved =
                        unescape(&text).map_err(|e| Error::format(path, format!("a unit's name: {e}")))?;
                    if let Some(array) = document.last_array(&inside) {
                        array.unit.push_str(&resolved);
                    }
                }
                Event::Eof if inside.depth > 0 => {
                    return Err(Error::format(
                        path,
                        format!("the XML ends inside an element at byte {after}; it is truncated"),
                    ));
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if document.whole_extent.is_empty() {
            return Err(Error::format(path, "not a VTK image: there is no <ImageData> element"));
        }
        Ok(document)
    }

    fn start(&mut self, tag: &Tag, inside: &mut Inside, after: u64) -> Result<()> {
        match tag.tag.local_name().as_ref() {
            "VTKFile" => self.file(tag)?,
            "ImageData" | "PImageData" | "RectilinearGrid" => self.image(tag)?,
            "Piece" => {
                if self.pieces.len() >= MOST_PIECES {
                    return Err(tag.error(format!("the file declares more than {MOST_PIECES} pieces")));
                }
                let extent = tag.numbers("Extent")?.unwrap_or_default();
                self.pieces.push(Piece { extent, source: tag.text("Source")?, ..Piece::default() });
            }
            name @ ("PointData" | "CellData" | "PPointData" | "PCellData") => {
                let association = if name.contains("Point") { Association::Point } else { Association::Cell };
                // The first piece says which array is the active one.
                if self.active[association as usize].is_none() {
                    self.active[association as usize] = tag.text("Scalars")?;
                }
                inside.data = Some(association);
            }
            "Coordinates" => inside.coordinates = true,
            "DataArray" | "Array" if inside.fields => {
                let name = tag.text("Name")?.unwrap_or_default();
                let is_new = !self.fields.iter().any(|array| array.name == name);
                if is_new && [FRAME, ARRAY, FILL_VALUE, FILL_LIMIT, TIME].contains(&name.as_str()) {
                    self.fields.push(tag.array(Association::Point, after)?);
                    inside.array = true;
                }
            }
            "FieldData" => inside.fields = true,
            "DataArray" | "Array" => {
                let Some(piece) = self.pieces.last_mut() else { return Ok(()) };
                if piece.arrays.len() >= MOST_ARRAYS {
                    return Err(tag.error(format!("the file declares more than {MOST_ARRAYS} arrays")));
                }
                match inside.data {
                    Some(association) => piece.arrays.push(tag.array(association, after)?),
                    None if inside.coordinates && piece.coordinates.len() < 3 => {
                        piece.coordinates.push(tag.array(Association::Point, after)?);
                    }
                    None => return Ok(()),
                }
                inside.array = true;
            }
            "InformationKey" => inside.unit = tag.text("name")?.as_deref() == Some("UNITS_LABEL"),
            _ => {}
        }
        Ok(())
    }

    fn file(&mut self, tag: &Tag) -> Result<()> {
        let kind = tag.text("type")?.unwrap_or_default();
        self.kind = match kind.as_str() {
            "ImageData" => Kind::Image,
            "RectilinearGrid" => Kind::Rectilinear,
            "PImageData" => Kind::ParallelImage,
            _ => {
                return Err(Error::unsupported(
                    tag.path,
                    format!(
                        "a VTK file of type '{kind}': only ImageData, PImageData and RectilinearGrid are supported; \
                         resample it to an image first"
                    ),
                ));
            }
        };
        self.byte_order = match tag.text("byte_order")?.as_deref() {
            Some("BigEndian") => ByteOrder::Big,
            None | Some("LittleEndian") => ByteOrder::Little,
            Some(other) => return Err(tag.error(format!("the byte order '{other}' is unknown"))),
        };
        self.header_size = match tag.text("header_type")?.as_deref() {
            None | Some("UInt32") => 4,
            Some("UInt64") => 8,
            Some(other) => return Err(tag.error(format!("the header type '{other}' is unknown"))),
        };
        self.compressor = match tag.text("compressor")?.as_deref() {
            None | Some("") => None,
            Some("vtkZLibDataCompressor") => Some(Compressor::Zlib),
            Some("vtkLZ4DataCompressor") => Some(Compressor::Lz4),
            Some("vtkLZMADataCompressor") => Some(Compressor::Lzma),
            Some(other) => {
                return Err(Error::unsupported(
                    tag.path,
                    format!(
                        "data compressed by {other} are not supported; save the file with ZLib or no compressor"
                    ),
                ));
            }
        };
        Ok(())
    }

    fn image(&mut self, tag: &Tag) -> Result<()> {
        self.whole_extent =
            tag.numbers("WholeExtent")?.ok_or_else(|| tag.error("the grid lacks its WholeExtent".into()))?;
        if let Some(origin) = tag.vector("Origin")? {
            self.origin = origin;
        }
        if let Some(spacing) = tag.vector("Spacing")? {
            self.spacing = spacing;
            self.declares_spacing = true;
        }
        if let Some(direction) = tag.numbers::<f64>("Direction")? {
            let [a, b, c, d, e, f, g, h, i] = direction.as_slice() else {
                return Err(tag.error("Direction does not hold nine numbers".into()));
            };
            self.direction = [[*a, *b, *c], [*d, *e, *f], [*g, *h, *i]];
        }
        Ok(())
    }

    fn append(&mut self, tag: &Tag, start: u64) -> Result<()> {
        let base64 = match tag.text("encoding")?.as_deref() {
            Some("raw") => false,
            Some("base64") => true,
            other => {
                return Err(
                    tag.error(format!("<AppendedData> has the encoding {other:?}, not raw or base64"))
                );
            }
        };
        self.appended = Some(Appended { start, base64 });
        Ok(())
    }

    /// The whole grid's extent.
    pub(super) fn extent(&self, path: &Path) -> Result<Extent> {
        Extent::of(path, "WholeExtent", &self.whole_extent)
    }

    /// The array whose tags the reader is inside of.
    fn last_array(&mut self, inside: &Inside) -> Option<&mut Array> {
        if inside.fields {
            return self.fields.last_mut();
        }
        let piece = self.pieces.last_mut()?;
        if inside.data.is_some() { piece.arrays.last_mut() } else { piece.coordinates.last_mut() }
    }

    /// The active scalars' name.
    pub(super) fn active_scalars(&self, association: Association) -> Option<&str> {
        self.active[association as usize].as_deref()
    }
}

/// Passes over text up to the next tag: its bytes, and whether all of them are blank.
fn pass_over_text(reader: &mut impl BufRead) -> std::io::Result<(u64, bool)> {
    let (mut passed, mut is_blank) = (0, true);
    loop {
        let bytes = reader.fill_buf()?;
        let end = bytes.iter().position(|&byte| byte == b'<');
        let text = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        is_blank = is_blank && text.iter().all(u8::is_ascii_whitespace);
        let length = text.len();
        reader.consume(length);
        passed += length as u64;
        if end.is_some() || length == 0 {
            return Ok((passed, is_blank));
        }
    }
}

/// The elements that the reader is inside of.
#[derive(Default)]
struct Inside {
    depth: i64,
    data: Option<Association>,
    coordinates: bool,
    fields: bool,
    array: bool,
    unit: bool,
}

impl Inside {
    fn leave(&mut self, name: &str) {
        match name {
            "PointData" | "CellData" | "PPointData" | "PCellData" => self.data = None,
            "Coordinates" => self.coordinates = false,
            "FieldData" => self.fields = false,
            "DataArray" | "Array" => self.array = false,
            "InformationKey" => self.unit = false,
            _ => {}
        }
    }
}

/// A start tag with the file it is in.
struct Tag<'a> {
    path: &'a Path,
    tag: &'a BytesStart<'a>,
}

impl Tag<'_> {
    fn error(&self, what: String) -> Error {
        Error::format(self.path, what)
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        let attribute = self
            .tag
            .try_get_attribute(name)
            .map_err(|e| self.error(format!("a damaged attribute before '{name}': {e}")))?;
        attribute
            .map(|a| a.normalized_value(XmlVersion::Implicit1_0).map(|v| v.into_owned()))
            .transpose()
            .map_err(|e| self.error(format!("attribute '{name}': {e}")))
    }

    fn numbers<T: std::str::FromStr>(&self, name: &str) -> Result<Option<Vec<T>>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let numbers = text.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<T>, _>>();
        numbers
            .map(Some)
            .map_err(|_| self.error(format!("attribute {name} is '{text}', not a list of numbers")))
    }

    fn vector(&self, name: &str) -> Result<Option<[f64; 3]>> {
        match self.numbers::<f64>(name)?.as_deref() {
            None => Ok(None),
            Some([x, y, z]) => Ok(Some([*x, *y, *z])),
            Some(_) => Err(self.error(format!("attribute {name} does not hold three numbers"))),
        }
    }

    fn array(&self, association: Association, after: u64) -> Result<Array> {
        let name = self.text("Name")?.unwrap_or_default();
        let number = |key| Ok::<_, Error>(self.numbers::<u64>(key)?.and_then(|n| n.first().copied()));
        let place = match self.text("format")?.as_deref() {
            None | Some("ascii") => DataPlace::Ascii(after..after),
            Some("binary") => DataPlace::Binary(after..after),
            Some("appended") => DataPlace::Appended(
                number("offset")?.ok_or_else(|| self.error(format!("array '{name}' lacks its offset")))?,
            ),
            Some(other) => return Err(self.error(format!("array '{name}' has the unknown format '{other}'"))),
        };
        let components = number("NumberOfComponents")?.unwrap_or(1);
        let named = if components <= MOST_COMPONENTS as u64 { components } else { 0 };
        let names = (0..named).map(|n| Ok(self.text(&format!("ComponentName{n}"))?.unwrap_or_default()));
        Ok(Array {
            association,
            components,
            component_names: names.collect::<Result<_>>()?,
            type_name: self.text("type")?.unwrap_or_default(),
            unit: String::new(),
            name,
            place,
        })
    }
}
