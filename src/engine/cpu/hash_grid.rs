//! The hash grid on tiles of samples (training, points) and on lattices (decoding).
#![allow(unsafe_code)] // unchecked table reads: entries are bounded by construction, see `Corners::locate`

use super::tile::TILE;
use crate::engine::Lattice;
use crate::field::encoding::{HashGrid, Level};
use crate::simd::Simd;

/// Table entries and trilinear weights of the eight cell corners of every sample of a tile, on every level.
pub(super) struct Corners {
    levels: Vec<LevelCorners>,
}

/// Corner `c` is above the cell's lower one along x, y, z where bit 0, 1, 2 of `c` is set.
struct LevelCorners {
    entries: [[u32; TILE]; 8],
    /// Weights of the four edges along x, by bits 1 and 2 of their corners.
    edges: [[f32; TILE]; 4],
    /// Fraction along x.
    fraction: [f32; TILE],
}

impl Corners {
    pub(super) fn new(grid: &HashGrid) -> Self {
        let level =
            || LevelCorners { entries: [[0; TILE]; 8], edges: [[0.0; TILE]; 4], fraction: [0.0; TILE] };
        Self { levels: grid.levels().iter().map(|_| level()).collect() }
    }

    /// Finds the corners of each position. Every entry written is below the level's entry count: the cell is clamped
    /// into the grid whatever the position is, and a hashed entry is masked by the table size.
    #[inline(always)]
    pub(super) fn locate<S: Simd>(&mut self, grid: &HashGrid, positions: &[[f32; 3]]) {
        assert!(positions.len() <= TILE);
        let mut along = [[0f32; TILE]; 3];
        for (s, position) in positions.iter().enumerate() {
            for axis in 0..3 {
                along[axis][s] = position[axis];
            }
        }
        for (level, corners) in grid.levels().iter().zip(&mut self.levels) {
            corners.locate::<S>(level, &along);
        }
    }
}

impl LevelCorners {
    #[inline(always)]
    fn locate<S: Simd>(&mut self, level: &Level, along: &[[f32; TILE]; 3]) {
        let mut lower = [[0u32; TILE]; 3];
        let mut upper = [[0u32; TILE]; 3];
        let mut fraction = [[0f32; TILE]; 3];
        let multipliers = Multipliers::of(level);
        for axis in 0..3 {
            let cells = level.resolution[axis];
            let last = cells.saturating_sub(1);
            let multiplier = multipliers.0[axis];
            for s in 0..TILE {
                // `max` before `min`: a NaN becomes 0.
                let scaled = (along[axis][s] * cells as f32).max(0.0).min(cells as f32);
                // SAFETY: finite, between 0 and 2^20.
                let cell = unsafe { scaled.to_int_unchecked::<i32>() }.min(last as i32) as u32;
                fraction[axis][s] = scaled - cell as i32 as f32;
                lower[axis][s] = cell.wrapping_mul(multiplier);
                upper[axis][s] = (cell + 1).min(cells).wrapping_mul(multiplier);
            }
        }
        let mask = (level.entries as u32).wrapping_sub(1);
        for corner in 0..8 {
            let [x, y, z] =
                [0, 1, 2].map(|axis| if corner >> axis & 1 == 1 { &upper[axis] } else { &lower[axis] });
            let entries = &mut self.entries[corner];
            if level.dense {
                for s in 0..TILE {
                    entries[s] = x[s] + y[s] + z[s];
                }
            } else {
                for s in 0..TILE {
                    entries[s] = (x[s] ^ y[s] ^ z[s]) & mask;
                }
            }
        }
        for (edge, weights) in self.edges.iter_mut().enumerate() {
            for (s, weight) in weights.iter_mut().enumerate() {
                let share = |axis: usize, upper: bool| {
                    if upper { fraction[axis][s] } else { 1.0 - fraction[axis][s] }
                };
                *weight = share(1, edge & 1 == 1) * share(2, edge >> 1 == 1);
            }
        }
        self.fraction = fraction[0];
    }
}

/// What a vertex coordinate is multiplied by: strides of a dense level, the hash's primes of a hashed one.
struct Multipliers([u32; 3]);

impl Multipliers {
    #[inline(always)]
    fn of(level: &Level) -> Self {
        if level.dense {
            let [nx, ny, _] = level.vertices();
            Self([1, nx as u32, (nx * ny) as u32])
        } else {
            Self(crate::field::encoding::PRIMES)
        }
    }
}

/// Calls `$body` with `$f` a constant equal to the grid's features.
macro_rules! with_features {
    ($features:expr, $f:ident => $body:expr) => {
        match $features {
            1 => {
                const $f: usize = 1;
                $body
            }
            2 => {
                const $f: usize = 2;
                $body
            }
            4 => {
                const $f: usize = 4;
                $body
            }
            _ => {
                const $f: usize = 8;
                $body
            }
        }
    };
}

