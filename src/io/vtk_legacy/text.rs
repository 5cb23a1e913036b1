//! A legacy VTK file, read word by word.

use crate::error::{Error, Result};
use crate::io::MOST_COMPONENTS;
use std::path::Path;

/// What a file says of an array behind its samples.
#[derive(Default)]
pub(super) struct Metadata {
    pub(super) unit: String,
    /// Of the first components, empty ones included; none where the file names none.
    pub(super) component_names: Vec<String>,
}

/// The file, read word by word.
pub(super) struct Text<'a> {
    pub(super) path: &'a Path,
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Text<'a> {
    pub(super) fn error(&self, what: String) -> Error {
        Error::format(self.path, format!("{what} (before byte {})", self.at))
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The rest of the line, which ends the title lines.
    pub(super) fn line(&mut self) -> Result<&'a [u8]> {
        let rest = self.rest();
        if rest.is_empty() {
            return Err(self.error("the file ends within its header".into()));
        }
        let length = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        self.at += length + 1;
        Ok(rest.get(..length).unwrap_or_default())
    }

    /// A name: a word in which blanks and the like are written as `%20`.
    pub(super) fn name(&mut self) -> Result<String> {
        Ok(decoded(self.word()?.as_bytes()))
    }

    /// Reads strings, which start behind the line's end, and returns the first: a line each, or the bytes behind a length
    /// (`vtkDataWriter::WriteArray`).
    pub(super) fn strings(&mut self, binary: bool, count: usize) -> Result<Option<String>> {
        self.line()?;
        let mut first = None;
        for n in 0..count {
            let string = if binary {
                String::from_utf8_lossy(self.counted()?).into_owned()
            } else {
                decoded(self.line()?.trim_ascii())
            };
            if n == 0 {
                first = Some(string);
            }
        }
        Ok(first)
    }

    /// Bytes behind their number, whose first two bits say how long it is: 3 a byte, 2 two bytes, 1 four, 0 eight; the most
    /// significant one first.
    pub(super) fn counted(&mut self) -> Result<&'a [u8]> {
        let truncated = |text: &Self| text.error("the file ends inside a string".into());
        let lead = *self.rest().first().ok_or_else(|| truncated(self))?;
        let bytes = 8 >> (lead >> 6);
        let length = self.rest().get(..bytes).ok_or_else(|| truncated(self))?;
        let length = length.iter().skip(1).fold(u64::from(lead & 63), |n, &byte| n << 8 | u64::from(byte));
        self.at += bytes;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let string = self.rest().get(..length).ok_or_else(|| truncated(self))?;
        self.at += length;
        Ok(string)
    }

    /// Passes over words: numbers, when they are text.
    pub(super) fn skip_words(&mut self, count: usize) -> Result<()> {
        let mut left = count;
        let mut inside = false;
        let mut length = 0;
        for &byte in self.rest() {
            let blank = byte.is_ascii_whitespace();
            if inside && blank {
                left -= 1;
            }
            if left == 0 {
                break;
            }
            inside = !blank;
            length += 1;
        }
        // The file's end ends a word, too.
        left -= usize::from(inside && left > 0 && length == self.rest().len());
        self.at += length;
        if left > 0 {
            return Err(self.error(format!("the file ends {left} numbers before the end of an array")));
        }
        Ok(())
    }

    /// Passes over what VTK says of an array behind its samples, up to an empty line: the names of its components, a line
    /// each, and keys, of which the unit is kept (`vtkDataReader::ReadArray`).
    pub(super) fn metadata(&mut self, components: usize) -> Result<Metadata> {
        let mut found = Metadata::default();
        if !self.peek_word().is_some_and(|word| word.eq_ignore_ascii_case("METADATA")) {
            return Ok(found);
        }
        self.next_word();
        self.line()?;
        let mut is_unit = false;
        loop {
            let line = self.line()?.trim_ascii();
            let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            if line.is_empty() {
                return Ok(found);
            } else if word.eq_ignore_ascii_case(b"COMPONENT_NAMES") {
                // A component without a name has an empty line.
                for n in 0..components {
                    let name = decoded(self.line()?.trim_ascii());
                    if n < MOST_COMPONENTS {
                        found.component_names.push(name);
                    }
                }
            } else if word == b"NAME" {
                let mut words = line.split(u8::is_ascii_whitespace).skip(1);
                is_unit = words.next() == Some(b"UNITS_LABEL") && words.next() == Some(b"LOCATION");
            } else if word == b"DATA" && is_unit {
                found.unit = decoded(line.get(word.len()..).unwrap_or_default().trim_ascii());
            }
        }
    }

    /// The next word and where it ends; words of the header are text.
    pub(super) fn peek(&self) -> Option<(&'a str, usize)> {
        let rest = self.rest();
        let start = rest.iter().position(|b| !b.is_ascii_whitespace())?;
        let word = rest.get(start..)?;
        let length = word.iter().position(|b| b.is_ascii_whitespace()).unwrap_or(word.len());
        Some((std::str::from_utf8(word.get(..length)?).ok()?, self.at + start + length))
    }

    pub(super) fn peek_word(&self) -> Option<&'a str> {
        self.peek().map(|(word, _)| word)
    }

    /// The next word if it stands in the same line as the last one.
    pub(super) fn peek_word_in_line(&self) -> Option<&'a str> {
        let blanks = self.rest().iter().take_while(|b| b.is_ascii_whitespace());
        if blanks.into_iter().any(|&b| b == b'\n') { None } else { self.peek_word() }
    }

    pub(super) fn next_word(&mut self) -> Option<&'a str> {
        let (word, end) = self.peek()?;
        self.at = end;
        Some(word)
    }

    pub(super) fn word(&mut self) -> Result<&'a str> {
        self.next_word()
            .ok_or_else(|| self.error("the file ends, or is not text, where a word should be".into()))
    }

    pub(super) fn expect(&mut self, keyword: &str) -> Result<()> {
        let word = self.word()?;
        if word.eq_ignore_ascii_case(keyword) {
            return Ok(());
        }
        Err(self.error(format!("'{word}' where {keyword} should be")))
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self) -> Result<T> {
        let word = self.word()?;
        word.parse().map_err(|_| self.error(format!("'{word}' where a number should be")))
    }

    pub(super) fn numbers<T: std::str::FromStr + Copy + Default>(&mut self) -> Result<[T; 3]> {
        let mut numbers = [T::default(); 3];
        for number in &mut numbers {
            *number = self.number()?;
        }
        Ok(numbers)
    }

    /// The bytes of binary samples, which start behind the line's end.
    pub(super) fn binary(&mut self, count: usize, size: usize) -> Result<&'a [u8]> {
        self.line()?;
        let bytes =
            count.checked_mul(size).and_then(|length| self.rest().get(..length)).ok_or_else(|| {
                self.error(format!(
                    "{count} samples of {size} bytes do not fit the {} bytes left; the file is truncated",
                    self.rest().len()
                ))
            })?;
        self.at += bytes.len();
        Ok(bytes)
    }
}

/// Text in which blanks and the like are written as `%20`.
pub(super) fn decoded(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let code = (byte == b'%').then(|| std::str::from_utf8(behind.get(..2)?).ok());
        match code.flatten().and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
