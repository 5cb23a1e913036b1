//! The probabilities that several models give a decision, mixed into one: logistic mixing with online gradient descent
//! (Mattern 2012; the method of the PAQ family), in integers, so that every machine comes to the same bits.
//!
//! Logits are ln(p / (1 - p)) in units of 1/256.

/// Largest logit: 10.
const MOST_LOGIT: i32 = 10 * 256;

/// Probabilities in units of 2^-16 by logit, from `-MOST_LOGIT` on. Made by multiplications and divisions of float64
/// alone, which are the same on every machine.
static SQUASHED: [u16; 2 * MOST_LOGIT as usize + 1] = {
    /// e^(1/256).
    const RATIO: f64 = 1.003_913_889_338_347_6;
    let mut table = [0; 2 * MOST_LOGIT as usize + 1];
    let mut odds = 1.0;
    let mut n = 0;
    while n <= MOST_LOGIT as usize {
        let probability = 65536.0 / (1.0 + odds);
        table[MOST_LOGIT as usize - n] = probability as u16;
        table[MOST_LOGIT as usize + n] = (65536.0 - probability) as u16;
        odds *= RATIO;
        n += 1;
    }
    table
};

/// Bits of a probability of which its logit is looked up.
const LOGIT_BITS: u32 = 12;

/// The inverse of [`SQUASHED`], at the middles of steps of a probability.
static LOGITS: [i16; 1 << LOGIT_BITS] = {
    let mut table = [0; 1 << LOGIT_BITS];
    let mut at = 0;
    let mut n = 0;
    while n < 1 << LOGIT_BITS {
        let probability = (n << (16 - LOGIT_BITS)) + (1 << (15 - LOGIT_BITS));
        while at + 1 < SQUASHED.len() && (SQUASHED[at] as usize) < probability {
            at += 1;
        }
        table[n] = (at as i32 - MOST_LOGIT) as i16;
        n += 1;
    }
    table
};

/// A probability in units of 2^-16 by its logit.
fn squash(logit: i32) -> u32 {
    SQUASHED[(logit.clamp(-MOST_LOGIT, MOST_LOGIT) + MOST_LOGIT) as usize].into()
}

/// How likely a decision is 1, learned from those seen in one context: a probability in units of 2^-16, and how many were seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probability {
    value: u16,
    seen: u8,
}

/// Decisions that a guess counts as.
const FEW: u8 = 8;

/// After so many decisions a probability moves by their inverse and no slower.
const MOST_SEEN: u8 = 40;

impl Probability {
    pub(super) const NEW: Self = Self { value: 1 << 15, seen: 0 };

    fn learn(&mut self, bit: bool) {
        let target = if bit { 65535 } else { 0 };
        self.value = (i32::from(self.value)
            + (((target - i32::from(self.value)) * INVERSE[usize::from(self.seen)]) >> 16))
            as u16;
        self.seen = (self.seen + 1).min(MOST_SEEN);
    }

    /// The logit, nearer to 0 the less was seen.
    pub(super) fn logit(self) -> i32 {
        let logit = i32::from(LOGITS[usize::from(self.value) >> (16 - LOGIT_BITS)]);
        (logit * CONFIDENCE[usize::from(self.seen)]) >> 8
    }
}

/// `2^16 / (n + 1.6)`, rounded down.
static INVERSE: [i32; MOST_SEEN as usize + 1] = {
    let mut table = [0; MOST_SEEN as usize + 1];
    let mut n = 0;
    while n < table.len() {
        table[n] = (10 << 16) / (10 * n as i32 + 16);
        n += 1;
    }
    table
};

/// `256 n / (n + 1.6)`, rounded down.
static CONFIDENCE: [i32; MOST_SEEN as usize + 1] = {
    let mut table = [0; MOST_SEEN as usize + 1];
    let mut n = 0;
    while n < table.len() {
        table[n] = (10 * 256 * n as i32) / (10 * n as i32 + 16);
        n += 1;
    }
    table
};

