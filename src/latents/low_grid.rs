//! The grid that a tier's levels leave, in memory or in a file.

use super::blockwise::GridSource;
use crate::error::{Error, Result};
use crate::storage::ReadAt;
use crate::wavelet::Window;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

/// A grid in a file, x fastest.
pub(super) struct GridFile {
    pub(super) file: File,
    pub(super) shape: [usize; 3],
}

impl GridFile {
    /// Where the rows of a window begin in the file.
    fn rows(&self, window: Window) -> impl Iterator<Item = u64> + use<> {
        let [nx, ny, _] = self.shape;
        let rows = (window.start[2]..window.end[2])
            .flat_map(move |z| (window.start[1]..window.end[1]).map(move |y| y + ny * z));
        rows.map(move |row| 4 * (window.start[0] + nx * row) as u64)
    }

    fn write(&mut self, window: Window, mut values: impl Iterator<Item = f32>) -> Result<()> {
        let mut row = Vec::with_capacity(4 * window.shape()[0]);
        for at in self.rows(window) {
            row.clear();
            row.extend(values.by_ref().take(window.shape()[0]).flat_map(f32::to_le_bytes));
            self.file
                .seek(SeekFrom::Start(at))
                .and_then(|_| self.file.write_all(&row))
                .map_err(Error::temporary)?;
        }
        Ok(())
    }
}

impl GridSource for GridFile {
    fn values(&self, window: Window) -> Result<Vec<f32>> {
        let mut bytes = vec![0; 4 * window.len()];
        for (row, at) in bytes.chunks_exact_mut(4 * window.shape()[0]).zip(self.rows(window)) {
            self.file.read_exact_at(row, at).map_err(Error::temporary)?;
        }
        Ok(bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect())
    }
}

/// A grid while it is filled.
pub(super) enum LowGrid {
    Memory(Vec<f32>, [usize; 3]),
    File(GridFile),
}

impl LowGrid {
    /// Puts values at their window.
    pub(super) fn put(&mut self, window: Window, mut values: impl Iterator<Item = f32>) -> Result<()> {
        match self {
            LowGrid::File(file) => file.write(window, values),
            LowGrid::Memory(grid, shape) => {
                let [nx, ny, _] = window.shape();
                for row in 0..window.len() / nx.max(1) {
                    let (y, z) = (window.start[1] + row % ny, window.start[2] + row / ny);
                    let at = window.start[0] + shape[0] * (y + shape[1] * z);
                    grid[at..at + nx].iter_mut().zip(values.by_ref()).for_each(|(to, value)| *to = value);
                }
                Ok(())
            }
        }
    }
}
