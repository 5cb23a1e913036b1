#include "vtkNeuvolSampler.h"

#include "vtkNeuvolFile.h"
#include "vtkNeuvolImage.h"

#include "vtkCharArray.h"
#include "vtkDataSet.h"
#include "vtkDoubleArray.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkNew.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkSmartPointer.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

vtkStandardNewMacro(vtkNeuvolSampler);

namespace
{

/// What is evaluated of a file.
struct Chosen
{
  std::size_t Array;
  std::vector<std::size_t> Components;
  /// What it is called.
  std::string Name;
};

/// Whether the pipeline hears of the file's time steps.
bool HasTimes(const neuvol::Dataset& dataset)
{
  return dataset.steps() > 1 || !dataset.times().empty();
}

/// A name that no point array of the data set has: that of the original's array, beside which a result is to be seen,
/// is taken.
std::string FreeName(vtkDataSet* input, const std::string& wanted)
{
  std::string name = wanted;
  for (int n = 1; input->GetPointData()->HasArray(name.c_str()); ++n)
  {
    name = wanted + (n == 1 ? " (neural)" : " (neural " + std::to_string(n) + ")");
  }
  return name;
}

} // namespace

struct vtkNeuvolSampler::Implementation
{
  vtkNeuvolFile File;

  static neuvol::OpenOptions Options(const vtkNeuvolSampler& sampler)
  {
    neuvol::OpenOptions options;
    options.threads = static_cast<std::size_t>(sampler.Threads);
    options.device = vtkNeuvolFile::DeviceName(sampler.Device);
    return options;
  }

  Chosen Choose(const neuvol::Dataset& dataset, const vtkNeuvolSampler& sampler)
  {
    const std::vector<neuvol::Array>& arrays = dataset.arrays();
    std::optional<std::size_t> at;
    if (sampler.ArrayName && *sampler.ArrayName)
    {
      at = dataset.find(sampler.ArrayName);
      if (!at)
      {
        std::string names;
        for (const neuvol::Array& array : arrays)
        {
          names += (names.empty() ? "'" : ", '") + array.name + "'";
        }
        throw neuvol::Error(
          std::string(sampler.FileName) + ": there is no array '" + sampler.ArrayName + "'; it holds " + names);
      }
    }
    else
    {
      const auto scalar = std::find_if(
        arrays.begin(), arrays.end(), [](const neuvol::Array& array) { return array.components.size() == 1; });
      at = scalar == arrays.end() ? 0 : static_cast<std::size_t>(scalar - arrays.begin());
    }
    const neuvol::Array& array = arrays[*at];
    Chosen chosen{ *at, {}, array.name };
    const std::size_t count = array.components.size();
    if (sampler.Component < 0)
    {
      for (std::size_t component = 0; component < count; ++component)
      {
        chosen.Components.push_back(component);
      }
      return chosen;
    }
    const std::size_t component = static_cast<std::size_t>(sampler.Component);
    if (component >= count)
    {
      throw neuvol::Error(std::string(sampler.FileName) + ": array '" + array.name + "' has no component " +
        std::to_string(component) + "; it has 0 to " + std::to_string(count - 1));
    }
    chosen.Components.push_back(component);
    if (count > 1)
    {
      const std::string& name = array.components[component];
      chosen.Name += " " + (name.empty() ? std::to_string(component) : name);
    }
    return chosen;
  }
};

vtkNeuvolSampler::vtkNeuvolSampler()
  : OutsideValue(std::numeric_limits<double>::quiet_NaN())
  , Inside(new Implementation)
{
  this->SetValidPointMaskArrayName("vtkValidPointMask");
}

vtkNeuvolSampler::~vtkNeuvolSampler()
{
  this->SetFileName(nullptr);
  this->SetArrayName(nullptr);
  this->SetResultArrayName(nullptr);
  this->SetValidPointMaskArrayName(nullptr);
}

