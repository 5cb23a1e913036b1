/**
 * @class vtkNeuvolReader
 * @brief read a neural volume (.nvol) as image data
 *
 * A .nvol file holds no samples but what they are computed from: wavelet coefficients that a small network reads, or a
 * network of the position. The reader computes what the pipeline asks for: any update extent is served alone, at the
 * cost of its own voxels. The output has the file's origin, spacing and direction, and one array of scalars with its
 * name, unit and stored type.
 *
 * What was cell data comes back as cell data: the image has a point more than samples along each axis (but where the
 * original was flat), and the samples are at the centres. With a stride every so many-th cell is read, and drawn so
 * much larger around the centre that it has: values stay where they are in the world, and the image reaches a little
 * over the original's faces.
 *
 * What the file achieves against the original is in the output's field data: neuvol_psnr (dB over the full range; not
 * there where nothing differs), neuvol_max_error and neuvol_rmse (in the array's unit), neuvol_ratio (against the
 * stored type) and neuvol_ratio_float32; neuvol_frame says whether positions are DICOM's patient frame ("LPS mm"), or
 * "unknown".
 *
 * Several file names are the steps of a time series, at times 0, 1, 2, ...
 */

#ifndef vtkNeuvolReader_h
#define vtkNeuvolReader_h

#include "vtkImageAlgorithm.h"
#include "vtkNeuvolModule.h" // for the export macro

#include <memory> // for the implementation

class VTKNEUVOL_EXPORT vtkNeuvolReader : public vtkImageAlgorithm
{
public:
  static vtkNeuvolReader* New();
  vtkTypeMacro(vtkNeuvolReader, vtkImageAlgorithm);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /**
   * The file to read; it replaces a series.
   */
  virtual void SetFileName(const char* name);
  virtual const char* GetFileName();
  ///@}

  ///@{
  /**
   * The files of a time series, one a step.
   */
  virtual void AddFileName(const char* name);
  virtual void RemoveAllFileNames();
  virtual int GetNumberOfFileNames();
  virtual const char* GetFileName(int step);
  ///@}

  /**
   * 1 when the file begins as a neural volume does.
   */
  virtual int CanReadFile(const char* name);

  ///@{
  /**
   * Level of detail: every so many-th voxel along each axis is read, and the spacing grows as much. Default 1.
   */
  vtkSetClampMacro(Stride, int, 1, 64);
  vtkGetMacro(Stride, int);
  ///@}

  ///@{
  /**
   * The box to read, as an extent of the file's grid (first and last point along x, y, z; of cell data, the points that
   * its cells are between). An axis whose last index is below its first is read whole, which is the default.
   */
  vtkSetVector6Macro(RegionOfInterest, int);
  vtkGetVector6Macro(RegionOfInterest, int);
  ///@}

  enum OutputTypes
  {
    STORED = 0,
    FLOAT = 1
  };
  ///@{
  /**
   * STORED (the default): voxels come in the type they had before compression; FLOAT: as float.
   */
  vtkSetClampMacro(OutputType, int, STORED, FLOAT);
  vtkGetMacro(OutputType, int);
  ///@}

  ///@{
  /**
   * Decoded voxels that are kept for the next update, in megabytes (10^6 bytes). 0 keeps none. Default 256.
   */
  vtkSetClampMacro(CacheSize, int, 0, VTK_INT_MAX);
  vtkGetMacro(CacheSize, int);
  ///@}

  ///@{
  /**
   * Threads that decode; 0 (the default): the machine's cores, shared among the MPI ranks that run on it.
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

  ///@{
  /**
   * The extent of the file's grid at full resolution, whatever stride and region are; known after UpdateInformation().
   */
  vtkGetVector6Macro(GridExtent, int);
  ///@}

  /**
   * Voxels that this reader evaluated in the current file, those that came from the cache not counted.
   */
  virtual vtkTypeInt64 GetVoxelsEvaluated();

  /**
   * For tests of hosts: fails inside as a bug would. The reader reports the error and lives on.
   */
  virtual void PanicOnPurpose();

protected:
  vtkNeuvolReader();
  ~vtkNeuvolReader() override;

  int RequestInformation(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;
  int RequestData(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;

  int Stride = 1;
  int RegionOfInterest[6] = { 0, -1, 0, -1, 0, -1 };
  int GridExtent[6] = { 0, -1, 0, -1, 0, -1 };
  int OutputType = STORED;
  int CacheSize = 256;
  int Threads = 0;
  int Device = AUTO;

private:
  vtkNeuvolReader(const vtkNeuvolReader&) = delete;
  void operator=(const vtkNeuvolReader&) = delete;

  struct Implementation;
  std::unique_ptr<Implementation> Inside;
};

#endif
