//! The lowest band of a pyramid: few numbers, all of them other than 0, each predicted from those before it.

use super::coefficients::Decisions;
use super::mixer::{Mixer, Probabilities};

/// Exponents of what a prediction is off by.
const EXPONENTS: usize = 31;

/// Codes the band (x fastest) that `decisions` wants or reads.
pub(crate) fn code_low_band<D: Decisions>(
    shape: [usize; 3],
    reference: Option<&[i32]>,
    decisions: &mut D,
) -> Vec<i32> {
    let [nx, ny, _] = shape;
    let mut numbers = vec![0i32; shape.iter().product()];
    let mut models = LowModels::new();
    let mut size = 0;
    for at in 0..numbers.len() {
        let [x, y, z] = [at % nx, at / nx % ny, at / nx / ny];
        // The mean of the neighbours that came before.
        let neighbours = [(x, 1), (y, nx), (z, nx * ny)];
        let known = neighbours.iter().filter(|(n, _)| *n > 0);
        let other = |at: usize| reference.map_or(0, |reference| i64::from(reference[at]));
        let (sum, count) = known.fold((0i64, 0), |(s, c), (_, back)| {
            (s + i64::from(numbers[at - back]) - other(at - back), c + 1)
        });
        let prediction = (if count == 0 { 0 } else { sum.div_euclid(count) } + other(at)) as i32;
        let wanted = decisions.number(at, 1 << 15, 0, |_| 0.0);
        let off = models.code(wanted.wrapping_sub(prediction), size, decisions);
        numbers[at] = prediction.wrapping_add(off);
        // How far off the last ones were, in octaves: the next one's context.
        size = (size + off.unsigned_abs().checked_ilog2().map_or(0, |log| log as usize + 1)).div_ceil(2);
    }
    numbers
}

struct LowModels {
    exponent: Probabilities,
    bits: Probabilities,
    sign: Probabilities,
    mixer: Mixer<1>,
}

impl LowModels {
    fn new() -> Self {
        Self {
            exponent: Probabilities::new((EXPONENTS + 1) * (EXPONENTS + 2)),
            bits: Probabilities::new(EXPONENTS + 1),
            sign: Probabilities::new(1),
            mixer: Mixer::new(1),
        }
    }

    fn code<D: Decisions>(&mut self, wanted: i32, size: usize, decisions: &mut D) -> i32 {
        let wanted_size = wanted.unsigned_abs().checked_ilog2().map_or(0, |log| log as usize + 1);
        let mut octave = 0;
        while octave < EXPONENTS {
            let context = size.min(EXPONENTS) * (EXPONENTS + 2) + octave;
            let more =
                Self::decide(&mut self.mixer, &mut self.exponent, context, wanted_size > octave, decisions);
            if !more {
                break;
            }
            octave += 1;
        }
        if octave == 0 {
            return 0;
        }
        let mut magnitude = 1u32;
        for bit in (0..octave - 1).rev() {
            let wanted = wanted.unsigned_abs() >> bit & 1 == 1;
            let set = Self::decide(&mut self.mixer, &mut self.bits, octave, wanted, decisions);
            magnitude = magnitude << 1 | u32::from(set);
        }
        let negative = Self::decide(&mut self.mixer, &mut self.sign, 0, wanted < 0, decisions);
        if negative { -(magnitude as i32) } else { magnitude as i32 }
    }

    fn decide<D: Decisions>(
        mixer: &mut Mixer<1>,
        probabilities: &mut Probabilities,
        context: usize,
        wanted: bool,
        decisions: &mut D,
    ) -> bool {
        let mixed = mixer.mix([probabilities.at(context)], 0);
        let bit = decisions.decide(wanted, mixed.probability_of_zero());
        mixer.learn(&mixed, bit);
        probabilities.learn(context, bit);
        bit
    }
}
