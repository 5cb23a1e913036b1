//! Marching a ray through a block: samples, and what the stretches between them add to its pixel.
#![allow(unsafe_code)] // reads of samples by vectors

use super::block::{Block, WantedCells};
use super::ray::{Ray, Samples};
use super::tables::{MOST, Tables};
use super::{Mode, Shading};
use crate::simd::{Integers, Kernel, vector, write};

/// Samples of a vector at most.
const MOST_LANES: usize = 16;
/// Stretches that are looked at together before their samples are taken.
const LOOKED_AT: i32 = 8;
/// What a ray that lets less light through is ended at: nothing behind it changes a picture of 8 bits.
const OPAQUE: f32 = 1.0 / 512.0;

/// What a pixel has so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixel {
    /// The share of the light that still comes through.
    pub(super) light: f32,
    /// Multiplied by their share of the light.
    pub(super) colour: [f32; 3],
    /// The ray's parameter where half of the light is gone, where the largest value is, or where the surface is; NaN where nothing is.
    pub(super) at: f32,
    /// The largest value so far; below 0 before the first.
    pub(super) largest: f32,
}

impl Pixel {
    pub(super) const EMPTY: Pixel = Pixel { light: 1.0, colour: [0.0; 3], at: f32::NAN, largest: -1.0 };

    pub(super) fn is_live(&self) -> bool {
        self.light > OPAQUE
    }
}

/// What all rays of a frame have in common.
pub(super) struct March<'a> {
    pub(super) tables: &'a Tables,
    pub(super) mode: Mode,
    /// In the 16 bits of the samples.
    pub(super) iso: f32,
    pub(super) shading: Option<Shading>,
    pub(super) samples: Samples,
    /// From a gradient by voxels to one in the world, but for a factor: rows.
    pub(super) to_world: [[f32; 3]; 3],
    /// The same factor for what changes along a ray.
    pub(super) by_speed: f32,
}

/// Rays, the pixels that they are for, and the block that they are marched through.
pub(super) struct Rays<'a> {
    pub(super) march: &'a March<'a>,
    pub(super) block: &'a Block,
    pub(super) wanted: &'a WantedCells,
    pub(super) places: [[f32; 3]; 2],
    pub(super) rays: &'a [Ray],
    pub(super) pixels: &'a mut [Pixel],
}

impl Kernel for Rays<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Integers>(self) {
        for (ray, pixel) in self.rays.iter().zip(self.pixels) {
            if !ray.is_any() || !pixel.is_live() {
                continue;
            }
            if let Some(range) = ray.samples_in(self.march.samples, &self.places) {
                self.march.through::<S>(self.block, self.wanted, ray, range, pixel);
            }
        }
    }
}

