//! Bands of value, in which errors are told apart.
//!
//! A CT is cut into tissues by Hounsfield units, another volume into eighths: bands that have as many voxels each, as far as
//! its values allow.
//!
//! **A voxel's band is that of the mean of its 3 x 3 x 3 surroundings in the original.** With the voxel's own value, noise would
//! choose the voxels: fat that reads as lung is there because its noise was low, a file that leaves out noise alone is above
//! it in the mean, and an error is found that no tissue has. At the borders of tissues that comes to several HU in a chest CT
//! whose tissues are kept to half of one.

use super::planes::Planes;
use super::spread::spread;
use super::unit_of;
use crate::volume::{Mask, Volume};
use half::bf16;
use std::ops::Range;

/// How many bands a volume without Hounsfield units is cut into.
const EIGHTHS: usize = 8;
/// Voxels whose surroundings say where an eighth ends, at most.
const MOST_SAMPLES: usize = 1 << 16;
/// Tissues of a CT, and the Hounsfield units that each begins with.
const TISSUES: [(&str, f64); 5] =
    [("air", f64::NEG_INFINITY), ("lung", -900.0), ("fat", -200.0), ("soft tissue", -30.0), ("bone", 150.0)];

/// Planes on both sides of a voxel's that surround it.
pub(super) const AROUND: usize = 1;

/// What the bands of a volume are.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Bands {
    /// None: all measurements have one value, or nothing is measured.
    #[default]
    None,
    /// Tissues by Hounsfield units: air below -900, lung to -200, fat to -30, soft tissue to 150, bone from there on.
    Tissues,
    /// Eighths of the volume by value: where the second band begins, the third, and so on, as shares of the range. They ascend,
    /// and are fewer than seven where many voxels have one value.
    Eighths(Vec<bf16>),
}

impl Bands {
    /// Bytes that the errors in them take in a file, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Bands::None => 0,
            Bands::Tissues => 6 * TISSUES.len(),
            Bands::Eighths(shares) => 8 * (shares.len() + 1),
        }
    }
}

/// A band of values.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Band {
    /// A tissue's name; empty for a part of the volume by value.
    pub name: &'static str,
    /// Values from here on; `None` for the lowest band.
    pub from: Option<f64>,
    /// Values below this; `None` for the highest band.
    pub below: Option<f64>,
}

/// The errors in a band.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct BandErrors {
    /// The band.
    pub band: Band,
    /// Its share of the voxels that were compared.
    pub share: f64,
    /// Mean error, decoded less original, in the volume's unit.
    pub bias: f64,
    /// Root of the mean squared error, in the volume's unit.
    pub rmse: f64,
}

impl serde::Serialize for BandErrors {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("BandErrors", 6)?;
        if !self.band.name.is_empty() {
            out.serialize_field("name", self.band.name)?;
        }
        out.serialize_field("from", &self.band.from)?;
        out.serialize_field("below", &self.band.below)?;
        out.serialize_field("share", &self.share)?;
        out.serialize_field("mean_error", &self.bias)?;
        out.serialize_field("rmse", &self.rmse)?;
        out.end()
    }
}

impl Bands {
    /// The bands of a volume.
    pub fn of(volume: &Volume) -> Self {
        Self::of_measurements(volume, Mask::of(volume).as_ref(), volume.range())
    }

    /// [`Self::of`], for a volume whose mask and range are known.
    pub(crate) fn of_measurements(volume: &Volume, mask: Option<&Mask>, range: Option<(f64, f64)>) -> Self {
        let mut survey = BandSurvey::new(volume.shape(), &volume.unit, range);
        survey.add(Planes::of(volume, mask), 0..volume.shape()[2]);
        survey.bands()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Bands::None => 0,
            Bands::Tissues => TISSUES.len(),
            Bands::Eighths(shares) => shares.len() + 1,
        }
    }

    /// True where nothing is measured.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bands' limits, of a volume of this range; lowest first.
    pub fn bands(&self, range: Option<(f64, f64)>) -> Vec<Band> {
        let (low, high) = range.unwrap_or_default();
        let starts: Vec<(&'static str, Option<f64>)> = match self {
            Bands::None => return Vec::new(),
            Bands::Tissues => {
                TISSUES.iter().map(|&(name, from)| (name, from.is_finite().then_some(from))).collect()
            }
            Bands::Eighths(shares) => {
                // As a sum of parts of the ends: their difference may be beyond float64.
                let at = |share: bf16| low * (1.0 - share.to_f64()) + high * share.to_f64();
                std::iter::once(("", None)).chain(shares.iter().map(|&share| ("", Some(at(share))))).collect()
            }
        };
        let ends = starts.iter().skip(1).map(|&(_, from)| from).chain(std::iter::once(None));
        starts.iter().zip(ends).map(|(&(name, from), below)| Band { name, from, below }).collect()
    }
}

