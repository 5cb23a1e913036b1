//! Multiplanar and curved reformation: pictures of oblique planes, of slabs around them, and along curves.

use super::matrix::{cross, dot, length, minus, unit};
use super::picture::{Picture, Window};
use crate::error::{Error, Result};
use crate::sample::{NeuralVolume, Outside, Space};
use std::path::Path;

/// Pixels along a picture's longest side at most.
const MOST_PIXELS: usize = 8192;

/// Rows of a picture that are sampled at a time.
const ROWS: usize = 64;

/// What of a slab's samples a pixel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Projection {
    /// Their mean.
    #[default]
    Mean,
    /// The largest one.
    Maximum,
    /// The smallest one.
    Minimum,
}

/// A plane in the world, with a thickness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    /// A point of it.
    pub point: [f64; 3],
    /// Its normal, of any length.
    pub normal: [f64; 3],
    /// How thick the slab around it is in the world; 0 for the plane alone.
    pub thickness: f64,
    /// What a pixel shows of a slab.
    pub projection: Projection,
}

impl Plane {
    /// What of a volume lies in the plane, in square pixels of its finest spacing. To the right runs what is nearest to +x (+y across x), down
    /// what is nearest to -z, or to +y where the plane is across z: as radiology shows axial, coronal and sagittal slices. Places outside
    /// the volume are black.
    ///
    /// # Errors
    /// [`Error::Options`] when the normal has no direction, the thickness is below 0, or the plane does not meet the volume; otherwise as for
    /// [`NeuralVolume::values_at_level`].
    pub fn picture(&self, volume: &NeuralVolume, level: usize, window: Window) -> Result<Picture> {
        let normal = unit(self.normal)
            .ok_or_else(|| Error::Options("the normal of a plane has a length above 0".into()))?;
        if !(self.thickness >= 0.0 && self.thickness.is_finite()) {
            return Err(Error::Options(format!("a slab of thickness {} is not 0 or more", self.thickness)));
        }
        let [right, down] = directions(normal);
        let corners = corners(volume);
        let meets = intersections(&corners, self.point, normal);
        if meets.is_empty() {
            return Err(Error::Options("the plane does not meet the volume".into()));
        }
        let spread = |direction: [f64; 3]| {
            let along = meets.iter().map(|&place| dot(minus(place, self.point), direction));
            along.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)))
        };
        let ((left, end), (top, bottom)) = (spread(right), spread(down));
        let pixel = pixel_of(volume, level, (end - left).max(bottom - top))?;
        let count = |from: f64, to: f64| ((to - from) / pixel).floor() as usize + 1;
        let (width, height) = (count(left, end), count(top, bottom));
        let origin: [f64; 3] = std::array::from_fn(|a| self.point[a] + left * right[a] + top * down[a]);
        let row = |y: usize| -> Vec<[f64; 3]> {
            let step = |x: usize, a: usize| pixel * (x as f64 * right[a] + y as f64 * down[a]);
            (0..width).map(|x| std::array::from_fn(|a| origin[a] + step(x, a))).collect()
        };
        self.rows(volume, level, normal, pixel, (height, row), window)
    }

    /// Rows of places, each the mean or the like of a slab.
    fn rows(
        &self,
        volume: &NeuralVolume,
        level: usize,
        normal: [f64; 3],
        pixel: f64,
        (height, row): (usize, impl Fn(usize) -> Vec<[f64; 3]>),
        window: Window,
    ) -> Result<Picture> {
        // As far as there is a volume on both sides.
        let reach = corners(volume).map(|corner| dot(minus(corner, self.point), normal).abs());
        let thickness = self.thickness.min(2.0 * reach.into_iter().fold(0.0, f64::max));
        let layers = (thickness / pixel).round() as usize + 1;
        let mut values = Vec::new();
        let mut width = 0;
        // Many at a time: they are near each other, and threads share them.
        for first in (0..height).step_by(ROWS) {
            let rows: Vec<Vec<[f64; 3]>> = (first..(first + ROWS).min(height)).map(&row).collect();
            width = rows.iter().map(Vec::len).next().unwrap_or(0);
            let places = rows.concat();
            let mut sums = vec![(0.0, 0usize); places.len()];
            for layer in 0..layers {
                let off = match layers {
                    1 => 0.0,
                    _ => thickness * (layer as f64 / (layers - 1) as f64 - 0.5),
                };
                let moved: Vec<[f64; 3]> =
                    places.iter().map(|place| std::array::from_fn(|a| place[a] + off * normal[a])).collect();
                let mut found = vec![0.0; moved.len()];
                volume.values_at_level(level, &moved, Space::World, Outside::Value(f64::NAN), &mut found)?;
                for ((sum, count), value) in sums.iter_mut().zip(found).filter(|(_, value)| !value.is_nan()) {
                    let value = f64::from(value);
                    *sum = match self.projection {
                        Projection::Mean => *sum + value,
                        _ if *count == 0 => value,
                        Projection::Maximum => sum.max(value),
                        Projection::Minimum => sum.min(value),
                    };
                    *count += 1;
                }
            }
            values.extend(sums.into_iter().map(|(sum, count)| match (self.projection, count) {
                (_, 0) => f64::NAN,
                (Projection::Mean, count) => sum / count as f64,
                _ => sum,
            }));
        }
        Ok(Picture::of_values(&values, [width, height], window))
    }
}

