//! The voxels that a trainer learns from, and the order in which it sees them.

/// A volume's voxels as training sees them, for a trainer that draws from its own copy.
pub trait Voxels: Sync {
    /// Voxels along x, y, z.
    fn shape(&self) -> [usize; 3];
    /// Measurements scaled to 0..1, NaN where masked: voxels `first..first + out.len()`, x fastest.
    fn values(&self, first: usize, out: &mut [f32]);
    /// What the order of every epoch follows from: [`Permutation::new`].
    fn seed(&self) -> u64;
}

/// A pseudo-random permutation of `0..len`: rounds of multiplication, addition and xor-shift, each a bijection of the
/// numbers of `bits` bits, repeated until the result is below `len` (cycle walking; Black & Rogaway 2002).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permutation {
    pub(crate) len: u64,
    pub(crate) mask: u64,
    pub(crate) shift: u32,
    /// Factor and offset of each round.
    pub(crate) keys: [(u64, u64); 4],
}

impl Permutation {
    /// The order of `len` voxels in an epoch. The keys come from a hash of seed and epoch, never from an earlier epoch's
    /// numbers.
    pub fn new(len: u64, seed: u64, epoch: u64) -> Self {
        let bits = (64 - (len - 1).leading_zeros()).max(2);
        let key = |round: u64| {
            let mixed = hash(hash(hash(seed) ^ epoch) ^ round);
            (mixed | 1, hash(mixed))
        };
        Self { len, mask: u64::MAX >> (64 - bits), shift: bits.div_ceil(2), keys: [0, 1, 2, 3].map(key) }
    }

    /// What `index` becomes.
    pub fn apply(&self, index: u64) -> u64 {
        let mut x = index;
        loop {
            for (factor, offset) in self.keys {
                x = x.wrapping_mul(factor).wrapping_add(offset) & self.mask;
                x ^= x >> self.shift;
            }
            if x < self.len {
                return x;
            }
        }
    }
}

/// SplitMix64's finaliser (Steele, Lea & Flood 2014).
pub(crate) fn hash(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_sees_every_voxel_once() {
        for len in [1, 2, 3, 1000, 4097, 65536] {
            for epoch in [0, 1, 17] {
                let permutation = Permutation::new(len, 5, epoch);
                let mut seen = vec![false; len as usize];
                for i in 0..len {
                    let voxel = permutation.apply(i) as usize;
                    assert!(
                        !std::mem::replace(&mut seen[voxel], true),
                        "{voxel} twice in epoch {epoch} of {len}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_batch_is_spread_evenly_and_epochs_differ() {
        const LEN: u64 = 1 << 22;
        let (first, second) = (Permutation::new(LEN - 77, 1, 0), Permutation::new(LEN - 77, 1, 1));
        let mut bins = [0f64; 64];
        let mut pairs = [0f64; 64];
        for i in 0..6400 {
            let voxel = first.apply(i);
            bins[(voxel * 64 / LEN) as usize] += 1.0;
            // Successive draws: neighbours in the sequence are not neighbours in space.
            pairs[((voxel.wrapping_sub(first.apply(i + 1)) & (LEN - 1)) * 64 / LEN) as usize] += 1.0;
            assert_ne!(voxel, second.apply(i));
        }
        for counts in [bins, pairs] {
            // Chi-squared with 63 degrees of freedom: 110 is beyond the 99.97 % quantile.
            let chi_squared: f64 = counts.iter().map(|c| (c - 100.0) * (c - 100.0) / 100.0).sum();
            assert!(chi_squared < 110.0, "{chi_squared}: {counts:?}");
        }
    }
}
