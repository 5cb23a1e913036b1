// Runs the kernels of decode.cu on the host; tests/cuda/host.rs compiles and loads it.

#include "host.h"

#include DECODE_CU

thread_local Index threadIdx, blockIdx, blockDim, gridDim;

namespace {

constexpr std::size_t STACK = 128 << 10;
constexpr std::size_t MOST_SHARED = 256 << 10;

struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    bool is_done;
};

struct Block {
    ucontext_t scheduler;
    std::vector<Fiber> fibers;
    void (*kernel)(const void *);
    const void *arguments;
};

thread_local Block block;

void run_fiber() {
    block.kernel(block.arguments);
    block.fibers[threadIdx.x].is_done = true;
    swapcontext(&block.fibers[threadIdx.x].context, &block.scheduler);
}

// Returns false when some threads wait at a barrier that others do not come to.
bool run_block(bool backward) {
    for (Fiber &fiber : block.fibers) {
        fiber.is_done = false;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, run_fiber, 0);
    }
    for (;;) {
        unsigned done = 0;
        for (unsigned n = 0; n < THREADS; ++n) {
            threadIdx.x = backward ? THREADS - 1 - n : n;
            Fiber &fiber = block.fibers[threadIdx.x];
            swapcontext(&block.scheduler, &fiber.context);
            done += fiber.is_done;
        }
        if (done == THREADS) {
            return true;
        }
        if (done > 0) {
            return false;
        }
    }
}

struct Arguments {
    const Model *model;
    const Points *points;
    const float *parameters;
    const Results *results;
    float *scratch;
};

using Kernel = void(Model, Points, const float *, Results, float *);

template <Kernel KERNEL>
void call(const void *arguments) {
    const Arguments &a = *static_cast<const Arguments *>(arguments);
    KERNEL(*a.model, *a.points, a.parameters, *a.results, a.scratch);
}

const struct {
    const char *name;
    void (*kernel)(const void *);
} KERNELS[] = {
    {"values_16", call<values_16>},       {"values_32", call<values_32>},       {"values_64", call<values_64>},
    {"values_any", call<values_any>},     {"gradients_16", call<gradients_16>}, {"gradients_32", call<gradients_32>},
    {"gradients_64", call<gradients_64>}, {"gradients_any", call<gradients_any>},
};

} // namespace

thread_local float4 shared[MOST_SHARED / sizeof(float4)];

void __syncthreads() { swapcontext(&block.fibers[threadIdx.x].context, &block.scheduler); }

// 0, or what went wrong: 1 an unknown kernel, 2 too much shared memory, 3 a barrier that not all threads came to, 4 a write
// behind the shared memory that was asked for. `backward` turns the order around in which threads take their turns: where
// a barrier is missing, the results depend on it.
extern "C" int launch(const char *name, u32 blocks, std::size_t shared_bytes, bool backward, const Model *model,
                      const Points *points, const float *parameters, const Results *results, float *scratch) {
    const Arguments arguments = {model, points, parameters, results, scratch};
    block.kernel = nullptr;
    for (const auto &known : KERNELS) {
        if (std::strcmp(known.name, name) == 0) {
            block.kernel = known.kernel;
        }
    }
    if (!block.kernel) {
        return 1;
    }
    if (shared_bytes >= MOST_SHARED) {
        return 2;
    }
    block.arguments = &arguments;
    block.fibers.resize(THREADS);
    for (Fiber &fiber : block.fibers) {
        if (!fiber.stack) {
            fiber.stack.reset(new char[STACK]);
        }
    }
    gridDim.x = blocks;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
        // What is read before it was written, spoils the result.
        float *first = reinterpret_cast<float *>(shared), *last = first + MOST_SHARED / sizeof(float);
        std::fill(first, last, std::numeric_limits<float>::quiet_NaN());
        if (!run_block(backward)) {
            return 3;
        }
        if (!std::all_of(first + shared_bytes / sizeof(float), last, [](float number) { return std::isnan(number); })) {
            return 4;
        }
    }
    return 0;
}
