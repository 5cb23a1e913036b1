//! Tensors in the memory of the device that a volume is open on, or why they cannot be had.

use super::{Failure, OpenVolume, Tensor};
#[cfg(not(feature = "cuda"))]
use crate::engine::device::NOT_BUILT;
use crate::sample::{ObserveRegion, Outside, Region, Space};
use crate::volume::SampleType;

fn no_device(why: &str) -> Failure {
    Failure(format!("a tensor cannot be in a device's memory: {why}"))
}

#[cfg(feature = "cuda")]
impl OpenVolume {
    /// Fails where the CPU stands in for a device, with the reason.
    fn on_requested_device(&self) -> Result<(), Failure> {
        self.1.as_deref().map_or(Ok(()), |note| Err(no_device(note)))
    }

    pub(super) fn region_on_device(
        &self,
        region: Region,
        stride: usize,
        sample_type: SampleType,
        observe: ObserveRegion<'_>,
    ) -> Result<Tensor, Failure> {
        self.on_requested_device()?;
        let samples = self.0.read_region_on_device(region, stride, sample_type, observe)?;
        Ok(crate::dlpack::export_on_device(samples)?)
    }

    pub(super) fn points_on_device(
        &self,
        points: &[[f64; 3]],
        space: Space,
        outside: Outside,
    ) -> Result<Tensor, Failure> {
        self.on_requested_device()?;
        Ok(crate::dlpack::export_on_device(self.0.sample_on_device(points, space, outside)?)?)
    }
}

#[cfg(not(feature = "cuda"))]
impl OpenVolume {
    pub(super) fn region_on_device(
        &self,
        _: Region,
        _: usize,
        _: SampleType,
        _: ObserveRegion<'_>,
    ) -> Result<Tensor, Failure> {
        Err(no_device(NOT_BUILT))
    }

    pub(super) fn points_on_device(&self, _: &[[f64; 3]], _: Space, _: Outside) -> Result<Tensor, Failure> {
        Err(no_device(NOT_BUILT))
    }
}
