//! Streams of coefficients: chosen and written, one after the other.

use super::focus::{BandSteps, Focus};
use super::streams::{BandPart, Context, OtherGrid, PartDecisions, code_block, code_root};
use super::{BlockGrid, BlockId, Numbers, OFFSET_LEVELS, Offsets};
use crate::codec::{Choice, RangeEncoder};
use crate::wavelet::Window;

/// How coefficients become numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// What a number counts.
    pub(crate) step: f32,
    /// The same in the focus of an encoder that has one.
    pub(crate) focus: f32,
    /// What a bit costs, in squared steps.
    pub(crate) lambda: f32,
}

/// A rate, and where which of its steps counts.
pub(super) struct Quantiser {
    pub(super) rate: Rate,
    pub(super) focus: Option<Focus>,
}

impl Quantiser {
    fn steps(&self, grid: &BlockGrid, level: usize) -> BandSteps<'_> {
        BandSteps::new(grid, level, self.rate.step, self.focus.as_ref())
    }
}

/// Sums of what coefficients lie beside their numbers, in steps, by level and magnitude.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OffsetSums([[(f64, u64); 3]; OFFSET_LEVELS]);

impl OffsetSums {
    /// `scaled` are coefficients in steps.
    fn add(&mut self, level: usize, scaled: &[f32], numbers: &[i32]) {
        let sums = &mut self.0[level.min(OFFSET_LEVELS - 1)];
        for (&value, &number) in scaled.iter().zip(numbers) {
            if number != 0 {
                let magnitude = number.unsigned_abs();
                let (sum, count) = &mut sums[(magnitude.min(3) - 1) as usize];
                *sum += f64::from(value.abs()) - f64::from(magnitude);
                *count += 1;
            }
        }
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        for (to, from) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            *to = (to.0 + from.0, to.1 + from.1);
        }
        self
    }

    /// Appends the sums, for another process.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        for (sum, count) in self.0.iter().flatten() {
            out.extend(sum.to_le_bytes());
            out.extend(count.to_le_bytes());
        }
    }

    /// Takes what [`Self::put`] appended from the front; nothing where no more is there.
    pub(super) fn take(bytes: &mut &[u8]) -> Self {
        let mut found = Self::default();
        for (sum, count) in found.0.iter_mut().flatten() {
            let Some((own, rest)) = bytes.split_first_chunk::<16>() else { break };
            let half = |from: usize| std::array::from_fn(|n| own[from + n]);
            (*sum, *count) = (f64::from_le_bytes(half(0)), u64::from_le_bytes(half(8)));
            *bytes = rest;
        }
        found
    }

    pub(super) fn means(&self) -> Offsets {
        self.0.map(|of_level| {
            of_level.map(|(sum, count)| match count {
                0 => 0,
                n => (256.0 * sum / n as f64).round().clamp(-127.0, 127.0) as i8,
            })
        })
    }
}

/// What streams are made of.
pub(super) trait Coefficients: Sync {
    /// The coefficients of a part, x fastest.
    fn part(&self, part: BandPart) -> Vec<f32>;
}

/// A stream, and what it leaves.
pub(super) struct CodedStream {
    pub(super) bytes: Vec<u8>,
    /// What its coefficients lie beside their numbers.
    pub(super) offsets: OffsetSums,
    /// For the streams below it, if there are any.
    pub(super) context: Option<Context>,
}

/// Codes the streams of a grid.
pub(super) struct StreamCoder<'e> {
    pub(super) grid: &'e BlockGrid,
    pub(super) coefficients: &'e dyn Coefficients,
    pub(super) quantiser: &'e Quantiser,
    /// What streams are coded by.
    pub(super) other: Option<&'e dyn OtherGrid>,
}

impl StreamCoder<'_> {
    /// The root's stream.
    pub(super) fn root(&self) -> CodedStream {
        let mut writing = self.writing();
        let first = self.grid.first_level(self.grid.tiers());
        let root = code_root(self.grid, first, self.other, &mut writing);
        let mut offsets = OffsetSums::default();
        for (n, numbers) in root.levels.iter().enumerate() {
            self.add_offsets(&mut offsets, first + n, numbers, |shape, _| Window::whole(shape));
        }
        CodedStream { bytes: writing.stream.finish(), offsets, context: Some(root.context) }
    }

    /// A block's stream, below the context of the one above it.
    pub(super) fn block(&self, block: BlockId, above: &Context) -> CodedStream {
        let mut writing = self.writing();
        let (numbers, context) = code_block(self.grid, block, above, self.other, &mut writing);
        let mut offsets = OffsetSums::default();
        for (n, numbers) in numbers.iter().enumerate() {
            let level = self.grid.first_level(block.tier) + n;
            self.add_offsets(&mut offsets, level, numbers, |_, orientation| {
                self.grid.part(block, level, orientation)
            });
        }
        let context = (block.tier > 0).then_some(context);
        CodedStream { bytes: writing.stream.finish(), offsets, context }
    }

    fn writing(&self) -> Writing<'_> {
        Writing { coder: self, stream: RangeEncoder::new(), scaled: Vec::new() }
    }

    fn add_offsets(
        &self,
        offsets: &mut OffsetSums,
        level: usize,
        numbers: &Numbers,
        window: impl Fn([usize; 3], usize) -> Window,
    ) {
        let of_level = &self.grid.pyramid().levels()[level];
        for orientation in of_level.orientations() {
            let window = window(of_level.band_shape(orientation), orientation);
            let scaled = self.scaled(BandPart { level, orientation, window });
            offsets.add(level, &scaled, &numbers[orientation]);
        }
    }

    /// The coefficients of a part, in steps.
    fn scaled(&self, part: BandPart) -> Vec<f32> {
        let mut values = self.coefficients.part(part);
        let steps = self.quantiser.steps(self.grid, part.level);
        steps.each(part.window, &mut values, |value, step| *value /= step);
        values
    }
}

/// Chooses and writes one stream.
struct Writing<'e> {
    coder: &'e StreamCoder<'e>,
    stream: RangeEncoder,
    scaled: Vec<f32>,
}

impl PartDecisions for Writing<'_> {
    type Decisions<'a>
        = Choice<'a>
    where
        Self: 'a;

    fn part(&mut self, part: BandPart) -> Choice<'_> {
        self.scaled = self.coder.scaled(part);
        Choice {
            encoder: &mut self.stream,
            scaled: &self.scaled,
            shape: part.window.shape(),
            lambda: self.coder.quantiser.rate.lambda,
        }
    }
}
