//! A trained field as a finished file, measured with the shipped decoder.

use super::compressed::Compressed;
use super::focus::FocusVoxels;
use super::progress::{Reporter, Stage};
use super::session::Session;
use crate::container::{
    Achieved, Asked, BRICK_EDGE, Body, BrickGrid, Contents, Description, File, FocusInfo, FocusQuality,
    Following, IntegerBricks, IntegerScale, MaskBricks, Prediction, StepBefore, TargetKind, Unread,
};
use crate::engine::{Engine, Install, TrainingEngine};
use crate::error::{Error, Result};
use crate::latents::{LatentEncoder, LatentReader, LatentStreams, Rate};
use crate::metrics::{Distortion, ErrorSums, Fidelity};
use crate::sample::{Limits, NeuralVolume, OpenOptions, Region, ValueScale};
use crate::storage::Fault;
use crate::volume::{Mask, Volume};
use crate::wavelet::Window;
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// Makes files of fields.
pub(super) struct Writer<'a> {
    volume: &'a Volume,
    range: Option<(f64, f64)>,
    mask: Option<&'a Mask>,
    bricks: Option<MaskBricks>,
    asked: Asked,
    achieved: Achieved,
    /// No target was asked for but the size of a given model.
    size_is_given: bool,
    /// What is to be better than the rest.
    focus: Option<&'a FocusVoxels>,
    /// What files may follow.
    before: Option<&'a StepBefore>,
    engine: Arc<dyn TrainingEngine>,
}

/// Opens a file that was just made, whatever it takes: it holds what the caller has in memory.
/// `before` is the step that it follows, if it follows one.
pub(super) fn open_own(
    bytes: &[u8],
    before: Option<&StepBefore>,
    engine: Arc<dyn TrainingEngine>,
) -> Result<NeuralVolume> {
    let engine: Arc<dyn Engine> = engine;
    let path = Path::new("the new file");
    let unread = Unread::new(Arc::new(bytes.to_vec()), path)?;
    match unread.read(before.filter(|_| unread.follows()))? {
        File::Volume(contents) => open_own_contents(*contents, None, bytes.len(), engine),
        File::Dataset(_) => Err(Error::format(path, "several volumes")),
    }
}

/// The same of a file of which only the index was read, and of the component that its samples are differences to.
pub(super) fn open_own_contents(
    contents: Contents,
    base: Option<IntegerBricks>,
    bytes: usize,
    engine: Arc<dyn Engine>,
) -> Result<NeuralVolume> {
    let options = OpenOptions { limits: Limits::none(), ..OpenOptions::from(engine) };
    NeuralVolume::of_contents(contents, base, Path::new("the new file"), bytes as u64, options)
}

impl<'a> Writer<'a> {
    /// `achieved` says what is known of the original.
    pub(super) fn new(
        volume: &'a Volume,
        range: Option<(f64, f64)>,
        mask: Option<&'a Mask>,
        asked: Asked,
        achieved: Achieved,
        engine: Arc<dyn TrainingEngine>,
    ) -> Self {
        let bricks = mask.map(|m| Contents::mask_bricks(m, volume.shape()));
        Self {
            volume,
            range,
            mask,
            bricks,
            asked,
            achieved,
            size_is_given: false,
            focus: None,
            before: None,
            engine,
        }
    }

    /// The same for files that have a focus.
    pub(super) fn with_focus(self, focus: Option<&'a FocusVoxels>) -> Self {
        Self { focus, ..self }
    }

    /// The same for files that may follow another step of a series.
    pub(super) fn with_before(self, before: Option<&'a StepBefore>) -> Self {
        Self { before, ..self }
    }

    /// What of a file is left to the step that it follows.
    fn following(&self, description: &Description, body: Option<&Body>) -> Option<Following> {
        let Some(Body::Latents(latents) | Body::Corrected(latents, _)) = body else { return None };
        let before = self.before.filter(|_| latents.before.is_some())?;
        Some(Following::of(description, &before.description, latents))
    }

    /// What is asked of the focus.
    pub(super) fn focus_quality(&self) -> Option<FocusQuality> {
        self.focus.map(FocusVoxels::quality)
    }

    /// Whether a file has what is asked of the focus.
    pub(super) fn meets_focus(&self, file: &Compressed) -> bool {
        self.focus.zip(file.focus).is_none_or(|(focus, achieved)| focus.is_met(&achieved))
    }

    /// The same for files of a given model, whose target is the size that it has.
    pub(super) fn of_a_given_size(self) -> Self {
        let asked = Asked { target: TargetKind::Size, ..self.asked };
        Self { asked, size_is_given: true, ..self }
    }

    /// The file of a session's field.
    pub(super) fn write(&self, session: &mut Session<'_>) -> Result<Compressed> {
        self.finish(Some(Body::Network(session.stored_on(self.engine.as_ref())?)))
    }

