//! The volumes of a folder that a study is about.

use super::paper::{PaperVolume, VOLUMES};
use crate::error::{Error, Result};
use crate::io::{self, OpenOptions};
use crate::volume::{SampleType, Volume};
use std::path::{Path, PathBuf};

/// A volume's file, not read yet.
#[derive(Debug, Clone)]
pub(super) struct StudyVolume {
    /// The paper's name, or the file's where the paper has none.
    pub(super) name: String,
    /// The paper's row.
    pub(super) paper: Option<&'static PaperVolume>,
    path: PathBuf,
    /// What a raw file does not say itself.
    raw: Option<RawHeader>,
    /// Bytes of the file: small volumes come first.
    bytes: u64,
}

/// Grid and type of a raw file.
#[derive(Debug, Clone, PartialEq)]
struct RawHeader {
    shape: [usize; 3],
    sample_type: SampleType,
    spacing: Option<[f64; 3]>,
}

/// Files of one volume that are looked at beside `.raw`.
const ENDINGS: [&str; 9] = ["nrrd", "nhdr", "mha", "mhd", "nii", "nii.gz", "vti", "npy", "tif"];

impl StudyVolume {
    /// The volumes of `folder` and of its folder `volumes`, in the order of the paper's table: those that the paper has,
    /// or those that `names` has, by the paper's name or the file's.
    ///
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be read, [`Error::Options`] when a name, or any, is not there,
    /// [`Error::Format`] for the header beside a raw file.
    pub(super) fn in_folder(folder: &Path, names: &[String]) -> Result<Vec<StudyVolume>> {
        let mut files = files(folder)?;
        let below = folder.join("volumes");
        if below.is_dir() {
            files.extend(self::files(&below)?);
        }
        let mut found: Vec<StudyVolume> = Vec::new();
        for path in files {
            let Some(stem) = stem(&path) else { continue };
            let (bare, named_header) = split_name(&stem);
            let paper = PaperVolume::named(bare);
            let name = paper.map_or(bare, |p| p.name).to_owned();
            let asked = |n: &String| {
                n.eq_ignore_ascii_case(bare) || PaperVolume::named(n).is_some_and(|p| Some(p) == paper)
            };
            let wanted = if names.is_empty() { paper.is_some() } else { names.iter().any(asked) };
            if !wanted || found.iter().any(|f| f.name == name) {
                continue;
            }
            let is_raw = path.extension().is_some_and(|e| e == "raw");
            let raw = if is_raw { RawHeader::beside(&path)?.or(named_header) } else { None };
            if is_raw && raw.is_none() {
                log::warn!("{}: no header {stem}.json beside it; left out", path.display());
                continue;
            }
            let bytes = std::fs::metadata(&path).map_err(|e| Error::io(&path, e))?.len();
            found.push(StudyVolume { name, paper, path, raw, bytes });
        }
        for name in names {
            let is_it = |f: &StudyVolume| {
                f.paper.is_some() && f.paper == PaperVolume::named(name) || f.name.eq_ignore_ascii_case(name)
            };
            if !found.iter().any(is_it) {
                return Err(Error::Options(format!("{}: there is no volume {name}", folder.display())));
            }
        }
        if found.is_empty() {
            return Err(Error::Options(format!(
                "{}: no volume of the paper's table 2 is here; a file's name says which one it is, as in tooth.raw \
                 with tooth.json, tooth_103x94x161_uint8.raw, or engine.nrrd",
                folder.display()
            )));
        }
        let place =
            |f: &StudyVolume| VOLUMES.iter().position(|v| Some(v) == f.paper).unwrap_or(VOLUMES.len());
        found.sort_by_key(|f| (place(f), f.name.clone()));
        Ok(found)
    }

    /// The smallest file of several.
    pub(super) fn smallest(found: Vec<StudyVolume>) -> Vec<StudyVolume> {
        found.into_iter().min_by_key(|f| f.bytes).into_iter().collect()
    }

    /// Number of voxels, where the header says it.
    pub(super) fn voxels(&self) -> Option<usize> {
        self.raw.as_ref().map(|raw| raw.shape.iter().product())
    }

