//! A series that is read box by box, out of a temporary file that its slices are decoded to, a few at a time.

use super::pixels::{Padding, PixelReader};
use super::say_that_padding_covers;
use super::wanted::WantedVolume;
use crate::error::Result;
use crate::io::OpenOptions;
use crate::io::located::{FoundSource, Temporary};
use crate::io::rescale::Range;
use crate::volume::{Samples, Source, Volume, VolumeHeader};
use std::path::Path;

/// Decoded slices in memory have no more bytes than this together, unless one has. In tests they are small.
const BATCH_BYTES: usize = if cfg!(test) { 100 } else { 1 << 25 };

/// What reads a volume that is not resampled.
pub(super) fn of(path: &Path, wanted: WantedVolume, options: &OpenOptions) -> Result<FoundSource> {
    let shape = wanted.shape();
    let unpacked = wanted.pixels(path, options)?.sample_type();
    let (path, options) = (path.to_owned(), options.clone());
    Ok(FoundSource::unpacked(shape, unpacked, move |folder: &Path| {
        let stack = wanted.measure(&path, &options)?;
        let pixels = PixelReader::new(&path, &stack.slices, wanted.component, &options)?;
        let stored = pixels.sample_type();
        let mut temporary = Temporary::create(folder, &path, shape, unpacked)?;
        let mut range = Range::EMPTY;
        let mut padding: Option<Padding> = None;
        let slice_bytes = shape[0] * shape[1] * stored.size();
        let batch = (BATCH_BYTES / slice_bytes.max(1)).clamp(1, 4 * rayon::current_num_threads());
        for first in (0..shape[2]).step_by(batch) {
            let (samples, padded) = pixels.read(first..shape[2].min(first + batch))?;
            range.add(&samples);
            padding = Padding::merge(padding, padded);
            temporary.append(&samples)?;
        }
        let (shift, sample_type) = pixels.shift(range);
        let mut described = Volume::new(Samples::zeros(sample_type, 1), [1; 3])?;
        let header = |described: &Volume| VolumeHeader { shape, ..VolumeHeader::of(described) };
        let mut source = temporary.source(stored, header(&described))?.rescaled(shift, sample_type);
        if let Some(padding) = padding {
            // As the samples are when they are shifted.
            let count = || -> Result<u64> {
                (0..shape[2])
                    .step_by(batch)
                    .map(|z| {
                        let depth = batch.min(shape[2] - z);
                        Ok(padding.count(&source.read([0, 0, z], [shape[0], shape[1], depth])?))
                    })
                    .sum()
            };
            match padding.covers_measurements(count)? {
                true => say_that_padding_covers(&path, padding),
                false => padding.mask(&mut described),
            }
        }
        wanted.describe(&mut described, &stack, pixels.rescale(), &options);
        *source.header_mut() = header(&described);
        Ok(source)
    }))
}
