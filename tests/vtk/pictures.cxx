// Pictures through neuvol/rendering.h alone: pictures SCENE_FOLDER

#include "check.h"

#include <neuvol/rendering.h>

#include <algorithm>

int main(int, char** argv)
{
  const std::string folder = argv[1];
  const neuvol::Volume volume = neuvol::Volume::open(folder + "/scene.nvol");
  const neuvol::Renderer renderer(volume);

  // Without perspective, along z, over the middle of the grid and as wide as it is.
  const neuvol::Grid& grid = volume.info().grid;
  const auto middle = [&](std::size_t a) { return grid.origin[a] + grid.spacing[a] * (double(grid.shape[a]) - 1) / 2; };
  const double half = grid.spacing[0] * double(grid.shape[0]) / 2;
  const double deep = grid.spacing[2] * double(grid.shape[2]);
  neuvol::View view;
  view.worldToClip = { 1 / half, 0, 0, -middle(0) / half, 0, 1 / half, 0, -middle(1) / half, 0, 0, -1 / deep,
    middle(2) / deep, 0, 0, 0, 1 };
  view.width = 64;
  view.height = 48;

  neuvol::Scene scene;
  scene.colours = { { -700, { 0.1, 0.2, 0.6 } }, { 500, { 1, 1, 0.9 } } };
  scene.opacities = { { -600, 0 }, { 500, 0.4 } };
  scene.shading = neuvol::Shading{};
  const neuvol::Picture picture = renderer.render(view, scene);
  CHECK(picture.width == 64 && picture.height == 48 && picture.level == 0);
  CHECK(picture.rgba.size() == 4 * 64 * 48 && picture.depth.size() == 64 * 48);
  CHECK(picture.marched > 0 && picture.marched <= picture.blocks && picture.decoded == picture.marched);
  float most = 0;
  for (std::size_t n = 3; n < picture.rgba.size(); n += 4)
  {
    most = std::max(most, picture.rgba[n]);
  }
  CHECK(most > 0.5F && most <= 1.0F);
  // The blocks are kept.
  CHECK(renderer.render(view, scene).decoded == 0);
  CHECK(renderer.render(view, scene).rgba == picture.rgba);

  // Another level, a surface, in a hurry, with rays that end at once, one of two parts.
  neuvol::Scene other = scene;
  other.level = 1;
  CHECK(renderer.render(view, other).level == 1);
  other.level = 0;
  other.mode = neuvol::BlendMode::Isosurface;
  other.isoValue = 0;
  const neuvol::Picture surface = renderer.render(view, other);
  CHECK(surface.rgba != picture.rgba);
  const neuvol::Picture hurried = renderer.render(view, scene, 1e-9);
  CHECK(hurried.width == 16 && hurried.rgba.size() == 4 * hurried.width * hurried.height);
  const neuvol::Picture nothing = renderer.render(view, scene, 0, std::vector<float>(64 * 48, 0.0F));
  CHECK(*std::max_element(nothing.rgba.begin(), nothing.rgba.end()) == 0.0F);
  const std::vector<neuvol::Region> parts = renderer.parts(2);
  CHECK(parts.size() == 2);
  scene.part = parts[1];
  CHECK(renderer.render(view, scene).blocks == picture.blocks);
  CHECK(renderer.render(view, scene).marched < picture.marched);

  // What makes no picture says why.
  scene.part.reset();
  scene.opacities.clear();
  CHECK(has(messageOf([&] { renderer.render(view, scene); }), "opacities"));
  CHECK(has(messageOf([&] { renderer.render(view, other, 0, { 1.0F }); }), "depths"));
  view.width = 0;
  CHECK(has(messageOf([&] { renderer.render(view, other); }), "pixels"));
  view.width = 64;
  bool stopped = false;
  try
  {
    renderer.render(view, other, 0, {}, [](double) { return false; });
  }
  catch (const neuvol::Interrupted&)
  {
    stopped = true;
  }
  CHECK(stopped);
  std::printf("pictures: ok\n");
  return 0;
}
