//! Base64 as VTK writes it: runs that each end in padding, one behind the other, with white space anywhere.

use std::io::{Error, ErrorKind, Read, Result};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// One run, padded.
pub(super) fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        let characters: [u8; 4] = std::array::from_fn(|i| {
            if i <= group.len() { ALPHABET[(bits >> (18 - 6 * i)) as usize & 63] } else { b'=' }
        });
        out.extend(characters);
    }
    out
}

/// A run that is encoded piece by piece.
#[derive(Default)]
pub(super) struct Run {
    /// Bytes that are not a whole group of three yet.
    rest: Vec<u8>,
}

impl Run {
    /// As far as there are whole groups.
    pub(super) fn encode(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(bytes);
        let left = self.rest.split_off(self.rest.len() / 3 * 3);
        encode(&std::mem::replace(&mut self.rest, left))
    }

    /// The end, padded.
    pub(super) fn finish(self) -> Vec<u8> {
        encode(&self.rest)
    }
}

/// Decodes while reading; ends at the first character of markup or at the end of the source.
pub(super) struct Decoder<R> {
    source: R,
    input: Vec<u8>,
    at: usize,
    decoded: [u8; 3],
    /// The part of `decoded` not given out yet.
    ready: std::ops::Range<usize>,
    ended: bool,
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, input: Vec::new(), at: 0, decoded: [0; 3], ready: 0..0, ended: false }
    }

    /// The next character that is not white space.
    fn character(&mut self) -> Result<Option<u8>> {
        loop {
            match self.input.get(self.at) {
                Some(b'<') => return Ok(None),
                Some(&c) => {
                    self.at += 1;
                    if !c.is_ascii_whitespace() {
                        return Ok(Some(c));
                    }
                }
                None => {
                    self.input.clear();
                    self.at = 0;
                    if self.source.by_ref().take(1 << 16).read_to_end(&mut self.input)? == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Decodes four characters to one, two or three bytes.
    fn decode(&mut self) -> Result<()> {
        let mut bits = 0u32;
        let mut padding = 0;
        for i in 0..4 {
            let Some(character) = self.character()? else {
                self.ended = true;
                return if i == 0 {
                    Ok(())
                } else {
                    Err(Error::new(ErrorKind::UnexpectedEof, "base64 ends within a group"))
                };
            };
            let value = match character {
                b'A'..=b'Z' => character - b'A',
                b'a'..=b'z' => character - b'a' + 26,
                b'0'..=b'9' => character - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' if i >= 2 => {
                    padding += 1;
                    0
                }
                _ => {
                    return Err(Error::new(
                        ErrorKind::InvalidData,
                        format!("byte 0x{character:02x} is not base64"),
                    ));
                }
            };
            bits = bits << 6 | u32::from(value);
        }
        let [_, a, b, c] = bits.to_be_bytes();
        self.decoded = [a, b, c];
        self.ready = 0..3 - padding;
        Ok(())
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut written = 0;
        for byte in buffer {
            if self.ready.is_empty() && !self.ended {
                self.decode()?;
            }
            let Some(&decoded) = self.ready.next().and_then(|at| self.decoded.get(at)) else { break };
            *byte = decoded;
            written += 1;
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_with_padding_and_blanks_are_joined() {
        let mut bytes = Vec::new();
        Decoder::new(&b" Zm9v\nYg==  YmE= Zm9vYmFy </DataArray>"[..]).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"foobbafoobar");
    }

    #[test]
    fn damage_is_an_error() {
        for text in [&b"Zm9"[..], b"Zm*v", b"=m9v"] {
            assert!(Decoder::new(text).read_to_end(&mut Vec::new()).is_err());
        }
    }
}
