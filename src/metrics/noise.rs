//! A volume's own noise, from where the volume is flattest.
//!
//! Blocks of 12 x 12 x 12 voxels from all over the volume are fitted by a plane each; what is left over is noise, or structure
//! that a plane does not have. The flattest blocks have the least of that. They are taken for noise where they look like it, and
//! the noise is then what a surface of second degree leaves over, so that a slope which bends does not count as noise:
//! - **A difference over two voxels is about as large as all that is left over.** Structure that the grid resolves grows with
//!   the distance. Noise does not, nor does noise that a reconstruction kernel, a zoom between slices or a lossy codec has
//!   spread over two or three voxels; an estimate from neighbours alone would take such noise for little.
//! - **Differences of neighbours are spread as those of noise are**, not a few large ones between equal values.
//!
//! Left out is what says nothing of the noise: blocks with masked voxels; the constant background, and blocks in which more
//! than a few voxels have its value or the lowest one (padding, values that were cut off); air around a CT. Constant blocks of
//! other values do count: there the volume has no noise.

use super::planes::Planes;
use super::spread::spread;
use super::unit_of;
use crate::volume::{Mask, Volume};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Voxels along an edge of a block.
const EDGE: usize = 12;
/// Planes behind the one that a block begins in.
pub(super) const ABOVE: usize = EDGE - 1;
/// Blocks that are looked at, at most.
const MOST_BLOCKS: usize = 1 << 14;
/// Hounsfield units below which a block of a CT is the air around the patient, or a large airway.
const AIR_BELOW_HU: f64 = -950.0;
/// How many blocks of a small volume share a voxel along an axis.
const OVERLAP: usize = 3;
/// A block with fewer voxels says too little.
const LEAST_VOXELS: usize = 64;
/// The distance of a difference, in voxels, and what an axis needs for one.
const DISTANCE: usize = 2;
const LEAST_AXIS: usize = 2 * DISTANCE + 1;
/// The share of a block's voxels that may be background or cut off.
const MOST_BACKGROUND: f64 = 0.02;
/// The share of blocks that are the flattest, and how many they are at least.
const FLATTEST: f64 = 0.02;
const LEAST_FLATTEST: usize = 5;
/// Noise is at most this many times what differences over [`DISTANCE`] say: 1 for white noise, 1.4 for noise smoothed over
/// three voxels; from 2 up for turbulence that a grid resolves, and 3 for a smooth field.
const MOST_GROWTH: f64 = 1.7;
/// The mean absolute difference of neighbours by the root of its square: 0.8 of a normal distribution, 0.7 of a Laplace
/// distribution, 0.45 where a block has an edge and nothing else (Geary 1935).
const LEAST_EVENNESS: f64 = 0.6;
/// The mean of a Rayleigh distribution by its standard deviation, and how near to it a background is one: where the signal is
/// 0, the magnitude of complex noise (MR) has this distribution, of 0.655 times the noise's deviation (Gudbjartsson and Patz
/// 1995).
const RAYLEIGH: f64 = 1.913;
const RAYLEIGH_WITHIN: f64 = 0.12;
const RAYLEIGH_DEVIATION: f64 = 0.6551;
/// Below this share of the range it is arithmetic that rounds.
const LEAST_SHARE: f64 = 1e-5;

/// The standard deviation of a volume's noise, in its unit; `None` where none is found: in a synthetic field, in simulations,
/// in what is too small to tell. Noise that differs from place to place is that of the quietest tissue.
pub fn noise(volume: &Volume) -> Option<f64> {
    noise_of(volume, Mask::of(volume).as_ref(), volume.range())
}

/// [`noise`], for a volume whose mask and range are known.
pub(crate) fn noise_of(volume: &Volume, mask: Option<&Mask>, range: Option<(f64, f64)>) -> Option<f64> {
    let mut survey = NoiseSurvey::new(volume.shape(), &volume.unit, range)?;
    let (planes, all) = (Planes::of(volume, mask), 0..volume.shape()[2]);
    survey.look(planes, all.clone());
    survey.measure(planes, all);
    survey.noise()
}

