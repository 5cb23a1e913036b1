/**
 * @class vtkNeuvolCompress
 * @brief pass an image through neuvol's compression, to see what a quality means before it is saved
 *
 * The output is the input's scalars as a .nvol file of the same options would give them back. What was achieved is in
 * the output's field data (see vtkNeuvolReader) and in GetPSNR() and its neighbours.
 *
 * The output is the input's grid with the array that is compressed, or with all of them (AllArrays), as point data or as cell data.
 *
 * Where there are several processes, the first has the whole output and the others' is empty. What failed or was
 * aborted is not tried again until the input or a property changes.
 */

#ifndef vtkNeuvolCompress_h
#define vtkNeuvolCompress_h

#include "vtkNeuvolCompressor.h"
#include "vtkNeuvolModule.h" // for the export macro

#include <string> // for the failure

class VTKNEUVOL_EXPORT vtkNeuvolCompress : public vtkNeuvolCompressor
{
public:
  static vtkNeuvolCompress* New();
  vtkTypeMacro(vtkNeuvolCompress, vtkNeuvolCompressor);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /**
   * What the last update achieved: dB over the full range, largest error and its root mean square in the array's unit,
   * bytes in the stored type by bytes of the file, bytes of the file. 0 before the first update and after one that
   * failed. Of several components or arrays the lowest PSNR and the largest errors, and the bytes of all.
   */
  vtkGetMacro(AchievedPSNR, double);
  vtkGetMacro(AchievedMaximumError, double);
  vtkGetMacro(AchievedRMSE, double);
  vtkGetMacro(AchievedRatio, double);
  vtkGetMacro(FileBytes, vtkTypeInt64);
  ///@}

protected:
  vtkNeuvolCompress() = default;
  ~vtkNeuvolCompress() override = default;

  int RequestInformation(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;
  int RequestUpdateExtent(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;
  int RequestData(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;

  /**
   * True on every process but the first.
   */
  static bool IsIdle();

  /**
   * The input as an image, or null behind an error that says why not.
   */
  vtkImageData* GetImage(vtkInformationVector** inputs);

  double AchievedPSNR = 0.0;
  double AchievedMaximumError = 0.0;
  double AchievedRMSE = 0.0;
  double AchievedRatio = 0.0;
  vtkTypeInt64 FileBytes = 0;

  /**
   * What gave nothing, and why (empty: it was aborted).
   */
  std::string FailedRequest;
  std::string Failure;

private:
  vtkNeuvolCompress(const vtkNeuvolCompress&) = delete;
  void operator=(const vtkNeuvolCompress&) = delete;
};

#endif
