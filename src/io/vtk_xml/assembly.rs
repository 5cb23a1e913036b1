//! A volume put together from pieces.

use super::document::{Association, Extent};
use super::grid;
use crate::error::{Error, Result};
use crate::io::elements;
use crate::volume::Samples;
use std::path::{Path, PathBuf};

/// No compressor shrinks samples further than this.
const LARGEST_RATIO: u64 = 1 << 14;
/// Parts that the edges of pieces cut the whole into; of more it is not found out whether they cover it.
const MOST_CELLS: usize = 1 << 24;

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

    /// Where a piece's samples begin in the whole, along each axis, and how many it has.
    pub(super) fn place(&self, extent: &Extent) -> ([usize; 3], [usize; 3]) {
        (std::array::from_fn(|a| (extent.low[a] - self.whole.low[a]) as usize), self.shape_of(extent))
    }

    /// Refuses pieces that leave out samples of the whole. `None` where it would take too long to find out.
    pub(super) fn check_coverage(&self, extents: &[Extent]) -> Option<Result<()>> {
        let places: Vec<_> = extents.iter().map(|extent| self.place(extent)).collect();
        // The whole is cut wherever a piece begins or ends.
        let cuts: [Vec<usize>; 3] = std::array::from_fn(|a| {
            let mut cuts: Vec<usize> =
                places.iter().flat_map(|(start, size)| [start[a], start[a] + size[a]]).collect();
            cuts.sort_unstable();
            cuts.dedup();
            cuts
        });
        let cells = cuts.each_ref().map(|cuts| cuts.len().saturating_sub(1));
        let count = cells.iter().try_fold(1usize, |product, &n| product.checked_mul(n))?;
        if count > MOST_CELLS {
            return None;
        }
        let mut covered = vec![false; count];
        for (start, size) in &places {
            let cell = |a: usize, at: usize| cuts[a].partition_point(|&cut| cut < at);
            let [x, y, z]: [_; 3] = std::array::from_fn(|a| cell(a, start[a])..cell(a, start[a] + size[a]));
            for (z, y) in z.flat_map(|z| y.clone().map(move |y| (z, y))) {
                let row = cells[0] * (y + cells[1] * z);
                covered[row + x.start..row + x.end].fill(true);
            }
        }
        let width = |a: usize, cell: usize| cuts[a][cell + 1] - cuts[a][cell];
        let given = (0..count).filter(|&cell| covered[cell]).map(|cell| {
            let [x, y, z] = [cell % cells[0], cell / cells[0] % cells[1], cell / (cells[0] * cells[1])];
            width(0, x) * width(1, y) * width(2, z)
        });
        let given: usize = given.sum();
        Some(if given == self.count { Ok(()) } else { Err(self.incomplete(given)) })
    }

    /// Samples of the whole along each axis.
    pub(super) fn whole_shape(&self) -> [usize; 3] {
        grid::shape(&self.whole, self.association).map(|n| n as usize)
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
