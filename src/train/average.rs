//! What is stored of a run: the mean of its last steps.
//!
//! At the end of a run parameters still move about where they would settle, and a feature near the middle of two rounded
//! values flips from one to the other. The last of those states is as good as any, the mean of them better by 0.3 to 1 dB
//! at the same size (benches/README.md), as Polyak & Juditsky 1992 have it. The states are the rounded ones that training
//! evaluates, which every engine gives out; the mean is rounded once more.

use crate::field::Rounding;
use std::ops::Range;

/// Steps at the end of a run that are looked back over: enough for the noise to cancel, few enough for the field not to have
/// gone on learning.
const TAIL: u64 = 128;
/// One state in so many steps is taken: neighbours hardly differ.
const EVERY: u64 = 4;
/// A short run looks back over no more than this share of it.
const MOST_OF_A_RUN: u64 = 4;

/// True when the state after step `step` of a run of `steps` is one of those that are averaged; the last one always is.
pub(super) fn counts(step: u64, steps: u64) -> bool {
    let left = steps - 1 - step;
    left < TAIL.min(steps / MOST_OF_A_RUN).max(1) && left.is_multiple_of(EVERY)
}

/// Weight averaging: the mean of the states at a run's end.
#[derive(Default)]
pub(super) struct Average {
    sum: Vec<f32>,
    states: u32,
}

impl Average {
    /// A new run begins: earlier states are of another one, at another lambda.
    pub(super) fn clear(&mut self) {
        self.sum.clear();
        self.states = 0;
    }

    /// The sum, for one more state of so many parameters to be added to.
    pub(super) fn with_one_more(&mut self, parameters: usize) -> &mut [f32] {
        self.states += 1;
        self.sum.resize(parameters, 0.0);
        &mut self.sum
    }

    /// The sum of the states; empty before the first.
    pub(super) fn sum(&mut self) -> &mut [f32] {
        &mut self.sum
    }

    /// Writes the mean over `parameters`, each group's rounded as it is stored; leaves them when no state was taken.
    pub(super) fn replace(
        &self,
        parameters: &mut [f32],
        groups: impl Iterator<Item = (Range<usize>, Rounding)>,
    ) {
        if self.states == 0 {
            return;
        }
        let scale = 1.0 / self.states as f32;
        for (range, rounding) in groups {
            for (p, sum) in parameters[range.clone()].iter_mut().zip(&self.sum[range]) {
                *p = rounding.nearest(sum * scale);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{Achieved, Asked};
    use crate::engine::cpu::Cpu;
    use crate::sample::ValueScale;
    use crate::train::candidate::Writer;
    use crate::train::initial::Start;
    use crate::train::plan::Plan;
    use crate::train::progress::Reporter;
    use crate::train::sampler::VoxelSampler;
    use crate::train::schedule::{Schedule, run};
    use crate::train::session::Session;
    use crate::train::target::{Aim, Search};
    use crate::train::{Architecture, CompressOptions};
    use crate::volume::Volume;
    use std::ops::ControlFlow;
    use std::sync::Arc;

    #[test]
    fn the_last_state_counts_and_few_others() {
        for (steps, expected) in [(1, 1), (3, 1), (16, 1), (40, 3), (512, 32), (100_000, 32)] {
            let counted: Vec<u64> = (0..steps).filter(|&step| counts(step, steps)).collect();
            assert_eq!((counted.len(), counted.last()), (expected, Some(&(steps - 1))), "of {steps}");
        }
    }

    #[test]
    fn the_mean_is_rounded_as_its_group_is() {
        let mut average = Average::default();
        let roundings = || [(0..2, Rounding::Step(0.5)), (2..3, Rounding::None)].into_iter();
        let mut untouched = [1.0, 2.0, 3.0];
        average.replace(&mut untouched, roundings());
        assert_eq!(untouched, [1.0, 2.0, 3.0]);

        average.with_one_more(3).fill(9.0);
        average.clear();
        for state in [[0.5, 0.0, 0.1], [0.5, 0.0, 0.2], [0.0, -0.5, 0.6]] {
            average.with_one_more(3).iter_mut().zip(state).for_each(|(sum, p)| *sum += p);
        }
        let mut mean = [0.0; 3];
        average.replace(&mut mean, roundings());
        assert_eq!(mean[..2], [0.5, 0.0], "what most states say");
        assert!((mean[2] - 0.3).abs() < 1e-6);
    }

    #[test]
    fn what_is_stored_of_a_run_is_better_than_its_last_state() {
        let values = (0..24 * 20 * 16).map(|i| {
            let [x, y, z] = [i % 24, i / 24 % 20, i / 480].map(f64::from);
            (120.0 + 70.0 * (0.4 * x).sin() + 50.0 * (0.5 * y).cos() * (0.6 * z).sin()) as u8
        });
        let volume = Volume::new(values.collect::<Vec<u8>>(), [24, 20, 16]).unwrap();
        let engine = Arc::new(Cpu::new(1).unwrap());
        let options = CompressOptions::default();
        let plan = Plan::new(volume.shape(), 2_000.0, 0, &options, Architecture::default());
        let sampler =
            VoxelSampler::new(&volume, None, ValueScale::new(volume.range(), volume.sample_type()), 0);
        let start = Start { seed: 0, mean: 0.5, voxels: volume.len(), measured: volume.len() };
        let mut session = Session::new(engine.as_ref(), &plan, &sampler, options.loss, start).unwrap();
        let mut search = Search::new(Aim::Psnr { target: 40.0 }, volume.len());
        let mut observe = |_: &_| ControlFlow::Continue(());
        let mut reporter = Reporter::new(&mut observe, 0, 600);
        let main = Schedule::main(600, false);
        let ended = run(&mut session, engine.as_ref(), main, &mut search, &mut reporter).unwrap();
        assert!(ended.is_continue());

        let writer =
            Writer::new(&volume, volume.range(), None, Asked::default(), Achieved::default(), engine);
        let averaged = writer.write(&mut session).unwrap();
        session.begin_average().unwrap();
        let last = writer.write(&mut session).unwrap();
        let [averaged_db, last_db] = [&averaged, &last].map(|c| c.distortion.psnr);
        assert!(averaged_db > last_db + 0.1, "{averaged_db} dB of the mean, {last_db} dB of the last state");
        let [averaged, last] = [averaged, last].map(|c| c.bytes.len() as f64);
        assert!(averaged < 1.02 * last, "{averaged} bytes of the mean, {last} of the last state");
    }
}
