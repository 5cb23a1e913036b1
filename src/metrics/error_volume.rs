//! Where a volume is off, and by how much: a volume of its errors.

use crate::error::{Error, Result};
use crate::volume::{MaskClass, SampleType, Samples, Source, VolumeHeader};

/// The errors of a decoded volume on the original's grid: decoded less original at every voxel, in the values' unit, computed in float64
/// and stored as float32, or as float64 where the original has 32-bit integers or float64. NaN where the original has no value.
pub struct ErrorVolume<'a> {
    original: &'a dyn Source,
    decoded: &'a dyn Source,
    header: VolumeHeader,
}

impl<'a> ErrorVolume<'a> {
    /// Of two volumes of one shape.
    ///
    /// # Errors
    /// [`Error::Options`] when the shapes differ.
    pub fn new(original: &'a dyn Source, decoded: &'a dyn Source) -> Result<Self> {
        let (header, other) = (original.header(), decoded.header());
        if header.shape != other.shape {
            return Err(Error::Options(format!(
                "volumes of {:?} and {:?} samples cannot be compared",
                header.shape, other.shape
            )));
        }
        let sample_type = match header.sample_type {
            SampleType::U32 | SampleType::I32 | SampleType::F64 => SampleType::F64,
            _ => SampleType::F32,
        };
        let header =
            VolumeHeader { sample_type, name: "error".into(), fill_value: None, fill_limit: None, ..header };
        Ok(Self { original, decoded, header })
    }
}

impl Source for ErrorVolume<'_> {
    fn header(&self) -> VolumeHeader {
        self.header.clone()
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
        let fill = self.original.header().fill_range();
        let (original, decoded) = (self.original.read(start, size)?, self.decoded.read(start, size)?);
        let mut errors = Samples::zeros(self.header.sample_type, original.len());
        for i in 0..original.len() {
            let value = original.get(i);
            let error = match MaskClass::of(value, fill) {
                None => decoded.get(i) - value,
                Some(_) => f64::NAN,
            };
            errors.set(i, error);
        }
        Ok(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Volume;

    #[test]
    fn errors_are_decoded_less_original_and_nan_where_there_is_no_value() {
        let mut original = Volume::new(vec![100i16, -1000, 7, 32767], [2, 2, 1]).unwrap();
        original.fill_value = Some(-1000.0);
        let decoded = Volume::new(vec![101i16, 3, 5, -32768], [2, 2, 1]).unwrap();
        let errors = ErrorVolume::new(&original, &decoded).unwrap();
        assert_eq!((errors.header().sample_type, errors.header().fill_value), (SampleType::F32, None));
        let found = errors.read([0, 0, 0], [2, 2, 1]).unwrap();
        assert!(found.get(1).is_nan());
        assert_eq!([0, 2, 3].map(|i| found.get(i)), [1.0, -2.0, -65535.0]);
        let wide = Volume::new(vec![f64::MAX; 4], [4, 1, 1]).unwrap();
        assert!(ErrorVolume::new(&original, &wide).is_err());
        assert_eq!(ErrorVolume::new(&wide, &wide).unwrap().header().sample_type, SampleType::F64);
    }
}
