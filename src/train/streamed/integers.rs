//! Every sample exact, or within a bound: as integers, brick by brick.

use super::Making;
use super::survey::boxes;
use crate::container::{BRICK_EDGE, Body, BrickGrid, Contents, IntegerBricks, IntegerScale, Prediction};
use crate::engine::Install;
use crate::error::{Error, Result};
use crate::storage::StreamSpool;
use crate::train::bounded;
use crate::train::progress::{Reporter, Stage};
use rayon::prelude::*;

impl Making<'_> {
    /// The samples as they are.
    pub(super) fn exact(&self, reporter: &mut Reporter<'_>) -> Result<Contents> {
        let scale = IntegerScale { low: 0.0, step: 0.0, sample_type: self.header.sample_type };
        self.integers(scale, reporter)
    }

    /// Every sample within a bound.
    pub(super) fn bounded(&self, bound: f64, reporter: &mut Reporter<'_>) -> Result<Contents> {
        let range = self.survey.range.unwrap_or_default();
        let step = bounded::step(self.header.sample_type, range, bound);
        if step > 0.0 {
            let scale = IntegerScale { low: range.0, step, sample_type: self.header.sample_type };
            let mut contents = self.integers(scale, reporter)?;
            let fidelity = self.measure(&self.open(contents.clone())?)?;
            if fidelity.distortion.max_error <= bound {
                contents.put_achieved(&fidelity);
                return Ok(contents);
            }
            log::info!("steps of {step} break the bound by rounding; every sample is kept as it is");
        }
        self.exact(reporter)
    }

    fn integers(&self, scale: IntegerScale, reporter: &mut Reporter<'_>) -> Result<Contents> {
        let shape = self.header.shape;
        let mut spool = StreamSpool::new(self.temporary()?);
        let bricks = boxes(shape, [BRICK_EDGE; 3]);
        let mut done = 0;
        for together in bricks.chunks(8 * self.engine.threads()) {
            let streams = self.engine.install(|| {
                let stream = |&(start, size): &([usize; 3], [usize; 3])| {
                    let samples = self.source.read(start, size)?;
                    let codes = self.codes(&samples);
                    let grid = BrickGrid::new(size);
                    let codes = codes.as_deref();
                    Ok(IntegerBricks::encode_brick(&samples, &grid, 0, scale, Prediction::Low, codes))
                };
                together.par_iter().map(stream).collect::<Result<Vec<Vec<u8>>>>()
            });
            for stream in streams? {
                spool.push(&stream).map_err(|e| Error::io(self.path, e))?;
            }
            done += together.len();
            reporter.step(Stage::Coding, done as u64, bricks.len() as u64, f64::NAN)?;
        }
        reporter.measuring()?;
        let streams = spool.finish().map_err(|e| Error::io(self.path, e))?;
        Ok(self.contents(Some(Body::Integers(IntegerBricks::of_streams(
            BrickGrid::new(shape),
            scale,
            streams,
        )))))
    }
}
