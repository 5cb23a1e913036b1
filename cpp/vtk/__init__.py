"""neuvol's VTK classes: vtkNeuvolReader, vtkNeuvolSampler, vtkNeuvolWriter, vtkNeuvolCompress.

vtkNeuvolVolumeMapper, which needs OpenGL, is in vtkneuvol.vtkNeuvolRendering."""

# VTK's own classes first: ours inherit from them.
import vtkmodules.vtkCommonExecutionModel  # noqa: F401

from .vtkNeuvol import *  # noqa: F401, F403
