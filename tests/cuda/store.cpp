// Runs the kernels of store.cu on the host; tests/cuda/host.rs compiles and loads it.

#include "host.h"

#include STORE_CU

namespace {

struct Arguments {
    const Storage *storage;
    const float *values;
    const u8 *codes;
    void *out;
    u64 count;
};

template <typename T, void KERNEL(Storage, const float *, const u8 *, T *, u64)>
void call(const Arguments &a) {
    KERNEL(*a.storage, a.values, a.codes, static_cast<T *>(a.out), a.count);
}

const struct {
    const char *name;
    void (*kernel)(const Arguments &);
} KERNELS[] = {
    {"store_uint8", call<unsigned char, store_uint8>},
    {"store_int8", call<signed char, store_int8>},
    {"store_uint16", call<unsigned short, store_uint16>},
    {"store_int16", call<short, store_int16>},
    {"store_uint32", call<unsigned int, store_uint32>},
    {"store_int32", call<int, store_int32>},
    {"store_float32", call<float, store_float32>},
    {"store_float64", call<double, store_float64>},
};

} // namespace

// No thread waits for another: one after the other will do. Returns 1 for an unknown kernel, else 0.
extern "C" int launch_store(const char *name, u32 blocks, u32 threads, const Storage *storage, const float *values,
                            const u8 *codes, void *out, u64 count) {
    const Arguments arguments = {storage, values, codes, out, count};
    for (const auto &known : KERNELS) {
        if (std::strcmp(known.name, name) != 0) {
            continue;
        }
        gridDim.x = blocks;
        blockDim.x = threads;
        for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
            for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) {
                known.kernel(arguments);
            }
        }
        return 0;
    }
    return 1;
}
