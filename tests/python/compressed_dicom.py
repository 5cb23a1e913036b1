"""Writes a DICOM file in every compressed transfer syntax that neuvol reads: compressed_dicom.py FOLDER.

imagecodecs compresses and decodes; NAME.npy beside NAME.dcm has what it decoded.
"""

import sys
from pathlib import Path

import imagecodecs as ic
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import generate_uid

FOLDER = Path(sys.argv[1])


def picture(dtype, bits, frames):
    y, x = np.mgrid[:61, :83]
    base = 1500 + 900 * np.sin(x / 9) * np.cos(y / 7) + (x * y % 17) * 5
    lowest = -2000 if np.dtype(dtype).kind == "i" else 0
    values = np.stack([base + 40 * k + lowest for k in range(frames)])
    return (values / 16 if bits == 8 else values).astype(dtype)


def write(name, syntax, frames, values, bits):
    data = Dataset()
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.SOPInstanceUID = generate_uid()
    data.Modality = "OT"
    data.Rows, data.Columns = values.shape[1:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 * values.dtype.itemsize, bits, bits - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    data.NumberOfFrames = len(frames)
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SpacingBetweenSlices = [1, 1], 2
    # With and without a table of offsets; the third of a series has each frame in two fragments.
    split = 2 if len(frames) == 3 else 1
    data.PixelData = encapsulate(frames, fragments_per_frame=split, has_bot=len(frames) > 1)
    data["PixelData"].is_undefined_length = True
    data["PixelData"].VR = "OB"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(FOLDER / f"{name}.dcm", enforce_file_format=True)


def main():
    def case(name, syntax, encode, decode, dtype, bits, frames=1):
        coded = [encode(frame) for frame in picture(dtype, bits, frames)]
        values = np.stack([decode(frame).astype(dtype) for frame in coded])
        write(name, "1.2.840.10008.1.2." + syntax, coded, values, bits)
        np.save(FOLDER / f"{name}.npy", values)

    case("baseline", "4.50", lambda v: ic.jpeg8_encode(v, level=90), ic.jpeg8_decode, "u1", 8, 3)
    twelve = lambda v: ic.jpeg_encode(v, level=90, bitspersample=12)
    case("extended", "4.51", twelve, ic.jpeg_decode, "u2", 12, 2)
    case("lossless_8", "4.70", ic.ljpeg_encode, ic.ljpeg_decode, "u1", 8)
    sixteen = lambda v: ic.ljpeg_encode(v, bitspersample=16)
    case("lossless_16", "4.70", sixteen, ic.ljpeg_decode, "u2", 16, 2)
    for predictor in range(1, 8):
        lossless = lambda v: ic.jpeg_encode(v, lossless=True, predictor=predictor, bitspersample=12)
        case(f"lossless_predictor_{predictor}", "4.57", lossless, ic.jpeg_decode, "u2", 12)
    reversible = lambda v: ic.jpeg2k_encode(v, codecformat="j2k", reversible=True, level=0)
    case("jpeg2000", "4.90", reversible, ic.jpeg2k_decode, "u2", 12, 3)
    case("jpeg2000_signed", "4.90", reversible, ic.jpeg2k_decode, "i2", 16, 2)
    lossy = lambda v: ic.jpeg2k_encode(v, codecformat="j2k", level=40)
    case("jpeg2000_lossy", "4.91", lossy, ic.jpeg2k_decode, "u2", 16)
    high_throughput = lambda v: ic.htj2k_encode(v, reversible=True)
    case("htj2k", "4.201", high_throughput, ic.htj2k_decode, "u2", 16, 2)
    case("htj2k_rpcl", "4.202", high_throughput, ic.htj2k_decode, "u1", 8)
    case("jpegls", "4.80", ic.jpegls_encode, ic.jpegls_decode, "u2", 16, 2)
    near = lambda v: ic.jpegls_encode(v, level=3)
    case("jpegls_near", "4.81", near, ic.jpegls_decode, "u1", 8)


main()
