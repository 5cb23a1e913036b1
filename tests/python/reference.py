"""Prints, as a JSON object, how independent readers see the files and folders given as arguments.

A path may end in #N for time step N. Per path: shape [nx, ny, nz], dtype, origin, spacing, direction (rows; column a is the direction of axis a) in LPS
where the format has a patient frame, and the sha256 of the values as float64, little endian, x fastest, NaN as one
bit pattern. A path that cannot be read as one scalar volume gives {"error": ...}.

DICOM: pydicom (values) and SimpleITK (geometry). NIfTI: nibabel. NRRD and MetaImage: SimpleITK. VTK: the vtk package.
.npy: NumPy.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np


def digest(values_zyx):
    values = np.ascontiguousarray(values_zyx, dtype="<f8")
    values[np.isnan(values)] = np.nan
    return hashlib.sha256(values.tobytes()).hexdigest()


def volume(values_zyx, dtype, origin, spacing, direction):
    return {
        "shape": list(values_zyx.shape[::-1]),
        "dtype": str(np.dtype(dtype).newbyteorder("=")),
        "origin": [float(v) for v in origin],
        "spacing": [float(v) for v in spacing],
        "direction": np.asarray(direction, dtype=float).reshape(3, 3).tolist(),
        "sha256": digest(values_zyx),
    }


def dicom(folder):
    import pydicom
    import SimpleITK as sitk

    files = [folder] if folder.is_file() else [p for p in folder.rglob("*") if p.is_file()]
    slices = [pydicom.dcmread(p) for p in files if pydicom.misc.is_dicom(p)]
    row, column = np.array(slices[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    normal = np.cross(row, column)
    slices.sort(key=lambda s: float(np.dot(normal, np.array(s.ImagePositionPatient, dtype=float))))
    values = np.stack(
        [
            s.pixel_array.astype(float) * float(s.get("RescaleSlope", 1)) + float(s.get("RescaleIntercept", 0))
            for s in slices
        ]
    )
    # SimpleITK's geometry, from the file order that pydicom's positions gave.
    names = [s.filename for s in slices]
    image = sitk.ReadImage([str(n) for n in names])
    return volume(values, slices[0].pixel_array.dtype, image.GetOrigin(), image.GetSpacing(), image.GetDirection())


def nifti(path, step):
    import nibabel

    image = nibabel.load(path)
    if type(image).__name__ not in ("Nifti1Image", "Nifti1Pair", "Nifti2Image", "Nifti2Pair"):
        raise ValueError(type(image).__name__)
    raw = image.dataobj.get_unscaled()
    values = image.get_fdata(dtype=np.float64)
    slope, inter = float(image.dataobj.slope), float(image.dataobj.inter)
    if raw.dtype != np.float64 and not (slope.is_integer() and inter.is_integer()):
        # The type that scaled values are kept in.
        values = values.astype(np.float32).astype(np.float64)
    while values.ndim > 4 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 4 and (step is not None or values.shape[-1] == 1):
        values = values[..., step or 0]
    while values.ndim < 3:
        values = values[..., np.newaxis]
    if values.ndim > 3:
        raise ValueError(f"{values.ndim} axes")
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return volume(values.T, raw.dtype, affine[:3, 3], spacing, affine[:3, :3] / spacing)


def itk(path):
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetDimension() not in (2, 3):
        raise ValueError("not a scalar volume")
    if image.GetDimension() == 2:
        image = sitk.JoinSeries(image)
    values = sitk.GetArrayFromImage(image)
    return volume(values, values.dtype, image.GetOrigin(), image.GetSpacing(), image.GetDirection())


def npy(path):
    values = np.load(path)
    if values.ndim > 3 or values.dtype.kind not in "uif":
        raise ValueError("not a scalar volume")
    values = values.reshape((1,) * (3 - values.ndim) + values.shape)
    return volume(values, values.dtype, [0.0] * 3, [1.0] * 3, np.eye(3))


def scalar_array(data):
    """The active scalars, or else the first array with one component."""
    if data.GetScalars() is not None:
        return data.GetScalars() if data.GetScalars().GetNumberOfComponents() == 1 else None
    arrays = (data.GetArray(i) for i in range(data.GetNumberOfArrays()))
    return next((a for a in arrays if a is not None and a.GetNumberOfComponents() == 1), None)


def even_image(grid):
    """An image of a rectilinear grid with even spacing."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData

    axes = [vtk_to_numpy(a) for a in (grid.GetXCoordinates(), grid.GetYCoordinates(), grid.GetZCoordinates())]
    image = vtkImageData()
    image.SetDimensions(grid.GetDimensions())
    image.SetOrigin([float(a[0]) for a in axes])
    image.SetSpacing([float(a[-1] - a[0]) / (len(a) - 1) if len(a) > 1 else 1.0 for a in axes])
    image.GetPointData().ShallowCopy(grid.GetPointData())
    image.GetCellData().ShallowCopy(grid.GetCellData())
    return image


def vtk_image(path):
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkIOLegacy import vtkDataSetReader
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLPImageDataReader, vtkXMLRectilinearGridReader

    readers = {".vti": vtkXMLImageDataReader, ".pvti": vtkXMLPImageDataReader, ".vtr": vtkXMLRectilinearGridReader}
    reader = readers.get(path.suffix, vtkDataSetReader)()
    reader.SetFileName(str(path))
    reader.Update()
    image = reader.GetOutput()
    if image.IsA("vtkRectilinearGrid"):
        image = even_image(image)
    whole = vtkImageData()
    whole.ShallowCopy(image)
    image = whole
    scalars = scalar_array(image.GetPointData())
    cells = scalars is None and image.GetPointData().GetNumberOfArrays() == 0
    if cells:
        scalars = scalar_array(image.GetCellData())
    if scalars is None:
        raise ValueError("no scalar array")
    # An image may start at another index than 0.
    extent = image.GetExtent()
    origin = [0.0] * 3
    start = [low + (0.5 if cells and high > low else 0.0) for low, high in zip(extent[::2], extent[1::2])]
    image.TransformContinuousIndexToPhysicalPoint(start, origin)
    direction = [image.GetDirectionMatrix().GetElement(r, c) for r in range(3) for c in range(3)]
    shape = [max(n - 1, 1) if cells else n for n in image.GetDimensions()]
    values = vtk_to_numpy(scalars).reshape(shape[::-1])
    return volume(values, values.dtype, origin, image.GetSpacing(), direction)


def reference(path, step):
    name = path.name.lower()
    if path.is_dir() or name.endswith(".dcm"):
        return dicom(path)
    if name.endswith((".nii", ".nii.gz", ".hdr", ".img")):
        return nifti(path, step)
    if name.endswith((".nrrd", ".nhdr", ".mha", ".mhd", ".tif", ".tiff")):
        return itk(path)
    if name.endswith(".npy"):
        return npy(path)
    return vtk_image(path)


def main():
    result = {}
    for argument in sys.argv[1:]:
        try:
            path, _, step = argument.partition("#")
            result[argument] = reference(pathlib.Path(path), int(step) if step else None)
        except Exception as error:  # Whatever a reader raises: the test compares refusals too.
            result[argument] = {"error": f"{type(error).__name__}: {error}"}
    json.dump(result, sys.stdout)


main()
