//! Encodings without parameters whose every feature depends on one coordinate: the paper's comparison (section 3.1).

use std::f32::consts::PI;

/// What a coordinate `t` in `[0, 1]` becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wave {
    /// The coordinate itself, moved to `[-1, 1]`: `2 t - 1`.
    Identity,
    /// `sin(2^k pi t), cos(2^k pi t)` for k = 0, 1, ... (Mildenhall et al. 2020, equation 4).
    Frequency,
    /// A triangle of the period of `sin(2^k pi t)`: `4 |frac(2^k t / 2) - 1/2| - 1` (Mueller et al. 2021, section 3).
    TriangleWave,
    /// A Gaussian of standard deviation `1 / n` around `t`, at the centres of n bins: `exp(-(n t - i - 1/2)^2 / 2)`
    /// (Mueller et al. 2019, section 4.3).
    OneBlob,
}

/// The same functions of x, then of y, then of z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AxisWise {
    wave: Wave,
    count: usize,
}

impl AxisWise {
    /// The paper leaves the numbers open; these are what its comparison is run with.
    pub const FREQUENCIES: usize = 12;
    /// Bins of the one-blob encoding, see [`Self::FREQUENCIES`].
    pub const BINS: usize = 64;
    /// `2^k t` keeps bits behind the point of a float32 up to here.
    const MAX_FREQUENCIES: usize = 16;
    const MAX_BINS: usize = 128;

    /// `count` octaves or bins of a wave; the identity has one.
    ///
    /// # Errors
    /// A sentence, when there cannot be so many.
    pub fn new(wave: Wave, count: usize) -> Result<Self, String> {
        let most = match wave {
            Wave::Identity => 1,
            Wave::Frequency | Wave::TriangleWave => Self::MAX_FREQUENCIES,
            Wave::OneBlob => Self::MAX_BINS,
        };
        if count == 0 || count > most {
            return Err(format!(
                "the encoding {} has 1 to {most} functions an axis, not {count}",
                wave.name()
            ));
        }
        Ok(Self { wave, count })
    }

    /// A wave with the number of functions that the comparison uses.
    pub fn usual(wave: Wave) -> Self {
        let count = match wave {
            Wave::Identity => 1,
            Wave::Frequency | Wave::TriangleWave => Self::FREQUENCIES,
            Wave::OneBlob => Self::BINS,
        };
        Self { wave, count }
    }

    /// What a coordinate becomes.
    pub fn wave(&self) -> Wave {
        self.wave
    }

    /// Octaves, or bins.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Features of one coordinate.
    pub fn features_an_axis(&self) -> usize {
        match self.wave {
            Wave::Frequency => 2 * self.count,
            _ => self.count,
        }
    }

    pub(super) fn describe(&self) -> String {
        match self.wave {
            Wave::Identity => "identity".into(),
            Wave::Frequency | Wave::TriangleWave => format!("{} of {} octaves", self.wave.name(), self.count),
            Wave::OneBlob => format!("one-blob of {} bins", self.count),
        }
    }

    pub(super) fn code(&self) -> u8 {
        match self.wave {
            Wave::Identity => 2,
            Wave::Frequency => 3,
            Wave::TriangleWave => 4,
            Wave::OneBlob => 5,
        }
    }

    pub(super) fn parse_descriptor(code: u8, bytes: &[u8]) -> Result<Self, String> {
        let wave = match code {
            2 => Wave::Identity,
            3 => Wave::Frequency,
            4 => Wave::TriangleWave,
            5 => Wave::OneBlob,
            _ => return Err(format!("encoding {code} is unknown to this version of neuvol")),
        };
        match bytes {
            [count] => Self::new(wave, usize::from(*count)),
            _ => Err(format!("the {} encoding's descriptor has one byte", wave.name())),
        }
    }
}

impl Wave {
    /// The name that options give it.
    pub fn name(self) -> &'static str {
        match self {
            Wave::Identity => "identity",
            Wave::Frequency => "frequency",
            Wave::TriangleWave => "triangle-wave",
            Wave::OneBlob => "one-blob",
        }
    }
}

/// `pi 2^k`, exact but for the rounding of pi.
pub(crate) fn angular(octave: usize) -> f32 {
    PI * (1u32 << octave) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_bounds_and_descriptors_round_trip() {
        for wave in [Wave::Identity, Wave::Frequency, Wave::TriangleWave, Wave::OneBlob] {
            let usual = AxisWise::usual(wave);
            assert_eq!(AxisWise::parse_descriptor(usual.code(), &[usual.count as u8]), Ok(usual));
            assert!(AxisWise::new(wave, 0).is_err() && AxisWise::new(wave, 200).is_err());
        }
        assert!(AxisWise::parse_descriptor(3, &[]).is_err() && AxisWise::parse_descriptor(9, &[1]).is_err());
        assert_eq!(AxisWise::usual(Wave::Frequency).features_an_axis(), 24);
    }
}
