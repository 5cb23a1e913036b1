#include "vtkNeuvolReader.h"

#include "vtkNeuvolArrays.h"
#include "vtkNeuvolFile.h"
#include "vtkNeuvolImage.h"
#include "vtkNeuvolLayout.h"

#include <neuvol/testing.h>

#include "vtkDataArraySelection.h"
#include "vtkDataObject.h"
#include "vtkDataSetAttributes.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkNew.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include "vtksys/FStream.hxx"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

vtkStandardNewMacro(vtkNeuvolReader);

struct vtkNeuvolReader::Implementation
{
  std::vector<std::string> FileNames;
  vtkNeuvolFile File;

  /// What the reader announces.
  struct Announced
  {
    /// Of the first step.
    std::vector<vtkNeuvolArray> Arrays;
    /// None where there is a single step without a time.
    std::vector<double> Times;
  };
  /// What the first file says: it describes a series.
  std::optional<Announced> First;
  /// Which opening of a file that was.
  std::size_t DescribedAt = 0;

  vtkNew<vtkDataArraySelection> PointArrays;
  vtkNew<vtkDataArraySelection> CellArrays;

  bool IsSeries() const { return this->FileNames.size() > 1; }

  const neuvol::Dataset& Open(std::size_t file, const vtkNeuvolReader& reader)
  {
    neuvol::OpenOptions options;
    options.threads = static_cast<std::size_t>(reader.Threads);
    options.device = vtkNeuvolFile::DeviceName(reader.Device);
    options.cacheBytes = static_cast<std::size_t>(reader.CacheSize) * 1000000;
    const std::string& name = this->FileNames.at(file);
    const neuvol::Dataset& dataset = this->File.Open(name, options);
    if (this->IsSeries() && dataset.steps() > 1)
    {
      throw neuvol::Error(name + ": it holds " + std::to_string(dataset.steps()) +
        " time steps, and several files are read together only where each is a single step: read it alone");
    }
    return dataset;
  }

  /// Of a single file it is always that of the file as it is now.
  const Announced& Describe(const vtkNeuvolReader& reader)
  {
    if (this->First && this->IsSeries())
    {
      return *this->First;
    }
    const neuvol::Dataset& dataset = this->Open(0, reader);
    if (!this->First || this->DescribedAt != this->File.Opened())
    {
      Announced found;
      for (std::size_t array = 0; array < dataset.arrays().size(); ++array)
      {
        found.Arrays.push_back(vtkNeuvolArrays::Describe(this->File, dataset, array, 0));
      }
      if (this->IsSeries())
      {
        for (std::size_t file = 0; file < this->FileNames.size(); ++file)
        {
          found.Times.push_back(static_cast<double>(file));
        }
      }
      else if (dataset.steps() > 1 || !dataset.times().empty())
      {
        found.Times = vtkNeuvolFile::Times(dataset);
      }
      this->First = std::move(found);
      this->DescribedAt = this->File.Opened();
      this->List(this->PointArrays, false);
      this->List(this->CellArrays, true);
    }
    return *this->First;
  }

  /// Lists the arrays in a selection, in which those that it knew keep their state.
  void List(vtkDataArraySelection* selection, bool cells)
  {
    std::vector<const char*> names;
    for (const vtkNeuvolArray& array : this->First->Arrays)
    {
      if (array.IsOfCells() == cells)
      {
        names.push_back(array.Name.c_str());
      }
    }
    selection->SetArraysWithDefault(names.data(), static_cast<int>(names.size()), 1);
  }

  bool IsChosen(const vtkNeuvolArray& array) const
  {
    return (array.IsOfCells() ? this->CellArrays : this->PointArrays)->ArrayIsEnabled(array.Name.c_str()) != 0;
  }

  /// The chosen arrays of the first step.
  std::vector<vtkNeuvolArray> Chosen() const
  {
    std::vector<vtkNeuvolArray> chosen;
    std::copy_if(this->First->Arrays.begin(), this->First->Arrays.end(), std::back_inserter(chosen),
      [&](const vtkNeuvolArray& array) { return this->IsChosen(array); });
    return chosen;
  }

