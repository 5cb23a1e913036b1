"""vtkNeuvolWriter and vtkNeuvolCompress: what is written is what was asked for, and what cannot be is refused."""

import re

import numpy as np
from checks import FOLDER, SHAPE, array, errors_of, field, says, warnings_of
from scene import image, scene
from vtkmodules.vtkCommonCore import vtkCommand, vtkFloatArray
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkImageData, vtkMultiBlockDataSet, vtkTable
from vtkmodules.vtkFiltersCore import vtkThreshold
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
    w.SetTarget(w.PSNR)
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
    # Guarantees.
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
    w.SetTarget(w.PSNR)
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
    assert again.GetDimensions() == (51, 41, 61) and again.GetOrigin() == (0, 0, 0)
    assert again.GetSpacing() == (2, 3, 4)
    values = vtk_to_numpy(again.GetCellData().GetScalars()).reshape(SMALL.shape)
    assert psnr(SMALL, values) >= 30 and again.GetPointData().GetNumberOfArrays() == 0
    c = fast(vtkNeuvolCompress(), cells)
    c.SetTarget(c.PSNR)
    c.SetTargetPSNR(30)
    c.SetInputArrayToProcess(0, 0, 0, vtkDataObject.FIELD_ASSOCIATION_CELLS, "of cells")
    runs = []
    c.AddObserver(vtkCommand.StartEvent, lambda *_: runs.append(1))
    c.Update()
    of_filter = c.GetOutput().GetCellData().GetScalars()
    assert np.array_equal(vtk_to_numpy(of_filter), values.ravel()) and of_filter.GetName() == "of cells"
    assert c.GetOutput().GetBounds() == again.GetBounds() == cells.GetBounds()
    c.Update()
    assert len(runs) == 1, "what was done is not done again"


def compress_shows_what_comes_back():
    source = image(SMALL, "intensity")
    c = fast(vtkNeuvolCompress(), source)
    c.SetTarget(c.PSNR)
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
    w.SetTarget(w.PSNR)
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
    c.SetTarget(c.PSNR)
    c.SetTargetPSNR(33)
    c.Update()
    assert c.GetAchievedPSNR() >= 33


def a_reread_file_keeps_frame_and_fill():
    source = read(FOLDER / "masked.nvol")
    w = fast(vtkNeuvolWriter(), source)
    w.SetTarget(w.PSNR)
    w.SetTargetPSNR(30)
    w.SetFileName(str(FOLDER / "masked_again.nvol"))
    assert w.Write() == 1
    again = read(FOLDER / "masked_again.nvol")
    assert np.array_equal(np.isnan(array(again)), np.isnan(array(source)))
    assert field(again, "neuvol_frame") == field(source, "neuvol_frame")


def refusals():
    path = FOLDER / "refused.nvol"
    path.unlink(missing_ok=True)

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
    spectrum = vtkFloatArray()
    spectrum.SetName("spectrum")
    spectrum.SetNumberOfComponents(10)
    spectrum.SetNumberOfTuples(SMALL.size)
    spectrum.Fill(0)
    vectors.GetPointData().AddArray(spectrum)
    vectors.GetPointData().SetActiveScalars("spectrum")
    refused(vectors, "'spectrum'", "10 components", "1 to 9", "Calculator")
    ball = vtkSphereSource()
    ball.Update()
    refused(ball.GetOutput(), "vtkPolyData", "vtkResampleToImage")
    bare = vtkImageData()
    bare.SetDimensions(4, 4, 4)
    refused(bare, "no array")
    # Whatever ParaView's sources and filters give has a sentence of its own.
    blocks = vtkMultiBlockDataSet()
    blocks.SetBlock(0, image(SMALL, "intensity"))
    blocks.SetBlock(1, ball.GetOutput())
    refused(blocks, "vtkPolyData", "block of the vtkMultiBlockDataSet", "Extract Block", "vtkResampleToImage")
    cut = vtkThreshold()
    cut.SetInputData(image(SMALL, "intensity"))
    cut.Update()
    refused(cut.GetOutput(), "vtkUnstructuredGrid", "vtkResampleToImage")
    refused(vtkTable(), "vtkTable", "no points in space")
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
    refused(image(SMALL, "i"), "PSNR target of -3 dB", Target=vtkNeuvolWriter.PSNR, TargetPSNR=-3.0)
    refused(image(SMALL, "i"), "bytes", Target=vtkNeuvolWriter.SIZE, TargetSize=0.1)
    # The ratio that was asked for is named, and the best that there is.
    refused(
        image(SMALL, "i"), "a ratio of 1000000:1", "the smallest that was found is", Target=vtkNeuvolWriter.RATIO, TargetRatio=1e6
    )
    refused(image(SMALL, "i"), "No file name", FileName="")
    refused(image(SMALL, "i"), "/nowhere", FileName="/nowhere/file.nvol")
    # 64-bit integers that fit are taken.
    narrow = fast(vtkNeuvolWriter(), image(SMALL.astype(np.int64) * 1000, "wide"))
    narrow.SetFileName(str(FOLDER / "narrow.nvol"))
    narrow.SetTarget(narrow.PSNR)
    narrow.SetTargetPSNR(30)
    with warnings_of(narrow) as messages:
        assert narrow.Write() == 1
    says(messages, "narrow.nvol: ", "'wide' are int64", "int32")
    assert read(FOLDER / "narrow.nvol").GetPointData().GetScalars().GetDataTypeAsString() == "int"


