//! Rays of a picture's pixels, and the samples along them.

use super::matrix::{Matrix, apply, dot, inverse, length, minus, product, project};
use super::{Scene, View};
use crate::error::{Error, Result};
use crate::volume::Geometry;

/// A pixel's ray, in voxels of the level that is rendered. Its parameter is a length in the world, 0 where it is nearest to the volume's
/// centre: so the samples' places depend on the camera alone, not on where its near plane, a block or a tile begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ray {
    pub(super) origin: [f32; 3],
    /// By length in the world.
    pub(super) direction: [f32; 3],
    /// Where it enters what is shown, and where it leaves; nothing is shown where they are out of order.
    pub(super) ends: [f32; 2],
}

/// By what share of a place its rounding may move it, and more.
const ROUNDING: f32 = 1e-6;

/// The samples along rays: at whole multiples of a step, and where a ray enters and leaves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Samples {
    pub(super) step: f32,
}

impl Ray {
    pub(super) const NONE: Ray = Ray { origin: [0.0; 3], direction: [0.0; 3], ends: [1.0, 0.0] };

    pub(super) fn is_any(&self) -> bool {
        self.ends[0] < self.ends[1]
    }

    /// Where it is at a parameter. What vectors compute has the same bits: a product, and a sum.
    #[inline(always)]
    pub(super) fn place(&self, t: f32) -> [f32; 3] {
        std::array::from_fn(|a| self.origin[a] + t * self.direction[a])
    }

    /// The parameter of a sample.
    #[inline(always)]
    pub(super) fn parameter(&self, samples: Samples, k: i32) -> f32 {
        let t = k as f32 * samples.step;
        // As vectors clamp.
        let above = if t > self.ends[0] { t } else { self.ends[0] };
        if above < self.ends[1] { above } else { self.ends[1] }
    }

    /// The first sample and the last one.
    #[inline(always)]
    pub(super) fn samples(&self, samples: Samples) -> [i32; 2] {
        [(self.ends[0] / samples.step).floor() as i32, (self.ends[1] / samples.step).ceil() as i32]
    }

    /// The samples that lie in a box, `end` excluded, but for the ray's first one, behind which no stretch ends; `None` where none does.
    #[inline(always)]
    pub(super) fn samples_in(&self, samples: Samples, [start, end]: &[[f32; 3]; 2]) -> Option<[i32; 2]> {
        let [mut from, mut to] = self.ends;
        for a in 0..3 {
            if self.direction[a] == 0.0 {
                if self.origin[a] < start[a] || self.origin[a] >= end[a] {
                    return None;
                }
                continue;
            }
            let by = 1.0 / self.direction[a];
            // Places are rounded: those of a ray along a border may lie beyond it for a while.
            let [low, high] = [start[a] - ROUNDING * start[a].abs(), end[a] + ROUNDING * end[a].abs()];
            let [enter, leave] = [(low - self.origin[a]) * by, (high - self.origin[a]) * by];
            from = from.max(enter.min(leave));
            to = to.min(enter.max(leave));
        }
        if from > to + 2.0 * samples.step {
            return None;
        }
        let [least, most] = self.samples(samples);
        // Estimates, made exact below: along each axis a ray's places never turn back.
        let mut first = ((from / samples.step).floor() as i32 - 1).max(least + 1);
        let mut last = ((to / samples.step).ceil() as i32 + 1).min(most);
        let is_inside = |k: i32| {
            let place = self.place(self.parameter(samples, k));
            (0..3).all(|a| place[a] >= start[a] && place[a] < end[a])
        };
        while first <= last && !is_inside(first) {
            first += 1;
        }
        while last >= first && !is_inside(last) {
            last -= 1;
        }
        (first <= last).then_some([first, last])
    }
}

/// Casts rays through the pixels of a view.
pub(super) struct Caster<'a> {
    view: &'a View,
    scene: &'a Scene,
    /// From clip space to voxels of the level.
    to_index: Matrix,
    to_clip: Matrix,
    geometry: Geometry,
    /// From where to where there is a field, in the level's voxels.
    field: [[f64; 3]; 2],
    /// Voxels of the volume by one of the level.
    stride: [f64; 3],
    centre: [f64; 3],
}

