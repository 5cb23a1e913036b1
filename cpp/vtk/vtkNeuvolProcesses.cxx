#include "vtkNeuvolProcesses.h"

#include <algorithm>

namespace
{

using Bytes = neuvol::Communicator::Bytes;

/// Of messages.
constexpr int Tag = 0x6e76;
/// Bytes that all processes together gather at a time: MPI counts them in an int.
constexpr std::size_t AtOnce = std::size_t(1) << 29;

void Check(int passed)
{
  if (!passed)
  {
    throw neuvol::Error("a message of another process did not arrive");
  }
}

} // namespace

vtkNeuvolProcesses::vtkNeuvolProcesses()
  : Controller(vtkMultiProcessController::GetGlobalController())
{
}

std::size_t vtkNeuvolProcesses::rank() const
{
  return this->Controller ? static_cast<std::size_t>(this->Controller->GetLocalProcessId()) : 0;
}

std::size_t vtkNeuvolProcesses::size() const
{
  return this->Controller ? static_cast<std::size_t>(this->Controller->GetNumberOfProcesses()) : 1;
}

std::vector<Bytes> vtkNeuvolProcesses::allGather(const Bytes& own) const
{
  const std::size_t count = this->size();
  if (count == 1)
  {
    return { own };
  }
  std::vector<vtkIdType> lengths(count);
  const auto length = static_cast<vtkIdType>(own.size());
  Check(this->Controller->AllGather(&length, lengths.data(), 1));
  std::vector<Bytes> found(count);
  const auto most = static_cast<vtkIdType>(AtOnce / count);
  const vtkIdType longest = *std::max_element(lengths.begin(), lengths.end());
  for (vtkIdType from = 0; from < longest; from += most)
  {
    std::vector<vtkIdType> now(count), offsets(count);
    vtkIdType all = 0;
    for (std::size_t rank = 0; rank < count; ++rank)
    {
      now[rank] = std::clamp<vtkIdType>(lengths[rank] - from, 0, most);
      offsets[rank] = all;
      all += now[rank];
    }
    Bytes together(static_cast<std::size_t>(all));
    const unsigned char* begin = own.data() + std::min(from, length);
    Check(this->Controller->AllGatherV(begin, together.data(), now[this->rank()], now.data(), offsets.data()));
    for (std::size_t rank = 0; rank < count; ++rank)
    {
      const auto part = together.begin() + offsets[rank];
      found[rank].insert(found[rank].end(), part, part + now[rank]);
    }
  }
  return found;
}

std::vector<Bytes> vtkNeuvolProcesses::exchange(const std::vector<Bytes>& toEach) const
{
  const std::size_t count = this->size(), own = this->rank();
  std::vector<Bytes> found(count);
  found[own] = toEach[own];
  const auto send = [&](std::size_t rank)
  {
    const auto length = static_cast<vtkIdType>(toEach[rank].size());
    Check(this->Controller->Send(&length, 1, static_cast<int>(rank), Tag));
    if (length > 0)
    {
      Check(this->Controller->Send(toEach[rank].data(), length, static_cast<int>(rank), Tag));
    }
  };
  const auto receive = [&](std::size_t rank)
  {
    vtkIdType length = 0;
    Check(this->Controller->Receive(&length, 1, static_cast<int>(rank), Tag));
    found[rank].resize(static_cast<std::size_t>(length));
    if (length > 0)
    {
      Check(this->Controller->Receive(found[rank].data(), length, static_cast<int>(rank), Tag));
    }
  };
  // In each round pairs of processes whose ranks have one sum: nobody waits in a circle.
  for (std::size_t sum = 0; sum < count; ++sum)
  {
    const std::size_t other = (sum + count - own) % count;
    if (other == own)
    {
      continue;
    }
    if (own < other)
    {
      send(other);
      receive(other);
    }
    else
    {
      receive(other);
      send(other);
    }
  }
  return found;
}

void vtkNeuvolProcesses::together(const std::function<void()>& work) const
{
  std::string failure;
  try
  {
    work();
  }
  catch (const std::exception& error)
  {
    failure = error.what();
    failure = failure.empty() ? "it failed" : failure;
  }
  const std::vector<Bytes> all = this->allGather(Bytes(failure.begin(), failure.end()));
  if (!failure.empty())
  {
    throw neuvol::Error(failure);
  }
  for (std::size_t rank = 0; rank < all.size(); ++rank)
  {
    if (!all[rank].empty())
    {
      throw neuvol::Error(
        "process " + std::to_string(rank) + " failed: " + std::string(all[rank].begin(), all[rank].end()));
    }
  }
}
