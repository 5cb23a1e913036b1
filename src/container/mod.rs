//! The `.nvol` file: header, sections, checksums, versions, limits. FORMAT.md gives every byte.

mod brick_grid;
mod bricks;
mod bytes;
mod dataset;
mod description;
mod focus;
mod integers;
mod latents;
mod model;
mod quality;
mod ranges;
mod sections;
mod step;

pub(crate) use brick_grid::{BRICK_EDGE, BrickGrid};
pub(crate) use bricks::{CodedMask, MaskBrick, MaskBricks};
pub use dataset::ArrayInfo;
pub(crate) use dataset::{DatasetIndex, MOST_COMPONENTS, StoredDataset};
pub use description::Description;
pub(crate) use description::MAX_VOXELS;
pub use focus::{FocusInfo, FocusQuality};
pub(crate) use integers::{IntegerBricks, IntegerScale, Prediction};
pub(crate) use latents::MOST_STEP;
pub(crate) use model::{MAX_PARAMETERS, StoredModel};
pub use quality::{Achieved, Asked, Preset, TargetKind};
pub(crate) use ranges::{
    AROUND, CellGrid, CellRange, CellRanges, MAX_SHARE_OF_RANGES, NOTHING, STEPS, StoredRanges,
};

pub(crate) use step::{Following, StepBefore};

use crate::error::{Error, Result};
use crate::latents::LatentStreams;
use crate::metrics::Fidelity;
use crate::storage::ReadAt;
use crate::volume::{Mask, MaskClass, Samples};
use sections::{SectionReader, SectionWriter};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The format's version that this library writes; it reads this one and those before.
pub const FORMAT_VERSION: u16 = 1;

const VOLUME: &[u8; 4] = b"VOLM";
const PROVENANCE: &[u8; 4] = b"PROV";
const QUALITY: &[u8; 4] = b"QUAL";
const FOCUS: &[u8; 4] = b"FOCS";
const MODEL: &[u8; 4] = b"MODL";
const BRICKS: &[u8; 4] = b"BRIK";
const INTEGERS: &[u8; 4] = b"INTS";
const LATENTS: &[u8; 4] = b"LATG";
const DIFFERENCES: &[u8; 4] = b"DIFF";
const RANGES: &[u8; 4] = b"RANG";
const STEP: &[u8; 4] = b"STEP";
const VOLUMES: &[u8; 4] = b"VOLS";

/// What a volume's samples come from.
#[derive(Clone)]
pub(crate) enum Body {
    /// A network behind an encoding of the position.
    Network(StoredModel),
    /// A value a voxel, in wavelet coefficients.
    Latents(LatentStreams),
    /// The samples themselves, exact or within a bound.
    Integers(IntegerBricks),
    /// A latent grid, and what its samples are off by: within a bound, or exactly in some bricks.
    Corrected(LatentStreams, IntegerBricks),
    /// Exact differences to another component of the same array, whose number comes first.
    Differences(u8, IntegerBricks),
}

impl Body {
    /// Bytes that decoding takes before the first sample.
    pub(crate) fn decoding_bytes(&self) -> u64 {
        match self {
            Body::Network(model) => model.decoding_bytes(),
            Body::Latents(latents) | Body::Corrected(latents, _) => latents.decoding_bytes(),
            Body::Integers(_) | Body::Differences(..) => 0,
        }
    }
}

/// A `.nvol` file's header and index: of one volume, or of several, each of which is such a file itself.
pub(crate) enum File {
    Volume(Box<Contents>),
    Dataset(StoredDataset),
}

impl File {
    /// Reads a file's header and index, and nothing else: streams are read when they are needed, and their checksums are compared
    /// then. `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Section`] with the section's name; [`Error::Format`] when it is no `.nvol` file at all; [`Error::Io`].
    pub(crate) fn read(bytes: Arc<dyn ReadAt>, path: &Path) -> Result<Self> {
        Unread::new(bytes, path)?.read(None)
    }
}

/// A file of which the index was read.
pub(crate) struct Unread<'a> {
    file: SectionReader,
    path: &'a Path,
}

impl<'a> Unread<'a> {
    /// Reads the index.
    ///
    /// # Errors
    /// As for [`File::read`].
    pub(crate) fn new(bytes: Arc<dyn ReadAt>, path: &'a Path) -> Result<Self> {
        Ok(Self { file: SectionReader::new(bytes, path)?, path })
    }

    /// True for a volume that follows the step before.
    pub(crate) fn follows(&self) -> bool {
        self.file.has(STEP)
    }

