//! The pictures of docs/quality.md: details of one slice of a chest CT, as it was and as files of several qualities have it.
//!
//! `cargo run --release --example quality_pictures -- SERIES FOLDER FILE...`, files being `.nvol` or what was decoded.

use neuvol::io::OpenOptions;
use neuvol::render::{Picture, Window};
use neuvol::{Axis, NeuralVolume, Region, Volume};
use std::path::{Path, PathBuf};

/// The slice that is shown.
const SLICE: usize = 140;
/// Errors of this many Hounsfield units and more have full colour.
const FULL_COLOUR: f64 = 60.0;

/// A detail of the slice.
struct Detail {
    name: &'static str,
    /// First voxel along x and y, and how many.
    start: [usize; 2],
    size: [usize; 2],
    /// In Hounsfield units, as radiology sets it: a width around a level.
    level: f64,
    width: f64,
    shows_errors: bool,
}

const DETAILS: [Detail; 2] = [
    Detail {
        name: "lung",
        start: [112, 196],
        size: [150, 120],
        level: -600.0,
        width: 1500.0,
        shows_errors: false,
    },
    Detail {
        name: "soft-tissue",
        start: [205, 205],
        size: [150, 120],
        level: 40.0,
        width: 400.0,
        shows_errors: true,
    },
];

impl Detail {
    fn region(&self) -> Region {
        let [x, y] = self.start;
        Region { start: [x, y, SLICE], end: [x + self.size[0], y + self.size[1], SLICE + 1] }
    }

    /// The same of a volume that is not compressed.
    fn of(&self, volume: &Volume) -> Result<Volume, neuvol::Error> {
        let [nx, ny, _] = volume.shape();
        let Region { start, end } = self.region();
        let samples: Vec<f64> = (start[1]..end[1])
            .flat_map(|y| (start[0]..end[0]).map(move |x| x + nx * (y + ny * SLICE)))
            .map(|at| volume.samples().get(at))
            .collect();
        let mut detail = Volume::new(samples, [self.size[0], self.size[1], 1])?;
        detail.geometry = volume.geometry;
        Ok(detail)
    }

    /// The same of a file, as the original lies in space.
    fn of_file(&self, file: &Path, original: &Volume) -> Result<Volume, neuvol::Error> {
        if file.extension().is_some_and(|extension| extension == "nvol") {
            return NeuralVolume::open(file)?.read_region(self.region(), 1);
        }
        let mut decoded = neuvol::io::open(file, &OpenOptions::default())?;
        decoded.geometry = original.geometry;
        self.of(&decoded)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [series, folder, files @ ..] = arguments.as_slice() else {
        return Err("usage: quality_pictures SERIES FOLDER FILE...".into());
    };
    let original = neuvol::io::open(series, &OpenOptions::default())?;
    for detail in DETAILS {
        let window =
            Window { low: detail.level - detail.width / 2.0, high: detail.level + detail.width / 2.0 };
        let from = detail.of(&original)?;
        let decoded: Vec<Volume> =
            files.iter().map(|file| detail.of_file(file, &original)).collect::<Result<_, _>>()?;
        let values: Vec<Picture> = std::iter::once(&from)
            .chain(&decoded)
            .map(|slice| Picture::of_slice(slice, Axis::Z, window))
            .collect();
        let path = folder.join(format!("quality-{}.png", detail.name));
        Picture::beside(&values).save(&path)?;
        println!("{}", path.display());
        if detail.shows_errors {
            let errors: Vec<Picture> =
                decoded.iter().map(|slice| Picture::of_error(&from, slice, Axis::Z, FULL_COLOUR)).collect();
            let path = folder.join(format!("quality-{}-error.png", detail.name));
            Picture::beside(&errors).save(&path)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}
