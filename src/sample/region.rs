//! Regions of the grid, at full or reduced resolution.

use super::NeuralVolume;
use super::bricks::BrickReader;
use super::cache::{BRICK_EDGE, ChunkCache, ChunkKey};
use super::strided_region::StridedRegion;
use crate::container::TargetKind;
use crate::engine::{Evaluator, Install, Lattice, axis_position};
use crate::error::{Error, Result};
use crate::volume::{
    Axis, Geometry, LossyStep, MaskClass, SampleType, Samples, SamplesMut, Volume, VolumeHeader,
};
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// A box of voxels: from `start` to `end`, `end` not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region {
    /// First voxel.
    pub start: [usize; 3],
    /// One past the last voxel.
    pub end: [usize; 3],
}

impl Region {
    /// The whole of a volume of this shape.
    pub fn whole(shape: [usize; 3]) -> Self {
        Self { start: [0; 3], end: shape }
    }

    /// Slice `index` across an axis of a volume of this shape. One that the volume does not have is refused when it is read.
    pub fn slice(shape: [usize; 3], axis: Axis, index: usize) -> Self {
        let mut region = Self::whole(shape);
        region.start[axis.index()] = index;
        region.end[axis.index()] = index.saturating_add(1);
        region
    }

    /// Samples along each axis when every `stride`-th is taken, the first one included.
    ///
    /// # Errors
    /// [`Error::Options`] when `stride` is 0 or `end` is not above `start`.
    pub fn shape(&self, stride: usize) -> Result<[usize; 3]> {
        self.check(self.end, stride)?;
        Ok(self.samples(stride))
    }

    /// [`Self::shape`] of a region that was checked.
    pub(crate) fn samples(&self, stride: usize) -> [usize; 3] {
        std::array::from_fn(|a| (self.end[a] - self.start[a]).div_ceil(stride))
    }

    fn len(&self) -> usize {
        self.samples(1).iter().product()
    }

    /// The voxels of a box of samples: every `stride`-th from the region's first on.
    pub(super) fn voxels(&self, first: [usize; 3], stride: usize) -> Region {
        Region {
            start: std::array::from_fn(|a| first[a] + self.start[a] * stride),
            end: std::array::from_fn(|a| first[a] + (self.end[a] - 1) * stride + 1),
        }
    }

    pub(super) fn check(&self, shape: [usize; 3], stride: usize) -> Result<()> {
        let inside = (0..3).all(|a| self.start[a] < self.end[a] && self.end[a] <= shape[a]);
        if !inside || stride == 0 {
            let voxels = format!("voxels {:?} to {:?}", self.start, self.end);
            return Err(Error::Options(match stride {
                0 => format!("invalid stride 0 for the {voxels}: a stride is at least 1"),
                _ if shape == self.end => {
                    format!("{voxels} by {stride} are not a region: each end lies behind its start")
                }
                _ => format!("{voxels} by {stride} are not a region of a volume of {shape:?}"),
            }));
        }
        Ok(())
    }
}

/// Lattice points evaluated at a time, where the engine does not want more: 4 MiB of field values.
const SLAB: usize = 1 << 20;

/// Bricks decoded at a time, for each thread: enough to share, few enough to hold.
const BRICKS_A_THREAD: usize = 4;

/// Told how much of a region is done, 0 to 1, from the calling thread; [`ControlFlow::Break`] ends the work.
pub type ObserveRegion<'a> = &'a mut dyn FnMut(f64) -> ControlFlow<()>;

impl NeuralVolume {
    /// The voxels of a region in their stored type, every `stride`-th along each axis, with the geometry that belongs
    /// to them. The cost follows the number of voxels read.
    ///
    /// # Errors
    /// [`Error::Options`] when the region is empty or leaves the grid, or the stride is 0; [`Error::TooLarge`] when there is
    /// no memory for it; [`Error::Section`] when the file is damaged.
    pub fn read_region(&self, region: Region, stride: usize) -> Result<Volume> {
        self.read_region_as(region, stride, self.description.sample_type, &mut |_| ControlFlow::Continue(()))
    }

