"""Several MPI ranks make one file: seconds, and whether the files are the same.

    for n in 1 2; do mpiexec -n $n pvbatch --mpi --sym benches/ranks.py EDGE FOLDER [PSNR]; done

An image of EDGE^3 float32 (vtkRTAnalyticSource) to a PSNR (60), box by box, on one thread a rank. Each rank prints its share of the samples; the
first one how long Write() took behind the source, and the file's bytes with their CRC-32."""

import sys
import time
import zlib
from pathlib import Path

from vtkmodules.vtkImagingCore import vtkRTAnalyticSource
from vtkmodules.vtkParallelCore import vtkMultiProcessController
from vtkneuvol import vtkNeuvolWriter

edge, folder = int(sys.argv[1]), Path(sys.argv[2])
psnr = float(sys.argv[3]) if len(sys.argv) > 3 else 60.0
controller = vtkMultiProcessController.GetGlobalController()
rank, ranks = controller.GetLocalProcessId(), controller.GetNumberOfProcesses()
source = vtkRTAnalyticSource()
source.SetWholeExtent(0, edge - 1, 0, edge - 1, 0, edge - 1)
source.SetXFreq(180)
source.SetYFreq(200)
source.SetZFreq(220)
source.UpdatePiece(rank, ranks, 0)
print(f"rank {rank} of {ranks}: {source.GetOutput().GetNumberOfPoints()} samples", flush=True)
writer = vtkNeuvolWriter()
writer.SetInputConnection(source.GetOutputPort())
writer.SetFileName(str(folder / f"ranks_{ranks}.nvol"))
writer.SetTarget(writer.PSNR)
writer.SetTargetPSNR(psnr)
writer.SetThreads(1)
writer.SetVoxelsInMemory(0)
controller.Barrier()
begin = time.monotonic()
written = writer.Write()
seconds = time.monotonic() - begin
if rank == 0:
    assert written == 1
    data = Path(writer.GetFileName()).read_bytes()
    print(f"{ranks} ranks: {seconds:.1f} s, {len(data)} bytes, CRC-32 {zlib.crc32(data):08x}")
