//! Values at scattered points, between voxels too.

use super::brick_points::Question;
use super::mask::{MaskCursor, MaskReader};
use super::point::{Invalid, Outside, Place, PointSample, Space, Want};
use super::{NeuralVolume, ValueScale};
use crate::engine::{Evaluator, Install};
use crate::error::{Error, Result};
use crate::volume::{MaskClass, Sample, SampleType, Samples, WorldToIndex, for_each_type};
use rayon::prelude::*;
use std::sync::atomic::Ordering;

/// Points that one task takes.
pub(super) const TASK: usize = 1 << 10;

/// Points placed at a time: bounds the memory of large requests.
const CHUNK: usize = 1 << 16;
/// The same where a device evaluates many points at a time.
pub(super) const DEVICE_CHUNK: usize = 1 << 20;

impl NeuralVolume {
    /// The volume's value at each point, as f32. At a voxel that is the decoded voxel, rounded to the stored type;
    /// between voxels it is the field, unrounded. The mask follows the nearest voxel. A point with a NaN gets NaN.
    ///
    /// # Errors
    /// [`Error::Options`] when the slices differ in length or the affine cannot be inverted; [`Error::Section`] when
    /// the file is damaged.
    pub fn values_at(
        &self,
        points: &[[f64; 3]],
        space: Space,
        outside: Outside,
        out: &mut [f32],
    ) -> Result<()> {
        same_length(points.len(), out.len())?;
        if let Some(bricks) = &self.bricks {
            let to_index = self.to_index(space)?;
            let answer = |sample: PointSample| sample.value as f32;
            let question = Question { to_index: to_index.as_ref(), outside, want: Want::Values, answer };
            return self.probe_bricks(bricks, points, &question, out);
        }
        self.sample_each(points, space, outside, |i, value| out[i] = value as f32)
    }

    /// [`Self::values_at`] in the stored type: values between voxels are rounded to it.
    ///
    /// # Errors
    /// As for [`Self::values_at`].
    pub fn stored_values_at(&self, points: &[[f64; 3]], space: Space, outside: Outside) -> Result<Samples> {
        let mut samples = Samples::zeros(self.description.sample_type, points.len());
        if let Some(bricks) = &self.bricks {
            let to_index = self.to_index(space)?;
            for_each_type!(Samples: &mut samples, out => {
                let answer = |sample: PointSample| Sample::from_f64(sample.value);
                let question = Question { to_index: to_index.as_ref(), outside, want: Want::Values, answer };
                self.probe_bricks(bricks, points, &question, out)?;
            });
            return Ok(samples);
        }
        self.sample_each(points, space, outside, |i, value| samples.set(i, value))?;
        Ok(samples)
    }

    fn sample_each(
        &self,
        points: &[[f64; 3]],
        space: Space,
        outside: Outside,
        mut put: impl FnMut(usize, f64),
    ) -> Result<()> {
        let together = self.evaluator()?.map_or(0, Evaluator::points_a_call);
        let chunk = CHUNK.max(together.min(DEVICE_CHUNK));
        let mut samples = vec![PointSample::default(); points.len().min(chunk)];
        for (n, points) in points.chunks(chunk).enumerate() {
            let samples = &mut samples[..points.len()];
            self.probe(points, space, outside, samples)?;
            samples.iter().enumerate().for_each(|(i, sample)| put(n * chunk + i, sample.value));
        }
        Ok(())
    }

    /// The volume's value at one point, in the volume's unit; `None` outside the grid and where the nearest voxel is masked. As
    /// [`Self::values_at`] reads it: for many points, that is far faster.
    ///
    /// # Errors
    /// As for [`Self::values_at`].
    pub fn value_at(&self, point: [f64; 3], space: Space) -> Result<Option<f64>> {
        let mut sample = [PointSample::default()];
        self.probe(&[point], space, Outside::Value(f64::NAN), &mut sample)?;
        Ok(sample[0].valid.then_some(sample[0].value))
    }

