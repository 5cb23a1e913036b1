//! Images in colour: each of red, green and blue is a component.

use super::*;
use crate::io::Volumes;

/// A capture of 4 x 2 pixels in a file of its own, that lies nowhere.
fn capture(change: impl FnOnce(&mut DefaultDicomObject)) -> (tempfile::TempDir, PathBuf) {
    let (folder, files) = series();
    edit(&files[0], |o| {
        for tag in [tags::RESCALE_SLOPE, tags::RESCALE_INTERCEPT, tags::RESCALE_TYPE] {
            o.take(tag);
        }
        for (tag, value) in [
            (tags::ROWS, 2u16),
            (tags::COLUMNS, 4),
            (tags::BITS_ALLOCATED, 8),
            (tags::BITS_STORED, 8),
            (tags::HIGH_BIT, 7),
            (tags::SAMPLES_PER_PIXEL, 3),
            (tags::PLANAR_CONFIGURATION, 0),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            put(o, tag, VR::US, value);
        }
        put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
        put(o, tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8((0..24u8).collect()));
        change(o);
    });
    let file = files[0].clone();
    (folder, file)
}

fn bytes(o: &mut DefaultDicomObject, values: &[u8]) {
    put(o, tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(values.into()));
}

/// All components, and what they are called.
fn components(file: &Path, options: &OpenOptions) -> (String, Vec<Samples>) {
    let all = Volumes::open(file, options).unwrap();
    let array = &all.arrays()[0];
    let samples = |n| all.read_part(0, n, 0).unwrap().into_samples();
    (array.component_names.concat(), (0..array.components).map(samples).collect())
}

fn as_bytes(samples: &[Samples]) -> Vec<Vec<u8>> {
    samples.iter().map(|samples| samples.as_bytes().to_vec()).collect()
}

#[test]
fn rgb_beside_each_other_and_in_planes() {
    let plain = OpenOptions::default();
    let (_folder, file) = capture(|_| {});
    let (names, found) = components(&file, &plain);
    assert_eq!((names.as_str(), found.len()), ("RGB", 3));
    assert_eq!(found[1], Samples::U8(vec![1, 4, 7, 10, 13, 16, 19, 22]));
    let message = open(&file, &plain).unwrap_err().to_string();
    assert!(message.contains("each pixel has 3 components; choose one with `component` 0 to 2"), "{message}");
    let blue = open(&file, &OpenOptions { component: Some(2), ..OpenOptions::default() }).unwrap();
    assert_eq!((blue.unit.as_str(), blue.samples().get(7)), ("", 23.0));
    assert_eq!(blue.provenance[PHOTOMETRIC], "RGB");
    let (_folder, file) = capture(|o| put(o, tags::PLANAR_CONFIGURATION, VR::US, 1u16));
    assert_eq!(components(&file, &plain).1[1], Samples::U8((8..16).collect()));
    // Of 16 bits, and of 12 in 16.
    let (_folder, file) = capture(|o| {
        put(o, tags::BITS_ALLOCATED, VR::US, 16u16);
        put(o, tags::BITS_STORED, VR::US, 12u16);
        put(o, tags::HIGH_BIT, VR::US, 11u16);
        put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16((0..24u16).map(|n| n * 100).collect()));
    });
    assert_eq!(
        components(&file, &plain).1[2],
        Samples::U16(vec![200, 500, 800, 1100, 1400, 1700, 2000, 2300])
    );
    let (_folder, file) = capture(|o| bytes(o, &[0; 12]));
    let message = open(&file, &plain).unwrap_err().to_string();
    assert!(message.contains("1 x 4 x 2 pixels need 24 bytes, Pixel Data have 12"), "{message}");
}

