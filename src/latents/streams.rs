//! The streams of a latent grid, and the order of what is in them.

use super::surroundings::LEVELS_SEEN;
use super::{BlockGrid, Numbers, Offsets, Perceptron};
use crate::codec::{CodeBlock, CoefficientModels, Decisions, Magnitudes, RangeDecoder, code_low_band};
use crate::wavelet::Window;

/// A latent grid, coded.
#[derive(Debug, Clone)]
pub(crate) struct LatentStreams {
    pub(crate) grid: BlockGrid,
    /// What a coefficient's number counts.
    pub(crate) step: f32,
    pub(crate) offsets: Offsets,
    /// Reads the grid's values, where there is one.
    pub(crate) perceptron: Option<Perceptron>,
    /// The low band and the levels above the blocks'.
    pub(crate) coarse: Vec<u8>,
    /// One stream a block.
    pub(crate) blocks: Vec<Vec<u8>>,
}

impl LatentStreams {
    /// Bytes of the streams.
    pub(crate) fn bytes(&self) -> usize {
        let perceptron = self.perceptron.as_ref().map_or(0, |p| p.stream().len());
        perceptron + self.coarse.len() + self.blocks.iter().map(Vec::len).sum::<usize>()
    }

    /// Bytes that decoding the coarse levels takes at its height, about: the numbers of all bands, those of the finest ones as
    /// coefficients, and the grid that these become.
    pub(crate) fn coarse_decoding_bytes(&self) -> u64 {
        12 * self.grid.coarse_len() as u64
    }

    /// Bytes of the coarse levels when they are decoded, and of a magnitude a coefficient of the finest of them.
    pub(crate) fn coarse_bytes(&self) -> usize {
        5 * self.grid.coarse_len()
    }

    /// True where a grid of `shape` has the levels that a perceptron sees.
    pub(crate) fn may_have_perceptron(shape: [usize; 3]) -> bool {
        BlockGrid::new(shape).fine_levels() >= LEVELS_SEEN
    }

    /// One line for reports.
    pub(crate) fn describe(&self) -> String {
        let levels = self.grid.pyramid().levels().len();
        let blocks = self.grid.len();
        let many = |n: usize| if n == 1 { "" } else { "s" };
        let perceptron = match &self.perceptron {
            Some(perceptron) => format!(", read by a perceptron of 2x{}", perceptron.width()),
            None => String::new(),
        };
        format!("latent grid of {levels} level{} in {blocks} block{}{perceptron}", many(levels), many(blocks))
    }
}

/// The coarse levels, decoded.
pub(crate) struct Coarse {
    /// The lowest band.
    pub(crate) low: Vec<i32>,
    /// By level less the blocks' levels.
    pub(crate) levels: Vec<Numbers>,
    /// What was learned along the coarse levels: blocks go on from there.
    models: CoefficientModels,
    /// Of the coarse levels' finest: what blocks see of it.
    magnitudes: [Option<Magnitudes>; 8],
}

/// One band of one level, or a block's part of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BandPart {
    pub(crate) level: usize,
    /// 0: the low band, of the coarsest level only.
    pub(crate) orientation: usize,
    pub(crate) window: Window,
}

/// What gives decisions for one part after the other.
pub(crate) trait PartDecisions {
    type Decisions<'a>: Decisions
    where
        Self: 'a;
    fn part(&mut self, part: BandPart) -> Self::Decisions<'_>;
}

/// Codes the coarse stream, by `decisions`.
pub(crate) fn code_coarse(grid: &BlockGrid, decisions: &mut impl PartDecisions) -> Coarse {
    let levels = grid.pyramid().levels();
    let low = code_low(grid, decisions);
    let mut models = CoefficientModels::new();
    let fine = grid.fine_levels();
    let mut found = vec![Numbers::default(); levels.len() - fine];
    let mut magnitudes = Default::default();
    for level in (fine..levels.len()).rev() {
        let whole = |orientation| Window::whole(levels[level].band_shape(orientation));
        let parents: [Option<Magnitudes>; 8] = std::mem::take(&mut magnitudes);
        let parent = |orientation: usize| parents[orientation].as_ref();
        (found[level - fine], magnitudes) = code_level(grid, level, &mut models, &whole, &parent, decisions);
    }
    Coarse { low, levels: found, models, magnitudes }
}

/// Codes a block's stream, finest level last: its numbers by level, finest first.
pub(crate) fn code_block(
    grid: &BlockGrid,
    block: usize,
    coarse: &Coarse,
    decisions: &mut impl PartDecisions,
) -> Vec<Numbers> {
    let fine = grid.fine_levels();
    let mut models = coarse.models.clone();
    let mut numbers = vec![Numbers::default(); fine];
    // What the block sees of the coarse levels.
    let mut parents: [Option<Magnitudes>; 8] = std::array::from_fn(|orientation| {
        let magnitudes = coarse.magnitudes[orientation].as_ref()?;
        let window = grid.part(block, fine, orientation);
        Some(magnitudes.window(window.start, window.end))
    });
    for level in (0..fine).rev() {
        let window = |orientation| grid.part(block, level, orientation);
        let parent = |orientation: usize| parents[orientation].as_ref();
        let magnitudes;
        (numbers[level], magnitudes) = code_level(grid, level, &mut models, &window, &parent, decisions);
        parents = magnitudes;
    }
    numbers
}

/// Codes a level's bands, or a block's parts of them.
fn code_level<'p>(
    grid: &BlockGrid,
    level: usize,
    models: &mut CoefficientModels,
    window: &dyn Fn(usize) -> Window,
    parent: &dyn Fn(usize) -> Option<&'p Magnitudes>,
    decisions: &mut impl PartDecisions,
) -> (Numbers, [Option<Magnitudes>; 8]) {
    let mut numbers = Numbers::default();
    let mut magnitudes: [Option<Magnitudes>; 8] = Default::default();
    let mut siblings = Magnitudes::new(window(0).shape());
    for orientation in grid.pyramid().levels()[level].orientations() {
        let here = window(orientation);
        let parent =
            grid.parent_of(level, orientation).and_then(|(_, halved)| Some((parent(orientation)?, halved)));
        let part = CodeBlock { shape: here.shape(), orientation, level, parent, siblings: &siblings };
        let (found, of_band) =
            models.code(&part, &mut decisions.part(BandPart { level, orientation, window: here }));
        siblings.add(&found);
        magnitudes[orientation] = Some(found);
        numbers[orientation] = of_band;
    }
    (numbers, magnitudes)
}

/// Codes the lowest band.
fn code_low(grid: &BlockGrid, decisions: &mut impl PartDecisions) -> Vec<i32> {
    let levels = grid.pyramid().levels().len();
    let window = Window::whole(grid.pyramid().shape_after(levels));
    let part = BandPart { level: levels, orientation: 0, window };
    code_low_band(window.shape(), &mut decisions.part(part))
}

/// Reads parts from one stream.
pub(crate) struct Reading<'a>(pub(crate) RangeDecoder<'a>);

impl<'s> PartDecisions for Reading<'s> {
    type Decisions<'a>
        = &'a mut RangeDecoder<'s>
    where
        Self: 'a;

    fn part(&mut self, _: BandPart) -> Self::Decisions<'_> {
        &mut self.0
    }
}
