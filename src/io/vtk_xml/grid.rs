//! Where the samples lie: images by origin, spacing and direction, rectilinear grids by evenly spaced coordinates.

use super::document::{Association, Document, Extent};
use super::{Opened, data};
use crate::error::{Error, Result};
use crate::io::{Limits, affine, even, reading};
use crate::volume::{self, Frame, Geometry};
use std::path::Path;

/// The samples' grid.
pub(super) struct Grid {
    pub(super) shape: [u64; 3],
    pub(super) geometry: Geometry,
    /// Along which axes the file says the spacing.
    pub(super) declares_spacing: [bool; 3],
    pub(super) association: volume::Association,
}

impl Grid {
    fn new(
        extent: &Extent,
        geometry: Geometry,
        declares_spacing: [bool; 3],
        association: Association,
    ) -> Self {
        let points = shape(extent, Association::Point);
        let of_volume = match association {
            Association::Point => volume::Association::Point,
            Association::Cell => volume::Association::of_cells(points),
        };
        Self { shape: shape(extent, association), geometry, declares_spacing, association: of_volume }
    }
}

/// Samples along each axis: points, or cells; an axis of one point counts one cell.
pub(super) fn shape(extent: &Extent, association: Association) -> [u64; 3] {
    std::array::from_fn(|axis| {
        // Differences of i32 values: they cannot overflow.
        let intervals = (extent.high[axis] - extent.low[axis]) as u64;
        if association == Association::Cell && intervals > 0 { intervals } else { intervals + 1 }
    })
}

impl Grid {
    pub(super) fn of_image(
        path: &Path,
        document: &Document,
        association: Association,
        given: Option<[f64; 3]>,
    ) -> Result<Self> {
        let extent = document.extent(path)?;
        let shape = shape(&extent, association);
        let (spacing, is_distance) =
            reading::distances(path, "attribute Spacing", document.spacing, shape, given)?;
        let declares_spacing = is_distance.map(|is_distance| is_distance && document.declares_spacing);
        let start: [f64; 3] = std::array::from_fn(|axis| {
            let is_cell = association == Association::Cell && extent.high[axis] > extent.low[axis];
            extent.low[axis] as f64 + if is_cell { 0.5 } else { 0.0 }
        });
        let steps: [[f64; 3]; 3] = std::array::from_fn(|a| document.direction.map(|row| row[a] * spacing[a]));
        let origin = std::array::from_fn(|row| {
            document.origin[row] + (0..3).map(|a| steps[a][row] * start[a]).sum::<f64>()
        });
        let extents = shape.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let mut geometry = affine::geometry(path, steps, origin, Frame::Unknown, extents)?;
        if spacing.iter().all(|&s| s > 0.0) {
            // As written, not as it comes back out of the vectors.
            geometry.spacing = spacing;
            geometry.direction = document.direction;
        }
        Ok(Self::new(&extent, geometry, declares_spacing, association))
    }

    /// The grid of coordinates that are evenly spaced.
    pub(super) fn of_coordinates(
        path: &Path,
        opened: &mut Opened,
        association: Association,
        limits: &Limits,
    ) -> Result<Self> {
        let extent = opened.document.extent(path)?;
        let (mut source, document) = opened.source(path);
        let [piece] = document.pieces.as_slice() else {
            return Err(Error::unsupported(
                path,
                format!("a rectilinear grid of {} pieces; save it in one", document.pieces.len()),
            ));
        };
        if piece.extent(path)? != extent || piece.coordinates.len() != 3 {
            return Err(Error::format(path, "the piece is not the whole grid, or lacks <Coordinates>"));
        }
        let mut axes = [(0.0, 1.0); 3];
        for (axis, array) in piece.coordinates.iter().enumerate() {
            let points = (extent.high[axis] - extent.low[axis]) as usize + 1;
            if points > limits.axis {
                return Err(Error::unsupported(
                    path,
                    format!("axis {axis} has {points} points, more than the limit"),
                ));
            }
            let coordinates = data::read(&mut source, array, 0, points)?;
            axes[axis] = even::axis(path, axis, &coordinates)?;
        }
        let shape = shape(&extent, association);
        let is_cell = |axis: usize| association == Association::Cell && extent.high[axis] > extent.low[axis];
        let geometry = even::geometry(path, axes, is_cell, shape)?;
        Ok(Self::new(&extent, geometry, [true; 3], association))
    }
}
