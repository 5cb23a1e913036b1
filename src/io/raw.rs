//! Headerless samples, x fastest, little endian: the caller says the grid and the type.

use super::OpenOptions;
use super::elements::{self, ByteOrder, FilePart, StoredType};
use super::located::{Located, stand_in};
use super::reading::Reading;
use super::save::Written;
use crate::atomic;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Reads a raw file of exactly `dims` samples.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Reading> {
    let Located { stored, order, part, shape, mut described, .. } = locate(path, options)?;
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let samples = part.read(path, &mut BufReader::new(file), stored, order)?;
    described.put_samples(samples, shape)?;
    Ok(Reading::without_spacing(described))
}

/// Where the samples lie.
pub(super) fn locate(path: &Path, options: &OpenOptions) -> Result<Located> {
    let (Some(dims), Some(sample_type)) = (options.dims, options.sample_type) else {
        return Err(Error::Options(format!(
            "{}: a raw file does not say its grid; give `dims` NX,NY,NZ and `sample_type` (uint8, int16, float32, ...)",
            path.display()
        )));
    };
    let count = elements::sample_count(path, dims.map(|n| n as u64), sample_type.size(), &options.limits)?;
    let found = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
    let expected = (count * sample_type.size()) as u64;
    if found != expected {
        return Err(Error::format(
            path,
            format!(
                "{} x {} x {} samples of {sample_type} are {expected} bytes, but the file has {found}; check `dims` and `sample_type`",
                dims[0], dims[1], dims[2]
            ),
        ));
    }
    let stored = StoredType::Kept(sample_type);
    let mut described = stand_in(stored)?;
    described.provenance.insert("source format".into(), "raw".into());
    Ok(Located {
        path: path.to_owned(),
        offset: 0,
        stored,
        order: ByteOrder::Little,
        part: FilePart { count, components: 1, component: 0, run: 1, step: 0 },
        shape: dims,
        described,
        declares_spacing: [false; 3],
    })
}

/// Writes the samples alone; geometry, name and unit are not kept.
pub(super) fn save(written: &Written<'_>, path: &Path) -> Result<()> {
    atomic::write(path, |out| written.write_little_endian(path, out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::SampleType;

    #[test]
    fn a_wrong_size_names_both_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.raw");
        std::fs::write(&path, [0u8; 23]).unwrap();
        let options = OpenOptions {
            dims: Some([2, 3, 2]),
            sample_type: Some(SampleType::U16),
            ..OpenOptions::default()
        };
        let message = crate::io::open(&path, &options).unwrap_err().to_string();
        assert!(message.contains("are 24 bytes, but the file has 23"), "{message}");
        let message = crate::io::open(&path, &OpenOptions::default()).unwrap_err().to_string();
        assert!(message.contains("`dims`"), "{message}");
    }
}
