//! Windows of a latent grid, from blocks that are decoded when they are needed.

use super::before::{BlockBefore, RootBefore, RootNumbers};
use super::block::Block;
use super::coarser::{Coarser, needed};
use super::streams::{Context, OtherGrid, Reading, Root, code_block, code_root};
use super::surroundings::{REACH, Surroundings};
use super::{BlockId, LatentStreams, OFFSET_LEVELS, Perceptron, coefficient};
use crate::codec::RangeDecoder;
use crate::storage::Fault;
use crate::wavelet::{INVERSE_GAIN, Window, crop, synthesise};
use lru::LruCache;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The root, decoded.
struct Top {
    context: Context,
    /// The grid that it splits, that grid's low band, and so on.
    grids: Vec<Vec<f32>>,
}

/// What is kept of a block.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// Its numbers.
    Numbers,
    /// The samples of the grid that its tier splits.
    Samples,
}

#[derive(Clone)]
enum Kept {
    Numbers(Arc<Block>),
    Samples(Arc<Vec<f32>>),
}

impl Kept {
    fn bytes(&self) -> usize {
        match self {
            Kept::Numbers(block) => block.bytes(),
            Kept::Samples(samples) => size_of_val(samples.as_slice()),
        }
    }
}

/// What was decoded last.
struct Cache {
    kept: LruCache<(Kind, BlockId), Kept>,
    bytes: usize,
}

/// A latent grid, read window by window.
pub(crate) struct LatentReader {
    streams: LatentStreams,
    top: OnceLock<Top>,
    /// What the next step's root is decoded by.
    root: OnceLock<Arc<RootNumbers>>,
    /// The grids of the root but for the one that it splits: what coarser levels are read from as long as nothing needs all of it.
    coarse: OnceLock<Vec<Vec<f32>>>,
    cache: Mutex<Cache>,
    /// Bytes that decoded blocks may take together, but for one.
    bound: usize,
}

/// What windows of a tier's grid are made of.
struct Needed {
    blocks: HashMap<BlockId, Arc<Block>>,
    /// Of the next tier: samples of its grid; none where that is the root.
    samples: HashMap<BlockId, Arc<Vec<f32>>>,
}

impl LatentReader {
    pub(crate) fn new(streams: LatentStreams, bound: usize) -> Self {
        let cache = Mutex::new(Cache { kept: LruCache::unbounded(), bytes: 0 });
        Self { streams, root: OnceLock::new(), top: OnceLock::new(), coarse: OnceLock::new(), cache, bound }
    }

    pub(crate) fn streams(&self) -> &LatentStreams {
        &self.streams
    }

    /// Bytes that may be taken by what is decoded and kept: the root, and blocks.
    pub(crate) fn most_bytes(&self) -> usize {
        let coarse =
            self.coarse.get().map_or(0, |grids| grids.iter().map(|grid| size_of_val(&grid[..])).sum());
        self.streams.root_bytes() + coarse + self.bound
    }

    /// Bytes that the first window takes beside its own; 0 when the root is decoded.
    pub(crate) fn bytes_to_begin(&self) -> u64 {
        if self.top.get().is_some() { 0 } else { self.streams.decoding_bytes() }
    }

    fn offsets(&self, level: usize) -> [f32; 3] {
        self.streams.offsets[level.min(OFFSET_LEVELS - 1)].map(|o| f32::from(o) / 256.0)
    }

    /// The root, decoded once.
    fn top(&self) -> Result<&Top, Fault> {
        if let Some(top) = self.top.get() {
            return Ok(top);
        }
        // At worst two threads decode the same.
        let top = self.decode_top(self.first_of_root())?;
        Ok(self.top.get_or_init(|| top))
    }

