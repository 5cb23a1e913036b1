// The volume of ParaView's views, drawn last where translucent surfaces are peeled. Not installed.

#ifndef vtkNeuvolLODVolume_h
#define vtkNeuvolLODVolume_h

#include <vtkPVLODVolume.h>

/// Depth peeling renders volumes several times a picture, into textures that have the peels. This one is left out there, and drawn over the
/// translucent surfaces afterwards, as without peeling.
class vtkNeuvolLODVolume : public vtkPVLODVolume
{
public:
  static vtkNeuvolLODVolume* New();
  vtkTypeMacro(vtkNeuvolLODVolume, vtkPVLODVolume);

  int RenderVolumetricGeometry(vtkViewport* viewport) override;
  int RenderOverlay(vtkViewport* viewport) override;

private:
  bool IsPeeled = false;
};

#endif
