// neuvol for C++: open neural volumes (.nvol), read regions, sample points, compress.
//
//   #include <neuvol/neuvol.h>
//   const neuvol::Volume volume = neuvol::Volume::open("ct.nvol");
//   const std::vector<float> slice = volume.read<float>(volume.slice(2, 100));
//
// Files of several arrays, components or time steps are a Dataset. Pictures are in neuvol/rendering.h, files that several processes make in
// neuvol/together.h.
//
// Axes are x, y, z with x fastest in memory. Every function may throw neuvol::Error, whose text says what was wrong,
// where, and what to do. One Volume, or one Dataset, may be read by several threads at a time.

#ifndef neuvol_neuvol_h
#define neuvol_neuvol_h

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(_WIN32)
#if defined(NEUVOL_BUILDING)
#define NEUVOL_EXPORT __declspec(dllexport)
#else
#define NEUVOL_EXPORT __declspec(dllimport)
#endif
#else
#define NEUVOL_EXPORT __attribute__((visibility("default")))
#endif

/// A tensor in memory that libraries hand each other; DLPack's own dlpack/dlpack.h says what is in it.
struct DLManagedTensorVersioned;

namespace neuvol
{

/// What went wrong, as a sentence.
class NEUVOL_EXPORT Error : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

/// The caller's Progress said stop; nothing was written.
class NEUVOL_EXPORT Interrupted : public Error
{
public:
  using Error::Error;
};

/// Told how much is done, 0 to 1, on the calling thread. Returns false to stop. What it throws ends the work with an
/// Error.
using Progress = std::function<bool(double fraction)>;

/// What of a grid samples belong to.
enum class Association
{
  Point,
  /// Samples lie at the cells' centres.
  Cell
};

/// Where samples lie: world = origin + direction * diag(spacing) * index, whether they are points' or cells'.
struct Grid
{
  /// Samples along x, y, z.
  std::array<std::size_t, 3> shape{ 1, 1, 1 };
  /// World position of voxel (0, 0, 0); of a cell, of its centre.
  std::array<double, 3> origin{ 0, 0, 0 };
  std::array<double, 3> spacing{ 1, 1, 1 };
  /// Row by row; column a is the unit vector of axis a.
  std::array<double, 9> direction{ 1, 0, 0, 0, 1, 0, 0, 0, 1 };
  /// "unknown", or "LPS mm": DICOM's patient frame.
  std::string frame = "unknown";
  Association association = Association::Point;
  /// Of cells: axes of one sample along which the grid has a single point, and no extent. Along the others it has a
  /// point more than samples, the first of them half a voxel before the first sample.
  std::array<bool, 3> flat{ false, false, false };
};

/// A level of detail: the volume on a coarser grid, low-pass filtered. Sample (i, j, k) lies at voxel (i * stride[0],
/// j * stride[1], k * stride[2]), as when every stride-th voxel is taken; what lies between the samples is averaged, not left
/// out.
struct Level
{
  /// Where its samples lie: the volume's origin, and `stride` times its spacing.
  Grid grid;
  /// Voxels from sample to sample along x, y, z: a power of two. An axis of few samples is halved less often than others.
  std::array<std::size_t, 3> stride{ 1, 1, 1 };
};

/// The errors of the voxels whose surroundings have values in a band.
struct Band
{
  /// A tissue's name (CT), else empty.
  std::string name;
  /// Values from here on, and below this; infinite where the band has no end.
  double from;
  double below;
  /// The band's share of the voxels, 0 to 1.
  double share;
  /// Mean error, decoded less original, and root of the mean squared error, in the volume's unit.
  double bias;
  double rmse;
};

/// How close the decoded voxels are to the original's, measured with the decoder that readers use. Masked voxels do not
/// count. docs/quality.md says how each figure is computed.
struct Fidelity
{
  /// Over the volume's full range, in dB; infinite where nothing differs.
  double psnr;
  /// Root of the mean squared error, in the volume's unit.
  double rmse;
  /// In the volume's unit.
  double maxError;
  /// The voxel that has it; none where nothing differs.
  std::optional<std::array<std::size_t, 3>> maxErrorVoxel;
  /// Mean error, decoded less original, in the volume's unit.
  double bias;
  /// The original's own noise (its standard deviation, in the volume's unit); NaN where none was found.
  double noise;
  /// Structural similarity in windows of 7 voxels along each axis, 1 where nothing differs; NaN where it is not known.
  double ssim;
  /// Errors by bands of value, lowest first: tissues of a CT, else eighths of the volume. None where nothing differs.
  std::vector<Band> bands;
};

/// What a file says of its volume.
struct Info : Fidelity
{
  Grid grid;
  /// The levels of detail, the volume itself first.
  std::vector<Level> levels;
  /// NumPy's name: uint8 int8 uint16 int16 uint32 int32 float32 float64.
  std::string sampleType;
  /// The array's name.
  std::string name;
  /// Empty when unknown.
  std::string unit;
  /// Smallest and largest measurement; NaN when every voxel is masked.
  std::array<double, 2> range;
  /// Masked voxels have values from the one to the other, inclusive, in either order; NaN when nothing is masked.
  std::array<double, 2> fillRange;
  std::uint64_t fileBytes;
  /// Compression ratio: bytes of the samples, in the stored type and as float32, divided by bytes of the file.
  double ratio;
  double ratioFloat32;
  /// The model in one line.
  std::string model;
  /// The program that wrote the file.
  std::string writer;
};

/// A box of voxels, `end` not included, of which every `stride`-th along each axis is taken.
struct Region
{
  std::array<std::size_t, 3> start{ 0, 0, 0 };
  std::array<std::size_t, 3> end{ 0, 0, 0 };
  std::size_t stride = 1;

