//! A volume of which a reader has found everything but the samples.

use super::pieces::{TextForm, numbers_of_text, samples_of_bytes};
use super::{FileSource, FoundSource, Temporary};
use crate::error::{Error, Result};
use crate::io::elements::{ByteOrder, FilePart, StoredType, WideRange};
use crate::io::progress::Counter;
use crate::io::reading::Reading;
use crate::io::rescale::{Range, Rescale};
use crate::io::{self, OpenOptions};
use crate::volume::{SampleType, Samples, Volume, VolumeHeader};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where a volume's samples lie.
pub(in crate::io) struct Located {
    pub(in crate::io) path: PathBuf,
    /// Where the first volume begins.
    pub(in crate::io) offset: u64,
    pub(in crate::io) stored: StoredType,
    pub(in crate::io) order: ByteOrder,
    pub(in crate::io) part: FilePart,
    pub(in crate::io) shape: [usize; 3],
    /// The volume but for its samples, of which it has one.
    pub(in crate::io) described: Volume,
    pub(in crate::io) declares_spacing: [bool; 3],
}

/// What the samples are read from.
pub(in crate::io) enum Content {
    /// The file, where they lie as they are from [`Located::offset`] on.
    InPlace,
    /// Their bytes, behind so many that are left out first.
    Bytes(Box<dyn Read>, u64),
    /// Numbers in words.
    Text(Box<dyn Read>, TextForm),
}

/// A volume whose samples have been found, and not read.
pub(in crate::io) struct Unread {
    pub(in crate::io) located: Located,
    pub(in crate::io) rescale: Rescale,
    pub(in crate::io) content: Content,
}

impl From<Located> for Unread {
    fn from(located: Located) -> Self {
        Self { located, rescale: Rescale::NONE, content: Content::InPlace }
    }
}

/// A stand-in for a volume of which nothing was read, to be described.
pub(in crate::io) fn stand_in(stored: StoredType) -> Result<Volume> {
    Volume::new(Samples::zeros(unpacked_type(stored), 1), [1; 3])
}

/// The type of samples in a temporary file; of 64-bit integers, one as long as those that they are narrowed to.
fn unpacked_type(stored: StoredType) -> SampleType {
    match stored {
        StoredType::Kept(sample_type) => sample_type,
        StoredType::I64 | StoredType::U64 => SampleType::I32,
    }
}

impl Unread {
    /// The source that reads the samples; `path` is the input's.
    pub(in crate::io) fn found(self, path: &Path, options: &OpenOptions) -> Result<FoundSource> {
        let Self { located, rescale, content } = self;
        let Located { path: data, offset, stored, order, part, shape, described, declares_spacing } = located;
        let volume = Reading { volume: described, declares_spacing }.volume_with(path, options.spacing)?;
        let header = VolumeHeader { shape, ..VolumeHeader::of(&volume) };
        let kept = match (&content, stored) {
            (Content::InPlace, StoredType::Kept(kept)) => Some(kept),
            _ => None,
        };
        let (input, options) = (path.to_owned(), options.clone());
        let open = move |folder: &Path| {
            let pieces = PiecesOf { data: &data, options: &options, stored, order, part };
            let Some(kept) = kept else {
                let mut temporary = Temporary::create(folder, &input, shape, unpacked_type(stored))?;
                let mut range = Range::EMPTY;
                let (sample_type, wide) = pieces.of(content, offset, &mut |samples| {
                    if rescale != Rescale::NONE {
                        range.add(&samples);
                    }
                    temporary.append(&samples)
                })?;
                if !matches!(stored, StoredType::Kept(_)) {
                    range = Range { low: wide.low as f64, high: wide.high as f64 };
                    io::say_what_is_narrowed(&input, stored.name(), sample_type);
                }
                let source = temporary.source(sample_type, header)?;
                return Ok(source.rescaled(rescale, rescale.result_type(sample_type, range, 1)));
            };
            let mut range = Range::EMPTY;
            if rescale != Rescale::NONE && rescale.is_integer() && kept.is_integer() {
                pieces.of(content, offset, &mut |samples| {
                    range.add(&samples);
                    Ok(())
                })?;
            }
            let source = FileSource::in_place(&data, offset, kept, order, part, header)?;
            Ok(source.rescaled(rescale, rescale.result_type(kept, range, 1)))
        };
        let unpacked = unpacked_type(stored);
        Ok(match kept {
            Some(kept) => FoundSource::in_place(shape, kept, open),
            None => FoundSource::unpacked(shape, unpacked, open),
        })
    }
}

/// How a volume's samples are read piece by piece.
struct PiecesOf<'a> {
    data: &'a Path,
    options: &'a OpenOptions,
    stored: StoredType,
    order: ByteOrder,
    part: FilePart,
}

impl PiecesOf<'_> {
    /// Passes on the samples: see [`samples_of_bytes`].
    fn of(
        &self,
        content: Content,
        offset: u64,
        each: &mut dyn FnMut(Samples) -> Result<()>,
    ) -> Result<(SampleType, WideRange)> {
        let Self { data: path, options, stored, order, part, .. } = *self;
        let is_text = matches!(content, Content::Text(..));
        let counter = Counter::new(options, super::pieces::count(part, is_text));
        let mut counted = |samples: Samples| {
            each(samples)?;
            counter.advance()
        };
        let (mut reader, skip): (Box<dyn Read>, u64) = match content {
            Content::InPlace => {
                let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
                file.seek(SeekFrom::Start(offset)).map_err(|e| Error::io(path, e))?;
                (Box::new(BufReader::with_capacity(1 << 18, file)), 0)
            }
            Content::Bytes(reader, skip) => (reader, skip),
            Content::Text(mut reader, form) => {
                return numbers_of_text(path, &mut *reader, stored, part, form, &mut counted);
            }
        };
        let skipped = std::io::copy(&mut (&mut reader).take(skip), &mut std::io::sink())
            .map_err(|e| Error::io(path, e))?;
        if skipped < skip {
            return Err(Error::format(
                path,
                format!("the file ends before its samples, which should start at byte {offset}"),
            ));
        }
        let mut samples = part.select(path, &mut *reader, stored)?;
        samples_of_bytes(path, &mut *samples, stored, order, part.count, &mut counted)
    }
}
