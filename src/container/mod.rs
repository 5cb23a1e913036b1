//! The `.nvol` file: header, sections, checksums, versions, limits. FORMAT.md gives every byte.

mod brick_grid;
mod bricks;
mod bytes;
mod description;
mod model;
mod sections;
mod whole;

pub use brick_grid::BRICK_EDGE;
pub(crate) use brick_grid::BrickGrid;
pub(crate) use bricks::MaskBricks;
pub(crate) use description::MAX_VOXELS;
pub use description::{Achieved, Description, Preset, TargetKind};
pub(crate) use model::{MAX_PARAMETERS, StoredModel};
pub(crate) use whole::{WholeBricks, WholeScale};

use crate::error::{Error, Result};
use crate::volume::Mask;
use sections::{SectionReader, SectionWriter};
use std::path::Path;

/// The format's version that this library writes; it reads this one and those before.
pub const FORMAT_VERSION: u16 = 1;

const VOLUME: &[u8; 4] = b"VOLM";
const PROVENANCE: &[u8; 4] = b"PROV";
const QUALITY: &[u8; 4] = b"QUAL";
const MODEL: &[u8; 4] = b"MODL";
const PARAMETERS: &[u8; 4] = b"PARM";
const BRICKS: &[u8; 4] = b"BRIK";
const WHOLE: &[u8; 4] = b"WHOL";

/// What a `.nvol` file holds.
pub(crate) struct Contents {
    pub(crate) description: Description,
    /// `None` when every measurement has one value, or `whole` has them.
    pub(crate) model: Option<StoredModel>,
    /// The samples themselves, where they are exact or within a bound.
    pub(crate) whole: Option<WholeBricks>,
    /// `None` when no voxel is masked.
    pub(crate) mask: Option<MaskBricks>,
}

impl Contents {
    /// The file's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut file = SectionWriter::new();
        file.add(VOLUME, self.description.volume_section());
        if !self.description.provenance.is_empty() {
            file.add(PROVENANCE, self.description.provenance_section());
        }
        file.add(QUALITY, self.description.quality_section());
        if let Some(model) = &self.model {
            file.add(MODEL, model.model_section());
            file.add(PARAMETERS, model.parameter_section());
        }
        if let Some(whole) = &self.whole {
            file.add(WHOLE, whole.section());
        }
        if let Some(mask) = &self.mask {
            file.add(BRICKS, mask.section());
        }
        file.finish()
    }

    /// Reads a file's bytes; every checksum is compared before anything is believed. `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Section`] with the section's name; [`Error::Format`] when it is no `.nvol` file at all.
    pub(crate) fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let file = SectionReader::new(bytes, path)?;
        let mut description = file.parse(VOLUME, Description::parse_volume)?;
        if file.has(PROVENANCE) {
            description.provenance = file.parse(PROVENANCE, Description::parse_provenance)?;
        }
        description.achieved = file.parse(QUALITY, Description::parse_quality)?;
        let model = if file.has(MODEL) {
            let model = file.parse(MODEL, StoredModel::parse)?;
            Some(file.parse(PARAMETERS, |section| model.with_streams(section))?)
        } else {
            None
        };
        let low = description.range.map_or(0.0, |(low, _)| low);
        let whole = if file.has(WHOLE) {
            let parse =
                |section: &[u8]| WholeBricks::parse(section, description.shape, low, description.sample_type);
            Some(file.parse(WHOLE, parse)?)
        } else {
            None
        };
        if model.is_none() && whole.is_none() && description.range.is_some_and(|(low, high)| low != high) {
            return Err(Error::Section {
                path: path.to_owned(),
                section: "file header".into(),
                what: "the volume is not constant, but there is neither a MODL nor a WHOL section".into(),
            });
        }
        let mask = if file.has(BRICKS) {
            Some(file.parse(BRICKS, |section| MaskBricks::parse(section, description.shape))?)
        } else {
            None
        };
        Ok(Self { description, model, whole, mask })
    }

    /// The mask as bricks, for a volume of `shape`.
    pub(crate) fn mask_bricks(mask: &Mask, shape: [usize; 3]) -> MaskBricks {
        MaskBricks::encode(mask.codes(), shape)
    }
}
