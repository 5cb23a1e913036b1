"""The plugin on several processes: pvbatch with 1, 2 and 3 MPI ranks, and pvserver with 2 ranks and a client.

Needs pvbatch, pvserver, pvpython and mpiexec on the PATH; nothing is drawn. parallel.py [batch|server]
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


for name, test in {"batch": pieces, "server": client_and_server}.items():
    if len(sys.argv) < 2 or sys.argv[1] == name:
        test()
