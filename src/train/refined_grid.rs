//! A latent grid and its perceptron, found in turns.
//!
//! What a perceptron adds the coefficients need not hold: once it is learned, the grid of the next round is the volume less
//! that. The perceptron of that grid is learned anew, from where the last one ended.

use super::candidate::Writer;
use super::latents::{PRICE, Source};
use super::refine::Refiner;
use crate::container::BrickGrid;
use crate::error::Result;
use crate::latents::{LatentEncoder, LatentReader, LatentStreams, Rate};
use crate::wavelet::Window;

pub(super) struct RefinedGrid<'a> {
    source: &'a Source<'a>,
    refiner: Refiner<'a>,
    encoder: LatentEncoder,
    /// What the last round gave.
    last: Option<LatentStreams>,
}

impl<'a> RefinedGrid<'a> {
    /// `encoder` is that of the volume.
    pub(super) fn new(source: &'a Source<'a>, refiner: Refiner<'a>, encoder: LatentEncoder) -> Self {
        Self { source, refiner, encoder, last: None }
    }

    /// How many rounds are worth their time.
    pub(super) fn rounds(&self) -> usize {
        self.refiner.rounds()
    }

    /// A round: the streams of a step, with a perceptron learned for them.
    pub(super) fn learn(&mut self, step: f32, writer: &Writer<'_>) -> Result<LatentStreams> {
        if let Some(last) = self.last.take() {
            self.source.engine.run(&mut || self.take_away(&last));
        }
        let mut streams = writer.latent_streams(&self.encoder, Rate { step, price: PRICE })?;
        self.source.engine.run(&mut || self.refiner.learn(&streams));
        streams.perceptron = Some(self.refiner.perceptron());
        self.last = Some(streams.clone());
        Ok(streams)
    }

    /// The streams of another step, with the last round's perceptron.
    pub(super) fn streams(&self, step: f32, writer: &Writer<'_>) -> Result<LatentStreams> {
        let mut streams = writer.latent_streams(&self.encoder, Rate { step, price: PRICE })?;
        streams.perceptron = Some(self.refiner.perceptron());
        Ok(streams)
    }

    /// Makes the encoder that of the volume less what the perceptron adds. The volume is held as float32 once at a time.
    fn take_away(&mut self, last: &LatentStreams) {
        self.encoder.clear();
        let shape = self.source.volume.shape();
        let mut grid = self.source.grid();
        let reader = LatentReader::new(last.clone(), usize::MAX);
        let pieces = BrickGrid::new(shape);
        let windows: Vec<Window> = (0..pieces.len())
            .map(|piece| {
                let (start, size) = pieces.bounds(piece);
                Window { start, end: std::array::from_fn(|a| start[a] + size[a]) }
            })
            .collect();
        for windows in windows.chunks(4 * rayon::current_num_threads()) {
            for (window, added) in windows.iter().zip(reader.additions(windows)) {
                let [nx, ny, _] = window.shape();
                for (row, added) in added.chunks_exact(nx).enumerate() {
                    let [y, z] = [row % ny + window.start[1], row / ny + window.start[2]];
                    let at = window.start[0] + shape[0] * (y + shape[1] * z);
                    grid[at..at + nx].iter_mut().zip(added).for_each(|(value, added)| *value -= added);
                }
            }
        }
        self.encoder.transform(grid);
    }
}
