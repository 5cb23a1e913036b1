//! NIfTI-1: `.nii`, `.nii.gz` and `.hdr`/`.img` pairs.
//!
//! The `nifti` crate parses the 348 bytes of the header. Everything after is own code, because the crate's volume
//! reader stops at the first gzip member, turns `scl_slope = NaN` into NaN samples and goes through one intermediate
//! copy, and because its `qform_affine` panics on negative `pixdim` and its RGB conversion panics.
//!
//! Specification: <https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h>.

mod transform;
mod write;

pub(super) use write::save;

use super::OpenOptions;
use super::elements::{self, ByteOrder, StoredType};
use super::rescale::Rescale;
use crate::error::{Error, Result};
use crate::volume::{SampleType, Volume};
use flate2::bufread::MultiGzDecoder;
use nifti::NiftiHeader;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of a NIfTI-1 header.
const HEADER_BYTES: usize = 348;
/// Where the samples of a single file start when the header does not say: after the header and the extension flag.
const SINGLE_FILE_OFFSET: u64 = 352;

/// What the first bytes (unzipped) look like.
pub(super) fn recognises(start: &[u8]) -> bool {
    let size = start.get(..4).and_then(|b| <[u8; 4]>::try_from(b).ok());
    let magic = start.get(344..348);
    match size.map(|b| (i32::from_le_bytes(b), i32::from_be_bytes(b))) {
        Some((348, _) | (_, 348)) => matches!(magic, Some(b"n+1\0" | b"ni1\0")),
        Some((540, _) | (_, 540)) => matches!(start.get(4..7), Some(b"n+2" | b"ni2")),
        _ => false,
    }
}

/// Reads a NIfTI-1 volume into LPS millimetres.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Volume> {
    let (header_path, data_path) = pair(path)?;
    let mut reader = Stream::open(&header_path)?;
    let header = read_header(&header_path, &mut reader)?;
    let shape = shape(&header_path, &header)?;
    let stored = stored_type(&header_path, &header)?;
    let count =
        elements::sample_count(&header_path, shape.map(|n| n as u64), stored.size(), &options.limits)?;
    let single_file = &header.magic == b"n+1\0";
    let offset = data_offset(&header_path, &header, single_file)?;

    let (data_path, mut reader, skip) = if single_file {
        (header_path.clone(), reader, offset - HEADER_BYTES as u64)
    } else {
        let reader = Stream::open(&data_path)?;
        (data_path, reader, offset)
    };
    let expected = (count * stored.size()) as u64 + offset;
    elements::check_file_holds(&data_path, expected, reader.file_bytes, reader.zipped)?;
    let skipped = std::io::copy(&mut (&mut reader).take(skip), &mut std::io::sink())
        .map_err(|e| Error::io(&data_path, e))?;
    if skipped < skip {
        return Err(Error::format(
            &data_path,
            format!("the file ends before its samples, which should start at byte {offset}"),
        ));
    }
    let order = match header.endianness {
        nifti::Endianness::Little => ByteOrder::Little,
        nifti::Endianness::Big => ByteOrder::Big,
    };
    let samples = elements::read_samples(&data_path, &mut reader, stored, order, count)?;

    let rescale = rescale(&header);
    let mut volume = Volume::new(rescale.apply_to(samples, 1), shape)?;
    volume.geometry = transform::geometry(&header_path, &header, shape)?;
    let mut note = |key: &str, value: String| volume.provenance.insert(key.into(), value);
    note("source format", "NIfTI-1".into());
    note("source type", stored.name().into());
    if rescale != Rescale::NONE {
        note("rescale slope", rescale.slope.to_string());
        note("rescale intercept", rescale.intercept.to_string());
    }
    Ok(volume)
}

/// The header's and the samples' files: the same unless the name says `.hdr` or `.img`.
fn pair(path: &Path) -> Result<(PathBuf, PathBuf)> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    for (suffix, gz) in [(".hdr", ""), (".img", ""), (".hdr.gz", ".gz"), (".img.gz", ".gz")] {
        if let Some(stem) = name.strip_suffix(suffix) {
            let header = path.with_file_name(format!("{stem}.hdr{gz}"));
            let samples = path.with_file_name(format!("{stem}.img{gz}"));
            if let Some(missing) = [&header, &samples].into_iter().find(|p| !p.exists()) {
                return Err(Error::format(
                    path,
                    format!("the other half of the NIfTI pair, {}, is missing", missing.display()),
                ));
            }
            return Ok((header, samples));
        }
    }
    Ok((path.to_owned(), path.to_owned()))
}

