//! Writing `.vti`: inline base64 of zlib blocks with 64-bit headers. Appended data would be smaller by a quarter, but VTK
//! before 9.3 does not find it with expat 2.6 and later, nor with the older ones that distributions mended like it.

use super::base64;
use crate::atomic;
use crate::error::{Error, Result};
use crate::io::arrays::ArraySources;
use crate::io::elements::ByteOrder;
use crate::io::save::{SaveOptions, WriteCounter, Written};
use crate::io::vtk_fields::{ARRAY, FILL_LIMIT, FILL_VALUE, FRAME};
use crate::volume::{Association, Frame, SampleType, Samples, Slabs, VolumeHeader};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use quick_xml::escape::escape;
use rayon::prelude::*;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

/// Uncompressed bytes of a block: large enough for the ratio, small enough to share among threads.
const BLOCK_BYTES: usize = 1 << 18;

/// Writes a volume; everything but the provenance is kept.
pub(in crate::io) fn save(written: &Written<'_>, path: &Path) -> Result<()> {
    let Written { slabs, counter } = written;
    write(&[Array { name: &slabs.header().name, names: &[], components: vec![slabs] }], counter, path)
}

/// Writes several arrays of one grid, whose first is the active one.
pub(in crate::io) fn save_arrays(
    arrays: &[ArraySources<'_>],
    path: &Path,
    options: &SaveOptions,
) -> Result<()> {
    let components: Vec<Vec<Slabs<'_>>> = arrays.iter().map(|array| slabs(array, options)).collect();
    let written: Vec<Array<'_>> = arrays
        .iter()
        .zip(&components)
        .map(|(array, components)| Array {
            name: &array.name,
            names: &array.component_names,
            components: components.iter().collect(),
        })
        .collect();
    let planes = written.iter().map(|array| array.header().shape[2]).sum();
    write(&written, &WriteCounter::new(options, planes), path)
}

/// An array's components, which are read together; what they become is as large once more.
fn slabs<'a>(array: &'a ArraySources<'_>, options: &SaveOptions) -> Vec<Slabs<'a>> {
    let most_bytes = options.slab_bytes / (2 * array.components.len().max(1)) as u64;
    array.components.iter().map(|component| Slabs::new(component.as_ref(), most_bytes)).collect()
}

/// An array that is written: of one grid and type.
struct Array<'a> {
    name: &'a str,
    names: &'a [String],
    components: Vec<&'a Slabs<'a>>,
}

