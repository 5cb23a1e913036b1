//! Structural similarity in three dimensions (Wang, Bovik, Sheikh and Simoncelli 2004).
//!
//! The mean over all windows of 7 x 7 x 7 voxels that lie in the volume and have no masked voxel. All of a window's voxels
//! weigh the same; variances are those of samples (divided by n - 1); K1 = 0.01, K2 = 0.03, and L is the original's range.
//! Values count from the original's lowest one, so that a window's mean is its brightness in whatever unit. That is what
//! scikit-image's `structural_similarity` gives of the volumes less that value, with L as `data_range`.
//!
//! Sums are kept window by window along each axis in turn, tile by tile, so that every voxel is read about once and a whole
//! volume needs the memory of a few planes of a tile.

use super::planes::Planes;
use super::{copy_scaled, unit_of};
use crate::volume::Samples;
use rayon::prelude::*;
use std::ops::Range;

/// Voxels along an edge of a window; where an axis has fewer, the window has as many as the axis.
pub const SIMILARITY_WINDOW: usize = 7;

/// Planes before a voxel's that its windows begin at.
pub(super) const BELOW: usize = SIMILARITY_WINDOW - 1;

/// Windows of a tile along x and y.
const TILE: [usize; 2] = [64, 32];
/// Sums of a window: of both volumes' values, their squares, their products, and its masked voxels.
const SUMS: usize = 6;
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// Adds up the similarity of a volume's windows while it is decoded, plane by plane.
pub(super) struct Similarity {
    shape: [usize; 3],
    window: [usize; 3],
    /// What values are multiplied by, the lowest one then, and what the range is.
    inverse: f64,
    low: f64,
    span: f64,
    /// The last planes that were decoded, which windows still need, and the first one's number.
    held: Option<(Samples, usize)>,
    /// The first plane of the next windows.
    next: usize,
    sum: f64,
    windows: u64,
}

/// Where the planes are that windows are made of.
#[derive(Clone, Copy)]
struct Compared<'a> {
    original: Planes<'a>,
    held: Option<(&'a Samples, usize)>,
    decoded: &'a Samples,
    first: usize,
    plane: usize,
}

impl<'a> Compared<'a> {
    /// Plane `z`: its samples, and where it begins in them.
    fn at(&self, z: usize) -> (&'a Samples, usize) {
        match self.held {
            Some((samples, first)) if z < self.first => (samples, (z - first) * self.plane),
            _ => (self.decoded, (z - self.first) * self.plane),
        }
    }
}

impl Similarity {
    /// For planes of an original of this shape; `None` where it has no range or no window.
    pub(super) fn new(shape: [usize; 3], range: Option<(f64, f64)>) -> Option<Self> {
        let (low, high) = range.filter(|(low, high)| low < high)?;
        let window = shape.map(|n| n.min(SIMILARITY_WINDOW));
        if window == [1; 3] {
            return None;
        }
        let unit = unit_of(range);
        let (low, span) = (low / unit, high / unit - low / unit);
        let (inverse, held) = (unit.recip(), None);
        Some(Self { shape, window, inverse, low, span, held, next: 0, sum: 0.0, windows: 0 })
    }

    /// The mean over the windows, once all planes were added; `None` where every window has a masked voxel.
    pub(super) fn mean(&self) -> Option<f64> {
        Some(self.sum / self.windows as f64).filter(|mean| mean.is_finite())
    }

    /// Adds planes `first..`, behind those that were added before. Of the original there are those, and [`BELOW`] more.
    pub(super) fn add(&mut self, original: Planes<'_>, first: usize, decoded: &Samples) {
        let [nx, ny, _] = self.shape;
        let end = first + decoded.len() / (nx * ny);
        let held = self.held.take();
        let planes = Compared {
            original,
            held: held.as_ref().map(|(samples, first)| (samples, *first)),
            decoded,
            first,
            plane: nx * ny,
        };
        let last = (end + 1).saturating_sub(self.window[2]);
        if last > self.next {
            let [across, along] = [nx, ny].map(|n| n.min(SIMILARITY_WINDOW)).map(|w| w - 1);
            let windows = [nx - across, ny - along];
            let tiles = [0, 1].map(|a| windows[a].div_ceil(TILE[a]));
            let sums: Vec<(f64, u64)> = (0..tiles[0] * tiles[1])
                .into_par_iter()
                .map(|tile| {
                    let place = [tile % tiles[0], tile / tiles[0]];
                    let start = [0, 1].map(|a| place[a] * TILE[a]);
                    let size = [0, 1].map(|a| TILE[a].min(windows[a] - start[a]));
                    self.tile(planes, start, size, self.next..last)
                })
                .collect();
            // In order, so that the sum does not depend on the threads.
            for (sum, count) in sums {
                self.sum += sum;
                self.windows += count;
            }
            self.next = last;
        }
        let keep = self.next.max(held.as_ref().map_or(first, |(_, first)| *first))..end;
        if !keep.is_empty() {
            let mut samples = Samples::zeros(decoded.sample_type(), keep.len() * nx * ny);
            for (n, z) in keep.clone().enumerate() {
                let (from, at) = planes.at(z);
                samples.as_mut().copy_from(n * nx * ny, from, at, nx * ny);
            }
            self.held = Some((samples, keep.start));
        }
    }

