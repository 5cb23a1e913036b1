//! Figures as people read them.

use neuvol::metrics::{BandErrors, Distortion, Fidelity, SIMILARITY_WINDOW};
use neuvol::volume::Geometry;
use neuvol::{FocusInfo, FocusQuality};
use std::collections::BTreeMap;

/// `1.31 MB`, in powers of ten.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}

/// `512 x 512 x 275`.
pub(super) fn dims(shape: [usize; 3]) -> String {
    format!("{} x {} x {}", shape[0], shape[1], shape[2])
}

/// `40.12 dB`, or what an infinite one means.
pub(super) fn psnr(db: f64) -> String {
    if db.is_infinite() { "exact (no sample differs)".into() } else { format!("{db:.2} dB") }
}

/// A value with its unit.
pub(super) fn value(number: f64, unit: &str) -> String {
    let number = format!("{number:.4}");
    let number = number.trim_end_matches('0').trim_end_matches('.');
    if unit.is_empty() { number.into() } else { format!("{number} {unit}") }
}

/// Both ratios.
pub(super) fn ratios(stored: f64, as_f32: f64, sample_type: &str) -> String {
    format!("{} against {sample_type}, {} against float32", ratio(stored), ratio(as_f32))
}

fn ratio(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}:1") } else { format!("{ratio:.0}:1") }
}

/// Letters of a label in front of a line of [`fidelity`].
pub(super) const LABEL: usize = 10;

/// How true a volume is to its original, in lines that begin with a label.
pub(super) fn fidelity(fidelity: &Fidelity, geometry: &Geometry, unit: &str) -> Vec<String> {
    let Fidelity { distortion, noise, bias, largest, similarity, bands, .. } = fidelity;
    let mut lines = vec![format!("PSNR      {}", psnr(distortion.psnr))];
    if let Some(noise) = noise {
        let share = if distortion.rmse > 0.0 {
            format!("; the RMS error is {:.2} times as large", distortion.rmse / noise)
        } else {
            String::new()
        };
        lines.push(format!("noise     {} in the original{share}", rounded(*noise, unit)));
    } else {
        lines.push("noise     none found in the original".into());
    }
    if distortion.max_error == 0.0 {
        return lines;
    }
    lines.push(format!(
        "error     {} RMS, {} in the mean, {} largest",
        value(distortion.rmse, unit),
        signed(*bias, unit),
        value(distortion.max_error, unit)
    ));
    if let Some(voxel) = largest {
        let [x, y, z] = geometry.index_to_world(voxel.map(|i| i as f64)).map(|w| format!("{w:.1}"));
        lines.push(format!(
            "largest   at voxel {}, {}, {}, which is {x}, {y}, {z} in the world",
            voxel[0], voxel[1], voxel[2]
        ));
    }
    if let Some(similarity) = similarity {
        let window = SIMILARITY_WINDOW;
        lines.push(format!("SSIM      {similarity:.4} in windows of {window} x {window} x {window} voxels"));
    }
    if bands.len() > 1 {
        let limits: Vec<String> = bands.iter().map(|band| limits(band, unit)).collect();
        let width = limits.iter().map(String::len).max().unwrap_or(0);
        for (n, (band, limits)) in bands.iter().zip(&limits).enumerate() {
            let label = if n == 0 { "by value" } else { "" };
            lines.push(format!(
                "{label:LABEL$}{limits:width$}  {:5.1} % of the voxels, error {} in the mean, {} RMS",
                100.0 * band.share,
                signed(band.bias, unit),
                rounded(band.rmse, unit)
            ));
        }
    }
    lines
}

/// What a focus has and what is outside of it.
pub(super) fn focus(info: &FocusInfo, unit: &str) -> Vec<String> {
    let FocusInfo { asked, start, end, inside, outside, .. } = info;
    let asked = match asked {
        FocusQuality::Psnr(db) => format!("at least {db} dB"),
        FocusQuality::Lossless => "every voxel exactly as it was".to_owned(),
        other => format!("{other:?}"),
    };
    let axes: Vec<String> = (0..3).map(|a| format!("{}:{}", start[a], end[a])).collect();
    let errors = |of: &Distortion| {
        format!(
            "PSNR {}, error {} RMS, {} largest, {} voxels",
            psnr(of.psnr),
            rounded(of.rmse, unit),
            rounded(of.max_error, unit),
            of.voxels
        )
    };
    vec![
        format!("focus     in the box {}; asked for {asked}", axes.join(",")),
        format!("  inside  {}", errors(inside)),
        format!("  outside {}", errors(outside)),
    ]
}

