//! What has to be known of all of a volume before it is coded: its range, and values for voxels that are masked.

use super::Run;
use crate::engine::{Install, TrainingEngine};
use crate::error::Result;
use crate::latents::BLOCK_EDGE;
use crate::processes::Shares;
use crate::sample::ValueScale;
use crate::train::infill::infill;
use crate::train::progress::Stage;
use crate::volume::{MaskClass, Source, VolumeHeader, for_each_type};
use rayon::prelude::*;

/// Voxels along the edge of a cell, of whose measurements the mean is kept.
const CELL_EDGE: usize = 32;

pub(super) struct Survey {
    /// Smallest and largest measurement.
    pub(super) range: Option<(f64, f64)>,
    pub(super) masked: u64,
    /// The blocks that have measurements.
    pub(super) measured: Vec<usize>,
    cells: [usize; 3],
    /// Mean of each cell's measurements, scaled to 0..1, smooth where it has none; only where something is masked.
    means: Vec<f32>,
}

/// Boxes that a grid is cut into, x fastest: first sample and size.
pub(super) fn boxes(shape: [usize; 3], edge: [usize; 3]) -> Vec<([usize; 3], [usize; 3])> {
    let mut found = Vec::new();
    for z in (0..shape[2]).step_by(edge[2]) {
        for y in (0..shape[1]).step_by(edge[1]) {
            for x in (0..shape[0]).step_by(edge[0]) {
                let start = [x, y, z];
                found.push((start, std::array::from_fn(|a| edge[a].min(shape[a] - start[a]))));
            }
        }
    }
    found
}

/// What a box adds.
struct OfBox {
    range: Option<(f64, f64)>,
    masked: u64,
    /// Sum and number of the measurements of its cells, x fastest.
    cells: Vec<(f64, u32)>,
}

impl OfBox {
    /// Appends it, for the other processes.
    fn put(&self, out: &mut Vec<u8>) {
        // Nothing was measured where the ends are reversed.
        let (low, high) = self.range.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
        out.extend([low, high].iter().flat_map(|value| value.to_le_bytes()));
        out.extend(self.masked.to_le_bytes());
        for (sum, measured) in &self.cells {
            out.extend(sum.to_le_bytes());
            out.extend(u64::from(*measured).to_le_bytes());
        }
    }

    /// Takes what [`Self::put`] appended of a box of so many cells from the front.
    fn take(bytes: &mut impl Iterator<Item = [u8; 8]>, cells: usize) -> Self {
        let mut next = || bytes.next().unwrap_or_default();
        let (low, high) = (f64::from_le_bytes(next()), f64::from_le_bytes(next()));
        let masked = u64::from_le_bytes(next());
        let mut cell = || (f64::from_le_bytes(next()), u64::from_le_bytes(next()) as u32);
        let cells = (0..cells).map(|_| cell()).collect();
        Self { range: (low <= high).then_some((low, high)), masked, cells }
    }

    fn read(
        source: &dyn Source,
        header: &VolumeHeader,
        (start, size): ([usize; 3], [usize; 3]),
    ) -> Result<Self> {
        let samples = source.read(start, size)?;
        let fill = header.fill_range();
        let count = size.map(|n| n.div_ceil(CELL_EDGE));
        let mut found = Self { range: None, masked: 0, cells: vec![(0.0, 0); count.iter().product()] };
        for_each_type!(&samples, values => {
            for (row, values) in values.chunks_exact(size[0]).enumerate() {
                let [y, z] = [row % size[1] / CELL_EDGE, row / size[1] / CELL_EDGE];
                let cells = &mut found.cells[count[0] * (y + count[1] * z)..][..count[0]];
                for (cell, values) in cells.iter_mut().zip(values.chunks(CELL_EDGE)) {
                    for value in values.iter().map(|value| value.to_f64()) {
                        if MaskClass::of(value, fill).is_some() {
                            found.masked += 1;
                            continue;
                        }
                        let (low, high) = found.range.unwrap_or((value, value));
                        found.range = Some((low.min(value), high.max(value)));
                        *cell = (cell.0 + value, cell.1 + 1);
                    }
                }
            }
        });
        Ok(found)
    }
}

