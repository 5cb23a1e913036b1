// Runs the kernels of step.cu on the host, a thread after the other; tests/torch.rs compiles and loads it.

#include "../cuda/host.h"

#include "arguments.h"

#include <step.cu>

namespace {

template <typename... Arguments>
void run(void (*kernel)(Arguments...), unsigned long long threads, void **arguments) {
    blockDim.x = 1;
    threadIdx.x = 0;
    // A few threads more than asked for, as in the last block, and the last one first: no kernel may count on an order.
    for (unsigned long long n = threads + 5; n-- > 0;) {
        blockIdx.x = n;
        call(kernel, arguments, std::index_sequence_for<Arguments...>{});
    }
}

}  // namespace

// As cuLaunchKernel: the addresses of the arguments. Returns 0 when there is such a kernel.
extern "C" int launch(const char *name, unsigned long long threads, void **arguments) {
#define KERNEL(kernel)                            \
    if (std::strcmp(name, #kernel) == 0) {        \
        run(kernel, threads, arguments);          \
        return 0;                                 \
    }
    KERNEL(draw_batch)
    KERNEL(draw_positions)
    KERNEL(encode_float)
    KERNEL(encode_half)
    KERNEL(scatter_float)
    KERNEL(scatter_half)
    KERNEL(scatter_float_fixed)
    KERNEL(scatter_half_fixed)
    KERNEL(fixed_to_float)
    KERNEL(adam)
    return 1;
}