/// Looks at a part of the voxels, to find where bands end.
pub(super) struct BandSurvey {
    shape: [usize; 3],
    is_ct: bool,
    range: Option<(f64, f64)>,
    /// What surrounds the voxels that were looked at, scaled.
    means: Vec<f64>,
}

impl BandSurvey {
    /// Of a volume of this shape, unit and range.
    pub(super) fn new(shape: [usize; 3], unit: &str, range: Option<(f64, f64)>) -> Self {
        let range = range.filter(|(low, high)| low < high);
        Self { shape, is_ct: unit == "HU", range, means: Vec::new() }
    }

    /// Whether it has to look at voxels at all.
    pub(super) fn looks(&self) -> bool {
        self.range.is_some() && !self.is_ct
    }

    /// Looks at some planes, behind those that were looked at before.
    pub(super) fn add(&mut self, planes: Planes<'_>, own: Range<usize>) {
        if !self.looks() {
            return;
        }
        let [nx, ny, nz] = self.shape;
        let surroundings = Surroundings { planes, inverse: unit_of(self.range).recip() };
        let voxels = spread(nx * ny * nz, MOST_SAMPLES)
            .skip_while(|voxel| *voxel < own.start * nx * ny)
            .take_while(|voxel| *voxel < own.end * nx * ny);
        let means = voxels
            .filter(|&voxel| !planes.is_masked(voxel))
            .map(|voxel| surroundings.mean([voxel % nx, voxel / nx % ny, voxel / nx / ny]));
        self.means.extend(means);
    }

    /// The bands, once all planes were looked at.
    pub(super) fn bands(self) -> Bands {
        let Some((low, high)) = self.range else { return Bands::None };
        if self.is_ct {
            return Bands::Tissues;
        }
        let unit = unit_of(self.range);
        let (low, span) = (low / unit, high / unit - low / unit);
        let mut means = self.means;
        means.sort_by(f64::total_cmp);
        let share =
            |n: usize| means.get(n * means.len() / EIGHTHS).map(|mean| bf16::from_f64((mean - low) / span));
        let mut shares: Vec<bf16> =
            (1..EIGHTHS).filter_map(share).filter(|&q| q > bf16::ZERO && q <= bf16::ONE).collect();
        shares.dedup();
        Bands::Eighths(shares)
    }
}

/// What surrounds a volume's voxels.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// Those of the voxels that are asked for, and those beside them.
    pub(super) planes: Planes<'a>,
    /// What values are multiplied by.
    pub(super) inverse: f64,
}

impl Surroundings<'_> {
    /// The mean of the measurements in a voxel's 3 x 3 x 3 surroundings, as far as the grid goes.
    fn mean(&self, [x, y, z]: [usize; 3]) -> f64 {
        let first = x.saturating_sub(1);
        let mut row = Row::default();
        self.row(first, self.planes.shape[0].min(x + 2) - first, [y, z], &mut row);
        row.mean(x - first)
    }

    /// Adds up the nine rows around row (y, z), voxels `first..first + count` of each.
    pub(super) fn row(&self, first: usize, count: usize, [y, z]: [usize; 2], row: &mut Row) {
        let [nx, ny, nz] = self.planes.shape;
        for numbers in [&mut row.values, &mut row.sums, &mut row.counts] {
            numbers.clear();
            numbers.resize(count, 0.0);
        }
        for k in z.saturating_sub(1)..nz.min(z + 2) {
            for j in y.saturating_sub(1)..ny.min(y + 2) {
                let at = first + nx * (j + ny * k);
                self.planes.copy_scaled(at, self.inverse, &mut row.values);
                match self.planes.codes(at, count) {
                    None => {
                        row.sums.iter_mut().zip(&row.values).for_each(|(sum, value)| *sum += value);
                        row.counts.iter_mut().for_each(|count| *count += 1.0);
                    }
                    Some(codes) => {
                        for (i, &value) in row.values.iter().enumerate().filter(|(i, _)| codes[*i] == 0) {
                            row.sums[i] += value;
                            row.counts[i] += 1.0;
                        }
                    }
                }
            }
        }
    }
}

