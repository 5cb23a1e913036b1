//! What a series that is derived from a volume must say of the images that the volume came from: how they were made, and
//! that they were compressed with losses. None of it identifies anybody.

use super::Slice;
use super::attributes::Attributes;
use super::file::File;
use super::walk::PixelPlace;
use crate::volume::{LossyStep, Volume};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

/// Attributes that are kept in the provenance under these keys, where all slices agree. Those of a CT or MR image that an
/// image derived from it has to have (PS3.3, C.7.3.1, C.8.2.1, C.8.3.1).
pub(super) const NOTES: [(&str, Tag); 11] = [
    ("image type", tags::IMAGE_TYPE),
    ("patient position", tags::PATIENT_POSITION),
    ("slice thickness", tags::SLICE_THICKNESS),
    ("kVp", tags::KVP),
    ("scanning sequence", tags::SCANNING_SEQUENCE),
    ("sequence variant", tags::SEQUENCE_VARIANT),
    ("MR acquisition type", tags::MR_ACQUISITION_TYPE),
    ("repetition time", tags::REPETITION_TIME),
    ("echo time", tags::ECHO_TIME),
    ("inversion time", tags::INVERSION_TIME),
    ("echo train length", tags::ECHO_TRAIN_LENGTH),
];

/// Image types have values of the manufacturer's choice behind these.
const STANDARD_IMAGE_TYPES: usize = 3;
/// Longer values are not what they should be.
const LONGEST_NOTE: usize = 64;

/// What a file says of how its image was made.
#[derive(Debug)]
pub(super) struct Origin {
    /// The values of [`NOTES`]; empty where it has no such value.
    notes: [String; NOTES.len()],
    lossy: Vec<LossyStep>,
}

impl Origin {
    pub(super) fn of(attributes: &Attributes, file: &File) -> Self {
        Self { notes: NOTES.map(|(_, tag)| note(attributes, tag)), lossy: lossy_steps(attributes, file) }
    }
}

fn note(attributes: &Attributes, tag: Tag) -> String {
    let text = attributes.text(tag);
    let values = if tag == tags::IMAGE_TYPE { STANDARD_IMAGE_TYPES } else { usize::MAX };
    let values: Vec<&str> = text.split('\\').take(values).map(str::trim).collect();
    let text = values.join("\\");
    if text.len() <= LONGEST_NOTE { text } else { String::new() }
}

/// Notes in a volume's provenance what its slices say of how they were made.
pub(super) fn keep(slices: &[Slice], volume: &mut Volume) {
    let Some(first) = slices.first().map(|slice| &slice.image.origin) else { return };
    for (at, (key, _)) in NOTES.into_iter().enumerate() {
        let note = &first.notes[at];
        if !note.is_empty() && slices.iter().all(|slice| slice.image.origin.notes[at] == *note) {
            volume.provenance.insert(key.into(), note.clone());
        }
    }
    // Some slices may have been compressed further than others, or not at all.
    let lossy = || slices.iter().map(|slice| &slice.image.origin.lossy);
    let Some(most) = lossy().max_by_key(|steps| steps.len()) else { return };
    for (at, step) in most.iter().enumerate() {
        let of_all: Vec<&LossyStep> = lossy().filter_map(|steps| steps.get(at)).collect();
        let same = of_all.iter().all(|other| other.method == step.method);
        let ratios: Vec<f64> = of_all.iter().filter_map(|step| step.ratio).collect();
        let mean = match ratios.as_slice() {
            [first, rest @ ..] if rest.iter().all(|ratio| ratio == first) => *first,
            all => three_digits(all.iter().sum::<f64>() / all.len().max(1) as f64),
        };
        volume.add_lossy_step(&LossyStep {
            method: step.method.clone().filter(|_| same),
            ratio: (ratios.len() == of_all.len()).then_some(mean),
        });
    }
}