impl Array<'_> {
    /// That of the first component.
    fn header(&self) -> &VolumeHeader {
        self.components[0].header()
    }

    /// Bytes of all samples of all components.
    fn bytes(&self) -> u64 {
        self.header().stored_bytes() * self.components.len() as u64
    }

    /// The samples of some planes, the components of each beside each other.
    fn samples(&self, planes: Range<usize>) -> Result<Samples> {
        let count = self.components.len();
        if let [only] = self.components.as_slice() {
            return only.read(planes);
        }
        let sample_type = self.header().sample_type;
        let size = sample_type.size();
        let [nx, ny, _] = self.header().shape;
        let mut all = Samples::zeros(sample_type, count * nx * ny * planes.len());
        for (c, component) in self.components.iter().enumerate() {
            let samples = component.read(planes.clone())?;
            let tuples = all.as_bytes_mut().chunks_exact_mut(size * count);
            for (tuple, sample) in tuples.zip(samples.as_bytes().chunks_exact(size)) {
                tuple[c * size..][..size].copy_from_slice(sample);
            }
        }
        Ok(all)
    }

    /// The element up to its data.
    fn start(&self) -> String {
        let name = escape(self.name);
        let count = match self.components.len() {
            1 => String::new(),
            count => format!(" NumberOfComponents=\"{count}\""),
        };
        let named = self.names.iter().enumerate().filter(|(_, name)| !name.is_empty());
        let names: String =
            named.map(|(c, name)| format!(" ComponentName{c}=\"{}\"", escape(name.as_str()))).collect();
        format!(
            "        <DataArray type=\"{}\" Name=\"{name}\"{count}{names} format=\"binary\">\n",
            type_name(self.header().sample_type)
        )
    }

    /// The element's end: VTK takes what comes first in it for its data.
    fn end(&self) -> String {
        let unit = match escape(self.header().unit.as_str()) {
            unit if unit.is_empty() => unit,
            unit => format!(
                "<InformationKey name=\"UNITS_LABEL\" location=\"vtkDataArray\">{unit}</InformationKey>"
            )
            .into(),
        };
        format!("\n        {unit}</DataArray>\n")
    }

    /// The data: a header that tells the blocks' sizes, for which room is left until they are known, and the blocks.
    fn write(&self, out: &mut (impl Write + Seek), counter: &WriteCounter<'_>, path: &Path) -> Result<()> {
        let fail = |e: std::io::Error| Error::io(path, e);
        let bytes = self.bytes();
        let count = bytes.div_ceil(BLOCK_BYTES as u64);
        let place = out.stream_position().map_err(fail)?;
        let encoded = |header: &[u64]| {
            base64::encode(&header.iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<u8>>())
        };
        let mut header = vec![0; 3 + count as usize];
        out.write_all(&encoded(&header)).map_err(fail)?;
        header.clear();
        header.extend([count, bytes.min(BLOCK_BYTES as u64), bytes - (count - 1) * BLOCK_BYTES as u64]);
        let mut run = base64::Run::default();
        // What is not a whole block yet.
        let mut rest: Vec<u8> = Vec::new();
        for planes in self.components[0].planes() {
            let samples = self.samples(planes.clone())?;
            let is_last = planes.end == self.header().shape[2];
            let samples = samples.as_bytes();
            let missing = (BLOCK_BYTES - rest.len()) % BLOCK_BYTES;
            let (first, others) = samples.split_at(missing.min(samples.len()));
            rest.extend_from_slice(first);
            let whole = if is_last { others.len() } else { others.len() / BLOCK_BYTES * BLOCK_BYTES };
            let (others, left) = others.split_at(whole);
            let mut put = |bytes: &[u8]| -> std::io::Result<()> {
                for block in compressed(bytes)? {
                    header.push(block.len() as u64);
                    out.write_all(&run.encode(&block))?;
                }
                Ok(())
            };
            if rest.len() == BLOCK_BYTES || is_last {
                put(&rest).map_err(fail)?;
                rest.clear();
            }
            put(others).map_err(fail)?;
            rest.extend_from_slice(left);
            counter.advance(planes.len())?;
        }
        out.write_all(&run.finish()).map_err(fail)?;
        let end = out.stream_position().map_err(fail)?;
        out.seek(SeekFrom::Start(place)).map_err(fail)?;
        out.write_all(&encoded(&header)).map_err(fail)?;
        out.seek(SeekFrom::Start(end)).map(drop).map_err(fail)
    }
}

fn write(arrays: &[Array<'_>], counter: &WriteCounter<'_>, path: &Path) -> Result<()> {
    let fail = |e: std::io::Error| Error::io(path, e);
    let [before, behind] = xml(arrays);
    counter.advance(0)?;
    atomic::write_seekable(path, |out| {
        out.write_all(before.as_bytes()).map_err(fail)?;
        for array in arrays {
            out.write_all(array.start().as_bytes()).map_err(fail)?;
            array.write(out, counter, path)?;
            out.write_all(array.end().as_bytes()).map_err(fail)?;
        }
        out.write_all(behind.as_bytes()).map_err(fail)
    })
}

fn compressed(bytes: &[u8]) -> std::io::Result<Vec<Vec<u8>>> {
    let blocks = bytes.par_chunks(BLOCK_BYTES).map(|block| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(block)?;
        encoder.finish()
    });
    blocks.collect()
}

