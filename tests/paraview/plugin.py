"""The plugin in ParaView: File > Open, filters, Save Data, and errors that the session survives. Everything through
proxies, with the plugin found by PV_PLUGIN_PATH."""

import sys

import numpy as np
import vtkneuvol  # noqa: F401 (so that Python knows the classes of client-side objects)
from checks import FOLDER, SHAPE, array, decoded, errors_of, field, level, says
from paraview import servermanager, simple
from paraview.servermanager import Fetch
from scene import FLOW_ERROR, FLOW_TIMES, flow
from vtkmodules.util.numpy_support import vtk_to_numpy


def vector(image, name):
    """A point array of several components, z first, components last."""
    return vtk_to_numpy(image.GetPointData().GetArray(name)).reshape(*image.GetDimensions()[::-1], -1)


def opened(*names):
    return simple.OpenDataFile([str(FOLDER / name) for name in names])


def open_data_file():
    reader = opened("scene.nvol")
    assert type(reader).__name__ == "NeuralVolumeReader"
    reader.UpdatePipeline()
    info = reader.GetDataInformation()
    assert info.GetExtent() == (0, 99, 0, 79, 0, 59)
    assert list(reader.GetPropertyValue("GridExtent")) == [0, 99, 0, 79, 0, 59]
    assert reader.PointData["density"].GetRange() == (float(decoded().min()), float(decoded().max()))
    assert np.array_equal(array(Fetch(reader)), decoded())
    # A slider over the file's own levels.
    assert reader.LevelOfDetail == 0 and list(reader.GetPropertyValue("LevelOfDetailRange")) == [0, 4]
    domain = reader.SMProxy.GetProperty("LevelOfDetail").GetDomain("range")
    assert (domain.GetMinimum(0), domain.GetMaximum(0)) == (0, 4)
    reader.LevelOfDetail = 2
    reader.UpdatePipeline()
    assert np.array_equal(array(Fetch(reader)), level(2))
    reader.LevelOfDetail = 0
    reader.Stride = 4
    reader.UpdatePipeline()
    assert np.array_equal(array(Fetch(reader)), decoded()[::4, ::4, ::4])
    reader.Stride = 1
    reader.RegionOfInterest = [20, 40, 0, -1, 3, 3]
    reader.UpdatePipeline()
    assert np.array_equal(array(Fetch(reader)), decoded()[3:4, :, 20:41])


def what_the_command_decodes_opens_too():
    decoded_file = simple.OpenDataFile(str(FOLDER / "decoded.vti"))
    decoded_file.UpdatePipeline()
    assert np.array_equal(array(Fetch(decoded_file), "density"), decoded())


def a_slice_evaluates_a_slice():
    reader = opened("scene.nvol")
    slice_of = simple.ExtractSubset(Input=reader, VOI=[0, 99, 0, 79, 30, 30])
    slice_of.UpdatePipeline()
    evaluated = reader.SMProxy.GetClientSideObject().GetVoxelsEvaluated()
    assert evaluated == 100 * 80, evaluated


def a_time_series():
    reader = opened("step_0.nvol", "step_1.nvol", "step_2.nvol")
    assert list(reader.TimestepValues) == [0, 1, 2]
    ranges = []
    for time in reader.TimestepValues:
        reader.UpdatePipeline(time)
        image = Fetch(reader)
        assert field(image, "neuvol_psnr") >= 34
        ranges.append(array(image).copy())
    assert not np.array_equal(ranges[0], ranges[1]) and not np.array_equal(ranges[1], ranges[2])


def every_property_says_what_it_is():
    for group, name in [
        ("sources", "NeuvolReader"),
        ("filters", "NeuvolSampler"),
        ("filters", "NeuvolCompress"),
        ("writers", "NeuvolWriter"),
    ]:
        proxy = servermanager.ProxyManager().NewProxy(group, name)
        assert proxy.GetDocumentation().GetDescription().strip(), name
        properties = proxy.NewPropertyIterator()
        properties.Begin()
        count = 0
        while not properties.IsAtEnd():
            documentation = properties.GetProperty().GetDocumentation()
            assert documentation and documentation.GetDescription().strip(), (name, properties.GetKey())
            count += 1
            properties.Next()
        assert count >= 5, name
        if group == "filters":
            menu = proxy.GetHints().FindNestedElementByName("ShowInMenu")
            assert menu.GetAttribute("category") == "Neuvol"


