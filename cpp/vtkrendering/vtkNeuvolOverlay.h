// What a renderer has drawn, and a picture over it. Not installed.

#ifndef vtkNeuvolOverlay_h
#define vtkNeuvolOverlay_h

#include <neuvol/rendering.h>

#include <vector>

class vtkRenderer;

namespace vtkNeuvolOverlay
{

/// Depths from 0 to 1 of what a renderer has drawn, rows from the top, of its part of the window; empty where it drew nothing.
std::vector<float> Depth(vtkRenderer* renderer, int width, int height);

/// Draws a picture over what a renderer has drawn: as large as its part of the window, pixel by pixel; a smaller one between its pixels.
void Draw(vtkRenderer* renderer, const neuvol::Picture& picture, int width, int height);

} // namespace vtkNeuvolOverlay

#endif
