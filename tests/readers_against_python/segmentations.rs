//! Segmentations and parametric maps that pydicom writes, and those of its and dcmqi's samples: frames by pydicom, put on
//! their planes.

use super::colours::compare_components;
use super::*;

const MADE: &str = r#"
import pathlib, pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian,
                         ImplicitVRLittleEndian, UID, generate_uid)
from pydicom.encaps import encapsulate

DeflatedImageFrameCompression = UID("1.2.840.10008.1.2.8.1")

def item(**more):
    made = Dataset()
    for key, value in more.items():
        setattr(made, key, value)
    return made

def made_of_images(uid, modality, frames, positions, bits, syntax, frame_items, shared, **more):
    """A multi-frame object: a frame each on the positions along z, with functional groups of its own beside that."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = syntax, uid
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID, data.SeriesInstanceUID = uid, generate_uid(), generate_uid()
    data.Modality, data.SamplesPerPixel, data.PhotometricInterpretation = modality, 1, "MONOCHROME2"
    data.Rows, data.Columns = frames.shape[1:]
    data.BitsAllocated, data.NumberOfFrames = bits, len(frames)
    for key, value in more.items():
        setattr(data, key, value)
    groups = item(PlaneOrientationSequence=[item(ImageOrientationPatient=[0, 1, 0, 0, 0, 1])], **shared)
    data.SharedFunctionalGroupsSequence = [groups]
    data.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[position, 7, -3])], **groups)
        for position, groups in zip(positions, frame_items)
    ]
    return data

def save(name, data, keyword, stored, bits):
    syntax = data.file_meta.TransferSyntaxUID
    big = syntax == ExplicitVRBigEndian
    if bits == 1 and syntax == DeflatedImageFrameCompression:
        import zlib
        frames = []
        for frame in stored:
            packed = np.packbits(frame.ravel(), bitorder="little").tobytes()
            deflater = zlib.compressobj(wbits=-15)
            frames.append(deflater.compress(packed) + deflater.flush())
        setattr(data, keyword, encapsulate([frame + b"\0" * (len(frame) % 2) for frame in frames]))
        data[keyword].is_undefined_length = True
        data[keyword].VR = "OB"
    else:
        content = np.packbits(stored.ravel(), bitorder="little").tobytes() if bits == 1 else stored.tobytes()
        content += b"\0" * (len(content) % 2)
        if big:
            content = np.frombuffer(content, f"<u{max(2, bits // 8)}").astype(f">u{max(2, bits // 8)}").tobytes()
        setattr(data, keyword, content)
        if keyword == "PixelData":
            data[keyword].VR = "OW" if big or bits > 8 or syntax == ImplicitVRLittleEndian else "OB"
    implicit = syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(folder + name, data, implicit_vr=implicit, little_endian=not big, force_encoding=True)

def measures(between=None):
    made = item(PixelSpacing=[0.5, 0.75], SliceThickness=2.5)
    if between:
        made.SpacingBetweenSlices = between
    return {"PixelMeasuresSequence": [made]}
"#;

#[test]
fn segmentations_of_dicom() {
    let Some(python) = environment("NEUVOL_PYTHON", "segmentations_of_dicom") else { return };
    let script = r#"
SEGMENTS = "1.2.840.10008.5.1.4.1.1.66.4"
LABELS = "1.2.840.10008.5.1.4.1.1.66.7"

def segmentation(name, kind, syntax, order, labels, planes, between=2.5, values=None, bits=None, background=None, **more):
    """`order` has a segment and a plane for each frame."""
    bits = bits or {"BINARY": 1, "FRACTIONAL": 8}.get(kind, 8)
    shape = (len(order), 5, 7)
    most = {"BINARY": 2, "FRACTIONAL": more.get("MaximumFractionalValue", 1) + 1}.get(kind, 4)
    frames = random.integers(0, most, size=shape).astype(f"u{max(1, bits // 8)}")
    groups = [{} if kind == "LABELMAP" else {"SegmentIdentificationSequence": [item(ReferencedSegmentNumber=segment)]}
              for segment, _ in order]
    if background is not None:
        more["PixelPaddingValue"] = background
    data = made_of_images(
        LABELS if kind == "LABELMAP" else SEGMENTS, "SEG", frames, [100 + 2.5 * plane for _, plane in order], bits, syntax,
        groups, measures(between), BitsStored=bits, HighBit=bits - 1, PixelRepresentation=0, SegmentationType=kind,
        SegmentSequence=[item(SegmentNumber=number, SegmentLabel=label) for number, label in labels], **more)
    save(name, data, "PixelData", frames, bits)
    low = min(plane for _, plane in order)
    numbers = [None] if kind == "LABELMAP" else [number for number, _ in labels]
    whole = np.full((len(numbers), planes) + shape[1:], background or 0, frames.dtype)
    for frame, (segment, plane) in zip(frames, order):
        whole[numbers.index(segment), plane - low] = frame
    return whole

order = [(1, 4), (1, 2), (2, 2), (3, 9), (1, 5), (3, 4)]
labels = [(1, "Liver"), (2, "Tumour"), (3, ""), (7, "Tumour"), (8, "Empty")]
names = ["Liver", "Tumour 2", "segment 3", "Tumour 7", "Empty"]
for syntax, label in [(ExplicitVRLittleEndian, "le"), (ExplicitVRBigEndian, "be"), (ImplicitVRLittleEndian, "implicit"),
                      (DeflatedExplicitVRLittleEndian, "deflated"), (DeflatedImageFrameCompression, "frames")]:
    for between in [2.5, None]:
        name = f"binary.{label}.{between}.dcm"
        expect(name, segmentation(name, "BINARY", syntax, order, labels, 8, between), arrays=names)
    if label != "frames":
        name = f"fractional.{label}.dcm"
        values = segmentation(name, "FRACTIONAL", syntax, order, labels, 8, MaximumFractionalValue=100)
        expect(name, values, arrays=names)
        for bits, background in [(8, None), (16, 0), (8, 5)]:
            name = f"labels.{label}.{bits}.{background}.dcm"
            planes = [(None, 3), (None, 6), (None, 5)]
            values = segmentation(name, "LABELMAP", syntax, planes, labels, 4, bits=bits, background=background)
            expect(name, values, arrays=["seg"])
expect("one.dcm", segmentation("one.dcm", "BINARY", ExplicitVRLittleEndian, [(1, 0)], [(1, "A")], 1), arrays=["A"])
same = segmentation("same.dcm", "BINARY", ExplicitVRLittleEndian, [(1, 3), (2, 3)], [(1, "A"), (2, "B")], 1)
expect("same.dcm", same, arrays=["A", "B"])
# Said to lie 5 mm apart, which they do not.
wrong = segmentation("wrong.dcm", "BINARY", ExplicitVRLittleEndian, [(1, 0), (1, 1), (1, 4)], [(1, "A")], 5, between=5)
expect("wrong.dcm", wrong, arrays=["A"])

data = os.environ.get("NEUVOL_DATA")
for path in sorted(pathlib.Path(data, "formats/dicom_ts").rglob("*")) if data else []:
    if not path.is_file() or not pydicom.misc.is_dicom(path):
        continue
    image = pydicom.dcmread(path)
    if image.get("Modality") != "SEG":
        continue
    frames = image.pixel_array.reshape((-1, image.Rows, image.Columns))
    groups = image.PerFrameFunctionalGroupsSequence[:len(frames)]
    heights = [float(group.PlanePositionSequence[0].ImagePositionPatient[2]) for group in groups]
    step = float(image.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices)
    planes = [round((height - min(heights)) / step) for height in heights]
    is_map = image.SegmentationType == "LABELMAP"
    numbers = [None] if is_map else [segment.SegmentNumber for segment in image.SegmentSequence]
    names = ["seg"] if is_map else [segment.SegmentLabel for segment in image.SegmentSequence]
    whole = np.full((len(numbers), max(planes) + 1) + frames.shape[1:], image.get("PixelPaddingValue", 0), frames.dtype)
    for frame, plane, group in zip(frames, planes, groups):
        segment = None if is_map else group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        whole[numbers.index(segment), plane] = frame
    expect(str(path), whole, arrays=names)
"#;
    compare_components(&python, &format!("{MADE}{script}"), 26);
}

#[test]
fn parametric_maps_of_dicom() {
    let Some(python) = environment("NEUVOL_PYTHON", "parametric_maps_of_dicom") else { return };
    let script = r#"
MAP = "1.2.840.10008.5.1.4.1.1.30"

def mapping(slope, intercept, unit, scheme="UCUM"):
    units = item(CodeValue=unit, CodingSchemeDesignator=scheme, CodeMeaning="unit")
    return {"RealWorldValueMappingSequence": [item(
        RealWorldValueSlope=slope, RealWorldValueIntercept=intercept, MeasurementUnitsCodeSequence=[units], LUTLabel="x",
        DoubleFloatRealWorldValueFirstValueMapped=0.0, DoubleFloatRealWorldValueLastValueMapped=1.0)]}

for syntax, label in [(ExplicitVRLittleEndian, "le"), (ExplicitVRBigEndian, "be"), (ImplicitVRLittleEndian, "implicit"),
                      (DeflatedExplicitVRLittleEndian, "deflated")]:
    for kind, keyword, bits in [("f4", "FloatPixelData", 32), ("f8", "DoubleFloatPixelData", 64), ("u2", "PixelData", 16)]:
        for slope, intercept, unit, scheme in [(1.0, 0.0, "mm2/s", "UCUM"), (0.25, -3.0, "s", "UCUM"), (1.0, 0.0, "1", "UCUM"),
                                               (1.0, 0.0, "mm2/s", "DCM")]:
            frames = made((4, 5, 7), kind)
            more, fill = {}, None
            if kind == "u2":
                more = {"BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0}
            else:
                frames[1, 2, 3] = np.nan
                frames[0, 0, 0] = -999.5
                more = {"FloatPixelPaddingValue" if kind == "f4" else "DoubleFloatPixelPaddingValue": -999.5}
                fill = -999.5 * slope + intercept
            data = made_of_images(MAP, "MR", frames, [0.0, 2.5, 7.5, 5.0], bits, syntax, [{}] * 4,
                                  {**measures(2.5), **mapping(slope, intercept, unit, scheme)}, **more)
            name = f"{label}.{kind}.{slope}.{unit.replace('/', '')}.{scheme}.dcm"
            save(name, data, keyword, frames, bits)
            values = frames[[0, 1, 3, 2]]
            if slope != 1:
                values = (values.astype("f8") * slope + intercept).astype("f4" if kind == "u2" else kind)
            expect(name, values[np.newaxis], unit="" if unit == "1" or scheme != "UCUM" else unit, fill=fill, arrays=["mr"])
"#;
    compare_components(&python, &format!("{MADE}{script}"), 48);
}
