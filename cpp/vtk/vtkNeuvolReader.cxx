#include "vtkNeuvolReader.h"

#include "vtkNeuvolFile.h"
#include "vtkNeuvolImage.h"

#include <neuvol/testing.h>

#include "vtkDataObject.h"
#include "vtkDataSetAttributes.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include "vtksys/FStream.hxx"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

vtkStandardNewMacro(vtkNeuvolReader);

struct vtkNeuvolReader::Implementation
{
  std::vector<std::string> FileNames;
  vtkNeuvolFile File;
  /// What the first file says: it describes the series.
  std::optional<neuvol::Info> First;

  const neuvol::Volume& Open(std::size_t step, const vtkNeuvolReader& reader)
  {
    neuvol::OpenOptions options;
    options.threads = static_cast<std::size_t>(reader.Threads);
    options.device = vtkNeuvolFile::DeviceName(reader.Device);
    options.cacheBytes = static_cast<std::size_t>(reader.CacheSize) * 1000000;
    const neuvol::Volume& volume = this->File.Open(this->FileNames.at(step), options);
    if (step == 0)
    {
      this->First = volume.info();
    }
    return volume;
  }

  /// The series' description. Of a single file it is always that of the file as it is now.
  const neuvol::Info& Describe(const vtkNeuvolReader& reader)
  {
    if (!this->First || this->FileNames.size() == 1)
    {
      this->Open(0, reader);
    }
    return *this->First;
  }

  void Forget()
  {
    this->File.Close();
    this->First.reset();
  }
};

namespace
{

/// Whether an axis has a point more than samples.
bool HasCells(const neuvol::Grid& grid, int axis)
{
  return vtkNeuvolImage::Margin(grid, axis) > 0.0;
}

/// First and last sample along an axis of those that an extent of points has, the last sample there is being `last`.
/// Where points have cells between them, a single point has the cell behind it, as VTK's filters have it, or the last.
std::array<int, 2> SamplesOf(const neuvol::Grid& grid, int axis, int from, int to, int last)
{
  const bool cells = HasCells(grid, axis);
  const int end = cells ? std::max(from, to - 1) : to;
  return { std::clamp(from, 0, last), std::clamp(end, 0, last) };
}

/// What is read of a file's grid: a level of detail, or every so many-th voxel.
struct Sampled
{
  std::size_t Level;
  /// Voxels from sample to sample.
  std::array<int, 3> Stride;
  /// Where the samples lie.
  neuvol::Grid Grid;
};

/// A level beyond the last one is the last one.
Sampled SampledBy(const neuvol::Info& info, int level, int stride)
{
  Sampled sampled{ std::min(static_cast<std::size_t>(level), info.levels.size() - 1), {}, info.grid };
  for (int a = 0; a < 3; ++a)
  {
    sampled.Stride[a] = static_cast<int>(info.levels[sampled.Level].stride[a]) * stride;
    sampled.Grid.shape[a] = (info.grid.shape[a] - 1) / sampled.Stride[a] + 1;
    sampled.Grid.spacing[a] *= sampled.Stride[a];
  }
  return sampled;
}

/// The whole extent: the points of the samples, counted in strides from the grid's first voxel, inside the region.
std::array<int, 6> WholeExtent(const neuvol::Info& info, const int region[6], const std::array<int, 3>& strides)
{
  std::array<int, 6> extent{};
  for (int a = 0; a < 3; ++a)
  {
    const int stride = strides[a];
    const int last = static_cast<int>(info.grid.shape[a]) - 1;
    const bool whole = region[2 * a + 1] < region[2 * a];
    const std::array<int, 2> samples = SamplesOf(info.grid, a, region[2 * a], region[2 * a + 1], last);
    const int from = whole ? 0 : samples[0];
    const int to = whole ? last : samples[1];
    extent[2 * a] = (from + stride - 1) / stride;
    extent[2 * a + 1] = to / stride;
    // A region thinner than the stride has the sample before it.
    extent[2 * a] = std::min(extent[2 * a], extent[2 * a + 1]);
    extent[2 * a + 1] += HasCells(info.grid, a) ? 1 : 0;
  }
  return extent;
}

} // namespace

vtkNeuvolReader::vtkNeuvolReader()
  : Inside(new Implementation)
{
  this->SetNumberOfInputPorts(0);
}

vtkNeuvolReader::~vtkNeuvolReader() = default;

void vtkNeuvolReader::SetFileName(const char* name)
{
  const std::vector<std::string> names = name && *name ? std::vector<std::string>{ name } : std::vector<std::string>{};
  if (names != this->Inside->FileNames)
  {
    this->Inside->FileNames = names;
    this->Inside->Forget();
    this->Modified();
  }
}

const char* vtkNeuvolReader::GetFileName()
{
  return this->GetFileName(0);
}

