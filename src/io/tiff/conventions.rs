//! Whose conventions a file follows.

use super::arrangement::Arrangement;
use super::directory::Directories;
use super::{imagej, microscope, ome, shaped};
use crate::error::Result;
use std::path::Path;

/// What a file's description says of its pages; all of them are slices where it says nothing.
pub(super) fn arrangement(
    path: &Path,
    directories: &Directories,
    given: Option<[f64; 3]>,
) -> Result<Arrangement> {
    let description = directories.description.trim_start_matches('\u{feff}').trim();
    let arrangement = if ome::recognises(description) {
        Some(ome::arrangement(path, description, directories, given)?)
    } else if imagej::recognises(description) {
        Some(imagej::arrangement(path, description, directories, given)?)
    } else if let Some(info) = &directories.lsm {
        Some(microscope::lsm(path, info, directories)?)
    } else if let (Some(info), 1) = (&directories.stk, directories.pages.len()) {
        Some(microscope::stk(path, info, directories)?)
    } else {
        shaped::arrangement(path, description, directories)?
    };
    Ok(arrangement.unwrap_or_else(|| Arrangement::plain(directories.pages.len())))
}