    /// The grid that a level of the root splits, or that the last one leaves; an eighth of the root at most is decoded for those below
    /// its first level.
    fn grid_of_root(&self, level: usize) -> Result<&Vec<f32>, Fault> {
        let first = self.first_of_root();
        if level == first || self.top.get().is_some() {
            return Ok(&self.top()?.grids[level - first]);
        }
        let coarse = match self.coarse.get() {
            Some(coarse) => coarse,
            None => {
                let coarse = self.decode_top(first + 1)?.grids;
                self.coarse.get_or_init(|| coarse)
            }
        };
        Ok(&coarse[level - first - 1])
    }

    fn first_of_root(&self) -> usize {
        self.streams.grid.first_level(self.streams.grid.tiers())
    }

    /// Decodes the root down to a level.
    fn decode_top(&self, first: usize) -> Result<Top, Fault> {
        let grid = &self.streams.grid;
        let Root { low, mut levels, context } = self.decode_root(first)?;
        if self.streams.has_next && first == self.first_of_root() {
            self.root.get_or_init(|| Arc::new(RootNumbers { low: low.clone(), levels: levels.clone() }));
        }
        let step = self.streams.steps(grid.pyramid().levels().len()).at([0; 3]);
        let mut grids: Vec<Vec<f32>> = vec![low.iter().map(|&n| n as f32 * step).collect()];
        for n in (0..levels.len()).rev() {
            let level = grid.pyramid().levels()[first + n];
            let (offsets, steps) = (self.offsets(first + n), self.streams.steps(first + n));
            let numbers = std::mem::take(&mut levels[n]);
            let low = &grids[grids.len() - 1];
            let band = |orientation: usize, window: Window| {
                Ok::<_, Infallible>(match orientation {
                    0 => low.clone(),
                    o => {
                        let mut found: Vec<(i32, f32)> = numbers[o].iter().map(|&n| (n, 0.0)).collect();
                        steps.each(window, &mut found, |(n, value), step| {
                            *value = coefficient(*n, offsets, step);
                        });
                        found.into_iter().map(|(_, value)| value).collect()
                    }
                })
            };
            let Ok(values) = synthesise(&level, Window::whole(level.shape), band);
            grids.push(values);
        }
        grids.reverse();
        Ok(Top { context, grids })
    }

    /// The root's stream, down to a level.
    fn decode_root(&self, first: usize) -> Result<Root, Fault> {
        let before = self.streams.before.as_ref();
        let root = before.map(|before| before.reader.root_numbers()).transpose()?;
        let other = before.zip(root.as_deref()).map(|(before, root)| RootBefore {
            before,
            root,
            first: self.first_of_root(),
        });
        let other = other.as_ref().map(|other| other as &dyn OtherGrid);
        let stream = self.streams.streams.read(0).map_err(|fault| fault.within("the root"))?;
        Ok(code_root(&self.streams.grid, first, other, &mut Reading(RangeDecoder::new(&stream))))
    }

    /// The root's numbers, which the next step's are coded by; decoded once.
    pub(super) fn root_numbers(&self) -> Result<Arc<RootNumbers>, Fault> {
        if self.streams.has_next {
            // Blocks are likely to be asked for, too.
            self.top()?;
        }
        if let Some(root) = self.root.get() {
            return Ok(root.clone());
        }
        let Root { low, levels, .. } = self.decode_root(self.first_of_root())?;
        Ok(self.root.get_or_init(|| Arc::new(RootNumbers { low, levels })).clone())
    }

    /// The numbers of blocks, coarse tiers first. On the threads of the pool that this runs on.
    pub(super) fn numbers_of(
        &self,
        blocks: impl Iterator<Item = BlockId>,
    ) -> Result<HashMap<BlockId, Arc<Block>>, Fault> {
        let mut found = HashMap::new();
        let mut by_tier: BTreeMap<Reverse<usize>, BTreeSet<BlockId>> = BTreeMap::new();
        for block in blocks {
            by_tier.entry(Reverse(block.tier)).or_default().insert(block);
        }
        for of_tier in by_tier.values() {
            found.extend(self.blocks(of_tier)?);
        }
        Ok(found)
    }

