#include "vtkNeuvolVolumeRepresentation.h"

#include "vtkNeuvolLODVolume.h"
#include "vtkNeuvolVolumeMapper.h"
#include "vtkNeuvolVolumeSource.h"

#include <vtkColorTransferFunction.h>
#include <vtkDataArray.h>
#include <vtkDataSet.h>
#include <vtkFieldData.h>
#include <vtkInformation.h>
#include <vtkInformationVector.h>
#include <vtkMath.h>
#include <vtkMultiProcessController.h>
#include <vtkObjectFactory.h>
#include <vtkOutlineSource.h>
#include <vtkPVRenderView.h>
#include <vtkPointData.h>
#include <vtkPolyData.h>
#include <vtkPolyDataMapper.h>
#include <vtkRenderer.h>
#include <vtkStringArray.h>
#include <vtkVolumeProperty.h>

vtkStandardNewMacro(vtkNeuvolVolumeRepresentation);

vtkNeuvolVolumeRepresentation::vtkNeuvolVolumeRepresentation()
{
  this->Actor = vtkSmartPointer<vtkNeuvolLODVolume>::New();
  this->Actor->SetProperty(this->Property);
  this->Actor->SetLODMapper(this->OutlineMapper);
  vtkMath::UninitializeBounds(this->DataBounds);
}

vtkNeuvolVolumeRepresentation::~vtkNeuvolVolumeRepresentation() = default;

int vtkNeuvolVolumeRepresentation::FillInputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkDataSet");
  info->Set(vtkAlgorithm::INPUT_IS_OPTIONAL(), 1);
  return 1;
}

int vtkNeuvolVolumeRepresentation::RequestData(
  vtkInformation* request, vtkInformationVector** inputVector, vtkInformationVector* outputVector)
{
  vtkMath::UninitializeBounds(this->DataBounds);
  if (inputVector[0]->GetNumberOfInformationObjects() == 1)
  {
    vtkDataSet* input = vtkDataSet::GetData(inputVector[0], 0);
    vtkFieldData* fields = input->GetFieldData();
    auto* name =
      vtkStringArray::SafeDownCast(fields->GetAbstractArray(vtkNeuvolVolumeSource::FileArray()));
    vtkDataArray* step = fields->GetArray(vtkNeuvolVolumeSource::StepArray());
    if (!name || name->GetNumberOfValues() != 1)
    {
      vtkErrorMacro("the data does not say which neural volume it is: open the file with Neural Volume (Rendering)");
      this->Mapper->SetFileName(nullptr);
    }
    else
    {
      this->Mapper->SetFileName(name->GetValue(0).c_str());
      this->Mapper->SetTimeStep(step && step->GetNumberOfTuples() > 0 ? static_cast<int>(step->GetTuple1(0)) : 0);
      vtkMultiProcessController* controller = vtkMultiProcessController::GetGlobalController();
      this->Mapper->SetNumberOfParts(controller ? controller->GetNumberOfProcesses() : 1);
      this->Mapper->SetPart(controller ? controller->GetLocalProcessId() : 0);
      double* whole = this->Mapper->GetBounds();
      if (vtkMath::AreBoundsInitialized(whole))
      {
        this->OutlineSource->SetBounds(whole);
        this->OutlineSource->Update();
      }
      this->Mapper->GetPartBounds(this->DataBounds);
    }
    this->Actor->SetEnableLOD(0);
  }
  else
  {
    // A process without the data: a client or a render server shows the outline.
    this->Mapper->SetFileName(nullptr);
    this->Actor->SetEnableLOD(1);
  }
  return this->Superclass::RequestData(request, inputVector, outputVector);
}

int vtkNeuvolVolumeRepresentation::ProcessViewRequest(
  vtkInformationRequestKey* type, vtkInformation* in, vtkInformation* out)
{
  if (!this->Superclass::ProcessViewRequest(type, in, out))
  {
    return 0;
  }
  if (type == vtkPVView::REQUEST_UPDATE())
  {
    vtkPVRenderView::SetPiece(in, this, this->OutlineSource->GetOutputDataObject(0));
    vtkPVRenderView::SetDeliverToClientAndRenderingProcesses(in, this, true, false);
    vtkPVRenderView::SetGeometryBounds(in, this, this->DataBounds);
    out->Set(vtkPVRenderView::NEED_ORDERED_COMPOSITING(), 1);
    vtkPVRenderView::SetRequiresDistributedRendering(in, this, true);
    vtkPVRenderView::SetOrderedCompositingConfiguration(in, this, vtkPVRenderView::USE_BOUNDS_FOR_REDISTRIBUTION);
  }
  else if (type == vtkPVView::REQUEST_UPDATE_LOD())
  {
    vtkPVRenderView::SetRequiresDistributedRenderingLOD(in, this, true);
  }
  else if (type == vtkPVView::REQUEST_RENDER())
  {
    this->OutlineMapper->SetInputConnection(vtkPVRenderView::GetPieceProducer(in, this));
    this->UpdateMapper();
    this->SayWhereNothingIsDrawn();
  }
  return 1;
}

