//! Pictures within a time, while a user turns the volume; and pictures that get finer.

use super::frame::Frame;
use super::{Image, Renderer, Scene, View};
use crate::error::{Error, Result};
use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Of how many pixels along each axis one is rendered, finest first.
const REDUCTIONS: [usize; 4] = [1, 2, 3, 4];
/// What a pixel takes, and a sample that has to be decoded, before anything was measured: seconds.
const PIXEL: f64 = 1e-6;
const SAMPLE: f64 = 4e-8;
/// Samples of a level that a first picture is made of at most.
const FIRST_SAMPLES: usize = 1 << 19;

/// What pictures took so far.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Seconds a pixel at each level, once a picture decoded nothing.
    pixel: Vec<Option<f64>>,
    /// Seconds a sample that had to be decoded.
    sample: Option<f64>,
    /// Samples that the last picture of each level decoded.
    decoded: Vec<Option<usize>>,
}

impl Pace {
    fn pixel(&self, level: usize) -> f64 {
        // A coarser level has fewer samples a ray.
        let known = |level: usize| self.pixel.get(level).copied().flatten();
        (0..=level).rev().find_map(|at| known(at).map(|s| s / (1 << (level - at)) as f64)).unwrap_or(PIXEL)
    }

    /// What a picture is likely to decode of so many samples that are not kept: hidden ones never are.
    fn likely(&self, level: usize, missing: usize) -> usize {
        self.decoded.get(level).copied().flatten().map_or(missing, |last| last.min(missing))
    }

    fn learn(&mut self, level: usize, pixels: usize, decoded: usize, seconds: f64) {
        self.decoded.resize(self.decoded.len().max(level + 1), None);
        self.decoded[level] = Some(decoded);
        if decoded == 0 {
            self.pixel.resize(self.pixel.len().max(level + 1), None);
            let found = seconds / pixels as f64;
            let mean = self.pixel[level].map_or(found, |before| (before + found) / 2.0);
            self.pixel[level] = Some(mean);
        } else {
            let of_pixels = self.pixel(level) * pixels as f64;
            self.sample = Some(((seconds - of_pixels) / decoded as f64).max(SAMPLE / 10.0));
        }
    }
}

impl Renderer {
    /// Renders a picture that is likely to be done within a time: with fewer pixels, up to a quarter along each axis, and where that is not
    /// enough of a coarser level than the scene's ([`Image::size`] and [`Image::level`] say what was made).
    ///
    /// `depth` is that of all pixels of the view.
    ///
    /// # Errors
    /// As for [`Self::render`].
    pub fn render_within(
        &self,
        view: &View,
        scene: &Scene,
        depth: Option<&[f32]>,
        time: Duration,
        observe: super::Observe<'_>,
    ) -> Result<Image> {
        // Of a part, coarser levels have other blocks: processes would show other parts.
        let last = match scene.part {
            None => self.source().levels().len() - 1,
            Some(_) => scene.level,
        };
        if scene.level >= self.source().levels().len() {
            return self.render(view, scene, depth, observe);
        }
        let mut chosen = (last, REDUCTIONS[REDUCTIONS.len() - 1]);
        'levels: for level in scene.level..=last {
            let missing = self.missing(view, scene, level)?;
            let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            let decoding = pace.likely(level, missing) as f64 * pace.sample.unwrap_or(SAMPLE);
            for reduction in REDUCTIONS {
                let pixels = reduced(view, reduction).iter().product::<usize>();
                if decoding + pace.pixel(level) * pixels as f64 <= time.as_secs_f64() {
                    chosen = (level, reduction);
                    break 'levels;
                }
            }
        }
        let (level, reduction) = chosen;
        let smaller = View { size: reduced(view, reduction), ..*view };
        let depth = depth.map(|depth| thinned(depth, view.size, smaller.size)).transpose()?;
        self.render_timed(&smaller, &Scene { level, ..scene.clone() }, depth.as_deref(), observe)
    }

    /// Renders coarse levels of detail first, then finer ones up to the scene's; `take` gets every picture, and ends the work with
    /// [`ControlFlow::Break`] without an error.
    ///
    /// # Errors
    /// As for [`Self::render`].
    pub fn refine(
        &self,
        view: &View,
        scene: &Scene,
        depth: Option<&[f32]>,
        take: &mut dyn FnMut(Image) -> ControlFlow<()>,
    ) -> Result<()> {
        let levels = self.source().levels();
        let is_small = |level: usize| levels[level].shape.iter().product::<usize>() <= FIRST_SAMPLES;
        let first = (scene.level..levels.len()).find(|&level| is_small(level)).unwrap_or(scene.level);
        // Every second level: each is an eighth of the one before.
        let mut level = first;
        loop {
            let image = self.render_timed(view, &Scene { level, ..scene.clone() }, depth, &mut |_| {
                ControlFlow::Continue(())
            })?;
            if take(image).is_break() || level == scene.level {
                return Ok(());
            }
            level = level.saturating_sub(2).max(scene.level);
        }
    }

    /// Renders a picture, and learns from how long it took.
    fn render_timed(
        &self,
        view: &View,
        scene: &Scene,
        depth: Option<&[f32]>,
        observe: super::Observe<'_>,
    ) -> Result<Image> {
        let began = Instant::now();
        let image = self.render(view, scene, depth, observe)?;
        let pixels = view.size.iter().product::<usize>();
        if pixels > 0 {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.learn(scene.level, pixels, image.statistics.samples, began.elapsed().as_secs_f64());
        }
        Ok(image)
    }

    fn missing(&self, view: &View, scene: &Scene, level: usize) -> Result<usize> {
        let scene = Scene { level, ..scene.clone() };
        Ok(Frame::new(self, view, &scene)?.missing())
    }
}

fn reduced(view: &View, by: usize) -> [usize; 2] {
    view.size.map(|n| n.div_ceil(by))
}

/// The depths of the pixels that a smaller picture's lie in.
fn thinned(depth: &[f32], from: [usize; 2], to: [usize; 2]) -> Result<Vec<f32>> {
    if depth.len() != from[0] * from[1] {
        let count = depth.len();
        return Err(Error::Options(format!(
            "{count} depths for a picture of {}x{} pixels",
            from[0], from[1]
        )));
    }
    let nearest = |n: usize, a: usize| ((2 * n + 1) * from[a] / (2 * to[a])).min(from[a] - 1);
    let of = |i: usize| depth[nearest(i % to[0], 0) + from[0] * nearest(i / to[0], 1)];
    Ok((0..to[0] * to[1]).map(of).collect())
}