/// A picture along a curve, straightened: to the right runs the curve, up a direction across it.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The curve's points in the world, straight between them.
    pub points: Vec<[f64; 3]>,
    /// Up in the picture, of any length.
    pub up: [f64; 3],
    /// How high the picture is in the world; the curve is in its middle.
    pub height: f64,
}

impl Curve {
    /// What of a volume lies along the curve, in square pixels of its finest spacing. Places outside the volume are black.
    ///
    /// # Errors
    /// [`Error::Options`] when the curve has no length, `up` no direction, or the height is not above 0; otherwise as for
    /// [`NeuralVolume::values_at_level`].
    pub fn picture(&self, volume: &NeuralVolume, level: usize, window: Window) -> Result<Picture> {
        let up = unit(self.up).ok_or_else(|| Error::Options("up has a length above 0".into()))?;
        let lengths: Vec<f64> = self.points.windows(2).map(|ends| length(minus(ends[1], ends[0]))).collect();
        let whole: f64 = lengths.iter().sum();
        if !(whole > 0.0 && whole.is_finite() && self.height > 0.0 && self.height.is_finite()) {
            return Err(Error::Options(
                "a curve has two points apart at least, and its picture a height above 0".into(),
            ));
        }
        let pixel = pixel_of(volume, level, whole.max(self.height))?;
        let places: Vec<[f64; 3]> = (0..=(whole / pixel) as usize)
            .map(|n| {
                let mut along = n as f64 * pixel;
                let mut part = 0;
                while part + 1 < lengths.len() && along > lengths[part] {
                    along -= lengths[part];
                    part += 1;
                }
                let share = if lengths[part] > 0.0 { (along / lengths[part]).min(1.0) } else { 0.0 };
                let (from, to) = (self.points[part], self.points[part + 1]);
                std::array::from_fn(|a| from[a] + share * (to[a] - from[a]))
            })
            .collect();
        let height = (self.height / pixel) as usize + 1;
        let row = |y: usize| -> Vec<[f64; 3]> {
            let off = ((height - 1) as f64 / 2.0 - y as f64) * pixel;
            places.iter().map(|place| std::array::from_fn(|a| place[a] + off * up[a])).collect()
        };
        let plane = Plane { point: [0.0; 3], normal: up, thickness: 0.0, projection: Projection::Mean };
        plane.rows(volume, level, up, pixel, (height, row), window)
    }