void vtkNeuvolVolumeRepresentation::UpdateMapper()
{
  const char* array = nullptr;
  vtkInformation* info = this->GetInputArrayInformation(0);
  if (info && info->Has(vtkDataObject::FIELD_NAME()))
  {
    array = info->Get(vtkDataObject::FIELD_NAME());
  }
  // The first array is shown where none was chosen.
  this->Mapper->SetArrayName(array);
  int component = 0;
  if (this->Table)
  {
    component = this->Table->GetVectorMode() == vtkScalarsToColors::COMPONENT ? this->Table->GetVectorComponent() : 0;
  }
  this->Mapper->SetComponent(component);
  const double unit = this->UnitDistance > 0 ? this->UnitDistance : this->Mapper->GetDefaultUnitDistance();
  if (unit > 0)
  {
    this->Property->SetScalarOpacityUnitDistance(unit);
  }
  this->Actor->SetMapper(this->Mapper);
}

void vtkNeuvolVolumeRepresentation::SayWhereNothingIsDrawn()
{
  vtkPVRenderView* view = vtkPVRenderView::SafeDownCast(this->GetView());
  const bool traces = view && view->GetEnableOSPRay();
  if (traces && !this->IsTraced && this->GetVisibility())
  {
    vtkWarningMacro("ray tracing does not draw Neuvol Volume: switch Enable Ray Tracing off in the view's properties, "
                    "or show the neural volume with its reader and the representation Volume");
  }
  this->IsTraced = traces;
}

bool vtkNeuvolVolumeRepresentation::AddToView(vtkView* view)
{
  vtkPVRenderView* render = vtkPVRenderView::SafeDownCast(view);
  if (!render)
  {
    return false;
  }
  render->GetRenderer()->AddActor(this->Actor);
  return this->Superclass::AddToView(view);
}

bool vtkNeuvolVolumeRepresentation::RemoveFromView(vtkView* view)
{
  vtkPVRenderView* render = vtkPVRenderView::SafeDownCast(view);
  if (!render)
  {
    return false;
  }
  render->GetRenderer()->RemoveActor(this->Actor);
  return this->Superclass::RemoveFromView(view);
}

void vtkNeuvolVolumeRepresentation::SetLookupTable(vtkColorTransferFunction* table)
{
  this->Table = table;
  this->SetColor(table);
}

void vtkNeuvolVolumeRepresentation::SetBlendMode(int mode)
{
  this->Mapper->SetBlendMode(mode);
}

void vtkNeuvolVolumeRepresentation::SetIsoValue(double value)
{
  this->Mapper->SetIsoValue(value);
}

void vtkNeuvolVolumeRepresentation::SetSampleDistance(double distance)
{
  this->Mapper->SetSampleDistance(distance);
}

void vtkNeuvolVolumeRepresentation::SetLevel(int level)
{
  this->Mapper->SetLevel(level);
}

void vtkNeuvolVolumeRepresentation::SetAutoAdjust(bool adjust)
{
  this->Mapper->SetAutoAdjust(adjust);
}

void vtkNeuvolVolumeRepresentation::SetThreads(int threads)
{
  this->Mapper->SetThreads(threads);
}

void vtkNeuvolVolumeRepresentation::SetCacheSize(int megabytes)
{
  this->Mapper->SetCacheSize(megabytes);
}

void vtkNeuvolVolumeRepresentation::SetShade(bool shade)
{
  this->Property->SetShade(shade);
}

void vtkNeuvolVolumeRepresentation::SetAmbient(double value)
{
  this->Property->SetAmbient(value);
}

void vtkNeuvolVolumeRepresentation::SetDiffuse(double value)
{
  this->Property->SetDiffuse(value);
}

void vtkNeuvolVolumeRepresentation::SetSpecular(double value)
{
  this->Property->SetSpecular(value);
}

void vtkNeuvolVolumeRepresentation::SetSpecularPower(double value)
{
  this->Property->SetSpecularPower(value);
}

void vtkNeuvolVolumeRepresentation::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "UnitDistance: " << this->UnitDistance << "\n";
}
