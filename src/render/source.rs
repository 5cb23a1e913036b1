//! Where the renderer gets samples from.

use super::known::KnownRanges;
use super::tables::MOST;
use crate::error::Result;
use crate::sample::{LevelOfDetail, Region};
use crate::volume::{MaskClass, Volume, VolumeHeader};

/// Samples of a box, x fastest.
#[derive(Clone)]
pub(crate) struct BoxSamples {
    /// From 0 for the volume's lowest value to 65535 for its highest; those of masked samples mean nothing.
    pub(crate) values: Vec<u16>,
    /// Which samples are masked, where any is.
    pub(crate) masked: Option<Vec<bool>>,
}

/// What can be rendered: an open `.nvol` file, or a volume in memory.
pub trait Rendered: Send + Sync {
    /// What is known of the volume.
    fn header(&self) -> VolumeHeader;
    /// Its smallest and largest measurement.
    fn range(&self) -> Option<(f64, f64)>;
    /// Its levels of detail, the volume itself first.
    fn levels(&self) -> Vec<LevelOfDetail>;
    #[doc(hidden)]
    fn boxes(&self, level: usize, boxes: &[Region]) -> Result<Boxes>;
    /// What is known of the volume's values without reading them.
    #[doc(hidden)]
    fn known_ranges(&self) -> Result<Option<KnownRanges>> {
        Ok(None)
    }
    /// Runs work on the threads that it is to use.
    #[doc(hidden)]
    fn run(&self, work: &mut (dyn FnMut() + Send));
}

/// What [`Rendered::boxes`] gives.
#[doc(hidden)]
pub struct Boxes(pub(crate) Vec<BoxSamples>);

/// A share of the range, in 16 bits.
#[inline]
pub(crate) fn sixteen_bits(share: f32) -> u16 {
    (share * MOST + 0.5) as u16
}

impl Rendered for Volume {
    fn header(&self) -> VolumeHeader {
        VolumeHeader::of(self)
    }

    fn range(&self) -> Option<(f64, f64)> {
        Volume::range(self)
    }

    fn levels(&self) -> Vec<LevelOfDetail> {
        vec![LevelOfDetail { shape: self.shape(), stride: [1; 3] }]
    }

    fn boxes(&self, _: usize, boxes: &[Region]) -> Result<Boxes> {
        let (low, high) = Volume::range(self).unwrap_or((0.0, 1.0));
        let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
        let fill = self.fill_range();
        let [nx, ny, _] = self.shape();
        let of_box = |region: &Region| {
            let shape: [usize; 3] = std::array::from_fn(|a| region.end[a] - region.start[a]);
            let count = shape.iter().product();
            let (mut values, mut masked) = (Vec::with_capacity(count), Vec::new());
            for row in 0..shape[1] * shape[2] {
                let [y, z] = [region.start[1] + row % shape[1], region.start[2] + row / shape[1]];
                let first = region.start[0] + nx * (y + ny * z);
                for i in first..first + shape[0] {
                    let value = self.samples().get(i);
                    if MaskClass::of(value, fill).is_some() {
                        masked.resize(count, false);
                        masked[values.len()] = true;
                    }
                    values.push(sixteen_bits(((value - low) * scale) as f32));
                }
            }
            BoxSamples { values, masked: (!masked.is_empty()).then_some(masked) }
        };
        Ok(Boxes(boxes.iter().map(of_box).collect()))
    }

    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        work();
    }
}
