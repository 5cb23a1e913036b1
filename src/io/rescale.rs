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
        // Beyond 2^53 integers are no longer exact in f64: stored values have up to 32 bits.
        self.slope.fract() == 0.0
            && self.intercept.fract() == 0.0
            && self.slope.abs() < f64::from(1 << 20)
            && self.intercept.abs() < (1u64 << 52) as f64
    }

    /// The real value of a stored one.
    #[inline]
    pub(crate) fn apply(self, stored: f64) -> f64 {
        stored * self.slope + self.intercept
    }

    /// The type real values take: the smallest integer type (of at least `least_bytes`) that holds them when the map
    /// and the stored type are integer, float64 when the stored type is, else float32.
    pub(crate) fn result_type(self, stored: SampleType, range: Range, least_bytes: usize) -> SampleType {
        let Range { low, high } = range;
        if stored.is_integer() && self.is_integer() {
            let ends = [self.apply(low), self.apply(high)];
            let fits = smallest_integer_type(ends[0].min(ends[1]), ends[0].max(ends[1]), least_bytes);
            if let Some(sample_type) = fits {
                return sample_type;
            }
        }
        if stored == SampleType::F64 { SampleType::F64 } else { SampleType::F32 }
    }

    /// The real values of stored ones, in a type of at least `least_bytes` when they are integers.
    pub(crate) fn apply_to(self, samples: Samples, least_bytes: usize) -> Samples {
        if self == Rescale::NONE {
            return samples;
        }
        let target = self.result_type(samples.sample_type(), Range::of(&samples), least_bytes);
        self.convert(samples, target)
    }

    /// The real values of stored ones, in a type.
    pub(crate) fn convert(self, samples: Samples, target: SampleType) -> Samples {
        // The standard library collects into the iterator's own memory where the types have one size, so a CT keeps
        // a single copy of its voxels.
        for_each_type!(samples, stored => {
            macro_rules! collect {
                ($($variant:ident)*) => {
                    match target {
                        $(SampleType::$variant => Samples::$variant(
                            stored.into_iter().map(|v| Sample::from_f64(self.apply(v.to_f64()))).collect(),
                        ),)*
                    }
                };
            }
            collect!(U8 I8 U16 I16 U32 I32 F32 F64)
        })
    }
}

/// The smallest of the six integer types, of at least `least_bytes`, that holds `low..=high`. Of two types of one size
/// the signed one is taken where both do when the size is forced, else the unsigned one.
fn smallest_integer_type(low: f64, high: f64, least_bytes: usize) -> Option<SampleType> {
    let forced = SampleType::ALL
        .into_iter()
        .filter(|t| t.limits().0 < 0.0 && t.size() == least_bytes && least_bytes > 1);
    forced.chain(SampleType::ALL).filter(|t| t.is_integer() && t.size() >= least_bytes).find(|t| {
        let (least, most) = t.limits();
        low >= least && high <= most
    })
}

/// Smallest and largest value, NaN aside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Range {
    /// Of no value yet.
    pub(crate) const EMPTY: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };

    fn of(samples: &Samples) -> Self {
        let mut range = Self::EMPTY;
        range.add(samples);
        range
    }

    /// Takes values in.
    pub(crate) fn add(&mut self, samples: &Samples) {
        let Self { low, high } = *self;
        (self.low, self.high) = for_each_type!(samples, values => {
            values.iter().fold((low, high), |(low, high), v| (low.min(v.to_f64()), high.max(v.to_f64())))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_maps_take_the_smallest_type_that_holds_the_values() {
        let ct = Rescale { slope: 1.0, intercept: -1024.0 };
        assert_eq!(ct.apply_to(Samples::U16(vec![0, 1024, 4095]), 1), Samples::I16(vec![-1024, 0, 3071]));
        assert_eq!(ct.apply_to(Samples::U16(vec![1024, 1279]), 1), Samples::U8(vec![0, 255]));
        assert_eq!(ct.apply_to(Samples::U16(vec![1024, 1279]), 2), Samples::I16(vec![0, 255]));
        assert_eq!(ct.apply_to(Samples::U16(vec![0, 65535]), 1), Samples::I32(vec![-1024, 64511]));
        let high = Rescale { slope: 1.0, intercept: f64::from(u32::MAX - 119) };
        assert_eq!(
            high.apply_to(Samples::U16(vec![0, 119]), 1),
            Samples::U32(vec![u32::MAX - 119, u32::MAX])
        );
    }

    #[test]
    fn other_maps_give_floats() {
        let half = Rescale { slope: 0.5, intercept: 1.0 };
        assert_eq!(half.apply_to(Samples::U8(vec![3]), 1), Samples::F32(vec![2.5]));
        assert_eq!(half.apply_to(Samples::F64(vec![3.0]), 1), Samples::F64(vec![2.5]));
        assert_eq!(Rescale::NONE.apply_to(Samples::U16(vec![3]), 1), Samples::U16(vec![3]));
    }
}
