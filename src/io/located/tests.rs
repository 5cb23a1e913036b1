//! Every box of a source is that of the volume that is read whole.

use super::*;
use crate::error::Error;
use crate::io::save;
use crate::volume::{Association, Frame, Geometry, Samples, Volume, VolumeHeader, for_each_type};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::Write;
use std::path::PathBuf;

mod images;

/// Boxes at odd places of a shape, the whole first.
fn boxes(shape: [usize; 3]) -> Vec<([usize; 3], [usize; 3])> {
    let last = shape.map(|n| n - 1);
    let middle = shape.map(|n| n / 2);
    let rest = |start: [usize; 3]| std::array::from_fn(|a| shape[a] - start[a]);
    let mut boxes = vec![
        ([0; 3], shape),
        (last, [1; 3]),
        (middle, rest(middle)),
        ([0, middle[1], last[2]], [shape[0], shape[1] - middle[1], 1]),
        ([0, 0, middle[2]], [shape[0], shape[1], shape[2] - middle[2]]),
    ];
    if shape.iter().all(|&n| n > 2) {
        boxes.push(([1; 3], shape.map(|n| n - 2)));
    }
    boxes
}

/// Compares what an input gives as a source with what it gives as a whole: header and boxes, or an error; and nothing is left
/// in the folder of the temporary file. [`crate::io::open`] calls it in tests, whatever they read.
pub(in crate::io) fn compare(path: &Path, options: &OpenOptions, whole: &Result<Volume>) {
    let options = OpenOptions { progress: None, ..options.clone() };
    let folder = tempfile::tempdir().unwrap();
    let opened = find_source(path, &options).and_then(|found| {
        let Some(found) = found else { return Ok(None) };
        let shape = found.shape();
        let source = found.open(folder.path())?;
        assert_eq!(shape, source.header().shape, "{}", path.display());
        let samples = source.read([0; 3], shape)?;
        Ok(Some((source, samples)))
    });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something is left");
    match (whole, opened) {
        (_, Ok(None)) | (Err(_), Err(_)) => {}
        (Ok(whole), Ok(Some((source, samples)))) => {
            assert_eq!(source.header(), VolumeHeader::of(whole), "{}", path.display());
            assert!(same(&samples, whole.samples()), "{}", path.display());
            for (start, size) in boxes(whole.shape()) {
                let expected = Source::read(whole, start, size).unwrap();
                let found = source.read(start, size).unwrap();
                assert!(same(&found, &expected), "{} {start:?} {size:?}", path.display());
            }
        }
        (Err(error), Ok(Some(_))) => panic!("read box by box, but not whole: {error}"),
        (Ok(_), Err(error)) => panic!("read whole, but not box by box: {error}"),
    }
}

/// Bit for bit, NaN included.
fn same(a: &Samples, b: &Samples) -> bool {
    a.sample_type() == b.sample_type() && a.as_bytes() == b.as_bytes()
}

/// How an input is read box by box.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    InPlace,
    /// Out of a temporary file.
    Unpacked,
}

/// That an input is read box by box, in this way, as it is read whole; the volume.
fn agree(path: &Path, options: &OpenOptions, way: Way) -> Volume {
    let found = find_source(path, options).unwrap().unwrap_or_else(|| panic!("{}", path.display()));
    let found_way = if found.temporary_bytes() == 0 { Way::InPlace } else { Way::Unpacked };
    assert_eq!(found_way, way, "{}", path.display());
    // Which compares.
    let whole = crate::io::open(path, options).unwrap();
    if way == Way::Unpacked && !options.stored_values {
        let size = |samples: &Samples| samples.as_bytes().len() as u64;
        assert!(found.temporary_bytes() <= 4 * size(whole.samples()), "{}", path.display());
    }
    whole
}

pub(super) const SHAPE: [usize; 3] = [7, 5, 3];

