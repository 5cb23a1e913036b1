//! What a derived series copies of its original's files, element by element.

use crate::io::dicom::data_set::{Content, DataSet};
use crate::io::dicom::file::{EXPLICIT_VR_BIG_ENDIAN, File};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// Of the patient and the study, which the derived series shares with its original: modules Patient, Clinical Trial
/// Subject, General Study, Patient Study and Clinical Trial Study (PS3.3, C.7.1, C.7.2); and the time zone and the
/// character set that their values are written in.
pub(super) const PATIENT_AND_STUDY: [Tag; 70] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::TIMEZONE_OFFSET_FROM_UTC,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
    tags::TYPE_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_BIRTH_TIME,
    tags::PATIENT_SEX,
    tags::OTHER_PATIENT_NAMES,
    tags::OTHER_PATIENT_I_DS_SEQUENCE,
    tags::PATIENT_COMMENTS,
    tags::PATIENT_SPECIES_DESCRIPTION,
    tags::PATIENT_SPECIES_CODE_SEQUENCE,
    tags::PATIENT_BREED_DESCRIPTION,
    tags::PATIENT_BREED_CODE_SEQUENCE,
    tags::BREED_REGISTRATION_SEQUENCE,
    tags::STRAIN_DESCRIPTION,
    tags::RESPONSIBLE_PERSON,
    tags::RESPONSIBLE_PERSON_ROLE,
    tags::RESPONSIBLE_ORGANIZATION,
    tags::QUALITY_CONTROL_SUBJECT,
    tags::PATIENT_IDENTITY_REMOVED,
    tags::DEIDENTIFICATION_METHOD,
    tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
    tags::CLINICAL_TRIAL_SPONSOR_NAME,
    tags::CLINICAL_TRIAL_PROTOCOL_ID,
    tags::CLINICAL_TRIAL_PROTOCOL_NAME,
    tags::CLINICAL_TRIAL_SITE_ID,
    tags::CLINICAL_TRIAL_SITE_NAME,
    tags::CLINICAL_TRIAL_SUBJECT_ID,
    tags::CLINICAL_TRIAL_SUBJECT_READING_ID,
    tags::CLINICAL_TRIAL_TIME_POINT_ID,
    tags::CLINICAL_TRIAL_TIME_POINT_DESCRIPTION,
    tags::STUDY_INSTANCE_UID,
    tags::STUDY_ID,
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::STUDY_DESCRIPTION,
    tags::ACCESSION_NUMBER,
    tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::REFERRING_PHYSICIAN_IDENTIFICATION_SEQUENCE,
    tags::CONSULTING_PHYSICIAN_NAME,
    tags::PHYSICIANS_OF_RECORD,
    tags::PHYSICIANS_OF_RECORD_IDENTIFICATION_SEQUENCE,
    tags::NAME_OF_PHYSICIANS_READING_STUDY,
    tags::REQUESTING_SERVICE,
    tags::REFERENCED_STUDY_SEQUENCE,
    tags::PROCEDURE_CODE_SEQUENCE,
    tags::REASON_FOR_PERFORMED_PROCEDURE_CODE_SEQUENCE,
    tags::ADMITTING_DIAGNOSES_DESCRIPTION,
    tags::ADMITTING_DIAGNOSES_CODE_SEQUENCE,
    tags::PATIENT_AGE,
    tags::PATIENT_SIZE,
    tags::PATIENT_WEIGHT,
    tags::MEDICAL_ALERTS,
    tags::ALLERGIES,
    tags::SMOKING_STATUS,
    tags::PREGNANCY_STATUS,
    tags::OCCUPATION,
    tags::ADDITIONAL_PATIENT_HISTORY,
    tags::PATIENT_SEX_NEUTERED,
    tags::LAST_MENSTRUAL_DATE,
    tags::ADMISSION_ID,
    tags::SERVICE_EPISODE_ID,
    tags::SERVICE_EPISODE_DESCRIPTION,
    tags::PATIENT_STATE,
    tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
];

/// Of the space that the images lie in (PS3.3, C.7.4.1).
pub(super) const FRAME_OF_REFERENCE: [Tag; 2] =
    [tags::FRAME_OF_REFERENCE_UID, tags::POSITION_REFERENCE_INDICATOR];

