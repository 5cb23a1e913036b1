//! Raw volumes of a folder, and what is beside them in JSON.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A raw file with what it does not say itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawVolume {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) dims: [usize; 3],
    /// NumPy's name.
    pub(crate) dtype: String,
    pub(crate) fill_value: Option<f64>,
}

#[derive(serde::Deserialize)]
struct Header {
    dims: [usize; 3],
    dtype: String,
    fill_value: Option<f64>,
    #[serde(default)]
    note: String,
}

impl RawVolume {
    /// `NAME.raw` with `NAME.json` in the folder or in its folder `volumes`.
    ///
    /// # Errors
    /// When the files are not there or the header says something else.
    pub(crate) fn find(folder: &Path, name: &str) -> Result<Self> {
        let folders = [folder.to_owned(), folder.join("volumes")];
        let path = folders.iter().map(|f| f.join(format!("{name}.raw"))).find(|p| p.is_file());
        let path = path.with_context(|| format!("{}: there is no volume {name}.raw", folder.display()))?;
        let json = path.with_extension("json");
        let text = fs::read_to_string(&json).with_context(|| format!("reading {}", json.display()))?;
        let header: Header =
            serde_json::from_str(&text).with_context(|| format!("{}: no header", json.display()))?;
        let fill_value = header.fill_value.or_else(|| fill_value_of(&header.note));
        Ok(Self { name: name.to_owned(), path, dims: header.dims, dtype: header.dtype, fill_value })
    }

    pub(crate) fn voxels(&self) -> usize {
        self.dims.iter().product()
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.dtype.contains("int")
    }
}

/// Older headers declare it in their note: `..., fill value 1e20 on land, ...`.
fn fill_value_of(note: &str) -> Option<f64> {
    let (_, behind) = note.split_once("fill value ")?;
    behind.split([' ', ',']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_value_is_a_key_or_in_the_note() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("a.raw", "");
        write(
            "a.json",
            r#"{"dims": [2, 3, 4], "dtype": "float32", "note": "sea, fill value 1e20 on land, f32"}"#,
        );
        write("b.raw", "");
        write("b.json", r#"{"dims": [1, 1, 1], "dtype": "uint8", "fill_value": -1, "note": "fill value 3"}"#);
        let a = RawVolume::find(folder.path(), "a").unwrap();
        assert_eq!((a.dims, a.voxels(), a.is_whole(), a.fill_value), ([2, 3, 4], 24, false, Some(1e20)));
        let b = RawVolume::find(folder.path(), "b").unwrap();
        assert_eq!((b.is_whole(), b.fill_value), (true, Some(-1.0)));
        assert_eq!(fill_value_of("zeros on land"), None);
        assert!(RawVolume::find(folder.path(), "c").unwrap_err().to_string().contains("no volume c.raw"));
    }
}
