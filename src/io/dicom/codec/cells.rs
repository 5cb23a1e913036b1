//! From the samples of a compressed image to the pixel cells that the header describes (PS3.5, sections 8.1.1 and 8.2).
//!
//! A compressed image has a precision of its own. Where it is smaller than the allocated bits, samples are widened, and
//! signed ones keep their sign; where it is larger, the header is wrong, and no pixels are made up.

use std::ops::RangeInclusive;

/// How pixels lie in their allocated bits.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) allocated: u32,
    pub(super) stored: u32,
    pub(super) high_bit: u32,
    pub(super) signed: bool,
    /// Padding, as values of all allocated bits.
    pub(super) padding: Option<RangeInclusive<i64>>,
}

/// What the bits of a compressed image's samples are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coded {
    /// Bits a sample.
    pub(super) precision: u32,
    /// Whether the highest bit may be a sign; a DCT knows no signs.
    pub(super) may_be_signed: bool,
    /// Whether samples may lie beside those that were encoded, and so beyond the stored bits.
    pub(super) lossy: bool,
}

impl Cell {
    /// Refuses samples of more bits than are allocated.
    pub(super) fn check(&self, precision: u32) -> Result<(), String> {
        if precision > self.allocated {
            return Err(format!(
                "the compressed image has {precision} bits a sample, the header allocates {}; Bits Allocated (0028,0100) is wrong",
                self.allocated
            ));
        }
        Ok(())
    }

    /// The cells of samples, little endian.
    pub(super) fn fill(
        &self,
        samples: impl ExactSizeIterator<Item = u32>,
        coded: Coded,
    ) -> Result<Vec<u8>, String> {
        self.check(coded.precision)?;
        let bytes = self.allocated as usize / 8;
        let mut cells = Vec::with_capacity(samples.len() * bytes);
        for sample in samples {
            let cell = self.cell(sample, coded) as u32;
            cells.extend_from_slice(cell.to_le_bytes().get(..bytes).ok_or("cells of more than 32 bits")?);
        }
        Ok(cells)
    }

    /// The value of a cell, signed where pixels are.
    fn cell(&self, sample: u32, Coded { precision, may_be_signed, lossy }: Coded) -> i64 {
        let sample = i64::from(sample);
        let sign = 1 << (precision - 1);
        let extended = self.signed && (may_be_signed || precision >= self.stored);
        let value = if extended && sample & sign != 0 { sample - 2 * sign } else { sample };
        if precision <= self.stored {
            // Whatever lies below the stored bits was not compressed.
            return value << (self.high_bit + 1 - self.stored);
        }
        let is_padding = self.padding.as_ref().is_some_and(|padding| padding.contains(&value));
        if lossy && self.high_bit + 1 == self.stored && !is_padding {
            // A little too bright must not become black.
            let half = 1 << (self.stored - 1);
            return if self.signed { value.clamp(-half, half - 1) } else { value.clamp(0, 2 * half - 1) };
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(allocated: u32, stored: u32, signed: bool) -> Cell {
        Cell { allocated, stored, high_bit: stored - 1, signed, padding: None }
    }

    fn words(cell: &Cell, samples: &[u32], precision: u32, lossy: bool) -> Vec<i16> {
        let coded = Coded { precision, may_be_signed: true, lossy };
        let bytes = cell.fill(samples.iter().copied(), coded).unwrap();
        bytes.as_chunks().0.iter().map(|b| i16::from_le_bytes(*b)).collect()
    }

    #[test]
    fn narrower_samples_are_widened_with_their_sign() {
        assert_eq!(words(&cell(16, 12, false), &[0, 127, 128, 255], 8, false), [0, 127, 128, 255]);
        assert_eq!(words(&cell(16, 16, true), &[0, 127, 128, 255], 8, false), [0, 127, -128, -1]);
        assert_eq!(words(&cell(16, 13, true), &[0x1fff, 0x0fff], 13, false), [-1, 4095]);
        let coded = Coded { precision: 12, may_be_signed: false, lossy: true };
        let of_dct = cell(16, 16, true).fill([4000].into_iter(), coded).unwrap();
        assert_eq!(of_dct, [0xa0, 0x0f], "12 bits without sign in a signed header of 16");
        let wide = Coded { precision: 16, may_be_signed: true, lossy: false };
        assert_eq!(cell(32, 32, true).fill([0xfffe].into_iter(), wide).unwrap(), [0xfe, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn wider_samples_are_refused() {
        let coded = Coded { precision: 16, may_be_signed: true, lossy: false };
        let what = cell(8, 8, false).fill([1].into_iter(), coded).unwrap_err();
        assert!(
            what.starts_with("the compressed image has 16 bits a sample, the header allocates 8"),
            "{what}"
        );
    }

    #[test]
    fn stored_bits_may_end_higher() {
        let high = Cell { high_bit: 15, ..cell(16, 12, false) };
        assert_eq!(words(&high, &[0x123], 12, false), [0x1230]);
        assert_eq!(words(&high, &[0x1230], 16, false), [0x1230], "the cell as it is");
    }

    #[test]
    fn lossy_samples_stay_within_the_stored_bits() {
        assert_eq!(words(&cell(16, 12, false), &[4100, 4095], 16, true), [4095, 4095]);
        assert_eq!(words(&cell(16, 12, true), &[-2050i16 as u16 as u32, 2050], 16, true), [-2048, 2047]);
        assert_eq!(
            words(&cell(16, 12, false), &[0x7123], 16, false),
            [0x7123],
            "other bits are the header's matter"
        );
        let padded = Cell { padding: Some(-3000..=-3000), ..cell(16, 12, true) };
        assert_eq!(words(&padded, &[-3000i16 as u16 as u32], 16, true), [-3000]);
    }
}
