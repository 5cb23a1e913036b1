//! The streams of a latent grid, and the order of what is in them.

use super::before::Before;
use super::focus::{BandSteps, Focus};
use super::surroundings::LEVELS_SEEN;
use super::{BLOCK_EDGE, BlockGrid, BlockId, Numbers, Offsets, Perceptron};
use crate::codec::{
    CodeBlock, CoefficientModels, Decisions, Magnitudes, RangeDecoder, Reference, code_low_band,
};
use crate::storage::Streams;
use crate::wavelet::Window;

/// A latent grid, coded.
#[derive(Clone)]
pub(crate) struct LatentStreams {
    pub(crate) grid: BlockGrid,
    /// What a coefficient's number counts.
    pub(crate) step: f32,
    /// Where another step counts.
    pub(crate) focus: Option<Focus>,
    pub(crate) offsets: Offsets,
    /// Reads the grid's values, where there is one.
    pub(crate) perceptron: Option<Perceptron>,
    /// The grid of the step before, which the streams are coded by, where they are.
    pub(crate) before: Option<Before>,
    /// Another grid's streams may be coded by this one's numbers.
    pub(crate) has_next: bool,
    /// In the order of [`BlockGrid::streams`].
    pub(crate) streams: Streams,
}

impl LatentStreams {
    /// Bytes of the streams.
    pub(crate) fn bytes(&self) -> usize {
        let perceptron = self.perceptron.as_ref().map_or(0, |p| p.stream().len());
        let focus = self.focus.as_ref().map_or(0, |focus| focus.cells.stream().len());
        perceptron + focus + self.streams.bytes()
    }

    /// Whether the perceptron is that of the step before, which the file has there.
    pub(crate) fn has_perceptron_of_before(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.same_perceptron)
    }

    /// The steps of a level's bands, or, behind the last level, of the last low band.
    pub(crate) fn steps(&self, level: usize) -> BandSteps<'_> {
        BandSteps::new(&self.grid, level, self.step, self.focus.as_ref())
    }

    /// Bytes that decoding a first voxel takes at its height, about: the root's numbers, coefficients and grids, and of every tier
    /// between it and the finest the blocks at a corner.
    pub(crate) fn decoding_bytes(&self) -> u64 {
        let between = self.grid.tiers() as u64 - 1;
        let focus = self.focus.as_ref().map_or(0, |focus| focus.cells.decoding_bytes());
        let numbers = if self.has_next { 4 * self.grid.root_len() as u64 } else { 0 };
        let before = self.before.as_ref().map_or(0, |before| before.reader.streams().decoding_bytes());
        before
            + numbers
            + focus
            + 14 * self.grid.root_len() as u64
            + between * 8 * (BLOCK_EDGE as u64).pow(3) * 6
    }

    /// Bytes of the root when it is decoded: its grids, and of a magnitude a coefficient of its finest level.
    pub(crate) fn root_bytes(&self) -> usize {
        6 * self.grid.root_len()
    }

    /// The voxels that a block's samples stand for.
    pub(crate) fn voxels_of(&self, block: BlockId) -> Window {
        let (window, level) = (self.grid.samples(block), self.grid.first_level(block.tier));
        let levels = &self.grid.pyramid().levels()[..level];
        let factor = |axis: usize| 1 << levels.iter().filter(|l| l.split[axis]).count();
        let whole = self.grid.pyramid().shape_after(0);
        Window {
            start: std::array::from_fn(|a| window.start[a] * factor(a)),
            end: std::array::from_fn(|a| (window.end[a] * factor(a)).min(whole[a])),
        }
    }

    /// A block for messages.
    pub(crate) fn name_of(&self, block: BlockId) -> String {
        let Window { start, end } = self.voxels_of(block);
        let level = self.grid.first_level(block.tier);
        let ends: Vec<String> = (0..3).map(|a| format!("{} to {}", start[a], end[a] - 1)).collect();
        format!("block {} of level {level} (voxels {})", block.number, ends.join(", "))
    }

    /// True where a grid of `shape` has the levels that a perceptron sees.
    pub(crate) fn may_have_perceptron(shape: [usize; 3]) -> bool {
        BlockGrid::new(shape).first_level(1) >= LEVELS_SEEN
    }

    /// One line for reports.
    pub(crate) fn describe(&self) -> String {
        let levels = self.grid.pyramid().levels().len();
        let blocks = self.streams.len() - 1;
        let many = |n: usize| if n == 1 { "" } else { "s" };
        let perceptron = match &self.perceptron {
            Some(perceptron) => format!(", read by a perceptron of 2x{}", perceptron.width()),
            None => String::new(),
        };
        let focus = if self.focus.is_some() { ", in shorter steps in its focus" } else { "" };
        let before = if self.before.is_some() { ", coded by the step before" } else { "" };
        format!(
            "latent grid of {levels} level{} in {blocks} block{}{perceptron}{focus}{before}",
            many(levels),
            many(blocks)
        )
    }
}

/// What a block or the root leaves to the blocks below it.
pub(crate) struct Context {
    /// What was learned: they go on from there.
    models: CoefficientModels,
    /// Of its finest level: what they see of it. With the first sample of each part.
    magnitudes: [Option<(Magnitudes, [usize; 3])>; 8],
}

