/**
 * @class vtkNeuvolWriter
 * @brief compress image data into a neural volume (.nvol)
 *
 * Write() compresses until the target is met, and writes the file, whole or not at all. An image that cannot be
 * stored (more than 9 components, a type beyond 64 bits, a data set that is no image) is refused with an error.
 *
 * Origin, spacing, direction, the array's name, its unit (vtkDataArray::UNITS_LABEL), its type and whether it is point
 * or cell data are kept; 64-bit integers that fit are kept in 32 bits, with a warning. The field data neuvol_frame and
 * neuvol_fill_value, as vtkNeuvolReader makes them, are kept too.
 *
 * Of a source with time steps the current one is written, or with WriteAllTimeSteps all of them: a file a step, which is a
 * series that vtkNeuvolReader reads and of which it counts the steps; or, with TimeStepsInOneFile, one file with their times. Then
 * all steps have the arrays of the first one, and what is compressed stays in memory until the last step.
 *
 * The input may be a composite data set of images that are parts of one (partitioned data sets, multiblocks: what Catalyst hands
 * over), with ghosts or without.
 *
 * Where there are several processes, all of them call Write(), each asks its source for its piece, and the first writes the file. An
 * image of more than VoxelsInMemory samples is compressed box by box: each process codes its share of the blocks, and the file is the
 * same whatever the number of processes. Smaller ones are brought together on the first process, and so are several arrays, components
 * or time steps in one file. When a process fails, Write() returns 0 on all of them, and each says why.
 */

#ifndef vtkNeuvolWriter_h
#define vtkNeuvolWriter_h

#include "vtkNeuvolCompressor.h"
#include "vtkNeuvolModule.h" // for the export macro

#include <memory> // for the implementation
#include <string> // for names
#include <vector> // for times

class VTKNEUVOL_EXPORT vtkNeuvolWriter : public vtkNeuvolCompressor
{
public:
  static vtkNeuvolWriter* New();
  vtkTypeMacro(vtkNeuvolWriter, vtkNeuvolCompressor);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /**
   * The file to write; an existing one is replaced.
   */
  vtkSetFilePathMacro(FileName);
  vtkGetFilePathMacro(FileName);
  ///@}

  ///@{
  /**
   * Writes all time steps of the source, from MinTimeStep to MaxTimeStep and every TimeStepStride-th of them, each into
   * a file of its own (or see TimeStepsInOneFile): FileNameSuffix with the step's number comes before the name's extension. Off by default. A
   * MaxTimeStep below MinTimeStep (the default, -1) is the last step there is.
   */
  vtkSetMacro(WriteAllTimeSteps, bool);
  vtkGetMacro(WriteAllTimeSteps, bool);
  vtkBooleanMacro(WriteAllTimeSteps, bool);
  vtkSetClampMacro(MinTimeStep, int, 0, VTK_INT_MAX);
  vtkGetMacro(MinTimeStep, int);
  vtkSetClampMacro(MaxTimeStep, int, -1, VTK_INT_MAX);
  vtkGetMacro(MaxTimeStep, int);
  vtkSetClampMacro(TimeStepStride, int, 1, VTK_INT_MAX);
  vtkGetMacro(TimeStepStride, int);
  ///@}

  ///@{
  /**
   * With WriteAllTimeSteps: writes them into the one file FileName, with their times. Off by default.
   */
  vtkSetMacro(TimeStepsInOneFile, bool);
  vtkGetMacro(TimeStepsInOneFile, bool);
  vtkBooleanMacro(TimeStepsInOneFile, bool);
  ///@}

  ///@{
  /**
   * What a step's number looks like in file names: text with one %d, %0Nd or %Nd in it. Default "_%04d".
   */
  vtkSetStringMacro(FileNameSuffix);
  vtkGetStringMacro(FileNameSuffix);
  ///@}

  ///@{
  /**
   * An image of more samples than this, of one array and component, is compressed box by box, on all processes, within little more
   * memory than the samples take. Files of smaller images get a network, too, which helps most where the ratio is high. Default 2^27.
   */
  vtkSetClampMacro(VoxelsInMemory, vtkTypeInt64, 0, VTK_TYPE_INT64_MAX);
  vtkGetMacro(VoxelsInMemory, vtkTypeInt64);
  ///@}

  /**
   * Compresses the input and writes the file, or a step's files one after the other. Returns 1 when all was written.
   */
  virtual int Write();

protected:
  vtkNeuvolWriter();
  ~vtkNeuvolWriter() override;

  int RequestInformation(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;
  int RequestUpdateExtent(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;
  int RequestData(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;

  char* FileName = nullptr;
  char* FileNameSuffix = nullptr;
  bool WriteAllTimeSteps = false;
  bool TimeStepsInOneFile = false;
  int MinTimeStep = 0;
  int MaxTimeStep = -1;
  int TimeStepStride = 1;
  vtkTypeInt64 VoxelsInMemory = vtkTypeInt64(1) << 27;
  bool Written = false;
  bool Aborted = false;

  /**
   * The source's times, and which of them is being written.
   */
  std::vector<double> Times;
  int CurrentStep = 0;

  /**
   * The last step to write; -1 where the source has no steps, or no series is asked for.
   */
  int LastStep() const;

  /**
   * Compresses the input into a file, with the other processes. Returns whether the file is there, on all of them.
   */
  bool WriteTogether(vtkInformationVector** inputs, const std::string& name);

  /**
   * Compresses an image into a file, or into a step of the one file, which is written when it is the last.
   */
  bool WriteFile(vtkImageData* image, const std::string& name);

  /**
   * The times of the steps that go into the one file, and whether the current one is the last of them.
   */
  std::vector<double> TimesInFile() const;
  bool IsLastStep() const;

  /**
   * The file of a step, or empty behind an error.
   */
  std::string NameOfStep(int step);

private:
  vtkNeuvolWriter(const vtkNeuvolWriter&) = delete;
  void operator=(const vtkNeuvolWriter&) = delete;

  struct Implementation;
  std::unique_ptr<Implementation> Inside;
};

#endif
