//! How fast series and files are read from a warm cache: `cargo bench --bench reading`.

use neuvol::Volume;
use neuvol::io::{self, OpenOptions, SeriesDescription};
use neuvol::volume::{Frame, Geometry};
use std::path::Path;
use std::time::Instant;

const SHAPE: [usize; 3] = [512, 512, 500];
const RUNS: usize = 5;

fn main() {
    let samples: Vec<i16> =
        (0..SHAPE.iter().product::<usize>()).map(|i| (i * 7 % 3000) as i16 - 1000).collect();
    let mut volume = Volume::new(samples, SHAPE).expect("one sample a voxel");
    volume.geometry = Geometry { spacing: [0.7, 0.7, 1.0], frame: Frame::Lps, ..Geometry::default() };
    volume.unit = "HU".into();
    let folder = tempfile::tempdir().expect("a folder");
    let series = folder.path().join("series");
    let shuffled = SeriesDescription { shuffle: Some(1), ..SeriesDescription::default() };
    io::write_series(&volume, &series, &shuffled).expect("a series");
    println!(
        "{} threads; medians of {RUNS} runs behind a first one, with their range",
        rayon::current_num_threads()
    );
    report("DICOM series, 500 slices of 512x512, 16 bits", &series, &volume);
    for name in ["a.nii", "a.mhd", "a.npy", "a.nii.gz", "a.vti"] {
        let path = folder.path().join(name);
        io::save(&volume, &path).expect("a file");
        report(name, &path, &volume);
        std::fs::remove_file(&path).expect("a file to remove");
    }
}

fn report(what: &str, path: &Path, volume: &Volume) {
    let mut rates: Vec<f64> = (0..=RUNS)
        .map(|_| {
            let start = Instant::now();
            let read = io::open(path, &OpenOptions::default()).expect("a readable file");
            let seconds = start.elapsed().as_secs_f64();
            assert!(read.samples() == volume.samples(), "{what} is read right");
            volume.stored_bytes() as f64 / seconds / 1e6
        })
        .skip(1)
        .collect();
    rates.sort_by(f64::total_cmp);
    println!("{what:<48} {:>6.0} MB/s ({:.0}..{:.0})", rates[RUNS / 2], rates[0], rates[RUNS - 1]);
}
