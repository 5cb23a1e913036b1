//! Codestreams that another crate's encoder makes, and damage. Those of OpenJPEG and OpenJPH are in tests/readers_against_python.

use super::*;
use crate::io::dicom::codec::tests::pictures;

/// A codestream of one component; `samples` are its bits.
pub(in super::super) fn encode(
    samples: &[u16],
    columns: usize,
    precision: u32,
    signed: bool,
    high_throughput: bool,
) -> Vec<u8> {
    let size = [columns, samples.len() / columns].map(|n| n as u32);
    // Coded without sign, and said to have one afterwards.
    let half = if signed { 1 << (precision - 1) } else { 0 };
    let bytes = samples
        .iter()
        .flat_map(|s| (s ^ half).to_le_bytes().into_iter().take(precision.div_ceil(8) as usize));
    let bytes: Vec<u8> = bytes.collect();
    let options = toolkit::EncodeOptions {
        // What it makes of more cannot be decoded.
        num_decomposition_levels: 0,
        guard_bits: 2,
        use_ht_block_coding: high_throughput,
        ..Default::default()
    };
    let mut data = toolkit::encode(&bytes, size[0], size[1], 1, precision as u8, false, &options).unwrap();
    // It says one byte too many for the coding style.
    let style = data.windows(4).position(|w| w == [0xff, 0x52, 0, 13]).unwrap();
    data[style + 3] = 12;
    data[42] |= if signed { 0x80 } else { 0 };
    data
}

fn decoded(data: &[u8]) -> Result<Vec<u16>, String> {
    decode(&Codestream::parse(data)?)
}

#[test]
fn what_was_encoded_comes_back() {
    for size in [[1, 1], [37, 23], [70, 9]] {
        for precision in [8, 12, 16] {
            for samples in pictures(size[0], size[1], precision) {
                for high_throughput in [false, true] {
                    let data = encode(&samples, size[0], precision, false, high_throughput);
                    let stream = Codestream::parse(&data).unwrap();
                    assert_eq!([stream.columns, stream.rows, stream.components], [size[0], size[1], 1]);
                    assert_eq!(
                        (stream.precision, stream.signed, stream.irreversible),
                        (precision, false, false)
                    );
                    assert_eq!(stream.high_throughput, high_throughput);
                    assert_eq!(
                        decode(&stream).unwrap(),
                        samples,
                        "{size:?}, {precision} bits, {high_throughput}"
                    );
                }
            }
        }
    }
}

/// Bits of signed samples are their two's complement.
#[test]
fn signs_survive() {
    let values: Vec<i16> = (0..37 * 23).map(|n| (n * 79 % 3000) as i16 - 1500).collect();
    for high_throughput in [false, true] {
        let bits: Vec<u16> = values.iter().map(|&v| v as u16).collect();
        let data = encode(&bits, 37, 16, true, high_throughput);
        assert_eq!(decoded(&data).unwrap(), bits, "{high_throughput}");
    }
}

#[test]
fn a_codestream_may_lie_in_a_file_and_end_without_marker() {
    let samples = pictures(37, 23, 12).remove(0);
    let data = encode(&samples, 37, 12, false, false);
    let file = |length: u32, extended: &[u8]| {
        let mut file = b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 \0\0\0\0jp2 ".to_vec();
        file.extend(length.to_be_bytes());
        file.extend(b"jp2c");
        file.extend(extended);
        file.extend(&data);
        file
    };
    let length = data.len() as u64 + 16;
    for file in [file(data.len() as u32 + 8, &[]), file(0, &[]), file(1, &length.to_be_bytes())] {
        assert!(recognises(&file));
        assert_eq!(decoded(&file).unwrap(), samples);
    }
    assert_eq!(decoded(&data[..data.len() - 2]).unwrap(), samples, "without its end marker");
    assert_eq!(decoded(&[&data[..], &[0]].concat()).unwrap(), samples, "padded");
    let start = data.windows(2).position(|w| w == [0xff, 0x90]).unwrap();
    let mut open = data.clone();
    open[start + 6..start + 10].fill(0);
    for open in [&open[..], &open[..open.len() - 2], &[&open[..], &[0]].concat()] {
        assert_eq!(decoded(open).unwrap(), samples, "a tile of all that is left");
    }
}

#[test]
fn what_is_not_whole_is_refused() {
    let samples = pictures(9, 5, 12).remove(1);
    for high_throughput in [false, true] {
        let data = encode(&samples, 9, 12, false, high_throughput);
        for end in (0..data.len() - 2).step_by(7) {
            let what = decoded(&data[..end]).unwrap_err();
            assert!(end < 100 || what.contains("early"), "{end}: {what}");
        }
        let refused = |at: usize, value: &[u8], words: &str| {
            let mut changed = data.clone();
            changed[at..at + value.len()].copy_from_slice(value);
            let what = decoded(&changed).unwrap_err();
            assert!(what.contains(words), "{what}");
        };
        // Tiles of one sample, each with packets of its own.
        refused(24, &[0, 0, 0, 1, 0, 0, 0, 1], "is missing");
        refused(8, &[0xff, 0xff, 0xff, 0xff], "tiles, where there are at most 65535");
        refused(16, &[0, 0, 0, 9], "damaged image size");
        refused(42, &[37], "38 bits, where at most 16");
        let style = data.windows(2).position(|w| w == [0xff, 0x52]).unwrap();
        refused(style + 6, &[0, 33], "33 quality layers, where at most 32");
        refused(style + 6, &[0, 32, 0, 32], "1056 packets need one each");
        refused(style + 9, &[33], "33 levels");
    }
}

#[test]
fn damaged_streams_end() {
    let mut seed = 7u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize
    };
    for high_throughput in [false, true] {
        let data = encode(&pictures(37, 23, 12).remove(4), 37, 12, false, high_throughput);
        for _ in 0..300 {
            let mut changed = data.clone();
            for _ in 0..1 + random() % 3 {
                let at = random() % changed.len();
                changed[at] = random() as u8;
            }
            let Ok(stream) = Codestream::parse(&changed) else { continue };
            if stream.columns * stream.rows <= 4096 {
                // The decoders may panic: the caller guards them.
                let _ = crate::guard::guarded(|| decode(&stream).map(drop));
            }
        }
    }
}
