//! Adam as tensor operations, with straight-through rounding (Kingma & Ba 2015, algorithm 1).

use super::step::{self, AdamTensors, StepMachine};
use crate::engine::GroupUpdate;
use crate::engine::adam_constants::{BETA1, BETA2, EPSILON};
use crate::field::{ParameterGroup, Rounding};
use half::f16;
use tch::{Kind, TchError, Tensor};

/// Float32 master parameters and their moments.
pub(super) struct Adam {
    masters: Tensor,
    first: Tensor,
    second: Tensor,
    steps: i32,
}

impl Adam {
    pub(super) fn new(parameters: &Tensor) -> Result<Self, TchError> {
        let zeros = || parameters.f_zeros_like();
        let mut masters = zeros()?;
        masters.f_copy_(parameters)?;
        Ok(Self { masters, first: zeros()?, second: zeros()?, steps: 0 })
    }

    /// Moves the masters and rounds them into `parameters`. No value leaves the device.
    pub(super) fn step(
        &mut self,
        (groups, update): (&[ParameterGroup], &[GroupUpdate]),
        gradient: &Tensor,
        parameters: &Tensor,
    ) -> Result<(), TchError> {
        let _no_history = tch::no_grad_guard();
        self.steps += 1;
        let corrections = [BETA1, BETA2].map(|beta| 1.0 - f64::from(beta.powi(self.steps)));
        let [beta1, beta2] = [BETA1, BETA2].map(f64::from);
        for (group, how) in groups.iter().zip(update) {
            let of = |tensor: &Tensor| tensor.f_narrow(0, group.range.start as i64, group.range.len() as i64);
            let (mut master, mut first, mut second) =
                (of(&self.masters)?, of(&self.first)?, of(&self.second)?);
            let g = of(gradient)?.f_add(&master.f_sign()?.f_mul_scalar(f64::from(how.rate_gradient))?)?;
            let _ = first.f_mul_scalar_(beta1)?.f_add_(&g.f_mul_scalar(1.0 - beta1)?)?;
            let _ = second.f_mul_scalar_(beta2)?.f_add_(&g.f_square()?.f_mul_scalar(1.0 - beta2)?)?;
            let mean = first.f_div_scalar(corrections[0])?;
            let deviation =
                second.f_div_scalar(corrections[1])?.f_sqrt()?.f_add_scalar(f64::from(EPSILON))?;
            let step = mean.f_div(&deviation)?.f_mul_scalar(f64::from(how.learning_rate))?;
            let _ = master.f_sub_(&step)?;
            of(parameters)?.f_copy_(&rounded(&master, how.rounding)?)?;
        }
        Ok(())
    }

    /// [`Self::step`] as one kernel, on a gradient that is `scale` times too large; rounds into `halves`, too.
    pub(super) fn step_with(
        &mut self,
        machine: &dyn StepMachine,
        groups: (&[ParameterGroup], &[GroupUpdate]),
        gradient: &Tensor,
        scale: f32,
        parameters: &Tensor,
        halves: Option<&mut Tensor>,
    ) -> crate::Result<()> {
        self.steps += 1;
        let Self { masters, first, second, .. } = self;
        let tensors = AdamTensors { masters, first, second, parameters, halves: halves.as_deref() };
        step::adam(machine, &tensors, gradient, scale, groups, self.steps)
    }
}

/// [`Rounding::nearest`] of every value.
fn rounded(values: &Tensor, rounding: Rounding) -> Result<Tensor, TchError> {
    match rounding {
        Rounding::None => Ok(values.shallow_clone()),
        // libtorch rounds ties to even, too.
        Rounding::Step(step) => {
            let step = f64::from(step);
            values.f_div_scalar(step)?.f_round()?.f_mul_scalar(step)
        }
        Rounding::Half => {
            let most = f64::from(f16::MAX.to_f32());
            values.f_clamp(-most, most)?.f_to_kind(Kind::Half)?.f_to_kind(Kind::Float)
        }
    }
}
