//! Huffman codes and the entropy-coded bits of JPEG scans (ISO 10918-1, annexes C and F).

use super::markers::behind_restart_marker;

/// Codes up to this length are looked up at once.
const QUICK_BITS: u32 = 9;

/// A Huffman table (F.2.2.3): for each length the largest code and where its values begin.
pub(super) struct Huffman {
    largest: [i32; 17],
    offset: [i32; 17],
    values: Vec<u8>,
    /// Value and length for what the next bits are; length 0 where the code is longer.
    quick: Vec<(u8, u8)>,
}

impl Huffman {
    /// The tables of a DHT segment (B.2.4.2), each with its class (0 for DC and lossless, 1 for AC) and number.
    pub(super) fn read(mut segment: &[u8]) -> Result<Vec<(usize, usize, Self)>, String> {
        let mut tables = Vec::new();
        while let Some((&head, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or("a short Huffman table")?;
            let total: usize = counts.iter().map(|&n| usize::from(n)).sum();
            let values = rest.get(..total).ok_or("a short Huffman table")?;
            tables.push(((head >> 4).into(), (head & 15).into(), Self::new(counts, values)));
            segment = rest.get(total..).unwrap_or_default();
        }
        Ok(tables)
    }

    fn new(counts: &[u8; 16], values: &[u8]) -> Self {
        let mut table = Self {
            largest: [-1; 17],
            offset: [0; 17],
            values: values.to_vec(),
            quick: vec![(0, 0); 1 << QUICK_BITS],
        };
        let (mut code, mut first) = (0i32, 0i32);
        for (length, &count) in (1..).zip(counts) {
            table.offset[length] = first - code;
            for _ in 0..count {
                let spare = QUICK_BITS.saturating_sub(length as u32);
                let value = values.get(first as usize).copied().unwrap_or(0);
                if length as u32 <= QUICK_BITS {
                    let from = (code as usize) << spare;
                    // More codes than fit a length are a damaged table's.
                    if let Some(entries) = table.quick.get_mut(from..from + (1 << spare)) {
                        entries.fill((value, length as u8));
                    }
                }
                code += 1;
                first += 1;
            }
            if count > 0 {
                table.largest[length] = code - 1;
            }
            code <<= 1;
        }
        table
    }
}

/// The bits of entropy-coded data, without its stuffed bytes.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// Bits that were taken out of the bytes and not yet read, the next one on top.
    buffer: u64,
    ready: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, ready: 0 }
    }

    /// Takes bytes until there are at least 57 bits, or a marker or the end is reached.
    fn fill(&mut self) {
        while self.ready <= 56 {
            let Some(&byte) = self.data.get(self.at) else { return };
            if byte == 0xff {
                if self.data.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.buffer |= u64::from(byte) << (56 - self.ready);
            self.ready += 8;
        }
    }

    fn take(&mut self, count: u32) -> Result<(), String> {
        self.ready = self.ready.checked_sub(count).ok_or("the scan ends early")?;
        self.buffer <<= count;
        Ok(())
    }

    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u8, String> {
        if self.ready < 16 {
            self.fill();
        }
        let (value, length) =
            table.quick.get((self.buffer >> (64 - QUICK_BITS)) as usize).copied().unwrap_or((0, 0));
        if length > 0 {
            self.take(length.into())?;
            return Ok(value);
        }
        for length in 1..17 {
            let code = (self.buffer >> (64 - length)) as i32;
            if code <= table.largest[length] {
                self.take(length as u32)?;
                let value = usize::try_from(code + table.offset[length]).ok();
                let value = value.and_then(|at| table.values.get(at));
                return Ok(*value.ok_or("a code that stands for nothing")?);
            }
        }
        Err(if self.ready < 16 { "the scan ends early" } else { "a code longer than 16 bits" }.into())
    }

    /// A number of `size` bits, at most 16, the lower half of which are negative (figure F.12).
    pub(super) fn signed(&mut self, size: u8) -> Result<i64, String> {
        if size == 0 {
            return Ok(0);
        }
        if size > 16 {
            return Err(format!("a number of {size} bits"));
        }
        if self.ready < size.into() {
            self.fill();
        }
        let value = (self.buffer >> (64 - size)) as i64;
        self.take(size.into())?;
        Ok(if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value })
    }

    /// Steps over a restart marker with this number, 0 to 7.
    pub(super) fn restart(&mut self, number: usize) -> Result<(), String> {
        // The rest of the last byte is padding.
        self.fill();
        let at = behind_restart_marker(self.data, self.at, self.ready, number)?;
        *self = Self { data: self.data, at, buffer: 0, ready: 0 };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 0, 10, 110 and, of ten bits, 1110000000.
    const SEGMENT: &[u8] = &[0x10, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5, 6, 7, 8];

    #[test]
    fn codes_short_and_long() {
        let tables = Huffman::read(SEGMENT).unwrap();
        let [(1, 0, table)] = tables.as_slice() else { panic!("one table") };
        // 0 10 110, 1110000000, then 3 bits 011 (negative) and 101; the byte of ones is stuffed.
        let mut bits = Bits::new(&[0b0101_1011, 0b1000_0000, 0b0111_0111, 0xff, 0, 0xff, 0xd9]);
        let symbols: Vec<u8> = (0..4).map(|_| bits.symbol(table).unwrap()).collect();
        assert_eq!(symbols, [5, 6, 7, 8]);
        assert_eq!((bits.signed(3), bits.signed(3), bits.signed(10)), (Ok(-4), Ok(5), Ok(1023)));
        assert!(bits.symbol(table).unwrap_err().contains("ends early"));
    }

    #[test]
    fn damage_is_an_error() {
        assert!(Huffman::read(&SEGMENT[..19]).is_err());
        assert!(Huffman::read(&SEGMENT[..10]).is_err());
        let tables = Huffman::read(SEGMENT).unwrap();
        let [(1, 0, table)] = tables.as_slice() else { panic!("one table") };
        assert!(Bits::new(&[0xfe; 4]).symbol(table).unwrap_err().contains("longer than 16"));
        // More codes than there are of a length.
        let full = Huffman::read(&[[0u8, 255].as_slice(), &[0; 15], &[1; 255]].concat()).unwrap();
        assert!(Bits::new(&[0x55; 9]).symbol(&full[0].2).is_ok());
    }
}
