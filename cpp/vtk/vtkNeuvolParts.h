// Images that are parts of one: blocks of a composite data set, pieces on several processes. Not installed.

#ifndef vtkNeuvolParts_h
#define vtkNeuvolParts_h

#include "vtkNeuvolProcesses.h"

// Not declared here: VTK may have its classes in a namespace of its ABI's.
#include "vtkDataArray.h"
#include "vtkDataObject.h"
#include "vtkImageData.h"
#include "vtkSmartPointer.h"

#include <string>
#include <vector>

class vtkNeuvolParts
{
public:
  /// The images of a data set, on this process and on the others, which do the same. Throws neuvol::Error on all processes where
  /// no image comes, something else than images, or images on several grids. `whole`, if it is known, is the extent that they fill.
  vtkNeuvolParts(vtkDataObject* input, const int* whole, const vtkNeuvolProcesses& processes);

  /// Those of this process, each with its extent in the grid of all.
  const std::vector<vtkSmartPointer<vtkImageData>>& images() const { return this->Images; }

  /// The grid of all, without arrays.
  vtkImageData* whole() const { return this->Whole; }

  /// How many samples an array of all has.
  vtkIdType samples(int association) const;

  /// Leaves the images nothing but an array each, in their order.
  void keep(const std::vector<vtkDataArray*>& arrays, int association);

  /// The samples of the array that was kept, on this process.
  std::vector<neuvol::Piece> pieces() const;

  /// Brings all images together on the first process, as one; null on the others. Throws neuvol::Error on all processes where a
  /// sample is in none of them.
  vtkSmartPointer<vtkImageData> gather(const vtkNeuvolProcesses& processes) const;

private:
  std::vector<vtkSmartPointer<vtkImageData>> Images;
  vtkSmartPointer<vtkImageData> Whole;
  /// The arrays that were kept, and where they sit.
  std::vector<vtkDataArray*> Kept;
  int Association = vtkDataObject::FIELD_ASSOCIATION_POINTS;
};

#endif
