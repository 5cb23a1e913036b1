//! Writes a corpus for every fuzz target with neuvol's own writers: seeds FOLDER.

use neuvol::io;
use neuvol::train::{
    CompressOptions, DatasetWriter, Focus, FocusRegion, Preset, SeriesCompressor, Target, compress,
    compress_components,
};
use neuvol::volume::{Frame, Geometry, SampleType, Samples};
use neuvol::{ArrayInfo, FocusQuality, Region, Volume};
use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

fn volume(sample_type: SampleType, shape: [usize; 3]) -> Result<Volume, Box<dyn Error>> {
    let mut samples = Samples::zeros(sample_type, shape.iter().product());
    for index in 0..samples.len() {
        samples.set(index, (index * 7 % 100) as f64);
    }
    let mut volume = Volume::new(samples, shape)?;
    let (s, c) = 0.3f64.sin_cos();
    volume.geometry = Geometry {
        origin: [-12.25, 100.5, -800.125],
        spacing: [0.7, 0.8, 2.5],
        direction: [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]],
        frame: Frame::Lps,
    };
    Ok(volume)
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::args().nth(1).ok_or("usage: seeds FOLDER")?);
    let folder = |target: &str| -> Result<PathBuf, Box<dyn Error>> {
        let folder = root.join(target);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    };
    for sample_type in SampleType::ALL {
        let volume = volume(sample_type, [5, 4, 3])?;
        for (target, extension) in [
            ("nifti", "nii"),
            ("nifti", "nii.gz"),
            ("nrrd", "nrrd"),
            ("metaimage", "mha"),
            ("npy", "npy"),
            ("vtk_xml", "vti"),
        ] {
            io::save(&volume, &folder(target)?.join(format!("{sample_type}.{extension}")))?;
        }
        let series = root.join("series/");
        io::save(&volume, &PathBuf::from(format!("{}/", series.display())))?;
        fs::copy(series.join("IM0001.dcm"), folder("dicom")?.join(format!("{sample_type}.dcm")))?;
        fs::remove_dir_all(&series)?;
    }
    texts(&folder("vtk_legacy")?, &folder("vtk_xml")?, &folder("nrrd")?, &folder("metaimage")?)?;
    lists(&folder("vtk_xml")?)?;
    tiff(&folder("tiff")?)?;
    dicom(&folder("dicom")?)?;
    frames(&folder("dicom_frame")?)?;

    let mut masked = volume(SampleType::F32, [20, 16, 12])?;
    masked.fill_value = Some(0.0);
    let plain = || volume(SampleType::U8, [20, 16, 12]);
    // So many voxels, and so much noise in some of them, that the file has the ranges of cells.
    let shape = [1040, 1016, 1];
    let noise: Vec<u16> = (0..1040 * 1016u32)
        .map(|n| if n < 1 << 13 { (n.wrapping_mul(2_654_435_769) >> 18) as u16 } else { 0 })
        .collect();
    for (name, volume, target) in [
        ("plain", plain()?, Target::Psnr(20.0)),
        ("masked", masked.clone(), Target::Psnr(20.0)),
        ("lossless", plain()?, Target::Lossless),
        ("ranges", Volume::new(noise, shape)?, Target::Lossless),
        ("bounded", masked.clone(), Target::MaxError(3.0)),
    ] {
        let options = CompressOptions { target, preset: Preset::Fast, ..CompressOptions::default() };
        let compressed = compress(&volume, &options)?;
        compressed.save(&folder("nvol")?.join(format!("{name}.nvol")))?;
    }
    for (name, quality) in [("focus", FocusQuality::Psnr(40.0)), ("exact_focus", FocusQuality::Lossless)] {
        let region = FocusRegion::Box(Region { start: [3, 4, 5], end: [9, 8, 7] });
        let focus = Some(Focus { region, quality });
        let target = Target::Psnr(15.0);
        let options = CompressOptions { target, focus, preset: Preset::Fast, ..CompressOptions::default() };
        compress(&masked, &options)?.save(folder("nvol")?.join(format!("{name}.nvol")))?;
    }
    let engine = neuvol::engine::device::Device::Cpu.training_engine(1)?;
    let options =
        CompressOptions { target: Target::Lossless, preset: Preset::Fast, ..CompressOptions::default() };
    let colour = [volume(SampleType::U8, [20, 16, 12])?, volume(SampleType::U8, [20, 16, 12])?];
    let components = compress_components(&engine, &colour, &options, |_| ControlFlow::Continue(()))?;
    let arrays = vec![ArrayInfo { name: "two".into(), components: vec!["a".into(), String::new()] }];
    DatasetWriter::save(folder("nvol")?.join("several.nvol"), arrays, 2, Some(vec![0.0, 1.5]), |writer| {
        (0..2).try_for_each(|_| components.iter().try_for_each(|component| writer.add(component)))
    })?;
    // Steps of which the last ones follow the others.
    let mut series = SeriesCompressor::new(3);
    let options = CompressOptions { target: Target::Psnr(25.0), ..options };
    let arrays = vec![ArrayInfo { name: "t".into(), components: vec![String::new()] }];
    let steps = (0..3).map(|step| {
        let value = |n: usize| ((n % 20 + step) as f32 * 0.4).sin() + (n / 320) as f32 * 0.1;
        let volume = Volume::new((0..20 * 16 * 12).map(value).collect::<Vec<f32>>(), [20, 16, 12])?;
        series.compress(&engine, &volume, &options, |_| ControlFlow::Continue(()))
    });
    let steps = steps.collect::<neuvol::Result<Vec<_>>>()?;
    DatasetWriter::save(folder("nvol")?.join("series.nvol"), arrays, 3, None, |writer| {
        steps.iter().try_for_each(|step| writer.add(step))
    })?;
    Ok(())
}

