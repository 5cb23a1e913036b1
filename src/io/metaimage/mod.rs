//! MetaImage: `.mha` (samples behind the header) and `.mhd` (samples in files beside it); raw, zlib and text.
//!
//! Specification: <https://itk.org/Wiki/ITK/MetaIO/Documentation>. Coordinates are ITK's, which are LPS; the frame counts as
//! a patient's where `AnatomicalOrientation` says so.

mod header;
mod write;

pub(super) use write::save;

use super::contents::{self, Contents, InputArray, NO_NAME};
use super::detached::{self, Coding, DataFiles, Skip};
use super::elements::{self, FilePart, StoredType};
use super::located::{Content, LONGEST_NUMBER, Located, TextForm, Unread, stand_in};
use super::reading::{self, Reading};
use super::rescale::Rescale;
use super::{OpenOptions, affine};
use crate::error::{Error, Result};
use crate::volume::{Frame, Geometry, Volume};
use header::MetaImageHeader;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// True for a file that begins as MetaImage does: its first field is one of a few.
pub(super) fn recognises(start: &[u8]) -> bool {
    ["ObjectType", "NDims", "Comment"].iter().any(|name| {
        let Some((word, rest)) = start.split_at_checked(name.len()) else { return false };
        word.eq_ignore_ascii_case(name.as_bytes()) && rest.trim_ascii_start().starts_with(b"=")
    })
}

/// Reads one volume of a MetaImage, one component of it.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Reading> {
    let (found, reader) = Found::of(path, options)?;
    let &Found { ref header, sizes, stored, part, .. } = &found;
    let files = found.files(path, options)?;
    let (is_text, coding) = (files.is_text, files.coding);
    let (mut stream, bytes_found) = files.stream(path, reader)?;
    let samples = if is_text {
        // Compressed it may be longer than the file.
        let longest = (part.samples_to_its_end() as u64).saturating_mul(LONGEST_NUMBER as u64);
        let most = if coding == Coding::Plain { bytes_found } else { longest };
        let mut text = Vec::new();
        stream.take(most).read_to_end(&mut text).map_err(|e| Error::io(path, e))?;
        part.parse(path, &text, stored)?
    } else {
        part.read(path, &mut stream, stored, header.byte_order())?
    };

    let mut volume = Volume::new(samples, sizes.map(|n| n as usize))?;
    let declares_spacing = found.describe(path, &mut volume, options)?;
    Ok(Reading { volume, declares_spacing })
}

/// Where the samples lie.
pub(super) fn locate(path: &Path, options: &OpenOptions) -> Result<Unread> {
    let (found, reader) = Found::of(path, options)?;
    let files = found.files(path, options)?;
    let is_text = files.is_text;
    let (file, offset, content) = match files.in_place(path)? {
        Some((file, offset)) => (file, offset, Content::InPlace),
        None => {
            let (stream, _) = files.stream(path, reader)?;
            let content = match is_text {
                true => Content::Text(Box::new(stream), TextForm::default()),
                false => Content::Bytes(Box::new(stream), 0),
            };
            (path.to_owned(), 0, content)
        }
    };
    let mut described = stand_in(found.stored)?;
    let declares_spacing = found.describe(path, &mut described, options)?;
    let located = Located {
        path: file,
        offset,
        stored: found.stored,
        order: found.header.byte_order(),
        part: found.part,
        shape: found.sizes.map(|n| n as usize),
        described,
        declares_spacing,
    };
    Ok(Unread { located, rescale: Rescale::NONE, content })
}

/// What a header says of the wanted volume.
struct Found {
    header: MetaImageHeader,
    sizes: [u64; 3],
    steps: usize,
    stored: StoredType,
    part: FilePart,
}

