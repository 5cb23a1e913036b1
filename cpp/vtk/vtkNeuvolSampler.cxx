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

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

vtkStandardNewMacro(vtkNeuvolSampler);

struct vtkNeuvolSampler::Implementation
{
  vtkNeuvolFile File;
};

namespace
{

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

vtkNeuvolSampler::vtkNeuvolSampler()
  : OutsideValue(std::numeric_limits<double>::quiet_NaN())
  , Inside(new Implementation)
{
  this->SetValidPointMaskArrayName("vtkValidPointMask");
}

vtkNeuvolSampler::~vtkNeuvolSampler()
{
  this->SetFileName(nullptr);
  this->SetResultArrayName(nullptr);
  this->SetValidPointMaskArrayName(nullptr);
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
    neuvol::OpenOptions options;
    options.threads = static_cast<std::size_t>(this->Threads);
    options.device = vtkNeuvolFile::DeviceName(this->Device);
    const neuvol::Volume& volume = this->Inside->File.Open(this->FileName, options);
    const std::string note = this->Inside->File.TakeNote();
    if (!note.empty())
    {
      vtkWarningMacro(<< note);
    }
    const neuvol::Info& info = volume.info();
    const std::string& stored = info.sampleType;
    const bool wide = stored == "float64" || stored == "int32" || stored == "uint32";
    const vtkIdType count = input->GetNumberOfPoints();

    const auto values = vtkNeuvolImage::NewArray(info, wide ? VTK_DOUBLE : VTK_FLOAT, count);
    const bool chosen = this->ResultArrayName && *this->ResultArrayName;
    const std::string wanted = chosen ? this->ResultArrayName : info.name;
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
      gradients->SetNumberOfComponents(3);
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
      volume.sample(points.data(), static_cast<std::size_t>(here), how, found.data(), valid.data(),
        this->ComputeGradients ? slopes.data() : nullptr);
      for (vtkIdType i = 0; i < here; ++i)
      {
        values->SetComponent(first + i, 0, found[i]);
        mask->SetValue(first + i, static_cast<char>(valid[i]));
        if (gradients)
        {
          gradients->SetTuple(first + i, slopes.data() + 3 * i);
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
  os << indent << "ComputeGradients: " << this->ComputeGradients << "\n";
  os << indent << "GradientType: " << (this->GradientType == SMOOTH ? "SMOOTH" : "FIELD") << "\n";
  os << indent << "Clamp: " << this->Clamp << "\n";
  os << indent << "OutsideValue: " << this->OutsideValue << "\n";
  os << indent << "ResultArrayName: " << text(this->ResultArrayName) << "\n";
  os << indent << "ValidPointMaskArrayName: " << text(this->ValidPointMaskArrayName) << "\n";
  os << indent << "Threads: " << this->Threads << "\n";
  os << indent << "Device: " << vtkNeuvolFile::DeviceName(this->Device) << "\n";
}
