//! Label volumes (segmentations, atlases): few values in large areas of one, which general compression shrinks far. Where it does so
//! further than the exact file, that is said.

use crate::volume::{Volume, for_each_type};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::collections::BTreeSet;
use std::io::{Error, ErrorKind, Write};

/// More values than this are no labels.
const MOST_LABELS: usize = 4096;
/// The share of samples that are as the one before, in a volume of areas.
const LEAST_EQUAL: f64 = 0.75;
/// Fewer bytes than this are not worth a word.
const WORTH_BYTES: usize = 1024;
/// Samples that are deflated at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Warns where the samples of a label volume take fewer bytes deflated, as in a `.nii.gz`, than in an exact file of so many bytes.
pub(super) fn say_where_deflate_is_smaller(volume: &Volume, file_bytes: usize) {
    let Some(labels) = labels(volume) else { return };
    let most = file_bytes.saturating_sub(WORTH_BYTES);
    let Some(deflated) = deflated_within(volume.samples().as_bytes(), most) else { return };
    log::warn!(
        "a label volume ({labels} values): general compression is better at those, a .nii.gz takes about {deflated} bytes where \
         this file has {file_bytes}"
    );
}

/// How many values a label volume has; none for other volumes.
fn labels(volume: &Volume) -> Option<usize> {
    let size = volume.sample_type().size();
    let bytes = volume.samples().as_bytes();
    let pairs = || bytes.chunks_exact(size).zip(bytes.chunks_exact(size).skip(1));
    let equal = pairs().filter(|(a, b)| a == b).count();
    if (equal as f64) < LEAST_EQUAL * volume.len() as f64 {
        return None;
    }
    let mut found: BTreeSet<u64> = BTreeSet::new();
    for_each_type!(volume.samples(), values => {
        let mut last = None;
        for value in values.iter().map(|v| v.to_f64().to_bits()) {
            // Most are as the one before.
            if last != Some(value) && found.insert(value) && found.len() > MOST_LABELS {
                return None;
            }
            last = Some(value);
        }
    });
    Some(found.len())
}

/// What bytes take deflated, where that is less than so many.
fn deflated_within(bytes: &[u8], most: usize) -> Option<usize> {
    let mut encoder = ZlibEncoder::new(Counter { count: 0, most }, Compression::default());
    for chunk in bytes.chunks(CHUNK_BYTES) {
        encoder.write_all(chunk).ok()?;
    }
    Some(encoder.finish().ok()?.count)
}

/// Counts what it is given, and fails as soon as that is too much.
struct Counter {
    count: usize,
    most: usize,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.count += bytes.len();
        if self.count < self.most { Ok(bytes.len()) } else { Err(Error::from(ErrorKind::FileTooLarge)) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_few_values_in_large_areas() {
        let areas = |count: usize| (0..64usize.pow(3)).map(move |i| (i / 32 * 7919 % count) as f32);
        let volume = |samples: Vec<f32>| Volume::new(samples, [64; 3]).unwrap();
        assert_eq!(labels(&volume(areas(31).collect())), Some(31));
        assert_eq!(labels(&volume(areas(4096).collect())), Some(4096));
        assert_eq!(labels(&volume(areas(4097).collect())), None, "too many values");
        assert_eq!(labels(&volume((0..64usize.pow(3)).map(|i| (i % 31) as f32).collect())), None, "no areas");
    }

    #[test]
    fn deflate_is_compared_as_far_as_it_can_win() {
        let zeros = vec![0; 3 * CHUNK_BYTES + 5];
        let size = deflated_within(&zeros, usize::MAX).unwrap();
        assert!((2000..6000).contains(&size), "{size}");
        assert_eq!(deflated_within(&zeros, size + 1), Some(size));
        assert_eq!(deflated_within(&zeros, size), None);
    }
}
