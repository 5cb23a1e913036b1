//! Decoded chunks of a volume, kept for the next region.

use super::Region;
use crate::volume::{SampleType, Samples};
use lru::LruCache;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) use crate::container::BRICK_EDGE;

/// A decoded box: a whole cache brick, or as much of one as a region needed. A slice through the volume neither decodes
/// nor keeps more than the slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ChunkKey {
    /// The box, counted in samples of this stride.
    pub(super) region: Region,
    /// Every how many-th voxel is a sample.
    pub(super) stride: usize,
    /// The samples' type.
    pub(super) sample_type: SampleType,
}

impl ChunkKey {
    fn bytes(&self) -> usize {
        self.region.samples(1).iter().product::<usize>() * self.sample_type.size()
    }
}

/// The least recently used chunks go first.
pub(super) struct ChunkCache {
    bound: usize,
    state: Mutex<State>,
}

struct State {
    chunks: LruCache<ChunkKey, Arc<Samples>>,
    bytes: usize,
}

impl ChunkCache {
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, state: Mutex::new(State { chunks: LruCache::unbounded(), bytes: 0 }) }
    }

    /// Bytes that it may hold.
    pub(super) fn bound(&self) -> usize {
        self.bound
    }

    pub(super) fn get(&self, key: &ChunkKey) -> Option<Arc<Samples>> {
        self.state().chunks.get(key).cloned()
    }

    pub(super) fn put(&self, key: ChunkKey, samples: Samples) {
        if key.bytes() > self.bound {
            return;
        }
        let mut state = self.state();
        state.bytes += key.bytes();
        if state.chunks.put(key, Arc::new(samples)).is_some() {
            state.bytes -= key.bytes();
        }
        while state.bytes > self.bound
            && let Some((oldest, _)) = state.chunks.pop_lru()
        {
            state.bytes -= oldest.bytes();
        }
    }

    /// A panic elsewhere leaves chunks that are whole.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(z: usize) -> ChunkKey {
        let region = Region { start: [0, 0, z], end: [10, 10, z + 1] };
        ChunkKey { region, stride: 1, sample_type: SampleType::U16 }
    }

    #[test]
    fn the_least_recently_used_piece_goes_first_and_the_bound_holds() {
        let cache = ChunkCache::new(600);
        for z in 0..3 {
            cache.put(key(z), Samples::U16(vec![z as u16; 100]));
        }
        assert_eq!(cache.get(&key(0)).as_deref(), Some(&Samples::U16(vec![0; 100])));
        cache.put(key(3), Samples::U16(vec![3; 100]));
        assert!(cache.get(&key(1)).is_none(), "the least recently used");
        assert!([0, 2, 3].iter().all(|&z| cache.get(&key(z)).is_some()));
        cache.put(key(3), Samples::U16(vec![3; 100]));
        assert_eq!(cache.state().bytes, 600, "a chunk counts once");
        let other = ChunkKey { stride: 2, ..key(0) };
        assert!(cache.get(&other).is_none());
        let large = ChunkKey { region: Region { start: [0; 3], end: [10, 10, 4] }, ..key(0) };
        cache.put(large, Samples::U16(vec![0; 400]));
        assert!(cache.get(&large).is_none() && cache.get(&key(0)).is_some(), "too large to keep");
    }
}
