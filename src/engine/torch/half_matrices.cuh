// Products of matrices of halves on tensor cores: instructions of a whole warp, whose values lie spread over its lanes'
// registers (PTX ISA, "Matrix Fragments for mma.m16n8k16", "ldmatrix"). With group = lane / 4 and pair = 2 * (lane % 4):
//
//   A, 16 x 16   a[0]: row group,     columns pair, pair + 1     a[2]: the same, columns + 8
//                a[1]: row group + 8, the same columns           a[3]: the same, columns + 8
//   B, 16 x 8    b[0]: rows pair, pair + 1, column group         b[1]: the same, rows + 8
//   C, 16 x 8    c[0], c[1]: row group, columns pair, pair + 1   c[2], c[3]: the same, row + 8
//
// Halves lie in pairs in a register. tests/cuda/include has the same functions for the host.
#pragma once

#include <hash_grid.cuh>
#include <cuda_fp16.h>

__device__ inline u32 pack(float low, float high) {
    const __half2 pair = __floats2half2_rn(low, high);
    return *reinterpret_cast<const u32 *>(&pair);
}

// c += a b, sums in float32. `b` begins with its two registers: those of two matrices side by side have four.
__device__ inline void multiply(float (&c)[4], const u32 (&a)[4], const u32 *b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four matrices of 8 x 8 halves in shared memory: lanes 8 n to 8 n + 7 name the rows of matrix n, aligned to 16 bytes.
// Register n gets from matrix n: row group, columns pair and pair + 1.
__device__ inline void load_matrices(u32 (&to)[4], const __half *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(u32(__cvta_generic_to_shared(row)))
                 : "memory");
}

// The same of the transposed matrices: rows pair and pair + 1 of column group.
__device__ inline void load_transposed(u32 (&to)[4], const __half *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(u32(__cvta_generic_to_shared(row)))
                 : "memory");
}
