//! Large input does not double: reading a volume of 1 GB takes at most 1.2 times its bytes and 64 MB, in every format that
//! stores samples as they are. Nor does compressing take many times a volume's bytes, mostly masked or without loss.

use neuvol::Volume;
use neuvol::io::{self, OpenOptions};
use neuvol::train::{CompressOptions, Representation, Target, compress};
use neuvol::volume::SampleType;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

const SHAPE: [usize; 3] = [1024, 1024, 512];
/// Two bytes a sample.
const BYTES: u64 = 1 << 30;
/// Set for the process that reads; its value is the file.
const CHILD: &str = "NEUVOL_MEMORY_TEST_FILE";

/// A file of a header, so many bytes of zeros that take no disk, and an end.
fn sparse(path: &Path, header: &[u8], zeros: u64, end: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(header).unwrap();
    file.seek(SeekFrom::Current(zeros as i64)).unwrap();
    file.write_all(end).unwrap();
    file.set_len(header.len() as u64 + zeros + end.len() as u64).unwrap();
}

/// A multi-frame DICOM file's elements up to the pixels.
fn dicom_header() -> Vec<u8> {
    let mut bytes = [vec![0; 128], b"DICM".to_vec()].concat();
    let mut put = |group: u16, number: u16, vr: &str, value: &[u8]| {
        bytes.extend(group.to_le_bytes());
        bytes.extend(number.to_le_bytes());
        bytes.extend(vr.as_bytes());
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value);
    };
    put(2, 0x10, "UI", b"1.2.840.10008.1.2.1\0");
    put(0x18, 0x88, "DS", b"1 ");
    put(0x20, 0x32, "DS", b"0\\0\\0 ");
    put(0x20, 0x37, "DS", b"1\\0\\0\\0\\1\\0 ");
    put(0x28, 2, "US", &1u16.to_le_bytes());
    put(0x28, 8, "IS", b"512 ");
    for (number, value) in [(0x10, 1024u16), (0x11, 1024), (0x100, 16), (0x101, 12), (0x102, 11), (0x103, 0)]
    {
        put(0x28, number, "US", &value.to_le_bytes());
    }
    put(0x28, 0x1052, "DS", b"-1024 ");
    bytes.extend(b"\xe0\x7f\x10\0OW\0\0");
    bytes.extend((BYTES as u32).to_le_bytes());
    bytes
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut nifti = vec![0u8; 352];
    let mut put = |at: usize, value: &[u8]| nifti[at..at + value.len()].copy_from_slice(value);
    put(0, &348i32.to_le_bytes());
    put(40, &[3, 1024, 1024, 512u16].map(u16::to_le_bytes).concat());
    put(70, &4i16.to_le_bytes());
    put(76, &[1f32; 4].map(f32::to_le_bytes).concat());
    put(108, &352f32.to_le_bytes());
    put(344, b"n+1\0");
    let vti = b"<?xml version=\"1.0\"?><VTKFile type=\"ImageData\" header_type=\"UInt64\"><ImageData \
        WholeExtent=\"0 1023 0 1023 0 511\"><Piece Extent=\"0 1023 0 1023 0 511\"><PointData><DataArray type=\"Int16\" \
        Name=\"a\" format=\"appended\" offset=\"0\"/></PointData></Piece></ImageData><AppendedData encoding=\"raw\">_";
    // 64-bit integers, which become 32-bit ones: half as many, so that the file has the same size.
    let mut npy = b"{'descr': '<i8', 'fortran_order': False, 'shape': (128, 1024, 1024), }".to_vec();
    npy.resize(118, b' ');
    npy[117] = b'\n';
    let files: [(&str, Vec<u8>, &[u8]); 8] = [
        ("a.raw", Vec::new(), b""),
        ("a.nii", nifti, b""),
        ("a.vti", [&vti[..], &BYTES.to_le_bytes()].concat(), b"</AppendedData></VTKFile>"),
        (
            "a.nrrd",
            b"NRRD0004\ntype: int16\ndimension: 3\nsizes: 1024 1024 512\nendian: little\nencoding: raw\n\n"
                .to_vec(),
            b"",
        ),
        (
            "a.mha",
            b"NDims = 3\nDimSize = 1024 1024 512\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
                .to_vec(),
            b"",
        ),
        (
            "a.vtk",
            b"# vtk DataFile Version 3.0\nt\nBINARY\nDATASET STRUCTURED_POINTS\nDIMENSIONS 1024 1024 512\n\
              POINT_DATA 536870912\nSCALARS t short\nLOOKUP_TABLE default\n"
                .to_vec(),
            b"",
        ),
        ("wide.npy", [b"\x93NUMPY\x01\0\x76\0", &npy[..]].concat(), b""),
        ("a.dcm", dicom_header(), b""),
    ];
    files
        .into_iter()
        .map(|(name, header, end)| {
            let path = folder.join(name);
            sparse(&path, &header, BYTES, end);
            path
        })
        .collect()
}

