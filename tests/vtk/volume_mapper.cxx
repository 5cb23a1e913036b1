// vtkNeuvolVolumeMapper beside VTK's own mapper over the decoded image, off screen: volume_mapper SCENE_FOLDER

#include "vtkNeuvolReader.h"
#include "vtkNeuvolVolumeMapper.h"

#include "check.h"

#include <vtkActor.h>
#include <vtkCallbackCommand.h>
#include <vtkCamera.h>
#include <vtkColorTransferFunction.h>
#include <vtkGPUVolumeRayCastMapper.h>
#include <vtkImageData.h>
#include <vtkNew.h>
#include <vtkPNGWriter.h>
#include <vtkPiecewiseFunction.h>
#include <vtkPlane.h>
#include <vtkPlaneCollection.h>
#include <vtkPointData.h>
#include <vtkPolyDataMapper.h>
#include <vtkProperty.h>
#include <vtkRenderWindow.h>
#include <vtkRenderer.h>
#include <vtkSmartPointer.h>
#include <vtkSphereSource.h>
#include <vtkUnsignedCharArray.h>
#include <vtkVolume.h>
#include <vtkVolumeProperty.h>
#include <vtkWindowToImageFilter.h>

#include <cmath>
#include <cstdio>
#include <string>

namespace
{

/// A window with a volume in it.
struct Stage
{
  vtkNew<vtkRenderWindow> Window;
  vtkNew<vtkRenderer> Renderer;
  vtkNew<vtkVolume> Volume;

  explicit Stage(vtkAbstractVolumeMapper* mapper, bool shade)
  {
    vtkNew<vtkPiecewiseFunction> opacity;
    opacity->AddPoint(-600, 0.0);
    opacity->AddPoint(0, 0.05);
    opacity->AddPoint(500, 0.4);
    vtkNew<vtkColorTransferFunction> colour;
    colour->AddRGBPoint(-700, 0.1, 0.2, 0.6);
    colour->AddRGBPoint(-100, 0.8, 0.5, 0.3);
    colour->AddRGBPoint(500, 1.0, 1.0, 0.9);
    this->Volume->SetMapper(mapper);
    this->Volume->GetProperty()->SetScalarOpacity(opacity);
    this->Volume->GetProperty()->SetColor(colour);
    this->Volume->GetProperty()->SetInterpolationTypeToLinear();
    this->Volume->GetProperty()->SetShade(shade);
    this->Volume->GetProperty()->SetScalarOpacityUnitDistance(1.3);
    this->Renderer->AddVolume(this->Volume);
    this->Renderer->ResetCamera();
    this->Renderer->GetActiveCamera()->Azimuth(30);
    this->Renderer->GetActiveCamera()->Elevation(20);
    this->Window->SetOffScreenRendering(1);
    this->Window->SetSize(320, 240);
    this->Window->AddRenderer(this->Renderer);
    // A still picture.
    this->Window->SetDesiredUpdateRate(0.002);
  }

  vtkSmartPointer<vtkImageData> Picture()
  {
    this->Window->Render();
    vtkNew<vtkWindowToImageFilter> grab;
    grab->SetInput(this->Window);
    grab->ReadFrontBufferOff();
    grab->Update();
    return grab->GetOutput();
  }
};

vtkUnsignedCharArray* pixels(vtkImageData* picture)
{
  return vtkUnsignedCharArray::SafeDownCast(picture->GetPointData()->GetScalars());
}

double psnr(vtkImageData* one, vtkImageData* other)
{
  auto* a = pixels(one);
  auto* b = pixels(other);
  double squares = 0;
  for (vtkIdType i = 0; i < a->GetNumberOfValues(); ++i)
  {
    const double difference = double(a->GetValue(i)) - double(b->GetValue(i));
    squares += difference * difference;
  }
  return 20 * std::log10(255 / std::sqrt(squares / double(a->GetNumberOfValues())));
}

double brightest(vtkImageData* picture)
{
  double most = 0;
  for (vtkIdType i = 0; i < pixels(picture)->GetNumberOfValues(); ++i)
  {
    most = std::max(most, double(pixels(picture)->GetValue(i)));
  }
  return most;
}

void save(vtkImageData* picture, const std::string& name)
{
  vtkNew<vtkPNGWriter> writer;
  writer->SetInputData(picture);
  writer->SetFileName(name.c_str());
  writer->Write();
}

/// A ball in the scene, half of it inside the volume.
void addBall(Stage& stage, const double* bounds)
{
  vtkNew<vtkSphereSource> ball;
  ball->SetCenter(bounds[0], bounds[2], (bounds[4] + bounds[5]) / 2);
  ball->SetRadius((bounds[1] - bounds[0]) / 3);
  ball->SetThetaResolution(40);
  ball->SetPhiResolution(40);
  vtkNew<vtkPolyDataMapper> mapper;
  mapper->SetInputConnection(ball->GetOutputPort());
  vtkNew<vtkActor> actor;
  actor->SetMapper(mapper);
  actor->GetProperty()->SetColor(0.2, 0.8, 0.3);
  stage.Renderer->AddActor(actor);
}

std::string lastError;

void keepError(vtkObject*, unsigned long, void*, void* text)
{
  lastError = static_cast<const char*>(text);
}

} // namespace

