//! What a file in the making is off by, with the shipped decoder.

use super::super::ranges::RangesMeter;
use super::Making;
use super::survey::boxes;
use crate::engine::Install;
use crate::error::Result;
use crate::latents::BLOCK_EDGE;
use crate::metrics::{ErrorSums, Fidelity};
use crate::processes::Group;
use crate::sample::{NeuralVolume, Region};

impl Making<'_> {
    /// Decodes everything, block by block: every process its share. Gives the ranges of cells, too.
    pub(super) fn measure(
        &self,
        draft: &NeuralVolume,
        group: &Group<'_>,
    ) -> Result<(Fidelity, Option<RangesMeter>)> {
        let mut ranges = RangesMeter::new(self.header.shape, self.survey.range);
        let empty = ErrorSums::new(self.survey.range);
        let mut own = Vec::new();
        for &(start, size) in &boxes(self.header.shape, [BLOCK_EDGE; 3])[self.share.clone()] {
            let region = Region { start, end: std::array::from_fn(|a| start[a] + size[a]) };
            let decoded = draft.read_region(region, 1)?;
            let original = self.source.read(start, size)?;
            let codes = self.codes(&original);
            let mut sums = empty;
            self.engine.install(|| {
                sums.add(&original, 0, decoded.samples(), codes.as_deref());
                if let Some(ranges) = &mut ranges {
                    ranges.add(start, size, decoded.samples(), codes.as_deref());
                }
            });
            own.extend(sums.to_bytes());
        }
        // In order of the blocks, so that the sums do not depend on who measured what.
        let mut sums = empty;
        for bytes in group.all_gather(own)?.iter().flat_map(|bytes| bytes.as_chunks().0) {
            sums = sums.merge(empty.of_bytes(bytes));
        }
        if let Some(ranges) = &mut ranges {
            group.all_gather(ranges.to_bytes().to_vec())?.iter().for_each(|bytes| ranges.merge(bytes));
        }
        let distortion = sums.distortion(self.survey.range);
        Ok((Fidelity { noise: self.noise, bias: sums.bias(), ..Fidelity::of(distortion) }, ranges))
    }
}
