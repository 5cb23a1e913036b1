//! What the studies share: training with the study's settings, and the files they leave.

use super::models::{COARSEST, DEEP_NETWORK, FEATURES, GRID_NETWORK, LEVELS};
use super::peers::Peers;
use super::plot::Plot;
use super::settings::Settings;
use super::table::Table;
use super::volumes::StudyVolume;
use super::{Event, Report, Study, StudyOptions};
use crate::atomic;
use crate::error::{Error, Result};
use crate::field::encoding::AxisWise;
use crate::field::network::SineResidual;
use crate::train::{
    CompressOptions, Compressed, FitOptions, Fitted, ModelOptions, Preset, Target, compress_with_progress,
    fit,
};
use crate::volume::Volume;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(super) struct Workbench<'a> {
    study: Study,
    options: &'a StudyOptions,
    observe: &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    pub(super) settings: Settings,
    pub(super) peers: Peers,
    files: Vec<PathBuf>,
}

impl<'a> Workbench<'a> {
    pub(super) fn new(
        study: Study,
        options: &'a StudyOptions,
        observe: &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Self> {
        std::fs::create_dir_all(&options.output).map_err(|e| Error::io(&options.output, e))?;
        let peers = Peers::find(options.python.as_deref());
        let mut settings = Settings::of_this_machine(options.threads);
        settings.add("study", format!("{}{}", study.name(), if options.quick { ", quick" } else { "" }));
        settings.add("epochs", options.epochs());
        settings.add("batch", options.batch());
        settings.add("seed", options.seed);
        settings.add("hash grid", format!(
            "L {LEVELS}, F {FEATURES} where nothing else is said, N_min {COARSEST}, N_max the samples along the longest axis, \
             network {}x{}",
            GRID_NETWORK[1], GRID_NETWORK[0]
        ));
        settings.add(
            "other encodings",
            format!(
                "frequency and triangle wave of {} octaves, one-blob of {} bins, network {}x{}",
                AxisWise::FREQUENCIES,
                AxisWise::BINS,
                DEEP_NETWORK[1],
                DEEP_NETWORK[0]
            ),
        );
        settings.add(
            "Neurcomp",
            format!(
                "{} layers (residual blocks of two sine layers count as one), omega {}",
                SineResidual::HIDDEN_LAYERS,
                SineResidual::OMEGA
            ),
        );
        settings.add(
            "training",
            "squared error, Adam, parameters in half precision in every pass over a float32 master copy; rates 1e-2 for \
             features, 5e-3 for networks of 2 layers, 1e-3 for deeper ones, 0.04 by the square root of the width for sines, \
             constant for half of the steps and then down to 4 %",
        );
        settings.add(
            "storage",
            "half precision, not coded; neuvol's own storage is rounded, rate-optimised and coded",
        );
        settings.add(
            "PSNR",
            "20 log10((max - min) / RMSE) over the original's full range, decoded by the shipped decoder",
        );
        settings.add("ratio", "bytes as float32 by bytes of the whole file");
        settings.add("seconds", "wall clock; of training only, measuring excluded; neuvol's own: everything, its search for the target too");
        let mut bench = Self { study, options, observe, settings, peers, files: Vec::new() };
        if matches!(study, Study::Ratio | Study::Table2) {
            let note = format!("peers: {}", bench.peers.note);
            bench.tell(Event::Result(&note))?;
            bench.settings.add("peers", bench.peers.note.clone());
        }
        Ok(bench)
    }

    pub(super) fn epochs(&self) -> u32 {
        self.options.epochs()
    }

    pub(super) fn is_quick(&self) -> bool {
        self.options.quick
    }

    /// Reads a volume and says so.
    pub(super) fn open(&mut self, found: &StudyVolume) -> Result<Volume> {
        let volume = found.open()?;
        let [x, y, z] = volume.shape();
        self.tell(Event::Begins(&format!("{}: {x} x {y} x {z} {}", found.name, volume.sample_type())))?;
        Ok(volume)
    }

    /// Trains a model in half precision; its file is kept as `name`.nvol.
    pub(super) fn fit(&mut self, volume: &Volume, model: ModelOptions, name: &str) -> Result<Fitted> {
        self.tell(Event::Begins(name))?;
        let epochs = self.epochs();
        // Only figures 2 and 3 show how training went on.
        let with_curve = matches!(self.study, Study::Encodings | Study::Hyperparameters);
        let options = FitOptions {
            epochs,
            batch: self.options.batch(),
            seed: self.options.seed,
            threads: self.options.threads,
            device: self.options.device,
            measure_after: (1..epochs).filter(|&e| with_curve && (e < 10 || e % 5 == 0)).collect(),
            ..FitOptions::new(model)
        };
        let observe = &mut self.observe;
        let fitted = fit(volume, &options, |progress| observe(Event::Training(progress)))?;
        self.keep(&fitted.compressed, name)?;
        self.result(name, &fitted.compressed, fitted.seconds)?;
        Ok(fitted)
    }

    /// neuvol's own compression to a target; `None` when the volume cannot meet it. The file is kept as `name`.nvol.
    pub(super) fn compress(
        &mut self,
        volume: &Volume,
        target: Target,
        name: &str,
    ) -> Result<Option<(Compressed, f64)>> {
        self.tell(Event::Begins(name))?;
        let options = CompressOptions {
            target,
            preset: self.preset(),
            seed: self.options.seed,
            threads: self.options.threads,
            device: self.options.device,
            ..CompressOptions::default()
        };
        let start = Instant::now();
        let observe = &mut self.observe;
        let compressed =
            match compress_with_progress(volume, &options, |progress| observe(Event::Training(progress))) {
                Err(Error::Target { what: why, .. }) => {
                    self.tell(Event::Result(&format!("{name}: {why}")))?;
                    return Ok(None);
                }
                compressed => compressed?,
            };
        let seconds = start.elapsed().as_secs_f64();
        self.keep(&compressed, name)?;
        self.result(name, &compressed, seconds)?;
        Ok(Some((compressed, seconds)))
    }

    pub(super) fn with_neurcomp(&self) -> bool {
        !self.options.without_neurcomp
    }

    /// Of neuvol's own compression.
    pub(super) fn preset(&self) -> Preset {
        if self.options.quick { Preset::Fast } else { Preset::Balanced }
    }

    fn keep(&mut self, compressed: &Compressed, name: &str) -> Result<()> {
        let path = self.options.output.join(format!("{name}.nvol"));
        compressed.save(&path)?;
        self.files.push(path);
        Ok(())
    }

    fn result(&mut self, name: &str, compressed: &Compressed, seconds: f64) -> Result<()> {
        let (psnr, ratio) = (compressed.distortion.psnr, compressed.ratio_f32);
        let model = &compressed.model;
        self.tell(Event::Result(&format!("{name}: {psnr:.2} dB at {ratio:.1}:1, {seconds:.1} s ({model})")))
    }

    pub(super) fn tell(&mut self, event: Event<'_>) -> Result<()> {
        match (self.observe)(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        }
    }

    /// Saves a picture as `name`.png.
    pub(super) fn picture(&mut self, plot: &Plot<'_>, name: &str) -> Result<()> {
        let path = self.options.output.join(format!("{name}.png"));
        plot.save(&path, &self.settings)?;
        self.files.push(path);
        Ok(())
    }

    /// Writes the figures as CSV, and the table for people as Markdown with the settings below it.
    pub(super) fn finish(&mut self, figures: &Table, title: &str, text: &str) -> Result<Report> {
        let settings: Vec<String> = self.settings.lines().iter().map(|l| format!("- {l}\n")).collect();
        let markdown = format!("# {title}\n\n{text}\n## Settings\n\n{}", settings.concat());
        let name = self.study.name();
        let csv = figures.csv(&self.settings);
        for (path, content) in [(format!("{name}.csv"), &csv), (format!("{name}.md"), &markdown)] {
            let path = self.options.output.join(path);
            write(&path, content)?;
            self.files.push(path);
        }
        Ok(Report { markdown, files: std::mem::take(&mut self.files) })
    }
}

fn write(path: &Path, content: &str) -> Result<()> {
    atomic::write(path, |out| out.write_all(content.as_bytes()).map_err(|e| Error::io(path, e)))
}
