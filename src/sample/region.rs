//! Regions of the grid, at full or reduced resolution.

use super::NeuralVolume;
use crate::engine::{Lattice, axis_position};
use crate::error::{Error, Result};
use crate::volume::{Geometry, MaskClass, SampleType, Samples, Volume};

/// A box of voxels: from `start` to `end`, `end` not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First voxel.
    pub start: [usize; 3],
    /// One past the last voxel.
    pub end: [usize; 3],
}

impl Region {
    /// The whole of a volume of this shape.
    pub fn whole(shape: [usize; 3]) -> Self {
        Self { start: [0; 3], end: shape }
    }

    /// Slice `index` across `axis` (0, 1, 2 for x, y, z) of a volume of this shape.
    ///
    /// # Panics
    /// When `axis` is not 0, 1 or 2.
    pub fn slice(shape: [usize; 3], axis: usize, index: usize) -> Self {
        let mut region = Self::whole(shape);
        region.start[axis] = index;
        region.end[axis] = index + 1;
        region
    }

    /// Samples along each axis when every `stride`-th is taken.
    pub fn shape(&self, stride: usize) -> [usize; 3] {
        std::array::from_fn(|a| (self.end[a] - self.start[a]).div_ceil(stride))
    }

    fn check(&self, shape: [usize; 3], stride: usize) -> Result<()> {
        let inside = (0..3).all(|a| self.start[a] < self.end[a] && self.end[a] <= shape[a]);
        if !inside || stride == 0 {
            return Err(Error::Options(format!(
                "voxels {:?} to {:?} by {stride} are not a region of a volume of {shape:?}",
                self.start, self.end
            )));
        }
        Ok(())
    }
}

/// Lattice points evaluated at a time: 4 MiB of field values.
const SLAB: usize = 1 << 20;

impl NeuralVolume {
    /// The voxels of a region in their stored type, every `stride`-th along each axis, with the geometry that belongs
    /// to them. The cost follows the number of voxels read.
    ///
    /// # Errors
    /// [`Error::Options`] when the region is empty or leaves the grid; [`Error::Section`] when the file is damaged.
    pub fn read_region(&self, region: Region, stride: usize) -> Result<Volume> {
        self.read_region_as(region, stride, self.description.sample_type)
    }

    /// [`Self::read_region`] as float32; masked voxels of class fill keep the fill value.
    ///
    /// # Errors
    /// As for [`Self::read_region`].
    pub fn read_region_f32(&self, region: Region, stride: usize) -> Result<Volume> {
        self.read_region_as(region, stride, SampleType::F32)
    }

    fn read_region_as(&self, region: Region, stride: usize, sample_type: SampleType) -> Result<Volume> {
        region.check(self.description.shape, stride)?;
        let shape = region.shape(stride);
        let voxels = shape.iter().product();
        let mut samples = Samples::try_zeros(sample_type, voxels).ok_or_else(|| {
            let what =
                format!("{voxels} voxels of {sample_type} do not fit into memory; read a smaller region");
            Error::Options(format!("{}: {what}", self.path.display()))
        })?;
        self.read_slabs(region, stride, |first, values| {
            self.engine.run(&mut || self.scale().store(values, &mut samples, first));
            Ok(())
        })?;
        self.put_mask(region, stride, &mut samples)?;
        let mut volume = Volume::new(samples, shape)?;
        let whole = &self.description.geometry;
        volume.geometry = Geometry {
            origin: whole.index_to_world(region.start.map(|n| n as f64)),
            spacing: whole.spacing.map(|s| s * stride as f64),
            ..*whole
        };
        volume.name.clone_from(&self.description.name);
        volume.unit.clone_from(&self.description.unit);
        volume.fill_value = self.description.fill_value.map(|fill| sample_type.nearest(fill));
        volume.provenance = self.description.provenance.clone();
        Ok(volume)
    }

    /// Decodes a region slab by slab along z: `take` gets the first sample's index in the region and the field's values.
    pub(crate) fn read_slabs(
        &self,
        region: Region,
        stride: usize,
        mut take: impl FnMut(usize, &[f32]) -> Result<()>,
    ) -> Result<()> {
        region.check(self.description.shape, stride)?;
        let evaluator = self.evaluator()?;
        let shape = region.shape(stride);
        let axes: [Vec<f32>; 3] = std::array::from_fn(|a| {
            let indices = (region.start[a]..region.end[a]).step_by(stride);
            indices.map(|i| axis_position(i, self.description.shape[a])).collect()
        });
        let plane = shape[0] * shape[1];
        let depth = SLAB.div_ceil(plane).min(shape[2]);
        let mut values = vec![0.0; plane * depth];
        for z in (0..shape[2]).step_by(depth) {
            let lattice = Lattice {
                axes: [axes[0].clone(), axes[1].clone(), axes[2][z..(z + depth).min(shape[2])].to_vec()],
            };
            let values = &mut values[..lattice.len()];
            if let Some(evaluator) = evaluator {
                evaluator.lattice(&lattice, values);
            }
            take(z * plane, values)?;
        }
        Ok(())
    }

    /// Gives masked voxels their values back.
    fn put_mask(&self, region: Region, stride: usize, samples: &mut Samples) -> Result<()> {
        let Some(mask) = &self.mask else { return Ok(()) };
        let shape = region.shape(stride);
        let fill = self.description.fill_value;
        let visit = mask.visit(region.start, region.end, |start, size, codes| {
            // Per axis: the region's samples that lie in the brick.
            let inside: [Vec<(usize, usize)>; 3] = std::array::from_fn(|a| {
                let samples = (0..shape[a]).map(|i| (i, region.start[a] + i * stride));
                let brick = start[a]..start[a] + size[a];
                samples.filter(|(_, voxel)| brick.contains(voxel)).map(|(i, v)| (i, v - start[a])).collect()
            });
            for &(k, z) in &inside[2] {
                for &(j, y) in &inside[1] {
                    for &(i, x) in &inside[0] {
                        if let Some(class) = MaskClass::from_code(codes[x + size[0] * (y + size[1] * z)]) {
                            samples.set(i + shape[0] * (j + shape[1] * k), class.value(fill));
                        }
                    }
                }
            }
        });
        visit.map_err(|what| self.section_error("BRIK", what))
    }
}
