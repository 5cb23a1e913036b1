//! Transfer syntaxes whose pixels are read.

use dicom_dictionary_std::uids;

/// Whether pixels in a transfer syntax are read.
pub(in super::super) fn is_supported(uid: &str) -> bool {
    is_native(uid) || Syntax::of(uid).is_some()
}

/// Whether pixels of one bit stay eight a byte in a transfer syntax.
pub(in super::super) fn keeps_bits(uid: &str) -> bool {
    is_native(uid) || matches!(Syntax::of(uid), Some(Syntax::Uncompressed | Syntax::Deflated))
}

fn is_native(uid: &str) -> bool {
    [
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        super::super::file::EXPLICIT_VR_BIG_ENDIAN,
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ]
    .contains(&uid)
}

/// Retired progressive processes (PS3.5, section A.4 of 2004).
const JPEG_SPECTRAL_SELECTION: &str = "1.2.840.10008.1.2.4.53";
const JPEG_FULL_PROGRESSION: &str = "1.2.840.10008.1.2.4.55";

/// How frames are compressed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Syntax {
    /// JPEG, JPEG-LS or JPEG 2000: which of them and which process, a frame's own header says. Not that JPEG 2000 left out the
    /// last bits, which `may_lose` says.
    Image {
        may_lose: bool,
    },
    Rle,
    /// Each frame an item of its own, as it is.
    Uncompressed,
    Deflated,
}

impl Syntax {
    pub(super) fn of(uid: &str) -> Option<Self> {
        Some(match uid {
            uids::JPEG_BASELINE8_BIT
            | uids::JPEG_EXTENDED12_BIT
            | JPEG_SPECTRAL_SELECTION
            | JPEG_FULL_PROGRESSION
            | uids::JPEG_LOSSLESS
            | uids::JPEG_LOSSLESS_SV1
            | uids::JPEGLS_LOSSLESS
            | uids::JPEGLS_NEAR_LOSSLESS
            | uids::JPEG2000_LOSSLESS
            | uids::JPEG2000MC_LOSSLESS
            | uids::HTJ2K_LOSSLESS
            | uids::HTJ2K_LOSSLESS_RPCL => Self::Image { may_lose: false },
            uids::JPEG2000 | uids::JPEG2000MC | uids::HTJ2K => Self::Image { may_lose: true },
            uids::RLE_LOSSLESS => Self::Rle,
            uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN => Self::Uncompressed,
            uids::DEFLATED_IMAGE_FRAME_COMPRESSION => Self::Deflated,
            _ => return None,
        })
    }
}