impl Found {
    /// With a reader that stands behind the header.
    fn of(path: &Path, options: &OpenOptions) -> Result<(Self, BufReader<File>)> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let header = MetaImageHeader::read(path, &mut reader)?;
        let (sizes, steps) = sizes(path, &header)?;
        let stored = header.stored_type(path)?;
        let components = components(path, &header)?;
        let part = FilePart {
            count: elements::sample_count(path, sizes, stored.size(), &options.limits)?,
            components,
            component: super::component(path, "each voxel", components, options)?,
            run: 1,
            step: super::time_step(path, steps, options)?,
        };
        Ok((Self { header, sizes, steps, stored, part }, reader))
    }

    /// Where the samples of all volumes are, and how they are coded.
    fn files(&self, path: &Path, options: &OpenOptions) -> Result<DataFiles> {
        let Self { header, sizes, steps, stored, part } = self;
        let files = data_files(path, header, *sizes, options)?;
        let skip = Skip { lines: 0, bytes: header.optional_number(path, "headersize")?.unwrap_or(0) };
        let compressed = header.is_true("compresseddata");
        if skip.bytes < -1 || (skip.bytes == -1 && (compressed || files.len() > 1)) {
            return Err(Error::unsupported(
                path,
                format!("a HeaderSize of {} is not supported for these data files", skip.bytes),
            ));
        }
        let is_text = header.field("binarydata").is_some() && !header.is_true("binarydata");
        let coding = if compressed { Coding::Zlib } else { Coding::Plain };
        let bytes_expected = FilePart { step: steps - 1, ..*part }.bytes_to_its_end(*stored);
        Ok(DataFiles { files, coding, is_text, skip, header_bytes: header.bytes, bytes_expected })
    }

    /// Says of a volume what the header does; along which axes that is the spacing.
    fn describe(&self, path: &Path, volume: &mut Volume, options: &OpenOptions) -> Result<[bool; 3]> {
        let shape = self.sizes.map(|n| n as usize);
        let declares_spacing;
        (volume.geometry, declares_spacing) = geometry(path, &self.header, shape, options.spacing)?;
        volume.provenance.insert("source format".into(), "MetaImage".into());
        volume.provenance.insert("source type".into(), self.stored.name().into());
        Ok(declares_spacing)
    }
}

/// One array of as many components as the image has channels; the fourth axis is time, and its spacing and offset say when a
/// step is.
pub(super) fn contents(path: &Path) -> Result<Contents> {
    let mut reader = BufReader::new(File::open(path).map_err(|e| Error::io(path, e))?);
    let header = MetaImageHeader::read(path, &mut reader)?;
    let (_, steps) = sizes(path, &header)?;
    let fourth = |names: &[&str]| -> Result<Option<f64>> {
        let found = header.along_axes(path, names)?;
        Ok(found.and_then(|(_, words)| words.get(3)?.parse().ok()))
    };
    let interval = fourth(&SPACINGS)?.unwrap_or(0.0);
    let start = fourth(&OFFSETS)?.unwrap_or(0.0);
    let array = InputArray::new(NO_NAME, components(path, &header)?);
    Ok(Contents::of_one(array, steps, contents::even_times(start, interval, steps)))
}

/// Fields for the distance along each axis; the first one counts.
const SPACINGS: [&str; 2] = ["elementspacing", "elementsize"];
/// Fields for where the first voxel lies.
const OFFSETS: [&str; 3] = ["offset", "position", "origin"];

/// Channels of a voxel.
fn components(path: &Path, header: &MetaImageHeader) -> Result<usize> {
    match header.optional_number(path, "elementnumberofchannels")?.unwrap_or(1usize) {
        0 => Err(Error::format(path, "ElementNumberOfChannels is 0")),
        components => Ok(components),
    }
}

/// Samples along x, y, z (missing axes have one), and time steps, the fourth axis.
fn sizes(path: &Path, header: &MetaImageHeader) -> Result<([u64; 3], usize)> {
    let sizes: Vec<u64> = header.numbers(path, "dimsize")?;
    if sizes.is_empty() || header.optional_number(path, "ndims")?.is_some_and(|n: usize| n != sizes.len()) {
        return Err(Error::format(path, format!("DimSize lists {} axes, NDims says otherwise", sizes.len())));
    }
    if sizes.len() > 4 {
        return Err(Error::unsupported(
            path,
            format!(
                "the image has {} axes; only volumes and series of them are supported: slice it first",
                sizes.len()
            ),
        ));
    }
    let at = |axis: usize| sizes.get(axis).copied().unwrap_or(1);
    let steps = usize::try_from(at(3)).ok().filter(|&steps| steps > 0);
    Ok((std::array::from_fn(at), steps.ok_or_else(|| Error::format(path, "the fourth axis is empty"))?))
}

