/**
 * @class vtkNeuvolVolumeRepresentation
 * @brief Neuvol Volume: renders a neural volume straight from its file
 *
 * For the output of vtkNeuvolVolumeSource, or any data with its field data. Every process that has the data renders its part of the volume.
 */

#ifndef vtkNeuvolVolumeRepresentation_h
#define vtkNeuvolVolumeRepresentation_h

#include "vtkNeuvolParaViewRenderingModule.h"

#include <vtkVolumeRepresentation.h>

class vtkNeuvolVolumeMapper;
class vtkPolyDataMapper;

class VTKNEUVOLPARAVIEWRENDERING_EXPORT vtkNeuvolVolumeRepresentation : public vtkVolumeRepresentation
{
public:
  static vtkNeuvolVolumeRepresentation* New();
  vtkTypeMacro(vtkNeuvolVolumeRepresentation, vtkVolumeRepresentation);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  int ProcessViewRequest(vtkInformationRequestKey* type, vtkInformation* in, vtkInformation* out) override;

  ///@{
  /**
   * Forwarded to the mapper; see vtkNeuvolVolumeMapper.
   */
  void SetBlendMode(int mode);
  void SetIsoValue(double value);
  void SetSampleDistance(double distance);
  void SetLevel(int level);
  void SetAutoAdjust(bool adjust);
  void SetThreads(int threads);
  void SetCacheSize(int megabytes);
  ///@}

  ///@{
  /**
   * Forwarded to the volume's property.
   */
  void SetShade(bool shade);
  void SetAmbient(double value);
  void SetDiffuse(double value);
  void SetSpecular(double value);
  void SetSpecularPower(double value);
  ///@}

  /**
   * The length in which a ray loses an opacity; 0 takes a voxel's diagonal.
   */
  vtkSetMacro(UnitDistance, double);

  /**
   * Colours, of which the component of vectors is known, too.
   */
  void SetLookupTable(vtkColorTransferFunction* table);

protected:
  vtkNeuvolVolumeRepresentation();
  ~vtkNeuvolVolumeRepresentation() override;

  int FillInputPortInformation(int port, vtkInformation* info) override;
  int RequestData(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;
  bool AddToView(vtkView* view) override;
  bool RemoveFromView(vtkView* view) override;

private:
  vtkNeuvolVolumeRepresentation(const vtkNeuvolVolumeRepresentation&) = delete;
  void operator=(const vtkNeuvolVolumeRepresentation&) = delete;

  void UpdateMapper();
  void SayWhereNothingIsDrawn();

  vtkNew<vtkNeuvolVolumeMapper> Mapper;
  vtkNew<vtkPolyDataMapper> OutlineMapper;
  vtkColorTransferFunction* Table = nullptr;
  double UnitDistance = 0;
  /// Whether the view traces rays, as it was last asked.
  bool IsTraced = false;
};

#endif
