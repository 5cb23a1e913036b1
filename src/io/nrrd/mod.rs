//! NRRD: attached (`.nrrd`) and detached (`.nhdr`) headers; raw, gzip and ascii encodings.
//!
//! Specification: <https://teem.sourceforge.net/nrrd/format.html>.

mod data;
mod header;
mod write;

pub(super) use write::save;

use super::OpenOptions;
use super::affine::{self, RAS_LPS};
use super::colour::{COMPLEX, RGBA};
use super::contents::{self, Contents, InputArray, NO_NAME};
use super::elements::{self, ByteOrder, FilePart};
use super::located::{Content, Located, TextForm, Unread, stand_in};
use super::reading::{self, Reading};
use super::rescale::Rescale;
use crate::error::{Error, Result};
use crate::volume::{Frame, Geometry, Volume};
use header::{NrrdHeader, Vector};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Reads a volume; coordinates of a patient space become LPS.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Reading> {
    let (found, reader) = Found::of(path, options)?;
    let samples =
        data::read(path, &found.header, reader, found.stored, found.part, found.axes.steps, options)?;
    let mut volume = Volume::new(samples, found.axes.sizes.map(|n| n as usize))?;
    let declares_spacing = found.describe(path, &mut volume, options)?;
    Ok(Reading { volume, declares_spacing })
}

/// Where the samples lie.
pub(super) fn locate(path: &Path, options: &OpenOptions) -> Result<Unread> {
    let (found, reader) = Found::of(path, options)?;
    let mut described = stand_in(found.stored)?;
    let declares_spacing = found.describe(path, &mut described, options)?;
    let Found { header, axes, stored, part } = found;
    let files = data::files(path, &header, stored, part, axes.steps, options)?;
    let is_text = files.is_text;
    let order = if is_text { ByteOrder::NATIVE } else { header.byte_order(path, stored)? };
    let (file, offset, content) = match files.in_place(path)? {
        Some((file, offset)) => (file, offset, Content::InPlace),
        None => {
            let (stream, _) = files.stream(path, reader)?;
            let content = match is_text {
                // Commas separate as blanks do, as teem reads them.
                true => Content::Text(Box::new(stream), TextForm { commas: true, ..TextForm::default() }),
                false => Content::Bytes(Box::new(stream), 0),
            };
            (path.to_owned(), 0, content)
        }
    };
    let shape = axes.sizes.map(|n| n as usize);
    let located = Located { path: file, offset, stored, order, part, shape, described, declares_spacing };
    Ok(Unread { located, rescale: Rescale::NONE, content })
}

/// What a header says of the wanted volume.
struct Found {
    header: NrrdHeader,
    axes: Axes,
    stored: elements::StoredType,
    part: FilePart,
}

impl Found {
    /// With a reader that stands behind the header.
    fn of(path: &Path, options: &OpenOptions) -> Result<(Self, BufReader<File>)> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let header = NrrdHeader::read(path, &mut reader)?;
        let axes = Axes::of(path, &header)?;
        let stored = header.stored_type(path)?;
        let part = FilePart {
            count: elements::sample_count(path, axes.sizes, stored.size(), &options.limits)?,
            components: axes.components,
            component: super::component(path, "each voxel", axes.components, options)?,
            run: axes.sizes[..axes.before_components].iter().product::<u64>() as usize,
            step: super::time_step(path, axes.steps, options)?,
        };
        Ok((Self { header, axes, stored, part }, reader))
    }

    /// Says of a volume what the header does; along which axes that is the spacing.
    fn describe(&self, path: &Path, volume: &mut Volume, options: &OpenOptions) -> Result<[bool; 3]> {
        let shape = self.axes.sizes.map(|n| n as usize);
        let declares_spacing;
        (volume.geometry, declares_spacing) =
            geometry(path, &self.header, shape, &self.axes.space, options.spacing)?;
        if let Some(unit) = self.header.field("sample units") {
            volume.unit = unit.trim_matches('"').into();
        }
        volume.provenance.insert("source format".into(), "NRRD".into());
        volume.provenance.insert("source type".into(), self.stored.name().into());
        Ok(declares_spacing)
    }
}