/// A file's bytes, unzipped when it is gzip; all members of it, as bgzip and pigz write them.
struct Stream {
    reader: Box<dyn Read>,
    file_bytes: u64,
    zipped: bool,
}

impl Stream {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let file_bytes = file.metadata().map_err(|e| Error::io(path, e))?.len();
        let mut buffered = BufReader::with_capacity(1 << 18, file);
        let start = std::io::BufRead::fill_buf(&mut buffered).map_err(|e| Error::io(path, e))?;
        let zipped = start.starts_with(&super::GZIP_MAGIC);
        let reader: Box<dyn Read> =
            if zipped { Box::new(MultiGzDecoder::new(buffered)) } else { Box::new(buffered) };
        Ok(Self { reader, file_bytes, zipped })
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reader.read(buffer)
    }
}

fn read_header(path: &Path, reader: &mut dyn Read) -> Result<NiftiHeader> {
    let mut start = Vec::with_capacity(HEADER_BYTES);
    reader.take(HEADER_BYTES as u64).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
    if matches!(start.get(..4), Some([0x1c, 2, 0, 0] | [0, 0, 2, 0x1c])) {
        return Err(Error::unsupported(
            path,
            "NIfTI-2 is not supported; save it as NIfTI-1 (nibabel: Nifti1Image.from_image)",
        ));
    }
    if !recognises(&start) {
        return Err(Error::format(
            path,
            "not a NIfTI-1 header: 348 in bytes 0-3 and 'n+1' or 'ni1' at byte 344 are missing \
             (ANALYZE 7.5 files have no orientation and are not read)",
        ));
    }
    NiftiHeader::from_reader(&start[..]).map_err(|e| Error::format(path, format!("NIfTI-1 header: {e}")))
}

/// The three spatial extents.
fn shape(path: &Path, header: &NiftiHeader) -> Result<[usize; 3]> {
    let dimensions = usize::from(header.dim[0]);
    let extents = match header.dim.get(1..=dimensions) {
        Some(extents) if !extents.is_empty() && extents.iter().all(|&n| n > 0 && n <= i16::MAX as u16) => {
            extents
        }
        _ => {
            return Err(Error::format(
                path,
                format!("header field dim (byte 40) holds {:?}: no valid grid", header.dim),
            ));
        }
    };
    if extents.iter().skip(3).any(|&n| n != 1) {
        return Err(Error::unsupported(
            path,
            format!(
                "the grid is {extents:?}: volumes over time and vector fields are not supported; split it into 3D files"
            ),
        ));
    }
    Ok(std::array::from_fn(|axis| extents.get(axis).map_or(1, |&n| n.into())))
}

/// Header field `datatype`.
fn stored_type(path: &Path, header: &NiftiHeader) -> Result<StoredType> {
    let refused = match header.datatype {
        2 => return Ok(StoredType::Kept(SampleType::U8)),
        4 => return Ok(StoredType::Kept(SampleType::I16)),
        8 => return Ok(StoredType::Kept(SampleType::I32)),
        16 => return Ok(StoredType::Kept(SampleType::F32)),
        64 => return Ok(StoredType::Kept(SampleType::F64)),
        256 => return Ok(StoredType::Kept(SampleType::I8)),
        512 => return Ok(StoredType::Kept(SampleType::U16)),
        768 => return Ok(StoredType::Kept(SampleType::U32)),
        1024 => return Ok(StoredType::I64),
        1280 => return Ok(StoredType::U64),
        128 | 2304 => "colour (RGB)",
        32 | 1792 | 2048 => "complex",
        1536 => "128-bit float",
        1 => "1-bit",
        code => {
            return Err(Error::format(
                path,
                format!("header field datatype (byte 70) is {code}: unknown to NIfTI-1"),
            ));
        }
    };
    Err(Error::unsupported(
        path,
        format!("{refused} samples are not supported; extract one real channel into a file of its own"),
    ))
}

