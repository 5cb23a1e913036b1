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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_becomes_a_picture_or_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let [json, png] = ["curves.json", "curves.png"].map(|name| folder.path().join(name));
        let curves = r#"[{"name": "SZ3", "points": [[50, 40.5], [150, 34]]}]"#;
        let text = format!(
            r#"{{"title": "tooth", "x": "ratio", "y": "PSNR", "x_is_logarithmic": true, "curves": {curves},
                "settings": [["program", "neuvol 1.2.3"]]}}"#
        );
        std::fs::write(&json, &text).unwrap();
        draw(&json, &png).unwrap();
        let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&png).unwrap()));
        let reader = decoder.read_info().unwrap();
        let said = reader.info().utf8_text.first().unwrap().get_text().unwrap();
        assert_eq!(said, "program: neuvol 1.2.3");

        std::fs::write(&json, text.replace("curves", "lines")).unwrap();
        let error = draw(&json, &png).unwrap_err().to_string();
        assert!(error.contains("curves.json") && error.contains("lines"), "{error}");
    }
}