#[test]
fn luminance_and_colour_differences_become_rgb() {
    let plain = OpenOptions::default();
    let stored = OpenOptions { stored_values: true, ..OpenOptions::default() };
    let pixels: [[u8; 3]; 8] = [
        [0, 128, 128],
        [255, 128, 128],
        [76, 85, 255],
        [150, 44, 21],
        [29, 255, 107],
        [100, 128, 228],
        [50, 128, 128],
        [51, 128, 128],
    ];
    let red = vec![0, 255, 254, 0, 0, 240, 50, 51];
    let green = vec![0, 255, 0, 255, 0, 29, 50, 51];
    let blue = vec![0, 255, 0, 1, 254, 100, 50, 51];
    let ybr = |o: &mut DefaultDicomObject| {
        put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_FULL");
        bytes(o, pixels.as_flattened());
    };
    let (_folder, file) = capture(ybr);
    let (names, found) = components(&file, &plain);
    assert_eq!((names.as_str(), as_bytes(&found)), ("RGB", vec![red.clone(), green.clone(), blue.clone()]));
    let (names, found) = components(&file, &stored);
    assert_eq!((names.as_str(), &found[1]), ("YCBCR", &Samples::U8(pixels.map(|p| p[1]).into())));
    let (_folder, file) = capture(|o| {
        ybr(o);
        put(o, tags::PLANAR_CONFIGURATION, VR::US, 1u16);
        let plane = |n: usize| pixels.map(|pixel| pixel[n]);
        bytes(o, &[plane(0), plane(1), plane(2)].concat());
    });
    assert_eq!(as_bytes(&components(&file, &plain).1), [red.clone(), green, blue]);

    // Two pixels share their differences.
    let (_folder, file) = capture(|o| {
        put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_FULL_422");
        bytes(o, &[76, 100, 85, 255, 1, 2, 128, 128, 3, 4, 128, 128, 5, 6, 128, 128]);
    });
    let found = as_bytes(&components(&file, &plain).1);
    assert_eq!(found[0], [254, 255, 1, 2, 3, 4, 5, 6]);
    assert_eq!(found[2], [0, 24, 1, 2, 3, 4, 5, 6]);
    assert_eq!(components(&file, &stored).1[2], Samples::U8(vec![255, 255, 128, 128, 128, 128, 128, 128]));
    // Said to be shared, but there for each.
    let (_folder, file) = capture(|o| {
        ybr(o);
        put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_FULL_422");
    });
    assert_eq!(as_bytes(&components(&file, &plain).1)[0], red);
    let (_folder, file) = capture(|o| {
        put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_FULL_422");
        put(o, tags::COLUMNS, VR::US, 3u16);
        bytes(o, &[0; 12]);
    });
    let message = open(&file, &plain).unwrap_err().to_string();
    assert!(message.contains("3 columns, where two pixels share their colours"), "{message}");
    for photometric in ["YBR_PARTIAL_422", "HSV", "MONOCHROME2", ""] {
        let (_folder, file) = capture(|o| put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric));
        let message = open(&file, &plain).unwrap_err().to_string();
        assert!(message.contains(&format!("(3 samples per pixel, {photometric})")), "{message}");
    }
}

/// A table of a palette in words of 16 bits, or of bytes.
fn table(o: &mut DefaultDicomObject, colour: usize, descriptor: [u16; 3], values: PrimitiveValue) {
    let element = 0x1101 + colour as u16;
    put(o, Tag(0x0028, element), VR::US, PrimitiveValue::U16(descriptor.into_iter().collect()));
    put(o, Tag(0x0028, element + 0x100), VR::OW, values);
}

