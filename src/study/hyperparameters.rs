//! Figure 3: error against epochs for combinations of F and T at a fixed number of parameters.

use super::Report;
use super::models;
use super::plot::{Curve, Plot};
use super::table::{Table, number, ratio};
use super::volumes::StudyVolume;
use super::workbench::Workbench;
use crate::error::Result;

/// F, and the logarithm to base 2 of what T becomes when F is not 4.
const COMBINATIONS: [(usize, i32); 4] = [(1, 2), (2, 1), (4, 0), (8, -1)];
/// Where the paper prints no ratio for a volume.
pub(super) const USUAL_RATIO: f64 = 60.0;

pub(super) fn run(bench: &mut Workbench<'_>, found: &[StudyVolume]) -> Result<Report> {
    let mut figures = Table::new(&[
        "volume",
        "levels",
        "features",
        "log2_table_size",
        "parameters",
        "file_bytes",
        "ratio_float32",
        "epoch",
        "training_s",
        "rmse_share_of_range",
        "psnr_db",
        "file",
    ]);
    let mut shown = Table::new(&[
        "volume",
        "F",
        "T",
        "parameters",
        "ratio",
        "epochs",
        "RMSE, % of range",
        "PSNR, dB",
        "training, s",
    ]);
    for volume in found {
        let name = &volume.name;
        let stem = volume.file_stem();
        let wanted = volume.paper.map_or(USUAL_RATIO, |paper| paper.hash_grid.ratio);
        let volume = bench.open(volume)?;
        let parameters = models::parameters_at(wanted, volume.len());
        let log2_of_four = models::log2_table_size_for(volume.shape(), parameters);
        let mut curves = Vec::new();
        for (features, more) in COMBINATIONS {
            let log2 = log2_of_four.saturating_add_signed(more);
            let model = models::hash_grid(volume.shape(), features, log2);
            let file = format!("{stem}-f{features}-t{log2}");
            let fitted = bench.fit(&volume, model, &file)?;
            let compressed = &fitted.compressed;
            let error = |psnr: f64| 10f64.powf(-psnr / 20.0);
            for point in &fitted.curve {
                figures.add(vec![
                    name.clone(),
                    models::LEVELS.to_string(),
                    features.to_string(),
                    log2.to_string(),
                    fitted.parameters.to_string(),
                    compressed.bytes.len().to_string(),
                    number(compressed.ratio_f32, 4),
                    point.epoch.to_string(),
                    number(point.seconds, 3),
                    number(error(point.psnr), 8),
                    number(point.psnr, 4),
                    format!("{file}.nvol"),
                ]);
            }
            shown.add(vec![
                name.clone(),
                features.to_string(),
                format!("2^{log2}"),
                fitted.parameters.to_string(),
                ratio(compressed.ratio_f32),
                bench.epochs().to_string(),
                number(100.0 * error(compressed.distortion.psnr), 3),
                number(compressed.distortion.psnr, 2),
                number(fitted.seconds, 1),
            ]);
            let points = fitted.curve.iter().map(|p| (f64::from(p.epoch), 100.0 * error(p.psnr))).collect();
            curves.push(Curve { name: format!("F={features}, T=2^{log2}"), points });
        }
        let title = format!("{name}: error against epochs");
        let plot = Plot { title, x: "epochs", y: "RMSE in % of the range", x_is_logarithmic: false, curves };
        bench.picture(&plot, &format!("hyperparameters-{stem}"))?;
    }
    let title = "F and T at a fixed number of parameters: error against epochs (the paper's figure 3)";
    bench.finish(&figures, title, &shown.markdown())
}
