//! What a file in the making is off by, with the shipped decoder.

use super::Making;
use super::survey::boxes;
use crate::container::BRICK_EDGE;
use crate::engine::Install;
use crate::error::Result;
use crate::metrics::{ErrorSums, Fidelity};
use crate::sample::{NeuralVolume, Region};

/// Voxels that are decoded at a time, about.
const AT_ONCE: usize = 4 << 20;
/// Voxels along y and z of that.
const EDGE: usize = 2 * BRICK_EDGE;

impl Making<'_> {
    /// Decodes everything, box by box.
    pub(super) fn measure(&self, draft: &NeuralVolume) -> Result<Fidelity> {
        let mut sums = ErrorSums::new(self.survey.range);
        let along_x = (AT_ONCE / (EDGE * EDGE)).next_multiple_of(BRICK_EDGE);
        for (start, size) in boxes(self.header.shape, [along_x, EDGE, EDGE]) {
            let region = Region { start, end: std::array::from_fn(|a| start[a] + size[a]) };
            let decoded = draft.read_region(region, 1)?;
            let original = self.source.read(start, size)?;
            let codes = self.codes(&original);
            self.engine.install(|| sums.add(&original, 0, decoded.samples(), codes.as_deref()));
        }
        let distortion = sums.distortion(self.survey.range);
        Ok(Fidelity { noise: self.noise, bias: sums.bias(), ..Fidelity::of(distortion) })
    }
}
