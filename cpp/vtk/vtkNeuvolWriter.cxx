#include "vtkNeuvolWriter.h"

#include "vtkNeuvolArrays.h"
#include "vtkNeuvolImage.h"
#include "vtkNeuvolParts.h"
#include "vtkNeuvolProcesses.h"

#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkMultiProcessStream.h"
#include "vtkObjectFactory.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

vtkStandardNewMacro(vtkNeuvolWriter);

struct vtkNeuvolWriter::Implementation
{
  /// A file of several volumes, and what was achieved so far.
  std::optional<neuvol::DatasetWriter> File;
  std::vector<neuvol::Array> Arrays;
  std::vector<neuvol::Outcome> Outcomes;

  void Begin(const std::vector<neuvol::Array>& arrays, const std::vector<double>& times)
  {
    this->Outcomes.clear();
    this->Arrays = arrays;
    this->File.emplace(arrays, std::max<std::size_t>(times.size(), 1), times);
  }
};

vtkNeuvolWriter::vtkNeuvolWriter()
  : Inside(new Implementation)
{
  this->SetNumberOfOutputPorts(0);
  this->SetFileNameSuffix("_%04d");
}

vtkNeuvolWriter::~vtkNeuvolWriter()
{
  this->SetFileName(nullptr);
  this->SetFileNameSuffix(nullptr);
}

int vtkNeuvolWriter::Write()
{
  this->Written = false;
  this->CurrentStep = this->MinTimeStep;
  // Also when nothing changed: the file may have gone.
  this->Modified();
  // What is asked of the source is RequestUpdateExtent's.
  this->Update();
  return this->Written ? 1 : 0;
}

int vtkNeuvolWriter::RequestInformation(
  vtkInformation* request, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  vtkInformation* info = inputs[0]->GetInformationObject(0);
  this->Times.clear();
  if (info->Has(vtkStreamingDemandDrivenPipeline::TIME_STEPS()))
  {
    const double* times = info->Get(vtkStreamingDemandDrivenPipeline::TIME_STEPS());
    this->Times.assign(times, times + info->Length(vtkStreamingDemandDrivenPipeline::TIME_STEPS()));
  }
  return this->Superclass::RequestInformation(request, inputs, outputs);
}

int vtkNeuvolWriter::LastStep() const
{
  const int last = static_cast<int>(this->Times.size()) - 1;
  if (!this->WriteAllTimeSteps)
  {
    return -1;
  }
  return this->MaxTimeStep < this->MinTimeStep ? last : std::min(this->MaxTimeStep, last);
}

int vtkNeuvolWriter::RequestUpdateExtent(vtkInformation*, vtkInformationVector** inputs, vtkInformationVector*)
{
  // All processes ask for the same step: sources may have to talk to each other.
  if (this->CurrentStep <= this->LastStep())
  {
    inputs[0]->GetInformationObject(0)->Set(
      vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP(), this->Times[static_cast<std::size_t>(this->CurrentStep)]);
  }
  const vtkNeuvolProcesses processes;
  vtkInformation* info = inputs[0]->GetInformationObject(0);
  if (info->Has(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT()))
  {
    int whole[6];
    info->Get(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), whole);
    info->Set(vtkStreamingDemandDrivenPipeline::UPDATE_EXTENT(), whole, 6);
  }
  // The pipeline cuts a process' piece out of it.
  info->Set(vtkStreamingDemandDrivenPipeline::UPDATE_PIECE_NUMBER(), static_cast<int>(processes.rank()));
  info->Set(vtkStreamingDemandDrivenPipeline::UPDATE_NUMBER_OF_PIECES(), static_cast<int>(processes.size()));
  info->Set(vtkStreamingDemandDrivenPipeline::UPDATE_NUMBER_OF_GHOST_LEVELS(), 0);
  return 1;
}