/// A ratio is approximate: three digits are enough (PS3.3, C.7.6.1.1.5.2).
fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// The lossy compressions of an image: those that it is marked with, and that of its own pixel data.
fn lossy_steps(attributes: &Attributes, file: &File) -> Vec<LossyStep> {
    let marked = attributes.text(tags::LOSSY_IMAGE_COMPRESSION) == "01";
    let ratios = attributes.numbers(tags::LOSSY_IMAGE_COMPRESSION_RATIO).ok().flatten().unwrap_or_default();
    let methods = attributes.text(tags::LOSSY_IMAGE_COMPRESSION_METHOD);
    let methods: Vec<&str> = methods.split('\\').map(str::trim).filter(|method| !method.is_empty()).collect();
    let count = if marked { ratios.len().max(methods.len()).max(1) } else { 0 };
    let mut steps: Vec<LossyStep> = (0..count)
        .map(|at| LossyStep {
            method: methods.get(at).map(|&method| method.to_owned()),
            ratio: ratios.get(at).copied().filter(|ratio| ratio.is_finite() && *ratio > 0.0),
        })
        .collect();
    let Some(method) = lossy_method(file) else { return steps };
    let own = LossyStep { method: Some(method.into()), ratio: ratio(attributes, file) };
    match steps.last_mut() {
        // The mark is of this compression.
        Some(last) if last.method.as_deref().is_none_or(|said| said == method) => {
            last.method = own.method;
            last.ratio = last.ratio.or(own.ratio);
        }
        _ => steps.push(own),
    }
    steps
}

/// Bytes of the image by bytes of its compressed pixel data.
fn ratio(attributes: &Attributes, file: &File) -> Option<f64> {
    let Some(PixelPlace::Encapsulated { fragments, .. }) = &file.pixels else { return None };
    let compressed: usize = fragments.iter().map(|fragment| fragment.len()).sum();
    let number = |tag| attributes.number(tag).ok().flatten().filter(|n| *n > 0.0);
    let frames = number(tags::NUMBER_OF_FRAMES).unwrap_or(1.0);
    let pixels = number(tags::ROWS)? * number(tags::COLUMNS)? * frames;
    let bytes = pixels * number(tags::BITS_ALLOCATED)? / 8.0;
    (compressed > 0).then(|| three_digits(bytes / compressed as f64))
}

/// The term of (0028,2114) for the compression of a file's own pixel data, where that has lost something.
fn lossy_method(file: &File) -> Option<&'static str> {
    let Some(PixelPlace::Encapsulated { fragments, .. }) = &file.pixels else { return None };
    let stream = file.bytes().get(fragments.first()?.clone())?;
    match file.transfer_syntax.as_str() {
        uids::JPEG_BASELINE8_BIT | uids::JPEG_EXTENDED12_BIT => Some("ISO_10918_1"),
        // The stream says whether anything was lost: values may differ by NEAR.
        uids::JPEGLS_NEAR_LOSSLESS => {
            let scan = segment(stream, START_OF_SCAN)?;
            let components = usize::from(*scan.first()?);
            let near = scan.get(1 + 2 * components).copied();
            (near != Some(0)).then_some("ISO_14495_1")
        }
        // And here the wavelet: that of 9/7 taps is irreversible.
        uids::JPEG2000 => irreversible(stream).then_some("ISO_15444_1"),
        uids::JPEG2000MC => irreversible(stream).then_some("ISO_15444_2"),
        uids::HTJ2K => irreversible(stream).then_some("ISO_15444_15"),
        _ => None,
    }
}

const START_OF_SCAN: u8 = 0xda;
const CODING_STYLE: u8 = 0x52;
/// Where the wavelet stands in the coding style's segment (ISO 15444-1, A.6.1).
const WAVELET: usize = 9;

fn irreversible(stream: &[u8]) -> bool {
    segment(stream, CODING_STYLE).and_then(|style| style.get(WAVELET)) == Some(&0)
}

