//! JPEG Extended with 12 bits a sample (ISO 10918-1, process 4: sequential DCT, Huffman coding), one component.
//!
//! Own code because `jpeg-decoder` knows 8 bits only. The inverse DCT is the integer one that the Independent JPEG Group's
//! library made the usual one (Loeffler, Ligtenberg and Moschytz 1989, 13-bit constants), so that pixels are the
//! same as other readers'.

use super::huffman::{Bits, Huffman};
use super::markers::{DHT, DQT, DRI, SOS, Segments, restart_interval};

/// Samples are stored around this.
const CENTRE: i64 = 2048;
const LARGEST: i64 = 4095;

/// Decodes a stream to its samples, 0..=4095, row by row; its frame header says `columns` x `rows` samples, with
/// these parameters of the component.
pub(super) fn decode(data: &[u8], size: [usize; 2], of_component: &[u8]) -> Result<Vec<u16>, String> {
    let &[_, _, quantisation, ..] = of_component else { return Err("a short frame header".into()) };
    let mut tables = Tables::default();
    let mut segments = Segments::new(data);
    while let Some((marker, segment)) = segments.next() {
        match marker {
            DQT => tables.quantisation(segment)?,
            DHT => {
                for (class, number, table) in Huffman::read(segment)? {
                    let slot = tables.huffman.get_mut(class).and_then(|of| of.get_mut(number));
                    *slot.ok_or("a Huffman table of no use")? = Some(table);
                }
            }
            DRI => tables.restart_interval = restart_interval(segment)?,
            SOS => return scan(size, quantisation.into(), &tables, segment, segments.rest()),
            _ => {}
        }
    }
    Err("it holds no scan".into())
}

#[derive(Default)]
struct Tables {
    /// In zigzag order.
    quantisation: [Option<[i64; 64]>; 4],
    /// Of DC, then of AC coefficients.
    huffman: [[Option<Huffman>; 4]; 2],
    restart_interval: usize,
}

