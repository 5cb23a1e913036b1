//! Samples out of bytes or text, in whatever element type and byte order a format stores them.

use super::Limits;
use crate::error::{Error, Result};
use crate::volume::{SampleType, Samples, for_each_type};
use std::io::Read;
use std::path::Path;

/// An element type as files declare it; 64-bit integers are narrowed on reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoredType {
    /// A type that volumes hold.
    Kept(SampleType),
    /// 64-bit signed.
    I64,
    /// 64-bit unsigned.
    U64,
}

impl StoredType {
    /// Bytes of one sample in the file.
    pub(crate) fn size(self) -> usize {
        match self {
            StoredType::Kept(t) => t.size(),
            StoredType::I64 | StoredType::U64 => 8,
        }
    }

    /// NumPy's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            StoredType::Kept(t) => t.name(),
            StoredType::I64 => "int64",
            StoredType::U64 => "uint64",
        }
    }
}

/// Byte order of samples in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    pub(crate) const NATIVE: ByteOrder =
        if cfg!(target_endian = "little") { ByteOrder::Little } else { ByteOrder::Big };
}

/// Number of samples of a grid, after checking it against the limits; nothing has been allocated yet.
pub(crate) fn sample_count(path: &Path, shape: [u64; 3], size: usize, limits: &Limits) -> Result<usize> {
    let [nx, ny, nz] = shape;
    if shape.contains(&0) {
        return Err(Error::format(path, format!("an axis of the {nx} x {ny} x {nz} grid is empty")));
    }
    if let Some(axis) = shape.iter().position(|&n| n > limits.axis as u64) {
        return Err(Error::unsupported(
            path,
            format!(
                "axis {axis} of the {nx} x {ny} x {nz} grid is longer than the limit of {} samples; \
                 check the header, or raise Limits::axis",
                limits.axis
            ),
        ));
    }
    let bytes = shape.iter().try_fold(size as u64, |product, &n| product.checked_mul(n));
    match bytes {
        Some(bytes) if bytes <= limits.volume_bytes && usize::try_from(bytes).is_ok() => {
            Ok((bytes / size as u64) as usize)
        }
        _ => Err(Error::unsupported(
            path,
            format!(
                "a grid of {nx} x {ny} x {nz} samples of {size} bytes exceeds the limit of {} bytes; \
                 check the header, or raise Limits::volume_bytes",
                limits.volume_bytes
            ),
        )),
    }
}

/// Deflate cannot shrink data below 1/1032 of its size: a header that promises more than that lies.
const DEFLATE_LARGEST_RATIO: u64 = 1032;

/// Refuses a file too small to hold `expected` bytes of samples, before they are allocated.
pub(crate) fn check_file_holds(path: &Path, expected: u64, available: u64, deflated: bool) -> Result<()> {
    let most = if deflated { available.saturating_mul(DEFLATE_LARGEST_RATIO) } else { available };
    if expected > most {
        let form = if deflated { "compressed bytes, too few for" } else { "bytes where the header promises" };
        return Err(Error::format(
            path,
            format!(
                "the file holds {available} {form} {expected} bytes of samples; it is truncated or corrupt"
            ),
        ));
    }
    Ok(())
}

/// Reads `count` samples straight into their final memory.
pub(crate) fn read_samples(
    path: &Path,
    reader: &mut dyn Read,
    stored: StoredType,
    order: ByteOrder,
    count: usize,
) -> Result<Samples> {
    match stored {
        StoredType::Kept(sample_type) => {
            let mut samples = Samples::zeros(sample_type, count);
            fill(path, reader, samples.as_bytes_mut())?;
            if order != ByteOrder::NATIVE {
                swap_bytes(samples.as_bytes_mut(), sample_type.size());
            }
            Ok(samples)
        }
        StoredType::I64 | StoredType::U64 => {
            let mut wide = vec![0u64; count];
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut wide);
            fill(path, reader, bytes)?;
            if order != ByteOrder::NATIVE {
                swap_bytes(bytes, 8);
            }
            match stored {
                StoredType::I64 => narrow(path, wide.iter().map(|&v| i128::from(v as i64))),
                _ => narrow(path, wide.iter().map(|&v| i128::from(v))),
            }
        }
    }
}

/// Parses `count` numbers separated by white space; also says how many bytes of `text` they took.
pub(crate) fn parse_samples(
    path: &Path,
    text: &[u8],
    stored: StoredType,
    count: usize,
) -> Result<(Samples, usize)> {
    // A number needs a digit and a separator: a text too short for the count is refused before allocating.
    if count > text.len().div_ceil(2) {
        return Err(Error::format(
            path,
            format!("{} bytes of text cannot hold {count} numbers; the file is truncated", text.len()),
        ));
    }
    let mut numbers = Numbers { path, text, at: 0 };
    let samples = match stored {
        StoredType::Kept(sample_type) => {
            let mut samples = Samples::zeros(sample_type, count);
            for_each_type!(&mut samples, values => {
                for (index, value) in values.iter_mut().enumerate() {
                    *value = numbers.next(index, count, stored)?;
                }
            });
            samples
        }
        StoredType::I64 | StoredType::U64 => {
            let mut wide = vec![0i128; count];
            for (index, value) in wide.iter_mut().enumerate() {
                *value = numbers.next(index, count, stored)?;
            }
            narrow(path, wide.iter().copied())?
        }
    };
    Ok((samples, numbers.at))
}

