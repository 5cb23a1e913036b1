//! From a grid that is read box by box to the streams of its coefficients: the same bytes as of a grid in memory.
//!
//! A coefficient depends on a few samples around it, so that a block of the finest tier is transformed from its own box and
//! a margin, when it is coded. What two levels leave of the whole grid, a 64th of it, is the grid of the next tier: in memory, where
//! all coarser ones are made of it, or, where it is large, in a file that is read box by box like the first one. Several processes
//! may each code the blocks of the finest tier that are its own, and the few above these.

use super::coding::{CodedStream, Coefficients, OffsetSums, Quantiser, Rate, StreamCoder};
use super::contexts::Contexts;
use super::low_grid::{GridFile, LowGrid};
use super::streams::BandPart;
use super::{BLOCK_EDGE, BlockGrid, BlockId, LatentStreams};
use crate::error::{Error, Result};
use crate::processes::{Group, Shares, StreamsOfShare};
use crate::wavelet::{Bands, Level, Window};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;

/// Samples around a block that its coefficients of two levels depend on: 4 for each sample of a level, twice that for those of
/// the next one; a multiple of 4, so that a box begins where both levels have a low sample.
pub(crate) const MARGIN: usize = 16;

/// Blocks whose low bands the processes send each other at a time: 32 MiB.
const AT_ONCE: usize = 256;

/// Samples of a grid that is kept in memory, at most: 1 GiB, and as much again while it is transformed.
pub(crate) const MOST_IN_MEMORY: usize = 1 << 28;

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
    /// The pyramid's level that the grid's first one is.
    first: usize,
    bands: Vec<Bands>,
    /// Of each level: where the box begins in the level's grid.
    starts: Vec<[usize; 3]>,
    levels: Vec<Level>,
}