std::string vtkNeuvolWriter::NameOfStep(int step)
{
  const std::string name = this->FileName;
  const std::string suffix = this->FileNameSuffix ? this->FileNameSuffix : "";
  // Nothing of the caller's goes through printf.
  const std::size_t percent = suffix.find('%');
  const std::size_t d = percent == std::string::npos ? percent : suffix.find_first_not_of("0123456789", percent + 1);
  if (d == std::string::npos || suffix[d] != 'd' || suffix.find('%', d) != std::string::npos || d - percent > 3)
  {
    vtkErrorMacro(<< "The suffix of file names is '" << suffix << "': it needs one %d (or %04d and the like), or the steps' "
                     "files would replace each other.");
    return {};
  }
  const std::string form = suffix.substr(percent + 1, d - percent - 1);
  const std::size_t width = form.empty() ? 0 : std::stoul(form);
  std::string number = std::to_string(step);
  number.insert(0, width > number.size() ? width - number.size() : 0, !form.empty() && form[0] == '0' ? '0' : ' ');
  const std::size_t folder = name.find_last_of("/\\");
  const std::size_t dot = name.rfind('.');
  const bool has = dot != std::string::npos && (folder == std::string::npos || dot > folder);
  const std::size_t end = has ? dot : name.size();
  return name.substr(0, end) + suffix.substr(0, percent) + number + suffix.substr(d + 1) + name.substr(end);
}

int vtkNeuvolWriter::RequestData(vtkInformation* request, vtkInformationVector** inputs, vtkInformationVector*)
{
  const int last = this->LastStep();
  const bool series = this->WriteAllTimeSteps && !this->Times.empty();
  if (series && this->CurrentStep > last)
  {
    vtkErrorMacro(<< "There is no time step from " << this->MinTimeStep << " on: the source has " << this->Times.size()
                  << ".");
    return 0;
  }
  this->Aborted = false;
  bool written = false;
  if (!this->FileName || !*this->FileName)
  {
    vtkErrorMacro(<< "No file name was given: there is nowhere to write to.");
  }
  else
  {
    const bool manyFiles = series && !this->TimeStepsInOneFile;
    const std::string name = manyFiles ? this->NameOfStep(this->CurrentStep) : this->FileName;
    written = !name.empty() && this->WriteTogether(inputs, name);
  }
  const bool more = series && written && !this->IsLastStep();
  if (more)
  {
    this->CurrentStep += this->TimeStepStride;
    request->Set(vtkStreamingDemandDrivenPipeline::CONTINUE_EXECUTING(), 1);
  }
  else
  {
    request->Remove(vtkStreamingDemandDrivenPipeline::CONTINUE_EXECUTING());
    this->CurrentStep = this->MinTimeStep;
    this->Written = written;
    this->Inside->File.reset();
  }
  // What was aborted is no failure.
  return written || this->Aborted ? 1 : 0;
}

namespace
{

/// What the processes have to know of the array: its description, type and number of components.
struct About
{
  neuvol::Description Description;
  std::string Type;
  int Components = 0;
  int Association = vtkDataObject::FIELD_ASSOCIATION_POINTS;

  About() = default;
  About(vtkImageData* image, vtkDataArray* array, int association)
    : Components(array->GetNumberOfComponents())
    , Association(association)
  {
    const neuvol::Samples samples = vtkNeuvolImage::Samples(image, array, association);
    this->Description = samples;
    this->Type = samples.type;
  }

  /// Throws neuvol::Error where a part has another array than the first one.
  void RequireSame(const About& first) const
  {
    const auto text = [](const About& of)
    {
      return (of.Association == vtkDataObject::FIELD_ASSOCIATION_CELLS ? "cell" : "point") + std::string(" array '") +
        of.Description.name + "' of " + of.Type + ", " + std::to_string(of.Components) +
        (of.Components == 1 ? " component" : " components");
    };
    if (text(*this) != text(first))
    {
      throw neuvol::Error("the parts of the image have different arrays: one has " + text(first) + ", another " + text(*this) +
        "; choose one that all have (SetInputArrayToProcess)");
    }
  }

