#include "vtkNeuvolCompress.h"

#include "vtkNeuvolArrays.h"
#include "vtkNeuvolImage.h"

#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkMultiProcessController.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

vtkStandardNewMacro(vtkNeuvolCompress);

namespace
{

/// All that a result depends on. Modification times of the filter itself would not do: an abort is a modification.
std::string RequestOf(
  const neuvol::CompressOptions& options, bool allArrays, vtkInformation* array, vtkImageData* image)
{
  const char* name = array->Get(vtkDataObject::FIELD_NAME());
  std::ostringstream out;
  out.precision(17);
  out << static_cast<int>(options.target.kind()) << ' ' << static_cast<int>(options.target.quality()) << ' '
      << options.target.value() << ' ' << options.preset << ' ' << options.seed << ' '
      << options.threads << ' ' << allArrays << ' ' << array->Get(vtkDataObject::FIELD_ASSOCIATION()) << ' ' << image->GetMTime() << ' '
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

int vtkNeuvolCompress::RequestUpdateExtent(vtkInformation*, vtkInformationVector** inputs, vtkInformationVector*)
{
  vtkInformation* info = inputs[0]->GetInformationObject(0);
  if (!info->Has(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT()))
  {
    return 1;
  }
  int extent[6] = { 0, -1, 0, -1, 0, -1 };
  if (!IsIdle())
  {
    info->Get(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), extent);
  }
  // All in one piece: a request for one of several would be cut again.
  info->Set(vtkStreamingDemandDrivenPipeline::UPDATE_EXTENT(), extent, 6);
  info->Set(vtkStreamingDemandDrivenPipeline::UPDATE_PIECE_NUMBER(), 0);
  info->Set(vtkStreamingDemandDrivenPipeline::UPDATE_NUMBER_OF_PIECES(), 1);
  info->Set(vtkStreamingDemandDrivenPipeline::UPDATE_NUMBER_OF_GHOST_LEVELS(), 0);
  return 1;
}

bool vtkNeuvolCompress::IsIdle()
{
  vtkMultiProcessController* processes = vtkMultiProcessController::GetGlobalController();
  return processes && processes->GetLocalProcessId() > 0;
}

vtkImageData* vtkNeuvolCompress::GetImage(vtkInformationVector** inputs)
{
  vtkDataObject* input = vtkDataObject::GetData(inputs[0]);
  vtkImageData* image = vtkImageData::SafeDownCast(input);
  if (!image)
  {
    const char* advice = !input ? ""
      : input->IsA("vtkCompositeDataSet")
      ? ": extract one of its blocks first (Extract Block), and where that is not an image, resample it to one "
        "(vtkResampleToImage)"
      : input->IsA("vtkDataSet") ? ": resample to an image first (vtkResampleToImage)"
                                 : ", and what has no points in space cannot become one";
    vtkErrorMacro(<< "A neural volume is made of an image (vtkImageData), not of "
                  << (input ? input->GetClassName() : "nothing") << advice << ".");
    return nullptr;
  }
  if (image->GetNumberOfPoints() == 0)
  {
    vtkErrorMacro(<< "The image is empty: there is nothing to compress.");
    return nullptr;
  }
  const int* whole = inputs[0]->GetInformationObject(0)->Get(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT());
  if (whole && !std::equal(whole, whole + 6, image->GetExtent()))
  {
    vtkErrorMacro(<< "The image is only a part of what its source announces, and the source cannot bring its parts "
                     "together: compress it on a single process.");
    return nullptr;
  }
  return image;
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
  const std::string request = RequestOf(options, this->AllArrays, this->GetInputArrayInformation(0), image);
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
    const std::vector<Selected> selected = this->GetArrays(image);
    std::vector<neuvol::Array> arrays;
    for (const Selected& of : selected)
    {
      arrays.push_back(vtkNeuvolArrays::AboutOf(of.Array));
    }
    // As vtkNeuvolWriter does, which needs no file of several for a single volume.
    const bool single = selected.size() == 1 && arrays.front().components.size() == 1;
    const std::size_t count = selected.size();
    const auto part = [&](double done) { return 0.95 * done / static_cast<double>(count); };
    std::optional<neuvol::DatasetWriter> file;
    std::vector<neuvol::Volume> volumes;
    std::vector<neuvol::Outcome> outcomes;
    neuvol::OpenOptions how;
    how.threads = static_cast<std::size_t>(this->Threads);
    if (single)
    {
      const Selected& of = selected.front();
      const neuvol::Samples samples = vtkNeuvolImage::Samples(image, of.Array, of.Association);
      const neuvol::Compressed compressed =
        neuvol::compress(samples, options, vtkNeuvolImage::ProgressOf(this, 0.0, part(1)));
      outcomes.push_back(compressed.outcome());
      volumes.push_back(compressed.open(how));
    }
    else
    {
      file.emplace(arrays);
      for (std::size_t n = 0; n < count; ++n)
      {
        const neuvol::Samples samples = vtkNeuvolImage::Samples(image, selected[n].Array, selected[n].Association);
        const double done = static_cast<double>(n);
        for (neuvol::Outcome& outcome :
          file->add(samples, options, vtkNeuvolImage::ProgressOf(this, part(done), part(done + 1))))
        {
          outcomes.push_back(std::move(outcome));
        }
      }
      const neuvol::Dataset dataset = file->open(how);
      for (std::size_t array = 0; array < count; ++array)
      {
        for (std::size_t component = 0; component < arrays[array].components.size(); ++component)
        {
          volumes.push_back(dataset.volume(array, component));
        }
      }
    }

    // VTK keeps an image's scalars from update to update.
    output->GetPointData()->Initialize();
    output->CopyInformationFromPipeline(outInfo);
    int whole[6];
    outInfo->Get(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), whole);
    output->SetExtent(whole);
    std::vector<vtkNeuvolArray> described;
    std::size_t done = 0;
    for (std::size_t n = 0; n < count; ++n)
    {
      vtkNeuvolArray array{ n, arrays[n].name, arrays[n].components, {} };
      const std::size_t first = done;
      for (std::size_t component = 0; component < array.ComponentNames.size(); ++component)
      {
        array.Components.push_back(volumes[first + component].info());
      }
      const std::string type = array.SampleType();
      const neuvol::Region region = volumes[first].whole();
      const auto decoded = vtkNeuvolArrays::NewArray(array, type, static_cast<vtkIdType>(region.size()));
      const auto decode = [&](std::size_t component, void* out)
      {
        const double each = 0.05 / static_cast<double>(volumes.size());
        const double from = 0.95 + each * static_cast<double>(first + component);
        volumes[first + component].read(
          region, type.c_str(), out, vtkNeuvolImage::ProgressOf(this, from, from + each));
      };
      vtkNeuvolArrays::Fill(decoded, region.size(), decode);
      done += array.ComponentNames.size();
      vtkNeuvolImage::AttributesOf(output, array.Grid())->AddArray(decoded);
      vtkNeuvolImage::AddFieldData(array.Components, array.ComponentNames, count > 1 ? " " + array.Name : "", output);
      described.push_back(std::move(array));
    }
    vtkNeuvolArrays::SetActive(output, described);
    this->AchievedPSNR = std::numeric_limits<double>::infinity();
    double stored = 0.0;
    for (const neuvol::Outcome& outcome : outcomes)
    {
      this->AchievedPSNR = std::min(this->AchievedPSNR, outcome.psnr);
      this->AchievedMaximumError = std::max(this->AchievedMaximumError, outcome.maxError);
      this->AchievedRMSE = std::max(this->AchievedRMSE, outcome.rmse);
      stored += outcome.ratio * static_cast<double>(outcome.fileBytes);
    }
    const std::uint64_t bytes = file ? file->fileBytes() : outcomes.front().fileBytes;
    this->AchievedRatio = single ? outcomes.front().ratio : stored / static_cast<double>(bytes);
    this->FileBytes = static_cast<vtkTypeInt64>(bytes);
    const neuvol::Info& info = described.front().Components.front();
    const std::string what = count == 1 ? "'" + info.name + "'" : std::to_string(count) + " arrays";
    this->Report("Compressed " + what,
      single ? vtkNeuvolImage::Text(outcomes.front(), info.unit) : vtkNeuvolImage::Text(outcomes, bytes));
    std::set<std::string> warnings;
    for (const neuvol::Outcome& outcome : outcomes)
    {
      warnings.insert(outcome.warnings.begin(), outcome.warnings.end());
    }
    for (const std::string& warning : warnings)
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
