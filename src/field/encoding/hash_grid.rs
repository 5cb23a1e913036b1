//! The multi-resolution hash grid (paper, section 3.1; Mueller et al. 2022).

use crate::field::{GroupKind, ParameterGroup};

/// The multipliers of the spatial hash (equation 4; Teschner et al. 2003, first factor 1 as in Mueller et al. 2022,
/// which keeps neighbours along x in one cache line).
pub(crate) const PRIMES: [u32; 3] = [1, 2_654_435_761, 805_459_861];

/// The hyper-parameters that a hash grid is built from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HashGridShape {
    /// L: number of levels.
    pub levels: usize,
    /// F: features of an entry: 1, 2, 4 or 8.
    pub features: usize,
    /// T: entries of a level's table, a power of two.
    pub table_size: usize,
    /// N_min: cells of the coarsest level along the longest axis.
    pub coarsest: f64,
    /// N_max: cells of the finest level along the longest axis.
    pub finest: f64,
}

/// One level of a hash grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// N_l: cells along each axis; an axis has one vertex more. 0 for an axis of one sample.
    pub resolution: [u32; 3],
    /// Entries of the level's table.
    pub entries: usize,
    /// True when every vertex has an entry of its own, in x-fastest order; else the spatial hash picks it.
    pub dense: bool,
    /// The level's first parameter.
    pub offset: usize,
}

impl Level {
    /// Vertices along each axis.
    pub fn vertices(&self) -> [usize; 3] {
        self.resolution.map(|n| n as usize + 1)
    }

    /// The table entry of a vertex (equation 4 where the level is hashed).
    pub fn entry(&self, vertex: [u32; 3]) -> usize {
        if self.dense {
            let [nx, ny, _] = self.vertices();
            vertex[0] as usize + nx * (vertex[1] as usize + ny * vertex[2] as usize)
        } else {
            let hash = (0..3).fold(0u32, |h, a| h ^ vertex[a].wrapping_mul(PRIMES[a]));
            hash as usize & (self.entries - 1)
        }
    }
}

/// Levels of growing resolution, each a table of feature vectors at the vertices of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct HashGrid {
    levels: Vec<Level>,
    features: usize,
    table_size: usize,
}

/// More levels than any use; a bound for files.
const MAX_LEVELS: usize = 64;
/// A bound for files: 2^26 entries of 8 features are 2 GiB.
const MAX_TABLE: usize = 1 << 26;
const MAX_RESOLUTION: u32 = 1 << 20;

impl HashGrid {
    /// The grid for a volume of `shape` samples. Equations 2 and 3 hold along each axis, with N_min and N_max scaled by
    /// the axis's share of the longest one, so that cells have equal extent in voxels.
    ///
    /// # Panics
    /// When the shape is not one that [`HashGridShape`] allows.
    pub fn new(shape: HashGridShape, volume_shape: [usize; 3]) -> Self {
        let longest = volume_shape.into_iter().max().unwrap_or(1).saturating_sub(1).max(1) as f64;
        let resolutions = (0..shape.levels).map(|l| {
            volume_shape.map(|samples| {
                let share = (samples.saturating_sub(1)) as f64 / longest;
                if share == 0.0 {
                    return 0;
                }
                let coarsest = (shape.coarsest * share).max(1.0);
                let finest = (shape.finest * share).max(coarsest);
                // Equation 2, then equation 3; the sum guards against floor(15.999...).
                let growth = ((finest.ln() - coarsest.ln()) / (shape.levels.max(2) - 1) as f64).exp();
                (coarsest * growth.powi(l as i32) + 1e-9).floor() as u32
            })
        });
        Self::from_resolutions(resolutions.collect(), shape.features, shape.table_size)
            .expect("a hash grid's shape is checked by its caller")
    }

    /// The grid with these cells along x, y, z on each level.
    fn from_resolutions(
        resolutions: Vec<[u32; 3]>,
        features: usize,
        table_size: usize,
    ) -> Result<Self, String> {
        if resolutions.is_empty() || resolutions.len() > MAX_LEVELS {
            return Err(format!("a hash grid has 1 to {MAX_LEVELS} levels, not {}", resolutions.len()));
        }
        if ![1, 2, 4, 8].contains(&features) {
            return Err(format!("a hash grid has 1, 2, 4 or 8 features an entry, not {features}"));
        }
        if !table_size.is_power_of_two() || table_size > MAX_TABLE {
            return Err(format!("a hash table's size is a power of two up to {MAX_TABLE}, not {table_size}"));
        }
        let mut offset = 0;
        let mut levels = Vec::with_capacity(resolutions.len());
        for resolution in resolutions {
            if resolution.iter().any(|&n| n > MAX_RESOLUTION) {
                return Err(format!("a level of {resolution:?} cells is finer than {MAX_RESOLUTION}"));
            }
            let vertices: u64 = resolution.iter().map(|&n| u64::from(n) + 1).product();
            let dense = vertices <= table_size as u64;
            let entries = if dense { vertices as usize } else { table_size };
            levels.push(Level { resolution, entries, dense, offset });
            offset += entries * features;
        }
        Ok(Self { levels, features, table_size })
    }