/// The XML before and behind the arrays.
fn xml(arrays: &[Array<'_>]) -> [String; 2] {
    let volume = arrays[0].header();
    let geometry = &volume.geometry;
    let list = |values: &[f64]| values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(" ");
    let [x, y, z] = volume.association.points(volume.shape).map(|n| n - 1);
    let extent = format!("0 {x} 0 {y} 0 {z}");
    let name = escape(arrays[0].name);
    let active = if arrays[0].components.len() == 1 { "Scalars" } else { "Vectors" };
    // VTK's vectors have three components.
    let active = match arrays[0].components.len() {
        1 | 3 => format!(" {active}=\"{name}\""),
        _ => String::new(),
    };
    let byte_order = match ByteOrder::NATIVE {
        ByteOrder::Little => "LittleEndian",
        ByteOrder::Big => "BigEndian",
    };
    let fields = field_data(volume);
    let [data, other] = match volume.association {
        Association::Point => ["PointData", "CellData"],
        Association::Cell { .. } => ["CellData", "PointData"],
    };
    // VTK wants the points' element first.
    let empty =
        |place: bool| if place { format!("      <{other}>\n      </{other}>\n") } else { String::new() };
    let [empty_before, empty_behind] = [empty(other == "PointData"), empty(other == "CellData")];
    let before = format!(
        r#"<?xml version="1.0"?>
<VTKFile type="ImageData" version="1.0" byte_order="{byte_order}" header_type="UInt64" compressor="vtkZLibDataCompressor">
  <ImageData WholeExtent="{extent}" Origin="{}" Spacing="{}" Direction="{}">{fields}
    <Piece Extent="{extent}">
{empty_before}      <{data}{active}>
"#,
        list(&volume.association.first_point(geometry)),
        list(&geometry.spacing),
        list(geometry.direction.as_flattened()),
    );
    let behind = format!("      </{data}>\n{empty_behind}    </Piece>\n  </ImageData>\n</VTKFile>\n");
    [before, behind]
}

/// What VTK has no place for, as field data, which its programs keep. A string is a list of its bytes and a zero.
fn field_data(volume: &VolumeHeader) -> String {
    let text = |name: &str, text: &str| {
        let bytes: Vec<String> = text.bytes().chain([0]).map(|byte| byte.to_string()).collect();
        format!(
            "\n      <Array type=\"String\" Name=\"{name}\" NumberOfTuples=\"1\" format=\"ascii\">{}</Array>",
            bytes.join(" ")
        )
    };
    let number = |name: &str, number: f64| {
        format!(
            "\n      <DataArray type=\"Float64\" Name=\"{name}\" NumberOfTuples=\"1\" \
             format=\"ascii\">{number:?}</DataArray>"
        )
    };
    let mut arrays = String::new();
    if volume.geometry.frame != Frame::Unknown {
        arrays += &text(FRAME, volume.geometry.frame.name());
    }
    if let Some(fill) = volume.fill_value.filter(|fill| fill.is_finite()) {
        arrays += &text(ARRAY, &volume.name);
        arrays += &number(FILL_VALUE, fill);
        if let Some(limit) = volume.fill_limit.filter(|limit| limit.is_finite()) {
            arrays += &number(FILL_LIMIT, limit);
        }
    }
    if arrays.is_empty() { arrays } else { format!("\n    <FieldData>{arrays}\n    </FieldData>") }
}

fn type_name(sample_type: SampleType) -> &'static str {
    match sample_type {
        SampleType::U8 => "UInt8",
        SampleType::I8 => "Int8",
        SampleType::U16 => "UInt16",
        SampleType::I16 => "Int16",
        SampleType::U32 => "UInt32",
        SampleType::I32 => "Int32",
        SampleType::F32 => "Float32",
        SampleType::F64 => "Float64",
    }
}
