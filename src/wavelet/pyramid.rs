//! Into which bands a grid is split.

/// An axis shorter than this is not split further.
const SHORTEST_SPLIT: usize = 8;

/// Levels that a grid has at most.
const MOST_LEVELS: usize = 32;

/// Which axes a band is the high part of: bit a for axis a. 0 is the low band.
pub(crate) type Orientation = usize;

/// One splitting of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    /// Samples along each axis before it.
    pub(crate) shape: [usize; 3],
    /// The axes that are split.
    pub(crate) split: [bool; 3],
}

impl Level {
    /// Samples of a band along each axis.
    pub(crate) fn band_shape(&self, orientation: Orientation) -> [usize; 3] {
        std::array::from_fn(|a| match (self.split[a], orientation >> a & 1) {
            (true, 0) => self.shape[a].div_ceil(2),
            (true, _) => self.shape[a] / 2,
            (false, _) => self.shape[a],
        })
    }

    /// The low band's samples along each axis.
    pub(crate) fn low_shape(&self) -> [usize; 3] {
        self.band_shape(0)
    }

    /// The bands that are not the low one: along axes first, then along planes, then along all three.
    pub(crate) fn orientations(&self) -> impl Iterator<Item = Orientation> + use<> {
        let split = self.split;
        let exists = move |o: &Orientation| (0..3).all(|a| o >> a & 1 == 0 || split[a]);
        [1, 2, 4, 3, 5, 6, 7].into_iter().filter(exists)
    }
}

/// The levels of a grid, finest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pyramid {
    levels: Vec<Level>,
    shape: [usize; 3],
}

impl Pyramid {
    pub(crate) fn new(shape: [usize; 3]) -> Self {
        let mut levels = Vec::new();
        let mut here = shape;
        while levels.len() < MOST_LEVELS {
            let level = Level { shape: here, split: here.map(|n| n >= SHORTEST_SPLIT) };
            if level.split == [false; 3] {
                break;
            }
            levels.push(level);
            here = level.low_shape();
        }
        Self { levels, shape }
    }

    /// Finest first.
    pub(crate) fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The grid after `levels` splittings.
    pub(crate) fn shape_after(&self, levels: usize) -> [usize; 3] {
        match levels {
            0 => self.shape,
            n => self.levels[n - 1].low_shape(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_the_grid_once() {
        for shape in [[103, 94, 161], [500, 500, 100], [1, 64, 9], [7, 7, 7]] {
            let pyramid = Pyramid::new(shape);
            let volume = |s: [usize; 3]| s.iter().product::<usize>();
            let high: usize = pyramid
                .levels()
                .iter()
                .map(|l| l.orientations().map(|o| volume(l.band_shape(o))).sum::<usize>())
                .sum();
            let levels = pyramid.levels().len();
            assert_eq!(high + volume(pyramid.shape_after(levels)), volume(shape));
            assert!(pyramid.shape_after(levels).iter().all(|&n| n < SHORTEST_SPLIT), "{pyramid:?}");
        }
        assert_eq!(Pyramid::new([500, 500, 100]).levels()[4].split, [true, true, false]);
    }
}
