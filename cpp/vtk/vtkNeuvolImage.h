// Between neuvol's volumes and VTK's images. Not installed.

#ifndef vtkNeuvolImage_h
#define vtkNeuvolImage_h

#include <neuvol/neuvol.h>

#include "vtkType.h"

#include <string>

class vtkAlgorithm;
class vtkDataArray;
class vtkImageData;
class vtkNeuvolCompressor;

namespace vtkNeuvolImage
{

/// VTK's code of a sample type (NumPy's name).
int VTKType(const std::string& sampleType);

/// An image's array and the grid that its samples are on; cell data sits at cell centres. Throws neuvol::Error where it
/// cannot be stored.
neuvol::Samples Samples(vtkImageData* image, vtkDataArray* array, int association);

/// Makes a points' extent that of the cells between them.
void CellExtent(int extent[6]);

/// What the properties ask for.
neuvol::CompressOptions Options(vtkNeuvolCompressor& properties);

/// An empty array for a volume's samples: name, unit, type.
vtkDataArray* NewArray(const neuvol::Info& info, int type, vtkIdType samples);

/// Adds what the file achieves to the image's field data.
void AddFieldData(const neuvol::Info& info, vtkImageData* image);

/// Forgets an abort of an earlier update, which VTK leaves set.
void ClearAbort(vtkAlgorithm* algorithm);

/// Progress and abort of an algorithm, scaled into from..to.
neuvol::Progress ProgressOf(vtkAlgorithm* algorithm, double from = 0.0, double to = 1.0);

} // namespace vtkNeuvolImage

#endif
