//! The files that a DICOMDIR lists (PS3.3, annex F).

use super::attributes::Attributes;
use super::file::File;
use crate::error::{Error, Result};
use crate::io::Limits;
use dicom_dictionary_std::tags;
use std::path::{Component, Path, PathBuf};

/// Whether a file is called as a DICOMDIR is.
pub(super) fn has_this_name(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("DICOMDIR"))
}

/// Whether a file is a DICOMDIR, whatever it is called.
pub(super) fn is_one(path: &Path, limits: &Limits) -> bool {
    has_this_name(path)
        || File::open(path, limits)
            .is_ok_and(|file| file.data_set.get(tags::DIRECTORY_RECORD_SEQUENCE).is_some())
}

/// The images and other files that a DICOMDIR refers to; a missing one is an error.
pub(super) fn files(path: &Path, limits: &Limits) -> Result<Vec<PathBuf>> {
    let file = File::open(path, limits)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    for record in Attributes::of(&file).items(tags::DIRECTORY_RECORD_SEQUENCE) {
        // A path's components are the values of the attribute.
        let name = record.text(tags::REFERENCED_FILE_ID);
        if name.is_empty() {
            continue;
        }
        let relative: PathBuf = name.split('\\').map(str::trim).collect();
        if !relative.components().all(|c| matches!(c, Component::Normal(_))) {
            return Err(Error::unsupported(
                path,
                format!("the record '{name}' leads out of the DICOMDIR's folder"),
            ));
        }
        files.push(find(folder, &relative).ok_or_else(|| {
            Error::format(
                path,
                format!(
                    "it lists {}, which is not there; read the folder itself instead",
                    relative.display()
                ),
            )
        })?);
    }
    if files.is_empty() {
        return Err(Error::unsupported(path, "the DICOMDIR lists no file"));
    }
    Ok(files)
}

/// The file, or the one that a copy from a CD has called in lower case.
fn find(folder: &Path, relative: &Path) -> Option<PathBuf> {
    let lower = || PathBuf::from(relative.to_string_lossy().to_ascii_lowercase());
    [folder.join(relative), folder.join(lower())].into_iter().find(|p| p.is_file())
}