impl March<'_> {
    /// A ray through a block: the stretches that end at these samples.
    #[inline(always)]
    fn through<S: Integers>(
        &self,
        block: &Block,
        wanted: &WantedCells,
        ray: &Ray,
        [first, last]: [i32; 2],
        pixel: &mut Pixel,
    ) {
        let mut k = first;
        while k <= last {
            let place = |k: i32| ray.place(ray.parameter(self.samples, k));
            if !wanted.any_between(place(k - 1), place((k + LOOKED_AT - 1).min(last))) {
                k += LOOKED_AT;
                continue;
            }
            // The sample before, and those at the ends of as many stretches as a vector has room for.
            let parameters = self.parameters::<S>(ray, k - 1);
            let values = values::<S>(block, ray, &parameters);
            let count = (S::LANES - 1).min((last - k + 1) as usize);
            match self.mode {
                Mode::Composite => self.composite::<S>(block, ray, &parameters, &values, count, pixel),
                Mode::MaximumIntensity => {
                    for n in 0..=count {
                        if values[n] > pixel.largest {
                            (pixel.largest, pixel.at) = (values[n], parameters[n]);
                        }
                    }
                }
                Mode::Isosurface(_) => self.surface::<S>(block, ray, &parameters, &values, count, pixel),
            }
            if !pixel.is_live() {
                return;
            }
            k += count as i32;
        }
    }

    /// The parameters of samples from one on.
    #[inline(always)]
    fn parameters<S: Integers>(&self, ray: &Ray, first: i32) -> [f32; MOST_LANES] {
        let mut k = [0.0; MOST_LANES];
        for (n, k) in k.iter_mut().enumerate() {
            *k = (first + n as i32) as f32;
        }
        let t = S::mul(vector::<S>(&k), S::splat(self.samples.step));
        let mut out = [0.0; MOST_LANES];
        write::<S>(&mut out, S::clamp(t, S::splat(ray.ends[0]), S::splat(ray.ends[1])));
        out
    }

    #[inline(always)]
    fn composite<S: Integers>(
        &self,
        block: &Block,
        ray: &Ray,
        parameters: &[f32; MOST_LANES],
        values: &[f32; MOST_LANES],
        count: usize,
        pixel: &mut Pixel,
    ) {
        let mut shades = None;
        for n in 1..=count {
            // Masked samples are below 0: what is not known hides nothing.
            if values[n - 1] < 0.0 || values[n] < 0.0 {
                continue;
            }
            let stretch = self.tables.stretch(values[n - 1], values[n]);
            if stretch.extinction <= 0.0 {
                continue;
            }
            let passes = (-stretch.extinction * (parameters[n] - parameters[n - 1])).exp();
            let mut colour = stretch.colour;
            if let Some(shading) = &self.shading {
                // Of all stretches of the vector at once.
                if shades.is_none() {
                    let mut middle = *parameters;
                    for n in 1..MOST_LANES {
                        middle[n] = 0.5 * (parameters[n - 1] + parameters[n]);
                    }
                    shades = Some(gradients::<S>(block, ray, &middle));
                }
                let Some(shades) = &shades else { continue };
                let gradient = [shades[0][n], shades[1][n], shades[2][n]];
                colour = self.shaded(shading, colour, gradient, ray);
            }
            let added = pixel.light * (1.0 - passes);
            for (sum, part) in pixel.colour.iter_mut().zip(colour) {
                *sum += added * part;
            }
            pixel.light *= passes;
            if pixel.light < 0.5 && pixel.at.is_nan() {
                pixel.at = parameters[n];
            }
            if !pixel.is_live() {
                return;
            }
        }
    }

    #[inline(always)]
    fn surface<S: Integers>(
        &self,
        block: &Block,
        ray: &Ray,
        parameters: &[f32; MOST_LANES],
        values: &[f32; MOST_LANES],
        count: usize,
        pixel: &mut Pixel,
    ) {
        for n in 1..=count {
            let [a, b] = [values[n - 1], values[n]];
            if a < 0.0 || b < 0.0 || (a < self.iso) == (b < self.iso) {
                continue;
            }
            // False position, with an end that is halved where it stays (Illinois): the field is no line between two samples.
            let (mut low, mut high) = ((parameters[n - 1], a - self.iso), (parameters[n], b - self.iso));
            let mut at = high.0;
            for _ in 0..4 {
                let share = low.1 / (low.1 - high.1);
                at = low.0 + share * (high.0 - low.0);
                let value = values_at::<S>(block, ray, at) - self.iso;
                if (value < 0.0) == (low.1 < 0.0) {
                    low = (at, value);
                    high.1 *= 0.5;
                } else {
                    high = (at, value);
                    low.1 *= 0.5;
                }
            }
            let mut colour = self.tables.colour(self.iso);
            if let Some(shading) = &self.shading {
                let [x, y, z] = gradients::<S>(block, ray, &[at; MOST_LANES]);
                colour = self.shaded(shading, colour, [x[0], y[0], z[0]], ray);
            }
            *pixel = Pixel { light: 0.0, colour, at, largest: self.iso };
            return;
        }
    }

    /// A colour in the light of a lamp at the camera, of Blinn and Phong; a field without slope has no side that could be lit.
    #[inline(always)]
    fn shaded(&self, shading: &Shading, colour: [f32; 3], gradient: [f32; 3], ray: &Ray) -> [f32; 3] {
        let world: [f32; 3] =
            self.to_world.map(|row| row[0] * gradient[0] + row[1] * gradient[1] + row[2] * gradient[2]);
        let square = world[0] * world[0] + world[1] * world[1] + world[2] * world[2];
        if square <= 0.0 {
            return colour;
        }
        // The ray's direction by the world is of length 1, and its product with the gradient the slope along the ray.
        let along =
            gradient[0] * ray.direction[0] + gradient[1] * ray.direction[1] + gradient[2] * ray.direction[2];
        let facing = ((along * self.by_speed).abs() / square.sqrt()).min(1.0);
        let lit = shading.ambient + shading.diffuse * facing;
        let shine = shading.specular * facing.powf(shading.power);
        colour.map(|part| (part * lit + shine).min(1.0))
    }
}

