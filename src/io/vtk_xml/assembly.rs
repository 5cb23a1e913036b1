//! A volume put together from pieces.

use super::document::{Association, Extent};
use super::grid;
use crate::error::{Error, Result};
use crate::volume::Samples;
use std::path::{Path, PathBuf};

/// Pieces pasted into the whole; the first one decides the type.
pub(super) struct Assembly {
    path: PathBuf,
    whole: Extent,
    association: Association,
    count: usize,
    samples: Option<Samples>,
    /// A bit for each sample that a piece has given.
    given: Vec<u64>,
}

impl Assembly {
    pub(super) fn new(path: &Path, whole: Extent, association: Association, count: usize) -> Self {
        let given = vec![0; count.div_ceil(64)];
        Self { path: path.to_owned(), whole, association, count, samples: None, given }
    }

    /// How many samples a piece has; one that leads out of the whole is refused.
    pub(super) fn samples_of(&self, path: &Path, extent: &Extent) -> Result<usize> {
        if !self.whole.contains(extent) {
            return Err(Error::format(path, format!("a piece's extent {extent:?} leads out of the whole's")));
        }
        // No more than the whole's, which are counted already.
        Ok(grid::shape(extent, self.association).iter().map(|&n| n as usize).product())
    }

    /// Copies a piece's samples to their place.
    pub(super) fn paste(&mut self, path: &Path, extent: &Extent, piece: Samples) -> Result<()> {
        let whole = self.samples.get_or_insert_with(|| Samples::zeros(piece.sample_type(), self.count));
        if whole.sample_type() != piece.sample_type() {
            return Err(Error::unsupported(
                path,
                format!("a piece holds {} samples, another one {}", piece.sample_type(), whole.sample_type()),
            ));
        }
        let [nx, ny, nz] = grid::shape(extent, self.association).map(|n| n as usize);
        let [wx, wy, _] = grid::shape(&self.whole, self.association).map(|n| n as usize);
        let offset: [usize; 3] = std::array::from_fn(|a| (extent.low[a] - self.whole.low[a]) as usize);
        for k in 0..nz {
            for j in 0..ny {
                let to = offset[0] + wx * (offset[1] + j + wy * (offset[2] + k));
                whole.as_mut().copy_from(to, &piece, nx * (j + ny * k), nx);
                for index in to..to + nx {
                    self.given[index / 64] |= 1 << (index % 64);
                }
            }
        }
        Ok(())
    }

    /// The whole, when no sample is missing.
    pub(super) fn finish(self) -> Result<Samples> {
        let given: usize = self.given.iter().map(|bits| bits.count_ones() as usize).sum();
        match self.samples {
            Some(samples) if given == self.count => Ok(samples),
            _ => Err(Error::format(
                &self.path,
                format!("the pieces give {given} of the {} samples of the whole extent", self.count),
            )),
        }
    }
}
