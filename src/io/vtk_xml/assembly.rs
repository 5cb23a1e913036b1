//! A volume put together from pieces.

use super::document::{Association, Extent};
use super::grid;
use crate::error::{Error, Result};
use crate::io::elements;
use crate::volume::Samples;
use std::path::{Path, PathBuf};

/// No compressor shrinks samples further than this.
const LARGEST_RATIO: u64 = 1 << 14;

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
        // Nothing is allocated before a piece has been read.
        Self { path: path.to_owned(), whole, association, count, samples: None, given: Vec::new() }
    }

    /// How many samples a piece has; one that leads out of the whole is refused.
    pub(super) fn samples_of(&self, path: &Path, extent: &Extent) -> Result<usize> {
        if !self.whole.contains(extent) {
            return Err(Error::format(path, format!("a piece's extent {extent:?} leads out of the whole's")));
        }
        let shape = self.shape_of(extent);
        if shape.contains(&0) {
            return Err(Error::format(path, format!("a piece of the extent {extent:?} has no cell")));
        }
        // No more than the whole's, which are counted already.
        Ok(shape.iter().product())
    }

    /// Samples of a piece along each axis. Where the whole has several points, a piece of one point has no cell.
    fn shape_of(&self, extent: &Extent) -> [usize; 3] {
        let shape = grid::shape(extent, self.association);
        std::array::from_fn(|axis| {
            let is_flat =
                extent.low[axis] == extent.high[axis] && self.whole.low[axis] < self.whole.high[axis];
            if self.association == Association::Cell && is_flat { 0 } else { shape[axis] as usize }
        })
    }

    /// Refuses pieces that cannot make the whole, before anything is allocated: too few samples between them, or too few
    /// bytes in their files.
    pub(super) fn check(
        &self,
        extents: impl IntoIterator<Item = Result<Extent>>,
        file_bytes: u64,
        sample_bytes: usize,
    ) -> Result<()> {
        let mut samples = 0usize;
        for extent in extents {
            samples = samples.saturating_add(self.samples_of(&self.path, &extent?)?);
        }
        if samples < self.count {
            return Err(self.incomplete(samples));
        }
        let expected = (self.count as u64).saturating_mul(sample_bytes as u64);
        elements::check_file_holds(&self.path, expected / LARGEST_RATIO, file_bytes, false)
    }

    fn incomplete(&self, given: usize) -> Error {
        Error::format(
            &self.path,
            format!("the pieces give {given} of the {} samples of the whole extent", self.count),
        )
    }

    /// Copies a piece's samples to their place.
    pub(super) fn paste(&mut self, path: &Path, extent: &Extent, piece: Samples) -> Result<()> {
        let [nx, ny, nz] = self.shape_of(extent);
        let whole = self.samples.get_or_insert_with(|| Samples::zeros(piece.sample_type(), self.count));
        if whole.sample_type() != piece.sample_type() {
            return Err(Error::unsupported(
                path,
                format!("a piece holds {} samples, another one {}", piece.sample_type(), whole.sample_type()),
            ));
        }
        let [wx, wy, _] = grid::shape(&self.whole, self.association).map(|n| n as usize);
        self.given.resize(self.count.div_ceil(64), 0);
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
            _ => Err(self.incomplete(given)),
        }
    }
}
