// The arrays of an open file as VTK has them. Not installed.

#ifndef vtkNeuvolArrays_h
#define vtkNeuvolArrays_h

#include <neuvol/neuvol.h>

// Not declared here: VTK may have its classes in a namespace of its ABI's.
#include "vtkDataArray.h"
#include "vtkImageData.h"
#include "vtkSmartPointer.h"

#include <functional>
#include <string>
#include <vector>

class vtkNeuvolFile;

/// An array of a file at a time step.
struct vtkNeuvolArray
{
  /// Its place in the file.
  std::size_t Index;
  std::string Name;
  /// Empty where a component has no name.
  std::vector<std::string> ComponentNames;
  /// Of each component.
  std::vector<neuvol::Info> Components;

  const neuvol::Grid& Grid() const { return this->Components.front().grid; }
  bool IsOfCells() const { return this->Grid().association == neuvol::Association::Cell; }
  /// A type that holds the values of all components (NumPy's name): theirs, where they have one.
  std::string SampleType() const;
};

namespace vtkNeuvolArrays
{

/// An array of the open file. Throws neuvol::Error where its components lie on several grids.
vtkNeuvolArray Describe(vtkNeuvolFile& file, const neuvol::Dataset& dataset, std::size_t array, std::size_t step);

/// What a file says of an array of an image: its name, and those of its components. Throws neuvol::Error for more components than
/// a file's arrays have.
neuvol::Array AboutOf(vtkDataArray* array);

/// The array that is active among others, as a place among them: the first one of a single component, else the first one.
std::size_t ActiveOf(const std::vector<vtkNeuvolArray>& arrays);

/// An empty array for so many tuples: name, unit, components' names, and this type.
vtkSmartPointer<vtkDataArray> NewArray(const vtkNeuvolArray& array, const std::string& sampleType, vtkIdType tuples);

/// Fills an array of so many tuples. `decode` writes a component's samples of the array's type, one behind the other, to where it
/// is told; of several components, one after the other is decoded beside the array, and goes to its places in it.
void Fill(vtkDataArray* array, std::size_t tuples, const std::function<void(std::size_t component, void* out)>& decode);

/// Makes scalars of the arrays of an image that are active among its points' and among its cells' arrays.
void SetActive(vtkImageData* image, const std::vector<vtkNeuvolArray>& arrays);

} // namespace vtkNeuvolArrays

#endif
