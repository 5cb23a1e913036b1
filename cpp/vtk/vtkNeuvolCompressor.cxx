#include "vtkNeuvolCompressor.h"

#include <neuvol/neuvol.h>

#include "vtkCellData.h"
#include "vtkDataSetAttributes.h"
#include "vtkInformation.h"
#include "vtkInformationStringKey.h"
#include "vtkOutputWindow.h"
#include "vtkPointData.h"

#include <algorithm>
#include <string>

vtkNeuvolCompressor::vtkNeuvolCompressor()
{
  this->SetInputArrayToProcess(0, 0, 0, vtkDataObject::FIELD_ASSOCIATION_POINTS, vtkDataSetAttributes::SCALARS);
}

int vtkNeuvolCompressor::FillInputPortInformation(int, vtkInformation* info)
{
  // Whatever comes: what is not an image is refused with a reason.
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkDataObject");
  return 1;
}

std::vector<vtkNeuvolCompressor::Selected> vtkNeuvolCompressor::GetArrays(vtkImageData* image)
{
  if (!this->AllArrays)
  {
    return { this->GetArray(image) };
  }
  constexpr int most = 9;
  std::vector<Selected> found;
  for (const int association : { vtkDataObject::FIELD_ASSOCIATION_POINTS, vtkDataObject::FIELD_ASSOCIATION_CELLS })
  {
    vtkDataSetAttributes* attributes = image->GetAttributes(association);
    for (int n = 0; n < attributes->GetNumberOfArrays(); ++n)
    {
      // What is not of numbers is null.
      vtkDataArray* array = attributes->GetArray(n);
      const std::string name = array && array->GetName() ? array->GetName() : "";
      if (!array || name == vtkDataSetAttributes::GhostArrayName())
      {
        continue;
      }
      if (array->GetNumberOfComponents() > most)
      {
        vtkWarningMacro(<< "Array '" << name << "' has " << array->GetNumberOfComponents()
                        << " components and is left out: a neural volume's has 1 to " << most << ".");
        continue;
      }
      found.push_back({ array, association });
    }
  }
  if (found.empty())
  {
    throw neuvol::Error("the image has no array to compress: give it one (in ParaView with Calculator), or resample the "
                        "data that has one");
  }
  return found;
}

vtkNeuvolCompressor::Selected vtkNeuvolCompressor::GetArray(vtkImageData* image)
{
  int association = vtkDataObject::FIELD_ASSOCIATION_POINTS;
  if (vtkDataArray* array = this->GetInputArrayToProcess(0, image, association))
  {
    return { array, association };
  }
  vtkInformation* asked = this->GetInputArrayInformation(0);
  const char* name = asked->Get(vtkDataObject::FIELD_NAME());
  // ParaView sets an empty name where it knows no array yet.
  if (name && *name)
  {
    const bool cells = asked->Get(vtkDataObject::FIELD_ASSOCIATION()) == vtkDataObject::FIELD_ASSOCIATION_CELLS;
    throw neuvol::Error(std::string("the image has no ") + (cells ? "cell" : "point") + " array '" + name + "'");
  }
  vtkDataArray* array = image->GetPointData()->GetArray(0);
  if (!array)
  {
    throw neuvol::Error(image->GetCellData()->GetNumberOfArrays() > 0
                          ? "the image has cell arrays only: choose one of them (SetInputArrayToProcess)"
                          : "the image has no array to compress: give it one (in ParaView with Calculator), or resample "
                            "the data that has one");
  }
  return { array, vtkDataObject::FIELD_ASSOCIATION_POINTS };
}

void vtkNeuvolCompressor::Report(const std::string& what, const std::string& outcome)
{
  this->Outcome = outcome;
  if (this->ReportOutcome)
  {
    vtkOutputWindow::GetInstance()->DisplayText((what + ": " + outcome + "\n").c_str());
  }
}

void vtkNeuvolCompressor::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  const char* targets[] = { "QUALITY", "PSNR", "RATIO", "SIZE", "MAX_ERROR", "LOSSLESS" };
  const char* qualities[] = { "PREVIEW", "STANDARD", "FINE" };
  const char* presets[] = { "FAST", "BALANCED", "BEST" };
  os << indent << "AllArrays: " << this->AllArrays << "\n";
  os << indent << "Target: " << targets[this->Target] << "\n";
  os << indent << "Quality: " << qualities[this->Quality] << "\n";
  os << indent << "TargetPSNR: " << this->TargetPSNR << "\n";
  os << indent << "TargetRatio: " << this->TargetRatio << "\n";
  os << indent << "TargetSize: " << this->TargetSize << "\n";
  os << indent << "TargetMaxError: " << this->TargetMaxError << "\n";
  os << indent << "Preset: " << presets[this->Preset] << "\n";
  os << indent << "Outcome: " << this->Outcome << "\n" << indent << "ReportOutcome: " << this->ReportOutcome << "\n";
  os << indent << "Seed: " << this->Seed << "\n" << indent << "Threads: " << this->Threads << "\n";
}