void vtkNeuvolReader::AddFileName(const char* name)
{
  if (name && *name)
  {
    this->Inside->FileNames.emplace_back(name);
    this->Modified();
  }
}

void vtkNeuvolReader::RemoveAllFileNames()
{
  this->Inside->FileNames.clear();
  this->Inside->Forget();
  this->Modified();
}

int vtkNeuvolReader::GetNumberOfFileNames()
{
  return static_cast<int>(this->Inside->FileNames.size());
}

const char* vtkNeuvolReader::GetFileName(int step)
{
  const auto& names = this->Inside->FileNames;
  return step >= 0 && static_cast<std::size_t>(step) < names.size() ? names[step].c_str() : nullptr;
}

int vtkNeuvolReader::CanReadFile(const char* name)
{
  // FORMAT.md, "File header".
  constexpr char magic[] = { '\x89', 'N', 'V', 'O', 'L', '\r', '\n', '\x1a' };
  char begin[sizeof magic] = {};
  vtksys::ifstream file(name, std::ios::binary);
  file.read(begin, sizeof begin);
  return file && std::memcmp(begin, magic, sizeof magic) == 0;
}

vtkTypeInt64 vtkNeuvolReader::GetVoxelsEvaluated()
{
  const neuvol::Volume* volume = this->Inside->File.Get();
  return volume ? static_cast<vtkTypeInt64>(volume->evaluated()) : 0;
}

void vtkNeuvolReader::PanicOnPurpose()
{
  try
  {
    neuvol::panicOnPurpose();
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
  }
}

int vtkNeuvolReader::RequestInformation(vtkInformation*, vtkInformationVector**, vtkInformationVector* outputVector)
{
  vtkInformation* outInfo = outputVector->GetInformationObject(0);
  if (this->Inside->FileNames.empty())
  {
    vtkErrorMacro(<< "No file name was given.");
    return 0;
  }
  if (this->LevelOfDetail > 0 && this->Stride > 1)
  {
    vtkErrorMacro(<< "LevelOfDetail is " << this->LevelOfDetail << " and Stride is " << this->Stride
                  << ": a level of detail is read with all of its samples; set LevelOfDetail to 0 or Stride to 1.");
    return 0;
  }
  try
  {
    const std::size_t steps = this->Inside->FileNames.size();
    const neuvol::Info& info = this->Inside->Describe(*this);
    const std::string note = this->Inside->File.TakeNote();
    if (!note.empty())
    {
      vtkWarningMacro(<< note);
    }
    for (std::size_t n : info.grid.shape)
    {
      if (n >= static_cast<std::size_t>(VTK_INT_MAX))
      {
        vtkErrorMacro(<< this->GetFileName() << ": " << n << " samples along an axis are beyond VTK's extents.");
        return 0;
      }
    }
    for (int a = 0; a < 3; ++a)
    {
      this->GridExtent[2 * a + 1] = static_cast<int>(info.grid.shape[a]) - 1 + (HasCells(info.grid, a) ? 1 : 0);
    }
    this->LevelOfDetailRange[1] = static_cast<int>(info.levels.size()) - 1;
    if (this->LevelOfDetail > this->LevelOfDetailRange[1])
    {
      vtkWarningMacro(<< this->GetFileName() << ": there is no level of detail " << this->LevelOfDetail
                      << ", but levels 0 to " << this->LevelOfDetailRange[1] << "; the last one is read.");
    }
    const Sampled sampled = SampledBy(info, this->LevelOfDetail, this->Stride);
    std::array<int, 6> extent = WholeExtent(info, this->RegionOfInterest, sampled.Stride);
    double origin[3];
    vtkNeuvolImage::FirstPoint(sampled.Grid, origin);
    outInfo->Set(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), extent.data(), 6);
    outInfo->Set(vtkDataObject::ORIGIN(), origin, 3);
    outInfo->Set(vtkDataObject::SPACING(), sampled.Grid.spacing.data(), 3);
    outInfo->Set(vtkDataObject::DIRECTION(), info.grid.direction.data(), 9);
    outInfo->Set(vtkAlgorithm::CAN_PRODUCE_SUB_EXTENT(), 1);
    const int type = this->OutputType == FLOAT ? VTK_FLOAT : vtkNeuvolImage::VTKType(info.sampleType);
    if (info.grid.association == neuvol::Association::Cell)
    {
      vtkDataObject::SetActiveAttributeInfo(outInfo, vtkDataObject::FIELD_ASSOCIATION_CELLS,
        vtkDataSetAttributes::SCALARS, info.name.c_str(), type, 1, -1);
    }
    else
    {
      vtkDataObject::SetPointDataActiveScalarInfo(outInfo, type, 1);
    }
    if (steps > 1)
    {
      std::vector<double> times(steps);
      for (std::size_t s = 0; s < steps; ++s)
      {
        times[s] = static_cast<double>(s);
      }
      double range[2] = { times.front(), times.back() };
      outInfo->Set(vtkStreamingDemandDrivenPipeline::TIME_STEPS(), times.data(), static_cast<int>(steps));
      outInfo->Set(vtkStreamingDemandDrivenPipeline::TIME_RANGE(), range, 2);
    }
    else
    {
      outInfo->Remove(vtkStreamingDemandDrivenPipeline::TIME_STEPS());
      outInfo->Remove(vtkStreamingDemandDrivenPipeline::TIME_RANGE());
    }
    return 1;
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
    return 0;
  }
}

