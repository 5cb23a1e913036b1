//! Where the slices lie: one stack, sorted along its normal, evenly spaced, nothing missing (PS3.3, C.7.6.2.1.1).

use super::Slice;
use super::colour::Colour;
use super::spacing::{self, PixelSpacing};
use crate::error::{Error, Result};
use crate::io::OpenOptions;
use crate::io::affine::{self, cross, dot, norm};
use crate::volume::{Frame, Geometry};
use std::path::Path;

/// Steps may differ by this part of a step: positions are rounded when written.
const UNEVEN: f64 = 0.01;
/// And by this much in any case, in mm.
const ROUNDING_MM: f64 = 0.01;
/// Slices nearer than this are at one position, in mm.
pub(super) const SAME_MM: f64 = 1e-3;
/// Largest difference between direction cosines of slices that count as parallel.
const PARALLEL: f64 = 1e-4;
/// A sideways drift of more than this part of the stack's height is a tilted gantry.
const TILT: f64 = 1e-3;
/// Places named in a message.
const NAMED: usize = 3;

/// The slices of a volume, in their order.
pub(super) struct Stack {
    pub(super) slices: Vec<Slice>,
    /// The grid of the slices, or of the even grid that they are to be resampled to.
    pub(super) geometry: Geometry,
    /// Where each slice lies in units of the even grid's steps, when some are missing or uneven.
    pub(super) uneven: Option<Vec<f64>>,
    /// Columns and rows that each slice lies beside the one before, when the stack leans.
    pub(super) lean: Option<[f64; 2]>,
}

/// The slices of one size, orientation, spacing and pixel type; several such groups are an error unless the caller wants
/// the largest.
pub(super) fn alike(path: &Path, slices: Vec<Slice>, options: &OpenOptions) -> Result<Vec<Slice>> {
    let (largest, groups, difference) = largest_group(slices);
    let Some((first, what)) = groups.first().and_then(|g| g.first()).zip(difference) else {
        return Ok(largest);
    };
    let others: usize = groups.iter().map(Vec::len).sum();
    if !options.largest_group {
        return Err(Error::format(
            &first.image.path,
            format!(
                "the series is not one volume: {what}; {} slices are alike and {} differ{} from them: \
                 `largest_group` takes the {} alone",
                largest.len(),
                others,
                if others == 1 { "s" } else { "" },
                largest.len()
            ),
        ));
    }
    log::warn!(
        "{}: left out {others} {} from the {} others ({what})",
        path.display(),
        if others == 1 { "slice that differs" } else { "slices that differ" },
        largest.len()
    );
    Ok(largest)
}

/// The largest group of slices that are alike, the others, and in what the first of these differ.
pub(super) fn largest_group(slices: Vec<Slice>) -> (Vec<Slice>, Vec<Vec<Slice>>, Option<String>) {
    let mut groups: Vec<Vec<Slice>> = Vec::new();
    let mut difference = None;
    for slice in slices {
        let of = groups.iter_mut().find_map(|group| match group.first().map(|first| unlike(first, &slice)) {
            Some(None) => Some(group),
            Some(Some(what)) => {
                difference.get_or_insert(what);
                None
            }
            None => None,
        });
        match of {
            Some(group) => group.push(slice),
            None => groups.push(vec![slice]),
        }
    }
    groups.sort_by_key(Vec::len);
    (groups.pop().unwrap_or_default(), groups, difference)
}

/// In what a slice differs from the first, so that both cannot be of one volume.
fn unlike(first: &Slice, slice: &Slice) -> Option<String> {
    let (name, other) = (slice.file_name(), first.file_name());
    let (a, b) = (&slice.area, &first.area);
    if (a.columns, a.rows) != (b.columns, b.rows) {
        return Some(format!(
            "{} x {} pixels in {name}, {} x {} in {other}",
            a.columns, a.rows, b.columns, b.rows
        ));
    }
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    match (slice.orientation, first.orientation) {
        (Some(a), Some(b)) if apart(a.as_flattened(), b.as_flattened()) > PARALLEL => {
            return Some(format!("orientation {a:?} in {name}, {b:?} in {other}"));
        }
        (Some(_), None) | (None, Some(_)) => {
            return Some(format!("one of {name} and {other} has no orientation"));
        }
        _ => {}
    }
    match (&slice.pixel_spacing, &first.pixel_spacing) {
        (PixelSpacing::Declared(a), PixelSpacing::Declared(b)) if apart(a, b) <= PARALLEL * b[0] => {}
        (PixelSpacing::Declared(a), PixelSpacing::Declared(b)) => {
            return Some(format!("pixel spacing {a:?} in {name}, {b:?} in {other}"));
        }
        (PixelSpacing::Declared(_), _) => return Some(format!("a pixel spacing in {name}, none in {other}")),
        (_, PixelSpacing::Declared(_)) => return Some(format!("a pixel spacing in {other}, none in {name}")),
        _ => {}
    }
    let [colour, other_colour] = [slice, first].map(|slice| slice.image.colour != Colour::Grey);
    if colour != other_colour {
        let (of_colour, of_grey) = if colour { (name, other) } else { (other, name) };
        return Some(format!("colours in {of_colour}, grey values in {of_grey}"));
    }
    if slice.mapped_unit != first.mapped_unit {
        let unit = |slice: &Slice| slice.mapped_unit.clone().unwrap_or_default();
        return Some(format!("values in '{}' in {name}, in '{}' in {other}", unit(slice), unit(first)));
    }
    if slice.stored_type() != first.stored_type() {
        return Some(format!(
            "pixels of {} in {name}, {} in {other}",
            slice.stored_type(),
            first.stored_type()
        ));
    }
    None
}