/// One array; an axis of components makes several of a voxel.
pub(super) fn contents(path: &Path) -> Result<Contents> {
    let mut reader = BufReader::new(File::open(path).map_err(|e| Error::io(path, e))?);
    let header = NrrdHeader::read(path, &mut reader)?;
    let axes = Axes::of(path, &header)?;
    let times = times(path, &header, axes.steps)?;
    let array = InputArray::new(NO_NAME, axes.components).with_names(axes.component_names.iter().copied());
    Ok(Contents::of_one(array, axes.steps, times))
}

/// When each step is, where the last axis is said to be time, not a list: in seconds, by the axis' unit.
fn times(path: &Path, header: &NrrdHeader, steps: usize) -> Result<Option<Vec<f64>>> {
    let last = header.number::<usize>(path, "dimension")?.saturating_sub(1);
    let direction = header.vectors(path, "space directions")?.get(last).copied().flatten();
    if let Some(direction) = direction.filter(|direction| direction.is_of_time()) {
        let start = header.vectors(path, "space origin")?.first().copied().flatten();
        return Ok(contents::even_times(start.map_or(0.0, |start| start.time), direction.time, steps));
    }
    let kinds = header.field("kinds").unwrap_or_default().to_ascii_lowercase();
    if kinds.split_whitespace().nth(last) != Some("time") {
        return Ok(None);
    }
    let number = |name: &str| {
        let word = header.field(name).unwrap_or_default().split_whitespace().nth(last);
        word.and_then(|word| word.parse::<f64>().ok()).filter(|number| number.is_finite())
    };
    let (Some(interval), start) = (number("spacings"), number("axis mins").unwrap_or(0.0)) else {
        return Ok(None);
    };
    // One quoted unit an axis.
    let units: Vec<&str> = header.field("units").unwrap_or_default().split('"').skip(1).step_by(2).collect();
    let second = match units.get(last).copied().unwrap_or_default() {
        "" => Some(1.0),
        unit => contents::seconds(unit),
    };
    Ok(second.and_then(|second| contents::even_times(start * second, interval * second, steps)))
}

/// What an array's axes are.
struct Axes {
    /// Samples along the three axes of space; missing axes have one.
    sizes: [u64; 3],
    /// Which of the file's axes these are.
    space: Vec<usize>,
    /// Of the axis whose kind says so, else of the fastest axis when that is not an axis of space.
    components: usize,
    /// Of some kinds; they need not be as many as there are components.
    component_names: &'static [&'static str],
    /// How many axes of space come before that of the components.
    before_components: usize,
    /// Of the slowest axis when that is neither of the others.
    steps: usize,
}

/// Whether an axis of a kind counts the components of something, rather than positions, steps or what is not said.
fn counts_components(kind: &str) -> bool {
    const SOMETHING_ELSE: [&str; 8] = ["domain", "space", "time", "list", "stub", "scalar", "none", "???"];
    !SOMETHING_ELSE.contains(&kind)
}

fn component_names(kind: &str) -> &'static [&'static str] {
    match kind {
        "rgb-color" => &RGBA[..3],
        "rgba-color" => &RGBA,
        "hsv-color" => &["H", "S", "V"],
        "xyz-color" => &["X", "Y", "Z"],
        "complex" => &COMPLEX,
        _ => &[],
    }
}

