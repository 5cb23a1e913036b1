//! From a grid to the streams of its coefficients.

use super::focus::{BandSteps, Focus, FocusCells};
use super::streams::{BandPart, Context, PartDecisions, code_block, code_root};
use super::{BlockGrid, BlockId, LatentStreams, Numbers, OFFSET_LEVELS, Offsets};
use crate::codec::{Choice, RangeEncoder};
use crate::storage::Streams;
use crate::wavelet::{Bands, Window};
use rayon::prelude::*;
use std::sync::Arc;

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

/// A grid's coefficients, to be coded at one rate and another.
pub(crate) struct LatentEncoder {
    grid: BlockGrid,
    /// Finest first.
    bands: Vec<Bands>,
    low: Vec<f32>,
    /// Where [`Rate::focus`] is the step.
    focus: Option<Arc<FocusCells>>,
}

/// A rate, and where which of its steps counts.
struct Quantiser {
    rate: Rate,
    focus: Option<Focus>,
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
    pub(super) fn add(&mut self, level: usize, scaled: &[f32], numbers: &[i32]) {
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

    pub(super) fn means(&self) -> Offsets {
        self.0.map(|of_level| {
            of_level.map(|(sum, count)| match count {
                0 => 0,
                n => (256.0 * sum / n as f64).round().clamp(-127.0, 127.0) as i8,
            })
        })
    }
}

impl LatentEncoder {
    /// Transforms a grid (x fastest), on the threads of the pool that this runs on.
    pub(crate) fn new(values: Vec<f32>, shape: [usize; 3]) -> Self {
        let grid = BlockGrid::new(shape);
        let mut encoder = Self { grid, bands: Vec::new(), low: Vec::new(), focus: None };
        encoder.transform(values);
        encoder
    }

    /// The same with a step of its own around some cells.
    #[must_use]
    pub(crate) fn with_focus(self, focus: Option<Arc<FocusCells>>) -> Self {
        Self { focus, ..self }
    }

    /// Forgets the coefficients, which take as much memory as the grid, before [`Self::transform`] gives others.
    pub(crate) fn clear(&mut self) {
        (self.bands, self.low) = (Vec::new(), Vec::new());
    }

    /// Transforms another grid of the same shape.
    pub(crate) fn transform(&mut self, mut values: Vec<f32>) {
        self.clear();
        for &level in self.grid.pyramid().levels() {
            let split = Bands::of(values, level);
            values = split.low();
            self.bands.push(split);
        }
        self.low = values;
    }

    /// The streams at a rate, coded on the threads of the pool that this runs on.
    pub(crate) fn encode(&self, rate: Rate) -> LatentStreams {
        let grid = &self.grid;
        let cells = self.focus.clone();
        let quantiser = &Quantiser { rate, focus: cells.map(|cells| Focus { step: rate.focus, cells }) };
        let mut writing = self.writing(quantiser);
        let root = code_root(grid, &mut writing);
        let mut streams = vec![writing.stream.finish()];
        let mut sums = OffsetSums::default();
        for (n, numbers) in root.levels.iter().enumerate() {
            let level = grid.first_level(grid.tiers()) + n;
            self.add_offsets(&mut sums, level, numbers, quantiser, |shape, _| Window::whole(shape));
        }
        // What each block of the tier before leaves to those below it.
        let mut contexts = vec![root.context];
        for tier in (0..grid.tiers()).rev() {
            let code = |number: usize| {
                let block = BlockId { tier, number };
                let above = grid.above(block).map_or(0, |above| above.number);
                self.encode_block(block, &contexts[above], quantiser)
            };
            let coded: Vec<_> = (0..grid.len(tier)).into_par_iter().map(code).collect();
            contexts = Vec::new();
            for (stream, of_block, context) in coded {
                streams.push(stream);
                sums = sums.merge(of_block);
                contexts.extend(context);
            }
        }
        LatentStreams {
            grid: grid.clone(),
            step: rate.step,
            focus: quantiser.focus.clone(),
            offsets: sums.means(),
            perceptron: None,
            streams: Streams::new(streams),
        }
    }

    /// A block's stream, what its coefficients lie beside their numbers, and what it leaves to the blocks below it.
    fn encode_block(
        &self,
        block: BlockId,
        above: &Context,
        quantiser: &Quantiser,
    ) -> (Vec<u8>, OffsetSums, Option<Context>) {
        let mut writing = self.writing(quantiser);
        let (numbers, context) = code_block(&self.grid, block, above, &mut writing);
        let mut sums = OffsetSums::default();
        for (n, numbers) in numbers.iter().enumerate() {
            let level = self.grid.first_level(block.tier) + n;
            let part = |_, orientation| self.grid.part(block, level, orientation);
            self.add_offsets(&mut sums, level, numbers, quantiser, part);
        }
        (writing.stream.finish(), sums, (block.tier > 0).then_some(context))
    }

    fn writing<'e>(&'e self, quantiser: &'e Quantiser) -> Writing<'e> {
        Writing { encoder: self, quantiser, stream: RangeEncoder::new(), scaled: Vec::new() }
    }

    fn add_offsets(
        &self,
        sums: &mut OffsetSums,
        level: usize,
        numbers: &Numbers,
        quantiser: &Quantiser,
        window: impl Fn([usize; 3], usize) -> Window,
    ) {
        let of_level = &self.grid.pyramid().levels()[level];
        for orientation in of_level.orientations() {
            let window = window(of_level.band_shape(orientation), orientation);
            let part = BandPart { level, orientation, window };
            sums.add(level, &self.scaled(part, quantiser), &numbers[orientation]);
        }
    }

    /// The coefficients of a part, in steps.
    fn scaled(&self, part: BandPart, quantiser: &Quantiser) -> Vec<f32> {
        let mut values = match self.bands.get(part.level) {
            Some(bands) => bands.window(part.orientation, part.window),
            None => self.low.clone(),
        };
        quantiser.steps(&self.grid, part.level).each(part.window, &mut values, |value, step| *value /= step);
        values
    }
}

/// Chooses and writes one stream.
struct Writing<'e> {
    encoder: &'e LatentEncoder,
    quantiser: &'e Quantiser,
    stream: RangeEncoder,
    scaled: Vec<f32>,
}

impl PartDecisions for Writing<'_> {
    type Decisions<'a>
        = Choice<'a>
    where
        Self: 'a;

    fn part(&mut self, part: BandPart) -> Choice<'_> {
        self.scaled = self.encoder.scaled(part, self.quantiser);
        Choice {
            encoder: &mut self.stream,
            scaled: &self.scaled,
            shape: part.window.shape(),
            lambda: self.quantiser.rate.lambda,
        }
    }
}
