//! Colours, complex numbers and vectors, component by component, against nibabel, pynrrd, tifffile, SimpleITK and pydicom.

use super::*;
use neuvol::io::Volumes;

/// Says what each component of a file is to be: `expect(name, array, names, tolerance)` with the axes of the array being
/// component, then steps where there are several, then z, y, x.
const EXPECT: &str = r#"
import hashlib, json, os, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
folder = sys.argv[1] + "/"
random = np.random.default_rng(11)
expected = []

def expect(name, values, names=(), tolerance=0, arrays=None, unit="", fill=None):
    """`arrays`: the first axis is one of arrays, which are called so."""
    values = np.asarray(values)
    if values.ndim == 4:
        values = values[:, np.newaxis]
    np.save(folder + f"expected{len(expected)}.npy", values.astype("<f8"))
    expected.append({"file": name, "names": list(names), "arrays": arrays, "unit": unit, "fill": fill, "tolerance": tolerance, "steps": values.shape[1],
                     "components": values.shape[0], "shape": list(values.shape[:1:-1]), "type": str(values.dtype)})

def made(shape, kind):
    kind = np.dtype(kind)
    if kind.kind == "f":
        return random.normal(size=shape).astype(kind)
    if kind.kind == "c":
        return (random.normal(size=shape) + 1j * random.normal(size=shape)).astype(kind)
    low, high = max(np.iinfo(kind).min, -2**31), min(np.iinfo(kind).max, 2**31 - 1)
    return random.integers(low, high, size=shape).astype(kind)

def done():
    json.dump(expected, open(folder + "expected.json", "w"))
"#;

/// Runs a script behind [`EXPECT`], and reads all of what it expects.
pub(crate) fn compare_components(python: &Path, script: &str, at_least: usize) {
    let folder = tempfile::tempdir().unwrap();
    run_python(python, &format!("{EXPECT}{script}\ndone()\n"), folder.path());
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("expected.json")).unwrap()).unwrap();
    let expected = expected.as_array().unwrap();
    assert!(expected.len() >= at_least, "{}", expected.len());
    for (at, one) in expected.iter().enumerate() {
        let path = folder.path().join(one["file"].as_str().unwrap());
        let name = path.display();
        let all = Volumes::open(&path, &OpenOptions::default()).unwrap_or_else(|e| panic!("{e}"));
        let number = |key: &str| one[key].as_u64().unwrap() as usize;
        let count = number("components");
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect()
        };
        let arrays: Vec<String> = all.arrays().iter().map(|array| array.name.clone()).collect();
        let in_arrays = !one["arrays"].is_null();
        if in_arrays {
            assert_eq!(arrays, texts(&one["arrays"]), "{name}");
            assert!(
                all.arrays().iter().all(|array| array.components == 1) && arrays.len() == count,
                "{name}"
            );
        } else {
            let [array] = all.arrays() else { panic!("{name}: {arrays:?}") };
            assert_eq!((array.components, &array.component_names), (count, &texts(&one["names"])), "{name}");
        }
        assert_eq!(all.len(), number("steps"), "{name}");
        // The numbers end the file.
        let bytes = std::fs::read(folder.path().join(format!("expected{at}.npy"))).unwrap();
        let shape = numbers(&one["shape"]);
        let voxels = shape.iter().product::<f64>() as usize;
        let start = bytes.len() - 8 * voxels * count * all.len();
        let values: Vec<f64> =
            bytes[start..].chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
        let tolerance = one["tolerance"].as_f64().unwrap();
        for component in 0..count {
            for step in 0..all.len() {
                let part = if in_arrays { (component, 0) } else { (0, component) };
                let found = all.read_part(part.0, part.1, step).unwrap_or_else(|e| panic!("{e}"));
                assert_eq!(found.unit, one["unit"].as_str().unwrap(), "{name}");
                assert_eq!(found.fill_value, one["fill"].as_f64(), "{name}");
                assert_eq!(found.shape().map(|n| n as f64).to_vec(), shape, "{name}");
                assert_eq!(found.sample_type().name(), one["type"].as_str().unwrap(), "{name}");
                let wanted = &values[voxels * (component * all.len() + step)..][..voxels];
                let worst =
                    (0..voxels).map(|n| (found.samples().get(n) - wanted[n]).abs()).fold(0.0, f64::max);
                assert!(worst <= tolerance, "{name}: component {component}, step {step}: {worst}");
            }
        }
    }
}

