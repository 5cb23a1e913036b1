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
#include <cmath>
#include <sstream>
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

void AddValue(vtkFieldData* to, const char* name, double value)
{
  vtkNew<vtkDoubleArray> array;
  array->SetName(name);
  array->InsertNextValue(value);
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

/// The errors by bands of value: a row a band in each of four arrays.
void AddBands(vtkFieldData* to, const std::vector<neuvol::Band>& bands)
{
  if (bands.empty())
  {
    return;
  }
  vtkNew<vtkStringArray> names;
  names->SetName("neuvol_band");
  const auto add = [&](const char* name, double neuvol::Band::* figure)
  {
    vtkNew<vtkDoubleArray> array;
    array->SetName(name);
    for (const neuvol::Band& band : bands)
    {
      array->InsertNextValue(band.*figure);
    }
    to->AddArray(array);
  };
  for (const neuvol::Band& band : bands)
  {
    names->InsertNextValue(BandName(band));
  }
  to->AddArray(names);
  add("neuvol_band_share", &neuvol::Band::share);
  add("neuvol_band_mean_error", &neuvol::Band::bias);
  add("neuvol_band_rmse", &neuvol::Band::rmse);
}

void AddText(vtkFieldData* to, const char* name, const std::string& text)
{
  vtkNew<vtkStringArray> array;
  array->SetName(name);
  array->InsertNextValue(text);
  to->AddArray(array);
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
  if (components != 1)
  {
    throw neuvol::Error(
      "array '" + name + "' has " + std::to_string(components) +
      " components, and a neural volume holds one: extract a component or the magnitude first (in ParaView with "
      "Calculator)");
  }
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

  neuvol::Grid& grid = samples.grid;
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
  vtkFieldData* fields = image->GetFieldData();
  auto* frame = vtkStringArray::SafeDownCast(fields->GetAbstractArray("neuvol_frame"));
  if (frame && frame->GetNumberOfValues() == 1)
  {
    grid.frame = frame->GetValue(0);
  }
  // Field data travels through filters: the fill value is that of the array which the reader made.
  auto* of = vtkStringArray::SafeDownCast(fields->GetAbstractArray("neuvol_array"));
  auto* fill = vtkDataArray::SafeDownCast(fields->GetAbstractArray("neuvol_fill_value"));
  if (of && fill && of->GetNumberOfValues() == 1 && of->GetValue(0) == name && fill->GetNumberOfValues() == 1)
  {
    auto* limit = vtkDataArray::SafeDownCast(fields->GetAbstractArray("neuvol_fill_limit"));
    const bool isRange = limit && limit->GetNumberOfValues() == 1;
    samples.fillRange = { fill->GetTuple1(0), (isRange ? limit : fill)->GetTuple1(0) };
  }
  samples.data = array->GetVoidPointer(0);
  samples.bytes = static_cast<std::size_t>(array->GetNumberOfValues()) * array->GetDataTypeSize();
  return samples;
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

void vtkNeuvolImage::SetScalars(vtkImageData* image, const neuvol::Grid& grid, vtkDataArray* array)
{
  if (grid.association == neuvol::Association::Cell)
  {
    image->GetCellData()->SetScalars(array);
  }
  else
  {
    image->GetPointData()->SetScalars(array);
  }
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

vtkSmartPointer<vtkDataArray> vtkNeuvolImage::NewArray(const neuvol::Info& info, int type, vtkIdType samples)
{
  const auto array = vtkSmartPointer<vtkDataArray>::Take(vtkDataArray::CreateDataArray(type));
  array->SetName(info.name.c_str());
  array->SetNumberOfTuples(samples);
  if (!info.unit.empty())
  {
    array->GetInformation()->Set(vtkDataArray::UNITS_LABEL(), info.unit.c_str());
  }
  return array;
}

void vtkNeuvolImage::AddFieldData(const neuvol::Info& info, vtkImageData* image)
{
  vtkFieldData* fields = image->GetFieldData();
  // VTK's legacy text files cannot hold infinity: where nothing differs it is left out.
  if (std::isfinite(info.psnr))
  {
    AddValue(fields, "neuvol_psnr", info.psnr);
  }
  AddValue(fields, "neuvol_max_error", info.maxError);
  AddValue(fields, "neuvol_rmse", info.rmse);
  AddValue(fields, "neuvol_mean_error", info.bias);
  for (const auto& [name, value] : { std::pair{ "neuvol_noise", info.noise }, std::pair{ "neuvol_ssim", info.ssim } })
  {
    if (std::isfinite(value))
    {
      AddValue(fields, name, value);
    }
  }
  AddBands(fields, info.bands);
  AddValue(fields, "neuvol_ratio", info.ratio);
  AddValue(fields, "neuvol_ratio_float32", info.ratioFloat32);
  if (!std::isnan(info.fillRange[0]))
  {
    AddValue(fields, "neuvol_fill_value", info.fillRange[0]);
    if (info.fillRange[1] != info.fillRange[0])
    {
      AddValue(fields, "neuvol_fill_limit", info.fillRange[1]);
    }
  }
  AddText(fields, "neuvol_frame", info.grid.frame);
  AddText(fields, "neuvol_array", info.name);
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
