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

/// Deflate cannot shrink data below 1/1032 of its size: a header that guarantees more than that lies.
const DEFLATE_LARGEST_RATIO: u64 = 1032;

/// Refuses a file too small to hold `expected` bytes of samples, before they are allocated.
pub(crate) fn check_file_holds(path: &Path, expected: u64, available: u64, deflated: bool) -> Result<()> {
    let most = if deflated { available.saturating_mul(DEFLATE_LARGEST_RATIO) } else { available };
    if expected > most {
        let form = if deflated { "compressed bytes, too few for" } else { "bytes where the header declares" };
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
            let bytes = samples.as_bytes_mut();
            let all = bytes.len();
            fill(path, reader, bytes, (0, all))?;
            if order != ByteOrder::NATIVE {
                swap_bytes(samples.as_bytes_mut(), sample_type.size());
            }
            Ok(samples)
        }
        StoredType::I64 | StoredType::U64 => {
            let mut narrow = Narrow::new(Vec::with_capacity(count));
            let mut block = vec![0u8; 8 * count.min(1 << 16)];
            let mut left = count;
            while left > 0 {
                let bytes = block.get_mut(..8 * left.min(1 << 16)).unwrap_or_default();
                fill(path, reader, bytes, (8 * (count - left), 8 * count))?;
                if order != ByteOrder::NATIVE {
                    swap_bytes(bytes, 8);
                }
                for &value in bytemuck::cast_slice::<u8, [u8; 8]>(bytes) {
                    narrow.push(match stored {
                        StoredType::I64 => i128::from(i64::from_ne_bytes(value)),
                        _ => i128::from(u64::from_ne_bytes(value)),
                    });
                }
                left -= bytes.len() / 8;
            }
            narrow.finish(path)
        }
    }
}

/// Which samples of a file are wanted: one of several volumes that follow each other, one component of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilePart {
    /// Voxels of a volume.
    pub(crate) count: usize,
    pub(crate) components: usize,
    pub(crate) component: usize,
    /// How many samples of one component lie beside each other: 1 where the components of a voxel do, a slice's or a
    /// volume's where components are planes or volumes of their own. A divisor of `count`.
    pub(crate) run: usize,
    pub(crate) step: usize,
}

impl FilePart {
    /// Samples up to the end of the wanted volume; `usize::MAX` where they cannot be counted.
    pub(crate) fn samples_to_its_end(self) -> usize {
        self.count.saturating_mul(self.components).saturating_mul(self.step.saturating_add(1))
    }

    /// Bytes up to the end of the wanted volume.
    pub(crate) fn bytes_to_its_end(self, stored: StoredType) -> u64 {
        (self.samples_to_its_end() as u64).saturating_mul(stored.size() as u64)
    }

    /// Bytes before the wanted volume.
    pub(crate) fn bytes_before(self, stored: StoredType) -> u64 {
        self.bytes_to_its_end(stored) / (self.step as u64 + 1) * self.step as u64
    }

    /// Whether sample `index` of the file, counted over all volumes and components, is wanted.
    pub(crate) fn has(self, index: usize) -> bool {
        let FilePart { count, components, component, run, step } = self;
        let before = count.saturating_mul(components).saturating_mul(step);
        index.checked_sub(before).is_some_and(|index| index / run % components == component)
    }

    /// Leaves out what lies before the wanted volume; what is read of the rest are its component's samples alone. `reader` stands
    /// before the first volume.
    pub(crate) fn select<'a>(
        self,
        path: &Path,
        reader: &'a mut dyn Read,
        stored: StoredType,
    ) -> Result<Box<dyn Read + 'a>> {
        let FilePart { count, components, component, run, .. } = self;
        std::io::copy(&mut (&mut *reader).take(self.bytes_before(stored)), &mut std::io::sink())
            .map_err(|e| Error::io(path, e))?;
        Ok(match (components, run) {
            (1, _) => Box::new(reader),
            (_, 1) => Box::new(Component::new(reader, stored.size(), (components, component), count)),
            _ => Box::new(Runs::new(reader, stored.size() * run, (components, component))),
        })
    }

    /// Reads the samples; `reader` stands before the first volume.
    pub(crate) fn read(
        self,
        path: &Path,
        reader: &mut dyn Read,
        stored: StoredType,
        order: ByteOrder,
    ) -> Result<Samples> {
        let mut samples = self.select(path, reader, stored)?;
        read_samples(path, &mut *samples, stored, order, self.count)
    }

    /// Parses the samples out of a text that begins with the first volume.
    pub(crate) fn parse(self, path: &Path, text: &[u8], stored: StoredType) -> Result<Samples> {
        let (all, _) = parse_samples(path, text, stored, self.samples_to_its_end())?;
        if self.components == 1 && self.step == 0 {
            return Ok(all);
        }
        let FilePart { count, components, component, run, step } = self;
        Ok(for_each_type!(all, values => {
            let volume = values.get(step * count * components..).unwrap_or_default();
            let wanted = volume.chunks(run).skip(component).step_by(components).flatten().copied();
            Samples::from(wanted.take(count).collect::<Vec<_>>())
        }))
    }
}