/// A block's first voxel.
type Start = [usize; 3];

/// What a block is.
enum Block {
    /// Some of it is masked.
    Masked,
    /// Of one value.
    Constant(f64),
    Varied,
}

/// What a block of measurements is like.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Texture {
    mean: f64,
    /// Standard deviation from the best plane.
    deviation: f64,
    /// Standard deviation from the best surface of second degree.
    rest: f64,
    /// Differences over [`DISTANCE`] voxels, as the deviation of white noise that makes such ones.
    far: f64,
    /// Differences of neighbours: root of the mean square and mean magnitude.
    near: [f64; 2],
}

impl Texture {
    /// Of a constant block.
    fn flat(value: f64) -> Self {
        Self { mean: value, deviation: 0.0, rest: 0.0, far: 0.0, near: [0.0; 2] }
    }

    fn looks_like_noise(&self) -> bool {
        let [root, mean] = self.near;
        self.deviation > 0.0 && self.deviation <= MOST_GROWTH * self.far && mean >= LEAST_EVENNESS * root
    }
}

/// The blocks of a volume: all are looked at, then measured, planes by planes. Values are in units of a power of two, so that their
/// squares are numbers.
pub(super) struct NoiseSurvey {
    shape: [usize; 3],
    is_ct: bool,
    unit: f64,
    low: f64,
    span: f64,
    /// Voxels of a block along each axis.
    size: [usize; 3],
    /// Where a block's voxels lie along each axis, from its middle.
    positions: [Vec<f64>; 3],
    /// In the order of their voxels.
    starts: Vec<Start>,
    /// What those are that were looked at.
    kinds: Vec<Block>,
    /// What those are like that were measured, but for those that say nothing.
    textures: Vec<Texture>,
}

impl NoiseSurvey {
    /// Of a volume of this shape, unit and range; `None` where no noise would be found.
    pub(super) fn new(shape: [usize; 3], unit_name: &str, range: Option<(f64, f64)>) -> Option<Self> {
        let (low, high) = range.filter(|(low, high)| low < high)?;
        let unit = unit_of(range);
        let size = shape.map(|n| n.min(EDGE));
        if size.iter().product::<usize>() < LEAST_VOXELS || !size.iter().any(|&n| n >= LEAST_AXIS) {
            return None;
        }
        // In a small volume a flat part may lie between blocks that stand side by side: there they overlap.
        let blocks = |steps: [usize; 3]| -> [usize; 3] {
            std::array::from_fn(|a| (shape[a] - size[a]) / steps[a] + 1)
        };
        let overlapping = size.map(|n| n.div_ceil(OVERLAP));
        let is_small = blocks(overlapping).iter().product::<usize>() <= MOST_BLOCKS;
        let steps = if is_small { overlapping } else { size };
        let blocks = blocks(steps);
        let starts = spread(blocks.iter().product(), MOST_BLOCKS)
            .map(|n| {
                let place = [n % blocks[0], n / blocks[0] % blocks[1], n / blocks[0] / blocks[1]];
                std::array::from_fn(|a| place[a] * steps[a])
            })
            .collect();
        let (low, span) = (low / unit, high / unit - low / unit);
        let steps = [1, size[0], size[0] * size[1]];
        let positions = std::array::from_fn(|a| {
            let middle = 0.5 * (size[a] as f64 - 1.0);
            (0..size.iter().product()).map(|i| (i / steps[a] % size[a]) as f64 - middle).collect()
        });
        Some(Self {
            shape,
            is_ct: unit_name == "HU",
            unit,
            low,
            span,
            size,
            positions,
            starts,
            kinds: Vec::new(),
            textures: Vec::new(),
        })
    }

    /// The blocks that begin in some planes.
    fn beginning_in(&self, planes: Range<usize>) -> Range<usize> {
        let before = |z: usize| self.starts.partition_point(|start| start[2] < z);
        before(planes.start)..before(planes.end)
    }

