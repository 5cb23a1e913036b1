//! What the numbers of another grid say of a part's, where that grid was decoded before: the step before of a series over time.
//! Each decision's probability is mixed once more, with models that see the other grid's numbers. FORMAT.md, section LATG.

use super::magnitudes::{CELL, MARGIN, Magnitudes, quantised};
use super::mixer::{Mixed, Mixer, Probabilities};

/// Largest exponent of a magnitude.
const EXPONENTS: usize = 32;
/// Steps of an exponent told apart by contexts.
const STEPS: usize = 12;

/// The numbers that another grid has where a part's are.
pub(crate) struct Reference {
    shape: [usize; 3],
    /// x fastest.
    numbers: Vec<i32>,
    /// In the layout of the part's siblings.
    magnitudes: Magnitudes,
}

impl Reference {
    /// For a part of `shape`, whose level has siblings of `layout`.
    pub(crate) fn new(numbers: Vec<i32>, shape: [usize; 3], layout: [usize; 3]) -> Self {
        let mut magnitudes = Magnitudes::new(layout);
        for z in 0..shape[2] {
            for y in 0..shape[1] {
                let row = &numbers[shape[0] * (y + shape[1] * z)..][..shape[0]];
                let index = magnitudes.index([0, y, z]);
                for (to, number) in magnitudes.values[index..].iter_mut().zip(row) {
                    *to = number.unsigned_abs().min(255) as u8;
                }
            }
        }
        Self { shape, numbers, magnitudes }
    }

    /// What it says of the number at a place.
    #[inline(always)]
    pub(super) fn at(&self, at: usize, index: usize, steps: [usize; 3]) -> Seen {
        let here = u32::from(self.magnitudes.values[index]);
        Seen { number: self.numbers[at], here, around: self.magnitudes.around(index, steps) - 2 * here }
    }

    /// Sums of magnitudes in a cell, and around it.
    pub(super) fn cell(&self, cell: [usize; 3]) -> (u32, u32) {
        let bounds = |a: usize| (cell[a] * CELL, (cell[a] * CELL + CELL).min(self.shape[a]));
        let [(x0, x1), (y0, y1), (z0, z1)] = [bounds(0), bounds(1), bounds(2)];
        let [_, sy, sz] = self.magnitudes.steps();
        let sum = |ring: usize| {
            let mut sum = 0;
            for z in z0 + MARGIN - ring..z1 + MARGIN + ring {
                for y in y0 + MARGIN - ring..y1 + MARGIN + ring {
                    let row = &self.magnitudes.values[sy * y + sz * z..];
                    sum += row[x0 + MARGIN - ring..x1 + MARGIN + ring]
                        .iter()
                        .map(|&m| u32::from(m))
                        .sum::<u32>();
                }
            }
            sum
        };
        let inner = sum(0);
        (inner, sum(1) - inner)
    }
}

/// What the other grid has at a place and around it.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) number: i32,
    pub(super) here: u32,
    around: u32,
}

/// Two models and what was mixed before, mixed.
#[derive(Clone)]
pub(super) struct Second {
    models: [Probabilities; 2],
    mixer: Mixer<3>,
}

impl Second {
    /// `guess` says of the contexts of both models how likely a decision is 1.
    fn new(contexts: [usize; 2], sets: usize, guess: impl Fn(usize, usize) -> f64) -> Self {
        let models =
            std::array::from_fn(|n| Probabilities::guessed(contexts[n], |context| guess(n, context)));
        Self { models, mixer: Mixer::upon(sets) }
    }

    /// Mixes a decision once more, in contexts and with a set of weights.
    pub(super) fn upon<const N: usize>(&self, first: &Mixed<N>, (contexts, set): Contexts) -> Upon {
        let [a, b] = std::array::from_fn(|n| self.models[n].at(contexts[n]).logit());
        Upon { contexts, mixed: self.mixer.mix_logits([first.logit(), a, b], set) }
    }

    pub(super) fn learn(&mut self, upon: &Upon, bit: bool) {
        self.mixer.learn(&upon.mixed, bit);
        for (model, context) in self.models.iter_mut().zip(upon.contexts) {
            model.learn(context, bit);
        }
    }
}

/// Contexts of two models, and a mixer's set.
pub(super) type Contexts = ([usize; 2], usize);

