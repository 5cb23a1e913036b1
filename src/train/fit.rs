//! One given model, trained for a number of epochs: the paper's training, without the search for a target.

use super::appraisal::Original;
use super::candidate::Writer;
use super::compressed::Compressed;
use super::initial::Start;
use super::lambda::Lambda;
use super::network_search::check_parameters;
use super::options::{ModelOptions, Storage};
use super::plan::{Plan, network_rate, usual_roundings};
use super::progress::{Progress, Reporter, Stage};
use super::sampler::VoxelSampler;
use super::schedule::{RecentError, Schedule};
use super::session::Session;
use super::{check_range, check_shape};
use crate::container::Asked;
use crate::engine::Loss;
use crate::engine::device::Device;
use crate::error::{Error, Result};
use crate::sample::ValueScale;
use crate::volume::{Mask, Volume};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How far Adam steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRates {
    /// Height of the features' rate; Mueller et al. 2022 take 1e-2.
    pub features: f64,
    /// Height of the network's rate; `None`: 5e-3, for networks of 4 and more hidden layers 1e-3, for sines 0.04 by the square
    /// root of their width.
    pub network: Option<f64>,
    /// True: constant for half of the run (behind a warm-up), then down to 4 % exponentially. False: constant.
    pub fall: bool,
}

impl Default for LearningRates {
    fn default() -> Self {
        Self { features: 1e-2, network: None, fall: true }
    }
}

/// How a given model is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// The model.
    pub model: ModelOptions,
    /// How its parameters are stored, and with that what they are rounded to in every forward and backward pass; the master
    /// copy is float32. `Coded` has no rate term here.
    pub storage: Storage,
    /// Passes over all voxels.
    pub epochs: u32,
    /// Samples of a step; no more than the volume has.
    pub batch: usize,
    /// Learning rates.
    pub rates: LearningRates,
    /// What is minimised.
    pub loss: Loss,
    /// Seed of every random choice.
    pub seed: u64,
    /// Epochs after which the whole volume is decoded and compared, beside the last one.
    pub measure_after: Vec<u32>,
    /// Threads of the CPU engine, 0: one a core.
    pub threads: usize,
    /// Where training runs.
    pub device: Device,
}

impl FitOptions {
    /// Samples of a step where the paper leaves the number open.
    pub const BATCH: usize = 1 << 16;

    /// As the paper trains: 50 epochs of the squared error, half precision with a float32 master copy.
    pub fn new(model: ModelOptions) -> Self {
        Self {
            model,
            storage: Storage::Half,
            epochs: 50,
            batch: Self::BATCH,
            rates: LearningRates::default(),
            loss: Loss::L2,
            seed: 0,
            measure_after: Vec::new(),
            threads: 0,
            device: Device::Cpu,
        }
    }

    fn check(&self) -> Result<()> {
        self.model.check()?;
        let rates = [self.rates.features, self.rates.network.unwrap_or(1.0)];
        if self.epochs == 0 || self.batch == 0 || rates.iter().any(|r| !(*r > 0.0 && r.is_finite())) {
            let needed =
                "training needs at least one epoch, a batch of at least one sample and rates above 0";
            return Err(Error::Options(needed.into()));
        }
        Ok(())
    }

    fn plan(&self, volume: &Volume) -> Result<Plan> {
        let model = self.model.model(volume.shape());
        check_parameters(model.parameter_count())?;
        let batch = self.batch.min(volume.len());
        let network = self.rates.network.unwrap_or_else(|| network_rate(&model.network));
        Ok(Plan {
            rates: [self.rates.features, network],
            model,
            roundings: usual_roundings(self.storage),
            batch,
            steps: steps_of(u64::from(self.epochs) * volume.len() as u64, batch),
            correction_steps: 0,
        })
    }

    /// The first epoch after `epoch` that is measured.
    fn next_measured(&self, epoch: u32) -> u32 {
        let asked = self.measure_after.iter().copied().filter(|&e| e > epoch && e < self.epochs);
        asked.min().unwrap_or(self.epochs)
    }
}

