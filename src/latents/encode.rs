//! From a grid in memory to the streams of its coefficients.

use super::before::{WholeAtStep, WholeBefore};
use super::coding::{Coefficients, Quantiser, Rate, StreamCoder};
use super::focus::{Focus, FocusCells};
use super::streams::{BandPart, OtherGrid};
use super::{BlockGrid, BlockId, LatentStreams};
use crate::storage::Streams;
use crate::wavelet::Bands;
use rayon::prelude::*;
use std::sync::Arc;

/// A grid's coefficients, to be coded at one rate and another.
pub(crate) struct LatentEncoder {
    grid: BlockGrid,
    /// Finest first.
    bands: Vec<Bands>,
    low: Vec<f32>,
    /// Where [`Rate::focus`] is the step.
    focus: Option<Arc<FocusCells>>,
    /// What streams are coded by.
    before: Option<Arc<WholeBefore>>,
}

impl LatentEncoder {
    /// Transforms a grid (x fastest), on the threads of the pool that this runs on.
    pub(crate) fn new(values: Vec<f32>, shape: [usize; 3]) -> Self {
        let grid = BlockGrid::new(shape);
        let mut encoder = Self { grid, bands: Vec::new(), low: Vec::new(), focus: None, before: None };
        encoder.transform(values);
        encoder
    }

    /// The same with a step of its own around some cells.
    #[must_use]
    pub(crate) fn with_focus(self, focus: Option<Arc<FocusCells>>) -> Self {
        Self { focus, ..self }
    }

    /// The same, coded by the grid of the step before.
    #[must_use]
    pub(crate) fn with_before(self, before: Option<Arc<WholeBefore>>) -> Self {
        Self { before, ..self }
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
        self.encode_by(rate, self.before.as_deref())
    }

    /// The same, by no other step's.
    pub(crate) fn encode_alone(&self, rate: Rate) -> LatentStreams {
        self.encode_by(rate, None)
    }

    fn encode_by(&self, rate: Rate, before: Option<&WholeBefore>) -> LatentStreams {
        let grid = &self.grid;
        let cells = self.focus.clone();
        let quantiser = &Quantiser { rate, focus: cells.map(|cells| Focus { step: rate.focus, cells }) };
        let before = before.map(|before| before.at_step(rate.step));
        let other = before.as_ref().map(|before| before as &dyn OtherGrid);
        let coder = StreamCoder { grid, coefficients: self, quantiser, other };
        let root = coder.root();
        let (mut streams, mut offsets) = (vec![root.bytes], root.offsets);
        // What each block of the tier before leaves to those below it.
        let mut contexts = Vec::from_iter(root.context);
        for tier in (0..grid.tiers()).rev() {
            let code = |number: usize| {
                let block = BlockId { tier, number };
                let above = grid.above(block).map_or(0, |above| above.number);
                coder.block(block, &contexts[above])
            };
            let coded: Vec<_> = (0..grid.len(tier)).into_par_iter().map(code).collect();
            contexts = Vec::new();
            for block in coded {
                streams.push(block.bytes);
                offsets = offsets.merge(block.offsets);
                contexts.extend(block.context);
            }
        }
        LatentStreams {
            grid: grid.clone(),
            step: rate.step,
            focus: quantiser.focus.clone(),
            offsets: offsets.means(),
            perceptron: None,
            before: before.map(WholeAtStep::before),
            has_next: false,
            streams: Streams::new(streams),
        }
    }
}

impl Coefficients for LatentEncoder {
    fn part(&self, part: BandPart) -> Vec<f32> {
        match self.bands.get(part.level) {
            Some(bands) => bands.window(part.orientation, part.window),
            None => self.low.clone(),
        }
    }
}
