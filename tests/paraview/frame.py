"""The patient's frame between neuvol's own files and VTK's, in both directions: what is lost here comes back turned."""

import json
import struct
import subprocess

import numpy as np
from checks import FOLDER, NEUVOL, array, field
from paraview import simple
from vtkmodules.vtkIOLegacy import vtkStructuredPointsReader, vtkStructuredPointsWriter
from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLImageDataWriter
from vtkneuvol import vtkNeuvolReader, vtkNeuvolWriter

SHAPE = (7, 6, 5)
# RAS, as NIfTI has it: x to the right, oblique.
AFFINE = np.array([[1.6, 0.3, 0, -20], [-0.4, 1.2, 0, 35], [0, 0, 2.5, -12.5]], np.float32)
VALUES = (np.arange(np.prod(SHAPE)) * 3 - 200).astype("<i2")


def nifti(path):
    """A NIfTI-1 file of VALUES with AFFINE as its sform (scanner)."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *SHAPE, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, *np.linalg.norm(AFFINE[:, :3], axis=0), 1, 1, 1, 1)
    struct.pack_into("<2f", header, 108, 352, 1)
    header[123] = 2  # millimetres
    struct.pack_into("<2h", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, *AFFINE.ravel())
    header[344:348] = b"n+1\0"
    path.write_bytes(bytes(header) + VALUES.tobytes())


def affine_of(path):
    return np.frombuffer(path.read_bytes()[280:328], "<f4").reshape(3, 4)


def run(*arguments):
    return subprocess.run([NEUVOL, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def is_the_original(path, tolerance=1e-4):
    """Converted to NIfTI, the voxels lie where they lay."""
    out = path.with_name(path.name + ".nii")
    run("convert", path, "-o", out)
    assert np.abs(affine_of(out) - AFFINE).max() < tolerance, affine_of(out)
    assert out.read_bytes()[352:] == VALUES.tobytes()


def frame_of(path):
    return json.loads(run("info", "--json", path))["frame"]


def the_file():
    nifti(FOLDER / "head.nii")
    run("compress", FOLDER / "head.nii", "--lossless", "-o", FOLDER / "head.nvol")
    assert frame_of(FOLDER / "head.nvol") == "LPS mm"
    run("decompress", FOLDER / "head.nvol", "-o", FOLDER / "head.vti")
    is_the_original(FOLDER / "head.vti")


def vtk_saves_what_we_read():
    reader = vtkNeuvolReader()
    reader.SetFileName(str(FOLDER / "head.nvol"))
    reader.Update()
    assert field(reader.GetOutput(), "neuvol_frame") == "LPS mm"
    for mode in ("Ascii", "Binary", "Appended", "Raw"):
        for compressor in ("None", "ZLib", "LZ4", "LZMA"):
            writer = vtkXMLImageDataWriter()
            getattr(writer, "SetDataModeTo" + mode.replace("Raw", "Appended"))()
            writer.SetEncodeAppendedData(mode != "Raw")
            getattr(writer, "SetCompressorTypeTo" + compressor)()
            writer.SetInputConnection(reader.GetOutputPort())
            path = FOLDER / f"head_{mode}_{compressor}.vti"
            writer.SetFileName(str(path))
            assert writer.Write() == 1
            is_the_original(path)


def legacy_files_say_it_too():
    # They have no direction: the frame is what can be kept.
    reader = vtkNeuvolReader()
    reader.SetFileName(str(FOLDER / "head.nvol"))
    for binary in (False, True):
        writer = vtkStructuredPointsWriter()
        writer.SetFileTypeToBinary() if binary else writer.SetFileTypeToASCII()
        writer.SetInputConnection(reader.GetOutputPort())
        path = FOLDER / f"head_{binary}.vtk"
        writer.SetFileName(str(path))
        assert writer.Write() == 1
        run("compress", path, "--lossless", "-o", path.with_suffix(".nvol"))
        assert frame_of(path.with_suffix(".nvol")) == "LPS mm"
        again = vtkStructuredPointsReader()
        again.SetFileName(str(path))
        again.Update()
        assert field(again.GetOutput(), "neuvol_frame") == "LPS mm"


def vtk_writes_what_it_reads_of_ours():
    reader = vtkXMLImageDataReader()
    reader.SetFileName(str(FOLDER / "head.vti"))
    reader.Update()
    assert field(reader.GetOutput(), "neuvol_frame") == "LPS mm"
    writer = vtkNeuvolWriter()
    writer.SetTarget(writer.LOSSLESS)
    writer.SetInputConnection(reader.GetOutputPort())
    writer.SetFileName(str(FOLDER / "head_again.nvol"))
    assert writer.Write() == 1
    assert frame_of(FOLDER / "head_again.nvol") == "LPS mm"
    run("decompress", FOLDER / "head_again.nvol", "-o", FOLDER / "head_again.vti")
    is_the_original(FOLDER / "head_again.vti")


def paraview_saves_both():
    neural = simple.OpenDataFile(str(FOLDER / "head.nvol"))
    simple.SaveData(str(FOLDER / "head_saved.vti"), proxy=neural)
    is_the_original(FOLDER / "head_saved.vti")
    image = simple.OpenDataFile(str(FOLDER / "head.vti"))
    simple.SaveData(str(FOLDER / "head_saved.nvol"), proxy=image, Target="Lossless")
    assert frame_of(FOLDER / "head_saved.nvol") == "LPS mm"


def a_fill_value_is_kept():
    values = np.where(VALUES < -100, -2000, VALUES).astype("<i2")
    (FOLDER / "gap.raw").write_bytes(values.tobytes())
    dims = ",".join(map(str, SHAPE))
    described = ["--dims", dims, "--type", "int16", "--fill-value", "-2000"]
    run("compress", FOLDER / "gap.raw", *described, "--lossless", "-o", FOLDER / "gap.nvol")
    run("decompress", FOLDER / "gap.nvol", "-o", FOLDER / "gap.vti")
    reader = vtkXMLImageDataReader()
    reader.SetFileName(str(FOLDER / "gap.vti"))
    writer = vtkNeuvolWriter()
    writer.SetTarget(writer.LOSSLESS)
    writer.SetInputConnection(reader.GetOutputPort())
    writer.SetFileName(str(FOLDER / "gap_again.nvol"))
    assert writer.Write() == 1
    info = json.loads(run("info", "--json", FOLDER / "gap_again.nvol"))
    assert info["fill_value"] == -2000 and info["frame"] == "unknown", info
    assert np.array_equal(array(reader.GetOutput()), values.reshape(SHAPE[::-1]))
    # A range of them, as DICOM's padding is one.
    before, behind = (FOLDER / "gap.vti").read_bytes().split(b"-2000.0</DataArray>")
    limit = b'<DataArray type="Float64" Name="neuvol_fill_limit" NumberOfTuples="1" format="ascii">-1990.0</DataArray>'
    (FOLDER / "range.vti").write_bytes(before + b"-2000.0</DataArray>" + limit + behind)
    reader.SetFileName(str(FOLDER / "range.vti"))
    assert writer.Write() == 1
    info = json.loads(run("info", "--json", FOLDER / "gap_again.nvol"))
    assert (info["fill_value"], info["fill_limit"]) == (-2000, -1990), info
    again = vtkNeuvolReader()
    again.SetFileName(str(FOLDER / "gap_again.nvol"))
    again.Update()
    assert (field(again.GetOutput(), "neuvol_fill_value"), field(again.GetOutput(), "neuvol_fill_limit")) == (-2000, -1990)


for test in (
    the_file,
    vtk_saves_what_we_read,
    legacy_files_say_it_too,
    vtk_writes_what_it_reads_of_ours,
    paraview_saves_both,
    a_fill_value_is_kept,
):
    test()
    print(f"{test.__name__}: ok")