/// The same for programs.
pub(super) fn focus_json(info: &FocusInfo) -> serde_json::Value {
    let FocusInfo { asked, start, end, inside, outside, .. } = info;
    let errors = |of: &Distortion| {
        serde_json::json!({
            "psnr_db": finite(of.psnr),
            "rmse": of.rmse,
            "max_error": of.max_error,
            "voxels": of.voxels,
        })
    };
    serde_json::json!({
        "asked": asked,
        "start": start,
        "end": end,
        "inside": errors(inside),
        "outside": errors(outside),
    })
}

/// What a band is called, and where it begins and ends.
fn limits(errors: &BandErrors, unit: &str) -> String {
    let band = errors.band;
    let limits = match (band.from, band.below) {
        (None, None) => "all".into(),
        (None, Some(below)) => format!("below {}", rounded(below, unit)),
        (Some(from), None) => format!("from {}", rounded(from, unit)),
        (Some(from), Some(below)) => format!("{} to {}", digits(from), rounded(below, unit)),
    };
    if band.name.is_empty() { limits } else { format!("{}, {limits}", band.name) }
}

/// A number with four digits, or all that are in front of the point.
fn digits(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return format!("{number}");
    }
    let exponent = number.abs().log10().floor();
    if !(-5.0..9.0).contains(&exponent) {
        return format!("{number:.3e}");
    }
    let places = (3.0 - exponent).max(0.0) as usize;
    let text = format!("{number:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

fn rounded(number: f64, unit: &str) -> String {
    let digits = digits(number);
    if unit.is_empty() { digits } else { format!("{digits} {unit}") }
}

/// An error that has a direction.
fn signed(number: f64, unit: &str) -> String {
    if number > 0.0 { format!("+{}", rounded(number, unit)) } else { rounded(number, unit) }
}

/// The same for programs. PSNR is null where it is infinite, and what is not known is null.
pub(super) fn fidelity_json(fidelity: &Fidelity, geometry: &Geometry) -> serde_json::Value {
    let Fidelity { distortion, noise, bias, largest, similarity, bands, .. } = fidelity;
    serde_json::json!({
        "psnr_db": finite(distortion.psnr),
        "rmse": distortion.rmse,
        "max_error": distortion.max_error,
        "max_error_voxel": largest,
        "max_error_world": largest.map(|voxel| geometry.index_to_world(voxel.map(|i| i as f64))),
        "mean_error": bias,
        "noise": noise,
        "rmse_by_noise": noise.map(|noise| distortion.rmse / noise),
        "ssim": similarity,
        "ssim_window": SIMILARITY_WINDOW,
        "bands": bands,
        "voxels": distortion.voxels,
    })
}

/// JSON has no infinity.
pub(super) fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// Names the array that was read where a file has others, too.
pub(super) fn say_array(name: &str, provenance: &BTreeMap<String, String>) -> anyhow::Result<()> {
    if let Some(others) = provenance.get(neuvol::io::OTHER_ARRAYS) {
        say!("  array     {name} (others, which --array chooses: {others})");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(39_500), "39.5 kB");
        assert_eq!(bytes(1_310_000), "1.31 MB");
        assert_eq!(value(12.5, "HU"), "12.5 HU");
        assert_eq!(value(3.0, ""), "3");
        assert_eq!(psnr(f64::INFINITY), "exact (no sample differs)");
        assert_eq!(
            [0.0, 16.2834, -0.003_217, 12_345.6, 3e12].map(digits),
            ["0", "16.28", "-0.003217", "12346", "3.000e12"]
        );
        assert_eq!((signed(0.5, "HU"), signed(-0.5, "HU")), ("+0.5 HU".into(), "-0.5 HU".into()));
        assert!(ratios(110.2, 220.4, "int16").starts_with("110:1 against int16, 220:1"));
    }
}
