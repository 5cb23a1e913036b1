// For tests of programs that use neuvol; not installed.

#ifndef neuvol_testing_h
#define neuvol_testing_h

#include "neuvol/neuvol.h"

namespace neuvol
{

/// Panics inside, which must arrive here as an Error.
NEUVOL_EXPORT void panicOnPurpose();

} // namespace neuvol

#endif
