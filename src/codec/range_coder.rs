//! A binary range coder with carry propagation (Martin 1979; the byte-wise carry is that of LZMA's coder).
//!
//! All arithmetic is on integers: the same bytes on every machine.

/// Bits of a probability: it is in units of 2^-16, from 1 to 2^16 - 1.
pub(crate) const PROBABILITY_BITS: u32 = 16;

const RENORMALISE_BELOW: u32 = 1 << 24;

/// The part of the range that stands for 0.
fn split(range: u32, probability_of_zero: u32) -> u32 {
    ((u64::from(range) * u64::from(probability_of_zero)) >> PROBABILITY_BITS) as u32
}

/// Writes decisions.
pub(crate) struct RangeEncoder {
    low: u64,
    range: u32,
    /// The last byte not yet written: a carry may still raise it.
    pending: u8,
    /// How many 0xFF follow it.
    run: u64,
    started: bool,
    out: Vec<u8>,
}

impl RangeEncoder {
    pub(crate) fn new() -> Self {
        Self { low: 0, range: u32::MAX, pending: 0, run: 0, started: false, out: Vec::new() }
    }

    /// Codes a decision that is 0 with `probability_of_zero / 2^16`.
    pub(crate) fn encode(&mut self, bit: bool, probability_of_zero: u32) {
        let split = split(self.range, probability_of_zero);
        if bit {
            self.low += u64::from(split);
            self.range -= split;
        } else {
            self.range = split;
        }
        while self.range < RENORMALISE_BELOW {
            self.range <<= 8;
            self.shift();
        }
    }

    /// Codes the lowest `count` bits of a value, highest first, without a model.
    pub(crate) fn encode_raw(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            self.encode(value >> bit & 1 == 1, 1 << (PROBABILITY_BITS - 1));
        }
    }

    fn shift(&mut self) {
        let carry = (self.low >> 32) as u8;
        if self.low < 0xFF00_0000 || carry == 1 {
            if self.started {
                self.out.push(self.pending.wrapping_add(carry));
            }
            for _ in 0..self.run {
                self.out.push(0xFFu8.wrapping_add(carry));
            }
            self.run = 0;
            self.started = true;
            self.pending = (self.low >> 24) as u8;
        } else {
            self.run += 1;
        }
        self.low = (self.low & 0x00FF_FFFF) << 8;
    }

    /// The stream; trailing zero bytes are left out, the decoder reads zeros past its end.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        // The shortest number in [low, low + range): round low up until few bits are left.
        let top = self.low + u64::from(self.range) - 1;
        for keep in [0xFF00_0000u64, 0xFFFF_0000, 0xFFFF_FF00, 0xFFFF_FFFF] {
            let candidate = top & (keep | 0xFFFF_FFFF_0000_0000);
            if candidate >= self.low {
                self.low = candidate;
                break;
            }
        }
        for _ in 0..5 {
            self.shift();
        }
        while self.out.last() == Some(&0) {
            self.out.pop();
        }
        self.out
    }
}

/// Reads decisions. Past the end of the stream it reads zeros; checksums, not the coder, notice damage.
pub(crate) struct RangeDecoder<'a> {
    bytes: std::slice::Iter<'a, u8>,
    range: u32,
    code: u32,
}

impl<'a> RangeDecoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { bytes: bytes.iter(), range: u32::MAX, code: 0 };
        for _ in 0..4 {
            decoder.code = decoder.code << 8 | decoder.next();
        }
        decoder
    }

    fn next(&mut self) -> u32 {
        self.bytes.next().copied().unwrap_or(0).into()
    }

    /// The decision that was coded with the same probability.
    pub(crate) fn decode(&mut self, probability_of_zero: u32) -> bool {
        let split = split(self.range, probability_of_zero);
        let bit = self.code >= split;
        if bit {
            self.code -= split;
            self.range -= split;
        } else {
            self.range = split;
        }
        while self.range < RENORMALISE_BELOW {
            self.range <<= 8;
            self.code = self.code << 8 | self.next();
        }
        bit
    }

    /// Bits coded without a model.
    pub(crate) fn decode_raw(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |value, _| value << 1 | u32::from(self.decode(1 << (PROBABILITY_BITS - 1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decisions_come_back(decisions in prop::collection::vec((any::<bool>(), 1u32..65536), 0..3000)) {
            let mut encoder = RangeEncoder::new();
            for &(bit, p) in &decisions {
                encoder.encode(bit, p);
            }
            let bytes = encoder.finish();
            let mut decoder = RangeDecoder::new(&bytes);
            for &(bit, p) in &decisions {
                prop_assert_eq!(decoder.decode(p), bit);
            }
        }
    }

    #[test]
    fn likely_decisions_cost_their_entropy() {
        let mut encoder = RangeEncoder::new();
        for i in 0..100_000 {
            encoder.encode(i % 100 == 0, 64880);
        }
        let bits = 8.0 * encoder.finish().len() as f64;
        let (p, q) = (64880.0 / 65536.0f64, 656.0 / 65536.0f64);
        let entropy = -(99_000.0 * p.log2() + 1000.0 * q.log2());
        assert!((bits - entropy).abs() < 0.001 * entropy + 32.0, "{bits} bits, entropy {entropy}");
    }

    #[test]
    fn an_empty_stream_is_empty() {
        assert!(RangeEncoder::new().finish().len() <= 1);
    }
}
