//! Values at scattered points of a level of detail.

use super::cell::Cell;
use super::mask::{MaskCursor, MaskReader};
use super::point::{Outside, Place, Space};
use super::points::same_length;
use super::{LevelOfDetail, NeuralVolume, Region};
use crate::engine::Install;
use crate::error::Result;
use crate::volume::{MaskClass, SampleType, Samples};
use rayon::prelude::*;
use std::ops::ControlFlow;

/// Samples along the edge of the boxes that points are sorted by: each is read once for all of its points, and no further than
/// they go.
const EDGE: usize = 32;

impl NeuralVolume {
    /// [`Self::values_at`] on a level of detail: trilinear between the level's samples, which [`Self::read_level`] gives. The
    /// points are in the coordinates of the volume itself, whatever the level: voxel indices, or world positions. Between the
    /// level's last sample and the grid's end the value is that sample's. A point is masked as its nearest voxel is; samples that
    /// are masked count for nothing, and a point between masked ones alone is as the nearest of them. Level 0 is the volume
    /// itself. The cost is that of the level's samples around the points.
    ///
    /// # Errors
    /// As for [`Self::values_at`]; [`crate::Error::Options`] when there is no such level.
    pub fn values_at_level(
        &self,
        level: usize,
        points: &[[f64; 3]],
        space: Space,
        outside: Outside,
        out: &mut [f32],
    ) -> Result<()> {
        let grid = self.level(level)?;
        if level == 0 {
            return self.values_at(points, space, outside, out);
        }
        same_length(points.len(), out.len())?;
        let to_index = self.to_index(space)?;
        let place = |point: &[f64; 3]| self.place(to_index.map_or(*point, |map| map.apply(*point)));
        let box_of = |at: &usize| Cell::lower(grid.index(&place(&points[*at])), grid.shape).map(|n| n / EDGE);
        let mut numbers: Vec<usize> = (0..points.len()).collect();
        let found: Vec<Vec<f64>> = self.engine.install(|| {
            numbers.par_sort_by_cached_key(box_of);
            let of_box = |numbers: &[usize]| {
                let places: Vec<Place> = numbers.iter().map(|&n| place(&points[n])).collect();
                self.values_in_box(level, grid, &places, outside)
            };
            let boxes: Vec<&[usize]> = numbers.chunk_by(|a, b| box_of(a) == box_of(b)).collect();
            boxes.into_par_iter().map(of_box).collect::<Result<_>>()
        })?;
        for (number, value) in numbers.into_iter().zip(found.into_iter().flatten()) {
            out[number] = value as f32;
        }
        Ok(())
    }

    /// Values at places whose cells are in one box.
    fn values_in_box(
        &self,
        level: usize,
        grid: LevelOfDetail,
        places: &[Place],
        outside: Outside,
    ) -> Result<Vec<f64>> {
        let cells: Vec<Cell> =
            places.iter().map(|place| Cell::around(grid.index(place), grid.shape)).collect();
        let region = Region {
            start: [0, 1, 2].map(|a| cells.iter().map(|cell| cell.lower[a]).min().unwrap_or(0)),
            end: [0, 1, 2]
                .map(|a| cells.iter().map(|cell| cell.lower[a] + cell.next[a] + 1).max().unwrap_or(0)),
        };
        let [nx, ny, nz] = region.samples(1);
        let mut samples = Samples::zeros(SampleType::F64, nx * ny * nz);
        self.read_level_into(level, region, &mut samples.as_mut(), &mut |_| ControlFlow::Continue(()))?;
        let at = |sample: [usize; 3]| {
            let [x, y, z] = [0, 1, 2].map(|a| sample[a] - region.start[a]);
            samples.get(x + nx * (y + ny * z))
        };
        let mut mask = self.mask.as_ref().map(MaskReader::cursor);
        let value = |(place, cell): (&Place, &Cell)| {
            if let Some(invalid) = self.invalid_point(place, outside, mask.as_mut())? {
                return Ok(invalid.value);
            }
            let corners = cell.corners();
            match mask.as_mut() {
                None => Ok(cell.value(&corners.map(at))),
                Some(mask) => self.value_beside_masked(grid, cell, corners.map(|c| (c, at(c))), mask),
            }
        };
        places.iter().zip(&cells).map(value).collect()
    }

    /// The mean of a cell's corners that are not masked, each as much as it counts.
    fn value_beside_masked(
        &self,
        grid: LevelOfDetail,
        cell: &Cell,
        corners: [([usize; 3], f64); 8],
        mask: &mut MaskCursor<'_>,
    ) -> Result<f64> {
        let (mut sum, mut sum_of_weights) = (0.0, 0.0);
        let (mut nearest, mut most) = (f64::NAN, 0.0);
        for ((sample, value), weight) in corners.into_iter().zip(cell.weights()) {
            let voxel = [0, 1, 2].map(|a| sample[a] * grid.stride[a]);
            let code = mask.code_at(voxel).map_err(|fault| self.fault("BRIK", fault))?;
            if MaskClass::from_code(code).is_none() {
                // Not by a weight of 0: what is beside may be infinite.
                if weight > 0.0 {
                    sum += weight * value;
                    sum_of_weights += weight;
                }
            } else if weight > most {
                (nearest, most) = (value, weight);
            }
        }
        Ok(if sum_of_weights > 0.0 { sum / sum_of_weights } else { nearest })
    }
}

impl LevelOfDetail {
    /// Where a place is among the level's samples.
    fn index(&self, place: &Place) -> [f64; 3] {
        let last = self.shape.map(|n| (n - 1) as f64);
        std::array::from_fn(|a| (place.index[a] / self.stride[a] as f64).min(last[a]))
    }
}
