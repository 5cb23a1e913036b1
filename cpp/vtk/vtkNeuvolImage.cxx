#include "vtkNeuvolImage.h"

#include "vtkNeuvolCompressor.h"

#include "vtkCellData.h"
#include "vtkDoubleArray.h"
#include "vtkFieldData.h"
#include "vtkInformation.h"
#include "vtkInformationStringKey.h"
#include "vtkMatrix3x3.h"
#include "vtkNew.h"
#include "vtkPointData.h"
#include "vtkStringArray.h"
#include "vtkVersion.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <sstream>
#include <tuple>
#include <utility>
#include <vector>

namespace
{

struct TypePair
{
  const char* Name;
  int Code;
};

constexpr TypePair Types[] = { { "uint8", VTK_UNSIGNED_CHAR }, { "int8", VTK_SIGNED_CHAR },
  { "uint16", VTK_UNSIGNED_SHORT }, { "int16", VTK_SHORT }, { "uint32", VTK_UNSIGNED_INT }, { "int32", VTK_INT },
  { "float32", VTK_FLOAT }, { "float64", VTK_DOUBLE } };

/// NumPy's name of an array's element type; empty where it has no such value.
std::string SampleType(const vtkDataArray* array)
{
  const int code = const_cast<vtkDataArray*>(array)->GetDataType();
  for (const TypePair& pair : Types)
  {
    if (pair.Code == code)
    {
      return pair.Name;
    }
  }
  const bool wide = const_cast<vtkDataArray*>(array)->GetDataTypeSize() == 8;
  switch (code)
  {
    case VTK_CHAR:
      return static_cast<char>(-1) < 0 ? "int8" : "uint8";
    case VTK_LONG:
    case VTK_LONG_LONG:
    case VTK_ID_TYPE:
      return wide ? "int64" : "int32";
    case VTK_UNSIGNED_LONG:
    case VTK_UNSIGNED_LONG_LONG:
      return wide ? "uint64" : "uint32";
    default:
      return {};
  }
}

/// One tuple, a value for each component of an array.
void AddValues(vtkFieldData* to, const std::string& name, const std::vector<double>& values,
  const std::vector<std::string>& components)
{
  vtkNew<vtkDoubleArray> array;
  array->SetName(name.c_str());
  array->SetNumberOfComponents(static_cast<int>(values.size()));
  for (std::size_t c = 0; c < values.size(); ++c)
  {
    array->InsertNextValue(values[c]);
    if (!components[c].empty())
    {
      array->SetComponentName(static_cast<vtkIdType>(c), components[c].c_str());
    }
  }
  to->AddArray(array);
}

/// What a band is called, or its limits.
std::string BandName(const neuvol::Band& band)
{
  std::ostringstream out;
  if (!band.name.empty())
  {
    out << band.name << ", ";
  }
  if (std::isinf(band.from))
  {
    out << "below " << band.below;
  }
  else if (std::isinf(band.below))
  {
    out << "from " << band.from;
  }
  else
  {
    out << band.from << " to " << band.below;
  }
  return out.str();
}

/// The errors by bands of value: a row a band in each of four arrays, of one component behind the other.
void AddBands(vtkFieldData* to, const std::vector<neuvol::Info>& components, const std::vector<std::string>& names,
  const std::string& suffix)
{
  vtkNew<vtkStringArray> titles;
  titles->SetName(("neuvol_band" + suffix).c_str());
  vtkNew<vtkDoubleArray> shares, means, errors;
  const std::tuple<vtkDoubleArray*, const char*, double neuvol::Band::*> figures[] = {
    { shares, "neuvol_band_share", &neuvol::Band::share },
    { means, "neuvol_band_mean_error", &neuvol::Band::bias },
    { errors, "neuvol_band_rmse", &neuvol::Band::rmse },
  };
  for (std::size_t c = 0; c < components.size(); ++c)
  {
    const std::string component = names[c].empty() ? std::to_string(c) : names[c];
    for (const neuvol::Band& band : components[c].bands)
    {
      titles->InsertNextValue((components.size() > 1 ? component + ": " : "") + BandName(band));
      for (const auto& [array, name, figure] : figures)
      {
        array->InsertNextValue(band.*figure);
      }
    }
  }
  if (titles->GetNumberOfValues() == 0)
  {
    return;
  }
  to->AddArray(titles);
  for (const auto& [array, name, figure] : figures)
  {
    array->SetName((name + suffix).c_str());
    to->AddArray(array);
  }
}

void AddText(vtkFieldData* to, const char* name, const std::string& text)
{
  vtkNew<vtkStringArray> array;
  array->SetName(name);
  array->InsertNextValue(text);
  to->AddArray(array);
}

/// What marks masked voxels of a component of an array, by the field data that the reader made: these travel through filters.
std::array<double, 2> FillRange(vtkFieldData* fields, const std::string& array, int component)
{
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  auto* arrays = vtkStringArray::SafeDownCast(fields->GetAbstractArray("neuvol_array"));
  if (!arrays || arrays->LookupValue(array) < 0)
  {
    return { none, none };
  }
  const std::string suffix = arrays->GetNumberOfValues() > 1 ? " " + array : "";
  const auto value = [&](const char* name, double otherwise)
  {
    auto* values = vtkDataArray::SafeDownCast(fields->GetAbstractArray((name + suffix).c_str()));
    const bool has = values && values->GetNumberOfTuples() == 1 && component < values->GetNumberOfComponents();
    return has ? values->GetComponent(0, component) : otherwise;
  };
  const double fill = value("neuvol_fill_value", none);
  return { fill, value("neuvol_fill_limit", fill) };
}

} // namespace