def outcome_and_warnings():
    # Two values and one between: whatever is not exact is far above 11 dB, and that is said.
    values = np.zeros((12, 12, 12), np.uint8)
    values[6:] = 255
    values[3, 4, 5] = 1
    step = image(values, "step", "counts")
    path = FOLDER / "missed.nvol"
    w = fast(vtkNeuvolWriter(), step)
    w.SetFileName(str(path))
    c = fast(vtkNeuvolCompress(), step)
    assert w.GetOutcome() == c.GetOutcome() == "" and not w.GetReportOutcome()
    for algorithm in (w, c):
        algorithm.SetTarget(algorithm.PSNR)
        algorithm.SetTargetPSNR(11)
        with warnings_of(algorithm) as messages:
            algorithm.Write() if algorithm is w else algorithm.Update()
        decoded = array(read(path)) if algorithm is w else array(c.GetOutput())
        achieved = psnr(values, decoded)
        largest = np.abs(values.astype(int) - decoded).max()
        assert 12 < achieved < 100
        says(messages, "within 1 dB of the target", f"this is {achieved:.2f} dB", "missed.nvol: " if algorithm is w else "")
        parts = re.fullmatch(
            r"(\d+) bytes, ratio ([\d.]+) \(([\d.]+) against float32\), PSNR ([\d.]+) dB, RMS error ([\d.]+) counts, "
            r"largest error (\d+) counts, largest mean error of a band of values [+-][\d.]+ counts \(.+ counts\)",
            algorithm.GetOutcome(),
        )
        size, ratio, as_float, said, rms, error = map(float, parts.groups())
        assert abs(rms - np.sqrt(np.mean((values.astype(float) - decoded) ** 2))) < 1e-3 * rms
        assert size == path.stat().st_size and error == largest and abs(said - achieved) < 0.0051, parts
        assert abs(ratio - values.size / size) < 0.051 and abs(as_float - 4 * values.size / size) < 0.051, parts
    # What is on target says nothing, and what failed has no outcome.
    w.SetTarget(w.LOSSLESS)
    with warnings_of(w) as messages:
        assert w.Write() == 1
    assert not messages and w.GetOutcome().endswith(", every voxel exactly as it was")
    w.SetTarget(w.SIZE)
    w.SetTargetSize(0.1)
    with errors_of(w):
        assert w.Write() == 0
    assert w.GetOutcome() == ""


