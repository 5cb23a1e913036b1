//! Stored numbers and what becomes of them; numbers in headers that cannot be read.

use super::*;
use dicom_object::InMemDicomObject;

fn edit_all(files: &[PathBuf], change: impl Fn(&mut DefaultDicomObject, usize)) {
    files.iter().enumerate().for_each(|(k, file)| edit(file, |o| change(o, k)));
}

/// Distances between slices come out of their positions.
fn is_spacing(volume: &Volume, spacing: [f64; 3]) -> bool {
    volume.geometry.spacing.iter().zip(spacing).all(|(a, b)| (a - b).abs() < 1e-9)
}

#[test]
fn commas_are_points_where_they_can_be_nothing_else() {
    let (folder, files) = series();
    edit_all(&files, |o, _| {
        put(o, tags::PIXEL_SPACING, VR::DS, "0,8\\0,7");
        put(o, tags::RESCALE_SLOPE, VR::DS, "2,5");
    });
    let volume = read(&folder).unwrap();
    assert_eq!(volume.geometry.spacing[..2], [0.7, 0.8]);
    assert_eq!(volume.samples().get(1), 30.0 * 2.5 - 1024.0);
}

#[test]
fn numbers_that_cannot_be_read_are_shown() {
    let spacing = Some([0.7, 0.8, 2.5]);
    for (tag, text, words, has_way_on) in [
        (
            tags::PIXEL_SPACING,
            "0,8,0,7",
            "Pixel Spacing (0028,0030) is '0,8,0,7', which is not a number",
            true,
        ),
        (tags::PIXEL_SPACING, "0.8", "is 0.8, which are not two distances", true),
        (
            tags::PIXEL_SPACING,
            "0\\0",
            "Pixel Spacing (0028,0030) is 0 x 0, which is not a distance; `spacing`",
            true,
        ),
        (tags::PIXEL_SPACING, "-1\\1", "-1 x 1, which is not a distance", true),
        (
            tags::RESCALE_SLOPE,
            "two",
            "Rescale Slope (0028,1053) is 'two', which is not a number; `stored_values`",
            false,
        ),
        (tags::RESCALE_INTERCEPT, "1;5", "'1;5'", false),
        (
            tags::IMAGE_POSITION_PATIENT,
            "1\\2\\nan",
            "Image Position Patient (0020,0032) is '1\\2\\nan'",
            false,
        ),
    ] {
        let (folder, files) = series();
        edit_all(&files, |o, _| put(o, tag, VR::DS, text));
        refused(&folder, words);
        let with_spacing = open(folder.path(), &OpenOptions { spacing, ..OpenOptions::default() });
        assert_eq!(with_spacing.is_ok(), has_way_on, "{text}");
        if has_way_on {
            assert!(is_spacing(&with_spacing.unwrap(), [0.7, 0.8, 2.5]), "{text}");
        }
    }
}

#[test]
fn a_missing_pixel_spacing_can_be_given_and_a_declared_one_cannot_be_changed() {
    let (folder, files) = series();
    let with = |spacing: [f64; 3]| {
        open(folder.path(), &OpenOptions { spacing: Some(spacing), ..OpenOptions::default() })
    };
    assert!(
        with([0.9, 0.8, 2.5])
            .unwrap_err()
            .to_string()
            .contains("says its pixel spacing itself (0.7 x 0.8 mm)")
    );
    assert!(is_spacing(&with([0.7, 0.8, 2.5]).unwrap(), [0.7, 0.8, 2.5]));
    assert!(with([0.7, 0.8, 3.0]).unwrap_err().to_string().contains("2.5000 mm apart, not 3"));
    edit_all(&files, |o, _| drop(o.take(tags::PIXEL_SPACING)));
    assert_eq!(read(&folder).unwrap().geometry.spacing[..2], [1.0, 1.0]);
    assert!(is_spacing(&with([0.3, 0.4, 2.5]).unwrap(), [0.3, 0.4, 2.5]));
    // An empty one is a missing one.
    edit_all(&files, |o, _| put(o, tags::PIXEL_SPACING, VR::DS, PrimitiveValue::Empty));
    assert!(is_spacing(&with([0.3, 0.4, 2.5]).unwrap(), [0.3, 0.4, 2.5]));
}

