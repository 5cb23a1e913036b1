//! Training: forward, loss and backward by libtorch, then Adam. Only what is asked for comes to the host.
//!
//! With a [`StepMachine`] the parts that are slow as tensor operations are kernels: drawing voxels, the hash grid, Adam. In mixed
//! precision a hash grid before a small perceptron is one kernel, forward and back ([`fused`](super::fused)); for all others
//! libtorch differentiates the network.

use super::adam::Adam;
use super::evaluator::{download, features, positions_on};
use super::fused::{FusedKernels, Pass};
use super::network;
use super::step::{Draw, GridKernels, StepMachine};
use super::{Precision, TorchOptions};
use crate::engine::{Batch, Drawing, Loss, Permutation, Trainer, Update, Voxels};
use crate::error::Result;
use crate::field::{Encoding, Field, Model, NetworkKind, ParameterGroup};
use std::ops::Range;
use std::sync::Arc;
use tch::{Device, Kind, TchError, Tensor};

/// What the loss is multiplied with in mixed precision, so that small gradients are numbers in half precision (Micikevicius
/// et al. 2018; Mueller 2021 has the same factor), and its gradient divided by.
const LOSS_SCALE: f32 = 128.0;
/// Voxels that are sent to the device at a time.
const CHUNK: usize = 1 << 22;
/// Share of the device's free memory that the voxels may take.
const SHARE_OF_MEMORY: f64 = 0.5;

pub(super) struct TorchTrainer {
    device: Device,
    machine: Option<Arc<dyn StepMachine>>,
    grid: Option<GridKernels>,
    fused: Option<FusedKernels>,
    deterministic: bool,
    model: Model,
    groups: Vec<ParameterGroup>,
    adam: Adam,
    /// The rounded parameters, float32.
    parameters: Tensor,
    /// What the passes read in mixed precision.
    halves: Option<Tensor>,
    /// What was asked for on the host.
    on_host: Vec<f32>,
    /// The sum of states that the host has not asked for yet.
    kept_sum: Option<Tensor>,
    /// Sum of squared errors before the last step, on the device.
    squared_error: Tensor,
    kept: Option<KeptVoxels>,
}

/// A volume that batches are drawn from.
struct KeptVoxels {
    shape: [usize; 3],
    seed: u64,
    values: KeptValues,
}

/// Values on the device: scaled to 0..1, NaN where masked.
enum KeptValues {
    /// All of them, x fastest.
    Whole(Tensor),
    /// Those of samples of the sequence from a first one on.
    Stretch { first: u64, targets: Tensor },
}

/// A gradient by the parameters, `scale` times too large.
struct Gradient {
    values: Tensor,
    scale: f32,
}

impl TorchTrainer {
    pub(super) fn new(
        device: Device,
        machine: Option<Arc<dyn StepMachine>>,
        options: TorchOptions,
        field: &Field,
    ) -> Result<Self> {
        let parameters = Tensor::f_from_slice(&field.parameters)?.f_to_device(device)?;
        let mixed = options.precision == Precision::Mixed && field.model.network.kind() == NetworkKind::Mlp;
        Ok(Self {
            device,
            grid: match &field.model.encoding {
                Encoding::HashGrid(grid) if machine.is_some() => Some(GridKernels::new(grid)),
                _ => None,
            },
            fused: match &machine {
                Some(machine) if mixed => FusedKernels::new(&field.model, machine.as_ref())?,
                _ => None,
            },
            machine,
            deterministic: options.deterministic,
            groups: field.model.groups(),
            model: field.model.clone(),
            adam: Adam::new(&parameters)?,
            halves: if mixed { Some(parameters.f_to_kind(Kind::Half)?) } else { None },
            parameters,
            on_host: field.parameters.clone(),
            kept_sum: None,
            squared_error: Tensor::f_zeros([1i64].as_slice(), (Kind::Double, device))?,
            kept: None,
        })
    }

