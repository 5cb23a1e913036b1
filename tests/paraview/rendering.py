"""Volumes rendered straight from the file in ParaView's views: alone, beside surfaces, by a server and by several ranks as by one.

Needs pvbatch, mpiexec and an X server: rendering.py"""

import os
import socket
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOImage import vtkPNGReader

HERE = Path(__file__).parent
MPI = ["mpiexec", "--allow-run-as-root", "--oversubscribe"]


def picture(path):
    reader = vtkPNGReader()
    reader.SetFileName(str(path))
    reader.Update()
    image = reader.GetOutput()
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[..., :3].astype(float)


def of_server(folder):
    """The pictures of a client whose server has the file, and renders."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["timeout", "120", "pvserver", f"--server-port={port}"], stdout=subprocess.PIPE, text=True
    )
    try:
        for line in server.stdout:
            if "Accepting connection" in line or "Waiting for client" in line:
                break
        subprocess.run(["timeout", "100", "pvpython", HERE / "pictures.py", folder, str(port)], check=True)
    finally:
        server.terminate()
        server.wait(20)


def pictures(ranks):
    """Of so many processes, or, with 0, of a client and a server."""
    with tempfile.TemporaryDirectory() as folder:
        mpi = [*MPI, "-n", str(ranks)] if ranks > 1 else []
        flags = ["--mpi"] if ranks > 1 else []
        if ranks == 0:
            of_server(folder)
        else:
            command = ["timeout", "200", *mpi, "pvbatch", *flags, HERE / "pictures.py", folder]
            subprocess.run(command, check=True)
        found = {path.stem: picture(path) for path in Path(folder).glob("*.png")}
        if ranks == 1 and "NEUVOL_PICTURES" in os.environ:
            kept = Path(os.environ["NEUVOL_PICTURES"])
            kept.mkdir(parents=True, exist_ok=True)
            for path in Path(folder).glob("*.png"):
                (kept / f"neuvol_volume_{path.name}").write_bytes(path.read_bytes())
    return found


def psnr(a, b):
    return 20 * np.log10(255 / np.sqrt(np.mean((a - b) ** 2) + 1e-12))


def differing(a, b):
    """Share of the pixels that differ to the eye."""
    return np.mean(np.abs(a - b).max(-1) > 8)


alone = pictures(1)
background = alone["volume"][0, 0]
seen = np.mean(np.abs(alone["volume"] - background).max(-1) > 8)
assert 0.02 < seen < 0.9, seen
# Twice as large, the same picture.
large = alone["large"].reshape(240, 2, 320, 2, 3).mean((1, 3))
assert psnr(large, alone["volume"]) > 27, psnr(large, alone["volume"])
# The volume is over the translucent surface, and behind and before the ball.
assert differing(alone["peeled"], alone["surfaces"]) > 0.5 * seen, "the volume is gone where surfaces are peeled"
assert 0.005 < differing(alone["ball"], alone["volume"]) < 0.5
for name in ("largest", "surface", "other", "outline"):
    assert differing(alone[name], alone["volume"]) > 0.005, name
    assert differing(alone[name], np.broadcast_to(background, alone[name].shape)) > 0.0005, f"{name} is empty"
# Below the map blue, above it red, hardly anything between.
colours = alone["narrow"] - background
assert colours[..., 0].max() > 80 and colours[..., 2].max() > 20, (colours[..., 0].max(), colours[..., 2].max())
assert np.abs(colours[..., 1]).max() < 40, "no colour that the map does not have"
print(f"pictures of one process: ok ({100 * seen:.0f} % of the view)")

remote = pictures(0)
for name, expected in alone.items():
    assert psnr(remote[name], expected) > 40, (name, psnr(remote[name], expected))
print("client and server: ok")

for ranks in (2, 3):
    found = pictures(ranks)
    # ParaView hands surfaces from rank to rank as XML, which ParaView 5.11 does not read with expat 2.6; an outline is the first rank's.
    for name in ("volume", "large", "largest", "surface", "other"):
        got = psnr(found[name], alone[name])
        print(f"{ranks} ranks, {name}: {got:.1f} dB")
        # Ranks are composited in 8 bits.
        assert got > 40, (ranks, name, got)
