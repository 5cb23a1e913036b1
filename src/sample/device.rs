//! Regions and points that stay in a GPU's memory.

use super::point::{Invalid, Place};
use super::points::{DEVICE_CHUNK, TASK};
use super::region::ObserveRegion;
use super::strided_region::StridedRegion;
use super::{NeuralVolume, Outside, Region, Space, mask::MaskReader};
use crate::engine::cuda::Cuda;
use crate::engine::cuda::decode::DeviceEvaluator;
use crate::engine::cuda::device_samples::{DeviceSamples, Storing};
use crate::engine::cuda::store::{self, Storage};
use crate::engine::{Evaluator, Install, Lattice};
use crate::error::{Error, Result};
use crate::volume::{MaskClass, SampleType};
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// The mask's classes in the order of their codes, which begin at 1.
const CLASSES: [MaskClass; 4] =
    [MaskClass::Nan, MaskClass::PositiveInfinity, MaskClass::NegativeInfinity, MaskClass::Fill];

impl NeuralVolume {
    /// [`Self::read_region`] into the memory of the CUDA device that the volume is open on, as samples of any type: the
    /// same samples as on the host, rounded to the stored type, and masked voxels with the values that mark them. The field's
    /// values never leave the device; what goes there for each request is the mask's codes, where the region has masked
    /// voxels. The host's cache is not asked and keeps nothing.
    ///
    /// A file without a network (lossless, with a bounded error, or constant) is decoded on the host and copied to the
    /// device.
    ///
    /// # Errors
    /// As for [`Self::read_region`]; [`Error::Device`] when the volume is not open on a CUDA device, or the device has no
    /// room or fails; [`Error::Interrupted`] when `observe` said so.
    pub fn read_region_on_device(
        &self,
        region: Region,
        stride: usize,
        sample_type: SampleType,
        observe: ObserveRegion<'_>,
    ) -> Result<DeviceSamples> {
        let cuda = self.cuda()?;
        region.check(self.description.shape, stride)?;
        let window = StridedRegion::new(region, stride);
        let [nx, ny, nz] = window.shape;
        let mut out = cuda.samples(sample_type, &[nz, ny, nx])?;
        if self.model.is_none() {
            let volume = self.read_region_as(region, stride, sample_type, observe)?;
            out.fill(volume.samples())?;
            return Ok(out);
        }
        let slabs = cuda.install(|| self.on_device().map(|evaluator| self.device_slabs(evaluator, &window)));
        let storage = self.storage(sample_type, f64::NAN);
        let total = out.len();
        for (first, slab, lattice) in slabs? {
            cuda.install(|| {
                let codes = self.mask_codes(&window, slab)?;
                let storing = Storing { storage: &storage, codes: codes.as_deref(), out: &out, first };
                self.on_device()?.store_lattice(&lattice, storing)
            })?;
            self.evaluated.fetch_add(lattice.len() as u64, Ordering::Relaxed);
            if let ControlFlow::Break(()) = observe((first + lattice.len()) as f64 / total as f64) {
                return Err(Error::Interrupted);
            }
        }
        Ok(out)
    }

    /// [`Self::values_at`] into the memory of the CUDA device that the volume is open on: float32, a value a point. The field's
    /// values never leave the device; the points come from the host.
    ///
    /// A file without a network is sampled on the host, and its values are copied to the device.
    ///
    /// # Errors
    /// As for [`Self::values_at`]; [`Error::Device`] as for [`Self::read_region_on_device`].
    pub fn sample_on_device(
        &self,
        points: &[[f64; 3]],
        space: Space,
        outside: Outside,
    ) -> Result<DeviceSamples> {
        let cuda = self.cuda()?;
        let to_index = self.to_index(space)?;
        let mut out = cuda.samples(SampleType::F32, &[points.len()])?;
        if self.model.is_none() {
            let mut values = vec![0.0; points.len()];
            self.values_at(points, space, outside, &mut values)?;
            out.fill(&values.into())?;
            return Ok(out);
        }
        let fixed = match outside {
            Outside::Clamp => f64::NAN,
            Outside::Value(value) => value,
        };
        let storage = self.storage(SampleType::F32, fixed);
        let shape = self.description.shape;
        cuda.install(|| {
            points.chunks(DEVICE_CHUNK).enumerate().try_for_each(|(n, points)| {
                let place =
                    |point: &[f64; 3]| self.place(to_index.map_or(*point, |to_index| to_index.apply(*point)));
                let places: Vec<Place> = points.par_iter().map(place).collect();
                let positions: Vec<[f32; 3]> = places.par_iter().map(|p| p.position(shape)).collect();
                let mut codes = vec![store::AT_A_VOXEL; points.len()];
                let parts = places.par_chunks(TASK).zip(codes.par_chunks_mut(TASK));
                parts.try_for_each(|(places, codes)| self.point_codes(places, outside, codes))?;
                let first = n * DEVICE_CHUNK;
                let storing = Storing { storage: &storage, codes: Some(&codes), out: &out, first };
                self.on_device()?.store_points(&positions, storing)
            })
        })?;
        self.evaluated.fetch_add(points.len() as u64, Ordering::Relaxed);
        Ok(out)
    }

