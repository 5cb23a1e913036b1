//! A picture in the making: block by block, front to back.

use super::block::{Block, BlockGrid, WantedCells};
use super::camera::index_box;
use super::image::Image;
use super::known::{CellsOfBlock, NeededCells};
use super::march::{March, Pixel, Rays};
use super::matrix::length;
use super::ray::{Caster, Eye, Samples};
use super::renderer::{Key, Observe, Renderer, Statistics};
use super::source::BoxSamples;
use super::tables::{MOST, Tables};
use super::tiles::Tiles;
use super::{Mode, Scene, View};
use crate::error::{Error, Result};
use crate::sample::Region;
use crate::simd::Isa;
use crate::volume::Geometry;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Blocks that are decoded at a time, for each thread.
const BLOCKS_A_THREAD: usize = 8;
/// Waves of fewer blocks than this, for each thread, are decoded together with the next one.
const ENOUGH_A_THREAD: usize = 4;
/// Voxels from sample to sample of a ray at most.
const MOST_STEP: f64 = 8.0;
/// Samples of a ray at most.
const MOST_SAMPLES: f64 = 1e6;

/// A picture that is being made.
pub(super) struct Frame<'a> {
    renderer: &'a Renderer,
    view: &'a View,
    scene: &'a Scene,
    caster: Caster<'a>,
    grid: BlockGrid,
    /// From where to where there is a field, in the level's voxels.
    field: [[f64; 3]; 2],
    range: [f64; 2],
    tables: Tables,
    march: Setting,
    /// Voxels of the volume by one of the level.
    stride: [usize; 3],
    /// The cells that change a pixel, where the file says what is in cells.
    needed: Option<NeededCells<'a>>,
}

/// What [`March`] has beside the tables.
struct Setting {
    iso: f32,
    samples: Samples,
    to_world: [[f32; 3]; 3],
    by_speed: f32,
}

impl<'a> Frame<'a> {
    pub(super) fn new(renderer: &'a Renderer, view: &'a View, scene: &'a Scene) -> Result<Self> {
        let header = renderer.source.header();
        let levels = renderer.source.levels();
        let level = levels.get(scene.level).copied().ok_or_else(|| {
            Error::Options(format!("there is no level {}, but levels 0 to {}", scene.level, levels.len() - 1))
        })?;
        let stride = level.stride.map(|n| n as f64);
        let geometry = Geometry {
            spacing: std::array::from_fn(|a| header.geometry.spacing[a] * stride[a]),
            ..header.geometry
        };
        let field = index_box(header.shape, header.association)
            .map(|corner| std::array::from_fn(|a| corner[a] / stride[a]));
        let caster = Caster::new(view, scene, &geometry, field, level.stride)?;
        let inverse = geometry
            .world_to_index()
            .ok_or_else(|| Error::Options("the volume's geometry has no inverse".into()))?;
        // Column a: the gradient in the world of what grows by 1 from voxel to voxel along axis a.
        let columns: [[f64; 3]; 3] =
            std::array::from_fn(|a| inverse.gradient(std::array::from_fn(|n| f64::from(u8::from(n == a)))));
        // How many voxels along an axis a length of 1 in the world is at most.
        let fastest = columns.iter().map(|&column| length(column)).fold(0.0, f64::max);
        let step = scene.step.unwrap_or(1.0 / fastest);
        let voxels = step * fastest;
        let diagonal = length(std::array::from_fn(|a| field[1][a] - field[0][a]));
        let is_allowed =
            step > 0.0 && voxels <= MOST_STEP * (1.0 + 1e-9) && diagonal / voxels <= MOST_SAMPLES;
        if !is_allowed {
            return Err(Error::Options(format!(
                "a step of {step} between samples is {voxels:.3} voxels; it is {MOST_STEP} voxels at most, and a ray has \
                 {MOST_SAMPLES} samples at most"
            )));
        }
        // The sample before a ray's first one in a block, and gradients in between.
        let around = (voxels + 1.0 - 1e-6).ceil() as usize;
        let range = renderer.source.range().map_or([0.0, 0.0], |(low, high)| [low, high]);
        let unit = scene.unit_distance.unwrap_or_else(|| default_unit(header.shape, &header.geometry));
        if !(unit > 0.0 && unit.is_finite()) {
            return Err(Error::Options(format!("a unit distance of {unit} is not above 0")));
        }
        let tables = Tables::new(&scene.transfer, range, unit);
        let iso = match scene.mode {
            Mode::Isosurface(value) if range[1] > range[0] => {
                ((value - range[0]) / (range[1] - range[0]) * f64::from(MOST)) as f32
            }
            _ => -1.0,
        };
        let march = Setting {
            iso,
            samples: Samples { step: step as f32 },
            // By the largest of them, so that squares are neither 0 nor infinite whatever the world's unit is.
            to_world: std::array::from_fn(|row| std::array::from_fn(|a| (columns[a][row] / fastest) as f32)),
            by_speed: (1.0 / fastest) as f32,
        };
        let grid = BlockGrid::new(level.shape, renderer.edge, around);
        // The ranges are those of the volume itself.
        let known = if scene.level == 0 { renderer.known()? } else { None };
        let stride = level.stride;
        let frame =
            Self { renderer, view, scene, caster, grid, field, range, tables, march, stride, needed: None };
        let needed = known.map(|known| NeededCells::new(known, |low, high| frame.is_wanted(low, high)));
        Ok(Self { needed, ..frame })
    }

