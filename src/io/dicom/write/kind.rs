//! What kind of image a derived one is, and what such an image has to say of its acquisition (PS3.3, C.7.3.1, C.8.2.1,
//! C.8.3.1, C.8.6).

use super::copied::{self, text_value};
use super::original::{OriginalImage, OriginalSeries};
use crate::io::dicom::origin::NOTES;
use crate::volume::{Frame, Geometry, VolumeHeader, is_code};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// The kind of the images of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ct,
    Mr,
    /// What says too little to be one of them.
    SecondaryCapture {
        modality: &'static str,
    },
}

impl Kind {
    /// The kind that a volume's origin allows. An MR image has to name its pulse sequence; one that cannot is a secondary
    /// capture, since nothing is made up.
    pub(super) fn of(volume: &VolumeHeader, original: Option<&OriginalSeries>) -> Self {
        let modality = match volume.provenance.get("modality") {
            Some(modality) => modality.as_str(),
            None if volume.unit == "HU" => "CT",
            None => original.map_or("", |original| original.modality.as_str()),
        };
        let source =
            DerivedSource { volume, original: original.filter(|o| o.modality == modality), images: &[] };
        match modality {
            "CT" => Self::Ct,
            "MR" => {
                let says = |tag| source.text(tag).is_some_and(|text| !text.is_empty());
                match says(tags::SCANNING_SEQUENCE) && says(tags::SEQUENCE_VARIANT) {
                    true => Self::Mr,
                    false => Self::SecondaryCapture { modality: "MR" },
                }
            }
            _ => Self::SecondaryCapture { modality: "OT" },
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Ct => uids::CT_IMAGE_STORAGE,
            Self::Mr => uids::MR_IMAGE_STORAGE,
            Self::SecondaryCapture { .. } => uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
        }
    }

    pub(super) fn modality(self) -> &'static str {
        match self {
            Self::Ct => "CT",
            Self::Mr => "MR",
            Self::SecondaryCapture { modality } => modality,
        }
    }

    /// CT and MR images have 16 bits a pixel, of which at least 12 are used.
    pub(super) fn may_have_8_bits(self) -> bool {
        matches!(self, Self::SecondaryCapture { .. })
    }

    /// Without a rescale MR images are as their IOD has them; with one they extend it, as scanners' do.
    pub(super) fn always_has_a_rescale(self) -> bool {
        self == Self::Ct
    }

    /// Puts what a slice says of its acquisition: what its source says, and empty what has to be there.
    pub(super) fn describe(self, object: &mut InMemDicomObject, source: &DerivedSource, geometry: &Geometry) {
        let mut copy = |tags: &[Tag]| {
            for tag in tags.iter().filter(|tag| **tag != tags::IMAGE_TYPE) {
                if let Some(element) = source.element(*tag) {
                    object.put(element);
                }
            }
        };
        copy(&copied::ACQUISITION);
        match self {
            Self::Ct => copy(&copied::CT),
            Self::Mr => copy(&copied::MR),
            Self::SecondaryCapture { .. } => {}
        }
        if !is_unpaired(object) {
            put_if_absent(object, tags::LATERALITY, VR::CS);
        } else if object.get(tags::LATERALITY).is_some_and(|element| element.header().len.0 == 0) {
            object.remove_element(tags::LATERALITY);
        }
        let required: &[(Tag, VR)] = match self {
            Self::Ct => &[
                (tags::SLICE_THICKNESS, VR::DS),
                (tags::PATIENT_POSITION, VR::CS),
                (tags::KVP, VR::DS),
                (tags::ACQUISITION_NUMBER, VR::IS),
            ],
            Self::Mr => &[
                (tags::SLICE_THICKNESS, VR::DS),
                (tags::PATIENT_POSITION, VR::CS),
                (tags::SCANNING_SEQUENCE, VR::CS),
                (tags::SEQUENCE_VARIANT, VR::CS),
                (tags::SCAN_OPTIONS, VR::CS),
                (tags::MR_ACQUISITION_TYPE, VR::CS),
                (tags::REPETITION_TIME, VR::DS),
                (tags::ECHO_TIME, VR::DS),
                (tags::ECHO_TRAIN_LENGTH, VR::IS),
            ],
            Self::SecondaryCapture { .. } => &[],
        };
        for (tag, vr) in required {
            put_if_absent(object, *tag, *vr);
        }
        let says = |tag, values: &[&str]| {
            let text = source.text(tag).unwrap_or_default();
            text.split('\\').any(|each| values.contains(&each.trim()))
        };
        // Times that only some sequences have.
        for (tag, has) in [
            (tags::INVERSION_TIME, says(tags::SCANNING_SEQUENCE, &["IR"])),
            (tags::TRIGGER_TIME, says(tags::SCAN_OPTIONS, &["CG", "PPG"])),
        ] {
            if self == Self::Mr && has {
                put_if_absent(object, tag, VR::DS);
            } else {
                object.remove_element(tag);
            }
        }
        if let Self::SecondaryCapture { .. } = self {
            object.put(DataElement::new(tags::CONVERSION_TYPE, VR::CS, PrimitiveValue::from("WSD")));
            object.put(DataElement::new(
                tags::PATIENT_ORIENTATION,
                VR::CS,
                text_value(&patient_orientation(geometry)),
            ));
        }
        object.put(DataElement::new(tags::IMAGE_TYPE, VR::CS, text_value(&self.image_type(source))));
    }

    /// Image Type (0008,0008): derived; of the patient's examination as its source was; and the kind's own third value.
    fn image_type(self, source: &DerivedSource) -> String {
        let text = source.text(tags::IMAGE_TYPE).unwrap_or_default();
        let said: Vec<&str> = text.split('\\').map(str::trim).collect();
        let examination = match said.get(1) {
            Some(&"PRIMARY") => "PRIMARY",
            _ => "SECONDARY",
        };
        let third = match (self, said.get(2)) {
            (Self::SecondaryCapture { .. }, _) => return format!("DERIVED\\{examination}"),
            (Self::Ct, Some(&"LOCALIZER")) => "LOCALIZER",
            (Self::Ct, _) => "AXIAL",
            (Self::Mr, Some(third)) if is_code(third) => third,
            (Self::Mr, _) => "OTHER",
        };
        format!("DERIVED\\{examination}\\{third}")
    }
}

