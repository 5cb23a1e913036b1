//! The `.nvol` file: what goes in comes out, and nothing that a file may hold brings the reader down.
//!
//! Frames are built here from FORMAT.md, not with the library's writer.

mod frame;

use frame::{Section, file_of, sections};
use neuvol::FORMAT_VERSION;
use neuvol::engine::Engine;
use neuvol::engine::cpu::Cpu;
use neuvol::sample::{Outside, Space};
use neuvol::train::{Architecture, CompressOptions, Preset, Representation, Target, compress};
use neuvol::volume::{Frame, Geometry, LossyStep, SampleType, Samples};
use neuvol::{Error, NeuralVolume, Region, Result, Volume};
use proptest::prelude::*;
use std::f64::consts::FRAC_1_SQRT_2;
use std::sync::{Arc, OnceLock};

const MAGIC: [u8; 8] = *b"\x89NVOL\r\n\x1a";

fn engine() -> Arc<dyn Engine> {
    static ENGINE: OnceLock<Cpu> = OnceLock::new();
    Arc::new(ENGINE.get_or_init(|| Cpu::new(2).unwrap()).clone())
}

fn open(bytes: &[u8]) -> Result<NeuralVolume> {
    NeuralVolume::from_bytes(bytes, "test.nvol", engine())
}

fn refusal(bytes: &[u8]) -> Error {
    match open(bytes) {
        Err(error) => error,
        Ok(_) => panic!("a file of {} bytes should be refused", bytes.len()),
    }
}

/// As a hash grid: a file with sections MODL and PARM.
fn compressed(volume: &Volume) -> Vec<u8> {
    compressed_as(Representation::Network(Architecture::default()), volume)
}

fn compressed_as(representation: Representation, volume: &Volume) -> Vec<u8> {
    let options = CompressOptions {
        target: Target::Psnr(25.0),
        preset: Preset::Fast,
        representation,
        threads: 1,
        ..Default::default()
    };
    compress(volume, &options).unwrap().bytes
}

/// Every kind of section, and odd metadata.
fn volume() -> Volume {
    let shape = [12, 11, 10];
    let values = (0..12 * 11 * 10).map(|i| {
        let [x, y, z] = [i % 12, i / 12 % 11, i / 132];
        match (x, y) {
            (0, 0..6) => f32::NAN,
            (11, 4..) => 1e20,
            _ => (0.5 * x as f32).sin() + 0.1 * (y * z) as f32,
        }
    });
    let mut volume = Volume::new(values.collect::<Vec<_>>(), shape).unwrap();
    volume.fill_value = Some(f64::from(1e20f32));
    volume.geometry = Geometry {
        origin: [-120.123456789, 0.1 + 0.2, 1e-300],
        spacing: [0.7, 1.0 / 3.0, 2.5],
        direction: [
            [FRAC_1_SQRT_2, -FRAC_1_SQRT_2, 0.0],
            [FRAC_1_SQRT_2, FRAC_1_SQRT_2, 0.0],
            [0.0, -0.0, -1.0],
        ],
        frame: Frame::Lps,
    };
    volume.name = "Dichte ρ".into();
    volume.unit = "g/cm³".into();
    volume.provenance = [("modality", "CT"), ("rescale", "1;-1024"), ("", "an empty key"), ("empty", "")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    volume
}

fn file() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| compressed(&volume()))
}

fn latents() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| compressed_as(Representation::LatentGrid, &volume()))
}

/// The file with the bytes of one section changed.
fn with_section(name: &[u8; 4], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut sections = sections(file());
    let section = sections.iter_mut().find(|section| section.name == *name).expect("the file should have it");
    change(&mut section.own);
    file_of(FORMAT_VERSION, &sections)
}

/// Decodes a little of a file, in every way there is; whether that works does not matter.
fn read_a_little(bytes: &[u8]) {
    let Ok(volume) = open(bytes) else { return };
    let shape = volume.info().shape;
    let region = Region { start: [0; 3], end: shape.map(|n| n.min(6)) };
    let _ = volume.read_region(region, 1);
    let _ = volume.read_region_f32(Region { start: shape.map(|n| n - 1), end: shape }, 2);
    let last = shape.map(|n| n as f64 - 1.0);
    let points = [[0.0; 3], [0.4, 0.5, 2.6], last, [f64::NAN, 1e300, -1.0]];
    for space in [Space::Index, Space::World] {
        for outside in [Outside::Clamp, Outside::Value(-1.0)] {
            let _ = volume.values_at(&points, space, outside, &mut [0.0; 4]);
        }
    }
    let _ = (volume.info().psnr(), volume.info().stored_bytes(), volume.model_summary());
}

