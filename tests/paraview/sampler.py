"""vtkNeuvolSampler: any data set's points against the command `neuvol sample`, gradients against differences."""

import json
import subprocess

import numpy as np
from checks import FOLDER, HAS_GPU, NEUVOL, SHAPE, array, decoded, errors_of, says, warnings_of
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import VTK_FLOAT, vtkPoints
from vtkmodules.vtkCommonDataModel import VTK_VERTEX, vtkCellArray, vtkPlane, vtkPolyData, vtkUnstructuredGrid
from vtkmodules.vtkFiltersCore import vtkCutter
from vtkmodules.vtkFiltersSources import vtkSphereSource
from vtkneuvol import vtkNeuvolReader, vtkNeuvolSampler

FILE = str(FOLDER / "scene.nvol")


def world(index):
    """World positions of voxel indices, by VTK's own affine."""
    r = vtkNeuvolReader()
    r.SetFileName(FILE)
    r.UpdateExtent((0, 0, 0, 0, 0, 0))
    image = r.GetOutput()
    out = np.empty_like(index)
    for i, at in enumerate(index):
        image.TransformContinuousIndexToPhysicalPoint(at, out[i])
    return out


def grid_of(points):
    """An unstructured grid of vertices, in double."""
    coordinates = vtkPoints()
    coordinates.SetData(numpy_to_vtk(points, deep=True))
    grid = vtkUnstructuredGrid()
    grid.SetPoints(coordinates)
    grid.Allocate(len(points))
    for i in range(len(points)):
        grid.InsertNextCell(VTK_VERTEX, 1, [i])
    return grid


def sampled(data, **properties):
    s = vtkNeuvolSampler()
    s.SetFileName(FILE)
    for name, value in properties.items():
        getattr(s, f"Set{name}")(value)
    s.SetInputData(data)
    s.Update()
    return s.GetOutput()


def values(output, name="density"):
    return vtk_to_numpy(output.GetPointData().GetArray(name))


def unstructured_grid_against_the_command():
    random = np.random.default_rng(1)
    inside = random.uniform(0, np.array(SHAPE) - 1, (500, 3))
    outside = inside[:50] + [0, 200, 0]
    points = world(np.concatenate([inside, outside]))
    listed = "\n".join(" ".join(repr(float(c)) for c in p) for p in points)
    command = [NEUVOL, "sample", FILE, "--points", "-", "--world", "--outside", "-5000", "--json"]
    expected = json.loads(subprocess.run(command, input=listed.encode(), check=True, capture_output=True).stdout)
    output = sampled(grid_of(points), OutsideValue=-5000.0)
    assert output.IsA("vtkUnstructuredGrid") and output.GetNumberOfCells() == len(points)
    assert np.array_equal(values(output), np.array(expected["values"], np.float32))
    mask = values(output, "vtkValidPointMask")
    assert mask[:500].all() and not mask[500:].any()
    assert output.GetPointData().GetScalars().GetName() == "density"


def voxels_are_voxels():
    index = np.array([[0, 0, 0], [99, 79, 59], [13, 71, 8]], float)
    expected = [decoded()[int(z), int(y), int(x)] for x, y, z in index]
    assert values(sampled(grid_of(world(index)))).tolist() == expected


def image_points_without_an_image():
    # The sampler at the image's own points is the reader.
    r = vtkNeuvolReader()
    r.SetFileName(FILE)
    r.UpdateExtent((0, 99, 40, 40, 0, 59))
    output = sampled(r.GetOutput(), ResultArrayName="again")
    assert np.array_equal(array(output, "again"), decoded()[:, 40:41, :].astype(np.float32))
    assert array(output, "density").dtype == np.int16, "the input's arrays stay"
    both = sampled(r.GetOutput())
    assert array(both, "density").dtype == np.int16 and np.array_equal(array(both, "density (neural)"), array(output, "again"))


