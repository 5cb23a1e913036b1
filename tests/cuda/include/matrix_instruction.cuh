// The function of src/engine/cuda/matrix_instruction.cuh on the host: the lanes of a warp show one another their registers, and
// each computes what it is to have, as PTX ISA says which value lies where.
#pragma once

#include "../block.h"

inline float first_11_bits(unsigned bits) { return __uint_as_float(bits & 0xffffe000u); }

inline void multiply_of_11_bits(float (&c)[4], const float (&a)[4], const float (&b)[2]) {
    Shown own = {};
    for (int i = 0; i < 4; ++i) {
        own.registers[i] = __float_as_uint(a[i]);
    }
    own.registers[4] = __float_as_uint(b[0]);
    own.registers[5] = __float_as_uint(b[1]);
    const Shown *lanes = block.exchange(own);
    const unsigned group = threadIdx.x % 32 / 4, place = threadIdx.x % 4;
    for (unsigned i = 0; i < 4; ++i) {
        const unsigned row = group + i / 2 * 8, column = 2 * place + i % 2;
        for (unsigned k = 0; k < 8; ++k) {
            const unsigned of_a = lanes[row % 8 * 4 + k % 4].registers[row / 8 + k / 4 * 2];
            const unsigned of_b = lanes[column * 4 + k % 4].registers[4 + k / 4];
            c[i] += first_11_bits(of_a) * first_11_bits(of_b);
        }
    }
}
