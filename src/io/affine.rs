//! A voxel-to-world affine, as several formats store it, to a [`Geometry`].

use crate::error::{Error, Result};
use crate::volume::{Frame, Geometry};
use std::path::Path;

/// Volume between three unit vectors that lie in one plane, or as good as that.
const FLAT: f64 = 1e-6;

/// Turns coordinates of the RAS frame into LPS ones, or back.
pub(crate) const RAS_LPS: [f64; 3] = [-1.0, -1.0, 1.0];

/// The geometry of a grid whose axis `a` steps by the vector `steps[a]`.
///
/// Axes may meet at any angle (a tilted gantry). An axis with one sample may have a zero step; it then takes what direction is left, and spacing 1.
pub(crate) fn geometry(
    path: &Path,
    mut steps: [[f64; 3]; 3],
    origin: [f64; 3],
    frame: Frame,
    shape: [usize; 3],
) -> Result<Geometry> {
    if !steps.iter().flatten().chain(&origin).all(|v| v.is_finite()) {
        return Err(Error::format(path, "the voxel-to-world transform holds NaN or infinity"));
    }
    complete(&mut steps, shape);
    let spacing = steps.map(norm);
    if let Some(axis) = spacing.iter().position(|&s| s == 0.0 || !s.is_finite()) {
        return Err(Error::format(
            path,
            format!("the voxel-to-world transform has no extent along axis {axis} ({} samples)", shape[axis]),
        ));
    }
    let mut direction = [[0.0; 3]; 3];
    for (row, cosines) in direction.iter_mut().enumerate() {
        for (axis, cosine) in cosines.iter_mut().enumerate() {
            *cosine = steps[axis][row] / spacing[axis];
        }
    }
    let volume = dot(steps[0], cross(steps[1], steps[2])) / spacing.iter().product::<f64>();
    if volume.abs() < FLAT {
        return Err(Error::format(path, "the grid's axes lie in one plane: its transform has no inverse"));
    }
    Ok(Geometry { origin, spacing, direction, frame })
}

/// Gives zero steps of one-sample axes a direction.
fn complete(steps: &mut [[f64; 3]; 3], shape: [usize; 3]) {
    for axis in 0..3 {
        if norm(steps[axis]) == 0.0 && shape[axis] == 1 {
            let rest = cross(steps[(axis + 1) % 3], steps[(axis + 2) % 3]);
            let length = norm(rest);
            steps[axis] = if length > 0.0 { rest.map(|v| v / length) } else { unit(axis) };
        }
    }
}

fn unit(axis: usize) -> [f64; 3] {
    std::array::from_fn(|row| if row == axis { 1.0 } else { 0.0 })
}

pub(crate) fn norm(v: [f64; 3]) -> f64 {
    dot(v, v).sqrt()
}

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(&b).map(|(a, b)| a * b).sum()
}

pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_become_spacing_and_direction() {
        let steps = [[0.0, 2.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 0.0, 0.0]];
        let g = geometry(Path::new("x"), steps, [1.0, 2.0, 3.0], Frame::Lps, [4, 4, 1]).unwrap();
        assert_eq!(g.spacing, [2.0, 3.0, 1.0]);
        assert_eq!(g.direction, [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]);
        assert_eq!(g.index_to_world([1.0, 1.0, 0.0]), [-2.0, 4.0, 3.0]);
    }

    #[test]
    fn shear_is_kept_and_what_has_no_inverse_is_refused() {
        let of = |steps| geometry(Path::new("x"), steps, [0.0; 3], Frame::Lps, [2; 3]);
        let sheared = of([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]).unwrap();
        assert_eq!(sheared.index_to_world([1.0, 2.0, 0.0]), [2.0, 2.0, 0.0]);
        let back = sheared.world_to_index().unwrap().apply([2.0, 2.0, 0.0]);
        assert!(back.iter().zip([1.0, 2.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{back:?}");
        let error = of([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).unwrap_err();
        assert!(error.to_string().contains("in one plane"), "{error}");
        assert!(of([[f64::NAN; 3]; 3]).is_err());
    }
}
