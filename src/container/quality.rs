//! Section QUAL: what was asked for and achieved.

use super::bytes::{Fields, put_text};
use crate::metrics::{BandErrors, Bands, Fidelity};
use crate::storage::put_whole;
use half::{bf16, f16};

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
#[non_exhaustive]
pub enum TargetKind {
    /// Peak signal-to-noise ratio in dB.
    Psnr = 1,
    /// Bytes of the stored samples by bytes of the file.
    Ratio = 2,
    /// Bytes of the file.
    Size = 3,
    /// Largest absolute error, in the volume's unit.
    MaxError = 4,
    /// Every sample as it was.
    Lossless = 5,
    /// A PSNR that follows from the volume's noise.
    Quality = 6,
}

/// How much time training may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
#[non_exhaustive]
pub enum Preset {
    /// A first look.
    Fast = 1,
    /// The default.
    #[default]
    Balanced = 2,
    /// The smallest file.
    Best = 3,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Asked {
    /// The target's kind.
    pub target: TargetKind,
    /// The target's value: dB, ratio, bytes or an error; of a quality 1 for preview, 2 for standard, 3 for fine; 0 where it has
    /// none.
    pub value: f64,
    /// The preset.
    pub preset: Preset,
    /// Seed of the training.
    pub seed: u64,
}

impl Default for Asked {
    fn default() -> Self {
        Self { target: TargetKind::Psnr, value: 0.0, preset: Preset::default(), seed: 0 }
    }
}

/// What the shipped decoder measured over the unmasked voxels. Beside RMS and largest error, the file has its numbers with three
/// digits.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Achieved {
    /// The original's noise, in the volume's unit, where any was found.
    pub noise: Option<f64>,
    /// Root of the mean squared error, in the volume's unit.
    pub rmse: f64,
    /// Largest absolute error, in the volume's unit.
    pub max_error: f64,
    /// The voxel that has it; `None` where nothing differs.
    pub max_error_voxel: Option<[usize; 3]>,
    /// Mean error, decoded less original, in the volume's unit.
    #[serde(rename = "mean_error")]
    pub bias: f64,
    /// Structural similarity in windows of 7 voxels along each axis, 1 where nothing differs.
    #[serde(rename = "ssim")]
    pub similarity: Option<f64>,
    /// Errors by bands of value, lowest first; none where nothing differs.
    pub bands: Vec<BandErrors>,
    /// What the bands are.
    #[serde(skip)]
    pub(crate) band_limits: Bands,
}

/// Flags of the section.
const ERRORS: u8 = 1;
const NOISE: u8 = 2;

/// Kinds of bands.
const NO_BANDS: u8 = 0;
const TISSUES: u8 = 1;
const EIGHTHS: u8 = 2;

/// Bytes of a voxel's number.
const VOXEL_BYTES: usize = 5;

impl Default for Achieved {
    /// Nothing measured yet: errors are NaN.
    fn default() -> Self {
        Self {
            noise: None,
            rmse: f64::NAN,
            max_error: f64::NAN,
            max_error_voxel: None,
            bias: f64::NAN,
            similarity: None,
            bands: Vec::new(),
            band_limits: Bands::None,
        }
    }
}

impl Achieved {
    /// With these measurements.
    pub(crate) fn with(self, fidelity: &Fidelity) -> Self {
        let Fidelity { distortion, noise, bias, largest, similarity, bands } = fidelity.clone();
        Self {
            noise,
            rmse: distortion.rmse,
            max_error: distortion.max_error,
            max_error_voxel: largest,
            bias,
            similarity,
            bands,
            ..self
        }
    }

    /// The section, of a volume of this shape and range, by this writer. How long it is does not depend on what was measured, but
    /// for errors of 0, of which nothing is written.
    pub(super) fn section(
        &self,
        asked: &Asked,
        writer: &str,
        shape: [usize; 3],
        range: Option<(f64, f64)>,
    ) -> Vec<u8> {
        let has_errors = self.max_error != 0.0;
        let flags = [(has_errors, ERRORS), (self.noise.is_some(), NOISE)];
        let flags = flags.iter().filter(|(is, _)| *is).map(|(_, flag)| flag).sum();
        let mut out = vec![asked.target as u8, asked.preset as u8, flags];
        put_whole(&mut out, asked.seed);
        out.extend(asked.value.to_le_bytes());
        if let Some(noise) = self.noise {
            out.extend((noise as f32).to_le_bytes());
        }
        if has_errors {
            self.put_errors(&mut out, shape, range);
        }
        put_text(&mut out, writer);
        out
    }

