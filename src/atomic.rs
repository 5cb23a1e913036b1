//! Output files appear whole or not at all: a temporary file beside the target, renamed when complete.

use crate::error::{Error, Result};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a file through `fill`, then renames it over `path`.
///
/// # Errors
/// Whatever `fill` returns, or [`Error::Io`]; `path` is untouched then and the temporary file is gone.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    write_seekable(path, |out| fill(out))
}

/// [`write`] for what is not written from its beginning to its end.
///
/// # Errors
/// As for [`write`].
pub(crate) fn write_seekable(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<tempfile::NamedTempFile<std::fs::File>>) -> Result<()>,
) -> Result<()> {
    let fail = |reason| Error::io(path, reason);
    let temporary = tempfile::Builder::new()
        .prefix(".neuvol-")
        .suffix(".part")
        // As readable as any file that the user creates; `tempfile`'s own are the owner's alone.
        .make_in(folder_of(path)?, |temporary| {
            std::fs::OpenOptions::new().write(true).create_new(true).open(temporary)
        })
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
    let temporary = tempfile::Builder::new()
        .prefix(".neuvol-")
        .suffix(".part")
        .tempdir_in(folder_of(path)?)
        // Its own message names a folder that nobody knows of.
        .map_err(|e| fail(e.kind().into()))?;
    let path: PathBuf = path.components().collect();
    let new = temporary.path().join("new");
    std::fs::create_dir(&new).map_err(fail)?;
    fill(&new).map_err(|error| error.moved(&new, &path))?;
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

/// The folder that a file or folder is to lie in.
///
/// # Errors
/// [`Error::Io`] when it is not there.
pub(crate) fn folder_of(path: &Path) -> Result<PathBuf> {
    // Without the slash that may end a folder's name.
    let path: PathBuf = path.components().collect();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let why = match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => return Ok(folder.to_owned()),
        Ok(_) => format!("'{}' is a file, not a folder", folder.display()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            format!("the folder '{}' does not exist", folder.display())
        }
        Err(e) => format!("the folder '{}' cannot be used: {e}", folder.display()),
    };
    Err(Error::io(&path, std::io::Error::new(std::io::ErrorKind::NotFound, why)))
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

    #[test]
    fn messages_name_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/out.bin");
        let expected =
            format!("{}: the folder '{}' does not exist", path.display(), path.parent().unwrap().display());
        assert_eq!(write(&path, |_| Ok(())).unwrap_err().to_string(), expected);
        assert_eq!(write_folder(&path, &|_| true, |_| Ok(())).unwrap_err().to_string(), expected);

        std::fs::write(folder.path().join("file"), b"").unwrap();
        let below = folder.path().join("file/out.bin");
        let message = write(&below, |_| Ok(())).unwrap_err().to_string();
        assert!(message.ends_with("file' is a file, not a folder"), "{message}");
        // A file of the folder that was to be.
        let out = folder.path().join("out");
        let message = write_folder(&out, &|_| true, |new| write(&new.join("sub/IM0001.dcm"), |_| Ok(())));
        let message = message.unwrap_err().to_string();
        assert!(message.starts_with(&out.join("sub/IM0001.dcm").display().to_string()), "{message}");
        assert!(!message.contains(".part"), "{message}");
        assert!(!out.exists());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_written_is_as_readable_as_any_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [ours, theirs] = ["ours", "theirs"].map(|name| folder.path().join(name));
        write(&ours, |_| Ok(())).unwrap();
        std::fs::write(&theirs, b"").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&theirs));
    }
}