#[test]
fn the_frame_is_the_documents() {
    let names: Vec<[u8; 4]> = sections(file()).iter().map(|section| section.name).collect();
    assert_eq!(names, [*b"VOLM", *b"PROV", *b"QUAL", *b"MODL", *b"BRIK"]);
    assert_eq!(file_of(FORMAT_VERSION, &sections(file())), file());
}

/// Opening compares the checksum of header and index; what lies in the data is found by `verify`, by name.
#[test]
fn every_flipped_bit_is_noticed() {
    for (file, data_sections) in [(file(), ["MODL", "BRIK"]), (latents(), ["LATG", "BRIK"])] {
        let sections = sections(file);
        let data: usize = sections.iter().map(|section| section.data.len()).sum();
        let first = sections.iter().find(|section| !section.data.is_empty()).unwrap().data.len();
        let mut damaged = file.to_vec();
        for byte in 0..damaged.len() {
            for bit in 0..8 {
                damaged[byte] ^= 1 << bit;
                if byte < file.len() - data {
                    assert!(refusal(&damaged).to_string().contains("file header"), "byte {byte}, bit {bit}");
                } else if bit == byte % 8 {
                    let found = open(&damaged).unwrap().verify().unwrap();
                    let section = data_sections[usize::from(byte >= file.len() - data + first)];
                    assert_eq!(found.damaged.len(), 1, "byte {byte}, bit {bit}");
                    assert!(found.damaged[0].section == section, "byte {byte}, bit {bit}: {found:?}");
                }
                damaged[byte] ^= 1 << bit;
            }
        }
        assert!(open(&damaged).unwrap().verify().unwrap().damaged.is_empty());
    }
}

#[test]
fn every_truncation_is_noticed() {
    for length in 0..file().len() {
        let message = refusal(&file()[..length]).to_string();
        let known = ["file header", "not a .nvol file", "truncated"].iter().any(|m| message.contains(m));
        assert!(known, "{length} bytes: {message}");
    }
}

#[test]
fn another_format_is_told_from_a_damaged_file() {
    for other in [&b"\x89PNG\r\n\x1a\n and more"[..], b"# vtk DataFile Version 3.0", b"{}"] {
        assert!(refusal(other).to_string().contains("not a .nvol file"));
    }
    // What a transfer as text makes of the line ends.
    let transferred = [&b"\x89NVOL\n\x1a"[..], &file()[8..]].concat();
    assert!(refusal(&transferred).to_string().contains("file header"));
}

#[test]
fn appended_bytes_are_noticed() {
    for tail in [&[0u8][..], &[0; 4096], file()] {
        let message = refusal(&[file(), tail].concat()).to_string();
        assert!(message.contains("file header") && message.contains("behind the last section"), "{message}");
    }
}

#[test]
fn a_newer_version_is_told_from_damage() {
    for version in [FORMAT_VERSION + 1, 700, u16::MAX] {
        let message = refusal(&file_of(version, &sections(file()))).to_string();
        assert!(message.contains(&format!("format version {version};")), "{message}");
        assert!(message.contains("newer") && message.contains("file header"), "{message}");
    }
}

#[test]
fn unknown_sections_are_checked_and_ignored() {
    let mut sections = sections(file());
    sections
        .insert(2, Section { data: vec![7; 99], ..Section::new(*b"XTRA", b"of a later neuvol".to_vec()) });
    let mut bytes = file_of(FORMAT_VERSION, &sections);
    let whole = Region::whole(volume().shape());
    let expected = open(file()).unwrap().read_region(whole, 1).unwrap();
    let found = open(&bytes).unwrap().read_region(whole, 1).unwrap();
    assert_eq!(found.samples().as_bytes(), expected.samples().as_bytes());
    let at = bytes.windows(5).position(|w| w == b"later").unwrap();
    bytes[at] ^= 1;
    assert!(refusal(&bytes).to_string().contains("the header or the index is damaged"));
}