#[test]
fn numbers_of_a_palette_become_its_colours() {
    let plain = OpenOptions::default();
    let palette = |change: &dyn Fn(&mut DefaultDicomObject)| {
        capture(|o| {
            put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "PALETTE COLOR");
            put(o, tags::SAMPLES_PER_PIXEL, VR::US, 1u16);
            bytes(o, &[0, 9, 10, 11, 12, 13, 14, 255]);
            change(o);
        })
    };
    // Numbers below the first and above the last take those of the ends.
    let (_folder, file) = palette(&|o| {
        for colour in 0..3 {
            let values = (0..4u16).map(|n| 1000 * (colour as u16 + 1) + n).collect();
            table(o, colour, [4, 10, 16], PrimitiveValue::U16(values));
        }
    });
    let (names, found) = components(&file, &plain);
    assert_eq!(
        (names.as_str(), &found[1]),
        ("RGB", &Samples::U16(vec![2000, 2000, 2000, 2001, 2002, 2003, 2003, 2003]))
    );
    assert_eq!(open(&file, &OpenOptions { component: Some(0), ..plain.clone() }).unwrap().unit, "");
    // The numbers themselves.
    let stored = OpenOptions { stored_values: true, ..OpenOptions::default() };
    assert_eq!(*open(&file, &stored).unwrap().samples(), Samples::U8(vec![0, 9, 10, 11, 12, 13, 14, 255]));
    // Bytes in pairs, as many as there may be of them.
    let (_folder, file) = palette(&|o| {
        for colour in 0..3 {
            let values = (0..256u16).map(|n| (n as u8).wrapping_add(colour as u8)).collect();
            table(o, colour, [256, 0, 8], PrimitiveValue::U8(values));
        }
    });
    assert_eq!(components(&file, &plain).1[2], Samples::U8(vec![2, 11, 12, 13, 14, 15, 16, 1]));
    // 0 entries are 65536.
    let (_folder, file) = palette(&|o| {
        for colour in 0..3 {
            let values = (0..=65535u16).map(|n| n ^ colour as u16).collect();
            table(o, colour, [0, 0, 16], PrimitiveValue::U16(values));
        }
    });
    assert_eq!(components(&file, &plain).1[1], Samples::U16(vec![1, 8, 11, 10, 13, 12, 15, 254]));
    let refused = |change: &dyn Fn(&mut DefaultDicomObject), words: &str| {
        let (_folder, file) = palette(change);
        let message = open(&file, &plain).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    refused(&|_| {}, "its descriptor has 0 entries");
    refused(
        &|o| table(o, 0, [4, 0, 16], PrimitiveValue::U16([1, 2].into_iter().collect())),
        "Red Palette Color Lookup Table Data (0028,1201) cannot be used: its data have 4 bytes for 4 values",
    );
    refused(
        &|o| put(o, Tag(0x0028, 0x1222), VR::OW, PrimitiveValue::U16([0, 1, 2].into_iter().collect())),
        "given in segments",
    );
}

#[test]
fn a_capture_among_grey_slices_is_another_group() {
    let (folder, files) = series();
    let capture = folder.path().join("capture.dcm");
    std::fs::copy(&files[0], &capture).unwrap();
    edit(&capture, |o| {
        put(o, tags::SOP_INSTANCE_UID, VR::UI, "2.25.9");
        put(o, tags::SAMPLES_PER_PIXEL, VR::US, 3u16);
        put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
        put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(vec![7; 60].into()));
    });
    refused(&folder, "colours in capture.dcm, grey values in");
    refused(&folder, "`largest_group` takes the 6 alone");
    let options = OpenOptions { largest_group: true, ..OpenOptions::default() };
    assert_eq!(open(folder.path(), &options).unwrap().samples(), phantom().samples());
}

#[test]
fn slices_in_colour_are_a_volume() {
    let (folder, files) = series();
    for (k, file) in files.iter().enumerate() {
        edit(file, |o| {
            put(o, tags::SAMPLES_PER_PIXEL, VR::US, 3u16);
            put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
            let values = (0..60).map(|n| (100 * k + n) as u16).collect();
            put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values));
        });
    }
    let all = Volumes::open(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!((all.len(), all.arrays()[0].component_names.concat()), (1, "RGB".into()));
    let green = all.read_part(0, 1, 0).unwrap();
    assert_eq!((green.shape(), green.unit.as_str()), ([5, 4, 6], ""));
    // The rescale of the grey slices that they were does not apply.
    assert_eq!([0, 1, 119].map(|n| green.samples().get(n)), [1.0, 4.0, 558.0]);
    assert!((green.geometry.spacing[2] - 2.5).abs() < 1e-9);
}
