//! VTK's own files.

use super::*;

#[test]
fn vtk_files() {
    let Some((python, data)) = python_and_data("vtk_files") else { return };
    let refused = [("BuiltInExample1.vti", "3 components"), ("vase_4comp.vti", "has 4 components")];
    compare_files(&python, &files_in(&data.join("formats/vti"), &[".vti"]), 1e-6, &refused);
    compare_files(&python, &files_in(&data.join("formats/vti/amr_small"), &[".vti"]), 1e-6, &[]);
    let refused = [
        ("RectGrid2.vtk", "not evenly spaced"),
        ("SampleStructGrid.vtk", "STRUCTURED_GRID"),
        ("VectorAnimation_vecAnim1.vtk", "'texture' (2 components)"),
        ("texThres.vtk", "'texture' (2 components)"),
    ];
    compare_files(&python, &files_in(&data.join("formats/vtk"), &[".vtk"]), 1e-6, &refused);
    let refused = [("RectilinearGrid.vtr", "not evenly spaced")];
    compare_files(&python, &files_in(&data.join("formats/vtr"), &[".vtr"]), 1e-6, &refused);
}

/// Every form of image that VTK itself writes, whatever of it the samples lack.
#[test]
fn images_that_vtk_writes() {
    let Some(python) = environment("NEUVOL_PYTHON", "images_that_vtk_writes") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import sys, itertools, numpy as np
from vtkmodules.vtkCommonDataModel import vtkImageData, vtkRectilinearGrid
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkIOXML import vtkXMLImageDataWriter, vtkXMLRectilinearGridWriter
from vtkmodules.vtkIOParallelXML import vtkXMLPImageDataWriter
from vtkmodules.vtkIOLegacy import vtkStructuredPointsWriter, vtkRectilinearGridWriter
folder = sys.argv[1] + "/"
dims = (70, 60, 21)
def image(dtype, cells=False):
    made = vtkImageData()
    made.SetDimensions([n + 1 for n in dims] if cells else dims)
    made.SetOrigin(-1.5, 1e3 + 1e-9, 0.1); made.SetSpacing(0.1, 0.2, 1 / 3)
    made.SetDirectionMatrix(0, -1, 0, 1, 0, 0, 0, 0, 1)
    values = (np.arange(np.prod(dims)) % 1000 * 3).astype(dtype)
    array = numpy_to_vtk(values, deep=True); array.SetName("t")
    other = numpy_to_vtk(np.stack([values + 1, values + 2], -1), deep=True); other.SetName("vector")
    data = made.GetCellData() if cells else made.GetPointData()
    data.AddArray(other); data.SetScalars(array)
    return made
n = 0
for compressor, mode, wide, big in itertools.product(["None", "ZLib", "LZ4", "LZMA"], ["Ascii", "Binary", "Appended", "Raw"], [0, 1], [0, 1]):
    if mode == "Ascii" and (compressor != "None" or wide or big):
        continue
    writer = vtkXMLImageDataWriter()
    getattr(writer, "SetCompressorTypeTo" + compressor)()
    writer.SetDataModeToAppended() if mode == "Raw" else getattr(writer, "SetDataModeTo" + mode)()
    writer.SetEncodeAppendedData(mode == "Appended")
    writer.SetHeaderTypeToUInt64() if wide else writer.SetHeaderTypeToUInt32()
    writer.SetByteOrderToBigEndian() if big else writer.SetByteOrderToLittleEndian()
    writer.SetInputData(image(["u1", "i2", "f4", "f8", "i8"][n % 5], cells=n % 3 == 0))
    writer.SetFileName(f"{folder}i{n}_{compressor}_{mode}_{wide}_{big}.vti")
    assert writer.Write()
    n += 1
for cells in [False, True]:
    writer = vtkXMLPImageDataWriter()
    writer.SetNumberOfPieces(5); writer.SetStartPiece(0); writer.SetEndPiece(4)
    writer.SetInputData(image("i2", cells)); writer.SetFileName(folder + f"p{int(cells)}.pvti")
    assert writer.Write()
grid = vtkRectilinearGrid(); grid.SetDimensions(dims)
for axis, n in zip("XYZ", dims):
    getattr(grid, f"Set{axis}Coordinates")(numpy_to_vtk(np.linspace(-3, 7, n).astype("f4"), deep=True))
grid.GetPointData().SetScalars(image("f4").GetPointData().GetScalars())
for writer, name in [(vtkXMLRectilinearGridWriter(), "g.vtr"), (vtkRectilinearGridWriter(), "g.vtk")]:
    writer.SetInputData(grid); writer.SetFileName(folder + name)
    assert writer.Write()
for binary in [0, 1]:
    writer = vtkStructuredPointsWriter(); writer.SetInputData(image("f8")); writer.SetFileType(1 + binary)
    writer.SetFileName(folder + f"s{binary}.vtk")
    assert writer.Write()
"#;
    run_python(&python, script, folder.path());
    // The pieces of the parallel files are no whole images.
    let files: Vec<PathBuf> = files_in(folder.path(), &[".vti", ".pvti", ".vtr", ".vtk"])
        .into_iter()
        .filter(|p| {
            !p.file_name().unwrap().to_str().unwrap().starts_with(['p']) || p.extension().unwrap() == "pvti"
        })
        .collect();
    assert_eq!(files.len(), 49 + 2 + 2 + 2);
    compare_files(&python, &files, 1e-6, &[]);
}
