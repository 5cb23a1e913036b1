#include "vtkNeuvolVolumeSource.h"

#include <vtkCellArray.h>
#include <vtkDoubleArray.h>
#include <vtkFieldData.h>
#include <vtkInformation.h>
#include <vtkInformationVector.h>
#include <vtkIntArray.h>
#include <vtkNew.h>
#include <vtkObjectFactory.h>
#include <vtkPointData.h>
#include <vtkPoints.h>
#include <vtkPolyData.h>
#include <vtkStreamingDemandDrivenPipeline.h>
#include <vtkStringArray.h>

#include <neuvol/neuvol.h>

#include <cmath>

vtkStandardNewMacro(vtkNeuvolVolumeSource);

namespace
{

/// The time of each step: the file's, or the steps' numbers.
std::vector<double> timesOf(const neuvol::Dataset& file)
{
  std::vector<double> times = file.times();
  for (std::size_t step = times.size(); step < file.steps(); ++step)
  {
    times.push_back(static_cast<double>(step));
  }
  return times;
}

/// The last step that is not later than a time, but for rounding.
std::size_t stepAt(const std::vector<double>& times, double time)
{
  std::size_t step = 0;
  while (step + 1 < times.size() && time >= times[step + 1] - 1e-6 * (times[step + 1] - times[step]))
  {
    ++step;
  }
  return step;
}

} // namespace

vtkNeuvolVolumeSource::vtkNeuvolVolumeSource()
{
  this->SetNumberOfInputPorts(0);
}

vtkNeuvolVolumeSource::~vtkNeuvolVolumeSource()
{
  this->SetFileName(nullptr);
}

int vtkNeuvolVolumeSource::CanReadFile(const char* name)
{
  try
  {
    neuvol::Dataset::open(name);
    return 1;
  }
  catch (const std::exception&)
  {
    return 0;
  }
}

int vtkNeuvolVolumeSource::RequestInformation(
  vtkInformation*, vtkInformationVector**, vtkInformationVector* outputVector)
{
  vtkInformation* info = outputVector->GetInformationObject(0);
  info->Set(vtkAlgorithm::CAN_HANDLE_PIECE_REQUEST(), 1);
  info->Remove(vtkStreamingDemandDrivenPipeline::TIME_STEPS());
  info->Remove(vtkStreamingDemandDrivenPipeline::TIME_RANGE());
  if (!this->FileName || !*this->FileName)
  {
    vtkErrorMacro("no file was chosen");
    return 0;
  }
  try
  {
    const neuvol::Dataset file = neuvol::Dataset::open(this->FileName);
    if (file.steps() > 1)
    {
      const std::vector<double> times = timesOf(file);
      info->Set(
        vtkStreamingDemandDrivenPipeline::TIME_STEPS(), times.data(), static_cast<int>(times.size()));
      const double range[2] = { times.front(), times.back() };
      info->Set(vtkStreamingDemandDrivenPipeline::TIME_RANGE(), range, 2);
    }
    return 1;
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
    return 0;
  }
}

int vtkNeuvolVolumeSource::RequestData(vtkInformation*, vtkInformationVector**, vtkInformationVector* outputVector)
{
  vtkInformation* info = outputVector->GetInformationObject(0);
  vtkPolyData* output = vtkPolyData::GetData(info);
  try
  {
    const neuvol::Dataset file = neuvol::Dataset::open(this->FileName);
    std::size_t step = 0;
    if (info->Has(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP()))
    {
      step = stepAt(timesOf(file), info->Get(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP()));
    }
    vtkNew<vtkStringArray> name;
    name->SetName(FileArray());
    name->InsertNextValue(this->FileName);
    output->GetFieldData()->AddArray(name);
    vtkNew<vtkIntArray> shown;
    shown->SetName(StepArray());
    shown->InsertNextValue(static_cast<int>(step));
    output->GetFieldData()->AddArray(shown);
    // One outline, however many processes there are.
    if (info->Has(vtkStreamingDemandDrivenPipeline::UPDATE_PIECE_NUMBER()) &&
      info->Get(vtkStreamingDemandDrivenPipeline::UPDATE_PIECE_NUMBER()) > 0)
    {
      return 1;
    }
    vtkNew<vtkPoints> points;
    points->SetDataTypeToDouble();
    const neuvol::Volume first = file.volume(0, 0, step);
    const neuvol::Grid& grid = first.info().grid;
    for (int corner = 0; corner < 8; ++corner)
    {
      double place[3] = { grid.origin[0], grid.origin[1], grid.origin[2] };
      for (std::size_t a = 0; a < 3; ++a)
      {
        const bool cells = grid.association == neuvol::Association::Cell && !grid.flat[a];
        const double margin = cells || grid.shape[a] == 1 ? 0.5 : 0.0;
        const double index = corner >> a & 1 ? double(grid.shape[a] - 1) + margin : -margin;
        for (std::size_t row = 0; row < 3; ++row)
        {
          place[row] += grid.direction[3 * row + a] * grid.spacing[a] * index;
        }
      }
      points->InsertNextPoint(place);
    }
    vtkNew<vtkCellArray> lines;
    for (vtkIdType from = 0; from < 8; ++from)
    {
      for (const vtkIdType axis : { 1, 2, 4 })
      {
        if (!(from & axis))
        {
          const vtkIdType line[2] = { from, from + axis };
          lines->InsertNextCell(2, line);
        }
      }
    }
    output->SetPoints(points);
    output->SetLines(lines);
    for (std::size_t array = 0; array < file.arrays().size(); ++array)
    {
      const neuvol::Array& of = file.arrays()[array];
      const int components = static_cast<int>(of.components.size());
      vtkNew<vtkDoubleArray> values;
      values->SetName(of.name.empty() ? "volume" : of.name.c_str());
      values->SetNumberOfComponents(components);
      values->SetNumberOfTuples(8);
      for (int component = 0; component < components; ++component)
      {
        if (!of.components[static_cast<std::size_t>(component)].empty())
        {
          values->SetComponentName(component, of.components[static_cast<std::size_t>(component)].c_str());
        }
        const auto range = file.volume(array, static_cast<std::size_t>(component), step).info().range;
        for (vtkIdType point = 0; point < 8; ++point)
        {
          const double value = range[point % 2];
          values->SetComponent(point, component, std::isnan(value) ? 0 : value);
        }
      }
      output->GetPointData()->AddArray(values);
      if (array == 0)
      {
        output->GetPointData()->SetActiveScalars(values->GetName());
      }
    }
    return 1;
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
    return 0;
  }
}

void vtkNeuvolVolumeSource::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "FileName: " << (this->FileName ? this->FileName : "(none)") << "\n";
}