#[test]
fn colours_of_nifti() {
    let Some(python) = environment("NEUVOL_PYTHON", "colours_of_nifti") else { return };
    let script = r#"
import nibabel

def nifti(name, values, kind=nibabel.Nifti1Image, slope=None, names=()):
    image = kind(values, np.eye(4))
    if slope:
        image.header.set_slope_inter(slope, 0)
    nibabel.save(image, folder + name)
    read = nibabel.load(folder + name)
    raw = np.asarray(read.dataobj)
    if raw.dtype.names:
        parts = [raw[part] for part in raw.dtype.names]
    elif raw.dtype.kind == "c":
        parts = [raw.real, raw.imag]
        parts = [part.astype("f8" if values.dtype.itemsize == 16 else "f4") for part in parts]
    else:
        parts = [raw[..., n] for n in range(raw.shape[-1])]
    expect(name, np.stack([part.T for part in parts]), names)

RGB = [("R", "u1"), ("G", "u1"), ("B", "u1")]
for fields, label in [(RGB, "rgb"), (RGB + [("A", "u1")], "rgba")]:
    for suffix, kind in [(".nii", nibabel.Nifti1Image), (".nii.gz", nibabel.Nifti2Image)]:
        for shape in [(5, 4, 3), (5, 4, 3, 2)]:
            values = made(shape + (len(fields),), "u1").view(np.dtype(fields)).reshape(shape)
            nifti(f"{label}{len(shape)}{suffix}", values, kind, names=label.upper())
for kind in ["c8", "c16"]:
    nifti(f"{kind}.nii", made((5, 4, 3), kind), names=["real", "imaginary"])
    nifti(f"{kind}.four.nii.gz", made((5, 4, 3, 2), kind), nibabel.Nifti2Image, names=["real", "imaginary"])
    nifti(f"{kind}.big.nii", made((5, 4, 3), ">" + kind), names=["real", "imaginary"])
nifti("scaled.nii", made((5, 4, 3), "c8"), slope=2.0, names=["real", "imaginary"])
nifti("vectors.nii", made((5, 4, 3, 2, 3), "i2"))
data = os.environ.get("NEUVOL_DATA")
for name in ["complex_complex32", "complex_complex64", "rgb_3D", "rgb_4D", "rgba_4D"] if data else []:
    path = f"{data}/formats/nifti/nifti-rs__resources_{name}.nii"
    raw = np.asarray(nibabel.load(path).dataobj)
    parts = [raw.real, raw.imag] if raw.dtype.kind == "c" else [raw[part] for part in raw.dtype.names]
    parts = np.stack([part.reshape(part.shape + (1,) * (3 - part.ndim)).T for part in parts])
    expect(path, parts, ["real", "imaginary"] if raw.dtype.kind == "c" else ["R", "G", "B", "A"][:len(parts)])
"#;
    compare_components(&python, script, 16);
}

