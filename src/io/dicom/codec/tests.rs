//! Frames in every process, whose own header and the file's agree or do not.

use super::*;

/// Pictures with all that a scan can hold: noise, flat, ramps, edges, runs that are broken here and there.
pub(super) fn pictures(columns: usize, rows: usize, precision: u32) -> Vec<Vec<u16>> {
    let largest = (1u32 << precision) - 1;
    let mut seed = 1u32;
    let mut picture = |value: &dyn Fn(u32, u32, u32) -> u32| -> Vec<u16> {
        let mut sample = |n: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            value((n % columns) as u32, (n / columns) as u32, seed >> 8).min(largest) as u16
        };
        (0..columns * rows).map(&mut sample).collect()
    };
    vec![
        picture(&|_, _, noise| noise & largest),
        picture(&|_, _, _| largest / 3),
        picture(&|x, y, _| ((x * 7 + y * 3) * largest / 2000) & largest),
        picture(&|x, y, _| if (x / 5 + y / 3) % 2 == 0 { 0 } else { largest }),
        picture(&|x, _, noise| if noise % 29 == 0 { noise & largest } else { x / 40 }),
        picture(&|x, y, noise| largest / 2 + (x * y) % 17 + noise % 5),
    ]
}

const COLUMNS: usize = 19;
const ROWS: usize = 13;
const IMAGE: Syntax = Syntax::Image { may_lose: false };

fn shape(allocated: u32, stored: u32, signed: bool) -> Shape {
    let cell = Cell { allocated, stored, high_bit: stored - 1, signed, padding: None };
    Shape { columns: COLUMNS, rows: ROWS, samples: 1, bytes: COLUMNS * ROWS * allocated as usize / 8, cell }
}

/// JPEG with a sequential DCT whose blocks are of one value each, 3 and 5 by turns times `step`.
fn dct(marker: u8, precision: u8, step: i32) -> (Vec<u8>, Vec<u16>) {
    let mut stream = b"\xff\xd8".to_vec();
    let mut segment = |marker: u8, content: &[u8]| {
        stream.extend([0xff, marker]);
        stream.extend((content.len() as u16 + 2).to_be_bytes());
        stream.extend(content);
    };
    segment(markers::DQT, &[&[0u8][..], &[1; 64]].concat());
    segment(marker, &[precision, 0, ROWS as u8, 0, COLUMNS as u8, 1, 1, 0x11, 0]);
    // Sizes 0 to 15 have codes of five bits; of AC the one code is that for the end of a block.
    segment(markers::DHT, &[&[0u8, 0, 0, 0, 0, 16][..], &[0; 11], &(0..16).collect::<Vec<u8>>()].concat());
    segment(markers::DHT, &[&[0x10u8, 1][..], &[0; 16]].concat());
    segment(markers::SOS, &[1, 1, 0, 0, 63, 0]);
    let centre = 1 << (precision - 1);
    let value = |block: usize| step * if block.is_multiple_of(2) { 3 } else { 5 };
    let across = COLUMNS.div_ceil(8);
    let (mut bits, mut last) = (Vec::new(), 0);
    for block in 0..across * ROWS.div_ceil(8) {
        let coefficient = 8 * (value(block) - centre);
        let difference = coefficient - last;
        last = coefficient;
        let size = 32 - difference.unsigned_abs().leading_zeros();
        let magnitude = if difference < 0 { difference - 1 } else { difference };
        bits.extend((0..5).rev().map(|n| size >> n & 1));
        bits.extend((0..size).rev().map(|n| (magnitude >> n & 1) as u32));
        bits.push(0);
    }
    for byte in bits.chunks(8) {
        let byte = (0..8).fold(0, |value, n| value << 1 | byte.get(n).copied().unwrap_or(1) as u8);
        stream.push(byte);
        if byte == 0xff {
            stream.push(0);
        }
    }
    stream.extend(b"\xff\xd9");
    let sample = |n: usize| value(n / COLUMNS / 8 * across + n % COLUMNS / 8) as u16;
    (stream, (0..COLUMNS * ROWS).map(sample).collect())
}

/// RLE with a literal for every 128 bytes.
fn rle(samples: &[u16], pixel_bytes: usize) -> Vec<u8> {
    let (mut header, mut body) = (vec![pixel_bytes as u32], Vec::new());
    for byte in (0..pixel_bytes).rev() {
        header.push(64 + body.len() as u32);
        let plane: Vec<u8> = samples.iter().map(|s| (s >> (8 * byte)) as u8).collect();
        for literal in plane.chunks(128) {
            body.push(literal.len() as u8 - 1);
            body.extend(literal);
        }
    }
    header.resize(16, 0);
    [header.into_iter().flat_map(u32::to_le_bytes).collect(), body].concat()
}

