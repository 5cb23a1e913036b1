// Pictures over the bridge.

#include "neuvol/rendering.h"

#include "conversions.h"

namespace neuvol
{

struct Renderer::Implementation
{
  rust::Box<bridge::OpenRenderer> Handle;
};

namespace
{

bridge::Scene sceneOf(const Scene& scene)
{
  bridge::Scene out;
  for (const auto& [value, colour] : scene.colours)
  {
    out.colours.push_back(value);
    std::copy(colour.begin(), colour.end(), std::back_inserter(out.colours));
  }
  for (const auto& [value, opacity] : scene.opacities)
  {
    out.opacities.push_back(value);
    out.opacities.push_back(opacity);
  }
  out.mode = scene.mode == BlendMode::Isosurface ? bridge::BlendMode::Isosurface
    : scene.mode == BlendMode::MaximumIntensity  ? bridge::BlendMode::MaximumIntensity
                                                 : bridge::BlendMode::Composite;
  out.iso_value = scene.isoValue;
  if (scene.shading)
  {
    for (const float number :
      { scene.shading->ambient, scene.shading->diffuse, scene.shading->specular, scene.shading->power })
    {
      out.shading.push_back(number);
    }
  }
  out.level = scene.level;
  out.step = scene.step;
  out.unit_distance = scene.unitDistance;
  if (scene.clipBox)
  {
    for (const auto& corner : *scene.clipBox)
    {
      std::copy(corner.begin(), corner.end(), std::back_inserter(out.clip_box));
    }
  }
  for (const auto& plane : scene.clipPlanes)
  {
    std::copy(plane.begin(), plane.end(), std::back_inserter(out.clip_planes));
  }
  if (scene.part)
  {
    std::copy(scene.part->start.begin(), scene.part->start.end(), std::back_inserter(out.part));
    std::copy(scene.part->end.begin(), scene.part->end.end(), std::back_inserter(out.part));
  }
  return out;
}

} // namespace

Renderer::Renderer(const Volume& volume, std::size_t cacheBytes)
  : Inside(guarded(
      [&] { return std::make_unique<Implementation>(Implementation{ volume.Inside->Handle->renderer(cacheBytes) }); }))
{
}
Renderer::Renderer(Renderer&&) noexcept = default;
Renderer& Renderer::operator=(Renderer&&) noexcept = default;
Renderer::~Renderer() = default;

Picture Renderer::render(const View& view, const Scene& scene, double seconds, const std::vector<float>& depth,
  const Progress& progress) const
{
  constexpr std::size_t most = std::size_t{ 1 } << 16;
  if (view.width == 0 || view.height == 0 || view.width > most || view.height > most)
  {
    throw Error("a picture has 1 to 65536 pixels along each side, not " + std::to_string(view.width) + "x" +
      std::to_string(view.height));
  }
  Picture picture;
  picture.rgba.resize(4 * view.width * view.height);
  picture.depth.resize(view.width * view.height);
  const Caller caller(progress);
  guarded(
    [&]
    {
      bridge::View seen;
      std::copy(view.worldToClip.begin(), view.worldToClip.end(), seen.world_to_clip.begin());
      seen.size = { view.width, view.height };
      seen.seconds = seconds;
      const auto ends =
        depth.empty() ? rust::Slice<const float>() : rust::Slice<const float>(depth.data(), depth.size());
      const auto made = this->Inside->Handle->render(seen, sceneOf(scene), ends,
        rust::Slice<float>(picture.rgba.data(), picture.rgba.size()),
        rust::Slice<float>(picture.depth.data(), picture.depth.size()), caller);
      picture.width = made.size[0];
      picture.height = made.size[1];
      picture.level = made.level;
      picture.blocks = made.blocks;
      picture.marched = made.marched;
      picture.decoded = made.decoded;
    },
    &caller);
  picture.rgba.resize(4 * picture.width * picture.height);
  picture.depth.resize(picture.width * picture.height);
  return picture;
}

std::vector<Region> Renderer::parts(std::size_t count) const
{
  return guarded(
    [&]
    {
      const auto numbers = this->Inside->Handle->parts(count);
      std::vector<Region> parts(numbers.size() / 6);
      for (std::size_t n = 0; n < numbers.size(); ++n)
      {
        auto& corner = n % 6 < 3 ? parts[n / 6].start : parts[n / 6].end;
        corner[n % 3] = numbers[n];
      }
      for (Region& part : parts)
      {
        part.stride = 1;
      }
      return parts;
    });
}

} // namespace neuvol
