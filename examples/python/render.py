"""Renders a .nvol file straight from the compressed form, with VTK's Python: render.py FILE.nvol OUT.png

PYTHONPATH names the folder lib/python of an installed neuvol; the interpreter is one with the VTK that it was built with, such as pvpython.
"""

import sys

import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 (what draws)
from vtkmodules.vtkCommonDataModel import vtkPiecewiseFunction
from vtkmodules.vtkIOImage import vtkPNGWriter
from vtkmodules.vtkRenderingCore import (
    vtkColorTransferFunction,
    vtkRenderer,
    vtkRenderWindow,
    vtkVolume,
    vtkVolumeProperty,
    vtkWindowToImageFilter,
)
from vtkneuvol.vtkNeuvolRendering import vtkNeuvolVolumeMapper

_, name, picture = sys.argv
mapper = vtkNeuvolVolumeMapper()
mapper.SetFileName(name)
value_range = [0.0, 0.0]
if not mapper.GetScalarRange(value_range):
    sys.exit(1)  # VTK has printed why.
middle, high = sum(value_range) / 2, value_range[1]

colours = vtkColorTransferFunction()
colours.AddRGBPoint(middle, 0.6, 0.3, 0.2)
colours.AddRGBPoint(high, 1.0, 1.0, 0.95)
opacities = vtkPiecewiseFunction()
opacities.AddPoint(middle, 0.0)
opacities.AddPoint(high, 0.8)

shown = vtkVolumeProperty()
shown.SetColor(colours)
shown.SetScalarOpacity(opacities)
shown.SetScalarOpacityUnitDistance(mapper.GetDefaultUnitDistance())
shown.ShadeOn()
volume = vtkVolume()
volume.SetMapper(mapper)
volume.SetProperty(shown)

renderer = vtkRenderer()
renderer.AddVolume(volume)
renderer.ResetCamera()
renderer.GetActiveCamera().Azimuth(30)
renderer.GetActiveCamera().Elevation(20)
window = vtkRenderWindow()
window.SetOffScreenRendering(True)
window.SetSize(800, 800)
window.AddRenderer(renderer)
window.Render()

grab = vtkWindowToImageFilter()
grab.SetInput(window)
grab.ReadFrontBufferOff()
writer = vtkPNGWriter()
writer.SetInputConnection(grab.GetOutputPort())
writer.SetFileName(picture)
writer.Write()
print(f"{mapper.GetNumberOfMarchedBlocks()} of {mapper.GetNumberOfBlocks()} blocks were needed")
