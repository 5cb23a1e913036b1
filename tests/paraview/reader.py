"""vtkNeuvolReader: every number against the Rust decoder and the command's own report."""

import json
import shutil
import subprocess

import numpy as np
from checks import FOLDER, HAS_GPU, NEUVOL, SHAPE, array, decoded, errors_of, field, level, says, warnings_of
from vtkmodules.vtkCommonCore import vtkCommand, vtkDataArray
from vtkmodules.vtkIOXML import vtkXMLImageDataReader
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as Pipeline
from vtkneuvol import vtkNeuvolReader


def reader(name="scene.nvol"):
    out = vtkNeuvolReader()
    out.SetFileName(str(FOLDER / name))
    return out


def whole_file():
    r = reader()
    r.Update()
    image = r.GetOutput()
    assert np.array_equal(array(image), decoded())
    assert r.GetVoxelsEvaluated() == decoded().size
    original = vtkXMLImageDataReader()
    original.SetFileName(str(FOLDER / "scene.vti"))
    original.Update()
    source = original.GetOutput()
    assert image.GetDimensions() == source.GetDimensions() == SHAPE
    assert image.GetOrigin() == source.GetOrigin() and image.GetSpacing() == source.GetSpacing()
    for row in range(3):
        for column in range(3):
            directions = [i.GetDirectionMatrix().GetElement(row, column) for i in (image, source)]
            assert directions[0] == directions[1]
    scalars = image.GetPointData().GetScalars()
    assert scalars.GetName() == "density" and scalars.GetDataTypeAsString() == "short"
    assert scalars.GetInformation().Get(vtkDataArray.UNITS_LABEL()) == "HU"
    info = json.loads(subprocess.check_output([NEUVOL, "info", "--json", str(FOLDER / "scene.nvol")]))
    difference = array(image).astype(float) - array(source)
    low, high = source.GetScalarRange()
    psnr = 20 * np.log10((high - low) / np.sqrt(np.mean(difference**2)))
    assert abs(field(image, "neuvol_psnr") - psnr) < 1e-9 and psnr >= 42
    assert field(image, "neuvol_max_error") == np.abs(difference).max()
    size = (FOLDER / "scene.nvol").stat().st_size
    assert field(image, "neuvol_ratio") == 2 * difference.size / size
    assert field(image, "neuvol_ratio_float32") == 4 * difference.size / size
    assert field(image, "neuvol_frame") == "unknown"
    assert info["file_bytes"] == size


def any_extent_alone():
    expected = decoded()
    for extent in [(0, 99, 0, 79, 30, 30), (17, 17, 0, 79, 0, 59), (3, 90, 60, 70, 5, 50), (99, 99, 79, 79, 59, 59)]:
        r = reader()
        r.UpdateExtent(extent)
        x0, x1, y0, y1, z0, z1 = extent
        image = r.GetOutput()
        assert image.GetExtent() == extent
        assert np.array_equal(array(image), expected[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1])
        assert r.GetVoxelsEvaluated() == array(image).size, "an extent costs its own voxels"


def at_the_same_places(coarse, steps):
    """The samples of an image lie where every so many-th of the file's voxels does."""
    full = reader()
    full.UpdateInformation()
    full.UpdateExtent((0, 1, 0, 1, 0, 1))
    places = [0.0] * 3, [0.0] * 3
    coarse.TransformIndexToPhysicalPoint(1, 1, 1, places[0])
    full.GetOutput().TransformIndexToPhysicalPoint(*steps, places[1])
    return np.allclose(*places)


def level_of_detail():
    r = reader()
    r.UpdateInformation()
    # 100, 80 and 60 samples are halved to 7, 5 and 4: fewer than 8 are not halved.
    assert r.GetLevelOfDetailRange() == (0, 4) and r.GetLevelOfDetail() == 0
    for k in range(4):
        r = reader()
        r.SetLevelOfDetail(k)
        r.Update()
        image = r.GetOutput()
        wanted = level(k)
        assert image.GetDimensions() == wanted.shape[::-1]
        assert np.array_equal(array(image), wanted)
        assert np.allclose(image.GetSpacing(), np.array([0.8, 0.8, 1.25]) * 2**k)
        assert np.allclose(image.GetOrigin(), [-12.5, 30.25, 7.0])
        assert r.GetVoxelsEvaluated() == wanted.size, "nothing finer is decoded"
        assert at_the_same_places(image, [2**k] * 3)
        # Averaged, and not thinned: near the voxels that are there, and not the same.
        thinned = decoded()[:: 2**k, :: 2**k, :: 2**k].astype(float)
        assert k == 0 or 0 < np.abs(wanted - thinned).mean() < 60
    # A part of a level, and as float.
    r = reader()
    r.SetLevelOfDetail(2)
    r.SetOutputType(vtkNeuvolReader.FLOAT)
    r.UpdateExtent((3, 20, 5, 5, 0, 14))
    assert r.GetOutput().GetExtent() == (3, 20, 5, 5, 0, 14)
    assert r.GetOutput().GetPointData().GetScalars().GetDataTypeAsString() == "float"
    assert np.array_equal(array(r.GetOutput()), level(2)[:, 5:6, 3:21].astype(np.float32))
    assert r.GetVoxelsEvaluated() == 18 * 15
    # Aborted, it has nothing.
    stopped = reader()
    stopped.SetLevelOfDetail(1)
    stopped.AddObserver(vtkCommand.ProgressEvent, lambda *_: stopped.SetAbortExecute(1))
    stopped.Update()
    assert stopped.GetOutput().GetNumberOfPoints() == 0


