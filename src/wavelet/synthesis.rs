//! From bands to a window of the grid.

use super::lifting::{REACH, inverse_row, inverse_rows};
use super::pyramid::{Level, Orientation};

/// A box of a grid: from `start` to `end`, `end` not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: [usize; 3],
    pub(crate) end: [usize; 3],
}

impl Window {
    pub(crate) fn whole(shape: [usize; 3]) -> Self {
        Self { start: [0; 3], end: shape }
    }

    pub(crate) fn shape(&self) -> [usize; 3] {
        std::array::from_fn(|a| self.end[a] - self.start[a])
    }

    pub(crate) fn len(&self) -> usize {
        self.shape().iter().product()
    }

    pub(crate) fn is_empty(&self) -> bool {
        (0..3).any(|a| self.start[a] >= self.end[a])
    }

    /// What lies in both; empty where nothing does.
    pub(crate) fn common(&self, other: Window) -> Self {
        Self {
            start: std::array::from_fn(|a| self.start[a].max(other.start[a])),
            end: std::array::from_fn(|a| self.end[a].min(other.end[a])),
        }
    }

    /// The samples that those of this window are made of, before the inverse steps of `level`; from even indices on.
    fn reached(&self, level: &Level) -> Self {
        let mut reached = *self;
        for a in 0..3 {
            if level.split[a] {
                reached.start[a] = self.start[a].saturating_sub(REACH) & !1;
                reached.end[a] = (self.end[a] + REACH).min(level.shape[a]);
            }
        }
        reached
    }

    /// The samples of the low band, which are at least as many as those of the others, that the samples of this window are
    /// made of.
    pub(crate) fn halved(&self, level: &Level) -> Self {
        self.reached(level).of_band(level, 0)
    }

    /// The samples of a band that are in this window, which begins at even indices.
    fn of_band(&self, level: &Level, orientation: Orientation) -> Self {
        let half = |a: usize, n: usize| match (level.split[a], orientation >> a & 1) {
            (true, 0) => n.div_ceil(2),
            (true, _) => n / 2,
            (false, _) => n,
        };
        Self {
            start: std::array::from_fn(|a| half(a, self.start[a])),
            end: std::array::from_fn(|a| half(a, self.end[a])),
        }
    }
}

/// The samples in `window` of the grid that `level` splits (x fastest). `band` gives the samples of a band, the low one
/// included, in a window of it; nothing at all when they are all 0.
///
/// # Errors
/// What `band` says.
pub(crate) fn synthesise<E>(
    level: &Level,
    window: Window,
    mut band: impl FnMut(Orientation, Window) -> Result<Vec<f32>, E>,
) -> Result<Vec<f32>, E> {
    let reached = window.reached(level);
    let [nx, ny, nz] = reached.shape();
    let mut grid = vec![0.0f32; reached.len()];
    let split = level.split;
    // The bands of a pair of parities along y and z: low and high along x.
    for parity in [0, 2, 4, 6] {
        if (1..3).any(|a| parity >> a & 1 == 1 && !split[a]) {
            continue;
        }
        let of_low = reached.of_band(level, parity);
        let of_high = reached.of_band(level, parity | 1);
        let mut low = band(parity, of_low)?;
        let mut high = if split[0] { band(parity | 1, of_high)? } else { Vec::new() };
        if low.is_empty() && high.is_empty() {
            continue;
        }
        let [lx, ly, lz] = of_low.shape();
        let hx = if split[0] { nx - lx } else { 0 };
        low.resize(lx * ly * lz, 0.0);
        high.resize(hx * ly * lz, 0.0);
        let place = |a: usize, n: usize| if split[a] { 2 * n + (parity >> a & 1) } else { n };
        for z in 0..lz {
            for y in 0..ly {
                let n = y + ly * z;
                let row = &mut grid[nx * (place(1, y) + ny * place(2, z))..][..nx];
                let low = &mut low[n * lx..][..lx];
                if split[0] {
                    inverse_row(low, &mut high[n * hx..][..hx], row);
                } else {
                    row.copy_from_slice(low);
                }
            }
        }
    }
    if split[1] {
        grid.chunks_exact_mut(nx * ny).for_each(|plane| inverse_rows(plane, nx));
    }
    if split[2] {
        inverse_rows(&mut grid, nx * ny);
    }
    debug_assert_eq!(nz * nx * ny, grid.len());
    Ok(if reached == window { grid } else { crop(&grid, reached, window) })
}

/// The samples of a window inside another.
pub(crate) fn crop(grid: &[f32], from: Window, to: Window) -> Vec<f32> {
    let ([nx, ny, _], [wx, wy, wz]) = (from.shape(), to.shape());
    let [x, y, z] = std::array::from_fn(|a| to.start[a] - from.start[a]);
    let mut out = Vec::with_capacity(to.len());
    for k in z..z + wz {
        for j in y..y + wy {
            out.extend_from_slice(&grid[x + nx * (j + ny * k)..][..wx]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Bands, Pyramid};
    use super::*;
    use proptest::prelude::*;

    fn sub(grid: &[f32], shape: [usize; 3], window: Window) -> Vec<f32> {
        crop(grid, Window::whole(shape), window)
    }

    proptest! {
        #[test]
        fn windows_are_cut_from_the_whole(
            shape in prop::array::uniform3(1usize..30), at in prop::array::uniform3(0.0f64..1.0),
            size in prop::array::uniform3(0.0f64..1.0), seed in any::<u32>(),
        ) {
            let shape = [shape[0] + 7, shape[1], shape[2]];
            let level = Pyramid::new(shape).levels()[0];
            let grid: Vec<f32> = (0..shape.iter().product::<usize>() as u32)
                .map(|i| (i.wrapping_mul(2654435761).wrapping_add(seed) >> 8) as f32 / (1 << 24) as f32)
                .collect();
            let bands = Bands::of(grid.clone(), level);
            let band = |o: usize, w: Window| Ok::<_, ()>(bands.window(o, w));
            let whole = synthesise(&level, Window::whole(shape), band).unwrap();
            for (a, b) in whole.iter().zip(&grid) {
                prop_assert!((a - b).abs() < 2e-5, "{a} and {b}");
            }
            let start: [usize; 3] = std::array::from_fn(|a| (at[a] * shape[a] as f64) as usize);
            let end = std::array::from_fn(|a| start[a] + 1 + (size[a] * (shape[a] - start[a] - 1) as f64) as usize);
            let window = Window { start, end };
            let part = synthesise(&level, window, band).unwrap();
            prop_assert_eq!(part, sub(&whole, shape, window), "the same bits");
        }
    }
}
