"""vtkNeuvolReader and vtkNeuvolSampler on files of several arrays, components and time steps: every value against the originals."""

import numpy as np
from checks import FOLDER, array, errors_of, says, warnings_of
from scene import FLOW_ERROR, FLOW_SHAPE, FLOW_TIMES, add, flow, image, picture
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkCommand, vtkDataArray
from vtkmodules.vtkCommonDataModel import vtkDataObject
from vtkmodules.vtkCommonExecutionModel import vtkAlgorithmOutput
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as Pipeline
from vtkneuvol import vtkNeuvolCompress, vtkNeuvolReader, vtkNeuvolSampler, vtkNeuvolWriter

WHOLE = int(np.prod(FLOW_SHAPE))


def reader(name="flow.nvol"):
    out = vtkNeuvolReader()
    out.SetFileName(str(FOLDER / name))
    return out


def components(data, name):
    """A point array of several components, z first, components last."""
    values = vtk_to_numpy(data.GetPointData().GetArray(name))
    return values.reshape(*data.GetDimensions()[::-1], -1)


def times_of(algorithm):
    algorithm.UpdateInformation()
    info = algorithm.GetOutputInformation(0)
    return [info.Get(Pipeline.TIME_STEPS(), i) for i in range(info.Length(Pipeline.TIME_STEPS()))]


def arrays_and_components():
    r = reader()
    r.Update()
    data = r.GetOutput()
    pressure, velocity = flow(0)
    assert data.GetDimensions() == FLOW_SHAPE and data.GetPointData().GetNumberOfArrays() == 2
    assert data.GetSpacing() == image(pressure, "p").GetSpacing() and data.GetOrigin() == image(pressure, "p").GetOrigin()
    found = data.GetPointData().GetArray("velocity")
    assert found.GetNumberOfComponents() == 3 and found.GetDataTypeAsString() == "float"
    assert [found.GetComponentName(c) for c in range(3)] == ["u", "v", "w"]
    assert np.abs(components(data, "velocity") - velocity).max() <= FLOW_ERROR
    assert np.abs(array(data, "pressure") - pressure).max() <= FLOW_ERROR
    unit = data.GetPointData().GetArray("pressure").GetInformation().Get(vtkDataArray.UNITS_LABEL())
    assert unit == "Pa" and data.GetPointData().GetScalars().GetName() == "pressure"
    assert r.GetVoxelsEvaluated() >= 4 * WHOLE
    # Figures of each.
    fields = data.GetFieldData()
    assert fields.GetArray("neuvol_psnr") is None
    for name, original, decoded in (
        ("pressure", pressure[..., None], array(data, "pressure")[..., None]),
        ("velocity", velocity, components(data, "velocity")),
    ):
        errors = decoded.astype(float) - original
        rmse = fields.GetArray(f"neuvol_rmse {name}")
        assert rmse.GetNumberOfTuples() == 1 and rmse.GetNumberOfComponents() == original.shape[3]
        assert np.allclose(rmse.GetTuple(0), np.sqrt(np.mean(errors**2, (0, 1, 2))), rtol=1e-6)
        assert np.allclose(fields.GetArray(f"neuvol_max_error {name}").GetTuple(0), np.abs(errors).max((0, 1, 2)), rtol=1e-6)
    assert fields.GetArray("neuvol_psnr velocity").GetComponentName(1) == "v"
    names = fields.GetAbstractArray("neuvol_array")
    assert [names.GetValue(i) for i in range(names.GetNumberOfValues())] == ["pressure", "velocity"]
    bands = fields.GetAbstractArray("neuvol_band velocity")
    assert bands.GetValue(0).startswith("u: ") and bands.GetValue(bands.GetNumberOfValues() - 1).startswith("w: ")