    /// Looks at the blocks that begin in some planes, behind those that were looked at before. There are [`ABOVE`] planes more.
    pub(super) fn look(&mut self, planes: Planes<'_>, own: Range<usize>) {
        let blocks = &self.starts[self.beginning_in(own)];
        let kinds: Vec<Block> = blocks.par_iter().map(|&start| self.kind(planes, start)).collect();
        self.kinds.extend(kinds);
    }

    /// Measures the blocks that begin in some planes, behind those that were measured before, once all were looked at. There are
    /// [`ABOVE`] planes more.
    pub(super) fn measure(&mut self, planes: Planes<'_>, own: Range<usize>) {
        let background = background(&self.kinds);
        let air = if self.is_ct { AIR_BELOW_HU / self.unit } else { f64::NEG_INFINITY };
        let blocks = self.beginning_in(own);
        let textures: Vec<Texture> = self.kinds[blocks.clone()]
            .par_iter()
            .zip(&self.starts[blocks])
            .filter_map(|(kind, &start)| match *kind {
                Block::Masked => None,
                Block::Constant(value) => {
                    let counts = value > self.low && Some(value) != background && value >= air;
                    counts.then(|| Texture::flat(value))
                }
                Block::Varied => {
                    self.texture(planes, start, background).filter(|texture| texture.mean >= air)
                }
            })
            .collect();
        self.textures.extend(textures);
    }

    /// The noise, once all blocks were measured.
    pub(super) fn noise(mut self) -> Option<f64> {
        let mut textures = std::mem::take(&mut self.textures);
        textures.sort_by(|a, b| a.deviation.total_cmp(&b.deviation));
        let flattest = ((textures.len() as f64 * FLATTEST).ceil() as usize).max(LEAST_FLATTEST);
        textures.truncate(flattest);
        let count = textures.len();
        textures.retain(Texture::looks_like_noise);
        if textures.is_empty() || 2 * textures.len() < count {
            return None;
        }
        let mut rests: Vec<f64> = textures.iter().map(|texture| texture.rest).collect();
        rests.sort_by(f64::total_cmp);
        let mut deviation = rests[rests.len() / 2];
        if self.low >= 0.0 && self.is_rayleigh(&textures) {
            deviation /= RAYLEIGH_DEVIATION;
        }
        (deviation >= LEAST_SHARE * self.span).then_some(deviation * self.unit)
    }

    fn is_rayleigh(&self, textures: &[Texture]) -> bool {
        let mut shares: Vec<f64> = textures.iter().map(|texture| texture.mean / texture.deviation).collect();
        shares.sort_by(f64::total_cmp);
        (shares[shares.len() / 2] - RAYLEIGH).abs() < RAYLEIGH_WITHIN
    }

    /// The first voxels of a block's rows.
    fn rows(&self, [x, y, z]: Start) -> impl Iterator<Item = usize> {
        let ([nx, ny, _], [_, rows, planes]) = (self.shape, self.size);
        (0..planes).flat_map(move |k| (0..rows).map(move |j| x + nx * (y + j + ny * (z + k))))
    }

    fn kind(&self, planes: Planes<'_>, start: Start) -> Block {
        let length = self.size[0];
        let is_masked =
            |row: usize| planes.codes(row, length).is_some_and(|codes| codes.iter().any(|&c| c != 0));
        if self.rows(start).any(is_masked) {
            return Block::Masked;
        }
        let mut values = [0.0; EDGE];
        let mut first = None;
        for row in self.rows(start) {
            planes.copy_scaled(row, self.unit.recip(), &mut values[..length]);
            let first = *first.get_or_insert(values[0]);
            if values[..length].iter().any(|&value| value != first) {
                return Block::Varied;
            }
        }
        first.map_or(Block::Masked, Block::Constant)
    }

