//! The engines: `scalar` against finite differences, `cpu` against `scalar` on every instruction set.

mod fields;

use fields::{Lcg, batch, every_kind};
use neuvol::engine::cpu::{Cpu, Isa};
use neuvol::engine::scalar::Scalar;
use neuvol::engine::{Engine, GroupUpdate, Lattice, Loss, Trainer, TrainingEngine, Update, axis_position};
use neuvol::field::encoding::{HashGrid, HashGridShape};
use neuvol::field::{Encoding, Field, Model, Rounding};

fn field(features: usize, levels: usize, width: usize, hidden: usize, volume: [usize; 3]) -> Field {
    let shape = HashGridShape { levels, features, table_size: 256, coarsest: 3.0, finest: 17.0 };
    let model = Model::new(Encoding::HashGrid(HashGrid::new(shape, volume)), width, hidden);
    let mut random = Lcg(features as u64 * 7919 + width as u64);
    let parameters = (0..model.parameter_count()).map(|_| (random.next() - 0.5) * 0.8).collect();
    Field { model, parameters }
}

fn engines() -> Vec<(String, Cpu)> {
    let mut engines = Vec::new();
    for isa in Isa::available() {
        for threads in [1, 3] {
            engines.push((format!("{} x {threads}", isa.name()), Cpu::with_isa(threads, isa).unwrap()));
        }
    }
    engines
}

#[test]
fn scalar_gradients_are_the_slopes_of_the_loss() {
    for loss in [Loss::L2, Loss::L1] {
        let mut field = field(2, 3, 16, 2, [20, 17, 9]);
        let batch = batch(24);
        let mut gradient = vec![0.0; field.parameters.len()];
        Scalar.trainer(&field).unwrap().gradient(&batch, loss, &mut gradient).unwrap();
        let mean_loss = |field: &Field| {
            let mut values = vec![0.0; batch.positions.len()];
            Scalar.evaluator(field).unwrap().points(&batch.positions, &mut values).unwrap();
            let terms = values.iter().zip(&batch.targets).filter(|(_, t)| !t.is_nan());
            terms.map(|(v, t)| f64::from(loss.at(v - t).0)).sum::<f64>() / batch.positions.len() as f64
        };
        let (mut checked, mut worst) = (0, 0.0f64);
        let network = field.model.network_offset();
        for p in (0..field.parameters.len()).filter(|p| p % 5 == 0 || *p > network) {
            let kept = field.parameters[p];
            let slope_over = |field: &mut Field, h: f32| {
                field.parameters[p] = kept + h;
                let above = mean_loss(field);
                field.parameters[p] = kept - h;
                let below = mean_loss(field);
                field.parameters[p] = kept;
                (above - below) / f64::from(2.0 * h)
            };
            let (slope, half) = (slope_over(&mut field, 2e-3), slope_over(&mut field, 1e-3));
            // Where the two disagree a ReLU or the L1 loss has a kink between the points.
            if (slope - half).abs() < 1e-4 {
                checked += 1;
                worst = worst.max((half - f64::from(gradient[p])).abs());
            }
        }
        assert!(checked > 300, "{checked} slopes checked");
        assert!(worst < 3e-4, "{loss:?}: gradient off by {worst}");
        assert!(gradient.iter().any(|g| g.abs() > 0.01), "the gradient is not all but zero");
    }
}

#[test]
fn cpu_values_agree_with_scalar_within_1e5() {
    for (features, levels, width, hidden) in
        [(1, 5, 16, 1), (2, 3, 48, 2), (4, 5, 64, 2), (8, 2, 32, 12), (4, 3, 80, 3)]
    {
        let field = field(features, levels, width, hidden, [40, 31, 23]);
        let batch = batch(1000);
        let mut expected = vec![0.0; 1000];
        Scalar.evaluator(&field).unwrap().points(&batch.positions, &mut expected).unwrap();
        let scale = expected.iter().fold(1.0f32, |m, v| m.max(v.abs()));
        for (name, engine) in engines() {
            for count in [1000, 97, 1] {
                let mut values = vec![0.0; count];
                engine.evaluator(&field).unwrap().points(&batch.positions[..count], &mut values).unwrap();
                for (v, e) in values.iter().zip(&expected) {
                    assert!((v - e).abs() < 1e-5 * scale, "{name} F={features} width={width}: {v} not {e}");
                }
            }
        }
    }
}

/// The slope of a function at 0 from differences of two distances; `None` where they show a kink.
fn slope(at: impl Fn(f32) -> f64, distance: f32) -> Option<f64> {
    let over = |h: f32| (at(h) - at(-h)) / f64::from(2.0 * h);
    let (whole, half) = (over(distance), over(distance / 2.0));
    ((whole - half).abs() < 1e-3 * (1.0 + half.abs())).then_some(half)
}

