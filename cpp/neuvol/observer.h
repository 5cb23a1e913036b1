// What long work tells its caller, across the bridge.

#ifndef neuvol_observer_h
#define neuvol_observer_h

namespace neuvol::bridge
{

/// Told of progress on the thread that called.
class Observer
{
public:
  virtual ~Observer() = default;
  /// How much is done, 0 to 1. Returns false to stop the work.
  virtual bool progress(double fraction) const = 0;
};

} // namespace neuvol::bridge

#endif
