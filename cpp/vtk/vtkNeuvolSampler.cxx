#include "vtkNeuvolSampler.h"

#include "vtkNeuvolFile.h"
#include "vtkNeuvolImage.h"

#include "vtkCharArray.h"
#include "vtkDataArray.h"
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

    const auto values =
      vtkSmartPointer<vtkDataArray>::Take(vtkNeuvolImage::NewArray(info, wide ? VTK_DOUBLE : VTK_FLOAT, count));
    if (this->ResultArrayName && *this->ResultArrayName)
    {
      values->SetName(this->ResultArrayName);
    }
    else if (input->GetPointData()->HasArray(values->GetName()))
    {
      // The original's array beside which this one is to be seen.
      values->SetName((info.name + " (neural)").c_str());
    }
    vtkNew<vtkCharArray> mask;
    const bool named = this->ValidPointMaskArrayName && *this->ValidPointMaskArrayName;
    mask->SetName(named ? this->ValidPointMaskArrayName : "vtkValidPointMask");
    mask->SetNumberOfTuples(count);
    vtkSmartPointer<vtkDataArray> gradients;
    if (this->ComputeGradients)
    {
      gradients.TakeReference(vtkDataArray::CreateDataArray(values->GetDataType()));
      gradients->SetName((std::string(values->GetName()) + " gradient").c_str());
      gradients->SetNumberOfComponents(3);
      gradients->SetNumberOfTuples(count);
    }

    neuvol::Sampling how;
    how.clamp = this->Clamp;
    how.outside = this->OutsideValue;
    constexpr vtkIdType piece = 1 << 17;
    const std::size_t room = static_cast<std::size_t>(std::min(piece, count));
    std::vector<double> points(3 * room), found(room), slopes(this->ComputeGradients ? 3 * room : 0);
    std::vector<std::uint8_t> valid(room);
    for (vtkIdType first = 0; first < count; first += piece)
    {
      const vtkIdType here = std::min(piece, count - first);
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
      if (this->GetAbortExecute())
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
  os << indent << "Clamp: " << this->Clamp << "\n";
  os << indent << "OutsideValue: " << this->OutsideValue << "\n";
  os << indent << "ResultArrayName: " << text(this->ResultArrayName) << "\n";
  os << indent << "ValidPointMaskArrayName: " << text(this->ValidPointMaskArrayName) << "\n";
  os << indent << "Threads: " << this->Threads << "\n";
  os << indent << "Device: " << vtkNeuvolFile::DeviceName(this->Device) << "\n";
}
