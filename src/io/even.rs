//! Rectilinear grids whose coordinates are evenly spaced.

use super::affine;
use crate::error::{Error, Result};
use crate::volume::{Frame, Geometry, SampleType, Samples};
use std::path::Path;

/// Part of a step that a point may lie beside its even place.
const UNEVEN: f64 = 1e-4;

/// First coordinate and step of an axis.
pub(crate) type Axis = (f64, f64);

/// The first coordinate and the step of points along an axis; uneven ones are refused with where.
pub(crate) fn axis(path: &Path, axis: usize, coordinates: &Samples) -> Result<Axis> {
    let count = coordinates.len();
    let at = |index: usize| coordinates.get(index);
    if count < 2 {
        return Ok((if count == 0 { 0.0 } else { at(0) }, 1.0));
    }
    let (first, last) = (at(0), at(count - 1));
    let step = (last - first) / (count - 1) as f64;
    // Coordinates are rounded where they are written: to their type, and in text to six digits or so.
    let digits =
        if coordinates.sample_type() == SampleType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let tolerance = UNEVEN * step.abs() + 2.0 * digits * first.abs().max(last.abs());
    for index in 0..count {
        let off = at(index) - (first + step * index as f64);
        if off.is_nan() || off.abs() > tolerance {
            return Err(Error::unsupported(
                path,
                format!(
                    "the coordinates of axis {axis} are not evenly spaced: point {index} lies at {}, {off:.3e} beside an \
                     even step of {step}; resample the grid to an image first",
                    at(index)
                ),
            ));
        }
    }
    Ok((first, step))
}

/// The geometry of such axes; cells sit at their centres.
pub(crate) fn geometry(
    path: &Path,
    axes: [Axis; 3],
    is_cell: impl Fn(usize) -> bool,
    shape: [u64; 3],
) -> Result<Geometry> {
    let steps = std::array::from_fn(|a| std::array::from_fn(|row| if row == a { axes[a].1 } else { 0.0 }));
    let origin = std::array::from_fn(|a| axes[a].0 + if is_cell(a) { axes[a].1 / 2.0 } else { 0.0 });
    let extents = shape.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    affine::geometry(path, steps, origin, Frame::Unknown, extents)
}
