"""Run by pvbatch on every rank (--sym): opens the scene, contours it, and leaves what each rank did in the folder given:
ranks.py FOLDER."""

import json
import sys
from pathlib import Path

import vtkneuvol  # noqa: F401 (so that Python knows the classes of client-side objects)
from checks import FOLDER
from paraview import simple
from vtkmodules.vtkParallelCore import vtkMultiProcessController

out = Path(sys.argv[1])
controller = vtkMultiProcessController.GetGlobalController()
rank, ranks = controller.GetLocalProcessId(), controller.GetNumberOfProcesses()

reader = simple.OpenDataFile(str(FOLDER / "scene.nvol"))
contour = simple.Contour(Input=reader, ContourBy=["POINTS", "density"], Isosurfaces=[0.0])
# Ranks draw their neighbours' outermost cells too, marked as ghosts; each triangle counts once.
own = simple.RemoveGhostInformation(Input=contour)
area = simple.IntegrateVariables(Input=contour)
own.UpdatePipeline()
area.UpdatePipeline()
algorithm = reader.SMProxy.GetClientSideObject()
(out / f"rank_{rank}.json").write_text(
    json.dumps(
        {
            "ranks": ranks,
            "evaluated": algorithm.GetVoxelsEvaluated(),
            "extent": algorithm.GetOutput().GetExtent(),
            "triangles": own.GetDataInformation().GetNumberOfCells(),
            # Only the first rank has the sum.
            "area": area.CellData["Area"].GetRange()[0] if rank == 0 else None,
        }
    )
)
