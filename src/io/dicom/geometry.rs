//! Where the slices lie: sorted along their normal, evenly spaced, nothing missing (PS3.3, C.7.6.2.1.1).

use super::Slice;
use crate::error::{Error, Result};
use crate::io::affine::{self, cross, dot, norm};
use crate::volume::{Frame, Geometry};
use std::path::Path;

/// Steps may differ by this part of a step: positions are rounded when written.
const UNEVEN: f64 = 0.01;
/// And by this much in any case, in mm.
const ROUNDING_MM: f64 = 0.01;
/// Largest difference between direction cosines of slices that count as parallel.
const PARALLEL: f64 = 1e-4;
/// A sideways drift of more than this part of the stack's height is a tilted gantry.
const TILT: f64 = 1e-3;
/// Gaps named in a message.
const GAPS_NAMED: usize = 3;

/// Sorts the slices along their normal and gives the grid's geometry; `path` is the series', for messages.
pub(super) fn sort_and_measure(path: &Path, slices: &mut Vec<Slice>) -> Result<Geometry> {
    let first = super::series::first(path, slices)?.clone();
    for slice in slices.iter() {
        check_alike(&first, slice)?;
    }
    if slices.len() == 1 && first.orientation.is_none() {
        // A lone image may lie nowhere in the patient (a scan, a secondary capture).
        return Ok(Geometry {
            spacing: [first.pixel_spacing[1], first.pixel_spacing[0], first.thickness],
            ..Geometry::default()
        });
    }
    let [row, column] =
        first.orientation.ok_or_else(|| missing(&first, "Image Orientation (Patient) (0020,0037)"))?;
    let normal = cross(row, column);
    if (norm(normal) - 1.0).abs() > 1e-2 {
        return Err(Error::format(
            &first.path,
            format!(
                "Image Orientation (Patient) {row:?} {column:?} is not a pair of orthogonal unit vectors"
            ),
        ));
    }
    let normal = normal.map(|v| v / norm(normal));

    let mut placed = Vec::with_capacity(slices.len());
    for slice in slices.drain(..) {
        let position =
            slice.position.ok_or_else(|| missing(&slice, "Image Position (Patient) (0020,0032)"))?;
        placed.push(Placed { along: dot(position, normal), position, slice });
    }
    placed.sort_by(|a, b| a.along.total_cmp(&b.along));
    let step = step(path, &placed, normal)?;

    let origin = placed.first().map_or([0.0; 3], |p| p.position);
    slices.extend(placed.into_iter().map(|p| p.slice));
    let spacing = [first.pixel_spacing[1], first.pixel_spacing[0], step.unwrap_or(first.thickness)];
    let axes = [row, column, normal].map(|axis| axis.map(|v| v / norm(axis)));
    let steps = std::array::from_fn(|axis| axes[axis].map(|v| v * spacing[axis]));
    let shape = [first.columns, first.rows, slices.len()];
    // The spacing as it is written, not as it comes back out of the vectors.
    Ok(Geometry { spacing, ..affine::geometry(path, steps, origin, Frame::Lps, shape)? })
}

/// A slice and where it lies.
struct Placed {
    /// mm along the normal.
    along: f64,
    position: [f64; 3],
    slice: Slice,
}

fn missing(slice: &Slice, name: &str) -> Error {
    Error::format(&slice.path, format!("the slice lacks {name}: its place in the volume is unknown"))
}

/// Refuses slices of another size, orientation, spacing or pixel type than the first.
fn check_alike(first: &Slice, slice: &Slice) -> Result<()> {
    let refuse = |what: String| {
        Err(Error::format(
            &slice.path,
            format!(
                "the series is not one volume: {what} in {}; copy the slices of one volume to a folder",
                first.file_name()
            ),
        ))
    };
    if (slice.columns, slice.rows) != (first.columns, first.rows) {
        return refuse(format!(
            "{} x {} pixels here, {} x {}",
            slice.columns, slice.rows, first.columns, first.rows
        ));
    }
    let (Some(a), Some(b)) = (slice.orientation, first.orientation) else {
        return if slice.orientation == first.orientation {
            Ok(())
        } else {
            refuse("an image without orientation against one that has it".into())
        };
    };
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    if apart(a.as_flattened(), b.as_flattened()) > PARALLEL {
        return refuse(format!("orientation {a:?} here, {b:?}"));
    }
    if apart(&slice.pixel_spacing, &first.pixel_spacing) > PARALLEL * first.pixel_spacing[0] {
        return refuse(format!("pixel spacing {:?} here, {:?}", slice.pixel_spacing, first.pixel_spacing));
    }
    let pixel = |s: &Slice| (s.bits_allocated, s.signed);
    if pixel(slice) != pixel(first) {
        return refuse(format!("pixels of {} here, {}", slice.stored_type(), first.stored_type()));
    }
    Ok(())
}

/// The distance between slices, measured from the first to the last; `None` for a lone one.
fn step(path: &Path, placed: &[Placed], normal: [f64; 3]) -> Result<Option<f64>> {
    let (Some(first), Some(last)) = (placed.first(), placed.last()) else { return Ok(None) };
    if placed.len() < 2 {
        return Ok(None);
    }
    let mut steps: Vec<f64> = placed.windows(2).map(|w| w[1].along - w[0].along).collect();
    steps.sort_by(f64::total_cmp);
    let usual = steps[steps.len() / 2];
    let tolerance = (UNEVEN * usual).max(ROUNDING_MM);

    for pair in placed.windows(2) {
        if pair[1].along - pair[0].along < 1e-3 {
            return Err(Error::format(
                path,
                format!(
                    "two slices at the same position, {:.2} mm along the normal: {} and {}; \
                     the folder may hold a series twice, or several time steps",
                    pair[0].along,
                    pair[0].slice.file_name(),
                    pair[1].slice.file_name()
                ),
            ));
        }
    }
    let gaps: Vec<String> = placed
        .windows(2)
        .filter(|pair| ((pair[1].along - pair[0].along) - usual).abs() > tolerance)
        .map(|pair| {
            let step = pair[1].along - pair[0].along;
            let what = if step > 1.5 * usual { "slice missing" } else { "uneven slices" };
            format!(
                "{what}: positions along the normal jump from {:.2} mm ({}) to {:.2} mm ({}), \
                 a step of {step:.2} mm where the others are {usual:.2} mm",
                pair[0].along,
                pair[0].slice.file_name(),
                pair[1].along,
                pair[1].slice.file_name(),
            )
        })
        .collect();
    if !gaps.is_empty() {
        let more = gaps.len().saturating_sub(GAPS_NAMED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let named: Vec<&str> = gaps.iter().take(GAPS_NAMED).map(String::as_str).collect();
        return Err(Error::format(path, format!("{}{more}", named.join("; "))));
    }

    let height = last.along - first.along;
    for slice in placed {
        let moved: [f64; 3] = std::array::from_fn(|a| slice.position[a] - first.position[a]);
        let sideways: [f64; 3] = std::array::from_fn(|a| moved[a] - dot(moved, normal) * normal[a]);
        if norm(sideways) > TILT * height + ROUNDING_MM {
            let angle = norm(sideways).atan2(slice.along - first.along).to_degrees();
            return Err(Error::unsupported(
                path,
                format!(
                    "the slices are not stacked along their normal: {} lies {:.2} mm to the side of the first \
                     ({angle:.1} degrees, a tilted gantry?); resample the series to a right-angled grid first",
                    slice.slice.file_name(),
                    norm(sideways)
                ),
            ));
        }
    }
    Ok(Some(height / (placed.len() - 1) as f64))
}