/// A frame of samples of some bits in every process that has them.
fn frames(precision: u32) -> Vec<(&'static str, Syntax, Vec<u8>, Vec<u16>)> {
    let samples = pictures(COLUMNS, ROWS, precision).remove(5);
    let image = |name, data: Vec<u8>| (name, IMAGE, data, samples.clone());
    let mut frames = vec![
        image("lossless", jpeg_lossless::tests::encode(&samples, COLUMNS, precision, 1, 0, 0)),
        image("JPEG-LS", jpeg_ls::tests::encode(&samples, COLUMNS, precision, 0, &[], 0)),
        image("JPEG 2000", jpeg_2000::tests::encode(&samples, COLUMNS, precision, false, false)),
        image("HTJ2K", jpeg_2000::tests::encode(&samples, COLUMNS, precision, false, true)),
    ];
    if precision.is_multiple_of(8) {
        frames.push(("RLE", Syntax::Rle, rle(&samples, precision as usize / 8), samples));
    }
    if matches!(precision, 8 | 12) {
        for (name, marker) in [("baseline", 0xc0), ("extended", 0xc1)] {
            let (data, samples) = dct(marker, precision as u8, 25);
            frames.push((name, IMAGE, data, samples));
        }
    }
    frames
}

fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect()
}

#[test]
fn narrower_samples_fill_wider_cells() {
    for precision in [8, 12, 16] {
        for (name, syntax, data, samples) in frames(precision) {
            for stored in [precision, 16] {
                let pixels = shape(16, stored, false).decode(syntax, &data).unwrap();
                assert_eq!(words(&pixels), samples, "{name}, {precision} bits, {stored} stored in 16");
            }
            let pixels = shape(32, 32, false).decode(syntax, &data).unwrap();
            let wide: Vec<u8> = samples.iter().flat_map(|&s| u32::from(s).to_le_bytes()).collect();
            assert_eq!(pixels, wide, "{name}, {precision} bits in 32");
            if precision == 8 {
                let narrow: Vec<u8> = samples.iter().map(|&s| s as u8).collect();
                assert_eq!(shape(8, 8, false).decode(syntax, &data).unwrap(), narrow, "{name}");
            }
        }
    }
}

#[test]
fn wider_samples_than_are_allocated_are_refused() {
    for precision in [12, 16] {
        for (name, syntax, data, _) in frames(precision) {
            let what = shape(8, 8, false).decode(syntax, &data).unwrap_err();
            let words = format!("the compressed image has {precision} bits a sample, the header allocates 8");
            assert!(what.contains(&words), "{name}: {what}");
        }
    }
}

#[test]
fn signs_are_those_of_the_header() {
    // -3 and 100 in the processes that keep all bits.
    let values: Vec<i16> = (0..COLUMNS * ROWS).map(|n| if n % 3 == 0 { -3 } else { 100 }).collect();
    for precision in [8, 12, 16] {
        let bits: Vec<u16> = values.iter().map(|&v| v as u16 & (u16::MAX >> (16 - precision))).collect();
        let streams = [
            jpeg_lossless::tests::encode(&bits, COLUMNS, precision, 4, 0, 0),
            jpeg_ls::tests::encode(&bits, COLUMNS, precision, 0, &[], 0),
            // A codestream may call its samples unsigned where the header calls them signed.
            jpeg_2000::tests::encode(&bits, COLUMNS, precision, false, false),
        ];
        for data in streams {
            let pixels = shape(16, precision, true).decode(IMAGE, &data).unwrap();
            let found: Vec<i16> = words(&pixels).into_iter().map(|w| w as i16).collect();
            assert_eq!(found, values, "{precision} bits");
            let unsigned = shape(16, precision, false).decode(IMAGE, &data).unwrap();
            assert_eq!(words(&unsigned), bits, "{precision} bits");
        }
    }
    // And signed where the header says unsigned: the bits are the same.
    let bits: Vec<u16> = values.iter().map(|&v| v as u16).collect();
    for high_throughput in [false, true] {
        let data = jpeg_2000::tests::encode(&bits, COLUMNS, 16, true, high_throughput);
        assert_eq!(words(&shape(16, 16, true).decode(IMAGE, &data).unwrap()), bits);
        assert_eq!(words(&shape(16, 16, false).decode(IMAGE, &data).unwrap()), bits);
    }
}

