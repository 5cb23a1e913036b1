//! From a grid that is read box by box to the streams of its coefficients: the same bytes as of a grid in memory.
//!
//! A coefficient depends on a few samples around it, so that a block of the finest tier is transformed from its own box and
//! a margin, when it is coded. What two levels leave of the whole grid, a 64th of it, is in memory, and is the grid that all
//! other tiers are made of.

use super::coding::{CodedStream, Coefficients, OffsetSums, Quantiser, Rate, StreamCoder};
use super::streams::{BandPart, Context};
use super::{BLOCK_EDGE, BlockGrid, BlockId, LatentStreams};
use crate::error::{Error, Result};
use crate::processes::{Group, Shares, StreamsOfShare};
use crate::wavelet::{Bands, Level, Window};
use rayon::prelude::*;
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;

/// Samples around a block that its coefficients of two levels depend on: 4 for each sample of a level, twice that for those of
/// the next one; a multiple of 4, so that a box begins where both levels have a low sample.
pub(crate) const MARGIN: usize = 16;

/// Gives the values of a window of the finest grid, x fastest; they must be the same each time.
pub(crate) trait GridSource: Sync {
    /// # Errors
    /// What the source says.
    fn values(&self, window: Window) -> Result<Vec<f32>>;
}

/// The threads that blocks are coded on.
pub(crate) struct Workers<'a> {
    /// Runs work on them.
    pub(crate) run: &'a (dyn Fn(&mut (dyn FnMut() + Send)) + Sync),
    /// How many there are.
    pub(crate) threads: usize,
}

impl Workers<'_> {
    /// What `work` makes of each item, in order.
    fn map<I: Sync, T: Send>(&self, items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
        let mut found = Vec::new();
        (self.run)(&mut || found = items.par_iter().map(&work).collect());
        found
    }
}

/// Bands of a box of a grid.
struct LocalBands {
    bands: Vec<Bands>,
    /// Of each level: where the box begins in the level's grid.
    starts: Vec<[usize; 3]>,
    levels: Vec<Level>,
}

impl LocalBands {
    /// Of values from `start` on, through these levels of the whole grid.
    fn of(values: Vec<f32>, window: Window, levels: &[Level]) -> Self {
        let mut found = Self { bands: Vec::new(), starts: Vec::new(), levels: levels.to_vec() };
        let (mut values, mut start, mut shape) = (values, window.start, window.shape());
        for level in levels {
            let local = Level { shape, split: level.split };
            let bands = Bands::of(values, local);
            values = bands.low();
            found.bands.push(bands);
            found.starts.push(start);
            shape = local.low_shape();
            start = std::array::from_fn(|a| if level.split[a] { start[a] / 2 } else { start[a] });
        }
        found
    }

    /// A window of a band, in the whole band's places; `n` counts the levels.
    fn window(&self, n: usize, orientation: usize, window: Window) -> Vec<f32> {
        let first: [usize; 3] = std::array::from_fn(|a| {
            if self.levels[n].split[a] { self.starts[n][a] / 2 } else { self.starts[n][a] }
        });
        let from = |at: [usize; 3]| std::array::from_fn(|a| at[a] - first[a]);
        self.bands[n].window(orientation, Window { start: from(window.start), end: from(window.end) })
    }
}

/// What of a grid's tiers is in memory, to be coded at one rate and another.
pub(crate) struct BlockwiseEncoder<'s> {
    grid: BlockGrid,
    source: &'s dyn GridSource,
    workers: Workers<'s>,
    /// The grids of the tiers above the finest, in bands: finest first.
    coarse: Vec<Bands>,
    low: Vec<f32>,
}

