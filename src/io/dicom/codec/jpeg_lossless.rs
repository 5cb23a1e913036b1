//! JPEG Lossless (ISO 10918-1, annex H, process 14): Huffman-coded differences from a prediction, 2 to 16 bits; components are
//! in one scan, or each in one of its own.
//!
//! Own code because `jpeg-decoder` predicts from shifted samples where there is a point transform, and goes on predicting over
//! restart markers.

use super::huffman::{Bits, Huffman};
use super::markers::{DHT, DRI, SOS, Segments, check_sampling, component, restart_interval};

/// Components that a pixel may have.
const MOST_COMPONENTS: usize = 4;

/// Decodes a stream whose frame header says `columns` x `rows` pixels of `precision` bits a sample, with these parameters of
/// the components. Row by row, the samples of a pixel beside each other.
pub(super) fn decode(
    data: &[u8],
    [columns, rows]: [usize; 2],
    precision: u32,
    of_components: &[u8],
) -> Result<Vec<u16>, String> {
    if !(2..=16).contains(&precision) {
        return Err(format!("samples of {precision} bits, where lossless JPEG has 2 to 16"));
    }
    let count = of_components.len() / 3;
    if !(1..=MOST_COMPONENTS).contains(&count) {
        return Err(format!("{count} components, where there are 1 to {MOST_COMPONENTS}"));
    }
    check_sampling(of_components)?;
    let mut samples = vec![0u16; columns * rows * count];
    let mut decoded = vec![false; count];
    let mut tables: [Option<Huffman>; 4] = Default::default();
    let mut interval = 0;
    let mut segments = Segments::new(data);
    while let Some((marker, segment)) = segments.next() {
        match marker {
            DHT => {
                // Those of AC coefficients, class 1, are of no use here.
                for (_, number, table) in
                    Huffman::read(segment)?.into_iter().filter(|(class, ..)| *class == 0)
                {
                    *tables.get_mut(number).ok_or("a fifth Huffman table")? = Some(table);
                }
            }
            DRI => interval = restart_interval(segment)?,
            SOS => {
                let short = "a short scan header";
                let (&of_scan, rest) = segment.split_first().ok_or(short)?;
                let chosen = rest.get(..2 * usize::from(of_scan)).filter(|chosen| !chosen.is_empty());
                let &[selection, _, approximation, ..] = rest.get(2 * usize::from(of_scan)..).ok_or(short)?
                else {
                    return Err(short.into());
                };
                let mut places = Vec::new();
                for chosen in chosen.ok_or(short)?.chunks_exact(2) {
                    let place = component(of_components, chosen[0])?;
                    if std::mem::replace(&mut decoded[place], true) {
                        return Err(format!("component {} is there twice", chosen[0]));
                    }
                    let table = tables.get(usize::from(chosen[1] >> 4)).and_then(Option::as_ref);
                    places.push((place, table.ok_or("the scan's Huffman table is missing")?));
                }
                let scan =
                    Scan { places, selection, transform: (approximation & 15).into(), precision, count };
                scan.decode(segments.rest(), columns, &mut samples, interval)?;
                if decoded.iter().all(|decoded| *decoded) {
                    return Ok(samples);
                }
                segments.skip_scan();
            }
            _ => {}
        }
    }
    match decoded.iter().position(|decoded| *decoded) {
        Some(_) => Err("it holds no scan of some components".into()),
        None => Err("it holds no scan".into()),
    }
}

struct Scan<'a> {
    /// Which components it has, each with its table.
    places: Vec<(usize, &'a Huffman)>,
    /// Which prediction, 1 to 7 (table H.1).
    selection: u8,
    /// Pt: how many low bits the samples were coded without.
    transform: u32,
    precision: u32,
    /// Components of a pixel.
    count: usize,
}

