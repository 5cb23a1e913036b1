//! Resampling to an even, right-angled grid: missing slices interpolated, a leaning stack set upright.

use super::stack::Stack;
use crate::error::{Error, Result};
use crate::volume::{FillRange, MaskClass, Sample, SampleType, Samples, Volume, for_each_type};
use std::path::Path;

/// A point nearer to a sample than this, in samples, has its value.
const ON_A_SAMPLE: f64 = 1e-6;

/// Interpolates slices that lie at `positions` (in steps, ascending from 0) to every whole step.
///
/// Between two slices values are linear; next to a masked voxel the nearer slice counts.
pub(super) fn fill_gaps(volume: Volume, positions: &[f64], count: usize) -> Result<Volume> {
    let [nx, ny, _] = volume.shape();
    let plane = nx * ny;
    // Lower slice and the share of the one above it.
    let sources: Vec<(usize, f64)> = (0..count)
        .map(|k| {
            let at = k as f64;
            let above = positions.partition_point(|&p| p <= at + ON_A_SAMPLE);
            let below = above.saturating_sub(1);
            match (positions.get(below), positions.get(above)) {
                (Some(&low), Some(&high)) => (below, ((at - low) / (high - low)).max(0.0)),
                _ => (below, 0.0),
            }
        })
        .collect();
    let fill = volume.fill_range();
    let samples = for_each_type!(volume.samples(), values => {
        let mut even = Vec::with_capacity(plane * count);
        for &(below, share) in &sources {
            let lower = &values[below * plane..][..plane];
            if share < ON_A_SAMPLE {
                even.extend_from_slice(lower);
                continue;
            }
            let upper = &values[(below + 1) * plane..][..plane];
            even.extend(lower.iter().zip(upper).map(|(a, b)| blend(*a, *b, share, fill)));
        }
        Samples::from(even)
    });
    with_samples(volume, samples, [nx, ny, count])
}

/// Sets a stack upright of which each slice lies `lean` columns and rows beside the one before.
///
/// The grid grows so that nothing is lost; what was not measured gets the fill value, or a new one.
pub(super) fn upright(path: &Path, volume: Volume, stack: &Stack, lean: [f64; 2]) -> Result<Volume> {
    let [nx, ny, nz] = volume.shape();
    let drift = lean.map(|per_slice| per_slice * (nz - 1) as f64);
    let grow = drift.map(|d| (d.abs() - ON_A_SAMPLE).max(0.0).ceil() as usize);
    let before: [usize; 2] = std::array::from_fn(|a| if drift[a] < 0.0 { grow[a] } else { 0 });
    let shape = [nx + grow[0], ny + grow[1], nz];
    let fill = volume.fill_value.or(background(path, &volume)?);
    let mut upright = Samples::zeros(volume.sample_type(), shape.iter().product());
    for_each_type!(&mut upright, to => {
        fill_upright(&volume, to, shape, before, lean, fill);
    });
    let mut volume = with_samples(volume, upright, shape)?;
    volume.fill_value = fill;
    // The normal's direction, and the grid's new corner.
    let leaning = &stack.geometry;
    let axis = |a: usize| leaning.direction.map(|row| row[a]);
    let (row, column) = (axis(0), axis(1));
    let normal = crate::io::affine::cross(row, column);
    let mut geometry = *leaning;
    for (r, cosines) in geometry.direction.iter_mut().enumerate() {
        cosines[2] = normal[r];
        geometry.origin[r] -= before[0] as f64 * geometry.spacing[0] * row[r]
            + before[1] as f64 * geometry.spacing[1] * column[r];
    }
    geometry.spacing[2] = leaning.spacing[2] * crate::io::affine::dot(axis(2), normal);
    volume.geometry = geometry;
    Ok(volume)
}

/// Fills `to` with the leaning volume's values, bilinear in each slice's plane.
fn fill_upright<T: Sample>(
    volume: &Volume,
    to: &mut [T],
    shape: [usize; 3],
    before: [usize; 2],
    lean: [f64; 2],
    outside: Option<f64>,
) {
    let [nx, ny, _] = volume.shape();
    let fill = volume.fill_range();
    let outside = T::from_f64(outside.unwrap_or(f64::NAN));
    let samples = volume.samples();
    for (index, value) in to.iter_mut().enumerate() {
        let (i, j, k) = (index % shape[0], index / shape[0] % shape[1], index / (shape[0] * shape[1]));
        let x = i as f64 - before[0] as f64 - lean[0] * k as f64;
        let y = j as f64 - before[1] as f64 - lean[1] * k as f64;
        let (Some((x0, u)), Some((y0, v))) = (cell(x, nx), cell(y, ny)) else {
            *value = outside;
            continue;
        };
        let at = |dx: usize, dy: usize| {
            let (x, y) = ((x0 + dx).min(nx - 1), (y0 + dy).min(ny - 1));
            T::from_f64(samples.get(x + nx * (y + ny * k)))
        };
        let rows = [0, 1].map(|dy| blend(at(0, dy), at(1, dy), u, fill));
        *value = blend(rows[0], rows[1], v, fill);
    }
}

/// The sample below a position, and how far behind it that is; none outside.
fn cell(at: f64, count: usize) -> Option<(usize, f64)> {
    let rounded = at.round();
    let at = if (at - rounded).abs() < ON_A_SAMPLE { rounded } else { at };
    (at >= 0.0 && at <= (count - 1) as f64).then(|| (at.floor() as usize, at.fract()))
}

fn blend<T: Sample>(a: T, b: T, share: f64, fill: Option<FillRange>) -> T {
    let masked = |v: T| MaskClass::of(v.to_f64(), fill).is_some();
    if share == 0.0 {
        a
    } else if masked(a) || masked(b) {
        if share < 0.5 { a } else { b }
    } else {
        T::from_f64(a.to_f64() + share * (b.to_f64() - a.to_f64()))
    }
}

/// A value that no sample has, to stand for "not measured"; none is needed for floats, which have NaN.
fn background(path: &Path, volume: &Volume) -> Result<Option<f64>> {
    if matches!(volume.sample_type(), SampleType::F32 | SampleType::F64) {
        return Ok(None);
    }
    let (least, most) = volume.sample_type().limits();
    let (low, high) = volume.range().unwrap_or((0.0, 0.0));
    if low > least {
        Ok(Some(low - 1.0))
    } else if high < most {
        Ok(Some(high + 1.0))
    } else {
        Err(Error::unsupported(
            path,
            "the samples use every value of their type: none is left for what was not measured; keep the leaning grid",
        ))
    }
}

fn with_samples(volume: Volume, samples: Samples, shape: [usize; 3]) -> Result<Volume> {
    let mut new = Volume::new(samples, shape)?;
    new.geometry = volume.geometry;
    new.fill_value = volume.fill_value;
    new.fill_limit = volume.fill_limit;
    new.name = volume.name;
    new.unit = volume.unit;
    new.provenance = volume.provenance;
    Ok(new)
}
