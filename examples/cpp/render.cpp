// Renders a .nvol file straight from the compressed form, with VTK: render FILE.nvol OUT.png
//
// CMakeLists.txt beside this file builds it.

#include <vtkNeuvolVolumeMapper.h>

#include <vtkCamera.h>
#include <vtkColorTransferFunction.h>
#include <vtkNew.h>
#include <vtkPNGWriter.h>
#include <vtkPiecewiseFunction.h>
#include <vtkRenderWindow.h>
#include <vtkRenderer.h>
#include <vtkVolume.h>
#include <vtkVolumeProperty.h>
#include <vtkWindowToImageFilter.h>

#include <iostream>

int main(int argc, char** argv)
{
  if (argc != 3)
  {
    std::cerr << "usage: render FILE.nvol OUT.png\n";
    return 2;
  }
  vtkNew<vtkNeuvolVolumeMapper> mapper;
  mapper->SetFileName(argv[1]);
  double range[2];
  if (!mapper->GetScalarRange(range))
  {
    // VTK has printed why.
    return 1;
  }

  // The upper half of the values, from brown to white.
  const double middle = (range[0] + range[1]) / 2;
  vtkNew<vtkColorTransferFunction> colours;
  colours->AddRGBPoint(middle, 0.6, 0.3, 0.2);
  colours->AddRGBPoint(range[1], 1.0, 1.0, 0.95);
  vtkNew<vtkPiecewiseFunction> opacities;
  opacities->AddPoint(middle, 0.0);
  opacities->AddPoint(range[1], 0.8);

  vtkNew<vtkVolume> volume;
  volume->SetMapper(mapper);
  volume->GetProperty()->SetColor(colours);
  volume->GetProperty()->SetScalarOpacity(opacities);
  volume->GetProperty()->SetScalarOpacityUnitDistance(mapper->GetDefaultUnitDistance());
  volume->GetProperty()->ShadeOn();

  vtkNew<vtkRenderer> renderer;
  renderer->AddVolume(volume);
  renderer->ResetCamera();
  renderer->GetActiveCamera()->Azimuth(30);
  renderer->GetActiveCamera()->Elevation(20);
  vtkNew<vtkRenderWindow> window;
  window->SetOffScreenRendering(1);
  window->SetSize(800, 800);
  window->AddRenderer(renderer);
  window->Render();

  vtkNew<vtkWindowToImageFilter> grab;
  grab->SetInput(window);
  grab->ReadFrontBufferOff();
  vtkNew<vtkPNGWriter> writer;
  writer->SetInputConnection(grab->GetOutputPort());
  writer->SetFileName(argv[2]);
  writer->Write();
  std::cout << mapper->GetNumberOfMarchedBlocks() << " of " << mapper->GetNumberOfBlocks()
            << " blocks were needed\n";
  return 0;
}