#[test]
fn a_missing_or_doubled_section_is_named() {
    for name in [b"VOLM", b"QUAL"] {
        let mut sections = sections(file());
        sections.retain(|section| section.name != *name);
        let message = refusal(&file_of(FORMAT_VERSION, &sections)).to_string();
        assert!(
            message.contains(&format!("section {}: it is missing", String::from_utf8_lossy(name))),
            "{message}"
        );
        sections.extend([Section::new(*b"BRI2", vec![]), Section::new(*b"BRI2", vec![])]);
        assert!(
            refusal(&file_of(FORMAT_VERSION, &sections)).to_string().contains("section BRI2: there are two")
        );
    }
    let mut sections = sections(file());
    sections.retain(|section| section.name != *b"MODL");
    assert!(
        refusal(&file_of(FORMAT_VERSION, &sections))
            .to_string()
            .contains("there is no MODL, LATG, INTS or DIFF section")
    );
}

#[test]
fn sections_end_where_their_fields_end() {
    for Section { name, .. } in sections(file()) {
        let text = String::from_utf8_lossy(&name).into_owned();
        let longer = refusal(&with_section(&name, |bytes| bytes.push(0))).to_string();
        let shorter = refusal(&with_section(&name, |bytes| bytes.truncate(bytes.len() - 1))).to_string();
        assert!(longer.contains(&format!("section {text}")), "{longer}");
        assert!(shorter.contains(&format!("section {text}")), "{shorter}");
    }
}

#[test]
fn unknown_codes_are_refused_by_name() {
    // Section, byte, value, what the message says.
    for (name, at, value, what) in [
        (b"VOLM", 0, 9, "sample type 9"),
        (b"VOLM", 1, 2, "frame 2"),
        (b"QUAL", 0, 77, "target 77"),
        (b"QUAL", 1, 0, "preset 0"),
        (b"QUAL", 37, 3, "bands of kind 3"),
        (b"MODL", 2, 200, "encoding 200"),
        (b"MODL", 4, 3, "features"),
        (b"MODL", 5, 27, "hash table"),
        (b"BRIK", 0, 32, "bricks of 32"),
        (b"BRIK", 2, 5, "brick kind 5"),
    ] {
        let message = refusal(&with_section(name, |bytes| bytes[at] = value)).to_string();
        assert!(message.contains(&format!("section {}", String::from_utf8_lossy(name))), "{message}");
        assert!(message.contains(what), "{message}");
    }
    // An axis without samples, and one with more than a file may have.
    for axis in [0, u32::MAX as usize] {
        let bytes = with_section(b"VOLM", |bytes| {
            let mut axes = Vec::new();
            [axis, u32::MAX as usize].into_iter().for_each(|n| frame::put(&mut axes, n));
            bytes.splice(3..5, axes);
        });
        assert!(refusal(&bytes).to_string().contains("section VOLM"));
    }
}

#[test]
fn damage_of_integers_is_named() {
    let options = CompressOptions { target: Target::MaxError(0.01), threads: 1, ..Default::default() };
    let file = compress(&volume(), &options).unwrap().bytes;
    let sections = sections(&file);
    assert_eq!(
        sections.iter().map(|section| section.name).collect::<Vec<_>>(),
        [*b"VOLM", *b"PROV", *b"QUAL", *b"INTS", *b"BRIK"]
    );
    let with_integers = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut sections = sections.clone();
        change(&mut sections[3].own);
        file_of(FORMAT_VERSION, &sections)
    };
    for (change, what) in [
        (&(|b: &mut Vec<u8>| b[0] = 32) as &dyn Fn(&mut Vec<u8>), "bricks of 32"),
        (&|b| b[2..10].copy_from_slice(&f64::NAN.to_le_bytes()), "invalid step NaN"),
        (&|b| b[2..10].copy_from_slice(&(-1f64).to_le_bytes()), "invalid step -1"),
        (&|b| b[10] ^= 1, "its streams have"),
        (&|b| b.push(0), "1 bytes too many behind its table of 1 streams"),
        (&|b| b.truncate(12), "its table ends before its 1 streams"),
    ] {
        let message = refusal(&with_integers(change)).to_string();
        assert!(message.contains("section INTS") && message.contains(what), "{message}");
    }
    // What only the brick's stream shows is told when it is decoded.
    let stream = &sections[3].data;
    let shifted = [&stream[..8], &[60], &stream[9..]].concat();
    for (stream, what) in [(&shifted[..], "shifted by 60"), (&stream[..4], "too short")] {
        let mut sections = sections.clone();
        let (table, _) = sections[3].table().unwrap();
        sections[3].set_streams(table, &[stream]);
        let neural = open(&file_of(FORMAT_VERSION, &sections)).unwrap();
        assert!(neural.verify().unwrap().damaged.is_empty(), "its checksum is right");
        let message = neural.read_region(Region::whole([12, 11, 10]), 1).unwrap_err().to_string();
        assert!(message.contains("section INTS") && message.contains(what), "{message}");
        let mut out = [0.0];
        assert!(neural.values_at(&[[5.5; 3]], Space::Index, Outside::Clamp, &mut out).is_err());
    }
}