#[test]
fn scalar_gradients_are_slopes_for_every_encoding_and_network() {
    for (name, field) in every_kind() {
        let batch = batch(12);
        let mut gradient = vec![0.0; field.parameters.len()];
        Scalar.trainer(&field).unwrap().gradient(&batch, Loss::L2, &mut gradient).unwrap();
        let loss_with = |p: usize, h: f32| {
            let mut field = field.clone();
            field.parameters[p] += h;
            let mut values = vec![0.0; batch.positions.len()];
            Scalar.evaluator(&field).unwrap().points(&batch.positions, &mut values).unwrap();
            let terms = values.iter().zip(&batch.targets).filter(|(_, t)| !t.is_nan());
            terms.map(|(v, t)| f64::from((v - t) * (v - t))).sum::<f64>() / batch.positions.len() as f64
        };
        let largest = gradient.iter().fold(0.0f32, |m, g| m.max(g.abs()));
        let mut checked = 0;
        for p in (0..field.parameters.len()).filter(|p| gradient[*p].abs() > 0.05 * largest).step_by(3) {
            let Some(slope) = slope(|h| loss_with(p, h), 4e-3) else { continue };
            checked += 1;
            let off = (slope - f64::from(gradient[p])).abs();
            assert!(off < 0.02 * f64::from(largest), "{name}, parameter {p}: {slope}, not {}", gradient[p]);
        }
        assert!(checked >= 10, "{name}: {checked} slopes checked");
    }
}

#[test]
fn scalar_position_gradients_are_slopes_for_every_encoding_and_network() {
    for (name, field) in every_kind() {
        let evaluator = Scalar.evaluator(&field).unwrap();
        let positions = batch(60).positions;
        let (mut values, mut gradients) = (vec![0.0; 60], vec![[0.0; 3]; 60]);
        evaluator.gradients(&positions, &mut values, &mut gradients).unwrap();
        let largest = gradients.as_flattened().iter().fold(0.0f32, |m, g| m.max(g.abs()));
        let mut checked = 0;
        for (position, gradient) in positions.iter().zip(&gradients) {
            for axis in 0..3 {
                let at = |h: f32| {
                    let mut moved = *position;
                    moved[axis] += h;
                    let mut value = [0.0];
                    evaluator.points(&[moved], &mut value).unwrap();
                    f64::from(value[0])
                };
                let Some(slope) = slope(at, 1e-3) else { continue };
                checked += 1;
                let off = (slope - f64::from(gradient[axis])).abs();
                assert!(
                    off < 0.03 * f64::from(largest),
                    "{name}: {slope} not {} at {position:?}",
                    gradient[axis]
                );
            }
        }
        assert!(checked >= 25, "{name}: {checked} slopes checked, largest {largest}");
    }
}

#[test]
fn cpu_agrees_with_scalar_for_every_encoding_and_network() {
    for (name, field) in every_kind() {
        let batch = batch(500);
        let count = batch.positions.len();
        let reference = Scalar.evaluator(&field).unwrap();
        let (mut values, mut slopes) = (vec![0.0; count], vec![[0.0; 3]; count]);
        reference.gradients(&batch.positions, &mut values, &mut slopes).unwrap();
        let scale = values.iter().fold(1.0f32, |m, v| m.max(v.abs()));
        let steepest = slopes.as_flattened().iter().fold(1.0f32, |m, v| m.max(v.abs()));
        let mut gradient = vec![0.0; field.parameters.len()];
        let squared = Scalar.trainer(&field).unwrap().gradient(&batch, Loss::L2, &mut gradient).unwrap();
        let largest = gradient.iter().fold(0.0f32, |m, g| m.max(g.abs()));
        let axes = [[0.0, 0.3, 1.0].to_vec(), [0.1, 0.2].to_vec(), [0.5, 0.75, 0.99].to_vec()];
        let lattice = Lattice { axes };
        let mut on_lattice = vec![0.0; 18];
        reference.lattice(&lattice, &mut on_lattice).unwrap();
        for (isa, engine) in engines() {
            let evaluator = engine.evaluator(&field).unwrap();
            let mut ours = vec![0.0; count];
            evaluator.points(&batch.positions, &mut ours).unwrap();
            for (v, e) in ours.iter().zip(&values) {
                assert!((v - e).abs() < 1e-5 * scale, "{name} {isa}: {v} not {e}");
            }
            let (mut at_points, mut our_slopes) = (vec![0.0; count], vec![[0.0; 3]; count]);
            evaluator.gradients(&batch.positions, &mut at_points, &mut our_slopes).unwrap();
            assert_eq!(at_points, ours, "{name} {isa}");
            let off = |(a, b): (&[f32; 3], &[f32; 3])| (0..3).any(|i| (a[i] - b[i]).abs() > 1e-4 * steepest);
            // A neuron whose input is within rounding of zero may be on here and off there.
            let differ = our_slopes.iter().zip(&slopes).filter(|&pair| off(pair)).count();
            assert!(differ <= 3, "{name} {isa}: {differ} slopes differ");
            let mut ours = vec![0.0; 18];
            evaluator.lattice(&lattice, &mut ours).unwrap();
            for (v, e) in ours.iter().zip(&on_lattice) {
                assert!((v - e).abs() < 1e-5 * scale, "{name} {isa}, lattice: {v} not {e}");
            }
            let mut ours = vec![0.0; gradient.len()];
            let our_squared = engine.trainer(&field).unwrap().gradient(&batch, Loss::L2, &mut ours).unwrap();
            assert!((our_squared / squared - 1.0).abs() < 1e-4, "{name} {isa}: {our_squared} not {squared}");
            for (p, (g, e)) in ours.iter().zip(&gradient).enumerate() {
                assert!((g - e).abs() < 1e-3 * largest, "{name} {isa}, parameter {p}: {g} not {e}");
            }
        }
    }
}

