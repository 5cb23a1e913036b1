// Files that several processes make together.

#include "neuvol/together.h"

#include "conversions.h"
#include "messenger.h"

#include <memory>
#include <vector>

namespace neuvol
{

Communicator::~Communicator() = default;

namespace
{

using Bytes = Communicator::Bytes;

/// The bytes of all one behind the other, and their lengths.
std::unique_ptr<Bytes> joined(const std::vector<Bytes>& found, std::size_t count, rust::Vec<std::uint64_t>& lengths)
{
  if (found.size() != count)
  {
    throw std::runtime_error("the communicator brought the bytes of " + std::to_string(found.size()) +
      " processes, but there are " + std::to_string(count));
  }
  std::size_t all = 0;
  for (const Bytes& bytes : found)
  {
    lengths.push_back(bytes.size());
    all += bytes.size();
  }
  auto out = std::make_unique<Bytes>();
  out->reserve(all);
  for (const Bytes& bytes : found)
  {
    out->insert(out->end(), bytes.begin(), bytes.end());
  }
  return out;
}

/// Passes the bridge's messages on to a communicator.
class Passing final : public bridge::Messenger
{
public:
  explicit Passing(const Communicator& communicator)
    : To(communicator)
  {
  }
  std::size_t rank() const override { return this->To.rank(); }
  std::size_t size() const override { return this->To.size(); }

  std::unique_ptr<Bytes> all_gather(
    rust::Slice<const std::uint8_t> own, rust::Vec<std::uint64_t>& lengths) const override
  {
    return asked([&] { return joined(this->To.allGather(Bytes(own.begin(), own.end())), this->size(), lengths); });
  }

  std::unique_ptr<Bytes> exchange(rust::Slice<const std::uint8_t> to_each,
    rust::Slice<const std::uint64_t> to_lengths, rust::Vec<std::uint64_t>& lengths) const override
  {
    std::vector<Bytes> messages;
    auto from = to_each.begin();
    for (const std::uint64_t length : to_lengths)
    {
      const auto to = from + static_cast<std::ptrdiff_t>(length);
      messages.emplace_back(from, to);
      from = to;
    }
    return asked([&] { return joined(this->To.exchange(messages), this->size(), lengths); });
  }

private:
  /// The bridge takes no exceptions but std's: the process would end.
  template <typename Call>
  static auto asked(Call&& call) -> decltype(call())
  {
    try
    {
      return call();
    }
    catch (const std::exception&)
    {
      throw;
    }
    catch (...)
    {
      throw std::runtime_error("the communicator threw something that is not a std::exception");
    }
  }

  const Communicator& To;
};

} // namespace

Outcome compressTogether(const std::string& path, const Description& whole, const std::string& type,
  const std::vector<Piece>& pieces, const CompressOptions& options, const Communicator& communicator,
  const Progress& progress)
{
  const Caller caller(progress);
  const Passing messenger(communicator);
  return guarded(
    [&]
    {
      auto share = bridge::new_share();
      for (const Piece& piece : pieces)
      {
        // What is wrong with a piece is for all processes to hear, once they are together.
        const rust::Slice<const std::uint8_t> bytes = piece.data
          ? rust::Slice<const std::uint8_t>(static_cast<const std::uint8_t*>(piece.data), piece.bytes)
          : rust::Slice<const std::uint8_t>();
        share->add(bytes, text(type), piece.start, piece.shape);
      }
      return outcomeOf(bridge::compress_together(
        std::move(share), text(path), text(type), labelsOf(whole), requestOf(options), messenger, caller));
    },
    &caller);
}

} // namespace neuvol
