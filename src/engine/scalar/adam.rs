//! Adam (Kingma & Ba 2015, algorithm 1) with straight-through rounding.

use crate::engine::Update;
use crate::engine::adam_constants::{BETA1, BETA2, EPSILON};
use crate::field::ParameterGroup;

/// Float32 master parameters and their moments.
pub(super) struct Adam {
    masters: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Adam {
    pub(super) fn new(parameters: &[f32]) -> Self {
        let zeros = vec![0.0; parameters.len()];
        Self { masters: parameters.to_vec(), first: zeros.clone(), second: zeros, steps: 0 }
    }

    /// Moves the masters and rounds them into `parameters`.
    pub(super) fn step(
        &mut self,
        groups: &[ParameterGroup],
        update: &Update,
        gradient: &[f32],
        parameters: &mut [f32],
    ) {
        self.steps += 1;
        let first_correction = 1.0 - BETA1.powi(self.steps);
        let second_correction = 1.0 - BETA2.powi(self.steps);
        for (group, how) in groups.iter().zip(&update.groups) {
            for p in group.range.clone() {
                let master = self.masters[p];
                let sign = if master == 0.0 { 0.0 } else { master.signum() };
                let g = gradient[p] + how.rate_gradient * sign;
                self.first[p] = BETA1 * self.first[p] + (1.0 - BETA1) * g;
                self.second[p] = BETA2 * self.second[p] + (1.0 - BETA2) * g * g;
                let mean = self.first[p] / first_correction;
                let deviation = (self.second[p] / second_correction).sqrt() + EPSILON;
                self.masters[p] = master - how.learning_rate * mean / deviation;
                parameters[p] = how.rounding.nearest(self.masters[p]);
            }
        }
    }
}
