//! The volume's values as a latent grid has them, and its mask, box by box.

use super::Making;
use super::survey::boxes;
use crate::container::{BRICK_EDGE, BrickGrid, CodedMask, MaskBrick, MaskBricks};
use crate::engine::Install;
use crate::error::Result;
use crate::latents::GridSource;
use crate::sample::ValueScale;
use crate::volume::{FillRange, MaskClass, Sample, Samples, for_each_type};
use crate::wavelet::Window;
use rayon::prelude::*;

/// A code for each sample, 0 for a measurement.
pub(super) fn codes_of(samples: &Samples, fill: Option<FillRange>) -> Vec<u8> {
    for_each_type!(samples, values => {
        values.iter().map(|v| MaskClass::of(v.to_f64(), fill).map_or(0, |class| class as u8)).collect()
    })
}

impl Making<'_> {
    pub(super) fn scale(&self) -> ValueScale {
        ValueScale::new(self.survey.range, self.header.sample_type)
    }

    /// The mask of samples that were read; `None` where nothing of the volume is masked.
    pub(super) fn codes(&self, samples: &Samples) -> Option<Vec<u8>> {
        (self.survey.masked > 0).then(|| codes_of(samples, self.header.fill_range()))
    }

    /// The mask's bricks.
    pub(super) fn code_mask(&self) -> Result<Option<MaskBricks>> {
        if self.survey.masked == 0 {
            return Ok(None);
        }
        let shape = self.header.shape;
        let mut coded = CodedMask::default();
        debug_assert_eq!(boxes(shape, [BRICK_EDGE; 3]).len(), BrickGrid::new(shape).len());
        for together in boxes(shape, [BRICK_EDGE; 3]).chunks(256) {
            let bricks = self.engine.install(|| {
                let brick = |&(start, size): &([usize; 3], [usize; 3])| {
                    let codes = codes_of(&self.source.read(start, size)?, self.header.fill_range());
                    Ok(MaskBrick::encode(&codes, size))
                };
                together.par_iter().map(brick).collect::<Result<Vec<MaskBrick>>>()
            });
            bricks?.into_iter().for_each(|brick| coded.push(brick));
        }
        Ok(Some(coded.finish(shape)))
    }
}

impl GridSource for Making<'_> {
    fn values(&self, window: Window) -> Result<Vec<f32>> {
        let (size, scale) = (window.shape(), self.scale());
        let samples = self.source.read(window.start, size)?;
        let mut values: Vec<f32> = for_each_type!(&samples, samples => {
            samples.iter().map(|&v| scale.normalised(Sample::to_f64(v))).collect()
        });
        if let Some(codes) = self.codes(&samples) {
            for (i, (value, _)) in
                values.iter_mut().zip(&codes).enumerate().filter(|(_, (_, code))| **code != 0)
            {
                let at = [i % size[0], i / size[0] % size[1], i / size[0] / size[1]];
                *value = self.survey.fill(std::array::from_fn(|a| window.start[a] + at[a]));
            }
        }
        Ok(values)
    }
}
