//! Files that are not as the standard has them, but can be read.

use super::*;
use crate::io::Limits;
use dicom_encoding::TransferSyntax;
use dicom_transfer_syntax_registry::entries;

/// A file's data set alone, written in a syntax.
fn data_set(file: &PathBuf, syntax: &TransferSyntax) -> Vec<u8> {
    let mut bytes = Vec::new();
    open_file(file).unwrap().write_dataset_with_ts(&mut bytes, syntax).unwrap();
    bytes
}

/// A file's preamble, prefix and meta information, which says explicit VR.
fn header(file: &PathBuf) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    let at = bytes.windows(6).position(|w| w == b"\x08\0\x08\0CS").unwrap();
    bytes[..at].to_vec()
}

#[test]
fn data_sets_without_a_header_are_read() {
    let (implicit, explicit, big) = (
        entries::IMPLICIT_VR_LITTLE_ENDIAN.erased(),
        entries::EXPLICIT_VR_LITTLE_ENDIAN.erased(),
        entries::EXPLICIT_VR_BIG_ENDIAN.erased(),
    );
    for syntax in [implicit, explicit, big] {
        let (folder, files) = series();
        for file in &files {
            std::fs::write(file, data_set(file, &syntax)).unwrap();
        }
        assert_eq!(read(&folder).unwrap().samples(), phantom().samples(), "{}", syntax.name());
        assert_eq!(crate::io::open(&files[0], &OpenOptions::default()).unwrap().shape(), [5, 4, 1]);
        assert_eq!(list_series(folder.path(), false).unwrap()[0].shape, [5, 4, 6]);
    }
    // One among others that have it.
    let (folder, files) = series();
    std::fs::write(&files[5], data_set(&files[5], &entries::EXPLICIT_VR_LITTLE_ENDIAN.erased())).unwrap();
    assert_eq!(read(&folder).unwrap().samples(), phantom().samples());
    // Meta information without the preamble, and without the transfer syntax.
    let bytes = std::fs::read(&files[0]).unwrap();
    std::fs::write(&files[0], &bytes[132..]).unwrap();
    std::fs::write(
        &files[1],
        [&[0; 128], &b"DICM"[..], &data_set(&files[1], &entries::IMPLICIT_VR_LITTLE_ENDIAN.erased())]
            .concat(),
    )
    .unwrap();
    assert_eq!(read(&folder).unwrap().samples(), phantom().samples());
}

#[test]
fn a_data_set_is_read_as_it_is_written() {
    let (folder, files) = series();
    for file in &files {
        let implicit = data_set(file, &entries::IMPLICIT_VR_LITTLE_ENDIAN.erased());
        std::fs::write(file, [header(file), implicit].concat()).unwrap();
    }
    assert_eq!(read(&folder).unwrap().samples(), phantom().samples());
    // And the other way round.
    let (folder, files) = series();
    for file in &files {
        let explicit = data_set(file, &entries::EXPLICIT_VR_LITTLE_ENDIAN.erased());
        let mut object = open_file(file).unwrap();
        object.meta_mut().set_transfer_syntax(&entries::IMPLICIT_VR_LITTLE_ENDIAN.erased());
        object.write_to_file(file).unwrap();
        let bytes = std::fs::read(file).unwrap();
        let at = bytes.windows(4).position(|w| w == b"\x08\0\x08\0").unwrap();
        std::fs::write(file, [&bytes[..at], &explicit].concat()).unwrap();
    }
    assert_eq!(read(&folder).unwrap().samples(), phantom().samples());
}

/// Puts elements before the pixel data of a file.
fn insert(file: &PathBuf, elements: &[u8]) {
    let bytes = std::fs::read(file).unwrap();
    let at = bytes.windows(4).rposition(|w| w == b"\xe0\x7f\x10\0").unwrap();
    std::fs::write(file, [&bytes[..at], elements, &bytes[at..]].concat()).unwrap();
}