def sample_on_a_slice():
    # A plane of its own, not cut from a volume.
    reader = opened("scene.nvol")
    reader.UpdatePipeline()
    bounds = reader.GetDataInformation().GetBounds()
    middle = [(bounds[2 * a] + bounds[2 * a + 1]) / 2 for a in range(3)]
    plane = simple.Plane(
        Origin=[middle[0] - 10, middle[1] - 10, middle[2]],
        Point1=[middle[0] + 10, middle[1] - 10, middle[2]],
        Point2=[middle[0] - 10, middle[1] + 10, middle[2]],
        XResolution=50,
        YResolution=50,
    )
    sampler = simple.SampleNeuralVolume(Input=plane, NeuralVolume=str(FOLDER / "scene.nvol"), ComputeGradients=1)
    sampler.UpdatePipeline()
    output = Fetch(sampler)
    assert output.GetNumberOfPoints() == 51 * 51
    arrays = [output.GetPointData().GetArrayName(i) for i in range(output.GetPointData().GetNumberOfArrays())]
    assert {"density", "density gradient", "vtkValidPointMask"} <= set(arrays), arrays
    # A set of several blocks too.
    group = simple.GroupDatasets(Input=[plane, simple.Sphere(Center=middle, Radius=5)])
    blocks = simple.SampleNeuralVolume(Input=group, NeuralVolume=str(FOLDER / "scene.nvol"))
    blocks.UpdatePipeline()
    assert blocks.PointData["density"] is not None


def save_data_and_reopen():
    reader = opened("step_0.nvol")
    reader.UpdatePipeline()
    path = str(FOLDER / "saved.nvol")
    simple.SaveData(path, proxy=reader, Target="PSNR", PSNRdB=36.0, Preset="Fast")
    again = simple.OpenDataFile(path)
    again.UpdatePipeline()
    original, written = array(Fetch(reader)).astype(float), array(Fetch(again)).astype(float)
    difference = np.sqrt(np.mean((original - written) ** 2))
    assert 20 * np.log10((original.max() - original.min()) / difference) >= 36
    assert Fetch(again).GetPointData().GetScalars().GetName() == "intensity"


def time_steps_are_saved_as_a_series():
    reader = opened("step_0.nvol", "step_1.nvol", "step_2.nvol")
    folder = FOLDER / "series"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    simple.SaveData(str(folder / "s.nvol"), proxy=reader, Target="Lossless", Writetimestepsasfileseries=1)
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["s_0000.nvol", "s_0001.nvol", "s_0002.nvol"], files
    again = simple.OpenDataFile([str(folder / name) for name in files])
    assert list(again.TimestepValues) == [0, 1, 2]
    for time in again.TimestepValues:
        reader.UpdatePipeline(time)
        again.UpdatePipeline(time)
        assert np.array_equal(array(Fetch(again)), array(Fetch(reader)))
    # By the options that ParaView's own writers have.
    for path in folder.iterdir():
        path.unlink()
    writer = simple.CreateWriter(str(folder / "t.nvol"), reader)
    known = writer.ListProperties()
    assert {"Writetimestepsasfileseries", "Firsttimestep", "Lasttimestep", "Timestepstride", "Filenamesuffix"} <= set(known), known
    writer.Target = "Lossless"
    writer.Writetimestepsasfileseries = 1
    writer.Firsttimestep = 1
    writer.Filenamesuffix = "-%d"
    writer.UpdatePipeline()
    assert sorted(path.name for path in folder.iterdir()) == ["t-1.nvol", "t-2.nvol"]


def several_arrays_and_time_steps():
    reader = opened("flow.nvol")
    assert list(reader.TimestepValues) == list(FLOW_TIMES)
    assert list(reader.PointArrays) == ["pressure", "velocity"] and list(reader.CellArrays) == []
    for step, time in enumerate(FLOW_TIMES):
        reader.UpdatePipeline(time)
        assert np.abs(vector(Fetch(reader), "velocity") - flow(step)[1]).max() <= FLOW_ERROR
        assert np.abs(array(Fetch(reader), "pressure") - flow(step)[0]).max() <= FLOW_ERROR
    velocity = reader.PointData["velocity"]
    assert velocity.GetNumberOfComponents() == 3 and velocity.GetComponentName(1) == "v"
    reader.PointArrays = ["velocity"]
    reader.UpdatePipeline(0.5)
    assert reader.PointData["pressure"] is None and reader.PointData["velocity"] is not None
    # A state file has the choice, and finds the times again.
    state = str(FOLDER / "flow.pvsm")
    simple.SaveState(state)
    simple.ResetSession()
    simple.LoadState(state)
    reader = next(source for source in simple.GetSources().values() if type(source).__name__ == "NeuralVolumeReader"
                  and "flow.nvol" in source.FileName[0])
    assert list(reader.PointArrays) == ["velocity"] and list(reader.TimestepValues) == list(FLOW_TIMES)
    reader.UpdatePipeline(2.0)
    assert np.abs(vector(Fetch(reader), "velocity") - flow(2)[1]).max() <= FLOW_ERROR
    assert reader.PointData["pressure"] is None
    # On points of one's own, at the file's times.
    line = simple.Line(Point1=[0, 30, 10], Point2=[10, 40, 20], Resolution=20)
    sampler = simple.SampleNeuralVolume(Input=line, NeuralVolume=str(FOLDER / "flow.nvol"), Array="velocity")
    sampler.UpdatePipelineInformation()
    assert list(sampler.TimestepValues) == list(FLOW_TIMES)
    found = []
    for time in FLOW_TIMES:
        sampler.UpdatePipeline(time)
        data = Fetch(sampler).GetPointData().GetArray("velocity")
        found.append([data.GetTuple3(i) for i in range(data.GetNumberOfTuples())])
    assert found[0] != found[1] != found[2] and len(found[0]) == 21