    /// [`Self::read_region`] as float32; masked voxels of class fill keep the fill value.
    ///
    /// # Errors
    /// As for [`Self::read_region`].
    pub fn read_region_f32(&self, region: Region, stride: usize) -> Result<Volume> {
        self.read_region_as(region, stride, SampleType::F32, &mut |_| ControlFlow::Continue(()))
    }

    /// [`Self::read_region`] in a type of the caller's choice; told how far it is.
    pub(crate) fn read_region_as(
        &self,
        region: Region,
        stride: usize,
        sample_type: SampleType,
        observe: ObserveRegion<'_>,
    ) -> Result<Volume> {
        region.check(self.description.shape, stride)?;
        let shape = region.samples(stride);
        let voxels = shape.iter().product();
        let mut samples = Samples::try_zeros(sample_type, voxels).ok_or_else(|| {
            let what =
                format!("{voxels} voxels of {sample_type} do not fit into memory; read a smaller region");
            self.too_large(voxels as u64 * sample_type.size() as u64, &what)
        })?;
        self.read_region_into(region, stride, &mut samples.as_mut(), observe)?;
        self.described(samples, shape, region.start, [stride; 3])
    }

    /// Samples of the volume, the first one at a voxel and so many voxels apart, with what the file says of them.
    pub(super) fn described(
        &self,
        samples: Samples,
        shape: [usize; 3],
        first: [usize; 3],
        stride: [usize; 3],
    ) -> Result<Volume> {
        self.header_of(samples.sample_type(), shape, first, stride).with_samples(samples)
    }

    /// What the file says of such samples.
    pub(super) fn header_of(
        &self,
        sample_type: SampleType,
        shape: [usize; 3],
        first: [usize; 3],
        stride: [usize; 3],
    ) -> VolumeHeader {
        let description = &self.description;
        let whole = &description.geometry;
        let mut header = VolumeHeader {
            shape,
            sample_type,
            geometry: Geometry {
                origin: whole.index_to_world(first.map(|n| n as f64)),
                spacing: std::array::from_fn(|a| whole.spacing[a] * stride[a] as f64),
                ..*whole
            },
            association: description.association,
            name: description.name.clone(),
            unit: description.unit.clone(),
            fill_value: description.fill_value.map(|fill| sample_type.nearest(fill)),
            fill_limit: description.fill_limit.map(|limit| sample_type.nearest(limit)),
            provenance: description.provenance.clone(),
        };
        if !self.gives_exact(sample_type) {
            let ratio = (self.ratio() * 10.0).round() / 10.0;
            header.add_lossy_step(&LossyStep { method: Some(LossyStep::NEUVOL.into()), ratio: Some(ratio) });
        }
        header
    }

    /// Whether samples decoded to a type are those that were compressed, as far as the type can hold them.
    fn gives_exact(&self, sample_type: SampleType) -> bool {
        let achieved = &self.description.achieved;
        let bounded = matches!(self.description.asked.target, TargetKind::Lossless | TargetKind::MaxError);
        let constant = self.model.is_none() && self.bricks.is_none();
        // What was measured was rounded to the stored type.
        achieved.max_error == 0.0 && (bounded || constant || sample_type == self.description.sample_type)
    }

    /// [`Self::read_region`] into the caller's memory, x fastest: a value a sample, in the type that `out` has.
    ///
    /// # Errors
    /// As for [`Self::read_region`]; [`Error::Options`] when `out` has another length, [`Error::Interrupted`] when
    /// `observe` said so.
    pub fn read_region_into(
        &self,
        region: Region,
        stride: usize,
        out: &mut SamplesMut<'_>,
        observe: ObserveRegion<'_>,
    ) -> Result<()> {
        region.check(self.description.shape, stride)?;
        let window = StridedRegion::new(region, stride);
        if out.len() != window.whole().len() {
            return Err(Error::Options(format!(
                "{} samples, but room for {} values",
                window.whole().len(),
                out.len()
            )));
        }
        // Bricks are counted from the grid's first voxel, so that regions share them.
        match &self.cache {
            Some(cache) if region.start.iter().all(|n| n % stride == 0) => {
                self.decode_through(cache, &window, out, observe)
            }
            _ => self.decode_box(&window, window.whole(), out, observe),
        }
    }