impl Survey {
    /// Reads the volume once, on the engine's threads: every process its share.
    pub(super) fn of(
        source: &dyn Source,
        header: &VolumeHeader,
        engine: &dyn TrainingEngine,
        run: &mut Run<'_>,
    ) -> Result<Self> {
        let cells = header.shape.map(|n| n.div_ceil(CELL_EDGE));
        let mut means = vec![f64::NAN; cells.iter().product()];
        let boxes = boxes(header.shape, [BLOCK_EDGE; 3]);
        let shares = Shares::new(boxes.len(), run.group.size());
        let own = &boxes[shares.of(run.group.rank())];
        let mut done = 0;
        let mut found_here = Vec::new();
        for together in own.chunks(engine.threads()) {
            let read = |&of: &_| OfBox::read(source, header, of);
            let found: Vec<Result<OfBox>> = engine.install(|| together.par_iter().map(read).collect());
            found.into_iter().try_for_each(|of_box| of_box.map(|of_box| of_box.put(&mut found_here)))?;
            done += together.len();
            run.reporter.step(Stage::Reading, done as u64, own.len() as u64, f64::NAN)?;
        }
        let (mut range, mut masked, mut measured) = (None::<(f64, f64)>, 0, Vec::new());
        let found = run.group.all_gather(found_here)?;
        let mut numbers = found.iter().flat_map(|bytes| bytes.as_chunks::<8>().0).copied();
        for (block, &(start, size)) in boxes.iter().enumerate() {
            let count = size.map(|n| n.div_ceil(CELL_EDGE));
            let found = OfBox::take(&mut numbers, count.iter().product());
            masked += found.masked;
            measured.extend(found.range.map(|_| block));
            range = match (range, found.range) {
                (Some((a, b)), Some((low, high))) => Some((a.min(low), b.max(high))),
                (one, other) => one.or(other),
            };
            for (n, (sum, measured)) in found.cells.into_iter().enumerate().filter(|(_, cell)| cell.1 > 0) {
                let at = [n % count[0], n / count[0] % count[1], n / count[0] / count[1]];
                let [x, y, z] = std::array::from_fn(|a| start[a] / CELL_EDGE + at[a]);
                means[x + cells[0] * (y + cells[1] * z)] = sum / f64::from(measured);
            }
        }
        let mut survey = Self { range, masked, measured, cells, means: Vec::new() };
        if masked > 0 {
            let scale = ValueScale::new(range, header.sample_type);
            let codes: Vec<u8> = means.iter().map(|mean| u8::from(mean.is_nan())).collect();
            survey.means = means.into_iter().map(|mean| scale.normalised(mean)).collect();
            infill(&mut survey.means, &codes, cells);
        }
        Ok(survey)
    }

    /// The value for a masked voxel: between the means of the cells around it.
    pub(super) fn fill(&self, voxel: [usize; 3]) -> f32 {
        let mut lower = [0; 3];
        let mut part = [0f32; 3];
        for a in 0..3 {
            let at =
                ((voxel[a] as f32 + 0.5) / CELL_EDGE as f32 - 0.5).clamp(0.0, (self.cells[a] - 1) as f32);
            lower[a] = (at as usize).min(self.cells[a].saturating_sub(2));
            part[a] = at - lower[a] as f32;
        }
        let mut value = 0.0;
        for corner in 0..8 {
            let mut at = [0; 3];
            let mut weight = 1.0;
            for a in 0..3 {
                let upper = corner >> a & 1;
                at[a] = (lower[a] + upper).min(self.cells[a] - 1);
                weight *= if upper == 1 { part[a] } else { 1.0 - part[a] };
            }
            value += weight * self.means[at[0] + self.cells[0] * (at[1] + self.cells[1] * at[2])];
        }
        value
    }
}
