// The functions of src/engine/torch/half_matrices.cuh on the host: the lanes of a warp show one another their registers, and each
// computes what it is to have, as PTX ISA says which value lies where.
#pragma once

#include "../block.h"

#include <cuda_fp16.h>
#include <hash_grid.cuh>

inline u32 pack(float low, float high) { return __float2half_rn(low).bits | u32(__float2half_rn(high).bits) << 16; }

inline float half_of(u32 pair, u32 number) {
    return __half2float({static_cast<unsigned short>(number == 0 ? pair : pair >> 16)});
}

inline void multiply(float (&c)[4], const u32 (&a)[4], const u32 *b) {
    const Shown *lanes = block.exchange({{a[0], a[1], a[2], a[3], b[0], b[1]}});
    const u32 group = threadIdx.x % 32 / 4, pair = threadIdx.x % 4 * 2;
    for (u32 i = 0; i < 4; ++i) {
        const u32 row = group + i / 2 * 8, column = pair + i % 2;
        for (u32 k = 0; k < 16; ++k) {
            const u32 of_a = lanes[row % 8 * 4 + k % 8 / 2].registers[row / 8 + k / 8 * 2];
            const u32 of_b = lanes[column * 4 + k % 8 / 2].registers[4 + k / 8];
            c[i] += half_of(of_a, k % 2) * half_of(of_b, k % 2);
        }
    }
}

inline const __half *aligned_row(const Shown &lane) {
    if (reinterpret_cast<std::size_t>(lane.address) % 16 != 0) {
        __builtin_trap();
    }
    return static_cast<const __half *>(lane.address);
}

inline void load_matrices(u32 (&to)[4], const __half *row) {
    Shown own;
    own.address = row;
    const Shown *lanes = block.exchange(own);
    const u32 group = threadIdx.x % 32 / 4, pair = threadIdx.x % 4 * 2;
    for (u32 n = 0; n < 4; ++n) {
        const __half *from = aligned_row(lanes[8 * n + group]) + pair;
        to[n] = from[0].bits | u32(from[1].bits) << 16;
    }
}

inline void load_transposed(u32 (&to)[4], const __half *row) {
    Shown own;
    own.address = row;
    const Shown *lanes = block.exchange(own);
    const u32 group = threadIdx.x % 32 / 4, pair = threadIdx.x % 4 * 2;
    for (u32 n = 0; n < 4; ++n) {
        const __half *upper = aligned_row(lanes[8 * n + pair]), *lower = aligned_row(lanes[8 * n + pair + 1]);
        to[n] = upper[group].bits | u32(lower[group].bits) << 16;
    }
}