  /// The chosen arrays of a step. In a series of files of one array each, it may have another name in each.
  std::vector<vtkNeuvolArray> Chosen(const neuvol::Dataset& dataset, const std::string& name, std::size_t step)
  {
    const std::vector<vtkNeuvolArray> of_first = this->Chosen();
    std::size_t volumes = 0;
    for (const vtkNeuvolArray& array : of_first)
    {
      volumes += array.Components.size();
    }
    this->File.Share(volumes);
    const bool single = this->First->Arrays.size() == 1 && dataset.arrays().size() == 1;
    std::vector<vtkNeuvolArray> chosen;
    for (const vtkNeuvolArray& array : of_first)
    {
      const std::optional<std::size_t> at = single ? 0 : dataset.find(array.Name);
      if (!at || dataset.arrays()[*at].components.size() != array.Components.size())
      {
        throw neuvol::Error(name + ": it has no array '" + array.Name + "' of " +
          std::to_string(array.Components.size()) + " components, as the series' first file has");
      }
      chosen.push_back(vtkNeuvolArrays::Describe(this->File, dataset, *at, step));
    }
    return chosen;
  }

  void Forget()
  {
    this->File.Close();
    this->First.reset();
  }
};

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
    this->Inside->First.reset();
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
  return static_cast<vtkTypeInt64>(this->Inside->File.Evaluated());
}

vtkDataArraySelection* vtkNeuvolReader::GetPointDataArraySelection()
{
  return this->Inside->PointArrays;
}

vtkDataArraySelection* vtkNeuvolReader::GetCellDataArraySelection()
{
  return this->Inside->CellArrays;
}

int vtkNeuvolReader::GetNumberOfPointArrays()
{
  return this->Inside->PointArrays->GetNumberOfArrays();
}

const char* vtkNeuvolReader::GetPointArrayName(int index)
{
  return this->Inside->PointArrays->GetArrayName(index);
}

int vtkNeuvolReader::GetPointArrayStatus(const char* name)
{
  return this->Inside->PointArrays->ArrayIsEnabled(name);
}

void vtkNeuvolReader::SetPointArrayStatus(const char* name, int status)
{
  this->Inside->PointArrays->SetArraySetting(name, status);
}

int vtkNeuvolReader::GetNumberOfCellArrays()
{
  return this->Inside->CellArrays->GetNumberOfArrays();
}

const char* vtkNeuvolReader::GetCellArrayName(int index)
{
  return this->Inside->CellArrays->GetArrayName(index);
}

int vtkNeuvolReader::GetCellArrayStatus(const char* name)
{
  return this->Inside->CellArrays->ArrayIsEnabled(name);
}

void vtkNeuvolReader::SetCellArrayStatus(const char* name, int status)
{
  this->Inside->CellArrays->SetArraySetting(name, status);
}