#[test]
fn a_slope_of_0_is_refused_unless_stored_values_are_wanted() {
    let (folder, files) = series();
    edit_all(&files, |o, _| put(o, tags::RESCALE_SLOPE, VR::DS, "0"));
    refused(&folder, "Rescale Slope (0028,1053) is 0");
    refused(&folder, "`stored_values`");
    let stored = OpenOptions { stored_values: true, ..OpenOptions::default() };
    assert_eq!(open(folder.path(), &stored).unwrap().samples().get(3), 90.0);
}

/// A Modality LUT Sequence in an object, whose values are words or, with 8 bits, bytes.
fn put_table(o: &mut DefaultDicomObject, first: i16, bits: u16, data: PrimitiveValue, count: u16) {
    let descriptor = PrimitiveValue::U16([count, first as u16, bits][..].into());
    let vr = if matches!(data, PrimitiveValue::U8(_)) { VR::OB } else { VR::OW };
    let item = InMemDicomObject::from_element_iter([
        DataElement::new(tags::LUT_DESCRIPTOR, VR::US, descriptor),
        DataElement::new(tags::MODALITY_LUT_TYPE, VR::LO, "US"),
        DataElement::new(tags::LUT_DATA, vr, data),
    ]);
    let mut all = InMemDicomObject::new_empty();
    sequence(&mut all, tags::MODALITY_LUT_SEQUENCE, vec![item]);
    all.into_iter().for_each(|element| drop(o.put(element)));
    o.take(tags::RESCALE_SLOPE);
    o.take(tags::RESCALE_INTERCEPT);
}

#[test]
fn a_modality_lut_is_applied_and_clamped_at_its_ends() {
    // Stored numbers are 0, 30, 60, ...: those from 30 to 32 have entries.
    let words = PrimitiveValue::U16([500u16, 700, 900][..].into());
    let (folder, files) = series();
    edit_all(&files, |o, _| put_table(o, 30, 16, words.clone(), 3));
    let volume = read(&folder).unwrap();
    assert_eq!([0, 1, 2].map(|i| volume.samples().get(i)), [500.0, 500.0, 900.0]);
    assert_eq!(volume.sample_type().name(), "uint16");
    let stored = OpenOptions { stored_values: true, ..OpenOptions::default() };
    assert_eq!(open(folder.path(), &stored).unwrap().samples().get(1), 30.0);
    // Bytes, and tables that differ by slice.
    let bytes = PrimitiveValue::U8([5u8, 7, 9, 0][..].into());
    edit_all(&files, |o, _| put_table(o, 30, 8, bytes.clone(), 3));
    let volume = read(&folder).unwrap();
    assert_eq!((volume.samples().get(2), volume.sample_type().name()), (9.0, "uint8"));
    edit(&files[5], |o| put_table(o, 30, 16, words.clone(), 3));
    let volume = read(&folder).unwrap();
    assert_eq!([2, 119].map(|i| volume.samples().get(i)), [9.0, 900.0]);
    // Signed pixels have a signed first entry.
    edit_all(&files, |o, _| {
        put(o, tags::PIXEL_REPRESENTATION, VR::US, 1u16);
        put_table(o, -2, 16, words.clone(), 3);
        let pixels: Vec<u16> = (0..20).map(|i| (i % 5 - 3i16) as u16).collect();
        put(o, tags::BITS_STORED, VR::US, 16u16);
        put(o, tags::HIGH_BIT, VR::US, 15u16);
        put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into()));
    });
    let volume = read(&folder).unwrap();
    assert_eq!([0, 1, 2, 3, 4].map(|i| volume.samples().get(i)), [500.0, 500.0, 700.0, 900.0, 900.0]);
}

