// Between neuvol's volumes and VTK's images. Not installed.

#ifndef vtkNeuvolImage_h
#define vtkNeuvolImage_h

#include <neuvol/neuvol.h>

// Not declared here: VTK may have its classes in a namespace of its ABI's.
#include "vtkAlgorithm.h"
#include "vtkDataArray.h"
#include "vtkDataSetAttributes.h"
#include "vtkImageData.h"
#include "vtkSmartPointer.h"
#include "vtkType.h"

#include <cstdint>
#include <string>
#include <vector>

class vtkNeuvolCompressor;

namespace vtkNeuvolImage
{

/// VTK's code of a sample type (NumPy's name).
int VTKType(const std::string& sampleType);

/// An image's array and where its samples lie; those of cells at the cells' centres, those of several components one behind the
/// other. Throws neuvol::Error where it cannot be stored.
neuvol::Samples Samples(vtkImageData* image, vtkDataArray* array, int association);

/// Where the samples of an image's arrays lie, in the named frame.
neuvol::Grid Grid(vtkImageData* image, int association, const std::string& frame);

/// Makes a points' extent that of the cells between them.
void CellExtent(int extent[6]);

/// How far, in samples, the image's first point is before the first sample along an axis: half a cell, or nothing.
double Margin(const neuvol::Grid& grid, int axis);

/// World position of the first point of an image whose samples lie as the grid says, and whose extent begins at 0.
void FirstPoint(const neuvol::Grid& grid, double origin[3]);

/// The attributes of the image that an array of such samples belongs to: its points' or its cells'.
vtkDataSetAttributes* AttributesOf(vtkImageData* image, const neuvol::Grid& grid);

/// What a compression achieved, in one line.
std::string Text(const neuvol::Outcome& outcome, const std::string& unit);

/// What a compression of several volumes into a file achieved, in one line.
std::string Text(const std::vector<neuvol::Outcome>& outcomes, std::uint64_t fileBytes);

/// What the properties ask for.
neuvol::CompressOptions Options(vtkNeuvolCompressor& properties);

/// An empty array for a volume's samples: name, unit, type.
vtkSmartPointer<vtkDataArray> NewArray(const neuvol::Info& info, int type, vtkIdType samples, int components = 1);

/// Adds what the file achieves of an array to the image's field data: what it says of each component. Behind the figures' names
/// comes the suffix.
void AddFieldData(const std::vector<neuvol::Info>& components, const std::vector<std::string>& names,
  const std::string& suffix, vtkImageData* image);

/// Whether the algorithm is to stop.
bool IsAborted(vtkAlgorithm* algorithm);

/// Forgets an abort of an earlier update, which VTK leaves set.
void ClearAbort(vtkAlgorithm* algorithm);

/// Progress and abort of an algorithm, scaled into from..to.
neuvol::Progress ProgressOf(vtkAlgorithm* algorithm, double from = 0.0, double to = 1.0);

} // namespace vtkNeuvolImage

#endif
