//! Volumes that are compared slab by slab: of what is larger than memory, the same figures.

use super::bands::{AROUND, BandSurvey};
use super::noise::{self, NoiseSurvey};
use super::planes::Planes;
use super::similarity::BELOW;
use super::{Fidelity, FidelityMeter};
use crate::error::{Error, Result};
use crate::volume::{MaskClass, Samples, Slabs, Source, for_each_type};
use std::ops::{ControlFlow, Range};

/// [`fidelity`](super::fidelity()), for volumes that are read slab by slab, of `slab_bytes` together at most, or of one plane each.
///
/// The original is read for its range, where bands end and where it is flat, and to be compared: two or three times in all; the
/// decoded volume once. Noise, bands, voxels and the largest error are those of the volumes in memory to the last bit. Sums
/// (RMS and mean errors, similarity) are added up in another order, and differ in their last digits.
///
/// `observe` is told how many planes were read, of how many; [`ControlFlow::Break`] ends the work.
///
/// # Errors
/// [`Error::Options`] when the shapes differ; what the sources say; [`Error::Interrupted`] when `observe` said so.
pub fn fidelity_of_sources(
    original: &dyn Source,
    decoded: &dyn Source,
    slab_bytes: u64,
    mut observe: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Fidelity> {
    let (of_original, of_decoded) = Slabs::of_two(original, decoded, slab_bytes);
    let header = of_original.header();
    if header.shape != of_decoded.header().shape {
        return Err(Error::Options(format!(
            "volumes of {:?} and {:?} samples cannot be compared",
            header.shape,
            of_decoded.header().shape
        )));
    }
    let (shape, depth) = (header.shape, header.shape[2]);
    let mut done = 0;
    let mut advance = |planes: usize| {
        done += planes;
        match observe(done, 3 * depth) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        }
    };
    let found = of_original.range(&mut advance)?;
    let original = OriginalSlabs { slabs: of_original, is_masked: found.masked > 0 };
    let header = original.slabs.header();

    let mut bands = BandSurvey::new(shape, &header.unit, found.range);
    let mut noise = NoiseSurvey::new(shape, &header.unit, found.range);
    if bands.looks() || noise.is_some() {
        original.each(AROUND, noise::ABOVE, |planes, own| {
            bands.add(planes, own.clone());
            if let Some(noise) = &mut noise {
                noise.look(planes, own.clone());
            }
            advance(own.len())
        })?;
    } else {
        advance(depth)?;
    }
    let mut meter = FidelityMeter::new(shape, found.range, bands.bands());
    original.each(AROUND.max(BELOW), AROUND.max(noise::ABOVE), |planes, own| {
        let decoded = of_decoded.read(own.clone())?;
        meter.add(planes, own.start, &decoded);
        if let Some(noise) = &mut noise {
            noise.measure(planes, own.clone());
        }
        advance(own.len())
    })?;
    Ok(meter.fidelity(noise.and_then(NoiseSurvey::noise)))
}

/// The original, with what surrounds each slab.
struct OriginalSlabs<'a> {
    slabs: Slabs<'a>,
    is_masked: bool,
}

