#include "vtkNeuvolParts.h"

#include "vtkNeuvolImage.h"

#include "vtkCellData.h"
#include "vtkCompositeDataIterator.h"
#include "vtkCompositeDataSet.h"
#include "vtkFieldData.h"
#include "vtkInformation.h"
#include "vtkMatrix3x3.h"
#include "vtkNew.h"
#include "vtkPointData.h"
#include "vtkUnsignedCharArray.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace
{

using Bytes = neuvol::Communicator::Bytes;

constexpr int Tag = 0x6e77;

/// What is no image cannot become a part of one.
[[noreturn]] void Refuse(vtkDataObject* data, vtkDataObject* input)
{
  const std::string composite =
    data == input ? "" : std::string(", as a block of the ") + input->GetClassName() + " is: extract the blocks that are images (Extract Block)";
  const char* advice = !data->IsA("vtkDataSet") ? ", and what has no points in space cannot become one"
    : data == input                             ? ": resample to an image first (vtkResampleToImage)"
                                                : ", or resample all to an image first (vtkResampleToImage)";
  throw neuvol::Error("A neural volume is made of images (vtkImageData), not of " + std::string(data->GetClassName()) +
    composite + advice);
}

/// The images of a data set that have points.
std::vector<vtkImageData*> ImagesOf(vtkDataObject* input)
{
  std::vector<vtkImageData*> found;
  const auto add = [&](vtkDataObject* data)
  {
    vtkImageData* image = vtkImageData::SafeDownCast(data);
    auto* other = vtkDataSet::SafeDownCast(data);
    if (!image && data && (!other || other->GetNumberOfPoints() > 0))
    {
      Refuse(data, input);
    }
    if (image && image->GetNumberOfPoints() > 0)
    {
      found.push_back(image);
    }
  };
  auto* composite = vtkCompositeDataSet::SafeDownCast(input);
  if (!composite)
  {
    add(input);
    return found;
  }
  const auto blocks = vtkSmartPointer<vtkCompositeDataIterator>::Take(composite->NewIterator());
  for (blocks->InitTraversal(); !blocks->IsDoneWithTraversal(); blocks->GoToNextItem())
  {
    add(blocks->GetCurrentDataObject());
  }
  return found;
}

/// The part of an image that is its own: no ghosts. They lie around it.
void OwnExtent(vtkImageData* image, int extent[6])
{
  image->GetExtent(extent);
  vtkUnsignedCharArray* cells = image->GetCellGhostArray();
  vtkUnsignedCharArray* points = image->GetPointGhostArray();
  vtkUnsignedCharArray* ghosts = cells ? cells : points;
  if (!ghosts)
  {
    return;
  }
  const auto duplicate = static_cast<unsigned char>(
    cells ? vtkDataSetAttributes::DUPLICATECELL : vtkDataSetAttributes::DUPLICATEPOINT);
  int room[6];
  std::copy(extent, extent + 6, room);
  if (cells)
  {
    vtkNeuvolImage::CellExtent(room);
  }
  int own[6] = { room[1] + 1, room[0] - 1, room[3] + 1, room[2] - 1, room[5] + 1, room[4] - 1 };
  vtkIdType n = 0;
  for (int z = room[4]; z <= room[5]; ++z)
  {
    for (int y = room[2]; y <= room[3]; ++y)
    {
      for (int x = room[0]; x <= room[1]; ++x, ++n)
      {
        if (!(ghosts->GetValue(n) & duplicate))
        {
          const int at[3] = { x, y, z };
          for (int a = 0; a < 3; ++a)
          {
            own[2 * a] = std::min(own[2 * a], at[a]);
            own[2 * a + 1] = std::max(own[2 * a + 1], at[a]);
          }
        }
      }
    }
  }
  for (int a = 0; a < 3; ++a)
  {
    // Cells end at the next point, where the axis is not flat.
    const int end = cells && extent[2 * a] < extent[2 * a + 1] ? 1 : 0;
    extent[2 * a] = own[2 * a];
    extent[2 * a + 1] = own[2 * a + 1] + end;
  }
}

/// Origin, spacing and direction, on which processes have to agree.
using Frame = std::array<double, 15>;

Frame FrameOf(vtkImageData* image)
{
  Frame frame;
  std::copy(image->GetOrigin(), image->GetOrigin() + 3, frame.begin());
  std::copy(image->GetSpacing(), image->GetSpacing() + 3, frame.begin() + 3);
  const double* direction = image->GetDirectionMatrix()->GetData();
  std::copy(direction, direction + 9, frame.begin() + 6);
  return frame;
}

void SetFrame(vtkImageData* image, const Frame& frame)
{
  image->SetOrigin(frame.data());
  image->SetSpacing(frame.data() + 3);
  image->SetDirectionMatrix(frame.data() + 6);
}

/// How many samples an image's origin is away from that of the frame. Throws neuvol::Error where it is on another grid.
std::array<int, 3> ShiftOf(vtkImageData* image, const Frame& frame)
{
  const Frame own = FrameOf(image);
  for (std::size_t n = 3; n < own.size(); ++n)
  {
    const double unit = n < 6 ? std::abs(frame[n]) : 1.0;
    if (std::abs(own[n] - frame[n]) > 1e-6 * unit)
    {
      throw neuvol::Error("the images have different spacings or directions, and are not parts of one grid: resample "
                          "them to an image (vtkResampleToImage)");
    }
  }
  vtkNew<vtkImageData> grid;
  SetFrame(grid, frame);
  double at[3];
  grid->TransformPhysicalPointToContinuousIndex(own.data(), at);
  std::array<int, 3> shift;
  for (std::size_t a = 0; a < 3; ++a)
  {
    if (std::abs(at[a] - std::round(at[a])) > 1e-3 || std::abs(at[a]) > VTK_INT_MAX / 2)
    {
      throw neuvol::Error("the images' origins are not whole samples apart, and the images no parts of one grid: resample "
                          "them to an image (vtkResampleToImage)");
    }
    shift[a] = static_cast<int>(std::round(at[a]));
  }
  return shift;
}

template <typename T, std::size_t N>
std::vector<std::array<T, N>> Numbers(const Bytes& bytes)
{
  std::vector<std::array<T, N>> found(bytes.size() / sizeof(std::array<T, N>));
  if (!found.empty())
  {
    std::memcpy(found.data(), bytes.data(), found.size() * sizeof(found.front()));
  }
  return found;
}

template <typename T, std::size_t N>
void Append(Bytes& bytes, const std::array<T, N>& numbers)
{
  const auto* begin = reinterpret_cast<const std::uint8_t*>(numbers.data());
  bytes.insert(bytes.end(), begin, begin + sizeof(numbers));
}

/// The extent of an array's samples.
void ExtentOf(vtkImageData* image, int association, int extent[6])
{
  image->GetExtent(extent);
  if (association == vtkDataObject::FIELD_ASSOCIATION_CELLS)
  {
    vtkNeuvolImage::CellExtent(extent);
  }
}

vtkIdType Count(const int extent[6])
{
  vtkIdType count = 1;
  for (int a = 0; a < 3; ++a)
  {
    count *= extent[2 * a + 1] - extent[2 * a] + 1;
  }
  return count;
}

/// Fills an array of the whole with those of its parts, the first of which count where they overlap.
void Assemble(vtkDataArray* to, vtkImageData* whole, const std::vector<vtkSmartPointer<vtkImageData>>& parts, int association)
{
  int room[6];
  ExtentOf(whole, association, room);
  to->SetNumberOfTuples(Count(room));
  std::vector<bool> filled(static_cast<std::size_t>(Count(room)));
  const std::string name = to->GetName() ? to->GetName() : "";
  for (auto part = parts.rbegin(); part != parts.rend(); ++part)
  {
    vtkDataArray* from = (*part)->GetAttributes(association)->GetArray(name.c_str());
    if (!from || from->GetDataType() != to->GetDataType() || from->GetNumberOfComponents() != to->GetNumberOfComponents())
    {
      throw neuvol::Error("array '" + name + "' is not in all parts of the image, or of another type in some of them");
    }
    int own[6];
    ExtentOf(*part, association, own);
    vtkIdType source = 0;
    const vtkIdType row = own[1] - own[0] + 1;
    for (int z = own[4]; z <= own[5]; ++z)
    {
      for (int y = own[2]; y <= own[3]; ++y, source += row)
      {
        const vtkIdType nx = room[1] - room[0] + 1, ny = room[3] - room[2] + 1;
        const vtkIdType target = own[0] - room[0] + nx * (y - room[2] + ny * static_cast<vtkIdType>(z - room[4]));
        to->InsertTuples(target, row, source, from);
        std::fill_n(filled.begin() + target, row, true);
      }
    }
  }
  const auto missing = std::find(filled.begin(), filled.end(), false) - filled.begin();
  if (missing < Count(room))
  {
    const vtkIdType nx = room[1] - room[0] + 1, ny = room[3] - room[2] + 1;
    throw neuvol::Error("the parts do not fill the image: sample (" + std::to_string(room[0] + missing % nx) + ", " +
      std::to_string(room[2] + missing / nx % ny) + ", " + std::to_string(room[4] + missing / nx / ny) +
      ") of array '" + name + "' is in none of them");
  }
}

} // namespace

