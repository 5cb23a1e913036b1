//! Where the frames of a multi-frame image lie when they do not say it one by one.

use super::Slice;
use super::attributes::Attributes;
use crate::error::{Error, Result};
use crate::io::affine::cross;
use dicom_dictionary_std::tags;

/// Gives each frame its position.
///
/// Enhanced images have one in each frame's functional groups. Dose grids have one for all and the offsets of the planes
/// (PS3.3, C.8.8.3.2); others (nuclear medicine) lie one behind the other along the normal.
pub(super) fn place(whole: &Attributes, slices: &mut [Slice]) -> Result<()> {
    let count = slices.len();
    let Some(first) = slices.first().filter(|_| count > 1) else { return Ok(()) };
    let distinct = slices.iter().any(|s| s.position != first.position);
    if distinct && slices.iter().all(|s| s.position.is_some()) {
        return Ok(());
    }
    let path = &first.image.path;
    let (Some(origin), Some([row, column])) = (first.position, first.orientation) else {
        return Err(Error::unsupported(
            path,
            format!(
                "the file holds {count} frames without positions in space (a film?); only volumes are supported"
            ),
        ));
    };
    let normal = cross(row, column);
    let along = |offset: f64| std::array::from_fn(|a| origin[a] + offset * normal[a]);
    let offsets = whole.numbers(tags::GRID_FRAME_OFFSET_VECTOR);
    if offsets.is_none() && whole.number(tags::SPACING_BETWEEN_SLICES).is_none() {
        return Err(Error::unsupported(
            path,
            format!("the file holds {count} frames at one position (a film?); only volumes are supported"),
        ));
    }
    let offsets = offsets.unwrap_or_else(|| (0..count).map(|k| k as f64 * first.thickness).collect());
    let Some(&start) = offsets.first().filter(|_| offsets.len() == count) else {
        return Err(Error::format(
            path,
            format!(
                "Grid Frame Offset Vector (3004,000C) holds {} offsets for {count} frames",
                offsets.len()
            ),
        ));
    };
    for (slice, &offset) in slices.iter_mut().zip(&offsets) {
        // Offsets from the first plane, or else coordinates along the patient's axis.
        slice.position = Some(if start == 0.0 { along(offset) } else { [origin[0], origin[1], offset] });
    }
    Ok(())
}