#[test]
fn scalar_position_gradients_are_the_slopes_of_the_field() {
    let field = field(2, 3, 16, 2, [20, 17, 9]);
    let evaluator = Scalar.evaluator(&field).unwrap();
    let positions = batch(200).positions;
    let (mut values, mut gradients) = (vec![0.0; 200], vec![[0.0; 3]; 200]);
    evaluator.gradients(&positions, &mut values, &mut gradients).unwrap();
    let mut expected = vec![0.0; 200];
    evaluator.points(&positions, &mut expected).unwrap();
    assert_eq!(values, expected);
    let (mut checked, mut largest) = (0, 0.0f32);
    for (position, gradient) in positions.iter().zip(&gradients) {
        for axis in 0..3 {
            let at = |h: f32| {
                let mut moved = *position;
                moved[axis] += h;
                let mut value = [0.0];
                evaluator.points(&[moved], &mut value).unwrap();
                value[0]
            };
            let [below, here, above] = [-1e-3, 0.0, 1e-3].map(at);
            let (left, right) = ((here - below) / 1e-3, (above - here) / 1e-3);
            // Where the two disagree there is a kink between the points: a vertex of the grid, a ReLU.
            if (left - right).abs() < 2e-3 {
                checked += 1;
                largest = largest.max(left.abs());
                let slope = (left + right) / 2.0;
                assert!(
                    (slope - gradient[axis]).abs() < 2e-3,
                    "{slope} not {} at {position:?}",
                    gradient[axis]
                );
            }
        }
    }
    assert!(checked > 300 && largest > 0.3, "{checked} slopes checked, the largest {largest}");
}

#[test]
fn cpu_position_gradients_agree_with_scalar() {
    for (features, levels, width, hidden) in [(1, 5, 16, 1), (2, 3, 48, 2), (4, 5, 64, 2), (8, 2, 32, 5)] {
        let field = field(features, levels, width, hidden, [40, 31, 1]);
        let mut positions = batch(1000).positions;
        positions.extend([[0.0; 3], [1.0; 3]]);
        let count = positions.len();
        let (mut values, mut expected) = (vec![0.0; count], vec![[0.0; 3]; count]);
        Scalar.evaluator(&field).unwrap().gradients(&positions, &mut values, &mut expected).unwrap();
        let scale = expected.as_flattened().iter().fold(1.0f32, |m, v| m.max(v.abs()));
        assert!(expected.iter().all(|g| g[2] == 0.0), "an axis of one sample has no slope");
        for (name, engine) in engines() {
            let evaluator = engine.evaluator(&field).unwrap();
            let mut at_points = vec![0.0; count];
            evaluator.points(&positions, &mut at_points).unwrap();
            let (mut values, mut gradients) = (vec![0.0; count], vec![[0.0; 3]; count]);
            evaluator.gradients(&positions, &mut values, &mut gradients).unwrap();
            assert_eq!(values, at_points, "{name}");
            let mut differ = 0;
            for (g, e) in gradients.iter().zip(&expected) {
                differ += usize::from((0..3).any(|a| (g[a] - e[a]).abs() > 1e-4 * scale));
            }
            // A neuron whose input is within rounding of zero may be on here and off there.
            assert!(differ <= 2, "{name} F={features} width={width}: {differ} of {count} differ");
        }
    }
}

