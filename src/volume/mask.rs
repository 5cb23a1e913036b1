//! Voxels that hold no measurement: NaN, infinities, a declared fill value.

use super::{Volume, for_each_type};

/// Why a voxel is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum MaskClass {
    /// Not a number.
    Nan = 1,
    /// Positive infinity.
    PositiveInfinity = 2,
    /// Negative infinity.
    NegativeInfinity = 3,
    /// The volume's declared fill value.
    Fill = 4,
}

/// Values that stand for "no data here": one, or all from one to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FillRange {
    low: f64,
    high: f64,
}

impl FillRange {
    /// The values from one end to the other, in either order.
    pub fn new(one: f64, other: f64) -> Self {
        Self { low: one.min(other), high: one.max(other) }
    }

    /// Whether a value is one of them.
    #[inline]
    pub fn contains(self, value: f64) -> bool {
        value >= self.low && value <= self.high
    }
}

impl MaskClass {
    /// The class of a value, `None` for a measurement; `fill` as the samples hold it ([`Volume::fill_range`]).
    #[inline]
    pub fn of(value: f64, fill: Option<FillRange>) -> Option<Self> {
        if value.is_nan() {
            Some(MaskClass::Nan)
        } else if fill.is_some_and(|fill| fill.contains(value)) {
            Some(MaskClass::Fill)
        } else if value == f64::INFINITY {
            Some(MaskClass::PositiveInfinity)
        } else if value == f64::NEG_INFINITY {
            Some(MaskClass::NegativeInfinity)
        } else {
            None
        }
    }

    /// The value that a masked voxel of this class gets back.
    pub fn value(self, fill_value: Option<f64>) -> f64 {
        match self {
            MaskClass::Nan => f64::NAN,
            MaskClass::PositiveInfinity => f64::INFINITY,
            MaskClass::NegativeInfinity => f64::NEG_INFINITY,
            MaskClass::Fill => fill_value.unwrap_or(f64::NAN),
        }
    }

    /// The class with this code in the file format.
    pub fn from_code(code: u8) -> Option<Self> {
        [MaskClass::Nan, MaskClass::PositiveInfinity, MaskClass::NegativeInfinity, MaskClass::Fill]
            .into_iter()
            .find(|&c| c as u8 == code)
    }
}

/// The class of every voxel: 0 for a measurement, otherwise the code of its [`MaskClass`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    codes: Vec<u8>,
    masked: usize,
}

impl Mask {
    /// The mask of a volume; `None` when every voxel is a measurement.
    pub fn of(volume: &Volume) -> Option<Self> {
        if volume.sample_type().is_integer() && volume.fill_value.is_none() {
            return None;
        }
        let fill = volume.fill_range();
        for_each_type!(volume.samples(), values => {
            // Most volumes have no masked voxel: look before allocating a byte for each.
            values.iter().position(|v| MaskClass::of(v.to_f64(), fill).is_some())?;
            let codes: Vec<u8> =
                values.iter().map(|v| MaskClass::of(v.to_f64(), fill).map_or(0, |c| c as u8)).collect();
            let masked = codes.iter().filter(|&&c| c != 0).count();
            Some(Self { codes, masked })
        })
    }

    /// One code a voxel, x fastest.
    pub fn codes(&self) -> &[u8] {
        &self.codes
    }

    /// Number of masked voxels.
    pub fn masked(&self) -> usize {
        self.masked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_the_values() {
        let mut volume =
            Volume::new(vec![1.0f32, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e20, 2.0], [6, 1, 1])
                .unwrap();
        volume.fill_value = Some(f64::from(1e20f32));
        let mask = Mask::of(&volume).unwrap();
        assert_eq!(mask.codes(), [0, 1, 2, 3, 4, 0]);
        assert_eq!(mask.masked(), 4);
        assert_eq!(volume.range(), Some((1.0, 2.0)));
    }

    #[test]
    fn a_range_of_values_may_stand_for_no_data() {
        let mut volume = Volume::new(vec![5i16, 1, 2, 3, 4, -7], [6, 1, 1]).unwrap();
        volume.fill_value = Some(3.0);
        volume.fill_limit = Some(1.0);
        assert_eq!(Mask::of(&volume).unwrap().codes(), [0, 4, 4, 4, 0, 0]);
        assert_eq!(volume.range(), Some((-7.0, 5.0)));
    }

    #[test]
    fn a_fill_value_is_compared_as_the_samples_hold_it() {
        // None of these is a float32.
        for fill in [1e20, -999.99, 9.969_209_968_386_869e36, 0.1] {
            let mut volume = Volume::new(vec![1.0f32, fill as f32, 2.0], [3, 1, 1]).unwrap();
            volume.fill_value = Some(fill);
            assert_eq!(Mask::of(&volume).map(|mask| mask.codes().to_vec()), Some(vec![0, 4, 0]), "{fill}");
            assert_eq!(volume.range(), Some((1.0, 2.0)), "{fill}");
            assert_eq!(volume.stored_fill_value(), Some(f64::from(fill as f32)));
        }
        // Integers hold what they hold: a value beyond them, or between two, stands in none.
        for fill in [1e20, 254.6, -1.0] {
            let mut volume = Volume::new(vec![0u8, 254, 255], [3, 1, 1]).unwrap();
            volume.fill_value = Some(fill);
            assert_eq!((Mask::of(&volume), volume.range()), (None, Some((0.0, 255.0))), "{fill}");
        }
    }

    #[test]
    fn integers_without_a_fill_value_have_no_mask() {
        assert_eq!(Mask::of(&Volume::new(vec![0u8, 255], [2, 1, 1]).unwrap()), None);
    }
}