impl Scan<'_> {
    fn decode(
        &self,
        data: &[u8],
        columns: usize,
        samples: &mut [u16],
        interval: usize,
    ) -> Result<(), String> {
        let bits_coded = self.precision.checked_sub(self.transform).filter(|&bits| bits > 0);
        let bits_coded = bits_coded.ok_or_else(|| format!("a point transform by {} bits", self.transform))?;
        if !(1..=7).contains(&self.selection) {
            return Err(format!("predictor {}, where there are 1 to 7", self.selection));
        }
        if !interval.is_multiple_of(columns) {
            return Err(format!(
                "a restart interval of {interval} samples, which are not whole rows of {columns}"
            ));
        }
        let restart_rows = interval / columns;
        let width = columns * self.count;
        let mut bits = Bits::new(data);
        for y in 0..samples.len() / width {
            let begins = restart_rows > 0 && y % restart_rows == 0;
            if begins && y > 0 {
                bits.restart(y / restart_rows - 1)?;
            }
            // The row above is not looked at behind a restart marker (H.1.2.1).
            let first = y == 0 || begins;
            let (above, row) = samples.split_at_mut(y * width);
            let above = above.get(above.len().saturating_sub(width)..).filter(|_| !first);
            let row = row.get_mut(..width).unwrap_or_default();
            self.row(&mut bits, row, above, bits_coded)?;
        }
        let pixels = samples.chunks_exact_mut(self.count);
        pixels.for_each(|pixel| self.places.iter().for_each(|(place, _)| pixel[*place] <<= self.transform));
        Ok(())
    }

    fn row(
        &self,
        bits: &mut Bits,
        row: &mut [u16],
        above: Option<&[u16]>,
        bits_coded: u32,
    ) -> Result<(), String> {
        let mut left = [0; MOST_COMPONENTS];
        for (x, pixel) in row.chunks_exact_mut(self.count).enumerate() {
            for &(place, table) in &self.places {
                let b = |x: usize| {
                    let sample = above.and_then(|above| above.get(x * self.count + place));
                    sample.map(|&sample| i32::from(sample))
                };
                let left = &mut left[place];
                let predicted = match (x, b(x)) {
                    (0, None) => 1 << (bits_coded - 1),
                    (0, Some(b)) => b,
                    (_, None) => *left,
                    (_, Some(rb)) => {
                        let (ra, rc) = (*left, b(x - 1).unwrap_or(0));
                        match self.selection {
                            1 => ra,
                            2 => rb,
                            3 => rc,
                            4 => ra + rb - rc,
                            5 => ra + ((rb - rc) >> 1),
                            6 => rb + ((ra - rc) >> 1),
                            _ => (ra + rb) >> 1,
                        }
                    }
                };
                // Of the differences of 16 bits there is one, and no bits follow (H.1.2.2).
                let difference = match bits.symbol(table)? {
                    16 => 32768,
                    size => bits.signed(size)? as i32,
                };
                // Modulo 2^16.
                *left = (predicted + difference) & 0xffff;
                if *left >> bits_coded != 0 {
                    return Err(format!("a sample of {left}, where {bits_coded} bits are coded"));
                }
                pixel[place] = *left as u16;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::io::dicom::codec::tests::pictures;

    /// A stream of an image; `restart_rows` is 0 for no restart markers.
    pub(in super::super) fn encode(
        samples: &[u16],
        columns: usize,
        precision: u32,
        selection: u8,
        transform: u32,
        restart_rows: usize,
    ) -> Vec<u8> {
        let rows = samples.len() / columns;
        let mut stream = b"\xff\xd8".to_vec();
        let mut segment = |marker: u8, content: &[u8]| {
            stream.extend([0xff, marker]);
            stream.extend((content.len() as u16 + 2).to_be_bytes());
            stream.extend(content);
        };
        // Seventeen codes: 0 to 14 of five bits would leave no room for two longer ones; so fifteen of five, two of six.
        let mut table = vec![0, 0, 0, 0, 0, 15, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        table.extend(0..17);
        segment(DHT, &table);
        let ([y0, y1], [x0, x1]) = ((rows as u16).to_be_bytes(), (columns as u16).to_be_bytes());
        segment(0xc3, &[precision as u8, y0, y1, x0, x1, 1, 1, 0x11, 0]);
        if restart_rows > 0 {
            segment(DRI, &((restart_rows * columns) as u16).to_be_bytes());
        }
        segment(SOS, &[1, 1, 0, selection, 0, transform as u8]);
        let part_rows = if restart_rows > 0 { restart_rows } else { rows };
        for (number, part) in samples.chunks(part_rows * columns).enumerate() {
            if number > 0 {
                stream.extend([0xff, 0xd0 + (number as u8 - 1) % 8]);
            }
            let coded: Vec<i32> = part.iter().map(|&sample| i32::from(sample >> transform)).collect();
            let mut bits = Vec::new();
            for n in 0..coded.len() {
                let (x, y) = (n % columns, n / columns);
                let predicted = match (x, y) {
                    (0, 0) => 1 << (precision - transform - 1),
                    (_, 0) => coded[n - 1],
                    (0, _) => coded[n - columns],
                    _ => {
                        let (a, b, c) = (coded[n - 1], coded[n - columns], coded[n - columns - 1]);
                        [a, b, c, a + b - c, a + ((b - c) >> 1), b + ((a - c) >> 1), (a + b) >> 1]
                            [selection as usize - 1]
                    }
                };
                let difference = i32::from((coded[n] - predicted) as i16);
                let size = 32 - difference.unsigned_abs().leading_zeros();
                let (code, length) = if size < 15 { (size, 5) } else { (30 + size - 15, 6) };
                bits.extend((0..length).rev().map(|n| code >> n & 1));
                let magnitude = if difference < 0 { difference - 1 } else { difference };
                if size < 16 {
                    bits.extend((0..size).rev().map(|n| (magnitude >> n & 1) as u32));
                }
            }
            for byte in bits.chunks(8) {
                let byte = (0..8).fold(0, |value, n| value << 1 | byte.get(n).copied().unwrap_or(1) as u8);
                stream.push(byte);
                if byte == 0xff {
                    stream.push(0);
                }
            }
        }
        stream.extend(b"\xff\xd9");
        stream
    }

    #[test]
    fn what_was_encoded_comes_back() {
        for size in [[1, 1], [1, 9], [9, 1], [31, 22]] {
            for precision in [2, 7, 8, 12, 16] {
                for samples in pictures(size[0], size[1], precision) {
                    for selection in 1..=7 {
                        for (transform, restart_rows) in [(0, 0), (1, 0), (0, 1), (1, 3)] {
                            let stream =
                                encode(&samples, size[0], precision, selection, transform, restart_rows);
                            let decoded = decode(&stream, size, precision, &[1, 0x11, 0]).unwrap();
                            let expected: Vec<u16> =
                                samples.iter().map(|s| s >> transform << transform).collect();
                            assert_eq!(
                                decoded, expected,
                                "{size:?}, {precision} bits, predictor {selection}, {transform}, {restart_rows}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        let samples = pictures(31, 22, 12).remove(0);
        let stream = encode(&samples, 31, 12, 6, 0, 2);
        let refused = |stream: &[u8], precision: u32, words: &str| {
            let what = decode(stream, [31, 22], precision, &[1, 0x11, 0]).unwrap_err();
            assert!(what.contains(words), "{what}");
        };
        refused(&stream[..stream.len() / 2], 12, "ends early");
        refused(&stream, 1, "1 bits");
        let scan = stream.windows(2).position(|w| w == [0xff, SOS]).unwrap();
        let changed = |at: usize, value: u8| {
            let mut changed = stream.clone();
            changed[at] = value;
            changed
        };
        refused(&changed(scan + 7, 0), 12, "predictor 0");
        refused(&changed(scan + 9, 12), 12, "a point transform by 12 bits");
        refused(&changed(scan + 6, 0x10), 12, "Huffman table is missing");
        refused(&changed(scan - 1, 61), 12, "not whole rows");
        refused(&encode(&samples, 31, 12, 1, 0, 0), 11, "a sample of");
        for at in 0..stream.len() {
            for value in [0, 0x7f, 0xff] {
                let _ = decode(&changed(at, value), [31, 22], 12, &[1, 0x11, 0]);
            }
        }
    }
}
