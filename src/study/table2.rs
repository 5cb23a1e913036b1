//! Table 2: every volume that is here, by Neurcomp, the paper's method, our own storage and other compressors.

use super::hyperparameters::USUAL_RATIO;
use super::models;
use super::paper::{HALF_RANGE_DB, Printed};
use super::peers::{PeerResult, Wanted};
use super::table::{Table, number, ratio};
use super::volumes::StudyVolume;
use super::workbench::Workbench;
use super::{Event, Report};
use crate::error::Result;
use crate::train::{Compressed, Target};

const COLUMNS: [&str; 14] = [
    "volume",
    "dims",
    "method",
    "model",
    "parameters",
    "file_bytes",
    "ratio_float32",
    "psnr_db",
    "seconds",
    "paper_psnr_half_range_db",
    "paper_psnr_full_range_db",
    "paper_ratio",
    "paper_seconds",
    "file",
];

/// One result.
struct Row<'a> {
    method: &'a str,
    model: &'a str,
    parameters: Option<usize>,
    bytes: u64,
    ratio: f64,
    psnr: f64,
    seconds: f64,
    printed: Option<Printed>,
    file: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of_file(method: &'a str, compressed: &'a Compressed, seconds: f64, file: &'a str) -> Self {
        Self {
            method,
            model: &compressed.model,
            parameters: None,
            bytes: compressed.bytes.len() as u64,
            ratio: compressed.ratio_f32,
            psnr: compressed.distortion.psnr,
            seconds,
            printed: None,
            file: Some(file),
        }
    }

    fn figures(&self, volume: &str, dims: &str) -> Vec<String> {
        let printed = self.printed;
        vec![
            volume.into(),
            dims.into(),
            self.method.into(),
            self.model.into(),
            self.parameters.map_or(String::new(), |p| p.to_string()),
            self.bytes.to_string(),
            number(self.ratio, 4),
            number(self.psnr, 4),
            number(self.seconds, 3),
            number(printed.map(|p| p.psnr), 2),
            number(printed.map(|p| p.full_range_psnr()), 2),
            number(printed.map(|p| p.ratio), 0),
            number(printed.map(|p| p.seconds), 2),
            self.file.map_or(String::new(), |file| format!("{file}.nvol")),
        ]
    }

    fn shown(&self, volume: &str) -> Vec<String> {
        let printed = self.printed;
        vec![
            volume.into(),
            self.method.into(),
            number(self.psnr, 2),
            ratio(self.ratio),
            number(self.seconds, if self.seconds < 1.0 { 2 } else { 1 }),
            printed.map_or(String::new(), |p| format!("{:.2} ({:.2})", p.full_range_psnr(), p.psnr)),
            printed.map_or(String::new(), |p| ratio(p.ratio)),
            number(printed.map(|p| p.seconds), 1),
        ]
    }
}

pub(super) fn run(bench: &mut Workbench<'_>, found: &[StudyVolume]) -> Result<Report> {
    let mut figures = Table::new(&COLUMNS);
    let mut shown = Table::new(&[
        "volume",
        "method",
        "PSNR, dB",
        "ratio",
        "s",
        "paper: PSNR (as printed), dB",
        "ratio",
        "s",
    ]);
    bench.settings.add("neuvol's preset", format!("{:?}", bench.preset()).to_lowercase());
    bench.settings.add(
        "targets",
        "hash grid and Neurcomp: the number of parameters nearest to the paper's ratio; all others: the PSNR of the hash \
         grid's file (tthresh: the same)",
    );
    bench.settings.add(
        "paper",
        format!(
            "Devkota & Pattanaik 2023, table 2. Its tthresh column is over half the range, and the others are taken to be, \
             which the paper does not say: {HALF_RANGE_DB:.2} dB are added to what is printed. Its seconds are of the \
             authors' machines"
        ),
    );
    let mut notes = String::new();
    for found in found {
        let (name, stem, paper) = (&found.name, found.file_stem(), found.paper);
        let volume = bench.open(found)?;
        let dims = volume.shape().map(|n| n.to_string()).join("x");
        if let Some(paper) = paper.filter(|p| p.shape != volume.shape()) {
            let papers = paper.shape.map(|n| n.to_string()).join("x");
            notes += &format!("{name} has {dims} samples here and {papers} in the paper.\n");
        }
        let mut add = |row: Row<'_>| {
            figures.add(row.figures(name, &dims));
            shown.add(row.shown(name));
        };
        let printed = paper.map_or(USUAL_RATIO, |p| p.hash_grid.ratio);
        let wanted = models::parameters_at(printed, volume.len());

        if bench.with_neurcomp() {
            let file = format!("{stem}-neurcomp");
            let sines = bench.fit(&volume, models::neurcomp(volume.shape(), wanted), &file)?;
            let row = Row::of_file("Neurcomp", &sines.compressed, sines.seconds, &file);
            let printed = paper.map(|p| p.neurcomp);
            add(Row { parameters: Some(sines.parameters), printed, ..row });
        }

        let file = format!("{stem}-hash-grid");
        let log2 = models::log2_table_size_for(volume.shape(), wanted);
        let model = models::hash_grid(volume.shape(), models::FEATURES, log2);
        let grid = bench.fit(&volume, model, &file)?;
        let psnr = grid.compressed.distortion.psnr;
        let row = Row::of_file("hash grid", &grid.compressed, grid.seconds, &file);
        let printed = paper.map(|p| p.hash_grid);
        add(Row { parameters: Some(grid.parameters), printed, ..row });

        if psnr.is_finite() {
            let file = format!("{stem}-neuvol");
            if let Some((compressed, seconds)) = bench.compress(&volume, Target::Psnr(psnr), &file)? {
                add(Row::of_file("neuvol", &compressed, seconds, &file));
            }
            bench.tell(Event::Begins(&format!("{stem}: other compressors")))?;
            let mut others = bench.peers.at(&volume, Wanted::Psnr, &[psnr])?;
            others.extend(bench.peers.tthresh(&volume, &[psnr])?);
            for PeerResult { codec, psnr, ratio, bytes, seconds } in others {
                let is_tthresh = codec == "tthresh";
                let printed = paper.filter(|_| is_tthresh).map(|p| p.tthresh);
                let (model, parameters, file) = ("", None, None);
                add(Row { method: &codec, model, parameters, bytes, ratio, psnr, seconds, printed, file });
            }
        }
    }
    let text = if notes.is_empty() { shown.markdown() } else { format!("{}\n{notes}", shown.markdown()) };
    bench.finish(&figures, "Against the paper's table 2", &text)
}