impl<'a> Caster<'a> {
    /// `geometry` is the level's, `field` from where to where it is defined.
    pub(super) fn new(
        view: &'a View,
        scene: &'a Scene,
        geometry: &Geometry,
        field: [[f64; 3]; 2],
        stride: [usize; 3],
    ) -> Result<Self> {
        let index_to_world: Matrix = std::array::from_fn(|row| match row {
            3 => [0.0, 0.0, 0.0, 1.0],
            _ => std::array::from_fn(|a| match a {
                3 => geometry.origin[row],
                _ => geometry.direction[row][a] * geometry.spacing[a],
            }),
        });
        let to_clip = product(&view.world_to_clip, &index_to_world);
        let to_index = inverse(&to_clip)
            .ok_or_else(|| Error::Options("the camera or the volume's geometry cannot be inverted".into()))?;
        let centre = geometry.index_to_world(std::array::from_fn(|a| (field[0][a] + field[1][a]) / 2.0));
        let stride = stride.map(|n| n as f64);
        Ok(Self { view, scene, to_index, to_clip, geometry: *geometry, field, stride, centre })
    }

    /// From voxels to clip space.
    pub(super) fn to_clip(&self) -> &Matrix {
        &self.to_clip
    }

    /// Where the camera is in voxels, or how it looks where it is nowhere.
    pub(super) fn eye(&self) -> Eye {
        // All rays meet where x and y of clip space do not matter: the point that is sent to (0, 0, z, 0).
        let [x, y, z, w] = self.to_index.map(|row| row[2]);
        match w.abs() > 1e-12 * length([x, y, z]) {
            true => Eye::At([x / w, y / w, z / w]),
            false => Eye::Along([x, y, z]),
        }
    }

    /// Where a pixel's centre is in clip space.
    fn clip(&self, column: usize, row: usize) -> [f64; 2] {
        let [width, height] = self.view.size;
        [(column as f64 + 0.5) / width as f64 * 2.0 - 1.0, 1.0 - (row as f64 + 0.5) / height as f64 * 2.0]
    }

    /// A pixel's ray, ended by a depth from 0 to 1 where it has one.
    pub(super) fn ray(&self, column: usize, row: usize, depth: Option<f32>) -> Ray {
        let [x, y] = self.clip(column, row);
        let at = |z: f64| project(&self.to_index, [x, y, z]);
        let (near, far) = (at(-1.0), at(1.0));
        let world = |index: [f64; 3]| self.geometry.index_to_world(index);
        let way = minus(world(far), world(near));
        let whole = length(way);
        if !whole.is_finite() || whole == 0.0 {
            return Ray::NONE;
        }
        let to_centre = dot(minus(self.centre, world(near)), way) / whole;
        let direction: [f64; 3] = std::array::from_fn(|a| (far[a] - near[a]) / whole);
        let origin: [f64; 3] = std::array::from_fn(|a| near[a] + to_centre * direction[a]);
        let (mut from, mut to) = (-to_centre, whole - to_centre);
        if let Some(depth) = depth.filter(|depth| *depth < 1.0) {
            let point = at(f64::from(depth) * 2.0 - 1.0);
            to = to.min(dot(minus(world(point), world(near)), way) / whole - to_centre);
        }
        let mut cut = |distance: f64, speed: f64| {
            // What is kept: distance + t speed >= 0.
            if speed > 0.0 {
                from = from.max(-distance / speed);
            } else if speed < 0.0 {
                to = to.min(-distance / speed);
            } else if distance < 0.0 {
                to = f64::NEG_INFINITY;
            }
        };
        let mut keep_box = |[low, high]: [[f64; 3]; 2]| {
            for a in 0..3 {
                cut(origin[a] - low[a], direction[a]);
                cut(high[a] - origin[a], -direction[a]);
            }
        };
        keep_box(self.field);
        if let Some(shown) = self.scene.clip_box {
            keep_box(shown.map(|corner| std::array::from_fn(|a| corner[a] / self.stride[a])));
        }
        for plane in &self.scene.clip_planes {
            let [world_origin, world_way] = [world(origin), way.map(|part| part / whole)];
            let normal = [plane[0], plane[1], plane[2]];
            cut(dot(normal, world_origin) + plane[3], dot(normal, world_way));
        }
        if from.is_nan() || to.is_nan() || from >= to {
            return Ray::NONE;
        }
        Ray {
            origin: origin.map(|x| x as f32),
            direction: direction.map(|x| x as f32),
            ends: [from as f32, to as f32],
        }
    }

    /// The depth from 0 to 1 of a place on a ray.
    pub(super) fn depth(&self, ray: &Ray, t: f32) -> f32 {
        let [_, _, z, w] = apply(&self.to_clip, ray.place(t).map(f64::from));
        ((z / w + 1.0) / 2.0) as f32
    }
}

/// Where rays come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Eye {
    At([f64; 3]),
    Along([f64; 3]),
}
