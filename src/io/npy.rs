//! NumPy's `.npy`, versions 1 to 3: arrays of one to four axes, of numbers, complex numbers or fields of one type.
//!
//! Specification: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. C order is z, y, x, so that x is
//! fastest in memory as it is here, and time comes first; an array in Fortran order is x, y, z, time.

use super::OpenOptions;
use super::colour::COMPLEX;
use super::contents::{Contents, InputArray, NO_NAME};
use super::elements::{self, ByteOrder, FilePart, StoredType};
use super::located::{Located, stand_in};
use super::reading::Reading;
use super::save::Written;
use crate::atomic;
use crate::error::{Error, Result};
use crate::volume::SampleType;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// First bytes of every file.
pub(super) const SIGNATURE: &[u8] = b"\x93NUMPY";

/// A longer header than this is no header.
const LONGEST_HEADER_BYTES: u32 = 1 << 20;

/// Reads an array; its geometry is unit, in an unknown frame.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Reading> {
    let Located { offset, stored, order, part, shape, mut described, .. } = locate(path, options)?;
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(|e| Error::io(path, e))?);
    let before = FilePart { step: 0, ..part }.bytes_to_its_end(stored).saturating_mul(part.step as u64);
    reader.seek(SeekFrom::Start(offset.saturating_add(before))).map_err(|e| Error::io(path, e))?;
    let samples = FilePart { step: 0, ..part }.read(path, &mut reader, stored, order)?;
    described.put_samples(samples, shape)?;
    Ok(Reading::without_spacing(described))
}

/// Where the samples lie.
pub(super) fn locate(path: &Path, options: &OpenOptions) -> Result<Located> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let (header, offset) = header(path, &mut BufReader::new(file))?;
    let Element { stored, order, components, .. } = Element::of(path, value(path, &header, "descr")?)?;
    let (shape, steps) = extents(path, &header)?;
    let step = super::time_step(path, steps, options)?;
    let component = super::component(path, "each element", components, options)?;
    let count = elements::sample_count(path, shape, stored.size(), &options.limits)?;
    let part = FilePart { count, components, component, run: 1, step };
    elements::check_file_holds(path, part.bytes_to_its_end(stored), length.saturating_sub(offset), false)?;
    let mut described = stand_in(stored)?;
    described.provenance.insert("source format".into(), "NumPy".into());
    described.provenance.insert("source type".into(), stored.name().into());
    Ok(Located {
        path: path.to_owned(),
        offset,
        stored,
        order,
        part,
        shape: shape.map(|n| n as usize),
        described,
        declares_spacing: [false; 3],
    })
}

/// One array, of as many volumes over time as it holds.
pub(super) fn contents(path: &Path) -> Result<Contents> {
    let mut reader = BufReader::new(File::open(path).map_err(|e| Error::io(path, e))?);
    let (header, _) = header(path, &mut reader)?;
    let (_, steps) = extents(path, &header)?;
    let Element { components, names, .. } = Element::of(path, value(path, &header, "descr")?)?;
    Ok(Contents::of_one(InputArray::new(NO_NAME, components).with_names(names), steps, None))
}

/// Samples along x, y, z, and time steps: whichever axis is fastest is x, a fourth one is time.
fn extents(path: &Path, header: &str) -> Result<([u64; 3], usize)> {
    let mut axes = axes(path, value(path, header, "shape")?)?;
    if !value(path, header, "fortran_order")?.starts_with("True") {
        axes.reverse();
    }
    let at = |axis: usize| axes.get(axis).copied().unwrap_or(1);
    let steps = usize::try_from(at(3)).ok().filter(|&steps| steps > 0);
    let steps = steps.ok_or_else(|| Error::format(path, "the time axis is empty"))?;
    Ok((std::array::from_fn(at), steps))
}