    /// The similarity of the windows that begin in a tile of `size` at `start`, in planes `from`: its sum and their number.
    fn tile(
        &self,
        planes: Compared<'_>,
        start: [usize; 2],
        size: [usize; 2],
        from: Range<usize>,
    ) -> (f64, u64) {
        let depth = self.window[2];
        let area = SUMS * size[0] * size[1];
        // Of the last planes, each where its number falls, and of all of them.
        let mut ring = vec![0.0; depth * area];
        let mut sums = vec![0.0; area];
        let mut rows = Rows::new(self.window, size[0]);
        let (mut total, mut count) = (0.0, 0);
        for (n, z) in (from.start..from.end + depth - 1).enumerate() {
            let slot = &mut ring[n % depth * area..][..area];
            sums.iter_mut().zip(&*slot).for_each(|(sum, old)| *sum -= old);
            self.plane(planes, start, size, z, &mut rows, slot);
            sums.iter_mut().zip(&*slot).for_each(|(sum, new)| *sum += new);
            if n + 1 >= depth {
                let (sum, windows) = self.similarities(&sums);
                total += sum;
                count += windows;
            }
        }
        (total, count)
    }

    /// The sums over a plane's part of each window: `SUMS` numbers a row of windows, `out` holding one row after the other.
    fn plane(
        &self,
        planes: Compared<'_>,
        start: [usize; 2],
        size: [usize; 2],
        z: usize,
        rows: &mut Rows,
        out: &mut [f64],
    ) {
        let [nx, ny, _] = self.shape;
        let height = self.window[1];
        let length = size[0] + self.window[0] - 1;
        let (decoded, plane) = planes.at(z);
        rows.restart();
        for n in 0..size[1] + height - 1 {
            let row = start[0] + nx * (start[1] + n);
            let voxel = row + nx * ny * z;
            planes.original.copy_scaled(voxel, self.inverse, &mut rows.original[..length]);
            copy_scaled(decoded, plane + row, self.inverse, &mut rows.decoded[..length]);
            for value in rows.original[..length].iter_mut().chain(&mut rows.decoded[..length]) {
                *value = (*value - self.low) / self.span;
            }
            rows.masked.fill(0.0);
            if let Some(codes) = planes.original.codes(voxel, length) {
                for (i, _) in codes.iter().enumerate().filter(|(_, code)| **code != 0) {
                    (rows.original[i], rows.decoded[i], rows.masked[i]) = (0.0, 0.0, 1.0);
                }
            }
            rows.add(n);
            if n + 1 >= height {
                let width = SUMS * size[0];
                out[(n + 1 - height) * width..][..width].copy_from_slice(&rows.sums);
            }
        }
    }

    /// Of windows whose sums these are.
    fn similarities(&self, sums: &[f64]) -> (f64, u64) {
        let n = self.window.iter().product::<usize>() as f64;
        let of_samples = n / (n - 1.0);
        let (mut total, mut count) = (0.0, 0);
        for sums in sums.chunks_exact(SUMS) {
            // Integers: what was added was taken away.
            if sums[5] > 0.5 {
                continue;
            }
            let [a, b, aa, bb, ab] = [0, 1, 2, 3, 4].map(|i| sums[i] / n);
            let [va, vb, vab] = [aa - a * a, bb - b * b, ab - a * b].map(|v| v * of_samples);
            total += (2.0 * a * b + C1) * (2.0 * vab + C2) / ((a * a + b * b + C1) * (va + vb + C2));
            count += 1;
        }
        (total, count)
    }
}

/// A tile's rows: sums over windows along x, and of the last rows.
struct Rows {
    window: [usize; 3],
    original: Vec<f64>,
    decoded: Vec<f64>,
    masked: Vec<f64>,
    /// Of the last rows, each where its number falls, and of all of them.
    ring: Vec<f64>,
    sums: Vec<f64>,
}

impl Rows {
    fn new(window: [usize; 3], windows: usize) -> Self {
        let values = vec![0.0; windows + window[0] - 1];
        let sums = vec![0.0; SUMS * windows];
        let ring = vec![0.0; window[1] * sums.len()];
        Self { window, original: values.clone(), decoded: values.clone(), masked: values, ring, sums }
    }

    fn restart(&mut self) {
        self.ring.fill(0.0);
        self.sums.fill(0.0);
    }

