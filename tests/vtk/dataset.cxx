// Files of several volumes through neuvol.h: dataset SCENE_FOLDER

#include "check.h"

#include <neuvol/neuvol.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace
{

constexpr std::size_t Voxels = 40 * 32 * 24;

} // namespace

int main(int, char** argv)
{
  const std::string folder = argv[1];
  const std::string path = folder + "/flow.nvol";
  const neuvol::Dataset flow = neuvol::Dataset::open(path, { 2 });
  CHECK(flow.arrays().size() == 2 && flow.steps() == 3);
  CHECK((flow.times() == std::vector<double>{ 0, 0.5, 2 }));
  CHECK(flow.arrays()[0].name == "pressure" && flow.arrays()[0].components == std::vector<std::string>{ "" });
  CHECK(flow.arrays()[1].name == "velocity" && (flow.arrays()[1].components == std::vector<std::string>{ "u", "v", "w" }));
  CHECK(flow.find("velocity") == 1u && !flow.find("temperature"));
  CHECK(flow.fileBytes() == static_cast<std::uint64_t>(std::ifstream(path, std::ios::binary | std::ios::ate).tellg()));
  CHECK(flow.deviceNote().empty());

  std::uint64_t bytes = 0;
  for (std::size_t step = 0; step < 3; ++step)
  {
    std::vector<float> original(3 * Voxels);
    std::ifstream(folder + "/velocity_" + std::to_string(step) + ".raw", std::ios::binary)
      .read(reinterpret_cast<char*>(original.data()), static_cast<std::streamsize>(4 * original.size()));
    for (std::size_t component = 0; component < 3; ++component)
    {
      const neuvol::Volume volume = flow.volume(1, component, step);
      CHECK(volume.info().name == "velocity" && volume.info().maxError <= 0.01);
      CHECK((volume.info().grid.shape == std::array<std::size_t, 3>{ 40, 32, 24 }));
      const std::vector<float> decoded = volume.read<float>(volume.whole());
      for (std::size_t i = 0; i < Voxels; ++i)
      {
        CHECK(std::abs(decoded[i] - original[3 * i + component]) <= 0.01f);
      }
      bytes += volume.info().fileBytes;
      // The same one, chosen when the file is opened.
      neuvol::OpenOptions options;
      options.array = "velocity";
      options.component = component;
      options.timeStep = step;
      const neuvol::Volume chosen = neuvol::Volume::open(path, options);
      CHECK(chosen.read<float>(chosen.whole()) == decoded);
    }
    const neuvol::Volume pressure = flow.volume(0, 0, step);
    CHECK(pressure.info().name == "pressure" && pressure.info().unit == "Pa");
    bytes += pressure.info().fileBytes;
  }
  CHECK(bytes < flow.fileBytes() && flow.fileBytes() < bytes + 400);

  // A volume may outlive its data set.
  const neuvol::Volume alone = neuvol::Dataset::open(path).volume(0);
  CHECK(alone.read<float>(alone.slice(2, 3)) == flow.volume(0).read<float>(alone.slice(2, 3)));

  // Colours are exact, also those that are stored as differences.
  const neuvol::Dataset picture = neuvol::Dataset::open(folder + "/picture.nvol");
  CHECK(picture.times().empty() && picture.steps() == 1);
  const std::size_t colour = *picture.find("colour");
  CHECK(picture.arrays()[colour].components.size() == 3);
  const neuvol::Volume green = picture.volume(*picture.find("green"));
  CHECK(picture.volume(colour, 1).read<std::uint8_t>(green.whole()) == green.read<std::uint8_t>(green.whole()));

  // A file of one volume has one of each.
  const neuvol::Dataset single = neuvol::Dataset::open(folder + "/scene.nvol");
  CHECK(single.arrays().size() == 1 && single.steps() == 1 && single.times().empty());
  CHECK(single.arrays()[0].name == "density" && single.arrays()[0].components == std::vector<std::string>{ "" });
  const neuvol::Volume scene = single.volume(0);
  CHECK(scene.info().name == "density" && scene.info().fileBytes == single.fileBytes());

  // What is not there, or not chosen, is said.
  CHECK(has(messageOf([&] { flow.volume(2); }), "no component 0 of array 2"));
  CHECK(has(messageOf([&] { flow.volume(1, 3); }), "no component 3 of array 1"));
  CHECK(has(messageOf([&] { flow.volume(0, 0, 3); }), "time step 3"));
  CHECK(has(messageOf([&] { neuvol::Volume::open(path); }), "it holds the arrays 'pressure', 'velocity'"));
  neuvol::OpenOptions options;
  options.array = "velocity";
  options.timeStep = 0;
  CHECK(has(messageOf([&] { neuvol::Volume::open(path, options); }), "the components 0 (u), 1 (v), 2 (w)"));
  options.timeStep.reset();
  options.component = 0;
  CHECK(has(messageOf([&] { neuvol::Volume::open(path, options); }), "it holds 3 time steps"));
  CHECK(has(messageOf([&] { neuvol::Volume::open(folder + "/scene.nvol", options); }), "no array 'velocity'"));
  CHECK(has(messageOf([&] { neuvol::Dataset::open(folder + "/corrupt.nvol"); }), "section file header"));
  CHECK(has(messageOf([&] { neuvol::Dataset::open(folder + "/nothing.nvol"); }), "nothing.nvol: No such file"));

  // Made from memory: three components of a float, exact colours, over two times.
  std::vector<float> vectors(3 * Voxels);
  std::ifstream(folder + "/velocity_1.raw", std::ios::binary)
    .read(reinterpret_cast<char*>(vectors.data()), static_cast<std::streamsize>(4 * vectors.size()));
  std::vector<std::uint8_t> pixels(2 * Voxels);
  for (std::size_t i = 0; i < pixels.size(); ++i)
  {
    pixels[i] = static_cast<std::uint8_t>((i / 2 * 7919) % 251 + i % 2);
  }
  const auto samplesOf = [](const void* data, std::size_t size, const char* type)
  {
    neuvol::Samples samples;
    samples.data = data;
    samples.bytes = size;
    samples.type = type;
    samples.grid.shape = { 40, 32, 24 };
    samples.grid.spacing = { 1, 2, 3 };
    return samples;
  };
  const neuvol::Samples ofVectors = samplesOf(vectors.data(), 4 * vectors.size(), "float32");
  const neuvol::Samples ofPixels = samplesOf(pixels.data(), pixels.size(), "uint8");
  neuvol::CompressOptions bounded;
  bounded.preset = "fast";
  bounded.target = neuvol::Target::maxError(0.02);
  neuvol::CompressOptions exact = bounded;
  exact.target = neuvol::Target::lossless();
  neuvol::DatasetWriter writer({ { "v", { "x", "y", "z" } }, { "pair", { "", "" } } }, 2, { 1.5, 4 });
  for (int step = 0; step < 2; ++step)
  {
    // What was stopped is not in the file, and can be added again.
    int calls = 0;
    const auto stop = [&](double) { return ++calls < 3; };
    bool interrupted = false;
    try
    {
      writer.add(ofVectors, bounded, stop);
    }
    catch (const neuvol::Interrupted&)
    {
      interrupted = true;
    }
    CHECK(interrupted);
    CHECK(has(messageOf([&] { writer.save(folder + "/not_complete.nvol"); }), "of its 10 volumes were added"));
    std::vector<double> bar;
    const auto progress = [&](double fraction)
    {
      bar.push_back(fraction);
      return true;
    };
    const std::vector<neuvol::Outcome> outcomes = writer.add(ofVectors, bounded, progress);
    CHECK(outcomes.size() == 3 && outcomes[2].maxError <= 0.02 && outcomes[2].maxError > 0);
    CHECK(std::is_sorted(bar.begin(), bar.end()) && bar.front() < 0.4 && bar.back() > 0.66);
    const std::vector<neuvol::Outcome> ofPair = writer.add(ofPixels, exact);
    CHECK(ofPair.size() == 2 && std::isinf(ofPair[1].psnr) && 3 * ofPair[1].fileBytes < ofPair[0].fileBytes);
  }
  CHECK(!std::ifstream(folder + "/not_complete.nvol"));
  CHECK(has(messageOf([&] { writer.add(ofVectors, bounded); }), "all 10 volumes"));
  writer.save(folder + "/made.nvol");
  const neuvol::Dataset made = neuvol::Dataset::open(folder + "/made.nvol");
  CHECK(made.fileBytes() == writer.fileBytes() && (made.times() == std::vector<double>{ 1.5, 4 }));
  CHECK((made.arrays()[0].components == std::vector<std::string>{ "x", "y", "z" }) && made.arrays()[1].name == "pair");
  const neuvol::Dataset again = writer.open();
  for (std::size_t component = 0; component < 2; ++component)
  {
    const neuvol::Volume volume = made.volume(1, component, 1);
    CHECK(volume.info().name == "pair" && volume.info().grid.spacing[2] == 3);
    const auto decoded = volume.read<std::uint8_t>(volume.whole());
    for (std::size_t i = 0; i < Voxels; ++i)
    {
      CHECK(decoded[i] == pixels[2 * i + component]);
    }
    CHECK(again.volume(1, component).read<std::uint8_t>(volume.whole()) == decoded);
  }
  const auto z = made.volume(0, 2).read<float>(made.volume(0, 2).whole());
  for (std::size_t i = 0; i < Voxels; ++i)
  {
    CHECK(std::abs(z[i] - vectors[3 * i + 2]) <= 0.02f);
  }
  CHECK(has(messageOf([] { neuvol::DatasetWriter({}); }), "arrays"));
  CHECK(has(messageOf([] { neuvol::DatasetWriter({ { "a", { "" } }, { "a", { "" } } }); }), "'a'"));
  CHECK(has(messageOf([] { neuvol::DatasetWriter({ { "a", { "" } } }, 2, { 1, 1 }); }), "ascending"));
  neuvol::DatasetWriter two({ { "v", { "", "" } } });
  CHECK(has(messageOf([&] { two.add(ofVectors, bounded); }), "samples of float32 of 2 components"));
  std::puts("dataset: ok");
}
