//! Where a volume's samples come from when they are not all in memory.

use super::{Association, FillRange, Geometry, LossyStep, SampleType, Samples, Volume, lossy};
use crate::error::Result;
use std::collections::BTreeMap;

/// Everything that a [`Volume`] says but its samples.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeHeader {
    /// Samples along x, y, z; none of them 0.
    pub shape: [usize; 3],
    /// The samples' type.
    pub sample_type: SampleType,
    /// See [`Volume::geometry`], and so on.
    pub geometry: Geometry,
    /// Whether they are of the grid's points or of its cells.
    pub association: Association,
    /// The array's name.
    pub name: String,
    /// The values' unit; empty when unknown.
    pub unit: String,
    /// The value that stands for "no data here".
    pub fill_value: Option<f64>,
    /// The other end of the values that do so, where there is a range of them.
    pub fill_limit: Option<f64>,
    /// Where the volume came from.
    pub provenance: BTreeMap<String, String>,
}

impl VolumeHeader {
    /// That of a volume.
    pub fn of(volume: &Volume) -> Self {
        Self {
            shape: volume.shape(),
            sample_type: volume.sample_type(),
            geometry: volume.geometry,
            association: volume.association,
            name: volume.name.clone(),
            unit: volume.unit.clone(),
            fill_value: volume.fill_value,
            fill_limit: volume.fill_limit,
            provenance: volume.provenance.clone(),
        }
    }

    /// The volume of these samples, x fastest.
    ///
    /// # Errors
    /// [`Error::Options`](crate::Error::Options) when they are not as many as the shape has.
    pub fn with_samples(self, samples: Samples) -> Result<Volume> {
        let mut volume = Volume::new(samples, self.shape)?;
        volume.geometry = self.geometry;
        volume.association = self.association;
        volume.name = self.name;
        volume.unit = self.unit;
        volume.fill_value = self.fill_value;
        volume.fill_limit = self.fill_limit;
        volume.provenance = self.provenance;
        Ok(volume)
    }

    /// See [`Volume::lossy_steps`].
    pub fn lossy_steps(&self) -> Vec<LossyStep> {
        lossy::steps_of(&self.provenance)
    }

    /// See [`Volume::add_lossy_step`].
    pub fn add_lossy_step(&mut self, step: &LossyStep) {
        lossy::add_step(&mut self.provenance, step);
    }

    /// Number of voxels.
    pub fn voxels(&self) -> u64 {
        self.shape.iter().map(|&n| n as u64).product()
    }

    /// Bytes of the samples in their stored type.
    pub fn stored_bytes(&self) -> u64 {
        self.voxels() * self.sample_type.size() as u64
    }

    /// See [`Volume::stored_fill_value`].
    pub fn stored_fill_value(&self) -> Option<f64> {
        self.fill_value.map(|fill| self.sample_type.nearest(fill))
    }

    /// The values that stand for "no data here", as the samples hold them.
    pub fn fill_range(&self) -> Option<FillRange> {
        let fill = self.stored_fill_value()?;
        Some(FillRange::new(fill, self.fill_limit.map_or(fill, |limit| self.sample_type.nearest(limit))))
    }
}

/// A volume that is read box by box, by several threads at a time: a file, an array of another library, a simulation. Every box
/// may be read several times, and has the same samples each time.
pub trait Source: Send + Sync {
    /// Grid, type and names.
    fn header(&self) -> VolumeHeader;

    /// The samples of the box of `size` samples from `start` on, x fastest, in the header's type.
    ///
    /// # Errors
    /// What the source says.
    fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples>;
}

impl<S: Source + ?Sized> Source for &S {
    fn header(&self) -> VolumeHeader {
        (**self).header()
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
        (**self).read(start, size)
    }
}

impl Source for Volume {
    fn header(&self) -> VolumeHeader {
        VolumeHeader::of(self)
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
        let [nx, ny, _] = self.shape();
        let mut samples = Samples::zeros(self.sample_type(), size.iter().product());
        let mut out = samples.as_mut();
        for row in 0..size[1] * size[2] {
            let (y, z) = (start[1] + row % size[1], start[2] + row / size[1]);
            out.copy_from(row * size[0], self.samples(), start[0] + nx * (y + ny * z), size[0]);
        }
        Ok(samples)
    }
}