    pub(super) fn render(&self, depth: Option<&[f32]>, observe: Observe<'_>) -> Result<Image> {
        let mut tiles = self.renderer.install(|| Tiles::cast(&self.caster, self.view.size, depth));
        let waves = self.waves();
        let mut statistics = Statistics { blocks: self.grid.len(), ..Statistics::default() };
        let threads = self.renderer.install(rayon::current_num_threads);
        let mut next = 0;
        while next < waves.len() {
            // Waves of few blocks are decoded together, so that all threads have something to do.
            let enough = ENOUGH_A_THREAD * threads;
            let group = self.renderer.install(|| self.group(&waves[next..], &tiles, enough));
            let (began, waves_of_group) = (next, group.len());
            next += waves_of_group;
            let all: Vec<&(usize, Vec<usize>)> = group.iter().flatten().collect();
            let ends = group.iter().scan(0, |end, wave| {
                *end += wave.len();
                Some(*end)
            });
            let (mut ends, mut first) = (ends.peekable(), 0);
            for batch in all.chunks(BLOCKS_A_THREAD * threads) {
                let (blocks, decoded) = self.blocks(batch)?;
                statistics.marched += blocks.len();
                statistics.decoded += decoded.len();
                statistics.samples += decoded.iter().sum::<usize>();
                // Wave by wave: no ray meets two blocks of one.
                let mut done = 0;
                while done < batch.len() {
                    while ends.next_if(|&end| end <= first + done).is_some() {}
                    let left = ends.peek().map_or(batch.len(), |end| end - first);
                    let wave = done..left.min(batch.len());
                    done = wave.end;
                    self.renderer.install(|| self.march(&mut tiles, &batch[wave.clone()], &blocks[wave]));
                }
                first += batch.len();
                let of_group = first as f64 / all.len() as f64 * waves_of_group as f64;
                if observe((began as f64 + of_group) / waves.len() as f64).is_break() {
                    return Err(Error::Interrupted);
                }
            }
            if all.is_empty() && observe(next as f64 / waves.len() as f64).is_break() {
                return Err(Error::Interrupted);
            }
        }
        Ok(self.image(&tiles, statistics))
    }

    /// The first waves, as far as they have enough blocks that the picture needs: of each wave, those blocks.
    fn group(&self, waves: &[Vec<usize>], tiles: &Tiles, enough: usize) -> Vec<Vec<(usize, Vec<usize>)>> {
        let mut group: Vec<Vec<_>> = Vec::new();
        for wave in waves {
            if group.iter().map(Vec::len).sum::<usize>() >= enough {
                break;
            }
            group.push(self.seen(wave, tiles));
        }
        group
    }