    /// `None` for a block that is in part background.
    fn texture(&self, planes: Planes<'_>, start: Start, background: Option<f64>) -> Option<Texture> {
        let [nx, ny, nz] = self.size;
        let count = nx * ny * nz;
        let mut values = vec![0.0; count];
        for (row, values) in self.rows(start).zip(values.chunks_exact_mut(nx)) {
            planes.copy_scaled(row, self.unit.recip(), values);
        }
        let of_background = values.iter().filter(|&&v| v == self.low || Some(v) == background).count();
        if of_background as f64 > MOST_BACKGROUND * count as f64 {
            return None;
        }
        // Less the first value, so that a large offset does not take the digits.
        let offset = values[0];
        values.iter_mut().for_each(|v| *v -= offset);
        let mean = values.iter().sum::<f64>() / count as f64;
        values.iter_mut().for_each(|v| *v -= mean);
        let mut left = values.iter().map(|v| v * v).sum::<f64>();
        let mut freedoms = count as f64 - 1.0;
        let (mut far, mut near, mut axes) = (0.0, [0.0; 2], 0.0);
        // Mean square of positions along an axis.
        let spread = |a: usize| (self.size[a] * self.size[a] - 1) as f64 / 12.0;
        let (mut bent, mut bends) = (0.0, 0.0);
        let [x, y, z] = &self.positions;
        for (a, (along, step)) in [x, y, z].into_iter().zip([1, nx, nx * ny]).enumerate() {
            let n = self.size[a];
            if n > 1 {
                left -= explained(&values, spread(a), |i| along[i]);
                freedoms -= 1.0;
            }
            if n >= LEAST_AXIS {
                let fourth = spread(a) * (n * n - 4) as f64 / 15.0;
                bent += explained(&values, fourth, |i| along[i] * along[i] - spread(a));
                bends += 1.0;
                let [square, _] = differences(&values, n, step, DISTANCE);
                far += square;
                let [square, magnitude] = differences(&values, n, step, 1);
                near = [near[0] + square, near[1] + magnitude];
                axes += 1.0;
            }
            for (b, other) in [x, y, z].into_iter().enumerate().take(a) {
                if n > 1 && self.size[b] > 1 {
                    bent += explained(&values, spread(a) * spread(b), |i| along[i] * other[i]);
                    bends += 1.0;
                }
            }
        }
        Some(Texture {
            mean: mean + offset,
            deviation: (left.max(0.0) / freedoms).sqrt(),
            rest: ((left - bent).max(0.0) / (freedoms - bends)).sqrt(),
            far: (far / axes).sqrt(),
            near: [(near[0] / axes).sqrt(), near[1] / axes],
        })
    }
}

/// The most frequent value of constant blocks; of equally frequent ones the lowest.
fn background(kinds: &[Block]) -> Option<f64> {
    let mut counts: BTreeMap<u64, (usize, f64)> = BTreeMap::new();
    for kind in kinds {
        if let Block::Constant(value) = kind {
            counts.entry(value.to_bits()).or_insert((0, *value)).0 += 1;
        }
    }
    let most = counts.values().max_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    most.map(|&(_, value)| value)
}

/// The sum of squares that a term of mean square `spread` explains of values whose mean is 0. On a grid all terms are
/// independent of each other.
fn explained(values: &[f64], spread: f64, term: impl Fn(usize) -> f64) -> f64 {
    let product: f64 = values.iter().enumerate().map(|(i, v)| v * term(i)).sum();
    product * product / (spread * values.len() as f64)
}

/// Second differences along an axis of `n` voxels, `step` apart in memory: the mean square and the mean magnitude, both in
/// units of what white noise of deviation 1 gives for the square (6).
fn differences(values: &[f64], n: usize, step: usize, distance: usize) -> [f64; 2] {
    let (mut square, mut magnitude) = (0.0, 0.0);
    let count = values.len() / n * (n - 2 * distance);
    for line in values.chunks_exact(n * step) {
        let (b, c) = (&line[distance * step..], &line[2 * distance * step..]);
        for ((a, b), c) in line.iter().zip(b).zip(c) {
            let difference = a - 2.0 * b + c;
            square += difference * difference;
            magnitude += difference.abs();
        }
    }
    let count = count as f64;
    [square / count / 6.0, magnitude / count / 6f64.sqrt()]
}

#[cfg(test)]
mod tests;