/// Where bits of JPEG 2000 may be left out, samples a little too bright are as bright as can be.
#[test]
fn what_a_loss_takes_beyond_the_stored_bits_comes_back() {
    let data = jpeg_2000::tests::encode(&[4100; COLUMNS * ROWS], COLUMNS, 16, false, false);
    let found = |may_lose: bool| {
        let pixels = shape(16, 12, false).decode(Syntax::Image { may_lose }, &data).unwrap();
        words(&pixels)
    };
    assert_eq!(found(true), [4095; COLUMNS * ROWS]);
    assert_eq!(found(false), [4100; COLUMNS * ROWS]);
}

/// A stream with a scan for each of three components, out of streams of one.
fn three_scans(streams: &[Vec<u8>]) -> Vec<u8> {
    let at = |stream: &[u8], marker: u8| stream.windows(2).position(|w| w == [0xff, marker]).unwrap();
    let kind = if streams[0].contains(&markers::SOF_LS) { markers::SOF_LS } else { markers::SOF_LOSSLESS };
    let frame = at(&streams[0], kind);
    let mut all = streams[0][..frame + 9].to_vec();
    all[frame + 3] = 17;
    all.push(3);
    (1..=3).for_each(|number| all.extend([number, 0x11, 0]));
    for (stream, number) in streams.iter().zip(1..) {
        let scan = at(stream, markers::SOS);
        all.extend(&stream[scan..scan + 5]);
        all.push(number);
        all.extend(&stream[scan + 6..stream.len() - 2]);
    }
    all.extend(b"\xff\xd9");
    all
}

#[test]
fn components_in_scans_of_their_own_are_put_together() {
    let planes: Vec<Vec<u16>> = pictures(COLUMNS, ROWS, 8).split_off(3);
    let interleaved: Vec<u8> =
        (0..COLUMNS * ROWS).flat_map(|n| planes.iter().map(move |plane| plane[n] as u8)).collect();
    let three = Shape { samples: 3, ..shape(8, 8, false) };
    type Encode<'a> = &'a dyn Fn(&Vec<u16>) -> Vec<u8>;
    let encoders: [(&str, Encode); 3] = [
        ("lossless", &|plane| jpeg_lossless::tests::encode(plane, COLUMNS, 8, 4, 0, 0)),
        ("lossless with restarts", &|plane| jpeg_lossless::tests::encode(plane, COLUMNS, 8, 1, 0, 2)),
        ("JPEG-LS", &|plane| jpeg_ls::tests::encode(plane, COLUMNS, 8, 0, &[], 0)),
    ];
    for (name, encode) in encoders {
        let mut stream = three_scans(&planes.iter().map(encode).collect::<Vec<_>>());
        if name.ends_with("restarts") {
            // The interval stands between the frame and the scan.
            let interval = [0xff, markers::DRI, 0, 4, 0, 2 * COLUMNS as u8];
            let scan = stream.windows(2).position(|w| w == [0xff, markers::SOS]).unwrap();
            stream.splice(scan..scan, interval);
        }
        assert_eq!(three.decode(IMAGE, &stream).unwrap(), interleaved, "{name}");
        // The last scan is not there.
        let last = stream.windows(2).rposition(|w| w == [0xff, markers::SOS]).unwrap();
        let what = three.decode(IMAGE, &stream[..last]).unwrap_err();
        assert!(what.contains("no scan of some components"), "{name}: {what}");
        assert!(shape(8, 8, false).decode(IMAGE, &stream).is_err());
        for at in 0..stream.len() {
            let mut changed = stream.clone();
            changed[at] ^= 0x21;
            let _ = three.decode(IMAGE, &changed);
        }
    }
}

#[test]
fn what_a_stream_says_of_its_colours() {
    let with = |segment: &[u8]| {
        let length = (segment.len() as u16 + 1).to_be_bytes();
        [b"\xff\xd8\xff", &segment[..1], &length, &segment[1..], b"\xff\xda\0\x02"].concat()
    };
    let adobe = |transform: u8| with(&[&b"\xeeAdobe\0\x64\0\0\0\0"[..], &[transform]].concat());
    assert_eq!(markers::is_ybr(&adobe(0)), Some(false));
    assert_eq!(markers::is_ybr(&adobe(1)), Some(true));
    assert_eq!(markers::is_ybr(&with(b"\xe0JFIF\0\x01\x01\0\0\x01\0\x01\0\0")), Some(true));
    // Too short to say it.
    assert_eq!(markers::is_ybr(&with(b"\xeeAdobe\0\0\0\0\0")), None);
    assert_eq!(markers::is_ybr(b""), None);
}

