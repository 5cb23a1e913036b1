// VTK's processes, as neuvol reaches them. Not installed.

#ifndef vtkNeuvolProcesses_h
#define vtkNeuvolProcesses_h

#include <neuvol/together.h>

// Not declared here: VTK may have its classes in a namespace of its ABI's.
#include "vtkMultiProcessController.h"

#include <functional>
#include <string>
#include <vector>

/// Those of VTK's global controller, or this one alone.
class vtkNeuvolProcesses final : public neuvol::Communicator
{
public:
  vtkNeuvolProcesses();

  std::size_t rank() const override;
  std::size_t size() const override;
  std::vector<Bytes> allGather(const Bytes& own) const override;
  std::vector<Bytes> exchange(const std::vector<Bytes>& toEach) const override;

  bool isFirst() const { return this->rank() == 0; }

  /// Does a process' own work while the others do theirs, none of which waits for another. Where one throws, all do.
  void together(const std::function<void()>& work) const;

private:
  vtkMultiProcessController* Controller;
};

#endif
