/**
 * @class vtkNeuvolReader
 * @brief read a neural volume (.nvol) as image data
 *
 * Only the requested update extent is decoded. The output has the file's origin, spacing and direction, and an array for each
 * of the file's that is selected, with its name, unit, stored type, and all of its components with their names. Masked voxels
 * are NaN, infinity or the fill value, which also stands for the other values of a fill range; they are not blanked. Components
 * of several types come in one that holds them, float or double.
 *
 * Of a file of several arrays all are read unless SetPointArrayStatus or SetCellArrayStatus say otherwise. They must lie on
 * one grid. The first one of a single component is the active scalars, or, where all have several, the first one. Level of
 * detail, stride and region of interest are those of all.
 *
 * A coarser level of detail (LevelOfDetail) is the volume low-pass filtered on a grid of fewer samples. Of a latent grid, the
 * default of files, nothing finer is read or decoded for it. Its samples lie at every s-th voxel, s being the level's step along
 * an axis, and so do those of a Stride of s, which are the voxels themselves.
 *
 * Cell data: the output has dimensions n + 1 along each axis of n cells (1 along axes where the original image was flat).
 * Of a level of detail or a stride with a step of s along an axis, a cell is s times as long, about the centre of the file's cell
 * that it lies at, so that values keep their world positions; the image may extend slightly beyond the original bounds.
 *
 * Field data arrays added to the output, of one value each where nothing else is said. Of an array of several components each is
 * a tuple of a value for each component, and one that is known for none is absent. Where several arrays are read, a name has a
 * space and the array's name behind it (neuvol_psnr velocity), but for neuvol_frame and neuvol_array:
 * - neuvol_psnr: dB over the full range; absent, or NaN for a component, where nothing differs
 * - neuvol_rmse, neuvol_mean_error, neuvol_max_error: in the array's unit; mean of decoded less original
 * - neuvol_noise: standard deviation of the original's noise; absent where none was found
 * - neuvol_ssim: structural similarity in windows of 7 voxels along each axis; absent where it is not known
 * - neuvol_ratio, neuvol_ratio_float32: bytes of the samples, in the stored type and as float32, divided by bytes of the file
 * - neuvol_band (strings), neuvol_band_share, neuvol_band_mean_error, neuvol_band_rmse: errors by bands of value, one value
 *   per band, of each component after the other; absent where nothing differs
 * - neuvol_frame (string): "LPS mm", DICOM's patient frame, or "unknown"
 * - neuvol_array (string): the array, or a row for each of the arrays, that these belong to
 * - neuvol_fill_value, neuvol_fill_limit: masked values; the second is there where they are a range
 *
 * The time steps of a file are those of the pipeline, at the file's times or, where it does not say them, at 0, 1, 2, ... Several
 * file names are the steps of a time series, at times 0, 1, 2, ...; each of them must hold a single step.
 */

#ifndef vtkNeuvolReader_h
#define vtkNeuvolReader_h

#include "vtkImageAlgorithm.h"
#include "vtkNeuvolModule.h" // for the export macro

#include <memory> // for the implementation
#include <string> // for names of types

class vtkDataArraySelection;

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
   * Which arrays are read: all, unless others are disabled. The names are known after UpdateInformation(); a state that was set
   * before is kept.
   */
  virtual vtkDataArraySelection* GetPointDataArraySelection();
  virtual vtkDataArraySelection* GetCellDataArraySelection();
  virtual int GetNumberOfPointArrays();
  virtual const char* GetPointArrayName(int index);
  virtual int GetPointArrayStatus(const char* name);
  virtual void SetPointArrayStatus(const char* name, int status);
  virtual int GetNumberOfCellArrays();
  virtual const char* GetCellArrayName(int index);
  virtual int GetCellArrayStatus(const char* name);
  virtual void SetCellArrayStatus(const char* name, int status);
  ///@}

  /**
   * That of the selections, too.
   */
  vtkMTimeType GetMTime() override;

  ///@{
  /**
   * The level of detail that is read, filtered: 0 (the default) is the volume itself, level k has a sample where every 2^k-th
   * voxel is, and 2^k times the spacing. An axis of fewer than 8 samples is not halved once more. Beyond the file's last level a
   * warning says so, and the last one is read.
   */
  vtkSetClampMacro(LevelOfDetail, int, 0, VTK_INT_MAX);
  vtkGetMacro(LevelOfDetail, int);
  ///@}

  ///@{
  /**
   * The file's first and last level of detail; known after UpdateInformation().
   */
  vtkGetVector2Macro(LevelOfDetailRange, int);
  ///@}

  ///@{
  /**
   * Every so many-th voxel along each axis is read, exactly as it is in the file, and the spacing grows as much. Default 1. Of
   * files other than networks the voxels between them are decoded, too. With a LevelOfDetail above 0 it must be 1.
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
   * Decoded voxels that are kept for the next update, in megabytes (10^6 bytes), of all arrays and components that are read
   * together. 0 keeps none. Default 256.
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
   * The extent of the file's grid at full resolution, whatever level, stride and region are; known after UpdateInformation().
   */
  vtkGetVector6Macro(GridExtent, int);
  ///@}

  /**
   * Voxels that this reader evaluated in the current file, those of all arrays, components and steps together; those that came
   * from the cache are not counted.
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

  /**
   * The type that voxels come in (NumPy's name), by the one that they are stored in.
   */
  std::string TypeOf(const std::string& stored) const;

  int LevelOfDetail = 0;
  int LevelOfDetailRange[2] = { 0, 0 };
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
