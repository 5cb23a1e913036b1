// A file of neural volumes that stays open from update to update. Not installed.

#ifndef vtkNeuvolFile_h
#define vtkNeuvolFile_h

#include <neuvol/neuvol.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

class vtkNeuvolFile
{
public:
  /// The place of neuvol::OpenOptions of the algorithms' property: 0 auto, 1 the CPU, 2 CUDA.
  static const char* DeviceName(int device) { return device == 0 ? "auto" : device == 1 ? "cpu" : "cuda"; }

  /// What the file holds; it is opened again when the file, its content or the options are others than last time. The options'
  /// cache is that of the whole file.
  const neuvol::Dataset& Open(const std::string& name, const neuvol::OpenOptions& options);

  /// The name of the open file.
  const std::string& FileName() const { return this->Name; }

  /// How often a file was opened: what was read of it is out of date when this is another number.
  std::size_t Opened() const { return this->Count; }

  /// Shares the cache among so many volumes.
  void Share(std::size_t volumes);

  /// A volume of the open file. It stays open while volumes of the same time step are asked for.
  const neuvol::Volume& Volume(std::size_t array, std::size_t component, std::size_t step);

  /// Voxels that were evaluated since the file was opened.
  std::uint64_t Evaluated() const;

  /// Why the CPU evaluates where a GPU was asked for, once after the file was opened; else empty.
  std::string TakeNote();

  void Close();

  /// The time of each step: the file's, or the steps' numbers where it does not say them.
  static std::vector<double> Times(const neuvol::Dataset& dataset);

  /// The step that is shown at a time: the last one that is not later, or the first. A time that is a step's but for rounding
  /// is that step's.
  static std::size_t StepAt(const std::vector<double>& times, double time);

private:
  void Forget();

  std::optional<neuvol::Dataset> Dataset;
  /// By array and component, all of one time step.
  std::map<std::array<std::size_t, 2>, neuvol::Volume> Volumes;
  std::size_t Step = 0;
  /// Of volumes that are closed.
  std::uint64_t EvaluatedBefore = 0;
  std::size_t Count = 0;
  std::string Name;
  neuvol::OpenOptions Options;
  /// Of each volume.
  std::size_t CacheBytes = 0;
  /// Of the file when it was opened.
  std::filesystem::file_time_type Modified;
  std::uintmax_t Length = 0;
  std::string Note;
};

#endif
