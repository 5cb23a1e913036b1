// What is read of a file's grid, and where it lies in an image. Not installed.

#ifndef vtkNeuvolLayout_h
#define vtkNeuvolLayout_h

#include <neuvol/neuvol.h>

#include <array>

/// What is read of a file's grid: a level of detail, or every so many-th voxel.
struct vtkNeuvolSampled
{
  std::size_t Level;
  /// Voxels from sample to sample.
  std::array<int, 3> Stride;
  /// Where the samples lie.
  neuvol::Grid Grid;

  /// A level beyond the last one is the last one.
  vtkNeuvolSampled(const neuvol::Info& info, int level, int stride);
};

/// Where an image's points lie.
struct vtkNeuvolLayout
{
  /// The whole extent, counted in strides from the grid's first voxel.
  std::array<int, 6> Extent;
  std::array<double, 3> Origin;
  std::array<double, 3> Spacing;
  std::array<double, 9> Direction;

  /// Of the points of the samples inside the region; an axis of it that ends before it begins is whole.
  vtkNeuvolLayout(const neuvol::Info& info, const vtkNeuvolSampled& sampled, const int region[6]);

  /// But for rounding: the points of cells are computed from the cells' centres.
  bool IsLike(const vtkNeuvolLayout& other) const;

  /// First and last sample along an axis of those that an extent of points has, the last sample there is being `last`.
  /// Where points have cells between them, a single point has the cell behind it, as VTK's filters have it, or the last.
  static std::array<int, 2> SamplesOf(const neuvol::Grid& grid, int axis, int from, int to, int last);
};

#endif
