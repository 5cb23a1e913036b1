//! Boxes of samples for the renderer, in 16 bits.

use super::bricks::BrickReader;
use super::{LevelOfDetail, NeuralVolume, Region};
use crate::container::{CellRange, STEPS};
use crate::engine::{Install, Lattice, axis_position};
use crate::error::{Error, Result};
use crate::render::{BoxSamples, Boxes, KnownRanges, MOST, Rendered, sixteen_bits};
use crate::volume::{SampleType, Samples, VolumeHeader};
use crate::wavelet::Window;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

impl Rendered for NeuralVolume {
    fn header(&self) -> VolumeHeader {
        self.header_of(self.description.sample_type, self.description.shape, [0; 3], [1; 3])
    }

    fn range(&self) -> Option<(f64, f64)> {
        self.description.range
    }

    fn levels(&self) -> Vec<LevelOfDetail> {
        NeuralVolume::levels(self)
    }

    fn boxes(&self, level: usize, boxes: &[Region]) -> Result<Boxes> {
        let stride = self.level(level)?.stride;
        let windows: Vec<Window> =
            boxes.iter().map(|region| Window { start: region.start, end: region.end }).collect();
        let values = match (&self.bricks, level) {
            (Some(bricks), _) if bricks.is_field() => self.latent_boxes(bricks, level, &windows)?,
            (Some(bricks), 0) => self.boxes_of_bricks(bricks, boxes)?,
            (None, 0) => self.network_boxes(boxes)?,
            _ => self.boxes_of_level(level, boxes)?,
        };
        let masked = boxes.iter().map(|region| self.masked(*region, stride)).collect::<Result<Vec<_>>>()?;
        let samples = values.into_iter().zip(masked).map(|(values, masked)| BoxSamples { values, masked });
        Ok(Boxes(samples.collect()))
    }

    fn known_ranges(&self) -> Result<Option<KnownRanges>> {
        let ranges = match self.cell_ranges() {
            Ok(Some(ranges)) => ranges,
            Ok(None) => return Ok(None),
            Err(Error::Section { section, what, .. }) => {
                // No value depends on them.
                log::warn!("{}: section {section}: {what}; pictures do without", self.path.display());
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // They are of rounded samples, pictures of the field: it may be half a unit away, and engines differ in a last digit.
        let span = self.description.range.map_or(0.0, |(low, high)| high - low);
        let unit = if self.description.sample_type.is_integer() { 0.5 / span } else { 0.0 };
        let away = f64::from(MOST) * unit + 2.0;
        let share = |code: u8| f64::from(code) / STEPS * f64::from(MOST);
        let of_cell = |&range: &CellRange| match range {
            [low, high] if low <= high => {
                ((share(low) - away).floor().max(0.0) as u16, (share(high) + away).ceil() as u16)
            }
            _ => (u16::MAX, 0),
        };
        Ok(Some(KnownRanges { grid: ranges.grid, ranges: ranges.ranges.iter().map(of_cell).collect() }))
    }

    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        self.engine.run(work);
    }
}

impl NeuralVolume {
    /// A latent grid's field, unrounded.
    fn latent_boxes(&self, bricks: &BrickReader, level: usize, windows: &[Window]) -> Result<Vec<Vec<u16>>> {
        self.check_room(bricks.bytes_to_begin())?;
        let Some(reader) = bricks.reader() else { return Ok(Vec::new()) };
        let values = self.engine.install(|| {
            let values =
                if level == 0 { reader.windows(windows)? } else { reader.level_windows(level, windows)? };
            let sixteen = |values: Vec<f32>| values.iter().map(|v| sixteen_bits(v.clamp(0.0, 1.0))).collect();
            Ok(values.into_par_iter().map(sixteen).collect::<Vec<Vec<u16>>>())
        });
        let values = values.map_err(|fault| self.fault("LATG", fault))?;
        let count = windows.iter().map(|window| window.len() as u64).sum();
        self.evaluated.fetch_add(count, Ordering::Relaxed);
        Ok(values)
    }

