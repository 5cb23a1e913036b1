//! The header of either version, as the reader needs it.
//!
//! NIfTI-1: <https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h>, parsed by the `nifti` crate; NIfTI-2:
//! <https://nifti.nimh.nih.gov/pub/dist/doc/nifti2.h>.

use crate::error::{Error, Result};
use crate::io::elements::ByteOrder;
use nifti::NiftiHeader;
use std::io::Read;
use std::path::Path;

const BYTES_1: usize = 348;
const BYTES_2: usize = 540;

/// Where fields lie, for messages.
pub(super) struct Places {
    pub(super) dim: usize,
    pub(super) datatype: usize,
    pub(super) vox_offset: usize,
    pub(super) pixdim: usize,
    /// Bytes of a number of `pixdim`.
    pub(super) pixdim_bytes: usize,
    pub(super) qform_code: usize,
    pub(super) sform_code: usize,
    pub(super) quatern: usize,
    pub(super) srow: usize,
}

const PLACES_1: Places = Places {
    dim: 40,
    datatype: 70,
    vox_offset: 108,
    pixdim: 76,
    pixdim_bytes: 4,
    qform_code: 252,
    sform_code: 254,
    quatern: 256,
    srow: 280,
};
const PLACES_2: Places = Places {
    dim: 16,
    datatype: 12,
    vox_offset: 168,
    pixdim: 104,
    pixdim_bytes: 8,
    qform_code: 344,
    sform_code: 348,
    quatern: 352,
    srow: 400,
};

/// A header; numbers of version 1 are float32 and int16 widened.
pub(super) struct Header {
    /// `NIfTI-1` or `NIfTI-2`.
    pub(super) version: &'static str,
    /// Bytes of it.
    pub(super) bytes: u64,
    pub(super) places: Places,
    pub(super) order: ByteOrder,
    /// True where the samples follow in the same file.
    pub(super) single_file: bool,
    pub(super) datatype: i16,
    pub(super) dim: [i64; 8],
    pub(super) pixdim: [f64; 8],
    pub(super) vox_offset: f64,
    pub(super) slope: f64,
    pub(super) intercept: f64,
    pub(super) units: u32,
    /// Where the time axis begins, in its unit.
    pub(super) time_offset: f64,
    pub(super) qform_code: i32,
    pub(super) sform_code: i32,
    /// b, c, d.
    pub(super) quaternion: [f64; 3],
    /// How far its length may exceed 1: three units of the field's rounding, as nibabel allows.
    pub(super) quaternion_excess: f64,
    pub(super) qform_offset: [f64; 3],
    pub(super) sform: [[f64; 4]; 3],
}

/// What the first bytes (unzipped) look like.
pub(in crate::io) fn recognises(start: &[u8]) -> bool {
    let size = start.get(..4).and_then(|b| <[u8; 4]>::try_from(b).ok());
    match size.map(|b| (i32::from_le_bytes(b), i32::from_be_bytes(b))) {
        Some((348, _) | (_, 348)) => matches!(start.get(344..348), Some(b"n+1\0" | b"ni1\0")),
        Some((540, _) | (_, 540)) => matches!(start.get(4..7), Some(b"n+2" | b"ni2")),
        _ => false,
    }
}

impl Header {
    /// Reads a header of either version.
    pub(super) fn read(path: &Path, reader: &mut dyn Read) -> Result<Self> {
        let mut start = Vec::with_capacity(BYTES_2);
        let mut take = |bytes: usize, start: &mut Vec<u8>| {
            let more = (bytes - start.len()) as u64;
            (&mut *reader).take(more).read_to_end(start).map_err(|e| Error::io(path, e))
        };
        take(BYTES_1, &mut start)?;
        if !recognises(&start) {
            return Err(Error::format(
                path,
                "not a NIfTI-1 header: 348 in bytes 0-3 and 'n+1' or 'ni1' at byte 344 are missing, nor one of \
                 NIfTI-2 (ANALYZE 7.5 files have no orientation and are not read)",
            ));
        }
        if start.starts_with(&[0x1c, 2, 0, 0]) || start.starts_with(&[0, 0, 2, 0x1c]) {
            take(BYTES_2, &mut start)?;
            let header: &[u8; BYTES_2] = start.as_slice().try_into().map_err(|_| {
                Error::format(path, format!("the file ends at byte {} of its NIfTI-2 header", start.len()))
            })?;
            return Ok(Self::version_2(header));
        }
        let header = NiftiHeader::from_reader(&start[..])
            .map_err(|e| Error::format(path, format!("NIfTI-1 header: {e}")))?;
        Ok(Self::version_1(&header))
    }

    fn version_1(header: &NiftiHeader) -> Self {
        Self {
            version: "NIfTI-1",
            bytes: BYTES_1 as u64,
            places: PLACES_1,
            order: match header.endianness {
                nifti::Endianness::Little => ByteOrder::Little,
                nifti::Endianness::Big => ByteOrder::Big,
            },
            single_file: &header.magic == b"n+1\0",
            datatype: header.datatype,
            dim: header.dim.map(|n| i64::from(n as i16)),
            pixdim: header.pixdim.map(f64::from),
            vox_offset: f64::from(header.vox_offset),
            slope: f64::from(header.scl_slope),
            intercept: f64::from(header.scl_inter),
            units: header.xyzt_units.into(),
            time_offset: f64::from(header.toffset),
            qform_code: header.qform_code.into(),
            sform_code: header.sform_code.into(),
            quaternion: [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from),
            quaternion_excess: 3.0 * f64::from(f32::EPSILON),
            qform_offset: [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from),
            sform: [header.srow_x, header.srow_y, header.srow_z].map(|row| row.map(f64::from)),
        }
    }

    fn version_2(bytes: &[u8; BYTES_2]) -> Self {
        let order = if bytes[0] == 0x1c { ByteOrder::Little } else { ByteOrder::Big };
        let fields = Fields { bytes, order };
        let numbers = |at: usize| [0, 8, 16].map(|n| fields.f64(at + n));
        let row = |at: usize| [0, 8, 16, 24].map(|n| fields.f64(at + n));
        Self {
            version: "NIfTI-2",
            bytes: BYTES_2 as u64,
            places: PLACES_2,
            order,
            single_file: &bytes[4..7] == b"n+2",
            datatype: fields.i16(12),
            dim: std::array::from_fn(|n| fields.i64(16 + 8 * n)),
            pixdim: std::array::from_fn(|n| fields.f64(104 + 8 * n)),
            vox_offset: fields.i64(168) as f64,
            slope: fields.f64(176),
            intercept: fields.f64(184),
            qform_code: fields.i32(344),
            sform_code: fields.i32(348),
            quaternion: numbers(352),
            quaternion_excess: 3.0 * f64::EPSILON,
            qform_offset: numbers(376),
            sform: [row(400), row(432), row(464)],
            units: fields.i32(500) as u32,
            time_offset: fields.f64(216),
        }
    }
}

/// Numbers at byte positions.
struct Fields<'a> {
    bytes: &'a [u8; BYTES_2],
    order: ByteOrder,
}

impl Fields<'_> {
    fn at<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut field: [u8; N] = std::array::from_fn(|n| self.bytes[at + n]);
        if self.order == ByteOrder::Big {
            field.reverse();
        }
        field
    }
    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.at(at))
    }
    fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.at(at))
    }
    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.at(at))
    }
    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.at(at))
    }
}