def arrays_and_steps_are_saved_into_one_file():
    reader = opened("flow.nvol")
    path = str(FOLDER / "flow_saved.nvol")
    simple.SaveData(path, proxy=reader, Target="Lossless", AllArrays=1, Writetimestepsasfileseries=1, Timestepsinonefile=1)
    again = simple.OpenDataFile(path)
    assert list(again.TimestepValues) == list(FLOW_TIMES) and list(again.PointArrays) == ["pressure", "velocity"]
    for time in FLOW_TIMES:
        again.UpdatePipeline(time)
        reader.UpdatePipeline(time)
        assert np.array_equal(vector(Fetch(again), "velocity"), vector(Fetch(reader), "velocity"))
        assert np.array_equal(array(Fetch(again), "pressure"), array(Fetch(reader), "pressure"))
    # What a calculator makes of a scalar.
    vectors = simple.Calculator(Input=opened("step_0.nvol"), Function="iHat*intensity + jHat", ResultArrayName="v")
    path = str(FOLDER / "vectors.nvol")
    simple.SaveData(path, proxy=vectors, Scalars=["POINTS", "v"], Target="Lossless")
    again = simple.OpenDataFile(path)
    again.UpdatePipeline()
    assert np.array_equal(vector(Fetch(again), "v"), vector(Fetch(vectors), "v"))


def what_cannot_be_saved_is_refused_with_a_reason():
    reader = opened("step_0.nvol")
    bare = simple.PassArrays(Input=reader, PointDataArrays=[])
    threshold = simple.Threshold(Input=reader, Scalars=["POINTS", "intensity"], LowerThreshold=50, UpperThreshold=90)
    contour = simple.Contour(Input=reader, ContourBy=["POINTS", "intensity"], Isosurfaces=[80.0])
    group = simple.GroupDatasets(Input=[reader, contour])
    path = FOLDER / "refused_by_paraview.nvol"
    path.unlink(missing_ok=True)
    for source, parts in (
        (bare, ["no array to compress"]),
        (threshold, ["vtkUnstructuredGrid", "vtkResampleToImage"]),
        (contour, ["vtkPolyData", "vtkResampleToImage"]),
        (group, ["vtkPolyData", "vtkMultiBlockDataSet", "Extract Block"]),
    ):
        source.UpdatePipeline()
        writer = simple.CreateWriter(str(path), source)
        assert type(writer).__name__ == "NeuralVolumeWriter", "the writer is offered"
        with errors_of(writer.SMProxy.GetClientSideObject()) as messages:
            writer.UpdatePipeline()
        says(messages, *parts)
        assert not path.exists()
        simple.SaveData(str(path), proxy=source)
        assert not path.exists()
    # And the session lives on.
    simple.SaveData(str(path), proxy=reader, Target="Lossless")
    assert path.exists()


def compress_filter():
    reader = opened("step_0.nvol")
    compress = simple.CompressToNeuralVolume(Input=reader, Target="PSNR", PSNRdB=33.0, Preset="Fast")
    compress.UpdatePipeline()
    image = Fetch(compress)
    assert 33 <= field(image, "neuvol_psnr") <= 34.2
    compress.UpdatePipelineInformation()
    assert compress.GetPropertyValue("AchievedPSNR") == field(image, "neuvol_psnr")
    outcome = compress.GetPropertyValue("Outcome")
    assert f"PSNR {field(image, 'neuvol_psnr'):.2f}".rstrip("0") in outcome and " bytes, ratio " in outcome, outcome


def errors_are_sentences_and_the_session_lives_on():
    for name, parts in {"corrupt.nvol": ["corrupt.nvol", "section"], "gone.nvol": ["gone.nvol", "No such file"]}.items():
        reader = simple.NeuralVolumeReader(FileName=str(FOLDER / name))
        algorithm = reader.SMProxy.GetClientSideObject()
        with errors_of(algorithm) as messages:
            try:
                reader.UpdatePipeline()
            except RuntimeError:
                pass
        says(messages, *parts)
    reader = opened("scene.nvol")
    with errors_of(reader.SMProxy.GetClientSideObject()) as messages:
        reader.SMProxy.InvokeCommand("PanicOnPurpose")
    says(messages, "a panic on purpose")
    reader.UpdatePipeline()
    assert np.array_equal(array(Fetch(reader)), decoded())


for test in (
    open_data_file,
    what_the_command_decodes_opens_too,
    a_slice_evaluates_a_slice,
    a_time_series,
    every_property_says_what_it_is,
    sample_on_a_slice,
    save_data_and_reopen,
    time_steps_are_saved_as_a_series,
    several_arrays_and_time_steps,
    arrays_and_steps_are_saved_into_one_file,
    what_cannot_be_saved_is_refused_with_a_reason,
    compress_filter,
    errors_are_sentences_and_the_session_lives_on,
):
    test()
    print(f"{test.__name__}: ok")
sys.stdout.flush()
