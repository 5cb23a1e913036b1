//! Training: forward, loss and backward by libtorch, then Adam. Only what is asked for comes to the host.

use super::Precision;
use super::adam::Adam;
use super::evaluator::{download, positions_on, values};
use crate::engine::{Batch, Loss, Trainer, Update};
use crate::error::Result;
use crate::field::{Field, Model, NetworkKind, ParameterGroup};
use tch::{Device, Kind, TchError, Tensor};

/// What the loss is multiplied with in mixed precision, so that small gradients are numbers in half precision (Micikevicius
/// et al. 2018; Mueller 2021 has the same factor), and its gradient divided by.
const LOSS_SCALE: f64 = 128.0;

pub(super) struct TorchTrainer {
    device: Device,
    /// Half precision in the passes.
    mixed: bool,
    model: Model,
    groups: Vec<ParameterGroup>,
    adam: Adam,
    /// The rounded parameters, float32.
    parameters: Tensor,
    /// The same on the host, when they were asked for.
    on_host: Vec<f32>,
    /// Sum of squared errors before the last step, on the device.
    squared_error: Tensor,
}

impl TorchTrainer {
    pub(super) fn new(device: Device, precision: Precision, field: &Field) -> Result<Self> {
        let parameters = Tensor::f_from_slice(&field.parameters)?.f_to_device(device)?;
        Ok(Self {
            device,
            mixed: precision == Precision::Mixed && field.model.network.kind() == NetworkKind::Mlp,
            groups: field.model.groups(),
            model: field.model.clone(),
            adam: Adam::new(&parameters)?,
            parameters,
            on_host: field.parameters.clone(),
            squared_error: Tensor::f_zeros([1i64].as_slice(), (Kind::Double, device))?,
        })
    }

    /// The gradient by the parameters, float32. Keeps the squared error.
    fn differentiate(&mut self, batch: &Batch, loss: Loss) -> Result<Tensor, TchError> {
        let samples = batch.positions.len();
        let positions = positions_on(self.device, &batch.positions)?;
        let targets = Tensor::f_from_slice(&batch.targets)?.f_to_device(self.device)?;
        let leaf = self.parameters.f_detach()?.f_set_requires_grad(true)?;
        let parameters = if self.mixed { leaf.f_to_kind(Kind::Half)? } else { leaf.shallow_clone() };
        let values = values(&self.model, &parameters, &positions)?.f_to_kind(Kind::Float)?;
        // A masked voxel has no target and teaches nothing.
        let residual = values.f_sub(&targets)?;
        let residual =
            residual.f_where_self(&targets.f_isnan()?.f_logical_not()?, &residual.f_zeros_like()?)?;
        let residual = &residual;
        self.squared_error = residual.f_detach()?.f_to_kind(Kind::Double)?.f_square()?.f_sum(Kind::Double)?;
        let scale = if self.mixed { LOSS_SCALE } else { 1.0 };
        let losses = match loss {
            Loss::L2 => residual.f_square()?,
            Loss::L1 => residual.f_abs()?,
        };
        let mean = losses.f_sum(Kind::Float)?.f_mul_scalar(scale / samples.max(1) as f64)?;
        let gradients = Tensor::f_run_backward(&[mean], &[&leaf], false, false)?;
        let gradient = gradients[0].f_div_scalar(scale)?;
        // What overflowed in half precision moves nothing, and nobody waits to find out whether something did.
        if self.mixed { gradient.f_nan_to_num(0.0, 0.0, 0.0) } else { Ok(gradient) }
    }
}

impl Trainer for TorchTrainer {
    fn gradient(&mut self, batch: &Batch, loss: Loss, out: &mut [f32]) -> Result<f64> {
        let gradient = self.differentiate(batch, loss)?;
        download(&gradient, out)?;
        self.squared_error()
    }

    fn step(&mut self, batch: &Batch, update: &Update) -> Result<()> {
        let gradient = self.differentiate(batch, update.loss)?;
        self.adam.step(&self.groups, update, &gradient, &self.parameters)?;
        Ok(())
    }

    fn squared_error(&mut self) -> Result<f64> {
        Ok(self.squared_error.f_double_value(&[])?)
    }

    fn error_interval(&self) -> u64 {
        if self.device.is_cuda() { 32 } else { 1 }
    }

    fn parameters(&mut self) -> Result<&[f32]> {
        download(&self.parameters, &mut self.on_host)?;
        Ok(&self.on_host)
    }
}
