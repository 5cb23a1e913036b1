//! Figure 6: PSNR against ratio for the hash grid and Neurcomp, and for what else there is.

use super::hyperparameters::USUAL_RATIO;
use super::models;
use super::peers::{PeerResult, Wanted};
use super::plot::{Curve, Plot};
use super::table::{Table, number};
use super::volumes::StudyVolume;
use super::workbench::Workbench;
use super::{Event, Report};
use crate::error::Result;
use crate::train::{Compressed, Target};

/// One method's results at the ratios, in their order.
struct Method {
    name: String,
    /// Ratio and PSNR.
    points: Vec<(f64, f64)>,
}

pub(super) fn run(bench: &mut Workbench<'_>, found: &[StudyVolume]) -> Result<Report> {
    bench.settings.add(
        "sizes",
        "T sets the hash grid's; Neurcomp has the nearest number of parameters, neuvol at most the bytes of the hash \
         grid's file, SPERR, SZ3 and ZFP its ratio, tthresh its PSNR",
    );
    bench.settings.add("neuvol's preset", format!("{:?}", bench.preset()).to_lowercase());
    let mut figures = Table::new(&[
        "volume",
        "method",
        "model",
        "parameters",
        "file_bytes",
        "ratio_float32",
        "psnr_db",
        "seconds",
        "file",
    ]);
    let mut shown = String::new();
    let away: &[i32] = if bench.is_quick() { &[-1, 0, 1] } else { &[-2, -1, 0, 1, 2] };
    for volume in found {
        let name = &volume.name;
        let stem = volume.file_stem();
        let printed = volume.paper.map_or(USUAL_RATIO, |paper| paper.hash_grid.ratio);
        let volume = bench.open(volume)?;
        let wanted = models::parameters_at(printed, volume.len());
        let middle = models::log2_table_size_for(volume.shape(), wanted);
        let mut own = |method: &str, c: &Compressed, parameters: Option<usize>, seconds: f64, file: &str| {
            figures.add(vec![
                name.clone(),
                method.into(),
                c.model.clone(),
                parameters.map_or(String::new(), |p| p.to_string()),
                c.bytes.len().to_string(),
                number(c.ratio_f32, 4),
                number(c.distortion.psnr, 4),
                number(seconds, 3),
                format!("{file}.nvol"),
            ]);
            (c.ratio_f32, c.distortion.psnr)
        };
        let [mut grids, mut sines, mut ours] =
            ["hash-grid", "neurcomp", "neuvol"].map(|name| Method { name: name.into(), points: Vec::new() });
        for more in away {
            let log2 = middle.saturating_add_signed(*more).max(4);
            let file = format!("{stem}-hash-grid-t{log2}");
            let grid =
                bench.fit(&volume, models::hash_grid(volume.shape(), models::FEATURES, log2), &file)?;
            let bytes = grid.compressed.bytes.len() as u64;
            grids.points.push(own("hash-grid", &grid.compressed, Some(grid.parameters), grid.seconds, &file));

            let model = models::neurcomp(volume.shape(), grid.parameters as f64);
            let file = format!("{stem}-neurcomp-{}", model.width);
            let fitted = bench.fit(&volume, model, &file)?;
            sines.points.push(own(
                "neurcomp",
                &fitted.compressed,
                Some(fitted.parameters),
                fitted.seconds,
                &file,
            ));

            let file = format!("{stem}-neuvol-{bytes}");
            if let Some((compressed, seconds)) = bench.compress(&volume, Target::Size(bytes), &file)? {
                ours.points.push(own("neuvol", &compressed, None, seconds, &file));
            }
        }
        bench.tell(Event::Begins(&format!("{stem}: other compressors")))?;
        let (ratios, psnrs): (Vec<f64>, Vec<f64>) = grids.points.iter().copied().unzip();
        let mut others = bench.peers.at(&volume, Wanted::Ratio, &ratios)?;
        others.extend(bench.peers.tthresh(&volume, &psnrs)?);
        let mut methods = vec![grids, sines, ours];
        for PeerResult { codec, psnr, ratio, bytes, seconds } in others {
            let no = String::new;
            let row = [name.clone(), codec.clone(), no(), no(), bytes.to_string(), number(ratio, 4)];
            let rest = [number(psnr, 4), number(seconds, 3), no()];
            figures.add(row.into_iter().chain(rest).collect());
            match methods.iter_mut().find(|m| m.name == codec) {
                Some(method) => method.points.push((ratio, psnr)),
                None => methods.push(Method { name: codec, points: vec![(ratio, psnr)] }),
            }
        }
        shown += &format!("{name}, PSNR in dB @ ratio against float32:\n\n{}\n", markdown(&methods));
        let curves = methods.into_iter().map(|m| Curve { name: m.name, points: m.points });
        let title = format!("{name}: PSNR against ratio");
        let plot = Plot {
            title,
            x: "ratio against float32",
            y: "PSNR in dB",
            x_is_logarithmic: true,
            curves: curves.collect(),
        };
        bench.picture(&plot, &format!("ratio-{stem}"))?;
    }
    bench.finish(&figures, "PSNR against ratio (the paper's figure 6)", &shown)
}

/// A row a method, from the lowest ratio to the highest.
fn markdown(methods: &[Method]) -> String {
    let most = methods.iter().map(|m| m.points.len()).max().unwrap_or(0);
    let mut text = format!("| method |{}\n|---|{}\n", " |".repeat(most), "---|".repeat(most));
    for method in methods {
        let mut points = method.points.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut cells: Vec<String> = points.iter().map(|(r, p)| format!("{p:.2} @ {r:.0}")).collect();
        cells.resize(most, String::new());
        text += &format!("| {} | {} |\n", method.name, cells.join(" | "));
    }
    text
}
