//! A picture in tiles: each is worked on by one thread at a time.

use super::march::Pixel;
use super::matrix::{Matrix, apply};
use super::ray::{Caster, Ray, Samples};
use rayon::prelude::*;

/// Pixels along a tile's edge.
pub(super) const TILE: usize = 32;

/// A part of a picture.
pub(super) struct Tile {
    /// Column and row of its first pixel.
    pub(super) first: [usize; 2],
    pub(super) size: [usize; 2],
    pub(super) rays: Vec<Ray>,
    pub(super) pixels: Vec<Pixel>,
}

/// All tiles of a picture, row by row.
pub(super) struct Tiles {
    pub(super) tiles: Vec<Tile>,
    /// Of tiles.
    counts: [usize; 2],
    size: [usize; 2],
}

impl Tiles {
    /// With the rays of a picture, which end at its depths where it has some.
    pub(super) fn cast(caster: &Caster<'_>, size: [usize; 2], depth: Option<&[f32]>) -> Self {
        let counts = size.map(|n| n.div_ceil(TILE));
        let tile = |n: usize| {
            let first = [n % counts[0] * TILE, n / counts[0] * TILE];
            let size: [usize; 2] = std::array::from_fn(|a| TILE.min(size[a] - first[a]));
            (first, size)
        };
        let cast = |n: usize| {
            let (first, of_tile) = tile(n);
            let pixels = of_tile[0] * of_tile[1];
            let ray = |i: usize| {
                let [column, row] = [first[0] + i % of_tile[0], first[1] + i / of_tile[0]];
                caster.ray(column, row, depth.map(|depth| depth[column + size[0] * row]))
            };
            let rays = (0..pixels).map(ray).collect();
            Tile { first, size: of_tile, rays, pixels: vec![Pixel::EMPTY; pixels] }
        };
        let tiles = (0..counts[0] * counts[1]).into_par_iter().map(cast).collect();
        Self { tiles, counts, size }
    }

    /// The tiles that a box of the grid is seen in.
    pub(super) fn seeing(&self, to_clip: &Matrix, [low, high]: [[f64; 3]; 2]) -> Vec<usize> {
        let corners = (0..8)
            .map(|n| apply(to_clip, std::array::from_fn(|a| if n >> a & 1 == 1 { high[a] } else { low[a] })));
        let (mut from, mut to) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for [x, y, _, w] in corners {
            // Beside or behind the camera: it may be seen anywhere.
            if w <= 0.0 {
                (from, to) = ([f64::NEG_INFINITY; 2], [f64::INFINITY; 2]);
                break;
            }
            let at = [(x / w + 1.0) / 2.0 * self.size[0] as f64, (1.0 - y / w) / 2.0 * self.size[1] as f64];
            from = std::array::from_fn(|a| from[a].min(at[a]));
            to = std::array::from_fn(|a| to[a].max(at[a]));
        }
        let tile = |at: f64, a: usize| (at / TILE as f64).clamp(-1.0, self.counts[a] as f64);
        // A pixel more to each side, for rounding.
        let [columns, rows] = [0, 1].map(|a| {
            let (first, last) = (tile(from[a] - 1.0, a).floor(), tile(to[a] + 1.0, a).floor());
            first.max(0.0) as usize..(last + 1.0).clamp(0.0, self.counts[a] as f64) as usize
        });
        rows.flat_map(|row| columns.clone().map(move |column| (row, column)))
            .map(|(row, column)| column + self.counts[0] * row)
            .collect()
    }

    /// Of some tiles, those in which a ray that is not ended yet has samples in a box of places.
    pub(super) fn lit(
        &self,
        tiles: &[usize],
        samples: Samples,
        places: &[[f32; 3]; 2],
        adds: impl Fn(&Pixel) -> bool + Sync,
    ) -> Vec<usize> {
        let is_lit = |tile: &Tile| {
            tile.rays
                .iter()
                .zip(&tile.pixels)
                .any(|(ray, pixel)| ray.is_any() && adds(pixel) && ray.samples_in(samples, places).is_some())
        };
        tiles.iter().copied().filter(|&n| is_lit(&self.tiles[n])).collect()
    }
}
