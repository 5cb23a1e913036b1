//! A focus: cells of the volume around which coefficients have a step of their own.

use super::BlockGrid;
use crate::codec::{BitModel, RangeDecoder, RangeEncoder};
use crate::wavelet::Window;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Voxels along a cell's edge.
pub(crate) const FOCUS_EDGE: usize = 8;

/// Coefficients this many places beside a cell have its step, too: what is left of their errors in the cell is little.
const REACH: usize = 1;

/// A stream has a byte for so many cells at least.
const MOST_CELLS_A_BYTE: usize = 8192;

/// Where a latent grid has another step, and which.
#[derive(Clone)]
pub(crate) struct Focus {
    /// What a number counts there.
    pub(crate) step: f32,
    pub(crate) cells: Arc<FocusCells>,
}

/// The cells of a volume, of which some are in the focus.
pub(crate) struct FocusCells {
    /// Cells along each axis.
    counts: [usize; 3],
    stream: Vec<u8>,
    /// Decoded on first use.
    inside: OnceLock<Inside>,
}

/// The cells that are in the focus, in the box that they span.
struct Inside {
    span: Window,
    /// How many of the cells before a corner of the box's cells, along all axes, are in the focus: a table of
    /// one more than the box has cells, along each axis.
    sums: Vec<u32>,
}

impl FocusCells {
    /// The cells of a volume of `shape` of which `is_inside` says that they are in the focus.
    pub(crate) fn new(shape: [usize; 3], is_inside: impl Fn([usize; 3]) -> bool) -> Self {
        let counts = shape.map(|n| n.div_ceil(FOCUS_EDGE));
        let mut coder = RangeEncoder::new();
        let inside = code(counts, |cell, model| {
            let inside = is_inside(cell);
            model.encode(&mut coder, inside);
            inside
        });
        let inside = OnceLock::from(Inside::new(counts, &inside));
        let mut stream = coder.finish();
        stream.resize(stream.len().max(Self::least_bytes(counts)), 0);
        Self { counts, stream, inside }
    }

    /// The cells of a volume of `shape`, as a file has them.
    ///
    /// # Errors
    /// When the stream is too short for so many.
    pub(crate) fn from_stream(shape: [usize; 3], stream: Vec<u8>) -> Result<Self, String> {
        let counts = shape.map(|n| n.div_ceil(FOCUS_EDGE));
        if stream.len() < Self::least_bytes(counts) {
            return Err(format!(
                "a focus of {} bytes is too short for {} cells",
                stream.len(),
                counts.iter().product::<usize>()
            ));
        }
        Ok(Self { counts, stream, inside: OnceLock::new() })
    }

    fn least_bytes(counts: [usize; 3]) -> usize {
        counts.iter().product::<usize>() / MOST_CELLS_A_BYTE
    }

    pub(crate) fn stream(&self) -> &[u8] {
        &self.stream
    }

    /// Bytes that decoding takes at its height.
    pub(crate) fn decoding_bytes(&self) -> u64 {
        5 * self.counts.iter().product::<usize>() as u64
    }

    fn inside(&self) -> &Inside {
        self.inside.get_or_init(|| {
            let mut coder = RangeDecoder::new(&self.stream);
            Inside::new(self.counts, &code(self.counts, |_, model| model.decode(&mut coder)))
        })
    }

    /// True where a cell that a window of voxels meets is in the focus.
    pub(crate) fn meets(&self, voxels: Window) -> bool {
        self.inside().has_any(cells_of(voxels))
    }

    /// True for a voxel of a cell in the focus.
    pub(crate) fn contains(&self, voxel: [usize; 3]) -> bool {
        self.meets(Window { start: voxel, end: voxel.map(|n| n + 1) })
    }

    /// Calls `each` with stretches along x of the voxels of a window that are in the focus: their places in the window, x fastest.
    pub(crate) fn stretches(&self, window: Window, mut each: impl FnMut(Range<usize>)) {
        let [nx, ny, _] = window.shape();
        for z in window.start[2]..window.end[2] {
            for y in window.start[1]..window.end[1] {
                let row = nx * (y - window.start[1] + ny * (z - window.start[2]));
                let mut x = window.start[0];
                while x < window.end[0] {
                    let end = (x / FOCUS_EDGE * FOCUS_EDGE + FOCUS_EDGE).min(window.end[0]);
                    if self.contains([x, y, z]) {
                        each(row + x - window.start[0]..row + end - window.start[0]);
                    }
                    x = end;
                }
            }
        }
    }
}

fn cells_of(voxels: Window) -> Window {
    Window { start: voxels.start.map(|n| n / FOCUS_EDGE), end: voxels.end.map(|n| n.div_ceil(FOCUS_EDGE)) }
}

