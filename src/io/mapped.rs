//! A file's bytes, mapped: nothing is read before it is looked at, nothing is held twice.

use crate::error::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;

/// The bytes of a file.
pub(crate) struct Mapped(Option<Mmap>);

impl Mapped {
    /// Maps a file for reading.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let metadata = file.metadata().map_err(|e| Error::io(path, e))?;
        if !metadata.is_file() {
            return Err(Error::unsupported(
                path,
                "not a regular file, so it cannot be mapped; copy it to one",
            ));
        }
        if metadata.len() == 0 {
            return Ok(Self(None));
        }
        #[allow(unsafe_code)] // mmap
        // SAFETY: the map is read only and lives no longer than this value. Whoever truncates the file meanwhile ends
        // the process, as with every mapped file; neuvol's own outputs are never truncated in place.
        let map = unsafe { Mmap::map(&file) };
        map.map(|map| Self(Some(map))).map_err(|e| Error::io(path, e))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
