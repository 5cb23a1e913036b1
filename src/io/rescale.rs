//! Stored values to real values: `real = slope * stored + intercept`.

use crate::volume::{Sample, SampleType, Samples, for_each_type};

/// A linear map from stored to real values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rescale {
    pub(crate) slope: f64,
    pub(crate) intercept: f64,
}

impl Rescale {
    /// The map that changes nothing.
    pub(crate) const NONE: Rescale = Rescale { slope: 1.0, intercept: 0.0 };

    /// True when integers stay integers, exactly.
    pub(crate) fn is_integer(self) -> bool {
        // Beyond 2^53 a product of integers is no longer exact in f64.
        self.slope.fract() == 0.0
            && self.intercept.fract() == 0.0
            && self.slope.abs() < f64::from(1 << 20)
            && self.intercept.abs() < f64::from(1 << 30)
    }

    /// The real value of a stored one.
    #[inline]
    pub(crate) fn apply(self, stored: f64) -> f64 {
        stored * self.slope + self.intercept
    }

    /// The type real values take: the smallest integer type that holds them when the map and the stored type are
    /// integer, float64 when the stored type is, else float32.
    pub(crate) fn result_type(self, stored: SampleType, stored_range: (f64, f64)) -> SampleType {
        if stored.is_integer() && self.is_integer() {
            let ends = [self.apply(stored_range.0), self.apply(stored_range.1)];
            if let Some(t) = smallest_integer_type(ends[0].min(ends[1]), ends[0].max(ends[1])) {
                return t;
            }
        }
        if stored == SampleType::F64 { SampleType::F64 } else { SampleType::F32 }
    }

    /// The real values of stored ones.
    pub(crate) fn apply_to(self, samples: Samples) -> Samples {
        if self == Rescale::NONE {
            return samples;
        }
        let stored = samples.sample_type();
        let target = self.result_type(stored, range(&samples));
        let mut real = Samples::zeros(target, samples.len());
        for_each_type!(&samples, from => for_each_type!(&mut real, to => self.map(from, to)));
        real
    }

    fn map<F: Sample, T: Sample>(self, from: &[F], to: &mut [T]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = T::from_f64(self.apply(from.to_f64()));
        }
    }
}

/// The smallest of the six integer types that holds `low..=high`; unsigned first.
pub(crate) fn smallest_integer_type(low: f64, high: f64) -> Option<SampleType> {
    SampleType::ALL.into_iter().filter(|t| t.is_integer()).find(|t| {
        let (least, most) = t.limits();
        low >= least && high <= most
    })
}

/// Smallest and largest value, NaN aside.
fn range(samples: &Samples) -> (f64, f64) {
    for_each_type!(samples, values => values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v.to_f64()), high.max(v.to_f64()))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_maps_take_the_smallest_type_that_holds_the_values() {
        let ct = Rescale { slope: 1.0, intercept: -1024.0 };
        assert_eq!(ct.apply_to(Samples::U16(vec![0, 1024, 4095])), Samples::I16(vec![-1024, 0, 3071]));
        assert_eq!(ct.apply_to(Samples::U16(vec![1024, 1279])), Samples::U8(vec![0, 255]));
        assert_eq!(ct.apply_to(Samples::U16(vec![0, 65535])), Samples::I32(vec![-1024, 64511]));
    }

    #[test]
    fn other_maps_give_floats() {
        let half = Rescale { slope: 0.5, intercept: 1.0 };
        assert_eq!(half.apply_to(Samples::U8(vec![3])), Samples::F32(vec![2.5]));
        assert_eq!(half.apply_to(Samples::F64(vec![3.0])), Samples::F64(vec![2.5]));
        assert_eq!(Rescale::NONE.apply_to(Samples::U16(vec![3])), Samples::U16(vec![3]));
    }
}