impl Context {
    /// Bytes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<CoefficientModels>()
            + self.magnitudes.iter().flatten().map(|(m, _)| m.bytes()).sum::<usize>()
    }
}

/// The root, decoded.
pub(crate) struct Root {
    /// The last low band.
    pub(crate) low: Vec<i32>,
    /// By level less the finest one that was coded.
    pub(crate) levels: Vec<Numbers>,
    pub(crate) context: Context,
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

/// Another grid of the same shape, that of the step before, whose numbers streams are coded by.
pub(crate) trait OtherGrid: Send + Sync {
    /// Its numbers of a part, x fastest, in this grid's steps.
    fn part(&self, part: BandPart) -> Vec<i32>;
}

/// Codes the root's stream, by `decisions`, down to a level: the root's first one for all of it.
pub(crate) fn code_root(
    grid: &BlockGrid,
    finest: usize,
    other: Option<&dyn OtherGrid>,
    decisions: &mut impl PartDecisions,
) -> Root {
    let levels = grid.pyramid().levels();
    let low = code_low(grid, other, decisions);
    let mut models = match other {
        None => CoefficientModels::new(),
        Some(_) => CoefficientModels::by_reference(),
    };
    let mut found = vec![Numbers::default(); levels.len() - finest];
    let mut magnitudes: [Option<Magnitudes>; 8] = Default::default();
    for level in (finest..levels.len()).rev() {
        let whole = |orientation| Window::whole(levels[level].band_shape(orientation));
        let parents = std::mem::take(&mut magnitudes);
        (found[level - finest], magnitudes) =
            code_level(grid, level, &mut models, &whole, &parents, other, decisions);
    }
    let magnitudes = magnitudes.map(|magnitudes| Some((magnitudes?, [0; 3])));
    Root { low, levels: found, context: Context { models, magnitudes } }
}

/// Codes a block's stream, finest level last: its numbers by level, finest first, and what it leaves to the blocks below it.
pub(crate) fn code_block(
    grid: &BlockGrid,
    block: BlockId,
    above: &Context,
    other: Option<&dyn OtherGrid>,
    decisions: &mut impl PartDecisions,
) -> (Vec<Numbers>, Context) {
    let levels = grid.first_level(block.tier)..grid.first_level(block.tier + 1);
    let mut models = above.models.clone();
    let mut numbers = vec![Numbers::default(); levels.len()];
    // What the block sees of the one above it.
    let mut magnitudes: [Option<Magnitudes>; 8] = std::array::from_fn(|orientation| {
        let (magnitudes, first) = above.magnitudes[orientation].as_ref()?;
        let window = grid.part(block, levels.end, orientation);
        let from_first = |at: [usize; 3]| std::array::from_fn(|a| at[a] - first[a]);
        Some(magnitudes.window(from_first(window.start), from_first(window.end)))
    });
    for level in levels.clone().rev() {
        let window = |orientation| grid.part(block, level, orientation);
        let parents = magnitudes;
        (numbers[level - levels.start], magnitudes) =
            code_level(grid, level, &mut models, &window, &parents, other, decisions);
    }
    let mut orientation = 0..;
    let magnitudes = magnitudes.map(|magnitudes| {
        let orientation = orientation.next().unwrap_or_default();
        Some((magnitudes?, grid.part(block, levels.start, orientation).start))
    });
    (numbers, Context { models, magnitudes })
}

/// Codes a level's bands, or a block's parts of them.
fn code_level(
    grid: &BlockGrid,
    level: usize,
    models: &mut CoefficientModels,
    window: &dyn Fn(usize) -> Window,
    parents: &[Option<Magnitudes>; 8],
    other: Option<&dyn OtherGrid>,
    decisions: &mut impl PartDecisions,
) -> (Numbers, [Option<Magnitudes>; 8]) {
    let mut numbers = Numbers::default();
    let mut magnitudes: [Option<Magnitudes>; 8] = Default::default();
    let mut siblings = Magnitudes::new(window(0).shape());
    for orientation in grid.pyramid().levels()[level].orientations() {
        let here = window(orientation);
        let parent = grid
            .parent_of(level, orientation)
            .and_then(|halved| Some((parents[orientation].as_ref()?, halved)));
        let place = BandPart { level, orientation, window: here };
        let reference = other.map(|other| Reference::new(other.part(place), here.shape(), window(0).shape()));
        let part = CodeBlock {
            shape: here.shape(),
            orientation,
            level,
            parent,
            siblings: &siblings,
            reference: reference.as_ref(),
        };
        let (found, of_band) = models.code(&part, &mut decisions.part(place));
        siblings.add(&found);
        magnitudes[orientation] = Some(found);
        numbers[orientation] = of_band;
    }
    (numbers, magnitudes)
}

/// Codes the lowest band.
fn code_low(grid: &BlockGrid, other: Option<&dyn OtherGrid>, decisions: &mut impl PartDecisions) -> Vec<i32> {
    let levels = grid.pyramid().levels().len();
    let window = Window::whole(grid.pyramid().shape_after(levels));
    let part = BandPart { level: levels, orientation: 0, window };
    let reference = other.map(|other| other.part(part));
    code_low_band(window.shape(), reference.as_deref(), &mut decisions.part(part))
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
