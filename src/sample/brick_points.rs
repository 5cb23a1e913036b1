//! Scattered points of a volume whose samples come in bricks.

use super::NeuralVolume;
use super::bricks::{BrickCursor, BrickReader};
use super::mask::{MaskCursor, MaskReader};
use super::points::{Outside, Place, PointSample, Want};
use crate::error::Result;
use crate::volume::WorldToIndex;
use rayon::prelude::*;
use std::sync::atomic::Ordering;

/// Points that one task takes at most: a brick's, as a rule, since two tasks of one brick may both decode it.
const TASK: usize = 1 << 15;

impl NeuralVolume {
    /// Points brick by brick, whatever order they come in: a brick is decoded for all of its points at once.
    pub(super) fn probe_bricks(
        &self,
        bricks: &BrickReader,
        points: &[[f64; 3]],
        to_index: Option<&WorldToIndex>,
        outside: Outside,
        want: Want,
        out: &mut [PointSample],
    ) -> Result<()> {
        let shape = self.description.shape;
        let place = |point: &[f64; 3]| Place::of(to_index.map_or(*point, |map| map.apply(*point)), shape);
        let probe = |places: &mut dyn Iterator<Item = Place>| -> Result<Vec<PointSample>> {
            let mut mask = self.mask.as_ref().map(MaskReader::cursor);
            let mut cursor = bricks.cursor(self.mask.as_ref());
            let mut samples = Vec::new();
            for place in places {
                let mut sample = self.point_of_bricks(&place, outside, mask.as_mut(), &mut cursor)?;
                sample.gradient = match (want, to_index) {
                    (Want::Values, _) => [0.0; 3],
                    (Want::Gradients, None) => sample.gradient,
                    (Want::Gradients, Some(map)) => map.gradient(sample.gradient),
                };
                samples.push(sample);
            }
            Ok(samples)
        };
        self.evaluated.fetch_add(points.len() as u64, Ordering::Relaxed);
        if let [point] = points
            && bricks.keeps(place(point).index)
        {
            out.copy_from_slice(&probe(&mut std::iter::once(place(point)))?);
            return Ok(());
        }
        let mut result = Ok(());
        self.engine.run(&mut || {
            // By brick, and in it as they came: half as long to sort as pairs of `usize`.
            let mut order: Vec<(u32, u32)> = points
                .par_iter()
                .enumerate()
                .map(|(n, point)| (bricks.containing(place(point).index) as u32, n as u32))
                .collect();
            order.par_sort_unstable();
            let tasks: Vec<&[(u32, u32)]> =
                order.chunk_by(|a, b| a.0 == b.0).flat_map(|of_brick| of_brick.chunks(TASK)).collect();
            let probed: Vec<Result<Vec<PointSample>>> = tasks
                .par_iter()
                .map(|task| probe(&mut task.iter().map(|(_, n)| place(&points[*n as usize]))))
                .collect();
            for (task, samples) in tasks.iter().zip(probed) {
                match samples {
                    Ok(samples) => {
                        task.iter().zip(samples).for_each(|((_, n), sample)| out[*n as usize] = sample)
                    }
                    Err(error) => result = Err(error),
                }
            }
        });
        result
    }

    /// Value, gradient by the index and validity at a place: the voxel, or trilinear between voxels.
    fn point_of_bricks(
        &self,
        place: &Place,
        outside: Outside,
        mut mask: Option<&mut MaskCursor<'_>>,
        bricks: &mut BrickCursor<'_>,
    ) -> Result<PointSample> {
        if let Some(invalid) = self.invalid_point(place, outside, mask.as_deref_mut())? {
            return Ok(invalid);
        }
        let is_masked = |voxel| match mask.as_deref_mut() {
            Some(mask) => Ok(mask.code_at(voxel)? != 0),
            None => Ok(false),
        };
        let shape = self.description.shape;
        let section = self.bricks.as_ref().map_or("", BrickReader::section);
        let damaged = |what| self.section_error(section, what);
        let (mut value, gradient) =
            bricks.between(place.index, shape, place.nearest(), is_masked).map_err(damaged)?;
        if place.at_a_voxel() {
            value = bricks.voxel(place.nearest(), place.index).map_err(damaged)?;
        }
        Ok(PointSample {
            value,
            gradient: if place.inside { gradient } else { [0.0; 3] },
            valid: place.inside,
        })
    }
}