  /// Samples along each axis; a stride of 0 takes none.
  std::array<std::size_t, 3> shape() const
  {
    std::array<std::size_t, 3> n{};
    for (int a = 0; a < 3; ++a)
    {
      n[a] = stride > 0 && end[a] > start[a] ? (end[a] - start[a] + stride - 1) / stride : 0;
    }
    return n;
  }
  /// Number of samples.
  std::size_t size() const
  {
    const auto n = this->shape();
    return n[0] * n[1] * n[2];
  }
};

/// The NumPy name of a C++ type.
template <typename T>
constexpr const char* typeName();
template <>
constexpr const char* typeName<std::uint8_t>()
{
  return "uint8";
}
template <>
constexpr const char* typeName<std::int8_t>()
{
  return "int8";
}
template <>
constexpr const char* typeName<std::uint16_t>()
{
  return "uint16";
}
template <>
constexpr const char* typeName<std::int16_t>()
{
  return "int16";
}
template <>
constexpr const char* typeName<std::uint32_t>()
{
  return "uint32";
}
template <>
constexpr const char* typeName<std::int32_t>()
{
  return "int32";
}
template <>
constexpr const char* typeName<float>()
{
  return "float32";
}
template <>
constexpr const char* typeName<double>()
{
  return "float64";
}

struct OpenOptions
{
  /// 0: the machine's cores, shared among the MPI ranks that run on it.
  std::size_t threads = 0;
  /// Decoded voxels kept for later regions; 0 keeps none.
  std::size_t cacheBytes = 0;
  /// Where the field is evaluated: "cpu"; "auto", a CUDA device that can be used, else the CPU; "cuda" or "cuda:N",
  /// where the CPU stands in for a device that cannot be had (Volume::deviceNote).
  std::string device = "cpu";
  /// Volume::open: which volume of a file of several. Each must be chosen where the file has several of them, and may be
  /// chosen where there is one. Components and time steps are counted from 0. A Dataset does not look at them.
  std::optional<std::string> array = std::nullopt;
  std::optional<std::size_t> component = std::nullopt;
  std::optional<std::size_t> timeStep = std::nullopt;
};

/// What the gradient at a point is.
enum class Gradient
{
  /// The derivative of the field as it is evaluated. Of a latent grid, the default of files, and of exact or bounded
  /// samples the field is trilinear in each cell of eight voxels: its derivative jumps where two cells meet. Of a
  /// network of the position (a hash grid and the like) it is the network's own.
  Field,
  /// Central differences at the decoded voxels, interpolated trilinearly: continuous across cells, as shading and
  /// integration want it, and blunter than the field's own derivative. Costs the values of up to 32 voxels a point.
  Smooth
};

/// How points are meant.
struct Sampling
{
  /// World coordinates, else voxel indices.
  bool world = true;
  /// A point outside takes the nearest value of the grid, else `outside`.
  bool clamp = false;
  double outside = std::numeric_limits<double>::quiet_NaN();
  Gradient gradient = Gradient::Field;
};

/// Where a tensor's values are.
enum class Memory
{
  /// In the host's memory.
  Host,
  /// On the CUDA device that the volume is open on (OpenOptions::device): decoded there and never copied, but for files
  /// other than coordinate networks (latent grids, lossless, bounded-error and constant files), which are decoded on the
  /// host and copied to the device. An Error where the volume is open on the CPU, also where that stands in for a device that cannot be had.
  Device
};

/// An open neural volume. Regions and points are decoded on demand.
class NEUVOL_EXPORT Volume
{
public:
  /// Opens a file of one volume, or the volume of a file of several that the options choose. An Error lists what there is
  /// where they do not choose one.
  static Volume open(const std::string& path, const OpenOptions& options = {});