int vtkNeuvolImage::VTKType(const std::string& sampleType)
{
  for (const TypePair& pair : Types)
  {
    if (sampleType == pair.Name)
    {
      return pair.Code;
    }
  }
  throw neuvol::Error("VTK has no type for " + sampleType);
}

neuvol::Samples vtkNeuvolImage::Samples(vtkImageData* image, vtkDataArray* array, int association)
{
  const std::string name = array->GetName() ? array->GetName() : "";
  const int components = array->GetNumberOfComponents();
  neuvol::Samples samples;
  samples.type = SampleType(array);
  if (samples.type.empty())
  {
    throw neuvol::Error("array '" + name + "' is of type " + array->GetDataTypeAsString() + ", which cannot be stored");
  }
  samples.name = name;
  if (array->HasInformation() && array->GetInformation()->Has(vtkDataArray::UNITS_LABEL()))
  {
    samples.unit = array->GetInformation()->Get(vtkDataArray::UNITS_LABEL());
  }

  vtkFieldData* fields = image->GetFieldData();
  auto* frame = vtkStringArray::SafeDownCast(fields->GetAbstractArray("neuvol_frame"));
  const bool has = frame && frame->GetNumberOfValues() == 1;
  samples.grid = vtkNeuvolImage::Grid(image, association, has ? frame->GetValue(0) : samples.grid.frame);
  samples.fillRange = FillRange(fields, name, 0);
  const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  for (int component = 1; component < components; ++component)
  {
    const std::array<double, 2> range = FillRange(fields, name, component);
    if (!std::equal(range.begin(), range.end(), samples.fillRange.begin(), same))
    {
      throw neuvol::Error("the components of array '" + name +
        "' have several fill values (neuvol_fill_value): extract them, and compress them one by one");
    }
  }
  samples.data = array->GetVoidPointer(0);
  samples.bytes = static_cast<std::size_t>(array->GetNumberOfValues()) * array->GetDataTypeSize();
  return samples;
}

neuvol::Grid vtkNeuvolImage::Grid(vtkImageData* image, int association, const std::string& frame)
{
  neuvol::Grid grid;
  grid.frame = frame;
  int extent[6];
  image->GetExtent(extent);
  if (association == vtkDataObject::FIELD_ASSOCIATION_CELLS)
  {
    grid.association = neuvol::Association::Cell;
    for (int a = 0; a < 3; ++a)
    {
      grid.flat[a] = extent[2 * a] == extent[2 * a + 1];
    }
    vtkNeuvolImage::CellExtent(extent);
  }
  double first[3];
  for (int a = 0; a < 3; ++a)
  {
    const int* range = extent + 2 * a;
    grid.shape[a] = static_cast<std::size_t>(range[1] - range[0] + 1);
    grid.spacing[a] = image->GetSpacing()[a];
    const bool shifted = range[1] < image->GetExtent()[2 * a + 1];
    first[a] = range[0] + (shifted ? 0.5 : 0.0);
  }
  const double* direction = image->GetDirectionMatrix()->GetData();
  std::copy(direction, direction + 9, grid.direction.begin());
  image->TransformContinuousIndexToPhysicalPoint(first, grid.origin.data());
  return grid;
}

void vtkNeuvolImage::CellExtent(int extent[6])
{
  for (int a = 0; a < 3; ++a)
  {
    // A flat axis has one cell, where its one point is.
    if (extent[2 * a + 1] > extent[2 * a])
    {
      --extent[2 * a + 1];
    }
  }
}

double vtkNeuvolImage::Margin(const neuvol::Grid& grid, int axis)
{
  return grid.association == neuvol::Association::Cell && !grid.flat[axis] ? 0.5 : 0.0;
}