    /// The gradient by the parameters, float32. Keeps the squared error.
    fn differentiate(&mut self, positions: &Tensor, targets: &Tensor, loss: Loss) -> Result<Gradient> {
        if let (Some(machine), Some(fused), Some(halves)) = (&self.machine, &self.fused, &self.halves) {
            let (values, squared_error) = (self.parameters.f_zeros_like()?, &self.squared_error);
            let (scale, gradient) = (LOSS_SCALE, &values);
            let pass = Pass { halves, positions, targets, loss, scale, gradient, squared_error };
            fused.run(machine.as_ref(), &pass, self.deterministic)?;
            return Ok(Gradient { values, scale });
        }
        // The features are a point of their own on the way back: what lies before them is a kernel's or libtorch's.
        let encoding_end = self.model.network_offset() as i64;
        let parameters = self.halves.as_ref().unwrap_or(&self.parameters);
        let scale = if self.halves.is_some() { LOSS_SCALE } else { 1.0 };
        let of_encoding = parameters.f_narrow(0, 0, encoding_end)?.f_detach()?;
        let of_encoding = of_encoding.f_set_requires_grad(self.grid.is_none() && encoding_end > 0)?;
        let network_size = parameters.size()[0] - encoding_end;
        let of_network =
            parameters.f_narrow(0, encoding_end, network_size)?.f_detach()?.f_set_requires_grad(true)?;
        let features = match (&self.machine, &self.grid) {
            (Some(machine), Some(grid)) => {
                grid.encode(machine.as_ref(), parameters, positions)?.f_set_requires_grad(true)?
            }
            _ => features(&self.model.encoding, &of_encoding, positions)?,
        };
        let values = network::forward(&self.model.network, &of_network, &features)?.f_to_kind(Kind::Float)?;
        let mean = self.scaled_loss(&values, targets, loss, scale)?;

        let gradient = self.parameters.f_zeros_like()?;
        let part = |start: i64, len: i64| gradient.f_narrow(0, start, len);
        match (&self.machine, &self.grid) {
            (Some(machine), Some(grid)) => {
                let found = Tensor::f_run_backward(&[mean], &[&features, &of_network], false, false)?;
                part(encoding_end, network_size)?.f_copy_(&found[1])?;
                let (of_features, sums) = (found[0].f_contiguous()?, part(0, encoding_end)?);
                grid.scatter(machine.as_ref(), positions, &of_features, &sums, self.deterministic)?;
            }
            _ if encoding_end > 0 => {
                let found = Tensor::f_run_backward(&[mean], &[&of_encoding, &of_network], false, false)?;
                part(0, encoding_end)?.f_copy_(&found[0])?;
                part(encoding_end, network_size)?.f_copy_(&found[1])?;
            }
            _ => {
                let found = Tensor::f_run_backward(&[mean], &[&of_network], false, false)?;
                part(0, network_size)?.f_copy_(&found[0])?;
            }
        }
        Ok(Gradient { values: gradient, scale })
    }

    /// The batch's mean loss, times `scale`. Keeps the squared error.
    fn scaled_loss(
        &mut self,
        values: &Tensor,
        targets: &Tensor,
        loss: Loss,
        scale: f32,
    ) -> Result<Tensor, TchError> {
        // A masked voxel has no target and teaches nothing.
        let residual = values.f_sub(targets)?;
        let residual =
            residual.f_where_self(&targets.f_isnan()?.f_logical_not()?, &residual.f_zeros_like()?)?;
        self.squared_error = residual.f_detach()?.f_to_kind(Kind::Double)?.f_square()?.f_sum(Kind::Double)?;
        let losses = match loss {
            Loss::L2 => residual.f_square()?,
            Loss::L1 => residual.f_abs()?,
        };
        losses.f_sum(Kind::Float)?.f_mul_scalar(f64::from(scale) / values.size()[0].max(1) as f64)
    }

    fn step_on(&mut self, positions: &Tensor, targets: &Tensor, update: &Update) -> Result<()> {
        let Gradient { values, scale } = self.differentiate(positions, targets, update.loss)?;
        let groups = (self.groups.as_slice(), update.groups.as_slice());
        let (parameters, halves) = (&self.parameters, self.halves.as_mut());
        match &self.machine {
            Some(machine) => {
                self.adam.step_with(machine.as_ref(), groups, &values, scale, parameters, halves)?
            }
            None => {
                let gradient = unscaled(&values, scale)?;
                self.adam.step(groups, &gradient, parameters)?;
                if let Some(halves) = halves {
                    halves.f_copy_(parameters)?;
                }
            }
        }
        Ok(())
    }

    fn batch_on_device(&self, batch: &Batch) -> Result<(Tensor, Tensor), TchError> {
        let targets = Tensor::f_from_slice(&batch.targets)?.f_to_device(self.device)?;
        Ok((positions_on(self.device, &batch.positions)?, targets))
    }
}

/// What overflowed in half precision moves nothing, and nobody waits to find out whether something did.
fn unscaled(gradient: &Tensor, scale: f32) -> Result<Tensor, TchError> {
    gradient.f_div_scalar(f64::from(scale))?.f_nan_to_num(0.0, 0.0, 0.0)
}