def levels_that_are_not_there():
    r = reader()
    r.SetLevelOfDetail(9)
    with warnings_of(r) as messages:
        r.Update()
    assert len(messages) == 1
    says(messages, "scene.nvol", "no level of detail 9", "levels 0 to 4", "the last one")
    assert r.GetOutput().GetDimensions() == (7, 5, 4) and r.GetOutput().GetSpacing()[2] == 1.25 * 16
    r.SetStride(2)
    with errors_of(r) as messages:
        r.Update()
    says(messages, "LevelOfDetail is 9 and Stride is 2", "set LevelOfDetail to 0 or Stride to 1")
    r.SetLevelOfDetail(0)
    r.Update()
    assert r.GetOutput().GetDimensions() == (50, 40, 30)


def strides_take_voxels_as_they_are():
    expected = decoded()
    for stride in (1, 2, 3, 8):
        r = reader()
        r.SetStride(stride)
        r.Update()
        image = r.GetOutput()
        wanted = expected[::stride, ::stride, ::stride]
        assert image.GetDimensions() == wanted.shape[::-1]
        assert np.array_equal(array(image), wanted)
        assert np.allclose(image.GetSpacing(), np.array([0.8, 0.8, 1.25]) * stride)
        # Of a latent grid, the voxels between those that are wanted are decoded, too.
        between = [(n - 1) * stride + 1 for n in wanted.shape]
        assert r.GetVoxelsEvaluated() == np.prod(between)
        assert at_the_same_places(image, [stride] * 3)


def region_of_interest():
    expected = decoded()
    r = reader()
    r.UpdateInformation()
    assert r.GetGridExtent() == (0, 99, 0, 79, 0, 59)
    r.SetRegionOfInterest(10, 30, 5, 5, 0, -1)
    r.Update()
    image = r.GetOutput()
    assert image.GetExtent() == (10, 30, 5, 5, 0, 59)
    assert np.array_equal(array(image), expected[:, 5:6, 10:31])
    r.SetStride(4)
    r.Update()
    assert r.GetOutput().GetExtent() == (3, 7, 1, 1, 0, 14)
    assert np.array_equal(array(r.GetOutput()), expected[0:57:4, 4:5, 12:29:4])
    # A level has the samples of that stride, filtered.
    r.SetStride(1)
    r.SetLevelOfDetail(2)
    r.Update()
    assert r.GetOutput().GetExtent() == (3, 7, 1, 1, 0, 14)
    assert np.array_equal(array(r.GetOutput()), level(2)[:, 1:2, 3:8])
    r.SetRegionOfInterest(-50, 1000, 0, -1, 0, -1)
    r.SetLevelOfDetail(0)
    r.Update()
    assert r.GetOutput().GetDimensions() == SHAPE


def output_type():
    r = reader()
    r.SetOutputType(vtkNeuvolReader.FLOAT)
    r.Update()
    assert r.GetOutput().GetPointData().GetScalars().GetDataTypeAsString() == "float"
    assert np.array_equal(array(r.GetOutput()), decoded().astype(np.float32))


def masked_voxels():
    r = reader("masked.nvol")
    r.Update()
    missing = np.isnan(array(r.GetOutput()))
    assert missing[:, :20, :30].all() and missing.sum() == 60 * 20 * 30


def time_series():
    r = vtkNeuvolReader()
    for step in range(3):
        r.AddFileName(str(FOLDER / f"step_{step}.nvol"))
    assert r.GetNumberOfFileNames() == 3
    r.UpdateInformation()
    info = r.GetOutputInformation(0)
    assert [info.Get(Pipeline.TIME_STEPS(), i) for i in range(info.Length(Pipeline.TIME_STEPS()))] == [0, 1, 2]
    steps = []
    for time in (0.0, 2.0, 1.5):
        r.UpdateTimeStep(time)
        steps.append(array(r.GetOutput()).copy())
        alone = reader(f"step_{int(time)}.nvol")
        alone.Update()
        assert np.array_equal(steps[-1], array(alone.GetOutput()))
    assert not np.array_equal(steps[0], steps[1])
    r.UpdateTimeStep(1.9999999)
    assert np.array_equal(array(r.GetOutput()), steps[1]), "a step but for rounding"
    # A file of another grid has no place in the series, and the others keep theirs.
    r.AddFileName(str(FOLDER / "other_grid.nvol"))
    with errors_of(r) as messages:
        r.UpdateTimeStep(3.0)
    says(messages, "other_grid.nvol", "its grid is another")
    r.SetCacheSize(100)
    r.UpdateTimeStep(0.0)
    assert np.array_equal(array(r.GetOutput()), steps[0])


