//! Values at scattered points, between voxels too.

use super::NeuralVolume;
use crate::error::{Error, Result};
use crate::volume::{MaskClass, SampleType, Samples};

/// What point coordinates mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// Voxel indices: (0, 0, 0) is the centre of the first voxel, fractions lie between voxels.
    Index,
    /// World coordinates, in the frame of the volume's geometry.
    World,
}

/// What a point outside the grid gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outside {
    /// The value of the nearest point of the grid.
    Clamp,
    /// A fixed value.
    Value(f64),
}

/// How near to a voxel, in voxels, a point is that voxel: far below any use, far above the error of an affine in f64.
const AT_A_VOXEL: f64 = 1e-6;

/// Points placed at a time: bounds the memory of large requests.
const CHUNK: usize = 1 << 16;

impl NeuralVolume {
    /// The volume's value at each point, as f32. At a voxel that is the decoded voxel, rounded to the stored type;
    /// between voxels it is the field, unrounded. The mask follows the nearest voxel. A point with a NaN gets NaN.
    ///
    /// # Errors
    /// [`Error::Options`] when the slices differ in length or the affine cannot be inverted; [`Error::Section`] when
    /// the file is damaged.
    pub fn sample(&self, points: &[[f64; 3]], space: Space, outside: Outside, out: &mut [f32]) -> Result<()> {
        if points.len() != out.len() {
            return Err(Error::Options(format!(
                "{} points, but room for {} values",
                points.len(),
                out.len()
            )));
        }
        self.sample_each(points, space, outside, |i, value| out[i] = value as f32)
    }

    /// [`Self::sample`] in the stored type: values between voxels are rounded to it.
    ///
    /// # Errors
    /// As for [`Self::sample`].
    pub fn sample_stored(&self, points: &[[f64; 3]], space: Space, outside: Outside) -> Result<Samples> {
        let mut samples = Samples::zeros(self.description.sample_type, points.len());
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
        let shape = self.description.shape;
        let to_index = match space {
            Space::Index => None,
            Space::World => Some(self.description.geometry.world_to_index().ok_or_else(|| {
                Error::Options(format!("{}: the volume's affine is singular", self.path.display()))
            })?),
        };
        let scale = self.scale();
        let evaluator = self.evaluator()?;
        let mut positions = Vec::with_capacity(points.len().min(CHUNK));
        let mut values = vec![0.0; points.len().min(CHUNK)];
        for (chunk, points) in points.chunks(CHUNK).enumerate() {
            let place = |point: &[f64; 3]| Place::of(to_index.map_or(*point, |map| map.apply(*point)), shape);
            positions.clear();
            positions.extend(points.iter().map(|p| place(p).position(shape)));
            let values = &mut values[..points.len()];
            if let Some(evaluator) = evaluator {
                evaluator.points(&positions, values);
            }
            for (i, (point, &value)) in points.iter().zip(values.iter()).enumerate() {
                let place = place(point);
                let value = match outside {
                    _ if !place.is_a_point => f64::NAN,
                    Outside::Value(outside) if !place.inside => outside,
                    _ => match self.mask_value(place.nearest())? {
                        Some(masked) => masked,
                        None if place.at_a_voxel() => scale.voxel_value(value),
                        None => scale.value(value),
                    },
                };
                put(chunk * CHUNK + i, value);
            }
        }
        Ok(())
    }

    /// The value of a masked voxel.
    fn mask_value(&self, voxel: [usize; 3]) -> Result<Option<f64>> {
        let Some(mask) = &self.mask else { return Ok(None) };
        let code = mask.code_at(voxel).map_err(|what| self.section_error("BRIK", what))?;
        Ok(MaskClass::from_code(code).map(|class| class.value(self.description.fill_value)))
    }

    /// The type that [`Self::sample_stored`] gives.
    pub fn sample_type(&self) -> SampleType {
        self.description.sample_type
    }
}

/// A point in index coordinates, moved into the grid.
struct Place {
    index: [f64; 3],
    inside: bool,
    /// False where a coordinate is NaN.
    is_a_point: bool,
}

impl Place {
    fn of(index: [f64; 3], shape: [usize; 3]) -> Self {
        let clamped: [f64; 3] = std::array::from_fn(|a| index[a].max(0.0).min((shape[a] - 1) as f64));
        let inside = (0..3).all(|a| (index[a] - clamped[a]).abs() <= AT_A_VOXEL);
        Self { index: clamped, inside, is_a_point: index.iter().all(|v| !v.is_nan()) }
    }

    /// Position in `[0, 1]^3`; a voxel's is computed as the lattice's is, so that both give one value.
    fn position(&self, shape: [usize; 3]) -> [f32; 3] {
        std::array::from_fn(|a| {
            let index = self.index[a];
            let index = if (index - index.round()).abs() <= AT_A_VOXEL { index.round() } else { index };
            if shape[a] <= 1 { 0.0 } else { (index / (shape[a] - 1) as f64) as f32 }
        })
    }

    fn nearest(&self) -> [usize; 3] {
        self.index.map(|i| i.round() as usize)
    }

    fn at_a_voxel(&self) -> bool {
        self.index.iter().all(|i| (i - i.round()).abs() <= AT_A_VOXEL)
    }
}
