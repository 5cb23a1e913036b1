//! Real volumes from the folder `NEUVOL_DATA`: the figures that the README guarantees. Loudly skipped without it.

use neuvol::io::OpenOptions;
use neuvol::train::{CompressOptions, Preset, Target, compress};
use neuvol::volume::SampleType;
use neuvol::{Error, NeuralVolume, Region, Volume};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

fn data(path: &str) -> Option<PathBuf> {
    match std::env::var_os("NEUVOL_DATA") {
        Some(folder) => Some(PathBuf::from(folder).join(path)),
        None => {
            eprintln!("SKIPPED: NEUVOL_DATA is not set, {path} is not tested");
            None
        }
    }
}

fn raw(name: &str, dims: [usize; 3]) -> Option<Volume> {
    let path = data(&format!("volumes/{name}.raw"))?;
    let options =
        OpenOptions { dims: Some(dims), sample_type: Some(SampleType::U8), ..OpenOptions::default() };
    Some(neuvol::io::open(&path, &options).unwrap())
}

/// Compresses, saves, opens, decodes, and holds what was asked for against what came back.
fn through_a_file(volume: &Volume, psnr: f64, preset: Preset) -> (f64, f64) {
    // One at a time: two trainings that share the cores wait for each other in every step.
    static CORES: Mutex<()> = Mutex::new(());
    let _alone = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    let options = CompressOptions { target: Target::Psnr(psnr), preset, ..CompressOptions::default() };
    let compressed = compress(volume, &options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume.nvol");
    compressed.save(&path).unwrap();
    let neural = NeuralVolume::open(&path).unwrap();
    let decoded = neural.read_region(Region::whole(volume.shape()), 1).unwrap();
    let distortion = neuvol::metrics::compare(volume, &decoded).unwrap();
    assert_eq!(distortion, compressed.distortion);
    assert_eq!(decoded.geometry, volume.geometry);
    assert!((psnr..=psnr + 1.0).contains(&distortion.psnr), "{}", distortion.psnr);
    eprintln!("{:.2} dB at {:.1}:1, {}", distortion.psnr, neural.ratio_f32(), neural.model_summary());
    (distortion.psnr, neural.ratio_f32())
}

#[test]
fn tooth_at_39_9_db_is_140_times_smaller() {
    let Some(volume) = raw("tooth", [103, 94, 161]) else { return };
    let (_, ratio) = through_a_file(&volume, 39.9, Preset::Balanced);
    assert!(ratio >= 140.0, "{ratio}");
}

#[test]
fn engine_at_40_db_is_270_times_smaller() {
    let Some(volume) = raw("engine", [256, 256, 128]) else { return };
    let (_, ratio) = through_a_file(&volume, 40.0, Preset::Fast);
    assert!(ratio >= 270.0, "{ratio}");
}

#[test]
fn a_series_with_a_missing_slice_is_refused_with_its_position() {
    let Some(folder) = data("dicom_mr_t2_gap") else { return };
    let Err(Error::Format { what, .. }) = neuvol::io::open(&folder, &OpenOptions::default()) else {
        panic!("a series with a gap is no volume")
    };
    for part in ["51.06 mm", "56.06 mm", "5.00 mm", "2.50 mm"] {
        assert!(what.contains(part), "{what}");
    }
}

#[test]
fn the_whole_chest_ct_at_40_db() {
    let Some(folder) = data("dicom_ct_chest") else { return };
    if std::env::var_os("NEUVOL_FULL").is_none() {
        eprintln!("SKIPPED: the whole chest CT runs with `cargo xtask test --full`");
        return;
    }
    let volume = neuvol::io::open(&folder, &OpenOptions::default()).unwrap();
    assert_eq!((volume.shape(), volume.sample_type()), ([512, 512, 275], SampleType::I16));
    // Along the normal it is computed from the slices' positions.
    let [x, y, z] = volume.geometry.spacing;
    assert!([x, y] == [0.78125; 2] && (z - 1.0).abs() < 1e-12, "{x} {y} {z}");
    let (_, ratio) = through_a_file(&volume, 40.0, Preset::Fast);
    assert!(ratio > 60.0, "{ratio}");
}

#[test]
fn the_whole_chest_ct_without_options_keeps_its_tissues() {
    let Some(folder) = data("dicom_ct_chest") else { return };
    if std::env::var_os("NEUVOL_FULL").is_none() {
        eprintln!("SKIPPED: the whole chest CT runs with `cargo xtask test --full`");
        return;
    }
    let volume = neuvol::io::open(&folder, &OpenOptions::default()).unwrap();
    let options = CompressOptions { preset: Preset::Fast, ..CompressOptions::default() };
    let compressed = compress(&volume, &options).unwrap();
    let fidelity = &compressed.fidelity;
    let noise = fidelity.noise.unwrap();
    assert!((14.0..18.0).contains(&noise), "{noise}");
    assert!(fidelity.distortion.rmse <= noise, "{fidelity:?}");
    assert!(compressed.ratio >= 45.0, "{}", compressed.ratio);
    assert_eq!(fidelity.bands.len(), 5);
    for band in &fidelity.bands {
        assert!(band.bias.abs() < noise / 10.0, "{band:?}");
    }
}