    /// Adds the row whose values are here, and takes away the one that no window has any more.
    fn add(&mut self, n: usize) {
        let width = self.sums.len();
        let slot = &mut self.ring[n % self.window[1] * width..][..width];
        self.sums.iter_mut().zip(&*slot).for_each(|(sum, old)| *sum -= old);
        let values = self.original.iter().zip(&self.decoded).zip(&self.masked);
        let products: Vec<[f64; SUMS]> =
            values.map(|((&a, &b), &m)| [a, b, a * a, b * b, a * b, m]).collect();
        for (out, of_window) in slot.chunks_exact_mut(SUMS).zip(products.windows(self.window[0])) {
            let mut sum = [0.0; SUMS];
            for product in of_window {
                sum.iter_mut().zip(product).for_each(|(sum, value)| *sum += value);
            }
            out.copy_from_slice(&sum);
        }
        self.sums.iter_mut().zip(&*slot).for_each(|(sum, new)| *sum += new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{Mask, Volume};

    fn similarity(original: &Volume, decoded: &Volume, planes: usize) -> Option<f64> {
        let mask = Mask::of(original);
        let mut similarity = Similarity::new(original.shape(), original.range())?;
        let [nx, ny, nz] = original.shape();
        for z in (0..nz).step_by(planes) {
            let count = planes.min(nz - z) * nx * ny;
            let mut slab = Samples::zeros(decoded.sample_type(), count);
            slab.as_mut().copy_from(0, decoded.samples(), z * nx * ny, count);
            similarity.add(Planes::of(original, mask.as_ref()), z, &slab);
        }
        similarity.mean()
    }

    /// The definition, window by window.
    fn by_definition(original: &Volume, decoded: &Volume) -> f64 {
        let shape = original.shape();
        let window = shape.map(|n| n.min(SIMILARITY_WINDOW));
        let (low, high) = original.range().unwrap();
        let range = high - low;
        let (mut total, mut count) = (0.0, 0.0);
        let n = window.iter().product::<usize>() as f64;
        for z in 0..=shape[2] - window[2] {
            for y in 0..=shape[1] - window[1] {
                for x in 0..=shape[0] - window[0] {
                    let mut values = Vec::new();
                    for k in z..z + window[2] {
                        for j in y..y + window[1] {
                            for i in x..x + window[0] {
                                let at = i + shape[0] * (j + shape[1] * k);
                                values.push((
                                    original.samples().get(at) - low,
                                    decoded.samples().get(at) - low,
                                ));
                            }
                        }
                    }
                    if values.iter().any(|(a, _)| a.is_nan()) {
                        continue;
                    }
                    let a = values.iter().map(|v| v.0).sum::<f64>() / n;
                    let b = values.iter().map(|v| v.1).sum::<f64>() / n;
                    let va = values.iter().map(|v| (v.0 - a).powi(2)).sum::<f64>() / (n - 1.0);
                    let vb = values.iter().map(|v| (v.1 - b).powi(2)).sum::<f64>() / (n - 1.0);
                    let vab = values.iter().map(|v| (v.0 - a) * (v.1 - b)).sum::<f64>() / (n - 1.0);
                    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
                    total += (2.0 * a * b + c1) * (2.0 * vab + c2) / ((a * a + b * b + c1) * (va + vb + c2));
                    count += 1.0;
                }
            }
        }
        total / count
    }

    fn volumes(shape: [usize; 3], with_mask: bool) -> (Volume, Volume) {
        let value = |i: usize| (i as f32 * 0.37).sin() * 90.0 + (i as f32 * 0.011).cos() * 40.0;
        let count = shape.iter().product();
        let mut original: Vec<f32> = (0..count).map(value).collect();
        let decoded =
            original.iter().enumerate().map(|(i, v)| v + (i as f32 * 1.7).sin() * 12.0).collect::<Vec<_>>();
        if with_mask {
            original[count / 2 + shape[0] / 2] = f32::NAN;
        }
        (Volume::new(original, shape).unwrap(), Volume::new(decoded, shape).unwrap())
    }

    #[test]
    fn it_is_that_of_its_definition_in_whatever_chunks() {
        for (shape, with_mask) in [
            ([70, 40, 9], false),
            ([20, 11, 17], true),
            ([30, 20, 1], false),
            ([9, 5, 8], false),
            ([12, 1, 3], false),
        ] {
            let (original, decoded) = volumes(shape, with_mask);
            let expected = by_definition(&original, &decoded);
            for planes in [1, 3, shape[2]] {
                let found = similarity(&original, &decoded, planes).unwrap();
                assert!((found - expected).abs() < 1e-9, "{shape:?} by {planes}: {found}, not {expected}");
            }
            assert!((0.1..0.999).contains(&expected), "{expected}");
        }
    }

    #[test]
    fn equal_volumes_are_as_alike_as_can_be() {
        let (original, _) = volumes([20, 20, 20], false);
        assert!((similarity(&original, &original, 20).unwrap() - 1.0).abs() < 1e-12);
        let constant = Volume::new(vec![3.0f32; 1000], [10, 10, 10]).unwrap();
        assert_eq!(similarity(&constant, &constant, 10), None, "no range");
    }
}
