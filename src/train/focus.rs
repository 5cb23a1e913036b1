//! A part of the volume that is to be better than the rest.

use crate::container::{FocusInfo, FocusQuality};
use crate::error::{Error, Result};
use crate::latents::{FOCUS_EDGE, FocusCells};
use crate::metrics::{Distortion, ErrorSums};
use crate::sample::Region;
use crate::volume::{Geometry, Mask, Sample, Samples, Volume, for_each_type};
use rayon::prelude::*;
use std::sync::Arc;

/// A part of the volume that is to be better than the rest: what is asked of all other voxels is the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Focus {
    /// Where it is.
    pub region: FocusRegion,
    /// What is asked of its voxels, beside the target, which may be met better in it than outside.
    pub quality: FocusQuality,
}

/// Which voxels are in a focus.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FocusRegion {
    /// Those of a box.
    Box(Region),
    /// Those whose sample of this volume, on the same grid, is neither 0 nor NaN: a segmentation.
    Mask(Arc<Volume>),
}

/// Corners of a mask lie within this share of a voxel of the volume's: what file formats round.
const MOST_OFF: f64 = 0.01;

/// The focus of a volume.
pub(super) struct FocusVoxels {
    quality: FocusQuality,
    /// The smallest box that has them all.
    bounds: Region,
    /// For each voxel of the box, x fastest, whether it is in the focus; without it, all are.
    inside: Option<Vec<bool>>,
    /// Voxels along x and y of the volume.
    plane: [usize; 2],
    /// Cells of a latent grid that have a step of their own.
    cells: Option<Arc<FocusCells>>,
}

impl FocusVoxels {
    /// # Errors
    /// [`Error::Options`] when the focus is empty or everything, leaves the grid or has another one, or no voxel that is measured.
    pub(super) fn new(focus: &Focus, volume: &Volume, mask: Option<&Mask>) -> Result<Self> {
        if let FocusQuality::Psnr(db) = focus.quality
            && !(db > 0.0 && db <= 150.0)
        {
            let what = format!(
                "invalid PSNR of {db} dB for the `focus`: it is above 0 and at most 150, usually 50 to 80"
            );
            return Err(Error::Options(what));
        }
        let (bounds, inside) = match &focus.region {
            FocusRegion::Box(region) => {
                let shape = volume.shape();
                if (0..3).any(|a| region.start[a] >= region.end[a] || region.end[a] > shape[a]) {
                    return Err(Error::Options(format!(
                        "the `focus` from voxel {:?} to {:?}, the last not included, is empty or leaves the volume, which has \
                         {shape:?} voxels",
                        region.start, region.end
                    )));
                }
                (*region, None)
            }
            FocusRegion::Mask(focus) => {
                check_grid(focus, volume)?;
                let (bounds, inside) = inside_of(focus)?;
                (bounds, Some(inside))
            }
        };
        let [nx, ny, _] = volume.shape();
        let mut found = Self { quality: focus.quality, bounds, inside, plane: [nx, ny], cells: None };
        let measured = |inside: bool| {
            let is_there = |i: usize| found.contains(i) == inside && mask.is_none_or(|m| m.codes()[i] == 0);
            (0..volume.len()).any(is_there)
        };
        if !measured(true) {
            return Err(Error::Options("every voxel of the `focus` is masked: none is a measurement".into()));
        }
        if !measured(false) {
            let what =
                "the `focus` has every measurement of the volume: ask for its quality as the target instead";
            return Err(Error::Options(what.into()));
        }
        if let FocusQuality::Psnr(_) = focus.quality {
            found.cells = Some(Arc::new(found.cells_of(volume.shape())));
        }
        Ok(found)
    }

    /// What is asked of it.
    pub(super) fn quality(&self) -> FocusQuality {
        self.quality
    }

    /// The cells that have a step of their own, where it is to have a PSNR.
    pub(super) fn cells(&self) -> Option<&Arc<FocusCells>> {
        self.cells.as_ref()
    }

    /// Whether a voxel of the volume is in it.
    pub(super) fn contains(&self, voxel: usize) -> bool {
        let [nx, ny] = self.plane;
        let at = [voxel % nx, voxel / nx % ny, voxel / nx / ny];
        let Region { start, end } = self.bounds;
        (0..3).all(|a| (start[a]..end[a]).contains(&at[a]))
            && self.inside.as_ref().is_none_or(|inside| {
                let [x, y, z] = [0, 1, 2].map(|a| at[a] - start[a]);
                let [sx, sy] = [0, 1].map(|a| end[a] - start[a]);
                inside[x + sx * (y + sy * z)]
            })
    }

