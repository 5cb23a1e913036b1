//! The progress bar of a compression.

use super::interrupt;
use indicatif::{ProgressBar, ProgressStyle};
use neuvol::train::{Progress, Stage};
use std::ops::ControlFlow;

/// Shows progress on standard error when that is a terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(1);
        let style = ProgressStyle::with_template("{prefix:>10} [{bar:32}] {percent:>3} %  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        Self(bar)
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
            Stage::Measuring => "measuring",
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