  Volume(Volume&&) noexcept;
  Volume& operator=(Volume&&) noexcept;
  ~Volume();

  const Info& info() const;

  /// The whole grid, and slice `index` across axis 0, 1 or 2; an Error where there is no such slice.
  Region whole(std::size_t stride = 1) const;
  Region slice(int axis, std::size_t index) const;

  /// The voxels of a region into `out`, which has room for region.size() samples of this type (NumPy's name). Only the region
  /// is decoded. With a stride above 1 a coordinate network is evaluated at the samples returned alone; of other files the
  /// voxels between them are decoded, too, so that a stride saves memory but not time.
  void read(const Region& region, const char* sampleType, void* out, const Progress& progress = {}) const;

  template <typename T>
  std::vector<T> read(const Region& region, const Progress& progress = {}) const
  {
    std::vector<T> out(region.size());
    this->read(region, typeName<T>(), out.data(), progress);
    return out;
  }

  /// The whole of a level of detail (Info::levels), in its own samples; an Error where there is no such level.
  Region wholeLevel(std::size_t level) const;

  /// A region of a level of detail, in the level's own samples and with a stride of 1, into `out`, as read() has it. Sample n
  /// of the grid info().levels[level].grid is sample n - region.start of the region. Of a latent grid, the default of files,
  /// nothing finer than the level is read or decoded; of integers in bricks (most lossless files) and of networks the voxels
  /// around each sample are averaged, which costs as much as to read them. A sample is masked where the voxel at its place
  /// is. Level 0 is the volume itself. An Error where there is no such level.
  void readLevel(std::size_t level, const Region& region, const char* sampleType, void* out,
    const Progress& progress = {}) const;

  template <typename T>
  std::vector<T> readLevel(std::size_t level, const Region& region, const Progress& progress = {}) const
  {
    std::vector<T> out(region.size());
    this->readLevel(level, region, typeName<T>(), out.data(), progress);
    return out;
  }

  /// The voxels of a region as a DLPack tensor: shape (z, y, x), C order, this type (NumPy's name). It owns what was
  /// decoded, no copy is made; whoever takes it calls its deleter, once, on any thread. On a device, too, the values
  /// are those of read(): rounded to the volume's type, and masked voxels have what marks them. They are complete when
  /// this returns, whatever stream reads them; the deleter waits for the device's work before it frees them.
  DLManagedTensorVersioned* readTensor(const Region& region, const char* sampleType, const Progress& progress = {},
    Memory memory = Memory::Host) const;

  /// The values of sample() as a DLPack tensor of float32, shape (count). The points are in the host's memory.
  DLManagedTensorVersioned* sampleTensor(
    const double* points, std::size_t count, const Sampling& how, Memory memory = Memory::Host) const;

  /// The volume at `count` points (x y z x y z ...): values; 1 in `valid` where the point is in the grid and its
  /// nearest voxel is not masked; and, where `gradients` is not null, the gradient by the coordinates (3 a point; which
  /// one says Sampling::gradient). At a voxel the value is the decoded voxel, between voxels the field, unrounded. The
  /// grid of cells reaches half a voxel beyond the outermost centres, where the value is that of the nearest place
  /// between them.
  void sample(const double* points, std::size_t count, const Sampling& how, double* values, std::uint8_t* valid,
    double* gradients = nullptr) const;

  /// Why the CPU evaluates where a CUDA device was asked for; else empty.
  std::string deviceNote() const;

