// Products of matrices of floats on tensor cores: instructions of a whole warp, whose values lie spread over its lanes' registers
// (PTX ISA, "Matrix Fragments for mma.m16n8k8"). With group = lane / 4 and place = lane % 4:
//
//   A, 16 x 8    a[0], a[1]: rows group and group + 8, column place    a[2], a[3]: the same rows, column place + 4
//   B, 8 x 8     b[0], b[1]: rows place and place + 4, column group
//   C, 16 x 8    c[0], c[1]: row group, columns 2 place, 2 place + 1   c[2], c[3]: the same, row + 8
//
// Tensor cores read 11 bits of a float's 24. Split into two such numbers, three products for one have what float32 has but for
// two bits (Ootomo & Yokota 2022). tests/cuda/include has the instruction for the host.
#pragma once

#include <hash_grid.cuh>
#include <matrix_instruction.cuh>

// The nearest number of 11 bits, and the nearest one to what is left.
struct Split {
    float high, low;
};

__device__ inline float nearest_of_11_bits(float value) {
    return __uint_as_float((__float_as_uint(value) + 0x1000u) & 0xffffe000u);
}

__device__ inline Split split(float value) {
    const float high = nearest_of_11_bits(value);
    return {high, nearest_of_11_bits(value - high)};
}

// A fragment of A or B in two parts.
template <int N>
struct Fragment {
    float high[N], low[N];
};

// c += a b. What is small comes first.
__device__ inline void multiply(float (&c)[4], const Fragment<4> &a, const Fragment<2> &b) {
    multiply_of_11_bits(c, a.low, b.high);
    multiply_of_11_bits(c, a.high, b.low);
    multiply_of_11_bits(c, a.high, b.high);
}
