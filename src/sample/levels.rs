//! Levels of detail: the volume on grids of half as many samples along each axis, and of half of that.
//!
//! Sample i of a level lies at voxel `i * stride`, as when every `stride`-th voxel is taken, but what lies between the samples is
//! filtered, not left out: a latent grid has these grids in its file, and decodes nothing finer for them; of other files the
//! voxels around each sample are averaged.

use super::bricks::BrickReader;
use super::mask::MaskReader;
use super::region::ObserveRegion;
use super::{NeuralVolume, Region, ValueScale};
use crate::engine::Install;
use crate::error::{Error, Result};
use crate::latents::LatentReader;
use crate::volume::{MaskClass, SampleType, Samples, SamplesMut, Volume};
use crate::wavelet::{Pyramid, Window};
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// Samples along the edge of what is decoded at a time.
const EDGE: usize = 64;
/// Voxels along the edge of what is averaged at a time.
const MEANS_EDGE: usize = 128;

/// A level of detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelOfDetail {
    /// Samples along x, y, z.
    pub shape: [usize; 3],
    /// Voxels from sample to sample along x, y, z: a power of two. An axis of few samples is halved less often than others.
    pub stride: [usize; 3],
}

impl NeuralVolume {
    /// The levels of detail, the volume itself first.
    pub fn levels(&self) -> Vec<LevelOfDetail> {
        let mut here = LevelOfDetail { shape: self.description.shape, stride: [1; 3] };
        let mut levels = vec![here];
        for level in Pyramid::new(here.shape).levels() {
            let halved = |a: usize| here.stride[a] << usize::from(level.split[a]);
            here = LevelOfDetail { shape: level.low_shape(), stride: std::array::from_fn(halved) };
            levels.push(here);
        }
        levels
    }

    /// A region of a level of detail, in the level's own samples, with the geometry that belongs to it: the origin is the centre of
    /// voxel `region.start * stride`, the spacing `stride` times the volume's. Level 0 is the volume itself.
    ///
    /// Masked is what the voxel at a sample's place is.
    ///
    /// # Errors
    /// [`Error::Options`] when there is no such level, or the region is empty or leaves it; otherwise as for
    /// [`Self::read_region`].
    pub fn read_level(&self, level: usize, region: Region) -> Result<Volume> {
        let LevelOfDetail { shape, stride } = self.level(level)?;
        region.check(shape, 1)?;
        let size = region.samples(1);
        let (count, sample_type) = (size.iter().product(), self.description.sample_type);
        let mut samples = Samples::try_zeros(sample_type, count).ok_or_else(|| {
            let what = format!("{count} samples do not fit into memory; read a smaller region");
            self.too_large(count as u64 * sample_type.size() as u64, &what)
        })?;
        let mut go_on = |_| ControlFlow::Continue(());
        self.read_level_into(level, region, &mut samples.as_mut(), &mut go_on)?;
        let first = std::array::from_fn(|a| region.start[a] * stride[a]);
        self.described(samples, size, first, stride)
    }

