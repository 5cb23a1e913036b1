//! Every box of a source is that of the volume that is read whole.

use super::*;
use crate::io::elements::StoredType;
use crate::volume::{Samples, Volume, VolumeHeader};

/// Boxes at odd places of a shape, the whole first.
fn boxes(shape: [usize; 3]) -> Vec<([usize; 3], [usize; 3])> {
    let last = shape.map(|n| n - 1);
    let middle = shape.map(|n| n / 2);
    let rest = |start: [usize; 3]| std::array::from_fn(|a| shape[a] - start[a]);
    let inner = shape.map(|n| n.min(1));
    let row = [0, middle[1], last[2]];
    let mut boxes = vec![
        ([0; 3], shape),
        (last, [1; 3]),
        (middle, rest(middle)),
        (row, [shape[0], shape[1] - row[1], 1]),
        ([0, 0, middle[2]], [shape[0], shape[1], shape[2] - middle[2]]),
        ([0; 3], inner),
    ];
    if shape.iter().all(|&n| n > 2) {
        boxes.push(([1; 3], shape.map(|n| n - 2)));
    }
    boxes
}

/// Compares what an input gives as a source with what it gives as a whole: header and boxes, or an error.
pub(in crate::io) fn compare(path: &Path, options: &OpenOptions, whole: &Result<Volume>) {
    let options = OpenOptions { progress: None, ..options.clone() };
    let folder = tempfile::tempdir().unwrap();
    let opened = find_source(path, &options).and_then(|found| {
        let Some(found) = found else { return Ok(None) };
        let (shape, temporary_bytes) = (found.shape(), found.temporary_bytes());
        let source = found.open(folder.path())?;
        assert_eq!(shape, source.header().shape, "{}", path.display());
        let bytes = source.header().stored_bytes();
        assert!(temporary_bytes == 0 || temporary_bytes >= bytes / 8, "{}", path.display());
        let samples = source.read([0; 3], shape)?;
        Ok(Some((source, samples)))
    });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something is left");
    match (whole, opened) {
        (_, Ok(None)) | (Err(_), Err(_)) => {}
        (Ok(whole), Ok(Some((source, samples)))) => {
            assert_eq!(source.header(), VolumeHeader::of(whole), "{}", path.display());
            assert!(same(&samples, whole.samples()), "{}", path.display());
            for (start, size) in boxes(whole.shape()) {
                let expected = Source::read(whole, start, size).unwrap();
                let found = source.read(start, size).unwrap();
                assert!(same(&found, &expected), "{} {start:?} {size:?}", path.display());
            }
        }
        (Err(error), Ok(Some(_))) => panic!("read box by box, but not whole: {error}"),
        (Ok(_), Err(error)) => panic!("read whole, but not box by box: {error}"),
    }
}

/// Bit for bit, NaN included.
fn same(a: &Samples, b: &Samples) -> bool {
    a.sample_type() == b.sample_type() && a.as_bytes() == b.as_bytes()
}
