//! One slice: an image file, a frame of one, or a tile of a mosaic; what geometry and pixels need, nothing else.

use super::area::Area;
use super::attributes::Attributes;
use super::colour::Colour;
use super::dimension::Traits;
use super::image::Image;
use super::real_world::RealWorldMapping;
use super::spacing::{Depth, PixelSpacing};
use super::value_map::ValueMap;
use crate::error::Result;
use crate::io::rescale::Rescale;
use crate::volume::SampleType;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::sync::Arc;

/// A slice's header.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    pub(super) image: Arc<Image>,
    /// Which frame of the file, from 0.
    pub(super) frame: usize,
    /// The part of the frame that is the slice.
    pub(super) area: Area,
    /// Centre of the first pixel, LPS mm; absent in images that lie nowhere.
    pub(super) position: Option<[f64; 3]>,
    /// Direction of a row (increasing column), then of a column.
    pub(super) orientation: Option<[[f64; 3]; 2]>,
    pub(super) pixel_spacing: PixelSpacing,
    pub(super) depth: Depth,
    /// How its values become real, or why they cannot.
    pub(super) values: Result<ValueMap, String>,
    pub(super) rescale_type: String,
    /// The unit of a parametric map's values, where it says one.
    pub(super) mapped_unit: Option<String>,
    /// Which segment the frame of a segmentation is of.
    pub(super) segment: Option<u32>,
    /// What tells it from others at its position.
    pub(super) traits: Traits,
}

impl Slice {
    pub(super) fn of_frame(image: Arc<Image>, frame: usize, attributes: &Attributes) -> Result<Self> {
        let path = &image.path;
        let vector =
            |numbers: &[f64], at: usize| -> Option<[f64; 3]> { numbers.get(at..at + 3)?.try_into().ok() };
        let grouped = |group: Tag, tag: Tag| attributes.grouped(group, tag).map_err(|e| e.of(path));
        let orientation = grouped(tags::PLANE_ORIENTATION_SEQUENCE, tags::IMAGE_ORIENTATION_PATIENT)?
            .and_then(|cosines| Some([vector(&cosines, 0)?, vector(&cosines, 3)?]));
        let position = grouped(tags::PLANE_POSITION_SEQUENCE, tags::IMAGE_POSITION_PATIENT)?
            .and_then(|position| vector(&position, 0));
        let transformation = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
        let identification = tags::SEGMENT_IDENTIFICATION_SEQUENCE;
        let segment = grouped(identification, tags::REFERENCED_SEGMENT_NUMBER)?;
        let mapping = if image.is_map { Some(RealWorldMapping::of(attributes)) } else { None };
        Ok(Self {
            frame,
            area: Area { left: 0, top: 0, columns: image.columns, rows: image.rows },
            position,
            orientation,
            pixel_spacing: PixelSpacing::of(attributes),
            depth: Depth::of(attributes),
            mapped_unit: mapping
                .as_ref()
                .and_then(|mapping| Some(mapping.as_ref().ok()?.as_ref()?.unit.clone())),
            values: match (&image.colour, mapping) {
                (Colour::Grey, Some(Ok(Some(mapping)))) => Ok(ValueMap::Linear(mapping.rescale)),
                (Colour::Grey, Some(Err(why))) => Err(why),
                (Colour::Grey, _) if image.segmentation.is_none() => ValueMap::of(attributes, image.signed),
                _ => Ok(ValueMap::Linear(Rescale::NONE)),
            },
            segment: segment.and_then(|numbers| numbers.first().map(|number| *number as u32)),
            rescale_type: attributes.grouped_text(transformation, tags::RESCALE_TYPE),
            traits: Traits::of(attributes, &image, frame),
            image,
        })
    }

    /// The type that holds the stored pixels.
    pub(super) fn stored_type(&self) -> SampleType {
        self.image.stored_type()
    }

    /// `HU` for CT and whatever says so, `GY` and the like where the file names a unit, else nothing. Colours have none.
    pub(super) fn unit(&self) -> &str {
        if self.image.colour != Colour::Grey {
            return "";
        }
        if let Some(unit) = &self.mapped_unit {
            return unit;
        }
        let of_table = self.values.as_ref().ok().and_then(ValueMap::unit);
        match of_table.unwrap_or(&self.rescale_type) {
            "HU" => "HU",
            "" if self.image.modality == "CT" => "HU",
            _ => &self.image.units,
        }
    }

    /// The file's name, and the frame's number where there are several, for messages.
    pub(super) fn file_name(&self) -> String {
        let name = self.image.path.file_name().unwrap_or_default().to_string_lossy();
        if self.image.frames > 1 { format!("{name}, frame {}", self.frame + 1) } else { name.into_owned() }
    }
}
