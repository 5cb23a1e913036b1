// Writes the isosurface of a .nvol file as a polygon mesh: contour FILE.nvol VALUE OUT.vtp
//
// CMakeLists.txt beside this file builds it. A contour is made of point data; pass cell data through
// vtkCellDataToPointData first.

#include <vtkNeuvolReader.h>

#include <vtkContourFilter.h>
#include <vtkExecutive.h>
#include <vtkNew.h>
#include <vtkPolyData.h>
#include <vtkXMLPolyDataWriter.h>

#include <cstdlib>
#include <iostream>

int main(int argc, char** argv)
{
  if (argc != 4)
  {
    std::cerr << "usage: contour FILE.nvol VALUE OUT.vtp\n";
    return 2;
  }
  vtkNew<vtkNeuvolReader> reader;
  reader->SetFileName(argv[1]);
  // Decodes part of the volume only: reader->SetRegionOfInterest(100, 199, 100, 199, 50, 99);

  vtkNew<vtkContourFilter> contour;
  contour->SetInputConnection(reader->GetOutputPort());
  contour->SetValue(0, std::atof(argv[2]));

  vtkNew<vtkXMLPolyDataWriter> writer;
  writer->SetInputConnection(contour->GetOutputPort());
  writer->SetFileName(argv[3]);
  // VTK has printed why.
  if (!contour->GetExecutive()->Update() || !writer->Write())
  {
    return 1;
  }
  std::cout << contour->GetOutput()->GetNumberOfCells() << " polygons\n";
  return 0;
}