/// Largest resident memory of this process in bytes, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// What this program's test said as a process of its own that was given `file`: bytes held, and at the peak.
fn held_and_peak(test: &str, file: &Path) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", test, "--nocapture"]).env(CHILD, file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let name = file.display();
    assert!(output.status.success(), "{name}: {said}{}", String::from_utf8_lossy(&output.stderr));
    let number = |key: &str| -> u64 {
        let mut words = said.split_whitespace().skip_while(|word| *word != key);
        words.nth(1).unwrap_or_else(|| panic!("{name}: {said}")).parse().unwrap()
    };
    (number("held"), number("peak"))
}

#[test]
fn a_gigabyte_is_held_once() {
    if let Some(path) = std::env::var_os(CHILD) {
        let options =
            OpenOptions { dims: Some(SHAPE), sample_type: Some(SampleType::I16), ..OpenOptions::default() };
        let volume = io::open(Path::new(&path), &options).unwrap();
        println!("held {} peak {}", volume.stored_bytes(), peak().unwrap());
        return;
    }
    if peak().is_none() {
        eprintln!("SKIPPED a_gigabyte_is_held_once: this system does not tell a process's memory");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for path in files(folder.path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (held, peak) = held_and_peak("a_gigabyte_is_held_once", &path);
        println!("{name}: {held} bytes held, {peak} at the peak, {:.3} times", peak as f64 / held as f64);
        assert!(held >= BYTES / 2, "{name}");
        assert!(peak <= held / 5 * 6 + (64 << 20), "{name}: {peak} bytes for a volume of {held}");
        std::fs::remove_file(path).unwrap();
    }
}

/// Noisy float32 are as many bytes coded: those are in memory twice, when the file is measured, beside the samples.
#[test]
fn a_lossless_file_is_held_twice() {
    const NAME: &str = "a_lossless_file_is_held_twice";
    if std::env::var_os(CHILD).is_some() {
        let noise = |n: u32| f32::from_bits(0x3F80_0000 | n.wrapping_mul(2_654_435_769).rotate_left(13) >> 9);
        let volume = Volume::new((0..192u32.pow(3)).map(noise).collect::<Vec<_>>(), [192; 3]).unwrap();
        let options = CompressOptions { target: Target::Lossless, threads: 2, ..CompressOptions::default() };
        let compressed = compress(&volume, &options).unwrap();
        println!(
            "held {} peak {}",
            volume.stored_bytes() + 2 * compressed.bytes.len() as u64,
            peak().unwrap()
        );
        return;
    }
    if peak().is_none() {
        eprintln!("SKIPPED {NAME}: this system does not tell a process's memory");
        return;
    }
    let (held, peak) = held_and_peak(NAME, Path::new("a volume of its own"));
    let samples = 4 * 192u64.pow(3);
    assert!(held > 2 * samples, "it was to be noisy: {held} bytes");
    println!("{held} bytes, {peak} at the peak, {:.1} a voxel", 4.0 * peak as f64 / samples as f64);
    assert!(peak <= held + (56 << 20), "{peak} bytes for {held} of samples and coded ones");
}

/// Values where nothing is masked, as the wavelets have them, take as much as the volume, and masks a byte a voxel.
#[test]
fn masked_voxels_take_no_lists_when_they_are_filled() {
    const NAME: &str = "masked_voxels_take_no_lists_when_they_are_filled";
    if std::env::var_os(CHILD).is_some() {
        let samples: Vec<f32> = (0..192usize.pow(3))
            .map(|at| [at % 192, at / 192 % 192, at / 192 / 192])
            .map(|[x, y, z]| if x < 90 && y < 90 && z < 90 { (x * y + z) as f32 } else { f32::NAN })
            .collect();
        let volume = Volume::new(samples, [192; 3]).unwrap();
        let options = CompressOptions {
            target: Target::Psnr(40.0),
            representation: Representation::LatentGrid,
            threads: 2,
            ..CompressOptions::default()
        };
        compress(&volume, &options).unwrap();
        println!("held {} peak {}", volume.stored_bytes(), peak().unwrap());
        return;
    }
    if peak().is_none() {
        eprintln!("SKIPPED {NAME}: this system does not tell a process's memory");
        return;
    }
    let (held, peak) = held_and_peak(NAME, Path::new("a volume of its own"));
    println!("{held} bytes held, {peak} at the peak, {:.3} times", peak as f64 / held as f64);
    assert!(peak <= held / 2 * 9, "{peak} bytes for a volume of {held}");
}

/// A volume of 256 MB in each form that is unpacked before its boxes are read.
fn packed(folder: &Path) -> Vec<PathBuf> {
    const SHAPE: [usize; 3] = [1024, 1024, 128];
    let volume = Volume::new(vec![0i16; SHAPE.iter().product()], SHAPE).unwrap();
    let mut files: Vec<PathBuf> = ["a.nii.gz", "a.vti"].map(|name| folder.join(name)).into();
    for path in &files {
        io::save(&volume, path).unwrap();
    }
    let bytes = volume.samples().as_bytes();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(bytes).unwrap();
    let nrrd =
        b"NRRD0004\ntype: int16\ndimension: 3\nsizes: 1024 1024 128\nendian: little\nencoding: gzip\n\n";
    let mha = b"NDims = 3\nDimSize = 1024 1024 128\nElementType = MET_SHORT\nCompressedData = True\nElementDataFile = LOCAL\n";
    let vtk = b"# vtk DataFile Version 3.0\nt\nASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 1024 1024 128\n\
        POINT_DATA 134217728\nSCALARS t short\nLOOKUP_TABLE default\n";
    for (name, content) in [
        ("a.nrrd", [&nrrd[..], &gzip.finish().unwrap()].concat()),
        ("a.mha", [&mha[..], &zlib.finish().unwrap()].concat()),
        ("a.vtk", [&vtk[..], &b"0 ".repeat(volume.len())].concat()),
    ] {
        files.push(folder.join(name));
        std::fs::write(folder.join(name), content).unwrap();
    }
    files.push(folder.join("a.dcm"));
    sparse(&folder.join("a.dcm"), &dicom_header(), BYTES, b"");
    files
}

/// A few megabytes of them are in memory, and of slices a few that are decoded at a time; a legacy VTK file is mapped.
#[test]
fn unpacking_takes_a_few_megabytes() {
    const NAME: &str = "unpacking_takes_a_few_megabytes";
    if let Some(path) = std::env::var_os(CHILD) {
        let path = Path::new(&path);
        let found = io::find_source(path, &OpenOptions::default()).unwrap().unwrap();
        let bytes = found.temporary_bytes();
        let source = found.open(path.parent().unwrap()).unwrap();
        let header = source.header();
        assert_eq!((header.stored_bytes(), header.sample_type), (bytes, SampleType::I16));
        source.read([100, 100, 100], [64, 64, 20]).unwrap();
        println!("held {bytes} peak {}", peak().unwrap());
        return;
    }
    if peak().is_none() {
        eprintln!("SKIPPED {NAME}: this system does not tell a process's memory");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for path in packed(folder.path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (held, peak) = held_and_peak(NAME, &path);
        println!("{name}: {held} bytes unpacked, {peak} at the peak");
        let mapped = if name == "a.vtk" { std::fs::metadata(&path).unwrap().len() } else { 0 };
        assert!(
            held >= 1 << 28 && peak <= mapped + (72 << 20),
            "{name}: {peak} bytes for a volume of {held}"
        );
    }
}