  /// Voxels that were decoded, or that a network was evaluated at, since the file was opened; what the cache had is not
  /// counted.
  std::uint64_t evaluated() const;

private:
  friend class Compressed;
  friend class Dataset;
  friend class Renderer;
  struct Implementation;
  explicit Volume(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> Inside;
};

/// An array of a file.
struct Array
{
  std::string name;
  /// The names of its components, 1 to 9 of them; empty where a component has no name.
  std::vector<std::string> components;
};

/// An open file of arrays with components, over time steps. A component of an array at a time step is a Volume. A file of a
/// single volume has one of each.
///
///   const neuvol::Dataset flow = neuvol::Dataset::open("flow.nvol");
///   const neuvol::Volume w = flow.volume(*flow.find("velocity"), 2, flow.steps() - 1);
class NEUVOL_EXPORT Dataset
{
public:
  /// OpenOptions::cacheBytes are those of each of its volumes.
  static Dataset open(const std::string& path, const OpenOptions& options = {});

  Dataset(Dataset&&) noexcept;
  Dataset& operator=(Dataset&&) noexcept;
  ~Dataset();

  /// In the file's order, at least one. No two have one name.
  const std::vector<Array>& arrays() const;
  /// The place of an array among them, if it is there.
  std::optional<std::size_t> find(const std::string& name) const;
  /// How many time steps there are, 1 or more.
  std::size_t steps() const;
  /// The time of each step, ascending; empty where the file does not say them.
  const std::vector<double>& times() const;
  /// The size of the whole file; Info::fileBytes is that of a volume's part of it.
  std::uint64_t fileBytes() const;

  /// Opens a component of an array at a time step, all counted from 0. Its header and index are read; it shares the threads or
  /// the device of the data set, and may outlive it. An Error where there is no such volume.
  Volume volume(std::size_t array, std::size_t component = 0, std::size_t step = 0) const;

  /// As Volume::deviceNote.
  std::string deviceNote() const;

private:
  friend class DatasetWriter;
  struct Implementation;
  explicit Dataset(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> Inside;
};

/// A quality that follows from the volume's own noise.
enum class Quality
{
  /// 40 dB: what the volume shows, not its fine detail.
  Preview,
  /// An RMS error within the noise: 40 to 50 dB, 50 where there is no noise.
  Standard,
  /// An RMS error within half the noise: 46 to 56 dB, 56 where there is no noise.
  Fine
};

/// What a compression must meet: `Target::psnr(45)`, `Target::lossless()`, a Quality.
class Target
{
public:
  enum class Kind
  {
    Quality,
    Psnr,
    Ratio,
    Size,
    MaxError,
    Lossless
  };

  /// The PSNR that follows from the volume's noise, at most 1 dB more.
  Target(Quality quality = Quality::Standard)
    : Level(quality)
  {
  }
  /// At least so many dB over the volume's full range, at most 1 dB more.
  static Target psnr(double decibels) { return { Kind::Psnr, decibels }; }
  /// Compression ratio: bytes of the stored samples divided by bytes of the file, at least this.
  static Target ratio(double ratio) { return { Kind::Ratio, ratio }; }
  /// Bytes of the file: at most this.
  static Target size(std::uint64_t bytes) { return { Kind::Size, static_cast<double>(bytes) }; }
  /// Every measurement within this of the original, in the volume's unit.
  static Target maxError(double error) { return { Kind::MaxError, error }; }
  /// Every sample as it was, bit by bit.
  static Target lossless() { return { Kind::Lossless, 0.0 }; }

