//! The adaptive statistics of a scan: a context for each class of gradients, and two for the ends of runs
//! (ISO 14495-1, A.3 to A.6 and A.7.2).

use super::parameters::Parameters;

/// Contexts of signed classes, two of which that differ by their sign alone are one.
pub(super) const REGULAR: usize = 365;

/// Bounds of the correction of a prediction.
const CORRECTIONS: std::ops::RangeInclusive<i32> = -128..=127;

/// A context of samples outside runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Regular {
    /// A: the sum of the errors' magnitudes.
    magnitudes: i64,
    /// B: the sum of the errors, less what the correction took.
    bias: i32,
    /// C: what is added to a prediction.
    pub(super) correction: i32,
    /// N: how many samples the sums are of.
    count: i32,
}

impl Regular {
    pub(super) fn new(parameters: &Parameters) -> Self {
        Self { magnitudes: initial_magnitudes(parameters), bias: 0, correction: 0, count: 1 }
    }

    /// k: how many bits of an error are coded as they are.
    pub(super) fn golomb_bits(&self) -> u32 {
        golomb_bits(self.count, self.magnitudes)
    }

    /// The error that a code word's number stands for (A.5.2, backwards).
    pub(super) fn error(&self, mapped: i32, k: u32, near: i32) -> i32 {
        let half = mapped >> 1;
        // Where errors are mostly negative, the signs' order is the other one.
        let turned = near == 0 && k == 0 && 2 * self.bias <= -self.count;
        match (mapped & 1 == 0, turned) {
            (true, false) => half,
            (false, false) => -half - 1,
            (true, true) => -half - 1,
            (false, true) => half,
        }
    }

    /// Takes an error into the statistics (A.6).
    pub(super) fn update(&mut self, error: i32, parameters: &Parameters) {
        self.bias += error * (2 * parameters.near + 1);
        self.magnitudes += i64::from(error.abs());
        if self.count == parameters.reset {
            self.magnitudes >>= 1;
            self.bias = if self.bias >= 0 { self.bias >> 1 } else { -((1 - self.bias) >> 1) };
            self.count >>= 1;
        }
        self.count += 1;
        if self.bias <= -self.count {
            self.bias = (self.bias + self.count).max(1 - self.count);
            self.correction = (self.correction - 1).max(*CORRECTIONS.start());
        } else if self.bias > 0 {
            self.bias = (self.bias - self.count).min(0);
            self.correction = (self.correction + 1).min(*CORRECTIONS.end());
        }
    }
}

/// A context of samples that end a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunEnd {
    magnitudes: i64,
    count: i32,
    /// Nn: how many errors were negative.
    negative: i32,
    /// RItype: 1 where the samples on the left and above are alike.
    alike: i32,
}

impl RunEnd {
    pub(super) fn new(parameters: &Parameters, alike: bool) -> Self {
        Self { magnitudes: initial_magnitudes(parameters), count: 1, negative: 0, alike: alike.into() }
    }

    pub(super) fn golomb_bits(&self) -> u32 {
        golomb_bits(self.count, self.magnitudes + i64::from(self.alike * (self.count >> 1)))
    }

    /// The error that a code word's number stands for (A.7.2.2, backwards).
    pub(super) fn error(&self, mapped: i32, k: u32) -> i32 {
        let sum = mapped + self.alike;
        let odd = sum & 1 == 1;
        let magnitude = (sum + sum % 2) / 2;
        if odd == (k != 0 || 2 * self.negative >= self.count) { -magnitude } else { magnitude }
    }

    pub(super) fn update(&mut self, error: i32, mapped: i32, parameters: &Parameters) {
        self.negative += i32::from(error < 0);
        self.magnitudes += i64::from((mapped + 1 - self.alike) >> 1);
        if self.count == parameters.reset {
            self.magnitudes >>= 1;
            self.count >>= 1;
            self.negative >>= 1;
        }
        self.count += 1;
    }
}

fn initial_magnitudes(parameters: &Parameters) -> i64 {
    ((i64::from(parameters.range) + 32) / 64).max(2)
}

/// The smallest k for which `count << k` is at least `magnitudes` (A.5.1).
fn golomb_bits(count: i32, magnitudes: i64) -> u32 {
    // From the first k with which both have the same number of bits.
    let k = (magnitudes.max(1).ilog2()).saturating_sub(count.max(1).ilog2());
    k + u32::from(i64::from(count) << k < magnitudes)
}
