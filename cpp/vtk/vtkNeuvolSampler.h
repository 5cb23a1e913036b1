/**
 * @class vtkNeuvolSampler
 * @brief evaluate a neural volume (.nvol) at the points of a data set
 *
 * The output is the input with a point array of the volume's values at its points, whatever the input is: a slice, a
 * mesh, streamlines, an unstructured grid. No image is made in between, and the cost follows the number of points.
 *
 * At a voxel the value is the decoded voxel; between voxels it is the field, unrounded. Points outside the grid, and
 * points whose nearest voxel is masked (in any of the components that are evaluated), are 0 in the mask array (as with
 * vtkProbeFilter). Of cell data the grid reaches
 * to the cells' faces, half a voxel beyond the outermost centres, where the value is that of the nearest place between
 * centres.
 *
 * Of a file of several arrays one is evaluated (ArrayName), with all of its components in one array of results or one of them
 * (Component). Of a file with time steps it is the step of the pipeline's time (TimeStep); the output has the file's time steps
 * where the input has none of its own.
 *
 * Gradients are by the world coordinates, and 0 where a component's voxel is masked or the point outside; see GradientType for
 * which there are. Of several components they are a tuple of x, y and z of the first, of the second, and so on.
 *
 * Arrays of the input are never replaced: where the input has an array of a result's name, " (neural)" comes behind
 * that, then " (neural 2)", and so on; where the name is ResultArrayName, a warning says so.
 *
 * Values are float, or double where the volume's type has more than 24 bits.
 */

#ifndef vtkNeuvolSampler_h
#define vtkNeuvolSampler_h

#include "vtkDataSetAlgorithm.h"
#include "vtkNeuvolModule.h" // for the export macro

#include <memory> // for the implementation

class VTKNEUVOL_EXPORT vtkNeuvolSampler : public vtkDataSetAlgorithm
{
public:
  static vtkNeuvolSampler* New();
  vtkTypeMacro(vtkNeuvolSampler, vtkDataSetAlgorithm);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /**
   * The neural volume to evaluate.
   */
  vtkSetFilePathMacro(FileName);
  vtkGetFilePathMacro(FileName);
  ///@}

  ///@{
  /**
   * The array to evaluate; empty (the default): the file's first one of a single component or, where all have several, its
   * first one. A name that the file does not have is an error that lists those it has.
   */
  vtkSetStringMacro(ArrayName);
  vtkGetStringMacro(ArrayName);
  ///@}

  ///@{
  /**
   * The component to evaluate, counted from 0; -1 (the default): all of them.
   */
  vtkSetClampMacro(Component, int, -1, 8);
  vtkGetMacro(Component, int);
  ///@}

  ///@{
  /**
   * The time step to evaluate, counted from 0; -1 (the default): the last one that is not later than the pipeline's time, by the
   * file's times or, where it does not say them, by the steps' numbers; the first one where the pipeline has no time.
   */
  vtkSetClampMacro(TimeStep, int, -1, VTK_INT_MAX);
  vtkGetMacro(TimeStep, int);
  ///@}

  ///@{
  /**
   * Adds a point array of gradients. Off by default.
   */
  vtkSetMacro(ComputeGradients, bool);
  vtkGetMacro(ComputeGradients, bool);
  vtkBooleanMacro(ComputeGradients, bool);
  ///@}

  enum GradientTypes
  {
    FIELD = 0,
    SMOOTH = 1
  };
  ///@{
  /**
   * What the gradient at a point is. FIELD (the default): the derivative of the field as it is evaluated; of a latent
   * grid, the default of files, and of exact or bounded samples the field is trilinear in each cell of eight voxels, and
   * its derivative jumps from cell to cell; of a network of the position it is the network's own. SMOOTH: central
   * differences at the voxels, interpolated trilinearly: continuous, as shading and integration want it, and blunter.
   */
  vtkSetClampMacro(GradientType, int, FIELD, SMOOTH);
  vtkGetMacro(GradientType, int);
  ///@}

  ///@{
  /**
   * On: a point outside takes the value of the grid's nearest point. Off (the default): it takes OutsideValue.
   */
  vtkSetMacro(Clamp, bool);
  vtkGetMacro(Clamp, bool);
  vtkBooleanMacro(Clamp, bool);
  ///@}

  ///@{
  /**
   * The value of points outside when Clamp is off. Default NaN.
   */
  vtkSetMacro(OutsideValue, double);
  vtkGetMacro(OutsideValue, double);
  ///@}

  ///@{
  /**
   * Name of the array of values; empty (the default): the array's own, and behind it the component's name or number where
   * one of several is evaluated.
   */
  vtkSetStringMacro(ResultArrayName);
  vtkGetStringMacro(ResultArrayName);
  ///@}

  ///@{
  /**
   * Name of the mask array. Default vtkValidPointMask.
   */
  vtkSetStringMacro(ValidPointMaskArrayName);
  vtkGetStringMacro(ValidPointMaskArrayName);
  ///@}

  ///@{
  /**
   * Threads that evaluate; 0 (the default): the machine's cores, shared among the MPI ranks that run on it.
   */
  vtkSetClampMacro(Threads, int, 0, 4096);
  vtkGetMacro(Threads, int);
  ///@}

  enum Devices
  {
    AUTO = 0,
    CPU = 1,
    CUDA = 2
  };
  ///@{
  /**
   * Where the field is evaluated. AUTO (the default): on a CUDA device that can be used, else on the CPU; CPU; CUDA:
   * where it cannot be had, a warning says why, and the CPU evaluates. CUDA needs a build with it.
   */
  vtkSetClampMacro(Device, int, AUTO, CUDA);
  vtkGetMacro(Device, int);
  ///@}

protected:
  vtkNeuvolSampler();
  ~vtkNeuvolSampler() override;

  int RequestInformation(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;
  int RequestData(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;

  char* FileName = nullptr;
  char* ArrayName = nullptr;
  int Component = -1;
  int TimeStep = -1;
  bool ComputeGradients = false;
  int GradientType = FIELD;
  bool Clamp = false;
  double OutsideValue;
  char* ResultArrayName = nullptr;
  char* ValidPointMaskArrayName = nullptr;
  int Threads = 0;
  int Device = AUTO;

private:
  vtkNeuvolSampler(const vtkNeuvolSampler&) = delete;
  void operator=(const vtkNeuvolSampler&) = delete;

  struct Implementation;
  std::unique_ptr<Implementation> Inside;
};

#endif