    /// What the file holds. One that follows another step is read by that.
    ///
    /// # Errors
    /// As for [`File::read`].
    pub(crate) fn read(&self, before: Option<&StepBefore>) -> Result<File> {
        let Self { file, path } = self;
        if !file.has(VOLUMES) {
            return Ok(File::Volume(Box::new(Contents::read(file, path, before)?)));
        }
        if file.has(VOLUME) {
            let what = "a file has a VOLM or a VOLS section, not both".into();
            return Err(Error::Section { path: (*path).to_owned(), section: "file header".into(), what });
        }
        Ok(File::Dataset(file.parse(VOLUMES, |section| StoredDataset::parse(&section))?))
    }
}

/// What a `.nvol` file of one volume holds.
#[derive(Clone)]
pub(crate) struct Contents {
    pub(crate) description: Description,
    /// `None` when every measurement has one value.
    pub(crate) body: Option<Body>,
    /// `None` when no voxel is masked.
    pub(crate) mask: Option<MaskBricks>,
    /// The ranges of cells, where the file has them.
    pub(crate) ranges: Option<StoredRanges>,
    /// What is left to the step before, by whose grid this one's is coded.
    pub(crate) following: Option<Following>,
}

impl Contents {
    /// The file's bytes.
    ///
    /// # Errors
    /// When streams that lie in another file cannot be read.
    pub(crate) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        self.sections().finish()
    }

    /// Writes the file, some megabytes at a time.
    ///
    /// # Errors
    /// When streams that lie in another file cannot be read, or the file cannot be written.
    pub(crate) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.sections().write(out)
    }

    /// Says what was measured.
    pub(crate) fn put_achieved(&mut self, fidelity: &Fidelity) {
        self.description.achieved = self.description.achieved.clone().with(fidelity);
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.sections().bytes()
    }

    fn sections(&self) -> SectionWriter<'_> {
        let mut file = SectionWriter::default();
        if let Some(following) = &self.following {
            file.add(STEP, &following.section(self.description.range));
        }
        let same = self.following.as_ref().and_then(|following| following.same_description.as_ref());
        if same.is_none() {
            file.add(VOLUME, &self.description.volume_section());
        }
        let provenance = same.unwrap_or(&self.description.provenance);
        if !provenance.is_empty() {
            file.add(PROVENANCE, &Description::provenance_section(provenance));
        }
        file.add(QUALITY, &self.description.quality_section());
        if let Some(focus) = &self.description.focus {
            file.add(FOCUS, &focus.section());
        }
        if let Some(ranges) = &self.ranges {
            file.add_with_streams(RANGES, ranges.section(), ranges.streams());
        }
        match &self.body {
            Some(Body::Network(model)) => file.add_with_streams(MODEL, model.section(), model.streams()),
            Some(Body::Latents(latents)) => {
                file.add_with_streams(LATENTS, latents.section(), &latents.streams);
            }
            Some(Body::Integers(integers)) => {
                file.add_with_streams(INTEGERS, integers.section(), integers.streams());
            }
            Some(Body::Corrected(latents, integers)) => {
                file.add_with_streams(LATENTS, latents.section(), &latents.streams);
                file.add_with_streams(INTEGERS, integers.section(), integers.streams());
            }
            Some(Body::Differences(base, integers)) => {
                let section = [&[*base][..], &integers.section()].concat();
                file.add_with_streams(DIFFERENCES, section, integers.streams());
            }
            None => {}
        }
        if let Some(mask) = &self.mask {
            file.add_with_streams(BRICKS, mask.section(), mask.streams());
        }
        file
    }

    fn read(file: &SectionReader, path: &Path, before: Option<&StepBefore>) -> Result<Self> {
        let (following, same) = match file.has(STEP) {
            false => (None, None),
            true => file.parse(STEP, |section| {
                let before = before.ok_or(
                    "it follows another step of a series, and can only be read in the file that it was in",
                )?;
                let (following, same) = Following::parse(&section.alone()?, &before.description)?;
                Ok((Some((following, before)), same))
            })?,
        };
        let is_described = same.is_some();
        let mut description = match same {
            Some(description) => description,
            None => file.parse(VOLUME, |section| Description::parse_volume(&section.alone()?))?,
        };
        if file.has(PROVENANCE) {
            // Beside what the step before has.
            description
                .provenance
                .extend(file.parse(PROVENANCE, |section| Description::parse_provenance(&section.alone()?))?);
        }
        let writer;
        (description.asked, description.achieved, writer) = file.parse(QUALITY, |section| {
            Achieved::parse(&section.alone()?, description.shape, description.range)
        })?;
        if !(is_described && writer.is_empty()) {
            description.writer = writer;
        }
        if file.has(FOCUS) {
            let focus = file.parse(FOCUS, |section| {
                FocusInfo::parse(&section.alone()?, description.shape, description.range)
            })?;
            description.focus = Some(focus);
        }
        let (shape, sample_type) = (description.shape, description.sample_type);
        let damaged = |what: &str| Error::Section {
            path: path.to_owned(),
            section: "file header".into(),
            what: what.into(),
        };
        let latents = || file.parse(LATENTS, |section| LatentStreams::parse(section, shape));
        let integers = || {
            let low = description.range.map_or(0.0, |(low, _)| low);
            file.parse(INTEGERS, |section| IntegerBricks::parse(section, shape, low, sample_type))
        };
        let differences = || {
            file.parse(DIFFERENCES, |section| {
                let (&base, rest) = section.bytes.split_first().ok_or("it is empty")?;
                let section = section.with_bytes(rest);
                Ok((base, IntegerBricks::parse(section, shape, 0.0, sample_type)?))
            })
        };
        if is_described && file.has(VOLUME) {
            return Err(damaged("a description is that of the step before, or its own, not both"));
        }
        let mut body = match [MODEL, LATENTS, INTEGERS, DIFFERENCES].map(|section| file.has(section)) {
            [true, false, false, false] => Some(Body::Network(file.parse(MODEL, StoredModel::parse)?)),
            [false, true, false, false] => Some(Body::Latents(latents()?)),
            [false, true, true, false] => Some(Body::Corrected(latents()?, integers()?)),
            [false, false, true, false] => Some(Body::Integers(integers()?)),
            [false, false, false, true] => {
                let (base, integers) = differences()?;
                if !integers.scale().is_exact() || !sample_type.is_integer() {
                    return Err(damaged("differences of components are exact, and of integers"));
                }
                Some(Body::Differences(base, integers))
            }
            [false, false, false, false] if description.range.is_none_or(|(low, high)| low == high) => None,
            [false, false, false, false] => {
                let what = "the volume is not constant, but there is no MODL, LATG, INTS or DIFF section";
                return Err(damaged(what));
            }
            _ => {
                return Err(damaged(
                    "a file has a MODL section, or a LATG or an INTS section or both, or a DIFF section, not more of them",
                ));
            }
        };
        if let Some((following, before)) = &following {
            let Some(Body::Latents(latents) | Body::Corrected(latents, _)) = &mut body else {
                return Err(damaged("a volume that follows another step has a LATG section"));
            };
            file.parse(STEP, |_| following.attach(latents, &description, before))?;
        }
        let mask = if file.has(BRICKS) {
            Some(file.parse(BRICKS, |section| MaskBricks::parse(section, description.shape))?)
        } else {
            None
        };
        let ranges = match file.has(RANGES) {
            true => Some(file.parse(RANGES, |section| StoredRanges::parse(section, description.shape))?),
            false => None,
        };
        let following = following.map(|(following, _)| following);
        Ok(Self { description, body, mask, ranges, following })
    }

    /// Puts what was achieved into a finished file in place of what it says.
    pub(crate) fn replace_achieved(file: &mut Vec<u8>, description: &Description) {
        sections::replace(file, QUALITY, &description.quality_section());
        if let Some(focus) = &description.focus {
            sections::replace(file, FOCUS, &focus.section());
        }
    }

    /// Bytes that ranges take in a file.
    pub(crate) fn bytes_of_ranges(ranges: &StoredRanges) -> u64 {
        let mut file = SectionWriter::default();
        let without = file.bytes();
        file.add_with_streams(RANGES, ranges.section(), ranges.streams());
        file.bytes() - without
    }

    /// Adds ranges to a finished file that has none.
    ///
    /// # Errors
    /// When their streams cannot be read.
    pub(crate) fn insert_ranges(file: &mut Vec<u8>, ranges: &StoredRanges) -> io::Result<()> {
        sections::insert(file, RANGES, ranges.section(), ranges.streams())
    }

    /// Gives the masked samples of a brick the values that `codes` say.
    pub(crate) fn put_mask(samples: &mut Samples, codes: &[u8], fill_value: Option<f64>) {
        for (i, &code) in codes.iter().enumerate() {
            if let Some(class) = MaskClass::from_code(code) {
                samples.set(i, class.value(fill_value));
            }
        }
    }

    /// The mask as bricks, for a volume of `shape`.
    pub(crate) fn mask_bricks(mask: &Mask, shape: [usize; 3]) -> MaskBricks {
        MaskBricks::encode(mask.codes(), shape)
    }
}