    /// Takes from the cache what it has, decodes the rest in few large boxes, and keeps their chunks.
    fn decode_through(
        &self,
        cache: &ChunkCache,
        window: &StridedRegion,
        out: &mut SamplesMut<'_>,
        observe: ObserveRegion<'_>,
    ) -> Result<()> {
        let sample_type = out.sample_type();
        let offset = window.first.map(|n| n / window.stride);
        // Positions in the window as the cache counts them.
        let absolute = |region: Region| Region {
            start: std::array::from_fn(|a| region.start[a] + offset[a]),
            end: std::array::from_fn(|a| region.end[a] + offset[a]),
        };
        let first: [usize; 3] = offset.map(|n| n / BRICK_EDGE);
        let counts: [usize; 3] =
            std::array::from_fn(|a| (offset[a] + window.shape[a]).div_ceil(BRICK_EDGE) - first[a]);
        // The part of the window in the box of bricks `from..to`.
        let part = |from: [usize; 3], to: [usize; 3]| Region {
            start: std::array::from_fn(|a| ((first[a] + from[a]) * BRICK_EDGE).saturating_sub(offset[a])),
            end: std::array::from_fn(|a| ((first[a] + to[a]) * BRICK_EDGE - offset[a]).min(window.shape[a])),
        };
        let bricks = counts.iter().product::<usize>();
        let at = |n: usize| [n % counts[0], n / counts[0] % counts[1], n / counts[0] / counts[1]];
        let brick = |n: usize| part(at(n), at(n).map(|i| i + 1));
        let key = |region: Region| ChunkKey { region, stride: window.stride, sample_type };

        let mut missing = vec![true; bricks];
        for (n, missing) in missing.iter_mut().enumerate() {
            let here = brick(n);
            let whole = Region {
                start: std::array::from_fn(|a| (first[a] + at(n)[a]) * BRICK_EDGE),
                end: std::array::from_fn(|a| {
                    let samples = self.description.shape[a].div_ceil(window.stride);
                    ((first[a] + at(n)[a] + 1) * BRICK_EDGE).min(samples)
                }),
            };
            let candidates = [absolute(here), whole];
            let found = candidates.iter().find_map(|r| cache.get(&key(*r)).map(|samples| (*r, samples)));
            if let Some((of, samples)) = found {
                let shape = of.samples(1);
                for (row, count) in window.rows(here) {
                    let [x, y, z] = [0, 1, 2].map(|a| row[a] + offset[a] - of.start[a]);
                    let from = x + shape[0] * (y + shape[1] * z);
                    out.copy_from(window.index(row), &samples, from, count);
                }
                *missing = false;
            }
        }
        let boxes = merge(&missing, counts);
        let total: usize = boxes.iter().map(|(from, to)| part(*from, *to).len()).sum();
        let mut done = 0;
        for (from, to) in boxes {
            let region = part(from, to);
            let (before, share) = (done as f64 / total as f64, region.len() as f64 / total as f64);
            self.decode_box(window, region, out, &mut |fraction| observe(before + share * fraction))?;
            done += region.len();
        }
        // What exceeds the bound would only push itself out again.
        if total * sample_type.size() <= cache.bound() {
            let out = &*out;
            let keep = |n: usize| {
                let here = brick(n);
                let mut samples = Samples::with_capacity(sample_type, here.len());
                for (row, count) in window.rows(here) {
                    out.append_to(window.index(row), count, &mut samples);
                }
                cache.put(key(absolute(here)), samples);
            };
            self.engine.install(|| (0..bricks).into_par_iter().filter(|&n| missing[n]).for_each(keep));
        }
        Ok(())
    }