  Kind kind() const { return this->What; }
  /// Of Kind::Quality.
  Quality quality() const { return this->Level; }
  /// Of the others: dB, ratio, bytes, an error; 0 of lossless.
  double value() const { return this->Number; }

private:
  Target(Kind kind, double value)
    : What(kind)
    , Number(value)
  {
  }
  Kind What = Kind::Quality;
  Quality Level = Quality::Standard;
  double Number = 0.0;
};

/// What a compression must meet, and how.
struct CompressOptions
{
  Target target;
  /// "fast", "balanced" or "best": how much time training may take.
  std::string preset = "balanced";
  std::uint64_t seed = 0;
  std::size_t threads = 0;
};

/// Where samples lie, and what they are.
struct Description
{
  Grid grid;
  std::string name;
  std::string unit;
  /// Voxels of values from the one to the other, inclusive, are masked; twice the same masks a single value; NaN: none
  /// but NaN and infinity.
  std::array<double, 2> fillRange{ std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN() };
};

/// A volume to compress; `data` has one sample a voxel, x fastest.
struct Samples : Description
{
  const void* data = nullptr;
  /// Bytes at `data`.
  std::size_t bytes = 0;
  /// NumPy's name; int64 and uint64 are taken where the values fit into 32 bits, and come back as those
  /// (Outcome::warnings).
  std::string type;
};

/// What a compression achieved.
struct Outcome : Fidelity
{
  /// Bytes of the file.
  std::uint64_t fileBytes;
  /// Compression ratio: bytes of the samples, in the stored type and as float32, divided by bytes of the file.
  double ratio;
  double ratioFloat32;
  /// The model in one line.
  std::string model;
  /// What the user should know beside it, each a sentence: a result that exceeds the target by more than its
  /// tolerance (the file is larger than necessary), a type that was narrowed.
  std::vector<std::string> warnings;
};

/// A compressed volume that is not yet a file.
class NEUVOL_EXPORT Compressed
{
public:
  Compressed(Compressed&&) noexcept;
  Compressed& operator=(Compressed&&) noexcept;
  ~Compressed();

  const Outcome& outcome() const;
  /// Writes the file, whole or not at all; an existing one is replaced.
  void save(const std::string& path) const;
  /// The volume as a reader of the file will see it.
  Volume open(const OpenOptions& options = {}) const;

private:
  friend NEUVOL_EXPORT Compressed compress(const Samples&, const CompressOptions&, const Progress&);
  friend NEUVOL_EXPORT Compressed compress(
    DLManagedTensorVersioned*, const Description&, const CompressOptions&, const Progress&);
  struct Implementation;
  explicit Compressed(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> Inside;
};

/// Compresses a volume; throws Interrupted when `progress` said stop.
NEUVOL_EXPORT Compressed compress(
  const Samples& samples, const CompressOptions& options = {}, const Progress& progress = {});

/// Compresses a DLPack tensor of shape (z, y, x), (y, x) or (x), in host memory (a build with CUDA takes a CUDA
/// device's too) and of any strides; the description's own shape is not looked at. Types are those of Samples, and
/// 16-bit floats. The tensor is taken: its deleter has been called once when this returns or throws. What it points to
/// must be there to read, and nobody may write to it meanwhile.
NEUVOL_EXPORT Compressed compress(DLManagedTensorVersioned* tensor, const Description& description = {},
  const CompressOptions& options = {}, const Progress& progress = {});

/// Makes a file of several arrays, components and time steps (a Dataset): compresses one array after the other, those of the
/// first time step, then those of the next. Their compressed volumes stay in memory until the file is written.
///
///   neuvol::DatasetWriter writer({ { "velocity", { "u", "v", "w" } } });
///   writer.add(samples, options);
///   writer.save("velocity.nvol");
class NEUVOL_EXPORT DatasetWriter
{
public:
  /// The arrays of each time step, of 1 to 9 components, no two of one name; and the steps' times, ascending, or an empty list
  /// where they are not known.
  explicit DatasetWriter(
    const std::vector<Array>& arrays, std::size_t steps = 1, const std::vector<double>& times = {});

  DatasetWriter(DatasetWriter&&) noexcept;
  DatasetWriter& operator=(DatasetWriter&&) noexcept;
  ~DatasetWriter();

  /// Compresses the next array. The samples of its components lie one behind the other in each voxel, their fill range is that
  /// of each; the name is that of the array. Every component meets the target; of a size, each volume of the file has an equal
  /// part. Of a lossless target and integers, components may be kept as differences to another one. An Error when all arrays
  /// are there; after one, or after Interrupted, nothing of the array stays, and it may be added again.
  std::vector<Outcome> add(const Samples& samples, const CompressOptions& options = {}, const Progress& progress = {});

  /// Bytes of the file with what was added so far.
  std::uint64_t fileBytes() const;
  /// Writes the file, whole or not at all; an existing one is replaced. An Error where arrays are missing; here and below.
  void save(const std::string& path) const;
  /// The file as a reader of it will see it.
  Dataset open(const OpenOptions& options = {}) const;

private:
  struct Implementation;
  std::unique_ptr<Implementation> Inside;
};

/// neuvol's version.
NEUVOL_EXPORT std::string version();

} // namespace neuvol

#endif
