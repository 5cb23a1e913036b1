//! Windows of a latent grid, from blocks that are decoded when they are needed.

use super::coarser::{Coarser, needed};
use super::sparse::SparseNumbers;
use super::streams::{Coarse, Reading, code_block, code_coarse};
use super::surroundings::{REACH, Surroundings};
use super::{LatentStreams, OFFSET_LEVELS, coefficient};
use crate::codec::RangeDecoder;
use crate::wavelet::{Window, crop, synthesise};
use lru::LruCache;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A block's numbers by level, finest first, and orientation.
struct Block(Vec<[Option<SparseNumbers>; 8]>);

impl Block {
    fn bytes(&self) -> usize {
        self.0.iter().flatten().flatten().map(SparseNumbers::bytes).sum()
    }
}

/// What all blocks share.
struct SharedState {
    coarse: Coarse,
    /// The grid after the blocks' levels.
    grid: Vec<f32>,
}

/// A latent grid, read window by window.
pub(crate) struct LatentReader {
    streams: LatentStreams,
    base: OnceLock<SharedState>,
    blocks: Mutex<Kept>,
    /// Bytes that decoded blocks may take together, but for one.
    bound: usize,
}

struct Kept {
    blocks: LruCache<usize, Arc<Block>>,
    bytes: usize,
}

impl LatentReader {
    pub(crate) fn new(streams: LatentStreams, bound: usize) -> Self {
        let blocks = Mutex::new(Kept { blocks: LruCache::unbounded(), bytes: 0 });
        Self { streams, base: OnceLock::new(), blocks, bound }
    }

    pub(crate) fn streams(&self) -> &LatentStreams {
        &self.streams
    }

    /// Bytes that may be taken by what is decoded and kept: the coarse levels, and blocks.
    pub(crate) fn most_bytes(&self) -> usize {
        self.streams.coarse_bytes() + self.bound
    }

    /// Bytes that the first window takes beside its own; 0 when the coarse levels are decoded.
    pub(crate) fn bytes_to_begin(&self) -> u64 {
        if self.base.get().is_some() { 0 } else { self.streams.coarse_decoding_bytes() }
    }

    fn offsets(&self, level: usize) -> [f32; 3] {
        self.streams.offsets[level.min(OFFSET_LEVELS - 1)].map(|o| f32::from(o) / 256.0)
    }

    /// The coarse levels, decoded once.
    fn base(&self) -> &SharedState {
        self.base.get_or_init(|| {
            let grid = &self.streams.grid;
            let mut coarse = code_coarse(grid, &mut Reading(RangeDecoder::new(&self.streams.coarse)));
            let step = self.streams.step;
            let mut values: Vec<f32> = coarse.low.iter().map(|&n| n as f32 * step).collect();
            let fine = grid.fine_levels();
            for n in (0..coarse.levels.len()).rev() {
                let level = grid.pyramid().levels()[fine + n];
                let offsets = self.offsets(fine + n);
                let numbers = std::mem::take(&mut coarse.levels[n]);
                let low = std::mem::take(&mut values);
                let band = |orientation: usize, _: Window| {
                    Ok::<_, Infallible>(match orientation {
                        0 => low.clone(),
                        o => numbers[o].iter().map(|&n| coefficient(n, offsets, step)).collect(),
                    })
                };
                let Ok(grid) = synthesise(&level, Window::whole(level.shape), band);
                values = grid;
            }
            SharedState { coarse, grid: values }
        })
    }

    fn block(&self, block: usize) -> Arc<Block> {
        let kept = || self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = kept().blocks.get(&block) {
            return block.clone();
        }
        // Outside the lock: at worst two threads decode the same.
        let grid = &self.streams.grid;
        let mut reading = Reading(RangeDecoder::new(&self.streams.blocks[block]));
        let numbers = code_block(grid, block, &self.base().coarse, &mut reading);
        let levels = numbers.iter().enumerate().map(|(level, bands)| {
            std::array::from_fn(|orientation| {
                let shape = grid.part(block, level, orientation).shape();
                (!bands[orientation].is_empty()).then(|| SparseNumbers::of(&bands[orientation], shape))
            })
        });
        let decoded = Arc::new(Block(levels.collect()));
        let mut kept = kept();
        kept.bytes += decoded.bytes();
        if let Some(before) = kept.blocks.put(block, decoded.clone()) {
            kept.bytes -= before.bytes();
        }
        while kept.bytes > self.bound
            && kept.blocks.len() > 1
            && let Some((_, oldest)) = kept.blocks.pop_lru()
        {
            kept.bytes -= oldest.bytes();
        }
        decoded
    }

    /// The grid's values in windows, x fastest. Decodes every block once that they need, and holds it until all are done;
    /// on the threads of the pool that this runs on.
    pub(crate) fn windows(&self, windows: &[Window]) -> Vec<Vec<f32>> {
        let Some(perceptron) = &self.streams.perceptron else {
            let blocks = self.blocks_of(windows, false);
            return windows
                .par_iter()
                .map(|window| self.level_window(0, *window, &blocks, &mut |_, _, _| ()))
                .collect();
        };
        let blocks = self.blocks_of(windows, true);
        let refined =
            |window: &Window| perceptron.refine(self.surroundings_of(*window, &blocks), self.streams.step);
        windows.par_iter().map(refined).collect()
    }