/// Of how and of what the images were acquired, whatever they are.
pub(super) const ACQUISITION: [Tag; 24] = [
    tags::IMAGE_TYPE,
    tags::ACQUISITION_DATE,
    tags::ACQUISITION_TIME,
    tags::ACQUISITION_DATE_TIME,
    tags::ACQUISITION_NUMBER,
    tags::BODY_PART_EXAMINED,
    tags::ANATOMIC_REGION_SEQUENCE,
    tags::LATERALITY,
    tags::IMAGE_LATERALITY,
    tags::PATIENT_POSITION,
    tags::PROTOCOL_NAME,
    tags::SLICE_THICKNESS,
    tags::BURNED_IN_ANNOTATION,
    tags::RECOGNIZABLE_VISUAL_FEATURES,
    tags::CONTRAST_BOLUS_AGENT,
    tags::CONTRAST_BOLUS_AGENT_SEQUENCE,
    tags::CONTRAST_BOLUS_ROUTE,
    tags::CONTRAST_BOLUS_VOLUME,
    tags::CONTRAST_BOLUS_START_TIME,
    tags::CONTRAST_BOLUS_STOP_TIME,
    tags::CONTRAST_BOLUS_TOTAL_DOSE,
    tags::CONTRAST_BOLUS_INGREDIENT,
    tags::CONTRAST_BOLUS_INGREDIENT_CONCENTRATION,
    tags::SLICE_LOCATION,
];

/// Of a CT image (PS3.3, C.8.2.1).
pub(super) const CT: [Tag; 24] = [
    tags::KVP,
    tags::SCAN_OPTIONS,
    tags::DATA_COLLECTION_DIAMETER,
    tags::DATA_COLLECTION_CENTER_PATIENT,
    tags::RECONSTRUCTION_DIAMETER,
    tags::RECONSTRUCTION_TARGET_CENTER_PATIENT,
    tags::DISTANCE_SOURCE_TO_DETECTOR,
    tags::DISTANCE_SOURCE_TO_PATIENT,
    tags::GANTRY_DETECTOR_TILT,
    tags::TABLE_HEIGHT,
    tags::ROTATION_DIRECTION,
    tags::EXPOSURE_TIME,
    tags::X_RAY_TUBE_CURRENT,
    tags::EXPOSURE,
    tags::EXPOSURE_INU_AS,
    tags::FILTER_TYPE,
    tags::GENERATOR_POWER,
    tags::FOCAL_SPOTS,
    tags::CONVOLUTION_KERNEL,
    tags::REVOLUTION_TIME,
    tags::SINGLE_COLLIMATION_WIDTH,
    tags::TOTAL_COLLIMATION_WIDTH,
    tags::SPIRAL_PITCH_FACTOR,
    tags::CTD_IVOL,
];

/// Of an MR image (PS3.3, C.8.3.1), and what is said of diffusion.
pub(super) const MR: [Tag; 45] = [
    tags::SCANNING_SEQUENCE,
    tags::SEQUENCE_VARIANT,
    tags::SCAN_OPTIONS,
    tags::MR_ACQUISITION_TYPE,
    tags::SEQUENCE_NAME,
    tags::ANGIO_FLAG,
    tags::REPETITION_TIME,
    tags::ECHO_TIME,
    tags::INVERSION_TIME,
    tags::NUMBER_OF_AVERAGES,
    tags::IMAGING_FREQUENCY,
    tags::IMAGED_NUCLEUS,
    tags::ECHO_NUMBERS,
    tags::MAGNETIC_FIELD_STRENGTH,
    tags::NUMBER_OF_PHASE_ENCODING_STEPS,
    tags::ECHO_TRAIN_LENGTH,
    tags::PERCENT_SAMPLING,
    tags::PERCENT_PHASE_FIELD_OF_VIEW,
    tags::PIXEL_BANDWIDTH,
    tags::NOMINAL_INTERVAL,
    tags::BEAT_REJECTION_FLAG,
    tags::LOW_RR_VALUE,
    tags::HIGH_RR_VALUE,
    tags::INTERVALS_ACQUIRED,
    tags::INTERVALS_REJECTED,
    tags::PVC_REJECTION,
    tags::SKIP_BEATS,
    tags::HEART_RATE,
    tags::TRIGGER_TIME,
    tags::CARDIAC_NUMBER_OF_IMAGES,
    tags::TRIGGER_WINDOW,
    tags::RECONSTRUCTION_DIAMETER,
    tags::RECEIVE_COIL_NAME,
    tags::TRANSMIT_COIL_NAME,
    tags::ACQUISITION_MATRIX,
    tags::IN_PLANE_PHASE_ENCODING_DIRECTION,
    tags::FLIP_ANGLE,
    tags::SAR,
    tags::VARIABLE_FLIP_ANGLE_FLAG,
    tags::D_BDT,
    tags::TEMPORAL_POSITION_IDENTIFIER,
    tags::NUMBER_OF_TEMPORAL_POSITIONS,
    tags::TEMPORAL_RESOLUTION,
    tags::DIFFUSION_B_VALUE,
    tags::DIFFUSION_GRADIENT_ORIENTATION,
];

