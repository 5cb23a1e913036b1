// Files that several processes make together: see neuvol.h for everything else.

#ifndef neuvol_together_h
#define neuvol_together_h

#include "neuvol.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace neuvol
{

/// How processes that make one file reach each other: MPI, VTK's controllers, and the like. Each has a rank, 0 to size() less
/// one. All of them call the same functions in the same order, each on the thread that compresses. A function that throws ends the
/// work of its own process; the others then wait for it in theirs.
class NEUVOL_EXPORT Communicator
{
public:
  using Bytes = std::vector<std::uint8_t>;

  virtual ~Communicator();
  virtual std::size_t rank() const = 0;
  virtual std::size_t size() const = 0;
  /// The bytes of all processes, by rank, of whatever lengths.
  virtual std::vector<Bytes> allGather(const Bytes& own) const = 0;
  /// Sends its bytes to each process, by rank, and gives what came from each.
  virtual std::vector<Bytes> exchange(const std::vector<Bytes>& toEach) const = 0;
};

/// A box of a volume that a process holds.
struct Piece
{
  /// First sample, in the whole volume, and samples along x, y, z.
  std::array<std::size_t, 3> start{ 0, 0, 0 };
  std::array<std::size_t, 3> shape{ 1, 1, 1 };
  /// One sample a voxel, x fastest.
  const void* data = nullptr;
  /// Bytes at `data`.
  std::size_t bytes = 0;
};

/// Compresses a volume whose samples several processes hold into a file: all of them call this, with the same path, description and
/// options. The pieces of all processes fill the volume, and may overlap. Each process compresses its share, box by box, whoever had
/// the samples; that of rank 0 writes the file, which is the same whatever the number of processes. When a process fails, all throw
/// and say why. `type` is NumPy's name, of up to 32 bits or float64.
///
/// Files made box by box have no network, and are larger than those of compress() where that helps: it is for volumes that one
/// process cannot hold.
NEUVOL_EXPORT Outcome compressTogether(const std::string& path, const Description& whole, const std::string& type,
  const std::vector<Piece>& pieces, const CompressOptions& options, const Communicator& communicator,
  const Progress& progress = {});

} // namespace neuvol

#endif