  neuvol::Communicator::Bytes Pack() const
  {
    vtkMultiProcessStream stream;
    const std::array<double, 2>& fill = this->Description.fillRange;
    stream << this->Description.name << this->Description.unit << this->Description.grid.frame << fill[0] << fill[1]
           << this->Type << this->Components << this->Association;
    return stream.GetRawData();
  }

  void Unpack(const neuvol::Communicator::Bytes& bytes)
  {
    vtkMultiProcessStream stream;
    stream.SetRawData(bytes);
    std::array<double, 2>& fill = this->Description.fillRange;
    stream >> this->Description.name >> this->Description.unit >> this->Description.grid.frame >> fill[0] >> fill[1] >>
      this->Type >> this->Components >> this->Association;
  }
};

} // namespace

bool vtkNeuvolWriter::WriteTogether(vtkInformationVector** inputs, const std::string& name)
{
  const vtkNeuvolProcesses processes;
  try
  {
    vtkDataObject* input = vtkDataObject::GetData(inputs[0]);
    const int* whole = vtkImageData::SafeDownCast(input)
      ? inputs[0]->GetInformationObject(0)->Get(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT())
      : nullptr;
    vtkNeuvolParts parts(input, whole, processes);
    const bool oneFile = this->WriteAllTimeSteps && this->TimeStepsInOneFile && !this->Times.empty();
    if (!this->AllArrays)
    {
      About about;
      neuvol::Communicator::Bytes packed;
      std::vector<Selected> selected;
      std::vector<vtkDataArray*> arrays;
      processes.together(
        [&]
        {
          for (const auto& image : parts.images())
          {
            selected.push_back(this->GetArray(image));
            arrays.push_back(selected.back().Array);
          }
          if (!selected.empty())
          {
            about = About(parts.images().front(), selected.front().Array, selected.front().Association);
            packed = about.Pack();
          }
        });
      const auto all = processes.allGather(packed);
      about.Unpack(*std::find_if(all.begin(), all.end(), [](const auto& bytes) { return !bytes.empty(); }));
      processes.together(
        [&]
        {
          for (std::size_t n = 0; n < selected.size(); ++n)
          {
            About(parts.images()[n], selected[n].Array, selected[n].Association).RequireSame(about);
          }
        });
      parts.keep(arrays, about.Association);
      if (!oneFile && about.Components == 1 && parts.samples(about.Association) > this->VoxelsInMemory)
      {
        vtkNeuvolImage::ClearAbort(this);
        this->Outcome.clear();
        about.Description.grid = vtkNeuvolImage::Grid(parts.whole(), about.Association, about.Description.grid.frame);
        const neuvol::Outcome outcome = neuvol::compressTogether(name, about.Description, about.Type, parts.pieces(),
          vtkNeuvolImage::Options(*this), processes, vtkNeuvolImage::ProgressOf(this));
        if (processes.isFirst())
        {
          this->Report(name, vtkNeuvolImage::Text(outcome, about.Description.unit));
          for (const std::string& warning : outcome.warnings)
          {
            vtkWarningMacro(<< name << ": " << warning);
          }
        }
        return true;
      }
    }
    const vtkSmartPointer<vtkImageData> image = parts.gather(processes);
    const bool written = !processes.isFirst() || this->WriteFile(image, name);
    const auto all = processes.allGather({ static_cast<std::uint8_t>(written), static_cast<std::uint8_t>(this->Aborted) });
    this->Aborted = all.front()[1] != 0;
    if (!all.front()[0] && !this->Aborted && !processes.isFirst())
    {
      vtkErrorMacro(<< name << " was not written: process 0 says why.");
    }
    return all.front()[0] != 0;
  }
  catch (const neuvol::Interrupted&)
  {
    this->Aborted = true;
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
  }
  return false;
}

std::vector<double> vtkNeuvolWriter::TimesInFile() const
{
  std::vector<double> times;
  const int last = this->LastStep();
  for (int step = this->MinTimeStep; step <= last; step += this->TimeStepStride)
  {
    times.push_back(this->Times[static_cast<std::size_t>(step)]);
    if (last - step < this->TimeStepStride)
    {
      break;
    }
  }
  return times;
}

