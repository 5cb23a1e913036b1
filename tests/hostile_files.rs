//! Files that attackers write, or disks: whatever is in them, a reader gives a volume or a sentence, within its limits.
//!
//! What fuzzing (`fuzz/`) has found lies in `fuzz/regressions/TARGET/` and is read here.

mod frame;

use neuvol::io::{self, Limits, OpenOptions};
use neuvol::volume::{Frame, Geometry, Samples, VolumeHeader};
use neuvol::{Error, NeuralVolume, Region, Volume, sample};
use proptest::prelude::*;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A volume of more bytes than this is refused.
const LIMIT: u64 = 16 << 20;

fn options() -> OpenOptions {
    OpenOptions { limits: Limits { volume_bytes: LIMIT, ..Limits::default() }, ..OpenOptions::default() }
}

/// Reads a file; a panic fails the test, and what is read is no larger than allowed.
fn read(path: &Path) {
    let whole = io::open(path, &options());
    match &whole {
        Ok(volume) => assert!(volume.stored_bytes() <= 8 * LIMIT),
        Err(error) => assert!(error.to_string().len() > path.to_str().unwrap().len(), "{error}"),
    }
    // Box by box it is the same volume, or another sentence.
    match (&whole, boxes(path)) {
        (Ok(volume), Ok(Some((header, samples)))) => {
            assert_eq!(header, VolumeHeader::of(volume));
            assert_eq!(samples.as_bytes(), volume.samples().as_bytes());
        }
        (Err(_), Err(error)) => assert!(error.to_string().len() > path.to_str().unwrap().len(), "{error}"),
        (_, Ok(None)) => {}
        (Ok(_), Err(error)) => panic!("read whole, but not box by box: {error}"),
        (Err(error), Ok(_)) => panic!("read box by box, but not whole: {error}"),
    }
}

/// What is read box by box; `None` for what is read whole.
fn boxes(path: &Path) -> neuvol::Result<Option<(VolumeHeader, Samples)>> {
    let Some(source) = io::open_source(path, &options())? else { return Ok(None) };
    let header = source.header();
    let samples = source.read([0; 3], header.shape)?;
    Ok(Some((header, samples)))
}

fn read_bytes(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    read(&path);
}

fn sample_volume() -> Volume {
    let mut volume = Volume::new(Samples::I16((0..60).map(|i| i * 30).collect()), [5, 4, 3]).unwrap();
    let (s, c) = 0.3f64.sin_cos();
    volume.geometry = Geometry {
        origin: [-12.25, 100.5, -800.125],
        spacing: [0.7, 0.8, 2.5],
        direction: [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]],
        frame: Frame::Lps,
    };
    volume
}

/// A file in each format that we write.
fn own_files(folder: &Path) -> Vec<PathBuf> {
    let volume = sample_volume();
    let mut files: Vec<PathBuf> = ["nii", "nii.gz", "nrrd", "mha", "npy", "vti"]
        .iter()
        .map(|extension| {
            let path = folder.join(format!("a.{extension}"));
            io::save(&volume, &path).unwrap();
            path
        })
        .collect();
    let series = PathBuf::from(format!("{}/series/", folder.display()));
    io::save(&volume, &series).unwrap();
    files.push(series.join("IM0002.dcm"));
    files
}

#[test]
fn files_cut_anywhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in own_files(folder.path()) {
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let result = io::open(&path, &options());
            // The last bytes of some files are line ends, closing tags or padding.
            assert!(result.is_err() || length + 64 > whole.len(), "{}: {length} bytes", path.display());
            let source = boxes(&path);
            assert!(source.is_err() == result.is_err(), "{}: {length} bytes", path.display());
        }
    }
}

#[test]
fn files_with_changed_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for path in own_files(folder.path()) {
        let whole = std::fs::read(&path).unwrap();
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..1 + random(4) {
                bytes[random(whole.len())] = random(256) as u8;
            }
            std::fs::write(&path, &bytes).unwrap();
            read(&path);
        }
    }
}