    /// The boxes of blocks that are not kept.
    fn boxes(&self, blocks: impl Iterator<Item = usize>) -> Vec<Region> {
        let kept = self.renderer.kept();
        blocks
            .flat_map(|block| match (kept.blocks.peek(&self.key(block)), self.cells(block)) {
                (Some(kept), cells) if has(kept, cells.as_ref()) => Vec::new(),
                (_, cells) => self.boxes_of(block, cells.as_ref()),
            })
            .collect()
    }

    /// The boxes that hold some cells of a block; `None`: all of it.
    fn boxes_of(&self, block: usize, cells: Option<&CellsOfBlock>) -> Vec<Region> {
        cells.map_or_else(|| vec![self.grid.region(block)], |cells| cells.boxes(&self.grid, block))
    }

    /// The blocks, in waves from front to back: no ray meets two of one wave.
    fn waves(&self) -> Vec<Vec<usize>> {
        let eye = self.caster.eye();
        let distance = |block: usize| -> usize {
            let at = self.grid.at(block);
            let along = |a: usize| {
                let last = self.grid.counts[a] - 1;
                match eye {
                    // Without bounds blocks go on at the faces, as far as a camera is away.
                    Eye::At(eye) => {
                        let of_eye = (eye[a] / self.grid.edge as f64).clamp(0.0, last as f64) as usize;
                        at[a].abs_diff(of_eye)
                    }
                    Eye::Along(direction) if direction[a] < 0.0 => last - at[a],
                    Eye::Along(_) => at[a],
                }
            };
            (0..3).map(along).sum()
        };
        let mut waves = vec![Vec::new(); self.grid.counts.iter().map(|n| n - 1).sum::<usize>() + 1];
        for block in (0..self.grid.len()).filter(|&block| self.is_of_part(block)) {
            waves[distance(block)].push(block);
        }
        waves
    }

    fn is_of_part(&self, block: usize) -> bool {
        let at = self.grid.at(block);
        self.scene.part.is_none_or(|part| {
            (0..3).all(|a| {
                let first = at[a] * self.grid.edge * self.stride[a];
                part.start[a] <= first && first < part.end[a]
            })
        })
    }

    /// Voxels of the level that would have to be decoded for all blocks whose ranges are not known to be transparent.
    pub(super) fn missing(&self) -> usize {
        let kept = self.renderer.kept();
        let is_wanted = |&block: &usize| {
            let range = kept.ranges.get(&self.key(block));
            self.is_of_part(block)
                && range.is_none_or(|range| range.is_some_and(|(low, high)| self.is_wanted(low, high)))
        };
        let wanted: Vec<usize> = (0..self.grid.len()).filter(is_wanted).collect();
        drop(kept);
        samples(&self.boxes(wanted.into_iter()))
    }

    /// The cells of a block that the picture needs; `None`: all of it.
    fn cells(&self, block: usize) -> Option<CellsOfBlock> {
        let cells = self.needed.as_ref()?.of_block(&self.grid, block);
        (!cells.are_all()).then_some(cells)
    }

    fn key(&self, block: usize) -> Key {
        (self.scene.level, self.grid.around, block)
    }

    /// Whether values of a range change a pixel.
    fn is_wanted(&self, low: u16, high: u16) -> bool {
        match self.scene.mode {
            Mode::Composite => self.tables.is_seen(low, high),
            Mode::MaximumIntensity => true,
            // Rounding may put a ray's value beside those of the samples.
            Mode::Isosurface(_) => {
                f32::from(low) - 1.0 <= self.march.iso && self.march.iso <= f32::from(high) + 1.0
            }
        }
    }

