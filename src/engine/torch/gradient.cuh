// What the kernels of training share: the hash grid's tables in half precision, and how gradients are added to them.
#pragma once

#include <cuda_fp16.h>
#include <hash_grid.cuh>

// step.rs fills it: the same members in the same order there.
struct Grid {
    u32 levels;
    u32 features;
    Level of[MAX_LEVELS];
};

// N halves in one access, as they are aligned.
template <int N>
__device__ void load(float (&to)[N], const __half *from) {
    struct alignas(2 * N) Halves {
        __half of[N];
    };
    const Halves halves = *reinterpret_cast<const Halves *>(from);
    for (int i = 0; i < N; ++i) {
        to[i] = __half2float(halves.of[i]);
    }
}

// Gradients are added as floats, in any order, or as numbers with a fixed point of 2^-40, which give the same sum in every
// order.
constexpr double FIXED_ONE = 1099511627776.0;

__device__ inline void add(float *to, float value) { atomicAdd(to, value); }
__device__ inline void add(u64 *to, float value) { atomicAdd(to, u64((long long)(double(value) * FIXED_ONE))); }

// The gradient by an entry's N values, which are finite.
template <int N, typename Sum>
__device__ void add(Sum *to, const float (&values)[N]) {
    for (int i = 0; i < N; ++i) {
        if (values[i] != 0.0f) {
            add(to + i, values[i]);
        }
    }
}

#if __CUDA_ARCH__ >= 900
// Since Hopper two or four floats are added at once.
template <int N>
__device__ void add(float *to, const float (&values)[N]) {
    if constexpr (N % 4 == 0) {
        for (int i = 0; i < N; i += 4) {
            atomicAdd(reinterpret_cast<float4 *>(to + i), {values[i], values[i + 1], values[i + 2], values[i + 3]});
        }
    } else if constexpr (N == 2) {
        atomicAdd(reinterpret_cast<float2 *>(to), {values[0], values[1]});
    } else {
        atomicAdd(to, values[0]);
    }
}
#endif
