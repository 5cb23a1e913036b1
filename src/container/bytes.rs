//! Little-endian fields of a section, every read checked.

use crate::storage::{put_whole, take_whole};

/// Reads fields one after the other; the error says what is missing.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn bytes(&mut self, count: usize, what: &str) -> Result<&'a [u8], String> {
        if count > self.rest.len() {
            return Err(format!("{what} needs {count} bytes, {} are left", self.rest.len()));
        }
        let (head, tail) = self.rest.split_at(count);
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(N, what)?);
        Ok(out)
    }

    pub(super) fn u8(&mut self, what: &str) -> Result<u8, String> {
        self.array::<1>(what).map(|[b]| b)
    }
    pub(super) fn u16(&mut self, what: &str) -> Result<u16, String> {
        self.array(what).map(u16::from_le_bytes)
    }
    pub(super) fn u32(&mut self, what: &str) -> Result<u32, String> {
        self.array(what).map(u32::from_le_bytes)
    }
    pub(super) fn u64(&mut self, what: &str) -> Result<u64, String> {
        self.array(what).map(u64::from_le_bytes)
    }
    pub(super) fn f32(&mut self, what: &str) -> Result<f32, String> {
        self.array(what).map(f32::from_le_bytes)
    }
    pub(super) fn f64(&mut self, what: &str) -> Result<f64, String> {
        self.array(what).map(f64::from_le_bytes)
    }
    pub(super) fn f64s<const N: usize>(&mut self, what: &str) -> Result<[f64; N], String> {
        let mut out = [0.0; N];
        for value in &mut out {
            *value = self.f64(what)?;
        }
        Ok(out)
    }
    /// A number of as few bytes as it needs.
    pub(super) fn whole(&mut self, what: &str) -> Result<u64, String> {
        take_whole(&mut self.rest).ok_or_else(|| format!("{what} ends early, or has more than 64 bits"))
    }
    /// The same of something that is counted in memory.
    pub(super) fn count(&mut self, what: &str) -> Result<usize, String> {
        let number = self.whole(what)?;
        usize::try_from(number).map_err(|_| format!("{what} of {number} is beyond this machine"))
    }
    /// A string behind its length.
    pub(super) fn text(&mut self, what: &str) -> Result<String, String> {
        let length = self.count(what)?;
        let bytes = self.bytes(length, what)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| format!("{what} is not UTF-8"))
    }
    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), String> {
        if self.rest.is_empty() { Ok(()) } else { Err(format!("{} bytes too many", self.rest.len())) }
    }
}

/// Appends a string behind its length; of more than 65535 bytes, what is beyond is cut off at a character's end.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut length = text.len().min(u16::MAX.into());
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    put_whole(out, length as u64);
    out.extend(&text.as_bytes()[..length]);
}