impl Tables {
    fn quantisation(&mut self, mut segment: &[u8]) -> Result<(), String> {
        while let Some((&head, rest)) = segment.split_first() {
            let size = if head >> 4 == 0 { 1 } else { 2 };
            let values = rest.get(..64 * size).ok_or("a short quantisation table")?;
            let table =
                self.quantisation.get_mut(usize::from(head & 15)).ok_or("a fifth quantisation table")?;
            let mut steps = [0; 64];
            for (step, bytes) in steps.iter_mut().zip(values.chunks_exact(size)) {
                *step = bytes.iter().fold(0, |value, &byte| value << 8 | i64::from(byte));
            }
            *table = Some(steps);
            segment = rest.get(64 * size..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Decodes the scan behind its header (B.2.3).
fn scan(
    [columns, rows]: [usize; 2],
    quantisation: usize,
    tables: &Tables,
    header: &[u8],
    data: &[u8],
) -> Result<Vec<u16>, String> {
    let [1, _, selectors, ..] = *header else { return Err("a scan of several components".into()) };
    let of = |kind: usize, number: u8| {
        let table = tables.huffman[kind].get(usize::from(number)).and_then(Option::as_ref);
        table.ok_or("the scan's Huffman table is missing")
    };
    let (dc, ac) = (of(0, selectors >> 4)?, of(1, selectors & 15)?);
    let steps = tables.quantisation.get(quantisation).and_then(Option::as_ref);
    let steps = steps.ok_or("the frame's quantisation table is missing")?;

    let mut samples = vec![0; columns * rows];
    let mut bits = Bits::new(data);
    let mut predicted = 0;
    let blocks = columns.div_ceil(8);
    for index in 0..blocks * rows.div_ceil(8) {
        if tables.restart_interval > 0 && index > 0 && index % tables.restart_interval == 0 {
            bits.restart(index / tables.restart_interval - 1)?;
            predicted = 0;
        }
        let block = block(&mut bits, dc, ac, steps, &mut predicted)?;
        let (x, y) = (8 * (index % blocks), 8 * (index / blocks));
        for (row, values) in inverse_dct(&block).chunks_exact(8).enumerate().take(rows - y) {
            let width = 8.min(columns - x);
            let at = (y + row) * columns + x;
            for (sample, value) in samples[at..at + width].iter_mut().zip(values) {
                *sample = (value + CENTRE).clamp(0, LARGEST) as u16;
            }
        }
    }
    Ok(samples)
}

/// Where the coefficients of the zigzag order lie in a block (figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The coefficients of the next block, dequantised, rows first (F.2.2).
fn block(
    bits: &mut Bits,
    dc: &Huffman,
    ac: &Huffman,
    steps: &[i64; 64],
    predicted: &mut i64,
) -> Result<[i64; 64], String> {
    let mut block = [0; 64];
    let size = bits.symbol(dc)?;
    *predicted += bits.signed(size)?;
    block[0] = *predicted * steps[0];
    let mut k = 1;
    while k < 64 {
        let symbol = bits.symbol(ac)?;
        let (run, size) = (usize::from(symbol >> 4), symbol & 15);
        if size == 0 {
            // Sixteen zeros, or the end of the block.
            if run != 15 {
                break;
            }
            k += 16;
            continue;
        }
        k += run;
        let place = *ZIGZAG.get(k).ok_or("more than 64 coefficients in a block")?;
        block[place] = bits.signed(size)? * steps[k];
        k += 1;
    }
    Ok(block)
}

/// Bits of the constants.
const CONSTANT_BITS: u32 = 13;
/// Further bits that are kept between the passes; one, so that 12-bit samples fit 32 bits.
const PASS_BITS: u32 = 1;

/// The inverse DCT of a block: columns, then rows.
fn inverse_dct(block: &[i64; 64]) -> [i64; 64] {
    let mut half = [0; 64];
    for column in 0..8 {
        let out = inverse_dct_8(std::array::from_fn(|row| block[8 * row + column]));
        for (row, value) in out.into_iter().enumerate() {
            half[8 * row + column] = descale(value, CONSTANT_BITS - PASS_BITS);
        }
    }
    let mut whole = [0; 64];
    for row in 0..8 {
        let out = inverse_dct_8(std::array::from_fn(|column| half[8 * row + column]));
        for (column, value) in out.into_iter().enumerate() {
            whole[8 * row + column] = descale(value, CONSTANT_BITS + PASS_BITS + 3);
        }
    }
    whole
}

fn descale(value: i64, bits: u32) -> i64 {
    (value + (1 << (bits - 1))) >> bits
}

/// Eight values, scaled up by the square root of 8 and [`CONSTANT_BITS`].
fn inverse_dct_8([c0, c1, c2, c3, c4, c5, c6, c7]: [i64; 8]) -> [i64; 8] {
    // Even part.
    let z = (c2 + c6) * 4433; // 0.541196100
    let (a2, a3) = (z - c6 * 15137, z + c2 * 6270); // 1.847759065, 0.765366865
    let (a0, a1) = ((c0 + c4) << CONSTANT_BITS, (c0 - c4) << CONSTANT_BITS);
    let even = [a0 + a3, a1 + a2, a1 - a2, a0 - a3];
    // Odd part.
    let z5 = (c7 + c3 + c5 + c1) * 9633; // 1.175875602
    let (z1, z2) = (-(c7 + c1) * 7373, -(c5 + c3) * 20995); // 0.899976223, 2.562915447
    let (z3, z4) = (z5 - (c7 + c3) * 16069, z5 - (c5 + c1) * 3196); // 1.961570560, 0.390180644
    let odd = [
        c1 * 12299 + z1 + z4, // 1.501321110
        c3 * 25172 + z2 + z3, // 3.072711026
        c5 * 16819 + z2 + z4, // 2.053119869
        c7 * 2446 + z1 + z3,  // 0.298631336
    ];
    std::array::from_fn(|n| if n < 4 { even[n] + odd[n] } else { even[7 - n] - odd[7 - n] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_dct_is_that_of_the_formula() {
        let mut block = [0i64; 64];
        for (k, value) in block.iter_mut().enumerate() {
            *value = (k as i64 * 7919 % 401 - 200) * 8 / (1 + k as i64 / 4);
        }
        let found = inverse_dct(&block);
        for y in 0..8 {
            for x in 0..8 {
                let mut sum = 0.0;
                for v in 0..8 {
                    for u in 0..8 {
                        let scale = |k: usize| if k == 0 { 0.5f64.sqrt() } else { 1.0 };
                        let wave = |at: usize, k: usize| {
                            ((2 * at + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos()
                        };
                        sum += scale(u) * scale(v) * block[8 * v + u] as f64 * wave(x, u) * wave(y, v) / 4.0;
                    }
                }
                assert!((found[8 * y + x] as f64 - sum).abs() <= 1.0, "{x} {y}: {} {sum}", found[8 * y + x]);
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        for rest in
            [&b""[..], b"\xff\xda\0\x08\x01\x01\0\0\x3f\0", b"\xff\xdb\0\x04\0\0", b"\xff\xc4\0\x05\0\0\0"]
        {
            assert!(decode(&[b"\xff\xd8", rest].concat(), [8, 8], &[1, 0x11, 0]).is_err());
        }
    }
}