/// A few hundred bytes that ask for most of a gigabyte of parameters.
#[test]
fn a_small_file_cannot_ask_for_a_huge_model() {
    let mut sections = sections(file());
    // 3 levels of 2^24 entries with 4 features, 16 neurons: 3 * 2^26 parameters, 0.75 GiB.
    let mut model = 40u16.to_le_bytes().to_vec();
    model.extend([1, 3, 4, 24]);
    for _ in 0..3 * 3 {
        model.extend(1000u32.to_le_bytes());
    }
    model.push(1);
    model.extend(16u16.to_le_bytes());
    model.push(1);
    model.extend(7u16.to_le_bytes());
    model.extend([1.0f32.to_le_bytes(); 7].concat());
    model.extend([0; 7 * 5]);
    for section in sections.iter_mut().filter(|section| section.name == *b"MODL") {
        *section = Section::new(*b"MODL", model.clone());
    }
    let message = refusal(&file_of(FORMAT_VERSION, &sections)).to_string();
    assert!(message.contains("section MODL") && message.contains("cannot hold"), "{message}");
}

#[test]
fn of_the_sections_that_hold_samples_there_is_one() {
    let mut sections = sections(latents());
    sections.extend(frame::sections(file()).into_iter().filter(|section| section.name == *b"MODL"));
    let message = refusal(&file_of(FORMAT_VERSION, &sections)).to_string();
    assert!(message.contains("not more of them"), "{message}");
}

#[test]
fn steps_that_are_none_are_refused() {
    for step in [0.0, -1.0, f32::NAN, f32::INFINITY, 2000.0f32] {
        let mut sections = sections(latents());
        for section in sections.iter_mut().filter(|section| section.name == *b"LATG") {
            section.own[..4].copy_from_slice(&step.to_le_bytes());
        }
        let message = refusal(&file_of(FORMAT_VERSION, &sections)).to_string();
        assert!(message.contains("section LATG") && message.contains("invalid step"), "{message}");
    }
}

/// A change to a section's bytes.
#[derive(Debug, Clone)]
enum Change {
    Overwrite(Vec<(prop::sample::Index, u8)>),
    Truncate(prop::sample::Index),
    Append(Vec<u8>),
    Replace(Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let edit = (any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(255)]);
    prop_oneof![
        6 => prop::collection::vec(edit, 1..4).prop_map(Change::Overwrite),
        1 => any::<prop::sample::Index>().prop_map(Change::Truncate),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Change::Append),
        2 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Change::Replace),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Overwrite(edits) if !bytes.is_empty() => {
                for (at, value) in edits {
                    let at = at.index(bytes.len());
                    bytes[at] = *value;
                }
            }
            Change::Overwrite(_) => {}
            Change::Truncate(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Change::Append(tail) => bytes.extend(tail),
            Change::Replace(whole) => bytes.clone_from(whole),
        }
    }
}

/// Changes a section's bytes in the index, or its data, whose table is made to fit again.
fn change_section(section: &mut Section, change: &Change, data: bool) {
    // The table is gone where another change was there before.
    let table = if data && !section.data.is_empty() { section.table() } else { None };
    let Some((table, lengths)) = table else { return change.apply(&mut section.own) };
    change.apply(&mut section.data);
    // The last stream has what there is more, or lacks what there is less.
    let changed = section.data.clone();
    let (mut rest, mut streams) = (&changed[..], Vec::new());
    for length in &lengths[..lengths.len() - 1] {
        let (stream, others) = rest.split_at((*length).min(rest.len()));
        streams.push(stream);
        rest = others;
    }
    streams.push(rest);
    section.set_streams(table, &streams);
}

