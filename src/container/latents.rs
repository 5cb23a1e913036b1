//! Section LATG: a latent grid, its steps and its streams.

use super::bytes::Fields;
use super::sections::StoredSection;
use crate::latents::{BlockGrid, Focus, FocusCells, LatentStreams, OFFSET_LEVELS, Perceptron};
use crate::storage::put_whole;
use std::sync::Arc;

/// A step above this stands for nothing in values scaled to 0..1; with it, no sum leaves float32.
pub(crate) const MOST_STEP: f32 = 1024.0;

/// With a perceptron, steps are not below 2^-100: values in units of a step are finite then.
const LEAST_STEP_READ: f32 = 7.888_609e-31;

/// Beside the perceptron's width: there is a focus.
const FOCUS: u8 = 128;

fn checked_step(step: f32, what: &str) -> Result<f32, String> {
    match step.is_finite() && step > 0.0 && step <= MOST_STEP {
        true => Ok(step),
        false => Err(format!("invalid {what} {step}")),
    }
}

/// Whether a grid may have a perceptron.
fn check_perceptron(shape: [usize; 3], step: f32) -> Result<(), String> {
    if !LatentStreams::may_have_perceptron(shape) {
        return Err("a perceptron needs two levels below it".into());
    }
    if step < LEAST_STEP_READ {
        return Err(format!("a step of {step} is too short for a perceptron"));
    }
    Ok(())
}

impl LatentStreams {
    /// Whether the grid of a volume of `shape` may have a perceptron.
    pub(super) fn check_perceptron(&self, shape: [usize; 3]) -> Result<(), String> {
        check_perceptron(shape, self.step)
    }

    /// What of the section is no stream of a block's or the root's.
    pub(super) fn section(&self) -> Vec<u8> {
        let mut out = self.step.to_le_bytes().to_vec();
        out.extend(self.offsets.iter().flatten().map(|&offset| offset as u8));
        let focus = if self.focus.is_some() { FOCUS } else { 0 };
        match self.perceptron.as_ref().filter(|_| !self.has_perceptron_of_before()) {
            None => out.push(focus),
            Some(perceptron) => {
                let stream = perceptron.stream();
                out.extend([focus | perceptron.width() as u8, perceptron.fractional_bits()]);
                out.extend((stream.len() as u16).to_le_bytes());
                out.extend(stream);
            }
        }
        if let Some(focus) = &self.focus {
            out.extend(focus.step.to_le_bytes());
            put_whole(&mut out, focus.cells.stream().len() as u64);
            out.extend(focus.cells.stream());
        }
        out
    }

    /// For a volume of `shape`.
    pub(super) fn parse(section: StoredSection<'_>, shape: [usize; 3]) -> Result<Self, String> {
        let mut fields = Fields::new(section.bytes);
        let step = checked_step(fields.f32("step")?, "step")?;
        let mut offsets = [[0; 3]; OFFSET_LEVELS];
        for offset in offsets.iter_mut().flatten() {
            *offset = fields.u8("offsets")? as i8;
        }
        let grid = BlockGrid::new(shape);
        let width = fields.u8("the perceptron's width")?;
        let perceptron = match width & !FOCUS {
            0 => None,
            width => {
                check_perceptron(shape, step)?;
                let fractional_bits = fields.u8("the perceptron's fractional bits")?;
                let length = fields.u16("the perceptron's stream")?;
                let stream = fields.bytes(length.into(), "the perceptron's stream")?;
                Some(Perceptron::from_stream(width.into(), fractional_bits, stream)?)
            }
        };
        let focus = match width & FOCUS {
            0 => None,
            _ => {
                let step = checked_step(fields.f32("the focus' step")?, "step of a focus")?;
                let length = fields.count("the focus")?;
                let cells = FocusCells::from_stream(shape, fields.bytes(length, "the focus")?.to_vec())?;
                Some(Focus { step, cells: Arc::new(cells) })
            }
        };
        let streams = section.streams(fields.rest(), grid.streams())?;
        Ok(Self { grid, step, focus, offsets, perceptron, before: None, has_next: false, streams })
    }
}
