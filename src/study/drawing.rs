//! Curves from a file, for benches outside this crate.

use super::plot::{Curve, Plot};
use super::settings::Settings;
use crate::error::{Error, Result};
use std::path::Path;

/// A picture of curves, as JSON has it.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Drawing {
    title: String,
    /// What the axes are.
    x: String,
    y: String,
    x_is_logarithmic: bool,
    curves: Vec<Points>,
    /// Pairs of name and value: below the picture, and in the file as text.
    settings: Settings,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Points {
    name: String,
    points: Vec<(f64, f64)>,
}

/// Draws the curves of a JSON file as a PNG picture: `title`, `x`, `y`, `x_is_logarithmic`, `curves` (each with `name` and
/// `points`, pairs of numbers) and `settings` (pairs of strings).
///
/// # Errors
/// [`Error::Io`], and [`Error::Format`] for a file that says something else.
pub fn draw(json: &Path, picture: &Path) -> Result<()> {
    let text = std::fs::read(json).map_err(|e| Error::io(json, e))?;
    let drawing: Drawing = serde_json::from_slice(&text).map_err(|e| Error::format(json, e.to_string()))?;
    let curves = drawing.curves.into_iter().map(|c| Curve { name: c.name, points: c.points });
    let plot = Plot {
        title: drawing.title,
        x: &drawing.x,
        y: &drawing.y,
        x_is_logarithmic: drawing.x_is_logarithmic,
        curves: curves.collect(),
    };
    plot.save(picture, &drawing.settings)
}
