//! An open volume as a [`Source`]: what is larger than memory is written, converted and compared box by box.

use super::{NeuralVolume, Region};
use crate::error::{Error, Result};
use crate::volume::{SampleType, Samples, Source, VolumeHeader};
use std::ops::ControlFlow;

/// The volume itself, in its stored type.
impl Source for NeuralVolume {
    fn header(&self) -> VolumeHeader {
        self.header_of(self.description.sample_type, self.description.shape, [0; 3], [1; 3])
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
        Ok(self.read_region(box_of(start, size), 1)?.into_samples())
    }
}

/// Every n-th voxel of an open volume, or a level of detail, decoded box by box.
pub struct DecodedSource<'a> {
    volume: &'a NeuralVolume,
    grid: Grid,
    header: VolumeHeader,
}

/// Which samples there are.
#[derive(Debug, Clone, Copy)]
enum Grid {
    /// Every n-th voxel along each axis.
    Strided(usize),
    /// Those of a level of detail.
    Level(usize),
}

impl NeuralVolume {
    /// Every `stride`-th voxel along each axis as [`Self::read_region`] gives them, or in another type.
    ///
    /// # Errors
    /// [`Error::Options`] when the stride is 0.
    pub fn strided(&self, stride: usize, sample_type: SampleType) -> Result<DecodedSource<'_>> {
        let shape = Region::whole(self.description.shape).shape(stride)?;
        let header = self.header_of(sample_type, shape, [0; 3], [stride; 3]);
        Ok(DecodedSource { volume: self, grid: Grid::Strided(stride), header })
    }

    /// A level of detail as [`Self::read_level`] gives it.
    ///
    /// # Errors
    /// [`Error::Options`] when there is no such level.
    pub fn at_level(&self, level: usize) -> Result<DecodedSource<'_>> {
        let found = self.level(level)?;
        let header = self.header_of(self.description.sample_type, found.shape, [0; 3], found.stride);
        Ok(DecodedSource { volume: self, grid: Grid::Level(level), header })
    }
}

impl Source for DecodedSource<'_> {
    fn header(&self) -> VolumeHeader {
        self.header.clone()
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
        let (volume, region) = (self.volume, box_of(start, size));
        region.check(self.header.shape, 1)?;
        let (count, sample_type) = (size.iter().product(), self.header.sample_type);
        let mut samples = Samples::try_zeros(sample_type, count).ok_or_else(|| {
            let what =
                format!("{count} samples of {sample_type} do not fit into memory; ask for a smaller box");
            Error::TooLarge { bytes: count as u64 * sample_type.size() as u64, what }
        })?;
        let mut go_on = |_| ControlFlow::Continue(());
        match self.grid {
            Grid::Strided(stride) => {
                let voxels = region.voxels([0; 3], stride);
                volume.read_region_into(voxels, stride, &mut samples.as_mut(), &mut go_on)?;
            }
            Grid::Level(level) => {
                volume.read_level_into(level, region, &mut samples.as_mut(), &mut go_on)?;
            }
        }
        Ok(samples)
    }
}

/// A box that no volume has, where it leaves all of them, is refused when it is read.
fn box_of(start: [usize; 3], size: [usize; 3]) -> Region {
    Region { start, end: std::array::from_fn(|a| start[a].saturating_add(size[a])) }
}
