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

/// Points and cells in one file, names of components and units, blocks: VTK writes the same image in each form, and says
/// what its own reader finds.
#[test]
fn arrays_and_blocks_that_vtk_writes() {
    let Some(python) = environment("NEUVOL_PYTHON", "arrays_and_blocks_that_vtk_writes") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import sys, numpy as np
from vtkmodules.vtkCommonDataModel import vtkImageData, vtkMultiBlockDataSet, vtkPolyData
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkIOXML import vtkXMLImageDataWriter, vtkXMLMultiBlockDataWriter
from vtkmodules.vtkIOLegacy import vtkStructuredPointsWriter
from vtkmodules.vtkCommonCore import vtkDataArray
folder = sys.argv[1] + "/"
def image(shift=0):
    made = vtkImageData()
    made.SetDimensions(5, 3, 4); made.SetOrigin(1, 2, 3); made.SetSpacing(0.5, 0.6, 2)
    def add(data, name, values):
        array = numpy_to_vtk(values, deep=True); array.SetName(name)
        data.AddArray(array)
        return array
    points = np.arange(60, dtype="f4") + shift
    vectors = add(made.GetPointData(), "a vector", np.stack([points, points + 1, points + 2], -1))
    vectors.SetComponentName(0, "the first"); vectors.SetComponentName(2, "third")
    add(made.GetPointData(), "p", points + 100)
    unit = add(made.GetPointData(), "q", points + 200)
    unit.GetInformation().Set(vtkDataArray.UNITS_LABEL(), "m / s")
    add(made.GetCellData(), "c", np.arange(24, dtype="f4"))
    return made
for active in ["", "q"]:
    made = image()
    if active:
        made.GetPointData().SetActiveScalars(active)
    for text in [False, True]:
        writer = vtkStructuredPointsWriter()
        writer.SetInputData(made); writer.SetFileName(f"{folder}{active}{text}.vtk")
        writer.SetFileTypeToASCII() if text else writer.SetFileTypeToBinary()
        assert writer.Write()
    writer = vtkXMLImageDataWriter()
    writer.SetInputData(made); writer.SetFileName(f"{folder}{active}.vti")
    assert writer.Write()
blocks = vtkMultiBlockDataSet()
blocks.SetBlock(0, vtkPolyData()); blocks.SetBlock(2, image(1000))
writer = vtkXMLMultiBlockDataWriter()
writer.SetInputData(blocks); writer.SetFileName(folder + "blocks.vtm")
assert writer.Write()
"#;
    run_python(&python, script, folder.path());
    let read = |name: &str, options: &OpenOptions| io::open(folder.path().join(name), options).unwrap();
    for (active, taken, first) in [("", "p", 100.0), ("q", "q", 200.0)] {
        for name in ["False.vtk", "True.vtk", ".vti"] {
            let name = format!("{active}{name}");
            let volume = read(&name, &OpenOptions::default());
            assert_eq!((volume.name.as_str(), volume.shape()), (taken, [5, 3, 4]), "{name}");
            assert_eq!((volume.samples().get(0), volume.samples().get(59)), (first, first + 59.0), "{name}");
            let others = &volume.provenance[io::OTHER_ARRAYS];
            assert!(others.contains("a vector") && others.contains("c (cells)"), "{name}: {others}");
            let named = OpenOptions { array: Some("q".into()), ..OpenOptions::default() };
            let volume = read(&name, &named);
            assert_eq!((volume.unit.as_str(), volume.samples().get(0)), ("m / s", 200.0), "{name}");
            let part = OpenOptions { component: Some(2), ..OpenOptions::default() };
            let volume = read(&name, &part);
            assert_eq!((volume.name.as_str(), volume.samples().get(1)), ("a vector_2", 3.0), "{name}");
            let cells = OpenOptions { array: Some("c".into()), ..OpenOptions::default() };
            assert_eq!(read(&name, &cells).shape(), [4, 2, 3], "{name}");
        }
    }
    assert_eq!(read("blocks.vtm", &OpenOptions::default()).samples().get(0), 1100.0);
}
