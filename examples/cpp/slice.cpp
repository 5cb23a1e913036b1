// Prints the middle slice's range and the value at a point of a .nvol file: slice FILE.nvol
//
// With CMake:  find_package(Neuvol REQUIRED)  target_link_libraries(slice Neuvol::neuvol)

#include <neuvol/neuvol.h>

#include <algorithm>
#include <iostream>

int main(int argc, char** argv)
try
{
  const neuvol::Volume volume = neuvol::Volume::open(argc > 1 ? argv[1] : "ct.nvol");
  const neuvol::Info& info = volume.info();
  const std::vector<float> slice = volume.read<float>(volume.slice(2, info.grid.shape[2] / 2));
  const auto [low, high] = std::minmax_element(slice.begin(), slice.end());
  std::cout << info.name << ", slice " << info.grid.shape[2] / 2 << ": " << *low << " to " << *high << " " << info.unit
            << "\n";

  double value;
  std::uint8_t inside;
  volume.sample(info.grid.origin.data(), 1, {}, &value, &inside);
  std::cout << "at its origin: " << value << "\n";
  return 0;
}
catch (const neuvol::Error& error)
{
  std::cerr << error.what() << "\n";
  return 1;
}
