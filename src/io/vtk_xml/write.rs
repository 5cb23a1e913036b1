//! Writing `.vti`: inline base64 of zlib blocks with 64-bit headers. Appended data would be smaller by a quarter, but VTK
//! before 9.3 does not find it with expat 2.6 and later, nor with the older ones that distributions mended like it.

use super::base64;
use crate::atomic;
use crate::error::{Error, Result};
use crate::io::arrays::ArrayVolumes;
use crate::io::elements::ByteOrder;
use crate::io::vtk_fields::{ARRAY, FILL_LIMIT, FILL_VALUE, FRAME};
use crate::volume::{Association, Frame, SampleType, Volume};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use quick_xml::escape::escape;
use rayon::prelude::*;
use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

/// Uncompressed bytes of a block: large enough for the ratio, small enough to share among threads.
const BLOCK_BYTES: usize = 1 << 18;

/// Writes a volume; everything but the provenance is kept.
pub(in crate::io) fn save(volume: &Volume, path: &Path) -> Result<()> {
    write(&[Array { name: &volume.name, names: &[], components: &[volume] }], path)
}

/// Writes several arrays of one grid, whose first is the active one.
pub(in crate::io) fn save_arrays(arrays: &[ArrayVolumes], path: &Path) -> Result<()> {
    let components: Vec<Vec<&Volume>> =
        arrays.iter().map(|array| array.components.iter().collect()).collect();
    let arrays: Vec<Array> = arrays
        .iter()
        .zip(&components)
        .map(|(array, components)| Array { name: &array.name, names: &array.component_names, components })
        .collect();
    write(&arrays, path)
}

/// An array that is written: of one grid and type.
struct Array<'a> {
    name: &'a str,
    names: &'a [String],
    components: &'a [&'a Volume],
}

impl Array<'_> {
    /// The samples, the components of each beside each other.
    fn bytes(&self) -> Cow<'_, [u8]> {
        if let [only] = self.components {
            return only.samples().as_bytes().into();
        }
        let size = self.components[0].sample_type().size();
        let count = self.components.len();
        let mut bytes = vec![0; size * count * self.components[0].len()];
        for (c, component) in self.components.iter().enumerate() {
            let tuples = bytes.chunks_exact_mut(size * count);
            for (tuple, sample) in tuples.zip(component.samples().as_bytes().chunks_exact(size)) {
                tuple[c * size..][..size].copy_from_slice(sample);
            }
        }
        bytes.into()
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
            type_name(self.components[0].sample_type())
        )
    }

    /// The element's end: VTK takes what comes first in it for its data.
    fn end(&self) -> String {
        let unit = match escape(self.components[0].unit.as_str()) {
            unit if unit.is_empty() => unit,
            unit => format!(
                "<InformationKey name=\"UNITS_LABEL\" location=\"vtkDataArray\">{unit}</InformationKey>"
            )
            .into(),
        };
        format!("\n        {unit}</DataArray>\n")
    }
}

fn write(arrays: &[Array<'_>], path: &Path) -> Result<()> {
    let fail = |e: std::io::Error| Error::io(path, e);
    let [before, behind] = xml(arrays);
    atomic::write(path, |writer| {
        let mut put = |bytes: &[u8]| writer.write_all(bytes).map_err(fail);
        put(before.as_bytes())?;
        for array in arrays {
            let bytes = array.bytes();
            let blocks = compressed(&bytes).map_err(fail)?;
            let mut header = vec![blocks.len() as u64, BLOCK_BYTES.min(bytes.len()) as u64];
            header.push((bytes.len() - (blocks.len() - 1) * BLOCK_BYTES) as u64);
            header.extend(blocks.iter().map(|block| block.len() as u64));
            let header: Vec<u8> = header.iter().flat_map(|number| number.to_ne_bytes()).collect();
            put(array.start().as_bytes())?;
            put(&base64::encode(&header))?;
            put(&base64::encode(&blocks.concat()))?;
            put(array.end().as_bytes())?;
        }
        put(behind.as_bytes())
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
    let volume = arrays[0].components[0];
    let geometry = &volume.geometry;
    let list = |values: &[f64]| values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(" ");
    let [x, y, z] = volume.association.points(volume.shape()).map(|n| n - 1);
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
fn field_data(volume: &Volume) -> String {
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
