"""Run by pvbatch on every rank (--sym): writes files together with the other ranks, and leaves what each said in the folder given:
writing_ranks.py FOLDER."""

import json
import sys
from pathlib import Path

import numpy as np
from checks import errors_of
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkImageData, vtkMultiBlockDataSet, vtkPartitionedDataSet
from vtkmodules.vtkFiltersSources import vtkSphereSource
from vtkmodules.vtkImagingCore import vtkRTAnalyticSource
from vtkmodules.vtkParallelCore import vtkMultiProcessController
from vtkneuvol import vtkNeuvolWriter

out = Path(sys.argv[1])
controller = vtkMultiProcessController.GetGlobalController()
RANK, RANKS = controller.GetLocalProcessId(), controller.GetNumberOfProcesses()
SHAPE = (150, 140, 40)
ORIGIN, SPACING = (10.0, -4.0, 2.5), (0.5, 1.0, 2.0)
said = {}


def write(name, source, voxels_in_memory=0, cells=False, array=None, every=False):
    writer = vtkNeuvolWriter()
    if isinstance(source, vtkDataObject):
        writer.SetInputDataObject(source)
    else:
        writer.SetInputConnection(source.GetOutputPort())
    writer.SetFileName(str(out / f"{name}.nvol"))
    writer.SetPreset(writer.FAST)
    writer.SetTarget(writer.PSNR)
    writer.SetTargetPSNR(38)
    writer.SetThreads(1)
    writer.SetAllArrays(every)
    writer.SetVoxelsInMemory(voxels_in_memory)
    if array:
        writer.SetInputArrayToProcess(
            0, 0, 0, vtkDataObject.FIELD_ASSOCIATION_CELLS if cells else vtkDataObject.FIELD_ASSOCIATION_POINTS, array
        )
    with errors_of(writer) as messages:
        written = writer.Write()
    said[name] = {"written": written, "messages": [str(m) for m in messages], "outcome": writer.GetOutcome()}


def scene():
    """x fastest, z first."""
    z, y, x = np.mgrid[: SHAPE[2], : SHAPE[1], : SHAPE[0]].astype(np.float32)
    ball = np.where((x - 70) ** 2 + (y - 60) ** 2 + (z - 20) ** 2 < 1600, 60, 0)
    return np.round(ball + 50 * np.sin(0.1 * x + 0.05 * y) * np.cos(0.07 * z) + 100).astype(np.uint8)


def block(start, size, ghosts=0, origin=True, cells=False, name="intensity"):
    """A box of the scene: with its own origin and an extent from 0, or with an extent in the whole; ghosts hold rubbish."""
    first = [max(s - ghosts, 0) for s in start]
    last = [min(s + n + ghosts, w) for s, n, w in zip(start, size, SHAPE)]
    values = scene()[first[2] : last[2], first[1] : last[1], first[0] : last[0]].copy()
    own = np.zeros(values.shape, bool)
    own[tuple(slice(s - f, s - f + n) for s, f, n in zip(start[::-1], first[::-1], size[::-1]))] = True
    values[~own] = 255
    image = vtkImageData()
    points = 1 if cells else 0
    lengths = [b - a for a, b in zip(first, last)]
    begin = [0, 0, 0] if origin else first
    image.SetExtent([v for b, n in zip(begin, lengths) for v in (b, b + n - 1 + points)])
    image.SetOrigin([o + (f * s if origin else 0) for o, f, s in zip(ORIGIN, first, SPACING)])
    image.SetSpacing(SPACING)
    attributes = image.GetCellData() if cells else image.GetPointData()
    array = numpy_to_vtk(values.ravel(), deep=1)
    array.SetName(name)
    attributes.SetScalars(array)
    if ghosts:
        flags = numpy_to_vtk(np.where(own, 0, 1).astype(np.uint8).ravel(), deep=1)
        flags.SetName("vtkGhostType")
        attributes.AddArray(flags)
    return image


def boxes():
    """The whole in boxes of 50 along each axis."""
    starts = [[x, y, z] for z in range(0, SHAPE[2], 50) for y in range(0, SHAPE[1], 50) for x in range(0, SHAPE[0], 50)]
    return [(start, [min(50, w - s) for s, w in zip(start, SHAPE)]) for start in starts]


def partitioned(**how):
    parts = vtkPartitionedDataSet()
    for n, (start, size) in enumerate(boxes()[RANK::RANKS]):
        parts.SetPartition(n, block(start, size, **how))
    return parts


wavelet = vtkRTAnalyticSource()
wavelet.SetWholeExtent(-70, 69, -60, 80, 3, 60)
write("wavelet", wavelet)
said["wavelet"]["extent"] = wavelet.GetOutput().GetExtent()
write("wavelet_in_memory", wavelet, 1 << 27)

write("partitioned", partitioned(ghosts=2))
write("partitioned_in_memory", partitioned(), 1 << 27)
write("cells", partitioned(cells=True, ghosts=1), cells=True, array="intensity")
blocks = vtkMultiBlockDataSet()
inner = vtkMultiBlockDataSet()
for n, (start, size) in enumerate(boxes()[RANK::RANKS]):
    inner.SetBlock(n, block(start, size, origin=False))
blocks.SetBlock(1, inner)
write("blocks", blocks)
several = partitioned()
for n in range(several.GetNumberOfPartitions()):
    image = several.GetPartition(n)
    other = numpy_to_vtk(scene().ravel()[: image.GetNumberOfPoints()].astype(np.float32), deep=1)
    other.SetName("other")
    image.GetPointData().AddArray(other)
write("several", several, every=True)

# What fails on one rank fails on all.
gap = partitioned()
if RANK == RANKS - 1:
    gap.SetPartition(0, None)
write("gap", gap)
write("gap_in_memory", gap, 1 << 27)
last = RANK == RANKS - 1
mesh = vtkSphereSource()
mesh.Update()
write("mesh", mesh.GetOutput() if last else partitioned())
write("no_array", partitioned(name="other" if last else "intensity"), array="intensity")
# A part would bring another array, of the same type, as none is chosen.
mixed = partitioned()
if last:
    mixed.SetPartition(0, block(*boxes()[RANK], name="other"))
write("other_array", mixed)
write("other_array_in_memory", mixed, 1 << 27)
moved = partitioned()
if last:
    moved.GetPartition(0).SetOrigin(0.3, 0.3, 0.3)
write("moved", moved)
empty = vtkPartitionedDataSet()
write("empty", empty)

(out / f"rank_{RANK}.json").write_text(json.dumps(said))
