//! Targets that bound every sample's error: the samples themselves, as whole numbers, instead of a network.

use super::candidate::{Compressed, Writer};
use super::options::Target;
use super::progress::Reporter;
use crate::container::WholeScale;
use crate::error::{Error, Result};
use crate::volume::{SampleType, Volume};

/// Steps of a float are this much shorter than the bound allows: the arithmetic that turns numbers into samples rounds.
const MARGIN: f64 = 1e-9;

/// The file of a volume whose every measurement must be within a bound, which may be 0.
///
/// # Errors
/// [`Error::Target`] when the decoder finds the bound broken, which no volume is known to do.
pub(super) fn compress(
    volume: &Volume,
    range: Option<(f64, f64)>,
    target: Target,
    writer: &Writer<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<Compressed> {
    let exact = WholeScale { low: 0.0, step: 0.0, sample_type: volume.sample_type() };
    let Target::MaxError(bound) = target else { return writer.whole(exact, reporter) };
    // Without a range every voxel is masked.
    let Some((low, high)) = range.filter(|(low, high)| low != high) else { return writer.constant() };
    let step = step(volume.sample_type(), (low, high), bound);
    if step > 0.0 {
        let scale = WholeScale { low, step, ..exact };
        let compressed = writer.whole(scale, reporter)?;
        if compressed.distortion.max_error <= bound {
            return Ok(compressed);
        }
        log::info!("steps of {step} break the bound by rounding; every sample is kept as it is");
    }
    let compressed = writer.whole(exact, reporter)?;
    if compressed.distortion.max_error > bound {
        let reached = compressed.distortion.max_error;
        return Err(Error::Target(format!(
            "the largest error is {reached}, though every sample was to be kept within {bound}"
        )));
    }
    Ok(compressed)
}

/// The file of a volume whose root mean square error shall be `rmse` at most.
pub(super) fn with_rmse(
    volume: &Volume,
    (low, high): (f64, f64),
    rmse: f64,
    writer: &Writer<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<Compressed> {
    let exact = WholeScale { low: 0.0, step: 0.0, sample_type: volume.sample_type() };
    // Errors are spread evenly: (step^2 - 1) / 12 on average where samples and errors are whole numbers, else step^2 / 12.
    let step = if volume.sample_type().is_integer() {
        2.0 * (((12.0 * rmse * rmse + 1.0).sqrt() - 1.0) / 2.0).floor() + 1.0
    } else {
        12f64.sqrt() * rmse * 0.999
    };
    let is_exact = volume.sample_type().is_integer() && step == 1.0 || (high - low) / step > 1e12;
    let compressed =
        writer.whole(if is_exact { exact } else { WholeScale { low, step, ..exact } }, reporter)?;
    // Samples are rounded to their type, too.
    if compressed.distortion.rmse > rmse { writer.whole(exact, reporter) } else { Ok(compressed) }
}

/// The longest step that keeps the bound; 0 where only the samples themselves do.
fn step(sample_type: SampleType, (low, high): (f64, f64), bound: f64) -> f64 {
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