/// The header's text, a Python dictionary, and the bytes up to its end.
fn header(path: &Path, reader: &mut impl Read) -> Result<(String, u64)> {
    let truncated = |_| Error::format(path, "the file ends inside its header");
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(truncated)?;
    if !start.starts_with(SIGNATURE) {
        return Err(Error::format(path, "the file does not start with '\\x93NUMPY'"));
    }
    let mut length = [0; 4];
    let length_bytes = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => {
            return Err(Error::unsupported(
                path,
                format!("version {version} of the format is not supported"),
            ));
        }
    };
    reader.read_exact(&mut length[..length_bytes]).map_err(truncated)?;
    let length = u32::from_le_bytes(length);
    if length > LONGEST_HEADER_BYTES {
        return Err(Error::format(
            path,
            format!("invalid header length of {length} bytes, more than {LONGEST_HEADER_BYTES}"),
        ));
    }
    let mut text = vec![0; length as usize];
    reader.read_exact(&mut text).map_err(truncated)?;
    Ok((String::from_utf8_lossy(&text).into_owned(), (8 + length_bytes) as u64 + u64::from(length)))
}

/// The text behind a key of the dictionary.
fn value<'a>(path: &Path, header: &'a str, key: &str) -> Result<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let found = quoted.iter().find_map(|key| header.split_once(key.as_str()));
    let behind = found.and_then(|(_, rest)| rest.trim_start().strip_prefix(':')).map(str::trim_start);
    behind.ok_or_else(|| Error::format(path, format!("the header lacks '{key}'")))
}

/// A value of the dictionary without what follows it: up to the comma outside of all brackets.
fn own_value(text: &str) -> &str {
    let mut depth = 0i32;
    let mut quote = None;
    let end = text.find(|c: char| {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') if depth > 0 => depth -= 1,
            (None, ',' | '}') => return depth == 0,
            _ => {}
        }
        false
    });
    text.get(..end.unwrap_or(text.len())).unwrap_or_default().trim()
}

/// What an element of an array holds: a number, the parts of a complex one, or fields of one type.
struct Element {
    stored: StoredType,
    order: ByteOrder,
    components: usize,
    names: Vec<String>,
}

impl Element {
    /// NumPy's description of a type: `'<f4'`, or `[('R', '|u1'), ('G', '|u1')]` for fields.
    fn of(path: &Path, text: &str) -> Result<Self> {
        let refused = |what: &str| {
            let way_on = "not supported; save numbers (array.astype), or fields of one type";
            Err(Error::unsupported(path, format!("elements of type {what} are {way_on}")))
        };
        let text = own_value(text);
        if let Some((name, "")) = quoted(text) {
            if let Some((stored, order)) = number(name) {
                return Ok(Self { stored, order, components: 1, names: Vec::new() });
            }
            let half = match name.trim_start_matches(['<', '>', '=']) {
                "c8" => "f4",
                "c16" => "f8",
                _ => return refused(&format!("'{name}'")),
            };
            let prefix = name.split('c').next().unwrap_or_default();
            return match number(&format!("{prefix}{half}")) {
                Some((stored, order)) => {
                    Ok(Self { stored, order, components: 2, names: COMPLEX.map(String::from).into() })
                }
                None => refused(&format!("'{name}'")),
            };
        }
        let Some(fields) = fields(text) else { return refused(text) };
        let types = fields.iter().map(|(_, kind)| number(kind)).collect::<Option<Vec<_>>>();
        match types.as_deref() {
            Some([first, others @ ..]) if others.iter().all(|other| other == first) => Ok(Self {
                stored: first.0,
                order: first.1,
                components: fields.len(),
                names: fields.iter().map(|(name, _)| (*name).to_owned()).collect(),
            }),
            _ => refused(text),
        }
    }
}

/// The text in quotes that a text begins with, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| ['\'', '"'].contains(c))?;
    text.get(1..)?.split_once(quote)
}