    /// The blocks of a wave that a picture needs, and the tiles that need them.
    fn seen(&self, wave: &[usize], tiles: &Tiles) -> Vec<(usize, Vec<usize>)> {
        let ranges: Vec<Option<Option<(u16, u16)>>> = {
            let kept = self.renderer.kept();
            wave.iter().map(|&block| kept.ranges.get(&self.key(block)).copied()).collect()
        };
        let tiles_of = |(&block, &range): (&usize, &Option<Option<(u16, u16)>>)| {
            let of_file = self.needed.as_ref().map(|needed| (needed, needed.of_block(&self.grid, block)));
            if of_file.as_ref().is_some_and(|(_, cells)| !cells.is_any()) {
                return None;
            }
            let range = range.or_else(|| of_file.map(|(needed, cells)| needed.range_of(&cells)));
            if range.is_some_and(|range| !range.is_some_and(|(low, high)| self.is_wanted(low, high))) {
                return None;
            }
            let most = range.flatten().map_or(f32::INFINITY, |(_, high)| f32::from(high));
            let adds = |pixel: &Pixel| match self.scene.mode {
                Mode::MaximumIntensity => pixel.largest < most,
                _ => pixel.is_live(),
            };
            let near = tiles.seeing(self.caster.to_clip(), self.grid.bounds(block, self.field));
            let lit = tiles.lit(&near, self.march.samples, &self.grid.places(block), adds);
            (!lit.is_empty()).then_some((block, lit))
        };
        wave.par_iter().zip(&ranges).filter_map(tiles_of).collect()
    }

    /// Decodes blocks, or takes those that are kept; says how many samples each that was decoded has.
    fn blocks(&self, wanted: &[&(usize, Vec<usize>)]) -> Result<(Vec<Arc<Block>>, Vec<usize>)> {
        let mut found: Vec<Option<Arc<Block>>> = {
            let mut kept = self.renderer.kept();
            wanted.iter().map(|(block, _)| kept.blocks.get(&self.key(*block)).cloned()).collect()
        };
        let mut missing = Vec::new();
        for (n, (block, _)) in wanted.iter().enumerate() {
            let cells = self.cells(*block);
            // What a picture with other functions left out is added to what it had.
            let cells = match &found[n] {
                Some(kept) if has(kept, cells.as_ref()) => continue,
                Some(kept) => cells.zip(kept.decoded()).map(|(cells, kept)| cells.with(kept)),
                None => cells,
            };
            let boxes = self.boxes_of(*block, cells.as_ref());
            missing.push((n, cells, boxes));
        }
        if !missing.is_empty() {
            let regions: Vec<Region> =
                missing.iter().flat_map(|(_, _, boxes)| boxes.iter().copied()).collect();
            let mut decoded = self.renderer.source.boxes(self.scene.level, &regions)?.0.into_iter();
            let parts: Vec<Vec<BoxSamples>> =
                missing.iter().map(|(_, _, boxes)| decoded.by_ref().take(boxes.len()).collect()).collect();
            let known = self.needed.as_ref().map(NeededCells::known);
            let made: Vec<Arc<Block>> = self.renderer.install(|| {
                let make = |((n, cells, boxes), samples): (&Missing, Vec<BoxSamples>)| {
                    let block = wanted[*n].0;
                    Arc::new(match (cells.clone().zip(known), &samples[..]) {
                        (Some((cells, known)), _) => {
                            let parts: Vec<_> = boxes.iter().copied().zip(samples).collect();
                            Block::of_boxes(&self.grid, block, &parts, known, cells)
                        }
                        (None, whole) => Block::new(&self.grid, block, &whole[0]),
                    })
                };
                missing.par_iter().zip(parts).map(make).collect()
            });
            let mut kept = self.renderer.kept();
            for ((n, _, _), block) in missing.iter().zip(made) {
                kept.keep(self.key(wanted[*n].0), &block);
                found[*n] = Some(block);
            }
        }
        let blocks = found.into_iter().flatten().collect();
        Ok((blocks, missing.iter().map(|(_, _, boxes)| samples(boxes)).collect()))
    }

