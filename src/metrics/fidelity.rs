//! What one needs to trust a compressed volume: its errors and what they are to be measured by.

use super::bands::{BandErrors, Bands, Row, Surroundings};
use super::noise::noise_of;
use super::planes::Planes;
use super::similarity::Similarity;
use super::{CHUNK, Distortion, copy_scaled, unit_of};
use crate::error::{Error, Result};
use crate::volume::{Mask, Samples, Volume};
use rayon::prelude::*;
use std::ops::Range;

/// How true a decoded volume is to its original. Masked voxels of the original do not count.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fidelity {
    /// Errors of all voxels together.
    pub distortion: Distortion,
    /// The original's own noise, where any is found: [`noise`](super::noise()).
    pub noise: Option<f64>,
    /// Mean error, decoded less original, in the volume's unit.
    pub bias: f64,
    /// The voxel with the largest error, the first one of several; `None` where nothing differs.
    pub largest: Option<[usize; 3]>,
    /// Structural similarity in windows of [`SIMILARITY_WINDOW`](super::SIMILARITY_WINDOW) voxels along each axis, 1 where
    /// nothing differs; `None` where the original has no range, or every window a masked voxel.
    pub similarity: Option<f64>,
    /// Errors by bands of value, lowest first, those that have voxels.
    pub bands: Vec<BandErrors>,
}

impl Fidelity {
    /// Of errors alone.
    pub(crate) fn of(distortion: Distortion) -> Self {
        Self { distortion, noise: None, bias: 0.0, largest: None, similarity: None, bands: Vec::new() }
    }
}

/// Compares a decoded volume with its original in all that [`Fidelity`] holds.
///
/// # Errors
/// [`Error::Options`] when the shapes differ.
pub fn fidelity(original: &Volume, decoded: &Volume) -> Result<Fidelity> {
    if original.shape() != decoded.shape() {
        return Err(Error::Options(format!(
            "volumes of {:?} and {:?} samples cannot be compared",
            original.shape(),
            decoded.shape()
        )));
    }
    let (mask, range) = (Mask::of(original), original.range());
    let bands = Bands::of_measurements(original, mask.as_ref(), range);
    let mut meter = FidelityMeter::new(original.shape(), range, bands);
    meter.add(Planes::of(original, mask.as_ref()), 0, decoded.samples());
    Ok(meter.fidelity(noise_of(original, mask.as_ref(), range)))
}

/// Sums of errors, in units of a power of two.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    voxels: u64,
    errors: f64,
    squares: f64,
}

impl Sums {
    fn merge(&mut self, other: &Self) {
        self.voxels += other.voxels;
        self.errors += other.errors;
        self.squares += other.squares;
    }

    fn mean(&self) -> f64 {
        if self.voxels == 0 { 0.0 } else { self.errors / self.voxels as f64 }
    }

    fn root(&self) -> f64 {
        if self.voxels == 0 { 0.0 } else { (self.squares / self.voxels as f64).sqrt() }
    }
}

/// What some rows add up to: errors by band, and the largest one with its voxel.
struct Tally {
    bands: Vec<Sums>,
    largest: f64,
    voxel: usize,
}

impl Tally {
    fn new(bands: usize) -> Self {
        Self { bands: vec![Sums::default(); bands.max(1)], largest: 0.0, voxel: 0 }
    }

    /// Adds what comes behind.
    fn merge(&mut self, other: &Self) {
        self.bands.iter_mut().zip(&other.bands).for_each(|(sums, other)| sums.merge(other));
        if other.largest > self.largest {
            (self.largest, self.voxel) = (other.largest, other.voxel);
        }
    }
}

/// Compares a volume with its original while it is decoded.
pub(crate) struct FidelityMeter {
    shape: [usize; 3],
    range: Option<(f64, f64)>,
    bands: Bands,
    /// Where the second band begins, the third, and so on, in units.
    limits: Vec<f64>,
    unit: f64,
    tally: Tally,
    similarity: Option<Similarity>,
    by_own_value: bool,
}

impl FidelityMeter {
    /// For an original of this shape, range and bands.
    pub(crate) fn new(shape: [usize; 3], range: Option<(f64, f64)>, bands: Bands) -> Self {
        let unit = unit_of(range);
        let limits = bands.bands(range).iter().filter_map(|band| band.from).map(|from| from / unit).collect();
        let tally = Tally::new(bands.len());
        let similarity = Similarity::new(shape, range);
        let by_own_value = false;
        Self { shape, range, bands, limits, unit, tally, similarity, by_own_value }
    }

