#include "vtkNeuvolOverlay.h"

#include <vtkOpenGLRenderWindow.h>
#include <vtkOpenGLState.h>
#include <vtkRenderer.h>
#include <vtk_glew.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace
{

/// Rows of numbers, the first one last, in another size: between the nearest four pixels.
std::vector<float> flipped(const neuvol::Picture& picture, int width, int height)
{
  std::vector<float> out(4 * static_cast<std::size_t>(width) * height);
  // Where a pixel of the window is in the picture, and the one before it.
  const auto place = [](int n, int size, std::size_t pixels)
  {
    const double at = std::clamp((n + 0.5) * double(pixels) / size - 0.5, 0.0, double(pixels - 1));
    const auto low = std::min(static_cast<std::size_t>(at), pixels - 1);
    return std::pair<std::size_t, float>(low, static_cast<float>(at - double(low)));
  };
  for (int row = 0; row < height; ++row)
  {
    const auto [y, below] = place(height - 1 - row, height, picture.height);
    const std::size_t next = std::min(y + 1, picture.height - 1);
    for (int column = 0; column < width; ++column)
    {
      const auto [x, beside] = place(column, width, picture.width);
      const std::size_t right = std::min(x + 1, picture.width - 1);
      for (std::size_t c = 0; c < 4; ++c)
      {
        const auto at = [&](std::size_t i, std::size_t j) { return picture.rgba[4 * (i + picture.width * j) + c]; };
        const float upper = at(x, y) + beside * (at(right, y) - at(x, y));
        const float lower = at(x, next) + beside * (at(right, next) - at(x, next));
        out[4 * (column + static_cast<std::size_t>(width) * row) + c] = upper + below * (lower - upper);
      }
    }
  }
  return out;
}

} // namespace

std::vector<float> vtkNeuvolOverlay::Depth(vtkRenderer* renderer, int width, int height)
{
  auto* window = vtkOpenGLRenderWindow::SafeDownCast(renderer->GetRenderWindow());
  if (!window || renderer->GetNumberOfPropsRendered() == 0)
  {
    return {};
  }
  int size[2];
  int origin[2];
  renderer->GetTiledSizeAndOrigin(&size[0], &size[1], &origin[0], &origin[1]);
  std::vector<float> upwards(static_cast<std::size_t>(width) * height, 1.0F);
  if (window->GetZbufferData(
        origin[0], origin[1], origin[0] + width - 1, origin[1] + height - 1, upwards.data()) != VTK_OK)
  {
    return {};
  }
  std::vector<float> depth(upwards.size());
  for (int row = 0; row < height; ++row)
  {
    const auto* from = upwards.data() + static_cast<std::size_t>(width) * (height - 1 - row);
    std::copy(from, from + width, depth.data() + static_cast<std::size_t>(width) * row);
  }
  return depth;
}

void vtkNeuvolOverlay::Draw(vtkRenderer* renderer, const neuvol::Picture& picture, int width, int height)
{
  auto* window = vtkOpenGLRenderWindow::SafeDownCast(renderer->GetRenderWindow());
  if (!window || picture.width == 0 || picture.height == 0)
  {
    return;
  }
  int size[2];
  int origin[2];
  renderer->GetTiledSizeAndOrigin(&size[0], &size[1], &origin[0], &origin[1]);
  std::vector<float> pixels = flipped(picture, width, height);
  vtkOpenGLState* state = window->GetState();
  const vtkOpenGLState::ScopedglEnableDisable blend(state, GL_BLEND);
  const vtkOpenGLState::ScopedglEnableDisable depthTest(state, GL_DEPTH_TEST);
  const vtkOpenGLState::ScopedglBlendFuncSeparate function(state);
  const vtkOpenGLState::ScopedglDepthMask mask(state);
  const vtkOpenGLState::ScopedglViewport viewport(state);
  const vtkOpenGLState::ScopedglScissor scissor(state);
  state->vtkglEnable(GL_BLEND);
  state->vtkglDepthMask(GL_FALSE);
  // Colours are multiplied by alpha already.
  state->vtkglBlendFuncSeparate(GL_ONE, GL_ONE_MINUS_SRC_ALPHA, GL_ONE, GL_ONE_MINUS_SRC_ALPHA);
  window->DrawPixels(
    origin[0], origin[1], origin[0] + width - 1, origin[1] + height - 1, 4, VTK_FLOAT, pixels.data());
}
