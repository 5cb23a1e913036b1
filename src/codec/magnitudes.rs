//! Magnitudes of coefficients, as contexts see them.

/// Edge of a cell: cells of zeros are told at once.
pub(super) const CELL: usize = 4;

/// Zeros around magnitudes, so that neighbours need no check.
pub(super) const MARGIN: usize = 2;

/// A number as a context: quantised in about two steps an octave. 0 to 4, 6, 8, 12, 16, ... are the least numbers of their steps.
pub(super) fn quantised(n: u32, most: usize) -> usize {
    let step = match n {
        0..4 => n as usize,
        _ => {
            let log = n.ilog2();
            (2 * log + (n >> (log - 1) & 1)) as usize
        }
    };
    step.min(most)
}

/// Magnitudes of a box of coefficients, up to 255, with a margin of zeros.
#[derive(Debug, Clone)]
pub(crate) struct Magnitudes {
    pub(super) shape: [usize; 3],
    pub(super) values: Vec<u8>,
}

impl Magnitudes {
    pub(crate) fn new(shape: [usize; 3]) -> Self {
        let len = shape.iter().map(|n| n + 2 * MARGIN).product();
        Self { shape, values: vec![0; len] }
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.values.len()
    }

    pub(super) fn steps(&self) -> [usize; 3] {
        let [nx, ny, _] = self.shape.map(|n| n + 2 * MARGIN);
        [1, nx, nx * ny]
    }

    pub(super) fn index(&self, [x, y, z]: [usize; 3]) -> usize {
        let [_, sy, sz] = self.steps();
        (x + MARGIN) + sy * (y + MARGIN) + sz * (z + MARGIN)
    }

    /// The magnitudes in a box of these, with what lies around it.
    pub(crate) fn window(&self, start: [usize; 3], end: [usize; 3]) -> Self {
        let shape = std::array::from_fn(|a| end[a] - start[a]);
        let mut window = Self::new(shape);
        let [nx, ny, nz] = shape.map(|n| n + 2 * MARGIN);
        let [_, sy, sz] = self.steps();
        for z in 0..nz {
            for y in 0..ny {
                let from = start[0] + sy * (start[1] + y) + sz * (start[2] + z);
                window.values[nx * (y + ny * z)..][..nx].copy_from_slice(&self.values[from..from + nx]);
            }
        }
        window
    }

    /// Adds another box's magnitudes, whose shape is not larger.
    pub(crate) fn add(&mut self, other: &Self) {
        for z in 0..other.shape[2] {
            for y in 0..other.shape[1] {
                let (to, from) = (self.index([0, y, z]), other.index([0, y, z]));
                let row = &other.values[from..from + other.shape[0]];
                for (to, &from) in self.values[to..].iter_mut().zip(row) {
                    *to = to.saturating_add(from);
                }
            }
        }
    }

    /// Twice the magnitude at an index and those of its six neighbours.
    #[inline(always)]
    pub(super) fn around(&self, index: usize, [_, sy, sz]: [usize; 3]) -> u32 {
        let m = |i: usize| u32::from(self.values[i]);
        2 * m(index)
            + m(index - 1)
            + m(index + 1)
            + m(index - sy)
            + m(index + sy)
            + m(index - sz)
            + m(index + sz)
    }
}