/// Of the equipment that made the original, for the sequence of what contributed to the derived images.
pub(super) const EQUIPMENT: [Tag; 10] = [
    tags::MANUFACTURER,
    tags::INSTITUTION_NAME,
    tags::INSTITUTION_ADDRESS,
    tags::STATION_NAME,
    tags::INSTITUTIONAL_DEPARTMENT_NAME,
    tags::MANUFACTURER_MODEL_NAME,
    tags::DEVICE_SERIAL_NUMBER,
    tags::SOFTWARE_VERSIONS,
    tags::SPATIAL_RESOLUTION,
    tags::DATE_OF_LAST_CALIBRATION,
];

/// An element of a file as one to be written, in explicit little endian; none when absent, private or of unknown form.
pub(super) fn element(file: &File, tag: Tag) -> Option<InMemElement> {
    of_content(file, tag, file.data_set.get(tag)?)
}

fn of_content(file: &File, tag: Tag, content: &Content) -> Option<InMemElement> {
    match content {
        Content::Items(items) => {
            let items: Vec<_> = items.iter().map(|item| of_data_set(file, item)).collect();
            Some(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)))
        }
        Content::Value { representation, bytes } => {
            let bytes = file.bytes().get(bytes.clone())?;
            let known = VR::from_binary(*representation).filter(|vr| *vr != VR::UN);
            let standard = StandardDataDictionary.by_tag(tag).map(|entry| entry.vr().relaxed());
            let vr = match (known, standard) {
                // Some writers, and older editions, have another text; what it holds is the same.
                (Some(known), Some(standard)) if is_text(known) && is_text(standard) => standard,
                (known, standard) => known.or(standard)?,
            };
            let big_endian = known.is_some() && file.transfer_syntax == EXPLICIT_VR_BIG_ENDIAN;
            Some(DataElement::new(tag, vr, value(vr, bytes, big_endian)?))
        }
    }
}

fn is_text(vr: VR) -> bool {
    matches!(
        vr,
        VR::AE
            | VR::AS
            | VR::CS
            | VR::DA
            | VR::DS
            | VR::DT
            | VR::IS
            | VR::LO
            | VR::LT
            | VR::PN
            | VR::SH
            | VR::ST
            | VR::TM
            | VR::UC
            | VR::UI
            | VR::UR
            | VR::UT
    )
}

/// An item of a sequence: what of it the dictionary knows.
fn of_data_set(file: &File, data_set: &DataSet) -> InMemDicomObject {
    let known = data_set.iter().filter(|(tag, _)| tag.group() % 2 == 0 && tag.element() != 0);
    InMemDicomObject::from_element_iter(known.filter_map(|(tag, content)| of_content(file, *tag, content)))
}

fn value(vr: VR, bytes: &[u8], big_endian: bool) -> Option<PrimitiveValue> {
    let width = match vr {
        // A sequence whose items were not found.
        VR::SQ => return None,
        // Text of the standard's own characters.
        VR::AE | VR::AS | VR::CS | VR::DA | VR::DS | VR::DT | VR::IS | VR::TM | VR::UI | VR::UR => {
            let text = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii())?;
            return Some(text_value(text.trim_matches([' ', '\0'])));
        }
        // Text of other characters, as it is.
        VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT => {
            return Some(padded(bytes));
        }
        VR::US | VR::SS | VR::OW => 2,
        VR::UL | VR::SL | VR::FL | VR::OF | VR::OL => 4,
        VR::FD | VR::OD | VR::SV | VR::UV | VR::OV => 8,
        // Pairs of numbers.
        VR::AT => 2,
        _ => 1,
    };
    if !bytes.len().is_multiple_of(width) {
        return None;
    }
    let mut bytes = bytes.to_vec();
    if big_endian {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    Some(if bytes.is_empty() { PrimitiveValue::Empty } else { PrimitiveValue::U8(bytes.into()) })
}

pub(super) fn text_value(text: &str) -> PrimitiveValue {
    if text.is_empty() { PrimitiveValue::Empty } else { PrimitiveValue::Str(text.into()) }
}

/// Text in the bytes of a character set: without the padding that it had, and with what it needs.
pub(super) fn padded(text: &[u8]) -> PrimitiveValue {
    let end = text.iter().rposition(|byte| !matches!(byte, b' ' | b'\0')).map_or(0, |last| last + 1);
    let mut text = text[..end].to_vec();
    if text.is_empty() {
        return PrimitiveValue::Empty;
    }
    if text.len() % 2 == 1 {
        text.push(b' ');
    }
    PrimitiveValue::U8(text.into())
}
