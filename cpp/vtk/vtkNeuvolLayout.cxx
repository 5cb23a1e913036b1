#include "vtkNeuvolLayout.h"

#include "vtkNeuvolImage.h"

#include <algorithm>
#include <cmath>

namespace
{

/// Whether an axis has a point more than samples.
bool HasCells(const neuvol::Grid& grid, int axis)
{
  return vtkNeuvolImage::Margin(grid, axis) > 0.0;
}

} // namespace

vtkNeuvolSampled::vtkNeuvolSampled(const neuvol::Info& info, int level, int stride)
  : Level(std::min(static_cast<std::size_t>(level), info.levels.size() - 1))
  , Grid(info.grid)
{
  for (int a = 0; a < 3; ++a)
  {
    this->Stride[a] = static_cast<int>(info.levels[this->Level].stride[a]) * stride;
    this->Grid.shape[a] = (info.grid.shape[a] - 1) / this->Stride[a] + 1;
    this->Grid.spacing[a] *= this->Stride[a];
  }
}

std::array<int, 2> vtkNeuvolLayout::SamplesOf(const neuvol::Grid& grid, int axis, int from, int to, int last)
{
  const int end = HasCells(grid, axis) ? std::max(from, to - 1) : to;
  return { std::clamp(from, 0, last), std::clamp(end, 0, last) };
}

vtkNeuvolLayout::vtkNeuvolLayout(const neuvol::Info& info, const vtkNeuvolSampled& sampled, const int region[6])
  : Spacing(sampled.Grid.spacing)
  , Direction(sampled.Grid.direction)
{
  vtkNeuvolImage::FirstPoint(sampled.Grid, this->Origin.data());
  for (int a = 0; a < 3; ++a)
  {
    const int stride = sampled.Stride[a];
    const int last = static_cast<int>(info.grid.shape[a]) - 1;
    const bool whole = region[2 * a + 1] < region[2 * a];
    const std::array<int, 2> samples = SamplesOf(info.grid, a, region[2 * a], region[2 * a + 1], last);
    const int from = whole ? 0 : samples[0];
    const int to = whole ? last : samples[1];
    int* extent = this->Extent.data() + 2 * a;
    extent[0] = (from + stride - 1) / stride;
    extent[1] = to / stride;
    // A region thinner than the stride has the sample before it.
    extent[0] = std::min(extent[0], extent[1]);
    extent[1] += HasCells(info.grid, a) ? 1 : 0;
  }
}

bool vtkNeuvolLayout::IsLike(const vtkNeuvolLayout& other) const
{
  const double unit = *std::min_element(this->Spacing.begin(), this->Spacing.end());
  const auto near = [&](double a, double b) { return std::abs(a - b) <= 1e-6 * unit; };
  return this->Extent == other.Extent && this->Direction == other.Direction &&
    std::equal(this->Origin.begin(), this->Origin.end(), other.Origin.begin(), near) &&
    std::equal(this->Spacing.begin(), this->Spacing.end(), other.Spacing.begin(), near);
}
