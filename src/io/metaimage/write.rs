//! Writing attached `.mha` files, zlib compressed.

use crate::error::{Error, Result};
use crate::io::{atomic, raw};
use crate::volume::{Frame, SampleType, Volume};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::path::Path;

/// Writes a volume; coordinates keep all their digits. Array name, unit and fill value have no place in the format.
pub(in crate::io) fn save(volume: &Volume, path: &Path) -> Result<()> {
    // The header gives the compressed size.
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let compressed = raw::write_little_endian(volume, &mut encoder).and_then(|()| encoder.finish());
    let compressed = compressed.map_err(|e| Error::io(path, e))?;
    let header = header(volume, compressed.len());
    atomic::write(path, |writer| {
        let mut fill = || {
            writer.write_all(header.as_bytes())?;
            writer.write_all(&compressed)
        };
        fill().map_err(|e: std::io::Error| Error::io(path, e))
    })
}

fn header(volume: &Volume, compressed_bytes: usize) -> String {
    let geometry = &volume.geometry;
    let list = |values: &[f64]| values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(" ");
    // Each axis' direction is a row.
    let rows: Vec<f64> = (0..3).flat_map(|axis| geometry.direction.map(|row| row[axis])).collect();
    let [nx, ny, nz] = volume.shape();
    let orientation = match geometry.frame {
        Frame::Lps => "AnatomicalOrientation = RAI\n",
        Frame::Unknown => "",
    };
    format!(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = True\n\
         CompressedDataSize = {compressed_bytes}\nTransformMatrix = {}\nOffset = {}\nCenterOfRotation = 0 0 0\n\
         {orientation}ElementSpacing = {}\nDimSize = {nx} {ny} {nz}\nElementType = {}\nElementDataFile = LOCAL\n",
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
