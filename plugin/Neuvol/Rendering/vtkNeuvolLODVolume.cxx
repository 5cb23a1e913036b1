#include "vtkNeuvolLODVolume.h"

#include <vtkInformation.h>
#include <vtkObjectFactory.h>
#include <vtkOpenGLRenderPass.h>

vtkStandardNewMacro(vtkNeuvolLODVolume);

int vtkNeuvolLODVolume::RenderVolumetricGeometry(vtkViewport* viewport)
{
  vtkInformation* keys = this->GetPropertyKeys();
  if (keys && keys->Has(vtkOpenGLRenderPass::RenderPasses()))
  {
    this->IsPeeled = true;
    return 0;
  }
  return this->Superclass::RenderVolumetricGeometry(viewport);
}

int vtkNeuvolLODVolume::RenderOverlay(vtkViewport* viewport)
{
  if (!this->IsPeeled)
  {
    return 0;
  }
  this->IsPeeled = false;
  return this->Superclass::RenderVolumetricGeometry(viewport);
}