    /// Reads it.
    pub(super) fn open(&self) -> Result<Volume> {
        let mut options = OpenOptions::default();
        if let Some(RawHeader { shape, sample_type, spacing }) = self.raw {
            options = OpenOptions { dims: Some(shape), sample_type: Some(sample_type), spacing, ..options };
        }
        io::open(&self.path, &options)
    }

    /// The start of output files' names.
    pub(super) fn file_stem(&self) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        self.name.chars().map(letter).collect()
    }
}

impl RawHeader {
    /// `NAME.json` beside `NAME.raw`: `dims` [x, y, z], `dtype` by NumPy's name, `spacing` or null.
    fn beside(raw: &Path) -> Result<Option<Self>> {
        let path = raw.with_extension("json");
        let text = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|e| Error::io(&path, e))?,
        };
        #[derive(serde::Deserialize)]
        struct Json {
            dims: [usize; 3],
            dtype: String,
            spacing: Option<[f64; 3]>,
        }
        let json: Json = serde_json::from_slice(&text).map_err(|e| Error::format(&path, e.to_string()))?;
        let sample_type = SampleType::from_name(&json.dtype)
            .ok_or_else(|| Error::format(&path, format!("dtype {:?} is not supported", json.dtype)))?;
        Ok(Some(Self { shape: json.dims, sample_type, spacing: json.spacing }))
    }
}

/// A folder's files in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let fail = |e| Error::io(folder, e);
    let entries = std::fs::read_dir(folder).map_err(fail)?;
    let mut files: Vec<PathBuf> = entries.map(|e| Ok(e.map_err(fail)?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|f| f.is_file());
    files.sort();
    Ok(files)
}

/// The name without the ending; `None` for files that are no volume.
fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let ending = std::iter::once("raw").chain(ENDINGS).find(|e| name.ends_with(&format!(".{e}")))?;
    Some(name[..name.len() - ending.len() - 1].to_owned())
}

/// `tooth_103x94x161_uint8`, as Open SciVis names its files, is a name and a header.
fn split_name(stem: &str) -> (&str, Option<RawHeader>) {
    let split = || {
        let (rest, sample_type) = stem.rsplit_once('_')?;
        let (name, dims) = rest.rsplit_once('_')?;
        let dims: Vec<usize> = dims.split('x').map(str::parse).collect::<Result<_, _>>().ok()?;
        let shape = <[usize; 3]>::try_from(dims).ok()?;
        Some((name, RawHeader { shape, sample_type: SampleType::from_name(sample_type)?, spacing: None }))
    };
    split().map_or((stem, None), |(name, header)| (name, Some(header)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_found_by_name_in_the_papers_order() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("engine_2x2x1_uint8.raw", &[1, 2, 3, 4]);
        write("Tooth.raw", &[0, 1, 2, 3, 4, 5, 6, 7]);
        write("Tooth.json", br#"{"dims": [2, 2, 1], "dtype": "uint16", "spacing": [1, 1, 2]}"#);
        write("nucleon_1x1x1_uint8.raw", &[0]);
        write("skull.raw", &[0]);
        write("tooth.txt", b"");
        let found = StudyVolume::in_folder(folder.path(), &[]).unwrap();
        assert_eq!(found.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["Tooth", "Engine"]);
        let tooth = found[0].open().unwrap();
        assert_eq!((tooth.shape(), tooth.sample_type()), ([2, 2, 1], SampleType::U16));
        assert_eq!(tooth.geometry.spacing, [1.0, 1.0, 2.0]);
        assert_eq!(found[1].voxels(), Some(4));
        assert_eq!(StudyVolume::smallest(found)[0].name, "Engine");
        let named = StudyVolume::in_folder(folder.path(), &["nucleon".into()]).unwrap();
        assert!(named.len() == 1 && named[0].paper.is_none());
        let missing = StudyVolume::in_folder(folder.path(), &["foot".into()]).unwrap_err().to_string();
        assert!(missing.contains("there is no volume foot"), "{missing}");
    }
}