    fn put_errors(&self, out: &mut Vec<u8>, [nx, ny, _]: [usize; 3], range: Option<(f64, f64)>) {
        for number in [self.rmse, self.max_error] {
            out.extend(number.to_le_bytes());
        }
        let half =
            |number: f64| f16::from_f64(number.clamp(-f16::MAX.to_f64(), f16::MAX.to_f64())).to_le_bytes();
        // In units of the error, whatever the volume's are.
        let by_error = |number: f64| half(if self.rmse > 0.0 { number / self.rmse } else { 0.0 });
        out.extend(by_error(self.bias));
        out.extend(half(1.0 - self.similarity.unwrap_or(f64::NAN)));
        let index = self.max_error_voxel.map_or(u64::MAX, |[x, y, z]| (x + nx * (y + ny * z)) as u64);
        out.extend(&index.to_le_bytes()[..VOXEL_BYTES]);
        match &self.band_limits {
            Bands::None => out.push(NO_BANDS),
            Bands::Tissues => out.push(TISSUES),
            Bands::Eighths(shares) => {
                out.extend([EIGHTHS, shares.len() as u8]);
                shares.iter().for_each(|share| out.extend(share.to_le_bytes()));
            }
        }
        for band in self.band_limits.bands(range) {
            let errors = self.bands.iter().find(|errors| errors.band == band);
            let [share, bias, rmse] = errors.map_or([0.0; 3], |e| [e.share, e.bias, e.rmse]);
            for bytes in [half(share), by_error(bias), by_error(rmse)] {
                out.extend(bytes);
            }
        }
    }

    /// Reads the section of a volume of this shape and range: what was asked for and achieved, and the writer.
    pub(super) fn parse(
        section: &[u8],
        shape: [usize; 3],
        range: Option<(f64, f64)>,
    ) -> Result<(Asked, Self, String), String> {
        let mut fields = Fields::new(section);
        let target = match fields.u8("target")? {
            1 => TargetKind::Psnr,
            2 => TargetKind::Ratio,
            3 => TargetKind::Size,
            4 => TargetKind::MaxError,
            5 => TargetKind::Lossless,
            6 => TargetKind::Quality,
            code => return Err(format!("target {code} is unknown")),
        };
        let preset = match fields.u8("preset")? {
            1 => Preset::Fast,
            2 => Preset::Balanced,
            3 => Preset::Best,
            code => return Err(format!("preset {code} is unknown")),
        };
        let flags = fields.u8("flags")?;
        let seed = fields.whole("seed")?;
        let value = fields.f64("value")?;
        let noise = if flags & NOISE != 0 { Some(fields.f32("noise")?.into()) } else { None };
        let mut achieved = Self { noise, ..Self::default() };
        if flags & ERRORS != 0 {
            achieved.parse_errors(&mut fields, shape, range)?;
        } else {
            (achieved.rmse, achieved.max_error, achieved.bias) = (0.0, 0.0, 0.0);
            achieved.similarity = Some(1.0);
        }
        let writer = fields.text("writer")?;
        fields.end()?;
        Ok((Asked { target, value, preset, seed }, achieved, writer))
    }

    fn parse_errors(
        &mut self,
        fields: &mut Fields<'_>,
        shape: [usize; 3],
        range: Option<(f64, f64)>,
    ) -> Result<(), String> {
        [self.rmse, self.max_error] = fields.f64s("errors")?;
        self.bias = half(fields, "mean error")? * self.rmse;
        self.similarity = Some(1.0 - half(fields, "similarity")?).filter(|s| s.is_finite());
        let mut index = [0; 8];
        index[..VOXEL_BYTES].copy_from_slice(fields.bytes(VOXEL_BYTES, "voxel")?);
        let (index, [nx, ny, nz]) = (u64::from_le_bytes(index), shape.map(|n| n as u64));
        self.max_error_voxel = (index < nx * ny * nz)
            .then(|| [index % nx, index / nx % ny, index / nx / ny].map(|n| n as usize));
        self.band_limits = match fields.u8("bands")? {
            NO_BANDS => Bands::None,
            TISSUES => Bands::Tissues,
            EIGHTHS => {
                let count = fields.u8("bands")?;
                let shares: Result<_, String> =
                    (0..count).map(|_| Ok(bf16::from_bits(fields.u16("a band's limit")?))).collect();
                Bands::Eighths(shares?)
            }
            code => return Err(format!("bands of kind {code} are unknown")),
        };
        for band in self.band_limits.bands(range) {
            let share = half(fields, "a band's share")?;
            let bias = half(fields, "a band's mean error")? * self.rmse;
            let rmse = half(fields, "a band's error")? * self.rmse;
            if share > 0.0 {
                self.bands.push(BandErrors { band, share, bias, rmse });
            }
        }
        Ok(())
    }
}

