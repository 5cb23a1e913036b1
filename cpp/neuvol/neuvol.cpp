// The C++ face over the bridge: types, exceptions, nothing else.

#include "neuvol/neuvol.h"
#include "neuvol/testing.h"

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

namespace
{

rust::Str text(const std::string& s)
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
void needs(const void* memory, std::size_t bytes, const char* what)
{
  if (!memory && bytes > 0)
  {
    throw Error(std::string(what) + " is a null pointer");
  }
}

std::size_t coordinates(std::size_t points)
{
  if (points > std::numeric_limits<std::size_t>::max() / (3 * sizeof(double)))
  {
    throw Error(std::to_string(points) + " points are beyond what memory can hold");
  }
  return 3 * points;
}

bridge::Points meaningOf(const Sampling& how)
{
  return { how.world, how.clamp, how.outside, how.gradient == Gradient::Smooth };
}

void setFidelity(Fidelity& out, const bridge::Fidelity& fidelity)
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

Outcome outcomeOf(const bridge::Outcome& o)
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

void setGrid(Grid& out, const bridge::Grid& grid)
{
  std::copy(grid.shape.begin(), grid.shape.end(), out.shape.begin());
  std::copy(grid.origin.begin(), grid.origin.end(), out.origin.begin());
  std::copy(grid.spacing.begin(), grid.spacing.end(), out.spacing.begin());
  std::copy(grid.direction.begin(), grid.direction.end(), out.direction.begin());
  out.frame = std::string(grid.frame);
  out.association = grid.cells ? Association::Cell : Association::Point;
  std::copy(grid.flat.begin(), grid.flat.end(), out.flat.begin());
}

Info infoOf(const bridge::OpenVolume& volume)
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

bridge::Choice choiceOf(const OpenOptions& options)
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

bridge::Grid gridOf(const Grid& grid)
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

bridge::Box3 boxOf(const Region& region)
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

bridge::Request requestOf(const CompressOptions& options)
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

std::size_t sizeOf(const char* name)
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

} // namespace

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

Volume::Volume(std::unique_ptr<Implementation> implementation)
  : Inside(std::move(implementation))
{
}
Volume::Volume(Volume&&) noexcept = default;
Volume& Volume::operator=(Volume&&) noexcept = default;
Volume::~Volume() = default;

Volume Volume::open(const std::string& path, const OpenOptions& options)
{
  return guarded(
    [&]
    {
      auto handle =
        bridge::open(text(path), choiceOf(options), text(options.device), options.threads, options.cacheBytes);
      return Volume(std::make_unique<Implementation>(std::move(handle)));
    });
}

const Info& Volume::info() const
{
  return this->Inside->About;
}

Region Volume::whole(std::size_t stride) const
{
  return { { 0, 0, 0 }, this->info().grid.shape, stride };
}

Region Volume::slice(int axis, std::size_t index) const
{
  if (axis < 0 || axis > 2)
  {
    throw Error("there is no axis " + std::to_string(axis) + ": 0, 1 and 2 are x, y and z");
  }
  const auto a = static_cast<std::size_t>(axis);
  Region region = this->whole();
  if (index >= region.end[a])
  {
    throw Error("there is no slice " + std::to_string(index) + " across axis " + std::to_string(axis) +
      ": the volume has " + std::to_string(region.end[a]) + " samples along it");
  }
  region.start[a] = index;
  region.end[a] = index + 1;
  return region;
}

void Volume::read(const Region& region, const char* sampleType, void* out, const Progress& progress) const
{
  const bridge::Box3 box = boxOf(region);
  const std::size_t bytes = region.size() * sizeOf(sampleType);
  needs(out, bytes, "the room for the voxels");
  const Caller caller(progress);
  guarded(
    [&]
    {
      const rust::Slice<std::uint8_t> room(static_cast<std::uint8_t*>(out), bytes);
      this->Inside->Handle->read(box, sampleType, room, caller);
    },
    &caller);
}

Region Volume::wholeLevel(std::size_t level) const
{
  const std::vector<Level>& levels = this->info().levels;
  if (level >= levels.size())
  {
    throw Error("there is no level " + std::to_string(level) + ", but levels 0 to " + std::to_string(levels.size() - 1));
  }
  return { { 0, 0, 0 }, levels[level].grid.shape, 1 };
}

void Volume::readLevel(
  std::size_t level, const Region& region, const char* sampleType, void* out, const Progress& progress) const
{
  const bridge::Box3 box = boxOf(region);
  const std::size_t bytes = region.size() * sizeOf(sampleType);
  needs(out, bytes, "the room for the samples");
  const Caller caller(progress);
  guarded(
    [&]
    {
      const rust::Slice<std::uint8_t> room(static_cast<std::uint8_t*>(out), bytes);
      this->Inside->Handle->read_level(level, box, sampleType, room, caller);
    },
    &caller);
}

