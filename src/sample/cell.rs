//! Between voxels: a cell of eight of them, and the trilinear field in it.

/// Where a place of the grid is in the cell around it.
pub(super) struct Cell {
    /// The voxel of the lowest corner.
    pub(super) lower: [usize; 3],
    /// To the next one along each axis: 0 where the grid has but one.
    pub(super) next: [usize; 3],
    fraction: [f64; 3],
}

/// Corner n is the upper one along axis a where bit a of n is set.
const fn is_upper(corner: usize, a: usize) -> bool {
    corner >> a & 1 == 1
}

impl Cell {
    /// Around a place, in voxels, inside a grid of `shape`.
    #[inline]
    pub(super) fn around(index: [f64; 3], shape: [usize; 3]) -> Self {
        let lower = Self::lower(index, shape);
        let next = [0, 1, 2].map(|a| usize::from(lower[a] + 1 < shape[a]));
        Self { lower, next, fraction: [0, 1, 2].map(|a| index[a] - lower[a] as f64) }
    }

    /// The voxel of the lowest corner.
    #[inline]
    pub(super) fn lower(index: [f64; 3], shape: [usize; 3]) -> [usize; 3] {
        // The conversion is a floor: a place in the grid is not negative.
        [0, 1, 2].map(|a| (index[a] as usize).min(shape[a].saturating_sub(2)))
    }

    /// The voxels of the corners.
    pub(super) fn corners(&self) -> [[usize; 3]; 8] {
        std::array::from_fn(|n| {
            [0, 1, 2].map(|a| if is_upper(n, a) { self.lower[a] + self.next[a] } else { self.lower[a] })
        })
    }

    /// How much each corner counts for the trilinear value.
    pub(super) fn weights(&self) -> [f64; 8] {
        std::array::from_fn(|n| {
            (0..3).map(|a| if is_upper(n, a) { self.fraction[a] } else { 1.0 - self.fraction[a] }).product()
        })
    }

    /// The trilinear value between the corners'.
    #[inline]
    pub(super) fn value(&self, corners: &[f64; 8]) -> f64 {
        let [x, y, z] = self.fraction;
        // Exact at both ends.
        let between = |fraction: f64, low: f64, high: f64| (1.0 - fraction) * low + fraction * high;
        let [a, b, c, d] = [0, 2, 4, 6].map(|n| between(x, corners[n], corners[n + 1]));
        between(z, between(y, a, b), between(y, c, d))
    }

    /// Its derivative by the place: 0 along an axis of one voxel.
    pub(super) fn gradient(&self, corners: &[f64; 8]) -> [f64; 3] {
        let mut slope = [0.0; 3];
        for (n, corner) in corners.iter().enumerate() {
            let along =
                [0, 1, 2].map(|a| if is_upper(n, a) { self.fraction[a] } else { 1.0 - self.fraction[a] });
            for (a, slope) in slope.iter_mut().enumerate() {
                let by_place = along[(a + 1) % 3] * along[(a + 2) % 3] * corner;
                *slope += if is_upper(n, a) { by_place } else { -by_place };
            }
        }
        // Of one voxel both corners are the same one, or stand in for a masked one, which counts for no slope either.
        [0, 1, 2].map(|a| if self.next[a] == 1 { slope[a] } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trilinear_function_comes_back_with_its_derivatives() {
        let function = |[x, y, z]: [f64; 3]| 2.0 + x - 3.0 * y + 0.5 * z + 0.25 * x * y * z;
        for (place, shape) in [([3.25, 1.5, 0.125], [9, 9, 9]), ([8.0, 0.0, 4.75], [9, 1, 9])] {
            let cell = Cell::around(place, shape);
            let corners = cell.corners().map(|corner| function(corner.map(|n| n as f64)));
            let [x, y, z] = place;
            assert!((cell.value(&corners) - function(place)).abs() < 1e-12);
            let derivatives = [1.0 + 0.25 * y * z, -3.0 + 0.25 * x * z, 0.5 + 0.25 * x * y];
            for (a, (found, expected)) in cell.gradient(&corners).into_iter().zip(derivatives).enumerate() {
                let expected = if shape[a] == 1 { 0.0 } else { expected };
                assert!((found - expected).abs() < 1e-12, "{a}: {found}, {expected}");
            }
        }
        let at_the_end = Cell::around([8.0, 8.0, 8.0], [9; 3]);
        let corners = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 0.1];
        assert_eq!(at_the_end.value(&corners), 0.1, "a corner's own value");
    }
}
