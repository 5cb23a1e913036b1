#include "vtkNeuvolVolumeMapper.h"

#include "vtkNeuvolOverlay.h"

#include <vtkCamera.h>
#include <vtkColorTransferFunction.h>
#include <vtkImageData.h>
#include <vtkMath.h>
#include <vtkMatrix4x4.h>
#include <vtkNew.h>
#include <vtkObjectFactory.h>
#include <vtkPiecewiseFunction.h>
#include <vtkPlane.h>
#include <vtkPlaneCollection.h>
#include <vtkRenderWindow.h>
#include <vtkRenderer.h>
#include <vtkTimerLog.h>
#include <vtkVolume.h>
#include <vtkVolumeProperty.h>

#include <neuvol/rendering.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <tuple>

vtkStandardNewMacro(vtkNeuvolVolumeMapper);

namespace
{

/// Points that a colour or opacity function of VTK is taken at beside its own, where it is not even between them.
constexpr int STRETCHES = 16;
/// Points that a colour function is taken at whose steps only it knows.
constexpr int COLOURS = 256;

/// What the mapper opened, and how.
using Choice = std::tuple<std::string, std::string, int, int, int, int>;

std::array<double, 3> place(const neuvol::Grid& grid, const std::array<double, 3>& index)
{
  std::array<double, 3> world = grid.origin;
  for (std::size_t row = 0; row < 3; ++row)
  {
    for (std::size_t a = 0; a < 3; ++a)
    {
      world[row] += grid.direction[3 * row + a] * grid.spacing[a] * index[a];
    }
  }
  return world;
}

/// Bounds in the world of a box of places in the grid.
void boundsOf(const neuvol::Grid& grid, const std::array<double, 3>& low, const std::array<double, 3>& high,
  double bounds[6])
{
  vtkMath::UninitializeBounds(bounds);
  for (int corner = 0; corner < 8; ++corner)
  {
    std::array<double, 3> index;
    for (std::size_t a = 0; a < 3; ++a)
    {
      index[a] = corner >> a & 1 ? high[a] : low[a];
    }
    const auto world = place(grid, index);
    for (std::size_t a = 0; a < 3; ++a)
    {
      bounds[2 * a] = corner == 0 ? world[a] : std::min(bounds[2 * a], world[a]);
      bounds[2 * a + 1] = corner == 0 ? world[a] : std::max(bounds[2 * a + 1], world[a]);
    }
  }
}

/// How far the field reaches beyond the outermost samples along an axis.
double margin(const neuvol::Grid& grid, std::size_t a)
{
  const bool cells = grid.association == neuvol::Association::Cell && !grid.flat[a];
  return cells || grid.shape[a] == 1 ? 0.5 : 0.0;
}

/// The values at which a function of VTK has points, with more between them where it may bend.
template <typename Function>
std::vector<double> valuesOf(Function* function)
{
  std::vector<double> own;
  double node[6];
  for (int n = 0; n < function->GetSize(); ++n)
  {
    function->GetNodeValue(n, node);
    own.push_back(node[0]);
  }
  std::vector<double> values;
  for (std::size_t n = 0; n < own.size(); ++n)
  {
    values.push_back(own[n]);
    for (int i = 1; n + 1 < own.size() && own[n + 1] > own[n] && i < STRETCHES; ++i)
    {
      values.push_back(own[n] + (own[n + 1] - own[n]) * i / STRETCHES);
    }
  }
  if (values.empty())
  {
    values.push_back(0);
  }
  return values;
}

void transferOf(vtkVolumeProperty* property, neuvol::Scene& scene)
{
  if (property->GetColorChannels(0) == 1)
  {
    vtkPiecewiseFunction* grey = property->GetGrayTransferFunction(0);
    for (const double value : valuesOf(grey))
    {
      const double part = std::clamp(grey->GetValue(value), 0.0, 1.0);
      scene.colours.push_back({ value, { part, part, part } });
    }
  }
  else
  {
    vtkColorTransferFunction* colours = property->GetRGBTransferFunction(0);
    // Of logarithms, categories and steps only the function itself knows what is between its points.
    std::vector<double> values = valuesOf(colours);
    if (colours->UsingLogScale() || colours->GetIndexedLookup() || colours->IsA("vtkDiscretizableColorTransferFunction"))
    {
      const double* ends = colours->GetRange();
      const bool log = colours->UsingLogScale() && ends[0] > 0;
      for (int n = 0; n <= COLOURS; ++n)
      {
        const double share = double(n) / COLOURS;
        values.push_back(log ? ends[0] * std::pow(ends[1] / ends[0], share) : ends[0] + (ends[1] - ends[0]) * share);
      }
      values.erase(std::remove_if(values.begin(), values.end(), [](double value) { return !std::isfinite(value); }),
        values.end());
      std::sort(values.begin(), values.end());
    }
    for (const double value : values)
    {
      double rgb[3];
      colours->GetColor(value, rgb);
      scene.colours.push_back(
        { value, { std::clamp(rgb[0], 0.0, 1.0), std::clamp(rgb[1], 0.0, 1.0), std::clamp(rgb[2], 0.0, 1.0) } });
    }
  }
  vtkPiecewiseFunction* opacity = property->GetScalarOpacity(0);
  for (const double value : valuesOf(opacity))
  {
    scene.opacities.push_back({ value, std::clamp(opacity->GetValue(value), 0.0, 1.0) });
  }
}

} // namespace

