//! What a file of several volumes holds.

use crate::cli::input::ChosenVolumes;
use crate::cli::report;
use anyhow::Result;
use neuvol::{ArrayInfo, Description, NeuralDataset};

/// Components and time steps of an array, and the worst of their qualities.
struct Summary {
    first: Description,
    volumes: usize,
    psnr: f64,
    max_error: f64,
    range: Option<(f64, f64)>,
    bytes: u64,
    stored_bytes: u64,
}

pub(super) fn print(file: &NeuralDataset, chosen: &ChosenVolumes, json: bool) -> Result<()> {
    let times = file.times().map(|times| &times[chosen.steps.clone()]);
    let mut arrays = Vec::new();
    for array in chosen.arrays.clone() {
        arrays.push((&file.arrays()[array], Summary::of(file, array, chosen)?));
    }
    let stored: u64 = arrays.iter().map(|(_, summary)| summary.stored_bytes).sum();
    let all: usize = file.arrays().iter().map(|array| array.components.len()).sum::<usize>() * file.steps();
    let volumes: usize = arrays.iter().map(|(_, summary)| summary.volumes).sum();
    let bytes = match volumes == all {
        true => file.file_bytes(),
        false => arrays.iter().map(|(_, summary)| summary.bytes).sum(),
    };
    if json {
        let list: Vec<_> = arrays.iter().map(|(info, summary)| summary.json(info)).collect();
        say!(
            "{:#}",
            serde_json::json!({
                "file_bytes": file.file_bytes(),
                "ratio": stored as f64 / bytes as f64,
                "time_steps": chosen.steps.len(),
                "times": times,
                "arrays": list,
            })
        );
        return Ok(());
    }
    for (info, summary) in &arrays {
        summary.say(info)?;
    }
    match (chosen.steps.len(), times) {
        (1, _) => {}
        (steps, Some([first, .., last])) => say!("time steps  {steps}, at {first} to {last}"),
        (steps, _) => say!("time steps  {steps}"),
    }
    say!("file        {}", report::bytes(file.file_bytes()));
    say!("ratio       {:.1}", stored as f64 / bytes as f64);
    say!("more        choose one volume with --array, --component and --time-step");
    Ok(())
}

impl Summary {
    /// Reads the index of each volume.
    fn of(file: &NeuralDataset, array: usize, chosen: &ChosenVolumes) -> Result<Self> {
        let mut found: Option<Self> = None;
        for step in chosen.steps.clone() {
            let all = 0..file.arrays()[array].components.len();
            for component in chosen.components.clone().unwrap_or(all) {
                let volume = file.volume(array, component, step)?;
                let info = volume.info();
                let summary = found.get_or_insert_with(|| Self {
                    first: info.clone(),
                    volumes: 0,
                    psnr: f64::INFINITY,
                    max_error: 0.0,
                    range: None,
                    bytes: 0,
                    stored_bytes: 0,
                });
                summary.volumes += 1;
                summary.psnr = summary.psnr.min(info.psnr());
                summary.max_error = summary.max_error.max(info.achieved.max_error);
                summary.bytes += volume.file_bytes();
                summary.stored_bytes += info.stored_bytes();
                summary.range = match (summary.range, info.range) {
                    (Some((a, b)), Some((low, high))) => Some((a.min(low), b.max(high))),
                    (one, other) => one.or(other),
                };
            }
        }
        found.ok_or_else(|| neuvol::Error::Options("nothing is chosen".into()).into())
    }

    fn say(&self, info: &ArrayInfo) -> Result<()> {
        let of_components = match info.components.len() {
            1 => String::new(),
            count if info.components.iter().all(String::is_empty) => format!(", {count} components"),
            count => format!(", {count} components: {}", info.components.join(", ")),
        };
        let unit =
            if self.first.unit.is_empty() { String::new() } else { format!(" in {}", self.first.unit) };
        say!("array       {} ({}){unit}{of_components}", info.name, self.first.sample_type);
        say!("  dims      {}", report::dims(self.first.shape));
        if let Some((low, high)) = self.range {
            let [low, high] = [low, high].map(|value| report::value(value, &self.first.unit));
            say!("  range     {low} to {high}");
        }
        match self.psnr.is_finite() {
            true => say!(
                "  quality   PSNR {:.2} dB or more, errors of at most {}",
                self.psnr,
                report::value(self.max_error, &self.first.unit)
            ),
            false => say!("  quality   every voxel exactly as it was"),
        }
        say!(
            "  size      {}, ratio {:.1}",
            report::bytes(self.bytes),
            self.stored_bytes as f64 / self.bytes as f64
        );
        Ok(())
    }

    fn json(&self, info: &ArrayInfo) -> serde_json::Value {
        serde_json::json!({
            "array": info.name,
            "components": info.components,
            "unit": self.first.unit,
            "dims": self.first.shape,
            "type": self.first.sample_type.name(),
            "spacing": self.first.geometry.spacing,
            "origin": self.first.geometry.origin,
            "range": self.range,
            "psnr_db": report::finite(self.psnr),
            "max_error": self.max_error,
            "bytes": self.bytes,
            "ratio": self.stored_bytes as f64 / self.bytes as f64,
        })
    }
}