/// Name and type of each field; `None` where there is more to them.
fn fields(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut rest = text.strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (name, behind) = quoted(rest.strip_prefix('(')?.trim_start())?;
        let (kind, behind) = quoted(behind.trim_start().strip_prefix(',')?.trim_start())?;
        fields.push((name, kind));
        rest = behind.trim_start().strip_prefix(')')?.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(fields).filter(|fields| !fields.is_empty())
}

/// The type of a number, as `<f4`.
fn number(name: &str) -> Option<(StoredType, ByteOrder)> {
    let (order, name) = match name.split_at_checked(1) {
        Some(("<", rest)) => (ByteOrder::Little, rest),
        Some((">", rest)) => (ByteOrder::Big, rest),
        Some(("|" | "=", rest)) => (ByteOrder::NATIVE, rest),
        _ => (ByteOrder::NATIVE, name),
    };
    let stored = match name {
        "u1" | "b1" => StoredType::Kept(SampleType::U8),
        "i1" => StoredType::Kept(SampleType::I8),
        "u2" => StoredType::Kept(SampleType::U16),
        "i2" => StoredType::Kept(SampleType::I16),
        "u4" => StoredType::Kept(SampleType::U32),
        "i4" => StoredType::Kept(SampleType::I32),
        "u8" => StoredType::U64,
        "i8" => StoredType::I64,
        "f4" => StoredType::Kept(SampleType::F32),
        "f8" => StoredType::Kept(SampleType::F64),
        _ => return None,
    };
    Some((stored, order))
}

/// The shape's tuple.
fn axes(path: &Path, text: &str) -> Result<Vec<u64>> {
    let bad = || Error::format(path, "the header's 'shape' is not a tuple of numbers");
    let inside = text.strip_prefix('(').and_then(|t| t.split_once(')')).ok_or_else(bad)?.0;
    let words = inside.split(',').map(str::trim).filter(|w| !w.is_empty());
    let axes: Vec<u64> =
        words.map(|w| w.trim_end_matches('L').parse().map_err(|_| bad())).collect::<Result<_>>()?;
    if axes.len() > 4 {
        return Err(Error::unsupported(
            path,
            format!(
                "the array has {} axes; only volumes and series of them (time, z, y, x) are supported: save a part of it",
                axes.len()
            ),
        ));
    }
    Ok(axes)
}

