#include "vtkNeuvolFile.h"

#include <algorithm>
#include <system_error>
#include <utility>

const neuvol::Dataset& vtkNeuvolFile::Open(const std::string& name, const neuvol::OpenOptions& options)
{
  // What cannot be looked at is said when it is opened.
  std::error_code ignored;
  const auto modified = std::filesystem::last_write_time(name, ignored);
  const auto length = std::filesystem::file_size(name, ignored);
  const bool same = this->Dataset && name == this->Name && options.threads == this->Options.threads &&
    options.cacheBytes == this->Options.cacheBytes && options.device == this->Options.device &&
    modified == this->Modified && length == this->Length;
  if (!same)
  {
    this->Close();
    this->Dataset = neuvol::Dataset::open(name, options);
    this->Count += 1;
    this->Note = this->Dataset->deviceNote();
    this->Name = name;
    this->Options = options;
    this->CacheBytes = options.cacheBytes;
    this->Modified = modified;
    this->Length = length;
  }
  return *this->Dataset;
}

void vtkNeuvolFile::Share(std::size_t volumes)
{
  const std::size_t each = this->Options.cacheBytes / std::max<std::size_t>(volumes, 1);
  if (each != this->CacheBytes)
  {
    this->Forget();
    neuvol::OpenOptions options = this->Options;
    options.cacheBytes = each;
    this->Dataset = neuvol::Dataset::open(this->Name, options);
    this->CacheBytes = each;
  }
}

const neuvol::Volume& vtkNeuvolFile::Volume(std::size_t array, std::size_t component, std::size_t step)
{
  if (step != this->Step)
  {
    this->Forget();
    this->Step = step;
  }
  const std::array<std::size_t, 2> key{ array, component };
  auto at = this->Volumes.find(key);
  if (at == this->Volumes.end())
  {
    at = this->Volumes.emplace(key, this->Dataset->volume(array, component, step)).first;
  }
  return at->second;
}

std::uint64_t vtkNeuvolFile::Evaluated() const
{
  std::uint64_t sum = this->EvaluatedBefore;
  for (const auto& [key, volume] : this->Volumes)
  {
    sum += volume.evaluated();
  }
  return sum;
}

std::string vtkNeuvolFile::TakeNote()
{
  return std::exchange(this->Note, {});
}

void vtkNeuvolFile::Close()
{
  this->Volumes.clear();
  this->EvaluatedBefore = 0;
  this->Dataset.reset();
}

void vtkNeuvolFile::Forget()
{
  this->EvaluatedBefore = this->Evaluated();
  this->Volumes.clear();
}

std::vector<double> vtkNeuvolFile::Times(const neuvol::Dataset& dataset)
{
  std::vector<double> times = dataset.times();
  for (std::size_t step = times.size(); step < dataset.steps(); ++step)
  {
    times.push_back(static_cast<double>(step));
  }
  return times;
}

std::size_t vtkNeuvolFile::StepAt(const std::vector<double>& times, double time)
{
  std::size_t step = 0;
  while (step + 1 < times.size() && time >= times[step + 1] - 1e-6 * (times[step + 1] - times[step]))
  {
    ++step;
  }
  return step;
}