/// The first segment of a kind of a JPEG, JPEG-LS or JPEG 2000 stream, without its length.
fn segment(stream: &[u8], kind: u8) -> Option<&[u8]> {
    // Behind the marker that starts the image.
    let mut rest = stream.get(2..)?;
    loop {
        let [0xff, marker, high, low, ..] = *rest else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if marker == kind {
            return rest.get(4..2 + length);
        }
        rest = rest.get(2 + length.max(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_behind_others() {
        let stream = b"\xff\x4f\xff\x51\x00\x04ab\xff\x52\x00\x0c\x00\x00\x00\x01\x00\x05\x04\x04\x00\x00";
        assert_eq!(segment(stream, 0x51), Some(&b"ab"[..]));
        assert!(irreversible(stream));
        let mut reversible = stream.to_vec();
        *reversible.last_mut().unwrap() = 1;
        assert!(!irreversible(&reversible));
        // Cut off, or damaged.
        for end in 0..stream.len() {
            assert!(!irreversible(&stream[..end]), "{end}");
        }
        assert_eq!(segment(b"\xff\x4f\xff\x51\x00\x00\xff\x52\x00\x01", 0x52), None);
    }

    /// An image of 4 x 4 pixels of 16 bits in a transfer syntax, its pixel data a stream of so many bytes that begins so;
    /// marked with (0028,2110), ratios and methods.
    fn steps(syntax: &str, stream: &[u8], marks: [&str; 3]) -> String {
        use crate::io::Limits;
        use dicom_core::value::PixelFragmentSequence;
        use dicom_core::{DataElement, VR};
        use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
        let mut object = InMemDicomObject::new_empty();
        for (tag, value) in [(tags::ROWS, 4u16), (tags::COLUMNS, 4), (tags::BITS_ALLOCATED, 16)] {
            object.put(DataElement::new(tag, VR::US, dicom_core::PrimitiveValue::from(value)));
        }
        let places = [
            (tags::LOSSY_IMAGE_COMPRESSION, VR::CS),
            (tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS),
            (tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS),
        ];
        for ((tag, vr), text) in places.into_iter().zip(marks).filter(|(_, text)| !text.is_empty()) {
            object.put(DataElement::new(tag, vr, text));
        }
        let mut stream = stream.to_vec();
        stream.resize(16, 0);
        let fragments = PixelFragmentSequence::new_fragments(vec![stream]);
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(syntax)
            .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
            .media_storage_sop_instance_uid("2.25.1");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.dcm");
        object.with_meta(meta).unwrap().write_to_file(&path).unwrap();
        let file = File::open(&path, &Limits::default()).unwrap();
        let steps: Vec<String> =
            lossy_steps(&Attributes::of(&file), &file).iter().map(LossyStep::to_string).collect();
        steps.join(", ")
    }

    #[test]
    fn lossy_transfer_syntaxes_are_marks() {
        let none = ["", "", ""];
        let near = |n: u8| [&b"\xff\xd8\xff\xda\x00\x08\x01\x01\x00"[..], &[n, 0, 0]].concat();
        let wavelet =
            |w: u8| [&b"\xff\x4f\xff\x52\x00\x0c\x00\x00\x00\x01\x00\x05\x04\x04\x00"[..], &[w]].concat();
        // 32 bytes of pixels in 16.
        assert_eq!(steps(uids::JPEG_BASELINE8_BIT, b"", none), "ISO_10918_1 2:1");
        assert_eq!(steps(uids::JPEG_EXTENDED12_BIT, b"", ["00", "", ""]), "ISO_10918_1 2:1");
        assert_eq!(steps(uids::JPEG_LOSSLESS_SV1, b"", none), "");
        assert_eq!(steps(uids::JPEGLS_NEAR_LOSSLESS, &near(3), none), "ISO_14495_1 2:1");
        assert_eq!(steps(uids::JPEGLS_NEAR_LOSSLESS, &near(0), none), "");
        assert_eq!(steps(uids::JPEGLS_LOSSLESS, &near(0), none), "");
        assert_eq!(steps(uids::JPEG2000, &wavelet(0), none), "ISO_15444_1 2:1");
        assert_eq!(steps(uids::JPEG2000, &wavelet(1), none), "");
        assert_eq!(steps(uids::HTJ2K, &wavelet(0), none), "ISO_15444_15 2:1");
    }

    #[test]
    fn marks_and_transfer_syntax_are_not_counted_twice() {
        let jpeg = |marks| steps(uids::JPEG_BASELINE8_BIT, b"", marks);
        assert_eq!(jpeg(["01", "10.5", "ISO_10918_1"]), "ISO_10918_1 10.5:1");
        assert_eq!(jpeg(["01", "", ""]), "ISO_10918_1 2:1");
        assert_eq!(jpeg(["01", "7", ""]), "ISO_10918_1 7:1");
        assert_eq!(jpeg(["01", "7\\3", "ISO_15444_1\\ISO_10918_1"]), "ISO_15444_1 7:1, ISO_10918_1 3:1");
        assert_eq!(jpeg(["01", "7", "ISO_15444_1"]), "ISO_15444_1 7:1, ISO_10918_1 2:1");
        let lossless = |marks| steps(uids::JPEG_LOSSLESS_SV1, b"", marks);
        assert_eq!(lossless(["01", "7\\3", ""]), "unknown 7:1, unknown 3:1");
        assert_eq!(lossless(["01", "", ""]), "unknown");
        assert_eq!(lossless(["00", "7", ""]), "");
        assert_eq!(lossless(["01", "none", "ISO_10918_1"]), "ISO_10918_1");
    }
}