#[test]
fn elements_of_unknown_representation_and_undefined_length_are_implicit_inside() {
    const ITEM: &[u8] = b"\xfe\xff\0\xe0\xff\xff\xff\xff";
    const ITEM_END: &[u8] = b"\xfe\xff\x0d\xe0\0\0\0\0";
    const END: &[u8] = b"\xfe\xff\xdd\xe0\0\0\0\0";
    let implicit: &[u8] = b"\x49\0\x10\0\x08\0\0\0MAKER 1 \x49\0\x02\x10\x02\0\0\0ab";
    let explicit: &[u8] = b"\x49\0\x10\0LO\x08\0MAKER 1 \x49\0\x02\x10SH\x02\0ab";
    for vr in [b"UN", b"OB", b"OW"] {
        for content in [implicit, explicit] {
            let start = [&b"\x49\0\x01\x10"[..], vr, b"\0\0\xff\xff\xff\xff"].concat();
            let with_length =
                [&b"\xfe\xff\0\xe0"[..], &(content.len() as u32).to_le_bytes(), content].concat();
            for items in [
                [ITEM, content, ITEM_END].concat(),
                with_length,
                b"\xfe\xff\0\xe0\x04\0\0\0\xff\xd8\xff\xe0".to_vec(),
                Vec::new(),
            ] {
                let (folder, files) = series();
                files.iter().for_each(|file| insert(file, &[&start[..], &items, END].concat()));
                assert_eq!(read(&folder).unwrap().samples(), phantom().samples(), "{vr:?} {items:?}");
            }
        }
    }
    // A sequence of the standard that an archive did not know: what it says is heard.
    let (folder, files) = series();
    let lut = b"\x28\0\x02\x30\x06\0\0\0\x01\0\0\0\x10\0\x28\0\x06\x30\x02\0\0\0\x2a\0";
    let sequence = [
        &b"\x28\0\0\x30UN\0\0"[..],
        &(lut.len() as u32 + 8).to_le_bytes(),
        b"\xfe\xff\0\xe0",
        &(lut.len() as u32).to_le_bytes(),
        lut,
    ]
    .concat();
    for file in &files {
        edit(file, |o| {
            o.take(tags::RESCALE_SLOPE);
            o.take(tags::RESCALE_INTERCEPT);
        });
        insert(file, &sequence);
    }
    assert_eq!(read(&folder).unwrap().range(), Some((42.0, 42.0)));
}

#[test]
fn the_limit_of_headers_can_be_moved() {
    let (folder, files) = series();
    // 20 MB of a vendor's elements.
    let element = [&b"\x49\0\x10\x10UN\0\0"[..], &(1u32 << 20).to_le_bytes(), &vec![7; 1 << 20]].concat();
    insert(&files[0], &element.repeat(20));
    assert_eq!(read(&folder).unwrap().samples(), phantom().samples());
    let limits = Limits { header_bytes: 1 << 20, ..Limits::default() };
    let message =
        open(folder.path(), &OpenOptions { limits, ..OpenOptions::default() }).unwrap_err().to_string();
    assert!(message.contains("limit of 1048576 bytes") && message.contains("`limits`"), "{message}");
    // Many small elements take more memory than they take in the file.
    let small = b"\x08\0\x70\x10LO\0\0".repeat(100_000);
    insert(&files[1], &small);
    let limits = Limits { header_bytes: 1 << 22, ..Limits::default() };
    assert!(open(&files[1], &OpenOptions { limits, ..OpenOptions::default() }).is_err());
}

#[test]
fn an_image_that_cannot_be_read_is_left_out_where_that_is_allowed() {
    let (folder, files) = series();
    let capture = folder.path().join("capture.dcm");
    std::fs::copy(&files[0], &capture).unwrap();
    edit(&capture, |o| {
        put(o, tags::SAMPLES_PER_PIXEL, VR::US, 4u16);
        put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "CMYK");
    });
    refused(&folder, "`largest_group` leaves it out and takes the 6 others");
    let options = OpenOptions { largest_group: true, ..OpenOptions::default() };
    assert_eq!(open(folder.path(), &options).unwrap().samples(), phantom().samples());
}
