//! Several models' opinions on a decision, mixed into one probability: logistic mixing with online gradient descent
//! (Mattern 2012; the method of the PAQ family), in whole numbers, so that every machine comes to the same bits.
//!
//! Opinions are "stretched" probabilities: ln(p / (1 - p)) in units of 1/256.

/// Largest stretched probability: 10.
const MOST_STRETCH: i32 = 10 * 256;

/// Shares of 2^16 by stretched probability, from `-MOST_STRETCH` on. Made by multiplications and divisions of float64
/// alone, which are the same on every machine.
static SQUASHED: [u16; 2 * MOST_STRETCH as usize + 1] = {
    /// e^(1/256).
    const RATIO: f64 = 1.003_913_889_338_347_6;
    let mut table = [0; 2 * MOST_STRETCH as usize + 1];
    let mut odds = 1.0;
    let mut n = 0;
    while n <= MOST_STRETCH as usize {
        let share = 65536.0 / (1.0 + odds);
        table[MOST_STRETCH as usize - n] = share as u16;
        table[MOST_STRETCH as usize + n] = (65536.0 - share) as u16;
        odds *= RATIO;
        n += 1;
    }
    table
};

/// Bits of a share of which a stretched probability is looked up.
const STRETCH_BITS: u32 = 12;

/// The inverse of [`SQUASHED`], at the middles of steps of a share.
static STRETCHED: [i16; 1 << STRETCH_BITS] = {
    let mut table = [0; 1 << STRETCH_BITS];
    let mut at = 0;
    let mut n = 0;
    while n < 1 << STRETCH_BITS {
        let share = (n << (16 - STRETCH_BITS)) + (1 << (15 - STRETCH_BITS));
        while at + 1 < SQUASHED.len() && (SQUASHED[at] as usize) < share {
            at += 1;
        }
        table[n] = (at as i32 - MOST_STRETCH) as i16;
        n += 1;
    }
    table
};

/// A share of 2^16 by its stretched probability.
fn squash(stretched: i32) -> u32 {
    SQUASHED[(stretched.clamp(-MOST_STRETCH, MOST_STRETCH) + MOST_STRETCH) as usize].into()
}

/// How likely a decision is 1, learned from those seen in one context: a share of 2^16, and how many were seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    share: u16,
    seen: u8,
}

/// After so many decisions a count moves by their inverse and no slower.
const MOST_SEEN: u8 = 40;

impl Count {
    pub(super) const NEW: Self = Self { share: 1 << 15, seen: 0 };

    fn learn(&mut self, bit: bool) {
        let target = if bit { 65535 } else { 0 };
        self.share = (i32::from(self.share)
            + (((target - i32::from(self.share)) * INVERSE[usize::from(self.seen)]) >> 16))
            as u16;
        self.seen = (self.seen + 1).min(MOST_SEEN);
    }

    /// The stretched probability, nearer to 0 the less was seen.
    fn opinion(self) -> i32 {
        let stretched = i32::from(STRETCHED[usize::from(self.share) >> (16 - STRETCH_BITS)]);
        (stretched * CONFIDENCE[usize::from(self.seen)]) >> 8
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
/// How fast weights learn: a rate times opinion times error (a share of 2^16), shifted down; fast while a set has seen little,
/// slower after every so many decisions.
const RATE_SHIFT: u32 = 18;
const RATES: [i32; 4] = [24, 16, 10, 6];
const RATE_STEPS: u32 = 200;

/// Mixes `N` counts' opinions; one set of weights a kind of decision.
#[derive(Debug, Clone)]
pub(super) struct Mixer<const N: usize> {
    weights: Vec<[i32; N]>,
    seen: Vec<u32>,
}

/// A mixed opinion, to learn from when the decision is known.
pub(super) struct Mixed<const N: usize> {
    opinions: [i32; N],
    set: usize,
    share_of_one: u32,
}

impl<const N: usize> Mixed<N> {
    /// Share of 2^16, kept from the ends.
    pub(super) fn probability_of_zero(&self) -> u32 {
        (65536 - self.share_of_one).clamp(8, 65536 - 8)
    }
}

impl<const N: usize> Mixer<N> {
    pub(super) fn new(sets: usize) -> Self {
        Self { weights: vec![[ONE * 3 / (2 * N as i32 + 2); N]; sets], seen: vec![0; sets] }
    }

    pub(super) fn mix(&self, counts: [Count; N], set: usize) -> Mixed<N> {
        let opinions = counts.map(Count::opinion);
        let weights = &self.weights[set];
        let sum: i64 = (0..N).map(|n| i64::from(opinions[n]) * i64::from(weights[n])).sum();
        let stretched = (sum >> 16).clamp(-i64::from(MOST_STRETCH), i64::from(MOST_STRETCH)) as i32;
        Mixed { opinions, set, share_of_one: squash(stretched) }
    }

    pub(super) fn learn(&mut self, mixed: &Mixed<N>, bit: bool) {
        let error = if bit { 65535 } else { 0 } - mixed.share_of_one as i32;
        let seen = &mut self.seen[mixed.set];
        let rate = RATES[((*seen / RATE_STEPS) as usize).min(RATES.len() - 1)];
        *seen = seen.saturating_add(1);
        for (weight, opinion) in self.weights[mixed.set].iter_mut().zip(mixed.opinions) {
            let change = (i64::from(opinion) * i64::from(error) * i64::from(rate)) >> RATE_SHIFT;
            *weight = (i64::from(*weight) + change).clamp(-MOST_WEIGHT, MOST_WEIGHT) as i32;
        }
    }
}

/// The counts of one model: one a context.
#[derive(Debug, Clone)]
pub(super) struct Counts(Vec<Count>);

impl Counts {
    pub(super) fn new(contexts: usize) -> Self {
        Self(vec![Count::NEW; contexts])
    }

    pub(super) fn at(&self, context: usize) -> Count {
        self.0[context]
    }

    pub(super) fn learn(&mut self, context: usize, bit: bool) {
        self.0[context].learn(bit);
    }
}