    /// The points of a file: three numbers a line, separated by commas, semicolons or blanks; a first line of names is passed by.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] where a line is something else.
    pub fn points_of_file(path: impl AsRef<Path>) -> Result<Vec<[f64; 3]>> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let mut points = Vec::new();
        for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let parts = line.split([',', ';', ' ', '\t']).map(str::trim).filter(|part| !part.is_empty());
            let numbers: Option<Vec<f64>> =
                parts.map(|part| part.parse().ok().filter(|n: &f64| n.is_finite())).collect();
            match numbers.as_deref() {
                Some(&[x, y, z, ..]) => points.push([x, y, z]),
                _ if n == 0 => {}
                _ => {
                    let what = format!("line {}: three numbers x, y, z were expected", n + 1);
                    return Err(Error::Format { path: path.to_owned(), what });
                }
            }
        }
        Ok(points)
    }
}

/// Right and down in a picture of a plane.
fn directions(normal: [f64; 3]) -> [[f64; 3]; 2] {
    let reference = if normal[2].abs() > 0.8 { [0.0, 1.0, 0.0] } else { [0.0, 0.0, -1.0] };
    let across = dot(reference, normal);
    let in_plane = std::array::from_fn(|a| reference[a] - across * normal[a]);
    // Neither is along the normal: the reference is far from it.
    let down = unit(in_plane).unwrap_or(reference);
    let right = cross(down, normal);
    let leading = if right[0].abs() > 1e-9 { right[0] } else { right[1] };
    [if leading < 0.0 { right.map(|x| -x) } else { right }, down]
}

/// The corners of a volume in the world.
fn corners(volume: &NeuralVolume) -> [[f64; 3]; 8] {
    let info = volume.info();
    super::Bounds::of(info.shape, &info.geometry, info.association).corners
}

/// Where a plane meets the edges of a box.
fn intersections(corners: &[[f64; 3]; 8], point: [f64; 3], normal: [f64; 3]) -> Vec<[f64; 3]> {
    let distance = corners.map(|corner| dot(minus(corner, point), normal));
    let mut found = Vec::new();
    for from in 0..8usize {
        for axis in [1, 2, 4].into_iter().filter(|axis| from & axis == 0) {
            let (a, b) = (distance[from], distance[from + axis]);
            if (a <= 0.0) == (b <= 0.0) && a != 0.0 && b != 0.0 {
                continue;
            }
            let share = if a == b { 0.0 } else { (a / (a - b)).clamp(0.0, 1.0) };
            let (low, high) = (corners[from], corners[from + axis]);
            found.push(std::array::from_fn(|n| low[n] + share * (high[n] - low[n])));
        }
    }
    found
}

/// The side of a pixel: the finest spacing of a level, or more where a picture would have too many.
fn pixel_of(volume: &NeuralVolume, level: usize, longest: f64) -> Result<f64> {
    let levels = volume.levels();
    let of_level = levels.get(level).ok_or_else(|| {
        Error::Options(format!("there is no level {level}, but levels 0 to {}", levels.len() - 1))
    })?;
    let spacing = &volume.info().geometry.spacing;
    let finest = (0..3).map(|a| spacing[a] * of_level.stride[a] as f64).fold(f64::INFINITY, f64::min);
    Ok(finest.max(longest / MOST_PIXELS as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_shown_as_radiology_shows_slices() {
        let (x, y, z) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
        assert_eq!(directions(z), [x, y]);
        assert_eq!(directions(z.map(|n: f64| -n)), [x, y]);
        for (normal, right) in [(y, x), (x, y)] {
            for normal in [normal, normal.map(|n: f64| -n)] {
                assert_eq!(directions(normal).map(|d| d.map(|n| n + 0.0)), [right, [0.0, 0.0, -1.0]]);
            }
        }
    }

    #[test]
    fn a_plane_meets_a_box_in_a_polygon() {
        let corners =
            std::array::from_fn(|n| std::array::from_fn(|a| if n >> a & 1 == 1 { 2.0 } else { 0.0 }));
        assert_eq!(intersections(&corners, [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]).len(), 4);
        assert_eq!(intersections(&corners, [1.0; 3], [3f64.sqrt().recip(); 3]).len(), 6);
        assert!(intersections(&corners, [9.0; 3], [0.0, 0.0, 1.0]).is_empty());
    }
}