void vtkNeuvolImage::FirstPoint(const neuvol::Grid& grid, double origin[3])
{
  for (int row = 0; row < 3; ++row)
  {
    origin[row] = grid.origin[row];
    for (int a = 0; a < 3; ++a)
    {
      origin[row] -= grid.direction[3 * row + a] * grid.spacing[a] * vtkNeuvolImage::Margin(grid, a);
    }
  }
}

vtkDataSetAttributes* vtkNeuvolImage::AttributesOf(vtkImageData* image, const neuvol::Grid& grid)
{
  if (grid.association == neuvol::Association::Cell)
  {
    return image->GetCellData();
  }
  return image->GetPointData();
}

std::string vtkNeuvolImage::Text(const neuvol::Outcome& outcome, const std::string& unit)
{
  std::ostringstream out;
  out << outcome.fileBytes << " bytes, ratio " << std::round(10 * outcome.ratio) / 10 << " ("
      << std::round(10 * outcome.ratioFloat32) / 10 << " against float32), ";
  if (std::isinf(outcome.psnr))
  {
    out << "every voxel exactly as it was";
  }
  else
  {
    const std::string in = unit.empty() ? "" : " " + unit;
    out << "PSNR " << std::round(100 * outcome.psnr) / 100 << " dB, RMS error " << outcome.rmse << in;
    if (outcome.noise > 0)
    {
      out << " (the noise of the original is " << outcome.noise << in << ')';
    }
    out << ", largest error " << outcome.maxError << in;
    const auto worst = std::max_element(outcome.bands.begin(), outcome.bands.end(),
      [](const neuvol::Band& a, const neuvol::Band& b) { return std::abs(a.bias) < std::abs(b.bias); });
    if (worst != outcome.bands.end())
    {
      out << ", largest mean error of a band of values " << std::showpos << worst->bias << std::noshowpos << in << " ("
          << BandName(*worst) << in << ')';
    }
  }
  return out.str();
}

std::string vtkNeuvolImage::Text(const std::vector<neuvol::Outcome>& outcomes, std::uint64_t fileBytes)
{
  double stored = 0.0;
  double asFloat = 0.0;
  double least = std::numeric_limits<double>::infinity();
  double most = 0.0;
  for (const neuvol::Outcome& outcome : outcomes)
  {
    stored += outcome.ratio * static_cast<double>(outcome.fileBytes);
    asFloat += outcome.ratioFloat32 * static_cast<double>(outcome.fileBytes);
    least = std::min(least, outcome.psnr);
    most = std::max(most, outcome.psnr);
  }
  const auto tenths = [&](double bytes) { return std::round(10 * bytes / static_cast<double>(fileBytes)) / 10; };
  const auto psnr = [](double value)
  {
    std::ostringstream out;
    out << std::round(100 * value) / 100 << " dB";
    return std::isinf(value) ? std::string("exact") : out.str();
  };
  std::ostringstream out;
  out << fileBytes << " bytes, ratio " << tenths(stored) << " (" << tenths(asFloat) << " against float32), "
      << outcomes.size() << " volumes, ";
  if (std::isinf(least))
  {
    out << "every voxel exactly as it was";
  }
  else
  {
    out << "PSNR " << psnr(least) << " to " << psnr(most);
  }
  return out.str();
}

neuvol::CompressOptions vtkNeuvolImage::Options(vtkNeuvolCompressor& properties)
{
  neuvol::CompressOptions options;
  switch (properties.GetTarget())
  {
    case vtkNeuvolCompressor::RATIO:
      options.target = neuvol::Target::ratio(properties.GetTargetRatio());
      break;
    case vtkNeuvolCompressor::SIZE:
      // A size below 0 is refused as one of 0.
      options.target = neuvol::Target::size(static_cast<std::uint64_t>(std::max(0.0, properties.GetTargetSize() * 1000.0)));
      break;
    case vtkNeuvolCompressor::MAX_ERROR:
      options.target = neuvol::Target::maxError(properties.GetTargetMaxError());
      break;
    case vtkNeuvolCompressor::LOSSLESS:
      options.target = neuvol::Target::lossless();
      break;
    case vtkNeuvolCompressor::PSNR:
      options.target = neuvol::Target::psnr(properties.GetTargetPSNR());
      break;
    default:
      options.target = properties.GetQuality() == vtkNeuvolCompressor::PREVIEW ? neuvol::Quality::Preview
        : properties.GetQuality() == vtkNeuvolCompressor::FINE                 ? neuvol::Quality::Fine
                                                                               : neuvol::Quality::Standard;
  }
  const char* presets[] = { "fast", "balanced", "best" };
  options.preset = presets[properties.GetPreset()];
  options.seed = static_cast<std::uint64_t>(properties.GetSeed());
  options.threads = static_cast<std::size_t>(properties.GetThreads());
  return options;
}