/// Numbers that need all bytes of their type, some of them negative where it is signed.
fn samples(sample_type: SampleType, count: usize) -> Samples {
    let mut samples = Samples::zeros(sample_type, count);
    for_each_type!(&mut samples, values => {
        for (n, byte) in bytemuck::cast_slice_mut::<_, u8>(values).iter_mut().enumerate() {
            *byte = ((n as u64).wrapping_mul(2_654_435_769) >> 13) as u8;
        }
    });
    samples
}

fn bytes_of(samples: &Samples, big: bool) -> Vec<u8> {
    let mut bytes = samples.as_bytes().to_vec();
    if big == cfg!(target_endian = "little") {
        crate::io::elements::swap_bytes(&mut bytes, samples.sample_type().size());
    }
    bytes
}

fn text_of(samples: &Samples, between: &str) -> String {
    // Random bits may be no number that words have.
    for_each_type!(samples, values => {
        let words: Vec<String> = values.iter().map(|v| if v.to_f64().is_finite() { v.to_string() } else { "1".into() }).collect();
        words.join(between)
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    // Several members, as bgzip writes them.
    let member = |part: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap()
    };
    bytes.chunks(200).flat_map(member).collect()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn write(folder: &tempfile::TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn component(component: usize, time_step: usize) -> OpenOptions {
    OpenOptions { component: Some(component), time_step: Some(time_step), ..OpenOptions::default() }
}

#[test]
fn what_we_write_is_read_box_by_box_in_every_format_and_type() {
    let folder = tempfile::tempdir().unwrap();
    for sample_type in SampleType::ALL {
        let mut volume = Volume::new(samples(sample_type, 105), SHAPE).unwrap();
        volume.geometry =
            Geometry { spacing: [0.5, 1.0, 2.0], origin: [3.0, -4.0, 5.0], ..Geometry::default() };
        volume.geometry.frame = Frame::Lps;
        volume.name = "a name".into();
        for (ending, way) in [
            ("nii", Way::InPlace),
            ("nii.gz", Way::Unpacked),
            ("vti", Way::Unpacked),
            ("npy", Way::InPlace),
            ("raw", Way::InPlace),
            ("mhd", Way::InPlace),
        ] {
            let path = folder.path().join(format!("of {ending}, {sample_type}.{ending}"));
            volume.association = match ending {
                "vti" if sample_type == SampleType::I16 => Association::of_cells([8, 6, 4]),
                _ => Association::Point,
            };
            save(&volume, &path).unwrap();
            let is_raw = ending == "raw";
            let options = OpenOptions {
                dims: is_raw.then_some(SHAPE),
                sample_type: is_raw.then_some(sample_type),
                fill_value: Some(3.0),
                ..OpenOptions::default()
            };
            let read = agree(&path, &options, way);
            assert!(same(read.samples(), volume.samples()), "{}", path.display());
        }
        // Whether these are compressed is not ours to say.
        for ending in ["nrrd", "mha"] {
            let path = folder.path().join(format!("{sample_type}.{ending}"));
            save(&volume, &path).unwrap();
            assert!(find_source(&path, &OpenOptions::default()).unwrap().is_some());
            crate::io::open(&path, &OpenOptions::default()).unwrap();
        }
    }
}

#[test]
fn nrrd_of_every_encoding_and_order_of_axes() {
    let folder = tempfile::tempdir().unwrap();
    for sample_type in SampleType::ALL {
        for (sizes, kinds) in [
            ("3 7 5 3 2", "vector domain domain domain list"),
            ("7 3 5 3 2", "domain vector domain domain list"),
            ("7 5 3 3 2", "domain domain vector domain list"),
            ("7 5 3 3 2", "domain domain domain vector list"),
        ] {
            let all = samples(sample_type, 105 * 3 * 2);
            for (encoding, big) in
                [("raw", false), ("raw", true), ("gzip", true), ("gzip", false), ("ascii", false)]
            {
                let header = format!(
                    "NRRD0004\ntype: {}\ndimension: 5\nsizes: {sizes}\nkinds: {kinds}\nendian: {}\nencoding: {encoding}\n",
                    sample_type.name().replace("float32", "float").replace("float64", "double"),
                    if big { "big" } else { "little" }
                );
                let data = match encoding {
                    "raw" => bytes_of(&all, big),
                    "gzip" => gzip(&bytes_of(&all, big)),
                    _ => text_of(&all, ", ").into_bytes(),
                };
                let way = if encoding == "raw" { Way::InPlace } else { Way::Unpacked };
                let attached = write(&folder, "a.nrrd", [header.as_bytes(), b"\n", &data].concat());
                write(&folder, "a.data", &data);
                let detached = write(&folder, "a.nhdr", format!("{header}data file: a.data\n"));
                for (part, step) in [(0, 0), (2, 1)] {
                    let volumes = [&attached, &detached].map(|path| agree(path, &component(part, step), way));
                    assert!(same(volumes[0].samples(), volumes[1].samples()));
                }
            }
        }
    }
    // Behind other bytes, or lines, or in a file a slice.
    let data: Vec<u8> = (0..210).collect();
    let header = "NRRD0004\ntype: int16\ndimension: 3\nsizes: 7 5 3\nendian: big\n";
    write(&folder, "b.data", [b"twelve bytes", &data[..]].concat());
    write(&folder, "c.data", [b"a line\nand\n", &data[..]].concat());
    write(&folder, "d.data", gzip(&[b"12", &data[..]].concat()));
    for n in 0..3 {
        write(&folder, &format!("s{n}.data"), &data[70 * n..70 * (n + 1)]);
        write(&folder, &format!("z{n}.data"), gzip(&data[70 * n..70 * (n + 1)]));
    }
    let expected = Samples::I16(data.as_chunks().0.iter().map(|b| i16::from_be_bytes(*b)).collect());
    for (fields, way) in [
        ("encoding: raw\nbyte skip: 12\ndata file: b.data\n", Way::InPlace),
        ("encoding: raw\nbyte skip: -1\ndata file: b.data\n", Way::InPlace),
        ("encoding: raw\nline skip: 2\ndata file: c.data\n", Way::Unpacked),
        ("encoding: gzip\nbyte skip: 2\ndata file: d.data\n", Way::Unpacked),
        ("encoding: raw\ndata file: s%d.data 0 2 1\n", Way::Unpacked),
        ("encoding: gzip\ndata file: LIST\nz0.data\nz1.data\nz2.data\n", Way::Unpacked),
    ] {
        let path = write(&folder, "e.nhdr", format!("{header}{fields}"));
        assert_eq!(*agree(&path, &OpenOptions::default(), way).samples(), expected, "{fields}");
    }
}

#[test]
fn metaimage_of_every_coding() {
    let folder = tempfile::tempdir().unwrap();
    for (sample_type, name) in [
        (SampleType::U8, "MET_UCHAR"),
        (SampleType::I16, "MET_SHORT"),
        (SampleType::U32, "MET_UINT"),
        (SampleType::F64, "MET_DOUBLE"),
    ] {
        let all = samples(sample_type, 105 * 3 * 2);
        for big in [false, true] {
            for (coding, way) in [
                ("", Way::InPlace),
                ("CompressedData = True\n", Way::Unpacked),
                ("BinaryData = False\n", Way::Unpacked),
                ("CompressedData = True\nBinaryData = False\n", Way::Unpacked),
            ] {
                let data = match coding.contains("BinaryData") {
                    true => text_of(&all, "\n").into_bytes(),
                    false => bytes_of(&all, big),
                };
                let data = if coding.starts_with('C') { zlib(&data) } else { data };
                let header = format!(
                    "NDims = 4\nDimSize = 7 5 3 2\nElementNumberOfChannels = 3\nElementType = {name}\n{coding}\
                     BinaryDataByteOrderMSB = {}\nElementSpacing = 1 2 3 1\n",
                    if big { "True" } else { "False" }
                );
                let local = [header.as_bytes(), b"ElementDataFile = LOCAL\n", &data].concat();
                let local = write(&folder, "a.mha", local);
                write(&folder, "a.data", [b"abc", &data[..]].concat());
                let skip = if coding.is_empty() { -1 } else { 3 };
                let beside = format!("{header}HeaderSize = {skip}\nElementDataFile = a.data\n");
                let beside = write(&folder, "a.mhd", beside);
                for (part, step) in [(0, 0), (2, 1), (1, 0)] {
                    agree(&local, &component(part, step), way);
                    // What is compressed has no bytes before it.
                    if !coding.starts_with('C') {
                        agree(&beside, &component(part, step), way);
                    }
                }
            }
        }
    }
    let path = write(
        &folder,
        "b.mhd",
        "NDims = 3\nDimSize = 2 1 3\nElementType = MET_UCHAR\nElementDataFile = LIST\ns0\ns1\ns2\n",
    );
    for n in 0..3u8 {
        write(&folder, &format!("s{n}"), [n, n + 10]);
    }
    let volume = agree(&path, &OpenOptions::default(), Way::Unpacked);
    assert_eq!(*volume.samples(), Samples::U8(vec![0, 10, 1, 11, 2, 12]));
}

/// A NIfTI-1 file of `SHAPE` and two steps.
fn nifti(datatype: i16, slope: f32, intercept: f32, big: bool, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0u8; 352];
    let mut put = |at: usize, little: &[u8]| {
        let mut field = little.to_vec();
        if big {
            field.reverse();
        }
        bytes[at..at + field.len()].copy_from_slice(&field);
    };
    put(0, &348i32.to_le_bytes());
    for (n, extent) in [4i16, 7, 5, 3, 2].into_iter().enumerate() {
        put(40 + 2 * n, &extent.to_le_bytes());
        put(76 + 4 * n, &1.5f32.to_le_bytes());
    }
    put(70, &datatype.to_le_bytes());
    put(108, &352f32.to_le_bytes());
    put(112, &slope.to_le_bytes());
    put(116, &intercept.to_le_bytes());
    bytes[344..348].copy_from_slice(b"n+1\0");
    [&bytes, data].concat()
}

#[test]
fn nifti_is_unzipped_and_rescaled() {
    let folder = tempfile::tempdir().unwrap();
    for (datatype, sample_type) in [
        (2, SampleType::U8),
        (256, SampleType::I8),
        (512, SampleType::U16),
        (4, SampleType::I16),
        (768, SampleType::U32),
        (8, SampleType::I32),
        (16, SampleType::F32),
        (64, SampleType::F64),
    ] {
        let all = samples(sample_type, 210);
        for (slope, intercept) in [(0.0, 0.0), (1.0, -1024.0), (2.0, 3.0), (-1.0, 0.0), (0.25, 1.5)] {
            for big in [false, true] {
                let file = nifti(datatype, slope, intercept, big, &bytes_of(&all, big));
                let plain = write(&folder, "a.nii", &file);
                let zipped = write(&folder, "a.nii.gz", gzip(&file));
                for options in [component(0, 1), OpenOptions { stored_values: true, ..component(0, 0) }] {
                    let a = agree(&plain, &options, Way::InPlace);
                    let b = agree(&zipped, &options, Way::Unpacked);
                    assert!(same(a.samples(), b.samples()), "{sample_type} {slope} {intercept} {big}");
                }
            }
        }
    }
    // Colours lie beside each other, in both halves of a pair.
    let mut file = nifti(128, 0.0, 0.0, false, &(0..210).flat_map(|n| [n, 255 - n, 7]).collect::<Vec<u8>>());
    file[344..348].copy_from_slice(b"ni1\0");
    file[108..112].copy_from_slice(&0f32.to_le_bytes());
    write(&folder, "b.hdr.gz", gzip(&file[..348]));
    let pair = write(&folder, "b.img.gz", gzip(&file[352..]));
    let volume = agree(&pair, &component(1, 1), Way::Unpacked);
    assert_eq!(volume.samples().get(0), f64::from(255 - 105));
}

#[test]
fn wide_integers_are_narrowed_on_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let header = |kind: &str| {
        let mut header =
            format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (3, 5, 7), }}").into_bytes();
        header.resize(117, b' ');
        [b"\x93NUMPY\x01\x00\x76\x00", &header[..], b"\n"].concat()
    };
    let file = |kind: &str, of: &dyn Fn(i64) -> i64| {
        let to_bytes = if kind.starts_with('>') { i64::to_be_bytes } else { i64::to_le_bytes };
        [header(kind), (0..105).flat_map(|n| to_bytes(of(n))).collect()].concat()
    };
    let options = OpenOptions { fill_value: Some(7.0), ..OpenOptions::default() };
    for (kind, of, sample_type) in [
        ("<i8", (&|n: i64| n - 50) as &dyn Fn(i64) -> i64, SampleType::I32),
        (">i8", &|n: i64| n - 50, SampleType::I32),
        ("<u8", &|n: i64| n, SampleType::I32),
        (">u8", &|n: i64| n + (1 << 31), SampleType::U32),
    ] {
        let path = write(&folder, "a.npy", file(kind, of));
        let volume = agree(&path, &options, Way::Unpacked);
        assert_eq!((volume.sample_type(), volume.samples().get(104)), (sample_type, of(104) as f64));
    }
    let path = write(&folder, "a.npy", file("<i8", &|n: i64| (n - 50) << 26));
    let found = find_source(&path, &options).unwrap().unwrap();
    let error = found.open(folder.path()).err().unwrap().to_string();
    assert!(error.contains("do not fit 32 bits"), "{error}");
    // Narrowed, and rescaled then.
    let data: Vec<u8> = (0..210i64).flat_map(|n| (n - 100).to_le_bytes()).collect();
    for (slope, sample_type) in [(1.0, SampleType::I16), (0.5, SampleType::F32)] {
        let path = write(&folder, "a.nii.gz", gzip(&nifti(1024, slope, -1000.0, false, &data)));
        assert_eq!(agree(&path, &component(0, 1), Way::Unpacked).sample_type(), sample_type);
        let path = write(&folder, "a.nii", nifti(1024, slope, -1000.0, false, &data));
        assert_eq!(agree(&path, &component(0, 1), Way::Unpacked).sample_type(), sample_type);
    }
    let text = "NRRD0004\ntype: int64\ndimension: 2\nsizes: 2 2\nencoding: ascii\n\n1 -2 3 4000\n";
    let path = write(&folder, "a.nrrd", text);
    assert_eq!(
        *agree(&path, &OpenOptions::default(), Way::Unpacked).samples(),
        Samples::I32(vec![1, -2, 3, 4000])
    );
}

