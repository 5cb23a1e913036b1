//! An adaptive probability of a binary decision.

use super::{RangeDecoder, RangeEncoder};

/// Learns how likely a decision is 0: quickly while it has seen little, then as the mean of a slow and a fast average.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BitModel {
    slow: u16,
    fast: u16,
    seen: u8,
}

/// The slow average's final rate is 2^-7, the fast one's 2^-4.
const SLOW: u32 = 7;
const FAST: u32 = 4;

impl BitModel {
    pub(crate) const fn new() -> Self {
        Self { slow: 1 << 15, fast: 1 << 15, seen: 0 }
    }

    /// In units of 2^-16, kept from the ends, where a surprise would cost too much.
    fn probability_of_zero(self) -> u32 {
        ((u32::from(self.slow) * 3 + u32::from(self.fast)) >> 2).clamp(64, 65536 - 64)
    }

    fn learn(&mut self, bit: bool) {
        let target = if bit { 0i32 } else { 65535 };
        // While n < 2^rate decisions were seen, the average of n + 1.5 moves by its inverse, in 16-bit fixed point.
        let step = |value: u16, rate: u32| {
            let weight = INVERSE[usize::from(self.seen)].max(1 << (16 - rate));
            (i32::from(value) + (((target - i32::from(value)) as i64 * weight as i64) >> 16) as i32) as u16
        };
        (self.slow, self.fast) = (step(self.slow, SLOW), step(self.fast, FAST));
        self.seen = (self.seen + 1).min(INVERSE.len() as u8 - 1);
    }

    pub(crate) fn encode(&mut self, coder: &mut RangeEncoder, bit: bool) {
        coder.encode(bit, self.probability_of_zero());
        self.learn(bit);
    }

    pub(crate) fn decode(&mut self, coder: &mut RangeDecoder<'_>) -> bool {
        let bit = coder.decode(self.probability_of_zero());
        self.learn(bit);
        bit
    }
}

/// `2^16 / (n + 1.5)` for n = 0 to 127, rounded down.
static INVERSE: [u32; 128] = {
    let mut table = [0; 128];
    let mut n = 0;
    while n < 128 {
        table[n] = (2 << 16) / (2 * n as u32 + 3);
        n += 1;
    }
    table
};