bool vtkNeuvolWriter::IsLastStep() const
{
  return this->LastStep() - this->CurrentStep < this->TimeStepStride;
}

bool vtkNeuvolWriter::WriteFile(vtkImageData* image, const std::string& name)
{
  vtkNeuvolImage::ClearAbort(this);
  this->Outcome.clear();
  try
  {
    const std::vector<Selected> selected = this->GetArrays(image);
    const neuvol::CompressOptions options = vtkNeuvolImage::Options(*this);
    const bool oneFile = this->WriteAllTimeSteps && this->TimeStepsInOneFile && !this->Times.empty();
    std::set<std::string> warnings;
    if (!oneFile && selected.size() == 1 && selected.front().Array->GetNumberOfComponents() == 1)
    {
      const neuvol::Samples samples =
        vtkNeuvolImage::Samples(image, selected.front().Array, selected.front().Association);
      const neuvol::Compressed compressed = neuvol::compress(samples, options, vtkNeuvolImage::ProgressOf(this));
      compressed.save(name);
      this->Report(name, vtkNeuvolImage::Text(compressed.outcome(), samples.unit));
      warnings.insert(compressed.outcome().warnings.begin(), compressed.outcome().warnings.end());
    }
    else
    {
      std::vector<neuvol::Array> arrays;
      for (const Selected& of : selected)
      {
        arrays.push_back(vtkNeuvolArrays::AboutOf(of.Array));
      }
      Implementation& inside = *this->Inside;
      if (!oneFile || this->CurrentStep == this->MinTimeStep)
      {
        inside.Begin(arrays, oneFile ? this->TimesInFile() : std::vector<double>());
      }
      const auto same = [](const neuvol::Array& a, const neuvol::Array& b)
      { return a.name == b.name && a.components.size() == b.components.size(); };
      if (!std::equal(arrays.begin(), arrays.end(), inside.Arrays.begin(), inside.Arrays.end(), same))
      {
        throw neuvol::Error("time step " + std::to_string(this->CurrentStep) +
          " has other arrays than the first one, and all steps of a file have the same: choose one that all have");
      }
      const auto part = [&](std::size_t n) { return static_cast<double>(n) / static_cast<double>(selected.size()); };
      for (std::size_t n = 0; n < selected.size(); ++n)
      {
        const neuvol::Samples samples = vtkNeuvolImage::Samples(image, selected[n].Array, selected[n].Association);
        for (const neuvol::Outcome& outcome :
          inside.File->add(samples, options, vtkNeuvolImage::ProgressOf(this, part(n), part(n + 1))))
        {
          inside.Outcomes.push_back(outcome);
          warnings.insert(outcome.warnings.begin(), outcome.warnings.end());
        }
      }
      if (!oneFile || this->IsLastStep())
      {
        inside.File->save(name);
        this->Report(name, vtkNeuvolImage::Text(inside.Outcomes, inside.File->fileBytes()));
      }
    }
    for (const std::string& warning : warnings)
    {
      vtkWarningMacro(<< name << ": " << warning);
    }
    return true;
  }
  catch (const neuvol::Interrupted&)
  {
    this->Aborted = true;
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
  }
  return false;
}

void vtkNeuvolWriter::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "FileName: " << (this->FileName ? this->FileName : "(none)") << "\n";
  os << indent << "WriteAllTimeSteps: " << this->WriteAllTimeSteps << "\n";
  os << indent << "TimeStepsInOneFile: " << this->TimeStepsInOneFile << "\n";
  os << indent << "MinTimeStep: " << this->MinTimeStep << "\n";
  os << indent << "MaxTimeStep: " << this->MaxTimeStep << "\n";
  os << indent << "TimeStepStride: " << this->TimeStepStride << "\n";
  os << indent << "VoxelsInMemory: " << this->VoxelsInMemory << "\n";
  os << indent << "FileNameSuffix: " << (this->FileNameSuffix ? this->FileNameSuffix : "(none)") << "\n";
}