struct vtkNeuvolVolumeMapper::Internals
{
  std::optional<Choice> Opened;
  std::filesystem::file_time_type Modified;
  std::optional<neuvol::Info> About;
  std::optional<neuvol::Renderer> Renderer;
  std::vector<neuvol::Region> Parts;
  /// Stands for the file where VTK asks for data.
  vtkNew<vtkImageData> Placeholder;
};

vtkNeuvolVolumeMapper::vtkNeuvolVolumeMapper()
  : Inside(std::make_unique<Internals>())
{
  this->SetNumberOfInputPorts(0);
}

vtkNeuvolVolumeMapper::~vtkNeuvolVolumeMapper()
{
  this->SetFileName(nullptr);
  this->SetArrayName(nullptr);
}

vtkDataObject* vtkNeuvolVolumeMapper::GetDataObjectInput()
{
  return this->FileName && *this->FileName ? this->Inside->Placeholder.GetPointer() : nullptr;
}

vtkDataSet* vtkNeuvolVolumeMapper::GetDataSetInput()
{
  return this->FileName && *this->FileName ? this->Inside->Placeholder.GetPointer() : nullptr;
}

bool vtkNeuvolVolumeMapper::Open()
{
  if (!this->FileName || !*this->FileName)
  {
    return false;
  }
  const Choice wanted{ this->FileName, this->ArrayName ? this->ArrayName : "", this->Component, this->TimeStep,
    this->Threads, this->CacheSize };
  // What cannot be looked at is said when it is opened.
  std::error_code ignored;
  const auto modified = std::filesystem::last_write_time(this->FileName, ignored);
  if (this->Inside->Opened != wanted || this->Inside->Modified != modified)
  {
    // A file that cannot be opened is not tried again with every picture.
    this->Inside->Opened = wanted;
    this->Inside->Modified = modified;
    this->Inside->About.reset();
    this->Inside->Renderer.reset();
    this->Inside->Parts.clear();
    try
    {
      neuvol::OpenOptions options;
      options.threads = static_cast<std::size_t>(this->Threads);
      const neuvol::Dataset file = neuvol::Dataset::open(this->FileName, options);
      std::size_t array = 0;
      if (const std::string& name = std::get<1>(wanted); !name.empty())
      {
        // "volume" is what vtkNeuvolVolumeSource calls an array without a name.
        const auto found = name == "volume" && !file.find(name) ? file.find("") : file.find(name);
        if (!found)
        {
          throw neuvol::Error(std::string(this->FileName) + ": there is no array \"" + name + "\"");
        }
        array = *found;
      }
      const neuvol::Volume volume =
        file.volume(array, static_cast<std::size_t>(this->Component), static_cast<std::size_t>(this->TimeStep));
      this->Inside->About = volume.info();
      this->Inside->Renderer.emplace(volume, static_cast<std::size_t>(this->CacheSize) << 20);
    }
    catch (const std::exception& error)
    {
      vtkErrorMacro(<< error.what());
    }
  }
  return this->Inside->Renderer.has_value();
}