    /// What bricks hold, each of them decoded once.
    fn boxes_of_bricks(&self, bricks: &BrickReader, boxes: &[Region]) -> Result<Vec<Vec<u16>>> {
        self.check_room(bricks.bytes_to_begin())?;
        let mut out: Vec<Vec<u16>> =
            boxes.iter().map(|region| vec![0; region.samples(1).iter().product()]).collect();
        let mut wanted: Vec<usize> =
            boxes.iter().flat_map(|region| bricks.meeting(region.start, region.end)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let scale = self.scale();
        let mut take = |start: [usize; 3], size: [usize; 3], samples: &Samples| {
            for (region, out) in boxes.iter().zip(&mut out) {
                let from: [usize; 3] = std::array::from_fn(|a| start[a].max(region.start[a]));
                let to: [usize; 3] = std::array::from_fn(|a| (start[a] + size[a]).min(region.end[a]));
                if (0..3).any(|a| from[a] >= to[a]) {
                    continue;
                }
                let [nx, ny, _] = region.samples(1);
                for z in from[2]..to[2] {
                    for y in from[1]..to[1] {
                        let row = nx * (y - region.start[1] + ny * (z - region.start[2]));
                        let of_brick = size[0] * (y - start[1] + size[1] * (z - start[2]));
                        for x in from[0]..to[0] {
                            let share = scale.normalised(samples.get(of_brick + x - start[0]));
                            // Masked samples may be anything.
                            out[row + x - region.start[0]] = sixteen_bits(share.clamp(0.0, 1.0));
                        }
                    }
                }
            }
        };
        let bounds = [[0; 3], self.description.shape];
        for batch in wanted.chunks(4 * self.engine.threads()) {
            let visit = self.engine.install(|| bricks.visit(self.mask.as_ref(), batch, bounds, &mut take));
            visit.map_err(|fault| self.fault(bricks.section(), fault))?;
        }
        Ok(out)
    }

    /// What a network gives at the voxels; the one value of a file that has none.
    fn network_boxes(&self, boxes: &[Region]) -> Result<Vec<Vec<u16>>> {
        let evaluator = self.evaluator()?;
        let of_box = |region: &Region| {
            let mut values = vec![0.0; region.samples(1).iter().product()];
            if let Some(evaluator) = evaluator {
                let axes = std::array::from_fn(|a| {
                    (region.start[a]..region.end[a])
                        .map(|i| axis_position(i, self.description.shape[a]))
                        .collect()
                });
                evaluator.lattice(&Lattice { axes }, &mut values)?;
                self.evaluated.fetch_add(values.len() as u64, Ordering::Relaxed);
            }
            Ok(values.iter().map(|value| sixteen_bits(value.clamp(0.0, 1.0))).collect())
        };
        boxes.iter().map(of_box).collect()
    }

    /// Means of voxels.
    fn boxes_of_level(&self, level: usize, boxes: &[Region]) -> Result<Vec<Vec<u16>>> {
        let scale = self.scale();
        let of_box = |region: &Region| {
            let mut samples = Samples::zeros(SampleType::F64, region.samples(1).iter().product());
            self.read_level_into(level, *region, &mut samples.as_mut(), &mut |_| ControlFlow::Continue(()))?;
            let sixteen = |i: usize| sixteen_bits(scale.normalised(samples.get(i)).clamp(0.0, 1.0));
            Ok((0..samples.len()).map(sixteen).collect())
        };
        boxes.iter().map(of_box).collect()
    }

    /// Which samples of a level are masked; `None` where none of them is.
    fn masked(&self, region: Region, stride: [usize; 3]) -> Result<Option<Vec<bool>>> {
        let Some(mask) = &self.mask else { return Ok(None) };
        let [nx, ny, nz] = region.samples(1);
        let voxel = |a: usize, n: usize| (region.start[a] + n) * stride[a];
        let [low, high] =
            [[0; 3], [nx - 1, ny - 1, nz - 1]].map(|at| std::array::from_fn(|a| voxel(a, at[a])));
        if mask.bricks().meeting(low, high.map(|n: usize| n + 1)).is_empty() {
            return Ok(None);
        }
        let mut cursor = mask.cursor();
        let mut masked = Vec::with_capacity(nx * ny * nz);
        for z in 0..nz {
            for y in 0..ny {
                for x in 0..nx {
                    let code = cursor.code_at([voxel(0, x), voxel(1, y), voxel(2, z)]);
                    masked.push(code.map_err(|fault| self.fault("BRIK", fault))? != 0);
                }
            }
        }
        Ok(masked.contains(&true).then_some(masked))
    }
}
