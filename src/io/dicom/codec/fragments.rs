//! Where a frame's compressed data lie.

use crate::io::dicom::walk::PixelPlace;
use std::borrow::Cow;

/// The fragments of frame `frame` of `frames`, joined where it has several (PS3.5, section A.4).
pub(super) fn of_frame<'a>(
    pixels: &PixelPlace,
    frames: usize,
    frame: usize,
    file: &'a [u8],
) -> Option<Cow<'a, [u8]>> {
    let PixelPlace::Encapsulated { offsets, fragments } = pixels else { return None };
    let of = |range: &std::ops::Range<usize>| file.get(range.clone());
    if fragments.len() == frames {
        return of(fragments.get(frame)?).map(Cow::Borrowed);
    }
    // A frame begins where the table says, counted from the first item's tag; without a table, where an image begins.
    let first_item = fragments.first()?.start;
    let begins = |index: usize| -> bool {
        let Some(range) = fragments.get(index) else { return false };
        if frames == 1 {
            return index == 0;
        }
        match offsets.as_slice() {
            [] | [_] => of(range).is_some_and(|data| {
                [&b"\xff\xd8\xff"[..], b"\xff\x4f\xff\x51"].iter().any(|start| data.starts_with(start))
            }),
            offsets => offsets.iter().any(|&offset| first_item + offset as usize == range.start),
        }
    };
    let starts: Vec<usize> = (0..fragments.len()).filter(|&index| begins(index)).collect();
    if starts.len() != frames {
        return None;
    }
    let end = starts.get(frame + 1).copied().unwrap_or(fragments.len());
    let parts = fragments.get(*starts.get(frame)?..end)?;
    Some(Cow::Owned(parts.iter().map(of).collect::<Option<Vec<_>>>()?.concat()))
}
