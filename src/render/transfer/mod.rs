//! Transfer functions: which colour and which opacity a value has.

mod from_data;
#[cfg(feature = "io")]
mod json;
mod presets;

pub use presets::Preset;

use crate::error::{Error, Result};

/// Colours and opacities at some values; between them they change evenly, beyond the outermost they stay.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferFunction {
    /// Value, and red, green, blue from 0 to 1.
    colours: Vec<(f64, [f32; 3])>,
    /// Value, and opacity from 0 to 1: what a ray loses in [`Scene::unit_distance`](super::Scene::unit_distance).
    opacities: Vec<(f64, f32)>,
}

impl TransferFunction {
    /// Of points in ascending order of their values. Two at one value make a step.
    ///
    /// # Errors
    /// [`Error::Options`] where there is no point, or they are out of order, or a number is not from 0 to 1.
    pub fn new(colours: Vec<(f64, [f32; 3])>, opacities: Vec<(f64, f32)>) -> Result<Self> {
        let bad = |what: String| Error::Options(format!("a transfer function {what}"));
        let check = |name: &str, values: &mut dyn Iterator<Item = (f64, f32)>| {
            let mut last = None;
            for (value, part) in values {
                if !value.is_finite() || last.is_some_and(|last| value < last) {
                    return Err(bad(format!(
                        "has its {name} in ascending order of their values, not {value} there"
                    )));
                }
                if !(0.0..=1.0).contains(&part) {
                    return Err(bad(format!("has {name} from 0 to 1, not {part}")));
                }
                last = Some(value);
            }
            last.map(drop).ok_or_else(|| bad(format!("has one point of its {name} at least")))
        };
        check("colours", &mut colours.iter().flat_map(|(value, rgb)| rgb.map(|part| (*value, part))))?;
        check("opacities", &mut opacities.iter().copied())?;
        Ok(Self { colours, opacities })
    }

    /// Grey from black at the lowest value to white, as opaque as it is bright: what maximum intensity projections show.
    pub fn grey(low: f64, high: f64) -> Self {
        Self { colours: vec![(low, [0.0; 3]), (high, [1.0; 3])], opacities: vec![(low, 0.0), (high, 1.0)] }
    }

    /// The colour of a value.
    pub fn colour(&self, value: f64) -> [f32; 3] {
        let (low, high, share) = between(&self.colours, value);
        std::array::from_fn(|n| low[n] + share * (high[n] - low[n]))
    }

    /// The opacity of a value.
    pub fn opacity(&self, value: f64) -> f32 {
        let (low, high, share) = between(&self.opacities, value);
        low + share * (high - low)
    }

    /// From the first to the last value that it tells apart.
    pub fn span(&self) -> [f64; 2] {
        let ends = |first: f64, last: f64| [first, last];
        let [a, b] = [
            ends(self.colours[0].0, self.colours[self.colours.len() - 1].0),
            ends(self.opacities[0].0, self.opacities[self.opacities.len() - 1].0),
        ];
        [a[0].min(b[0]), a[1].max(b[1])]
    }
}

/// The points on both sides of a value, and where between them it is. At a step the upper side counts.
fn between<T: Copy>(points: &[(f64, T)], value: f64) -> (T, T, f32) {
    let above = points.partition_point(|(at, _)| *at <= value);
    let [below, above] = [above.saturating_sub(1), above.min(points.len() - 1)];
    let ((low, a), (high, b)) = (points[below], points[above]);
    let share = if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
    (a, b, share as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_between_points_and_beyond() {
        let opacities = vec![(0.0, 0.2), (10.0, 0.4), (10.0, 0.9), (20.0, 0.1)];
        let function = TransferFunction::new(vec![(5.0, [0.0, 0.5, 1.0])], opacities).unwrap();
        let expected =
            [(-5.0, 0.2), (0.0, 0.2), (5.0, 0.3), (10.0, 0.9), (15.0, 0.5), (20.0, 0.1), (99.0, 0.1)];
        for (value, opacity) in expected {
            assert!((function.opacity(value) - opacity).abs() < 1e-6, "{value}: {}", function.opacity(value));
            assert_eq!(function.colour(value), [0.0, 0.5, 1.0]);
        }
        assert_eq!(function.span(), [0.0, 20.0]);
    }

    #[test]
    fn what_is_no_transfer_function_is_refused() {
        let colours = vec![(0.0, [0.0; 3])];
        for opacities in [vec![], vec![(1.0, 0.0), (0.0, 1.0)], vec![(0.0, 1.5)], vec![(f64::NAN, 0.5)]] {
            assert!(TransferFunction::new(colours.clone(), opacities).is_err());
        }
        assert!(TransferFunction::new(vec![], vec![(0.0, 1.0)]).is_err());
    }
}
