#include "vtkNeuvolArrays.h"

#include "vtkNeuvolFile.h"
#include "vtkNeuvolImage.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace
{

template <typename T>
void Interleave(vtkDataArray* to, int component, const void* samples, std::size_t count)
{
  const std::size_t components = static_cast<std::size_t>(to->GetNumberOfComponents());
  const T* from = static_cast<const T*>(samples);
  T* out = static_cast<T*>(to->GetVoidPointer(0)) + component;
  for (std::size_t i = 0; i < count; ++i)
  {
    out[components * i] = from[i];
  }
}

bool SameGrid(const neuvol::Grid& a, const neuvol::Grid& b)
{
  return a.shape == b.shape && a.origin == b.origin && a.spacing == b.spacing && a.direction == b.direction &&
    a.association == b.association && a.flat == b.flat;
}

} // namespace

std::string vtkNeuvolArray::SampleType() const
{
  const std::string& first = this->Components.front().sampleType;
  const auto all = [&](auto&& holds) { return std::all_of(this->Components.begin(), this->Components.end(), holds); };
  if (all([&](const neuvol::Info& info) { return info.sampleType == first; }))
  {
    return first;
  }
  const auto fitsFloat = [](const neuvol::Info& info)
  { return info.sampleType != "int32" && info.sampleType != "uint32" && info.sampleType != "float64"; };
  return all(fitsFloat) ? "float32" : "float64";
}

vtkNeuvolArray vtkNeuvolArrays::Describe(
  vtkNeuvolFile& file, const neuvol::Dataset& dataset, std::size_t array, std::size_t step)
{
  const neuvol::Array& about = dataset.arrays().at(array);
  vtkNeuvolArray described{ array, about.name, about.components, {} };
  for (std::size_t component = 0; component < about.components.size(); ++component)
  {
    described.Components.push_back(file.Volume(array, component, step).info());
    if (!SameGrid(described.Components.back().grid, described.Grid()))
    {
      throw neuvol::Error(file.FileName() + ": component " + std::to_string(component) + " of array '" + about.name +
        "' lies on another grid than component 0, and is not of one array with it in VTK");
    }
  }
  return described;
}

neuvol::Array vtkNeuvolArrays::AboutOf(vtkDataArray* array)
{
  neuvol::Array about;
  about.name = array->GetName() ? array->GetName() : "";
  constexpr int most = 9;
  const int components = array->GetNumberOfComponents();
  if (components > most)
  {
    throw neuvol::Error("array '" + about.name + "' has " + std::to_string(components) +
      " components, and a neural volume's has 1 to " + std::to_string(most) +
      ": extract some of them first (in ParaView with Calculator)");
  }
  for (int component = 0; component < components; ++component)
  {
    const char* name = array->GetComponentName(component);
    about.components.emplace_back(name ? name : "");
  }
  return about;
}

std::size_t vtkNeuvolArrays::ActiveOf(const std::vector<vtkNeuvolArray>& arrays)
{
  const auto at = std::find_if(
    arrays.begin(), arrays.end(), [](const vtkNeuvolArray& array) { return array.Components.size() == 1; });
  return at == arrays.end() ? 0 : static_cast<std::size_t>(at - arrays.begin());
}

vtkSmartPointer<vtkDataArray> vtkNeuvolArrays::NewArray(
  const vtkNeuvolArray& array, const std::string& sampleType, vtkIdType tuples)
{
  const int components = static_cast<int>(array.Components.size());
  const auto out =
    vtkNeuvolImage::NewArray(array.Components.front(), vtkNeuvolImage::VTKType(sampleType), tuples, components);
  for (int component = 0; component < components; ++component)
  {
    const std::string& name = array.ComponentNames[static_cast<std::size_t>(component)];
    if (!name.empty())
    {
      out->SetComponentName(component, name.c_str());
    }
  }
  return out;
}

void vtkNeuvolArrays::Fill(
  vtkDataArray* array, std::size_t tuples, const std::function<void(std::size_t component, void* out)>& decode)
{
  const int components = array->GetNumberOfComponents();
  if (components == 1)
  {
    decode(0, array->GetVoidPointer(0));
    return;
  }
  std::vector<unsigned char> beside(tuples * static_cast<std::size_t>(array->GetDataTypeSize()));
  for (int component = 0; component < components; ++component)
  {
    decode(static_cast<std::size_t>(component), beside.data());
    switch (array->GetDataTypeSize())
    {
      case 1:
        Interleave<std::uint8_t>(array, component, beside.data(), tuples);
        break;
      case 2:
        Interleave<std::uint16_t>(array, component, beside.data(), tuples);
        break;
      case 4:
        Interleave<std::uint32_t>(array, component, beside.data(), tuples);
        break;
      default:
        Interleave<std::uint64_t>(array, component, beside.data(), tuples);
    }
  }
}

void vtkNeuvolArrays::SetActive(vtkImageData* image, const std::vector<vtkNeuvolArray>& arrays)
{
  for (const bool cells : { false, true })
  {
    std::vector<vtkNeuvolArray> here;
    std::copy_if(arrays.begin(), arrays.end(), std::back_inserter(here),
      [&](const vtkNeuvolArray& array) { return array.IsOfCells() == cells; });
    if (!here.empty())
    {
      const vtkNeuvolArray& active = here[ActiveOf(here)];
      vtkNeuvolImage::AttributesOf(image, active.Grid())->SetActiveScalars(active.Components.front().name.c_str());
    }
  }
}