vtkNeuvolParts::vtkNeuvolParts(vtkDataObject* input, const int* whole, const vtkNeuvolProcesses& processes)
  : Whole(vtkSmartPointer<vtkImageData>::New())
{
  std::vector<vtkImageData*> own;
  processes.together([&] { own = input ? ImagesOf(input) : own; });
  Bytes frame;
  if (!own.empty())
  {
    Append(frame, FrameOf(own.front()));
  }
  std::vector<Frame> frames;
  for (const Bytes& bytes : processes.allGather(frame))
  {
    const std::vector<Frame> found = Numbers<double, 15>(bytes);
    frames.insert(frames.end(), found.begin(), found.end());
  }
  if (frames.empty())
  {
    throw neuvol::Error(input ? "The image is empty: there is nothing to compress"
                              : "there is no image: nothing came from the source");
  }
  SetFrame(this->Whole, frames.front());
  Bytes extents;
  processes.together(
    [&]
    {
      for (vtkImageData* image : own)
      {
        const std::array<int, 3> shift = ShiftOf(image, frames.front());
        int extent[6];
        OwnExtent(image, extent);
        vtkSmartPointer<vtkImageData> part = image;
        if (!std::equal(extent, extent + 6, image->GetExtent()) || shift != std::array<int, 3>{ 0, 0, 0 })
        {
          part = vtkSmartPointer<vtkImageData>::New();
          part->ShallowCopy(image);
          if (extent[0] > extent[1] || extent[2] > extent[3] || extent[4] > extent[5])
          {
            continue;
          }
          part->Crop(extent);
          for (std::size_t n = 0; n < 6; ++n)
          {
            extent[n] += shift[n / 2];
          }
          part->SetExtent(extent);
          part->SetOrigin(this->Whole->GetOrigin());
        }
        this->Images.push_back(part);
        Append(extents, std::array<int, 6>{ extent[0], extent[1], extent[2], extent[3], extent[4], extent[5] });
      }
    });
  int all[6] = { VTK_INT_MAX, VTK_INT_MIN, VTK_INT_MAX, VTK_INT_MIN, VTK_INT_MAX, VTK_INT_MIN };
  for (const Bytes& bytes : processes.allGather(extents))
  {
    for (const std::array<int, 6>& extent : Numbers<int, 6>(bytes))
    {
      for (std::size_t a = 0; a < 6; a += 2)
      {
        all[a] = std::min(all[a], extent[a]);
        all[a + 1] = std::max(all[a + 1], extent[a + 1]);
      }
    }
  }
  if (all[0] > all[1])
  {
    throw neuvol::Error("The image has nothing but ghosts: there is nothing to compress");
  }
  if (whole && !std::equal(whole, whole + 6, all))
  {
    throw neuvol::Error("The image is only a part of what its source announces, and the source cannot bring its parts together: "
                        "compress it on a single process");
  }
  this->Whole->SetExtent(all);
  if (!this->Images.empty())
  {
    this->Whole->GetFieldData()->ShallowCopy(this->Images.front()->GetFieldData());
  }
}