/// What training had reached at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Passes over all voxels that were done.
    pub epoch: u32,
    /// Seconds of training until then; measuring is not counted.
    pub seconds: f64,
    /// Of the whole volume, decoded by the shipped decoder, over its full range, in dB.
    pub psnr: f64,
}

/// A trained model.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// The file, and what it achieves.
    pub compressed: Compressed,
    /// Number of parameters.
    pub parameters: usize,
    /// Samples of a step, as it was used.
    pub batch: usize,
    /// Seconds of training; measuring and writing are not counted.
    pub seconds: f64,
    /// One point an epoch of [`FitOptions::measure_after`] and the last epoch, in order.
    pub curve: Vec<CurvePoint>,
}

/// Trains a given model on a volume. The file names its own size as the target. A volume of one value needs no
/// training: its curve is empty.
///
/// # Errors
/// [`Error::Options`] for options that contradict each other, [`Error::Interrupted`] when `observe` said so.
pub fn fit(
    volume: &Volume,
    options: &FitOptions,
    mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Fitted> {
    options.check()?;
    check_shape(volume)?;
    let range = volume.range();
    check_range(range)?;
    let engine = options.device.training_engine(options.threads)?;
    let mask = Mask::of(volume);
    let original = Original::new(volume, mask.as_ref(), range, engine.as_ref());
    let seeded = Asked { seed: options.seed, ..Asked::default() };
    let writer = Writer::new(volume, range, mask.as_ref(), seeded, original.described(), engine.clone())
        .of_a_given_size();
    let voxels = volume.len() as u64;
    let plan = options.plan(volume)?;
    let parameters = plan.model.parameter_count();
    if range.is_none_or(|(low, high)| low == high) {
        let compressed = writer.constant()?;
        return Ok(Fitted { compressed, parameters: 0, batch: plan.batch, seconds: 0.0, curve: Vec::new() });
    }
    let scale = ValueScale::new(range, volume.sample_type());
    let sampler = VoxelSampler::new(volume, mask.as_ref(), scale, options.seed);
    let measured = volume.len() - mask.as_ref().map_or(0, Mask::masked);
    let mean = sampler.mean(engine.as_ref());
    let start = Start { seed: options.seed, mean, voxels: volume.len(), measured };
    let mut session = Session::new(engine.as_ref(), &plan, &sampler, options.loss, start)?;
    let schedule = Schedule::fit(plan.steps, options.rates.fall);
    let mut reporter = Reporter::new(&mut observe, 0, plan.steps);
    let mut recent = RecentError::new();
    let mut curve = Vec::new();
    let (mut trained, mut step) = (Duration::ZERO, 0);
    loop {
        let epoch = options.next_measured(curve.last().map_or(0, |point: &CurvePoint| point.epoch));
        let until = steps_of(u64::from(epoch) * voxels, plan.batch);
        let started = Instant::now();
        while step < until {
            let share = schedule.rate_share(step, step as f64 / plan.steps as f64);
            session.step(engine.as_ref(), share, Lambda::FREE, 0.0)?;
            recent.follow(&mut session, step)?;
            step += 1;
            reporter.step(Stage::Training, step, plan.steps, recent.psnr())?;
        }
        // Waits for a device.
        session.mean_error()?;
        trained += started.elapsed();
        reporter.measuring()?;
        let compressed = writer.write(&mut session)?;
        let seconds = trained.as_secs_f64();
        curve.push(CurvePoint { epoch, seconds, psnr: compressed.distortion.psnr });
        if epoch == options.epochs {
            // The size of the model that was given is the target.
            let size = compressed.bytes.len() as u64;
            let compressed = original.appraise(compressed, engine, Some(size))?;
            return Ok(Fitted { compressed, parameters, batch: plan.batch, seconds, curve });
        }
    }
}

/// Steps nearest to so many samples, at least one.
fn steps_of(samples: u64, batch: usize) -> u64 {
    let batch = batch as u64;
    ((samples + batch / 2) / batch).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::TargetKind;
    use crate::engine::cpu::Cpu;
    use crate::field::encoding::HashGridShape;
    use crate::sample::{NeuralVolume, Region};
    use std::sync::Arc;

    fn waves() -> Volume {
        let values = (0..24 * 20 * 16).map(|i| {
            let [x, y, z] = [i % 24, i / 24 % 20, i / 480].map(f64::from);
            (120.0 + 70.0 * (0.4 * x).sin() + 50.0 * (0.5 * y).cos() * (0.6 * z).sin()) as u8
        });
        Volume::new(values.collect::<Vec<u8>>(), [24, 20, 16]).unwrap()
    }

    fn options() -> FitOptions {
        let grid = HashGridShape { levels: 4, features: 4, table_size: 512, coarsest: 4.0, finest: 16.0 };
        let model = ModelOptions::hash_grid(grid, 32, 2);
        FitOptions {
            epochs: 12,
            batch: 512,
            measure_after: vec![6, 1, 3],
            threads: 1,
            ..FitOptions::new(model)
        }
    }

    #[test]
    fn quality_grows_with_epochs_and_the_file_has_the_quality_it_claims() {
        let volume = waves();
        for storage in [Storage::Half, Storage::Coded] {
            let fitted = fit(&volume, &FitOptions { storage, ..options() }, |_| ControlFlow::Continue(()));
            let Fitted { compressed, parameters, curve, .. } = fitted.unwrap();
            assert_eq!(curve.iter().map(|p| p.epoch).collect::<Vec<_>>(), [1, 3, 6, 12]);
            assert!(curve.windows(2).all(|w| w[1].psnr > w[0].psnr + 0.5 && w[1].seconds > w[0].seconds));
            assert!(curve[3].psnr > 30.0, "{curve:?}");

            let engine = Arc::new(Cpu::new(1).unwrap());
            let neural = NeuralVolume::from_bytes(&compressed.bytes, "the file", engine).unwrap();
            let decoded = neural.read_region(Region::whole(volume.shape()), 1).unwrap();
            let measured = crate::metrics::compare(&volume, &decoded).unwrap();
            assert!((measured.psnr - curve[3].psnr).abs() < 1e-9);
            let achieved = &neural.info().achieved;
            assert_eq!((neural.info().asked.target, achieved.rmse), (TargetKind::Size, measured.rmse));
            assert_eq!(neural.info().asked.value, compressed.bytes.len() as f64);
            if storage == Storage::Half {
                assert_eq!(compressed.parameter_bytes, 2 * parameters);
            }
        }
    }

    #[test]
    fn steps_cover_the_epochs_and_a_batch_is_no_larger_than_the_volume() {
        let volume = waves();
        let plan = FitOptions { batch: 1 << 16, ..options() }.plan(&volume).unwrap();
        assert_eq!((plan.batch, plan.steps), (7680, 12));
        assert_eq!(options().plan(&volume).unwrap().steps, 180);
    }

    #[test]
    fn a_fit_can_be_interrupted_and_refuses_nonsense() {
        let interrupted = fit(&waves(), &options(), |_| ControlFlow::Break(()));
        assert!(matches!(interrupted, Err(Error::Interrupted)));
        let none = fit(&waves(), &FitOptions { epochs: 0, ..options() }, |_| ControlFlow::Continue(()));
        assert!(matches!(none, Err(Error::Options(_))));
    }

    #[test]
    fn a_volume_of_one_value_needs_no_training() {
        let volume = Volume::new(vec![7u8; 64], [4, 4, 4]).unwrap();
        let fitted = fit(&volume, &options(), |_| ControlFlow::Continue(())).unwrap();
        assert!(fitted.curve.is_empty() && fitted.compressed.distortion.psnr.is_infinite());
    }
}