impl<'s> BlockwiseEncoder<'s> {
    /// Reads the grid once: every process its share of it. `go_on` is asked between blocks, of how many how many are done.
    ///
    /// # Errors
    /// What the source and `go_on` say, or another process failed with.
    pub(crate) fn new(
        source: &'s dyn GridSource,
        shape: [usize; 3],
        workers: Workers<'s>,
        group: &Group<'_>,
        go_on: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Self> {
        let grid = BlockGrid::new(shape);
        let mut encoder = Self { grid, source, workers, coarse: Vec::new(), low: Vec::new() };
        let grid = &encoder.grid;
        let first = grid.first_level(1);
        if first == 0 {
            encoder.low = encoder.whole_grid(group)?;
            return Ok(encoder);
        }
        let low_shape = grid.pyramid().shape_after(first);
        let mut low = vec![0.0f32; low_shape.iter().product()];
        let shares = Shares::new(grid.len(0), group.size());
        let part = |number: usize| grid.part(BlockId { tier: 0, number }, first - 1, 0);
        let own: Vec<usize> = shares.of(group.rank()).collect();
        let mut to_others = Vec::new();
        for (n, together) in own.chunks(encoder.workers.threads).enumerate() {
            go_on(n * encoder.workers.threads, own.len())?;
            let values = |&number: &usize| {
                let bands = encoder.local(BlockId { tier: 0, number })?;
                Ok::<_, Error>(bands.window(first - 1, 0, part(number)))
            };
            for (&number, values) in together.iter().zip(encoder.workers.map(together, values)) {
                let values = values?;
                place(&mut low, low_shape, part(number), values.iter().copied());
                if group.size() > 1 {
                    to_others.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                }
            }
        }
        for (rank, bytes) in
            group.all_gather(to_others)?.iter().enumerate().filter(|(rank, _)| *rank != group.rank())
        {
            let (values, _) = bytes.as_chunks::<4>();
            let mut values = values.iter().map(|&value| f32::from_le_bytes(value));
            for number in shares.of(rank) {
                place(&mut low, low_shape, part(number), values.by_ref());
            }
        }
        let mut coarse = Vec::new();
        for &level in &grid.pyramid().levels()[first..] {
            let split = Bands::of(low, level);
            low = split.low();
            coarse.push(split);
        }
        (encoder.coarse, encoder.low) = (coarse, low);
        Ok(encoder)
    }

    /// A grid without levels, which is its own last low band, from the process that has its block.
    fn whole_grid(&self, group: &Group<'_>) -> Result<Vec<f32>> {
        let owner = Shares::new(self.grid.len(0), group.size()).owner(0);
        let window = Window::whole(self.grid.pyramid().shape_after(0));
        let own = if group.rank() == owner { self.source.values(window)? } else { Vec::new() };
        let found = group.all_gather(own.iter().flat_map(|value| value.to_le_bytes()).collect())?;
        let (values, _) = found[owner].as_chunks::<4>();
        Ok(values.iter().map(|&value| f32::from_le_bytes(value)).collect())
    }

    /// The bands of a block of the finest tier.
    fn local(&self, block: BlockId) -> Result<LocalBands> {
        let own = self.grid.samples(block);
        let shape = self.grid.pyramid().shape_after(0);
        let window = Window {
            start: own.start.map(|n| n.saturating_sub(MARGIN)),
            end: std::array::from_fn(|a| (own.end[a] + MARGIN).min(shape[a])),
        };
        let levels = &self.grid.pyramid().levels()[..self.grid.first_level(1)];
        Ok(LocalBands::of(self.source.values(window)?, window, levels))
    }

    /// Whether a process needs a stream to decode its share: of the finest tier those around its own blocks, and all coarser ones.
    fn is_needed(&self, share: &Range<usize>, stream: usize) -> bool {
        let Some(block) = self.grid.block_of(stream).filter(|block| block.tier == 0) else { return true };
        let shape = self.grid.pyramid().shape_after(0);
        let own = self.grid.samples(block);
        let around = Window {
            start: own.start.map(|n| n.saturating_sub(BLOCK_EDGE)),
            end: std::array::from_fn(|a| (own.end[a] + BLOCK_EDGE).min(shape[a])),
        };
        self.grid.containing(0, around).iter().any(|near| share.contains(&near.number))
    }

    /// The streams at a rate, those of this process' share in an empty file.
    ///
    /// # Errors
    /// What the source and `go_on` say, or another process failed with.
    pub(crate) fn encode(
        &self,
        rate: Rate,
        file: File,
        group: &Group<'_>,
        go_on: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<LatentStreams> {
        let grid = &self.grid;
        let (shares, givers) = (Shares::new(grid.len(0), group.size()), givers(grid, group));
        let mut own = StreamsOfShare::new(file);
        let mut offsets = Vec::new();
        let quantiser = &Quantiser { rate, focus: None };
        let mut keep = |stream: usize, coded: &CodedStream| {
            if givers[stream] == group.rank() {
                own.push(stream, &coded.bytes)?;
                coded.offsets.put(&mut offsets);
            }
            Ok::<_, Error>(())
        };
        let root = StreamCoder { grid, coefficients: self, quantiser }.root();
        keep(0, &root)?;
        // By their block's number in the tier above; the root's is 0.
        let mut contexts: HashMap<usize, Context> =
            root.context.into_iter().map(|context| (0, context)).collect();
        for (tier, numbers) in blocks_of(grid, shares.of(group.rank())).iter().enumerate().rev() {
            let mut next = HashMap::new();
            for (n, together) in numbers.chunks(self.workers.threads).enumerate() {
                if tier == 0 {
                    go_on(n * self.workers.threads, numbers.len())?;
                }
                let code = |&number: &usize| {
                    let block = BlockId { tier, number };
                    let above = &contexts[&grid.above(block).map_or(0, |above| above.number)];
                    let local = if tier == 0 { Some(self.local(block)?) } else { None };
                    let coefficients = local.as_ref().map_or(self as &dyn Coefficients, |local| local);
                    Ok(StreamCoder { grid, coefficients, quantiser }.block(block, above))
                };
                for (&number, coded) in together.iter().zip(self.workers.map(together, code)) {
                    let coded: CodedStream = coded?;
                    keep(grid.stream_of(BlockId { tier, number }), &coded)?;
                    next.extend(coded.context.map(|context| (number, context)));
                }
            }
            contexts = next;
        }
        let streams =
            own.finish(grid.streams(), group, |rank, stream| self.is_needed(&shares.of(rank), stream))?;
        // In the order of the streams, so that the sums do not depend on who coded what.
        let of_ranks = group.all_gather(offsets)?;
        let mut rests: Vec<&[u8]> = of_ranks.iter().map(Vec::as_slice).collect();
        let mut offsets = OffsetSums::default();
        for &giver in &givers {
            offsets = offsets.merge(OffsetSums::take(&mut rests[giver]));
        }
        Ok(LatentStreams {
            grid: grid.clone(),
            step: rate.step,
            focus: None,
            offsets: offsets.means(),
            perceptron: None,
            streams,
        })
    }
}

/// The blocks of every tier that a process codes, finest first: its share of the finest one, and those above them.
fn blocks_of(grid: &BlockGrid, share: Range<usize>) -> Vec<Vec<usize>> {
    let mut found = vec![share.collect::<Vec<usize>>()];
    for tier in 1..grid.tiers() {
        let above = |&number: &usize| grid.above(BlockId { tier: tier - 1, number });
        let mut of_tier: Vec<usize> =
            found[tier - 1].iter().filter_map(above).map(|above| above.number).collect();
        of_tier.sort_unstable();
        of_tier.dedup();
        found.push(of_tier);
    }
    found
}

/// The process that gives each stream to the others: of those that code a block, as it lies above their own, the lowest rank.
pub(crate) fn givers(grid: &BlockGrid, group: &Group<'_>) -> Vec<usize> {
    let shares = Shares::new(grid.len(0), group.size());
    let mut givers = vec![0; grid.streams()];
    for rank in (0..group.size()).rev() {
        for (tier, numbers) in blocks_of(grid, shares.of(rank)).into_iter().enumerate() {
            numbers.into_iter().for_each(|number| givers[grid.stream_of(BlockId { tier, number })] = rank);
        }
    }
    givers
}

/// Puts values at their window of a grid.
fn place(grid: &mut [f32], shape: [usize; 3], window: Window, mut values: impl Iterator<Item = f32>) {
    let [nx, ny, _] = window.shape();
    for row in 0..window.len() / nx.max(1) {
        let (y, z) = (window.start[1] + row % ny, window.start[2] + row / ny);
        let at = window.start[0] + shape[0] * (y + shape[1] * z);
        grid[at..at + nx].iter_mut().zip(values.by_ref()).for_each(|(to, value)| *to = value);
    }
}

/// Of the tiers above the finest.
impl Coefficients for BlockwiseEncoder<'_> {
    fn part(&self, part: BandPart) -> Vec<f32> {
        match self.coarse.get(part.level - self.grid.first_level(1)) {
            Some(bands) => bands.window(part.orientation, part.window),
            None => self.low.clone(),
        }
    }
}

/// Of a block of the finest tier.
impl Coefficients for LocalBands {
    fn part(&self, part: BandPart) -> Vec<f32> {
        self.window(part.level, part.orientation, part.window)
    }
}

#[cfg(test)]
mod tests {
    use super::super::LatentEncoder;
    use super::*;

