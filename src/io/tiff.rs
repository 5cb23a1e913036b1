//! TIFF stacks: one file of many pages, or a folder with a page a file, in the order of their names' numbers.
//!
//! The `tiff` crate decodes the pages (strips and tiles, LZW, deflate, PackBits; BigTIFF). Which pages make a volume, and
//! ImageJ's sizes (`ImageDescription`), are own code. Resolutions alone are not taken for spacings: most files
//! have a printer's there.

use super::progress::Counter;
use super::reading::Reading;
use super::{Limits, OpenOptions, elements};
use crate::error::{Error, Result};
use crate::volume::{SampleType, Samples, Volume};
use rayon::prelude::*;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;

/// Whether a file's first bytes are those of TIFF or BigTIFF, in either byte order.
pub(super) fn recognises(start: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| start.starts_with(*magic))
}

/// The TIFF files of a folder in their natural order; none where there are none.
pub(super) fn files_of(folder: &Path, limits: &Limits) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let path = entry.map_err(|e| Error::io(folder, e))?.path();
        let extension = path.extension().map(|e| e.to_ascii_lowercase());
        if extension.is_some_and(|e| e == "tif" || e == "tiff") && path.is_file() {
            files.push(path);
        }
    }
    if files.len() > limits.slices {
        return Err(Error::unsupported(
            folder,
            format!("{} files exceed the limit of {}; raise Limits::slices", files.len(), limits.slices),
        ));
    }
    files.sort_by_cached_key(|path| natural(&path.file_name().unwrap_or_default().to_string_lossy()));
    Ok(files)
}

/// A name with its numbers as numbers, so that `s9` comes before `s10`.
fn natural(name: &str) -> Vec<(u128, String)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, behind) = rest.split_at(text);
        let digits = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        let (digits, behind) = behind.split_at(digits);
        // Text first, then its number; longer numbers than 38 digits are all the same here.
        parts.push((0, text.to_owned()));
        parts.push((digits.parse().unwrap_or(u128::MAX), String::new()));
        rest = behind;
    }
    parts
}

/// How many volumes over time a file or folder holds.
pub(super) fn time_steps(path: &Path, options: &OpenOptions) -> Result<usize> {
    Ok(Stack::of(path, options)?.steps)
}

/// Reads the pages of a file or folder as slices.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Reading> {
    let stack = Stack::of(path, options)?;
    let step = super::time_step(path, stack.steps, options)?;
    let channel = super::component(path, "the stack", stack.channels, options)?;
    let slices = stack.pages.len() / (stack.steps * stack.channels);
    let shape = [stack.size[0], stack.size[1], slices];
    elements::sample_count(path, shape.map(|n| n as u64), stack.sample_type.size(), &options.limits)?;
    // ImageJ's order: channels, then slices, then time.
    let pages: Vec<&Page> =
        (0..slices).filter_map(|z| stack.pages.get(channel + stack.channels * (z + slices * step))).collect();

    let plane = shape[0] * shape[1];
    let mut samples = Samples::zeros(stack.sample_type, plane * slices);
    let counter = Counter::new(options, slices);
    let batch = if stack.files == 1 { 1 } else { 2 * rayon::current_num_threads() };
    for (first, pages) in (0..).step_by(batch).zip(pages.chunks(batch)) {
        let decoded: Vec<Samples> =
            pages.par_iter().map(|page| page.read(&options.limits)).collect::<Result<_>>()?;
        for (n, page) in decoded.iter().enumerate() {
            if page.len() < plane || page.sample_type() != stack.sample_type {
                return Err(Error::format(&pages[n].path, "a page holds other samples than its header says"));
            }
            samples.as_mut().copy_from((first + n) * plane, page, 0, plane);
            counter.advance()?;
        }
    }
    let mut volume = Volume::new(samples, shape)?;
    volume.geometry.spacing = stack.spacing.unwrap_or([1.0; 3]);
    volume.unit = String::new();
    volume.provenance.insert("source format".into(), "TIFF".into());
    volume.provenance.insert("source type".into(), stack.sample_type.name().into());
    Ok(Reading { volume, declares_spacing: [stack.spacing.is_some(); 3] })
}

