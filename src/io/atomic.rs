//! Output files appear whole or not at all: a temporary file beside the target, renamed when complete.

use crate::error::{Error, Result};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes a file through `fill`, then renames it over `path`.
///
/// # Errors
/// Whatever `fill` returns, or [`Error::Io`]; `path` is untouched then and the temporary file is gone.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let fail = |source| Error::io(path, source);
    let temporary = tempfile::Builder::new()
        .prefix(".neuvol-")
        .suffix(".part")
        .permissions_of_a_new_file()
        .tempfile_in(folder)
        .map_err(fail)?;
    let mut writer = BufWriter::with_capacity(1 << 20, temporary);
    fill(&mut writer)?;
    let temporary = writer.into_inner().map_err(|e| fail(e.into_error()))?;
    temporary.as_file().sync_all().map_err(fail)?;
    temporary.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}

/// Fills a folder through `fill`, then renames it to `path`.
///
/// A folder that is there already is replaced when all its files are `ours`, else left alone.
///
/// # Errors
/// Whatever `fill` returns, [`Error::Options`] for a folder with other files in it, or [`Error::Io`]; `path` is
/// untouched then.
pub(crate) fn write_folder(
    path: &Path,
    ours: &dyn Fn(&Path) -> bool,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let fail = |source| Error::io(path, source);
    let old = match std::fs::read_dir(path) {
        Ok(entries) => {
            for entry in entries {
                let file = entry.map_err(fail)?.path();
                if !ours(&file) {
                    return Err(Error::Options(format!(
                        "{}: the folder holds files that neuvol did not write ({}); name a new folder",
                        path.display(),
                        file.display()
                    )));
                }
            }
            true
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
        Err(e) => return Err(fail(e)),
    };
    // Without the slash that may end a folder's name.
    let path: std::path::PathBuf = path.components().collect();
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary =
        tempfile::Builder::new().prefix(".neuvol-").suffix(".part").tempdir_in(parent).map_err(fail)?;
    let new = temporary.path().join("new");
    std::fs::create_dir(&new).map_err(fail)?;
    fill(&new)?;
    let aside = temporary.path().join("old");
    if old {
        std::fs::rename(&path, &aside).map_err(fail)?;
    }
    std::fs::rename(&new, &path).map_err(|e| {
        // What was there goes back; where even that fails, it stays beside, undeleted.
        if old && std::fs::rename(&aside, &path).is_err() {
            log::error!("{}: the folder that was there is in {}", path.display(), aside.display());
            std::mem::forget(temporary);
        }
        fail(e)
    })
}

/// Makes the temporary file as readable as any file the user creates; `tempfile` keeps its own to the owner.
trait PermissionsOfANewFile {
    fn permissions_of_a_new_file(&mut self) -> &mut Self;
}

impl PermissionsOfANewFile for tempfile::Builder<'_, '_> {
    #[cfg(unix)]
    fn permissions_of_a_new_file(&mut self) -> &mut Self {
        use std::os::unix::fs::PermissionsExt;
        // The process's umask still applies.
        self.permissions(std::fs::Permissions::from_mode(0o666))
    }
    #[cfg(not(unix))]
    fn permissions_of_a_new_file(&mut self) -> &mut Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.bin");
        std::fs::write(&path, b"old").unwrap();
        let result = write(&path, |w| {
            w.write_all(b"half").map_err(|e| Error::io(Path::new("x"), e))?;
            Err(Error::Interrupted)
        });
        assert!(matches!(result, Err(Error::Interrupted)));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&path, |w| w.write_all(b"new").map_err(|e| Error::io(Path::new("x"), e))).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }
}
