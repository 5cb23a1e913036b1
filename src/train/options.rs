//! What the user asks of a compression.

use super::focus::Focus;
pub use crate::container::Preset;
use crate::container::{Asked, TargetKind};
use crate::engine::Loss;
use crate::engine::device::Device;
use crate::error::{Error, Result};
use crate::field::encoding::{AxisWise, EncodingKind, HashGrid, HashGridShape};
use crate::field::{Encoding, Model, Network, NetworkKind};

/// A quality that follows from the volume itself.
///
/// The measure is the volume's own noise ([`crate::metrics::noise()`]): an error that is no larger is not seen beside it. What
/// that comes to in dB stays within limits, and a volume without noise gets the upper one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Quality {
    /// 40 dB: what the volume shows, not its fine detail.
    Preview,
    /// An RMS error within the noise: 40 to 50 dB, 50 where there is no noise.
    #[default]
    Standard,
    /// An RMS error within half the noise: 46 to 56 dB, 56 where there is no noise.
    Fine,
}

impl Quality {
    /// The PSNR in dB, for a volume of this noise and of a range this wide.
    pub fn psnr(self, noise: Option<f64>, span: f64) -> f64 {
        let (share, least, most) = match self {
            Quality::Preview => return 40.0,
            Quality::Standard => (1.0, 40.0, 50.0),
            Quality::Fine => (0.5, 46.0, 56.0),
        };
        let psnr = noise.map_or(f64::INFINITY, |noise| 20.0 * (span / noise / share).log10());
        if psnr.is_nan() { most } else { psnr.clamp(least, most) }
    }

    /// The quality's name.
    pub fn name(self) -> &'static str {
        match self {
            Quality::Preview => "preview",
            Quality::Standard => "standard",
            Quality::Fine => "fine",
        }
    }

    /// The quality that a file names by this number.
    pub fn from_number(number: f64) -> Option<Self> {
        [Quality::Preview, Quality::Standard, Quality::Fine].into_iter().find(|q| q.number() == number)
    }

    fn number(self) -> f64 {
        match self {
            Quality::Preview => 1.0,
            Quality::Standard => 2.0,
            Quality::Fine => 3.0,
        }
    }
}

/// What a compression must meet.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// At least the PSNR that follows from the volume's noise, at most 1 dB more.
    Quality(Quality),
    /// At least this many dB, at most 1 dB more.
    Psnr(f64),
    /// Bytes of the stored samples by bytes of the file: at least this, at most 3 % more.
    Ratio(f64),
    /// Bytes of the file: at most this, at least 97 % of it.
    Size(u64),
    /// Every measurement within this of the original, in the volume's unit. The file holds integers, brick by brick:
    /// the samples, or what a latent grid is off by, whichever is smaller.
    MaxError(f64),
    /// Every sample as it was, bit by bit: NaN payloads and -0.0, too. Integers, brick by brick.
    Lossless,
}

impl Target {
    /// The target as the container names it.
    pub(crate) fn named(self) -> (TargetKind, f64) {
        match self {
            Target::Quality(quality) => (TargetKind::Quality, quality.number()),
            Target::Psnr(db) => (TargetKind::Psnr, db),
            Target::Ratio(ratio) => (TargetKind::Ratio, ratio),
            Target::Size(bytes) => (TargetKind::Size, bytes as f64),
            Target::MaxError(error) => (TargetKind::MaxError, error),
            Target::Lossless => (TargetKind::Lossless, 0.0),
        }
    }

    /// Bytes that the file may have, for a volume of `stored_bytes`; `None` for a quality.
    pub(super) fn byte_budget(self, stored_bytes: u64) -> Option<u64> {
        match self {
            Target::Quality(_) | Target::Psnr(_) | Target::MaxError(_) | Target::Lossless => None,
            Target::Ratio(ratio) => Some((stored_bytes as f64 / ratio) as u64),
            Target::Size(bytes) => Some(bytes),
        }
    }

    fn check(self) -> Result<()> {
        match self {
            Target::Psnr(db) if !(db > 0.0 && db <= 150.0) => Err(Error::Options(format!(
                "invalid PSNR target of {db} dB: it is above 0 and at most 150, usually 30 to 60"
            ))),
            Target::Ratio(ratio) if !(ratio > 0.0 && ratio.is_finite()) => {
                Err(Error::Options(format!("invalid ratio target of {ratio}: it is a number above 0")))
            }
            Target::MaxError(error) if !(error >= 0.0 && error.is_finite()) => Err(Error::Options(format!(
                "invalid largest error of {error} as a target: it is a number from 0 up"
            ))),
            Target::Size(0) => Err(Error::Options("invalid size target of 0 bytes".into())),
            _ => Ok(()),
        }
    }
}