#[test]
fn what_fuzzing_found_stays_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions");
    let names = [
        ("dicom", "a.dcm"),
        ("metaimage", "a.mha"),
        ("nifti", "a.nii"),
        ("npy", "a.npy"),
        ("nrrd", "a.nrrd"),
        ("tiff", "a.tif"),
        ("vtk_legacy", "a.vtk"),
        ("vtk_xml", "a.vti"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for target in std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_dir())
    {
        let target_name = target.file_name().unwrap().to_str().unwrap();
        for file in std::fs::read_dir(&target).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            match names.iter().find(|(name, _)| *name == target_name) {
                Some((_, name)) => read_bytes(folder.path(), name, &bytes),
                None if target_name == "nvol" => {
                    let engine = std::sync::Arc::new(neuvol::engine::cpu::Cpu::new(1).unwrap());
                    drop(NeuralVolume::from_bytes(&bytes, "regression", engine));
                }
                None => panic!("fuzz/regressions/{target_name} belongs to no target"),
            }
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.nii.gz");
    // 64 MB of zeros in 64 kB, and a header that claims them all.
    let mut header = vec![0u8; 352];
    let mut put = |at: usize, value: &[u8]| header[at..at + value.len()].copy_from_slice(value);
    put(0, &348i32.to_le_bytes());
    put(40, &[3, 1024, 1024, 64u16].map(u16::to_le_bytes).concat());
    put(70, &2i16.to_le_bytes());
    put(76, &[1f32; 4].map(f32::to_le_bytes).concat());
    put(108, &352f32.to_le_bytes());
    put(344, b"n+1\0");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&header).unwrap();
    encoder.write_all(&vec![0; 64 << 20]).unwrap();
    std::fs::write(&path, encoder.finish().unwrap()).unwrap();
    let message = io::open(&path, &options()).unwrap_err().to_string();
    assert!(message.contains("exceeds the limit of 16777216 bytes"), "{message}");
    assert_eq!(
        io::open(&path, &OpenOptions::default()).unwrap().len(),
        64 << 20,
        "an honest one under no bound"
    );

    // A deflated DICOM element that never ends.
    let path = folder.path().join("bomb.dcm");
    let mut file = [vec![0; 128], b"DICM\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99".to_vec()].concat();
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"\x09\0\x10\0OB\0\0\0\0\0\x10").unwrap();
    for _ in 0..256 {
        encoder.write_all(&vec![1; 1 << 20]).unwrap();
    }
    file.extend(encoder.finish().unwrap());
    std::fs::write(&path, file).unwrap();
    let message = io::open(&path, &options()).unwrap_err().to_string();
    assert!(message.contains("exceeds the limit of"), "{message}");
}

#[test]
fn small_files_that_claim_much_are_refused_before_allocating() {
    let folder = tempfile::tempdir().unwrap();
    // No limits but the usual ones: what is claimed would not fit into memory.
    let refused = |name: &str, bytes: &[u8], words: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let message = io::open(&path, &OpenOptions::default()).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
        assert!(io::open_source(&path, &OpenOptions::default()).is_err(), "{name}");
    };
    let piece = |extent: &str| {
        format!(
            "<Piece Extent=\"{extent}\"><PointData><DataArray type=\"UInt8\" Name=\"a\" format=\"ascii\">1</DataArray>\
             </PointData></Piece>"
        )
    };
    let vti = |pieces: &str| {
        format!(
            "<VTKFile type=\"ImageData\"><ImageData WholeExtent=\"0 6000 0 6000 0 6000\">{pieces}</ImageData></VTKFile>"
        )
    };
    refused("a.vti", vti(&piece("0 0 0 0 0 0")).as_bytes(), "the pieces give 1 of the 216108018001 samples");
    let halves = piece("0 6000 0 6000 0 3000") + &piece("0 6000 0 6000 3000 6000");
    refused("b.vti", vti(&halves).as_bytes(), "truncated or corrupt");

    // A page of 500000 x 500000 bytes in one strip of 16.
    let mut tiff = b"II*\0\x08\0\0\0\x07\0".to_vec();
    for (tag, kind, value) in [
        (256u16, 4u16, 500_000u32),
        (257, 4, 500_000),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 98),
        (279, 4, 16),
    ] {
        tiff.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        tiff.extend([1u32.to_le_bytes(), value.to_le_bytes()].concat());
    }
    tiff.extend([0; 4 + 16]);
    refused("a.tif", &tiff, "truncated or corrupt");

    // Frames without end, of one pixel each.
    let mut dicom = [vec![0; 128], b"DICM\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.5\0".to_vec()].concat();
    dicom.extend(b"\x28\0\x02\0US\x02\0\x01\0\x28\0\x08\0IS\x0a\x00400000000 \x28\0\x10\0US\x02\0\x01\0\x28\0\x11\0US\x02\0\x01\0");
    dicom.extend(b"\x28\0\x00\x01US\x02\0\x08\0\x28\0\x01\x01US\x02\0\x08\0\x28\0\x02\x01US\x02\0\x07\0");
    dicom.extend(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0\x02\0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0");
    refused("a.dcm", &dicom, "400000000, of at most 1");
}