vtkSmartPointer<vtkDataArray> vtkNeuvolImage::NewArray(
  const neuvol::Info& info, int type, vtkIdType samples, int components)
{
  const auto array = vtkSmartPointer<vtkDataArray>::Take(vtkDataArray::CreateDataArray(type));
  array->SetName(info.name.c_str());
  array->SetNumberOfComponents(components);
  array->SetNumberOfTuples(samples);
  if (!info.unit.empty())
  {
    array->GetInformation()->Set(vtkDataArray::UNITS_LABEL(), info.unit.c_str());
  }
  return array;
}

void vtkNeuvolImage::AddFieldData(const std::vector<neuvol::Info>& components, const std::vector<std::string>& names,
  const std::string& suffix, vtkImageData* image)
{
  vtkFieldData* fields = image->GetFieldData();
  const auto of = [&](auto&& figure)
  {
    std::vector<double> values;
    for (const neuvol::Info& info : components)
    {
      values.push_back(figure(info));
    }
    return values;
  };
  const auto add = [&](const char* name, auto&& figure)
  { AddValues(fields, name + suffix, of(figure), names); };
  // VTK's legacy text files cannot hold infinity: where nothing differs there is no number.
  const auto addKnown = [&](const char* name, auto&& figure)
  {
    std::vector<double> values = of(figure);
    for (double& value : values)
    {
      value = std::isfinite(value) ? value : std::numeric_limits<double>::quiet_NaN();
    }
    if (std::any_of(values.begin(), values.end(), [](double value) { return !std::isnan(value); }))
    {
      AddValues(fields, name + suffix, values, names);
    }
  };
  addKnown("neuvol_psnr", [](const neuvol::Info& info) { return info.psnr; });
  add("neuvol_max_error", [](const neuvol::Info& info) { return info.maxError; });
  add("neuvol_rmse", [](const neuvol::Info& info) { return info.rmse; });
  add("neuvol_mean_error", [](const neuvol::Info& info) { return info.bias; });
  addKnown("neuvol_noise", [](const neuvol::Info& info) { return info.noise; });
  addKnown("neuvol_ssim", [](const neuvol::Info& info) { return info.ssim; });
  AddBands(fields, components, names, suffix);
  add("neuvol_ratio", [](const neuvol::Info& info) { return info.ratio; });
  add("neuvol_ratio_float32", [](const neuvol::Info& info) { return info.ratioFloat32; });
  const auto isMasked = [](const neuvol::Info& info) { return !std::isnan(info.fillRange[0]); };
  const auto isRange = [](const neuvol::Info& info)
  { return !std::isnan(info.fillRange[0]) && info.fillRange[1] != info.fillRange[0]; };
  if (std::any_of(components.begin(), components.end(), isMasked))
  {
    add("neuvol_fill_value", [](const neuvol::Info& info) { return info.fillRange[0]; });
  }
  if (std::any_of(components.begin(), components.end(), isRange))
  {
    add("neuvol_fill_limit", [](const neuvol::Info& info) { return info.fillRange[1]; });
  }
  AddText(fields, "neuvol_frame", components.front().grid.frame);
  if (auto* arrays = vtkStringArray::SafeDownCast(fields->GetAbstractArray("neuvol_array")))
  {
    arrays->InsertNextValue(components.front().name);
  }
  else
  {
    AddText(fields, "neuvol_array", components.front().name);
  }
}

bool vtkNeuvolImage::IsAborted(vtkAlgorithm* algorithm)
{
#if VTK_VERSION_NUMBER >= VTK_VERSION_CHECK(9, 3, 0)
  // An abort of a filter downstream counts too.
  return algorithm->CheckAbort();
#else
  return algorithm->GetAbortExecute() != 0;
#endif
}

void vtkNeuvolImage::ClearAbort(vtkAlgorithm* algorithm)
{
  if (algorithm->GetAbortExecute())
  {
    algorithm->SetAbortExecute(0);
  }
#if VTK_VERSION_NUMBER >= VTK_VERSION_CHECK(9, 3, 0)
  algorithm->SetAbortOutput(false);
#endif
}

neuvol::Progress vtkNeuvolImage::ProgressOf(vtkAlgorithm* algorithm, double from, double to)
{
  return [=](double fraction)
  {
    algorithm->UpdateProgress(from + (to - from) * fraction);
    return !vtkNeuvolImage::IsAborted(algorithm);
  };
}