/// Forms that our writers do not use.
fn texts(legacy: &Path, xml: &Path, nrrd: &Path, metaimage: &Path) -> Result<(), Box<dyn Error>> {
    let grid = "DIMENSIONS 2 2 1\nORIGIN 0 0 0\nSPACING 1 1 1\nPOINT_DATA 4\n";
    for (name, text) in [
        ("ascii", format!("ASCII\nDATASET STRUCTURED_POINTS\n{grid}SCALARS t float 1\nLOOKUP_TABLE default\n1 2 3 4\n")),
        (
            "metadata",
            format!(
                "ASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 2 2 1\nCELL_DATA 1\nSCALARS c int\nLOOKUP_TABLE default\n7\n\
                 POINT_DATA 4\nFIELD f 2\nv 2 4 char\n1 2 3 4 5 6 7 8\nMETADATA\nCOMPONENT_NAMES\nx\n\nINFORMATION 1\n\
                 NAME UNITS_LABEL LOCATION vtkDataArray\nDATA m\n\ns 1 1 string\nword\n"
            ),
        ),
        ("strings", format!("BINARY\nDATASET STRUCTURED_POINTS\n{grid}FIELD f 2\ns 1 1 string\n\u{3}abc\nx 1 4 char\nabcd\n")),
        ("binary", format!("BINARY\nDATASET STRUCTURED_POINTS\n{grid}FIELD f 1\nx 2 4 short\n0123456789abcdef\n")),
        (
            "rectilinear",
            "ASCII\nDATASET RECTILINEAR_GRID\nDIMENSIONS 2 1 1\nX_COORDINATES 2 float\n0 1\nY_COORDINATES 1 float\n0\n\
             Z_COORDINATES 1 float\n0\nCELL_DATA 1\nSCALARS t int\nLOOKUP_TABLE default\n7\n"
                .into(),
        ),
    ] {
        fs::write(legacy.join(name), format!("# vtk DataFile Version 3.0\ntitle\n{text}"))?;
    }
    let array = |attributes: &str, text: &str| {
        format!("<DataArray type=\"UInt8\" Name=\"a\" {attributes}>{text}</DataArray>")
    };
    for (name, kind, arrays) in [
        ("ascii", "ImageData", format!("<PointData>{}</PointData>", array("format=\"ascii\"", "1 2 3 4"))),
        (
            "rectilinear",
            "RectilinearGrid",
            format!(
                "<Coordinates>{0}{0}{1}</Coordinates><CellData>{1}</CellData>",
                array("format=\"ascii\"", "1 2"),
                array("format=\"ascii\"", "1")
            ),
        ),
    ] {
        let text = format!(
            "<?xml version=\"1.0\"?><VTKFile type=\"{kind}\" header_type=\"UInt64\"><{kind} WholeExtent=\"0 1 0 1 0 0\">\
             <Piece Extent=\"0 1 0 1 0 0\">{arrays}</Piece></{kind}></VTKFile>"
        );
        fs::write(xml.join(name), text)?;
    }
    fs::write(
        nrrd.join("components"),
        "NRRD0005\ntype: uint8\ndimension: 4\nsizes: 2 1 2 2\nkinds: vector domain domain time\nencoding: ascii\n\n1 2 3 4 5 6 7 8\n",
    )?;
    fs::write(
        nrrd.join("time"),
        "\u{feff}NRRD0005\nTYPE: uint8\ndimension: 4\nsizes: 1 2 1 2\nspace: RAST\nspace directions: (1,0,0,0) (0,1,0,0) \
         (0,0,1,0) (0,0,0,2)\nspace origin: (0,0,0,0)\nencoding: ascii\n\n1 2 3 4\n",
    )?;
    fs::write(
        metaimage.join("list"),
        "NDims = 2\nDimSize = 2 1\nElementSpacing = 1 -2\nElementType = MET_UCHAR\nElementDataFile = LIST\n/a.raw\nb.raw\n",
    )?;
    fs::write(
        metaimage.join("text"),
        "NDims = 2\nDimSize = 2 2\nElementNumberOfChannels = 2\nBinaryData = False\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n1 2 3 4 5 6 7 8\n",
    )?;
    Ok(())
}

