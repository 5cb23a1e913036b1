// Runs the kernels of decode.cu and tensor_decode.cu on the host; tests/cuda/host.rs compiles and loads it.

#include "block.h"

#include DECODE_CU

using Kernel = void(Model, Points, const float *, Results, float *);
extern "C" Kernel tensor_values_32x2, tensor_values_32x4, tensor_values_64x2, tensor_values_64x4;

namespace {

struct Arguments {
    const Model *model;
    const Points *points;
    const float *parameters;
    const Results *results;
    float *scratch;
};

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
    {"tensor_values_32x2", call<tensor_values_32x2>}, {"tensor_values_32x4", call<tensor_values_32x4>},
    {"tensor_values_64x2", call<tensor_values_64x2>}, {"tensor_values_64x4", call<tensor_values_64x4>},
};

} // namespace

// 0, or what went wrong: 1 an unknown kernel, 2 too much shared memory, 3 a barrier that not all threads came to, 4 a write
// behind the shared memory that was asked for. `backward` is Block::run's.
extern "C" int launch(const char *name, u32 blocks, std::size_t shared_bytes, bool backward, const Model *model,
                      const Points *points, const float *parameters, const Results *results, float *scratch) {
    const Arguments arguments = {model, points, parameters, results, scratch};
    void (*kernel)(const void *) = nullptr;
    for (const auto &known : KERNELS) {
        if (std::strcmp(known.name, name) == 0) {
            kernel = known.kernel;
        }
    }
    if (!kernel) {
        return 1;
    }
    if (shared_bytes >= MOST_SHARED) {
        return 2;
    }
    gridDim.x = blocks;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
        switch (block.run(THREADS, shared_bytes, backward, [&] { kernel(&arguments); })) {
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