double* vtkNeuvolVolumeMapper::GetBounds()
{
  vtkMath::UninitializeBounds(this->Bounds);
  if (this->Open())
  {
    const neuvol::Grid& grid = this->Inside->About->grid;
    std::array<double, 3> low;
    std::array<double, 3> high;
    for (std::size_t a = 0; a < 3; ++a)
    {
      low[a] = -margin(grid, a);
      high[a] = double(grid.shape[a] - 1) + margin(grid, a);
    }
    boundsOf(grid, low, high, this->Bounds);
  }
  return this->Bounds;
}

bool vtkNeuvolVolumeMapper::GetPartBounds(double bounds[6])
{
  vtkMath::UninitializeBounds(bounds);
  if (!this->Open())
  {
    return false;
  }
  const auto count = static_cast<std::size_t>(this->NumberOfParts);
  if (this->Inside->Parts.size() != count)
  {
    this->Inside->Parts = this->Inside->Renderer->parts(count);
  }
  const auto part = static_cast<std::size_t>(this->Part);
  if (part >= count)
  {
    return false;
  }
  const neuvol::Grid& grid = this->Inside->About->grid;
  const neuvol::Region& region = this->Inside->Parts[part];
  std::array<double, 3> low;
  std::array<double, 3> high;
  for (std::size_t a = 0; a < 3; ++a)
  {
    if (region.start[a] >= region.end[a])
    {
      return false;
    }
    low[a] = region.start[a] == 0 ? -margin(grid, a) : double(region.start[a]);
    high[a] = region.end[a] >= grid.shape[a] ? double(grid.shape[a] - 1) + margin(grid, a) : double(region.end[a]);
  }
  boundsOf(grid, low, high, bounds);
  return true;
}

bool vtkNeuvolVolumeMapper::GetScalarRange(double range[2])
{
  if (!this->Open() || std::isnan(this->Inside->About->range[0]))
  {
    return false;
  }
  range[0] = this->Inside->About->range[0];
  range[1] = this->Inside->About->range[1];
  return true;
}

double vtkNeuvolVolumeMapper::GetDefaultUnitDistance()
{
  if (!this->Open())
  {
    return 0;
  }
  const neuvol::Grid& grid = this->Inside->About->grid;
  double square = 0;
  double cells = 1;
  for (std::size_t a = 0; a < 3; ++a)
  {
    const double along = std::max(1.0, double(grid.shape[a]) - 1);
    square += along * grid.spacing[a] * along * grid.spacing[a];
    cells *= along;
  }
  return std::sqrt(square) / std::cbrt(cells);
}