/// One component of samples of which each component's lie together: passes its bytes on and leaves the others out.
struct Runs<'a> {
    source: &'a mut dyn Read,
    run_bytes: usize,
    components: usize,
    /// Bytes to leave out before the next run.
    skip: u64,
    /// Bytes of the run that are not passed on yet.
    left: usize,
}

impl<'a> Runs<'a> {
    fn new(source: &'a mut dyn Read, run_bytes: usize, (components, component): (usize, usize)) -> Self {
        let skip = (run_bytes as u64).saturating_mul(component as u64);
        Self { source, run_bytes, components, skip, left: run_bytes }
    }
}

impl Read for Runs<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            self.left = self.run_bytes;
            self.skip = (self.run_bytes as u64).saturating_mul(self.components.saturating_sub(1) as u64);
        }
        if self.skip > 0 {
            std::io::copy(&mut (&mut *self.source).take(self.skip), &mut std::io::sink())?;
            self.skip = 0;
        }
        let most = buffer.len().min(self.left);
        let read = self.source.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= read;
        Ok(read)
    }
}

/// One component of samples that are stored tuple by tuple: passes its bytes on and leaves the others out.
pub(crate) struct Component<'a> {
    source: &'a mut dyn Read,
    sample_bytes: usize,
    components: usize,
    component: usize,
    tuples_left: usize,
    block: Vec<u8>,
    at: usize,
}

impl<'a> Component<'a> {
    /// Of `tuples` tuples of `components` samples.
    pub(crate) fn new(
        source: &'a mut dyn Read,
        sample_bytes: usize,
        (components, component): (usize, usize),
        tuples: usize,
    ) -> Self {
        Self { source, sample_bytes, components, component, tuples_left: tuples, block: Vec::new(), at: 0 }
    }
}

impl Read for Component<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.block.len() && self.tuples_left > 0 {
            let tuple_bytes = self.sample_bytes * self.components;
            let tuples = self.tuples_left.min((1 << 16) / tuple_bytes + 1);
            self.block.resize(tuples * tuple_bytes, 0);
            self.source.read_exact(&mut self.block)?;
            self.tuples_left -= tuples;
            // The wanted samples move to the front.
            for tuple in 0..tuples {
                let from = tuple * tuple_bytes + self.component * self.sample_bytes;
                self.block.copy_within(from..from + self.sample_bytes, tuple * self.sample_bytes);
            }
            self.block.truncate(tuples * self.sample_bytes);
            self.at = 0;
        }
        let rest = self.block.get(self.at..).unwrap_or_default();
        let taken = rest.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&rest[..taken]);
        self.at += taken;
        Ok(taken)
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
            let mut narrow = Narrow::new(Vec::with_capacity(count));
            for index in 0..count {
                narrow.push(numbers.next(index, count, stored)?);
            }
            narrow.finish(path)?
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
            return Err(too_few_numbers(self.path, index, count));
        }
        self.at += skip + token.len();
        number(self.path, &token, index, stored)
    }
}

/// The error for a text that ends before the last number.
pub(crate) fn too_few_numbers(path: &Path, found: usize, count: usize) -> Error {
    Error::format(path, format!("the text ends after {found} of {count} numbers; the file is truncated"))
}

