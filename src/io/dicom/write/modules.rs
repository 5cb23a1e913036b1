//! What the images of a derived series say beside their pixels, module by module (PS3.3, annex C).

use super::copied::{padded, text_value};
use super::kind::{DerivedSource, Kind};
use super::original::{FrameOfReference, OriginalImage, OriginalSeries};
use super::{MANUFACTURER, SeriesDescription, decimals, fresh_uid};
use crate::error::{Error, Result};
use crate::io::dicom::PHOTOMETRIC;
use crate::volume::{LossyStep, VolumeHeader};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use std::path::Path;

/// Added to the number of the original series.
const SERIES_NUMBER_STEP: i64 = 1000;
/// Longest text of representation LO (PS3.5, section 6.2).
const LONGEST_LO: usize = 64;

/// A series that is to be written.
pub(super) struct Series<'a> {
    pub(super) kind: Kind,
    original: Option<&'a OriginalSeries>,
    /// The same where it is of the same modality, so that its acquisition is that of the derived images.
    acquired_as: Option<&'a OriginalSeries>,
    /// What all images say.
    common: InMemDicomObject,
}

pub(super) fn put(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: PrimitiveValue) {
    object.put(DataElement::new(tag, vr, value));
}

fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> InMemElement {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

/// An item of DICOM's own codes (PS3.16).
fn code(value: &str, meaning: &str) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    put(&mut item, tags::CODE_VALUE, VR::SH, value.into());
    put(&mut item, tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM".into());
    put(&mut item, tags::CODE_MEANING, VR::LO, meaning.into());
    item
}

impl<'a> Series<'a> {
    pub(super) fn new(
        volume: &VolumeHeader,
        folder: &Path,
        description: &'a SeriesDescription,
        kind: Kind,
        [rows, columns]: [u16; 2],
    ) -> Result<Self> {
        let original = description.original.as_ref();
        let mut common = InMemDicomObject::new_empty();
        match original {
            Some(original) => common.extend(original.patient_and_study.iter().cloned()),
            None => of_nobody(&mut common, folder, description)?,
        }
        for (tag, vr) in [
            (tags::PATIENT_NAME, VR::PN),
            (tags::PATIENT_ID, VR::LO),
            (tags::PATIENT_BIRTH_DATE, VR::DA),
            (tags::PATIENT_SEX, VR::CS),
            (tags::STUDY_DATE, VR::DA),
            (tags::STUDY_TIME, VR::TM),
            (tags::STUDY_ID, VR::SH),
            (tags::ACCESSION_NUMBER, VR::SH),
            (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
        ] {
            if common.get(tag).is_none() {
                put(&mut common, tag, vr, PrimitiveValue::Empty);
            }
        }
        let mut series = Self {
            kind,
            original,
            acquired_as: original.filter(|original| original.modality == kind.modality()),
            common,
        };
        series.series_and_equipment(folder, description)?;
        series.plane(volume, folder, !description.derivation.is_empty(), [rows, columns])?;
        series.derivation(volume, folder, description)?;
        Ok(series)
    }

    /// Modules General Series and General Equipment.
    fn series_and_equipment(&mut self, folder: &Path, description: &SeriesDescription) -> Result<()> {
        let (kind, original, common) = (self.kind, self.original, &mut self.common);
        put(common, tags::MODALITY, VR::CS, kind.modality().into());
        put(common, tags::SERIES_INSTANCE_UID, VR::UI, fresh_uid(folder)?.into());
        let number = original.map_or(1, |original| {
            let number = original.number.unwrap_or(0).saturating_add(SERIES_NUMBER_STEP);
            // The largest integer string.
            if number <= i64::from(i32::MAX) { number } else { SERIES_NUMBER_STEP }
        });
        put(common, tags::SERIES_NUMBER, VR::IS, number.to_string().into());
        let what = match original {
            Some(original) if !original.description.is_empty() => {
                let suffix = format!(", {}", description.description);
                let kept = original.description.len().min(LONGEST_LO.saturating_sub(suffix.len()));
                // A text that escapes to other characters may only be cut where it is back.
                let whole = kept == original.description.len() || original.description.is_ascii();
                let kept = if whole { &original.description[..kept] } else { &[] };
                padded(&[kept, suffix.trim_start_matches([',', ' ']).as_bytes()].join(&b", "[..]))
            }
            _ => text(folder, original, &description.description)?,
        };
        put(common, tags::SERIES_DESCRIPTION, VR::LO, what);

        put(common, tags::MANUFACTURER, VR::LO, MANUFACTURER.into());
        put(common, tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION").into());
        let Some(original) = original else { return Ok(()) };
        let mut contributors: Vec<InMemDicomObject> = original
            .contributors
            .as_ref()
            .and_then(|element| element.items())
            .map(<[_]>::to_vec)
            .unwrap_or_default();
        let named = |element: &&InMemElement| element.header().tag == tags::MANUFACTURER;
        if original.equipment.iter().find(named).is_some_and(|element| element.header().len.0 > 0) {
            let mut item = InMemDicomObject::from_element_iter(original.equipment.iter().cloned());
            item.put(sequence(
                tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
                vec![code("109101", "Acquisition Equipment")],
            ));
            contributors.push(item);
        }
        if !contributors.is_empty() {
            common.put(sequence(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, contributors));
        }
        Ok(())
    }

    /// Modules Frame of Reference and Image Plane, as far as all images share them, and what the pixels are.
    fn plane(
        &mut self,
        volume: &VolumeHeader,
        folder: &Path,
        is_derived: bool,
        [rows, columns]: [u16; 2],
    ) -> Result<()> {
        let common = &mut self.common;
        put(common, tags::FRAME_OF_REFERENCE_UID, VR::UI, fresh_uid(folder)?.into());
        put(common, tags::POSITION_REFERENCE_INDICATOR, VR::LO, PrimitiveValue::Empty);
        if let Some(original) = self.original {
            let why = match &original.frame_of_reference {
                FrameOfReference::One(elements) if original.holds(volume) => {
                    common.extend(elements.iter().cloned());
                    None
                }
                FrameOfReference::One(_) => Some("the volume does not lie where the original series lies"),
                FrameOfReference::Several => Some("the original's images name several frames of reference"),
                FrameOfReference::Unknown => None,
            };
            if let Some(why) = why {
                log::warn!(
                    "{}: {why} ({}): the derived series gets a frame of reference of its own",
                    folder.display(),
                    original.path.display()
                );
            }
        }
        let geometry = &volume.geometry;
        let cosines = [0, 1].map(|axis| geometry.direction.map(|row| row[axis]));
        put(common, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, decimals(cosines.as_flattened()));
        put(common, tags::PIXEL_SPACING, VR::DS, decimals(&[geometry.spacing[1], geometry.spacing[0]]));
        // Slices that were made for the series touch; how thick those are that it is derived from, these say.
        let distance = if is_derived { tags::SPACING_BETWEEN_SLICES } else { tags::SLICE_THICKNESS };
        put(common, distance, VR::DS, decimals(&[geometry.spacing[2]]));
        put(common, tags::SAMPLES_PER_PIXEL, VR::US, 1u16.into());
        // Values are kept whichever way they are shown: small ones white in radiographs, black elsewhere.
        let photometric = match volume.provenance.get(PHOTOMETRIC).map(String::as_str) {
            Some("MONOCHROME1") => "MONOCHROME1",
            _ => "MONOCHROME2",
        };
        put(common, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric.into());
        put(common, tags::ROWS, VR::US, rows.into());
        put(common, tags::COLUMNS, VR::US, columns.into());
        Ok(())
    }

    /// What the images were made of, and what that has cost (modules General Reference and General Image).
    fn derivation(
        &mut self,
        volume: &VolumeHeader,
        folder: &Path,
        description: &SeriesDescription,
    ) -> Result<()> {
        let common = &mut self.common;
        if !description.derivation.is_empty() {
            let derivation = text(folder, self.original, &description.derivation)?;
            put(common, tags::DERIVATION_DESCRIPTION, VR::ST, derivation);
        }
        let steps = volume.lossy_steps();
        if steps.is_empty() {
            return Ok(());
        }
        common.put(sequence(tags::DERIVATION_CODE_SEQUENCE, vec![code("113040", "Lossy Compression")]));
        put(common, tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01".into());
        // Values stand in the order of the steps, so that a list with one missing would say something else.
        let ratios: Option<Vec<f64>> = steps.iter().map(|step| step.ratio).collect();
        if let Some(ratios) = ratios {
            put(common, tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS, decimals(&ratios));
        }
        let methods: Option<Vec<String>> = steps.into_iter().map(|step: LossyStep| step.method).collect();
        if let Some(methods) = methods {
            let methods = PrimitiveValue::Strs(methods.into());
            put(common, tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, methods);
        }
        Ok(())
    }

    /// The image of slice `k` without its pixels.
    pub(super) fn image(
        &self,
        volume: &VolumeHeader,
        k: usize,
        number: usize,
        instance: &str,
    ) -> InMemDicomObject {
        let geometry = &volume.geometry;
        let mut object = self.common.clone();
        put(&mut object, tags::SOP_CLASS_UID, VR::UI, self.kind.class().into());
        put(&mut object, tags::SOP_INSTANCE_UID, VR::UI, instance.into());
        put(&mut object, tags::INSTANCE_NUMBER, VR::IS, number.to_string().into());
        let position = geometry.index_to_world([0.0, 0.0, k as f64]);
        put(&mut object, tags::IMAGE_POSITION_PATIENT, VR::DS, decimals(&position));

        let images = self.original.map(|original| original.at(geometry, k)).unwrap_or_default();
        let source = DerivedSource { volume, original: self.acquired_as, images: &images };
        self.kind.describe(&mut object, &source, geometry);
        let sources = match self.original {
            Some(original) if images.is_empty() => original.around(geometry, k),
            // Of several images at a place nobody knows which one this was made of.
            _ if images.len() > 1 => Vec::new(),
            _ => images,
        };
        if !sources.is_empty() {
            object.put(sequence(tags::SOURCE_IMAGE_SEQUENCE, sources.into_iter().map(reference).collect()));
        }
        object
    }
}

/// An item that names an image.
fn reference(image: &OriginalImage) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    put(&mut item, tags::REFERENCED_SOP_CLASS_UID, VR::UI, text_value(&image.class));
    put(&mut item, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, text_value(&image.instance));
    if let Some(frame) = image.frame {
        put(&mut item, tags::REFERENCED_FRAME_NUMBER, VR::IS, frame.to_string().into());
    }
    let purpose = code("121322", "Source image for image processing operation");
    item.put(sequence(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, vec![purpose]));
    item
}

/// A study of its own, of nobody or of whom the caller names.
fn of_nobody(object: &mut InMemDicomObject, folder: &Path, description: &SeriesDescription) -> Result<()> {
    let [name, id] = &description.patient;
    let texts = [name, id, &description.description, &description.derivation];
    if texts.iter().any(|text| !text.is_ascii()) {
        put(object, tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192".into());
    }
    put(object, tags::PATIENT_NAME, VR::PN, text(folder, None, name)?);
    put(object, tags::PATIENT_ID, VR::LO, text(folder, None, id)?);
    put(object, tags::STUDY_INSTANCE_UID, VR::UI, fresh_uid(folder)?.into());
    put(object, tags::STUDY_ID, VR::SH, "1".into());
    Ok(())
}

/// A text in the characters of the original series, or in UTF-8.
fn text(folder: &Path, original: Option<&OriginalSeries>, text: &str) -> Result<PrimitiveValue> {
    let Some(original) = original.filter(|_| !text.is_ascii()) else { return Ok(padded(text.as_bytes())) };
    let characters = SpecificCharacterSet::from_code(&original.character_set);
    match characters.and_then(|characters| characters.encode(text).ok()) {
        Some(bytes) => Ok(padded(&bytes)),
        None => Err(Error::Options(format!(
            "{}: '{text}' cannot be written in the character set of the original series ('{}')",
            folder.display(),
            original.character_set
        ))),
    }
}
