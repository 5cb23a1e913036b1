//! Writing `.nii` and `.nii.gz`.

use super::transform;
use crate::atomic;
use crate::error::{Error, Result};
use crate::io::affine::RAS_LPS;
use crate::io::save::Written;
use crate::volume::{Frame, SampleType, VolumeHeader};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::path::Path;

/// Writes a volume, gzipped when the name ends in `.gz`.
///
/// The header holds float32: geometry is kept to about seven digits. LPS becomes RAS; coordinates of an unknown frame
/// pass through unchanged. Unit, array name and fill value have no place in the format.
pub(in crate::io) fn save(written: &Written<'_>, path: &Path) -> Result<()> {
    let header = header(written.header(), path)?;
    let fail = |e| Error::io(path, e);
    let fill = |out: &mut dyn Write| -> Result<()> {
        out.write_all(&header).map_err(fail)?;
        written.write_little_endian(path, out)
    };
    let zipped = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    atomic::write(path, |out| {
        if !zipped {
            return fill(out);
        }
        let mut encoder = GzEncoder::new(out, Compression::default());
        fill(&mut encoder)?;
        encoder.finish().map(drop).map_err(fail)
    })
}

/// The 348 bytes of the header and the four of an empty extension flag.
fn header(volume: &VolumeHeader, path: &Path) -> Result<Vec<u8>> {
    let shape = volume.shape;
    if let Some(&long) = shape.iter().find(|&&n| n > i16::MAX as usize) {
        return Err(Error::Options(format!(
            "{}: NIfTI-1 holds at most 32767 samples along an axis, not {long}; write .nrrd or .vti instead",
            path.display()
        )));
    }
    let (datatype, bits): (i16, i16) = match volume.sample_type {
        SampleType::U8 => (2, 8),
        SampleType::I8 => (256, 8),
        SampleType::U16 => (512, 16),
        SampleType::I16 => (4, 16),
        SampleType::U32 => (768, 32),
        SampleType::I32 => (8, 32),
        SampleType::F32 => (16, 32),
        SampleType::F64 => (64, 64),
    };
    let geometry = &volume.geometry;
    let patient = geometry.frame == Frame::Lps;
    if !patient {
        log::warn!(
            "{}: the volume has no patient frame; its coordinates are written as they are, which NIfTI readers take for RAS",
            path.display()
        );
    }
    let flip = if patient { RAS_LPS } else { [1.0; 3] };
    let direction: [[f64; 3]; 3] =
        std::array::from_fn(|row| std::array::from_fn(|axis| geometry.direction[row][axis] * flip[row]));
    let origin: [f64; 3] = std::array::from_fn(|row| geometry.origin[row] * flip[row]);
    let quaternion = transform::quaternion(direction);
    let (bcd, qfac) = quaternion.unwrap_or(([0.0; 3], 1.0));
    // 1: scanner coordinates, 2: aligned to something that the file does not name.
    let code: i16 = if patient { 1 } else { 2 };

    let mut header = WrittenHeader { bytes: vec![0; 352] };
    header.put(0, &348i32.to_le_bytes());
    header.put(38, b"r");
    header.put_i16(40, &[3, shape[0] as i16, shape[1] as i16, shape[2] as i16, 1, 1, 1, 1]);
    header.put_i16(70, &[datatype, bits]);
    let [dx, dy, dz] = geometry.spacing;
    header.put_f32(76, &[qfac, dx, dy, dz, 1.0, 1.0, 1.0, 1.0]);
    header.put_f32(108, &[352.0, 1.0, 0.0]);
    // Millimetres, when they are known to be.
    header.put(123, &[if patient { 2 } else { 0 }]);
    header.put(148, b"neuvol");
    header.put_i16(252, &[if quaternion.is_some() { code } else { 0 }, code]);
    header.put_f32(256, &bcd);
    header.put_f32(268, &origin);
    for row in 0..3 {
        let [x, y, z] = std::array::from_fn(|axis| direction[row][axis] * geometry.spacing[axis]);
        header.put_f32(280 + 16 * row, &[x, y, z, origin[row]]);
    }
    header.put(344, b"n+1\0");
    Ok(header.bytes)
}

/// Header bytes under construction; offsets are those of `nifti1.h`.
struct WrittenHeader {
    bytes: Vec<u8>,
}

impl WrittenHeader {
    fn put(&mut self, at: usize, value: &[u8]) {
        self.bytes[at..at + value.len()].copy_from_slice(value);
    }

    fn put_i16(&mut self, at: usize, values: &[i16]) {
        for (i, value) in values.iter().enumerate() {
            self.put(at + 2 * i, &value.to_le_bytes());
        }
    }

    fn put_f32(&mut self, at: usize, values: &[f64]) {
        for (i, &value) in values.iter().enumerate() {
            self.put(at + 4 * i, &(value as f32).to_le_bytes());
        }
    }
}
