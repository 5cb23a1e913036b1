// Files of several arrays, components and time steps.

#include "conversions.h"

namespace neuvol
{

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

} // namespace neuvol
