//! From a grid that is read box by box to the streams of its coefficients: the same bytes as of a grid in memory.
//!
//! A coefficient depends on a few samples around it, so that a block of the finest tier is transformed from its own box and
//! a margin, when it is coded. What two levels leave of the whole grid, a 64th of it, is in memory, and is the grid that all
//! other tiers are made of.

use super::coding::{CodedStream, Coefficients, Quantiser, Rate, StreamCoder};
use super::streams::BandPart;
use super::{BlockGrid, BlockId, LatentStreams};
use crate::error::{Error, Result};
use crate::storage::StreamSpool;
use crate::wavelet::{Bands, Level, Window};
use rayon::prelude::*;
use std::fs::File;

/// Samples around a block that its coefficients of two levels depend on: 4 for each sample of a level, twice that for those of
/// the next one; a multiple of 4, so that a box begins where both levels have a low sample.
const MARGIN: usize = 16;

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
    /// Reads the grid once. `go_on` is asked between blocks, of how many how many are done.
    ///
    /// # Errors
    /// What the source and `go_on` say.
    pub(crate) fn new(
        source: &'s dyn GridSource,
        shape: [usize; 3],
        workers: Workers<'s>,
        go_on: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Self> {
        let grid = BlockGrid::new(shape);
        let mut encoder = Self { grid, source, workers, coarse: Vec::new(), low: Vec::new() };
        let grid = &encoder.grid;
        let first = grid.first_level(1);
        let low_shape = grid.pyramid().shape_after(first);
        if first == 0 {
            // A grid without levels is its own last low band.
            encoder.low = source.values(Window::whole(shape))?;
            return Ok(encoder);
        }
        let mut low = vec![0.0f32; low_shape.iter().product()];
        let blocks: Vec<BlockId> = (0..grid.len(0)).map(|number| BlockId { tier: 0, number }).collect();
        for together in blocks.chunks(encoder.workers.threads) {
            go_on(together[0].number, blocks.len())?;
            let part = |&block: &BlockId| {
                let bands = encoder.local(block)?;
                let part = grid.part(block, first - 1, 0);
                Ok::<_, Error>((part, bands.window(first - 1, 0, part)))
            };
            for found in encoder.workers.map(together, part) {
                let (part, values) = found?;
                let [nx, ny, _] = part.shape();
                for (row, values) in values.chunks_exact(nx).enumerate() {
                    let (y, z) = (part.start[1] + row % ny, part.start[2] + row / ny);
                    let at = part.start[0] + low_shape[0] * (y + low_shape[1] * z);
                    low[at..at + nx].copy_from_slice(values);
                }
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

    /// The streams at a rate, in an empty file.
    ///
    /// # Errors
    /// What the source and `go_on` say; when the file cannot be written.
    pub(crate) fn encode(
        &self,
        rate: Rate,
        file: File,
        go_on: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<LatentStreams> {
        let grid = &self.grid;
        let unwritten = |e: std::io::Error| Error::io(std::path::Path::new("the temporary file"), e);
        let mut spool = StreamSpool::new(file);
        let quantiser = &Quantiser { rate, focus: None };
        let root = StreamCoder { grid, coefficients: self, quantiser }.root();
        spool.push(&root.bytes).map_err(unwritten)?;
        let mut offsets = root.offsets;
        let mut contexts = Vec::from_iter(root.context);
        for tier in (0..grid.tiers()).rev() {
            let mut next = Vec::new();
            let numbers: Vec<usize> = (0..grid.len(tier)).collect();
            for together in numbers.chunks(self.workers.threads) {
                if tier == 0 {
                    go_on(together[0], grid.len(0))?;
                }
                let code = |&number: &usize| {
                    let block = BlockId { tier, number };
                    let above = &contexts[grid.above(block).map_or(0, |above| above.number)];
                    let local = if tier == 0 { Some(self.local(block)?) } else { None };
                    let coefficients = local.as_ref().map_or(self as &dyn Coefficients, |local| local);
                    Ok(StreamCoder { grid, coefficients, quantiser }.block(block, above))
                };
                for coded in self.workers.map(together, code) {
                    let coded: CodedStream = coded?;
                    spool.push(&coded.bytes).map_err(unwritten)?;
                    offsets = offsets.merge(coded.offsets);
                    next.extend(coded.context);
                }
            }
            contexts = next;
        }
        Ok(LatentStreams {
            grid: grid.clone(),
            step: rate.step,
            focus: None,
            offsets: offsets.means(),
            perceptron: None,
            streams: spool.finish().map_err(unwritten)?,
        })
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
            let go_on = &mut |_, _| Ok(());
            let workers = Workers { run: &|work| work(), threads: 3 };
            let encoder = BlockwiseEncoder::new(&whole, shape, workers, go_on).unwrap();
            let found = encoder.encode(rate, tempfile::tempfile().unwrap(), go_on).unwrap();
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
