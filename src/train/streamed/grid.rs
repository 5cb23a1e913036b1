//! The volume's values as a latent grid has them, and its mask, box by box.

use super::Making;
use super::survey::boxes;
use crate::container::{BRICK_EDGE, BrickGrid, CodedMask, MaskBrick, MaskBricks};
use crate::engine::Install;
use crate::error::{Error, Result};
use crate::latents::{BLOCK_EDGE, GridSource};
use crate::processes::{Group, Shares};
use crate::sample::ValueScale;
use crate::volume::{FillRange, MaskClass, Sample, Samples, for_each_type};
use crate::wavelet::Window;
use rayon::prelude::*;

/// First sample and size.
pub(super) type SampleBox = ([usize; 3], [usize; 3]);

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

    /// The process of each of the volume's bricks: that of its block.
    pub(super) fn owners_of_bricks(&self, group: &Group<'_>) -> impl Fn(usize) -> usize + use<> {
        let counts = |edge: usize| self.header.shape.map(|n| n.div_ceil(edge));
        let ([nx, ny, _], [blocks_x, blocks_y, blocks_z]) = (counts(BRICK_EDGE), counts(BLOCK_EDGE));
        let shares = Shares::new(blocks_x * blocks_y * blocks_z, group.size());
        move |brick: usize| {
            let [x, y, z] =
                [brick % nx, brick / nx % ny, brick / nx / ny].map(|n| n / (BLOCK_EDGE / BRICK_EDGE));
            shares.owner(x + blocks_x * (y + blocks_y * z))
        }
    }

    /// The bricks of this process, with their boxes.
    pub(super) fn own_bricks(&self, group: &Group<'_>) -> Vec<(usize, SampleBox)> {
        let owner = self.owners_of_bricks(group);
        let all = boxes(self.header.shape, [BRICK_EDGE; 3]).into_iter().enumerate();
        all.filter(|(brick, _)| owner(*brick) == group.rank()).collect()
    }

    /// The mask's bricks: each process codes its own, and gets all.
    pub(super) fn code_mask(&self, group: &Group<'_>) -> Result<Option<MaskBricks>> {
        if self.survey.masked == 0 {
            return Ok(None);
        }
        let mut own = Vec::new();
        for together in self.own_bricks(group).chunks(256) {
            let bricks = self.engine.install(|| {
                let brick = |&(_, (start, size)): &(usize, SampleBox)| {
                    let codes = codes_of(&self.source.read(start, size)?, self.header.fill_range());
                    Ok(MaskBrick::encode(&codes, size))
                };
                together.par_iter().map(brick).collect::<Result<Vec<MaskBrick>>>()
            });
            bricks?.iter().for_each(|brick| brick.put(&mut own));
        }
        let found = group.all_gather(own)?;
        let mut rests: Vec<&[u8]> = found.iter().map(Vec::as_slice).collect();
        let (owner, grid) = (self.owners_of_bricks(group), BrickGrid::new(self.header.shape));
        let mut coded = CodedMask::default();
        for brick in 0..grid.len() {
            let rank = owner(brick);
            coded.push(MaskBrick::take(&mut rests[rank]).ok_or_else(|| Error::Process {
                rank,
                what: format!("it sent no mask of brick {brick}; it runs another program"),
            })?);
        }
        Ok(Some(coded.finish(self.header.shape)))
    }

    /// The values that a latent grid has of samples.
    pub(super) fn values_of(&self, samples: &Samples, window: Window) -> Vec<f32> {
        let (size, scale) = (window.shape(), self.scale());
        let mut values: Vec<f32> = for_each_type!(samples, samples => {
            samples.iter().map(|&v| scale.normalised(Sample::to_f64(v))).collect()
        });
        if let Some(codes) = self.codes(samples) {
            for (i, (value, _)) in
                values.iter_mut().zip(&codes).enumerate().filter(|(_, (_, code))| **code != 0)
            {
                let at = [i % size[0], i / size[0] % size[1], i / size[0] / size[1]];
                *value = self.survey.fill(std::array::from_fn(|a| window.start[a] + at[a]));
            }
        }
        values
    }
}

impl GridSource for Making<'_> {
    fn values(&self, window: Window) -> Result<Vec<f32>> {
        Ok(self.values_of(&self.source.read(window.start, window.shape())?, window))
    }
}