int vtkNeuvolSampler::RequestInformation(vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  const bool ofInput = inputs[0]->GetInformationObject(0)->Has(vtkStreamingDemandDrivenPipeline::TIME_STEPS());
  if (ofInput || this->TimeStep >= 0 || !this->FileName || !*this->FileName)
  {
    return 1;
  }
  try
  {
    const neuvol::Dataset& dataset = this->Inside->File.Open(this->FileName, Implementation::Options(*this));
    if (HasTimes(dataset))
    {
      const std::vector<double> times = vtkNeuvolFile::Times(dataset);
      const double range[2] = { times.front(), times.back() };
      vtkInformation* outInfo = outputs->GetInformationObject(0);
      outInfo->Set(vtkStreamingDemandDrivenPipeline::TIME_STEPS(), times.data(), static_cast<int>(times.size()));
      outInfo->Set(vtkStreamingDemandDrivenPipeline::TIME_RANGE(), range, 2);
    }
  }
  catch (const neuvol::Error&)
  {
    // Said once, by RequestData.
  }
  return 1;
}

int vtkNeuvolSampler::RequestData(vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  vtkDataSet* input = vtkDataSet::GetData(inputs[0]);
  vtkDataSet* output = vtkDataSet::GetData(outputs);
  output->ShallowCopy(input);
  vtkNeuvolImage::ClearAbort(this);
  if (!this->FileName || !*this->FileName)
  {
    vtkErrorMacro(<< "No file name was given: choose the neural volume to evaluate.");
    return 0;
  }
  try
  {
    const neuvol::Dataset& dataset = this->Inside->File.Open(this->FileName, Implementation::Options(*this));
    const std::string note = this->Inside->File.TakeNote();
    if (!note.empty())
    {
      vtkWarningMacro(<< note);
    }
    const Chosen choice = this->Inside->Choose(dataset, *this);
    const std::vector<double> times = vtkNeuvolFile::Times(dataset);
    vtkInformation* outInfo = outputs->GetInformationObject(0);
    std::size_t step = static_cast<std::size_t>(std::max(this->TimeStep, 0));
    if (step >= dataset.steps())
    {
      throw neuvol::Error(std::string(this->FileName) + ": there is no time step " + std::to_string(step) +
        "; it holds 0 to " + std::to_string(dataset.steps() - 1));
    }
    if (this->TimeStep < 0 && outInfo->Has(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP()))
    {
      step = vtkNeuvolFile::StepAt(times, outInfo->Get(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP()));
    }
    if (this->TimeStep < 0 && HasTimes(dataset) && !output->GetInformation()->Has(vtkDataObject::DATA_TIME_STEP()))
    {
      output->GetInformation()->Set(vtkDataObject::DATA_TIME_STEP(), times[step]);
    }
    std::vector<const neuvol::Volume*> volumes;
    bool wide = false;
    for (std::size_t component : choice.Components)
    {
      volumes.push_back(&this->Inside->File.Volume(choice.Array, component, step));
      const std::string& stored = volumes.back()->info().sampleType;
      wide = wide || stored == "float64" || stored == "int32" || stored == "uint32";
    }
    const int components = static_cast<int>(volumes.size());
    const neuvol::Info& info = volumes.front()->info();
    const vtkIdType count = input->GetNumberOfPoints();

    const auto values = vtkNeuvolImage::NewArray(info, wide ? VTK_DOUBLE : VTK_FLOAT, count, components);
    for (int c = 0; components > 1 && c < components; ++c)
    {
      const std::string& of = dataset.arrays()[choice.Array].components[choice.Components[static_cast<std::size_t>(c)]];
      if (!of.empty())
      {
        values->SetComponentName(c, of.c_str());
      }
    }
    const bool chosen = this->ResultArrayName && *this->ResultArrayName;
    const std::string wanted = chosen ? this->ResultArrayName : choice.Name;
    const std::string name = FreeName(input, wanted);
    values->SetName(name.c_str());
    if (chosen && name != wanted)
    {
      vtkWarningMacro(<< "The input has an array '" << wanted << "', which stays as it is: the result is '" << name
                      << "'.");
    }
    vtkNew<vtkCharArray> mask;
    const bool named = this->ValidPointMaskArrayName && *this->ValidPointMaskArrayName;
    mask->SetName(FreeName(input, named ? this->ValidPointMaskArrayName : "vtkValidPointMask").c_str());
    mask->SetNumberOfTuples(count);
    vtkSmartPointer<vtkDataArray> gradients;
    if (this->ComputeGradients)
    {
      gradients.TakeReference(vtkDataArray::CreateDataArray(values->GetDataType()));
      gradients->SetName(FreeName(input, name + " gradient").c_str());
      gradients->SetNumberOfComponents(3 * components);
      gradients->SetNumberOfTuples(count);
    }

    neuvol::Sampling how;
    how.clamp = this->Clamp;
    how.outside = this->OutsideValue;
    how.gradient = this->GradientType == SMOOTH ? neuvol::Gradient::Smooth : neuvol::Gradient::Field;
    constexpr vtkIdType chunk = 1 << 17;
    const std::size_t room = static_cast<std::size_t>(std::min(chunk, count));
    std::vector<double> points(3 * room), found(room), slopes(this->ComputeGradients ? 3 * room : 0);
    std::vector<std::uint8_t> valid(room);
    for (vtkIdType first = 0; first < count; first += chunk)
    {
      const vtkIdType here = std::min(chunk, count - first);
      for (vtkIdType i = 0; i < here; ++i)
      {
        input->GetPoint(first + i, points.data() + 3 * i);
      }
      for (int c = 0; c < components; ++c)
      {
        volumes[static_cast<std::size_t>(c)]->sample(points.data(), static_cast<std::size_t>(here), how, found.data(),
          valid.data(), this->ComputeGradients ? slopes.data() : nullptr);
        for (vtkIdType i = 0; i < here; ++i)
        {
          values->SetComponent(first + i, c, found[i]);
          // Where a component has no value, the tuple is not valid.
          const bool before = c == 0 || mask->GetValue(first + i) != 0;
          mask->SetValue(first + i, before && valid[i] ? 1 : 0);
          for (int axis = 0; gradients && axis < 3; ++axis)
          {
            gradients->SetComponent(first + i, 3 * c + axis, slopes[3 * i + axis]);
          }
        }
      }
      this->UpdateProgress(static_cast<double>(first + here) / static_cast<double>(count));
      if (vtkNeuvolImage::IsAborted(this))
      {
        output->Initialize();
        return 1;
      }
    }
    output->GetPointData()->AddArray(mask);
    if (gradients)
    {
      output->GetPointData()->AddArray(gradients);
    }
    output->GetPointData()->AddArray(values);
    output->GetPointData()->SetActiveScalars(values->GetName());
    return 1;
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
    output->Initialize();
    return 0;
  }
}

void vtkNeuvolSampler::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  const auto text = [](const char* s) { return s ? s : "(none)"; };
  os << indent << "FileName: " << text(this->FileName) << "\n";
  os << indent << "ArrayName: " << text(this->ArrayName) << "\n";
  os << indent << "Component: " << this->Component << "\n";
  os << indent << "TimeStep: " << this->TimeStep << "\n";
  os << indent << "ComputeGradients: " << this->ComputeGradients << "\n";
  os << indent << "GradientType: " << (this->GradientType == SMOOTH ? "SMOOTH" : "FIELD") << "\n";
  os << indent << "Clamp: " << this->Clamp << "\n";
  os << indent << "OutsideValue: " << this->OutsideValue << "\n";
  os << indent << "ResultArrayName: " << text(this->ResultArrayName) << "\n";
  os << indent << "ValidPointMaskArrayName: " << text(this->ValidPointMaskArrayName) << "\n";
  os << indent << "Threads: " << this->Threads << "\n";
  os << indent << "Device: " << vtkNeuvolFile::DeviceName(this->Device) << "\n";
}