int main(int, char** argv)
{
  const std::string folder = argv[1];
  vtkNew<vtkNeuvolReader> reader;
  reader->SetFileName((folder + "/scene.nvol").c_str());
  reader->Update();
  const double step = 0.5;
  const auto theirs = [&]
  {
    vtkNew<vtkGPUVolumeRayCastMapper> mapper;
    mapper->SetInputConnection(reader->GetOutputPort());
    mapper->SetAutoAdjustSampleDistances(0);
    mapper->SetSampleDistance(step);
    mapper->SetUseJittering(0);
    return vtkSmartPointer<vtkGPUVolumeRayCastMapper>(mapper);
  };
  const auto ours = [&]
  {
    vtkNew<vtkNeuvolVolumeMapper> mapper;
    mapper->SetFileName((folder + "/scene.nvol").c_str());
    mapper->SetSampleDistance(step);
    return vtkSmartPointer<vtkNeuvolVolumeMapper>(mapper);
  };

  double expected[6];
  reader->GetOutput()->GetBounds(expected);
  const double* found = ours()->GetBounds();
  for (int n = 0; n < 6; ++n)
  {
    CHECK(std::abs(expected[n] - found[n]) < 1e-6);
  }

  // The same picture as VTK's, with and without light, a ball in it, and a plane that cuts it.
  for (const bool shade : { false, true })
  {
    Stage one(theirs(), shade);
    Stage other(ours(), shade);
    const auto a = one.Picture();
    const auto b = other.Picture();
    save(a, folder + (shade ? "/mapper_vtk_shaded.png" : "/mapper_vtk.png"));
    save(b, folder + (shade ? "/mapper_neuvol_shaded.png" : "/mapper_neuvol.png"));
    std::printf("%s: PSNR %.2f dB\n", shade ? "shaded" : "plain", psnr(a, b));
    CHECK(brightest(b) > 100);
    CHECK(psnr(a, b) > (shade ? 36 : 40));
  }
  {
    Stage one(theirs(), false);
    Stage other(ours(), false);
    for (Stage* stage : { &one, &other })
    {
      addBall(*stage, expected);
      vtkNew<vtkPlane> plane;
      plane->SetOrigin((expected[0] + expected[1]) / 2, (expected[2] + expected[3]) / 2, expected[5] - 5);
      plane->SetNormal(0.3, 0.2, -1);
      vtkNew<vtkPlaneCollection> planes;
      planes->AddItem(plane);
      stage->Volume->GetMapper()->SetClippingPlanes(planes);
    }
    const auto a = one.Picture();
    const auto b = other.Picture();
    save(b, folder + "/mapper_ball.png");
    std::printf("with a ball and a plane: PSNR %.2f dB\n", psnr(a, b));
    CHECK(psnr(a, b) > 37);
  }

  // Moving: fewer pixels or a coarser level, and the volume itself when it stands still. What is kept is not decoded again.
  {
    const auto mapper = ours();
    Stage stage(mapper, true);
    stage.Window->SetDesiredUpdateRate(1000);
    stage.Picture();
    CHECK(mapper->GetRenderedLevel() > 0 || mapper->GetRenderedReduction() > 1);
    stage.Window->SetDesiredUpdateRate(0.002);
    stage.Picture();
    CHECK(mapper->GetRenderedLevel() == 0 && mapper->GetRenderedReduction() == 1);
    stage.Renderer->GetActiveCamera()->Azimuth(10);
    stage.Picture();
    CHECK(mapper->GetNumberOfDecodedBlocks() == 0);
  }

  // A part shows a part, and parts have the bounds of the whole.
  {
    const auto mapper = ours();
    mapper->SetNumberOfParts(2);
    double whole[6] = { 1e9, -1e9, 1e9, -1e9, 1e9, -1e9 };
    for (int part = 0; part < 2; ++part)
    {
      mapper->SetPart(part);
      double bounds[6];
      CHECK(mapper->GetPartBounds(bounds));
      for (int a = 0; a < 3; ++a)
      {
        whole[2 * a] = std::min(whole[2 * a], bounds[2 * a]);
        whole[2 * a + 1] = std::max(whole[2 * a + 1], bounds[2 * a + 1]);
      }
    }
    for (int n = 0; n < 6; ++n)
    {
      CHECK(std::abs(expected[n] - whole[n]) < 1e-6);
    }
  }

  // A file that is damaged or gone is told once, and draws nothing.
  {
    const auto mapper = ours();
    vtkNew<vtkCallbackCommand> keep;
    keep->SetCallback(keepError);
    mapper->AddObserver(vtkCommand::ErrorEvent, keep);
    mapper->SetFileName((folder + "/corrupt.nvol").c_str());
    Stage stage(mapper, false);
    CHECK(brightest(stage.Picture()) == 0);
    CHECK(has(lastError, "corrupt.nvol"));
    lastError.clear();
    stage.Picture();
    CHECK(lastError.empty());
    mapper->SetFileName((folder + "/nowhere.nvol").c_str());
    stage.Picture();
    CHECK(has(lastError, "nowhere.nvol"));
  }
  return 0;
}