    /// The file of a volume whose measurements have one value, or that has none.
    pub(super) fn constant(&self) -> Result<Compressed> {
        self.finish(None)
    }

    /// The file of samples as integers, coded on the engine's threads.
    pub(super) fn integers(&self, scale: IntegerScale, reporter: &mut Reporter<'_>) -> Result<Compressed> {
        let streams = self.code_bricks(scale, None, usize::MAX, reporter)?;
        self.finish(Some(Body::Integers(IntegerBricks::new(
            BrickGrid::new(self.volume.shape()),
            scale,
            streams,
        ))))
    }

    /// [`Self::integers`], unless the file is larger than `most` bytes; coding ends as soon as that is known.
    pub(super) fn integers_within(
        &self,
        scale: IntegerScale,
        most: usize,
        reporter: &mut Reporter<'_>,
    ) -> Result<Option<Compressed>> {
        let grid = BrickGrid::new(self.volume.shape());
        let streams = self.code_bricks(scale, None, most, reporter)?;
        if streams.len() < grid.len() {
            return Ok(None);
        }
        let file = self.finish(Some(Body::Integers(IntegerBricks::new(grid, scale, streams))))?;
        Ok(Some(file).filter(|file| file.bytes.len() <= most))
    }

    /// The file of a latent grid and of its residuals, as integers.
    pub(super) fn corrected(
        &self,
        latents: LatentStreams,
        scale: IntegerScale,
        reporter: &mut Reporter<'_>,
    ) -> Result<Compressed> {
        let values = ValueScale::new(self.range, self.volume.sample_type());
        let reader = LatentReader::new(latents.clone(), usize::MAX);
        let streams = self.code_bricks(scale, Some((&reader, values)), usize::MAX, reporter)?;
        let bricks = IntegerBricks::new(BrickGrid::new(self.volume.shape()), scale, streams);
        self.finish(Some(Body::Corrected(latents, bricks)))
    }

    /// The streams that make the samples of a focus exact; empty ones for bricks that have none of them.
    fn code_focus(&self, latents: &LatentStreams, focus: &FocusVoxels) -> Result<IntegerBricks> {
        let grid = BrickGrid::new(self.volume.shape());
        let scale = IntegerScale { low: 0.0, step: 0.0, sample_type: self.volume.sample_type() };
        let values = ValueScale::new(self.range, scale.sample_type);
        let reader = LatentReader::new(latents.clone(), usize::MAX);
        let (samples, fill_value) = (self.volume.samples(), self.volume.stored_fill_value());
        let stream = |brick: usize| {
            let (start, size) = grid.bounds(brick);
            if !focus.meets((start, size)) {
                return Ok(Vec::new());
            }
            let end = std::array::from_fn(|a| start[a] + size[a]);
            let mut base = values.samples(&reader.window(Window { start, end }).map_err(Fault::of_own)?);
            if let Some(mask) = self.mask {
                let codes: Vec<u8> = grid.rows(brick).flat_map(|row| mask.codes()[row].to_vec()).collect();
                Contents::put_mask(&mut base, &codes, fill_value);
            }
            Ok(IntegerBricks::encode_exact_correction(samples, &grid, brick, &base, |i| focus.contains(i)))
        };
        let streams = self
            .engine
            .install(|| (0..grid.len()).into_par_iter().map(stream).collect::<Result<Vec<_>>>())?;
        Ok(IntegerBricks::new(grid, scale, streams))
    }

    /// The streams of bricks, in order; those that are left when more than `most` bytes were coded are missing.
    fn code_bricks(
        &self,
        scale: IntegerScale,
        base: Option<(&LatentReader, ValueScale)>,
        most: usize,
        reporter: &mut Reporter<'_>,
    ) -> Result<Vec<Vec<u8>>> {
        let grid = BrickGrid::new(self.volume.shape());
        let codes = self.mask.map(Mask::codes);
        let mut streams = Vec::with_capacity(grid.len());
        while streams.len() < grid.len() && streams.iter().map(Vec::len).sum::<usize>() <= most {
            self.engine.install(|| {
                let next = streams.len()..grid.len().min(streams.len() + 8 * rayon::current_num_threads());
                let samples = self.volume.samples();
                let stream = |brick| {
                    let base = base.as_ref().map(|(reader, values)| {
                        let (start, size) = grid.bounds(brick);
                        let end = std::array::from_fn(|a| start[a] + size[a]);
                        let window = reader.window(Window { start, end }).map_err(Fault::of_own)?;
                        Ok::<_, Error>(values.samples(&window))
                    });
                    let base = base.transpose()?;
                    let base = base.as_ref().map_or(Prediction::Low, Prediction::Samples);
                    Ok(IntegerBricks::encode_brick(samples, &grid, brick, scale, base, codes))
                };
                streams.extend(next.into_par_iter().map(stream).collect::<Result<Vec<_>>>()?);
                Ok::<_, Error>(())
            })?;
            reporter.step(Stage::Coding, streams.len() as u64, grid.len() as u64, f64::NAN)?;
        }
        reporter.measuring()?;
        Ok(streams)
    }

