// A neural volume that stays open from update to update. Not installed.

#ifndef vtkNeuvolFile_h
#define vtkNeuvolFile_h

#include <neuvol/neuvol.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

class vtkNeuvolFile
{
public:
  /// The volume of a file; it is opened again when the file, its content or the options are others than last time.
  const neuvol::Volume& Open(const std::string& name, const neuvol::OpenOptions& options);

  void Close() { this->Volume.reset(); }

  /// The volume that is open, if one is.
  const neuvol::Volume* Get() const { return this->Volume ? &*this->Volume : nullptr; }

private:
  std::optional<neuvol::Volume> Volume;
  std::string Name;
  neuvol::OpenOptions Options;
  /// Of the file when it was opened.
  std::filesystem::file_time_type Modified;
  std::uintmax_t Length = 0;
};

#endif
