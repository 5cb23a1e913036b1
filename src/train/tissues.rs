//! Tissues of a CT, kept where they are in the mean.
//!
//! What a file leaves out of noise and fine detail pulls every voxel towards its surroundings. Of voxels that are chosen by their
//! own value, the mean moves with them: fat at the border of muscle comes out too high, calcified bone too low. Half of that is
//! taken back by coding the volume with as much added to each tissue, so that neither the voxels that read as a tissue in the
//! original nor those that do in the decoded volume are off by more than the other half.

use crate::metrics::Fidelity;

/// The share of a tissue's mean error that is taken back.
const TAKEN_BACK: f64 = 0.5;
/// Mean errors below this share of the noise are left as they are, and so are those of tissues of fewer voxels than this share.
const LEAST_BIAS: f64 = 0.05;
const LEAST_SHARE: f64 = 1e-3;

/// What is added to values before they are coded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shift {
    /// Values, ascending, and what is added at each; in between it is linear, beyond the ends as at the ends.
    knots: Vec<[f64; 2]>,
}

impl Shift {
    /// Against the mean errors of a CT's tissues, chosen by the voxels' own value. Air has none: scanners cut it off.
    pub(super) fn against(fidelity: &Fidelity) -> Option<Self> {
        let noise = fidelity.noise?;
        let bias = |name: &str| {
            let band = fidelity.bands.iter().find(|errors| errors.band.name == name);
            band.filter(|errors| errors.share >= LEAST_SHARE).map_or(0.0, |errors| errors.bias)
        };
        let biases = ["lung", "fat", "soft tissue", "bone"].map(bias);
        if biases.iter().all(|bias| bias.abs() < LEAST_BIAS * noise) {
            return None;
        }
        let [lung, fat, soft, bone] = biases.map(|bias| -TAKEN_BACK * bias);
        let knots = [
            [-950.0, 0.0],
            [-880.0, lung],
            [-500.0, lung],
            [-200.0, fat],
            [-60.0, fat],
            [0.0, soft],
            [100.0, soft],
            [200.0, bone],
        ];
        Some(Self { knots: knots.to_vec() })
    }

    /// A value with what is added to it.
    pub(super) fn apply(&self, value: f64) -> f64 {
        let next = self.knots.partition_point(|knot| knot[0] <= value);
        let added = match (next.checked_sub(1).and_then(|n| self.knots.get(n)), self.knots.get(next)) {
            (Some(&[from, a]), Some(&[to, b])) => a + (b - a) * (value - from) / (to - from),
            (Some(end), None) | (None, Some(end)) => end[1],
            (None, None) => 0.0,
        };
        value + added
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{BandErrors, Bands, Distortion};

    #[test]
    fn half_of_a_tissues_error_is_taken_back() {
        let bands = Bands::Tissues.bands(Some((-1000.0, 1000.0)));
        let fidelity = |biases: [f64; 5]| Fidelity {
            noise: Some(16.0),
            bands: bands
                .iter()
                .zip(biases)
                .map(|(&band, bias)| BandErrors { band, share: 0.2, bias, rmse: 10.0 })
                .collect(),
            ..Fidelity::of(Distortion { psnr: 45.0, rmse: 10.0, max_error: 90.0, voxels: 2 })
        };
        let shift = Shift::against(&fidelity([1.0, -2.0, 3.0, -1.0, -4.0])).unwrap();
        let added = [-1000.0, -700.0, -100.0, 50.0, 800.0].map(|value| shift.apply(value) - value);
        assert_eq!(added, [0.0, 1.0, -1.5, 0.5, 2.0]);
        // Between two tissues, and never so steep that values change places.
        let between: Vec<f64> = (-1000..1000).map(|value| shift.apply(f64::from(value))).collect();
        assert!(between.windows(2).all(|w| w[1] > w[0] && w[1] - w[0] < 2.0));
        assert_eq!(Shift::against(&fidelity([3.0, 0.1, 0.7, -0.2, 0.3])), None);
    }
}
