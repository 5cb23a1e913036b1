//! Arguments that sub-commands share: where a volume comes from.

use super::Placement;
use super::progress::PartsBar;
use anyhow::Result;
use neuvol::io::{FoundSource, Limits, OpenOptions, Volumes};
use neuvol::sample;
use neuvol::volume::SampleType;
use neuvol::{NeuralDataset, NeuralVolume, Volume};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What an input file does not say itself.
#[derive(clap::Args, Debug, Clone)]
pub(super) struct InputArguments {
    /// Raw files: samples along x, y, z, for example 103x94x161.
    #[arg(long, value_name = "NXxNYxNZ", value_parser = parse_dims, help_heading = "Input")]
    dims: Option<[usize; 3]>,
    /// Raw files: the samples' type by NumPy's name (uint8, int16, float32, ...), little endian.
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_type, help_heading = "Input")]
    sample_type: Option<SampleType>,
    /// Distance between voxel centres along x, y, z where the file does not say it (raw, .npy, most TIFF), as 0.7x0.7x1.
    #[arg(long, value_name = "SXxSYxSZ", value_parser = parse_spacing, help_heading = "Input")]
    spacing: Option<[f64; 3]>,
    /// The value that stands for "no data here".
    #[arg(long, value_name = "V", allow_negative_numbers = true, help_heading = "Input")]
    fill_value: Option<f64>,
    /// Which array of a VTK file; when absent, `compress` and `convert` to .vti take all of them, other commands the first scalar
    /// one.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    array: Option<String>,
    /// Which component of vectors and colours, from 0; when absent, `compress` and `convert` to .vti take all of them.
    #[arg(long, value_name = "N", help_heading = "Input")]
    component: Option<usize>,
    /// Which volume of a series over time, from 0; all of them when absent: `compress` writes one file, `convert` one a step.
    #[arg(long, value_name = "N", help_heading = "Input")]
    time_step: Option<usize>,
    /// Which series of a DICOM folder: its number or the end of its UID, as `neuvol series` lists them.
    #[arg(long, value_name = "SERIES", help_heading = "Input")]
    series: Option<String>,
    /// DICOM: interpolate missing or unevenly spaced slices to an even grid instead of refusing them.
    #[arg(long, help_heading = "Input")]
    allow_gaps: bool,
    /// DICOM: which of several volumes of a series that differ in echo, b-value, acquisition or the like: its number as
    /// `neuvol series` lists them, NAME=VALUE (`b-value=1000`), or all, as time steps.
    #[arg(long, value_name = "VOLUME", help_heading = "Input")]
    volume: Option<String>,
    /// DICOM: take the first of duplicate files instead of refusing them.
    #[arg(long, help_heading = "Input")]
    allow_duplicates: bool,
    /// DICOM: keep only the largest group of slices that match in size, orientation, spacing and type, and drop the rest.
    #[arg(long, help_heading = "Input")]
    largest_group: bool,
    /// DICOM: resample a tilted gantry's slices to a right-angled grid; without it the grid is kept as it is, sheared.
    #[arg(long, help_heading = "Input")]
    resample_tilt: bool,
    /// DICOM, NIfTI: take the numbers as they are stored, without rescale.
    #[arg(long, help_heading = "Input")]
    stored_values: bool,
    /// Read files that a header or a list names wherever they lie, not only in its folder and below.
    #[arg(long, help_heading = "Input")]
    allow_outside: bool,
    /// Refuse volumes of more bytes than this (k, M and G stand for thousands, millions and billions).
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Input")]
    limit: Option<u64>,
}

impl InputArguments {
    /// The same for a file that was decoded from an input: what was chosen there is all there is here, and the file may say
    /// its spacing itself.
    pub(super) fn for_decoded(&self) -> Self {
        Self {
            array: None,
            component: None,
            time_step: None,
            series: None,
            volume: None,
            spacing: None,
            ..self.clone()
        }
    }

    /// The same for a `.nvol` file.
    pub(super) fn for_neural(&self) -> NeuralArguments {
        NeuralArguments {
            array: self.array.clone(),
            component: self.component,
            time_step: self.time_step,
            limit: self.limit,
        }
    }