    /// Value and validity of each point, as f64; gradients are left at 0.
    ///
    /// # Errors
    /// As for [`Self::values_at`].
    pub fn probe(
        &self,
        points: &[[f64; 3]],
        space: Space,
        outside: Outside,
        out: &mut [PointSample],
    ) -> Result<()> {
        self.probe_points(points, space, outside, Want::Values, out)
    }

    /// [`Self::probe`] with gradients: derivatives of the field as it is evaluated. Of a latent grid, the default of files, and
    /// of exact or bounded samples the field is trilinear in each cell of eight voxels, and so its derivative jumps from cell to
    /// cell; [`Self::values_and_smooth_gradients_at`] gives continuous ones. Of a network of the position it is the network's
    /// derivative, no differences; where two cells of its encoding's grid meet, the field has a kink, and it is the derivative
    /// of one side.
    ///
    /// # Errors
    /// As for [`Self::values_at`].
    pub fn values_and_gradients_at(
        &self,
        points: &[[f64; 3]],
        space: Space,
        outside: Outside,
        out: &mut [PointSample],
    ) -> Result<()> {
        self.probe_points(points, space, outside, Want::Gradients, out)
    }

    pub(super) fn probe_points(
        &self,
        points: &[[f64; 3]],
        space: Space,
        outside: Outside,
        want: Want,
        out: &mut [PointSample],
    ) -> Result<()> {
        same_length(points.len(), out.len())?;
        let shape = self.description.shape;
        let to_index = self.to_index(space)?;
        let evaluator = self.evaluator()?;
        let scale = self.scale();
        if let Some(bricks) = &self.bricks {
            let question = Question { to_index: to_index.as_ref(), outside, want, answer: |sample| sample };
            return self.probe_bricks(bricks, points, &question, out);
        }
        let place = |point: &[f64; 3]| self.place(to_index.map_or(*point, |map| map.apply(*point)));
        let evaluate = |positions: &[[f32; 3]]| -> Result<(Vec<f32>, Vec<[f32; 3]>)> {
            let mut values = vec![0.0; positions.len()];
            let mut gradients = vec![[0.0; 3]; if want == Want::Gradients { positions.len() } else { 0 }];
            match (evaluator, want) {
                (Some(evaluator), Want::Values | Want::Unrounded) => {
                    evaluator.points(positions, &mut values)?
                }
                (Some(evaluator), Want::Gradients) => {
                    evaluator.gradients(positions, &mut values, &mut gradients)?;
                }
                (None, _) => {}
            }
            Ok((values, gradients))
        };
        // `gradients` is empty where none are wanted.
        let finish = |places: &[Place],
                      values: &[f32],
                      gradients: &[[f32; 3]],
                      out: &mut [PointSample]|
         -> Result<()> {
            let mut mask = self.mask.as_ref().map(MaskReader::cursor);
            for (i, (place, out)) in places.iter().zip(out).enumerate() {
                *out = self.point_sample(place, scale, values[i], outside, want, mask.as_mut())?;
                let is_free = (0.0..=1.0).contains(&values[i]);
                if let (Some(by_position), true, true) = (gradients.get(i), out.valid, is_free) {
                    let by_index: [f64; 3] = std::array::from_fn(|a| {
                        f64::from(by_position[a]) * scale.span() / shape[a].saturating_sub(1).max(1) as f64
                    });
                    let by_index = place.held(by_index);
                    out.gradient = to_index.map_or(by_index, |map| map.gradient(by_index));
                }
            }
            Ok(())
        };
        let task = |points: &[[f64; 3]], out: &mut [PointSample]| -> Result<()> {
            let places: Vec<Place> = points.iter().map(place).collect();
            let positions: Vec<[f32; 3]> = places.iter().map(|p| p.position(shape)).collect();
            let (values, gradients) = evaluate(&positions)?;
            finish(&places, &values, &gradients, out)
        };
        // All threads place a chunk's points, the device evaluates them, and all threads finish them.
        let device_task = |points: &[[f64; 3]], out: &mut [PointSample]| -> Result<()> {
            let places: Vec<Place> = points.par_iter().map(place).collect();
            let positions: Vec<[f32; 3]> = places.par_iter().map(|p| p.position(shape)).collect();
            let (values, gradients) = evaluate(&positions)?;
            let parts = places.par_chunks(TASK).zip(values.par_chunks(TASK)).zip(out.par_chunks_mut(TASK));
            parts.enumerate().try_for_each(|(n, ((places, values), out))| {
                let of_part = gradients.chunks(TASK).nth(n).unwrap_or_default();
                finish(places, values, of_part, out)
            })
        };
        if evaluator.is_some() {
            self.evaluated.fetch_add(points.len() as u64, Ordering::Relaxed);
        }
        if points.len() <= TASK {
            return task(points, out);
        }
        self.engine.install(|| {
            let together = evaluator.map_or(TASK, Evaluator::points_a_call);
            if together > TASK {
                let mut tasks = points.chunks(together).zip(out.chunks_mut(together));
                tasks.try_for_each(|(points, out)| device_task(points, out))
            } else {
                let tasks = points.par_chunks(TASK).zip(out.par_chunks_mut(TASK));
                tasks.try_for_each(|(points, out)| task(points, out))
            }
        })
    }