/// How the parameters are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Storage {
    /// Rounded in training to what the quality needs, and entropy coded.
    #[default]
    Coded,
    /// In half precision, neither rounded further nor coded: as the paper does, to compare with it. A model has a few
    /// possible sizes only: a size or ratio is not exceeded, but may be missed by far, and so may a PSNR, upwards.
    Half,
}

/// Which encoding and network a model is made of; their sizes follow from the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Architecture {
    /// The encoding of positions.
    pub encoding: EncodingKind,
    /// The network behind it.
    pub network: NetworkKind,
}

/// What a file holds the volume as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Representation {
    /// What is smaller: a latent grid, or integers where a quality is asked for that needs many bits, or, with
    /// [`Preset::Best`], a hash grid with a perceptron. Losses other than L2, [`Storage::Half`] and a model chosen by hand
    /// ask for a network.
    #[default]
    Smallest,
    /// A value a voxel in wavelet coefficients, read by a perceptron where that pays.
    LatentGrid,
    /// A network behind an encoding of the position.
    Network(Architecture),
}

/// An encoding's sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EncodingOptions {
    /// A hash grid of these hyper-parameters.
    HashGrid(HashGridShape),
    /// Fixed functions.
    AxisWise(AxisWise),
}

/// A model chosen by hand instead of from the budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelOptions {
    /// The encoding's hyper-parameters.
    pub encoding: EncodingOptions,
    /// The network's kind.
    pub network: NetworkKind,
    /// Neurons of a hidden layer.
    pub width: usize,
    /// Number of hidden layers.
    pub hidden_layers: usize,
}

impl ModelOptions {
    /// A hash grid in front of a multi-layer perceptron.
    pub fn hash_grid(shape: HashGridShape, width: usize, hidden_layers: usize) -> Self {
        let encoding = EncodingOptions::HashGrid(shape);
        Self { encoding, network: NetworkKind::Mlp, width, hidden_layers }
    }

    /// The model for a volume of `shape` samples.
    pub(crate) fn model(&self, shape: [usize; 3]) -> Model {
        let encoding = match self.encoding {
            EncodingOptions::HashGrid(grid) => Encoding::HashGrid(HashGrid::new(grid, shape)),
            EncodingOptions::AxisWise(axis_wise) => Encoding::AxisWise(axis_wise),
        };
        Model::with(self.network, encoding, self.width, self.hidden_layers)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let inputs = match self.encoding {
            EncodingOptions::AxisWise(axis_wise) => Encoding::AxisWise(axis_wise).width(),
            EncodingOptions::HashGrid(HashGridShape { levels, features, table_size, coarsest, finest }) => {
                let grid_is_one = (1..=64).contains(&levels)
                    && [1, 2, 4, 8].contains(&features)
                    && table_size.is_power_of_two()
                    && table_size <= 1 << 26
                    && coarsest >= 1.0
                    && finest >= coarsest
                    && finest <= f64::from(1 << 20);
                if !grid_is_one {
                    return Err(Error::Options(
                        "a hash grid has 1 to 64 levels, 1, 2, 4 or 8 features, a table of a power of two up to \
                         2^26 and resolutions from 1 up, the finest not below the coarsest"
                            .into(),
                    ));
                }
                levels * features
            }
        };
        Network::new(self.network, inputs, self.width, self.hidden_layers).check().map_err(Error::Options)
    }
}

/// How a volume is compressed. The default is [`Quality::Standard`] with the balanced preset.
#[derive(Debug, Clone, PartialEq)]
pub struct CompressOptions {
    /// What must be met.
    pub target: Target,
    /// How much time it may take.
    pub preset: Preset,
    /// A part of the volume that is to be better than the rest, of which the target is asked then. A latent grid has one, and
    /// no network; a target that bounds every error leaves nothing to make better.
    pub focus: Option<Focus>,
    /// What training minimises.
    pub loss: Loss,
    /// Seed of every random choice: the same seed, number of threads and machine give the same file.
    pub seed: u64,
    /// What the file holds the volume as.
    pub representation: Representation,
    /// A network chosen by hand; from the budget when absent.
    pub model: Option<ModelOptions>,
    /// How the parameters are stored.
    pub storage: Storage,
    /// Threads of the CPU engine, 0: one a core.
    pub threads: usize,
    /// Where training runs; the CPU when nothing is said.
    pub device: Device,
}