def cache():
    r = reader()
    r.Update()
    before = r.GetVoxelsEvaluated()
    r.Modified()
    r.UpdateExtent((5, 60, 7, 7, 0, 59))
    assert r.GetVoxelsEvaluated() == before, "these voxels are in the cache"
    assert np.array_equal(array(r.GetOutput()), decoded()[:, 7:8, 5:61])
    r.SetCacheSize(0)
    r.UpdateExtent((5, 60, 7, 7, 0, 59))
    assert r.GetVoxelsEvaluated() == 56 * 60, "without a cache"


def device():
    r = reader()
    assert r.GetDevice() == vtkNeuvolReader.AUTO
    r.Update()
    evaluated = {}
    for chosen in (vtkNeuvolReader.CPU, vtkNeuvolReader.CUDA, vtkNeuvolReader.AUTO):
        r.SetDevice(chosen)
        with warnings_of(r) as messages:
            r.Update()
            r.Modified()
            r.Update()
        evaluated[chosen] = array(r.GetOutput()).copy()
        # On a GPU there is nothing to say; without one, once why not.
        assert len(messages) <= (chosen == vtkNeuvolReader.CUDA), messages
        assert messages or HAS_GPU or chosen != vtkNeuvolReader.CUDA
        if messages:
            says(messages, "evaluating on the CPU, not on cuda:0: ")
            assert np.array_equal(evaluated[chosen], decoded())
    assert np.array_equal(evaluated[vtkNeuvolReader.CPU], decoded())
    assert np.abs(evaluated[vtkNeuvolReader.AUTO].astype(int) - decoded()).max() <= 1


def progress_and_abort():
    r = reader()
    seen = []
    r.AddObserver(vtkCommand.ProgressEvent, lambda *_: seen.append(r.GetProgress()))
    r.Update()
    assert seen and seen == sorted(seen) and seen[-1] == 1.0
    stopped = reader()
    stopped.AddObserver(vtkCommand.ProgressEvent, lambda *_: stopped.SetAbortExecute(1))
    stopped.Update()
    assert stopped.GetOutput().GetNumberOfPoints() == 0, "what was aborted has no half-read voxels"
    stopped.RemoveAllObservers()
    stopped.Update()
    assert np.array_equal(array(stopped.GetOutput()), decoded()), "and the next update is a new one"


def failures():
    for name, parts in {
        "corrupt.nvol": ["corrupt.nvol", "section", "checksum"],
        "damaged.nvol": ["damaged.nvol", "section", "checksum"],
        "nothing.nvol": ["nothing.nvol", "No such file"],
        "scene.vti": ["scene.vti", "not a .nvol file"],
    }.items():
        r = reader(name)
        with errors_of(r) as messages:
            r.Update()
        says(messages, *parts)
        assert r.GetOutput().GetNumberOfPoints() == 0
    r = reader()
    assert r.CanReadFile(str(FOLDER / "scene.nvol")) == 1
    assert r.CanReadFile(str(FOLDER / "scene.vti")) == 0 and r.CanReadFile(str(FOLDER / "nothing")) == 0
    with errors_of(r) as messages:
        r.PanicOnPurpose()
    says(messages, "a panic on purpose", "bug")
    r.Update()
    assert np.array_equal(array(r.GetOutput()), decoded()), "and it lives on"
    empty = vtkNeuvolReader()
    with errors_of(empty) as messages:
        empty.Update()
    says(messages, "No file name")


def a_replaced_file_is_read_again():
    copy = FOLDER / "replaced.nvol"
    shutil.copy(FOLDER / "step_0.nvol", copy)
    r = reader(copy.name)
    r.Update()
    first = array(r.GetOutput()).copy()
    shutil.copy(FOLDER / "step_2.nvol", copy)
    r.Modified()
    r.Update()
    assert not np.array_equal(first, array(r.GetOutput()))


for test in (
    whole_file,
    any_extent_alone,
    level_of_detail,
    levels_that_are_not_there,
    strides_take_voxels_as_they_are,
    region_of_interest,
    output_type,
    masked_voxels,
    time_series,
    cache,
    device,
    progress_and_abort,
    failures,
    a_replaced_file_is_read_again,
):
    test()
    print(f"{test.__name__}: ok")
