// Volume rendering of a neural volume beside its original's, off screen: rendering SCENE_FOLDER
//
// The pictures are compared by PSNR, not pixel by pixel: drivers differ, and so do original and decoded a little.

#include "vtkNeuvolReader.h"

#include <vtkCamera.h>
#include <vtkColorTransferFunction.h>
#include <vtkImageData.h>
#include <vtkNew.h>
#include <vtkPNGWriter.h>
#include <vtkPiecewiseFunction.h>
#include <vtkPointData.h>
#include <vtkRenderWindow.h>
#include <vtkRenderer.h>
#include <vtkSmartPointer.h>
#include <vtkSmartVolumeMapper.h>
#include <vtkUnsignedCharArray.h>
#include <vtkVolume.h>
#include <vtkVolumeProperty.h>
#include <vtkWindowToImageFilter.h>
#include <vtkXMLImageDataReader.h>

#include <cmath>
#include <cstdio>
#include <string>

namespace
{

vtkSmartPointer<vtkImageData> picture(vtkAlgorithmOutput* volume)
{
  vtkNew<vtkSmartVolumeMapper> mapper;
  mapper->SetInputConnection(volume);
  vtkNew<vtkPiecewiseFunction> opacity;
  opacity->AddPoint(-600, 0.0);
  opacity->AddPoint(0, 0.05);
  opacity->AddPoint(500, 0.4);
  vtkNew<vtkColorTransferFunction> colour;
  colour->AddRGBPoint(-700, 0.1, 0.2, 0.6);
  colour->AddRGBPoint(-100, 0.8, 0.5, 0.3);
  colour->AddRGBPoint(500, 1.0, 1.0, 0.9);
  vtkNew<vtkVolume> actor;
  actor->SetMapper(mapper);
  actor->GetProperty()->SetScalarOpacity(opacity);
  actor->GetProperty()->SetColor(colour);
  actor->GetProperty()->SetInterpolationTypeToLinear();
  actor->GetProperty()->ShadeOn();
  vtkNew<vtkRenderer> renderer;
  renderer->AddVolume(actor);
  renderer->ResetCamera();
  renderer->GetActiveCamera()->Azimuth(30);
  renderer->GetActiveCamera()->Elevation(20);
  vtkNew<vtkRenderWindow> window;
  window->SetOffScreenRendering(1);
  window->SetSize(320, 240);
  window->AddRenderer(renderer);
  window->Render();
  vtkNew<vtkWindowToImageFilter> grab;
  grab->SetInput(window);
  grab->ReadFrontBufferOff();
  grab->Update();
  vtkSmartPointer<vtkImageData> out = grab->GetOutput();
  return out;
}

} // namespace

int main(int, char** argv)
{
  const std::string folder = argv[1];
  vtkNew<vtkXMLImageDataReader> original;
  original->SetFileName((folder + "/scene.vti").c_str());
  vtkNew<vtkNeuvolReader> neural;
  neural->SetFileName((folder + "/scene.nvol").c_str());

  const auto expected = picture(original->GetOutputPort());
  const auto drawn = picture(neural->GetOutputPort());
  auto* a = vtkUnsignedCharArray::SafeDownCast(expected->GetPointData()->GetScalars());
  auto* b = vtkUnsignedCharArray::SafeDownCast(drawn->GetPointData()->GetScalars());
  double squares = 0;
  double low = 255;
  double high = 0;
  for (vtkIdType i = 0; i < a->GetNumberOfValues(); ++i)
  {
    const double difference = double(a->GetValue(i)) - double(b->GetValue(i));
    squares += difference * difference;
    low = std::min(low, double(a->GetValue(i)));
    high = std::max(high, double(a->GetValue(i)));
  }
  const double psnr = 20 * std::log10(255 / std::sqrt(squares / double(a->GetNumberOfValues())));
  vtkNew<vtkPNGWriter> writer;
  writer->SetInputData(drawn);
  writer->SetFileName((folder + "/rendering.png").c_str());
  writer->Write();
  std::printf("picture from %.0f to %.0f, PSNR %.2f dB\n", low, high, psnr);
  // A black picture equals a black picture: something must be there to see.
  return high > 150 && low < 10 && psnr > 35 ? 0 : 1;
}
