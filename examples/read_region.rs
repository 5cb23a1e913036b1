//! Read a slice, a region at a quarter of the resolution, and a block, from a .nvol file (runs without arguments).
//!
//! `cargo run --release --example read_region [FILE.nvol]`; without one it reads the file of the example
//! `compress`, which must have run.

use neuvol::{Axis, NeuralVolume, Region, Result};
use std::path::PathBuf;

fn main() -> Result<()> {
    let of_example = || std::env::temp_dir().join("neuvol-example-waves.nvol");
    let path = std::env::args_os().nth(1).map_or_else(of_example, PathBuf::from);
    let neural = NeuralVolume::open(path)?;
    let shape = neural.info().shape;
    println!(
        "{} {} {shape:?}, {:.2} dB",
        neural.info().name,
        neural.info().sample_type,
        neural.info().psnr()
    );

    // Only the voxels asked for are evaluated.
    let slice = neural.read_region(Region::slice(shape, Axis::Z, shape[2] / 2), 1)?;
    println!("middle slice: {:?}, values {:?}", slice.shape(), slice.range());

    let coarse = neural.read_region(Region::whole(shape), 4)?;
    println!("every fourth voxel: {:?}, spacing {:?}", coarse.shape(), coarse.geometry.spacing);

    let block = Region { start: [0; 3], end: shape.map(|n| n.min(16)) };
    let block = neural.read_region_f32(block, 1)?;
    println!("a corner as float32: {:?}, first value {}", block.shape(), block.samples().get(0));
    Ok(())
}
