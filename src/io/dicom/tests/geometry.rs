//! Where slices lie, wherever the standard has it.

use super::*;

/// The phantom's frames in one file that has one position for all: slice k is frame 5 - k.
fn stacked(change: impl FnOnce(&mut DefaultDicomObject)) -> (tempfile::TempDir, PathBuf) {
    multi_frame(|o, at| {
        put(o, tags::IMAGE_POSITION_PATIENT, VR::DS, at(5).as_str());
        o.take(tags::SLICE_THICKNESS);
        change(o);
    })
}

/// Where a volume's sample of the first frame's first pixel lies, which holds 5 * 600 - 1024.
fn first_frame(volume: &Volume) -> [f64; 3] {
    let k = (0..6).find(|k| volume.samples().get(20 * k) == f64::from(5 * 600 - 1024)).unwrap();
    volume.geometry.index_to_world([0.0, 0.0, k as f64])
}

fn near(a: [f64; 3], b: [f64; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
}

#[test]
fn a_negative_spacing_goes_against_the_normal() {
    for (spacing, last) in [("2.5", 10.0), ("-2.5", 0.0)] {
        let (_folder, file) = stacked(|o| put(o, tags::SPACING_BETWEEN_SLICES, VR::DS, spacing));
        let volume = open(&file, &OpenOptions::default()).unwrap();
        let at = |k: f64| phantom().geometry.index_to_world([0.0, 0.0, k]);
        assert!(near(first_frame(&volume), at(5.0)), "{spacing}");
        // The last frame holds the phantom's first slice.
        let k = (0..6).find(|k| volume.samples().get(20 * k) == -1024.0).unwrap();
        assert!(near(volume.geometry.index_to_world([0.0, 0.0, k as f64]), at(last)), "{spacing}");
    }
}

#[test]
fn nuclear_medicine_has_its_detectors_position_and_numbers_its_slices() {
    let (_folder, file) = stacked(|o| {
        let position = o.take(tags::IMAGE_POSITION_PATIENT).unwrap();
        let orientation = o.take(tags::IMAGE_ORIENTATION_PATIENT).unwrap();
        let detector = dicom_object::InMemDicomObject::from_element_iter([position, orientation]);
        let mut all = dicom_object::InMemDicomObject::new_empty();
        sequence(&mut all, tags::DETECTOR_INFORMATION_SEQUENCE, vec![detector]);
        all.into_iter().for_each(|element| drop(o.put(element)));
        put(o, tags::MODALITY, VR::CS, "NM");
        put(o, tags::SPACING_BETWEEN_SLICES, VR::DS, "-2.5");
        put(o, tags::SLICE_VECTOR, VR::US, PrimitiveValue::U16([1u16, 2, 3, 4, 5, 6][..].into()));
    });
    let volume = open(&file, &OpenOptions::default()).unwrap();
    assert_eq!(volume.samples(), phantom().samples());
    assert!(near(volume.geometry.index_to_world([0.0; 3]), phantom().geometry.origin));

    // Gated: two time slots of three slices.
    let (_folder, gated) = stacked(|o| {
        put(o, tags::SPACING_BETWEEN_SLICES, VR::DS, "-2.5");
        put(o, tags::SLICE_VECTOR, VR::US, PrimitiveValue::U16([1u16, 2, 3, 1, 2, 3][..].into()));
        put(o, tags::TIME_SLOT_VECTOR, VR::US, PrimitiveValue::U16([1u16, 1, 1, 2, 2, 2][..].into()));
        o.take(tags::INSTANCE_NUMBER);
    });
    let second = OpenOptions { volume: Some("time slot=2".into()), ..OpenOptions::default() };
    // Frames 3 to 5 hold slices 2 to 0.
    assert_eq!(open(&gated, &second).unwrap().samples().get(0), -1024.0);

    let (_folder, projections) = stacked(|o| {
        put(o, tags::SPACING_BETWEEN_SLICES, VR::DS, "2.5");
        put(o, tags::ANGULAR_VIEW_VECTOR, VR::US, PrimitiveValue::U16([1u16, 2, 3, 4, 5, 6][..].into()));
    });
    let message = open(&projections, &OpenOptions::default()).unwrap_err().to_string();
    assert!(message.contains("6 projections from different angles"), "{message}");
}

#[test]
fn the_distance_of_frames_at_one_position_can_be_given() {
    let (_folder, file) = stacked(|o| put(o, tags::SLICE_THICKNESS, VR::DS, "0.3"));
    let message = open(&file, &OpenOptions::default()).unwrap_err().to_string();
    for words in ["Spacing Between Slices (0018,0088)", "Slice Thickness (0018,0050) is 0.3 mm", "`spacing`"]
    {
        assert!(message.contains(words), "{message}");
    }
    let options = OpenOptions { spacing: Some([0.7, 0.8, 0.3]), ..OpenOptions::default() };
    let volume = open(&file, &options).unwrap();
    assert!((volume.geometry.spacing[2] - 0.3).abs() < 1e-9);
    assert!(near(first_frame(&volume), phantom().geometry.index_to_world([0.0, 0.0, 5.0])));
    // Nor any position.
    let (_folder, file) = stacked(|o| {
        o.take(tags::IMAGE_POSITION_PATIENT);
        o.take(tags::IMAGE_ORIENTATION_PATIENT);
    });
    assert!(open(&file, &OpenOptions::default()).unwrap_err().to_string().contains("without positions"));
    let volume = open(&file, &options).unwrap();
    assert_eq!((volume.shape(), volume.geometry.spacing), ([5, 4, 6], [0.7, 0.8, 0.3]));
}
