//! The mask of an open file: bricks decoded when they are asked for, the last few of them kept.

use crate::container::MaskBricks;
use crate::storage::Fault;
use lru::LruCache;
use rayon::prelude::*;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Decoded bricks that are kept: 16 MiB.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).unwrap();

pub(super) struct MaskReader {
    bricks: MaskBricks,
    decoded: Mutex<LruCache<usize, Arc<Vec<u8>>>>,
}

impl MaskReader {
    pub(super) fn new(bricks: MaskBricks) -> Self {
        Self { bricks, decoded: Mutex::new(LruCache::new(KEPT)) }
    }

    pub(super) fn bricks(&self) -> &MaskBricks {
        &self.bricks
    }

    /// A brick's codes.
    pub(super) fn codes(&self, brick: usize) -> Result<Arc<Vec<u8>>, Fault> {
        let kept = || self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(codes) = kept().get(&brick) {
            return Ok(codes.clone());
        }
        // Outside the lock: at worst two threads decode the same.
        let codes = Arc::new(self.bricks.decode(brick)?);
        if self.bricks.uniform(brick).is_none() {
            kept().put(brick, codes.clone());
        }
        Ok(codes)
    }

    /// Calls `each` with every brick that meets the box from `start` to `end` (exclusive) and has masked voxels: the
    /// brick's first voxel, its size and its codes. Decodes on the threads of the pool that this runs on.
    ///
    /// # Errors
    /// When a stream cannot be read, or holds what no encoder writes.
    pub(super) fn visit(
        &self,
        start: [usize; 3],
        end: [usize; 3],
        mut each: impl FnMut([usize; 3], [usize; 3], &[u8]),
    ) -> Result<(), Fault> {
        for batch in self.bricks.meeting(start, end).chunks(KEPT.get() / 2) {
            let codes: Vec<_> = batch.par_iter().map(|&brick| self.codes(brick)).collect();
            for (&brick, codes) in batch.iter().zip(codes) {
                let (start, size) = self.bricks.bounds(brick);
                each(start, size, &codes?);
            }
        }
        Ok(())
    }

    /// For many voxels near each other.
    pub(super) fn cursor(&self) -> MaskCursor<'_> {
        MaskCursor { mask: self, last: None }
    }
}

/// Looks voxels up, and keeps hold of the brick of the last one: points come in crowds.
pub(super) struct MaskCursor<'a> {
    mask: &'a MaskReader,
    last: Option<(usize, Arc<Vec<u8>>)>,
}

impl MaskCursor<'_> {
    /// The code of a voxel.
    ///
    /// # Errors
    /// As for [`MaskReader::visit`].
    pub(super) fn code_at(&mut self, voxel: [usize; 3]) -> Result<u8, Fault> {
        let bricks = &self.mask.bricks;
        let brick = bricks.containing(voxel);
        if let Some(code) = bricks.uniform(brick) {
            return Ok(code);
        }
        let codes = match &self.last {
            Some((last, codes)) if *last == brick => codes,
            _ => &self.last.insert((brick, self.mask.codes(brick)?)).1,
        };
        let (start, size) = bricks.bounds(brick);
        let [x, y, z] = [0, 1, 2].map(|a| voxel[a] - start[a]);
        Ok(codes[x + size[0] * (y + size[1] * z)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_and_visit_give_the_codes() {
        let shape = [150, 70, 66];
        let code =
            |[x, y, z]: [usize; 3]| if x + y > 130 && (x + z) % 3 == 0 { 1 + ((x + y) % 4) as u8 } else { 0 };
        let at = |i: usize| [i % shape[0], i / shape[0] % shape[1], i / shape[0] / shape[1]];
        let codes: Vec<u8> = (0..shape.iter().product()).map(|i| code(at(i))).collect();
        let mask = MaskReader::new(MaskBricks::encode(&codes, shape));
        let mut cursor = mask.cursor();
        for i in (0..codes.len()).step_by(37) {
            assert_eq!(cursor.code_at(at(i)).unwrap(), codes[i], "{:?}", at(i));
        }
        let mut seen = 0;
        for _ in 0..2 {
            mask.visit([60, 50, 0], [150, 70, 66], |start, size, of_brick| {
                assert_eq!(of_brick.len(), size.iter().product::<usize>());
                assert_eq!(of_brick[0], code(start));
                assert_eq!(of_brick[of_brick.len() - 1], code([0, 1, 2].map(|a| start[a] + size[a] - 1)));
                seen += 1;
            })
            .unwrap();
        }
        assert!(seen > 4, "{seen} bricks have masked voxels");
        assert!(mask.decoded.lock().unwrap().len() <= KEPT.get());
    }
}
