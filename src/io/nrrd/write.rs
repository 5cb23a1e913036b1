//! Writing attached `.nrrd` files, gzip encoded.

use crate::atomic;
use crate::error::{Error, Result};
use crate::io::save::Written;
use crate::volume::{Frame, VolumeHeader};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::path::Path;

/// Writes a volume; coordinates keep all their digits. Array name and fill value have no place in the format.
pub(in crate::io) fn save(written: &Written<'_>, path: &Path) -> Result<()> {
    let header = header(written.header());
    let fail = |e| Error::io(path, e);
    atomic::write(path, |out| {
        out.write_all(header.as_bytes()).map_err(fail)?;
        let mut encoder = GzEncoder::new(out, Compression::default());
        written.write_little_endian(path, &mut encoder)?;
        encoder.finish().map(drop).map_err(fail)
    })
}

fn header(volume: &VolumeHeader) -> String {
    let geometry = &volume.geometry;
    let [nx, ny, nz] = volume.shape;
    let vector = |v: [f64; 3]| format!("({:?},{:?},{:?})", v[0], v[1], v[2]);
    let step = |axis: usize| vector(geometry.direction.map(|row| row[axis] * geometry.spacing[axis]));
    let space = match geometry.frame {
        Frame::Lps => "space: left-posterior-superior",
        Frame::Unknown => "space dimension: 3",
    };
    // A line break would end the field, or the header.
    let unit = volume.unit.lines().next().unwrap_or_default();
    let unit = if unit.is_empty() { String::new() } else { format!("sample units: \"{unit}\"\n") };
    format!(
        "NRRD0004\n# Complete NRRD file format specification at:\n# http://teem.sourceforge.net/nrrd/format.html\n\
         type: {}\ndimension: 3\n{space}\nsizes: {nx} {ny} {nz}\nspace directions: {} {} {}\n\
         kinds: domain domain domain\nendian: little\nencoding: gzip\nspace origin: {}\n{unit}\n",
        match volume.sample_type.name() {
            "float32" => "float",
            "float64" => "double",
            integer => integer,
        },
        step(0),
        step(1),
        step(2),
        vector(geometry.origin),
    )
}
