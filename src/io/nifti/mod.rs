//! NIfTI-1 and NIfTI-2: `.nii`, `.nii.gz` and `.hdr`/`.img` pairs.
//!
//! The `nifti` crate parses the 348 bytes of a NIfTI-1 header. Everything after is own code, because the crate's volume
//! reader stops at the first gzip member, turns `scl_slope = NaN` into NaN samples and goes through one intermediate
//! copy, and because its `qform_affine` panics on negative `pixdim` and its RGB conversion panics.
//!
//! Specification: <https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h>.

mod header;
mod transform;
mod write;

pub(super) use header::recognises;
pub(super) use write::save;

use super::OpenOptions;
use super::colour::{COMPLEX, RGBA};
use super::contents::{self, Contents, InputArray, NO_NAME};
use super::elements::{self, FilePart, StoredType};
use super::located::{Content, Located, Unread, stand_in};
use super::reading::Reading;
use super::rescale::Rescale;
use crate::error::{Error, Result};
use crate::volume::{SampleType, Volume};
use flate2::bufread::MultiGzDecoder;
use header::Header;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Reads a volume into LPS millimetres.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Reading> {
    let (found, mut reader) = Found::of(path, options)?;
    let Found { data_path, offset, stored, part, shape, header, .. } = &found;
    let skip = found.skip();
    let skipped = std::io::copy(&mut (&mut reader).take(skip), &mut std::io::sink())
        .map_err(|e| Error::io(data_path, e))?;
    if skipped < skip {
        return Err(Error::format(
            data_path,
            format!("the file ends before its samples, which should start at byte {offset}"),
        ));
    }
    let samples = part.read(data_path, &mut reader, *stored, header.order)?;
    let mut volume = Volume::new(found.rescale.apply_to(samples, 1), *shape)?;
    let declares_spacing = found.describe(&mut volume, options)?;
    Ok(Reading { volume, declares_spacing })
}

/// Where the samples lie, and what they are rescaled by.
pub(super) fn locate(path: &Path, options: &OpenOptions) -> Result<Unread> {
    let (found, reader) = Found::of(path, options)?;
    let mut described = stand_in(found.stored)?;
    let declares_spacing = found.describe(&mut described, options)?;
    let content = match reader.zipped {
        true => Content::Bytes(Box::new(reader), found.skip()),
        false => Content::InPlace,
    };
    let Found { data_path, offset, stored, part, shape, header, rescale, .. } = found;
    let order = header.order;
    let located =
        Located { path: data_path, offset, stored, order, part, shape, described, declares_spacing };
    Ok(Unread { located, rescale, content })
}

/// What a header says of the wanted volume.
struct Found {
    header_path: PathBuf,
    data_path: PathBuf,
    header: Header,
    stored: StoredType,
    shape: [usize; 3],
    steps: usize,
    step: usize,
    part: FilePart,
    offset: u64,
    rescale: Rescale,
}

impl Found {
    /// With what reads the samples' file, which stands behind the header of a single one, else at its beginning.
    fn of(path: &Path, options: &OpenOptions) -> Result<(Self, Stream)> {
        let (header_path, data_path) = pair(path)?;
        let mut reader = Stream::open(&header_path)?;
        let header = Header::read(&header_path, &mut reader)?;
        let Voxel { stored, samples: per_voxel, .. } = Voxel::of(&header_path, &header)?;
        let (shape, steps, components) = extents(&header_path, &header)?;
        let step = super::time_step(path, steps, options)?;
        let all_components = components.saturating_mul(per_voxel);
        let component = super::component(path, "each voxel", all_components, options)?;
        let count =
            elements::sample_count(&header_path, shape.map(|n| n as u64), stored.size(), &options.limits)?;
        // Volumes over time follow each other, and so do components of all of them; those of colours lie in the voxel.
        let part = FilePart {
            count,
            components: per_voxel,
            component: component % per_voxel,
            run: 1,
            step: (component / per_voxel).saturating_mul(steps).saturating_add(step),
        };
        let offset = data_offset(&header_path, &header)?;
        let (data_path, reader) = match header.single_file {
            true => (header_path.clone(), reader),
            false => {
                let reader = Stream::open(&data_path)?;
                (data_path, reader)
            }
        };
        let expected = part.bytes_to_its_end(stored).saturating_add(offset);
        elements::check_file_holds(&data_path, expected, reader.file_bytes, reader.zipped)?;
        let rescale = if options.stored_values { Rescale::NONE } else { rescale(&header) };
        Ok((
            Self { header_path, data_path, header, stored, shape, steps, step, part, offset, rescale },
            reader,
        ))
    }