/// Header field `vox_offset`: where the samples start.
fn data_offset(path: &Path, header: &NiftiHeader, single_file: bool) -> Result<u64> {
    let offset = header.vox_offset;
    if !(0.0..=1e9).contains(&offset) {
        return Err(Error::format(path, format!("header field vox_offset (byte 108) is {offset}")));
    }
    let offset = offset as u64;
    match (single_file, offset) {
        (true, 0) => Ok(SINGLE_FILE_OFFSET),
        (true, 1..348) => Err(Error::format(
            path,
            format!("header field vox_offset (byte 108) is {offset}, inside the header"),
        )),
        _ => Ok(offset),
    }
}

/// Header fields `scl_slope` and `scl_inter`; a slope of 0 or NaN means none.
fn rescale(header: &NiftiHeader) -> Rescale {
    let (slope, intercept) = (f64::from(header.scl_slope), f64::from(header.scl_inter));
    if slope == 0.0 || !slope.is_finite() || !intercept.is_finite() {
        return Rescale::NONE;
    }
    Rescale { slope, intercept }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Samples;
    use std::io::Write;

    /// A header of `shape` int16 samples with `fill` applied, then the samples 0, 1, 2, ...
    fn file(shape: [u16; 3], fill: impl Fn(&mut [u8])) -> Vec<u8> {
        let mut bytes = vec![0u8; 352];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &348i32.to_le_bytes());
        for (i, n) in [3, shape[0], shape[1], shape[2]].into_iter().enumerate() {
            put(40 + 2 * i, &n.to_le_bytes());
            put(76 + 4 * i, &1f32.to_le_bytes());
        }
        put(70, &4i16.to_le_bytes());
        put(108, &352f32.to_le_bytes());
        put(344, b"n+1\0");
        fill(&mut bytes);
        let count: u16 = shape.iter().product();
        bytes.extend((0..count).flat_map(u16::to_le_bytes));
        bytes
    }

    fn read(name: &str, bytes: &[u8]) -> Result<Volume> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        super::super::open(&path, &OpenOptions::default())
    }

    #[test]
    fn a_nan_slope_means_no_scaling() {
        let bytes = file([2, 2, 1], |h| h[112..116].copy_from_slice(&f32::NAN.to_le_bytes()));
        assert_eq!(*read("a.nii", &bytes).unwrap().samples(), Samples::I16(vec![0, 1, 2, 3]));
    }

    #[test]
    fn an_integer_slope_keeps_integers() {
        let bytes = file([2, 2, 1], |h| {
            h[112..116].copy_from_slice(&2f32.to_le_bytes());
            h[116..120].copy_from_slice(&(-3f32).to_le_bytes());
        });
        assert_eq!(*read("a.nii", &bytes).unwrap().samples(), Samples::I8(vec![-3, -1, 1, 3]));
    }

    #[test]
    fn gzip_in_several_members_is_read_whole() {
        let bytes = file([4, 4, 4], |_| {});
        let mut zipped = Vec::new();
        for part in bytes.chunks(100) {
            let mut encoder = flate2::write::GzEncoder::new(&mut zipped, flate2::Compression::fast());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap();
        }
        let volume = read("a.nii.gz", &zipped).unwrap();
        assert_eq!(volume.samples().get(63), 63.0);
    }

    #[test]
    fn damaged_headers_are_refused_with_the_field() {
        let refuse = |bytes: &[u8], words: &str| {
            let message = read("a.nii", bytes).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        };
        refuse(&file([2, 2, 1], |h| h[40] = 9), "dim (byte 40)");
        refuse(&file([2, 2, 1], |h| h[42] = 0), "dim (byte 40)");
        refuse(&file([2, 2, 1], |h| h[43] = 0x7f), "truncated");
        refuse(&file([2, 2, 1], |h| h[70..72].copy_from_slice(&128i16.to_le_bytes())), "colour");
        refuse(&file([2, 2, 1], |h| h[108..112].copy_from_slice(&f32::NAN.to_le_bytes())), "vox_offset");
        refuse(&file([2, 2, 1], |h| h[108..112].copy_from_slice(&1e8f32.to_le_bytes())), "truncated");
        let whole = file([2, 2, 1], |_| {});
        refuse(&whole[..whole.len() - 1], "truncated");
        refuse(&whole[..300], "not a NIfTI-1 header");
    }
}
