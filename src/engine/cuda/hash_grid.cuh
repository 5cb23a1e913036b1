// A level of the hash grid: FORMAT.md, "The field". The structures are filled by Rust, member by member.
#pragma once

using u32 = unsigned int;
using u64 = unsigned long long;

constexpr u32 MAX_LEVELS = 64;

struct Level {
    u32 cells[3];
    // Entries less one, a power of two less one where the level is hashed.
    u32 mask;
    u32 dense;
    u32 unused;
    // The level's first parameter.
    u64 offset;
};

__device__ inline u32 entry_of(const Level &level, const u32 (&vertex)[3]) {
    if (level.dense) {
        return vertex[0] + (level.cells[0] + 1) * (vertex[1] + (level.cells[1] + 1) * vertex[2]);
    }
    return (vertex[0] ^ vertex[1] * 2654435761u ^ vertex[2] * 805459861u) & level.mask;
}

// Calls `take(entry, weight)` for the eight corners of the cell around a position.
template <typename Take>
__device__ void visit_corners(const Level &level, const float *position, Take take) {
    u32 cell[3];
    float fraction[3];
    for (int axis = 0; axis < 3; ++axis) {
        const u32 cells = level.cells[axis];
        // Rounded before the cell is taken away: fused, the fraction could be that of another cell.
        const float scaled = __fmul_rn(position[axis], float(cells));
        cell[axis] = min(u32(scaled), cells == 0 ? 0 : cells - 1);
        fraction[axis] = scaled - float(cell[axis]);
    }
#pragma unroll
    for (int corner = 0; corner < 8; ++corner) {
        u32 vertex[3];
        float weight = 1.0f;
        for (int axis = 0; axis < 3; ++axis) {
            const bool upper = corner >> axis & 1;
            vertex[axis] = min(cell[axis] + upper, level.cells[axis]);
            weight *= upper ? fraction[axis] : 1.0f - fraction[axis];
        }
        take(entry_of(level, vertex), weight);
    }
}
