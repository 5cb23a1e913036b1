//! What of a grid the samples belong to: its points, or the cells between them.

use super::Geometry;

/// What of a grid the samples belong to.
///
/// Either way a volume's [`Geometry`] says where its samples are: those of cells at the cells' centres. The grid that VTK
/// has for them, with a point at every corner of a cell, follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Association {
    /// Samples are at points (VTK: point data).
    #[default]
    Point,
    /// Each sample is a cell's (VTK: cell data).
    Cell {
        /// Axes along which the grid has a single point, and no extent. Only axes of one sample can be flat; one that is not
        /// has a point on either side of its sample.
        flat: [bool; 3],
    },
}

impl Association {
    /// Of cells of a grid with so many points along each axis.
    pub fn of_cells(points: [u64; 3]) -> Self {
        Self::Cell { flat: points.map(|n| n <= 1) }
    }

    /// `point` or `cell`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::Cell { .. } => "cell",
        }
    }

    /// How far the grid goes beyond its outermost samples along an axis, in samples: half a cell.
    pub fn margin(self) -> [f64; 3] {
        self.beyond().map(|beyond| if beyond { 0.5 } else { 0.0 })
    }

    /// Points along each axis of the grid behind so many samples.
    pub fn points(self, samples: [usize; 3]) -> [usize; 3] {
        let beyond = self.beyond();
        std::array::from_fn(|a| samples[a] + usize::from(beyond[a]))
    }

    /// World position of the grid's first point, where the samples lie as `samples` says.
    pub fn first_point(self, samples: &Geometry) -> [f64; 3] {
        match self {
            Self::Point => samples.origin,
            Self::Cell { .. } => samples.index_to_world(self.margin().map(|margin| -margin)),
        }
    }

    /// Axes that have one point more than samples.
    fn beyond(self) -> [bool; 3] {
        match self {
            Self::Point => [false; 3],
            Self::Cell { flat } => flat.map(|flat| !flat),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_a_corner_more_and_begin_half_a_cell_before() {
        let geometry = Geometry { origin: [1.0, 2.0, 3.0], spacing: [2.0, 4.0, 8.0], ..Geometry::default() };
        let cells = Association::of_cells([6, 2, 1]);
        assert_eq!(cells, Association::Cell { flat: [false, false, true] });
        assert_eq!(cells.points([5, 1, 1]), [6, 2, 1]);
        assert_eq!(cells.first_point(&geometry), [0.0, 0.0, 3.0]);
        assert_eq!(Association::Point.points([5, 1, 1]), [5, 1, 1]);
        assert_eq!(Association::Point.first_point(&geometry), geometry.origin);
    }
}
