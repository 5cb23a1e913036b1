//! Compressed pixel data, one frame at a time: the codecs of `dicom-transfer-syntax-registry`, and own ones where these
//! fall short.
//!
//! A frame is handed over alone, after its own header was compared with the image's: a codec must not allocate what
//! a damaged header declares. Codecs that panic on damaged data give an error.

use super::attributes::transfer_syntax_name;
use super::image::Image;
use super::walk::PixelPlace;
use super::{jpeg_extended, rle};
use crate::error::{Error, Result};
use dicom_dictionary_std::uids;
use dicom_encoding::adapters::{PixelDataObject, RawPixelData};
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Whether pixels in a transfer syntax are read by this build.
pub(super) fn is_supported(uid: &str) -> bool {
    is_native(uid)
        || uid == uids::RLE_LOSSLESS
        || TransferSyntaxRegistry
            .get(uid)
            .is_some_and(|s| s.is_encapsulated_pixel_data() && s.can_decode_all())
}

fn is_native(uid: &str) -> bool {
    [
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        super::file::EXPLICIT_VR_BIG_ENDIAN,
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ]
    .contains(&uid)
}

/// Words for messages: which build would read the transfer syntax.
pub(super) fn missing_feature(uid: &str) -> &'static str {
    match uid {
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => {
            " by this build (the feature `jpeg-ls` brings it)"
        }
        _ => "",
    }
}

/// Decodes one frame to its pixels, little endian.
pub(super) fn decode(image: &Image, frame: usize, file: &[u8]) -> Result<Vec<u8>> {
    let path = &image.path;
    let name = transfer_syntax_name(&image.transfer_syntax);
    let damaged = |what: &str| Error::format(path, format!("frame {} in {name}: {what}", frame + 1));
    let data = frame_data(image, frame, file).ok_or_else(|| damaged("its fragments are not all there"))?;
    if let Some(declared) = declared_size(&image.transfer_syntax, &data)
        && declared != [image.columns, image.rows, 1]
    {
        let [columns, rows, components] = declared;
        return Err(damaged(&format!(
            "the compressed image has {columns} x {rows} pixels of {components} components, the file's header {} x {} of one",
            image.columns, image.rows
        )));
    }
    if image.transfer_syntax == uids::RLE_LOSSLESS {
        let pixel_bytes = image.bits_allocated as usize / 8;
        return rle::decode(&data, image.rows * image.columns, pixel_bytes).map_err(|what| damaged(&what));
    }
    if image.transfer_syntax == uids::JPEG_EXTENDED12_BIT && jpeg_extended::recognises(&data) {
        let decoded = jpeg_extended::decode(&data).map_err(|what| damaged(&what))?;
        if image.bits_allocated != 16 {
            return Err(damaged("12-bit samples where the header allocates another size than 16 bits"));
        }
        return Ok(decoded.into_iter().flat_map(u16::to_le_bytes).collect());
    }
    let syntax = TransferSyntaxRegistry.get(&image.transfer_syntax);
    let codec = syntax.and_then(|s| s.pixel_data_reader()).ok_or_else(|| damaged("there is no codec"))?;
    let mut pixels = Vec::new();
    let single = SingleFrame { image, data };
    let decoded = catch_unwind(AssertUnwindSafe(|| codec.decode_frame(&single, 0, &mut pixels)));
    match decoded {
        Ok(Ok(())) => {}
        Ok(Err(e)) => return Err(damaged(&super::attributes::reasons(&e))),
        Err(_) => return Err(damaged("the codec failed inside; the data are damaged")),
    }
    // An odd number may be padded to an even one.
    if pixels.len() < image.frame_bytes() || pixels.len() > image.frame_bytes() + 1 {
        return Err(damaged(&format!("{} bytes were decoded, not {}", pixels.len(), image.frame_bytes())));
    }
    Ok(pixels)
}