/// The number that sample `index` is in words.
pub(crate) fn number<T: std::str::FromStr>(
    path: &Path,
    word: &[u8],
    index: usize,
    stored: StoredType,
) -> Result<T> {
    std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()).ok_or_else(|| {
        Error::format(
            path,
            format!(
                "sample {index} is '{}', which is not a number of type {}",
                String::from_utf8_lossy(word).chars().take(40).collect::<String>(),
                stored.name()
            ),
        )
    })
}

/// `read_exact` that says how far it came: `before` bytes of `all` have been read already.
pub(crate) fn fill(
    path: &Path,
    reader: &mut dyn Read,
    buffer: &mut [u8],
    (before, all): (usize, usize),
) -> Result<()> {
    let mut at = 0;
    while let Some(rest) = buffer.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => {
                return Err(Error::format(
                    path,
                    format!(
                        "the samples end after {} of {all} bytes; the file is truncated or its header is wrong",
                        before + at
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
                    format!("the compressed samples are corrupt near byte {}: {e}", before + at),
                ));
            }
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(Error::format(
                    path,
                    format!(
                        "the compressed samples end after {} of {all} bytes; the file is truncated",
                        before + at
                    ),
                ));
            }
            Err(e) => return Err(Error::io(path, e)),
        }
    }
    Ok(())
}

/// Reverses the bytes of every element in place.
pub(crate) fn swap_bytes(bytes: &mut [u8], size: usize) {
    if size > 1 {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
}

/// 64-bit integers as int32, else uint32, else refused: their low halves, which both types share, and their range.
pub(crate) struct Narrow {
    halves: Vec<u32>,
    range: WideRange,
}

impl Narrow {
    /// Into empty memory that has room for all.
    pub(crate) fn new(memory: Vec<u32>) -> Self {
        Self { halves: memory, range: WideRange::EMPTY }
    }

    pub(crate) fn push(&mut self, value: i128) {
        self.halves.push(self.range.half(value));
    }

    pub(crate) fn finish(self, path: &Path) -> Result<Samples> {
        let Self { halves, range } = self;
        Ok(match range.sample_type(path)? {
            // In the same memory, as the standard library collects.
            SampleType::I32 => Samples::I32(halves.into_iter().map(|v| v as i32).collect()),
            _ => Samples::U32(halves),
        })
    }
}

/// Smallest and largest of 64-bit integers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WideRange {
    pub(crate) low: i128,
    pub(crate) high: i128,
}

impl WideRange {
    /// Of no integer yet.
    pub(crate) const EMPTY: Self = Self { low: i128::MAX, high: i128::MIN };

    /// Takes an integer in; its low half.
    pub(crate) fn half(&mut self, value: i128) -> u32 {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
        value as u32
    }

    /// The type that holds them: int32, else uint32, else they are refused.
    pub(crate) fn sample_type(self, path: &Path) -> Result<SampleType> {
        let Self { low, high } = self;
        if low >= i128::from(i32::MIN) && high <= i128::from(i32::MAX) {
            Ok(SampleType::I32)
        } else if low >= 0 && high <= i128::from(u32::MAX) {
            Ok(SampleType::U32)
        } else {
            Err(Error::unsupported(
                path,
                format!(
                    "64-bit integers from {low} to {high} do not fit 32 bits; convert them to float64 or int32 first"
                ),
            ))
        }
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
    fn components_lie_side_by_side_or_in_runs() {
        // Two steps of two components of four voxels.
        let bytes: Vec<u8> = (0..16).collect();
        let text: String = bytes.iter().map(|byte| format!("{byte} ")).collect();
        let stored = StoredType::Kept(SampleType::U8);
        for (run, expected) in [(1, [9, 11, 13, 15]), (2, [10, 11, 14, 15]), (4, [12, 13, 14, 15])] {
            let part = FilePart { count: 4, components: 2, component: 1, run, step: 1 };
            let expected = Samples::U8(expected.into());
            assert_eq!(part.read(path(), &mut &bytes[..], stored, ByteOrder::Little).unwrap(), expected);
            assert_eq!(part.parse(path(), text.as_bytes(), stored).unwrap(), expected);
            let cut = part.read(path(), &mut &bytes[..15], stored, ByteOrder::Little).unwrap_err();
            assert!(cut.to_string().contains("of 4 bytes; the file is truncated"), "{cut}");
        }
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
