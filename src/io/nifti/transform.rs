//! The voxel-to-world transform of a header, and back: sform, qform, or the base affine.

use super::header::Header;
use crate::error::{Error, Result};
use crate::io::affine::{self, RAS_LPS};
use crate::volume::{Frame, Geometry};
use std::path::Path;

/// The LPS geometry, from the transform that nibabel's `get_best_affine` picks; also along which axes it is the file's own
/// spacing. An sform that has no inverse gives way to a qform, as ITK has it, with a warning.
pub(super) fn geometry(
    path: &Path,
    header: &Header,
    shape: [usize; 3],
    given: Option<[f64; 3]>,
) -> Result<(Geometry, [bool; 3])> {
    let zooms = || Zooms::of(path, header, shape, given);
    if header.sform_code > 0 {
        let why = match lps(path, header, sform(header), shape) {
            Ok(geometry) => return Ok((geometry, [true; 3])),
            Err(why) => what(why),
        };
        let (srow, code) = (header.places.srow, header.places.sform_code);
        if header.qform_code <= 0 {
            return Err(Error::format(
                path,
                format!(
                    "the sform (byte {srow}) is not a transform: {why}; mend it, or set sform_code (byte {code}) to 0"
                ),
            ));
        }
        let zooms = zooms()?;
        let geometry = lps(path, header, qform(path, header, &zooms)?, shape)?;
        log::warn!(
            "{}: the sform (byte {srow}) is not a transform: {why}; the qform is taken",
            path.display()
        );
        return Ok((geometry, zooms.declared));
    }
    let zooms = zooms()?;
    let affine = if header.qform_code > 0 { qform(path, header, &zooms)? } else { base(&zooms, shape) };
    Ok((lps(path, header, affine, shape)?, zooms.declared))
}

/// What an error says, without the file's name.
fn what(error: Error) -> String {
    match error {
        Error::Format { what, .. } => what,
        other => other.to_string(),
    }
}

/// A transform to RAS in the header's unit, as LPS millimetres.
fn lps(path: &Path, header: &Header, (steps, origin): Affine, shape: [usize; 3]) -> Result<Geometry> {
    // NIFTI_UNITS_METER, _MM, _MICRON; files that do not say are in millimetres.
    let millimetres = match header.units & 7 {
        1 => 1e3,
        3 => 1e-3,
        _ => 1.0,
    };
    let to_lps = |v: [f64; 3]| std::array::from_fn(|row| v[row] * RAS_LPS[row] * millimetres);
    affine::geometry(path, steps.map(to_lps), to_lps(origin), Frame::Lps, shape)
}

/// The step vector of each axis, and the position of voxel (0, 0, 0).
type Affine = ([[f64; 3]; 3], [f64; 3]);

fn sform(header: &Header) -> Affine {
    let rows = header.sform;
    (std::array::from_fn(|axis| rows.map(|row| row[axis])), rows.map(|row| row[3]))
}

/// Voxel sizes.
struct Zooms {
    /// In the header's unit, all positive.
    sizes: [f64; 3],
    /// Along which axes the header says them.
    declared: [bool; 3],
}

impl Zooms {
    /// A negative size loses its sign, as in nibabel. A size of 0 or NaN is refused unless the caller gives another, in
    /// millimetres, or the axis has one sample.
    fn of(path: &Path, header: &Header, shape: [usize; 3], given: Option<[f64; 3]>) -> Result<Self> {
        let mut zooms = Self { sizes: [1.0; 3], declared: [true; 3] };
        for axis in 0..3 {
            let number = header.pixdim[axis + 1];
            let size = number.abs();
            if size > 0.0 && size.is_finite() {
                zooms.sizes[axis] = size;
                continue;
            }
            zooms.declared[axis] = false;
            if let Some(given) = given {
                zooms.sizes[axis] = match header.units & 7 {
                    1 => given[axis] / 1e3,
                    3 => given[axis] * 1e3,
                    _ => given[axis],
                };
            } else if shape[axis] > 1 {
                let at = header.places.pixdim + header.places.pixdim_bytes * (axis + 1);
                return Err(Error::format(
                    path,
                    format!(
                        "header field pixdim[{}] (byte {at}) is {number}, which is not a distance above 0; say the right one \
                         with `spacing`",
                        axis + 1
                    ),
                ));
            }
        }
        Ok(zooms)
    }
}

fn qform(path: &Path, header: &Header, zooms: &Zooms) -> Result<Affine> {
    let [b, c, d] = header.quaternion;
    let rest = 1.0 - (b * b + c * c + d * d);
    if rest < -header.quaternion_excess || !rest.is_finite() {
        return Err(Error::format(
            path,
            format!(
                "the qform quaternion (byte {}) is longer than 1: b = {b}, c = {c}, d = {d}; mend it, or set qform_code \
                 (byte {}) to 0",
                header.places.quatern, header.places.qform_code
            ),
        ));
    }
    let rotation = rotation([rest.max(0.0).sqrt(), b, c, d]);
    let qfac = if header.pixdim[0] == -1.0 { -1.0 } else { 1.0 };
    let mut sizes = zooms.sizes;
    sizes[2] *= qfac;
    let steps = std::array::from_fn(|axis| rotation.map(|row| row[axis] * sizes[axis]));
    Ok((steps, header.qform_offset))
}

