/**
 * @class vtkNeuvolVolumeSource
 * @brief a neural volume (.nvol) to be rendered straight from the file
 *
 * The output is the outline of the volume: eight points and twelve lines. Its point arrays have the names of the file's arrays and, of each
 * component, the smallest and the largest value, so that colour maps and legends know them; field data tell the representation Neuvol Volume which
 * file it is. Nothing is decoded.
 */

#ifndef vtkNeuvolVolumeSource_h
#define vtkNeuvolVolumeSource_h

#include "vtkNeuvolParaViewRenderingModule.h"

#include <vtkPolyDataAlgorithm.h>

class VTKNEUVOLPARAVIEWRENDERING_EXPORT vtkNeuvolVolumeSource : public vtkPolyDataAlgorithm
{
public:
  static vtkNeuvolVolumeSource* New();
  vtkTypeMacro(vtkNeuvolVolumeSource, vtkPolyDataAlgorithm);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /**
   * The file.
   */
  vtkSetFilePathMacro(FileName);
  vtkGetFilePathMacro(FileName);
  ///@}

  /**
   * Whether it can be read: it is a neural volume by its content.
   */
  int CanReadFile(const char* name);

  /**
   * Names of the field data that the output has: the file's name, and the time step that is shown.
   */
  static const char* FileArray() { return "neuvol_file"; }
  static const char* StepArray() { return "neuvol_time_step"; }

protected:
  vtkNeuvolVolumeSource();
  ~vtkNeuvolVolumeSource() override;

  int RequestInformation(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;
  int RequestData(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;

  char* FileName = nullptr;

private:
  vtkNeuvolVolumeSource(const vtkNeuvolVolumeSource&) = delete;
  void operator=(const vtkNeuvolVolumeSource&) = delete;
};

#endif