def only_chosen_arrays_are_decoded():
    r = reader()
    r.SetCacheSize(0)
    r.UpdateInformation()
    assert [r.GetPointArrayName(i) for i in range(r.GetNumberOfPointArrays())] == ["pressure", "velocity"]
    assert r.GetNumberOfCellArrays() == 0 and r.GetPointArrayStatus("velocity") == 1
    r.SetPointArrayStatus("velocity", 0)
    r.Update()
    data = r.GetOutput()
    assert data.GetPointData().GetNumberOfArrays() == 1 and data.GetPointData().GetScalars().GetName() == "pressure"
    alone = r.GetVoxelsEvaluated()
    assert data.GetFieldData().GetArray("neuvol_psnr").GetNumberOfComponents() == 1, "a single one is called as ever"
    r.SetPointArrayStatus("velocity", 1)
    r.SetPointArrayStatus("pressure", 0)
    r.Update()
    assert r.GetVoxelsEvaluated() == 4 * alone, (r.GetVoxelsEvaluated(), alone)
    assert r.GetOutput().GetPointData().GetScalars().GetName() == "velocity", "the first one, where all have several components"
    assert r.GetOutput().GetPointData().GetNumberOfArrays() == 1, "nothing stays of the last update"
    assert r.GetOutput().GetFieldData().GetArray("neuvol_psnr").GetNumberOfComponents() == 3
    r.GetPointDataArraySelection().DisableAllArrays()
    r.Update()
    assert r.GetOutput().GetDimensions() == FLOW_SHAPE and r.GetOutput().GetPointData().GetNumberOfArrays() == 0
    # Chosen before the file is known.
    early = reader()
    early.SetPointArrayStatus("pressure", 0)
    early.Update()
    assert early.GetPointArrayStatus("pressure") == 0 and early.GetOutput().GetPointData().GetNumberOfArrays() == 1


def time_steps():
    r = reader()
    assert times_of(r) == list(FLOW_TIMES)
    for time, step in ((0.5, 1), (2.0, 2), (0.0, 0), (-1.0, 0), (0.4999999999, 1), (1.9, 1), (100.0, 2)):
        r.UpdateTimeStep(time)
        data = r.GetOutput()
        assert np.abs(components(data, "velocity") - flow(step)[1]).max() <= FLOW_ERROR, time
        assert data.GetInformation().Get(vtkDataObject.DATA_TIME_STEP()) == FLOW_TIMES[step]
    assert times_of(reader("picture.nvol")) == [] and times_of(reader("scene.nvol")) == []
    # Files of several steps are not the files of a series.
    several = vtkNeuvolReader()
    for name in ("flow.nvol", "picture.nvol"):
        several.AddFileName(str(FOLDER / name))
    with errors_of(several) as messages:
        several.Update()
    says(messages, "flow.nvol", "holds 3 time steps", "read it alone")
    several.RemoveAllFileNames()
    for name in ("picture.nvol", "scene.nvol"):
        several.AddFileName(str(FOLDER / name))
    several.Update()
    with errors_of(several) as messages:
        several.UpdateTimeStep(1.0)
    says(messages, "scene.nvol", "no array 'green'" if several.GetPointArrayName(0) == "green" else "no array 'colour'")


def a_file_that_grows_by_a_second_one_is_a_series():
    r = vtkNeuvolReader()
    r.AddFileName(str(FOLDER / "step_0.nvol"))
    assert times_of(r) == []
    r.AddFileName(str(FOLDER / "step_1.nvol"))
    assert times_of(r) == [0, 1]


def colours_are_exact():
    r = reader("picture.nvol")
    r.Update()
    data = r.GetOutput()
    colour = data.GetPointData().GetArray("colour")
    assert colour.GetDataTypeAsString() == "unsigned char" and colour.GetNumberOfComponents() == 3
    assert np.array_equal(components(data, "colour"), picture())
    assert np.array_equal(array(data, "green"), picture()[..., 1])
    assert data.GetPointData().GetScalars().GetName() == "green"
    assert data.GetFieldData().GetArray("neuvol_psnr colour") is None, "where nothing differs there is no number"
    r.SetOutputType(r.FLOAT)
    r.Update()
    assert np.array_equal(components(r.GetOutput(), "colour"), picture().astype(np.float32))