/// The field at parameters of a ray, below 0 where it is masked.
#[inline(always)]
fn values<S: Integers>(block: &Block, ray: &Ray, parameters: &[f32; MOST_LANES]) -> [f32; MOST_LANES] {
    let mut out = [0.0; MOST_LANES];
    write::<S>(&mut out, trilinear::<S>(block, places::<S>(ray, parameters)));
    if block.masked.is_some() {
        for (out, &t) in out.iter_mut().zip(parameters).take(S::LANES) {
            *out = beside_mask(block, ray.place(t), *out);
        }
    }
    out
}

/// Where a ray is. Closures are not compiled for the instruction set, here and below: axes are written out.
#[inline(always)]
fn places<S: Integers>(ray: &Ray, parameters: &[f32; MOST_LANES]) -> [S::V; 3] {
    let t = vector::<S>(parameters);
    let ([ox, oy, oz], [dx, dy, dz]) = (ray.origin, ray.direction);
    [
        S::add(S::splat(ox), S::mul(t, S::splat(dx))),
        S::add(S::splat(oy), S::mul(t, S::splat(dy))),
        S::add(S::splat(oz), S::mul(t, S::splat(dz))),
    ]
}

/// At one parameter.
#[inline(always)]
fn values_at<S: Integers>(block: &Block, ray: &Ray, t: f32) -> f32 {
    values::<S>(block, ray, &[t; MOST_LANES])[0]
}

/// Central differences of the field over a voxel to both sides.
#[inline(always)]
fn gradients<S: Integers>(
    block: &Block,
    ray: &Ray,
    parameters: &[f32; MOST_LANES],
) -> [[f32; MOST_LANES]; 3] {
    let [x, y, z] = places::<S>(ray, parameters);
    if block.masked.is_some() {
        let mut found = [[0.0; MOST_LANES]; 3];
        for (n, &t) in parameters.iter().enumerate().take(S::LANES) {
            let gradient = gradient_beside_mask(block, ray.place(t));
            for (found, part) in found.iter_mut().zip(gradient) {
                found[n] = part;
            }
        }
        return found;
    }
    [
        difference::<S>(block, [S::add(x, S::splat(1.0)), y, z], [S::add(x, S::splat(-1.0)), y, z]),
        difference::<S>(block, [x, S::add(y, S::splat(1.0)), z], [x, S::add(y, S::splat(-1.0)), z]),
        difference::<S>(block, [x, y, S::add(z, S::splat(1.0))], [x, y, S::add(z, S::splat(-1.0))]),
    ]
}

/// The same of a place in a block with masked samples, of which none counts: where one is a voxel away, the difference is to the place itself.
fn gradient_beside_mask(block: &Block, place: [f32; 3]) -> [f32; 3] {
    let at = |place: [f32; 3]| beside_mask(block, place, f32::NAN);
    let own = at(place);
    let mut gradient = [0.0; 3];
    for (a, part) in gradient.iter_mut().enumerate() {
        let moved = |by: f32| {
            let mut moved = place;
            moved[a] += by;
            at(moved)
        };
        let [above, below] = [moved(1.0), moved(-1.0)];
        *part = match (above < 0.0, below < 0.0) {
            _ if own < 0.0 => 0.0,
            (false, false) => 0.5 * (above - below),
            (false, true) => above - own,
            (true, false) => own - below,
            (true, true) => 0.0,
        };
    }
    gradient
}