    /// Marches rays through blocks that no ray meets two of.
    fn march(&self, tiles: &mut Tiles, batch: &[&(usize, Vec<usize>)], blocks: &[Arc<Block>]) {
        let march = March {
            tables: &self.tables,
            mode: self.scene.mode,
            iso: self.march.iso,
            shading: self.scene.shading,
            samples: self.march.samples,
            to_world: self.march.to_world,
            by_speed: self.march.by_speed,
        };
        let wanted: Vec<Option<WantedCells>> = batch
            .par_iter()
            .zip(blocks)
            .map(|(_, block)| {
                let range = block.range()?;
                self.is_wanted(range.0, range.1).then(|| block.wanted(|low, high| self.is_wanted(low, high)))
            })
            .collect();
        let mut of_tiles: HashMap<usize, Vec<usize>> = HashMap::new();
        for (n, (_, lit)) in batch.iter().enumerate() {
            lit.iter().for_each(|&tile| of_tiles.entry(tile).or_default().push(n));
        }
        let isa = Isa::fastest();
        tiles.tiles.par_iter_mut().enumerate().with_max_len(1).for_each(|(n, tile)| {
            for &of_batch in of_tiles.get(&n).into_iter().flatten() {
                let (Some(wanted), block) = (&wanted[of_batch], &blocks[of_batch]) else { continue };
                isa.run(Rays {
                    march: &march,
                    block,
                    wanted,
                    places: self.grid.places(batch[of_batch].0),
                    rays: &tile.rays,
                    pixels: &mut tile.pixels,
                });
            }
        });
    }

    fn image(&self, tiles: &Tiles, statistics: Statistics) -> Image {
        let size = self.view.size;
        let mut rgba = vec![[0.0; 4]; size[0] * size[1]];
        let mut depth = vec![1.0; size[0] * size[1]];
        for tile in &tiles.tiles {
            for (i, (ray, pixel)) in tile.rays.iter().zip(&tile.pixels).enumerate() {
                let at = tile.first[0] + i % tile.size[0] + size[0] * (tile.first[1] + i / tile.size[0]);
                rgba[at] = self.colour(pixel);
                if !pixel.at.is_nan() {
                    depth[at] = self.caster.depth(ray, pixel.at);
                }
            }
        }
        Image { size, rgba, depth, level: self.scene.level, statistics }
    }

    fn colour(&self, pixel: &Pixel) -> [f32; 4] {
        if self.scene.mode == Mode::MaximumIntensity {
            if pixel.largest < 0.0 {
                return [0.0; 4];
            }
            let [low, high] = self.range;
            let value = low + f64::from(pixel.largest) / f64::from(MOST) * (high - low);
            let (opacity, [r, g, b]) =
                (self.scene.transfer.opacity(value), self.scene.transfer.colour(value));
            return [r * opacity, g * opacity, b * opacity, opacity];
        }
        let [r, g, b] = pixel.colour;
        [r, g, b, 1.0 - pixel.light]
    }
}

/// A block that is to be decoded: its number among others, the cells that it is decoded for (`None`: all), and the boxes that hold them.
type Missing = (usize, Option<CellsOfBlock>, Vec<Region>);

/// Whether a block has the cells that a picture needs.
fn has(block: &Block, cells: Option<&CellsOfBlock>) -> bool {
    block.decoded().is_none_or(|decoded| cells.is_some_and(|cells| decoded.have(cells)))
}

fn samples(boxes: &[Region]) -> usize {
    boxes.iter().map(|region| region.samples(1).iter().product::<usize>()).sum()
}

/// The volume's diagonal by the cube root of the number of its cells.
fn default_unit(shape: [usize; 3], geometry: &Geometry) -> f64 {
    let extent = shape.map(|n| n.saturating_sub(1).max(1) as f64);
    let sides: [f64; 3] = std::array::from_fn(|a| extent[a] * geometry.spacing[a]);
    length(sides) / extent.iter().product::<f64>().cbrt()
}