/// A frame's fragments, joined where it has several (PS3.5, section A.4).
fn frame_data<'a>(image: &Image, frame: usize, file: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let PixelPlace::Encapsulated { offsets, fragments } = &image.pixels else { return None };
    let of = |range: &std::ops::Range<usize>| file.get(range.clone());
    if fragments.len() == image.frames {
        return of(fragments.get(frame)?).map(Cow::Borrowed);
    }
    // A frame begins where the table says, counted from the first item's tag; without a table, where an image begins.
    let first_item = fragments.first()?.start;
    let begins = |index: usize| -> bool {
        let Some(range) = fragments.get(index) else { return false };
        if image.frames == 1 {
            return index == 0;
        }
        match offsets.as_slice() {
            [] | [_] => of(range).is_some_and(|data| {
                [&b"\xff\xd8\xff"[..], b"\xff\x4f\xff\x51"].iter().any(|start| data.starts_with(start))
            }),
            offsets => offsets.iter().any(|&offset| first_item + offset as usize == range.start),
        }
    };
    let starts: Vec<usize> = (0..fragments.len()).filter(|&index| begins(index)).collect();
    if starts.len() != image.frames {
        return None;
    }
    let end = starts.get(frame + 1).copied().unwrap_or(fragments.len());
    let parts = fragments.get(*starts.get(frame)?..end)?;
    Some(Cow::Owned(parts.iter().map(of).collect::<Option<Vec<_>>>()?.concat()))
}

/// Columns, rows and components that the compressed image itself declares, where its format says it at a known place.
fn declared_size(uid: &str, data: &[u8]) -> Option<[usize; 3]> {
    if uid == uids::RLE_LOSSLESS {
        return None;
    }
    let short = |at: usize| Some(u16::from_be_bytes(*data.get(at..)?.first_chunk()?) as usize);
    let long = |at: usize| Some(u32::from_be_bytes(*data.get(at..)?.first_chunk()?) as usize);
    if data.starts_with(b"\xff\x4f\xff\x51") {
        // JPEG 2000 SIZ: the grid's extent less the image's offset (ISO 15444-1, A.5.1).
        return Some([long(8)?.checked_sub(long(16)?)?, long(12)?.checked_sub(long(20)?)?, short(40)?]);
    }
    if !data.starts_with(b"\xff\xd8") {
        return None;
    }
    // JPEG and JPEG-LS: the frame header among the marker segments (ISO 10918-1, B.2.2; ISO 14495-1, C.2.2).
    let mut at = 2;
    loop {
        match (*data.get(at)?, *data.get(at + 1)?) {
            (0xff, 0xff) => at += 1,
            (0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xf7) => {
                return Some([short(at + 7)?, short(at + 5)?, usize::from(*data.get(at + 9)?)]);
            }
            (0xff, _) => at += 2 + short(at + 2)?,
            _ => return None,
        }
    }
}

/// One frame, as the codecs ask for it.
struct SingleFrame<'a> {
    image: &'a Image,
    data: Cow<'a, [u8]>,
}

impl PixelDataObject for SingleFrame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        &self.image.transfer_syntax
    }
    fn rows(&self) -> Option<u16> {
        u16::try_from(self.image.rows).ok()
    }
    fn cols(&self) -> Option<u16> {
        u16::try_from(self.image.columns).ok()
    }
    fn samples_per_pixel(&self) -> Option<u16> {
        Some(1)
    }
    fn bits_allocated(&self) -> Option<u16> {
        u16::try_from(self.image.bits_allocated).ok()
    }
    fn bits_stored(&self) -> Option<u16> {
        u16::try_from(self.image.bits_stored).ok()
    }
    fn photometric_interpretation(&self) -> Option<&str> {
        Some(&self.image.photometric)
    }
    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }
    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }
    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(&self.data))
    }
    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        Some(Cow::Borrowed(&[]))
    }
    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        Some(RawPixelData {
            fragments: [self.data.to_vec()].into_iter().collect(),
            offset_table: Default::default(),
        })
    }
}