/// Codes whether each cell is in the focus, by those before it along x, y and z.
fn code(counts: [usize; 3], mut decide: impl FnMut([usize; 3], &mut BitModel) -> bool) -> Vec<bool> {
    let [nx, ny, nz] = counts;
    let mut models = [BitModel::new(); 8];
    let mut inside = vec![false; nx * ny * nz];
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let at = x + nx * (y + ny * z);
                let before = [(x > 0, 1), (y > 0, nx), (z > 0, nx * ny)];
                let context = before.iter().enumerate().fold(0, |context, (bit, &(exists, back))| {
                    context | usize::from(exists && inside[at - back]) << bit
                });
                inside[at] = decide([x, y, z], &mut models[context]);
            }
        }
    }
    inside
}

impl Inside {
    fn new(counts: [usize; 3], inside: &[bool]) -> Self {
        let [nx, ny, _] = counts;
        let mut span = Window { start: counts, end: [0; 3] };
        for at in (0..inside.len()).filter(|&at| inside[at]) {
            let cell = [at % nx, at / nx % ny, at / nx / ny];
            for (a, &n) in cell.iter().enumerate() {
                span.start[a] = span.start[a].min(n);
                span.end[a] = span.end[a].max(n + 1);
            }
        }
        if span.end == [0; 3] {
            return Self { span: Window { start: [0; 3], end: [0; 3] }, sums: Vec::new() };
        }
        let [sx, sy, sz] = span.shape().map(|n| n + 1);
        let mut sums = vec![0u32; sx * sy * sz];
        for z in 1..sz {
            for y in 1..sy {
                let mut row = 0;
                for x in 1..sx {
                    let [i, j, k] = span.start;
                    row += u32::from(inside[x - 1 + i + nx * (y - 1 + j + ny * (z - 1 + k))]);
                    let at = x + sx * (y + sy * z);
                    sums[at] = row + sums[at - sx] + sums[at - sx * sy] - sums[at - sx - sx * sy];
                }
            }
        }
        Self { span, sums }
    }

    /// True where a cell of a window is in the focus.
    fn has_any(&self, cells: Window) -> bool {
        let common = cells.common(self.span);
        if common.is_empty() {
            return false;
        }
        let [sx, sy, _] = self.span.shape().map(|n| n + 1);
        let [x, y, z] =
            [0, 1, 2].map(|a| [common.start[a] - self.span.start[a], common.end[a] - self.span.start[a]]);
        let sum = |i: usize, j: usize, k: usize| self.sums[x[i] + sx * (y[j] + sy * z[k])];
        // Grouped so that no difference is below 0.
        let plane = |k: usize| (sum(1, 1, k) - sum(0, 1, k)) - (sum(1, 0, k) - sum(0, 0, k));
        plane(1) > plane(0)
    }
}

/// The steps of a level's bands, or of the last low band.
pub(crate) struct BandSteps<'a> {
    step: f32,
    focus: Option<FocusOfLevel<'a>>,
}

struct FocusOfLevel<'a> {
    step: f32,
    inside: &'a Inside,
    /// How often each axis is split by the levels up to this one.
    splits: [usize; 3],
}

impl<'a> BandSteps<'a> {
    /// Of a grid of `step` and a focus. What is behind the last level is the last low band, which has the focus' step.
    pub(crate) fn new(grid: &BlockGrid, level: usize, step: f32, focus: Option<&'a Focus>) -> Self {
        let levels = grid.pyramid().levels();
        let Some(focus) = focus else { return Self { step, focus: None } };
        let Some(up_to) = levels.get(..=level) else { return Self { step: focus.step, focus: None } };
        let splits = std::array::from_fn(|a| up_to.iter().filter(|level| level.split[a]).count());
        Self { step, focus: Some(FocusOfLevel { step: focus.step, inside: focus.cells.inside(), splits }) }
    }

    /// The step of a coefficient.
    pub(crate) fn at(&self, place: [usize; 3]) -> f32 {
        let one = Window { start: place, end: place.map(|n| n + 1) };
        self.focus.as_ref().filter(|focus| focus.meets(one)).map_or(self.step, |focus| focus.step)
    }

    /// The step of all coefficients in a window, where no other is among them for sure.
    pub(crate) fn of_all(&self, window: Window) -> Option<f32> {
        let is_met = self.focus.as_ref().is_some_and(|focus| focus.meets(window));
        (!is_met).then_some(self.step)
    }

    /// Multiplies or divides, or whatever `apply` does, each of a window's values, x fastest, by its step.
    pub(crate) fn each<T>(&self, window: Window, values: &mut [T], mut apply: impl FnMut(&mut T, f32)) {
        if let Some(step) = self.of_all(window) {
            return values.iter_mut().for_each(|value| apply(value, step));
        }
        let [nx, ny, _] = window.shape();
        for (row, values) in values.chunks_mut(nx.max(1)).enumerate() {
            let [y, z] = [window.start[1] + row % ny, window.start[2] + row / ny];
            for (x, value) in (window.start[0]..).zip(values) {
                apply(value, self.at([x, y, z]));
            }
        }
    }
}

