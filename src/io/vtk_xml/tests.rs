//! Small files in every data form.

use super::*;
use crate::volume::{Frame, Samples};
use std::io::Write;

/// A file around `arrays` and `appended`, of extent 2..3 x 0..1 x 0..0.
fn file(attributes: &str, arrays: &str, appended: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "<?xml version=\"1.0\"?>\n<VTKFile type=\"ImageData\" {attributes}>\n<ImageData WholeExtent=\"2 3 0 1 0 0\" \
         Origin=\"10 20 30.1\" Spacing=\"0.1 2 3\">\n<Piece Extent=\"2 3 0 1 0 0\">\n{arrays}\n</Piece></ImageData>\n"
    )
    .into_bytes();
    bytes.extend_from_slice(appended);
    bytes.extend_from_slice(b"</VTKFile>\n");
    bytes
}

fn read_with(bytes: &[u8], options: &OpenOptions) -> Result<Volume> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vti");
    std::fs::write(&path, bytes).unwrap();
    crate::io::open(&path, options)
}

fn read(bytes: &[u8]) -> Result<Volume> {
    read_with(bytes, &OpenOptions::default())
}

fn points(array: &str) -> String {
    format!("<PointData Scalars=\"a\">{array}</PointData>")
}

fn appended(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    [format!("<AppendedData encoding=\"{encoding}\">\n _").as_bytes(), bytes, b"\n</AppendedData>"].concat()
}

fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |b, &x| b << 8 | u32::from(x)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let index = (bits >> (18 - 6 * i)) & 63;
            text.push(if i > group.len() { '=' } else { ALPHABET[index as usize] as char });
        }
    }
    text
}

/// The four samples as (block header, data), in a byte order and header size, compressed or not.
fn blocks(big: bool, wide: bool, zlib: bool) -> (Vec<u8>, Vec<u8>) {
    let data: Vec<u8> =
        [1i16, -2, 300, 4].iter().flat_map(|v| if big { v.to_be_bytes() } else { v.to_le_bytes() }).collect();
    let number = |v: u64| -> Vec<u8> {
        match (wide, big) {
            (true, true) => v.to_be_bytes().into(),
            (true, false) => v.to_le_bytes().into(),
            (false, true) => (v as u32).to_be_bytes().into(),
            (false, false) => (v as u32).to_le_bytes().into(),
        }
    };
    if !zlib {
        return (number(8), data);
    }
    let blocks: Vec<Vec<u8>> = data
        .chunks(6)
        .map(|block| {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(block).unwrap();
            encoder.finish().unwrap()
        })
        .collect();
    let mut header = [number(2), number(6), number(2)].concat();
    blocks.iter().for_each(|b| header.extend(number(b.len() as u64)));
    (header, blocks.concat())
}

#[test]
fn every_data_form_is_read() {
    let expected = Samples::I16(vec![1, -2, 300, 4]);
    for big in [false, true] {
        for wide in [false, true] {
            for zlib in [false, true] {
                let attributes = format!(
                    "byte_order=\"{}\" header_type=\"{}\" {}",
                    if big { "BigEndian" } else { "LittleEndian" },
                    if wide { "UInt64" } else { "UInt32" },
                    if zlib { "compressor=\"vtkZLibDataCompressor\"" } else { "" }
                );
                let (header, data) = blocks(big, wide, zlib);
                let text = match zlib {
                    true => encode(&header) + &encode(&data),
                    false => encode(&[header.clone(), data.clone()].concat()),
                };
                let inline = points(&format!(
                    "<DataArray type=\"Int16\" Name=\"a\" format=\"binary\">\n {text}\n</DataArray>"
                ));
                let behind =
                    points("<DataArray type=\"Int16\" Name=\"a\" format=\"appended\" offset=\"3\"/>");
                let raw = [b"<&>", &header[..], &data[..]].concat();
                for bytes in [
                    file(&attributes, &inline, b""),
                    file(&attributes, &behind, &appended("base64", format!("AAA{text}").as_bytes())),
                    file(&attributes, &behind, &appended("raw", &raw)),
                ] {
                    let volume = read(&bytes).unwrap();
                    assert_eq!(*volume.samples(), expected, "{attributes}");
                    assert_eq!(volume.shape(), [2, 2, 1]);
                }
            }
        }
    }
    let ascii = points("<DataArray type=\"Int16\" Name=\"a\" format=\"ascii\">1 -2\n300 4</DataArray>");
    assert_eq!(*read(&file("", &ascii, b"")).unwrap().samples(), expected);
}