/// Half of the difference of the field between two places.
#[inline(always)]
fn difference<S: Integers>(block: &Block, above: [S::V; 3], below: [S::V; 3]) -> [f32; MOST_LANES] {
    let difference = S::sub(trilinear::<S>(block, above), trilinear::<S>(block, below));
    let mut out = [0.0; MOST_LANES];
    write::<S>(&mut out, S::mul(difference, S::splat(0.5)));
    out
}

/// The trilinear field at places of the grid, in 16 bits. Places outside the block get what is at its end.
#[inline(always)]
fn trilinear<S: Integers>(block: &Block, [x, y, z]: [S::V; 3]) -> S::V {
    let [nx, ny, nz] = block.size;
    // The corner and what lies beyond it come from the place in the whole grid: a block that begins elsewhere gets the same bits.
    let (lx, ly, lz) = (S::floor(x), S::floor(y), S::floor(z));
    let (fx, fy, fz) = (S::sub(x, lx), S::sub(y, ly), S::sub(z, lz));
    let [cx, cy, cz] = [corner::<S>(block, 0, lx), corner::<S>(block, 1, ly), corner::<S>(block, 2, lz)];
    let row = S::add(cy, S::mul(cz, S::splat(ny as f32)));
    // Integers of less than 2^22: exact.
    let at = S::nearest(S::add(cx, S::mul(row, S::splat(nx as f32))));
    assert!(block.values.len() > nx * ny * nz && nx * ny * nz < 1 << 22);
    let first = block.values.as_ptr();
    // SAFETY: the corner is at most two samples before the end along each axis, the offset one row and one plane on, and behind the last
    // sample there is one more number.
    let [near, below, behind, last] = unsafe {
        [
            S::gather_pairs(first, at),
            S::gather_pairs(first.add(nx), at),
            S::gather_pairs(first.add(nx * ny), at),
            S::gather_pairs(first.add(nx * ny + nx), at),
        ]
    };
    let front = between::<S>(fy, between::<S>(fx, near[0], near[1]), between::<S>(fx, below[0], below[1]));
    let back = between::<S>(fy, between::<S>(fx, behind[0], behind[1]), between::<S>(fx, last[0], last[1]));
    between::<S>(fz, front, back)
}

/// Where a cell's lower corner is along an axis of a block.
#[inline(always)]
fn corner<S: Integers>(block: &Block, axis: usize, lower: S::V) -> S::V {
    let inside = S::sub(lower, S::splat(block.first[axis] as f32));
    S::clamp(inside, S::splat(0.0), S::splat((block.size[axis] - 2) as f32))
}

#[inline(always)]
fn between<S: Integers>(share: S::V, a: S::V, b: S::V) -> S::V {
    S::add(a, S::mul(share, S::sub(b, a)))
}

/// A value beside masked samples: below 0 where the nearest sample is masked; masked corners count as that nearest one. `value` is that of the
/// place where no corner is masked; NaN where it is not known.
fn beside_mask(block: &Block, place: [f32; 3], value: f32) -> f32 {
    let Some(masked) = &block.masked else { return value };
    let lower = place.map(f32::floor);
    let fraction: [f32; 3] = std::array::from_fn(|a| place[a] - lower[a]);
    let corner: [usize; 3] = std::array::from_fn(|a| {
        ((lower[a] - block.first[a] as f32).max(0.0) as usize).min(block.size[a] - 2)
    });
    let [nx, ny, _] = block.size;
    let index = |n: usize| {
        let [x, y, z] = [0, 1, 2].map(|a| corner[a] + (n >> a & 1));
        x + nx * (y + ny * z)
    };
    let nearest = index((0..3).map(|a| usize::from(fraction[a] >= 0.5) << a).sum());
    if masked[nearest] {
        return -1.0;
    }
    if !value.is_nan() && !(0..8).any(|n| masked[index(n)]) {
        return value;
    }
    let at = |n: usize| f32::from(block.values[if masked[index(n)] { nearest } else { index(n) }]);
    let lerp = |share: f32, a: f32, b: f32| a + share * (b - a);
    let [x, y, z] = fraction;
    let [a, b, c, d] = [0, 2, 4, 6].map(|n| lerp(x, at(n), at(n + 1)));
    lerp(z, lerp(y, a, b), lerp(y, c, d)).clamp(0.0, MOST)
}