def the_default_is_a_quality():
    """Noise of a known size: the error stays within it, and what was measured goes into the field data."""
    noise = 20.0
    z, y, x = np.indices((48, 48, 48))
    smooth = 2000 * np.sin(x / 25) * np.cos(y / 30) + 10 * z
    noisy = (smooth + np.random.default_rng(1).normal(0, noise, smooth.shape)).astype(np.float32)
    rms = {}
    for quality in ("PREVIEW", "STANDARD", "FINE"):
        c = fast(vtkNeuvolCompress(), image(noisy, "density", "HU"))
        assert c.GetTarget() == c.QUALITY and c.GetQuality() == c.STANDARD
        c.SetQuality(getattr(c, quality))
        c.Update()
        output = c.GetOutput()
        decoded = array(output)
        rms[quality] = np.sqrt(np.mean((noisy.astype(float) - decoded) ** 2))
        assert abs(field(output, "neuvol_noise") - noise) < 0.1 * noise, field(output, "neuvol_noise")
        assert abs(field(output, "neuvol_rmse") - rms[quality]) < 1e-6 * noise
        mean = np.mean(decoded.astype(float) - noisy)
        assert abs(field(output, "neuvol_mean_error") - mean) < 1e-3 * noise
        assert "(the noise of the original is " in c.GetOutcome(), c.GetOutcome()
        fields = output.GetFieldData()
        shares, bands = fields.GetArray("neuvol_band_share"), fields.GetAbstractArray("neuvol_band")
        rows = bands.GetNumberOfValues()
        names = [bands.GetValue(n) for n in range(rows)]
        assert shares.GetNumberOfTuples() == rows and "soft tissue, -30 to 150" in names, names
        assert abs(sum(shares.GetTuple1(n) for n in range(rows)) - 1) < 1e-2
        assert fields.GetArray("neuvol_band_rmse").GetNumberOfTuples() == rows
    assert rms["FINE"] <= noise / 2 * 1.05 and noise / 2 < rms["STANDARD"] <= noise * 1.05 < rms["PREVIEW"], rms


def steps_are_a_file_series():
    source = vtkNeuvolReader()
    for step in range(3):
        source.AddFileName(str(FOLDER / f"step_{step}.nvol"))

    def written(name, **properties):
        w = vtkNeuvolWriter()
        w.SetPreset(w.FAST)
        w.SetTarget(w.LOSSLESS)
        w.SetInputConnection(source.GetOutputPort())
        w.SetFileName(str(FOLDER / name / "v.nvol"))
        (FOLDER / name).mkdir(exist_ok=True)
        for path in (FOLDER / name).iterdir():
            path.unlink()
        for key, value in properties.items():
            getattr(w, f"Set{key}")(value)
        with errors_of(w) as messages:
            done = w.Write()
        return done, sorted(path.name for path in (FOLDER / name).iterdir()), messages

    assert written("one") == (1, ["v.nvol"], [])
    assert written("all", WriteAllTimeSteps=True) == (1, [f"v_000{n}.nvol" for n in range(3)], [])
    for step in range(3):
        expected = array(read(FOLDER / f"step_{step}.nvol"))
        assert np.array_equal(array(read(FOLDER / "all" / f"v_000{step}.nvol")), expected)
    some = written("some", WriteAllTimeSteps=True, MinTimeStep=0, MaxTimeStep=2, TimeStepStride=2, FileNameSuffix="-t%d-")
    assert some == (1, ["v-t0-.nvol", "v-t2-.nvol"], [])
    last = written("last", WriteAllTimeSteps=True, MinTimeStep=1, MaxTimeStep=9, FileNameSuffix=".%2d")
    assert last == (1, ["v. 1.nvol", "v. 2.nvol"], [])
    done, names, messages = written("none", WriteAllTimeSteps=True, MinTimeStep=3)
    assert (done, names) == (0, [])
    says(messages, "no time step from 3 on", "has 3")
    for suffix in ("", "_", "%s", "%d%d", "%n", "_%1234d", "%"):
        done, names, messages = written("bad", WriteAllTimeSteps=True, FileNameSuffix=suffix)
        assert (done, names) == (0, []), suffix
        says(messages, "suffix of file names", "%04d")
    # Without steps there is one file, under its own name.
    w = fast(vtkNeuvolWriter(), image(SMALL, "intensity"))
    w.SetTarget(w.LOSSLESS)
    w.SetWriteAllTimeSteps(True)
    w.SetFileName(str(FOLDER / "still.nvol"))
    assert w.Write() == 1 and (FOLDER / "still.nvol").exists()


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
    outcome_and_warnings,
    the_default_is_a_quality,
    steps_are_a_file_series,
    abort_leaves_nothing,
):
    test()
    print(f"{test.__name__}: ok")