    /// Reads the only volume of an input, or the one that is chosen.
    pub(super) fn open(&self, path: &Path) -> Result<Volume> {
        let bar = PartsBar::of("reading");
        let options = OpenOptions { progress: Some(bar.observer()), ..self.options(self.time_step) };
        Ok(neuvol::io::open(path, &options)?)
    }

    /// Finds out what an input holds; with the bar, which is to stay until it is read.
    pub(super) fn volumes(&self, path: &Path) -> Result<(Volumes, PartsBar)> {
        let bar = PartsBar::of("reading");
        let options = OpenOptions { progress: Some(bar.observer()), ..self.options(None) };
        Ok((Volumes::open(path, &options)?, bar))
    }

    /// What reads the volume that is chosen, or the only one, box by box; `None` where it has to be read whole.
    pub(super) fn find_chosen(&self, path: &Path) -> Result<Option<FoundSource>> {
        Ok(neuvol::io::find_source(path, &self.options(self.time_step))?)
    }

    /// The steps that are chosen of so many.
    pub(super) fn steps(&self, path: &Path, steps: usize) -> Result<Range<usize>> {
        match self.time_step {
            None => Ok(0..steps),
            Some(step) if step < steps => Ok(step..step + 1),
            Some(step) => Err(neuvol::Error::Options(format!(
                "{}: there is no time step {step}; it holds {steps}, counted from 0",
                path.display()
            ))
            .into()),
        }
    }

    fn options(&self, time_step: Option<usize>) -> OpenOptions {
        let mut limits = Limits::default();
        if let Some(limit) = self.limit {
            limits.volume_bytes = limit;
            // A limit that is raised goes for headers as well; one that is lowered does not refuse ordinary ones.
            limits.header_bytes = limits.header_bytes.max(limit);
        }
        OpenOptions {
            dims: self.dims,
            sample_type: self.sample_type,
            spacing: self.spacing,
            fill_value: self.fill_value,
            array: self.array.clone(),
            series: self.series.clone(),
            volume: self.volume.clone(),
            allow_gaps: self.allow_gaps,
            allow_duplicates: self.allow_duplicates,
            largest_group: self.largest_group,
            resample_tilt: self.resample_tilt,
            stored_values: self.stored_values,
            time_step,
            component: self.component,
            allow_outside: self.allow_outside,
            progress: None,
            limits,
        }
    }
}

/// `NAME_0007.nii.gz` for step 7 of `NAME.nii.gz`.
pub(super) fn numbered(output: &Path, step: usize) -> PathBuf {
    let name = output.file_name().and_then(|n| n.to_str()).unwrap_or("volume");
    let lower = name.to_ascii_lowercase();
    let double = [".nii.gz"].into_iter().find(|suffix| lower.ends_with(suffix)).map(str::len);
    let suffix =
        double.or_else(|| name.rfind('.').filter(|&at| at > 0).map(|at| name.len() - at)).unwrap_or(0);
    let (stem, suffix) = name.split_at(name.len() - suffix);
    // A folder stays one.
    let end = if output.as_os_str().as_encoded_bytes().ends_with(b"/") { "/" } else { "" };
    output.with_file_name(format!("{stem}_{step:04}{suffix}{end}"))
}

/// Which volume of a `.nvol` file, and how large it may be.
#[derive(clap::Args, Debug, Clone, Default)]
pub(super) struct NeuralArguments {
    /// Which array, where the file holds several.
    #[arg(long, value_name = "NAME")]
    pub(super) array: Option<String>,
    /// Which component of a vector or colour, from 0.
    #[arg(long, value_name = "N")]
    pub(super) component: Option<usize>,
    /// Which time step, from 0.
    #[arg(long, value_name = "N")]
    pub(super) time_step: Option<usize>,
    /// Refuse files whose volume, or what decoding it takes, has more bytes than this (k, M and G stand for thousands,
    /// millions and billions).
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub(super) limit: Option<u64>,
}

impl NeuralArguments {
    fn options(&self, place: Placement, block_bytes: Option<u64>) -> Result<sample::OpenOptions> {
        Ok(sample::OpenOptions {
            block_bytes: block_bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            engine: Some(place.device.engine(0)?),
            limits: self.limit.map_or_else(sample::Limits::default, sample::Limits::of_bytes),
            array: self.array.clone(),
            component: self.component,
            time_step: self.time_step,
            ..Default::default()
        })
    }

