"""vtkNeuvolWriter and vtkNeuvolCompress: what is written is what was promised, and what cannot be is refused."""

import numpy as np
from checks import FOLDER, SHAPE, array, errors_of, field, says
from scene import image, scene
from vtkmodules.vtkCommonCore import vtkCommand, vtkFloatArray
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkImageData
from vtkmodules.vtkFiltersSources import vtkSphereSource
from vtkneuvol import vtkNeuvolCompress, vtkNeuvolReader, vtkNeuvolWriter

SMALL = np.round(scene()[:, ::2, ::2] * 200).astype(np.uint8)


def fast(algorithm, source):
    algorithm.SetInputDataObject(source)
    algorithm.SetPreset(algorithm.FAST)
    return algorithm


def read(path):
    r = vtkNeuvolReader()
    r.SetFileName(str(path))
    r.Update()
    return r.GetOutput()


def psnr(original, other):
    difference = original.astype(float) - other.astype(float)
    return 20 * np.log10((float(original.max()) - float(original.min())) / np.sqrt(np.mean(difference**2)))


def save_and_reopen():
    source = image(SMALL, "intensity", "counts")
    path = FOLDER / "written.nvol"
    w = fast(vtkNeuvolWriter(), source)
    w.SetFileName(str(path))
    w.SetTargetPSNR(36)
    seen = []
    w.AddObserver(vtkCommand.ProgressEvent, lambda *_: seen.append(w.GetProgress()))
    assert w.Write() == 1
    assert len(seen) > 3 and seen == sorted(seen), "a bar that grows"
    again = read(path)
    assert 36 <= psnr(SMALL, array(again)) <= 37
    assert again.GetOrigin() == source.GetOrigin() and again.GetSpacing() == source.GetSpacing()
    scalars = again.GetPointData().GetScalars()
    assert scalars.GetName() == "intensity" and scalars.GetDataTypeAsString() == "unsigned char"
    assert scalars.GetInformation().Get(scalars.UNITS_LABEL()) == "counts"
    # Over itself, by size.
    w.SetTarget(w.SIZE)
    w.SetTargetSize(3.0)
    assert w.Write() == 1
    assert 0.97 * 3000 <= path.stat().st_size <= 3000
    # Promises.
    w.SetTarget(w.MAX_ERROR)
    w.SetTargetMaxError(4)
    assert w.Write() == 1
    largest = np.abs(SMALL.astype(int) - array(read(path)).astype(int)).max()
    assert 2 <= largest <= 4, largest
    w.SetTarget(w.LOSSLESS)
    assert w.Write() == 1
    assert np.array_equal(array(read(path)), SMALL)


def extents_and_cells():
    # An extent that does not begin at 0: the world positions stay.
    source = image(SMALL, "intensity")
    source.SetExtent(7, 56, -3, 36, 10, 69)
    path = FOLDER / "shifted.nvol"
    w = fast(vtkNeuvolWriter(), source)
    w.SetFileName(str(path))
    w.SetTargetPSNR(30)
    assert w.Write() == 1
    corner = [0.0] * 3
    source.TransformIndexToPhysicalPoint(7, -3, 10, corner)
    assert np.allclose(read(path).GetOrigin(), corner, atol=1e-12)
    # Cell data sits at cell centres.
    cells = vtkImageData()
    cells.SetDimensions(51, 41, 61)
    cells.SetSpacing(2, 3, 4)
    of_cells = image(SMALL, "of cells").GetPointData().GetScalars()
    cells.GetCellData().SetScalars(of_cells)
    w.SetInputDataObject(cells)
    with errors_of(w) as messages:
        assert w.Write() == 0
    says(messages, "cell arrays only")
    w.SetInputArrayToProcess(0, 0, 0, vtkDataObject.FIELD_ASSOCIATION_CELLS, "of cells")
    assert w.Write() == 1
    again = read(path)
    assert again.GetDimensions() == (50, 40, 60) and again.GetOrigin() == (1, 1.5, 2)
    c = fast(vtkNeuvolCompress(), cells)
    c.SetTargetPSNR(30)
    c.SetInputArrayToProcess(0, 0, 0, vtkDataObject.FIELD_ASSOCIATION_CELLS, "of cells")
    runs = []
    c.AddObserver(vtkCommand.StartEvent, lambda *_: runs.append(1))
    c.Update()
    assert np.array_equal(array(c.GetOutput()), array(again)) and c.GetOutput().GetOrigin() == again.GetOrigin()
    c.Update()
    assert len(runs) == 1, "what was done is not done again"


def compress_shows_what_comes_back():
    source = image(SMALL, "intensity")
    c = fast(vtkNeuvolCompress(), source)
    c.SetTargetPSNR(34)
    c.Update()
    output = c.GetOutput()
    achieved = psnr(SMALL, array(output))
    assert 34 <= achieved <= 35 and abs(c.GetAchievedPSNR() - achieved) < 1e-9
    assert field(output, "neuvol_psnr") == c.GetAchievedPSNR()
    largest = np.abs(SMALL.astype(int) - array(output).astype(int)).max()
    assert c.GetAchievedMaximumError() == largest
    assert abs(c.GetAchievedRatio() - SMALL.size / c.GetFileBytes()) < 1e-9
    assert output.GetOrigin() == source.GetOrigin() and output.GetDimensions() == source.GetDimensions()
    # The file of the same options is the same.
    w = fast(vtkNeuvolWriter(), source)
    w.SetTargetPSNR(34)
    w.SetFileName(str(FOLDER / "same.nvol"))
    assert w.Write() == 1
    assert np.array_equal(array(read(FOLDER / "same.nvol")), array(output))


