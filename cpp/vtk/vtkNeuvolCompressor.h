/**
 * @class vtkNeuvolCompressor
 * @brief what vtkNeuvolWriter and vtkNeuvolCompress share: the target that a compression must meet
 *
 * The array to compress is selected with SetInputArrayToProcess(0, ...). By default it is the active point scalars or, without
 * those, the first point array; a cell array must be selected explicitly. With AllArrays all point and cell arrays are
 * compressed, into one file. An array has 1 to 9 components, which keep their names, and each of which meets the target. NaN and
 * infinity are masked: they come back exactly and do not disturb their neighbours.
 *
 * The whole image is compressed by one process: where there are several, the first asks its source for all of it, and
 * the others are idle.
 *
 * Compression searches for what meets the target, and learns a small network on the way: it takes seconds to minutes,
 * reports progress, and can be aborted. Warnings (a result that exceeds the target by more than its tolerance, integers of 64 bits that are kept in 32) are
 * the algorithm's own (vtkCommand::WarningEvent).
 */

#ifndef vtkNeuvolCompressor_h
#define vtkNeuvolCompressor_h

#include "vtkDataArray.h"
#include "vtkImageAlgorithm.h"
#include "vtkImageData.h"
#include "vtkNeuvolModule.h" // for the export macro

#include <string> // for the outcome
#include <vector> // for arrays

class VTKNEUVOL_EXPORT vtkNeuvolCompressor : public vtkImageAlgorithm
{
public:
  vtkAbstractTypeMacro(vtkNeuvolCompressor, vtkImageAlgorithm);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /**
   * Compresses all point and cell arrays of numbers, but for vtkGhostType, instead of the one that is selected. Those of more than
   * 9 components are left out with a warning. No two may have one name. Off by default.
   */
  vtkSetMacro(AllArrays, bool);
  vtkGetMacro(AllArrays, bool);
  vtkBooleanMacro(AllArrays, bool);
  ///@}

  enum Targets
  {
    QUALITY = 0,
    PSNR = 1,
    RATIO = 2,
    SIZE = 3,
    MAX_ERROR = 4,
    LOSSLESS = 5
  };
  ///@{
  /**
   * Which of Quality (the default), TargetPSNR, TargetRatio, TargetSize and TargetMaxError counts; with LOSSLESS every
   * voxel comes back exactly as it was. A target that the image cannot meet is an error that says the best that was reached.
   */
  vtkSetClampMacro(Target, int, QUALITY, LOSSLESS);
  vtkGetMacro(Target, int);
  ///@}

  enum Qualities
  {
    PREVIEW = 0,
    STANDARD = 1,
    FINE = 2
  };
  ///@{
  /**
   * Used when Target is QUALITY: a quality that follows from the image's own noise: STANDARD (the default), an RMS error within the noise (40 to 50 dB);
   * FINE, within half of it (46 to 56 dB); PREVIEW, 40 dB.
   */
  vtkSetClampMacro(Quality, int, PREVIEW, FINE);
  vtkGetMacro(Quality, int);
  ///@}

  ///@{
  /**
   * Minimum PSNR in dB over the image's full range, exceeded by at most 1 dB. Used when Target is PSNR. Default 40.
   */
  vtkSetMacro(TargetPSNR, double);
  vtkGetMacro(TargetPSNR, double);
  ///@}

  ///@{
  /**
   * Minimum compression ratio: bytes of the stored samples divided by bytes of the file. Used when Target is RATIO. Default 50.
   */
  vtkSetMacro(TargetRatio, double);
  vtkGetMacro(TargetRatio, double);
  ///@}

  ///@{
  /**
   * Largest size of the file, in kilobytes (10^3 bytes); of several volumes (components, arrays, time steps) in a file, each has an
   * equal part of it. Used when Target is SIZE. Default 100.
   */
  vtkSetMacro(TargetSize, double);
  vtkGetMacro(TargetSize, double);
  ///@}

  ///@{
  /**
   * Guarantee: every voxel within this of the original, in the array's unit. Used when Target is MAX_ERROR. Default 1.
   */
  vtkSetMacro(TargetMaxError, double);
  vtkGetMacro(TargetMaxError, double);
  ///@}

  enum Presets
  {
    FAST = 0,
    BALANCED = 1,
    BEST = 2
  };
  ///@{
  /**
   * How much time training may take: FAST, BALANCED (the default) or BEST.
   */
  vtkSetClampMacro(Preset, int, FAST, BEST);
  vtkGetMacro(Preset, int);
  ///@}

  ///@{
  /**
   * Seed of every random choice. Default 0.
   */
  vtkSetClampMacro(Seed, int, 0, VTK_INT_MAX);
  vtkGetMacro(Seed, int);
  ///@}

  ///@{
  /**
   * Threads that train; 0 (the default): the machine's cores, shared among the MPI ranks that run on it.
   */
  vtkSetClampMacro(Threads, int, 0, 4096);
  vtkGetMacro(Threads, int);
  ///@}

  ///@{
  /**
   * What the last compression achieved, in one line: bytes of the file, ratio, PSNR, RMS error beside the image's noise,
   * largest error, and the band of values whose mean error is largest. Empty before the
   * first one and after one that failed.
   */
  const char* GetOutcome() const { return this->Outcome.c_str(); }
  ///@}

  ///@{
  /**
   * Shows the outcome in vtkOutputWindow, too. Off by default; ParaView's Save Data turns it on.
   */
  vtkSetMacro(ReportOutcome, bool);
  vtkGetMacro(ReportOutcome, bool);
  vtkBooleanMacro(ReportOutcome, bool);
  ///@}

protected:
  vtkNeuvolCompressor();
  ~vtkNeuvolCompressor() override = default;

  int FillInputPortInformation(int port, vtkInformation* info) override;

  /**
   * An array of an image.
   */
  struct Selected
  {
    vtkDataArray* Array;
    /**
     * Where it sits: vtkDataObject::FIELD_ASSOCIATION_POINTS or FIELD_ASSOCIATION_CELLS.
     */
    int Association;
  };

  /**
   * The arrays to compress. Throws neuvol::Error where the image has none.
   */
  std::vector<Selected> GetArrays(vtkImageData* image);

  /**
   * The array that was chosen. Throws neuvol::Error where the image has none.
   */
  Selected GetArray(vtkImageData* image);

  /**
   * Keeps what was achieved, and says what has to be said; `what` was compressed.
   */
  void Report(const std::string& what, const std::string& outcome);

  std::string Outcome;
  bool ReportOutcome = false;
  bool AllArrays = false;
  int Target = QUALITY;
  int Quality = STANDARD;
  double TargetPSNR = 40.0;
  double TargetRatio = 50.0;
  double TargetSize = 100.0;
  double TargetMaxError = 1.0;
  int Preset = BALANCED;
  int Seed = 0;
  int Threads = 0;

private:
  vtkNeuvolCompressor(const vtkNeuvolCompressor&) = delete;
  void operator=(const vtkNeuvolCompressor&) = delete;
};

#endif
