"""What the tests share: where the scene lies, arrays as NumPy sees them, and what VTK says when something fails."""

import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkCommand

FOLDER = Path(os.environ["NEUVOL_SCENE"])
NEUVOL = os.environ["NEUVOL_COMMAND"]
SHAPE = (100, 80, 60)
# What NVIDIA's driver makes. A build for GPUs may use one then.
HAS_GPU = Path("/dev/nvidiactl").exists()


def decoded():
    """The scene as the Rust decoder gives it, z first."""
    return np.fromfile(FOLDER / "scene.raw", np.int16).reshape(SHAPE[::-1])


def level(k):
    """A level of detail of the scene as `neuvol decompress --level` gives it, z first; level 0 is the scene."""
    shape = [-(-n // 2**k) for n in SHAPE[::-1]]
    return np.fromfile(FOLDER / f"level_{k}.raw", np.int16).reshape(shape) if k > 0 else decoded()


def array(image, name=None):
    """An image's point array, z first."""
    data = image.GetPointData()
    values = vtk_to_numpy(data.GetArray(name) if name else data.GetScalars())
    return values.reshape(image.GetDimensions()[::-1])


def field(data, name):
    """One value of the field data."""
    return data.GetFieldData().GetAbstractArray(name).GetValue(0)


@contextmanager
def messages_of(event, *algorithms):
    """The messages of one kind that algorithms and their executives report as long as the block lasts."""
    messages = []

    def note(_caller, _event, message):
        messages.append(message)

    note.CallDataType = "string0"
    observed = [o for algorithm in algorithms for o in (algorithm, algorithm.GetExecutive())]
    tags = [o.AddObserver(event, note) for o in observed]
    yield messages
    for o, tag in zip(observed, tags):
        o.RemoveObserver(tag)


def errors_of(*algorithms):
    """Errors; nothing else may fail."""
    return messages_of(vtkCommand.ErrorEvent, *algorithms)


def warnings_of(*algorithms):
    """Warnings, as errors_of."""
    return messages_of(vtkCommand.WarningEvent, *algorithms)


def says(messages, *parts):
    """One message has all of these parts."""
    assert any(all(part in message for part in parts) for message in messages), messages