/// Writes the features of the located samples, `[sample][stride]`.
#[inline(always)]
pub(super) fn encode<S: Simd>(
    grid: &HashGrid,
    parameters: &[f32],
    corners: &Corners,
    count: usize,
    features: &mut [f32],
    stride: usize,
) {
    assert!(
        count <= TILE && count * stride <= features.len() && stride >= grid.levels().len() * grid.features()
    );
    for (l, (level, corners)) in grid.levels().iter().zip(&corners.levels).enumerate() {
        with_features!(grid.features(), F => {
            let table = &parameters[level.offset..level.offset + level.entries * F];
            for s in 0..count {
                // Along y and z, then along x, as `LatticePlan` does it: a point at a voxel has the voxel's bits.
                let mut ends = [[0f32; F]; 2];
                for corner in 0..8 {
                    let weight = corners.edges[corner >> 1][s];
                    // SAFETY: `locate` keeps entries below the level's count.
                    let entry = unsafe {
                        debug_assert!((corners.entries[corner][s] as usize) < level.entries);
                        &*table.as_ptr().add(corners.entries[corner][s] as usize * F).cast::<[f32; F]>()
                    };
                    let end = &mut ends[corner & 1];
                    for f in 0..F {
                        end[f] = S::scalar_mul_add(weight, entry[f], end[f]);
                    }
                }
                let [lower, upper] = ends;
                let mut sum = [0f32; F];
                for f in 0..F {
                    sum[f] = S::scalar_mul_add(corners.fraction[s], upper[f] - lower[f], lower[f]);
                }
                // SAFETY: asserted above.
                unsafe { *features.as_mut_ptr().add(s * stride + l * F).cast::<[f32; F]>() = sum };
            }
        });
    }
}

/// Adds the gradient by the table values, given that by the features.
#[inline(always)]
pub(super) fn scatter<S: Simd>(
    grid: &HashGrid,
    corners: &Corners,
    count: usize,
    of_features: &[f32],
    stride: usize,
    gradient: &mut [f32],
) {
    assert!(count <= TILE && count * stride <= of_features.len());
    assert!(stride >= grid.levels().len() * grid.features());
    for (l, (level, corners)) in grid.levels().iter().zip(&corners.levels).enumerate() {
        with_features!(grid.features(), F => {
            let table = &mut gradient[level.offset..level.offset + level.entries * F];
            for s in 0..count {
                // SAFETY: asserted above.
                let from = unsafe { *of_features.as_ptr().add(s * stride + l * F).cast::<[f32; F]>() };
                let along_x = [1.0 - corners.fraction[s], corners.fraction[s]];
                for corner in 0..8 {
                    let weight = corners.edges[corner >> 1][s] * along_x[corner & 1];
                    // SAFETY: `locate` keeps entries below the level's count.
                    let entry = unsafe {
                        &mut *table.as_mut_ptr().add(corners.entries[corner][s] as usize * F).cast::<[f32; F]>()
                    };
                    for f in 0..F {
                        entry[f] = S::scalar_mul_add(weight, from[f], entry[f]);
                    }
                }
            }
        });
    }
}

/// Writes the gradient by the located positions, given that by the features.
#[inline(always)]
pub(super) fn by_position<S: Simd>(
    grid: &HashGrid,
    parameters: &[f32],
    corners: &Corners,
    of_features: &[f32],
    stride: usize,
    out: &mut [[f32; 3]],
) {
    let count = out.len();
    assert!(count <= TILE && count * stride <= of_features.len());
    out.fill([0.0; 3]);
    for (l, (level, corners)) in grid.levels().iter().zip(&corners.levels).enumerate() {
        let cells = level.resolution.map(|n| n as f32);
        with_features!(grid.features(), F => {
            let table = &parameters[level.offset..level.offset + level.entries * F];
            for (s, gradient) in out.iter_mut().enumerate() {
                let of_level = &of_features[s * stride + l * F..s * stride + l * F + F];
                // The gradient by each corner's weight.
                let mut at = [0f32; 8];
                for (corner, at) in at.iter_mut().enumerate() {
                    let entry = corners.entries[corner][s] as usize * F;
                    for (value, of_feature) in table[entry..entry + F].iter().zip(of_level) {
                        *at = S::scalar_mul_add(*value, *of_feature, *at);
                    }
                }
                let edges = [0, 1, 2, 3].map(|e| corners.edges[e][s]);
                // Sums of neighbouring edges' weights.
                let (y, z) = (edges[1] + edges[3], edges[2] + edges[3]);
                let (x, mut by_x, mut on_edge) = (corners.fraction[s], 0.0, [0f32; 4]);
                for e in 0..4 {
                    let along = at[2 * e + 1] - at[2 * e];
                    by_x += edges[e] * along;
                    on_edge[e] = at[2 * e] + x * along;
                }
                let [c00, c10, c01, c11] = on_edge;
                gradient[0] += cells[0] * by_x;
                gradient[1] += cells[1] * ((1.0 - z) * (c10 - c00) + z * (c11 - c01));
                gradient[2] += cells[2] * ((1.0 - y) * (c01 - c00) + y * (c11 - c10));
            }
        });
    }
}