/// The files that hold the samples, in order; none when they follow the header.
fn data_files(
    path: &Path,
    header: &MetaImageHeader,
    sizes: [u64; 3],
    options: &OpenOptions,
) -> Result<Vec<PathBuf>> {
    let words: Vec<&str> = header.data_file.split_whitespace().collect();
    let names: Vec<String> = match words.as_slice() {
        [word] if word.eq_ignore_ascii_case("local") => return Ok(Vec::new()),
        [_, dimension @ ..] if header::is_list(&header.data_file) => {
            // One file a slice, or a file of as many dimensions as said.
            if dimension.first().is_some_and(|d| *d != "2" && *d != "2D") && sizes[2] > 1 {
                return Err(Error::unsupported(path, "a LIST of files that are not slices is not supported"));
            }
            header.listed_files.clone()
        }
        [pattern, first, last, rest @ ..] if pattern.contains('%') => {
            let step = rest.first().copied().unwrap_or("1");
            detached::numbered(path, pattern, [first, last, step], options.limits.axis)?
        }
        _ => vec![header.data_file.clone()],
    };
    if names.is_empty() {
        return Err(Error::format(path, "ElementDataFile names no file"));
    }
    names.iter().map(|name| detached::file_of(path, name, options.allow_outside)).collect()
}