    struct Whole(Vec<f32>, [usize; 3]);

    impl GridSource for Whole {
        fn values(&self, window: Window) -> Result<Vec<f32>> {
            let [nx, ny, _] = self.1;
            let mut out = Vec::new();
            for z in window.start[2]..window.end[2] {
                for y in window.start[1]..window.end[1] {
                    let row = nx * (y + ny * z);
                    out.extend(&self.0[row + window.start[0]..row + window.end[0]]);
                }
            }
            Ok(out)
        }
    }

    #[test]
    fn box_by_box_gives_the_bytes_of_the_whole() {
        for shape in [[300, 20, 9], [129, 130, 131], [150, 257, 5], [40, 30, 20], [5, 4, 3], [600, 140, 1]] {
            let value = |i: usize| {
                let [x, y, z] =
                    [i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])].map(|n| n as f32);
                let noise = ((i as u32).wrapping_mul(2_654_435_769) >> 16) as f32 / 65536.0;
                0.5 + 0.3 * (0.07 * x).sin() * (0.05 * y + 0.1 * z).cos() + 0.05 * noise
            };
            let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
            let rate = Rate { step: 0.02, focus: 0.02, lambda: 0.07 };
            let expected = LatentEncoder::new(values.clone(), shape).encode(rate);
            let whole = Whole(values, shape);
            let (go_on, group) = (&mut |_, _| Ok(()), &Group::alone());
            let workers = Workers { run: &|work| work(), threads: 3 };
            let encoder = BlockwiseEncoder::new(&whole, shape, workers, group, go_on).unwrap();
            let found = encoder.encode(rate, tempfile::tempfile().unwrap(), group, go_on).unwrap();
            assert_eq!((found.offsets, found.streams.len()), (expected.offsets, expected.streams.len()));
            for stream in 0..found.streams.len() {
                assert!(
                    found.streams.read(stream).unwrap() == expected.streams.read(stream).unwrap(),
                    "{shape:?} {stream}"
                );
            }
        }
    }
}
