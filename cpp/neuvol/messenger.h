// How processes reach each other, across the bridge.

#ifndef neuvol_messenger_h
#define neuvol_messenger_h

#include "rust/cxx.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace neuvol::bridge
{

/// Passes messages on the thread that called. Bytes of all processes lie one behind the other, with a length each.
class Messenger
{
public:
  virtual ~Messenger() = default;
  virtual std::size_t rank() const = 0;
  virtual std::size_t size() const = 0;
  virtual std::unique_ptr<std::vector<std::uint8_t>> all_gather(
    rust::Slice<const std::uint8_t> own, rust::Vec<std::uint64_t>& lengths) const = 0;
  virtual std::unique_ptr<std::vector<std::uint8_t>> exchange(rust::Slice<const std::uint8_t> to_each,
    rust::Slice<const std::uint64_t> to_lengths, rust::Vec<std::uint64_t>& lengths) const = 0;
};

} // namespace neuvol::bridge

#endif
