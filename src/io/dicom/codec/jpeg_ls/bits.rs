//! The bits of a scan: after a byte of ones the next has seven bits (ISO 14495-1, A.1), and Golomb code words (A.5.3).

use crate::io::dicom::codec::markers::behind_restart_marker;

const ENDS: &str = "the scan ends early";

pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// Bits that were taken out of the bytes and not yet read, the next one on top.
    buffer: u64,
    ready: u32,
    after_ones: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, ready: 0, after_ones: false }
    }

    /// Takes bytes until there are at least 57 bits, or a marker or the end is reached.
    fn fill(&mut self) {
        while self.ready <= 56 {
            let Some(&byte) = self.data.get(self.at) else { return };
            let bits = if self.after_ones {
                // With its highest bit it is the second byte of a marker.
                if byte >= 0x80 {
                    return;
                }
                7
            } else {
                // A marker's first byte holds no bits.
                if byte == 0xff && self.data.get(self.at + 1).is_none_or(|&next| next >= 0x80) {
                    return;
                }
                8
            };
            self.buffer |= u64::from(byte) << (64 - bits - self.ready);
            self.ready += bits;
            self.at += 1;
            self.after_ones = byte == 0xff;
        }
    }

    /// A number of `count` bits, at most 32.
    pub(super) fn read(&mut self, count: u32) -> Result<u32, String> {
        if count == 0 {
            return Ok(0);
        }
        if self.ready < count {
            self.fill();
        }
        self.ready = self.ready.checked_sub(count).ok_or(ENDS)?;
        let value = (self.buffer >> (64 - count)) as u32;
        self.buffer <<= count;
        Ok(value)
    }

    /// How many zeros come before the next one, which is read too; `most` at the most.
    fn zeros(&mut self, most: u32) -> Result<u32, String> {
        let mut count = 0;
        loop {
            if self.ready == 0 {
                self.fill();
            }
            let zeros = self.buffer.leading_zeros().min(self.ready);
            count += zeros;
            if count > most {
                return Err("a code word longer than allowed".into());
            }
            if zeros < self.ready {
                self.ready -= zeros + 1;
                self.buffer = self.buffer << zeros << 1;
                return Ok(count);
            }
            if self.ready == 0 {
                return Err(ENDS.into());
            }
            (self.buffer, self.ready) = (0, 0);
        }
    }

    /// A number in the limited Golomb code with `k` bits as they are, words of at most `limit` bits, and numbers of
    /// `plain` bits behind the longest prefix.
    pub(super) fn golomb(&mut self, k: u32, limit: u32, plain: u32) -> Result<i32, String> {
        let longest = limit - plain - 1;
        if self.ready < 32 {
            self.fill();
        }
        // Most code words are short, and whole in what was taken.
        let prefix = self.buffer.leading_zeros();
        let length = prefix + 1 + k;
        if prefix < longest && length <= self.ready {
            let value = (self.buffer << prefix << 1) >> 1 >> (63 - k);
            self.buffer = self.buffer << prefix << (1 + k);
            self.ready -= length;
            let value = u64::from(prefix) << k | value;
            return i32::try_from(value).map_err(|_| "an error beyond any sample".into());
        }
        let prefix = self.zeros(longest)?;
        let value = if prefix < longest {
            u64::from(prefix) << k | u64::from(self.read(k)?)
        } else {
            u64::from(self.read(plain)?) + 1
        };
        i32::try_from(value).map_err(|_| "an error beyond any sample".into())
    }

    /// Steps over a restart marker with this number, 0 to 7.
    pub(super) fn restart(&mut self, number: usize) -> Result<(), String> {
        // The rest of the last byte is padding.
        self.fill();
        let at = behind_restart_marker(self.data, self.at, self.ready, number)?;
        *self = Self { data: self.data, at, buffer: 0, ready: 0, after_ones: false };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_of_ones_is_followed_by_seven_bits() {
        let mut bits = Bits::new(&[0xff, 0x7f, 0x80, 0xff, 0xd9]);
        assert_eq!(bits.read(15), Ok(0x7fff));
        assert_eq!(bits.read(8), Ok(0x80));
        assert_eq!(bits.read(1), Err(ENDS.into()));
    }

    #[test]
    fn code_words() {
        // Prefix 2 and k = 2: 001 10 is 2 * 4 + 2; then the longest prefix of 3 and 4 bits: 0001 0110 is 6 + 1.
        let mut bits = Bits::new(&[0b0011_0000, 0b1011_0000]);
        assert_eq!(bits.golomb(2, 8, 4), Ok(10));
        assert_eq!(bits.golomb(2, 8, 4), Ok(7));
        assert!(bits.golomb(0, 8, 4).is_err());
        assert!(Bits::new(&[0; 20]).golomb(2, 32, 8).unwrap_err().contains("longer than allowed"));
    }
}
