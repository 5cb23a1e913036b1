//! Round trips through an encoder of our own, and damage. Another's streams are in tests/readers_against_python.

use super::context::{REGULAR, Regular, RunEnd};
use super::parameters::{Parameters, Presets};
use super::*;
use crate::io::dicom::codec::tests::pictures;

/// Decodes a stream of one component.
fn decode(data: &[u8], size: [usize; 2], precision: u32) -> Result<Decoded, String> {
    super::decode(data, size, precision, &[1, 0x11, 0])
}

/// A stream of an image, as the standard's annex A has it: `presets` is an LSE segment's content, `interval` the rows between
/// restart markers, 0 for none.
pub(in super::super) fn encode(
    samples: &[u16],
    columns: usize,
    precision: u32,
    near: i32,
    presets: &[u8],
    interval: usize,
) -> Vec<u8> {
    let rows = samples.len() / columns;
    let mut given = Presets::default();
    let mut stream = b"\xff\xd8".to_vec();
    let mut segment = |marker: u8, content: &[u8]| {
        stream.extend([0xff, marker]);
        stream.extend((content.len() as u16 + 2).to_be_bytes());
        stream.extend(content);
    };
    let [y0, y1] = (rows as u16).to_be_bytes();
    let [x0, x1] = (columns as u16).to_be_bytes();
    segment(0xf7, &[precision as u8, y0, y1, x0, x1, 1, 1, 0x11, 0]);
    if !presets.is_empty() {
        given.read(presets).unwrap();
        segment(LSE, presets);
    }
    if interval > 0 {
        segment(DRI, &(interval as u16).to_be_bytes());
    }
    segment(SOS, &[1, 1, 0, near as u8, 0, 0]);
    let parameters = Parameters::new(precision, near, &given).unwrap();
    let mut encoder = Encoder { parameters: &parameters, bits: Vec::new() };
    let interval = if interval == 0 { rows } else { interval };
    for (number, part) in samples.chunks(interval * columns).enumerate() {
        if number > 0 {
            stream.extend([0xff, 0xd0 + (number as u8 - 1) % 8]);
        }
        encoder.part(part, columns);
        stream.extend(encoder.bytes());
    }
    stream.extend(b"\xff\xd9");
    stream
}

struct Encoder<'a> {
    parameters: &'a Parameters,
    bits: Vec<bool>,
}