/// The first slice; a series has one.
pub(super) fn first<'a>(path: &Path, slices: &'a [Slice]) -> Result<&'a Slice> {
    slices.first().ok_or_else(|| no_image(path))
}

pub(super) fn no_image(path: &Path) -> Error {
    Error::unsupported(path, "the folder holds no DICOM image")
}

/// A slice and where it lies.
pub(super) struct Placed {
    /// mm along the normal.
    pub(super) along: f64,
    pub(super) position: [f64; 3],
    pub(super) slice: Slice,
}

/// The common axes of slices that are alike: row, column and normal, unit vectors; none for a lone image that lies
/// nowhere.
pub(super) fn axes(slices: &[Slice]) -> Result<Option<[[f64; 3]; 3]>> {
    let Some(first) = slices.first() else { return Ok(None) };
    if slices.len() == 1 && first.orientation.is_none() {
        return Ok(None);
    }
    let [row, column] =
        first.orientation.ok_or_else(|| missing(first, "Image Orientation (Patient) (0020,0037)"))?;
    let normal = cross(row, column);
    if (norm(normal) - 1.0).abs() > 1e-2 {
        return Err(Error::format(
            &first.image.path,
            format!(
                "Image Orientation (Patient) {row:?} {column:?} is not a pair of orthogonal unit vectors"
            ),
        ));
    }
    Ok(Some([row, column, normal].map(|axis| axis.map(|v| v / norm(axis)))))
}

/// The slices sorted along their normal, those at one position together.
pub(super) fn positions(slices: Vec<Slice>) -> Result<Vec<Vec<Placed>>> {
    let normal = axes(&slices)?.map(|[_, _, normal]| normal);
    let mut placed = slices
        .into_iter()
        .map(|slice| {
            let Some(normal) = normal else { return Ok(Placed { along: 0.0, position: [0.0; 3], slice }) };
            let position = slice.position.ok_or_else(|| without_position(&slice))?;
            Ok(Placed { along: dot(position, normal), position, slice })
        })
        .collect::<Result<Vec<_>>>()?;
    placed.sort_by(|a, b| a.along.total_cmp(&b.along));
    let mut positions: Vec<Vec<Placed>> = Vec::new();
    for placed in placed {
        match positions.last_mut().filter(|p| p.first().is_some_and(|f| placed.along - f.along < SAME_MM)) {
            Some(position) => position.push(placed),
            None => positions.push(vec![placed]),
        }
    }
    Ok(positions)
}

/// The error for a slice of which nobody knows where it lies.
pub(super) fn without_position(slice: &Slice) -> Error {
    missing(slice, "Image Position (Patient) (0020,0032)")
}

fn missing(slice: &Slice, name: &str) -> Error {
    Error::format(&slice.image.path, format!("the slice lacks {name}: its place in the volume is unknown"))
}