fn half(fields: &mut Fields<'_>, what: &str) -> Result<f64, String> {
    Ok(f16::from_bits(fields.u16(what)?).to_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Distortion, fidelity};
    use crate::volume::Volume;

    const WRITER: &str = "neuvol 1.2.3";

    #[test]
    fn what_was_measured_comes_back_with_three_digits() {
        let shape = [20, 16, 12];
        let samples: Vec<f32> = (0..20 * 16 * 12).map(|i| (i as f32 * 0.013).sin() * 90.0).collect();
        let decoded: Vec<f32> =
            samples.iter().enumerate().map(|(i, v)| v + 0.1 * (i as f32 * 0.7).cos()).collect();
        let mut original = Volume::new(samples, shape).unwrap();
        for (unit, bands) in [("", 7), ("HU", 2)] {
            original.unit = unit.into();
            let decoded = Volume::new(decoded.clone(), shape).unwrap();
            let mut fidelity = fidelity(&original, &decoded).unwrap();
            fidelity.noise = Some(0.25);
            let asked = Asked { target: TargetKind::Quality, value: 2.0, seed: 77_000, ..Asked::default() };
            let before =
                Achieved { band_limits: Bands::of(&original), noise: Some(0.25), ..Achieved::default() };
            let range = original.range();
            let length = before.section(&asked, WRITER, shape, range).len();
            let achieved = before.clone().with(&fidelity);
            let section = achieved.section(&asked, WRITER, shape, range);
            assert_eq!(section.len(), length, "known before anything is measured");
            // A band of parts by value needs its limit, too.
            let count = before.band_limits.len();
            let of_bands = 6 * count + if unit.is_empty() { 2 * count - 1 } else { 0 };
            assert_eq!(length, 45 + of_bands + WRITER.len());
            let (back_asked, back, writer) = Achieved::parse(&section, shape, range).unwrap();
            assert_eq!((back_asked, writer.as_str()), (asked, WRITER));
            assert_eq!(
                (back.rmse, back.max_error, back.max_error_voxel),
                (achieved.rmse, achieved.max_error, achieved.max_error_voxel)
            );
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-3 * b.abs().max(1e-3 * achieved.rmse);
            assert!(near(back.bias, achieved.bias), "{} {}", back.bias, achieved.bias);
            assert!(near(1.0 - back.similarity.unwrap(), 1.0 - achieved.similarity.unwrap()));
            assert_eq!((back.bands.len(), back.noise), (bands, Some(0.25)));
            for (back, band) in back.bands.iter().zip(&achieved.bands) {
                assert_eq!(back.band, band.band);
                assert!(
                    near(back.share, band.share) && near(back.bias, band.bias) && near(back.rmse, band.rmse)
                );
            }
        }
    }

    #[test]
    fn an_exact_file_says_so_in_a_few_bytes() {
        let exact = Fidelity::of(Distortion { psnr: f64::INFINITY, rmse: 0.0, max_error: 0.0, voxels: 8 });
        let asked = Asked { target: TargetKind::Lossless, ..Asked::default() };
        let section = Achieved::default().with(&exact).section(&asked, WRITER, [2, 2, 2], Some((0.0, 1.0)));
        assert_eq!(section.len(), 13 + WRITER.len());
        let (_, back, _) = Achieved::parse(&section, [2, 2, 2], Some((0.0, 1.0))).unwrap();
        assert_eq!((back.rmse, back.max_error, back.bias, back.similarity), (0.0, 0.0, 0.0, Some(1.0)));
    }
}
