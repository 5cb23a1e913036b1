#include "vtkNeuvolFile.h"

#include <system_error>
#include <utility>

const neuvol::Volume& vtkNeuvolFile::Open(const std::string& name, const neuvol::OpenOptions& options)
{
  // What cannot be looked at is said when it is opened.
  std::error_code ignored;
  const auto modified = std::filesystem::last_write_time(name, ignored);
  const auto length = std::filesystem::file_size(name, ignored);
  const bool same = this->Volume && name == this->Name && options.threads == this->Options.threads &&
                    options.cacheBytes == this->Options.cacheBytes && options.device == this->Options.device && modified == this->Modified &&
                    length == this->Length;
  if (!same)
  {
    this->Close();
    this->Volume = neuvol::Volume::open(name, options);
    this->Note = this->Volume->deviceNote();
    this->Name = name;
    this->Options = options;
    this->Modified = modified;
    this->Length = length;
  }
  return *this->Volume;
}

std::string vtkNeuvolFile::TakeNote()
{
  return std::exchange(this->Note, {});
}