#[test]
fn a_modality_lut_that_is_damaged_is_refused() {
    for (bits, data, words) in [
        (16, PrimitiveValue::U16([1u16, 2][..].into()), "its data have 4 bytes for 3 values"),
        (40, PrimitiveValue::U16([1u16, 2, 3][..].into()), "its values have 40 bits"),
    ] {
        let (folder, files) = series();
        edit_all(&files, |o, _| put_table(o, 0, bits, data.clone(), 3));
        refused(&folder, words);
        let stored = OpenOptions { stored_values: true, ..OpenOptions::default() };
        assert!(open(folder.path(), &stored).is_ok());
    }
}

#[test]
fn padding_under_slopes_that_differ_changes_no_sample() {
    let (folder, files) = series();
    edit_all(&files, |o, k| {
        put(o, tags::PIXEL_PADDING_VALUE, VR::US, 60000u16);
        put(o, tags::RESCALE_SLOPE, VR::DS, if k % 2 == 0 { "1" } else { "1.1" });
        put(o, tags::RESCALE_INTERCEPT, VR::DS, "0");
        let mut pixels = vec![100u16; 20];
        pixels[0] = 60000;
        put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into()));
    });
    let volume = read(&folder).unwrap();
    assert_eq!([0, 20].map(|i| volume.samples().get(i)), [60000.0, f64::from(66000f32)]);
    assert_eq!(volume.range(), Some((100.0, f64::from(110f32))), "padding is masked");
}

#[test]
fn padding_among_measurements_masks_none_of_them() {
    let (folder, files) = series();
    edit_all(&files, |o, k| {
        // 1 and 9 are padding in some slices, 5 is a measurement in all.
        put(o, tags::PIXEL_PADDING_VALUE, VR::US, if k < 3 { 1u16 } else { 9 });
        put(o, tags::RESCALE_INTERCEPT, VR::DS, "0");
        let pixels: Vec<u16> = (0..20).map(|i| [1, 5, 9, 12][i % 4]).collect();
        put(o, tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into()));
    });
    let volume = read(&folder).unwrap();
    assert_eq!([0, 1, 2, 3].map(|i| volume.samples().get(i)), [1.0, 5.0, 9.0, 12.0]);
    assert_eq!((volume.fill_value, volume.range()), (None, Some((1.0, 12.0))));
}

#[test]
fn a_range_of_padding_goes_through_a_derived_series_and_a_lossless_file() {
    let (folder, files) = series();
    edit_all(&files, |o, _| {
        put(o, tags::PIXEL_PADDING_VALUE, VR::US, 0u16);
        put(o, tags::PIXEL_PADDING_RANGE_LIMIT, VR::US, 70u16);
        put(o, tags::RESCALE_INTERCEPT, VR::DS, "0");
        put(o, tags::MODALITY, VR::CS, "OT");
        o.take(tags::RESCALE_TYPE);
    });
    let volume = read(&folder).unwrap();
    assert_eq!((volume.fill_value, volume.fill_limit), (Some(0.0), Some(60.0)));
    let derived = folder.path().join("derived");
    write_series(&volume, &derived, &SeriesDescription::default()).unwrap();
    let again = open(&derived, &OpenOptions::default()).unwrap();
    assert_eq!((again.samples(), again.range()), (volume.samples(), volume.range()));
    let options = crate::train::CompressOptions {
        target: crate::train::Target::Lossless,
        threads: 1,
        ..Default::default()
    };
    let file = crate::train::compress(&volume, &options).unwrap();
    let path = folder.path().join("a.nvol");
    file.save(&path).unwrap();
    let neural = crate::NeuralVolume::open(&path).unwrap();
    let decoded = neural.read_region(crate::Region::whole(volume.shape()), 1).unwrap();
    assert_eq!((decoded.samples(), decoded.range()), (volume.samples(), volume.range()));
}
