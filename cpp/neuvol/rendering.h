// Pictures of neural volumes, straight from the compressed form: see neuvol.h for everything else.
//
//   const neuvol::Renderer renderer(neuvol::Volume::open("ct.nvol"));
//   neuvol::Scene scene;
//   scene.colours = { { 180, { 0.7, 0.4, 0.2 } }, { 400, { 1, 0.95, 0.85 } } };
//   scene.opacities = { { 180, 0 }, { 400, 0.8 } };
//   const neuvol::Picture picture = renderer.render(view, scene);

#ifndef neuvol_rendering_h
#define neuvol_rendering_h

#include "neuvol.h"

#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace neuvol
{

/// How a ray's samples become a pixel.
enum class BlendMode
{
  Composite,
  /// The colour and the opacity of the largest value.
  MaximumIntensity,
  /// The first surface of a value, opaque.
  Isosurface
};

/// Light of a lamp at the camera, with VTK's meaning.
struct Shading
{
  float ambient = 0.1F;
  float diffuse = 0.7F;
  float specular = 0.2F;
  float power = 10.0F;
};

/// What a picture shows of a volume, and how.
struct Scene
{
  /// Colours (red, green, blue from 0 to 1) and opacities (0 to 1: what a ray loses in unitDistance) at values, in ascending order; even
  /// between two values, and as at the outermost ones beyond.
  std::vector<std::pair<double, std::array<double, 3>>> colours;
  std::vector<std::pair<double, double>> opacities;
  BlendMode mode = BlendMode::Composite;
  double isoValue = 0;
  std::optional<Shading> shading;
  /// The level of detail, 0 for the volume itself.
  std::size_t level = 0;
  /// Distance between a ray's samples in the world, and the length in which it loses an opacity; 0: a voxel, and its diagonal.
  double step = 0;
  double unitDistance = 0;
  /// What is shown, in voxels: lowest and highest corner.
  std::optional<std::array<std::array<double, 3>, 2>> clipBox;
  /// Half-spaces of the world that are shown: a x + b y + c z + d >= 0.
  std::vector<std::array<double, 4>> clipPlanes;
  /// One of Renderer::parts: the picture of that part alone, with the samples of the whole.
  std::optional<Region> part;
};

/// A picture to be made.
struct View
{
  /// Row by row: from the world to clip space as OpenGL has it.
  std::array<double, 16> worldToClip{};
  std::size_t width = 0;
  std::size_t height = 0;
};

/// A rendered picture, rows from the top.
struct Picture
{
  std::size_t width = 0;
  std::size_t height = 0;
  /// Red, green, blue, multiplied by alpha, and alpha.
  std::vector<float> rgba;
  /// From 0 at the near plane to 1, where nothing is: where a ray lost half of its light, found its largest value or its surface.
  std::vector<float> depth;
  /// The level of detail that it shows.
  std::size_t level = 0;
  /// Blocks that the volume has at this level, that rays went through, and that were decoded for it.
  std::size_t blocks = 0;
  std::size_t marched = 0;
  std::size_t decoded = 0;
};

/// Renders a volume, and keeps decoded blocks for the next picture. A picture is a function of file, view and scene alone.
class NEUVOL_EXPORT Renderer
{
public:
  /// Keeps so many bytes of decoded blocks at most.
  explicit Renderer(const Volume& volume, std::size_t cacheBytes = std::size_t{ 512 } << 20);

  Renderer(Renderer&&) noexcept;
  Renderer& operator=(Renderer&&) noexcept;
  ~Renderer();

  /// A picture. With `seconds` above 0 one that is likely to be done within them: with fewer pixels, or of a coarser level. Rays end at `depth`,
  /// a value a pixel of the view, rows from the top, where it is not empty.
  Picture render(const View& view, const Scene& scene, double seconds = 0, const std::vector<float>& depth = {},
    const Progress& progress = {}) const;

  /// The volume cut into parts for so many processes that make one picture together; some are empty where there are few blocks.
  std::vector<Region> parts(std::size_t count) const;

private:
  struct Implementation;
  std::unique_ptr<Implementation> Inside;
};

} // namespace neuvol

#endif
