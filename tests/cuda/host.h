// What a kernel needs of CUDA, on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

// The standard library knows it as an attribute: not before its headers.
#define __noinline__ __attribute__((noinline))

#define __global__
#define __device__
#define __grid_constant__
#define __launch_bounds__(...)
#define __shared__ thread_local

struct Index {
    unsigned x;
};
extern thread_local Index threadIdx, blockIdx, blockDim, gridDim;

// Of the block, and of the warp: block.cpp.
void __syncthreads();
void __syncwarp();
// A lane's number to the others of its warp; all lanes must ask.
float __shfl_sync(unsigned lanes, float own, int from);
float __shfl_xor_sync(unsigned lanes, float own, int with);

inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

template <typename T>
T atomicAdd(T *to, T value) {
    const T before = *to;
    *to += value;
    return before;
}

using std::isfinite;
using std::isnan;

inline unsigned min(unsigned a, unsigned b) { return std::min(a, b); }
inline unsigned max(unsigned a, unsigned b) { return std::max(a, b); }

// Compiled without contraction, a product is rounded by itself.
inline float __fmul_rn(float a, float b) { return a * b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }

inline void sincospif(float a, float *sine, float *cosine) {
    const double angle = 3.141592653589793 * std::fmod(double(a), 2.0);
    *sine = float(std::sin(angle));
    *cosine = float(std::cos(angle));
}