def regions_strides_and_levels_are_those_of_all():
    expected = picture()
    r = reader("picture.nvol")
    r.SetRegionOfInterest(5, 20, 3, 3, 0, -1)
    r.Update()
    assert np.array_equal(components(r.GetOutput(), "colour"), expected[:, 3:4, 5:21])
    r.SetRegionOfInterest(0, -1, 0, -1, 0, -1)
    r.SetStride(3)
    r.Update()
    assert np.array_equal(components(r.GetOutput(), "colour"), expected[::3, ::3, ::3])
    assert np.array_equal(array(r.GetOutput(), "green"), expected[::3, ::3, ::3, 1])
    r.SetStride(1)
    r.SetLevelOfDetail(1)
    r.Update()
    halves = components(r.GetOutput(), "colour")
    assert halves.shape == (12, 16, 20, 3) and np.array_equal(halves[..., 1], array(r.GetOutput(), "green"))
    r = reader()
    r.UpdateInformation()
    r.UpdateExtent((3, 10, 0, 31, 7, 7))
    assert np.abs(components(r.GetOutput(), "velocity") - flow(0)[1][7:8, :, 3:11]).max() <= FLOW_ERROR


def points_and_cells_of_one_image():
    source = image(picture()[..., 0], "of points")
    add(source.GetCellData(), picture()[1:, 1:, 1:, 2], "of cells")
    _, r = written(source, "mixed.nvol", AllArrays=True)
    data = r.GetOutput()
    assert data.GetDimensions() == FLOW_SHAPE
    assert np.array_equal(array(data, "of points"), picture()[..., 0])
    cells = vtk_to_numpy(data.GetCellData().GetArray("of cells")).reshape([n - 1 for n in FLOW_SHAPE[::-1]])
    assert np.array_equal(cells, picture()[1:, 1:, 1:, 2])
    assert data.GetPointData().GetScalars() and data.GetCellData().GetScalars()
    assert (r.GetPointArrayName(0), r.GetCellArrayName(0)) == ("of points", "of cells")
    # Coarser, cells lie about the places of the finer ones, and points do not.
    r.SetLevelOfDetail(1)
    with errors_of(r) as messages:
        r.Update()
    says(messages, "mixed.nvol", "'of cells'", "another grid than 'of points'", "one of cells and one of points")
    r.SetCellArrayStatus("of cells", 0)
    r.Update()
    assert r.GetOutput().GetDimensions() == (20, 16, 12)


def one_bar_for_all_and_an_abort_between():
    r = reader()
    seen = []
    r.AddObserver(vtkCommand.ProgressEvent, lambda *_: seen.append(r.GetProgress()))
    r.Update()
    assert len(seen) >= 4 and seen == sorted(seen) and seen[-1] == 1.0 and any(0.2 < s < 0.8 for s in seen), seen
    stopped = reader()
    stopped.AddObserver(vtkCommand.ProgressEvent, lambda *_: stopped.GetProgress() > 0.4 and stopped.SetAbortExecute(1))
    stopped.Update()
    assert stopped.GetOutput().GetNumberOfPoints() == 0
    stopped.RemoveAllObservers()
    stopped.Update()
    assert np.array_equal(components(stopped.GetOutput(), "velocity"), components(r.GetOutput(), "velocity"))


def the_cache_is_shared():
    r = reader()
    for time in (0.5, 2.0):
        r.UpdateTimeStep(time)
        before = r.GetVoxelsEvaluated()
        r.Modified()
        r.UpdateTimeStep(time)
        assert r.GetVoxelsEvaluated() == before


