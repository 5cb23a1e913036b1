"""Cell data: what a .nvol file says of cells comes back as cells, at the places where they were, in VTK, .vti and .vtk."""

import json
import subprocess

import numpy as np
from checks import FOLDER, NEUVOL
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkImageData, vtkPolyData
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as Pipeline
from vtkmodules.vtkImagingCore import vtkExtractVOI
from vtkmodules.vtkIOLegacy import vtkStructuredPointsWriter
from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLImageDataWriter
from vtkneuvol import vtkNeuvolReader, vtkNeuvolSampler, vtkNeuvolWriter

# Cells along x, y, z.
SHAPE = (9, 8, 7)
CELLS = (np.arange(np.prod(SHAPE)) * 7 - 900).astype(np.int16).reshape(SHAPE[::-1])
FILE = FOLDER / "cells.nvol"


def image(values, flat=False):
    """An image with these cells, oblique; of one layer that is flat, or thick."""
    nz, ny, nx = values.shape
    out = vtkImageData()
    out.SetDimensions(nx + 1, ny + 1, 1 if flat else nz + 1)
    out.SetOrigin(10, 20, 30)
    out.SetSpacing(2, 3, 4)
    out.SetDirectionMatrix(0, -1, 0, 1, 0, 0, 0, 0, 1)
    array = numpy_to_vtk(values.ravel(), deep=True)
    array.SetName("c")
    out.GetCellData().SetScalars(array)
    return out


def cells(data):
    """Cell data, z first; a flat axis has one layer."""
    shape = [max(n - 1, 1) for n in data.GetDimensions()]
    assert data.GetPointData().GetArray("c") is None
    scalars = data.GetCellData().GetScalars()
    assert scalars.GetNumberOfTuples() == data.GetNumberOfCells() == np.prod(shape)
    return vtk_to_numpy(scalars).reshape(shape[::-1])


def written(data, name):
    w = vtkNeuvolWriter()
    w.SetTarget(w.LOSSLESS)
    w.SetInputDataObject(data)
    w.SetInputArrayToProcess(0, 0, 0, vtkDataObject.FIELD_ASSOCIATION_CELLS, "c")
    w.SetFileName(str(FOLDER / name))
    assert w.Write() == 1
    return FOLDER / name


def reader(path=FILE):
    r = vtkNeuvolReader()
    r.SetFileName(str(path))
    return r


def centre(data, cell):
    """Where a cell's middle is, by its index along x, y, z."""
    at = [0.0] * 3
    data.TransformContinuousIndexToPhysicalPoint([i + (0.5 if n > 1 else 0) for i, n in zip(cell, data.GetDimensions())], at)
    return at