    /// What a perceptron sees of the grid in some windows, of a grid that has two levels or more.
    pub(crate) fn surroundings(&self, windows: &[Window]) -> Vec<Surroundings> {
        let blocks = self.blocks_of(windows, true);
        windows.par_iter().map(|window| self.surroundings_of(*window, &blocks)).collect()
    }

    /// What the perceptron adds to the grid's values in some windows.
    pub(crate) fn additions(&self, windows: &[Window]) -> Vec<Vec<f32>> {
        let Some(perceptron) = &self.streams.perceptron else {
            return windows.iter().map(|window| vec![0.0; window.len()]).collect();
        };
        let of_window = |surroundings: Surroundings| {
            let mut values = surroundings.values().to_vec();
            let refined = perceptron.refine(surroundings, self.streams.step);
            values.iter_mut().zip(refined).for_each(|(value, refined)| *value = refined - *value);
            values
        };
        self.surroundings(windows).into_par_iter().map(of_window).collect()
    }

    fn surroundings_of(&self, window: Window, blocks: &HashMap<usize, Arc<Block>>) -> Surroundings {
        let levels = self.streams.grid.pyramid().levels();
        let around = self.around(window);
        let of_first = needed(&levels[0], window);
        let of_second = needed(&levels[1], of_first);
        // The synthesis makes more of them than is seen.
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let values = self.level_window(0, around, blocks, &mut |level, of_band, low| match level {
            0 => first = crop(low, of_band, of_first),
            1 => second = crop(low, of_band, of_second),
            _ => {}
        });
        let first = Coarser::new(&levels[0], &first, window);
        let second = Coarser::below(&levels[0], &levels[1], second, window);
        Surroundings::new(window, (around, values), [first, second], self.streams.step)
    }

    /// A window with what a perceptron sees around it.
    fn around(&self, window: Window) -> Window {
        let shape = self.streams.grid.pyramid().shape_after(0);
        Window {
            start: window.start.map(|n| n.saturating_sub(REACH)),
            end: std::array::from_fn(|a| (window.end[a] + REACH).min(shape[a])),
        }
    }

    /// The blocks that windows need, with what a perceptron sees around them or without.
    fn blocks_of(&self, windows: &[Window], with_around: bool) -> HashMap<usize, Arc<Block>> {
        let grid = &self.streams.grid;
        let mut needed = BTreeSet::new();
        for window in windows {
            let mut reached = if with_around { self.around(*window) } else { *window };
            for (n, level) in grid.pyramid().levels()[..grid.fine_levels()].iter().enumerate() {
                reached = reached.halved(level);
                needed.extend(grid.meeting(n, reached));
            }
        }
        self.base();
        needed.into_par_iter().map(|block| (block, self.block(block))).collect()
    }

    /// The grid's values in one window.
    pub(crate) fn window(&self, window: Window) -> Vec<f32> {
        self.windows(&[window]).pop().unwrap_or_default()
    }

    /// A window of the grid that a level splits. `see` gets each low band's part that it is made of, and its level and window.
    fn level_window(
        &self,
        level: usize,
        window: Window,
        blocks: &HashMap<usize, Arc<Block>>,
        see: &mut dyn FnMut(usize, Window, &[f32]),
    ) -> Vec<f32> {
        let grid = &self.streams.grid;
        if level == grid.fine_levels() {
            let base = &self.base().grid;
            let [nx, ny, _] = grid.pyramid().shape_after(level);
            let mut out = Vec::with_capacity(window.len());
            for z in window.start[2]..window.end[2] {
                for y in window.start[1]..window.end[1] {
                    out.extend(&base[window.start[0] + nx * (y + ny * z)..][..window.shape()[0]]);
                }
            }
            return out;
        }
        let band = |orientation: usize, of_band: Window| {
            Ok::<_, Infallible>(match orientation {
                0 => {
                    let low = self.level_window(level + 1, of_band, blocks, see);
                    see(level, of_band, &low);
                    low
                }
                o => self.band_window(level, o, of_band, blocks),
            })
        };
        let Ok(values) = synthesise(&grid.pyramid().levels()[level], window, band);
        values
    }

    /// A window of a band; nothing where all of it is 0.
    fn band_window(
        &self,
        level: usize,
        orientation: usize,
        window: Window,
        blocks: &HashMap<usize, Arc<Block>>,
    ) -> Vec<f32> {
        let grid = &self.streams.grid;
        let (offsets, step) = (self.offsets(level), self.streams.step);
        let [nx, ny, _] = window.shape();
        let mut out = Vec::new();
        for number in grid.meeting(level, window) {
            let part = grid.part(number, level, orientation);
            let common = Window {
                start: std::array::from_fn(|a| window.start[a].max(part.start[a]) - part.start[a]),
                end: std::array::from_fn(|a| {
                    window.end[a].min(part.end[a]).max(part.start[a]) - part.start[a]
                }),
            };
            if (0..3).any(|a| common.start[a] >= common.end[a]) {
                continue;
            }
            if let Some(numbers) = blocks.get(&number).and_then(|block| block.0[level][orientation].as_ref())
            {
                numbers.visit(common, |at, n| {
                    if out.is_empty() {
                        out.resize(window.len(), 0.0);
                    }
                    let [x, y, z]: [usize; 3] =
                        std::array::from_fn(|a| at[a] + part.start[a] - window.start[a]);
                    out[x + nx * (y + ny * z)] = coefficient(n, offsets, step);
                });
            }
        }
        out
    }
}
