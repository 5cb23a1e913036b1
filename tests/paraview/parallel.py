"""The plugin on several processes: pvbatch with 1, 2 and 3 MPI ranks, and pvserver with 2 ranks and a client.

Needs pvbatch, pvserver, pvpython and mpiexec on the PATH; nothing is drawn. parallel.py [batch|server|write]
"""

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
WHOLE = 100 * 80 * 60
MPI = ["mpiexec", "--allow-run-as-root", "--oversubscribe"]


def batch(ranks):
    """What every rank did."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["timeout", "120", *MPI, "-n", str(ranks), "pvbatch", "--mpi", "--sym", HERE / "ranks.py", folder]
        subprocess.run(command, check=True)
        found = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("rank_*.json"))]
    assert len(found) == ranks and all(rank["ranks"] == ranks for rank in found), found
    return found


def pieces():
    (alone,) = batch(1)
    assert alone["evaluated"] == WHOLE and alone["triangles"] > 1000, alone
    for ranks in (2, 3):
        found = batch(ranks)
        evaluated = [rank["evaluated"] for rank in found]
        # Neighbours share a plane of points, or two where a filter wants a ghost level.
        assert all(0 < n < 1.2 * WHOLE / ranks for n in evaluated), evaluated
        assert WHOLE <= sum(evaluated) < 1.15 * WHOLE, evaluated
        assert len({tuple(rank["extent"]) for rank in found}) == ranks, found
        assert abs(found[0]["area"] / alone["area"] - 1) < 1e-9, (found[0], alone)
        assert sum(rank["triangles"] for rank in found) == alone["triangles"], (found, alone)
        print(f"{ranks} ranks: evaluated {evaluated} of {WHOLE}, {alone['triangles']} triangles in all: ok")


def written(ranks, folder):
    """What every rank said of each file that all wrote together."""
    command = ["timeout", "300", *MPI, "-n", str(ranks), "pvbatch", "--mpi", "--sym", HERE / "writing_ranks.py", folder]
    subprocess.run(command, check=True)
    found = [json.loads((Path(folder) / f"rank_{rank}.json").read_text()) for rank in range(ranks)]
    files = {path.stem: path.read_bytes() for path in Path(folder).glob("*.nvol")}
    assert not list(Path(folder).glob(".neuvol-*")), "something is left behind"
    return found, files


def writing():
    complete = ["wavelet", "wavelet_in_memory", "partitioned", "partitioned_in_memory", "cells", "blocks", "several"]
    failing = {
        "gap": "no process holds voxel",
        "gap_in_memory": "the parts do not fill the image",
        "mesh": "not of vtkPolyData",
        "no_array": "has no point array 'intensity'",
        "other_array": "the parts of the image have different arrays",
        "other_array_in_memory": "the parts of the image have different arrays",
        "moved": "whole samples apart",
        "empty": "nothing to compress",
    }
    alone = None
    for ranks in (1, 2, 4):
        with tempfile.TemporaryDirectory() as folder:
            found, files = written(ranks, folder)
        assert sorted(files) == sorted(complete), sorted(files)
        for rank, said in enumerate(found):
            for name in complete:
                assert said[name]["written"] == 1 and not said[name]["messages"], (rank, name, said[name])
                assert bool(said[name]["outcome"]) == (rank == 0), (rank, name, said[name])
            for name, why in failing.items():
                assert said[name]["written"] == 0, (rank, name)
                # The executive adds that the algorithm failed.
                assert any(why in m or "process" in m for m in said[name]["messages"]), (rank, said[name])
        for name, why in failing.items():
            assert any(why in message for said in found for message in said[name]["messages"]), (name, found)
        # A piece each, of about the same size.
        extents = [said["wavelet"]["extent"] for said in found]
        points = [(e[1] - e[0] + 1) * (e[3] - e[2] + 1) * (e[5] - e[4] + 1) for e in extents]
        assert len({tuple(e) for e in extents}) == ranks and max(points) < 1.1 * 140 * 141 * 58 / ranks, extents
        alone = alone or files
        for name in complete:
            assert files[name] == alone[name], f"{name}: {ranks} ranks write another file than one"
        # The same samples on the same grid.
        assert files["blocks"] == files["partitioned"]
        print(f"{ranks} ranks write {len(complete)} files: ok")


def client_and_server():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = ["timeout", "120", *MPI, "-n", "2", "pvserver", "--mpi", f"--server-port={port}"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for line in server.stdout:
            if "Accepting connection" in line or "Waiting for client" in line:
                break
        client = ["timeout", "100", "pvpython", HERE / "client.py", str(port)]
        subprocess.run(client, check=True)
    finally:
        server.terminate()
        server.wait(20)
    print("client and server: ok")


for name, test in {"batch": pieces, "server": client_and_server, "write": writing}.items():
    if len(sys.argv) < 2 or sys.argv[1] == name:
        test()
