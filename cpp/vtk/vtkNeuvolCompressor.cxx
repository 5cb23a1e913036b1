#include "vtkNeuvolCompressor.h"

#include "vtkDataSetAttributes.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkStreamingDemandDrivenPipeline.h"

vtkNeuvolCompressor::vtkNeuvolCompressor()
{
  this->SetInputArrayToProcess(0, 0, 0, vtkDataObject::FIELD_ASSOCIATION_POINTS, vtkDataSetAttributes::SCALARS);
}

int vtkNeuvolCompressor::FillInputPortInformation(int, vtkInformation* info)
{
  // Whatever comes: what is no image is refused with a sentence.
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkDataObject");
  return 1;
}

int vtkNeuvolCompressor::RequestUpdateExtent(vtkInformation*, vtkInformationVector** inputs, vtkInformationVector*)
{
  // A network is trained on the whole.
  vtkInformation* info = inputs[0]->GetInformationObject(0);
  if (info->Has(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT()))
  {
    info->Set(vtkStreamingDemandDrivenPipeline::UPDATE_EXTENT(),
      info->Get(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT()), 6);
  }
  return 1;
}

vtkImageData* vtkNeuvolCompressor::GetImage(vtkInformationVector** inputs)
{
  vtkDataObject* input = vtkDataObject::GetData(inputs[0]);
  vtkImageData* image = vtkImageData::SafeDownCast(input);
  if (!image)
  {
    vtkErrorMacro(<< "A neural volume is made of an image (vtkImageData), not of "
                  << (input ? input->GetClassName() : "nothing")
                  << ": resample to an image first (vtkResampleToImage).");
    return nullptr;
  }
  if (image->GetNumberOfPoints() == 0)
  {
    vtkErrorMacro(<< "The image is empty: there is nothing to compress.");
    return nullptr;
  }
  return image;
}

vtkDataArray* vtkNeuvolCompressor::GetArray(vtkImageData* image, int& association)
{
  association = vtkDataObject::FIELD_ASSOCIATION_POINTS;
  return this->GetInputArrayToProcess(0, image, association);
}

void vtkNeuvolCompressor::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  const char* targets[] = { "PSNR", "RATIO", "SIZE" };
  const char* presets[] = { "FAST", "BALANCED", "BEST" };
  os << indent << "Target: " << targets[this->Target] << "\n";
  os << indent << "TargetPSNR: " << this->TargetPSNR << "\n";
  os << indent << "TargetRatio: " << this->TargetRatio << "\n";
  os << indent << "TargetSize: " << this->TargetSize << "\n";
  os << indent << "Preset: " << presets[this->Preset] << "\n";
  os << indent << "Seed: " << this->Seed << "\n" << indent << "Threads: " << this->Threads << "\n";
}
