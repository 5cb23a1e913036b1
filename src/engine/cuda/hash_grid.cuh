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

// The cell around a position.
struct Cell {
    // What the lower and the upper vertex of each axis give to an entry's number.
    u32 terms[3][2];
    // How far the position is between them.
    float fraction[3];
};

__device__ inline Cell cell_around(const Level &level, const float *position) {
    const u32 across = level.cells[0] + 1;
    const u32 factors[3] = {1, level.dense ? across : 2654435761u,
                            level.dense ? across * (level.cells[1] + 1) : 805459861u};
    Cell cell;
    for (int axis = 0; axis < 3; ++axis) {
        const u32 cells = level.cells[axis];
        // Rounded before the cell is taken away: fused, the fraction could be that of another cell.
        const float scaled = __fmul_rn(position[axis], float(cells));
        const u32 lower = min(u32(scaled), cells == 0 ? 0 : cells - 1);
        cell.fraction[axis] = scaled - float(lower);
        cell.terms[axis][0] = lower * factors[axis];
        cell.terms[axis][1] = min(lower + 1, cells) * factors[axis];
    }
    return cell;
}

// The entry of a vertex, of what its places along the axes give.
__device__ inline u32 entry_of(const Level &level, u32 x, u32 y, u32 z) {
    // One of both, not one or the other: at a branch the loads of a cell's entries would wait for one another.
    const u32 dense = x + y + z, hashed = (x ^ y ^ z) & level.mask;
    return level.dense ? dense : hashed;
}

// The entry of a corner; bit a of its number says upper along axis a.
__device__ inline u32 entry_of(const Level &level, const Cell &cell, int corner) {
    return entry_of(level, cell.terms[0][corner & 1], cell.terms[1][corner >> 1 & 1], cell.terms[2][corner >> 2]);
}

// Calls `take(entry, weight)` for the eight corners of the cell around a position.
template <typename Take>
__device__ void visit_corners(const Level &level, const float *position, Take take) {
    const Cell cell = cell_around(level, position);
#pragma unroll
    for (int corner = 0; corner < 8; ++corner) {
        float weight = 1.0f;
        for (int axis = 0; axis < 3; ++axis) {
            weight *= corner >> axis & 1 ? cell.fraction[axis] : 1.0f - cell.fraction[axis];
        }
        take(entry_of(level, cell, corner), weight);
    }
}
