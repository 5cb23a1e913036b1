//! Evaluation by tensor operations, in float32.

pub(super) use super::encoding::encode as features;
use super::network;
use crate::engine::{Evaluator, Lattice};
use crate::error::Result;
use crate::field::{Field, Model};
use bytemuck::cast_slice_mut;
use std::sync::Mutex;
use tch::{Device, Kind, TchError, Tensor};

/// Points of one pass: 64-wide activations of these are 32 MiB.
const PASS: usize = 1 << 17;

pub(super) struct TorchEvaluator {
    device: Device,
    model: Model,
    /// Tensors are not for several threads at a time.
    parameters: Mutex<Tensor>,
}

/// Float32 positions `[n, 3]` on a device.
pub(super) fn positions_on(device: Device, positions: &[[f32; 3]]) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(positions.as_flattened())?.f_view([-1, 3])?.f_to_device(device)
}

/// The field's values `[n]`, in the parameters' kind.
fn values(model: &Model, parameters: &Tensor, positions: &Tensor) -> Result<Tensor, TchError> {
    let features = features(&model.encoding, parameters, positions)?;
    let offset = model.network_offset() as i64;
    let of_network = parameters.f_narrow(0, offset, parameters.size()[0] - offset)?;
    network::forward(&model.network, &of_network, &features)
}

/// Copies a tensor's values to the host.
pub(super) fn download(tensor: &Tensor, out: &mut [f32]) -> Result<(), TchError> {
    let host = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    host.f_copy_data(out, out.len())
}

impl TorchEvaluator {
    pub(super) fn new(device: Device, field: &Field) -> Result<Self> {
        let parameters = Tensor::f_from_slice(&field.parameters)?.f_to_device(device)?;
        Ok(Self { device, model: field.model.clone(), parameters: Mutex::new(parameters) })
    }

    fn with_parameters<R>(&self, work: impl FnOnce(&Tensor) -> Result<R>) -> Result<R> {
        // A panic elsewhere leaves the parameters as they were: nothing writes them.
        work(&self.parameters.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Evaluator for TorchEvaluator {
    fn points(&self, positions: &[[f32; 3]], out: &mut [f32]) -> Result<()> {
        assert_eq!(positions.len(), out.len(), "one value a position");
        self.with_parameters(|parameters| {
            let _no_history = tch::no_grad_guard();
            for (positions, out) in positions.chunks(PASS).zip(out.chunks_mut(PASS)) {
                let positions = positions_on(self.device, positions)?;
                download(&values(&self.model, parameters, &positions)?, out)?;
            }
            Ok(())
        })
    }

    fn lattice(&self, lattice: &Lattice, out: &mut [f32]) -> Result<()> {
        assert_eq!(lattice.len(), out.len(), "one value a lattice point");
        let [xs, ys, zs] = &lattice.axes;
        let mut positions = Vec::with_capacity(PASS.min(out.len()));
        let rows = zs.iter().flat_map(|&z| ys.iter().map(move |&y| (y, z)));
        let mut points = rows.flat_map(|(y, z)| xs.iter().map(move |&x| [x, y, z]));
        for out in out.chunks_mut(PASS) {
            positions.clear();
            positions.extend(points.by_ref().take(out.len()));
            self.points(&positions, out)?;
        }
        Ok(())
    }

    fn gradients(&self, positions: &[[f32; 3]], out: &mut [f32], gradients: &mut [[f32; 3]]) -> Result<()> {
        assert_eq!(positions.len(), out.len(), "one value a position");
        assert_eq!(positions.len(), gradients.len(), "one gradient a position");
        self.with_parameters(|parameters| {
            let chunks = positions.chunks(PASS).zip(out.chunks_mut(PASS).zip(gradients.chunks_mut(PASS)));
            for (positions, (out, gradients)) in chunks {
                let positions = positions_on(self.device, positions)?.f_set_requires_grad(true)?;
                let values = values(&self.model, parameters, &positions)?;
                download(&values, out)?;
                let sum = values.f_sum(Kind::Float)?;
                let slopes = Tensor::f_run_backward(&[sum], &[&positions], false, false)?;
                download(&slopes[0], cast_slice_mut(gradients))?;
            }
            Ok(())
        })
    }

    fn bytes(&self) -> usize {
        4 * self.model.parameter_count()
    }
}