#[test]
fn an_image_of_another_size_is_refused() {
    for (name, syntax, data, _) in frames(8) {
        if syntax == Syntax::Rle {
            continue;
        }
        let other = Shape { columns: COLUMNS + 1, ..shape(16, 16, false) };
        let what = other.decode(syntax, &data).unwrap_err();
        assert!(
            what.contains("19 x 13 pixels of 1 components, the file's header 20 x 13 of 1"),
            "{name}: {what}"
        );
    }
}

/// A second frame header cannot ask for more than the first.
#[test]
fn a_frame_header_behind_the_first_changes_nothing() {
    for (name, syntax, data, samples) in frames(12) {
        let Some(at) = data.windows(2).position(|w| w == [0xff, markers::SOS]) else { continue };
        if !data.starts_with(b"\xff\xd8") {
            continue;
        }
        let second = [0xff, 0xc1, 0, 11, 12, 0xff, 0xff, 0xff, 0xff, 1, 1, 0x11, 0];
        let changed = [&data[..at], &second, &data[at..]].concat();
        let pixels = shape(16, 12, false).decode(syntax, &changed).unwrap();
        assert_eq!(words(&pixels), samples, "{name}");
    }
}

#[test]
fn frames_as_they_are_and_deflated() {
    let pixels: Vec<u8> = (0..COLUMNS * ROWS).map(|n| n as u8).collect();
    let padded = [&pixels[..], &[0]].concat();
    let byte = shape(8, 8, false);
    assert_eq!(byte.decode(Syntax::Uncompressed, &pixels).unwrap(), pixels);
    assert_eq!(byte.decode(Syntax::Uncompressed, &padded).unwrap(), pixels);
    assert!(byte.decode(Syntax::Uncompressed, &pixels[1..]).unwrap_err().contains("246 bytes"));
    let deflated = |content: &[u8]| {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, content).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(byte.decode(Syntax::Deflated, &deflated(&padded)).unwrap(), pixels);
    // No more is inflated than is asked for.
    let bomb = deflated(&vec![0; 1 << 22]);
    assert!(byte.decode(Syntax::Deflated, &bomb).unwrap_err().contains("249 bytes"));
    assert!(byte.decode(Syntax::Deflated, b"none").unwrap_err().contains("cannot be inflated"));
}

#[test]
fn what_is_no_image_is_said() {
    let refused = |data: &[u8], words: &str| {
        let what = shape(16, 16, false).decode(IMAGE, data).unwrap_err();
        assert!(what.contains(words), "{what}");
    };
    refused(b"", "begins like no JPEG");
    refused(b"\xff\xd8\xff\xda\0\x02", "no frame header");
    let (mut arithmetic, _) = dct(0xc9, 8, 25);
    refused(&arithmetic, "marker FFC9");
    let at = arithmetic.windows(2).position(|w| w == [0xff, 0xc9]).unwrap();
    arithmetic[at + 1] = 0xc2;
    arithmetic[at + 4] = 12;
    refused(&arithmetic, "a process with 12 bits that is not supported (marker FFC2)");
}

/// Of one component the sampling factors are of no effect (ISO 10918-1, A.2.2).
#[test]
fn sampling_factors_of_one_component_change_nothing() {
    for precision in [8, 12] {
        let (mut data, samples) = dct(0xc1, precision, 25);
        let at = data.windows(2).position(|w| w == [0xff, 0xc1]).unwrap();
        for factors in [0x11, 0x22, 0x21, 0x12, 0x41] {
            data[at + 11] = factors;
            let pixels = shape(16, precision.into(), false).decode(IMAGE, &data).unwrap();
            assert_eq!(words(&pixels), samples, "{precision} bits, {factors:x}");
        }
    }
}

/// No grey half of an image takes the place of what was cut off.
#[test]
fn frames_that_are_cut_off_are_refused() {
    for precision in [8, 12, 16] {
        for (name, syntax, data, _) in frames(precision) {
            let last = data.len() - if syntax == Syntax::Rle { 0 } else { 2 };
            for end in (0..last).step_by(5).chain([last - 1]) {
                let outcome = shape(16, 16, false).decode(syntax, &data[..end]);
                assert!(outcome.is_err(), "{name} of {precision} bits, {end} of {} bytes", data.len());
            }
        }
    }
}
