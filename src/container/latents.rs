//! Section LATG: a latent grid, its steps and its streams.

use super::bytes::Fields;
use crate::latents::{BlockGrid, LatentStreams, OFFSET_LEVELS, Perceptron};

/// A step above this stands for nothing in values scaled to 0..1; with it, no sum leaves float32.
pub(crate) const MOST_STEP: f32 = 1024.0;

/// With a perceptron, steps are not below 2^-100: values in units of a step are finite then.
const LEAST_STEP_READ: f32 = 7.888_609e-31;

/// A byte of the coarse stream holds no more coefficients than this, so that a small file cannot ask for gigabytes; an
/// encoder fills up with zeros.
const COEFFICIENTS_A_BYTE: usize = 512;

impl LatentStreams {
    /// As many bytes as the section has, or a few more.
    pub(super) fn section_bytes(&self) -> usize {
        64 + self.bytes() + self.grid.coarse_len() / COEFFICIENTS_A_BYTE + 4 * self.blocks.len()
    }

    /// Appends the section.
    pub(super) fn put_section(&self, out: &mut Vec<u8>) {
        out.extend(self.step.to_le_bytes());
        out.extend(self.offsets.iter().flatten().map(|&offset| offset as u8));
        match &self.perceptron {
            None => out.push(0),
            Some(perceptron) => {
                let stream = perceptron.stream();
                out.extend([perceptron.width() as u8, perceptron.fractional_bits()]);
                out.extend((stream.len() as u16).to_le_bytes());
                out.extend(stream);
            }
        }
        for block in &self.blocks {
            out.extend((block.len() as u32).to_le_bytes());
        }
        out.extend(&self.coarse);
        let filled = self.coarse.len().max(self.grid.coarse_len() / COEFFICIENTS_A_BYTE);
        out.resize(out.len() + filled - self.coarse.len(), 0);
        self.blocks.iter().for_each(|block| out.extend(block));
    }

    /// For a volume of `shape`.
    pub(super) fn parse(section: &[u8], shape: [usize; 3]) -> Result<Self, String> {
        let mut fields = Fields::new(section);
        let step = fields.f32("step")?;
        if !(step.is_finite() && step > 0.0 && step <= MOST_STEP) {
            return Err(format!("invalid step {step}"));
        }
        let mut offsets = [[0; 3]; OFFSET_LEVELS];
        for offset in offsets.iter_mut().flatten() {
            *offset = fields.u8("offsets")? as i8;
        }
        let grid = BlockGrid::new(shape);
        let perceptron = match fields.u8("the perceptron's width")? {
            0 => None,
            _ if !Self::may_have_perceptron(shape) => {
                return Err("a perceptron needs two levels below it".into());
            }
            _ if step < LEAST_STEP_READ => {
                return Err(format!("a step of {step} is too short for a perceptron"));
            }
            width => {
                let fractional_bits = fields.u8("the perceptron's fractional bits")?;
                let length = fields.u16("the perceptron's stream")?;
                let stream = fields.bytes(length.into(), "the perceptron's stream")?;
                Some(Perceptron::from_stream(width.into(), fractional_bits, stream)?)
            }
        };
        let mut lengths = Vec::new();
        for _ in 0..grid.len() {
            lengths.push(fields.u32("the block table")? as usize);
        }
        let blocks = lengths.iter().sum::<usize>();
        let coarse = fields
            .left()
            .checked_sub(blocks)
            .ok_or_else(|| format!("the blocks' streams have {blocks} bytes, more than there are"))?;
        if coarse < grid.coarse_len() / COEFFICIENTS_A_BYTE {
            return Err(format!("{coarse} bytes cannot hold {} coarse coefficients", grid.coarse_len()));
        }
        let coarse = fields.bytes(coarse, "the coarse stream")?.to_vec();
        let blocks = lengths
            .into_iter()
            .map(|length| Ok(fields.bytes(length, "a block's stream")?.to_vec()))
            .collect::<Result<_, String>>()?;
        fields.end()?;
        Ok(Self { grid, step, offsets, perceptron, coarse, blocks })
    }
}
