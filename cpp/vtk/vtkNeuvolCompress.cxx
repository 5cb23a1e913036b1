#include "vtkNeuvolCompress.h"

#include "vtkNeuvolImage.h"

#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include <sstream>

vtkStandardNewMacro(vtkNeuvolCompress);

namespace
{

/// All that a result depends on. Modification times of the filter itself would not do: an abort is a modification.
std::string RequestOf(const neuvol::CompressOptions& options, vtkInformation* array, vtkImageData* image)
{
  const char* name = array->Get(vtkDataObject::FIELD_NAME());
  std::ostringstream out;
  out.precision(17);
  out << static_cast<int>(options.target.kind()) << ' ' << static_cast<int>(options.target.quality()) << ' '
      << options.target.value() << ' ' << options.preset << ' ' << options.seed << ' '
      << options.threads << ' ' << array->Get(vtkDataObject::FIELD_ASSOCIATION()) << ' ' << image->GetMTime() << ' '
      << (name ? name : "");
  return out.str();
}

} // namespace

int vtkNeuvolCompress::RequestInformation(
  vtkInformation* request, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  if (!this->Superclass::RequestInformation(request, inputs, outputs))
  {
    return 0;
  }
  vtkInformation* outInfo = outputs->GetInformationObject(0);
  // The first process has the whole, the others nothing.
  outInfo->Remove(vtkAlgorithm::CAN_PRODUCE_SUB_EXTENT());
  return 1;
}

int vtkNeuvolCompress::RequestData(vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  vtkInformation* outInfo = outputs->GetInformationObject(0);
  vtkImageData* output = vtkImageData::GetData(outInfo);
  if (this->IsIdle())
  {
    output->Initialize();
    return 1;
  }
  vtkImageData* image = this->GetImage(inputs);
  if (!image)
  {
    return 0;
  }
  vtkNeuvolImage::ClearAbort(this);
  // An empty output does not satisfy the pipeline, which would train again and again.
  const neuvol::CompressOptions options = vtkNeuvolImage::Options(*this);
  const std::string request = RequestOf(options, this->GetInputArrayInformation(0), image);
  if (request == this->FailedRequest)
  {
    output->Initialize();
    if (!this->Failure.empty())
    {
      vtkErrorMacro(<< this->Failure);
    }
    return this->Failure.empty() ? 1 : 0;
  }
  this->AchievedPSNR = this->AchievedMaximumError = this->AchievedRMSE = this->AchievedRatio = 0.0;
  this->FileBytes = 0;
  this->Outcome.clear();
  this->FailedRequest.clear();
  const auto failed = [&](const std::string& why)
  {
    output->Initialize();
    this->FailedRequest = request;
    this->Failure = why;
  };
  try
  {
    int association = 0;
    vtkDataArray* array = this->GetArray(image, association);
    const neuvol::Samples samples = vtkNeuvolImage::Samples(image, array, association);
    const neuvol::Compressed compressed =
      neuvol::compress(samples, options, vtkNeuvolImage::ProgressOf(this, 0.0, 0.95));
    neuvol::OpenOptions how;
    how.threads = static_cast<std::size_t>(this->Threads);
    const neuvol::Volume volume = compressed.open(how);
    const neuvol::Info& info = volume.info();

    output->CopyInformationFromPipeline(outInfo);
    int whole[6];
    outInfo->Get(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), whole);
    output->SetExtent(whole);
    const neuvol::Region region = volume.whole();
    const auto decoded = vtkNeuvolImage::NewArray(
      info, vtkNeuvolImage::VTKType(info.sampleType), static_cast<vtkIdType>(region.size()));
    volume.read(
      region, info.sampleType.c_str(), decoded->GetVoidPointer(0), vtkNeuvolImage::ProgressOf(this, 0.95, 1.0));
    vtkNeuvolImage::SetScalars(output, info.grid, decoded);
    vtkNeuvolImage::AddFieldData(info, output);
    this->AchievedPSNR = info.psnr;
    this->AchievedMaximumError = info.maxError;
    this->AchievedRMSE = info.rmse;
    this->AchievedRatio = info.ratio;
    this->FileBytes = static_cast<vtkTypeInt64>(info.fileBytes);
    const neuvol::Outcome& outcome = compressed.outcome();
    this->Report("Compressed '" + info.name + "'", vtkNeuvolImage::Text(outcome, info.unit));
    for (const std::string& warning : outcome.warnings)
    {
      vtkWarningMacro(<< warning);
    }
    return 1;
  }
  catch (const neuvol::Interrupted&)
  {
    failed("");
    return 1;
  }
  catch (const std::exception& error)
  {
    failed(error.what());
    vtkErrorMacro(<< error.what());
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