/// The stack of slices that are sorted and alike, one at each position.
pub(super) fn measure(path: &Path, slices: Vec<Slice>, options: &OpenOptions) -> Result<Stack> {
    let Some(axes) = axes(&slices)? else {
        // A lone image may lie nowhere in the patient (a scan, a secondary capture).
        let first = first(path, &slices)?;
        let [between_rows, between_columns] = first.pixel_spacing.or_one();
        let depth = options.spacing.map_or(first.depth.of_one(), |[.., z]| z);
        let spacing = [between_columns, between_rows, depth];
        return Ok(Stack {
            geometry: Geometry { spacing, ..Geometry::default() },
            slices,
            uneven: None,
            lean: None,
        });
    };
    let [row, column, normal] = axes;
    let placed: Vec<Placed> = positions(slices)?.into_iter().flatten().collect();
    let (Some(first), Some(last)) = (placed.first(), placed.last()) else {
        return Err(Error::unsupported(path, "no slice is left"));
    };
    let [between_rows, between_columns] = first.slice.pixel_spacing.or_one();
    let in_plane = [between_columns, between_rows];
    let origin = first.position;
    let height = last.along - first.along;
    let uneven = uneven(path, &placed, options)?;
    let steps = uneven.as_ref().and_then(|at| at.last().copied()).unwrap_or((placed.len() - 1) as f64);
    let geometry = |third: [f64; 3], count: usize| {
        let shape = [first.slice.area.columns, first.slice.area.rows, count];
        let steps = [row.map(|v| v * in_plane[0]), column.map(|v| v * in_plane[1]), third];
        let found = affine::geometry(path, steps, origin, Frame::Lps, shape)?;
        // The spacing as it is written, not as it comes back out of the vectors.
        Ok::<_, Error>(Geometry { spacing: [in_plane[0], in_plane[1], found.spacing[2]], ..found })
    };
    if placed.len() == 1 {
        let thickness = options.spacing.map_or(first.slice.depth.of_one(), |[.., z]| z);
        let mut geometry = geometry(normal.map(|v| v * thickness), 1)?;
        geometry.spacing[2] = thickness;
        let slices = placed.into_iter().map(|p| p.slice).collect();
        return Ok(Stack { geometry, slices, uneven: None, lean: None });
    }
    let leaning = lean(path, &placed, normal)?;
    let count = steps.round() as usize + 1;
    let step = height / steps;
    spacing::check_step(path, step, options)?;
    let (geometry, lean) = match leaning {
        None => {
            let mut geometry = geometry(normal.map(|v| v * step), count)?;
            geometry.spacing[2] = step;
            (geometry, None)
        }
        Some(sideways) => {
            let third = std::array::from_fn(|a| (normal[a] * height + sideways[a]) / steps);
            let per_slice = [dot(third, row) / in_plane[0], dot(third, column) / in_plane[1]];
            let degrees = norm(sideways).atan2(height).to_degrees();
            let how = if options.resample_tilt {
                "is resampled to a right-angled grid"
            } else {
                "is kept as a sheared grid; `resample_tilt` makes a right-angled one"
            };
            log::warn!(
                "{}: the slices lean by {degrees:.1} degrees, {:.2} mm from the first to the last (a tilted gantry): the \
                 volume {how}",
                path.display(),
                norm(sideways)
            );
            (geometry(third, count)?, Some(per_slice))
        }
    };
    let slices = placed.into_iter().map(|p| p.slice).collect();
    Ok(Stack { slices, geometry, uneven, lean })
}

/// Where each slice lies in steps of an even grid, when the slices themselves are not even; an error unless allowed.
fn uneven(path: &Path, placed: &[Placed], options: &OpenOptions) -> Result<Option<Vec<f64>>> {
    let (Some(first), Some(last)) = (placed.first(), placed.last()) else { return Ok(None) };
    let mut steps: Vec<f64> = placed.windows(2).map(|w| w[1].along - w[0].along).collect();
    steps.sort_by(f64::total_cmp);
    let Some(&usual) = steps.get(steps.len() / 2) else { return Ok(None) };
    let tolerance = (UNEVEN * usual).max(ROUNDING_MM);
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
    if gaps.is_empty() {
        return Ok(None);
    }
    let named = named(&gaps);
    if !options.allow_gaps {
        return Err(Error::format(path, format!("{named}; `allow_gaps` interpolates to an even grid")));
    }
    let height = last.along - first.along;
    let count = (height / usual).round();
    if count > (16 * placed.len() + 64) as f64 {
        return Err(Error::format(
            path,
            format!(
                "{named}; an even grid would have {count} slices: the positions are not those of a volume"
            ),
        ));
    }
    let even = height / count;
    log::warn!(
        "{}: {named}; the {} slices are interpolated to an even grid of {} with a step of {even:.4} mm",
        path.display(),
        placed.len(),
        count + 1.0
    );
    Ok(Some(placed.iter().map(|p| (p.along - first.along) / even).collect()))
}

/// The first few of many sentences.
fn named(all: &[String]) -> String {
    let more = all.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let few: Vec<&str> = all.iter().take(NAMED).map(String::as_str).collect();
    format!("{}{more}", few.join("; "))
}

/// How far the last slice lies to the side of the first, as a vector in their planes, when that is more than rounding; the
/// others must lie on the line between them.
fn lean(path: &Path, placed: &[Placed], normal: [f64; 3]) -> Result<Option<[f64; 3]>> {
    let (Some(first), Some(last)) = (placed.first(), placed.last()) else { return Ok(None) };
    let height = last.along - first.along;
    let sideways = |slice: &Placed| -> [f64; 3] {
        let moved: [f64; 3] = std::array::from_fn(|a| slice.position[a] - first.position[a]);
        std::array::from_fn(|a| moved[a] - dot(moved, normal) * normal[a])
    };
    let whole = sideways(last);
    let tolerance = TILT * height + ROUNDING_MM;
    for slice in placed {
        let share = (slice.along - first.along) / height;
        let own = sideways(slice);
        let off = norm(std::array::from_fn(|a| own[a] - share * whole[a]));
        if off > tolerance {
            return Err(Error::unsupported(
                path,
                format!(
                    "the slices lie on no straight line: {} at {:.2} mm along the normal lies {off:.2} mm beside it",
                    slice.slice.file_name(),
                    slice.along
                ),
            ));
        }
    }
    Ok((norm(whole) > tolerance).then_some(whole))
}