    fn cuda(&self) -> Result<&Cuda> {
        self.engine.cuda().ok_or_else(|| {
            Error::Device(format!(
                "{}: the volume is open on the engine {}, not on a CUDA device, so there is no device's memory for its \
                 samples; open it on one (Device::Cuda)",
                self.path.display(),
                self.engine.name()
            ))
        })
    }

    /// The evaluator of a file with a network, on the device.
    fn on_device(&self) -> Result<&DeviceEvaluator> {
        let evaluator = self.evaluator()?.and_then(Evaluator::cuda);
        evaluator.ok_or_else(|| Error::Device("the CUDA engine evaluates elsewhere".into()))
    }

    /// How the field's values become samples of a type; points outside that get no value of the grid get `outside`.
    fn storage(&self, sample_type: SampleType, outside: f64) -> Storage {
        let fill = self.description.fill_value;
        let [nan, positive, negative, of_fill] = CLASSES.map(|class| class.value(fill));
        let scale = self.scale();
        let stored = self.description.sample_type;
        let constants = [nan, positive, negative, of_fill, outside];
        Storage::new([scale.low(), scale.span()], stored, sample_type, constants)
    }

    /// The slabs of a window that are evaluated at a time: the first one's sample, the box of samples, and its lattice.
    fn device_slabs(
        &self,
        evaluator: &DeviceEvaluator,
        window: &StridedRegion,
    ) -> Vec<(usize, Region, Lattice)> {
        let whole = window.whole();
        let slabs = self.slabs(window.voxels(whole), window.stride, evaluator.points_a_call());
        slabs
            .map(|(z, lattice)| {
                let mut slab = whole;
                (slab.start[2], slab.end[2]) = (z, z + lattice.axes[2].len());
                (window.index(slab.start), slab, lattice)
            })
            .collect()
    }

    /// The mask's codes of a slab of a window, x fastest; `None` where no voxel of it is masked. Decodes on the threads of
    /// the pool that this runs on.
    fn mask_codes(&self, window: &StridedRegion, slab: Region) -> Result<Option<Vec<u8>>> {
        let Some(mask) = &self.mask else { return Ok(None) };
        let first = window.index(slab.start);
        let mut codes = None;
        let voxels = window.voxels(slab);
        let visit = mask.visit(voxels.start, voxels.end, |start, size, of_brick| {
            window.each_in_brick(slab, start, size, |at, index| {
                if let Some(class) = MaskClass::from_code(of_brick[at]) {
                    let codes = codes
                        .get_or_insert_with(|| vec![store::AT_A_VOXEL; slab.samples(1).iter().product()]);
                    codes[index - first] = class as u8;
                }
            });
        });
        visit.map_err(|fault| self.fault("BRIK", fault))?;
        Ok(codes)
    }

    /// What is to become of the values at places.
    fn point_codes(&self, places: &[Place], outside: Outside, codes: &mut [u8]) -> Result<()> {
        let mut mask = self.mask.as_ref().map(MaskReader::cursor);
        for (place, code) in places.iter().zip(codes) {
            *code = match self.why_invalid(place, outside, mask.as_mut())? {
                Some(Invalid::NoPoint) => MaskClass::Nan as u8,
                Some(Invalid::Outside(_)) => store::OUTSIDE,
                Some(Invalid::Masked(class)) => class as u8,
                None if place.at_a_voxel() => store::AT_A_VOXEL,
                None => store::BETWEEN_VOXELS,
            };
        }
        Ok(())
    }
}
