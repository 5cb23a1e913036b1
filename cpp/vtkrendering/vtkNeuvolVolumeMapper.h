/**
 * @class vtkNeuvolVolumeMapper
 * @brief renders a neural volume (.nvol) straight from the compressed form
 *
 * A volume mapper without input: it is given the name of a file, and casts rays on the CPU through the blocks of the volume that the picture
 * needs. Nothing is decompressed first; what is hidden, transparent or outside the view is not decoded at all. Colours, opacities, unit
 * distance and light are those of the vtkVolumeProperty (its first component); gradient opacities are not used. Composite, maximum intensity
 * and isosurface blending, cropping by clipping planes, and opaque geometry in the same scene work as in VTK's own mappers. Translucent
 * geometry is drawn before volumes, as VTK does without depth peeling.
 *
 * While the window's desired update rate is 1 or more, as it is while a user turns the scene, a picture has fewer pixels or a coarser level
 * of detail; a still picture shows the volume itself.
 */

#ifndef vtkNeuvolVolumeMapper_h
#define vtkNeuvolVolumeMapper_h

#include "vtkNeuvolRenderingModule.h"

#include <vtkAbstractVolumeMapper.h>

#include <memory>

class VTKNEUVOLRENDERING_EXPORT vtkNeuvolVolumeMapper : public vtkAbstractVolumeMapper
{
public:
  static vtkNeuvolVolumeMapper* New();
  vtkTypeMacro(vtkNeuvolVolumeMapper, vtkAbstractVolumeMapper);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /**
   * The file.
   */
  vtkSetFilePathMacro(FileName);
  vtkGetFilePathMacro(FileName);
  ///@}

  ///@{
  /**
   * Which array, component and time step of a file of several: an empty name is the first array. By default component 0 and step 0.
   */
  vtkSetStringMacro(ArrayName);
  vtkGetStringMacro(ArrayName);
  vtkSetClampMacro(Component, int, 0, VTK_INT_MAX);
  vtkGetMacro(Component, int);
  vtkSetClampMacro(TimeStep, int, 0, VTK_INT_MAX);
  vtkGetMacro(TimeStep, int);
  ///@}

  enum
  {
    COMPOSITE_BLEND,
    MAXIMUM_INTENSITY_BLEND,
    ISOSURFACE_BLEND
  };

  ///@{
  /**
   * How samples become pixels; COMPOSITE_BLEND by default.
   */
  vtkSetClampMacro(BlendMode, int, COMPOSITE_BLEND, ISOSURFACE_BLEND);
  vtkGetMacro(BlendMode, int);
  ///@}

  ///@{
  /**
   * The value of the isosurface.
   */
  vtkSetMacro(IsoValue, double);
  vtkGetMacro(IsoValue, double);
  ///@}

  ///@{
  /**
   * Distance between the samples of a ray in the world; 0, the default, takes the edge of a voxel.
   */
  vtkSetClampMacro(SampleDistance, double, 0, VTK_DOUBLE_MAX);
  vtkGetMacro(SampleDistance, double);
  ///@}

  ///@{
  /**
   * Level of detail of still pictures; 0, the default, is the volume itself.
   */
  vtkSetClampMacro(Level, int, 0, VTK_INT_MAX);
  vtkGetMacro(Level, int);
  ///@}

  ///@{
  /**
   * Whether pictures are made within the window's desired update rate while it is 1 or more. On by default.
   */
  vtkSetMacro(AutoAdjust, bool);
  vtkGetMacro(AutoAdjust, bool);
  vtkBooleanMacro(AutoAdjust, bool);
  ///@}

  ///@{
  /**
   * Threads; 0, the default, takes the machine's cores, shared among the MPI ranks that run on it.
   */
  vtkSetClampMacro(Threads, int, 0, 4096);
  vtkGetMacro(Threads, int);
  ///@}

  ///@{
  /**
   * Megabytes of decoded blocks that are kept for the next picture; 512 by default.
   */
  vtkSetClampMacro(CacheSize, int, 0, VTK_INT_MAX);
  vtkGetMacro(CacheSize, int);
  ///@}

  ///@{
  /**
   * Which part is rendered of how many, where several processes make one picture together. PartBounds are its bounds in the world, for the
   * order in which pictures are composited.
   */
  vtkSetClampMacro(Part, int, 0, VTK_INT_MAX);
  vtkGetMacro(Part, int);
  vtkSetClampMacro(NumberOfParts, int, 1, VTK_INT_MAX);
  vtkGetMacro(NumberOfParts, int);
  bool GetPartBounds(double bounds[6]);
  ///@}

  /**
   * The volume's bounds in the world; uninitialized where the file cannot be read.
   */
  double* GetBounds() VTK_SIZEHINT(6) override;
  using vtkAbstractVolumeMapper::GetBounds;

  /**
   * Smallest and largest value of the volume; false where the file cannot be read.
   */
  bool GetScalarRange(double range[2]);

  /**
   * A voxel's diagonal, which is the unit distance of opacities unless the property says otherwise; 0 where the file cannot be read.
   */
  double GetDefaultUnitDistance();

  ///@{
  /**
   * What the last picture was: its level of detail, its pixels by the window's along an axis, blocks of the volume, those that rays went
   * through and those that were decoded for it.
   */
  vtkGetMacro(RenderedLevel, int);
  vtkGetMacro(RenderedReduction, double);
  vtkGetMacro(NumberOfBlocks, int);
  vtkGetMacro(NumberOfMarchedBlocks, int);
  vtkGetMacro(NumberOfDecodedBlocks, int);
  ///@}

  /**
   * Renders; VTK calls it after everything opaque and translucent.
   */
  void Render(vtkRenderer* renderer, vtkVolume* volume) override;
  void ReleaseGraphicsResources(vtkWindow*) override {}

  /**
   * VTK draws no volume whose mapper has no data: an image of one point stands for the file.
   */
  vtkDataObject* GetDataObjectInput() override;
  vtkDataSet* GetDataSetInput() override;

protected:
  vtkNeuvolVolumeMapper();
  ~vtkNeuvolVolumeMapper() override;

  char* FileName = nullptr;
  char* ArrayName = nullptr;
  int Component = 0;
  int TimeStep = 0;
  int BlendMode = COMPOSITE_BLEND;
  double IsoValue = 0;
  double SampleDistance = 0;
  int Level = 0;
  bool AutoAdjust = true;
  int Threads = 0;
  int CacheSize = 512;
  int Part = 0;
  int NumberOfParts = 1;
  int RenderedLevel = 0;
  double RenderedReduction = 1;
  int NumberOfBlocks = 0;
  int NumberOfMarchedBlocks = 0;
  int NumberOfDecodedBlocks = 0;

private:
  vtkNeuvolVolumeMapper(const vtkNeuvolVolumeMapper&) = delete;
  void operator=(const vtkNeuvolVolumeMapper&) = delete;

  /// Opens what the properties name, unless it is open; reports an error once.
  bool Open();

  struct Internals;
  std::unique_ptr<Internals> Inside;
};

#endif