#[test]
fn slices_and_pages_are_decoded_a_few_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut volume = Volume::new((0..105).map(|n| 30 * n - 1000).collect::<Vec<i16>>(), SHAPE).unwrap();
    volume.geometry.frame = Frame::Lps;
    volume.fill_value = Some(-1000.0);
    volume.unit = "HU".into();
    let series = folder.path().join("series/");
    save(&volume, &series).unwrap();
    for stored_values in [false, true] {
        let options = OpenOptions { stored_values, ..OpenOptions::default() };
        agree(&series, &options, Way::Unpacked);
        let found = crate::io::Volumes::open(&series, &options).unwrap().find_source(0).unwrap().unwrap();
        assert_eq!((found.shape(), found.temporary_bytes(), found.stored_bytes()), (SHAPE, 210, 210));
        assert_eq!(found.named("chest").open(folder.path()).unwrap().header().name, "chest");
    }
    let pages = folder.path().join("a.tif");
    let mut encoder = ::tiff::encoder::TiffEncoder::new(std::fs::File::create(&pages).unwrap()).unwrap();
    for z in 0..3u16 {
        let page: Vec<u16> = (0..35).map(|n| n + 1000 * z).collect();
        encoder.write_image::<::tiff::encoder::colortype::Gray16>(7, 5, &page).unwrap();
    }
    let options = OpenOptions { spacing: Some([1.0, 2.0, 3.0]), ..OpenOptions::default() };
    assert_eq!(agree(&pages, &options, Way::Unpacked).samples().get(104), 2034.0);
    // The only image of a list, and a step of one.
    let step = write(
        &folder,
        "a.series",
        r#"{"files": [{"name": "a.tif", "time": 1}, {"name": "a.tif", "time": 2}]}"#,
    );
    let volume = agree(&step, &component(0, 1), Way::Unpacked);
    assert_eq!(volume.provenance["time step"], "2 of 2, at 2");
}