int vtkNeuvolReader::RequestData(vtkInformation*, vtkInformationVector**, vtkInformationVector* outputVector)
{
  vtkInformation* outInfo = outputVector->GetInformationObject(0);
  vtkImageData* output = vtkImageData::GetData(outInfo);
  vtkNeuvolImage::ClearAbort(this);
  int extent[6];
  outInfo->Get(vtkStreamingDemandDrivenPipeline::UPDATE_EXTENT(), extent);
  const std::size_t steps = this->Inside->FileNames.size();
  double time = 0;
  if (steps > 1 && outInfo->Has(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP()))
  {
    time = outInfo->Get(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP());
    // A time that is a step but for rounding is that step.
    time = std::clamp(std::floor(time + 1e-6), 0.0, static_cast<double>(steps - 1));
  }
  try
  {
    const neuvol::Volume& volume = this->Inside->Open(static_cast<std::size_t>(time), *this);
    const std::string note = this->Inside->File.TakeNote();
    if (!note.empty())
    {
      vtkWarningMacro(<< note);
    }
    const neuvol::Info& info = volume.info();
    const Sampled sampled = SampledBy(info, this->LevelOfDetail, this->Stride);
    const std::array<int, 6> whole = WholeExtent(info, this->RegionOfInterest, sampled.Stride);
    int announced[6];
    outInfo->Get(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), announced);
    if (!std::equal(whole.begin(), whole.end(), announced))
    {
      vtkErrorMacro(<< this->GetFileName(static_cast<int>(time))
                    << ": its grid is another than that of the series' other files.");
      return 0;
    }
    output->SetExtent(extent);
    double origin[3];
    vtkNeuvolImage::FirstPoint(sampled.Grid, origin);
    output->SetOrigin(origin);
    output->SetSpacing(sampled.Grid.spacing.data());
    output->SetDirectionMatrix(info.grid.direction.data());
    vtkNeuvolImage::AddFieldData(info, output);
    if (steps > 1)
    {
      output->GetInformation()->Set(vtkDataObject::DATA_TIME_STEP(), time);
    }
    if (extent[1] < extent[0] || extent[3] < extent[2] || extent[5] < extent[4])
    {
      return 1;
    }
    // In the samples of the level; level 0 is the volume itself.
    neuvol::Region region;
    region.stride = static_cast<std::size_t>(this->Stride);
    for (int a = 0; a < 3; ++a)
    {
      const int last = static_cast<int>(sampled.Grid.shape[a]) - 1;
      const std::array<int, 2> samples = SamplesOf(info.grid, a, extent[2 * a], extent[2 * a + 1], last);
      region.start[a] = static_cast<std::size_t>(samples[0]) * region.stride;
      region.end[a] = static_cast<std::size_t>(samples[1]) * region.stride + 1;
    }
    const std::string type = this->OutputType == FLOAT ? "float32" : info.sampleType;
    const auto array =
      vtkNeuvolImage::NewArray(info, vtkNeuvolImage::VTKType(type), static_cast<vtkIdType>(region.size()));
    const neuvol::Progress progress = vtkNeuvolImage::ProgressOf(this);
    if (sampled.Level > 0)
    {
      volume.readLevel(sampled.Level, region, type.c_str(), array->GetVoidPointer(0), progress);
    }
    else
    {
      volume.read(region, type.c_str(), array->GetVoidPointer(0), progress);
    }
    vtkNeuvolImage::SetScalars(output, info.grid, array);
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

void vtkNeuvolReader::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "FileNames:";
  for (const std::string& name : this->Inside->FileNames)
  {
    os << " " << name;
  }
  os << "\n" << indent << "LevelOfDetail: " << this->LevelOfDetail << "\n" << indent << "Stride: " << this->Stride;
  os << "\n" << indent << "RegionOfInterest:";
  for (int n : this->RegionOfInterest)
  {
    os << " " << n;
  }
  os << "\n" << indent << "OutputType: " << (this->OutputType == FLOAT ? "FLOAT" : "STORED") << "\n";
  os << indent << "CacheSize: " << this->CacheSize << "\n" << indent << "Threads: " << this->Threads << "\n";
  os << indent << "Device: " << vtkNeuvolFile::DeviceName(this->Device) << "\n";
}