    /// Decodes a box of a window and gives masked voxels their values back.
    fn decode_box(
        &self,
        window: &StridedRegion,
        region: Region,
        out: &mut SamplesMut<'_>,
        observe: ObserveRegion<'_>,
    ) -> Result<()> {
        if let Some(bricks) = &self.bricks {
            self.copy_bricks(bricks, window, region, out, observe)?;
            return if bricks.is_exact() { Ok(()) } else { self.put_mask(window, region, out) };
        }
        let scale = self.scale();
        let total = region.len();
        let shape = region.samples(1);
        // The box's samples follow one another in the window.
        let contiguous = shape[..2] == window.shape[..2];
        self.read_slabs(window.voxels(region), window.stride, |first, values| {
            self.engine.install(|| {
                if contiguous {
                    return scale.store(values, out, window.index(region.start) + first);
                }
                for (n, row) in values.chunks(shape[0]).enumerate() {
                    let row_of_box = first / shape[0] + n;
                    let [x, y, z] = region.start;
                    let at = window.index([x, y + row_of_box % shape[1], z + row_of_box / shape[1]]);
                    scale.store(row, out, at);
                }
            });
            match observe((first + values.len()) as f64 / total as f64) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(Error::Interrupted),
            }
        })?;
        self.put_mask(window, region, out)
    }

    /// Decodes a region slab by slab along z: `take` gets the first sample's index in the region and the field's values.
    pub(crate) fn read_slabs(
        &self,
        region: Region,
        stride: usize,
        mut take: impl FnMut(usize, &[f32]) -> Result<()>,
    ) -> Result<()> {
        region.check(self.description.shape, stride)?;
        let evaluator = self.evaluator()?;
        let shape = region.samples(stride);
        let plane = shape[0] * shape[1];
        let mut values = Vec::new();
        for (z, lattice) in self.slabs(region, stride, evaluator.map_or(0, Evaluator::points_a_call)) {
            // The first slab is the largest.
            values.resize(values.len().max(lattice.len()), 0.0);
            let values = &mut values[..lattice.len()];
            if let Some(evaluator) = evaluator {
                evaluator.lattice(&lattice, values)?;
                self.evaluated.fetch_add(values.len() as u64, Ordering::Relaxed);
            }
            take(z * plane, values)?;
        }
        Ok(())
    }

    /// A region cut along z into lattices of about as many points as the engine wants at a time, and where each begins.
    pub(super) fn slabs(
        &self,
        region: Region,
        stride: usize,
        points_a_call: usize,
    ) -> impl Iterator<Item = (usize, Lattice)> {
        let shape = region.samples(stride);
        let axes: [Vec<f32>; 3] = std::array::from_fn(|a| {
            let indices = (region.start[a]..region.end[a]).step_by(stride);
            indices.map(|i| axis_position(i, self.description.shape[a])).collect()
        });
        let depth = SLAB.max(points_a_call).div_ceil(shape[0] * shape[1]).min(shape[2]);
        (0..shape[2]).step_by(depth).map(move |z| {
            let along_z = axes[2][z..(z + depth).min(shape[2])].to_vec();
            (z, Lattice { axes: [axes[0].clone(), axes[1].clone(), along_z] })
        })
    }

    /// Copies a box of a window from bricks.
    fn copy_bricks(
        &self,
        reader: &BrickReader,
        window: &StridedRegion,
        region: Region,
        out: &mut SamplesMut<'_>,
        observe: ObserveRegion<'_>,
    ) -> Result<()> {
        self.check_room(reader.bytes_to_begin())?;
        let voxels = window.voxels(region);
        let bricks = reader.meeting(voxels.start, voxels.end);
        let mut done = 0;
        for batch in bricks.chunks(BRICKS_A_THREAD * self.engine.threads()) {
            let mut take = |start: [usize; 3], size: [usize; 3], samples: &Samples| {
                window.each_row_in_brick(region, start, size, |at, index, count| {
                    BrickReader::copy(samples, (at, window.stride), out, index, count);
                });
            };
            let visit = self
                .engine
                .install(|| reader.visit(self.mask.as_ref(), batch, [voxels.start, voxels.end], &mut take));
            visit.map_err(|fault| self.fault(reader.section(), fault))?;
            done += batch.len();
            if observe(done as f64 / bricks.len() as f64).is_break() {
                return Err(Error::Interrupted);
            }
        }
        Ok(())
    }

    /// Gives masked voxels of a box of a window their values back.
    fn put_mask(&self, window: &StridedRegion, region: Region, out: &mut SamplesMut<'_>) -> Result<()> {
        let Some(mask) = &self.mask else { return Ok(()) };
        let fill = self.description.fill_value;
        let voxels = window.voxels(region);
        let mut put = |start: [usize; 3], size: [usize; 3], codes: &[u8]| {
            // It has the bits of its masked samples, too.
            if self.bricks.as_ref().is_some_and(|bricks| bricks.is_exact_at(start)) {
                return;
            }
            window.each_in_brick(region, start, size, |at, index| {
                if let Some(class) = MaskClass::from_code(codes[at]) {
                    out.set(index, class.value(fill));
                }
            });
        };
        let visit = self.engine.install(|| mask.visit(voxels.start, voxels.end, &mut put));
        visit.map_err(|fault| self.fault("BRIK", fault))
    }
}

