//! Writing `.mha` and `.mhd` files.

use crate::atomic;
use crate::error::{Error, Result};
use crate::io::raw;
use crate::volume::{Frame, SampleType, Volume};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::path::Path;

/// Writes a volume: `.mha` with its samples behind the header, zlib compressed; `.mhd` with them in a `.raw` beside it.
///
/// Coordinates keep all their digits. Array name, unit and fill value have no place in the format.
pub(in crate::io) fn save(volume: &Volume, path: &Path) -> Result<()> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("mhd")) {
        let samples = path.with_extension("raw");
        let name = samples.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if samples.exists() && !names(path, name) {
            return Err(Error::Options(format!(
                "{}: the samples would replace {name}, which belongs to another file; choose another name",
                path.display()
            )));
        }
        let header = header(volume, None, name);
        // The header last: whoever finds it finds the samples.
        raw::save(volume, &samples)?;
        return atomic::write(path, |writer| {
            writer.write_all(header.as_bytes()).map_err(|e| Error::io(path, e))
        });
    }
    // The header gives the compressed size.
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let compressed = raw::write_little_endian(volume, &mut encoder).and_then(|()| encoder.finish());
    let compressed = compressed.map_err(|e| Error::io(path, e))?;
    let header = header(volume, Some(compressed.len()), "LOCAL");
    atomic::write(path, |writer| {
        let mut fill = || {
            writer.write_all(header.as_bytes())?;
            writer.write_all(&compressed)
        };
        fill().map_err(|e: std::io::Error| Error::io(path, e))
    })
}

/// Whether there is a header already that says it is of this data file.
fn names(path: &Path, data_file: &str) -> bool {
    let header = std::fs::read(path).unwrap_or_default();
    let header = String::from_utf8_lossy(&header);
    header.lines().any(|line| {
        let field = line.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        field == Some(("ElementDataFile", data_file))
    })
}

fn header(volume: &Volume, compressed_bytes: Option<usize>, data_file: &str) -> String {
    let geometry = &volume.geometry;
    let list = |values: &[f64]| values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(" ");
    // Each axis' direction is a row.
    let rows: Vec<f64> = (0..3).flat_map(|axis| geometry.direction.map(|row| row[axis])).collect();
    let [nx, ny, nz] = volume.shape();
    let orientation = match geometry.frame {
        Frame::Lps => "AnatomicalOrientation = RAI\n",
        Frame::Unknown => "",
    };
    let compression = match compressed_bytes {
        Some(bytes) => format!("CompressedData = True\nCompressedDataSize = {bytes}\n"),
        None => "CompressedData = False\n".into(),
    };
    format!(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
         {compression}TransformMatrix = {}\nOffset = {}\nCenterOfRotation = 0 0 0\n\
         {orientation}ElementSpacing = {}\nDimSize = {nx} {ny} {nz}\nElementType = {}\nElementDataFile = {data_file}\n",
        list(&rows),
        list(&geometry.origin),
        list(&geometry.spacing),
        match volume.sample_type() {
            SampleType::U8 => "MET_UCHAR",
            SampleType::I8 => "MET_CHAR",
            SampleType::U16 => "MET_USHORT",
            SampleType::I16 => "MET_SHORT",
            SampleType::U32 => "MET_UINT",
            SampleType::I32 => "MET_INT",
            SampleType::F32 => "MET_FLOAT",
            SampleType::F64 => "MET_DOUBLE",
        },
    )
}
