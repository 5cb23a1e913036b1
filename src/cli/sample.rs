//! `neuvol sample`.

use super::Placement;
use super::input::NeuralArguments;
use anyhow::{Context, Result, bail};
use neuvol::sample::{Outside, Space};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The .nvol file.
    input: PathBuf,
    #[command(flatten)]
    from: NeuralArguments,
    /// A point as three numbers; several points are several threes.
    #[arg(value_name = "X Y Z", allow_negative_numbers = true, conflicts_with = "points")]
    coordinates: Vec<f64>,
    /// A file with one point a line, numbers separated by commas or spaces; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    points: Option<PathBuf>,
    /// Coordinates are world positions, in the frame that `info` names; otherwise voxel indices.
    #[arg(long)]
    world: bool,
    /// What a point outside the grid gets; the nearest value of the grid when absent.
    #[arg(long, value_name = "V", allow_negative_numbers = true)]
    outside: Option<f64>,
    /// Values of a coarser level of detail, filtered and faster to read: 1 has half as many samples along each axis, 2 a quarter;
    /// `info` lists them. Points keep their coordinates (world positions, or voxel indices of the volume itself), and values
    /// between the level's samples are interpolated.
    #[arg(long, value_name = "K", default_value_t = 0)]
    level: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, place: Placement) -> Result<()> {
    let points = points(arguments)?;
    if points.is_empty() {
        bail!(neuvol::Error::Options(
            "no point was given: three numbers after the file, or --points FILE".into()
        ));
    }
    let neural = arguments.from.open(&arguments.input, place)?;
    let space = if arguments.world { Space::World } else { Space::Index };
    let outside = arguments.outside.map_or(Outside::Clamp, Outside::Value);
    let mut values = vec![0.0; points.len()];
    neural.values_at_level(arguments.level, &points, space, outside, &mut values)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if arguments.json {
        writeln!(out, "{:#}", serde_json::json!({ "points": points, "values": values }))?;
    } else {
        for (point, value) in points.iter().zip(values) {
            writeln!(out, "{} {} {} {value}", point[0], point[1], point[2])?;
        }
    }
    out.flush()?;
    Ok(())
}

fn points(arguments: &Arguments) -> Result<Vec<[f64; 3]>> {
    let Some(path) = &arguments.points else {
        let (points, rest) = arguments.coordinates.as_chunks::<3>();
        if !rest.is_empty() {
            bail!(neuvol::Error::Options(format!(
                "the number of coordinates, {}, is not a multiple of 3: a point is x y z",
                arguments.coordinates.len()
            )));
        }
        return Ok(points.to_vec());
    };
    let input: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).with_context(|| path.display().to_string())?)
    };
    let mut points = Vec::new();
    for (number, line) in BufReader::new(input).lines().enumerate() {
        let line = line.with_context(|| path.display().to_string())?;
        let words = line.split([',', ' ', '\t', ';']).filter(|w| !w.is_empty());
        let numbers: Option<Vec<f64>> = words.map(|w| w.parse().ok()).collect();
        match numbers.map(<[f64; 3]>::try_from) {
            Some(Ok(point)) => points.push(point),
            _ if line.trim().is_empty() => {}
            _ => bail!("{}: line {}: three numbers are needed, not `{line}`", path.display(), number + 1),
        }
    }
    Ok(points)
}