/// A page of a file.
struct Page {
    path: PathBuf,
    index: usize,
}

/// The pages of a volume or of several, all of one size and type.
struct Stack {
    pages: Vec<Page>,
    files: usize,
    size: [usize; 2],
    sample_type: SampleType,
    spacing: Option<[f64; 3]>,
    channels: usize,
    steps: usize,
}

impl Stack {
    fn of(path: &Path, options: &OpenOptions) -> Result<Self> {
        let files = if path.is_dir() { files_of(path, &options.limits)? } else { vec![path.to_owned()] };
        let headers: Vec<Header> =
            files.par_iter().map(|file| Header::read(file, &options.limits)).collect::<Result<_>>()?;
        let Some(first) = headers.first() else {
            return Err(Error::unsupported(path, "the folder holds no TIFF file"));
        };
        let mut pages = Vec::new();
        for (file, header) in files.iter().zip(&headers) {
            if (header.size, header.sample_type) != (first.size, first.sample_type) {
                let of = |h: &Header| format!("{} x {} of {}", h.size[0], h.size[1], h.sample_type);
                return Err(Error::format(
                    file,
                    format!("its pages are {}, those of the first file {}", of(header), of(first)),
                ));
            }
            pages.extend(header.pages.iter().map(|&index| Page { path: file.clone(), index }));
        }
        let described = |key: &str| {
            let line = first.description.lines().find_map(|l| l.trim().strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim().to_owned())
        };
        let is_imagej = first.description.starts_with("ImageJ=");
        let count =
            |key: &str| described(key).and_then(|n| n.parse::<usize>().ok()).filter(|&n| n > 0).unwrap_or(1);
        let [mut channels, mut steps] = [count("channels"), count("frames")];
        let parts = channels.saturating_mul(steps);
        // Stacks without `slices` call their slices frames or channels, as ImageJ does for plain stacks.
        if !is_imagej || files.len() > 1 || described("slices").is_none() || pages.len() % parts != 0 {
            [channels, steps] = [1, 1];
        }
        let mut spacing = None;
        if let (true, Some([x, y])) = (is_imagej, first.pixel) {
            let z = described("spacing").and_then(|s| s.parse::<f64>().ok()).map_or(x, f64::abs);
            if [x, y, z].iter().all(|s| *s > 0.0 && s.is_finite()) {
                spacing = Some([x, y, z]);
            }
        }
        let Header { size, sample_type, .. } = *first;
        Ok(Self { pages, files: files.len(), size, sample_type, spacing, channels, steps })
    }
}

/// What a file says of its pages.
struct Header {
    /// Those of full size; thumbnails are left out.
    pages: Vec<usize>,
    size: [usize; 2],
    sample_type: SampleType,
    description: String,
    /// Width and height of a pixel by the file's resolution.
    pixel: Option<[f64; 2]>,
}

/// A TIFF file being decoded.
type Reader = Decoder<BufReader<File>>;

fn reader(path: &Path, limits: &Limits) -> Result<Reader> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let decoder = Decoder::new(BufReader::with_capacity(1 << 16, file)).map_err(|e| damaged(path, &e))?;
    let mut bounds = tiff::decoder::Limits::default();
    bounds.decoding_buffer_size = usize::try_from(limits.volume_bytes).unwrap_or(usize::MAX);
    bounds.intermediate_buffer_size = bounds.decoding_buffer_size;
    Ok(decoder.with_limits(bounds))
}

fn damaged(path: &Path, error: &tiff::TiffError) -> Error {
    match error {
        tiff::TiffError::UnsupportedError(_) => Error::unsupported(path, error.to_string()),
        _ => Error::format(path, format!("damaged TIFF file: {error}")),
    }
}