    /// True where a brick or another box has voxels of it.
    pub(super) fn meets(&self, (start, size): ([usize; 3], [usize; 3])) -> bool {
        let [nx, ny] = self.plane;
        let from: [usize; 3] = std::array::from_fn(|a| start[a].max(self.bounds.start[a]));
        let to: [usize; 3] = std::array::from_fn(|a| (start[a] + size[a]).min(self.bounds.end[a]));
        let in_row = |y: usize, z: usize| (from[0]..to[0]).any(|x| self.contains(x + nx * (y + ny * z)));
        (from[2]..to[2]).any(|z| (from[1]..to[1]).any(|y| in_row(y, z)))
    }

    fn cells_of(&self, shape: [usize; 3]) -> FocusCells {
        FocusCells::new(shape, |cell| {
            let start = cell.map(|n| n * FOCUS_EDGE);
            self.meets((start, [FOCUS_EDGE; 3]))
        })
    }

    /// Errors of voxels from `first` on, of those in the focus and of the others; `mask` has a code for each of the volume.
    pub(super) fn add_errors(
        &self,
        [inside, outside]: &mut [ErrorSums; 2],
        original: &Samples,
        first: usize,
        decoded: &Samples,
        mask: Option<&[u8]>,
    ) {
        let is_left_out = |i: usize, of: bool| {
            u8::from(self.contains(first + i) != of || mask.is_some_and(|mask| mask[first + i] != 0))
        };
        for (of, sums) in [(true, inside), (false, outside)] {
            let left_out: Vec<u8> = (0..decoded.len()).into_par_iter().map(|i| is_left_out(i, of)).collect();
            sums.add(original, first, decoded, Some(&left_out));
        }
    }

    /// What a file says of it.
    pub(super) fn info(&self, inside: Distortion, outside: Distortion) -> FocusInfo {
        let Region { start, end } = self.bounds;
        FocusInfo { asked: self.quality, start, end, inside, outside }
    }

    /// Whether what was achieved is what was asked.
    pub(super) fn is_met(&self, achieved: &FocusInfo) -> bool {
        match self.quality {
            FocusQuality::Psnr(db) => achieved.inside.psnr >= db,
            FocusQuality::Lossless => achieved.inside.max_error == 0.0,
        }
    }
}

/// A mask has the volume's grid. One that says nothing of where it lies need only have as many voxels.
fn check_grid(focus: &Volume, volume: &Volume) -> Result<()> {
    let (shape, size) = (focus.shape(), volume.shape());
    if shape != size {
        return Err(Error::Options(format!(
            "the `focus` has {shape:?} voxels, and the volume {size:?}: a mask has a voxel for each of the volume's"
        )));
    }
    let says_nothing = |geometry: &Geometry| *geometry == Geometry::default();
    if says_nothing(&focus.geometry) || says_nothing(&volume.geometry) {
        return Ok(());
    }
    let most = volume.geometry.spacing.iter().fold(f64::INFINITY, |least, &s| least.min(s.abs())) * MOST_OFF;
    for corner in 0..8 {
        let voxel = [0, 1, 2].map(|a| if corner >> a & 1 == 1 { (size[a] - 1) as f64 } else { 0.0 });
        let [here, there] = [focus, volume].map(|v| v.geometry.index_to_world(voxel));
        let off = (0..3).map(|a| (here[a] - there[a]).powi(2)).sum::<f64>().sqrt();
        if off.is_nan() || off > most {
            return Err(Error::Options(format!(
                "the `focus` lies elsewhere than the volume: voxel {voxel:?} is at {here:.3?} in the one and at {there:.3?} in the \
                 other; resample the mask to the volume's grid"
            )));
        }
    }
    Ok(())
}

/// The smallest box that has all voxels of a mask, and whether each of the box's is one.
fn inside_of(mask: &Volume) -> Result<(Region, Vec<bool>)> {
    let [nx, ny, _] = mask.shape();
    let mut bounds = Region { start: mask.shape(), end: [0; 3] };
    for_each_type!(mask.samples(), samples => {
        for (i, sample) in samples.iter().enumerate() {
            if is_inside(*sample) {
                let at = [i % nx, i / nx % ny, i / nx / ny];
                for (a, &n) in at.iter().enumerate() {
                    bounds.start[a] = bounds.start[a].min(n);
                    bounds.end[a] = bounds.end[a].max(n + 1);
                }
            }
        }
    });
    if bounds.end == [0; 3] {
        return Err(Error::Options("the `focus` is empty: every voxel of the mask is 0".into()));
    }
    let Region { start: [x0, y0, z0], end: [x1, y1, z1] } = bounds;
    let mut inside = Vec::with_capacity((x1 - x0) * (y1 - y0) * (z1 - z0));
    for_each_type!(mask.samples(), samples => {
        for row in (z0..z1).flat_map(|z| (y0..y1).map(move |y| nx * (y + ny * z))) {
            inside.extend(samples[row + x0..row + x1].iter().map(|sample| is_inside(*sample)));
        }
    });
    Ok((bounds, inside))
}

