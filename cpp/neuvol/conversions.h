// What the sources of libneuvol share: errors, progress, and the bridge's types beside our own. Not installed.

#ifndef neuvol_conversions_h
#define neuvol_conversions_h

#include "neuvol/neuvol.h"

// Before any catch of rust::Error.
#include "rust/cxx.h"

#include "neuvol/src/bridge.rs.h"
#include "observer.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <limits>
#include <utility>

namespace neuvol
{

inline rust::Str text(const std::string& s)
{
  return rust::Str(s.data(), s.size());
}

/// Passes progress on, and remembers whether the caller said stop.
class Caller final : public bridge::Observer
{
public:
  explicit Caller(const Progress& progress)
    : Report(progress)
  {
  }
  bool progress(double fraction) const override
  {
    try
    {
      this->Stopped = this->Report && !this->Report(fraction);
    }
    catch (const std::exception&)
    {
      throw;
    }
    catch (...)
    {
      // The bridge takes no others: the process would end.
      throw std::runtime_error("the progress callback threw something that is not a std::exception");
    }
    return !this->Stopped;
  }
  bool stopped() const { return this->Stopped; }

private:
  const Progress& Report;
  mutable bool Stopped = false;
};

/// Runs a call of the bridge; its errors become ours.
template <typename Call>
auto guarded(Call&& call, const Caller* caller = nullptr) -> decltype(call())
{
  try
  {
    return call();
  }
  catch (const rust::Error& error)
  {
    if (caller && caller->stopped())
    {
      throw Interrupted(error.what());
    }
    throw Error(error.what());
  }
  catch (const std::invalid_argument&)
  {
    throw Error("a path or name is not UTF-8");
  }
}

/// Refuses memory that is not there.
inline void needs(const void* memory, std::size_t bytes, const char* what)
{
  if (!memory && bytes > 0)
  {
    throw Error(std::string(what) + " is a null pointer");
  }
}

inline std::size_t coordinates(std::size_t points)
{
  if (points > std::numeric_limits<std::size_t>::max() / (3 * sizeof(double)))
  {
    throw Error(std::to_string(points) + " points are beyond what memory can hold");
  }
  return 3 * points;
}

inline bridge::Points meaningOf(const Sampling& how)
{
  return { how.world, how.clamp, how.outside, how.gradient == Gradient::Smooth };
}

inline void setFidelity(Fidelity& out, const bridge::Fidelity& fidelity)
{
  out.psnr = fidelity.psnr;
  out.rmse = fidelity.rmse;
  out.maxError = fidelity.max_error;
  if (fidelity.max_error_voxel.size() == 3)
  {
    const auto& voxel = fidelity.max_error_voxel;
    out.maxErrorVoxel = { voxel[0], voxel[1], voxel[2] };
  }
  out.bias = fidelity.bias;
  out.noise = fidelity.noise;
  out.ssim = fidelity.ssim;
  for (const bridge::Band& band : fidelity.bands)
  {
    out.bands.push_back({ std::string(band.name), band.from, band.below, band.share, band.bias, band.rmse });
  }
}

inline Outcome outcomeOf(const bridge::Outcome& o)
{
  Outcome outcome;
  outcome.fileBytes = o.file_bytes;
  outcome.ratio = o.ratio;
  outcome.ratioFloat32 = o.ratio_float32;
  setFidelity(outcome, o.fidelity);
  outcome.model = std::string(o.model);
  for (const rust::String& warning : o.warnings)
  {
    outcome.warnings.emplace_back(warning);
  }
  return outcome;
}

inline void setGrid(Grid& out, const bridge::Grid& grid)
{
  std::copy(grid.shape.begin(), grid.shape.end(), out.shape.begin());
  std::copy(grid.origin.begin(), grid.origin.end(), out.origin.begin());
  std::copy(grid.spacing.begin(), grid.spacing.end(), out.spacing.begin());
  std::copy(grid.direction.begin(), grid.direction.end(), out.direction.begin());
  out.frame = std::string(grid.frame);
  out.association = grid.cells ? Association::Cell : Association::Point;
  std::copy(grid.flat.begin(), grid.flat.end(), out.flat.begin());
}

inline Info infoOf(const bridge::OpenVolume& volume)
{
  const bridge::Description d = volume.describe();
  Info info;
  setGrid(info.grid, d.grid);
  for (const bridge::Level& level : d.levels)
  {
    Level& out = info.levels.emplace_back();
    setGrid(out.grid, level.grid);
    std::copy(level.stride.begin(), level.stride.end(), out.stride.begin());
  }
  info.sampleType = std::string(d.sample_type);
  info.name = std::string(d.name);
  info.unit = std::string(d.unit);
  info.range = { d.range[0], d.range[1] };
  info.fillRange = { d.fill_range[0], d.fill_range[1] };
  info.fileBytes = d.file_bytes;
  info.ratio = d.ratio;
  info.ratioFloat32 = d.ratio_float32;
  setFidelity(info, d.fidelity);
  info.model = std::string(d.model);
  info.writer = std::string(d.writer);
  return info;
}

inline bridge::Choice choiceOf(const OpenOptions& options)
{
  bridge::Choice choice;
  if (options.array)
  {
    choice.array.push_back(rust::String(*options.array));
  }
  if (options.component)
  {
    choice.component.push_back(*options.component);
  }
  if (options.timeStep)
  {
    choice.time_step.push_back(*options.timeStep);
  }
  return choice;
}

inline bridge::Grid gridOf(const Grid& grid)
{
  bridge::Grid out;
  std::copy(grid.shape.begin(), grid.shape.end(), out.shape.begin());
  std::copy(grid.origin.begin(), grid.origin.end(), out.origin.begin());
  std::copy(grid.spacing.begin(), grid.spacing.end(), out.spacing.begin());
  std::copy(grid.direction.begin(), grid.direction.end(), out.direction.begin());
  out.frame = grid.frame;
  out.cells = grid.association == Association::Cell;
  std::copy(grid.flat.begin(), grid.flat.end(), out.flat.begin());
  return out;
}

/// Of samples, or of a tensor's description.
template <typename T>
bridge::Labels labelsOf(const T& described)
{
  bridge::Labels labels;
  labels.grid = gridOf(described.grid);
  labels.name = described.name;
  labels.unit = described.unit;
  std::copy(described.fillRange.begin(), described.fillRange.end(), labels.fill_range.begin());
  return labels;
}

inline bridge::Box3 boxOf(const Region& region)
{
  if (region.stride == 0)
  {
    throw Error("a stride of 0 takes no voxel");
  }
  bridge::Box3 box;
  std::copy(region.start.begin(), region.start.end(), box.start.begin());
  std::copy(region.end.begin(), region.end.end(), box.end.begin());
  box.stride = region.stride;
  return box;
}

inline bridge::Request requestOf(const CompressOptions& options)
{
  bridge::Request request;
  switch (options.target.kind())
  {
    case Target::Kind::Quality:
      request.target = options.target.quality() == Quality::Preview ? bridge::TargetKind::Preview
        : options.target.quality() == Quality::Fine                 ? bridge::TargetKind::Fine
                                                                    : bridge::TargetKind::Standard;
      break;
    case Target::Kind::Psnr:
      request.target = bridge::TargetKind::Psnr;
      break;
    case Target::Kind::Ratio:
      request.target = bridge::TargetKind::Ratio;
      break;
    case Target::Kind::Size:
      request.target = bridge::TargetKind::Size;
      break;
    case Target::Kind::MaxError:
      request.target = bridge::TargetKind::MaxError;
      break;
    case Target::Kind::Lossless:
      request.target = bridge::TargetKind::Lossless;
      break;
  }
  request.target_value = options.target.value();
  request.preset = options.preset;
  request.seed = options.seed;
  request.threads = options.threads;
  return request;
}

inline std::size_t sizeOf(const char* name)
{
  needs(name, 1, "the name of the samples' type");
  const std::string type = name;
  if (type == "uint8" || type == "int8")
  {
    return 1;
  }
  if (type == "uint16" || type == "int16")
  {
    return 2;
  }
  if (type == "uint32" || type == "int32" || type == "float32")
  {
    return 4;
  }
  if (type == "float64")
  {
    return 8;
  }
  throw Error("samples of type " + type + " cannot be read");
}

struct Volume::Implementation
{
  rust::Box<bridge::OpenVolume> Handle;
  Info About;

  explicit Implementation(rust::Box<bridge::OpenVolume> handle)
    : Handle(std::move(handle))
    , About(infoOf(*this->Handle))
  {
  }
};

} // namespace neuvol

#endif
