"""The client's half of `parallel.py server`: client.py PORT."""

import sys

import numpy as np
from checks import FOLDER, array, decoded, level
from paraview import simple
from paraview.servermanager import Fetch

simple.Connect("localhost", int(sys.argv[1]))
reader = simple.OpenDataFile(str(FOLDER / "scene.nvol"))
reader.UpdatePipeline()
assert reader.GetDataInformation().GetExtent() == (0, 99, 0, 79, 0, 59)
assert reader.PointData["density"].GetRange() == (float(decoded().min()), float(decoded().max()))
# Each server process has a piece of its own.
extents = set()
for rank in range(2):
    image = Fetch(reader, rank)
    x0, x1, y0, y1, z0, z1 = image.GetExtent()
    assert np.array_equal(array(image, "density"), decoded()[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1])
    extents.add(image.GetExtent())
assert len(extents) == 2, extents
ball = simple.Sphere(Center=[10, 60, 40], Radius=3)
sampler = simple.SampleNeuralVolume(Input=ball, NeuralVolume=str(FOLDER / "scene.nvol"))
sampler.UpdatePipeline()
assert sampler.PointData["density"].GetRange()[0] >= decoded().min()
try:
    broken = simple.NeuralVolumeReader(FileName=str(FOLDER / "corrupt.nvol"))
    broken.UpdatePipeline()
except RuntimeError:
    pass
assert broken.GetDataInformation().GetNumberOfPoints() == 0
reader.LevelOfDetail = 1
reader.UpdatePipeline()
assert reader.GetDataInformation().GetExtent() == (0, 49, 0, 39, 0, 29)
assert reader.PointData["density"].GetRange()[1] == float(level(1).max())
# The first server process writes the whole.
small = simple.OpenDataFile(str(FOLDER / "step_0.nvol"))
path = str(FOLDER / "from_two_ranks.nvol")
simple.SaveData(path, proxy=small, Target="PSNR", PSNRdB=33.0, Preset="Fast")
again = simple.OpenDataFile(path)
again.UpdatePipeline()
assert again.GetDataInformation().GetExtent() == (0, 99, 0, 79, 0, 59)
# And all steps of a series, while both processes read them.
series = simple.OpenDataFile([str(FOLDER / f"step_{step}.nvol") for step in range(3)])
simple.SaveData(str(FOLDER / "two_ranks.nvol"), proxy=series, Target="Lossless", Writetimestepsasfileseries=1)
for step in range(3):
    again = simple.OpenDataFile(str(FOLDER / f"two_ranks_000{step}.nvol"))
    again.UpdatePipeline()
    series.UpdatePipeline(step)
    assert again.GetDataInformation().GetExtent() == (0, 99, 0, 79, 0, 59)
    assert again.PointData["intensity"].GetRange() == series.PointData["intensity"].GetRange()
# One process compresses, the other has nothing.
compress = simple.CompressToNeuralVolume(Input=small, Target="PSNR", PSNRdB=30.0, Preset="Fast")
compress.UpdatePipeline()
assert compress.GetDataInformation().GetNumberOfPoints() == 100 * 80 * 60