vtkIdType vtkNeuvolParts::samples(int association) const
{
  int extent[6];
  ExtentOf(this->Whole, association, extent);
  return Count(extent);
}

void vtkNeuvolParts::keep(const std::vector<vtkDataArray*>& arrays, int association)
{
  for (std::size_t n = 0; n < this->Images.size(); ++n)
  {
    vtkNew<vtkImageData> light;
    light->CopyStructure(this->Images[n]);
    light->GetFieldData()->ShallowCopy(this->Images[n]->GetFieldData());
    light->GetAttributes(association)->AddArray(arrays[n]);
    light->GetAttributes(association)->SetActiveScalars(arrays[n]->GetName());
    this->Images[n] = light;
  }
  this->Kept = arrays;
  this->Association = association;
}

std::vector<neuvol::Piece> vtkNeuvolParts::pieces() const
{
  std::vector<neuvol::Piece> found;
  int room[6];
  ExtentOf(this->Whole, this->Association, room);
  for (std::size_t n = 0; n < this->Images.size(); ++n)
  {
    int own[6];
    ExtentOf(this->Images[n], this->Association, own);
    neuvol::Piece piece;
    for (std::size_t a = 0; a < 3; ++a)
    {
      piece.start[a] = static_cast<std::size_t>(own[2 * a] - room[2 * a]);
      piece.shape[a] = static_cast<std::size_t>(own[2 * a + 1] - own[2 * a] + 1);
    }
    piece.data = this->Kept[n]->GetVoidPointer(0);
    piece.bytes = static_cast<std::size_t>(this->Kept[n]->GetNumberOfValues()) * this->Kept[n]->GetDataTypeSize();
    found.push_back(piece);
  }
  return found;
}

