//! Small files in the forms that microscopes write.

use super::*;
use tiff::encoder::TiffEncoder;
use tiff::encoder::colortype::{Gray16, GrayI16, RGB8};

fn write(path: &Path, pages: &[[u16; 6]]) {
    let mut encoder = TiffEncoder::new(File::create(path).unwrap()).unwrap();
    for page in pages {
        let image = encoder.new_image::<Gray16>(3, 2).unwrap();
        image.write_data(page).unwrap();
    }
}

#[test]
fn pages_are_slices_and_names_are_sorted_by_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let stack = folder.path().join("stack.tif");
    write(&stack, &[[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]);
    let volume = crate::io::open(&stack, &OpenOptions::default()).unwrap();
    assert_eq!((volume.shape(), volume.geometry.spacing), ([3, 2, 2], [1.0; 3]));
    assert_eq!(*volume.samples(), Samples::U16((1..=12).collect()));

    let slices = folder.path().join("slices");
    std::fs::create_dir(&slices).unwrap();
    for n in [10u16, 9, 100] {
        write(&slices.join(format!("s{n}.TIF")), &[[n; 6]]);
    }
    let volume = crate::io::open(&slices, &OpenOptions::default()).unwrap();
    assert_eq!([0, 6, 12].map(|i| volume.samples().get(i)), [9.0, 10.0, 100.0]);
    let mut encoder = TiffEncoder::new(File::create(slices.join("t.tif")).unwrap()).unwrap();
    encoder.write_image::<GrayI16>(3, 2, &[0; 6]).unwrap();
    let message = crate::io::open(&slices, &OpenOptions::default()).unwrap_err().to_string();
    assert!(message.contains("t.tif") && message.contains("3 x 2 of int16"), "{message}");
}

#[test]
fn what_has_to_be_chosen_and_damage_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let refused = |words: &str| {
        let message = crate::io::open(&path, &OpenOptions::default()).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    TiffEncoder::new(File::create(&path).unwrap()).unwrap().write_image::<RGB8>(1, 1, &[1, 2, 3]).unwrap();
    refused("the stack has 3 components; choose one with `component` 0 to 2");
    write(&path, &[[1; 6]]);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    refused("damaged TIFF");
}

/// A field of a directory: number, type, count, bytes of its values (little endian).
type Field = (u16, u16, u32, Vec<u8>);

fn short(tag: u16, value: u16) -> Field {
    (tag, 3, 1, value.to_le_bytes().into())
}