/// What is known of the acquisition of a slice: the images of the original series that lie where it lies, else what the
/// volume's provenance has.
pub(super) struct DerivedSource<'a> {
    pub(super) volume: &'a VolumeHeader,
    /// Where it is of the same modality.
    pub(super) original: Option<&'a OriginalSeries>,
    pub(super) images: &'a [&'a OriginalImage],
}

impl DerivedSource<'_> {
    fn element(&self, tag: Tag) -> Option<InMemElement> {
        if let Some(element) = self.original.and_then(|original| original.acquisition(tag, self.images)) {
            return Some(element.clone());
        }
        let (key, _) = NOTES.into_iter().find(|(_, of)| *of == tag)?;
        let note = self.volume.provenance.get(key)?;
        let vr = match tag {
            tags::ECHO_TRAIN_LENGTH => VR::IS,
            tags::SLICE_THICKNESS
            | tags::KVP
            | tags::REPETITION_TIME
            | tags::ECHO_TIME
            | tags::INVERSION_TIME => VR::DS,
            _ => VR::CS,
        };
        // A file's provenance may be anything.
        let fits = |value: &str| match vr {
            VR::CS => is_code(value),
            VR::IS => value.len() <= 12 && value.parse::<i32>().is_ok(),
            _ => value.len() <= 16 && value.parse::<f64>().is_ok_and(f64::is_finite),
        };
        note.split('\\').all(fits).then(|| DataElement::new(tag, vr, text_value(note)))
    }

    fn text(&self, tag: Tag) -> Option<String> {
        Some(self.element(tag)?.to_str().ok()?.trim().to_owned())
    }
}

fn put_if_absent(object: &mut InMemDicomObject, tag: Tag, vr: VR) {
    if object.get(tag).is_none() {
        object.put(DataElement::new(tag, vr, PrimitiveValue::Empty));
    }
}

/// Body parts that there is one of, so that an image of them has no side (PS3.16, annex L).
const UNPAIRED: [&str; 24] = [
    "ABDOMEN",
    "ABDOMENPELVIS",
    "BLADDER",
    "BRAIN",
    "CHEST",
    "CHESTABDOMEN",
    "CHESTABDPELVIS",
    "COLON",
    "CSPINE",
    "HEAD",
    "HEADNECK",
    "HEART",
    "LIVER",
    "LSPINE",
    "NECK",
    "NECKCHEST",
    "PANCREAS",
    "PELVIS",
    "PROSTATE",
    "SKULL",
    "SPINE",
    "SPLEEN",
    "TSPINE",
    "WHOLEBODY",
];

/// Whether the laterality has no place: it is said of the image, or the body part has none.
fn is_unpaired(object: &InMemDicomObject) -> bool {
    let text = |tag| object.get(tag).and_then(|element| element.to_str().ok()).unwrap_or_default();
    !text(tags::IMAGE_LATERALITY).trim().is_empty()
        || UNPAIRED.contains(&text(tags::BODY_PART_EXAMINED).trim())
}

/// The directions of rows and columns in letters (PS3.3, C.7.6.1.1.1): `L\P`; empty outside the patient's frame.
fn patient_orientation(geometry: &Geometry) -> String {
    if geometry.frame != Frame::Lps {
        return String::new();
    }
    let letters = [0, 1].map(|axis| {
        let direction = geometry.direction.map(|row| row[axis]);
        let mut parts: Vec<(f64, char)> = direction
            .into_iter()
            .zip([['R', 'L'], ['A', 'P'], ['F', 'H']])
            .map(|(cosine, letters)| (cosine.abs(), letters[usize::from(cosine > 0.0)]))
            // About 3 degrees.
            .filter(|(size, _)| *size > 0.05)
            .collect();
        parts.sort_by(|a, b| b.0.total_cmp(&a.0));
        parts.into_iter().map(|(_, letter)| letter).collect::<String>()
    });
    letters.join("\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orientations_have_their_largest_direction_first() {
        let mut geometry = Geometry { frame: Frame::Lps, ..Geometry::default() };
        assert_eq!(patient_orientation(&geometry), "L\\P");
        // Coronal, feet at the top, leaning forward.
        let (s, c) = 0.2f64.sin_cos();
        geometry.direction = [[-1.0, 0.0, 0.0], [0.0, -s, c], [0.0, c, s]];
        assert_eq!(patient_orientation(&geometry), "R\\HA");
        geometry.frame = Frame::Unknown;
        assert_eq!(patient_orientation(&geometry), "");
    }
}