DLManagedTensorVersioned* Volume::readTensor(
  const Region& region, const char* sampleType, const Progress& progress, Memory memory) const
{
  const bridge::Box3 box = boxOf(region);
  needs(sampleType, 1, "the name of the samples' type");
  const Caller caller(progress);
  const bool onDevice = memory == Memory::Device;
  return guarded([&] { return this->Inside->Handle->read_tensor(box, sampleType, onDevice, caller); }, &caller);
}

DLManagedTensorVersioned* Volume::sampleTensor(
  const double* points, std::size_t count, const Sampling& how, Memory memory) const
{
  const std::size_t numbers = coordinates(count);
  needs(points, numbers, "the array of points");
  return guarded(
    [&]
    {
      const rust::Slice<const double> at =
        count > 0 ? rust::Slice<const double>(points, numbers) : rust::Slice<const double>();
      return this->Inside->Handle->sample_tensor(at, meaningOf(how), memory == Memory::Device);
    });
}

void Volume::sample(const double* points, std::size_t count, const Sampling& how, double* values, std::uint8_t* valid,
  double* gradients) const
{
  if (count == 0)
  {
    return;
  }
  const std::size_t numbers = coordinates(count);
  needs(points, count, "the array of points");
  needs(values, count, "the room for the values");
  needs(valid, count, "the room for what is valid");
  guarded(
    [&]
    {
      this->Inside->Handle->probe(rust::Slice<const double>(points, numbers), meaningOf(how),
        rust::Slice<double>(values, count), rust::Slice<std::uint8_t>(valid, count),
        gradients ? rust::Slice<double>(gradients, numbers) : rust::Slice<double>());
    });
}

std::string Volume::deviceNote() const
{
  return guarded([&] { return std::string(this->Inside->Handle->device_note()); });
}

std::uint64_t Volume::evaluated() const
{
  return guarded([&] { return this->Inside->Handle->evaluated(); });
}

struct Dataset::Implementation
{
  rust::Box<bridge::OpenDataset> Handle;
  std::vector<Array> Arrays;
  std::size_t Steps;
  std::vector<double> Times;
  std::uint64_t Bytes;

  explicit Implementation(rust::Box<bridge::OpenDataset> handle)
    : Handle(std::move(handle))
  {
    const bridge::Contents contents = this->Handle->contents();
    for (const bridge::Array& array : contents.arrays)
    {
      Array& out = this->Arrays.emplace_back();
      out.name = std::string(array.name);
      for (const rust::String& component : array.components)
      {
        out.components.emplace_back(component);
      }
    }
    this->Steps = contents.steps;
    this->Times.assign(contents.times.begin(), contents.times.end());
    this->Bytes = contents.file_bytes;
  }
};

Dataset::Dataset(std::unique_ptr<Implementation> implementation)
  : Inside(std::move(implementation))
{
}
Dataset::Dataset(Dataset&&) noexcept = default;
Dataset& Dataset::operator=(Dataset&&) noexcept = default;
Dataset::~Dataset() = default;

Dataset Dataset::open(const std::string& path, const OpenOptions& options)
{
  return guarded(
    [&]
    {
      auto handle = bridge::open_dataset(text(path), text(options.device), options.threads, options.cacheBytes);
      return Dataset(std::make_unique<Implementation>(std::move(handle)));
    });
}

const std::vector<Array>& Dataset::arrays() const
{
  return this->Inside->Arrays;
}

std::optional<std::size_t> Dataset::find(const std::string& name) const
{
  const std::vector<Array>& all = this->arrays();
  const auto at = std::find_if(all.begin(), all.end(), [&](const Array& array) { return array.name == name; });
  return at == all.end() ? std::nullopt : std::optional(static_cast<std::size_t>(at - all.begin()));
}

std::size_t Dataset::steps() const
{
  return this->Inside->Steps;
}

const std::vector<double>& Dataset::times() const
{
  return this->Inside->Times;
}

std::uint64_t Dataset::fileBytes() const
{
  return this->Inside->Bytes;
}

Volume Dataset::volume(std::size_t array, std::size_t component, std::size_t step) const
{
  return guarded(
    [&]
    {
      auto handle = this->Inside->Handle->volume(array, component, step);
      return Volume(std::make_unique<Volume::Implementation>(std::move(handle)));
    });
}

std::string Dataset::deviceNote() const
{
  return guarded([&] { return std::string(this->Inside->Handle->device_note()); });
}

struct Compressed::Implementation
{
  rust::Box<bridge::CompressedVolume> Handle;
  Outcome Achieved;

  explicit Implementation(rust::Box<bridge::CompressedVolume> handle)
    : Handle(std::move(handle))
    , Achieved(outcomeOf(this->Handle->outcome()))
  {
  }
};

Compressed::Compressed(std::unique_ptr<Implementation> implementation)
  : Inside(std::move(implementation))
{
}
Compressed::Compressed(Compressed&&) noexcept = default;
Compressed& Compressed::operator=(Compressed&&) noexcept = default;
Compressed::~Compressed() = default;

const Outcome& Compressed::outcome() const
{
  return this->Inside->Achieved;
}

void Compressed::save(const std::string& path) const
{
  guarded([&] { this->Inside->Handle->save(text(path)); });
}

