#include "vtkNeuvolCompress.h"

#include "vtkNeuvolImage.h"

#include "vtkDataArray.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkMatrix3x3.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkSmartPointer.h"
#include "vtkStreamingDemandDrivenPipeline.h"

vtkStandardNewMacro(vtkNeuvolCompress);

int vtkNeuvolCompress::RequestInformation(
  vtkInformation* request, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  if (!this->Superclass::RequestInformation(request, inputs, outputs))
  {
    return 0;
  }
  // The first process gets the whole, the others nothing.
  outputs->GetInformationObject(0)->Remove(vtkAlgorithm::CAN_PRODUCE_SUB_EXTENT());
  return 1;
}

int vtkNeuvolCompress::RequestUpdateExtent(
  vtkInformation* request, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  const int* extent = outputs->GetInformationObject(0)->Get(vtkStreamingDemandDrivenPipeline::UPDATE_EXTENT());
  if (extent && (extent[1] < extent[0] || extent[3] < extent[2] || extent[5] < extent[4]))
  {
    return this->vtkImageAlgorithm::RequestUpdateExtent(request, inputs, outputs);
  }
  return this->Superclass::RequestUpdateExtent(request, inputs, outputs);
}

int vtkNeuvolCompress::RequestData(vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  vtkInformation* outInfo = outputs->GetInformationObject(0);
  vtkImageData* output = vtkImageData::GetData(outInfo);
  const int* extent = outInfo->Get(vtkStreamingDemandDrivenPipeline::UPDATE_EXTENT());
  if (extent && (extent[1] < extent[0] || extent[3] < extent[2] || extent[5] < extent[4]))
  {
    output->Initialize();
    return 1;
  }
  vtkImageData* image = this->GetImage(inputs);
  if (!image)
  {
    return 0;
  }
  try
  {
    int association = 0;
    vtkDataArray* array = this->GetArray(image, association);
    const neuvol::Samples samples = vtkNeuvolImage::Samples(image, array, association);
    const neuvol::Compressed compressed =
      neuvol::compress(samples, vtkNeuvolImage::Options(*this), vtkNeuvolImage::ProgressOf(this, 0.0, 0.95));
    neuvol::OpenOptions how;
    how.threads = static_cast<std::size_t>(this->Threads);
    const neuvol::Volume volume = compressed.open(how);
    const neuvol::Info& info = volume.info();

    // Point data: of cell data, the grid of the cells' centres.
    const auto& shape = info.grid.shape;
    int whole[6];
    image->GetExtent(whole);
    const bool points = static_cast<std::size_t>(image->GetNumberOfPoints()) == shape[0] * shape[1] * shape[2];
    if (points)
    {
      output->SetExtent(whole);
      output->SetOrigin(image->GetOrigin());
    }
    else
    {
      output->SetDimensions(static_cast<int>(shape[0]), static_cast<int>(shape[1]), static_cast<int>(shape[2]));
      output->SetOrigin(info.grid.origin.data());
    }
    output->SetSpacing(image->GetSpacing());
    output->SetDirectionMatrix(image->GetDirectionMatrix());
    const neuvol::Region region = volume.whole();
    const auto decoded = vtkSmartPointer<vtkDataArray>::Take(
      vtkNeuvolImage::NewArray(info, vtkNeuvolImage::VTKType(info.sampleType), static_cast<vtkIdType>(region.size())));
    volume.read(
      region, info.sampleType.c_str(), decoded->GetVoidPointer(0), vtkNeuvolImage::ProgressOf(this, 0.95, 1.0));
    output->GetPointData()->SetScalars(decoded);
    vtkNeuvolImage::AddFieldData(info, output);
    this->AchievedPSNR = info.psnr;
    this->AchievedMaximumError = info.maxError;
    this->AchievedRMSE = info.rmse;
    this->AchievedRatio = info.ratio;
    this->FileBytes = static_cast<vtkTypeInt64>(info.fileBytes);
    return 1;
  }
  catch (const neuvol::Interrupted&)
  {
    output->Initialize();
    return 1;
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
    output->Initialize();
    return 0;
  }
}

void vtkNeuvolCompress::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "AchievedPSNR: " << this->AchievedPSNR << "\n";
  os << indent << "AchievedMaximumError: " << this->AchievedMaximumError << "\n";
  os << indent << "AchievedRMSE: " << this->AchievedRMSE << "\n";
  os << indent << "AchievedRatio: " << this->AchievedRatio << "\n";
  os << indent << "FileBytes: " << this->FileBytes << "\n";
}
