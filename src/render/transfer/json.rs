//! ParaView's exported colour maps.

use super::TransferFunction;
use crate::error::{Error, Result};
use serde_json::Value;

/// Values that one point of an opacity function takes in the list: value, opacity, midpoint, sharpness.
const OPACITY_POINT: usize = 4;
/// And of a colour function: value, red, green, blue.
const COLOUR_POINT: usize = 4;

impl TransferFunction {
    /// What ParaView's Color Map Editor exports as JSON: the first colour map of the list, or one by itself, with `RGBPoints` and `Points`.
    /// Colours are taken as RGB between points, whatever space the map names; where it has no opacities they grow evenly from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Options`] where it is something else.
    pub fn from_paraview(json: &str) -> Result<Self> {
        let bad = |what: &str| {
            Error::Options(format!(
                "{what}; a colour map is what ParaView's Color Map Editor exports as JSON"
            ))
        };
        let parsed: Value = serde_json::from_str(json).map_err(|e| bad(&format!("this is no JSON ({e})")))?;
        let map = parsed.get(0).unwrap_or(&parsed);
        let numbers = |name: &str, of_point: usize| -> Result<Option<Vec<Vec<f64>>>> {
            let Some(list) = map.get(name) else { return Ok(None) };
            let numbers: Option<Vec<f64>> =
                list.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
            match numbers {
                Some(numbers) if !numbers.is_empty() && numbers.len() % of_point == 0 => {
                    Ok(Some(numbers.chunks_exact(of_point).map(<[f64]>::to_vec).collect()))
                }
                _ => Err(bad(&format!("\"{name}\" is no list of {of_point} numbers a point"))),
            }
        };
        let colours = numbers("RGBPoints", COLOUR_POINT)?.ok_or_else(|| bad("there is no \"RGBPoints\""))?;
        let colours: Vec<(f64, [f32; 3])> = colours
            .iter()
            .map(|point| (point[0], [point[1] as f32, point[2] as f32, point[3] as f32]))
            .collect();
        let opacities = match numbers("Points", OPACITY_POINT)? {
            Some(points) => smoothed(&points),
            None => vec![(colours[0].0, 0.0), (colours[colours.len() - 1].0, 1.0)],
        };
        Self::new(colours, opacities)
    }
}

/// Opacities with the midpoints that ParaView's editor may move, as points of their own: where a stretch is half of the way. Its
/// sharpness, which the editor leaves at 0 unless asked, is not followed.
fn smoothed(points: &[Vec<f64>]) -> Vec<(f64, f32)> {
    let mut out: Vec<(f64, f32)> = Vec::new();
    for (n, point) in points.iter().enumerate() {
        out.push((point[0], point[1] as f32));
        if let Some(next) = points.get(n + 1)
            && point[2] != 0.5
            && (0.0..1.0).contains(&point[2])
        {
            out.push((point[0] + point[2] * (next[0] - point[0]), ((point[1] + next[1]) / 2.0) as f32));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exported_map_is_read_and_other_json_is_refused() {
        let map = r#"[{"ColorSpace": "RGB", "Name": "x", "Points": [0, 0, 0.5, 0, 10, 1, 0.25, 0, 20, 0, 0.5, 0],
            "RGBPoints": [0, 0.1, 0.2, 0.3, 20, 1, 1, 1]}]"#;
        let function = TransferFunction::from_paraview(map).unwrap();
        assert_eq!((function.opacity(5.0), function.opacity(12.5), function.opacity(20.0)), (0.5, 0.5, 0.0));
        assert_eq!(function.colour(0.0), [0.1, 0.2, 0.3]);
        let without = TransferFunction::from_paraview(r#"{"RGBPoints": [0, 0, 0, 0, 4, 1, 1, 1]}"#).unwrap();
        assert_eq!(without.opacity(2.0), 0.5);
        for bad in ["", "[]", "{\"RGBPoints\": [1, 2]}", "{\"RGBPoints\": [0, 2, 0, 0]}"] {
            assert!(TransferFunction::from_paraview(bad).is_err(), "{bad}");
        }
    }
}