/// A lattice seen by every level: what can be computed once an axis instead of once a point.
pub(super) struct LatticePlan {
    levels: Vec<LevelPlan>,
}

struct LevelPlan {
    /// x coordinates (already multiplied) of the vertices that some point needs.
    vertices: Vec<u32>,
    /// For each x: the slots of its two vertices in `vertices`, and the fraction between them.
    x: Vec<(u32, u32, f32)>,
    /// For each y and z: lower and upper vertex (multiplied), and the fraction.
    yz: [Vec<(u32, u32, f32)>; 2],
}

impl LatticePlan {
    pub(super) fn new(grid: &HashGrid, lattice: &Lattice) -> Self {
        let plan = |level: &Level| {
            let multipliers = Multipliers::of(level).0;
            let along = |axis: usize| {
                let cells = level.resolution[axis];
                lattice.axes[axis].iter().map(move |&position| {
                    let scaled = (position * cells as f32).max(0.0).min(cells as f32);
                    let cell = (scaled as u32).min(cells.saturating_sub(1));
                    (cell, (cell + 1).min(cells), scaled - cell as f32)
                })
            };
            let mut vertices: Vec<u32> = along(0).flat_map(|(lower, upper, _)| [lower, upper]).collect();
            vertices.sort_unstable();
            vertices.dedup();
            let slot = |vertex: u32| vertices.partition_point(|&v| v < vertex) as u32;
            let x = along(0).map(|(lower, upper, f)| (slot(lower), slot(upper), f)).collect();
            let yz = [1, 2].map(|axis| {
                let m = multipliers[axis];
                along(axis)
                    .map(|(lower, upper, f)| (lower.wrapping_mul(m), upper.wrapping_mul(m), f))
                    .collect()
            });
            let vertices = vertices.iter().map(|v| v.wrapping_mul(multipliers[0])).collect();
            LevelPlan { vertices, x, yz }
        };
        Self { levels: grid.levels().iter().map(plan).collect() }
    }

    /// Room for one row's vertex features on every level, in f32.
    pub(super) fn row_len(&self, features: usize) -> usize {
        self.levels.iter().map(|l| l.vertices.len() * features).sum()
    }

    /// Interpolates the vertices of row (`iy`, `iz`) along y and z into `row`.
    #[inline(always)]
    pub(super) fn interpolate_row<S: Simd>(
        &self,
        grid: &HashGrid,
        parameters: &[f32],
        (iy, iz): (usize, usize),
        row: &mut [f32],
    ) {
        let mut rest = row;
        for (level, plan) in grid.levels().iter().zip(&self.levels) {
            let (line, tail) = rest.split_at_mut(plan.vertices.len() * grid.features());
            rest = tail;
            let (y0, y1, fy) = plan.yz[0][iy];
            let (z0, z1, fz) = plan.yz[1][iz];
            let weights = [(1.0 - fy) * (1.0 - fz), fy * (1.0 - fz), (1.0 - fy) * fz, fy * fz];
            let mask = (level.entries as u32).wrapping_sub(1);
            let bases = [(y0, z0), (y1, z0), (y0, z1), (y1, z1)]
                .map(|(y, z)| if level.dense { y.wrapping_add(z) } else { y ^ z });
            with_features!(grid.features(), F => {
                let table = &parameters[level.offset..level.offset + level.entries * F];
                for (&x, sum) in plan.vertices.iter().zip(line.as_chunks_mut::<F>().0) {
                    let mut at_vertex = [0f32; F];
                    for c in 0..4 {
                        let index = if level.dense { x + bases[c] } else { (x ^ bases[c]) & mask };
                        let entry = &table[index as usize * F..index as usize * F + F];
                        for f in 0..F {
                            at_vertex[f] = S::scalar_mul_add(weights[c], entry[f], at_vertex[f]);
                        }
                    }
                    *sum = at_vertex;
                }
            });
        }
    }

    /// Writes the features of points `from..from + count` of the row, `[point][stride]`.
    #[inline(always)]
    pub(super) fn encode_row<S: Simd>(
        &self,
        grid: &HashGrid,
        row: &[f32],
        (from, count): (usize, usize),
        features: &mut [f32],
        stride: usize,
    ) {
        let mut rest = row;
        for (l, plan) in self.levels.iter().enumerate() {
            let (line, tail) = rest.split_at(plan.vertices.len() * grid.features());
            rest = tail;
            with_features!(grid.features(), F => {
                let (line, _) = line.as_chunks::<F>();
                let points = plan.x[from..from + count].iter().zip(features.chunks_exact_mut(stride));
                for (&(lower, upper, fraction), point) in points {
                    let (lower, upper) = (&line[lower as usize], &line[upper as usize]);
                    let into = &mut point[l * F..l * F + F];
                    for f in 0..F {
                        into[f] = S::scalar_mul_add(fraction, upper[f] - lower[f], lower[f]);
                    }
                }
            });
        }
    }
}
