//! Compress a volume and save it (runs without arguments).
//!
//! `cargo run --release --example compress [INPUT OUTPUT.nvol]`

use neuvol::train::{CompressOptions, Preset, Target, compress};
use neuvol::volume::{Frame, Geometry};
use neuvol::{Result, Volume};
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (volume, output) = match arguments.as_slice() {
        [input, output] => (neuvol::io::open(Path::new(input), &Default::default())?, PathBuf::from(output)),
        _ => (waves()?, std::env::temp_dir().join("neuvol-example-waves.nvol")),
    };
    let options = CompressOptions { target: Target::Psnr(40.0), preset: Preset::Fast, ..Default::default() };
    let compressed = compress(&volume, &options)?;
    compressed.save(&output)?;
    println!(
        "{}: {:.2} dB, {:.0}:1, largest error {:.1}",
        output.display(),
        compressed.distortion.psnr,
        compressed.ratio,
        compressed.distortion.max_error
    );
    Ok(())
}

/// A volume of our own: samples x fastest, then shape, then where it lies.
fn waves() -> Result<Volume> {
    let shape = [64, 48, 40];
    let mut samples = Vec::with_capacity(shape.iter().product());
    for z in 0..shape[2] {
        for y in 0..shape[1] {
            for x in 0..shape[0] {
                let value = (x as f32 * 0.2).sin() + (y as f32 * 0.15).cos() * (z as f32 * 0.1).sin();
                samples.push((value * 500.0) as i16);
            }
        }
    }
    let mut volume = Volume::new(samples, shape)?;
    volume.name = "waves".into();
    volume.geometry = Geometry { spacing: [0.5, 0.5, 1.2], frame: Frame::Lps, ..Geometry::default() };
    Ok(volume)
}
