//! A source cut along z into slabs, which are read one after the other.

use super::{MaskClass, Samples, Source, VolumeHeader, for_each_type};
use crate::error::{Error, Result};
use std::ops::Range;

/// Planes of a slab, where memory allows as many: the edge of the blocks of a `.nvol` file, each of which is then decoded for one
/// slab.
const PLANES: usize = 128;

/// Slabs of a source: whole along x and y, of up to 128 planes.
pub(crate) struct Slabs<'a> {
    source: &'a dyn Source,
    header: VolumeHeader,
    depth: usize,
}

impl<'a> Slabs<'a> {
    /// Slabs of `most_bytes` at most, or of a single plane where that is more. Where 128 planes are too many, a slab has a half
    /// of them, a quarter, and so on: blocks' faces stay slabs' faces.
    pub(crate) fn new(source: &'a dyn Source, most_bytes: u64) -> Self {
        let header = source.header();
        let plane = header.stored_bytes() / header.shape[2].max(1) as u64;
        let mut depth = PLANES;
        while depth > 1 && plane.saturating_mul(depth as u64) > most_bytes {
            depth /= 2;
        }
        Self { source, header, depth }
    }

    /// The same slabs of two sources, which are read together.
    pub(crate) fn of_two<'b>(
        one: &'a dyn Source,
        other: &'b dyn Source,
        most_bytes: u64,
    ) -> (Self, Slabs<'b>) {
        let (mut one, mut other) = (Self::new(one, most_bytes / 2), Slabs::new(other, most_bytes / 2));
        let depth = one.depth.min(other.depth);
        (one.depth, other.depth) = (depth, depth);
        (one, other)
    }

    /// What the source says of itself.
    pub(crate) fn header(&self) -> &VolumeHeader {
        &self.header
    }

    /// The planes of each slab, in order.
    pub(crate) fn planes(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (depth, count) = (self.depth, self.header.shape[2]);
        (0..count).step_by(depth).map(move |z| z..count.min(z + depth))
    }

    /// Reads some planes.
    ///
    /// # Errors
    /// What the source says; [`Error::Options`] when it gives other samples than it was asked for.
    pub(crate) fn read(&self, planes: Range<usize>) -> Result<Samples> {
        let [nx, ny, _] = self.header.shape;
        let size = [nx, ny, planes.len()];
        let samples = self.source.read([0, 0, planes.start], size)?;
        let (count, sample_type) = (size.iter().product::<usize>(), self.header.sample_type);
        if samples.len() != count || samples.sample_type() != sample_type {
            return Err(Error::Options(format!(
                "the source of '{}' gave {} samples of {} where {count} of {sample_type} were asked for",
                self.header.name,
                samples.len(),
                samples.sample_type(),
            )));
        }
        Ok(samples)
    }

    /// Smallest and largest unmasked value, and how many voxels are masked; `done` is told of each slab's number of planes.
    ///
    /// # Errors
    /// As for [`Self::read`]; what `done` says.
    pub(crate) fn range(&self, mut done: impl FnMut(usize) -> Result<()>) -> Result<Measured> {
        let fill = self.header.fill_range();
        let mut found = Measured { range: None, masked: 0 };
        for planes in self.planes() {
            let samples = self.read(planes.clone())?;
            for_each_type!(&samples, values => {
                for &value in values.iter() {
                    let value = value.to_f64();
                    if MaskClass::of(value, fill).is_some() {
                        found.masked += 1;
                        continue;
                    }
                    let (low, high) = found.range.unwrap_or((value, value));
                    found.range = Some((low.min(value), high.max(value)));
                }
            });
            done(planes.len())?;
        }
        Ok(found)
    }
}

/// What the samples of all slabs are like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    /// Smallest and largest unmasked value; `None` when every voxel is masked.
    pub(crate) range: Option<(f64, f64)>,
    /// Voxels that are masked.
    pub(crate) masked: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Volume;

    #[test]
    fn slabs_have_as_many_planes_as_fit_and_end_where_blocks_do() {
        let volume = Volume::new(vec![0u16; 3 * 2 * 300], [3, 2, 300]).unwrap();
        let ends = |most_bytes| {
            Slabs::new(&volume, most_bytes).planes().map(|planes| planes.end).collect::<Vec<_>>()
        };
        assert_eq!(ends(u64::MAX), [128, 256, 300]);
        assert_eq!(ends(12 * 128), [128, 256, 300]);
        assert_eq!(ends(12 * 128 - 1), [64, 128, 192, 256, 300]);
        assert_eq!(ends(0).len(), 300);
    }

    #[test]
    fn the_range_is_that_of_the_whole() {
        let mut values: Vec<f32> = (0..6 * 200).map(|i| (i as f32 * 0.7).sin() * 9.0).collect();
        (values[7], values[900], values[901]) = (f32::NAN, 99.0, f32::INFINITY);
        let mut volume = Volume::new(values, [3, 2, 200]).unwrap();
        volume.fill_value = Some(99.0);
        let found = Slabs::new(&volume, 24 * 16).range(|_| Ok(())).unwrap();
        assert_eq!(found, Measured { range: volume.range(), masked: 3 });
        let stop = Slabs::new(&volume, 0).range(|_| Err(Error::Interrupted));
        assert!(matches!(stop, Err(Error::Interrupted)));
    }

    /// Gives a sample less than asked for.
    struct Short(Volume);

    impl Source for Short {
        fn header(&self) -> VolumeHeader {
            VolumeHeader::of(&self.0)
        }

        fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
            Source::read(&self.0, start, [size[0] - 1, size[1], size[2]])
        }
    }

    #[test]
    fn a_source_that_gives_too_little_is_refused() {
        let source = Short(Volume::new(vec![0u8; 8], [2, 2, 2]).unwrap());
        let message = Slabs::new(&source, 100).read(0..2).unwrap_err().to_string();
        assert!(message.contains("gave 4 samples of uint8 where 8 of uint8"), "{message}");
    }
}