    /// The streams of a latent grid, coded on the engine's threads.
    pub(super) fn latent_streams(&self, encoder: &LatentEncoder, rate: Rate) -> LatentStreams {
        self.engine.install(|| encoder.encode(rate))
    }

    /// The file of a latent grid, with what makes a lossless focus exact.
    pub(super) fn latents(&self, streams: LatentStreams) -> Result<Compressed> {
        match self.focus.filter(|focus| focus.quality() == FocusQuality::Lossless) {
            Some(focus) => {
                let exact = self.code_focus(&streams, focus)?;
                self.finish(Some(Body::Corrected(streams, exact)))
            }
            None => self.finish(Some(Body::Latents(streams))),
        }
    }

    fn finish(&self, body: Option<Body>) -> Result<Compressed> {
        let (parameter_bytes, unit) = match &body {
            Some(Body::Network(model)) => (model.streams().bytes(), 1),
            // Bricks are decoded whole.
            Some(Body::Latents(_) | Body::Integers(_) | Body::Corrected(..) | Body::Differences(..)) => {
                (0, BRICK_EDGE)
            }
            None => (0, 1),
        };
        let mut description = Description::of(self.volume, self.range, self.asked, self.achieved.clone());
        let nothing = ErrorSums::new(self.range).distortion(self.range);
        description.focus = self.focus.map(|focus| focus.info(nothing, nothing));
        // What is coded is most of the memory of a lossless file: at any time it is held twice, not more often.
        let following = self.following(&description, body.as_ref());
        if following.as_ref().is_some_and(|following| following.same_description.is_some()) {
            // It is that of the step before.
            description.writer.clear();
        }
        let contents = Contents {
            description: description.clone(),
            body,
            mask: self.bricks.clone(),
            ranges: None,
            following,
        };
        let mut bytes = contents.to_bytes().map_err(|e| Fault::Unread(e).of_own())?;
        drop(contents);
        let draft = open_own(&bytes, self.before, self.engine.clone())?;
        let (distortion, focus) = self.measure(&draft, unit)?;
        let model = draft.model_summary();
        drop(draft);
        description.achieved.rmse = distortion.rmse;
        description.achieved.max_error = distortion.max_error;
        description.focus = focus;
        Contents::replace_achieved(&mut bytes, &description);
        if self.size_is_given {
            // A number of fixed length: it does not change the size.
            description.asked.value = bytes.len() as f64;
            Contents::replace_achieved(&mut bytes, &description);
        }
        Ok(Compressed {
            ratio: self.volume.stored_bytes() as f64 / bytes.len() as f64,
            ratio_f32: 4.0 * self.volume.len() as f64 / bytes.len() as f64,
            model,
            distortion,
            fidelity: Fidelity::of(distortion),
            focus,
            bytes,
            parameter_bytes,
        })
    }

    /// Decodes in slabs of a multiple of `unit` slices: the whole is never held twice.
    fn measure(&self, draft: &NeuralVolume, unit: usize) -> Result<(Distortion, Option<FocusInfo>)> {
        let shape = self.volume.shape();
        let plane = shape[0] * shape[1];
        let depth = SLAB.div_ceil(plane).next_multiple_of(unit);
        let mut sums = ErrorSums::new(self.range);
        let mut of_focus = [sums; 2];
        for z in (0..shape[2]).step_by(depth) {
            let end = (z + depth).min(shape[2]);
            let slab = Region { start: [0, 0, z], end: [shape[0], shape[1], end] };
            let decoded = draft.read_region(slab, 1)?;
            let (first, count) = (z * plane, decoded.len());
            let (original, decoded, codes) =
                (self.volume.samples(), decoded.samples(), self.mask.map(Mask::codes));
            self.engine.install(|| match self.focus {
                Some(focus) => focus.add_errors(&mut of_focus, original, first, decoded, codes),
                None => sums.add(original, first, decoded, codes.map(|codes| &codes[first..first + count])),
            });
        }
        let Some(focus) = self.focus else { return Ok((sums.distortion(self.range), None)) };
        let [inside, outside] = of_focus;
        let both = inside.merge(outside).distortion(self.range);
        let [inside, outside] = [inside, outside].map(|sums| sums.distortion(self.range));
        Ok((both, Some(focus.info(inside, outside))))
    }
}

/// Voxels that are measured at a time, about.
const SLAB: usize = 1 << 20;