/// A latent grid of so many voxels, whose streams are empty.
fn empty_latents([nx, ny, nz]: [usize; 3]) -> Vec<u8> {
    // float32, no frame, a range; then the shape, the range, no name and no unit.
    let mut volume = vec![7, 0, 2];
    [nx, ny, nz].into_iter().for_each(|n| frame::put(&mut volume, n));
    volume.extend([0.0f64, 1.0].map(f64::to_le_bytes).concat());
    volume.extend([0; 2]);
    // A PSNR, preset fast, nothing measured, seed 0, the target, no writer.
    let mut quality = vec![1, 1, 0, 0];
    quality.extend([0; 8 + 1]);
    // Step, offsets, no perceptron, the table of the root and the blocks of each tier: these grids halve while they can.
    let mut latents = 0.01f32.to_le_bytes().to_vec();
    latents.extend([0; 12 + 1]);
    let mut grid = [nx, ny, nz];
    let mut streams = 1;
    loop {
        streams += grid.iter().map(|n| n.div_ceil(128)).product::<usize>();
        grid = grid.map(|n| n.div_ceil(4));
        if grid.iter().all(|&n| n <= 128) {
            break;
        }
    }
    latents.resize(latents.len() + 5 * streams, 0);
    let sections = [(*b"VOLM", volume), (*b"QUAL", quality), (*b"LATG", latents)];
    frame::file_of(1, &sections.map(|(name, own)| frame::Section::new(name, own)))
}

fn too_large<T>(result: neuvol::Result<T>) -> (u64, String) {
    match result {
        Err(Error::TooLarge { bytes, what }) => (bytes, what),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is not refused"),
    }
}

#[test]
fn a_neural_volume_that_claims_much_costs_what_is_read_of_it() {
    // 3 MB that claim 2^40 voxels.
    let bytes = empty_latents([1 << 14, 1 << 13, 1 << 13]);
    assert!(bytes.len() < 5 << 20, "{}", bytes.len());
    let open = |limits| {
        let options = neuvol::sample::OpenOptions { limits, ..Default::default() };
        NeuralVolume::from_bytes(&bytes, "bomb.nvol", options)
    };
    let (needed, message) = too_large(open(sample::Limits::of_bytes(1 << 40)));
    assert_eq!(needed, 1 << 42, "{message}");
    assert!(message.starts_with("bomb.nvol: ") && message.contains("raise `limits`"), "{message}");
    let volume = open(Default::default()).expect("a claim alone costs nothing");
    assert_eq!(volume.info().voxels(), 1 << 40);
    let mut value = [0.0];
    volume
        .values_at(&[[9000.5, 77.0, 8000.0]], sample::Space::Index, sample::Outside::Clamp, &mut value)
        .unwrap();
    if let Some(peak) = peak_bytes() {
        assert!(peak < 1 << 30, "{peak} bytes at the peak");
    }

    // The command refuses what the limit forbids, too.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.nvol");
    std::fs::write(&path, &bytes).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_neuvol"));
        let output = command.arg("info").arg(&path).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, message) = run(&["--limit", "16G"]);
    assert!(
        code == Some(1) && message.contains("exceeds the limit") && message.contains("--limit"),
        "{code:?}: {message}"
    );
    assert_eq!(run(&[]).0, Some(0));
}

/// Largest resident memory of this process so far, where the system tells it.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(1024 * line.split_whitespace().nth(1)?.parse::<u64>().ok()?)
}

