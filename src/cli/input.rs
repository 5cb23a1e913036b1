//! Arguments that sub-commands share: where a volume comes from.

use anyhow::Result;
use neuvol::engine::Engine;
use neuvol::engine::cpu::Cpu;
use neuvol::io::OpenOptions;
use neuvol::volume::SampleType;
use neuvol::{NeuralVolume, Volume};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What an input file does not say itself.
#[derive(clap::Args, Debug)]
pub(super) struct InputArguments {
    /// Raw files: samples along x, y, z, for example 103x94x161.
    #[arg(long, value_name = "NXxNYxNZ", value_parser = parse_dims, help_heading = "Input")]
    dims: Option<[usize; 3]>,
    /// Raw files: the samples' type by NumPy's name (uint8, int16, float32, ...), little endian.
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_type, help_heading = "Input")]
    sample_type: Option<SampleType>,
    /// Raw files: distance between voxel centres along x, y, z, for example 0.7x0.7x1.
    #[arg(long, value_name = "SXxSYxSZ", value_parser = parse_spacing, help_heading = "Input")]
    spacing: Option<[f64; 3]>,
    /// The value that stands for "no data here".
    #[arg(long, value_name = "V", allow_negative_numbers = true, help_heading = "Input")]
    fill_value: Option<f64>,
    /// Which array of a VTK file; the first scalar one when absent.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    array: Option<String>,
    /// Which series of a DICOM folder: its number or the end of its UID, as `neuvol series` lists them.
    #[arg(long, value_name = "SERIES", help_heading = "Input")]
    series: Option<String>,
}

impl InputArguments {
    /// Reads a volume.
    pub(super) fn open(&self, path: &Path) -> Result<Volume> {
        let options = OpenOptions {
            dims: self.dims,
            sample_type: self.sample_type,
            spacing: self.spacing,
            fill_value: self.fill_value,
            array: self.array.clone(),
            series: self.series.clone(),
            ..OpenOptions::default()
        };
        Ok(neuvol::io::open(path, &options)?)
    }
}

/// The engine of the whole command.
pub(super) fn engine(threads: usize) -> Result<Arc<dyn Engine>> {
    Ok(Arc::new(Cpu::new(threads)?))
}

/// Opens a `.nvol` file.
pub(super) fn open_neural(path: &Path, threads: usize) -> Result<NeuralVolume> {
    Ok(NeuralVolume::open_with(path, engine(threads)?)?)
}

/// True for a file that begins like a `.nvol` file.
pub(super) fn is_neural(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("nvol")) && path.is_file()
}

/// `ct_series/` gives `ct_series.nvol`, `tooth.nii.gz` gives `tooth.nvol`, both in the current folder's terms.
pub(super) fn default_output(input: &Path) -> PathBuf {
    let trimmed: PathBuf = input.components().collect();
    let name = trimmed.file_name().and_then(|n| n.to_str()).unwrap_or("volume");
    let stem = name.strip_suffix(".gz").unwrap_or(name);
    let stem = match stem.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() && !trimmed.is_dir() => stem,
        _ => stem,
    };
    trimmed.with_file_name(format!("{stem}.nvol"))
}

fn parse_three<T: std::str::FromStr>(text: &str) -> Result<[T; 3], String> {
    let parts: Vec<T> = text.split(['x', 'X', ',']).map_while(|part| part.trim().parse().ok()).collect();
    let count = text.split(['x', 'X', ',']).count();
    match <[T; 3]>::try_from(parts) {
        Ok(three) if count == 3 => Ok(three),
        _ => Err("three numbers with x between them are needed, as in 103x94x161".into()),
    }
}

pub(super) fn parse_dims(text: &str) -> Result<[usize; 3], String> {
    let dims = parse_three::<usize>(text)?;
    if dims.contains(&0) { Err("no axis can have 0 samples".into()) } else { Ok(dims) }
}

fn parse_spacing(text: &str) -> Result<[f64; 3], String> {
    let spacing = parse_three::<f64>(text)?;
    if spacing.iter().all(|s| *s > 0.0 && s.is_finite()) {
        Ok(spacing)
    } else {
        Err("spacings are above 0".into())
    }
}

fn parse_type(text: &str) -> Result<SampleType, String> {
    SampleType::from_name(text).ok_or_else(|| {
        let names: Vec<_> = SampleType::ALL.iter().map(|t| t.name()).collect();
        format!("one of {} is needed", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triples_parse_and_nonsense_does_not() {
        assert_eq!(parse_dims("103x94x161"), Ok([103, 94, 161]));
        for bad in ["103x94", "103x94x0", "axbxc", "1x2x3x4", ""] {
            assert!(parse_dims(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_spacing("0.5x1x2.5"), Ok([0.5, 1.0, 2.5]));
        assert!(parse_spacing("0x1x1").is_err());
        assert_eq!(parse_type("int16"), Ok(SampleType::I16));
        assert!(parse_type("short").is_err());
    }

    #[test]
    fn outputs_are_named_after_inputs() {
        assert_eq!(default_output(Path::new("a/tooth.nii.gz")), Path::new("a/tooth.nvol"));
        assert_eq!(default_output(Path::new("ct_series/")), Path::new("ct_series.nvol"));
        assert_eq!(default_output(Path::new("x.vti")), Path::new("x.nvol"));
    }
}