/// The numbers of a text, one at a time.
struct Numbers<'a> {
    path: &'a Path,
    text: &'a [u8],
    at: usize,
}

impl Numbers<'_> {
    fn next<T: std::str::FromStr>(&mut self, index: usize, count: usize, stored: StoredType) -> Result<T> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let skip = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let token: Vec<u8> =
            rest.iter().skip(skip).take_while(|b| !b.is_ascii_whitespace()).copied().collect();
        if token.is_empty() {
            return Err(Error::format(
                self.path,
                format!("the text ends after {index} of {count} numbers; the file is truncated"),
            ));
        }
        self.at += skip + token.len();
        std::str::from_utf8(&token).ok().and_then(|t| t.parse().ok()).ok_or_else(|| {
            Error::format(
                self.path,
                format!(
                    "sample {index} is '{}', which is not a number of type {}",
                    String::from_utf8_lossy(&token).chars().take(40).collect::<String>(),
                    stored.name()
                ),
            )
        })
    }
}

/// `read_exact` that says how far it came.
fn fill(path: &Path, reader: &mut dyn Read, buffer: &mut [u8]) -> Result<()> {
    let mut at = 0;
    while let Some(rest) = buffer.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => {
                return Err(Error::format(
                    path,
                    format!(
                        "the samples end after {at} of {} bytes; the file is truncated or its header is wrong",
                        buffer.len()
                    ),
                ));
            }
            Ok(read) => at += read,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e)
                if e.kind() == std::io::ErrorKind::InvalidInput
                    || e.kind() == std::io::ErrorKind::InvalidData =>
            {
                return Err(Error::format(
                    path,
                    format!("the compressed samples are corrupt near byte {at}: {e}"),
                ));
            }
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(Error::format(
                    path,
                    format!(
                        "the compressed samples end after {at} of {} bytes; the file is truncated",
                        buffer.len()
                    ),
                ));
            }
            Err(e) => return Err(Error::io(path, e)),
        }
    }
    Ok(())
}

/// Reverses the bytes of every element in place.
fn swap_bytes(bytes: &mut [u8], size: usize) {
    if size > 1 {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
}

/// 64-bit integers as int32, else uint32, else refused.
pub(crate) fn narrow(path: &Path, values: impl Iterator<Item = i128> + Clone) -> Result<Samples> {
    let (low, high) = values.clone().fold((i128::MAX, i128::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if low >= i128::from(i32::MIN) && high <= i128::from(i32::MAX) {
        Ok(Samples::I32(values.map(|v| v as i32).collect()))
    } else if low >= 0 && high <= i128::from(u32::MAX) {
        Ok(Samples::U32(values.map(|v| v as u32).collect()))
    } else {
        Err(Error::unsupported(
            path,
            format!(
                "64-bit integers from {low} to {high} do not fit 32 bits; convert the file to float64 or int32 first"
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> &'static Path {
        Path::new("volume.bin")
    }

    #[test]
    fn big_endian_samples_are_swapped() {
        let bytes = [0x01, 0x02, 0xff, 0xfe];
        let stored = StoredType::Kept(SampleType::I16);
        let samples = read_samples(path(), &mut &bytes[..], stored, ByteOrder::Big, 2).unwrap();
        assert_eq!(samples, Samples::I16(vec![258, -2]));
    }

    #[test]
    fn wide_integers_are_narrowed_or_refused() {
        let read = |values: &[i64]| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            read_samples(path(), &mut &bytes[..], StoredType::I64, ByteOrder::Little, values.len())
        };
        assert_eq!(read(&[-5, 7]).unwrap(), Samples::I32(vec![-5, 7]));
        assert_eq!(read(&[0, 4_000_000_000]).unwrap(), Samples::U32(vec![0, 4_000_000_000]));
        assert!(read(&[-1, 4_000_000_000]).unwrap_err().to_string().contains("-1 to 4000000000"));
    }

    #[test]
    fn truncated_samples_say_where_they_end() {
        let error =
            read_samples(path(), &mut &[0u8; 3][..], StoredType::U64, ByteOrder::Little, 2).unwrap_err();
        assert!(error.to_string().contains("after 3 of 16 bytes"), "{error}");
    }

    #[test]
    fn text_is_parsed_and_bad_numbers_are_named() {
        let stored = StoredType::Kept(SampleType::F32);
        let (samples, used) = parse_samples(path(), b" 1.5\n-2e3 7", stored, 2).unwrap();
        assert_eq!((samples, used), (Samples::F32(vec![1.5, -2000.0]), 9));
        let stored = StoredType::Kept(SampleType::U8);
        let error = parse_samples(path(), b"1 300 4", stored, 3).unwrap_err();
        assert!(error.to_string().contains("sample 1 is '300'"), "{error}");
    }

    #[test]
    fn huge_grids_are_refused_before_allocating() {
        let limits = Limits::default();
        assert!(sample_count(path(), [1 << 20, 1 << 20, 1 << 20], 8, &limits).is_err());
        assert!(sample_count(path(), [u64::MAX, 1, 1], 1, &limits).is_err());
        assert!(sample_count(path(), [0, 1, 1], 1, &limits).is_err());
        assert_eq!(sample_count(path(), [3, 4, 5], 2, &limits).unwrap(), 60);
        assert!(check_file_holds(path(), 2000, 1, true).is_err());
        assert!(check_file_holds(path(), 1000, 1, true).is_ok());
    }
}
