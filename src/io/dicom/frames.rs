//! Where the frames of a multi-frame image lie when they do not say it one by one.

use super::Slice;
use super::attributes::Attributes;
use crate::error::{Error, Result};
use crate::io::OpenOptions;
use crate::io::affine::cross;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::path::Path;

/// Gives each frame its position.
///
/// Enhanced images have one in each frame's functional groups. Dose grids have one for all and the offsets of the planes
/// (PS3.3, C.8.8.3.2); nuclear medicine has one of its detector and numbers its slices (C.8.4.8, C.8.4.15).
pub(super) fn place(whole: &Attributes, slices: &mut [Slice], options: &OpenOptions) -> Result<()> {
    let count = slices.len();
    let Some(first) = slices.first() else { return Ok(()) };
    if first.image.segmentation.is_some() && slices.iter().all(|slice| slice.position.is_some()) {
        // Frames of several segments may lie at one position.
        return Ok(());
    }
    let path = first.image.path.clone();
    if first.position.is_none() || first.orientation.is_none() {
        take_from_the_detector(&path, whole, slices)?;
    }
    let Some(first) = slices.first().filter(|_| count > 1) else { return Ok(()) };
    let distinct = slices.iter().any(|s| s.position != first.position);
    if distinct && slices.iter().all(|s| s.position.is_some()) {
        return Ok(());
    }
    let numbers = |tag: Tag| whole.numbers(tag).map_err(|e| e.of(&path));
    if numbers(tags::ANGULAR_VIEW_VECTOR)?.is_some() {
        return Err(Error::unsupported(
            &path,
            format!(
                "the file holds {count} projections from different angles; only reconstructed volumes are supported"
            ),
        ));
    }
    let steps = match numbers(tags::SLICE_VECTOR)? {
        Some(vector) if vector.len() == count => vector.iter().map(|slice| slice - 1.0).collect(),
        Some(vector) => {
            return Err(Error::format(
                &path,
                format!("Slice Vector (0054,0080) holds {} numbers for {count} frames", vector.len()),
            ));
        }
        None => (0..count).map(|k| k as f64).collect::<Vec<_>>(),
    };
    let offsets = numbers(tags::GRID_FRAME_OFFSET_VECTOR)?;
    let spacing = first.depth.between.clone().map_err(|e| e.of(&path))?.filter(|step| *step != 0.0);
    // Below 0 the frames lie in front of the first one.
    let spacing = spacing.or(options.spacing.map(|[.., z]| z));
    let (Some(origin), Some([row, column])) = (first.position, first.orientation) else {
        let Some([.., step]) = options.spacing else { return Err(lies_nowhere(&path, count, first)) };
        // The caller says that they are slices: a stack along its own third axis.
        for (slice, at) in slices.iter_mut().zip(steps) {
            slice.position = Some([0.0, 0.0, at * step]);
            slice.orientation = Some([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        }
        return Ok(());
    };
    let normal = cross(row, column);
    let along = |offset: f64| std::array::from_fn(|a| origin[a] + offset * normal[a]);
    let offsets = match (offsets, spacing) {
        (Some(offsets), _) => offsets,
        (None, Some(step)) => steps.into_iter().map(|at| at * step).collect(),
        (None, None) => return Err(lies_nowhere(&path, count, first)),
    };
    let Some(&start) = offsets.first().filter(|_| offsets.len() == count) else {
        return Err(Error::format(
            &path,
            format!(
                "Grid Frame Offset Vector (3004,000C) holds {} offsets for {count} frames",
                offsets.len()
            ),
        ));
    };
    let from_the_first =
        start == 0.0 || whole.numbers(tags::GRID_FRAME_OFFSET_VECTOR).ok().flatten().is_none();
    for (slice, &offset) in slices.iter_mut().zip(&offsets) {
        // Offsets from the first plane, or else coordinates along the patient's axis.
        slice.position = Some(if from_the_first { along(offset) } else { [origin[0], origin[1], offset] });
    }
    Ok(())
}

/// The sentence for frames of which nobody knows how far they lie apart.
fn lies_nowhere(path: &Path, count: usize, first: &Slice) -> Error {
    let thickness = match first.depth.thickness {
        Ok(Some(mm)) if mm > 0.0 => format!("; Slice Thickness (0018,0050) is {mm} mm"),
        _ => String::new(),
    };
    let what = if first.position.is_none() {
        format!("the file holds {count} frames without positions in space")
    } else {
        format!("the file holds {count} frames at one position and lacks Spacing Between Slices (0018,0088)")
    };
    Error::unsupported(
        path,
        format!(
            "{what}{thickness}. If they are slices and no film, `spacing` SXxSYxSZ says how far they lie apart"
        ),
    )
}

/// Position and orientation of nuclear medicine images are those of a detector (PS3.3, C.8.4.11).
fn take_from_the_detector(path: &Path, whole: &Attributes, slices: &mut [Slice]) -> Result<()> {
    let Some(detector) = whole.items(tags::DETECTOR_INFORMATION_SEQUENCE).next() else { return Ok(()) };
    let numbers = |tag: Tag| detector.numbers(tag).map_err(|e| e.of(path));
    let position = numbers(tags::IMAGE_POSITION_PATIENT)?.and_then(|p| <[f64; 3]>::try_from(p).ok());
    let orientation = numbers(tags::IMAGE_ORIENTATION_PATIENT)?.and_then(|cosines| match cosines[..] {
        [a, b, c, d, e, f] => Some([[a, b, c], [d, e, f]]),
        _ => None,
    });
    for slice in slices {
        slice.position = slice.position.or(position);
        slice.orientation = slice.orientation.or(orientation);
    }
    Ok(())
}