#[test]
fn components_of_nrrd_and_metaimage() {
    let Some(python) = environment("NEUVOL_PYTHON", "components_of_nrrd_and_metaimage") else { return };
    let script = r#"
import nrrd, SimpleITK as sitk

for kinds, sizes, names in [
    (["RGB-color", "domain", "domain", "domain"], (3, 5, 4, 2), "RGB"),
    (["RGBA-color", "domain", "domain"], (4, 5, 4), "RGBA"),
    (["domain", "domain", "domain", "RGB-color"], (5, 4, 2, 3), "RGB"),
    (["domain", "RGB-color", "domain", "domain"], (5, 3, 4, 2), "RGB"),
    (["domain", "domain", "complex", "domain"], (5, 4, 2, 2), ["real", "imaginary"]),
    (["3-vector", "space", "space", "space"], (3, 5, 4, 2), ""),
    (["domain", "3D-symmetric-matrix", "domain", "domain", "time"], (5, 6, 4, 2, 3), ""),
]:
    for kind, encoding in [("u1", "gzip"), ("i2", "raw"), ("f4", "ascii")]:
        values = made(sizes, kind)
        name = f"{'-'.join(kinds)}.{kind}.nrrd"
        nrrd.write(folder + name, values, {"kinds": kinds, "encoding": encoding}, index_order="F")
        values, header = nrrd.read(folder + name, index_order="F")
        axis = next(n for n, k in enumerate(kinds) if k not in ("domain", "space", "time"))
        values = np.moveaxis(values, axis, -1)
        while values.ndim < 4:
            values = values[..., np.newaxis, :]
        expect(name, values.T, names)

for kind in ["u1", "i2", "f4"]:
    for pixel in [sitk.GetImageFromArray(made((3, 4, 5, n), kind), isVector=True) for n in (2, 3, 4)]:
        for suffix in ["mha", "mhd", "nrrd", "nii", "nii.gz", "tif"]:
            count = pixel.GetNumberOfComponentsPerPixel()
            if suffix == "tif" and count == 2:
                continue
            name = f"{kind}.{count}.{suffix}"
            sitk.WriteImage(pixel, folder + name)
            # NRRD of four bytes a voxel are colours for ITK.
            kinds = [line for line in open(folder + name, "rb") if line.startswith(b"kinds")] if suffix == "nrrd" else []
            names = "RGBA"[:count] if kinds and b"color" in kinds[0].lower() else ""
            names = ["R", "G", "B", "A"][:count] if suffix == "tif" else names
            if suffix == "tif" and count == 4:
                import tifffile
                extra = tifffile.TiffFile(folder + name).pages[0].tags.get("ExtraSamples")
                names = ["R", "G", "B", "A" if extra is not None and int(extra.value[0]) in (1, 2) else ""]
            read = sitk.GetArrayFromImage(sitk.ReadImage(folder + name))
            expect(name, np.moveaxis(read, -1, 0), names)
for kind in ["u1", ">i2", "<f8"]:
    values = made((2, 3, 4, 5), kind).view(np.dtype(kind))
    fields = np.zeros((3, 4, 5), [(name, kind) for name in ("u", "v")])
    fields["u"], fields["v"] = values
    np.save(folder + f"fields{kind[-2:]}.npy", fields)
    expect(f"fields{kind[-2:]}.npy", values.astype(np.dtype(kind).newbyteorder("=")), ["u", "v"])
for kind in ["c8", ">c16"]:
    values = made((3, 4, 5), kind)
    np.save(folder + f"{kind[-2:]}.npy", values.astype(kind))
    part = "f8" if kind == ">c16" else "f4"
    expect(f"{kind[-2:]}.npy", np.stack([values.real, values.imag]).astype(part), ["real", "imaginary"])
for kind in [sitk.sitkComplexFloat32, sitk.sitkComplexFloat64]:
    both = [sitk.GetImageFromArray(made((3, 4, 5), "f4" if kind == sitk.sitkComplexFloat32 else "f8")) for _ in range(2)]
    image = sitk.RealAndImaginaryToComplex(*both)
    name = f"complex{kind}.nii"
    sitk.WriteImage(image, folder + name)
    expect(name, np.stack([sitk.GetArrayFromImage(part) for part in both]), ["real", "imaginary"])
"#;
    compare_components(&python, script, 70);
}

#[test]
fn colours_of_tiff() {
    let Some(python) = environment("NEUVOL_PYTHON", "colours_of_tiff") else { return };
    let script = r#"
import tifffile

def tiff(name, values, names, **options):
    """Values with the axes z, y, x, component."""
    planes = options.get("planarconfig") == "separate"
    tifffile.imwrite(folder + name, values.transpose(0, 3, 1, 2) if planes else values, **options)
    expect(name, values.transpose(3, 0, 1, 2), names)

for kind in ["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"]:
    for samples in [3, 4]:
        for planar in ["contig", "separate"]:
            more = {"extrasamples": ["unassalpha"]} if samples == 4 else {}
            for form, options in [
                ("plain", {}), ("zip", {"compression": "zlib", "predictor": True}), ("lzw", {"compression": "lzw"}),
                ("tile", {"tile": (16, 32)}), ("big", {"bigtiff": True, "byteorder": ">", "metadata": None}),
            ]:
                tiff(f"{kind}.{samples}.{planar}.{form}.tif", made((2, 20, 33, samples), kind), "RGBA"[:samples],
                     photometric="rgb", planarconfig=planar, **more, **options)
half = made((1, 20, 33, 3), "f2")
tifffile.imwrite(folder + "half.tif", half, photometric="rgb")
expect("half.tif", half.transpose(3, 0, 1, 2).astype("f4"), "RGB")
for kind, bits in [("u1", 8), ("u2", 16)]:
    colours = made((3, 2**bits), "u2")
    for form, options in [("plain", {}), ("zip", {"compression": "zlib"}), ("big", {"byteorder": ">"})]:
        values = made((3, 20, 33), kind)
        name = f"palette{bits}.{form}.tif"
        tifffile.imwrite(folder + name, values, photometric="palette", colormap=colours, **options)
        expect(name, np.stack([colours[n][values] for n in range(3)]), "RGB")
# Smooth pictures: decoders may round an inverse DCT in their own way.
y, x = np.mgrid[0:48, 0:64]
smooth = np.stack([2 * x + y, 255 - 3 * y, 128 + 60 * np.sin(x / 9)], -1).clip(0, 255).astype("u1")[np.newaxis]
for subsampling, tolerance in [((1, 1), 2), ((2, 2), 6), ((2, 1), 6)]:
    for tile in [None, (16, 16)]:
        name = f"jpeg{subsampling[0]}{subsampling[1]}{'t' if tile else ''}.tif"
        tifffile.imwrite(folder + name, smooth, photometric="rgb", compression="jpeg", subsampling=subsampling,
                         tile=tile, compressionargs={"level": 95})
        page = tifffile.TiffFile(folder + name).pages[0]
        assert int(page.photometric) == 6, page.photometric
        expect(name, page.asarray()[np.newaxis].transpose(3, 0, 1, 2), "RGB", tolerance)
ome = made((2, 3, 20, 33, 3), "u1")
tifffile.imwrite(folder + "rgb.ome.tif", ome, photometric="rgb", metadata={"axes": "TZYXS"})
expect("rgb.ome.tif", ome.transpose(4, 0, 1, 2, 3), "RGB")
tifffile.imwrite(folder + "rgb.ij.tif", ome, photometric="rgb", imagej=True, metadata={"axes": "TZYXS"})
expect("rgb.ij.tif", ome.transpose(4, 0, 1, 2, 3), "RGB")
"#;
    compare_components(&python, script, 175);
}

