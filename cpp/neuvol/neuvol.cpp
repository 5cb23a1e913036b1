// The C++ face over the bridge: types, exceptions, nothing else. Files of several volumes are in dataset.cpp.

#include "conversions.h"
#include "neuvol/testing.h"

namespace neuvol
{

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

std::string version()
{
  return std::string(bridge::version());
}

void panicOnPurpose()
{
  guarded([] { bridge::panic_on_purpose(); });
}

} // namespace neuvol