/// Boxes (first, one past the last) that cover exactly the bricks that are missing: each as wide as it gets.
fn merge(missing: &[bool], counts: [usize; 3]) -> Vec<([usize; 3], [usize; 3])> {
    let mut left = missing.to_vec();
    let index = |[x, y, z]: [usize; 3]| x + counts[0] * (y + counts[1] * z);
    let mut boxes = Vec::new();
    while let Some(n) = left.iter().position(|&is_left| is_left) {
        let start = [n % counts[0], n / counts[0] % counts[1], n / counts[0] / counts[1]];
        let mut end = start.map(|i| i + 1);
        for axis in 0..3 {
            while end[axis] < counts[axis] {
                let mut layer = Region { start, end };
                layer.start[axis] = end[axis];
                layer.end[axis] = end[axis] + 1;
                if !cells(layer).all(|cell| left[index(cell)]) {
                    break;
                }
                end[axis] += 1;
            }
        }
        cells(Region { start, end }).for_each(|cell| left[index(cell)] = false);
        boxes.push((start, end));
    }
    boxes
}

fn cells(region: Region) -> impl Iterator<Item = [usize; 3]> {
    let Region { start: [x0, y0, z0], end: [x1, y1, z1] } = region;
    (z0..z1).flat_map(move |z| (y0..y1).flat_map(move |y| (x0..x1).map(move |x| [x, y, z])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_region_is_an_error() {
        let shape = [5, 4, 3];
        let slice = Region::slice(shape, Axis::Y, 2);
        assert_eq!(slice, Region { start: [0, 2, 0], end: [5, 3, 3] });
        assert_eq!(slice.shape(2).unwrap(), [3, 1, 2]);
        let bad = [
            (slice, 0),
            (Region { start: [0, 3, 0], ..slice }, 1),
            (Region { start: [0, 4, 0], ..slice }, 1),
            (Region { start: [0, 4, 0], ..slice }, 0),
            (Region::slice(shape, Axis::X, usize::MAX), 1),
        ];
        for (region, stride) in bad {
            assert!(matches!(region.shape(stride), Err(Error::Options(_))), "{region:?} by {stride}");
            assert!(region.check(shape, stride).is_err(), "{region:?} by {stride}");
        }
        // Beyond the volume: a shape, but nothing to read.
        for axis in Axis::ALL {
            let beyond = Region::slice(shape, axis, shape[axis.index()]);
            assert!(beyond.shape(1).is_ok());
            let message = beyond.check(shape, 1).unwrap_err().to_string();
            assert!(message.contains("[5, 4, 3]"), "{message}");
        }
    }

    #[test]
    fn merged_boxes_cover_each_missing_brick_once() {
        let counts = [5, 4, 3];
        let mut state = 1u32;
        for density in [0u32, 1, 4, 8] {
            let missing: Vec<bool> = (0..60)
                .map(|_| {
                    state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                    (state >> 16) % 8 < density
                })
                .collect();
            let mut covered = vec![0; 60];
            let boxes = merge(&missing, counts);
            for &(start, end) in &boxes {
                cells(Region { start, end }).for_each(|[x, y, z]| covered[x + 5 * (y + 4 * z)] += 1);
            }
            let wanted: Vec<i32> = missing.iter().map(|&m| i32::from(m)).collect();
            assert_eq!(covered, wanted);
            if density == 8 {
                assert_eq!(boxes, [([0, 0, 0], counts)]);
            }
        }
    }
}
