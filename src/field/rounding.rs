//! What a stored parameter is rounded to.

use half::f16;

/// The values that a group's parameters may take.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Rounding {
    /// Any float32.
    #[default]
    None,
    /// Multiples of a step, which is above 0.
    Step(f32),
    /// IEEE 754 binary16, as the paper keeps them; beyond its range, the largest that it has.
    Half,
}

impl Rounding {
    /// The nearest value, ties to even.
    #[inline(always)]
    pub fn nearest(self, value: f32) -> f32 {
        match self {
            Rounding::None => value,
            Rounding::Step(step) => (value / step).round_ties_even() * step,
            Rounding::Half => {
                let most = f16::MAX.to_f32();
                f16::from_f32(value.clamp(-most, most)).to_f32()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_to_the_nearest_one_ties_to_even() {
        assert_eq!(Rounding::None.nearest(0.3), 0.3);
        assert_eq!([0.24, 0.25, 0.75, -0.3].map(|v| Rounding::Step(0.5).nearest(v)), [0.0, 0.0, 1.0, -0.5]);
        // Binary16 has 11 significant bits: 2049 lies between 2048 and 2050.
        assert_eq!(
            [2049.0, 2051.0, 1e9, -1e9].map(|v| Rounding::Half.nearest(v)),
            [2048.0, 2052.0, 65504.0, -65504.0]
        );
        assert_eq!(Rounding::Half.nearest(0.1), 0.099975586);
    }
}