def written(source, name, **properties):
    """What comes back from the writer's file, and the messages of the writer's that are no errors."""
    w = vtkNeuvolWriter()
    w.SetPreset(w.FAST)
    w.SetTarget(w.LOSSLESS)
    (w.SetInputConnection if isinstance(source, vtkAlgorithmOutput) else w.SetInputDataObject)(source)
    w.SetFileName(str(FOLDER / name))
    for key, value in properties.items():
        getattr(w, f"Set{key}")(*(value if isinstance(value, tuple) else (value,)))
    assert w.Write() == 1
    r = reader(name)
    r.Update()
    return w, r


def the_writer_takes_components():
    pressure, velocity = flow(1)
    source = image(pressure, "pressure", "Pa")
    add(source.GetPointData(), velocity, "velocity", "uvw")
    velocity_alone = (0, 0, 0, vtkDataObject.FIELD_ASSOCIATION_POINTS, "velocity")
    w, r = written(source, "vector.nvol", InputArrayToProcess=velocity_alone)
    found = r.GetOutput().GetPointData().GetArray("velocity")
    assert np.array_equal(components(r.GetOutput(), "velocity"), velocity)
    assert [found.GetComponentName(c) for c in range(3)] == ["u", "v", "w"]
    assert r.GetOutput().GetPointData().GetNumberOfArrays() == 1 and times_of(r) == []
    size = (FOLDER / "vector.nvol").stat().st_size
    outcome = w.GetOutcome()
    assert outcome.startswith(f"{size} bytes, ratio ") and outcome.endswith(" 3 volumes, every voxel exactly as it was"), outcome
    # A bound holds for each; of a size each has a part.
    w, r = written(source, "bounded.nvol", InputArrayToProcess=velocity_alone, Target=4, TargetMaxError=0.02)
    errors = np.abs(components(r.GetOutput(), "velocity") - velocity).max((0, 1, 2))
    assert (errors <= 0.02).all() and (errors > 0.005).all(), errors
    assert " 3 volumes, PSNR " in w.GetOutcome() and " dB to " in w.GetOutcome()
    written(source, "sized.nvol", InputArrayToProcess=velocity_alone, Target=3, TargetSize=6.0)
    assert 5500 <= (FOLDER / "sized.nvol").stat().st_size <= 6000
    small = fast(vtkNeuvolWriter(), source, Target=3, TargetSize=0.05, InputArrayToProcess=velocity_alone)
    small.SetFileName(str(FOLDER / "too_small.nvol"))
    with errors_of(small) as messages:
        assert small.Write() == 0
    says(messages, "50 bytes are too few for 3 volumes")
    assert not (FOLDER / "too_small.nvol").exists()


def the_writer_takes_all_arrays():
    source = image(picture()[..., 0], "red")
    add(source.GetPointData(), picture(), "colour", ("R", "G", "B"))
    add(source.GetCellData(), picture()[1:, 1:, 1:, 2].astype(np.int64), "cells")
    add(source.GetPointData(), np.zeros((*picture().shape[:3], 10), np.uint8), "spectrum")
    w = fast(vtkNeuvolWriter(), source, AllArrays=True, Target=5)
    w.SetFileName(str(FOLDER / "all.nvol"))
    with warnings_of(w) as messages:
        assert w.Write() == 1
    says(messages, "'spectrum' has 10 components and is left out", "1 to 9")
    says(messages, "'cells' are int64", "int32")
    r = reader("all.nvol")
    r.Update()
    data = r.GetOutput()
    assert np.array_equal(array(data, "red"), picture()[..., 0])
    assert np.array_equal(components(data, "colour"), picture())
    cells = vtk_to_numpy(data.GetCellData().GetArray("cells")).reshape([n - 1 for n in FLOW_SHAPE[::-1]])
    assert np.array_equal(cells, picture()[1:, 1:, 1:, 2])
    # Two of one name cannot be told apart in the file.
    add(source.GetCellData(), picture()[1:, 1:, 1:, 2], "red")
    with errors_of(w) as messages:
        assert w.Write() == 0
    says(messages, "'red'")


