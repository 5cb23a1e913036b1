//! Writing `.vti`: inline base64 of zlib blocks with 64-bit headers. Appended data would be smaller by a quarter, but VTK
//! before 9.3 does not find it with expat 2.6 and later, nor with the older ones that distributions mended like it.

use super::base64;
use crate::atomic;
use crate::error::{Error, Result};
use crate::io::elements::ByteOrder;
use crate::io::vtk_fields::{ARRAY, FILL_LIMIT, FILL_VALUE, FRAME};
use crate::volume::{Association, Frame, SampleType, Volume};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use quick_xml::escape::escape;
use rayon::prelude::*;
use std::io::Write;
use std::path::Path;

/// Uncompressed bytes of a block: large enough for the ratio, small enough to share among threads.
const BLOCK_BYTES: usize = 1 << 18;

/// Writes a volume; everything but the provenance is kept.
pub(in crate::io) fn save(volume: &Volume, path: &Path) -> Result<()> {
    let bytes = volume.samples().as_bytes();
    let blocks: Vec<Vec<u8>> = bytes
        .par_chunks(BLOCK_BYTES)
        .map(|block| {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(block)?;
            encoder.finish()
        })
        .collect::<std::io::Result<_>>()
        .map_err(|e| Error::io(path, e))?;
    let mut header = vec![blocks.len() as u64, BLOCK_BYTES.min(bytes.len()) as u64];
    header.push((bytes.len() - (blocks.len() - 1) * BLOCK_BYTES) as u64);
    header.extend(blocks.iter().map(|block| block.len() as u64));

    let header: Vec<u8> = header.iter().flat_map(|number| number.to_ne_bytes()).collect();
    let [before, behind] = xml(volume);
    atomic::write(path, |writer| {
        let mut fill = || {
            writer.write_all(before.as_bytes())?;
            writer.write_all(&base64::encode(&header))?;
            writer.write_all(&base64::encode(&blocks.concat()))?;
            writer.write_all(behind.as_bytes())
        };
        fill().map_err(|e: std::io::Error| Error::io(path, e))
    })
}

/// The XML before and behind the data.
fn xml(volume: &Volume) -> [String; 2] {
    let geometry = &volume.geometry;
    let list = |values: &[f64]| values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(" ");
    let [x, y, z] = volume.association.points(volume.shape()).map(|n| n - 1);
    let extent = format!("0 {x} 0 {y} 0 {z}");
    let name = escape(volume.name.as_str());
    let unit = match escape(volume.unit.as_str()) {
        unit if unit.is_empty() => unit,
        unit => {
            format!("<InformationKey name=\"UNITS_LABEL\" location=\"vtkDataArray\">{unit}</InformationKey>")
                .into()
        }
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
{empty_before}      <{data} Scalars="{name}">
        <DataArray type="{}" Name="{name}" format="binary">
"#,
        list(&volume.association.first_point(geometry)),
        list(&geometry.spacing),
        list(geometry.direction.as_flattened()),
        type_name(volume.sample_type()),
    );
    // VTK takes what comes first in the element for its data.
    let behind = format!(
        "
        {unit}</DataArray>
      </{data}>
{empty_behind}    </Piece>
  </ImageData>
</VTKFile>
"
    );
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
