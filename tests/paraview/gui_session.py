"""What happens inside the GUI of gui.py; the plugin was found by PV_PLUGIN_PATH, nothing is loaded here."""

import os
import traceback
from pathlib import Path

from paraview import simple

SCENE = Path(os.environ["NEUVOL_SCENE"])
DONE = Path(os.environ["NEUVOL_GUI"]) / "done"


def error():
    """What is damaged is refused, and the session goes on."""
    broken = simple.OpenDataFile(str(SCENE / "corrupt.nvol"))
    try:
        broken.UpdatePipeline()
    except RuntimeError:
        pass
    simple.Delete(broken)
    simple.OpenDataFile(str(SCENE / "scene.nvol")).SMProxy.InvokeCommand("PanicOnPurpose")
    picture()


def picture():
    reader = simple.OpenDataFile(str(SCENE / "scene.nvol"))
    view = simple.GetActiveViewOrCreate("RenderView")
    outline = simple.Show(simple.Outline(Input=reader), view)
    outline.DiffuseColor = [0.2, 0.2, 0.2]
    surface = simple.Contour(Input=reader, ContourBy=["POINTS", "density"], Isosurfaces=[-150.0])
    simple.Show(surface, view).Opacity = 0.4
    reader.UpdatePipeline()
    bounds = reader.GetDataInformation().GetBounds()
    middle = [(bounds[2 * a] + bounds[2 * a + 1]) / 2 for a in range(3)]
    cut = simple.Slice(Input=reader)
    cut.SliceType.Origin = middle
    cut.SliceType.Normal = [0, 0, 1]
    shown = simple.Show(cut, view)
    simple.ColorBy(shown, ("POINTS", "density"))
    shown.SetScalarBarVisibility(view, True)
    simple.Hide3DWidgets(proxy=cut.SliceType)
    simple.SetActiveSource(reader)
    simple.ResetCamera(view)
    view.CameraPosition = [middle[0] + 100, middle[1] - 145, middle[2] + 95]
    view.CameraFocalPoint = middle
    view.CameraViewUp = [0, 0, 1]
    simple.Render(view)


try:
    {"picture": picture, "error": error}[os.environ["NEUVOL_SESSION"]]()
    DONE.write_text("ok")
except Exception:  # the driver shows it
    DONE.write_text(traceback.format_exc())