def the_filter_shows_what_comes_back():
    source = image(flow(0)[0], "pressure")
    add(source.GetPointData(), flow(0)[1], "velocity", "uvw")
    c = fast(vtkNeuvolCompress(), source, AllArrays=True, Target=1, TargetPSNR=40.0)
    c.Update()
    data = c.GetOutput()
    psnr = [data.GetFieldData().GetArray(f"neuvol_psnr {name}").GetTuple(0) for name in ("pressure", "velocity")]
    assert c.GetAchievedPSNR() == min(psnr[0] + psnr[1]) >= 40
    errors = np.abs(components(data, "velocity") - flow(0)[1]).max(), np.abs(array(data, "pressure") - flow(0)[0]).max()
    assert abs(c.GetAchievedMaximumError() - max(errors)) < 1e-6
    w = fast(vtkNeuvolWriter(), source, AllArrays=True, Target=1, TargetPSNR=40.0)
    w.SetFileName(str(FOLDER / "same_several.nvol"))
    assert w.Write() == 1 and (FOLDER / "same_several.nvol").stat().st_size == c.GetFileBytes()
    r = reader("same_several.nvol")
    r.Update()
    assert np.array_equal(components(r.GetOutput(), "velocity"), components(data, "velocity"))
    # Exact colours, of which one is differences to another.
    source = image(picture()[..., 0], "red")
    add(source.GetPointData(), picture(), "colour")
    c = fast(vtkNeuvolCompress(), source, Target=5, InputArrayToProcess=(0, 0, 0, 0, "colour"))
    c.Update()
    assert np.array_equal(components(c.GetOutput(), "colour"), picture())


def time_steps_go_into_one_file():
    source = reader()
    together = dict(AllArrays=True, WriteAllTimeSteps=True, TimeStepsInOneFile=True)
    _, r = written(source.GetOutputPort(), "steps.nvol", **together)
    assert times_of(r) == list(FLOW_TIMES)
    for time in FLOW_TIMES:
        r.UpdateTimeStep(time)
        source.UpdateTimeStep(time)
        assert np.array_equal(components(r.GetOutput(), "velocity"), components(source.GetOutput(), "velocity"))
        assert np.array_equal(array(r.GetOutput(), "pressure"), array(source.GetOutput(), "pressure"))
    _, r = written(source.GetOutputPort(), "some_steps.nvol", TimeStepStride=2, **together)
    assert times_of(r) == [0, 2]
    _, r = written(source.GetOutputPort(), "a_step.nvol", MinTimeStep=1, MaxTimeStep=1, **together)
    assert times_of(r) == [0.5]
    assert np.array_equal(array(r.GetOutput(), "pressure"), at_time(source, 0.5))
    # As a series they are files of one step each.
    written_as_series = fast(vtkNeuvolWriter(), None, Target=5, AllArrays=True, WriteAllTimeSteps=True)
    written_as_series.SetInputConnection(source.GetOutputPort())
    written_as_series.SetFileName(str(FOLDER / "each.nvol"))
    assert written_as_series.Write() == 1
    series = vtkNeuvolReader()
    for step in range(3):
        series.AddFileName(str(FOLDER / f"each_000{step}.nvol"))
    assert times_of(series) == [0, 1, 2]
    series.UpdateTimeStep(2)
    assert np.array_equal(array(series.GetOutput(), "pressure"), at_time(source, 2.0))
    # Stopped in the second step, there is no file.
    stopped = fast(vtkNeuvolWriter(), None, Target=1, TargetPSNR=40.0, **together)
    stopped.SetInputConnection(source.GetOutputPort())
    stopped.SetFileName(str(FOLDER / "stopped.nvol"))
    steps = []
    stopped.AddObserver(vtkCommand.StartEvent, lambda *_: steps.append(1))
    stopped.AddObserver(vtkCommand.ProgressEvent, lambda *_: source.GetOutput().GetInformation().Get(vtkDataObject.DATA_TIME_STEP()) == 0.5
                        and stopped.GetProgress() > 0.3 and stopped.SetAbortExecute(1))
    assert stopped.Write() == 0 and not (FOLDER / "stopped.nvol").exists()


