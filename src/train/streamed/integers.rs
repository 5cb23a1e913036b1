//! Every sample exact, or within a bound: as integers, brick by brick.

use super::grid::SampleBox;
use super::{Making, Run};
use crate::container::{Body, BrickGrid, Contents, IntegerBricks, IntegerScale, Prediction};
use crate::engine::Install;
use crate::error::Result;
use crate::processes::StreamsOfShare;
use crate::train::bounded;
use crate::train::progress::Stage;
use rayon::prelude::*;

impl Making<'_> {
    /// The samples as they are.
    pub(super) fn exact(&self, run: &mut Run<'_>) -> Result<Contents> {
        let scale = IntegerScale { low: 0.0, step: 0.0, sample_type: self.header.sample_type };
        self.integers(scale, run)
    }

    /// Every sample within a bound.
    pub(super) fn bounded(&self, bound: f64, run: &mut Run<'_>) -> Result<Contents> {
        let range = self.survey.range.unwrap_or_default();
        let step = bounded::step(self.header.sample_type, range, bound);
        if step > 0.0 {
            let scale = IntegerScale { low: range.0, step, sample_type: self.header.sample_type };
            let mut contents = self.integers(scale, run)?;
            let (fidelity, ranges) = self.measure(&self.open(contents.clone())?, run.group)?;
            if fidelity.distortion.max_error <= bound {
                contents.put_achieved(&fidelity);
                self.put_ranges(&mut contents, ranges);
                return Ok(contents);
            }
            log::info!("steps of {step} break the bound by rounding; every sample is kept as it is");
        }
        self.exact(run)
    }

    fn integers(&self, scale: IntegerScale, run: &mut Run<'_>) -> Result<Contents> {
        let mut own = StreamsOfShare::new(self.temporary()?);
        let bricks = self.own_bricks(run.group);
        let mut done = 0;
        for together in bricks.chunks(8 * self.engine.threads()) {
            let streams = self.engine.install(|| {
                let stream = |&(_, (start, size)): &(usize, SampleBox)| {
                    let samples = self.source.read(start, size)?;
                    let codes = self.codes(&samples);
                    let grid = BrickGrid::new(size);
                    let codes = codes.as_deref();
                    Ok(IntegerBricks::encode_brick(&samples, &grid, 0, scale, Prediction::Low, codes))
                };
                together.par_iter().map(stream).collect::<Result<Vec<Vec<u8>>>>()
            });
            for (&(brick, _), stream) in together.iter().zip(streams?) {
                own.push(brick, &stream)?;
            }
            done += together.len();
            run.reporter.step(Stage::Coding, done as u64, bricks.len() as u64, f64::NAN)?;
        }
        run.reporter.measuring()?;
        let grid = BrickGrid::new(self.header.shape);
        // A brick is decoded by itself.
        let streams = own.finish(grid.len(), run.group, |_, _| false)?;
        Ok(self.contents(Some(Body::Integers(IntegerBricks::of_streams(grid, scale, streams)))))
    }
}