#[test]
fn cpu_lattices_agree_with_scalar_points() {
    let field = field(4, 5, 32, 2, [40, 31, 1]);
    let mut shapes = vec![([40, 31, 1], 1), ([7, 5, 1], 3), ([1, 1, 1], 1)];
    shapes.push(([10, 8, 1], 4));
    for (shape, stride) in shapes {
        let axes =
            [0, 1, 2].map(|a| (0..shape[a]).map(|i| axis_position(i * stride, [40, 31, 1][a])).collect());
        let lattice = Lattice { axes };
        let mut expected = vec![0.0; lattice.len()];
        Scalar.evaluator(&field).unwrap().lattice(&lattice, &mut expected).unwrap();
        for (name, engine) in engines() {
            let mut values = vec![0.0; lattice.len()];
            engine.evaluator(&field).unwrap().lattice(&lattice, &mut values).unwrap();
            for (i, (v, e)) in values.iter().zip(&expected).enumerate() {
                assert!((v - e).abs() < 2e-5, "{name} {shape:?} point {i}: {v} not {e}");
            }
        }
    }
}

#[test]
fn cpu_gradients_agree_with_scalar() {
    for (features, levels, width, hidden) in [(1, 5, 16, 1), (2, 3, 48, 2), (4, 5, 64, 2), (8, 2, 32, 3)] {
        let field = field(features, levels, width, hidden, [40, 31, 23]);
        let batch = batch(333);
        for loss in [Loss::L2, Loss::L1] {
            let mut expected = vec![0.0; field.parameters.len()];
            let sum = Scalar.trainer(&field).unwrap().gradient(&batch, loss, &mut expected).unwrap();
            let scale = expected.iter().fold(0.0f32, |m, g| m.max(g.abs()));
            for (name, engine) in engines() {
                let mut gradient = vec![0.0; field.parameters.len()];
                let cpu_sum = engine.trainer(&field).unwrap().gradient(&batch, loss, &mut gradient).unwrap();
                assert!((cpu_sum - sum).abs() < 1e-4 * sum, "{name}: {cpu_sum} not {sum}");
                for (p, (g, e)) in gradient.iter().zip(&expected).enumerate() {
                    assert!((g - e).abs() < 1e-4 * scale, "{name} F={features}: parameter {p}: {g} not {e}");
                }
            }
        }
    }
}

#[test]
fn cpu_steps_agree_with_scalar_and_round() {
    let field = field(4, 3, 32, 2, [40, 31, 23]);
    let groups = field.model.groups().len();
    let how = GroupUpdate { learning_rate: 1e-2, rounding: Rounding::None, rate_gradient: 1e-4 };
    let batch = batch(300);
    let mut scalar = Scalar.trainer(&field).unwrap();
    let update = Update::uniform(Loss::L2, groups, how);
    let step = |trainer: &mut dyn Trainer, update: &Update| {
        trainer.step(&batch, update).unwrap();
        trainer.squared_error().unwrap()
    };
    let losses: Vec<f64> = (0..5).map(|_| step(scalar.as_mut(), &update)).collect();
    assert!(losses[4] < losses[0], "{losses:?}");
    for (name, engine) in engines() {
        let mut cpu = engine.trainer(&field).unwrap();
        for expected in &losses {
            let sum = step(cpu.as_mut(), &update);
            assert!((sum - expected).abs() < 2e-3 * expected, "{name}: {sum} not {expected}");
        }
        let rounded = GroupUpdate { rounding: Rounding::Step(0.125), ..how };
        step(cpu.as_mut(), &Update::uniform(Loss::L2, groups, rounded));
        assert!(cpu.parameters().unwrap().iter().all(|p| (p / 0.125).fract() == 0.0), "{name}");
        assert!(cpu.parameters().unwrap().iter().any(|p| *p != 0.0), "{name}");
    }
}

#[test]
fn the_same_step_twice_gives_the_same_bits() {
    let field = field(4, 5, 64, 2, [40, 31, 23]);
    let how = GroupUpdate { learning_rate: 1e-2, rounding: Rounding::None, rate_gradient: 0.0 };
    let update = Update::uniform(Loss::L2, field.model.groups().len(), how);
    let run = || {
        let mut trainer = Cpu::new(2).unwrap().trainer(&field).unwrap();
        for _ in 0..20 {
            trainer.step(&batch(1000), &update).unwrap();
        }
        trainer.parameters().unwrap().to_vec()
    };
    assert_eq!(run(), run());
}
