//! A scalar field on a regular grid: samples in their stored type, geometry, mask.

mod association;
mod axis;
mod geometry;
mod lossy;
mod mask;
mod samples;
mod slabs;
mod source;

pub use association::Association;
pub use axis::Axis;
pub use geometry::{Frame, Geometry, WorldToIndex};
pub use lossy::LossyStep;
pub(crate) use lossy::is_code;
pub use mask::{FillRange, Mask, MaskClass};
pub(crate) use samples::for_each_type;
pub use samples::{Sample, SampleType, Samples, SamplesMut};
pub(crate) use slabs::Slabs;
pub use source::{Source, VolumeHeader};

use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// A scalar field on a regular grid.
///
/// Axes are x, y, z with x fastest in memory: voxel (i, j, k) is sample `i + nx * (j + ny * k)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    samples: Samples,
    shape: [usize; 3],
    /// Where the samples lie in the world.
    pub geometry: Geometry,
    /// Whether they are of the grid's points or of its cells.
    pub association: Association,
    /// The array's name, as VTK and ParaView show it.
    pub name: String,
    /// The values' unit (`HU`, `K`, ...); empty when the source does not say.
    pub unit: String,
    /// The value that stands for "no data here", when the source declares one. Samples are compared with it as their type
    /// rounds it ([`Self::stored_fill_value`]): 1e20 masks the float32 that is nearest to it.
    pub fill_value: Option<f64>,
    /// The other end of the values that stand for "no data here", inclusive, where the source declares a range of them
    /// (DICOM's Pixel Padding Range Limit); it may be below the fill value. None where the fill value is the only one.
    pub fill_limit: Option<f64>,
    /// Where the volume came from: source format, modality, rescale. Never anything that identifies a patient.
    pub provenance: BTreeMap<String, String>,
}

impl Volume {
    /// A volume of `shape` `[nx, ny, nz]` with unit geometry in an unknown frame.
    ///
    /// # Errors
    /// [`Error::Options`] when an axis is empty or the sample count is not `nx * ny * nz`.
    pub fn new(samples: impl Into<Samples>, shape: [usize; 3]) -> Result<Self> {
        let samples = samples.into();
        let count = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if shape.contains(&0) || count != Some(samples.len()) {
            return Err(Error::Options(format!(
                "a volume of {} x {} x {} cannot hold {} samples",
                shape[0],
                shape[1],
                shape[2],
                samples.len()
            )));
        }
        Ok(Self {
            samples,
            shape,
            geometry: Geometry::default(),
            association: Association::Point,
            name: "scalars".into(),
            unit: String::new(),
            fill_value: None,
            fill_limit: None,
            provenance: BTreeMap::new(),
        })
    }

    /// The same volume with other samples, on a grid of another shape.
    ///
    /// # Errors
    /// As for [`Self::new`].
    #[cfg(feature = "io")]
    pub(crate) fn put_samples(&mut self, samples: Samples, shape: [usize; 3]) -> Result<()> {
        let Volume { samples, shape, .. } = Self::new(samples, shape)?;
        (self.samples, self.shape) = (samples, shape);
        Ok(())
    }

    /// The samples, x fastest.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Takes the samples out of the volume.
    pub fn into_samples(self) -> Samples {
        self.samples
    }

    /// Samples along x, y and z; never zero.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Never true: a volume has at least one voxel. Here because `len` is.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The type the samples are stored in.
    pub fn sample_type(&self) -> SampleType {
        self.samples.sample_type()
    }

    /// Bytes of the samples in their stored type.
    pub fn stored_bytes(&self) -> u64 {
        self.len() as u64 * self.sample_type().size() as u64
    }

    /// [`Self::fill_value`] as the samples hold it.
    pub fn stored_fill_value(&self) -> Option<f64> {
        self.fill_value.map(|fill| self.sample_type().nearest(fill))
    }

    /// The values that stand for "no data here", as the samples hold them.
    pub fn fill_range(&self) -> Option<FillRange> {
        let fill = self.stored_fill_value()?;
        Some(FillRange::new(fill, self.fill_limit.map_or(fill, |limit| self.sample_type().nearest(limit))))
    }

    /// Smallest and largest unmasked value; `None` when every voxel is masked.
    pub fn range(&self) -> Option<(f64, f64)> {
        let fill = self.fill_range();
        for_each_type!(&self.samples, values => {
            let mut range: Option<(f64, f64)> = None;
            for &value in values.iter() {
                let value = value.to_f64();
                if MaskClass::of(value, fill).is_none() {
                    let (low, high) = range.unwrap_or((value, value));
                    range = Some((low.min(value), high.max(value)));
                }
            }
            range
        })
    }
}