#[test]
fn an_extent_that_starts_elsewhere_shifts_the_origin() {
    let ascii = points("<DataArray type=\"Int16\" Name=\"a\" format=\"ascii\">1 2 3 4</DataArray>");
    let geometry = read(&file("", &ascii, b"")).unwrap().geometry;
    assert_eq!(geometry.origin, [10.2, 20.0, 30.1]);
    assert_eq!(geometry.spacing, [0.1, 2.0, 3.0]);
}

#[test]
fn cells_sit_at_their_centres() {
    let cells = "<PointData/><CellData><DataArray type=\"UInt8\" Name=\"c\" format=\"ascii\">7</DataArray></CellData>";
    let volume = read(&file("", cells, b"")).unwrap();
    assert_eq!(volume.shape(), [1, 1, 1]);
    assert_eq!(volume.geometry.origin, [10.25, 21.0, 30.1]);
}

#[test]
fn the_array_is_chosen_by_name_then_by_the_active_attribute() {
    let array = |name: &str, components: usize, text: &str| {
        format!(
            "<DataArray type=\"UInt8\" Name=\"{name}\" NumberOfComponents=\"{components}\" format=\"ascii\">{text}</DataArray>"
        )
    };
    let arrays =
        points(&(array("v", 2, "0 0 0 0 0 0 0 0") + &array("b", 1, "5 6 7 8") + &array("a", 1, "1 2 3 4")));
    let bytes = file("", &arrays, b"");
    assert_eq!(read(&bytes).unwrap().name, "a");
    let named = |name: &str| OpenOptions { array: Some(name.into()), ..OpenOptions::default() };
    assert_eq!(*read_with(&bytes, &named("b")).unwrap().samples(), Samples::U8(vec![5, 6, 7, 8]));
    assert!(read_with(&bytes, &named("v")).unwrap_err().to_string().contains("2 components"));
    assert!(read_with(&bytes, &named("x")).unwrap_err().to_string().contains("'b' (1 components)"));
}

