"""What neuvol costs inside ParaView, beside what it costs outside and what ParaView's own reader costs.

    python3 benches/in_paraview.py PREFIX NEUVOL FOLDER [CT.nvol]

PREFIX is where `cargo xtask paraview` installed, NEUVOL the command (a release build), FOLDER a place for the volumes that
this makes once (a 256^3 and a 512^3 uint8 scene, about 160 MB and five minutes). CT.nvol is a compressed 512x512x275
int16 series; without it the rows about one are left out. Needs ParaView 5.11 or later with pvpython, and Xvfb.
"""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 5


def scene(size):
    """A uint8 cube: a ball, a rod and waves. Slab by slab, so that a large one needs little memory."""
    import numpy as np

    y, x = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size), indexing="ij")
    for z in np.linspace(-1, 1, size):
        ball = 1 / (1 + np.exp((x**2 + y**2 + z**2 - 0.3) * 40))
        rod = 1 / (1 + np.exp(((x - 0.6) ** 2 + (y + 0.2) ** 2 - 0.02) * 200))
        waves = np.sin(9 * x) * np.cos(7 * y + 3 * z)
        yield np.round(110 * ball + 80 * rod + 25 * waves + 35).clip(0, 255).astype(np.uint8)


def make(size):
    """scene_SIZE.raw, .vti and .nvol in the current folder."""
    import numpy as np
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    size = int(size)
    cube = np.stack(list(scene(size)))
    cube.tofile(f"scene_{size}.raw")
    if size <= 256:
        image = vtkImageData()
        image.SetDimensions(size, size, size)
        image.GetPointData().SetScalars(numpy_to_vtk(cube.ravel(), deep=True))
        image.GetPointData().GetScalars().SetName("scalars")
        writer = vtkXMLImageDataWriter()
        writer.SetFileName(f"scene_{size}.vti")
        writer.SetInputData(image)
        # Inline: VTK 9.2 cannot find appended data with a recent expat.
        writer.SetDataModeToBinary()
        assert writer.Write() == 1


def show(path):
    """Seconds from File > Open to a picture of a slice."""
    from paraview import simple

    view = simple.CreateView("RenderView")
    view.ViewSize = [600, 600]
    simple.Render(view)
    start = time.perf_counter()
    reader = simple.OpenDataFile(path)
    shown = simple.Show(reader, view, "UniformGridRepresentation")
    shown.SetRepresentationType("Slice")
    simple.ColorBy(shown, ("POINTS", reader.PointData[0].Name))
    shown.Slice = 100
    simple.ResetCamera(view)
    simple.Render(view)
    print(json.dumps(time.perf_counter() - start))