impl Encoder<'_> {
    fn bytes(&mut self) -> Vec<u8> {
        let mut bits = std::mem::take(&mut self.bits).into_iter().peekable();
        let mut bytes: Vec<u8> = Vec::new();
        while bits.peek().is_some() || bytes.last() == Some(&0xff) {
            let count = if bytes.last() == Some(&0xff) { 7 } else { 8 };
            let byte = (0..count).fold(0, |byte, _| byte << 1 | u8::from(bits.next().unwrap_or(false)));
            bytes.push(byte);
        }
        bytes
    }

    fn put(&mut self, value: u64, count: u32) {
        self.bits.extend((0..count).rev().map(|n| value >> n & 1 == 1));
    }

    fn golomb(&mut self, value: i32, k: u32, limit: u32) {
        let plain = self.parameters.error_bits;
        let (longest, value) = (limit - plain - 1, value as u32);
        if value >> k < longest {
            self.put(1, (value >> k) + 1);
            self.put(value.into(), k);
        } else {
            self.put(1, longest + 1);
            self.put((value - 1).into(), plain);
        }
    }

    /// An error as it is coded: in steps, modulo the range; and the sample that a decoder has.
    fn quantised(&self, sample: i32, predicted: i32, sign: i32) -> (i32, i32) {
        let Parameters { near, range, largest, .. } = *self.parameters;
        let difference = sign * (sample - predicted);
        let error = if difference > 0 {
            (difference + near) / (2 * near + 1)
        } else {
            -((near - difference) / (2 * near + 1))
        };
        let seen = (predicted + sign * error * (2 * near + 1)).clamp(0, largest);
        let error = error.rem_euclid(range);
        (if error >= (range + 1) / 2 { error - range } else { error }, seen)
    }

    fn part(&mut self, samples: &[u16], columns: usize) {
        let parameters = self.parameters;
        let Parameters { near, largest, limit, thresholds, .. } = *parameters;
        let mut contexts = vec![Regular::new(parameters); REGULAR];
        let mut ends = [RunEnd::new(parameters, false), RunEnd::new(parameters, true)];
        let mut run_index = 0;
        let lengths: Vec<u32> = (0..32)
            .map(|n| {
                if n < 16 {
                    n / 4
                } else if n < 24 {
                    n / 2 - 4
                } else {
                    n - 16
                }
            })
            .collect();
        let (mut above, mut corner) = (vec![0; columns], 0);
        for line in samples.chunks(columns) {
            let mut row = vec![0; columns];
            let mut x = 0;
            while x < columns {
                let b = above[x];
                let a = if x > 0 { row[x - 1] } else { above[0] };
                let c = if x > 0 { above[x - 1] } else { corner };
                let d = if x + 1 < columns { above[x + 1] } else { b };
                let class = |gradient: i32| {
                    let bounds = [near + 1, thresholds[0], thresholds[1], thresholds[2]];
                    bounds.iter().filter(|&&bound| gradient.abs() >= bound).count() as i32 * gradient.signum()
                };
                let [q1, q2, q3] = [d - b, b - c, c - a].map(class);
                if [q1, q2, q3] == [0; 3] {
                    let like = |sample: u16| (i32::from(sample) - a).abs() <= near;
                    let mut length = line[x..].iter().take_while(|&&sample| like(sample)).count();
                    row[x..x + length].fill(a);
                    x += length;
                    while length >= 1 << lengths[run_index] {
                        self.put(1, 1);
                        length -= 1 << lengths[run_index];
                        run_index = (run_index + 1).min(31);
                    }
                    if x == columns {
                        if length > 0 {
                            self.put(1, 1);
                        }
                        continue;
                    }
                    self.put(0, 1);
                    self.put(length as u64, lengths[run_index]);
                    let b = above[x];
                    let alike = (a - b).abs() <= near;
                    let (predicted, sign) = if alike { (a, 1) } else { (b, if a > b { -1 } else { 1 }) };
                    let (error, seen) = self.quantised(line[x].into(), predicted, sign);
                    let end = &mut ends[usize::from(alike)];
                    let k = end.golomb_bits();
                    // The code word's number is the one that stands for the error.
                    let mapped = 2 * error.abs() - i32::from(alike);
                    let mapped =
                        if mapped >= 0 && end.error(mapped, k) == error { mapped } else { mapped - 1 };
                    assert_eq!(end.error(mapped, k), error);
                    end.update(error, mapped, parameters);
                    self.golomb(mapped, k, limit - lengths[run_index] - 1);
                    run_index = run_index.saturating_sub(1);
                    row[x] = seen;
                } else {
                    let number = 81 * q1 + 9 * q2 + q3;
                    let context = &mut contexts[number.unsigned_abs() as usize];
                    let mut middle = [a, b, a + b - c];
                    middle.sort_unstable();
                    let predicted = (middle[1] + number.signum() * context.correction).clamp(0, largest);
                    let (error, seen) = self.quantised(line[x].into(), predicted, number.signum());
                    let k = context.golomb_bits();
                    let mapped = if error >= 0 { 2 * error } else { -2 * error - 1 };
                    let mapped = if context.error(mapped, k, near) == error { mapped } else { mapped ^ 1 };
                    assert_eq!(context.error(mapped, k, near), error);
                    context.update(error, parameters);
                    self.golomb(mapped, k, limit);
                    row[x] = seen;
                }
                x += 1;
            }
            corner = above[0];
            above = row;
        }
    }
}

const SIZES: [[usize; 2]; 7] = [[1, 1], [1, 9], [9, 1], [2, 2], [61, 43], [300, 3], [7, 90]];

#[test]
fn what_was_encoded_comes_back() {
    for size in SIZES {
        for precision in [2, 5, 8, 12, 16] {
            for samples in pictures(size[0], size[1], precision) {
                for interval in [0, 1, 4] {
                    let stream = encode(&samples, size[0], precision, 0, &[], interval);
                    let decoded = decode(&stream, size, precision).unwrap();
                    assert!(!decoded.near_lossless);
                    assert_eq!(decoded.samples, samples, "{size:?}, {precision} bits, interval {interval}");
                }
            }
        }
    }
}