#[test]
fn damage_is_refused() {
    let behind = points("<DataArray type=\"Int16\" Name=\"a\" format=\"appended\" offset=\"0\"/>");
    let refuse = |bytes: &[u8], words: &str| {
        let message = read(bytes).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    let zlib = "header_type=\"UInt64\" compressor=\"vtkZLibDataCompressor\"";
    let raw =
        |numbers: &[u64]| appended("raw", &numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>());
    refuse(&file(zlib, &behind, &raw(&[u64::MAX, 1, 1])), "declares 18446744073709551615 blocks");
    refuse(&file(zlib, &behind, &raw(&[1, 8, 0, u64::MAX])), "more than the file holds");
    refuse(&file(zlib, &behind, &raw(&[1, 8, 0, 8, 1])), "corrupt");
    refuse(
        &file("header_type=\"UInt64\"", &behind, &raw(&[9, 0, 0])),
        "declares 9 bytes where the extent needs 8",
    );
    refuse(&file("compressor=\"vtkBZip2DataCompressor\"", &behind, b""), "vtkBZip2DataCompressor");
    for compressor in ["vtkLZ4DataCompressor", "vtkLZMADataCompressor"] {
        let attributes = format!("header_type=\"UInt64\" compressor=\"{compressor}\"");
        refuse(&file(&attributes, &behind, &raw(&[1, 8, 0, 8, 1])), "corrupt");
    }
    refuse(&file("", &behind, b""), "missing <AppendedData>");
    refuse(
        &file("", &behind.replace("offset=\"0\"", "offset=\"999999\""), &raw(&[8])),
        "behind the file's end",
    );
    let ascii = points("<DataArray type=\"Int16\" Name=\"a\" format=\"ascii\">1 2 3 4 5</DataArray>");
    refuse(&file("", &ascii, b""), "more numbers");
    let whole = file("", &ascii.replace(" 5", ""), b"");
    refuse(&whole[..whole.len() / 2], "");
    let huge = String::from_utf8(whole).unwrap().replace("2 3 0 1 0 0", "0 99999 0 99999 0 99");
    refuse(huge.as_bytes(), "");
}

#[test]
fn a_component_of_a_vector_is_chosen() {
    let vectors = points(
        "<DataArray type=\"UInt8\" Name=\"v\" NumberOfComponents=\"2\" format=\"ascii\">1 2 3 4 5 6 7 8</DataArray>",
    );
    let bytes = file("", &vectors, b"");
    let message = read(&bytes).unwrap_err().to_string();
    assert!(message.contains("'v' has 2 components; choose one with `component` 0 to 1"), "{message}");
    let volume = read_with(&bytes, &OpenOptions { component: Some(1), ..OpenOptions::default() }).unwrap();
    assert_eq!(*volume.samples(), Samples::U8(vec![2, 4, 6, 8]));
    assert_eq!(volume.name, "v_1");
}

/// A file of extent 0..2 x 0..1 x 0..0 with these pieces: extent and samples.
fn pieces(whole: &str, pieces: &[(&str, &str)]) -> String {
    let pieces: String = pieces
        .iter()
        .map(|(extent, samples)| {
            let array =
                format!("<DataArray type=\"UInt8\" Name=\"a\" format=\"ascii\">{samples}</DataArray>");
            format!("<Piece Extent=\"{extent}\">{}</Piece>", points(&array))
        })
        .collect();
    format!(
        "<?xml version=\"1.0\"?><VTKFile type=\"ImageData\"><ImageData WholeExtent=\"{whole}\" Origin=\"0 0 0\" \
         Spacing=\"1 1 1\">{pieces}</ImageData></VTKFile>"
    )
}

#[test]
fn pieces_are_put_together() {
    let whole = Samples::U8(vec![1, 2, 3, 4, 5, 6]);
    // They share the points between them.
    let both = [("0 1 0 1 0 0", "1 2 4 5"), ("1 2 0 1 0 0", "2 3 5 6")];
    let file = pieces("0 2 0 1 0 0", &both);
    assert_eq!(*read(file.as_bytes()).unwrap().samples(), whole);
    let message = read(pieces("0 2 0 1 0 0", &both[..1]).as_bytes()).unwrap_err().to_string();
    assert!(message.contains("4 of the 6 samples"), "{message}");
    let message = read(pieces("0 1 0 1 0 0", &both).as_bytes()).unwrap_err().to_string();
    assert!(message.contains("leads out"), "{message}");

    // The same in files of their own.
    let folder = tempfile::tempdir().unwrap();
    for (n, piece) in both.iter().enumerate() {
        std::fs::write(folder.path().join(format!("p{n}.vti")), pieces(piece.0, &[*piece])).unwrap();
    }
    let path = folder.path().join("a.pvti");
    let parallel = |sources: [&str; 2]| {
        format!(
            "<?xml version=\"1.0\"?><VTKFile type=\"PImageData\"><PImageData WholeExtent=\"0 2 0 1 0 0\" GhostLevel=\"0\" \
             Origin=\"5 0 0\" Spacing=\"2 1 1\"><PPointData Scalars=\"a\"><PDataArray type=\"UInt8\" Name=\"a\"/>\
             </PPointData><Piece Extent=\"0 1 0 1 0 0\" Source=\"{}\"/><Piece Extent=\"1 2 0 1 0 0\" Source=\"{}\"/>\
             </PImageData></VTKFile>",
            sources[0], sources[1]
        )
    };
    let open = |sources| {
        std::fs::write(&path, parallel(sources)).unwrap();
        crate::io::open(&path, &OpenOptions::default())
    };
    let volume = open(["p0.vti", "p1.vti"]).unwrap();
    assert_eq!(volume.geometry.frame, Frame::Unknown);
    // VTK writes field data into the pieces.
    let with_frame = pieces(both[0].0, &both[..1]).replacen(
        "<Piece",
        &format!("<FieldData>{}</FieldData><Piece", ascii_text("neuvol_frame", "LPS mm")),
        1,
    );
    std::fs::write(folder.path().join("p2.vti"), with_frame).unwrap();
    assert_eq!(open(["p2.vti", "p1.vti"]).unwrap().geometry.frame, Frame::Lps);
    assert_eq!((volume.samples(), volume.geometry.origin[0]), (&whole, 5.0));
    let refused = |sources, words: &str| {
        let message = open(sources).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    refused(["p0.vti", "gone.vti"], "gone.vti");
    refused(["p0.vti", "../p1.vti"], "outside its folder");
    refused(["p0.vti", "a.pvti"], "are .vti files");
}

#[test]
fn other_arrays_are_named_and_vectors_found_by_their_component() {
    let array = |name: &str, components: usize, text: &str| {
        format!(
            "<DataArray type=\"UInt8\" Name=\"{name}\" NumberOfComponents=\"{components}\" format=\"ascii\">{text}</DataArray>"
        )
    };
    let arrays = points(&(array("a", 1, "1 2 3 4") + &array("v", 2, "1 2 3 4 5 6 7 8")))
        + &format!("<CellData>{}</CellData>", array("c", 1, "7"));
    let bytes = file("", &arrays, b"");
    let volume = read(&bytes).unwrap();
    assert_eq!((volume.name.as_str(), volume.provenance[OTHER_ARRAYS].as_str()), ("a", "v, c (cells)"));
    let volume = read_with(&bytes, &OpenOptions { component: Some(1), ..OpenOptions::default() }).unwrap();
    assert_eq!(volume.name, "v_1");
}

#[test]
fn a_spacing_that_is_none_is_refused() {
    let ascii = points("<DataArray type=\"Int16\" Name=\"a\" format=\"ascii\">1 2 3 4</DataArray>");
    let of = |spacing: &str, given: Option<[f64; 3]>| {
        let bytes = String::from_utf8(file("", &ascii, b"")).unwrap();
        let bytes = bytes.replace("Spacing=\"0.1 2 3\"", &format!("Spacing=\"{spacing}\""));
        let volume = read_with(bytes.as_bytes(), &OpenOptions { spacing: given, ..OpenOptions::default() });
        volume.map(|volume| volume.geometry.spacing).map_err(|e| e.to_string())
    };
    for (spacing, words) in [
        ("0 2 3", "attribute Spacing is 0 along x"),
        ("0,1 2 3", "'0,1 2 3', not a list of numbers"),
        ("0.1,2,3", "not a list of numbers"),
        ("0.1 2", "does not hold three numbers"),
    ] {
        let message = of(spacing, None).unwrap_err();
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(of("0 2 3", Some([0.5, 2.0, 3.0])), Ok([0.5, 2.0, 3.0]));
    assert_eq!(of("0.1 2 0", None), Ok([0.1, 2.0, 1.0]));
}

#[test]
fn a_byte_order_mark_shifts_nothing() {
    let whole = file(
        "",
        &points("<DataArray type=\"Int16\" Name=\"a\" format=\"ascii\">1 -2 300 4</DataArray>"),
        b"",
    );
    let volume = read(&[&b"\xef\xbb\xbf"[..], &whole].concat()).unwrap();
    assert_eq!(*volume.samples(), Samples::I16(vec![1, -2, 300, 4]));
    let behind = points("<DataArray type=\"Int16\" Name=\"a\" format=\"appended\" offset=\"0\"/>");
    let raw = [&8u32.to_le_bytes()[..], &[1, 0, 2, 0, 3, 0, 4, 0]].concat();
    let whole = file("", &behind, &appended("raw", &raw));
    let volume = read(&[&b"\xef\xbb\xbf"[..], &whole].concat()).unwrap();
    assert_eq!(*volume.samples(), Samples::I16(vec![1, 2, 3, 4]));
}

/// A file with this field data beside four samples named `a`.
fn with_fields(attributes: &str, fields: &str, appended: &[u8]) -> Vec<u8> {
    let ascii = points("<DataArray type=\"Int16\" Name=\"a\" format=\"ascii\">1 2 3 -9</DataArray>");
    let file = file(attributes, &ascii, appended);
    let piece = file.windows(6).position(|bytes| bytes == b"<Piece").unwrap();
    [&file[..piece], format!("<FieldData>{fields}</FieldData>").as_bytes(), &file[piece..]].concat()
}

fn ascii_text(name: &str, text: &str) -> String {
    let bytes: Vec<String> = text.bytes().chain([0]).map(|byte| byte.to_string()).collect();
    format!(
        "<Array type=\"String\" Name=\"{name}\" NumberOfTuples=\"1\" format=\"ascii\">{}</Array>",
        bytes.join("\n ")
    )
}

#[test]
fn the_frame_is_field_data() {
    let frame = |fields: &str| read(&with_fields("", fields, b"")).map(|volume| volume.geometry.frame);
    assert_eq!(frame(&ascii_text("neuvol_frame", "LPS mm")).unwrap(), Frame::Lps);
    assert_eq!(frame(&ascii_text("neuvol_frame", "LPS")).unwrap(), Frame::Lps);
    assert_eq!(frame(&ascii_text("neuvol_frame", "unknown")).unwrap(), Frame::Unknown);
    assert_eq!(frame(&ascii_text("another", "LPS mm")).unwrap(), Frame::Unknown);
    // A number says nothing of a frame, and a frame that is not known is not passed over.
    let number =
        "<DataArray type=\"UInt8\" Name=\"neuvol_frame\" NumberOfTuples=\"1\" format=\"ascii\">0</DataArray>";
    assert!(frame(number).unwrap_err().to_string().contains("neuvol_frame"));
    let message = frame(&ascii_text("neuvol_frame", "RAS")).unwrap_err().to_string();
    assert!(message.contains("'RAS'") && message.contains("'LPS mm'"), "{message}");

    // As VTK writes it in binary: inline, appended in base64 and raw, compressed and not.
    let text = b"LPS mm\0";
    let place = |place: &str| {
        format!("<Array type=\"String\" Name=\"neuvol_frame\" NumberOfTuples=\"1\" {place}</Array>")
    };
    let plain = [&7u32.to_le_bytes()[..], text].concat();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    let packed = encoder.finish().unwrap();
    let header = [1, 7, 7, packed.len() as u32].map(u32::to_le_bytes).concat();
    let zlib = "compressor=\"vtkZLibDataCompressor\"";
    for (attributes, inline, raw) in [
        ("", encode(&plain), plain.clone()),
        (zlib, encode(&header) + &encode(&packed), [&header[..], &packed[..]].concat()),
    ] {
        let behind = place("format=\"appended\" offset=\"0\">");
        for bytes in [
            with_fields(attributes, &place(&format!("format=\"binary\">\n{inline}\n")), b""),
            with_fields(attributes, &behind, &appended("base64", inline.as_bytes())),
            with_fields(attributes, &behind, &appended("raw", &raw)),
        ] {
            assert_eq!(read(&bytes).unwrap().geometry.frame, Frame::Lps, "{attributes}");
        }
    }
    let endless = [&u32::MAX.to_le_bytes()[..], text].concat();
    let bytes = with_fields("", &place(&format!("format=\"binary\">{}", encode(&endless))), b"");
    assert!(read(&bytes).unwrap_err().to_string().contains("bytes that a name may have"));
}

#[test]
fn a_fill_value_is_that_of_its_array() {
    let fill = "<DataArray type=\"Float64\" Name=\"neuvol_fill_value\" NumberOfTuples=\"1\" format=\"ascii\">-9</DataArray>";
    let of = |name: &str| read(&with_fields("", &format!("{}{fill}", ascii_text("neuvol_array", name)), b""));
    assert_eq!(of("a").unwrap().fill_value, Some(-9.0));
    assert_eq!(of("b").unwrap().fill_value, None, "field data travels through filters");
    assert_eq!(read(&with_fields("", fill, b"")).unwrap().fill_value, None);
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vti");
    let mut volume = Volume::new((0..24i16).collect::<Vec<_>>(), [4, 3, 2]).unwrap();
    volume.geometry.origin = [10.5, -2.25, 0.125];
    volume.geometry.spacing = [1.0, 0.5, 0.25];
    volume.geometry.direction = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
    volume.geometry.frame = Frame::Lps;
    volume.fill_value = Some(-5.0);
    volume.fill_limit = Some(-9.0);
    volume.name = "a < b".into();
    for association in [crate::volume::Association::Point, crate::volume::Association::of_cells([5, 4, 3])] {
        volume.association = association;
        crate::io::save(&volume, &path).unwrap();
        let back = crate::io::open(&path, &OpenOptions::default()).unwrap();
        assert_eq!((back.geometry, back.association), (volume.geometry, association));
        assert_eq!((back.samples(), back.fill_range()), (volume.samples(), volume.fill_range()));
        let text = std::fs::read_to_string(&path).unwrap();
        let cells = association != crate::volume::Association::Point;
        assert_eq!(text.contains("WholeExtent=\"0 4 0 3 0 2\""), cells, "{text}");
        assert_eq!(text.contains("<CellData Scalars="), cells, "{text}");
        // Half a voxel before the first centre: along x of the grid, which is y of the world.
        assert_eq!(text.contains("Origin=\"10.75 -2.75 0.0\""), cells, "{text}");
    }
    // A flat axis has no cell beyond its point.
    let mut flat = Volume::new((0..12i16).collect::<Vec<_>>(), [4, 3, 1]).unwrap();
    flat.association = crate::volume::Association::of_cells([5, 4, 1]);
    crate::io::save(&flat, &path).unwrap();
    let back = crate::io::open(&path, &OpenOptions::default()).unwrap();
    assert_eq!((back.association, back.geometry), (flat.association, flat.geometry));
}
