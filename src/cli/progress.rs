//! The progress bars of reading and of compression.

use super::interrupt;
use indicatif::{ProgressBar, ProgressStyle};
use neuvol::io::ReadProgress;
use neuvol::train::{Progress, Stage};
use std::ops::ControlFlow;

/// A bar on standard error, when that is a terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(1);
    let style = ProgressStyle::with_template("{prefix:>10} [{bar:32}] {percent:>3} %  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar
}

/// Shows how far reading, writing or comparing has come.
pub(super) struct PartsBar(ProgressBar);

impl PartsBar {
    /// `work` is shown before the bar.
    pub(super) fn of(work: &'static str) -> Self {
        let bar = bar();
        bar.set_prefix(work);
        Self(bar)
    }

    /// What the work is to call.
    pub(super) fn observer(&self) -> ReadProgress {
        let bar = self.0.clone();
        ReadProgress::new(move |done, all| {
            if interrupt::asked() {
                return ControlFlow::Break(());
            }
            // The next volume after one that is done.
            if bar.is_finished() {
                bar.reset();
            }
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            ControlFlow::Continue(())
        })
    }

    /// Takes the bar away until the work goes on.
    pub(super) fn hide(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for PartsBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Shows progress of a compression.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        Self(bar())
    }

    /// Takes one report; answers whether to go on.
    pub(super) fn show(&self, progress: &Progress) -> ControlFlow<()> {
        if interrupt::asked() {
            self.0.finish_and_clear();
            return ControlFlow::Break(());
        }
        self.0.set_length(progress.steps.max(1));
        self.0.set_position(progress.step);
        self.0.set_prefix(match progress.stage {
            Stage::Training => "training",
            Stage::Correcting => "correcting",
            Stage::Coding => "coding",
            Stage::Measuring => "measuring",
            _ => "working",
        });
        let larger = if progress.restarts > 0 { " (larger model)" } else { "" };
        if progress.psnr.is_finite() {
            self.0.set_message(format!("about {:.1} dB{larger}", progress.psnr));
        }
        ControlFlow::Continue(())
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
