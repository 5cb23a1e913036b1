//! Figure 2: PSNR against training time for five encodings at one number of parameters.

use super::Report;
use super::models;
use super::plot::{Curve, Plot};
use super::table::{Table, number, ratio};
use super::volumes::StudyVolume;
use super::workbench::Workbench;
use crate::error::Result;
use crate::field::encoding::Wave;

const COLUMNS: [&str; 10] = [
    "volume",
    "encoding",
    "model",
    "parameters",
    "file_bytes",
    "ratio_float32",
    "epoch",
    "training_s",
    "psnr_db",
    "file",
];

pub(super) fn run(bench: &mut Workbench<'_>, found: &[StudyVolume]) -> Result<Report> {
    let mut figures = Table::new(&COLUMNS);
    let mut shown = Table::new(&[
        "volume",
        "encoding",
        "parameters",
        "ratio",
        "epochs",
        "training, s",
        "PSNR, dB",
        "dB after 1 epoch",
    ]);
    for volume in found {
        let name = &volume.name;
        let stem = volume.file_stem();
        let volume = bench.open(volume)?;
        // The others differ by their first layer; T is a power of two, which takes the hash grid near their mean.
        let waves = [Wave::Identity, Wave::Frequency, Wave::TriangleWave, Wave::OneBlob];
        let of_waves = waves.map(|wave| models::parameters(&models::deep(wave), volume.shape()));
        let mean = of_waves.iter().sum::<usize>() as f64 / of_waves.len() as f64;
        let log2 = models::log2_table_size_for(volume.shape(), mean);
        let grid = ("hash-grid", models::hash_grid(volume.shape(), models::FEATURES, log2));
        let others = waves.map(|wave| (wave.name(), models::deep(wave)));
        let mut curves = Vec::new();
        for (encoding, model) in std::iter::once(grid).chain(others) {
            let file = format!("{stem}-{encoding}");
            let fitted = bench.fit(&volume, model, &file)?;
            let compressed = &fitted.compressed;
            for point in &fitted.curve {
                figures.add(vec![
                    name.clone(),
                    encoding.into(),
                    compressed.model.clone(),
                    fitted.parameters.to_string(),
                    compressed.bytes.len().to_string(),
                    number(compressed.ratio_f32, 4),
                    point.epoch.to_string(),
                    number(point.seconds, 3),
                    number(point.psnr, 4),
                    format!("{file}.nvol"),
                ]);
            }
            shown.add(vec![
                name.clone(),
                encoding.into(),
                fitted.parameters.to_string(),
                ratio(compressed.ratio_f32),
                bench.epochs().to_string(),
                number(fitted.seconds, 1),
                number(compressed.distortion.psnr, 2),
                number(fitted.curve.first().map(|p| p.psnr), 2),
            ]);
            let points = fitted.curve.iter().map(|p| (p.seconds, p.psnr)).collect();
            curves.push(Curve { name: format!("{encoding}, {} parameters", fitted.parameters), points });
        }
        let title = format!("{name}: PSNR against training time");
        let plot = Plot { title, x: "seconds of training", y: "PSNR in dB", x_is_logarithmic: true, curves };
        bench.picture(&plot, &format!("encodings-{stem}"))?;
    }
    let title = "Encodings: quality against training time (the paper's figure 2)";
    bench.finish(&figures, title, &shown.markdown())
}
