//! Writing `.mha` and `.mhd` files.

use crate::atomic;
use crate::error::{Error, Result};
use crate::io::raw;
use crate::io::save::Written;
use crate::volume::{Frame, SampleType, VolumeHeader};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::{BufWriter, IntoInnerError, Seek};
use std::path::Path;

/// Writes a volume: `.mha` with its samples behind the header, zlib compressed; `.mhd` with them in a `.raw` beside it.
///
/// Coordinates keep all their digits. Array name, unit and fill value have no place in the format.
pub(in crate::io) fn save(written: &Written<'_>, path: &Path) -> Result<()> {
    let fail = |e| Error::io(path, e);
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("mhd")) {
        let samples = path.with_extension("raw");
        let name = samples.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if samples.exists() && !names(path, name) {
            return Err(Error::Options(format!(
                "{}: the samples would replace {name}, which belongs to another file; choose another name",
                path.display()
            )));
        }
        let header = header(written.header(), None, name);
        // The header last: whoever finds it finds the samples.
        raw::save(written, &samples)?;
        return atomic::write(path, |out| out.write_all(header.as_bytes()).map_err(fail));
    }
    // The header, which comes first, gives the compressed size.
    let spool = tempfile::tempfile_in(atomic::folder_of(path)?).map_err(fail)?;
    let mut encoder = ZlibEncoder::new(BufWriter::new(spool), Compression::default());
    written.write_little_endian(path, &mut encoder)?;
    let spool = encoder.finish().and_then(|out| out.into_inner().map_err(IntoInnerError::into_error));
    let mut spool = spool.map_err(fail)?;
    let bytes = spool.stream_position().map_err(fail)?;
    spool.rewind().map_err(fail)?;
    let header = header(written.header(), Some(bytes), "LOCAL");
    atomic::write(path, |out| {
        out.write_all(header.as_bytes()).map_err(fail)?;
        std::io::copy(&mut spool, out).map(drop).map_err(fail)
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

fn header(volume: &VolumeHeader, compressed_bytes: Option<u64>, data_file: &str) -> String {
    let geometry = &volume.geometry;
    let list = |values: &[f64]| values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(" ");
    // Each axis' direction is a row.
    let rows: Vec<f64> = (0..3).flat_map(|axis| geometry.direction.map(|row| row[axis])).collect();
    let [nx, ny, nz] = volume.shape;
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
        match volume.sample_type {
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
