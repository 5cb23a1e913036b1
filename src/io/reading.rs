//! What a reader found: a volume, and what its file itself says of the grid.

use crate::error::{Error, Result};
use crate::volume::Volume;
use std::path::Path;

/// A volume as its file gives it.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) volume: Volume,
    /// Along which axes the file says how far voxel centres are apart; along the others the spacing is a guess.
    pub(super) declares_spacing: [bool; 3],
}

/// Part of a spacing by which the caller's may differ from the file's and still be the same number.
const ROUNDING: f64 = 1e-6;

impl Reading {
    /// A volume whose file says nothing of its spacing.
    pub(super) fn without_spacing(volume: Volume) -> Self {
        Self { volume, declares_spacing: [false; 3] }
    }

    /// The volume, with the caller's spacing along the axes of which the file says nothing.
    ///
    /// # Errors
    /// [`Error::Options`] for an invalid spacing, or another one than the file declares.
    pub(super) fn volume_with(self, path: &Path, spacing: Option<[f64; 3]>) -> Result<Volume> {
        let Self { mut volume, declares_spacing } = self;
        let Some(given) = spacing else { return Ok(volume) };
        if !given.iter().all(|&s| s.is_finite() && s > 0.0) {
            return Err(Error::Options(format!("a spacing must be positive, not {given:?}")));
        }
        let declared = volume.geometry.spacing;
        if declares_spacing == [true; 3] {
            return Err(Error::Options(format!(
                "{}: the file says its spacing itself ({declared:?}); leave `spacing` out",
                path.display()
            )));
        }
        for axis in 0..3 {
            let differs = (given[axis] - declared[axis]).abs() > ROUNDING * declared[axis];
            if declares_spacing[axis] && differs {
                return Err(Error::Options(format!(
                    "{}: the file says itself that the spacing along {} is {}, not {}; give the file's in `spacing`",
                    path.display(),
                    ["x", "y", "z"][axis],
                    declared[axis],
                    given[axis]
                )));
            }
            if !declares_spacing[axis] {
                volume.geometry.spacing[axis] = given[axis];
            }
        }
        Ok(volume)
    }
}

/// A distance between voxel centres as a file gives it in words.
///
/// # Errors
/// [`Error::Format`] for words that are no distance above 0, unless the caller gives a spacing: then the file says none.
pub(super) fn distance(
    path: &Path,
    field: &str,
    words: &str,
    given: Option<[f64; 3]>,
) -> Result<Option<f64>> {
    match words.trim().parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(Some(number)),
        _ if given.is_some() => Ok(None),
        _ => Err(Error::format(
            path,
            format!(
                "{field} is '{}', which is not a distance above 0; say the right one with `spacing`",
                words.trim()
            ),
        )),
    }
}

/// Distances between voxel centres as a file gives them in numbers, and along which axes it does so. A negative one turns its
/// axis round, and an axis of one sample needs none.
///
/// # Errors
/// [`Error::Format`] for one that is 0 or none, unless the caller gives a spacing: then the file says none.
pub(super) fn distances(
    path: &Path,
    field: &str,
    numbers: [f64; 3],
    samples: [u64; 3],
    given: Option<[f64; 3]>,
) -> Result<([f64; 3], [bool; 3])> {
    let is_one = numbers.map(|number| number != 0.0 && number.is_finite());
    let mut distances = numbers;
    for axis in (0..3).filter(|&axis| !is_one[axis]) {
        distances[axis] = match given {
            Some(given) => given[axis],
            None if samples[axis] == 1 => 1.0,
            None => {
                return Err(Error::format(
                    path,
                    format!(
                        "{field} is {} along {}, which is not a distance; say the right one with `spacing`",
                        numbers[axis],
                        ["x", "y", "z"][axis]
                    ),
                ));
            }
        };
    }
    Ok((distances, is_one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spacing_is_taken_only_where_the_file_says_none() {
        let of = |declares_spacing: [bool; 3], given: [f64; 3]| {
            let mut volume = Volume::new(vec![0u8; 8], [2; 3]).unwrap();
            volume.geometry.spacing = [0.5, 0.5, 1.0];
            let reading = Reading { volume, declares_spacing };
            reading.volume_with(Path::new("a"), Some(given)).map(|volume| volume.geometry.spacing)
        };
        assert_eq!(of([false; 3], [2.0, 3.0, 4.0]).unwrap(), [2.0, 3.0, 4.0]);
        assert_eq!(of([true, true, false], [0.5, 0.5, 4.0]).unwrap(), [0.5, 0.5, 4.0]);
        let message = of([true, true, false], [0.5, 0.7, 4.0]).unwrap_err().to_string();
        assert!(message.contains("along y is 0.5, not 0.7"), "{message}");
        let message = of([true; 3], [2.0, 3.0, 4.0]).unwrap_err().to_string();
        assert!(message.contains("leave `spacing` out"), "{message}");
        assert!(of([false; 3], [0.0, 1.0, 1.0]).is_err() && of([false; 3], [f64::NAN; 3]).is_err());
    }

    /// Of no frame, so that nothing but the field itself can say it.
    #[test]
    fn each_format_tells_whether_it_says_its_spacing() {
        let vti = |spacing: &str| {
            format!(
                "<?xml version=\"1.0\"?><VTKFile type=\"ImageData\"><ImageData WholeExtent=\"0 1 0 0 0 0\" {spacing}>\
                 <Piece Extent=\"0 1 0 0 0 0\"><PointData><DataArray type=\"UInt8\" Name=\"a\" format=\"ascii\">1 2\
                 </DataArray></PointData></Piece></ImageData></VTKFile>"
            )
        };
        let vtk = |spacing: &str| {
            format!(
                "# vtk DataFile Version 3.0\nt\nASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 2 1 1\n{spacing}\
                 POINT_DATA 2\nSCALARS a float\nLOOKUP_TABLE default\n1 2\n"
            )
        };
        let nrrd = |spacing: &str| {
            format!("NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 1 1\n{spacing}encoding: ascii\n\n1 2\n")
        };
        let mha = |spacing: &str| {
            format!(
                "NDims = 3\nDimSize = 2 1 1\n{spacing}BinaryData = False\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n1 2\n"
            )
        };
        let folder = tempfile::tempdir().unwrap();
        let given = crate::io::OpenOptions { spacing: Some([2.0, 3.0, 4.0]), ..Default::default() };
        for (name, with, without) in [
            ("a.vti", vti("Spacing=\"1 1 1\""), vti("")),
            ("a.vtk", vtk("SPACING 1 1 1\n"), vtk("")),
            ("a.nrrd", nrrd("spacings: 1 1 1\n"), nrrd("")),
            ("b.nrrd", nrrd("space dimension: 3\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"), nrrd("")),
            ("a.mha", mha("ElementSpacing = 1 1 1\n"), mha("")),
            ("b.mha", mha("ElementSize = 1 1 1\n"), mha("")),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, with).unwrap();
            let message = crate::io::open(&path, &given).unwrap_err().to_string();
            assert!(message.contains("says its spacing itself ([1.0, 1.0, 1.0])"), "{message}");
            std::fs::write(&path, without).unwrap();
            assert_eq!(crate::io::open(&path, &given).unwrap().geometry.spacing, [2.0, 3.0, 4.0], "{name}");
        }
    }
}
