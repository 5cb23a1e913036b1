//! A transfer function for data of which nothing is said.

use super::{Preset, TransferFunction};
use crate::volume::{Frame, VolumeHeader};

/// Bins of the histogram that values are told apart by.
const BINS: usize = 256;

/// The share of all samples above the threshold from which they are the background.
const MOST_ABOVE: f64 = 0.65;
/// For fields of simulations: dark blue, teal, green, yellow, red.
const FIELD_COLOURS: [[f32; 3]; 5] =
    [[0.16, 0.20, 0.52], [0.13, 0.50, 0.66], [0.38, 0.72, 0.48], [0.96, 0.82, 0.36], [0.80, 0.22, 0.16]];
/// For scans: from brown to ivory.
const SCAN_COLOURS: [[f32; 3]; 4] =
    [[0.42, 0.22, 0.16], [0.74, 0.48, 0.36], [0.92, 0.78, 0.66], [1.0, 0.97, 0.92]];

impl TransferFunction {
    /// One that shows what stands out of a volume: a CT's bones; otherwise what lies above the value that divides its samples best into a
    /// background and the rest (Otsu's threshold), the more opaque the larger the value. `samples` are some of its measurements, evenly spread.
    pub fn from_data(header: &VolumeHeader, samples: &[f64]) -> Self {
        if header.unit == "HU"
            && samples.iter().any(|value| *value < -200.0)
            && samples.iter().any(|value| *value > 200.0)
        {
            return Preset::Bone.transfer_function();
        }
        let (low, high) = samples.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| {
            (low.min(value), high.max(value))
        });
        if low >= high || !(high - low).is_finite() {
            let value = if low.is_finite() { low } else { 0.0 };
            return Self { colours: vec![(value, [0.8; 3])], opacities: vec![(value, 0.1)] };
        }
        let histogram = Histogram::of(samples, low, high);
        let threshold = histogram.threshold();
        let is_scan = header.geometry.frame == Frame::Lps || header.sample_type.is_integer();
        let above = samples.iter().filter(|&&value| value > threshold).count();
        if above as f64 > MOST_ABOVE * samples.len() as f64 {
            // What there is most of is the background: what stands out lies below.
            let turned: Vec<f64> = samples.iter().map(|value| -value).collect();
            return Self::of_what_stands_out(
                &Histogram::of(&turned, -high, -low),
                [-high, -low],
                -threshold,
                is_scan,
            )
            .turned();
        }
        Self::of_what_stands_out(&histogram, [low, high], threshold, is_scan)
    }

    /// With every value's sign changed.
    fn turned(mut self) -> Self {
        self.colours.iter_mut().for_each(|(value, _)| *value = -*value);
        self.opacities.iter_mut().for_each(|(value, _)| *value = -*value);
        self.colours.reverse();
        self.opacities.reverse();
        self
    }

    /// What lies above a threshold.
    fn of_what_stands_out(
        histogram: &Histogram,
        [low, high]: [f64; 2],
        threshold: f64,
        is_scan: bool,
    ) -> Self {
        // What few samples are beyond is as opaque as it gets.
        let top = histogram.quantile_above(threshold, 0.98).max(threshold + 0.05 * (high - low));
        let colours: &[[f32; 3]] = if is_scan { &SCAN_COLOURS } else { &FIELD_COLOURS };
        let at = |share: f64| threshold + share * (top - threshold);
        let colours = colours
            .iter()
            .enumerate()
            .map(|(n, colour)| (at(n as f64 / (colours.len() - 1) as f64), *colour))
            .collect();
        let foot = threshold - 0.35 * (threshold - low).min(top - threshold);
        let opacities = match is_scan {
            true => vec![(foot, 0.0), (threshold, 0.08), (at(0.5), 0.4), (at(1.0), 0.9)],
            false => vec![(foot, 0.0), (threshold, 0.02), (at(0.5), 0.08), (at(1.0), 0.5)],
        };
        Self { colours, opacities }
    }
}

/// How many samples each bin of a range has.
struct Histogram {
    low: f64,
    width: f64,
    counts: Vec<u64>,
}

impl Histogram {
    fn of(samples: &[f64], low: f64, high: f64) -> Self {
        let width = (high - low) / BINS as f64;
        let mut counts = vec![0; BINS];
        for value in samples {
            counts[(((value - low) / width) as usize).min(BINS - 1)] += 1;
        }
        Self { low, width, counts }
    }

    fn value(&self, bin: usize) -> f64 {
        self.low + (bin as f64 + 0.5) * self.width
    }

    /// Otsu's: where the variance between the two classes is largest.
    fn threshold(&self) -> f64 {
        let total: u64 = self.counts.iter().sum();
        let moment: f64 = self.counts.iter().enumerate().map(|(bin, &count)| bin as f64 * count as f64).sum();
        let (mut below, mut moment_below, mut best) = (0u64, 0.0, (0, 0.0));
        for bin in 0..BINS - 1 {
            below += self.counts[bin];
            moment_below += bin as f64 * self.counts[bin] as f64;
            let above = total - below;
            if below == 0 || above == 0 {
                continue;
            }
            let apart = moment_below / below as f64 - (moment - moment_below) / above as f64;
            let between = below as f64 * above as f64 * apart * apart;
            if between > best.1 {
                best = (bin, between);
            }
        }
        self.value(best.0) + self.width / 2.0
    }

    /// The value that this share of the samples above a value is below.
    fn quantile_above(&self, threshold: f64, share: f64) -> f64 {
        let first = ((threshold - self.low) / self.width) as usize;
        let total: u64 = self.counts[first.min(BINS - 1)..].iter().sum();
        let mut count = 0;
        for bin in first..BINS {
            count += self.counts[bin];
            if count as f64 >= share * total as f64 {
                return self.value(bin);
            }
        }
        self.value(BINS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Volume;

    #[test]
    fn a_background_is_transparent_and_what_stands_out_is_not() {
        let samples: Vec<f64> =
            (0..1000).map(|n| if n < 700 { (n % 10) as f64 } else { 100.0 + (n % 50) as f64 }).collect();
        let header = VolumeHeader::of(&Volume::new(vec![0f32; 8], [2; 3]).unwrap());
        let function = TransferFunction::from_data(&header, &samples);
        assert_eq!(function.opacity(5.0), 0.0);
        assert!(function.opacity(125.0) > 0.0 && function.opacity(149.0) > function.opacity(110.0));
        let turned: Vec<f64> = samples.iter().map(|value| -value).collect();
        let below = TransferFunction::from_data(&header, &turned);
        assert_eq!(below.opacity(-5.0), 0.0);
        assert!((below.opacity(-149.0) - function.opacity(149.0)).abs() < 0.05);
        let constant = TransferFunction::from_data(&header, &[3.0; 10]);
        assert!(constant.opacity(3.0) > 0.0);
        TransferFunction::from_data(&header, &[]);
    }

    #[test]
    fn a_ct_shows_its_bones() {
        let mut header = VolumeHeader::of(&Volume::new(vec![0i16; 8], [2; 3]).unwrap());
        header.unit = "HU".into();
        assert_eq!(
            TransferFunction::from_data(&header, &[-1000.0, 30.0, 900.0]),
            Preset::Bone.transfer_function()
        );
    }
}