fn longs(tag: u16, values: &[u32]) -> Field {
    (tag, 4, values.len() as u32, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

fn text(text: &str) -> Field {
    (270, 2, text.len() as u32 + 1, [text.as_bytes(), &[0]].concat())
}

fn ratio(tag: u16, value: [u32; 2]) -> Field {
    (tag, 5, 1, value.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// A page of 3 x 2 pixels in one strip, not compressed.
struct TestPage {
    fields: Vec<Field>,
    samples: Vec<u8>,
}

impl TestPage {
    fn new(bits: u16, format: u16, samples: Vec<u8>) -> Self {
        let fields = vec![
            short(256, 3),
            short(257, 2),
            short(258, bits),
            short(259, 1),
            short(262, 1),
            short(277, 1),
            short(278, 2),
            longs(279, &[samples.len() as u32]),
            short(339, format),
        ];
        Self { fields, samples }
    }

    /// Puts a field in the place of one of the same number.
    fn with(mut self, field: Field) -> Self {
        self.fields.retain(|f| f.0 != field.0);
        self.fields.push(field);
        self
    }
}

/// A little-endian file of these pages. Where a page has several strips they follow each other.
fn file(pages: Vec<TestPage>) -> Vec<u8> {
    let mut bytes = b"II*\0\0\0\0\0".to_vec();
    let mut link = 4;
    for mut page in pages {
        let place = |bytes: &mut Vec<u8>, values: &[u8]| -> u32 {
            let at = bytes.len() as u32;
            bytes.extend(values);
            bytes.resize(bytes.len().next_multiple_of(2), 0);
            at
        };
        let mut at = place(&mut bytes, &page.samples);
        let counts = page.fields.iter().find(|f| f.0 == 279).unwrap().3.clone();
        let offsets: Vec<u32> = counts
            .chunks_exact(4)
            .map(|count| {
                let offset = at;
                at += u32::from_le_bytes(count.try_into().unwrap());
                offset
            })
            .collect();
        page.fields.push(longs(273, &offsets));
        page.fields.sort();
        let mut directory = (page.fields.len() as u16).to_le_bytes().to_vec();
        for (tag, kind, count, mut values) in page.fields {
            directory.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            directory.extend(count.to_le_bytes());
            if values.len() > 4 {
                values = place(&mut bytes, &values).to_le_bytes().into();
            }
            values.resize(4, 0);
            directory.extend(values);
        }
        directory.extend([0; 4]);
        let at = place(&mut bytes, &directory);
        bytes[link..link + 4].copy_from_slice(&at.to_le_bytes());
        link = at as usize + directory.len() - 4;
    }
    bytes
}

/// Pages of one number each, which is the page's.
fn numbered(count: u8, description: &str) -> Vec<TestPage> {
    let page = |n| TestPage::new(8, 1, vec![n; 6]);
    std::iter::once(page(0).with(text(description))).chain((1..count).map(page)).collect()
}

fn read_with(bytes: &[u8], options: &OpenOptions) -> Result<Volume> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    std::fs::write(&path, bytes).unwrap();
    crate::io::open(&path, options)
}

fn read(bytes: &[u8]) -> Result<Volume> {
    read_with(bytes, &OpenOptions::default())
}

fn chosen(component: Option<usize>, time_step: Option<usize>) -> OpenOptions {
    OpenOptions { component, time_step, ..OpenOptions::default() }
}

fn refused(bytes: &[u8], words: &str) {
    let message = read(bytes).unwrap_err().to_string();
    assert!(message.contains(words), "{message}");
}

/// The pages that a volume of `numbered` pages came from.
fn pages_of(volume: &Volume) -> Vec<f64> {
    assert_eq!(volume.shape()[..2], [3, 2]);
    (0..volume.shape()[2]).map(|slice| volume.samples().get(6 * slice)).collect()
}

fn ome(order: &str, [z, c, t]: [u8; 3], more: &str, data: &str) -> String {
    let channels: String =
        (0..c).map(|n| format!("<Channel ID=\"Channel:0:{n}\" SamplesPerPixel=\"1\"/>")).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\" \
         UUID=\"urn:uuid:1\"><Image ID=\"Image:0\"><Pixels ID=\"Pixels:0\" DimensionOrder=\"{order}\" Type=\"uint8\" \
         SizeX=\"3\" SizeY=\"2\" SizeZ=\"{z}\" SizeC=\"{c}\" SizeT=\"{t}\" {more}>{channels}{data}</Pixels></Image></OME>"
    )
}

#[test]
fn ome_xml_says_slices_channels_and_time() {
    for (order, expected) in [
        ("XYZCT", [9.0, 10.0, 11.0]),
        ("XYCZT", [7.0, 9.0, 11.0]),
        ("XYZTC", [9.0, 10.0, 11.0]),
        ("XYTCZ", [3.0, 7.0, 11.0]),
        ("XYTZC", [7.0, 9.0, 11.0]),
        ("XYCTZ", [3.0, 7.0, 11.0]),
    ] {
        // Three slices, two channels, two steps; the last of both.
        let bytes = file(numbered(12, &ome(order, [3, 2, 2], "", "<TiffData/>")));
        let volume = read_with(&bytes, &chosen(Some(1), Some(1))).unwrap();
        assert_eq!(pages_of(&volume), expected, "{order}");
        let message = read_with(&bytes, &chosen(None, Some(0))).unwrap_err().to_string();
        assert!(message.contains("choose one with `component` 0 to 1"), "{message}");
        let message = read_with(&bytes, &chosen(Some(0), None)).unwrap_err().to_string();
        assert!(message.contains("choose one with `time_step` 0 to 1"), "{message}");
    }
}

#[test]
fn ome_tiff_data_says_where_planes_are() {
    let data = "<TiffData FirstZ=\"1\" IFD=\"0\" PlaneCount=\"2\"/><TiffData IFD=\"3\"/>";
    let bytes = file(numbered(4, &ome("XYZCT", [3, 1, 1], "", data)));
    assert_eq!(pages_of(&read(&bytes).unwrap()), [3.0, 0.0, 1.0]);

    let not = |z: u8, data: &str, words: &str| {
        refused(&file(numbered(2, &ome("XYZCT", [z, 1, 1], "", data))), words);
    };
    not(3, "<TiffData/>", "no page for the plane of Z = 2, C = 0, T = 0");
    not(3, "<TiffData IFD=\"0\" PlaneCount=\"3\"/>", "the file has 2");
    not(2, "<TiffData IFD=\"7\"/>", "the file has 2");
    not(2, "<TiffData IFD=\"x\"/>", "IFD is 'x'");
    not(
        2,
        "<TiffData><UUID FileName=\"b.ome.tif\">urn:uuid:2</UUID></TiffData>",
        "another file ('b.ome.tif')",
    );
    not(2, &"<TiffData/>".repeat(17), "again and again");
    // A file that was renamed keeps its UUID; one without UUIDs is known by its name.
    for same in ["<UUID FileName=\"b.ome.tif\">urn:uuid:1</UUID>", "<UUID FileName=\"a.tif\"/>"] {
        let data = format!("<TiffData IFD=\"0\" PlaneCount=\"2\">{same}</TiffData>");
        let bytes = file(numbered(2, &ome("XYZCT", [2, 1, 1], "", &data)));
        assert_eq!(pages_of(&read(&bytes).unwrap()), [0.0, 1.0], "{same}");
    }
}

#[test]
fn ome_distances_are_in_one_unit() {
    let of = |more: &str, options: &OpenOptions| {
        read_with(&file(numbered(2, &ome("XYZCT", [2, 1, 1], more, "<TiffData/>"))), options)
    };
    let spacing = |more: &str| of(more, &OpenOptions::default()).unwrap().geometry.spacing;
    assert_eq!(spacing("PhysicalSizeX=\"0.5\" PhysicalSizeY=\"0.6\" PhysicalSizeZ=\"2\""), [0.5, 0.6, 2.0]);
    let [x, y, z] = spacing(
        "PhysicalSizeX=\"500\" PhysicalSizeXUnit=\"nm\" PhysicalSizeY=\"0.6\" PhysicalSizeYUnit=\"\u{b5}m\" \
         PhysicalSizeZ=\"0.002\" PhysicalSizeZUnit=\"mm\"",
    );
    assert_eq!(x, 500.0);
    assert!((y - 600.0).abs() < 1e-9 && (z - 2000.0).abs() < 1e-9, "{y} {z}");
    let volume = of("PhysicalSizeX=\"0.5\" PhysicalSizeY=\"0.6\"", &OpenOptions::default()).unwrap();
    assert_eq!((volume.geometry.spacing[2], volume.provenance["spacing unit"].as_str()), (0.5, "\u{b5}m"));
    // What cannot be read is not taken for absent.
    for bad in ["0,5", "0", "-1", "nan", "x"] {
        let more = format!("PhysicalSizeX=\"{bad}\"");
        let message = of(&more, &OpenOptions::default()).unwrap_err().to_string();
        assert!(message.contains(&format!("PhysicalSizeX is '{bad}'")), "{message}");
        assert!(message.contains("`spacing`"), "{message}");
        let given = OpenOptions { spacing: Some([1.0, 2.0, 3.0]), ..OpenOptions::default() };
        assert_eq!(of(&more, &given).unwrap().geometry.spacing, [1.0, 2.0, 3.0]);
    }
}

#[test]
fn other_ome_files_are_refused() {
    let not = |description: &str, words: &str| refused(&file(numbered(2, description)), words);
    let whole = ome("XYZCT", [2, 1, 1], "", "<TiffData/>");
    not(&whole.replace("SizeX=\"3\"", "SizeX=\"4\""), "says 4 x 2 pixels, the first page has 3 x 2");
    not(&whole.replace("SizeZ=\"2\"", "SizeZ=\"0\""), "SizeZ '0'");
    not(&whole.replace("XYZCT", "XYZCC"), "DimensionOrder 'XYZCC'");
    not(&whole.replace("SamplesPerPixel=\"1\"", "SamplesPerPixel=\"3\""), "samples a pixel");
    let image = whole.split_once("<Image").unwrap().1.replace("</OME>", "");
    not(&whole.replace("</OME>", &format!("<Image{image}</OME>")), "holds 2 images");
    not("<OME><BinaryOnly MetadataFile=\"a.companion.ome\" UUID=\"urn:uuid:3\"/></OME>", "a.companion.ome");
    not("<OME></OME>", "no image");
    not("<OME UUID='></OME>", "damaged");
}

#[test]
fn imagej_hyperstacks_count_channels_then_slices_then_frames() {
    let description = "ImageJ=1.53\nimages=12\nchannels=2\nslices=3\nframes=2\nhyperstack=true\n\
                       unit=\\u00B5m\nspacing=1.5\nfinterval=0.5\n";
    let mut pages = numbered(12, description);
    let first = pages.remove(0);
    pages.insert(0, first.with(ratio(282, [4, 1])).with(ratio(283, [2, 1])).with(short(296, 1)));
    let bytes = file(pages);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.tif"), &bytes).unwrap();
    let all = crate::io::Volumes::open(&folder.path().join("a.tif"), &OpenOptions::default()).unwrap();
    assert_eq!((all.len(), all.times(), all.arrays()[0].components), (2, Some(vec![0.0, 0.5]), 2));
    assert_eq!(pages_of(&all.read_part(0, 1, 0).unwrap()), [1.0, 3.0, 5.0]);
    let volume = read_with(&bytes, &chosen(Some(1), Some(1))).unwrap();
    assert_eq!(pages_of(&volume), [7.0, 9.0, 11.0]);
    assert_eq!(volume.geometry.spacing, [0.25, 0.5, 1.5]);
    assert_eq!(volume.provenance["spacing unit"], "\u{b5}m");
    assert_eq!(volume.provenance["time between steps"], "0.5 s");

    let slices = |description: &str| {
        read(&file(numbered(6, description))).map(|v| v.shape()[2]).map_err(|e| e.to_string())
    };
    assert_eq!(slices("ImageJ=1.53\nimages=6\nslices=6\n"), Ok(6));
    assert_eq!(slices("ImageJ=1.53\nimages=6\n"), Ok(6));
    for (more, words) in [
        ("frames=6\n", "6 volumes over time"),
        ("channels=3\nframes=2\n", "`time_step` 0 to 1"),
        ("channels=3\nslices=2\n", "`component` 0 to 2"),
        ("slices=5\n", "5 slices x 1 channels"),
        ("slices=x\n", "slices=x"),
        ("slices=6\nspacing=1,5\n", "'1,5'"),
    ] {
        let message = slices(&format!("ImageJ=1.53\nimages=6\n{more}")).unwrap_err();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn planes_that_follow_one_directory_are_read() {
    let samples: Vec<u8> = (0..4u8).flat_map(|n| [n; 6]).collect();
    let one = |description: &str| {
        let page = TestPage::new(8, 1, samples.clone()).with(longs(279, &[6]));
        file(vec![page.with(text(description))])
    };
    for whole in [
        "ImageJ=1.53\nimages=4\nslices=4\n",
        "{\"shape\": [4, 2, 3], \"axes\": \"ZYX\", \"truncated\": true}",
    ] {
        assert_eq!(pages_of(&read(&one(whole)).unwrap()), [0.0, 1.0, 2.0, 3.0], "{whole}");
    }
    let channels = one("ImageJ=1.53\nimages=4\nchannels=2\nslices=2\n");
    assert_eq!(pages_of(&read_with(&channels, &chosen(Some(1), None)).unwrap()), [1.0, 3.0]);
    let shaped = one("{\"shape\": [2, 2, 2, 3], \"truncated\": true}");
    assert_eq!(pages_of(&read_with(&shaped, &chosen(None, Some(1))).unwrap()), [2.0, 3.0]);

    refused(&one("ImageJ=1.53\nimages=4000\nslices=4000\n"), "truncated");
    refused(&one("{\"shape\": [99999999999, 99999999999, 2, 3], \"truncated\": true}"), "holds 1 pages");
    refused(&one("{\"shape\": [0, 2, 2, 3], \"truncated\": true}"), "holds 1 pages");
    refused(&one("{\"shape\": [4, 5, 3], \"truncated\": true}"), "its page is 3 x 2");
    let packed = TestPage::new(8, 1, samples.clone()).with(short(259, 32773));
    refused(&file(vec![packed.with(text("ImageJ=1.53\nimages=4\n"))]), "not compressed");
    // In two strips; of 16 bits.
    let wide = [1u16, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 300].iter().flat_map(|v| v.to_le_bytes()).collect();
    let page = TestPage::new(16, 1, wide).with(short(278, 1)).with(longs(279, &[6, 6]));
    let volume = read(&file(vec![page.with(text("ImageJ=1.53\nimages=2\n"))])).unwrap();
    assert_eq!((volume.shape(), volume.samples().get(11)), ([3, 2, 2], 300.0));
}

#[test]
fn tifffile_says_its_axes() {
    let of = |description: &str, component, step| {
        let bytes = file(numbered(12, description));
        read_with(&bytes, &chosen(component, step)).map(|v| pages_of(&v)).map_err(|e| e.to_string())
    };
    let twelve: Vec<f64> = (0..12).map(f64::from).collect();
    assert_eq!(of("{\"shape\": [12, 2, 3]}", None, None), Ok(twelve.clone()));
    assert_eq!(of("{\"shape\": [12, 1, 2, 3]}", None, None), Ok(twelve));
    assert_eq!(of("{\"shape\": [3, 4, 2, 3]}", None, Some(2)), Ok(vec![8.0, 9.0, 10.0, 11.0]));
    let axes = "{\"shape\": [2, 3, 2, 2, 3], \"axes\": \"TZCYX\"}";
    assert_eq!(of(axes, Some(1), Some(1)), Ok(vec![7.0, 9.0, 11.0]));
    for (description, words) in [
        ("{\"shape\": [2, 3, 2, 2, 3]}", "slices, channels and time"),
        ("{\"shape\": [2, 6, 2, 3], \"axes\": \"ZZYX\"}", "twice"),
        ("{\"shape\": [6, 2, 3]}", "12 pages"),
    ] {
        let message = of(description, None, None).unwrap_err();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn stored_values_are_kept_whatever_is_meant_to_be_white() {
    let floats: Vec<u8> = [1.5f32, -2.0, 0.0, 3.0, 4.0, 1e9].iter().flat_map(|v| v.to_le_bytes()).collect();
    let volume = read(&file(vec![TestPage::new(32, 3, floats).with(short(262, 0))])).unwrap();
    assert_eq!(*volume.samples(), Samples::F32(vec![1.5, -2.0, 0.0, 3.0, 4.0, 1e9]));
    assert_eq!(volume.provenance["photometric interpretation"], "MinIsWhite");
    for (bits, format, expected) in [
        (8, 1, Samples::U8(vec![1, 2, 3, 4, 5, 6])),
        (8, 2, Samples::I8(vec![1, 2, 3, 4, 5, 6])),
        (16, 1, Samples::U16(vec![1, 2, 3, 4, 5, 6])),
        (16, 2, Samples::I16(vec![1, 2, 3, 4, 5, 6])),
        (32, 1, Samples::U32(vec![1, 2, 3, 4, 5, 6])),
        (32, 2, Samples::I32(vec![1, 2, 3, 4, 5, 6])),
    ] {
        let samples = (1..=6u32).flat_map(|v| v.to_le_bytes()[..bits as usize / 8].to_vec()).collect();
        let page = TestPage::new(bits, format, samples).with(short(262, 0));
        assert_eq!(*read(&file(vec![page])).unwrap().samples(), expected);
    }
}

#[test]
fn wide_integers_and_half_floats_are_read() {
    let of = |page| read(&file(vec![page]));
    let signed: Vec<u8> = [-5i64, 0, 1, 2, 3, 70_000].iter().flat_map(|v| v.to_le_bytes()).collect();
    let expected = Samples::I32(vec![-5, 0, 1, 2, 3, 70_000]);
    assert_eq!(*of(TestPage::new(64, 2, signed)).unwrap().samples(), expected);
    let unsigned: Vec<u8> = [0u64, 0, 0, 0, 0, 4_000_000_000].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(of(TestPage::new(64, 1, unsigned)).unwrap().samples().get(5), 4e9);
    let halves: Vec<u8> = [0x3c00u16, 0xc000, 0, 0, 0, 0x7bff].iter().flat_map(|v| v.to_le_bytes()).collect();
    let expected = Samples::F32(vec![1.0, -2.0, 0.0, 0.0, 0.0, 65504.0]);
    assert_eq!(*of(TestPage::new(16, 3, halves)).unwrap().samples(), expected);
    for (bits, format, words) in
        [(24, 3, "24 bits (floating point)"), (12, 1, "12 bits (integer)"), (64, 6, "complex")]
    {
        refused(&file(vec![TestPage::new(bits, format, vec![0; 48])]), words);
    }
}

#[test]
fn samples_of_a_pixel_are_components() {
    for (planar, expected) in [(1, vec![1, 3, 5, 7, 9, 11]), (2, vec![6, 7, 8, 9, 10, 11])] {
        let mut page = TestPage::new(8, 1, (0..12).collect()).with(short(277, 2)).with(short(284, planar));
        if planar == 2 {
            page = page.with(longs(279, &[6, 6]));
        }
        let bytes = file(vec![page]);
        let volume = read_with(&bytes, &chosen(Some(1), None)).unwrap();
        assert_eq!(*volume.samples(), Samples::U8(expected));
        refused(&bytes, "`component` 0 to 1");
    }
}

#[test]
fn smaller_copies_and_palettes() {
    let mut pages = numbered(3, "");
    let small = TestPage::new(8, 1, vec![9]).with(short(256, 1)).with(short(257, 1)).with(short(254, 1));
    pages.insert(1, small);
    assert_eq!(pages_of(&read(&file(pages)).unwrap()), [0.0, 1.0, 2.0]);
    let palette = |description: &str| {
        file(vec![TestPage::new(8, 1, vec![7; 6]).with(short(262, 3)).with(text(description))])
    };
    refused(&palette(""), "page 1 has no palette (ColorMap)");
    // ImageJ shows grey values in the colours of a palette.
    assert_eq!(read(&palette("ImageJ=1.53\n")).unwrap().samples().get(0), 7.0);
    for (code, words) in [(2, "(RGB) of 1 samples"), (6, "YCbCr"), (4, "masks"), (5, "CMYK"), (8, "L*a*b*")] {
        refused(&file(vec![TestPage::new(8, 1, vec![7; 6]).with(short(262, code))]), words);
    }
    refused(&file(vec![TestPage::new(8, 1, vec![7; 6]).with(short(259, 50000))]), "Zstandard");
    refused(&file(vec![TestPage::new(8, 1, vec![7; 6]).with(short(32997, 4))]), "4 slices deep");
}

fn shorts(tag: u16, values: &[u16]) -> Field {
    (tag, 3, values.len() as u32, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// What the components of a file of one array are called, and the samples of each.
fn components(bytes: &[u8]) -> Vec<(String, Samples)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    std::fs::write(&path, bytes).unwrap();
    let all = crate::io::Volumes::open(&path, &OpenOptions::default()).unwrap();
    let array = &all.arrays()[0];
    let name = |n: usize| array.component_names.get(n).cloned().unwrap_or_default();
    (0..array.components).map(|n| (name(n), all.read_part(0, n, 0).unwrap().samples().clone())).collect()
}

#[test]
fn colours_are_components() {
    let numbers: Vec<u8> = (0..24).collect();
    let colours = |samples: u16, planar: u16, opacity: Option<u16>| {
        let count = 6 * usize::from(samples);
        let bits = vec![8; samples.into()];
        let counts = vec![6; samples.into()];
        let page =
            TestPage::new(8, 1, numbers[..count].to_vec()).with(short(262, 2)).with(short(277, samples));
        let page = page.with(shorts(258, &bits)).with(shorts(339, &vec![1; samples.into()]));
        let page = page.with(short(284, planar));
        let page = if planar == 2 { page.with(longs(279, &counts)) } else { page };
        file(vec![opacity.into_iter().fold(page, |page, kind| page.with(short(338, kind)))])
    };
    let named = |name: &str, values: [u8; 6]| (name.to_owned(), Samples::U8(values.into()));
    assert_eq!(
        components(&colours(3, 1, None)),
        [
            named("R", [0, 3, 6, 9, 12, 15]),
            named("G", [1, 4, 7, 10, 13, 16]),
            named("B", [2, 5, 8, 11, 14, 17])
        ]
    );
    let planes = components(&colours(4, 2, Some(2)));
    assert_eq!((planes.len(), &planes[3]), (4, &named("A", [18, 19, 20, 21, 22, 23])));
    // What the fourth sample is, is not said.
    assert_eq!(components(&colours(4, 1, Some(0)))[3].0, "");
    let page = TestPage::new(16, 1, (1..=18u16).flat_map(u16::to_le_bytes).collect()).with(short(262, 2));
    let page = page.with(short(277, 3)).with(shorts(258, &[16; 3]));
    assert_eq!(components(&file(vec![page]))[1].1, Samples::U16(vec![2, 5, 8, 11, 14, 17]));

    let palette: Vec<u16> = (0..768).map(|n| n * 3).collect();
    let page = |numbers: [u8; 6]| {
        TestPage::new(8, 1, numbers.into()).with(short(262, 3)).with(shorts(320, &palette))
    };
    let found = components(&file(vec![page([0, 1, 255, 9, 9, 9]), page([7; 6])]));
    assert_eq!((found.len(), found[1].0.as_str()), (3, "G"));
    let Samples::U16(green) = &found[1].1 else { panic!("{found:?}") };
    assert_eq!(green[..4], [768, 771, 1533, 795]);
    assert_eq!(green[6], 789);
    // A palette of another size than the numbers'.
    refused(&file(vec![page([0; 6]).with(shorts(320, &palette[..48]))]), "no palette (ColorMap)");
}

#[test]
fn directories_that_lead_nowhere_are_refused() {
    let one = file(numbered(1, ""));
    let directory = u32::from_le_bytes(one[4..8].try_into().unwrap()) as usize;
    let mut ring = one.clone();
    let end = ring.len();
    ring[end - 4..].copy_from_slice(&(directory as u32).to_le_bytes());
    refused(&ring, "follows itself");
    let mut away = one.clone();
    away[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    refused(&away, "truncated");
    let mut none = one.clone();
    none[4..8].fill(0);
    refused(&none, "no directory");
    let mut many = one.clone();
    many[directory..directory + 2].fill(0xff);
    refused(&many, "fields");
    refused(&one[..6], "truncated");
    let huge = TestPage::new(8, 1, vec![0; 6]).with(longs(256, &[60_000])).with(longs(257, &[60_000]));
    refused(&file(vec![huge]), "truncated or corrupt");
}

#[test]
fn microscopes_say_slices_and_steps_in_fields_of_their_own() {
    // Zeiss: three slices, two steps, in micrometres of 0.1, 0.2 and 0.5.
    let lsm = |slices: u32, steps: u32, scan: u16| {
        let mut info = vec![0u8; 100];
        info[16..20].copy_from_slice(&slices.to_le_bytes());
        info[24..28].copy_from_slice(&steps.to_le_bytes());
        for (at, metres) in [(40, 1e-7f64), (48, 2e-7), (56, 5e-7)] {
            info[at..at + 8].copy_from_slice(&metres.to_le_bytes());
        }
        info[88..90].copy_from_slice(&scan.to_le_bytes());
        let mut pages = numbered(6, "");
        let first = pages.remove(0);
        pages.insert(0, first.with((34412, 1, 100, info)));
        file(pages)
    };
    let volume = read_with(&lsm(3, 2, 6), &chosen(None, Some(1))).unwrap();
    assert_eq!(pages_of(&volume), [3.0, 4.0, 5.0]);
    for (found, expected) in volume.geometry.spacing.iter().zip([0.1, 0.2, 0.5]) {
        assert!((found - expected).abs() < 1e-12);
    }
    refused(&lsm(3, 2, 7), "kind 7 with 3 slices and 2 time steps");
    refused(&lsm(3, 3, 0), "in 6 pages");

    // MetaMorph: four planes behind one directory.
    let samples: Vec<u8> = (0..4u8).flat_map(|n| [n; 6]).collect();
    let stk = |distance: u32, hour: u32| {
        let info = (0..4).flat_map(|n| [distance, 1, 7, hour * n, 0, 0]).flat_map(u32::to_le_bytes).collect();
        file(vec![TestPage::new(8, 1, samples.clone()).with(longs(279, &[6])).with((33629, 5, 4, info))])
    };
    assert_eq!(pages_of(&read(&stk(3, 1)).unwrap()), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(pages_of(&read(&stk(0, 0)).unwrap()), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(pages_of(&read_with(&stk(0, 1), &chosen(None, Some(2))).unwrap()), [2.0]);
}
