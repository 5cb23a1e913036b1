//! A latent grid and its perceptron, found in turns.
//!
//! What a perceptron adds the coefficients need not hold: once it is learned, the grid of the next round is the volume less
//! that. The perceptron of that grid is learned anew, from where the last one ended.

use super::candidate::Writer;
use super::latent_source::LatentSource;
use super::refine::Refiner;
use super::tissues::Shift;
use crate::container::BrickGrid;
use crate::engine::Install;
use crate::error::Result;
use crate::latents::{LatentEncoder, LatentReader, LatentStreams, Perceptron, Rate};
use crate::storage::Fault;
use crate::wavelet::Window;

pub(super) struct RefinedGrid<'a> {
    source: &'a LatentSource<'a>,
    /// What learns perceptrons; `None` where it is that of the step before.
    refiner: Option<Refiner<'a>>,
    encoder: LatentEncoder,
    /// What every round gave.
    rounds: Vec<LatentStreams>,
    /// What reads the encoder's grids.
    perceptron: Option<Perceptron>,
    /// What is added to the volume's values.
    shift: Option<Shift>,
}

impl<'a> RefinedGrid<'a> {
    /// `encoder` is that of the volume.
    pub(super) fn new(source: &'a LatentSource<'a>, refiner: Refiner<'a>, encoder: LatentEncoder) -> Self {
        Self { source, refiner: Some(refiner), encoder, rounds: Vec::new(), perceptron: None, shift: None }
    }

    /// Of a grid that follows the step before, and is read by its perceptron.
    pub(super) fn following(
        source: &'a LatentSource<'a>,
        encoder: LatentEncoder,
        perceptron: Option<Perceptron>,
    ) -> Self {
        Self { source, refiner: None, encoder, rounds: Vec::new(), perceptron, shift: None }
    }

    /// How many rounds are worth their time.
    pub(super) fn rounds(&self) -> usize {
        self.refiner.as_ref().map_or(1, Refiner::rounds)
    }

    /// A round: the streams of a rate, with a perceptron learned for them.
    pub(super) fn learn(&mut self, rate: Rate, writer: &Writer<'_>) -> Result<LatentStreams> {
        if !self.rounds.is_empty() {
            self.grid_of_round(self.rounds.len())?;
        }
        let mut streams = writer.latent_streams(&self.encoder, rate);
        if let Some(refiner) = &mut self.refiner {
            self.source.engine.install(|| refiner.learn(&streams))?;
            self.perceptron = Some(refiner.perceptron());
        }
        self.put_perceptron(&mut streams);
        self.rounds.push(streams.clone());
        Ok(streams)
    }

    /// Settles for a round's perceptron. The grid becomes the volume less what this one adds: where it differs from the one
    /// before, in tissue that it saw little of, that would stay as an error of one sign.
    pub(super) fn settle(&mut self, round: usize) -> Result<()> {
        self.grid_of_round(round + 1)?;
        self.perceptron.clone_from(&self.rounds[round].perceptron);
        Ok(())
    }

    /// Codes the volume with something added to its values from now on, read by the round's perceptron.
    pub(super) fn shift(&mut self, shift: Shift, round: usize) -> Result<()> {
        self.shift = Some(shift);
        self.settle(round)
    }

    /// The streams of another rate, with the same perceptron.
    pub(super) fn streams(&self, rate: Rate, writer: &Writer<'_>) -> Result<LatentStreams> {
        let mut streams = writer.latent_streams(&self.encoder, rate);
        self.put_perceptron(&mut streams);
        Ok(streams)
    }

    /// Bytes of the streams of a rate where they follow no other step.
    pub(super) fn bytes_alone(&self, rate: Rate) -> usize {
        self.source.engine.install(|| self.encoder.encode_alone(rate)).bytes()
    }

    fn put_perceptron(&self, streams: &mut LatentStreams) {
        streams.perceptron.clone_from(&self.perceptron);
        if let Some(before) = &mut streams.before {
            before.same_perceptron = self.refiner.is_none() && self.perceptron.is_some();
        }
    }

    /// Makes the encoder that of a round: of the volume less what the perceptron of the one before adds. The grid is held in
    /// float32 once at a time.
    fn grid_of_round(&mut self, round: usize) -> Result<()> {
        let Self { source, encoder, rounds, shift, .. } = self;
        source.engine.install(|| {
            encoder.clear();
            let mut grid = source.grid(shift.as_ref());
            if let Some(before) = round.checked_sub(1) {
                subtract_prediction(&mut grid, source.volume.shape(), &rounds[before])?;
            }
            encoder.transform(grid);
            Ok(())
        })
    }
}

/// Takes from a grid of `shape` what the perceptron of `streams` adds to theirs.
fn subtract_prediction(grid: &mut [f32], shape: [usize; 3], streams: &LatentStreams) -> Result<()> {
    if streams.perceptron.is_none() {
        return Ok(());
    }
    let reader = LatentReader::new(streams.clone(), usize::MAX);
    let chunks = BrickGrid::new(shape);
    let windows: Vec<Window> = (0..chunks.len())
        .map(|chunk| {
            let (start, size) = chunks.bounds(chunk);
            Window { start, end: std::array::from_fn(|a| start[a] + size[a]) }
        })
        .collect();
    for windows in windows.chunks(4 * rayon::current_num_threads()) {
        for (window, added) in windows.iter().zip(reader.additions(windows).map_err(Fault::of_own)?) {
            let [nx, ny, _] = window.shape();
            for (row, added) in added.chunks_exact(nx).enumerate() {
                let [y, z] = [row % ny + window.start[1], row / ny + window.start[2]];
                let at = window.start[0] + shape[0] * (y + shape[1] * z);
                grid[at..at + nx].iter_mut().zip(added).for_each(|(value, added)| *value -= added);
            }
        }
    }
    Ok(())
}
