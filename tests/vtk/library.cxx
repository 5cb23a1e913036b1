// neuvol.h from a plain C++ program: library SCENE_FOLDER

#include "check.h"

#include <neuvol/neuvol.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

/// As DLPack 1 lays it out; programs include dlpack/dlpack.h.
struct DLManagedTensorVersioned
{
  std::uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  std::uint64_t flags;
  void* data;
  std::int32_t deviceType, deviceId;
  std::int32_t axes;
  std::uint8_t typeCode, typeBits;
  std::uint16_t typeLanes;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byteOffset;
};
static_assert(sizeof(DLManagedTensorVersioned) == 80, "no padding but the ABI's");

namespace neuvol
{
/// Of neuvol's own header for tests, which is not installed.
void panicOnPurpose();
}

int main(int, char** argv)
{
  const std::string folder = argv[1];
  const neuvol::Volume volume = neuvol::Volume::open(folder + "/scene.nvol", { 2, 10000000 });
  const neuvol::Info& info = volume.info();
  CHECK((info.grid.shape == std::array<std::size_t, 3>{ 100, 80, 60 }));
  CHECK(info.sampleType == "int16" && info.name == "density" && info.unit == "HU");
  CHECK(info.psnr >= 42 && info.ratioFloat32 == 2 * info.ratio && std::isnan(info.fillRange[0]));

  std::vector<std::int16_t> decoded(100 * 80 * 60);
  std::ifstream(folder + "/scene.raw", std::ios::binary)
    .read(reinterpret_cast<char*>(decoded.data()), static_cast<std::streamsize>(2 * decoded.size()));
  CHECK(volume.read<std::int16_t>(volume.whole()) == decoded);
  CHECK(volume.evaluated() == decoded.size());
  const std::vector<float> slice = volume.read<float>(volume.slice(1, 7));
  CHECK(slice.size() == 100 * 60 && slice[100 * 5 + 3] == decoded[3 + 100 * (7 + 80 * 5)]);
  CHECK(volume.evaluated() == decoded.size() + slice.size());
  const auto coarse = volume.read<std::int16_t>(volume.whole(4));
  CHECK(coarse.size() == 25 * 20 * 15 && coarse[1 + 25 * (2 + 20 * 3)] == decoded[4 + 100 * (8 + 80 * 12)]);


  // Levels of detail, as the command decompresses them.
  CHECK(info.levels.size() == 5 && info.levels[0].grid.shape == info.grid.shape);
  const neuvol::Level& quarter = info.levels[2];
  CHECK((quarter.grid.shape == std::array<std::size_t, 3>{ 25, 20, 15 }));
  CHECK((quarter.stride == std::array<std::size_t, 3>{ 4, 4, 4 }));
  CHECK(quarter.grid.origin == info.grid.origin && quarter.grid.direction == info.grid.direction);
  CHECK(quarter.grid.spacing[0] == 4 * info.grid.spacing[0] && quarter.grid.spacing[2] == 4 * info.grid.spacing[2]);
  std::vector<std::int16_t> expected(25 * 20 * 15);
  std::ifstream(folder + "/level_2.raw", std::ios::binary)
    .read(reinterpret_cast<char*>(expected.data()), static_cast<std::streamsize>(2 * expected.size()));
  const std::uint64_t before = volume.evaluated();
  CHECK(volume.readLevel<std::int16_t>(2, volume.wholeLevel(2)) == expected);
  CHECK(volume.evaluated() == before + expected.size());
  const auto part = volume.readLevel<float>(2, { { 3, 7, 5 }, { 25, 9, 15 }, 1 });
  CHECK(part.size() == 22 * 2 * 10 && part[1 + 22 * (1 + 2 * 4)] == expected[4 + 25 * (8 + 20 * 9)]);
  CHECK(volume.readLevel<std::int16_t>(0, volume.slice(1, 7)) == volume.read<std::int16_t>(volume.slice(1, 7)));
  CHECK(has(messageOf([&] { volume.wholeLevel(5); }), "no level 5, but levels 0 to 4"));
  CHECK(has(messageOf([&] { volume.readLevel<float>(5, volume.wholeLevel(2)); }), "no level 5, but levels 0 to 4"));
  CHECK(has(messageOf([&] { volume.readLevel<float>(2, volume.whole()); }), "not a region"));
  CHECK(has(messageOf([&] { volume.readLevel<float>(2, volume.whole(2)); }), "stride is 1, not 2"));
  CHECK(has(messageOf([&] { volume.readLevel(2, volume.wholeLevel(2), "int16", nullptr); }), "null pointer"));
  bool interrupted = false;
  try
  {
    volume.readLevel<float>(1, volume.wholeLevel(1), [](double) { return false; });
  }
  catch (const neuvol::Interrupted&)
  {
    interrupted = true;
  }
  CHECK(interrupted);

  const double points[] = { 3, 7, 5, 3.5, 7.25, 5.1, -4, 0, 0 };
  double values[3], gradients[9];
  std::uint8_t valid[3];
  neuvol::Sampling how;
  how.world = false;
  volume.sample(points, 3, how, values, valid, gradients);
  CHECK(values[0] == decoded[3 + 100 * (7 + 80 * 5)] && std::isnan(values[2]));
  CHECK(valid[0] == 1 && valid[1] == 1 && valid[2] == 0);
  CHECK(gradients[3] != 0 && gradients[6] == 0);

  // What goes wrong says so, and nothing ends.
  CHECK(has(messageOf([&] { neuvol::Volume::open(folder + "/nothing.nvol"); }), "nothing.nvol: No such file"));
  CHECK(has(messageOf([&] { neuvol::Volume::open(folder + "/corrupt.nvol"); }), "section file header"));
  neuvol::Volume damaged = neuvol::Volume::open(folder + "/damaged.nvol");
  CHECK(has(messageOf([&] { damaged.read<float>(damaged.whole()); }), "checksum mismatch"));
  CHECK(has(messageOf([&] { volume.read<float>({ { 0, 0, 0 }, { 101, 1, 1 }, 1 }); }), "not a region"));
  CHECK(has(messageOf([&] { volume.read<float>({ { 0, 0, 0 }, { 1, 1, 1 }, 0 }); }), "stride"));
  std::int16_t one[1];
  CHECK(has(messageOf([&] { volume.read(volume.slice(0, 0), "int64", one); }), "int64"));
  CHECK(has(messageOf([] { neuvol::panicOnPurpose(); }), "a panic on purpose"));
  CHECK(has(messageOf([&] { volume.slice(3, 0); }), "no axis 3: "));
  CHECK(has(messageOf([&] { volume.slice(-1, 0); }), "no axis -1: "));
  CHECK(has(messageOf([&] { volume.slice(1, 80); }), "no slice 80 across axis 1: the volume has 80 samples"));
  CHECK(has(messageOf([&] { volume.slice(2, std::numeric_limits<std::size_t>::max()); }), "there is no slice"));
  CHECK(has(messageOf([&] { volume.read(volume.slice(0, 0), "int16", nullptr); }), "null pointer"));
  CHECK(has(messageOf([&] { volume.read(volume.slice(0, 0), nullptr, one); }), "null pointer"));
  CHECK(has(messageOf([&] { volume.readTensor(volume.slice(0, 0), nullptr); }), "null pointer"));
  CHECK(has(messageOf([&] { volume.sample(nullptr, 3, how, values, valid); }), "points is a null pointer"));
  CHECK(has(messageOf([&] { volume.sample(points, 3, how, nullptr, valid); }), "values is a null pointer"));
  CHECK(has(messageOf([&] { volume.sample(points, 3, how, values, nullptr); }), "valid is a null pointer"));
  CHECK(has(messageOf([&] { volume.sampleTensor(nullptr, 3, how); }), "the array of points is a null pointer"));
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  CHECK(has(messageOf([&] { volume.sampleTensor(points, most / 2, how); }), "beyond what memory can hold"));

  // Gradients: the field's own are those of the cell, the smooth ones of differences of voxels.
  const auto voxel = [&](int x, int y, int z) { return double(decoded[x + 100 * (y + 80 * z)]); };
  how.gradient = neuvol::Gradient::Smooth;
  double smooth[9];
  volume.sample(points, 3, how, values, valid, smooth);
  // Voxels are rounded, what the differences are of is not.
  CHECK(std::abs(smooth[0] - (voxel(4, 7, 5) - voxel(2, 7, 5)) / 2) <= 0.5);
  CHECK(std::abs(smooth[1] - (voxel(3, 8, 5) - voxel(3, 6, 5)) / 2) <= 0.5);
  CHECK(std::abs(smooth[2] - (voxel(3, 7, 6) - voxel(3, 7, 4)) / 2) <= 0.5);
  CHECK(smooth[3] != gradients[3] && smooth[6] == 0 && smooth[8] == 0);
  how.gradient = neuvol::Gradient::Field;
  CHECK(has(messageOf([] { neuvol::Volume::open("\xff\xfe"); }), "UTF-8"));

  // Compression, with a caller that stops and one that throws.
  neuvol::Samples samples;
  samples.data = decoded.data();
  samples.bytes = 2 * 100 * 80 * 10;
  samples.type = "int16";
  samples.grid.shape = { 100, 80, 10 };
  samples.grid.origin = { 1, 2, 3 };
  samples.name = "slab";
  neuvol::CompressOptions options;
  options.preset = "fast";
  options.target = neuvol::Target::psnr(30);
  options.threads = 1;
  bool stopped = false;
  try
  {
    neuvol::compress(samples, options, [](double) { return false; });
  }
  catch (const neuvol::Interrupted&)
  {
    stopped = true;
  }
  CHECK(stopped);
  const auto thrower = [](double) -> bool { throw std::runtime_error("the caller's own"); };
  CHECK(has(messageOf([&] { neuvol::compress(samples, options, thrower); }), "the caller's own"));
  const auto otherThrower = [](double) -> bool { throw 42; };
  CHECK(has(messageOf([&] { neuvol::compress(samples, options, otherThrower); }), "not a std::exception"));
  neuvol::Samples nowhere = samples;
  nowhere.data = nullptr;
  CHECK(has(messageOf([&] { neuvol::compress(nowhere, options); }), "the array of samples is a null pointer"));
  nowhere.bytes = 0;
  CHECK(has(messageOf([&] { neuvol::compress(nowhere, options); }), "0 bytes are not 80000 samples"));
  neuvol::Samples turned = samples;
  turned.grid.frame = "RAS";
  CHECK(has(messageOf([&] { neuvol::compress(turned, options); }), "the frame 'RAS' is unknown"));
  const neuvol::Compressed compressed = neuvol::compress(samples, options);
  const neuvol::Outcome& outcome = compressed.outcome();
  CHECK(outcome.psnr >= 30 && outcome.psnr <= 31 && outcome.warnings.empty() && outcome.maxError >= outcome.rmse);
  CHECK(std::abs(outcome.ratio - double(samples.bytes) / double(outcome.fileBytes)) < 1e-9);
  compressed.save(folder + "/slab.nvol");
  const neuvol::Volume again = neuvol::Volume::open(folder + "/slab.nvol");
  CHECK(again.info().psnr >= 30 && again.info().name == "slab" && again.info().grid.origin[2] == 3);
  CHECK(again.read<float>(again.whole()) == compressed.open().read<float>(again.whole()));

  // What is beside the target is said in the outcome, and nowhere else.
  std::vector<std::int64_t> step(12 * 12 * 12, 0);
  std::fill(step.begin() + 864, step.end(), 255);
  step[500] = 1;
  neuvol::Samples wide;
  wide.data = step.data();
  wide.bytes = 8 * step.size();
  wide.type = "int64";
  wide.name = "step";
  wide.grid.shape = { 12, 12, 12 };
  wide.grid.association = neuvol::Association::Cell;
  options.target = neuvol::Target::psnr(11);
  const neuvol::Compressed missed = neuvol::compress(wide, options);
  CHECK(missed.outcome().warnings.size() == 2 && missed.outcome().psnr > 12);
  CHECK(has(missed.outcome().warnings[0], "'step' are int64") && has(missed.outcome().warnings[0], "int32"));
  CHECK(has(missed.outcome().warnings[1], "within 1 dB of the target"));
  CHECK(missed.open().info().grid.association == neuvol::Association::Cell && !missed.open().info().grid.flat[0]);
  wide.grid.flat = { true, false, false };
  CHECK(has(messageOf([&] { neuvol::compress(wide, options); }), "not flat"));
  options.target = neuvol::Target::psnr(30);

  // DLPack: a region out, without a copy, its shape z, y, x.
  DLManagedTensorVersioned* row = volume.readTensor({ { 0, 7, 5 }, { 100, 8, 7 }, 1 }, "float32");
  CHECK(row->major == 1 && row->flags == 0 && row->deviceType == 1 && row->byteOffset == 0);
  CHECK(row->typeCode == 2 && row->typeBits == 32 && row->typeLanes == 1);
  CHECK(row->axes == 3 && row->shape[0] == 2 && row->shape[1] == 1 && row->shape[2] == 100);
  CHECK(row->strides[0] == 100 && row->strides[1] == 100 && row->strides[2] == 1);
  CHECK(static_cast<float*>(row->data)[100 + 3] == decoded[3 + 100 * (7 + 80 * 6)]);
  row->deleter(row);
  CHECK(has(messageOf([&] { volume.readTensor({ { 0, 0, 0 }, { 101, 1, 1 }, 1 }, "int16"); }), "not a region"));
  CHECK(has(messageOf([&] { volume.readTensor({ { 5, 0, 0 }, { 1, 1, 1 }, 1 }, "int16"); }), "not a region"));
  CHECK(has(messageOf([&] { volume.readTensor(volume.whole(0), "int16"); }), "stride"));
  CHECK(has(messageOf([&] { volume.readTensor(volume.whole(), "int64"); }), "int64"));
  // A type that the cache does not have: nothing can be stopped where nothing is to be done.
  stopped = false;
  try
  {
    volume.readTensor(volume.whole(), "float64", [](double) { return false; });
  }
  catch (const neuvol::Interrupted&)
  {
    stopped = true;
  }
  CHECK(stopped);

  // Points, as sample() gives them.
  DLManagedTensorVersioned* sampled = volume.sampleTensor(points, 3, how);
  CHECK(sampled->deviceType == 1 && sampled->axes == 1 && sampled->shape[0] == 3 && sampled->typeBits == 32);
  const float* at = static_cast<const float*>(sampled->data);
  CHECK(at[0] == float(values[0]) && at[1] == float(values[1]) && std::isnan(at[2]));
  sampled->deleter(sampled);
  DLManagedTensorVersioned* none = volume.sampleTensor(nullptr, 0, how);
  CHECK(none->axes == 1 && none->shape[0] == 0);
  none->deleter(none);

  // In a device's memory: the same voxels, or why there is no such tensor. No machine has so many devices.
  const auto onDevice = [](const neuvol::Volume& of)
  { return of.readTensor(of.slice(2, 5), "int16", {}, neuvol::Memory::Device); };
  const std::string notThere = messageOf([&] { onDevice(volume); });
  CHECK(has(notThere, "not on a CUDA device") || has(notThere, "built without CUDA"));
  const neuvol::Volume standIn = neuvol::Volume::open(folder + "/scene.nvol", { 1, 0, "cuda:4095" });
  CHECK(has(messageOf([&] { onDevice(standIn); }), "a tensor cannot be in a device's memory: "));
  CHECK(has(messageOf([&] { standIn.sampleTensor(points, 3, how, neuvol::Memory::Device); }), "cuda"));
  const neuvol::Volume onFirst = neuvol::Volume::open(folder + "/scene.nvol", { 1, 0, "cuda:0" });
  if (onFirst.deviceNote().empty())
  {
    DLManagedTensorVersioned* there = onDevice(onFirst);
    CHECK(there->deviceType == 2 && there->deviceId == 0 && there->shape[1] == 80 && there->shape[2] == 100);
    // Taken back in, which copies it from the device.
    const neuvol::Volume taken = neuvol::compress(there, samples, options).open();
    CHECK((taken.info().grid.shape == std::array<std::size_t, 3>{ 100, 80, 1 }));
  }
  else
  {
    CHECK(has(messageOf([&] { onDevice(onFirst); }), onFirst.deviceNote().c_str()) ||
      has(messageOf([&] { onDevice(onFirst); }), "built without CUDA"));
  }

  // In: the tensor of the same voxels makes the same volume.
  const neuvol::Compressed fromTensor =
    neuvol::compress(volume.readTensor({ { 0, 0, 0 }, { 100, 80, 10 }, 1 }, "int16"), samples, options);
  const neuvol::Volume same = fromTensor.open();
  CHECK(same.info().name == "slab" && same.info().grid.origin[2] == 3 && same.info().sampleType == "int16");
  CHECK((same.info().grid.shape == std::array<std::size_t, 3>{ 100, 80, 10 }));
  CHECK(same.read<float>(same.whole()) == again.read<float>(again.whole()));

  // A tensor of the caller's is given back once, whatever becomes of it.
  static int deleted = 0;
  std::int64_t shape[] = { 10, 80, 100 }, strides[] = { 8000, 100, 1 };
  DLManagedTensorVersioned own{};
  own.major = 1;
  own.deleter = [](DLManagedTensorVersioned*) { ++deleted; };
  own.data = decoded.data();
  own.deviceType = 1;
  own.axes = 3;
  own.typeBits = 16;
  own.typeLanes = 1;
  own.shape = shape;
  own.strides = strides;
  CHECK(neuvol::compress(&own, samples, options).open().read<float>(same.whole()) == same.read<float>(same.whole()));
  CHECK(deleted == 1);
  neuvol::Description odd;
  odd.name = "\xff";
  CHECK(has(messageOf([&] { neuvol::compress(&own, odd, options); }), "UTF-8") && deleted == 2);
  CHECK(has(messageOf([&] { neuvol::compress(&own, {}, options, thrower); }), "the caller's own") && deleted == 3);
  own.deviceType = 2;
  CHECK(has(messageOf([&] { neuvol::compress(&own); }), "CUDA device") && deleted == 4);
  CHECK(has(messageOf([] { neuvol::compress(static_cast<DLManagedTensorVersioned*>(nullptr)); }), "null"));
  std::printf("neuvol %s: ok\n", neuvol::version().c_str());
  return 0;
}