    /// The same with voxels in the bands of their own value, and without similarity.
    pub(crate) fn by_own_value(self) -> Self {
        Self { by_own_value: true, similarity: None, ..self }
    }

    /// Adds planes `first..` of the decoded volume, behind those that were added before, on the threads of the pool that this
    /// runs on. Of the original there are those and what surrounds them: [`AROUND`](super::bands::AROUND), [`BELOW`](super::similarity::BELOW).
    pub(crate) fn add(&mut self, original: Planes<'_>, first: usize, decoded: &Samples) {
        let [nx, ny, _] = self.shape;
        let rows = decoded.len() / nx;
        let together = (CHUNK / nx).max(1);
        let tallies: Vec<Tally> = (0..rows.div_ceil(together))
            .into_par_iter()
            .map(|chunk| {
                let own = chunk * together..rows.min((chunk + 1) * together);
                self.rows(original, decoded, first * ny, own)
            })
            .collect();
        // In order, so that the sums do not depend on the threads.
        tallies.iter().for_each(|tally| self.tally.merge(tally));
        if let Some(similarity) = &mut self.similarity {
            similarity.add(original, first, decoded);
        }
    }

    /// Rows of the decoded samples, whose first one is row `first` of the volume.
    fn rows(&self, original: Planes<'_>, decoded: &Samples, first: usize, rows: Range<usize>) -> Tally {
        let [nx, ny, _] = self.shape;
        let inverse = self.unit.recip();
        let around = Surroundings { planes: original, inverse };
        let (mut row_around, mut originals, mut values) = (Row::default(), vec![0.0; nx], vec![0.0; nx]);
        let mut tally = Tally::new(self.bands.len());
        for row in rows {
            let at = nx * (first + row);
            original.copy_scaled(at, inverse, &mut originals);
            copy_scaled(decoded, nx * row, inverse, &mut values);
            if !self.limits.is_empty() && !self.by_own_value {
                around.row(0, nx, [(first + row) % ny, (first + row) / ny], &mut row_around);
            }
            for (i, (own, value)) in originals.iter().zip(&values).enumerate() {
                if original.is_masked(at + i) {
                    continue;
                }
                let error = value - own;
                let band = if self.limits.is_empty() {
                    0
                } else {
                    let mean = if self.by_own_value { *own } else { row_around.mean(i) };
                    self.limits.iter().filter(|&&limit| mean >= limit).count()
                };
                let sums = &mut tally.bands[band];
                sums.voxels += 1;
                sums.errors += error;
                sums.squares += error * error;
                if error.abs() > tally.largest {
                    (tally.largest, tally.voxel) = (error.abs(), at + i);
                }
            }
        }
        tally
    }