    /// [`Self::read_level`] into the caller's memory, x fastest: a value a sample, rounded to the volume's type, in the type that
    /// `out` has.
    ///
    /// # Errors
    /// As for [`Self::read_level`]; [`Error::Options`] when `out` has another length, [`Error::Interrupted`] when `observe` said
    /// so.
    pub fn read_level_into(
        &self,
        level: usize,
        region: Region,
        out: &mut SamplesMut<'_>,
        observe: ObserveRegion<'_>,
    ) -> Result<()> {
        let LevelOfDetail { shape, stride } = self.level(level)?;
        if level == 0 {
            return self.read_region_into(region, 1, out, observe);
        }
        region.check(shape, 1)?;
        let count: usize = region.samples(1).iter().product();
        if out.len() != count {
            return Err(Error::Options(format!("{count} samples, but room for {} values", out.len())));
        }
        let mut observe = |done: f64| match observe(done) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        };
        match self.bricks.as_ref().and_then(|bricks| bricks.reader()) {
            Some(reader) => self.put_low_band(reader, level, region, out, &mut observe)?,
            None => self.put_means(stride, region, out, &mut observe)?,
        }
        match &self.mask {
            Some(mask) => self.put_mask_of_level(mask, stride, region, out),
            None => Ok(()),
        }
    }

    /// A level that there is.
    pub(super) fn level(&self, level: usize) -> Result<LevelOfDetail> {
        let levels = self.levels();
        levels.get(level).copied().ok_or_else(|| {
            let last = levels.len() - 1;
            Error::Options(format!("there is no level {level}, but levels 0 to {last}"))
        })
    }

    /// What a latent grid's own level has.
    fn put_low_band(
        &self,
        reader: &LatentReader,
        level: usize,
        region: Region,
        out: &mut SamplesMut<'_>,
        observe: &mut impl FnMut(f64) -> Result<()>,
    ) -> Result<()> {
        self.check_room(reader.bytes_to_begin())?;
        let scale = ValueScale::new(self.description.range, self.description.sample_type);
        let all = boxes(region, [EDGE; 3]);
        let mut done = 0;
        for windows in all.chunks(4 * self.engine.threads()) {
            let decoded = self.engine.install(|| {
                let values = reader.level_windows(level, windows)?;
                Ok(values.into_par_iter().map(|values| scale.samples(&values)).collect::<Vec<_>>())
            });
            let decoded = decoded.map_err(|fault| self.fault("LATG", fault))?;
            for (window, values) in windows.iter().zip(decoded) {
                put(window, &values, region, out);
                self.evaluated.fetch_add(values.len() as u64, Ordering::Relaxed);
            }
            done += windows.len();
            observe(done as f64 / all.len() as f64)?;
        }
        Ok(())
    }

    /// Means of the voxels around each sample, half as much of those that lie between two samples, and of none that is masked.
    fn put_means(
        &self,
        stride: [usize; 3],
        region: Region,
        out: &mut SamplesMut<'_>,
        observe: &mut impl FnMut(f64) -> Result<()>,
    ) -> Result<()> {
        let all = boxes(region, stride.map(|stride| (MEANS_EDGE / stride).max(1)));
        for (n, window) in all.iter().enumerate() {
            let voxels = Region {
                start: std::array::from_fn(|a| (window.start[a] * stride[a]).saturating_sub(stride[a] / 2)),
                end: std::array::from_fn(|a| {
                    ((window.end[a] - 1) * stride[a] + stride[a] / 2 + 1).min(self.description.shape[a])
                }),
            };
            let volume =
                self.read_region_as(voxels, 1, SampleType::F64, &mut |_| ControlFlow::Continue(()))?;
            let mut shape = voxels.samples(1);
            let mut sums: Vec<f64> = (0..volume.len()).map(|i| volume.samples().get(i)).collect();
            let mut weights = vec![1.0; sums.len()];
            if let Some(mask) = &self.mask {
                self.forget_masked(mask, voxels, &mut sums, &mut weights)?;
            }
            for a in 0..3 {
                let samples = window.start[a]..window.end[a];
                let along = Along { first: voxels.start[a], samples, stride: stride[a] };
                (sums, weights) = (along.summed(a, shape, &sums), along.summed(a, shape, &weights));
                shape[a] = along.samples.len();
            }
            let mut means = Samples::zeros(self.description.sample_type, sums.len());
            for (i, (sum, weight)) in sums.iter().zip(&weights).enumerate() {
                means.set(i, if *weight > 0.0 { sum / weight } else { 0.0 });
            }
            put(window, &means, region, out);
            observe((n + 1) as f64 / all.len() as f64)?;
        }
        Ok(())
    }

    /// Sets what is masked to 0, with its weight.
    fn forget_masked(
        &self,
        mask: &MaskReader,
        voxels: Region,
        sums: &mut [f64],
        weights: &mut [f64],
    ) -> Result<()> {
        let [nx, ny, _] = voxels.samples(1);
        let visit = |start: [usize; 3], size: [usize; 3], codes: &[u8]| {
            let of_brick = Window { start, end: std::array::from_fn(|a| start[a] + size[a]) };
            let common = of_brick.common(Window { start: voxels.start, end: voxels.end });
            for z in common.start[2]..common.end[2] {
                for y in common.start[1]..common.end[1] {
                    for x in common.start[0]..common.end[0] {
                        let code = codes[x - start[0] + size[0] * (y - start[1] + size[1] * (z - start[2]))];
                        if code != 0 {
                            let at =
                                x - voxels.start[0] + nx * (y - voxels.start[1] + ny * (z - voxels.start[2]));
                            (sums[at], weights[at]) = (0.0, 0.0);
                        }
                    }
                }
            }
        };
        let visited = self.engine.install(|| mask.visit(voxels.start, voxels.end, visit));
        visited.map_err(|fault| self.fault("BRIK", fault))
    }

    /// Gives samples at masked voxels their values back.
    fn put_mask_of_level(
        &self,
        mask: &MaskReader,
        stride: [usize; 3],
        region: Region,
        out: &mut SamplesMut<'_>,
    ) -> Result<()> {
        let fill = self.description.fill_value;
        let mut cursor = mask.cursor();
        let mut at = 0;
        for z in region.start[2]..region.end[2] {
            for y in region.start[1]..region.end[1] {
                for x in region.start[0]..region.end[0] {
                    let voxel = [x * stride[0], y * stride[1], z * stride[2]];
                    let code = cursor.code_at(voxel).map_err(|fault| self.fault("BRIK", fault))?;
                    if let Some(class) = MaskClass::from_code(code) {
                        out.set(at, class.value(fill));
                    }
                    at += 1;
                }
            }
        }
        Ok(())
    }
}

