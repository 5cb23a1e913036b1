"""Writes DICOM files in every compressed transfer syntax that neuvol reads: compressed_dicom.py FOLDER.

imagecodecs compresses and decodes (libjpeg-turbo, CharLS, OpenJPEG, OpenJPH); NAME.npy beside NAME.dcm has what it decoded.
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


def write(name, syntax, frames, shape, bits, allocated, signed):
    data = Dataset()
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.SOPInstanceUID = generate_uid()
    data.Modality = "OT"
    data.Rows, data.Columns = shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = allocated, bits, bits - 1
    data.PixelRepresentation = int(signed)
    data.NumberOfFrames = len(frames)
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SpacingBetweenSlices = [1, 1], 2
    # With and without a table of offsets; the third of a series has each frame in two fragments.
    split = 2 if len(frames) == 3 else 1
    data.PixelData = encapsulate(frames, fragments_per_frame=split, has_bot=len(frames) > 1)
    data["PixelData"].is_undefined_length = True
    data["PixelData"].VR = "OB"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2." + syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(FOLDER / f"{name}.dcm", enforce_file_format=True)


def coded(name, syntax, values, encode, decode, bits, allocated=None):
    """A file of frames; the samples that are expected have the allocated bits."""
    frames = [encode(frame) for frame in values]
    kind, size = values.dtype.kind, allocated or 8 * values.dtype.itemsize
    expected = np.stack([decode(frame).reshape(values[0].shape) for frame in frames])
    # Codecs without signs give the bits.
    if kind == "i" and expected.dtype.kind == "u":
        shift = expected.dtype.itemsize * 8 - bits
        expected = np.left_shift(expected, shift).view(f"i{expected.dtype.itemsize}") >> shift
    # What a loss takes beyond the stored bits is brought back to them.
    lowest = -(1 << bits - 1) if kind == "i" else 0
    expected = np.clip(expected, lowest, lowest + (1 << bits) - 1)
    np.save(FOLDER / f"{name}.npy", expected.astype(f"{kind}{size // 8}"))
    write(name, syntax, frames, values[0].shape, bits, size, kind == "i")


def processes():
    """Each process, as pictures of it usually are."""

    def case(name, syntax, encode, decode, dtype, bits, frames=1):
        coded(name, syntax, picture(dtype, bits, frames), encode, decode, bits)

    case("baseline", "4.50", lambda v: ic.jpeg8_encode(v, level=90), ic.jpeg8_decode, "u1", 8, 3)
    twelve = lambda v: ic.jpeg_encode(v, level=90, bitspersample=12)
    case("extended", "4.51", twelve, ic.jpeg_decode, "u2", 12, 2)
    case("lossless_8", "4.70", ic.ljpeg_encode, ic.ljpeg_decode, "u1", 8)
    sixteen = lambda v: ic.ljpeg_encode(v, bitspersample=16)
    case("lossless_16", "4.70", sixteen, ic.ljpeg_decode, "u2", 16, 2)
    for predictor in range(1, 8):
        for bits in (8, 12, 16):
            lossless = lambda v: ic.jpeg_encode(v, lossless=True, predictor=predictor, bitspersample=bits)
            dtype = "u1" if bits == 8 else "u2"
            case(f"lossless_predictor_{predictor}_{bits}", "4.57", lossless, ic.jpeg_decode, dtype, bits)
    reversible = lambda v: ic.jpeg2k_encode(v, codecformat="j2k", reversible=True, level=0)
    case("jpeg2000", "4.90", reversible, ic.jpeg2k_decode, "u2", 12, 3)
    case("jpeg2000_signed", "4.90", reversible, ic.jpeg2k_decode, "i2", 16, 2)
    lossy = lambda v: ic.jpeg2k_encode(v, codecformat="j2k", level=40)
    case("jpeg2000_lossy", "4.91", lossy, ic.jpeg2k_decode, "u2", 16)
    wrapped = lambda v: ic.jpeg2k_encode(v, codecformat="jp2", reversible=True, level=0)
    case("jpeg2000_in_jp2", "4.90", wrapped, ic.jpeg2k_decode, "u2", 16)
    high_throughput = lambda v: ic.htj2k_encode(v, reversible=True)
    case("htj2k", "4.201", high_throughput, ic.htj2k_decode, "u2", 16, 2)
    case("htj2k_signed", "4.201", high_throughput, ic.htj2k_decode, "i2", 16, 2)
    case("htj2k_rpcl", "4.202", high_throughput, ic.htj2k_decode, "u1", 8)
    tiled = lambda v: ic.htj2k_encode(v, reversible=True, tile=(32, 16), resolutions=2)
    case("htj2k_tiles", "4.201", tiled, ic.htj2k_decode, "u2", 12)
    coarse = lambda v: ic.htj2k_encode(v, reversible=False, level=0.002)
    case("htj2k_lossy", "4.203", coarse, ic.htj2k_decode, "u2", 16)
    case("jpegls", "4.80", ic.jpegls_encode, ic.jpegls_decode, "u2", 16, 2)
    case("jpegls_signed", "4.80", lambda v: ic.jpegls_encode(v.view("u2")), ic.jpegls_decode, "i2", 16, 2)
    near = lambda v: ic.jpegls_encode(v, level=3)
    case("jpegls_near", "4.81", near, ic.jpegls_decode, "u1", 8)


def pictures(height, width, bits):
    """Noise, flat, a ramp, hard edges, runs that are broken here and there, and a little noise on all bits."""
    noise = np.random.default_rng(height * 1000 + width).integers(0, 1 << bits, (height, width))
    y, x = np.mgrid[:height, :width]
    top = (1 << bits) - 1
    yield "noise", noise
    yield "flat", np.full((height, width), top // 3)
    yield "ramp", (x * 7 + y * 3) % (top + 1)
    yield "edges", np.where((x // 5 + y // 3) % 2, top, 0)
    yield "runs", np.where(noise % 29 == 0, noise, x // 40)
    yield "fine", np.minimum(top // 2 + (x * y) % 17 + noise % 5, top)


def all_samples():
    """Every kind of picture in every size, bits and loss: several pictures a file."""
    for height, width in [(1, 1), (1, 40), (40, 1), (3, 2), (37, 53), (200, 300)]:
        for bits in (8, 12, 16):
            size = f"{height}x{width}_{bits}"
            values = np.stack([v for _, v in pictures(height, width, bits)]).astype("u1" if bits == 8 else "u2")
            for near in (0, 1, 3, 7):
                # Noise grows.
                encode = lambda v: ic.jpegls_encode(v, level=near, out=2 * v.nbytes + 4096)
                coded(f"jpegls_{size}_near_{near}", "4.80" if near == 0 else "4.81", values, encode, ic.jpegls_decode, bits)
            reversible = lambda v: ic.jpeg2k_encode(
                v, codecformat="j2k", reversible=True, level=0, bitspersample=bits, resolutions=1 if min(v.shape) < 32 else 4
            )
            coded(f"jpeg2000_{size}", "4.90", values, reversible, ic.jpeg2k_decode, bits)
            coded(f"htj2k_{size}", "4.201", values, lambda v: ic.htj2k_encode(v, reversible=True), ic.htj2k_decode, bits)


def widened():
    """Images of 8 bits in files that allocate 16 or 32."""
    values = picture("u1", 8, 2)
    reversible = lambda v: ic.jpeg2k_encode(v, codecformat="j2k", reversible=True, level=0)
    for name, syntax, encode, decode in [
        ("baseline", "4.50", lambda v: ic.jpeg8_encode(v, level=90), ic.jpeg8_decode),
        ("lossless", "4.70", ic.ljpeg_encode, ic.ljpeg_decode),
        ("jpegls", "4.80", ic.jpegls_encode, ic.jpegls_decode),
        ("jpeg2000", "4.90", reversible, ic.jpeg2k_decode),
        ("htj2k", "4.201", lambda v: ic.htj2k_encode(v, reversible=True), ic.htj2k_decode),
    ]:
        coded(f"{name}_in_16", syntax, values, encode, decode, 8, 16)
        coded(f"{name}_in_32", syntax, values, encode, decode, 12, 32)


processes()
all_samples()
widened()