impl LocalBands {
    /// Of values of a window, through these levels of the whole grid, from the pyramid's `first` on.
    fn of(values: Vec<f32>, window: Window, levels: &[Level], first: usize) -> Self {
        let mut found = Self { first, bands: Vec::new(), starts: Vec::new(), levels: levels.to_vec() };
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

/// Makes empty files.
pub(crate) type NewFile<'f> = &'f dyn Fn() -> Result<File>;

/// What of a grid's tiers is at hand, to be coded at one rate and another.
pub(crate) struct BlockwiseEncoder<'s> {
    grid: BlockGrid,
    source: &'s dyn GridSource,
    workers: Workers<'s>,
    /// The grids of the tiers above the finest that are read box by box, finest first.
    files: Vec<GridFile>,
    /// The grids of the tiers above these, in bands: finest first.
    coarse: Vec<Bands>,
    low: Vec<f32>,
}

impl<'s> BlockwiseEncoder<'s> {
    /// Reads the grid once: every process its share of it. `go_on` is asked between blocks, of how many how many are done. With so
    /// many samples of a grid in memory at most, as a rule [`MOST_IN_MEMORY`].
    ///
    /// # Errors
    /// What the source, `new_file` and `go_on` say, or another process failed with.
    pub(crate) fn new(
        source: &'s dyn GridSource,
        shape: [usize; 3],
        workers: Workers<'s>,
        group: &Group<'_>,
        (new_file, most_in_memory): (NewFile<'_>, usize),
        go_on: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Self> {
        let grid = BlockGrid::new(shape);
        let mut encoder =
            Self { grid, source, workers, files: Vec::new(), coarse: Vec::new(), low: Vec::new() };
        if encoder.grid.first_level(1) == 0 {
            encoder.low = encoder.whole_grid(group)?;
            return Ok(encoder);
        }
        for tier in 1..=encoder.grid.tiers() {
            let level = encoder.grid.first_level(tier);
            let shape = encoder.grid.pyramid().shape_after(level);
            let samples: usize = shape.iter().product();
            // Behind the last tier is the root, which is small.
            let low = match tier == encoder.grid.tiers() || samples <= most_in_memory {
                true => LowGrid::Memory(vec![0.0; samples], shape),
                false => LowGrid::File(GridFile { file: new_file()?, shape }),
            };
            match encoder.low_of(tier - 1, low, group, go_on)? {
                LowGrid::File(file) => encoder.files.push(file),
                LowGrid::Memory(low, _) => {
                    encoder.split(low, level);
                    break;
                }
            }
        }
        Ok(encoder)
    }

    /// Splits a grid in memory to the end, from a level on.
    fn split(&mut self, mut low: Vec<f32>, first: usize) {
        for &level in &self.grid.pyramid().levels()[first..] {
            let split = Bands::of(low, level);
            low = split.low();
            self.coarse.push(split);
        }
        self.low = low;
    }

    /// Fills in what a tier's levels leave of its grid: every process gets all.
    fn low_of(
        &self,
        tier: usize,
        mut low: LowGrid,
        group: &Group<'_>,
        go_on: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<LowGrid> {
        let (grid, level) = (&self.grid, self.grid.first_level(tier + 1) - 1);
        let shares = Shares::new(grid.len(tier), group.size());
        let part = |number: usize| grid.part(BlockId { tier, number }, level, 0);
        let own: Vec<usize> = shares.of(group.rank()).collect();
        let at_once = self.workers.threads.max(AT_ONCE);
        let rounds = (0..group.size()).map(|rank| shares.of(rank).len().div_ceil(at_once)).max();
        for round in 0..rounds.unwrap_or(0) {
            let mut to_others = Vec::new();
            let numbers = own.chunks(at_once).nth(round).unwrap_or_default();
            for together in numbers.chunks(self.workers.threads) {
                go_on(together[0] - own[0], own.len())?;
                let values = |&number: &usize| {
                    let bands = self.local(BlockId { tier, number })?;
                    Ok::<_, Error>(bands.window(level - bands.first, 0, part(number)))
                };
                for (&number, values) in together.iter().zip(self.workers.map(together, values)) {
                    let values = values?;
                    low.put(part(number), values.iter().copied())?;
                    if group.size() > 1 {
                        to_others.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                    }
                }
            }
            let found = group.all_gather(to_others)?;
            for (rank, bytes) in found.iter().enumerate().filter(|(rank, _)| *rank != group.rank()) {
                let mut values = bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value));
                for number in shares.of(rank).skip(round * at_once).take(at_once) {
                    low.put(part(number), values.by_ref())?;
                }
            }
        }
        Ok(low)
    }

    /// A grid without levels, which is its own last low band, from the process that has its block.
    fn whole_grid(&self, group: &Group<'_>) -> Result<Vec<f32>> {
        let owner = Shares::new(self.grid.len(0), group.size()).owner(0);
        let window = Window::whole(self.grid.pyramid().shape_after(0));
        let own = if group.rank() == owner { self.source.values(window)? } else { Vec::new() };
        let found = group.all_gather(own.iter().flat_map(|value| value.to_le_bytes()).collect())?;
        Ok(found[owner].as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect())
    }

    /// The bands of a block of a tier whose grid is read box by box.
    fn local(&self, block: BlockId) -> Result<LocalBands> {
        let source = match block.tier.checked_sub(1) {
            None => self.source,
            Some(n) => &self.files[n],
        };
        let (own, first) = (self.grid.samples(block), self.grid.first_level(block.tier));
        let shape = self.grid.pyramid().shape_after(first);
        let window = Window {
            start: own.start.map(|n| n.saturating_sub(MARGIN)),
            end: std::array::from_fn(|a| (own.end[a] + MARGIN).min(shape[a])),
        };
        let levels = &self.grid.pyramid().levels()[first..self.grid.first_level(block.tier + 1)];
        Ok(LocalBands::of(source.values(window)?, window, levels, first))
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
        // By their stream.
        let mut offsets: BTreeMap<usize, OffsetSums> = BTreeMap::new();
        let quantiser = &Quantiser { rate, focus: None };
        let mut keep = |stream: usize, coded: &CodedStream| {
            if givers[stream] == group.rank() {
                own.push(stream, &coded.bytes)?;
                offsets.insert(stream, coded.offsets);
            }
            Ok::<_, Error>(())
        };
        let root = StreamCoder { grid, coefficients: self, quantiser, other: None }.root();
        keep(0, &root)?;
        let share: Vec<usize> = shares.of(group.rank()).collect();
        let mut contexts = Contexts::new(grid, shares.of(group.rank()), root.context);
        for (n, finest) in share.chunks(self.workers.threads).enumerate() {
            go_on(n * self.workers.threads, share.len())?;
            // What is above them first, where it is not at hand from the blocks before.
            for tier in (0..grid.tiers()).rev() {
                let blocks = contexts.missing(finest, tier);
                let code = |&block: &BlockId| {
                    let local = if block.tier <= self.files.len() { Some(self.local(block)?) } else { None };
                    let coefficients = local.as_ref().map_or(self as &dyn Coefficients, |local| local);
                    let coder = StreamCoder { grid, coefficients, quantiser, other: None };
                    Ok::<CodedStream, Error>(coder.block(block, contexts.above(block)))
                };
                for (&block, coded) in blocks.iter().zip(self.workers.map(&blocks, code)) {
                    let coded = coded?;
                    keep(grid.stream_of(block), &coded)?;
                    contexts.insert(block, coded.context);
                }
            }
            finest.last().into_iter().for_each(|&last| contexts.forget_until(last));
        }
        let streams =
            own.finish(grid.streams(), group, |rank, stream| self.is_needed(&shares.of(rank), stream))?;
        // In the order of the streams, so that the sums do not depend on who coded what.
        let mut own_offsets = Vec::new();
        offsets.values().for_each(|sums| sums.put(&mut own_offsets));
        let of_ranks = group.all_gather(own_offsets)?;
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
            before: None,
            has_next: false,
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

/// Of the tiers in memory.
impl Coefficients for BlockwiseEncoder<'_> {
    fn part(&self, part: BandPart) -> Vec<f32> {
        match self.coarse.get(part.level - self.grid.first_level(1 + self.files.len())) {
            Some(bands) => bands.window(part.orientation, part.window),
            None => self.low.clone(),
        }
    }
}

/// Of a block of a tier that is read box by box.
impl Coefficients for LocalBands {
    fn part(&self, part: BandPart) -> Vec<f32> {
        self.window(part.level - self.first, part.orientation, part.window)
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
        for shape in [
            [300, 20, 9],
            [129, 130, 131],
            [150, 257, 5],
            [40, 30, 20],
            [5, 4, 3],
            [600, 140, 1],
            [5000, 9, 3],
        ] {
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
            // Grids in memory, and in files.
            for most in [MOST_IN_MEMORY, 0] {
                let workers = Workers { run: &|work| work(), threads: 3 };
                let files: (NewFile<'_>, usize) = (&|| Ok(tempfile::tempfile().unwrap()), most);
                let encoder = BlockwiseEncoder::new(&whole, shape, workers, group, files, go_on).unwrap();
                assert_eq!(encoder.files.len(), if most == 0 { encoder.grid.tiers() - 1 } else { 0 });
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
}