def one_slice(path):
    """Share of the volume's voxels that one slice evaluates."""
    import vtkneuvol  # noqa: F401
    from paraview import simple

    reader = simple.OpenDataFile(path)
    reader.UpdatePipelineInformation()
    x0, x1, y0, y1, z0, z1 = reader.GetPropertyValue("GridExtent")
    assert x1 > 0 and y1 > 0 and z1 > 0
    shares = []
    for axis in range(3):
        voi = [x0, x1, y0, y1, z0, z1]
        voi[2 * axis : 2 * axis + 2] = [voi[2 * axis + 1] // 2] * 2
        algorithm = reader.SMProxy.GetClientSideObject()
        before = algorithm.GetVoxelsEvaluated()
        cut = simple.ExtractSubset(Input=reader, VOI=voi)
        cut.UpdatePipeline()
        voxels = (x1 - x0 + 1) * (y1 - y0 + 1) * (z1 - z0 + 1)
        shares.append((algorithm.GetVoxelsEvaluated() - before) / voxels)
    print(json.dumps(max(shares)))


def decode(path):
    """Voxels a second of a reader's update, opening included."""
    from vtkneuvol import vtkNeuvolReader

    start = time.perf_counter()
    reader = vtkNeuvolReader()
    reader.SetFileName(path)
    reader.Update()
    print(json.dumps(reader.GetOutput().GetNumberOfPoints() / (time.perf_counter() - start)))


def region(path):
    """Bytes that the process's peak grows by for one 64^3 region."""
    from vtkneuvol import vtkNeuvolReader

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    reader = vtkNeuvolReader()
    before = peak()
    reader.SetFileName(path)
    reader.UpdateExtent((200, 263, 200, 263, 200, 263))
    assert reader.GetOutput().GetNumberOfPoints() == 64**3
    print(json.dumps(peak() - before))


def main():
    prefix, neuvol, folder = Path(sys.argv[1]).resolve(), str(Path(sys.argv[2]).resolve()), Path(sys.argv[3])
    ct = Path(sys.argv[4]).resolve() if len(sys.argv) > 4 else None
    script = str(Path(__file__).resolve())
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    environment = {
        **os.environ,
        "PV_PLUGIN_PATH": str(prefix),
        "PYTHONPATH": str(prefix / "lib/python"),
        "PATH": "/usr/bin:/bin",
    }

    def pvpython(*arguments, screen=False):
        command = ["pvpython", script, "--measure", *map(str, arguments)]
        if screen:
            command = ["xvfb-run", "-a", "-s", "-screen 0 1280x1024x24 -noreset", *command]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(output.splitlines()[-1]) if output.strip() else None

    for size, psnr in ((256, 40), (512, 36)):
        if not Path(f"scene_{size}.nvol").exists():
            pvpython("make", size)
            dims = f"{size}x{size}x{size}"
            options = ["--dims", dims, "--type", "uint8", "--psnr", str(psnr), "--preset", "fast"]
            subprocess.run([neuvol, "compress", f"scene_{size}.raw", *options], check=True)

    def median(values):
        return f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})"

    print("| what | measured |\n|---|---|")
    # In turns, so that a busy moment meets both.
    seconds = {".nvol": [], ".vti": []}
    for _ in range(RUNS):
        for kind, found in seconds.items():
            found.append(pvpython("show", f"scene_256{kind}", screen=True))
    for kind, found in seconds.items():
        print(f"| 256^3 uint8 `{kind}`: opened, first slice shown | {median(found)} s |")
    more = statistics.median(seconds[".nvol"]) - statistics.median(seconds[".vti"])
    print(f"| the neural volume takes longer by | {more:.2f} s |")
    memory = pvpython("region", "scene_512.nvol") / 1e6
    print(f"| memory for one 64^3 region of 512^3 uint8, above the process's | {memory:.1f} MB |")
    if ct:
        print(f"| one slice of {ct.name} evaluates, of its voxels | {100 * pvpython('one_slice', ct):.2f} % |")
        rates = {"vtk": [], "cli": []}
        for _ in range(RUNS):
            rates["vtk"].append(pvpython("decode", ct) / 1e6)
            said = subprocess.run(
                [neuvol, "decompress", str(ct), "-o", "decoded.raw"], check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            rates["cli"].append(float(re.search(r"\(([\d.]+) Mvoxel/s\)", said)[1]))
        Path("decoded.raw").unlink()
        share = statistics.median(rates["vtk"]) / statistics.median(rates["cli"])
        print(f"| whole decode through VTK, opening included | {median(rates['vtk'])} Mvoxel/s |")
        print(f"| whole decode by the command | {median(rates['cli'])} Mvoxel/s |")
        print(f"| VTK's rate of the command's | {100 * share:.0f} % |")
    libraries = [*prefix.glob("Neuvol/*.so"), *prefix.glob("lib/*.so")]
    total = sum(library.stat().st_size for library in libraries) / 1e6
    print(f"| the plugin's libraries, stripped | {total:.2f} MB |")


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--measure":
        {f.__name__: f for f in (make, show, one_slice, decode, region)}[sys.argv[2]](*sys.argv[3:])
    else:
        main()
