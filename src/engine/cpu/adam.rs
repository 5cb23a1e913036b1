//! Adam over a stretch of one group: sums the threads' gradients, moves the masters, rounds.

use crate::engine::GroupUpdate;
use crate::engine::adam_constants::{BETA1, BETA2, EPSILON};
use crate::field::Rounding;
use crate::simd::{Kernel, Simd};

/// A stretch of parameters; all slices have one length.
pub(super) struct Stretch<'a> {
    pub(super) how: GroupUpdate,
    /// `1 - beta^t` of both moments.
    pub(super) corrections: [f32; 2],
    pub(super) masters: &'a mut [f32],
    pub(super) first: &'a mut [f32],
    pub(super) second: &'a mut [f32],
    pub(super) parameters: &'a mut [f32],
    /// One a thread; set to zero for the next step.
    pub(super) gradients: Vec<&'a mut [f32]>,
}

impl Kernel for Stretch<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Some(sum) = sum_into_first(self.gradients) else { return };
        let n = sum.len();
        let (masters, first) = (&mut self.masters[..n], &mut self.first[..n]);
        let (second, parameters) = (&mut self.second[..n], &mut self.parameters[..n]);
        let GroupUpdate { learning_rate, rounding, rate_gradient } = self.how;
        let rate = learning_rate / self.corrections[0];
        let second_scale = 1.0 / self.corrections[1];
        for i in 0..n {
            let master = masters[i];
            let push = if master == 0.0 { 0.0 } else { rate_gradient.copysign(master) };
            let g = sum[i] + push;
            sum[i] = 0.0;
            first[i] = BETA1 * first[i] + (1.0 - BETA1) * g;
            second[i] = BETA2 * second[i] + (1.0 - BETA2) * g * g;
            masters[i] = master - rate * first[i] / ((second[i] * second_scale).sqrt() + EPSILON);
        }
        match rounding {
            Rounding::None => parameters.copy_from_slice(masters),
            // Not `Rounding::nearest`: a product is faster than a quotient.
            Rounding::Step(step) => {
                let per_step = 1.0 / step;
                for i in 0..n {
                    parameters[i] = (masters[i] * per_step).round_ties_even() * step;
                }
            }
            Rounding::Half => {
                for i in 0..n {
                    parameters[i] = rounding.nearest(masters[i]);
                }
            }
        }
    }
}

/// Adds every thread's gradient into the first one's and clears the others.
#[inline(always)]
fn sum_into_first(gradients: Vec<&mut [f32]>) -> Option<&mut [f32]> {
    let mut gradients = gradients.into_iter();
    let sum = gradients.next()?;
    for other in gradients {
        for (sum, g) in sum.iter_mut().zip(other.iter_mut()) {
            *sum += *g;
            *g = 0.0;
        }
    }
    Some(sum)
}