impl OriginalSlabs<'_> {
    /// Reads all slabs in order, with so many planes before and behind them.
    fn each(
        &self,
        before: usize,
        behind: usize,
        mut take: impl FnMut(Planes<'_>, Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let shape = self.slabs.header().shape;
        for own in self.slabs.planes() {
            let around = own.start.saturating_sub(before)..shape[2].min(own.end + behind);
            let first = around.start;
            let samples = self.slabs.read(around)?;
            let codes = self.is_masked.then(|| self.codes(&samples));
            take(Planes::from(shape, first, &samples, codes.as_deref()), own)?;
        }
        Ok(())
    }

    /// A code a sample, 0 for a measurement.
    fn codes(&self, samples: &Samples) -> Vec<u8> {
        let fill = self.slabs.header().fill_range();
        for_each_type!(samples, values => {
            values.iter().map(|v| MaskClass::of(v.to_f64(), fill).map_or(0, |class| class as u8)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::fidelity;
    use crate::volume::{SampleType, Volume, VolumeHeader};

    /// A field with noise, on a grid of several slabs.
    fn volumes(sample_type: SampleType, shape: [usize; 3], unit: &str) -> (Volume, Volume) {
        let [nx, ny, _] = shape;
        let noise = |i: usize| crate::engine::hash(i as u64) % 1000;
        let value = |i: usize| {
            let [x, y, z] = [i % nx, i / nx % ny, i / nx / ny].map(|n| n as f64);
            60.0 + 30.0 * (0.05 * x).sin() * (0.04 * y).cos() + 0.1 * z + noise(i) as f64 / 250.0
        };
        let count = shape.iter().product();
        let (mut a, mut b) = (Samples::zeros(sample_type, count), Samples::zeros(sample_type, count));
        for i in 0..count {
            a.set(i, value(i));
            b.set(i, value(i) + (i as f64 * 0.7).sin() * 3.0);
        }
        let mut original = Volume::new(a, shape).unwrap();
        original.unit = unit.into();
        (original, Volume::new(b, shape).unwrap())
    }

    fn agree(original: &Volume, decoded: &Volume, slab_bytes: u64) {
        let mut last = (0, 0);
        let found = fidelity_of_sources(original, decoded, slab_bytes, |done, all| {
            assert!(done >= last.0 && done <= all);
            last = (done, all);
            ControlFlow::Continue(())
        });
        let found = found.unwrap();
        assert_eq!(last, (3 * original.shape()[2], 3 * original.shape()[2]));
        let whole = fidelity(original, decoded).unwrap();
        assert_eq!(found.distortion.voxels, whole.distortion.voxels);
        assert_eq!(found.distortion.max_error, whole.distortion.max_error);
        assert_eq!((found.noise, found.largest), (whole.noise, whole.largest));
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-11 * b.abs().max(1e-3);
        assert!(near(found.distortion.rmse, whole.distortion.rmse) && near(found.bias, whole.bias));
        match (found.similarity, whole.similarity) {
            (Some(a), Some(b)) => assert!((a - b).abs() < 1e-11, "{a} {b}"),
            (a, b) => assert_eq!(a, b),
        }
        assert_eq!(found.bands.len(), whole.bands.len());
        for (a, b) in found.bands.iter().zip(&whole.bands) {
            assert_eq!((a.band, a.share), (b.band, b.share));
            assert!(near(a.bias, b.bias) && near(a.rmse, b.rmse), "{a:?} {b:?}");
        }
    }

    #[test]
    fn the_figures_are_those_of_the_volumes_in_memory() {
        let shape = [30, 26, 150];
        let (original, decoded) = volumes(SampleType::U8, shape, "");
        let whole = fidelity(&original, &decoded).unwrap();
        assert!(whole.noise.is_some() && whole.similarity.is_some() && whole.bands.len() == 8, "{whole:?}");
        // Slabs of 128 planes, of 8, and of a plane each.
        for slab_bytes in [u64::MAX, 2 * 30 * 26 * 8, 0] {
            agree(&original, &decoded, slab_bytes);
        }
        let (original, decoded) = volumes(SampleType::I16, shape, "HU");
        agree(&original, &decoded, 1 << 16);
        // Masked: a fill value, and where the sensor has saturated.
        let (mut original, decoded) = volumes(SampleType::F32, shape, "K");
        original.fill_value = Some(original.samples().get(5));
        let mut samples = original.samples().clone();
        (1000..9000).step_by(3).for_each(|i| samples.set(i, f64::NAN));
        let masked = VolumeHeader::of(&original).with_samples(samples).unwrap();
        agree(&masked, &decoded, 1 << 16);
        // An equal one, a constant one, one that is all masked, and a flat one.
        agree(&masked, &masked, 1 << 16);
        let constant = Volume::new(vec![3u16; 600], [2, 3, 100]).unwrap();
        agree(&constant, &constant, 100);
        let nothing = Volume::new(vec![f64::NAN; 60], [5, 4, 3]).unwrap();
        agree(&nothing, &nothing, 100);
        let (original, decoded) = volumes(SampleType::F64, [60, 50, 1], "");
        agree(&original, &decoded, 100);
    }

    #[test]
    fn what_cannot_be_compared_is_refused_and_whoever_waits_ends_it() {
        let (original, _) = volumes(SampleType::U8, [5, 4, 30], "");
        let (other, _) = volumes(SampleType::U8, [5, 4, 29], "");
        let go_on = |_, _| ControlFlow::Continue(());
        let message = fidelity_of_sources(&original, &other, 100, go_on).unwrap_err().to_string();
        assert!(message.contains("[5, 4, 30] and [5, 4, 29]"), "{message}");
        for most in [0, 31, 75] {
            let stop = |done, _| if done > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            let error = fidelity_of_sources(&original, &original, 100, stop).unwrap_err();
            assert!(matches!(error, Error::Interrupted));
        }
    }
}
