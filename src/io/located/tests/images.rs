//! VTK's images in every form.

use super::*;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
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

/// A piece's extent, and its arrays: name, components, samples.
type Piece<'a> = (&'a str, Vec<(&'a str, usize, Samples)>);

/// How the arrays of a file are written.
#[derive(Clone, Copy)]
struct Form {
    big: bool,
    wide: bool,
    compressor: &'static str,
    /// `ascii`, `binary`, or the encoding of appended data.
    place: &'static str,
}

impl Form {
    /// An array's numbers before its bytes, and these.
    fn coded(self, data: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let number = |n: usize| match (self.wide, self.big) {
            (true, true) => (n as u64).to_be_bytes().to_vec(),
            (true, false) => (n as u64).to_le_bytes().to_vec(),
            (false, true) => (n as u32).to_be_bytes().to_vec(),
            (false, false) => (n as u32).to_le_bytes().to_vec(),
        };
        if self.compressor.is_empty() {
            return (number(data.len()), data.to_vec());
        }
        let block = |block: &[u8]| match self.compressor {
            "vtkLZ4DataCompressor" => lz4_flex::block::compress(block),
            _ => zlib(block),
        };
        let blocks: Vec<Vec<u8>> = data.chunks(40).map(block).collect();
        let header = [blocks.len(), 40, data.len() % 40].map(number).concat();
        (header.into_iter().chain(blocks.iter().flat_map(|b| number(b.len()))).collect(), blocks.concat())
    }

    /// An image of pieces, whose arrays are of points or of cells.
    fn file(self, whole: &str, pieces: &[Piece<'_>], cells: bool) -> Vec<u8> {
        let mut appended = b"_".to_vec();
        let mut body = String::new();
        for (extent, arrays) in pieces {
            let data = if cells { "CellData" } else { "PointData" };
            body += &format!("<Piece Extent=\"{extent}\"><{data}>\n");
            for (name, components, samples) in arrays {
                let kind = match samples.sample_type() {
                    SampleType::U8 => "UInt8",
                    SampleType::I8 => "Int8",
                    SampleType::U16 => "UInt16",
                    SampleType::I16 => "Int16",
                    SampleType::U32 => "UInt32",
                    SampleType::I32 => "Int32",
                    SampleType::F32 => "Float32",
                    SampleType::F64 => "Float64",
                };
                body += &format!(
                    "<DataArray type=\"{kind}\" Name=\"{name}\" NumberOfComponents=\"{components}\" format="
                );
                let (header, coded) = self.coded(&bytes_of(samples, self.big));
                let text = if self.compressor.is_empty() {
                    base64(&[header.clone(), coded.clone()].concat())
                } else {
                    base64(&header) + &base64(&coded)
                };
                let offset = appended.len() - 1;
                match self.place {
                    "ascii" => body += &format!("\"ascii\">\n{}\n", text_of(samples, " ")),
                    "binary" => body += &format!("\"binary\">\n   {text}\n"),
                    "raw" => {
                        body += &format!("\"appended\" offset=\"{offset}\">");
                        appended.extend([header, coded].concat());
                    }
                    _ => {
                        body += &format!("\"appended\" offset=\"{offset}\">");
                        appended.extend(text.bytes());
                    }
                }
                body += "<InformationKey name=\"UNITS_LABEL\" location=\"vtkDataArray\">m/s</InformationKey></DataArray>\n";
            }
            body += &format!("</{data}></Piece>\n");
        }
        let mut bytes = format!(
            "<?xml version=\"1.0\"?>\n<VTKFile type=\"ImageData\" byte_order=\"{}\" header_type=\"{}\" compressor=\"{}\">\n\
             <ImageData WholeExtent=\"{whole}\" Origin=\"10 20 30\" Spacing=\"0.5 2 3\">\n{body}</ImageData>\n",
            if self.big { "BigEndian" } else { "LittleEndian" },
            if self.wide { "UInt64" } else { "UInt32" },
            self.compressor
        )
        .into_bytes();
        if matches!(self.place, "raw" | "base64") {
            bytes.extend(format!("<AppendedData encoding=\"{}\">\n  ", self.place).bytes());
            bytes.extend(appended);
            bytes.extend(b"\n</AppendedData>");
        }
        bytes.extend(b"</VTKFile>\n");
        bytes
    }

    fn way(self) -> Way {
        if self.place == "raw" && self.compressor.is_empty() { Way::InPlace } else { Way::Unpacked }
    }
}

fn forms() -> Vec<Form> {
    let mut forms = Vec::new();
    for compressor in ["", "vtkZLibDataCompressor", "vtkLZ4DataCompressor"] {
        for place in ["ascii", "binary", "raw", "base64"] {
            for (big, wide) in [(false, false), (true, true), (true, false)] {
                forms.push(Form { big, wide, compressor, place });
            }
        }
    }
    forms
}

fn named(array: &str, component: Option<usize>) -> OpenOptions {
    OpenOptions { array: Some(array.into()), component, ..OpenOptions::default() }
}

#[test]
fn images_of_every_form_and_type() {
    let folder = tempfile::tempdir().unwrap();
    for form in forms() {
        for sample_type in SampleType::ALL {
            let arrays = vec![
                ("s", 1, samples(SampleType::U8, 105)),
                ("v", 3, samples(sample_type, 315)),
                ("t", 1, samples(sample_type, 105)),
            ];
            // Of points, and of as many cells.
            for (extent, cells) in [("-2 4 3 7 1 3", false), ("-2 5 3 8 1 4", true)] {
                let file = form.file(extent, &[(extent, arrays.clone())], cells);
                let path = write(&folder, "a.vti", file);
                for options in [named("v", Some(0)), named("v", Some(2)), named("t", None)] {
                    let volume = agree(&path, &options, form.way());
                    assert_eq!((volume.shape(), volume.unit.as_str()), (SHAPE, "m/s"));
                    assert_eq!(volume.geometry.origin[0], 10.0 - 2.0 * 0.5 + if cells { 0.25 } else { 0.0 });
                }
            }
        }
    }
}

#[test]
fn images_in_pieces_are_put_together() {
    let folder = tempfile::tempdir().unwrap();
    // Neighbours share the points between them.
    let extents: [(&str, usize); 4] =
        [("0 3 0 4 0 2", 60), ("3 6 0 2 0 2", 36), ("3 6 2 4 0 1", 24), ("3 6 2 4 1 2", 24)];
    for form in forms().into_iter().filter(|form| !form.wide) {
        let pieces: Vec<Piece<'_>> = extents
            .iter()
            .map(|&(extent, count)| {
                // The value of a shared point is that of the last piece that has it.
                (extent, vec![("v", 2, samples(SampleType::I16, 2 * count))])
            })
            .collect();
        let path = write(&folder, "a.vti", form.file("0 6 0 4 0 2", &pieces, false));
        let volume = agree(&path, &named("v", Some(1)), Way::Unpacked);
        assert_eq!(volume.shape(), SHAPE);
        let incomplete = form.file("0 6 0 4 0 2", &pieces[..3], false);
        let path = write(&folder, "b.vti", incomplete);
        // As many samples as the whole has, some of them twice.
        let error = find_source(&path, &named("v", Some(1))).err().unwrap().to_string();
        assert!(error.contains("b.vti") && error.contains("of the 105 samples"), "{error}");

        let mut parallel = String::from(
            "<?xml version=\"1.0\"?><VTKFile type=\"PImageData\"><PImageData WholeExtent=\"0 6 0 4 0 2\" Origin=\"1 2 3\" \
             Spacing=\"1 1 2\">",
        );
        for (n, piece) in pieces.iter().enumerate() {
            let name = format!("p{n}.vti");
            write(&folder, &name, form.file(piece.0, std::slice::from_ref(piece), false));
            parallel += &format!("<Piece Extent=\"{}\" Source=\"{name}\"/>", piece.0);
        }
        let path = write(&folder, "a.pvti", parallel + "</PImageData></VTKFile>");
        let volume = agree(&path, &named("v", Some(0)), Way::Unpacked);
        assert_eq!(volume.shape(), SHAPE);
    }
    // What has to be looked at as a whole is read so.
    let wide = std::fs::read_to_string(write(
        &folder,
        "w.vti",
        "<?xml version=\"1.0\"?><VTKFile type=\"ImageData\"><ImageData WholeExtent=\"0 1 0 0 0 0\">\
         <Piece Extent=\"0 0 0 0 0 0\"><PointData><DataArray type=\"Int64\" Name=\"a\" format=\"ascii\">1</DataArray></PointData>\
         </Piece><Piece Extent=\"1 1 0 0 0 0\"><PointData><DataArray type=\"Int64\" Name=\"a\" format=\"ascii\">2</DataArray>\
         </PointData></Piece></ImageData></VTKFile>",
    ))
    .unwrap();
    let path = write(&folder, "w.vti", wide);
    assert!(find_source(&path, &OpenOptions::default()).unwrap().is_none());
    assert_eq!(*crate::io::open(&path, &OpenOptions::default()).unwrap().samples(), Samples::I32(vec![1, 2]));
}

#[test]
fn legacy_images_lie_as_they_are_or_are_words() {
    let folder = tempfile::tempdir().unwrap();
    let names =
        ["unsigned_char", "char", "unsigned_short", "short", "unsigned_int", "int", "float", "double"];
    for (sample_type, name) in SampleType::ALL.into_iter().zip(names) {
        for binary in [false, true] {
            let data = |samples: &Samples| match binary {
                true => bytes_of(samples, true),
                false => text_of(samples, " ").into_bytes(),
            };
            let [cells, vectors, scalars] = [48, 315, 105].map(|count| samples(sample_type, count));
            let file = [
                format!(
                    "# vtk DataFile Version 3.0\nt\n{}\nDATASET STRUCTURED_POINTS\nDIMENSIONS 7 5 3\nORIGIN 1 2 3\nSPACING 1 2 3\n\
                     CELL_DATA 48\nSCALARS c {name} 1\nLOOKUP_TABLE default\n",
                    if binary { "BINARY" } else { "ASCII" }
                )
                .into_bytes(),
                data(&cells),
                format!("\nPOINT_DATA 105\nVECTORS v {name}\n").into_bytes(),
                data(&vectors),
                format!("\nFIELD FieldData 1\ns 1 105 {name}\n").into_bytes(),
                data(&scalars),
                b"\n".to_vec(),
            ]
            .concat();
            let path = write(&folder, "a.vtk", file);
            let way = if binary { Way::InPlace } else { Way::Unpacked };
            for options in [named("c", None), named("v", Some(1)), named("s", None), OpenOptions::default()] {
                agree(&path, &options, way);
            }
            let cut = std::fs::read(&path).unwrap();
            let cut = write(&folder, "cut.vtk", &cut[..cut.len() - 20]);
            assert!(find_source(&cut, &named("s", None)).is_err() || !binary);
        }
    }
}
