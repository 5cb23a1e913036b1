/**
 * @class vtkNeuvolWriter
 * @brief compress image data into a neural volume (.nvol)
 *
 * Write() trains the network until the target is met, and writes the file, whole or not at all. An image that cannot be
 * stored (several components, a type beyond 64 bits, a data set that is no image) is refused with an error.
 *
 * Origin, spacing, direction, the array's name, its unit (vtkDataArray::UNITS_LABEL) and its type are kept. The field
 * data neuvol_frame and neuvol_fill_value, as vtkNeuvolReader makes them, are kept too.
 *
 * Where there are several processes, all of them call Write(): the first asks its source for the whole image and
 * writes.
 */

#ifndef vtkNeuvolWriter_h
#define vtkNeuvolWriter_h

#include "vtkNeuvolCompressor.h"
#include "vtkNeuvolModule.h" // for the export macro

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

  /**
   * Compresses the input and writes the file. Returns 1 when it was written.
   */
  virtual int Write();

protected:
  vtkNeuvolWriter();
  ~vtkNeuvolWriter() override;

  int RequestData(vtkInformation*, vtkInformationVector**, vtkInformationVector*) override;

  char* FileName = nullptr;
  bool Written = false;

private:
  vtkNeuvolWriter(const vtkNeuvolWriter&) = delete;
  void operator=(const vtkNeuvolWriter&) = delete;
};

#endif
