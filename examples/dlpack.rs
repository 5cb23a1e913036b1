//! Hand a decoded region to a consumer of DLPack tensors without a copy, and take one in (runs without arguments).
//!
//! `cargo run --release --features dlpack --example dlpack [FILE.nvol]`; without one it reads the file of the example
//! `compress`, which must have run.
#![allow(unsafe_code)] // a tensor is a pointer between libraries

use neuvol::dlpack::{self, DLManagedTensorVersioned};
use neuvol::io::Limits;
use neuvol::sample::{Outside, Space};
use neuvol::{Axis, NeuralVolume, Region, Result};
use std::path::PathBuf;

fn main() -> Result<()> {
    let of_example = || std::env::temp_dir().join("neuvol-example-waves.nvol");
    let path = std::env::args_os().nth(1).map_or_else(of_example, PathBuf::from);
    let neural = NeuralVolume::open(path)?;
    let shape = neural.info().shape;

    // Out: the tensor owns the decoded voxels. Python's `__dlpack__` would put this pointer into a capsule.
    let slice = neural.read_region_f32(Region::slice(shape, Axis::Z, shape[2] / 2), 1)?;
    let tensor = dlpack::export::<DLManagedTensorVersioned>(slice)?;
    println!("mean of the middle slice: {}", mean(tensor.into_raw()));

    // Sampled values, as a tensor of one axis.
    let points: Vec<[f64; 3]> = (0..100).map(|i| [f64::from(i) * 0.25, 10.0, 10.0]).collect();
    let mut values = vec![0.0; points.len()];
    neural.values_at(&points, Space::Index, Outside::Clamp, &mut values)?;
    let tensor = dlpack::export_values::<DLManagedTensorVersioned>(values, &[points.len()])?;
    println!("mean of {} points: {}", points.len(), mean(tensor.into_raw()));

    // In: from a producer's pointer, here our own. The samples are copied, the producer's deleter is called.
    let coarse = neural.read_region(Region::whole(shape), 2)?;
    let raw = dlpack::export::<DLManagedTensorVersioned>(coarse)?.into_raw();
    // SAFETY: a valid tensor that is ours to pass on, and that nobody writes to.
    let volume = unsafe { dlpack::import(raw, &Limits::default()) }?;
    println!("taken in: {:?} {}, values {:?}", volume.shape(), volume.sample_type(), volume.range());
    Ok(())
}

/// A consumer as another library is one: it sees the C struct alone, and calls the deleter when it is done.
fn mean(tensor: *mut DLManagedTensorVersioned) -> f32 {
    // SAFETY: a compact tensor of float32 from `export`, which is the consumer's until it calls the deleter.
    unsafe {
        let values = (*tensor).dl_tensor.cpu_slice::<f32>().expect("compact float32 in host memory");
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        if let Some(delete) = (*tensor).deleter {
            delete(tensor);
        }
        mean
    }
}
