//! From a grid to its bands.

use super::lifting::{forward_row, forward_rows};
use super::pyramid::{Level, Orientation};
use super::synthesis::Window;
use rayon::prelude::*;

/// A grid that was split once. The bands stay where their samples came from, but for the first axis, whose rows are
/// their low half and then their high half: nothing is held twice.
pub(crate) struct Bands {
    level: Level,
    grid: Vec<f32>,
}

impl Bands {
    /// Splits a grid (x fastest), on the threads of the pool that this runs on.
    pub(crate) fn of(mut grid: Vec<f32>, level: Level) -> Self {
        let [nx, ny, _] = level.shape;
        if level.split[2] {
            forward_rows(&mut grid, nx * ny, true);
        }
        if level.split[1] {
            grid.par_chunks_exact_mut(nx * ny).for_each(|plane| forward_rows(plane, nx, false));
        }
        if level.split[0] {
            grid.par_chunks_exact_mut(nx).for_each_init(
                || vec![0.0; nx],
                |halves, row| {
                    let (low, high) = halves.split_at_mut(nx.div_ceil(2));
                    forward_row(row, low, high);
                    row.copy_from_slice(halves);
                },
            );
        }
        Self { level, grid }
    }

    /// A window of a band.
    pub(crate) fn window(&self, orientation: Orientation, window: Window) -> Vec<f32> {
        let [nx, ny, _] = self.level.shape;
        let mut out = Vec::with_capacity(window.len());
        let place = |a: usize, n: usize| match self.level.split[a] {
            true => 2 * n + (orientation >> a & 1),
            false => n,
        };
        let x = window.start[0] + if orientation & 1 == 1 { nx.div_ceil(2) } else { 0 };
        for z in window.start[2]..window.end[2] {
            for y in window.start[1]..window.end[1] {
                out.extend(&self.grid[x + nx * (place(1, y) + ny * place(2, z))..][..window.shape()[0]]);
            }
        }
        out
    }

    /// The whole low band.
    pub(crate) fn low(&self) -> Vec<f32> {
        self.window(0, Window::whole(self.level.low_shape()))
    }
}