/// Where there is no memory for what the limits allow, that is an error, which callers survive.
#[test]
#[cfg(target_os = "linux")]
fn what_memory_does_not_hold_is_an_error() {
    const NAME: &str = "what_memory_does_not_hold_is_an_error";
    const CHILD: &str = "NEUVOL_HOSTILE_TEST_CHILD";
    if std::env::var_os(CHILD).is_none() {
        // In a process that may have 2 GiB.
        let mut shell = std::process::Command::new("sh");
        let program = std::env::current_exe().unwrap();
        shell.args(["-c", "ulimit -v 2097152 && exec \"$@\"", "sh"]).arg(program);
        let output = shell.args(["--exact", NAME, "--nocapture"]).env(CHILD, "1").output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        return assert!(output.status.success(), "{}", said.concat());
    }
    let shape = [1 << 11, 1 << 12, 1 << 12];
    let engine = std::sync::Arc::new(neuvol::engine::cpu::Cpu::new(1).unwrap());
    let volume = NeuralVolume::from_bytes(&empty_latents(shape), "large.nvol", engine.clone()).unwrap();
    let last = shape.map(|n| n - 1);
    let mut value = [0.0];
    let point = [last.map(|n| n as f64)];
    volume.values_at(&point, sample::Space::Index, sample::Outside::Clamp, &mut value).unwrap();
    volume.read_region(Region { start: last, end: shape }, 1).unwrap();
    let (_, message) = too_large(volume.read_region(Region::whole(shape), 1));
    assert!(message.starts_with("large.nvol: "), "{message}");
    // A small one is read to its far corner and by strides.
    let shape = [100, 90, 300];
    let volume = NeuralVolume::from_bytes(&empty_latents(shape), "small.nvol", engine).unwrap();
    volume.read_region(Region::whole(shape), 7).unwrap();
    volume.read_region(Region { start: [99, 89, 299], end: shape }, 1).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any values in the fields of a NIfTI-1 header.
    #[test]
    fn nifti_headers(
        dim in prop::array::uniform8(prop_oneof![-2i16..6, any::<i16>()]),
        datatype in prop_oneof![Just(2i16), Just(4), Just(16), Just(64), Just(1024), any::<i16>()],
        floats in prop::array::uniform12(prop_oneof![Just(0f32), Just(1.0), any::<f32>()]),
        codes in prop::array::uniform2(-1i16..5),
        length in 0usize..4096,
    ) {
        let mut header = vec![0u8; 352 + length];
        let mut put = |at: usize, value: &[u8]| header[at..at + value.len()].copy_from_slice(value);
        put(0, &348i32.to_le_bytes());
        put(40, &dim.map(i16::to_le_bytes).concat());
        put(70, &datatype.to_le_bytes());
        // pixdim, vox_offset, slope, intercept; the qform; rows of the sform.
        put(76, &floats.map(f32::to_le_bytes).concat()[..44]);
        put(252, &codes.map(i16::to_le_bytes).concat());
        put(256, &floats.map(f32::to_le_bytes).concat()[..24]);
        put(280, &floats.map(f32::to_le_bytes).concat());
        put(344, b"n+1\0");
        let folder = tempfile::tempdir().unwrap();
        read_bytes(folder.path(), "a.nii", &header);
    }

    /// Any numbers in the fields of text headers.
    #[test]
    fn text_headers(
        sizes in prop::collection::vec(prop_oneof![0u64..5, any::<u64>()], 1..5),
        number in prop_oneof![Just("1".to_owned()), "-?[0-9]{1,20}(\\.[0-9]{1,5})?(e-?[0-9]{1,4})?", "[a-z]{1,4}"],
        data in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let list = sizes.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
        let axes = sizes.len();
        let nrrd = format!(
            "NRRD0005\ntype: uint8\ndimension: {axes}\nsizes: {list}\nspace: lps\nspace directions: ({number},0,0) (0,1,0) \
             (0,0,{number})\nspace origin: ({number},0,0)\nbyte skip: {number}\nencoding: raw\n\n"
        );
        read_bytes(folder.path(), "a.nrrd", &[nrrd.as_bytes(), &data].concat());
        let metaimage = format!(
            "NDims = {axes}\nDimSize = {list}\nElementSpacing = {number} {number} 1\nOffset = {number} 0 0\n\
             ElementNumberOfChannels = {number}\nHeaderSize = {number}\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
        );
        read_bytes(folder.path(), "a.mha", &[metaimage.as_bytes(), &data].concat());
        let shape = list.replace(' ', ", ");
        let npy = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape},), }}\n");
        let length = (npy.len() as u16).to_le_bytes();
        read_bytes(folder.path(), "a.npy", &[b"\x93NUMPY\x01\0", &length[..], npy.as_bytes(), &data].concat());
        let legacy = format!(
            "# vtk DataFile Version 3.0\nt\nBINARY\nDATASET STRUCTURED_POINTS\nDIMENSIONS {list}\nSPACING {number} 1 1\n\
             POINT_DATA {number}\nSCALARS a unsigned_char {number}\nLOOKUP_TABLE default\n"
        );
        read_bytes(folder.path(), "a.vtk", &[legacy.as_bytes(), &data].concat());
        let xml = format!(
            "<VTKFile type=\"ImageData\" header_type=\"UInt64\"><ImageData WholeExtent=\"0 {list} 0 0\" Spacing=\"{number} 1 \
             1\"><Piece Extent=\"0 {list} 0 0\"><PointData><DataArray type=\"UInt8\" Name=\"a\" NumberOfComponents=\"{number}\" \
             format=\"appended\" offset=\"{number}\"/></PointData></Piece></ImageData><AppendedData encoding=\"raw\">_"
        );
        read_bytes(folder.path(), "a.vti", &[xml.as_bytes(), &data].concat());
    }
}