void vtkNeuvolVolumeMapper::Render(vtkRenderer* renderer, vtkVolume* volume)
{
  // A selection takes colours for names.
  if (renderer->GetSelector() || !this->Open())
  {
    return;
  }
  vtkNew<vtkTimerLog> clock;
  clock->StartTimer();
  int width;
  int height;
  int origin[2];
  renderer->GetTiledSizeAndOrigin(&width, &height, &origin[0], &origin[1]);
  if (width < 1 || height < 1)
  {
    return;
  }
  vtkNew<vtkMatrix4x4> matrix;
  vtkMatrix4x4::Multiply4x4(
    renderer->GetActiveCamera()->GetCompositeProjectionTransformMatrix(renderer->GetTiledAspectRatio(), -1, 1),
    volume->GetMatrix(), matrix);
  neuvol::View view;
  std::copy(matrix->GetData(), matrix->GetData() + 16, view.worldToClip.begin());
  view.width = static_cast<std::size_t>(width);
  view.height = static_cast<std::size_t>(height);

  vtkVolumeProperty* property = volume->GetProperty();
  neuvol::Scene scene;
  transferOf(property, scene);
  scene.mode = this->BlendMode == ISOSURFACE_BLEND  ? neuvol::BlendMode::Isosurface
    : this->BlendMode == MAXIMUM_INTENSITY_BLEND ? neuvol::BlendMode::MaximumIntensity
                                                 : neuvol::BlendMode::Composite;
  scene.isoValue = this->IsoValue;
  if (property->GetShade() && this->BlendMode != MAXIMUM_INTENSITY_BLEND)
  {
    scene.shading = neuvol::Shading{ float(property->GetAmbient()), float(property->GetDiffuse()),
      float(property->GetSpecular()), float(property->GetSpecularPower()) };
  }
  scene.level = std::min(static_cast<std::size_t>(this->Level), this->Inside->About->levels.size() - 1);
  scene.step = this->SampleDistance;
  scene.unitDistance = property->GetScalarOpacityUnitDistance(0);
  if (this->ClippingPlanes)
  {
    // Planes are the world's; the volume's own matrix moves it there.
    vtkNew<vtkMatrix4x4> toWorld;
    toWorld->DeepCopy(volume->GetMatrix());
    for (int n = 0; n < this->ClippingPlanes->GetNumberOfItems(); ++n)
    {
      vtkPlane* plane = this->ClippingPlanes->GetItem(n);
      const double* normal = plane->GetNormal();
      const double of[4] = { normal[0], normal[1], normal[2], -vtkMath::Dot(normal, plane->GetOrigin()) };
      std::array<double, 4> moved{};
      for (int column = 0; column < 4; ++column)
      {
        for (int row = 0; row < 4; ++row)
        {
          moved[column] += of[row] * toWorld->GetElement(row, column);
        }
      }
      scene.clipPlanes.push_back(moved);
    }
  }
  if (this->NumberOfParts > 1)
  {
    double bounds[6];
    if (!this->GetPartBounds(bounds))
    {
      return;
    }
    scene.part = this->Inside->Parts[static_cast<std::size_t>(this->Part)];
  }
  const double rate = renderer->GetRenderWindow()->GetDesiredUpdateRate();
  const double seconds = this->AutoAdjust && rate >= 1 ? 1 / rate : 0;
  try
  {
    const auto goOn = [&](double) { return !renderer->GetRenderWindow()->CheckAbortStatus(); };
    const neuvol::Picture picture =
      this->Inside->Renderer->render(view, scene, seconds, vtkNeuvolOverlay::Depth(renderer, width, height), goOn);
    this->RenderedLevel = static_cast<int>(picture.level);
    this->RenderedReduction = double(width) / double(picture.width);
    this->NumberOfBlocks = static_cast<int>(picture.blocks);
    this->NumberOfMarchedBlocks = static_cast<int>(picture.marched);
    this->NumberOfDecodedBlocks = static_cast<int>(picture.decoded);
    vtkNeuvolOverlay::Draw(renderer, picture, width, height);
  }
  catch (const neuvol::Interrupted&)
  {
    return;
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
  }
  clock->StopTimer();
  this->TimeToDraw = clock->GetElapsedTime();
}

void vtkNeuvolVolumeMapper::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "FileName: " << (this->FileName ? this->FileName : "(none)") << "\n"
     << indent << "ArrayName: " << (this->ArrayName ? this->ArrayName : "(none)") << "\n"
     << indent << "Component: " << this->Component << "\n"
     << indent << "TimeStep: " << this->TimeStep << "\n"
     << indent << "BlendMode: " << this->BlendMode << "\n"
     << indent << "IsoValue: " << this->IsoValue << "\n"
     << indent << "SampleDistance: " << this->SampleDistance << "\n"
     << indent << "Level: " << this->Level << "\n"
     << indent << "AutoAdjust: " << this->AutoAdjust << "\n"
     << indent << "Threads: " << this->Threads << "\n"
     << indent << "CacheSize: " << this->CacheSize << "\n"
     << indent << "Part: " << this->Part << " of " << this->NumberOfParts << "\n";
}
