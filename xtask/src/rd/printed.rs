//! tthresh's figures for where it is not installed.
//!
//! Measured once: tthresh at commit 2dbad4e on float32 samples, asked for the target
//! over half the range; PSNR over the full range of the decoded samples, ratio against float32. No sizes in bytes, no times.

/// Their name in tables.
pub(crate) const CODEC: &str = "tthresh (printed)";

/// What the report says about them.
pub(crate) const SOURCE: &str = "tthresh was not on the PATH: its printed figures were measured once with its commit 2dbad4e on \
     float32 samples and stand in xtask/src/rd/printed.rs; their sizes follow from the rounded ratios";

/// Volume, PSNR target, PSNR reached in dB, ratio.
const TTHRESH: [(&str, f64, f64, f64); 15] = [
    ("tooth", 34.0, 33.74, 535.0),
    ("tooth", 40.0, 40.14, 134.0),
    ("tooth", 46.0, 46.41, 22.0),
    ("engine", 34.0, 33.93, 837.0),
    ("engine", 40.0, 40.39, 309.0),
    ("engine", 46.0, 46.71, 129.0),
    ("richtmyer_meshkov_ppm_t0020", 34.0, 34.51, 327.0),
    ("richtmyer_meshkov_ppm_t0020", 40.0, 40.80, 132.0),
    ("richtmyer_meshkov_ppm_t0020", 46.0, 46.89, 62.0),
    ("wmag91_f32", 34.0, 34.24, 124.0),
    ("wmag91_f32", 40.0, 40.69, 42.0),
    ("isabel_velmag_t30_f32", 34.0, 32.71, 502.0),
    ("isabel_velmag_t30_f32", 40.0, 39.77, 110.0),
    ("mitgcm_deepconv_t_f32", 40.0, 33.93, 631.0),
    ("mitgcm_deepconv_t_f32", 46.0, 37.33, 514.0),
];

/// PSNR and ratio.
pub(crate) fn tthresh(volume: &str, target: f64) -> Option<(f64, f64)> {
    TTHRESH.iter().find(|row| row.0 == volume && row.1 == target).map(|&(_, _, psnr, ratio)| (psnr, ratio))
}