/// Writes the samples in C order, (z, y, x); geometry, name and unit are not kept.
pub(super) fn save(written: &Written<'_>, path: &Path) -> Result<()> {
    let [nx, ny, nz] = written.header().shape;
    let descr = match written.header().sample_type {
        SampleType::U8 => "|u1",
        SampleType::I8 => "|i1",
        SampleType::U16 => "<u2",
        SampleType::I16 => "<i2",
        SampleType::U32 => "<u4",
        SampleType::I32 => "<i4",
        SampleType::F32 => "<f4",
        SampleType::F64 => "<f8",
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({nz}, {ny}, {nx}), }}");
    // The samples begin at a multiple of 64 bytes; the header ends in a line break.
    let padding =
        (SIGNATURE.len() + 4 + text.len() + 1).next_multiple_of(64) - (SIGNATURE.len() + 4 + text.len() + 1);
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let header = [SIGNATURE, &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
    atomic::write(path, |out| {
        out.write_all(&header).map_err(|e| Error::io(path, e))?;
        written.write_little_endian(path, out)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Samples;
    use crate::volume::Volume;

    fn file(header: &str, samples: &[u8]) -> Vec<u8> {
        [SIGNATURE, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), samples].concat()
    }

    fn read(bytes: &[u8]) -> Result<Volume> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        std::fs::write(&path, bytes).unwrap();
        crate::io::open(&path, &OpenOptions::default())
    }

    #[test]
    fn c_and_fortran_order_and_both_byte_orders() {
        let c = file(
            "{'descr': '>i2', 'fortran_order': False, 'shape': (1, 2, 3), }\n",
            &[0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6],
        );
        let volume = read(&c).unwrap();
        assert_eq!((volume.shape(), volume.samples()), ([3, 2, 1], &Samples::I16(vec![1, 2, 3, 4, 5, 6])));
        let fortran = file("{'shape': (3, 2), 'fortran_order': True, 'descr': '|u1'}\n", &[1, 2, 3, 4, 5, 6]);
        assert_eq!(read(&fortran).unwrap().shape(), [3, 2, 1]);
        let line = file(
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n",
            &[0, 0, 128, 63, 0, 0, 0, 64],
        );
        assert_eq!(*read(&line).unwrap().samples(), Samples::F32(vec![1.0, 2.0]));
    }

    #[test]
    fn fields_and_complex_numbers_are_components() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let all = |descr: &str, samples: &[u8]| {
            let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (2, 1, 1, 2), }}\n");
            std::fs::write(&path, file(&header, samples)).unwrap();
            crate::io::Volumes::open(&path, &OpenOptions::default()).unwrap()
        };
        let numbers: Vec<u8> = (0..12).collect();
        let rgb = all("[('R', '|u1'), (\"G\", '|u1'), ('B', '|u1')]", &numbers);
        assert_eq!((rgb.len(), rgb.arrays()[0].component_names.concat()), (2, "RGB".into()));
        assert_eq!(*rgb.read_part(0, 1, 1).unwrap().samples(), Samples::U8(vec![7, 10]));
        let one = all("[('only', '|u1')]", &numbers[..4]);
        assert_eq!(*one.read(1).unwrap().samples(), Samples::U8(vec![2, 3]));
        let floats: Vec<u8> = (0..8).flat_map(|n| (n as f32).to_be_bytes()).collect();
        let complex = all("'>c8'", &floats);
        assert_eq!(complex.arrays()[0].component_names, ["real", "imaginary"]);
        assert_eq!(*complex.read_part(0, 1, 1).unwrap().samples(), Samples::F32(vec![5.0, 7.0]));
        assert!(complex.read_part(0, 2, 1).is_err());
    }

    #[test]
    fn what_is_no_volume_is_refused() {
        let refuse = |bytes: &[u8], words: &str| {
            let message = read(bytes).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        };
        let plain = |descr: &str, shape: &str| {
            file(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"), &[0; 16])
        };
        refuse(&plain("'<c32'", "(2,)"), "'<c32'");
        refuse(&plain("'<c8'", "(2,)"), "each element has 2 components; choose one with `component` 0 to 1");
        refuse(&plain("[('a', '<f4'), ('b', '<i4')]", "(2,)"), "[('a', '<f4'), ('b', '<i4')] are");
        refuse(&plain("[('a', '<f4', (2,))]", "(2,)"), "[('a', '<f4', (2,))] are");
        refuse(&plain("[]", "(2,)"), "[] are");
        refuse(
            &plain("[('a,}', '<f4'), ('b', ('<i4', (2,)))]", "(2,)"),
            "('b', ('<i4', (2,)))] are not supported",
        );
        refuse(
            &plain("{'names': ['a'], 'formats': ['<f4']}", "(2,)"),
            "'formats': ['<f4']} are not supported",
        );
        refuse(&plain("'<f4'", "(2, 1, 1, 1, 1)"), "5 axes");
        refuse(&plain("'<f4'", "(2, 1, 1, 1)"), "`time_step` 0 to 1");
        refuse(&plain("'<f4'", "(100, 100)"), "truncated");
        refuse(&plain("'<f4'", "(0, 4)"), "empty");
        refuse(&plain("'<f4'", "(a, 4)"), "'shape'");
        refuse(&file("{'descr': '<f4'}", &[]), "'shape'");
        refuse(&file("{}", &[])[..9], "header");
        refuse(b"\x93NUMPY\x09\x00\x00\x00", "version 9");
        refuse(b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "invalid header length");
    }
}
