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
  /// The place of neuvol::OpenOptions of the algorithms' property: 0 auto, 1 the CPU, 2 CUDA.
  static const char* DeviceName(int device) { return device == 0 ? "auto" : device == 1 ? "cpu" : "cuda"; }

  /// The volume of a file; it is opened again when the file, its content or the options are others than last time.
  const neuvol::Volume& Open(const std::string& name, const neuvol::OpenOptions& options);

  /// Why the CPU evaluates where a GPU was asked for, once after the volume was opened; else empty.
  std::string TakeNote();

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
  std::string Note;
};

#endif