Volume Compressed::open(const OpenOptions& options) const
{
  return guarded(
    [&]
    {
      auto handle = this->Inside->Handle->open_again(text(options.device), options.threads, options.cacheBytes);
      return Volume(std::make_unique<Volume::Implementation>(std::move(handle)));
    });
}

Compressed compress(const Samples& samples, const CompressOptions& options, const Progress& progress)
{
  needs(samples.data, samples.bytes, "the array of samples");
  const Caller caller(progress);
  return guarded(
    [&]
    {
      const rust::Slice<const std::uint8_t> bytes(static_cast<const std::uint8_t*>(samples.data), samples.bytes);
      auto handle = bridge::compress(bytes, text(samples.type), labelsOf(samples), requestOf(options), caller);
      return Compressed(
        std::unique_ptr<Compressed::Implementation>(new Compressed::Implementation(std::move(handle))));
    },
    &caller);
}

Compressed compress(DLManagedTensorVersioned* tensor, const Description& description, const CompressOptions& options,
  const Progress& progress)
{
  const Caller caller(progress);
  return guarded(
    [&]
    {
      // Before all that can throw: from here on the tensor is not the caller's.
      auto imported = bridge::import_tensor(tensor);
      auto handle = bridge::compress_imported(std::move(imported), labelsOf(description), requestOf(options), caller);
      return Compressed(
        std::unique_ptr<Compressed::Implementation>(new Compressed::Implementation(std::move(handle))));
    },
    &caller);
}

struct DatasetWriter::Implementation
{
  rust::Box<bridge::NewDataset> Handle;
  /// Of each array.
  std::vector<Array> Arrays;
  std::size_t Next = 0;
};

DatasetWriter::DatasetWriter(
  const std::vector<Array>& arrays, std::size_t steps, const std::vector<double>& times)
  : Inside(guarded(
      [&]
      {
        rust::Vec<bridge::Array> of;
        for (const Array& array : arrays)
        {
          bridge::Array out;
          out.name = array.name;
          for (const std::string& component : array.components)
          {
            out.components.push_back(rust::String(component));
          }
          of.push_back(std::move(out));
        }
        rust::Vec<double> at;
        std::copy(times.begin(), times.end(), std::back_inserter(at));
        return std::unique_ptr<Implementation>(
          new Implementation{ bridge::new_dataset(std::move(of), steps, std::move(at)), arrays });
      }))
{
}
DatasetWriter::DatasetWriter(DatasetWriter&&) noexcept = default;
DatasetWriter& DatasetWriter::operator=(DatasetWriter&&) noexcept = default;
DatasetWriter::~DatasetWriter() = default;

std::vector<Outcome> DatasetWriter::add(
  const Samples& samples, const CompressOptions& options, const Progress& progress)
{
  needs(samples.data, samples.bytes, "the array of samples");
  const Array& array = this->Inside->Arrays[this->Inside->Next % this->Inside->Arrays.size()];
  const std::size_t components = array.components.size();
  const rust::Slice<const std::uint8_t> bytes(static_cast<const std::uint8_t*>(samples.data), samples.bytes);
  bridge::NewDataset& handle = *this->Inside->Handle;
  // Exact integers are compressed together; of others, only the component at hand is copied.
  const bool together =
    options.target.kind() == Target::Kind::Lossless && samples.type.compare(0, 5, "float") != 0;
  std::vector<Outcome> outcomes;
  for (std::size_t component = 0; component < components; ++component)
  {
    bridge::Labels labels = labelsOf(samples);
    guarded(
      [&]
      {
        labels.name = array.name;
        handle.add_component(bytes, component, components, text(samples.type), std::move(labels));
      });
    if (together && component + 1 < components)
    {
      continue;
    }
    const double first = together ? 0.0 : static_cast<double>(component) / static_cast<double>(components);
    const double share = together ? 1.0 : 1.0 / static_cast<double>(components);
    const Progress scaled = [&](double fraction) { return !progress || progress(first + share * fraction); };
    const Caller caller(scaled);
    const auto achieved =
      guarded([&] { return handle.compress_components(requestOf(options), caller); }, &caller);
    for (const bridge::Outcome& outcome : achieved)
    {
      outcomes.push_back(outcomeOf(outcome));
    }
  }
  this->Inside->Next += 1;
  return outcomes;
}

std::uint64_t DatasetWriter::fileBytes() const
{
  return guarded([&] { return this->Inside->Handle->file_bytes(); });
}

void DatasetWriter::save(const std::string& path) const
{
  guarded([&] { this->Inside->Handle->save(text(path)); });
}

Dataset DatasetWriter::open(const OpenOptions& options) const
{
  return guarded(
    [&]
    {
      auto handle = this->Inside->Handle->open_again(text(options.device), options.threads, options.cacheBytes);
      return Dataset(std::make_unique<Dataset::Implementation>(std::move(handle)));
    });
}

std::string version()
{
  return std::string(bridge::version());
}

void panicOnPurpose()
{
  guarded([] { bridge::panic_on_purpose(); });
}

} // namespace neuvol