vtkSmartPointer<vtkImageData> vtkNeuvolParts::gather(const vtkNeuvolProcesses& processes) const
{
  const auto is = [&](vtkImageData* image)
  { return std::equal(image->GetExtent(), image->GetExtent() + 6, this->Whole->GetExtent()); };
  if (processes.size() == 1 && this->Images.size() == 1 && is(this->Images.front()))
  {
    return this->Images.front();
  }
  Bytes extents;
  for (const auto& image : this->Images)
  {
    const int* e = image->GetExtent();
    Append(extents, std::array<int, 6>{ e[0], e[1], e[2], e[3], e[4], e[5] });
  }
  const std::vector<Bytes> all = processes.allGather(extents);
  vtkMultiProcessController* controller = vtkMultiProcessController::GetGlobalController();
  std::vector<vtkSmartPointer<vtkImageData>> parts = this->Images;
  std::string lost;
  const auto check = [&](int passed, std::size_t rank)
  {
    if (!passed)
    {
      lost = "a part of the image was lost between process " + std::to_string(rank) + " and process 0";
    }
  };
  if (!processes.isFirst())
  {
    for (const auto& image : this->Images)
    {
      check(controller->Send(image, 0, Tag), processes.rank());
    }
  }
  for (std::size_t rank = 1; processes.isFirst() && rank < all.size(); ++rank)
  {
    for (const std::array<int, 6>& extent : Numbers<int, 6>(all[rank]))
    {
      vtkNew<vtkImageData> image;
      check(controller->Receive(image, static_cast<int>(rank), Tag), rank);
      // The message does not keep where the image lies.
      image->SetExtent(const_cast<int*>(extent.data()));
      image->SetOrigin(this->Whole->GetOrigin());
      parts.push_back(image);
    }
  }
  vtkSmartPointer<vtkImageData> gathered;
  processes.together(
    [&]
    {
      if (!lost.empty())
      {
        throw neuvol::Error(lost);
      }
      if (!processes.isFirst())
      {
        return;
      }
      gathered = vtkSmartPointer<vtkImageData>::New();
      gathered->CopyStructure(this->Whole);
      gathered->GetFieldData()->ShallowCopy(parts.front()->GetFieldData());
      for (const int association : { vtkDataObject::FIELD_ASSOCIATION_POINTS, vtkDataObject::FIELD_ASSOCIATION_CELLS })
      {
        vtkDataSetAttributes* from = parts.front()->GetAttributes(association);
        vtkDataSetAttributes* to = gathered->GetAttributes(association);
        for (int n = 0; n < from->GetNumberOfArrays(); ++n)
        {
          vtkDataArray* array = from->GetArray(n);
          if (!array || !array->GetName() || !std::strcmp(array->GetName(), vtkDataSetAttributes::GhostArrayName()))
          {
            continue;
          }
          const auto filled = vtkSmartPointer<vtkDataArray>::Take(vtkDataArray::CreateDataArray(array->GetDataType()));
          filled->SetName(array->GetName());
          filled->SetNumberOfComponents(array->GetNumberOfComponents());
          for (int component = 0; component < array->GetNumberOfComponents(); ++component)
          {
            if (const char* name = array->GetComponentName(component))
            {
              filled->SetComponentName(component, name);
            }
          }
          filled->CopyInformation(array->GetInformation());
          Assemble(filled, gathered, parts, association);
          to->AddArray(filled);
        }
        if (vtkDataArray* scalars = from->GetScalars())
        {
          to->SetActiveScalars(scalars->GetName());
        }
      }
    });
  return gathered;
}
