"""Run by pvbatch, with MPI or without, or by pvpython as the client of a server: pictures of the scene by the representation Neuvol
Volume, into the folder given: pictures.py FOLDER [PORT]."""

import sys
from pathlib import Path

from checks import FOLDER
from paraview import simple

out = Path(sys.argv[1])
if len(sys.argv) > 2:
    simple.Connect("localhost", int(sys.argv[2]))
source = simple.NeuralVolumeRendering(FileName=str(FOLDER / "scene.nvol"))
view = simple.GetActiveViewOrCreate("RenderView")
view.ViewSize = [320, 240]
view.OrientationAxesVisibility = 0
view.UseColorPaletteForBackground = 0
view.Background = [0.1, 0.1, 0.15]


def save(name, size=None):
    simple.SaveScreenshot(str(out / f"{name}.png"), view, ImageResolution=size or [320, 240])


shown = simple.Show(source, view)
assert shown.Representation == "Neuvol Volume", shown.Representation
assert shown.ColorArrayName.GetArrayName() == "density", "the file's array is chosen"
low, high = source.PointData["density"].GetRange()
assert high > low
opacity = simple.GetOpacityTransferFunction("density")
opacity.Points = [-600, 0.0, 0.5, 0.0, 0, 0.05, 0.5, 0.0, 500, 0.4, 0.5, 0.0]
colour = simple.GetColorTransferFunction("density")
colour.RGBPoints = [-700, 0.1, 0.2, 0.6, -100, 0.8, 0.5, 0.3, 500, 1.0, 1.0, 0.9]
simple.ResetCamera(view)
view.GetActiveCamera().Azimuth(30)
view.GetActiveCamera().Elevation(20)
save("volume")
save("large", [640, 480])

# Opaque and translucent surfaces: the second would have the volume peeled.
x0, x1, y0, y1, z0, z1 = source.GetDataInformation().GetBounds()
ball = simple.Sphere(Center=[x0, y0, (z0 + z1) / 2], Radius=(x1 - x0) / 4, ThetaResolution=40, PhiResolution=40)
simple.Show(ball, view).DiffuseColor = [0.2, 0.8, 0.3]
save("ball")
wall = simple.Box(Center=[x1, y0, z0], XLength=(x1 - x0) / 2, YLength=(y1 - y0) / 2, ZLength=(z1 - z0) / 2)
shown_wall = simple.Show(wall, view)
shown_wall.Opacity = 0.5
shown_wall.DiffuseColor = [0.9, 0.2, 0.2]
save("peeled")
simple.Hide(source, view)
save("surfaces")
simple.Show(source, view)

# Other blending, a table that changes, and the outline alone.
simple.Hide(ball, view)
simple.Hide(wall, view)
shown.BlendMode = "Maximum Intensity"
save("largest")
shown.BlendMode = "Isosurface"
shown.IsoValue = 0.0
save("surface")
shown.BlendMode = "Composite"
opacity.Points = [400, 0.0, 0.5, 0.0, 500, 0.4, 0.5, 0.0]
save("other")
# A colour map of a hundredth of the range, of two colours.
opacity.Points = [-600, 0.0, 0.5, 0.0, 0, 0.05, 0.5, 0.0, 500, 0.4, 0.5, 0.0]
colour.RGBPoints = [200, 0.0, 0.0, 1.0, 210, 1.0, 0.0, 0.0]
save("narrow")
shown.Representation = "Outline"
save("outline")