    /// Forgets blocks that a later step has now.
    fn forget(&self, blocks: &BTreeSet<BlockId>) {
        let mut cache = self.cache();
        // Those of coarser tiers are needed for more blocks.
        for &block in blocks.iter().filter(|block| block.tier == 0) {
            if let Some(kept) = cache.kept.pop(&(Kind::Numbers, block)) {
                cache.bytes -= kept.bytes();
            }
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, key: (Kind, BlockId), value: Kept) {
        let mut cache = self.cache();
        cache.bytes += value.bytes();
        if let Some(before) = cache.kept.put(key, value) {
            cache.bytes -= before.bytes();
        }
        while cache.bytes > self.bound
            && cache.kept.len() > 1
            && let Some((_, oldest)) = cache.kept.pop_lru()
        {
            cache.bytes -= oldest.bytes();
        }
    }

    /// What is kept of these blocks, and those of which nothing is.
    fn kept<T>(
        &self,
        kind: Kind,
        wanted: &BTreeSet<BlockId>,
        at_hand: impl Fn(&Kept) -> Option<T>,
    ) -> (HashMap<BlockId, T>, Vec<BlockId>) {
        let mut cache = self.cache();
        let (mut found, mut missing) = (HashMap::with_capacity(wanted.len()), Vec::new());
        for &block in wanted {
            match cache.kept.get(&(kind, block)).and_then(&at_hand) {
                Some(kept) => drop(found.insert(block, kept)),
                None => missing.push(block),
            }
        }
        (found, missing)
    }

    /// Blocks of one tier, decoded or kept from before: each once, their streams read together.
    fn blocks(&self, wanted: &BTreeSet<BlockId>) -> Result<HashMap<BlockId, Arc<Block>>, Fault> {
        let at_hand = |kept: &Kept| match kept {
            Kept::Numbers(kept) => Some(kept.clone()),
            _ => None,
        };
        let (mut found, missing) = self.kept(Kind::Numbers, wanted, at_hand);
        if missing.is_empty() {
            return Ok(found);
        }
        let grid = &self.streams.grid;
        let above = self.blocks(&missing.iter().filter_map(|&block| grid.above(block)).collect())?;
        let top = self.top()?;
        let all_missing: BTreeSet<BlockId> = missing.iter().copied().collect();
        let before = self.streams.before.as_ref();
        let others = before.map(|before| before.reader.blocks(&all_missing)).transpose()?;
        let numbers: Vec<usize> = missing.iter().map(|&block| grid.stream_of(block)).collect();
        let mut streams = Vec::with_capacity(missing.len());
        self.streams.streams.read_each(&numbers, |_, stream| streams.push(stream.map(<[u8]>::to_vec)))?;
        let decode = |(block, stream): (BlockId, Result<Vec<u8>, Fault>)| -> Result<_, Fault> {
            let stream = stream.map_err(|fault| fault.within(&self.streams.name_of(block)))?;
            let context = match grid.above(block) {
                Some(above_it) => above[&above_it].context.as_ref(),
                None => Some(&top.context),
            };
            let context = context.ok_or_else(|| Fault::from("a block above others leaves nothing"))?;
            let mut reading = Reading(RangeDecoder::new(&stream));
            let first = grid.first_level(block.tier);
            let other = before.zip(others.as_ref()).map(|(before, all)| BlockBefore {
                before,
                block: &all[&block],
                first,
            });
            let other = other.as_ref().map(|other| other as &dyn OtherGrid);
            let (numbers, context) = code_block(grid, block, context, other, &mut reading);
            let shape = |level, orientation| grid.part(block, first + level, orientation).shape();
            let decoded = Arc::new(Block::new(&numbers, shape, (block.tier > 0).then_some(context)));
            self.keep((Kind::Numbers, block), Kept::Numbers(decoded.clone()));
            Ok((block, decoded))
        };
        let decoded: Vec<(BlockId, Arc<Block>)> = missing
            .into_iter()
            .zip(streams)
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(decode)
            .collect::<Result<_, _>>()?;
        found.extend(decoded);
        if let Some(before) = before {
            before.reader.forget(&all_missing);
        }
        Ok(found)
    }

    /// The samples of the grid that a tier splits, in some of its blocks.
    fn samples(&self, wanted: &BTreeSet<BlockId>) -> Result<HashMap<BlockId, Arc<Vec<f32>>>, Fault> {
        let at_hand = |kept: &Kept| match kept {
            Kept::Samples(kept) => Some(kept.clone()),
            _ => None,
        };
        let (mut found, missing) = self.kept(Kind::Samples, wanted, at_hand);
        let Some(tier) = missing.first().map(|block| block.tier) else { return Ok(found) };
        let grid = &self.streams.grid;
        let windows: Vec<Window> = missing.iter().map(|&block| grid.samples(block)).collect();
        let level = grid.first_level(tier);
        let needed = self.needed(level, &windows)?;
        let values: Vec<Vec<f32>> = windows
            .par_iter()
            .map(|&window| self.level_window(level, window, &needed, &mut |_, _, _| ()))
            .collect::<Result<_, _>>()?;
        for (block, values) in missing.into_iter().zip(values) {
            let values = Arc::new(values);
            self.keep((Kind::Samples, block), Kept::Samples(values.clone()));
            found.insert(block, values);
        }
        Ok(found)
    }

    /// What windows of the grid that a level splits are made of.
    fn needed(&self, level: usize, windows: &[Window]) -> Result<Needed, Fault> {
        let grid = &self.streams.grid;
        let tier = self.tier_of(level);
        let (mut blocks, mut below) = (BTreeSet::new(), BTreeSet::new());
        if tier < grid.tiers() {
            let next = grid.first_level(tier + 1);
            for window in windows {
                let mut reached = *window;
                for n in level..next {
                    reached = reached.halved(&grid.pyramid().levels()[n]);
                    blocks.extend(grid.meeting(tier, n, reached));
                }
                if tier + 1 < grid.tiers() {
                    below.extend(grid.containing(tier + 1, reached));
                }
            }
        }
        if level <= self.first_of_root() {
            self.top()?;
        }
        Ok(Needed { blocks: self.blocks(&blocks)?, samples: self.samples(&below)? })
    }

    /// The tier that a level is in.
    fn tier_of(&self, level: usize) -> usize {
        let grid = &self.streams.grid;
        (0..grid.tiers()).find(|&tier| level < grid.first_level(tier + 1)).unwrap_or(grid.tiers())
    }

    /// The grid's values in windows, x fastest. Decodes every block once that they need, and holds it until all are done;
    /// on the threads of the pool that this runs on.
    ///
    /// # Errors
    /// When a block cannot be read, or is damaged.
    pub(crate) fn windows(&self, windows: &[Window]) -> Result<Vec<Vec<f32>>, Fault> {
        let Some(perceptron) = &self.streams.perceptron else {
            return self.level_windows(0, windows);
        };
        let needed = self.needed(0, &self.all_around(windows))?;
        let refined =
            |window: &Window| Ok(self.refine(perceptron, *window, self.surroundings_of(*window, &needed)?));
        windows.par_iter().map(refined).collect()
    }

    /// The values of a window as the perceptron makes them, which adds nothing in the focus: it knows the other step.
    fn refine(&self, perceptron: &Perceptron, window: Window, surroundings: Surroundings) -> Vec<f32> {
        let focus = self.streams.focus.as_ref().filter(|focus| focus.cells.meets(window));
        let Some(focus) = focus else { return perceptron.refine(surroundings, self.streams.step) };
        let values = surroundings.values().to_vec();
        let mut refined = perceptron.refine(surroundings, self.streams.step);
        focus.cells.stretches(window, |stretch| {
            refined[stretch.clone()].copy_from_slice(&values[stretch]);
        });
        refined
    }

    /// Windows of the grid that a level splits, or that the last one leaves: low-pass filtered by the levels before it, at the scale of
    /// the grid itself. A perceptron reads the grid itself alone.
    ///
    /// # Errors
    /// As for [`Self::windows`].
    pub(crate) fn level_windows(&self, level: usize, windows: &[Window]) -> Result<Vec<Vec<f32>>, Fault> {
        let needed = self.needed(level, windows)?;
        let before = &self.streams.grid.pyramid().levels()[..level];
        let halvings = before.iter().flat_map(|level| level.split).filter(|is_split| *is_split).count();
        let gain = INVERSE_GAIN.powi(halvings as i32);
        windows
            .par_iter()
            .map(|window| {
                let mut values = self.level_window(level, *window, &needed, &mut |_, _, _| ())?;
                if halvings > 0 {
                    values.iter_mut().for_each(|value| *value *= gain);
                }
                Ok(values)
            })
            .collect()
    }

    /// What a perceptron sees of the grid in some windows, of a grid that has two levels or more.
    ///
    /// # Errors
    /// As for [`Self::windows`].
    pub(crate) fn surroundings(&self, windows: &[Window]) -> Result<Vec<Surroundings>, Fault> {
        let needed = self.needed(0, &self.all_around(windows))?;
        windows.par_iter().map(|window| self.surroundings_of(*window, &needed)).collect()
    }

    /// What the perceptron adds to the grid's values in some windows.
    ///
    /// # Errors
    /// As for [`Self::windows`].
    pub(crate) fn additions(&self, windows: &[Window]) -> Result<Vec<Vec<f32>>, Fault> {
        let Some(perceptron) = &self.streams.perceptron else {
            return Ok(windows.iter().map(|window| vec![0.0; window.len()]).collect());
        };
        let of_window = |(surroundings, window): (Surroundings, &Window)| {
            let mut values = surroundings.values().to_vec();
            let refined = self.refine(perceptron, *window, surroundings);
            values.iter_mut().zip(refined).for_each(|(value, refined)| *value = refined - *value);
            values
        };
        Ok(self.surroundings(windows)?.into_par_iter().zip(windows).map(of_window).collect())
    }

    fn surroundings_of(&self, window: Window, needed_blocks: &Needed) -> Result<Surroundings, Fault> {
        let levels = self.streams.grid.pyramid().levels();
        let around = self.around(window);
        let of_first = needed(&levels[0], window);
        let of_second = needed(&levels[1], of_first);
        // The synthesis makes more of them than is seen.
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let values = self.level_window(0, around, needed_blocks, &mut |level, of_band, low| match level {
            0 => first = crop(low, of_band, of_first),
            1 => second = crop(low, of_band, of_second),
            _ => {}
        })?;
        let first = Coarser::new(&levels[0], &first, window);
        let second = Coarser::below(&levels[0], &levels[1], second, window);
        Ok(Surroundings::new(window, (around, values), [first, second], self.streams.step))
    }

    /// A window with what a perceptron sees around it.
    fn around(&self, window: Window) -> Window {
        let shape = self.streams.grid.pyramid().shape_after(0);
        Window {
            start: window.start.map(|n| n.saturating_sub(REACH)),
            end: std::array::from_fn(|a| (window.end[a] + REACH).min(shape[a])),
        }
    }

    fn all_around(&self, windows: &[Window]) -> Vec<Window> {
        windows.iter().map(|window| self.around(*window)).collect()
    }

    /// The grid's values in one window.
    ///
    /// # Errors
    /// As for [`Self::windows`].
    pub(crate) fn window(&self, window: Window) -> Result<Vec<f32>, Fault> {
        Ok(self.windows(&[window])?.pop().unwrap_or_default())
    }

    /// A window of the grid that a level splits, from what [`Self::needed`] found for that level or for a finer one of its tier.
    /// `see` gets each low band's part that it is made of, and its level and window.
    fn level_window(
        &self,
        level: usize,
        window: Window,
        needed: &Needed,
        see: &mut dyn FnMut(usize, Window, &[f32]),
    ) -> Result<Vec<f32>, Fault> {
        let grid = &self.streams.grid;
        if level >= self.first_of_root() {
            let whole = Window::whole(grid.pyramid().shape_after(level));
            return Ok(crop(self.grid_of_root(level)?, whole, window));
        }
        let tier = self.tier_of(level);
        let first_of_next = grid.first_level(tier + 1);
        let band = |orientation: usize, of_band: Window| {
            Ok(match orientation {
                0 => {
                    let low = match level + 1 == first_of_next && tier + 1 < grid.tiers() {
                        true => self.assembled(tier + 1, of_band, &needed.samples),
                        false => self.level_window(level + 1, of_band, needed, see)?,
                    };
                    see(level, of_band, &low);
                    low
                }
                o => self.band_window(level, o, of_band, &needed.blocks),
            })
        };
        synthesise(&grid.pyramid().levels()[level], window, band)
    }

    /// A window of the grid that a tier splits, from its blocks' samples.
    fn assembled(&self, tier: usize, window: Window, samples: &HashMap<BlockId, Arc<Vec<f32>>>) -> Vec<f32> {
        let grid = &self.streams.grid;
        let mut out = vec![0.0; window.len()];
        let [nx, ny, _] = window.shape();
        for block in grid.containing(tier, window) {
            let (own, values) = (grid.samples(block), &samples[&block]);
            let common = own.common(window);
            if common.is_empty() {
                continue;
            }
            let [ox, oy, _] = own.shape();
            for z in common.start[2]..common.end[2] {
                for y in common.start[1]..common.end[1] {
                    let from =
                        common.start[0] - own.start[0] + ox * (y - own.start[1] + oy * (z - own.start[2]));
                    let to = common.start[0] - window.start[0]
                        + nx * (y - window.start[1] + ny * (z - window.start[2]));
                    let count = common.shape()[0];
                    out[to..to + count].copy_from_slice(&values[from..from + count]);
                }
            }
        }
        out
    }

    /// A window of a band; nothing where all of it is 0.
    fn band_window(
        &self,
        level: usize,
        orientation: usize,
        window: Window,
        blocks: &HashMap<BlockId, Arc<Block>>,
    ) -> Vec<f32> {
        let grid = &self.streams.grid;
        let tier = self.tier_of(level);
        let within = level - grid.first_level(tier);
        let (offsets, steps) = (self.offsets(level), self.streams.steps(level));
        let step_of_all = steps.of_all(window);
        let [nx, ny, _] = window.shape();
        let mut out = Vec::new();
        for number in grid.meeting(tier, level, window) {
            let part = grid.part(number, level, orientation);
            let common = part.common(window);
            if common.is_empty() {
                continue;
            }
            let common = Window {
                start: std::array::from_fn(|a| common.start[a] - part.start[a]),
                end: std::array::from_fn(|a| common.end[a] - part.start[a]),
            };
            if let Some(numbers) =
                blocks.get(&number).and_then(|block| block.levels[within][orientation].as_ref())
            {
                numbers.visit(common, |at, n| {
                    if out.is_empty() {
                        out.resize(window.len(), 0.0);
                    }
                    let place = std::array::from_fn(|a| at[a] + part.start[a]);
                    let step = step_of_all.unwrap_or_else(|| steps.at(place));
                    let [x, y, z]: [usize; 3] = std::array::from_fn(|a| place[a] - window.start[a]);
                    out[x + nx * (y + ny * z)] = coefficient(n, offsets, step);
                });
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