    /// Bytes between where the reader stands and the samples.
    fn skip(&self) -> u64 {
        if self.header.single_file { self.offset.saturating_sub(self.header.bytes) } else { self.offset }
    }

    /// Says of a volume what the header does; along which axes that is the spacing.
    fn describe(&self, volume: &mut Volume, options: &OpenOptions) -> Result<[bool; 3]> {
        let declares_spacing;
        (volume.geometry, declares_spacing) =
            transform::geometry(&self.header_path, &self.header, self.shape, options.spacing)?;
        let mut note = |key: &str, value: String| volume.provenance.insert(key.into(), value);
        note("source format", self.header.version.into());
        note("source type", self.stored.name().into());
        if self.steps > 1 {
            note("time step", format!("{} of {}", self.step + 1, self.steps));
        }
        if self.rescale != Rescale::NONE {
            note("rescale slope", self.rescale.slope.to_string());
            note("rescale intercept", self.rescale.intercept.to_string());
        }
        Ok(declares_spacing)
    }
}

/// The header's and the samples' files: the same unless the name says `.hdr` or `.img`, in whatever capitals.
fn pair(path: &Path) -> Result<(PathBuf, PathBuf)> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    for (suffix, gz) in [(".hdr", ""), (".img", ""), (".hdr.gz", ".gz"), (".img.gz", ".gz")] {
        if lower.ends_with(suffix) {
            let stem = name.get(..name.len() - suffix.len()).unwrap_or_default();
            let other_gz = if gz.is_empty() { ".gz" } else { "" };
            let half = |kind: &str| {
                let ends = [format!("{kind}{gz}"), format!("{kind}{other_gz}")];
                ends.iter().find_map(|end| sibling(path, stem, end)).ok_or_else(|| {
                    let missing = path.with_file_name(format!("{stem}{}", ends[0]));
                    Error::format(
                        path,
                        format!("the other half of the NIfTI pair, {}, is missing", missing.display()),
                    )
                })
            };
            return Ok((half(".hdr")?, half(".img")?));
        }
    }
    Ok((path.to_owned(), path.to_owned()))
}

/// The file in the same folder that has a name but for capitals; the same capitals come first.
fn sibling(path: &Path, stem: &str, end: &str) -> Option<PathBuf> {
    let wanted = format!("{stem}{end}");
    let exact = path.with_file_name(&wanted);
    if exact.is_file() {
        return Some(exact);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.eq_ignore_ascii_case(&wanted))
        .collect();
    // The same stem in the same capitals, then whatever there is, always in one order.
    found.sort_by_key(|name| (!name.starts_with(stem), name.clone()));
    found.into_iter().map(|name| path.with_file_name(name)).find(|path| path.is_file())
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

/// One array; axes behind time are its components.
pub(super) fn contents(path: &Path) -> Result<Contents> {
    let (path, _) = pair(path)?;
    let header = Header::read(&path, &mut Stream::open(&path)?)?;
    let voxel = Voxel::of(&path, &header)?;
    let (_, steps, components) = extents(&path, &header)?;
    let array = InputArray::new(NO_NAME, components.saturating_mul(voxel.samples));
    Ok(Contents::of_one(array.with_names(voxel.names.iter().copied()), steps, times(&header, steps)))
}

/// When each step is, in seconds, where the header says the unit of the fourth axis (NIFTI_UNITS_SEC, _MSEC, _USEC).
fn times(header: &Header, steps: usize) -> Option<Vec<f64>> {
    let second = match header.units & 0x38 {
        8 => 1.0,
        16 => 1e-3,
        24 => 1e-6,
        _ => return None,
    };
    contents::even_times(header.time_offset * second, header.pixdim[4] * second, steps)
}

/// The three spatial extents, the time steps (axis 4), and the components (all further axes).
fn extents(path: &Path, header: &Header) -> Result<([usize; 3], usize, usize)> {
    let extents = usize::try_from(header.dim[0]).ok().and_then(|dimensions| header.dim.get(1..=dimensions));
    let bad = || {
        let (at, dim) = (header.places.dim, header.dim);
        Error::format(path, format!("header field dim (byte {at}) holds {dim:?}: no valid grid"))
    };
    let extents =
        extents.filter(|extents| !extents.is_empty() && extents.iter().all(|&n| n > 0)).ok_or_else(bad)?;
    let at = |axis: usize| extents.get(axis).map_or(1, |&n| n as usize);
    let components = (4..extents.len()).try_fold(1usize, |product, axis| product.checked_mul(at(axis)));
    Ok((std::array::from_fn(at), at(3), components.ok_or_else(bad)?))
}

/// What a voxel holds: samples of one type.
struct Voxel {
    stored: StoredType,
    samples: usize,
    /// What the samples are called; nothing for one.
    names: &'static [&'static str],
}