/// The boxes of at most so many samples that a region is made of, x fastest.
fn boxes(region: Region, edge: [usize; 3]) -> Vec<Window> {
    let steps = |a: usize| (region.start[a]..region.end[a]).step_by(edge[a]);
    let mut boxes = Vec::new();
    for z in steps(2) {
        for y in steps(1) {
            for x in steps(0) {
                let start = [x, y, z];
                let end = std::array::from_fn(|a| (start[a] + edge[a]).min(region.end[a]));
                boxes.push(Window { start, end });
            }
        }
    }
    boxes
}

/// Puts the samples of a box of a region where they belong among the region's.
fn put(window: &Window, values: &Samples, region: Region, out: &mut SamplesMut<'_>) {
    let ([nx, ny, _], [wx, wy, wz]) = (region.samples(1), window.shape());
    let at: [usize; 3] = std::array::from_fn(|a| window.start[a] - region.start[a]);
    for row in 0..wy * wz {
        let to = at[0] + nx * (at[1] + row % wy + ny * (at[2] + row / wy));
        BrickReader::copy(values, (row * wx, 1), out, to, wx);
    }
}

/// An axis on which voxels are summed around samples.
struct Along {
    /// The first voxel that is there.
    first: usize,
    samples: std::ops::Range<usize>,
    stride: usize,
}

impl Along {
    /// The sums along an axis of a box.
    fn summed(&self, axis: usize, shape: [usize; 3], values: &[f64]) -> Vec<f64> {
        let inner: usize = shape[..axis].iter().product();
        let half = self.stride / 2;
        let mut out = Vec::with_capacity(values.len() / shape[axis] * self.samples.len());
        for plane in values.chunks_exact(inner * shape[axis]) {
            for sample in self.samples.clone() {
                let at = out.len();
                out.resize(at + inner, 0.0);
                let centre = sample * self.stride;
                let from = centre.saturating_sub(half).max(self.first);
                let to = (centre + half).min(self.first + shape[axis] - 1);
                for voxel in from..=to {
                    let weight = if half > 0 && voxel.abs_diff(centre) == half { 0.5 } else { 1.0 };
                    let row = &plane[(voxel - self.first) * inner..][..inner];
                    out[at..].iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
                }
            }
        }
        out
    }
}
