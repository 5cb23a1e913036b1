#include "vtkNeuvolWriter.h"

#include "vtkNeuvolImage.h"

#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"

vtkStandardNewMacro(vtkNeuvolWriter);

vtkNeuvolWriter::vtkNeuvolWriter()
{
  this->SetNumberOfOutputPorts(0);
}

vtkNeuvolWriter::~vtkNeuvolWriter()
{
  this->SetFileName(nullptr);
}

int vtkNeuvolWriter::Write()
{
  this->Written = false;
  // Also when nothing changed: the file may have gone.
  this->Modified();
  // What is asked of the source is RequestUpdateExtent's.
  this->Update();
  return this->Written ? 1 : 0;
}

int vtkNeuvolWriter::RequestData(vtkInformation*, vtkInformationVector** inputs, vtkInformationVector*)
{
  if (this->IsIdle())
  {
    this->Written = true;
    return 1;
  }
  if (!this->FileName || !*this->FileName)
  {
    vtkErrorMacro(<< "No file name was given: there is nowhere to write to.");
    return 0;
  }
  vtkImageData* image = this->GetImage(inputs);
  if (!image)
  {
    return 0;
  }
  vtkNeuvolImage::ClearAbort(this);
  try
  {
    int association = 0;
    vtkDataArray* array = this->GetArray(image, association);
    const neuvol::Samples samples = vtkNeuvolImage::Samples(image, array, association);
    neuvol::compress(samples, vtkNeuvolImage::Options(*this), vtkNeuvolImage::ProgressOf(this)).save(this->FileName);
    this->Written = true;
    return 1;
  }
  catch (const neuvol::Interrupted&)
  {
    return 1;
  }
  catch (const std::exception& error)
  {
    vtkErrorMacro(<< error.what());
    return 0;
  }
}

void vtkNeuvolWriter::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "FileName: " << (this->FileName ? this->FileName : "(none)") << "\n";
}