impl Axes {
    fn of(path: &Path, header: &NrrdHeader) -> Result<Self> {
        let dimension = header.number::<usize>(path, "dimension")?;
        let sizes: Vec<u64> = header.numbers(path, "sizes")?;
        if sizes.len() != dimension || dimension == 0 {
            return Err(Error::format(
                path,
                format!("'sizes' lists {} axes, 'dimension' says {dimension}", sizes.len()),
            ));
        }
        let kinds = header.field("kinds").unwrap_or_default().to_ascii_lowercase();
        let kinds: Vec<&str> = kinds.split_whitespace().collect();
        let directions = header.vectors(path, "space directions")?;
        let of_space = |axis: usize| {
            let direction = directions.get(axis).copied();
            if direction.flatten().is_some_and(Vector::is_of_time) {
                // The fourth axis of the format's spaces with time.
                return false;
            }
            match kinds.get(axis) {
                Some(&("domain" | "space")) => true,
                None | Some(&("none" | "???" | "stub" | "scalar")) => direction.is_none_or(|d| d.is_some()),
                Some(_) => false,
            }
        };
        let last = dimension - 1;
        // The axis whose kind says that it counts components, or else the first one where it is not of space.
        let by_kind =
            (0..dimension).find(|&axis| kinds.get(axis).is_some_and(|kind| counts_components(kind)));
        let of_components = if of_space(0) { by_kind } else { Some(0) };
        let of_steps = Some(last).filter(|_| dimension > 1 && !of_space(last) && of_components != Some(last));
        let size = |axis: usize| sizes.get(axis).copied().unwrap_or(1);
        let others = |axis: &usize| Some(*axis) != of_components && Some(*axis) != of_steps;
        let space: Vec<usize> = (0..dimension).filter(others).collect();
        if space.is_empty() || space.len() > 3 || !space.iter().all(|&axis| of_space(axis)) {
            return Err(Error::unsupported(
                path,
                format!(
                    "the array has {dimension} axes, {} of them of space; neuvol reads up to 3 of space, components before \
                     and time steps behind them. Say which is which in the header, as in 'kinds: {}'",
                    (0..dimension).filter(|&axis| of_space(axis)).count(),
                    if dimension == 4 {
                        "domain domain domain list"
                    } else {
                        "vector domain domain domain list"
                    }
                ),
            ));
        }
        let count = |axis: Option<usize>| -> Result<usize> {
            let Some(axis) = axis else { return Ok(1) };
            let size = usize::try_from(size(axis)).ok().filter(|&n| n > 0);
            size.ok_or_else(|| Error::format(path, format!("axis {axis} is empty")))
        };
        let kind = of_components.and_then(|axis| kinds.get(axis).copied()).unwrap_or_default();
        Ok(Self {
            sizes: std::array::from_fn(|axis| space.get(axis).map_or(1, |&axis| size(axis))),
            components: count(of_components)?,
            component_names: component_names(kind),
            steps: count(of_steps)?,
            before_components: space.iter().filter(|&&axis| Some(axis) < of_components).count(),
            space,
        })
    }
}

