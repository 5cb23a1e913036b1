// Between neuvol's volumes and VTK's images. Not installed.

#ifndef vtkNeuvolImage_h
#define vtkNeuvolImage_h

#include <neuvol/neuvol.h>

// Not declared here: VTK may have its classes in a namespace of its ABI's.
#include "vtkAlgorithm.h"
#include "vtkDataArray.h"
#include "vtkImageData.h"
#include "vtkSmartPointer.h"
#include "vtkType.h"

#include <string>

class vtkNeuvolCompressor;

namespace vtkNeuvolImage
{

/// VTK's code of a sample type (NumPy's name).
int VTKType(const std::string& sampleType);

/// An image's array and where its samples lie; those of cells at the cells' centres. Throws neuvol::Error where it
/// cannot be stored.
neuvol::Samples Samples(vtkImageData* image, vtkDataArray* array, int association);

/// Makes a points' extent that of the cells between them.
void CellExtent(int extent[6]);

/// How far, in samples, the image's first point is before the first sample along an axis: half a cell, or nothing.
double Margin(const neuvol::Grid& grid, int axis);

/// World position of the first point of an image whose samples lie as the grid says, and whose extent begins at 0.
void FirstPoint(const neuvol::Grid& grid, double origin[3]);

/// Gives the image the array, as scalars of its points or of its cells.
void SetScalars(vtkImageData* image, const neuvol::Grid& grid, vtkDataArray* array);

/// What a compression achieved, in one line.
std::string Text(const neuvol::Outcome& outcome, const std::string& unit);

/// What the properties ask for.
neuvol::CompressOptions Options(vtkNeuvolCompressor& properties);

/// An empty array for a volume's samples: name, unit, type.
vtkSmartPointer<vtkDataArray> NewArray(const neuvol::Info& info, int type, vtkIdType samples);

/// Adds what the file achieves to the image's field data.
void AddFieldData(const neuvol::Info& info, vtkImageData* image);

/// Whether the algorithm is to stop.
bool IsAborted(vtkAlgorithm* algorithm);

/// Forgets an abort of an earlier update, which VTK leaves set.
void ClearAbort(vtkAlgorithm* algorithm);

/// Progress and abort of an algorithm, scaled into from..to.
neuvol::Progress ProgressOf(vtkAlgorithm* algorithm, double from = 0.0, double to = 1.0);

} // namespace vtkNeuvolImage

#endif
