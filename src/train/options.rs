//! What the user asks of a compression.

pub use crate::container::Preset;
use crate::container::{Achieved, TargetKind};
use crate::engine::Loss;
use crate::engine::device::Device;
use crate::error::{Error, Result};
use crate::field::encoding::{AxisWise, EncodingKind, HashGrid, HashGridShape};
use crate::field::{Encoding, Model, Network, NetworkKind};

/// The quality when the user names no target: fine detail of CT and MR survives, files are 50 to 500 times smaller.
pub const DEFAULT_PSNR: f64 = 40.0;

/// What a compression must meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// At least this many dB, at most 1 dB more.
    Psnr(f64),
    /// Bytes of the stored samples by bytes of the file: at least this, at most 3 % more.
    Ratio(f64),
    /// Bytes of the file: at most this, at least 97 % of it.
    Size(u64),
    /// Every measurement within this of the original, in the volume's unit. The file holds whole numbers, brick by brick:
    /// the samples, or what a latent grid is off by, whichever is smaller.
    MaxError(f64),
    /// Every sample as it was, bit by bit: NaN payloads and -0.0, too. Whole numbers, brick by brick.
    Lossless,
}

impl Target {
    /// The target as the container names it.
    pub(crate) fn named(self) -> (TargetKind, f64) {
        match self {
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
            Target::Psnr(_) | Target::MaxError(_) | Target::Lossless => None,
            Target::Ratio(ratio) => Some((stored_bytes as f64 / ratio) as u64),
            Target::Size(bytes) => Some(bytes),
        }
    }

    fn check(self) -> Result<()> {
        match self {
            Target::Psnr(db) if !(db > 0.0 && db <= 150.0) => {
                Err(Error::Options(format!("a PSNR of {db} dB is no target; 30 to 60 is usual")))
            }
            Target::Ratio(ratio) if !(ratio > 0.0 && ratio.is_finite()) => {
                Err(Error::Options(format!("a ratio of {ratio} is no target; it is above 0")))
            }
            Target::MaxError(error) if !(error >= 0.0 && error.is_finite()) => {
                Err(Error::Options(format!("a largest error of {error} is no target; it is 0 or above")))
            }
            Target::Size(0) => Err(Error::Options("a file of 0 bytes is no target".into())),
            _ => Ok(()),
        }
    }
}

/// How the parameters are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
pub enum Representation {
    /// What is smaller: a latent grid, or whole numbers where a quality is asked for that needs many bits, or, with
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

/// How a volume is compressed. The default is [`DEFAULT_PSNR`] with the balanced preset.
#[derive(Debug, Clone, PartialEq)]
pub struct CompressOptions {
    /// What must be met.
    pub target: Target,
    /// How much time it may take.
    pub preset: Preset,
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
            target: Target::Psnr(DEFAULT_PSNR),
            preset: Preset::Balanced,
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
    pub(super) fn asked_for(&self) -> Achieved {
        let (target, target_value) = self.target.named();
        Achieved { target, target_value, preset: self.preset, seed: self.seed, ..Achieved::default() }
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
        let is_a_promise = matches!(self.target, Target::MaxError(_) | Target::Lossless);
        if is_a_promise && (self.representation != Representation::Smallest || self.model.is_some()) {
            return Err(Error::Options(
                "a bound on every error chooses what the file holds: leave encoding, network and sizes out"
                    .into(),
            ));
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