vtkMTimeType vtkNeuvolReader::GetMTime()
{
  return std::max({ this->Superclass::GetMTime(), this->Inside->PointArrays->GetMTime(),
    this->Inside->CellArrays->GetMTime() });
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
    const Implementation::Announced& announced = this->Inside->Describe(*this);
    const std::string note = this->Inside->File.TakeNote();
    if (!note.empty())
    {
      vtkWarningMacro(<< note);
    }
    const std::vector<vtkNeuvolArray> chosen = this->Inside->Chosen();
    const vtkNeuvolArray& first = chosen.empty() ? announced.Arrays.front() : chosen.front();
    const neuvol::Info& info = first.Components.front();
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
      this->GridExtent[2 * a + 1] = static_cast<int>(info.grid.shape[a]) - 1 + (vtkNeuvolImage::Margin(info.grid, a) > 0.0 ? 1 : 0);
    }
    this->LevelOfDetailRange[1] = static_cast<int>(info.levels.size()) - 1;
    if (this->LevelOfDetail > this->LevelOfDetailRange[1])
    {
      vtkWarningMacro(<< this->GetFileName() << ": there is no level of detail " << this->LevelOfDetail
                      << ", but levels 0 to " << this->LevelOfDetailRange[1] << "; the last one is read.");
    }
    const auto layoutOf = [&](const neuvol::Info& of)
    { return vtkNeuvolLayout(of, vtkNeuvolSampled(of, this->LevelOfDetail, this->Stride), this->RegionOfInterest); };
    const vtkNeuvolLayout layout = layoutOf(info);
    for (const vtkNeuvolArray& array : chosen)
    {
      if (!layout.IsLike(layoutOf(array.Components.front())))
      {
        vtkErrorMacro(<< this->GetFileName() << ": array '" << array.Name << "' lies on another grid than '" << first.Name
                      << (array.IsOfCells() != first.IsOfCells() ? "', one of cells and one of points" : "'")
                      << ": read them one by one (SetPointArrayStatus, SetCellArrayStatus).");
        return 0;
      }
    }
    outInfo->Set(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), layout.Extent.data(), 6);
    outInfo->Set(vtkDataObject::ORIGIN(), layout.Origin.data(), 3);
    outInfo->Set(vtkDataObject::SPACING(), layout.Spacing.data(), 3);
    outInfo->Set(vtkDataObject::DIRECTION(), layout.Direction.data(), 9);
    outInfo->Set(vtkAlgorithm::CAN_PRODUCE_SUB_EXTENT(), 1);
    outInfo->Remove(vtkDataObject::POINT_DATA_VECTOR());
    outInfo->Remove(vtkDataObject::CELL_DATA_VECTOR());
    if (!chosen.empty())
    {
      const vtkNeuvolArray& active = chosen[vtkNeuvolArrays::ActiveOf(chosen)];
      const int components = static_cast<int>(active.Components.size());
      const int type = vtkNeuvolImage::VTKType(this->TypeOf(active.SampleType()));
      if (active.IsOfCells())
      {
        vtkDataObject::SetActiveAttributeInfo(outInfo, vtkDataObject::FIELD_ASSOCIATION_CELLS,
          vtkDataSetAttributes::SCALARS, active.Name.c_str(), type, components, -1);
      }
      else
      {
        vtkDataObject::SetPointDataActiveScalarInfo(outInfo, type, components);
      }
    }
    const std::vector<double>& times = announced.Times;
    if (times.empty())
    {
      outInfo->Remove(vtkStreamingDemandDrivenPipeline::TIME_STEPS());
      outInfo->Remove(vtkStreamingDemandDrivenPipeline::TIME_RANGE());
    }
    else
    {
      const double range[2] = { times.front(), times.back() };
      outInfo->Set(vtkStreamingDemandDrivenPipeline::TIME_STEPS(), times.data(), static_cast<int>(times.size()));
      outInfo->Set(vtkStreamingDemandDrivenPipeline::TIME_RANGE(), range, 2);
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
  // VTK keeps an image's scalars from update to update, and these may be no longer chosen.
  output->GetPointData()->Initialize();
  int extent[6];
  outInfo->Get(vtkStreamingDemandDrivenPipeline::UPDATE_EXTENT(), extent);
  try
  {
    const std::vector<double> times = this->Inside->Describe(*this).Times;
    std::size_t step = 0;
    if (outInfo->Has(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP()))
    {
      step = vtkNeuvolFile::StepAt(times, outInfo->Get(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP()));
    }
    const std::size_t file = this->Inside->IsSeries() ? step : 0;
    const std::size_t stepOfFile = this->Inside->IsSeries() ? 0 : step;
    const std::string name = this->Inside->FileNames.at(file);
    const neuvol::Dataset& dataset = this->Inside->Open(file, *this);
    const std::vector<vtkNeuvolArray> chosen = this->Inside->Chosen(dataset, name, stepOfFile);
    const std::string note = this->Inside->File.TakeNote();
    if (!note.empty())
    {
      vtkWarningMacro(<< note);
    }
    if (!times.empty())
    {
      output->GetInformation()->Set(vtkDataObject::DATA_TIME_STEP(), times[step]);
    }
    int announced[6];
    outInfo->Get(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), announced);
    std::vector<vtkNeuvolSampled> sampled;
    for (const vtkNeuvolArray& array : chosen)
    {
      const neuvol::Info& info = array.Components.front();
      sampled.push_back(vtkNeuvolSampled(info, this->LevelOfDetail, this->Stride));
      const vtkNeuvolLayout layout(info, sampled.back(), this->RegionOfInterest);
      const vtkNeuvolLayout first(chosen.front().Components.front(), sampled.front(), this->RegionOfInterest);
      if (!std::equal(layout.Extent.begin(), layout.Extent.end(), announced) || !layout.IsLike(first))
      {
        vtkErrorMacro(<< name << ": "
                      << (this->Inside->IsSeries() ? "its grid is another than that of the series' other files."
                                                   : "the grid of array '" + array.Name + "' at time step " +
                             std::to_string(step) + " is another than at the first one."));
        return 0;
      }
    }
    output->SetExtent(extent);
    if (chosen.empty())
    {
      output->SetOrigin(outInfo->Get(vtkDataObject::ORIGIN()));
      output->SetSpacing(outInfo->Get(vtkDataObject::SPACING()));
      output->SetDirectionMatrix(outInfo->Get(vtkDataObject::DIRECTION()));
      return 1;
    }
    const vtkNeuvolLayout layout(chosen.front().Components.front(), sampled.front(), this->RegionOfInterest);
    output->SetOrigin(layout.Origin.data());
    output->SetSpacing(layout.Spacing.data());
    output->SetDirectionMatrix(layout.Direction.data());
    std::size_t volumes = 0;
    for (const vtkNeuvolArray& array : chosen)
    {
      const std::string suffix = chosen.size() > 1 ? " " + array.Name : "";
      vtkNeuvolImage::AddFieldData(array.Components, array.ComponentNames, suffix, output);
      volumes += array.Components.size();
    }
    if (extent[1] < extent[0] || extent[3] < extent[2] || extent[5] < extent[4])
    {
      return 1;
    }
    std::size_t done = 0;
    for (std::size_t n = 0; n < chosen.size(); ++n)
    {
      const vtkNeuvolArray& array = chosen[n];
      // In the samples of the level; level 0 is the volume itself.
      neuvol::Region region;
      region.stride = static_cast<std::size_t>(this->Stride);
      for (int a = 0; a < 3; ++a)
      {
        const int last = static_cast<int>(sampled[n].Grid.shape[a]) - 1;
        const std::array<int, 2> samples = vtkNeuvolLayout::SamplesOf(array.Grid(), a, extent[2 * a], extent[2 * a + 1], last);
        region.start[a] = static_cast<std::size_t>(samples[0]) * region.stride;
        region.end[a] = static_cast<std::size_t>(samples[1]) * region.stride + 1;
      }
      const std::string type = this->TypeOf(array.SampleType());
      const auto values = vtkNeuvolArrays::NewArray(array, type, static_cast<vtkIdType>(region.size()));
      const auto decode = [&](std::size_t component, void* out)
      {
        const auto part = [&](std::size_t of) { return static_cast<double>(of) / static_cast<double>(volumes); };
        const neuvol::Progress progress =
          vtkNeuvolImage::ProgressOf(this, part(done + component), part(done + component + 1));
        const neuvol::Volume& volume = this->Inside->File.Volume(array.Index, component, stepOfFile);
        if (sampled[n].Level > 0)
        {
          volume.readLevel(sampled[n].Level, region, type.c_str(), out, progress);
        }
        else
        {
          volume.read(region, type.c_str(), out, progress);
        }
      };
      vtkNeuvolArrays::Fill(values, region.size(), decode);
      done += array.Components.size();
      vtkNeuvolImage::AttributesOf(output, array.Grid())->AddArray(values);
    }
    vtkNeuvolArrays::SetActive(output, chosen);
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

std::string vtkNeuvolReader::TypeOf(const std::string& stored) const
{
  return this->OutputType == FLOAT ? "float32" : stored;
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
  os << indent << "PointDataArraySelection:\n";
  this->Inside->PointArrays->PrintSelf(os, indent.GetNextIndent());
  os << indent << "CellDataArraySelection:\n";
  this->Inside->CellArrays->PrintSelf(os, indent.GetNextIndent());
  os << indent << "CacheSize: " << this->CacheSize << "\n" << indent << "Threads: " << this->Threads << "\n";
  os << indent << "Device: " << vtkNeuvolFile::DeviceName(this->Device) << "\n";
}