fn is_inside<T: Sample>(sample: T) -> bool {
    let value = sample.to_f64();
    value != 0.0 && !value.is_nan()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(shape: [usize; 3]) -> Volume {
        Volume::new((0..shape.iter().product::<usize>()).map(|i| i as f32).collect::<Vec<_>>(), shape)
            .unwrap()
    }

    fn masked(shape: [usize; 3], inside: &[usize]) -> Volume {
        let mut samples = vec![0.0f32; shape.iter().product()];
        samples[1] = f32::NAN;
        inside.iter().for_each(|&i| samples[i] = -2.0);
        Volume::new(samples, shape).unwrap()
    }

    fn of(region: FocusRegion, volume: &Volume) -> Result<FocusVoxels> {
        let focus = Focus { region, quality: FocusQuality::Psnr(60.0) };
        FocusVoxels::new(&focus, volume, Mask::of(volume).as_ref())
    }

    #[test]
    fn voxels_of_a_mask_and_of_a_box() {
        let shape = [40, 9, 5];
        let inside = [38 + 40 * (2 + 9 * 3), 20 + 40 * (2 + 9 * 3), 20 + 40 * (3 + 9 * 4)];
        let focus = of(FocusRegion::Mask(Arc::new(masked(shape, &inside))), &volume(shape)).unwrap();
        assert_eq!(focus.bounds, Region { start: [20, 2, 3], end: [39, 4, 5] });
        let found: Vec<usize> = (0..40 * 9 * 5).filter(|&i| focus.contains(i)).collect();
        assert_eq!(found, [inside[1], inside[0], inside[2]]);
        assert!(focus.meets(([0; 3], [21, 9, 5])) && !focus.meets(([0; 3], [20, 9, 5])));
        assert!(!focus.meets(([21, 0, 0], [17, 9, 5])), "in the box, but beside the voxels");
        let cells = focus.cells().unwrap();
        assert_eq!([15, 16, 24, 39].map(|x| cells.contains([x, 0, 0])), [false, true, false, true]);
        let region = Region { start: [1, 2, 3], end: [2, 4, 5] };
        let focus = of(FocusRegion::Box(region), &volume(shape)).unwrap();
        assert_eq!((0..40 * 9 * 5).filter(|&i| focus.contains(i)).count(), 4);
    }

    #[test]
    fn what_is_no_focus_is_refused() {
        let shape = [40, 9, 5];
        let refused = |region, volume: &Volume| of(region, volume).err().expect("refused").to_string();
        let message = refused(FocusRegion::Mask(Arc::new(masked(shape, &[]))), &volume(shape));
        assert!(message.contains("empty"), "{message}");
        for region in [
            Region { start: [1, 2, 3], end: [41, 4, 5] },
            Region { start: [1, 2, 3], end: [1, 4, 5] },
            Region { start: [50, 2, 3], end: [60, 4, 5] },
        ] {
            let message = refused(FocusRegion::Box(region), &volume(shape));
            assert!(message.contains("empty or leaves the volume, which has [40, 9, 5]"), "{message}");
        }
        let message = refused(FocusRegion::Box(Region::whole(shape)), &volume(shape));
        assert!(message.contains("every measurement"), "{message}");
        let mut holed = volume(shape).into_samples();
        (0..40).for_each(|x| holed.set(x, f64::NAN));
        let holed = Volume::new(holed, shape).unwrap();
        let message = refused(FocusRegion::Box(Region { start: [0; 3], end: [40, 1, 1] }), &holed);
        assert!(message.contains("masked"), "{message}");
        let message = refused(FocusRegion::Mask(Arc::new(masked([9, 40, 5], &[7]))), &volume(shape));
        assert!(message.contains("[9, 40, 5] voxels, and the volume [40, 9, 5]"), "{message}");
    }

    #[test]
    fn a_mask_lies_where_the_volume_lies() {
        let shape = [40, 9, 5];
        let mut volume = volume(shape);
        volume.geometry =
            Geometry { origin: [-100.0, 20.0, 5.0], spacing: [0.7, 0.7, 3.0], ..Geometry::default() };
        let mut mask = masked(shape, &[77]);
        assert!(
            of(FocusRegion::Mask(Arc::new(mask.clone())), &volume).is_ok(),
            "it says nothing of where it lies"
        );
        mask.geometry = volume.geometry;
        mask.geometry.origin[0] += 1e-5;
        mask.geometry.spacing[0] = f64::from(0.7f32);
        assert!(of(FocusRegion::Mask(Arc::new(mask.clone())), &volume).is_ok(), "rounded");
        mask.geometry.spacing[0] = 0.71;
        let message = of(FocusRegion::Mask(Arc::new(mask)), &volume).err().unwrap().to_string();
        assert!(message.contains("lies elsewhere") && message.contains("[39.0, 0.0, 0.0]"), "{message}");
    }
}