impl Trainer for TorchTrainer {
    fn gradient(&mut self, batch: &Batch, loss: Loss, out: &mut [f32]) -> Result<f64> {
        let (positions, targets) = self.batch_on_device(batch)?;
        let Gradient { values, scale } = self.differentiate(&positions, &targets, loss)?;
        download(&unscaled(&values, scale)?, out)?;
        self.squared_error()
    }

    fn step(&mut self, batch: &Batch, update: &Update) -> Result<()> {
        let (positions, targets) = self.batch_on_device(batch)?;
        self.step_on(&positions, &targets, update)
    }

    fn keep_voxels(&mut self, voxels: &dyn Voxels, batch: usize) -> Result<Drawing> {
        let Some(machine) = &self.machine else { return Ok(Drawing::ByCaller) };
        let (shape, seed) = (voxels.shape(), voxels.seed());
        let count = shape.iter().product::<usize>();
        // A batch reaches into the next epoch at most.
        if batch > count {
            return Ok(Drawing::ByCaller);
        }
        if 4.0 * count as f64 > SHARE_OF_MEMORY * machine.free_bytes()? as f64 {
            log::info!("the volume is too large for the device's memory: its values are streamed to it");
            let none = Tensor::f_empty([0i64].as_slice(), (Kind::Float, self.device))?;
            let values = KeptValues::Stretch { first: 0, targets: none };
            self.kept = Some(KeptVoxels { shape, seed, values });
            return Ok(Drawing::FromStretches);
        }
        let values = Tensor::f_empty([count as i64], (Kind::Float, self.device))?;
        let mut chunk = vec![0.0; CHUNK.min(count)];
        for first in (0..count).step_by(CHUNK) {
            let chunk = &mut chunk[..CHUNK.min(count - first)];
            voxels.values(first, chunk);
            let mut to = values.f_narrow(0, first as i64, chunk.len() as i64)?;
            to.f_copy_(&Tensor::f_from_slice(chunk)?)?;
        }
        self.kept = Some(KeptVoxels { shape, seed, values: KeptValues::Whole(values) });
        Ok(Drawing::FromCopy)
    }

    fn take_stretch(&mut self, first: u64, targets: &[f32]) -> Result<()> {
        let kept = self.kept.as_mut().expect("voxels were kept");
        let targets = Tensor::f_from_slice(targets)?.f_to_device(self.device)?;
        kept.values = KeptValues::Stretch { first, targets };
        Ok(())
    }

    fn step_drawn(&mut self, first: u64, count: usize, update: &Update) -> Result<()> {
        let (Some(machine), Some(kept)) = (&self.machine, &self.kept) else {
            unreachable!("no voxels were kept")
        };
        let voxels = kept.shape.iter().map(|&n| n as u64).product();
        let order = |epoch| Permutation::new(voxels, kept.seed, epoch);
        let draw = Draw::new(kept.shape, (first, count), order);
        let (positions, targets) = match &kept.values {
            KeptValues::Whole(values) => draw.batch(machine.as_ref(), values)?,
            KeptValues::Stretch { first: begin, targets } => {
                let offset = first.checked_sub(*begin).map(|offset| offset as i64);
                let there = offset.filter(|offset| offset + count as i64 <= targets.size()[0]);
                let offset = there.expect("the stretch has the batch");
                (draw.positions(machine.as_ref(), self.device)?, targets.f_narrow(0, offset, count as i64)?)
            }
        };
        self.step_on(&positions, &targets, update)
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

    fn add_parameters_to(&mut self, _sum: &mut [f32]) -> Result<()> {
        let sum = match &mut self.kept_sum {
            Some(sum) => sum,
            none => none.insert(self.parameters.f_zeros_like()?),
        };
        let _ = sum.f_add_(&self.parameters)?;
        Ok(())
    }

    fn finish_sum(&mut self, sum: &mut [f32]) -> Result<()> {
        if let Some(kept) = self.kept_sum.take() {
            download(&kept, &mut self.on_host)?;
            sum.iter_mut().zip(&self.on_host).for_each(|(sum, kept)| *sum += kept);
        }
        Ok(())
    }

    fn mean_magnitudes(&mut self, ranges: &[Range<usize>]) -> Result<Vec<f32>> {
        let mean = |range: &Range<usize>| {
            let part = self.parameters.f_narrow(0, range.start as i64, range.len() as i64)?;
            part.f_abs()?.f_mean(Kind::Float)
        };
        let means = ranges.iter().map(mean).collect::<Result<Vec<_>, TchError>>()?;
        let mut out = vec![0.0; ranges.len()];
        if !ranges.is_empty() {
            download(&Tensor::f_stack(&means, 0)?, &mut out)?;
        }
        Ok(out)
    }
}
