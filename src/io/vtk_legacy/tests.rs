//! Legacy files in text and binary, whole and damaged.

use super::*;
use crate::volume::{Frame, Samples};

fn read(header: &str, data: &[u8], array: Option<&str>) -> Result<Volume> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vtk");
    let start = b"# vtk DataFile Version 2.0\na title\n";
    std::fs::write(&path, [start, header.as_bytes(), data].concat()).unwrap();
    crate::io::open(&path, &OpenOptions { array: array.map(String::from), ..OpenOptions::default() })
}

const GRID: &str = "DATASET STRUCTURED_POINTS\nDIMENSIONS 2 1 2\nORIGIN 0.1 2 3\nASPECT_RATIO 0.3 1 1\n";

#[test]
fn text_is_read_in_full_precision() {
    let header = format!("ASCII\n{GRID}POINT_DATA 4\nSCALARS t short\nLOOKUP_TABLE default\n1 -2 3\n4\n");
    let volume = read(&header, b"", None).unwrap();
    assert_eq!(*volume.samples(), Samples::I16(vec![1, -2, 3, 4]));
    assert_eq!((volume.geometry.origin[0], volume.geometry.spacing[0]), (0.1, 0.3));
    assert_eq!(volume.name, "t");
}

#[test]
fn binary_arrays_are_big_endian_and_found_by_name() {
    let header = format!("BINARY\n\n{GRID}\nPOINT_DATA 4\nVECTORS v unsigned_char\n");
    let data = b"aaabbbcccddd\nFIELD f 2\nan%20x 1 4 unsigned_short\n\x00\x01\x01\x00\x00\x03\x00\x04\ny 1 4 char\n\xff\x00\x01\x02\n";
    let volume = read(&header, data, None).unwrap();
    assert_eq!(*volume.samples(), Samples::U16(vec![1, 256, 3, 4]));
    assert_eq!(*read(&header, data, Some("y")).unwrap().samples(), Samples::I8(vec![-1, 0, 1, 2]));
    assert!(read(&header, data, Some("v")).unwrap_err().to_string().contains("`component` 0 to 2"));
    assert!(read(&header, data, Some("z")).unwrap_err().to_string().contains("'an x' (1 components)"));
    assert!(read(&header, &data[..50], None).unwrap_err().to_string().contains("truncated"));
}

#[test]
fn rectilinear_grids_are_read_when_they_are_even() {
    let text = |z: &str| {
        format!(
            "ASCII\nDATASET RECTILINEAR_GRID\nDIMENSIONS 2 1 3\nX_COORDINATES 2 float\n0.5 1.0\n\
             Y_COORDINATES 1 double\n7\nZ_COORDINATES 3 float\n{z}\nPOINT_DATA 6\nVECTORS v float\n\
             1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\nSCALARS t float\nLOOKUP_TABLE default\n0 1 2 3 4 5\n"
        )
    };
    let volume = read(&text("1.1 1.2 1.3"), b"", None).unwrap();
    assert_eq!((volume.shape(), volume.name.as_str()), ([2, 1, 3], "t"));
    assert!((volume.geometry.spacing[2] - 0.1).abs() < 1e-7);
    assert_eq!((volume.geometry.origin[0], volume.geometry.origin[1]), (0.5, 7.0));
    let message = read(&text("1 2 4"), b"", None).unwrap_err().to_string();
    assert!(message.contains("axis 2 are not evenly spaced: point 1"), "{message}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vtk");
    std::fs::write(&path, format!("# vtk DataFile Version 2.0\nt\n{}", text("1 2 3"))).unwrap();
    let options = OpenOptions { component: Some(1), ..OpenOptions::default() };
    let volume = crate::io::open(&path, &options).unwrap();
    assert_eq!(*volume.samples(), Samples::F32(vec![2.0, 5.0, 8.0, 11.0, 14.0, 17.0]));
    assert_eq!(volume.name, "v_1");
}

#[test]
fn cells_sit_at_their_centres() {
    let header = format!("ASCII\n{GRID}CELL_DATA 1\nSCALARS c float 1\nLOOKUP_TABLE default\n7\n");
    let volume = read(&header, b"", None).unwrap();
    assert_eq!(volume.shape(), [1, 1, 1]);
    assert_eq!(volume.geometry.origin, [0.25, 2.0, 3.5]);
}

