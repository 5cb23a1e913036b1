//! Samples piece by piece: of a volume of any size one piece is in memory.

use crate::error::{Error, Result};
use crate::io::elements::{self, ByteOrder, FilePart, StoredType, WideRange, swap_bytes};
use crate::volume::{SampleType, Samples, for_each_type};
use std::io::Read;
use std::path::Path;

/// Samples of a piece of bytes, and bytes of a piece of text; in tests, of which most are of small volumes, only a few.
const PIECE: usize = if cfg!(test) { 16 } else { 1 << 18 };
/// No number has more characters, as it is written in words.
pub(in crate::io) const LONGEST_NUMBER: usize = 1 << 12;

/// How many pieces a volume has, about.
pub(super) fn count(part: FilePart, is_text: bool) -> usize {
    if is_text { part.samples_to_its_end().div_ceil(PIECE) } else { part.count.div_ceil(PIECE) }
}

/// Reads `count` samples and passes them on piece by piece, 64-bit integers as the low halves of which both types that they may be
/// narrowed to are made. The type that they have in the end, and the range of 64-bit ones.
pub(in crate::io) fn samples_of_bytes(
    path: &Path,
    reader: &mut dyn Read,
    stored: StoredType,
    order: ByteOrder,
    count: usize,
    each: &mut dyn FnMut(Samples) -> Result<()>,
) -> Result<(SampleType, WideRange)> {
    let size = stored.size();
    let all = count.saturating_mul(size);
    let mut wide = WideRange::EMPTY;
    let mut block = vec![0u8; if size == 8 { 8 * count.min(PIECE) } else { 0 }];
    for first in (0..count).step_by(PIECE) {
        let length = PIECE.min(count - first);
        match stored {
            StoredType::Kept(sample_type) => {
                let mut samples = Samples::zeros(sample_type, length);
                elements::fill(path, reader, samples.as_bytes_mut(), (first * size, all))?;
                if order != ByteOrder::NATIVE {
                    swap_bytes(samples.as_bytes_mut(), size);
                }
                each(samples)?;
            }
            StoredType::I64 | StoredType::U64 => {
                let bytes = block.get_mut(..8 * length).unwrap_or_default();
                elements::fill(path, reader, bytes, (first * size, all))?;
                if order != ByteOrder::NATIVE {
                    swap_bytes(bytes, 8);
                }
                let halves = bytemuck::cast_slice::<u8, [u8; 8]>(bytes).iter().map(|&value| match stored {
                    StoredType::I64 => wide.half(i64::from_ne_bytes(value).into()),
                    _ => wide.half(u64::from_ne_bytes(value).into()),
                });
                each(Samples::U32(halves.collect()))?;
            }
        }
    }
    let sample_type = match stored {
        StoredType::Kept(sample_type) => sample_type,
        StoredType::I64 | StoredType::U64 => wide.sample_type(path)?,
    };
    Ok((sample_type, wide))
}

/// How numbers are written in a text.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::io) struct TextForm {
    /// Commas separate numbers, too.
    pub(in crate::io) commas: bool,
    /// The text has no more numbers than are wanted: an error names this array where it has.
    pub(in crate::io) ends: bool,
}

/// Parses the wanted numbers of a text that begins with the first volume, and passes them on as [`samples_of_bytes`] does.
pub(in crate::io) fn numbers_of_text(
    path: &Path,
    reader: &mut dyn Read,
    stored: StoredType,
    part: FilePart,
    form: TextForm,
    each: &mut dyn FnMut(Samples) -> Result<()>,
) -> Result<(SampleType, WideRange)> {
    let all = part.samples_to_its_end();
    let mut words = Words { path, reader, form, text: Vec::new(), at: 0, ended: false };
    let mut wide = WideRange::EMPTY;
    let mut index = 0;
    while index < all {
        let end = all.min(index + PIECE);
        let mut samples = match stored {
            StoredType::Kept(sample_type) => Samples::with_capacity(sample_type, end - index),
            StoredType::I64 | StoredType::U64 => Samples::U32(Vec::with_capacity(end - index)),
        };
        for index in index..end {
            let word = words.next()?.ok_or_else(|| elements::too_few_numbers(path, index, all))?;
            let wanted = part.has(index);
            if matches!(stored, StoredType::Kept(_)) {
                for_each_type!(&mut samples, values => {
                    let value = elements::number(path, word, index, stored)?;
                    if wanted {
                        values.push(value);
                    }
                });
            } else {
                let half = wide.half(elements::number(path, word, index, stored)?);
                if let (true, Samples::U32(halves)) = (wanted, &mut samples) {
                    halves.push(half);
                }
            }
        }
        index = end;
        each(samples)?;
    }
    if form.ends && words.next()?.is_some() {
        return Err(Error::format(path, format!("the text holds more numbers than the {all} of the grid")));
    }
    let sample_type = match stored {
        StoredType::Kept(sample_type) => sample_type,
        StoredType::I64 | StoredType::U64 => wide.sample_type(path)?,
    };
    Ok((sample_type, wide))
}

/// The words of a text, of which one piece is in memory.
struct Words<'a> {
    path: &'a Path,
    reader: &'a mut dyn Read,
    form: TextForm,
    text: Vec<u8>,
    /// The first byte of `text` that has not been looked at.
    at: usize,
    ended: bool,
}

impl Words<'_> {
    fn separates(form: TextForm, byte: u8) -> bool {
        byte.is_ascii_whitespace() || form.commas && byte == b','
    }

    /// The next word; `None` where the text ends.
    fn next(&mut self) -> Result<Option<&[u8]>> {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let blanks = rest.iter().take_while(|byte| Self::separates(self.form, **byte)).count();
            let rest = rest.get(blanks..).unwrap_or_default();
            let length = rest.iter().position(|byte| Self::separates(self.form, *byte));
            // A word that ends with the piece may go on in the next one.
            if let Some(length) = length.or_else(|| self.ended.then_some(rest.len())) {
                let start = self.at + blanks;
                self.at = start + length;
                return Ok(self.text.get(start..self.at).filter(|word| !word.is_empty()));
            }
            if rest.len() > LONGEST_NUMBER {
                let start = String::from_utf8_lossy(rest.get(..40).unwrap_or_default());
                return Err(Error::format(
                    self.path,
                    format!(
                        "'{start}...', where a number should be, has more than {LONGEST_NUMBER} characters"
                    ),
                ));
            }
            self.text.drain(..self.at + blanks);
            self.at = 0;
            let read = (&mut *self.reader)
                .take(PIECE as u64)
                .read_to_end(&mut self.text)
                .map_err(|e| Error::io(self.path, e))?;
            self.ended = read == 0;
        }
    }
}