def at_time(source, time):
    source.UpdateTimeStep(time)
    return array(source.GetOutput(), "pressure").copy()


def fast(algorithm, source, **properties):
    algorithm.SetPreset(algorithm.FAST)
    if source is not None:
        algorithm.SetInputDataObject(source)
    for key, value in properties.items():
        getattr(algorithm, f"Set{key}")(*(value if isinstance(value, tuple) else (value,)))
    return algorithm


def sampled(data, **properties):
    s = vtkNeuvolSampler()
    s.SetFileName(str(FOLDER / "flow.nvol"))
    for name, value in properties.items():
        getattr(s, f"Set{name}")(value)
    s.SetInputData(data)
    return s


def the_sampler_chooses():
    # At the voxels, what the reader gives.
    points = image(flow(0)[0], "original")
    s = sampled(points, ArrayName="velocity")
    assert times_of(s) == list(FLOW_TIMES)
    for step, time in enumerate(FLOW_TIMES):
        s.UpdateTimeStep(time)
        found = s.GetOutput().GetPointData().GetArray("velocity")
        assert [found.GetComponentName(c) for c in range(3)] == ["u", "v", "w"]
        assert np.abs(components(s.GetOutput(), "velocity") - flow(step)[1]).max() <= FLOW_ERROR
        assert vtk_to_numpy(s.GetOutput().GetPointData().GetArray("vtkValidPointMask")).all()
        assert s.GetOutput().GetInformation().Get(vtkDataObject.DATA_TIME_STEP()) == time
    s = sampled(points, ArrayName="velocity", Component=2, TimeStep=1, ComputeGradients=True)
    assert times_of(s) == []
    s.Update()
    assert np.abs(array(s.GetOutput(), "velocity w") - flow(1)[1][..., 2]).max() <= FLOW_ERROR
    one = components(s.GetOutput(), "velocity w gradient")
    s = sampled(points, ArrayName="velocity", TimeStep=1, ComputeGradients=True)
    s.Update()
    all_of_them = components(s.GetOutput(), "velocity gradient")
    assert all_of_them.shape[3] == 9 and np.array_equal(all_of_them[..., 6:], one) and one.any()
    s = sampled(points)
    s.Update()
    assert np.abs(array(s.GetOutput(), "pressure") - flow(0)[0]).max() <= FLOW_ERROR, "the first one of a single component"
    # The time of the input's own steps is that of the file's.
    r = reader()
    s = sampled(points)
    s.SetInputConnection(r.GetOutputPort())
    assert times_of(s) == list(FLOW_TIMES)
    s.UpdateTimeStep(2.0)
    assert np.array_equal(array(s.GetOutput(), "pressure (neural)"), array(s.GetOutput(), "pressure"))
    for properties, parts in (
        (dict(ArrayName="temperature"), ["flow.nvol", "no array 'temperature'", "'pressure', 'velocity'"]),
        (dict(ArrayName="velocity", Component=3), ["'velocity' has no component 3", "0 to 2"]),
        (dict(TimeStep=3), ["no time step 3", "0 to 2"]),
    ):
        s = sampled(points, **properties)
        with errors_of(s) as messages:
            s.Update()
        says(messages, *parts)


for test in (
    arrays_and_components,
    only_chosen_arrays_are_decoded,
    time_steps,
    a_file_that_grows_by_a_second_one_is_a_series,
    colours_are_exact,
    regions_strides_and_levels_are_those_of_all,
    points_and_cells_of_one_image,
    one_bar_for_all_and_an_abort_between,
    the_cache_is_shared,
    the_sampler_chooses,
    the_writer_takes_components,
    the_writer_takes_all_arrays,
    the_filter_shows_what_comes_back,
    time_steps_go_into_one_file,
):
    test()
    print(f"{test.__name__}: ok")