/// The geometry, and along which axes the header says the spacing.
fn geometry(
    path: &Path,
    header: &MetaImageHeader,
    shape: [usize; 3],
    given: Option<[f64; 3]>,
) -> Result<(Geometry, [bool; 3])> {
    let mut spacing = given.unwrap_or([1.0; 3]);
    let mut declares_spacing = [false; 3];
    if let Some((name, words)) = header.along_axes(path, &SPACINGS)? {
        for (axis, words) in words.into_iter().take(3).enumerate() {
            let size = words.trim_start_matches('-');
            if let Some(distance) =
                reading::distance(path, &format!("the header's field {name}"), size, given)?
            {
                declares_spacing[axis] = true;
                spacing[axis] = if size.len() < words.len() { -distance } else { distance };
            }
        }
    }
    let mut origin = [0.0; 3];
    if let Some((name, words)) = header.along_axes(path, &OFFSETS)? {
        for (origin, word) in origin.iter_mut().zip(words) {
            *origin = word.parse().map_err(|_| {
                Error::format(path, format!("'{word}' in the header's field {name} is not a number"))
            })?;
        }
    }
    let mut matrix: Vec<f64> = Vec::new();
    let mut matrix_name = "TransformMatrix";
    for name in ["TransformMatrix", "Rotation", "Orientation"] {
        if matrix.is_empty() {
            matrix = header.optional_numbers(path, &name.to_ascii_lowercase())?;
            matrix_name = name;
        }
    }
    let dimensions = header.numbers::<u64>(path, "dimsize")?.len();
    if !matrix.is_empty() && matrix.len() != dimensions * dimensions {
        return Err(Error::format(
            path,
            format!("{matrix_name} has {} numbers for {dimensions} axes", matrix.len()),
        ));
    }
    // Each axis' direction is a row of it.
    let step = |axis: usize| -> [f64; 3] {
        std::array::from_fn(|row| {
            let inside = !matrix.is_empty() && axis < dimensions && row < dimensions;
            let cosine = if inside { matrix[axis * dimensions + row] } else { f64::from(axis == row) };
            cosine * spacing[axis]
        })
    };
    let steps = [0, 1, 2].map(step);
    if let Some(axis) = (0..3).find(|&axis| shape[axis] > 1 && steps[axis] == [0.0; 3]) {
        return Err(Error::format(
            path,
            format!("the header's field {matrix_name} gives axis {axis} no direction: all its numbers are 0"),
        ));
    }
    let says = header.field("anatomicalorientation").is_some_and(|o| !o.contains('?'));
    let frame = if says { Frame::Lps } else { Frame::Unknown };
    Ok((affine::geometry(path, steps, origin, frame, shape)?, declares_spacing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Samples;

    fn read(files: &[(&str, &[u8])]) -> Result<Volume> {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        crate::io::open(folder.path().join(files[0].0), &OpenOptions::default())
    }

    #[test]
    fn an_attached_big_endian_image_with_a_rotation() {
        let text = b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = True\n\
            TransformMatrix = 0 1 0 -1 0 0 0 0 1\nOffset = 1 2 3\nElementSpacing = 2 3 4\n\
            AnatomicalOrientation = RAI\nDimSize = 2 1 1\nElementType = MET_SHORT\nElementDataFile = LOCAL\n\x01\x00\xff\xfe";
        assert!(recognises(text));
        let volume = read(&[("a.mha", text)]).unwrap();
        assert_eq!(*volume.samples(), Samples::I16(vec![256, -2]));
        assert_eq!(volume.geometry.index_to_world([1.0, 0.0, 0.0]), [1.0, 4.0, 3.0]);
        assert_eq!(volume.geometry.index_to_world([0.0, 1.0, 0.0]), [-2.0, 2.0, 3.0]);
        assert_eq!(volume.geometry.frame, Frame::Lps);
    }

    #[test]
    fn detached_files_a_list_and_a_pattern() {
        let header = |file: &str| {
            format!("NDims = 3\nDimSize = 1 1 2\nElementType = MET_UCHAR\nElementDataFile = {file}\n")
        };
        let one: [(&str, &[u8]); 2] = [("a.mhd", &header("a.raw").into_bytes()), ("a.raw", b"\x07\x08")];
        assert_eq!(*read(&one).unwrap().samples(), Samples::U8(vec![7, 8]));
        let slices: [(&str, &[u8]); 2] = [("s1.raw", b"\x01"), ("s2.raw", b"\x02")];
        for file in ["LIST\ns1.raw\ns2.raw", "LIST 2D\ns1.raw\ns2.raw", "s%d.raw 1 2 1", "s%01d.raw 1 2"] {
            let text = header(file).into_bytes();
            let volume = read(&[("a.mhd", &text), slices[0], slices[1]]).unwrap();
            assert_eq!(*volume.samples(), Samples::U8(vec![1, 2]), "{file}");
        }
        let behind =
            b"NDims = 1\nDimSize = 2\nHeaderSize = -1\nElementType = MET_UCHAR\nElementDataFile = a.raw\n";
        let volume = read(&[("a.mhd", behind), ("a.raw", b"any header\x05\x06")]).unwrap();
        assert_eq!(*volume.samples(), Samples::U8(vec![5, 6]));
    }

    #[test]
    fn what_is_no_scalar_volume_is_refused() {
        let refuse = |fields: &str, words: &str| {
            let text = format!("ObjectType = Image\n{fields}\nElementDataFile = LOCAL\n0123456789");
            let message = read(&[("a.mha", text.as_bytes())]).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        };
        refuse("DimSize = 1 1 1 2\nElementType = MET_UCHAR", "`time_step` 0 to 1");
        refuse("DimSize = 1 1 1 1 2\nElementType = MET_UCHAR", "5 axes");
        refuse("DimSize = 2 2\nElementNumberOfChannels = 3\nElementType = MET_UCHAR", "`component` 0 to 2");
        refuse("DimSize = 2 2\nElementType = MET_UCHAR_ARRAY", "MET_UCHAR_ARRAY");
        refuse("DimSize = 100 100 100\nElementType = MET_UCHAR", "truncated");
        refuse("DimSize = 2 x\nElementType = MET_UCHAR", "'x'");
        refuse("NDims = 2\nDimSize = 2 2 2\nElementType = MET_UCHAR", "NDims");
        refuse("ElementType = MET_UCHAR", "DimSize");
        refuse("DimSize = 2 2\nTransformMatrix = 1 0 0\nElementType = MET_UCHAR", "TransformMatrix");
        refuse("DimSize = 2 2\nBinaryData = False\nElementType = MET_UINT", "after 1 of 4 numbers");
        let away = b"DimSize = 2\nElementType = MET_UCHAR\nElementDataFile = ../a.raw\n";
        let message = read(&[("a.mhd", away)]).unwrap_err().to_string();
        assert!(message.contains("outside its folder"), "{message}");
        assert!(read(&[("a.mhd", b"DimSize = 2\n")]).is_err(), "no data file");
    }

    #[test]
    fn marks_and_capitals_are_no_matter() {
        let text =
            b"\xef\xbb\xbfOBJECTTYPE = Image\r\nndims = 1\r\nDIMSIZE = 2\r\nElementType = met_uchar\r\n\
            elementspacing = 0.5\r\nElementDataFile = local\r\n\x07\x08";
        let volume = read(&[("a", text)]).unwrap();
        assert_eq!((volume.samples(), volume.geometry.spacing[0]), (&Samples::U8(vec![7, 8]), 0.5));
        let list = b"DimSize = 1 2\nElementType = MET_UCHAR\nElementDataFile = list\na1\na2\n";
        let volume = read(&[("a.mhd", list), ("a1", b"\x01"), ("a2", b"\x02")]).unwrap();
        assert_eq!(*volume.samples(), Samples::U8(vec![1, 2]));
        // A name that begins like a list.
        let one = b"DimSize = 2\nElementType = MET_UCHAR\nElementDataFile = LISTED.raw\n";
        let volume = read(&[("a.mhd", one), ("LISTED.raw", b"\x01\x02")]).unwrap();
        assert_eq!(*volume.samples(), Samples::U8(vec![1, 2]));
    }

    #[test]
    fn a_number_that_cannot_be_read_is_not_taken_for_absent() {
        let of = |fields: &str, spacing: Option<[f64; 3]>| {
            let text =
                format!("DimSize = 2 1 1\nElementType = MET_UCHAR\n{fields}\nElementDataFile = LOCAL\n12");
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.mha");
            std::fs::write(&path, text).unwrap();
            let volume = crate::io::open(&path, &OpenOptions { spacing, ..OpenOptions::default() });
            volume.map(|volume| volume.geometry.spacing).map_err(|e| e.to_string())
        };
        for (fields, words) in [
            ("ElementSpacing = 0,5 0,5 2", "elementspacing is '0,5', which is not a distance"),
            ("ElementSpacing = 0.5,0.5,2", "holds 1 numbers for 3 axes: '0.5,0.5,2'"),
            ("ElementSpacing = 0.5 0.5", "holds 2 numbers for 3 axes"),
            ("ElementSpacing =", "holds 0 numbers for 3 axes"),
            ("ElementSpacing = 0 1 1", "'0', which is not a distance"),
            ("ElementSize = 0 1 1", "elementsize is '0', which is not a distance"),
            ("Offset = 1,5 0 0", "'1,5' in the header's field offset"),
            ("Offset = 1 0", "offset holds 2 numbers"),
            ("TransformMatrix = 0 0 0 0 0 0 0 0 0", "TransformMatrix gives axis 0 no direction"),
            ("TransformMatrix = 1 0 0 1 0 0 0 0 1", "in one plane"),
        ] {
            let message = of(fields, None).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
        assert_eq!(of("ElementSpacing = 0,5 0,5 2", Some([0.5, 0.5, 2.0])), Ok([0.5, 0.5, 2.0]));
        assert_eq!(of("ElementSize = 3 4 5", None), Ok([3.0, 4.0, 5.0]));
    }

    #[test]
    fn an_absolute_name_is_read_where_it_lies_beside_the_header() {
        let [folder, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let path = folder.path().join("a.mhd");
        let of = |data: &std::path::Path, allow_outside: bool| {
            let text =
                format!("DimSize = 2\nElementType = MET_UCHAR\nElementDataFile = {}\n", data.display());
            std::fs::write(&path, text).unwrap();
            let volume = crate::io::open(&path, &OpenOptions { allow_outside, ..OpenOptions::default() });
            volume.map(Volume::into_samples).map_err(|e| e.to_string())
        };
        std::fs::write(folder.path().join("a.raw"), b"\x01\x02").unwrap();
        std::fs::write(other.path().join("a.raw"), b"\x03\x04").unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("below/a.raw"), b"\x05\x06").unwrap();
        assert_eq!(of(&folder.path().join("a.raw"), false), Ok(Samples::U8(vec![1, 2])));
        assert_eq!(of(&folder.path().join("below/a.raw"), false), Ok(Samples::U8(vec![5, 6])));
        assert_eq!(of(&folder.path().join("below/../a.raw"), false), Ok(Samples::U8(vec![1, 2])));
        let message = of(&other.path().join("a.raw"), false).unwrap_err();
        assert!(message.contains("`allow_outside`") && message.contains("'a.raw' lies beside"), "{message}");
        assert_eq!(of(&other.path().join("a.raw"), true), Ok(Samples::U8(vec![3, 4])));
        // Where the header has been moved, and from another system.
        let message = of(std::path::Path::new("/gone/away/a.raw"), true).unwrap_err();
        assert!(
            message.contains("a.mhd: the file '/gone/away/a.raw' that it names cannot be read"),
            "{message}"
        );
        assert!(message.contains("'a.raw' lies beside the header"), "{message}");
        let message = of(std::path::Path::new("C:\\data\\a.raw"), false).unwrap_err();
        assert!(message.contains("'a.raw' lies beside the header"), "{message}");
        let message = of(std::path::Path::new("nothere.raw"), false).unwrap_err();
        assert!(
            message.contains("a.mhd: the file 'nothere.raw' that it names cannot be read: "),
            "{message}"
        );
    }

    #[test]
    fn a_missing_data_file_is_said_with_the_header_that_names_it() {
        for file in ["gone.raw", "LIST\ngone.raw", "gon%d.raw 1 1"] {
            let text = format!("DimSize = 2 1\nElementType = MET_UCHAR\nElementDataFile = {file}\n");
            let message = read(&[("a.mhd", text.as_bytes())]).unwrap_err().to_string();
            let name = if file.starts_with("gon%") { "gon1.raw" } else { "gone.raw" };
            assert!(message.contains("a.mhd: ") && message.contains(&format!("'{name}'")), "{message}");
            assert_eq!(message.matches("os error").count(), 1, "{message}");
        }
    }
}