/// Datatypes of colours, whose numbers are never rescaled.
const RGB24: i16 = 128;
const RGBA32: i16 = 2304;

impl Voxel {
    /// Header field `datatype`.
    fn of(path: &Path, header: &Header) -> Result<Self> {
        use StoredType::{I64, Kept, U64};
        let one = |stored: StoredType| Self { stored, samples: 1, names: &[] };
        let several = |stored: SampleType, names: &'static [&'static str]| Self {
            stored: Kept(stored),
            samples: names.len(),
            names,
        };
        let refused = match header.datatype {
            2 => return Ok(one(Kept(SampleType::U8))),
            4 => return Ok(one(Kept(SampleType::I16))),
            8 => return Ok(one(Kept(SampleType::I32))),
            16 => return Ok(one(Kept(SampleType::F32))),
            64 => return Ok(one(Kept(SampleType::F64))),
            256 => return Ok(one(Kept(SampleType::I8))),
            512 => return Ok(one(Kept(SampleType::U16))),
            768 => return Ok(one(Kept(SampleType::U32))),
            1024 => return Ok(one(I64)),
            1280 => return Ok(one(U64)),
            RGB24 => return Ok(several(SampleType::U8, &RGBA[..3])),
            RGBA32 => return Ok(several(SampleType::U8, &RGBA)),
            32 => return Ok(several(SampleType::F32, &COMPLEX)),
            1792 => return Ok(several(SampleType::F64, &COMPLEX)),
            1536 => "128-bit float",
            2048 => "complex 128-bit float",
            1 => "1-bit",
            code => {
                return Err(Error::format(
                    path,
                    format!(
                        "header field datatype (byte {}) is {code}: unknown to {}",
                        header.places.datatype, header.version
                    ),
                ));
            }
        };
        Err(Error::unsupported(
            path,
            format!("{refused} samples are not supported; save them as another type, as float64 or uint8"),
        ))
    }
}

/// Header field `vox_offset`: where the samples start.
fn data_offset(path: &Path, header: &Header) -> Result<u64> {
    let (offset, at) = (header.vox_offset, header.places.vox_offset);
    if !(0.0..=1e9).contains(&offset) {
        return Err(Error::format(path, format!("header field vox_offset (byte {at}) is {offset}")));
    }
    match (header.single_file, offset as u64) {
        // Behind the header and the extension flag.
        (true, 0) => Ok(header.bytes + 4),
        (true, offset) if offset < header.bytes => Err(Error::format(
            path,
            format!("header field vox_offset (byte {at}) is {offset}, inside the header"),
        )),
        (_, offset) => Ok(offset),
    }
}