/// Sums over the nine rows around one.
#[derive(Default)]
pub(super) struct Row {
    values: Vec<f64>,
    sums: Vec<f64>,
    counts: Vec<f64>,
}

impl Row {
    /// The mean around voxel `i`, which is a measurement.
    pub(super) fn mean(&self, i: usize) -> f64 {
        let near = i.saturating_sub(1)..self.sums.len().min(i + 2);
        let count: f64 = self.counts[near.clone()].iter().sum();
        self.sums[near].iter().sum::<f64>() / count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tissues_are_told_apart_by_hounsfield_units() {
        let mut volume = Volume::new(vec![-1000i16, 2000], [2, 1, 1]).unwrap();
        volume.unit = "HU".into();
        let bands = Bands::of(&volume);
        assert_eq!(bands, Bands::Tissues);
        let bands = bands.bands(volume.range());
        let limits: Vec<_> = bands.iter().map(|b| (b.name, b.from, b.below)).collect();
        assert_eq!(
            limits,
            [
                ("air", None, Some(-900.0)),
                ("lung", Some(-900.0), Some(-200.0)),
                ("fat", Some(-200.0), Some(-30.0)),
                ("soft tissue", Some(-30.0), Some(150.0)),
                ("bone", Some(150.0), None)
            ]
        );
    }

    #[test]
    fn eighths_have_as_many_voxels_each() {
        // A slow rise: surroundings are as the voxels.
        let volume =
            Volume::new((0..40_000).map(|i| i as f64 - 1e4).collect::<Vec<_>>(), [40_000, 1, 1]).unwrap();
        let bands = Bands::of(&volume).bands(volume.range());
        assert_eq!(bands.len(), 8);
        for (n, band) in bands.iter().enumerate().skip(1) {
            let expected = 5000.0 * n as f64 - 1e4;
            // A share of the range has eight bits.
            assert!(
                (band.from.unwrap() - expected).abs() < 5000.0 * n as f64 / 128.0,
                "{band:?}, not {expected}"
            );
        }
    }

    #[test]
    fn where_most_voxels_have_one_value_bands_are_fewer() {
        let mut samples = vec![7u8; 1000];
        samples[..100].copy_from_slice(&[250; 100]);
        let volume = Volume::new(samples, [1000, 1, 1]).unwrap();
        let bands = Bands::of(&volume);
        assert_eq!(bands.len(), 1, "{bands:?}");
        assert_eq!(Bands::of(&Volume::new(vec![7u8; 1000], [1000, 1, 1]).unwrap()), Bands::None);
        assert_eq!(Bands::of(&Volume::new(vec![f32::NAN; 8], [2, 2, 2]).unwrap()), Bands::None);
    }

    #[test]
    fn any_finite_range_has_bands() {
        for scale in [1e-310, 1e-200, 1.0, 1e300, f64::MAX] {
            let samples: Vec<f64> = (0..800).map(|i| (i as f64 / 399.5 - 1.0) * scale).collect();
            let volume = Volume::new(samples, [800, 1, 1]).unwrap();
            let bands = Bands::of(&volume).bands(volume.range());
            assert_eq!(bands.len(), 8, "{scale}");
            assert!(bands.iter().skip(1).all(|b| b.from.unwrap().is_finite()), "{bands:?}");
        }
    }

    #[test]
    fn surroundings_end_at_faces_and_leave_masked_voxels_out() {
        let mut volume = Volume::new((0..27).map(|i| i as f32).collect::<Vec<_>>(), [3, 3, 3]).unwrap();
        volume.fill_value = Some(13.0);
        let mask = Mask::of(&volume);
        let around = Surroundings { planes: Planes::of(&volume, mask.as_ref()), inverse: 1.0 };
        // 0, 1, 3, 4, 9, 10, 12, and not 13.
        assert_eq!(around.mean([0, 0, 0]), 39.0 / 7.0);
        let all: f32 = (0..27).filter(|&i| i != 13).map(|i| i as f32).sum();
        assert_eq!(around.mean([1, 1, 1]), f64::from(all) / 26.0);
    }
}