def run(*arguments):
    return subprocess.run([NEUVOL, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def there_and_back():
    written(image(CELLS), "cells.nvol")
    r = reader()
    r.Update()
    data = r.GetOutput()
    assert np.array_equal(cells(data), CELLS) and data.GetCellData().GetScalars().GetName() == "c"
    assert data.GetDimensions() == (10, 9, 8) and data.GetBounds() == image(CELLS).GetBounds()
    assert r.GetGridExtent() == (0, 9, 0, 8, 0, 7)
    info = json.loads(run("info", "--json", FILE))
    assert info["association"] == "cell" and info["dims"] == list(SHAPE)
    assert np.allclose(info["origin"], centre(image(CELLS), (0, 0, 0)))
    for flat in (False, True):
        layer = image(CELLS[:1], flat)
        r = reader(written(layer, f"layer_{flat}.nvol"))
        r.Update()
        assert np.array_equal(cells(r.GetOutput()), CELLS[:1])
        assert r.GetOutput().GetDimensions() == layer.GetDimensions() and r.GetOutput().GetBounds() == layer.GetBounds()


def any_extent_alone():
    for extent in [(0, 9, 0, 8, 2, 5), (3, 4, 0, 8, 0, 7), (2, 7, 1, 2, 6, 7)]:
        r = reader()
        r.UpdateExtent(extent)
        x0, x1, y0, y1, z0, z1 = extent
        assert r.GetOutput().GetExtent() == extent
        assert np.array_equal(cells(r.GetOutput()), CELLS[z0:z1, y0:y1, x0:x1])
        # A lossless file is decoded by chunks of bricks, and this one is a single brick.
        assert (x1 - x0) * (y1 - y0) * (z1 - z0) <= r.GetVoxelsEvaluated() <= CELLS.size
    # A plane of points has the cells behind it, and the last one those before it, as with VTK's own filters.
    whole = image(CELLS)
    for z in (0, 3, 7):
        r = reader()
        r.UpdateExtent((0, 9, 0, 8, z, z))
        voi = vtkExtractVOI()
        voi.SetInputDataObject(whole)
        voi.SetVOI(0, 9, 0, 8, z, z)
        voi.Update()
        assert np.array_equal(cells(r.GetOutput()), CELLS[min(z, 6)][None])
        assert np.array_equal(cells(r.GetOutput()), vtk_to_numpy(voi.GetOutput().GetCellData().GetArray("c")).reshape(1, 8, 9))


def pieces_share_points_and_no_cells():
    found = np.full(CELLS.shape, -9999)
    for piece in range(3):
        r = reader()
        r.UpdatePiece(piece, 3, 0)
        x0, x1, y0, y1, z0, z1 = r.GetOutput().GetExtent()
        assert (found[z0:z1, y0:y1, x0:x1] == -9999).all()
        found[z0:z1, y0:y1, x0:x1] = cells(r.GetOutput())
    assert np.array_equal(found, CELLS)
    # With a layer of its neighbours' cells, which are marked.
    for piece in range(3):
        r = reader()
        r.UpdatePiece(piece, 3, 1)
        x0, x1, y0, y1, z0, z1 = r.GetOutput().GetExtent()
        assert np.array_equal(cells(r.GetOutput()), CELLS[z0:z1, y0:y1, x0:x1])
        ghosts = vtk_to_numpy(r.GetOutput().GetCellData().GetArray("vtkGhostType"))
        assert 0 < (ghosts == 0).sum() < ghosts.size


def regions_and_strides():
    r = reader()
    r.SetRegionOfInterest(2, 6, 0, -1, 3, 4)
    r.Update()
    assert r.GetOutput().GetExtent() == (2, 6, 0, 8, 3, 4)
    assert np.array_equal(cells(r.GetOutput()), CELLS[3:4, :, 2:6])
    original = image(CELLS)
    for stride in (2, 4):
        r = reader()
        r.SetStride(stride)
        r.Update()
        coarse = r.GetOutput()
        assert np.array_equal(cells(coarse), CELLS[::stride, ::stride, ::stride])
        assert coarse.GetSpacing() == tuple(stride * s for s in (2, 3, 4))
        # A coarse cell is around the cell that it has.
        for index in ([0, 0, 0], [1, 1, 1], [2, 1, 1]):
            assert np.allclose(centre(coarse, index), centre(original, [stride * i for i in index]))
        info = r.GetOutputInformation(0)
        extent = [info.Get(Pipeline.WHOLE_EXTENT(), i) for i in range(6)]
        assert extent == list(coarse.GetExtent()) and np.allclose(info.Get(vtkDataObject.ORIGIN()), coarse.GetOrigin())
    r = reader()
    r.SetStride(2)
    r.SetRegionOfInterest(4, 9, 0, -1, 0, -1)
    r.Update()
    assert np.array_equal(cells(r.GetOutput()), CELLS[::2, ::2, 4:9:2])


def levels_of_cells():
    """A ramp over cells: filtered about each coarse cell's centre it is the ramp there, but for the ends."""
    nx, ny, nz = 40, 17, 6
    z, y, x = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
    ramp = (100 * x + 30 * y - 50 * z).astype(np.int16)
    original = image(ramp)
    path = written(original, "ramp.nvol")
    for level, (sx, sy, sz) in {1: (2, 2, 1), 2: (4, 4, 1), 3: (8, 4, 1)}.items():
        raw = FOLDER / f"ramp_{level}.raw"
        run("decompress", path, "-o", raw, "--level", level)
        r = reader(path)
        r.SetLevelOfDetail(level)
        r.Update()
        coarse = r.GetOutput()
        found = cells(coarse)
        assert found.shape == (6, -(-ny // sy), -(-nx // sx))
        assert np.array_equal(found.ravel(), np.fromfile(raw, np.int16))
        inner = ramp[:, sy:-sy:sy, sx:-sx:sx]
        assert np.array_equal(found[:, 1 : 1 + inner.shape[1], 1 : 1 + inner.shape[2]], inner)
        # The coarse cells' centres are those of the cells that they lie at; their ends are half a coarse cell away.
        assert coarse.GetSpacing() == (2 * sx, 3 * sy, 4 * sz)
        for index in ([0, 0, 0], [1, 1, 1], [3, 2, 5]):
            assert np.allclose(centre(coarse, index), centre(original, [i * s for i, s in zip(index, (sx, sy, sz))]))
        information = r.GetOutputInformation(0)
        assert np.allclose(information.Get(vtkDataObject.ORIGIN()), coarse.GetOrigin())
        extent = [information.Get(Pipeline.WHOLE_EXTENT(), i) for i in range(6)]
        assert extent == list(coarse.GetExtent()) == [0, found.shape[2], 0, found.shape[1], 0, 6]
        # From a region's points: of the cells between them, those that a coarse cell lies at.
        r.SetRegionOfInterest(9, 33, 0, -1, 2, 4)
        r.Update()
        assert np.array_equal(cells(r.GetOutput()), found[2:4, :, -(-9 // sx) : 32 // sx + 1])
    # Along a flat axis there is nothing to halve, and no half cell.
    layer = image(ramp[:1], flat=True)
    r = reader(written(layer, "ramp_flat.nvol"))
    r.SetLevelOfDetail(1)
    r.Update()
    assert r.GetOutput().GetDimensions() == (21, 10, 1) and cells(r.GetOutput()).shape == (1, 9, 20)
    assert r.GetOutput().GetSpacing() == (4, 6, 4)
    for index in ([0, 0, 0], [5, 3, 0]):
        assert np.allclose(centre(r.GetOutput(), index), centre(layer, [2 * i for i in index]))


def files_of_both():
    run("decompress", FILE, "-o", FOLDER / "cells_ours.vti")
    again = vtkXMLImageDataReader()
    again.SetFileName(str(FOLDER / "cells_ours.vti"))
    again.Update()
    assert np.array_equal(cells(again.GetOutput()), CELLS) and again.GetOutput().GetBounds() == image(CELLS).GetBounds()
    vti = vtkXMLImageDataWriter()
    vtk = vtkStructuredPointsWriter()
    for writer, name in ((vti, "cells_vtk.vti"), (vtk, "cells.vtk")):
        data = image(CELLS)
        if writer is vtk:
            data.SetDirectionMatrix(1, 0, 0, 0, 1, 0, 0, 0, 1)
        writer.SetInputData(data)
        writer.SetFileName(str(FOLDER / name))
        assert writer.Write() == 1
        run("compress", FOLDER / name, "--lossless", "-o", FOLDER / (name + ".nvol"))
        r = reader(FOLDER / (name + ".nvol"))
        r.Update()
        assert np.array_equal(cells(r.GetOutput()), CELLS) and r.GetOutput().GetBounds() == data.GetBounds()


def sampler_reaches_the_faces():
    points = vtkPoints()
    original = image(CELLS)
    # Two centres, a face, a corner, and just outside.
    at = [(2.5, 3.5, 4.5), (8.5, 7.5, 6.5), (0, 3.5, 4.5), (9, 8, 7), (9.02, 8, 7)]
    for index in at:
        out = [0.0] * 3
        original.TransformContinuousIndexToPhysicalPoint(index, out)
        points.InsertNextPoint(out)
    data = vtkPolyData()
    data.SetPoints(points)
    s = vtkNeuvolSampler()
    s.SetFileName(str(FILE))
    s.SetInputDataObject(data)
    s.Update()
    found = vtk_to_numpy(s.GetOutput().GetPointData().GetArray("c"))
    valid = vtk_to_numpy(s.GetOutput().GetPointData().GetArray("vtkValidPointMask"))
    assert valid.tolist() == [1, 1, 1, 1, 0] and np.isnan(found[4])
    assert np.allclose(found[:4], [CELLS[4, 3, 2], CELLS[6, 7, 8], CELLS[4, 3, 0], CELLS[6, 7, 8]], atol=1e-3), found


for test in (
    there_and_back,
    any_extent_alone,
    pieces_share_points_and_no_cells,
    regions_and_strides,
    levels_of_cells,
    files_of_both,
    sampler_reaches_the_faces,
):
    test()
    print(f"{test.__name__}: ok")