def no_array_of_the_input_is_replaced():
    r = vtkNeuvolReader()
    r.SetFileName(FILE)
    r.UpdateExtent((0, 99, 40, 40, 0, 59))
    first = vtkNeuvolSampler()
    first.SetFileName(FILE)
    first.SetComputeGradients(True)
    first.SetResultArrayName("density")
    first.SetInputData(r.GetOutput())
    with warnings_of(first) as messages:
        first.Update()
    says(messages, "'density'", "stays as it is", "'density (neural)'")
    assert array(first.GetOutput(), "density").dtype == np.int16
    second = vtkNeuvolSampler()
    second.SetFileName(FILE)
    second.SetComputeGradients(True)
    second.SetInputData(first.GetOutput())
    with warnings_of(second) as messages:
        second.Update()
    assert not messages, "names that nobody chose"
    data = second.GetOutput().GetPointData()
    names = sorted(data.GetArrayName(i) for i in range(data.GetNumberOfArrays()))
    # An array, its gradient and a mask a time.
    expected = ["density", "density (neural)", "density (neural) gradient", "density (neural 2)", "density (neural 2) gradient"]
    assert names == sorted(expected + ["vtkValidPointMask", "vtkValidPointMask (neural)"]), names
    assert np.array_equal(values(second.GetOutput(), "density (neural 2)"), values(first.GetOutput(), "density (neural)"))
    assert data.GetScalars().GetName() == "density (neural 2)"


def smooth_gradients():
    # At voxels, central differences of them: by the grid, turned into the world.
    index = np.random.default_rng(5).integers(1, np.array(SHAPE) - 1, (300, 3))
    voxels = decoded().astype(float)
    by_index = np.empty((300, 3))
    for a in range(3):
        step = np.eye(3, dtype=int)[a]
        ahead, behind = index + step, index - step
        by_index[:, a] = (voxels[tuple(ahead.T[::-1])] - voxels[tuple(behind.T[::-1])]) / 2
    c, s = np.cos(0.3), np.sin(0.3)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    expected = (by_index / [0.8, 0.8, 1.25]) @ turn.T
    smooth = dict(ComputeGradients=True, GradientType=vtkNeuvolSampler.SMOOTH)
    found = values(sampled(grid_of(world(index.astype(float))), **smooth), "density gradient")
    # Voxels are rounded; what the differences are of is not.
    assert np.abs(found - expected).max() < 1.8 and np.abs(expected).max() > 20, np.abs(found - expected).max()
    # Across cells' faces they go on, where the field's own jump.
    line = np.stack([np.repeat(np.arange(5, 95.0), 2), np.full(180, 40.37), np.full(180, 28.61)], -1)
    line[:, 0] += np.tile([-1e-3, 1e-3], 90)
    jumps = []
    for properties in (smooth, dict(ComputeGradients=True)):
        gradients = values(sampled(grid_of(world(line)), **properties), "density gradient").reshape(90, 2, 3)
        jumps.append(np.abs(gradients[:, 0] - gradients[:, 1]).max())
    assert jumps[1] > 20 * jumps[0], jumps


def a_cut_through_the_faces_keeps_its_rim():
    # VTK's filters make float32 points, a little beside the faces that they end on.
    r = vtkNeuvolReader()
    r.SetFileName(FILE)
    plane = vtkPlane()
    plane.SetOrigin(world(np.array([[50.3, 40.2, 30.1]]))[0])
    plane.SetNormal(0.3, 0.5, 0.8)
    cut = vtkCutter()
    cut.SetCutFunction(plane)
    cut.SetInputConnection(r.GetOutputPort())
    cut.Update()
    output = sampled(cut.GetOutput(), ResultArrayName="again")
    assert output.GetPoints().GetDataType() == VTK_FLOAT and output.GetNumberOfPoints() > 5000
    assert values(output, "vtkValidPointMask").all() and np.isfinite(values(output, "again")).all()
    # Between voxels the cutter interpolates and the field is itself: near, where the original is smooth.
    difference = values(output, "again") - values(output)
    assert np.sqrt(np.mean(difference**2)) < 10, np.sqrt(np.mean(difference**2))


