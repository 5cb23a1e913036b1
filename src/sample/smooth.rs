//! Gradients that are continuous from cell to cell: central differences at the voxels, interpolated.

use super::NeuralVolume;
use super::cell::Cell;
use super::point::{Outside, Place, PointSample, Space, Want};
use crate::engine::Install;
use crate::error::Result;
use crate::volume::WorldToIndex;
use rayon::prelude::*;

/// Points whose voxels are looked up together: those of neighbours are the same, as a rule.
const CHUNK: usize = 1 << 15;

impl NeuralVolume {
    /// [`Self::probe`] with smooth gradients: at a voxel the central difference `(f(i + 1) - f(i - 1)) / 2` of its neighbours
    /// along each axis, between voxels trilinear between those. They are continuous, where the derivative of a field that is
    /// trilinear in each cell ([`Self::values_and_gradients_at`]) jumps from cell to cell, and they are blunter. At the grid's ends
    /// and beside masked voxels the difference is one-sided; masked voxels themselves count for nothing.
    ///
    /// # Errors
    /// As for [`Self::values_at`].
    pub fn values_and_smooth_gradients_at(
        &self,
        points: &[[f64; 3]],
        space: Space,
        outside: Outside,
        out: &mut [PointSample],
    ) -> Result<()> {
        self.probe(points, space, outside, out)?;
        let to_index = self.to_index(space)?;
        let mut chunks = points.chunks(CHUNK).zip(out.chunks_mut(CHUNK));
        chunks.try_for_each(|(points, out)| self.add_smooth_gradients(points, to_index.as_ref(), out))
    }

    fn add_smooth_gradients(
        &self,
        points: &[[f64; 3]],
        to_index: Option<&WorldToIndex>,
        out: &mut [PointSample],
    ) -> Result<()> {
        let shape = self.description.shape;
        let place = |point: &[f64; 3]| self.place(to_index.map_or(*point, |map| map.apply(*point)));
        let mut known = Voxels { shape, numbers: Vec::new(), samples: Vec::new() };
        self.engine.install(|| {
            let voxels =
                points.par_iter().zip(&*out).filter(|(_, out)| out.valid).flat_map_iter(|(point, _)| {
                    let cell = Cell::around(place(point).index, shape);
                    corners(cell).flat_map(|(voxel, _)| around(voxel, shape)).map(|voxel| known.number(voxel))
                });
            let mut numbers: Vec<u64> = voxels.collect();
            numbers.par_sort_unstable();
            numbers.dedup();
            known.numbers = numbers;
        });
        let voxels: Vec<[f64; 3]> = known.numbers.iter().map(|&number| known.voxel(number)).collect();
        known.samples = vec![PointSample::default(); voxels.len()];
        self.probe_points(&voxels, Space::Index, Outside::Clamp, Want::Unrounded, &mut known.samples)?;
        self.engine.install(|| {
            points.par_iter().zip(&mut *out).filter(|(_, out)| out.valid).for_each(|(point, out)| {
                let gradient = known.gradient(&place(point));
                out.gradient = to_index.map_or(gradient, |map| map.gradient(gradient));
            });
        });
        Ok(())
    }
}

/// Corners of a cell that count, and how much.
fn corners(cell: Cell) -> impl Iterator<Item = ([usize; 3], f64)> {
    cell.corners().into_iter().zip(cell.weights()).filter(|&(_, weight)| weight > 0.0)
}

/// The voxel beside another along an axis, where there is one.
fn beside(voxel: [usize; 3], a: usize, forward: bool, shape: [usize; 3]) -> Option<[usize; 3]> {
    let mut beside = voxel;
    beside[a] = if forward { voxel[a] + 1 } else { voxel[a].checked_sub(1)? };
    (beside[a] < shape[a]).then_some(beside)
}

/// A voxel and those beside it.
fn around(voxel: [usize; 3], shape: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    let besides = (0..6).filter_map(move |n| beside(voxel, n / 2, n % 2 == 1, shape));
    std::iter::once(voxel).chain(besides)
}

/// Voxels that were evaluated, by their numbers in the grid.
struct Voxels {
    shape: [usize; 3],
    /// Ascending.
    numbers: Vec<u64>,
    samples: Vec<PointSample>,
}

impl Voxels {
    fn number(&self, voxel: [usize; 3]) -> u64 {
        let [nx, ny, _] = self.shape.map(|n| n as u64);
        let [x, y, z] = voxel.map(|i| i as u64);
        x + nx * (y + ny * z)
    }

    fn voxel(&self, number: u64) -> [f64; 3] {
        let [nx, ny, _] = self.shape.map(|n| n as u64);
        [number % nx, number / nx % ny, number / nx / ny].map(|i| i as f64)
    }

    /// `None` where the voxel is masked.
    fn value(&self, voxel: [usize; 3]) -> Option<f64> {
        let at = self.numbers.binary_search(&self.number(voxel)).ok()?;
        self.samples.get(at).filter(|sample| sample.valid).map(|sample| sample.value)
    }

    fn difference(&self, voxel: [usize; 3], here: f64, a: usize) -> f64 {
        let [low, high] = [false, true].map(|forward| self.value(beside(voxel, a, forward, self.shape)?));
        match (low, high) {
            (Some(low), Some(high)) => (high - low) / 2.0,
            (None, Some(high)) => high - here,
            (Some(low), None) => here - low,
            (None, None) => 0.0,
        }
    }

    /// By the index.
    fn gradient(&self, place: &Place) -> [f64; 3] {
        let mut sum = [0.0; 3];
        let mut weights = 0.0;
        for (voxel, weight) in corners(Cell::around(place.index, self.shape)) {
            let Some(here) = self.value(voxel) else { continue };
            weights += weight;
            for (a, sum) in sum.iter_mut().enumerate() {
                *sum += weight * self.difference(voxel, here, a);
            }
        }
        // The nearest corner of a valid point is not masked.
        place.held(sum.map(|sum| if weights > 0.0 { sum / weights } else { 0.0 }))
    }
}