#[test]
fn near_lossless_samples_are_near() {
    for size in SIZES {
        for (precision, near) in [(8, 1), (8, 7), (12, 2), (16, 3), (16, 255), (4, 7)] {
            for samples in pictures(size[0], size[1], precision) {
                let stream = encode(&samples, size[0], precision, near, &[], 0);
                let decoded = decode(&stream, size, precision).unwrap();
                assert!(decoded.near_lossless);
                let off = |(a, b): (&u16, &u16)| i32::from(*a).abs_diff((*b).into());
                let worst = decoded.samples.iter().zip(&samples).map(off).max().unwrap();
                assert!(worst <= near as u32, "{size:?}, {precision} bits, {near}: off by {worst}");
            }
        }
    }
}

#[test]
fn preset_parameters_are_followed() {
    let samples: Vec<u16> = pictures(61, 43, 7).remove(5);
    let largest = u16::to_be_bytes(100);
    let presets = [1, largest[0], largest[1], 0, 2, 0, 9, 0, 30, 0, 17];
    let samples: Vec<u16> = samples.into_iter().map(|sample| sample.min(100)).collect();
    let stream = encode(&samples, 61, 8, 0, &presets, 0);
    assert_eq!(decode(&stream, [61, 43], 8).unwrap().samples, samples);
    // Otherwise the same stream is another one.
    assert_ne!(encode(&samples, 61, 8, 0, &[], 0)[30..], stream[30..]);
}

#[test]
fn what_grey_images_do_not_have_is_refused() {
    let stream = encode(&[1, 2, 3, 4], 2, 8, 0, &[], 0);
    let scan = stream.windows(2).position(|w| w == [0xff, SOS]).unwrap();
    let refused = |at: usize, value: u8, words: &str| {
        let mut changed = stream.clone();
        changed[at] = value;
        let what = decode(&changed, [2, 2], 8).err().unwrap();
        assert!(what.contains(words), "{what}");
    };
    refused(scan + 4, 3, "a short scan header");
    refused(scan + 5, 7, "a scan of an unknown component 7");
    refused(scan + 6, 1, "mapping table");
    refused(scan + 9, 1, "point transform");
    assert!(decode(&stream, [2, 2], 17).err().unwrap().contains("17 bits"));
    assert!(decode(&stream[..scan], [2, 2], 8).err().unwrap().contains("no scan"));
}

#[test]
fn restart_markers_are_expected_in_their_order() {
    let samples = pictures(9, 12, 8).remove(0);
    let stream = encode(&samples, 9, 8, 0, &[], 4);
    assert_eq!(decode(&stream, [9, 12], 8).unwrap().samples, samples);
    let second = stream.windows(2).position(|w| w == [0xff, 0xd1]).unwrap();
    let mut changed = stream.clone();
    changed[second + 1] = 0xd2;
    assert!(decode(&changed, [9, 12], 8).err().unwrap().contains("restart marker 1 is missing"));
    // Bytes of ones may come before a marker.
    let mut filled = stream;
    filled.insert(second, 0xff);
    assert_eq!(decode(&filled, [9, 12], 8).unwrap().samples, samples);
}

#[test]
fn a_scan_that_ends_early_is_an_error() {
    let samples = pictures(61, 43, 12).remove(0);
    let stream = encode(&samples, 61, 12, 0, &[], 0);
    for end in (40..stream.len() - 4).step_by(97) {
        assert!(decode(&stream[..end], [61, 43], 12).is_err(), "{end} of {}", stream.len());
    }
    // As large as its header says, whatever the scan holds.
    assert!(decode(&stream, [61, 44], 12).is_err());
}

#[test]
fn damaged_streams_never_panic() {
    let mut seed = 7u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize
    };
    for (precision, near) in [(8, 0), (16, 0), (12, 3), (2, 0)] {
        for samples in pictures(23, 17, precision) {
            let presets: &[u8] =
                if precision == 16 { &[1, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff] } else { &[] };
            let stream = encode(&samples, 23, precision, near, presets, 5);
            for _ in 0..400 {
                let mut changed = stream.clone();
                for _ in 0..1 + random() % 4 {
                    let at = random() % changed.len();
                    changed[at] = random() as u8;
                }
                changed.truncate(changed.len() - random() % 3 * (random() % 20));
                let _ = decode(&changed, [23, 17], precision);
            }
        }
    }
}
