// Runs the kernels of fused.cu on the host; tests/torch.rs compiles and loads it.

#include "../cuda/block.h"

#include "arguments.h"

#include <fused.cu>

namespace {

template <typename... Arguments>
std::function<void()> prepared(void (*kernel)(Arguments...), void **arguments) {
    return [=] { call(kernel, arguments, std::index_sequence_for<Arguments...>{}); };
}

std::function<void()> named(const char *name, void **arguments) {
#define KERNEL(kernel)                         \
    if (std::strcmp(name, #kernel) == 0) {     \
        return prepared(kernel, arguments);    \
    }
    KERNEL(fused_16)
    KERNEL(fused_32)
    KERNEL(fused_64)
    KERNEL(fused_16_fixed)
    KERNEL(fused_32_fixed)
    KERNEL(fused_64_fixed)
    KERNEL(add_up)
    return {};
}

} // namespace

// As cuLaunchKernel: the addresses of the arguments. 0, or what went wrong, as tests/cuda/host.cpp numbers it.
extern "C" int launch_blocks(const char *name, unsigned blocks, unsigned threads, std::size_t shared_bytes, bool backward,
                             void **arguments) {
    const std::function<void()> kernel = named(name, arguments);
    if (!kernel) {
        return 1;
    }
    if (shared_bytes >= MOST_SHARED) {
        return 2;
    }
    gridDim.x = blocks;
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
        switch (block.run(threads, shared_bytes, backward, kernel)) {
        case Block::Outcome::DONE:
            break;
        case Block::Outcome::STUCK:
            return 3;
        case Block::Outcome::WROTE_BEHIND_SHARED:
            return 4;
        }
    }
    return 0;
}
