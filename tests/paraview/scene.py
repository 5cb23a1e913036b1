"""The volumes of the ParaView and VTK tests: pvpython scene.py FOLDER NEUVOL.

`scene.vti` (int16, oblique, HU), `scene.nvol`, `scene.raw`, `decoded.vti` and `level_1.raw` to `level_3.raw` (what the Rust decoder
makes of it), `masked.nvol` (float32
with NaN), `step_0.nvol` to `step_2.nvol` (a time series), `other_grid.nvol` and `corrupt.nvol` and `damaged.nvol` (one bit is wrong).
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


def main():
    folder, neuvol = Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)

    def write(name, values, array, unit=""):
        writer = vtkXMLImageDataWriter()
        writer.SetFileName(str(folder / name))
        writer.SetInputData(image(values, array, unit))
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

    # In the index, which is read when a file is opened, and in the last stream, which is read with what it holds.
    for name, at in [("corrupt.nvol", 40), ("damaged.nvol", -1)]:
        damaged = bytearray((folder / "scene.nvol").read_bytes())
        damaged[at] ^= 4
        (folder / name).write_bytes(damaged)


if __name__ == "__main__":
    main()
