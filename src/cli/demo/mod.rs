//! `neuvol demo`: the whole way on a phantom, with the code that a real series goes through.

mod phantom;

use super::input::NeuralArguments;
use super::{Placement, compress, interrupt};
use anyhow::{Context, Result};
use neuvol::io::{OpenOptions, SeriesDescription};
use neuvol::render::{Picture, Window};
use neuvol::train::{CompressOptions, Preset};
use neuvol::{Axis, Region, Volume};
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The folder to write to.
    #[arg(short, long, value_name = "FOLDER", default_value = "neuvol-demo")]
    output: PathBuf,
}

/// Hounsfield units that the picture shows: wide enough for lung and bone.
const WINDOW: Window = Window { low: -1000.0, high: 500.0 };

pub(super) fn run(arguments: &Arguments, place: Placement) -> Result<()> {
    interrupt::listen();
    let folder = &arguments.output;
    let series = folder.join("series");
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let phantom = phantom::chest();
    neuvol::io::write_series(
        &phantom,
        &series,
        &SeriesDescription {
            description: "neuvol phantom".into(),
            patient: ["PHANTOM^NEUVOL", "PHANTOM"].map(String::from),
            // Names that say nothing about positions, as scanners give them.
            shuffle: Some(0),
            ..SeriesDescription::default()
        },
    )?;
    say!("{}: {} DICOM files of a chest phantom", series.display(), phantom.shape()[2]);

    let start = Instant::now();
    let volume = neuvol::io::open(&series, &OpenOptions::default())?;
    let reading = start.elapsed();
    let options = CompressOptions { preset: Preset::Fast, ..CompressOptions::default() };
    let (compressed, training) = compress::compress(&volume, &options)?;
    let nvol = folder.join("phantom.nvol");
    compressed.save(&nvol)?;
    say!("{}", nvol.display());
    compress::print_result(&volume, &compressed)?;

    let start = Instant::now();
    let neural = NeuralArguments::default().open(&nvol, place)?;
    let decoded = neural.read_region(Region::whole(neural.info().shape), 1)?;
    let decoding = start.elapsed();
    say!(
        "  time      {:.1} s reading, {:.1} s compressing, {:.2} s opening and decoding",
        reading.as_secs_f64(),
        training.as_secs_f64(),
        decoding.as_secs_f64()
    );
    interrupt::check()?;
    let nifti = folder.join("phantom.nii.gz");
    neuvol::io::save(&decoded, &nifti)?;
    say!("{}: decoded, for any viewer", nifti.display());
    let png = folder.join("phantom.png");
    picture(&volume, &decoded, compressed.distortion.rmse, &png)?;
    say!(
        "{}: original, decoded, and the error (blue too low, red too high, full colour at {:.0} HU)",
        png.display(),
        full_colour(compressed.distortion.rmse)
    );
    Ok(())
}

/// Errors of three standard deviations have full colour.
fn full_colour(rmse: f64) -> f64 {
    (3.0 * rmse).max(1.0)
}

/// The middle slice: original, decoded, error.
fn picture(original: &Volume, decoded: &Volume, rmse: f64, path: &Path) -> Result<()> {
    let [original, decoded] = [middle_slice(original)?, middle_slice(decoded)?];
    let pictures = [
        Picture::of_slice(&original, Axis::Z, WINDOW),
        Picture::of_slice(&decoded, Axis::Z, WINDOW),
        Picture::of_error(&original, &decoded, Axis::Z, full_colour(rmse)),
    ];
    Ok(Picture::beside(&pictures).save(path)?)
}

fn middle_slice(volume: &Volume) -> Result<Volume> {
    let [nx, ny, nz] = volume.shape();
    let start = nx * ny * (nz / 2);
    let samples: Vec<f64> = (start..start + nx * ny).map(|i| volume.samples().get(i)).collect();
    let mut slice = Volume::new(samples, [nx, ny, 1])?;
    slice.geometry = volume.geometry;
    Ok(slice)
}