    /// What was found, once all planes were added, beside the original's noise.
    pub(crate) fn fidelity(&self, noise: Option<f64>) -> Fidelity {
        let mut all = Sums::default();
        self.tally.bands.iter().for_each(|sums| all.merge(sums));
        let unit = self.unit;
        let rmse = all.root();
        let span = self.range.map_or(0.0, |(low, high)| high / unit - low / unit);
        let psnr = if rmse == 0.0 { f64::INFINITY } else { 20.0 * (span / rmse).log10() };
        let distortion =
            Distortion { psnr, rmse: rmse * unit, max_error: self.tally.largest * unit, voxels: all.voxels };
        let [nx, ny, _] = self.shape;
        let voxel = self.tally.voxel;
        let bands = self.bands.bands(self.range).into_iter().zip(&self.tally.bands);
        let bands = bands.filter(|(_, sums)| sums.voxels > 0).map(|(band, sums)| BandErrors {
            band,
            share: sums.voxels as f64 / all.voxels as f64,
            bias: sums.mean() * unit,
            rmse: sums.root() * unit,
        });
        Fidelity {
            distortion,
            noise,
            bias: all.mean() * unit,
            largest: (self.tally.largest > 0.0).then_some([voxel % nx, voxel / nx % ny, voxel / nx / ny]),
            similarity: self.similarity.as_ref().and_then(Similarity::mean),
            bands: bands.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::compare;

    /// A CT of slabs of air, fat and bone, 8 planes each.
    fn ct() -> Volume {
        let shape = [16, 12, 24];
        let samples: Vec<i16> = (0..shape.iter().product())
            .map(|i: usize| [-990, -100, 900][i / (16 * 12 * 8)] + (i % 5) as i16)
            .collect();
        let mut volume = Volume::new(samples, shape).unwrap();
        volume.unit = "HU".into();
        volume
    }

    fn changed(volume: &Volume, change: impl Fn(usize) -> f64) -> Volume {
        let samples: Vec<f64> = (0..volume.len()).map(|i| volume.samples().get(i) + change(i)).collect();
        Volume::new(samples, volume.shape()).unwrap()
    }

    #[test]
    fn errors_are_found_in_the_tissue_that_has_them() {
        let original = ct();
        let fat = 16 * 12 * 8..16 * 12 * 16;
        let worst = 3 + 16 * (7 + 12 * 20);
        let decoded = changed(&original, |i| match i {
            i if i == worst => -40.0,
            i if fat.contains(&i) => 7.0,
            _ => 0.0,
        });
        let found = fidelity(&original, &decoded).unwrap();
        let names: Vec<&str> = found.bands.iter().map(|b| b.band.name).collect();
        // At the border of two slabs the surroundings are of both: of air and fat lung, of fat and bone bone.
        assert_eq!(names, ["air", "lung", "fat", "bone"]);
        let [air, lung, fat, bone] = [0, 1, 2, 3].map(|i| found.bands[i]);
        assert_eq!((air.bias, air.rmse), (0.0, 0.0));
        assert_eq!((fat.bias, fat.rmse), (7.0, 7.0));
        assert_eq!(
            (air.share, lung.share, fat.share, bone.share),
            (7.0 / 24.0, 2.0 / 24.0, 6.0 / 24.0, 9.0 / 24.0)
        );
        assert_eq!(lung.bias, 3.5);
        let plane = 16.0 * 12.0;
        assert!((bone.bias - (plane * 7.0 - 40.0) / (9.0 * plane)).abs() < 1e-12);
        assert_eq!(found.largest, Some([3, 7, 20]));
        assert_eq!(found.distortion, compare(&original, &decoded).unwrap());
        assert!((found.bias - (8.0 * plane * 7.0 - 40.0) / (24.0 * plane)).abs() < 1e-12);
        assert!(found.similarity.is_some_and(|s| (0.9..1.0).contains(&s)), "{found:?}");
    }

    #[test]
    fn the_sums_do_not_depend_on_the_slabs() {
        let original = ct();
        let decoded = changed(&original, |i| (i as f64 * 0.7).sin() * 9.0);
        let whole = fidelity(&original, &decoded).unwrap();
        let plane = 16 * 12;
        for depth in [1, 5, 8] {
            let mut meter = FidelityMeter::new(original.shape(), original.range(), Bands::of(&original));
            for z in (0..24).step_by(depth) {
                let count = plane * depth.min(24 - z);
                let mut slab = Samples::zeros(decoded.sample_type(), count);
                slab.as_mut().copy_from(0, decoded.samples(), z * plane, count);
                meter.add(Planes::of(&original, None), z, &slab);
            }
            let found = meter.fidelity(None);
            assert_eq!(found.largest, whole.largest);
            assert!((found.distortion.rmse - whole.distortion.rmse).abs() < 1e-12);
            for (a, b) in found.bands.iter().zip(&whole.bands) {
                assert_eq!((a.band, a.share), (b.band, b.share));
                assert!((a.bias - b.bias).abs() < 1e-12, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn nothing_is_wrong_with_an_exact_copy() {
        let original = ct();
        let found = fidelity(&original, &original).unwrap();
        assert_eq!((found.bias, found.largest, found.distortion.psnr), (0.0, None, f64::INFINITY));
        assert!(found.similarity.is_some_and(|s| (s - 1.0).abs() < 1e-12));
        assert!(found.bands.iter().all(|b| b.bias == 0.0 && b.rmse == 0.0));
    }

    #[test]
    fn masked_voxels_and_numbers_of_any_size_are_no_hindrance() {
        for scale in [1e-300, 1.0, 1e305] {
            let value = |i: usize| if i % 7 == 3 { f64::NAN } else { (i as f64 * 0.1).sin() * scale };
            let original = Volume::new((0..4096).map(value).collect::<Vec<_>>(), [16, 16, 16]).unwrap();
            let decoded = changed(&original, |i| if i % 7 == 3 { 0.0 } else { 0.01 * scale });
            let found = fidelity(&original, &decoded).unwrap();
            assert_eq!(found.distortion.voxels, 4096 - 585);
            assert!((found.bias / (0.01 * scale) - 1.0).abs() < 1e-9, "{scale}: {found:?}");
            assert_eq!(found.bands.len(), 8, "{found:?}");
        }
        let nothing = Volume::new(vec![f32::NAN; 8], [2, 2, 2]).unwrap();
        let found = fidelity(&nothing, &nothing).unwrap();
        assert_eq!((found.distortion.voxels, found.similarity, found.bands.len()), (0, None, 0));
    }
}