/// What pydicom writes uncompressed and run-length coded, and its own samples in every compression, decoded by pydicom or,
/// where it cannot, by imagecodecs.
#[test]
fn colours_of_dicom() {
    let Some(python) = environment("NEUVOL_PYTHON", "colours_of_dicom") else { return };
    let script = r#"
import imagecodecs, pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, convert_color_space
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless, SecondaryCaptureImageStorage, generate_uid

def dicom(name, photometric, stored, bits, allocated, syntax=ExplicitVRLittleEndian, planar=0, frames=1, **more):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = syntax, SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(folder + name, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID, data.SeriesInstanceUID = SecondaryCaptureImageStorage, generate_uid(), generate_uid()
    data.Modality, data.PhotometricInterpretation = "OT", photometric
    data.SamplesPerPixel = 1 if photometric.startswith("PALETTE") else 3
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = planar
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = allocated, bits, bits - 1, 0
    for key, value in more.items():
        setattr(data, key, value)
    if frames > 1:
        data.NumberOfFrames = frames
        data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 0]
        data.SpacingBetweenSlices, data.PixelSpacing = 2, [1, 1]
    if syntax == RLELossless:
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.PixelData = stored.astype(f"<u{allocated // 8}").tobytes()
        data.compress(RLELossless)
    else:
        stored = stored.astype(f"{'>' if syntax == ExplicitVRBigEndian else '<'}u{allocated // 8}").tobytes()
        if syntax == ExplicitVRBigEndian and allocated == 8:
            # Bytes in words (PS3.5, section 8.2).
            stored = np.frombuffer(stored, "<u2").astype(">u2").tobytes()
        data.PixelData = stored + b"\0" * (len(stored) % 2)
    data["PixelData"].VR = "OW" if allocated > 8 or syntax == ExplicitVRBigEndian else "OB"
    big = syntax == ExplicitVRBigEndian
    pydicom.dcmwrite(folder + name, data, implicit_vr=False, little_endian=not big, force_encoding=True)

def pixels(shape, bits):
    return random.integers(0, 2**bits, size=shape).astype("u4")

for bits, allocated in [(8, 8), (12, 16), (16, 16)]:
    kind = "u1" if allocated == 8 else "u2"
    for frames in [1, 3]:
        for syntax, label in [(ExplicitVRLittleEndian, "le"), (ExplicitVRBigEndian, "be"), (RLELossless, "rle")]:
            for planar in [0, 1] if syntax != RLELossless else [0]:
                values = pixels((frames, 6, 4, 3), bits)
                stored = values.transpose(0, 3, 1, 2) if planar else values
                rows = {"Rows": 6, "Columns": 4}
                name = f"rgb.{bits}.{frames}.{label}.{planar}.dcm"
                dicom(name, "RGB", stored, bits, allocated, syntax, planar, frames, **rows)
                expect(name, values.transpose(3, 0, 1, 2).astype(kind), "RGB")
                if bits == 8:
                    rgb = convert_color_space(values.astype("u1"), "YBR_FULL", "RGB", per_frame=True)
                    name = name.replace("rgb", "ybr")
                    dicom(name, "YBR_FULL", stored, bits, allocated, syntax, planar, frames, **rows)
                    expect(name, rgb.transpose(3, 0, 1, 2), "RGB")
for bits in [8, 16]:
    for first, entries in [(0, 256), (40, 100), (0, 65536)]:
        if bits == 8 and entries > 256:
            continue
        allocated = 16 if entries > 256 else 8
        values = pixels((1, 6, 4), allocated)
        tables = pixels((3, entries), bits)
        more = {"Rows": 6, "Columns": 4}
        for colour, table in zip(["Red", "Green", "Blue"], tables):
            more[colour + "PaletteColorLookupTableDescriptor"] = [entries % 65536, first, bits]
            more[colour + "PaletteColorLookupTableData"] = table.astype(f"<u{bits // 8}").tobytes()
        name = f"palette.{bits}.{entries}.dcm"
        dicom(name, "PALETTE COLOR", values, allocated, allocated, **more)
        data = pydicom.dcmread(folder + name)
        rgb = apply_color_lut(data.pixel_array, data)
        assert rgb.dtype == f"u{bits // 8}", rgb.dtype
        expect(name, rgb[np.newaxis].transpose(3, 0, 1, 2), "RGB")

from pydicom.encaps import encapsulate
from pydicom.uid import HTJ2KLossless, JPEG2000Lossless, JPEGLossless, JPEGLSLossless, JPEGLSNearLossless
# Noise, flat parts, parts that are flat in one colour alone.
scene = np.zeros((40, 37, 3))
scene[:20] = random.random((20, 37, 3))
scene[20:30, :, 0], scene[20:30, 10:, 1] = 0.5, random.random((10, 27))
scene[30:, :, 2], scene[35:, 20:] = np.linspace(0, 1, 37), 0.25
for bits in [8, 12, 16]:
    kind = "u1" if bits == 8 else "u2"
    values = (scene * (2**bits - 1)).astype(kind)
    for label, syntax, photometric, near, encode in [
        ("ls", JPEGLSLossless, "RGB", 0, lambda v: imagecodecs.jpegls_encode(v)),
        ("near", JPEGLSNearLossless, "RGB", 3, lambda v: imagecodecs.jpegls_encode(v, level=3)),
        ("lossless", JPEGLossless, "RGB", 0, lambda v: imagecodecs.jpeg_encode(v, lossless=True, bitspersample=bits)),
        ("j2k", JPEG2000Lossless, "YBR_RCT", 0, lambda v: imagecodecs.jpeg2k_encode(v, level=0, codecformat="j2k", bitspersample=bits)),
        ("plain", JPEG2000Lossless, "RGB", 0, lambda v: imagecodecs.jpeg2k_encode(v, level=0, codecformat="j2k", mct=False, bitspersample=bits)),
        ("ht", HTJ2KLossless, "YBR_RCT", 0, lambda v: imagecodecs.htj2k_encode(v)),
    ]:
        if bits == 12 and label in ("ls", "near", "ht"):
            continue
        name = f"{label}.{bits}.dcm"
        dicom(name, photometric, values, bits, 8 * values.itemsize, Rows=40, Columns=37)
        data = pydicom.dcmread(folder + name)
        data.PixelData = encapsulate([encode(values)])
        data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
        data.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(folder + name, data)
        expect(name, values[np.newaxis].transpose(3, 0, 1, 2), "RGB", near)

data = os.environ.get("NEUVOL_DATA")
for path in sorted(pathlib.Path(data, "formats/dicom_ts/pydicom").glob("*.dcm")) if data else []:
    image = pydicom.dcmread(path, force=True)
    photometric = image.get("PhotometricInterpretation", "")
    if image.get("SamplesPerPixel") != 3 and photometric != "PALETTE COLOR" or image.get("NumberOfFrames", 1) > 1:
        continue
    syntax = image.file_meta.TransferSyntaxUID
    try:
        rgb = image.pixel_array
        if photometric == "PALETTE COLOR":
            rgb = apply_color_lut(rgb, image)
    except RuntimeError:
        frame = next(generate_frames(image.PixelData, number_of_frames=1))
        decode = imagecodecs.jpegls_decode if "JPEG-LS" in syntax.name else imagecodecs.ljpeg_decode
        rgb = (imagecodecs.jpeg2k_decode if "2000" in syntax.name else decode)(frame)
    lossy = syntax.name.startswith("JPEG Baseline")
    # Colour differences that pixels share are spread in ways of each decoder's own.
    shared = lossy and photometric.startswith("YBR")
    expect(str(path), rgb[np.newaxis].transpose(3, 0, 1, 2), "RGB", 3 if shared else 1 if lossy else 0)
"#;
    compare_components(&python, &script.replace("import imagecodecs", "import pathlib, imagecodecs"), 30);
}