impl Header {
    fn read(path: &Path, limits: &Limits) -> Result<Self> {
        let mut decoder = reader(path, limits)?;
        let fail = |e| damaged(path, &e);
        let (width, height) = decoder.dimensions().map_err(fail)?;
        let size = [width as usize, height as usize];
        let sample_type = sample_type(path, &mut decoder)?;
        check_size(path, &mut decoder, size, sample_type)?;
        let description = decoder.get_tag_ascii_string(Tag::ImageDescription).unwrap_or_default();
        let resolution = |decoder: &mut Reader, tag| {
            let value = decoder.find_tag(tag).ok().flatten()?;
            let value = match value {
                tiff::decoder::ifd::Value::Rational(a, b) => f64::from(a) / f64::from(b),
                _ => return None,
            };
            Some(1.0 / value)
        };
        let pixel = match [Tag::XResolution, Tag::YResolution].map(|tag| resolution(&mut decoder, tag)) {
            [Some(x), Some(y)] => Some([x, y]),
            _ => None,
        };
        let mut pages = Vec::new();
        for index in 0.. {
            if index > limits.axis {
                return Err(Error::unsupported(
                    path,
                    format!("the file has more than {} pages", limits.axis),
                ));
            }
            let (w, h) = decoder.dimensions().map_err(fail)?;
            // Bit 0: a smaller copy of another page.
            let reduced =
                decoder.find_tag(Tag::NewSubfileType).ok().flatten().and_then(|v| v.into_u32().ok());
            if reduced.is_none_or(|bits| bits & 1 == 0) {
                if [w as usize, h as usize] != size || self::sample_type(path, &mut decoder)? != sample_type {
                    return Err(Error::format(
                        path,
                        format!(
                            "page {} is {w} x {h}, the first one {width} x {height}, or of another type",
                            index + 1
                        ),
                    ));
                }
                pages.push(index);
            }
            if !decoder.more_images() {
                break;
            }
            decoder.next_image().map_err(fail)?;
        }
        Ok(Self { pages, size, sample_type, description, pixel })
    }
}

/// No compressor shrinks a page further than this.
const LARGEST_RATIO: u64 = 4096;

/// Refuses a page of more samples than its strips or tiles can hold.
fn check_size(path: &Path, decoder: &mut Reader, size: [usize; 2], sample_type: SampleType) -> Result<()> {
    let counts = [Tag::StripByteCounts, Tag::TileByteCounts]
        .into_iter()
        .find_map(|tag| decoder.find_tag(tag).ok().flatten()?.into_u64_vec().ok());
    let file_bytes = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
    let stored =
        counts.unwrap_or_default().iter().fold(0u64, |sum, &n| sum.saturating_add(n)).min(file_bytes);
    let expected = (size[0] as u64).saturating_mul(size[1] as u64).saturating_mul(sample_type.size() as u64);
    elements::check_file_holds(path, expected / LARGEST_RATIO, stored, false)
}

/// The type of a page's samples.
fn sample_type(path: &Path, decoder: &mut Reader) -> Result<SampleType> {
    let colour = decoder.colortype().map_err(|e| damaged(path, &e))?;
    let format = decoder.find_tag(Tag::SampleFormat).ok().flatten();
    // 1: unsigned, 2: signed, 3: floating point (TIFF 6.0, section 19).
    let format = format.and_then(|v| v.into_u16_vec().ok()).and_then(|v| v.first().copied()).unwrap_or(1);
    Ok(match (colour, format) {
        (ColorType::Gray(8), 1) => SampleType::U8,
        (ColorType::Gray(8), 2) => SampleType::I8,
        (ColorType::Gray(16), 1) => SampleType::U16,
        (ColorType::Gray(16), 2) => SampleType::I16,
        (ColorType::Gray(32), 1) => SampleType::U32,
        (ColorType::Gray(32), 2) => SampleType::I32,
        (ColorType::Gray(32), 3) => SampleType::F32,
        (ColorType::Gray(64), 3) => SampleType::F64,
        (ColorType::Gray(bits), _) => {
            return Err(Error::unsupported(
                path,
                format!("grey values of {bits} bits (sample format {format}) are not supported"),
            ));
        }
        (colour, _) => {
            return Err(Error::unsupported(
                path,
                format!("pixels of {colour:?}: only grey values are supported; save one channel"),
            ));
        }
    })
}