    /// Opens the chosen volume of a `.nvol` file, or the only one.
    pub(super) fn open(&self, path: &Path, place: Placement) -> Result<NeuralVolume> {
        Ok(NeuralVolume::open_with(path, self.options(place, None)?)?)
    }

    /// The same with so many bytes for the decoded blocks that are kept.
    pub(super) fn open_within(
        &self,
        path: &Path,
        place: Placement,
        block_bytes: u64,
    ) -> Result<NeuralVolume> {
        Ok(NeuralVolume::open_with(path, self.options(place, Some(block_bytes))?)?)
    }

    /// Opens a `.nvol` file with all that it holds; each of its volumes keeps so many bytes of decoded blocks.
    pub(super) fn open_dataset(
        &self,
        path: &Path,
        place: Placement,
        block_bytes: Option<u64>,
    ) -> Result<NeuralDataset> {
        Ok(NeuralDataset::open_with(path, self.options(place, block_bytes)?)?)
    }
}

/// What of a `.nvol` file is chosen: everything where nothing is said.
pub(super) struct ChosenVolumes {
    pub(super) arrays: Range<usize>,
    /// `None`: all of each array.
    pub(super) components: Option<Range<usize>>,
    pub(super) steps: Range<usize>,
}

impl NeuralArguments {
    /// What of a file is chosen.
    ///
    /// # Errors
    /// [`neuvol::Error::Options`] where it is not in the file.
    pub(super) fn chosen(&self, file: &NeuralDataset, path: &Path) -> Result<ChosenVolumes> {
        let refuse = |what: String| {
            Err(neuvol::Error::Options(format!("{}: there is no {what}", path.display())).into())
        };
        let arrays = match &self.array {
            None => 0..file.arrays().len(),
            Some(name) => match file.arrays().iter().position(|array| array.name == *name) {
                Some(array) => array..array + 1,
                None => {
                    let names: Vec<String> = file.arrays().iter().map(|a| format!("'{}'", a.name)).collect();
                    return refuse(format!("array '{name}'; the file holds {}", names.join(", ")));
                }
            },
        };
        for array in &file.arrays()[arrays.clone()] {
            if let Some(component) = self.component.filter(|&component| component >= array.components.len()) {
                let count = array.components.len();
                return refuse(format!("component {component} of array '{}', which has {count}", array.name));
            }
        }
        let steps = match self.time_step {
            None => 0..file.steps(),
            Some(step) if step < file.steps() => step..step + 1,
            Some(step) => return refuse(format!("time step {step}; the file holds {}", file.steps())),
        };
        Ok(ChosenVolumes {
            arrays,
            components: self.component.map(|component| component..component + 1),
            steps,
        })
    }
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

/// A number of bytes, as `40000`, `40k` or `1.5M`.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.to_ascii_lowercase() {
        t if t.ends_with('k') => (t[..t.len() - 1].to_owned(), 1e3),
        t if t.ends_with('m') => (t[..t.len() - 1].to_owned(), 1e6),
        t if t.ends_with('g') => (t[..t.len() - 1].to_owned(), 1e9),
        t => (t, 1.0),
    };
    match digits.parse::<f64>() {
        Ok(number) if number > 0.0 && number * unit < 1e15 => Ok((number * unit) as u64),
        _ => Err("a number of bytes is needed, as in 40000, 40k or 1.5M".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("40k"), Ok(40_000));
        assert_eq!(parse_size("1.5M"), Ok(1_500_000));
        assert_eq!(parse_size("12345"), Ok(12_345));
        assert!(parse_size("-3").is_err() && parse_size("big").is_err());
    }

    #[test]
    fn time_steps_are_numbered_before_the_suffix() {
        for (name, step) in [
            ("a/b.nii.gz", "a/b_0007.nii.gz"),
            ("b.nvol", "b_0007.nvol"),
            ("b", "b_0007"),
            ("a/b/", "a/b_0007/"),
        ] {
            assert_eq!(numbered(Path::new(name), 7).as_os_str(), step);
        }
    }

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
