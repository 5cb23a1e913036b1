"""The volumes of the ParaView and VTK tests: pvpython scene.py FOLDER NEUVOL.

`scene.vti` (int16, oblique, HU), `scene.nvol`, `scene.raw`, `decoded.vti` and `level_1.raw` to `level_3.raw` (what the Rust decoder
makes of it), `masked.nvol` (float32
with NaN), `step_0.nvol` to `step_2.nvol` (a time series), `other_grid.nvol` and `corrupt.nvol` and `damaged.nvol` (one bit is wrong).
Files of several volumes: `flow.nvol` (a vector and a scalar over three times; `velocity_0.raw` to `velocity_2.raw` are the original) and `picture.nvol` (colours, exact).
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

# Two cache bricks along x and y, one along z.
SHAPE = (100, 80, 60)
# Of the files of several volumes.
FLOW_SHAPE = (40, 32, 24)
FLOW_TIMES = (0.0, 0.5, 2.0)
# Every voxel of the flow is within this of the original.
FLOW_ERROR = 0.01


def image(values, name, unit=""):
    """An image of values[z, y, x], oblique, with origin and anisotropic spacing."""
    out = vtkImageData()
    nz, ny, nx = values.shape
    out.SetDimensions(nx, ny, nz)
    out.SetOrigin(-12.5, 30.25, 7.0)
    out.SetSpacing(0.8, 0.8, 1.25)
    c, s = np.cos(0.3), np.sin(0.3)
    out.SetDirectionMatrix(c, -s, 0, s, c, 0, 0, 0, 1)
    array = numpy_to_vtk(values.ravel(), deep=True)
    array.SetName(name)
    if unit:
        array.GetInformation().Set(array.UNITS_LABEL(), unit)
    out.GetPointData().SetScalars(array)
    return out


def scene(phase=0.0):
    """A ball and a rod in soft waves, z first."""
    nx, ny, nz = SHAPE
    z, y, x = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
    ball = 1 / (1 + np.exp(((x - 38 - 5 * phase) ** 2 + (y - 40) ** 2 + 1.5 * (z - 28) ** 2 - 500) / 60.0))
    rod = 1 / (1 + np.exp(((x - 74) ** 2 + (y - 30) ** 2 - 60) / 15.0))
    waves = 0.1 * np.sin(0.11 * x) * np.cos(0.13 * y + 0.07 * z)
    return 0.15 + 0.55 * ball + 0.35 * rod + waves


def flow(step):
    """A flow at a time step, z first: the pressure, and the velocity with its components last."""
    nx, ny, nz = FLOW_SHAPE
    z, y, x = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
    t = FLOW_TIMES[step]
    u = np.sin(0.2 * x + t) * np.cos(0.15 * y)
    v = np.cos(0.1 * x) * np.sin(0.2 * y + t) + 0.05 * z
    w = 0.02 * x - 0.5 * t + 0.1 * np.sin(0.3 * z)
    return (u * v + t).astype(np.float32), np.stack([u, v, w], -1).astype(np.float32)


def picture():
    """Colours with noise that red, green and blue share, z first."""
    nx, ny, nz = FLOW_SHAPE
    z, y, x = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
    grey = 120 + 60 * np.sin(0.2 * x) * np.cos(0.3 * y) + np.random.default_rng(2).integers(0, 40, x.shape)
    return np.stack([grey, grey * 0.9 + 20, 255 - grey], -1).round().clip(0, 255).astype(np.uint8)


def add(data, values, name, components=()):
    """Adds values[z, y, x] or values[z, y, x, component] to points or cells."""
    array = numpy_to_vtk(values.reshape(-1, values.shape[3]) if values.ndim == 4 else values.ravel(), deep=True)
    array.SetName(name)
    for c, component in enumerate(components):
        array.SetComponentName(c, component)
    data.AddArray(array)


def main():
    folder, neuvol = Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)

    def write(name, values, array, unit=""):
        write_image(name, image(values, array, unit))

    def write_image(name, data):
        writer = vtkXMLImageDataWriter()
        writer.SetFileName(str(folder / name))
        writer.SetInputData(data)
        # Inline: VTK 9.2 cannot find appended data with a recent expat.
        writer.SetDataModeToBinary()
        assert writer.Write() == 1

    def compress(name, *options):
        command = [neuvol, "compress", str(folder / name), "--preset", "fast", *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    values = scene()
    write("scene.vti", np.round(values * 2000 - 1000).astype(np.int16), "density", "HU")
    compress("scene.vti", "--psnr", "42")
    outputs = {"scene.raw": [], "decoded.vti": []} | {f"level_{k}.raw": ["--level", str(k)] for k in (1, 2, 3)}
    for output, options in outputs.items():
        decompress = [neuvol, "decompress", str(folder / "scene.nvol"), "-o", str(folder / output), *options]
        subprocess.run(decompress, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    masked = (values * 30).astype(np.float32)
    masked[:, :20, :30] = np.nan
    write("masked.vti", masked, "temperature", "K")
    compress("masked.vti", "--psnr", "36")

    for step in range(3):
        write(f"step_{step}.vti", np.round(scene(step) * 200).astype(np.uint8), "intensity")
        compress(f"step_{step}.vti", "--psnr", "34")

    write("other_grid.vti", values[:20].astype(np.float32), "density")
    compress("other_grid.vti", "--psnr", "25")

    entries = ""
    for step, time in enumerate(FLOW_TIMES):
        pressure, velocity = flow(step)
        data = image(pressure, "pressure", "Pa")
        add(data.GetPointData(), velocity, "velocity", "uvw")
        write_image(f"flow_{step}.vti", data)
        velocity.tofile(folder / f"velocity_{step}.raw")
        entries += f'<DataSet timestep="{time}" file="flow_{step}.vti"/>'
    (folder / "flow.pvd").write_text(f'<VTKFile type="Collection" version="0.1"><Collection>{entries}</Collection></VTKFile>')
    compress("flow.pvd", "--max-error", str(FLOW_ERROR))
    data = image(picture()[..., 1], "green")
    add(data.GetPointData(), picture(), "colour")
    write_image("picture.vti", data)
    compress("picture.vti", "--lossless")

    # In the index, which is read when a file is opened, and in the last stream, which is read with what it holds.
    for name, at in [("corrupt.nvol", 40), ("damaged.nvol", -1)]:
        damaged = bytearray((folder / "scene.nvol").read_bytes())
        damaged[at] ^= 4
        (folder / name).write_bytes(damaged)


if __name__ == "__main__":
    main()