#[test]
fn what_fails_names_the_file_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let fails = |found: FoundSource, words: &[&str]| {
        let error = found.open(empty.path()).err().unwrap().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
    };
    let find = |path: &Path| find_source(path, &component(0, 1)).unwrap().unwrap();
    let file = nifti(4, 0.0, 0.0, false, &bytes_of(&samples(SampleType::I16, 210), false));
    // Cut off before it is opened, and damaged.
    let whole = gzip(&file);
    let path = write(&folder, "a.nii.gz", &whole[..whole.len() - 60]);
    fails(find(&path), &["a.nii.gz", "end after"]);
    let mut damaged = whole.clone();
    let at = damaged.len() / 2;
    damaged[at..at + 9].fill(0xaa);
    fails(find(&write(&folder, "b.nii.gz", damaged)), &["b.nii.gz"]);
    // Gone, or no place for the temporary file.
    let path = write(&folder, "c.nii.gz", &whole);
    let error = find(&path).open(&folder.path().join("nowhere")).err().unwrap();
    assert!(matches!(&error, Error::Io { path, .. } if path.ends_with("nowhere")), "{error}");
    assert!(
        error.to_string().contains("temporary file for the samples of")
            && error.to_string().contains("c.nii.gz")
    );
    let series = folder.path().join("series/");
    save(&Volume::new(vec![1i16; 105], SHAPE).unwrap(), &series).unwrap();
    // Stopped by the caller, between pieces or slices.
    let path = write(&folder, "s.nii.gz", &whole);
    for path in [&path, &series] {
        let stop = crate::io::ReadProgress::new(|done, _| match done {
            1 => std::ops::ControlFlow::Continue(()),
            _ => std::ops::ControlFlow::Break(()),
        });
        let time_step = path.extension().map(|_| 1);
        let options = OpenOptions { progress: Some(stop), time_step, ..OpenOptions::default() };
        let error = find_source(path, &options).unwrap().unwrap().open(empty.path()).err().unwrap();
        assert!(matches!(error, Error::Interrupted), "{error}");
        assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
    }

    let found = find_source(&series, &OpenOptions::default()).unwrap().unwrap();
    let slice = std::fs::read_dir(&series).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&slice).unwrap();
    fails(found, &[slice.file_name().unwrap().to_str().unwrap()]);

    // Changed while it is read: in length, or in time alone.
    let path = write(&folder, "d.nii", &file);
    let source = find(&path).open(empty.path()).unwrap();
    source.read([0; 3], SHAPE).unwrap();
    let opened = std::fs::File::options().write(true).open(&path).unwrap();
    opened.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(9)).unwrap();
    let error = source.read([0; 3], SHAPE).unwrap_err().to_string();
    assert!(error.contains("d.nii") && error.contains("was changed while it was read"), "{error}");
    opened.set_len(400).unwrap();
    let error = source.read([0; 3], SHAPE).unwrap_err().to_string();
    assert!(error.contains("d.nii") && error.contains("cut off meanwhile"), "{error}");
    let found = find_source(write(&folder, "e.nii", &file), &component(0, 1)).unwrap().unwrap();
    std::fs::write(folder.path().join("e.nii"), &file[..500]).unwrap();
    fails(found, &["e.nii", "truncated"]);
}
