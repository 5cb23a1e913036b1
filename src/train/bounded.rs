//! Targets that bound every sample's error: the samples themselves, as integers, or a latent grid and what it is off
//! by, whichever is smaller.

use super::candidate::Writer;
use super::compressed::Compressed;
use super::latent_source::{LatentSource, rate};
use super::options::Target;
use super::progress::{Reporter, Stage};
use super::refined_grid::RefinedGrid;
use crate::container::{IntegerScale, MOST_STEP};
use crate::error::{Error, Result};
use crate::volume::{SampleType, Volume};

/// Steps of a float are this much shorter than the bound allows: the arithmetic that turns numbers into samples rounds.
const MARGIN: f64 = 1e-9;

/// The file of a volume whose every measurement must be within a bound, which may be 0.
///
/// # Errors
/// [`Error::Target`] when the decoder finds the bound broken, which no volume is known to do.
pub(super) fn compress(
    source: &LatentSource<'_>,
    range: Option<(f64, f64)>,
    writer: &Writer<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<Compressed> {
    let sample_type = source.volume.sample_type();
    let exact = IntegerScale { low: 0.0, step: 0.0, sample_type };
    let Target::MaxError(bound) = source.options.target else { return writer.integers(exact, reporter) };
    // Without a range every voxel is masked.
    let Some((low, high)) = range.filter(|(low, high)| low != high) else { return writer.constant() };
    let step = step(sample_type, (low, high), bound);
    if step > 0.0 {
        let scale = IntegerScale { low, step, ..exact };
        let compressed = writer.integers(scale, reporter)?;
        if compressed.distortion.max_error <= bound {
            return if (high - low).is_finite() {
                corrected(source, (bound, high - low), scale, compressed, writer, reporter)
            } else {
                Ok(compressed)
            };
        }
        log::info!("steps of {step} break the bound by rounding; every sample is kept as it is");
    }
    let compressed = writer.integers(exact, reporter)?;
    if compressed.distortion.max_error > bound {
        let reached = compressed.distortion.max_error;
        return Err(Error::Target {
            asked: bound,
            best: Some(reached),
            what: format!(
                "the largest error is {reached}, though every sample was to be kept within {bound}"
            ),
        });
    }
    Ok(compressed)
}

/// Steps of the latent grid that are tried, in units of the bound: the first one, then towards where files get smaller.
const LATENT_STEPS: [f64; 5] = [0.4, 0.8, 1.5, 3.0, 6.0];
const FIRST_STEP: usize = 2;
/// A grid with the first step that is this many times larger than integers alone ends the search.
const HOPELESS: usize = 2;

/// The smallest of integers alone and of latent grids of several steps with corrections, read by a perceptron where that
/// pays.
fn corrected(
    source: &LatentSource<'_>,
    (bound, span): (f64, f64),
    scale: IntegerScale,
    integers: Compressed,
    writer: &Writer<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<Compressed> {
    let encoder = source.encoder();
    let rate_of = |n: usize| {
        let step = LATENT_STEPS[n] * bound.max(0.5 * scale.step) / span;
        let step = step.min(f64::from(MOST_STEP));
        rate(step, step)
    };
    // What the grid takes, and the file.
    let attempt = |n: usize, reporter: &mut Reporter<'_>| {
        let streams = writer.latent_streams(&encoder, rate_of(n));
        let of_grid = streams.bytes();
        Ok::<_, Error>((of_grid, writer.corrected(streams, scale, reporter)?))
    };
    let (mut n, (mut of_grid, mut best)) = (FIRST_STEP, attempt(FIRST_STEP, reporter)?);
    if best.bytes.len() > HOPELESS * integers.bytes.len() {
        return Ok(integers);
    }
    for way in [1, -1] {
        while let Some(next) = n.checked_add_signed(way).filter(|n| *n < LATENT_STEPS.len()) {
            let (bytes, candidate) = attempt(next, reporter)?;
            if candidate.bytes.len() >= best.bytes.len() {
                break;
            }
            (of_grid, best, n) = (bytes, candidate, next);
        }
        // One way was better: the other one is not.
        if n != FIRST_STEP {
            break;
        }
    }
    if let Some(refiner) = source.refiner(of_grid) {
        let rounds = refiner.rounds();
        let mut refined = RefinedGrid::new(source, refiner, encoder);
        for round in 0..rounds {
            reporter.long_step(Stage::Coding, round as u64, rounds as u64, f64::NAN)?;
            refined.learn(rate_of(n), writer)?;
        }
        // With a perceptron, a longer step may be better.
        for n in n..LATENT_STEPS.len() {
            let candidate = writer.corrected(refined.streams(rate_of(n), writer)?, scale, reporter)?;
            if candidate.bytes.len() >= best.bytes.len() {
                break;
            }
            best = candidate;
        }
    }
    let keeps_the_bound = best.distortion.max_error <= bound;
    Ok(if best.bytes.len() < integers.bytes.len() && keeps_the_bound { best } else { integers })
}

/// The file of a volume's samples as they are, unless it is larger than `most` bytes: as soon as that is known, coding ends.
pub(super) fn exact(
    volume: &Volume,
    most: Option<usize>,
    writer: &Writer<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<Option<Compressed>> {
    let scale = IntegerScale { low: 0.0, step: 0.0, sample_type: volume.sample_type() };
    match most {
        Some(most) => writer.integers_within(scale, most, reporter),
        None => writer.integers(scale, reporter).map(Some),
    }
}

/// The file of a volume whose root mean square error shall be `rmse` at most.
pub(super) fn with_rmse(
    volume: &Volume,
    (low, high): (f64, f64),
    rmse: f64,
    writer: &Writer<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<Compressed> {
    let exact = IntegerScale { low: 0.0, step: 0.0, sample_type: volume.sample_type() };
    // Errors are spread evenly: (step^2 - 1) / 12 on average where samples and errors are integers, else step^2 / 12.
    let step = if volume.sample_type().is_integer() {
        2.0 * (((12.0 * rmse * rmse + 1.0).sqrt() - 1.0) / 2.0).floor() + 1.0
    } else {
        12f64.sqrt() * rmse * 0.999
    };
    let is_exact = volume.sample_type().is_integer() && step == 1.0 || (high - low) / step > 1e12;
    let compressed =
        writer.integers(if is_exact { exact } else { IntegerScale { low, step, ..exact } }, reporter)?;
    // Samples are rounded to their type, too.
    if compressed.distortion.rmse > rmse { writer.integers(exact, reporter) } else { Ok(compressed) }
}

/// The longest step that keeps the bound; 0 where only the samples themselves do.
pub(super) fn step(sample_type: SampleType, (low, high): (f64, f64), bound: f64) -> f64 {
    if sample_type.is_integer() {
        return 2.0 * bound.floor() + 1.0;
    }
    // The sample of a number is rounded to its type.
    let rounding = match sample_type {
        SampleType::F32 => f64::from(f32::EPSILON),
        _ => f64::EPSILON,
    };
    let left = bound - 0.5 * rounding * low.abs().max(high.abs());
    let step = 2.0 * left * (1.0 - MARGIN);
    // Below half of the bound, rounding would eat what the step saves; and numbers must fit.
    if left > 0.5 * bound && (high - low) / step < 1e15 { step } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_keep_the_bound() {
        assert_eq!(
            [0.0, 0.9, 1.0, 2.55].map(|e| step(SampleType::U8, (0.0, 255.0), e)),
            [1.0, 1.0, 3.0, 5.0]
        );
        let float = step(SampleType::F32, (-1.0, 1.0), 1e-3);
        assert!((1.998e-3..2e-3).contains(&float), "{float}");
        assert_eq!(step(SampleType::F32, (0.0, 1e9), 1.0), 0.0, "float32 has no such values");
        assert_eq!(step(SampleType::F32, (0.0, 1.0), 0.0), 0.0);
    }
}