def gradients_are_slopes():
    random = np.random.default_rng(2)
    points = world(random.uniform(2, np.array(SHAPE) - 3, (2000, 3)))
    output = sampled(grid_of(points), ComputeGradients=True)
    gradients = values(output, "density gradient")
    assert gradients.shape == (2000, 3)
    checked = 0
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 0.02
        line = [values(sampled(grid_of(points + k * step))).astype(float) for k in (-1, 0, 1)]
        left, right = (line[1] - line[0]) / 0.02, (line[2] - line[1]) / 0.02
        # Where the two disagree there is a kink of the field between the points.
        smooth = np.abs(left - right) < 0.2
        checked += smooth.sum()
        off = np.abs((left + right) / 2 - gradients[:, axis])[smooth]
        # Two kinks may look like none: a few in a thousand.
        assert np.quantile(off, 0.99) < 0.2, np.quantile(off, [0.5, 0.9, 0.99, 1])
    assert checked > 2000 and np.abs(gradients).max() > 20


def surfaces_and_outside():
    ball = vtkSphereSource()
    ball.SetCenter(world(np.array([[38.0, 40.0, 28.0]]))[0])
    ball.SetRadius(12)
    ball.SetThetaResolution(300)
    ball.SetPhiResolution(300)
    ball.Update()
    on_surface = values(sampled(ball.GetOutput()))
    assert len(on_surface) == ball.GetOutput().GetNumberOfPoints() and np.isfinite(on_surface).all()
    far = grid_of(world(np.array([[-40.0, 10.0, 10.0]])))
    assert np.isnan(values(sampled(far))[0])
    clamped = values(sampled(far, Clamp=True))[0]
    assert clamped == decoded()[10, 10, 0]
    empty = vtkPolyData()
    empty.SetPoints(vtkPoints())
    empty.SetVerts(vtkCellArray())
    assert sampled(empty).GetNumberOfPoints() == 0


def masked_voxels_are_not_valid():
    index = np.array([[5.2, 5.1, 30], [60, 40, 30]])
    s = vtkNeuvolSampler()
    s.SetFileName(str(FOLDER / "masked.nvol"))
    s.SetInputData(grid_of(world(index)))
    s.Update()
    assert values(s.GetOutput(), "vtkValidPointMask").tolist() == [0, 1]
    temperature = values(s.GetOutput(), "temperature")
    assert np.isnan(temperature[0]) and np.isfinite(temperature[1])


def device():
    grid = grid_of(world(np.random.default_rng(3).uniform(0, np.array(SHAPE) - 1, (300, 3))))
    on_cpu = values(sampled(grid, Device=vtkNeuvolSampler.CPU))
    s = vtkNeuvolSampler()
    s.SetFileName(FILE)
    s.SetDevice(vtkNeuvolSampler.CUDA)
    s.SetInputData(grid)
    with warnings_of(s) as messages:
        s.Update()
    assert messages or HAS_GPU
    if messages:
        says(messages, "evaluating on the CPU, not on cuda:0: ")
        assert np.array_equal(values(s.GetOutput()), on_cpu)
    # 2e-5 of the range, in which a field's own 1 is at most a few.
    assert np.abs(values(s.GetOutput()) - on_cpu).max() <= 1e-4 * np.ptp(decoded())


def failures():
    s = vtkNeuvolSampler()
    s.SetInputData(grid_of(world(np.zeros((1, 3)))))
    for name, parts in {"": ["No file name"], str(FOLDER / "corrupt.nvol"): ["corrupt.nvol", "section"]}.items():
        s.SetFileName(name)
        with errors_of(s) as messages:
            s.Update()
        says(messages, *parts)
    s.SetFileName(FILE)
    s.Update()
    assert s.GetOutput().GetNumberOfPoints() == 1


for test in (
    unstructured_grid_against_the_command,
    voxels_are_voxels,
    image_points_without_an_image,
    no_array_of_the_input_is_replaced,
    smooth_gradients,
    a_cut_through_the_faces_keeps_its_rim,
    gradients_are_slopes,
    surfaces_and_outside,
    masked_voxels_are_not_valid,
    device,
    failures,
):
    test()
    print(f"{test.__name__}: ok")