#[test]
fn other_files_are_refused() {
    let refuse = |header: &str, words: &str| {
        let message = read(header, b"", None).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    refuse("ASCII\nDATASET POLYDATA\n", "POLYDATA");
    refuse(&format!("ASCII\n{GRID}POINT_DATA 5\n"), "POINT_DATA 5 where DIMENSIONS make 4");
    refuse(&format!("ASCII\n{GRID}POINT_DATA 4\nCOLOR_SCALARS t 1\n0 0 0 0\n"), "no array of numbers");
    refuse(&format!("ASCII\n{GRID}POINT_DATA 4\nSCALARS t float\n1 2 x 4\n"), "sample 2 is 'x'");
    refuse(
        "ASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 99999 99999 99\nPOINT_DATA 1\n",
        "exceeds the limit",
    );
    refuse("TEXT\n", "neither ASCII nor BINARY");
}

/// What VTK 9 writes behind an array of three components; the second has no name.
const METADATA: &str = "METADATA\nCOMPONENT_NAMES\nu%20x\n\nw\nINFORMATION 1\nNAME UNITS_LABEL LOCATION vtkDataArray\n\
                        DATA m/s%20%5e2\n\n";

#[test]
fn what_is_said_of_an_array_is_no_array() {
    let unit = "METADATA\nINFORMATION 1\nNAME UNITS_LABEL LOCATION vtkDataArray\nDATA degC\n\n";
    let text = format!(
        "ASCII\n{GRID}POINT_DATA 4\nSCALARS p float\nLOOKUP_TABLE default\n1 2 3 4\n{unit}FIELD FieldData 2\n\
         vel 3 4 float\n1 2 3 4 5 6\n7 8 9 10 11 12\n{METADATA}temp 1 4 short\n5 6 7 8\n{unit}"
    );
    let crlf = text.replace('\n', "\r\n");
    for text in [&text, &crlf] {
        let volume = read(text, b"", None).unwrap();
        assert_eq!((volume.name.as_str(), volume.unit.as_str()), ("p", "degC"));
        assert_eq!(volume.provenance[OTHER_ARRAYS], "vel, temp");
        let volume = read(text, b"", Some("temp")).unwrap();
        assert_eq!(*volume.samples(), Samples::I16(vec![5, 6, 7, 8]));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, format!("\u{feff}# VTK DataFile Version 5.1\nt\n{text}")).unwrap();
    let options = OpenOptions { component: Some(2), ..OpenOptions::default() };
    let volume = crate::io::open(&path, &options).unwrap();
    assert_eq!(*volume.samples(), Samples::F32(vec![3.0, 6.0, 9.0, 12.0]));
    assert_eq!((volume.name.as_str(), volume.unit.as_str()), ("vel_2", "m/s ^2"));

    let start = format!("BINARY\n{GRID}POINT_DATA 4\nFIELD f 4\nnames 1 2 string\n");
    let data = [
        b"\xc3abc\xc0\nvel 3 4 char\nabcdefghijkl\n",
        METADATA.as_bytes(),
        b"temp 1 4 unsigned_char\n\x01\x02\x03\x04\n",
        unit.as_bytes(),
        b"flags 1 4 bit\n\xf0\n",
    ]
    .concat();
    let volume = read(&start, &data, None).unwrap();
    assert_eq!((volume.samples(), volume.unit.as_str()), (&Samples::U8(vec![1, 2, 3, 4]), "degC"));
    // Where a name is asked for, what lies behind it does not matter.
    assert!(read(&start, &[&data, &b"\xff\xff"[..]].concat(), Some("temp")).is_ok());
    let message = read(&start, &[&data, &b"\xff\xff"[..]].concat(), None).unwrap_err().to_string();
    assert!(message.contains("neither text nor samples"), "{message}");
}

#[test]
fn arrays_of_points_come_before_those_of_cells() {
    let cells = "CELL_DATA 1\nSCALARS c float\nLOOKUP_TABLE default\n7\n";
    let points =
        "POINT_DATA 4\nFIELD f 1\nfirst 1 4 float\n1 2 3 4\nSCALARS p float\nLOOKUP_TABLE default\n5 6 7 8\n";
    for (text, name, others) in [
        (format!("{cells}{points}"), "p", "first, c (cells)"),
        (format!("{points}{cells}"), "p", "first, c (cells)"),
        (cells.to_owned(), "c", ""),
    ] {
        let volume = read(&format!("ASCII\n{GRID}{text}"), b"", None).unwrap();
        assert_eq!(volume.name, name);
        assert_eq!(volume.provenance.get(OTHER_ARRAYS).map_or("", String::as_str), others);
    }
    let both = format!("ASCII\n{GRID}{cells}{points}");
    let volume = read(&both, b"", Some("c")).unwrap();
    assert_eq!((volume.shape(), volume.geometry.origin), ([1, 1, 1], [0.25, 2.0, 3.5]));
    // Vectors alone: a component has to be chosen, which is an option's matter.
    let vectors = format!("ASCII\n{GRID}POINT_DATA 4\nVECTORS v float\n1 2 3 4 5 6 7 8 9 10 11 12\n");
    let error = read(&vectors, b"", None).unwrap_err();
    assert!(matches!(&error, Error::Options(what) if what.contains("`component` 0 to 2")), "{error}");
}

#[test]
fn a_spacing_that_is_none_is_refused() {
    let of = |spacing: &str, given: Option<[f64; 3]>| {
        let text = format!(
            "# vtk DataFile Version 3.0\nt\nASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 2 1 1\nSPACING {spacing}\n\
             POINT_DATA 2\nSCALARS a float\nLOOKUP_TABLE default\n1 2\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.vtk");
        std::fs::write(&path, text).unwrap();
        let volume = crate::io::open(&path, &OpenOptions { spacing: given, ..OpenOptions::default() });
        volume.map(|volume| volume.geometry.spacing).map_err(|e| e.to_string())
    };
    for (spacing, words) in [
        ("0 1 1", "SPACING is 0 along x, which is not a distance"),
        ("nan 1 1", "SPACING is NaN along x"),
        ("0,5 0,5 2", "'0,5' where a number should be"),
        ("0.5,0.5,2", "where a number should be"),
    ] {
        let message = of(spacing, None).unwrap_err();
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(of("0 0.5 2", Some([3.0, 0.5, 2.0])), Ok([3.0, 0.5, 2.0]));
    // One sample has no distance.
    assert_eq!(of("0.5 0 2", None), Ok([0.5, 1.0, 2.0]));
}

#[test]
fn field_data_says_frame_and_fill_value() {
    // As vtkDataWriter writes it, before DIMENSIONS; a string is a line, or bytes behind their number.
    let data = "\nPOINT_DATA 4\nSCALARS an%20x short 1\nLOOKUP_TABLE default\n";
    let text = "FIELD FieldData 5\nneuvol_psnr 1 1 double\n42\nneuvol_fill_value 1 1 double\n-9\nneuvol_fill_limit 1 1 double\n-7\nneuvol_frame 1 1 string\n\
                LPS%20mm\nneuvol_array 1 1 string\nan%20x\n";
    let grid = GRID.strip_prefix("DATASET STRUCTURED_POINTS\n").unwrap();
    let header = format!("ASCII\nDATASET STRUCTURED_POINTS\n{text}{grid}{data}1 2 3 -9\n");
    let volume = read(&header, b"", None).unwrap();
    assert_eq!(
        (volume.geometry.frame, volume.fill_value, volume.fill_limit),
        (Frame::Lps, Some(-9.0), Some(-7.0))
    );
    assert_eq!(*volume.samples(), Samples::I16(vec![1, 2, 3, -9]));

    let mut bytes = b"FIELD FieldData 4\nneuvol_fill_value 1 1 double\n".to_vec();
    bytes.extend((-9.0f64).to_be_bytes());
    bytes.extend(b"\nneuvol_frame 1 1 string\n\xc6LPS mm\nneuvol_array 1 1 string\n\xc4an x\nlong 1 1 string\n\x80\x46");
    bytes.extend([b'y'; 70]);
    bytes.extend(b"\n");
    bytes.extend([grid, data].concat().into_bytes());
    bytes.extend([0, 1, 0, 2, 0, 3, 0xff, 0xf7, b'\n']);
    let volume = read("BINARY\nDATASET STRUCTURED_POINTS\n", &bytes, None).unwrap();
    assert_eq!((volume.geometry.frame, volume.fill_value), (Frame::Lps, Some(-9.0)));
    assert_eq!(*volume.samples(), Samples::I16(vec![1, 2, 3, -9]));
    let message = read("BINARY\nDATASET STRUCTURED_POINTS\n", &bytes[..150], None).unwrap_err().to_string();
    assert!(message.contains("inside a string"), "{message}");
    let message = read(&header.replace("LPS%20mm", "RAS"), b"", None).unwrap_err().to_string();
    assert!(message.contains("'RAS'"), "{message}");
}
