//! The components of an array: each for itself, or as exact differences to another one where that is smaller.

use super::compressed::Compressed;
use super::options::{CompressOptions, Target};
use super::progress::Progress;
use super::{candidate, compress_on};
use crate::container::{Body, BrickGrid, File, IntegerBricks, IntegerScale, MOST_COMPONENTS};
use crate::engine::{Engine, Install, TrainingEngine};
use crate::error::{Error, Result};
use crate::sample::Region;
use crate::volume::Volume;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Compresses the components of an array, such as a vector's or a colour's, each of which meets the target.
///
/// Of a lossless target and integers, components may be differences to another one where that is smaller. Their bytes are read
/// only out of the file that a [`DatasetWriter`](super::DatasetWriter) makes of all components.
///
/// # Errors
/// As for [`compress_on`]; [`Error::Options`] for components of several shapes, or more than nine.
pub fn compress_components(
    engine: &Arc<dyn TrainingEngine>,
    components: &[Volume],
    options: &CompressOptions,
    mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Vec<Compressed>> {
    let Some(first) = components.first().filter(|_| components.len() <= MOST_COMPONENTS) else {
        return Err(Error::Options(format!(
            "an array has 1 to {MOST_COMPONENTS} components, not {}",
            components.len()
        )));
    };
    if components.iter().any(|component| component.shape() != first.shape()) {
        return Err(Error::Options("an array's components have one shape".into()));
    }
    let mut compressed = Vec::with_capacity(components.len());
    for component in components {
        compressed.push(compress_on(engine.clone(), component, options, &mut observe)?);
    }
    let base = pivot(components.len());
    let alike = |volume: &Volume| volume.sample_type() == components[base].sample_type();
    if options.target == Target::Lossless && first.sample_type().is_integer() && components.iter().all(alike)
    {
        for n in (0..components.len()).filter(|&n| n != base) {
            let other = as_differences(&components[n], base, &components[base], &compressed, n, engine)?;
            compressed[n] = other;
        }
    }
    Ok(compressed)
}

/// The component that the others may be differences to: green of a colour, the first of two.
pub(super) fn pivot(components: usize) -> usize {
    usize::from(components > 2)
}

/// A component as differences, or as it is where that is smaller.
fn as_differences(
    volume: &Volume,
    base: usize,
    base_volume: &Volume,
    compressed: &[Compressed],
    component: usize,
    engine: &Arc<dyn TrainingEngine>,
) -> Result<Compressed> {
    let (alone, of_base) = (&compressed[component], &compressed[base]);
    let grid = BrickGrid::new(volume.shape());
    let stream =
        |brick| IntegerBricks::encode_difference(volume.samples(), base_volume.samples(), &grid, brick);
    let streams = engine.install(|| (0..grid.len()).into_par_iter().map(stream).collect());
    let scale = IntegerScale { low: 0.0, step: 0.0, sample_type: volume.sample_type() };
    let path = Path::new("the new file");
    let read = |bytes: &[u8]| match File::read(Arc::new(bytes.to_vec()), path)? {
        File::Volume(contents) => Ok(*contents),
        File::Dataset(_) => Err(Error::format(path, "several volumes")),
    };
    let mut contents = read(&alone.bytes)?;
    let bricks = IntegerBricks::new(grid, scale, streams);
    contents.body = Some(Body::Differences(base as u8, bricks));
    let bytes = contents.to_bytes().map_err(|e| Error::io(path, e))?;
    let Some(Body::Integers(base_bricks)) = read(&of_base.bytes)?.body else { return Ok(alone.clone()) };
    if bytes.len() >= alone.bytes.len() {
        return Ok(alone.clone());
    }
    // Measured with the decoder, as every file is.
    let engine: Arc<dyn Engine> = engine.clone();
    let draft = candidate::open_own_contents(read(&bytes)?, Some(base_bricks), bytes.len(), engine)?;
    let decoded = draft.read_region(Region::whole(volume.shape()), 1)?;
    if decoded.samples().as_bytes() != volume.samples().as_bytes() {
        return Err(Error::Target {
            asked: 0.0,
            best: None,
            what: "differences to another component did not come back exactly".into(),
        });
    }
    Ok(Compressed {
        focus: None,
        ratio: volume.stored_bytes() as f64 / bytes.len() as f64,
        ratio_f32: 4.0 * volume.len() as f64 / bytes.len() as f64,
        model: draft.model_summary(),
        bytes,
        ..alone.clone()
    })
}
