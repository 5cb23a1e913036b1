//! What an input holds beside the volume that [`super::open`] reads: arrays with their components, steps and their times.

use super::OpenOptions;
use crate::error::{Error, Result};
use std::path::Path;

/// Components that are read one by one: those of a tensor. More are more often channels of a kind of their own.
pub const MOST_COMPONENTS: usize = 9;

/// An array of numbers, of which each component is a scalar volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputArray {
    /// As the file calls it; `scalars` in formats without names, the modality in DICOM. It may be empty.
    pub name: String,
    /// How many components a sample has: 1 for scalars. More than [`MOST_COMPONENTS`] are listed, but not read
    /// unless [`OpenOptions::component`] chooses one.
    pub components: usize,
    /// What the components are called, one name each: `R`, `G`, `B`. Empty where the file does not say.
    pub component_names: Vec<String>,
}

impl InputArray {
    /// Components without names.
    pub(super) fn new(name: impl Into<String>, components: usize) -> Self {
        Self { name: name.into(), components, component_names: Vec::new() }
    }

    /// The same with these names, where there is one for each component and one of them says something.
    pub(super) fn with_names<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let fit = names.len() == self.components && names.iter().any(|name| !name.is_empty());
        Self { component_names: if fit { names } else { Vec::new() }, ..self }
    }

    /// The chosen component alone, where one is chosen.
    fn narrowed(self, path: &Path, options: &OpenOptions) -> Result<Self> {
        if options.component.is_none() {
            return Ok(self);
        }
        let what = format!("array '{}'", self.name);
        let component = super::component(path, &what, self.components, options)?;
        let name = self.component_names.get(component).cloned();
        Ok(Self { name: self.name, components: 1, component_names: name.into_iter().collect() })
    }
}

/// What a file, a folder or a list holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Contents {
    /// Volumes over time; never 0.
    pub(super) steps: usize,
    /// The time of each step, where the input says it as a number.
    pub(super) times: Option<Vec<f64>>,
    /// Never empty.
    pub(super) arrays: Vec<InputArray>,
    /// Whether [`OpenOptions::array`] chooses one by its name.
    pub(super) named: bool,
}

impl Contents {
    /// One array in a format that knows no names.
    pub(super) fn of_one(array: InputArray, steps: usize, times: Option<Vec<f64>>) -> Self {
        Self { steps, times, arrays: vec![array], named: false }
    }

    /// What of it the caller's choice leaves.
    pub(super) fn chosen(self, path: &Path, options: &OpenOptions) -> Result<Self> {
        let arrays = self.arrays.into_iter().map(|array| array.narrowed(path, options));
        Ok(Self { arrays: arrays.collect::<Result<_>>()?, ..self })
    }
}

/// The name that [`crate::volume::Volume::new`] gives where a format has none.
pub(super) const NO_NAME: &str = "scalars";

/// The error for an array of more components than are read one by one.
pub(super) fn too_many_components(path: &Path, array: &InputArray) -> Error {
    Error::Options(format!(
        "{}: array '{}' has {} components, and at most {MOST_COMPONENTS} are read one by one; choose one with `component` 0 \
         to {}",
        path.display(),
        array.name,
        array.components,
        array.components.saturating_sub(1)
    ))
}

/// Times of steps that lie `interval` apart, where that is a distance in time.
pub(super) fn even_times(start: f64, interval: f64, steps: usize) -> Option<Vec<f64>> {
    let end = start + interval * steps.saturating_sub(1) as f64;
    let fits = steps > 1 && interval > 0.0 && start.is_finite() && end.is_finite();
    fits.then(|| (0..steps).map(|step| start + interval * step as f64).collect())
}

/// Seconds of a unit of time by its usual names; `None` for one that is unknown.
pub(super) fn seconds(unit: &str) -> Option<f64> {
    Some(match unit.trim().trim_matches('"').to_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "ms" | "msec" | "millisecond" | "milliseconds" => 1e-3,
        // MICRO SIGN and GREEK SMALL LETTER MU.
        "us" | "usec" | "\u{b5}s" | "\u{3bc}s" | "microsecond" | "microseconds" => 1e-6,
        "ns" | "nanosecond" | "nanoseconds" => 1e-9,
        "min" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86400.0,
        _ => return None,
    })
}