/// A decision that was mixed once more, to learn from when it is known.
pub(super) struct Upon {
    contexts: [usize; 2],
    mixed: Mixed<3>,
}

impl Upon {
    /// The probability of a decision, mixed once more or not.
    pub(super) fn probability_of_zero<const N: usize>(upon: Option<&Self>, first: &Mixed<N>) -> u32 {
        upon.map_or(first.probability_of_zero(), |upon| upon.mixed.probability_of_zero())
    }
}

/// What is learned along a stream of how numbers follow the other grid's.
#[derive(Clone)]
pub(super) struct ReferenceModels {
    pub(super) cell: Second,
    pub(super) zero: Second,
    pub(super) exponent: Second,
    pub(super) mantissa: Second,
    pub(super) sign: Second,
}

impl ReferenceModels {
    pub(super) fn new() -> Self {
        Self {
            cell: Second::new([12 * 12, 12 * 4 * 12], 4, |n, context| {
                let inner = if n == 0 { context / 12 } else { context / 48 };
                [0.05, 0.4, 0.6][inner.min(2)]
            }),
            zero: Second::new([10 * 12 * 3, 8 * 8 * 6], 6, |n, context| {
                let here = if n == 0 { context / 36 } else { context / 48 };
                [0.1, 0.6, 0.9][here.min(2)]
            }),
            exponent: Second::new([STEPS * 16, STEPS * 16 * 8], STEPS, |n, context| {
                let context = if n == 0 { context } else { context / 8 };
                // Of the number's steps, two are an octave from 4 on.
                let (step, here) = (context / 16, context % 16);
                let exponent = match here {
                    0..4 => [0, 0, 1, 1][here],
                    here => here / 2,
                };
                if step < exponent { 0.85 } else { 0.15 }
            }),
            mantissa: Second::new([5 * EXPONENTS, 5 * 4], 5, |n, context| {
                let state = if n == 0 { context / EXPONENTS } else { context / 4 };
                [0.45, 0.3, 0.6, 0.3, 0.7][state]
            }),
            sign: Second::new([12, 12 * 27], 8, |n, context| {
                let here = if n == 0 { context } else { context / 27 };
                [0.95, 0.5, 0.05][here / 4]
            }),
        }
    }
}

impl Seen {
    pub(super) fn zero(&self, near: u32, parent: u32, high: usize) -> Contexts {
        let contexts = [
            (quantised(self.here, 9) * 12 + quantised(self.around, 11)) * 3 + high,
            (quantised(self.here, 7) * 8 + quantised(near, 7)) * 6 + quantised(parent, 5),
        ];
        (contexts, quantised(self.here, 5))
    }

    pub(super) fn exponent(&self, step: usize, near: u32) -> Contexts {
        let step = step.min(STEPS - 1);
        let here = step * 16 + quantised(self.number.unsigned_abs(), 15);
        ([here, here * 8 + quantised(near, 7)], step)
    }

    pub(super) fn sign(&self, neighbours: usize, orientation: usize) -> Contexts {
        let here = (self.number.signum() + 1) as usize * 4 + self.here.min(3) as usize;
        ([here, here * 27 + neighbours], orientation)
    }

    /// Of the bit `bit` behind the leading one of a magnitude of this exponent, whose bits until there are `magnitude`.
    pub(super) fn mantissa(&self, exponent: usize, bit: usize, magnitude: u32) -> Contexts {
        let other = self.number.unsigned_abs();
        let state = match other.checked_ilog2() {
            Some(log) if log as usize == exponent => match (other >> (bit + 1)).cmp(&magnitude) {
                std::cmp::Ordering::Less => 1,
                std::cmp::Ordering::Greater => 2,
                std::cmp::Ordering::Equal => 3 + (other >> bit & 1) as usize,
            },
            _ => 0,
        };
        ([state * EXPONENTS + exponent, state * 4 + (exponent - bit).min(3)], state)
    }
}

/// Contexts of a cell's flag.
pub(super) fn of_cell((inner, outer): (u32, u32), faces: usize, parent: u32) -> Contexts {
    let inner = quantised(inner, 11);
    ([inner * 12 + quantised(outer, 11), (inner * 4 + faces) * 12 + quantised(parent, 11)], inner.min(3))
}