def what_failed_is_not_tried_again():
    source = image(SMALL, "intensity")
    c = fast(vtkNeuvolCompress(), source)
    c.SetTarget(c.SIZE)
    c.SetTargetSize(0.1)
    bars = []
    c.AddObserver(vtkCommand.ProgressEvent, lambda *_: bars.append(c.GetProgress()))
    for attempt in range(2):
        with errors_of(c) as messages:
            c.Update()
        says(messages, "100 bytes")
        assert c.GetAchievedPSNR() == 0 and c.GetOutput().GetNumberOfPoints() == 0
        if attempt == 0:
            trained = len(bars)
    # The pipeline's own 0 and 1, no training.
    assert len(bars) - trained <= 2, bars
    stop = c.AddObserver(vtkCommand.ProgressEvent, lambda *_: c.GetProgress() > 0 and c.SetAbortExecute(1))
    c.SetTarget(c.PSNR)
    c.SetTargetPSNR(34)
    c.Update()
    assert c.GetOutput().GetNumberOfPoints() == 0 and c.GetAchievedPSNR() == 0
    c.RemoveObserver(stop)
    bars.clear()
    c.Update()
    assert len(bars) <= 2 and c.GetOutput().GetNumberOfPoints() == 0, "what was aborted stays so"
    c.SetTargetPSNR(33)
    c.Update()
    assert c.GetAchievedPSNR() >= 33


def a_reread_file_keeps_frame_and_fill():
    source = read(FOLDER / "masked.nvol")
    w = fast(vtkNeuvolWriter(), source)
    w.SetTargetPSNR(30)
    w.SetFileName(str(FOLDER / "masked_again.nvol"))
    assert w.Write() == 1
    again = read(FOLDER / "masked_again.nvol")
    assert np.array_equal(np.isnan(array(again)), np.isnan(array(source)))
    assert field(again, "neuvol_frame") == field(source, "neuvol_frame")


def refusals():
    path = FOLDER / "refused.nvol"

    def refused(source, *parts, **properties):
        w = vtkNeuvolWriter()
        w.SetFileName(str(path))
        w.SetPreset(w.FAST)
        if source is not None:
            w.SetInputDataObject(source)
        for name, value in properties.items():
            getattr(w, f"Set{name}")(value)
        with errors_of(w) as messages:
            assert w.Write() == 0
        says(messages, *parts)
        assert not path.exists(), "nothing is left behind"

    vectors = image(SMALL, "intensity")
    velocity = vtkFloatArray()
    velocity.SetName("velocity")
    velocity.SetNumberOfComponents(3)
    velocity.SetNumberOfTuples(SMALL.size)
    velocity.Fill(0)
    vectors.GetPointData().SetScalars(velocity)
    refused(vectors, "'velocity'", "3 components", "Calculator")
    ball = vtkSphereSource()
    ball.Update()
    refused(ball.GetOutput(), "vtkPolyData", "vtkResampleToImage")
    bare = vtkImageData()
    bare.SetDimensions(4, 4, 4)
    refused(bare, "no array")
    w = fast(vtkNeuvolWriter(), image(SMALL, "intensity"))
    w.SetFileName(str(path))
    w.SetInputArrayToProcess(0, 0, 0, vtkDataObject.FIELD_ASSOCIATION_POINTS, "density")
    with errors_of(w) as messages:
        assert w.Write() == 0
    says(messages, "no point array 'density'")
    assert not path.exists()
    refused(vtkImageData(), "empty")
    wide = image(np.array([[[0, 2**40]]], np.int64), "wide")
    refused(wide, "32 bits", str(2**40))
    refused(image(SMALL, "i"), "PSNR of -3 dB", TargetPSNR=-3.0)
    refused(image(SMALL, "i"), "bytes", Target=vtkNeuvolWriter.SIZE, TargetSize=0.1)
    refused(image(SMALL, "i"), "No file name", FileName="")
    refused(image(SMALL, "i"), "/nowhere", FileName="/nowhere/file.nvol")
    # 64-bit integers that fit are taken.
    narrow = fast(vtkNeuvolWriter(), image(SMALL.astype(np.int64) * 1000, "wide"))
    narrow.SetFileName(str(FOLDER / "narrow.nvol"))
    narrow.SetTargetPSNR(30)
    assert narrow.Write() == 1
    assert read(FOLDER / "narrow.nvol").GetPointData().GetScalars().GetDataTypeAsString() == "int"


def abort_leaves_nothing():
    path = FOLDER / "aborted.nvol"
    w = fast(vtkNeuvolWriter(), image(SMALL, "intensity"))
    w.SetFileName(str(path))
    w.AddObserver(vtkCommand.ProgressEvent, lambda *_: w.SetAbortExecute(1))
    with errors_of(w) as messages:
        assert w.Write() == 0
    assert not messages and not path.exists()
    assert not list(FOLDER.glob("aborted*")), "no temporary file either"


for test in (
    save_and_reopen,
    extents_and_cells,
    compress_shows_what_comes_back,
    what_failed_is_not_tried_again,
    a_reread_file_keeps_frame_and_fill,
    refusals,
    abort_leaves_nothing,
):
    test()
    print(f"{test.__name__}: ok")
