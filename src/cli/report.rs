//! Figures as people read them.

use neuvol::metrics::Distortion;

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

/// PSNR is null in JSON where it is infinite.
pub(super) fn distortion_json(d: &Distortion) -> serde_json::Value {
    serde_json::json!({
        "psnr_db": finite(d.psnr),
        "rmse": d.rmse,
        "max_error": d.max_error,
        "voxels": d.voxels,
    })
}

/// JSON has no infinity.
pub(super) fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// Names the array that was read where a file has others, too.
pub(super) fn say_array(volume: &neuvol::Volume) -> anyhow::Result<()> {
    if let Some(others) = volume.provenance.get(neuvol::io::OTHER_ARRAYS) {
        say!("  array     {} (others, which --array chooses: {others})", volume.name);
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
        assert!(ratios(110.2, 220.4, "int16").starts_with("110:1 against int16, 220:1"));
    }
}
