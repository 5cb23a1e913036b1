//! Rate-distortion optimised quantisation: the encoder chooses each integer for the sum of its squared error and lambda times
//! the bits that it takes with the models as they are just then.

use super::RangeEncoder;
use super::coefficients::{Decisions, bits};
use super::magnitudes::CELL;

/// Chooses and writes a part's coefficients.
pub(crate) struct Choice<'a> {
    pub(crate) encoder: &'a mut RangeEncoder,
    /// The coefficients in steps.
    pub(crate) scaled: &'a [f32],
    pub(crate) shape: [usize; 3],
    /// What a bit costs, in squared steps.
    pub(crate) lambda: f32,
}

/// Where a magnitude's coefficients lie on average, beside it: the encoder's assumption.
const OFFSET: f32 = 0.0;
/// What an encoder writes at most; a decoder takes twice as much.
const MOST_MAGNITUDE: u32 = 1 << 30;
/// Bits that a coefficient takes in a cell that holds few, about, beside its place in the cell.
const LONELY_BITS: f32 = 2.5;

impl Choice<'_> {
    fn error(value: f32, magnitude: u32) -> f32 {
        let off = match magnitude {
            0 => value,
            m => value - m as f32 - OFFSET,
        };
        off * off
    }
}

impl Decisions for Choice<'_> {
    fn decide(&mut self, wanted: bool, probability_of_zero: u32) -> bool {
        self.encoder.encode(wanted, probability_of_zero);
        wanted
    }

    fn cell(&mut self, cell: [usize; 3], probability_of_zero: u32) -> bool {
        let [nx, ny, _] = self.shape;
        let end: [usize; 3] = std::array::from_fn(|a| (cell[a] * CELL + CELL).min(self.shape[a]));
        let (mut gain, mut others) = (0.0, 0u32);
        for z in cell[2] * CELL..end[2] {
            for y in cell[1] * CELL..end[1] {
                let row = nx * (y + ny * z);
                for value in &self.scaled[row + cell[0] * CELL..row + end[0]] {
                    let value = value.abs();
                    if value > 0.55 {
                        others += 1;
                        let magnitude = (value.round() as u32).clamp(1, MOST_MAGNITUDE);
                        gain += (Self::error(value, 0) - Self::error(value, magnitude)).max(0.0);
                    }
                }
            }
        }
        if others == 0 {
            return false;
        }
        let positions = others as f32 * (LONELY_BITS + (64.0 / others as f32).log2());
        let flag = bits(65536 - probability_of_zero) - bits(probability_of_zero);
        gain > self.lambda * (flag + positions)
    }

    fn number(
        &mut self,
        at: usize,
        probability_of_zero: u32,
        reference: i32,
        magnitude: impl Fn(u32) -> f32,
    ) -> i32 {
        let value = self.scaled[at].abs();
        let most = (value.round() as u32).min(MOST_MAGNITUDE);
        if most == 0 {
            return 0;
        }
        let (zero, other) = (bits(probability_of_zero), bits(65536 - probability_of_zero));
        let mut best = (Self::error(value, 0) + self.lambda * zero, 0);
        // One more may be what the other grid has.
        let alike = (reference < 0) == (self.scaled[at] < 0.0) && reference.unsigned_abs() == most + 1;
        for candidate in most.saturating_sub(1).max(1)..=most + u32::from(alike) {
            let cost = Self::error(value, candidate) + self.lambda * (other + magnitude(candidate));
            if cost < best.0 {
                best = (cost, candidate);
            }
        }
        if self.scaled[at] < 0.0 { -(best.1 as i32) } else { best.1 as i32 }
    }
}