    /// The levels, coarsest first.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// F: features of an entry.
    pub fn features(&self) -> usize {
        self.features
    }

    pub(super) fn width(&self) -> usize {
        self.levels.len() * self.features
    }

    pub(super) fn parameter_count(&self) -> usize {
        self.levels.iter().map(|l| l.entries * self.features).sum()
    }

    pub(super) fn groups(&self) -> Vec<ParameterGroup> {
        let group = |level: &Level| ParameterGroup {
            range: level.offset..level.offset + level.entries * self.features,
            kind: GroupKind::Features,
            row: self.features,
            lattice: if level.dense { level.vertices() } else { [level.entries, 1, 1] },
        };
        self.levels.iter().map(group).collect()
    }

    pub(super) fn describe(&self) -> String {
        let ends = |l: &Level| format!("{}x{}x{}", l.resolution[0], l.resolution[1], l.resolution[2]);
        format!(
            "hash-grid L={} F={} T={} N={}..{}",
            self.levels.len(),
            self.features,
            self.table_size,
            ends(&self.levels[0]),
            ends(&self.levels[self.levels.len() - 1])
        )
    }

    pub(super) fn write_descriptor(&self, out: &mut Vec<u8>) {
        out.push(self.levels.len() as u8);
        out.push(self.features as u8);
        out.push(self.table_size.trailing_zeros() as u8);
        for level in &self.levels {
            for n in level.resolution {
                out.extend(n.to_le_bytes());
            }
        }
    }

    pub(super) fn parse_descriptor(bytes: &[u8]) -> Result<Self, String> {
        let [levels, features, log2_table, rest @ ..] = bytes else {
            return Err("the hash grid's descriptor is too short".into());
        };
        if rest.len() != usize::from(*levels) * 12 {
            return Err("the hash grid's descriptor does not have one resolution a level".into());
        }
        if *log2_table > 26 {
            return Err(format!("a hash table of 2^{log2_table} entries is too large"));
        }
        let resolutions = rest
            .chunks_exact(12)
            .map(|level| {
                std::array::from_fn(|a| {
                    u32::from_le_bytes([level[4 * a], level[4 * a + 1], level[4 * a + 2], level[4 * a + 3]])
                })
            })
            .collect();
        Self::from_resolutions(resolutions, usize::from(*features), 1 << log2_table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> HashGridShape {
        HashGridShape { levels: 5, features: 4, table_size: 1 << 13, coarsest: 8.0, finest: 80.0 }
    }

    #[test]
    fn resolutions_follow_equations_2_and_3_along_each_axis() {
        let grid = HashGrid::new(shape(), [103, 94, 161]);
        // b = (80/8)^(1/4) = 1.7783 along z, the longest axis; x spans 102/160 of it.
        let z: Vec<u32> = grid.levels().iter().map(|l| l.resolution[2]).collect();
        assert_eq!(z, [8, 14, 25, 44, 80]);
        let x: Vec<u32> = grid.levels().iter().map(|l| l.resolution[0]).collect();
        assert_eq!(x, [5, 9, 16, 28, 51]);
    }

    #[test]
    fn levels_that_fit_their_table_are_dense() {
        let grid = HashGrid::new(shape(), [103, 94, 161]);
        for level in grid.levels() {
            let vertices: usize = level.vertices().iter().product();
            assert_eq!(level.dense, vertices <= 1 << 13);
            assert_eq!(level.entries, vertices.min(1 << 13));
        }
        assert!(grid.levels()[0].dense && !grid.levels()[4].dense);
    }

    #[test]
    fn an_axis_of_one_sample_has_one_vertex() {
        let grid = HashGrid::new(shape(), [64, 64, 1]);
        assert!(grid.levels().iter().all(|l| l.vertices()[2] == 1));
    }

    #[test]
    fn the_hash_is_equation_4() {
        let grid = HashGrid::new(shape(), [103, 94, 161]);
        let level = grid.levels()[4];
        let expected = (7u32 ^ 11u32.wrapping_mul(2_654_435_761) ^ 13u32.wrapping_mul(805_459_861)) & 8191;
        assert_eq!(level.entry([7, 11, 13]), expected as usize);
    }

    #[test]
    fn descriptors_round_trip_and_nonsense_is_refused() {
        let grid = HashGrid::new(shape(), [103, 94, 161]);
        let mut bytes = Vec::new();
        grid.write_descriptor(&mut bytes);
        assert_eq!(HashGrid::parse_descriptor(&bytes), Ok(grid));
        assert!(HashGrid::parse_descriptor(&bytes[..bytes.len() - 1]).is_err());
        bytes[1] = 3;
        assert!(HashGrid::parse_descriptor(&bytes).unwrap_err().contains("features"));
    }
}
