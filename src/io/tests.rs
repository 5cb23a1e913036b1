//! Which format a file or folder is taken for.

use super::*;
use crate::volume::Samples;

/// A TIFF file of one pixel: little endian, one strip, 8 bits.
fn tiff(value: u8) -> Vec<u8> {
    let mut bytes = b"II*\0\x0a\0\0\0".to_vec();
    bytes.extend([value, 0]);
    let fields: [(u16, u32); 8] =
        [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (278, 1), (279, 1)];
    bytes.extend((fields.len() as u16).to_le_bytes());
    for (tag, value) in fields {
        bytes.extend([tag.to_le_bytes(), 4u16.to_le_bytes()].concat());
        bytes.extend([1u32.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    bytes
}

/// A series of three slices in a folder.
fn write_dicom(folder: &Path) {
    let volume = Volume::new((0..12i16).collect::<Vec<_>>(), [2, 2, 3]).unwrap();
    write_series(&volume, folder, &SeriesDescription { description: "test".into(), ..Default::default() })
        .unwrap();
}

#[test]
fn a_screenshot_does_not_take_the_place_of_the_images_beside_or_below() {
    for of_images in ["study/", "study/CT/", "study/a/b/CT/"] {
        let folder = tempfile::tempdir().unwrap();
        let study = folder.path().join("study");
        std::fs::create_dir_all(folder.path().join(of_images).parent().unwrap()).unwrap();
        write_dicom(&folder.path().join(of_images));
        for name in ["screenshot.tif", "._screenshot.tif", "export.png", ".DS_Store"] {
            std::fs::write(study.join(name), tiff(7)).unwrap();
        }
        let volume = open(&study, &OpenOptions::default()).unwrap();
        assert_eq!((volume.shape(), volume.samples().get(11)), ([2, 2, 3], 11.0), "{of_images}");
        assert_eq!(open(study.join("screenshot.tif"), &OpenOptions::default()).unwrap().len(), 1);
    }
    // TIFF files alone, and the forks that macOS left beside them.
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("1.tif", tiff(1)), ("2.TIF", tiff(2)), ("._1.tif", b"\0\x05\x16\x07".to_vec())] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let volume = open(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!(*volume.samples(), Samples::U8(vec![1, 2]));
}

#[test]
fn a_byte_order_mark_hides_no_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no-suffix");
    for (text, format) in [
        ("<?xml version=\"1.0\"?><VTKFile type=\"ImageData\">", Format::VtkXml),
        ("\n<VTKFile type=\"Collection\">", Format::List),
        ("NRRD0004\n", Format::Nrrd),
        ("ObjectType = Image\n", Format::MetaImage),
        ("ndims=3\n", Format::MetaImage),
        ("# vtk DataFile Version 3.0\n", Format::VtkLegacy),
    ] {
        for mark in ["", "\u{feff}"] {
            std::fs::write(&path, format!("{mark}{text}")).unwrap();
            assert_eq!(format_of(&path, &OpenOptions::default()).unwrap(), format, "{text}");
        }
    }
    for (name, format) in [
        ("A.NII.GZ", Format::Nifti),
        ("A.HDR", Format::Nifti),
        ("A.NHDR", Format::Nrrd),
        ("A.MHD", Format::MetaImage),
        ("A.PVTI", Format::VtkXml),
        ("A.VTI.SERIES", Format::List),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, b"text").unwrap();
        assert_eq!(format_of(&path, &OpenOptions::default()).unwrap(), format, "{name}");
    }
}