/// The geometry from `space directions` and `space origin`, or from `spacings` and `axis mins`; also along which axes it
/// has a spacing of the file's.
///
/// `space` has the file's axes that are those of space.
fn geometry(
    path: &Path,
    header: &NrrdHeader,
    shape: [usize; 3],
    space: &[usize],
    given: Option<[f64; 3]>,
) -> Result<(Geometry, [bool; 3])> {
    let name = header.field("space").unwrap_or_default().to_ascii_lowercase();
    let (frame, flip) = match name.as_str() {
        "left-posterior-superior" | "lps" | "left-posterior-superior-time" | "lpst" => (Frame::Lps, [1.0; 3]),
        "right-anterior-superior" | "ras" | "right-anterior-superior-time" | "rast" => (Frame::Lps, RAS_LPS),
        "left-anterior-superior" | "las" | "left-anterior-superior-time" | "last" => {
            (Frame::Lps, [1.0, -1.0, 1.0])
        }
        // Scanner axes and bare handedness do not say where the patient's left is.
        _ => (Frame::Unknown, [1.0; 3]),
    };
    let mut steps = [[0.0; 3]; 3];
    let mut origin = [0.0; 3];
    let mut declares_spacing = [false; 3];
    if header.field("space directions").is_some() {
        let vectors = header.vectors(path, "space directions")?;
        for (axis, &of_file) in space.iter().enumerate() {
            let Some(vector) = vectors.get(of_file).copied().flatten() else { continue };
            if vector.space == [0.0; 3] && shape[axis] > 1 || vector.time != 0.0 && !vector.is_of_time() {
                return Err(Error::format(
                    path,
                    format!(
                        "header field 'space directions' gives axis {of_file} the vector {:?}, which is not a direction in space",
                        vector.space
                    ),
                ));
            }
            if !vector.is_of_time() {
                declares_spacing[axis] = true;
                steps[axis] = vector.space;
            }
        }
        let vectors = header.vectors(path, "space origin")?;
        origin = vectors.into_iter().next().flatten().map_or(origin, |vector| vector.space);
    } else {
        let spacings: Vec<&str> = header.field("spacings").unwrap_or_default().split_whitespace().collect();
        let dimension = header.number::<usize>(path, "dimension")?;
        if !spacings.is_empty() && spacings.len() != dimension {
            return Err(Error::format(
                path,
                format!("header field 'spacings' holds {} numbers for {dimension} axes", spacings.len()),
            ));
        }
        let mins = header.optional_numbers(path, "axis mins")?;
        let centers = header.field("centers").unwrap_or_default().to_ascii_lowercase();
        let centers: Vec<&str> = centers.split_whitespace().collect();
        for axis in 0..3 {
            // Beyond the file's axes where it has fewer of space.
            let of_file = space.get(axis).copied().unwrap_or(dimension);
            let spacing = match spacings.get(of_file) {
                // The format's word for an axis that has none.
                Some(words) if !words.eq_ignore_ascii_case("nan") => {
                    let size = words.trim_start_matches('-');
                    let sign = if size.len() < words.len() { -1.0 } else { 1.0 };
                    reading::distance(path, "header field 'spacings'", size, given)?.map(|size| sign * size)
                }
                _ => None,
            };
            declares_spacing[axis] = spacing.is_some();
            let spacing = spacing.or(given.map(|given| given[axis])).unwrap_or(1.0);
            steps[axis][axis] = spacing;
            let half = if centers.get(of_file) == Some(&"cell") { spacing / 2.0 } else { 0.0 };
            origin[axis] =
                mins.get(of_file).copied().filter(|m: &f64| m.is_finite()).map_or(0.0, |m| m + half);
        }
    }
    let to_lps = |v: [f64; 3]| std::array::from_fn(|row| v[row] * flip[row]);
    Ok((affine::geometry(path, steps.map(to_lps), to_lps(origin), frame, shape)?, declares_spacing))
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
    fn a_component_and_a_time_step_are_picked() {
        // Two components, two voxels, two steps.
        let text = b"NRRD0004\ntype: uint8\ndimension: 5\nsizes: 2 2 1 1 2\nkinds: vector domain domain domain time\n\
            spacings: nan 3 4 5 nan\nencoding: raw\n\n\x01\x02\x03\x04\x05\x06\x07\x08";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nrrd");
        std::fs::write(&path, text).unwrap();
        assert_eq!(crate::io::time_steps(&path, &OpenOptions::default()).unwrap(), 2);
        let options = OpenOptions { time_step: Some(1), component: Some(1), ..OpenOptions::default() };
        let volume = crate::io::open(&path, &options).unwrap();
        assert_eq!(*volume.samples(), Samples::U8(vec![6, 8]));
        assert_eq!(volume.geometry.spacing, [3.0, 4.0, 5.0]);
        // One component is one axis too.
        let text =
            b"NRRD0004\ntype: uint8\ndimension: 4\nsizes: 1 2 1 1\nkinds: vector domain domain domain\n\
            spacings: nan 3 4 5\nencoding: raw\n\n\x01\x02";
        std::fs::write(&path, text).unwrap();
        assert_eq!(
            crate::io::open(&path, &OpenOptions::default()).unwrap().geometry.spacing,
            [3.0, 4.0, 5.0]
        );
        // The same by the directions that are not of space.
        let text = b"NRRD0004\ntype: uint8\ndimension: 4\nsizes: 2 1 1 2\nspace: lps\n\
            space directions: (2,0,0) (0,2,0) (0,0,2) none\nencoding: ascii\n\n1 2 3 4\n";
        std::fs::write(&path, text).unwrap();
        let volume =
            crate::io::open(&path, &OpenOptions { time_step: Some(1), ..OpenOptions::default() }).unwrap();
        assert_eq!(*volume.samples(), Samples::U8(vec![3, 4]));
    }

    #[test]
    fn ras_coordinates_become_lps() {
        let text = b"NRRD0004\n# comment\ntype: int16\ndimension: 3\nspace: right-anterior-superior\nsizes: 2 1 1\n\
            space directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (10,20,30)\nencoding: ascii\nkey:=value\n\n5 -6\n";
        let volume = read(&[("a.nrrd", text)]).unwrap();
        assert_eq!(volume.geometry.origin, [-10.0, -20.0, 30.0]);
        assert_eq!(volume.geometry.index_to_world([1.0, 0.0, 0.0]), [-12.0, -20.0, 30.0]);
        assert_eq!(volume.geometry.frame, Frame::Lps);
        assert_eq!(*volume.samples(), Samples::I16(vec![5, -6]));
    }

    #[test]
    fn detached_big_endian_with_skips() {
        let header =
            b"NRRD0001\ntype: ushort\ndimension: 2\nsizes: 2 1\nendian: big\nencoding: raw\nline skip: 1\n\
            byte skip: 2\ndata file: a.bin\nspacings: 0.5 2\n";
        let volume = read(&[("a.nhdr", header), ("a.bin", b"a line\n__\x01\x00\x00\x02")]).unwrap();
        assert_eq!(*volume.samples(), Samples::U16(vec![256, 2]));
        assert_eq!(volume.geometry.spacing, [0.5, 2.0, 1.0]);
    }

    #[test]
    fn a_byte_skip_of_minus_one_counts_from_the_end() {
        let header = b"NRRD0001\ntype: uint8\ndimension: 1\nsizes: 2\nencoding: raw\nbyte skip: -1\ndata file: a.bin\n";
        let volume = read(&[("a.nhdr", header), ("a.bin", b"anything at all\x07\x08")]).unwrap();
        assert_eq!(*volume.samples(), Samples::U8(vec![7, 8]));
    }

    #[test]
    fn numbered_files_are_joined() {
        let header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 1 1 3\nencoding: raw\ndata file: s%02d.raw 9 11 1\n";
        let files: [(&str, &[u8]); 4] =
            [("a.nhdr", header), ("s09.raw", b"\x01"), ("s10.raw", b"\x02"), ("s11.raw", b"\x03")];
        assert_eq!(*read(&files).unwrap().samples(), Samples::U8(vec![1, 2, 3]));
        let message = read(&files[..3]).unwrap_err().to_string();
        assert!(message.contains("s11.raw"), "{message}");
    }

    #[test]
    fn data_files_outside_the_folder_are_refused() {
        for name in ["../secret.raw", "/etc/passwd", "a/../../secret.raw"] {
            let header =
                format!("NRRD0004\ntype: uint8\ndimension: 1\nsizes: 1\nencoding: raw\ndata file: {name}\n");
            let message = read(&[("a.nhdr", header.as_bytes())]).unwrap_err().to_string();
            assert!(message.contains("outside its folder"), "{message}");
        }
    }

    #[test]
    fn what_is_not_a_scalar_volume_is_refused() {
        let refuse = |fields: &str, words: &str| {
            let text = format!("NRRD0004\n{fields}\n\n0123456789");
            let message = read(&[("a.nrrd", text.as_bytes())]).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        };
        refuse("type: uint8\ndimension: 4\nsizes: 1 1 1 1\nencoding: raw", "4 axes");
        refuse(
            "type: uint8\ndimension: 2\nsizes: 2 1\nkinds: vector domain\nencoding: raw",
            "`component` 0 to 1",
        );
        refuse(
            "type: uint8\ndimension: 2\nsizes: 1 2\nkinds: domain time\nencoding: raw",
            "`time_step` 0 to 1",
        );
        refuse(
            "type: uint8\ndimension: 2\nsizes: 3 1\nkinds: RGB-color domain\nencoding: raw",
            "each voxel has 3 components",
        );
        refuse(
            "type: uint8\ndimension: 3\nsizes: 3 1 2\nkinds: RGB-color domain vector\nencoding: raw",
            "`component` 0 to 2",
        );
        refuse("type: uint8\ndimension: 2\nsizes: 1 0\nkinds: domain list\nencoding: raw", "empty");
        refuse("type: block\ndimension: 1\nsizes: 1\nencoding: raw", "'block'");
        refuse("type: uint8\ndimension: 1\nsizes: 1\nencoding: bzip2", "'bzip2'");
        refuse("type: int16\ndimension: 1\nsizes: 1\nencoding: raw", "endian");
        refuse("type: uint8\ndimension: 3\nsizes: 100 100 100\nencoding: raw", "truncated");
        refuse("type: uint8\ndimension: 3\nsizes: 100 100", "'sizes'");
        refuse("type: uint8\ndimension: 3", "'sizes'");
    }

    #[test]
    fn an_axis_of_components_may_stand_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nrrd");
        let samples: Vec<u8> = (0..36).collect();
        // Of voxel (1, 0, 2) of 2 x 1 x 3, the component 1.
        for (sizes, kinds, spacings, steps, names, expected) in [
            ("3 2 1 3", "RGB-color domain domain domain", "nan 2 3 4", 1, "RGB", 16.0),
            ("2 3 1 3", "domain RGB-color domain domain", "2 nan 3 4", 1, "RGB", 15.0),
            ("2 1 3 3", "domain space rgb-color domain", "2 3 nan 4", 1, "RGB", 15.0),
            ("2 1 3 3", "domain domain domain RGB-color", "2 3 4 nan", 1, "RGB", 11.0),
            ("2 1 3 2", "domain domain domain complex", "2 3 4 nan", 1, "realimaginary", 11.0),
            ("2 1 3 3", "domain domain domain 3-vector", "2 3 4 nan", 1, "", 11.0),
            ("2 1 3 3", "domain domain domain list", "2 3 4 nan", 3, "", 5.0),
            ("2 2 1 3 3", "domain XYZ-color domain domain time", "2 nan 3 4 5", 3, "", 11.0),
            ("2 3 1 3 2", "domain HSV-color domain domain time", "2 nan 3 4 5", 2, "HSV", 15.0),
            ("4 2 1 3", "RGBA-color domain domain domain", "nan 2 3 4", 1, "RGBA", 21.0),
            ("4 2 1 3", "quaternion domain domain domain", "nan 2 3 4", 1, "", 21.0),
        ] {
            let dimension = sizes.split(' ').count();
            let text = format!(
                "NRRD0004\ntype: uint8\ndimension: {dimension}\nsizes: {sizes}\nkinds: {kinds}\nspacings: {spacings}\n\
                 encoding: raw\n\n"
            );
            std::fs::write(&path, [text.as_bytes(), &samples].concat()).unwrap();
            let all = crate::io::Volumes::open(&path, &OpenOptions::default()).unwrap();
            let array = &all.arrays()[0];
            assert_eq!((all.len(), array.component_names.concat()), (steps, names.to_owned()), "{kinds}");
            let part = all.read_part(0, 1.min(array.components - 1), 0).unwrap();
            assert_eq!((part.shape(), part.geometry.spacing), ([2, 1, 3], [2.0, 3.0, 4.0]), "{kinds}");
            assert_eq!(part.samples().get(5), expected, "{kinds}");
        }
    }

    #[test]
    fn a_space_with_time_has_steps() {
        // One step is a volume of 2 x 1 x 1.
        let of = |space: &str, kinds: &str, directions: &str| {
            let text = format!(
                "NRRD0005\ntype: uint8\ndimension: 4\nsizes: 2 1 1 2\nspace: {space}\nspace directions: {directions}\n\
                 space origin: (1,2,3,0)\n{kinds}encoding: raw\n\n\x01\x02\x03\x04"
            );
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.nrrd");
            std::fs::write(&path, text).unwrap();
            crate::io::open(&path, &OpenOptions { time_step: Some(1), ..OpenOptions::default() })
        };
        let directions = "(0.5,0,0,0) (0,0.6,0,0) (0,0,2,0) (0,0,0,1.5)";
        for (space, x, frame) in [
            ("right-anterior-superior-time", -1.0, Frame::Lps),
            ("RAST", -1.0, Frame::Lps),
            ("LPST", 1.0, Frame::Lps),
            ("left-anterior-superior-time", 1.0, Frame::Lps),
            ("scanner-xyz-time", 1.0, Frame::Unknown),
            ("3D-right-handed-time", 1.0, Frame::Unknown),
        ] {
            for kinds in ["", "kinds: domain domain domain domain\n", "kinds: space space space time\n"] {
                let volume = of(space, kinds, directions).unwrap();
                assert_eq!(*volume.samples(), Samples::U8(vec![3, 4]), "{space} {kinds}");
                assert_eq!(volume.geometry.spacing, [0.5, 0.6, 2.0]);
                assert_eq!((volume.geometry.origin[0], volume.geometry.frame), (x, frame), "{space}");
            }
        }
        let message = of("RAS", "", directions).unwrap_err().to_string();
        assert!(message.contains("not a list of vectors of 3 numbers"), "{message}");
        let message =
            of("RAST", "", "(0.5,0,0,1) (0,0.6,0,0) (0,0,2,0) (0,0,0,1.5)").unwrap_err().to_string();
        assert!(
            message.contains("axis 0 the vector [0.5, 0.0, 0.0], which is not a direction in space"),
            "{message}"
        );
    }

    #[test]
    fn marks_and_capitals_are_no_matter() {
        let text = b"\xef\xbb\xbfNRRD0004\r\nTYPE: UInt8\r\nDimension: 1\r\nSIZES: 2\r\nEncoding: RAW\r\nSPACINGS: 0.5\r\n\
            Kinds: Domain\r\n\r\n\x07\x08";
        let volume = read(&[("a", text)]).unwrap();
        assert_eq!(*volume.samples(), Samples::U8(vec![7, 8]));
        assert_eq!(volume.geometry.spacing, [0.5, 1.0, 1.0]);
        let list = b"NRRD0004\ntype: uint8\ndimension: 1\nsizes: 2\nencoding: raw\nData File: list\ns1\ns2\n";
        let volume = read(&[("a.nhdr", list), ("s1", b"\x07"), ("s2", b"\x08")]).unwrap();
        assert_eq!(*volume.samples(), Samples::U8(vec![7, 8]));
    }

    #[test]
    fn a_spacing_that_cannot_be_read_is_not_taken_for_absent() {
        let of = |fields: &str, given: Option<[f64; 3]>| {
            let text = format!(
                "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 1 1\n{fields}\nencoding: raw\n\n\x01\x02"
            );
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.nrrd");
            std::fs::write(&path, text).unwrap();
            let volume = crate::io::open(&path, &OpenOptions { spacing: given, ..OpenOptions::default() });
            volume.map(|volume| volume.geometry.spacing).map_err(|e| e.to_string())
        };
        for (fields, words) in [
            ("spacings: 0,5 0,5 2", "'0,5', which is not a distance"),
            ("spacings: 0.5,0.5,2", "holds 1 numbers for 3 axes"),
            ("spacings: 0 1 1", "'0', which is not a distance"),
            ("spacings: inf 1 1", "'inf', which is not a distance"),
            ("space: RAS\nspace directions: (0,5,0,0) (0,1,0) (0,0,1)", "of 3 numbers"),
            ("space: RAS\nspace directions: (0,0,0) (0,1,0) (0,0,1)", "axis 0 the vector [0.0, 0.0, 0.0]"),
        ] {
            let message = of(fields, None).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
        assert_eq!(of("spacings: 0,5 2 nan", Some([0.5, 2.0, 3.0])), Ok([0.5, 2.0, 3.0]));
        assert_eq!(of("spacings: -0.5 1 1", None), Ok([0.5, 1.0, 1.0]));
    }

    #[test]
    fn four_axes_without_kinds_are_told_what_to_say() {
        let text = b"NRRD0005\ntype: uint8\ndimension: 4\nsizes: 1 1 1 1\nencoding: raw\n\n1";
        let message = read(&[("a.nrrd", text)]).unwrap_err().to_string();
        assert!(
            message.contains("'kinds: domain domain domain list'") && !message.contains("  "),
            "{message}"
        );
    }
}