impl Page {
    fn read(&self, limits: &Limits) -> Result<Samples> {
        let mut decoder = reader(&self.path, limits)?;
        let fail = |e| damaged(&self.path, &e);
        decoder.seek_to_image(self.index).map_err(fail)?;
        Ok(match decoder.read_image().map_err(fail)? {
            DecodingResult::U8(v) => Samples::U8(v),
            DecodingResult::I8(v) => Samples::I8(v),
            DecodingResult::U16(v) => Samples::U16(v),
            DecodingResult::I16(v) => Samples::I16(v),
            DecodingResult::U32(v) => Samples::U32(v),
            DecodingResult::I32(v) => Samples::I32(v),
            DecodingResult::F32(v) => Samples::F32(v),
            DecodingResult::F64(v) => Samples::F64(v),
            _ => return Err(Error::unsupported(&self.path, "samples of this size are not supported")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiff::encoder::TiffEncoder;
    use tiff::encoder::colortype::{Gray16, GrayI16, RGB8};

    fn write(path: &Path, pages: &[[u16; 6]], description: &str) {
        let mut encoder = TiffEncoder::new(File::create(path).unwrap()).unwrap();
        for page in pages {
            let mut image = encoder.new_image::<Gray16>(3, 2).unwrap();
            if !description.is_empty() {
                image.encoder().write_tag(Tag::ImageDescription, description).unwrap();
                let resolution = tiff::encoder::Rational { n: 4, d: 1 };
                image.encoder().write_tag(Tag::XResolution, resolution.clone()).unwrap();
                image.encoder().write_tag(Tag::YResolution, resolution).unwrap();
            }
            image.write_data(page).unwrap();
        }
    }

    #[test]
    fn pages_are_slices_and_names_are_sorted_by_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let stack = folder.path().join("stack.tif");
        write(&stack, &[[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]], "");
        let volume = crate::io::open(&stack, &OpenOptions::default()).unwrap();
        assert_eq!((volume.shape(), volume.geometry.spacing), ([3, 2, 2], [1.0; 3]));
        assert_eq!(*volume.samples(), Samples::U16((1..=12).collect()));

        let slices = folder.path().join("slices");
        std::fs::create_dir(&slices).unwrap();
        for n in [10u16, 9, 100] {
            write(&slices.join(format!("s{n}.TIF")), &[[n; 6]], "");
        }
        let volume = crate::io::open(&slices, &OpenOptions::default()).unwrap();
        assert_eq!([0, 6, 12].map(|i| volume.samples().get(i)), [9.0, 10.0, 100.0]);
        let mut encoder = TiffEncoder::new(File::create(slices.join("t.tif")).unwrap()).unwrap();
        encoder.write_image::<GrayI16>(3, 2, &[0; 6]).unwrap();
        let message = crate::io::open(&slices, &OpenOptions::default()).unwrap_err().to_string();
        assert!(message.contains("t.tif") && message.contains("3 x 2 of int16"), "{message}");
    }

    #[test]
    fn imagej_says_what_the_pages_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hyper.tif");
        // Two channels, two slices, two frames.
        let pages: Vec<[u16; 6]> = (0..8).map(|n| [n; 6]).collect();
        write(&path, &pages, "ImageJ=1.53\nimages=8\nchannels=2\nslices=2\nframes=2\nspacing=1.5\n");
        assert_eq!(crate::io::time_steps(&path, &OpenOptions::default()).unwrap(), 2);
        let options = OpenOptions { time_step: Some(1), component: Some(1), ..OpenOptions::default() };
        let volume = crate::io::open(&path, &options).unwrap();
        assert_eq!([0, 6].map(|i| volume.samples().get(i)), [5.0, 7.0]);
        assert_eq!(volume.geometry.spacing, [0.25, 0.25, 1.5]);
    }

    #[test]
    fn colours_and_damage_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tif");
        let refused = |words: &str| {
            let message = crate::io::open(&path, &OpenOptions::default()).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        };
        TiffEncoder::new(File::create(&path).unwrap())
            .unwrap()
            .write_image::<RGB8>(1, 1, &[1, 2, 3])
            .unwrap();
        refused("only grey values");
        write(&path, &[[1; 6]], "");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        refused("damaged TIFF");
    }
}