    /// A point in index coordinates, moved into the grid.
    pub(super) fn place(&self, index: [f64; 3]) -> Place {
        Place::of(index, self.description.shape, self.description.association.margin())
    }

    /// From a space to voxel indices; `None` where its coordinates are indices.
    pub(super) fn to_index(&self, space: Space) -> Result<Option<WorldToIndex>> {
        match space {
            Space::Index => Ok(None),
            Space::World => self.description.geometry.world_to_index().map(Some).ok_or_else(|| {
                Error::Options(format!("{}: the volume's affine is singular", self.path.display()))
            }),
        }
    }

    /// Value and validity at a place where the field has this value.
    fn point_sample(
        &self,
        place: &Place,
        scale: ValueScale,
        field_value: f32,
        outside: Outside,
        want: Want,
        mask: Option<&mut MaskCursor<'_>>,
    ) -> Result<PointSample> {
        if let Some(invalid) = self.invalid_point(place, outside, mask)? {
            return Ok(invalid);
        }
        Ok(PointSample {
            value: if want != Want::Unrounded && place.at_a_voxel() {
                scale.voxel_value(field_value)
            } else {
                scale.value(field_value)
            },
            valid: place.inside,
            ..PointSample::default()
        })
    }

    /// What a place gets that is outside, masked or no point.
    pub(super) fn invalid_point(
        &self,
        place: &Place,
        outside: Outside,
        mask: Option<&mut MaskCursor<'_>>,
    ) -> Result<Option<PointSample>> {
        let value = self.why_invalid(place, outside, mask)?.map(|why| match why {
            Invalid::NoPoint => f64::NAN,
            Invalid::Outside(value) => value,
            Invalid::Masked(class) => class.value(self.description.fill_value),
        });
        Ok(value.map(|value| PointSample { value, ..PointSample::default() }))
    }

    /// Why the field's value does not count at a place.
    pub(super) fn why_invalid(
        &self,
        place: &Place,
        outside: Outside,
        mask: Option<&mut MaskCursor<'_>>,
    ) -> Result<Option<Invalid>> {
        if !place.is_a_point {
            return Ok(Some(Invalid::NoPoint));
        }
        if let (Outside::Value(value), false) = (outside, place.inside) {
            return Ok(Some(Invalid::Outside(value)));
        }
        let Some(mask) = mask else { return Ok(None) };
        let code = mask.code_at(place.nearest()).map_err(|fault| self.fault("BRIK", fault))?;
        Ok(MaskClass::from_code(code).map(Invalid::Masked))
    }

    /// The type that [`Self::stored_values_at`] gives.
    pub fn sample_type(&self) -> SampleType {
        self.description.sample_type
    }
}

pub(super) fn same_length(points: usize, out: usize) -> Result<()> {
    if points != out {
        return Err(Error::Options(format!("{points} points, but room for {out} values")));
    }
    Ok(())
}
