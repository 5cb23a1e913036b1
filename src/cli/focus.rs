//! `--focus`: a part of the volume that is to be better than the rest.

use anyhow::Result;
use neuvol::io::OpenOptions;
use neuvol::train::{Focus, FocusQuality, FocusRegion};
use neuvol::{Error, Region, Volume};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// A part of the volume that is to be better than the rest.
#[derive(clap::Args, Debug)]
pub(super) struct FocusArguments {
    /// Better inside than outside: the voxels of a box X0:X1,Y0:Y1,Z0:Z1 (first voxel and one past the last along each axis, from
    /// 0 on; an end that is left out is the volume's), or those that are not 0 in a volume file, a segmentation on the same
    /// grid. The target is what is asked of the voxels outside.
    #[arg(long, value_name = "BOX|MASK", value_parser = parse_place, requires = "focus_quality", help_heading = FOCUS)]
    focus: Option<Place>,
    /// Quality inside: at least DB decibels over the whole volume's range.
    #[arg(long, value_name = "DB", group = "focus_quality", requires = "focus", help_heading = FOCUS)]
    focus_psnr: Option<f64>,
    /// Guarantee inside: every sample is restored bit for bit.
    #[arg(long, group = "focus_quality", requires = "focus", help_heading = FOCUS)]
    focus_lossless: bool,
    /// The mask, read once.
    #[arg(skip)]
    mask: OnceLock<Arc<Volume>>,
}

const FOCUS: &str = "Focus";

#[derive(Debug, Clone, PartialEq)]
enum Place {
    /// First voxel and one past the last along each axis, where they are given.
    Box([[Option<usize>; 2]; 3]),
    Mask(PathBuf),
}

fn parse_place(text: &str) -> Result<Place, String> {
    let is_a_box = text.contains(':') && text.chars().all(|c| c.is_ascii_digit() || ":, ".contains(c));
    if !is_a_box {
        return Ok(Place::Mask(text.into()));
    }
    let invalid = || {
        format!(
            "invalid box '{text}': give X0:X1,Y0:Y1,Z0:Z1, the first voxel and one past the last along each axis, as in \
             100:180,90:170,40:60"
        )
    };
    let end = |text: &str| match text.trim() {
        "" => Ok(None),
        number => number.parse().map(Some).map_err(|_| invalid()),
    };
    let axes: Vec<&str> = text.split(',').collect();
    let axes: [&str; 3] = axes.try_into().map_err(|_| invalid())?;
    let mut found = [[None; 2]; 3];
    for (ends, axis) in found.iter_mut().zip(axes) {
        let (from, to) = axis.split_once(':').ok_or_else(invalid)?;
        *ends = [end(from)?, end(to)?];
    }
    Ok(Place::Box(found))
}

impl FocusArguments {
    /// The library's, for a volume.
    pub(super) fn of(&self, shape: [usize; 3]) -> Result<Option<Focus>> {
        let Some(place) = &self.focus else { return Ok(None) };
        let quality = match self.focus_psnr {
            Some(db) => FocusQuality::Psnr(db),
            None => FocusQuality::Lossless,
        };
        let region = match place {
            Place::Box(ends) => FocusRegion::Box(Region {
                start: ends.map(|[from, _]| from.unwrap_or(0)),
                end: std::array::from_fn(|a| ends[a][1].unwrap_or(shape[a])),
            }),
            Place::Mask(path) => FocusRegion::Mask(match self.mask.get() {
                Some(mask) => mask.clone(),
                None => {
                    let mask =
                        neuvol::io::open(path, &OpenOptions::default()).map_err(|error| match error {
                            Error::Io { .. } if !path.exists() => Error::Options(format!(
                                "the `focus` '{}' is neither a file nor a box X0:X1,Y0:Y1,Z0:Z1",
                                path.display()
                            )),
                            other => other,
                        })?;
                    self.mask.get_or_init(|| Arc::new(mask)).clone()
                }
            }),
        };
        Ok(Some(Focus { region, quality }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_boxes_or_files() {
        assert_eq!(
            parse_place("100:180,90:170,:60"),
            Ok(Place::Box([[Some(100), Some(180)], [Some(90), Some(170)], [None, Some(60)]]))
        );
        assert_eq!(
            parse_place(" 1:2, :, 3:"),
            Ok(Place::Box([[Some(1), Some(2)], [None; 2], [Some(3), None]]))
        );
        assert_eq!(parse_place("tumour.nii.gz"), Ok(Place::Mask("tumour.nii.gz".into())));
        assert_eq!(parse_place("C:\\masks\\1.nrrd"), Ok(Place::Mask("C:\\masks\\1.nrrd".into())));
        for text in
            ["1:2,3:4", "1:2,3:4,5:6,7:8", "1:2,3:4,5", "1:2:3,4:5,6:7", "1:99999999999999999999999,2:3,4:5"]
        {
            assert!(parse_place(text).unwrap_err().contains("invalid box"), "{text}");
        }
    }
}
