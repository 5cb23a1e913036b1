//! Sample a .nvol file between the voxels, in index and in world coordinates (runs without arguments).
//!
//! `cargo run --release --example sample_points [FILE.nvol]`; without one it reads the file of the example
//! `compress`, which must have run.

use neuvol::sample::{Outside, Space};
use neuvol::{NeuralVolume, Result};
use std::path::PathBuf;

fn main() -> Result<()> {
    let of_example = || std::env::temp_dir().join("neuvol-example-waves.nvol");
    let path = std::env::args_os().nth(1).map_or_else(of_example, PathBuf::from);
    let neural = NeuralVolume::open(path)?;
    let info = neural.info();
    let centre = info.shape.map(|n| (n - 1) as f64 / 2.0);

    // Along x through the centre, four points a voxel.
    let line: Vec<[f64; 3]> =
        (0..16).map(|i| [centre[0] + f64::from(i) / 4.0, centre[1], centre[2]]).collect();
    let mut values = vec![0.0; line.len()];
    neural.values_at(&line, Space::Index, Outside::Clamp, &mut values)?;
    for (point, value) in line.iter().zip(&values) {
        println!("index {point:?}: {value} {}", info.unit);
    }

    // The same points by their world position; NaN where a point is outside.
    let world: Vec<[f64; 3]> = line.iter().map(|&index| info.geometry.index_to_world(index)).collect();
    let mut again = vec![0.0; world.len()];
    neural.values_at(&world, Space::World, Outside::Value(f64::NAN), &mut again)?;
    println!("first point in the world: {:?} ({}) = {}", world[0], info.geometry.frame.name(), again[0]);
    Ok(())
}