/// Header fields `scl_slope` and `scl_inter`; a slope of 0 or NaN means none. Both parts of complex numbers are rescaled,
/// colours are not.
fn rescale(header: &Header) -> Rescale {
    let Header { slope, intercept, datatype, .. } = *header;
    if slope == 0.0 || matches!(datatype, RGB24 | RGBA32) || !slope.is_finite() || !intercept.is_finite() {
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
    fn version_2_of_either_byte_order() {
        for big in [false, true] {
            let mut bytes = vec![0u8; 544];
            let mut put = |at: usize, little: &[u8]| {
                let mut field = little.to_vec();
                if big {
                    field.reverse();
                }
                bytes[at..at + field.len()].copy_from_slice(&field);
            };
            put(0, &540i32.to_le_bytes());
            put(12, &4i16.to_le_bytes());
            for (n, extent) in [3i64, 2, 2, 1].into_iter().enumerate() {
                put(16 + 8 * n, &extent.to_le_bytes());
                put(104 + 8 * n, &1.5f64.to_le_bytes());
            }
            put(168, &544i64.to_le_bytes());
            put(348, &1i32.to_le_bytes());
            for (row, at) in [400, 432, 464].into_iter().enumerate() {
                put(at + 8 * row, &(row as f64 + 2.0).to_le_bytes());
                put(at + 24, &0.1f64.to_le_bytes());
            }
            bytes[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n");
            bytes.extend((0i16..4).flat_map(|v| if big { v.to_be_bytes() } else { v.to_le_bytes() }));
            let volume = read("a.nii", &bytes).unwrap();
            assert_eq!(*volume.samples(), Samples::I16(vec![0, 1, 2, 3]));
            assert_eq!(volume.geometry.spacing, [2.0, 3.0, 4.0]);
            // In float64, where version 1 has float32.
            assert_eq!(volume.geometry.origin, [-0.1, -0.1, 0.1]);
            let message = read("a.nii", &bytes[..500]).unwrap_err().to_string();
            assert!(message.contains("byte 500 of its NIfTI-2 header"), "{message}");
            let message = read("a.nii", &bytes[..550]).unwrap_err().to_string();
            assert!(message.contains("truncated"), "{message}");
        }
    }

    #[test]
    fn colours_and_complex_numbers_are_components() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nii");
        let put = |datatype: i16, dim: &[i16], samples: &[u8]| {
            let mut bytes = file([1, 1, 1], |h| {
                h[70..72].copy_from_slice(&datatype.to_le_bytes());
                h[40..42].copy_from_slice(&(dim.len() as i16).to_le_bytes());
                for (axis, n) in dim.iter().enumerate() {
                    h[42 + 2 * axis..44 + 2 * axis].copy_from_slice(&n.to_le_bytes());
                }
                // A rescale by 2 and 1, of which colours know nothing.
                put_f32(h, 112, &[2.0, 1.0]);
            });
            bytes.truncate(352);
            bytes.extend(samples);
            std::fs::write(&path, bytes).unwrap();
            crate::io::Volumes::open(&path, &OpenOptions::default()).unwrap()
        };
        let rgb = put(128, &[2, 1, 1], &[1, 2, 3, 4, 5, 6]);
        assert_eq!((rgb.arrays()[0].components, rgb.arrays()[0].component_names.concat()), (3, "RGB".into()));
        assert_eq!(*rgb.read_part(0, 1, 0).unwrap().samples(), Samples::U8(vec![2, 5]));
        let message = rgb.read(0).unwrap_err().to_string();
        assert!(
            message.contains("each voxel has 3 components; choose one with `component` 0 to 2"),
            "{message}"
        );
        let options = OpenOptions { component: Some(2), ..OpenOptions::default() };
        assert_eq!(*crate::io::open(&path, &options).unwrap().samples(), Samples::U8(vec![3, 6]));
        // Two steps of two colours a voxel, which follow each other.
        let samples: Vec<u8> = (0..16).collect();
        let rgba = put(2304, &[1, 1, 1, 2, 2], &samples);
        assert_eq!((rgba.len(), rgba.arrays()[0].components), (2, 8));
        assert!(rgba.arrays()[0].component_names.is_empty());
        assert_eq!(*rgba.read_part(0, 6, 1).unwrap().samples(), Samples::U8(vec![14]));
        let floats: Vec<u8> = [0.5f32, -1.0, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let complex = put(32, &[2, 1, 1], &floats);
        assert_eq!(complex.arrays()[0].component_names, ["real", "imaginary"]);
        assert_eq!(*complex.read_part(0, 1, 0).unwrap().samples(), Samples::F32(vec![-1.0, 7.0]));
        let doubles: Vec<u8> = [0.5f64, -1.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let complex = put(1792, &[1, 1, 1], &doubles);
        assert_eq!(*complex.read_part(0, 0, 0).unwrap().samples(), Samples::F64(vec![2.0]));
        std::fs::write(&path, &std::fs::read(&path).unwrap()[..367]).unwrap();
        let message = complex.read_part(0, 0, 0).unwrap_err().to_string();
        assert!(message.contains("truncated"), "{message}");
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
        refuse(&file([2, 2, 1], |h| h[70..72].copy_from_slice(&1536i16.to_le_bytes())), "128-bit float");
        refuse(&file([2, 2, 1], |h| h[108..112].copy_from_slice(&f32::NAN.to_le_bytes())), "vox_offset");
        refuse(&file([2, 2, 1], |h| h[108..112].copy_from_slice(&1e8f32.to_le_bytes())), "truncated");
        let whole = file([2, 2, 1], |_| {});
        refuse(&whole[..whole.len() - 1], "truncated");
        refuse(&whole[..300], "not a NIfTI-1 header");
    }

    fn put_f32(header: &mut [u8], at: usize, values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        header[at..at + bytes.len()].copy_from_slice(&bytes);
    }

    #[test]
    fn an_sform_that_is_none_gives_way_to_a_valid_qform() {
        let with = |qform: u8, rows: [[f32; 4]; 3]| {
            file([2, 2, 2], |h| {
                put_f32(h, 80, &[0.7, 0.8, 2.0]);
                h[252] = qform;
                h[254] = 2;
                put_f32(h, 268, &[10.0, 20.0, 30.0]);
                put_f32(h, 280, rows.as_flattened());
            })
        };
        let zeros = [[0.0; 4]; 3];
        let flat = [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        let nan = [[f32::NAN; 4]; 3];
        for rows in [zeros, flat, nan] {
            let geometry = read("a.nii", &with(1, rows)).unwrap().geometry;
            for (found, expected) in geometry.spacing.iter().zip([0.7, 0.8, 2.0]) {
                assert!((found - expected).abs() < 1e-6, "{:?}", geometry.spacing);
            }
            assert_eq!(geometry.origin, [-10.0, -20.0, 30.0]);
            let message = read("a.nii", &with(0, rows)).unwrap_err().to_string();
            assert!(message.contains("the sform (byte 280) is not a transform"), "{message}");
            assert!(message.contains("set sform_code (byte 254) to 0"), "{message}");
        }
    }

    #[test]
    fn a_voxel_size_that_is_none_is_not_taken_for_one() {
        let of = |size: f32, code: usize, spacing: Option<[f64; 3]>| {
            let bytes = file([2, 2, 1], |h| {
                put_f32(h, 80, &[size, 0.5, 0.0]);
                h[code] = 1;
            });
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.nii");
            std::fs::write(&path, bytes).unwrap();
            let volume = crate::io::open(&path, &OpenOptions { spacing, ..OpenOptions::default() });
            volume.map(|volume| volume.geometry).map_err(|e| e.to_string())
        };
        // A qform, and neither form.
        for code in [252, 251] {
            for size in [0.0, f32::NAN, f32::INFINITY] {
                let message = of(size, code, None).unwrap_err();
                assert!(
                    message.contains("pixdim[1] (byte 80)") && message.contains("`spacing`"),
                    "{message}"
                );
                assert_eq!(of(size, code, Some([2.0, 0.5, 3.0])).unwrap().spacing, [2.0, 0.5, 3.0]);
                let message = of(size, code, Some([2.0, 0.7, 3.0])).unwrap_err();
                assert!(message.contains("along y is 0.5, not 0.7"), "{message}");
            }
            // One sample has no distance.
            assert_eq!(of(-0.25, code, None).unwrap().spacing, [0.25, 0.5, 1.0]);
        }
        // Where neither form is there, the grid's middle is the origin.
        assert_eq!(of(0.0, 251, Some([2.0, 0.5, 3.0])).unwrap().origin, [-1.0, 0.25, 0.0]);
    }

    #[test]
    fn pairs_are_found_in_whatever_capitals() {
        let whole = file([2, 2, 1], |h| {
            h[344..348].copy_from_slice(b"ni1\0");
            put_f32(h, 108, &[0.0]);
        });
        let zip = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        for [header, samples] in [
            ["A.HDR", "A.IMG"],
            ["a.HDR", "a.img"],
            ["A.hdr", "a.IMG"],
            ["A.HDR.GZ", "A.IMG.GZ"],
            ["a.hdr", "a.img.gz"],
            ["\u{e4}.Hdr", "\u{e4}.Img"],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let put = |name: &str, bytes: &[u8]| {
                let zipped = name.to_lowercase().ends_with("gz");
                let bytes = if zipped { zip(bytes) } else { bytes.to_vec() };
                std::fs::write(folder.path().join(name), bytes).unwrap();
            };
            put(header, &whole[..348]);
            put(samples, &whole[352..]);
            for name in [header, samples] {
                let volume = crate::io::open(folder.path().join(name), &OpenOptions::default()).unwrap();
                assert_eq!(*volume.samples(), Samples::I16(vec![0, 1, 2, 3]), "{name}");
            }
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("A.HDR"), &whole[..348]).unwrap();
        let message =
            crate::io::open(folder.path().join("A.HDR"), &OpenOptions::default()).unwrap_err().to_string();
        assert!(message.contains("A.img, is missing"), "{message}");
    }
}
