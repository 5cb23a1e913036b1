//! The readable specification: one sample at a time, in the order of the formulae.

mod adam;
mod axis_wise;
mod dense;
mod encoding;
mod hash_grid;
mod mlp;
mod network;
mod passes;
mod sine_residual;

use super::{Batch, Engine, Evaluator, Lattice, Loss, Trainer, TrainingEngine, Update};
use crate::error::Result;
use crate::field::{Field, Model};
use adam::Adam;

/// The scalar engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scalar;

impl Engine for Scalar {
    fn name(&self) -> &'static str {
        "scalar"
    }
    fn evaluator(&self, field: &Field) -> Result<Box<dyn Evaluator>> {
        Ok(Box::new(ScalarEvaluator(field.clone())))
    }
    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        work();
    }
}

impl TrainingEngine for Scalar {
    fn trainer(&self, field: &Field) -> Result<Box<dyn Trainer>> {
        let adam = Adam::new(&field.parameters);
        Ok(Box::new(ScalarTrainer { field: field.clone(), adam, squared_error: 0.0 }))
    }
}

/// The field's value at a position.
fn evaluate(model: &Model, parameters: &[f32], position: [f32; 3]) -> f32 {
    let features = encoding::encode(&model.encoding, parameters, position);
    network::forward(&model.network, &parameters[model.network_offset()..], &features).output
}

struct ScalarEvaluator(Field);

impl Evaluator for ScalarEvaluator {
    fn points(&self, positions: &[[f32; 3]], out: &mut [f32]) -> Result<()> {
        for (position, value) in positions.iter().zip(out) {
            *value = evaluate(&self.0.model, &self.0.parameters, *position);
        }
        Ok(())
    }

    fn lattice(&self, lattice: &Lattice, out: &mut [f32]) -> Result<()> {
        let [xs, ys, zs] = &lattice.axes;
        let mut out = out.iter_mut();
        for &z in zs {
            for &y in ys {
                for (&x, value) in xs.iter().zip(&mut out) {
                    *value = evaluate(&self.0.model, &self.0.parameters, [x, y, z]);
                }
            }
        }
        Ok(())
    }

    fn gradients(&self, positions: &[[f32; 3]], out: &mut [f32], gradients: &mut [[f32; 3]]) -> Result<()> {
        let Field { model, parameters } = &self.0;
        let network_parameters = &parameters[model.network_offset()..];
        let mut of_parameters = vec![0.0; network_parameters.len()];
        for ((&position, value), gradient) in positions.iter().zip(out).zip(gradients) {
            let features = encoding::encode(&model.encoding, parameters, position);
            let forward = network::forward(&model.network, network_parameters, &features);
            *value = forward.output;
            let of_features =
                network::backward(&model.network, network_parameters, &forward, 1.0, &mut of_parameters);
            *gradient = encoding::by_position(&model.encoding, parameters, position, &of_features);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        4 * self.0.parameters.len()
    }
}

struct ScalarTrainer {
    /// The parameters here are the rounded ones.
    field: Field,
    adam: Adam,
    squared_error: f64,
}

impl Trainer for ScalarTrainer {
    fn gradient(&mut self, batch: &Batch, loss: Loss, out: &mut [f32]) -> Result<f64> {
        let Field { model, parameters } = &self.field;
        let (of_encoding, of_network) = out.split_at_mut(model.network_offset());
        of_encoding.fill(0.0);
        of_network.fill(0.0);
        let mut squared_errors = 0.0;
        for (&position, &target) in batch.positions.iter().zip(&batch.targets) {
            if target.is_nan() {
                continue;
            }
            let features = encoding::encode(&model.encoding, parameters, position);
            let network_parameters = &parameters[model.network_offset()..];
            let forward = network::forward(&model.network, network_parameters, &features);
            let residual = forward.output - target;
            squared_errors += f64::from(residual) * f64::from(residual);
            let of_output = loss.at(residual).1 / batch.positions.len() as f32;
            let of_features =
                network::backward(&model.network, network_parameters, &forward, of_output, of_network);
            encoding::backward(&model.encoding, position, &of_features, of_encoding);
        }
        Ok(squared_errors)
    }

    fn step(&mut self, batch: &Batch, update: &Update) -> Result<()> {
        let mut gradient = vec![0.0; self.field.parameters.len()];
        self.squared_error = self.gradient(batch, update.loss, &mut gradient)?;
        self.adam.step(&self.field.model.groups(), update, &gradient, &mut self.field.parameters);
        Ok(())
    }

    fn squared_error(&mut self) -> Result<f64> {
        Ok(self.squared_error)
    }

    fn parameters(&mut self) -> Result<&[f32]> {
        Ok(&self.field.parameters)
    }
}