/// Largest resident memory of this process so far, where the system tells it.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(1024 * line.split_whitespace().nth(1)?.parse::<u64>().ok()?)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn nonsense_behind_a_right_checksum_is_survived(
        changes in prop::collection::vec((0usize..5, change(), any::<bool>()), 1..3),
    ) {
        let mut sections = sections(file());
        for (section, change, data) in &changes {
            change_section(&mut sections[*section], change, *data);
        }
        read_a_little(&file_of(FORMAT_VERSION, &sections));
        if let Some(peak) = peak_bytes() {
            prop_assert!(peak < 1 << 30, "{peak} bytes at the peak");
        }
    }

    #[test]
    fn nonsense_in_a_latent_grid_is_survived(
        changes in prop::collection::vec((0usize..5, change(), any::<bool>()), 1..3),
    ) {
        let mut sections = sections(latents());
        for (section, change, data) in &changes {
            change_section(&mut sections[*section], change, *data);
        }
        read_a_little(&file_of(FORMAT_VERSION, &sections));
        if let Some(peak) = peak_bytes() {
            prop_assert!(peak < 1 << 30, "{peak} bytes at the peak");
        }
    }

    #[test]
    fn nonsense_without_a_frame_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), magic: bool) {
        let bytes = if magic { [&MAGIC[..], &bytes].concat() } else { bytes };
        prop_assert!(open(&bytes).is_err());
    }
}

#[test]
fn metadata_comes_back_exactly() {
    let original = volume();
    let bytes = compressed(&original);
    let file = open(&bytes).unwrap();
    let info = file.info();
    assert_eq!(info.shape, original.shape());
    assert_eq!(info.sample_type, SampleType::F32);
    assert_eq!(info.geometry, original.geometry);
    assert!(info.geometry.direction[2][1].is_sign_negative());
    assert_eq!(info.name, original.name);
    assert_eq!(info.unit, original.unit);
    assert_eq!(info.fill_value, original.fill_value);
    assert_eq!(info.provenance, original.provenance);
    assert_eq!(info.range, original.range());
    assert_eq!((info.asked.value, info.asked.preset), (25.0, Preset::Fast));
    assert!(info.psnr() >= 25.0 && info.achieved.max_error >= info.achieved.rmse, "{:?}", info.achieved);
    let decoded = file.read_region(Region::whole(info.shape), 1).unwrap();
    assert_eq!(decoded.geometry, original.geometry);
    assert_eq!((&decoded.name, &decoded.unit), (&original.name, &original.unit));
    assert_eq!(decoded.fill_value, original.fill_value);
    // 25 dB are not what was there: the decoded volume says so, too.
    let mut marked = original.clone();
    marked.add_lossy_step(&LossyStep {
        method: Some(LossyStep::NEUVOL.into()),
        ratio: Some((file.ratio() * 10.0).round() / 10.0),
    });
    assert_eq!(decoded.provenance, marked.provenance);
}

/// Samples that must come back bit by bit.
fn comes_back(samples: impl Into<Samples>, shape: [usize; 3], fill_value: Option<f64>) {
    let mut original = Volume::new(samples, shape).unwrap();
    original.fill_value = fill_value;
    let file = open(&compressed(&original)).unwrap();
    assert_eq!(file.info().range, original.range());
    let decoded = file.read_region(Region::whole(shape), 1).unwrap();
    assert_eq!(decoded.samples().as_bytes(), original.samples().as_bytes(), "{shape:?}");
    assert_eq!(decoded.sample_type(), original.sample_type());
}

#[test]
fn constant_volumes_come_back_exactly() {
    comes_back(vec![200u8; 60], [5, 4, 3], None);
    comes_back(vec![-1024i16; 60], [5, 4, 3], None);
    comes_back(vec![u32::MAX; 60], [5, 4, 3], None);
    comes_back(vec![0.1f32; 60], [5, 4, 3], None);
    comes_back(vec![1e300f64; 60], [5, 4, 3], None);
    // Constant where it is measured.
    comes_back(vec![7i16, -1, 7, 7, -1, -1], [3, 2, 1], Some(-1.0));
}

#[test]
fn masked_volumes_come_back_exactly() {
    comes_back(vec![f32::NAN; 70 * 66], [70, 66, 1], None);
    comes_back(vec![-9999i32; 60], [5, 4, 3], Some(-9999.0));
    comes_back(vec![f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -1.5], [1, 2, 2], Some(-1.5));
}

#[test]
fn a_single_voxel_comes_back_exactly() {
    comes_back(vec![-5i8], [1; 3], None);
    comes_back(vec![std::f64::consts::PI], [1; 3], None);
    comes_back(vec![f32::NAN], [1; 3], None);
    let file = open(&compressed(&Volume::new(vec![42u16], [1; 3]).unwrap())).unwrap();
    let mut out = [0.0; 2];
    file.values_at(&[[0.0; 3], [9.0; 3]], Space::Index, Outside::Clamp, &mut out).unwrap();
    assert_eq!(out, [42.0, 42.0]);
}
