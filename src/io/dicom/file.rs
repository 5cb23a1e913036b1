//! A DICOM file as bytes: where its elements lie, and the pixel data among them.

use super::data_set::DataSet;
use super::syntax::{self, Syntax};
use super::walk::{PixelPlace, Walk, Walked};
use crate::error::{Error, Result};
use crate::io::Limits;
use crate::io::mapped::Mapped;
use dicom_dictionary_std::uids;
use std::io::Read;
use std::ops::Deref;
use std::path::Path;

/// A file whose elements are known.
pub(super) struct File {
    bytes: Bytes,
    /// UID of the transfer syntax.
    pub(super) transfer_syntax: String,
    /// The data set up to the pixel data.
    pub(super) data_set: DataSet,
    /// Where the pixel data lie.
    pub(super) pixels: Option<PixelPlace>,
    /// What is not as the standard has it, though it could be read: a sentence's end, behind the file's name.
    pub(super) notes: Vec<&'static str>,
}

pub(super) enum Bytes {
    Mapped(Mapped),
    Inflated(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Inflated(bytes) => bytes,
        }
    }
}

impl File {
    /// Maps a file and walks over it.
    pub(super) fn open(path: &Path, limits: &Limits) -> Result<Self> {
        let mapped = Mapped::open(path)?;
        let mut notes = Vec::new();
        let start = syntax::start(&mapped).ok_or_else(|| Error::unsupported(path, "not a DICOM file"))?;
        if start == 0 {
            notes.push(
                "the file begins without the preamble and the prefix DICM; its data set is read as it is",
            );
        }
        let mut walk = Walk::new(path, &mapped, start, Syntax::EXPLICIT, limits);
        let declared = walk.meta()?;
        let start = walk.at();
        if declared.as_deref() == Some(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN) {
            let (bytes, (data_set, pixels)) = inflate(path, mapped.get(start..).unwrap_or_default(), limits)?;
            let transfer_syntax = uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN.to_owned();
            return Ok(Self { bytes: Bytes::Inflated(bytes), transfer_syntax, data_set, pixels, notes });
        }
        let written = syntax::told_by(mapped.get(start..).unwrap_or_default());
        let (transfer_syntax, syntax) = agree(declared, written, &mut notes);
        let mut walk = Walk::new(path, &mapped, start, syntax, limits);
        let (data_set, pixels) = walk.data_set()?;
        Ok(Self { bytes: Bytes::Mapped(mapped), transfer_syntax, data_set, pixels, notes })
    }

    /// The bytes that [`Self::data_set`] and [`Self::pixels`] refer to.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, to keep.
    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Explicit VR Big Endian, retired.
pub(super) const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// The transfer syntax and how elements are written, out of what the file declares and how its first element looks. The
/// look counts: writers change a data set and leave its declaration, or the other way round.
fn agree(
    declared: Option<String>,
    written: Option<Syntax>,
    notes: &mut Vec<&'static str>,
) -> (String, Syntax) {
    let own = |syntax: Syntax| match syntax {
        Syntax { explicit: _, big_endian: true } => EXPLICIT_VR_BIG_ENDIAN,
        Syntax { explicit: true, .. } => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        Syntax { explicit: false, .. } => uids::IMPLICIT_VR_LITTLE_ENDIAN,
    };
    let Some(declared) = declared else {
        // PS3.5, section 10.1: implicit little endian is what everybody has to understand.
        let syntax = written.unwrap_or(Syntax::IMPLICIT);
        return (own(syntax).to_owned(), syntax);
    };
    let expected = match declared.as_str() {
        uids::IMPLICIT_VR_LITTLE_ENDIAN => Syntax::IMPLICIT,
        EXPLICIT_VR_BIG_ENDIAN => Syntax { explicit: true, big_endian: true },
        _ => Syntax::EXPLICIT,
    };
    let Some(written) = written.filter(|written| *written != expected) else { return (declared, expected) };
    notes.push(match (expected, written) {
        (Syntax { explicit: true, .. }, Syntax { explicit: false, .. }) => {
            "the transfer syntax says explicit VR, the data set is written with implicit VR and read so"
        }
        (Syntax { explicit: false, .. }, Syntax { explicit: true, .. }) => {
            "the transfer syntax says implicit VR, the data set is written with explicit VR and read so"
        }
        _ => "the data set has another byte order than the transfer syntax says and is read so",
    });
    let transfer_syntax =
        if written.big_endian == expected.big_endian { declared } else { own(written).into() };
    (transfer_syntax, written)
}

/// Bytes that a deflated data set is inflated to at first.
const FIRST_INFLATED_BYTES: u64 = 1 << 20;

/// A deflated data set (PS3.5, section A.5): as much of it as its elements need, and no more than the limits allow.
fn inflate(path: &Path, deflated: &[u8], limits: &Limits) -> Result<(Vec<u8>, Walked)> {
    let most = limits.volume_bytes.saturating_add(limits.header_bytes);
    let mut decoder = flate2::read::DeflateDecoder::new(deflated);
    let mut bytes = Vec::new();
    let mut wanted = FIRST_INFLATED_BYTES.min(most);
    loop {
        let left = wanted - bytes.len() as u64;
        let read = (&mut decoder).take(left).read_to_end(&mut bytes);
        read.map_err(|e| Error::format(path, format!("the deflated data set is damaged: {e}")))?;
        let mut walk = Walk::new(path, &bytes, 0, Syntax::EXPLICIT, limits);
        let walked = walk.data_set();
        let ended = (bytes.len() as u64) < wanted;
        // Zeros behind the last element are padding, however many.
        let padded = walk.at() < bytes.len();
        match walked {
            Ok(found) if ended || padded || found.1.is_some() => return Ok((bytes, found)),
            Err(error) if ended => return Err(error),
            // Elements may go on behind what has been inflated.
            _ if wanted < most => wanted = wanted.saturating_mul(4).min(most),
            _ => {
                return Err(Error::unsupported(
                    path,
                    format!(
                        "the deflated data set exceeds the limit of {most} bytes; check the file, or raise \
                         Limits::volume_bytes"
                    ),
                ));
            }
        }
    }
}