impl FocusOfLevel<'_> {
    /// True where a coefficient of a window of the level's bands reaches a cell in the focus.
    fn meets(&self, window: Window) -> bool {
        self.inside.has_any(cells_of(Window {
            start: std::array::from_fn(|a| window.start[a].saturating_sub(REACH) << self.splits[a]),
            end: std::array::from_fn(|a| (window.end[a] + REACH) << self.splits[a]),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ball(cell: [usize; 3]) -> bool {
        let [x, y, z] = cell.map(|n| n as f64);
        (x - 5.0).powi(2) + (y - 4.0).powi(2) + (z - 2.0).powi(2) < 5.0
    }

    #[test]
    fn cells_come_back_and_cost_little() {
        for shape in [[150, 100, 35], [9, 1, 1], [8, 8, 8]] {
            let cells = FocusCells::new(shape, ball);
            assert!(cells.stream().len() < 60, "{}", cells.stream().len());
            let back = FocusCells::from_stream(shape, cells.stream().to_vec()).unwrap();
            let [nx, ny, nz] = cells.counts;
            for at in 0..nx * ny * nz {
                let cell = [at % nx, at / nx % ny, at / nx / ny];
                let voxel: [usize; 3] = std::array::from_fn(|a| (cell[a] * FOCUS_EDGE + 3).min(shape[a] - 1));
                assert_eq!([cells.contains(voxel), back.contains(voxel)], [ball(cell); 2], "{cell:?}");
            }
        }
        let nowhere = FocusCells::new([300, 200, 70], |_| false);
        assert!(!nowhere.meets(Window { start: [0; 3], end: [300, 200, 70] }));
        assert!(FocusCells::from_stream([1 << 20, 256, 256], vec![0; 99]).is_err());
    }

    #[test]
    fn a_window_is_met_where_one_of_its_cells_is() {
        let shape = [80, 65, 35];
        let cells = FocusCells::new(shape, ball);
        let mut state = 7usize;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let (mut met, mut missed) = (0, 0);
        for _ in 0..300 {
            let start = shape.map(&mut random);
            let end = std::array::from_fn(|a| (start[a] + 1 + random(15)).min(shape[a]));
            let window = Window { start, end };
            let [nx, ny, _] = window.shape();
            let mut expected = vec![false; window.len()];
            for (i, expected) in expected.iter_mut().enumerate() {
                let [x, y, z] = [i % nx + start[0], i / nx % ny + start[1], i / nx / ny + start[2]];
                *expected = ball([x / FOCUS_EDGE, y / FOCUS_EDGE, z / FOCUS_EDGE]);
            }
            let mut found = vec![false; window.len()];
            cells.stretches(window, |stretch| found[stretch].fill(true));
            assert_eq!(found, expected);
            assert_eq!(cells.meets(window), expected.contains(&true));
            (met, missed) =
                (met + usize::from(cells.meets(window)), missed + usize::from(!cells.meets(window)));
        }
        assert!(met > 20 && missed > 20);
    }

    #[test]
    fn coefficients_have_the_step_of_the_cells_beside_them() {
        let grid = BlockGrid::new([80, 65, 35]);
        let cells = Arc::new(FocusCells::new([80, 65, 35], |cell| cell == [4, 2, 1]));
        let focus = Focus { step: 0.25, cells };
        let steps = |level| BandSteps::new(&grid, level, 1.0, Some(&focus));
        // Voxels 32 to 39 along x: coefficients 16 to 19 of the finest level and one more on either side.
        let along_x = |level: usize, y: usize, z: usize| -> Vec<usize> {
            (0..40 >> level).filter(|&x| steps(level).at([x, y, z]) == 0.25).collect()
        };
        assert_eq!(along_x(0, 8, 4), (15..=20).collect::<Vec<_>>());
        assert_eq!(along_x(1, 4, 2), (7..=10).collect::<Vec<_>>());
        assert_eq!(along_x(2, 2, 1), (3..=5).collect::<Vec<_>>());
        assert!(along_x(0, 6, 4).is_empty() && !along_x(0, 7, 4).is_empty());
        assert_eq!(steps(0).of_all(Window { start: [0; 3], end: [15, 30, 15] }), Some(1.0));
        assert_eq!(steps(0).of_all(Window { start: [0; 3], end: [16, 30, 15] }), None);
        assert_eq!(steps(grid.pyramid().levels().len()).at([0; 3]), 0.25, "the last low band");
        let window = Window { start: [13, 6, 3], end: [22, 9, 5] };
        let mut values = vec![0.0; window.len()];
        steps(0).each(window, &mut values, |value, step| *value = step);
        let [nx, ny, _] = window.shape();
        for (i, value) in values.into_iter().enumerate() {
            let place = [i % nx + 13, i / nx % ny + 6, i / nx / ny + 3];
            assert_eq!(value, steps(0).at(place), "{place:?}");
        }
    }
}
