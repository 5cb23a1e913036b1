//! Finding the slices of the one series in a folder.

use super::Slice;
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Folders nested deeper than this are taken for a mistake.
const DEEPEST_FOLDER: usize = 32;

/// The slices of the series under `path`, unsorted; never empty.
pub(super) fn find(path: &Path) -> Result<Vec<Slice>> {
    if path.is_file() {
        let slice =
            Slice::read(path)?.ok_or_else(|| Error::unsupported(path, "a DICOM file without an image"))?;
        return Ok(vec![slice]);
    }
    let mut files = Vec::new();
    walk(path, 0, &mut files)?;
    let slices: Vec<Slice> = files
        .par_iter()
        .map(|file| if is_dicom(file)? { Slice::read(file) } else { Ok(None) })
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    choose(path, slices)
}

/// The first slice; a series has one.
pub(super) fn first<'a>(path: &Path, slices: &'a [Slice]) -> Result<&'a Slice> {
    slices.first().ok_or_else(|| no_image(path))
}

fn no_image(path: &Path) -> Error {
    Error::unsupported(path, "the folder holds no DICOM image")
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth > DEEPEST_FOLDER {
        return Err(Error::unsupported(folder, "folders are nested too deeply"));
    }
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        let kind = entry.file_type().map_err(|e| Error::io(&entry.path(), e))?;
        // Linked files are read; linked folders are not entered, for they may lead back here.
        if kind.is_dir() {
            walk(&entry.path(), depth + 1, files)?;
        } else if entry.path().is_file() && !entry.file_name().eq_ignore_ascii_case("DICOMDIR") {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn is_dicom(path: &Path) -> Result<bool> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut start = Vec::with_capacity(132);
    file.take(132).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
    Ok(super::recognises(&start))
}

/// The only series with more than one slice, or else the only image.
fn choose(path: &Path, slices: Vec<Slice>) -> Result<Vec<Slice>> {
    let mut series: BTreeMap<String, Vec<Slice>> = BTreeMap::new();
    for slice in slices {
        series.entry(slice.series_uid.clone()).or_default().push(slice);
    }
    let (mut stacks, singles): (Vec<_>, Vec<_>) =
        series.into_iter().partition(|(_, slices)| slices.len() > 1);
    if stacks.is_empty() {
        stacks = singles;
    } else if !singles.is_empty() {
        log::warn!("{}: {} series of a single image left out", path.display(), singles.len());
    }
    match stacks.len() {
        0 => Err(no_image(path)),
        1 => Ok(stacks.into_iter().flat_map(|(_, slices)| slices).collect()),
        count => {
            let mut lines: Vec<String> = stacks.iter().map(|(uid, slices)| describe(uid, slices)).collect();
            lines.sort();
            Err(Error::unsupported(
                path,
                format!(
                    "the folder holds {count} series; open the folder or copy the files of one of them:\n{}",
                    lines.join("\n")
                ),
            ))
        }
    }
}

/// A line that tells a series from the others and the patient from nobody.
fn describe(uid: &str, slices: &[Slice]) -> String {
    let tail: String = uid.chars().skip(uid.chars().count().saturating_sub(8)).collect();
    let (modality, number, folder) = slices.first().map_or_else(Default::default, |s| {
        (
            s.modality.as_str(),
            s.series_number.as_str(),
            s.path.parent().map(Path::to_path_buf).unwrap_or_default(),
        )
    });
    format!(
        "  series {number}, {modality}, {} slices, UID ending in {tail}, in {}",
        slices.len(),
        folder.display()
    )
}
