//! Where a grid lies in the world.

/// The frame that world positions are given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Frame {
    /// The source declares none; coordinates are passed through and never flipped.
    #[default]
    Unknown = 0,
    /// DICOM's patient frame in millimetres: +x left, +y posterior, +z superior (PS3.3 C.7.6.2.1.1).
    Lps = 1,
}

impl Frame {
    /// The frame with this code in the file format.
    pub fn from_code(code: u8) -> Option<Self> {
        [Frame::Unknown, Frame::Lps].into_iter().find(|&f| f as u8 == code)
    }

    /// The frame of a name that reports print and VTK's files carry; of a patient's, without its unit too.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "LPS" {
            return Some(Frame::Lps);
        }
        [Frame::Unknown, Frame::Lps].into_iter().find(|frame| frame.name() == name)
    }

    /// The name that reports print.
    pub fn name(self) -> &'static str {
        match self {
            Frame::Unknown => "unknown",
            Frame::Lps => "LPS mm",
        }
    }
}

/// The affine from voxel index to world position: `world = origin + direction * diag(spacing) * index`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    /// World position of the centre of voxel (0, 0, 0).
    pub origin: [f64; 3],
    /// Distance between neighbouring voxel centres along each axis, positive.
    pub spacing: [f64; 3],
    /// Column `a` (`direction[row][a]`) is the unit vector of axis `a` in the world.
    pub direction: [[f64; 3]; 3],
    /// The frame of the world coordinates.
    pub frame: Frame,
}

/// The direction matrix of an axis-aligned grid.
pub(crate) const IDENTITY: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

impl Default for Geometry {
    fn default() -> Self {
        Self { origin: [0.0; 3], spacing: [1.0; 3], direction: IDENTITY, frame: Frame::Unknown }
    }
}

impl Geometry {
    /// World position of a (continuous) voxel index.
    pub fn index_to_world(&self, index: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|row| {
            self.origin[row]
                + (0..3).map(|a| self.direction[row][a] * self.spacing[a] * index[a]).sum::<f64>()
        })
    }

    /// The map back, `None` when the affine is singular.
    pub fn world_to_index(&self) -> Option<WorldToIndex> {
        let m: [[f64; 3]; 3] =
            std::array::from_fn(|row| std::array::from_fn(|a| self.direction[row][a] * self.spacing[a]));
        let cofactor = |r: usize, c: usize| {
            let [r1, r2] = [(r + 1) % 3, (r + 2) % 3];
            let [c1, c2] = [(c + 1) % 3, (c + 2) % 3];
            m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
        };
        let determinant: f64 = (0..3).map(|c| m[0][c] * cofactor(0, c)).sum();
        if !determinant.is_finite() || determinant == 0.0 {
            return None;
        }
        let inverse = std::array::from_fn(|row| std::array::from_fn(|col| cofactor(col, row) / determinant));
        Some(WorldToIndex { origin: self.origin, inverse })
    }
}

/// The inverse affine of a [`Geometry`].
#[derive(Debug, Clone, Copy)]
pub struct WorldToIndex {
    origin: [f64; 3],
    inverse: [[f64; 3]; 3],
}

impl WorldToIndex {
    /// The continuous voxel index of a world position.
    pub fn apply(&self, world: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|row| (0..3).map(|c| self.inverse[row][c] * (world[c] - self.origin[c])).sum())
    }

    /// The gradient by the world position of what has this gradient by the index.
    pub fn gradient(&self, by_index: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|c| (0..3).map(|row| self.inverse[row][c] * by_index[row]).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oblique_affine_is_inverted() {
        let (s, c) = 0.3f64.sin_cos();
        let geometry = Geometry {
            origin: [-120.5, 33.25, 900.0],
            spacing: [0.7, 0.8, 2.5],
            direction: [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]],
            frame: Frame::Lps,
        };
        let index = [17.0, 3.5, 80.25];
        let world = geometry.index_to_world(index);
        assert!((world[2] - (900.0 + 2.5 * 80.25)).abs() < 1e-12);
        let back = geometry.world_to_index().unwrap().apply(world);
        for a in 0..3 {
            assert!((back[a] - index[a]).abs() < 1e-9, "{back:?}");
        }
    }

    #[test]
    fn a_singular_affine_has_no_inverse() {
        let geometry = Geometry { spacing: [1.0, 0.0, 1.0], ..Geometry::default() };
        assert!(geometry.world_to_index().is_none());
    }
}