impl Default for CompressOptions {
    fn default() -> Self {
        Self {
            target: Target::Quality(Quality::Standard),
            preset: Preset::Balanced,
            focus: None,
            loss: Loss::L2,
            seed: 0,
            representation: Representation::default(),
            model: None,
            storage: Storage::Coded,
            threads: 0,
            device: Device::Cpu,
        }
    }
}

impl CompressOptions {
    /// What the file will say was asked for.
    pub(super) fn asked_for(&self) -> Asked {
        let (target, value) = self.target.named();
        Asked { target, value, preset: self.preset, seed: self.seed }
    }

    /// The same options, a quality being the PSNR that it comes to.
    pub(super) fn in_decibels(&self, noise: Option<f64>, range: Option<(f64, f64)>) -> Self {
        let target = match self.target {
            Target::Quality(quality) => {
                Target::Psnr(quality.psnr(noise, range.map_or(0.0, |(low, high)| high - low)))
            }
            target => target,
        };
        Self { target, ..self.clone() }
    }

    /// What the file will hold, as far as the options say.
    pub(super) fn representation(&self) -> Representation {
        match self.representation {
            Representation::Smallest if self.asks_for_a_network() => {
                Representation::Network(Architecture::default())
            }
            other => other,
        }
    }

    /// True where something was chosen that only networks have.
    fn asks_for_a_network(&self) -> bool {
        self.model.is_some() || self.loss != Loss::L2 || self.storage != Storage::Coded
    }

    pub(super) fn check(&self) -> Result<()> {
        self.target.check()?;
        let is_a_guarantee = matches!(self.target, Target::MaxError(_) | Target::Lossless);
        if is_a_guarantee && (self.representation != Representation::Smallest || self.model.is_some()) {
            return Err(Error::Options(
                "a bound on every error chooses what the file holds: leave encoding, network and sizes out"
                    .into(),
            ));
        }
        if self.focus.is_some() {
            let refused = match self.target {
                Target::Lossless => Some("every sample is kept as it is: a `focus` has nothing to add"),
                Target::MaxError(_) => Some(
                    "a bound on every error holds everywhere in the same steps: a `focus` goes with a quality, a PSNR, a ratio or a size",
                ),
                _ if self.asks_for_a_network()
                    || matches!(self.representation, Representation::Network(_)) =>
                {
                    Some("a network has no `focus`: leave encoding, network, sizes, loss and storage out")
                }
                _ => None,
            };
            if let Some(what) = refused {
                return Err(Error::Options(what.into()));
            }
        }
        if self.representation == Representation::LatentGrid && self.asks_for_a_network() {
            return Err(Error::Options(
                "a latent grid sizes its perceptron itself: sizes, loss and storage in half precision cannot be chosen"
                    .into(),
            ));
        }
        self.model.map_or(Ok(()), |model| model.check())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quality_keeps_errors_within_the_noise_as_far_as_its_limits_go() {
        let psnr = |quality: Quality, noise| quality.psnr(noise, 2000.0);
        // 2000 by 11.2 is 45 dB.
        let noise = Some(2000.0 / 10f64.powf(45.0 / 20.0));
        assert!((psnr(Quality::Standard, noise) - 45.0).abs() < 1e-9);
        assert!((psnr(Quality::Fine, noise) - 45.0 - 20.0 * 2f64.log10()).abs() < 1e-9);
        let ends = [Some(100.0), Some(0.1), None];
        assert_eq!(ends.map(|noise| psnr(Quality::Standard, noise)), [40.0, 50.0, 50.0]);
        assert_eq!(ends.map(|noise| psnr(Quality::Fine, noise)), [46.0, 56.0, 56.0]);
        assert_eq!(ends.map(|noise| psnr(Quality::Preview, noise)), [40.0; 3]);
        for quality in [Quality::Preview, Quality::Standard, Quality::Fine] {
            assert_eq!(Quality::from_number(Target::Quality(quality).named().1), Some(quality));
        }
        assert_eq!(Quality::from_number(4.0), None);
    }
}