/// Neither form: the grid's centre at the origin and x to the left, as ANALYZE had it and nibabel still does.
fn base(zooms: &Zooms, shape: [usize; 3]) -> Affine {
    let mut sizes = zooms.sizes;
    sizes[0] = -sizes[0];
    let steps =
        std::array::from_fn(|axis| std::array::from_fn(|row| if row == axis { sizes[axis] } else { 0.0 }));
    (steps, std::array::from_fn(|axis| -(shape[axis] as f64 - 1.0) / 2.0 * sizes[axis]))
}

/// The rotation matrix, rows first, of a quaternion (a, b, c, d).
fn rotation([a, b, c, d]: [f64; 4]) -> [[f64; 3]; 3] {
    let s = 2.0 / (a * a + b * b + c * c + d * d);
    [
        [1.0 - s * (c * c + d * d), s * (b * c - a * d), s * (b * d + a * c)],
        [s * (b * c + a * d), 1.0 - s * (b * b + d * d), s * (c * d - a * b)],
        [s * (b * d - a * c), s * (c * d + a * b), 1.0 - s * (b * b + c * c)],
    ]
}

/// The quaternion (b, c, d) and the handedness `qfac` of an orthonormal matrix; `None` when it is not orthonormal.
pub(super) fn quaternion(mut r: [[f64; 3]; 3]) -> Option<([f64; 3], f64)> {
    for (i, row) in r.iter().enumerate() {
        for (j, other) in r.iter().enumerate() {
            let expected = if i == j { 1.0 } else { 0.0 };
            if (affine::dot(*row, *other) - expected).abs() > 1e-6 {
                return None;
            }
        }
    }
    let mut qfac = 1.0;
    if affine::dot(r[0], affine::cross(r[1], r[2])) < 0.0 {
        qfac = -1.0;
        r.iter_mut().for_each(|row| row[2] = -row[2]);
    }
    // The largest of the four squares 4a^2, 4b^2, 4c^2, 4d^2 gives the best conditioned division.
    let squares = [
        1.0 + r[0][0] + r[1][1] + r[2][2],
        1.0 + r[0][0] - r[1][1] - r[2][2],
        1.0 - r[0][0] + r[1][1] - r[2][2],
        1.0 - r[0][0] - r[1][1] + r[2][2],
    ];
    let largest = (0..4).max_by(|&i, &j| squares[i].total_cmp(&squares[j]))?;
    let root = squares[largest].sqrt() / 2.0;
    let quarter = 0.25 / root;
    let [a, b, c, d] = match largest {
        0 => [
            root,
            (r[2][1] - r[1][2]) * quarter,
            (r[0][2] - r[2][0]) * quarter,
            (r[1][0] - r[0][1]) * quarter,
        ],
        1 => [
            (r[2][1] - r[1][2]) * quarter,
            root,
            (r[0][1] + r[1][0]) * quarter,
            (r[0][2] + r[2][0]) * quarter,
        ],
        2 => [
            (r[0][2] - r[2][0]) * quarter,
            (r[0][1] + r[1][0]) * quarter,
            root,
            (r[1][2] + r[2][1]) * quarter,
        ],
        _ => [
            (r[1][0] - r[0][1]) * quarter,
            (r[0][2] + r[2][0]) * quarter,
            (r[1][2] + r[2][1]) * quarter,
            root,
        ],
    };
    // The header stores b, c, d alone; a is taken as the positive root.
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    Some(([b * sign, c * sign, d * sign], qfac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quaternions_give_their_matrix_back() {
        let quaternions: [[f64; 4]; 5] = [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.1, 0.7, -0.5, 0.3],
            [0.05, -0.2, 0.9, 0.1],
            [0.01, 0.1, 0.2, -0.9],
        ];
        for q in quaternions {
            let length = q.iter().map(|v| v * v).sum::<f64>().sqrt();
            let q = q.map(|v| v / length);
            for qfac in [1.0, -1.0] {
                let mut matrix = rotation(q);
                matrix.iter_mut().for_each(|row| row[2] *= qfac);
                let ([b, c, d], found) = quaternion(matrix).unwrap();
                assert_eq!(found, qfac);
                let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
                let back = rotation([a, b, c, d]);
                for (row, expected) in back.iter().zip(rotation(q)) {
                    for (value, expected) in row.iter().zip(expected) {
                        assert!((value - expected).abs() < 1e-7, "{back:?}");
                    }
                }
            }
        }
        assert_eq!(quaternion([[1.0, 0.1, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), None);
    }
}