/// One of a mixer's weight is this.
const ONE: i32 = 1 << 16;
/// Weights stay within this.
const MOST_WEIGHT: i64 = 1 << 20;
/// How fast weights learn: a rate times logit times error (of a probability in units of 2^-16), shifted down; fast while a set has seen little,
/// slower after every so many decisions.
const RATE_SHIFT: u32 = 18;
const RATES: [i32; 4] = [24, 16, 10, 6];
const RATE_STEPS: u32 = 200;

/// Mixes `N` logits; one set of weights a kind of decision.
#[derive(Debug, Clone)]
pub(super) struct Mixer<const N: usize> {
    weights: Vec<[i32; N]>,
    seen: Vec<u32>,
}

/// A mixed probability, to learn from when the decision is known.
pub(super) struct Mixed<const N: usize> {
    logits: [i32; N],
    set: usize,
    logit: i32,
    probability_of_one: u32,
}

impl<const N: usize> Mixed<N> {
    pub(super) fn logit(&self) -> i32 {
        self.logit
    }

    /// In units of 2^-16, kept from the ends.
    pub(super) fn probability_of_zero(&self) -> u32 {
        (65536 - self.probability_of_one).clamp(8, 65536 - 8)
    }
}

impl<const N: usize> Mixer<N> {
    pub(super) fn new(sets: usize) -> Self {
        Self { weights: vec![[ONE * 3 / (2 * N as i32 + 2); N]; sets], seen: vec![0; sets] }
    }

    /// Upon another one, whose logit comes first.
    pub(super) fn upon(sets: usize) -> Self {
        let mut weights = [ONE * 2 / 5; N];
        weights[0] = ONE / 2;
        Self { weights: vec![weights; sets], seen: vec![0; sets] }
    }

    pub(super) fn mix(&self, probabilities: [Probability; N], set: usize) -> Mixed<N> {
        self.mix_logits(probabilities.map(Probability::logit), set)
    }

    pub(super) fn mix_logits(&self, logits: [i32; N], set: usize) -> Mixed<N> {
        let weights = &self.weights[set];
        let sum: i64 = (0..N).map(|n| i64::from(logits[n]) * i64::from(weights[n])).sum();
        let logit = (sum >> 16).clamp(-i64::from(MOST_LOGIT), i64::from(MOST_LOGIT)) as i32;
        Mixed { logits, set, logit, probability_of_one: squash(logit) }
    }

    pub(super) fn learn(&mut self, mixed: &Mixed<N>, bit: bool) {
        let error = if bit { 65535 } else { 0 } - mixed.probability_of_one as i32;
        let seen = &mut self.seen[mixed.set];
        let rate = RATES[((*seen / RATE_STEPS) as usize).min(RATES.len() - 1)];
        *seen = seen.saturating_add(1);
        for (weight, logit) in self.weights[mixed.set].iter_mut().zip(mixed.logits) {
            let change = (i64::from(logit) * i64::from(error) * i64::from(rate)) >> RATE_SHIFT;
            *weight = (i64::from(*weight) + change).clamp(-MOST_WEIGHT, MOST_WEIGHT) as i32;
        }
    }
}

/// The probabilities of one model: one a context.
#[derive(Debug, Clone)]
pub(super) struct Probabilities(Vec<Probability>);

impl Probabilities {
    pub(super) fn new(contexts: usize) -> Self {
        Self(vec![Probability::NEW; contexts])
    }

    /// With a first guess of how likely a decision is 1 in each context, as if a few had been seen.
    pub(super) fn guessed(contexts: usize, guess: impl Fn(usize) -> f64) -> Self {
        let first = |context| Probability { value: (guess(context) * 65536.0) as u16, seen: FEW };
        Self((0..contexts).map(first).collect())
    }

    pub(super) fn at(&self, context: usize) -> Probability {
        self.0[context]
    }

    pub(super) fn learn(&mut self, context: usize, bit: bool) {
        self.0[context].learn(bit);
    }
}