/// Lists of files, which name themselves.
fn lists(folder: &Path) -> Result<(), Box<dyn Error>> {
    let set = |time: &str| format!("<DataSet timestep=\"{time}\" part=\"0\" file=\"a.vti\"/>");
    for (name, kind, sets) in [
        ("pvd", "Collection", [set("0"), set("1.5")]),
        ("vtm", "vtkMultiBlockDataSet", [set(""), String::new()]),
    ] {
        let sets = sets.concat();
        let text =
            format!("<?xml version=\"1.0\"?><VTKFile type=\"{kind}\"><{kind}>{sets}</{kind}></VTKFile>");
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// What descriptions say of the pages behind them.
fn described(folder: &Path) -> Result<(), Box<dyn Error>> {
    use tiff::encoder::TiffEncoder;
    use tiff::encoder::colortype::Gray8;
    use tiff::tags::Tag;
    let ome = "<?xml version=\"1.0\"?><OME UUID=\"urn:uuid:1\"><Image><Pixels DimensionOrder=\"XYZCT\" Type=\"uint8\" SizeX=\"2\" \
               SizeY=\"1\" SizeZ=\"2\" SizeC=\"2\" SizeT=\"1\" PhysicalSizeX=\"0.5\" PhysicalSizeZ=\"2\" PhysicalSizeZUnit=\"nm\">\
               <Channel SamplesPerPixel=\"1\"/><TiffData IFD=\"0\" PlaneCount=\"4\"><UUID FileName=\"a.tif\">urn:uuid:1</UUID>\
               </TiffData></Pixels></Image></OME>";
    for (name, pages, description) in [
        ("ome", 4, ome),
        (
            "imagej",
            4,
            "ImageJ=1.53\nimages=4\nchannels=2\nslices=2\nunit=\\u00B5m\nspacing=2\nfinterval=0.1\n",
        ),
        ("shaped", 4, "{\"shape\": [2, 2, 1, 2], \"axes\": \"TZYX\"}"),
        ("truncated", 1, "{\"shape\": [1, 1, 2], \"truncated\": true}"),
    ] {
        let mut encoder = TiffEncoder::new(fs::File::create(folder.join(name))?)?;
        for _ in 0..pages {
            let mut image = encoder.new_image::<Gray8>(2, 1)?;
            image.encoder().write_tag(Tag::ImageDescription, description)?;
            image.write_data(&[1, 2])?;
        }
    }
    Ok(())
}

fn tiff(folder: &Path) -> Result<(), Box<dyn Error>> {
    described(folder)?;
    use tiff::encoder::colortype::{Gray8, Gray16, Gray32Float};
    use tiff::encoder::{Compression, TiffEncoder};
    for (name, compression) in
        [("plain", Compression::Uncompressed), ("lzw", Compression::Lzw), ("packbits", Compression::Packbits)]
    {
        let file = fs::File::create(folder.join(name))?;
        let mut encoder = TiffEncoder::new(file)?.with_compression(compression);
        encoder.write_image::<Gray16>(4, 2, &[1, 2, 3, 4, 5, 6, 7, 8])?;
        encoder.write_image::<Gray16>(4, 2, &[9; 8])?;
    }
    TiffEncoder::new(fs::File::create(folder.join("float"))?)?.write_image::<Gray32Float>(
        2,
        1,
        &[1.0, 2.0],
    )?;
    TiffEncoder::new_big(fs::File::create(folder.join("big"))?)?.write_image::<Gray8>(2, 1, &[1, 2])?;
    Ok(())
}

/// Compressed frames of one or a few pixels, behind what `open_frame` takes of the file's header.
fn frames(folder: &Path) -> Result<(), Box<dyn Error>> {
    let jpeg = |frame: u8, precision: u8, tables: &[u8], scan: &[u8], data: &[u8]| {
        let head = [0xff, 0xd8, 0xff, frame, 0, 11, precision, 0, 4, 0, 4, 1, 1, 0x11, 0];
        [&head[..], tables, &[0xff, 0xda, 0, 8, 1], scan, data, &[0xff, 0xd9]].concat()
    };
    // Codes of five bits for the sizes 0 to 15; of AC the one code for the end of a block.
    let dc = [&[0xff, 0xc4, 0, 35, 0, 0, 0, 0, 0, 16][..], &[0; 11], &(0..16).collect::<Vec<u8>>()].concat();
    let ac = [&[0xff, 0xc4, 0, 20, 0x10, 1][..], &[0; 16]].concat();
    let steps = [&[0xff, 0xdb, 0, 67, 0][..], &[1; 64]].concat();
    let dct = [steps, dc.clone(), ac].concat();
    let grid = |n: u32| n.to_be_bytes();
    let size: Vec<u8> = [4, 4, 0, 0, 4, 4, 0, 0].into_iter().flat_map(grid).collect();
    let codestream = |blocks: u8, transform: u8, quantisation: &[u8]| {
        let size = [&[0xff, 0x4f, 0xff, 0x51, 0, 41, 0, 0][..], &size, &[0, 1, 11, 1, 1]].concat();
        let style = [0xff, 0x52, 0, 12, 0, 0, 0, 1, 0, 0, 4, 4, blocks, transform];
        let tile = [0xff, 0x90, 0, 10, 0, 0, 0, 0, 0, 19, 0, 1, 0xff, 0x93, 0xc7, 0xd4, 4, 1, 0x80];
        [&size[..], &style, quantisation, &tile, &[0xff, 0xd9]].concat()
    };
    let rle: Vec<u8> = [2u32, 64, 66].into_iter().chain([0; 13]).flat_map(u32::to_le_bytes).collect();
    for (name, syntax, frame) in [
        (
            "ls",
            0u8,
            jpeg(
                0xf7,
                12,
                &[],
                &[1, 0, 0, 0, 0],
                &[0x5a, 0xc3, 0x99, 0x12, 0x34, 0x56, 0x78, 0x11, 0x22, 0x33],
            ),
        ),
        ("ls_near", 0, jpeg(0xf7, 8, &[], &[1, 0, 2, 0, 0], &[0x80, 0xff, 0x7f, 0x12, 0x34, 0x56, 0x78])),
        (
            "ls_presets",
            0,
            jpeg(
                0xf7,
                12,
                &[0xff, 0xf8, 0, 13, 1, 15, 255, 0, 20, 0, 70, 1, 20, 0, 64],
                &[1, 0, 0, 0, 0],
                &[0xf0; 9],
            ),
        ),
        (
            "ls_restarts",
            0,
            jpeg(
                0xf7,
                12,
                &[0xff, 0xdd, 0, 4, 0, 2],
                &[1, 0, 0, 0, 0],
                &[0xff, 0x7f, 0xff, 0xd0, 0xf0, 0x11],
            ),
        ),
        ("lossless", 1, jpeg(0xc3, 12, &dc, &[1, 0, 6, 0, 0], &[0; 10])),
        ("extended", 2, jpeg(0xc1, 12, &dct, &[1, 0, 0, 63, 0], &[0x2a, 0x40])),
        ("baseline", 3, jpeg(0xc0, 8, &dct, &[1, 0, 0, 63, 0], &[0x2a, 0x40])),
        ("progressive", 3, jpeg(0xc2, 8, &dct, &[1, 0, 0, 0, 0], &[0x2a, 0x40])),
        ("jpeg2000", 4, codestream(0, 1, &[0xff, 0x5c, 0, 4, 0x40, 0x60])),
        ("irreversible", 4, codestream(0, 0, &[0xff, 0x5c, 0, 5, 0x42, 0x60, 0])),
        ("htj2k", 5, codestream(0x40, 1, &[0xff, 0x5c, 0, 4, 0x40, 0x60])),
        ("htj2k_irreversible", 5, codestream(0x40, 0, &[0xff, 0x5c, 0, 5, 0x42, 0x60, 0])),
        ("rle", 6, [&rle[..], &[0xf1, 3, 0xf1, 7]].concat()),
        ("deflated", 7, vec![0x63, 0, 2, 0]),
    ] {
        fs::write(folder.join(name), [&[syntax, 4, 4, 1, 11], &frame[..]].concat())?;
    }
    Ok(())
}

/// Encapsulated, deflated, big-endian and multi-frame variants of a slice, element by element.
fn dicom(folder: &Path) -> Result<(), Box<dyn Error>> {
    let element = |group: u16, number: u16, vr: &str, value: &[u8]| -> Vec<u8> {
        let mut bytes = [group.to_le_bytes(), number.to_le_bytes()].concat();
        bytes.extend(vr.as_bytes());
        match vr {
            "OB" | "OW" | "SQ" | "UN" => {
                bytes.extend([0, 0]);
                bytes.extend((value.len() as u32).to_le_bytes());
            }
            _ => bytes.extend((value.len() as u16).to_le_bytes()),
        }
        bytes.extend(value);
        bytes
    };
    let us = |group, number, value: u16| element(group, number, "US", &value.to_le_bytes());
    let head = |syntax: &str| -> Vec<u8> {
        let mut uid = syntax.as_bytes().to_vec();
        if uid.len() % 2 == 1 {
            uid.push(0);
        }
        [vec![0; 128], b"DICM".to_vec(), element(2, 0x10, "UI", &uid)].concat()
    };
    let image = |bits: u16, frames: &str| -> Vec<u8> {
        [
            element(8, 0x60, "CS", b"CT"),
            element(0x20, 0x32, "DS", b"0\\0\\0 "),
            element(0x20, 0x37, "DS", b"1\\0\\0\\0\\1\\0 "),
            us(0x28, 2, 1),
            element(0x28, 8, "IS", frames.as_bytes()),
            us(0x28, 0x10, 4),
            us(0x28, 0x11, 4),
            element(0x28, 0x30, "DS", b"1\\1 "),
            us(0x28, 0x100, bits),
            us(0x28, 0x101, bits),
            us(0x28, 0x102, bits - 1),
            us(0x28, 0x103, 0),
            element(0x3004, 0xc, "DS", b"0\\2.5 "),
        ]
        .concat()
    };
    let native = element(0x7fe0, 0x10, "OW", &[7; 64]);
    fs::write(
        folder.join("frames"),
        [head("1.2.840.10008.1.2.1"), image(16, "2 "), native.clone()].concat(),
    )?;
    let mut deflated = flate2::write::DeflateEncoder::new(head("1.2.840.10008.1.2.1.99"), Default::default());
    std::io::Write::write_all(&mut deflated, &[image(16, "2 "), native].concat())?;
    fs::write(folder.join("deflated"), deflated.finish()?)?;

    let encapsulated = |fragment: &[u8]| -> Vec<u8> {
        let mut bytes = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0".to_vec();
        bytes.extend((fragment.len() as u32).to_le_bytes());
        bytes.extend(fragment);
        bytes.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
        bytes
    };
    let mut rle = vec![0u8; 64];
    rle[0] = 1;
    rle[4] = 64;
    rle.extend([241, 5]);
    // Frame headers of the right size; the fuzzer finds what may follow.
    let jpeg =
        b"\xff\xd8\xff\xc0\0\x0b\x08\0\x04\0\x04\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\xff\xd9";
    let lossless =
        b"\xff\xd8\xff\xc3\0\x0b\x08\0\x04\0\x04\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\x01\0\0\xff\xd9";
    let jpeg2000 = b"\xff\x4f\xff\x51\0\x29\0\0\0\0\0\x04\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\0\0\x04\0\0\0\0\0\0\0\0\0\x01\x07\x01\x01\xff\x52\0\x0c\0\0\0\x01\0\x01\x04\x04\0\x01\xff\x5c\0\x07\x40\x40\x48\x48\x50\xff\x90\0\x0a\0\0\0\0\0\0\0\x01\xff\x93\0\0\xff\xd9";
    for (name, syntax, fragment) in [
        ("rle", "1.2.840.10008.1.2.5", &rle[..]),
        ("jpeg", "1.2.840.10008.1.2.4.50", jpeg),
        ("jpeg_lossless", "1.2.840.10008.1.2.4.70", lossless),
        ("jpeg2000", "1.2.840.10008.1.2.4.90", jpeg2000),
    ] {
        fs::write(folder.join(name), [head(syntax), image(8, "1 "), encapsulated(fragment)].concat())?;
    }
    Ok(())
}
